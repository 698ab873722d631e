//! Projection onto principal components, and what it leaves over.

use crate::train::model::PcaModel;

/// The f64 view of fitted principal components.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    mean: Vec<f64>,
    components: Vec<Vec<f64>>,
}

impl From<&PcaModel> for Projection {
    fn from(model: &PcaModel) -> Self {
        let widen = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        Self {
            mean: widen(&model.mean),
            components: model.components.chunks_exact(model.d).map(widen).collect(),
        }
    }
}

impl Projection {
    /// The scores of a row: `t_i = sum_j w_ij (x_j - mean_j)`.
    #[must_use]
    pub fn project(&self, row: &[f64]) -> Vec<f64> {
        self.components
            .iter()
            .map(|component| {
                row.iter()
                    .zip(&self.mean)
                    .zip(component)
                    .map(|((x, mean), w)| w * (x - mean))
                    .sum()
            })
            .collect()
    }

    /// The row that scores stand for: `mean_j + sum_i t_i w_ij`.
    #[must_use]
    pub fn reconstruct(&self, scores: &[f64]) -> Vec<f64> {
        let mut row = self.mean.clone();
        for (score, component) in scores.iter().zip(&self.components) {
            for (x, w) in row.iter_mut().zip(component) {
                *x += score * w;
            }
        }
        row
    }

    /// The squared distance between a row and its reconstruction.
    #[must_use]
    pub fn residual(&self, row: &[f64]) -> f64 {
        self.reconstruct(&self.project(row))
            .iter()
            .zip(row)
            .map(|(y, x)| (x - y) * (x - y))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_splits_into_its_reconstruction_and_the_residual() {
        let model = PcaModel {
            mean: vec![1.0, 2.0, 3.0],
            components: vec![0.6, 0.8, 0.0],
            explained_variance: vec![1.0],
            total_variance: 1.0,
            k: 1,
            d: 3,
        };
        let projection = Projection::from(&model);
        // 10 along the component, 2 across it.
        let row = [1.0 + 6.0, 2.0 + 8.0, 3.0 + 2.0];
        assert!((projection.project(&row)[0] - 10.0).abs() < 1e-6);
        assert!((projection.residual(&row) - 4.0).abs() < 1e-5);
    }
}
