//! The rows that are clustered, on the host and on the device.

use burn::tensor::{Device, Tensor};

use super::metric::normalise;
use crate::{
    data::Table,
    train::{model::Metric, tensors},
};

/// Where the metric wants the origin: for L2 at the mean of the rows, which keeps `|c|^2 - 2 x.c` from
/// losing digits to a common offset; for the others where it is.
pub(super) fn offset(metric: Metric, data: &Table) -> Vec<f64> {
    match metric {
        Metric::L2 => crate::train::means(data),
        Metric::L1 | Metric::Cosine => vec![0.0; data.width()],
    }
}

/// Values in the form that is clustered: less the offset, for the cosine scaled to length one.
pub(super) fn prepare(metric: Metric, values: &[f32], offset: &[f64]) -> Vec<f32> {
    let mut rows: Vec<f32> = values
        .chunks_exact(offset.len())
        .flat_map(|row| row.iter().zip(offset))
        .map(|(&value, offset)| (f64::from(value) - offset) as f32)
        .collect();
    if metric == Metric::Cosine {
        rows.chunks_exact_mut(offset.len()).for_each(normalise);
    }
    rows
}

/// Prepared rows.
pub(super) struct Rows {
    pub(super) metric: Metric,
    pub(super) values: Vec<f32>,
    pub(super) offset: Vec<f64>,
    pub(super) blocks: Vec<Tensor<2>>,
    pub(super) device: Device,
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) source: String,
}

impl Rows {
    /// The rows of a table, whose offset is `offset`.
    pub(super) fn new(metric: Metric, data: &Table, offset: Vec<f64>, device: &Device) -> Self {
        let values = prepare(metric, data.values(), &offset);
        Self {
            metric,
            blocks: tensors::upload_blocks(&values, data.width(), device),
            values,
            offset,
            device: device.clone(),
            count: data.rows(),
            width: data.width(),
            source: data.source().to_owned(),
        }
    }

    /// One prepared row.
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// What each row adds to the inertia under its centroid.
    pub(super) fn costs<'a>(
        &'a self,
        assigned: &'a [usize],
        centroids: &'a [f32],
    ) -> impl Iterator<Item = f64> + 'a {
        self.values
            .chunks_exact(self.width)
            .zip(assigned)
            .map(|(row, &cluster)| {
                self.metric
                    .cost(row, &centroids[cluster * self.width..][..self.width])
            })
    }
}

/// The index of the largest distance.
pub(super) fn furthest(distances: &[f64]) -> usize {
    distances
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(index, _)| index)
}
