//! Weights of twice as many bits: a layer as the sum of two.

use anyhow::Result;

use super::{Grid, Precision};
use crate::data::Table;
use crate::train::model::{Activation, GraphKind, GraphNet, GraphOp};

/// A graph that computes the same, in which every layer with identity or ReLU behind it is the sum of two: one with the
/// weights as [`graph`](super::graph()) rounds them, and one with what that left over, whose units are some 250 times
/// finer. On the device the pair has weights of 15 bits, takes twice the memory and the instructions, and needs no
/// kernel of its own. Layers with another function stay as they are.
///
/// # Errors
///
/// As [`graph`](super::graph()), but for those of weights.
pub fn refined(net: &GraphNet, calibration: &[Table], precision: Precision) -> Result<GraphNet> {
    let grid = Grid::new(net, calibration, precision)?;
    let mut made = GraphNet::new(net.input, net.levels);
    // Where the values of `net` are in what is made.
    let mut places = vec![0];
    for (at, op) in net.ops.iter().enumerate() {
        let inputs = op.inputs.map(|value| places[value]);
        let plain = matches!(op.activation, Activation::Identity | Activation::Relu);
        if !(op.kind.has_weights() && plain) {
            made.ops.push(GraphOp {
                inputs,
                ..op.clone()
            });
            places.push(made.ops.len());
            continue;
        }
        let coarse = grid.weights(at, op, net.levels);
        let left_over = op.weights.iter().zip(&coarse).map(|(w, c)| w - c);
        let fine = GraphOp {
            inputs,
            activation: Activation::Identity,
            weights: left_over.collect(),
            bias: vec![0.0; op.rows()],
            ..op.clone()
        };
        let coarse = GraphOp {
            weights: coarse,
            bias: op.bias.clone(),
            ..fine.clone()
        };
        made.ops.extend([coarse, fine]);
        let last = made.ops.len();
        made.ops.push(GraphOp {
            kind: GraphKind::Add,
            inputs: [last - 1, last],
            shape: op.shape,
            activation: op.activation,
            weights: Vec::new(),
            bias: Vec::new(),
            log_gain: Vec::new(),
        });
        places.push(made.ops.len());
    }
    made.code_op = net.code_op.map(|value| places[value]);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::graph_forward;
    use crate::quantize::graph;
    use crate::train::model::Conditioning;
    use crate::train::random::{generator, normal};

    /// Convolutions and dense layers, conditioned and not, ReLU and not, one layer with another function.
    fn net() -> GraphNet {
        let mut net = GraphNet::new([4, 4, 1], 2);
        let first = net.conv3x3(0, 4, 1, Activation::Relu, Conditioning::GainAndBias);
        let inner = net.conv3x3(first, 4, 1, Activation::Identity, Conditioning::None);
        let sum = net.sum(first, inner);
        let hidden = net.dense(sum, [1, 1, 24], Activation::Tanh, Conditioning::Bias);
        net.dense(hidden, [4, 4, 1], Activation::Identity, Conditioning::None);
        let mut draws = generator(3, 0);
        net.initialise(&mut draws);
        for op in &mut net.ops {
            for parameter in op.bias.iter_mut().chain(&mut op.log_gain) {
                *parameter = 0.3 * normal(&mut draws);
            }
        }
        net
    }

    fn calibration() -> Vec<Table> {
        let mut draws = generator(5, 0);
        let values: Vec<f32> = (0..100 * 16).map(|_| normal(&mut draws)).collect();
        let table = Table::new("made", Table::numbered_columns(16), values).unwrap();
        vec![table.clone(), table]
    }

    #[test]
    fn it_computes_the_same_and_its_weights_lose_far_less() {
        let (net, calibration) = (net(), calibration());
        let refined = refined(&net, &calibration, Precision::I16).unwrap();
        refined.check().unwrap();
        // Three of the four layers are a sum of two each.
        assert_eq!((net.ops.len(), refined.ops.len()), (5, 11));
        for row in calibration[0].iter_rows().take(20) {
            let row: Vec<f64> = row.iter().map(|&x| x.into()).collect();
            for level in 0..2 {
                let exact = graph_forward(&net, level, &row);
                for (a, b) in exact.iter().zip(graph_forward(&refined, level, &row)) {
                    assert!((a - b).abs() < 1e-5, "{a} {b}");
                }
            }
        }
        let (plain, errors) = graph(&net, &calibration, Precision::I16).unwrap();
        let (pair, pair_errors) = graph(&refined, &calibration, Precision::I16).unwrap();
        // The coarse half has the very integers of the layer it stands for.
        assert_eq!(pair.ops[0].weights, plain.ops[0].weights);
        let coarse = errors[0].weights.unwrap();
        let fine = pair_errors[1].weights.unwrap();
        assert!(fine > coarse + 35.0, "{coarse} dB, {fine} dB");
        assert!(
            pair_errors[0].weights.unwrap() > 100.0,
            "coarse weights are exact"
        );
    }
}
