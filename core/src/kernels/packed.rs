//! Layers over a weight order that serves several rows with every input that is loaded.
//!
//! The inputs are widened to `i16` pairs once a call; the core's `rows` does the rest.

use super::conv::Arguments;
use super::{Activation, Channel, Matrix, OutputStage, backend};
use zerocopy::{FromBytes, IntoBytes};

/// Inputs as the group kernels read them: two a word, padded with zeros to a multiple of four.
struct Inputs<'a> {
    pairs: &'a [u32],
    /// `-128 · sum x`: what cancels the offset of the weights stored with one.
    correction: i32,
}

/// The first `len` elements of `scratch` that start at a multiple of four bytes.
pub(super) fn aligned(scratch: &mut [i16], len: usize) -> Option<&mut [i16]> {
    let skip = scratch.as_ptr().addr() / 2 % 2;
    scratch.get_mut(skip..)?.get_mut(..len)
}

impl<'a> Inputs<'a> {
    fn new(pairs: &'a [u32], sum: i32) -> Self {
        Self {
            pairs,
            correction: sum.wrapping_mul(-128),
        }
    }

    /// `input`, widened into `scratch`.
    #[inline(never)]
    fn narrow(input: &[i8], scratch: &'a mut [i16]) -> Option<Self> {
        let wide = aligned(scratch, input.len().next_multiple_of(4))?;
        let (front, padding) = wide.split_at_mut_checked(input.len())?;
        padding.fill(0);
        let sum = backend::widen(input, front);
        Some(Self::new(
            <[u32]>::ref_from_bytes(wide.as_bytes()).ok()?,
            sum,
        ))
    }

    /// `input` itself where it lies as needed, a copy in `scratch` otherwise.
    #[inline(never)]
    fn wide(input: &'a [i16], scratch: &'a mut [i16]) -> Option<Self> {
        let padded = input.len().next_multiple_of(4);
        let mut pairs = <[u32]>::ref_from_bytes(input.as_bytes());
        if padded != input.len() || pairs.is_err() {
            let copy = aligned(scratch, padded)?;
            let (front, padding) = copy.split_at_mut_checked(input.len())?;
            padding.fill(0);
            for (x, from) in front.iter_mut().zip(input) {
                *x = *from;
            }
            pairs = <[u32]>::ref_from_bytes(copy.as_bytes());
        }
        let pairs = pairs.ok()?;
        Some(Self::new(pairs, backend::sum_pairs(pairs)))
    }
}

/// The weights as words, when they lie in the order that the core's kernel reads.
fn words<'a>(weights: &Matrix<'a>) -> Option<&'a [u32]> {
    if weights.order() != backend::ORDER {
        return None;
    }
    <[u32]>::ref_from_bytes(weights.data().as_bytes()).ok()
}

/// A dense layer; `None`, and nothing written, when the weights lie in another order.
pub(super) fn dense<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    scratch: &mut [i16],
    output: &mut [O],
) -> Option<()> {
    let words = words(weights)?;
    let inputs = match I::as_i8(input) {
        Some(narrow) => Inputs::narrow(narrow, scratch),
        None => Inputs::wide(I::as_i16(input)?, scratch),
    };
    let Inputs { pairs, correction } = inputs?;
    backend::rows(words, pairs, correction, channels, stage, output);
    Some(())
}

/// A layer's rows over inputs that lie on a word's boundary, padded with zeros to a multiple of four, and their sum;
/// `None`, and nothing written, when they do not or the weights lie in another order.
#[inline]
pub(super) fn rows<O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    inputs: &[i16],
    sum: i32,
    output: &mut [O],
) -> Option<()> {
    let words = words(weights)?;
    let pairs = <[u32]>::ref_from_bytes(inputs.as_bytes()).ok()?;
    let Inputs { pairs, correction } = Inputs::new(pairs, sum);
    backend::rows(words, pairs, correction, channels, stage, output);
    Some(())
}

/// Sum of such inputs.
#[inline]
pub(super) fn sum(inputs: &[i16]) -> i32 {
    <[u32]>::ref_from_bytes(inputs.as_bytes()).map_or(0, backend::sum_pairs)
}

/// A convolution, window by window; `None` when the weights lie in another order.
pub(super) fn conv3x3(
    (geometry, weights, channels, stage, input_zero_point, input): Arguments<'_>,
    scratch: &mut [i16],
    output: &mut [i8],
) -> Option<()> {
    let words = words(weights)?;
    let taps = aligned(scratch, geometry.window_len().next_multiple_of(4))?;
    taps.fill(0);
    geometry.for_each_window(weights.rows(), output, &mut |window, cell| {
        let mut sum = (window.outside() as i32).wrapping_mul(input_zero_point.into());
        let fill = |taps: &mut [i16]| taps.fill(input_zero_point.into());
        window.gather(input, taps, fill, |from, into| {
            sum = sum.wrapping_add(backend::widen(from, into));
        })?;
        let pairs = <[u32]>::ref_from_bytes(taps.as_bytes()).ok()?;
        let Inputs { pairs, correction } = Inputs::new(pairs, sum);
        backend::rows(words, pairs, correction, channels, stage, cell);
        Some(())
    })
}
