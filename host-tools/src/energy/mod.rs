//! Restricted Boltzmann machines and deep belief nets in f64: what they are worth and what they imagine.
//!
//! `p(v) = exp(-F(v)) / Z` with the free energy `F(v) = -b'v - sum_i ln(1 + exp(W_i v + c_i))`, and for
//! Gaussian units `|v - b|^2 / 2` in place of `-b'v`. [`EnergyModel::log_partition`] sums `Z` exactly where
//! one side has at most [`MOST_ENUMERATED`] units; [`annealed_log_partition`] estimates it anywhere else.
//! Nothing here shares code with the core crate or with the trainers.

mod ais;
mod dbn;
mod exact;
mod gibbs;

use crate::{
    data::Table,
    train::model::{RbmParameters, VisibleUnits},
};

pub use ais::{AisOptions, LogPartition, annealed_log_partition, base_rates};
pub use dbn::{Bound, DeepBeliefNet};
pub use exact::MOST_ENUMERATED;
pub use gibbs::Completion;

/// A machine for exact evaluation.
#[derive(Clone, Debug)]
pub struct EnergyModel {
    units: VisibleUnits,
    /// `hidden` rows of `visible` weights.
    rows: Vec<f64>,
    /// The same, `visible` rows of `hidden`.
    columns: Vec<f64>,
    visible_bias: Vec<f64>,
    hidden_bias: Vec<f64>,
}

impl From<&RbmParameters> for EnergyModel {
    fn from(parameters: &RbmParameters) -> Self {
        let widen = |values: &[f32]| -> Vec<f64> { values.iter().map(|&x| f64::from(x)).collect() };
        let rows = widen(&parameters.weights);
        let columns = (0..parameters.visible)
            .flat_map(|j| rows.iter().skip(j).step_by(parameters.visible).copied())
            .collect();
        Self {
            units: parameters.units,
            rows,
            columns,
            visible_bias: widen(&parameters.visible_bias),
            hidden_bias: widen(&parameters.hidden_bias),
        }
    }
}

impl EnergyModel {
    /// Number of visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.visible_bias.len()
    }

    /// Number of hidden units.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.hidden_bias.len()
    }

    /// `F(v)`: the lower, the likelier; the log-likelihood is `-F(v) - ln Z`.
    #[must_use]
    pub fn free_energy(&self, row: &[f64]) -> f64 {
        let hidden: f64 = self.hidden_sums(row).into_iter().map(softplus).sum();
        self.visible_energy(row) - hidden
    }

    /// Mean log-likelihood of the rows of a table, in nats; `log_partition` is `ln Z`.
    #[must_use]
    pub fn mean_log_likelihood(&self, rows: &Table, log_partition: f64) -> f64 {
        let sum: f64 = rows
            .iter_rows()
            .map(|row| {
                let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                -self.free_energy(&row) - log_partition
            })
            .sum();
        sum / rows.rows() as f64
    }

    /// `p(h_i = 1 | v)` of every hidden unit.
    #[must_use]
    pub fn hidden_means(&self, row: &[f64]) -> Vec<f64> {
        self.hidden_sums(row).into_iter().map(sigmoid).collect()
    }

    /// The mean of every visible unit given the hidden ones.
    #[must_use]
    pub fn visible_means(&self, hidden: &[f64]) -> Vec<f64> {
        let mut means = self.visible_bias.clone();
        add_rows(&mut means, &self.rows, hidden);
        if self.units == VisibleUnits::Bernoulli {
            means.iter_mut().for_each(|x| *x = sigmoid(*x));
        }
        means
    }

    /// `W v + c`.
    fn hidden_sums(&self, row: &[f64]) -> Vec<f64> {
        let mut sums = self.hidden_bias.clone();
        add_rows(&mut sums, &self.columns, row);
        sums
    }

    /// The part of the energy that visible units have alone.
    fn visible_energy(&self, row: &[f64]) -> f64 {
        let pairs = row.iter().zip(&self.visible_bias);
        match self.units {
            VisibleUnits::Bernoulli => -pairs.map(|(v, b)| v * b).sum::<f64>(),
            VisibleUnits::Gaussian => pairs.map(|(v, b)| (v - b).powi(2)).sum::<f64>() / 2.0,
        }
    }
}

/// Adds to `sums` the rows of a matrix, each as often as its state says.
fn add_rows(sums: &mut [f64], matrix: &[f64], states: &[f64]) {
    for (row, &state) in matrix.chunks_exact(sums.len()).zip(states) {
        if state != 0.0 {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += state * weight;
            }
        }
    }
}

/// `ln(1 + exp(x))`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln sum exp(x)`.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.map(|x| (x - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::train::random::{generator, normal};

    /// A machine with weights of standard deviation `spread`.
    pub(crate) fn machine(
        visible: usize,
        hidden: usize,
        spread: f32,
        units: VisibleUnits,
        seed: u64,
    ) -> RbmParameters {
        let mut generator = generator(seed, 0);
        let mut draw = |count| -> Vec<f32> {
            (0..count)
                .map(|_| spread * normal(&mut generator))
                .collect()
        };
        RbmParameters {
            visible,
            hidden,
            weights: draw(visible * hidden),
            visible_bias: draw(visible),
            hidden_bias: draw(hidden),
            units,
        }
    }

    /// The state whose bits are those of `index`.
    pub(crate) fn bits(index: usize, width: usize) -> Vec<f64> {
        (0..width).map(|at| ((index >> at) & 1) as f64).collect()
    }

    /// `-E(v, h)` from the definition.
    pub(crate) fn minus_energy(machine: &RbmParameters, v: &[f64], h: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (i, h) in h.iter().enumerate() {
            sum += h * f64::from(machine.hidden_bias[i]);
            for (j, v) in v.iter().enumerate() {
                sum += h * v * f64::from(machine.weights[i * machine.visible + j]);
            }
        }
        for (v, &b) in v.iter().zip(&machine.visible_bias) {
            sum += match machine.units {
                VisibleUnits::Bernoulli => v * f64::from(b),
                VisibleUnits::Gaussian => -(v - f64::from(b)).powi(2) / 2.0,
            };
        }
        sum
    }

    #[test]
    fn free_energies_sum_the_hidden_units_out() {
        for units in [VisibleUnits::Bernoulli, VisibleUnits::Gaussian] {
            let machine = machine(6, 4, 1.5, units, 3);
            let model = EnergyModel::from(&machine);
            for v in (0..64).map(|index| bits(index, 6)) {
                let joint = (0..16).map(|h| minus_energy(&machine, &v, &bits(h, 4)));
                let expected = -log_sum_exp(joint);
                assert!((model.free_energy(&v) - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn conditionals_are_those_of_the_joint_distribution() {
        let machine = machine(6, 4, 1.5, VisibleUnits::Bernoulli, 4);
        let model = EnergyModel::from(&machine);
        let v = bits(0b10_1101, 6);
        let h = bits(0b0110, 4);
        for (at, p) in model.hidden_means(&v).into_iter().enumerate() {
            let weight = |index: usize| minus_energy(&machine, &v, &bits(index, 4)).exp();
            let all: f64 = (0..16).map(weight).sum();
            let active: f64 = (0..16).filter(|i| i >> at & 1 == 1).map(weight).sum();
            assert!((p - active / all).abs() < 1e-12);
        }
        for (at, p) in model.visible_means(&h).into_iter().enumerate() {
            let weight = |index: usize| minus_energy(&machine, &bits(index, 6), &h).exp();
            let all: f64 = (0..64).map(weight).sum();
            let active: f64 = (0..64).filter(|i| i >> at & 1 == 1).map(weight).sum();
            assert!((p - active / all).abs() < 1e-12);
        }
    }
}
