//! Fully connected layers.

use super::{Matrix, portable};
use crate::num::{Multiplier, requantize};
use crate::{Defect, Operand, ShapeError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What turns one row's accumulator into an activation; stored as is in the container.
///
/// A record as it is read: what takes one checks it, once ([`Channels`], and loading a model).
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

impl Channel {
    /// A row's bias and scale.
    #[must_use]
    pub const fn new(bias: i32, scale: Multiplier) -> Self {
        Self {
            bias,
            multiplier: scale.multiplier(),
            shift: scale.shift(),
        }
    }

    /// The output scale, or `None` when it is out of range.
    #[must_use]
    pub const fn scale(&self) -> Option<Multiplier> {
        Multiplier::new(self.multiplier, self.shift)
    }
}

/// Channels whose scales are all in range: what the kernels take, and give the same bits for on every core.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a>(&'a [Channel]);

impl<'a> Channels<'a> {
    /// These channels.
    ///
    /// # Errors
    /// [`Defect::Scale`] with the index of the first channel whose scale is no [`Multiplier`].
    pub fn new(channels: &'a [Channel]) -> Result<Self, Defect> {
        let wrong = (0u32..)
            .zip(channels)
            .find(|(_, channel)| channel.scale().is_none());
        match wrong {
            Some((index, _)) => Err(Defect::Scale { index }),
            None => Ok(Self(channels)),
        }
    }

    /// Channels that have been proved already.
    #[inline]
    pub(crate) const fn proved(channels: &'a [Channel]) -> Self {
        Self(channels)
    }

    /// The channels.
    #[inline]
    #[must_use]
    pub const fn as_slice(&self) -> &'a [Channel] {
        self.0
    }
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
    /// Requantises one accumulator; a channel's scale counts as [`requantize`] says.
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
    channels: Channels<'_>,
    stage: &OutputStage<O>,
    input: &[I],
    scratch: &mut [i16],
    output: &mut [O],
) -> Result<(), ShapeError> {
    let channels = channels.as_slice();
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
