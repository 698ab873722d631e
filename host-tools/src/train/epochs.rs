//! The loop of every trainer that sees all rows once an epoch, in batches and in an order of chance.

use anyhow::{Result, ensure};
use burn::{
    optim::{AdamWState, AdaptiveMomentumState},
    tensor::Tensor,
};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{
    Progress,
    checkpoint::{Checkpoint, go_to, place},
    limits::check_repeats,
    tensors,
};
use crate::data::Table;
use crate::number::reading;

/// How the learning rate falls over the training run; all but `Constant` end at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decay {
    /// Half a cosine: slow, fast, slow.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
    /// It does not fall.
    Constant,
}

impl Decay {
    /// Share of the first learning rate that is left when a share of `done` of all steps is done.
    pub(super) fn factor(self, done: f64) -> f64 {
        match self {
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Self::Linear => 1.0 - done,
            Self::Constant => 1.0,
        }
    }
}

/// Checks how often a run is to see its rows.
pub(super) fn check_epochs(epochs: usize) -> Result<()> {
    check_repeats("epochs", epochs)
}

/// Checks what every descent is told.
pub(super) fn check_descent(batch: usize, learning_rate: f64, weight_decay: f32) -> Result<()> {
    ensure!(batch > 0, "the batch size is 0; give at least 1");
    ensure!(
        learning_rate.is_finite() && learning_rate > 0.0,
        "the learning rate is {learning_rate}; give a number above 0"
    );
    ensure!(
        weight_decay.is_finite() && weight_decay >= 0.0,
        "the weight decay is {weight_decay}; give a number of at least 0"
    );
    Ok(())
}

/// What is trained, and can go on from a checkpoint.
pub(super) trait Resumed {
    /// Its parameters, and what its optimiser keeps of each.
    fn numbers(&self) -> Result<Vec<f32>>;

    /// Takes such numbers, of so many steps; `None` if they are of another network.
    fn resume(&mut self, steps: usize, numbers: &[f32]) -> Option<()>;
}

/// Both moments of a parameter, zeros before the first step.
pub(super) fn moments(value: &Tensor<2>, kept: Option<&AdamWState<2>>) -> [Tensor<2>; 2] {
    match kept {
        Some(AdamWState { momentum }) => [momentum.moment_1.clone(), momentum.moment_2.clone()],
        None => [value.zeros_like(), value.zeros_like()],
    }
}

/// What the optimiser keeps of a parameter after so many steps.
pub(super) fn moments_of(steps: usize, [first, second]: [Tensor<2>; 2]) -> Option<AdamWState<2>> {
    let momentum = AdaptiveMomentumState::new(steps, first, second);
    (steps > 0).then(|| AdamWState::new(momentum))
}

/// Nothing goes on from a checkpoint.
impl Resumed for () {
    fn numbers(&self) -> Result<Vec<f32>> {
        Ok(Vec::new())
    }

    fn resume(&mut self, _: usize, _: &[f32]) -> Option<()> {
        Some(())
    }
}

/// A network in training, and the chance that its rows are damaged by.
pub(super) struct Training<'n, N> {
    pub(super) net: &'n mut N,
    pub(super) noise: ChaCha8Rng,
    /// Where it is kept on the way, if anywhere.
    pub(super) checkpoint: Option<Checkpoint>,
}

/// A training run in epochs.
pub(super) struct Epochs {
    /// How often every row is seen.
    pub(super) epochs: usize,
    /// Rows per step.
    pub(super) batch: usize,
    /// Learning rate at the start.
    pub(super) learning_rate: f64,
    /// How it falls.
    pub(super) decay: Decay,
    /// Shuffles the rows.
    pub(super) order: ChaCha8Rng,
    /// What follows the number of an epoch that diverged: ` of fine-tuning`, or nothing.
    pub(super) phase: &'static str,
}

impl Epochs {
    fn learning_rate(&self, step: usize, steps: usize) -> f64 {
        self.learning_rate * self.decay.factor(step as f64 / steps as f64)
    }

    /// Gives every batch of rows, by their indices, and its learning rate to `update`, which returns the mean
    /// loss of the batch; `progress` is told the mean of an epoch.
    ///
    /// # Errors
    ///
    /// `update` fails, or training diverges (named with the learning rate).
    pub(super) fn run(
        self,
        rows: usize,
        progress: &mut dyn FnMut(Progress),
        mut update: impl FnMut(&[usize], f64) -> Result<Tensor<1>>,
    ) -> Result<()> {
        let training = Training {
            net: &mut (),
            noise: self.order.clone(),
            checkpoint: None,
        };
        self.go_on(rows, training, progress, |(), _, batch, rate| {
            update(batch, rate)
        })
    }

    /// As [`run`](Self::run) of a network and its noise, which `update` is given; goes on from the checkpoint, and keeps
    /// it.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); the checkpoint is of another run or damaged, or cannot be written.
    pub(super) fn go_on<N: Resumed>(
        mut self,
        rows: usize,
        training: Training<'_, N>,
        progress: &mut dyn FnMut(Progress),
        mut update: impl FnMut(&mut N, &mut ChaCha8Rng, &[usize], f64) -> Result<Tensor<1>>,
    ) -> Result<()> {
        let Training {
            net,
            mut noise,
            mut checkpoint,
        } = training;
        let mut order: Vec<usize> = (0..rows).collect();
        let an_epoch = rows.div_ceil(self.batch);
        let steps = self.epochs.saturating_mul(an_epoch);
        let mut step = 0;
        let mut done = 0;
        if let Some(checkpoint) = &checkpoint
            && let Some(saved) = checkpoint.load()?
        {
            checkpoint.resume(net, &saved)?;
            go_to(&mut noise, checkpoint.words(&saved)?);
            done = saved.steps / an_epoch;
        }
        for epoch in 1..=self.epochs {
            order.shuffle(&mut self.order);
            if epoch <= done {
                step += an_epoch;
                continue;
            }
            let mut losses: Vec<(Tensor<1>, usize)> = Vec::new();
            for batch in order.chunks(self.batch) {
                let rate = self.learning_rate(step, steps);
                let loss = update(net, &mut noise, batch, rate)?;
                losses.push((loss, batch.len()));
                step += 1;
            }
            let loss = weighted_mean(losses)?;
            ensure!(
                loss.is_finite(),
                "training diverged in epoch {epoch}{}; lower the learning rate, which is {}",
                self.phase,
                reading(self.learning_rate)
            );
            if let Some(checkpoint) = &mut checkpoint
                && (checkpoint.is_due() || epoch == self.epochs)
            {
                checkpoint.save_of(net, step, place(&noise).to_vec())?;
            }
            progress(Progress {
                step: epoch,
                steps: self.epochs,
                loss,
            });
        }
        Ok(())
    }
}

/// Rows of a table, one behind the other.
pub(super) fn gather(features: &Table, rows: &[usize]) -> Vec<f32> {
    let width = features.width();
    rows.iter()
        .flat_map(|&row| features.values()[row * width..][..width].iter().copied())
        .collect()
}

/// Reads the losses of an epoch in one go: reading each at its step would make a GPU wait.
fn weighted_mean(losses: Vec<(Tensor<1>, usize)>) -> Result<f64> {
    let (losses, rows): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
    let losses = tensors::download(Tensor::cat(losses, 0))?;
    let sum: f64 = losses
        .iter()
        .zip(&rows)
        .map(|(&loss, &rows)| f64::from(loss) * rows as f64)
        .sum();
    Ok(sum / rows.iter().sum::<usize>() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::generator;

    #[test]
    fn learning_rates_fall_to_zero() {
        for (decay, half_way, end) in [
            (Decay::Cosine, 0.5, 0.0),
            (Decay::Linear, 0.5, 0.0),
            (Decay::Constant, 1.0, 1.0),
        ] {
            let run = Epochs {
                epochs: 1,
                batch: 1,
                learning_rate: 1.0,
                decay,
                order: generator(0, 0),
                phase: "",
            };
            assert_eq!(run.learning_rate(0, 10), 1.0);
            assert!((run.learning_rate(5, 10) - half_way).abs() < 1e-12);
            assert!((run.learning_rate(10, 10) - end).abs() < 1e-12);
        }
    }
}
