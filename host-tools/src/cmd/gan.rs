//! `autodidact fit gan`.

use anyhow::Result;
use autodidact::model::Task;
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::quantize::{self, Precision, QuantisedPart};
use autodidact_tools::train::gan::{self, GanOptions, graph_of, latents};
use clap::Args;

use super::fit::{advance, bar};
use super::prepare::Common;

/// Latent rows that the generator is calibrated on.
const CALIBRATION: usize = 1000;

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

    /// Noise on real and generated rows at the start, in standard deviations of the data; it falls to zero.
    #[arg(long, default_value_t = 0.5)]
    noise: f64,
}

impl GanFit {
    pub(super) fn run(self) -> Result<()> {
        let common = &self.common;
        let output = Unfinished::beside(&common.output)?;
        let mut prepared = common.prepare()?;
        let options = GanOptions {
            latent: self.latent,
            generator: self.hidden.clone(),
            discriminator: self.hidden.clone(),
            steps: self.steps,
            batch: self.batch,
            learning_rate: self.learning_rate,
            noise: self.noise,
            seed: prepared.seed,
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
        println!(
            "value {:.3}; where nothing can be told apart it is -1.386",
            gan.value
        );
        prepared.model.note(
            "algorithm",
            format!(
                "GAN, {} latent numbers, hidden {:?}",
                self.latent, self.hidden
            ),
        );
        let latents = latents(CALIBRATION, self.latent, prepared.seed)?;
        for (name, stack, task, calibration) in [
            (
                common.name("generator"),
                &gan.generator,
                Task::Generator,
                &latents,
            ),
            (
                "discriminator".into(),
                &gan.discriminator,
                Task::Discriminator,
                &prepared.features,
            ),
        ] {
            let net = graph_of(stack);
            let calibration = std::slice::from_ref(calibration);
            let (graph, errors) = quantize::graph(&net, calibration, Precision::I16)?;
            println!("{name}: signal to error of each operation's weights and values");
            for error in errors {
                println!("  {error}");
            }
            let part = QuantisedPart::Graph { graph, task };
            prepared.model.parts.push((name, part));
        }
        common.finish(&prepared, output, &[])
    }
}
