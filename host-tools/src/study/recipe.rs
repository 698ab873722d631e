//! What the studies of denoisers have in common: the images, how a denoiser is made, and its container.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use autodidact::kernels::Order;
use autodidact::model::Task;
use serde::Serialize;

use super::data_file;
use crate::data::{self, DIGIT_MAX, ReadOptions, Split, Standardiser, Table, digits};
use crate::evaluate::Noise;
use crate::quantize::{self, AlignedBytes, Precision, QuantisedModel, QuantisedPart};
use crate::train::Progress;
use crate::train::dae::{self, DaeOptions};
use crate::train::device::TrainingDevice;
use crate::train::gan::graph_of;
use crate::train::model::GraphNet;
use crate::train::random::judging;
use crate::train::residual::{self, ResidualOptions, ResidualShape};

/// The seed of calibration noise.
const CALIBRATION_SEED: u64 = 1;

/// Which images; shades from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Images {
    /// The bundled digits, 8x8, every fourth held out.
    Digits,
    /// MNIST, 28x28: 10,000 training images, and the test images held out.
    Mnist,
}

impl Images {
    /// What they are called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist => "MNIST",
        }
    }

    /// Rows and columns of pixels.
    #[must_use]
    pub fn side(self) -> usize {
        match self {
            Self::Digits => 8,
            Self::Mnist => 28,
        }
    }

    /// Reads them; `folder` holds `mnist/`.
    ///
    /// # Errors
    ///
    /// MNIST without a folder, or a file that is missing or damaged.
    pub fn read(self, folder: Option<&Path>) -> Result<Split> {
        match self {
            Self::Digits => digits()?.scaled(1.0 / DIGIT_MAX)?.split_held_out(),
            Self::Mnist => {
                let folder = folder
                    .context("MNIST is needed: give --data FOLDER with the folder mnist/ in it")?;
                Ok(Split {
                    training: mnist(folder, "train10k-images-idx3-ubyte.gz")?,
                    held_out: mnist(folder, "t10k-images-idx3-ubyte.gz")?,
                })
            }
        }
    }
}

fn mnist(folder: &Path, name: &str) -> Result<Table> {
    let path = data_file(folder, &format!("mnist/{name}"), "images of MNIST, gzipped")?;
    let table = data::open(&path, &ReadOptions::default())?.scaled(1.0 / 255.0)?;
    ensure!(
        table.width() == 28 * 28,
        "{} has {} pixels an image, and MNIST's have 784; give MNIST's own files",
        table.source(),
        table.width()
    );
    Ok(table)
}

/// What computes the clean row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Two hidden dense layers.
    Dense([usize; 2]),
    /// The same, for the difference to the damaged row.
    Residual([usize; 2]),
    /// Convolutions, for the difference to a filtered image and to what a dense layer guesses.
    Conv {
        /// Channels at full size.
        channels: usize,
        /// Units of the dense layer.
        guess: usize,
    },
}

/// How a denoiser is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The network.
    pub shape: Shape,
    /// Standard deviation of the noise that it is trained for, of pixels from 0 to 1.
    pub sigma: f64,
    /// How often it sees every image, each time with fresh noise.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// Learning rate at the start; it falls to zero.
    pub learning_rate: f64,
    /// Factor of the initial weights of dense layers.
    pub gain: f32,
}

impl Recipe {
    /// The noise as a container notes it.
    fn noise(&self) -> Noise {
        Noise::Data(self.sigma)
    }

    /// Trains it on features of images `side` pixels high and wide.
    ///
    /// # Errors
    ///
    /// Training fails.
    pub fn train(
        &self,
        standardiser: &Standardiser,
        features: &Table,
        device: &TrainingDevice,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<GraphNet> {
        let corruption = self.noise().in_features(standardiser)?;
        let &Self {
            epochs,
            batch,
            learning_rate,
            ..
        } = self;
        let side = features.width().isqrt();
        let shape = match self.shape {
            Shape::Dense(hidden) => {
                let options = DaeOptions {
                    hidden: hidden.to_vec(),
                    gain: self.gain,
                    corruption,
                    epochs,
                    batch,
                    learning_rate,
                    ..DaeOptions::default()
                };
                let stack = dae::fit(&options.check()?, features, device, progress)?;
                return Ok(graph_of(&stack));
            }
            Shape::Residual(hidden) => ResidualShape::Dense(hidden.to_vec()),
            Shape::Conv { channels, guess } => ResidualShape::Conv {
                channels,
                image: [side, side],
                guess,
            },
        };
        let options = ResidualOptions {
            corruption,
            epochs,
            batch,
            learning_rate,
            ..ResidualOptions::of_shape(shape)
        };
        residual::fit(&options.check()?, features, device, progress)
    }

    /// A container with one part, `denoiser`: `network` in integers, values inside it in 16 bits.
    ///
    /// # Errors
    ///
    /// The network cannot be quantised.
    pub fn container(
        &self,
        network: &GraphNet,
        standardiser: &Standardiser,
        features: &Table,
        order: Order,
    ) -> Result<AlignedBytes> {
        let noise = self.noise();
        let noisy = noise
            .in_features(standardiser)?
            .damage(features, &mut judging(CALIBRATION_SEED))?;
        let (graph, _) = quantize::graph(network, std::slice::from_ref(&noisy), Precision::I16)?;
        let task = Task::Denoiser;
        let mut model = QuantisedModel::new(standardiser, features.columns())?;
        let (key, value) = noise.provenance();
        model.note(key, value);
        model
            .parts
            .push(("denoiser".into(), QuantisedPart::Graph { graph, task }));
        model.encode(order)
    }
}
