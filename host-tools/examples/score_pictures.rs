//! Draws docs/score.png: digits drawn by a score network, how they come out of noise, and halves filled in.
//!
//! `cargo run --release --package autodidact-tools --example score_pictures` trains for some minutes and writes into
//! docs/, or into the folder that is given; a second argument names a container to take instead of training. A third
//! names a container with a score network of larger square images: docs/score-mnist.png. Whatever is drawn comes from a
//! container through the device's own sampler.

use std::path::{Path, PathBuf};

use anyhow::Result;
use autodidact::model::Model;
use autodidact::rng::Generator;
use autodidact::score::{Inpainting, ONE};
use autodidact_tools::artifact;
use autodidact_tools::data;
use autodidact_tools::evaluate::Units;
use autodidact_tools::picture::{Picture, write_grid};
use autodidact_tools::sampler::{Sampler, in_data_units, schedule, score_network};
use autodidact_tools::study::scores::{SIDE, ScoreImages, left_half};
use autodidact_tools::train::device::TrainingDevice;

/// Fixes everything random.
const SEED: u64 = 1;
/// Pictures a line.
const LINE: usize = 12;
/// Samples whose mean is shown.
const DRAWS: usize = 16;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments
        .next()
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")));
    let bytes = match arguments.next() {
        Some(path) => artifact::read(&path)?,
        None => {
            let mut report = |progress: autodidact_tools::train::Progress| {
                eprint!("\rstep {} of {}", progress.step, progress.steps);
            };
            ScoreImages::digits(&|options| options, &TrainingDevice::cpu(), &mut report)?.container
        }
    };
    digits(&bytes, &folder.join("score.png"))?;
    match arguments.next() {
        Some(path) => images(&artifact::read(&path)?, &folder.join("score-mnist.png")),
        None => Ok(()),
    }
}

/// Lines of samples, then of walks.
fn drawn(
    sampler: &mut Sampler<'_>,
    units: &Units,
    rng: &mut Generator,
    [samples, walks]: [usize; 2],
) -> Result<Vec<Vec<Picture>>> {
    let mut lines = Vec::new();
    for _ in 0..samples {
        let line = (0..LINE).map(|_| {
            let sample = sampler.sample(rng, None, &mut |_, _| {})?;
            Ok(picture(in_data_units(units, &sample)))
        });
        lines.push(line.collect::<Result<Vec<_>>>()?);
    }
    for _ in 0..walks {
        lines.push(film(sampler, units, rng)?);
    }
    Ok(lines)
}

/// A square image.
fn picture(shades: Vec<f64>) -> Picture {
    Picture {
        width: shades.len().isqrt(),
        shades,
    }
}

/// Samples and a walk of a score network of images.
fn images(bytes: &[u8], path: &Path) -> Result<()> {
    let model = Model::load(bytes)?;
    let units = Units::of(&model)?;
    let mut sampler = Sampler::new(score_network(&model)?, schedule(&model)?);
    let mut lines = drawn(
        &mut sampler,
        &units,
        &mut Generator::from_seed(SEED),
        [4, 1],
    )?;
    let all = lines
        .iter_mut()
        .flatten()
        .flat_map(|picture| &mut picture.shades);
    all.for_each(|shade| *shade /= units.peak());
    write_grid(path, &lines, 2)
}

/// Samples, walks and halves filled in, of the bundled digits.
fn digits(bytes: &[u8], path: &Path) -> Result<()> {
    let model = Model::load(bytes)?;
    let units = Units::of(&model)?;
    let mut sampler = Sampler::new(score_network(&model)?, schedule(&model)?);
    let mut rng = Generator::from_seed(SEED);
    let mut lines = drawn(&mut sampler, &units, &mut rng, [3, 3])?;
    let digits = data::digits()?
        .scaled(1.0 / data::DIGIT_MAX)?
        .split_held_out()?
        .held_out;
    let known = left_half();
    for (row, counts) in digits
        .iter_rows()
        .zip(units.counts(&digits)?.chunks_exact(SIDE * SIDE))
        .take(3)
    {
        let mut features = vec![0; counts.len()];
        model.scaler().scale_into(counts, &mut features)?;
        let truth: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let half = truth.iter().zip(&known);
        // What is unknown is grey.
        let half = half
            .map(|(&x, &known)| if known { x } else { 0.4 })
            .collect();
        let mut line = vec![picture(half)];
        let mut mean = vec![0.0; truth.len()];
        for draw in 0..DRAWS {
            let inpainting = Inpainting {
                known: &features,
                mask: &known,
            };
            let sample = sampler.sample(&mut rng, Some(inpainting), &mut |_, _| {})?;
            let shades = in_data_units(&units, &sample);
            for (mean, x) in mean.iter_mut().zip(&shades) {
                *mean += x / DRAWS as f64;
            }
            if draw < LINE - 3 {
                line.push(picture(shades));
            }
        }
        line.push(picture(mean));
        line.push(picture(truth));
        lines.push(line);
    }
    write_grid(path, &lines, 4)
}

/// The state after the last step of some levels, from noise to a digit.
fn film(sampler: &mut Sampler<'_>, units: &Units, rng: &mut Generator) -> Result<Vec<Picture>> {
    let mut frames: Vec<(u16, Vec<i32>)> = Vec::new();
    sampler.sample(rng, None, &mut |progress, state| match frames.last_mut() {
        Some((level, frame)) if *level == progress.level => frame.copy_from_slice(state),
        _ => frames.push((progress.level, state.to_vec())),
    })?;
    // The last levels, in which digits form; every state that went before is noise to the eye.
    let first = frames.len().saturating_sub(LINE);
    let frames = frames.iter().skip(first).map(|(_, state)| {
        let features: Vec<f64> = state
            .iter()
            .map(|&x| f64::from(x) / f64::from(ONE))
            .collect();
        picture(units.data(&features))
    });
    Ok(frames.collect())
}
