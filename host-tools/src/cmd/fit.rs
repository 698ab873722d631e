//! `autodidact fit`: train, quantise, compare, write.

use anyhow::Result;
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::data::{Table, for_each_chunk};
use autodidact_tools::evaluate::{FloatPart, mark_used, whitened};
use autodidact_tools::quantize::{self, QuantisedPart};
use autodidact_tools::say;
use autodidact_tools::talk;
use autodidact_tools::train::Progress;
use autodidact_tools::train::gmm::{self, GmmOptions};
use autodidact_tools::train::kmeans::{self, KMeansOptions, Seeding};
use autodidact_tools::train::model::{CovarianceKind, Metric, PcaModel};
use autodidact_tools::train::pca::{self, PcaOptions};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::autoencoder::{AeFit, StackedFit};
use super::dae::DaeFit;
use super::deep_autoencoder::DeepAutoencoderFit;
use super::energy::{DbnFit, RbmFit};
use super::gan::GanFit;
use super::latent_class::LatentClassFit;
use super::ncsn::NcsnFit;
use super::prepare::{Common, Prepared};

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
        /// Distance.
        #[arg(long, value_enum, default_value_t = Metric::L2)]
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
        /// Number of principal components.
        #[arg(short = 'k', long, short_alias = 'n')]
        components: usize,
    },
    /// A mixture of Gaussians (expectation maximisation, started by k-means).
    Gmm {
        #[command(flatten)]
        common: Common,
        /// Number of Gaussians.
        #[arg(short)]
        k: usize,
        /// Covariances.
        #[arg(long, value_enum, default_value_t = CovarianceKind::Diagonal)]
        covariance: CovarianceKind,
        /// Put so many principal components before the mixture, which then reads their whitened scores.
        #[arg(long, short_alias = 'n')]
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
    /// An autoencoder with a narrow code, of any depth, its weights free or tied.
    Ae(AeFit),
    /// An autoencoder trained layer by layer to undo damage, then as a whole.
    Stacked(StackedFit),
    /// A denoising autoencoder: dense layers or convolutions; noise, masking, or salt and pepper.
    Dae(DaeFit),
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
                let output = common.open_output()?;
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
                let float = FloatPart::KMeans(&model);
                let mut used = vec![false; k];
                mark_used(float, &prepared.features, &mut used)?;
                prepared.without_row = Some(unused(&used));
                common.finish(&prepared, output, &[float])
            }
            Family::Pca { common, components } => {
                let output = common.open_output()?;
                let mut prepared = common.prepare()?;
                prepared.check_width("PCA", autodidact::pca::MAX_DIMENSIONS)?;
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
            Family::Ae(fit) => fit.run(),
            Family::Stacked(fit) => fit.run(),
            Family::Dae(fit) => fit.run(),
        }
    }
}

/// k-means over a file that is never loaded whole.
fn fit_minibatch(
    common: &Common,
    options: KMeansOptions,
    block_rows: usize,
    passes: usize,
    output: Unfinished,
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
    let float = FloatPart::KMeans(&model);
    let mut used = vec![false; model.k];
    let standardiser = &prepared.standardiser;
    for_each_chunk(
        &mut standardiser.transform_chunks(&mut prepared.features)?,
        |chunk| mark_used(float, chunk, &mut used),
    )?;
    prepared.without_row = Some(unused(&used));
    common.finish(&prepared, output, &[float])
}

fn fit_gmm(common: &Common, options: GmmOptions, components: Option<usize>) -> Result<()> {
    let output = common.open_output()?;
    let mut prepared = common.prepare()?;
    if components.is_some() {
        prepared.check_width("PCA", autodidact::pca::MAX_DIMENSIONS)?;
    }
    quantize::check_gmm(options.k, components.unwrap_or(prepared.features.width()))?;
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
    say!(
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
    let float = FloatPart::Gmm {
        density: &density,
        whitening: pca.as_ref(),
    };
    floats.push(float);
    let mut used = vec![false; model.k];
    mark_used(float, &prepared.features, &mut used)?;
    prepared.without_row = Some(unused(&used));
    common.finish(&prepared, output, &floats)
}

fn unused(used: &[bool]) -> usize {
    used.iter().filter(|used| !**used).count()
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

/// A progress bar on standard error; invisible when that is no terminal.
pub(super) fn bar(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!(
        "{what} {{pos}} of {{len}} {{bar:30}} loss {{msg}}, {{eta}} to go"
    ));
    let bar = talk::bar();
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

pub(super) fn advance(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.steps as u64);
    bar.set_message(format!("{:.5}", progress.loss));
    bar.set_position(progress.step as u64);
}
