//! `ln Z` by annealed importance sampling.
//!
//! Chains go from a machine without weights, whose visible units have the data's means and whose `Z` is
//! known, to the machine in question over the densities between them,
//! `p*_beta(v) = exp((1 - beta) a'v + beta b'v) prod_i (1 + exp(beta (W_i v + c_i)))`, `beta` from 0 to 1. Each
//! chain gathers `ln w = sum_k ln p*_k(v_k) - ln p*_(k-1)(v_k)`, and the mean of `w` is the ratio of the two
//! `Z`. An estimate of `ln Z` so found tends to be low, hence a likelihood high: more temperatures help.
//!
//! R. Salakhutdinov and I. Murray, *On the quantitative analysis of deep belief networks*, ICML 2008;
//! R. Neal, *Annealed importance sampling*, Statistics and Computing 11, 2001.

use std::num::NonZero;

use super::{EnergyModel, add_rows, log_sum_exp, sigmoid, softplus};
use crate::{
    data::Table,
    train::{
        model::VisibleUnits,
        random::{generator, normal, uniform},
    },
};

/// How `ln Z` is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AisOptions {
    /// Independent chains; at least two are run, or there would be no error.
    pub chains: usize,
    /// Densities between the first and the last.
    pub temperatures: usize,
    /// Fixes the chains; each has a stream of its own, so that threads change nothing.
    pub seed: u64,
}

impl Default for AisOptions {
    fn default() -> Self {
        Self {
            chains: 100,
            temperatures: 10_000,
            seed: 0,
        }
    }
}

/// An estimate of `ln Z`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogPartition {
    /// In nats.
    pub nats: f64,
    /// Its standard error, from the spread of the chains' weights.
    pub standard_error: f64,
}

/// The biases of the machine without weights that fits the columns' means: log-odds, one row of each kind
/// added, or the means themselves of Gaussian units.
#[must_use]
pub fn base_rates(data: &Table, units: VisibleUnits) -> Vec<f64> {
    let mut sums = vec![0.0; data.width()];
    for row in data.iter_rows() {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    let rows = data.rows() as f64;
    let bias = |sum: f64| match units {
        VisibleUnits::Bernoulli => ((sum + 1.0) / (rows - sum + 1.0)).ln(),
        VisibleUnits::Gaussian => sum / rows,
    };
    sums.into_iter().map(bias).collect()
}

/// Estimates `ln Z`; `base` are the first machine's biases ([`base_rates`]).
#[must_use]
pub fn annealed_log_partition(
    model: &EnergyModel,
    base: &[f64],
    options: AisOptions,
) -> LogPartition {
    let annealing = Annealing {
        model,
        base,
        betas: betas(options.temperatures),
    };
    let mut log_weights = vec![0.0; options.chains.max(2)];
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let run = log_weights.len().div_ceil(workers);
    std::thread::scope(|scope| {
        for (at, weights) in log_weights.chunks_mut(run).enumerate() {
            let annealing = &annealing;
            scope.spawn(move || {
                for (chain, weight) in (at * run..).zip(weights) {
                    *weight = annealing.chain(options.seed, chain as u64);
                }
            });
        }
    });
    let chains = log_weights.len() as f64;
    let log_mean = log_sum_exp(log_weights.iter().copied()) - chains.ln();
    let variance: f64 = log_weights
        .iter()
        .map(|log_weight| ((log_weight - log_mean).exp() - 1.0).powi(2))
        .sum::<f64>()
        / (chains - 1.0);
    LogPartition {
        nats: annealing.log_partition_of_base() + log_mean,
        standard_error: (variance / chains).sqrt(),
    }
}

/// Salakhutdinov and Murray's spacing: 3.5 % of the steps up to 0.5, 27.5 % up to 0.9, the rest up to 1.
fn betas(temperatures: usize) -> Vec<f64> {
    let steps = temperatures.max(1);
    (1..=steps)
        .map(|step| {
            let done = step as f64 / steps as f64;
            let line =
                |x0: f64, y0: f64, x1: f64, y1: f64| y0 + (done - x0) / (x1 - x0) * (y1 - y0);
            if done <= 0.035 {
                line(0.0, 0.0, 0.035, 0.5)
            } else if done <= 0.31 {
                line(0.035, 0.5, 0.31, 0.9)
            } else {
                line(0.31, 0.9, 1.0, 1.0)
            }
        })
        .collect()
}

struct Annealing<'a> {
    model: &'a EnergyModel,
    base: &'a [f64],
    betas: Vec<f64>,
}

impl Annealing<'_> {
    /// `Z` of the machine without weights: every hidden unit has two states of one weight.
    fn log_partition_of_base(&self) -> f64 {
        let visible: f64 = match self.model.units {
            VisibleUnits::Bernoulli => self.base.iter().copied().map(softplus).sum(),
            // The constant |b|^2 / 2 of the energy is left out here and made good for below.
            VisibleUnits::Gaussian => self
                .base
                .iter()
                .map(|a| (std::f64::consts::TAU.ln() + a * a) / 2.0)
                .sum(),
        };
        let constant = match self.model.units {
            VisibleUnits::Bernoulli => 0.0,
            VisibleUnits::Gaussian => {
                self.model.visible_bias.iter().map(|b| b * b).sum::<f64>() / 2.0
            }
        };
        visible - constant + self.model.hidden() as f64 * std::f64::consts::LN_2
    }

    /// The logarithm of one chain's weight.
    fn chain(&self, seed: u64, chain: u64) -> f64 {
        let model = self.model;
        let mut generator = generator(seed, chain);
        let mut draw = |sums: &[f64], state: &mut [f64]| {
            for (value, &sum) in state.iter_mut().zip(sums) {
                *value = match model.units {
                    VisibleUnits::Bernoulli => {
                        f64::from(u8::from(f64::from(uniform(&mut generator)) < sigmoid(sum)))
                    }
                    VisibleUnits::Gaussian => sum + f64::from(normal(&mut generator)),
                };
            }
        };
        let mut visible = vec![0.0; model.visible()];
        draw(self.base, &mut visible);
        let mut hidden_generator = self::generator(seed, chain + HIDDEN_STREAMS);
        let mut sums = vec![0.0; model.visible()];
        let mut before = 0.0;
        let mut log_weight = 0.0;
        for &beta in &self.betas {
            let inputs = model.hidden_sums(&visible);
            let dot = |bias: &[f64]| bias.iter().zip(&visible).map(|(b, v)| b * v).sum::<f64>();
            log_weight += (beta - before) * (dot(&model.visible_bias) - dot(self.base));
            for &x in &inputs {
                log_weight += softplus(beta * x) - softplus(before * x);
            }
            let hidden: Vec<f64> = inputs
                .iter()
                .map(|x| {
                    let on = f64::from(uniform(&mut hidden_generator)) < sigmoid(beta * x);
                    f64::from(u8::from(on)) * beta
                })
                .collect();
            let biases = model.visible_bias.iter().zip(self.base);
            for (sum, (b, a)) in sums.iter_mut().zip(biases) {
                *sum = (1.0 - beta) * a + beta * b;
            }
            add_rows(&mut sums, &model.rows, &hidden);
            draw(&sums, &mut visible);
            before = beta;
        }
        log_weight
    }
}

/// Streams of the chains' hidden units begin here.
const HIDDEN_STREAMS: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn estimates_agree_with_enumeration_within_their_errors() {
        for (units, spread) in [
            (VisibleUnits::Bernoulli, 0.5),
            (VisibleUnits::Gaussian, 0.1),
        ] {
            let machine = machine(64, 10, spread, units, 5);
            let model = EnergyModel::from(&machine);
            let exact = model.log_partition().unwrap();
            let options = AisOptions {
                chains: 100,
                temperatures: 1000,
                seed: 1,
            };
            let found = annealed_log_partition(&model, &[0.1; 64], options);
            assert!(found.standard_error < 0.2, "{found:?}");
            assert!(
                (found.nats - exact).abs() < 3.0 * found.standard_error,
                "{found:?}, {exact}"
            );
        }
    }

    #[test]
    fn a_machine_without_weights_is_its_base() {
        let mut machine = machine(20, 3, 1.0, VisibleUnits::Bernoulli, 5);
        machine.weights.fill(0.0);
        machine.hidden_bias.fill(0.0);
        let model = EnergyModel::from(&machine);
        let options = AisOptions {
            chains: 2,
            temperatures: 3,
            seed: 0,
        };
        let found = annealed_log_partition(&model, &model.visible_bias, options);
        assert!((found.nats - model.log_partition().unwrap()).abs() < 1e-12);
        assert!(found.standard_error < 1e-12);
    }

    #[test]
    fn temperatures_rise_to_one() {
        let betas = betas(1000);
        assert!(betas.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((betas.len(), betas[999]), (1000, 1.0));
    }
}
