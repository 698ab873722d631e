//! Small models of every kind, made without training.

use autodidact::backprop::Hidden;
use autodidact::kernels::{Channel, Order};
use autodidact::kmeans::Metric;
use autodidact::latent_class::{Column, Gaussian};
use autodidact::model::{ModelSpec, PartBody, PartSpec, RbmSpec, Task};
use autodidact::net::{Activation, Element};
use autodidact::num::Multiplier;
use autodidact::rbm::Units;
use autodidact::rng::{Generator, below};
use autodidact::scaler::{Affine, ScalerFeature};
use autodidact_tools::quantize::{
    AlignedBytes, Format, QuantisedLatentClass, QuantisedLayer, QuantisedModel, QuantisedNetwork,
    QuantisedPart, QuantisedStack, gmm,
};
use autodidact_tools::train::model::{CovarianceKind, Covariances, GmmModel};
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
            QuantisedPart::KMeans {
                metric: Metric::SquaredEuclidean,
                centroids: vec![4096, 0, -4096, 2048],
            },
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

/// A container of classical models over four features: every metric, components with variances, mixtures of
/// every covariance (one behind the components), latent classes of every kind of column.
///
/// # Panics
/// Never: the parameters are valid.
#[must_use]
pub fn classical() -> QuantisedModel {
    const WIDTH: usize = 4;
    let near = [4096, -2048, 1024, 8192, -9000, 300, 0, -4096];
    let half = 16_384; // one half in I1F15: rows of four have length one
    let unit = [half, half, half, half, half, -half, half, -half];
    let kmeans = |metric, centroids: &[i16]| QuantisedPart::KMeans {
        metric,
        centroids: centroids.to_vec(),
    };
    let components = QuantisedPart::Pca {
        mean: vec![100, -200, 300, 0],
        components: unit.to_vec(),
        // 4, 1/4 and 5 in all.
        variances: vec![4 << 24, 1 << 22, 5 << 24],
    };
    let mixture = |covariance, d: usize, input: Option<&str>| {
        let means: Vec<f64> = (0..2 * d).map(|at| at as f64 * 0.4 - 1.0).collect();
        let matrix = |scale: f64| {
            let entry = move |at: usize| if at / d == at % d { scale } else { 0.3 * scale };
            (0..d * d).map(entry)
        };
        let model = GmmModel {
            weights: vec![0.3, 0.7],
            means,
            covariances: match covariance {
                CovarianceKind::Diagonal => {
                    Covariances::Diagonal((0..2 * d).map(|at| 0.1 + at as f64).collect())
                }
                CovarianceKind::Tied => Covariances::Tied(matrix(0.8).collect()),
                CovarianceKind::Full => Covariances::Full(matrix(0.5).chain(matrix(2.0)).collect()),
            },
            k: 2,
            d,
            log_likelihood: f64::NAN,
            rounds: 0,
        };
        QuantisedPart::Gmm {
            input: input.map(Into::into),
            mixture: gmm(&model).expect("positive definite"),
        }
    };
    let bit = 4096; // one bit of surprisal
    let line = scaler(1)[0];
    let classes = QuantisedLatentClass {
        columns: vec![
            Column::categorical(2),
            Column::BERNOULLI,
            Column::GAUSSIAN,
            Column::GAUSSIAN,
        ],
        weights: vec![bit, bit],
        surprisals: vec![1700, 2 * bit, 2 * bit, 1700, bit, bit, bit, bit],
        lines: vec![line; 2],
        gaussians: vec![
            Gaussian::STANDARD,
            Gaussian::new(4096, 1 << 22),
            Gaussian::new(-9000, 3 << 24),
            Gaussian::STANDARD,
        ],
    };
    QuantisedModel {
        scaler: scaler(WIDTH),
        counts_range: (-2000, 2000),
        parts: vec![
            ("median".into(), kmeans(Metric::Manhattan, &near)),
            ("direction".into(), kmeans(Metric::Cosine, &unit)),
            ("components".into(), components),
            (
                "diagonal".into(),
                mixture(CovarianceKind::Diagonal, WIDTH, None),
            ),
            ("tied".into(), mixture(CovarianceKind::Tied, WIDTH, None)),
            ("full".into(), mixture(CovarianceKind::Full, WIDTH, None)),
            (
                "whitened".into(),
                mixture(CovarianceKind::Full, 2, Some("components")),
            ),
            ("classes".into(), QuantisedPart::LatentClass(classes)),
        ],
        text: vec![("lsb".into(), "0.00390625".into())],
    }
}

/// A container of clusters, components and networks over `width` features.
#[must_use]
pub fn every_kind(width: usize, seed: u64) -> QuantisedModel {
    let mut rng = Generator::from_seed(seed);
    let mut numbers = |len: usize, half: i32| -> Vec<i16> {
        let bound = 2 * half.unsigned_abs() + 1;
        (0..len)
            .map(|_| (below(&mut rng, bound).cast_signed() - half) as i16)
            .collect()
    };
    let clusters = QuantisedPart::KMeans {
        metric: Metric::SquaredEuclidean,
        centroids: numbers(5 * width, 20_000),
    };
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
            (
                "components".into(),
                QuantisedPart::Pca {
                    mean,
                    components,
                    variances: Vec::new(),
                },
            ),
            ("denoiser".into(), QuantisedPart::Network(denoiser)),
            ("autoencoder".into(), QuantisedPart::Network(autoencoder)),
        ],
        text: vec![
            ("lsb".into(), "0.00390625".into()),
            ("seed".into(), seed.to_string()),
        ],
    }
}

/// The bytes of a container of energy models over 21 features: a machine of either kind, a stack of two.
///
/// # Panics
/// Never: the parameters are valid.
#[must_use]
pub fn energy() -> AlignedBytes {
    const WIDTHS: [usize; 3] = [21, 18, 5];
    let mut rng = Generator::from_seed(784);
    let mut draw = |len: usize| -> Vec<i32> {
        (0..len)
            .map(|_| below(&mut rng, 255).cast_signed() - 127)
            .collect()
    };
    let weights = [0, 1].map(|at| -> Vec<i8> {
        let drawn = draw(WIDTHS[at] * WIDTHS[at + 1]);
        drawn.iter().map(|w| *w as i8).collect()
    });
    let biases = WIDTHS.map(|width| -> Vec<i32> { draw(width).iter().map(|b| b << 12).collect() });
    let machine = |at: usize, units, transposed| RbmSpec {
        units,
        scale: Multiplier::from_f64(1.0 / 64.0).expect("representable"),
        weights: &weights[at],
        visible_biases: &biases[at],
        hidden_biases: &biases[at + 1],
        transposed,
    };
    let stack = [
        machine(0, Units::Bernoulli, false),
        machine(1, Units::Bernoulli, true),
    ];
    let part = |name, body| PartSpec {
        name,
        input: None,
        body,
    };
    let parts = [
        part("binary", PartBody::Rbm(machine(0, Units::Bernoulli, true))),
        part("real", PartBody::Rbm(machine(0, Units::Gaussian, false))),
        part("stack", PartBody::Dbn(&stack)),
    ];
    let spec = ModelSpec {
        scaler: &scaler(WIDTHS[0]),
        counts_range: (-2000, 2000),
        parts: &parts,
        text: "seed: 784",
    };
    let mut bytes = AlignedBytes::zeroed(spec.encoded_len().expect("the model is valid"));
    spec.encode_into(&mut bytes).expect("the model is valid");
    bytes
}

/// A container of what `backprop` learns over six features: a stack for every function of its hidden units.
#[must_use]
pub fn stacks() -> QuantisedModel {
    const WIDTHS: [u16; 4] = [6, 9, 3, 6];
    let mut rng = Generator::from_seed(1986);
    let mut stack = |hidden| {
        let mut draw =
            |len: usize| -> Vec<i32> { (0..len).map(|_| rng.next_u32().cast_signed()).collect() };
        QuantisedStack {
            widths: WIDTHS.to_vec(),
            hidden,
            // Within ±1, one weight at the end of the range.
            weights: [i16::MIN]
                .into_iter()
                .chain(draw(98).iter().map(|w| (w >> 18) as i16))
                .collect(),
            biases: draw(18).iter().map(|b| b >> 6).collect(),
        }
    };
    let parts = [
        ("autoencoder", Hidden::Tanh, Task::Autoencoder),
        ("linear", Hidden::Relu, Task::Autoencoder),
        ("denoiser", Hidden::Elu, Task::Denoiser),
        ("logistic", Hidden::Sigmoid, Task::Denoiser),
    ]
    .map(|(name, hidden, task)| {
        let stack = stack(hidden);
        (name.into(), QuantisedPart::Stack { stack, task })
    });
    QuantisedModel {
        scaler: scaler(WIDTHS[0].into()),
        counts_range: (-2000, 2000),
        parts: parts.into(),
        text: vec![
            ("lsb".into(), "0.00390625".into()),
            ("noise_features".into(), "0.5".into()),
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
