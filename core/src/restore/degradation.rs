//! What happened to a sample before it was seen.

use crate::num::{rounding_shift_right, saturating_i32};
use crate::{Operand, ShapeError};
use core::ops::Range;

/// One in a kernel's format, `I1F15` less its sign: weights sum to about this.
pub const KERNEL_ONE: i32 = 1 << 15;

/// Side of a kernel.
const SIDE: usize = 5;

/// What happened to a sample.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Degradation<'a> {
    /// Nothing but noise.
    Identity,
    /// Elements whose flag is not set were lost.
    Mask(&'a [bool]),
    /// Blurred.
    Blur(Blur),
}

/// A 5x5 correlation of an image in height-width-channel order, each channel by itself.
///
/// `(K x)(p) = sum_t k(t) x(p + t)`, t from -2 to 2 in rows and columns; beyond the edge lies `outside`. Products
/// are summed exactly in 64 bits and rounded once, to half a unit of 2^-20.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blur {
    height: usize,
    width: usize,
    channels: usize,
    kernel: Kernel,
    /// The same, mirrored at its middle: that of the transpose.
    mirrored: Kernel,
    outside: i32,
}

/// Row-major.
type Kernel = [i16; SIDE * SIDE];

impl Blur {
    /// A blur by `kernel`, row-major, 15 fractional bits; `outside` is the feature (`I4F12`) beyond the edge:
    /// what black is in an image of grey values.
    ///
    /// `None` when the image is empty or has more than 2^24 elements.
    #[must_use]
    pub fn new(
        [height, width, channels]: [usize; 3],
        kernel: [i16; SIDE * SIDE],
        outside: i16,
    ) -> Option<Self> {
        let elements = height.checked_mul(width)?.checked_mul(channels)?;
        let mut mirrored = kernel;
        mirrored.reverse();
        (elements > 0 && elements <= 1 << 24).then_some(Self {
            height,
            width,
            channels,
            kernel,
            mirrored,
            outside: crate::score::from_feature(outside),
        })
    }

    /// Elements of the image.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Never true.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// One element of the correlation, or with `adjoint` of its transpose, which has zeros beyond the edge.
    fn element(&self, x: &[i32], at: usize, adjoint: bool) -> i32 {
        let kernel = if adjoint {
            &self.mirrored
        } else {
            &self.kernel
        };
        let pixel = at.checked_div(self.channels).unwrap_or(0);
        let channel = at.wrapping_sub(pixel * self.channels);
        let row = pixel.checked_div(self.width).unwrap_or(0);
        let column = pixel.wrapping_sub(row * self.width);
        let (rows, columns) = (inside(row, self.height), inside(column, self.width));
        // 25 products below 2^46 in all.
        let mut sum = 0i64;
        if !adjoint && self.outside != 0 {
            sum = self.beyond(rows.clone(), columns.clone()) * i64::from(self.outside);
        }
        for down in rows {
            let weights = SIDE * down + columns.start..SIDE * down + columns.end;
            // Rows and columns inside the image: nothing wraps.
            let y = (row + down).wrapping_sub(SIDE / 2);
            let z = (column + columns.start).wrapping_sub(SIDE / 2);
            let first = (y * self.width + z) * self.channels + channel;
            if let (Some(weights), Some(values)) = (kernel.get(weights), x.get(first..)) {
                sum += dot(weights, values, self.channels);
            }
        }
        saturating_i32(rounding_shift_right(sum, 15))
    }

    /// Sum of the kernel's weights beyond the edge, where `rows` and `columns` of it lie inside.
    #[inline(never)]
    fn beyond(&self, rows: Range<usize>, columns: Range<usize>) -> i64 {
        let weights = (0..).zip(&self.kernel);
        let beyond = weights
            .filter(|(at, _)| !(rows.contains(&(at / SIDE)) && columns.contains(&(at % SIDE))));
        beyond.map(|(_, weight)| i64::from(*weight)).sum()
    }

    /// Sum of the squared weights, 30 fractional bits.
    fn energy(&self) -> u64 {
        let squares = self.kernel.iter().map(|w| i64::from(*w) * i64::from(*w));
        squares.sum::<i64>().unsigned_abs()
    }
}

/// Sum of the products of weights and as many values, `stride` apart.
#[inline(never)]
fn dot(weights: &[i16], values: &[i32], stride: usize) -> i64 {
    let product = |(weight, value): (&i16, &i32)| i64::from(*weight) * i64::from(*value);
    // Away from the edges of a grey image.
    if let (1, Ok(weights), Some(values)) = (
        stride,
        <&[i16; SIDE]>::try_from(weights),
        values.first_chunk::<SIDE>(),
    ) {
        return weights.iter().zip(values).map(product).sum();
    }
    let values = values.iter().step_by(stride.max(1));
    weights.iter().zip(values).map(product).sum()
}

/// The rows or columns of a kernel around `at` that lie inside an image of `side`.
fn inside(at: usize, side: usize) -> Range<usize> {
    let start = (SIDE / 2).saturating_sub(at);
    start..SIDE.min((side + SIDE / 2).saturating_sub(at))
}

impl Degradation<'_> {
    pub(super) fn check(&self, len: usize) -> Result<(), ShapeError> {
        match self {
            Self::Identity => Ok(()),
            Self::Mask(mask) => ShapeError::exact(Operand::Input, len, mask.len()),
            Self::Blur(blur) => ShapeError::exact(Operand::Input, len, blur.len()),
        }
    }

    /// Whether element `at` was seen.
    pub(super) fn sees(&self, at: usize) -> bool {
        match self {
            Self::Mask(mask) => mask.get(at).copied().unwrap_or(false),
            _ => true,
        }
    }

    /// Element `at` of K x, `I12F20`.
    pub(super) fn apply(&self, x: &[i32], at: usize) -> i32 {
        match self {
            Self::Blur(blur) => blur.element(x, at, false),
            _ if self.sees(at) => x.get(at).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Element `at` of `K^T e`, `I12F20`; `e` is 0 where nothing was seen.
    pub(super) fn adjoint(&self, error: &[i32], at: usize) -> i32 {
        match self {
            Self::Blur(blur) => blur.element(error, at, true),
            _ => error.get(at).copied().unwrap_or(0),
        }
    }

    /// `|k|^2`, 30 fractional bits.
    pub(super) fn energy(&self) -> u64 {
        match self {
            Self::Blur(blur) => blur.energy(),
            _ => 1 << 30,
        }
    }
}
