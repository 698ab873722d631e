//! `autodidact fit ae` and `fit stacked`: autoencoders trained at once, or layer by layer first.

use std::path::PathBuf;

use anyhow::Result;
use autodidact::model::Task;
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::evaluate::FloatPart;
use autodidact_tools::quantize::{self, Calibration, QuantisedPart};
use autodidact_tools::train::autoencoder::{self, AutoencoderOptions};
use autodidact_tools::train::corruption::CorruptionKind;
use autodidact_tools::train::model::{Activation, DenseStack};
use autodidact_tools::train::pca::{self, PcaOptions};
use autodidact_tools::train::stacked::{self, StackedOptions};
use clap::{Args, ValueEnum};

use super::fit::{advance, bar};
use super::prepare::{Common, Prepared, check_noise};
use super::shared::one_of;

/// What layers of a stack compute.
pub(super) const STACKABLE: [Activation; 3] =
    [Activation::Relu, Activation::Sigmoid, Activation::Tanh];

/// The network.
#[derive(Debug, Args)]
struct Network {
    /// Widths of the encoder's hidden layers, which the decoder mirrors; without a width there are none.
    #[arg(long, value_delimiter = ',', num_args = 0..=1, default_value = "128,64")]
    hidden: Vec<usize>,

    /// Numbers of the code.
    #[arg(long, default_value_t = 8)]
    code: usize,

    /// Give the decoder the encoder's weights, transposed: half as many to learn.
    #[arg(long)]
    tied: bool,

    /// Activation of the hidden layers.
    #[arg(long, value_parser = one_of(STACKABLE), default_value = "relu")]
    activation: Activation,

    /// Activation of the code.
    #[arg(long, value_parser = one_of(STACKABLE.into_iter().chain([Activation::Identity])), default_value = "identity")]
    code_activation: Activation,

    /// How often every row is seen.
    #[arg(long, default_value_t = 300)]
    epochs: usize,

    /// Rows per step.
    #[arg(long, default_value_t = 32)]
    batch: usize,

    /// Learning rate at the start; it falls to zero.
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,

    /// Weight decay (AdamW).
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f32,
}

impl Network {
    fn options(&self, seed: u64) -> AutoencoderOptions {
        AutoencoderOptions {
            encoder: self.hidden.iter().copied().chain([self.code]).collect(),
            tied: self.tied,
            hidden_activation: self.activation,
            code_activation: self.code_activation,
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            seed,
            ..AutoencoderOptions::default()
        }
    }

    /// Quantises, and judges beside as many principal components as the code has numbers.
    fn finish(
        &self,
        common: &Common,
        mut prepared: Prepared,
        output: Unfinished,
        stack: &DenseStack,
        kind: &str,
    ) -> Result<()> {
        let features = &prepared.features;
        let code_layer = self.hidden.len() as u16 + 1;
        let part = quantize::network(
            stack,
            Task::Autoencoder,
            Some(code_layer),
            Calibration { features },
        )?;
        let linear = (self.code <= features.width())
            .then(|| {
                let options = PcaOptions {
                    components: self.code,
                };
                pca::fit(&options.check()?, features, &prepared.device)
            })
            .transpose()?;
        let weights = if self.tied { "tied" } else { "free" };
        let algorithm = format!(
            "{kind}, hidden {:?}, code of {}, {}, {weights} weights",
            self.hidden, self.code, self.activation
        );
        prepared.model.note("algorithm", algorithm);
        let name = common.name("autoencoder");
        prepared
            .model
            .parts
            .push((name, QuantisedPart::Network(part)));
        let title = format!("PCA, {}", self.code);
        let beside: Vec<(&str, FloatPart<'_>)> = linear
            .iter()
            .map(|pca| (title.as_str(), FloatPart::Reconstruction(pca)))
            .collect();
        let float = FloatPart::Network(stack, Task::Autoencoder);
        common.finish_beside(&prepared, output, &[float], &beside)
    }
}

/// An autoencoder.
#[derive(Debug, Args)]
pub(super) struct AeFit {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    network: Network,

    /// Keep a checkpoint in this file, and go on from there after an interruption; goes with --seed.
    #[arg(long, value_name = "FILE", requires = "seed")]
    checkpoint: Option<PathBuf>,
}

impl AeFit {
    pub(super) fn run(self) -> Result<()> {
        let checkpoint = self.checkpoint;
        let output = self.common.open_output_and(checkpoint.as_deref())?;
        let prepared = self.common.prepare()?;
        prepared.check_width("a network", autodidact::net::MAX_WIDTH)?;
        let options = AutoencoderOptions {
            checkpoint,
            ..self.network.options(prepared.seed)
        };
        let config = options.check()?;
        let bar = bar("epoch");
        let stack = autoencoder::fit(&config, &prepared.features, &prepared.device, &mut |p| {
            advance(&bar, p);
        })?;
        bar.finish_and_clear();
        self.network
            .finish(&self.common, prepared, output, &stack, "autoencoder")
    }
}

/// A stack of denoising autoencoders.
#[derive(Debug, Args)]
pub(super) struct StackedFit {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    network: Network,

    /// What each layer learns to undo while it is trained by itself: elements set to 0, normal noise, or elements set to
    /// their column's smallest or largest value.
    #[arg(long, value_enum, default_value_t = KindChoice::Masking)]
    corruption: KindChoice,

    /// How much: the share of elements, of normal noise the standard deviations of a column.
    #[arg(long, alias = "level", default_value_t = 0.25)]
    strength: f64,

    /// How often each layer sees every row.
    #[arg(long, value_name = "EPOCHS", default_value_t = 50)]
    layer_epochs: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindChoice {
    Masking,
    Gaussian,
    SaltAndPepper,
}

impl StackedFit {
    pub(super) fn run(self) -> Result<()> {
        if matches!(self.corruption, KindChoice::Gaussian) {
            check_noise("--strength", self.strength, 1.0)?;
        }
        let output = self.common.open_output()?;
        let prepared = self.common.prepare()?;
        prepared.check_width("a network", autodidact::net::MAX_WIDTH)?;
        let network = self.network.options(prepared.seed);
        let options = StackedOptions {
            corruption: match self.corruption {
                KindChoice::Masking => CorruptionKind::Masking(self.strength),
                KindChoice::Gaussian => CorruptionKind::Gaussian(self.strength),
                KindChoice::SaltAndPepper => CorruptionKind::SaltAndPepper(self.strength),
            },
            epochs: self.layer_epochs,
            learning_rate: network.learning_rate,
            network,
        };
        let bar = bar("epoch");
        let config = options.check()?;
        let stack = stacked::fit(&config, &prepared.features, &prepared.device, &mut |p| {
            advance(&bar, p);
        })?;
        bar.finish_and_clear();
        let kind = "stacked denoising autoencoder";
        self.network
            .finish(&self.common, prepared, output, &stack, kind)
    }
}
