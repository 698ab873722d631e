//! Restoration of digits: linear estimates, the mean-shift prior and the autoencoding prior.
//!
//! Images that training never saw, the bundled digits and MNIST's, are blurred (Gaussian, one pixel, 5x5, black beyond
//! the edge) with noise, or lose their right half. Each problem has a denoiser and settings of its own, chosen by
//! measurement. The mean-shift prior runs in f32 and in the device's integers with the quantised denoiser; the
//! autoencoding prior takes gradients through the denoiser and runs on the host only.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact::score::DenoiserScore;
use serde::Serialize;

use super::recipe::{Images, Recipe, Shape};
use crate::data::{Scaling, Split, Table};
use crate::quantize::AlignedBytes;
use crate::restoration::{
    Damage, DescentOptions, PriorGradient, Problem, Quality, Scale, descend, device_level, linear,
    mean_shift,
};
use crate::train::device::TrainingDevice;
use crate::train::model::GraphNet;
use crate::train::prior::AutoencodingPrior;

/// The seed of the noise on what is restored.
const SEED: u64 = 1;

/// MNIST's test images that are restored.
const TEST_IMAGES: usize = 200;

/// How a prior is followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walk {
    /// Noise on the prior's input, in levels.
    pub jitter: f64,
    /// Steps.
    pub steps: u16,
}

impl Walk {
    fn options(self, blind: bool) -> DescentOptions {
        DescentOptions {
            jitter: self.jitter,
            steps: self.steps,
            blind,
            ..DescentOptions::default()
        }
    }
}

/// A problem as the study poses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posed {
    /// What it is called.
    pub name: &'static str,
    /// Which images.
    pub images: Images,
    /// Standard deviation of the blur in pixels; 0 when the right half is missing.
    pub blur: f64,
    /// Standard deviation of the noise on what is seen.
    pub noise: f64,
    /// How the denoiser is made; where half an image is to be guessed, a longer training run remembers too much.
    pub recipe: Recipe,
    /// How the mean-shift prior is followed.
    pub mean_shift: Walk,
    /// How the autoencoding prior is followed.
    pub autoencoding: Walk,
    /// What the linear estimate of an independent implementation reaches: dB, or the mean squared error of what is missing.
    pub reference: f64,
}

/// As the papers' code walks.
const NOISY: Walk = Walk {
    jitter: 1.0,
    steps: 300,
};

/// Without noise.
const STILL: Walk = Walk {
    jitter: 0.0,
    steps: 300,
};

/// As the papers' code walks, but stopped early: convolutions know little of the whole image, and the data sharpen the
/// noise.
const SHORT: Walk = Walk {
    steps: 100,
    ..NOISY
};

/// With little noise: what a denoiser leaves as it is includes much that no image is.
const CALM: Walk = Walk {
    jitter: 0.3,
    steps: 300,
};

const DIGITS: Recipe = Recipe {
    shape: Shape::Dense([128, 128]),
    sigma: 0.1,
    epochs: 1200,
    batch: 128,
    learning_rate: 4e-3,
    gain: 1.0,
};

const MNIST: Recipe = Recipe {
    shape: Shape::Conv {
        channels: 8,
        guess: 0,
    },
    sigma: 0.05,
    epochs: 6,
    batch: 32,
    learning_rate: 3e-3,
    gain: 1.0,
};

/// The problems.
pub const PROBLEMS: [Posed; 6] = [
    Posed {
        name: "deblur, noise 0.01",
        images: Images::Digits,
        blur: 1.0,
        noise: 0.01,
        recipe: DIGITS,
        mean_shift: NOISY,
        autoencoding: NOISY,
        reference: 21.46,
    },
    Posed {
        name: "deblur, noise 0.05",
        images: Images::Digits,
        blur: 1.0,
        noise: 0.05,
        recipe: Recipe {
            sigma: 0.15,
            ..DIGITS
        },
        mean_shift: NOISY,
        autoencoding: NOISY,
        reference: 17.44,
    },
    Posed {
        name: "inpaint the right half",
        images: Images::Digits,
        blur: 0.0,
        noise: 0.0,
        recipe: Recipe {
            sigma: 0.4,
            epochs: 350,
            ..DIGITS
        },
        mean_shift: STILL,
        autoencoding: CALM,
        reference: 0.0566,
    },
    Posed {
        name: "deblur, noise 0.01",
        images: Images::Mnist,
        blur: 1.0,
        noise: 0.01,
        recipe: MNIST,
        mean_shift: SHORT,
        autoencoding: SHORT,
        reference: 25.14,
    },
    Posed {
        name: "deblur, noise 0.05",
        images: Images::Mnist,
        blur: 1.0,
        noise: 0.05,
        recipe: Recipe {
            sigma: 0.1,
            ..MNIST
        },
        mean_shift: SHORT,
        autoencoding: SHORT,
        reference: 21.74,
    },
    Posed {
        name: "inpaint the right half",
        images: Images::Mnist,
        blur: 0.0,
        noise: 0.0,
        recipe: Recipe {
            shape: Shape::Dense([256, 256]),
            sigma: 0.8,
            epochs: 40,
            batch: 64,
            learning_rate: 1e-3,
            gain: 0.2,
        },
        mean_shift: STILL,
        autoencoding: CALM,
        reference: 0.0451,
    },
];

/// Figures of a problem: the peak signal-to-noise ratio in dB for blurs, the mean squared error over what was missing
/// otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// What it is called.
    pub name: &'static str,
    /// Which images.
    pub images: Images,
    /// Whether the figures are decibels.
    pub decibels: bool,
    /// Before; missing pixels have their column's mean.
    pub damaged: f64,
    /// The best linear estimate.
    pub linear: f64,
    /// What the linear estimate reached elsewhere.
    pub reference: f64,
    /// The mean-shift prior, f32 denoiser.
    pub mean_shift: f64,
    /// The mean-shift prior in the device's integers, noise known.
    pub device: f64,
    /// The same, noise estimated on the way.
    pub blind: f64,
    /// The autoencoding prior, with gradients through the denoiser.
    pub autoencoding: f64,
}

impl Figures {
    /// The heading over printed figures.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:<7} {:<24} {:>8} {:>8} {:>10} {:>10} {:>8} {:>8} {:>8}",
            "images",
            "problem",
            "damaged",
            "linear",
            "reference",
            "mean shift",
            "device",
            "blind",
            "DAEP"
        )
    }

    /// Whether `figure` is better than the linear estimate, here and elsewhere.
    #[must_use]
    pub fn beats_linear(&self, figure: f64) -> bool {
        if self.decibels {
            figure > self.linear.max(self.reference)
        } else {
            figure < self.linear.min(self.reference)
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.decibels { 2 } else { 4 };
        let [a, b, c, d, e, g, h] = [
            self.damaged,
            self.linear,
            self.reference,
            self.mean_shift,
            self.device,
            self.blind,
            self.autoencoding,
        ]
        .map(|x| format!("{x:.digits$}"));
        write!(
            f,
            "{:<7} {:<24} {a:>8} {b:>8} {c:>10} {d:>10} {e:>8} {g:>8} {h:>8}",
            self.images.name(),
            self.name
        )
    }
}

/// A problem, its images, and the denoiser for it.
pub struct Bench {
    /// Clean images that training never saw.
    pub clean: Table,
    /// As they were seen.
    pub damaged: Table,
    /// How.
    pub problem: Problem,
    /// The denoiser in integers: a container with one part, `denoiser`.
    pub container: AlignedBytes,
    training: Table,
    network: GraphNet,
}

/// Trains the denoiser for a problem; `quick` takes 200 epochs, and a quarter of the images to restore. `folder` holds
/// `mnist/`, where the problem is one of MNIST.
///
/// # Errors
///
/// MNIST is missing; training fails.
pub fn bench(
    posed: &Posed,
    folder: Option<&Path>,
    quick: bool,
    device: &TrainingDevice,
) -> Result<Bench> {
    let Split { training, held_out } = posed.images.read(folder)?;
    let standardiser = Scaling::Uniform.fit(&training)?;
    let features = standardiser.transform(&training)?;
    let mut recipe = posed.recipe;
    if quick {
        recipe.epochs = recipe.epochs.min(200);
    }
    let network = recipe.train(&standardiser, &features, device, &mut |_| {})?;
    let container = recipe.container(&network, &standardiser, &features, Order::RowMajor)?;
    let clean = if quick {
        held_out.split_held_out()?.held_out
    } else {
        match posed.images {
            Images::Digits => held_out,
            Images::Mnist => held_out.first(TEST_IMAGES),
        }
    };
    let side = posed.images.side();
    let damage = if posed.blur > 0.0 {
        Damage::gaussian(posed.blur, [side, side])?
    } else {
        Damage::Unknown((0..side * side).map(|at| at % side < side / 2).collect())
    };
    let problem = Problem {
        damage,
        noise: posed.noise,
        scale: Scale::of_standardiser(&standardiser)?,
    };
    Ok(Bench {
        damaged: problem.damage(&clean, SEED)?,
        clean,
        problem,
        container,
        training,
        network,
    })
}

impl Bench {
    /// The denoiser in f32.
    #[must_use]
    pub fn network(&self) -> &GraphNet {
        &self.network
    }

    /// Restores in every way.
    ///
    /// # Errors
    ///
    /// A restoration fails.
    pub fn figures(&self, posed: &Posed, device: &TrainingDevice) -> Result<Figures> {
        let decibels = posed.blur > 0.0;
        let figure = |table: &Table| {
            let Quality { psnr, error } = self.problem.quality(&self.clean, table);
            if decibels { psnr } else { error }
        };
        let prior = AutoencodingPrior::of_graph(&self.network, device)?;
        let host = |walk: Walk, prior: &mut PriorGradient<'_>| {
            let options = walk.options(false);
            let sigma = posed.recipe.sigma;
            descend(&self.problem, sigma, &self.damaged, &options, prior)
        };
        Ok(Figures {
            name: posed.name,
            images: posed.images,
            decibels,
            damaged: figure(&self.damaged),
            linear: figure(&linear(&self.problem, &self.training, &self.damaged)?),
            reference: posed.reference,
            mean_shift: figure(&host(posed.mean_shift, &mut |noisy, x| {
                prior.shift(noisy, x)
            })?),
            device: figure(&self.by_device(posed, false)?),
            blind: figure(&self.by_device(posed, true)?),
            autoencoding: figure(&host(posed.autoencoding, &mut |noisy, x| {
                prior.gradient(noisy, x)
            })?),
        })
    }

    /// Restores by the mean-shift prior in the device's integers; `blind` if it is to estimate the noise.
    ///
    /// # Errors
    ///
    /// The restoration fails.
    pub fn by_device(&self, posed: &Posed, blind: bool) -> Result<Table> {
        let model = Model::load(&self.container)?;
        let (graph, _) = model
            .graph("denoiser")
            .context("the container has no denoiser")?;
        let level = posed.recipe.sigma / self.problem.scale.std;
        let mut workspace = vec![0; graph.workspace_bytes()];
        let mut features = vec![0; 2 * graph.inputs()];
        let sigma = device_level(level)?;
        let mut score = DenoiserScore::new(&graph, sigma, &mut workspace, &mut features)?;
        let options = posed.mean_shift.options(blind);
        mean_shift(&self.problem, &mut score, 0, &self.damaged, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_restores_better_than_the_linear_estimate() {
        let device = TrainingDevice::cpu();
        // The second blur and the missing half: the first needs a denoiser trained for longer.
        for posed in &PROBLEMS[1..3] {
            let found = bench(posed, None, true, &device)
                .unwrap()
                .figures(posed, &device)
                .unwrap();
            assert!(found.beats_linear(found.device), "{found}");
            assert!(found.beats_linear(found.mean_shift), "{found}");
            let lost = (found.device - found.mean_shift).abs();
            assert!(lost < if found.decibels { 0.3 } else { 0.005 }, "{found}");
        }
    }
}
