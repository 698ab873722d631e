//! Gaussian mixtures by expectation maximisation.
//!
//! Each restart begins with k-means: its clusters give the first weights, means and covariances. Then the
//! E step takes every row's responsibilities `r_nk`, the posterior probabilities of the components, and the
//! M step the weighted moments
//!
//! `w_k = N_k / n`, `mu_k = sum_n r_nk x_n / N_k`,
//! `Sigma_k = sum_n r_nk (x_n - mu_k)(x_n - mu_k)^T / N_k + floor I`, with `N_k = sum_n r_nk`
//!
//! (A. Dempster, N. Laird and D. Rubin, *Maximum likelihood from incomplete data via the EM algorithm*,
//! 1977), for tied covariances the mean of the `Sigma_k` weighted by `w_k`, for diagonal ones its diagonal.
//! The loop is [`autodidact::em`], the same as on the device.
//!
//! **Precision.** Both steps are in f64 on the CPU, on rows less their mean; moments are taken about the
//! means of the round before, which costs no digits. Blocks of rows go through matrix products.
//! Only the k-means of the start runs on the training device.
//!
//! **Floor.** `floor` is a variance, in the squared units of the features, that is added to every variance
//! in every M step. It keeps components from collapsing onto single rows, where the likelihood has no
//! bound. A floor of 0 is plain EM, whose likelihood never falls; with a floor a step no longer maximises
//! exactly, and where a variance is not much larger than it the likelihood may fall a little.
//!
//! **Lost components.** A component that is left with less than a thousandth of a row starts again at the
//! row of lowest density (the second such at the second lowest, and so on), with the covariance of all rows
//! and the weight of one row. This is the one step that may lower the likelihood.

mod expectation;

use anyhow::{Context, Result, anyhow, ensure};
use autodidact::em;
use rand::Rng;

use self::expectation::Em;
use super::{
    Progress,
    device::TrainingDevice,
    kmeans::{self, KMeansOptions},
    model::{CovarianceKind, GmmModel},
    random::generator,
};
use crate::data::Table;
use crate::number::reading;

/// What to fit; [`GmmOptions::check`] makes it a [`GmmConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct GmmOptions {
    /// Number of components.
    pub k: usize,
    /// What covariances they may have.
    pub covariance: CovarianceKind,
    /// How often to start afresh; the restart of highest likelihood wins.
    pub restarts: usize,
    /// Rounds after which a restart ends though the likelihood still rises.
    pub rounds: u32,
    /// A restart has converged when a round gains less than this, in nats a row.
    pub tolerance: f64,
    /// Added to every variance, in squared units of the features.
    pub floor: f64,
    /// Fixes every random choice.
    pub seed: u64,
}

impl Default for GmmOptions {
    fn default() -> Self {
        Self {
            k: 8,
            covariance: CovarianceKind::Diagonal,
            restarts: 5,
            rounds: 300,
            tolerance: 1e-3,
            floor: 1e-4,
            seed: 0,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct GmmConfig(GmmOptions);

impl GmmOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// `k`, `restarts` or `rounds` is 0; `tolerance` or `floor` is no number from 0 to 100.
    pub fn check(self) -> Result<GmmConfig> {
        for (name, value) in [
            ("number of components", self.k),
            ("number of restarts", self.restarts),
            ("number of rounds", self.rounds as usize),
        ] {
            ensure!(value > 0, "the {name} is 0; give at least 1");
        }
        for (name, value) in [("tolerance", self.tolerance), ("floor", self.floor)] {
            ensure!(
                (0.0..=MOST_FLOOR).contains(&value),
                "the {name} is {}; give a number from 0 to {MOST_FLOOR}",
                reading(value)
            );
        }
        Ok(GmmConfig(self))
    }
}

/// The largest variance added, and change: a device takes variances of up to 127, and features end at 8.
const MOST_FLOOR: f64 = 100.0;

impl GmmConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &GmmOptions {
        &self.0
    }
}

/// Fits a mixture to the rows of a table; `progress` is called after each restart.
///
/// # Errors
///
/// Fewer (distinct) rows than components; a covariance that became singular, which a floor prevents; the
/// training device fails.
pub fn fit(
    config: &GmmConfig,
    data: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<GmmModel> {
    let options = config.options();
    let (rows, d) = (data.rows(), data.width());
    kmeans::check_distinct(data, options.k, "components")?;
    let offset = super::means(data);
    let centred: Vec<f64> = data
        .iter_rows()
        .flat_map(|row| row.iter().zip(&offset))
        .map(|(&value, offset)| f64::from(value) - offset)
        .collect();
    let mut best: Option<GmmModel> = None;
    for restart in 0..options.restarts {
        let start = KMeansOptions {
            k: options.k,
            restarts: 1,
            seed: generator(options.seed, restart as u64).next_u64(),
            ..KMeansOptions::default()
        };
        let clusters = kmeans::fit(&start.check()?, data, device, &mut |_| {})?;
        let centroids: Vec<f64> = clusters
            .centroids
            .chunks_exact(d)
            .flat_map(|centroid| centroid.iter().zip(&offset))
            .map(|(&value, offset)| f64::from(value) - offset)
            .collect();
        let mut em = Em::new(options, &centred, &centroids)
            .map_err(|error| anyhow!("{}: {error}", data.source()))?;
        let converged = em::gain_below(options.tolerance * rows as f64);
        let fitted = em::fit(&mut em, &centred[..], options.rounds, converged)
            .map_err(|error| anyhow!("{}: {error}", data.source()))?;
        let log_likelihood = fitted.log_likelihood / rows as f64;
        if best
            .as_ref()
            .is_none_or(|best| log_likelihood > best.log_likelihood)
        {
            let mut model = em.into_model();
            model.log_likelihood = log_likelihood;
            model.rounds = fitted.rounds as usize;
            best = Some(model);
        }
        progress(Progress {
            step: restart + 1,
            steps: options.restarts,
            loss: best.as_ref().map_or(f64::NAN, |best| -best.log_likelihood),
        });
    }
    let mut best = best.context("no mixture was fitted; give at least 1 restart")?;
    for mean in best.means.chunks_exact_mut(d) {
        for (value, offset) in mean.iter_mut().zip(&offset) {
            *value += offset;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests;
