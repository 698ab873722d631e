//! The images of the studies, and what they have in common.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use autodidact::kernels::Order;
use autodidact::model::Task;
use serde::Serialize;

use super::data_file;
use crate::data::{self, DIGIT_MAX, ReadOptions, Split, Standardiser, Table, digits};
use crate::quantize::{self, AlignedBytes, Precision, QuantisedModel, QuantisedPart};
use crate::train::corruption::Corruption;
use crate::train::model::GraphNet;
use crate::train::random::judging;

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
                let folder = folder.context("give --data FOLDER with the folder mnist/ in it")?;
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
        "{} has {} pixels an image; MNIST has 784",
        table.source(),
        table.width()
    );
    Ok(table)
}

/// A container with one part, `denoiser`: `network`, trained on `features` with Gaussian noise of `sigma`, values inside
/// it in 16 bits.
///
/// # Errors
///
/// The network cannot be quantised.
pub fn denoiser_container(
    network: &GraphNet,
    standardiser: &Standardiser,
    features: &Table,
    sigma: &[f32],
    order: Order,
) -> Result<AlignedBytes> {
    let noise = Corruption::Gaussian {
        sigma: sigma.to_vec(),
    };
    let noisy = noise.damage(features, &mut judging(CALIBRATION_SEED))?;
    let (graph, _) = quantize::graph(network, std::slice::from_ref(&noisy), Precision::I16)?;
    let mut model = QuantisedModel::new(standardiser, features.columns())?;
    let task = Task::Denoiser;
    model
        .parts
        .push(("denoiser".into(), QuantisedPart::Graph { graph, task }));
    model.encode(order)
}
