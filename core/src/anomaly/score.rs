//! One ordered 32-bit number for every kind of score.

/// Bits of mantissa beside the leading one.
const MANTISSA: u32 = 26;

/// A score in 32 bits: the larger, the stranger.
///
/// A non-negative score (`u64`) is stored as a small floating-point number without a sign: exactly
/// below 2^27, above that rounded down to its leading 27 bits. The map never reverses two scores, and
/// rounding takes away less than 2^-26 of a score. A signed score (`i32`, a negative log-likelihood in
/// `I16F16`) is moved up by 2^31 first, which leaves steps of 2^-11 nat or finer.
///
/// ```
/// use autodidact::anomaly::Score;
/// assert!(Score::from(3u64 << 40) < Score::from(u64::MAX));
/// assert_eq!(Score::from(123_456_789u64).to_u64(), 123_456_789);
/// assert!(Score::from(-1i32 << 16) < Score::from(0i32)); // nats
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Score(u32);

impl Score {
    /// The largest key: every score is at most this.
    pub const MAX: Self = Self::from_u64(u64::MAX);

    /// Compresses a non-negative score.
    #[must_use]
    pub const fn from_u64(score: u64) -> Self {
        let shift = (63 - MANTISSA).saturating_sub(score.leading_zeros());
        // shift <= 37 and the mantissa has at most 27 bits: at most 37 · 2^26 + 2^27 < 2^32.
        Self((shift << MANTISSA) + (score >> shift) as u32)
    }

    /// The smallest score of this key.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let shift = (self.0 >> MANTISSA).saturating_sub(1);
        if shift == 0 {
            return self.0 as u64;
        }
        // What is left is in [2^26, 2^27); a key above MAX saturates its exponent.
        let shift = if shift > 37 { 37 } else { shift };
        ((self.0 & ((1 << MANTISSA) - 1)) as u64 | (1 << MANTISSA)) << shift
    }

    /// The key as a plain number, for a snapshot or a sketch.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// From [`to_bits`](Self::to_bits).
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl From<u64> for Score {
    fn from(score: u64) -> Self {
        Self::from_u64(score)
    }
}

impl From<u32> for Score {
    fn from(score: u32) -> Self {
        Self::from_u64(score as u64)
    }
}

impl From<i32> for Score {
    fn from(score: i32) -> Self {
        Self::from_u64((score as u32 ^ (1 << 31)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_is_kept_and_rounding_is_bounded(a: u64, shift in 0u32..64, b: u64) {
            let (a, b) = (a >> shift, b >> shift);
            prop_assert_eq!(Score::from(a).max(Score::from(b)), Score::from(a.max(b)));
            let back = Score::from(a).to_u64();
            prop_assert!(back <= a && a - back <= a >> MANTISSA);
            prop_assert_eq!(Score::from(back), Score::from(a));
        }

        #[test]
        fn order_of_signed_scores_is_kept(a: i32, b: i32) {
            prop_assert_eq!(Score::from(a).max(Score::from(b)), Score::from(a.max(b)));
        }
    }

    #[test]
    fn neighbours_of_every_power_of_two_are_in_order() {
        for bit in 0..64 {
            let power = 1u64 << bit;
            assert!(Score::from(power - 1) < Score::from(power) || bit >= 28);
            assert!(Score::from(power - 1) <= Score::from(power));
            assert_eq!(Score::from(power).to_u64(), power);
        }
    }
}
