//! A denoiser as a prior whose gradient goes through the network.
//!
//! S. Bigdeli and M. Zwicker, *Image restoration using autoencoding priors*, 2017: images that a denoising
//! autoencoder leaves as they are are likely, so the prior is `|A(x) - x|^2 / 2` and its gradient
//! `(dA/dx - 1)^T (A(x) - x)`, which takes a backward pass through A.

use anyhow::{Context, Result, ensure};
use burn::tensor::Tensor;

use super::{dense_net::DenseNet, device::TrainingDevice, model::DenseStack, tensors};

/// A trained denoiser on the training device.
pub struct AutoencodingPrior {
    net: DenseNet,
}

impl AutoencodingPrior {
    /// The prior of a denoiser.
    ///
    /// # Errors
    ///
    /// A network that gives another number of values than it takes.
    pub fn new(denoiser: &DenseStack, device: &TrainingDevice) -> Result<Self> {
        ensure!(
            denoiser.inputs() == denoiser.outputs(),
            "a denoiser gives as many values as it takes, but this network takes {} and gives {}",
            denoiser.inputs(),
            denoiser.outputs()
        );
        Ok(Self {
            net: DenseNet::of(denoiser, &device.device),
        })
    }

    /// Gradients of `|A(x) - x|^2 / 2`, row after row.
    ///
    /// # Errors
    ///
    /// The training device fails.
    pub fn gradient(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let rows = tensors::upload(rows.to_vec(), self.net.inputs(), self.net.device());
        let rows = Tensor::from_inner(rows.inner()).require_grad();
        let cost = (self.net.forward(rows.clone()) - rows.clone())
            .square()
            .sum()
            .mul_scalar(0.5);
        let gradient = rows
            .grad(&cost.backward())
            .context("the training device gave no gradient")?;
        tensors::download(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
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
        let gradient = prior.gradient(&rows).unwrap();
        let cost = |row: &[f64]| {
            let out = oracle::forward(&network, row);
            0.5 * out
                .iter()
                .zip(row)
                .map(|(a, x)| (a - x).powi(2))
                .sum::<f64>()
        };
        for (row, found) in rows.chunks(3).zip(gradient.chunks(3)) {
            for at in 0..3 {
                let moved = |h: f64| {
                    let mut row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                    row[at] += h;
                    cost(&row)
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
