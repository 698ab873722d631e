//! `ln Z` by enumeration of the smaller side.
//!
//! `Z = sum_x exp(s'x) prod_l (1 + exp(t_l + sum_i x_i w_il))` over all states `x` of the smaller side (biases
//! `s`), the other side (biases `t`) summed out. The low bits of `x` run through a Gray code, so that one
//! state differs from the last in one unit: its row of weights multiplies the exponentials, and no new ones
//! are taken. Every 2^10 states start afresh, which keeps the rounding of the products below 1e-12.

use std::num::NonZero;

use anyhow::{Result, ensure};

use super::{EnergyModel, add_rows, log_sum_exp, softplus};
use crate::train::model::VisibleUnits;

/// Most units of the smaller side that are enumerated: 2^20 states.
pub const MOST_ENUMERATED: usize = 20;

/// Units that the Gray code runs through within a block.
const BLOCK_UNITS: usize = 10;

/// Largest logarithm of a product that is still far from what an f64 can hold.
const LARGEST_LOG: f64 = 600.0;

/// Factors of a product that are multiplied side by side.
const LANES: usize = 4;

impl EnergyModel {
    /// `ln Z`, exactly but for rounding; of Gaussian units the hidden ones are enumerated.
    ///
    /// # Errors
    ///
    /// The side to enumerate has more than [`MOST_ENUMERATED`] units.
    pub fn log_partition(&self) -> Result<f64> {
        let sides = Sides::of(self);
        ensure!(
            sides.bias.len() <= MOST_ENUMERATED,
            "{} binary units have too many states to sum; at most {MOST_ENUMERATED} are enumerated, take annealed importance sampling",
            sides.bias.len()
        );
        let low = sides.bias.len().min(BLOCK_UNITS);
        let blocks = 1usize << (sides.bias.len() - low);
        let workers = std::thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(blocks);
        let sides = &sides;
        let mut sums = vec![0.0; blocks];
        std::thread::scope(|scope| {
            // Neighbouring blocks cost the same: each worker takes a run of them.
            for (run, sums) in sums.chunks_mut(blocks.div_ceil(workers)).enumerate() {
                let first = run * blocks.div_ceil(workers);
                scope.spawn(move || {
                    for (block, sum) in (first..).zip(sums) {
                        *sum = sides.block(block << low, low);
                    }
                });
            }
        });
        Ok(log_sum_exp(sums.iter().copied()))
    }
}

/// The side that is enumerated, and how it acts on the other one.
struct Sides<'a> {
    bias: &'a [f64],
    /// A row for each enumerated unit.
    weights: &'a [f64],
    other_bias: &'a [f64],
    other: Other,
}

#[derive(Clone, Copy)]
enum Other {
    /// Binary units; exponentials of their sums do not exceed `exp(largest)`, and can be multiplied.
    Products { largest: f64 },
    /// Binary units whose exponentials may overflow: a logarithm each.
    Logarithms,
    /// Gaussian units.
    Gaussian,
}

impl<'a> Sides<'a> {
    fn of(model: &'a EnergyModel) -> Self {
        let gaussian = model.units == VisibleUnits::Gaussian;
        let (bias, weights, other_bias) = if gaussian || model.hidden() <= model.visible() {
            (&model.hidden_bias, &model.rows, &model.visible_bias)
        } else {
            (&model.visible_bias, &model.columns, &model.hidden_bias)
        };
        let mut magnitudes: Vec<f64> = other_bias.iter().map(|t| t.abs()).collect();
        for row in weights.chunks_exact(other_bias.len()) {
            for (sum, weight) in magnitudes.iter_mut().zip(row) {
                *sum += weight.abs();
            }
        }
        let largest = magnitudes.into_iter().fold(0.0, f64::max);
        let other = if gaussian {
            Other::Gaussian
        } else if LANES as f64 * (largest + 1.0) <= LARGEST_LOG {
            Other::Products { largest }
        } else {
            Other::Logarithms
        };
        Self {
            bias,
            weights,
            other_bias,
            other,
        }
    }

    fn row(&self, unit: usize) -> &[f64] {
        &self.weights[unit * self.other_bias.len()..][..self.other_bias.len()]
    }

    /// The logarithm of the sum over the states whose bits from `low` on are those of `fixed`.
    fn block(&self, fixed: usize, low: usize) -> f64 {
        let state: Vec<f64> = (0..self.bias.len())
            .map(|unit| ((fixed >> unit) & 1) as f64)
            .collect();
        let mut own: f64 = state.iter().zip(self.bias).map(|(x, s)| x * s).sum();
        let mut sums = self.other_bias.to_vec();
        add_rows(&mut sums, self.weights, &state);
        let mut exponentials = Exponentials::new(self, &sums, low);
        let mut logs = Vec::with_capacity(1 << low);
        for count in 0..1usize << low {
            if count > 0 {
                // In a Gray code the unit that changes is the number of zeros that the count ends in.
                let unit = count.trailing_zeros() as usize;
                let gray = count ^ (count >> 1);
                let on = (gray >> unit) & 1 == 1;
                let sign = if on { 1.0 } else { -1.0 };
                own += sign * self.bias[unit];
                match self.other {
                    Other::Products { .. } => exponentials.turn(unit, on),
                    _ => {
                        for (sum, weight) in sums.iter_mut().zip(self.row(unit)) {
                            *sum += sign * weight;
                        }
                    }
                }
            }
            let other = match self.other {
                Other::Products { .. } => exponentials.log_product(),
                Other::Logarithms => sums.iter().copied().map(softplus).sum(),
                Other::Gaussian => self.log_gaussian(&sums),
            };
            logs.push(own + other);
        }
        log_sum_exp(logs.iter().copied())
    }

    /// `ln` of the integral over `v` of `exp(-|v - b|^2 / 2 + v'm)` with `b + m = sums`:
    /// `d/2 ln(2 pi) + (|b + m|^2 - |b|^2) / 2`.
    fn log_gaussian(&self, sums: &[f64]) -> f64 {
        let squares = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>();
        let width = sums.len() as f64;
        (width * std::f64::consts::TAU.ln() + squares(sums) - squares(self.other_bias)) / 2.0
    }
}

/// `exp` of the other side's sums, filled up with zeros to whole lanes.
struct Exponentials {
    values: Vec<f64>,
    /// What each low unit multiplies them with when it turns on, and when it turns off.
    on: Vec<Vec<f64>>,
    off: Vec<Vec<f64>>,
    /// Lanes of factors whose product certainly fits.
    group: usize,
}

impl Exponentials {
    fn new(sides: &Sides<'_>, sums: &[f64], low: usize) -> Self {
        let Other::Products { largest } = sides.other else {
            return Self {
                values: Vec::new(),
                on: Vec::new(),
                off: Vec::new(),
                group: 1,
            };
        };
        let padded = |values: &[f64], sign: f64| -> Vec<f64> {
            let mut exponentials: Vec<f64> = values.iter().map(|x| (sign * x).exp()).collect();
            exponentials.resize(values.len().next_multiple_of(LANES), 0.0);
            exponentials
        };
        Self {
            values: padded(sums, 1.0),
            on: (0..low).map(|unit| padded(sides.row(unit), 1.0)).collect(),
            off: (0..low).map(|unit| padded(sides.row(unit), -1.0)).collect(),
            // ln(1 + exp(x)) < x + 1 for what is not negative.
            group: (LARGEST_LOG / (LANES as f64 * (largest + 1.0))).max(1.0) as usize,
        }
    }

    fn turn(&mut self, unit: usize, on: bool) {
        let factors = if on { &self.on[unit] } else { &self.off[unit] };
        for (value, factor) in self.values.iter_mut().zip(factors) {
            *value *= factor;
        }
    }

    /// `sum ln(1 + x)`: a logarithm a group, not one a unit.
    fn log_product(&self) -> f64 {
        self.values
            .chunks(LANES * self.group)
            .map(|group| {
                let mut products = [1.0; LANES];
                for lanes in group.as_chunks::<LANES>().0 {
                    for (product, x) in products.iter_mut().zip(lanes) {
                        *product *= 1.0 + x;
                    }
                }
                products.iter().product::<f64>().ln()
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bits, machine, minus_energy};
    use super::*;

    #[test]
    fn enumeration_agrees_with_brute_force_over_both_sides() {
        // The last spread takes sums beyond what can be multiplied.
        for (visible, hidden, spread) in [(6, 4, 1.0), (4, 6, 1.0), (6, 4, 0.01), (6, 4, 90.0)] {
            let machine = machine(visible, hidden, spread, VisibleUnits::Bernoulli, 1);
            let joint = (0..1usize << (visible + hidden)).map(|index| {
                let h = bits(index >> visible, hidden);
                minus_energy(&machine, &bits(index, visible), &h)
            });
            let expected = log_sum_exp(joint);
            let found = EnergyModel::from(&machine).log_partition().unwrap();
            assert!((found - expected).abs() < 1e-11 * expected.abs().max(1.0));
        }
    }

    #[test]
    fn blocks_and_groups_change_nothing() {
        let machine = machine(70, 13, 0.4, VisibleUnits::Bernoulli, 2);
        let model = EnergyModel::from(&machine);
        let states = (0..1usize << 13).map(|index| {
            let h = bits(index, 13);
            let own: f64 = h.iter().zip(&model.hidden_bias).map(|(h, c)| h * c).sum();
            let mut sums = model.visible_bias.clone();
            add_rows(&mut sums, &model.rows, &h);
            own + sums.into_iter().map(softplus).sum::<f64>()
        });
        let found = model.log_partition().unwrap();
        assert!((found - log_sum_exp(states)).abs() < 1e-10);
    }

    #[test]
    fn gaussian_units_integrate_to_one() {
        // One visible unit: the density summed over a fine grid.
        let machine = machine(1, 5, 0.8, VisibleUnits::Gaussian, 6);
        let model = EnergyModel::from(&machine);
        let log_partition = model.log_partition().unwrap();
        let step = 1e-3;
        let mass: f64 = (-20_000..20_000)
            .map(|at| (-model.free_energy(&[f64::from(at) * step]) - log_partition).exp() * step)
            .sum();
        assert!((mass - 1.0).abs() < 1e-9, "{mass}");
    }

    #[test]
    fn too_many_states_are_refused() {
        let machine = machine(30, 21, 0.1, VisibleUnits::Bernoulli, 1);
        let message = EnergyModel::from(&machine).log_partition().unwrap_err();
        assert!(
            message
                .to_string()
                .starts_with("21 binary units have too many states")
        );
    }
}
