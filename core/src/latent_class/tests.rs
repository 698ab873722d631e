//! Against textbook forms in f64, and against what must hold for every model.

use super::*;
use crate::em::{ExpectationMaximization, fit};
use crate::rng::{Generator, below, normal};
use crate::scaler::Affine;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

mod awkward;
mod bound;

/// Feature = count / 64.
fn line() -> ScalerFeature {
    ScalerFeature {
        to_feature: Affine::from_f64(64.0, 0.0).unwrap(),
        to_counts: Affine::from_f64(1.0 / 64.0, 0.0).unwrap(),
    }
}

/// A model that owns its parameters.
struct Owned {
    columns: Vec<Column>,
    weights: Vec<u16>,
    surprisals: Vec<u16>,
    lines: Vec<ScalerFeature>,
    gaussians: Vec<Gaussian>,
}

fn bits(p: f64) -> u16 {
    (-p.log2() * 4096.0).round().min(65_535.0) as u16
}

/// Probabilities that sum to 1, some of them very small.
fn distribution(rng: &mut Generator, levels: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..levels)
        .map(|_| (f64::from(below(rng, 1000)) / 1000.0).powi(3) + 1e-4)
        .collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|p| p / sum).collect()
}

impl Owned {
    fn random(columns: &[Column], k: usize, seed: u64) -> Self {
        let mut rng = Generator::from_seed(seed);
        let mut surprisals = vec![0; cells(columns) * k];
        let mut at = 0;
        for column in columns.iter().filter(|column| !column.is_gaussian()) {
            for class in 0..k {
                let p = distribution(&mut rng, column.levels());
                for (level, p) in p.iter().enumerate() {
                    surprisals[at + level * k + class] = bits(*p);
                }
            }
            at += column.levels() * k;
        }
        let gaussians = gaussian_columns(columns);
        Self {
            columns: columns.to_vec(),
            weights: distribution(&mut rng, k).into_iter().map(bits).collect(),
            surprisals,
            lines: vec![line(); gaussians],
            gaussians: (0..gaussians * k)
                .map(|_| Gaussian::new(normal(&mut rng), (1 << 20) + below(&mut rng, 1 << 24)))
                .collect(),
        }
    }

    fn view(&self) -> LatentClass<'_> {
        LatentClass::new(
            &self.columns,
            &self.weights,
            &self.surprisals,
            &self.lines,
            &self.gaussians,
        )
        .unwrap()
    }
}

/// `phi_j p(x | j)` for every class, term by term.
fn joint(model: &LatentClass<'_>, sample: &[i16]) -> Vec<f64> {
    let k = model.classes();
    let probability = |s: u16| (-f64::from(s) / 4096.0).exp2();
    (0..k)
        .map(|j| {
            let mut p = probability(model.weights()[j]);
            let (mut row, mut gaussian) = (0, 0);
            for (column, &x) in model.columns().iter().zip(sample) {
                if column.is_gaussian() {
                    if x != MISSING {
                        let g = &model.gaussians()[gaussian * k + j];
                        let variance = f64::from(g.variance) / 16_777_216.0;
                        let d =
                            (f64::from(x) * 64.0).clamp(-32_768.0, 32_767.0) - f64::from(g.mean);
                        let d = d / 4096.0;
                        p *= (-d * d / (2.0 * variance)).exp()
                            / (2.0 * std::f64::consts::PI * variance).sqrt();
                    }
                    gaussian += 1;
                } else {
                    if x >= 0 && (x as usize) < column.levels() {
                        p *= probability(model.surprisals()[(row + x as usize) * k + j]);
                    }
                    row += column.levels();
                }
            }
            p
        })
        .collect()
}

fn log_likelihood(model: &LatentClass<'_>, sample: &[i16]) -> f64 {
    joint(model, sample).iter().sum::<f64>().ln()
}

fn share(value: u32) -> f64 {
    f64::from(value) / 65_536.0
}

const MIXED: [Column; 5] = [
    Column::categorical(3),
    Column::BERNOULLI,
    Column::GAUSSIAN,
    Column::categorical(7),
    Column::GAUSSIAN,
];

fn random_sample(columns: &[Column], rng: &mut Generator) -> Vec<i16> {
    columns
        .iter()
        .map(|column| match column.levels() {
            _ if below(rng, 4) == 0 => MISSING,
            0 => normal(rng) / 64,
            levels => below(rng, levels as u32) as i16,
        })
        .collect()
}

proptest! {
    #[test]
    fn likelihood_and_responsibilities_are_the_sums_over_classes(seed: u64, k in 1usize..9) {
        let owned = Owned::random(&MIXED, k, seed);
        let model = owned.view();
        let mut rng = Generator::from_seed(seed ^ 1);
        let mut posterior = vec![0; k];
        for _ in 0..20 {
            let sample = random_sample(&MIXED, &mut rng);
            let ll = model.posterior_into(&sample, &mut posterior).unwrap();
            let terms = joint(&model, &sample);
            let sum: f64 = terms.iter().sum();
            let error = (f64::from(ll) / 65_536.0 - sum.ln()).abs();
            // Two Gaussians whose penalty is below 40 nats wherever a class matters.
            prop_assert!(error <= 6e-5 + 2.0 * (4.5e-5 + 40.0 / 65_536.0), "{error}");
            prop_assert_eq!(posterior.iter().sum::<u32>(), 1 << 16);
            for (r, term) in posterior.iter().zip(&terms) {
                prop_assert!((share(*r) - term / sum).abs() <= 1e-3 + k as f64 / 131_072.0);
            }
        }
    }

    #[test]
    fn discrete_likelihood_keeps_its_tighter_bound(seed: u64, k in 1usize..9) {
        let columns = [Column::categorical(5), Column::BERNOULLI, Column::BERNOULLI];
        let owned = Owned::random(&columns, k, seed);
        let model = owned.view();
        let mut rng = Generator::from_seed(seed ^ 1);
        let mut posterior = vec![0; k];
        let mut probabilities = vec![0; 5];
        for _ in 0..20 {
            let sample = random_sample(&columns, &mut rng);
            let ll = model.posterior_into(&sample, &mut posterior).unwrap();
            let terms = joint(&model, &sample);
            let sum: f64 = terms.iter().sum();
            prop_assert!((f64::from(ll) / 65_536.0 - sum.ln()).abs() <= 6e-5);
            // The first of equal scores takes the rest; sums of surprisals are exact in f64, terms nearly.
            let largest = terms.iter().copied().fold(0.0, f64::max);
            let first = terms.iter().position(|term| *term > largest * (1.0 - 1e-9)).unwrap();
            for (class, (r, term)) in posterior.iter().zip(&terms).enumerate() {
                let bound = 8e-6 + 5e-5 * term / sum;
                let bound = if class == first { bound * k as f64 } else { bound };
                prop_assert!((share(*r) - term / sum).abs() <= bound);
            }
            prop_assert_eq!(model.most_probable(&sample, &mut posterior).unwrap().class, first);
            // The conditional of the first column, by Bayes' rule over completed samples.
            model.level_probabilities_into(&sample, 0, &mut posterior, &mut probabilities).unwrap();
            prop_assert_eq!(probabilities.iter().sum::<u32>(), 1 << 16);
            let with: Vec<f64> = (0..5)
                .map(|level| joint(&model, &[level, sample[1], sample[2]]).iter().sum())
                .collect();
            let all: f64 = with.iter().sum();
            for (p, exact) in probabilities.iter().zip(&with) {
                let error = (share(*p) - exact / all).abs();
                prop_assert!(error <= 1e-4 + k as f64 / 65_536.0, "{error}");
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_mixture(seed: u64, k in 1usize..9) {
        let owned = Owned::random(&MIXED, k, seed);
        let model = owned.view();
        let mut rng = Generator::from_seed(seed ^ 1);
        let mut posterior = vec![0; k];
        let sample = random_sample(&MIXED, &mut rng);
        let moments = model.moments(&sample, 2, &mut posterior).unwrap().unwrap();
        let mut without = sample;
        without[2] = MISSING;
        let terms = joint(&model, &without);
        let sum: f64 = terms.iter().sum();
        let class = |j: usize| {
            let g = &model.gaussians()[j];
            (terms[j] / sum, f64::from(g.mean) / 4096.0, f64::from(g.variance) / 16_777_216.0)
        };
        let mean: f64 = (0..k).map(class).map(|(r, mu, _)| r * mu).sum();
        let variance: f64 = (0..k).map(class).map(|(r, mu, v)| r * (v + (mu - mean).powi(2))).sum();
        prop_assert!((f64::from(moments.mean) / 4096.0 - mean).abs() < 5e-3);
        prop_assert!((f64::from(moments.variance) / 16_777_216.0 - variance).abs() < 2e-2);
        prop_assert!(model.moments(&without, 0, &mut posterior).unwrap().is_none());
        prop_assert!(model.moments(&without, 9, &mut posterior).is_err());
    }

    #[test]
    fn any_sample_is_answered(seed: u64, sample in prop::array::uniform5(any::<i16>())) {
        let owned = Owned::random(&MIXED, 4, seed);
        let model = owned.view();
        let mut posterior = [0; 4];
        let mut completed = [0; 5];
        model.posterior_into(&sample, &mut posterior).unwrap();
        prop_assert_eq!(posterior.iter().sum::<u32>(), 1 << 16);
        model.impute_into(&sample, &mut posterior, &mut completed).unwrap();
        for ((column, value), given) in MIXED.iter().zip(completed).zip(sample) {
            prop_assert!(value != MISSING);
            if column.is_gaussian() {
                prop_assert!(given == MISSING || given == value);
            } else {
                prop_assert!((0..column.levels() as i16).contains(&value));
            }
        }
    }
}

#[test]
fn shares_sum_to_one_for_as_many_equal_classes_as_there_can_be() {
    for k in [1usize, 2, 3, 100, 255, 256] {
        let weights = vec![bits(1.0 / k as f64); k];
        let columns = [Column::categorical(1)];
        let surprisals = vec![0; k];
        let model = LatentClass::new(&columns, &weights, &surprisals, &[], &[]).unwrap();
        let mut posterior = vec![0; k];
        let best = model.most_probable(&[0], &mut posterior).unwrap();
        assert_eq!(posterior.iter().sum::<u32>(), 1 << 16);
        assert_eq!(best.class, 0);
        assert!(posterior.iter().all(|r| *r >= 1));
    }
}

#[test]
fn of_equally_probable_classes_the_lowest_is_named_whatever_rounding_does() {
    // Two equal classes and many small ones whose shares are all rounded up: the first is left with less.
    let columns = [Column::categorical(1)];
    for small in 12..15u16 {
        for k in 3..=64 {
            let mut weights = vec![small * 4096 + 1700; k];
            weights[..2].fill(4096);
            let surprisals = vec![0; k];
            let Ok(model) = LatentClass::new(&columns, &weights, &surprisals, &[], &[]) else {
                continue;
            };
            let mut posterior = vec![0; k];
            let best = model.most_probable(&[0], &mut posterior).unwrap();
            assert_eq!(
                (best.class, best.probability),
                (0, posterior[0]),
                "{posterior:?}"
            );
        }
    }
}

#[test]
fn unknown_levels_and_missing_values_are_the_marginal() {
    let owned = Owned::random(&MIXED, 3, 5);
    let model = owned.view();
    let mut scratch = [0; 3];
    let mut ll = |sample: [i16; 5]| model.log_likelihood(&sample, &mut scratch).unwrap();
    let rest = ll([MISSING, 1, 20, 4, MISSING]);
    for unknown in [3, 200, -1, i16::MAX] {
        assert_eq!(ll([unknown, 1, 20, 4, MISSING]), rest);
    }
    let levels: f64 = (0..3)
        .map(|level| (f64::from(ll([level, 1, 20, 4, MISSING])) / 65_536.0).exp())
        .sum();
    assert!((levels.ln() - f64::from(rest) / 65_536.0).abs() < 5e-4);
    // Nothing observed: the weights alone.
    let nothing = ll([MISSING; 5]);
    assert!(nothing.abs() < 20, "{nothing}");
}

#[test]
fn models_that_are_none_are_refused() {
    let Owned {
        columns,
        weights,
        surprisals,
        lines,
        gaussians,
    } = Owned::random(&MIXED, 2, 1);
    let new = LatentClass::new;
    assert!(new(&columns, &weights, &surprisals, &lines, &gaussians).is_ok());
    assert_eq!(
        new(&[], &weights, &[], &[], &[]).unwrap_err(),
        Defect::Shape
    );
    assert_eq!(
        new(&columns, &[], &[], &lines, &[]).unwrap_err(),
        Defect::Shape
    );
    assert_eq!(
        new(&columns, &weights, &surprisals[1..], &lines, &gaussians).unwrap_err(),
        Defect::Shape
    );
    let mut wrong = columns.clone();
    wrong[3] = Column::categorical(257);
    assert_eq!(
        new(&wrong, &weights, &surprisals, &lines, &gaussians).unwrap_err(),
        Defect::Column { index: 3 }
    );
    let mut wrong = surprisals.clone();
    wrong[3 * 2] = 0; // Level 0 of the flag, first class: now too probable or already certain.
    wrong[4 * 2] = 0;
    assert_eq!(
        new(&columns, &weights, &wrong, &lines, &gaussians).unwrap_err(),
        Defect::Column { index: 1 }
    );
    let mut wrong = gaussians.clone();
    wrong[1].constant += 1;
    assert_eq!(
        new(&columns, &weights, &surprisals, &lines, &wrong).unwrap_err(),
        Defect::Derived { index: 1 }
    );
    let mut wrong = lines.clone();
    wrong[1].to_counts.multiplier = -1;
    assert_eq!(
        new(&columns, &weights, &surprisals, &wrong, &gaussians).unwrap_err(),
        Defect::Scale { index: 1 }
    );
    assert_eq!(
        new(&columns, &[0, 0], &surprisals, &lines, &gaussians).unwrap_err(),
        Defect::Weights
    );
    let model = new(&columns, &weights, &surprisals, &lines, &gaussians).unwrap();
    assert!(model.posterior_into(&[0; 4], &mut [0; 2]).is_err());
    assert!(model.posterior_into(&[0; 5], &mut [0; 3]).is_err());
    // A Gaussian column has no levels.
    assert!(
        model
            .level_probabilities_into(&[0; 5], 2, &mut [0; 2], &mut [0; 1])
            .is_err()
    );
    assert!(
        model
            .level_probabilities_into(&[0; 5], 2, &mut [0; 2], &mut [])
            .is_ok()
    );
}

#[test]
fn samples_have_the_conditional_distribution() {
    const N: usize = 40_000;
    let owned = Owned::random(&MIXED, 3, 11);
    let model = owned.view();
    let given = [MISSING, 1, MISSING, 4, 10];
    let mut posterior = [0; 3];
    let mut expected = [0; 3];
    model
        .level_probabilities_into(&given, 0, &mut posterior, &mut expected)
        .unwrap();
    let moments = model.moments(&given, 2, &mut posterior).unwrap().unwrap();
    let mut rng = Generator::from_seed(3);
    let mut drawn = [0; 5];
    let mut levels = [0u32; 3];
    let mut sum = 0f64;
    for _ in 0..N {
        model
            .sample_into(&given, &mut rng, &mut posterior, &mut drawn)
            .unwrap();
        assert_eq!([drawn[1], drawn[3], drawn[4]], [1, 4, 10]);
        levels[drawn[0] as usize] += 1;
        sum += f64::from(drawn[2]) / 64.0;
    }
    for (count, p) in levels.iter().zip(expected) {
        let p = share(p);
        let error = (f64::from(*count) / N as f64 - p).abs();
        // Four standard errors.
        assert!(
            error < 4.0 * (p * (1.0 - p) / N as f64).sqrt() + 1e-4,
            "{error}"
        );
    }
    let deviation = (f64::from(moments.variance) / 16_777_216.0 / N as f64).sqrt();
    let error = (sum / N as f64 - f64::from(moments.mean) / 4096.0).abs();
    assert!(error < 4.0 * deviation + 0.01, "{error}");
}

/// Rows of a known mixture: two classes that differ in all five columns, a tenth of all values missing.
fn rows(n: usize, seed: u64) -> Vec<i16> {
    let mut rng = Generator::from_seed(seed);
    let mut rows = Vec::new();
    for _ in 0..n {
        let class = i16::from(below(&mut rng, 10) < 4);
        let mut other = |p: u32| i16::from(below(&mut rng, 100) < p);
        let row = [
            class * 2 - class * other(20) + (1 - class) * other(30),
            class ^ other(15),
            class * 80 - 40,
            (class * 3 + other(50) + other(50)).min(6),
            0,
        ];
        for (column, mut value) in row.into_iter().enumerate() {
            if column == 2 || column == 4 {
                value += normal(&mut rng) / 128;
            }
            rows.push(if below(&mut rng, 10) == 0 {
                MISSING
            } else {
                value
            });
        }
    }
    rows
}

fn objective(model: &LatentClass<'_>, rows: &[i16], alpha: f64) -> f64 {
    let prior: f64 = model
        .weights()
        .iter()
        .chain(model.surprisals())
        .map(|s| -f64::from(*s) / 4096.0 * std::f64::consts::LN_2)
        .sum();
    let rows = rows.chunks_exact(model.columns().len());
    alpha * prior + rows.map(|row| log_likelihood(model, row)).sum::<f64>()
}

#[test]
fn the_penalised_likelihood_never_falls() {
    let rows = rows(300, 1);
    for (k, alpha, seed) in [(2, 1.0, 1), (3, 0.0, 2), (5, 0.25, 3), (8, 2.0, 4)] {
        let options = Options {
            smoothing: (alpha * 65_536.0) as u32,
            ..Options::DEFAULT
        };
        let lines = [line(); 2];
        let mut memory = vec![0; storage_words(k, &MIXED)];
        let mut learner = Learner::new(&MIXED, &lines, k, &mut memory, options).unwrap();
        learner
            .start_random(&rows, &mut Generator::from_seed(seed))
            .unwrap();
        let cells = (k * (1 + cells(&MIXED))) as f64;
        let tolerance = 300.0 * (2.6e-4 * 6.0 + 1.3e-5 * k as f64) + 2.6e-4 * alpha * cells;
        let mut previous = f64::NEG_INFINITY;
        let first = objective(&learner.model(), &rows, alpha);
        for _ in 0..60 {
            let exact = objective(&learner.model(), &rows, alpha);
            assert!(
                exact >= previous - tolerance,
                "{k} {alpha}: {previous} then {exact}"
            );
            previous = exact;
            let reported = learner.expectation(&rows).unwrap() as f64 / 65_536.0;
            assert!(
                (reported - exact).abs() < 300.0 * 3e-4,
                "{reported} is {exact}"
            );
            learner.maximization().unwrap();
            let model = learner.model();
            LatentClass::new(
                model.columns,
                model.weights,
                model.surprisals,
                model.lines,
                model.gaussians,
            )
            .unwrap();
        }
        assert!(previous > first + 50.0, "{first} {previous}");
    }
}

#[test]
fn given_classes_give_the_smoothed_relative_frequencies() {
    let columns = [Column::categorical(3), Column::GAUSSIAN];
    let lines = [line()];
    let rows = [0, 64, 0, 128, 2, MISSING, MISSING, -64, 1, 0, 1, 640];
    let classes = [0, 0, 0, 1, 1, 1];
    let mut storage =
        Storage::<{ storage_words(2, &[Column::categorical(3), Column::GAUSSIAN]) }>::NEW;
    let mut learner = storage
        .learner(&columns, &lines, 2, Options::DEFAULT)
        .unwrap();
    learner.start_from_classes(&rows, &classes).unwrap();
    let model = learner.model();
    let near = |s: u16, p: f64| assert!((f64::from(s) / 4096.0 + p.log2()).abs() < 2e-4);
    near(model.weights()[0], 4.0 / 8.0);
    for (level, [first, second]) in [
        [3.0 / 6.0, 1.0 / 5.0],
        [1.0 / 6.0, 3.0 / 5.0],
        [2.0 / 6.0, 1.0 / 5.0],
    ]
    .into_iter()
    .enumerate()
    {
        near(model.surprisals()[2 * level], first);
        near(model.surprisals()[2 * level + 1], second);
    }
    // Features 1 and 2; then -1, 0 and, saturated, 8.
    let [first, second] = [model.gaussians()[0], model.gaussians()[1]];
    assert_eq!((first.mean, first.variance), (6_144, 1 << 22));
    let top: f64 = 32_767.0 / 4096.0;
    let mean = (top - 1.0) / 3.0;
    let variance = (1.0 + top * top) / 3.0 - mean * mean;
    assert!((f64::from(second.mean) / 4096.0 - mean).abs() <= 1.0 / 8192.0);
    assert!((f64::from(second.variance) / 16_777_216.0 - variance).abs() <= 2e-7);
}

/// `p(column 0 = 2 | column 1 = 1)` of the mixture that [`rows`] draws from.
const CONDITIONAL: f64 = 0.4 * 0.85 * 0.8 / (0.4 * 0.85 + 0.6 * 0.15);

#[test]
fn rounds_recover_the_mixture() {
    let rows = rows(4000, 7);
    let lines = [line(); 2];
    let mut memory = vec![0; storage_words(2, &MIXED)];
    let mut learner = Learner::new(&MIXED, &lines, 2, &mut memory, Options::DEFAULT).unwrap();
    learner
        .start_random(&rows, &mut Generator::from_seed(1))
        .unwrap();
    fit(&mut learner, &rows, 100, crate::em::gain_below(1 << 10)).unwrap();
    let mut posterior = [0; 2];
    let mut probabilities = [0; 3];
    let given = [MISSING, 1, MISSING, MISSING, MISSING];
    learner
        .model()
        .level_probabilities_into(&given, 0, &mut posterior, &mut probabilities)
        .unwrap();
    // About four standard errors of a proportion among 1500 rows.
    assert!(
        (share(probabilities[2]) - CONDITIONAL).abs() < 0.05,
        "{probabilities:?}"
    );
    let best = learner
        .model()
        .most_probable(&[2, 1, 40, 4, 0], &mut posterior)
        .unwrap();
    let other = learner
        .model()
        .most_probable(&[0, 0, -40, 0, 0], &mut posterior)
        .unwrap();
    assert_ne!(best.class, other.class);
}

#[test]
fn a_stream_recovers_the_mixture_and_follows_it() {
    let rows = rows(20_000, 8);
    let lines = [line(); 2];
    let options = Options {
        memory: 2000,
        ..Options::DEFAULT
    };
    let mut memory = vec![0; storage_words(2, &MIXED)];
    let mut learner = Learner::new(&MIXED, &lines, 2, &mut memory, options).unwrap();
    let mut rng = Generator::from_seed(1);
    for (index, row) in rows.chunks_exact(5).enumerate() {
        if index < 32 {
            learner
                .step_with_class(row, below(&mut rng, 2) as usize)
                .unwrap();
        } else {
            learner.step(row).unwrap();
        }
    }
    let mut posterior = [0; 2];
    let mut probabilities = [0; 3];
    let given = [MISSING, 1, MISSING, MISSING, MISSING];
    learner
        .model()
        .level_probabilities_into(&given, 0, &mut posterior, &mut probabilities)
        .unwrap();
    // Four standard errors of a proportion among the 800 rows in memory that have the flag.
    assert!(
        (share(probabilities[2]) - CONDITIONAL).abs() < 0.07,
        "{probabilities:?}"
    );
    // The world changes: flags are inverted.
    for row in rows.chunks_exact(5) {
        let mut row = [row[0], row[1], row[2], row[3], row[4]];
        if row[1] != MISSING {
            row[1] = 1 - row[1];
        }
        learner.step(&row).unwrap();
    }
    let given = [MISSING, 0, MISSING, MISSING, MISSING];
    learner
        .model()
        .level_probabilities_into(&given, 0, &mut posterior, &mut probabilities)
        .unwrap();
    assert!(
        (share(probabilities[2]) - CONDITIONAL).abs() < 0.07,
        "{probabilities:?}"
    );
}

#[test]
fn a_warm_start_goes_on_from_the_model() {
    let owned = Owned::random(&MIXED, 3, 21);
    let model = owned.view();
    let mut memory = vec![0; storage_words(3, &MIXED)];
    let mut learner = Learner::from_model(&model, &mut memory, Options::DEFAULT, 30_000).unwrap();
    assert_eq!(learner.model().surprisals(), model.surprisals());
    // Against 30,000 remembered rows, one M step of 16 rows changes little.
    let data = rows(16, 3);
    for row in data.chunks_exact(5) {
        learner.step(row).unwrap();
    }
    // Classes of at least a tenth: 3000 rows, of which 16 move no probability by more than this.
    let large = |index: usize| model.weights()[index % 3] <= bits(0.1);
    assert!((0..3).any(large));
    let after = learner.model();
    let pairs = after.surprisals().iter().zip(model.surprisals());
    for (_, (new, old)) in pairs.enumerate().filter(|(index, _)| large(*index)) {
        let change =
            ((-f64::from(*new) / 4096.0).exp2() - (-f64::from(*old) / 4096.0).exp2()).abs();
        assert!(change < 0.01, "{change}");
    }
    let pairs = after.gaussians().iter().zip(model.gaussians());
    for (_, (new, old)) in pairs.enumerate().filter(|(index, _)| large(*index)) {
        assert!(
            new.mean.abs_diff(old.mean) < 200,
            "{} {}",
            new.mean,
            old.mean
        );
    }
}
