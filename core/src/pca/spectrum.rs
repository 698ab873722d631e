//! Variances along the components, and the statistics that need them.

use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Defect, Operand, ShapeError};

/// Fractional bits of a variance (`U40F24`).
const VARIANCE_BITS: u32 = 24;
/// Fractional bits of an inverse standard deviation (`U32F32`).
const INVERSE_BITS: u32 = 32;
/// Fractional bits of a score (`I20F12`).
const SCORE_BITS: u32 = 12;

/// The variance along each of k components, and in all.
///
/// A component of zero variance has nothing to divide by: its whitened score is 0 and it adds nothing to
/// Hotelling's T2. What is off along it shows in the score itself.
#[derive(Debug, Clone, Copy)]
pub struct Spectrum<'a> {
    variances: &'a [u64],
    inverse_deviations: &'a [u64],
    total: u64,
}

impl<'a> Spectrum<'a> {
    /// Variances `lambda_i` (`U40F24`, `k`), `1 / sqrt(lambda_i)` as [`inverse_deviation`] gives them
    /// (`U32F32`, `k`), and the variance of all features together (`U40F24`).
    ///
    /// # Errors
    /// [`Defect::Shape`] when lengths differ, [`Defect::Derived`] when an inverse is wrong,
    /// [`Defect::Scale`] with index `k` when the components have more variance than there is.
    pub fn new(
        variances: &'a [u64],
        inverse_deviations: &'a [u64],
        total: u64,
    ) -> Result<Self, Defect> {
        let view = Self::from_trusted(variances, inverse_deviations, total)?;
        let mut rest = total;
        for (index, (variance, inverse)) in (0u32..).zip(variances.iter().zip(inverse_deviations)) {
            if !is_inverse_deviation(*variance, *inverse) {
                return Err(Defect::Derived { index });
            }
            rest = rest.checked_sub(*variance).ok_or(Defect::Scale {
                index: variances.len() as u32,
            })?;
        }
        Ok(view)
    }

    /// As [`new`](Self::new), without recomputing anything.
    pub(crate) const fn from_trusted(
        variances: &'a [u64],
        inverse_deviations: &'a [u64],
        total: u64,
    ) -> Result<Self, Defect> {
        if variances.is_empty()
            || variances.len() != inverse_deviations.len()
            || variances.len() > 1 << 16
        {
            return Err(Defect::Shape);
        }
        Ok(Self {
            variances,
            inverse_deviations,
            total,
        })
    }

    /// Number of components.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.variances.len()
    }

    /// Variance along each component, `U40F24`.
    #[must_use]
    pub const fn variances(&self) -> &'a [u64] {
        self.variances
    }

    /// `1 / sqrt(lambda_i)` of each component, `U32F32`.
    #[must_use]
    pub const fn inverse_deviations(&self) -> &'a [u64] {
        self.inverse_deviations
    }

    /// Variance of all features together, `U40F24`.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Share of the variance that the first `count` components explain, `U16F16`: 1 is `1 << 16`.
    ///
    /// Rounded down; 0 where nothing varies.
    #[must_use]
    pub fn explained_ratio(&self, count: usize) -> u32 {
        let explained: u128 = self
            .variances
            .iter()
            .take(count)
            .map(|v| u128::from(*v))
            .sum();
        // The sum is at most the total of a checked model.
        let ratio = (explained << 16)
            .checked_div(u128::from(self.total))
            .unwrap_or(0);
        ratio.min(1 << 16) as u32
    }

    /// Whitened scores `y_i / sqrt(lambda_i)` in `I4F12`, saturating.
    ///
    /// Error: half a unit of 2^-12 and at most 2^-20 of the value for variances below 2^24.
    ///
    /// ```
    /// use autodidact::pca::{Spectrum, inverse_deviation};
    /// let variances = [4 << 24, 0]; // 4 and 0
    /// let inverses = variances.map(inverse_deviation);
    /// let spectrum = Spectrum::new(&variances, &inverses, 4 << 24)?;
    /// let mut whitened = [0; 2];
    /// spectrum.whiten_into(&[3 * 4096, 4096], &mut whitened)?; // 3 and 1
    /// assert_eq!(whitened, [6144, 0]); // 1.5; nothing to divide by
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] when a slice is not `k` long.
    pub fn whiten_into(&self, scores: &[i32], whitened: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.k(), scores.len())?;
        ShapeError::exact(Operand::Output, self.k(), whitened.len())?;
        let operands = scores.iter().zip(self.inverse_deviations);
        for (z, (y, inverse)) in whitened.iter_mut().zip(operands) {
            let wide = standardise(*y, *inverse);
            let shift = STANDARD_BITS - SCORE_BITS;
            *z = saturating_i16(saturating_i32(rounding_shift_right(wide, shift)));
        }
        Ok(())
    }

    /// Hotelling's `T2 = sum y_i^2 / lambda_i` (Hotelling 1931) in `U40F24`: how far a sample lies from
    /// the mean, in standard deviations, within the components.
    ///
    /// A single `|y_i| / sqrt(lambda_i)` saturates at 2^15, the sum at 2^32. Error: each quotient is off by
    /// 2^-17 and by at most 2^-20 of itself for variances below 2^24.
    ///
    /// # Errors
    /// [`ShapeError`] when `scores` is not `k` long.
    pub fn hotelling_t2(&self, scores: &[i32]) -> Result<u64, ShapeError> {
        ShapeError::exact(Operand::Input, self.k(), scores.len())?;
        let mut sum = 0u64;
        for (y, inverse) in scores.iter().zip(self.inverse_deviations) {
            let wide = standardise(*y, *inverse);
            let z = saturating_i32(rounding_shift_right(wide, STANDARD_BITS - 16)).unsigned_abs();
            // U16F16 squared: at most 2^62 in U32F32.
            sum = sum.saturating_add(u64::from(z).wrapping_mul(u64::from(z)));
        }
        // From U32F32, half up.
        Ok((sum >> 8) + (sum >> 7 & 1))
    }
}

/// Fractional bits of what [`standardise`] gives.
const STANDARD_BITS: u32 = SCORE_BITS + INVERSE_BITS - 24;

/// `floor(y · inverse / 2^24)`, in two parts because the product needs 76 bits.
#[inline]
fn standardise(y: i32, inverse: u64) -> i64 {
    // inverse <= 2^44: the parts are below 2^31 · 2^24 and at most 2^31 · 2^20.
    let low = i64::from(y).wrapping_mul((inverse & 0xff_ffff).cast_signed());
    let high = i64::from(y).wrapping_mul((inverse >> 24).cast_signed());
    high.wrapping_add(low >> 24)
}

/// Whether `inverse` is [`inverse_deviation`] of the variance, found by multiplication: the largest integer
/// whose square times the variance is not above 2^88.
fn is_inverse_deviation(variance: u64, inverse: u64) -> bool {
    const ONE: u128 = 1 << (2 * INVERSE_BITS + VARIANCE_BITS);
    if variance == 0 || inverse >= 1 << 45 {
        return variance == 0 && inverse == 0;
    }
    // Squares of 45 bits; a product that does not fit 128 bits is above 2^88 as well.
    let scaled = |i: u64| (u128::from(i) * u128::from(i)).checked_mul(u128::from(variance));
    scaled(inverse).is_some_and(|product| product <= ONE)
        && scaled(inverse + 1).is_none_or(|product| product > ONE)
}

/// `1 / sqrt(variance)` in `U32F32`, rounded down, as [`Spectrum::new`] expects it; 0 for no variance.
///
/// Variances are `U40F24`: from 2^-24 to 2^24 the relative error is below 2^-20.
#[must_use]
pub const fn inverse_deviation(variance: u64) -> u64 {
    // 2^32 / sqrt(v / 2^24) = sqrt(2^88 / v), at most 2^44.
    match (1u128 << (2 * INVERSE_BITS + VARIANCE_BITS)).checked_div(variance as u128) {
        Some(square) => square.isqrt() as u64,
        None => 0,
    }
}
