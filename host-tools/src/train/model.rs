//! What training yields: plain f32 parameters, ready to be quantised.

use std::{fmt, str::FromStr};

use anyhow::{Result, bail};

/// The centroids of k-means, in the units of the rows that were fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansModel {
    /// `k` rows of `d` values.
    pub centroids: Vec<f32>,
    /// Number of centroids.
    pub k: usize,
    /// Number of columns.
    pub d: usize,
    /// Sum over all rows of the squared distance to the nearest centroid.
    pub inertia: f64,
    /// Rounds of Lloyd's algorithm that the best restart took.
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
    /// Variance of all columns together.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x`.
    Identity,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Identity => "identity",
        })
    }
}

impl FromStr for Activation {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "relu" => Self::Relu,
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "identity" => Self::Identity,
            _ => bail!("`{name}` is no activation; choose relu, sigmoid, tanh or identity"),
        })
    }
}
