//! Fully connected layers.

use super::{Matrix, portable};
use crate::num::requantize;
use crate::{Operand, ShapeError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What turns one row's accumulator into an activation; stored as is in the container.
///
/// Out of the ranges below, the output is still within the stage's bounds, but which value it is
/// depends on the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Channel {
    /// Start of the accumulator: the bias with the input's zero point folded in.
    pub bias: i32,
    /// Significand of the output scale, in `[2^30, 2^31)`; see
    /// [`Multiplier`](crate::num::Multiplier).
    pub multiplier: i32,
    /// Right shift of the output scale, in `1..=62`.
    pub shift: u32,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i8 {}
    impl Sealed for i16 {}
}

/// An activation element: `i8` or `i16`.
pub trait Activation: sealed::Sealed + Copy + Into<i32> + 'static {
    /// Saturating conversion.
    fn saturate(value: i32) -> Self;
    /// This slice as `i8`, when that is what it holds.
    fn as_i8(slice: &[Self]) -> Option<&[i8]>;
    /// This slice as `i16`, when that is what it holds.
    fn as_i16(slice: &[Self]) -> Option<&[i16]>;
}

impl Activation for i8 {
    #[inline]
    fn saturate(value: i32) -> Self {
        crate::num::saturating_i8(value)
    }
    #[inline]
    fn as_i8(slice: &[Self]) -> Option<&[i8]> {
        Some(slice)
    }
    #[inline]
    fn as_i16(_: &[Self]) -> Option<&[i16]> {
        None
    }
}

impl Activation for i16 {
    #[inline]
    fn saturate(value: i32) -> Self {
        crate::num::saturating_i16(value)
    }
    #[inline]
    fn as_i8(_: &[Self]) -> Option<&[i8]> {
        None
    }
    #[inline]
    fn as_i16(slice: &[Self]) -> Option<&[i16]> {
        Some(slice)
    }
}

/// Zero point and clamp of a layer's output, common to all rows.
///
/// `y = clamp(requantize(acc) + zero_point, min, max)`; a ReLU is a clamp at the zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// Four or eight bytes, not three or six: see the note on odd sizes at the top of the crate.
#[repr(align(4))]
pub struct OutputStage<O> {
    /// The output value that stands for real zero.
    pub zero_point: O,
    /// Smallest output.
    pub min: O,
    /// Largest output.
    pub max: O,
}

impl<O: Activation> OutputStage<O> {
    /// Requantises one accumulator.
    #[inline]
    #[must_use]
    pub fn apply(&self, acc: i32, channel: &Channel) -> O {
        let Channel {
            multiplier, shift, ..
        } = *channel;
        // Scales of 1/4 and more are rare: out of the way of the others.
        let value = if shift >= 33 {
            requantize(acc, multiplier, shift)
        } else {
            requantize_by_small_shift(acc, multiplier, shift)
        };
        // min before max: a stage whose bounds are the wrong way round gives `min`.
        let value = value.saturating_add(self.zero_point.into());
        O::saturate(value.min(self.max.into()).max(self.min.into()))
    }
}

#[cold]
#[inline(never)]
fn requantize_by_small_shift(acc: i32, multiplier: i32, shift: u32) -> i32 {
    requantize(acc, multiplier, shift)
}

/// Scratch elements (`i16`) that [`dense`] needs for a layer with `cols` inputs: the inputs
/// widened, padded and aligned, on every target, so that workspaces do not depend on the core.
#[must_use]
pub const fn dense_scratch_len(cols: usize) -> usize {
    // Two elements more: the start may have to move by one to a multiple of four bytes, and an
    // even length keeps what follows aligned.
    cols.next_multiple_of(4) + 2
}

/// A dense layer: `y_r = stage(bias_r + sum_c w_rc · x_c)`, one scale a row.
///
/// `I` and `O` are `i8` or `i16`. The accumulator is `i32` and wraps: loading a model proves that
/// it cannot; a caller with matrices of its own has to see to `sum |w| · |x| + |bias| < 2^31`.
/// `scratch` needs [`dense_scratch_len`] elements; what it held is lost.
///
/// # Errors
/// [`ShapeError`] when `input` is not `cols` long, `output` or `channels` not `rows`, or
/// `scratch` is too short. Nothing is written then.
pub fn dense<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    scratch: &mut [i16],
    output: &mut [O],
) -> Result<(), ShapeError> {
    ShapeError::exact(Operand::Input, weights.cols(), input.len())?;
    ShapeError::exact(Operand::Channels, weights.rows(), channels.len())?;
    ShapeError::exact(Operand::Output, weights.rows(), output.len())?;
    ShapeError::at_least(
        Operand::Workspace,
        dense_scratch_len(weights.cols()),
        scratch.len(),
    )?;
    #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
    let done = super::packed::dense(weights, channels, stage, input, scratch, output);
    #[cfg(autodidact_kernels = "helium")]
    let done = super::helium::dense(weights, channels, stage, input, output);
    #[cfg(not(autodidact_kernels))]
    let done: Option<()> = None;
    if done.is_none() {
        portable::dense(weights, channels, stage, input, output);
    }
    Ok(())
}
