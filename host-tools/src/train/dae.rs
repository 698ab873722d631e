//! Autoencoders and denoising autoencoders of dense layers.
//!
//! The network maps a damaged row to the row itself: every row is damaged anew in every epoch, and the mean
//! squared error is minimised by Adam (AdamW where weights decay) with a rate that falls to zero. Without
//! damage it is a plain autoencoder, which then needs a hidden layer narrower than its input to learn
//! anything.
//!
//! P. Vincent et al., *Stacked denoising autoencoders*, JMLR 11, 2010; D. Kingma and J. Ba, *Adam*, 2015;
//! I. Loshchilov and F. Hutter, *Decoupled weight decay regularization*, 2019.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::{
    Progress,
    checkpoint::Checkpoint,
    corruption::Corruption,
    dense_net::DenseNet,
    device::TrainingDevice,
    epochs::{Epochs, Training, check_descent, check_epochs, gather},
    limits::{check_weights, check_widths},
    model::{Activation, DenseStack},
    random::generator,
};
use crate::data::Table;

pub use super::epochs::Decay;

/// What to train; [`DaeOptions::check`] makes it a [`DaeConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct DaeOptions {
    /// Widths of the hidden layers; input and output are as wide as the data.
    pub hidden: Vec<usize>,
    /// Behind every hidden layer.
    pub hidden_activation: Activation,
    /// Behind the last layer; [`Activation::Identity`] for standardised features.
    pub output_activation: Activation,
    /// What is done to every row, in features: of noise in data units the standard deviation is
    /// [`Standardiser::noise_in_features`](crate::data::Standardiser::noise_in_features).
    pub corruption: Corruption,
    /// Factor of the weights that training starts from. Small ones make a network that learns features rather than
    /// one that combines random ones; strong noise needs that.
    pub gain: f32,
    /// How often every row is seen.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// How the learning rate falls.
    pub decay: Decay,
    /// Decoupled weight decay (AdamW); 0 is plain Adam.
    pub weight_decay: f32,
    /// Fixes weights, noise and the order of the rows.
    pub seed: u64,
    /// File to write the run to on the way, and to go on from if there is one.
    pub checkpoint: Option<PathBuf>,
}

impl Default for DaeOptions {
    fn default() -> Self {
        Self {
            hidden: vec![128, 128],
            hidden_activation: Activation::Relu,
            output_activation: Activation::Identity,
            corruption: Corruption::None,
            gain: 1.0,
            epochs: 1200,
            batch: 128,
            learning_rate: 4e-3,
            decay: Decay::Cosine,
            weight_decay: 0.0,
            seed: 0,
            checkpoint: None,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct DaeConfig(DaeOptions);

impl DaeOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// A hidden layer of width 0; no epoch; an empty batch; a learning rate that is not positive; noise or
    /// weight decay that is negative or not finite; a probability outside 0 to 1; initial weights
    /// of 0.
    pub fn check(self) -> Result<DaeConfig> {
        check_widths(&self.hidden)?;
        check_epochs(self.epochs)?;
        check_descent(self.batch, self.learning_rate, self.weight_decay)?;
        ensure!(
            self.gain.is_finite() && self.gain > 0.0,
            "the gain of the initial weights is {}; give a number above 0",
            self.gain
        );
        self.corruption.check()?;
        Ok(DaeConfig(self))
    }
}

impl DaeConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &DaeOptions {
        &self.0
    }
}

/// Trains a network on a table of features; `progress` is called after each epoch.
///
/// # Errors
///
/// A corruption of another number of columns; training that diverges (named with the learning rate);
/// a checkpoint that cannot be written, or is of another run or damaged; the training device fails.
pub fn fit(
    config: &DaeConfig,
    features: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let options = config.options();
    let width = features.width();
    options.corruption.check_width(features)?;
    let widths: Vec<usize> = std::iter::once(width)
        .chain(options.hidden.iter().copied())
        .chain(std::iter::once(width))
        .collect();
    check_weights(&widths)?;
    let mut activations = vec![options.hidden_activation; options.hidden.len()];
    activations.push(options.output_activation);
    let mut net = DenseNet::new(
        &widths,
        &activations,
        options.weight_decay,
        &mut generator(options.seed, 0),
        &device.device,
    );
    if options.gain != 1.0 {
        let mut start = net.download()?;
        for weight in start.layers.iter_mut().flat_map(|layer| &mut layer.weights) {
            *weight *= options.gain;
        }
        net = DenseNet::from_stack(&start, options.weight_decay, &device.device);
    }
    let same = DaeOptions {
        checkpoint: None,
        ..options.clone()
    };
    let checkpoint = options.checkpoint.as_deref();
    let training = Training {
        net: &mut net,
        noise: generator(options.seed, 2),
        checkpoint: checkpoint.map(|path| Checkpoint::new(path, "denoiser", &same, features)),
    };
    let run = Epochs {
        epochs: options.epochs,
        batch: options.batch,
        learning_rate: options.learning_rate,
        decay: options.decay,
        order: generator(options.seed, 1),
        phase: "",
    };
    let update = |net: &mut DenseNet, noise: &mut ChaCha8Rng, batch: &[usize], rate| {
        let clean = gather(features, batch);
        let damaged = options.corruption.apply(&clean, noise);
        let loss = net.loss(damaged, clean);
        net.descend(&loss, rate)?;
        Ok(loss.inner())
    };
    run.go_on(features.rows(), training, progress, update)?;
    net.download()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::{DIGIT_MAX, Scaling, Standardiser, digits},
        oracle,
        train::random::{add_noise, normal},
    };

    /// Training rows of the digits in [0, 1], held-out rows, and their scaling.
    fn digit_rows() -> (Table, Table, Standardiser) {
        let data = digits().unwrap().scaled(1.0 / DIGIT_MAX).unwrap();
        let split = data.split_held_out().unwrap();
        let scaling = Scaling::Uniform.fit(&split.training).unwrap();
        (split.training, split.held_out, scaling)
    }

    fn train(options: DaeOptions, features: &Table) -> Result<(DenseStack, Vec<f64>)> {
        let mut losses = Vec::new();
        let network = fit(
            &options.check()?,
            features,
            &TrainingDevice::cpu(),
            &mut |progress| losses.push(progress.loss),
        )?;
        Ok((network, losses))
    }

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&value| f64::from(value)).collect()
    }

    #[test]
    fn a_short_training_run_beats_the_best_linear_filter_on_held_out_digits() {
        let (training, held_out, scaling) = digit_rows();
        let options = DaeOptions {
            hidden: vec![64, 64],
            epochs: 100,
            learning_rate: 5e-3,
            corruption: Corruption::Gaussian {
                sigma: scaling.noise_in_features(0.25),
            },
            ..DaeOptions::default()
        };
        let features = scaling.transform(&training).unwrap();
        let (network, losses) = train(options, &features).unwrap();
        assert_eq!(losses.len(), 100);
        assert!(losses[99] < 0.5 * losses[0]);

        let noisy = add_noise(&held_out, &[0.25; 64], 1).unwrap();
        let outputs: Vec<f64> = scaling
            .transform(&noisy)
            .unwrap()
            .iter_rows()
            .flat_map(|row| oracle::forward(&network, &wide(row)))
            .zip(scaling.mean.iter().zip(&scaling.std).cycle())
            .map(|(feature, (mean, std))| (feature * std + mean).clamp(0.0, 1.0))
            .collect();
        let psnr = oracle::psnr_db(&wide(held_out.values()), &outputs, 1.0);
        // The clipped linear minimum-mean-square-error filter reaches 17.45 dB.
        assert!(psnr > 17.6, "{psnr}");
    }

    #[test]
    fn a_plain_autoencoder_learns_a_plane() {
        // Rows on a plane through the origin of three dimensions: a code of two loses nothing.
        let mut draws = generator(2, 0);
        let values = (0..200)
            .flat_map(|_| {
                let (a, b) = (normal(&mut draws), normal(&mut draws));
                [a, b, 0.5 * a - b]
            })
            .collect();
        let data = Table::new("made", Table::numbered_columns(3), values).unwrap();
        let options = DaeOptions {
            hidden: vec![2],
            hidden_activation: Activation::Identity,
            epochs: 300,
            batch: 50,
            learning_rate: 1e-2,
            ..DaeOptions::default()
        };
        let (_, losses) = train(options, &data).unwrap();
        assert!(losses[299] < 1e-3 * losses[0], "{}", losses[299]);
    }

    #[test]
    fn a_seed_fixes_the_network_to_the_last_bit() {
        let (training, _, scaling) = digit_rows();
        let features = scaling.transform(&training).unwrap();
        let options = DaeOptions {
            hidden: vec![48],
            epochs: 3,
            corruption: Corruption::Gaussian {
                sigma: scaling.noise_in_features(0.25),
            },
            seed: 9,
            ..DaeOptions::default()
        };
        let once = train(options.clone(), &features).unwrap();
        assert_eq!(once, train(options.clone(), &features).unwrap());
        let other = DaeOptions {
            seed: 10,
            ..options
        };
        assert_ne!(once.0, train(other, &features).unwrap().0);
    }

    #[test]
    fn wrong_options_are_one_clear_sentence() {
        let data = Table::new("made.csv", Table::numbered_columns(1), vec![1e20, -1e20]).unwrap();
        let message = |change: fn(&mut DaeOptions)| {
            let mut options = DaeOptions {
                epochs: 1,
                ..DaeOptions::default()
            };
            change(&mut options);
            train(options, &data).map(|_| ()).unwrap_err().to_string()
        };
        for (change, expected) in [
            (
                (|o| o.hidden = vec![4, 0]) as fn(&mut DaeOptions),
                "a layer has width 0; give at least 1",
            ),
            (
                |o| o.epochs = 0,
                "the number of epochs is 0; give at least 1",
            ),
            (|o| o.batch = 0, "the batch size is 0; give at least 1"),
            (
                |o| o.learning_rate = f64::NAN,
                "the learning rate is NaN; give a number above 0",
            ),
            (
                |o| o.weight_decay = -1.0,
                "the weight decay is -1; give a number of at least 0",
            ),
            (
                |o| {
                    o.corruption = Corruption::Gaussian {
                        sigma: vec![f32::INFINITY],
                    }
                },
                "the noise level is inf; give a number from 0 to 100 standard deviations",
            ),
            (
                |o| {
                    o.corruption = Corruption::Gaussian {
                        sigma: vec![1.0, 1.0],
                    }
                },
                "made.csv has 1 columns but 2 noise levels were given; give one per column",
            ),
            (
                |o| o.learning_rate = 1e3,
                "training diverged in epoch 1; lower the learning rate, which is 1000",
            ),
        ] {
            assert_eq!(message(change), expected);
        }
    }
}
