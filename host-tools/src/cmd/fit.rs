//! `autodidact fit`: train, quantise, compare, write.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use autodidact::kernels::Order;
use autodidact::model::{Model, Task};
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::data::{Scaling, Standardiser, Table};
use autodidact_tools::emulator::Core;
use autodidact_tools::evaluate::{self, FloatPart, Noise, Units};
use autodidact_tools::quantize::{self, Calibration, QuantisedModel};
use autodidact_tools::replay;
use autodidact_tools::train::device::{self, DeviceChoice, TrainingDevice};
use autodidact_tools::train::kmeans::{self, KMeansOptions, Seeding};
use autodidact_tools::train::model::Activation;
use autodidact_tools::train::pca::{self, PcaOptions};
use autodidact_tools::train::{Progress, dae, random};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::shared::{Data, fast_order, print_reports};

#[derive(Debug, Args)]
pub(crate) struct Fit {
    #[command(subcommand)]
    family: Family,
}

#[derive(Debug, Subcommand)]
enum Family {
    /// k-means (Lloyd's algorithm, k-means++ seeding, restarts).
    Kmeans {
        #[command(flatten)]
        common: Common,
        /// Number of clusters.
        #[arg(short)]
        k: usize,
        /// How the first centroids are chosen.
        #[arg(long, value_enum, default_value_t = SeedingChoice::PlusPlus)]
        seeding: SeedingChoice,
        /// Independent starts; the best is kept.
        #[arg(long, default_value_t = 20)]
        restarts: usize,
        /// Most rounds of one start.
        #[arg(long, default_value_t = 300)]
        rounds: usize,
    },
    /// Principal components.
    Pca {
        #[command(flatten)]
        common: Common,
        /// Number of components.
        #[arg(short = 'n', long)]
        components: usize,
    },
    /// A denoising autoencoder.
    Dae {
        #[command(flatten)]
        common: Common,
        /// Widths of the hidden layers.
        #[arg(long, value_delimiter = ',', default_value = "128,128")]
        hidden: Vec<usize>,
        /// Activation of the hidden layers: relu, sigmoid or tanh.
        #[arg(long, default_value = "relu")]
        activation: Activation,
        /// Noise in standard deviations of the data.
        #[arg(long, default_value_t = 0.5, conflicts_with = "sigma_data")]
        sigma: f64,
        /// Noise in data units instead, the same in every column; goes with --scale uniform.
        #[arg(long, value_name = "SIGMA")]
        sigma_data: Option<f64>,
        /// How often every row is seen.
        #[arg(long, default_value_t = 1200)]
        epochs: usize,
        /// Rows per step.
        #[arg(long, default_value_t = 128)]
        batch: usize,
        /// Learning rate at the start; it falls to zero.
        #[arg(long, default_value_t = 4e-3)]
        learning_rate: f64,
    },
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    data: Data,

    /// The container to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// How columns are scaled: each by its own spread, or all by one (columns of one unit, such as
    /// pixels).
    #[arg(long, value_enum, default_value_t = ScaleChoice::Standard)]
    scale: ScaleChoice,

    /// Keep columns that never change, without scaling them up.
    #[arg(long)]
    ignore_constant: bool,

    /// Fixes everything random; drawn and printed when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    /// Where to train: auto, cpu, gpu or wgpu-software.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,

    /// Lay the weights out for this core (m4, m0plus, m55, rv32); every core reads every layout.
    #[arg(long, default_value = "m4")]
    core: Core,

    /// Name of the part in the container.
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScaleChoice {
    Standard,
    Uniform,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeedingChoice {
    PlusPlus,
    Random,
}

/// Training data, prepared.
struct Prepared {
    training: Table,
    held_out: Table,
    features: Table,
    standardiser: Standardiser,
    seed: u64,
    device: TrainingDevice,
    order: Order,
    model: QuantisedModel,
}

impl Common {
    fn prepare(&self) -> Result<Prepared> {
        if let Some(name) = &self.name {
            ensure!(
                (1..=16).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_graphic())
                    && name != "scaler",
                "--name {name:?}: a part's name has 1 to 16 ASCII characters, no spaces, and is not `scaler`"
            );
        }
        let table = self.data.read()?;
        let split = table.split_held_out()?;
        let scaling = match self.scale {
            ScaleChoice::Standard => Scaling::Standard {
                ignore_constant: self.ignore_constant,
            },
            ScaleChoice::Uniform => Scaling::Uniform,
        };
        let standardiser = scaling.fit(&split.training)?;
        let features = standardiser.transform(&split.training)?;
        let seed = self.seed.unwrap_or_else(|| {
            let seed = u64::from(std::process::id())
                ^ std::time::UNIX_EPOCH
                    .elapsed()
                    .map_or(0, |t| t.as_nanos() as u64 & 0xffff_ffff);
            println!("seed {seed} (repeat this run with --seed {seed})");
            seed
        });
        let device = device::open(self.device)?;
        let mut model = QuantisedModel::new(&standardiser, table.columns())?;
        model.note("data", self.data.name());
        model.note("rows", split.training.rows());
        model.note("held_out", "row index mod 4 = 3");
        model.note("scale", format!("{:?}", self.scale).to_lowercase());
        model.note("seed", seed);
        model.note("tool", concat!("autodidact ", env!("CARGO_PKG_VERSION")));
        Ok(Prepared {
            training: split.training,
            held_out: split.held_out,
            features,
            standardiser,
            seed,
            device,
            order: fast_order(self.core),
            model,
        })
    }

    fn name(&self, default: &str) -> String {
        self.name.clone().unwrap_or_else(|| default.into())
    }

    /// Quantises, compares with the f32 model on held-out rows, writes the file, which was opened
    /// before training so that a folder that cannot be written to shows at once.
    fn finish(
        &self,
        prepared: &Prepared,
        output: Unfinished<'_>,
        float: FloatPart<'_>,
    ) -> Result<()> {
        let bytes = prepared.model.encode(prepared.order)?;
        let model = Model::load(&bytes)?;
        let table = &prepared.held_out;
        let device = evaluate::evaluate(&model, table, &|counts| replay::replay(&model, counts))?;
        let units = Units::of(&model)?;
        let outcomes = evaluate::float_outcomes(float, &units, table)?;
        let part = model.parts().next().context("the model has no part")?;
        let float = evaluate::figures(part.name, &part.body, &units, table, &outcomes)?;
        output.finish(&bytes)?;
        println!(
            "trained on {} rows, judged on {} others",
            prepared.training.rows(),
            table.rows()
        );
        print_reports(&[("f32", &[float]), ("device", &device)]);
        println!("{}: {} bytes", self.output.display(), bytes.len());
        Ok(())
    }
}

impl Fit {
    pub(crate) fn run(self) -> Result<()> {
        match self.family {
            Family::Kmeans {
                common,
                k,
                seeding,
                restarts,
                rounds,
            } => {
                let output = Unfinished::beside(&common.output)?;
                let mut prepared = common.prepare()?;
                let seeding = match seeding {
                    SeedingChoice::PlusPlus => Seeding::PlusPlus,
                    SeedingChoice::Random => Seeding::Random,
                };
                let options = KMeansOptions {
                    k,
                    seeding,
                    restarts,
                    rounds,
                    seed: prepared.seed,
                    ..KMeansOptions::default()
                };
                let bar = bar("restart");
                let model = kmeans::fit(
                    &options.check()?,
                    &prepared.features,
                    &prepared.device,
                    &mut |progress| advance(&bar, progress),
                )?;
                bar.finish_and_clear();
                prepared
                    .model
                    .note("algorithm", format!("k-means, k = {k}, best of {restarts}"));
                let part = quantize::kmeans(&model)?;
                prepared.model.parts.push((common.name("clusters"), part));
                common.finish(&prepared, output, FloatPart::KMeans(&model))
            }
            Family::Pca { common, components } => {
                let output = Unfinished::beside(&common.output)?;
                let mut prepared = common.prepare()?;
                let config = PcaOptions { components }.check()?;
                let model = pca::fit(&config, &prepared.features)?;
                prepared
                    .model
                    .note("algorithm", format!("PCA, {components} components"));
                let part = quantize::pca(&model)?;
                prepared.model.parts.push((common.name("components"), part));
                common.finish(&prepared, output, FloatPart::Pca(&model))
            }
            Family::Dae {
                common,
                hidden,
                activation,
                sigma,
                sigma_data,
                epochs,
                batch,
                learning_rate,
            } => {
                let noise = noise(&common, sigma, sigma_data)?;
                let output = Unfinished::beside(&common.output)?;
                let mut prepared = common.prepare()?;
                let sigma = noise.in_features(&prepared.standardiser);
                let shape = format!("{hidden:?}");
                let options = dae::DaeOptions {
                    hidden,
                    hidden_activation: activation,
                    sigma: sigma.clone(),
                    epochs,
                    batch,
                    learning_rate,
                    seed: prepared.seed,
                    ..dae::DaeOptions::default()
                };
                let bar = bar("epoch");
                let stack = dae::fit(
                    &options.check()?,
                    &prepared.features,
                    &prepared.device,
                    &mut |progress| advance(&bar, progress),
                )?;
                bar.finish_and_clear();
                let noisy = random::add_noise(&prepared.features, &sigma, prepared.seed)?;
                let part = quantize::network(
                    &stack,
                    Task::Denoiser,
                    None,
                    Calibration { features: &noisy },
                )?;
                prepared.model.note(
                    "algorithm",
                    format!("denoising autoencoder, hidden {shape}"),
                );
                let (key, value) = noise.provenance();
                prepared.model.note(key, value);
                prepared.model.parts.push((
                    common.name("denoiser"),
                    quantize::QuantisedPart::Network(part),
                ));
                common.finish(
                    &prepared,
                    output,
                    FloatPart::Network(&stack, Task::Denoiser),
                )
            }
        }
    }
}

/// The noise that the user asked for.
fn noise(common: &Common, sigma: f64, sigma_data: Option<f64>) -> Result<Noise> {
    let value = sigma_data.unwrap_or(sigma);
    ensure!(
        value.is_finite() && value > 0.0,
        "the noise level is {value}; give a number above 0"
    );
    if sigma_data.is_none() {
        return Ok(Noise::Features(value));
    }
    ensure!(
        matches!(common.scale, ScaleChoice::Uniform),
        "--sigma-data needs columns of one unit: add --scale uniform, or give --sigma in standard deviations"
    );
    Ok(Noise::Data(value))
}

/// A progress bar on standard error; invisible when that is no terminal.
pub(super) fn bar(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!(
        "{what} {{pos}} of {{len}} {{bar:30}} loss {{msg}}, {{eta}} to go"
    ));
    let bar = ProgressBar::new(0);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

pub(super) fn advance(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.steps as u64);
    bar.set_message(format!("{:.5}", progress.loss));
    bar.set_position(progress.step as u64);
}
