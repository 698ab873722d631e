//! Autoencoders beside as many principal components, in f32 and on the device.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use autodidact::kernels::Order;
use autodidact::model::{Model, Task};
use serde::Serialize;

use super::recipe::Images;
use crate::data::{Scaling, Split};
use crate::evaluate::{self, FloatPart, PartReport, Units};
use crate::quantize::{self, Calibration, QuantisedModel, QuantisedPart};
use crate::replay;
use crate::train::Progress;
use crate::train::autoencoder::{self, AutoencoderOptions};
use crate::train::corruption::CorruptionKind;
use crate::train::device::TrainingDevice;
use crate::train::pca::{self, PcaOptions};
use crate::train::stacked::{self, StackedOptions};

/// What the device may lose: a share of the squared error.
pub const LOSS: f64 = 0.02;

/// How an autoencoder is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// All layers at once.
    Free,
    /// All layers at once, the decoder's weights the encoder's.
    Tied,
    /// Layer by layer to undo damage, then at once.
    Stacked,
}

/// An autoencoder as the study poses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posed {
    /// Which images.
    pub images: Images,
    /// How it is trained.
    pub kind: Kind,
    /// Numbers of its code.
    pub code: usize,
    /// Squared error of an image by as many principal components, of an independent implementation; 0 where there is
    /// none.
    pub reference: f64,
}

/// The autoencoders.
pub const AUTOENCODERS: [Posed; 8] = [
    digits(Kind::Free),
    digits(Kind::Tied),
    digits(Kind::Stacked),
    mnist(Kind::Free, 8, 29.45),
    mnist(Kind::Free, 16, 21.17),
    mnist(Kind::Free, 32, 13.30),
    mnist(Kind::Tied, 32, 13.30),
    mnist(Kind::Stacked, 32, 13.30),
];

const fn digits(kind: Kind) -> Posed {
    Posed {
        images: Images::Digits,
        kind,
        code: 8,
        reference: 0.0,
    }
}

const fn mnist(kind: Kind, code: usize, reference: f64) -> Posed {
    Posed {
        images: Images::Mnist,
        kind,
        code,
        reference,
    }
}

/// Squared errors of a held-out image, shades from 0 to 1, summed over its pixels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Which images.
    pub images: Images,
    /// How it was trained.
    pub kind: Kind,
    /// Widths of its layers up to the code.
    pub encoder: Vec<usize>,
    /// By as many principal components.
    pub components: f64,
    /// The same by an independent implementation; 0 where there is none.
    pub reference: f64,
    /// In f32.
    pub host: f64,
    /// In the device's integers.
    pub device: f64,
    /// Bytes of the container.
    pub flash: usize,
    /// Bytes of RAM: the network's workspace.
    pub workspace: usize,
    /// Wall-clock seconds of training.
    pub seconds: f64,
}

impl Figures {
    /// The heading over printed figures.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:<7} {:<8} {:<18} {:>8} {:>10} {:>8} {:>8} {:>9} {:>9} {:>8}",
            "images",
            "weights",
            "encoder",
            "PCA",
            "reference",
            "f32",
            "device",
            "flash",
            "workspace",
            "seconds"
        )
    }

    /// Whether the device beats the components, here and elsewhere, and loses no more than it may.
    #[must_use]
    pub fn reached(&self) -> bool {
        let bar = if self.reference > 0.0 {
            self.components.min(self.reference)
        } else {
            self.components
        };
        self.device < bar && self.device <= (1.0 + LOSS) * self.host
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Free => "free",
            Kind::Tied => "tied",
            Kind::Stacked => "stacked",
        };
        let widths: Vec<String> = self.encoder.iter().map(usize::to_string).collect();
        let reference = if self.reference > 0.0 {
            format!("{:.2}", self.reference)
        } else {
            String::new()
        };
        let mark = if self.reached() { "" } else { "  missed" };
        write!(
            f,
            "{:<7} {kind:<8} {:<18} {:>8.3} {reference:>10} {:>8.3} {:>8.3} {:>9} {:>9} {:>8.0}{mark}",
            self.images.name(),
            widths.join("-"),
            self.components,
            self.host,
            self.device,
            self.flash,
            self.workspace,
            self.seconds
        )
    }
}

/// The network and its training, and how often each layer of a stack sees every image by itself.
fn options(posed: &Posed, quick: bool) -> (AutoencoderOptions, usize) {
    let (hidden, epochs, layer_epochs, batch) = match posed.images {
        Images::Digits => ([128, 64], 300, 60, 32),
        Images::Mnist => ([256, 128], 40, 10, 50),
    };
    let of = |epochs: usize| {
        if quick { epochs.div_ceil(10) } else { epochs }
    };
    let options = AutoencoderOptions {
        encoder: hidden.into_iter().chain([posed.code]).collect(),
        tied: posed.kind == Kind::Tied,
        epochs: of(epochs),
        batch,
        learning_rate: 2e-3,
        ..AutoencoderOptions::default()
    };
    (options, of(layer_epochs))
}

/// Trains and judges an autoencoder; `quick` takes a tenth of the epochs, and `folder` holds `mnist/` where it is one
/// of MNIST.
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
) -> Result<Figures> {
    let Split { training, held_out } = posed.images.read(folder)?;
    let standardiser = Scaling::Uniform.fit(&training)?;
    let features = standardiser.transform(&training)?;
    let (network, layer_epochs) = options(posed, quick);
    let encoder = network.encoder.clone();
    let start = Instant::now();
    let stack = match posed.kind {
        Kind::Free | Kind::Tied => {
            autoencoder::fit(&network.check()?, &features, device, progress)?
        }
        Kind::Stacked => {
            let options = StackedOptions {
                corruption: CorruptionKind::Masking(0.25),
                epochs: layer_epochs,
                learning_rate: network.learning_rate,
                network,
            };
            stacked::fit(&options.check()?, &features, device, progress)?
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let task = Task::Autoencoder;
    let calibration = Calibration {
        features: &features,
    };
    let part = quantize::network(&stack, task, Some(encoder.len() as u16), calibration)?;
    let mut model = QuantisedModel::new(&standardiser, training.columns())?;
    model
        .parts
        .push(("autoencoder".into(), QuantisedPart::Network(part)));
    let bytes = model.encode(Order::Quads)?;
    let model = Model::load(&bytes)?;
    let (loaded, _) = model
        .network_part("autoencoder")
        .context("the container has no autoencoder")?;
    let components = PcaOptions {
        components: posed.code,
    };
    let components = pca::fit(&components.check()?, &features, device)?;
    let units = Units::of(&model)?;
    let part = model.parts().next().context("the container has no part")?;
    let error = |report: &PartReport| {
        let figure = report.figure("squared_error_per_row_data");
        figure.context("there is no figure of the autoencoder")
    };
    let float = |float: FloatPart<'_>| {
        let outcomes = evaluate::float_outcomes(float, &units, &held_out)?;
        error(&evaluate::figures(&part, &units, &held_out, &outcomes)?)
    };
    let on_device =
        evaluate::evaluate(&model, &held_out, &|counts| replay::replay(&model, counts))?;
    let on_device = on_device.first().context("the container has no part")?;
    Ok(Figures {
        images: posed.images,
        kind: posed.kind,
        encoder,
        components: float(FloatPart::Reconstruction(&components))?,
        reference: posed.reference,
        host: float(FloatPart::Network(&stack, task))?,
        device: error(on_device)?,
        flash: bytes.len(),
        workspace: loaded.workspace_bytes(),
        seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_training_beats_the_components_on_the_device_whatever_the_weights() {
        let device = TrainingDevice::cpu();
        for posed in &AUTOENCODERS[..3] {
            let found = measure(posed, None, true, &device, &mut |_| {}).unwrap();
            assert!(found.reached(), "{found}");
        }
    }
}
