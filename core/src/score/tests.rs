//! Samplers against densities that are known.

use super::*;
use crate::kernels::{Channel, Matrix, Order};
use crate::model::{Body, GraphSpec, Model, ModelSpec, OpSpec, PartBody, PartSpec};
use crate::net::{Activation, Element, Layer, Network, OpKind, OpRecord};
use crate::num::Multiplier;
use crate::rng::{Generator, below};
use crate::scaler::{Affine, ScalerFeature};
use std::vec;
use std::vec::Vec;

/// `0.8 N((5, 5), sigma^2 I) + 0.2 N((-5, -5), sigma^2 I)` at standard deviations that replace the components' own,
/// the experiment of Song and Ermon (2019, figure 3): D is the posterior mean of the component's centre.
struct TwoModes {
    sigmas: Vec<f64>,
}

impl Score for TwoModes {
    fn dimensions(&self) -> usize {
        2
    }
    fn levels(&self) -> u16 {
        self.sigmas.len() as u16
    }
    fn sigma(&self, level: u16) -> u32 {
        (self.sigmas[usize::from(level)] * f64::from(ONE)) as u32
    }
    fn residual_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError> {
        let variance = self.sigmas[usize::from(level)].powi(2);
        let x = [0, 1].map(|at: usize| f64::from(state[at]) / f64::from(ONE));
        // log odds of the two components: |x + 5|^2 - |x - 5|^2 = 20 (x_0 + x_1).
        let odds = 4f64.ln() + 20.0 * (x[0] + x[1]) / (2.0 * variance);
        let mean = 10.0 / (1.0 + (-odds).exp()) - 5.0;
        for (r, x) in residual.iter_mut().zip(x) {
            *r = ((mean - x) * f64::from(ONE)).round() as i32;
        }
        Ok(())
    }
}

/// Share of 1280 chains from `U[-8, 8]^2` that end in the minor mode.
fn minor_share(sigmas: Vec<f64>, steps: u16, seed: u64) -> f64 {
    const CHAINS: u32 = 1280;
    let mut rng = Generator::from_seed(seed);
    let schedule = Schedule::new((0.1 * f64::from(1 << 30)) as u32, steps, false).unwrap();
    let mut score = TwoModes { sigmas };
    let (mut state, mut residual) = ([0; 2], [0; 2]);
    let mut minor = 0;
    for _ in 0..CHAINS {
        let mut walk =
            AnnealedLangevin::new(&mut score, schedule, &mut state, &mut residual).unwrap();
        for x in walk.state_mut() {
            *x = below(&mut rng, 16 << 20).cast_signed() - (8 << 20);
        }
        while walk.step(&mut rng).unwrap().is_some() {}
        minor += u32::from(walk.state()[0] + walk.state()[1] < 0);
    }
    f64::from(minor) / f64::from(CHAINS)
}

#[test]
fn plain_langevin_gets_the_weights_of_two_modes_wrong() {
    // Reference: 0.491 +- 0.008.
    let share = minor_share(vec![1.0], 1000, 1);
    assert!((share - 0.49).abs() <= 0.02, "{share}");
}

#[test]
fn annealed_langevin_gets_them_nearly_right() {
    // Reference: 0.217 +- 0.007; independent samples 0.196 +- 0.011.
    let sigmas = (0..10)
        .map(|i| 20f64.powf(1.0 - f64::from(i) / 9.0))
        .collect();
    let share = minor_share(sigmas, 100, 2);
    assert!((share - 0.217).abs() <= 0.02, "{share}");
}

/// Containers start at a multiple of eight.
fn container(spec: &ModelSpec<'_>) -> Vec<u64> {
    let len = spec.encoded_len().unwrap();
    let mut words = vec![0u64; len.div_ceil(8)];
    let bytes: &mut [u8] = zerocopy::IntoBytes::as_mut_bytes(&mut words[..]);
    spec.encode_into(&mut bytes[..len]).unwrap();
    words
}

const MEANS: [f64; 3] = [1.5, -0.75, 0.0];

/// The network of `N(mean, I)` under the preconditioning of Karras et al. with data of unit variance around 0:
/// `D(x) = (x + sigma^2 mean) / (1 + sigma^2)`, so that F is `sigma mean / sqrt(1 + sigma^2)`, a bias a level.
fn normal_network(sigmas: &[f64]) -> Vec<u64> {
    let levels: Vec<Level> = sigmas
        .iter()
        .map(|s| Level::preconditioned(*s, 1.0, (1.0 + s * s).sqrt()).unwrap())
        .collect();
    // Units of 2^-16 before scaling, so that the bias is exact to that.
    let scale = Multiplier::from_f64(1.0 / 16.0).unwrap();
    let channels: Vec<Channel> = sigmas
        .iter()
        .flat_map(|s| MEANS.map(|mean| mean * s / (1.0 + s * s).sqrt()))
        .map(|output| Channel::new((output * 65_536.0).round() as i32, scale))
        .collect();
    let mut record = OpRecord::wide(OpKind::Dense, 0, &[1, 1, 3]);
    record.conditioned = 1;
    record.order = Order::RowMajor as u8;
    let ops = [OpSpec {
        record,
        weights: &[0; 9],
        channels: &channels,
        addition: None,
    }];
    let graph = GraphSpec {
        input: [1, 1, 3],
        code_op: None,
        ops: &ops,
    };
    let line = |slope| Affine::from_f64(slope, 0.0).unwrap();
    let scaler = [ScalerFeature {
        to_feature: line(16.0),
        to_counts: line(1.0 / 16.0),
    }; 3];
    container(&ModelSpec {
        scaler: &scaler,
        counts_range: (-2000, 2000),
        parts: &[PartSpec {
            name: "score",
            input: None,
            body: PartBody::Score(graph, &levels),
        }],
        text: "",
    })
}

fn bytes_of(words: &[u64]) -> &[u8] {
    let bytes: &[u8] = zerocopy::IntoBytes::as_bytes(words);
    let len = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    &bytes[..len]
}

const SIGMAS: [f64; 8] = [6.0, 3.5, 2.0, 1.2, 0.7, 0.4, 0.23, 0.13];

#[test]
fn a_network_from_a_container_has_the_residual_of_its_density() {
    let words = normal_network(&SIGMAS);
    let model = Model::load(bytes_of(&words)).unwrap();
    let network = model.score("score").unwrap();
    assert!(matches!(model.parts().next().unwrap().body, Body::Score(_)));
    let mut workspace = vec![0; network.workspace_bytes()];
    let mut features = vec![0; network.features_len()];
    let mut score = network.with_memory(&mut workspace, &mut features).unwrap();
    let mut rng = Generator::from_seed(5);
    for (level, sigma) in SIGMAS.iter().enumerate() {
        for _ in 0..200 {
            let state = [0; 3].map(|_: i32| noise(&mut rng, (sigma * f64::from(ONE)) as u32));
            let mut residual = [0; 3];
            score
                .residual_into(level as u16, &state, &mut residual)
                .unwrap();
            for ((x, r), mean) in state.iter().zip(residual).zip(MEANS) {
                let x = f64::from(*x) / f64::from(ONE);
                let exact = sigma * sigma * (mean - x) / (1.0 + sigma * sigma);
                // F is rounded to half a unit of 2^-12, and multiplied with c_out.
                let bound = 0.6 / 4096.0 * sigma / (1.0 + sigma * sigma).sqrt() + 3e-6;
                let found = f64::from(r) / f64::from(ONE);
                assert!((found - exact).abs() <= bound, "{level}: {found} {exact}");
            }
        }
    }
}

#[test]
fn samples_of_a_network_have_its_density() {
    let words = normal_network(&SIGMAS);
    let model = Model::load(bytes_of(&words)).unwrap();
    let network = model.score("score").unwrap();
    let mut workspace = vec![0; network.workspace_bytes()];
    let mut features = vec![0; network.features_len()];
    let mut score = network.with_memory(&mut workspace, &mut features).unwrap();
    let schedule = Schedule::new((0.2 * f64::from(1 << 30)) as u32, 20, false).unwrap();
    let mut rng = Generator::from_seed(6);
    let (mut state, mut residual) = ([0; 3], [0; 3]);
    const N: usize = 3000;
    let mut sums = [[0.0; 2]; 3];
    for _ in 0..N {
        let mut walk =
            AnnealedLangevin::new(&mut score, schedule, &mut state, &mut residual).unwrap();
        walk.scatter(&mut rng);
        let mut last = None;
        while let Some(progress) = walk.step(&mut rng).unwrap() {
            last = Some(progress);
        }
        let end = Progress {
            level: 7,
            step: 20,
            done: 160,
        };
        assert_eq!(last, Some(end));
        let mut sample = [0; 3];
        walk.features_into(&mut sample).unwrap();
        for (sum, x) in sums.iter_mut().zip(sample) {
            let x = f64::from(x) / 4096.0;
            sum[0] += x;
            sum[1] += x * x;
        }
    }
    for (sum, mean) in sums.iter().zip(MEANS) {
        // What the walk does to mean and variance, exactly: this schedule forgets neither wholly.
        let (mut expected, mut spread) = (0.0, SIGMAS[0].powi(2));
        for sigma in SIGMAS {
            let pull = 0.1 * sigma * sigma / (1.0 + sigma * sigma);
            for _ in 0..20 {
                expected += pull * (mean - expected);
                spread = (1.0 - pull).powi(2) * spread + 0.2 * sigma * sigma;
            }
        }
        let found = sum[0] / N as f64;
        let variance = sum[1] / N as f64 - found * found;
        // Four standard errors.
        let error = 4.0 / (N as f64).sqrt();
        assert!(
            (found - expected).abs() < error * spread.sqrt(),
            "{found} {expected}"
        );
        assert!(
            (variance / spread - 1.0).abs() < error * 2f64.sqrt(),
            "{variance} {spread}"
        );
    }
}

/// Two elements that are equal but for a deviation of 0.3, of unit variance.
struct Pair {
    sigmas: [f64; 6],
}

impl Score for Pair {
    fn dimensions(&self) -> usize {
        2
    }
    fn levels(&self) -> u16 {
        6
    }
    fn sigma(&self, level: u16) -> u32 {
        (self.sigmas[usize::from(level)] * f64::from(ONE)) as u32
    }
    fn residual_into(&mut self, level: u16, x: &[i32], r: &mut [i32]) -> Result<(), ShapeError> {
        let v = self.sigmas[usize::from(level)].powi(2);
        // Along (1, 1) / sqrt 2 the variance is 2 - 0.045, across 0.045.
        let (sum, difference) = (
            f64::from(x[0]) + f64::from(x[1]),
            f64::from(x[0]) - f64::from(x[1]),
        );
        let sum = sum * 1.955 / (1.955 + v);
        let difference = difference * 0.045 / (0.045 + v);
        r[0] = ((sum + difference) / 2.0) as i32 - x[0];
        r[1] = ((sum - difference) / 2.0) as i32 - x[1];
        Ok(())
    }
}

#[test]
fn what_is_missing_follows_from_what_is_known() {
    let mut rng = Generator::from_seed(7);
    let schedule = Schedule::new((0.2 * f64::from(1 << 30)) as u32, 150, true).unwrap();
    let (mut state, mut residual) = ([0; 2], [0; 2]);
    let mut score = Pair {
        sigmas: [4.0, 2.0, 1.0, 0.5, 0.25, 0.12],
    };
    let known = [6144, 0];
    let mut sum = 0.0;
    const N: u32 = 400;
    for _ in 0..N {
        let inpainting = Inpainting {
            known: &known,
            mask: &[true, false],
        };
        let walk = AnnealedLangevin::new(&mut score, schedule, &mut state, &mut residual).unwrap();
        let mut walk = walk.inpainting(inpainting).unwrap();
        walk.scatter(&mut rng);
        while walk.step(&mut rng).unwrap().is_some() {}
        assert_eq!(
            walk.state()[0],
            from_feature(6144),
            "the known part is left as it is"
        );
        sum += f64::from(walk.state()[1]) / f64::from(ONE);
    }
    // The conditional mean: 1.5 times the correlation, 0.955.
    let mean = sum / f64::from(N);
    assert!((mean - 1.43).abs() < 0.08, "{mean}");
}

/// All data in one point: a state is that point and noise, of which a step leaves the share that it does not take.
struct Point {
    sigmas: [f64; 5],
}

/// Elements of a point.
const ELEMENTS: usize = 4096;

impl Score for Point {
    fn dimensions(&self) -> usize {
        ELEMENTS
    }
    fn levels(&self) -> u16 {
        5
    }
    fn sigma(&self, level: u16) -> u32 {
        (self.sigmas[usize::from(level)] * f64::from(ONE)) as u32
    }
    fn residual_into(&mut self, _: u16, x: &[i32], r: &mut [i32]) -> Result<(), ShapeError> {
        for (r, x) in r.iter_mut().zip(x) {
            *r = 3 * ONE - x;
        }
        Ok(())
    }
}

#[test]
fn consistent_noise_is_that_of_the_next_steps_level() {
    // Every step takes enough to reach the next level: 1 - gamma / 2 is below all ratios.
    let sigmas = [16.0, 8.0, 3.0, 1.0, 0.35];
    let mut score = Point { sigmas };
    for (gamma, denoise) in [(1.9, true), (1.9, false), (1.4, false)] {
        let schedule = Schedule::new((gamma * f64::from(1 << 30)) as u32, 2, denoise).unwrap();
        let mut rng = Generator::from_seed(11);
        let (mut state, mut residual) = (vec![0; ELEMENTS], vec![0; ELEMENTS]);
        let mut walk =
            AnnealedLangevin::new(&mut score, schedule.consistent(), &mut state, &mut residual)
                .unwrap();
        walk.scatter(&mut rng);
        // Where it starts, the point is not yet in the mean.
        walk.state_mut().iter_mut().for_each(|x| *x += 3 * ONE);
        while let Some(progress) = walk.step(&mut rng).unwrap() {
            let noise = walk
                .state()
                .iter()
                .map(|&x| f64::from(x) / f64::from(ONE) - 3.0);
            let found = (noise.map(|x| x * x).sum::<f64>() / ELEMENTS as f64).sqrt();
            if progress.step > 2 {
                assert!(found < 1e-5, "{found}");
                continue;
            }
            let next = usize::from(progress.level) + usize::from(progress.step == 2);
            let expected = sigmas[next.min(4)];
            // Four standard errors of a standard deviation from 4096 elements.
            assert!(
                (found / expected - 1.0).abs() < 0.045,
                "{progress:?}: {found} {expected}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_sample() {
    // Golden: printed once by this test, kept so that no release changes what a seed gives.
    let words = normal_network(&SIGMAS);
    let model = Model::load(bytes_of(&words)).unwrap();
    let network = model.score("score").unwrap();
    let mut workspace = vec![0; network.workspace_bytes()];
    let mut features = vec![0; network.features_len()];
    let mut score = network.with_memory(&mut workspace, &mut features).unwrap();
    let schedule = Schedule::new(1 << 28, 5, true).unwrap();
    for (schedule, expected) in [
        (schedule, [1_401_662, -2_660_680, -1_018_000]),
        (schedule.consistent(), [1_803_389, -1_500_070, -1_243_148]),
    ] {
        let mut rng = Generator::from_seed(42);
        let (mut state, mut residual) = ([0; 3], [0; 3]);
        let mut walk =
            AnnealedLangevin::new(&mut score, schedule, &mut state, &mut residual).unwrap();
        walk.scatter(&mut rng);
        while walk.step(&mut rng).unwrap().is_some() {}
        assert_eq!(walk.state(), expected);
    }
}

/// `A(x) = x / 2` of two features.
fn halver() -> [Channel; 2] {
    // Weights of 64: 2^6 · 2^30 / 2^37.
    let channel = Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 37,
    };
    [channel; 2]
}

fn network<'a>(weights: &'a [i8; 4], channels: &'a [Channel; 2], rows: usize) -> Network<'a> {
    let layer = Layer {
        weights: Matrix::new(&weights[..2 * rows], rows, 2, Order::RowMajor).unwrap(),
        channels: &channels[..rows],
        activation: Activation::Clamp,
        input: Element::I16,
        output: Element::I16,
        zero_point: 0,
        min: i16::MIN,
        max: i16::MAX,
    };
    Network::new([layer], None).unwrap()
}

#[test]
fn a_denoiser_s_residual_is_what_it_takes_away() {
    let (weights, channels) = ([64, 0, 0, 64], halver());
    let halver = network(&weights, &channels, 2);
    let mut workspace = vec![0x5a; halver.workspace_bytes()];
    let mut features = [7; 4];
    let mut score = DenoiserScore::new(&halver, 3 << 20, &mut workspace, &mut features).unwrap();
    assert_eq!((score.dimensions(), score.levels()), (2, 1));
    assert_eq!(score.sigma(0), 3 << 20);
    let mut residual = [0; 2];
    score
        .residual_into(0, &[2 * ONE, -ONE], &mut residual)
        .unwrap();
    assert_eq!(residual, [-ONE, ONE / 2]);
    // Beyond the range of features the network sees its end, 8: less than the state by all that is beyond.
    score
        .residual_into(0, &[100 * ONE, i32::MIN], &mut residual)
        .unwrap();
    assert_eq!(
        residual,
        [
            from_feature(i16::MAX / 2 + 1) - 100 * ONE,
            i32::MAX - 4 * ONE + 1
        ]
    );

    assert!(score.residual_into(0, &[0; 3], &mut residual).is_err());
    assert!(score.residual_into(0, &[0; 2], &mut [0]).is_err());
    assert!(DenoiserScore::new(&halver, 1, &mut [0], &mut [0; 4]).is_err());
    assert!(DenoiserScore::new(&halver, 1, &mut [0; 64], &mut [0; 3]).is_err());
    let narrower = network(&weights, &channels, 1);
    assert!(DenoiserScore::new(&narrower, 1, &mut [0; 64], &mut [0; 4]).is_err());
}

#[test]
fn wrong_lengths_and_factors_are_refused() {
    let mut score = Pair { sigmas: [1.0; 6] };
    let schedule = Schedule::new(1 << 28, 1, false).unwrap();
    let (mut two, mut three) = ([0; 2], [0; 3]);
    assert!(AnnealedLangevin::new(&mut score, schedule, &mut three, &mut two).is_err());
    assert!(AnnealedLangevin::new(&mut score, schedule, &mut two, &mut three).is_err());
    let outside = |setting, most| {
        Err(crate::Defect::Setting {
            setting,
            least: 1,
            most,
        })
    };
    let gamma = outside(crate::Setting::Gamma, (1 << 31) - 1);
    assert_eq!(Schedule::new(0, 1, false), gamma);
    assert_eq!(Schedule::new(1 << 31, 1, false), gamma);
    let steps = outside(crate::Setting::Steps, 65_535);
    assert_eq!(Schedule::new(1, 0, false), steps);
    assert!(Level::preconditioned(3000.0, 1.0, 3000.0).is_none());
    // No root of the sum of squares: c_skip - 1 would be -2.25.
    assert!(Level::preconditioned(1.5, 1.0, 1.0).is_none());
    assert!(Level::preconditioned(1.2, 1.0, 1.0).is_none());
    assert!(features_into(&two, &mut [0; 3]).is_err());
}
