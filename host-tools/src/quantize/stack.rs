//! Dense layers in the formats that a device learns in: 16-bit weights, 32-bit biases.

use anyhow::{Context, Result, bail, ensure};
use autodidact::backprop::{Hidden, Stack};

use crate::train::model::{Activation, DenseStack};

/// One unit of a weight: `I3F13`.
const WEIGHT_UNIT: f64 = 8192.0;

/// One unit of a bias: `I7F25`.
const BIAS_UNIT: f64 = (1u32 << 25) as f64;

/// The tensors of a stack, as [`Stack`] borrows them.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedStack {
    /// Of the input, of every hidden layer, of the output.
    pub widths: Vec<u16>,
    /// Function of the hidden units.
    pub hidden: Hidden,
    /// `I3F13`.
    pub weights: Vec<i16>,
    /// `I7F25`.
    pub biases: Vec<i32>,
}

impl QuantisedStack {
    /// The stack as a device has it.
    ///
    /// # Errors
    ///
    /// Lengths that do not fit the widths.
    pub fn view(&self) -> Result<Stack<'_>> {
        Stack::new(&self.widths, self.hidden, &self.weights, &self.biases)
            .context("the widths of the layers do not fit their parameters")
    }
}

/// Rounds layers to the formats that a device learns in: what it computes is theirs but for 2^-14 a weight, and it can
/// go on learning from there.
///
/// # Errors
///
/// No layer, or one wider than 65535; hidden layers of different functions, or of one that the device does not learn
/// with; a last layer with a function; a weight of 4 and more, or a bias of 64 and more.
pub fn stack(stack: &DenseStack) -> Result<QuantisedStack> {
    let (last, hidden) = stack
        .layers
        .split_last()
        .context("there is no layer to write")?;
    ensure!(
        last.activation == Activation::Identity,
        "the last layer ends in {}, but a device learns features; end it in identity",
        last.activation
    );
    let function = hidden
        .first()
        .map_or(Activation::Relu, |layer| layer.activation);
    ensure!(
        hidden.iter().all(|layer| layer.activation == function),
        "hidden layers have different functions; a device learns with one for all"
    );
    let function = match function {
        Activation::Relu => Hidden::Relu,
        Activation::Sigmoid => Hidden::Sigmoid,
        Activation::Tanh => Hidden::Tanh,
        Activation::Elu => Hidden::Elu,
        other => bail!("a device does not learn with {other}; use relu, sigmoid, tanh or elu"),
    };
    let width = |n: usize| {
        u16::try_from(n).with_context(|| format!("a layer is {n} wide, more than 65535"))
    };
    let mut widths = vec![width(stack.inputs())?];
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for layer in &stack.layers {
        widths.push(width(layer.outputs)?);
        for &weight in &layer.weights {
            let scaled = (f64::from(weight) * WEIGHT_UNIT).round_ties_even();
            ensure!(
                scaled.abs() < 32_768.0,
                "a weight is {weight}, and those that a device learns stay within 4; train with a lower learning rate"
            );
            weights.push(scaled as i16);
        }
        for &bias in &layer.bias {
            let scaled = (f64::from(bias) * BIAS_UNIT).round_ties_even();
            ensure!(
                scaled.abs() < 2_147_483_648.0,
                "a bias is {bias}, and those that a device learns stay within 64; train with a lower learning rate"
            );
            biases.push(scaled as i32);
        }
    }
    Ok(QuantisedStack {
        widths,
        hidden: function,
        weights,
        biases,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
    use crate::train::model::DenseLayer;
    use crate::train::random::{generator, normal};

    fn layers(hidden: Activation) -> DenseStack {
        let mut draws = generator(4, 0);
        let mut layer = |inputs: usize, outputs: usize, activation| DenseLayer {
            weights: (0..inputs * outputs)
                .map(|_| 0.5 * normal(&mut draws))
                .collect(),
            bias: (0..outputs).map(|_| 0.3 * normal(&mut draws)).collect(),
            inputs,
            outputs,
            activation,
        };
        DenseStack {
            layers: vec![
                layer(5, 7, hidden),
                layer(7, 3, hidden),
                layer(3, 5, Activation::Identity),
            ],
        }
    }

    #[test]
    fn integers_compute_what_the_f64_layers_do() {
        for hidden in [
            Activation::Relu,
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Elu,
        ] {
            let exact = layers(hidden);
            let rounded = stack(&exact).unwrap();
            let view = rounded.view().unwrap();
            let mut values = vec![0; view.values_len()];
            let mut draws = generator(5, 0);
            for _ in 0..200 {
                let row: Vec<i16> = (0..5)
                    .map(|_| (4096.0 * normal(&mut draws)) as i16)
                    .collect();
                let found = view.run(&row, &mut values).unwrap();
                let real: Vec<f64> = row.iter().map(|x| f64::from(*x) / 4096.0).collect();
                for (y, exact) in found.iter().zip(oracle::forward(&exact, &real)) {
                    // Eight products of errors of 2^-14 and values below 4, and roundings of 2^-13.
                    let error = (f64::from(*y) / 4096.0 - exact).abs();
                    assert!(error < 0.004, "{hidden}: {error}");
                }
            }
        }
    }

    #[test]
    fn what_a_device_cannot_learn_from_is_refused() {
        let message = |change: fn(&mut DenseStack)| {
            let mut layers = layers(Activation::Relu);
            change(&mut layers);
            stack(&layers).unwrap_err().to_string()
        };
        assert!(message(|s| s.layers[0].weights[1] = 4.0).contains("within 4"));
        assert!(message(|s| s.layers[1].bias[0] = -64.0).contains("within 64"));
        assert!(message(|s| s.layers[1].activation = Activation::Tanh).contains("one for all"));
        assert!(message(|s| s.layers[2].activation = Activation::Relu).contains("ends in relu"));
        assert!(message(|s| s.layers.clear()).contains("no layer"));
    }
}
