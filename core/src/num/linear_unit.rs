//! Smooth relatives of the ReLU: ELU and SiLU.

use super::{exp2, saturating_i16, sigmoid};

/// Exponential linear unit (Clevert et al. 2016): `x` for `x >= 0`, `e^x - 1` below; `I4F12` to `I4F12`.
///
/// Domain: every `i16`. Maximum error: 1.5e-4 (0.6 units of 2^-12), checked for every input. Never falls.
/// Table: that of [`exp2`].
///
/// ```
/// use autodidact::num::elu;
/// assert_eq!(elu(4096), 4096);
/// assert_eq!(elu(-4096), -2_589); // -0.632_12
/// ```
#[inline]
#[must_use]
pub fn elu(x: i16) -> i16 {
    /// log2(e), 15 fractional bits.
    const LOG2_E: i32 = 47_274;
    if x >= 0 {
        return x;
    }
    // |x| · LOG2_E < 2^15 · 2^16; the power is at most one, 2^16.
    let power = exp2((i32::from(x) * LOG2_E + (1 << 10)) >> 11);
    (((power + 8) >> 4) as i16).saturating_sub(4096)
}

/// Sigmoid linear unit `x sigmoid(x)` (Elfwing et al. 2018), also called swish; `I4F12` to `I4F12`.
///
/// Domain: every `i16`. Maximum error: 2.8e-4 (1.15 units of 2^-12), checked for every input. Table: that of
/// [`sigmoid`].
///
/// ```
/// use autodidact::num::silu;
/// assert_eq!(silu(4096), 2_994); // 0.731_06
/// assert_eq!(silu(-4096), -1_102); // -0.268_94
/// ```
#[inline]
#[must_use]
pub fn silu(x: i16) -> i16 {
    // |x| · sigmoid(x) + 2^15 <= 2^15 · (2^16 - 1) + 2^15 = 2^31 at -8 only in magnitude, and there the sigmoid
    // is 2^5: the sum fits for every x.
    let product = i32::from(x) * i32::from(sigmoid(x));
    saturating_i16((product + (1 << 15)) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elu_is_within_its_bound_for_every_input_and_never_falls() {
        let mut worst = 0f64;
        for x in i16::MIN..=i16::MAX {
            let real = f64::from(x) / 4096.0;
            let exact = if x < 0 { real.exp_m1() } else { real };
            worst = worst.max((f64::from(elu(x)) / 4096.0 - exact).abs());
            assert!(x == i16::MIN || elu(x) >= elu(x - 1), "{x}");
        }
        assert!(worst <= 1.5e-4, "{worst}");
    }

    #[test]
    fn silu_is_within_its_bound_for_every_input() {
        let mut worst = 0f64;
        for x in i16::MIN..=i16::MAX {
            let real = f64::from(x) / 4096.0;
            let exact = real / (1.0 + (-real).exp());
            worst = worst.max((f64::from(silu(x)) / 4096.0 - exact).abs());
        }
        assert!(worst <= 2.8e-4, "{worst}");
    }
}
