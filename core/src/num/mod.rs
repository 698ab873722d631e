//! The numeric contract: formats, rounding, requantisation and lookup functions.
//!
//! Every function here is pure integer arithmetic, defined for all of its inputs, and gives the
//! same bits on every core. A format's name gives its integer and fractional bits: `I4F12` is a
//! 16-bit signed number, sign included in the 4, with 12 fractional bits; `U0F16` an unsigned one
//! with 16. A value is the integer divided by 2 to the number of fractional bits.
//!
//! | quantity | format |
//! |---|---|
//! | feature | `I4F12` in `i16`: \[-8, 8) in steps of 2^-12, saturating |
//! | weight of a network | `i8`, symmetric (-127..=127), one scale a row |
//! | activation | `i8` with a zero point, or `i16` symmetric |
//! | bias, accumulator | `i32` |
//! | principal component | `I1F15` in `i16` |
//! | score of a projection | `I20F12` in `i32` |
//! | squared distance | `U40F24` in `u64` |
//! | probability | `U0F16` in `u16` |

mod exp_log;
mod linear_unit;
mod requantize;
mod roots;
mod sigmoid;
pub(crate) mod tables;

pub use exp_log::{exp2, log2, softplus};
pub use linear_unit::{elu, silu};
pub use requantize::{Multiplier, requantize, rounding_shift_right};
pub use roots::{reciprocal, sqrt};
pub use sigmoid::{sigmoid, tanh};

/// Saturates to `i8`.
#[inline]
#[must_use]
pub const fn saturating_i8(value: i32) -> i8 {
    if value > i8::MAX as i32 {
        i8::MAX
    } else if value < i8::MIN as i32 {
        i8::MIN
    } else {
        value as i8
    }
}

/// Saturates to `i16`.
#[inline]
#[must_use]
pub const fn saturating_i16(value: i32) -> i16 {
    if value > i16::MAX as i32 {
        i16::MAX
    } else if value < i16::MIN as i32 {
        i16::MIN
    } else {
        value as i16
    }
}

/// Saturates to `i32`.
#[inline]
#[must_use]
pub const fn saturating_i32(value: i64) -> i32 {
    if value > i32::MAX as i64 {
        i32::MAX
    } else if value < i32::MIN as i64 {
        i32::MIN
    } else {
        value as i32
    }
}
