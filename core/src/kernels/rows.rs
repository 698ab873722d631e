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

/// `sums_j = start_j + 2^12 · sum_i w_ij` over the rows `i` that are set in `active`, modulo 2^32.
///
/// `weights` is row-major, a row [`row_stride`]`(start.len())` elements long, and so are the sums. Sums behind
/// the last start are left with something or other; bits behind the last row are ignored. An inactive row costs
/// next to nothing.
///
/// # Errors
/// [`ShapeError`] when there is no start, `sums` is not [`row_stride`]`(start.len())` long, `weights` no whole
/// number of such rows, or `active` has another number of words than [`bit_words`] of the rows.
#[inline]
pub fn add_rows(
    weights: &[i8],
    active: &[u32],
    start: &[i32],
    sums: &mut [i32],
) -> Result<(), ShapeError> {
    let stride = row_stride(start.len());
    ShapeError::at_least(Operand::Channels, 1, start.len())?;
    ShapeError::exact(Operand::Output, stride, sums.len())?;
    let rows = weights.len().checked_div(stride).unwrap_or(0);
    let whole = rows.saturating_mul(stride);
    ShapeError::exact(Operand::Weights, whole, weights.len())?;
    ShapeError::exact(Operand::Input, bit_words(rows), active.len())?;
    #[cfg(autodidact_kernels = "armv7em")]
    if super::armv7em_rows::add_rows(weights, active, start, sums).is_some() {
        return Ok(());
    }
    crate::slices::copy(start, sums);
    // Row by row: a loop that vectorises.
    for (index, row) in weights.chunks_exact(stride.max(1)).enumerate() {
        if is_set(active, index) {
            for (sum, w) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(*w) << STATE_BITS);
            }
        }
    }
    Ok(())
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
    #[cfg(autodidact_kernels = "armv7em")]
    if super::armv7em_rows::add_columns(weights, columns, active, sums).is_some() {
        return Ok(());
    }
    for (sum, row) in sums.iter_mut().zip(weights.chunks_exact(stride.max(1))) {
        let row = row.get(..columns).unwrap_or(&[]);
        let mut total = 0i32;
        for (weights, bits) in row.chunks(32).zip(active) {
            let mut bits = *bits;
            for w in weights {
                let mask = (bits & 1).cast_signed().wrapping_neg();
                total = total.wrapping_add(i32::from(*w) & mask);
                bits >>= 1;
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
