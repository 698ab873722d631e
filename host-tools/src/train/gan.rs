//! Generative adversarial networks of dense layers.
//!
//! A generator G makes rows of standard normal numbers; a discriminator D tells them from rows of the data,
//!
//! `min_G max_D V = E log D(x) + E log(1 - D(G(z)))`
//!
//! (I. Goodfellow et al., *Generative adversarial nets*, 2014). The discriminator's optimum is `p / (p + p_G)`, and where
//! the generator has reached the data `D = 1/2` and `V = -log 4`. The generator's own loss is the non-saturating
//! `-E log D(G(z))`. With the usual care:
//!
//! - both are trained by Adam with a small decay rate of the first moment;
//! - noise on real and generated rows lets their densities overlap from the start (C. Sønderby et al., *Amortised MAP
//!   inference for image super-resolution*, 2017; M. Arjovsky and L. Bottou, 2017): without it the generator settles on
//!   the modes it happens to find first. It falls by the same factor a step, so that as many steps are spent on every
//!   scale: in a straight line, what is finer than a tenth of the first noise would have a tenth of the steps;
//! - while the noise falls the learning rate stays, afterwards there is none and the rate falls to zero;
//! - the generator that is returned is the exponential moving average of those on the way.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn::tensor::{Tensor, activation};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use super::{
    Progress,
    checkpoint::{Checkpoint, go_to, place},
    dense_net::DenseNet,
    device::TrainingDevice,
    epochs::Resumed,
    limits::{check_drawn, check_repeats, check_weights, check_widths},
    model::{Activation, Conditioning, DenseStack, GraphNet},
    random::{self, generator, normal},
    straight_through::{FineTuning, Inputs, fine_tune},
    tensors,
};
use crate::data::Table;
use crate::number::reading;

/// Latent rows of a step of fine-tuning.
const TUNING_ROWS: usize = 256;

/// The stream of their numbers.
const TUNING_STREAM: u64 = 3;

/// Steps between two calls of the callback.
const REPORT: usize = 100;

/// What to train; [`GanOptions::check`] makes it a [`GanConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct GanOptions {
    /// Numbers that the generator takes.
    pub latent: usize,
    /// Widths of the generator's hidden layers, ReLU behind each.
    pub generator: Vec<usize>,
    /// Widths of the discriminator's hidden layers, ReLU behind each.
    pub discriminator: Vec<usize>,
    /// Steps, each one of the discriminator and one of the generator.
    pub steps: usize,
    /// Real and generated rows per step.
    pub batch: usize,
    /// Learning rate of both.
    pub learning_rate: f64,
    /// Standard deviation of the noise on real and generated rows at the start, in the units of the rows.
    pub noise: f64,
    /// What it falls to before it ends, at most `noise`.
    pub last_noise: f64,
    /// Share of the steps in which there is noise.
    pub noisy_share: f64,
    /// Decay of the generator's moving average, a step.
    pub average: f64,
    /// Fixes weights, noise and the choice of rows.
    pub seed: u64,
    /// File to write the run to on the way, and to go on from if there is one.
    pub checkpoint: Option<PathBuf>,
}

impl Default for GanOptions {
    fn default() -> Self {
        Self {
            latent: 2,
            generator: vec![128, 128, 128],
            discriminator: vec![128, 128, 128],
            steps: 10_000,
            batch: 128,
            learning_rate: 1e-3,
            noise: 0.5,
            last_noise: 0.01,
            noisy_share: 0.6,
            average: 0.999,
            seed: 0,
            checkpoint: None,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct GanConfig(GanOptions);

impl GanOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// A width, the number of steps or the batch is 0; a learning rate that is not positive; noise that is negative, or
    /// does not fall; a share or an average that is not within 0 and 1.
    pub fn check(self) -> Result<GanConfig> {
        check_widths(&[self.latent])?;
        check_widths(&self.generator)?;
        check_widths(&self.discriminator)?;
        check_repeats("steps", self.steps)?;
        ensure!(self.batch > 0, "the batch size is 0; give at least 1");
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "the learning rate is {}; give a number above 0",
            self.learning_rate
        );
        ensure!(
            self.noise.is_finite() && self.noise >= 0.0,
            "the noise level is {}; give a number of at least 0",
            self.noise
        );
        ensure!(
            self.last_noise > 0.0 && (self.noise == 0.0 || self.last_noise <= self.noise),
            "the noise falls from {} to {}; give a last level above 0 and at most the first",
            self.noise,
            self.last_noise
        );
        ensure!(
            (0.0..=1.0).contains(&self.noisy_share) && (0.0..1.0).contains(&self.average),
            "the noisy share and the average must lie between 0 and 1"
        );
        Ok(GanConfig(self))
    }
}

impl GanConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &GanOptions {
        &self.0
    }

    /// The noise when a share of `done` of the steps is done.
    fn noise(&self, done: f64) -> f64 {
        let Self(options) = self;
        if done >= options.noisy_share || options.noise == 0.0 {
            return 0.0;
        }
        let factor = options.last_noise / options.noise;
        options.noise * factor.powf(done / options.noisy_share)
    }
}

/// A trained pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Gan {
    /// From standard normal numbers to rows.
    pub generator: DenseStack,
    /// From a row to the logit of its being real: `log p(x) - log p_G(x)` at the optimum.
    pub discriminator: DenseStack,
    /// Mean of the value V over the last tenth of the steps; -log 4 = -1.386 where nothing can be told apart.
    pub value: f64,
}

/// Trains a pair on the rows of a table; `progress` is called every hundred steps with the value V, which rises while the
/// discriminator is ahead.
///
/// # Errors
///
/// Training that diverges; a checkpoint that cannot be written, or is of another run or damaged; the training device
/// fails.
pub fn fit(
    config: &GanConfig,
    rows: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<Gan> {
    let options = config.options();
    let width = rows.width();
    check_drawn("batch size", options.batch, rows.rows())?;
    let net = |first, hidden: &[usize], last, stream| -> Result<DenseNet> {
        let widths = [&[first], hidden, &[last]].concat();
        check_weights(&widths)?;
        let (hidden, last) = (Activation::Relu, Activation::Identity);
        let mut draws = generator(options.seed, stream);
        let (draws, device) = (&mut draws, &device.device);
        let net = DenseNet::hidden_and_last(&widths, hidden, last, 0.0, draws, device);
        Ok(net.with_beta_1(0.5))
    };
    let mut maker = net(options.latent, &options.generator, width, 0)?;
    let mut judge = net(width, &options.discriminator, 1, 1)?;
    let mut average = net(options.latent, &options.generator, width, 0)?;
    let mut draws = generator(options.seed, 2);
    let mut values: Vec<Tensor<1>> = Vec::new();
    let mut last_tenth = (0.0, 0usize);
    let same = GanOptions {
        checkpoint: None,
        ..options.clone()
    };
    let checkpoint = options.checkpoint.as_deref();
    let mut checkpoint = checkpoint.map(|path| Checkpoint::new(path, "gan", &same, rows));
    let mut first = 0;
    if let Some(checkpoint) = &checkpoint
        && let Some(saved) = checkpoint.load()?
    {
        let mut pair = Pair([&mut maker, &mut judge, &mut average]);
        checkpoint.resume(&mut pair, &saved)?;
        let [low, high, sum, count] = checkpoint.words(&saved)?;
        go_to(&mut draws, [low, high]);
        last_tenth = (f64::from_bits(sum), count as usize);
        first = saved.steps;
    }
    for step in first..options.steps {
        let done = step as f64 / options.steps as f64;
        let noise = config.noise(done);
        let rate = options.learning_rate * ((1.0 - done) / (1.0 - options.noisy_share)).min(1.0);
        let noisy = |values: Vec<f32>, draws: &mut ChaCha8Rng| {
            let values = values.into_iter();
            let values = values.map(|x| x + noise as f32 * normal(draws)).collect();
            tensors::upload(values, width, judge.device())
        };
        let latent = (0..options.batch * options.latent).map(|_| normal(&mut draws));
        let latent = tensors::upload(latent.collect(), options.latent, maker.device());
        let made = maker.forward(latent);
        let real = (0..options.batch).flat_map(|_| pick(rows, &mut draws).to_vec());
        let real: Vec<f32> = real.collect();
        let real = noisy(real, &mut draws);
        let zeros = || vec![0.0; options.batch * width];
        let fake = made.clone().detach() + noisy(zeros(), &mut draws);
        let offset = noisy(zeros(), &mut draws);

        let value = activation::log_sigmoid(judge.forward(real)).mean()
            + activation::log_sigmoid(judge.forward(fake).neg()).mean();
        judge.descend(&value.clone().neg(), rate)?;
        let loss = activation::log_sigmoid(judge.forward(made + offset)).mean();
        maker.descend(&loss.neg(), rate)?;
        average.follow(&maker, options.average);

        values.push(value.inner());
        if values.len() == REPORT || step + 1 == options.steps {
            let found = tensors::download(Tensor::cat(std::mem::take(&mut values), 0))?;
            let sum: f64 = found.iter().copied().map(f64::from).sum();
            ensure!(
                sum.is_finite(),
                "training diverged by step {step}; lower the learning rate, which is {}",
                reading(options.learning_rate)
            );
            if 10 * (step + 1) > 9 * options.steps {
                last_tenth = (last_tenth.0 + sum, last_tenth.1 + found.len());
            }
            if let Some(checkpoint) = &mut checkpoint
                && (checkpoint.is_due() || step + 1 == options.steps)
            {
                let [low, high] = place(&draws);
                let words = vec![low, high, last_tenth.0.to_bits(), last_tenth.1 as u64];
                let pair = Pair([&mut maker, &mut judge, &mut average]);
                checkpoint.save_of(&pair, step + 1, words)?;
            }
            progress(Progress {
                step: step + 1,
                steps: options.steps,
                loss: sum / found.len() as f64,
            });
        }
    }
    Ok(Gan {
        generator: average.download()?,
        discriminator: judge.download()?,
        value: last_tenth.0 / last_tenth.1 as f64,
    })
}

/// Generator, discriminator and the generator's average.
struct Pair<'n>([&'n mut DenseNet; 3]);

impl Resumed for Pair<'_> {
    fn numbers(&self) -> Result<Vec<f32>> {
        let mut numbers = Vec::new();
        for net in &self.0 {
            numbers.extend(net.numbers()?);
        }
        Ok(numbers)
    }

    fn resume(&mut self, steps: usize, mut numbers: &[f32]) -> Option<()> {
        for net in &mut self.0 {
            let (own, rest) = numbers.split_at_checked(net.resumed_len())?;
            net.resume(steps, own)?;
            numbers = rest;
        }
        numbers.is_empty().then_some(())
    }
}

/// Fine-tunes a generator for the integers that it will be rounded to, on latent rows of its own; `calibration` are those
/// that it is quantised with. See [`straight_through`](super::straight_through).
///
/// # Errors
///
/// As [`fine_tune`].
pub fn fine_tuned(
    generator: &DenseStack,
    calibration: &Table,
    options: FineTuning,
    seed: u64,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<GraphNet> {
    let mut draws = random::generator(seed, TUNING_STREAM);
    let numbers = TUNING_ROWS * generator.inputs();
    let mut draw = || Inputs {
        rows: (0..numbers).map(|_| normal(&mut draws)).collect(),
        levels: Vec::new(),
    };
    let net = graph_of(generator);
    let calibration = std::slice::from_ref(calibration);
    fine_tune(&net, calibration, options, device, &mut draw, progress)
}

/// A row drawn with equal chances.
fn pick<'a>(rows: &'a Table, draws: &mut ChaCha8Rng) -> &'a [f32] {
    let at = ((u64::from(draws.next_u32()) * rows.rows() as u64) >> 32) as usize;
    &rows.values()[at * rows.width()..][..rows.width()]
}

/// A stack of dense layers as the operations of a graph, to be quantised as one.
#[must_use]
pub fn graph_of(stack: &DenseStack) -> GraphNet {
    let mut net = GraphNet::new([1, 1, stack.inputs()], 1);
    for (at, layer) in stack.layers.iter().enumerate() {
        let shape = [1, 1, layer.outputs];
        net.dense(at, shape, layer.activation, Conditioning::None);
        let op = &mut net.ops[at];
        op.weights.clone_from(&layer.weights);
        op.bias.clone_from(&layer.bias);
    }
    net
}

/// Latent rows for a generator: standard normal numbers, in what the device draws them in (`I4F12`).
///
/// # Errors
///
/// No column.
pub fn latents(rows: usize, width: usize, seed: u64) -> Result<Table> {
    ensure!(width > 0, "a generator takes at least one number");
    let mut rng = autodidact::rng::Generator::from_seed(seed);
    let values = (0..rows * width)
        .map(|_| f32::from(autodidact::rng::normal(&mut rng)) / 4096.0)
        .collect();
    Table::new("latent rows", Table::numbered_columns(width), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    #[test]
    fn a_normal_density_is_reached_and_cannot_be_told_apart() {
        // One column with mean 1 and standard deviation 0.5.
        let mut draws = generator(9, 0);
        let values = (0..2000)
            .map(|_| 0.5f32.mul_add(normal(&mut draws), 1.0))
            .collect();
        let rows = Table::new("made", Table::numbered_columns(1), values).unwrap();
        let options = GanOptions {
            latent: 1,
            generator: vec![16],
            discriminator: vec![32],
            steps: 3000,
            learning_rate: 2e-3,
            ..GanOptions::default()
        };
        let mut reports = 0;
        let gan = fit(
            &options.check().unwrap(),
            &rows,
            &TrainingDevice::cpu(),
            &mut |_| reports += 1,
        )
        .unwrap();
        assert_eq!(reports, 30);
        let made: Vec<f64> = latents(2000, 1, 1)
            .unwrap()
            .iter_rows()
            .map(|z| oracle::forward(&gan.generator, &[f64::from(z[0])])[0])
            .collect();
        let mean = made.iter().sum::<f64>() / 2000.0;
        let variance = made.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2000.0;
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
        assert!((variance.sqrt() - 0.5).abs() < 0.12, "{variance}");
        assert!((gan.value + 4f64.ln()).abs() < 0.05, "{}", gan.value);
    }

    #[test]
    fn noise_falls_by_the_same_factor_and_ends() {
        let options = GanOptions {
            noise: 0.4,
            last_noise: 0.1,
            noisy_share: 0.5,
            ..GanOptions::default()
        };
        let config = options.clone().check().unwrap();
        for (done, noise) in [(0.0, 0.4), (0.25, 0.2), (0.5, 0.0), (0.9, 0.0)] {
            assert!((config.noise(done) - noise).abs() < 1e-12);
        }
        let none = GanOptions {
            noise: 0.0,
            ..options
        };
        assert_eq!(none.check().unwrap().noise(0.1), 0.0);
    }

    #[test]
    fn a_stack_and_its_graph_compute_the_same() {
        let mut draws = generator(2, 0);
        let stack = DenseNet::hidden_and_last(
            &[3, 5, 2],
            Activation::Relu,
            Activation::Identity,
            0.0,
            &mut draws,
            &TrainingDevice::cpu().device,
        )
        .download()
        .unwrap();
        let net = graph_of(&stack);
        net.check().unwrap();
        let row = [0.3, -1.2, 0.8];
        let (graph, dense) = (
            oracle::graph_forward(&net, 0, &row),
            oracle::forward(&stack, &row),
        );
        for (a, b) in graph.iter().zip(&dense) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn wrong_options_are_one_clear_sentence() {
        let message = |change: fn(&mut GanOptions)| {
            let mut options = GanOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        for (change, expected) in [
            (
                (|o| o.latent = 0) as fn(&mut GanOptions),
                "a layer has width 0; give at least 1",
            ),
            (
                |o| o.learning_rate = 0.0,
                "the learning rate is 0; give a number above 0",
            ),
            (
                |o| o.noise = -1.0,
                "the noise level is -1; give a number of at least 0",
            ),
            (
                |o| o.last_noise = 1.0,
                "the noise falls from 0.5 to 1; give a last level above 0 and at most the first",
            ),
            (
                |o| o.average = 1.0,
                "the noisy share and the average must lie between 0 and 1",
            ),
        ] {
            assert_eq!(message(change), expected);
        }
    }
}
