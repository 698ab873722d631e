//! Autoencoders of any depth, with free or tied weights.
//!
//! `z = s(W_k ... s(W_1 x + b_1) ... + b_k)` is the code, and a decoder that mirrors the encoder gives x back; the mean
//! squared error is minimised by Adam. Tied, layer l of the decoder has the transposed weights of the layer of the
//! encoder that it mirrors, and half as many weights are learnt (P. Vincent et al., *Stacked denoising autoencoders*,
//! JMLR 11, 2010, section 2.1). With one linear layer either way this is principal components in another basis (P. Baldi
//! and K. Hornik, *Neural networks and principal component analysis*, 1989).

use std::path::PathBuf;

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::{
    Progress,
    checkpoint::Checkpoint,
    corruption::CorruptionKind,
    dense_net::DenseNet,
    device::TrainingDevice,
    epochs::{Decay, Epochs, Training, check_descent, check_epochs, gather},
    limits::{check_weights, check_widths},
    model::{Activation, DenseStack},
    random::generator,
};
use crate::data::Table;

/// What to train; [`AutoencoderOptions::check`] makes it an [`AutoencoderConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct AutoencoderOptions {
    /// Widths of the encoder's layers, the last that of the code; the decoder mirrors them.
    pub encoder: Vec<usize>,
    /// Whether the decoder's weights are the encoder's, transposed.
    pub tied: bool,
    /// Behind every layer but the code and the last.
    pub hidden_activation: Activation,
    /// Behind the code.
    pub code_activation: Activation,
    /// Behind the last layer; what leaves a network on a device are features, hence [`Activation::Identity`].
    pub output_activation: Activation,
    /// What is done to every row, anew in every epoch, before it is encoded.
    pub corruption: CorruptionKind,
    /// How often every row is seen.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// How it falls.
    pub decay: Decay,
    /// Decoupled weight decay (AdamW); 0 is plain Adam.
    pub weight_decay: f32,
    /// Fixes weights, noise and the order of the rows.
    pub seed: u64,
    /// File to write the run to on the way, and to go on from if there is one.
    pub checkpoint: Option<PathBuf>,
}

impl Default for AutoencoderOptions {
    fn default() -> Self {
        Self {
            encoder: vec![128, 64, 8],
            tied: false,
            hidden_activation: Activation::Relu,
            code_activation: Activation::Identity,
            output_activation: Activation::Identity,
            corruption: CorruptionKind::None,
            epochs: 300,
            batch: 32,
            learning_rate: 3e-3,
            decay: Decay::Cosine,
            weight_decay: 0.0,
            seed: 0,
            checkpoint: None,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoencoderConfig(AutoencoderOptions);

impl AutoencoderOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// No layer or one of width 0; no epoch; an empty batch; a learning rate that is not positive; a negative weight
    /// decay; a corruption that is none.
    pub fn check(self) -> Result<AutoencoderConfig> {
        ensure!(
            !self.encoder.is_empty() && self.encoder.iter().all(|&width| width > 0),
            "every layer of the encoder needs a width of at least 1; give at least the code's"
        );
        check_widths(&self.encoder)?;
        check_epochs(self.epochs)?;
        check_descent(self.batch, self.learning_rate, self.weight_decay)?;
        self.corruption.check()?;
        Ok(AutoencoderConfig(self))
    }

    /// What is behind each of the layers of encoder and decoder.
    fn activations(&self) -> Vec<Activation> {
        let layers = self.encoder.len();
        let mut activations = vec![self.hidden_activation; 2 * layers];
        activations[layers - 1] = self.code_activation;
        activations[2 * layers - 1] = self.output_activation;
        activations
    }
}

impl AutoencoderConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &AutoencoderOptions {
        &self.0
    }

    /// Layers of the encoder: what a container calls the code's layer.
    #[must_use]
    pub fn code_layer(&self) -> usize {
        self.0.encoder.len()
    }
}

/// Trains a network that gives features back, from random weights; `progress` is called after each epoch.
///
/// # Errors
///
/// Training that diverges (named with the learning rate); a checkpoint that cannot be written, or is of another run or
/// damaged; the training device fails.
pub fn fit(
    config: &AutoencoderConfig,
    features: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let options = config.options();
    let mut widths = vec![features.width()];
    widths.extend(&options.encoder);
    widths.extend(options.encoder.iter().rev().skip(1));
    widths.push(features.width());
    check_weights(&widths)?;
    let mut net = DenseNet::new(
        &widths,
        &options.activations(),
        options.weight_decay,
        &mut generator(options.seed, 0),
        &device.device,
    );
    if options.tied {
        net.tie();
    }
    train(net, config, features, "", progress)
}

/// As [`fit`] of a network that goes on from given parameters.
pub(super) fn fit_from(
    start: &DenseStack,
    config: &AutoencoderConfig,
    features: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let net = DenseNet::from_stack(start, config.options().weight_decay, &device.device);
    train(net, config, features, " of fine-tuning", progress)
}

fn train(
    mut net: DenseNet,
    config: &AutoencoderConfig,
    features: &Table,
    phase: &'static str,
    progress: &mut dyn FnMut(Progress),
) -> Result<DenseStack> {
    let options = config.options();
    let corruption = options.corruption.of(features);
    let same = AutoencoderOptions {
        checkpoint: None,
        ..options.clone()
    };
    let checkpoint = options.checkpoint.as_deref();
    let training = Training {
        net: &mut net,
        noise: generator(options.seed, 2),
        checkpoint: checkpoint.map(|path| Checkpoint::new(path, "autoencoder", &same, features)),
    };
    let run = Epochs {
        epochs: options.epochs,
        batch: options.batch,
        learning_rate: options.learning_rate,
        decay: options.decay,
        order: generator(options.seed, 1),
        phase,
    };
    let update = |net: &mut DenseNet, noise: &mut ChaCha8Rng, batch: &[usize], rate| {
        let clean = gather(features, batch);
        let loss = net.loss(corruption.apply(&clean, noise), clean);
        if options.tied {
            net.descend_tied(&loss, rate)?;
        } else {
            net.descend(&loss, rate)?;
        }
        Ok(loss.inner())
    };
    run.go_on(features.rows(), training, progress, update)?;
    net.download()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, Scaling, digits};
    use crate::oracle::{self, Projection};
    use crate::train::dense_net::transposed;
    use crate::train::pca::{self, PcaOptions};

    /// Features of training and held-out digits.
    fn digit_features() -> [Table; 2] {
        let split = digits()
            .and_then(|data| data.scaled(1.0 / DIGIT_MAX)?.split_held_out())
            .unwrap();
        let scaling = Scaling::Uniform.fit(&split.training).unwrap();
        [&split.training, &split.held_out].map(|rows| scaling.transform(rows).unwrap())
    }

    fn error(rows: &Table, restored: &dyn Fn(&[f64]) -> Vec<f64>) -> f64 {
        let rows_error = rows.iter_rows().map(|row| {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            oracle::mean_squared_error(&row, &restored(&row))
        });
        rows_error.sum::<f64>() / rows.rows() as f64
    }

    fn train(options: AutoencoderOptions, features: &Table) -> (DenseStack, Vec<f64>) {
        let mut losses = Vec::new();
        let stack = fit(
            &options.check().unwrap(),
            features,
            &TrainingDevice::cpu(),
            &mut |progress| losses.push(progress.loss),
        );
        (stack.unwrap(), losses)
    }

    fn components(features: &Table, k: usize) -> Projection {
        let config = PcaOptions { components: k }.check().unwrap();
        Projection::from(&pca::fit(&config, features, &TrainingDevice::cpu()).unwrap())
    }

    #[test]
    fn a_linear_autoencoder_spans_the_principal_components() {
        let [features, held_out] = digit_features();
        let options = AutoencoderOptions {
            encoder: vec![8],
            hidden_activation: Activation::Identity,
            epochs: 200,
            batch: 64,
            learning_rate: 5e-3,
            ..AutoencoderOptions::default()
        };
        let pca = components(&features, 8);
        let linear = error(&held_out, &|row| pca.reconstruct(&pca.project(row)));
        for tied in [false, true] {
            let options = AutoencoderOptions {
                tied,
                ..options.clone()
            };
            let (stack, losses) = train(options, &features);
            assert!(losses[199] < losses[0]);
            let found = error(&held_out, &|row| oracle::forward(&stack, row));
            assert!(
                (found / linear - 1.0).abs() < 0.01,
                "{tied} {found} {linear}"
            );
        }
    }

    #[test]
    fn a_deep_code_beats_as_many_principal_components_tied_or_not() {
        let [features, held_out] = digit_features();
        let pca = components(&features, 4);
        let linear = error(&held_out, &|row| pca.reconstruct(&pca.project(row)));
        for tied in [false, true] {
            let options = AutoencoderOptions {
                encoder: vec![64, 4],
                tied,
                epochs: 80,
                ..AutoencoderOptions::default()
            };
            let (stack, losses) = train(options, &features);
            assert!(losses[79] < 0.6 * losses[0], "{losses:?}");
            let deep = error(&held_out, &|row| oracle::forward(&stack, row));
            assert!(deep < 0.85 * linear, "{tied} {deep} {linear}");
            let same = |encoder: usize, decoder: usize| {
                let layer = &stack.layers[encoder];
                stack.layers[decoder].weights == transposed(&layer.weights, layer.inputs)
            };
            assert_eq!([same(0, 3), same(1, 2)], [tied, tied]);
        }
    }

    #[test]
    fn bad_options_are_one_clear_sentence() {
        let message = |change: fn(&mut AutoencoderOptions)| {
            let mut options = AutoencoderOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(
            message(|o| o.encoder = vec![16, 0]),
            "every layer of the encoder needs a width of at least 1; give at least the code's"
        );
        assert_eq!(
            message(|o| o.learning_rate = -1.0),
            "the learning rate is -1; give a number above 0"
        );
        assert_eq!(
            message(|o| o.corruption = CorruptionKind::Masking(2.0)),
            "the probability of a corruption is 2; give a number from 0 to 1"
        );
    }
}
