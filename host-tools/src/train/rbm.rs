//! Restricted Boltzmann machines by contrastive divergence.
//!
//! `p(h_i = 1 | v) = sigmoid(W_i v + c_i)` and `p(v_j = 1 | h) = sigmoid(W_j' h + b_j)`. The gradient of the
//! log-likelihood is `<h v'>` under the data less `<h v'>` under the model; the second is taken after `k`
//! steps of block Gibbs sampling, which start at the data (CD-k) or where the last update left them (PCD).
//! Hidden and visible units are sampled; the hidden units of both statistics are means, which has the same
//! expectation and less variance.
//!
//! All tensor operations are over a whole mini-batch; what is random is drawn on the host.
//!
//! G. Hinton, *Training products of experts by minimizing contrastive divergence*, Neural Computation 14,
//! 2002; T. Tieleman, *Training restricted Boltzmann machines using approximations to the likelihood
//! gradient*, ICML 2008; G. Hinton, *A practical guide to training restricted Boltzmann machines*, 2010
//! (momentum, initial biases, Gaussian units).

use std::{fmt, str::FromStr};

use anyhow::{Result, bail, ensure};
use autodidact::rbm::MAX_UNITS;
use burn::tensor::{Device, Tensor, activation};
use rand_chacha::ChaCha8Rng;

use super::{
    Progress,
    device::TrainingDevice,
    epochs::{Decay, Epochs, check_epochs, gather},
    limits::{check_drawn, check_repeats},
    means,
    model::{RbmParameters, VisibleUnits},
    random::{generator, normal, uniform, uniforms},
    tensors,
};
use crate::data::Table;

/// Standard deviation of the first weights (Hinton 2010, section 8).
const FIRST_WEIGHTS: f32 = 0.01;

/// How the model's statistics are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CD-k: from the batch.
    ContrastiveDivergence {
        /// Gibbs steps, `k`.
        steps: usize,
    },
    /// PCD-k: from chains that go on through all updates.
    Persistent {
        /// Gibbs steps an update, `k`.
        steps: usize,
        /// Number of chains.
        chains: usize,
    },
}

/// How grey values become the 0 and 1 of Bernoulli units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Binarise {
    /// Not at all: values of `[0, 1]` stand for their units' means, those of Gaussian units for themselves.
    #[default]
    No,
    /// 1 from this value on, else 0.
    Threshold(f32),
    /// 1 with the value as probability, drawn afresh whenever a row is seen.
    Stochastic,
}

impl FromStr for Binarise {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let threshold = name.strip_prefix("threshold=").map(str::parse);
        Ok(match (name, threshold) {
            ("no", _) => Self::No,
            ("stochastic", _) => Self::Stochastic,
            (_, Some(Ok(threshold))) => Self::Threshold(threshold),
            _ => {
                bail!("`{name}` is no way to binarise; choose no, stochastic or threshold=NUMBER")
            }
        })
    }
}

impl fmt::Display for Binarise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Stochastic => f.write_str("stochastic"),
            Self::Threshold(threshold) => write!(f, "threshold={threshold}"),
        }
    }
}

impl Binarise {
    /// The values as the units see them.
    pub fn apply(self, values: &mut [f32], generator: &mut ChaCha8Rng) {
        match self {
            Self::No => {}
            Self::Threshold(threshold) => {
                values
                    .iter_mut()
                    .for_each(|x| *x = f32::from(*x >= threshold));
            }
            Self::Stochastic => values
                .iter_mut()
                .for_each(|x| *x = f32::from(uniform(generator) < *x)),
        }
    }

    /// A whole table as the units see it: the same seed gives the same rows.
    ///
    /// # Errors
    ///
    /// None with a table of finite values.
    pub fn table(self, data: &Table, seed: u64) -> Result<Table> {
        let mut values = data.values().to_vec();
        self.apply(&mut values, &mut generator(seed, TABLE_STREAM));
        data.with_values(values)
    }
}

/// The stream of [`Binarise::table`]; the trainer's own are below it.
const TABLE_STREAM: u64 = 1001;

/// What to train; [`RbmOptions::check`] makes it an [`RbmConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct RbmOptions {
    /// Number of hidden units.
    pub hidden: usize,
    /// What the visible units hold.
    pub units: VisibleUnits,
    /// How the model's statistics are sampled.
    pub algorithm: Algorithm,
    /// How grey values become 0 and 1.
    pub binarise: Binarise,
    /// How often every row is seen.
    pub epochs: usize,
    /// Rows per update.
    pub batch: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// How the learning rate falls.
    pub decay: Decay,
    /// Share of the last update that goes into the next one.
    pub momentum: f64,
    /// Weights shrink by this times the learning rate an update; biases do not.
    pub weight_decay: f64,
    /// Fixes first weights, the order of the rows and all sampling.
    pub seed: u64,
}

impl Default for RbmOptions {
    fn default() -> Self {
        Self {
            hidden: 64,
            units: VisibleUnits::Bernoulli,
            algorithm: Algorithm::ContrastiveDivergence { steps: 1 },
            binarise: Binarise::No,
            epochs: 200,
            batch: 32,
            learning_rate: 0.05,
            decay: Decay::Linear,
            momentum: 0.9,
            weight_decay: 0.0,
            seed: 0,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct RbmConfig(RbmOptions);

impl RbmOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// No hidden unit, epoch, row in a batch, Gibbs step or chain, or more than a device takes; a learning rate that is not positive; a
    /// momentum outside `[0, 1)`; a negative weight decay; Gaussian units of binarised data.
    pub fn check(self) -> Result<RbmConfig> {
        let (steps, chains) = match self.algorithm {
            Algorithm::ContrastiveDivergence { steps } => (steps, 1),
            Algorithm::Persistent { steps, chains } => (steps, chains),
        };
        for (name, value) in [
            ("number of hidden units", self.hidden),
            ("batch size", self.batch),
            ("number of chains", chains),
        ] {
            ensure!(value > 0, "the {name} is 0; give at least 1");
        }
        ensure!(
            self.hidden <= MAX_UNITS,
            "the number of hidden units is {}; give at most {MAX_UNITS}, which is what a device takes",
            self.hidden
        );
        check_epochs(self.epochs)?;
        check_repeats("Gibbs steps", steps)?;
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "the learning rate is {}; give a number above 0",
            self.learning_rate
        );
        ensure!(
            (0.0..1.0).contains(&self.momentum),
            "the momentum is {}; give a number of at least 0 and below 1",
            self.momentum
        );
        ensure!(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "the weight decay is {}; give a number of at least 0",
            self.weight_decay
        );
        ensure!(
            self.units == VisibleUnits::Bernoulli || self.binarise == Binarise::No,
            "Gaussian units take the data as it is; leave out --binarize"
        );
        Ok(RbmConfig(self))
    }
}

impl RbmConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &RbmOptions {
        &self.0
    }
}

/// Trains a machine on the rows of a table; `progress` is called after each epoch with the mean squared
/// error between the rows and what one Gibbs step makes of them.
///
/// # Errors
///
/// Values outside `[0, 1]` for Bernoulli units without a threshold; training that diverges (named with the
/// learning rate); the training device fails.
pub fn fit(
    config: &RbmConfig,
    data: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<RbmParameters> {
    let options = config.options();
    check_values(options, data)?;
    if let Algorithm::Persistent { chains, .. } = options.algorithm {
        check_drawn("number of chains", chains, data.rows())?;
    }
    let mut machine = Machine::new(options, data, &device.device);
    let mut binarise_generator = generator(options.seed, 2);
    let run = Epochs {
        epochs: options.epochs,
        batch: options.batch,
        learning_rate: options.learning_rate,
        decay: options.decay,
        order: generator(options.seed, 1),
        phase: "",
    };
    run.run(data.rows(), progress, |batch, learning_rate| {
        let mut rows = gather(data, batch);
        options.binarise.apply(&mut rows, &mut binarise_generator);
        Ok(machine.update(rows, options, learning_rate))
    })?;
    machine.download()
}

fn check_values(options: &RbmOptions, data: &Table) -> Result<()> {
    let (low, high) = data.range();
    let any = options.units == VisibleUnits::Gaussian
        || matches!(options.binarise, Binarise::Threshold(_));
    ensure!(
        any || (low >= 0.0 && high <= 1.0),
        "{} holds values from {low} to {high}, but Bernoulli units take 0 to 1: scale it, binarise it at a threshold, or take Gaussian units",
        data.source()
    );
    Ok(())
}

/// A machine in training. Weights lie as `[visible][hidden]` here, such that rows of data stay rows.
struct Machine {
    units: VisibleUnits,
    weights: Momentum,
    visible_bias: Momentum,
    hidden_bias: Momentum,
    /// The visible states of the persistent chains, a row each.
    chains: Option<Tensor<2>>,
    gibbs: ChaCha8Rng,
    device: Device,
}

/// A parameter and its running update.
struct Momentum {
    value: Tensor<2>,
    update: Tensor<2>,
}

/// Visible states, and the means of the hidden units above them.
struct Statistics {
    visible: Tensor<2>,
    hidden: Tensor<2>,
}

impl Machine {
    /// Small random weights; visible biases by which the machine without weights fits the columns' means.
    fn new(options: &RbmOptions, data: &Table, device: &Device) -> Self {
        let (visible, hidden) = (data.width(), options.hidden);
        let mut first = generator(options.seed, 0);
        let weights = (0..visible * hidden)
            .map(|_| FIRST_WEIGHTS * normal(&mut first))
            .collect();
        let visible_bias = match options.units {
            VisibleUnits::Bernoulli => log_odds(&column_means(options.binarise, data), data.rows()),
            VisibleUnits::Gaussian => means(data).into_iter().map(|mean| mean as f32).collect(),
        };
        let mut gibbs = generator(options.seed, 3);
        let chains = match options.algorithm {
            Algorithm::ContrastiveDivergence { .. } => None,
            Algorithm::Persistent { chains, .. } => {
                let rows: Vec<usize> = (0..chains)
                    .map(|_| ((uniform(&mut gibbs) * data.rows() as f32) as usize) % data.rows())
                    .collect();
                let mut states = gather(data, &rows);
                options.binarise.apply(&mut states, &mut gibbs);
                Some(tensors::upload(states, visible, device))
            }
        };
        Self {
            units: options.units,
            weights: Momentum::new(weights, hidden, device),
            visible_bias: Momentum::new(visible_bias, visible, device),
            hidden_bias: Momentum::new(vec![0.0; hidden], hidden, device),
            chains,
            gibbs,
            device: device.clone(),
        }
    }

    /// One step along the estimated gradient; gives the error of the first reconstruction.
    fn update(&mut self, rows: Vec<f32>, options: &RbmOptions, rate: f64) -> Tensor<1> {
        let visible = tensors::upload(rows, self.visible_bias.value.dims()[1], &self.device);
        let hidden = self.hidden_means(visible.clone());
        let data = Statistics { visible, hidden };
        let (model, loss) = match options.algorithm {
            Algorithm::ContrastiveDivergence { steps } => {
                let first = self.gibbs_step(data.hidden.clone());
                let loss = data.error(&first);
                let model = (1..steps).fold(first, |state, _| self.gibbs_step(state.hidden));
                (model, loss)
            }
            Algorithm::Persistent { steps, .. } => {
                let chains = self.chains.take().unwrap_or_else(|| data.visible.clone());
                let hidden = self.hidden_means(chains);
                let first = self.gibbs_step(hidden);
                let model = (1..steps).fold(first, |state, _| self.gibbs_step(state.hidden));
                self.chains = Some(model.visible.clone());
                let reconstruction = self.gibbs_step(data.hidden.clone());
                (model, data.error(&reconstruction))
            }
        };
        let weights = data.correlation()
            - model.correlation()
            - self.weights.value.clone() * options.weight_decay;
        let visible_bias = data.visible.mean_dim(0) - model.visible.mean_dim(0);
        let hidden_bias = data.hidden.mean_dim(0) - model.hidden.mean_dim(0);
        self.weights.ascend(weights, rate, options.momentum);
        self.visible_bias
            .ascend(visible_bias, rate, options.momentum);
        self.hidden_bias.ascend(hidden_bias, rate, options.momentum);
        loss
    }

    /// Hidden units are drawn from their means, visible units from those; then the new means.
    fn gibbs_step(&mut self, hidden: Tensor<2>) -> Statistics {
        let hidden = self.draw(hidden);
        let sums =
            hidden.matmul(self.weights.value.clone().transpose()) + self.visible_bias.value.clone();
        let visible = match self.units {
            VisibleUnits::Bernoulli => self.draw(activation::sigmoid(sums)),
            VisibleUnits::Gaussian => {
                let [rows, width] = sums.dims();
                let noise = (0..rows * width).map(|_| normal(&mut self.gibbs)).collect();
                sums + tensors::upload(noise, width, &self.device)
            }
        };
        let hidden = self.hidden_means(visible.clone());
        Statistics { visible, hidden }
    }

    fn hidden_means(&self, visible: Tensor<2>) -> Tensor<2> {
        activation::sigmoid(
            visible.matmul(self.weights.value.clone()) + self.hidden_bias.value.clone(),
        )
    }

    /// 1 with the given probabilities, otherwise 0.
    fn draw(&mut self, means: Tensor<2>) -> Tensor<2> {
        let [rows, width] = means.dims();
        let uniforms = uniforms(&mut self.gibbs, rows * width);
        tensors::upload(uniforms, width, &self.device)
            .lower(means)
            .float()
    }

    fn download(self) -> Result<RbmParameters> {
        let [visible, hidden] = self.weights.value.dims();
        let parameters = RbmParameters {
            visible,
            hidden,
            weights: tensors::download(self.weights.value.transpose())?,
            visible_bias: tensors::download(self.visible_bias.value)?,
            hidden_bias: tensors::download(self.hidden_bias.value)?,
            units: self.units,
        };
        let values = [
            &parameters.weights,
            &parameters.visible_bias,
            &parameters.hidden_bias,
        ];
        ensure!(
            values.into_iter().flatten().all(|x| x.is_finite()),
            "training diverged; lower the learning rate"
        );
        Ok(parameters)
    }
}

impl Momentum {
    fn new(values: Vec<f32>, columns: usize, device: &Device) -> Self {
        let value = tensors::upload(values, columns, device);
        let update = value.zeros_like();
        Self { value, update }
    }

    fn ascend(&mut self, gradient: Tensor<2>, rate: f64, momentum: f64) {
        self.update = self.update.clone() * momentum + gradient * rate;
        self.value = self.value.clone() + self.update.clone();
    }
}

impl Statistics {
    /// The mean over the rows of `v h'`.
    fn correlation(&self) -> Tensor<2> {
        let rows = self.visible.dims()[0] as f64;
        self.visible.clone().transpose().matmul(self.hidden.clone()) / rows
    }

    fn error(&self, other: &Self) -> Tensor<1> {
        (self.visible.clone() - other.visible.clone())
            .square()
            .mean()
    }
}

/// Means of the columns as the units will see them.
fn column_means(binarise: Binarise, data: &Table) -> Vec<f64> {
    let Binarise::Threshold(threshold) = binarise else {
        return means(data);
    };
    let mut mean = vec![0.0; data.width()];
    for row in data.iter_rows() {
        for (sum, &value) in mean.iter_mut().zip(row) {
            *sum += f64::from(u8::from(value >= threshold));
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= data.rows() as f64);
    mean
}

/// `ln(p / (1 - p))` of means of so many rows, one of each kind added so that none is infinite.
fn log_odds(means: &[f64], rows: usize) -> Vec<f32> {
    let rows = rows as f64;
    means
        .iter()
        .map(|mean| (mean * rows + 1.0) / (rows + 2.0))
        .map(|p| (p / (1.0 - p)).ln() as f32)
        .collect()
}

#[cfg(test)]
mod tests;
