//! Layers over a weight order that serves several rows with every input that is loaded.
//!
//! The inputs are widened to `i16` pairs once a call; the core's `rows` does the rest.

use super::{Activation, Channel, Conv3x3, Matrix, OutputStage, backend};
use zerocopy::{FromBytes, IntoBytes};

/// Inputs as the group kernels read them: two a word, padded with zeros to a multiple of four.
struct Inputs<'a> {
    pairs: &'a [u32],
    /// `-128 · sum x`: what cancels the offset of the weights stored with one.
    correction: i32,
}

/// The first `len` elements of `scratch` that start at a multiple of four bytes.
fn aligned(scratch: &mut [i16], len: usize) -> Option<&mut [i16]> {
    let skip = scratch.as_ptr().addr() / 2 % 2;
    scratch.get_mut(skip..)?.get_mut(..len)
}

impl<'a> Inputs<'a> {
    fn new(pairs: &'a [u32], sum: i32) -> Self {
        Self { pairs, correction: sum.wrapping_mul(-128) }
    }

    /// `input` itself where it lies as needed, a copy in `scratch` otherwise.
    fn prepare<I: Activation>(input: &'a [I], scratch: &'a mut [i16]) -> Option<Self> {
        let padded = input.len().next_multiple_of(4);
        if let Some(direct) = I::as_i16(input)
            && padded == direct.len()
            && let Ok(pairs) = <[u32]>::ref_from_bytes(direct.as_bytes())
        {
            return Some(Self::new(pairs, backend::sum_pairs(pairs)));
        }
        let wide = aligned(scratch, padded)?;
        let (front, padding) = wide.split_at_mut_checked(input.len())?;
        padding.fill(0);
        let sum = match I::as_i8(input) {
            Some(narrow) => Some(backend::widen(narrow, front)),
            None => {
                for (x, from) in front.iter_mut().zip(I::as_i16(input)?) {
                    *x = *from;
                }
                None
            }
        };
        let pairs = <[u32]>::ref_from_bytes(wide.as_bytes()).ok()?;
        Some(Self::new(pairs, sum.unwrap_or_else(|| backend::sum_pairs(pairs))))
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
    let Inputs { pairs, correction } = Inputs::prepare(input, scratch)?;
    backend::rows(words, pairs, correction, channels, stage, output);
    Some(())
}

/// A convolution, window by window; `None` when the weights lie in another order.
#[expect(clippy::too_many_arguments, reason = "as in the public function")]
pub(super) fn conv3x3(
    geometry: &Conv3x3,
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<i8>,
    input_zero_point: i8,
    input: &[i8],
    scratch: &mut [i16],
    output: &mut [i8],
) -> Option<()> {
    let words = words(weights)?;
    let len = geometry.window_len();
    let window = aligned(scratch, len.next_multiple_of(4))?;
    let zero_point = i32::from(input_zero_point);
    window.fill(0);
    for (cell, at) in output.chunks_exact_mut(weights.rows()).zip(geometry.windows()) {
        let mut sum = 0i32;
        at.gather(input, window, input_zero_point.into(), |from, into| {
            sum += backend::widen(from, into);
        });
        let pairs = <[u32]>::ref_from_bytes(window.as_bytes()).ok()?;
        let Inputs { pairs, correction } = Inputs::new(pairs, sum + zero_point * at.outside());
        backend::rows(words, pairs, correction, channels, stage, cell);
    }
    Some(())
}
