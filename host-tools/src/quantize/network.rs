//! Post-training quantisation of dense networks.
//!
//! Weights are symmetric `i8` with one scale a row (Krishnamoorthi 2018). The first layer reads
//! `I4F12` features as `i16`, hidden layers speak `i8` with a zero point, the code of an autoencoder
//! and the last layer `i16`, so that the borders keep their resolution. The scale of a hidden layer
//! is the one of least squared error over the activations that calibration rows produce: a clip
//! below the largest value costs little and refines all others. Zero points are folded into the
//! next layer's biases.

use anyhow::{Result, bail, ensure};
use autodidact::kernels::{Channel, Order};
use autodidact::model::{LayerSpec, Task};
use autodidact::net::{Activation as DeviceActivation, Element};
use autodidact::num::Multiplier;

use super::FEATURE_UNIT;
use crate::data::Table;
use crate::oracle;
use crate::train::model::{Activation, DenseLayer, DenseStack};

/// Most calibration rows that are used; more change a scale by nothing that matters.
const CALIBRATION_ROWS: usize = 1000;

/// Largest magnitude of a folded bias: leaves the weighted sum its share of 32 bits.
pub(super) const LARGEST_BIAS: f64 = (1u32 << 30) as f64;

/// Largest accumulator that is allowed for: less than 2^31 by a margin for rounded weights.
pub(super) const LARGEST_SUM: f64 = 2.0e9;

/// What a network is calibrated on.
#[derive(Clone, Copy, Debug)]
pub struct Calibration<'a> {
    /// Rows of features as the device will see them: noisy ones for a denoiser.
    pub features: &'a Table,
}

/// A network in integers.
#[derive(Clone, Debug)]
pub struct QuantisedNetwork {
    /// What it was trained for.
    pub task: Task,
    /// Layers of the encoder, if it has a code.
    pub code_layer: Option<u16>,
    /// First to last.
    pub layers: Vec<QuantisedLayer>,
}

/// A dense layer in integers.
#[derive(Clone, Debug)]
pub struct QuantisedLayer {
    /// Row-major.
    pub weights: Vec<i8>,
    /// Real value of one weight unit, a row.
    pub weight_scales: Vec<f64>,
    /// Number of inputs.
    pub inputs: usize,
    /// Bias and output scale, a row.
    pub channels: Vec<Channel>,
    /// Function applied to the sums.
    pub activation: DeviceActivation,
    /// Format of the inputs.
    pub input: Format,
    /// Format of the outputs.
    pub output: Format,
    /// Smallest and largest output value.
    pub clamp: (i16, i16),
}

/// How integers stand for activations: `real = (integer - zero_point) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Element type.
    pub element: Element,
    /// The integer that stands for 0.
    pub zero_point: i16,
    /// Real value of one unit.
    pub scale: f64,
}

impl Format {
    /// Standardised features, `I4F12`.
    pub const FEATURES: Self = Self {
        element: Element::I16,
        zero_point: 0,
        scale: 1.0 / FEATURE_UNIT,
    };

    /// 16 bits around 0.
    pub(super) const fn symmetric(scale: f64) -> Self {
        Self {
            element: Element::I16,
            zero_point: 0,
            scale,
        }
    }

    /// What the device's sigmoid and tanh give, in 16 or in 8 bits; the other functions have no format of their own.
    pub(super) fn of_bounded(function: Activation, wide: bool) -> Option<Self> {
        let narrow = |zero_point, scale| Self {
            element: Element::I8,
            zero_point,
            scale,
        };
        match function {
            Activation::Sigmoid | Activation::Tanh if wide => Some(Self::symmetric(1.0 / 32_768.0)),
            Activation::Sigmoid => Some(narrow(-128, 1.0 / 256.0)),
            Activation::Tanh => Some(narrow(0, 1.0 / 128.0)),
            _ => None,
        }
    }

    /// Bounds of the element.
    pub(super) fn bounds(self) -> (i16, i16) {
        match self.element {
            Element::I8 => (i16::from(i8::MIN), i16::from(i8::MAX)),
            Element::I16 => (i16::MIN, i16::MAX),
        }
    }

    /// Largest magnitude that an integer of this format can have.
    fn largest(self) -> f64 {
        match self.element {
            Element::I8 => 128.0,
            Element::I16 => 32_768.0,
        }
    }
}

impl QuantisedLayer {
    pub(super) fn spec(&self, order: Order) -> LayerSpec<'_> {
        // Before sigmoid and tanh the stage is the bare sum; the format's zero point comes after.
        let zero_point = match self.activation {
            DeviceActivation::Clamp => self.output.zero_point,
            _ => 0,
        };
        LayerSpec {
            weights: &self.weights,
            inputs: self.inputs,
            channels: &self.channels,
            order,
            activation: self.activation,
            input: self.input.element,
            output: self.output.element,
            zero_point,
            min: self.clamp.0,
            max: self.clamp.1,
            output_scale: self.output.scale as f32,
        }
    }
}

/// Quantises a trained stack.
///
/// # Errors
///
/// Calibration rows of another width; a weight or bias that is not finite; a layer whose weights
/// cannot be represented without overflowing the accumulator.
pub fn network(
    stack: &DenseStack,
    task: Task,
    code_layer: Option<u16>,
    calibration: Calibration<'_>,
) -> Result<QuantisedNetwork> {
    ensure!(
        calibration.features.width() == stack.inputs(),
        "calibration rows have {} columns where the network takes {}",
        calibration.features.width(),
        stack.inputs()
    );
    let step = calibration
        .features
        .rows()
        .div_ceil(CALIBRATION_ROWS)
        .max(1);
    let mut rows: Vec<Vec<f64>> = calibration
        .features
        .iter_rows()
        .step_by(step)
        .map(|row| row.iter().map(|&x| f64::from(x)).collect())
        .collect();
    let mut input = Format::FEATURES;
    let mut layers = Vec::new();
    for (index, layer) in stack.layers.iter().enumerate() {
        for row in &mut rows {
            *row = oracle::dense_layer(layer, row);
        }
        let last = index + 1 == stack.layers.len();
        ensure!(
            !last || matches!(layer.activation, Activation::Identity | Activation::Relu),
            "the last layer ends in {}, but what leaves a network are features; end it in identity or relu",
            layer.activation
        );
        ensure!(
            rows.iter().flatten().any(|x| *x != 0.0),
            "layer {index} is 0 for every training row: training has failed, try a lower learning rate"
        );
        let is_code = code_layer == Some(index as u16 + 1);
        let output = output_format(layer.activation, &rows, last, is_code);
        let quantised = quantise_layer(layer, input, output)
            .map_err(|error| error.context(format!("layer {index} of the network")))?;
        input = quantised.output;
        layers.push(quantised);
    }
    Ok(QuantisedNetwork {
        task,
        code_layer,
        layers,
    })
}

/// The format of a layer's outputs, from what its activations reach.
fn output_format(activation: Activation, rows: &[Vec<f64>], last: bool, is_code: bool) -> Format {
    if let Some(format) = Format::of_bounded(activation, is_code) {
        return format;
    }
    if last {
        return Format::FEATURES;
    }
    let values = || rows.iter().flatten().copied();
    let high = values().fold(0.0f64, f64::max);
    let low = values().fold(0.0f64, f64::min);
    if is_code {
        // Twice the range seen: a code is not clipped.
        let largest = high.max(-low).max(1e-6) * 2.0;
        return Format::symmetric(largest / 32_767.0);
    }
    least_squares_format(low, high, values)
}

/// The 8-bit format of least squared error: the range seen, shrunk step by step.
pub(super) fn least_squares_format<I: Iterator<Item = f64>>(
    low: f64,
    high: f64,
    values: impl Fn() -> I,
) -> Format {
    let mut best = (f64::INFINITY, None);
    for percent in (50..=100).rev().step_by(2) {
        let shrink = f64::from(percent) / 100.0;
        let (low, high) = (low * shrink, high * shrink);
        let scale = ((high - low) / 255.0).max(1e-9);
        // Zero is exact, as padding and dead units need it.
        let zero_point = (-128.0 - low / scale).round().clamp(-128.0, 127.0);
        let error: f64 = values()
            .map(|v| {
                let q = ((v / scale).round() + zero_point).clamp(-128.0, 127.0);
                ((q - zero_point) * scale - v).powi(2)
            })
            .sum();
        if error < best.0 {
            let format = Format {
                element: Element::I8,
                zero_point: zero_point as i16,
                scale,
            };
            best = (error, Some(format));
        }
    }
    best.1.unwrap_or(Format {
        element: Element::I8,
        zero_point: -128,
        scale: 1.0 / 255.0,
    })
}

fn quantise_layer(layer: &DenseLayer, input: Format, output: Format) -> Result<QuantisedLayer> {
    ensure!(
        layer
            .weights
            .iter()
            .chain(&layer.bias)
            .all(|w| w.is_finite()),
        "a weight or bias is not a finite number; train again with a lower learning rate"
    );
    // Sums before sigmoid and tanh are features themselves: I4F12.
    let (activation, sum_scale) = match layer.activation {
        Activation::Identity | Activation::Relu => (DeviceActivation::Clamp, output.scale),
        Activation::Sigmoid => (DeviceActivation::Sigmoid, 1.0 / FEATURE_UNIT),
        Activation::Tanh => (DeviceActivation::Tanh, 1.0 / FEATURE_UNIT),
        Activation::Elu | Activation::Silu => bail!(
            "a stack of dense layers has no {}; choose relu, sigmoid or tanh",
            layer.activation
        ),
    };
    let mut weights = Vec::with_capacity(layer.weights.len());
    let mut weight_scales = Vec::new();
    let mut channels = Vec::new();
    for (row, &bias) in layer.weights.chunks_exact(layer.inputs).zip(&layer.bias) {
        let row = Row::quantise(row, f64::from(bias), input, sum_scale)?;
        weights.extend(row.weights);
        weight_scales.push(row.scale);
        channels.push(row.channel);
    }
    let (mut low, high) = output.bounds();
    if layer.activation == Activation::Relu {
        low = output.zero_point;
    }
    Ok(QuantisedLayer {
        weights,
        weight_scales,
        inputs: layer.inputs,
        channels,
        activation,
        input,
        output,
        clamp: (low, high),
    })
}

/// One row of a layer in integers.
struct Row {
    weights: Vec<i8>,
    scale: f64,
    channel: Channel,
}

impl Row {
    fn quantise(row: &[f32], bias: f64, input: Format, sum_scale: f64) -> Result<Self> {
        let largest = row.iter().fold(0.0f64, |m, &w| m.max(f64::from(w.abs())));
        let magnitude: f64 = row.iter().map(|&w| f64::from(w.abs())).sum();
        let scale = (largest / 127.0)
            // A row of almost nothing still needs a representable factor and a bias in range.
            .max(sum_scale / input.scale * 2f64.powi(-30))
            .max(bias.abs() / (input.scale * LARGEST_BIAS))
            // sum |w| · max |x| / scale has to stay inside the accumulator.
            .max(magnitude * input.largest() / (LARGEST_SUM - LARGEST_BIAS));
        let weights: Vec<i8> = row
            .iter()
            .map(|&w| (f64::from(w) / scale).round_ties_even() as i8)
            .collect();
        let sum: i64 = weights.iter().map(|&w| i64::from(w)).sum();
        let folded = (bias / (input.scale * scale)).round_ties_even()
            - (i64::from(input.zero_point) * sum) as f64;
        let factor = input.scale * scale / sum_scale;
        let Some(multiplier) = Multiplier::from_f64(factor) else {
            bail!("the output scale {factor:.3e} is out of range; train with weight decay");
        };
        Ok(Self {
            weights,
            scale,
            channel: Channel::new(folded as i32, multiplier),
        })
    }
}
