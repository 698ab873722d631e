//! Decoders are given any code, whatever their encoder can give.

use super::*;

/// A code of the encoder's value 1, narrowly clamped, then operations that move it, then a layer that reads it.
fn moved_code(rng: &mut Generator) -> (Owned, Layer) {
    let mut owned = Owned::new(&[1, 1, 1 + below(rng, 3) as u16], 1);
    let side = 1 + below(rng, 5) as u16;
    let mut code = OpRecord::wide(OpKind::Dense, 0, &[side, side, 1 + below(rng, 3) as u16]);
    code.min = -(below(rng, 100) as i16);
    code.max = below(rng, 100) as i16;
    code.zero_point = code.min;
    let inputs = usize::from(owned.input[2]);
    let weights = vec![1; code.rows() * inputs];
    let small = Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 40,
    };
    let channels = vec![small; code.rows()];
    let mut value = owned.push_layer(code, weights, &channels);
    for _ in 0..below(rng, 4) {
        let [h, w, c] = *owned.shape(value);
        let (kind, shape) = match below(rng, 2) {
            0 if h > 1 => (OpKind::AveragePool, [h / 2, w / 2, c]),
            _ if h < 9 => (OpKind::Upsample, [2 * h, 2 * w, c]),
            _ => continue,
        };
        let mut op = OpRecord::wide(kind, value, &shape);
        (op.min, op.max, op.zero_point) = (code.min, code.max, code.zero_point);
        value = owned.push(op);
    }
    let [h, w, c] = *owned.shape(value);
    let conv = below(rng, 2) == 0;
    let mut layer = if conv {
        let mut op = OpRecord::wide(OpKind::Conv3x3, value, &[h, w, 1]);
        op.stride = 1;
        op
    } else {
        OpRecord::wide(OpKind::Dense, value, &[1, 1, 1])
    };
    layer.parameters = owned.channels.len() as u32;
    let cols = usize::from(c) * if conv { 9 } else { usize::from(h * w) };
    let weights: Vec<i8> = (0..cols).map(|_| rng.next_u32() as i8).collect();
    let sum: i64 = weights.iter().map(|w| i64::from(*w).abs()).sum();
    owned.push_layer(layer, weights, &[small]);
    place(&mut owned.ops);
    let most = i64::from(i32::MAX) - (sum << 15);
    (
        owned,
        Layer {
            channel: layer.parameters as usize,
            most,
        },
    )
}

/// The channel of the layer that reads the code, and the largest bias that no code overflows.
struct Layer {
    channel: usize,
    most: i64,
}

#[test]
fn the_largest_bias_that_no_code_overflows_is_taken_and_a_larger_one_refused() {
    let mut rng = Generator::from_seed(41);
    let mut moving = [0; 2];
    for _ in 0..2000 {
        let (mut owned, layer) = moved_code(&mut rng);
        let Ok(most) = i32::try_from(layer.most) else {
            continue;
        };
        for sign in [1, -1] {
            owned.channels[layer.channel].bias = sign * most;
            owned.graph_with_code(Some(1)).unwrap();
            if most < i32::MAX {
                owned.channels[layer.channel].bias = sign * (most + 1);
                let refused = owned.graph_with_code(Some(1)).unwrap_err();
                assert!(matches!(
                    refused,
                    Defect::AccumulatorOverflow { row: 0, .. }
                ));
            }
        }
        for op in &owned.ops {
            moving[0] += usize::from(op.kind() == Some(OpKind::AveragePool));
            moving[1] += usize::from(op.kind() == Some(OpKind::Upsample));
        }
    }
    assert!(moving.iter().all(|n| *n > 300), "{moving:?}");
}

#[test]
fn any_code_is_decoded_as_defined() {
    let mut rng = Generator::from_seed(42);
    let mut at_the_limit = 0;
    for _ in 0..3000 {
        let (mut owned, layer) = moved_code(&mut rng);
        let Ok(most) = i32::try_from(layer.most) else {
            continue;
        };
        // Scales from 2^-32 to 1/2: sums at the limit become small numbers and saturated ones.
        let channel = &mut owned.channels[layer.channel];
        channel.bias = if below(&mut rng, 2) == 0 { most } else { -most };
        channel.shift = 31 + below(&mut rng, 32);
        let Ok(graph) = owned.graph_with_code(Some(1)) else {
            continue;
        };
        at_the_limit += 1;
        let extremes = [i16::MIN, i16::MAX, -1, 0, 1];
        for round in 0..4 {
            let one = extremes[below(&mut rng, 5) as usize];
            let code: Vec<i16> = (0..graph.code_len().unwrap())
                .map(|_| match round {
                    0 => one,
                    1 => extremes[below(&mut rng, 2) as usize],
                    _ => rng.next_u32() as i16,
                })
                .collect();
            let mut workspace = vec![0xa5; graph.workspace_bytes()];
            let mut output = vec![0; graph.outputs()];
            graph.decode(&mut workspace, &code, &mut output).unwrap();
            let exact = owned.evaluate_from(1, 0, &code);
            let output: Vec<i64> = output.iter().map(|y| i64::from(*y)).collect();
            assert_eq!(&output, exact.last().unwrap(), "{:?} {code:?}", owned.ops);
        }
    }
    assert!(at_the_limit > 1000, "{at_the_limit}");
}

#[test]
fn random_graphs_with_a_code_decode_as_defined() {
    let mut rng = Generator::from_seed(43);
    let (mut decoded, mut moved) = (0, 0);
    for _ in 0..4000 {
        let owned = random_graph(&mut rng);
        for code in 1..owned.ops.len() as u16 {
            let Ok(graph) = owned.graph_with_code(Some(code)) else {
                continue;
            };
            decoded += 1;
            let behind = &owned.ops[usize::from(code)..];
            let moves =
                |op: &OpRecord| matches!(op.kind(), Some(OpKind::AveragePool | OpKind::Upsample));
            moved += usize::from(behind.iter().any(moves));
            let extremes = [i16::MIN, i16::MAX];
            let mut code_values = random_features(graph.code_len().unwrap(), &mut rng);
            if below(&mut rng, 2) == 0 {
                code_values.fill(extremes[below(&mut rng, 2) as usize]);
            }
            let mut workspace = vec![0x5a; graph.workspace_bytes()];
            let mut output = vec![0; graph.outputs()];
            graph
                .decode(&mut workspace, &code_values, &mut output)
                .unwrap();
            let exact = owned.evaluate_from(code.into(), 0, &code_values);
            let output: Vec<i64> = output.iter().map(|y| i64::from(*y)).collect();
            assert_eq!(&output, exact.last().unwrap(), "{code} {:?}", owned.ops);
        }
    }
    assert!(
        decoded > 300 && moved > 50,
        "{decoded} decoded, {moved} of them moved"
    );
}
