//! Sensor counts to standardised features and back.
//!
//! A feature is `(value - mean) / std` in `I4F12`. The host tool fits mean and standard deviation;
//! the device sees one multiplication, one addition and one shift a feature.

use crate::num::saturating_i16;
use crate::{Defect, Operand, ShapeError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `y = (x · multiplier + bias) >> shift`, the rounding term inside the bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Affine {
    /// Added before the shift; at most 2^61 in magnitude.
    pub bias: i64,
    /// Slope, not negative; 0 for a feature that carries nothing.
    pub multiplier: i32,
    /// Right shift, at most 62.
    pub shift: u32,
}

impl Affine {
    /// Largest magnitude of a bias: leaves room for any product.
    pub const MAX_BIAS: i64 = 1 << 61;

    /// `y ≈ slope · x + offset`, or `None` when the line cannot be represented for every `i16`.
    ///
    /// Host-side convenience. The error for any `x` is at most half a unit plus
    /// `(2^15 + |offset|) / 2^30` units.
    #[must_use]
    pub fn from_f64(slope: f64, offset: f64) -> Option<Self> {
        if !((0.0..65_536.0).contains(&slope) && offset.abs() < 1e9) {
            return None;
        }
        // The largest shift that keeps slope below 2^31 and offset below 2^61.
        let mut shift = 0u32;
        let mut factor = 1.0f64;
        while shift < 46
            && slope * factor * 2.0 < f64::from(i32::MAX)
            && offset.abs() * factor * 2.0 < 1e18
        {
            factor *= 2.0;
            shift += 1;
        }
        let half = if shift == 0 { 0.0 } else { factor / 2.0 };
        let floor = |v: f64| {
            let cut = v as i64;
            if (cut as f64) > v { cut - 1 } else { cut }
        };
        let affine = Self {
            bias: floor(offset * factor + half),
            multiplier: i32::try_from(floor(slope * factor + 0.5)).ok()?,
            shift,
        };
        affine.is_valid().then_some(affine)
    }

    pub(crate) const fn is_valid(&self) -> bool {
        self.multiplier >= 0
            && self.shift <= 62
            && self.bias >= -Self::MAX_BIAS
            && self.bias <= Self::MAX_BIAS
    }

    #[inline]
    pub(crate) fn apply(&self, x: i16) -> i16 {
        // |x · multiplier| < 2^46 and |bias| <= 2^61.
        let sum = (i64::from(x) * i64::from(self.multiplier)).wrapping_add(self.bias);
        let y = sum >> (self.shift & 63);
        saturating_i16(y.clamp(-(1 << 20), 1 << 20) as i32)
    }
}

/// The two lines of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ScalerFeature {
    /// Counts to feature (`I4F12`).
    pub to_feature: Affine,
    /// Feature (`I4F12`) to counts.
    pub to_counts: Affine,
}

/// Counts to features and back, for a whole sample.
#[derive(Debug, Clone, Copy)]
pub struct Scaler<'a> {
    features: &'a [ScalerFeature],
    min: i16,
    max: i16,
}

impl<'a> Scaler<'a> {
    /// A scaler; counts that it gives back are clamped to `min..=max`, the range seen in training.
    ///
    /// # Errors
    /// [`Defect`] when there is no feature, a line is out of range, or `min > max`.
    pub fn new(features: &'a [ScalerFeature], min: i16, max: i16) -> Result<Self, Defect> {
        if features.is_empty() || min > max {
            return Err(Defect::Shape);
        }
        for (index, feature) in (0u32..).zip(features) {
            if !(feature.to_feature.is_valid() && feature.to_counts.is_valid()) {
                return Err(Defect::Scale { index });
            }
        }
        Ok(Self { features, min, max })
    }

    /// Number of features of a sample.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.features.len()
    }

    /// Never true: a scaler has at least one feature.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// The range that counts are clamped to on the way back.
    #[must_use]
    pub const fn counts_range(&self) -> (i16, i16) {
        (self.min, self.max)
    }

    /// The lines of every feature.
    #[must_use]
    pub const fn features(&self) -> &'a [ScalerFeature] {
        self.features
    }

    /// Counts to features (`I4F12`), saturating.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice is not [`len`](Self::len) long.
    pub fn scale_into(&self, counts: &[i16], features: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.len(), counts.len())?;
        ShapeError::exact(Operand::Output, self.len(), features.len())?;
        for ((y, x), line) in features.iter_mut().zip(counts).zip(self.features) {
            *y = line.to_feature.apply(*x);
        }
        Ok(())
    }

    /// Features (`I4F12`) to counts, clamped to [`counts_range`](Self::counts_range).
    ///
    /// # Errors
    /// [`ShapeError`] when a slice is not [`len`](Self::len) long.
    pub fn unscale_into(&self, features: &[i16], counts: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.len(), features.len())?;
        ShapeError::exact(Operand::Output, self.len(), counts.len())?;
        for ((y, x), line) in counts.iter_mut().zip(features).zip(self.features) {
            *y = line.to_counts.apply(*x).max(self.min).min(self.max);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_is_rounded_to_nearest(slope in 0.0f64..4096.0, offset in -1e6f64..1e6, x: i16) {
            let line = Affine::from_f64(slope, offset).unwrap();
            let exact = (slope * f64::from(x) + offset).clamp(-32_768.0, 32_767.0);
            prop_assert!((f64::from(line.apply(x)) - exact).abs() <= 0.5 + 1e-4, "{line:?}");
        }

        #[test]
        fn any_valid_line_is_total(bias in -Affine::MAX_BIAS..=Affine::MAX_BIAS,
                                   multiplier in 0..=i32::MAX, shift in 0u32..=62, x: i16) {
            let line = Affine { bias, multiplier, shift };
            prop_assert!(line.is_valid());
            let exact = (i128::from(x) * i128::from(multiplier) + i128::from(bias)) >> shift;
            prop_assert_eq!(i128::from(line.apply(x)), exact.clamp(-32_768, 32_767));
        }
    }

    #[test]
    fn counts_come_back_clamped_to_the_range_of_training() {
        let line = |slope, offset| Affine::from_f64(slope, offset).unwrap();
        let features = [ScalerFeature {
            to_feature: line(4096.0 / 100.0, -20.0 * 4096.0 / 100.0),
            to_counts: line(100.0 / 4096.0, 20.0),
        }];
        let scaler = Scaler::new(&features, 0, 300).unwrap();
        let mut feature = [0];
        let mut counts = [0];
        scaler.scale_into(&[120], &mut feature).unwrap();
        assert_eq!(feature, [4096], "one standard deviation above the mean");
        scaler.unscale_into(&feature, &mut counts).unwrap();
        assert_eq!(counts, [120]);
        scaler.unscale_into(&[i16::MAX], &mut counts).unwrap();
        assert_eq!(counts, [300]);
        assert!(scaler.scale_into(&[1, 2], &mut feature).is_err());
    }
}
