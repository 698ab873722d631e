//! Covariance matrices back from the factors that a mixture stores.

use super::{Covariance, Gmm, factor_index};
use crate::linalg::{FACTOR_BITS, row as row_of, saturating_i64, triangle_len};
use crate::{Operand, ShapeError};

impl Gmm<'_> {
    /// Elements that [`covariance_into`](Self::covariance_into) writes.
    #[must_use]
    pub const fn covariance_len(covariance: Covariance, dimensions: usize) -> usize {
        match covariance {
            Covariance::Diagonal => dimensions,
            Covariance::Tied | Covariance::Full => triangle_len(dimensions),
        }
    }

    /// The covariance of component `index` (`I8F56`): variances, or the lower triangle row by row.
    ///
    /// That of the factor as stored, `(P^T P)^-1`; saturates. Work: `d^3 / 3` multiplications of 64 bits.
    ///
    /// # Errors
    /// [`ShapeError`] when there is no such component or `elements` has another length.
    pub fn covariance_into(&self, index: usize, elements: &mut [i64]) -> Result<(), ShapeError> {
        let n = self.dimensions();
        ShapeError::exact(
            Operand::Output,
            Self::covariance_len(self.covariance(), n),
            elements.len(),
        )?;
        ShapeError::at_least(Operand::Channels, index.saturating_add(1), self.k())?;
        let Some(component) = self.component(index) else {
            return Ok(());
        };
        if self.covariance() == Covariance::Diagonal {
            let factor = component.factor.iter().zip(component.shifts);
            for (element, (mantissa, shift)) in elements.iter_mut().zip(factor) {
                let mantissa = u128::from(mantissa.unsigned_abs().max(1));
                let variance = (1u128 << (56 + 2 * u32::from(shift & 31)))
                    .checked_div(mantissa * mantissa)
                    .unwrap_or(0);
                *element = i64::try_from(variance).unwrap_or(i64::MAX);
            }
        } else {
            let element = |row, column| {
                i64::from(
                    component
                        .factor
                        .get(factor_index(row, column))
                        .copied()
                        .unwrap_or(0),
                )
            };
            invert(elements, n, component.shifts, element);
            multiply(elements, n);
        }
        Ok(())
    }
}

/// `P^-1` of mantissas and shifts, in `I24F40`.
fn invert(triangle: &mut [i64], n: usize, shifts: &[u8], factor: impl Fn(usize, usize) -> i64) {
    for (row, shift) in shifts.iter().enumerate().take(n) {
        let Some((above, rest)) = triangle.split_at_mut_checked(triangle_len(row)) else {
            return;
        };
        let diagonal = i128::from(factor(row, row).max(1));
        for (column, slot) in rest.iter_mut().enumerate().take(row + 1) {
            let numerator = if column == row {
                1i128 << (FACTOR_BITS + u32::from(*shift & 31))
            } else {
                // 64 products of 2^15 and 2^63.
                -(column..row)
                    .map(|between| {
                        let known = row_of(above, between).get(column).copied().unwrap_or(0);
                        i128::from(factor(row, between)) * i128::from(known)
                    })
                    .sum::<i128>()
            };
            *slot = saturating_i64(numerator.checked_div(diagonal).unwrap_or(0));
        }
    }
}

/// `W W^T` of a lower triangle in place: `I24F40` to `I8F56`.
fn multiply(triangle: &mut [i64], n: usize) {
    // From the end: an element needs the rows above and the part of its own row before it.
    for row in (0..n).rev() {
        let Some((above, rest)) = triangle.split_at_mut_checked(triangle_len(row)) else {
            return;
        };
        let Some(own) = rest.get_mut(..=row) else {
            return;
        };
        for column in (0..=row).rev() {
            let other = if column == row {
                &[]
            } else {
                row_of(above, column)
            };
            let mut sum = 0i128;
            for (at, a) in own.iter().enumerate().take(column + 1) {
                let b = if column == row {
                    *a
                } else {
                    other.get(at).copied().unwrap_or(0)
                };
                // Two saturated elements alone reach 2^126.
                sum = sum.saturating_add(i128::from(*a) * i128::from(b));
            }
            if let Some(element) = own.get_mut(column) {
                *element = saturating_i64(sum >> (2 * FACTOR_BITS - 56));
            }
        }
    }
}
