//! What training yields: plain parameters, ready to be quantised.

pub(crate) mod gmm;
pub(crate) mod graph;
mod rbm;
pub(crate) mod score;

use std::fmt;

use clap::ValueEnum;

pub use gmm::{CovarianceKind, Covariances, GmmDensity, GmmModel};
pub use graph::{Conditioning, GraphKind, GraphNet, GraphOp};
pub use rbm::{DbnParameters, RbmParameters, VisibleUnits};
pub use score::{Factors, NoiseLevels, ScoreModel, sample_generator};

/// What k-means minimises, summed over the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// Squared Euclidean distance; centroids are means.
    #[default]
    #[value(name = "euclidean", alias = "l2")]
    L2,
    /// Sum of absolute differences; centroids are medians.
    #[value(name = "manhattan", alias = "l1")]
    L1,
    /// One less the cosine of the angle; centroids are of length one.
    Cosine,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L2 => "euclidean",
            Self::L1 => "manhattan",
            Self::Cosine => "cosine",
        })
    }
}

/// The centroids of k-means, in the units of the rows that were fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansModel {
    /// What was minimised.
    pub metric: Metric,
    /// `k` rows of `d` values.
    pub centroids: Vec<f32>,
    /// Number of centroids.
    pub k: usize,
    /// Number of columns.
    pub d: usize,
    /// Sum over all rows of what the metric measures to the nearest centroid; NaN if unknown (imported).
    pub inertia: f64,
    /// Rounds of Lloyd's algorithm that the best restart took, or passes in mini-batches.
    pub rounds: usize,
}

/// Principal components: the mean and the directions of largest variance.
#[derive(Clone, Debug, PartialEq)]
pub struct PcaModel {
    /// Mean of each of the `d` columns.
    pub mean: Vec<f32>,
    /// `k` orthonormal rows of `d` values, by falling variance; in each the value of largest magnitude is
    /// positive.
    pub components: Vec<f32>,
    /// Variance along each component (divided by rows - 1).
    pub explained_variance: Vec<f64>,
    /// Variance of all columns together; of imported components whose shares are unknown, of those alone.
    pub total_variance: f64,
    /// Number of components.
    pub k: usize,
    /// Number of columns.
    pub d: usize,
}

impl PcaModel {
    /// The share of the total variance that each component explains.
    #[must_use]
    pub fn explained_ratio(&self) -> Vec<f64> {
        self.explained_variance
            .iter()
            .map(|variance| variance / self.total_variance)
            .collect()
    }
}

/// Turns a direction so that its loading of largest magnitude is positive.
pub(super) fn fix_sign(direction: &mut [f64]) {
    let largest = direction
        .iter()
        .copied()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        .unwrap_or(1.0);
    let sign = largest.signum();
    direction.iter_mut().for_each(|value| *value *= sign);
}

/// A network of dense layers, first to last.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseStack {
    /// At least one layer; each takes as many values as the one before it gives.
    pub layers: Vec<DenseLayer>,
}

/// `activation(weights * x + bias)`.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseLayer {
    /// `outputs` rows of `inputs` values.
    pub weights: Vec<f32>,
    /// `outputs` values.
    pub bias: Vec<f32>,
    /// Values taken.
    pub inputs: usize,
    /// Values given.
    pub outputs: usize,
    /// What is applied to each output.
    pub activation: Activation,
}

impl DenseStack {
    /// Values that the first layer takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Values that the last layer gives.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// Multiply-accumulates of one forward pass.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| layer.inputs * layer.outputs)
            .sum()
    }
}

/// The function behind a dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x`.
    Identity,
    /// Exponential linear unit: `x` where it is positive, `exp(x) - 1` elsewhere. Graphs only.
    Elu,
    /// Sigmoid linear unit: `x / (1 + exp(-x))`. Graphs only.
    Silu,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Identity => "identity",
            Self::Elu => "elu",
            Self::Silu => "silu",
        })
    }
}
