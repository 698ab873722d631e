//! The parts of `autodidact study` that judge what score networks draw.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use autodidact::model::Model;
use autodidact_tools::artifact::{self, Unfinished};
use autodidact_tools::evaluate::Units;
use autodidact_tools::generated::{GenerativeReport, Judge};
use autodidact_tools::quantize::AlignedBytes;
use autodidact_tools::sampler::{Sampler, Steps, schedule, score_network};
use autodidact_tools::study::drawn::{self, Paired, SAMPLES};
use autodidact_tools::study::generated;
use autodidact_tools::study::scores::{self, Closeness, Reference, ScoreImages};
use autodidact_tools::talk::Output;
use autodidact_tools::train::Progress;
use autodidact_tools::train::device::TrainingDevice;
use autodidact_tools::train::score::ScoreOptions;
use serde_json::{Value, json};

use super::fit::{advance, bar};
use super::ncsn::{denoising_table, error_table};
use super::shared::grouped;

/// A figure of a report.
type Figure = fn(&GenerativeReport) -> f64;

/// What a study trains with in place of the default options.
type Change<'c> = &'c dyn Fn(ScoreOptions) -> ScoreOptions;

/// Seeds that the f32 network and the device are compared over.
const SEEDS: u64 = 5;

/// Samples that are averaged for one row's missing half.
const DRAWS: usize = 16;

/// The figures of the docs: a network of the bundled digits, trained here.
pub(super) fn scores(
    out: &mut Output,
    seed: u64,
    checkpoint: Option<&PathBuf>,
    json: bool,
) -> Result<Value> {
    let started = std::time::Instant::now();
    let digits = train(seed, checkpoint, |change, progress| {
        ScoreImages::digits(change, &TrainingDevice::cpu(), progress)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let container = Model::load(&digits.container)?;
    let units = Units::of(&container)?;
    let denoised = scores::denoising(&digits.model, &container, &digits.held_out)?;
    let reference = Reference::new(&digits.training, &digits.held_out)?;
    let float = scores::f32_samples(&digits.model, &units, SAMPLES, seed);
    let device = scores::device_samples(&container, SAMPLES, seed)?;
    let samples: Vec<(&str, Closeness)> = vec![
        (
            "held-out digits",
            reference.judge(&scores::rows_of(&digits.held_out))?,
        ),
        ("f32 sampler", reference.judge(&float)?),
        ("device's sampler", reference.judge(&device)?),
    ];
    let filled = scores::inpainting(
        &container,
        &digits.held_out,
        &scores::left_half(),
        DRAWS,
        seed,
    )?;
    if !json {
        writeln!(
            out,
            "Score network of the bundled digits: {} parameters, {} bytes of flash, trained in {seconds:.0} s.\n",
            grouped(digits.model.net.parameters() as u64),
            grouped(digits.container.len() as u64)
        )?;
        writeln!(out, "{}", denoising_table(&denoised))?;
        writeln!(out)?;
        writeln!(out, "{}", error_table(&digits.errors))?;
        writeln!(
            out,
            "\n{SAMPLES} samples. Frechet: squared distance to the training rows in 16 principal scores, pixels 0..=1.\n\
             near: share nearer to a training row than the median held-out row; distance: median distance to the nearest\n\
             training row, over that of held-out rows.\n"
        )?;
        writeln!(
            out,
            "{:<18} {:>8} {:>8} {:>9}",
            "", "Frechet", "near", "distance"
        )?;
        for (name, closeness) in &samples {
            writeln!(
                out,
                "{name:<18} {:>8.4} {:>6.1} % {:>9.3}",
                closeness.frechet,
                100.0 * closeness.copies,
                closeness.distance
            )?;
        }
        writeln!(
            out,
            "\nThe right half filled in, {} held-out rows: mean squared error {:.4} of the mean of {} samples, {:.4} of\n\
             one; the best linear guess {}.",
            filled.rows,
            filled.of_mean,
            filled.draws,
            filled.of_one,
            scores::LINEAR_INPAINTING
        )?;
    }
    let named =
        |(name, closeness): &(&str, Closeness)| json!({ "samples": name, "closeness": closeness });
    Ok(json!({
        "training_seconds": seconds,
        "flash_bytes": digits.container.len(),
        "denoising": denoised,
        "samples": samples.iter().map(named).collect::<Vec<_>>(),
        "inpainting": filled,
    }))
}

/// Prints what the score network of the digits draws, seed by seed with the noise of the f32 network's samples.
pub(super) fn digits(
    out: &mut Output,
    judge: &Judge,
    seed: u64,
    checkpoint: Option<&PathBuf>,
    json: bool,
) -> Result<Value> {
    let digits = train(seed, checkpoint, |change, progress| {
        ScoreImages::digits(change, &TrainingDevice::cpu(), progress)
    })?;
    let container = Model::load(&digits.container)?;
    let paired = Paired::draw(judge, &digits.model, &container, SAMPLES, SEEDS)?;
    let rule = digits.model.levels.clone().langevin();
    let langevin = Steps {
        gamma: Some(rule.gamma),
        steps: Some(rule.steps),
        consistent: false,
    };
    let drawn = scores::samples_by(&container, langevin.schedule()?, SAMPLES, seed)?;
    let langevin = judge.report(&drawn::images(&drawn, Units::of(&container)?.peak())?)?;
    let reference = Reference::new(&digits.training, &digits.held_out)?;
    let near = reference.judge(&scores::device_samples(&container, SAMPLES, seed)?)?;
    let known = scores::left_half();
    let filled = scores::inpainting(&container, &digits.held_out, &known, DRAWS, seed)?;
    if !json {
        let reports = paired.float.iter().zip(&paired.device);
        for (seed, (float, device)) in reports.enumerate() {
            writeln!(out, "{:<26} {float}", format!("score network, f32, {seed}"))?;
            writeln!(
                out,
                "{:<26} {device}",
                format!("score network, device, {seed}")
            )?;
        }
        writeln!(out, "{:<26} {langevin}", "device, Langevin's noise")?;
        writeln!(
            out,
            "\nScore network of the digits, {}, over {SEEDS} seeds of {SAMPLES} samples, mean and standard error:\n\n\
             {:<22} {:>18} {:>18} {:>18}",
            cost(&container)?,
            "",
            "f32",
            "device",
            "device less f32"
        )?;
        let figures: [(&str, Figure); 4] = [
            ("Fréchet distance", |report| report.frechet),
            ("Inception score", |report| report.inception_score),
            ("confidence > 0.8", |report| report.confident_share),
            ("nearest", |report| report.nearest_ratio),
        ];
        for (name, of) in figures {
            let [float, device, difference] = paired.figure(of).map(|mean| mean.to_string());
            writeln!(out, "{name:<22} {float:>18} {device:>18} {difference:>18}")?;
        }
        writeln!(
            out,
            "\nNearer to a training row than the median held-out digit: {:.1} % of the device's samples. The right half of\n\
             held-out digits filled in: mean squared error {:.4} of the mean of {} samples; the best linear guess {}.",
            100.0 * near.copies,
            filled.of_mean,
            filled.draws,
            scores::LINEAR_INPAINTING
        )?;
    }
    Ok(json!({ "samples": paired, "langevin": langevin, "near": near, "inpainting": filled }))
}

/// Trains with the options of a study, seen on a bar.
fn train(
    seed: u64,
    checkpoint: Option<&PathBuf>,
    fit: impl FnOnce(Change<'_>, &mut dyn FnMut(Progress)) -> Result<ScoreImages>,
) -> Result<ScoreImages> {
    let bar = bar("step");
    let change = |options| ScoreOptions {
        seed,
        checkpoint: checkpoint.cloned(),
        ..options
    };
    let trained = fit(&change, &mut |progress| advance(&bar, progress))?;
    bar.finish_and_clear();
    Ok(trained)
}

/// What a sample costs.
fn cost(container: &Model<'_>) -> Result<String> {
    let network = score_network(container)?;
    let sampler = Sampler::new(network, schedule(container)?);
    Ok(format!(
        "{} evaluations of {} multiply-accumulates and {} bytes of RAM a sample",
        sampler.evaluations(),
        grouped(network.graph().macs()),
        grouped(sampler.memory_bytes() as u64)
    ))
}

/// The score network of MNIST: trained here, or that of a container.
pub(super) fn mnist(
    out: &mut Output,
    folder: &Path,
    seed: u64,
    model: Option<&Path>,
    checkpoint: Option<&PathBuf>,
    json: bool,
) -> Result<Value> {
    let bytes: AlignedBytes = match model {
        Some(path) if path.exists() => artifact::read(path)?,
        _ => {
            let output = model.map(Unfinished::beside).transpose()?;
            let trained = train(seed, checkpoint, |change, progress| {
                drawn::mnist(folder, change, &TrainingDevice::cpu(), progress)
            })?;
            if let Some(output) = output {
                output.finish(&trained.container)?;
            }
            writeln!(out, "{}", error_table(&trained.errors))?;
            trained.container
        }
    };
    let container = Model::load(&bytes)?;
    let (judge, accuracy) = generated::mnist_judge(folder, &TrainingDevice::cpu())?;
    let test = generated::test_images(folder, SAMPLES)?;
    let samples = scores::device_samples(&container, SAMPLES, seed)?;
    let reports = [
        ("test images", judge.report(&test)?),
        (
            "score network, device",
            judge.report(&drawn::images(&samples, Units::of(&container)?.peak())?)?,
        ),
    ];
    if !json {
        writeln!(
            out,
            "MNIST, judged by a classifier of its own (784-256-64-10, {:.1} % right on the test images), against the 10,000\n\
             training images. Score network: {}, {} bytes of flash.\n\n{:<26} {}",
            100.0 * accuracy,
            cost(&container)?,
            grouped(bytes.len() as u64),
            "images",
            GenerativeReport::header()
        )?;
        for (name, report) in &reports {
            writeln!(out, "{name:<26} {report}")?;
        }
    }
    Ok(json!({ "accuracy": accuracy, "reports": reports, "flash_bytes": bytes.len() }))
}
