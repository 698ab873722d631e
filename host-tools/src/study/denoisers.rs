//! Denoising autoencoders on images that training never saw, in f32 and on the device, beside the best linear filter.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use autodidact::kernels::Order;
use autodidact::model::{Model, Task};
use serde::Serialize;

use super::recipe::{Images, Recipe, Shape};
use crate::data::{Scaling, Split};
use crate::evaluate::{self, FloatPart, PartReport, Units};
use crate::quantize::AlignedBytes;
use crate::replay;
use crate::restoration::{Damage, Problem, Scale, linear};
use crate::train::Progress;
use crate::train::device::TrainingDevice;

/// A denoiser as the study poses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posed {
    /// Which images.
    pub images: Images,
    /// How it is made.
    pub recipe: Recipe,
    /// Decibels that it has to reach on the device.
    pub bar: f64,
    /// Decibels that the device may lose.
    pub loss: f64,
}

/// Two hidden layers that start from small weights.
const DIGITS: Recipe = Recipe {
    shape: Shape::Dense([256, 256]),
    sigma: 0.25,
    epochs: 400,
    batch: 64,
    learning_rate: 2e-3,
    gain: 0.2,
};

/// The denoisers.
pub const DENOISERS: [Posed; 4] = [
    Posed {
        images: Images::Digits,
        recipe: Recipe {
            shape: Shape::Residual([256, 256]),
            sigma: 0.1,
            ..DIGITS
        },
        bar: 24.0,
        loss: 0.10,
    },
    Posed {
        images: Images::Digits,
        recipe: DIGITS,
        bar: 18.9,
        loss: 0.10,
    },
    Posed {
        images: Images::Digits,
        recipe: Recipe {
            sigma: 0.5,
            batch: 32,
            learning_rate: 1e-3,
            ..DIGITS
        },
        bar: 15.4,
        loss: 0.10,
    },
    Posed {
        images: Images::Mnist,
        recipe: Recipe {
            shape: Shape::Conv {
                channels: 8,
                guess: 64,
            },
            sigma: 0.5,
            epochs: 36,
            batch: 32,
            learning_rate: 3e-3,
            gain: 1.0,
        },
        bar: 19.5,
        loss: 0.15,
    },
];

/// What a denoiser is worth: peak signal-to-noise ratios in dB on held-out images, clipped to the range of shades.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Which images.
    pub images: Images,
    /// Standard deviation of the noise.
    pub sigma: f64,
    /// What the network is.
    pub network: String,
    /// Of the best linear filter.
    pub linear: f64,
    /// Of the network in f32.
    pub host: f64,
    /// Of the network in the device's integers.
    pub device: f64,
    /// What the device has to reach.
    pub bar: f64,
    /// What it may lose.
    pub loss: f64,
    /// Bytes of the container.
    pub flash: usize,
    /// Bytes of RAM: the network's workspace.
    pub workspace: usize,
    /// Multiply-accumulates of an image.
    pub macs: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
}

impl Figures {
    /// The heading over printed figures.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:<7} {:>5} {:<17} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8}",
            "images",
            "sigma",
            "network",
            "linear",
            "f32",
            "device",
            "bar",
            "flash",
            "workspace",
            "MACs",
            "seconds"
        )
    }

    /// Whether the device reaches the bar, and loses no more than it may.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.device >= self.bar && self.host - self.device <= self.loss
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.reached() { "" } else { "  missed" };
        write!(
            f,
            "{:<7} {:>5} {:<17} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9} {:>9} {:>9} {:>8.0}{mark}",
            self.images.name(),
            self.sigma,
            self.network,
            self.linear,
            self.host,
            self.device,
            self.bar,
            self.flash,
            self.workspace,
            self.macs,
            self.seconds
        )
    }
}

/// Trains and judges a denoiser; also gives its container. `quick` takes a tenth of the epochs; `folder` holds
/// `mnist/`, where it is one of MNIST.
///
/// # Errors
///
/// MNIST is missing; training fails.
pub fn measure(
    posed: &Posed,
    folder: Option<&Path>,
    quick: bool,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Figures, AlignedBytes)> {
    let Split { training, held_out } = posed.images.read(folder)?;
    let standardiser = Scaling::Uniform.fit(&training)?;
    let features = standardiser.transform(&training)?;
    let mut recipe = posed.recipe;
    if quick {
        recipe.epochs = recipe.epochs.div_ceil(10);
    }
    let start = Instant::now();
    let network = recipe.train(&standardiser, &features, device, progress)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = recipe.container(&network, &standardiser, &features, Order::Quads)?;
    let model = Model::load(&bytes)?;
    let (graph, _) = model
        .graph("denoiser")
        .context("the container has no denoiser")?;
    let units = Units::of(&model)?;
    let psnr = |report: Option<&PartReport>| {
        let figure = report.and_then(|report| report.figure("psnr_db"));
        figure.context("there is no figure of the denoiser")
    };
    let on_device =
        evaluate::evaluate(&model, &held_out, &|counts| replay::replay(&model, counts))?;
    let part = model.parts().next().context("the container has no part")?;
    let float = FloatPart::Graph(&network, Task::Denoiser);
    let outcomes = evaluate::float_outcomes(float, &units, &held_out)?;
    let host = evaluate::figures(&part, &units, &held_out, &outcomes)?;
    let problem = Problem {
        damage: Damage::None,
        noise: recipe.sigma,
        scale: Scale::of_standardiser(&standardiser)?,
    };
    let noisy = units.noisy(&held_out)?;
    let filtered = linear(&problem, &training, &noisy)?;
    let figures = Figures {
        images: posed.images,
        sigma: recipe.sigma,
        network: match recipe.shape {
            Shape::Dense([a, b]) => format!("dense {a}-{b}"),
            Shape::Residual([a, b]) => format!("residual {a}-{b}"),
            Shape::Conv { channels, guess } => format!("conv {channels}, {guess}"),
        },
        linear: problem.quality(&held_out, &filtered).psnr,
        host: psnr(Some(&host))?,
        device: psnr(on_device.first())?,
        bar: posed.bar,
        loss: posed.loss,
        flash: bytes.len(),
        workspace: graph.workspace_bytes(),
        macs: graph.macs(),
        seconds,
    };
    Ok((figures, bytes.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_training_beats_the_linear_filter_and_the_device_loses_nothing_that_shows() {
        let device = TrainingDevice::cpu();
        // Noise of 0.1 and of 0.5: a residual network and a plain one, 40 epochs each.
        for posed in [&DENOISERS[0], &DENOISERS[2]] {
            let (found, _) = measure(posed, None, true, &device, &mut |_| {}).unwrap();
            assert!(found.device > found.linear, "{found}");
            assert!((found.host - found.device).abs() < posed.loss, "{found}");
        }
    }

    #[test]
    fn mnist_without_a_folder_is_one_clear_sentence() {
        let device = TrainingDevice::cpu();
        let error = measure(&DENOISERS[3], None, true, &device, &mut |_| {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            "MNIST is needed: give --data FOLDER with the folder mnist/ in it"
        );
    }
}
