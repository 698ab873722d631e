//! Stepwise expectation maximisation on a stream (Cappé and Moulines 2009, Liang and Klein 2009).

use super::parameters::Parameters;
use super::statistics::Statistics;
use super::{
    Covariance, CovarianceError, Gmm, MAX_COMPONENTS, MAX_DIMENSIONS, maximisation_operations,
    responsibility_operations,
};
use crate::linalg::triangle_len;
use crate::num::{exp2, log2};
use crate::work::{DIVISION, WIDE};
use crate::{Defect, Operand, Setting, ShapeError};

/// Components with a share of the stream below 2^-16 keep mean and covariance.
const LEAST_MASS: u64 = 1 << 15;

/// How far a row moves the statistics: `eta_t = max((t + 2)^-exponent, least)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    exponent: u32,
    least: u32,
}

impl Rate {
    /// `exponent` in `U16F16`, more than 1/2 and at most 1 for convergence; `least` in `U0F16` keeps the
    /// learner following a stream that changes, with a memory of `1 / least` rows; 0 is none.
    ///
    /// # Errors
    /// [`Defect::Setting`] when the exponent is above 1.
    pub const fn new(exponent: u32, least: u16) -> Result<Self, Defect> {
        match Defect::ranges(&[(Setting::Exponent, exponent, 0, 1 << 16)]) {
            Ok(()) => Ok(Self {
                exponent,
                least: least as u32,
            }),
            Err(defect) => Err(defect),
        }
    }

    /// The rate of row `t` (`U0F16` and one more bit, at most 1).
    #[must_use]
    pub fn at(self, t: u32) -> u32 {
        // t + 2 as U16F16 is its 2^16th part.
        let log = i64::from(log2(t.saturating_add(2))) + (16 << 16);
        // At most 32 · 2^16 times 2^16.
        let power = (log * i64::from(self.exponent)) >> 16;
        exp2(-(power as i32)).max(self.least).min(1 << 16)
    }
}

/// A mixture that follows a stream.
///
/// Every row moves the running averages of the sufficient statistics, `s += eta (s_row - s)`, and the
/// components take turns at the M step, one a row.
#[derive(Debug)]
pub struct StepwiseEm<'m> {
    parameters: Parameters<'m>,
    statistics: Statistics<'m>,
    rate: Rate,
    floor: i64,
    seen: u32,
    turn: usize,
}

impl<'m> StepwiseEm<'m> {
    /// Words of memory for `k` components of `dimensions` features.
    #[must_use]
    pub const fn words(covariance: Covariance, k: usize, dimensions: usize) -> usize {
        Parameters::words(covariance, k, dimensions) + Statistics::words(covariance, k, dimensions)
    }

    /// A learner in `memory` of [`words`](Self::words) words that starts from `model` as if it had seen
    /// `seen` rows; `floor` as in [`Parameters::set_covariance`].
    ///
    /// # Errors
    /// [`Defect::Memory`] when the memory has another length; [`Defect::Variance`] when a variance is 128 or more.
    pub fn from_model(
        memory: &'m mut [i64],
        model: &Gmm<'_>,
        seen: u32,
        rate: Rate,
        floor: i64,
    ) -> Result<Self, Defect> {
        let (covariance, k, d) = (model.covariance(), model.k(), model.dimensions());
        Defect::memory(Self::words(covariance, k, d), memory.len())?;
        let (parameters, statistics) = memory
            .split_at_mut_checked(Parameters::words(covariance, k, d))
            .ok_or(Defect::Shape)?;
        let mut parameters = Parameters::new(parameters, covariance, k, d)?;
        let mut statistics = Statistics::new(statistics, covariance, k, d)?;
        parameters.copy_from(model)?;
        let mut variances = [0; MAX_DIMENSIONS];
        for (index, weight) in model.tensors().weights.iter().enumerate() {
            let diagonal = covariance == Covariance::Diagonal;
            let elements = if diagonal {
                variances.get_mut(..d).unwrap_or_default()
            } else {
                parameters.scratch().0
            };
            model
                .covariance_into(index, elements)
                .map_err(|error| match error {
                    CovarianceError::Variance { feature } => Defect::Variance {
                        component: index as u16,
                        feature,
                    },
                    CovarianceError::Shape(_) => Defect::Shape,
                })?;
            let mean = model.mean(index).unwrap_or(&[]);
            statistics.expect(index, *weight, mean, |row, column| {
                let at = if diagonal {
                    row
                } else {
                    triangle_len(row) + column
                };
                elements.get(at).copied().unwrap_or(0)
            });
        }
        Ok(Self {
            parameters,
            statistics,
            rate,
            floor,
            seen,
            turn: 0,
        })
    }

    /// The most that a [`step`](Self::step) takes, in [operations](crate::work).
    #[must_use]
    pub const fn step_operations(covariance: Covariance, k: usize, dimensions: usize) -> u64 {
        let (wide, t) = (
            k as u64,
            match covariance {
                Covariance::Diagonal => dimensions,
                Covariance::Tied | Covariance::Full => triangle_len(dimensions),
            } as u64,
        );
        let moved = match covariance {
            Covariance::Tied => 1,
            Covariance::Diagonal | Covariance::Full => wide,
        };
        responsibility_operations(covariance, k, dimensions)
            + (wide * (1 + dimensions as u64) + moved * t) * 2 * WIDE
            + maximisation_operations(covariance, k, dimensions)
            + 2 * (wide + 1) * DIVISION
    }

    /// Learns from one row; returns its log-likelihood (`I16F16`) under the model before.
    ///
    /// Work, at most [`step_operations`](Self::step_operations): [`Gmm::responsibilities_into`]; `k (1 + d + t)` updates of averages, `t = d` with diagonal
    /// covariances and `d (d + 1) / 2` otherwise; the M step of one component
    /// ([`Parameters::set_covariance`]); `k` divisions for the weights. Tied covariances take their turn
    /// after the last component: `k d (d + 1) / 2` multiplications more.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long.
    pub fn step(&mut self, features: &[i16]) -> Result<i32, ShapeError> {
        let k = self.parameters.k();
        let mut shares = [0; MAX_COMPONENTS];
        let shares = shares.get_mut(..k).unwrap_or_default();
        let model = self.model().map_err(|_| ShapeError {
            operand: Operand::Weights,
            needed: 0,
            given: 0,
        })?;
        let log_likelihood = model.responsibilities_into(features, shares)?;
        self.statistics
            .blend(features, shares, self.rate.at(self.seen));
        self.seen = self.seen.saturating_add(1);
        if self.turn < k {
            self.statistics
                .maximise(&mut self.parameters, self.turn, LEAST_MASS, self.floor);
        } else {
            self.statistics
                .maximise_shared(&mut self.parameters, self.floor);
        }
        let turns = match self.parameters.covariance() {
            Covariance::Tied => k + 1,
            Covariance::Diagonal | Covariance::Full => k,
        };
        self.turn = if self.turn + 1 < turns {
            self.turn + 1
        } else {
            0
        };
        let statistics = &self.statistics;
        self.parameters
            .set_weights_from(|index| statistics.mass(index));
        Ok(log_likelihood)
    }

    /// Number of rows learnt from, those before the start included.
    #[must_use]
    pub const fn seen(&self) -> u32 {
        self.seen
    }

    /// The mixture as it is now.
    ///
    /// # Errors
    /// None can occur, as in [`Parameters::model`].
    pub fn model(&self) -> Result<Gmm<'_>, Defect> {
        self.parameters.model()
    }
}
