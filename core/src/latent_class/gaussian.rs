//! One Gaussian column within one class.

use crate::num::log2;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `log2(e) · 2^62`, rounded.
const LOG2_E_Q62: u64 = 6_653_256_548_922_161_246;

/// `log2(2 pi) / 2` with 16 fractional bits, rounded.
const HALF_LOG2_TAU: i32 = 86_884;

/// Most that one column can take from a score: 512 bits with 16 fractional bits.
const MAX_PENALTY: u64 = 512 << 16;

/// Mean and variance of a standardised column within one class, and what its density needs.
///
/// `log2 N(x; mu, sigma^2) = constant - (x - mu)^2 · mantissa / 2^shift`. Everything but mean and
/// variance follows from them by [`Gaussian::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Gaussian {
    /// `mu`, `I4F12`.
    pub mean: i16,
    /// `log2(e) / (2 sigma^2)`, its leading 16 bits.
    pub mantissa: u16,
    /// From `(x - mu)^2 · mantissa` to 16 fractional bits.
    pub shift: u32,
    /// `sigma^2`, `U8F24`, at least [`MIN_VARIANCE`](Self::MIN_VARIANCE).
    pub variance: u32,
    /// `-log2(sigma sqrt(2 pi))`, `I16F16`.
    pub constant: i32,
}

impl Gaussian {
    /// Smallest variance, `U8F24`: 2^-16, a standard deviation of 1/256 of the column's.
    pub const MIN_VARIANCE: u32 = 1 << 8;

    /// The standard normal distribution.
    pub const STANDARD: Self = Self {
        mean: 0,
        mantissa: 47_274,
        shift: 24,
        variance: 1 << 24,
        constant: -HALF_LOG2_TAU,
    };

    /// A Gaussian of the given mean (`I4F12`) and variance (`U8F24`, raised to
    /// [`MIN_VARIANCE`](Self::MIN_VARIANCE)).
    ///
    /// Relative error of the precision: at most 2^-16; error of the constant: at most 2^-15.
    ///
    /// ```
    /// use autodidact::latent_class::Gaussian;
    /// assert_eq!(Gaussian::new(0, 1 << 24), Gaussian::STANDARD);
    /// ```
    #[must_use]
    pub fn new(mean: i16, variance: u32) -> Self {
        let variance = variance.max(Self::MIN_VARIANCE);
        // With a variance of V / 2^24 the factor from a squared difference in U8F24 to 16 fractional
        // bits is log2(e) · 2^15 / V. The quotient has 31 to 55 bits; its leading 16 are kept.
        let quotient = LOG2_E_Q62 / u64::from(variance);
        let bits = u64::BITS - quotient.leading_zeros();
        let drop = bits.saturating_sub(16).max(1);
        let rounded = (quotient + (1 << (drop - 1))) >> drop;
        // Rounding may reach 2^16; halve once more then.
        let carry = (rounded >> 16) as u32;
        Self {
            mean,
            mantissa: (rounded >> carry) as u16,
            shift: 47 - drop - carry,
            variance,
            constant: -HALF_LOG2_TAU - ((log2(variance) - (8 << 16)) >> 1),
        }
    }

    /// Whether the record is what [`new`](Self::new) makes of its mean and variance.
    pub(super) fn is_consistent(&self) -> bool {
        *self == Self::new(self.mean, self.variance)
    }

    /// `log2` of the density at a feature (`I4F12`), `I16F16`.
    ///
    /// A feature so far away that it would cost more than 512 bits costs 512: all classes then agree
    /// about it, as they do about a missing value.
    #[inline]
    pub(super) fn log2_density(&self, feature: i16) -> i32 {
        // At most 65535, whose square fits 32 bits and the product 48.
        let distance = u32::from(feature.abs_diff(self.mean));
        let penalty =
            (u64::from(distance * distance) * u64::from(self.mantissa)) >> (self.shift & 63);
        // constant is within ±16 bits, the penalty below 2^25.
        self.constant - penalty.min(MAX_PENALTY) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn constants_are_the_rounded_ones() {
        let e = std::f64::consts::LOG2_E * 2f64.powi(62);
        assert!((LOG2_E_Q62 as f64 - e).abs() <= 1024.0);
        let tau = (2.0 * std::f64::consts::PI).log2() / 2.0 * 65_536.0;
        assert_eq!(HALF_LOG2_TAU, tau.round() as i32);
    }

    proptest! {
        #[test]
        fn density_is_the_textbook_one(mean: i16, variance in Gaussian::MIN_VARIANCE.., feature: i16) {
            let gaussian = Gaussian::new(mean, variance);
            prop_assert!(gaussian.is_consistent());
            prop_assert!(gaussian.mantissa >= 1 << 15);
            let sigma2 = f64::from(variance) / 16_777_216.0;
            let d = (f64::from(feature) - f64::from(mean)) / 4096.0;
            let penalty = (d * d / (2.0 * sigma2) * std::f64::consts::LOG2_E).min(512.0);
            let exact = -0.5 * (2.0 * std::f64::consts::PI * sigma2).log2() - penalty;
            let error = (f64::from(gaussian.log2_density(feature)) / 65_536.0 - exact).abs();
            prop_assert!(error <= penalty / 65_536.0 + 6e-5, "{error}");
        }
    }
}
