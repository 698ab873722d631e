//! Contrastive divergence in f64, textbook form.
//!
//! G. Hinton, *Training products of experts by minimizing contrastive divergence*, Neural Computation 14, 2002.

use rand_chacha::ChaCha8Rng;

use crate::train::model::{RbmParameters, VisibleUnits};
use crate::train::random::{generator, normal, uniform};

/// Streams of the seed.
const WEIGHTS: u64 = 0;
const CHAINS: u64 = 1;

/// How a machine is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CdOptions {
    /// Number of hidden units.
    pub hidden: usize,
    /// What the visible units hold.
    pub units: VisibleUnits,
    /// Gibbs steps of a sample, the `k` of CD-k.
    pub steps: usize,
    /// Persistent chains, which take turns; 0 for CD.
    pub chains: usize,
    /// Samples of a batch.
    pub batch: usize,
    /// Passes over the rows, in their order.
    pub passes: usize,
    /// Learning rate at the start.
    pub rate: f64,
    /// Whether it falls to zero in a straight line.
    pub falls: bool,
    /// Share of an update that goes into the next.
    pub momentum: f64,
    /// Weights shrink by this times the rate.
    pub decay: f64,
    /// Standard deviation of the first weights.
    pub deviation: f64,
    /// Fixes everything random.
    pub seed: u64,
}

/// Trains a machine on rows of `d` values, a sample at a time.
#[must_use]
pub fn contrastive_divergence(rows: &[f64], d: usize, options: &CdOptions) -> RbmParameters {
    let h = options.hidden;
    let mut first = generator(options.seed, WEIGHTS);
    let mut rng = generator(options.seed, CHAINS);
    let mut model = Machine {
        units: options.units,
        d,
        w: (0..h * d)
            .map(|_| options.deviation * f64::from(normal(&mut first)))
            .collect(),
        b: vec![0.0; d],
        c: vec![0.0; h],
    };
    let mut velocity = Machine {
        w: vec![0.0; h * d],
        b: vec![0.0; d],
        c: vec![0.0; h],
        ..model.clone()
    };
    let mut chains = vec![vec![0.0; d]; options.chains];
    let samples = options.passes * (rows.len() / d);
    let batches = (samples / options.batch).max(1);
    for (sample, row) in rows.chunks_exact(d).cycle().take(samples).enumerate() {
        let left = 1.0 - (sample / options.batch) as f64 / batches as f64;
        let rate = options.rate * if options.falls { left.max(0.0) } else { 1.0 };
        let share = rate / options.batch as f64;
        if sample % options.batch == 0 {
            velocity.scale(options.momentum);
            for (u, w) in velocity.w.iter_mut().zip(&model.w) {
                *u -= rate * options.decay * w;
            }
        }
        velocity.add(row, &model.hidden_means(row), share);
        let mut visible = match options.chains {
            0 => row.to_vec(),
            count => chains[sample % count].clone(),
        };
        for _ in 0..options.steps {
            let hidden = draw(&model.hidden_means(&visible), &mut rng);
            visible = model.draw_visible(&hidden, &mut rng);
        }
        velocity.add(&visible, &model.hidden_means(&visible), -share);
        if options.chains > 0 {
            chains[sample % options.chains] = visible;
        }
        if sample % options.batch + 1 == options.batch {
            model.advance(&velocity);
        }
    }
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect();
    RbmParameters {
        visible: d,
        hidden: h,
        weights: narrow(&model.w),
        visible_bias: narrow(&model.b),
        hidden_bias: narrow(&model.c),
        units: options.units,
    }
}

#[derive(Clone)]
struct Machine {
    units: VisibleUnits,
    d: usize,
    w: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn draw(means: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let draw = |p: &f64| f64::from(u8::from(f64::from(uniform(rng)) < *p));
    means.iter().map(draw).collect()
}

impl Machine {
    fn hidden_means(&self, v: &[f64]) -> Vec<f64> {
        let rows = self.w.chunks_exact(self.d).zip(&self.c);
        rows.map(|(row, c)| {
            let dot: f64 = row.iter().zip(v).map(|(w, v)| w * v).sum();
            sigmoid(c + dot)
        })
        .collect()
    }

    fn draw_visible(&self, h: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut sums = self.b.clone();
        for (row, _) in self
            .w
            .chunks_exact(self.d)
            .zip(h)
            .filter(|(_, h)| **h > 0.0)
        {
            sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
        }
        match self.units {
            VisibleUnits::Bernoulli => {
                let means: Vec<f64> = sums.into_iter().map(sigmoid).collect();
                draw(&means, rng)
            }
            VisibleUnits::Gaussian => {
                let drawn = sums.into_iter().map(|mean| mean + f64::from(normal(rng)));
                drawn.collect()
            }
        }
    }

    fn scale(&mut self, factor: f64) {
        let values = self.w.iter_mut().chain(&mut self.b).chain(&mut self.c);
        values.for_each(|value| *value *= factor);
    }

    /// Adds `share` times the statistics of a state.
    fn add(&mut self, v: &[f64], h: &[f64], share: f64) {
        for (row, h) in self.w.chunks_exact_mut(self.d).zip(h) {
            row.iter_mut().zip(v).for_each(|(u, v)| *u += share * h * v);
        }
        self.b.iter_mut().zip(v).for_each(|(u, v)| *u += share * v);
        self.c.iter_mut().zip(h).for_each(|(u, h)| *u += share * h);
    }

    fn advance(&mut self, velocity: &Self) {
        let values = self.w.iter_mut().chain(&mut self.b).chain(&mut self.c);
        let steps = velocity.w.iter().chain(&velocity.b).chain(&velocity.c);
        values.zip(steps).for_each(|(value, step)| *value += step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;
    use crate::energy::EnergyModel;

    #[test]
    fn patterns_that_are_seen_become_likely() {
        let rows: Vec<f64> = [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]
            .iter()
            .cycle()
            .take(64)
            .flatten()
            .copied()
            .collect();
        let options = CdOptions {
            hidden: 3,
            units: VisibleUnits::Bernoulli,
            steps: 1,
            chains: 0,
            batch: 8,
            passes: 200,
            rate: 0.1,
            falls: true,
            momentum: 0.5,
            decay: 0.0,
            deviation: 0.1,
            seed: 1,
        };
        let table = rows.iter().map(|&x| x as f32).collect();
        let table = Table::new("made", Table::numbered_columns(4), table).unwrap();
        // Two patterns, alike often: ln 2 at best, 4 ln 2 by chance. Eight chains wander further between.
        for (chains, least) in [(0, -1.0), (8, -1.6)] {
            let machine = contrastive_divergence(&rows, 4, &CdOptions { chains, ..options });
            let model = EnergyModel::from(&machine);
            let nats = model.mean_log_likelihood(&table, model.log_partition().unwrap());
            assert!(nats > least, "{chains} chains: {nats}");
        }
    }
}
