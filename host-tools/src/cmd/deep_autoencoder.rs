//! `autodidact fit deep-autoencoder`: a narrow code, by Boltzmann machines unrolled or from random weights.

use anyhow::Result;
use autodidact::model::Task;
use autodidact_tools::evaluate::FloatPart;
use autodidact_tools::quantize::{self, Calibration, QuantisedPart};
use autodidact_tools::train::deep_autoencoder::{self, DeepAutoencoderOptions};
use autodidact_tools::train::model::Activation;
use autodidact_tools::train::rbm::RbmOptions;
use clap::Args;

use super::autoencoder::STACKABLE;
use super::fit::{advance, bar};
use super::prepare::Common;
use super::shared::one_of;

/// Learning rates of the machines: binary units see values of `[0, 1]`, Gaussian ones features.
const BINARY_RATE: f64 = 0.05;
const GAUSSIAN_RATE: f64 = 0.002;

/// Epochs of each machine unless said otherwise.
const PRETRAINING_EPOCHS: usize = 50;

#[derive(Debug, Args)]
pub(super) struct DeepAutoencoderFit {
    #[command(flatten)]
    common: Common,

    /// Widths of the encoder's layers, the last that of the code; the decoder mirrors them.
    #[arg(long, value_delimiter = ',', default_value = "128,64,8")]
    encoder: Vec<usize>,

    /// Activation of the hidden layers; the code and the output are linear.
    #[arg(long, value_parser = one_of(STACKABLE), default_value = "sigmoid")]
    activation: Activation,

    /// Epochs of each Boltzmann machine that the network is unrolled from; 0 starts from random weights
    /// (50 of a sigmoid network, of others always 0). Values of 0 to 1 are means of binary units, others
    /// features of Gaussian units.
    #[arg(long, value_name = "EPOCHS")]
    pretrain: Option<usize>,

    /// How often fine-tuning sees every row.
    #[arg(long, default_value_t = 300)]
    epochs: usize,

    /// Rows per step.
    #[arg(long, default_value_t = 32)]
    batch: usize,

    /// Learning rate of fine-tuning at the start; it falls to zero.
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
}

impl DeepAutoencoderFit {
    pub(super) fn run(self) -> Result<()> {
        let common = &self.common;
        let output = common.open_output()?;
        let mut prepared = common.prepare()?;
        prepared.check_width("a network", autodidact::net::MAX_WIDTH)?;
        let scaling = &prepared.standardiser;
        let pixels = (scaling.minimum >= 0.0 && scaling.maximum <= 1.0).then_some(scaling);
        let shape = format!("{:?}", self.encoder);
        let pretrain = self.pretrain.unwrap_or(match self.activation {
            Activation::Sigmoid => PRETRAINING_EPOCHS,
            _ => 0,
        });
        let config = DeepAutoencoderOptions {
            encoder: self.encoder,
            hidden_activation: self.activation,
            pretraining: (pretrain > 0).then(|| RbmOptions {
                epochs: pretrain,
                learning_rate: pixels.map_or(GAUSSIAN_RATE, |_| BINARY_RATE),
                weight_decay: 2e-4,
                ..RbmOptions::default()
            }),
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            seed: prepared.seed,
            ..DeepAutoencoderOptions::default()
        }
        .check()?;
        let bar = bar("epoch");
        let stack = deep_autoencoder::fit(
            &config,
            &prepared.features,
            pixels,
            &prepared.device,
            &mut |progress| advance(&bar, progress),
        )?;
        bar.finish_and_clear();
        let part = quantize::network(
            &stack,
            Task::Autoencoder,
            Some(config.code_layer() as u16),
            Calibration {
                features: &prepared.features,
            },
        )?;
        let algorithm = format!(
            "deep autoencoder, encoder {shape}, {}, machines pretrained for {pretrain} epochs",
            self.activation
        );
        prepared.model.note("algorithm", algorithm);
        let name = common.name("autoencoder");
        prepared
            .model
            .parts
            .push((name, QuantisedPart::Network(part)));
        let float = FloatPart::Network(&stack, Task::Autoencoder);
        common.finish(&prepared, output, &[float])
    }
}
