//! Two modes far apart: why Langevin dynamics needs annealing.
//!
//! The test of Y. Song and S. Ermon, *Generative modeling by estimating gradients of the data distribution*, 2019,
//! section 3.2, with the settings of their code: 0.8 N((5, 5), I) + 0.2 N((-5, -5), I), 1280 chains that start
//! uniformly in [-8, 8]^2. Plain Langevin dynamics, `x += a/2 s(x) + sqrt(a) z` with a = 0.1 for 1000 steps, leaves the
//! chains in the half they started in: it does not see the weights. Annealed over 10 levels of sigma from 20 to 1, 100
//! steps each with a = 0.1 sigma^2, it finds them. Sigma is the standard deviation of each mode, so that the density at
//! a level is that of two points under noise of sigma, which is what the network is trained on.

use std::fmt;

use anyhow::{Context as _, Result};
use autodidact::ShapeError;
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact::rng::Generator;
use autodidact::score::{AnnealedLangevin, ONE, Schedule, Score};
use rand_chacha::rand_core::Rng;
use serde::Serialize;

use crate::data::{Standardiser, Table};
use crate::quantize::{self, AlignedBytes, Precision, QuantisedModel};
use crate::train::device::TrainingDevice;
use crate::train::model::{NoiseLevels, ScoreModel};
use crate::train::random::{generator, normal};
use crate::train::score::{self, NetShape, ScoreOptions};

/// Share of the minor mode.
pub const MINOR: f64 = 0.2;

/// Number of chains.
pub const CHAINS: usize = 1280;

/// Chains start uniformly within this of 0, in each column.
const START: f64 = 8.0;

/// `a / sigma^2`.
const GAMMA: f64 = 0.1;

/// Levels of the annealed walk.
const LEVELS: usize = 10;

/// Steps of the plain walk, and of all levels of the annealed one.
const STEPS: usize = 1000;

/// What the literature's code and an independent implementation of it reach: plain, annealed.
pub const REFERENCE: [f64; 2] = [0.491, 0.217];

/// The levels, from 20 to 1 in a geometric sequence.
#[must_use]
pub fn levels() -> Vec<f64> {
    let ratio = |i: usize| i as f64 / (LEVELS - 1) as f64;
    (0..LEVELS).map(|i| 20f64.powf(1.0 - ratio(i))).collect()
}

/// The two points, five rows of them.
fn points() -> Result<Table> {
    let rows = [[5.0; 2], [5.0; 2], [5.0; 2], [5.0; 2], [-5.0; 2]];
    Table::new("two points", Table::numbered_columns(2), rows.concat())
}

/// Where chains start.
fn scatter(seed: u64) -> Vec<[f64; 2]> {
    let mut draws = generator(seed, 1);
    let mut uniform = || (f64::from(draws.next_u32()) / 2f64.powi(31) - 1.0) * START;
    (0..CHAINS).map(|_| [uniform(), uniform()]).collect()
}

/// Where chains end, and how many of them in the minor mode.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    /// The last points.
    pub points: Vec<[f64; 2]>,
}

impl Walk {
    /// Share of chains that ended nearer to the minor mode.
    #[must_use]
    pub fn minor(&self) -> f64 {
        let minor = self.points.iter().filter(|x| x[0] + x[1] < 0.0);
        minor.count() as f64 / self.points.len() as f64
    }

    /// Share of chains that ended within three standard deviations of a mode.
    #[must_use]
    pub fn settled(&self) -> f64 {
        let near = |x: &&[f64; 2]| {
            let to = |c: f64| (x[0] - c).hypot(x[1] - c);
            to(5.0).min(to(-5.0)) < 3.0
        };
        self.points.iter().filter(near).count() as f64 / self.points.len() as f64
    }
}

/// Walks in f64 by the residuals `sigma^2 s` that `residuals` gives for all points at a level.
fn walk(
    levels: &[f64],
    steps: usize,
    seed: u64,
    residuals: impl Fn(usize, &[[f64; 2]]) -> Vec<[f64; 2]>,
) -> Walk {
    let mut points = scatter(seed);
    let mut draws = generator(seed, 2);
    for (level, sigma) in levels.iter().enumerate() {
        for _ in 0..steps {
            let residuals = residuals(level, &points);
            for (x, r) in points
                .iter_mut()
                .flatten()
                .zip(residuals.into_iter().flatten())
            {
                *x += 0.5 * GAMMA * r + sigma * GAMMA.sqrt() * f64::from(normal(&mut draws));
            }
        }
    }
    Walk { points }
}

/// The residual of two points under noise, in closed form.
fn exact(sigma: f64, x: [f64; 2]) -> [f64; 2] {
    let distance = |c: f64| (x[0] - c).powi(2) + (x[1] - c).powi(2);
    let odds =
        (MINOR / (1.0 - MINOR)).ln() + (distance(5.0) - distance(-5.0)) / (2.0 * sigma * sigma);
    // The posterior mean: 5 in the major mode, -5 in the minor.
    let mean = 5.0 - 10.0 / (1.0 + (-odds).exp());
    [mean - x[0], mean - x[1]]
}

/// Plain Langevin dynamics with the exact score.
#[must_use]
pub fn plain(seed: u64) -> Walk {
    walk(&[1.0], STEPS, seed, |_, points| {
        points.iter().map(|x| exact(1.0, *x)).collect()
    })
}

/// Annealed Langevin dynamics with the exact score.
#[must_use]
pub fn annealed(seed: u64) -> Walk {
    let levels = levels();
    walk(&levels, STEPS / LEVELS, seed, |at, points| {
        points.iter().map(|x| exact(levels[at], *x)).collect()
    })
}

/// A network for all levels.
#[derive(Clone, Debug)]
pub struct Conditional {
    /// In f32.
    pub model: ScoreModel,
    /// In integers: a container with the part `score`.
    pub container: AlignedBytes,
}

/// Trains a network on the two points under noise of all levels; `quick` takes a third of the steps.
///
/// # Errors
///
/// Training fails.
pub fn train(quick: bool, device: &TrainingDevice) -> Result<Conditional> {
    let rows = points()?;
    let options = ScoreOptions {
        shape: NetShape::Dense(vec![32, 32]),
        steps: if quick { 1500 } else { 5000 },
        batch: 320,
        learning_rate: 5e-3,
        weight_decay: 0.0,
        average: 0.99,
        ..ScoreOptions::new(NoiseLevels {
            sigmas: levels(),
            steps: (STEPS / LEVELS) as u16,
            gamma: GAMMA,
            consistent: false,
        })
    };
    let model = score::fit(&options.check()?, &rows, None, device, &mut |_| {})?;
    // Columns are features already.
    let standardiser = Standardiser {
        mean: vec![0.0; 2],
        std: vec![1.0; 2],
        lsb: vec![1.0 / 256.0; 2],
        own_counts: vec![true; 2],
        minimum: -64.0,
        maximum: 64.0,
    };
    let mut quantised = QuantisedModel::new(&standardiser, rows.columns())?;
    let (part, _) = quantize::score(&model, &rows, Precision::I16)?;
    quantised.parts.push(("score".into(), part));
    Ok(Conditional {
        container: quantised.encode(Order::RowMajor)?,
        model,
    })
}

impl Conditional {
    /// Annealed Langevin dynamics by the network in f32.
    #[must_use]
    pub fn annealed(&self, seed: u64) -> Walk {
        walk(&levels(), STEPS / LEVELS, seed, |level, points| {
            let rows: Vec<f64> = points.iter().flatten().copied().collect();
            let clean = self.model.denoise(level, &rows);
            let residuals = clean.chunks_exact(2).zip(points);
            residuals
                .map(|(clean, x)| [clean[0] - x[0], clean[1] - x[1]])
                .collect()
        })
    }

    /// Annealed Langevin dynamics in the device's integers: its sampler, its kernels, its random numbers.
    ///
    /// # Errors
    ///
    /// A container without a score network.
    pub fn device_annealed(&self, seed: u64) -> Result<Walk> {
        let model = Model::load(&self.container)?;
        let network = model.score("score")?;
        let mut workspace = vec![0; network.workspace_bytes()];
        let mut features = vec![0; network.features_len()];
        device_walk(
            &mut network.with_memory(&mut workspace, &mut features)?,
            seed,
        )
    }
}

/// The device's sampler over all chains, with the schedule of the test.
///
/// # Errors
///
/// A score of other dimensions.
pub fn device_walk(score: &mut impl Score, seed: u64) -> Result<Walk> {
    let steps = (STEPS / usize::from(score.levels())) as u16;
    let gamma = (GAMMA * f64::from(1 << 30)) as u32;
    let schedule = Schedule::new(gamma, steps, false).context("a step is too long")?;
    let mut rng = Generator::from_seed(seed);
    let mut points = Vec::with_capacity(CHAINS);
    for start in scatter(seed) {
        let mut state = start.map(|x| (x * f64::from(ONE)) as i32);
        let mut residual = [0; 2];
        let mut walk = AnnealedLangevin::new(&mut *score, schedule, &mut state, &mut residual)?;
        while walk.step(&mut rng)?.is_some() {}
        points.push(state.map(|x| f64::from(x) / f64::from(ONE)));
    }
    Ok(Walk { points })
}

/// The exact score as the device's sampler asks it, residuals rounded to its format.
struct ExactScore {
    levels: Vec<f64>,
}

impl Score for ExactScore {
    fn dimensions(&self) -> usize {
        2
    }

    fn levels(&self) -> u16 {
        self.levels.len() as u16
    }

    fn sigma(&self, level: u16) -> u32 {
        (self.levels[usize::from(level)] * f64::from(ONE)) as u32
    }

    fn residual_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError> {
        let x = [0, 1].map(|i| f64::from(state[i]) / f64::from(ONE));
        let r = exact(self.levels[usize::from(level)], x);
        for (residual, r) in residual.iter_mut().zip(r) {
            *residual = (r * f64::from(ONE)) as i32;
        }
        Ok(())
    }
}

/// Shares of chains in the minor mode, one a seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// What walked.
    pub name: &'static str,
    /// One a seed.
    pub minor: Vec<f64>,
    /// Mean share of chains that ended near a mode.
    pub settled: f64,
    /// What it should be.
    pub reference: f64,
}

impl Shares {
    /// Mean over the seeds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.minor.iter().sum::<f64>() / self.minor.len() as f64
    }

    fn spread(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.minor.iter().map(|x| (x - mean).powi(2)).sum();
        (squares / (self.minor.len() as f64 - 1.0).max(1.0)).sqrt()
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<44} {:.3} (sd {:.3}, {} seeds), reference {:.3}; near a mode {:.1} %",
            self.name,
            self.mean(),
            self.spread(),
            self.minor.len(),
            self.reference,
            100.0 * self.settled
        )
    }
}

/// Every walk from `seeds` seeds.
///
/// # Errors
///
/// Training fails.
pub fn run(seeds: u64, quick: bool, device: &TrainingDevice) -> Result<Vec<Shares>> {
    let network = train(quick, device)?;
    let gather = |name, reference, walk: &dyn Fn(u64) -> Result<Walk>| {
        let walks = (0..seeds).map(walk).collect::<Result<Vec<Walk>>>()?;
        Ok::<_, anyhow::Error>(Shares {
            name,
            minor: walks.iter().map(Walk::minor).collect(),
            settled: walks.iter().map(Walk::settled).sum::<f64>() / seeds as f64,
            reference,
        })
    };
    let [flat, cooled] = REFERENCE;
    let integers = |levels: Vec<f64>, seed| device_walk(&mut ExactScore { levels }, seed);
    Ok(vec![
        gather("plain, exact score, f64", flat, &|seed| Ok(plain(seed)))?,
        gather("plain, exact score, device's sampler", flat, &|seed| {
            integers(vec![1.0], seed)
        })?,
        gather("annealed, exact score, f64", cooled, &|seed| {
            Ok(annealed(seed))
        })?,
        gather("annealed, exact score, device's sampler", cooled, &|seed| {
            integers(levels(), seed)
        })?,
        gather("annealed, network, f32", cooled, &|seed| {
            Ok(network.annealed(seed))
        })?,
        gather(
            "annealed, quantised network, device's sampler",
            cooled,
            &|seed| network.device_annealed(seed),
        )?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::KernelDensity;

    fn density(sigma: f64) -> KernelDensity {
        KernelDensity {
            points: vec![vec![5.0, 5.0], vec![-5.0, -5.0]],
            weights: vec![1.0 - MINOR, MINOR],
            sigma,
        }
    }

    #[test]
    fn the_closed_form_is_the_kernel_density() {
        for sigma in levels() {
            let density = density(sigma);
            for x in [[0.0, 0.0], [3.0, -4.0], [-20.0, 9.0], [60.0, 60.0]] {
                let clean = density.denoise(&x);
                for ((residual, clean), x) in exact(sigma, x).iter().zip(clean).zip(x) {
                    assert!((residual - (clean - x)).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn plain_walks_ignore_the_weights_and_annealed_ones_find_them() {
        let mean = |walk: fn(u64) -> Walk| (0..3).map(|seed| walk(seed).minor()).sum::<f64>() / 3.0;
        // Standard deviation of a mean of three: 0.005.
        assert!((mean(plain) - REFERENCE[0]).abs() < 0.02, "{}", mean(plain));
        assert!(
            (mean(annealed) - REFERENCE[1]).abs() < 0.02,
            "{}",
            mean(annealed)
        );
    }

    #[test]
    fn a_quantised_network_walks_in_integers_as_the_exact_score_does() {
        let network = train(true, &TrainingDevice::cpu()).unwrap();
        let walk = network.device_annealed(5).unwrap();
        assert!(
            (walk.minor() - REFERENCE[1]).abs() < 0.04,
            "{}",
            walk.minor()
        );
        assert!(walk.settled() > 0.97, "{}", walk.settled());
    }
}
