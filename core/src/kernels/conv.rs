//! 3x3 convolutions over images in height-width-channel order.

use super::{Activation, Channel, Channels, Matrix, OutputStage, dense_scratch_len, portable};
use crate::num::saturating_i16;
use crate::{Operand, ShapeError};

/// What lies beyond the edge of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Padding {
    /// The output is `ceil(n / stride)`; real zeros lie outside, one column or row more at the
    /// far end where the padding is odd (TensorFlow's `SAME`).
    Same,
    /// Only whole windows: `floor((n - 3) / stride) + 1`.
    Valid,
}

/// Geometry of a 3x3 convolution, checked at construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Conv3x3 {
    height: usize,
    width: usize,
    in_channels: usize,
    stride: usize,
    padding: Padding,
}

impl Conv3x3 {
    /// A geometry, or `None` when a side is empty (or below 3 with [`Padding::Valid`]), the
    /// stride is not 1 or 2, or the image has more than 2^24 elements.
    #[must_use]
    pub const fn new(
        height: usize,
        width: usize,
        in_channels: usize,
        stride: usize,
        padding: Padding,
    ) -> Option<Self> {
        let least = match padding {
            Padding::Same => 1,
            Padding::Valid => 3,
        };
        if height < least || width < least || in_channels == 0 || stride == 0 || stride > 2 {
            return None;
        }
        match height.checked_mul(width) {
            Some(pixels) => match pixels.checked_mul(in_channels) {
                Some(elements) if elements <= 1 << 24 => Some(Self {
                    height,
                    width,
                    in_channels,
                    stride,
                    padding,
                }),
                _ => None,
            },
            None => None,
        }
    }

    /// Elements of the input image.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.height * self.width * self.in_channels
    }

    /// Input height, width and channels.
    #[must_use]
    pub const fn input_shape(&self) -> [usize; 3] {
        [self.height, self.width, self.in_channels]
    }

    /// 1 or 2.
    #[must_use]
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// What lies beyond the edge.
    #[must_use]
    pub const fn padding(&self) -> Padding {
        self.padding
    }

    /// Whole strides in a length. No division: it would have to look for zero.
    const fn steps(&self, length: usize) -> usize {
        if self.stride == 2 { length / 2 } else { length }
    }

    const fn output_side(&self, side: usize) -> usize {
        match self.padding {
            Padding::Same => self.steps(side - 1) + 1,
            Padding::Valid => self.steps(side - 3) + 1,
        }
    }

    /// Output height and width.
    #[must_use]
    pub const fn output_size(&self) -> [usize; 2] {
        [self.output_side(self.height), self.output_side(self.width)]
    }

    /// Inputs of one window: `9 · in_channels`, the columns of the weight matrix, in the order
    /// kernel row, kernel column, channel.
    #[must_use]
    pub const fn window_len(&self) -> usize {
        9 * self.in_channels
    }

    /// Rows or columns of padding before the first element of a side.
    const fn pad_before(&self, side: usize) -> usize {
        match self.padding {
            Padding::Valid => 0,
            Padding::Same => {
                let covered = (self.output_side(side) - 1) * self.stride + 3;
                covered.saturating_sub(side) / 2
            }
        }
    }

    /// Scratch elements (`i16`) that [`conv3x3`] needs on any core: one window, widened, padded and
    /// aligned.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        dense_scratch_len(self.window_len())
    }

    /// Calls `each` with every window and the `channels` outputs it makes, in order.
    #[inline(never)]
    pub(super) fn for_each_window<O>(
        &self,
        channels: usize,
        output: &mut [O],
        each: &mut dyn FnMut(&Window, &mut [O]) -> Option<()>,
    ) -> Option<()> {
        let [rows, columns] = self.output_size();
        let (top, left) = (self.pad_before(self.height), self.pad_before(self.width));
        let mut cells = output.chunks_exact_mut(channels.max(1));
        for y in 0..rows {
            let vertical = Span::new(y * self.stride, top, self.height);
            for x in 0..columns {
                let horizontal = Span::new(x * self.stride, left, self.width);
                let start = (vertical.start * self.width + horizontal.start) * self.in_channels;
                let skipped = (vertical.before * 3 + horizontal.before) * self.in_channels;
                let window = Window {
                    start,
                    skipped,
                    rows: vertical.count,
                    row_len: horizontal.count * self.in_channels,
                    depth: self.in_channels,
                    row_stride: self.width * self.in_channels,
                };
                each(&window, cells.next()?)?;
            }
        }
        Some(())
    }
}

/// The part of three successive rows or columns that lies inside the image.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// How many of the three lie before the image.
    before: usize,
    /// The first one inside.
    start: usize,
    /// How many lie inside.
    count: usize,
}

impl Span {
    /// Three from `at` on, counted with `pad` before an image side of `side`.
    #[inline]
    const fn new(at: usize, pad: usize, side: usize) -> Self {
        let before = pad.saturating_sub(at);
        let start = at.saturating_sub(pad);
        let end = if at + 3 - pad < side {
            at + 3 - pad
        } else {
            side
        };
        Self {
            before,
            start,
            count: end.saturating_sub(start),
        }
    }
}

/// One 3x3 window, as element offsets into image and window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The first element of the image inside the window.
    start: usize,
    /// Where it lies in the window.
    skipped: usize,
    /// Rows inside the image, and their elements.
    rows: usize,
    row_len: usize,
    /// Input channels.
    depth: usize,
    /// Elements of a row of the image.
    row_stride: usize,
}

impl Window {
    /// Elements of the window outside the image.
    #[inline]
    pub(super) const fn outside(&self) -> usize {
        (9 * self.depth).wrapping_sub(self.rows * self.row_len)
    }

    /// Writes the window's inputs, by `copy` those inside the image and by `fill` the others.
    #[inline]
    pub(super) fn gather<I, T>(
        &self,
        input: &[I],
        into: &mut [T],
        fill: impl Fn(&mut [T]),
        mut copy: impl FnMut(&[I], &mut [T]),
    ) -> Option<()> {
        if self.outside() > 0 {
            fill(into.get_mut(..9 * self.depth)?);
        }
        let (mut from, mut to) = (self.start, self.skipped);
        for _ in 0..self.rows {
            let row = input.get(from..)?.get(..self.row_len)?;
            copy(row, into.get_mut(to..)?.get_mut(..self.row_len)?);
            from += self.row_stride;
            to += 3 * self.depth;
        }
        Some(())
    }
}

/// A 3x3 convolution, `i8` to `i8`, one scale an output channel.
///
/// `weights` has one row an output channel and [`Conv3x3::window_len`] columns. Outside the image
/// lies `input_zero_point`, so that a bias with the zero point folded in stays right at the edge.
/// Accumulator range as for [`dense`](super::dense).
///
/// # Errors
/// [`ShapeError`] when a slice has the wrong length; nothing is written then.
#[expect(
    clippy::too_many_arguments,
    reason = "weights, stage and three slices are one layer call"
)]
pub fn conv3x3(
    geometry: &Conv3x3,
    weights: &Matrix<'_>,
    channels: Channels<'_>,
    stage: &OutputStage<i8>,
    input_zero_point: i8,
    input: &[i8],
    scratch: &mut [i16],
    output: &mut [i8],
) -> Result<(), ShapeError> {
    let channels = channels.as_slice();
    let [height, width] = geometry.output_size();
    ShapeError::exact(Operand::Weights, geometry.window_len(), weights.cols())?;
    ShapeError::exact(Operand::Channels, weights.rows(), channels.len())?;
    ShapeError::exact(Operand::Input, geometry.input_len(), input.len())?;
    ShapeError::exact(
        Operand::Output,
        (height * width).saturating_mul(weights.rows()),
        output.len(),
    )?;
    ShapeError::at_least(Operand::Workspace, geometry.scratch_len(), scratch.len())?;
    let arguments = (geometry, weights, channels, stage, input_zero_point, input);
    #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
    let done = super::packed::conv3x3(arguments, scratch, output);
    #[cfg(autodidact_kernels = "helium")]
    let done = super::helium::conv3x3(arguments, scratch, output);
    #[cfg(not(autodidact_kernels))]
    let done: Option<()> = None;
    if done.is_none() {
        // Cannot fail: every length has been checked.
        let _ = portable::conv3x3(arguments, scratch, output);
    }
    Ok(())
}

/// The inputs of one window, widened to 16 bits, as the core's kernel reads them.
#[derive(Debug)]
pub struct Taps<'t> {
    /// The inputs; where the core's kernel wants that, on a word's boundary and padded with zeros to whole steps.
    wide: &'t [i16],
    /// Inputs without the padding.
    len: usize,
    /// Their sum, where the core's kernel wants it.
    #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
    sum: i32,
}

impl Taps<'_> {
    /// The inputs, in the order of the weights' columns.
    #[must_use]
    pub fn inputs(&self) -> &[i16] {
        self.wide.get(..self.len).unwrap_or_default()
    }

    /// [`dense`](super::dense) over the window.
    ///
    /// # Errors
    /// [`ShapeError`] when `weights` has not a column for each input, or `channels` or `output` not one element for
    /// each of its rows. Nothing is written then.
    #[inline]
    pub fn dense<O: Activation>(
        &self,
        weights: &Matrix<'_>,
        channels: Channels<'_>,
        stage: &OutputStage<O>,
        output: &mut [O],
    ) -> Result<(), ShapeError> {
        let channels = channels.as_slice();
        ShapeError::exact(Operand::Weights, self.len, weights.cols())?;
        ShapeError::exact(Operand::Channels, weights.rows(), channels.len())?;
        ShapeError::exact(Operand::Output, weights.rows(), output.len())?;
        self.rows(weights, channels, stage, output);
        Ok(())
    }

    /// [`dense`](Self::dense) of shapes that fit: a column for each input, a channel and an output for each row.
    #[inline]
    pub(crate) fn rows<O: Activation>(
        &self,
        weights: &Matrix<'_>,
        channels: &[Channel],
        stage: &OutputStage<O>,
        output: &mut [O],
    ) {
        debug_assert!(weights.cols() == self.len);
        debug_assert!([channels.len(), output.len()] == [weights.rows(); 2]);
        #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
        let done = super::packed::rows(weights, channels, stage, self.wide, self.sum, output);
        #[cfg(autodidact_kernels = "helium")]
        let done = super::helium::dense(weights, channels, stage, self.inputs(), output);
        #[cfg(not(autodidact_kernels))]
        let done: Option<()> = None;
        if done.is_none() {
            portable::dense(weights, channels, stage, self.inputs(), output);
        }
    }
}

/// What is called with a window's inputs and outputs.
type EachTaps<'e, O> = dyn FnMut(&Taps<'_>, &mut [O]) -> Result<(), ShapeError> + 'e;

/// Calls `each` with the inputs of every window and the `channels` outputs that the window makes.
///
/// What a convolution of 16-bit activations or one with a function is made of: `each` is a dense layer of
/// `9 · in_channels` inputs and `channels` outputs. `scratch` needs [`Conv3x3::scratch_len`] elements.
///
/// # Errors
/// [`ShapeError`] when there is no channel or a slice has the wrong length; nothing is called then. The first error
/// of `each`, with which the calls end.
pub fn for_each_taps<I: Activation, O>(
    geometry: &Conv3x3,
    channels: usize,
    input_zero_point: I,
    input: &[I],
    scratch: &mut [i16],
    output: &mut [O],
    each: &mut EachTaps<'_, O>,
) -> Result<(), ShapeError> {
    let mut result = Ok(());
    let call = &mut |taps: &Taps<'_>, cell: &mut [O]| {
        result = each(taps, cell);
        result.ok()
    };
    for_each_taps_while_some(
        geometry,
        channels,
        input_zero_point,
        input,
        scratch,
        output,
        call,
    )?;
    result
}

/// [`for_each_taps`] for an `each` that has nothing to say when it ends the calls.
pub(crate) fn for_each_taps_while_some<I: Activation, O>(
    geometry: &Conv3x3,
    channels: usize,
    input_zero_point: I,
    input: &[I],
    scratch: &mut [i16],
    output: &mut [O],
    each: &mut dyn FnMut(&Taps<'_>, &mut [O]) -> Option<()>,
) -> Result<(), ShapeError> {
    let [height, width] = geometry.output_size();
    ShapeError::at_least(Operand::Channels, 1, channels)?;
    ShapeError::exact(Operand::Input, geometry.input_len(), input.len())?;
    let outputs = (height * width).saturating_mul(channels);
    ShapeError::exact(Operand::Output, outputs, output.len())?;
    ShapeError::at_least(Operand::Workspace, geometry.scratch_len(), scratch.len())?;
    let len = geometry.window_len();
    #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
    let taps = super::packed::aligned(scratch, len.next_multiple_of(4)).unwrap_or_default();
    #[cfg(not(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m")))]
    let taps = scratch.get_mut(..len).unwrap_or_default();
    taps.fill(0);
    let zero = saturating_i16(input_zero_point.into());
    // Lengths are checked: nothing but `each` ends this early.
    let _ = geometry.for_each_window(channels, output, &mut |window, cell| {
        window.gather(input, taps, |taps| taps.fill(zero), widen)?;
        let taps = Taps {
            wide: taps,
            len,
            #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
            sum: super::packed::sum(taps),
        };
        each(&taps, cell)
    });
    Ok(())
}

/// A run of inputs in 16 bits.
#[inline]
fn widen<I: Activation>(from: &[I], into: &mut [i16]) {
    if let Some(from) = I::as_i16(from) {
        return crate::slices::copy_long(from, into);
    }
    for (to, from) in into.iter_mut().zip(from) {
        *to = saturating_i16((*from).into());
    }
}

/// What a convolution reads, apart from its scratch.
pub(super) type Arguments<'a> = (
    &'a Conv3x3,
    &'a Matrix<'a>,
    &'a [Channel],
    &'a OutputStage<i8>,
    i8,
    &'a [i8],
);
