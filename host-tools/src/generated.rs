//! What generated images are worth: measures of sets of images, by a small classifier trained on the same kind.
//!
//! A [`Judge`] knows the training rows and a [`Classifier`]; [`Judge::report`] holds a table of generated rows against
//! them:
//!
//! - **Fréchet distance** of the classifier's last hidden layer, `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`
//!   (M. Heusel et al., *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*, 2017);
//! - **Inception score** `exp(E KL(p(y|x) || p(y)))` with the classifier's probabilities (T. Salimans et al.,
//!   *Improved techniques for training GANs*, 2016), at most the number of classes;
//! - **confidence**: how often and how surely rows are recognised;
//! - **copies**: rows much nearer to one training row than to any other, `d1 < d2 / 3` (T. Yoon et al., *Diffusion
//!   probabilistic models generalize when they fail to memorize*, 2023), and the median distance to the nearest
//!   training row over that of held-out rows, far below 1 for a memory and near 1 for new images.
//!
//! The classifier is not Inception v3: the figures compare generators of these images and nothing else. Distances
//! from few rows are too large; compare tables of one length.

use std::fmt;

use anyhow::{Result, anyhow, ensure};
use faer::{Mat, Side};
use serde::Serialize;

use crate::data::Table;
use crate::train::classifier::{Classifier, Judgement};

/// A row counts as recognised above this confidence.
pub const CONFIDENT: f64 = 0.8;

/// A row is a copy when its nearest training row is nearer than this share of the distance to the second nearest.
const COPY: f64 = 1.0 / 3.0;

/// Most held-out rows whose nearest training rows are looked for.
const MEDIAN_ROWS: usize = 1000;

/// Mean and covariance (divided by rows - 1) of rows of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// d values.
    pub mean: Vec<f64>,
    /// d rows of d values.
    pub covariance: Vec<f64>,
}

impl Moments {
    /// Moments of rows of one length.
    ///
    /// # Errors
    ///
    /// Fewer than two rows.
    pub fn of(rows: &[Vec<f64>]) -> Result<Self> {
        ensure!(
            rows.len() > 1,
            "a covariance needs at least two rows; give more"
        );
        let d = rows[0].len();
        let mut mean = vec![0.0; d];
        for row in rows {
            for (mean, x) in mean.iter_mut().zip(row) {
                *mean += x / rows.len() as f64;
            }
        }
        let mut covariance = vec![0.0; d * d];
        for row in rows {
            let centred: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
            for (line, x) in covariance.chunks_exact_mut(d).zip(&centred) {
                for (sum, y) in line.iter_mut().zip(&centred) {
                    *sum += x * y / (rows.len() - 1) as f64;
                }
            }
        }
        Ok(Self { mean, covariance })
    }
}

/// Squared Fréchet distance of the normal distributions with these moments, in f64.
///
/// The trace of `(C1 C2)^(1/2)` is the sum of the roots of the eigenvalues of the symmetric
/// `C1^(1/2) C2 C1^(1/2)`.
///
/// # Errors
///
/// Moments of another dimension; eigenvalues that are not found.
pub fn frechet_distance(a: &Moments, b: &Moments) -> Result<f64> {
    let d = a.mean.len();
    ensure!(
        b.mean.len() == d,
        "moments of {d} and of {} dimensions cannot be compared",
        b.mean.len()
    );
    let root = root(&a.covariance, d)?;
    let other = Mat::from_fn(d, d, |i, j| b.covariance[i * d + j]);
    let product = &root * other * &root;
    let eigen = product
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| anyhow!("the eigenvalues of the covariances were not found: {error:?}"))?;
    let roots: f64 = (0..d).map(|at| eigen.S()[at].max(0.0).sqrt()).sum();
    let shift: f64 = a
        .mean
        .iter()
        .zip(&b.mean)
        .map(|(x, y)| (x - y).powi(2))
        .sum();
    let trace = |m: &Moments| (0..d).map(|at| m.covariance[at * (d + 1)]).sum::<f64>();
    // Rounding may push the distance of equals below 0.
    Ok((shift + trace(a) + trace(b) - 2.0 * roots).max(0.0))
}

/// The symmetric square root of a covariance matrix.
fn root(matrix: &[f64], d: usize) -> Result<Mat<f64>> {
    let eigen = Mat::from_fn(d, d, |i, j| matrix[i * d + j])
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| anyhow!("the eigenvalues of a covariance were not found: {error:?}"))?;
    let u = eigen.U();
    let scaled = Mat::from_fn(d, d, |i, j| u[(i, j)] * eigen.S()[j].max(0.0).sqrt());
    Ok(scaled * u.transpose())
}

/// `exp(E KL(p(y|x) || p(y)))` of rows of probabilities.
#[must_use]
pub fn inception_score(probabilities: &[&[f64]]) -> f64 {
    let Some(first) = probabilities.first() else {
        return f64::NAN;
    };
    let rows = probabilities.len() as f64;
    let mean = |class: usize| probabilities.iter().map(|p| p[class]).sum::<f64>() / rows;
    let marginal: Vec<f64> = (0..first.len()).map(mean).collect();
    let divergence = |p: &&[f64]| {
        p.iter()
            .zip(&marginal)
            .filter(|(p, _)| **p > 0.0)
            .map(|(p, q)| p * (p / q).ln())
            .sum::<f64>()
    };
    (probabilities.iter().map(divergence).sum::<f64>() / rows).exp()
}

/// The figures of one table of generated rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GenerativeReport {
    /// Number of rows judged.
    pub rows: usize,
    /// Squared Fréchet distance to the training rows, in the classifier's features.
    pub frechet: f64,
    /// Inception score by the classifier.
    pub inception_score: f64,
    /// Share of rows recognised with a confidence above [`CONFIDENT`].
    pub confident_share: f64,
    /// Mean confidence.
    pub mean_confidence: f64,
    /// Share of rows that are copies of a training row.
    pub nearest_copies: f64,
    /// Median distance to the nearest training row, over that of held-out rows.
    pub nearest_ratio: f64,
    /// Share of rows in each class.
    pub classes: Vec<f64>,
}

impl GenerativeReport {
    /// The heading over printed reports.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:>6} {:>8} {:>9} {:>10} {:>10} {:>7} {:>8}  rarest and commonest class",
            "rows", "Fréchet", "Inception", "conf > 0.8", "mean conf", "copies", "nearest"
        )
    }
}

impl fmt::Display for GenerativeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.classes.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.classes.iter().copied().fold(0.0, f64::max);
        write!(
            f,
            "{:>6} {:>8.3} {:>9.3} {:>8.1} % {:>10.3} {:>5.1} % {:>8.3}  {:.1} %, {:.1} %",
            self.rows,
            self.frechet,
            self.inception_score,
            100.0 * self.confident_share,
            self.mean_confidence,
            100.0 * self.nearest_copies,
            self.nearest_ratio,
            100.0 * least,
            100.0 * most,
        )
    }
}

/// Holds generated rows against training rows.
#[derive(Clone, Debug)]
pub struct Judge {
    classifier: Classifier,
    training: Table,
    moments: Moments,
    /// Median distance of a held-out row to its nearest training row.
    held_out_distance: f64,
}

impl Judge {
    /// A judge that compares with `training`, the rows that generators learn from; `held_out` rows say how near
    /// real rows come to them.
    ///
    /// # Errors
    ///
    /// Tables of another width than the classifier's; fewer than two rows.
    pub fn new(classifier: Classifier, training: &Table, held_out: &Table) -> Result<Self> {
        ensure!(
            training.width() == classifier.network.inputs() && training.width() == held_out.width(),
            "the classifier takes {} columns, but {} has {} and {} has {}",
            classifier.network.inputs(),
            training.source(),
            training.width(),
            held_out.source(),
            held_out.width()
        );
        let features: Vec<Vec<f64>> = training
            .iter_rows()
            .map(|row| classifier.judge(row).features)
            .collect();
        let nearest = |row| nearest_two(training, row)[0].sqrt();
        let step = held_out.rows().div_ceil(MEDIAN_ROWS).max(1);
        Ok(Self {
            moments: Moments::of(&features)?,
            held_out_distance: median(held_out.iter_rows().step_by(step).map(nearest).collect()),
            training: training.clone(),
            classifier,
        })
    }

    /// The classifier that judges.
    #[must_use]
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Judges a table of generated rows, in the units of the training rows.
    ///
    /// # Errors
    ///
    /// A table of another width; fewer than two rows.
    pub fn report(&self, generated: &Table) -> Result<GenerativeReport> {
        ensure!(
            generated.width() == self.training.width(),
            "{} has {} columns, but the judge knows {}",
            generated.source(),
            generated.width(),
            self.training.width()
        );
        let judgements: Vec<Judgement> = generated
            .iter_rows()
            .map(|row| self.classifier.judge(row))
            .collect();
        let rows = judgements.len() as f64;
        let mut classes = vec![0.0; self.classifier.network.outputs()];
        for judgement in &judgements {
            classes[judgement.class()] += 1.0 / rows;
        }
        let probabilities: Vec<&[f64]> = judgements
            .iter()
            .map(|judgement| judgement.probabilities.as_slice())
            .collect();
        let sure = judgements.iter().filter(|j| j.confidence() > CONFIDENT);
        let nearest: Vec<[f64; 2]> = generated
            .iter_rows()
            .map(|row| nearest_two(&self.training, row))
            .collect();
        let copies = nearest
            .iter()
            .filter(|[first, second]| *first < COPY * COPY * second);
        let report = GenerativeReport {
            rows: generated.rows(),
            frechet: 0.0,
            inception_score: inception_score(&probabilities),
            confident_share: sure.count() as f64 / rows,
            mean_confidence: judgements.iter().map(Judgement::confidence).sum::<f64>() / rows,
            nearest_copies: copies.count() as f64 / rows,
            nearest_ratio: median(nearest.iter().map(|[first, _]| first.sqrt()).collect())
                / self.held_out_distance,
            classes,
        };
        let features: Vec<Vec<f64>> = judgements.into_iter().map(|j| j.features).collect();
        Ok(GenerativeReport {
            frechet: frechet_distance(&self.moments, &Moments::of(&features)?)?,
            ..report
        })
    }
}

/// Squared distances to the nearest and the second nearest row of a table.
fn nearest_two(table: &Table, row: &[f32]) -> [f64; 2] {
    let mut best = [f64::INFINITY; 2];
    for known in table.iter_rows() {
        let distance: f32 = known.iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum();
        let distance = f64::from(distance);
        if distance < best[0] {
            best = [distance, best[0]];
        } else if distance < best[1] {
            best[1] = distance;
        }
    }
    best
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::model::{Activation, DenseLayer, DenseStack};

    fn diagonal(mean: &[f64], variances: &[f64]) -> Moments {
        let d = mean.len();
        let covariance = (0..d * d)
            .map(|at| {
                if at % (d + 1) == 0 {
                    variances[at / d]
                } else {
                    0.0
                }
            })
            .collect();
        Moments {
            mean: mean.to_vec(),
            covariance,
        }
    }

    /// `R C R^T` with a rotation in the first two dimensions.
    fn rotated(moments: &Moments, angle: f64) -> Moments {
        let d = moments.mean.len();
        let r = Mat::from_fn(d, d, |i, j| match (i, j) {
            (0, 0) | (1, 1) => angle.cos(),
            (0, 1) => -angle.sin(),
            (1, 0) => angle.sin(),
            _ => f64::from(u8::from(i == j)),
        });
        let c = Mat::from_fn(d, d, |i, j| moments.covariance[i * d + j]);
        let m = Mat::from_fn(d, 1, |i, _| moments.mean[i]);
        let (c, m) = (&r * c * r.transpose(), &r * m);
        Moments {
            mean: (0..d).map(|i| m[(i, 0)]).collect(),
            covariance: (0..d * d).map(|at| c[(at / d, at % d)]).collect(),
        }
    }

    #[test]
    fn the_distance_of_commuting_covariances_is_that_of_their_roots() {
        let (a, b) = (
            diagonal(&[1.0, 0.0, -2.0], &[4.0, 1.0, 0.0]),
            diagonal(&[0.0, 2.0, -2.0], &[1.0, 9.0, 0.25]),
        );
        // |m1 - m2|^2 + sum (sd1 - sd2)^2 = 5 + 1 + 4 + 0.25.
        for angle in [0.0, 0.3, 1.1] {
            let distance = frechet_distance(&rotated(&a, angle), &rotated(&b, angle)).unwrap();
            assert!((distance - 10.25).abs() < 1e-9, "{distance}");
        }
    }

    #[test]
    fn the_distance_in_two_dimensions_is_the_closed_form() {
        // Of 2x2 matrices, tr (C1 C2)^(1/2) = sqrt(tr C1 C2 + 2 sqrt(det C1 det C2)).
        let a = Moments {
            mean: vec![0.0, 0.0],
            covariance: vec![3.0, 1.0, 1.0, 2.0],
        };
        let b = Moments {
            mean: vec![0.0, 0.0],
            covariance: vec![1.0, -0.5, -0.5, 4.0],
        };
        let trace_of_product = 3.0 - 0.5 - 0.5 + 8.0;
        let determinants: f64 = 5.0 * 3.75;
        let root = (trace_of_product + 2.0 * determinants.sqrt()).sqrt();
        let expected = 5.0 + 5.0 - 2.0 * root;
        let distance = frechet_distance(&a, &b).unwrap();
        assert!((distance - expected).abs() < 1e-12);
        assert!((frechet_distance(&b, &a).unwrap() - expected).abs() < 1e-12);
        assert!(frechet_distance(&a, &a).unwrap() < 1e-12);
        assert!(frechet_distance(&a, &diagonal(&[0.0], &[1.0])).is_err());
    }

    #[test]
    fn moments_are_those_of_the_rows() {
        let rows = [vec![1.0, 0.0], vec![2.0, 0.0], vec![6.0, 3.0]];
        let moments = Moments::of(&rows).unwrap();
        assert!((moments.mean[0] - 3.0).abs() < 1e-12 && (moments.mean[1] - 1.0).abs() < 1e-12);
        for (found, expected) in moments.covariance.iter().zip([7.0, 4.5, 4.5, 3.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!(Moments::of(&rows[..1]).is_err());
    }

    #[test]
    fn the_inception_score_counts_classes() {
        let sure: Vec<Vec<f64>> = (0..4)
            .map(|class| (0..4).map(|at| f64::from(u8::from(at == class))).collect())
            .collect();
        let all: Vec<&[f64]> = sure.iter().map(Vec::as_slice).collect();
        assert!((inception_score(&all) - 4.0).abs() < 1e-12);
        assert!((inception_score(&all[..1]) - 1.0).abs() < 1e-12);
        let unsure: Vec<&[f64]> = vec![&[0.25; 4]; 7];
        assert!((inception_score(&unsure) - 1.0).abs() < 1e-12);
        // Two rows of (0.9, 0.1) and (0.1, 0.9): ln 2 less the entropy of a row.
        let rows: [&[f64]; 2] = [&[0.9, 0.1], &[0.1, 0.9]];
        let entropy = -(0.9f64 * 0.9f64.ln() + 0.1 * 0.1f64.ln());
        assert!((inception_score(&rows) - (2f64.ln() - entropy).exp()).abs() < 1e-12);
    }

    #[test]
    fn a_memory_is_caught() {
        // The classifier hands its input on, and is sure of a class where it exceeds the other.
        let layer = |activation| DenseLayer {
            weights: vec![30.0, 0.0, 0.0, 30.0],
            bias: vec![0.0; 2],
            inputs: 2,
            outputs: 2,
            activation,
        };
        let classifier = Classifier {
            network: DenseStack {
                layers: vec![layer(Activation::Relu), layer(Activation::Identity)],
            },
        };
        let table = |values: Vec<f32>| Table::new("made", Table::numbered_columns(2), values);
        let grid = |offset: f32| {
            let at = |i: usize| (i as f32).mul_add(0.1, offset);
            table((0..100).flat_map(|n| [at(n / 10), at(n % 10)]).collect()).unwrap()
        };
        let (training, held_out) = (grid(0.0), grid(0.05));
        let judge = Judge::new(classifier, &training, &held_out).unwrap();
        let memory = judge.report(&training).unwrap();
        assert!(memory.frechet < 1e-9 && memory.nearest_ratio == 0.0);
        assert_eq!((memory.nearest_copies, memory.rows), (1.0, 100));
        let new = judge.report(&held_out).unwrap();
        assert!(new.frechet > 1.0 && new.nearest_copies < 0.05);
        assert!((new.nearest_ratio - 1.0).abs() < 1e-3);
        assert!((new.classes.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(
            judge
                .report(&Table::new("x", Table::numbered_columns(1), vec![1.0]).unwrap())
                .is_err()
        );
    }
}
