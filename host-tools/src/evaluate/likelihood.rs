//! Log-likelihoods of Boltzmann machines and belief nets: the partition function makes a free energy one.

use anyhow::Result;

use super::Outcome;
use crate::data::Table;
use crate::energy::{
    AisOptions, DeepBeliefNet, EnergyModel, LogPartition, annealed_log_partition, base_rates,
};
use crate::quantize::FEATURE_UNIT;
use crate::train::model::{DbnParameters, RbmParameters, VisibleUnits};

/// Draws of the posterior for the bound of one row.
const DRAWS: usize = 20;

/// Smallest feature that the device rounds to one above 0: what it reads as 1.
const SMALLEST_ONE: f64 = 0.5 / FEATURE_UNIT;

/// A machine, or a stack of them, whose partition function is known.
#[derive(Clone, Debug)]
pub struct Likelihood {
    bottom: EnergyModel,
    units: VisibleUnits,
    /// A stack of more than one machine.
    stack: Option<DeepBeliefNet>,
    log_partition: LogPartition,
}

impl Likelihood {
    /// Sums the partition function of a machine, or estimates it where both sides have too many states:
    /// annealed importance sampling from the base rates of `rows` (features).
    ///
    /// # Errors
    ///
    /// A table of another width.
    pub fn of_rbm(parameters: &RbmParameters, rows: &Table) -> Result<Self> {
        let layers = vec![parameters.clone()];
        Self::of_dbn(&DbnParameters { layers }, rows)
    }

    /// The same for a stack, of its highest machine.
    ///
    /// # Errors
    ///
    /// A table of another width, machines that do not fit.
    pub fn of_dbn(parameters: &DbnParameters, rows: &Table) -> Result<Self> {
        let net = DeepBeliefNet::new(parameters)?;
        let bottom = &parameters.layers[0];
        let top = net.top();
        let log_partition = match top.log_partition() {
            Ok(nats) => LogPartition {
                nats,
                standard_error: 0.0,
            },
            Err(_) => {
                let below = rows.iter_rows().flat_map(|row| {
                    let features: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                    net.below_top(&seen(bottom.units, &features))
                });
                let values: Vec<f32> = below.map(|x| x as f32).collect();
                let columns = Table::numbered_columns(top.visible());
                let below = Table::new(rows.source(), columns, values)?;
                let units = match parameters.layers.len() {
                    1 => bottom.units,
                    _ => VisibleUnits::Bernoulli,
                };
                annealed_log_partition(top, &base_rates(&below, units), AisOptions::default())
            }
        };
        Ok(Self {
            bottom: EnergyModel::from(bottom),
            units: bottom.units,
            stack: (parameters.layers.len() > 1).then_some(net),
            log_partition,
        })
    }

    /// The log-likelihood of a row of features, or its lower bound by a stack.
    ///
    /// # Errors
    ///
    /// None with finite features.
    pub fn of_row(&self, features: &[f64]) -> Result<Outcome> {
        let seen = seen(self.units, features);
        let Some(stack) = &self.stack else {
            return Ok(self.of_free_energy(self.bottom.free_energy(&seen)));
        };
        let values = seen.iter().map(|&x| x as f32).collect();
        let row = Table::new("row", Table::numbered_columns(seen.len()), values)?;
        let bound = stack.bound(&row, self.log_partition.nats, DRAWS, 0);
        Ok(Outcome::Energy {
            log_likelihood: bound.lower,
            standard_error: self.log_partition.standard_error,
        })
    }

    /// The mean over the rows of a table of features.
    ///
    /// # Errors
    ///
    /// As [`of_row`](Self::of_row).
    pub fn mean(&self, rows: &Table) -> Result<f64> {
        let mut sum = 0.0;
        for row in rows.iter_rows() {
            let features: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            if let Outcome::Energy { log_likelihood, .. } = self.of_row(&features)? {
                sum += log_likelihood;
            }
        }
        Ok(sum / rows.rows() as f64)
    }

    /// The log-likelihood of a row whose free energy is known.
    #[must_use]
    pub fn of_free_energy(&self, free_energy: f64) -> Outcome {
        Outcome::Energy {
            log_likelihood: -free_energy - self.log_partition.nats,
            standard_error: self.log_partition.standard_error,
        }
    }
}

/// A row as the visible units see it: Bernoulli units read a feature above 0 as 1.
fn seen(units: VisibleUnits, features: &[f64]) -> Vec<f64> {
    let features = features.iter();
    match units {
        VisibleUnits::Bernoulli => features
            .map(|&x| f64::from(u8::from(x >= SMALLEST_ONE)))
            .collect(),
        VisibleUnits::Gaussian => features.copied().collect(),
    }
}
