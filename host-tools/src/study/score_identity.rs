//! The score identity on a spiral: what a denoiser's residual has to do with the density.
//!
//! A denoiser A of rows with noise of standard deviation sigma is, at its best, `A(x) = x + sigma^2 grad ln p(x)`, with p
//! the density of the noisy rows (G. Alain and Y. Bengio, *What regularized auto-encoders learn from the data-generating
//! distribution*, 2014). Of finitely many points p is a kernel density estimate, so that the right-hand side is known
//! exactly; here networks that were trained by [`score_matching`] are held against it, in f32 and as the device's
//! integers.

use std::f64::consts::TAU;
use std::fmt;

use anyhow::Result;
use autodidact::model::Task;
use autodidact::net::Network;
use serde::Serialize;

use crate::data::Table;
use crate::oracle::{self, KernelDensity};
use crate::quantize::{self, Calibration, DeviceNetwork, FEATURE_UNIT};
use crate::train::corruption::Corruption;
use crate::train::dae::{self, DaeOptions};
use crate::train::device::TrainingDevice;
use crate::train::model::{Activation, DenseStack};
use crate::train::random::add_noise;
use crate::train::score_matching::{self, Objective, ScoreOptions};

/// Points of the spiral.
const POINTS: usize = 1000;

/// Standard deviation of the noise; the arms are 1.3 apart.
pub const SIGMA: f64 = 0.2;

/// The field is compared where the density is above this share of its maximum.
const NEGLIGIBLE: f64 = 0.01;

/// From the centre of the field to its border.
pub const REACH: f64 = 2.5;

/// Points of the grid of comparison in each direction.
const GRID: usize = 60;

/// Points on a spiral of one and a half turns, evenly along its length, 2 across.
///
/// # Errors
///
/// None.
pub fn spiral() -> Result<Table> {
    let values = (0..POINTS)
        .flat_map(|at| {
            // The root spreads them evenly: the length grows with the square of the angle.
            let t = ((at as f64 + 0.5) / POINTS as f64).sqrt();
            let angle = 1.5 * TAU * t;
            [2.0 * t * angle.cos(), 2.0 * t * angle.sin()]
        })
        .map(|x| x as f32)
        .collect();
    Table::new("the spiral", Table::numbered_columns(2), values)
}

/// The exact density of the noisy spiral.
///
/// # Errors
///
/// None.
pub fn exact() -> Result<KernelDensity> {
    let points = spiral()?
        .iter_rows()
        .map(|row| row.iter().map(|&x| f64::from(x)).collect())
        .collect();
    Ok(KernelDensity::new(points, SIGMA))
}

/// How near one field comes to another, over the grid points of not negligible density.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Cosine between the two fields, each taken as one long vector.
    pub cosine: f64,
    /// Mean of the cosines at the single points; where the score is near 0 they mean little.
    pub mean_cosine: f64,
    /// Length of the difference over the length of the exact field.
    pub relative_error: f64,
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cosine {:.4}, mean cosine of a point {:.4}, relative error {:.3}",
            self.cosine, self.mean_cosine, self.relative_error
        )
    }
}

/// Grid points of not negligible density, and the exact residual `sigma^2 grad ln p` at each.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Points.
    pub points: Vec<[f64; 2]>,
    /// Residuals.
    pub residuals: Vec<[f64; 2]>,
}

impl Field {
    /// The exact field.
    #[must_use]
    pub fn of(density: &KernelDensity) -> Self {
        Self::on(density, GRID)
    }

    /// The exact field on a grid of so many points in each direction.
    #[must_use]
    pub fn on(density: &KernelDensity, grid: usize) -> Self {
        let at = |i: usize| (i as f64 + 0.5) / grid as f64 * 2.0 * REACH - REACH;
        let grid: Vec<[f64; 2]> = (0..grid * grid)
            .map(|i| [at(i % grid), at(i / grid)])
            .collect();
        let logs: Vec<f64> = grid.iter().map(|x| density.log_density(x)).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let points: Vec<[f64; 2]> = grid
            .into_iter()
            .zip(logs)
            .filter(|(_, log)| *log > most + NEGLIGIBLE.ln())
            .map(|(x, _)| x)
            .collect();
        let residual = |x: &[f64; 2]| {
            let clean = density.denoise(x);
            [clean[0] - x[0], clean[1] - x[1]]
        };
        Self {
            residuals: points.iter().map(residual).collect(),
            points,
        }
    }

    /// Compares with another field over the same points.
    #[must_use]
    pub fn agreement(&self, other: &[[f64; 2]]) -> Agreement {
        let dot = |a: &[f64; 2], b: &[f64; 2]| a[0] * b[0] + a[1] * b[1];
        let (mut ab, mut aa, mut bb, mut cosines) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in self.residuals.iter().zip(other) {
            ab += dot(a, b);
            aa += dot(a, a);
            bb += dot(b, b);
            cosines += dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-300);
        }
        Agreement {
            cosine: ab / (aa * bb).sqrt(),
            mean_cosine: cosines / other.len() as f64,
            relative_error: ((aa - 2.0 * ab + bb) / aa).sqrt(),
        }
    }
}

/// What a network stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its outputs are clean points: the residual is `A(x) - x`.
    Denoiser,
    /// Its outputs are `sigma` times the score: the residual is `sigma F(x)`.
    Score,
}

impl Role {
    fn residual(self, x: [f64; 2], output: &[f64]) -> [f64; 2] {
        match self {
            Self::Denoiser => [output[0] - x[0], output[1] - x[1]],
            Self::Score => [SIGMA * output[0], SIGMA * output[1]],
        }
    }

    /// The field of an f32 network.
    #[must_use]
    pub fn field(self, network: &DenseStack, points: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let residual = |x: &[f64; 2]| self.residual(*x, &oracle::forward(network, x));
        points.iter().map(residual).collect()
    }

    /// The field of a network in the device's integers, by the device's kernels.
    ///
    /// # Errors
    ///
    /// A network of other dimensions.
    pub fn device_field(self, network: &Network<'_>, points: &[[f64; 2]]) -> Result<Vec<[f64; 2]>> {
        let mut workspace = vec![0; network.workspace_bytes()];
        let mut output = [0i16; 2];
        let mut field = Vec::with_capacity(points.len());
        for x in points {
            // Float casts saturate.
            let features = x.map(|x| (x * FEATURE_UNIT).round_ties_even() as i16);
            network.run(&mut workspace, &features, &mut output)?;
            let output = output.map(|y| f64::from(y) / FEATURE_UNIT);
            // The device's residual is against the point as it reads it.
            let x = features.map(|x| f64::from(x) / FEATURE_UNIT);
            field.push(self.residual(x, &output));
        }
        Ok(field)
    }
}

/// A trained network, its integers, and how near both come to the exact field.
#[derive(Clone, Debug)]
pub struct Trained {
    /// How it was trained.
    pub objective: &'static str,
    /// What it stands for.
    pub role: Role,
    /// In f32.
    pub network: DenseStack,
    /// In integers.
    pub quantised: DeviceNetwork,
    /// f32 against the exact field.
    pub host: Agreement,
    /// The device's integers against the exact field.
    pub device: Agreement,
}

/// Trains a denoiser and two score networks on the noisy spiral; `quick` takes a quarter of the steps.
///
/// # Errors
///
/// Training fails.
pub fn run(quick: bool, device: &TrainingDevice) -> Result<Vec<Trained>> {
    let rows = spiral()?;
    let field = Field::of(&exact()?);
    let noisy = add_noise(&rows, &[SIGMA as f32; 2], 1)?;
    let steps = if quick { 1500 } else { 8000 };
    let judge = |objective, role: Role, network: DenseStack| {
        let calibration = Calibration { features: &noisy };
        let quantised = quantize::network(&network, Task::Denoiser, None, calibration)?;
        let quantised = DeviceNetwork::new(quantised);
        let host = field.agreement(&role.field(&network, &field.points));
        let integers = role.device_field(&quantised.network()?, &field.points)?;
        Ok::<_, anyhow::Error>(Trained {
            objective,
            role,
            host,
            device: field.agreement(&integers),
            network,
            quantised,
        })
    };
    let batch = 250;
    let options = DaeOptions {
        corruption: Corruption::Gaussian {
            sigma: vec![SIGMA as f32; 2],
        },
        epochs: steps / (POINTS / batch),
        batch,
        learning_rate: 5e-3,
        ..DaeOptions::default()
    };
    let denoiser = dae::fit(&options.check()?, &rows, device, &mut |_| {})?;
    let options = ScoreOptions {
        steps,
        batch,
        ..ScoreOptions::default()
    };
    let fit = |objective, options: ScoreOptions| {
        let config = options.check()?;
        score_matching::fit(&config, &rows, SIGMA, objective, device, &mut |_| {})
    };
    let denoising = fit(Objective::Denoising, options.clone())?;
    let explicit = fit(
        Objective::Explicit,
        ScoreOptions {
            activation: Activation::Tanh,
            ..options
        },
    )?;
    Ok(vec![
        judge("denoising autoencoder", Role::Denoiser, denoiser)?,
        judge("denoising score matching", Role::Score, denoising)?,
        judge("explicit score matching", Role::Score, explicit)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_of_short_training_runs_point_along_the_exact_score() {
        for trained in run(true, &TrainingDevice::cpu()).unwrap() {
            assert!(
                trained.host.cosine > 0.85 && trained.device.cosine > trained.host.cosine - 0.02,
                "{}: {}; device {}",
                trained.objective,
                trained.host,
                trained.device
            );
        }
    }

    #[test]
    fn agreement_has_its_limits() {
        let field = Field::of(&exact().unwrap());
        assert!(field.points.len() > 500 && field.points.len() < GRID * GRID);
        let same = field.agreement(&field.residuals);
        assert!((same.cosine - 1.0).abs() < 1e-12 && same.relative_error < 1e-6);
        let against: Vec<_> = field
            .residuals
            .iter()
            .map(|r| r.map(|x| -2.0 * x))
            .collect();
        let against = field.agreement(&against);
        assert!((against.mean_cosine + 1.0).abs() < 1e-12);
        assert!((against.relative_error - 3.0).abs() < 1e-9);
    }
}
