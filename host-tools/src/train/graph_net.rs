//! A graph of operations as tensors: its gradient, its optimiser, the average of its parameters, its checkpoint, and
//! the same with weights and values on the quantiser's grid.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use burn::{
    optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer},
    tensor::{Device, Int, Tensor, module, ops::AvgPoolOptions},
};

use super::{
    model::{GraphKind, GraphNet, GraphOp},
    tensors,
};
use crate::quantize::{Grid, ValueGrid};

/// The epsilon of Kingma and Ba, *Adam*, 2015.
const ADAM_EPSILON: f32 = 1e-8;

/// First line of a checkpoint, before what it is of.
const CHECKPOINT: &str = "autodidact checkpoint 1";

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
    pub(super) fn new(net: &GraphNet, descent: Descent, device: &Device) -> Result<Self> {
        net.check()?;
        let plain = device.clone();
        let device = device.clone().autodiff();
        let mut parameters = Vec::new();
        for op in net.ops.iter().filter(|op| op.kind.has_weights()) {
            parameters.push(Parameter::new(&op.weights, op.cols(), true, &device));
            parameters.push(Parameter::new(&op.bias, op.rows(), false, &device));
            if !op.log_gain.is_empty() {
                parameters.push(Parameter::new(&op.log_gain, op.rows(), false, &device));
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
        })
    }

    /// The network without gradients, to be run and not to be trained.
    pub(super) fn frozen(net: &GraphNet, device: &Device) -> Result<Self> {
        let descent = Descent {
            weight_decay: 0.0,
            average: 0.0,
        };
        let mut trainer = Self::new(net, descent, device)?;
        for parameter in &mut trainer.parameters {
            parameter.value = parameter.value.clone().inner();
        }
        trainer.device = trainer.plain.clone();
        Ok(trainer)
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
        let net = self.net_of(|parameter| parameter.value.clone().inner())?;
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

    /// The outputs for rows, each at its own noise level; `levels` may be empty where there is one.
    pub(super) fn forward(&self, rows: Tensor<2>, levels: &[usize]) -> Tensor<2> {
        let which = self.which(levels);
        let mut values = vec![rows];
        let mut parameters = self.parameters.iter();
        let rounding = self.rounding.as_ref();
        let mut rounded = rounding.iter().flat_map(|rounding| &rounding.weights);
        for (at, op) in self.net.ops.iter().enumerate() {
            let from = self.net.shape(op.inputs[0]);
            let [left, right] = op.inputs.map(|value| values[value].clone());
            let value = match op.kind {
                GraphKind::Dense | GraphKind::Conv3x3 { .. } => {
                    let which = which.as_ref();
                    layer(op, left, from, &mut parameters, rounded.next(), which)
                }
                GraphKind::Add => tensors::activate(op.activation, left + right),
                GraphKind::AveragePool => average_pool(left, from),
                GraphKind::Upsample => upsample(left, from),
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

    /// One step of Adam against the gradient of `loss`.
    pub(super) fn descend(&mut self, loss: &Tensor<1>, learning_rate: f64) -> Result<()> {
        let mut gradients = loss.backward();
        self.steps += 1;
        // While there are few steps, the average forgets where it started.
        let steps = self.steps as f32;
        let keep = self.average.min((1.0 + steps) / (10.0 + steps));
        for parameter in &mut self.parameters {
            let gradient = parameter.value.grad_remove(&mut gradients);
            let gradient = gradient.context("the training device gave no gradient")?;
            let value = parameter.value.clone().inner();
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
            parameter.value = Tensor::from_inner(value).require_grad();
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
                parameter.value.clone().inner()
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

    /// Writes everything that [`resume`](Self::resume) needs: `what` names the run.
    pub(super) fn save(&self, path: &Path, what: &str) -> Result<()> {
        let mut bytes = format!("{CHECKPOINT}\n{what}\n{}\n", self.steps).into_bytes();
        for parameter in &self.parameters {
            let value = parameter.value.clone().inner();
            let zeros = || value.clone().zeros_like();
            let (first, second) = match &parameter.moments {
                Some(state) => (
                    state.momentum.moment_1.clone(),
                    state.momentum.moment_2.clone(),
                ),
                None => (zeros(), zeros()),
            };
            for tensor in [value, parameter.average.clone(), first, second] {
                let numbers = tensors::download(tensor)?;
                bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
        // A name of its own first: an interrupted write leaves the earlier checkpoint.
        let unfinished = path.with_extension("unfinished");
        let failed = || format!("the checkpoint {} cannot be written", path.display());
        fs::write(&unfinished, bytes).with_context(failed)?;
        fs::rename(&unfinished, path).with_context(failed)
    }

    /// Goes on where a checkpoint of the same run left off; does nothing if there is no such file.
    pub(super) fn resume(&mut self, path: &Path, what: &str) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        let name = path.display();
        let bytes = fs::read(path).with_context(|| format!("{name} cannot be read"))?;
        let mut parts = bytes.splitn(4, |&byte| byte == b'\n');
        let mut line = || parts.next().and_then(|line| std::str::from_utf8(line).ok());
        ensure!(
            line() == Some(CHECKPOINT),
            "{name} is no checkpoint of this version"
        );
        ensure!(
            line() == Some(what),
            "{name} is a checkpoint of another training run; delete it, or give the options and the data it was made with"
        );
        let steps = line().and_then(|line| line.parse().ok());
        let steps: usize = steps.with_context(|| format!("{name} is damaged"))?;
        let numbers = parts.next().unwrap_or_default();
        let values: usize = self.parameters.iter().map(Parameter::len).sum();
        ensure!(numbers.len() == 16 * values, "{name} is damaged");
        let mut numbers = numbers
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        for parameter in &mut self.parameters {
            let [rows, columns] = parameter.value.dims();
            let mut next = || {
                let values = numbers.by_ref().take(rows * columns).collect();
                tensors::upload(values, columns, &self.plain)
            };
            parameter.value = Tensor::from_inner(next()).require_grad();
            parameter.average = next();
            let momentum = AdaptiveMomentumState::new(steps, next(), next());
            parameter.moments = (steps > 0).then(|| AdamWState::new(momentum));
        }
        self.steps = steps;
        Ok(())
    }

    /// The gradient of `loss` in each parameter.
    #[cfg(test)]
    fn gradients(&self, loss: &Tensor<1>) -> Vec<Vec<f32>> {
        let gradients = loss.backward();
        let of = |parameter: &Parameter| parameter.value.grad(&gradients).unwrap();
        let all = self.parameters.iter().map(of);
        all.map(|gradient| tensors::download(gradient).unwrap())
            .collect()
    }
}

/// `activation(gain * (weights x) + bias)` of rows of elements in height-width-channel order; `rounded` takes the
/// weights' place, not their gradient's.
fn layer<'a>(
    op: &GraphOp,
    input: Tensor<2>,
    from: [usize; 3],
    parameters: &mut impl Iterator<Item = &'a Parameter>,
    rounded: Option<&Tensor<2>>,
    which: Option<&Tensor<2>>,
) -> Tensor<2> {
    let mut next = || parameters.next().map(|parameter| parameter.value.clone());
    let (Some(weights), Some(bias)) = (next(), next()) else {
        return input;
    };
    let weights = match rounded {
        Some(rounded) => straight_through(Tensor::from_inner(rounded.clone()), weights),
        None => weights,
    };
    let gain = if op.log_gain.is_empty() { None } else { next() };
    // One row for all, or one a row of data.
    let of_level = |all: Tensor<2>| match which {
        Some(which) if all.dims()[0] > 1 => which.clone().matmul(all),
        _ => all,
    };
    let (bias, gain) = (of_level(bias), gain.map(|gain| of_level(gain).exp()));
    let [count, _] = input.dims();
    let GraphKind::Conv3x3 { stride } = op.kind else {
        let sums = input.matmul(weights.transpose());
        let sums = match gain {
            Some(gain) => sums * gain,
            None => sums,
        };
        return tensors::activate(op.activation, sums + bias);
    };
    let [height, width, channels] = op.shape;
    let sums = windows(input, from, op.shape, stride).matmul(weights.transpose());
    let sums = sums.reshape([count, height * width, channels]);
    // The same for all pixels.
    let wide = |rows: Tensor<2>| {
        let [count, _] = rows.dims();
        rows.reshape([count, 1, channels])
    };
    let sums = match gain {
        Some(gain) => sums * wide(gain),
        None => sums,
    };
    tensors::activate(op.activation, sums + wide(bias)).reshape([count, height * width * channels])
}

/// The 3x3 windows of images, one a row: what a convolution multiplies its weights with. One product of two large
/// matrices and its gradient are several times as fast as the backend's own convolution and its gradient.
fn windows(
    rows: Tensor<2>,
    [height, width, channels]: [usize; 3],
    [out_height, out_width, _]: [usize; 3],
    stride: usize,
) -> Tensor<2> {
    let [count, _] = rows.dims();
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
                // The first pixel is what lies outside.
                let pixel = y
                    .zip(x)
                    .map_or(0, |(y, x)| 1 + (image * height + y) * width + x);
                pixels.push(pixel as i32);
            }
        }
    }
    let outside = Tensor::zeros([1, channels], &rows.device());
    let all = Tensor::cat(
        vec![outside, rows.reshape([count * height * width, channels])],
        0,
    );
    pick(all, pixels).reshape([count * out_height * out_width, 9 * channels])
}

/// Rows of a matrix by their indices.
fn pick(rows: Tensor<2>, indices: Vec<i32>) -> Tensor<2> {
    let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &rows.device());
    rows.select(0, indices)
}

/// Every pixel four times.
fn upsample(rows: Tensor<2>, [height, width, channels]: [usize; 3]) -> Tensor<2> {
    let [count, _] = rows.dims();
    let lines = (0..count * height).flat_map(|line| [line, line]);
    let pixels = lines.flat_map(|line| (0..2 * width).map(move |x| (line * width + x / 2) as i32));
    pick(
        rows.reshape([count * height * width, channels]),
        pixels.collect(),
    )
    .reshape([count, 4 * height * width * channels])
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
            average: value.clone().inner(),
            value: value.require_grad(),
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

    fn rows() -> (Vec<f32>, [usize; 5]) {
        let mut generator = generator(9, 0);
        let rows = (0..5 * 16).map(|_| normal(&mut generator)).collect();
        (rows, [0, 2, 1, 2, 0])
    }

    fn loss_of(net: &GraphNet) -> f64 {
        let (rows, levels) = rows();
        let rows: Vec<f64> = rows.iter().map(|&x| f64::from(x)).collect();
        let squares = levels
            .iter()
            .zip(rows.chunks(16))
            .flat_map(|(&level, row)| oracle::graph_forward(net, level, row));
        squares.map(|y| y * y).sum::<f64>() / rows.len() as f64
    }

    #[test]
    fn loss_and_gradient_agree_with_the_oracle_and_its_differences() {
        let net = net();
        let trainer = GraphTrainer::new(&net, DESCENT, &Device::flex()).unwrap();
        let (input, levels) = rows();
        let outputs = trainer.forward(trainer.upload(input, 16), &levels);
        let loss = outputs.square().mean();
        let computed = f64::from(tensors::download(loss.clone()).unwrap()[0]);
        let expected = loss_of(&net);
        assert!(
            (computed - expected).abs() < 1e-5 * expected,
            "{computed} {expected}"
        );
        let mut gradients = trainer.gradients(&loss).into_iter();
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

    fn train(trainer: &mut GraphTrainer, steps: usize) {
        let (input, levels) = rows();
        for _ in 0..steps {
            let outputs = trainer.forward(trainer.upload(input.clone(), 16), &levels);
            trainer.descend(&outputs.square().mean(), 1e-2).unwrap();
        }
    }

    #[test]
    fn a_run_that_was_interrupted_ends_as_one_that_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let new = || GraphTrainer::new(&net(), DESCENT, &Device::flex()).unwrap();
        let mut whole = new();
        train(&mut whole, 7);
        let mut first = new();
        first.resume(&path, "run").unwrap();
        train(&mut first, 3);
        first.save(&path, "run").unwrap();
        let mut second = new();
        second.resume(&path, "run").unwrap();
        assert_eq!(second.steps(), 3);
        train(&mut second, 4);
        assert_eq!(second.download().unwrap(), whole.download().unwrap());
        assert!(loss_of(&whole.download().unwrap()) < loss_of(&net()));
        let error = new().resume(&path, "another").unwrap_err().to_string();
        assert!(error.contains("another training run"), "{error}");
        fs::write(&path, "autodidact checkpoint 1\nrun\n3\n1234").unwrap();
        assert!(new().resume(&path, "run").is_err());
    }
}
