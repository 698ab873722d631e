//! A denoiser as a prior whose gradient goes through the network.
//!
//! S. Bigdeli and M. Zwicker, *Image restoration using autoencoding priors*, 2017: images that a denoising
//! autoencoder leaves as they are are likely, so the prior is `|A(x) - x|^2 / 2` and its gradient
//! `(dA/dx - 1)^T (A(x) - x)`, which takes a backward pass through A.

use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor};

use super::{
    dense_net::DenseNet,
    device::TrainingDevice,
    graph_net::{Descent, GraphTrainer},
    model::{DenseStack, GraphNet},
    tensors,
};

/// Rows that go through the network at once.
const ROWS: usize = 256;

/// A trained denoiser on the training device.
pub struct AutoencodingPrior {
    net: Denoiser,
    width: usize,
    device: Device,
}

enum Denoiser {
    Stack(DenseNet),
    Graph(Box<GraphTrainer>),
}

impl AutoencodingPrior {
    /// The prior of a denoiser.
    ///
    /// # Errors
    ///
    /// A network that gives another number of values than it takes.
    pub fn new(denoiser: &DenseStack, device: &TrainingDevice) -> Result<Self> {
        let net = Denoiser::Stack(DenseNet::of(denoiser, &device.device));
        Self::of(net, [denoiser.inputs(), denoiser.outputs()], device)
    }

    /// The prior of a denoiser that is a graph.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and a graph whose operations do not fit.
    pub fn of_graph(denoiser: &GraphNet, device: &TrainingDevice) -> Result<Self> {
        let fixed = Descent {
            weight_decay: 0.0,
            average: 0.0,
        };
        let net = GraphTrainer::new(denoiser, fixed, device)?;
        let net = Denoiser::Graph(Box::new(net));
        Self::of(net, [denoiser.inputs(), denoiser.outputs()], device)
    }

    fn of(net: Denoiser, [inputs, outputs]: [usize; 2], device: &TrainingDevice) -> Result<Self> {
        ensure!(
            inputs == outputs,
            "a denoiser gives as many values as it takes, but this network takes {inputs} and gives {outputs}"
        );
        Ok(Self {
            net,
            width: inputs,
            device: device.device.clone().autodiff(),
        })
    }

    fn denoised(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.net {
            Denoiser::Stack(net) => net.forward(rows),
            Denoiser::Graph(net) => net.forward(rows, &[]),
        }
    }

    /// Calls `each` with blocks of rows on the device and joins what it gives.
    fn by_block(
        &self,
        noisy: &[f32],
        rows: &[f32],
        each: &dyn Fn(Tensor<2>, Tensor<2>) -> Result<Tensor<2>>,
    ) -> Result<Vec<f32>> {
        ensure!(
            noisy.len() == rows.len(),
            "{} values with noise for {} without",
            noisy.len(),
            rows.len()
        );
        let block = ROWS * self.width;
        let upload =
            |rows: &[f32]| tensors::upload(rows.to_vec(), self.width, &self.device).inner();
        let mut all = Vec::with_capacity(rows.len());
        for (noisy, rows) in noisy.chunks(block).zip(rows.chunks(block)) {
            all.extend(tensors::download(each(upload(noisy), upload(rows))?)?);
        }
        Ok(all)
    }

    /// What the mean-shift prior of the same denoiser follows: `x - A(x + z)`, row after row; `noisy` is `x + z`.
    ///
    /// # Errors
    ///
    /// Not as many values with noise as without; the training device fails.
    pub fn shift(&self, noisy: &[f32], rows: &[f32]) -> Result<Vec<f32>> {
        self.by_block(noisy, rows, &|noisy, rows| {
            Ok(rows - self.denoised(Tensor::from_inner(noisy)).inner())
        })
    }

    /// Gradients of `|A(x + z) - x|^2 / 2`, row after row; `noisy` is `x + z`.
    ///
    /// # Errors
    ///
    /// As [`shift`](Self::shift).
    pub fn gradient(&self, noisy: &[f32], rows: &[f32]) -> Result<Vec<f32>> {
        self.by_block(noisy, rows, &|noisy, rows| {
            let noise = Tensor::from_inner(noisy.clone() - rows);
            let noisy = Tensor::from_inner(noisy).require_grad();
            let cost = (self.denoised(noisy.clone()) - (noisy.clone() - noise))
                .square()
                .sum()
                .mul_scalar(0.5);
            noisy
                .grad(&cost.backward())
                .context("the training device gave no gradient")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
    use crate::train::gan::graph_of;
    use crate::train::model::Activation;
    use crate::train::random::{generator, normal};

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let device = TrainingDevice::cpu();
        let mut draws = generator(4, 0);
        let network = DenseNet::hidden_and_last(
            &[3, 6, 3],
            Activation::Tanh,
            Activation::Identity,
            0.0,
            &mut draws,
            &device.device,
        )
        .download()
        .unwrap();
        let rows: Vec<f32> = (0..6).map(|_| normal(&mut draws)).collect();
        let prior = AutoencodingPrior::new(&network, &device).unwrap();
        let noise: Vec<f32> = (0..6).map(|_| 0.5 * normal(&mut draws)).collect();
        let noisy: Vec<f32> = rows.iter().zip(&noise).map(|(x, z)| x + z).collect();
        let gradient = prior.gradient(&noisy, &rows).unwrap();
        // The same network as a graph, and what its mean shift is.
        let graph = AutoencodingPrior::of_graph(&graph_of(&network), &device).unwrap();
        for (a, b) in gradient.iter().zip(graph.gradient(&noisy, &rows).unwrap()) {
            assert!((a - b).abs() < 1e-5);
        }
        let shift = graph.shift(&noisy, &rows).unwrap();
        for ((row, noisy), shift) in rows.chunks(3).zip(noisy.chunks(3)).zip(shift.chunks(3)) {
            let noisy: Vec<f64> = noisy.iter().map(|&x| f64::from(x)).collect();
            let clean = oracle::forward(&network, &noisy);
            for ((x, a), shift) in row.iter().zip(&clean).zip(shift) {
                assert!((f64::from(*x) - a - f64::from(*shift)).abs() < 1e-5);
            }
        }
        let cost = |row: &[f64], noise: &[f32]| {
            let noisy: Vec<f64> = row
                .iter()
                .zip(noise)
                .map(|(x, z)| x + f64::from(*z))
                .collect();
            let out = oracle::forward(&network, &noisy);
            0.5 * out
                .iter()
                .zip(row)
                .map(|(a, x)| (a - x).powi(2))
                .sum::<f64>()
        };
        for ((row, noise), found) in rows.chunks(3).zip(noise.chunks(3)).zip(gradient.chunks(3)) {
            for at in 0..3 {
                let moved = |h: f64| {
                    let mut row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                    row[at] += h;
                    cost(&row, noise)
                };
                let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((f64::from(found[at]) - numeric).abs() < 1e-3);
            }
        }
        let mut narrow = network;
        narrow.layers.pop();
        assert!(AutoencodingPrior::new(&narrow, &device).is_err());
    }
}
