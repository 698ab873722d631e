//! A graph of operations as tensors: its gradient, its optimiser, the average of its parameters, and the same with weights and values on the quantiser's grid.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use burn::{
    optim::{AdamW, AdamWConfig, AdamWState, Optimizer},
    tensor::{Device, Int, Tensor, module, ops::AvgPoolOptions},
};
use rayon::prelude::*;

use super::{
    device::TrainingDevice,
    epochs::{Resumed, moments, moments_of},
    model::{GraphKind, GraphNet, GraphOp},
    tensors,
};
use crate::quantize::{Grid, ValueGrid};

/// The epsilon of Kingma and Ba, *Adam*, 2015.
const ADAM_EPSILON: f32 = 1e-8;

/// Rows that one processor takes of a batch where there are convolutions: those mostly move memory, which the backend
/// does on one processor. Products of dense layers it shares out itself.
const PART: usize = 8;

/// How parameters are changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Descent {
    /// Decoupled weight decay (AdamW) of weights, not of biases and gains.
    pub(super) weight_decay: f32,
    /// Share of the average of all parameters that a step keeps, once there were steps enough: 0.999 averages over
    /// the last thousand. 0 for no average.
    pub(super) average: f32,
}

/// A network in training.
pub(super) struct GraphTrainer {
    net: GraphNet,
    /// Weights, bias and gain of each operation that has them, in order.
    parameters: Vec<Parameter>,
    decaying: AdamW,
    constant: AdamW,
    average: f32,
    steps: usize,
    rounding: Option<Rounding>,
    device: Device,
    /// The device without gradients.
    plain: Device,
    /// Rows that one gradient is computed over, at most.
    part: usize,
    pixels: Pixels,
}

/// Which pixel of its input each pixel that an operation picks is, by the operation and the number of images.
type Pixels = Mutex<BTreeMap<(usize, usize), Tensor<1, Int>>>;

/// Rows of a step: what the network is given, what it should make of it, and the rows' noise levels.
pub(super) struct Examples {
    pub(super) inputs: Vec<f32>,
    pub(super) targets: Vec<f32>,
    /// Empty where the network has one.
    pub(super) levels: Vec<usize>,
}

/// What the quantiser makes of the network.
struct Rounding {
    grid: Grid,
    /// Weights of each operation that has them, as the device will have them.
    weights: Vec<Tensor<2>>,
}

struct Parameter {
    value: Tensor<2>,
    moments: Option<AdamWState<2>>,
    average: Tensor<2>,
    decays: bool,
}

fn on_grid(values: Tensor<2>, ValueGrid { unit, range }: ValueGrid) -> Tensor<2> {
    let [low, high] = range;
    let kept = values.clamp(low, high);
    let nearest = kept.clone().detach().div_scalar(unit).round();
    straight_through(nearest.mul_scalar(unit), kept)
}

/// `value` to the bit, with the gradient of `of`.
fn straight_through(value: Tensor<2>, of: Tensor<2>) -> Tensor<2> {
    value + (of.clone() - of.detach())
}

impl GraphTrainer {
    /// A network that starts from the parameters of `net`.
    pub(super) fn new(net: &GraphNet, descent: Descent, device: &TrainingDevice) -> Result<Self> {
        net.check()?;
        let plain = device.device.clone();
        let convolves = |op: &GraphOp| matches!(op.kind, GraphKind::Conv3x3 { .. });
        let part = if device.is_cpu() && net.ops.iter().any(convolves) {
            PART
        } else {
            usize::MAX
        };
        let device = plain.clone().autodiff();
        let mut parameters = Vec::new();
        for op in net.ops.iter().filter(|op| op.kind.has_weights()) {
            parameters.push(Parameter::new(&op.weights, op.cols(), true, &plain));
            parameters.push(Parameter::new(&op.bias, op.rows(), false, &plain));
            if !op.log_gain.is_empty() {
                parameters.push(Parameter::new(&op.log_gain, op.rows(), false, &plain));
            }
        }
        let adam = |decay| {
            AdamWConfig::new()
                .with_epsilon(ADAM_EPSILON)
                .with_weight_decay(decay)
                .build()
        };
        Ok(Self {
            net: net.clone(),
            parameters,
            decaying: adam(descent.weight_decay),
            constant: adam(0.0),
            average: descent.average,
            steps: 0,
            rounding: None,
            device,
            plain,
            part,
            pixels: Pixels::default(),
        })
    }

    /// From now on the forward pass takes weights and values on this grid, and gradients go straight through the
    /// rounding (Y. Bengio, N. Léonard and A. Courville, *Estimating or propagating gradients through stochastic
    /// neurons*, 2013): the parameters themselves stay real numbers, and what is learnt is what becomes of them.
    pub(super) fn round_to(&mut self, grid: Grid) -> Result<()> {
        self.rounding = Some(Rounding {
            grid,
            weights: Vec::new(),
        });
        self.round()
    }

    /// Rounds the weights as they are now.
    fn round(&mut self) -> Result<()> {
        let Some(mut rounding) = self.rounding.take() else {
            return Ok(());
        };
        let net = self.net_of(|parameter| parameter.value.clone())?;
        let layers = net.ops.iter().enumerate();
        rounding.weights = layers
            .filter(|(_, op)| op.kind.has_weights())
            .map(|(at, op)| {
                let weights = rounding.grid.weights(at, op, net.levels);
                tensors::upload(weights, op.cols(), &self.plain)
            })
            .collect();
        self.rounding = Some(rounding);
        Ok(())
    }

    /// Steps of descent so far.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Rows as a tensor on the training device, `width` values each.
    pub(super) fn upload(&self, rows: Vec<f32>, width: usize) -> Tensor<2> {
        tensors::upload(rows, width, &self.device)
    }

    /// The outputs for rows, each at its own noise level; `levels` may be empty where there is one. A gradient of them
    /// is one in the rows, not in the parameters.
    pub(super) fn forward(&self, rows: Tensor<2>, levels: &[usize]) -> Tensor<2> {
        let of = |parameter: &Parameter| Tensor::from_inner(parameter.value.clone());
        let parameters: Vec<Tensor<2>> = self.parameters.iter().map(of).collect();
        self.forward_by(&parameters, rows, levels)
    }

    /// The same by these parameters.
    fn forward_by(&self, parameters: &[Tensor<2>], rows: Tensor<2>, levels: &[usize]) -> Tensor<2> {
        let which = self.which(levels);
        let [count, _] = rows.dims();
        let mut values = vec![rows];
        let mut parameters = parameters.iter();
        let rounding = self.rounding.as_ref();
        let mut rounded = rounding.iter().flat_map(|rounding| &rounding.weights);
        for (at, op) in self.net.ops.iter().enumerate() {
            let from = self.net.shape(op.inputs[0]);
            let [left, right] = op.inputs.map(|value| values[value].clone());
            let picked = |all, pixels: &dyn Fn() -> Vec<i32>| self.pick((at, count), all, pixels);
            let mut layer = |seen| layer(op, seen, &mut parameters, rounded.next(), which.as_ref());
            let value = match op.kind {
                GraphKind::Dense => layer(left),
                GraphKind::Conv3x3 { stride } => {
                    let outside = Tensor::zeros([1, from[2]], &left.device());
                    let all = Tensor::cat(vec![outside, as_pixels(left, from)], 0);
                    let pixels = || windows(count, from, op.shape, stride);
                    let windows = picked(all, &pixels);
                    let [height, width, _] = op.shape;
                    layer(windows.reshape([count * height * width, 9 * from[2]]))
                }
                GraphKind::Add => tensors::activate(op.activation, left + right),
                GraphKind::AveragePool => average_pool(left, from),
                GraphKind::Upsample => {
                    let raised = picked(as_pixels(left, from), &|| four_times(count, from));
                    raised.reshape([count, op.outputs()])
                }
            };
            values.push(match rounding {
                Some(rounding) => on_grid(value, rounding.grid.value(at)),
                None => value,
            });
        }
        values.pop().unwrap_or_else(|| values[0].clone())
    }

    /// The levels of rows as a matrix with a one in each row: selection becomes a product, whose gradient has one
    /// order of sums on every device.
    fn which(&self, levels: &[usize]) -> Option<Tensor<2>> {
        let count = self.net.levels;
        if count == 1 || levels.is_empty() {
            return None;
        }
        let mut ones = vec![0.0; levels.len() * count];
        for (row, level) in levels.iter().enumerate() {
            ones[row * count + level] = 1.0;
        }
        Some(tensors::upload(ones, count, &self.device))
    }

    /// Rows of a matrix, as `pixels` tells the first time.
    fn pick(
        &self,
        key: (usize, usize),
        all: Tensor<2>,
        pixels: &dyn Fn() -> Vec<i32>,
    ) -> Tensor<2> {
        let known = || self.pixels.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(&key).cloned();
        let indices = found.unwrap_or_else(|| {
            let made = Tensor::from_data(pixels().as_slice(), &self.device);
            known().insert(key, made.clone());
            made
        });
        all.select(0, indices)
    }

    /// One step of Adam against the gradient of the mean squared error, which it returns.
    pub(super) fn descend(&mut self, examples: &Examples, learning_rate: f64) -> Result<Tensor<1>> {
        let rows = examples.inputs.len() / self.net.inputs();
        let part = self.part.min(rows).max(1);
        let parts: Vec<usize> = (0..rows).step_by(part).collect();
        // Whatever runs when: parts are the same everywhere and are summed in their order.
        let of_part = |from| self.gradient(examples, from, rows.min(from + part));
        let parts: Vec<_> = parts.into_par_iter().map(of_part).collect();
        let mut parts = parts.into_iter();
        let (mut error, mut gradients) = parts.next().context("a step without rows")??;
        for part in parts {
            let (more, others) = part?;
            error = error + more;
            let both = gradients.into_iter().zip(others);
            gradients = both.map(|(sum, gradient)| sum + gradient).collect();
        }
        self.step(gradients, learning_rate)?;
        Ok(error)
    }

    /// What rows `from..to` add to the mean squared error and to its gradient in each parameter.
    fn gradient(
        &self,
        examples: &Examples,
        from: usize,
        to: usize,
    ) -> Result<(Tensor<1>, Vec<Tensor<2>>)> {
        // A graph of its own.
        let leaf =
            |parameter: &Parameter| Tensor::from_inner(parameter.value.clone()).require_grad();
        let leaves: Vec<Tensor<2>> = self.parameters.iter().map(leaf).collect();
        let rows = |all: &[f32], width| self.upload(all[from * width..to * width].to_vec(), width);
        let inputs = rows(&examples.inputs, self.net.inputs());
        let targets = rows(&examples.targets, self.net.outputs());
        let levels = examples.levels.get(from..to).unwrap_or_default();
        let made = self.forward_by(&leaves, inputs, levels);
        let error = (made - targets).square().sum();
        let error = error.div_scalar(examples.targets.len() as f64);
        let mut gradients = error.backward();
        let of = |leaf: &Tensor<2>| leaf.grad_remove(&mut gradients);
        let gradients: Option<Vec<_>> = leaves.iter().map(of).collect();
        let gradients = gradients.context("the training device gave no gradient")?;
        Ok((error.inner(), gradients))
    }

    /// One step of Adam.
    fn step(&mut self, gradients: Vec<Tensor<2>>, learning_rate: f64) -> Result<()> {
        self.steps += 1;
        // While there are few steps, the average forgets where it started.
        let steps = self.steps as f32;
        let keep = self.average.min((1.0 + steps) / (10.0 + steps));
        for (parameter, gradient) in self.parameters.iter_mut().zip(gradients) {
            let value = parameter.value.clone();
            let adam = if parameter.decays {
                &self.decaying
            } else {
                &self.constant
            };
            let (value, moments) =
                adam.step(learning_rate, value, gradient, parameter.moments.take());
            if self.average > 0.0 {
                let kept = parameter.average.clone().mul_scalar(keep);
                parameter.average = kept + value.clone().mul_scalar(1.0 - keep);
            }
            parameter.value = value;
            parameter.moments = moments;
        }
        self.round()
    }

    /// The parameters as plain numbers: their average where there is one.
    pub(super) fn download(&self) -> Result<GraphNet> {
        self.net_of(|parameter| {
            if self.average > 0.0 {
                parameter.average.clone()
            } else {
                parameter.value.clone()
            }
        })
    }

    /// The network with what `of` makes of its parameters.
    fn net_of(&self, of: impl Fn(&Parameter) -> Tensor<2>) -> Result<GraphNet> {
        let mut net = self.net.clone();
        let mut parameters = self.parameters.iter();
        let mut next = || {
            let parameter = parameters.next().context("a parameter is missing")?;
            tensors::download(of(parameter))
        };
        for op in net.ops.iter_mut().filter(|op| op.kind.has_weights()) {
            op.weights = next()?;
            op.bias = next()?;
            if !op.log_gain.is_empty() {
                op.log_gain = next()?;
            }
        }
        Ok(net)
    }

    fn values(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }
}

impl Resumed for GraphTrainer {
    /// Of every parameter its value, its average and both moments.
    fn numbers(&self) -> Result<Vec<f32>> {
        let mut numbers = Vec::with_capacity(4 * self.values());
        for parameter in &self.parameters {
            let value = parameter.value.clone();
            let [first, second] = moments(&value, parameter.moments.as_ref());
            for tensor in [value, parameter.average.clone(), first, second] {
                numbers.extend(tensors::download(tensor)?);
            }
        }
        Ok(numbers)
    }

    fn resume(&mut self, steps: usize, numbers: &[f32]) -> Option<()> {
        if numbers.len() != 4 * self.values() {
            return None;
        }
        let mut numbers = numbers.iter().copied();
        for parameter in &mut self.parameters {
            let [rows, columns] = parameter.value.dims();
            let mut next = || {
                let values = numbers.by_ref().take(rows * columns).collect();
                tensors::upload(values, columns, &self.plain)
            };
            parameter.value = next();
            parameter.average = next();
            parameter.moments = moments_of(steps, [next(), next()]);
        }
        self.steps = steps;
        Some(())
    }
}

/// `activation(gain * (weights x) + bias)`: of rows of elements in height-width-channel order, for a convolution of all
/// windows of the rows' images. `rounded` takes the weights' place, not their gradient's.
fn layer<'a>(
    op: &GraphOp,
    seen: Tensor<2>,
    parameters: &mut impl Iterator<Item = &'a Tensor<2>>,
    rounded: Option<&Tensor<2>>,
    which: Option<&Tensor<2>>,
) -> Tensor<2> {
    let mut next = || parameters.next().cloned();
    let (Some(weights), Some(bias)) = (next(), next()) else {
        return seen;
    };
    let weights = match rounded {
        Some(rounded) => straight_through(Tensor::from_inner(rounded.clone()), weights),
        None => weights,
    };
    let gain = if op.log_gain.is_empty() { None } else { next() };
    // One row for all, or one a row of data; the same for all pixels.
    let [pixels, channels] = [op.outputs() / op.rows(), op.rows()];
    let of_level = |all: Tensor<2>| {
        let rows = match which {
            Some(which) if all.dims()[0] > 1 => which.clone().matmul(all),
            _ => all,
        };
        let [count, _] = rows.dims();
        rows.reshape([count, 1, channels])
    };
    let sums = seen.matmul(weights.transpose());
    let count = sums.dims()[0] / pixels;
    let sums = sums.reshape([count, pixels, channels]);
    let sums = match gain {
        Some(gain) => sums * of_level(gain).exp(),
        None => sums,
    };
    tensors::activate(op.activation, sums + of_level(bias)).reshape([count, op.outputs()])
}

/// Images as a matrix, a pixel a row.
fn as_pixels(rows: Tensor<2>, [height, width, channels]: [usize; 3]) -> Tensor<2> {
    let [count, _] = rows.dims();
    rows.reshape([count * height * width, channels])
}

/// The nine pixels of every 3x3 window of images, where the first pixel is what lies outside. One product of all
/// windows with the weights and its gradient are several times as fast as the backend's own convolution.
fn windows(
    count: usize,
    [height, width, _]: [usize; 3],
    [out_height, out_width, _]: [usize; 3],
    stride: usize,
) -> Vec<i32> {
    // Zeros outside; where their number is odd, one more at the far end.
    let before = |size: usize, out: usize| ((out - 1) * stride + 3).saturating_sub(size) / 2;
    let (top, left) = (before(height, out_height), before(width, out_width));
    let inside =
        |at: usize, before: usize, size: usize| at.checked_sub(before).filter(|&at| at < size);
    let mut pixels = Vec::with_capacity(count * out_height * out_width * 9);
    for image in 0..count {
        for (y, x) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
            for (dy, dx) in (0..3).flat_map(|dy| (0..3).map(move |dx| (dy, dx))) {
                let y = inside(y * stride + dy, top, height);
                let x = inside(x * stride + dx, left, width);
                let pixel = y
                    .zip(x)
                    .map_or(0, |(y, x)| 1 + (image * height + y) * width + x);
                pixels.push(pixel as i32);
            }
        }
    }
    pixels
}

/// Every pixel of images four times.
fn four_times(count: usize, [height, width, _]: [usize; 3]) -> Vec<i32> {
    let lines = (0..count * height).flat_map(|line| [line, line]);
    let pixels = lines.flat_map(|line| (0..2 * width).map(move |x| (line * width + x / 2) as i32));
    pixels.collect()
}

/// Mean of 2x2 pixels.
fn average_pool(rows: Tensor<2>, [height, width, channels]: [usize; 3]) -> Tensor<2> {
    let [count, _] = rows.dims();
    let images = rows
        .reshape([count, height, width, channels])
        .permute([0, 3, 1, 2]);
    let means = module::avg_pool2d(images, AvgPoolOptions::new([2, 2])).permute([0, 2, 3, 1]);
    means.reshape([count, (height / 2) * (width / 2) * channels])
}

impl Parameter {
    fn new(values: &[f32], columns: usize, decays: bool, device: &Device) -> Self {
        let value = tensors::upload(values.to_vec(), columns, device);
        Self {
            average: value.clone(),
            value,
            moments: None,
            decays,
        }
    }

    fn len(&self) -> usize {
        self.value.dims().iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
    use crate::train::model::{Activation, Conditioning};
    use crate::train::random::{generator, normal};

    const DESCENT: Descent = Descent {
        weight_decay: 0.01,
        average: 0.9,
    };

    /// Every kind of operation, every way of conditioning.
    fn net() -> GraphNet {
        let mut net = GraphNet::new([4, 4, 1], 3);
        let first = net.conv3x3(0, 3, 1, Activation::Silu, Conditioning::GainAndBias);
        let small = net.average_pool(first);
        let inner = net.conv3x3(small, 3, 1, Activation::Elu, Conditioning::None);
        let large = net.upsample(inner);
        let sum = net.sum(first, large);
        let strided = net.conv3x3(sum, 2, 2, Activation::Tanh, Conditioning::Bias);
        let hidden = net.dense(strided, [1, 1, 5], Activation::Relu, Conditioning::Bias);
        net.dense(
            hidden,
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

    fn examples() -> Examples {
        let mut generator = generator(9, 0);
        Examples {
            inputs: (0..5 * 16).map(|_| normal(&mut generator)).collect(),
            targets: vec![0.0; 5 * 16],
            levels: vec![0, 2, 1, 2, 0],
        }
    }

    fn loss_of(net: &GraphNet) -> f64 {
        let examples = examples();
        let rows: Vec<f64> = examples.inputs.iter().map(|&x| f64::from(x)).collect();
        let squares = examples
            .levels
            .iter()
            .zip(rows.chunks(16))
            .flat_map(|(&level, row)| oracle::graph_forward(net, level, row));
        squares.map(|y| y * y).sum::<f64>() / rows.len() as f64
    }

    #[test]
    fn loss_and_gradient_agree_with_the_oracle_and_its_differences() {
        let net = net();
        let trainer = GraphTrainer::new(&net, DESCENT, &TrainingDevice::cpu()).unwrap();
        let (loss, gradients) = trainer.gradient(&examples(), 0, 5).unwrap();
        let computed = f64::from(tensors::download(loss).unwrap()[0]);
        let expected = loss_of(&net);
        assert!(
            (computed - expected).abs() < 1e-5 * expected,
            "{computed} {expected}"
        );
        let gradients = gradients.into_iter();
        let mut gradients = gradients.map(|gradient| tensors::download(gradient).unwrap());
        for (at, op) in net
            .ops
            .iter()
            .enumerate()
            .filter(|(_, op)| op.kind.has_weights())
        {
            fn fields(op: &mut GraphOp) -> [&mut Vec<f32>; 3] {
                [&mut op.weights, &mut op.bias, &mut op.log_gain]
            }
            for field in 0..if op.log_gain.is_empty() { 2 } else { 3 } {
                for (index, exact) in gradients.next().unwrap().into_iter().enumerate() {
                    let moved = |h: f32| {
                        let mut moved = net.clone();
                        fields(&mut moved.ops[at])[field][index] += h;
                        loss_of(&moved)
                    };
                    let h = 1.0 / 1024.0;
                    let numeric = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                    assert!(
                        (numeric - f64::from(exact)).abs() < 3e-3,
                        "{at} {field} {index}: {numeric} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn parts_of_a_step_sum_to_the_whole() {
        let mut trainer = GraphTrainer::new(&net(), DESCENT, &TrainingDevice::cpu()).unwrap();
        let mut step = |part| {
            trainer.part = part;
            let before = trainer.download().unwrap();
            let loss = trainer.descend(&examples(), 1e-2).unwrap();
            let after = trainer.download().unwrap();
            assert_ne!(before, after);
            trainer = GraphTrainer::new(&net(), DESCENT, &TrainingDevice::cpu()).unwrap();
            (tensors::download(loss).unwrap()[0], after)
        };
        let (whole, all) = step(usize::MAX);
        for part in [1, 2, 4] {
            let (sum, parts) = step(part);
            assert!((sum - whole).abs() < 1e-5 * whole, "{sum} {whole}");
            for (parts, all) in parts.ops.iter().zip(&all.ops) {
                for (one, other) in parts.weights.iter().zip(&all.weights) {
                    // Adam divides by what it steps along: tiny gradients may be off by more.
                    assert!((one - other).abs() < 1e-3, "{one} {other}");
                }
            }
        }
    }

    fn train(trainer: &mut GraphTrainer, steps: usize) {
        for _ in 0..steps {
            trainer.descend(&examples(), 1e-2).unwrap();
        }
    }

    #[test]
    fn a_run_that_was_interrupted_ends_as_one_that_was_not() {
        let new = || GraphTrainer::new(&net(), DESCENT, &TrainingDevice::cpu()).unwrap();
        let mut whole = new();
        train(&mut whole, 7);
        let mut first = new();
        train(&mut first, 3);
        let numbers = first.numbers().unwrap();
        let mut second = new();
        second.resume(3, &numbers).unwrap();
        assert_eq!(second.steps(), 3);
        train(&mut second, 4);
        assert_eq!(second.download().unwrap(), whole.download().unwrap());
        assert!(loss_of(&whole.download().unwrap()) < loss_of(&net()));
        assert!(new().resume(3, &numbers[1..]).is_none());
    }
}
