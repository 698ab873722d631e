//! Gaussian mixtures in integers: the device's own routine factorises the rounded covariances, so that host
//! and device make the same bits of the same model.

use anyhow::{Context, Result, ensure};
use autodidact::gmm::parameters::{COVARIANCE_ONE, LEAST_FLOOR, Parameters};
use autodidact::gmm::{Covariance, Gmm, MAX_COMPONENTS, MAX_DIMENSIONS, Tensors};

use super::features;
use crate::number::reading;
use crate::train::model::{CovarianceKind, GmmModel};

/// Masses that weights are rounded from: just below 2^32.
const MASS: f64 = 4e9;

/// A mixture in the device's integers, as [`Gmm::new`] takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantisedGmm {
    /// What the covariances look like.
    pub covariance: Covariance,
    /// Number of features.
    pub dimensions: usize,
    /// `I2F30`, k.
    pub weights: Vec<i32>,
    /// `I4F12`, k rows of d.
    pub means: Vec<i16>,
    /// Mantissas of the precision factors.
    pub factors: Vec<i16>,
    /// Right shifts of the factors' rows.
    pub shifts: Vec<u8>,
    /// What centring adds to the rows; empty for diagonal covariances.
    pub offsets: Vec<i64>,
    /// `I16F16`, base 2, k.
    pub constants: Vec<i32>,
}

impl QuantisedGmm {
    /// The device's own view.
    ///
    /// # Errors
    ///
    /// The arrays are no model; those of [`gmm`] always are.
    pub fn view(&self) -> Result<Gmm<'_>> {
        let tensors = Tensors {
            weights: &self.weights,
            means: &self.means,
            factors: &self.factors,
            shifts: &self.shifts,
            offsets: &self.offsets,
            constants: &self.constants,
        };
        Gmm::new(self.covariance, self.dimensions, tensors)
            .context("the quantised mixture is no valid model")
    }
}

impl From<Gmm<'_>> for QuantisedGmm {
    fn from(gmm: Gmm<'_>) -> Self {
        let tensors = gmm.tensors();
        Self {
            covariance: gmm.covariance(),
            dimensions: gmm.dimensions(),
            weights: tensors.weights.to_vec(),
            means: tensors.means.to_vec(),
            factors: tensors.factors.to_vec(),
            shifts: tensors.shifts.to_vec(),
            offsets: tensors.offsets.to_vec(),
            constants: tensors.constants.to_vec(),
        }
    }
}

/// Checks that the device takes a mixture of `k` components over `d` features, before one is fitted.
///
/// # Errors
///
/// More components or features than that.
pub fn check_gmm(k: usize, d: usize) -> Result<()> {
    ensure!(
        k <= MAX_COMPONENTS,
        "a mixture has at most {MAX_COMPONENTS} components on the device, not {k}; ask for fewer"
    );
    ensure!(
        d <= MAX_DIMENSIONS,
        "a mixture reads at most {MAX_DIMENSIONS} features on the device, not {d}; put principal components before it (`fit gmm --components 8`), or leave columns out"
    );
    Ok(())
}

/// The device's integers for a mixture of standardised features.
///
/// # Errors
///
/// More components or features than the device takes; a mean eight standard deviations away or further; a
/// variance of 128 or more.
pub fn gmm(model: &GmmModel) -> Result<QuantisedGmm> {
    check_gmm(model.k, model.d)?;
    let covariance = match model.kind() {
        CovarianceKind::Diagonal => Covariance::Diagonal,
        CovarianceKind::Tied => Covariance::Tied,
        CovarianceKind::Full => Covariance::Full,
    };
    let means: Vec<f32> = model.means.iter().map(|&mean| mean as f32).collect();
    let means = features(&means, model.d, "mean")?;
    let mut memory = vec![0; Parameters::words(covariance, model.k, model.d)];
    let mut parameters = Parameters::new(&mut memory, covariance, model.k, model.d)?;
    for (component, mean) in means.chunks_exact(model.d).enumerate() {
        parameters.set_mean(component, mean)?;
        let matrix = model.covariance(component);
        let largest = matrix.iter().fold(0.0, |max: f64, s| max.max(s.abs()));
        ensure!(
            largest < 127.0,
            "component {component} has a variance of {} in features, and the device takes less than 127; scale the data or use --scale standard",
            reading(largest)
        );
        // A float cast saturates.
        parameters.set_covariance(component, LEAST_FLOOR, |row, column| {
            (matrix[row * model.d + column] * COVARIANCE_ONE as f64) as i64
        })?;
    }
    let masses: Vec<u32> = model.weights.iter().map(|w| (w * MASS) as u32).collect();
    parameters.set_weights(&masses)?;
    Ok(parameters.model()?.into())
}
