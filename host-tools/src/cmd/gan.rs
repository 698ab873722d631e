//! `autodidact fit gan`.

use std::path::PathBuf;

use anyhow::Result;
use autodidact::model::Task;
use autodidact_tools::quantize::{self, Precision, QuantisedPart};
use autodidact_tools::say;
use autodidact_tools::train::gan::{self, GanOptions, graph_of, latents};
use autodidact_tools::train::straight_through::FineTuning;
use clap::Args;

use super::fit::{advance, bar};
use super::prepare::{Common, check_noise};

/// Latent rows that the generator is calibrated on.
const CALIBRATION: usize = 1000;

/// Learning rate of fine-tuning at its start.
const TUNING_RATE: f64 = 1e-3;

/// A generator and a discriminator.
#[derive(Debug, Args)]
pub(super) struct GanFit {
    #[command(flatten)]
    common: Common,

    /// Numbers that the generator takes.
    #[arg(long, default_value_t = 16)]
    latent: usize,

    /// Widths of the hidden layers of both networks.
    #[arg(long, value_delimiter = ',', default_value = "128,128")]
    hidden: Vec<usize>,

    /// Steps of training, each one of both networks.
    #[arg(long, default_value_t = 10_000)]
    steps: usize,

    /// Real and generated rows a step.
    #[arg(long, default_value_t = 128)]
    batch: usize,

    /// Learning rate of both networks at the start; it falls to zero after the noise has.
    #[arg(long, default_value_t = 5e-4)]
    learning_rate: f64,

    /// Noise on real and generated rows at the start, in standard deviations of the data.
    #[arg(long, alias = "noise", default_value_t = 0.5)]
    sigma: f64,

    /// What the noise falls to before it ends: below what the finest structure of the data measures.
    #[arg(long, alias = "last-noise", default_value_t = 0.01)]
    last_sigma: f64,

    /// Steps in which the trained generator is fine-tuned for weights of 8 bits.
    #[arg(long, default_value_t = 0, value_name = "STEPS")]
    quantisation_aware: usize,

    /// Give the generator weights of 15 bits instead: two layers for each, twice the memory and instructions.
    #[arg(long, conflicts_with = "quantisation_aware")]
    refined: bool,

    /// Keep a checkpoint in this file, and go on from there after an interruption; goes with --seed.
    #[arg(long, value_name = "FILE", requires = "seed")]
    checkpoint: Option<PathBuf>,
}

impl GanFit {
    pub(super) fn run(self) -> Result<()> {
        let common = &self.common;
        if self.sigma != 0.0 {
            check_noise("--sigma", self.sigma, 1.0)?;
            check_noise("--last-sigma", self.last_sigma, 1.0)?;
        }
        let output = common.open_output_and(self.checkpoint.as_deref())?;
        let mut prepared = common.prepare()?;
        prepared.check_width("a network", autodidact::net::MAX_WIDTH)?;
        let options = GanOptions {
            latent: self.latent,
            generator: self.hidden.clone(),
            discriminator: self.hidden.clone(),
            steps: self.steps,
            batch: self.batch,
            learning_rate: self.learning_rate,
            noise: self.sigma,
            last_noise: self.last_sigma.min(self.sigma).max(f64::MIN_POSITIVE),
            seed: prepared.seed,
            checkpoint: self.checkpoint,
            ..GanOptions::default()
        };
        let bar = bar("step");
        let gan = gan::fit(
            &options.check()?,
            &prepared.features,
            &prepared.device,
            &mut |progress| advance(&bar, progress),
        )?;
        bar.finish_and_clear();
        say!(
            "value {:.3}; where nothing can be told apart it is -1.386",
            gan.value
        );
        prepared.figures.insert("value".into(), gan.value.into());
        prepared.note_ranges()?;
        prepared.model.note(
            "algorithm",
            format!(
                "GAN, {} latent numbers, hidden {:?}",
                self.latent, self.hidden
            ),
        );
        let latents = latents(CALIBRATION, self.latent, prepared.seed)?;
        let precision = Precision::I16;
        let mut generator = graph_of(&gan.generator);
        if self.quantisation_aware > 0 {
            let bar = super::fit::bar("step");
            let options = FineTuning {
                steps: self.quantisation_aware,
                learning_rate: TUNING_RATE,
                precision,
            };
            generator = gan::fine_tuned(
                &gan.generator,
                &latents,
                options,
                prepared.seed,
                &prepared.device,
                &mut |progress| advance(&bar, progress),
            )?;
            bar.finish_and_clear();
        }
        if self.refined {
            let calibration = std::slice::from_ref(&latents);
            generator = quantize::refined(&generator, calibration, precision)?;
        }
        for (name, net, task, calibration) in [
            (
                common.name("generator"),
                generator,
                Task::Generator,
                &latents,
            ),
            (
                "discriminator".into(),
                graph_of(&gan.discriminator),
                Task::Discriminator,
                &prepared.features,
            ),
        ] {
            let calibration = std::slice::from_ref(calibration);
            let (graph, errors) = quantize::graph(&net, calibration, precision)?;
            say!("{name}: signal to error of each operation's weights and values");
            for error in &errors {
                say!("  {error}");
            }
            let key = match task {
                Task::Generator => "generator_value_db",
                _ => "discriminator_value_db",
            };
            let decibels = errors.iter().map(|error| error.value);
            let decibels = decibels.collect::<Vec<f64>>();
            prepared.figures.insert(key.into(), decibels.into());
            let part = QuantisedPart::Graph { graph, task };
            prepared.model.parts.push((name, part));
        }
        common.finish(&prepared, output, &[])
    }
}
