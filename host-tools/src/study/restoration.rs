//! Restoration of the digits: linear estimates, the mean-shift prior and the autoencoding prior.
//!
//! Held-out digits are blurred (Gaussian, one pixel, 5x5, black beyond the edge) with noise, or lose their right half. Each
//! problem has a denoiser of its own level of noise, chosen by measurement. The mean-shift prior runs in f64 and in the
//! device's integers with the quantised denoiser; the autoencoding prior takes gradients through the denoiser and runs on
//! the host only.

use std::fmt;

use anyhow::Result;
use autodidact::model::Task;
use serde::Serialize;

use crate::data::{DIGIT_MAX, Scaling, Table, digits};
use crate::oracle;
use crate::quantize::{self, Calibration, DeviceNetwork};
use crate::restoration::{
    Damage, DenoiserScore, DescentOptions, Problem, Quality, Scale, descend, linear, mean_shift,
};
use crate::train::dae::{self, DaeOptions};
use crate::train::device::TrainingDevice;
use crate::train::prior::AutoencodingPrior;
use crate::train::random::add_noise;

/// The seed of the noise on what is restored.
const SEED: u64 = 1;

/// A problem as the study poses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posed {
    /// What it is called.
    pub name: &'static str,
    /// Standard deviation of the blur in pixels; 0 when the right half is missing.
    pub blur: f64,
    /// Standard deviation of the noise on what is seen.
    pub noise: f64,
    /// Level of the denoiser, by measurement.
    pub sigma: f64,
    /// Noise on the prior's input, in levels.
    pub jitter: f64,
    /// Epochs of the denoiser; where half an image is to be guessed, a longer training run remembers too much.
    pub epochs: usize,
    /// What the linear estimate of an independent implementation reaches: dB, or the mean squared error of what is missing.
    pub reference: f64,
}

/// The problems.
pub const PROBLEMS: [Posed; 3] = [
    Posed {
        name: "deblur, noise 0.01",
        blur: 1.0,
        noise: 0.01,
        sigma: 0.1,
        jitter: 1.0,
        epochs: 1200,
        reference: 21.46,
    },
    Posed {
        name: "deblur, noise 0.05",
        blur: 1.0,
        noise: 0.05,
        sigma: 0.15,
        jitter: 1.0,
        epochs: 1200,
        reference: 17.44,
    },
    Posed {
        name: "inpaint the right half",
        blur: 0.0,
        noise: 0.0,
        sigma: 0.4,
        jitter: 0.0,
        epochs: 350,
        reference: 0.0566,
    },
];

/// Figures of a problem: the peak signal-to-noise ratio in dB for blurs, the mean squared error over what was missing
/// otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// What it is called.
    pub name: &'static str,
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
            "{:<24} {:>8} {:>8} {:>10} {:>10} {:>8} {:>8} {:>8}",
            "problem", "damaged", "linear", "reference", "mean shift", "device", "blind", "DAEP"
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
            "{:<24} {a:>8} {b:>8} {c:>10} {d:>10} {e:>8} {g:>8} {h:>8}",
            self.name
        )
    }
}

/// A problem, its images, and the denoiser for it.
pub struct Bench {
    /// Clean held-out digits.
    pub clean: Table,
    /// As they were seen.
    pub damaged: Table,
    /// How.
    pub problem: Problem,
    /// Training digits.
    pub training: Table,
    /// The denoiser in integers.
    pub denoiser: DeviceNetwork,
    network: crate::train::model::DenseStack,
}

/// Trains the denoiser for a problem; `quick` takes 200 epochs, and a quarter of the held-out digits.
///
/// # Errors
///
/// Training fails.
pub fn bench(posed: &Posed, quick: bool, device: &TrainingDevice) -> Result<Bench> {
    let split = digits()?.scaled(1.0 / DIGIT_MAX)?.split_held_out()?;
    let standardiser = Scaling::Uniform.fit(&split.training)?;
    let features = standardiser.transform(&split.training)?;
    let sigma = standardiser.noise_in_features(posed.sigma);
    let options = DaeOptions {
        sigma: sigma.clone(),
        epochs: if quick { 200 } else { posed.epochs },
        ..DaeOptions::default()
    };
    let network = dae::fit(&options.check()?, &features, device, &mut |_| {})?;
    let noisy = add_noise(&features, &sigma, SEED)?;
    let calibration = Calibration { features: &noisy };
    let quantised = quantize::network(&network, Task::Denoiser, None, calibration)?;
    let clean = if quick {
        split.held_out.split_held_out()?.held_out
    } else {
        split.held_out
    };
    let damage = if posed.blur > 0.0 {
        Damage::gaussian(posed.blur, [8, 8])?
    } else {
        Damage::Unknown((0..64).map(|at| at % 8 < 4).collect())
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
        training: split.training,
        denoiser: DeviceNetwork::new(quantised),
        network,
    })
}

impl Bench {
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
        let options = DescentOptions {
            jitter: posed.jitter,
            ..DescentOptions::default()
        };
        let blind = DescentOptions {
            blind: true,
            ..options
        };
        let network = self.denoiser.network()?;
        let level = posed.sigma / self.problem.scale.std;
        let integers = |options: &DescentOptions| {
            let mut score = DenoiserScore::new(&network, level)?;
            mean_shift(&self.problem, &mut score, 0, &self.damaged, options)
        };
        let d = self.clean.width();
        let mut shift = |x: &[f32]| {
            let pull = x.chunks(d).flat_map(|x| {
                let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
                let clean = oracle::forward(&self.network, &x);
                x.into_iter().zip(clean).map(|(x, a)| (x - a) as f32)
            });
            Ok(pull.collect())
        };
        let through = AutoencodingPrior::new(&self.network, device)?;
        let mut through = |x: &[f32]| through.gradient(x);
        let host = |prior: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>>| {
            descend(&self.problem, posed.sigma, &self.damaged, &options, prior)
        };
        Ok(Figures {
            name: posed.name,
            decibels,
            damaged: figure(&self.damaged),
            linear: figure(&linear(&self.problem, &self.training, &self.damaged)?),
            reference: posed.reference,
            mean_shift: figure(&host(&mut shift)?),
            device: figure(&integers(&options)?),
            blind: figure(&integers(&blind)?),
            autoencoding: figure(&host(&mut through)?),
        })
    }
}

/// Figures of all problems, one after the other.
///
/// # Errors
///
/// Training or restoration fails.
pub fn run(quick: bool, device: &TrainingDevice) -> Result<Vec<Figures>> {
    PROBLEMS
        .iter()
        .map(|posed| bench(posed, quick, device)?.figures(posed, device))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_restores_better_than_the_linear_estimate() {
        let device = TrainingDevice::cpu();
        // The second blur and the missing half: the first needs a denoiser trained for longer.
        for posed in &PROBLEMS[1..] {
            let found = bench(posed, true, &device)
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
