//! `autodidact learn`: an emulated core learns from the rows of a file, pass after pass, compared with the host
//! and with a fit in f64.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use autodidact::model::Model;
use autodidact_tools::artifact::{self, shown};
use autodidact_tools::emulator::{self, Core, Image, LearnRun, PassCost};
use autodidact_tools::learn::{
    self, Comparison, Config, Corruption, Covariance, Learner, Mixture, Problem,
};
use autodidact_tools::say;
use autodidact_tools::talk::Output;
use autodidact_tools::verdict::ensure_same;
use clap::Args;
use serde_json::{Value, json};

use super::shared::{Data, grouped, one_of, open_output, print_json};

#[derive(Debug, Args)]
pub(crate) struct Learn {
    /// What to learn: a TOML file such as those in examples/learn.
    #[arg(value_name = "CONFIG")]
    config: PathBuf,

    #[command(flatten)]
    data: Data,

    /// The core that learns.
    #[arg(long, value_parser = one_of(Image::Learn.cores()))]
    core: Core,

    /// Go on from the layers of this container, which `learn -o` or `fit dae --trainable` wrote (autoencoders and
    /// denoisers only).
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,

    /// Write a container with what the core learnt to this file (`-` is standard output; the table then goes to standard
    /// error).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

impl Learn {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let mut inputs = vec![&*self.config, self.data.path()];
        inputs.extend(self.start.as_deref());
        let output = self.output.as_deref();
        let output = output.map(|path| open_output(path, &inputs, self.json));
        let output = output.transpose()?;
        emulator::ready(self.core)?;
        let file = self.config.display().to_string();
        ensure!(
            !self.config.is_dir(),
            "{file} is a folder; give a file of settings"
        );
        let text = fs::read_to_string(&self.config).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!("{file} does not exist; check the path"),
            kind => anyhow!("{file} cannot be read: {kind}"),
        })?;
        let config = Config::parse(&text, &file)?;
        let table = self.data.read()?;
        let mut problem = Problem::new(&config, &table)?;
        if let Some(path) = &self.start {
            problem.start_from(&Model::load(&artifact::read(path)?)?)?;
        }
        let model = Model::load(&problem.container)?;
        let settings = &problem.settings;
        let device = emulator::learn(self.core, &problem.container, settings, &problem.counts)?;
        let host = learn::learn(&model, settings, &problem.counts)?;
        let states = learn::decode(&problem, &device.results)?;
        let comparisons = learn::judge(&problem, &states)?;
        let core = self.core.name();
        let same = ensure_same(core, "byte", &host, &device.results, "the settings");
        let mut aside = Output::aside();
        let mut out = out;
        if let (Some(output), true) = (output, same.is_ok()) {
            if output.is_standard_output() {
                out = &mut aside;
            }
            let learnt = states.last().map(|state| &state.learnt);
            output.finish(&problem.encode(learnt)?)?;
        }
        let rows = problem.counts.len() / table.width();
        if self.json {
            print_json(
                out,
                &json!({
                    "core": core,
                    "rows": rows,
                    "columns": table.width(),
                    "learner_bytes": device.learner_bytes,
                    "rows_bytes": device.resident_bytes,
                    "start_bytes": device.starting_bytes,
                    "stack_bytes": device.stack_bytes,
                    "start": cost(&device.start),
                    "passes": device.passes.iter().map(cost).collect::<Vec<_>>(),
                    "figures": comparisons.iter().map(figure).collect::<Vec<_>>(),
                    "nats_of_the_scale": problem.log_scale.filter(|_| is_mixture(settings.learner)),
                    "identical": same.is_ok(),
                }),
            )?;
            return same;
        }
        writeln!(
            out,
            "{} on {}: {} rows of {} from {}",
            what(&config, table.width()),
            self.core,
            grouped(rows as u64),
            match config.components {
                Some(k) => format!("{k} whitened components"),
                None => format!("{} features", table.width()),
            },
            table.source()
        )?;
        print_costs(out, &device)?;
        print_passes(out, &device, &comparisons)?;
        if let Some(scale) = problem.log_scale.filter(|_| is_mixture(settings.learner)) {
            for comparison in &comparisons {
                writeln!(
                    out,
                    "in units of the data: {:<26} {:>9.4} ({:.4})",
                    comparison.label,
                    comparison.last() - scale,
                    comparison.reference - scale
                )?;
            }
        }
        same?;
        writeln!(
            out,
            "host and {} learnt the same {} bytes",
            self.core,
            grouped(host.len() as u64)
        )?;
        if let Some(path) = &self.output {
            say!("wrote {}", shown(path));
        }
        Ok(())
    }
}

fn cost(pass: &PassCost) -> Value {
    json!({
        "rows": pass.rows,
        "instructions": pass.instructions,
        "longest_step": pass.longest,
    })
}

fn figure(comparison: &Comparison) -> Value {
    json!({
        "figure": comparison.label,
        "device": comparison.device,
        "f64": comparison.reference,
    })
}

fn is_mixture(learner: Learner) -> bool {
    matches!(
        learner,
        Learner::Mixture(_) | Learner::StepwiseMixture { .. }
    )
}

fn what(config: &Config, width: usize) -> String {
    let k = config.k;
    match config.learner {
        Learner::KMeans { .. } => format!("{k} clusters by Lloyd's algorithm"),
        Learner::OnlineKMeans { .. } => format!("{k} clusters along the stream"),
        Learner::Pca { .. } => format!("{k} principal components along the stream"),
        Learner::Mixture(mixture) => {
            format!("{k} {} Gaussians by batch EM", covariance(mixture))
        }
        Learner::StepwiseMixture { mixture, .. } => {
            format!("{k} {} Gaussians along the stream", covariance(mixture))
        }
        Learner::LatentClass(_) => format!("{k} latent classes by batch EM"),
        Learner::StepwiseLatentClass { .. } => format!("{k} latent classes along the stream"),
        Learner::Layers(layers) => {
            let widths: Vec<String> = layers.widths(width).iter().map(u16::to_string).collect();
            let kind = match layers.corruption {
                Corruption::None => "autoencoder",
                _ => "denoiser",
            };
            format!("a {}-{kind} by back-propagation", widths.join("-"))
        }
        Learner::Rbm(machine) => match machine.chains {
            0 => format!("{k} hidden units by CD-{}", machine.steps),
            chains => format!(
                "{k} hidden units by PCD-{} with {chains} chains",
                machine.steps
            ),
        },
    }
}

fn covariance(mixture: Mixture) -> &'static str {
    match mixture.covariance {
        Covariance::Diagonal => "diagonal",
        Covariance::Tied => "tied",
        Covariance::Full => "full",
    }
}

fn print_costs(out: &mut Output, run: &LearnRun) -> Result<()> {
    let mut bytes = |what: &str, bytes: u64| -> Result<()> {
        Ok(writeln!(out, "{what:<15} {} bytes", grouped(bytes))?)
    };
    bytes("learner", run.learner_bytes)?;
    if run.resident_bytes > 0 {
        bytes("rows in memory", run.resident_bytes)?;
    }
    if run.starting_bytes > 0 {
        bytes("for its start", run.starting_bytes)?;
    }
    bytes("stack", run.stack_bytes)?;
    writeln!(
        out,
        "{:<15} {} instructions, the longest step {}",
        "start",
        grouped(run.start.instructions),
        grouped(run.start.longest)
    )?;
    let longest = run.passes.iter().map(|pass| pass.longest).max();
    let total: u64 = run.passes.iter().map(|pass| pass.instructions).sum();
    writeln!(
        out,
        "{:<15} {} instructions a pass, the longest step {}",
        "passes",
        grouped(total / (run.passes.len() as u64).max(1)),
        grouped(longest.unwrap_or(0))
    )?;
    Ok(())
}

/// A table: one line a pass, three columns a figure.
fn print_passes(out: &mut Output, run: &LearnRun, comparisons: &[Comparison]) -> Result<()> {
    write!(
        out,
        "{:>5} {:>15} {:>12}",
        "pass", "instructions", "longest"
    )?;
    for comparison in comparisons {
        write!(out, " | {:>28}", comparison.label)?;
    }
    write!(out, "\n{:>34}", "")?;
    for _ in comparisons {
        write!(out, " | {:>9} {:>9} {:>8}", "device", "f64", "off")?;
    }
    writeln!(out)?;
    for at in learn::shown(run.passes.len() + 1) {
        let cost = at.checked_sub(1).map_or(run.start, |pass| run.passes[pass]);
        write!(
            out,
            "{at:>5} {:>15} {:>12}",
            grouped(cost.instructions),
            grouped(cost.longest)
        )?;
        for comparison in comparisons {
            let device = comparison.device.get(at).copied().unwrap_or(f64::NAN);
            let unit = if comparison.relative { "%" } else { " " };
            let off = match comparison.difference(device) {
                // Nothing is a share of 0.
                off if off.is_infinite() => "-".into(),
                off => format!("{off:+.3}{unit}"),
            };
            write!(
                out,
                " | {device:>9.4} {:>9.4} {off:>8}",
                comparison.reference
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}
