//! Square root and reciprocal.

use super::Multiplier;
use core::num::NonZeroU16;

/// Square root, rounded down: `floor(sqrt(x))`, exact for every `u64`.
///
/// A squared distance in `U40F24` gives a distance in `U20F12`.
///
/// ```
/// use autodidact::num::sqrt;
/// assert_eq!(sqrt(24), 4);
/// assert_eq!(sqrt(u64::MAX), u32::MAX);
/// ```
#[inline]
#[must_use]
pub const fn sqrt(x: u64) -> u32 {
    x.isqrt() as u32
}

/// Reciprocal `1 / x` as a [`Multiplier`], so that dividing becomes requantising.
///
/// Domain: every non-zero `u16`. Relative error: at most 2^-30, checked for every input.
///
/// ```
/// use autodidact::num::reciprocal;
/// use core::num::NonZeroU16;
/// let third = reciprocal(NonZeroU16::new(3).unwrap());
/// assert_eq!(third.apply(3000), 1000);
/// ```
#[inline]
#[must_use]
pub const fn reciprocal(x: NonZeroU16) -> Multiplier {
    // x = d · 2^bits with d in (1/2, 1]; the significand 2^30 / d is then in [2^30, 2^31).
    let x = x.get() as u64;
    let bits = u64::BITS - (x - 1).leading_zeros();
    let significand = ((1u64 << (30 + bits)) + x / 2) / x;
    // A power of two gives exactly 2^30; everything else stays below 2^31 by at least 2^14.
    match Multiplier::new(significand as i32, 30 + bits) {
        Some(reciprocal) => reciprocal,
        // Never: see above, and the test of every input.
        None => Multiplier::reciprocal_of_power(bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqrt_is_the_floor_at_every_square_and_beside_it() {
        for root in 0..=u64::from(u16::MAX) {
            let square = root * root;
            assert_eq!(u64::from(sqrt(square)), root);
            assert_eq!(
                u64::from(sqrt(square + 2 * root)),
                root,
                "last before the next square"
            );
            let wide = root * 65_537;
            assert_eq!(u64::from(sqrt(wide * wide)), wide);
        }
    }

    #[test]
    fn reciprocal_is_within_its_bound_for_every_input() {
        for x in 1..=u16::MAX {
            let r = reciprocal(NonZeroU16::new(x).unwrap());
            let parts = Multiplier::new(r.multiplier(), r.shift());
            assert_eq!(parts, Some(r), "{x}");
            let error = (r.to_f64() * f64::from(x) - 1.0).abs();
            assert!(error <= 1.0 / f64::from(1u32 << 30), "{x}: {error}");
        }
    }
}
