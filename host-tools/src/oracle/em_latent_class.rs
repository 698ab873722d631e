//! Expectation maximisation for latent classes in f64: mixtures of products over columns.

use std::f64::consts::TAU;

/// What a column is like within each class.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Probabilities of the levels, one list a class. A value that is no level is missing.
    Levels(Vec<Vec<f64>>),
    /// Mean and variance, one pair a class.
    Gaussian(Vec<[f64; 2]>),
}

/// A model, before or after EM.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentClassFit {
    /// Probabilities of the classes.
    pub weights: Vec<f64>,
    /// One a column.
    pub columns: Vec<Distribution>,
}

impl LatentClassFit {
    /// EM from here on with `alpha` pseudo-counts for every class and level, variances of `floor` at least,
    /// until the log-likelihood changes by less than `tolerance` nats a row in a round, `rounds` at most.
    #[must_use]
    pub fn fitted(
        mut self,
        rows: &[f64],
        alpha: f64,
        floor: f64,
        tolerance: f64,
        rounds: usize,
    ) -> Self {
        let mut before = f64::NEG_INFINITY;
        for _ in 0..rounds {
            let (shares, now) = self.expectation(rows);
            if (now - before).abs() < tolerance {
                break;
            }
            before = now;
            self.maximisation(rows, &shares, alpha, floor);
        }
        self
    }

    /// Mean of `ln p(x)` over the rows.
    #[must_use]
    pub fn log_likelihood(&self, rows: &[f64]) -> f64 {
        self.expectation(rows).1
    }

    fn expectation(&self, rows: &[f64]) -> (Vec<Vec<f64>>, f64) {
        let d = self.columns.len();
        let mut total = 0.0;
        let shares = rows
            .chunks_exact(d)
            .map(|row| {
                let logs: Vec<f64> = (0..self.weights.len())
                    .map(|class| {
                        let columns = self.columns.iter().zip(row);
                        self.weights[class].ln()
                            + columns
                                .map(|(column, x)| column.log(class, *x))
                                .sum::<f64>()
                    })
                    .collect();
                let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let log = largest + logs.iter().map(|l| (l - largest).exp()).sum::<f64>().ln();
                total += log;
                logs.iter().map(|l| (l - log).exp()).collect()
            })
            .collect();
        (shares, total / (rows.len() / d) as f64)
    }

    fn maximisation(&mut self, rows: &[f64], shares: &[Vec<f64>], alpha: f64, floor: f64) {
        let (d, k) = (self.columns.len(), self.weights.len());
        for class in 0..k {
            let own = || shares.iter().map(|shares| shares[class]);
            self.weights[class] =
                (own().sum::<f64>() + alpha) / (shares.len() as f64 + alpha * k as f64);
            for (at, column) in self.columns.iter_mut().enumerate() {
                let values = || rows.iter().skip(at).step_by(d).copied().zip(own());
                match column {
                    Distribution::Levels(classes) => {
                        let levels = &mut classes[class];
                        let mut masses = vec![alpha; levels.len()];
                        for (x, share) in values() {
                            if let Some(mass) = masses.get_mut(x as usize) {
                                *mass += share;
                            }
                        }
                        let sum: f64 = masses.iter().sum();
                        if sum > 0.0 {
                            *levels = masses.iter().map(|mass| mass / sum).collect();
                        }
                    }
                    Distribution::Gaussian(classes) => {
                        let mass: f64 = own().sum();
                        if mass > 0.0 {
                            let mean = values().map(|(x, share)| share * x).sum::<f64>() / mass;
                            let square: f64 =
                                values().map(|(x, share)| share * (x - mean).powi(2)).sum();
                            classes[class] = [mean, (square / mass).max(floor)];
                        }
                    }
                }
            }
        }
    }
}

impl Distribution {
    fn log(&self, class: usize, x: f64) -> f64 {
        match self {
            Self::Levels(classes) => classes[class].get(x as usize).map_or(0.0, |p| p.ln()),
            Self::Gaussian(classes) => {
                let [mean, variance] = classes[class];
                -0.5 * ((x - mean).powi(2) / variance + (TAU * variance).ln())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_has_the_shares_of_the_levels_and_the_moments() {
        let start = LatentClassFit {
            weights: vec![1.0],
            columns: vec![
                Distribution::Levels(vec![vec![0.5, 0.5]]),
                Distribution::Gaussian(vec![[0.0, 1.0]]),
            ],
        };
        let rows = [0.0, 1.0, 0.0, 2.0, 1.0, 6.0];
        let fit = start.fitted(&rows, 0.0, 0.0, 1e-12, 9);
        let share = 2.0 / 3.0;
        let log = share * f64::ln(share) + (1.0 - share) * f64::ln(1.0 - share)
            - 0.5 * ((TAU * 14.0 / 3.0).ln() + 1.0);
        assert!((fit.log_likelihood(&rows) - log).abs() < 1e-12);
    }
}
