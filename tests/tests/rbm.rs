//! The integer learner of restricted Boltzmann machines on the digits, judged by the exact likelihood of the
//! weights that the device uses.

use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact::rbm::learn::{ContrastiveDivergence, Options, Rate, Rounding, storage_words};
use autodidact::rbm::{Rbm, States, Units};
use autodidact::rng::{Generator, below};
use autodidact_tools::data::{self, Scaling};
use autodidact_tools::emulator::{self, Core};
use autodidact_tools::evaluate::Units as DataUnits;
use autodidact_tools::quantize::{self, QuantisedModel, QuantisedPart};
use autodidact_tools::replay;
use autodidact_tools::train::model::{DbnParameters, RbmParameters, VisibleUnits};
use autodidact_tools::train::random;

const VISIBLE: usize = 64;
const HIDDEN: usize = 16;
const EPOCHS: u32 = 200;

/// Training and held-out rows, a bit for every pixel of 8 or more; every fourth row is held out.
fn digits() -> [Vec<[u32; 2]>; 2] {
    let table = data::digits().unwrap();
    let rows = table.values().chunks(VISIBLE).map(|pixels| {
        let mut bits = [0; 2];
        for (at, pixel) in pixels.iter().enumerate() {
            bits[at / 32] |= u32::from(*pixel >= 8.0) << (at % 32);
        }
        bits
    });
    let (held_out, training): (Vec<_>, Vec<_>) = rows.enumerate().partition(|(at, _)| at % 4 == 3);
    [training, held_out].map(|rows| rows.into_iter().map(|(_, row)| row).collect())
}

/// What the machine's integers stand for.
struct Exact {
    /// A row a hidden unit.
    w: Vec<Vec<f64>>,
    b: Vec<f64>,
    c: Vec<f64>,
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Exact {
    fn of(rbm: &Rbm<'_>) -> Self {
        let (s, tensors) = (rbm.scale().to_f64(), rbm.tensors());
        let stride = tensors.weights.len() / rbm.hidden();
        let biases = |b: &[i32]| b.iter().map(|b| f64::from(*b) * s / 4096.0).collect();
        let row = |row: &[i8]| {
            row[..rbm.visible()]
                .iter()
                .map(|w| f64::from(*w) * s)
                .collect()
        };
        Self {
            w: tensors.weights.chunks(stride).map(row).collect(),
            b: biases(tensors.visible_biases),
            c: biases(tensors.hidden_biases),
        }
    }

    /// `log Z`: all hidden states in the order of a Gray code, one unit changes at a time.
    fn log_z(&self) -> f64 {
        let mut logits = self.b.clone();
        let (mut hidden, mut energy) = (0u32, 0.0);
        let (mut most, mut sum) = (f64::NEG_INFINITY, 0.0);
        for count in 0..1u32 << self.c.len() {
            if count > 0 {
                let unit = count.trailing_zeros() as usize;
                hidden ^= 1 << unit;
                let sign = if hidden >> unit & 1 == 1 { 1.0 } else { -1.0 };
                energy += sign * self.c[unit];
                for (logit, w) in logits.iter_mut().zip(&self.w[unit]) {
                    *logit += sign * w;
                }
            }
            let term = energy + logits.iter().map(|x| softplus(*x)).sum::<f64>();
            if term > most {
                sum = sum * (most - term).exp() + 1.0;
                most = term;
            } else {
                sum += (term - most).exp();
            }
        }
        most + sum.ln()
    }

    fn free_energy(&self, row: &[u32; 2]) -> f64 {
        let active: Vec<usize> = (0..VISIBLE)
            .filter(|at| row[at / 32] >> (at % 32) & 1 == 1)
            .collect();
        let sum = |values: &[f64]| active.iter().map(|at| values[*at]).sum::<f64>();
        let freed = self
            .w
            .iter()
            .zip(&self.c)
            .map(|(w, c)| softplus(c + sum(w)));
        -sum(&self.b) - freed.sum::<f64>()
    }

    fn log_likelihood(&self, rows: &[[u32; 2]]) -> f64 {
        let energies: f64 = rows.iter().map(|row| self.free_energy(row)).sum();
        -energies / rows.len() as f64 - self.log_z()
    }
}

/// Mean log-likelihood of held-out rows after learning; the integers' free energy agrees with f64 on the way.
fn learnt(options: Options, rate: u16, seed: u64) -> f64 {
    let [training, held_out] = digits();
    let batches = EPOCHS * training.len() as u32 / u32::from(options.batch);
    let options = Options {
        rate: Rate::linear(rate, batches),
        ..options
    };
    let mut memory = vec![0; storage_words(VISIBLE, HIDDEN, Units::Bernoulli, options.chains)];
    let mut learner = ContrastiveDivergence::new(&mut memory, VISIBLE, HIDDEN, options).unwrap();
    let mut rng = Generator::from_seed(seed);
    learner.start(410, &mut rng);
    let mut order: Vec<usize> = (0..training.len()).collect();
    for _ in 0..EPOCHS {
        for last in (1..order.len()).rev() {
            order.swap(last, below(&mut rng, last as u32 + 1) as usize);
        }
        for row in &order {
            learner
                .step(States::Binary(&training[*row]), &mut rng)
                .unwrap();
        }
    }
    let model = learner.model();
    let exact = Exact::of(&model);
    let mut workspace = vec![0; model.workspace_len()];
    for row in &held_out {
        let nats = model
            .free_energy(States::Binary(row), &mut workspace)
            .unwrap();
        assert!((f64::from(nats) / 65_536.0 - exact.free_energy(row)).abs() < 0.003);
    }
    exact.log_likelihood(&held_out)
}

#[test]
fn cd_1_in_integers_comes_close_to_f32_on_held_out_digits() {
    // f32 reaches -18.29, independent pixels -25.25.
    for seed in 1..=3 {
        let nats = learnt(Options::DEFAULT, 3_277, seed);
        println!("CD-1, 64 x 16, seed {seed}: {nats:.3} nats");
        assert!(nats >= -18.9, "{nats}");
    }
}

#[test]
fn persistent_chains_learn_as_well_at_a_lower_rate() {
    let options = Options {
        chains: 32,
        ..Options::DEFAULT
    };
    let nats = learnt(options, 655, 1);
    println!("PCD-1, 64 x 16: {nats:.3} nats");
    assert!(nats >= -18.9, "{nats}");
}

#[test]
fn stochastic_rounding_saves_what_small_rates_add() {
    let online = Options {
        batch: 1,
        momentum: 0,
        ..Options::DEFAULT
    };
    let nearest = Options {
        rounding: Rounding::Nearest,
        ..online
    };
    let by_chance = learnt(online, 328, 1);
    let to_nearest = learnt(nearest, 328, 1);
    println!(
        "rate 0.005, sample by sample: {by_chance:.3} by chance, {to_nearest:.3} to the nearest"
    );
    assert!(by_chance > to_nearest + 0.3, "{by_chance} {to_nearest}");
}

/// A machine of random parameters.
fn random_machine(
    visible: usize,
    hidden: usize,
    units: VisibleUnits,
    stream: u64,
) -> RbmParameters {
    let mut generator = random::generator(5, stream);
    let mut draw = |count: usize, spread: f32| -> Vec<f32> {
        let values = (0..count).map(|_| spread * random::normal(&mut generator));
        values.collect()
    };
    RbmParameters {
        visible,
        hidden,
        weights: draw(visible * hidden, 0.4),
        visible_bias: draw(visible, 1.0),
        hidden_bias: draw(hidden, 1.0),
        units,
    }
}

#[test]
fn free_energies_and_codes_are_the_host_s_on_every_core() {
    let digits = data::digits().unwrap();
    let threshold = Scaling::Threshold { at: Some(8.0) };
    let scaling = threshold.fit(&digits).unwrap();
    let mut model = QuantisedModel::new(&scaling, digits.columns()).unwrap();
    let binary = random_machine(64, 33, VisibleUnits::Bernoulli, 1);
    let gaussian = random_machine(64, 20, VisibleUnits::Gaussian, 2);
    let net = DbnParameters {
        layers: vec![
            random_machine(64, 40, VisibleUnits::Bernoulli, 3),
            random_machine(40, 70, VisibleUnits::Bernoulli, 4),
        ],
    };
    let parts = [
        (
            "binary",
            QuantisedPart::Rbm(quantize::rbm(&binary).unwrap()),
        ),
        (
            "gaussian",
            QuantisedPart::Rbm(quantize::rbm(&gaussian).unwrap()),
        ),
        ("net", QuantisedPart::Dbn(quantize::dbn(&net).unwrap())),
    ];
    model.parts = parts.map(|(name, part)| (name.into(), part)).into();
    let bytes = model.encode(Order::RowMajor).unwrap();
    let loaded = Model::load(&bytes).unwrap();
    let counts = DataUnits::of(&loaded).unwrap().counts(&digits).unwrap();
    let counts = &counts[..64 * 100];
    let host = replay::replay(&loaded, counts).unwrap();
    for core in Core::ALL {
        let device = emulator::replay(core, &bytes, counts).unwrap();
        assert_eq!(device.results, host, "{core}");
    }
    // A pixel of 8 is 1, one of 7 is 0.
    let bits = |value: f32| {
        let row = digits
            .with_values(vec![value; digits.values().len()])
            .unwrap();
        let counts = DataUnits::of(&loaded).unwrap().counts(&row).unwrap();
        let (mut features, mut bits) = ([0; 64], [0; 2]);
        loaded
            .scaler()
            .scale_into(&counts[..64], &mut features)
            .unwrap();
        let machine = loaded.rbm("binary").unwrap();
        machine.binarise_into(&features, &mut bits).unwrap();
        bits
    };
    assert_eq!((bits(8.0), bits(7.0)), ([u32::MAX; 2], [0; 2]));
}
