//! A mixture of Gaussians: its parameters, and in f64 what can be asked of it.

use std::fmt;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// `ln(2 pi)`.
pub(crate) const LN_TAU: f64 = 1.837_877_066_409_345_3;

/// Which covariance matrices a mixture may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CovarianceKind {
    /// A diagonal matrix for each component.
    #[default]
    #[value(alias = "diag")]
    Diagonal,
    /// One matrix for all components.
    Tied,
    /// A matrix for each component.
    Full,
}

impl fmt::Display for CovarianceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Diagonal => "diagonal",
            Self::Tied => "tied",
            Self::Full => "full",
        })
    }
}

/// The covariances of a mixture of `k` components in `d` columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Covariances {
    /// `k` rows of `d` variances.
    Diagonal(Vec<f64>),
    /// One symmetric matrix, `d` rows of `d` values.
    Tied(Vec<f64>),
    /// `k` symmetric matrices.
    Full(Vec<f64>),
}

/// A mixture of Gaussians: `p(x) = sum_k w_k N(x; mu_k, Sigma_k)`, in the units of the rows that were
/// fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct GmmModel {
    /// `k` positive values that sum to 1.
    pub weights: Vec<f64>,
    /// `k` rows of `d` values.
    pub means: Vec<f64>,
    /// Symmetric and positive definite.
    pub covariances: Covariances,
    /// Number of components.
    pub k: usize,
    /// Number of columns.
    pub d: usize,
    /// Mean log-likelihood of a row that was fitted, in nats; NaN if unknown (imported).
    pub log_likelihood: f64,
    /// Rounds of expectation and maximisation that the best restart took.
    pub rounds: usize,
}

impl GmmModel {
    /// The kind of its covariances.
    #[must_use]
    pub fn kind(&self) -> CovarianceKind {
        match self.covariances {
            Covariances::Diagonal(_) => CovarianceKind::Diagonal,
            Covariances::Tied(_) => CovarianceKind::Tied,
            Covariances::Full(_) => CovarianceKind::Full,
        }
    }

    /// The covariance matrix of one component, `d` rows of `d` values, whatever the kind.
    #[must_use]
    pub fn covariance(&self, component: usize) -> Vec<f64> {
        let d = self.d;
        match &self.covariances {
            Covariances::Diagonal(variances) => {
                let variances = &variances[component * d..][..d];
                let mut matrix = vec![0.0; d * d];
                for (at, variance) in variances.iter().enumerate() {
                    matrix[at * d + at] = *variance;
                }
                matrix
            }
            Covariances::Tied(matrix) => matrix.clone(),
            Covariances::Full(matrices) => matrices[component * d * d..][..d * d].to_vec(),
        }
    }

    /// Free parameters: `k - 1` weights, `k d` means, and the covariances.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let (k, d) = (self.k, self.d);
        let triangle = d * (d + 1) / 2;
        k - 1
            + k * d
            + match self.kind() {
                CovarianceKind::Diagonal => k * d,
                CovarianceKind::Tied => triangle,
                CovarianceKind::Full => k * triangle,
            }
    }

    /// Bayesian information criterion on the `rows` that were fitted (lower is better):
    /// `-2 ln L + p ln n` (G. Schwarz, *Estimating the dimension of a model*, 1978).
    #[must_use]
    pub fn bic(&self, rows: usize) -> f64 {
        let rows = rows as f64;
        -2.0 * self.log_likelihood * rows + self.parameters() as f64 * rows.ln()
    }

    /// Akaike's information criterion on the `rows` that were fitted (lower is better): `-2 ln L + 2 p`
    /// (H. Akaike, *A new look at the statistical model identification*, 1974).
    #[must_use]
    pub fn aic(&self, rows: usize) -> f64 {
        -2.0 * self.log_likelihood * rows as f64 + 2.0 * self.parameters() as f64
    }

    /// The density, its matrices factored once.
    ///
    /// # Errors
    ///
    /// A covariance that is not positive definite.
    pub fn density(&self) -> Result<GmmDensity<'_>> {
        let components = (0..self.k)
            .map(|component| {
                let lower = cholesky(&self.covariance(component), self.d).with_context(|| {
                    format!(
                        "the covariance of component {} is not positive definite",
                        component + 1
                    )
                })?;
                let log_determinant: f64 = (0..self.d)
                    .map(|at| 2.0 * lower[at * self.d + at].ln())
                    .sum();
                Ok(Factored {
                    constant: self.weights[component].ln()
                        - 0.5 * (self.d as f64 * LN_TAU + log_determinant),
                    lower,
                })
            })
            .collect::<Result<_>>()?;
        Ok(GmmDensity {
            model: self,
            components,
        })
    }
}

/// A mixture that can be evaluated and drawn from.
#[derive(Clone, Debug)]
pub struct GmmDensity<'m> {
    model: &'m GmmModel,
    components: Vec<Factored>,
}

#[derive(Clone, Debug)]
struct Factored {
    /// `ln w - (d ln(2 pi) + ln |Sigma|) / 2`.
    constant: f64,
    lower: Vec<f64>,
}

impl GmmDensity<'_> {
    /// `ln w_k + ln N(x; mu_k, Sigma_k)` of every component, in nats.
    #[must_use]
    pub fn component_log_densities(&self, row: &[f64]) -> Vec<f64> {
        let d = self.model.d;
        self.components
            .iter()
            .zip(self.model.means.chunks_exact(d))
            .map(|(component, mean)| {
                let difference: Vec<f64> = row.iter().zip(mean).map(|(x, m)| x - m).collect();
                let whitened = forward_substitution(&component.lower, &difference);
                component.constant - 0.5 * whitened.iter().map(|y| y * y).sum::<f64>()
            })
            .collect()
    }

    /// `ln p(x)` in nats.
    #[must_use]
    pub fn log_density(&self, row: &[f64]) -> f64 {
        log_sum_exp(&self.component_log_densities(row))
    }

    /// The posterior probability of each component; they sum to 1.
    #[must_use]
    pub fn responsibilities(&self, row: &[f64]) -> Vec<f64> {
        let mut log_densities = self.component_log_densities(row);
        let total = log_sum_exp(&log_densities);
        log_densities
            .iter_mut()
            .for_each(|value| *value = (*value - total).exp());
        log_densities
    }

    /// The mean of `ln p(x)` over rows, in nats.
    #[must_use]
    pub fn mean_log_density<'a>(&self, rows: impl Iterator<Item = &'a [f32]>) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for row in rows {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            sum += self.log_density(&row);
            count += 1;
        }
        sum / f64::from(count)
    }

    /// Draws a component by its weight, and a row from it: `mu + L z`, where `L L^T` is the covariance and
    /// `z` standard normal.
    pub fn sample(&self, generator: &mut ChaCha8Rng) -> (usize, Vec<f64>) {
        let d = self.model.d;
        let mut left: f64 = StandardUniform.sample(generator);
        let drawn = self.model.weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a crumb behind the last weight.
        let component = drawn.unwrap_or(self.model.k - 1);
        let normals: Vec<f64> = (0..d).map(|_| StandardNormal.sample(generator)).collect();
        let row = self.components[component]
            .lower
            .chunks_exact(d)
            .zip(&self.model.means[component * d..])
            .map(|(lower, mean)| mean + lower.iter().zip(&normals).map(|(l, z)| l * z).sum::<f64>())
            .collect();
        (component, row)
    }
}

/// `ln(sum exp(x))` without overflow.
pub(crate) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// The lower triangle `L` with `L L^T` = `matrix` (`d` rows of `d` values), or none if it is not positive
/// definite.
pub(crate) fn cholesky(matrix: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|at| lower[i * d + at] * lower[j * d + at]).sum();
            let rest = matrix[i * d + j] - dot;
            lower[i * d + j] = if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[j * d + j]
            };
        }
    }
    Some(lower)
}

/// The solution `y` of `L y = b`.
pub(crate) fn forward_substitution(lower: &[f64], b: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(b.len());
    for (row, b) in lower.chunks_exact(b.len()).zip(b) {
        let at = y.len();
        let dot: f64 = row.iter().zip(&y).map(|(l, y)| l * y).sum();
        y.push((b - dot) / row[at]);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oracle, train::random::generator};

    fn made(covariances: Covariances) -> GmmModel {
        GmmModel {
            weights: vec![0.25, 0.75],
            means: vec![1.0, -2.0, 4.0, 0.5],
            covariances,
            k: 2,
            d: 2,
            log_likelihood: -2.0,
            rounds: 0,
        }
    }

    fn every_kind() -> [GmmModel; 3] {
        [
            made(Covariances::Diagonal(vec![1.0, 4.0, 0.25, 2.0])),
            made(Covariances::Tied(vec![2.0, 0.7, 0.7, 1.0])),
            made(Covariances::Full(vec![
                2.0, 0.7, 0.7, 1.0, 1.0, -1.2, -1.2, 3.0,
            ])),
        ]
    }

    #[test]
    fn log_densities_are_those_of_the_oracle() {
        for model in every_kind() {
            let density = model.density().unwrap();
            let oracle = oracle::Mixture::from(&model);
            for row in [[1.0, -2.0], [4.1, 0.4], [-30.0, 50.0], [2.5, 0.0]] {
                let (a, b) = (density.log_density(&row), oracle.log_density(&row));
                assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} {b}");
                let sum: f64 = density.responsibilities(&row).iter().sum();
                assert!((sum - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn samples_have_the_moments_of_the_mixture() {
        for model in every_kind() {
            let density = model.density().unwrap();
            let mut generator = generator(4, 0);
            let count = 40_000;
            let (mut first, mut columns) = (0, vec![Vec::new(), Vec::new()]);
            for _ in 0..count {
                let (component, row) = density.sample(&mut generator);
                first += usize::from(component == 0);
                for (column, x) in columns.iter_mut().zip(row) {
                    column.push(x);
                }
            }
            // Standard deviation of the share 0.0022; of mean and covariance, about 0.01 and 0.02.
            assert!((first as f64 / count as f64 - 0.25).abs() < 0.01);
            let oracle = oracle::Mixture::from(&model);
            for (column, mean) in columns.iter().zip(oracle.mean()) {
                assert!((column.iter().sum::<f64>() / count as f64 - mean).abs() < 0.05);
            }
            let sampled = oracle::covariance(&columns);
            for (a, b) in sampled.iter().zip(oracle.covariance()) {
                assert!((a - b).abs() < 0.1, "{a} {b}");
            }
        }
    }

    #[test]
    fn criteria_count_the_free_parameters() {
        let [diagonal, tied, full] = every_kind();
        assert_eq!(
            [diagonal.parameters(), tied.parameters(), full.parameters()],
            [9, 8, 11]
        );
        assert_eq!(diagonal.aic(100), 400.0 + 18.0);
        assert!((diagonal.bic(100) - (400.0 + 9.0 * 100_f64.ln())).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_positive_definite_is_named() {
        let model = made(Covariances::Full(vec![
            2.0, 0.7, 0.7, 1.0, 1.0, 2.0, 2.0, 1.0,
        ]));
        assert_eq!(
            model.density().unwrap_err().to_string(),
            "the covariance of component 2 is not positive definite"
        );
    }
}
