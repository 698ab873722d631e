//! Copying that has nothing to check.

/// Copies as many values as both have: `copy_from_slice` without the panic on different lengths.
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
