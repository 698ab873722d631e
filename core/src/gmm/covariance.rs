//! Covariance matrices back from the factors that a mixture stores.

use super::{Covariance, Gmm, factor_index};
use crate::linalg::{FACTOR_BITS, row as row_of, saturating_i64, triangle_len};
use crate::{Operand, ShapeError};

/// Why a covariance cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CovarianceError {
    /// There is no such component ([`Operand::Components`]), or not room for one element each.
    Shape(ShapeError),
    /// A variance is 128 or more, which `I8F56` does not hold.
    Variance {
        /// The feature, the first of them.
        feature: u16,
    },
}

impl From<ShapeError> for CovarianceError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl core::fmt::Display for CovarianceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::Variance { feature } => write!(
                f,
                "feature {feature}: a variance of 128 or more does not fit I8F56"
            ),
        }
    }
}

impl core::error::Error for CovarianceError {}

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
    /// That of the factor as stored, `(P^T P)^-1`: with `W` for `P^-1` as it is rounded, `W = P^-1 (1 + R)` where no
    /// element of `R` passes 2^-28, so that a variance is off by 2^-21 of itself at most. Work: `d^3 / 3`
    /// multiplications of 64 bits.
    ///
    /// No feature varies by more than 64, and no floor adds more than 32
    /// ([`GREATEST_FLOOR`](super::parameters::GREATEST_FLOOR)): variances of 128 come from elsewhere, or from rounding
    /// a factor whose elements differ by more than 2^12.
    ///
    /// # Errors
    /// [`CovarianceError`] when there is no such component, `elements` has another length, or a variance is 128 or
    /// more; the elements that fit have been written then, and others are those of `i64` nearest to them.
    pub fn covariance_into(
        &self,
        index: usize,
        elements: &mut [i64],
    ) -> Result<(), CovarianceError> {
        let n = self.dimensions();
        ShapeError::exact(
            Operand::Output,
            Self::covariance_len(self.covariance(), n),
            elements.len(),
        )?;
        ShapeError::at_least(Operand::Components, index.saturating_add(1), self.k())?;
        let Some(component) = self.component(index) else {
            return Ok(());
        };
        if self.covariance() == Covariance::Diagonal {
            let factor = component.factor.iter().zip(component.shifts);
            for (element, (mantissa, shift)) in elements.iter_mut().zip(factor) {
                *element = variance_of(*mantissa, *shift, 56);
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
        // An element that saturates is in the row or the column of a variance that does.
        for feature in 0..n {
            let variance = match self.covariance() {
                Covariance::Diagonal => elements.get(feature),
                Covariance::Tied | Covariance::Full => row_of(elements, feature).last(),
            };
            if variance.copied() == Some(i64::MAX) {
                return Err(CovarianceError::Variance {
                    feature: feature as u16,
                });
            }
        }
        Ok(())
    }
}

/// The variance that a mantissa and a shift stand for, to at most 56 fractional bits, saturating.
pub(super) fn variance_of(mantissa: i16, shift: u8, bits: u32) -> i64 {
    let mantissa = u128::from(mantissa.unsigned_abs().max(1));
    let variance = (1u128 << (bits + 2 * u32::from(shift & 31)))
        .checked_div(mantissa * mantissa)
        .unwrap_or(0);
    i64::try_from(variance).unwrap_or(i64::MAX)
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
