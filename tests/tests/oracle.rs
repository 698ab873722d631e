//! The device's integers against textbook f64, within the bounds that the docs state.

use autodidact::kernels::Order;
use autodidact::model::{Body, Model};
use autodidact::net::{Activation, Element, Layer};
use autodidact_tests::small;
use autodidact_tools::oracle;

/// Features that reach all of the format, corners included.
fn features(width: usize, seed: u64) -> Vec<Vec<i16>> {
    let mut rows: Vec<Vec<i16>> = small::random_counts(40, width, seed)
        .chunks(width)
        .map(|row| row.iter().map(|c| c.saturating_mul(15)).collect())
        .collect();
    rows.push(vec![i16::MIN; width]);
    rows.push(vec![i16::MAX; width]);
    rows.push(vec![0; width]);
    rows
}

fn real(features: &[i16]) -> Vec<f64> {
    features.iter().map(|x| f64::from(*x) / 4096.0).collect()
}

#[test]
fn nearest_centroids_and_distances_are_those_of_f64() {
    for width in 1..30 {
        let bytes = small::encode(&small::every_kind(width, width as u64), Order::RowMajor);
        let model = Model::load(&bytes).unwrap();
        let kmeans = model.kmeans("clusters").unwrap();
        let centroids: Vec<f64> = (0..kmeans.k())
            .flat_map(|j| real(kmeans.centroid(j).unwrap()))
            .collect();
        for row in features(width, 50 + width as u64) {
            let found = kmeans.nearest(&row).unwrap();
            let exact = oracle::nearest(&centroids, &real(&row));
            // Both sums are exact: multiples of 2^-24 below 2^53.
            assert_eq!(found.index as usize, exact.index);
            assert_eq!(found.distance as f64 / 16_777_216.0, exact.squared_distance);
        }
    }
}

#[test]
fn projections_stay_within_their_error_bounds() {
    for width in 1..30 {
        let bytes = small::encode(&small::every_kind(width, width as u64), Order::RowMajor);
        let model = Model::load(&bytes).unwrap();
        let pca = model.pca("components").unwrap();
        let (k, mean) = (pca.k(), real(pca.mean()));
        let rows: Vec<Vec<f64>> = (0..k)
            .map(|i| {
                pca.component(i)
                    .unwrap()
                    .iter()
                    .map(|u| f64::from(*u) / 32_768.0)
                    .collect()
            })
            .collect();
        for row in features(width, 90 + width as u64) {
            let centred: Vec<f64> = real(&row).iter().zip(&mean).map(|(x, m)| x - m).collect();
            let exact: Vec<f64> = rows
                .iter()
                .map(|u| u.iter().zip(&centred).map(|(u, x)| u * x).sum())
                .collect();
            let mut scores = vec![0; k];
            pca.project_into(&row, &mut scores).unwrap();
            for (score, exact) in scores.iter().zip(&exact) {
                // Half a unit, and nothing else: the sum is exact.
                assert!((f64::from(*score) - exact * 4096.0).abs() <= 0.5 + 1e-6);
            }
            let mut restored = vec![0; width];
            pca.reconstruct_into(&scores, &mut restored).unwrap();
            let bound = (1.0 + (k as f64).sqrt()) / 2.0 + 1e-6;
            for (column, x) in restored.iter().enumerate() {
                let sum: f64 = rows.iter().zip(&exact).map(|(u, y)| u[column] * y).sum();
                let exact = ((mean[column] + sum) * 4096.0).clamp(-32_768.0, 32_767.0);
                // Columns of these random components are up to twice as long as orthonormal ones.
                assert!(
                    (f64::from(*x) - exact).abs() <= 2.0 * bound,
                    "{x} against {exact}"
                );
            }
            let residual: u64 = row
                .iter()
                .zip(&restored)
                .map(|(x, y)| (i64::from(*x) - i64::from(*y)).pow(2).unsigned_abs())
                .sum();
            assert_eq!(pca.residual(&row, &scores).unwrap(), residual);
        }
    }
}

/// One layer in f64 from its integers: scale, activation, rounding; and the error allowed, in units.
fn layer_in_f64(layer: &Layer<'_>, input: &[f64]) -> Vec<(f64, f64)> {
    (0..layer.weights.rows())
        .map(|row| {
            let channel = layer.channels[row];
            let sum: f64 = input
                .iter()
                .enumerate()
                .map(|(col, x)| f64::from(layer.weights.get(row, col)) * x)
                .sum::<f64>()
                + f64::from(channel.bias);
            let factor = f64::from(channel.multiplier) / 2f64.powi(channel.shift as i32);
            let scaled = sum * factor;
            let clamped = |v: f64| v.clamp(f64::from(layer.min), f64::from(layer.max));
            match layer.activation {
                Activation::Clamp => (clamped(scaled + f64::from(layer.zero_point)), 0.5 + 1e-6),
                activation => {
                    // The sum is rounded to I4F12 and saturates there.
                    let z = scaled.clamp(-32_768.0, 32_767.0) / 4096.0;
                    let (unit, offset) = match (activation, layer.output) {
                        (Activation::Sigmoid, Element::I8) => (256.0, -128.0),
                        (Activation::Tanh, Element::I8) => (128.0, 0.0),
                        _ => (32_768.0, 0.0),
                    };
                    let (value, slope) = match activation {
                        Activation::Sigmoid => (1.0 / (1.0 + (-z).exp()), 0.25),
                        _ => (z.tanh(), 1.0),
                    };
                    // Half a unit of the output, half a unit of I4F12 through the steepest slope,
                    // and the lookup's own 5e-5.
                    let allowed = 0.5 + unit * (slope / 8192.0 + 5e-5) + 1e-6;
                    (clamped(value * unit + offset), allowed + 0.5)
                }
            }
        })
        .collect()
}

#[test]
fn every_layer_stays_within_half_a_unit_of_f64() {
    for width in 1..30 {
        let bytes = small::encode(&small::every_kind(width, width as u64), Order::RowMajor);
        let model = Model::load(&bytes).unwrap();
        for part in model.parts() {
            let Body::Network(network, _) = &part.body else {
                continue;
            };
            for row in features(width, 130 + width as u64) {
                // Layer by layer, each from the integers that the device hands on.
                let mut input = row.clone();
                for depth in 1..=network.layers().len() {
                    let layer = network.layers()[depth - 1];
                    let x: Vec<f64> = input.iter().map(|x| f64::from(*x)).collect();
                    let exact = layer_in_f64(&layer, &x);
                    let output = run_one(&layer, &input);
                    for (y, (exact, allowed)) in output.iter().zip(&exact) {
                        let error = (f64::from(*y) - exact).abs();
                        assert!(error <= *allowed, "layer {depth}: {y} against {exact}");
                    }
                    input = output;
                }
                let mut workspace = vec![0; network.workspace_bytes()];
                let mut whole = vec![0; width];
                network.run(&mut workspace, &row, &mut whole).unwrap();
                assert_eq!(whole, input, "layer by layer is the whole run");
            }
        }
    }
}

/// One layer by its definition in integers, activations as `i16` whatever their type.
fn run_one(layer: &Layer<'_>, input: &[i16]) -> Vec<i16> {
    use autodidact::num::{requantize, sigmoid, tanh};
    (0..layer.weights.rows())
        .map(|row| {
            let channel = layer.channels[row];
            let acc = input
                .iter()
                .enumerate()
                .fold(channel.bias, |acc, (col, x)| {
                    acc + i32::from(layer.weights.get(row, col)) * i32::from(*x)
                });
            let sum = requantize(acc, channel.multiplier, channel.shift);
            let wide = sum.clamp(-32_768, 32_767) as i16;
            let value = match (layer.activation, layer.output) {
                (Activation::Clamp, _) => sum.saturating_add(i32::from(layer.zero_point)),
                (Activation::Sigmoid, Element::I8) => {
                    ((i32::from(sigmoid(wide) >> 1) + 64) >> 7) - 128
                }
                (Activation::Sigmoid, _) => i32::from(sigmoid(wide) >> 1),
                (_, Element::I8) => (i32::from(tanh(wide)) + 128) >> 8,
                (_, Element::I16) => i32::from(tanh(wide)),
            };
            value.clamp(i32::from(layer.min), i32::from(layer.max)) as i16
        })
        .collect()
}

#[test]
fn a_code_comes_out_of_the_encoder_and_goes_into_the_decoder() {
    let bytes = small::encode(&small::every_kind(9, 3), Order::Quads);
    let model = Model::load(&bytes).unwrap();
    let autoencoder = model.autoencoder("autoencoder").unwrap();
    let network = autoencoder.network();
    let mut workspace = vec![0; network.workspace_bytes()];
    for row in features(9, 4) {
        let mut code = vec![0; network.code_len().unwrap()];
        network.encode(&mut workspace, &row, &mut code).unwrap();
        let mut decoded = vec![0; 9];
        network.decode(&mut workspace, &code, &mut decoded).unwrap();
        let mut whole = vec![0; 9];
        let error = autoencoder
            .reconstruction_error(&mut workspace, &row, &mut whole)
            .unwrap();
        assert_eq!(decoded, whole);
        let exact: u64 = row
            .iter()
            .zip(&whole)
            .map(|(x, y)| (i64::from(*x) - i64::from(*y)).pow(2).unsigned_abs())
            .sum();
        assert_eq!(error, exact);
    }
}

#[test]
fn a_part_of_another_kind_or_task_is_refused_with_both_named() {
    let bytes = small::encode(&small::every_kind(4, 3), Order::RowMajor);
    let model = Model::load(&bytes).unwrap();
    let message = model.kmeans("denoiser").unwrap_err().to_string();
    assert_eq!(message, "the part is a network, not a k-means");
    let message = model.denoiser("autoencoder").unwrap_err().to_string();
    assert_eq!(
        message,
        "the network was trained as an autoencoder, not as a denoiser"
    );
    assert!(model.pca("nothing").is_err());
}
