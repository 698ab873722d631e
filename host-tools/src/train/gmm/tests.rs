use super::*;
use crate::{
    data::digits,
    oracle::{self, Mixture},
    train::{
        model::{Covariances, GmmModel},
        pca,
    },
};
use autodidact::em::ExpectationMaximization;

const KINDS: [CovarianceKind; 3] = [
    CovarianceKind::Diagonal,
    CovarianceKind::Tied,
    CovarianceKind::Full,
];

fn fit_quietly(options: GmmOptions, data: &Table) -> Result<GmmModel> {
    fit(&options.check()?, data, &TrainingDevice::cpu(), &mut |_| {})
}

/// Rows of a known mixture of three components in three columns, far from the origin.
fn drawn(rows: usize) -> (GmmModel, Table) {
    let model = GmmModel {
        weights: vec![0.2, 0.3, 0.5],
        means: vec![100.0, 0.0, 0.0, 104.0, 5.0, 0.0, 100.0, -4.0, 6.0],
        covariances: Covariances::Full(vec![
            1.0, 0.6, 0.0, 0.6, 1.5, 0.2, 0.0, 0.2, 0.5, //
            2.0, -0.8, 0.3, -0.8, 1.0, 0.0, 0.3, 0.0, 0.7, //
            0.5, 0.0, 0.1, 0.0, 3.0, -0.9, 0.1, -0.9, 1.0,
        ]),
        k: 3,
        d: 3,
        log_likelihood: f64::NAN,
        rounds: 0,
    };
    let density = model.density().unwrap();
    let mut generator = generator(17, 0);
    let values = (0..rows)
        .flat_map(|_| density.sample(&mut generator).1)
        .map(|x| x as f32)
        .collect();
    let table = Table::new("drawn", Table::numbered_columns(3), values).unwrap();
    (model, table)
}

fn projected(columns: usize) -> Table {
    let data = digits().unwrap().scaled(1.0 / 16.0).unwrap();
    let config = pca::PcaOptions {
        components: columns,
    }
    .check()
    .unwrap();
    let projection =
        oracle::Projection::from(&pca::fit(&config, &data, &TrainingDevice::cpu()).unwrap());
    let values = data
        .iter_rows()
        .flat_map(|row| {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            projection.project(&row)
        })
        .map(|x| x as f32)
        .collect();
    Table::new("digits", Table::numbered_columns(columns), values).unwrap()
}

#[test]
fn a_known_mixture_is_found_again() {
    let (truth, data) = drawn(6000);
    let options = GmmOptions {
        k: 3,
        covariance: CovarianceKind::Full,
        tolerance: 1e-7,
        floor: 0.0,
        ..GmmOptions::default()
    };
    let model = fit_quietly(options, &data).unwrap();
    for component in 0..3 {
        let mean = &truth.means[component * 3..][..3];
        let far = |at: usize| -> f64 {
            let found = &model.means[at * 3..][..3];
            mean.iter().zip(found).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let found = (0..3).min_by(|&a, &b| far(a).total_cmp(&far(b))).unwrap();
        // Standard errors: of a mean at most sqrt(3 / 1200) = 0.05, of a covariance about twice that.
        assert!(far(found).sqrt() < 0.2);
        assert!((model.weights[found] - truth.weights[component]).abs() < 0.03);
        for (a, b) in model
            .covariance(found)
            .iter()
            .zip(truth.covariance(component))
        {
            assert!((a - b).abs() < 0.35, "{a} {b}");
        }
    }
    // The maximum of the likelihood is at least the likelihood of the truth.
    let of_truth = truth.density().unwrap().mean_log_density(data.iter_rows());
    assert!(
        model.log_likelihood >= of_truth,
        "{} {of_truth}",
        model.log_likelihood
    );
    assert!(model.log_likelihood - of_truth < 0.01);
}

#[test]
fn the_likelihood_is_that_of_the_model_returned() {
    let (_, data) = drawn(700);
    for covariance in KINDS {
        let options = GmmOptions {
            k: 4,
            covariance,
            restarts: 2,
            ..GmmOptions::default()
        };
        let model = fit_quietly(options, &data).unwrap();
        let oracle = Mixture::from(&model);
        let sum: f64 = data
            .iter_rows()
            .map(|row| {
                let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                oracle.log_density(&row)
            })
            .sum();
        let per_row = sum / data.rows() as f64;
        assert!(
            (model.log_likelihood - per_row).abs() < 1e-9,
            "{covariance}: {} {per_row}",
            model.log_likelihood
        );
        assert!((model.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(model.kind(), covariance);
    }
}

#[test]
fn without_a_floor_the_likelihood_never_falls() {
    let data = projected(8);
    let rows: Vec<f64> = data.values().iter().map(|&x| f64::from(x)).collect();
    let centroids: Vec<f64> = rows[..7 * 8].to_vec();
    for covariance in KINDS {
        let options = GmmOptions {
            k: 7,
            covariance,
            floor: 0.0,
            ..GmmOptions::default()
        };
        let mut model = Em::new(&options, &rows, &centroids).unwrap();
        let mut last = f64::NEG_INFINITY;
        for round in 0..60 {
            let now = model.expectation(&rows).unwrap();
            // Rounding: 1797 terms of magnitude 10 in f64.
            assert!(
                now >= last - 1e-8,
                "{covariance}, round {round}: {last} then {now}"
            );
            last = now;
            model.maximization().unwrap();
        }
    }
}

#[test]
fn one_round_is_the_textbook_round() {
    // One E and M step from k-means' clusters, against sums over the oracle's responsibilities.
    let (_, data) = drawn(300);
    let rows: Vec<f64> = data
        .values()
        .iter()
        .map(|&x| f64::from(x) - 100.0)
        .collect();
    let centroids = [0.0, 0.0, -100.0, 4.0, -95.0, -100.0];
    for covariance in KINDS {
        let options = GmmOptions {
            k: 2,
            covariance,
            floor: 0.01,
            ..GmmOptions::default()
        };
        let start = Em::new(&options, &rows, &centroids).unwrap().into_model();
        let mut em = Em::new(&options, &rows, &centroids).unwrap();
        em.expectation(&rows).unwrap();
        em.maximization().unwrap();
        let model = em.into_model();
        let oracle = Mixture::from(&start);
        let shares: Vec<Vec<f64>> = rows
            .chunks(3)
            .map(|row| oracle.responsibilities(row))
            .collect();
        let mut pooled = [0.0; 9];
        for c in 0..2 {
            let count: f64 = shares.iter().map(|r| r[c]).sum();
            let mean: Vec<f64> = (0..3)
                .map(|j| {
                    let sum: f64 = rows.chunks(3).zip(&shares).map(|(x, r)| r[c] * x[j]).sum();
                    sum / count
                })
                .collect();
            assert!((model.weights[c] - count / 300.0).abs() < 1e-10);
            for (a, b) in model.means[c * 3..].iter().zip(&mean) {
                assert!((a - b).abs() < 1e-9);
            }
            let expected: Vec<f64> = (0..9)
                .map(|at| {
                    let (i, j) = (at / 3, at % 3);
                    let sum: f64 = rows
                        .chunks(3)
                        .zip(&shares)
                        .map(|(x, r)| r[c] * (x[i] - mean[i]) * (x[j] - mean[j]))
                        .sum();
                    pooled[at] += sum / 300.0;
                    sum / count + if i == j { 0.01 } else { 0.0 }
                })
                .collect();
            for (at, (a, b)) in model.covariance(c).iter().zip(&expected).enumerate() {
                match covariance {
                    CovarianceKind::Full => assert!((a - b).abs() < 1e-9),
                    CovarianceKind::Diagonal if at % 4 == 0 => assert!((a - b).abs() < 1e-9),
                    _ => {}
                }
            }
        }
        if covariance == CovarianceKind::Tied {
            for (at, (a, b)) in model.covariance(0).iter().zip(pooled).enumerate() {
                let floor = if at % 4 == 0 { 0.01 } else { 0.0 };
                assert!((a - b - floor).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn a_lost_component_starts_again_at_the_strangest_row() {
    // Two components far from every row: k-means' step gives all rows to the first.
    let mut rows: Vec<f64> = (0..100).map(|n| f64::from(n % 10) - 4.5).collect();
    rows[50] = 30.0;
    for covariance in KINDS {
        let options = GmmOptions {
            k: 3,
            covariance,
            ..GmmOptions::default()
        };
        let mut em = Em::new(&options, &rows, &[0.0, 1e6, -1e6]).unwrap();
        let start = em.expectation(&rows).unwrap();
        assert!(start.is_finite());
        for _ in 0..20 {
            em.maximization().unwrap();
            assert!(em.expectation(&rows).unwrap().is_finite());
        }
        let model = em.into_model();
        assert!(model.weights.iter().all(|weight| *weight > 0.0));
        // One of them has settled on the stranger, which no other component explains.
        assert!(
            model.means.iter().any(|mean| (mean - 30.0).abs() < 1e-6),
            "{:?}",
            model.means
        );
    }
}

#[test]
fn duplicates_and_constant_columns_are_what_the_floor_is_for() {
    let values = (0..40).flat_map(|n| [f32::from(n % 4 == 0), 7.0]).collect();
    let data = Table::new("made.csv", Table::numbered_columns(2), values).unwrap();
    for covariance in KINDS {
        let options = GmmOptions {
            k: 2,
            covariance,
            ..GmmOptions::default()
        };
        let model = fit_quietly(options.clone(), &data).unwrap();
        let mut variances: Vec<f64> = (0..2).map(|at| model.covariance(at)[0]).collect();
        variances.sort_by(f64::total_cmp);
        assert!((variances[0] - 1e-4).abs() < 1e-9, "{variances:?}");
        assert!((model.means[1] - 7.0).abs() < 1e-9);
        let without = GmmOptions {
            floor: 0.0,
            ..options
        };
        let error = fit_quietly(without, &data).unwrap_err().to_string();
        assert!(
            error.starts_with("made.csv: the covariance of component ")
                && error.ends_with(
                    "became singular; give a larger variance floor or ask for fewer components"
                ),
            "{error}"
        );
    }
}

#[test]
fn a_seed_fixes_the_result_to_the_last_bit() {
    let (_, data) = drawn(400);
    let options = GmmOptions {
        k: 5,
        seed: 8,
        ..GmmOptions::default()
    };
    let once = fit_quietly(options.clone(), &data).unwrap();
    assert_eq!(once, fit_quietly(options, &data).unwrap());
}

#[test]
fn impossible_requests_are_one_clear_sentence() {
    let (_, data) = drawn(4);
    let message = |options: GmmOptions| fit_quietly(options, &data).unwrap_err().to_string();
    assert_eq!(
        message(GmmOptions {
            k: 0,
            ..GmmOptions::default()
        }),
        "the number of components is 0; give at least 1"
    );
    assert_eq!(
        message(GmmOptions {
            floor: -1.0,
            ..GmmOptions::default()
        }),
        "the floor is -1; give a number from 0 to 100"
    );
    assert_eq!(
        message(GmmOptions {
            k: 5,
            ..GmmOptions::default()
        }),
        "drawn: the 4 rows to train on are 4 distinct ones, too few for 5 components; ask for at most 4"
    );
}
