//! Sums over the active units of a binary layer: rows of weights are added, nothing is multiplied.

use crate::{Operand, ShapeError};

/// One, as a state: sums have 12 more fractional bits than the weights that go into them.
pub const STATE_BITS: u32 = 12;

/// Elements that a row of `columns` weights takes: padded to a multiple of 16.
#[must_use]
pub const fn row_stride(columns: usize) -> usize {
    columns.saturating_add(15) / 16 * 16
}

/// Words of a set of `units` bits: unit `i` is bit `i % 32` of word `i / 32`.
#[must_use]
pub const fn bit_words(units: usize) -> usize {
    units.div_ceil(32)
}

/// `sums_j += 2^12 · sum_i w_ij` over the rows `i` that are set in `active`, modulo 2^32.
///
/// `weights` is row-major, a row [`row_stride`] elements long; `sums` is as long as a row. What lies in the
/// padding of a row goes into the padding of the sums and nowhere else; bits behind the last row are ignored.
/// An inactive row costs next to nothing.
///
/// # Errors
/// [`ShapeError`] when `sums` is no whole number of sixteens, `weights` no whole number of rows, or `active`
/// has another number of words than [`bit_words`] of the rows.
#[inline]
pub fn add_rows(weights: &[i8], active: &[u32], sums: &mut [i32]) -> Result<(), ShapeError> {
    let stride = sums.len();
    ShapeError::exact(Operand::Output, row_stride(stride).max(16), stride)?;
    let rows = weights.len().checked_div(stride).unwrap_or(0);
    let whole = rows.saturating_mul(stride);
    ShapeError::exact(Operand::Weights, whole, weights.len())?;
    ShapeError::exact(Operand::Input, bit_words(rows), active.len())?;
    #[cfg(autodidact_kernels = "armv7em")]
    if super::armv7em_rows::add_rows(weights, active, sums).is_some() {
        return Ok(());
    }
    portable_rows(weights, active, sums);
    Ok(())
}

/// Row by row: a loop that vectorises.
fn portable_rows(weights: &[i8], active: &[u32], sums: &mut [i32]) {
    let rows = weights.chunks_exact(sums.len().max(1));
    for (index, row) in rows.enumerate() {
        if is_set(active, index) {
            for (sum, w) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(*w) << STATE_BITS);
            }
        }
    }
}

/// `sums_i += 2^12 · sum_j w_ij` over the columns `j` that are set in `active`, modulo 2^32.
///
/// `weights` is row-major, a row [`row_stride`]`(columns)` elements long; there is a sum for each row. Costs
/// the same whatever is active: where a matrix and its transpose are both stored, [`add_rows`] is faster.
///
/// # Errors
/// [`ShapeError`] when `weights` is not as long as the sums' rows, or `active` has another number of words
/// than [`bit_words`]`(columns)`.
#[inline]
pub fn add_columns(
    weights: &[i8],
    columns: usize,
    active: &[u32],
    sums: &mut [i32],
) -> Result<(), ShapeError> {
    let stride = row_stride(columns);
    let needed = sums.len().saturating_mul(stride);
    ShapeError::exact(Operand::Weights, needed, weights.len())?;
    ShapeError::exact(Operand::Input, bit_words(columns), active.len())?;
    for (sum, row) in sums.iter_mut().zip(weights.chunks_exact(stride.max(1))) {
        let row = row.get(..columns).unwrap_or(&[]);
        let mut total = 0i32;
        for (weights, bits) in row.chunks(32).zip(active) {
            for (at, w) in (0u32..).zip(weights) {
                let mask = ((bits >> (at & 31)) & 1).cast_signed().wrapping_neg();
                total = total.wrapping_add(i32::from(*w) & mask);
            }
        }
        *sum = sum.wrapping_add(total << STATE_BITS);
    }
    Ok(())
}

/// Whether bit `index` is set.
#[inline]
pub(crate) fn is_set(bits: &[u32], index: usize) -> bool {
    let word = bits.get(index / 32).copied().unwrap_or(0);
    (word >> (index % 32)) & 1 == 1
}
