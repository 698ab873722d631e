//! Networks: autoencoders, denoisers, generators, and what a score is computed by.
//!
//! Weights are `i8` with one scale an output channel, activations `i8` with a zero point or `i16`,
//! accumulators `i32`, and loading proves that none of them can overflow. What enters and what leaves is
//! features, `I4F12` in 16 bits, so that no resolution is lost at the border.
//!
//! - [`Network`] is a stack of dense layers (Hinton and Salakhutdinov 2006 for the autoencoder, Vincent et
//!   al. 2010 for the denoiser).
//! - [`Graph`] is a short program of dense layers, 3x3 convolutions, sums of earlier values (skip
//!   connections), average pooling and upsampling, which a noise level can condition.
//!
//! | activation | of a sum `z` in `I4F12` | `i16` output | `i8` output |
//! |---|---|---|---|
//! | identity, ReLU | no function; the clamp | as scaled | as scaled |
//! | sigmoid | [`num::sigmoid`](crate::num::sigmoid) | `I1F15` | `256 p - 128` |
//! | tanh | [`num::tanh`](crate::num::tanh) | `I1F15` | `I1F7` |
//! | ELU | [`num::elu`](crate::num::elu) | `I4F12` to `I8F8` | any scale ([`Graph`] only) |
//! | SiLU | [`num::silu`](crate::num::silu) | `I4F12` to `I8F8` | any scale ([`Graph`] only) |
//!
//! A [`Graph`] that needs ELU and SiLU beyond 8 has sums and outputs of up to four fractional bits fewer
//! ([`OpRecord::coarse`]). From 8 on both functions are the identity there and below -8 they are what they are at
//! -8, which is off by at most 2.7e-3; half a unit of rounding comes to that.

mod add;
mod conv;
mod dense;
mod forward;
mod graph;
mod memory;
mod operation;
mod plan;
mod pool;
mod prove;
mod stack;
#[cfg(test)]
mod tests;

pub use forward::Forward;
pub use graph::{Graph, GraphTensors};
pub use operation::{Addition, OpKind, OpRecord};
pub use plan::place;
pub use stack::{Autoencoder, Denoiser, Layer, Network, workspace_bytes};

use crate::num::{elu, rounding_shift_right, saturating_i16, sigmoid, silu, tanh};

/// Most layers of one [`Network`].
pub const MAX_LAYERS: usize = 16;

/// Most operations of one [`Graph`].
pub const MAX_OPS: usize = 64;

/// Most inputs or outputs of one dense layer.
pub const MAX_WIDTH: usize = 1 << 15;

/// Weights of an operation of a [`Graph`] start at a multiple of this, as tensors of their own do: kernels load them by
/// words.
pub(crate) const WEIGHTS_ALIGN: usize = 16;

/// Most elements of one value of a [`Graph`].
pub const MAX_ELEMENTS: usize = 1 << 18;

/// What a layer does to its weighted sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Activation {
    /// Identity or ReLU: nothing beside the clamp.
    Clamp,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Exponential linear unit.
    Elu,
    /// Sigmoid linear unit, `x sigmoid(x)`.
    Silu,
}

impl Activation {
    /// The activation with this tag in a container.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Clamp),
            1 => Some(Self::Sigmoid),
            2 => Some(Self::Tanh),
            3 => Some(Self::Elu),
            4 => Some(Self::Silu),
            _ => None,
        }
    }

    /// Its tag in a container.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::Clamp => 0,
            Self::Sigmoid => 1,
            Self::Tanh => 2,
            Self::Elu => 3,
            Self::Silu => 4,
        }
    }

    /// The function of an `I4F12` sum, in the format of 16-bit outputs.
    #[inline]
    pub(crate) fn apply(self, sum: i16) -> i16 {
        match self {
            Self::Elu => elu(sum),
            Self::Silu => silu(sum),
            _ => self.saturate(sum),
        }
    }

    /// The function of a sum with `coarse` fractional bits fewer than `I4F12`, in the same format.
    #[inline]
    fn apply_coarse(self, sum: i16, coarse: u16) -> i16 {
        let fine = i32::from(sum) << coarse.min(OpRecord::MAX_COARSE);
        // At least 8: the function is the identity.
        if fine > i32::from(i16::MAX) {
            return sum;
        }
        let value = i32::from(self.apply(saturating_i16(fine)));
        // Nearer to zero than an i16, or it itself.
        rounding_shift_right(i64::from(value), u32::from(coarse)) as i16
    }

    /// [`apply`](Self::apply) to all sums, clamped; `coarse` is that of ELU and SiLU.
    pub(crate) fn apply_all(self, sums: &mut [i16], coarse: u16, min: i16, max: i16) {
        fn each(sums: &mut [i16], function: impl Fn(i16) -> i16) {
            for sum in sums {
                *sum = function(*sum);
            }
        }
        let clamped = |value: i16| value.min(max).max(min);
        // A loop a function, with nothing left to choose in it.
        match self {
            _ if coarse > 0 => each(sums, |sum| clamped(self.apply_coarse(sum, coarse))),
            Self::Elu => each(sums, |sum| clamped(Self::Elu.apply(sum))),
            Self::Silu => each(sums, |sum| clamped(Self::Silu.apply(sum))),
            _ => each(sums, |sum| clamped(self.apply(sum))),
        }
    }

    /// The same of the functions that a [`Network`] takes: the linker drops the others and their table.
    #[inline]
    pub(crate) fn saturate(self, sum: i16) -> i16 {
        match self {
            Self::Sigmoid => (sigmoid(sum) >> 1).cast_signed(),
            Self::Tanh => tanh(sum),
            Self::Clamp | Self::Elu | Self::Silu => sum,
        }
    }

    /// A 16-bit output in the scale of an 8-bit one, before zero point and saturation.
    ///
    /// `factor` is that of ELU and SiLU, in units of 2^-20; the others have one format each.
    #[inline]
    pub(crate) fn narrow(self, value: i16, factor: u16) -> i32 {
        let value = i32::from(value);
        match self {
            Self::Clamp => value,
            // I1F15 to 8 bits: the sigmoid's [0, 1) is moved to [-128, 128).
            Self::Sigmoid => ((value + 64) >> 7) - 128,
            Self::Tanh => (value + 128) >> 8,
            // Below 2^15 · 2^16: one unit of 2^-20 of that is below 2^11.
            Self::Elu | Self::Silu => {
                rounding_shift_right(i64::from(value) * i64::from(factor), 20) as i32
            }
        }
    }
}

/// Element type of activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Element {
    /// 8 bits with a zero point.
    I8,
    /// 16 bits, symmetric.
    I16,
}

impl Element {
    /// Smallest value.
    #[must_use]
    pub const fn min(self) -> i16 {
        match self {
            Self::I8 => i8::MIN as i16,
            Self::I16 => i16::MIN,
        }
    }

    /// Largest value.
    #[must_use]
    pub const fn max(self) -> i16 {
        match self {
            Self::I8 => i8::MAX as i16,
            Self::I16 => i16::MAX,
        }
    }

    /// Bytes of one element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
        }
    }
}
