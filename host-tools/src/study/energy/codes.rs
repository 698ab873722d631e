//! Deep autoencoders against as many principal components.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{Bar, Figure, machines::images};
use crate::{
    data::{DIGIT_MAX, Scaling, Standardiser, Table, digit_labels, split_labels},
    oracle::{self, Projection},
    train::{
        deep_autoencoder::{self, DeepAutoencoderOptions},
        device::TrainingDevice,
        model::{Activation, DenseStack},
        pca::{self, PcaOptions},
        rbm::RbmOptions,
    },
};

/// Neighbours that vote.
const NEIGHBOURS: usize = 5;

/// Mean squared error of a test image by 30 principal components of the 10,000 training images.
const PCA_30: f64 = 13.97;

/// Two-dimensional codes of the held-out digits by a deep autoencoder and by principal components.
#[derive(Clone, Debug)]
pub struct DigitCodes {
    /// Of the network: training rows, held-out rows.
    pub deep: [Vec<Vec<f64>>; 2],
    /// The first two scores of the components: training rows, held-out rows.
    pub linear: [Vec<Vec<f64>>; 2],
    /// The digits that they show.
    pub labels: [Vec<u8>; 2],
    /// Wall-clock seconds that the network took.
    pub seconds: f64,
}

/// Trains 64-128-64-2 on the training digits and encodes all of them.
///
/// # Errors
///
/// Training fails.
pub fn digit_codes(device: &TrainingDevice) -> Result<DigitCodes> {
    let split = crate::data::digits()?
        .scaled(1.0 / DIGIT_MAX)?
        .split_held_out()?;
    let pixels = Scaling::Uniform.fit(&split.training)?;
    let training = pixels.transform(&split.training)?;
    let held_out = pixels.transform(&split.held_out)?;
    let options = DeepAutoencoderOptions {
        encoder: vec![128, 64, 2],
        pretraining: Some(RbmOptions {
            epochs: 50,
            weight_decay: 2e-4,
            ..RbmOptions::default()
        }),
        epochs: 300,
        batch: 32,
        learning_rate: 3e-3,
        ..DeepAutoencoderOptions::default()
    };
    let config = options.check()?;
    let start = Instant::now();
    let stack = deep_autoencoder::fit(&config, &training, Some(&pixels), device, &mut |_| {})?;
    let seconds = start.elapsed().as_secs_f64();
    let encoder = DenseStack {
        layers: stack.layers[..config.code_layer()].to_vec(),
    };
    let components = Projection::from(&pca::fit(
        &PcaOptions { components: 2 }.check()?,
        &training,
        device,
    )?);
    let (training_labels, held_out_labels) = split_labels(&digit_labels()?);
    Ok(DigitCodes {
        deep: [&training, &held_out].map(|rows| each(rows, &|row| oracle::forward(&encoder, row))),
        linear: [&training, &held_out].map(|rows| each(rows, &|row| components.project(row))),
        labels: [training_labels, held_out_labels],
        seconds,
    })
}

fn each(rows: &Table, code: &dyn Fn(&[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
    let rows = rows.iter_rows();
    rows.map(|row| code(&row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()))
        .collect()
}

/// The share of rows whose label is that of most of their nearest `k` training rows; of equally frequent
/// labels the one that occurs nearest.
#[must_use]
pub fn neighbour_accuracy(codes: &[Vec<Vec<f64>>; 2], labels: &[Vec<u8>; 2], k: usize) -> f64 {
    let [training, judged] = codes;
    let right = judged.iter().zip(&labels[1]).filter(|(row, label)| {
        let distance = |other: &[f64]| -> f64 {
            let pairs = other.iter().zip(row.iter());
            pairs.map(|(a, b)| (a - b).powi(2)).sum()
        };
        let mut neighbours: Vec<(f64, u8)> = training
            .iter()
            .map(|other| distance(other))
            .zip(labels[0].iter().copied())
            .collect();
        neighbours.sort_by(|a, b| a.0.total_cmp(&b.0));
        neighbours.truncate(k);
        let votes = |label: u8| neighbours.iter().filter(|n| n.1 == label).count();
        // Of equal counts `max_by_key` takes the last: hence from the farthest to the nearest.
        let winner = neighbours.iter().rev().max_by_key(|n| votes(n.1));
        winner.is_some_and(|winner| winner.1 == **label)
    });
    right.count() as f64 / judged.len() as f64
}

/// Neighbours in two dimensions.
pub(super) fn digits(device: &TrainingDevice, report: &mut dyn FnMut(Figure)) -> Result<()> {
    let codes = digit_codes(device)?;
    let linear = neighbour_accuracy(&codes.linear, &codes.labels, NEIGHBOURS);
    let deep = neighbour_accuracy(&codes.deep, &codes.labels, NEIGHBOURS);
    let name = "digits, 2 principal components: 5-neighbour accuracy";
    report(Figure::new(name, linear, 0.0));
    let name = "digits, 2-d code of 64-128-64-2: 5-neighbour accuracy";
    report(Figure::new(name, deep, codes.seconds).bar(Bar::AtLeast(linear)));
    Ok(())
}

/// 784-256-128-30: squared error of a test image.
pub(super) fn mnist(
    folder: &Path,
    device: &TrainingDevice,
    report: &mut dyn FnMut(Figure),
) -> Result<()> {
    let training = images(folder, "train10k-images-idx3-ubyte.gz")?;
    let test = images(folder, "t10k-images-idx3-ubyte.gz")?;
    let pixels = Scaling::Uniform.fit(&training)?;
    let features = pixels.transform(&training)?;
    let start = Instant::now();
    let config = PcaOptions { components: 30 }.check()?;
    let components = Projection::from(&pca::fit(&config, &features, device)?);
    let linear = |row: &[f64]| components.reconstruct(&components.project(row));
    let name = "MNIST, 30 principal components: squared error of an image";
    let error = squared_error(&test, &pixels, false, &linear)?;
    report(Figure::new(name, error, start.elapsed().as_secs_f64()));

    let options = DeepAutoencoderOptions {
        encoder: vec![256, 128, 30],
        hidden_activation: Activation::Relu,
        pretraining: None,
        epochs: 30,
        batch: 50,
        learning_rate: 3e-3,
        ..DeepAutoencoderOptions::default()
    };
    let start = Instant::now();
    let stack = deep_autoencoder::fit(
        &options.check()?,
        &features,
        Some(&pixels),
        device,
        &mut |_| {},
    )?;
    let seconds = start.elapsed().as_secs_f64();
    let deep = |row: &[f64]| oracle::forward(&stack, row);
    let name = "MNIST 784-256-128-30: squared error of a test image";
    let error = squared_error(&test, &pixels, false, &deep)?;
    report(Figure::new(name, error, seconds).bar(Bar::AtMost(PCA_30)));
    let name = "MNIST 784-256-128-30: the same, clipped to 0..=1";
    let error = squared_error(&test, &pixels, true, &deep)?;
    report(Figure::new(name, error, 0.0));
    Ok(())
}

/// Mean over the rows of the squared error in pixels.
fn squared_error(
    rows: &Table,
    pixels: &Standardiser,
    clip: bool,
    restored: &dyn Fn(&[f64]) -> Vec<f64>,
) -> Result<f64> {
    let features = pixels.transform(rows)?;
    let mut sum = 0.0;
    for (row, features) in rows.iter_rows().zip(features.iter_rows()) {
        let features: Vec<f64> = features.iter().map(|&x| f64::from(x)).collect();
        let lines = pixels.std.iter().zip(&pixels.mean);
        for ((x, y), (std, mean)) in row.iter().zip(restored(&features)).zip(lines) {
            let y = y * std + mean;
            let y = if clip { y.clamp(0.0, 1.0) } else { y };
            sum += (f64::from(*x) - y).powi(2);
        }
    }
    Ok(sum / rows.rows() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_vote_and_the_nearest_breaks_ties() {
        let points =
            |values: &[f64]| -> Vec<Vec<f64>> { values.iter().map(|&x| vec![x]).collect() };
        let codes = [
            points(&[0.0, 1.0, 2.0, 10.0, 11.0]),
            points(&[0.4, 10.6, 5.9]),
        ];
        let labels = [vec![1, 1, 2, 2, 3], vec![1, 3, 2]];
        // Of three neighbours: 1, 1, 2; then 3, 2, 2; then 2, 2 (at 2 and 10), 1.
        let accuracy = neighbour_accuracy(&codes, &labels, 3);
        assert!((accuracy - 2.0 / 3.0).abs() < 1e-12);
        // Of two, 3 at 11 beats 2 at 10 for 10.6.
        let accuracy = neighbour_accuracy(&codes, &labels, 2);
        assert!((accuracy - 1.0).abs() < 1e-12);
    }
}
