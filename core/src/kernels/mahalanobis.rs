//! Squared Mahalanobis distances through a triangular factor, two rows at a time.

use crate::{Defect, Operand, ShapeError};

/// Right shifts of the rows of a factor, each at most 31: a row's sum has 64 bits, and what the shift leaves of
/// it is read in 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shifts<'a>(&'a [u8]);

impl<'a> Shifts<'a> {
    /// Largest shift.
    pub const MOST: u8 = 31;

    /// These shifts.
    ///
    /// # Errors
    /// [`Defect::Scale`] with the index of the first one above [`MOST`](Self::MOST).
    pub fn new(shifts: &'a [u8]) -> Result<Self, Defect> {
        let too_large = (0u32..).zip(shifts).find(|(_, shift)| **shift > Self::MOST);
        match too_large {
            Some((index, _)) => Err(Defect::Scale { index }),
            None => Ok(Self(shifts)),
        }
    }

    /// Shifts that have been proved already.
    #[inline]
    pub(crate) const fn proved(shifts: &'a [u8]) -> Self {
        Self(shifts)
    }

    /// The shifts.
    #[inline]
    #[must_use]
    pub const fn as_slice(&self) -> &'a [u8] {
        self.0
    }
}

/// Number of rows of a factor as it is stored: `dimensions`, made even.
#[must_use]
pub const fn factor_rows(dimensions: usize) -> usize {
    dimensions + dimensions % 2
}

/// Number of elements of a packed lower-triangular factor.
#[must_use]
pub const fn factor_len(dimensions: usize) -> usize {
    let pairs = dimensions.div_ceil(2);
    // No memory holds what would saturate.
    pairs.saturating_mul(pairs + 1).saturating_mul(2)
}

/// Where the packed factor has the element of `row` and `column`, `column <= row`.
///
/// Rows lie in pairs. A pair holds its columns two by two, the last ones first: two columns of the even
/// row, the same two of the odd row, then the two columns before. A word of the sample thus serves two
/// rows, and a kernel can enter its unrolled code at the word where a pair of rows begins.
#[must_use]
pub const fn factor_index(row: usize, column: usize) -> usize {
    let (pair, word) = (row / 2, column / 2);
    let before = pair.saturating_mul(pair + 1).saturating_mul(2);
    let within = pair.saturating_sub(word).saturating_mul(4);
    before
        .saturating_add(within)
        .saturating_add(2 * (row % 2) + column % 2)
}

/// `sum y_i^2` for `y_i = (p_i · x + o_i) >> s_i`, `p_i` a row of the packed factor, for each of
/// `distances`.
///
/// There are `factor_rows(x.len())` offsets for each distance, and as many factors and rows of shifts, or
/// one that all share. Exact as long as `|y_i| < 2^28` and there are at most 64 rows, which loading a
/// model proves; beyond that `y_i` is taken modulo 2^32 and the sum modulo 2^64, on every core.
///
/// ```
/// use autodidact::kernels::{Shifts, factor_index, factor_len, mahalanobis};
/// // One feature: y = (3 x + 1) >> 1; the second row only makes the number even.
/// let mut factor = [0; factor_len(1)];
/// factor[factor_index(0, 0)] = 3;
/// let mut distance = [0];
/// mahalanobis(&factor, &[1, 0], Shifts::new(&[1, 0])?, &[5], &mut distance)?;
/// assert_eq!(distance, [64]);
/// assert!(Shifts::new(&[32]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ShapeError`] when a slice has the wrong length.
#[inline]
pub fn mahalanobis(
    factors: &[i16],
    offsets: &[i64],
    shifts: Shifts<'_>,
    x: &[i16],
    distances: &mut [u64],
) -> Result<(), ShapeError> {
    let shifts = shifts.as_slice();
    let (rows, len) = (factor_rows(x.len()), factor_len(x.len()));
    let shared = factors.len() == len;
    let stored = if shared { 1 } else { distances.len() };
    ShapeError::at_least(Operand::Input, 1, x.len())?;
    ShapeError::exact(Operand::Weights, stored.saturating_mul(len), factors.len())?;
    ShapeError::exact(Operand::Channels, stored.saturating_mul(rows), shifts.len())?;
    let offsets_needed = distances.len().saturating_mul(rows);
    ShapeError::exact(Operand::Channels, offsets_needed, offsets.len())?;
    #[cfg(autodidact_kernels = "armv7em")]
    if super::armv7em_mahalanobis::mahalanobis(factors, offsets, shifts, x, distances).is_some() {
        return Ok(());
    }
    let (mut factors, mut shifts) = (factors, shifts);
    for (distance, offsets) in distances.iter_mut().zip(offsets.chunks_exact(rows.max(1))) {
        // The lengths fit: there are as many as needed.
        let (Some((factor, other_factors)), Some((own_shifts, other_shifts))) =
            (factors.split_at_checked(len), shifts.split_at_checked(rows))
        else {
            break;
        };
        *distance = portable(factor, offsets, own_shifts, x);
        if !shared {
            (factors, shifts) = (other_factors, other_shifts);
        }
    }
    Ok(())
}

/// One distance, where there is nothing faster.
fn portable(factor: &[i16], offsets: &[i64], shifts: &[u8], x: &[i16]) -> u64 {
    let mut rest = factor;
    let mut sum = 0u64;
    let pairs = offsets
        .as_chunks::<2>()
        .0
        .iter()
        .zip(shifts.as_chunks::<2>().0);
    for (words, (offset, shift)) in (1usize..).zip(pairs) {
        let Some((pair, behind)) = rest.split_at_checked(4 * words) else {
            break;
        };
        rest = behind;
        let [mut even, mut odd] = *offset;
        for ([a, b, c, d], word) in pair.as_chunks::<4>().0.iter().zip((0..words).rev()) {
            let low = i32::from(x.get(2 * word).copied().unwrap_or(0));
            let high = i32::from(x.get(2 * word + 1).copied().unwrap_or(0));
            // Products stay within 2^30; offsets are below 2^53, sums of 64 products below 2^37.
            even = even
                .wrapping_add(i64::from(i32::from(*a) * low))
                .wrapping_add(i64::from(i32::from(*b) * high));
            odd = odd
                .wrapping_add(i64::from(i32::from(*c) * low))
                .wrapping_add(i64::from(i32::from(*d) * high));
        }
        for (sum_of_row, shift) in [even, odd].into_iter().zip(shift) {
            let y = i64::from((sum_of_row >> (shift & 31)) as i32);
            sum = sum.wrapping_add((y * y).cast_unsigned());
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packed_order_is_a_bijection_onto_rows_and_columns() {
        for dimensions in 1..=64 {
            let rows = factor_rows(dimensions);
            let mut seen = std::vec![false; factor_len(dimensions)];
            for row in 0..rows {
                // With the element above the diagonal of every even row.
                for column in 0..=(row | 1) {
                    let at = factor_index(row, column);
                    assert!(!seen[at]);
                    seen[at] = true;
                }
            }
            assert!(seen.iter().all(|s| *s));
        }
    }

    #[test]
    fn is_the_sum_of_squares_of_the_rows() {
        for dimensions in 1..=9usize {
            let rows = factor_rows(dimensions);
            let mut factor = std::vec![0i16; factor_len(dimensions)];
            let x: std::vec::Vec<i16> = (0..dimensions).map(|i| 4000 - 1700 * i as i16).collect();
            let mut offsets = std::vec![0i64; rows];
            let mut shifts = std::vec![0u8; rows];
            let mut expected = 0u64;
            for row in 0..dimensions {
                shifts[row] = 9 + (row % 5) as u8;
                offsets[row] = 1_000_003 * row as i64 - 3_000_000;
                let mut y = offsets[row];
                for column in 0..=row {
                    let p = (row * 7919 + column * 104_729) as i16;
                    factor[factor_index(row, column)] = p;
                    y += i64::from(p) * i64::from(x[column]);
                }
                expected += (y >> shifts[row]).pow(2) as u64;
            }
            let mut distances = [0; 2];
            let one = Shifts::new(&shifts).unwrap();
            mahalanobis(&factor, &offsets.repeat(2), one, &x, &mut distances).unwrap();
            assert_eq!(distances, [expected; 2], "shared");
            let (factors, shifts_of_both) = (factor.repeat(2), shifts.repeat(2));
            mahalanobis(
                &factors,
                &offsets.repeat(2),
                Shifts::new(&shifts_of_both).unwrap(),
                &x,
                &mut distances,
            )
            .unwrap();
            assert_eq!(distances, [expected; 2]);
            assert_eq!(portable(&factor, &offsets, &shifts, &x), expected);
        }
    }

    #[test]
    fn shifts_up_to_31_are_exact_and_larger_ones_are_refused() {
        let mut factor = std::vec![0i16; factor_len(1)];
        factor[factor_index(0, 0)] = 1;
        for shift in 0..=u8::MAX {
            let shifts = [0, shift];
            let Ok(shifts) = Shifts::new(&shifts) else {
                assert!(shift >= 32);
                assert_eq!(Shifts::new(&shifts), Err(Defect::Scale { index: 1 }));
                continue;
            };
            assert!(shift < 32);
            for y in [-3i128, -1, 0, 2, 1_000] {
                // floor((1 + offset) / 2^shift) = y, with the largest remainder that there is.
                let remainder = (1i128 << shift) - 1;
                let offset = i64::try_from((y << shift) + remainder).unwrap();
                let mut distance = [0];
                mahalanobis(&factor, &[0, offset], shifts, &[1], &mut distance).unwrap();
                assert_eq!(i128::from(distance[0]), 1 + y * y, "{shift}");
            }
        }
    }
}
