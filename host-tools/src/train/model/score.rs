//! A network that knows the score of its data at several noise levels, and the levels.

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::GraphNet;
use crate::data::Table;
use crate::oracle::graph_forward;
use crate::train::random::{generator, normal};

/// Most rows between which distances are measured.
const DISTANCE_ROWS: usize = 2000;

/// Rows that walk together: their values stay in a processor's cache.
const WALKERS: usize = 64;

/// The first stream of the sampler's random numbers; one for each block of walkers.
const SAMPLE_STREAM: u64 = 2000;

/// Noise levels and how annealed Langevin dynamics walks over them.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseLevels {
    /// Standard deviations in features, falling geometrically.
    pub sigmas: Vec<f64>,
    /// Steps of the walk at each level.
    pub steps: u16,
    /// Step size of [`Schedule`](autodidact::score::Schedule), `2 epsilon / sigma_L^2` in NCSNv2's terms.
    pub gamma: f64,
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
            "the smallest noise level is {smallest}, in features; give a number above 0 and below the largest distance between two rows, {largest:.3}"
        );
        let ratio = level_ratio(features.width());
        let gaps = ((largest / smallest).ln() / ratio.ln()).ceil() as usize;
        ensure!(
            gaps < 1000,
            "noise from {largest:.3} to {smallest:.3} takes {gaps} levels; give a larger smallest level"
        );
        let exact = (largest / smallest).powf(1.0 / gaps as f64);
        Ok(Self {
            sigmas: (0..=gaps)
                .map(|level| smallest * exact.powi((gaps - level) as i32))
                .collect(),
            steps,
            gamma: step_size(exact, steps),
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
    /// step.
    #[must_use]
    pub fn sample(&self, rows: usize, seed: u64) -> Vec<f64> {
        let mut samples = Vec::with_capacity(rows * self.net.inputs());
        for (block, start) in (0..).zip((0..rows).step_by(WALKERS)) {
            let walkers = WALKERS.min(rows - start);
            let mut generator = generator(seed, SAMPLE_STREAM + block);
            samples.extend(self.walk(walkers, &mut generator));
        }
        samples
    }

    fn walk(&self, walkers: usize, generator: &mut ChaCha8Rng) -> Vec<f64> {
        let NoiseLevels {
            sigmas,
            steps,
            gamma,
        } = &self.levels;
        let mut noise = |sigma: f64| sigma * f64::from(normal(generator));
        let width = self.net.inputs();
        let mut state: Vec<f64> = (0..walkers * width).map(|_| noise(sigmas[0])).collect();
        for (level, sigma) in sigmas.iter().enumerate() {
            for _ in 0..*steps {
                let clean = self.denoise(level, &state);
                for (x, clean) in state.iter_mut().zip(clean) {
                    *x += 0.5 * gamma * (clean - *x) + noise(sigma * gamma.sqrt());
                }
            }
        }
        self.denoise(sigmas.len() - 1, &state)
    }
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
        assert!(NoiseLevels::by_rule(&features, 100.0, 5).is_err());
        assert!(NoiseLevels::by_rule(&features, 0.0, 5).is_err());
    }

    #[test]
    fn samples_of_a_normal_density_have_its_moments() {
        // D(x) = x v / (sigma^2 + v): F is 0 under this preconditioning.
        let mut net = GraphNet::new([1, 1, 1], 10);
        let none = super::super::Conditioning::None;
        net.dense(0, [1, 1, 1], super::super::Activation::Identity, none);
        let model = ScoreModel {
            net,
            levels: NoiseLevels {
                sigmas: (0..10).map(|l| 8.0 * 0.6f64.powi(l)).collect(),
                steps: 20,
                gamma: 0.2,
            },
            spread: 1.0,
        };
        let samples = model.sample(4000, 3);
        assert_eq!(samples, model.sample(4000, 3));
        let variance = samples.iter().map(|x| x * x).sum::<f64>() / 4000.0;
        // A walk of finite steps settles at a variance of 1 / (1 - gamma / 4) of the level's, here near 1.05.
        assert!((0.9..1.2).contains(&variance), "{variance}");
    }
}
