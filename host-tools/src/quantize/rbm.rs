//! Restricted Boltzmann machines in integers: one scale for the whole matrix.
//!
//! A binary state adds weights, it does not multiply them, and a matrix is read by rows going down and by
//! columns going up: with one scale the sums of either direction are in one unit, the weight's. Biases are in
//! the unit of the sums they start.

use anyhow::{Result, ensure};

use super::FEATURE_UNIT;
use crate::train::model::{RbmParameters, VisibleUnits};

/// Largest magnitude of a weight in integers.
const LARGEST_WEIGHT: f64 = 127.0;

/// Largest magnitude of a bias: leaves the weights' sum its share of 32 bits.
const LARGEST_BIAS: f64 = (1u32 << 30) as f64;

/// A machine in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedRbm {
    /// What the visible units hold.
    pub units: VisibleUnits,
    /// Number of visible units.
    pub visible: usize,
    /// Number of hidden units.
    pub hidden: usize,
    /// `hidden` rows of `visible` values, -127..=127.
    pub weights: Vec<i8>,
    /// In units of the sums over hidden states, [`scale`](Self::scale) each.
    pub visible_bias: Vec<i32>,
    /// In units of the sums over visible values, [`hidden_unit`](Self::hidden_unit) each.
    pub hidden_bias: Vec<i32>,
    /// Real value of one weight unit.
    pub scale: f64,
}

/// Rounds a machine's weights to the 255 values that span the largest of them.
///
/// # Errors
///
/// A parameter that is not finite; a bias too far beyond all weights.
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
    let quantised = QuantisedRbm {
        units: parameters.units,
        visible: parameters.visible,
        hidden: parameters.hidden,
        weights: Vec::new(),
        visible_bias: Vec::new(),
        hidden_bias: Vec::new(),
        // A machine without weights still needs a unit for its biases.
        scale: (largest(&parameters.weights) / LARGEST_WEIGHT).max(1e-6),
    };
    let (scale, hidden_unit) = (quantised.scale, quantised.hidden_unit());
    ensure!(
        largest(&parameters.visible_bias) < LARGEST_BIAS * scale
            && largest(&parameters.hidden_bias) < LARGEST_BIAS * hidden_unit,
        "a bias is a billion times a weight's unit; train with a lower learning rate"
    );
    let biases = |values: &[f32], unit: f64| -> Vec<i32> {
        let values = values.iter().map(|&x| f64::from(x) / unit);
        values.map(|x| x.round_ties_even() as i32).collect()
    };
    let weights = parameters.weights.iter().map(|&w| f64::from(w) / scale);
    Ok(QuantisedRbm {
        weights: weights.map(|w| w.round_ties_even() as i8).collect(),
        visible_bias: biases(&parameters.visible_bias, scale),
        hidden_bias: biases(&parameters.hidden_bias, hidden_unit),
        ..quantised
    })
}

impl QuantisedRbm {
    /// Real value of one unit of the hidden units' sums: of weights for binary units, of weights times
    /// features (`I4F12`) for Gaussian ones.
    #[must_use]
    pub fn hidden_unit(&self) -> f64 {
        match self.units {
            VisibleUnits::Bernoulli => self.scale,
            VisibleUnits::Gaussian => self.scale / FEATURE_UNIT,
        }
    }

    /// What the integers stand for: the machine whose likelihood is that of the device.
    #[must_use]
    pub fn dequantised(&self) -> RbmParameters {
        let real = |values: &[i32], unit: f64| -> Vec<f32> {
            values
                .iter()
                .map(|&x| (f64::from(x) * unit) as f32)
                .collect()
        };
        RbmParameters {
            visible: self.visible,
            hidden: self.hidden,
            weights: self
                .weights
                .iter()
                .map(|&w| (f64::from(w) * self.scale) as f32)
                .collect(),
            visible_bias: real(&self.visible_bias, self.scale),
            hidden_bias: real(&self.hidden_bias, self.hidden_unit()),
            units: self.units,
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
            assert!(near(&machine.weights, &back.weights, quantised.scale));
            assert!(near(
                &machine.visible_bias,
                &back.visible_bias,
                quantised.scale
            ));
            let unit = quantised.hidden_unit();
            assert!(near(&machine.hidden_bias, &back.hidden_bias, unit));
            assert!(quantised.weights.iter().any(|&w| w.unsigned_abs() == 127));
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let mut infinite = machine(3, 2, 1.0, VisibleUnits::Bernoulli, 1);
        infinite.weights[0] = f32::INFINITY;
        assert!(rbm(&infinite).is_err());
        let mut biased = machine(3, 2, 1e-6, VisibleUnits::Bernoulli, 1);
        biased.visible_bias[0] = 1e6;
        assert!(rbm(&biased).is_err());
    }
}
