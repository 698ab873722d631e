//! Block Gibbs sampling: chains of a machine, and completion with some of its visible units given.

use rand_chacha::ChaCha8Rng;

use super::EnergyModel;
use crate::train::{
    model::VisibleUnits,
    random::{normal, uniform},
};

/// How visible units that are not given are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Gibbs steps that are thrown away.
    pub warm_up: usize,
    /// Gibbs steps that are averaged.
    pub steps: usize,
}

impl EnergyModel {
    /// Hidden units drawn given the visible ones.
    pub fn draw_hidden(&self, visible: &[f64], generator: &mut ChaCha8Rng) -> Vec<f64> {
        bernoulli(&self.hidden_means(visible), generator)
    }

    /// Visible units drawn given the hidden ones.
    pub fn draw_visible(&self, hidden: &[f64], generator: &mut ChaCha8Rng) -> Vec<f64> {
        let means = self.visible_means(hidden);
        match self.units {
            VisibleUnits::Bernoulli => bernoulli(&means, generator),
            VisibleUnits::Gaussian => means
                .into_iter()
                .map(|mean| mean + f64::from(normal(generator)))
                .collect(),
        }
    }

    /// The visible units' means after `steps` Gibbs steps from `visible`, which goes on to their state.
    pub fn sample(
        &self,
        visible: &mut Vec<f64>,
        steps: usize,
        generator: &mut ChaCha8Rng,
    ) -> Vec<f64> {
        let mut means = visible.clone();
        for _ in 0..steps {
            let hidden = self.draw_hidden(visible, generator);
            means = self.visible_means(&hidden);
            *visible = self.draw_visible(&hidden, generator);
        }
        means
    }

    /// The means of all visible units given some: `known` has those, and `None` where one is asked for.
    pub fn complete(
        &self,
        known: &[Option<f64>],
        how: Completion,
        generator: &mut ChaCha8Rng,
    ) -> Vec<f64> {
        let clamp = |visible: &mut [f64]| {
            for (value, known) in visible.iter_mut().zip(known) {
                *value = known.unwrap_or(*value);
            }
        };
        let silent = vec![0.0; self.hidden()];
        let mut visible = self.draw_visible(&silent, generator);
        let mut means = vec![0.0; visible.len()];
        for step in 0..how.warm_up + how.steps {
            clamp(&mut visible);
            let hidden = self.draw_hidden(&visible, generator);
            visible = self.draw_visible(&hidden, generator);
            if step >= how.warm_up {
                for (sum, mean) in means.iter_mut().zip(self.visible_means(&hidden)) {
                    *sum += mean / how.steps as f64;
                }
            }
        }
        clamp(&mut means);
        means
    }
}

/// 1 with the given probabilities, otherwise 0.
pub(super) fn bernoulli(means: &[f64], generator: &mut ChaCha8Rng) -> Vec<f64> {
    means
        .iter()
        .map(|&mean| f64::from(u8::from(f64::from(uniform(generator)) < mean)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bits, machine, minus_energy};
    use super::*;
    use crate::train::random::generator;

    #[test]
    fn completions_are_conditional_means() {
        let machine = machine(6, 4, 1.0, VisibleUnits::Bernoulli, 8);
        let model = EnergyModel::from(&machine);
        let known = [Some(1.0), None, Some(0.0), None, None, Some(1.0)];
        let how = Completion {
            warm_up: 100,
            steps: 40_000,
        };
        let found = model.complete(&known, how, &mut generator(1, 0));
        let agrees = |index: usize| {
            let state = bits(index, 6);
            state
                .iter()
                .zip(known)
                .all(|(&x, k)| k.is_none_or(|k| k == x))
        };
        let weight = |index: usize| -> f64 {
            let v = bits(index, 6);
            (0..16)
                .map(|h| minus_energy(&machine, &v, &bits(h, 4)).exp())
                .sum()
        };
        let all: f64 = (0..64).filter(|&i| agrees(i)).map(weight).sum();
        for (at, found) in found.into_iter().enumerate() {
            let active = (0..64).filter(|&i| agrees(i) && i >> at & 1 == 1);
            let expected = active.map(weight).sum::<f64>() / all;
            assert!((found - expected).abs() < 0.02, "{at}: {found} {expected}");
        }
    }
}
