//! The triangular factor of a precision, with some features brought to its front.

use super::{Component, factor_index};
use crate::linalg::{row as row_of, saturating_i64, triangle_len};

/// Fractional bits of the factor while it is turned. Shifts are at most 31, so that it is read exactly; rows of a
/// model are below 2^12 in length, so that no element of the turned factor is above 2^15, `2^61` as it is kept.
pub(super) const TURN_BITS: u32 = 46;

/// Fractional bits of a cosine.
const COSINE_BITS: u32 = 62;

/// A lower-triangular factor of `n` features, row by row in `F46`.
///
/// Each exchange of two neighbours is a rotation whose elements are off by less than 2^-60 and whose results are
/// rounded to nearest: 2^-42.6 in the norm of the whole factor, and there are at most 32^2 exchanges.
pub(super) struct Turned<'w> {
    triangle: &'w mut [i64],
    n: usize,
}

impl<'w> Turned<'w> {
    /// Reads a component's factor; `triangle` has room for `n` rows.
    pub(super) fn read(component: &Component<'_>, n: usize, triangle: &'w mut [i64]) -> Self {
        let mut slots = triangle.iter_mut();
        for (row, shift) in component.shifts.iter().enumerate().take(n) {
            for column in 0..=row {
                let at = factor_index(row, column);
                let mantissa = component.factor.get(at).copied().unwrap_or(0);
                if let Some(slot) = slots.next() {
                    *slot = i64::from(mantissa) << (TURN_BITS - u32::from(shift & 31));
                }
            }
        }
        Self { triangle, n }
    }

    /// Row `row`, up to its diagonal.
    pub(super) fn row(&self, row: usize) -> &[i64] {
        row_of(self.triangle, row)
    }

    /// The diagonal of a row, at least one unit: a standard deviation given the features before counts as 2^46 at most.
    pub(super) fn diagonal(&self, row: usize) -> i64 {
        self.row(row).last().copied().unwrap_or(1).max(1)
    }

    /// Brings the observed features to the front, in their order.
    pub(super) fn bring_forward(&mut self, observed: &[bool]) {
        let features = (0..).zip(observed).filter(|(_, observed)| **observed);
        for (to, (feature, _)) in features.enumerate() {
            // Those before it are in front already, so that it still is where it was.
            for at in (to..feature).rev() {
                self.exchange(at);
            }
        }
    }

    /// Exchanges columns `at` and `at + 1` and turns their two rows.
    fn exchange(&mut self, at: usize) -> Option<()> {
        let (_, rest) = self.triangle.split_at_mut_checked(triangle_len(at))?;
        let (upper, rest) = rest.split_at_mut_checked(at + 1)?;
        let (lower, mut below) = rest.split_at_mut_checked(at + 2)?;
        for length in at + 3..=self.n {
            let (row, rest) = below.split_at_mut_checked(length)?;
            below = rest;
            if let [first, second] = row.get_mut(at..at + 2)? {
                core::mem::swap(first, second);
            }
        }
        let (first, upper) = upper.split_last_mut()?;
        let (last, lower) = lower.split_last_mut()?;
        let (beside, lower) = lower.split_last_mut()?;
        // (0 first; last beside) is what the exchange leaves of the two columns. With (cos, sin) the direction of
        // (first, beside), cos · lower - sin · upper and cos · upper + sin · lower are triangular again.
        let turn = Rotation::of(*first, *beside);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            let (a, b) = (*upper, *lower);
            *upper = turn.combine(b, a.saturating_neg());
            *lower = turn.combine(a, b);
        }
        *first = turn.combine(*last, 0).max(1);
        *beside = turn.combine(0, *last);
        *last = turn.length;
        Some(())
    }
}

/// The plane rotation that turns `(x, y)` into `(length, 0)`.
struct Rotation {
    cosine: i64,
    sine: i64,
    length: i64,
}

impl Rotation {
    fn of(x: i64, y: i64) -> Self {
        let largest = x.unsigned_abs().max(y.unsigned_abs()).clamp(1, 1 << 62);
        // With the larger in [2^62, 2^63) the squares' sum is below 2^127 and its root at least 2^62.
        let shift = largest.leading_zeros() - 1;
        let (x, y) = (i128::from(x) << shift, i128::from(y) << shift);
        let root = (x * x + y * y).unsigned_abs().isqrt().max(1);
        let inverse = (1u128 << 126).checked_div(root).unwrap_or(0).cast_signed();
        // |x| <= root, so that the product is at most 2^126.
        let share = |side: i128| ((side * inverse + (1 << 63)) >> 64) as i64;
        Self {
            cosine: share(x),
            sine: share(y),
            length: saturating_i64((root.cast_signed() + (1i128 << shift >> 1)) >> shift),
        }
    }

    /// `cosine · a + sine · b`, rounded to nearest. The sum is below 2^62 · sqrt(2) · 2^63.
    #[inline]
    fn combine(&self, a: i64, b: i64) -> i64 {
        let sum = i128::from(self.cosine) * i128::from(a) + i128::from(self.sine) * i128::from(b);
        saturating_i64((sum + (1 << (COSINE_BITS - 1))) >> COSINE_BITS)
    }
}
