//! The covariance of many rows, a block at a time.

use anyhow::{Result, anyhow};
use faer::{Accum, Mat, MatRef, Par, Scale, Side, linalg::matmul::matmul};

use super::Directions;
use crate::{
    data::Table,
    train::{
        device::TrainingDevice,
        tensors::{download, upload},
    },
};

/// Mean and scatter matrix (sum of outer products of centred rows) of the rows so far, in f64.
pub(super) struct Scatter {
    pub(super) rows: f64,
    pub(super) mean: Vec<f64>,
    products: Mat<f64>,
}

impl Scatter {
    pub(super) fn new(d: usize) -> Self {
        Self {
            rows: 0.0,
            mean: vec![0.0; d],
            products: Mat::zeros(d, d),
        }
    }

    /// Adds the rows of a chunk, centred by their own mean; then the scatter between the two means,
    /// `delta delta^T m n / (m + n)`, with `delta` their difference (Chan, Golub and LeVeque's pairwise
    /// update, for a matrix).
    pub(super) fn add(&mut self, chunk: &Table, device: &TrainingDevice) -> Result<()> {
        let d = self.mean.len();
        let mean = crate::train::means(chunk);
        let centred = chunk
            .iter_rows()
            .flat_map(|row| row.iter().zip(&mean))
            .map(|(&value, mean)| f64::from(value) - mean);
        if device.is_cpu() {
            let centred: Vec<f64> = centred.collect();
            let centred = MatRef::from_row_major_slice(&centred, chunk.rows(), d);
            // One thread: the same sums in the same order on any number of cores.
            matmul(
                self.products.as_mut(),
                Accum::Add,
                centred.transpose(),
                centred,
                1.0,
                Par::Seq,
            );
        } else {
            let centred = centred.map(|value| value as f32).collect();
            let centred = upload(centred, d, &device.device);
            let products = download(centred.clone().transpose().matmul(centred))?;
            for (i, row) in products.chunks_exact(d).enumerate() {
                for (j, product) in row.iter().enumerate() {
                    self.products[(i, j)] += f64::from(*product);
                }
            }
        }
        let (m, n) = (self.rows, chunk.rows() as f64);
        let delta: Vec<f64> = mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        for (i, di) in delta.iter().enumerate() {
            for (j, dj) in delta.iter().enumerate() {
                self.products[(i, j)] += di * dj * (m * n / (m + n));
            }
        }
        for (mean, delta) in self.mean.iter_mut().zip(&delta) {
            *mean += delta * (n / (m + n));
        }
        self.rows += n;
        Ok(())
    }

    /// The `k` directions of largest variance.
    pub(super) fn directions(self, k: usize) -> Result<Directions> {
        let d = self.mean.len();
        let covariance = self.products * Scale(1.0 / (self.rows - 1.0));
        let total_variance = (0..d).map(|at| covariance[(at, at)]).sum();
        let eigen = covariance
            .self_adjoint_eigen(Side::Lower)
            .map_err(|error| {
                anyhow!("the eigenvalues of the covariance were not found: {error:?}")
            })?;
        // faer sorts by rising eigenvalue.
        let by_falling_variance = (0..d).rev().take(k);
        Ok(Directions {
            total_variance,
            of_largest_variance: by_falling_variance
                .map(|at| (eigen.S()[at], eigen.U().col(at).iter().copied().collect()))
                .collect(),
        })
    }
}
