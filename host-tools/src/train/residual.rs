//! Residual denoisers: networks that compute what is to be added to their input.
//!
//! `A(x~) = x~ + R(x~)` is trained to give back the row that x~ was made of. Under little noise most of a row is right
//! already, and R has only the difference to learn (K. Zhang et al., *Beyond a Gaussian denoiser: residual learning of
//! deep CNN for image denoising*, 2017). R is a stack of dense layers, or of convolutions on three scales joined by sums
//! (O. Ronneberger et al., *U-net*, 2015, with sums in place of concatenations).

use std::path::PathBuf;

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::{
    Progress,
    checkpoint::Checkpoint,
    corruption::Corruption,
    device::TrainingDevice,
    epochs::{Decay, Epochs, Training, check_descent, check_epochs, gather},
    graph_net::{Descent, Examples, GraphTrainer},
    limits::{check_channels, check_weights, check_widths},
    model::{Activation, Conditioning, GraphNet},
    random::generator,
};
use crate::data::Table;

/// What computes the difference.
#[derive(Clone, Debug, PartialEq)]
pub enum ResidualShape {
    /// Dense layers of these widths.
    Dense(Vec<usize>),
    /// 3x3 convolutions of grey images: so many channels at full size, twice as many at half size and four times as
    /// many at a quarter of it.
    Conv {
        /// Channels at full size.
        channels: usize,
        /// Rows and columns of pixels, both multiples of four.
        image: [usize; 2],
        /// Units of a dense layer that sees the whole image and guesses at it, which convolutions then refine; 0 for
        /// none.
        guess: usize,
    },
}

/// What to train; [`ResidualOptions::check`] makes it a [`ResidualConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualOptions {
    /// What computes the difference.
    pub shape: ResidualShape,
    /// Behind every hidden layer.
    pub activation: Activation,
    /// What is done to every row, anew in every epoch.
    pub corruption: Corruption,
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
    /// Share that the average of the parameters keeps at a step; 0 for the last parameters themselves.
    pub average: f32,
    /// Fixes weights, noise and the order of the rows.
    pub seed: u64,
    /// File to write the run to on the way, and to go on from if there is one.
    pub checkpoint: Option<PathBuf>,
}

impl Default for ResidualOptions {
    fn default() -> Self {
        Self {
            shape: ResidualShape::Dense(vec![256, 256]),
            activation: Activation::Relu,
            corruption: Corruption::None,
            epochs: 400,
            batch: 128,
            learning_rate: 2e-3,
            decay: Decay::Cosine,
            weight_decay: 0.0,
            average: 0.0,
            seed: 0,
            checkpoint: None,
        }
    }
}

impl ResidualOptions {
    /// What suits a shape: convolutions have few parameters, each of which has a gradient of every pixel, and take
    /// smaller batches and the average of the last parameters.
    #[must_use]
    pub fn of_shape(shape: ResidualShape) -> Self {
        let defaults = Self::default();
        match shape {
            ResidualShape::Dense(_) => Self { shape, ..defaults },
            ResidualShape::Conv { .. } => Self {
                shape,
                epochs: 40,
                batch: 32,
                learning_rate: 3e-3,
                average: 0.99,
                ..defaults
            },
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualConfig(ResidualOptions);

impl ResidualOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// A layer without width or channels; images whose sides are no multiples of four; no epoch; an empty batch; a
    /// learning rate that is not positive; negative weight decay; an average outside 0 to 1; a corruption that is none.
    pub fn check(self) -> Result<ResidualConfig> {
        match &self.shape {
            ResidualShape::Dense(hidden) => check_widths(hidden)?,
            ResidualShape::Conv {
                channels,
                image,
                guess,
            } => {
                // At a quarter of the size there are four times as many, of a sixteenth of the pixels.
                let pixels = image[0].saturating_mul(image[1]);
                check_channels(*channels, pixels)?;
                check_channels(channels * 4, pixels / 16)?;
                if *guess > 0 {
                    check_weights(&[pixels, *guess, pixels])?;
                }
                ensure!(
                    image.iter().all(|&side| side > 0 && side.is_multiple_of(4)),
                    "images of {} rows and {} columns cannot be halved twice; pad them to multiples of 4",
                    image[0],
                    image[1]
                );
            }
        }
        check_epochs(self.epochs)?;
        check_descent(self.batch, self.learning_rate, self.weight_decay)?;
        ensure!(
            (0.0..1.0).contains(&self.average),
            "the average keeps {}; give a number of at least 0 and below 1",
            self.average
        );
        self.corruption.check()?;
        Ok(ResidualConfig(self))
    }
}

impl ResidualConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &ResidualOptions {
        &self.0
    }

    /// The network for rows of `width` columns, its weights drawn. What is added starts at zero: before training
    /// `A(x) = x`, or what a filter of one pixel makes of it.
    fn net(&self, width: usize) -> Result<GraphNet> {
        let act = self.0.activation;
        let none = Conditioning::None;
        // Layers that start at zero, and the linear filter of a convolutional network.
        let (mut small, mut filter) = (Vec::new(), None);
        let mut net = match &self.0.shape {
            ResidualShape::Dense(hidden) => {
                check_weights(&[&[width], &**hidden, &[width]].concat())?;
                let mut net = GraphNet::new([1, 1, width], 1);
                let mut value = 0;
                for &units in hidden {
                    value = net.dense(value, [1, 1, units], act, none);
                }
                let last = net.dense(value, [1, 1, width], Activation::Identity, none);
                small.push(last);
                net.sum(0, last);
                net
            }
            ResidualShape::Conv {
                channels,
                image,
                guess,
            } => {
                let [height, columns] = *image;
                ensure!(
                    height * columns == width,
                    "{width} columns are no images of {height} rows and {columns} columns"
                );
                let mut net = GraphNet::new([height, columns, 1], 1);
                // What a linear filter and the dense layer make of the whole image.
                let mut start = net.conv3x3(0, 1, 1, Activation::Identity, none);
                let mut full = net.conv3x3(0, *channels, 1, act, none);
                if *guess > 0 {
                    let seen = net.dense(0, [1, 1, *guess], act, none);
                    let image = net.shape(0);
                    let guessed = net.dense(seen, image, Activation::Identity, none);
                    small.push(guessed);
                    start = net.sum(start, guessed);
                    let more = net.conv3x3(start, *channels, 1, act, none);
                    full = net.sum(full, more);
                }
                let half = net.conv3x3(full, 2 * channels, 2, act, none);
                let more = net.conv3x3(half, 2 * channels, 1, act, none);
                let half = net.sum(half, more);
                let quarter = net.conv3x3(half, 4 * channels, 2, act, none);
                let more = net.conv3x3(quarter, 4 * channels, 1, act, none);
                let quarter = net.sum(quarter, more);
                let up = net.conv3x3(quarter, 2 * channels, 1, act, none);
                let up = net.upsample(up);
                let half = net.sum(half, up);
                let half = net.conv3x3(half, 2 * channels, 1, act, none);
                let up = net.conv3x3(half, *channels, 1, act, none);
                let up = net.upsample(up);
                let full = net.sum(full, up);
                let last = net.conv3x3(full, 1, 1, Activation::Identity, none);
                small.push(last);
                net.sum(start, last);
                filter = Some(1);
                net
            }
        };
        net.initialise(&mut generator(self.0.seed, 0));
        for value in small {
            net.ops[value - 1].weights.fill(0.0);
        }
        if let Some(value) = filter {
            // The centre of the window, by what a share of the noise that is as large as the data leaves right.
            let weights = &mut net.ops[value - 1].weights;
            weights.fill(0.0);
            weights[4] = self.0.corruption.signal();
        }
        Ok(net)
    }
}

/// Trains a denoiser on a table of features; `progress` is called after each epoch.
///
/// # Errors
///
/// A corruption of another number of columns; columns that are no images of the network's size; training that diverges
/// (named with the learning rate); a checkpoint that cannot be written, or is of another run or damaged; the training
/// device fails.
pub fn fit(
    config: &ResidualConfig,
    features: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<GraphNet> {
    let options = config.options();
    let width = features.width();
    options.corruption.check_width(features)?;
    let descent = Descent {
        weight_decay: options.weight_decay,
        average: options.average,
    };
    let mut trainer = GraphTrainer::new(&config.net(width)?, descent, device)?;
    let same = ResidualOptions {
        checkpoint: None,
        ..options.clone()
    };
    let checkpoint = options.checkpoint.as_deref();
    let training = Training {
        net: &mut trainer,
        noise: generator(options.seed, 2),
        checkpoint: checkpoint
            .map(|path| Checkpoint::new(path, "residual denoiser", &same, features)),
    };
    let run = Epochs {
        epochs: options.epochs,
        batch: options.batch,
        learning_rate: options.learning_rate,
        decay: options.decay,
        order: generator(options.seed, 1),
        phase: "",
    };
    let update = |net: &mut GraphTrainer, noise: &mut ChaCha8Rng, batch: &[usize], rate| {
        let clean = gather(features, batch);
        let examples = Examples {
            inputs: options.corruption.apply(&clean, noise),
            targets: clean,
            levels: Vec::new(),
        };
        net.descend(&examples, rate)
    };
    run.go_on(features.rows(), training, progress, update)?;
    trainer.download()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, Scaling, Standardiser, digits};
    use crate::oracle;

    fn digit_features() -> ([Table; 2], Standardiser) {
        let split = digits()
            .and_then(|data| data.scaled(1.0 / DIGIT_MAX)?.split_held_out())
            .unwrap();
        let scaling = Scaling::Uniform.fit(&split.training).unwrap();
        let features = [&split.training, &split.held_out].map(|r| scaling.transform(r).unwrap());
        (features, scaling)
    }

    fn conv(guess: usize) -> ResidualShape {
        ResidualShape::Conv {
            channels: 4,
            image: [8, 8],
            guess,
        }
    }

    /// Mean squared errors of damaged and of restored rows.
    fn errors(net: &GraphNet, rows: &Table, corruption: &Corruption) -> [f64; 2] {
        let wide = |rows: &[f32]| rows.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let damaged = corruption.damage(rows, &mut generator(9, 0)).unwrap();
        let restored = oracle::graph_forward(net, 0, &wide(damaged.values()));
        let clean = wide(rows.values());
        [wide(damaged.values()), restored].map(|x| oracle::mean_squared_error(&clean, &x))
    }

    #[test]
    fn before_training_a_network_passes_its_input_on() {
        let (features, scaling) = digit_features();
        let row: Vec<f64> = features[1]
            .row(3)
            .unwrap()
            .iter()
            .map(|&x| x.into())
            .collect();
        // Noise as strong as the data: half of what is seen is right.
        let corruption = Corruption::Gaussian {
            sigma: scaling.noise_in_features(scaling.std[0]),
        };
        for (shape, share) in [
            (ResidualShape::Dense(vec![16]), 1.0),
            (conv(0), 0.5),
            (conv(12), 0.5),
        ] {
            let options = ResidualOptions {
                corruption: corruption.clone(),
                ..ResidualOptions::of_shape(shape)
            };
            let net = options.check().unwrap().net(64).unwrap();
            net.check().unwrap();
            for (x, y) in row.iter().zip(oracle::graph_forward(&net, 0, &row)) {
                assert!((share * x - y).abs() < 1e-6, "{x} {y}");
            }
        }
    }

    #[test]
    fn every_shape_learns_to_undo_every_corruption() {
        let (features, scaling) = digit_features();
        let low = |value: f32| -> Vec<f32> {
            let columns = scaling.mean.iter().zip(&scaling.std);
            columns
                .map(|(mean, std)| ((f64::from(value) - mean) / std) as f32)
                .collect()
        };
        // The share of the damage that may be left after a short training run; what is masked can only be guessed.
        for (left, shape, corruption) in [
            (
                0.6,
                ResidualShape::Dense(vec![64]),
                Corruption::Gaussian {
                    sigma: scaling.noise_in_features(0.25),
                },
            ),
            (
                0.9,
                conv(0),
                Corruption::Masking {
                    probability: 0.3,
                    values: vec![0.0; 64],
                },
            ),
            (
                0.6,
                conv(24),
                Corruption::SaltAndPepper {
                    probability: 0.3,
                    low: low(0.0),
                    high: low(1.0),
                },
            ),
        ] {
            let options = ResidualOptions {
                corruption: corruption.clone(),
                epochs: 15,
                ..ResidualOptions::of_shape(shape)
            };
            let mut losses = Vec::new();
            let net = fit(
                &options.check().unwrap(),
                &features[0],
                &TrainingDevice::cpu(),
                &mut |progress| losses.push(progress.loss),
            )
            .unwrap();
            assert!(losses[14] < 0.9 * losses[0], "{losses:?}");
            let [before, after] = errors(&net, &features[1], &corruption);
            assert!(after < left * before, "{corruption:?}: {before} {after}");
        }
    }

    #[test]
    fn wrong_options_are_one_clear_sentence() {
        let message = |change: fn(&mut ResidualOptions)| {
            let mut options = ResidualOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(
            message(|o| o.shape = ResidualShape::Dense(vec![0])),
            "a layer has width 0; give at least 1"
        );
        assert_eq!(
            message(|o| {
                o.shape = ResidualShape::Conv {
                    channels: 4,
                    image: [10, 8],
                    guess: 0,
                }
            }),
            "images of 10 rows and 8 columns cannot be halved twice; pad them to multiples of 4"
        );
        assert_eq!(
            message(|o| o.average = 1.0),
            "the average keeps 1; give a number of at least 0 and below 1"
        );
    }
}
