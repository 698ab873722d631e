//! `autodidact fit`: train, quantise, compare, write.

use anyhow::{Result, ensure};
use autodidact::model::Task;
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::data::Table;
use autodidact_tools::evaluate::{FloatPart, Noise, whitened};
use autodidact_tools::quantize::{self, Calibration, QuantisedPart};
use autodidact_tools::train::gmm::{self, GmmOptions};
use autodidact_tools::train::kmeans::{self, KMeansOptions, Seeding};
use autodidact_tools::train::model::{Activation, CovarianceKind, Metric, PcaModel};
use autodidact_tools::train::pca::{self, PcaOptions};
use autodidact_tools::train::{Progress, dae, random};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::deep_autoencoder::DeepAutoencoderFit;
use super::energy::{DbnFit, RbmFit};
use super::gan::GanFit;
use super::latent_class::LatentClassFit;
use super::ncsn::NcsnFit;
use super::prepare::{Common, Prepared, ScaleChoice};

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
        /// Distance: l2 (means), l1 (medians) or cosine (mean directions).
        #[arg(long, default_value = "l2")]
        metric: Metric,
        /// How the first centroids are chosen.
        #[arg(long, value_enum, default_value_t = SeedingChoice::PlusPlus)]
        seeding: SeedingChoice,
        /// Independent starts; the best is kept.
        #[arg(long, default_value_t = 20)]
        restarts: usize,
        /// Most rounds of one start.
        #[arg(long, default_value_t = 300)]
        rounds: usize,
        /// Read the file this many rows at a time, for data larger than memory (mini-batch k-means).
        #[arg(long, value_name = "ROWS")]
        chunk: Option<usize>,
        /// How often mini-batch k-means goes through the file.
        #[arg(long, default_value_t = 5, requires = "chunk")]
        passes: usize,
    },
    /// Principal components.
    Pca {
        #[command(flatten)]
        common: Common,
        /// Number of components.
        #[arg(short = 'n', long)]
        components: usize,
    },
    /// A mixture of Gaussians (expectation maximisation, started by k-means).
    Gmm {
        #[command(flatten)]
        common: Common,
        /// Number of components.
        #[arg(short)]
        k: usize,
        /// Covariances: diag, tied or full.
        #[arg(long, default_value = "diag")]
        covariance: CovarianceKind,
        /// Put principal components before the mixture, which then reads this many whitened scores.
        #[arg(short = 'n', long)]
        components: Option<usize>,
        /// Independent starts; the likeliest is kept.
        #[arg(long, default_value_t = 5)]
        restarts: usize,
        /// Most rounds of one start.
        #[arg(long, default_value_t = 300)]
        rounds: u32,
        /// Variance added to every variance, in squared features: keeps components from collapsing.
        #[arg(long, default_value_t = 1e-3)]
        floor: f64,
    },
    /// Latent classes over a table of mixed columns: categories, yes or no, numbers, missing values.
    LatentClass(LatentClassFit),
    /// A deep autoencoder with a narrow code: Boltzmann machines unrolled and fine-tuned.
    DeepAutoencoder(DeepAutoencoderFit),
    /// A restricted Boltzmann machine (contrastive divergence).
    Rbm(RbmFit),
    /// A deep belief net: Boltzmann machines on top of one another.
    Dbn(DbnFit),
    /// A noise-conditional score network, which samples are drawn with.
    Ncsn(NcsnFit),
    /// A generative adversarial network: a generator of rows, and a discriminator.
    Gan(GanFit),
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
        /// Write weights of 16 bits, from which a device can go on learning (`autodidact learn --start`).
        #[arg(long)]
        trainable: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeedingChoice {
    PlusPlus,
    Random,
}

impl Fit {
    pub(crate) fn run(self) -> Result<()> {
        match self.family {
            Family::Kmeans {
                common,
                k,
                metric,
                seeding,
                restarts,
                rounds,
                chunk,
                passes,
            } => {
                let output = Unfinished::beside(&common.output)?;
                let seeding = match seeding {
                    SeedingChoice::PlusPlus => Seeding::PlusPlus,
                    SeedingChoice::Random => Seeding::Random,
                };
                let options = KMeansOptions {
                    k,
                    metric,
                    seeding,
                    restarts,
                    rounds,
                    seed: 0,
                };
                if let Some(block_rows) = chunk {
                    return fit_minibatch(&common, options, block_rows, passes, output);
                }
                let mut prepared = common.prepare()?;
                let options = KMeansOptions {
                    seed: prepared.seed,
                    ..options
                };
                let bar = bar("restart");
                let model = kmeans::fit(
                    &options.check()?,
                    &prepared.features,
                    &prepared.device,
                    &mut |progress| advance(&bar, progress),
                )?;
                bar.finish_and_clear();
                prepared.model.note(
                    "algorithm",
                    format!("k-means, k = {k}, {metric}, best of {restarts}"),
                );
                let part = quantize::kmeans(&model)?;
                prepared.model.parts.push((common.name("clusters"), part));
                common.finish(&prepared, output, &[FloatPart::KMeans(&model)])
            }
            Family::Pca { common, components } => {
                let output = Unfinished::beside(&common.output)?;
                let mut prepared = common.prepare()?;
                let config = PcaOptions { components }.check()?;
                let model = pca::fit(&config, &prepared.features, &prepared.device)?;
                prepared
                    .model
                    .note("algorithm", format!("PCA, {components} components"));
                let part = quantize::pca(&model)?;
                prepared.model.parts.push((common.name("components"), part));
                common.finish(&prepared, output, &[FloatPart::Pca(&model)])
            }
            Family::Gmm {
                common,
                k,
                covariance,
                components,
                restarts,
                rounds,
                floor,
            } => {
                let options = GmmOptions {
                    k,
                    covariance,
                    restarts,
                    rounds,
                    floor,
                    ..GmmOptions::default()
                };
                fit_gmm(&common, options, components)
            }
            Family::LatentClass(fit) => fit.run(),
            Family::Rbm(fit) => fit.run(),
            Family::Dbn(fit) => fit.run(),
            Family::DeepAutoencoder(fit) => fit.run(),
            Family::Ncsn(fit) => fit.run(),
            Family::Gan(fit) => fit.run(),
            Family::Dae {
                common,
                hidden,
                activation,
                sigma,
                sigma_data,
                epochs,
                batch,
                learning_rate,
                trainable,
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
                let part = if trainable {
                    QuantisedPart::Stack {
                        stack: quantize::stack(&stack)?,
                        task: Task::Denoiser,
                    }
                } else {
                    let calibration = Calibration { features: &noisy };
                    let task = Task::Denoiser;
                    QuantisedPart::Network(quantize::network(&stack, task, None, calibration)?)
                };
                prepared.model.note(
                    "algorithm",
                    format!("denoising autoencoder, hidden {shape}"),
                );
                let (key, value) = noise.provenance();
                prepared.model.note(key, value);
                prepared.model.parts.push((common.name("denoiser"), part));
                common.finish(
                    &prepared,
                    output,
                    &[FloatPart::Network(&stack, Task::Denoiser)],
                )
            }
        }
    }
}

/// k-means over a file that is never loaded whole.
fn fit_minibatch(
    common: &Common,
    options: KMeansOptions,
    block_rows: usize,
    passes: usize,
    output: Unfinished<'_>,
) -> Result<()> {
    let mut prepared = common.prepare_chunks(block_rows)?;
    let options = KMeansOptions {
        seed: prepared.seed,
        ..options
    };
    let algorithm = format!(
        "mini-batch k-means, k = {}, {}, {passes} passes of {block_rows} rows a step",
        options.k, options.metric
    );
    let bar = bar("pass");
    let model = kmeans::fit_minibatch(
        &options.check()?,
        &mut prepared
            .standardiser
            .transform_chunks(&mut prepared.features)?,
        passes,
        &prepared.device,
        &mut |progress| advance(&bar, progress),
    )?;
    bar.finish_and_clear();
    prepared.model.note("algorithm", algorithm);
    let part = quantize::kmeans(&model)?;
    prepared.model.parts.push((common.name("clusters"), part));
    common.finish(&prepared, output, &[FloatPart::KMeans(&model)])
}

fn fit_gmm(common: &Common, options: GmmOptions, components: Option<usize>) -> Result<()> {
    let output = Unfinished::beside(&common.output)?;
    let mut prepared = common.prepare()?;
    let options = GmmOptions {
        seed: prepared.seed,
        ..options
    };
    let algorithm = format!(
        "Gaussian mixture, {} components, {} covariances, best of {}",
        options.k, options.covariance, options.restarts
    );
    let pca = components
        .map(|components| {
            let config = PcaOptions { components }.check()?;
            pca::fit(&config, &prepared.features, &prepared.device)
        })
        .transpose()?;
    let rows = match &pca {
        Some(pca) => whitened_rows(pca, &prepared)?,
        None => prepared
            .features
            .with_values(prepared.features.values().to_vec())?,
    };
    let bar = bar("restart");
    let model = gmm::fit(
        &options.check()?,
        &rows,
        &prepared.device,
        &mut |progress| {
            advance(&bar, progress);
        },
    )?;
    bar.finish_and_clear();
    println!(
        "trained: {:.4} nats a row, BIC {:.1}, {} free parameters, {} rounds",
        model.log_likelihood,
        model.bic(rows.rows()),
        model.parameters(),
        model.rounds
    );
    prepared.model.note("algorithm", algorithm);
    let input = pca.as_ref().map(|_| "components".to_owned());
    if let Some(pca) = &pca {
        let part = quantize::pca(pca)?;
        prepared.model.parts.push(("components".into(), part));
    }
    let mixture = quantize::gmm(&model)?;
    let part = QuantisedPart::Gmm { input, mixture };
    prepared.model.parts.push((common.name("mixture"), part));
    let density = model.density()?;
    let mut floats: Vec<FloatPart<'_>> = pca.iter().map(FloatPart::Pca).collect();
    floats.push(FloatPart::Gmm {
        density: &density,
        whitening: pca.as_ref(),
    });
    common.finish(&prepared, output, &floats)
}

/// The training rows as a mixture behind `pca` reads them.
fn whitened_rows(pca: &PcaModel, prepared: &Prepared) -> Result<Table> {
    let rows = prepared.features.iter_rows().flat_map(|row| {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        whitened(pca, &row)
    });
    let values = rows.map(|y| y as f32).collect();
    Table::new(
        prepared.features.source(),
        Table::numbered_columns(pca.k),
        values,
    )
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
