//! A stack of dense layers, one multiplication at a time.

use crate::train::model::{Activation, DenseLayer, DenseStack};

/// The outputs of a network for one row: layer by layer `activation(W x + b)`.
#[must_use]
pub fn forward(network: &DenseStack, row: &[f64]) -> Vec<f64> {
    network
        .layers
        .iter()
        .fold(row.to_vec(), |input, layer| dense_layer(layer, &input))
}

/// The outputs of one layer: `activation(W x + b)`.
#[must_use]
pub fn dense_layer(layer: &DenseLayer, input: &[f64]) -> Vec<f64> {
    layer
        .weights
        .chunks_exact(layer.inputs)
        .zip(&layer.bias)
        .map(|(weights, &bias)| {
            let sum: f64 = weights
                .iter()
                .zip(input)
                .map(|(&w, x)| f64::from(w) * x)
                .sum();
            activate(layer.activation, sum + f64::from(bias))
        })
        .collect()
}

/// One value of an activation function.
#[must_use]
pub fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Identity => x,
        Activation::Elu => {
            if x > 0.0 {
                x
            } else {
                x.exp_m1()
            }
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_follow_one_another() {
        let layer = |weights: &[f32], bias: &[f32], activation| DenseLayer {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
            inputs: weights.len() / bias.len(),
            outputs: bias.len(),
            activation,
        };
        let network = DenseStack {
            layers: vec![
                layer(&[1.0, 2.0, -1.0, 1.0], &[0.5, -3.0], Activation::Relu),
                layer(&[2.0, 100.0], &[1.0], Activation::Identity),
            ],
        };
        // relu([1 + 4 + 0.5, -1 + 2 - 3]) = [5.5, 0]; 2 * 5.5 + 1 = 12.
        assert_eq!(forward(&network, &[1.0, 2.0]), [12.0]);
        assert_eq!(
            (network.inputs(), network.outputs(), network.macs()),
            (2, 1, 6)
        );
    }

    #[test]
    fn activations_have_their_textbook_values() {
        assert_eq!(activate(Activation::Sigmoid, 0.0), 0.5);
        assert!((activate(Activation::Tanh, 0.5) - 0.462_117_157_260_009_8).abs() < 1e-15);
        assert_eq!(activate(Activation::Relu, -1.0), 0.0);
        assert_eq!(activate(Activation::Identity, -1.0), -1.0);
    }
}
