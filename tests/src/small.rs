//! Small models of every kind, made without training.

use autodidact::kernels::{Channel, Order};
use autodidact::model::Task;
use autodidact::net::{Activation, Element};
use autodidact::rng::{Generator, below};
use autodidact::scaler::{Affine, ScalerFeature};
use autodidact_tools::quantize::{
    AlignedBytes, Format, QuantisedLayer, QuantisedModel, QuantisedNetwork, QuantisedPart,
};
use rand_core::Rng as _;

/// A scaler of `width` features: counts of 1/256, mean 0, standard deviation 1.
///
/// # Panics
/// Never: the line is representable.
#[must_use]
pub fn scaler(width: usize) -> Vec<ScalerFeature> {
    let line = |slope| Affine::from_f64(slope, 0.0).expect("representable");
    vec![
        ScalerFeature {
            to_feature: line(16.0),
            to_counts: line(1.0 / 16.0)
        };
        width
    ]
}

/// The container of FORMAT.md: two features, two centroids, one line of text.
#[must_use]
pub fn worked_example() -> QuantisedModel {
    QuantisedModel {
        scaler: scaler(2),
        counts_range: (-100, 100),
        parts: vec![(
            "clusters".into(),
            QuantisedPart::KMeans(vec![4096, 0, -4096, 2048]),
        )],
        text: vec![("lsb".into(), "1".into())],
    }
}

/// A network with random weights: every element type and activation in turn.
#[must_use]
pub fn random_network(widths: &[usize], task: Task, seed: u64) -> QuantisedNetwork {
    let mut rng = Generator::from_seed(seed);
    let layers = widths.len() - 1;
    let kinds = [Activation::Clamp, Activation::Sigmoid, Activation::Tanh];
    let mut input = Format::FEATURES;
    let layers = (0..layers)
        .map(|at| {
            let (inputs, outputs) = (widths[at], widths[at + 1]);
            let last = at + 1 == layers;
            let wide = last || at % 4 == 2;
            let activation = if last {
                Activation::Clamp
            } else {
                kinds[at % 3]
            };
            let zero_point = if wide || activation != Activation::Clamp {
                0
            } else {
                -5
            };
            let output = Format {
                element: if wide { Element::I16 } else { Element::I8 },
                zero_point,
                scale: 1.0 / 4096.0,
            };
            let clamp = match (wide, activation) {
                (true, _) => (i16::MIN, i16::MAX),
                (false, Activation::Clamp) => (zero_point, 127),
                (false, _) => (-128, 127),
            };
            let shift = if input.element == Element::I16 {
                41
            } else {
                38
            };
            let layer = QuantisedLayer {
                weights: (0..inputs * outputs)
                    .map(|_| below(&mut rng, 255) as i8)
                    .collect(),
                weight_scales: vec![1.0; outputs],
                inputs,
                channels: (0..outputs)
                    .map(|_| Channel {
                        bias: below(&mut rng, 20_000).cast_signed() - 10_000,
                        multiplier: (1 << 30) | (rng.next_u32() >> 2).cast_signed(),
                        shift,
                    })
                    .collect(),
                activation,
                input,
                output,
                clamp,
            };
            input = output;
            layer
        })
        .collect();
    QuantisedNetwork {
        task,
        code_layer: None,
        layers,
    }
}

/// A container with a part of every kind over `width` features.
#[must_use]
pub fn every_kind(width: usize, seed: u64) -> QuantisedModel {
    let mut rng = Generator::from_seed(seed);
    let mut numbers = |len: usize, half: i32| -> Vec<i16> {
        let bound = 2 * half.unsigned_abs() + 1;
        (0..len)
            .map(|_| (below(&mut rng, bound).cast_signed() - half) as i16)
            .collect()
    };
    let clusters = QuantisedPart::KMeans(numbers(5 * width, 20_000));
    let mean = numbers(width, 2_000);
    // Rows of at most unit length: entries below 2^15 / sqrt(width).
    let bound = (32_768.0 / (width as f64).sqrt()) as i32;
    let components = numbers(width.min(3) * width, bound - 1);
    let widths = [width, 13, 9, 6, 11, width];
    let denoiser = random_network(&widths, Task::Denoiser, seed + 1);
    let mut autoencoder = random_network(&widths, Task::Autoencoder, seed + 2);
    autoencoder.code_layer = Some(3);
    QuantisedModel {
        scaler: scaler(width),
        counts_range: (-2000, 2000),
        parts: vec![
            ("clusters".into(), clusters),
            ("components".into(), QuantisedPart::Pca { mean, components }),
            ("denoiser".into(), QuantisedPart::Network(denoiser)),
            ("autoencoder".into(), QuantisedPart::Network(autoencoder)),
        ],
        text: vec![
            ("lsb".into(), "0.00390625".into()),
            ("seed".into(), seed.to_string()),
        ],
    }
}

/// The bytes of a model.
///
/// # Panics
/// When the model does not encode: these models do.
#[must_use]
pub fn encode(model: &QuantisedModel, order: Order) -> AlignedBytes {
    model.encode(order).expect("the model is valid")
}

/// Rows of counts that reach all of the features' range.
#[must_use]
pub fn random_counts(rows: usize, width: usize, seed: u64) -> Vec<i16> {
    let mut rng = Generator::from_seed(seed);
    (0..rows * width)
        .map(|_| (below(&mut rng, 4400).cast_signed() - 2200) as i16)
        .collect()
}
