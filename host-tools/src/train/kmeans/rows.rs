//! The rows that are clustered, on the host and on the device.

use burn::tensor::{Device, Tensor};

use crate::{
    data::Table,
    train::{centre, tensors},
};

/// The rows with their common mean subtracted, on the host and on the device. Centring keeps
/// `|c|^2 - 2 x.c` from losing digits to a common offset.
pub(super) struct Rows {
    pub(super) centred: Vec<f32>,
    pub(super) mean: Vec<f64>,
    pub(super) blocks: Vec<Tensor<2>>,
    pub(super) device: Device,
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) source: String,
}

impl Rows {
    pub(super) fn new(data: &Table, device: &Device) -> Self {
        let (centred, mean) = centre(data);
        Self {
            blocks: tensors::upload_blocks(&centred, data.width(), device),
            centred,
            mean,
            device: device.clone(),
            count: data.rows(),
            width: data.width(),
            source: data.source().to_owned(),
        }
    }

    /// One centred row.
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.centred[index * self.width..][..self.width]
    }
}

/// `sum_j (a_j - b_j)^2` in f64.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum()
}

/// The index of the largest distance.
pub(super) fn furthest(distances: &[f64]) -> usize {
    distances
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(index, _)| index)
}
