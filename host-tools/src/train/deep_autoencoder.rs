//! Deep autoencoders: a stack of Boltzmann machines unrolled, or random weights, then fine-tuned by Adam.
//!
//! The encoder narrows to a linear code, the decoder mirrors it. Unrolled, layer `l` of the encoder has the
//! weights of machine `l` and the decoder their transposes. Two functions that the machines have and the
//! network has not are put in as straight lines: the code's units were sigmoids, `sigmoid(x) = 1/2 + x/4` near
//! 0, and so were the pixels if the output is to be linear. Fine-tuning makes up for what the lines leave.
//!
//! G. Hinton and R. Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 313,
//! 2006; D. Kingma and J. Ba, *Adam*, 2015.

use anyhow::{Context, Result, ensure};

use super::{
    Progress,
    dbn::{self, DbnOptions},
    dense_net::{DenseNet, transposed},
    device::TrainingDevice,
    epochs::{Decay, Epochs, check_descent, check_epochs, gather},
    limits::{check_weights, check_widths},
    model::{Activation, DbnParameters, DenseLayer, DenseStack, RbmParameters, VisibleUnits},
    random::generator,
    rbm::{Binarise, RbmOptions},
};
use crate::data::{Standardiser, Table};

/// What to train; [`DeepAutoencoderOptions::check`] makes it a [`DeepAutoencoderConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct DeepAutoencoderOptions {
    /// Widths of the encoder's layers, the last that of the code; the decoder mirrors them.
    pub encoder: Vec<usize>,
    /// Behind every layer but the code and the last, which are linear.
    pub hidden_activation: Activation,
    /// Behind the last layer; a network on a device gives features, hence [`Activation::Identity`].
    pub output_activation: Activation,
    /// How the stack of machines is trained that the network starts from (widths and seed come from here);
    /// `None` for random weights.
    pub pretraining: Option<RbmOptions>,
    /// How often fine-tuning sees every row.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// Adam's learning rate at the start.
    pub learning_rate: f64,
    /// How it falls.
    pub decay: Decay,
    /// Decoupled weight decay (AdamW); 0 is plain Adam.
    pub weight_decay: f32,
    /// Fixes weights and the order of the rows.
    pub seed: u64,
}

impl Default for DeepAutoencoderOptions {
    fn default() -> Self {
        Self {
            encoder: vec![128, 64, 8],
            hidden_activation: Activation::Sigmoid,
            output_activation: Activation::Identity,
            pretraining: Some(RbmOptions {
                epochs: 20,
                batch: 100,
                ..RbmOptions::default()
            }),
            epochs: 100,
            batch: 100,
            learning_rate: 1e-3,
            decay: Decay::Cosine,
            weight_decay: 0.0,
            seed: 0,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct DeepAutoencoderConfig(DeepAutoencoderOptions);

impl DeepAutoencoderOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// No layer or one of width 0; no epoch; an empty batch; a learning rate that is not positive; a negative
    /// weight decay; pretraining of anything but sigmoids; options of the machines that are refused.
    pub fn check(self) -> Result<DeepAutoencoderConfig> {
        ensure!(
            !self.encoder.is_empty() && self.encoder.iter().all(|&width| width > 0),
            "every layer of the encoder needs a width of at least 1; give at least the code's"
        );
        check_widths(&self.encoder)?;
        check_epochs(self.epochs)?;
        check_descent(self.batch, self.learning_rate, self.weight_decay)?;
        if let Some(rbm) = &self.pretraining {
            ensure!(
                self.hidden_activation == Activation::Sigmoid,
                "machines have sigmoid units, not {}; train without pretraining",
                self.hidden_activation
            );
            for &hidden in &self.encoder {
                let machine = RbmOptions {
                    hidden,
                    ..rbm.clone()
                };
                machine.check()?;
            }
        }
        Ok(DeepAutoencoderConfig(self))
    }
}

impl DeepAutoencoderConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &DeepAutoencoderOptions {
        &self.0
    }

    /// Layers of the encoder: what a container calls the code's layer.
    #[must_use]
    pub fn code_layer(&self) -> usize {
        self.0.encoder.len()
    }
}

/// Trains a network that gives features back; `progress` counts the epochs of pretraining and fine-tuning.
///
/// With `pixels` given, features are standardised values of `[0, 1]` and the first machine sees those values
/// as means of Bernoulli units; without, it has Gaussian units and sees the features.
///
/// # Errors
///
/// Pixels outside `[0, 1]`; training that diverges (named with the learning rate); the training device fails.
pub fn fit(
    config: &DeepAutoencoderConfig,
    features: &Table,
    pixels: Option<&Standardiser>,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let options = config.options();
    let pretraining_epochs = options
        .pretraining
        .as_ref()
        .map_or(0, |rbm| rbm.epochs * options.encoder.len());
    check_weights(&widths(options, features.width()))?;
    let all_epochs = pretraining_epochs + options.epochs;
    let mut net = match &options.pretraining {
        Some(rbm) => {
            let machines = pretrain(options, rbm, features, pixels, device, &mut |epoch| {
                progress(Progress {
                    steps: all_epochs,
                    ..epoch
                });
            })?;
            let start = unroll(&machines, options.output_activation, pixels)?;
            DenseNet::from_stack(&start, options.weight_decay, &device.device)
        }
        None => random_start(options, features.width(), device),
    };
    let run = Epochs {
        epochs: options.epochs,
        batch: options.batch,
        learning_rate: options.learning_rate,
        decay: options.decay,
        order: generator(options.seed, 1),
        phase: " of fine-tuning",
    };
    let progress = &mut |epoch: Progress| {
        progress(Progress {
            step: pretraining_epochs + epoch.step,
            steps: all_epochs,
            loss: epoch.loss,
        });
    };
    run.run(features.rows(), progress, |batch, learning_rate| {
        let rows = gather(features, batch);
        let loss = net.loss(rows.clone(), rows);
        net.descend(&loss, learning_rate)?;
        Ok(loss.inner())
    })?;
    net.download()
}

/// Widths from the input, of `width` columns, to the output.
fn widths(options: &DeepAutoencoderOptions, width: usize) -> Vec<usize> {
    let mut widths = vec![width];
    widths.extend(&options.encoder);
    widths.extend(options.encoder.iter().rev().skip(1));
    widths.push(width);
    widths
}

fn random_start(
    options: &DeepAutoencoderOptions,
    width: usize,
    device: &TrainingDevice,
) -> DenseNet {
    let widths = widths(options, width);
    let mut activations = vec![options.hidden_activation; widths.len() - 1];
    activations[options.encoder.len() - 1] = Activation::Identity;
    activations[widths.len() - 2] = options.output_activation;
    DenseNet::new(
        &widths,
        &activations,
        options.weight_decay,
        &mut generator(options.seed, 0),
        &device.device,
    )
}

fn pretrain(
    options: &DeepAutoencoderOptions,
    rbm: &RbmOptions,
    features: &Table,
    pixels: Option<&Standardiser>,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DbnParameters> {
    let units = match pixels {
        Some(_) => VisibleUnits::Bernoulli,
        None => VisibleUnits::Gaussian,
    };
    let layers = options.encoder.iter().map(|&hidden| RbmOptions {
        hidden,
        units,
        binarise: Binarise::No,
        seed: options.seed,
        ..rbm.clone()
    });
    let config = DbnOptions {
        layers: layers.collect(),
        sampled: false,
    };
    let values = pixels.map(|pixels| unit_interval(&pixels.inverse(features)?));
    let values = values.transpose()?;
    dbn::fit(
        &config.check()?,
        values.as_ref().unwrap_or(features),
        device,
        progress,
    )
}

/// Values that rounding has put a little outside of `[0, 1]`, back in it.
fn unit_interval(values: &Table) -> Result<Table> {
    let near = |x: f32| {
        if (x - x.clamp(0.0, 1.0)).abs() < 1e-4 {
            x.clamp(0.0, 1.0)
        } else {
            x
        }
    };
    values.with_values(values.values().iter().map(|&x| near(x)).collect())
}

/// A stack of machines as an autoencoder with a linear code that reads features: of `pixels` standardised if
/// those are given.
///
/// # Errors
///
/// A stack without machines.
pub fn unroll(
    machines: &DbnParameters,
    output: Activation,
    pixels: Option<&Standardiser>,
) -> Result<DenseStack> {
    let mut layers: Vec<DenseLayer> = machines.layers.iter().map(recognition).collect();
    layers.extend(machines.layers.iter().rev().map(generation));
    let code = machines.layers.len();
    let linear_code = layers
        .get_mut(code.wrapping_sub(1))
        .context("there is no machine to unroll")?;
    linear_code.activation = Activation::Identity;
    // The code x stood for the mean sigmoid(x), nearly 1/2 + x/4.
    let width = layers[code].inputs;
    layers[code].compose_input(&vec![0.25; width], &vec![0.5; width]);
    let last = layers.len() - 1;
    layers[last].activation = output;
    if let Some(pixels) = pixels {
        let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<_>>();
        layers[0].compose_input(&narrow(&pixels.std), &narrow(&pixels.mean));
        if output == Activation::Identity {
            // A pixel of sum z is about 1/2 + z/4, and a feature is (pixel - mean) / std.
            for (at, (std, mean)) in pixels.std.iter().zip(&pixels.mean).enumerate() {
                let (scale, offset) = (0.25 / std, (0.5 - mean) / std);
                layers[last].scale_output(at, scale as f32, offset as f32);
            }
        }
    }
    Ok(DenseStack { layers })
}

/// `p(h = 1 | v)`.
fn recognition(machine: &RbmParameters) -> DenseLayer {
    DenseLayer {
        weights: machine.weights.clone(),
        bias: machine.hidden_bias.clone(),
        inputs: machine.visible,
        outputs: machine.hidden,
        activation: Activation::Sigmoid,
    }
}

/// `p(v = 1 | h)`.
fn generation(machine: &RbmParameters) -> DenseLayer {
    DenseLayer {
        weights: transposed(&machine.weights, machine.visible),
        bias: machine.visible_bias.clone(),
        inputs: machine.hidden,
        outputs: machine.visible,
        activation: Activation::Sigmoid,
    }
}

impl DenseLayer {
    /// The layer behind the line `scale x + offset` of each input.
    fn compose_input(&mut self, scale: &[f32], offset: &[f32]) {
        let rows = self.weights.chunks_exact_mut(self.inputs);
        for (row, bias) in rows.zip(&mut self.bias) {
            for ((weight, scale), offset) in row.iter_mut().zip(scale).zip(offset) {
                *bias += *weight * offset;
                *weight *= scale;
            }
        }
    }

    /// One output's sum followed by the line `scale x + offset`.
    fn scale_output(&mut self, output: usize, scale: f32, offset: f32) {
        for weight in &mut self.weights[output * self.inputs..][..self.inputs] {
            *weight *= scale;
        }
        self.bias[output] = self.bias[output] * scale + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::{DIGIT_MAX, Scaling, Split, digits},
        energy::EnergyModel,
        oracle,
        train::pca::{self, PcaOptions},
    };

    fn digit_rows() -> (Split, Standardiser) {
        let split = digits()
            .and_then(|data| data.scaled(1.0 / DIGIT_MAX)?.split_held_out())
            .unwrap();
        let standardiser = Scaling::Uniform.fit(&split.training).unwrap();
        (split, standardiser)
    }

    fn wide(row: &[f32]) -> Vec<f64> {
        row.iter().map(|&x| f64::from(x)).collect()
    }

    #[test]
    fn unrolled_machines_encode_as_they_did() {
        let (split, pixels) = digit_rows();
        let config = DbnOptions {
            layers: [20, 6]
                .map(|hidden| RbmOptions {
                    hidden,
                    epochs: 1,
                    ..RbmOptions::default()
                })
                .to_vec(),
            sampled: false,
        };
        let machines = dbn::fit(
            &config.check().unwrap(),
            &split.training,
            &TrainingDevice::cpu(),
            &mut |_| {},
        )
        .unwrap();
        let stack = unroll(&machines, Activation::Identity, Some(&pixels)).unwrap();
        let widths: Vec<_> = stack.layers.iter().map(|l| (l.inputs, l.outputs)).collect();
        assert_eq!(widths, [(64, 20), (20, 6), (6, 20), (20, 64)]);
        let encoder = DenseStack {
            layers: stack.layers[..2].to_vec(),
        };
        let features = pixels.transform(&split.held_out).unwrap();
        let (row, feature_row) = (split.held_out.row(5).unwrap(), features.row(5).unwrap());
        let [bottom, top] = [0, 1].map(|at| EnergyModel::from(&machines.layers[at]));
        let means = top.hidden_means(&bottom.hidden_means(&wide(row)));
        for (code, mean) in oracle::forward(&encoder, &wide(feature_row))
            .iter()
            .zip(means)
        {
            assert!((1.0 / (1.0 + (-code).exp()) - mean).abs() < 1e-5);
        }
    }

    #[test]
    fn a_deep_code_beats_as_many_principal_components() {
        let (split, pixels) = digit_rows();
        let features = pixels.transform(&split.training).unwrap();
        let judged = pixels.transform(&split.held_out).unwrap();
        let options = DeepAutoencoderOptions {
            encoder: vec![64, 4],
            epochs: 150,
            learning_rate: 5e-3,
            ..DeepAutoencoderOptions::default()
        };
        let config = options.check().unwrap();
        let device = TrainingDevice::cpu();
        let train = || fit(&config, &features, Some(&pixels), &device, &mut |_| {}).unwrap();
        let stack = train();
        let error = |restored: &dyn Fn(&[f64]) -> Vec<f64>| -> f64 {
            let rows = judged.iter_rows().map(|row| {
                let row = wide(row);
                oracle::mean_squared_error(&row, &restored(&row))
            });
            rows.sum::<f64>() / judged.rows() as f64
        };
        let components = PcaOptions { components: 4 }.check().unwrap();
        let pca = oracle::Projection::from(
            &pca::fit(&components, &features, &TrainingDevice::cpu()).unwrap(),
        );
        let linear = error(&|row| pca.reconstruct(&pca.project(row)));
        let deep = error(&|row| oracle::forward(&stack, row));
        assert!(deep < 0.8 * linear, "{deep} {linear}");
        assert_eq!(train(), stack);
    }

    #[test]
    fn bad_options_are_one_clear_sentence() {
        let message = |change: fn(&mut DeepAutoencoderOptions)| {
            let mut options = DeepAutoencoderOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(
            message(|o| o.encoder.clear()),
            "every layer of the encoder needs a width of at least 1; give at least the code's"
        );
        assert_eq!(
            message(|o| o.hidden_activation = Activation::Relu),
            "machines have sigmoid units, not relu; train without pretraining"
        );
        assert_eq!(
            message(|o| o.learning_rate = 0.0),
            "the learning rate is 0; give a number above 0"
        );
    }
}
