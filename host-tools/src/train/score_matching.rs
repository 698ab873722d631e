//! Score matching: a network for the gradient of a log density, explicit and denoising.
//!
//! The network F has as many outputs as columns and stands for the score of the rows smoothed by noise of standard
//! deviation sigma, `s(x) = F(x) / sigma`, so that its outputs are of the order of 1. Two objectives have the same
//! minimum (P. Vincent, *A connection between score matching and denoising autoencoders*, 2011):
//!
//! - *denoising*, `E |F(x + sigma z) + z|^2`: the residual of a denoiser is `A(x) - x = sigma F(x)`;
//! - *explicit*, `E [|F(x)|^2 / 2 + sigma tr dF/dx]` (A. Hyvärinen, *Estimation of non-normalized statistical models
//!   by score matching*, 2005), over rows that have the noise on them, and with no use of what it was. The trace is
//!   exact: a tangent a column goes through the network beside the rows, which is affordable for few columns.
//!
//! For one network over many levels of noise see [`score`](super::score).

use anyhow::{Result, ensure};
use burn::tensor::Tensor;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use super::{
    Progress,
    dense_net::DenseNet,
    device::TrainingDevice,
    limits::check_widths,
    model::{Activation, DenseStack},
    random::{generator, normal},
    tensors,
};
use crate::data::Table;
use crate::number::reading;

/// Steps between two calls of the callback.
const REPORT: usize = 100;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The noise is to be told from the noisy row.
    Denoising,
    /// The density's own objective, with the exact trace of the network's derivative.
    Explicit,
}

/// What to train; [`ScoreOptions::check`] makes it a [`ScoreConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreOptions {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Behind every hidden layer; [`Activation::Tanh`] for the explicit objective.
    pub activation: Activation,
    /// Steps, each on rows drawn with replacement and fresh noise.
    pub steps: usize,
    /// Rows per step.
    pub batch: usize,
    /// Learning rate at the start; it falls to zero along half a cosine.
    pub learning_rate: f64,
    /// Fixes weights, noise and the choice of rows.
    pub seed: u64,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            activation: Activation::Relu,
            steps: 4000,
            batch: 256,
            learning_rate: 5e-3,
            seed: 0,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreConfig(ScoreOptions);

impl ScoreOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// A hidden layer of width 0; no step; an empty batch; a learning rate that is not positive.
    pub fn check(self) -> Result<ScoreConfig> {
        check_widths(&self.hidden)?;
        ensure!(
            self.steps > 0 && self.batch > 0,
            "the number of steps or the batch size is 0; give at least 1"
        );
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "the learning rate is {}; give a number above 0",
            self.learning_rate
        );
        Ok(ScoreConfig(self))
    }
}

/// Trains F for the score of the rows smoothed by noise of `sigma`; `progress` is called every hundred steps.
///
/// # Errors
///
/// A standard deviation that is not positive; the explicit objective with an activation whose second derivative is
/// zero; training that diverges; the training device fails.
pub fn fit(
    ScoreConfig(options): &ScoreConfig,
    rows: &Table,
    sigma: f64,
    objective: Objective,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    ensure!(
        sigma.is_finite() && sigma > 0.0,
        "the noise level is {sigma}; give a number above 0"
    );
    ensure!(
        objective == Objective::Denoising || options.activation == Activation::Tanh,
        "explicit score matching differentiates the network twice: choose tanh, not {}",
        options.activation
    );
    let width = rows.width();
    let mut draws = generator(options.seed, 1);
    train(options, width, device, progress, &mut |net| {
        let (mut input, mut target) = (Vec::new(), Vec::new());
        for _ in 0..options.batch {
            for &x in pick(rows, &mut draws) {
                let z = normal(&mut draws);
                input.push(x + sigma as f32 * z);
                target.push(-z);
            }
        }
        match objective {
            Objective::Denoising => net.loss(input, target),
            Objective::Explicit => {
                let rows = tensors::upload(input, width, net.device());
                explicit_loss(net, rows, sigma)
            }
        }
    })
}

/// `mean over rows of |F|^2 / 2 + sigma tr dF/dx`, for a network of tanh layers and a linear one.
fn explicit_loss(net: &DenseNet, rows: Tensor<2>, sigma: f64) -> Tensor<1> {
    let [count, width] = rows.dims();
    let layers = net.parameters().count();
    let mut value = rows;
    // d value / d x_i, one a column of the input; `None` stands for the identity.
    let mut tangents: Vec<Option<Tensor<2>>> = vec![None; width];
    for (at, (weights, bias)) in net.parameters().enumerate() {
        let sums = value.matmul(weights.clone()) + bias.clone();
        let linear = at + 1 == layers;
        let slope = (!linear).then(|| sums.clone().tanh().square().neg().add_scalar(1.0));
        value = if linear { sums } else { sums.tanh() };
        for (column, tangent) in tangents.iter_mut().enumerate() {
            let moved = match tangent.take() {
                Some(tangent) => tangent.matmul(weights.clone()),
                None => weights.clone().narrow(0, column, 1).repeat_dim(0, count),
            };
            *tangent = Some(match &slope {
                Some(slope) => moved * slope.clone(),
                None => moved,
            });
        }
    }
    let trace = tangents
        .into_iter()
        .enumerate()
        .filter_map(|(column, tangent)| {
            tangent.map(|t| t.slice([0..count, column..column + 1]).sum())
        })
        .reduce(|a, b| a + b);
    let energy = value.square().sum().mul_scalar(0.5);
    match trace {
        Some(trace) => energy + trace.mul_scalar(sigma),
        None => energy,
    }
    .div_scalar(count as f64)
}

/// A row drawn with equal chances.
fn pick<'a>(rows: &'a Table, draws: &mut ChaCha8Rng) -> &'a [f32] {
    let at = ((u64::from(draws.next_u32()) * rows.rows() as u64) >> 32) as usize;
    &rows.values()[at * rows.width()..][..rows.width()]
}

/// Adam down half a cosine on whatever `loss` draws.
fn train(
    options: &ScoreOptions,
    width: usize,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
    loss: &mut dyn FnMut(&DenseNet) -> Tensor<1>,
) -> Result<DenseStack> {
    let widths: Vec<usize> = std::iter::once(width)
        .chain(options.hidden.iter().copied())
        .chain(std::iter::once(width))
        .collect();
    let mut net = DenseNet::hidden_and_last(
        &widths,
        options.activation,
        Activation::Identity,
        0.0,
        &mut generator(options.seed, 0),
        &device.device,
    );
    let mut losses: Vec<Tensor<1>> = Vec::new();
    for step in 0..options.steps {
        let now = loss(&net);
        let done = step as f64 / options.steps as f64;
        let rate = 0.5 * options.learning_rate * (1.0 + (std::f64::consts::PI * done).cos());
        net.descend(&now, rate)?;
        losses.push(now.inner());
        if losses.len() == REPORT || step + 1 == options.steps {
            let values = tensors::download(Tensor::cat(std::mem::take(&mut losses), 0))?;
            let loss = values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64;
            ensure!(
                loss.is_finite(),
                "training diverged by step {step}; lower the learning rate, which is {}",
                reading(options.learning_rate)
            );
            progress(Progress {
                step: step + 1,
                steps: options.steps,
                loss,
            });
        }
    }
    net.download()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    fn rows(values: Vec<f32>) -> Table {
        Table::new("made", Table::numbered_columns(2), values).unwrap()
    }

    #[test]
    fn the_explicit_objective_is_that_of_finite_differences() {
        let device = TrainingDevice::cpu();
        let mut draws = generator(3, 0);
        let net = DenseNet::hidden_and_last(
            &[2, 5, 4, 2],
            Activation::Tanh,
            Activation::Identity,
            0.0,
            &mut draws,
            &device.device,
        );
        let values: Vec<f32> = (0..12).map(|_| normal(&mut draws)).collect();
        let sigma = 0.3;
        let input = tensors::upload(values.clone(), 2, net.device());
        let found = tensors::download(explicit_loss(&net, input, sigma).inner()).unwrap()[0];
        let network = net.download().unwrap();
        let mut expected = 0.0;
        for row in values.chunks(2) {
            let x: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let out = oracle::forward(&network, &x);
            expected += 0.5 * out.iter().map(|y| y * y).sum::<f64>();
            for at in 0..2 {
                let moved = |h: f64| {
                    let mut x = x.clone();
                    x[at] += h;
                    oracle::forward(&network, &x)[at]
                };
                expected += sigma * (moved(1e-5) - moved(-1e-5)) / 2e-5;
            }
        }
        expected /= 6.0;
        assert!(
            (f64::from(found) - expected).abs() < 1e-4,
            "{found} {expected}"
        );
    }

    #[test]
    fn both_objectives_learn_the_score_of_a_normal_density() {
        // Rows at 0 with noise of 0.5: the score is -x / 0.25, and F = sigma s = -2 x.
        let zero = rows(vec![0.0; 8]);
        for objective in [Objective::Denoising, Objective::Explicit] {
            let options = ScoreOptions {
                hidden: vec![16],
                activation: Activation::Tanh,
                steps: 600,
                learning_rate: 1e-2,
                ..ScoreOptions::default()
            };
            let config = options.check().unwrap();
            let device = TrainingDevice::cpu();
            let net = fit(&config, &zero, 0.5, objective, &device, &mut |_| {}).unwrap();
            for x in [[0.5, 0.0], [-0.3, 0.4], [0.0, -0.6]] {
                for (found, x) in oracle::forward(&net, &x).iter().zip(&x) {
                    assert!(
                        (found + 2.0 * x).abs() < 0.2,
                        "{objective:?}: {found} at {x}"
                    );
                }
            }
        }
    }

    #[test]
    fn wrong_options_are_one_clear_sentence() {
        let zero = rows(vec![0.0; 4]);
        let config = ScoreOptions::default().check().unwrap();
        let device = TrainingDevice::cpu();
        let message = |sigma, objective| {
            fit(&config, &zero, sigma, objective, &device, &mut |_| {})
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(0.0, Objective::Denoising),
            "the noise level is 0; give a number above 0"
        );
        assert_eq!(
            message(1.0, Objective::Explicit),
            "explicit score matching differentiates the network twice: choose tanh, not relu"
        );
    }
}
