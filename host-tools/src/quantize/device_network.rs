//! A quantised network as the device's kernels read it, without a container around it.

use anyhow::{Context, Result, anyhow};
use autodidact::kernels::{Matrix, Order};
use autodidact::net::{Layer, Network};
use zerocopy::FromBytes as _;

use super::{AlignedBytes, QuantisedNetwork};

/// A [`QuantisedNetwork`] with its weights where kernels want them.
#[derive(Clone, Debug)]
pub struct DeviceNetwork {
    quantised: QuantisedNetwork,
    weights: Vec<AlignedBytes>,
}

impl DeviceNetwork {
    /// Aligns the weights.
    #[must_use]
    pub fn new(quantised: QuantisedNetwork) -> Self {
        let bytes = |weights: &[i8]| {
            let bytes: Vec<u8> = weights.iter().map(|w| w.cast_unsigned()).collect();
            AlignedBytes::copy_of(&bytes)
        };
        Self {
            weights: quantised
                .layers
                .iter()
                .map(|layer| bytes(&layer.weights))
                .collect(),
            quantised,
        }
    }

    /// The network, its ranges proved.
    ///
    /// # Errors
    ///
    /// A range that cannot be proved.
    pub fn network(&self) -> Result<Network<'_>> {
        let layers = self
            .quantised
            .layers
            .iter()
            .zip(&self.weights)
            .map(|(layer, bytes)| {
                let weights = <[i8]>::ref_from_bytes(bytes)
                    .map_err(|_| anyhow!("weights are not where they should be"))?;
                let rows = layer.channels.len();
                let weights = Matrix::new(weights, rows, layer.inputs, Order::RowMajor)
                    .map_err(|error| anyhow!("weights are no matrix: {error:?}"))?;
                let spec = layer.spec(Order::RowMajor);
                Ok(Layer {
                    weights,
                    channels: spec.channels,
                    activation: spec.activation,
                    input: spec.input,
                    output: spec.output,
                    zero_point: spec.zero_point,
                    min: spec.min,
                    max: spec.max,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Network::new(layers, self.quantised.code_layer).context("the network cannot be run")
    }
}
