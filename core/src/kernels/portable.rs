//! Plain safe Rust for every order and every target, laid out so that LLVM vectorises it.

use super::{Activation, Channel, Conv3x3, Matrix, Nearest, Order, OutputStage};

/// Most rows that a group of any order holds.
const MOST_ROWS: usize = 8;

/// `sum w · x` of the rows of one group, modulo 2^32.
#[inline]
fn group_sums<I: Activation>(order: Order, group: &[i8], input: &[I]) -> [i32; MOST_ROWS] {
    let mut sums = [0i32; MOST_ROWS];
    let product = |w: i8, x: &I| i32::from(w).wrapping_mul((*x).into());
    match order {
        Order::RowMajor => {
            let row = group.iter().zip(input);
            sums[0] = row.fold(0, |sum, (w, x)| product(*w, x).wrapping_add(sum));
        }
        Order::Quads => {
            for (words, inputs) in group.as_chunks::<8>().0.chunks(2).zip(input.chunks(4)) {
                for ([a, b, c, d, e, f, g, h], pair) in words.iter().zip(inputs.chunks(2)) {
                    let even = [a ^ i8::MIN, *b, e ^ i8::MIN, *f];
                    let odd = [c ^ i8::MIN, *d, g ^ i8::MIN, *h];
                    for (weights, x) in [even, odd].iter().zip(pair) {
                        for (sum, w) in sums.iter_mut().zip(weights) {
                            *sum = sum.wrapping_add(product(*w, x));
                        }
                    }
                }
            }
        }
        Order::Octets => {
            for (weights, x) in group.as_chunks::<8>().0.iter().zip(input) {
                for (sum, w) in sums.iter_mut().zip(weights) {
                    *sum = sum.wrapping_add(product(w ^ i8::MIN, x));
                }
            }
        }
    }
    sums
}

pub(super) fn dense<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    output: &mut [O],
) {
    let order = weights.order();
    let outputs = output.chunks_mut(order.group_rows()).zip(channels.chunks(order.group_rows()));
    for (group, (output, channels)) in weights.groups().zip(outputs) {
        let sums = group_sums(order, group, input);
        for ((y, channel), sum) in output.iter_mut().zip(channels).zip(sums) {
            *y = stage.apply(channel.bias.wrapping_add(sum), channel);
        }
    }
}

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
) {
    let widen = |from: &[i8], into: &mut [i16]| {
        for (wide, x) in into.iter_mut().zip(from) {
            *wide = i16::from(*x);
        }
    };
    let Some(taps) = scratch.get_mut(..geometry.window_len()) else { return };
    for (cell, window) in output.chunks_exact_mut(weights.rows()).zip(geometry.windows()) {
        window.gather(input, taps, input_zero_point.into(), widen);
        dense(weights, channels, stage, taps, cell);
    }
}

#[cfg(not(autodidact_kernels = "armv7em"))]
pub(super) fn dot(a: &[i16], b: &[i16]) -> i64 {
    a.iter().zip(b).map(|(a, b)| i64::from(i32::from(*a) * i32::from(*b))).sum()
}

pub(super) fn squared_distance(a: &[i16], b: &[i16]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let difference = i32::from(*a).abs_diff(i32::from(*b));
            // At most (2^16 - 1)^2.
            u64::from(difference * difference)
        })
        .sum()
}

/// Minimises `|c|^2 - 2 c · x`, which is the squared distance less `|x|^2`.
pub(super) fn nearest_l2(
    centroids: &[i16],
    norms: &[i64],
    x: &[i16],
    dot: impl Fn(&[i16], &[i16]) -> i64,
) -> Nearest {
    let mut best = (0, i64::MAX);
    let rows = centroids.chunks_exact(x.len().max(1)).zip(norms);
    for (index, (centroid, norm)) in (0u32..).zip(rows) {
        let score = norm.wrapping_sub(dot(centroid, x).wrapping_mul(2));
        if score < best.1 {
            best = (index, score);
        }
    }
    Nearest { index: best.0, distance_sq: best.1.wrapping_add(dot(x, x)).cast_unsigned() }
}
