//! Graphs of operations in f64, many rows at a time.

use super::activate;
use crate::train::model::{GraphKind, GraphNet, GraphOp};

/// Rows as a graph's values hold them: element after element, in each one value a row.
///
/// The loops over rows are the innermost ones, so that the compiler vectorises them whatever the operation.
#[must_use]
pub fn by_element(rows: &[f64], width: usize) -> Vec<f64> {
    let count = rows.len() / width;
    (0..width)
        .flat_map(|element| (0..count).map(move |row| rows[row * width + element]))
        .collect()
}

/// The outputs of a graph for rows that lie behind one another, all at one noise level.
#[must_use]
pub fn graph_forward(net: &GraphNet, level: usize, rows: &[f64]) -> Vec<f64> {
    let count = rows.len() / net.inputs();
    let values = graph_values(
        net,
        level,
        by_element(rows, net.inputs()),
        count,
        &mut |_, _| {},
    );
    values
        .last()
        .map_or_else(Vec::new, |last| by_element(last, count))
}

/// All values of a graph, that of the input first, element by element. `change` may round the value that an
/// operation has just made, before others read it.
#[must_use]
pub fn graph_values(
    net: &GraphNet,
    level: usize,
    input: Vec<f64>,
    count: usize,
    change: &mut dyn FnMut(usize, &mut [f64]),
) -> Vec<Vec<f64>> {
    let mut values = vec![input];
    for (at, op) in net.ops.iter().enumerate() {
        let from = net.shape(op.inputs[0]);
        let [left, right] = op.inputs.map(|value| &values[value]);
        let mut made = match op.kind {
            GraphKind::Dense => dense(op, level, left, count),
            GraphKind::Conv3x3 { stride } => convolve(op, level, left, count, from, stride),
            GraphKind::Add => {
                let sums = left.iter().zip(right).map(|(a, b)| a + b);
                sums.map(|sum| activate(op.activation, sum)).collect()
            }
            GraphKind::AveragePool => pool(op, left, count, from),
            GraphKind::Upsample => upsample(op, left, count, from),
        };
        change(at, &mut made);
        values.push(made);
    }
    values
}

/// `sum += weight * x` for every row.
fn accumulate(sum: &mut [f64], weight: f32, x: &[f64]) {
    let weight = f64::from(weight);
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += weight * x;
    }
}

/// Gain, bias and activation of the weighted sums of one output.
fn finish(op: &GraphOp, level: usize, row: usize, sums: &mut [f64]) {
    let (gain, bias) = (op.gain_at(level, row), f64::from(op.bias_at(level)[row]));
    for sum in sums {
        *sum = activate(op.activation, gain * *sum + bias);
    }
}

fn dense(op: &GraphOp, level: usize, input: &[f64], count: usize) -> Vec<f64> {
    let mut output = vec![0.0; op.outputs() * count];
    let rows = op.weights.chunks_exact(op.cols());
    for (row, (weights, sums)) in rows.zip(output.chunks_exact_mut(count)).enumerate() {
        for (weight, x) in weights.iter().zip(input.chunks_exact(count)) {
            accumulate(sums, *weight, x);
        }
        finish(op, level, row, sums);
    }
    output
}

fn convolve(
    op: &GraphOp,
    level: usize,
    input: &[f64],
    count: usize,
    [height, width, depth]: [usize; 3],
    stride: usize,
) -> Vec<f64> {
    let [out_height, out_width, channels] = op.shape;
    // Zeros outside; where their number is odd, one more at the far end.
    let before = |size: usize, out: usize| ((out - 1) * stride + 3).saturating_sub(size) / 2;
    let (top, left) = (before(height, out_height), before(width, out_width));
    let mut output = vec![0.0; op.outputs() * count];
    for (pixel, cells) in output.chunks_exact_mut(channels * count).enumerate() {
        let (y, x) = (pixel / out_width * stride, pixel % out_width * stride);
        for (row, sums) in cells.chunks_exact_mut(count).enumerate() {
            let weights = &op.weights[row * 9 * depth..][..9 * depth];
            for (tap, weights) in weights.chunks_exact(depth).enumerate() {
                let (Some(y), Some(x)) = (
                    (y + tap / 3).checked_sub(top),
                    (x + tap % 3).checked_sub(left),
                ) else {
                    continue;
                };
                if y >= height || x >= width {
                    continue;
                }
                let from = (y * width + x) * depth;
                for (channel, weight) in weights.iter().enumerate() {
                    accumulate(sums, *weight, &input[(from + channel) * count..][..count]);
                }
            }
            finish(op, level, row, sums);
        }
    }
    output
}

fn pool(op: &GraphOp, input: &[f64], count: usize, [_, width, depth]: [usize; 3]) -> Vec<f64> {
    let [_, out_width, _] = op.shape;
    let mut output = vec![0.0; op.outputs() * count];
    for (cell, sums) in output.chunks_exact_mut(count).enumerate() {
        let (pixel, channel) = (cell / depth, cell % depth);
        let (y, x) = (2 * (pixel / out_width), 2 * (pixel % out_width));
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let from = ((y + dy) * width + x + dx) * depth + channel;
            accumulate(sums, 0.25, &input[from * count..][..count]);
        }
    }
    output
}

fn upsample(op: &GraphOp, input: &[f64], count: usize, [_, width, depth]: [usize; 3]) -> Vec<f64> {
    let [height, out_width, _] = op.shape;
    let pixels = (0..height).flat_map(|y| (0..out_width).map(move |x| (y / 2) * width + x / 2));
    pixels
        .flat_map(|pixel| &input[pixel * depth * count..][..depth * count])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::model::{Activation, Conditioning};

    #[test]
    fn every_kind_of_operation_has_its_textbook_value() {
        let none = Conditioning::None;
        let mut net = GraphNet::new([2, 2, 1], 2);
        let conv = net.conv3x3(0, 1, 1, Activation::Identity, Conditioning::GainAndBias);
        let pooled = net.average_pool(conv);
        let raised = net.upsample(pooled);
        let sum = net.sum(raised, 0);
        net.dense(sum, [1, 1, 1], Activation::Relu, none);
        // The right neighbour and twice the lower one.
        net.ops[0].weights = vec![0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0];
        net.ops[0].bias = vec![0.0, 1.0];
        net.ops[0].log_gain = vec![0.0, 2f32.ln()];
        net.ops[4].weights = vec![1.0, -1.0, 2.0, 1.0];
        net.check().unwrap();
        let rows = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0];
        // Sums 2 + 6, 8, 4, 0: twice and one more at level 1; their means 5 and 11.
        for (level, mean) in [(0, 5.0), (1, 11.0)] {
            let bias = level as f64;
            let expected = [3.0 * mean + 1.0 - 2.0 + 6.0 + 4.0, 3.0 * bias];
            let found = graph_forward(&net, level, &rows);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn strides_take_the_windows_that_the_device_takes() {
        // Even sizes: nothing before, one zero behind; odd sizes: one on either side.
        for (size, expected) in [(4usize, [5.0, 7.0, 13.0, 15.0]), (3, [0.0, 0.0, 0.0, 4.0])] {
            let mut net = GraphNet::new([size, size, 1], 1);
            net.conv3x3(0, 1, 2, Activation::Identity, Conditioning::None);
            // The centre of an even window, the upper left corner of an odd one.
            let tap = if size == 4 { 4 } else { 0 };
            net.ops[0].weights[tap] = 1.0;
            let rows: Vec<f64> = (0..size * size).map(|x| x as f64).collect();
            assert_eq!(graph_forward(&net, 0, &rows), expected);
        }
    }
}
