//! Mixtures against f64 in textbook form.

use super::batch::BatchEm;
use super::parameters::{COVARIANCE_ONE, LEAST_FLOOR, Parameters};
use super::stepwise::{Rate, StepwiseEm};
use super::*;
use crate::em::{ExpectationMaximization, fit, gain_below};
use crate::rng::{Generator, normal};
use proptest::prelude::*;
use rand_core::Rng;
use std::vec::Vec;

mod awkward;
mod condition;
mod exact;
mod sample;
mod stepwise;

const UNIT: f64 = COVARIANCE_ONE as f64;

/// A mixture in f64: the oracle.
#[derive(Clone)]
struct Oracle {
    d: usize,
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    covariances: Vec<Vec<f64>>,
}

fn cholesky(a: &[f64], n: usize) -> Vec<f64> {
    let mut l = std::vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let mut sum = a[i * n + j];
            for c in 0..j {
                sum -= l[i * n + c] * l[j * n + c];
            }
            l[i * n + j] = if i == j {
                sum.sqrt()
            } else {
                sum / l[j * n + j]
            };
        }
    }
    l
}

fn uniform(rng: &mut Generator) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

impl Oracle {
    /// Standard deviations from `lowest` to `highest`, log-uniform; correlations of a random factor model.
    fn random(
        rng: &mut Generator,
        covariance: Covariance,
        k: usize,
        d: usize,
        (lowest, highest): (f64, f64),
        correlation: f64,
    ) -> Self {
        let mut draw = || {
            let std: Vec<f64> = (0..d)
                .map(|_| lowest * (highest / lowest).powf(uniform(rng)))
                .collect();
            let loading: Vec<f64> = (0..d).map(|_| 2.0 * uniform(rng) - 1.0).collect();
            let mut a = std::vec![0.0; d * d];
            for i in 0..d {
                for j in 0..d {
                    let c = match (i == j, covariance) {
                        (true, _) => 1.0,
                        (false, Covariance::Diagonal) => 0.0,
                        _ => correlation * loading[i].signum() * loading[j].signum(),
                    };
                    a[i * d + j] = c * std[i] * std[j];
                }
            }
            a
        };
        let shared = draw();
        let covariances = (0..k)
            .map(|_| {
                if covariance == Covariance::Tied {
                    shared.clone()
                } else {
                    draw()
                }
            })
            .collect();
        let mut weights: Vec<f64> = (0..k).map(|_| 0.1 + uniform(rng)).collect();
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        let means = (0..k)
            .map(|_| (0..d).map(|_| 4.0 * uniform(rng) - 2.0).collect())
            .collect();
        Self {
            d,
            weights,
            means,
            covariances,
        }
    }

    fn log_terms(&self, x: &[f64]) -> Vec<f64> {
        let d = self.d;
        (0..self.weights.len())
            .map(|j| {
                let l = cholesky(&self.covariances[j], d);
                let mut y = std::vec![0.0; d];
                let mut log = self.weights[j].ln();
                for i in 0..d {
                    let mut sum = x[i] - self.means[j][i];
                    for c in 0..i {
                        sum -= l[i * d + c] * y[c];
                    }
                    y[i] = sum / l[i * d + i];
                    log -= 0.5 * y[i] * y[i] + l[i * d + i].ln() + 0.5 * std::f64::consts::TAU.ln();
                }
                log
            })
            .collect()
    }

    fn log_likelihood(&self, x: &[f64]) -> f64 {
        let terms = self.log_terms(x);
        let best = terms.iter().copied().fold(f64::MIN, f64::max);
        best + terms.iter().map(|t| (t - best).exp()).sum::<f64>().ln()
    }

    fn sample(&self, rng: &mut Generator) -> Vec<i16> {
        let mut u = uniform(rng);
        let j = self
            .weights
            .iter()
            .position(|w| {
                u -= w;
                u < 0.0
            })
            .unwrap_or(0);
        let l = cholesky(&self.covariances[j], self.d);
        let z: Vec<f64> = (0..self.d)
            .map(|_| f64::from(normal(rng)) / 4096.0)
            .collect();
        (0..self.d)
            .map(|i| {
                let sum: f64 = (0..=i).map(|c| l[i * self.d + c] * z[c]).sum();
                ((self.means[j][i] + sum) * 4096.0)
                    .round()
                    .clamp(-32_768.0, 32_767.0) as i16
            })
            .collect()
    }

    fn quantise<'m>(&self, memory: &'m mut [i64], covariance: Covariance) -> Parameters<'m> {
        let mut p = Parameters::new(memory, covariance, self.weights.len(), self.d).unwrap();
        for (j, mean) in self.means.iter().enumerate() {
            let mean: Vec<i16> = mean.iter().map(|m| (m * 4096.0).round() as i16).collect();
            p.set_mean(j, &mean).unwrap();
            p.set_covariance(j, LEAST_FLOOR, |row, column| {
                (self.covariances[j][row * self.d + column] * UNIT) as i64
            })
            .unwrap();
        }
        let masses: Vec<u32> = self.weights.iter().map(|w| (w * 4e9) as u32).collect();
        p.set_weights(&masses).unwrap();
        p
    }
}

fn features(x: &[i16]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x) / 4096.0).collect()
}

const KINDS: [Covariance; 3] = [Covariance::Diagonal, Covariance::Tied, Covariance::Full];

#[test]
fn log_likelihood_is_within_two_hundredths_of_a_nat() {
    const ROWS: usize = 50;
    let mut rng = Generator::from_seed(3);
    for covariance in KINDS {
        for (spread, correlation) in [
            ((0.3, 1.2), 0.0),
            ((0.3, 1.2), 0.8),
            ((0.01, 4.0), 0.5),
            ((0.01, 4.0), 0.95),
        ] {
            let (mut bias, mut exact_means) = (0f64, 0f64);
            for _ in 0..4 {
                for (k, d) in [(1, 1), (3, 5), (8, 16), (4, 32)] {
                    let oracle = Oracle::random(&mut rng, covariance, k, d, spread, correlation);
                    let mut rounded = oracle.clone();
                    for m in rounded.means.iter_mut().flatten() {
                        *m = (*m * 4096.0).round() / 4096.0;
                    }
                    let mut memory = std::vec![0; Parameters::words(covariance, k, d)];
                    let parameters = oracle.quantise(&mut memory, covariance);
                    let model = parameters.model().unwrap();
                    Gmm::new(covariance, d, model.tensors()).unwrap();
                    let (mut error, mut magnitude) = (0.0, 0.0);
                    for _ in 0..ROWS {
                        let x = oracle.sample(&mut rng);
                        let ours = f64::from(model.log_likelihood(&x).unwrap()) / 65_536.0;
                        error += ours - oracle.log_likelihood(&features(&x));
                        magnitude += (ours - rounded.log_likelihood(&features(&x))).abs();
                    }
                    bias = bias.max((error / ROWS as f64).abs());
                    exact_means = exact_means.max(magnitude / ROWS as f64);
                }
            }
            let case = (covariance, spread, correlation);
            std::println!(
                "{case:?}: bias {bias:.5}; magnitude with representable means {exact_means:.5}"
            );
            assert!(bias < 0.02, "{case:?}: {bias}");
            // Correlated features whose scales differ by 400 need more than 16 bits in a row.
            let bound = if correlation > 0.9 { 0.1 } else { 0.02 };
            assert!(exact_means < bound, "{case:?}: {exact_means}");
        }
    }
}

#[test]
fn responsibilities_are_those_of_bayes_and_sum_to_one() {
    let mut rng = Generator::from_seed(4);
    for covariance in KINDS {
        let oracle = Oracle::random(&mut rng, covariance, 6, 4, (0.3, 1.5), 0.5);
        let mut memory = std::vec![0; Parameters::words(covariance, 6, 4)];
        let parameters = oracle.quantise(&mut memory, covariance);
        let model = parameters.model().unwrap();
        for round in 0..300 {
            let x: Vec<i16> = if round % 3 == 0 {
                (0..4).map(|_| rng.next_u32() as i16).collect()
            } else {
                oracle.sample(&mut rng)
            };
            let mut shares = [0; 6];
            let log = model.responsibilities_into(&x, &mut shares).unwrap();
            assert_eq!(shares.iter().sum::<u32>(), ONE);
            assert_eq!(log, model.log_likelihood(&x).unwrap());
            let terms = oracle.log_terms(&features(&x));
            let exact = oracle.log_likelihood(&features(&x));
            let best = model.most_probable(&x).unwrap() as usize;
            assert_eq!(Some(&shares[best]), shares.iter().max());
            for (share, term) in shares.iter().zip(&terms) {
                let p = (term - exact).exp();
                // Far away the terms themselves are large, and so are their errors.
                let tolerance = 2e-3 + 2e-4 * exact.abs();
                assert!(
                    (f64::from(*share) / 65_536.0 - p).abs() < tolerance,
                    "{exact}"
                );
            }
        }
    }
}

#[test]
fn log_likelihood_falls_with_the_distance_and_saturates() {
    let mut memory = std::vec![0; Parameters::words(Covariance::Full, 2, 2)];
    let mut parameters = Parameters::new(&mut memory, Covariance::Full, 2, 2).unwrap();
    for j in 0..2 {
        parameters
            .set_covariance(j, LEAST_FLOOR, |row, column| {
                if row == column {
                    COVARIANCE_ONE >> 18
                } else {
                    0
                }
            })
            .unwrap();
    }
    parameters.set_mean(1, &[-32_768, 0]).unwrap();
    let model = parameters.model().unwrap();
    let mut before = i32::MAX;
    for x in (0..=32_767).step_by(7) {
        let log = model.log_likelihood(&[x, x]).unwrap();
        assert!(log <= before);
        before = log;
    }
    assert_eq!(before, i32::MIN);
    // Beyond the range of the log-likelihood the nearer component still is told apart.
    assert_eq!(model.most_probable(&[-20_000, 30_000]), Ok(1));
    let mut shares = [0; 2];
    model
        .responsibilities_into(&[-20_000, 30_000], &mut shares)
        .unwrap();
    assert_eq!(shares, [0, ONE]);
}

proptest! {
    #[test]
    fn whatever_covariance_is_set_the_model_is_valid(
        kind in 0usize..3, d in 1usize..=8, extremes in any::<bool>(),
        elements in proptest::collection::vec(any::<i64>(), 36), x in proptest::collection::vec(any::<i16>(), 8),
        mean in proptest::collection::vec(any::<i16>(), 8), masses in proptest::collection::vec(any::<u32>(), 2)
    ) {
        let covariance = KINDS[kind];
        let mut memory = std::vec![0; Parameters::words(covariance, 2, d)];
        let mut parameters = Parameters::new(&mut memory, covariance, 2, d).unwrap();
        parameters.set_mean(0, &mean[..d]).unwrap();
        parameters.set_weights(&masses).unwrap();
        for j in 0..2 {
            parameters.set_covariance(j, 0, |row, column| {
                let element = elements[row * (row + 1) / 2 + column];
                if extremes { element.signum() * i64::MAX } else { element }
            }).unwrap();
        }
        let model = parameters.model().unwrap();
        prop_assert!(Gmm::new(covariance, d, model.tensors()).is_ok());
        // Overflow checks are on.
        model.log_likelihood(&x[..d]).unwrap();
        let mut elements = std::vec![0; Gmm::covariance_len(covariance, d)];
        let told = model.covariance_into(0, &mut elements);
        let variances = exact::Factor::of(&model, 0).variances();
        // Up to rounding at the border itself.
        let first = variances.iter().position(|v| *v >= 128.0 * (1.0 - 1e-6));
        match told {
            Ok(()) => prop_assert!(variances.iter().all(|v| *v < 128.0 * (1.0 + 1e-6))),
            Err(CovarianceError::Variance { feature }) => {
                prop_assert_eq!(Some(usize::from(feature)), first);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn a_covariance_comes_back_as_it_was_set(seed: u64, d in 1usize..=6) {
        let mut rng = Generator::from_seed(seed);
        for covariance in KINDS {
            let oracle = Oracle::random(&mut rng, covariance, 2, d, (0.05, 2.0), 0.7);
            let mut memory = std::vec![0; Parameters::words(covariance, 2, d)];
            let parameters = oracle.quantise(&mut memory, covariance);
            let mut elements = std::vec![0; Gmm::covariance_len(covariance, d)];
            parameters.model().unwrap().covariance_into(1, &mut elements).unwrap();
            let at = |i: usize| oracle.covariances[1][i * d + i].sqrt();
            for i in 0..d {
                for j in 0..=i {
                    if covariance == Covariance::Diagonal && i != j { continue; }
                    let slot = if covariance == Covariance::Diagonal { i } else { i * (i + 1) / 2 + j };
                    let error = elements[slot] as f64 / UNIT - oracle.covariances[1][i * d + j];
                    prop_assert!(error.abs() < 4e-3 * at(i) * at(j), "{i} {j} {error}");
                }
            }
        }
    }
}

#[test]
fn tampered_tensors_are_refused() {
    for covariance in KINDS {
        let mut memory = std::vec![0; Parameters::words(covariance, 2, 3)];
        let parameters = Parameters::new(&mut memory, covariance, 2, 3).unwrap();
        let good = parameters.model().unwrap().tensors();
        let new = |tensors: Tensors<'_>| -> Result<(), Defect> {
            Gmm::new(covariance, 3, tensors).map(|_| ())
        };
        assert_eq!(new(good), Ok(()));
        assert_eq!(
            new(Tensors {
                weights: &[1 << 29],
                ..good
            }),
            Err(Defect::Shape)
        );
        assert_eq!(
            new(Tensors {
                weights: &[1 << 30, 0],
                ..good
            }),
            Err(Defect::Weights)
        );
        assert_eq!(
            new(Tensors {
                weights: &[1 << 29, 1 << 28],
                ..good
            }),
            Err(Defect::Weights)
        );
        assert_eq!(
            new(Tensors {
                constants: &[0, 0],
                ..good
            }),
            Err(Defect::Derived { index: 0 })
        );
        let mut factors = good.factors.to_vec();
        factors[0] = 0;
        assert_eq!(
            new(Tensors {
                factors: &factors,
                ..good
            }),
            Err(Defect::Scale { index: 0 })
        );
        let mut shifts = good.shifts.to_vec();
        shifts[1] = 32;
        assert_eq!(
            new(Tensors {
                shifts: &shifts,
                ..good
            }),
            Err(Defect::Scale { index: 1 })
        );
        let mut shifts = good.shifts.to_vec();
        shifts[1] = 0;
        assert_eq!(
            new(Tensors {
                shifts: &shifts,
                ..good
            }),
            Err(Defect::Scale { index: 1 })
        );
        if covariance != Covariance::Diagonal {
            let mut offsets = good.offsets.to_vec();
            offsets[4] += 1;
            assert_eq!(
                new(Tensors {
                    offsets: &offsets,
                    ..good
                }),
                Err(Defect::Derived { index: 1 })
            );
            let mut factors = good.factors.to_vec();
            factors[factor_index(0, 1)] = 1;
            assert_eq!(
                new(Tensors {
                    factors: &factors,
                    ..good
                }),
                Err(Defect::Scale { index: 0 })
            );
        }
    }
}

fn rows(oracle: &Oracle, rng: &mut Generator, n: usize) -> Vec<i16> {
    (0..n).flat_map(|_| oracle.sample(rng)).collect()
}

/// EM in f64 from the same start: the k-means assignment, then M steps; variances floored.
fn em_f64(
    data: &[i16],
    centroids: &[i16],
    covariance: Covariance,
    d: usize,
    floor: f64,
    rounds: u32,
) -> f64 {
    let k = centroids.len() / d;
    let n = data.len() / d;
    let x: Vec<Vec<f64>> = data.chunks(d).map(features).collect();
    let c: Vec<Vec<f64>> = centroids.chunks(d).map(features).collect();
    let mut r: Vec<Vec<f64>> = x
        .iter()
        .map(|x| {
            let distance =
                |c: &Vec<f64>| x.iter().zip(c).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let best = (0..k)
                .min_by(|a, b| distance(&c[*a]).total_cmp(&distance(&c[*b])))
                .unwrap();
            (0..k).map(|j| f64::from(u8::from(j == best))).collect()
        })
        .collect();
    let mut total = 0.0;
    for _ in 0..=rounds {
        let mut model = Oracle {
            d,
            weights: Vec::new(),
            means: Vec::new(),
            covariances: Vec::new(),
        };
        for j in 0..k {
            let mass: f64 = r.iter().map(|r| r[j]).sum();
            let mean: Vec<f64> = (0..d)
                .map(|i| (0..n).map(|t| r[t][j] * x[t][i]).sum::<f64>() / mass)
                .collect();
            let mut s = std::vec![0.0; d * d];
            for t in 0..n {
                for a in 0..d {
                    for b in 0..d {
                        s[a * d + b] += r[t][j] * (x[t][a] - mean[a]) * (x[t][b] - mean[b]) / mass;
                    }
                }
            }
            for a in 0..d {
                for b in 0..d {
                    if a != b && covariance == Covariance::Diagonal {
                        s[a * d + b] = 0.0;
                    }
                }
                s[a * d + a] = s[a * d + a].max(floor);
            }
            model.weights.push(mass / n as f64);
            model.means.push(mean);
            model.covariances.push(s);
        }
        if covariance == Covariance::Tied {
            let mut s = std::vec![0.0; d * d];
            for (w, c) in model.weights.iter().zip(&model.covariances) {
                for (s, c) in s.iter_mut().zip(c) {
                    *s += w * c;
                }
            }
            model.covariances = std::vec![s; k];
        }
        total = 0.0;
        for (x, r) in x.iter().zip(&mut r) {
            let terms = model.log_terms(x);
            let log = model.log_likelihood(x);
            total += log;
            for (r, term) in r.iter_mut().zip(terms) {
                *r = (term - log).exp();
            }
        }
    }
    total / n as f64
}

#[test]
fn batch_em_climbs_to_where_em_in_f64_does() {
    let mut rng = Generator::from_seed(5);
    for covariance in KINDS {
        let (k, d, n) = (3, 4, 400);
        let oracle = Oracle::random(&mut rng, covariance, k, d, (0.2, 0.8), 0.6);
        let data = rows(&oracle, &mut rng, n);
        let mut memory = std::vec![0; BatchEm::words(covariance, k, d)];
        let mut em = BatchEm::new(&mut memory, covariance, k, d, 1 << 42).unwrap();
        let centroids = &data[..k * d];
        em.start_from_centroids(&data, centroids).unwrap();
        let fitted = fit(&mut em, &data, 40, |_| false).unwrap();
        let ours = fitted.log_likelihood as f64 / 65_536.0 / n as f64;
        let exact = em_f64(&data, centroids, covariance, d, 2f64.powi(-14), 40);
        std::println!("{covariance:?}: {ours} {exact}");
        assert!(
            (ours - exact).abs() < 0.01,
            "{covariance:?}: {ours} {exact}"
        );
        let model = em.model().unwrap();
        assert!(Gmm::new(covariance, d, model.tensors()).is_ok());
    }
}

/// Rows, centroids: awkward and not.
fn any_rows(seed: u64, d: usize, n: usize, kind: u8) -> Vec<i16> {
    let mut rng = Generator::from_seed(seed);
    (0..n * d)
        .map(|i| match (kind, i % d) {
            (0, _) => normal(&mut rng),
            // Duplicates of two rows.
            (1, f) => [1000, -3000][(i / d) % 2] + f as i16,
            // A constant feature.
            (2, 0) => 777,
            // Two equal features.
            (3, _) => ((i / d) as i16 * 331) % 4000,
            // Outliers.
            (4, _) if i / d == n / 2 => i16::MAX,
            (5, _) => [i16::MIN, i16::MAX][(rng.next_u32() >> 31) as usize],
            _ => normal(&mut rng) / 4,
        })
        .collect()
}

/// What rounding may take from the log-likelihood of a row in one round, in nats.
///
/// An M step rounds precisions to 14 bits or more (0.5 · 2^-13 of a variance, to second order nothing) and
/// responsibilities to 2^-16; an E step is off by the logarithms' 3e-5 a feature. Both are covered by a
/// thousandth of a nat and a ten-thousandth a feature.
fn tolerance(d: usize) -> f64 {
    1e-3 + 1e-4 * d as f64
}

/// Whether a feature has no more than the floor, 1/256, left, given those before it.
fn raised(model: &Gmm<'_>) -> bool {
    (0..model.k()).any(|j| {
        let component = model.component(j).unwrap();
        (0..model.dimensions()).any(|i| {
            let shift = i32::from(component.shifts[i]);
            f64::from(component.factor[factor_index(i, i)]) / 2f64.powi(shift) > 15.9
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn the_log_likelihood_never_falls(
        seed: u64, d in 1usize..=5, k in 1usize..=5, n in 1usize..=60, kind in 0u8..7
    ) {
        let data = any_rows(seed, d, n, kind);
        let centroids: Vec<i16> = (0..k * d).map(|i| data[i % data.len()]).collect();
        for covariance in KINDS {
            let mut memory = std::vec![0; BatchEm::words(covariance, k, d)];
            // A standard deviation of 1/16.
            let mut em = BatchEm::new(&mut memory, covariance, k, d, COVARIANCE_ONE >> 8).unwrap();
            em.start_from_centroids(&data, &centroids).unwrap();
            let mut before = em.expectation(&data).unwrap();
            for _ in 0..25 {
                em.maximization().unwrap();
                let raised = covariance != Covariance::Diagonal && raised(&em.model().unwrap());
                let now = em.expectation(&data).unwrap();
                let gain = (now - before) as f64 / 65_536.0 / n as f64;
                prop_assert!(raised || gain > -tolerance(d), "{covariance:?} {gain}");
                before = now;
            }
            let model = em.model().unwrap();
            prop_assert!(Gmm::new(covariance, d, model.tensors()).is_ok());
        }
    }
}

#[test]
fn a_component_without_rows_keeps_its_place() {
    let mut memory = std::vec![0; BatchEm::words(Covariance::Diagonal, 2, 1)];
    let mut em = BatchEm::new(&mut memory, Covariance::Diagonal, 2, 1, 1 << 42).unwrap();
    let data = [-100, 0, 100, 50];
    em.start_from_centroids(&data, &[0, 30_000]).unwrap();
    fit(&mut em, &data[..], 10, gain_below(1)).unwrap();
    let model = em.model().unwrap();
    assert_eq!(model.tensors().weights, [(1 << 30) - 1, 1]);
    assert_eq!(model.mean(1), Some(&[30_000][..]));
}

#[test]
fn memory_is_as_documented() {
    let bytes = KINDS.map(|kind| 8 * BatchEm::words(kind, 4, 8));
    assert_eq!(bytes, [736, 1656, 2496]);
    assert_eq!(8 * StepwiseEm::words(Covariance::Full, 4, 8), 2496);
}

#[test]
fn indices_out_of_range_are_refused() {
    let mut memory = std::vec![0; Parameters::words(Covariance::Full, 2, 3)];
    let mut parameters = Parameters::new(&mut memory, Covariance::Full, 2, 3).unwrap();
    for index in [2, usize::MAX] {
        let refused = parameters.set_mean(index, &[0; 3]).unwrap_err();
        assert_eq!((refused.operand, refused.given), (Operand::Components, 2));
        let refused = parameters.set_covariance(index, 0, |_, _| unreachable!());
        assert_eq!(refused.unwrap_err().operand, Operand::Components);
        let model = parameters.model().unwrap();
        assert!(matches!(
            model.covariance_into(index, &mut [0; 6]),
            Err(CovarianceError::Shape(ShapeError {
                operand: Operand::Components,
                given: 2,
                ..
            }))
        ));
        assert!(model.mean(index).is_none());
        assert!(Gmm::new(Covariance::Full, 3, model.tensors()).is_ok());
        assert_eq!(row_offset(&[], &[], &[1], index), 0);
    }
}

#[test]
fn batch_em_refuses_what_is_no_rows() {
    let mut memory = std::vec![0; BatchEm::words(Covariance::Diagonal, 2, 3)];
    let words = memory.len() as u32;
    assert_eq!(
        BatchEm::new(&mut memory[1..], Covariance::Diagonal, 2, 3, 0).unwrap_err(),
        Defect::Memory { needed: words }
    );
    assert!(BatchEm::new(&mut memory, Covariance::Full, 2, 3, 0).is_err());
    assert!(BatchEm::new(&mut memory, Covariance::Diagonal, usize::MAX, usize::MAX, 0).is_err());
    let mut em = BatchEm::new(&mut memory, Covariance::Diagonal, 2, 3, 0).unwrap();
    assert!(em.expectation(&[]).is_err());
    assert!(em.expectation(&[0; 4]).is_err());
    assert!(em.expectation(&std::vec![0; 3 * MAX_ROWS + 3]).is_err());
    assert!(em.start_from_centroids(&[0; 6], &[0; 3]).is_err());
    assert!(em.expectation(&[0; 6]).is_ok());
}
