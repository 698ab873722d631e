//! `autodidact fit dae`: denoising autoencoders of dense layers or convolutions.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use autodidact::model::Task;
use autodidact_tools::evaluate::{FloatPart, Noise};
use autodidact_tools::quantize::{self, Calibration, Precision, QuantisedPart};
use autodidact_tools::train::corruption::Corruption;
use autodidact_tools::train::dae::{self, DaeOptions};
use autodidact_tools::train::model::{Activation, DenseStack, GraphNet};
use autodidact_tools::train::random;
use autodidact_tools::train::residual::{self, ResidualOptions, ResidualShape};
use clap::{Args, ValueEnum};

use super::fit::{advance, bar};
use super::prepare::{Common, Prepared, check_noise};
use super::shared::{image_shape, one_of};

/// Epochs unless said otherwise: convolutions share their weights among all pixels.
const DENSE_EPOCHS: usize = 1200;
const CONV_EPOCHS: usize = 40;

/// What hidden layers compute.
const ACTIVATIONS: [Activation; 5] = [
    Activation::Relu,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Elu,
    Activation::Silu,
];

/// A denoiser, and what it undoes.
#[derive(Debug, Args)]
pub(super) struct DaeFit {
    #[command(flatten)]
    common: Common,

    /// Widths of the hidden layers.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "128,128",
        conflicts_with = "conv"
    )]
    hidden: Vec<usize>,

    /// 3x3 convolutions on three scales instead, with this many channels at full size; goes with --width.
    #[arg(long, value_name = "CHANNELS", requires = "width")]
    conv: Option<usize>,

    /// Units of a dense layer beside the convolutions that sees the whole image: worth its weights where noise is
    /// strong.
    #[arg(long, value_name = "UNITS", default_value_t = 0, requires = "conv")]
    guess: usize,

    /// Pixels a row of images.
    #[arg(long, value_name = "PIXELS", requires = "conv")]
    width: Option<usize>,

    /// Compute the difference to the damaged row in place of the row: better under little noise. Convolutions always
    /// do.
    #[arg(long)]
    residual: bool,

    /// Activation of the hidden layers; elu and silu for residual networks only.
    #[arg(long, value_parser = one_of(ACTIVATIONS), default_value = "relu")]
    activation: Activation,

    #[command(flatten)]
    corruption: CorruptionArgs,

    /// How often every row is seen [default: 1200, of convolutions 40].
    #[arg(long)]
    epochs: Option<usize>,

    /// Rows per step [default: 128, of convolutions 32].
    #[arg(long)]
    batch: Option<usize>,

    /// Learning rate at the start; it falls to zero [default: 4e-3, of residual networks 2e-3].
    #[arg(long)]
    learning_rate: Option<f64>,

    /// Weight decay (AdamW).
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f32,

    /// Write weights of 16 bits, from which a device can go on learning (`autodidact learn --start`).
    #[arg(long, conflicts_with_all = ["conv", "residual"])]
    trainable: bool,

    /// Keep a checkpoint in this file, and go on from there after an interruption; goes with --seed.
    #[arg(long, value_name = "FILE", requires = "seed")]
    checkpoint: Option<PathBuf>,
}

/// What is done to rows on purpose.
#[derive(Debug, Args)]
pub(super) struct CorruptionArgs {
    /// What the network learns to undo: normal noise, elements that become their column's mean, or elements that
    /// become the smallest or largest value (with --scale uniform).
    #[arg(long, value_enum, default_value_t = CorruptionChoice::Gaussian)]
    corruption: CorruptionChoice,

    /// Gaussian noise in standard deviations of the data.
    #[arg(long, default_value_t = 0.5, conflicts_with = "sigma_data")]
    sigma: f64,

    /// Gaussian noise in data units instead, the same in every column; several columns need --scale uniform.
    #[arg(long, value_name = "SIGMA")]
    sigma_data: Option<f64>,

    /// Share of the elements that masking, or salt and pepper, replaces.
    #[arg(long, default_value_t = 0.25)]
    share: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CorruptionChoice {
    Gaussian,
    Masking,
    SaltAndPepper,
}

impl CorruptionArgs {
    /// What was asked for.
    fn noise(&self) -> Result<Noise> {
        ensure!(
            self.sigma_data.is_none() || self.corruption == CorruptionChoice::Gaussian,
            "--sigma-data is the level of Gaussian noise; give --share with other corruptions"
        );
        if self.corruption != CorruptionChoice::Gaussian {
            ensure!(
                self.share > 0.0 && self.share < 1.0,
                "--share is {}; give a number above 0 and below 1",
                self.share
            );
            return Ok(match self.corruption {
                CorruptionChoice::Masking => Noise::Masking(self.share),
                _ => Noise::SaltAndPepper(self.share),
            });
        }
        if let Some(sigma) = self.sigma_data {
            return Ok(Noise::Data(sigma));
        }
        check_noise("--sigma", self.sigma, 1.0)?;
        Ok(Noise::Features(self.sigma))
    }
}

/// What training gave.
enum Denoiser {
    Stack(DenseStack),
    Graph(GraphNet),
}

impl DaeFit {
    pub(super) fn run(self) -> Result<()> {
        let common = &self.common;
        let noise = self.corruption.noise()?;
        let output = common.open_output_and(self.checkpoint.as_deref())?;
        let mut prepared = common.prepare()?;
        prepared.check_width("a network", autodidact::net::MAX_WIDTH)?;
        if let Noise::Data(sigma) = noise {
            prepared.sigma_data(sigma)?;
        }
        let corruption = noise.in_features(&prepared.standardiser)?;
        let image = image_shape(self.width, prepared.features.width())?;
        let shape = match (self.conv, image) {
            (Some(channels), Some(image)) => ResidualShape::Conv {
                channels,
                image,
                guess: self.guess,
            },
            _ => ResidualShape::Dense(self.hidden.clone()),
        };
        let denoiser = self.train(&prepared, shape, corruption.clone())?;
        let damaged = corruption.damage(&prepared.features, &mut random::judging(prepared.seed))?;
        let task = Task::Denoiser;
        let (part, float) = match &denoiser {
            Denoiser::Stack(stack) if self.trainable => {
                let stack_part = quantize::stack(stack)?;
                (
                    QuantisedPart::Stack {
                        stack: stack_part,
                        task,
                    },
                    FloatPart::Network(stack, task),
                )
            }
            Denoiser::Stack(stack) => {
                let calibration = Calibration { features: &damaged };
                let part = quantize::network(stack, task, None, calibration)?;
                (
                    QuantisedPart::Network(part),
                    FloatPart::Network(stack, task),
                )
            }
            Denoiser::Graph(net) => {
                let calibration = std::slice::from_ref(&damaged);
                let (graph, _) = quantize::graph(net, calibration, Precision::I16)?;
                let part = QuantisedPart::Graph { graph, task };
                (part, FloatPart::Graph(net, task))
            }
        };
        let algorithm = match self.conv {
            Some(channels) => format!("denoising autoencoder, {channels} channels"),
            None => format!(
                "denoising autoencoder, hidden {:?}{}",
                self.hidden,
                if self.residual { ", residual" } else { "" }
            ),
        };
        prepared.model.note("algorithm", algorithm);
        let (key, value) = noise.provenance();
        prepared.model.note(key, value);
        prepared.model.parts.push((common.name("denoiser"), part));
        common.finish(&prepared, output, &[float])
    }

    fn train(
        &self,
        prepared: &Prepared,
        shape: ResidualShape,
        corruption: Corruption,
    ) -> Result<Denoiser> {
        let conv = self.conv.is_some();
        let epochs = self
            .epochs
            .unwrap_or(if conv { CONV_EPOCHS } else { DENSE_EPOCHS });
        let features = &prepared.features;
        let bar = bar("epoch");
        let trained = if conv || self.residual {
            let defaults = ResidualOptions::of_shape(shape);
            let options = ResidualOptions {
                activation: self.activation,
                corruption,
                epochs,
                batch: self.batch.unwrap_or(defaults.batch),
                learning_rate: self.learning_rate.unwrap_or(defaults.learning_rate),
                weight_decay: self.weight_decay,
                seed: prepared.seed,
                checkpoint: self.checkpoint.clone(),
                ..defaults
            };
            let net = residual::fit(&options.check()?, features, &prepared.device, &mut |p| {
                advance(&bar, p);
            });
            Denoiser::Graph(net?)
        } else {
            let defaults = DaeOptions::default();
            let options = DaeOptions {
                hidden: self.hidden.clone(),
                hidden_activation: self.activation,
                corruption,
                epochs,
                batch: self.batch.unwrap_or(defaults.batch),
                learning_rate: self.learning_rate.unwrap_or(defaults.learning_rate),
                weight_decay: self.weight_decay,
                seed: prepared.seed,
                checkpoint: self.checkpoint.clone(),
                ..defaults
            };
            let stack = dae::fit(&options.check()?, features, &prepared.device, &mut |p| {
                advance(&bar, p);
            });
            Denoiser::Stack(stack?)
        };
        bar.finish_and_clear();
        Ok(trained)
    }
}
