//! Against f64, written out from the definition; joint distributions by enumeration.

use super::learn::{ContrastiveDivergence, Options, Rate, Rounding, storage_words};
use super::*;
use crate::rng::{Generator, below, normal};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

mod energy;
mod learn;
mod options;

/// Parameters in memory of their own, and the same in f64.
struct Machine {
    units: Units,
    scale: Multiplier,
    weights: Vec<i8>,
    transposed: Vec<i8>,
    visible_biases: Vec<i32>,
    hidden_biases: Vec<i32>,
}

impl Machine {
    /// Weights of standard deviation `deviation` and biases of 1/2.
    fn random(units: Units, visible: usize, hidden: usize, deviation: f64, seed: u64) -> Self {
        let mut rng = Generator::from_seed(seed);
        let mut draw = || f64::from(normal(&mut rng)) / 4096.0;
        let s = 4.0 * deviation / 127.0;
        let stride = row_stride(visible);
        let mut weights = vec![99; hidden * stride];
        let mut transposed = vec![-99; visible * row_stride(hidden)];
        for i in 0..hidden {
            for j in 0..visible {
                let w = (draw() * deviation / s).round().clamp(-127.0, 127.0) as i8;
                weights[i * stride + j] = w;
                transposed[j * row_stride(hidden) + i] = w;
            }
        }
        let mut biases = |n| -> Vec<i32> {
            (0..n)
                .map(|_| (draw() * 0.5 / s * 4096.0).round() as i32)
                .collect()
        };
        Self {
            units,
            scale: Multiplier::from_f64(s).unwrap(),
            weights,
            transposed,
            visible_biases: biases(visible),
            hidden_biases: biases(hidden),
        }
    }

    fn tensors(&self) -> Tensors<'_> {
        Tensors {
            weights: &self.weights,
            transposed: &self.transposed,
            visible_biases: &self.visible_biases,
            hidden_biases: &self.hidden_biases,
        }
    }

    fn rbm(&self) -> Rbm<'_> {
        Rbm::new(self.units, self.scale, self.tensors()).unwrap()
    }

    fn without_transposed(&self) -> Rbm<'_> {
        let tensors = Tensors {
            transposed: &[],
            ..self.tensors()
        };
        Rbm::new(self.units, self.scale, tensors).unwrap()
    }

    fn exact(&self) -> Exact {
        let s = self.scale.to_f64();
        let bias = |b: &Vec<i32>| b.iter().map(|b| f64::from(*b) * s / 4096.0).collect();
        let rows = self
            .weights
            .chunks_exact(row_stride(self.visible_biases.len()));
        let visible = self.visible_biases.len();
        Exact {
            w: rows
                .map(|row| row[..visible].iter().map(|w| f64::from(*w) * s).collect())
                .collect(),
            b: bias(&self.visible_biases),
            c: bias(&self.hidden_biases),
        }
    }
}

/// The textbook's formulas in f64.
struct Exact {
    w: Vec<Vec<f64>>,
    b: Vec<f64>,
    c: Vec<f64>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Exact {
    fn hidden_logits(&self, v: &[f64]) -> Vec<f64> {
        let dot = |row: &Vec<f64>| row.iter().zip(v).map(|(w, v)| w * v).sum::<f64>();
        self.w
            .iter()
            .zip(&self.c)
            .map(|(w, c)| c + dot(w))
            .collect()
    }

    fn visible_logits(&self, h: &[f64]) -> Vec<f64> {
        let sum = |j: usize| self.w.iter().zip(h).map(|(w, h)| w[j] * h).sum::<f64>();
        self.b.iter().enumerate().map(|(j, b)| b + sum(j)).collect()
    }

    fn visible_energy(&self, units: Units, v: &[f64]) -> f64 {
        let pairs = self.b.iter().zip(v);
        match units {
            Units::Bernoulli => -pairs.map(|(b, v)| b * v).sum::<f64>(),
            Units::Gaussian => pairs.map(|(b, v)| (v - b) * (v - b) / 2.0).sum(),
        }
    }

    fn free_energy(&self, units: Units, v: &[f64]) -> f64 {
        let freed: f64 = self
            .hidden_logits(v)
            .iter()
            .map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p())
            .sum();
        self.visible_energy(units, v) - freed
    }
}

fn as_f64(set: u64, n: usize) -> Vec<f64> {
    (0..n).map(|at| (set >> at & 1) as f64).collect()
}

/// A set of bits at random.
fn random_bits(rng: &mut Generator, units: usize) -> Vec<u32> {
    (0..units)
        .collect::<Vec<_>>()
        .chunks(32)
        .map(|block| rng.next_u32() >> (32 - block.len()))
        .collect()
}

/// Half of what the exact joint distribution and a million samples differ by, given units that are held.
fn total_variation(machine: &Machine, held: u32, value: u32, stored: Rbm<'_>) -> f64 {
    const N: usize = 1_000_000;
    let exact = machine.exact();
    let (visible, hidden) = (exact.b.len(), exact.c.len());
    let mut p = vec![0f64; 1 << (visible + hidden)];
    for v in 0..1u64 << visible {
        if v as u32 & held != value & held {
            continue;
        }
        for h in 0..1u64 << hidden {
            let states = as_f64(h, hidden);
            let logits = exact.hidden_logits(&as_f64(v, visible));
            let hidden_energy: f64 = logits.iter().zip(&states).map(|(x, h)| x * h).sum();
            let energy =
                exact.visible_energy(Units::Bernoulli, &as_f64(v, visible)) - hidden_energy;
            p[(h << visible | v) as usize] = (-energy).exp();
        }
    }
    let z: f64 = p.iter().sum();
    let mut memory = vec![0; Gibbs::words(Units::Bernoulli, visible, hidden)];
    let mut chain = Gibbs::new(stored, &mut memory).unwrap();
    chain.set_visible(States::Binary(&[value])).unwrap();
    chain.clamp(&[held]).unwrap();
    let mut rng = Generator::from_seed(1);
    let mut counts = vec![0u32; p.len()];
    for round in 0..N + 100 {
        // A joint state: visible units, and hidden ones given these.
        for _ in 0..2 {
            chain.step(&mut rng);
        }
        chain.step_hidden(&mut rng);
        if round >= 100 {
            let (v, h) = (chain.visible_bits()[0], chain.hidden_bits()[0]);
            counts[(h << visible | v) as usize] += 1;
        }
    }
    let difference = |(count, p): (&u32, &f64)| (f64::from(*count) / N as f64 - p / z).abs();
    counts.iter().zip(&p).map(difference).sum::<f64>() / 2.0
}

#[test]
fn a_million_samples_follow_the_exact_joint_distribution() {
    let machine = Machine::random(Units::Bernoulli, 6, 4, 1.0, 7);
    for rbm in [machine.rbm(), machine.without_transposed()] {
        let distance = total_variation(&machine, 0, 0, rbm);
        std::println!("total variation of 10^6 samples, 6 x 4: {distance:.4}");
        assert!(distance <= 0.01, "{distance}");
    }
}

#[test]
fn clamped_chains_follow_the_exact_conditional_distribution() {
    let machine = Machine::random(Units::Bernoulli, 6, 4, 1.0, 8);
    for (held, value) in [(0b000_111, 0b000_101), (0b110_000, 0b100_000)] {
        let distance = total_variation(&machine, held, value, machine.rbm());
        assert!(distance <= 0.01, "{held:b}: {distance}");
    }
}

#[test]
fn visible_means_of_64_by_16_are_the_exact_ones() {
    const N: u32 = 400_000;
    let machine = Machine::random(Units::Bernoulli, 64, 16, 0.35, 9);
    let exact = machine.exact();
    // p(h) is known but for Z; the visible means given h average to those of the model.
    let mut means = vec![0f64; 64];
    let mut z = 0.0;
    for h in 0..1u64 << 16 {
        let states = as_f64(h, 16);
        let logits = exact.visible_logits(&states);
        let hidden: f64 = exact.c.iter().zip(&states).map(|(c, h)| c * h).sum();
        let freed: f64 = logits
            .iter()
            .map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p())
            .sum();
        // Some 50 nats on average: no overflow.
        let weight = (hidden + freed - 50.0).exp();
        z += weight;
        for (mean, x) in means.iter_mut().zip(logits) {
            *mean += weight * logistic(x);
        }
    }
    let mut memory = vec![0; Gibbs::words(Units::Bernoulli, 64, 16)];
    let mut chain = Gibbs::new(machine.rbm(), &mut memory).unwrap();
    let mut rng = Generator::from_seed(2);
    let mut counts = vec![0u32; 64];
    for round in 0..N + 200 {
        chain.step(&mut rng);
        if round >= 200 {
            for (at, count) in counts.iter_mut().enumerate() {
                *count += u32::from(is_set(chain.visible_bits(), at));
            }
        }
    }
    let off = counts.iter().zip(&means).map(|(count, mean)| {
        let off = f64::from(*count) / f64::from(N) - mean / z;
        off.abs()
    });
    let worst = off.fold(0.0, f64::max);
    std::println!("visible means, 64 x 16: off by {worst:.4} at most");
    assert!(worst <= 0.005, "{worst}");
}

#[test]
fn gaussian_units_have_the_conditional_mean_and_unit_variance() {
    const N: usize = 200_000;
    let machine = Machine::random(Units::Gaussian, 5, 3, 0.8, 3);
    let expected = machine.exact().visible_logits(&[1.0, 0.0, 1.0]);
    let mut memory = vec![0; Gibbs::words(Units::Gaussian, 5, 3)];
    let mut chain = Gibbs::new(machine.rbm(), &mut memory).unwrap();
    chain.set_hidden(&[0b101]).unwrap();
    chain.set_visible(States::Real(&[0, 0, 0, 0, 777])).unwrap();
    chain.clamp(&[0b10000]).unwrap();
    let mut rng = Generator::from_seed(5);
    let mut sums = [[0f64; 2]; 5];
    for _ in 0..N {
        chain.step_visible(&mut rng);
        let States::Real(values) = chain.visible() else {
            panic!("features")
        };
        assert_eq!(values[4], 777);
        for (sums, x) in sums.iter_mut().zip(values) {
            let x = f64::from(*x) / 4096.0;
            sums[0] += x;
            sums[1] += x * x;
        }
    }
    for (sums, expected) in sums.iter().zip(&expected).take(4) {
        let mean = sums[0] / N as f64;
        // Four and a half standard errors, and the rounding.
        assert!((mean - expected).abs() < 0.011, "{mean} {expected}");
        let variance = sums[1] / N as f64 - mean * mean;
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }
}

#[test]
fn a_gaussian_chain_has_the_marginal_that_the_free_energy_gives() {
    // One visible, one hidden unit: p(v) ~ e^-F(v), integrated on a grid.
    const N: usize = 400_000;
    let machine = Machine::random(Units::Gaussian, 1, 1, 1.5, 21);
    let exact = machine.exact();
    let grid: Vec<f64> = (0..1600).map(|i| -8.0 + f64::from(i) * 0.01).collect();
    let density: Vec<f64> = grid
        .iter()
        .map(|v| (-exact.free_energy(Units::Gaussian, &[*v])).exp())
        .collect();
    let z: f64 = density.iter().sum();
    let expected: f64 = grid.iter().zip(&density).map(|(v, p)| v * p / z).sum();
    let mut memory = vec![0; Gibbs::words(Units::Gaussian, 1, 1)];
    let mut chain = Gibbs::new(machine.rbm(), &mut memory).unwrap();
    let mut rng = Generator::from_seed(5);
    let mut sum = 0.0;
    for _ in 0..N {
        chain.step(&mut rng);
        if let States::Real([v]) = chain.visible() {
            sum += f64::from(*v) / 4096.0;
        }
    }
    let mean = sum / N as f64;
    assert!((mean - expected).abs() < 0.02, "{mean} {expected}");
}

/// The sampler as the module describes it.
fn sample_by_definition(rbm: &Rbm<'_>, sums: &[i32], rng: &mut Generator) -> Vec<u32> {
    let mut out = Vec::new();
    for block in sums.chunks(32) {
        let words: Vec<u32> = block.chunks(4).map(|_| rng.next_u32()).collect();
        let mut bits = 0;
        for (at, sum) in block.iter().enumerate() {
            let p = u32::from(sigmoid(rbm.requantise(*sum)));
            let byte = words[at / 4] >> (8 * (at % 4)) & 0xff;
            let one = match byte.cmp(&(p >> 8)) {
                core::cmp::Ordering::Less => true,
                core::cmp::Ordering::Greater => false,
                core::cmp::Ordering::Equal => rng.next_u32() >> 24 < p & 0xff,
            };
            bits |= u32::from(one) << at;
        }
        out.push(bits);
    }
    out
}

#[test]
fn draws_are_those_of_the_definition_for_sums_of_every_size() {
    let mut random = Generator::from_seed(4);
    for factor in [0.249, 1.0 / 16.0, 0.0123, 1e-4, 3e-10] {
        let machine = Machine {
            scale: Multiplier::from_f64(factor).unwrap(),
            ..Machine::random(Units::Bernoulli, 3, 2, 0.1, 1)
        };
        let rbm = machine.rbm();
        for round in 0..400u64 {
            let len = 1 + below(&mut random, 100) as usize;
            let shift = below(&mut random, 32);
            let sums: Vec<i32> = (0..len)
                .map(|at| match (at as u64 + round) % 16 {
                    0 => i32::MIN,
                    1 => i32::MAX,
                    _ => random.next_u32().cast_signed() >> shift,
                })
                .collect();
            let (mut a, mut b) = (Generator::from_seed(round), Generator::from_seed(round));
            let mut bits = Vec::new();
            rbm.sample(&sums, &mut a, |_, word| bits.push(word));
            assert_eq!(bits, sample_by_definition(&rbm, &sums, &mut b));
            assert_eq!(a, b, "as many words taken");
        }
    }
}

#[test]
fn a_unit_is_drawn_with_its_probability_at_every_part_of_the_logits_range() {
    const N: usize = 200_000;
    let machine = Machine {
        scale: Multiplier::from_f64(1.0 / 16.0).unwrap(),
        ..Machine::random(Units::Bernoulli, 3, 2, 0.1, 1)
    };
    let rbm = machine.rbm();
    let mut rng = Generator::from_seed(6);
    for eighths in -72..72 {
        let sums = [eighths * 8192; 32];
        let mut ones = 0;
        for _ in 0..N / 32 {
            rbm.sample(&sums, &mut rng, |_, word| ones += word.count_ones());
        }
        // The logit saturates at 8.
        let p = logistic((f64::from(eighths) / 8.0).clamp(-8.0, 8.0));
        let tolerance = 4.5 * (N as f64 * p * (1.0 - p)).sqrt() + 2.5e-5 * N as f64;
        assert!(
            (f64::from(ones) - N as f64 * p).abs() <= tolerance,
            "{eighths} {ones}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn energies_and_means_are_those_of_f64(
        visible in 1usize..70, hidden in 1usize..40, seed: u64, gaussian: bool, deviation in 0.05f64..1.0,
    ) {
        let units = if gaussian { Units::Gaussian } else { Units::Bernoulli };
        let machine = Machine::random(units, visible, hidden, deviation, seed);
        let (rbm, exact) = (machine.rbm(), machine.exact());
        let mut rng = Generator::from_seed(seed);
        let bits = random_bits(&mut rng, visible);
        let h = random_bits(&mut rng, hidden);
        let real: Vec<i16> = (0..visible)
            .map(|at| match units {
                Units::Gaussian => normal(&mut rng),
                Units::Bernoulli => i16::from(is_set(&bits, at)) << 12,
            })
            .collect();
        let v: Vec<f64> = real.iter().map(|x| f64::from(*x) / 4096.0).collect();
        let h_real: Vec<f64> = (0..hidden).map(|at| f64::from(u8::from(is_set(&h, at)))).collect();
        let mut workspace = vec![i32::MAX; rbm.workspace_len()];
        let nats = |x: i32| f64::from(x) / 65_536.0;

        let free = nats(rbm.free_energy(States::Real(&real), &mut workspace).unwrap());
        let expected = exact.free_energy(units, &v);
        // A softplus each; the rounding of a Gaussian bias to a feature, times a few units of distance.
        let tolerance = 1.4e-4 * hidden as f64 + 1e-3 * visible as f64 + 1e-4;
        prop_assert!((free - expected).abs() <= tolerance, "{free} {expected}");

        let energy = nats(rbm.energy(States::Real(&real), &h, &mut workspace).unwrap());
        let active: f64 = exact.hidden_logits(&v).iter().zip(&h_real).map(|(x, h)| x * h).sum();
        let expected = exact.visible_energy(units, &v) - active;
        prop_assert!((energy - expected).abs() <= 1e-3 * visible as f64 + 1e-4);

        let mut means = vec![0; hidden];
        rbm.hidden_means_into(States::Real(&real), &mut workspace, &mut means).unwrap();
        for (mean, logit) in means.iter().zip(exact.hidden_logits(&v)) {
            // Half a unit of 2^-12, the sigmoid's error, that of a logit of 2^-13 and its saturation at 8.
            prop_assert!((f64::from(*mean) / 4096.0 - logistic(logit)).abs() <= 5.2e-4);
        }
        let mut means = vec![0; visible];
        rbm.visible_means_into(States::Binary(&h), &mut workspace, &mut means).unwrap();
        let mut again = vec![0; visible];
        let real_hidden: Vec<i16> = h_real.iter().map(|h| (*h * 4096.0) as i16).collect();
        rbm.visible_means_into(States::Real(&real_hidden), &mut workspace, &mut again).unwrap();
        prop_assert_eq!(&means, &again);
        for (mean, logit) in means.iter().zip(exact.visible_logits(&h_real)) {
            let expected = match units {
                Units::Bernoulli => logistic(logit),
                Units::Gaussian => logit.clamp(-8.0, 32_767.0 / 4096.0),
            };
            prop_assert!((f64::from(*mean) / 4096.0 - expected).abs() <= 5.2e-4);
        }
    }

    #[test]
    fn either_order_of_the_weights_and_either_kind_of_states_give_the_same_sums(
        visible in 1usize..100, hidden in 1usize..100, seed: u64,
    ) {
        let machine = Machine::random(Units::Bernoulli, visible, hidden, 0.5, seed);
        let (with, without) = (machine.rbm(), machine.without_transposed());
        let mut rng = Generator::from_seed(seed);
        let bits = random_bits(&mut rng, visible);
        let real: Vec<i16> = (0..visible).map(|at| i16::from(is_set(&bits, at)) << 12).collect();
        let mut workspaces = [(); 3].map(|()| vec![-1; with.workspace_len()]);
        let [a, b, c] = &mut workspaces;
        let sums = with.hidden_sums(States::Binary(&bits), a).unwrap();
        prop_assert_eq!(&*sums, &*without.hidden_sums(States::Binary(&bits), b).unwrap());
        prop_assert_eq!(&*sums, &*with.hidden_sums(States::Real(&real), c).unwrap());
    }
}

#[test]
fn what_could_overflow_or_does_not_fit_is_refused() {
    let machine = Machine::random(Units::Bernoulli, 20, 10, 0.5, 1);
    let new = |tensors| Rbm::new(Units::Bernoulli, machine.scale, tensors).map(|_| ());
    assert_eq!(new(machine.tensors()), Ok(()));
    let mut biases = machine.hidden_biases.clone();
    biases[3] = i32::MAX - 4096;
    let tensors = Tensors {
        hidden_biases: &biases,
        ..machine.tensors()
    };
    assert_eq!(
        new(tensors),
        Err(Defect::AccumulatorOverflow { layer: 0, row: 3 })
    );
    let mut biases = machine.visible_biases.clone();
    biases[7] = i32::MIN;
    let tensors = Tensors {
        visible_biases: &biases,
        ..machine.tensors()
    };
    assert_eq!(
        new(tensors),
        Err(Defect::AccumulatorOverflow { layer: 1, row: 7 })
    );
    let mut transposed = machine.transposed.clone();
    transposed[5 * 16 + 2] ^= 1;
    let tensors = Tensors {
        transposed: &transposed,
        ..machine.tensors()
    };
    assert_eq!(new(tensors), Err(Defect::Derived { index: 5 }));
    let tensors = Tensors {
        weights: &machine.weights[1..],
        ..machine.tensors()
    };
    assert_eq!(new(tensors), Err(Defect::Shape));
    let coarse = Multiplier::from_f64(0.25).unwrap();
    let error = Rbm::new(Units::Bernoulli, coarse, machine.tensors()).map(|_| ());
    assert_eq!(error, Err(Defect::Scale { index: 0 }));
    let rbm = machine.rbm();
    assert!(rbm.free_energy(States::Binary(&[0]), &mut [0; 31]).is_err());
    assert!(
        rbm.free_energy(States::Binary(&[0, 0]), &mut [0; 32])
            .is_err()
    );
    assert!(
        rbm.free_energy(States::Real(&[0; 21]), &mut [0; 32])
            .is_err()
    );
}

#[test]
fn mean_field_ends_in_a_fixed_point_and_leaves_clamped_units_alone() {
    let machine = Machine::random(Units::Bernoulli, 12, 5, 0.4, 2);
    let mut memory = vec![0; MeanField::words(12, 5)];
    let mut field = MeanField::new(machine.rbm(), &mut memory).unwrap();
    let mut states = [2048; 12];
    states[1] = 4096;
    states[2] = 0;
    field.clamp(&states, &[0b110]).unwrap();
    let rounds = (0..200).take_while(|_| field.step() > 1).count();
    assert!(rounds < 100, "{rounds}");
    assert_eq!(field.visible()[1..3], [4096, 0]);
    let exact = machine.exact();
    let v: Vec<f64> = field
        .visible()
        .iter()
        .map(|x| f64::from(*x) / 4096.0)
        .collect();
    let h: Vec<f64> = exact.hidden_logits(&v).into_iter().map(logistic).collect();
    for (at, x) in exact.visible_logits(&h).into_iter().enumerate() {
        assert!([1, 2].contains(&at) || (logistic(x) - v[at]).abs() < 2e-3);
    }
}

/// What the chain of the firmware's self-test must give as well.
#[test]
fn a_chain_of_ten_thousand_steps_gives_these_bits() {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    let (visible, hidden) = (40usize, 24usize);
    let (mut weights, mut transposed) = (vec![0i8; 24 * 48], vec![0i8; 40 * 32]);
    for i in 0..hidden {
        for j in 0..visible {
            let w = (next() as u8).cast_signed();
            weights[i * row_stride(visible) + j] = w;
            transposed[j * row_stride(hidden) + i] = w;
        }
    }
    let mut biases =
        |n: usize| -> Vec<i32> { (0..n).map(|_| (next().cast_signed() - 128) << 12).collect() };
    let (visible_biases, hidden_biases) = (biases(visible), biases(hidden));
    let scale = Multiplier::from_f64(1.0 / 128.0).unwrap();
    let mut hashes = Vec::new();
    for (units, transposed) in [
        (Units::Bernoulli, &transposed[..]),
        (Units::Bernoulli, &[]),
        (Units::Gaussian, &[]),
    ] {
        let tensors = Tensors {
            weights: &weights,
            transposed,
            visible_biases: &visible_biases,
            hidden_biases: &hidden_biases,
        };
        let mut memory = vec![0; Gibbs::words(units, visible, hidden)];
        let mut chain = Gibbs::new(Rbm::new(units, scale, tensors).unwrap(), &mut memory).unwrap();
        let mut rng = Generator::from_seed(10_000);
        let mut hash = 0x811c_9dc5u32;
        for _ in 0..10_000 {
            chain.step(&mut rng);
            let mut mix = |word: u32| hash = (hash ^ word).wrapping_mul(0x0100_0193);
            chain.hidden_bits().iter().copied().for_each(&mut mix);
            match chain.visible() {
                States::Binary(bits) => bits.iter().copied().for_each(mix),
                States::Real(values) => values.iter().for_each(|x| mix(*x as u32)),
            }
        }
        hashes.push(hash);
    }
    assert_eq!(hashes[0], hashes[1]);
    assert_eq!([hashes[0], hashes[2]], [2_958_136_208, 1_318_286_973]);
}

#[test]
fn a_learner_goes_on_from_a_model_where_it_stands() {
    let machine = Machine::random(Units::Bernoulli, 10, 6, 0.5, 4);
    let mut memory = vec![0; storage_words(10, 6, Units::Bernoulli, 0)];
    let options = Options {
        weight_bits: 6,
        ..Options::DEFAULT
    };
    let learner = ContrastiveDivergence::from_model(&mut memory, &machine.rbm(), options).unwrap();
    let (model, exact) = (learner.model(), machine.exact());
    for (row, exact) in model.rows().zip(&exact.w) {
        for (w, exact) in row.iter().zip(exact) {
            assert!(
                (f64::from(*w) / 64.0 - exact.clamp(-127.0 / 64.0, 127.0 / 64.0)).abs()
                    <= 1.01 / 128.0
            );
        }
    }
    for (bias, exact) in model.tensors().hidden_biases.iter().zip(&exact.c) {
        assert!((f64::from(*bias) / 64.0 / 4096.0 - exact).abs() < 1e-5);
    }
    assert!(Rbm::new(Units::Bernoulli, model.scale(), model.tensors()).is_ok());
}
