//! Unit vectors: lengths, cosines and normalisation in integers.

use super::squared_norm;
use crate::num::{saturating_i16, saturating_i32, sqrt};

/// Fractional bits of a unit vector (`I1F15`).
pub(super) const BITS: u32 = 15;
/// Fractional bits of a cosine distance.
pub(super) const COSINE_BITS: u32 = 30;
/// Fractional bits of [`Length::reciprocal`].
pub(super) const WEIGHT_BITS: u32 = 40;

/// The length of a vector that is not zero, as `root / 2^shift`, `root` in [2^31, 2^32).
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    root: u32,
    shift: u32,
}

impl Length {
    /// From the squared length; `None` for zero. `root` is rounded down, to 2^-31 of itself.
    pub(super) const fn new(square: u64) -> Option<Self> {
        if square == 0 {
            return None;
        }
        let shift = square.leading_zeros() / 2;
        Some(Self {
            root: sqrt(square << (2 * shift)),
            shift,
        })
    }

    /// `floor(value · 2^(bits + shift) / root)`, that is `value / length` with `bits` more bits.
    ///
    /// The caller sees to it that `|value| <= 1.04 · length · 2^15` and `bits <= 15`, or less of the
    /// one and more of the other: the shifted value is then below 1.04 · 2^62.
    const fn divide(self, value: i64, bits: u32) -> i64 {
        // A root is not zero, which the compiler cannot know.
        match (value << (bits + self.shift)).checked_div_euclid(self.root as i64) {
            Some(quotient) => quotient,
            None => 0,
        }
    }

    /// `2^40 / length`, rounded down to 17 bits or more for lengths below 2^23.
    pub(super) const fn reciprocal(self) -> i64 {
        // In (2^31, 2^32].
        let quotient = match (1u64 << 63).checked_div(self.root as u64) {
            Some(quotient) => quotient,
            None => 0,
        };
        let weight = if self.shift >= 23 {
            quotient << (self.shift - 23)
        } else {
            quotient >> (23 - self.shift)
        };
        // At most 2^40: shift <= 31.
        weight.cast_signed()
    }
}

/// `1 - product / length` in `U34F30`, within [0, 2]; 1 where there is no length.
///
/// `product` is that of a feature vector in `I4F12` of that length with a unit vector in `I1F15`.
pub(super) fn distance(length: Option<Length>, product: i64) -> u64 {
    const ONE: i64 = 1 << COSINE_BITS;
    let cosine = length.map_or(0, |length| length.divide(product, COSINE_BITS - BITS));
    (ONE - cosine.clamp(-ONE, ONE)).cast_unsigned()
}

/// Whether the squared length is 1 to within 1/16.
pub(super) fn is_unit(vector: &[i16]) -> bool {
    const ONE: i64 = 1 << (2 * BITS);
    squared_norm(vector).abs_diff(ONE) <= ONE.unsigned_abs() / 16
}

/// Divides a vector by its length, one coordinate at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normaliser {
    /// Left shift of every value; right where negative.
    shift: i32,
    length: Length,
}

impl Normaliser {
    /// Bits that the greatest magnitude is brought to: 2^16 squares of 46 bits stay below 2^63.
    const VALUE_BITS: i32 = 23;

    /// For up to 2^16 values of less than 2^63; `None` when all are zero.
    pub(super) fn new(values: impl Iterator<Item = i64> + Clone) -> Option<Self> {
        let greatest = values.clone().map(i64::unsigned_abs).max().unwrap_or(0);
        let bits = (u64::BITS - greatest.leading_zeros()) as i32;
        let shift = Self::VALUE_BITS - bits;
        let mut square = 0u64;
        for value in values {
            let value = shifted(value, shift);
            square = square.wrapping_add((value * value).cast_unsigned());
        }
        // Not zero unless all are: the greatest keeps 23 bits.
        let length = Length::new(square)?;
        Some(Self { shift, length })
    }

    /// `value / length` in `I1F15`, rounded half up; 1 becomes `1 - 2^-15`.
    pub(super) fn coordinate(&self, value: i64) -> i16 {
        // A coordinate is no longer than the vector: 16 more bits are 2^48 at most.
        let twice = self.length.divide(shifted(value, self.shift), BITS + 1);
        saturating_i16((saturating_i32(twice).saturating_add(1)) >> 1)
    }
}

/// `value · 2^shift`, rounded down; at most 24 bits come out with a [`Normaliser`]'s shift.
const fn shifted(value: i64, shift: i32) -> i64 {
    if shift >= 0 {
        value << shift
    } else {
        value >> -shift
    }
}

/// Writes the direction of `values`; `false`, and nothing written, when they are all zero.
pub(super) fn normalise(values: impl Iterator<Item = i64> + Clone, direction: &mut [i16]) -> bool {
    let Some(normaliser) = Normaliser::new(values.clone()) else {
        return false;
    };
    for (unit, value) in direction.iter_mut().zip(values) {
        *unit = normaliser.coordinate(value);
    }
    true
}
