//! Post-training quantisation of graphs and score networks.
//!
//! Weights are symmetric `i8` with one scale a row, whatever the noise level: gain and bias of a level go into its
//! channel records. Calibration rows of every level run through the f32 network, and the formats of its values are
//! chosen by what they reach: `i16` over the range seen with a margin, or `i8` of least squared error. Values behind
//! ELU and SiLU in `i16` are features, or up to four bits coarser, as the device's functions give them.

use std::fmt;

use anyhow::{Context, Result};
use autodidact::kernels::{Channel, Order};
use autodidact::model::{GraphSpec, OpSpec};
use autodidact::net::{Activation as DeviceActivation, Addition, Element, OpKind, OpRecord};
use autodidact::num::Multiplier;
use autodidact::score::Level;
use rayon::prelude::*;

use super::grid::{
    CALIBRATION_ROWS, LEVEL_ROWS, Precision, RowLevel, Rows, ValueFormat, calibrate,
    device_function, round_row, row_levels, sum_scale,
};
use super::{FEATURE_UNIT, QuantisedPart};
use crate::data::Table;
use crate::number::reading;
use crate::train::model::{GraphKind, GraphNet, GraphOp, ScoreModel};
use crate::train::random::{generator, normal};

/// Multiply-accumulates that measuring the errors of a network's operations may take.
const ERROR_MACS: usize = 10_000_000_000;

/// The stream of calibration noise.
const CALIBRATION_STREAM: u64 = 3000;

/// A graph in integers.
#[derive(Clone, Debug)]
pub struct QuantisedGraph {
    /// Height, width and channels of the input.
    pub input: [u16; 3],
    /// Operations of the encoder, if it has a code.
    pub code_op: Option<u16>,
    /// The operations.
    pub ops: Vec<QuantisedOp>,
}

/// An operation in integers.
#[derive(Clone, Debug)]
pub struct QuantisedOp {
    /// All but the order of the weights and where things lie.
    pub record: OpRecord,
    /// Row-major.
    pub weights: Vec<i8>,
    /// One record an output, for conditioned layers for every level in turn.
    pub channels: Vec<Channel>,
    /// Parameters of a sum.
    pub addition: Option<Addition>,
}

impl QuantisedGraph {
    /// The operations for the container's writer, weights in `order`.
    pub(super) fn specs(&self, order: Order) -> Vec<OpSpec<'_>> {
        let spec = |op: &'_ QuantisedOp| {
            let mut record = op.record;
            if record.kind().is_some_and(OpKind::has_weights) {
                record.order = order as u8;
            }
            record
        };
        self.ops
            .iter()
            .map(|op| OpSpec {
                record: spec(op),
                weights: &op.weights,
                channels: &op.channels,
                addition: op.addition,
            })
            .collect()
    }

    pub(super) fn spec<'a>(&self, ops: &'a [OpSpec<'a>]) -> GraphSpec<'a> {
        GraphSpec {
            input: self.input,
            code_op: self.code_op,
            ops,
        }
    }
}

/// What rounding one operation alone does to the network's output, over the calibration rows: signal to error in
/// decibels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpError {
    /// Index of the operation.
    pub op: usize,
    /// What it is.
    pub kind: GraphKind,
    /// Its weights rounded, nothing else; `None` without weights.
    pub weights: Option<f64>,
    /// The value that it makes rounded, nothing else.
    pub value: f64,
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            GraphKind::Dense => "dense",
            GraphKind::Conv3x3 { .. } => "conv 3x3",
            GraphKind::Add => "sum",
            GraphKind::AveragePool => "pooling",
            GraphKind::Upsample => "upsampling",
        };
        let weights = self.weights.map_or("-".into(), |db| format!("{db:.1} dB"));
        write!(
            f,
            "{:>2} {kind:<10} {weights:>10} {:>7.1} dB",
            self.op, self.value
        )
    }
}

/// Quantises a score network and its levels; calibration rows are training rows with the noise of each level.
///
/// # Errors
///
/// As [`graph`]; a factor of a level that the format cannot hold.
pub fn score(
    model: &ScoreModel,
    features: &Table,
    precision: Precision,
) -> Result<(QuantisedPart, Vec<OpError>)> {
    let count = model.levels.sigmas.len();
    let rows = (CALIBRATION_ROWS / count).max(LEVEL_ROWS);
    let mut generator = generator(0, CALIBRATION_STREAM);
    let calibration: Vec<Table> = (0..count)
        .map(|level| {
            let (sigma, factors) = (model.levels.sigmas[level], model.factors(level));
            let values = (0..rows).flat_map(|row| {
                // Other rows at every level, spread over the table.
                let at = (row * count + level) * features.rows() / (rows * count);
                &features.values()[at * features.width()..][..features.width()]
            });
            let values = values.map(|&y| {
                let x = f64::from(y) + sigma * f64::from(normal(&mut generator));
                (x * factors.input) as f32
            });
            Table::new("calibration", features.columns().to_vec(), values.collect())
        })
        .collect::<Result<_>>()?;
    let (graph, errors) = graph(&model.net, &calibration, precision)?;
    let levels = model
        .levels
        .sigmas
        .iter()
        .map(|&sigma| {
            Level::preconditioned(sigma, model.spread, sigma.hypot(model.spread)).with_context(
                || {
                    format!(
                        "noise of {} features is out of range: levels lie between 1e-6 and 2047",
                        reading(sigma)
                    )
                },
            )
        })
        .collect::<Result<_>>()?;
    Ok((QuantisedPart::Score { graph, levels }, errors))
}

/// Quantises a graph; `calibration` holds rows of features as the device will see them, one table a noise level.
///
/// # Errors
///
/// Not one table a level, or one of another width; parameters that are not finite; an output that ends in a function
/// without a format as features; weights that cannot be represented without overflowing the accumulator.
pub fn graph(
    net: &GraphNet,
    calibration: &[Table],
    precision: Precision,
) -> Result<(QuantisedGraph, Vec<OpError>)> {
    let (grid, rows) = calibrate(net, calibration, precision)?;
    let values = &grid.values;
    let mut ops = Vec::new();
    let mut rounded = net.clone();
    for (at, op) in net.ops.iter().enumerate() {
        let inputs = op.inputs.map(|value| values[value]);
        let weights = &mut rounded.ops[at].weights;
        let quantised = quantise(op, net.levels, inputs, values[at + 1], weights)
            .with_context(|| format!("operation {at} of the network"))?;
        ops.push(quantised);
    }
    let errors = errors(net, &rounded, values, &rows);
    Ok((
        QuantisedGraph {
            input: shape(net.input)?,
            code_op: net.code_op.map(u16::try_from).transpose()?,
            ops,
        },
        errors,
    ))
}

/// What rounding each operation of `net` alone does, to the weights of `rounded` and to the formats of `values`; over
/// fewer rows where a network is so large that all would take minutes.
fn errors(
    net: &GraphNet,
    rounded: &GraphNet,
    values: &[ValueFormat],
    rows: &[Rows],
) -> Vec<OpError> {
    let most = ERROR_MACS / (2 * net.ops.len() * net.levels * net.macs().max(1));
    let rows: Vec<Rows> = rows.iter().map(|rows| rows.first(most.max(1))).collect();
    let output = |net: &GraphNet, change: &mut dyn FnMut(usize, &mut [f64])| {
        let of_level =
            |(level, rows): (usize, &Rows)| rows.run(net, level, change).pop().unwrap_or_default();
        rows.iter()
            .enumerate()
            .flat_map(of_level)
            .collect::<Vec<_>>()
    };
    let exact = output(net, &mut |_, _| {});
    let of_op = |op: usize| {
        let weights = net.ops[op].kind.has_weights().then(|| {
            let mut one = net.clone();
            one.ops[op].weights.clone_from(&rounded.ops[op].weights);
            decibels(&exact, &output(&one, &mut |_, _| {}))
        });
        let format = values[op + 1];
        let value = output(net, &mut |at, made| {
            if at == op {
                made.iter_mut().for_each(|x| *x = format.rounded(*x));
            }
        });
        OpError {
            op,
            kind: net.ops[op].kind,
            weights,
            value: decibels(&exact, &value),
        }
    };
    (0..net.ops.len()).into_par_iter().map(of_op).collect()
}

/// `10 log10(sum a^2 / sum (a - b)^2)`.
fn decibels(exact: &[f64], rounded: &[f64]) -> f64 {
    let signal: f64 = exact.iter().map(|x| x * x).sum();
    let error: f64 = exact
        .iter()
        .zip(rounded)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    10.0 * (signal / error.max(f64::MIN_POSITIVE)).log10()
}

fn shape(shape: [usize; 3]) -> Result<[u16; 3]> {
    let [height, width, channels] = shape.map(u16::try_from);
    Ok([height?, width?, channels?])
}

/// One operation; what its weights are worth after rounding goes to `rounded`.
fn quantise(
    op: &GraphOp,
    levels: usize,
    [left, right]: [ValueFormat; 2],
    value: ValueFormat,
    rounded: &mut [f32],
) -> Result<QuantisedOp> {
    let output = value.format;
    let kind = match op.kind {
        GraphKind::Dense => OpKind::Dense,
        GraphKind::Conv3x3 { .. } => OpKind::Conv3x3,
        GraphKind::Add => OpKind::Add,
        GraphKind::AveragePool => OpKind::AveragePool,
        GraphKind::Upsample => OpKind::Upsample,
    };
    let first = u16::try_from(op.inputs[0])?;
    let mut record = OpRecord::wide(kind, first, &shape(op.shape)?);
    record.inputs[1] = u16::try_from(op.inputs[1])?;
    record.element = u8::from(output.element == Element::I16);
    (record.min, record.max) = value.clamp;
    record.unit = output.scale as f32;
    record.zero_point = output.zero_point;
    if let GraphKind::Conv3x3 { stride } = op.kind {
        record.stride = u8::try_from(stride)?;
    }
    let mut quantised = QuantisedOp {
        record,
        weights: Vec::new(),
        channels: Vec::new(),
        addition: None,
    };
    if op.kind == GraphKind::Add {
        let (a, b) = (
            left.format.scale / output.scale,
            right.format.scale / output.scale,
        );
        let offset = f64::from(output.zero_point)
            - a * f64::from(left.format.zero_point)
            - b * f64::from(right.format.zero_point);
        let addition = Addition::from_f64(a, b, offset);
        quantised.addition =
            Some(addition.context("the scales of a sum's operands are too far apart")?);
        return Ok(quantised);
    }
    if !op.kind.has_weights() {
        return Ok(quantised);
    }
    let record = &mut quantised.record;
    let activation = device_function(op.activation);
    record.activation = activation.tag();
    record.conditioned = u8::from(op.is_conditioned());
    let sum_scale = sum_scale(op, value);
    match activation {
        // The device's formats of these have a zero point of their own.
        DeviceActivation::Sigmoid | DeviceActivation::Tanh => record.zero_point = 0,
        DeviceActivation::Elu | DeviceActivation::Silu if output.element == Element::I8 => {
            record.narrow = (2f64.powi(20) / (FEATURE_UNIT * output.scale)).round() as u16;
        }
        DeviceActivation::Elu | DeviceActivation::Silu => {
            record.coarse = (FEATURE_UNIT * output.scale).log2() as u16;
        }
        _ => {}
    }
    let sets = if op.is_conditioned() { levels } else { 1 };
    let rows = op.rows();
    quantised.channels = vec![
        Channel {
            bias: 0,
            multiplier: 0,
            shift: 0
        };
        sets * rows
    ];
    let matrix = op
        .weights
        .chunks_exact(op.cols())
        .zip(rounded.chunks_exact_mut(op.cols()));
    for (index, (row, rounded)) in matrix.enumerate() {
        let of_level = row_levels(op, index, levels);
        let (weights, channels) = quantise_row(row, &of_level, left, sum_scale, rounded)?;
        quantised.weights.extend(weights);
        for (level, channel) in channels.into_iter().enumerate() {
            quantised.channels[level * rows + index] = channel;
        }
    }
    Ok(quantised)
}

fn quantise_row(
    row: &[f32],
    levels: &[RowLevel],
    input: ValueFormat,
    sum_scale: f64,
    rounded: &mut [f32],
) -> Result<(Vec<i8>, Vec<Channel>)> {
    let unit = input.format.scale;
    let (weights, scale) = round_row(row, levels, input, sum_scale, rounded);
    let sum: i64 = weights.iter().map(|&w| i64::from(w)).sum();
    let channels = levels.iter().map(|RowLevel { gain, bias }| {
        let folded = (bias / (unit * scale * gain)).round_ties_even()
            - (i64::from(input.format.zero_point) * sum) as f64;
        let factor = gain * unit * scale / sum_scale;
        let multiplier = Multiplier::from_f64(factor).with_context(|| {
            format!("the output scale {factor:.3e} is out of range; train with weight decay")
        })?;
        Ok(Channel::new(folded as i32, multiplier))
    });
    let channels = channels.collect::<Result<_>>()?;
    Ok((weights, channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Scaling;
    use crate::oracle::{graph_forward, graph_values};
    use crate::quantize::QuantisedModel;
    use crate::train::model::{Activation, Conditioning, NoiseLevels};
    use autodidact::model::Model;

    /// Rows of 16 normal numbers.
    fn rows(seed: u64) -> Table {
        let mut generator = generator(seed, 0);
        let values = (0..200 * 16).map(|_| normal(&mut generator)).collect();
        Table::new("made", Table::numbered_columns(16), values).unwrap()
    }

    /// Every kind of operation, every way of conditioning, behind one function.
    fn net(hidden: Activation) -> GraphNet {
        let mut net = GraphNet::new([4, 4, 1], 3);
        let first = net.conv3x3(0, 3, 1, hidden, Conditioning::GainAndBias);
        let small = net.average_pool(first);
        let inner = net.conv3x3(small, 3, 1, hidden, Conditioning::None);
        let large = net.upsample(inner);
        let sum = net.sum(first, large);
        let strided = net.conv3x3(sum, 2, 2, hidden, Conditioning::Bias);
        net.dense(
            strided,
            [4, 4, 1],
            Activation::Identity,
            Conditioning::GainAndBias,
        );
        let mut generator = generator(8, 0);
        net.initialise(&mut generator);
        for op in &mut net.ops {
            for parameter in op.bias.iter_mut().chain(&mut op.log_gain) {
                *parameter = 0.3 * normal(&mut generator);
            }
        }
        net
    }

    /// Signal to error of the device's outputs on rows of their own, over all levels.
    fn device_decibels(net: GraphNet, precision: Precision) -> f64 {
        let model = ScoreModel {
            net,
            levels: NoiseLevels {
                sigmas: vec![4.0, 1.0, 0.25],
                steps: 5,
                gamma: 0.3,
                consistent: false,
            },
            spread: 1.0,
        };
        let training = rows(1);
        let (part, errors) = score(&model, &training, precision).unwrap();
        assert_eq!(errors.len(), 7);
        let scaling = Scaling::Uniform.fit(&training).unwrap();
        let mut written = QuantisedModel::new(&scaling, training.columns()).unwrap();
        written.parts.push(("score".into(), part));
        let bytes = written.encode(Order::Quads).unwrap();
        let loaded = Model::load(&bytes).unwrap();
        let graph = *loaded.score("score").unwrap().graph();
        let mut workspace = vec![0; graph.workspace_bytes()];
        let (mut exact, mut found) = (Vec::new(), Vec::new());
        for row in rows(2).iter_rows() {
            let features: Vec<i16> = row.iter().map(|x| (x * 4096.0).round() as i16).collect();
            let real: Vec<f64> = features
                .iter()
                .map(|&x| f64::from(x) / FEATURE_UNIT)
                .collect();
            for level in 0..3 {
                let mut output = [0; 16];
                graph
                    .run(level, &mut workspace, &features, &mut output)
                    .unwrap();
                found.extend(output.map(|y| f64::from(y) / FEATURE_UNIT));
                exact.extend(graph_forward(&model.net, level.into(), &real));
            }
        }
        decibels(&exact, &found)
    }

    #[test]
    fn the_device_computes_what_the_f64_network_does() {
        let functions = [
            Activation::Relu,
            Activation::Elu,
            Activation::Silu,
            Activation::Sigmoid,
            Activation::Tanh,
        ];
        for function in functions {
            for (precision, least) in [(Precision::I16, 30.0), (Precision::I8, 22.0)] {
                let found = device_decibels(net(function), precision);
                assert!(found > least, "{function} {precision:?}: {found}");
            }
        }
    }

    #[test]
    fn values_behind_functions_may_pass_8() {
        for function in [Activation::Elu, Activation::Silu] {
            let mut large = net(function);
            large.ops[0].weights.iter_mut().for_each(|w| *w *= 10.0);
            large.ops[6].weights.iter_mut().for_each(|w| *w *= 0.1);
            let values = graph_values(
                &large,
                0,
                rows(2).values()[..16].iter().map(|&x| x.into()).collect(),
                1,
                &mut |_, _| {},
            );
            assert!(values[1].iter().any(|&x| x > 8.0), "{:?}", values[1]);
            let found = device_decibels(large, Precision::I16);
            assert!(found > 30.0, "{function}: {found}");
        }
    }

    #[test]
    fn what_cannot_be_quantised_is_refused() {
        let calibration = [rows(1), rows(2), rows(3)];
        let message = |net: &GraphNet, calibration: &[Table]| {
            format!("{:#}", graph(net, calibration, Precision::I16).unwrap_err())
        };
        let good = net(Activation::Relu);
        assert!(message(&good, &calibration[..2]).contains("one table"));
        let mut bad = good.clone();
        bad.ops[6].activation = Activation::Tanh;
        assert!(message(&bad, &calibration).contains("ends in tanh"));
        let mut bad = good.clone();
        bad.ops[0].weights[0] = f32::NAN;
        assert!(message(&bad, &calibration).contains("finite"));
        let mut bad = good;
        bad.ops[0].weights.fill(0.0);
        bad.ops[0].bias.fill(0.0);
        assert!(message(&bad, &calibration).contains("training has failed"));
    }
}
