//! 3x3 convolutions over images in height-width-channel order.

use super::{Channel, Matrix, OutputStage, dense_scratch_len, portable};
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
                Some(elements) if elements <= 1 << 24 => {
                    Some(Self { height, width, in_channels, stride, padding })
                }
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

    const fn output_side(&self, side: usize) -> usize {
        match self.padding {
            Padding::Same => side.div_ceil(self.stride),
            Padding::Valid => (side - 3) / self.stride + 1,
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

    /// The windows in the order of the outputs.
    pub(super) fn windows(&self) -> impl Iterator<Item = Window> {
        let [rows, columns] = self.output_size();
        let (stride, image) = (self.stride, *self);
        let top = self.pad_before(self.height);
        let left = self.pad_before(self.width);
        (0..rows).flat_map(move |y| {
            let vertical = Span::new(y * stride, top, image.height);
            (0..columns).map(move |x| {
                let horizontal = Span::new(x * stride, left, image.width);
                Window { vertical, horizontal, image }
            })
        })
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
    const fn new(at: usize, pad: usize, side: usize) -> Self {
        let before = pad.saturating_sub(at);
        let start = at.saturating_sub(pad);
        let end = if at + 3 - pad < side { at + 3 - pad } else { side };
        Self { before, start, count: end.saturating_sub(start) }
    }
}

/// One 3x3 window of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    vertical: Span,
    horizontal: Span,
    image: Conv3x3,
}

impl Window {
    /// Elements of the window outside the image; below 2^27, as the image is.
    pub(super) const fn outside(&self) -> i32 {
        (self.image.in_channels * (9 - self.vertical.count * self.horizontal.count)) as i32
    }

    /// Writes the window's inputs, `copy` those inside the image and `outside` the others.
    #[inline]
    pub(super) fn gather<T: Copy>(
        &self,
        input: &[i8],
        into: &mut [T],
        outside: T,
        mut copy: impl FnMut(&[i8], &mut [T]),
    ) {
        let Self { vertical, horizontal, image } = self;
        let depth = image.in_channels;
        let inside = vertical.before..vertical.before + vertical.count;
        for (row, taps) in into.chunks_exact_mut(3 * depth).take(3).enumerate() {
            let y = (vertical.start + row).wrapping_sub(vertical.before);
            let start = (y.wrapping_mul(image.width).wrapping_add(horizontal.start)).wrapping_mul(depth);
            let len = if inside.contains(&row) { horizontal.count * depth } else { 0 };
            let source = input.get(start..).and_then(|from| from.get(..len)).unwrap_or(&[]);
            let Some((before, rest)) = taps.split_at_mut_checked(horizontal.before * depth) else {
                continue;
            };
            let Some((within, after)) = rest.split_at_mut_checked(source.len()) else {
                continue;
            };
            before.fill(outside);
            copy(source, within);
            after.fill(outside);
        }
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
#[expect(clippy::too_many_arguments, reason = "weights, stage and three slices are one layer call")]
pub fn conv3x3(
    geometry: &Conv3x3,
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<i8>,
    input_zero_point: i8,
    input: &[i8],
    scratch: &mut [i16],
    output: &mut [i8],
) -> Result<(), ShapeError> {
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
    #[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
    if super::packed::conv3x3(geometry, weights, channels, stage, input_zero_point, input, scratch, output)
        .is_some()
    {
        return Ok(());
    }
    portable::conv3x3(geometry, weights, channels, stage, input_zero_point, input, scratch, output);
    Ok(())
}
