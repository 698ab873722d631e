//! Deep belief nets: samples from the top down, and bounds on the likelihood.
//!
//! `p(v) = sum_h p(v | h_1) p(h_1 | h_2) ... p(h_(L-1))` where the last factor is the top machine's. With
//! the upward pass `q(h | v)` as posterior, the mean over `q` of `ln w`, `w = p(v, h) / q(h | v)`, is a lower
//! bound of `ln p(v)` (Salakhutdinov and Murray 2008). The logarithm of the mean of `k` such weights is
//! a tighter one in expectation (Y. Burda et al., *Importance weighted autoencoders*, ICLR 2016).

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::{EnergyModel, gibbs::bernoulli, log_sum_exp};
use crate::{
    data::Table,
    train::{
        model::{DbnParameters, VisibleUnits},
        random::generator,
    },
};

/// A deep belief net for evaluation.
#[derive(Clone, Debug)]
pub struct DeepBeliefNet {
    lower: Vec<EnergyModel>,
    top: EnergyModel,
}

/// Bounds on the mean log-likelihood of a row, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The variational lower bound.
    pub lower: f64,
    /// Its standard error over the draws of the posterior.
    pub standard_error: f64,
    /// The importance-weighted bound of all draws of a row.
    pub weighted: f64,
}

impl DeepBeliefNet {
    /// The net of these parameters.
    ///
    /// # Errors
    ///
    /// No machine; machines whose sides do not fit; Gaussian units but at the bottom.
    pub fn new(parameters: &DbnParameters) -> Result<Self> {
        for pair in parameters.layers.windows(2) {
            ensure!(
                pair[0].hidden == pair[1].visible && pair[1].units == VisibleUnits::Bernoulli,
                "a machine of {} {} units cannot stand on one of {} hidden units",
                pair[1].visible,
                pair[1].units,
                pair[0].hidden
            );
        }
        let mut lower: Vec<EnergyModel> = parameters.layers.iter().map(EnergyModel::from).collect();
        let Some(top) = lower.pop() else {
            anyhow::bail!("a deep belief net has at least one machine");
        };
        Ok(Self { lower, top })
    }

    /// The machine on top.
    #[must_use]
    pub fn top(&self) -> &EnergyModel {
        &self.top
    }

    /// The means of the last hidden layer, each layer's means being the input of the next.
    #[must_use]
    pub fn upward(&self, row: &[f64]) -> Vec<f64> {
        let means = self.below_top(row);
        self.top.hidden_means(&means)
    }

    /// The means of the top machine's visible units.
    #[must_use]
    pub fn below_top(&self, row: &[f64]) -> Vec<f64> {
        self.lower
            .iter()
            .fold(row.to_vec(), |row, layer| layer.hidden_means(&row))
    }

    /// The visible units' means for a state of the top machine's visible units.
    pub fn downward(&self, state: &[f64], generator: &mut ChaCha8Rng) -> Vec<f64> {
        let mut state = state.to_vec();
        let mut layers = self.lower.iter();
        // The bottom one gives means, not states.
        let bottom = layers.next();
        for layer in layers.rev() {
            state = layer.draw_visible(&state, generator);
        }
        bottom.map_or(state.clone(), |layer| layer.visible_means(&state))
    }

    /// Bounds for the rows of a table with `draws` states of the posterior each; `log_partition` is the
    /// top machine's `ln Z`.
    #[must_use]
    pub fn bound(&self, rows: &Table, log_partition: f64, draws: usize, seed: u64) -> Bound {
        let mut generator = generator(seed, 0);
        let (mut lower, mut weighted, mut variance) = (0.0, 0.0, 0.0);
        for row in rows.iter_rows() {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let weights: Vec<f64> = (0..draws)
                .map(|_| self.log_weight(&row, &mut generator) - log_partition)
                .collect();
            let mean = weights.iter().sum::<f64>() / draws as f64;
            let squares: f64 = weights.iter().map(|w| (w - mean).powi(2)).sum();
            variance += squares / (draws.max(2) - 1) as f64 / draws as f64;
            lower += mean;
            weighted += log_sum_exp(weights.iter().copied()) - (draws as f64).ln();
        }
        let count = rows.rows() as f64;
        Bound {
            lower: lower / count,
            standard_error: variance.sqrt() / count,
            weighted: weighted / count,
        }
    }

    /// `ln p*(v, h) - ln q(h | v)` for a state drawn from `q`.
    fn log_weight(&self, row: &[f64], generator: &mut ChaCha8Rng) -> f64 {
        let mut state = row.to_vec();
        let mut log_weight = 0.0;
        for layer in &self.lower {
            let means = layer.hidden_means(&state);
            let above = bernoulli(&means, generator);
            log_weight += layer.log_visible(&state, &above) - log_bernoulli(&above, &means);
            state = above;
        }
        log_weight - self.top.free_energy(&state)
    }
}

impl EnergyModel {
    /// `ln p(v | h)`.
    fn log_visible(&self, visible: &[f64], hidden: &[f64]) -> f64 {
        let means = self.visible_means(hidden);
        match self.units {
            VisibleUnits::Bernoulli => log_bernoulli(visible, &means),
            VisibleUnits::Gaussian => visible
                .iter()
                .zip(&means)
                .map(|(v, mean)| -((v - mean).powi(2) + std::f64::consts::TAU.ln()) / 2.0)
                .sum(),
        }
    }
}

/// The log-probability of binary states with the given means.
fn log_bernoulli(states: &[f64], means: &[f64]) -> f64 {
    states
        .iter()
        .zip(means)
        .map(|(&state, &mean)| if state == 1.0 { mean } else { 1.0 - mean })
        .map(|p| p.max(f64::MIN_POSITIVE).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bits, machine};
    use super::*;

    /// `ln p(v)` of a net of two machines by summation over the hidden layer between them.
    fn exact(net: &DeepBeliefNet, row: &[f64]) -> f64 {
        let log_partition = net.top.log_partition().unwrap();
        let width = net.top.visible();
        log_sum_exp((0..1usize << width).map(|index| {
            let h = bits(index, width);
            net.lower[0].log_visible(row, &h) - net.top.free_energy(&h) - log_partition
        }))
    }

    #[test]
    fn bounds_hold_and_close_in_on_the_exact_likelihood() {
        let layers = vec![
            machine(8, 6, 0.4, VisibleUnits::Bernoulli, 1),
            machine(6, 3, 0.4, VisibleUnits::Bernoulli, 2),
        ];
        let net = DeepBeliefNet::new(&DbnParameters { layers }).unwrap();
        let rows: Vec<f64> = [3, 77, 200].iter().flat_map(|&i| bits(i, 8)).collect();
        let table = Table::new(
            "made",
            Table::numbered_columns(8),
            rows.iter().map(|&x| x as f32).collect(),
        )
        .unwrap();
        let expected = rows.chunks(8).map(|row| exact(&net, row)).sum::<f64>() / 3.0;
        let log_partition = net.top.log_partition().unwrap();
        let bound = net.bound(&table, log_partition, 20_000, 1);
        assert!(bound.lower + 3.0 * bound.standard_error < expected);
        assert!(
            (bound.weighted - expected).abs() < 0.03,
            "{bound:?} {expected}"
        );
    }

    #[test]
    fn a_net_of_one_machine_has_its_likelihood() {
        let machine = machine(8, 5, 1.0, VisibleUnits::Bernoulli, 3);
        let model = EnergyModel::from(&machine);
        let layers = vec![machine];
        let net = DeepBeliefNet::new(&DbnParameters { layers }).unwrap();
        let rows = Table::new("made", Table::numbered_columns(8), vec![1.0; 8]).unwrap();
        let log_partition = model.log_partition().unwrap();
        let bound = net.bound(&rows, log_partition, 3, 0);
        let expected = model.mean_log_likelihood(&rows, log_partition);
        assert!(
            (bound.lower - expected).abs() < 1e-12 && (bound.weighted - expected).abs() < 1e-12
        );
    }

    #[test]
    fn machines_that_do_not_fit_are_refused() {
        let layers = vec![
            machine(8, 5, 1.0, VisibleUnits::Bernoulli, 3),
            machine(4, 2, 1.0, VisibleUnits::Bernoulli, 3),
        ];
        let message = DeepBeliefNet::new(&DbnParameters { layers }).unwrap_err();
        assert_eq!(
            message.to_string(),
            "a machine of 4 bernoulli units cannot stand on one of 5 hidden units"
        );
    }
}
