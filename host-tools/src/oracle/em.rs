//! Expectation maximisation for Gaussian mixtures in f64, with whole matrices.

use std::f64::consts::TAU;

/// What the covariances of a mixture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covariance {
    /// Variances alone, each component its own.
    Diagonal,
    /// One matrix for all components.
    Tied,
    /// A matrix for each component.
    Full,
}

/// A mixture, and the log-likelihood that EM left it with.
#[derive(Clone, Debug, PartialEq)]
pub struct EmFit {
    /// They sum to 1.
    pub weights: Vec<f64>,
    /// One row a component.
    pub means: Vec<Vec<f64>>,
    /// One matrix a component, row after row.
    pub covariances: Vec<Vec<f64>>,
    /// Rounds done.
    pub rounds: usize,
}

/// Components with fewer rows keep mean and covariance.
const LEAST_ROWS: f64 = 1.0 / 256.0;

impl EmFit {
    /// EM from here on, until a round gains less than `tolerance` nats a row, `rounds` at most.
    ///
    /// A variance below `floor` counts as `floor`; of a matrix, what a column has left given those before
    /// it (its pivot).
    #[must_use]
    pub fn fitted(
        mut self,
        kind: Covariance,
        rows: &[f64],
        floor: f64,
        tolerance: f64,
        rounds: usize,
    ) -> Self {
        let mut before = f64::NEG_INFINITY;
        for _ in 0..rounds {
            let (shares, now) = self.expectation(rows);
            if now - before < tolerance {
                break;
            }
            before = now;
            self.maximisation(kind, rows, &shares, floor);
            self.rounds += 1;
        }
        self
    }

    /// Mean of `ln p(x)` over the rows.
    #[must_use]
    pub fn log_likelihood(&self, rows: &[f64]) -> f64 {
        self.expectation(rows).1
    }

    /// Responsibilities, a row of k for each row, and the mean of `ln p(x)`.
    fn expectation(&self, rows: &[f64]) -> (Vec<f64>, f64) {
        let d = self.means[0].len();
        let factors: Vec<Vec<f64>> = self
            .covariances
            .iter()
            .map(|covariance| cholesky(covariance, d, 0.0))
            .collect();
        let constants: Vec<f64> = factors
            .iter()
            .zip(&self.weights)
            .map(|(factor, weight)| {
                let log_root: f64 = (0..d).map(|at| factor[at * d + at].ln()).sum();
                weight.ln() - log_root - 0.5 * d as f64 * TAU.ln()
            })
            .collect();
        let mut shares = Vec::with_capacity(rows.len() / d * self.weights.len());
        let mut total = 0.0;
        for row in rows.chunks_exact(d) {
            let logs: Vec<f64> = (0..self.weights.len())
                .map(|at| {
                    constants[at] - 0.5 * squared_distance(row, &self.means[at], &factors[at])
                })
                .collect();
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log = largest + logs.iter().map(|l| (l - largest).exp()).sum::<f64>().ln();
            shares.extend(logs.iter().map(|l| (l - log).exp()));
            total += log;
        }
        (shares, total / (rows.len() / d) as f64)
    }

    fn maximisation(&mut self, kind: Covariance, rows: &[f64], shares: &[f64], floor: f64) {
        let (k, d) = (self.weights.len(), self.means[0].len());
        let n = (rows.len() / d) as f64;
        let mut pooled = vec![0.0; d * d];
        for at in 0..k {
            let own: Vec<f64> = shares.iter().skip(at).step_by(k).copied().collect();
            let mass: f64 = own.iter().sum();
            self.weights[at] = (mass / n).max(f64::MIN_POSITIVE);
            if mass >= LEAST_ROWS {
                let mut mean = vec![0.0; d];
                for (row, share) in rows.chunks_exact(d).zip(&own) {
                    for (m, x) in mean.iter_mut().zip(row) {
                        *m += share * x / mass;
                    }
                }
                self.means[at] = mean;
            }
            let mut scatter = vec![0.0; d * d];
            for (row, share) in rows.chunks_exact(d).zip(&own) {
                let difference: Vec<f64> = row
                    .iter()
                    .zip(&self.means[at])
                    .map(|(x, m)| x - m)
                    .collect();
                for i in 0..d {
                    let first = if kind == Covariance::Diagonal { i } else { 0 };
                    for j in first..=i {
                        scatter[i * d + j] += share * difference[i] * difference[j];
                    }
                }
            }
            if kind == Covariance::Tied {
                pooled
                    .iter_mut()
                    .zip(&scatter)
                    .for_each(|(p, s)| *p += s / n);
            } else if mass >= LEAST_ROWS {
                scatter.iter_mut().for_each(|s| *s /= mass);
                self.covariances[at] = floored(&scatter, d, floor);
            }
        }
        if kind == Covariance::Tied {
            self.covariances = vec![floored(&pooled, d, floor); k];
        }
    }
}

/// `L L^T` of the lower triangle, with its pivots raised to `floor`.
fn floored(lower: &[f64], d: usize, floor: f64) -> Vec<f64> {
    let factor = cholesky(lower, d, floor);
    let mut product = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..d {
            product[i * d + j] = (0..=i.min(j))
                .map(|c| factor[i * d + c] * factor[j * d + c])
                .sum();
        }
    }
    product
}

/// The factor of a matrix given by its lower triangle; a pivot below `floor` counts as `floor`.
fn cholesky(lower: &[f64], d: usize, floor: f64) -> Vec<f64> {
    let mut factor = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let known: f64 = (0..j).map(|c| factor[i * d + c] * factor[j * d + c]).sum();
            let left = lower[i * d + j] - known;
            factor[i * d + j] = if i == j {
                left.max(floor).sqrt()
            } else {
                left / factor[j * d + j]
            };
        }
    }
    factor
}

/// `|L^-1 (x - mu)|^2` by forward substitution.
fn squared_distance(row: &[f64], mean: &[f64], factor: &[f64]) -> f64 {
    let d = row.len();
    let mut solved = vec![0.0; d];
    let mut sum = 0.0;
    for i in 0..d {
        let known: f64 = (0..i).map(|j| factor[i * d + j] * solved[j]).sum();
        solved[i] = (row[i] - mean[i] - known) / factor[i * d + i];
        sum += solved[i] * solved[i];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(means: &[f64]) -> EmFit {
        EmFit {
            weights: vec![1.0 / means.len() as f64; means.len()],
            means: means.iter().map(|m| vec![*m]).collect(),
            covariances: vec![vec![1.0]; means.len()],
            rounds: 0,
        }
    }

    #[test]
    fn one_component_is_the_mean_and_the_variance() {
        let rows = [1.0, 2.0, 6.0];
        let fit = start(&[0.0]).fitted(Covariance::Full, &rows, 0.0, 1e-12, 100);
        assert!((fit.means[0][0] - 3.0).abs() < 1e-12);
        assert!((fit.covariances[0][0] - 14.0 / 3.0).abs() < 1e-12);
        let expected = -0.5 * ((TAU * 14.0 / 3.0).ln() + 1.0);
        assert!((fit.log_likelihood(&rows) - expected).abs() < 1e-12);
    }

    #[test]
    fn pairs_of_columns_keep_their_correlation_only_where_it_is_asked_for() {
        let rows = [0.0, 0.1, 1.0, 0.9, 2.0, 2.2, 3.0, 2.8];
        let start = EmFit {
            weights: vec![1.0],
            means: vec![vec![0.0, 0.0]],
            covariances: vec![vec![1.0, 0.0, 0.0, 1.0]],
            rounds: 0,
        };
        let full = start
            .clone()
            .fitted(Covariance::Full, &rows, 0.0, 1e-12, 10);
        let diagonal = start.fitted(Covariance::Diagonal, &rows, 0.0, 1e-12, 10);
        assert!((full.covariances[0][1] - 1.175).abs() < 1e-12);
        assert_eq!(diagonal.covariances[0][1], 0.0);
        assert_eq!(full.covariances[0][0], diagonal.covariances[0][0]);
        assert!(full.log_likelihood(&rows) > diagonal.log_likelihood(&rows));
    }

    #[test]
    fn a_component_on_one_place_has_the_floor_for_a_variance() {
        let rows = [0.0, 0.0, 0.0, 10.0, 11.0];
        let fit = start(&[0.0, 10.0]).fitted(Covariance::Diagonal, &rows, 0.01, 1e-9, 50);
        assert!((fit.covariances[0][0] - 0.01).abs() < 1e-12);
        assert!((fit.weights[0] - 0.6).abs() < 1e-6);
    }
}
