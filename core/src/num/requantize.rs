//! From an accumulator to an activation: one multiplication, one rounding.

/// `floor(value / 2^shift + 1/2)`: division by a power of two, halves rounded towards +infinity.
///
/// Exact for `shift` in `0..=62` and `|value|` below 2^62; beyond that the sum wraps and the shift
/// counts modulo 64, so that there is a result for every input.
#[inline]
#[must_use]
pub const fn rounding_shift_right(value: i64, shift: u32) -> i64 {
    let half = ((1u64 << (shift & 63)) >> 1).cast_signed();
    value.wrapping_add(half) >> (shift & 63)
}

/// Requantisation: `floor(acc · multiplier / 2^shift + 1/2)`, truncated to 32 bits.
///
/// This is the only rounding between an accumulator and an activation (gemmlowp's scheme, Jacob
/// et al. 2018, equation 6, with a single rounding step instead of two). For `multiplier` in
/// `[2^30, 2^31)` and `shift >= 33` the result is exact in 32 bits: `|result| <= 2^30`. Smaller
/// shifts are for scales of 1/4 and more; their result fits 32 bits when
/// `|acc| · multiplier / 2^shift < 2^31`, which loading a model proves for every layer.
///
/// With `shift >= 33` the low half of the product cannot reach the result, because the rounding
/// term is a multiple of 2^32; cores with a 32x32→64 multiplication then need three instructions.
///
/// ```
/// use autodidact::num::requantize;
/// let half = 1 << 30; // 2^30 / 2^33 = 1/8
/// assert_eq!(requantize(20, half, 33), 3); // 2.5 rounds up
/// assert_eq!(requantize(-20, half, 33), -2); // -2.5 rounds up, too
/// ```
#[inline]
#[must_use]
pub const fn requantize(acc: i32, multiplier: i32, shift: u32) -> i32 {
    let product = acc as i64 * multiplier as i64;
    if shift >= 33 {
        // floor((h + 2^(s-33)) / 2^(s-32)) = floor((floor(h / 2^(s-33)) + 1) / 2): one variable shift.
        let high = (product >> 32) as i32;
        ((high >> ((shift - 33) & 31)).wrapping_add(1)) >> 1
    } else {
        rounding_shift_right(product, shift) as i32
    }
}

/// A positive real factor as `multiplier / 2^shift`, normalised: `multiplier` in `[2^30, 2^31)`.
///
/// Relative error of the representation: at most 2^-31. There is no other `Multiplier`: whoever is given one need not
/// check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Multiplier {
    multiplier: i32,
    shift: u32,
}

impl Multiplier {
    /// Smallest shift.
    pub const MIN_SHIFT: u32 = 1;
    /// Largest shift.
    pub const MAX_SHIFT: u32 = 62;

    /// The nearest representable factor, or `None` unless `2^-32 <= factor < 2^30`.
    ///
    /// Host-side convenience: the only place of this module that touches floating point.
    ///
    /// ```
    /// use autodidact::num::Multiplier;
    /// let m = Multiplier::from_f64(0.125).unwrap();
    /// assert_eq!((m.multiplier(), m.shift()), (1 << 30, 33));
    /// assert!(Multiplier::from_f64(-1.0).is_none());
    /// ```
    #[must_use]
    pub fn from_f64(factor: f64) -> Option<Self> {
        if !(factor.is_finite() && factor > 0.0) {
            return None;
        }
        let mut scaled = factor;
        let mut shift = 0i32;
        while scaled < (1u32 << 30) as f64 {
            scaled *= 2.0;
            shift += 1;
            if shift > Self::MAX_SHIFT as i32 {
                return None;
            }
        }
        while scaled >= (1u32 << 31) as f64 {
            scaled /= 2.0;
            shift -= 1;
        }
        // Rounding may reach 2^31; halve once more then.
        let mut significand = (scaled + 0.5) as i64;
        if significand == 1 << 31 {
            significand >>= 1;
            shift -= 1;
        }
        let shift = u32::try_from(shift).ok()?;
        let multiplier = i32::try_from(significand).ok()?;
        Self::new(multiplier, shift)
    }

    /// A factor from its parts, or `None` unless `multiplier` is in `[2^30, 2^31)` and `shift` in `1..=62`.
    #[must_use]
    pub const fn new(multiplier: i32, shift: u32) -> Option<Self> {
        if multiplier >= 1 << 30 && shift >= Self::MIN_SHIFT && shift <= Self::MAX_SHIFT {
            Some(Self { multiplier, shift })
        } else {
            None
        }
    }

    /// `1 / 2^bits`, for up to 32 bits.
    #[must_use]
    pub(crate) const fn reciprocal_of_power(bits: u32) -> Self {
        Self {
            multiplier: 1 << 30,
            shift: 30 + if bits < 32 { bits } else { 32 },
        }
    }

    /// The significand, in `[2^30, 2^31)`.
    #[inline]
    #[must_use]
    pub const fn multiplier(self) -> i32 {
        self.multiplier
    }

    /// The right shift, in `1..=62`.
    #[inline]
    #[must_use]
    pub const fn shift(self) -> u32 {
        self.shift
    }

    /// The factor as a float, for reports.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let mut value = f64::from(self.multiplier);
        for _ in 0..self.shift {
            value /= 2.0;
        }
        value
    }

    /// [`requantize`] with this factor.
    #[inline]
    #[must_use]
    pub const fn apply(self, acc: i32) -> i32 {
        requantize(acc, self.multiplier, self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition in i128, with no fast path.
    fn by_definition(acc: i32, multiplier: i32, shift: u32) -> i128 {
        (i128::from(acc) * i128::from(multiplier) + (1i128 << (shift - 1)))
            .div_euclid(1i128 << shift)
    }

    #[test]
    fn requantize_is_its_definition_at_every_shift_and_corner() {
        let corners = [
            i32::MIN,
            i32::MIN + 1,
            -12_345,
            -1,
            0,
            1,
            12_345,
            i32::MAX - 1,
            i32::MAX,
        ];
        for shift in 1..=62 {
            for acc in corners {
                for multiplier in [1 << 30, (1 << 30) + 1, i32::MAX - 1, i32::MAX] {
                    let exact = by_definition(acc, multiplier, shift);
                    if let Ok(exact) = i32::try_from(exact) {
                        assert_eq!(requantize(acc, multiplier, shift), exact);
                    } else {
                        assert!(shift < 33, "fits whenever shift >= 33");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn requantize_is_its_definition(
            acc in any::<i32>(), multiplier in (1i32 << 30)..=i32::MAX, shift in 33u32..=62
        ) {
            let exact = by_definition(acc, multiplier, shift);
            prop_assert_eq!(i128::from(requantize(acc, multiplier, shift)), exact);
        }

        #[test]
        fn multiplier_is_the_nearest_to_the_factor(exponent in -31i32..29, mantissa in 1.0f64..2.0) {
            let factor = mantissa * 2f64.powi(exponent);
            let m = Multiplier::from_f64(factor).unwrap();
            prop_assert!((m.to_f64() / factor - 1.0).abs() <= 2f64.powi(-31));
        }
    }

    #[test]
    fn significands_and_shifts_out_of_range_are_refused() {
        for (multiplier, shift, valid) in [
            (1 << 30, 1, true),
            (i32::MAX, 62, true),
            ((1 << 30) - 1, 33, false),
            (0, 33, false),
            (-(1 << 30), 33, false),
            (i32::MIN, 33, false),
            (1 << 30, 0, false),
            (1 << 30, 63, false),
            (1 << 30, 100, false),
        ] {
            let made = Multiplier::new(multiplier, shift);
            let parts = made.map(|m| (m.multiplier(), m.shift()));
            assert_eq!(parts, valid.then_some((multiplier, shift)));
        }
        for bits in 0..=32 {
            let made = Multiplier::reciprocal_of_power(bits);
            assert_eq!(Multiplier::new(made.multiplier, made.shift), Some(made));
            assert_eq!(made.to_f64(), 1.0 / 2f64.powi(bits.cast_signed()));
        }
    }

    #[test]
    fn factors_out_of_range_are_refused() {
        for factor in [
            0.0,
            -1.0,
            f64::NAN,
            f64::INFINITY,
            2f64.powi(-33),
            2f64.powi(31),
        ] {
            assert_eq!(Multiplier::from_f64(factor), None, "{factor}");
        }
    }
}
