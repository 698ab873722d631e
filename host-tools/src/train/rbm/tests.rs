use super::*;
use crate::{
    data::{DIGIT_MAX, digits},
    energy::EnergyModel,
};

fn fit_quietly(options: RbmOptions, data: &Table) -> Result<RbmParameters> {
    fit(&options.check()?, data, &TrainingDevice::cpu(), &mut |_| {})
}

fn digit_rows() -> Table {
    digits().unwrap().scaled(1.0 / DIGIT_MAX).unwrap()
}

fn likelihood(machine: &RbmParameters, rows: &Table) -> f64 {
    let model = EnergyModel::from(machine);
    model.mean_log_likelihood(rows, model.log_partition().unwrap())
}

/// Rows of two bits that are always equal, and one that is always off.
fn pairs() -> Table {
    let values = (0..200).flat_map(|row| {
        let bit = (row % 2) as f32;
        [bit, bit, 0.0]
    });
    Table::new("pairs", Table::numbered_columns(3), values.collect()).unwrap()
}

#[test]
fn the_first_step_follows_the_gradient_of_the_likelihood() {
    // One update of all rows with a long chain: its mean over seeds against differences of the exact likelihood.
    let data = pairs();
    let options = |seed| RbmOptions {
        hidden: 2,
        algorithm: Algorithm::ContrastiveDivergence { steps: 20 },
        epochs: 1,
        batch: 200,
        learning_rate: 1.0,
        decay: Decay::Constant,
        momentum: 0.0,
        seed,
        ..RbmOptions::default()
    };
    let device = TrainingDevice::cpu();
    let start = Machine::new(&options(0), &data, &device.device)
        .download()
        .unwrap();
    let mut step = vec![0.0f64; 6];
    const SEEDS: u64 = 40;
    for seed in 0..SEEDS {
        let mut machine = Machine::new(&options(0), &data, &device.device);
        machine.gibbs = generator(seed, 3);
        machine.update(data.values().to_vec(), &options(0), 1.0);
        let after = machine.download().unwrap();
        for (sum, (new, old)) in step
            .iter_mut()
            .zip(after.weights.iter().zip(&start.weights))
        {
            *sum += f64::from(new - old) / SEEDS as f64;
        }
    }
    for (at, found) in step.into_iter().enumerate() {
        let moved = |h: f32| {
            let mut machine = start.clone();
            machine.weights[at] += h;
            likelihood(&machine, &data)
        };
        let h = 1.0 / 256.0;
        let expected = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
        // Standard error of a correlation over 200 rows and 40 seeds: about 0.006.
        assert!((found - expected).abs() < 0.03, "{at}: {found} {expected}");
    }
}

#[test]
fn machines_learn_what_belongs_together() {
    for algorithm in [
        Algorithm::ContrastiveDivergence { steps: 1 },
        Algorithm::Persistent {
            steps: 1,
            chains: 50,
        },
    ] {
        let options = RbmOptions {
            hidden: 2,
            algorithm,
            epochs: 300,
            ..RbmOptions::default()
        };
        let machine = fit_quietly(options, &pairs()).unwrap();
        // ln 2 a row is the best there is; independent bits are worth twice that.
        let found = likelihood(&machine, &pairs());
        assert!(found > -0.85, "{algorithm:?}: {found}");
    }
}

#[test]
fn training_raises_the_likelihood_of_held_out_digits() {
    let split = digit_rows().split_held_out().unwrap();
    let binarise = Binarise::Threshold(0.5);
    let held_out = binarise.table(&split.held_out, 0).unwrap();
    let options = RbmOptions {
        hidden: 8,
        binarise,
        epochs: 20,
        ..RbmOptions::default()
    };
    let mut losses = Vec::new();
    let machine = fit(
        &options.clone().check().unwrap(),
        &split.training,
        &TrainingDevice::cpu(),
        &mut |progress| losses.push(progress.loss),
    )
    .unwrap();
    let found = likelihood(&machine, &held_out);
    // Independent pixels are worth -25.25; 64x8 comes to -19.7 after 200 epochs.
    assert!(found > -21.0, "{found}");
    assert_eq!(losses.len(), 20);
    assert!(losses[19] < losses[0]);
    assert_eq!(fit_quietly(options, &split.training).unwrap(), machine);
}

#[test]
fn gaussian_units_learn_two_blobs() {
    let mut draws = generator(4, 0);
    let values = (0..400)
        .flat_map(|row| {
            let centre = if row % 2 == 0 { 2.0 } else { -2.0 };
            [centre + normal(&mut draws), centre + normal(&mut draws)]
        })
        .collect();
    let data = Table::new("blobs", Table::numbered_columns(2), values).unwrap();
    let options = RbmOptions {
        hidden: 2,
        units: VisibleUnits::Gaussian,
        epochs: 200,
        learning_rate: 0.01,
        ..RbmOptions::default()
    };
    let machine = fit_quietly(options, &data).unwrap();
    let found = likelihood(&machine, &data);
    // The blobs' own density is worth -ln 2 - ln(2 pi e) = -3.53; one Gaussian of unit variance -6.8.
    assert!(found > -3.8, "{found}");
}

#[test]
fn grey_values_become_bits() {
    let data = digit_rows();
    let bits = Binarise::Threshold(0.5).table(&data, 0).unwrap();
    for (bit, grey) in bits.values().iter().zip(data.values()) {
        assert_eq!(*bit == 1.0, *grey >= 0.5);
    }
    let drawn = Binarise::Stochastic.table(&data, 1).unwrap();
    assert!(drawn.values().iter().all(|x| [0.0, 1.0].contains(x)));
    let mean = |table: &Table| {
        table.values().iter().map(|&x| f64::from(x)).sum::<f64>() / table.values().len() as f64
    };
    assert!((mean(&drawn) - mean(&data)).abs() < 0.005);
    for name in ["no", "stochastic", "threshold=0.5"] {
        assert_eq!(name.parse::<Binarise>().unwrap().to_string(), name);
    }
    assert!("threshold=x".parse::<Binarise>().is_err());
}

#[test]
fn bad_options_are_one_clear_sentence() {
    let message = |change: fn(&mut RbmOptions)| {
        let mut options = RbmOptions {
            epochs: 1,
            ..RbmOptions::default()
        };
        change(&mut options);
        fit_quietly(options, &digits().unwrap())
            .unwrap_err()
            .to_string()
    };
    type Change = fn(&mut RbmOptions);
    let cases: [(Change, &str); 5] = [
        (
            |o| o.hidden = 0,
            "the number of hidden units is 0; give at least 1",
        ),
        (
            |o| o.momentum = 1.0,
            "the momentum is 1; give a number of at least 0 and below 1",
        ),
        (
            |o| o.learning_rate = f64::NAN,
            "the learning rate is NaN; give a number above 0",
        ),
        (
            |o| (o.units, o.binarise) = (VisibleUnits::Gaussian, Binarise::Stochastic),
            "Gaussian units take the data as it is; leave out --binarize",
        ),
        (
            |_| {},
            "the bundled digits holds values from 0 to 16, but Bernoulli units take 0 to 1: scale it, binarise it at a threshold, or take Gaussian units",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(message(change), expected);
    }
}
