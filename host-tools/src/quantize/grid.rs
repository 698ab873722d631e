//! The grid that a graph is rounded to: formats of its values by what calibration rows reach, weights by their rows.

use anyhow::{Context, Result, ensure};
use autodidact::net::{Activation as DeviceActivation, Element, OpRecord};

use super::FEATURE_UNIT;
use super::network::{Format, LARGEST_BIAS, LARGEST_SUM, least_squares_format};
use crate::data::Table;
use crate::oracle::{by_element, graph_values};
use crate::train::model::{Activation, GraphKind, GraphNet, GraphOp};

/// Calibration rows over all levels.
pub(super) const CALIBRATION_ROWS: usize = 768;

/// Least calibration rows of a level.
pub(super) const LEVEL_ROWS: usize = 16;

/// How far beyond the range seen `i16` values reach.
const MARGIN: f64 = 1.5;

/// Type of the values inside a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 16 bits: rounding them costs nothing that shows; twice the workspace of 8.
    #[default]
    I16,
    /// 8 bits.
    I8,
}

/// The grid that a graph is rounded to: the formats of its values, as calibration rows chose them, and what follows
/// from them for weights.
#[derive(Clone, Debug)]
pub struct Grid {
    /// That of the input first.
    pub(super) values: Vec<ValueFormat>,
}

/// Where the values that an operation makes can lie.
#[cfg(feature = "train")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ValueGrid {
    /// Distance of neighbours.
    pub(crate) unit: f64,
    /// The least and the largest.
    pub(crate) range: [f64; 2],
}

impl Grid {
    /// Chooses formats as [`graph`](super::graph()) does.
    ///
    /// # Errors
    ///
    /// As [`graph`](super::graph()), but for those of weights.
    pub fn new(net: &GraphNet, calibration: &[Table], precision: Precision) -> Result<Self> {
        Ok(calibrate(net, calibration, precision)?.0)
    }

    /// The weights of operation `at` as the device has them, were its parameters those of `op`.
    pub(crate) fn weights(&self, at: usize, op: &GraphOp, levels: usize) -> Vec<f32> {
        let (input, output) = (self.values[op.inputs[0]], self.values[at + 1]);
        let mut rounded = vec![0.0; op.weights.len()];
        let rows = op.weights.chunks_exact(op.cols());
        let cells = rounded.chunks_exact_mut(op.cols());
        for (index, (row, cells)) in rows.zip(cells).enumerate() {
            let levels = row_levels(op, index, levels);
            round_row(row, &levels, input, sum_scale(op, output), cells);
        }
        rounded
    }

    /// Where the values that operation `at` makes can lie.
    #[cfg(feature = "train")]
    pub(crate) fn value(&self, at: usize) -> ValueGrid {
        let ValueFormat { format, clamp } = self.values[at + 1];
        let real =
            |integer: i16| (f64::from(integer) - f64::from(format.zero_point)) * format.scale;
        ValueGrid {
            unit: format.scale,
            range: [real(clamp.0), real(clamp.1)],
        }
    }
}

/// The formats of a graph's values, and the rows that chose them, a level after the other.
pub(super) fn calibrate(
    net: &GraphNet,
    calibration: &[Table],
    precision: Precision,
) -> Result<(Grid, Vec<Rows>)> {
    net.check()?;
    ensure!(
        calibration.len() == net.levels && calibration.iter().all(|t| t.width() == net.inputs()),
        "calibration takes one table of {} columns for each of {} noise levels",
        net.inputs(),
        net.levels
    );
    let most = (CALIBRATION_ROWS / net.levels).max(LEVEL_ROWS);
    let rows: Vec<Rows> = calibration
        .iter()
        .map(|table| Rows::of(table, most))
        .collect();
    let mut reached: Vec<Vec<f64>> = vec![Vec::new(); net.ops.len()];
    for (level, rows) in rows.iter().enumerate() {
        let values = rows.run(net, level, &mut |_, _| {});
        for (all, value) in reached.iter_mut().zip(&values[1..]) {
            all.extend_from_slice(value);
        }
    }
    let mut values = vec![ValueFormat {
        format: Format::FEATURES,
        clamp: Format::FEATURES.bounds(),
    }];
    for (at, op) in net.ops.iter().enumerate() {
        let last = at + 1 == net.ops.len();
        let is_code = net.code_op == Some(at + 1);
        let input = values[op.inputs[0]];
        let value = value_format(op, input, &reached[at], last, is_code, precision)
            .with_context(|| format!("operation {at} of the network"))?;
        values.push(value);
    }
    Ok((Grid { values }, rows))
}

/// Calibration rows of a level, element by element.
pub(super) struct Rows {
    values: Vec<f64>,
    count: usize,
}

impl Rows {
    fn of(table: &Table, most: usize) -> Self {
        let every = table.rows().div_ceil(most).max(1);
        let rows: Vec<f64> = table
            .iter_rows()
            .step_by(every)
            .flatten()
            .map(|&x| f64::from(x))
            .collect();
        Self {
            count: rows.len() / table.width(),
            values: by_element(&rows, table.width()),
        }
    }

    /// The first `most` rows.
    pub(super) fn first(&self, most: usize) -> Self {
        let count = most.min(self.count);
        let elements = self.values.chunks_exact(self.count);
        Self {
            values: elements.flat_map(|rows| &rows[..count]).copied().collect(),
            count,
        }
    }

    pub(super) fn run(
        &self,
        net: &GraphNet,
        level: usize,
        change: &mut dyn FnMut(usize, &mut [f64]),
    ) -> Vec<Vec<f64>> {
        graph_values(net, level, self.values.clone(), self.count, change)
    }
}

/// A format and the range that values in it have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueFormat {
    pub(super) format: Format,
    pub(super) clamp: (i16, i16),
}

impl ValueFormat {
    pub(super) fn rounded(&self, value: f64) -> f64 {
        let zero = f64::from(self.format.zero_point);
        let integer = (value / self.format.scale).round() + zero;
        let kept = integer.clamp(self.clamp.0.into(), self.clamp.1.into());
        (kept - zero) * self.format.scale
    }

    /// Largest magnitude of an integer, what stands for zero included.
    fn largest(&self) -> f64 {
        let (min, max) = self.clamp;
        let all = [min, max, self.format.zero_point];
        f64::from(all.map(i16::unsigned_abs).into_iter().max().unwrap_or(0))
    }
}

/// The format of the value that an operation makes.
fn value_format(
    op: &GraphOp,
    input: ValueFormat,
    reached: &[f64],
    last: bool,
    is_code: bool,
    precision: Precision,
) -> Result<ValueFormat> {
    if matches!(op.kind, GraphKind::AveragePool | GraphKind::Upsample) {
        ensure!(
            !last,
            "what leaves a network are features; end it in a layer or a sum"
        );
        return Ok(input);
    }
    let wide = precision == Precision::I16 || is_code;
    let (low, high) = reached
        .iter()
        .fold((0f64, 0f64), |(low, high), &x| (low.min(x), high.max(x)));
    let bounded = Format::of_bounded(op.activation, wide);
    ensure!(
        !last || bounded.is_none(),
        "the last layer ends in {}, but what leaves a network are features; end it in identity or relu",
        op.activation
    );
    let format = match (bounded, op.activation) {
        (Some(format), _) => format,
        _ if last => Format::FEATURES,
        (_, Activation::Elu | Activation::Silu) if wide => {
            // Features, or so many bits coarser that the largest value fits.
            let reaches = |coarse: &u16| high <= f64::from(8 << coarse);
            let coarse = (0..OpRecord::MAX_COARSE).find(reaches);
            Format::symmetric(f64::from(1 << coarse.unwrap_or(OpRecord::MAX_COARSE)) / FEATURE_UNIT)
        }
        _ => {
            ensure!(
                low < high,
                "its values are 0 for every calibration row: training has failed, try a lower learning rate"
            );
            if wide {
                Format::symmetric(MARGIN * high.max(-low) / 32_767.0)
            } else {
                let narrow = matches!(op.activation, Activation::Elu | Activation::Silu);
                let mut format = least_squares_format(low, high, || reached.iter().copied());
                // The device's factor of 2^-12 over the scale has 16 bits below 1/16.
                if narrow && format.scale < 1.01 / 256.0 {
                    format.scale = 1.01 / 256.0;
                    format.zero_point =
                        (-128.0 - low / format.scale).round().clamp(-128.0, 127.0) as i16;
                }
                format
            }
        }
    };
    let (mut min, max) = format.bounds();
    if op.activation == Activation::Relu {
        min = format.zero_point;
    }
    Ok(ValueFormat {
        format,
        clamp: (min, max),
    })
}

pub(super) fn device_function(activation: Activation) -> DeviceActivation {
    match activation {
        Activation::Identity | Activation::Relu => DeviceActivation::Clamp,
        Activation::Sigmoid => DeviceActivation::Sigmoid,
        Activation::Tanh => DeviceActivation::Tanh,
        Activation::Elu => DeviceActivation::Elu,
        Activation::Silu => DeviceActivation::Silu,
    }
}

/// The unit of a layer's sums: that of its values, where they have the same format; otherwise sums are features.
pub(super) fn sum_scale(op: &GraphOp, value: ValueFormat) -> f64 {
    match device_function(op.activation) {
        DeviceActivation::Clamp => value.format.scale,
        DeviceActivation::Elu | DeviceActivation::Silu if value.format.element == Element::I16 => {
            value.format.scale
        }
        _ => 1.0 / FEATURE_UNIT,
    }
}

/// Gain and bias of a row at a level.
pub(super) struct RowLevel {
    pub(super) gain: f64,
    pub(super) bias: f64,
}

/// Those of every level; of one where the layer does not depend on it.
pub(super) fn row_levels(op: &GraphOp, row: usize, levels: usize) -> Vec<RowLevel> {
    let sets = if op.is_conditioned() { levels } else { 1 };
    let of_level = (0..sets).map(|level| RowLevel {
        gain: op.gain_at(level, row),
        bias: f64::from(op.bias_at(level)[row]),
    });
    of_level.collect()
}

/// The weights of a row in integers, and their unit; what they are worth goes to `rounded`.
pub(super) fn round_row(
    row: &[f32],
    levels: &[RowLevel],
    input: ValueFormat,
    sum_scale: f64,
    rounded: &mut [f32],
) -> (Vec<i8>, f64) {
    let unit = input.format.scale;
    let largest = row.iter().fold(0.0f64, |m, &w| m.max(f64::from(w.abs())));
    let magnitude: f64 = row.iter().map(|&w| f64::from(w.abs())).sum();
    // sum |w| · max |x| / scale has to stay inside the accumulator.
    let mut scale =
        (largest / 127.0).max(magnitude * input.largest() / (LARGEST_SUM - LARGEST_BIAS));
    for RowLevel { gain, bias } in levels {
        // A row of almost nothing still needs a representable factor and a bias in range.
        scale = scale
            .max(sum_scale / (unit * gain) * 2f64.powi(-30))
            .max(bias.abs() / (unit * gain * LARGEST_BIAS));
    }
    let weights: Vec<i8> = row
        .iter()
        .map(|&w| (f64::from(w) / scale).round_ties_even() as i8)
        .collect();
    for (rounded, &weight) in rounded.iter_mut().zip(&weights) {
        *rounded = (f64::from(weight) * scale) as f32;
    }
    (weights, scale)
}
