//! Plain safe Rust for every order and every target; row-major loops are such as LLVM vectorises.

use super::conv::Arguments;
use super::{Activation, Channel, Matrix, Nearest, Order, OutputStage};

/// From the first weight of a row to the second, and from there to the third; and so on, in turns.
const fn steps(order: Order) -> (usize, usize) {
    match order {
        Order::RowMajor => (1, 1),
        Order::Quads => (2, 6),
        Order::Octets => (8, 8),
    }
}

/// `sum + w · x` of one row, modulo 2^32.
#[inline(never)]
fn row_sum<I: Activation>(weights: &Matrix<'_>, row: usize, input: &[I], mut sum: i32) -> i32 {
    let order = weights.order();
    let mut at = order.position(row, 0, weights.cols());
    let product = |w: i8, x: I| i32::from(w).wrapping_mul(x.into());
    // The form that vectorises, where row-major weights are the fast ones.
    if cfg!(any(not(autodidact_kernels), autodidact_kernels = "helium")) && order == Order::RowMajor
    {
        let row = weights.data().get(at..).unwrap_or(&[]).iter().zip(input);
        return row.fold(sum, |sum, (w, x)| product(*w, *x).wrapping_add(sum));
    }
    let offset = order.offset(row);
    let (mut step, mut next) = steps(order);
    for x in input {
        let w = weights.data().get(at).copied().unwrap_or(0) ^ offset;
        sum = sum.wrapping_add(product(w, *x));
        at += step;
        (step, next) = (next, step);
    }
    sum
}

pub(super) fn dense<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    output: &mut [O],
) {
    rows(weights, 0, channels, stage, input, output);
}

/// Rows from `first` on, as many as there are channels and outputs, which the weights must have.
#[inline(never)]
pub(super) fn rows<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    first: usize,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    output: &mut [O],
) {
    let mut start = 0;
    // Four rows share every input, on targets that have no other use for row-major weights.
    if VECTORISED && weights.order() == Order::RowMajor {
        let fours = output
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(channels.as_chunks::<4>().0);
        for (output, channels) in fours {
            let sums = four_sums(weights, first + start, input);
            for ((y, channel), sum) in output.iter_mut().zip(channels).zip(sums) {
                *y = stage.apply(channel.bias.wrapping_add(sum), channel);
            }
            start += 4;
        }
    }
    let rest = output.iter_mut().zip(channels).skip(start);
    for (row, (y, channel)) in (first + start..).zip(rest) {
        *y = stage.apply(row_sum(weights, row, input, channel.bias), channel);
    }
}

/// Whether row-major weights are this target's fast ones and served by this file.
const VECTORISED: bool = !cfg!(autodidact_kernels);

/// `sum w · x` of four row-major rows, modulo 2^32.
#[inline]
fn four_sums<I: Activation>(weights: &Matrix<'_>, first: usize, input: &[I]) -> [i32; 4] {
    let row = |row: usize| {
        let start = row.wrapping_mul(weights.cols());
        weights
            .data()
            .get(start..)
            .and_then(|from| from.get(..input.len()))
            .unwrap_or(&[])
    };
    let (a, b, c, d) = (row(first), row(first + 1), row(first + 2), row(first + 3));
    let mut sums = [0i32; 4];
    for ((((a, b), c), d), x) in a.iter().zip(b).zip(c).zip(d).zip(input) {
        let x: i32 = (*x).into();
        for (sum, w) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(i32::from(*w).wrapping_mul(x));
        }
    }
    sums
}

/// Window by window; `None` cannot come out once the lengths are right.
pub(super) fn conv3x3(
    (geometry, weights, channels, stage, input_zero_point, input): Arguments<'_>,
    scratch: &mut [i16],
    output: &mut [i8],
) -> Option<()> {
    let taps = scratch.get_mut(..geometry.window_len())?;
    geometry.for_each_window(weights.rows(), output, &mut |window, cell| {
        let fill = |taps: &mut [i16]| taps.fill(input_zero_point.into());
        window.gather(input, taps, fill, |from, into| {
            for (wide, x) in into.iter_mut().zip(from) {
                *wide = i16::from(*x);
            }
        })?;
        dense(weights, channels, stage, taps, cell);
        Some(())
    })
}

#[cfg(not(autodidact_kernels = "armv7em"))]
pub(super) fn dot(a: &[i16], b: &[i16]) -> i64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i64::from(i32::from(*a) * i32::from(*b)))
        .sum()
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
    Nearest {
        index: best.0,
        distance: best.1.wrapping_add(dot(x, x)).cast_unsigned(),
    }
}

pub(super) fn manhattan_distance(a: &[i16], b: &[i16]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum()
}

/// `sum max(a_i, b_i)`.
pub(super) fn sum_of_maxima(a: &[i16], b: &[i16]) -> i64 {
    // A block's sum fits 32 bits.
    let blocks = a.chunks(1 << 16).zip(b.chunks(1 << 16));
    blocks
        .map(|(a, b)| {
            let maxima = a.iter().zip(b).map(|(a, b)| i32::from(*a.max(b)));
            i64::from(maxima.fold(0, i32::wrapping_add))
        })
        .sum()
}

/// Minimises `2 sum max(x, c) - sum c`, which is the distance plus `sum x`.
///
/// Rows may be of elements or of anything that `sum_of_maxima` reads.
#[inline]
pub(super) fn nearest_l1<T>(
    centroids: &[T],
    sums: &[i64],
    x: &[T],
    sum_of_maxima: impl Fn(&[T], &[T]) -> i64,
) -> Nearest {
    let mut best = (0, i64::MAX);
    let rows = centroids.chunks_exact(x.len().max(1)).zip(sums);
    for (index, (centroid, sum)) in (0u32..).zip(rows) {
        let score = sum_of_maxima(centroid, x)
            .wrapping_mul(2)
            .wrapping_sub(*sum);
        if score < best.1 {
            best = (index, score);
        }
    }
    Nearest {
        index: best.0,
        distance: best.1.wrapping_sub(sum_of_maxima(x, x)).cast_unsigned(),
    }
}
