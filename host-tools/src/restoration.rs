//! Restoration of damaged images: damages, what a linear estimate makes of them, and the priors of denoisers.
//!
//! An image x was seen as `y = K x + n`: blurred, with columns missing, or merely noisy. [`linear`] is the best that
//! second moments can do. [`mean_shift`] runs the device's own integer loop
//! ([`autodidact::restore::MeanShift`]) on a quantised denoiser; [`descend`] is the same descent in f64 for any prior
//! that gives a gradient.

use anyhow::{Context, Result, ensure};
use autodidact::restore::{Blur, Degradation, MeanShift, Noise, Observation, Settings};
use autodidact::rng::Generator;
use autodidact::score::{ONE, Score};

use crate::data::{Standardiser, Table};
use crate::evaluate::Units;
use crate::oracle::{LinearEstimator, mean_squared_error, psnr_db};
use crate::quantize::FEATURE_UNIT;
use crate::train::random::{add_noise, generator, normal};

/// Side of a blur's kernel.
const SIDE: usize = 5;

/// Most rows that second moments are taken of; more change them by little.
const MOMENT_ROWS: usize = 10_000;

/// What happens to an image before it is seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Damage {
    /// Noise alone.
    None,
    /// Blurred; beyond the edge lies 0.
    Blur {
        /// Rows and columns of pixels.
        shape: [usize; 2],
        /// Row-major, 5x5, 15 fractional bits: what the device multiplies with.
        kernel: [i16; SIDE * SIDE],
    },
    /// Some columns are missing; true where they were seen.
    Unknown(Vec<bool>),
}

impl Damage {
    /// A 5x5 Gaussian blur of standard deviation `sd` pixels, of weights that sum to one, over images of `shape` rows
    /// and columns.
    ///
    /// # Errors
    ///
    /// A standard deviation that is not positive; an empty image.
    pub fn gaussian(sd: f64, shape: [usize; 2]) -> Result<Self> {
        ensure!(
            sd.is_finite() && sd > 0.0,
            "the blur's standard deviation is {sd}; give a number of pixels above 0"
        );
        ensure!(shape[0] * shape[1] > 0, "the image is empty");
        let weight = |tap: usize| (-0.5 * ((tap as f64 - 2.0) / sd).powi(2)).exp();
        let sum: f64 = (0..SIDE).map(weight).sum();
        let kernel = std::array::from_fn(|at| {
            let share = weight(at / SIDE) * weight(at % SIDE) / (sum * sum);
            // A float cast saturates: a kernel of one tap is just below one.
            (share * f64::from(autodidact::restore::KERNEL_ONE)).round_ties_even() as i16
        });
        Ok(Self::Blur { shape, kernel })
    }

    fn check(&self, width: usize) -> Result<()> {
        let found = match self {
            Self::None => return Ok(()),
            Self::Blur { shape, .. } => shape[0] * shape[1],
            Self::Unknown(seen) => seen.len(),
        };
        ensure!(
            found == width,
            "the damage is to images of {found} pixels, but these have {width}"
        );
        if let Self::Unknown(seen) = self {
            ensure!(
                seen.contains(&true) && seen.contains(&false),
                "some columns must be known and some unknown"
            );
        }
        Ok(())
    }

    /// `K x`; 0 for what is not seen.
    #[must_use]
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.correlate(x, false)
    }

    /// `K^T e`.
    #[must_use]
    pub fn adjoint(&self, error: &[f64]) -> Vec<f64> {
        self.correlate(error, true)
    }

    fn correlate(&self, x: &[f64], adjoint: bool) -> Vec<f64> {
        match self {
            Self::None => x.to_vec(),
            Self::Unknown(seen) => x
                .iter()
                .zip(seen)
                .map(|(x, seen)| if *seen { *x } else { 0.0 })
                .collect(),
            Self::Blur {
                shape: [height, width],
                kernel,
            } => {
                let pixel = |row: usize, column: usize| {
                    let taps = kernel.iter().enumerate().map(|(tap, weight)| {
                        let (mut down, mut right) = (tap / SIDE, tap % SIDE);
                        if adjoint {
                            (down, right) = (SIDE - 1 - down, SIDE - 1 - right);
                        }
                        // What lies before the edge wraps around to a number beyond any image.
                        let y = (row + down).wrapping_sub(SIDE / 2);
                        let z = (column + right).wrapping_sub(SIDE / 2);
                        if y < *height && z < *width {
                            f64::from(*weight) * x[y * width + z]
                        } else {
                            0.0
                        }
                    });
                    taps.sum::<f64>() / f64::from(autodidact::restore::KERNEL_ONE)
                };
                (0..height * width)
                    .map(|at| pixel(at / width, at % width))
                    .collect()
            }
        }
    }

    /// Whether column `at` was seen.
    #[must_use]
    pub fn sees(&self, at: usize) -> bool {
        match self {
            Self::Unknown(seen) => seen.get(at).copied().unwrap_or(false),
            _ => true,
        }
    }
}

/// Mean and spread of the data, and the range of its values: what leads to features and back.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Mean of each column, data units.
    pub mean: Vec<f64>,
    /// What every column is divided by.
    pub std: f64,
    /// Smallest and largest value, data units.
    pub range: (f64, f64),
}

impl Scale {
    /// The scale that a standardiser of columns of one unit has.
    ///
    /// # Errors
    ///
    /// Columns of different spreads.
    pub fn of_standardiser(standardiser: &Standardiser) -> Result<Self> {
        let std = standardiser.std.first().copied().unwrap_or(f64::NAN);
        ensure!(
            standardiser.std.iter().all(|other| *other == std),
            "restoration needs columns of one unit: train with --scale uniform"
        );
        Ok(Self {
            mean: standardiser.mean.clone(),
            std,
            range: (standardiser.minimum.into(), standardiser.maximum.into()),
        })
    }

    /// The scale of a container's data.
    ///
    /// # Errors
    ///
    /// Columns of different spreads.
    pub fn of_units(units: &Units) -> Result<Self> {
        let std = units
            .common_std()
            .context("restoration needs columns of one unit: train with --scale uniform")?;
        let lsb = units.lsb.first().copied().unwrap_or(f64::NAN);
        let (low, high) = units.counts_range;
        Ok(Self {
            mean: units.mean.clone(),
            std,
            range: (f64::from(low) * lsb, f64::from(high) * lsb),
        })
    }

    /// Values in data units, clipped to the range.
    fn data(&self, features: impl Iterator<Item = f64>) -> impl Iterator<Item = f32> {
        let (low, high) = self.range;
        features
            .zip(self.mean.iter().cycle())
            .map(move |(x, mean)| (x * self.std + mean).clamp(low, high) as f32)
    }
}

/// A damage with noise, to images of one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What happens to the images.
    pub damage: Damage,
    /// Standard deviation of the noise on what is seen, data units.
    pub noise: f64,
    /// Their scale.
    pub scale: Scale,
}

/// What a restoration is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Peak signal-to-noise ratio over all pixels, dB.
    pub psnr: f64,
    /// Mean squared error over what was not seen; over all pixels if all were.
    pub error: f64,
}

impl Problem {
    /// Damages clean images. What is not seen has its column's mean, for the eye; no restoration looks at it.
    ///
    /// # Errors
    ///
    /// Images of another size; noise that is negative.
    pub fn damage(&self, clean: &Table, seed: u64) -> Result<Table> {
        self.damage.check(clean.width())?;
        ensure!(
            clean.width() == self.scale.mean.len(),
            "{} has {} columns, but the scale is one of {}",
            clean.source(),
            clean.width(),
            self.scale.mean.len()
        );
        let damaged = clean.iter_rows().flat_map(|row| {
            let row: Vec<f64> = row.iter().map(|&x| x.into()).collect();
            self.damage.apply(&row)
        });
        let damaged = clean.with_values(damaged.map(|x| x as f32).collect())?;
        let noisy = add_noise(&damaged, &vec![self.noise as f32; clean.width()], seed)?;
        let filled = noisy.values().iter().enumerate().map(|(at, &x)| {
            let column = at % clean.width();
            if self.damage.sees(column) {
                x
            } else {
                self.scale.mean[column] as f32
            }
        });
        clean.with_values(filled.collect())
    }

    /// Judges restored images against clean ones.
    #[must_use]
    pub fn quality(&self, clean: &Table, restored: &Table) -> Quality {
        let (low, high) = self.scale.range;
        let all_seen = (0..clean.width()).all(|at| self.damage.sees(at));
        let of = |table: &Table, all: bool| -> Vec<f64> {
            let values = table.values().iter().enumerate();
            values
                .filter(|(at, _)| all || !self.damage.sees(at % clean.width()))
                .map(|(_, &x)| f64::from(x).clamp(low, high))
                .collect()
        };
        Quality {
            psnr: psnr_db(&of(clean, true), &of(restored, true), high - low),
            error: mean_squared_error(&of(clean, all_seen), &of(restored, all_seen)),
        }
    }

    /// Restored rows of features (`I4F12`) in data units, in place of the damaged ones.
    ///
    /// # Errors
    ///
    /// Not as many values as there were.
    pub fn restored(&self, damaged: &Table, features: &[i16]) -> Result<Table> {
        let features = features.iter().map(|&x| f64::from(x) / FEATURE_UNIT);
        damaged.with_values(self.scale.data(features).collect())
    }

    /// What was seen of a row, in features, less what the columns' means are seen as: then 0 lies beyond the edge.
    fn observed(&self, row: &[f32]) -> Vec<f64> {
        let seen_mean = self.damage.apply(&self.scale.mean);
        row.iter()
            .zip(seen_mean)
            .enumerate()
            .map(|(at, (&y, mean))| {
                if self.damage.sees(at) {
                    (f64::from(y) - mean) / self.scale.std
                } else {
                    0.0
                }
            })
            .collect()
    }
}

/// The best linear estimate, clipped, by second moments of `training` rows.
///
/// # Errors
///
/// Images of another size; moments that cannot be inverted.
pub fn linear(problem: &Problem, training: &Table, damaged: &Table) -> Result<Table> {
    problem.damage.check(damaged.width())?;
    let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|&x| x.into()).collect() };
    let step = training.rows().div_ceil(MOMENT_ROWS).max(1);
    let rows: Vec<Vec<f64>> = training.iter_rows().step_by(step).map(wide).collect();
    let d = damaged.width();
    let seen: Vec<usize> = (0..d).filter(|at| problem.damage.sees(*at)).collect();
    // Column by column of K, then its rows.
    let columns: Vec<Vec<f64>> = (0..d)
        .map(|at| {
            let mut unit = vec![0.0; d];
            unit[at] = 1.0;
            problem.damage.apply(&unit)
        })
        .collect();
    let matrix: Vec<Vec<f64>> = seen
        .iter()
        .map(|&row| columns.iter().map(|column| column[row]).collect())
        .collect();
    // Without noise the moments of pixels that never change have no inverse.
    let noise = problem
        .noise
        .max(0.01 * (problem.scale.range.1 - problem.scale.range.0));
    let estimator = LinearEstimator::new(&rows, &matrix, noise)
        .context("the images do not vary enough for a linear estimate")?;
    let (low, high) = problem.scale.range;
    let values = damaged.iter_rows().flat_map(|row| {
        let y: Vec<f64> = seen.iter().map(|&at| row[at].into()).collect();
        estimator.estimate(&y)
    });
    damaged.with_values(values.map(|x| x.clamp(low, high) as f32).collect())
}

/// The noise that a denoiser was trained for, in features, as core's
/// [`DenoiserScore`](autodidact::score::DenoiserScore) takes it.
///
/// # Errors
///
/// A level that the device's format does not hold.
pub fn device_level(sigma: f64) -> Result<u32> {
    fixed(sigma).context("the noise level does not fit the device's format")
}

/// A standard deviation in features, `U12F20`.
fn fixed(sigma: f64) -> Option<u32> {
    let scaled = (sigma * f64::from(ONE)).round();
    (scaled >= 0.0 && scaled < 2f64.powi(31)).then_some(scaled as u32)
}

/// How a descent goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DescentOptions {
    /// Steps.
    pub steps: u16,
    /// Step size.
    pub rate: f64,
    /// Share of the last step that the next one keeps.
    pub momentum: f64,
    /// Standard deviation of the noise on the prior's input in each step, in those of the prior's level.
    pub jitter: f64,
    /// Whether the noise of what was seen is estimated instead of known; [`mean_shift`] only.
    pub blind: bool,
    /// Fixes the noise on the prior's input.
    pub seed: u64,
}

impl Default for DescentOptions {
    /// The figures of the papers' code: 300 steps of 0.1 with a momentum of 0.9, noise of the prior's own level.
    fn default() -> Self {
        Self {
            steps: 300,
            rate: 0.1,
            momentum: 0.9,
            jitter: 1.0,
            blind: false,
            seed: 0,
        }
    }
}

/// Rows to restore by the mean-shift prior, in the device's formats.
#[derive(Clone, Debug)]
pub struct Descents {
    /// What was seen, features in `I4F12`, row after row.
    pub observed: Vec<i16>,
    /// What had happened to it.
    pub damage: Damage,
    /// What is known of the noise on it.
    pub noise: Noise,
    /// How the descents go.
    pub settings: Settings,
    /// Standard deviation of the prior's noise, `U12F20`.
    pub sigma: u32,
}

impl Descents {
    /// Descents for the rows of `damaged` by a prior of one `level`, whose noise is `sigma` (`U12F20`).
    ///
    /// # Errors
    ///
    /// Images of another size than the problem's; figures beyond the device's formats.
    pub fn new(
        problem: &Problem,
        (level, sigma): (u16, u32),
        damaged: &Table,
        options: &DescentOptions,
    ) -> Result<Self> {
        problem.damage.check(damaged.width())?;
        let unit = |x: f64| (x.clamp(0.0, 1.0) * f64::from(1 << 30)) as u32;
        let deviation = f64::from(sigma) / f64::from(ONE);
        let noise = match options.blind {
            true => Noise::Blind,
            false => Noise::Known(
                fixed(problem.noise / problem.scale.std).context("the noise is too large")?,
            ),
        };
        // Float casts saturate.
        let observed = damaged.iter_rows().flat_map(|row| problem.observed(row));
        Ok(Self {
            observed: observed
                .map(|x| (x * FEATURE_UNIT).round_ties_even() as i16)
                .collect(),
            damage: problem.damage.clone(),
            noise,
            settings: Settings {
                level,
                eta: fixed(options.jitter * deviation).context("the jitter is too large")?,
                rate: unit(options.rate),
                momentum: unit(options.momentum),
                steps: options.steps,
            },
            sigma,
        })
    }

    /// The restored rows, features in `I4F12`, by the device's own loop.
    ///
    /// # Errors
    ///
    /// Rows of another width than the prior's.
    pub fn run(&self, score: &mut impl Score, seed: u64) -> Result<Vec<i16>> {
        let d = score.dimensions();
        ensure!(
            self.observed.len().is_multiple_of(d),
            "the prior takes {d} values, but {} are no whole rows of that",
            self.observed.len()
        );
        let degradation = match &self.damage {
            Damage::None => Degradation::Identity,
            Damage::Blur {
                shape: [height, width],
                kernel,
            } => Degradation::Blur(
                Blur::new([*height, *width, 1], *kernel, 0).context("the image is too large")?,
            ),
            Damage::Unknown(seen) => Degradation::Mask(seen),
        };
        let mut rng = Generator::from_seed(seed);
        let mut memory = vec![0; 4 * d];
        let mut restored = vec![0; self.observed.len()];
        let rows = self.observed.chunks_exact(d);
        for (features, restored) in rows.zip(restored.chunks_exact_mut(d)) {
            let observation = Observation {
                features,
                degradation,
                noise: self.noise,
            };
            let mut descent = MeanShift::new(&mut *score, observation, self.settings, &mut memory)?;
            while descent.step(&mut rng)?.is_some() {}
            descent.features_into(restored)?;
        }
        Ok(restored)
    }
}

/// Restores by the mean-shift prior, in the device's integers: its loop, its kernels, its random numbers.
///
/// # Errors
///
/// Images of another size than the score's; figures beyond the device's formats.
pub fn mean_shift(
    problem: &Problem,
    score: &mut impl Score,
    level: u16,
    damaged: &Table,
    options: &DescentOptions,
) -> Result<Table> {
    ensure!(
        score.dimensions() == damaged.width(),
        "the denoiser takes {} values, but {} has {} columns",
        score.dimensions(),
        damaged.source(),
        damaged.width()
    );
    let prior = (level, score.sigma(level));
    let descents = Descents::new(problem, prior, damaged, options)?;
    problem.restored(damaged, &descents.run(score, options.seed)?)
}

/// A prior's gradient times `sigma^2`, of rows of features behind one another: with the noise of a step, and without.
pub type PriorGradient<'p> = dyn FnMut(&[f32], &[f32]) -> Result<Vec<f32>> + 'p;

/// Restores in f64 by gradient descent, `w K^T (K x - y) + (1 - w) g(x)` with `w = sigma^2 / (sigma^2 + noise^2)`.
///
/// `prior` gives the prior's gradient g, times `sigma^2`, for rows of features behind one another, once with the noise z
/// of a step and once without: `x - A(x + z)` for the mean-shift prior, `(1 - dA/dx)^T (x - A(x + z))` for the
/// autoencoding prior ([`AutoencodingPrior`](crate::train::prior::AutoencodingPrior) has both).
///
/// # Errors
///
/// Images of another size; those of the prior.
pub fn descend(
    problem: &Problem,
    sigma: f64,
    damaged: &Table,
    options: &DescentOptions,
    prior: &mut PriorGradient<'_>,
) -> Result<Table> {
    problem.damage.check(damaged.width())?;
    let d = damaged.width();
    let weight = sigma * sigma / (sigma * sigma + problem.noise * problem.noise);
    let observed: Vec<f64> = damaged
        .iter_rows()
        .flat_map(|row| problem.observed(row))
        .collect();
    let jitter = options.jitter * sigma / problem.scale.std;
    let mut draws = generator(options.seed, 0);
    let mut state = observed.clone();
    let mut velocity = vec![0.0; state.len()];
    for _ in 0..options.steps {
        let noisy: Vec<f32> = state
            .iter()
            .map(|x| {
                let z = if jitter > 0.0 {
                    normal(&mut draws)
                } else {
                    0.0
                };
                (x + jitter * f64::from(z)) as f32
            })
            .collect();
        let rows: Vec<f32> = state.iter().map(|&x| x as f32).collect();
        let pull = prior(&noisy, &rows)?;
        ensure!(
            pull.len() == state.len(),
            "the prior gave {} values for {}",
            pull.len(),
            state.len()
        );
        let rows = state.chunks_mut(d).zip(velocity.chunks_mut(d));
        for (((x, v), y), p) in rows.zip(observed.chunks(d)).zip(pull.chunks(d)) {
            let error: Vec<f64> = problem
                .damage
                .apply(x)
                .iter()
                .zip(y)
                .map(|(seen, y)| seen - y)
                .collect();
            let data = problem.damage.adjoint(&error);
            for at in 0..d {
                let weight = if problem.damage.sees(at) { weight } else { 0.0 };
                let gradient = weight * data[at] + (1.0 - weight) * f64::from(p[at]);
                v[at] = options.momentum * v[at] - options.rate * gradient;
                x[at] += v[at];
            }
        }
    }
    damaged.with_values(problem.scale.data(state.into_iter()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(d: usize) -> Scale {
        Scale {
            mean: vec![0.25; d],
            std: 0.5,
            range: (0.0, 1.0),
        }
    }

    #[test]
    fn a_blur_and_its_adjoint_are_transposes() {
        let blur = Damage::gaussian(1.0, [4, 6]).unwrap();
        let mut draws = generator(1, 0);
        let mut row = || {
            (0..24)
                .map(|_| f64::from(normal(&mut draws)))
                .collect::<Vec<_>>()
        };
        let (x, y) = (row(), row());
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&blur.apply(&x), &y) - dot(&x, &blur.adjoint(&y))).abs() < 1e-12);
        let Damage::Blur { kernel, .. } = &blur else {
            panic!("a blur");
        };
        let sum: i32 = kernel.iter().map(|&k| i32::from(k)).sum();
        assert!((sum - autodidact::restore::KERNEL_ONE).abs() <= 12, "{sum}");
        assert!(Damage::gaussian(0.0, [4, 6]).is_err());
    }

    #[test]
    fn damage_fills_what_is_unknown_and_quality_looks_there() {
        let clean =
            Table::new("made", Table::numbered_columns(2), vec![1.0, 0.0, 0.5, 1.0]).unwrap();
        let problem = Problem {
            damage: Damage::Unknown(vec![true, false]),
            noise: 0.0,
            scale: scale(2),
        };
        let damaged = problem.damage(&clean, 0).unwrap();
        assert_eq!(damaged.values(), [1.0, 0.25, 0.5, 0.25]);
        let quality = problem.quality(&clean, &damaged);
        assert!((quality.error - 0.5 * (0.0625 + 0.5625)).abs() < 1e-9);
        let all = Problem {
            damage: Damage::Unknown(vec![true, true]),
            ..problem.clone()
        };
        assert!(all.damage(&clean, 0).is_err());
        let narrow = Problem {
            damage: Damage::Unknown(vec![true]),
            ..problem
        };
        assert!(narrow.damage(&clean, 0).is_err());
    }

    #[test]
    fn a_linear_prior_leads_to_the_linear_estimate() {
        // Rows of a normal density with covariance C about the scale's mean; the best denoiser for noise sigma is
        // linear, A(x) = C (C + sigma^2)^-1 x in features, and the descent ends at the posterior mean under
        // C + sigma^2: the linear estimate of rows with noise of sigma.
        let mut draws = generator(5, 0);
        let values: Vec<f32> = (0..4000)
            .flat_map(|_| {
                let (a, b) = (normal(&mut draws), normal(&mut draws));
                [0.25 + 0.1 * a, 0.25 + 0.08 * a + 0.05 * b]
            })
            .collect();
        let rows = Table::new("made", Table::numbered_columns(2), values).unwrap();
        let problem = Problem {
            damage: Damage::Unknown(vec![true, false]),
            noise: 0.02,
            scale: Scale {
                range: (-10.0, 10.0),
                ..scale(2)
            },
        };
        let sigma = 0.03;
        // C (C + sigma^2 I)^-1 of [[0.01, 0.008], [0.008, 0.0089]].
        let (c, s) = ([0.01, 0.008, 0.008, 0.0089], sigma * sigma);
        let (a, b, d) = (c[0] + s, c[1], c[3] + s);
        let det = a * d - b * b;
        let gain = [
            (c[0] * d - c[1] * b) / det,
            (-c[0] * b + c[1] * a) / det,
            (c[2] * d - c[3] * b) / det,
            (-c[2] * b + c[3] * a) / det,
        ];
        let mut prior = |_: &[f32], x: &[f32]| {
            let pull = x.chunks(2).flat_map(|x| {
                let x = [f64::from(x[0]), f64::from(x[1])];
                let clean = [
                    gain[0] * x[0] + gain[1] * x[1],
                    gain[2] * x[0] + gain[3] * x[1],
                ];
                [(x[0] - clean[0]) as f32, (x[1] - clean[1]) as f32]
            });
            Ok(pull.collect())
        };
        let options = DescentOptions {
            steps: 2000,
            jitter: 0.0,
            ..DescentOptions::default()
        };
        let damaged = problem.damage(&rows, 1).unwrap();
        let restored = descend(&problem, sigma, &damaged, &options, &mut prior).unwrap();
        // Hidden element: regression on the seen one under C + sigma^2, at the seen one's own optimum.
        for (restored, _) in restored.iter_rows().zip(0..50) {
            let seen = f64::from(restored[0]) - 0.25;
            let expected = 0.25 + b / a * seen;
            assert!((f64::from(restored[1]) - expected).abs() < 1e-3);
        }
    }
}
