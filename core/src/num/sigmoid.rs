//! Logistic sigmoid and hyperbolic tangent by one shared table.

use super::tables::SIGMOID_COMPLEMENT;

/// `(1 - sigmoid(x)) · 2^17` for `x = position / 4096`, `position` in `0..=65536`, interpolated.
#[inline]
fn complement_q17(position: u32) -> u32 {
    // 32 nodes a unit, 128 steps of 2^-12 between nodes.
    let index = (position >> 7) as usize;
    let fraction = position & 127;
    let here = u32::from(SIGMOID_COMPLEMENT.get(index).copied().unwrap_or(0));
    let next = u32::from(SIGMOID_COMPLEMENT.get(index + 1).copied().unwrap_or(0));
    // The table falls: here >= next. The product stays below 2^10 · 2^7.
    here - (((here - next) * fraction + 64) >> 7)
}

/// Logistic function `1 / (1 + e^-x)`: `I4F12` to `U0F16`.
///
/// Domain: every `i16`, that is \[-8, 8). Maximum error: 2.5e-5 (1.6 units of 2^-16), checked for
/// every input. Table: 1026 bytes, shared with [`tanh`].
///
/// ```
/// use autodidact::num::sigmoid;
/// assert_eq!(sigmoid(0), 1 << 15); // 1/2
/// assert_eq!(sigmoid(4096), 47_910); // 0.731_06
/// ```
#[inline]
#[must_use]
pub fn sigmoid(x: i16) -> u16 {
    let tail = complement_q17(u32::from(x.unsigned_abs()));
    // Half of the complement, rounded; 65536 - tail/2 is at most 65515 for |x| <= 8.
    let tail = (tail + 1) >> 1;
    (if x < 0 { tail } else { 65_536 - tail }) as u16
}

/// Hyperbolic tangent: `I4F12` to `I1F15`.
///
/// `tanh(x) = 1 - 2 (1 - sigmoid(2x))`. Domain: every `i16`. Maximum error: 4.9e-5 (1.6 units of
/// 2^-15), checked for every input; +-1 saturates to +-32767. Odd: `tanh(-x) = -tanh(x)`.
///
/// ```
/// use autodidact::num::tanh;
/// assert_eq!(tanh(0), 0);
/// assert_eq!(tanh(4096), 24_956); // 0.761_59
/// assert_eq!(tanh(-4096), -24_956);
/// ```
#[inline]
#[must_use]
pub fn tanh(x: i16) -> i16 {
    let tail = complement_q17(2 * u32::from(x.unsigned_abs()));
    // 2 · complement in Q15 is complement_q17 / 2.
    let magnitude = (32_768 - ((tail + 1) >> 1)).min(32_767) as i16;
    if x < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_is_within_its_bound_for_every_input() {
        let mut worst = 0f64;
        for x in i16::MIN..=i16::MAX {
            let exact = 1.0 / (1.0 + (-f64::from(x) / 4096.0).exp());
            worst = worst.max((f64::from(sigmoid(x)) / 65_536.0 - exact).abs());
        }
        assert!(worst <= 2.5e-5, "{worst}");
    }

    #[test]
    fn tanh_is_within_its_bound_for_every_input_and_odd() {
        let mut worst = 0f64;
        for x in i16::MIN..=i16::MAX {
            let exact = (f64::from(x) / 4096.0).tanh();
            worst = worst.max((f64::from(tanh(x)) / 32_768.0 - exact).abs());
            if x > i16::MIN {
                assert_eq!(tanh(-x), -tanh(x));
            }
        }
        assert!(worst <= 4.9e-5, "{worst}");
    }

    #[test]
    fn both_functions_never_fall() {
        for x in i16::MIN..i16::MAX {
            assert!(sigmoid(x + 1) >= sigmoid(x), "{x}");
            assert!(tanh(x + 1) >= tanh(x), "{x}");
        }
    }
}
