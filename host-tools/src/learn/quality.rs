//! What a device has learnt after every pass, beside an f64 fit from the same start.

use anyhow::{Result, bail, ensure};
use autodidact::gmm::Gmm;
use autodidact::model::Model;
use autodidact::rng::Generator;

use rand_chacha::ChaCha8Rng;

use super::procedure::FIRST_WEIGHTS;
use super::schema::OwnedClasses;
use super::settings::{Corruption, Covariance, Hidden, Layers, Learner};
use super::{Learnt, OwnedMixture, Problem, State, prepare};
use crate::data::Table;
use crate::evaluate::Likelihood;
use crate::oracle::{self, BackPropagation, CdOptions, EmFit, Projection};
use crate::quantize::{FEATURE_UNIT, QuantisedStack};
use crate::train::model::{Activation, PcaModel, VisibleUnits};
use crate::train::random::{generator, normal, uniform};

/// Rounds after which an f64 fit ends though it still moves.
const ROUNDS: usize = 2000;
/// An f64 mixture has converged when a round gains less than this, in nats a row.
const TOLERANCE: f64 = 1e-7;

/// One figure at the start and after every pass, and what f64 comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What it is.
    pub label: &'static str,
    /// Of the device's parameters: at the start, then after every pass.
    pub device: Vec<f64>,
    /// Of the f64 fit, run to its end.
    pub reference: f64,
    /// Whether a difference is told in per cent of the reference.
    pub relative: bool,
}

impl Comparison {
    /// The figure after the last pass.
    #[must_use]
    pub fn last(&self) -> f64 {
        self.device.last().copied().unwrap_or(f64::NAN)
    }

    /// How much a figure differs from the reference: in per cent, or as it is.
    #[must_use]
    pub fn difference(&self, device: f64) -> f64 {
        if device == self.reference {
            0.0
        } else if self.relative {
            100.0 * (device / self.reference - 1.0)
        } else {
            device - self.reference
        }
    }
}

/// Judges the states that a device handed on.
///
/// - k-means: inertia a row of the rows learnt from, against Lloyd's algorithm in f64 from the device's own
///   start, until it converges; where there are some, how many centroids have no row;
/// - PCA: percentage of the variance that all components and the first two capture, against exact
///   eigenvectors; largest entry of `|U U^T - I|`, against 0;
/// - mixtures and latent classes: mean nats a row by the device's arithmetic, of the rows learnt from and of those held out,
///   against EM in f64 from the device's own start, until it converges;
/// - Boltzmann machines: mean nats a row of what the device's integers stand for, against contrastive divergence
///   in f64 with the same options and other chance; of many passes only those [`shown`];
/// - autoencoders and denoisers: squared error of a row by the device's arithmetic, against back-propagation in f64
///   from the device's own start over the same rows in the same order, damage by other chance; both are judged on
///   rows with the same damage.
///
/// # Errors
///
/// There are no states, or they are of different kinds or not valid.
pub fn judge(problem: &Problem, states: &[State]) -> Result<Vec<Comparison>> {
    let Some(first) = states.first() else {
        bail!("the device learnt nothing");
    };
    match &first.learnt {
        Learnt::KMeans { centroids, .. } => clusters(problem, states, centroids),
        Learnt::Pca { .. } => components(problem, states),
        Learnt::Mixture(mixture) => mixtures(problem, states, mixture),
        Learnt::Classes(start) => classes(problem, states, start),
        Learnt::Machine(_) => machines(problem, states),
        Learnt::Layers(start) => layers(problem, states, start),
    }
}

fn real(values: &[i16], unit: f64) -> Vec<f64> {
    values
        .iter()
        .map(|value| f64::from(*value) / unit)
        .collect()
}

fn clusters(problem: &Problem, states: &[State], start: &[i16]) -> Result<Vec<Comparison>> {
    let (rows, d) = (&problem.rows, problem.width);
    let count = (rows.len() / d) as f64;
    let mut device = Vec::new();
    let mut empty = Vec::new();
    for state in states {
        let Learnt::KMeans { centroids, .. } = &state.learnt else {
            bail!("a state is of another kind than the first");
        };
        let centroids = real(centroids, FEATURE_UNIT);
        device.push(oracle::inertia(&centroids, rows.chunks_exact(d)) / count);
        empty.push(without_row(&centroids, rows, d));
    }
    let start = real(start, FEATURE_UNIT);
    let metric = oracle::Metric::SquaredEuclidean;
    let reference = oracle::lloyd(metric, rows, d, &start, ROUNDS);
    let mut comparisons = vec![Comparison {
        label: "inertia a row",
        device,
        reference: reference.inertia / count,
        relative: true,
    }];
    if empty.iter().any(|count| *count > 0.0) {
        comparisons.push(Comparison {
            label: "clusters without a row",
            device: empty,
            reference: without_row(&reference.centroids, rows, d),
            relative: false,
        });
    }
    Ok(comparisons)
}

/// How many centroids no row is nearest to.
fn without_row(centroids: &[f64], rows: &[f64], d: usize) -> f64 {
    let mut used = vec![false; centroids.len() / d];
    for row in rows.chunks_exact(d) {
        used[oracle::nearest(centroids, row).index] = true;
    }
    used.iter().filter(|used| !**used).count() as f64
}

fn components(problem: &Problem, states: &[State]) -> Result<Vec<Comparison>> {
    let (rows, d, k) = (&problem.rows, problem.width, problem.settings.k);
    let columns: Vec<Vec<f64>> = (0..d)
        .map(|at| rows.iter().skip(at).step_by(d).copied().collect())
        .collect();
    let eigen = oracle::jacobi_eigen(&oracle::covariance(&columns), d);
    let total: f64 = eigen.values.iter().sum();
    ensure!(total > 0.0, "the rows do not vary");
    let exact = |count: usize| 100.0 * eigen.values[..count].iter().sum::<f64>() / total;
    let squared_norm = total * ((rows.len() / d) as f64 - 1.0);
    let captured = |mean: &[i16], components: &[i16], count: usize| {
        let projection = Projection::from(&PcaModel {
            mean: mean.iter().map(|m| f32::from(*m) / 4096.0).collect(),
            components: components[..count * d]
                .iter()
                .map(|u| f32::from(*u) / 32_768.0)
                .collect(),
            explained_variance: Vec::new(),
            total_variance: total,
            k: count,
            d,
        });
        let left: f64 = rows
            .chunks_exact(d)
            .map(|row| projection.residual(row))
            .sum();
        100.0 * (1.0 - left / squared_norm)
    };
    let two = k.min(2);
    let (mut all, mut first, mut orthonormality) = (Vec::new(), Vec::new(), Vec::new());
    for state in states {
        let Learnt::Pca {
            mean, components, ..
        } = &state.learnt
        else {
            bail!("a state is of another kind than the first");
        };
        all.push(captured(mean, components, k));
        first.push(captured(mean, components, two));
        let components = real(components, 32_768.0);
        let mut worst = 0_f64;
        for (i, a) in components.chunks_exact(d).enumerate() {
            for (j, b) in components.chunks_exact(d).enumerate() {
                let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                worst = worst.max((dot - f64::from(u8::from(i == j))).abs());
            }
        }
        orthonormality.push(worst);
    }
    let comparison = |label, device, reference| Comparison {
        label,
        device,
        reference,
        relative: false,
    };
    Ok(vec![
        comparison("captured variance, %", all, exact(k)),
        comparison("of it the first two, %", first, exact(two)),
        comparison("orthonormality error", orthonormality, 0.0),
    ])
}

fn mixtures(problem: &Problem, states: &[State], start: &OwnedMixture) -> Result<Vec<Comparison>> {
    let (Learner::Mixture(mixture) | Learner::StepwiseMixture { mixture, .. }) =
        problem.settings.learner
    else {
        bail!("the settings are not those of a mixture");
    };
    let kind = match mixture.covariance {
        Covariance::Diagonal => oracle::Covariance::Diagonal,
        Covariance::Tied => oracle::Covariance::Tied,
        Covariance::Full => oracle::Covariance::Full,
    };
    let floor = f64::from(mixture.floor) / 2f64.powi(24);
    let reference =
        real_mixture(&start.view()?)?.fitted(kind, &problem.rows, floor, TOLERANCE, ROUNDS);
    let model = Model::load(&problem.container)?;
    let mut comparisons = Vec::new();
    for (label, counts, rows) in [
        ("nats a row, learnt from", &problem.counts, &problem.rows),
        (
            "nats a row, held out",
            &problem.held_out_counts,
            &problem.held_out,
        ),
    ] {
        if rows.is_empty() {
            continue;
        }
        let read = prepare(&model, problem.settings.whitened, counts)?;
        let mut device = Vec::new();
        for state in states {
            let Learnt::Mixture(mixture) = &state.learnt else {
                bail!("a state is of another kind than the first");
            };
            device.push(mean_nats(&mixture.view()?, &read)?);
        }
        comparisons.push(Comparison {
            label,
            device,
            reference: reference.log_likelihood(rows),
            relative: false,
        });
    }
    Ok(comparisons)
}

fn classes(problem: &Problem, states: &[State], start: &OwnedClasses) -> Result<Vec<Comparison>> {
    let (Learner::LatentClass(classes) | Learner::StepwiseLatentClass { classes, .. }) =
        problem.settings.learner
    else {
        bail!("the settings are not those of latent classes");
    };
    let reference = start.real().fitted(
        &problem.rows,
        f64::from(classes.smoothing) / 65_536.0,
        f64::from(classes.floor) / 2f64.powi(24),
        TOLERANCE,
        ROUNDS,
    );
    let mut comparisons = Vec::new();
    for (label, counts, rows) in [
        ("nats a row, learnt from", &problem.counts, &problem.rows),
        (
            "nats a row, held out",
            &problem.held_out_counts,
            &problem.held_out,
        ),
    ] {
        if rows.is_empty() {
            continue;
        }
        let mut device = Vec::new();
        for state in states {
            let Learnt::Classes(classes) = &state.learnt else {
                bail!("a state is of another kind than the first");
            };
            let model = classes.view()?;
            let mut scratch = vec![0; model.classes()];
            let mut sum = 0_i64;
            for row in counts.chunks_exact(problem.width) {
                sum += i64::from(model.log_likelihood(row, &mut scratch)?);
            }
            device.push(sum as f64 / 65_536.0 / (counts.len() / problem.width) as f64);
        }
        comparisons.push(Comparison {
            label,
            device,
            reference: reference.log_likelihood(rows),
            relative: false,
        });
    }
    Ok(comparisons)
}

/// Most passes that are told of one by one.
const SHOWN: usize = 20;

/// Which of so many states are told of: all of a few, of many some between the first and the last.
#[must_use]
pub fn shown(states: usize) -> Vec<usize> {
    let last = states.saturating_sub(1);
    if last <= SHOWN {
        return (0..states).collect();
    }
    (0..=SHOWN).map(|at| at * last / SHOWN).collect()
}

fn machines(problem: &Problem, states: &[State]) -> Result<Vec<Comparison>> {
    let Learner::Rbm(machine) = problem.settings.learner else {
        bail!("the settings are not those of a Boltzmann machine");
    };
    let (d, settings) = (problem.width, &problem.settings);
    let unit = |bits: u16| f64::from(bits) / 65_536.0;
    let seen: Vec<f64> = problem
        .rows
        .iter()
        .map(|&x| match machine.units {
            VisibleUnits::Bernoulli => f64::from(u8::from(x >= 0.5 / FEATURE_UNIT)),
            VisibleUnits::Gaussian => x,
        })
        .collect();
    let reference = oracle::contrastive_divergence(
        &seen,
        d,
        &CdOptions {
            hidden: settings.k,
            units: machine.units,
            steps: machine.steps.into(),
            chains: machine.chains.into(),
            batch: machine.batch.into(),
            passes: settings.passes as usize,
            rate: unit(machine.rate),
            falls: machine.falls,
            momentum: unit(machine.momentum),
            decay: unit(machine.weight_decay),
            deviation: f64::from(FIRST_WEIGHTS) / 4096.0,
            seed: settings.seed,
        },
    );
    let mut comparisons = Vec::new();
    for (label, rows) in [
        ("nats a row, learnt from", &problem.rows),
        ("nats a row, held out", &problem.held_out),
    ] {
        if rows.is_empty() {
            continue;
        }
        let values = rows.iter().map(|&x| x as f32).collect();
        let table = Table::new("rows", Table::numbered_columns(d), values)?;
        let mut device = vec![f64::NAN; states.len()];
        for at in shown(states.len()) {
            let Learnt::Machine(machine) = &states[at].learnt else {
                bail!("a state is of another kind than the first");
            };
            let likelihood = Likelihood::of_rbm(&machine.quantised()?.dequantised(), &table)?;
            device[at] = likelihood.mean(&table)?;
        }
        comparisons.push(Comparison {
            label,
            device,
            reference: Likelihood::of_rbm(&reference, &table)?.mean(&table)?,
            relative: false,
        });
    }
    Ok(comparisons)
}

/// The seed of the damage that denoisers are judged with.
const DAMAGE_SEED: u64 = 2006;
/// The stream of the damage that the f64 procedure learns from.
const DAMAGE_STREAM: u64 = 4000;

fn layers(problem: &Problem, states: &[State], start: &QuantisedStack) -> Result<Vec<Comparison>> {
    let Learner::Layers(options) = problem.settings.learner else {
        bail!("the settings are not those of layers");
    };
    let reference = descended(problem, options, start);
    let model = Model::load(&problem.container)?;
    let mut comparisons = Vec::new();
    for (label, counts) in [
        ("squared error, learnt from", &problem.counts),
        ("squared error, held out", &problem.held_out_counts),
    ] {
        if counts.is_empty() {
            continue;
        }
        let clean = prepare(&model, false, counts)?;
        let mut damaged = vec![0; clean.len()];
        let mut rng = Generator::from_seed(DAMAGE_SEED);
        options
            .corruption
            .apply_into(&clean, &mut rng, &mut damaged)?;
        let d = problem.width;
        let rows = || damaged.chunks_exact(d).zip(clean.chunks_exact(d));
        let count = (clean.len() / d) as f64;
        let squared = |made: &[f64], row: &[i16]| -> f64 {
            let errors = made.iter().zip(real(row, FEATURE_UNIT));
            errors.map(|(y, x)| (y - x).powi(2)).sum()
        };
        let mut device = vec![f64::NAN; states.len()];
        for at in shown(states.len()) {
            let Learnt::Layers(layers) = &states[at].learnt else {
                bail!("a state is of another kind than the first");
            };
            let stack = layers.view()?;
            let mut values = vec![0; stack.values_len()];
            let mut sum = 0.0;
            for (damaged, clean) in rows() {
                let made = stack.run(damaged, &mut values)?;
                sum += squared(&real(made, FEATURE_UNIT), clean);
            }
            device[at] = sum / count;
        }
        let sum: f64 = rows()
            .map(|(damaged, clean)| {
                squared(&reference.forward(&real(damaged, FEATURE_UNIT)), clean)
            })
            .sum();
        comparisons.push(Comparison {
            label,
            device,
            reference: sum / count,
            relative: true,
        });
    }
    Ok(comparisons)
}

/// The same procedure in f64, from the same start.
fn descended(problem: &Problem, options: Layers, start: &QuantisedStack) -> BackPropagation {
    let widths: Vec<usize> = start.widths.iter().map(|w| usize::from(*w)).collect();
    let function = match start.hidden {
        Hidden::Sigmoid => Activation::Sigmoid,
        Hidden::Tanh => Activation::Tanh,
        Hidden::Elu => Activation::Elu,
        _ => Activation::Relu,
    };
    let biases: Vec<f64> = start
        .biases
        .iter()
        .map(|b| f64::from(*b) / 2f64.powi(25))
        .collect();
    let mut learner =
        BackPropagation::new(&widths, function, &real(&start.weights, 8192.0), &biases);
    let steps = f64::from(problem.settings.steps());
    let mut draws = generator(problem.settings.seed, DAMAGE_STREAM);
    let mut done = 0.0;
    for _ in 0..problem.settings.passes {
        for row in problem.rows.chunks_exact(problem.width) {
            let damaged: Vec<f64> = match options.corruption {
                Corruption::Gaussian { deviation } => {
                    let deviation = f64::from(deviation) / FEATURE_UNIT;
                    let noise = |x| x + deviation * f64::from(normal(&mut draws));
                    row.iter().copied().map(noise).collect()
                }
                Corruption::Masking { probability, value } => {
                    let values = [value; 2];
                    replaced(row, probability, values, &mut draws)
                }
                Corruption::SaltAndPepper {
                    probability,
                    values,
                } => replaced(row, probability, values, &mut draws),
                _ => row.to_vec(),
            };
            let left = if options.falls {
                1.0 - done / steps
            } else {
                1.0
            };
            let rate = f64::from(options.rate) / 65_536.0;
            learner.step(&damaged, row, rate * left);
            done += 1.0;
        }
    }
    learner
}

/// A row of which elements are one of two values with a probability, `U0F16`.
fn replaced(row: &[f64], probability: u16, values: [i16; 2], draws: &mut ChaCha8Rng) -> Vec<f64> {
    let probability = f32::from(probability) / 65_536.0;
    let one = |x: &f64| {
        if uniform(draws) < probability {
            let value = values[usize::from(uniform(draws) < 0.5)];
            f64::from(value) / FEATURE_UNIT
        } else {
            *x
        }
    };
    row.iter().map(one).collect()
}

/// By the device's arithmetic.
fn mean_nats(gmm: &Gmm<'_>, rows: &[i16]) -> Result<f64> {
    let d = gmm.dimensions();
    let mut sum = 0_i64;
    for row in rows.chunks_exact(d) {
        sum += i64::from(gmm.log_likelihood(row)?);
    }
    Ok(sum as f64 / 65_536.0 / (rows.len() / d) as f64)
}

/// A mixture's parameters as real numbers, nothing fitted yet.
fn real_mixture(gmm: &Gmm<'_>) -> Result<EmFit> {
    let (k, d) = (gmm.k(), gmm.dimensions());
    let tensors = gmm.tensors();
    let mut elements = vec![0; Gmm::covariance_len(gmm.covariance(), d)];
    let mut covariances = Vec::new();
    for at in 0..k {
        gmm.covariance_into(at, &mut elements)?;
        let element = |at: usize| elements[at] as f64 / 2f64.powi(56);
        let mut matrix = vec![0.0; d * d];
        for i in 0..d {
            if gmm.covariance() == Covariance::Diagonal {
                matrix[i * d + i] = element(i);
                continue;
            }
            for j in 0..=i {
                let value = element(i * (i + 1) / 2 + j);
                matrix[i * d + j] = value;
                matrix[j * d + i] = value;
            }
        }
        covariances.push(matrix);
    }
    Ok(EmFit {
        weights: tensors
            .weights
            .iter()
            .map(|w| f64::from(*w) / 2f64.powi(30))
            .collect(),
        means: tensors
            .means
            .chunks_exact(d)
            .map(|mean| real(mean, FEATURE_UNIT))
            .collect(),
        covariances,
        rounds: 0,
    })
}
