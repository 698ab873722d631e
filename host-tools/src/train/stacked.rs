//! Stacked denoising autoencoders: layer by layer, then all layers together.
//!
//! Layer l is the encoder of a small denoising autoencoder: of what the layers below make of a row, `z_{l-1}`, a damaged
//! copy is encoded and decoded, and the error to `z_{l-1}` itself is minimised. Its decoder is kept. The encoders in
//! order and the decoders in reverse order are the autoencoder that fine-tuning starts from, as an unrolled stack of
//! Boltzmann machines would be.
//!
//! P. Vincent et al., *Stacked denoising autoencoders: learning useful representations in a deep network with a local
//! denoising criterion*, JMLR 11, 2010, section 3.5.

use anyhow::{Result, ensure};

use super::{
    Progress,
    autoencoder::{self, AutoencoderOptions},
    corruption::CorruptionKind,
    device::TrainingDevice,
    epochs::check_epochs,
    model::{DenseLayer, DenseStack},
};
use crate::data::Table;

/// What to train; [`StackedOptions::check`] makes it a [`StackedConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct StackedOptions {
    /// The network, and how it is fine-tuned.
    pub network: AutoencoderOptions,
    /// What is done to the input of each layer while it is trained by itself.
    pub corruption: CorruptionKind,
    /// How often each layer sees every row; 0 leaves random weights to fine-tuning.
    pub epochs: usize,
    /// The layers' learning rate at the start; it falls to zero.
    pub learning_rate: f64,
}

impl Default for StackedOptions {
    fn default() -> Self {
        Self {
            network: AutoencoderOptions::default(),
            corruption: CorruptionKind::Masking(0.25),
            epochs: 50,
            learning_rate: 3e-3,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct StackedConfig {
    options: StackedOptions,
    network: autoencoder::AutoencoderConfig,
}

impl StackedOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// Those of [`AutoencoderOptions::check`], and a corruption or a learning rate of the layers that is none.
    pub fn check(self) -> Result<StackedConfig> {
        self.corruption.check()?;
        if self.epochs > 0 {
            check_epochs(self.epochs)?;
        }
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "the layers' learning rate is {}; give a number above 0",
            self.learning_rate
        );
        Ok(StackedConfig {
            network: self.network.clone().check()?,
            options: self,
        })
    }
}

impl StackedConfig {
    /// Layers of the encoder: what a container calls the code's layer.
    #[must_use]
    pub fn code_layer(&self) -> usize {
        self.network.code_layer()
    }
}

/// Trains a network that gives features back; `progress` counts the epochs of the layers and of fine-tuning.
///
/// # Errors
///
/// Training that diverges (named with the learning rate); the training device fails.
pub fn fit(
    config: &StackedConfig,
    features: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let StackedOptions {
        network, epochs, ..
    } = &config.options;
    let before = epochs * network.encoder.len();
    let steps = before + network.epochs;
    if *epochs == 0 {
        return autoencoder::fit(&config.network, features, device, progress);
    }
    let start = layer_by_layer(config, features, device, &mut |epoch| {
        progress(Progress { steps, ..epoch });
    })?;
    autoencoder::fit_from(&start, &config.network, features, device, &mut |epoch| {
        progress(Progress {
            step: before + epoch.step,
            steps,
            loss: epoch.loss,
        });
    })
}

/// The layers, each trained by itself; `progress` counts their epochs. What fine-tuning starts from.
///
/// # Errors
///
/// As [`fit`].
pub fn layer_by_layer(
    config: &StackedConfig,
    features: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let StackedOptions {
        network,
        corruption,
        epochs,
        learning_rate,
    } = &config.options;
    let depth = network.encoder.len();
    let mut encoders = Vec::new();
    let mut decoders = Vec::new();
    let mut rows = features.with_values(features.values().to_vec())?;
    for (at, &width) in network.encoder.iter().enumerate() {
        let options = AutoencoderOptions {
            encoder: vec![width],
            code_activation: if at + 1 == depth {
                network.code_activation
            } else {
                network.hidden_activation
            },
            // What a layer gives back is what the layer below gave.
            output_activation: if at == 0 {
                network.output_activation
            } else {
                network.hidden_activation
            },
            corruption: *corruption,
            epochs: *epochs,
            learning_rate: *learning_rate,
            seed: network.seed.wrapping_add(at as u64),
            ..network.clone()
        };
        let pair = autoencoder::fit(&options.check()?, &rows, device, &mut |epoch| {
            progress(Progress {
                step: at * epochs + epoch.step,
                steps: depth * epochs,
                loss: epoch.loss,
            });
        })?;
        let [encoder, decoder]: [DenseLayer; 2] = pair
            .layers
            .try_into()
            .map_err(|_| anyhow::anyhow!("a layer and its decoder are two layers"))?;
        rows = encoded(&encoder, &rows)?;
        encoders.push(encoder);
        decoders.push(decoder);
    }
    encoders.extend(decoders.into_iter().rev());
    Ok(DenseStack { layers: encoders })
}

/// What a layer makes of rows.
fn encoded(layer: &DenseLayer, rows: &Table) -> Result<Table> {
    let values = rows.iter_rows().flat_map(|row| {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        crate::oracle::dense_layer(layer, &row)
    });
    let columns = Table::numbered_columns(layer.outputs);
    Table::new(rows.source(), columns, values.map(|z| z as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, Scaling, digits};
    use crate::oracle;
    use crate::train::dense_net::transposed;
    use crate::train::model::Activation;

    fn digit_features() -> [Table; 2] {
        let split = digits()
            .and_then(|data| data.scaled(1.0 / DIGIT_MAX)?.split_held_out())
            .unwrap();
        let scaling = Scaling::Uniform.fit(&split.training).unwrap();
        [&split.training, &split.held_out].map(|rows| scaling.transform(rows).unwrap())
    }

    fn options(tied: bool) -> StackedOptions {
        StackedOptions {
            network: AutoencoderOptions {
                encoder: vec![48, 24, 6],
                tied,
                epochs: 20,
                ..AutoencoderOptions::default()
            },
            epochs: 20,
            ..StackedOptions::default()
        }
    }

    fn error(stack: &DenseStack, rows: &Table) -> f64 {
        let errors = rows.iter_rows().map(|row| {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            oracle::mean_squared_error(&row, &oracle::forward(stack, &row))
        });
        errors.sum::<f64>() / rows.rows() as f64
    }

    #[test]
    fn layers_by_themselves_make_an_autoencoder_and_fine_tuning_a_better_one() {
        let [features, held_out] = digit_features();
        let device = TrainingDevice::cpu();
        for tied in [false, true] {
            let config = options(tied).check().unwrap();
            let mut greedy = Vec::new();
            let start = layer_by_layer(&config, &features, &device, &mut |p| greedy.push(p.loss));
            let start = start.unwrap();
            let mut all = Vec::new();
            let end = fit(&config, &features, &device, &mut |p| {
                all.push((p.step, p.steps, p.loss));
            })
            .unwrap();
            let widths: Vec<_> = end.layers.iter().map(|l| l.outputs).collect();
            assert_eq!(widths, [48, 24, 6, 24, 48, 64]);
            // Every layer learns, and the mean row has an error of 1 in features.
            for layer in greedy.chunks(20) {
                assert!(layer[19] < layer[0], "{layer:?}");
            }
            let (before, after) = (error(&start, &held_out), error(&end, &held_out));
            assert!(after < before && before < 0.8, "{before} {after}");
            // Fine-tuning starts where the layers ended, far below where random weights start.
            let steps: Vec<_> = all.iter().map(|(step, _, _)| *step).collect();
            assert_eq!(steps, (1..=80).collect::<Vec<_>>());
            assert!(all[60].2 < 0.8 * all[0].2);
            for (encoder, decoder) in [(0, 5), (1, 4), (2, 3)] {
                let layer = &end.layers[encoder];
                let same = end.layers[decoder].weights == transposed(&layer.weights, layer.inputs);
                assert_eq!(same, tied);
            }
        }
    }

    #[test]
    fn a_layer_restores_what_the_layer_below_makes_of_a_row() {
        let [features, _] = digit_features();
        let mut options = options(false);
        options.network.hidden_activation = Activation::Sigmoid;
        let config = options.check().unwrap();
        let stack =
            layer_by_layer(&config, &features, &TrainingDevice::cpu(), &mut |_| {}).unwrap();
        // z_2 decoded by the fourth of six layers is nearer to z_1 than the mean of z_1 is.
        let made = |layers: usize, row: &[f32]| {
            let mut z: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            for layer in &stack.layers[..layers] {
                z = oracle::dense_layer(layer, &z);
            }
            z
        };
        let first: Vec<Vec<f64>> = features.iter_rows().map(|row| made(1, row)).collect();
        let mean: Vec<f64> = (0..48)
            .map(|at| first.iter().map(|z| z[at]).sum::<f64>() / first.len() as f64)
            .collect();
        let (mut restored, mut constant) = (0.0, 0.0);
        for (row, z) in features.iter_rows().zip(&first) {
            let back = oracle::dense_layer(&stack.layers[4], &made(2, row));
            restored += oracle::mean_squared_error(z, &back);
            constant += oracle::mean_squared_error(z, &mean);
        }
        assert!(restored < 0.5 * constant, "{restored} {constant}");
    }
}
