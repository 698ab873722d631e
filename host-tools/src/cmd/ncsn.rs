//! `autodidact fit ncsn`, and the study of what such networks are worth.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use autodidact::model::Model;
use autodidact_tools::artifact::shown;
use autodidact_tools::evaluate::Units;
use autodidact_tools::quantize::{self, OpError, Precision};
use autodidact_tools::sampler::{Sampler, note_schedule, schedule, score_network};
use autodidact_tools::say;
use autodidact_tools::study::scores::{self, Denoising};
use autodidact_tools::train::model::{Activation, NoiseLevels};
use autodidact_tools::train::score::{self, NetShape, ScoreOptions};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::fit::{advance, bar};
use super::held_out;
use super::prepare::{Common, check_noise};
use super::sample::check_gamma;
use super::shared::one_of;

/// A score network.
#[derive(Debug, Args)]
pub(super) struct NcsnFit {
    #[command(flatten)]
    common: Common,

    /// Widths of the hidden dense layers; equal neighbours are joined by sums.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "256,256,256",
        conflicts_with = "channels"
    )]
    hidden: Vec<usize>,

    /// Convolutions instead, with so many channels at full size, at half of it, at a quarter and so on; goes with
    /// --width.
    #[arg(long, value_delimiter = ',', requires = "width")]
    channels: Option<Vec<usize>>,

    /// Pixels a row of images.
    #[arg(long, value_name = "PIXELS")]
    width: Option<usize>,

    /// Activation of the hidden layers.
    #[arg(long, value_parser = one_of([Activation::Relu, Activation::Elu, Activation::Silu]), default_value = "silu")]
    activation: Activation,

    /// The smallest noise level in standard deviations of the data.
    #[arg(long, default_value_t = 0.18, conflicts_with = "sigma_data")]
    sigma: f64,

    /// The smallest noise level in data units instead; several columns need --scale uniform.
    #[arg(long, value_name = "SIGMA")]
    sigma_data: Option<f64>,

    /// Steps of the sampler at each level; the levels follow from the data.
    #[arg(long, default_value_t = 5)]
    walk: u16,

    /// Size of the sampler's steps, from 0.001 to below 2: larger steps draw rows that are nearer to the data and vary
    /// less.
    #[arg(long)]
    gamma: Option<f64>,

    /// Number of noise levels in place of what the rule gives.
    #[arg(long)]
    levels: Option<usize>,

    /// How much noise the sampler's steps add: such that it keeps to the levels, with steps of size 0.8, or as much as
    /// Langevin dynamics says, with steps by NCSNv2's rule.
    #[arg(long, alias = "noise", value_enum, default_value_t = Dynamics::Consistent)]
    dynamics: Dynamics,

    /// Steps of training.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,

    /// Rows a step of training.
    #[arg(long, default_value_t = 128)]
    batch: usize,

    /// Learning rate at the start; it falls to zero.
    #[arg(long, default_value_t = 2e-3)]
    learning_rate: f64,

    /// Weight decay (AdamW).
    #[arg(long, default_value_t = 0.3)]
    weight_decay: f32,

    /// Share that the average of the parameters keeps at a step.
    #[arg(long, default_value_t = 0.999)]
    average: f32,

    /// Bits of the values inside the network.
    #[arg(long, value_enum, default_value_t = Bits::Sixteen)]
    bits: Bits,

    /// Keep a checkpoint in this file, and go on from there after an interruption; goes with --seed.
    #[arg(long, value_name = "FILE", requires = "seed")]
    checkpoint: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dynamics {
    Langevin,
    Consistent,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Bits {
    #[value(name = "8")]
    Eight,
    #[value(name = "16")]
    Sixteen,
}

impl NcsnFit {
    pub(super) fn run(self) -> Result<()> {
        let common = &self.common;
        if self.sigma_data.is_none() {
            check_noise("--sigma", self.sigma, 1.0)?;
        }
        ensure!(self.walk > 0, "--walk is 0; give at least 1");
        if let Some(gamma) = self.gamma {
            check_gamma(gamma)?;
        }
        let output = common.open_output_and(self.checkpoint.as_deref())?;
        let mut prepared = common.prepare()?;
        prepared.check_width("a network", autodidact::net::MAX_WIDTH)?;
        let columns = prepared.features.width();
        let image = match self.width {
            None => None,
            Some(width) => {
                ensure!(
                    width > 0 && columns.is_multiple_of(width),
                    "{columns} columns make no images {width} wide; give a --width that divides them"
                );
                Some([columns / width, width])
            }
        };
        let smallest = match self.sigma_data {
            Some(sigma) => prepared.sigma_data(sigma)?,
            None => self.sigma,
        };
        let mut levels = NoiseLevels::by_rule(&prepared.features, smallest, self.walk)?;
        if let Some(count) = self.levels {
            levels = levels.resampled(count)?;
        }
        if self.dynamics == Dynamics::Consistent {
            levels = levels.consistent();
        }
        if let Some(gamma) = self.gamma {
            levels.gamma = gamma;
        }
        say!(
            "{} noise levels from {:.3} to {:.3} standard deviations, {} steps each of size {:.3}",
            levels.sigmas.len(),
            levels.sigmas[0],
            smallest,
            levels.steps,
            levels.gamma
        );
        let options = ScoreOptions {
            shape: match self.channels {
                Some(channels) => NetShape::Conv(channels),
                None => NetShape::Dense(self.hidden),
            },
            activation: self.activation,
            steps: self.steps,
            batch: self.batch,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            average: self.average,
            seed: prepared.seed,
            checkpoint: self.checkpoint,
            ..ScoreOptions::new(levels)
        };
        let config = options.check()?;
        let bar = bar("step");
        let model = score::fit(
            &config,
            &prepared.features,
            image,
            &prepared.device,
            &mut |progress| advance(&bar, progress),
        )?;
        bar.finish_and_clear();
        let precision = match self.bits {
            Bits::Eight => Precision::I8,
            Bits::Sixteen => Precision::I16,
        };
        let (part, errors) = quantize::score(&model, &prepared.features, precision)?;
        let shape = &config.options().shape;
        prepared.note_ranges()?;
        prepared.model.note(
            "algorithm",
            format!(
                "score network, {shape}, {}, {} steps",
                self.activation, self.steps
            ),
        );
        note_schedule(&mut prepared.model, &model.levels);
        prepared.model.parts.push((common.name("score"), part));
        let bytes = prepared.model.encode(prepared.order)?;
        let container = Model::load(&bytes)?;
        let denoised = scores::denoising(&model, &container, &prepared.held_out)?;
        output.finish(&bytes)?;
        say!(
            "{}",
            held_out::in_words(
                &prepared.rule,
                prepared.training_rows,
                prepared.held_out.rows()
            )
        );
        say!("{}", denoising_table(&denoised));
        say!("{}", error_table(&errors));
        let sampler = Sampler::new(score_network(&container)?, schedule(&container)?);
        say!(
            "a sample takes {} evaluations of {} multiply-accumulates and {} bytes of RAM",
            sampler.evaluations(),
            model.net.macs(),
            sampler.memory_bytes()
        );
        if let Some(line) = Units::of(&container)?.driver(prepared.held_out.columns()) {
            say!("{line}");
        }
        say!("{}: {} bytes", shown(&common.output), bytes.len());
        let figures = json!({
            "denoising": denoised,
            "evaluations_per_sample": sampler.evaluations(),
            "multiply_accumulates": model.net.macs(),
            "sample_bytes": sampler.memory_bytes(),
        });
        common.print_json(&prepared, bytes.len(), figures)
    }
}

/// A table, one line a level.
pub(super) fn denoising_table(levels: &[Denoising]) -> String {
    let mut table = format!(
        "denoising by level, PSNR of held-out rows (dB):\n{:>5} {:>10} {:>10} {:>8} {:>8}",
        "level", "sigma", "data units", "f32", "device"
    );
    for (level, figures) in levels.iter().enumerate() {
        table += &format!(
            "\n{level:>5} {:>10.4} {:>10.4} {:>8.3} {:>8.3}",
            figures.sigma, figures.sigma_data, figures.f32_db, figures.device_db
        );
    }
    table
}

/// A table, one line an operation.
pub(super) fn error_table(errors: &[OpError]) -> String {
    let mut table = format!(
        "what rounding one operation alone does to the output, signal to error:\n{:>2} {:<10} {:>10} {:>10}",
        "", "", "weights", "value"
    );
    for error in errors {
        table += &format!("\n{error}");
    }
    table
}
