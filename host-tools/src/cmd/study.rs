//! `autodidact study`: the figures of the docs, measured again.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::data::{self, ReadOptions, Table};
use autodidact_tools::generated::GenerativeReport;
use autodidact_tools::picture;
use autodidact_tools::study::recipe::Images;
use autodidact_tools::study::{
    anomaly, autoencoders, chart, data_file, denoisers, energy, gan, generated, mixtures,
    restoration, score_identity, seeding, sketch, two_modes,
};
use autodidact_tools::talk::Output;
use autodidact_tools::train::device::TrainingDevice;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::fit::{advance, bar};

/// Fixes the random choices of every study.
const SEED: u64 = 0;

#[derive(Debug, Args)]
pub(crate) struct Study {
    /// What to measure.
    #[arg(value_enum)]
    topic: Topic,

    /// The folder with `spambase/`, `nab/` and `mnist/` (for seeding, anomaly and energy, and for generated, restoration,
    /// denoisers and autoencoders if MNIST is wanted).
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// Keep the training's checkpoint in this file, and go on from there after an interruption (for scores, generated
    /// and mnist-scores).
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Judge the score network of this container; it is trained and written if it is not there (mnist-scores only).
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Shorter training and fewer rows, no MNIST (for energy, generated, score-identity, two-modes, gan, restoration,
    /// denoisers and autoencoders).
    #[arg(long)]
    quick: bool,

    /// Print JSON in place of a table.
    #[arg(long)]
    json: bool,

    /// Write the container of the last denoiser to this file, that of MNIST if there is one (denoisers only).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Draw the machine's temperature, its scores and their threshold to this PNG (anomaly), or the samples of the first
    /// seed (gan).
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Topic {
    /// What k-means++ gains over random seeding, on Spambase.
    Seeding,
    /// Gaussian mixtures of the bundled digits, on rows held out.
    Mixtures,
    /// Alarms over two temperature series of the Numenta Anomaly Benchmark.
    Anomaly,
    /// Rank errors of the quantile sketch and rates of false alarms, simulated.
    Sketch,
    /// Boltzmann machines, a deep belief net and deep autoencoders, on the bundled digits and on MNIST.
    Energy,
    /// Fréchet distance, Inception score and copies of images that are known: the scale for generators.
    Generated,
    /// Denoisers of a spiral against the exact score.
    ScoreIdentity,
    /// Plain and annealed Langevin dynamics between two modes.
    TwoModes,
    /// Modes that a GAN finds on a ring and on a grid.
    Gan,
    /// Deblurring and inpainting of the digits, and of MNIST, with priors made of denoisers.
    Restoration,
    /// Denoising autoencoders of the digits and of MNIST, in f32 and on the device, beside the best linear filter.
    Denoisers,
    /// Autoencoders of the digits and of MNIST, in f32 and on the device, beside principal components.
    Autoencoders,
    /// Score networks of the bundled digits: denoising by level, samples, inpainting; f32 against the device.
    Scores,
    /// A convolutional score network of MNIST: what it draws, by a classifier.
    MnistScores,
}

impl Study {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        ensure!(
            self.picture.is_none() || matches!(self.topic, Topic::Anomaly | Topic::Gan),
            "--picture goes with the studies anomaly and gan only"
        );
        ensure!(
            self.output.is_none() || self.topic == Topic::Denoisers,
            "--output goes with the study denoisers only"
        );
        let figures = match self.topic {
            Topic::Seeding => seeding(out, &spambase(self.folder()?)?, self.json)?,
            Topic::Mixtures => mixtures(out, self.json)?,
            Topic::Anomaly => anomaly(out, self.folder()?, self.picture.as_deref(), self.json)?,
            Topic::Sketch => sketch(out, self.json)?,
            Topic::Energy if self.quick => energy(out, None, self.json)?,
            Topic::Energy => energy(out, Some(self.folder()?), self.json)?,
            Topic::Scores => super::drawn::scores(out, SEED, self.checkpoint.as_ref(), self.json)?,
            Topic::Generated => self.generated(out)?,
            Topic::MnistScores => super::drawn::mnist(
                out,
                self.folder()?,
                SEED,
                self.model.as_deref(),
                self.checkpoint.as_ref(),
                self.json,
            )?,
            Topic::ScoreIdentity => score_identity(out, self.quick, self.json)?,
            Topic::TwoModes => two_modes(out, self.quick, self.json)?,
            Topic::Gan => gan(out, self.quick, self.picture.as_deref(), self.json)?,
            Topic::Restoration => restoration(out, self.images(), self.quick, self.json)?,
            Topic::Denoisers => denoisers(
                out,
                self.images(),
                self.quick,
                self.json,
                self.output.as_deref(),
            )?,
            Topic::Autoencoders => autoencoders(out, self.images(), self.quick, self.json)?,
        };
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&figures)?)?;
        }
        Ok(())
    }

    /// The folder of data where a study takes MNIST only if it is there.
    fn images(&self) -> Option<&Path> {
        self.data.as_deref().filter(|_| !self.quick)
    }

    fn folder(&self) -> Result<&Path> {
        self.data.as_deref().context(
            "this study needs data: give --data FOLDER with the folders spambase/, nab/ and mnist/ in it",
        )
    }
}

fn spambase(folder: &Path) -> Result<Table> {
    let path = data_file(
        folder,
        "spambase/spambase.data.gz",
        "spambase.data of the UCI repository (dataset 94), gzipped",
    )?;
    let label = ReadOptions {
        leave_out: vec!["58".into()],
        ..ReadOptions::default()
    };
    data::open(&path, &label)
}

/// Number of clusters, runs, and the gain that scikit-learn reached with 20 runs, in per cent.
const SEEDINGS: [(usize, usize, f64); 4] = [
    (10, 20, 47.8),
    (25, 20, 88.2),
    (50, 20, 95.4),
    (10, 200, 47.8),
];

fn seeding(out: &mut Output, table: &Table, json: bool) -> Result<Value> {
    let mut rows = Vec::new();
    if !json {
        writeln!(
            out,
            "k-means++ against random seeding: Spambase, 4601 rows of 57 columns as they are, potential of a row.\n\
             gain +- one standard error; reference: scikit-learn, 20 runs, at k = 10 with a standard error near 3 points.\n\n\
             {:>3} {:>5} {:>11} {:>11} {:>7} {:>9} {:>9} {:>10}",
            "k", "runs", "random", "k-means++", "rounds", "gain", "", "reference"
        )?;
    }
    for (at, (k, runs, reference)) in (0..).zip(SEEDINGS) {
        let found = seeding::seeding(table, &[k], runs, SEED + at, &TrainingDevice::cpu())?;
        for found in found {
            let (random, plus) = (&found.random, &found.plus_plus);
            if !json {
                writeln!(
                    out,
                    "{k:>3} {runs:>5} {:>11.4e} {:>11.4e} {:>7} {:>7.1} % {:>9} {reference:>8.1} %",
                    random.mean(),
                    plus.mean(),
                    format!("{:.0}, {:.0}", random.mean_rounds(), plus.mean_rounds()),
                    found.gain(),
                    format!("+- {:.1}", found.standard_error()),
                )?;
            }
            rows.push(json!({
                "k": k,
                "runs": runs,
                "random": random.mean(),
                "plus_plus": plus.mean(),
                "gain": found.gain(),
                "standard_error": found.standard_error(),
                "gain_of_minimum": found.gain_of_minimum(),
                "reference": reference,
            }));
        }
    }
    Ok(rows.into())
}

fn mixtures(out: &mut Output, json: bool) -> Result<Value> {
    const SEEDS: u64 = 5;
    let mut rows = Vec::new();
    if !json {
        writeln!(
            out,
            "Gaussian mixtures of the digits: 16 principal components, every fourth row held out, mean of {SEEDS} seeds.\n\
             Nats a row; reference: scikit-learn.\n\n\
             {:<5} {:>3} {:>9} {:>10} {:>9} {:>10}",
            "kind", "k", "training", "reference", "held out", "reference"
        )?;
    }
    for reference in mixtures::REFERENCE {
        let kind = [(reference.covariance, reference.k)];
        for found in mixtures::gmm_digits(&kind, SEEDS, &TrainingDevice::cpu())? {
            if !json {
                writeln!(
                    out,
                    "{:<5} {:>3} {:>9.2} {:>10.2} {:>9.2} {:>10.2}",
                    found.covariance.to_string(),
                    found.k,
                    found.mean_training(),
                    reference.training,
                    found.mean_held_out(),
                    reference.held_out,
                )?;
            }
            rows.push(json!({
                "covariance": found.covariance.to_string(),
                "k": found.k,
                "training": found.training,
                "held_out": found.held_out,
                "bic": found.bic,
                "reference_training": reference.training,
                "reference_held_out": reference.held_out,
            }));
        }
    }
    Ok(rows.into())
}

fn anomaly(out: &mut Output, folder: &Path, picture: Option<&Path>, json: bool) -> Result<Value> {
    let device = TrainingDevice::cpu();
    let series = anomaly::read(folder)?;
    if let (Some(path), Some(machine)) = (picture, series.first()) {
        let traces = anomaly::run(machine, anomaly::PLANS[0], &device)?;
        let gaussian = traces
            .iter()
            .find(|trace| trace.scorer == anomaly::Scorer::Gaussian);
        chart::write(path, machine, gaussian.context("no scores")?)?;
    }
    let figures = anomaly::figures(&series, &device)?;
    if !json {
        writeln!(
            out,
            "Alarms at one point in {} asked for; points after the first 15 % of each series.\n",
            anomaly::PERIOD
        )?;
        writeln!(out, "{}", anomaly::Figures::header())?;
        for figures in &figures {
            writeln!(out, "{figures}")?;
        }
        writeln!(
            out,
            "\nwindows: those in which an alarm started; windows that end in the first 15 % are left out, of one that\n\
             the mark cuts the rest would count (none is cut). in hindsight: had the threshold let through just one in {}\n\
             of the points outside of windows. points above: share of the points outside of windows above the threshold.\n\
             alarms outside: alarms that started there. first drift: points until drift was first signalled.",
            anomaly::PERIOD
        )?;
    }
    to_value(&figures)
}

fn sketch(out: &mut Output, json: bool) -> Result<Value> {
    let errors = sketch::rank_errors(SEED);
    let rates = sketch::alarm_rates(SEED)?;
    if !json {
        writeln!(
            out,
            "Largest error of any of 1,001 quantiles, in per cent of all scores, and in brackets the bound that the\n\
             sketch reported; * marks more than 0.5 %.\n"
        )?;
        write!(out, "{:<24}", "stream")?;
        for length in sketch::LENGTHS {
            write!(out, " {length:>16}")?;
        }
        writeln!(out)?;
        for row in errors.chunks(sketch::LENGTHS.len()) {
            write!(out, "{:<24}", row[0].stream)?;
            for error in row {
                write!(out, " {:>16}", error.to_string())?;
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "\nRate of false alarms over the rate asked for after a calibration of n independent scores: mean of several\n\
             calibrations, and in brackets what a tenth of them is below and above (of 8, the extremes).\n"
        )?;
        write!(out, "{:<17} {:>11}", "scores", "asked")?;
        for (calibration, calibrations) in sketch::CALIBRATIONS {
            write!(
                out,
                " {:>19}",
                format!("n={calibration} ({calibrations} x)")
            )?;
        }
        writeln!(out)?;
        for row in rates.chunks(sketch::CALIBRATIONS.len()) {
            write!(
                out,
                "{:<17} {:>11}",
                row[0].scores,
                format!("1 in {}", row[0].period)
            )?;
            for rate in row {
                write!(out, " {:>19}", rate.to_string())?;
            }
            writeln!(out)?;
        }
    }
    Ok(json!({ "rank_errors": to_value(&errors)?, "alarm_rates": to_value(&rates)? }))
}

impl Study {
    fn generated(&self, out: &mut Output) -> Result<Value> {
        let (quick, json) = (self.quick, self.json);
        let device = TrainingDevice::cpu();
        let (judge, accuracy) = generated::digit_judge(&device)?;
        let baselines = generated::baselines(&judge, quick, &device)?;
        let mnist = self
            .data
            .as_deref()
            .map(|folder| {
                let (judge, accuracy) = generated::mnist_judge(folder, &device)?;
                anyhow::Ok((
                    accuracy,
                    judge.report(&generated::test_images(folder, 2000)?)?,
                ))
            })
            .transpose()?;
        if !json {
            writeln!(
                out,
                "By a classifier of the digits (64-128-64-10, {:.1} % right on held-out digits), against training digits.\n\n\
             {:<26} {}",
                100.0 * accuracy,
                "images",
                GenerativeReport::header()
            )?;
            for (name, report) in &baselines {
                writeln!(out, "{name:<26} {report}")?;
            }
            if let Some((accuracy, report)) = &mnist {
                writeln!(
                    out,
                    "{:<26} {report}\n(MNIST by a classifier of its own, 784-256-64-10, {:.1} % right on the test images)",
                    "MNIST, test images",
                    100.0 * accuracy
                )?;
            }
        }
        let drawn = if quick {
            Value::Null
        } else {
            super::drawn::digits(out, &judge, SEED, self.checkpoint.as_ref(), json)?
        };
        if !json {
            writeln!(
                out,
                "\ncopies: nearer to one training row than a third of the way to the second nearest. nearest: median distance to\n\
             the nearest training row, over that of held-out digits."
            )?;
        }
        Ok(json!({
            "accuracy": accuracy,
            "reports": to_value(&baselines)?,
            "mnist": to_value(&mnist)?,
            "score_network": drawn,
        }))
    }
}

fn score_identity(out: &mut Output, quick: bool, json: bool) -> Result<Value> {
    let found = score_identity::run(quick, &TrainingDevice::cpu())?;
    if !json {
        writeln!(
            out,
            "Residuals on a spiral with noise of {}, against the exact score times the variance of the noise, where the\n\
             density is above 1 % of its maximum.\n",
            score_identity::SIGMA
        )?;
        for trained in &found {
            writeln!(out, "{:<26} host    {}", trained.objective, trained.host)?;
            writeln!(out, "{:<26} device  {}", "", trained.device)?;
        }
    }
    let rows = found.iter().map(|trained| {
        json!({
            "objective": trained.objective,
            "host": trained.host,
            "device": trained.device,
        })
    });
    Ok(rows.collect())
}

fn two_modes(out: &mut Output, quick: bool, json: bool) -> Result<Value> {
    let seeds = if quick { 3 } else { 20 };
    let shares = two_modes::run(seeds, quick, &TrainingDevice::cpu())?;
    if !json {
        writeln!(
            out,
            "Share of {} chains in the mode of weight {}.\n",
            two_modes::CHAINS,
            two_modes::MINOR
        )?;
        for shares in &shares {
            writeln!(out, "{shares}")?;
        }
    }
    to_value(&shares)
}

fn gan(out: &mut Output, quick: bool, picture: Option<&Path>, json: bool) -> Result<Value> {
    let seeds = if quick { 1 } else { 3 };
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    if !json {
        writeln!(
            out,
            "Modes found and share of samples of high quality, {} steps, by f32 and by the device's integers: weights of\n\
             8 bits, the same after fine-tuning, and of 15 bits. value: -1.386 where nothing can be told apart.\n",
            gan::Toy::Ring.options(quick, 0).steps
        )?;
    }
    for toy in [gan::Toy::Ring, gan::Toy::Grid] {
        let [modes, high] = toy.reference();
        if !json {
            writeln!(
                out,
                "{toy:?}: {} modes; the plain GAN of the reference finds {modes:.1}, {:.1} % of high quality\n{}",
                toy.modes().len(),
                100.0 * high,
                gan::Figures::header()
            )?;
        }
        for seed in 0..seeds {
            let (figures, samples) = gan::run(toy, quick, seed, &TrainingDevice::cpu())?;
            if !json {
                writeln!(out, "{figures}")?;
            }
            rows.push(to_value(&figures)?);
            if seed == 0 {
                panels.push(gan::panels(toy, &samples));
            }
        }
    }
    if let Some(path) = picture {
        picture::write_grid(path, &panels, 1)?;
    }
    Ok(rows.into())
}

fn energy(out: &mut Output, folder: Option<&Path>, json: bool) -> Result<Value> {
    let device = TrainingDevice::cpu();
    let mut rows = Vec::new();
    if !json {
        writeln!(
            out,
            "Digits: on from 8 of 16, every fourth row held out, standard error over three seeds. MNIST: 10,000 training\n\
             images, pixels drawn with their shade as probability. ln Z exact up to 20 units, annealed beyond.\n\n{}",
            energy::Figure::header()
        )?;
    }
    let mut printed = Ok(());
    let mut report = |figure: energy::Figure| {
        if !json && printed.is_ok() {
            printed = writeln!(out, "{figure}");
        }
        rows.push(figure);
    };
    energy::digits(folder.is_none(), &device, &mut report)?;
    if let Some(folder) = folder {
        energy::mnist(folder, &device, &mut report)?;
    }
    printed?;
    to_value(&rows)
}

/// Without a folder the digits alone.
fn restoration(out: &mut Output, folder: Option<&Path>, quick: bool, json: bool) -> Result<Value> {
    let device = TrainingDevice::cpu();
    let mut rows = Vec::new();
    if !json {
        writeln!(
            out,
            "Held-out digits, and the first test images of MNIST: dB for blurs, mean squared error of the missing half.\n\n{}",
            restoration::Figures::header()
        )?;
    }
    let wanted = |posed: &&restoration::Posed| folder.is_some() || posed.images == Images::Digits;
    for posed in restoration::PROBLEMS.iter().filter(wanted) {
        let bench = restoration::bench(posed, folder, quick, &device)?;
        let figures = bench.figures(posed, &device)?;
        if !json {
            writeln!(out, "{figures}")?;
        }
        rows.push(to_value(&figures)?);
    }
    Ok(rows.into())
}

/// Without a folder the digits alone; writes the container of the last one to `output`.
fn denoisers(
    out: &mut Output,
    folder: Option<&Path>,
    quick: bool,
    json: bool,
    output: Option<&Path>,
) -> Result<Value> {
    let device = TrainingDevice::cpu();
    let output = output.map(Unfinished::beside).transpose()?;
    let mut rows = Vec::new();
    let mut container = None;
    if !json {
        writeln!(
            out,
            "Peak signal-to-noise ratio in dB on held-out images, shades from 0 to 1, clipped; bytes of container and\n\
             workspace; multiply-accumulates of an image.\n\n{}",
            denoisers::Figures::header()
        )?;
    }
    let wanted = |posed: &&denoisers::Posed| folder.is_some() || posed.images == Images::Digits;
    for posed in denoisers::DENOISERS.iter().filter(wanted) {
        let bar = bar("epoch");
        let (figures, bytes) = denoisers::measure(posed, folder, quick, &device, &mut |p| {
            advance(&bar, p);
        })?;
        bar.finish_and_clear();
        if !json {
            writeln!(out, "{figures}")?;
        }
        rows.push(to_value(&figures)?);
        container = Some(bytes);
    }
    if let (Some(output), Some(container)) = (output, container) {
        output.finish(&container)?;
    }
    Ok(rows.into())
}

/// Without a folder the digits alone.
fn autoencoders(out: &mut Output, folder: Option<&Path>, quick: bool, json: bool) -> Result<Value> {
    let device = TrainingDevice::cpu();
    let mut rows = Vec::new();
    if !json {
        writeln!(
            out,
            "Squared error of a held-out image, shades from 0 to 1, summed over its pixels; reference: as many principal\n\
             components by NumPy. Bytes of container and workspace.\n\n{}",
            autoencoders::Figures::header()
        )?;
    }
    let wanted = |posed: &&autoencoders::Posed| folder.is_some() || posed.images == Images::Digits;
    for posed in autoencoders::AUTOENCODERS.iter().filter(wanted) {
        let bar = bar("epoch");
        let figures = autoencoders::measure(posed, folder, quick, &device, &mut |p| {
            advance(&bar, p);
        })?;
        bar.finish_and_clear();
        if !json {
            writeln!(out, "{figures}")?;
        }
        rows.push(to_value(&figures)?);
    }
    Ok(rows.into())
}

fn to_value(figures: &impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(figures)?)
}
