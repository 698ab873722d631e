//! Stochastic gradient descent by back-propagation in f64, textbook form.
//!
//! D. Rumelhart, G. Hinton and R. Williams, *Learning representations by back-propagating errors*, Nature 323, 1986.

use super::activate;
use crate::train::model::{Activation, DenseLayer, DenseStack};

/// Dense layers that learn, a row at a time: hidden ones with one function, the last without.
#[derive(Clone, Debug, PartialEq)]
pub struct BackPropagation {
    layers: Vec<Layer>,
    hidden: Activation,
}

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// Row-major, a row an output.
    weights: Vec<f64>,
    biases: Vec<f64>,
}

impl BackPropagation {
    /// Layers of these widths (that of the input first), parameters one layer after the other.
    #[must_use]
    pub fn new(widths: &[usize], hidden: Activation, weights: &[f64], biases: &[f64]) -> Self {
        let (mut weights, mut biases) = (weights.iter(), biases.iter());
        let layers = widths.windows(2).map(|pair| Layer {
            weights: weights.by_ref().take(pair[0] * pair[1]).copied().collect(),
            biases: biases.by_ref().take(pair[1]).copied().collect(),
        });
        Self {
            layers: layers.collect(),
            hidden,
        }
    }

    fn function(&self, layer: usize) -> Activation {
        if layer + 1 == self.layers.len() {
            Activation::Identity
        } else {
            self.hidden
        }
    }

    /// What every layer makes of a row, the row itself first.
    fn values(&self, row: &[f64]) -> Vec<Vec<f64>> {
        let mut values = vec![row.to_vec()];
        for (at, layer) in self.layers.iter().enumerate() {
            let x = &values[at];
            let rows = layer.weights.chunks_exact(x.len()).zip(&layer.biases);
            let y = rows.map(|(weights, bias)| {
                let sum: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
                activate(self.function(at), sum + bias)
            });
            let y = y.collect();
            values.push(y);
        }
        values
    }

    /// The outputs for a row.
    #[must_use]
    pub fn forward(&self, row: &[f64]) -> Vec<f64> {
        self.values(row).pop().unwrap_or_default()
    }

    /// One step down the gradient of `|A(row) - target|^2 / 2`; the squared error before it.
    pub fn step(&mut self, row: &[f64], target: &[f64], rate: f64) -> f64 {
        let values = self.values(row);
        let outputs = values.last().map_or(&[][..], Vec::as_slice);
        let mut errors: Vec<f64> = outputs.iter().zip(target).map(|(y, x)| y - x).collect();
        let squared = errors.iter().map(|e| e * e).sum();
        for at in (0..self.layers.len()).rev() {
            let x = &values[at];
            let layer = &mut self.layers[at];
            let mut below = vec![0.0; x.len()];
            let rows = layer.weights.chunks_exact_mut(x.len());
            for ((weights, bias), error) in rows.zip(&mut layer.biases).zip(&errors) {
                for ((w, x), below) in weights.iter_mut().zip(x).zip(&mut below) {
                    *below += *w * error;
                    *w -= rate * error * x;
                }
                *bias -= rate * error;
            }
            for (below, y) in below.iter_mut().zip(x) {
                *below *= slope(self.hidden, *y);
            }
            errors = below;
        }
        squared
    }

    /// The layers as a trainer has them.
    #[must_use]
    pub fn stack(&self) -> DenseStack {
        let single = |values: &[f64]| values.iter().map(|x| *x as f32).collect();
        let layers = self
            .layers
            .iter()
            .enumerate()
            .map(|(at, layer)| DenseLayer {
                weights: single(&layer.weights),
                bias: single(&layer.biases),
                inputs: layer.weights.len() / layer.biases.len(),
                outputs: layer.biases.len(),
                activation: self.function(at),
            });
        DenseStack {
            layers: layers.collect(),
        }
    }
}

/// The derivative of a function where its value is `y`.
fn slope(function: Activation, y: f64) -> f64 {
    match function {
        Activation::Relu => f64::from(u8::from(y > 0.0)),
        Activation::Sigmoid => y * (1.0 - y),
        Activation::Tanh => 1.0 - y * y,
        Activation::Elu => 1.0 + y.min(0.0),
        // Not a function of its value: no device learns with it.
        Activation::Silu => f64::NAN,
        Activation::Identity => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_down_the_gradient_of_differences() {
        let widths = [3, 4, 2, 3];
        let number = |at: usize| ((at * 37 + 11) % 23) as f64 / 23.0 - 0.5;
        let weights: Vec<f64> = (0..26).map(number).collect();
        let biases: Vec<f64> = (0..9).map(|at| number(at + 50)).collect();
        let (row, target) = ([0.4, -0.9, 0.7], [0.1, 0.3, -0.2]);
        for hidden in [
            Activation::Relu,
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Elu,
        ] {
            let loss = |weights: &[f64], biases: &[f64]| {
                let made = BackPropagation::new(&widths, hidden, weights, biases).forward(&row);
                let errors = made.iter().zip(&target).map(|(y, x)| (y - x).powi(2));
                0.5 * errors.sum::<f64>()
            };
            let mut learner = BackPropagation::new(&widths, hidden, &weights, &biases);
            let squared = learner.step(&row, &target, 1.0);
            assert!((squared - 2.0 * loss(&weights, &biases)).abs() < 1e-12);
            let h = 1e-6;
            let moved: Vec<f64> = learner
                .layers
                .iter()
                .flat_map(|l| l.weights.clone())
                .collect();
            for at in 0..weights.len() {
                let mut by = [weights.clone(), weights.clone()];
                by[0][at] += h;
                by[1][at] -= h;
                let slope = (loss(&by[0], &biases) - loss(&by[1], &biases)) / (2.0 * h);
                assert!(
                    (weights[at] - moved[at] - slope).abs() < 1e-7,
                    "{hidden} {at}"
                );
            }
            let moved: Vec<f64> = learner
                .layers
                .iter()
                .flat_map(|l| l.biases.clone())
                .collect();
            for at in 0..biases.len() {
                let mut by = [biases.clone(), biases.clone()];
                by[0][at] += h;
                by[1][at] -= h;
                let slope = (loss(&weights, &by[0]) - loss(&weights, &by[1])) / (2.0 * h);
                assert!(
                    (biases[at] - moved[at] - slope).abs() < 1e-7,
                    "{hidden} {at}"
                );
            }
            // Parameters and forward pass survive the way to a trainer's stack.
            for (a, b) in super::super::forward(&learner.stack(), &row)
                .iter()
                .zip(learner.forward(&row))
            {
                assert!((a - b).abs() < 1e-6);
            }
        }
    }
}
