//! Training in f32 on the host: k-means, principal components, autoencoders and denoisers.
//!
//! A trainer takes options that were checked once ([`kmeans::KMeansOptions::check`] and its like), a
//! [`Table`](crate::data::Table) and a [`device::TrainingDevice`], and returns plain numbers
//! ([`model`]): no tensor leaves this module. Initial weights, noise and the order of the rows come from
//! [`random`] on the host, so a seed means the same numbers on every device; on the CPU it fixes the
//! result to the last bit.
//!
//! Without the cargo feature `train` only [`latent_class`], [`model`] and [`random`] remain.

pub mod latent_class;
pub mod model;
pub mod random;

#[cfg(feature = "train")]
pub mod dae;
#[cfg(feature = "train")]
mod dense_net;
#[cfg(feature = "train")]
pub mod device;
#[cfg(feature = "train")]
pub mod kmeans;
#[cfg(feature = "train")]
pub mod pca;
#[cfg(feature = "train")]
mod tensors;

/// How far a training run has come; given to the caller's callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Finished restarts or epochs.
    pub step: usize,
    /// Restarts or epochs in all.
    pub steps: usize,
    /// What is minimised: for k-means the lowest mean squared distance so far between a row and its
    /// centroid, for networks the mean squared error of the epoch, each batch taken just before its step.
    pub loss: f64,
}

/// The values of a table less their column's mean, and those means; in f64, rounded once.
#[cfg(feature = "train")]
fn centre(data: &crate::data::Table) -> (Vec<f32>, Vec<f64>) {
    let mut mean = vec![0.0; data.width()];
    for row in data.iter_rows() {
        for (sum, &value) in mean.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= data.rows() as f64);
    let centred = data
        .iter_rows()
        .flat_map(|row| row.iter().zip(&mean))
        .map(|(&value, mean)| (f64::from(value) - mean) as f32)
        .collect();
    (centred, mean)
}
