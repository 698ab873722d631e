//! Fine-tuning of a graph for the grid that it is rounded to.
//!
//! The forward pass takes weights and values as the quantiser rounds them, gradients go straight through the rounding
//! to the real numbers behind (Y. Bengio, N. Léonard and A. Courville, *Estimating or propagating gradients through
//! stochastic neurons for conditional computation*, 2013; B. Jacob et al., *Quantization and training of neural networks
//! for efficient integer-arithmetic-only inference*, 2018). What the rounded network is held to is what the network
//! itself gave before, on the same inputs (A. Polino, R. Pascanu and D. Alistarh, *Model compression via distillation and
//! quantization*, 2018): one loss for every kind of network, and no adversary.

use anyhow::{Result, ensure};
use burn::tensor::Tensor;

use super::{
    Progress,
    device::TrainingDevice,
    graph_net::{Descent, Examples, GraphTrainer},
    limits::check_repeats,
    model::GraphNet,
    tensors,
};
use crate::data::Table;
use crate::number::reading;
use crate::quantize::{Grid, Precision};

/// Steps between two calls of the callback.
const REPORT: usize = 100;

/// How to fine-tune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FineTuning {
    /// Steps of Adam.
    pub steps: usize,
    /// Learning rate at the start; it falls to zero in half a cosine.
    pub learning_rate: f64,
    /// Type of the values inside the graph.
    pub precision: Precision,
}

/// Inputs of one step: rows behind one another, and the noise level of each, none where the network has one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// Rows.
    pub rows: Vec<f32>,
    /// Their levels.
    pub levels: Vec<usize>,
}

/// Changes the parameters of `net` such that, rounded, it computes what it computed unrounded. `calibration` is that of
/// [`quantize::graph`](crate::quantize::graph()), which the result is to be quantised by; `draw` gives the inputs of every
/// step. `progress` is told the mean squared error against the unrounded network, every hundred steps.
///
/// # Errors
///
/// A network that cannot be calibrated; no step, or a learning rate that is not positive; training that diverges; the
/// training device fails.
pub fn fine_tune(
    net: &GraphNet,
    calibration: &[Table],
    options: FineTuning,
    device: &TrainingDevice,
    draw: &mut dyn FnMut() -> Inputs,
    progress: &mut dyn FnMut(Progress),
) -> Result<GraphNet> {
    let FineTuning {
        steps,
        learning_rate,
        precision,
    } = options;
    check_repeats("steps", steps)?;
    ensure!(
        learning_rate.is_finite() && learning_rate > 0.0,
        "the learning rate is {learning_rate}; give a number above 0"
    );
    let descent = Descent {
        weight_decay: 0.0,
        average: 0.0,
    };
    let teacher = GraphTrainer::new(net, descent, device)?;
    let mut trainer = GraphTrainer::new(net, descent, device)?;
    trainer.round_to(Grid::new(net, calibration, precision)?)?;
    let mut losses: Vec<Tensor<1>> = Vec::new();
    for step in 0..steps {
        let Inputs { rows, levels } = draw();
        let targets = teacher.forward(teacher.upload(rows.clone(), net.inputs()), &levels);
        let examples = Examples {
            inputs: rows,
            targets: tensors::download(targets.inner())?,
            levels,
        };
        let done = step as f64 / steps as f64;
        let rate = learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        losses.push(trainer.descend(&examples, rate)?);
        if losses.len() == REPORT || step + 1 == steps {
            let found = tensors::download(Tensor::cat(std::mem::take(&mut losses), 0))?;
            let loss = found.iter().copied().map(f64::from).sum::<f64>() / found.len() as f64;
            ensure!(
                loss.is_finite(),
                "fine-tuning diverged by step {step}; lower the learning rate, which is {}",
                reading(learning_rate)
            );
            progress(Progress {
                step: step + 1,
                steps,
                loss,
            });
        }
    }
    trainer.download()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::graph_forward;
    use crate::quantize;
    use crate::train::model::{Activation, Conditioning};
    use crate::train::random::{generator, normal};

    /// Rows whose elements are of very different weight: their columns of the first layer share a row's scale.
    fn net() -> GraphNet {
        let mut net = GraphNet::new([1, 1, 4], 1);
        let hidden = net.dense(0, [1, 1, 24], Activation::Relu, Conditioning::None);
        let hidden = net.dense(hidden, [1, 1, 24], Activation::Relu, Conditioning::None);
        net.dense(hidden, [1, 1, 2], Activation::Identity, Conditioning::None);
        let mut draws = generator(2, 0);
        net.initialise(&mut draws);
        // One large weight a row makes the unit of the others coarse.
        for op in &mut net.ops {
            let cols = op.cols();
            for (index, row) in op.weights.chunks_exact_mut(cols).enumerate() {
                row[index % cols] *= 6.0;
            }
        }
        // Outputs are features, which end at 8.
        net.ops[2].weights.iter_mut().for_each(|w| *w *= 0.05);
        net
    }

    fn inputs(rows: usize, draws: &mut rand_chacha::ChaCha8Rng) -> Vec<f32> {
        (0..4 * rows).map(|_| normal(draws)).collect()
    }

    fn table(rows: usize, seed: u64) -> Table {
        let values = inputs(rows, &mut generator(seed, 0));
        Table::new("made", Table::numbered_columns(4), values).unwrap()
    }

    /// The network with the weights that its integers stand for.
    fn rounded(net: &GraphNet, calibration: &[Table]) -> GraphNet {
        let grid = Grid::new(net, calibration, Precision::I16).unwrap();
        let mut rounded = net.clone();
        for (at, op) in net.ops.iter().enumerate() {
            rounded.ops[at].weights = grid.weights(at, op, net.levels);
        }
        rounded
    }

    /// Mean squared error against `net` on rows of their own.
    fn error(net: &GraphNet, other: &GraphNet) -> f64 {
        let rows: Vec<f64> = table(500, 9).values().iter().map(|&x| x.into()).collect();
        let (a, b) = (graph_forward(net, 0, &rows), graph_forward(other, 0, &rows));
        let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>() / a.len() as f64
    }

    #[test]
    fn a_fine_tuned_network_loses_less_than_one_rounded_after_training() {
        let (net, calibration) = (net(), [table(300, 1)]);
        let mut draws = generator(6, 0);
        let mut reported = Vec::new();
        let options = FineTuning {
            steps: 600,
            learning_rate: 1e-3,
            precision: Precision::I16,
        };
        let tuned = fine_tune(
            &net,
            &calibration,
            options,
            &TrainingDevice::cpu(),
            &mut || Inputs {
                rows: inputs(64, &mut draws),
                levels: Vec::new(),
            },
            &mut |progress| reported.push(progress.loss),
        )
        .unwrap();
        let after = error(&net, &rounded(&net, &calibration));
        let tuned = error(&net, &rounded(&tuned, &calibration));
        assert!(tuned < 0.4 * after, "{tuned:.2e} against {after:.2e}");
        assert_eq!(reported.len(), 6);
        // What was minimised is what the integers lose, but for rare rows beyond the range of the calibration.
        let last = reported.last().unwrap() / tuned;
        assert!((0.25..4.0).contains(&last), "{last}");
    }

    #[test]
    fn the_rounded_forward_pass_has_the_weights_and_values_of_the_quantised_graph() {
        let (net, calibration) = (net(), [table(300, 1)]);
        let (quantised, _) = quantize::graph(&net, &calibration, Precision::I16).unwrap();
        // Integers times their unit, which the largest of each row gives away.
        let grid = Grid::new(&net, &calibration, Precision::I16).unwrap();
        for (at, op) in net.ops.iter().enumerate() {
            let weights = grid.weights(at, op, 1);
            let integers = quantised.ops[at].weights.chunks_exact(op.cols());
            for (row, (weights, integers)) in
                weights.chunks_exact(op.cols()).zip(integers).enumerate()
            {
                let original = &op.weights[row * op.cols()..][..op.cols()];
                let largest = original.iter().fold(0f32, |m, w| m.max(w.abs()));
                for (weight, integer) in weights.iter().zip(integers) {
                    let exact = f64::from(*integer) * f64::from(largest) / 127.0;
                    assert_eq!(*weight, exact as f32);
                }
            }
        }
        // The trainer computes with just these, and its values lie on the grid.
        let descent = Descent {
            weight_decay: 0.0,
            average: 0.0,
        };
        let mut trainer = GraphTrainer::new(&net, descent, &TrainingDevice::cpu()).unwrap();
        trainer.round_to(grid).unwrap();
        let rows = table(50, 4).values().to_vec();
        let real: Vec<f64> = rows.iter().map(|&x| x.into()).collect();
        let made = trainer.forward(trainer.upload(rows, 4), &[]);
        let made = tensors::download(made.inner()).unwrap();
        let exact = graph_forward(&rounded(&net, &calibration), 0, &real);
        for (made, exact) in made.iter().zip(exact) {
            let units = f64::from(*made) * quantize::FEATURE_UNIT;
            assert_eq!(units.fract(), 0.0);
            // One rounding to a feature, and those of 16-bit values before it.
            assert!((f64::from(*made) - exact).abs() < 0.002, "{made} {exact}");
        }
    }
}
