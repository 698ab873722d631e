//! Gradient descent with the mean-shift prior.

use super::Degradation;
use crate::num::{rounding_shift_right, saturating_i32};
use crate::rng::normal;
use crate::score::{Score, features_into, from_feature};
use crate::{Defect, Operand, Setting, ShapeError};
use rand_core::Rng;

/// What is known of the noise in an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Noise {
    /// Its standard deviation in feature units, `U12F20`.
    Known(u32),
    /// Nothing: it is estimated from the error in each step.
    Blind,
}

/// What was seen, and how it came about.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Features (`I4F12`); what a mask hides is not looked at.
    pub features: &'a [i16],
    /// How they came about.
    pub degradation: Degradation<'a>,
    /// Noise on them.
    pub noise: Noise,
}

/// How the descent goes; [`Settings::new`] has the figures of the paper's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// Noise level of the prior, one of those that it has.
    pub level: u16,
    /// Standard deviation of the noise that the prior's input gets in each step, `U12F20`; 0 for none.
    pub eta: u32,
    /// Step size, `U1F30`, at most one.
    pub rate: u32,
    /// Share of the last step that the next one keeps, `U1F30`, at most one.
    pub momentum: u32,
    /// Steps to take.
    pub steps: u16,
}

impl Settings {
    /// Step size 0.1, momentum 0.9, 300 steps, the prior's input with noise of the prior's own `sigma`.
    #[must_use]
    pub const fn new(level: u16, sigma: u32) -> Self {
        Self {
            level,
            eta: sigma,
            rate: 107_374_182,
            momentum: 966_367_642,
            steps: 300,
        }
    }
}

/// One in the format of rates and weights.
const ONE: u32 = 1 << 30;

/// Restoration with the mean-shift prior (Bigdeli et al. 2017), one bounded step a call.
///
/// ```text
/// d = K^T (K x - y)              gradient of |y - K x|^2 / 2
/// p = x - A(x + eta z)           gradient of the prior, times sigma^2
/// v = momentum v - rate (w d + (1 - w) p)
/// x += v
/// w = sigma^2 / (sigma^2 + s)
/// ```
///
/// s is the variance of the observation's noise; blind, it is `|K x - y|^2 / n + 2 sigma^2 |k|^2`, so that
/// `1 / s = n / (|K x - y|^2 + 2 n sigma^2 |k|^2)` is the paper's weight. Elements that a mask hides take w = 0: with
/// nothing seen the prior alone moves them, and at full rate, which leaves the solution where it is.
///
/// A(x) - x is a [`Score`]'s residual. State `I12F20` as in [`score`](crate::score); v is rounded once a step, to half a
/// unit of 2^-20, after products of 64 bits.
///
/// **Work** of a step: one evaluation of the score, one random word an element unless `eta` is 0, four 32x32-bit
/// products an element, one 128-bit division; with a blur 50 products more an element. **Memory**: four states,
/// `16 d` bytes, beside the score's own.
#[derive(Debug)]
pub struct MeanShift<'m, S> {
    score: S,
    observation: Observation<'m>,
    settings: Settings,
    state: &'m mut [i32],
    velocity: &'m mut [i32],
    /// The prior's input, then the prior's pull.
    prior: &'m mut [i32],
    /// The score's residual, then the data's error.
    error: &'m mut [i32],
    done: u16,
}

impl<'m, S: Score> MeanShift<'m, S> {
    /// Words of memory for states of `d` elements.
    #[must_use]
    pub const fn memory_len(d: usize) -> usize {
        d.saturating_mul(4)
    }

    /// A restoration that starts from what was seen, and from 0 where nothing was.
    ///
    /// # Errors
    /// [`Defect::Length`] when the observation or its mask or image is not as long as the score has dimensions, or
    /// `memory` is shorter than [`memory_len`](Self::memory_len); [`Defect::Setting`] when a setting is out of its
    /// range.
    pub fn new(
        score: S,
        observation: Observation<'m>,
        settings: Settings,
        memory: &'m mut [i32],
    ) -> Result<Self, Defect> {
        let d = score.dimensions();
        ShapeError::exact(Operand::Input, d, observation.features.len())
            .and_then(|()| observation.degradation.check(d))
            .and_then(|()| {
                ShapeError::at_least(Operand::Workspace, Self::memory_len(d), memory.len())
            })
            .map_err(Defect::Length)?;
        let last = u32::from(score.levels()).saturating_sub(1);
        Defect::ranges(&[
            (Setting::Level, settings.level.into(), 0, last),
            (Setting::Rate, settings.rate, 0, ONE),
            (Setting::Momentum, settings.momentum, 0, ONE),
        ])?;
        let (state, rest) = memory.split_at_mut_checked(d).unwrap_or_default();
        let (velocity, rest) = rest.split_at_mut_checked(d).unwrap_or_default();
        let (prior, rest) = rest.split_at_mut_checked(d).unwrap_or_default();
        let error = rest.get_mut(..d).unwrap_or_default();
        velocity.fill(0);
        for (at, (x, y)) in state.iter_mut().zip(observation.features).enumerate() {
            let seen = observation.degradation.sees(at);
            *x = if seen { from_feature(*y) } else { 0 };
        }
        Ok(Self {
            score,
            observation,
            settings,
            state,
            velocity,
            prior,
            error,
            done: 0,
        })
    }

    /// Takes one step and gives the number of steps taken; `None` when the descent is at its end.
    ///
    /// # Errors
    /// Those of the score.
    pub fn step<R: Rng + ?Sized>(&mut self, rng: &mut R) -> Result<Option<u16>, ShapeError> {
        if self.done >= self.settings.steps {
            return Ok(None);
        }
        self.pull(rng)?;
        self.compare();
        let weight = self.weight();
        let rate = u64::from(self.settings.rate);
        let momentum = i64::from(self.settings.momentum);
        let degradation = self.observation.degradation;
        let elements = self.state.iter_mut().zip(self.velocity.iter_mut());
        for (at, ((x, v), p)) in elements.zip(self.prior.iter()).enumerate() {
            let weight = if degradation.sees(at) { weight } else { 0 };
            // Both at most 2^30.
            let data = ((rate * u64::from(weight)) >> 30).cast_signed();
            let prior = rate.cast_signed() - data;
            let d = degradation.adjoint(self.error, at);
            // Three products of at most 2^61: below 2^63 with the rounding term.
            let sum = momentum * i64::from(*v) - data * i64::from(d) + prior * i64::from(*p);
            *v = saturating_i32(rounding_shift_right(sum, 30));
            *x = x.saturating_add(*v);
        }
        self.done += 1;
        Ok(Some(self.done))
    }

    /// The prior's pull `A(x + eta z) - x`.
    fn pull<R: Rng + ?Sized>(&mut self, rng: &mut R) -> Result<(), ShapeError> {
        for (noisy, x) in self.prior.iter_mut().zip(self.state.iter()) {
            *noisy = if self.settings.eta == 0 {
                *x
            } else {
                let product = i64::from(normal(rng)) * i64::from(self.settings.eta);
                x.saturating_add(saturating_i32(rounding_shift_right(product, 12)))
            };
        }
        let level = self.settings.level;
        self.score.residual_into(level, self.prior, self.error)?;
        let pulls = self.prior.iter_mut().zip(self.error.iter());
        for ((pull, r), x) in pulls.zip(self.state.iter()) {
            *pull = pull.saturating_add(*r).saturating_sub(*x);
        }
        Ok(())
    }

    /// The data's error `K x - y`, 0 where nothing was seen.
    fn compare(&mut self) {
        let degradation = self.observation.degradation;
        let errors = self.error.iter_mut().zip(self.observation.features);
        for (at, (error, y)) in errors.enumerate() {
            *error = if degradation.sees(at) {
                degradation
                    .apply(self.state, at)
                    .saturating_sub(from_feature(*y))
            } else {
                0
            };
        }
    }

    /// Weight of the data, `U1F30`.
    fn weight(&self) -> u32 {
        // Variances with 40 fractional bits, below 2^64.
        let square = |sd: u32| u128::from(sd) * u128::from(sd);
        let prior = square(self.score.sigma(self.settings.level));
        let noise = match self.observation.noise {
            Noise::Known(sd) => square(sd),
            Noise::Blind => {
                let degradation = &self.observation.degradation;
                let seen = (0..self.error.len())
                    .filter(|at| degradation.sees(*at))
                    .count();
                // At most 2^62 each, and no more than 2^32 of them.
                let squares = self.error.iter().map(|e| {
                    let e = u128::from(e.unsigned_abs());
                    e * e
                });
                let mean = squares.sum::<u128>() / (seen.max(1) as u128);
                mean + ((2 * prior * u128::from(degradation.energy())) >> 30)
            }
        };
        // At most one.
        let weight = (prior << 30).checked_div(prior + noise).unwrap_or(0);
        u32::try_from(weight).unwrap_or(ONE)
    }

    /// The restored sample so far, `I12F20`.
    #[must_use]
    pub const fn state(&self) -> &[i32] {
        self.state
    }

    /// The restored sample so far, `I4F12`, saturating.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not as long as the state.
    pub fn features_into(&self, features: &mut [i16]) -> Result<(), ShapeError> {
        features_into(self.state, features)
    }
}
