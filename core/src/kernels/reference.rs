//! The definition of every kernel: textbook loops, one weight at a time.
//!
//! These functions say what the kernels compute and are what every fast implementation is tested
//! against, on the host and on the emulated cores. They are slow; call [`super::dense`] and its
//! neighbours instead. They take slices of the right lengths for granted: what is too short is
//! taken as zero, what is too long is left alone.

use super::{Activation, Channel, Conv3x3, Matrix, Nearest, OutputStage, Padding};

/// `y_r = stage(bias_r + sum_c w_rc · x_c)`, the sum modulo 2^32.
pub fn dense<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    output: &mut [O],
) {
    for (row, (y, channel)) in output.iter_mut().zip(channels).enumerate() {
        let mut sum = channel.bias;
        for (col, x) in input.iter().enumerate() {
            sum = sum.wrapping_add(i32::from(weights.get(row, col)).wrapping_mul((*x).into()));
        }
        *y = stage.apply(sum, channel);
    }
}

/// The 3x3 convolution of an image in height-width-channel order; `input_zero_point` lies outside.
pub fn conv3x3(
    geometry: &Conv3x3,
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<i8>,
    input_zero_point: i8,
    input: &[i8],
    output: &mut [i8],
) {
    let [height, width, depth] = geometry.input_shape();
    let [out_height, out_width] = geometry.output_size();
    let pad = |side: usize, out: usize| match geometry.padding() {
        Padding::Valid => 0,
        Padding::Same => ((out - 1) * geometry.stride() + 3).saturating_sub(side) / 2,
    };
    let (pad_top, pad_left) = (pad(height, out_height), pad(width, out_width));
    let value = |y: usize, x: usize, c: usize| {
        // Before the image the subtraction wraps to a huge number: outside as well.
        let (y, x) = (y.wrapping_sub(pad_top), x.wrapping_sub(pad_left));
        let inside = y < height && x < width;
        let element = if inside {
            input.get((y * width + x) * depth + c)
        } else {
            None
        };
        i32::from(element.copied().unwrap_or(input_zero_point))
    };
    let positions = (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x)));
    for (cell, (y, x)) in output
        .chunks_exact_mut(weights.rows().max(1))
        .zip(positions)
    {
        let (top, left) = (y * geometry.stride(), x * geometry.stride());
        for (row, (y, channel)) in cell.iter_mut().zip(channels).enumerate() {
            let mut sum = channel.bias;
            for tap in 0..9 {
                for c in 0..depth {
                    let w = i32::from(weights.get(row, tap * depth + c));
                    sum = sum.wrapping_add(w * value(top + tap / 3, left + tap % 3, c));
                }
            }
            *y = stage.apply(sum, channel);
        }
    }
}

/// `sum a_i · b_i`.
#[must_use]
pub fn dot(a: &[i16], b: &[i16]) -> i64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i64::from(*a) * i64::from(*b))
        .sum()
}

/// `sum (a_i - b_i)^2`.
#[must_use]
pub fn squared_distance(a: &[i16], b: &[i16]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u64::from(i32::from(*a).abs_diff(i32::from(*b))).pow(2))
        .sum()
}

/// The row of `centroids` with the smallest squared distance from `x`; the first of equals.
#[must_use]
pub fn nearest_l2(centroids: &[i16], x: &[i16]) -> Nearest {
    nearest(centroids, x, squared_distance)
}

/// `sum |a_i - b_i|`.
#[must_use]
pub fn manhattan_distance(a: &[i16], b: &[i16]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u64::from(i32::from(*a).abs_diff(i32::from(*b))))
        .sum()
}

/// The row of `centroids` with the smallest Manhattan distance from `x`; the first of equals.
#[must_use]
pub fn nearest_l1(centroids: &[i16], x: &[i16]) -> Nearest {
    nearest(centroids, x, manhattan_distance)
}

fn nearest(centroids: &[i16], x: &[i16], metric: fn(&[i16], &[i16]) -> u64) -> Nearest {
    let mut best = Nearest {
        index: 0,
        distance: u64::MAX,
    };
    for (index, centroid) in (0..).zip(centroids.chunks_exact(x.len().max(1))) {
        let distance = metric(centroid, x);
        if distance < best.distance {
            best = Nearest { index, distance };
        }
    }
    best
}

/// `sum y_i^2` modulo 2^64, `y_i = (p_i · x + o_i) >> s_i` modulo 2^32, `p_i` a row of the packed `factor`; shifts
/// are those that [`Shifts`](super::Shifts) takes.
#[must_use]
pub fn mahalanobis(factor: &[i16], offsets: &[i64], shifts: &[u8], x: &[i16]) -> u64 {
    let mut sum = 0u64;
    for (row, (offset, shift)) in offsets.iter().zip(shifts).enumerate() {
        let mut y = *offset;
        // A packed factor has an element above the diagonal of every even row.
        for (column, x) in x.iter().enumerate().take((row | 1) + 1) {
            let p = factor.get(super::factor_index(row, column));
            y = y.wrapping_add(i64::from(p.copied().unwrap_or(0)) * i64::from(*x));
        }
        let y = i64::from((y >> (shift & 31)) as i32);
        sum = sum.wrapping_add((y * y).cast_unsigned());
    }
    sum
}

/// `sums_j = start_j`, and `2^12 · w_ij` more for every row `i` that is set in `active`, modulo 2^32.
pub fn add_rows(weights: &[i8], active: &[u32], start: &[i32], sums: &mut [i32]) {
    let stride = super::row_stride(start.len());
    for (column, (sum, start)) in sums.iter_mut().zip(start).enumerate() {
        *sum = *start;
        for (row, bit) in bits(active).enumerate() {
            let w = weights.get(row * stride + column).copied().unwrap_or(0);
            *sum = sum.wrapping_add(4096 * i32::from(w) * bit);
        }
    }
}

/// `sums_i += 2^12 · w_ij` for every column `j` that is set in `active`, modulo 2^32.
pub fn add_columns(weights: &[i8], columns: usize, active: &[u32], sums: &mut [i32]) {
    for (row, sum) in weights
        .chunks_exact(super::row_stride(columns).max(1))
        .zip(sums)
    {
        for (w, bit) in row.iter().take(columns).zip(bits(active)) {
            *sum = sum.wrapping_add(4096 * i32::from(*w) * bit);
        }
    }
}

/// The bits of a set, 0 or 1 each.
fn bits(set: &[u32]) -> impl Iterator<Item = i32> + '_ {
    set.iter()
        .flat_map(|word| (0..32).map(move |at| ((word >> at) & 1).cast_signed()))
}
