//! Restricted Boltzmann machines in integers: one scale for the whole matrix.
//!
//! A binary state adds weights, it does not multiply them, and a matrix is read by rows going down and by
//! columns going up: with one scale the sums of either direction are in one unit. A sum carries 12 fractional
//! bits beside the weights' own, those of a real state; biases are in that unit.

use anyhow::{Context, Result, ensure};
use autodidact::model::RbmSpec;
use autodidact::num::Multiplier;
use autodidact::rbm::{self, Rbm};

use super::FEATURE_UNIT;
use crate::train::model::{DbnParameters, RbmParameters, VisibleUnits};

/// Largest magnitude of a weight in integers.
const LARGEST_WEIGHT: f64 = 127.0;

/// Largest magnitude of a bias: leaves the weights' sum its share of 32 bits.
const LARGEST_BIAS: f64 = (1u32 << 30) as f64;

/// A machine in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedRbm {
    /// What the visible units hold.
    pub units: rbm::Units,
    /// `hidden` rows of `visible` values, -127..=127.
    pub weights: Vec<i8>,
    /// In units of the scale over 4096.
    pub visible_biases: Vec<i32>,
    /// In units of the scale over 4096.
    pub hidden_biases: Vec<i32>,
    /// Real value of one weight unit.
    pub scale: Multiplier,
}

/// Rounds a machine's weights to the 255 values that span the largest of them.
///
/// # Errors
///
/// A parameter that is not finite; weights beyond 31; a bias too far beyond all weights.
pub fn rbm(parameters: &RbmParameters) -> Result<QuantisedRbm> {
    let values = [
        &parameters.weights,
        &parameters.visible_bias,
        &parameters.hidden_bias,
    ];
    ensure!(
        values.into_iter().flatten().all(|x| x.is_finite()),
        "a weight or bias is not a finite number; train again with a lower learning rate"
    );
    let largest = |values: &[f32]| values.iter().fold(0.0, |m, &x| f64::from(x.abs()).max(m));
    // A machine without weights still needs a unit for its biases.
    let scale = (largest(&parameters.weights) / LARGEST_WEIGHT).max(1e-6);
    let scale = Multiplier::from_f64(scale)
        .filter(|_| scale < 0.25)
        .context(
            "a weight is larger than 31; train with a lower learning rate or with weight decay",
        )?;
    let step = scale.to_f64();
    let unit = step / FEATURE_UNIT;
    ensure!(
        largest(&parameters.visible_bias).max(largest(&parameters.hidden_bias))
            < LARGEST_BIAS * unit,
        "a bias is too large beside the weights; train with a lower learning rate"
    );
    let biases = |values: &[f32]| -> Vec<i32> {
        let values = values.iter().map(|&x| f64::from(x) / unit);
        values.map(|x| x.round_ties_even() as i32).collect()
    };
    let weights = parameters.weights.iter().map(|&w| f64::from(w) / step);
    Ok(QuantisedRbm {
        units: match parameters.units {
            VisibleUnits::Bernoulli => rbm::Units::Bernoulli,
            VisibleUnits::Gaussian => rbm::Units::Gaussian,
        },
        weights: weights
            .map(|w| w.round_ties_even().clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) as i8)
            .collect(),
        visible_biases: biases(&parameters.visible_bias),
        hidden_biases: biases(&parameters.hidden_bias),
        scale,
    })
}

/// The machines of a deep belief net, bottom first.
///
/// # Errors
///
/// As [`rbm()`], with the machine named.
pub fn dbn(parameters: &DbnParameters) -> Result<Vec<QuantisedRbm>> {
    let layers = parameters.layers.iter().enumerate();
    layers
        .map(|(at, layer)| rbm(layer).with_context(|| format!("machine {at}")))
        .collect()
}

/// What the integers of a loaded machine stand for: the machine whose likelihood is that of the device.
#[must_use]
pub fn dequantised_rbm(machine: &Rbm<'_>) -> RbmParameters {
    let tensors = machine.tensors();
    let (visible, hidden) = (machine.visible(), machine.hidden());
    // Rows are padded.
    let stride = tensors.weights.len() / hidden;
    let rows = tensors.weights.chunks_exact(stride);
    let weights: Vec<i8> = rows.flat_map(|row| &row[..visible]).copied().collect();
    let units = match machine.units() {
        rbm::Units::Bernoulli => VisibleUnits::Bernoulli,
        rbm::Units::Gaussian => VisibleUnits::Gaussian,
    };
    let biases = [tensors.visible_biases, tensors.hidden_biases];
    dequantised(units, &weights, biases, machine.scale())
}

fn dequantised(
    units: VisibleUnits,
    weights: &[i8],
    biases: [&[i32]; 2],
    scale: Multiplier,
) -> RbmParameters {
    let step = scale.to_f64();
    let [visible_bias, hidden_bias] = biases.map(|biases| -> Vec<f32> {
        let biases = biases.iter().map(|&b| f64::from(b) * step / FEATURE_UNIT);
        biases.map(|b| b as f32).collect()
    });
    let weights = weights.iter().map(|&w| (f64::from(w) * step) as f32);
    RbmParameters {
        visible: visible_bias.len(),
        hidden: hidden_bias.len(),
        weights: weights.collect(),
        visible_bias,
        hidden_bias,
        units,
    }
}

impl QuantisedRbm {
    /// What the integers stand for.
    #[must_use]
    pub fn dequantised(&self) -> RbmParameters {
        let units = match self.units {
            rbm::Units::Bernoulli => VisibleUnits::Bernoulli,
            rbm::Units::Gaussian => VisibleUnits::Gaussian,
        };
        let biases = [&*self.visible_biases, &*self.hidden_biases];
        dequantised(units, &self.weights, biases, self.scale)
    }

    /// What the container's writer takes; the weights are stored in both orders where flash allows twice the
    /// bytes for half the instructions upward.
    #[must_use]
    pub fn spec(&self) -> RbmSpec<'_> {
        RbmSpec {
            units: self.units,
            scale: self.scale,
            weights: &self.weights,
            visible_biases: &self.visible_biases,
            hidden_biases: &self.hidden_biases,
            transposed: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::tests::machine;

    #[test]
    fn integers_are_half_a_unit_from_what_they_stand_for() {
        for units in [VisibleUnits::Bernoulli, VisibleUnits::Gaussian] {
            let machine = machine(9, 5, 2.0, units, 1);
            let quantised = rbm(&machine).unwrap();
            let back = quantised.dequantised();
            let near = |a: &[f32], b: &[f32], unit: f64| {
                let mut pairs = a.iter().zip(b);
                pairs.all(|(a, b)| f64::from((a - b).abs()) <= 0.5 * unit + 1e-6)
            };
            let step = quantised.scale.to_f64();
            assert!(near(&machine.weights, &back.weights, step));
            let unit = step / FEATURE_UNIT;
            assert!(near(&machine.visible_bias, &back.visible_bias, unit));
            assert!(near(&machine.hidden_bias, &back.hidden_bias, unit));
            assert!(quantised.weights.iter().any(|&w| w.unsigned_abs() == 127));
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let mut infinite = machine(3, 2, 1.0, VisibleUnits::Bernoulli, 1);
        infinite.weights[0] = f32::INFINITY;
        assert!(rbm(&infinite).is_err());
        let mut heavy = machine(3, 2, 1.0, VisibleUnits::Bernoulli, 1);
        heavy.weights[0] = 40.0;
        assert!(rbm(&heavy).is_err());
        let mut biased = machine(3, 2, 1e-6, VisibleUnits::Bernoulli, 1);
        biased.visible_bias[0] = 1e6;
        assert!(rbm(&biased).is_err());
    }
}
