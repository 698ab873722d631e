//! A stack of dense layers as tensors, its gradient and its optimiser.

use anyhow::{Context, Result};
use burn::{
    optim::{AdamW, AdamWConfig, AdamWState, Optimizer},
    tensor::{Device, Tensor},
};
use rand_chacha::ChaCha8Rng;

use super::{
    epochs::{Resumed, moments, moments_of},
    model::{Activation, DenseLayer, DenseStack},
    random::normal,
    tensors,
};

/// The epsilon of Kingma and Ba, *Adam*, 2015.
const ADAM_EPSILON: f32 = 1e-8;

/// A network in training. Weights lie as `[inputs][outputs]` here, such that rows of data stay rows.
pub(super) struct DenseNet {
    layers: Vec<Layer>,
    optimiser: AdamW,
    device: Device,
}

struct Layer {
    weights: Parameter,
    bias: Parameter,
    activation: Activation,
}

struct Parameter {
    value: Tensor<2>,
    moments: Option<AdamWState<2>>,
}

impl DenseNet {
    /// A network of the given widths (one more than layers) and the layers' activations. Weights are normal
    /// with variance 2 / inputs ahead of a ReLU and 1 / inputs otherwise; biases are zero.
    pub(super) fn new(
        widths: &[usize],
        activations: &[Activation],
        weight_decay: f32,
        generator: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let device = device.clone().autodiff();
        let layers = widths
            .windows(2)
            .zip(activations)
            .map(|(pair, &activation)| {
                let (inputs, outputs) = (pair[0], pair[1]);
                let gain = if activation == Activation::Relu {
                    2.0
                } else {
                    1.0
                };
                let std = (gain / inputs as f32).sqrt();
                let weights = (0..inputs * outputs)
                    .map(|_| std * normal(generator))
                    .collect();
                Layer {
                    weights: Parameter::new(weights, outputs, &device),
                    bias: Parameter::new(vec![0.0; outputs], outputs, &device),
                    activation,
                }
            })
            .collect();
        Self::of_layers(layers, weight_decay, device)
    }

    /// As [`new`](Self::new), every layer but the last with `hidden` as its activation.
    pub(super) fn hidden_and_last(
        widths: &[usize],
        hidden: Activation,
        last: Activation,
        weight_decay: f32,
        generator: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let mut activations = vec![hidden; widths.len().saturating_sub(1)];
        if let Some(activation) = activations.last_mut() {
            *activation = last;
        }
        Self::new(widths, &activations, weight_decay, generator, device)
    }

    /// A network that goes on from given parameters.
    pub(super) fn from_stack(stack: &DenseStack, weight_decay: f32, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let layers = stack
            .layers
            .iter()
            .map(|layer| {
                let weights = transposed(&layer.weights, layer.inputs);
                Layer {
                    weights: Parameter::new(weights, layer.outputs, &device),
                    bias: Parameter::new(layer.bias.clone(), layer.outputs, &device),
                    activation: layer.activation,
                }
            })
            .collect();
        Self::of_layers(layers, weight_decay, device)
    }

    fn of_layers(layers: Vec<Layer>, weight_decay: f32, device: Device) -> Self {
        Self {
            layers,
            optimiser: AdamWConfig::new()
                .with_epsilon(ADAM_EPSILON)
                .with_weight_decay(weight_decay)
                .build(),
            device,
        }
    }

    /// Values that a row of the first layer has.
    pub(super) fn inputs(&self) -> usize {
        self.layers
            .first()
            .map_or(0, |layer| layer.weights.value.dims()[0])
    }

    pub(super) fn outputs(&self) -> usize {
        self.layers
            .last()
            .map_or(0, |layer| layer.weights.value.dims()[1])
    }

    /// A network with these parameters.
    pub(super) fn of(stack: &DenseStack, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let layers = stack.layers.iter().map(|layer| {
            let weights = tensors::upload(layer.weights.clone(), layer.inputs, &device);
            let weights = weights.inner().transpose();
            Layer {
                weights: Parameter {
                    value: Tensor::from_inner(weights).require_grad(),
                    moments: None,
                },
                bias: Parameter::new(layer.bias.clone(), layer.outputs, &device),
                activation: layer.activation,
            }
        });
        Self {
            layers: layers.collect(),
            optimiser: AdamWConfig::new()
                .with_epsilon(ADAM_EPSILON)
                .with_weight_decay(0.0)
                .build(),
            device,
        }
    }

    /// The network with another decay rate of Adam's first moment than 0.9.
    pub(super) fn with_beta_1(mut self, beta_1: f32) -> Self {
        self.optimiser = AdamWConfig::new()
            .with_beta_1(beta_1)
            .with_epsilon(ADAM_EPSILON)
            .with_weight_decay(0.0)
            .build();
        self
    }

    /// Where the parameters are, and gradients are kept.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Weights (`[inputs][outputs]`) and biases of the layers.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&Tensor<2>, &Tensor<2>)> {
        self.layers
            .iter()
            .map(|layer| (&layer.weights.value, &layer.bias.value))
    }

    /// Moves every parameter towards that of `other`: `decay` of its own value stays.
    pub(super) fn follow(&mut self, other: &Self, decay: f64) {
        for (own, other) in self.layers.iter_mut().zip(&other.layers) {
            for (own, other) in [
                (&mut own.weights, &other.weights),
                (&mut own.bias, &other.bias),
            ] {
                let (a, b) = (own.value.clone().inner(), other.value.clone().inner());
                let value = a.mul_scalar(decay) + b.mul_scalar(1.0 - decay);
                own.value = Tensor::from_inner(value).require_grad();
            }
        }
    }

    /// The mean squared error between the outputs for `input` and `target`, rows behind one another.
    pub(super) fn loss(&self, input: Vec<f32>, target: Vec<f32>) -> Tensor<1> {
        let target = tensors::upload(target, self.outputs(), &self.device);
        let rows = tensors::upload(input, self.inputs(), &self.device);
        (self.forward(rows) - target).square().mean()
    }

    /// The outputs for rows of inputs.
    pub(super) fn forward(&self, mut rows: Tensor<2>) -> Tensor<2> {
        for layer in &self.layers {
            let sums = rows.matmul(layer.weights.value.clone()) + layer.bias.value.clone();
            rows = tensors::activate(layer.activation, sums);
        }
        rows
    }

    /// How many numbers a checkpoint holds of it.
    pub(super) fn resumed_len(&self) -> usize {
        let parameters = self.parameters();
        let values = parameters.flat_map(|(weights, bias)| [weights.dims(), bias.dims()]);
        3 * values.map(|[rows, columns]| rows * columns).sum::<usize>()
    }

    /// One step of Adam against the gradient of `loss`.
    pub(super) fn descend(&mut self, loss: &Tensor<1>, learning_rate: f64) -> Result<()> {
        let mut gradients = loss.backward();
        for layer in &mut self.layers {
            for parameter in [&mut layer.weights, &mut layer.bias] {
                let gradient = parameter
                    .value
                    .grad_remove(&mut gradients)
                    .context("the training device gave no gradient")?;
                parameter.descend(&self.optimiser, learning_rate, gradient);
            }
        }
        Ok(())
    }

    /// Makes the weights of every layer of the second half the transposes of those that they mirror: the last of the
    /// first, the one before it of the second, and so on.
    pub(super) fn tie(&mut self) {
        for (encoder, decoder) in mirrored(self.layers.len()) {
            let weights = self.layers[encoder].weights.value.clone().inner();
            let tied = Tensor::from_inner(weights.transpose()).require_grad();
            self.layers[decoder].weights.value = tied;
        }
    }

    /// As [`descend`](Self::descend) of weights that are [tied](Self::tie), and that stay so: both of a pair take the
    /// sum of their gradients, which is the gradient of what they share.
    pub(super) fn descend_tied(&mut self, loss: &Tensor<1>, learning_rate: f64) -> Result<()> {
        let mut gradients = loss.backward();
        let mut taken = Vec::new();
        for layer in &self.layers {
            for parameter in [&layer.weights, &layer.bias] {
                let gradient = parameter.value.grad_remove(&mut gradients);
                taken.push(gradient.context("the training device gave no gradient")?);
            }
        }
        for (encoder, decoder) in mirrored(self.layers.len()) {
            let shared = taken[2 * encoder].clone() + taken[2 * decoder].clone().transpose();
            taken[2 * decoder] = shared.clone().transpose();
            taken[2 * encoder] = shared;
        }
        let parameters = self
            .layers
            .iter_mut()
            .flat_map(|layer| [&mut layer.weights, &mut layer.bias]);
        for (parameter, gradient) in parameters.zip(taken) {
            parameter.descend(&self.optimiser, learning_rate, gradient);
        }
        Ok(())
    }

    /// The parameters as plain numbers.
    pub(super) fn download(&self) -> Result<DenseStack> {
        let layers = self
            .layers
            .iter()
            .map(|layer| {
                let [inputs, outputs] = layer.weights.value.dims();
                let weights = layer.weights.value.clone().inner().transpose();
                Ok(DenseLayer {
                    weights: tensors::download(weights)?,
                    bias: tensors::download(layer.bias.value.clone().inner())?,
                    inputs,
                    outputs,
                    activation: layer.activation,
                })
            })
            .collect::<Result<_>>()?;
        Ok(DenseStack { layers })
    }

    /// The gradients of `loss`, weights then bias of each layer, weights as `[outputs][inputs]`.
    #[cfg(test)]
    fn gradients(&self, loss: &Tensor<1>) -> Vec<Vec<f32>> {
        let gradients = loss.backward();
        let of = |parameter: &Parameter| parameter.value.grad(&gradients).unwrap();
        self.layers
            .iter()
            .flat_map(|layer| [of(&layer.weights).transpose(), of(&layer.bias)])
            .map(|gradient| tensors::download(gradient).unwrap())
            .collect()
    }
}

impl Resumed for DenseNet {
    /// Of weights and biases of every layer the values and both moments.
    fn numbers(&self) -> Result<Vec<f32>> {
        let mut numbers = Vec::new();
        for layer in &self.layers {
            for parameter in [&layer.weights, &layer.bias] {
                let value = parameter.value.clone().inner();
                let [first, second] = moments(&value, parameter.moments.as_ref());
                for tensor in [value, first, second] {
                    numbers.extend(tensors::download(tensor)?);
                }
            }
        }
        Ok(numbers)
    }

    fn resume(&mut self, steps: usize, mut numbers: &[f32]) -> Option<()> {
        let plain = self.device.clone().inner();
        let parameters = self
            .layers
            .iter_mut()
            .flat_map(|layer| [&mut layer.weights, &mut layer.bias]);
        for parameter in parameters {
            let [rows, columns] = parameter.value.dims();
            let mut next = || {
                let (values, rest) = numbers.split_at_checked(rows * columns)?;
                numbers = rest;
                Some(tensors::upload(values.to_vec(), columns, &plain))
            };
            parameter.value = Tensor::from_inner(next()?).require_grad();
            parameter.moments = moments_of(steps, [next()?, next()?]);
        }
        numbers.is_empty().then_some(())
    }
}

/// The pairs of layers that mirror each other.
fn mirrored(layers: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..layers / 2).map(move |at| (at, layers - 1 - at))
}

/// The columns of a matrix of rows of `width` values, one behind the other.
pub(super) fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    (0..width)
        .flat_map(|column| matrix.iter().skip(column).step_by(width).copied())
        .collect()
}

impl Parameter {
    fn new(values: Vec<f32>, columns: usize, device: &Device) -> Self {
        Self {
            value: tensors::upload(values, columns, device).require_grad(),
            moments: None,
        }
    }

    fn descend(&mut self, optimiser: &AdamW, learning_rate: f64, gradient: Tensor<2>) {
        let value = self.value.clone().inner();
        let (value, moments) = optimiser.step(learning_rate, value, gradient, self.moments.take());
        self.value = Tensor::from_inner(value).require_grad();
        self.moments = moments;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oracle, train::random::generator};

    fn loss_of(network: &DenseStack, inputs: &[f32], targets: &[f32]) -> f64 {
        let wide = |row: &[f32]| row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let outputs: Vec<f64> = inputs
            .chunks(network.inputs())
            .flat_map(|row| oracle::forward(network, &wide(row)))
            .collect();
        oracle::mean_squared_error(&wide(targets), &outputs)
    }

    #[test]
    fn a_network_goes_on_from_its_parameters() {
        let activations = [Activation::Tanh, Activation::Identity];
        let device = Device::flex();
        let net = DenseNet::new(&[3, 4, 2], &activations, 0.0, &mut generator(1, 0), &device);
        let stack = net.download().unwrap();
        let same = DenseNet::from_stack(&stack, 0.0, &device);
        assert_eq!(same.download().unwrap(), stack);
    }

    #[test]
    fn tied_weights_take_the_gradient_of_what_they_share() {
        let mut draws = generator(6, 0);
        let activations = [
            Activation::Tanh,
            Activation::Identity,
            Activation::Tanh,
            Activation::Identity,
        ];
        let widths = [4, 3, 2, 3, 4];
        let device = Device::flex();
        let mut net = DenseNet::new(&widths, &activations, 0.0, &mut draws, &device);
        net.tie();
        let rows: Vec<f32> = (0..6 * 4).map(|_| normal(&mut draws)).collect();
        let before = net.download().unwrap();
        let cost = |stack: &DenseStack| loss_of(stack, &rows, &rows);
        // The first step of Adam is the sign of the gradient, times the learning rate.
        let rate = 1e-3;
        let loss = net.loss(rows.clone(), rows.clone());
        net.descend_tied(&loss, rate).unwrap();
        let after = net.download().unwrap();
        for (encoder, decoder) in [(0, 3), (1, 2)] {
            let inputs = before.layers[encoder].inputs;
            assert_eq!(
                after.layers[decoder].weights,
                transposed(&after.layers[encoder].weights, inputs)
            );
            for at in 0..before.layers[encoder].weights.len() {
                let (output, input) = (at / inputs, at % inputs);
                let outputs = before.layers[encoder].outputs;
                let moved = |h: f32| {
                    let mut moved = before.clone();
                    moved.layers[encoder].weights[at] += h;
                    moved.layers[decoder].weights[input * outputs + output] += h;
                    cost(&moved)
                };
                let h = 1.0 / 1024.0;
                let slope = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                let step = f64::from(after.layers[encoder].weights[at])
                    - f64::from(before.layers[encoder].weights[at]);
                if slope.abs() > 1e-3 {
                    assert!(
                        (step + rate * slope.signum()).abs() < 1e-5,
                        "{slope} {step}"
                    );
                }
            }
        }
    }

    #[test]
    fn loss_and_gradient_agree_with_the_oracle_and_its_differences() {
        for (hidden, last) in [
            (Activation::Relu, Activation::Identity),
            (Activation::Tanh, Activation::Sigmoid),
            (Activation::Sigmoid, Activation::Tanh),
        ] {
            let mut generator = generator(8, 0);
            let device = Device::flex();
            let net = DenseNet::new(
                &[3, 5, 4, 2],
                &[hidden, hidden, last],
                0.0,
                &mut generator,
                &device,
            );
            let inputs: Vec<f32> = (0..7 * 3).map(|_| normal(&mut generator)).collect();
            let targets: Vec<f32> = (0..7 * 2).map(|_| normal(&mut generator)).collect();
            let loss = net.loss(inputs.clone(), targets.clone());
            let network = net.download().unwrap();
            let expected = loss_of(&network, &inputs, &targets);
            let computed = f64::from(tensors::download(loss.clone()).unwrap()[0]);
            assert!((computed - expected).abs() < 1e-6 * expected);

            let gradients = net.gradients(&loss);
            let difference = |change: &dyn Fn(&mut DenseStack, f32)| {
                // A power of two, so that adding it to a weight rounds little.
                let h = 1.0 / 1024.0;
                let moved = |h: f32| {
                    let mut moved = network.clone();
                    change(&mut moved, h);
                    loss_of(&moved, &inputs, &targets)
                };
                (moved(h) - moved(-h)) / (2.0 * f64::from(h))
            };
            for at in 0..network.layers.len() {
                for (w, &exact) in gradients[2 * at].iter().enumerate() {
                    let numeric = difference(&|n, h| n.layers[at].weights[w] += h);
                    assert!((numeric - f64::from(exact)).abs() < 2e-3);
                }
                for (b, &exact) in gradients[2 * at + 1].iter().enumerate() {
                    let numeric = difference(&|n, h| n.layers[at].bias[b] += h);
                    assert!((numeric - f64::from(exact)).abs() < 2e-3);
                }
            }
        }
    }
}
