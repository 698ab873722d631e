//! A kernel density estimate and its gradient: what a denoiser of the same points ought to know.

use std::f64::consts::TAU;

/// `p(x) = sum_i w_i N(x; x_i, sigma^2 I)`: points smoothed by Gaussian noise.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelDensity {
    /// The points.
    pub points: Vec<Vec<f64>>,
    /// Their weights, of sum 1.
    pub weights: Vec<f64>,
    /// Standard deviation of the noise.
    pub sigma: f64,
}

impl KernelDensity {
    /// Points of equal weight.
    #[must_use]
    pub fn new(points: Vec<Vec<f64>>, sigma: f64) -> Self {
        let weights = vec![1.0 / points.len() as f64; points.len()];
        Self {
            points,
            weights,
            sigma,
        }
    }

    /// `ln p(x)`.
    #[must_use]
    pub fn log_density(&self, x: &[f64]) -> f64 {
        let variance = self.sigma * self.sigma;
        let (exponents, largest) = self.exponents(x);
        let sum: f64 = exponents.iter().map(|e| (e - largest).exp()).sum();
        largest + sum.ln() - 0.5 * x.len() as f64 * (TAU * variance).ln()
    }

    /// The posterior mean of the point behind `x`: the best denoiser, `A(x) = x + sigma^2 grad ln p(x)`.
    #[must_use]
    pub fn denoise(&self, x: &[f64]) -> Vec<f64> {
        let (exponents, largest) = self.exponents(x);
        let (mut sum, mut mean) = (0.0, vec![0.0; x.len()]);
        for (point, exponent) in self.points.iter().zip(exponents) {
            let share = (exponent - largest).exp();
            sum += share;
            for (mean, point) in mean.iter_mut().zip(point) {
                *mean += share * point;
            }
        }
        mean.iter().map(|mean| mean / sum).collect()
    }

    /// The score `grad ln p(x)`.
    #[must_use]
    pub fn score(&self, x: &[f64]) -> Vec<f64> {
        let variance = self.sigma * self.sigma;
        self.denoise(x)
            .iter()
            .zip(x)
            .map(|(clean, x)| (clean - x) / variance)
            .collect()
    }

    /// `ln w_i - |x - x_i|^2 / (2 sigma^2)` of every point, and the largest of them.
    fn exponents(&self, x: &[f64]) -> (Vec<f64>, f64) {
        let exponents: Vec<f64> = self
            .points
            .iter()
            .zip(&self.weights)
            .map(|(point, weight)| {
                let squares = point.iter().zip(x).map(|(a, b)| (a - b) * (a - b));
                weight.ln() - 0.5 * squares.sum::<f64>() / (self.sigma * self.sigma)
            })
            .collect();
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (exponents, largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_is_a_normal_density() {
        let density = KernelDensity::new(vec![vec![1.0, -1.0]], 0.5);
        assert_eq!(density.denoise(&[3.0, 0.0]), [1.0, -1.0]);
        let expected = -(0.25 + 1.0) / (2.0 * 0.25) - (TAU * 0.25).ln();
        assert!((density.log_density(&[1.5, 0.0]) - expected).abs() < 1e-12);
    }

    #[test]
    fn the_score_is_the_gradient_of_the_log_density() {
        let density = KernelDensity {
            points: vec![vec![0.0, 0.0], vec![1.0, 0.5], vec![-0.4, 2.0]],
            weights: vec![0.2, 0.5, 0.3],
            sigma: 0.7,
        };
        for x in [[0.1, 0.2], [2.0, -1.0], [30.0, 40.0]] {
            for (at, score) in density.score(&x).into_iter().enumerate() {
                let moved = |h: f64| {
                    let mut x = x;
                    x[at] += h;
                    density.log_density(&x)
                };
                let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((score - numeric).abs() < 1e-4 * score.abs().max(1.0));
            }
        }
    }
}
