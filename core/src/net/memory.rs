//! How a caller's workspace is cut into slices of elements.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Every buffer starts at a multiple of this.
pub(super) const ALIGN: usize = 4;

/// The workspace from its first multiple of [`ALIGN`] on.
pub(super) fn align(workspace: &mut [u8]) -> Option<&mut [u8]> {
    let misaligned = workspace.as_ptr().addr() % ALIGN;
    workspace.get_mut((ALIGN - misaligned) % ALIGN..)
}

/// The first `len` elements of an aligned buffer; the kernels refuse a shorter slice.
pub(super) fn prefix<T: FromBytes + Immutable>(buffer: &[u8], len: usize) -> &[T] {
    <[T]>::ref_from_prefix_with_elems(buffer, len).map_or(&[], |(slice, _)| slice)
}

/// As [`prefix`], mutable.
pub(super) fn prefix_mut<T: FromBytes + IntoBytes + Immutable>(
    buffer: &mut [u8],
    len: usize,
) -> &mut [T] {
    <[T]>::mut_from_prefix_with_elems(buffer, len).map_or(&mut [], |(slice, _)| slice)
}
