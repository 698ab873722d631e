//! A mixture of Gaussians by eigenvectors: densities, marginals, conditionals.

use std::f64::consts::TAU;

use super::jacobi_eigen;
use crate::train::model::GmmModel;

/// `p(x) = sum_k w_k N(x; mu_k, Sigma_k)`, with whole covariance matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// They sum to 1.
    pub weights: Vec<f64>,
    /// One row a component.
    pub means: Vec<Vec<f64>>,
    /// One matrix a component, row after row.
    pub covariances: Vec<Vec<f64>>,
}

impl From<&GmmModel> for Mixture {
    fn from(model: &GmmModel) -> Self {
        Self {
            weights: model.weights.clone(),
            means: model
                .means
                .chunks_exact(model.d)
                .map(<[f64]>::to_vec)
                .collect(),
            covariances: (0..model.k).map(|at| model.covariance(at)).collect(),
        }
    }
}

impl Mixture {
    /// `ln p(x)` in nats.
    #[must_use]
    pub fn log_density(&self, row: &[f64]) -> f64 {
        let terms = self.component_log_densities(row);
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()
    }

    /// The posterior probability of each component.
    #[must_use]
    pub fn responsibilities(&self, row: &[f64]) -> Vec<f64> {
        let total = self.log_density(row);
        self.component_log_densities(row)
            .iter()
            .map(|term| (term - total).exp())
            .collect()
    }

    fn component_log_densities(&self, row: &[f64]) -> Vec<f64> {
        (0..self.weights.len())
            .map(|at| self.weights[at].ln() + gaussian(row, &self.means[at], &self.covariances[at]))
            .collect()
    }

    /// The mean of the mixture.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        let columns = 0..self.means.first().map_or(0, Vec::len);
        columns
            .map(|at| {
                self.weights
                    .iter()
                    .zip(&self.means)
                    .map(|(w, m)| w * m[at])
                    .sum()
            })
            .collect()
    }

    /// The covariance of the mixture: that within the components and that between their means.
    #[must_use]
    pub fn covariance(&self) -> Vec<f64> {
        let mean = self.mean();
        let d = mean.len();
        (0..d * d)
            .map(|at| {
                let (i, j) = (at / d, at % d);
                (0..self.weights.len())
                    .map(|c| {
                        let between = (self.means[c][i] - mean[i]) * (self.means[c][j] - mean[j]);
                        self.weights[c] * (self.covariances[c][at] + between)
                    })
                    .sum()
            })
            .collect()
    }

    /// The mixture of some of the columns alone.
    #[must_use]
    pub fn marginal(&self, kept: &[usize]) -> Self {
        Self {
            weights: self.weights.clone(),
            means: self.means.iter().map(|mean| pick(mean, kept)).collect(),
            covariances: self
                .covariances
                .iter()
                .map(|matrix| block(matrix, kept, kept))
                .collect(),
        }
    }

    /// The mixture of the other columns, in their order, where the `observed` ones have these values: each
    /// component has mean `mu_a + S_ab S_bb^-1 (x_b - mu_b)`, covariance `S_aa - S_ab S_bb^-1 S_ba` and a
    /// weight proportional to `w N(x_b; mu_b, S_bb)` (C. Bishop, *Pattern Recognition and Machine
    /// Learning*, equations 2.81 and 2.82).
    #[must_use]
    pub fn conditional(&self, observed: &[usize], values: &[f64]) -> Self {
        let width = self.means.first().map_or(0, Vec::len);
        let asked: Vec<usize> = (0..width).filter(|at| !observed.contains(at)).collect();
        let mut result = Self {
            weights: self.marginal(observed).responsibilities(values),
            means: Vec::new(),
            covariances: Vec::new(),
        };
        for (mean, matrix) in self.means.iter().zip(&self.covariances) {
            let inverse = inverse(&block(matrix, observed, observed), observed.len());
            let across = block(matrix, &asked, observed);
            let gain = product(&across, &inverse, observed.len(), observed.len());
            let surprise: Vec<f64> = pick(mean, observed)
                .iter()
                .zip(values)
                .map(|(mean, value)| value - mean)
                .collect();
            let shift = product(&gain, &surprise, observed.len(), 1);
            result.means.push(
                pick(mean, &asked)
                    .iter()
                    .zip(&shift)
                    .map(|(mean, shift)| mean + shift)
                    .collect(),
            );
            let explained = product(
                &gain,
                &block(matrix, observed, &asked),
                observed.len(),
                asked.len(),
            );
            result.covariances.push(
                block(matrix, &asked, &asked)
                    .iter()
                    .zip(&explained)
                    .map(|(whole, explained)| whole - explained)
                    .collect(),
            );
        }
        result
    }
}

fn pick(values: &[f64], at: &[usize]) -> Vec<f64> {
    at.iter().map(|&at| values[at]).collect()
}

fn block(matrix: &[f64], rows: &[usize], columns: &[usize]) -> Vec<f64> {
    let n = matrix.len().isqrt();
    rows.iter()
        .flat_map(|&row| columns.iter().map(move |&column| matrix[row * n + column]))
        .collect()
}

/// The product of matrices of `inner` and `columns` columns.
fn product(a: &[f64], b: &[f64], inner: usize, columns: usize) -> Vec<f64> {
    a.chunks_exact(inner)
        .flat_map(|row| {
            (0..columns).map(move |column| {
                row.iter()
                    .enumerate()
                    .map(|(at, a)| a * b[at * columns + column])
                    .sum()
            })
        })
        .collect()
}

fn inverse(matrix: &[f64], n: usize) -> Vec<f64> {
    let eigen = jacobi_eigen(matrix, n);
    let mut sum = vec![0.0; n * n];
    for (value, vector) in eigen.values.iter().zip(&eigen.vectors) {
        for (at, sum) in sum.iter_mut().enumerate() {
            *sum += vector[at / n] * vector[at % n] / value;
        }
    }
    sum
}

/// `-(sum_i (v_i.(x - mu))^2 / l_i + ln(2 pi l_i)) / 2` over eigenvalues `l_i` and their vectors.
fn gaussian(row: &[f64], mean: &[f64], covariance: &[f64]) -> f64 {
    let eigen = jacobi_eigen(covariance, mean.len());
    let terms = eigen
        .values
        .iter()
        .zip(&eigen.vectors)
        .map(|(value, vector)| {
            let along: f64 = vector
                .iter()
                .zip(row.iter().zip(mean))
                .map(|(v, (x, m))| v * (x - m))
                .sum();
            along * along / value + (TAU * value).ln()
        });
    -0.5 * terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Mixture {
        Mixture {
            weights: vec![0.3, 0.7],
            means: vec![vec![0.0, 1.0, -1.0], vec![2.0, 0.0, 0.5]],
            covariances: vec![
                vec![2.0, 0.5, 0.1, 0.5, 1.0, -0.3, 0.1, -0.3, 0.8],
                vec![1.0, -0.4, 0.0, -0.4, 0.6, 0.2, 0.0, 0.2, 3.0],
            ],
        }
    }

    #[test]
    fn one_standard_normal_has_its_known_density() {
        let normal = Mixture {
            weights: vec![1.0],
            means: vec![vec![0.0]],
            covariances: vec![vec![4.0]],
        };
        // N(2; 0, 4) = exp(-1/2) / (2 sqrt(2 pi)).
        let expected = -0.5 - (2.0 * TAU.sqrt()).ln();
        assert!((normal.log_density(&[2.0]) - expected).abs() < 1e-14);
    }

    #[test]
    fn the_joint_is_the_marginal_times_the_conditional() {
        let joint = made();
        let row = [0.4, -0.7, 1.9];
        for observed in [vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2]] {
            let values = pick(&row, &observed);
            let asked: Vec<usize> = (0..3).filter(|at| !observed.contains(at)).collect();
            let marginal = joint.marginal(&observed).log_density(&values);
            let conditional = joint.conditional(&observed, &values);
            let rest = conditional.log_density(&pick(&row, &asked));
            assert!((joint.log_density(&row) - marginal - rest).abs() < 1e-12);
            assert!((conditional.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_marginal_is_the_integral_over_the_rest() {
        let joint = made();
        let step = 0.05;
        let sum: f64 = (-400..=400)
            .map(|at| joint.log_density(&[0.4, -0.7, f64::from(at) * step]).exp() * step)
            .sum();
        let marginal = joint.marginal(&[0, 1]).log_density(&[0.4, -0.7]).exp();
        assert!((sum / marginal - 1.0).abs() < 1e-9);
    }
}
