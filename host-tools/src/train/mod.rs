//! Training on the host: k-means, principal components, Gaussian mixtures, autoencoders and denoisers,
//! Boltzmann machines.
//!
//! A trainer takes options that were checked once ([`kmeans::KMeansOptions::check`] and its like), a
//! [`Table`](crate::data::Table) and a [`device::TrainingDevice`], and returns plain numbers
//! ([`model`]): no tensor leaves this module. Initial weights, noise and the order of the rows come from
//! [`random`] on the host, so a seed means the same numbers on every device; on the CPU it fixes the
//! result to the last bit.
//!
//! [`import`] takes what scikit-learn has trained. Without the cargo feature `train` only that,
//! [`latent_class`], [`model`] and [`random`] remain.

pub mod corruption;
pub mod latent_class;
pub mod model;
pub mod random;

#[cfg(feature = "train")]
pub mod autoencoder;
#[cfg(feature = "train")]
mod checkpoint;
#[cfg(feature = "train")]
pub mod classifier;
#[cfg(feature = "train")]
pub mod dae;
#[cfg(feature = "train")]
pub mod dbn;
#[cfg(feature = "train")]
pub mod deep_autoencoder;
#[cfg(feature = "train")]
mod dense_net;
#[cfg(feature = "train")]
pub mod device;
mod distinct;
#[cfg(feature = "train")]
mod epochs;
#[cfg(feature = "train")]
pub mod gan;
#[cfg(feature = "train")]
pub mod gmm;
#[cfg(feature = "train")]
mod graph_net;
pub mod import;
#[cfg(feature = "train")]
pub mod kmeans;
#[cfg(feature = "train")]
mod limits;

#[cfg(feature = "train")]
pub mod pca;
#[cfg(feature = "train")]
pub mod prior;
#[cfg(feature = "train")]
pub mod rbm;
#[cfg(feature = "train")]
pub mod residual;
#[cfg(feature = "train")]
pub mod score;
#[cfg(feature = "train")]
pub mod score_matching;
#[cfg(feature = "train")]
pub mod stacked;
#[cfg(feature = "train")]
pub mod straight_through;
#[cfg(feature = "train")]
mod tensors;

/// How far a training run has come; given to the caller's callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Finished restarts or epochs.
    pub step: usize,
    /// Restarts or epochs in all.
    pub steps: usize,
    /// What is minimised: for k-means the lowest mean cost so far of a row under its centroid, for
    /// mixtures the negated log-likelihood of a row (best restart so far), for networks the mean squared error of the epoch, each batch taken just before its step.
    pub loss: f64,
}

/// The mean of each column, in f64.
#[cfg(feature = "train")]
fn means(data: &crate::data::Table) -> Vec<f64> {
    means_of_rows(data.values(), data.width())
}

/// The mean of each of `width` columns, in f64.
#[cfg(feature = "train")]
fn means_of_rows(values: &[f32], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    let rows = values.chunks_exact(width);
    let count = rows.len() as f64;
    for row in rows {
        for (sum, &value) in mean.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}
