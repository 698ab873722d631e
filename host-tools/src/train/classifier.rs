//! A small classifier, trained here with labels, to judge images that were generated without.
//!
//! Dense layers with ReLU and a softmax at the end, trained by Adam on the mean cross entropy of rows with fresh
//! Gaussian noise. It stands where Inception v3 stands in the literature: figures that are computed with it compare
//! generators of the same images with each other and with nothing else. Its own accuracy on held-out rows belongs
//! beside every such figure.

use anyhow::{Result, ensure};
use burn::tensor::{Tensor, activation};
use rand::seq::SliceRandom;

use super::{
    Progress,
    dense_net::DenseNet,
    device::TrainingDevice,
    epochs::Decay,
    model::{Activation, DenseStack},
    random::{generator, normal},
    tensors,
};
use crate::data::Table;
use crate::number::reading;
use crate::oracle;

/// What to train; [`ClassifierOptions::check`] makes it a [`ClassifierConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierOptions {
    /// Widths of the hidden layers; the outputs of the last are the features of the Fréchet distance.
    pub hidden: Vec<usize>,
    /// Standard deviation of the noise on each value, in data units: keeps the classifier from being sure of
    /// what it has not seen.
    pub noise: f32,
    /// How often every row is seen.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// Learning rate at the start; it falls to zero along half a cosine.
    pub learning_rate: f64,
    /// Decoupled weight decay (AdamW).
    pub weight_decay: f32,
    /// Fixes weights, noise and the order of the rows.
    pub seed: u64,
}

impl Default for ClassifierOptions {
    fn default() -> Self {
        Self {
            hidden: vec![128, 64],
            noise: 0.1,
            epochs: 60,
            batch: 128,
            learning_rate: 3e-3,
            weight_decay: 1e-2,
            seed: 0,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierConfig(ClassifierOptions);

impl ClassifierOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// No hidden layer or one of width 0; no epoch; an empty batch; a learning rate that is not positive; noise or
    /// weight decay that is negative or not finite.
    pub fn check(self) -> Result<ClassifierConfig> {
        ensure!(
            !self.hidden.is_empty() && self.hidden.iter().all(|&width| width > 0),
            "the classifier needs at least one hidden layer, none of width 0"
        );
        ensure!(
            self.epochs > 0 && self.batch > 0,
            "the number of epochs or the batch size is 0; give at least 1"
        );
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "the learning rate is {}; give a number above 0",
            self.learning_rate
        );
        ensure!(
            [self.noise, self.weight_decay]
                .iter()
                .all(|value| value.is_finite() && *value >= 0.0),
            "noise and weight decay must be numbers of at least 0"
        );
        Ok(ClassifierConfig(self))
    }
}

/// A trained classifier; it reads rows in data units.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// Its layers; the last gives logits.
    pub network: DenseStack,
}

/// Trains a classifier on rows and their labels, 0 to the largest; `progress` is called after each epoch.
///
/// # Errors
///
/// Another number of labels than rows; fewer than two classes; training that diverges; the training device fails.
pub fn fit(
    ClassifierConfig(options): &ClassifierConfig,
    data: &Table,
    labels: &[u8],
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<Classifier> {
    ensure!(
        labels.len() == data.rows(),
        "{} has {} rows but {} labels were given",
        data.source(),
        data.rows(),
        labels.len()
    );
    let classes = labels.iter().max().map_or(0, |&most| usize::from(most) + 1);
    ensure!(
        classes > 1,
        "{}: every label is the same, so there is nothing to tell apart",
        data.source()
    );
    let widths: Vec<usize> = std::iter::once(data.width())
        .chain(options.hidden.iter().copied())
        .chain(std::iter::once(classes))
        .collect();
    let mut net = DenseNet::hidden_and_last(
        &widths,
        Activation::Relu,
        Activation::Identity,
        options.weight_decay,
        &mut generator(options.seed, 0),
        &device.device,
    );
    let mut shuffle = generator(options.seed, 1);
    let mut noise = generator(options.seed, 2);
    let mut order: Vec<usize> = (0..data.rows()).collect();
    let steps = options.epochs * data.rows().div_ceil(options.batch);
    let mut step = 0;
    for epoch in 1..=options.epochs {
        order.shuffle(&mut shuffle);
        let mut losses: Vec<Tensor<1>> = Vec::new();
        for batch in order.chunks(options.batch) {
            let rows = batch
                .iter()
                .flat_map(|&row| &data.values()[row * data.width()..][..data.width()])
                .map(|value| value + options.noise * normal(&mut noise))
                .collect();
            let mut truth = vec![0.0f32; batch.len() * classes];
            for (row, &at) in truth.chunks_mut(classes).zip(batch) {
                row[usize::from(labels[at])] = 1.0;
            }
            let rows = tensors::upload(rows, data.width(), net.device());
            let truth = tensors::upload(truth, classes, net.device());
            let likelihood = activation::log_softmax(net.forward(rows), 1) * truth;
            let loss = likelihood.sum().div_scalar(-(batch.len() as f64));
            let done = step as f64 / steps as f64;
            let rate = options.learning_rate * Decay::Cosine.factor(done);
            net.descend(&loss, rate)?;
            losses.push(loss.inner());
            step += 1;
        }
        let losses = tensors::download(Tensor::cat(losses, 0))?;
        let loss = losses.iter().copied().map(f64::from).sum::<f64>() / losses.len() as f64;
        ensure!(
            loss.is_finite(),
            "training diverged in epoch {epoch}; lower the learning rate, which is {}",
            reading(options.learning_rate)
        );
        progress(Progress {
            step: epoch,
            steps: options.epochs,
            loss,
        });
    }
    Ok(Classifier {
        network: net.download()?,
    })
}

/// What the classifier makes of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Outputs of the last hidden layer.
    pub features: Vec<f64>,
    /// Probability of each class; they sum to 1.
    pub probabilities: Vec<f64>,
}

impl Judgement {
    /// The likeliest class.
    #[must_use]
    pub fn class(&self) -> usize {
        let p = &self.probabilities;
        (1..p.len()).fold(0, |best, at| if p[at] > p[best] { at } else { best })
    }

    /// Probability of the likeliest class.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.probabilities.iter().copied().fold(0.0, f64::max)
    }
}

impl Classifier {
    /// Judges one row in f64.
    #[must_use]
    pub fn judge(&self, row: &[f32]) -> Judgement {
        let row = row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let Some((last, hidden)) = self.network.layers.split_last() else {
            return Judgement {
                features: row,
                probabilities: Vec::new(),
            };
        };
        let features = hidden
            .iter()
            .fold(row, |input, layer| oracle::dense_layer(layer, &input));
        let logits = oracle::dense_layer(last, &features);
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
        let sum: f64 = shares.iter().sum();
        Judgement {
            features,
            probabilities: shares.iter().map(|share| share / sum).collect(),
        }
    }

    /// Share of rows whose likeliest class is their label.
    #[must_use]
    pub fn accuracy(&self, data: &Table, labels: &[u8]) -> f64 {
        let right = data
            .iter_rows()
            .zip(labels)
            .filter(|(row, label)| self.judge(row).class() == usize::from(**label));
        right.count() as f64 / data.rows() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, digit_labels, digits, split_labels};

    #[test]
    fn digits_are_told_apart() {
        let split = digits()
            .unwrap()
            .scaled(1.0 / DIGIT_MAX)
            .unwrap()
            .split_held_out()
            .unwrap();
        let (training, held_out) = split_labels(&digit_labels().unwrap());
        let options = ClassifierOptions {
            epochs: 15,
            ..ClassifierOptions::default()
        };
        let mut losses = Vec::new();
        let classifier = fit(
            &options.check().unwrap(),
            &split.training,
            &training,
            &TrainingDevice::cpu(),
            &mut |progress| losses.push(progress.loss),
        )
        .unwrap();
        assert!(losses[14] < 0.2 * losses[0], "{losses:?}");
        let accuracy = classifier.accuracy(&split.held_out, &held_out);
        assert!(accuracy > 0.94, "{accuracy}");
        let judgement = classifier.judge(split.held_out.row(0).unwrap());
        assert_eq!(judgement.features.len(), 64);
        assert!((judgement.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn wrong_labels_are_one_clear_sentence() {
        let data = Table::new("made.csv", Table::numbered_columns(1), vec![0.0, 1.0]).unwrap();
        let message = |labels: &[u8]| {
            let config = ClassifierOptions::default().check().unwrap();
            fit(&config, &data, labels, &TrainingDevice::cpu(), &mut |_| {})
                .unwrap_err()
                .to_string()
        };
        assert_eq!(message(&[0]), "made.csv has 2 rows but 1 labels were given");
        assert_eq!(
            message(&[0, 0]),
            "made.csv: every label is the same, so there is nothing to tell apart"
        );
    }
}
