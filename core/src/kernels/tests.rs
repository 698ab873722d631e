//! The portable kernels and the reference against definitions written out here in wide integers.
//! What the cores' own kernels compute is compared with the reference on the emulated cores.

use super::*;
use crate::Operand;
use std::vec;
use std::vec::Vec;
use zerocopy::{FromBytes, IntoBytes};

const ORDERS: [Order; 3] = [Order::RowMajor, Order::Quads, Order::Octets];

struct Random(u32);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        self.word() as usize % end
    }

    /// `len` values: random, or all the same extreme.
    fn values(&mut self, len: usize, pattern: usize, least: i32, most: i32) -> Vec<i32> {
        let span = (most - least + 1) as u32;
        let one = |random: &mut Self| match pattern {
            1 => least,
            2 => most,
            _ => least + (random.word() % span) as i32,
        };
        (0..len).map(|_| one(self)).collect()
    }

    fn channels(&mut self, rows: usize) -> Vec<Channel> {
        let one = |random: &mut Self| Channel {
            bias: random.word().cast_signed() >> (6 + random.below(16)),
            multiplier: (random.word() >> 2).cast_signed() | 1 << 30,
            shift: 33 + random.word() % 14,
        };
        (0..rows).map(|_| one(self)).collect()
    }
}

fn narrow(values: &[i32]) -> Vec<i8> {
    values.iter().map(|v| i8::try_from(*v).unwrap()).collect()
}

fn wide(values: &[i32]) -> Vec<i16> {
    values.iter().map(|v| i16::try_from(*v).unwrap()).collect()
}

/// Packed weights with the alignment that a matrix needs.
fn packed(weights: &[i8], rows: usize, cols: usize, order: Order) -> Vec<u32> {
    let bytes = order.stored_bytes(rows, cols).unwrap();
    let mut words = vec![0xaaaa_aaaa_u32; bytes.div_ceil(4)];
    let target = <[i8]>::mut_from_bytes(words.as_mut_bytes()).unwrap();
    pack(weights, rows, cols, order, &mut target[..bytes]).unwrap();
    words
}

fn matrix(words: &[u32], rows: usize, cols: usize, order: Order) -> Matrix<'_> {
    let bytes = <[i8]>::ref_from_bytes(words.as_bytes()).unwrap();
    let stored = order.stored_bytes(rows, cols).unwrap();
    Matrix::new(&bytes[..stored], rows, cols, order).unwrap()
}

/// `clamp(floor(sum · multiplier / 2^shift + 1/2) + zero point)`.
fn output(sum: i64, channel: &Channel, zero_point: i32, min: i32, max: i32) -> i32 {
    let product = i128::from(sum) * i128::from(channel.multiplier);
    let rounded = (product + (1 << (channel.shift - 1))).div_euclid(1 << channel.shift);
    i32::try_from((rounded + i128::from(zero_point)).clamp(min.into(), max.into())).unwrap()
}

fn dense_by_definition(weights: &[i8], channels: &[Channel], x: &[i32], stage: [i32; 3]) -> Vec<i32> {
    let rows = weights.chunks_exact(x.len()).zip(channels);
    rows.map(|(row, channel)| {
        let products = row.iter().zip(x).map(|(w, x)| i64::from(*w) * i64::from(*x));
        let sum = i64::from(channel.bias) + products.sum::<i64>();
        output(sum, channel, stage[0], stage[1], stage[2])
    })
    .collect()
}

fn check_dense<I, O>(matrix: &Matrix<'_>, channels: &[Channel], x: &[I], stage: [i32; 3], expected: &[i32])
where
    I: Activation,
    O: Activation + TryFrom<i32, Error: core::fmt::Debug> + Into<i32> + PartialEq + core::fmt::Debug,
{
    let element = |v: i32| O::try_from(v).unwrap();
    let stage = OutputStage { zero_point: element(stage[0]), min: element(stage[1]), max: element(stage[2]) };
    let expected: Vec<O> = expected.iter().map(|y| element(*y)).collect();
    let guard = element(77);
    let mut y = vec![guard; matrix.rows() + 1];
    let mut scratch = vec![-1; dense_scratch_len(x.len())];
    dense(matrix, channels, &stage, x, &mut scratch, &mut y[..matrix.rows()]).unwrap();
    let case = (matrix.order(), matrix.rows(), matrix.cols());
    assert_eq!(y[..matrix.rows()], expected, "{case:?}");
    assert_eq!(y[matrix.rows()], guard, "{case:?}");
    reference::dense(matrix, channels, &stage, x, &mut y);
    assert_eq!(y[..matrix.rows()], expected, "reference, {case:?}");
}

#[test]
fn dense_is_its_definition_for_every_order_tail_and_extreme() {
    let mut random = Random(1);
    for cols in 1..=70 {
        for rows in 1..=20 {
            let pattern = random.below(4);
            let weights = narrow(&random.values(rows * cols, pattern, -128, 127));
            let channels = random.channels(rows);
            // One element more, so that the inputs can start at an odd place.
            let pattern = random.below(4);
            let x8 = narrow(&random.values(cols + 1, pattern, -128, 127));
            let x16 = wide(&random.values(cols + 1, pattern, -32_768, 32_767));
            let start = random.below(2);
            let (x8, x16) = (&x8[start..start + cols], &x16[start..start + cols]);
            let [x8_wide, x16_wide] = [
                x8.iter().map(|x| i32::from(*x)).collect::<Vec<_>>(),
                x16.iter().map(|x| i32::from(*x)).collect(),
            ];
            let to8 = [random.below(256) as i32 - 128, -100, 120];
            let to16 = [0, -32_768, 32_767];
            for order in ORDERS {
                let words = packed(&weights, rows, cols, order);
                let matrix = matrix(&words, rows, cols, order);
                let expected = |x: &[i32], stage| dense_by_definition(&weights, &channels, x, stage);
                check_dense::<i8, i8>(&matrix, &channels, x8, to8, &expected(&x8_wide, to8));
                check_dense::<i8, i16>(&matrix, &channels, x8, to16, &expected(&x8_wide, to16));
                check_dense::<i16, i8>(&matrix, &channels, x16, to8, &expected(&x16_wide, to8));
                check_dense::<i16, i16>(&matrix, &channels, x16, to16, &expected(&x16_wide, to16));
            }
        }
    }
}

#[test]
fn scales_of_a_quarter_and_more_round_once_too() {
    let mut random = Random(2);
    for shift in 20..=33 {
        // A sum small enough that the result fits 32 bits.
        let weights = narrow(&random.values(7 * 3, 0, -3, 3));
        let channels: Vec<_> = (0..7)
            .map(|_| Channel { bias: 0, multiplier: (random.word() >> 2 | 1 << 30).cast_signed(), shift })
            .collect();
        let x = narrow(&random.values(3, 0, -5, 5));
        let x_wide: Vec<_> = x.iter().map(|x| i32::from(*x)).collect();
        let stage = [-1, -32_768, 32_767];
        for order in ORDERS {
            let words = packed(&weights, 7, 3, order);
            let matrix = matrix(&words, 7, 3, order);
            let expected = dense_by_definition(&weights, &channels, &x_wide, stage);
            check_dense::<i8, i16>(&matrix, &channels, &x, stage, &expected);
        }
    }
}

#[test]
fn dense_refuses_wrong_lengths_and_writes_nothing() {
    let words = packed(&[1; 15], 3, 5, Order::Quads);
    let matrix = matrix(&words, 3, 5, Order::Quads);
    let channel = Channel { bias: 0, multiplier: 1 << 30, shift: 33 };
    let stage = OutputStage { zero_point: 0i8, min: -128, max: 127 };
    let needed = dense_scratch_len(5);
    for (inputs, channels, outputs, scratch, operand) in [
        (4, 3, 3, needed, Operand::Input),
        (6, 3, 3, needed, Operand::Input),
        (5, 2, 3, needed, Operand::Channels),
        (5, 3, 2, needed, Operand::Output),
        (5, 3, 4, needed, Operand::Output),
        (5, 3, 3, needed - 1, Operand::Workspace),
    ] {
        let mut y = vec![9i8; outputs];
        let (channels, x) = (vec![channel; channels], vec![1i8; inputs]);
        let result = dense(&matrix, &channels, &stage, &x, &mut vec![0; scratch], &mut y);
        assert_eq!(result.map_err(|error| error.operand), Err(operand));
        assert_eq!(y, vec![9i8; outputs]);
    }
}

#[test]
fn packing_keeps_every_weight_and_pads_with_zero() {
    let mut random = Random(3);
    for order in ORDERS {
        for (rows, cols) in (1..=17).flat_map(|rows| (1..=13).map(move |cols| (rows, cols))) {
            let weights = narrow(&random.values(rows * cols, 0, -128, 127));
            let words = packed(&weights, rows, cols, order);
            let matrix = matrix(&words, rows, cols, order);
            let mut seen = vec![false; matrix.data().len()];
            for (index, weight) in weights.iter().enumerate() {
                let (row, col) = (index / cols, index % cols);
                assert_eq!(matrix.get(row, col), *weight, "{order:?} {rows}x{cols}");
                let position = order.position(row, col, cols);
                assert!(!seen[position], "{order:?} {rows}x{cols}: two weights in one place");
                seen[position] = true;
            }
            assert_eq!(matrix.get(rows, 0), 0);
            assert_eq!(matrix.get(0, cols), 0);
            for (position, byte) in matrix.data().iter().enumerate().filter(|(at, _)| !seen[*at]) {
                assert_eq!(byte ^ order.offset(position % 2), 0, "{order:?} {rows}x{cols} padding");
            }
        }
    }
}

#[test]
fn matrices_refuse_what_does_not_fit() {
    let words = [0u32; 4];
    let bytes = <[i8]>::ref_from_bytes(words.as_bytes()).unwrap();
    let error = |bytes, rows, cols, order| Matrix::new(bytes, rows, cols, order).unwrap_err();
    assert_eq!(error(bytes, 0, 4, Order::RowMajor), MatrixError::Shape);
    assert_eq!(error(bytes, usize::MAX, usize::MAX, Order::Quads), MatrixError::Shape);
    assert_eq!(error(bytes, 3, 5, Order::Quads), MatrixError::Length { needed: 32, given: 16 });
    assert_eq!(error(&bytes[1..], 3, 5, Order::RowMajor), MatrixError::Alignment);
    let mut target = [5i8; 16];
    assert!(pack(&[1; 9], 2, 5, Order::Quads, &mut target).is_err());
    assert!(pack(&[1; 10], 2, 5, Order::Quads, &mut target).is_err());
    assert_eq!(target, [5i8; 16]);
}

/// The loop nest of a textbook, in image coordinates.
fn conv_by_definition(geometry: &Conv3x3, weights: &[i8], channels: &[Channel], zero: i8, x: &[i8]) -> Vec<i8> {
    let [height, width, depth] = geometry.input_shape().map(|side| side as i64);
    let [out_height, out_width] = geometry.output_size().map(|side| side as i64);
    let stride = geometry.stride() as i64;
    let before = |side: i64, out: i64| match geometry.padding() {
        Padding::Valid => 0,
        Padding::Same => ((out - 1) * stride + 3 - side).max(0) / 2,
    };
    let (top, left) = (before(height, out_height), before(width, out_width));
    let mut y = Vec::new();
    for (oy, ox) in (0..out_height).flat_map(|oy| (0..out_width).map(move |ox| (oy, ox))) {
        for (kernel, channel) in weights.chunks_exact(geometry.window_len()).zip(channels) {
            let mut sum = i64::from(channel.bias);
            for (ky, kx, c) in
                (0..3).flat_map(|ky| (0..3).flat_map(move |kx| (0..depth).map(move |c| (ky, kx, c))))
            {
                let (iy, ix) = (oy * stride + ky - top, ox * stride + kx - left);
                let inside = (0..height).contains(&iy) && (0..width).contains(&ix);
                let value = if inside { x[((iy * width + ix) * depth + c) as usize] } else { zero };
                sum += i64::from(kernel[((ky * 3 + kx) * depth + c) as usize]) * i64::from(value);
            }
            y.push(output(sum, channel, 3, -128, 127) as i8);
        }
    }
    y
}

#[test]
fn convolution_is_its_definition_for_every_padding_and_stride() {
    let mut random = Random(4);
    let mut cases = 0;
    for (height, width) in (1..=6).flat_map(|height| (1..=6).map(move |width| (height, width))) {
        for (padding, stride) in
            [Padding::Same, Padding::Valid].into_iter().flat_map(|p| [(p, 1), (p, 2)])
        {
            let (depth, rows) = (1 + random.below(9), 1 + random.below(10));
            let Some(geometry) = Conv3x3::new(height, width, depth, stride, padding) else {
                assert!(padding == Padding::Valid && (height < 3 || width < 3));
                continue;
            };
            let cols = geometry.window_len();
            let pattern = random.below(4);
            let weights = narrow(&random.values(rows * cols, pattern, -128, 127));
            let x = narrow(&random.values(geometry.input_len(), pattern, -128, 127));
            let channels = random.channels(rows);
            let zero = random.word() as i8;
            let expected = conv_by_definition(&geometry, &weights, &channels, zero, &x);
            let stage = OutputStage { zero_point: 3i8, min: -128, max: 127 };
            for order in ORDERS {
                let words = packed(&weights, rows, cols, order);
                let matrix = matrix(&words, rows, cols, order);
                let mut scratch = vec![-1; geometry.scratch_len()];
                let mut y = vec![0; expected.len()];
                conv3x3(&geometry, &matrix, &channels, &stage, zero, &x, &mut scratch, &mut y).unwrap();
                assert_eq!(y, expected, "{geometry:?} {order:?}");
                y.fill(0);
                reference::conv3x3(&geometry, &matrix, &channels, &stage, zero, &x, &mut y);
                assert_eq!(y, expected, "reference, {geometry:?} {order:?}");
            }
            cases += 1;
        }
    }
    assert!(cases > 90);
}

#[test]
fn convolution_refuses_wrong_lengths_and_writes_nothing() {
    let geometry = Conv3x3::new(4, 4, 2, 1, Padding::Same).unwrap();
    let words = packed(&[1; 36], 2, 18, Order::RowMajor);
    let matrix = matrix(&words, 2, 18, Order::RowMajor);
    let channels = [Channel { bias: 0, multiplier: 1 << 30, shift: 33 }; 2];
    let stage = OutputStage { zero_point: 0i8, min: -128, max: 127 };
    let needed = geometry.scratch_len();
    for (inputs, outputs, scratch, operand) in [
        (31, 32, needed, Operand::Input),
        (32, 31, needed, Operand::Output),
        (32, 32, needed - 1, Operand::Workspace),
    ] {
        let (x, mut y) = (vec![1; inputs], vec![9; outputs]);
        let mut scratch = vec![0; scratch];
        let result = conv3x3(&geometry, &matrix, &channels, &stage, 0, &x, &mut scratch, &mut y);
        assert_eq!(result.map_err(|error| error.operand), Err(operand));
        assert_eq!(y, vec![9; outputs]);
    }
    assert_eq!(Conv3x3::new(4, 4, 0, 1, Padding::Same), None);
    assert_eq!(Conv3x3::new(4, 4, 1, 3, Padding::Same), None);
    assert_eq!(Conv3x3::new(1 << 13, 1 << 13, 1, 1, Padding::Same), None);
}

#[test]
fn distances_and_dot_products_are_exact_at_any_length_and_extreme() {
    let mut random = Random(5);
    for d in 1..=70 {
        for _ in 0..4 {
            let k = 1 + random.below(11);
            let (pattern, opposite) = (random.below(4), random.below(4));
            let centroids = wide(&random.values(k * d, pattern, -32_768, 32_767));
            let x = wide(&random.values(d, opposite, -32_768, 32_767));
            let mut norms = Vec::new();
            let mut distances = Vec::new();
            for c in centroids.chunks_exact(d) {
                let pairs = || c.iter().zip(&x).map(|(c, x)| (i128::from(*c), i128::from(*x)));
                let product: i128 = pairs().map(|(c, x)| c * x).sum();
                let distance: i128 = pairs().map(|(c, x)| (c - x) * (c - x)).sum();
                assert_eq!(i128::from(dot(c, &x).unwrap()), product);
                assert_eq!(i128::from(squared_distance(c, &x).unwrap()), distance);
                assert_eq!(i128::from(reference::dot(c, &x)), product);
                assert_eq!(i128::from(reference::squared_distance(c, &x)), distance);
                norms.push(dot(c, c).unwrap());
                distances.push(distance);
            }
            let least = *distances.iter().min().unwrap();
            // With one extreme everywhere all distances are equal: the first must win.
            let index = distances.iter().position(|distance| *distance == least).unwrap();
            let expected = Nearest { index: index as u32, distance_sq: least as u64 };
            assert_eq!(nearest_l2(&centroids, &norms, &x), Ok(expected));
            assert_eq!(reference::nearest_l2(&centroids, &x), expected);
        }
    }
}

#[test]
fn distances_refuse_wrong_lengths() {
    assert!(dot(&[1, 2], &[1]).is_err());
    assert!(squared_distance(&[1], &[1, 2]).is_err());
    assert!(nearest_l2(&[1, 2, 3], &[1, 2], &[1, 2]).is_err());
    assert!(nearest_l2(&[], &[], &[1]).is_err());
    assert!(nearest_l2(&[], &[1], &[]).is_err());
}
