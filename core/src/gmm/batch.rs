//! Expectation maximisation over rows in memory (Dempster, Laird and Rubin 1977), in integers.

use super::parameters::{COVARIANCE_ONE, GREATEST_FLOOR, Parameters};
use super::statistics::{MAX_ROWS, Statistics};
use super::{
    Covariance, Gmm, MAX_COMPONENTS, MAX_DIMENSIONS, ONE, maximisation_operations,
    responsibility_operations,
};
use crate::em::ExpectationMaximization;
use crate::kernels::squared_distance;
use crate::linalg::triangle_len;
use crate::work::{DIVISION, WIDE};
use crate::{Defect, Operand, ShapeError};

/// Components with less than this share of a row (2^-8) keep mean and covariance in an M step.
const LEAST_MASS: u64 = 1 << 8;

/// A mixture that is being fitted to rows in memory.
///
/// The log-likelihood never falls by more than rounding (see the tests for the tolerance), with three
/// exceptions: with tied and full covariances a round in which a pivot was raised to the floor, and a round
/// after which a component's factor left its format; and after a start with variances below the floor
/// ([`start_from_model`](Self::start_from_model), [`parameters_mut`](Self::parameters_mut)) the rounds in which they
/// are raised to it. A component that no row belongs to keeps its mean and
/// covariance and the least weight, 2^-30; that costs no likelihood.
///
/// Memory for 4 components of 8 features: 736 bytes with diagonal covariances, 1,656 tied, 2,496 full.
///
/// ```
/// use autodidact::em::{fit, gain_below};
/// use autodidact::gmm::{Covariance, batch::BatchEm};
/// const WORDS: usize = BatchEm::words(Covariance::Diagonal, 2, 1);
/// let rows = [-4200, -4096, -4000, 8100, 8192, 8300];
/// let mut memory = [0; WORDS];
/// let mut em = BatchEm::new(&mut memory, Covariance::Diagonal, 2, 1, 1 << 40)?;
/// em.start_from_centroids(&rows, &[0, 4096])?;
/// fit(&mut em, &rows[..], 20, gain_below(6))?;
/// let model = em.model()?;
/// assert_eq!((model.mean(0), model.mean(1)), (Some(&[-4099][..]), Some(&[8197][..])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BatchEm<'m> {
    parameters: Parameters<'m>,
    statistics: Statistics<'m>,
    rows: usize,
    floor: i64,
    /// Component of the next [`update_step`](Self::update_step).
    turn: usize,
}

impl<'m> BatchEm<'m> {
    /// Words of memory for `k` components of `dimensions` features.
    #[must_use]
    pub const fn words(covariance: Covariance, k: usize, dimensions: usize) -> usize {
        Parameters::words(covariance, k, dimensions) + Statistics::words(covariance, k, dimensions)
    }

    /// A learner in `memory` of [`words`](Self::words) words: k equal components of mean 0, variances 1 or `floor`
    /// where that is more. Variances have `floor` (`I8F56`) at least, see [`Parameters::set_covariance`].
    ///
    /// # Errors
    /// [`Defect::Shape`] when a dimension is out of range, [`Defect::Memory`] when the memory has another length.
    pub fn new(
        memory: &'m mut [i64],
        covariance: Covariance,
        k: usize,
        dimensions: usize,
        floor: i64,
    ) -> Result<Self, Defect> {
        if !(1..=MAX_COMPONENTS).contains(&k) || !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(Defect::Shape);
        }
        Defect::memory(Self::words(covariance, k, dimensions), memory.len())?;
        let at = Parameters::words(covariance, k, dimensions);
        let (parameters, statistics) = memory.split_at_mut_checked(at).ok_or(Defect::Shape)?;
        let mut parameters = Parameters::new(parameters, covariance, k, dimensions)?;
        if floor > COVARIANCE_ONE {
            // A component that never gets rows keeps its variances: they obey the floor as well.
            parameters.set_variances(floor.min(GREATEST_FLOOR));
        }
        Ok(Self {
            parameters,
            statistics: Statistics::new(statistics, covariance, k, dimensions)?,
            rows: 0,
            floor,
            turn: 0,
        })
    }

    /// Continues from a model of the same shape.
    ///
    /// # Errors
    /// [`Defect::Differs`] when it has another kind of covariance, [`Defect::Shape`] when it has another shape.
    pub fn start_from_model(&mut self, model: &Gmm<'_>) -> Result<(), Defect> {
        self.parameters.copy_from(model)
    }

    /// Starts from a clustering: every row belongs to its nearest centroid, then one M step.
    ///
    /// # Errors
    /// [`ShapeError`] when `rows` is empty, not whole rows or more than [`MAX_ROWS`] of them, or there are
    /// not k centroids.
    pub fn start_from_centroids(
        &mut self,
        rows: &[i16],
        centroids: &[i16],
    ) -> Result<(), ShapeError> {
        let d = self.parameters.dimensions().max(1);
        self.check(rows)?;
        ShapeError::exact(Operand::Weights, self.parameters.k() * d, centroids.len())?;
        self.clear();
        for row in rows.chunks_exact(d) {
            self.accumulate_nearest(row, centroids)?;
        }
        self.set_means(centroids)?;
        self.update();
        Ok(())
    }

    /// Adds one row to the statistics of its nearest centroid: [`start_from_centroids`](Self::start_from_centroids) in
    /// slices.
    ///
    /// Begin with [`clear`](Self::clear), end with [`set_means`](Self::set_means) and [`update`](Self::update) (or
    /// [`update_step`](Self::update_step)). Work: `k · d` and as for a row of one component.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not `d` long, there are not k centroids, or after [`MAX_ROWS`] rows.
    pub fn accumulate_nearest(&mut self, row: &[i16], centroids: &[i16]) -> Result<(), ShapeError> {
        let d = self.parameters.dimensions().max(1);
        let k = self.parameters.k();
        ShapeError::exact(Operand::Input, d, row.len())?;
        ShapeError::exact(Operand::Weights, k * d, centroids.len())?;
        ShapeError::at_least(Operand::Input, self.rows + 1, MAX_ROWS)?;
        let (mut best, mut at) = (u64::MAX, 0);
        for (index, centroid) in centroids.chunks_exact(d).enumerate() {
            let distance = squared_distance(row, centroid)?;
            if distance < best {
                (best, at) = (distance, index);
            }
        }
        let mut shares = [0; MAX_COMPONENTS];
        let shares = shares.get_mut(..k).unwrap_or_default();
        if let Some(share) = shares.get_mut(at) {
            *share = ONE;
        }
        self.statistics.add(row, shares);
        self.rows += 1;
        Ok(())
    }

    /// Puts every mean on a centroid: one without rows still is a place to look at.
    ///
    /// # Errors
    /// [`ShapeError`] when there are not k centroids.
    pub fn set_means(&mut self, centroids: &[i16]) -> Result<(), ShapeError> {
        let d = self.parameters.dimensions().max(1);
        ShapeError::exact(Operand::Weights, self.parameters.k() * d, centroids.len())?;
        for (index, centroid) in centroids.chunks_exact(d).enumerate() {
            self.parameters.set_mean(index, centroid)?;
        }
        Ok(())
    }

    /// Whole rows, one at least, no more than the sums hold.
    fn check(&self, rows: &[i16]) -> Result<(), ShapeError> {
        let d = self.parameters.dimensions().max(1);
        ShapeError::at_least(Operand::Input, d, rows.len())?;
        ShapeError::at_least(Operand::Input, rows.len(), MAX_ROWS * d)?;
        ShapeError::exact(Operand::Input, rows.len() - rows.len() % d, rows.len())
    }

    /// Forgets the rows seen since the last M step.
    pub fn clear(&mut self) {
        self.statistics.clear();
        self.rows = 0;
        self.turn = 0;
    }

    /// The most that [`accumulate`](Self::accumulate) takes, in [operations](crate::work).
    #[must_use]
    pub const fn accumulate_operations(covariance: Covariance, k: usize, dimensions: usize) -> u64 {
        let t = match covariance {
            Covariance::Diagonal => dimensions,
            Covariance::Tied | Covariance::Full => triangle_len(dimensions),
        };
        responsibility_operations(covariance, k, dimensions)
            + (k * (1 + dimensions + t)) as u64 * WIDE
    }

    /// The most that [`update`](Self::update) takes, in [operations](crate::work): k M steps and the weights.
    #[must_use]
    pub const fn update_operations(covariance: Covariance, k: usize, dimensions: usize) -> u64 {
        let steps = match covariance {
            Covariance::Tied => 1,
            Covariance::Diagonal | Covariance::Full => k,
        } as u64;
        steps * maximisation_operations(covariance, k, dimensions)
            + (k * (dimensions + 2)) as u64 * DIVISION
    }

    /// E step of one row: an E step in slices. Returns the row's log-likelihood (`I16F16`).
    ///
    /// Begin with [`clear`](Self::clear), end with [`update`](Self::update). Work: that of
    /// [`Gmm::responsibilities_into`] and as many multiply-accumulates again, 64 bits wide.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long, or after [`MAX_ROWS`] rows.
    pub fn accumulate(&mut self, features: &[i16]) -> Result<i32, ShapeError> {
        ShapeError::at_least(Operand::Input, self.rows + 1, MAX_ROWS)?;
        let mut shares = [0; MAX_COMPONENTS];
        let shares = shares.get_mut(..self.parameters.k()).unwrap_or_default();
        let model = self.model().map_err(|_| ShapeError {
            operand: Operand::Weights,
            needed: 0,
            given: 0,
        })?;
        let log_likelihood = model.responsibilities_into(features, shares)?;
        self.statistics.add(features, shares);
        self.rows += 1;
        Ok(log_likelihood)
    }

    /// M step from the rows accumulated; what is left of one that [`update_step`](Self::update_step) has begun.
    pub fn update(&mut self) {
        while !self.update_step() {}
    }

    /// One component of the M step, in the last of `k + 1` steps the shared covariance and the weights; whether it was
    /// the last. Begun anew by [`clear`](Self::clear).
    pub fn update_step(&mut self) -> bool {
        let index = self.turn;
        if index < self.parameters.k() {
            self.turn += 1;
            self.statistics
                .maximise(&mut self.parameters, index, LEAST_MASS, self.floor);
            return false;
        }
        self.turn = 0;
        self.statistics
            .maximise_shared(&mut self.parameters, self.floor);
        let statistics = &self.statistics;
        self.parameters
            .set_weights_from(|index| statistics.mass(index));
        true
    }

    /// The most that an [`update_step`](Self::update_step) takes, in [operations](crate::work).
    #[must_use]
    pub const fn update_step_operations(
        covariance: Covariance,
        k: usize,
        dimensions: usize,
    ) -> u64 {
        maximisation_operations(covariance, k, dimensions) + 2 * (k + 1) as u64 * DIVISION
    }

    /// The mixture as it is now.
    ///
    /// # Errors
    /// None can occur, as in [`Parameters::model`].
    pub fn model(&self) -> Result<Gmm<'_>, Defect> {
        self.parameters.model()
    }

    /// The parameters, to set a start by hand.
    pub const fn parameters_mut(&mut self) -> &mut Parameters<'m> {
        &mut self.parameters
    }
}

impl ExpectationMaximization for BatchEm<'_> {
    type Data = [i16];
    /// Sum over the rows, `I47F16` nats.
    type LogLikelihood = i64;
    type Error = ShapeError;

    fn expectation(&mut self, rows: &[i16]) -> Result<i64, ShapeError> {
        self.check(rows)?;
        self.clear();
        let mut total = 0i64;
        for row in rows.chunks_exact(self.parameters.dimensions().max(1)) {
            // 2^16 rows of 31 bits.
            total += i64::from(self.accumulate(row)?);
        }
        Ok(total)
    }

    fn maximization(&mut self) -> Result<(), ShapeError> {
        self.update();
        Ok(())
    }
}
