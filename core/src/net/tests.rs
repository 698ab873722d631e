//! Graphs against their definition, written without kernels, places or element types.

use super::*;
use crate::Defect;
use crate::kernels::{Channel, pack};
use crate::num::{Multiplier, saturating_i16};
use crate::rng::{Generator, below};
use rand_core::Rng;
use std::vec;
use std::vec::Vec;

mod code;

/// A graph's tensors, owned. Weights lie in words of 16 bytes, as a container aligns them.
#[derive(Clone)]
struct Owned {
    input: [u16; 3],
    levels: u16,
    ops: Vec<OpRecord>,
    row_major: Vec<Vec<i8>>,
    weights: Vec<u128>,
    channels: Vec<Channel>,
    additions: Vec<Addition>,
}

impl Owned {
    fn new(input: &[u16; 3], levels: u16) -> Self {
        Self {
            input: *input,
            levels,
            ops: Vec::new(),
            row_major: Vec::new(),
            weights: Vec::new(),
            channels: Vec::new(),
            additions: Vec::new(),
        }
    }

    fn shape(&self, value: u16) -> &[u16; 3] {
        match value {
            0 => &self.input,
            _ => &self.ops[usize::from(value) - 1].shape,
        }
    }

    fn element(&self, value: u16) -> Element {
        match value {
            0 => Element::I16,
            _ => self.ops[usize::from(value) - 1].element(),
        }
    }

    /// Adds an operation and gives its value.
    fn push(&mut self, op: OpRecord) -> u16 {
        self.ops.push(op);
        self.row_major.push(Vec::new());
        self.ops.len() as u16
    }

    fn push_layer(&mut self, mut op: OpRecord, weights: Vec<i8>, channels: &[Channel]) -> u16 {
        let rows = op.rows();
        let cols = weights.len() / rows;
        let bytes = op.order().stored_bytes(rows, cols).unwrap();
        let mut packed = vec![0; bytes];
        pack(&weights, rows, cols, op.order(), &mut packed).unwrap();
        op.weights = (16 * self.weights.len()) as u32;
        op.parameters = self.channels.len() as u32;
        packed.resize(bytes.next_multiple_of(16), 0);
        for chunk in packed.chunks(16) {
            let bytes: Vec<u8> = chunk.iter().map(|w| w.cast_unsigned()).collect();
            self.weights
                .push(u128::from_le_bytes(bytes.try_into().unwrap()));
        }
        self.channels.extend(channels);
        self.ops.push(op);
        self.row_major.push(weights);
        self.ops.len() as u16
    }

    fn graph(&self) -> Result<Graph<'_>, Defect> {
        self.graph_with_code(None)
    }

    fn graph_with_code(&self, code: Option<u16>) -> Result<Graph<'_>, Defect> {
        let tensors = GraphTensors {
            ops: &self.ops,
            weights: zerocopy::FromBytes::ref_from_bytes(zerocopy::IntoBytes::as_bytes(
                &self.weights[..],
            ))
            .unwrap(),
            channels: &self.channels,
            additions: &self.additions,
        };
        Graph::new(tensors, &self.input, self.levels, code)
    }

    /// All values, by definition.
    fn evaluate(&self, level: usize, features: &[i16]) -> Vec<Vec<i64>> {
        self.evaluate_from(0, level, features)
    }

    /// The values that follow from one; those before it are empty.
    fn evaluate_from(&self, first: usize, level: usize, given: &[i16]) -> Vec<Vec<i64>> {
        let mut values: Vec<Vec<i64>> = vec![Vec::new(); first];
        values.push(given.iter().map(|x| i64::from(*x)).collect());
        for (op, weights) in self.ops.iter().zip(&self.row_major).skip(first) {
            let x = &values[usize::from(op.inputs[0])];
            let [ih, iw, ic] = self.shape(op.inputs[0]).map(usize::from);
            let [h, w, c] = op.shape.map(usize::from);
            let sets = if op.conditioned == 1 { level } else { 0 };
            let parameters = op.parameters as usize;
            let channel = |row: usize| self.channels[parameters + sets * op.rows() + row];
            let finish = |sum: i64, row: usize| {
                let channel = channel(row);
                let product = i128::from(sum + i64::from(channel.bias))
                    * i128::from(channel.multiplier)
                    + (1i128 << (channel.shift - 1));
                let value = (product >> channel.shift) as i64;
                output(op, value)
            };
            let y: Vec<i64> = match op.kind().unwrap() {
                OpKind::Dense => (0..op.rows())
                    .map(|row| {
                        let row_weights = weights[row * x.len()..][..x.len()].iter();
                        finish(
                            row_weights.zip(x).map(|(w, x)| i64::from(*w) * x).sum(),
                            row,
                        )
                    })
                    .collect(),
                OpKind::Conv3x3 => {
                    let stride = usize::from(op.stride);
                    let outside = match op.inputs[0] {
                        0 => 0,
                        v => i64::from(self.ops[usize::from(v) - 1].value().zero),
                    };
                    let pad = |size: usize, out: usize| match op.padding {
                        0 => ((out - 1) * stride + 3).saturating_sub(size) / 2,
                        _ => 0,
                    };
                    let (top, left) = (pad(ih, h), pad(iw, w));
                    let mut y = Vec::new();
                    for at in 0..h * w * c {
                        let (row, column, channel) = (at / (w * c), at / c % w, at % c);
                        let mut sum = 0;
                        for tap in 0..9 * ic {
                            let (ky, kx, k) = (tap / (3 * ic), tap / ic % 3, tap % ic);
                            let iy = (row * stride + ky).wrapping_sub(top);
                            let ix = (column * stride + kx).wrapping_sub(left);
                            let inside = iy < ih && ix < iw;
                            let x = if inside {
                                x[(iy * iw + ix) * ic + k]
                            } else {
                                outside
                            };
                            sum += i64::from(weights[channel * 9 * ic + tap]) * x;
                        }
                        y.push(finish(sum, channel));
                    }
                    y
                }
                OpKind::Add => {
                    let other = &values[usize::from(op.inputs[1])];
                    let a = self.additions[parameters];
                    let sum = |x: &i64, y: &i64| {
                        let sum = i128::from(*x) * i128::from(a.left)
                            + i128::from(*y) * i128::from(a.right)
                            + i128::from(a.bias);
                        ((sum >> a.shift) as i64).clamp(op.min.into(), op.max.into())
                    };
                    x.iter().zip(other).map(|(x, y)| sum(x, y)).collect()
                }
                OpKind::AveragePool => (0..h * w * c)
                    .map(|at| {
                        let (row, column, k) = (at / (w * c), at / c % w, at % c);
                        let pixel = |dy, dx| x[((2 * row + dy) * iw + 2 * column + dx) * ic + k];
                        let sum: i64 = pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1);
                        (sum + 2).div_euclid(4)
                    })
                    .collect(),
                OpKind::Upsample => (0..h * w * c)
                    .map(|at| x[((at / (w * c)) / 2 * iw + at / c % w / 2) * ic + at % c])
                    .collect(),
            };
            values.push(y);
        }
        values
    }
}

/// A requantised sum as the output stores it.
fn output(op: &OpRecord, value: i64) -> i64 {
    let (min, max) = (i64::from(op.min), i64::from(op.max));
    let activation = op.activation();
    if activation == Activation::Clamp {
        return (value + i64::from(op.zero_point)).clamp(min, max);
    }
    let sum = saturating_i16(value as i32);
    // From 8 on ELU and SiLU are the identity.
    let fine = i32::from(sum) * (1 << op.coarse);
    let f = if fine > 32_767 {
        i64::from(sum)
    } else {
        let f = f64::from(activation.apply(saturating_i16(fine)));
        (f / f64::from(1 << op.coarse) + 0.5).floor() as i64
    };
    let f = match (op.element(), activation) {
        (Element::I16, _) => f,
        (_, Activation::Sigmoid) => (f as f64 / 128.0 + 0.5).floor() as i64 - 128,
        (_, Activation::Tanh) => (f as f64 / 256.0 + 0.5).floor() as i64,
        _ => {
            let real = f as f64 * f64::from(op.narrow) / f64::from(1 << 20);
            (real + 0.5).floor() as i64 + i64::from(op.zero_point)
        }
    };
    f.clamp(min, max)
}

fn random_format(op: &mut OpRecord, rng: &mut Generator) {
    if below(rng, 2) == 0 {
        op.element = 0;
        op.zero_point = below(rng, 21) as i16 - 10;
        op.min = -128 + below(rng, 40) as i16;
        op.max = 127 - below(rng, 40) as i16;
    } else {
        op.min = -20_000 - below(rng, 12_768) as i16;
        op.max = 20_000 + below(rng, 12_767) as i16;
    }
}

/// A layer of random kind over `input`; `channels` of the output.
fn random_layer(
    owned: &mut Owned,
    conv: bool,
    input: u16,
    outputs: u16,
    rng: &mut Generator,
) -> u16 {
    let [h, w, c] = *owned.shape(input);
    let mut op = OpRecord::wide(
        if conv { OpKind::Conv3x3 } else { OpKind::Dense },
        input,
        &[1, 1, outputs],
    );
    let cols = if conv {
        9 * usize::from(c)
    } else {
        usize::from(h) * usize::from(w) * usize::from(c)
    };
    if conv {
        op.stride = 1 + below(rng, 2) as u8;
        op.padding = (h >= 3 && w >= 3 && below(rng, 3) == 0) as u8;
        let value = if input == 0 {
            super::operation::Value::features(super::operation::sides(&owned.input))
        } else {
            owned.ops[usize::from(input) - 1].value()
        };
        let [oh, ow] = op.geometry(&value).unwrap().output_size();
        op.shape = [oh as u16, ow as u16, outputs];
    }
    random_format(&mut op, rng);
    op.activation = below(rng, 5) as u8;
    match (op.activation(), op.element()) {
        (Activation::Clamp, _) => {}
        (Activation::Elu | Activation::Silu, Element::I8) => {
            op.narrow = 4096 + below(rng, 61_000) as u16;
        }
        (Activation::Elu | Activation::Silu, Element::I16) => {
            (op.zero_point, op.coarse) = (0, below(rng, 5) as u16);
        }
        _ => op.zero_point = 0,
    }
    op.order = below(rng, 3) as u8;
    op.conditioned = below(rng, 2) as u8;
    let rows = op.rows();
    let weights = (0..rows * cols).map(|_| below(rng, 255) as i8).collect();
    let sets = if op.conditioned == 1 {
        usize::from(owned.levels)
    } else {
        1
    };
    // An input of 16 bits is 256 times one of 8.
    let shift = 37 + 7 * u32::from(owned.element(input) == Element::I16)
        - 5 * u32::from(op.element() == Element::I16 || op.activation() != Activation::Clamp);
    let channels: Vec<Channel> = (0..rows * sets)
        .map(|_| Channel {
            bias: below(rng, 20_000).cast_signed() - 10_000,
            multiplier: (1 << 30) | (rng.next_u32() >> 2).cast_signed(),
            shift,
        })
        .collect();
    owned.push_layer(op, weights, &channels)
}

fn random_graph(rng: &mut Generator) -> Owned {
    let mut side = |n| 1 + below(rng, n) as u16;
    let shape = [side(8), side(8), side(4)];
    let levels = side(3);
    let mut owned = Owned::new(&shape, levels);
    for _ in 0..1 + below(rng, 9) {
        let input = below(rng, owned.ops.len() as u32 + 1) as u16;
        let [h, w, c] = *owned.shape(input);
        let moved = |owned: &mut Owned, kind, shape| {
            let mut op = OpRecord::wide(kind, input, shape);
            if input > 0 {
                let from = owned.ops[usize::from(input) - 1];
                (op.element, op.zero_point, op.min, op.max) =
                    (from.element, from.value().zero, from.min, from.max);
            }
            owned.push(op);
        };
        match below(rng, 6) {
            0 if h > 1 && w > 1 => moved(&mut owned, OpKind::AveragePool, &[h / 2, w / 2, c]),
            1 if h < 9 && w < 9 => moved(&mut owned, OpKind::Upsample, &[2 * h, 2 * w, c]),
            2 => {
                random_layer(&mut owned, false, input, 1 + below(rng, 9) as u16, rng);
            }
            3 => add_some(&mut owned, input, rng),
            _ => {
                random_layer(&mut owned, true, input, 1 + below(rng, 9) as u16, rng);
            }
        }
    }
    // Everything must be read, and what comes last must be features.
    for value in 1..=owned.ops.len() as u16 {
        let used = owned
            .ops
            .iter()
            .any(|op| op.inputs[..op.operands()].contains(&value));
        if !used {
            random_layer(&mut owned, false, value, 5, rng);
        }
    }
    loop {
        let used = |v: &u16| {
            owned
                .ops
                .iter()
                .any(|op| op.inputs[..op.operands()].contains(v))
        };
        let open: Vec<u16> = (1..=owned.ops.len() as u16).filter(|v| !used(v)).collect();
        match open[..] {
            [a, b, ..] => add(&mut owned, a, b, rng),
            _ => break,
        }
    }
    let last = owned.ops.len() as u16;
    let value = random_layer(&mut owned, false, last, 6, rng);
    let op = &mut owned.ops[usize::from(value) - 1];
    (op.element, op.activation, op.zero_point) = (1, 0, 0);
    (op.narrow, op.coarse) = (0, 0);
    place(&mut owned.ops);
    owned
}

fn add(owned: &mut Owned, a: u16, b: u16, rng: &mut Generator) {
    let mut op = OpRecord::wide(OpKind::Add, a, owned.shape(a));
    op.inputs = [a, b];
    random_format(&mut op, rng);
    op.parameters = owned.additions.len() as u32;
    let factor = |rng: &mut Generator| f64::from(below(rng, 4000)) / 1000.0 - 2.0;
    owned
        .additions
        .push(Addition::from_f64(factor(rng), factor(rng), 3.3).unwrap());
    owned.push(op);
}

/// A sum with an earlier value of the same shape.
fn add_some(owned: &mut Owned, a: u16, rng: &mut Generator) {
    let same = |v: &u16| owned.shape(*v) == owned.shape(a);
    let others: Vec<u16> = (0..=owned.ops.len() as u16).filter(same).collect();
    let b = others[below(rng, others.len() as u32) as usize];
    add(owned, a, b, rng);
}

fn random_features(len: usize, rng: &mut Generator) -> Vec<i16> {
    (0..len).map(|_| rng.next_u32() as i16).collect()
}

#[test]
fn random_graphs_are_their_definition_in_any_memory() {
    let mut rng = Generator::from_seed(11);
    let mut seen = [0; 5];
    let mut shared = 0;
    for _ in 0..600 {
        let owned = random_graph(&mut rng);
        let graph = match owned.graph() {
            Err(Defect::AccumulatorOverflow { .. }) => continue,
            graph => graph.unwrap(),
        };
        for op in &owned.ops {
            seen[usize::from(op.kind)] += 1;
        }
        let all: usize = owned.ops[..owned.ops.len() - 1]
            .iter()
            .map(|op| op.value().bytes())
            .sum();
        shared += usize::from(graph.arena_bytes() < all);
        for skip in 0..2 {
            let features = random_features(graph.inputs(), &mut rng);
            let level = below(&mut rng, u32::from(owned.levels)) as u16;
            let mut workspace = vec![0u32; graph.workspace_bytes() / 4 + 2];
            let bytes: &mut [u8] = zerocopy::IntoBytes::as_mut_bytes(&mut workspace[..]);
            rng.fill_bytes(bytes);
            let workspace = &mut bytes[skip..][..graph.workspace_bytes()];
            let mut output = vec![0; graph.outputs()];
            graph.run(level, workspace, &features, &mut output).unwrap();
            let exact = owned.evaluate(level.into(), &features);
            let output: Vec<i64> = output.iter().map(|y| i64::from(*y)).collect();
            assert_eq!(&output, exact.last().unwrap(), "{:?}", owned.ops);
        }
    }
    assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
    assert!(shared > 100, "places are used twice: {shared}");
}

#[test]
fn damaged_graphs_are_refused_or_run() {
    let mut rng = Generator::from_seed(12);
    let (mut ran, mut refused) = (0, 0);
    for _ in 0..300 {
        let original = random_graph(&mut rng);
        for _ in 0..60 {
            let mut owned = original.clone();
            for _ in 0..=below(&mut rng, 2) {
                let bytes: &mut [u8] = match below(&mut rng, 8) {
                    0 => zerocopy::IntoBytes::as_mut_bytes(&mut owned.channels[..]),
                    1 => zerocopy::IntoBytes::as_mut_bytes(&mut owned.additions[..]),
                    _ => zerocopy::IntoBytes::as_mut_bytes(&mut owned.ops[..]),
                };
                if bytes.is_empty() {
                    continue;
                }
                let at = below(&mut rng, bytes.len() as u32) as usize;
                bytes[at] = match below(&mut rng, 3) {
                    0 => rng.next_u32() as u8,
                    1 => bytes[at].wrapping_add(1),
                    _ => 0,
                };
            }
            let Ok(graph) = owned.graph() else {
                refused += 1;
                continue;
            };
            ran += 1;
            let mut workspace = vec![0x5a; graph.workspace_bytes()];
            let features = random_features(graph.inputs(), &mut rng);
            let mut output = vec![0; graph.outputs()];
            graph
                .run(u16::MAX, &mut workspace, &features, &mut output)
                .unwrap();
        }
    }
    assert!(ran > 1000 && refused > 1000, "{ran} ran, {refused} refused");
}

/// 8 features to 3 to 8, the code after the first layer.
fn autoencoder() -> Owned {
    let mut owned = Owned::new(&[1, 1, 8], 1);
    let mut rng = Generator::from_seed(3);
    let channel = Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 38,
    };
    for (input, outputs) in [(0, 3), (1, 8)] {
        let op = OpRecord::wide(OpKind::Dense, input, &[1, 1, outputs]);
        let weights = (0..24).map(|_| below(&mut rng, 255) as i8).collect();
        owned.push_layer(op, weights, &vec![channel; usize::from(outputs)]);
    }
    place(&mut owned.ops);
    owned
}

#[test]
fn encoder_and_decoder_together_are_the_whole() {
    let owned = autoencoder();
    let graph = owned.graph_with_code(Some(1)).unwrap();
    assert_eq!(graph.code_len(), Some(3));
    let features = [4096, -100, 30_000, -32_768, 5, 6, 7, 8];
    let mut workspace = vec![0; graph.workspace_bytes()];
    let (mut code, mut decoded, mut whole) = ([0; 3], [0; 8], [0; 8]);
    graph.encode(&mut workspace, &features, &mut code).unwrap();
    graph.decode(&mut workspace, &code, &mut decoded).unwrap();
    graph.run(0, &mut workspace, &features, &mut whole).unwrap();
    assert_eq!(decoded, whole);
    let without = owned.graph().unwrap();
    assert!(
        without
            .encode(&mut workspace, &features, &mut code)
            .is_err()
    );
    assert!(without.decode(&mut workspace, &code, &mut decoded).is_err());
}

#[test]
fn coarse_functions_are_within_their_bound_for_every_sum() {
    for function in [Activation::Elu, Activation::Silu] {
        for coarse in 1..=OpRecord::MAX_COARSE {
            let unit = f64::from(1 << coarse) / 4096.0;
            for sum in i16::MIN..=i16::MAX {
                let x = f64::from(sum) * unit;
                let exact = match function {
                    Activation::Elu => x.max(x.min(0.0).exp_m1()),
                    _ => x / (1.0 + (-x).exp()),
                };
                let mut found = [sum];
                function.apply_all(&mut found, coarse, i16::MIN, i16::MAX);
                let error = (f64::from(found[0]) * unit - exact).abs();
                // What the functions are off by from 8 on, and the rounding.
                assert!(error < 2.8e-3 + unit / 2.0, "{function:?} {x}: {error}");
            }
        }
    }
}

#[test]
fn what_does_not_hold_is_refused() {
    let good = autoencoder();
    let broken = |change: &dyn Fn(&mut Owned)| {
        let mut owned = good.clone();
        change(&mut owned);
        owned.graph().err()
    };
    let layer = |layer| Some(Defect::Layer { layer });
    assert_eq!(broken(&|_| {}), None);
    assert_eq!(broken(&|o| o.ops[0].place = 2), layer(0), "not aligned");
    assert_eq!(
        broken(&|o| o.ops[1].inputs[0] = 2),
        layer(1),
        "reads itself"
    );
    let unread = OpRecord::wide(OpKind::Upsample, 1, &[2, 2, 3]);
    assert_eq!(
        broken(&|o| o.ops.insert(1, unread)),
        layer(1),
        "nobody reads value 2"
    );
    assert_eq!(
        broken(&|o| o.ops[1].activation = 1),
        layer(1),
        "no features"
    );
    assert_eq!(broken(&|o| o.ops[0].weights = 8), layer(0), "not aligned");
    assert_eq!(broken(&|o| o.ops[0].unit = f32::NAN), layer(0));
    let silu = |element, coarse| {
        broken(&move |o: &mut Owned| {
            let op = &mut o.ops[0];
            (op.activation, op.element) = (Activation::Silu.tag(), element);
            (op.zero_point, op.coarse) = (0, coarse);
            if element == 0 {
                (op.min, op.max, op.narrow) = (-128, 127, 4096);
            }
        })
    };
    assert_eq!(silu(1, 4), None);
    assert_eq!(silu(1, 5), layer(0), "too coarse");
    assert_eq!(silu(0, 0), None);
    assert_eq!(silu(0, 1), layer(0), "8 bits have a scale of their own");
    assert_eq!(broken(&|o| o.ops[0].coarse = 1), layer(0), "no function");
    let last = |coarse| {
        broken(&move |o: &mut Owned| {
            (o.ops[1].activation, o.ops[1].coarse) = (Activation::Silu.tag(), coarse);
        })
    };
    assert_eq!(last(0), None);
    assert_eq!(last(1), layer(1), "no features");
    assert_eq!(broken(&|o| o.levels = 0), Some(Defect::Shape));
    assert_eq!(broken(&|o| o.input = [0, 1, 8]), Some(Defect::Shape));
    let overflow = broken(&|o| o.channels[1].bias = i32::MAX);
    assert_eq!(
        overflow,
        Some(Defect::AccumulatorOverflow { layer: 0, row: 1 })
    );
    let scale = broken(&|o| o.channels[2].shift = 63);
    assert_eq!(scale, Some(Defect::Scale { index: 2 }));
    // The bound of the clamp is what makes the second layer's proof possible.
    let bias = i32::MAX - 3 * 127 * 2000;
    let tight = broken(&|o| {
        (o.ops[0].min, o.ops[0].max) = (-2000, 2000);
        o.channels[3].bias = bias;
    });
    assert_eq!(tight, None);
    assert_eq!(
        broken(&|o| o.channels[3].bias = bias),
        Some(Defect::AccumulatorOverflow { layer: 1, row: 0 })
    );
}

#[test]
fn a_sum_rounds_once() {
    let (left, right, offset) = (0.75, -0.3, 7.0);
    let addition = Addition::from_f64(left, right, offset).unwrap();
    let mut rng = Generator::from_seed(4);
    for _ in 0..10_000 {
        let (a, b) = (rng.next_u32() as i16, rng.next_u32() as i16);
        let exact = left * f64::from(a) + right * f64::from(b) + offset;
        let found = f64::from(addition.apply(a.into(), b.into()));
        assert!((found - exact).abs() <= 0.5 + 1e-4, "{a} {b}");
    }
    assert!(
        Multiplier::from_f64(left).is_some() && Addition::from_f64(40_000.0, 0.0, 0.0).is_none()
    );
}

/// Workspace of records alone: nothing else decides it.
fn workspace(ops: &mut [OpRecord], input: &[u16; 3]) -> usize {
    place(ops);
    let tensors = GraphTensors {
        ops,
        weights: &[],
        channels: &[],
        additions: &[],
    };
    Graph::unchecked(tensors, input, 1, None).workspace_bytes()
}

#[test]
fn the_documented_workspaces_are_what_is_needed() {
    let dense = |inner: &dyn Fn(&mut OpRecord)| {
        let mut ops = [(0, 256), (1, 256), (2, 64)]
            .map(|(v, n)| OpRecord::wide(OpKind::Dense, v, &[1, 1, n]));
        ops[..2].iter_mut().for_each(inner);
        workspace(&mut ops, &[1, 1, 64])
    };
    assert_eq!(dense(&|op| op.element = 0), 1031);
    assert_eq!(dense(&|op| op.activation = Activation::Silu.tag()), 1543);
    let narrow = |op: &mut OpRecord| (op.element, op.activation) = (0, Activation::Silu.tag());
    assert_eq!(dense(&narrow), 1543);

    let block = |element| {
        let conv = |v, c| OpRecord::wide(OpKind::Conv3x3, v, &[28, 28, c]);
        let mut sum = OpRecord::wide(OpKind::Add, 1, &[28, 28, 16]);
        sum.inputs[1] = 3;
        let mut ops = [conv(0, 16), conv(1, 16), conv(2, 16), sum, conv(4, 1)];
        ops[..4].iter_mut().for_each(|op| op.element = element);
        workspace(&mut ops, &[28, 28, 1])
    };
    for (element, images) in [(0, 37_632), (1, 75_264)] {
        assert!(
            (images..images + 400).contains(&block(element)),
            "{}",
            block(element)
        );
    }
}
