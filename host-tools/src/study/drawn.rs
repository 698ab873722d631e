//! What score networks draw, judged by a classifier: the f32 network and the device's integers with the same noise.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use autodidact::model::Model;
use serde::Serialize;

use super::generated::Labelled;
use super::scores::{ScoreImages, device_samples, f32_samples};
use crate::data::Table;
use crate::evaluate::Units;
use crate::generated::{GenerativeReport, Judge};
use crate::train::Progress;
use crate::train::device::TrainingDevice;
use crate::train::model::{Activation, NoiseLevels, ScoreModel};
use crate::train::score::{NetShape, ScoreOptions};

/// Samples that figures are of.
pub const SAMPLES: usize = 2000;

/// Rows in data units as images: shades are shares of `peak`, those below 0 and above 1 are black and white.
///
/// # Errors
///
/// No row.
pub fn images(rows: &[Vec<f64>], peak: f64) -> Result<Table> {
    let width = rows.first().map_or(0, Vec::len);
    let shades = rows
        .iter()
        .flatten()
        .map(|x| (x / peak).clamp(0.0, 1.0) as f32);
    Table::new("samples", Table::numbered_columns(width), shades.collect())
}

/// Reports of what one network draws, seed by seed: in f32, and on the device with the same noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Of the f32 network.
    pub float: Vec<GenerativeReport>,
    /// Of the container's, by the device's sampler.
    pub device: Vec<GenerativeReport>,
}

/// The mean of some numbers and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// Mean.
    pub mean: f64,
    /// Standard error; NaN for a single number.
    pub error: f64,
}

impl Mean {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        let squares = values.map(|x| (x - mean).powi(2)).sum::<f64>();
        Self {
            mean,
            error: (squares / (n - 1.0) / n).sqrt(),
        }
    }
}

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} +- {:.4}", self.mean, self.error)
    }
}

impl Paired {
    /// Draws `rows` samples for every seed.
    ///
    /// # Errors
    ///
    /// The container is not one of this network.
    pub fn draw(
        judge: &Judge,
        float: &ScoreModel,
        container: &Model<'_>,
        rows: usize,
        seeds: u64,
    ) -> Result<Self> {
        let units = Units::of(container)?;
        let mut paired = Self {
            float: Vec::new(),
            device: Vec::new(),
        };
        for seed in 0..seeds {
            let drawn = f32_samples(float, &units, rows, seed);
            paired
                .float
                .push(judge.report(&images(&drawn, units.peak())?)?);
            let drawn = device_samples(container, rows, seed)?;
            paired
                .device
                .push(judge.report(&images(&drawn, units.peak())?)?);
        }
        Ok(paired)
    }

    /// A figure of the f32 network's samples, of the device's, and of the device's less the f32 network's of the
    /// same seed.
    pub fn figure(&self, of: impl Fn(&GenerativeReport) -> f64) -> [Mean; 3] {
        let pairs = self.float.iter().zip(&self.device);
        [
            Mean::of(self.float.iter().map(&of)),
            Mean::of(self.device.iter().map(&of)),
            Mean::of(pairs.map(|(float, device)| of(device) - of(float))),
        ]
    }
}

/// Smallest noise level of MNIST, pixels being 0..=1.
const MNIST_SMALLEST: f64 = 0.1;

/// Noise levels of MNIST, and steps of the walk at each of them, with their size.
const MNIST_LEVELS: usize = 20;
const MNIST_WALK: u16 = 1;
const MNIST_GAMMA: f64 = 0.7;

/// Channels at 28x28, at 14x14 and at 7x7 pixels.
const MNIST_CHANNELS: [usize; 3] = [8, 32, 64];

/// Steps of training.
const MNIST_STEPS: usize = 40_000;

/// The score network of MNIST's study.
///
/// # Errors
///
/// A file that is missing or damaged; training fails.
pub fn mnist(
    folder: &Path,
    change: &dyn Fn(ScoreOptions) -> ScoreOptions,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<ScoreImages> {
    let split = Labelled::mnist(folder)?.images;
    let options = |levels: NoiseLevels| {
        let levels = NoiseLevels {
            gamma: MNIST_GAMMA,
            ..levels.resampled(MNIST_LEVELS)?.consistent()
        };
        Ok(change(ScoreOptions {
            shape: NetShape::Conv(MNIST_CHANNELS.to_vec()),
            activation: Activation::Silu,
            steps: MNIST_STEPS,
            batch: 32,
            weight_decay: 0.0,
            ..ScoreOptions::new(levels)
        }))
    };
    ScoreImages::train(
        split,
        28,
        (MNIST_SMALLEST, MNIST_WALK),
        &options,
        device,
        progress,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::generated::digit_judge;

    #[test]
    fn figures_are_means_and_those_of_pairs_their_differences() {
        let numbers = [1.0, 2.0, 6.0];
        let mean = Mean::of(numbers.into_iter());
        // The variance is 7 with n - 1, the standard error sqrt(7 / 3).
        assert!(
            (mean.mean - 3.0).abs() < 1e-12 && (mean.error - (7f64 / 3.0).sqrt()).abs() < 1e-12
        );

        let device = TrainingDevice::cpu();
        let small = |options| ScoreOptions {
            shape: NetShape::Dense(vec![64]),
            steps: 200,
            ..options
        };
        let digits = ScoreImages::digits(&small, &device, &mut |_| {}).unwrap();
        let container = Model::load(&digits.container).unwrap();
        let (judge, _) = digit_judge(&device).unwrap();
        let paired = Paired::draw(&judge, &digits.model, &container, 50, 2).unwrap();
        assert_ne!(paired.device[0], paired.device[1]);
        let [float, device, difference] = paired.figure(|report| report.mean_confidence);
        assert!((device.mean - float.mean - difference.mean).abs() < 1e-12);
        assert!(float.mean > 0.1 && float.mean < 1.0);
    }

    #[test]
    fn shades_beyond_black_and_white_are_those() {
        let table = images(&[vec![-0.5, 1.0], vec![3.0, 2.0]], 2.0).unwrap();
        assert_eq!(table.values(), [0.0, 0.5, 1.0, 1.0]);
        assert!(images(&[], 1.0).is_err());
    }
}
