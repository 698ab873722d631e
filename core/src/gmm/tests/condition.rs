//! Marginal and conditional distributions, against the textbook and against the stored factor itself.

use super::exact::{Answer, Factor};
use super::*;

/// Gauss-Jordan inverse and determinant.
fn inverse(a: &[f64], n: usize) -> (Vec<f64>, f64) {
    let mut a = a.to_vec();
    let mut b: Vec<f64> = (0..n * n)
        .map(|i| f64::from(u8::from(i / n == i % n)))
        .collect();
    let mut determinant = 1.0;
    for p in 0..n {
        let pivot = a[p * n + p];
        determinant *= pivot;
        for j in 0..n {
            a[p * n + j] /= pivot;
            b[p * n + j] /= pivot;
        }
        for i in (0..n).filter(|i| *i != p) {
            let f = a[i * n + p];
            for j in 0..n {
                a[i * n + j] -= f * a[p * n + j];
                b[i * n + j] -= f * b[p * n + j];
            }
        }
    }
    (b, determinant)
}

#[test]
fn conditional_and_marginal_are_those_of_the_textbook() {
    let mut rng = Generator::from_seed(9);
    for covariance in KINDS {
        let (k, d) = (3, 5);
        let oracle = Oracle::random(&mut rng, covariance, k, d, (0.2, 0.9), 0.6);
        let mut memory = std::vec![0; Parameters::words(covariance, k, d)];
        let parameters = oracle.quantise(&mut memory, covariance);
        let model = parameters.model().unwrap();
        for pattern in 0..1u32 << d {
            let x = oracle.sample(&mut rng);
            let observed: Vec<bool> = (0..d).map(|i| pattern >> i & 1 == 1).collect();
            let mut workspace = std::vec![7; Gmm::condition_words(covariance, k, d)];
            let (mut shares, mut mean, mut variances) = ([0; 3], [0; 5], [0; 5]);
            let log = model
                .condition_into(
                    &x,
                    &observed,
                    &mut workspace,
                    Conditional {
                        responsibilities: &mut shares,
                        mean: &mut mean,
                        variances: &mut variances,
                    },
                )
                .unwrap();
            let b: Vec<usize> = (0..d).filter(|i| observed[*i]).collect();
            let m = b.len();
            let xf = features(&x);
            let (mut terms, mut means, mut vars) = (Vec::new(), Vec::new(), Vec::new());
            for j in 0..k {
                let c = |a: usize, b: usize| oracle.covariances[j][a * d + b];
                let sub: Vec<f64> = (0..m * m).map(|i| c(b[i / m], b[i % m])).collect();
                let (inverse, determinant) = inverse(&sub, m);
                let gap: Vec<f64> = b.iter().map(|i| xf[*i] - oracle.means[j][*i]).collect();
                let along = |row: &dyn Fn(usize) -> f64, col: &dyn Fn(usize) -> f64| -> f64 {
                    (0..m * m)
                        .map(|i| row(i / m) * inverse[i] * col(i % m))
                        .sum()
                };
                let q = along(&|i| gap[i], &|i| gap[i]);
                terms.push(
                    oracle.weights[j].ln()
                        - 0.5 * (q + determinant.ln() + m as f64 * std::f64::consts::TAU.ln()),
                );
                means.push(
                    (0..d)
                        .map(|a| oracle.means[j][a] + along(&|i| c(a, b[i]), &|i| gap[i]))
                        .collect::<Vec<f64>>(),
                );
                vars.push(
                    (0..d)
                        .map(|a| c(a, a) - along(&|i| c(a, b[i]), &|i| c(a, b[i])))
                        .collect::<Vec<f64>>(),
                );
            }
            let best = terms.iter().copied().fold(f64::MIN, f64::max);
            let exact = best + terms.iter().map(|t| (t - best).exp()).sum::<f64>().ln();
            assert!(
                (f64::from(log) / 65_536.0 - exact).abs() < 5e-3,
                "{covariance:?} {pattern} {exact}"
            );
            assert_eq!(shares.iter().sum::<u32>(), ONE);
            let r: Vec<f64> = terms.iter().map(|t| (t - exact).exp()).collect();
            for a in 0..d {
                if observed[a] {
                    assert_eq!((mean[a], variances[a]), (x[a], 0));
                    continue;
                }
                let mu: f64 = (0..k).map(|j| r[j] * means[j][a]).sum();
                let v: f64 = (0..k)
                    .map(|j| r[j] * (vars[j][a] + (means[j][a] - mu).powi(2)))
                    .sum();
                assert!(
                    (f64::from(mean[a]) / 4096.0 - mu).abs() < 4e-3,
                    "{covariance:?} {pattern}"
                );
                assert!(
                    (variances[a] as f64 / UNIT - v).abs() < 4e-3,
                    "{covariance:?} {pattern}"
                );
            }
        }
    }
}

/// The answer of `model`, and the responsibilities.
fn ask(model: &Gmm<'_>, x: &[i16], observed: &[bool]) -> (f64, Vec<u32>, Vec<i16>, Vec<i64>) {
    let (k, d) = (model.k(), model.dimensions());
    let mut workspace = std::vec![7; Gmm::condition_words(model.covariance(), k, d)];
    let (mut shares, mut mean, mut variances) = (std::vec![0; k], std::vec![0; d], std::vec![0; d]);
    let log = model
        .condition_into(
            x,
            observed,
            &mut workspace,
            Conditional {
                responsibilities: &mut shares,
                mean: &mut mean,
                variances: &mut variances,
            },
        )
        .unwrap();
    assert_eq!(shares.iter().sum::<u32>(), ONE);
    (f64::from(log) / 65_536.0, shares, mean, variances)
}

#[test]
fn what_a_steep_slope_explains_may_be_further_than_any_feature() {
    // x_1 = 4 x_0 and noise of variance 1: up to 32 are explained.
    let mut memory = std::vec![0; Parameters::words(Covariance::Full, 1, 2)];
    let mut parameters = Parameters::new(&mut memory, Covariance::Full, 1, 2).unwrap();
    let steep = [[1.0, 4.0], [4.0, 17.0]];
    let set = |p: &mut Parameters<'_>, index, s: [[f64; 2]; 2]| {
        p.set_covariance(index, 0, |row, column| (s[row][column] * UNIT) as i64)
            .unwrap();
    };
    set(&mut parameters, 0, steep);
    let model = parameters.model().unwrap();
    for x in [[2.0, 7.9], [3.9, 7.9], [5.0, 7.9], [7.9, 7.9], [7.9, -7.9]] {
        let x = x.map(|x: f64| (x * 4096.0) as i16);
        let [first, second] = x.map(|x| f64::from(x) / 4096.0);
        let noise = second - 4.0 * first;
        let right = -0.5 * (first * first + noise * noise) - std::f64::consts::TAU.ln();
        let (log, ..) = ask(&model, &x, &[true; 2]);
        assert!(
            (log - right).abs() < 1e-3 - 1e-4 * right,
            "{x:?}: {log}, {right}"
        );
    }
    // Where the slope ends far from the sample, the other component is the right one.
    let mut memory = std::vec![0; Parameters::words(Covariance::Full, 2, 2)];
    let mut parameters = Parameters::new(&mut memory, Covariance::Full, 2, 2).unwrap();
    set(&mut parameters, 0, steep);
    set(&mut parameters, 1, [[0.5, 0.0], [0.0, 1.0]]);
    let model = parameters.model().unwrap();
    let (_, shares, ..) = ask(&model, &[7 << 12, 6 << 12], &[true; 2]);
    assert_eq!(shares, [0, ONE]);
}

/// A model of any factors that load: rows of any scale and direction, up to the longest there may be.
pub(super) struct AnyModel {
    covariance: Covariance,
    d: usize,
    weights: Vec<i32>,
    means: Vec<i16>,
    factors: Vec<i16>,
    shifts: Vec<u8>,
    offsets: Vec<i64>,
    constants: Vec<i32>,
}

impl AnyModel {
    /// Diagonal elements of the factors are from `least` (a power of two) to 2^12.
    pub(super) fn new(
        rng: &mut Generator,
        covariance: Covariance,
        k: usize,
        d: usize,
        least: i32,
    ) -> Self {
        let [number, len, rows] = factor_shape(covariance, k, d);
        let mut model = Self {
            covariance,
            d,
            weights: std::vec![1; k],
            means: (0..k * d).map(|_| rng.next_u32() as i16).collect(),
            factors: std::vec![0; number * len],
            shifts: std::vec![0; number * rows],
            offsets: Vec::new(),
            constants: Vec::new(),
        };
        let mut rest = WEIGHT_ONE - k as i32;
        for weight in model.weights.iter_mut().skip(1) {
            let taken = ((i64::from(rest) * i64::from(rng.next_u32() >> 16)) >> 16) as i32;
            *weight += taken;
            rest -= taken;
        }
        model.weights[0] += rest;
        for factor in 0..number {
            let (mantissas, shifts) = (
                &mut model.factors[factor * len..][..len],
                &mut model.shifts[factor * rows..][..rows],
            );
            for (row, shift) in shifts.iter_mut().enumerate().take(d) {
                let diagonal = 2f64.powf(f64::from(least) + uniform(rng) * f64::from(12 - least));
                let coupling = 2f64.powf(f64::from(least) + uniform(rng) * f64::from(12 - least));
                let mut values: Vec<f64> = (0..row)
                    .map(|_| coupling * (2.0 * uniform(rng) - 1.0))
                    .collect();
                values.push(diagonal);
                if covariance == Covariance::Diagonal {
                    values.drain(..row);
                }
                let sum: f64 = values.iter().map(|v| v.abs()).sum();
                let scale = (4000.0 / sum).min(1.0);
                let largest = values.iter().fold(0f64, |max, v| max.max(v.abs())) * scale;
                let bits = (13.0 - largest.log2().floor()).clamp(0.0, 31.0);
                *shift = bits as u8;
                for (column, value) in values.iter().enumerate() {
                    let at = if covariance == Covariance::Diagonal {
                        row
                    } else {
                        factor_index(row, column)
                    };
                    mantissas[at] = (value * scale * bits.exp2()).round() as i16;
                    if column + 1 == values.len() {
                        mantissas[at] = mantissas[at].clamp(1, 1 << 14);
                    }
                }
            }
        }
        model.derive();
        model
    }

    /// Offsets and constants, as they follow from the rest.
    fn derive(&mut self) {
        let (covariance, d, k) = (self.covariance, self.d, self.weights.len());
        let [_, len, rows] = factor_shape(covariance, k, d);
        self.offsets.clear();
        self.constants.clear();
        for index in 0..k {
            let at = if covariance == Covariance::Tied {
                0
            } else {
                index
            };
            let (factor, shifts) = (
                &self.factors[at * len..][..len],
                &self.shifts[at * rows..][..rows],
            );
            if covariance != Covariance::Diagonal {
                let mean = &self.means[index * d..][..d];
                self.offsets
                    .extend((0..rows).map(|row| row_offset(factor, shifts, mean, row)));
            }
            self.constants.push(log_constant(
                covariance,
                factor,
                shifts,
                d,
                self.weights[index],
            ));
        }
    }

    pub(super) fn view(&self) -> Gmm<'_> {
        let tensors = Tensors {
            weights: &self.weights,
            means: &self.means,
            factors: &self.factors,
            shifts: &self.shifts,
            offsets: &self.offsets,
            constants: &self.constants,
        };
        Gmm::new(self.covariance, self.d, tensors).unwrap()
    }
}

/// The documented bounds, for every component and for the mixture.
pub(super) fn check(model: &Gmm<'_>, x: &[i16], observed: &[bool]) -> Result<(), TestCaseError> {
    let (log, shares, mean, variances) = ask(model, x, observed);
    let (k, d) = (model.k(), model.dimensions());
    let m = observed.iter().filter(|o| **o).count() as f64;
    let factors: Vec<Factor> = (0..k).map(|j| Factor::of(model, j)).collect();
    let answers: Vec<Answer> = factors
        .iter()
        .map(|f| f.answer(&features(x), observed))
        .collect();
    let best = answers.iter().map(|a| a.log).fold(f64::MIN, f64::max);
    let exact = best
        + answers
            .iter()
            .map(|a| (a.log - best).exp())
            .sum::<f64>()
            .ln();
    let probability = |j: usize| (answers[j].log - exact).exp();
    let size = |j: usize| factors[j].variances().iter().sum::<f64>().sqrt();
    let unit = 2f64.powi(-29);
    let off: f64 = (0..k)
        .filter(|j| probability(*j) > 0.0)
        .map(|j| probability(j) * (unit * size(j) * (m + answers[j].distance)).exp())
        .sum::<f64>()
        .ln();
    let bound = 2.1e-5 * (m + 4.0) + 8e-6 * k as f64 + off;
    let saturated = exact.clamp(-32_768.0, 32_768.0);
    prop_assert!(
        (log - saturated).abs() <= bound,
        "{} is {}, bound {}",
        log,
        exact,
        bound
    );
    // A responsibility as its terms are.
    for (j, share) in shares.iter().enumerate() {
        let apart = 4.2e-5 * (m + 4.0)
            + unit
                * (0..k)
                    .map(|j| size(j) * (m + answers[j].distance))
                    .fold(0.0, f64::max);
        let error = (f64::from(*share) / 65_536.0 - probability(j)).abs();
        prop_assert!(
            error <= apart + k as f64 * 2f64.powi(-15),
            "{} {}",
            j,
            error
        );
    }
    for feature in 0..d {
        if observed[feature] {
            prop_assert_eq!((mean[feature], variances[feature]), (x[feature], 0));
            continue;
        }
        // With the responsibilities as they are: those of a tie may be anything.
        let each = || (0..k).map(|j| (f64::from(shares[j]) / 65_536.0, &answers[j], size(j)));
        let mu: f64 = each().map(|(r, a, _)| r * a.means[feature]).sum();
        let off: f64 = each()
            .map(|(r, a, s)| {
                let deviation =
                    a.means.iter().map(|m| m.powi(2)).sum::<f64>().sqrt() + 16.0 * m.sqrt();
                r * 2f64.powi(-22) * s * (1.0 + deviation / 256.0)
            })
            .sum();
        let shown = mu.clamp(-8.0, 8.0 - 1.0 / 4096.0);
        let error = (f64::from(mean[feature]) / 4096.0 - shown).abs();
        prop_assert!(error <= off + 0.51 / 4096.0, "{} {} {}", feature, mu, error);
        let spread: f64 = each()
            .map(|(r, a, _)| r * (a.variances[feature] + (a.means[feature] - mu).powi(2)))
            .sum();
        let shown = spread.min(128.0);
        let error = (variances[feature] as f64 / UNIT - shown).abs();
        let largest = each()
            .map(|(_, a, _)| (a.means[feature] - mu).abs())
            .fold(0.0, f64::max);
        let tolerance = spread * 2f64.powi(-18) + 4.0 * off * (largest + off) + 2f64.powi(-33);
        prop_assert!(error <= tolerance, "{} {} {}", feature, spread, error);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_answer_is_within_its_bound_of_the_stored_factors(
        seed: u64, kind in 0usize..3, k in 1usize..=4, d in 1usize..=12, least in -8i32..=4, corners in any::<bool>()
    ) {
        let mut rng = Generator::from_seed(seed);
        let owned = AnyModel::new(&mut rng, KINDS[kind], k, d, least);
        let model = owned.view();
        for _ in 0..4 {
            let x: Vec<i16> = (0..d)
                .map(|_| match rng.next_u32() {
                    word if corners => [i16::MIN, i16::MAX][(word >> 31) as usize],
                    word => word as i16,
                })
                .collect();
            let observed: Vec<bool> = (0..d).map(|_| rng.next_u32() >> 31 == 1).collect();
            check(&model, &x, &observed)?;
            check(&model, &x, &std::vec![true; d])?;
            check(&model, &x, &std::vec![false; d])?;
        }
    }

    #[test]
    fn the_marginal_of_all_features_is_the_likelihood(
        seed: u64, kind in 0usize..3, k in 1usize..=4, d in 1usize..=12, least in -4i32..=4
    ) {
        let mut rng = Generator::from_seed(seed);
        let owned = AnyModel::new(&mut rng, KINDS[kind], k, d, least);
        let model = owned.view();
        let x: Vec<i16> = (0..d).map(|_| rng.next_u32() as i16).collect();
        let (log, ..) = ask(&model, &x, &std::vec![true; d]);
        let whole = f64::from(model.log_likelihood(&x).unwrap()) / 65_536.0;
        // `log_likelihood` rounds `y` to 2^-12: half a unit times the root of the distance, a unit where it rounds down.
        let root = (-2.0 * whole + 100.0).max(0.0).sqrt() * (d as f64).sqrt();
        prop_assert!((log - whole).abs() <= 2.5e-4 * root + 1e-4 * (d + k) as f64, "{} {}", log, whole);
    }
}

#[test]
fn the_largest_factors_there_are_keep_the_bound() {
    let mut rng = Generator::from_seed(4);
    for (covariance, least) in [
        (Covariance::Full, 8),
        (Covariance::Full, -3),
        (Covariance::Tied, 0),
    ] {
        let owned = AnyModel::new(&mut rng, covariance, 2, MAX_DIMENSIONS, least);
        let model = owned.view();
        // Every other feature, the last half: as many exchanges as there can be.
        for pattern in [|i: usize| i % 2 == 1, |i: usize| i >= MAX_DIMENSIONS / 2] {
            let observed: Vec<bool> = (0..MAX_DIMENSIONS).map(pattern).collect();
            let x: Vec<i16> = (0..MAX_DIMENSIONS).map(|_| rng.next_u32() as i16).collect();
            check(&model, &x, &observed).unwrap();
        }
    }
}

#[test]
fn what_loads_but_has_no_covariance_still_is_answered() {
    // The least factor: a standard deviation of 2^31, and steep on top of it.
    let mut rng = Generator::from_seed(5);
    for covariance in KINDS {
        for d in 1..=6 {
            let mut owned = AnyModel::new(&mut rng, covariance, 2, d, -31);
            for shift in &mut owned.shifts {
                *shift = 31;
            }
            owned.derive();
            let model = owned.view();
            let told =
                model.covariance_into(1, &mut std::vec![0; Gmm::covariance_len(covariance, d)]);
            assert_eq!(told, Err(CovarianceError::Variance { feature: 0 }));
            let mut memory = std::vec![0; StepwiseEm::words(covariance, 2, d)];
            let refused =
                StepwiseEm::from_model(&mut memory, &model, 9, Rate::new(45_875, 0).unwrap(), 0);
            assert_eq!(
                refused.unwrap_err(),
                Defect::Variance {
                    component: 0,
                    feature: 0
                }
            );
            for pattern in 0..1u32 << d {
                let observed: Vec<bool> = (0..d).map(|i| pattern >> i & 1 == 1).collect();
                let x: Vec<i16> = (0..d).map(|_| rng.next_u32() as i16).collect();
                let (_, _, _, variances) = ask(&model, &x, &observed);
                for (variance, observed) in variances.iter().zip(&observed) {
                    assert_eq!(*variance, if *observed { 0 } else { i64::MAX });
                }
            }
        }
    }
}
