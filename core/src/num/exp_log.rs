//! Powers of two, logarithms and the softplus function by table and linear interpolation.

use super::tables::{EXP2_FRACTION, LOG2_MANTISSA, SOFTPLUS_TAIL};

/// Linear interpolation between two neighbours of a rising table of 129 nodes.
#[inline]
fn interpolate(table: &[u32; 129], index: usize, fraction: u32, fraction_bits: u32) -> u32 {
    let here = table.get(index).copied().unwrap_or(0);
    let next = table.get(index + 1).copied().unwrap_or(here);
    // Neighbours differ by less than 2^18 and the fraction has at most 9 bits.
    here + (((next - here) * fraction + (1 << (fraction_bits - 1))) >> fraction_bits)
}

/// Power of two `2^x`: `I16F16` to `U16F16`.
///
/// Saturates to `u32::MAX` for `x >= 16` and gives 0 for `x < -17`. Maximum error: 8.5e-6 relative
/// plus half a unit of 2^-16, checked for every input in between. Table: 516 bytes.
///
/// ```
/// use autodidact::num::exp2;
/// assert_eq!(exp2(0), 1 << 16);
/// assert_eq!(exp2(-3 << 16), 1 << 13);
/// assert_eq!(exp2(1 << 15), 92_682); // sqrt(2)
/// ```
#[inline]
#[must_use]
pub fn exp2(x: i32) -> u32 {
    let whole = x >> 16;
    if whole >= 16 {
        return u32::MAX;
    }
    if whole < -17 {
        return 0;
    }
    let fraction = (x & 0xffff) as u32;
    // 2^fraction in U8F24, in [1, 2).
    let power = interpolate(&EXP2_FRACTION, (fraction >> 9) as usize, fraction & 511, 9);
    if whole >= 8 {
        // At most 2^25 · 2^7 = 2^32, and the table stays below 2^25: no bit is lost.
        power << (whole - 8)
    } else {
        let shift = (8 - whole) as u32;
        (power + (1 << (shift - 1))) >> shift
    }
}

/// Binary logarithm: `U16F16` to `I16F16`; `log2(0)` is `i32::MIN`.
///
/// Reads the leading 17 significant bits of its argument, rounded. Maximum error: 3e-5 (1.9
/// units of 2^-16), checked for every value of those bits and every exponent. Table: 516 bytes.
///
/// ```
/// use autodidact::num::log2;
/// assert_eq!(log2(1 << 16), 0);
/// assert_eq!(log2(1), -16 << 16);
/// assert_eq!(log2(3 << 16), 103_872); // 1.584_95
/// ```
#[inline]
#[must_use]
pub fn log2(x: u32) -> i32 {
    if x == 0 {
        return i32::MIN;
    }
    let zeros = x.leading_zeros();
    // Mantissa without its leading one, rounded to 16 bits; 65536 carries into the exponent.
    let normalised = u64::from(x << zeros);
    let mantissa = ((normalised + (1 << 14)) >> 15) as u32 - (1 << 16);
    let (mantissa, carry) = if mantissa >> 16 == 1 {
        (0, 1)
    } else {
        (mantissa, 0)
    };
    let exponent = 15 - zeros as i32 + carry;
    let log = interpolate(&LOG2_MANTISSA, (mantissa >> 9) as usize, mantissa & 511, 9);
    // U8F24 to 16 fractional bits.
    (exponent << 16) + ((log + 128) >> 8) as i32
}

/// Softplus `ln(1 + e^x)`: `I4F12` to `U4F12`.
///
/// `softplus(x) = max(x, 0) + softplus(-|x|)`. Domain: every `i16`. Maximum error: 2.5e-4 (1.03
/// units of 2^-12), checked for every input. Table: 258 bytes.
///
/// ```
/// use autodidact::num::softplus;
/// assert_eq!(softplus(0), 2_839); // ln 2 = 0.693_15
/// ```
#[inline]
#[must_use]
pub fn softplus(x: i16) -> u16 {
    // 16 nodes a unit, 256 steps of 2^-12 between nodes.
    let position = u32::from(x.unsigned_abs());
    let index = (position >> 8) as usize;
    let fraction = position & 255;
    let here = u32::from(SOFTPLUS_TAIL.get(index).copied().unwrap_or(0));
    let next = u32::from(SOFTPLUS_TAIL.get(index + 1).copied().unwrap_or(0));
    let tail_q16 = here - (((here - next) * fraction + 128) >> 8);
    let tail = (tail_q16 + 8) >> 4;
    // At most 32767 + 2839.
    (u32::from(x.max(0) as u16) + tail) as u16
}

/// Softplus `ln(1 + e^x)`: `I16F16` to `I16F16`, of every `i32`.
///
/// As [`softplus`] within \[-8, 8\]; beyond, `max(x, 0) + e^-|x|`. Maximum error: 1.4e-4, checked for
/// every input of magnitude up to 16; there is nothing left to add beyond that.
///
/// ```
/// use autodidact::num::softplus_nats;
/// assert_eq!(softplus_nats(0), 45_426); // ln 2 = 0.693_15
/// assert_eq!(softplus_nats(20 << 16), 20 << 16);
/// assert_eq!(softplus_nats(i32::MIN), 0);
/// ```
#[inline]
#[must_use]
pub fn softplus_nats(x: i32) -> i32 {
    let magnitude = x.unsigned_abs();
    let tail = if magnitude < 8 << 16 {
        // 16 nodes a unit, 4096 steps of 2^-16 between nodes.
        let index = (magnitude >> 12) as usize;
        let fraction = magnitude & 4095;
        let here = u32::from(SOFTPLUS_TAIL.get(index).copied().unwrap_or(0));
        let next = u32::from(SOFTPLUS_TAIL.get(index + 1).copied().unwrap_or(0));
        // The table falls by less than 2^11 a node.
        here - (((here - next) * fraction + 2048) >> 12)
    } else if magnitude < 16 << 16 {
        // log2(e) in U2F14: at most 2^20 · 2^15 is cut by 4 bits first.
        exp2(-((((magnitude >> 4) * 23_637) >> 10) as i32))
    } else {
        0
    };
    // A tail of magnitude 2^31 is 0.
    x.max(0) + tail as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softplus_in_nats_is_within_its_bound_for_every_input() {
        let mut worst = 0f64;
        for x in -17 * 65_536..17 * 65_536 {
            let exact = (f64::from(x) / 65_536.0).exp().ln_1p();
            worst = worst.max((f64::from(softplus_nats(x)) / 65_536.0 - exact).abs());
        }
        assert!(worst <= 1.4e-4, "{worst}");
        for x in [i32::MIN, i32::MIN + 1, i32::MAX] {
            assert_eq!(softplus_nats(x), x.max(0));
        }
    }

    #[test]
    fn exp2_is_within_its_bound_for_every_input() {
        let mut worst = 0f64;
        for x in -18 * 65_536..16 * 65_536 {
            let exact = (f64::from(x) / 65_536.0).exp2() * 65_536.0;
            let error = (f64::from(exp2(x)) - exact).abs() - 0.5;
            worst = worst.max(error / exact);
        }
        assert!(worst <= 8.5e-6, "{worst}");
        assert_eq!(exp2(16 << 16), u32::MAX);
        assert_eq!(exp2(i32::MAX), u32::MAX);
        assert_eq!(exp2(i32::MIN), 0);
        for x in -17 * 65_536..16 * 65_536 {
            assert!(exp2(x + 1) >= exp2(x), "{x}");
        }
    }

    #[test]
    fn log2_is_within_its_bound_for_every_exponent_and_mantissa() {
        let mut worst = 0f64;
        let mut check = |x: u32| {
            let exact = (f64::from(x) / 65_536.0).log2();
            worst = worst.max((f64::from(log2(x)) / 65_536.0 - exact).abs());
        };
        for exponent in 0..32 {
            for mantissa in 0..1u64 << 17 {
                // Both ends of every class of arguments with the same leading bits.
                let low = ((1 << 17) + mantissa) << 31 >> (48 - exponent);
                let high = (((1 << 17) + mantissa + 1) << 31 >> (48 - exponent)).saturating_sub(1);
                for x in [low, high] {
                    if let Ok(x @ 1..) = u32::try_from(x) {
                        check(x);
                    }
                }
            }
        }
        assert!(worst <= 3e-5, "{worst}");
        assert_eq!(log2(0), i32::MIN);
    }

    #[test]
    fn softplus_is_within_its_bound_for_every_input() {
        let mut worst = 0f64;
        for x in i16::MIN..=i16::MAX {
            let exact = (f64::from(x) / 4096.0).exp().ln_1p();
            worst = worst.max((f64::from(softplus(x)) / 4096.0 - exact).abs());
        }
        assert!(worst <= 2.5e-4, "{worst}");
    }
}
