//! Copying that has nothing to check.

/// Copies as many values as both have: `copy_from_slice` without the panic on different lengths.
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// The same for longer runs of 16 bits: by words where the core can load those from anywhere.
pub(crate) fn copy_long(from: &[i16], to: &mut [i16]) {
    const RUN: usize = 8;
    let (from_runs, from) = from.as_chunks::<RUN>();
    let (to_runs, to) = to.as_chunks_mut::<RUN>();
    for (to, from) in to_runs.iter_mut().zip(from_runs) {
        *to = *from;
    }
    copy(from, to);
}
