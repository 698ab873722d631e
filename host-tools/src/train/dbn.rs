//! Deep belief nets, trained greedily: each machine learns what the hidden units of the one below do.
//!
//! The second machine and those above see their input as probabilities, from which they draw states afresh
//! whenever a row comes by.
//!
//! G. Hinton, S. Osindero and Y. Teh, *A fast learning algorithm for deep belief nets*, Neural Computation
//! 18, 2006.

use anyhow::{Result, ensure};
use autodidact::dbn::MAX_LAYERS;

use super::{
    Progress,
    device::TrainingDevice,
    model::{DbnParameters, RbmParameters, VisibleUnits},
    rbm::{self, Binarise, RbmConfig, RbmOptions},
};
use crate::{data::Table, energy::EnergyModel};

/// What to train; [`DbnOptions::check`] makes it a [`DbnConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct DbnOptions {
    /// The machines from the data up. Above the first, the kind of visible units and the way to binarise
    /// are given by the machine below and not read.
    pub layers: Vec<RbmOptions>,
    /// Whether machines above the first draw states from the probabilities below, or take those as they are
    /// (real-valued, which is what a deep autoencoder is unrolled from).
    pub sampled: bool,
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct DbnConfig(Vec<RbmConfig>);

impl DbnOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// No machine, or one whose options are refused ([`RbmOptions::check`]).
    pub fn check(self) -> Result<DbnConfig> {
        ensure!(
            !self.layers.is_empty(),
            "a deep belief net has at least one machine; give a width"
        );
        ensure!(
            self.layers.len() <= MAX_LAYERS,
            "a deep belief net of {} machines is deeper than a device takes; give at most {MAX_LAYERS} widths",
            self.layers.len()
        );
        let above = if self.sampled {
            Binarise::Stochastic
        } else {
            Binarise::No
        };
        let layers = self.layers.into_iter().enumerate().map(|(at, layer)| {
            let layer = if at == 0 {
                layer
            } else {
                RbmOptions {
                    units: VisibleUnits::Bernoulli,
                    binarise: above,
                    ..layer
                }
            };
            layer.check()
        });
        Ok(DbnConfig(layers.collect::<Result<_>>()?))
    }
}

impl DbnConfig {
    /// The options of each machine.
    #[must_use]
    pub fn layers(&self) -> &[RbmConfig] {
        &self.0
    }
}

/// Trains the machines from the data up; `progress` counts the epochs of all of them.
///
/// # Errors
///
/// As [`rbm::fit`].
pub fn fit(
    config: &DbnConfig,
    data: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DbnParameters> {
    let steps = config.0.iter().map(|c| c.options().epochs).sum();
    let mut done = 0;
    let mut input: Option<Table> = None;
    let mut layers: Vec<RbmParameters> = Vec::new();
    for (at, layer) in config.0.iter().enumerate() {
        let rows = input.as_ref().unwrap_or(data);
        let machine = rbm::fit(layer, rows, device, &mut |epoch| {
            progress(Progress {
                step: done + epoch.step,
                steps,
                loss: epoch.loss,
            });
        })?;
        done += layer.options().epochs;
        if at + 1 < config.0.len() {
            let options = layer.options();
            // What the bottom machine sees of grey data are 0 and 1; a threshold gives the same each time.
            let seen = match options.binarise {
                Binarise::No => None,
                binarise => Some(binarise.table(rows, options.seed)?),
            };
            input = Some(hidden_means(&machine, seen.as_ref().unwrap_or(rows))?);
        }
        layers.push(machine);
    }
    Ok(DbnParameters { layers })
}

/// The hidden units' means for every row.
fn hidden_means(machine: &RbmParameters, rows: &Table) -> Result<Table> {
    let model = EnergyModel::from(machine);
    let values = rows
        .iter_rows()
        .flat_map(|row| {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            model.hidden_means(&row)
        })
        .map(|mean| mean as f32)
        .collect();
    Table::new(
        rows.source(),
        Table::numbered_columns(machine.hidden),
        values,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, digits};

    #[test]
    fn machines_stand_on_one_another() {
        let data = digits().unwrap().scaled(1.0 / DIGIT_MAX).unwrap();
        let layer = |hidden| RbmOptions {
            hidden,
            epochs: 2,
            binarise: Binarise::Threshold(0.5),
            ..RbmOptions::default()
        };
        let options = DbnOptions {
            layers: vec![layer(12), layer(5)],
            sampled: true,
        };
        let mut steps = Vec::new();
        let net = fit(
            &options.check().unwrap(),
            &data,
            &TrainingDevice::cpu(),
            &mut |progress| steps.push((progress.step, progress.steps)),
        )
        .unwrap();
        let shapes: Vec<_> = net.layers.iter().map(|l| (l.visible, l.hidden)).collect();
        assert_eq!(shapes, [(64, 12), (12, 5)]);
        assert_eq!(steps, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    }
}
