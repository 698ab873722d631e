//! Restricted Boltzmann machines and a deep belief net on the digits and on MNIST.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{Bar, Figure};
use crate::{
    data::{self, ReadOptions, Split, Table},
    energy::{AisOptions, DeepBeliefNet, EnergyModel, annealed_log_partition, base_rates},
    quantize,
    study::data_file,
    train::{
        dbn::{self, DbnOptions},
        device::TrainingDevice,
        model::{RbmParameters, VisibleUnits},
        rbm::{self, Algorithm, Binarise, RbmOptions},
    },
};

/// Pixels of the digits, 0..=16, are on from this value.
pub const DIGIT_THRESHOLD: f32 = 8.0;

/// Weight decay of the machines on the digits.
const DIGIT_DECAY: f64 = 1e-3;

/// A machine of the training digits by CD-`steps`.
///
/// # Errors
///
/// Training fails.
pub fn digit_machine(
    hidden: usize,
    steps: usize,
    seed: u64,
    device: &TrainingDevice,
) -> Result<RbmParameters> {
    let training = data::digits()?.split_held_out()?.training;
    let options = digit_options(hidden, steps, seed);
    rbm::fit(&options.check()?, &training, device, &mut |_| {})
}

fn digit_options(hidden: usize, steps: usize, seed: u64) -> RbmOptions {
    RbmOptions {
        hidden,
        algorithm: Algorithm::ContrastiveDivergence { steps },
        binarise: Binarise::Threshold(DIGIT_THRESHOLD),
        weight_decay: DIGIT_DECAY,
        seed,
        ..RbmOptions::default()
    }
}

fn binary_digits() -> Result<Split> {
    Binarise::Threshold(DIGIT_THRESHOLD)
        .table(&data::digits()?, 0)?
        .split_held_out()
}

/// Mean log-likelihood of a row with the exact `ln Z`.
fn exact(machine: &RbmParameters, rows: &Table) -> Result<f64> {
    let model = EnergyModel::from(machine);
    Ok(model.mean_log_likelihood(rows, model.log_partition()?))
}

/// 64x16 by CD-1 and CD-3, in f32 and in int8.
pub(super) fn digits(
    quick: bool,
    device: &TrainingDevice,
    report: &mut dyn FnMut(Figure),
) -> Result<()> {
    let split = binary_digits()?;
    for (steps, bar) in [(1, -18.45), (3, -18.25)] {
        let (mut floats, mut losses) = (Vec::new(), Vec::new());
        let start = Instant::now();
        for seed in 0..if quick { 1 } else { 3 } {
            let machine = digit_machine(16, steps, seed, device)?;
            let float = exact(&machine, &split.held_out)?;
            let integers = quantize::rbm(&machine)?.dequantised();
            losses.push(float - exact(&integers, &split.held_out)?);
            floats.push(float);
        }
        let runs = floats.len() as f64;
        let mean = floats.iter().sum::<f64>() / runs;
        let seconds = start.elapsed().as_secs_f64() / runs;
        let name = format!("digits 64x16 CD-{steps}: nats a held-out row");
        let figure = Figure::new(name, mean, seconds).bar(Bar::AtLeast(bar));
        report(if floats.len() > 1 {
            let squares: f64 = floats.iter().map(|x| (x - mean).powi(2)).sum();
            figure.error((squares / (runs - 1.0) / runs).sqrt())
        } else {
            figure
        });
        let worst = losses.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let name = format!("digits 64x16 CD-{steps}: nats lost by int8, worst seed");
        report(Figure::new(name, worst, 0.0).bar(Bar::AtMost(0.05)));
    }
    Ok(())
}

/// 784x20 by CD-1 and CD-3, exact and annealed.
pub(super) fn mnist(
    folder: &Path,
    device: &TrainingDevice,
    report: &mut dyn FnMut(Figure),
) -> Result<()> {
    let training = images(folder, "train10k-images-idx3-ubyte.gz")?;
    let test = Binarise::Stochastic.table(&images(folder, "t10k-images-idx3-ubyte.gz")?, 1)?;
    for (steps, reference) in [(1, -167.4), (3, -160.9)] {
        let options = RbmOptions {
            hidden: 20,
            algorithm: Algorithm::ContrastiveDivergence { steps },
            binarise: Binarise::Stochastic,
            epochs: 30,
            weight_decay: 1e-3,
            ..RbmOptions::default()
        };
        let start = Instant::now();
        let machine = rbm::fit(&options.check()?, &training, device, &mut |_| {})?;
        let seconds = start.elapsed().as_secs_f64();
        let model = EnergyModel::from(&machine);
        let log_partition = model.log_partition()?;
        let nats = model.mean_log_likelihood(&test, log_partition);
        let name = format!("MNIST 784x20 CD-{steps}: nats a test image");
        report(Figure::new(name, nats, seconds).bar(Bar::AtLeast(reference - 2.0)));
        let integers = quantize::rbm(&machine)?.dequantised();
        let lost = nats - exact(&integers, &test)?;
        let name = format!("MNIST 784x20 CD-{steps}: nats lost by int8");
        report(Figure::new(name, lost, 0.0));
        let start = Instant::now();
        let base = base_rates(&training, VisibleUnits::Bernoulli);
        let annealed = annealed_log_partition(&model, &base, AisOptions::default());
        let name = format!("MNIST 784x20 CD-{steps}: annealed ln Z less exact");
        let figure = Figure::new(
            name,
            (annealed.nats - log_partition).abs(),
            start.elapsed().as_secs_f64(),
        );
        report(
            figure
                .error(annealed.standard_error)
                .bar(Bar::AtMost(3.0 * annealed.standard_error)),
        );
    }
    Ok(())
}

/// MNIST's images as shades 0..=1.
pub(super) fn images(folder: &Path, name: &str) -> Result<Table> {
    let path = data_file(folder, &format!("mnist/{name}"), "images of MNIST, gzipped")?;
    data::open(&path, &ReadOptions::default())?.scaled(1.0 / 255.0)
}

/// 64-64-32: what the net's bounds are beside the likelihood of its bottom machine.
pub(super) fn deep_belief_net(
    quick: bool,
    device: &TrainingDevice,
    report: &mut dyn FnMut(Figure),
) -> Result<()> {
    let split = binary_digits()?;
    let options = DbnOptions {
        layers: vec![
            digit_options(64, 1, 0),
            RbmOptions {
                epochs: 400,
                ..digit_options(32, 3, 0)
            },
        ],
        sampled: true,
    };
    // The options binarise, so training takes the digits as they are.
    let grey = data::digits()?.split_held_out()?.training;
    let start = Instant::now();
    let parameters = dbn::fit(&options.check()?, &grey, device, &mut |_| {})?;
    let seconds = start.elapsed().as_secs_f64();
    let annealing = AisOptions {
        temperatures: if quick { 1000 } else { 10_000 },
        ..AisOptions::default()
    };
    let start = Instant::now();
    let bottom = EnergyModel::from(&parameters.layers[0]);
    let base = base_rates(&split.training, VisibleUnits::Bernoulli);
    let annealed = annealed_log_partition(&bottom, &base, annealing);
    let alone = bottom.mean_log_likelihood(&split.held_out, annealed.nats);
    let name = "digits 64x64, the net's bottom machine: nats a held-out row";
    let figure = Figure::new(name, alone, start.elapsed().as_secs_f64());
    report(figure.error(annealed.standard_error));

    let net = DeepBeliefNet::new(&parameters)?;
    let below = split.training.iter_rows().flat_map(|row| {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        net.below_top(&row)
    });
    let below = Table::new(
        "hidden means",
        Table::numbered_columns(net.top().visible()),
        below.map(|x| x as f32).collect(),
    )?;
    let base = base_rates(&below, VisibleUnits::Bernoulli);
    let annealed = annealed_log_partition(net.top(), &base, annealing);
    let draws = if quick { 100 } else { 1000 };
    let bound = net.bound(&split.held_out, annealed.nats, draws, 1);
    let error = bound.standard_error.hypot(annealed.standard_error);
    let name = "digits DBN 64-64-32: variational bound, nats a held-out row";
    report(Figure::new(name, bound.lower, seconds).error(error));
    let name = format!("digits DBN 64-64-32: bound of {draws} weighted draws");
    let figure = Figure::new(name, bound.weighted, start.elapsed().as_secs_f64());
    report(
        figure
            .error(annealed.standard_error)
            .bar(Bar::AtLeast(alone)),
    );
    Ok(())
}
