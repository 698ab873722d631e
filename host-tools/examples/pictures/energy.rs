//! Boltzmann machines and two-dimensional codes, as pictures.
//!
//! These are drawn from the f32 parameters.

use std::path::Path;

use anyhow::Result;
use autodidact_tools::data::{Table, digits};
use autodidact_tools::energy::{Completion, EnergyModel};
use autodidact_tools::picture::{Picture, write_grid, write_scatter};
use autodidact_tools::study::energy::{DIGIT_THRESHOLD, digit_codes, digit_machine};
use autodidact_tools::train::device::TrainingDevice;
use autodidact_tools::train::random::generator;
use autodidact_tools::train::rbm::Binarise;

use super::{SEED, SIDE};

/// Hidden units of the machine; Gibbs steps by which it was trained.
const HIDDEN: usize = 64;
const STEPS: usize = 3;

/// Draws the filters of a machine, chains of its samples, completions, and codes beside components.
pub(super) fn draw(folder: &Path) -> Result<()> {
    let machine = digit_machine(HIDDEN, STEPS, SEED, &TrainingDevice::cpu())?;
    let filters: Vec<Picture> = machine
        .weights
        .chunks_exact(machine.visible)
        .map(filter)
        .collect();
    let rows: Vec<Vec<Picture>> = filters.chunks(16).map(<[Picture]>::to_vec).collect();
    write_grid(&folder.join("rbm-filters.png"), &rows, 4)?;

    let model = EnergyModel::from(&machine);
    chains(&model, &folder.join("rbm-chain.png"))?;
    completions(&model, &folder.join("rbm-completion.png"))?;

    let codes = digit_codes(&TrainingDevice::cpu())?;
    write_scatter(
        &folder.join("codes.png"),
        &[&codes.linear[1], &codes.deep[1]],
        &codes.labels[1],
    )
}

/// Weights of a hidden unit: 0 is grey, the largest magnitude white or black.
fn filter(weights: &[f32]) -> Picture {
    let largest = weights
        .iter()
        .fold(f32::MIN_POSITIVE, |m, w| m.max(w.abs()));
    picture(weights.iter().map(|w| f64::from(0.5 + 0.5 * w / largest)))
}

fn picture(shades: impl Iterator<Item = f64>) -> Picture {
    Picture {
        width: SIDE,
        shades: shades.collect(),
    }
}

/// Three chains from noise: the pixels' means after 1, 10, 100 and then every 200 Gibbs steps.
fn chains(model: &EnergyModel, file: &Path) -> Result<()> {
    let mut generator = generator(SEED, 0);
    let mut rows = Vec::new();
    for _ in 0..3 {
        let silent = vec![0.0; model.hidden()];
        let mut state = model.draw_visible(&silent, &mut generator);
        let mut row = vec![picture(state.iter().copied())];
        for steps in [1, 9, 90].into_iter().chain([200; 12]) {
            let means = model.sample(&mut state, steps, &mut generator);
            row.push(picture(means.into_iter()));
        }
        rows.push(row);
    }
    write_grid(file, &rows, 4)
}

/// Held-out digits, their upper halves, and what the machine makes of those.
fn completions(model: &EnergyModel, file: &Path) -> Result<()> {
    const GREY: f64 = 96.0 / 255.0;
    let bits: Table = Binarise::Threshold(DIGIT_THRESHOLD).table(&digits()?, 0)?;
    let held_out = bits.split_held_out()?.held_out;
    let how = Completion {
        warm_up: 200,
        steps: 200,
    };
    let mut generator = generator(SEED, 1);
    let mut rows = vec![Vec::new(), Vec::new(), Vec::new()];
    for row in held_out.iter_rows().take(16) {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let known: Vec<Option<f64>> = row
            .iter()
            .enumerate()
            .map(|(at, &x)| (at < row.len() / 2).then_some(x))
            .collect();
        let completed = model.complete(&known, how, &mut generator);
        rows[0].push(picture(row.into_iter()));
        rows[1].push(picture(known.into_iter().map(|x| x.unwrap_or(GREY))));
        rows[2].push(picture(completed.into_iter()));
    }
    write_grid(file, &rows, 4)
}
