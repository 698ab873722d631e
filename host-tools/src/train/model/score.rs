//! A network that knows the score of its data at several noise levels, and the levels.

use anyhow::{Result, ensure};
use autodidact::rng::{Generator, normal as device_normal};
use rayon::prelude::*;

use super::GraphNet;
use crate::data::Table;
use crate::number::reading;
use crate::oracle::graph_forward;
use crate::quantize::FEATURE_UNIT;

/// Most rows between which distances are measured.
const DISTANCE_ROWS: usize = 2000;

/// Rows that walk together: their values stay in a processor's cache.
const WALKERS: usize = 64;

/// Noise levels and how annealed Langevin dynamics walks over them.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseLevels {
    /// Standard deviations in features, falling geometrically.
    pub sigmas: Vec<f64>,
    /// Steps of the walk at each level.
    pub steps: u16,
    /// Step size of [`Schedule`](autodidact::score::Schedule), `2 epsilon / sigma_L^2` in NCSNv2's terms.
    pub gamma: f64,
    /// Whether the noise of the steps keeps to the levels, see
    /// [`Schedule::consistent`](autodidact::score::Schedule::consistent).
    pub consistent: bool,
}

impl NoiseLevels {
    /// Levels by the rules of NCSNv2 (Song and Ermon, *Improved techniques for training score-based generative
    /// models*, 2020): the largest standard deviation is the largest distance between two rows (technique 1), their
    /// ratio such that the shells of neighbouring levels overlap by half (2), the step size such that the walk keeps
    /// the variance of its level as well as `steps` steps can (4).
    ///
    /// NCSNv2 steps by `alpha s + sqrt(2 alpha) z` where [`Schedule`](autodidact::score::Schedule) has
    /// `gamma / 2` and `sqrt(gamma)`: its gamma is twice `epsilon / sigma_L^2`. Of more than 2000 rows, 2000 evenly
    /// spaced ones are compared.
    ///
    /// # Errors
    ///
    /// No step; a smallest standard deviation that is not positive or above the largest distance; more than 1000
    /// levels.
    pub fn by_rule(features: &Table, smallest: f64, steps: u16) -> Result<Self> {
        ensure!(steps > 0, "the walk has 0 steps a level; give at least 1");
        let largest = largest_distance(features);
        ensure!(
            smallest.is_finite() && smallest > 0.0 && smallest < largest,
            "the smallest noise level is {}, in features; give a number above 0 and below the largest distance between two rows, {}",
            reading(smallest),
            reading(largest)
        );
        let ratio = level_ratio(features.width());
        let gaps = ((largest / smallest).ln() / ratio.ln()).ceil() as usize;
        ensure!(
            gaps < 1000,
            "noise from {} to {} takes {gaps} levels; give a larger smallest level",
            reading(largest),
            reading(smallest)
        );
        let exact = (largest / smallest).powf(1.0 / gaps as f64);
        Ok(Self {
            sigmas: (0..=gaps)
                .map(|level| smallest * exact.powi((gaps - level) as i32))
                .collect(),
            steps,
            gamma: step_size(exact, steps),
            consistent: false,
        })
    }

    /// Steps of 0.8, and noise that keeps to the levels: what draws best of the few steps that a device can afford, see [`Schedule::consistent`](autodidact::score::Schedule::consistent).
    #[must_use]
    pub fn consistent(self) -> Self {
        Self {
            gamma: 0.8,
            consistent: true,
            ..self
        }
    }

    /// The noise of Langevin dynamics, and the step size that NCSNv2's rule gives.
    #[must_use]
    pub fn langevin(self) -> Self {
        let ratio = self
            .sigmas
            .windows(2)
            .next()
            .map_or(1.0, |pair| pair[0] / pair[1]);
        Self {
            gamma: step_size(ratio, self.steps),
            consistent: false,
            ..self
        }
    }

    /// As many levels instead, between the same two, and the step size that the rule gives for them.
    ///
    /// # Errors
    ///
    /// Fewer than two levels, or more than 1000.
    pub fn resampled(self, count: usize) -> Result<Self> {
        ensure!(
            (2..=1000).contains(&count),
            "{count} noise levels; give 2 to 1000"
        );
        let (largest, smallest) = (self.sigmas[0], self.sigmas[self.sigmas.len() - 1]);
        let ratio = (largest / smallest).powf(1.0 / (count - 1) as f64);
        let sigma = |level: usize| smallest * ratio.powi((count - 1 - level) as i32);
        Ok(Self {
            sigmas: (0..count).map(sigma).collect(),
            gamma: step_size(ratio, self.steps),
            ..self
        })
    }

    /// Standard deviations of the noise that the walk's steps add, level by level and step by step.
    fn noise(&self) -> impl Iterator<Item = (usize, f64)> {
        let steps = usize::from(self.steps);
        let walk = self.sigmas.len() * steps;
        (0..walk).map(move |step| {
            let (level, next) = (step / steps, (step + 1).min(walk - 1) / steps);
            let sigma = self.sigmas[level];
            let amplitude = if self.consistent {
                let left = (1.0 - 0.5 * self.gamma) * sigma;
                (self.sigmas[next].powi(2) - left * left).max(0.0).sqrt()
            } else {
                sigma * self.gamma.sqrt()
            };
            (level, amplitude)
        })
    }
}

/// The largest Euclidean distance between two rows.
fn largest_distance(features: &Table) -> f64 {
    let every = features.rows().div_ceil(DISTANCE_ROWS);
    let rows: Vec<&[f32]> = features.iter_rows().step_by(every).collect();
    let mut largest = 0f64;
    for (at, a) in rows.iter().enumerate() {
        for b in &rows[at + 1..] {
            let squares = a.iter().zip(*b).map(|(a, b)| (a - b) * (a - b));
            largest = largest.max(f64::from(squares.sum::<f32>()));
        }
    }
    largest.sqrt()
}

/// The ratio gamma with `Phi(r (gamma - 1) + 3 gamma) - Phi(r (gamma - 1) - 3 gamma) = 1/2`, `r = sqrt(2 d)`.
fn level_ratio(dimensions: usize) -> f64 {
    let root = (2.0 * dimensions as f64).sqrt();
    let overlap = |gamma: f64| {
        normal_below(root * (gamma - 1.0) + 3.0 * gamma)
            - normal_below(root * (gamma - 1.0) - 3.0 * gamma)
    };
    // It falls from 0.997 at 1 to 0 in more dimensions than a few; in fewer it never falls to a half.
    let (mut low, mut high) = (1.0, 4.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if overlap(middle) > 0.5 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The standard normal distribution function, by Simpson's rule over the density from 0.
fn normal_below(x: f64) -> f64 {
    const INTERVALS: u32 = 400;
    let end = x.clamp(-9.0, 9.0);
    let width = end / f64::from(INTERVALS);
    let density = |at: u32| (-0.5 * (f64::from(at) * width).powi(2)).exp();
    let inner = (1..INTERVALS).map(|at| density(at) * if at % 2 == 1 { 4.0 } else { 2.0 });
    let sum = density(0) + density(INTERVALS) + inner.sum::<f64>();
    0.5 + sum * width / 3.0 / std::f64::consts::TAU.sqrt()
}

/// Twice the share `a = epsilon / sigma_L^2` of the residual that a step takes, such that what the walk makes of the
/// variance of the level above, `(1 - a)^2T (gamma^2 - v) + v` with `v = 2 a / (1 - (1 - a)^2)`, is nearest to 1.
fn step_size(ratio: f64, steps: u16) -> f64 {
    let variance = |a: f64| {
        let kept = (1.0 - a).powi(2);
        let settled = 2.0 * a / (1.0 - kept);
        kept.powi(i32::from(steps)) * (ratio * ratio - settled) + settled
    };
    let shares = (1..=999).map(|share| f64::from(share) / 1000.0);
    let nearest = shares.min_by(|a, b| {
        let distance = |a: f64| (variance(a) - 1.0).abs();
        distance(*a).total_cmp(&distance(*b))
    });
    2.0 * nearest.unwrap_or(0.1)
}

/// What surrounds the network at a level, see [`ScoreNetwork`](autodidact::score::ScoreNetwork).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// `c_in = 1 / sqrt(sigma^2 + v)`.
    pub input: f64,
    /// `c_skip = v / (sigma^2 + v)`.
    pub skip: f64,
    /// `c_out = sigma sqrt(v) / sqrt(sigma^2 + v)`.
    pub output: f64,
}

/// A trained score network: `D(x, sigma) = c_skip x + c_out F(c_in x; level)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreModel {
    /// F, of as many levels.
    pub net: GraphNet,
    /// The levels.
    pub levels: NoiseLevels,
    /// Root of the mean square of the data, in features.
    pub spread: f64,
}

impl ScoreModel {
    /// The factors of a level.
    #[must_use]
    pub fn factors(&self, level: usize) -> Factors {
        factors(self.levels.sigmas[level], self.spread)
    }

    /// Clean estimates of rows of features that lie behind one another.
    #[must_use]
    pub fn denoise(&self, level: usize, rows: &[f64]) -> Vec<f64> {
        let factors = self.factors(level);
        let inputs: Vec<f64> = rows.iter().map(|x| x * factors.input).collect();
        let outputs = graph_forward(&self.net, level, &inputs);
        let both = rows.iter().zip(outputs);
        both.map(|(x, f)| factors.skip * x + factors.output * f)
            .collect()
    }

    /// Rows of features drawn by annealed Langevin dynamics in f64, as the device walks, with the last, denoising
    /// step; each row's noise is what the device draws from the generator of [`sample_generator`].
    #[must_use]
    pub fn sample(&self, rows: usize, seed: u64) -> Vec<f64> {
        let blocks = (0..rows.div_ceil(WALKERS)).into_par_iter().map(|block| {
            let rows = block * WALKERS..rows.min((block + 1) * WALKERS);
            let mut generators: Vec<Generator> =
                rows.map(|row| sample_generator(seed, row)).collect();
            self.walk(&mut generators)
        });
        blocks.collect::<Vec<_>>().concat()
    }

    /// A row for each generator.
    fn walk(&self, generators: &mut [Generator]) -> Vec<f64> {
        let width = self.net.inputs();
        let count = generators.len();
        let mut noise = |state: &mut [f64], amplitude: f64| {
            for (row, generator) in state.chunks_exact_mut(width).zip(generators.iter_mut()) {
                for x in row {
                    *x += amplitude * f64::from(device_normal(generator)) / FEATURE_UNIT;
                }
            }
        };
        let mut state = vec![0.0; count * width];
        noise(&mut state, self.levels.sigmas[0]);
        for (level, amplitude) in self.levels.noise() {
            let clean = self.denoise(level, &state);
            for (x, clean) in state.iter_mut().zip(clean) {
                *x += 0.5 * self.levels.gamma * (clean - *x);
            }
            noise(&mut state, amplitude);
        }
        self.denoise(self.levels.sigmas.len() - 1, &state)
    }
}

/// The generator of a sample's noise: one a row, so that rows can be drawn in any order and side by side.
#[must_use]
pub fn sample_generator(seed: u64, row: usize) -> Generator {
    // The generator mixes its seed: neighbours have nothing in common.
    Generator::from_seed(seed.rotate_left(32) ^ row as u64)
}

/// The factors for data of root mean square `spread`.
pub(crate) fn factors(sigma: f64, spread: f64) -> Factors {
    let root = sigma.hypot(spread);
    Factors {
        input: 1.0 / root,
        skip: (spread / root).powi(2),
        output: sigma * spread / root,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, Scaling, digits};

    #[test]
    fn the_rules_give_the_levels_that_the_authors_code_gives() {
        // Digits in [0, 1], down to 0.05, 5 steps: largest 4.81, ratio 1.361, 16 levels, epsilon 6.0e-4.
        let data = digits().unwrap().scaled(1.0 / DIGIT_MAX).unwrap();
        let scaling = Scaling::Uniform.fit(&data).unwrap();
        let features = scaling.transform(&data).unwrap();
        let std = scaling.std[0];
        let levels = NoiseLevels::by_rule(&features, 0.05 / std, 5).unwrap();
        assert_eq!(levels.sigmas.len(), 16);
        assert!((levels.sigmas[0] * std - 4.81).abs() < 0.01);
        assert!((levels.sigmas[15] * std - 0.05).abs() < 1e-9);
        let epsilon = levels.gamma / 2.0 * 0.05f64.powi(2);
        assert!((epsilon - 6.0e-4).abs() < 0.3e-4, "{epsilon}");
        assert!((level_ratio(64) - 1.361).abs() < 1e-3);
        assert!((level_ratio(784) - 1.082).abs() < 1e-3);
        // CIFAR-10: published 6.2e-6 with 232 levels of ratio 1.0376 down to 0.01.
        let epsilon = step_size(1.0376, 5) / 2.0 * 1e-4;
        assert!((epsilon - 6.2e-6).abs() < 1.0e-6, "{epsilon}");
        // Fewer levels between the same two.
        let few = levels.clone().resampled(4).unwrap();
        assert_eq!(few.sigmas.len(), 4);
        assert!((few.sigmas[0] / levels.sigmas[0] - 1.0).abs() < 1e-9);
        assert!((few.sigmas[3] / levels.sigmas[15] - 1.0).abs() < 1e-9);
        assert!(
            (few.sigmas[1] / few.sigmas[2]
                - levels.sigmas[0].powf(1.0 / 3.0) * levels.sigmas[15].powf(-1.0 / 3.0))
            .abs()
                < 1e-9
        );
        assert!(levels.resampled(1).is_err());
        assert!(NoiseLevels::by_rule(&features, 100.0, 5).is_err());
        assert!(NoiseLevels::by_rule(&features, 0.0, 5).is_err());
    }

    #[test]
    fn samples_of_a_normal_density_have_its_moments() {
        // D(x) = x v / (sigma^2 + v): F is 0 under this preconditioning.
        let mut net = GraphNet::new([1, 1, 1], 10);
        let none = super::super::Conditioning::None;
        net.dense(0, [1, 1, 1], super::super::Activation::Identity, none);
        let mut model = ScoreModel {
            net,
            levels: NoiseLevels {
                sigmas: (0..10).map(|l| 8.0 * 0.6f64.powi(l)).collect(),
                steps: 20,
                gamma: 0.2,
                consistent: false,
            },
            spread: 1.0,
        };
        for consistent in [false, true] {
            model.levels.consistent = consistent;
            let samples = model.sample(4000, 3);
            assert_eq!(samples[..100], model.sample(100, 3));
            let variance = samples.iter().map(|x| x * x).sum::<f64>() / 4000.0;
            // What the walk does to the variance, exactly; it forgets where it was only in part.
            let sigmas = &model.levels.sigmas;
            let mut expected = 64.0;
            for (level, sigma) in sigmas.iter().enumerate() {
                let pull = 0.1 * sigma * sigma / (1.0 + sigma * sigma);
                for step in 1..=20 {
                    let next = if step == 20 {
                        (level + 1).min(9)
                    } else {
                        level
                    };
                    // Of noise around one point a step of 0.1 leaves 0.9.
                    let fresh = if consistent {
                        (sigmas[next].powi(2) - (0.9 * sigma).powi(2)).max(0.0)
                    } else {
                        0.2 * sigma * sigma
                    };
                    expected = (1.0 - pull).powi(2) * expected + fresh;
                }
            }
            expected /= (1.0 + sigmas[9].powi(2)).powi(2);
            // Four standard errors.
            assert!(
                (variance / expected - 1.0).abs() < 0.09,
                "{consistent}: {variance} {expected}"
            );
        }
    }
}
