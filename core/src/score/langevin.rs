//! Annealed Langevin dynamics.

use super::{FRAC_BITS, Score, feature, from_feature, noise};
use crate::num::{rounding_shift_right, saturating_i32, sqrt};
use crate::{Defect, Operand, Setting, ShapeError};
use rand_core::Rng;

/// How a sampler walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Schedule {
    gamma: u32,
    steps: u16,
    denoise: bool,
    consistent: bool,
}

impl Schedule {
    /// `steps` a level; `gamma = epsilon / sigma_L^2` in `U2F30`, below 2, with sigma_L the smallest standard
    /// deviation and epsilon the step size of Song and Ermon 2019, in the same unit as sigma_L^2; that of NCSNv2
    /// (2020), which steps by `epsilon s + sqrt(2 epsilon) z`, is half as large. `denoise` ends with one whole
    /// residual, as NCSNv2 does.
    ///
    /// # Errors
    /// [`Defect::Setting`] when there is no step or `gamma` is 0 or 2 and more: from `gamma = 4` on the walk would not
    /// settle.
    ///
    /// ```
    /// use autodidact::score::Schedule;
    /// // NCSNv2's rules for 8x8 digits: sigma_L = 0.05, its epsilon = 6.0e-4.
    /// let gamma = (2.0 * 6.0e-4 / 0.05f64.powi(2) * f64::from(1 << 30)) as u32;
    /// let schedule = Schedule::new(gamma, 5, true).unwrap();
    /// assert_eq!(schedule.evaluations(16), 81);
    /// ```
    pub const fn new(gamma: u32, steps: u16, denoise: bool) -> Result<Self, Defect> {
        let checked = Defect::ranges(&[
            (Setting::Gamma, gamma, 1, (1 << 31) - 1),
            (Setting::Steps, steps as u32, 1, u16::MAX as u32),
        ]);
        match checked {
            Ok(()) => Ok(Self {
                gamma,
                steps,
                denoise,
                consistent: false,
            }),
            Err(defect) => Err(defect),
        }
    }

    /// The same walk with as much fresh noise as keeps to the levels: what a step leaves of the noise and what it
    /// adds have together the standard deviation of the level of the *next* step (A. Jolicoeur-Martineau et al.,
    /// *Adversarial score matching and improved sampling for image generation*, 2021, algorithm 2, here with several
    /// steps a level). See [`AnnealedLangevin`].
    ///
    /// Langevin dynamics is exact for steps that are infinitely small. Those that a device can afford leave too much
    /// noise, `1 / (1 - gamma / 4)` of the level's variance and what is left of the level above; these do not, and
    /// samples are cleaner for the same number of evaluations.
    ///
    /// ```
    /// use autodidact::score::Schedule;
    /// let schedule = Schedule::new(1 << 30, 2, true).unwrap().consistent();
    /// assert!(schedule.is_consistent());
    /// ```
    #[must_use]
    pub const fn consistent(mut self) -> Self {
        self.consistent = true;
        self
    }

    /// Whether the noise keeps to the levels.
    #[must_use]
    pub const fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// `epsilon / sigma_L^2`, `U2F30`.
    #[must_use]
    pub const fn gamma(&self) -> u32 {
        self.gamma
    }

    /// Steps a level.
    #[must_use]
    pub const fn steps(&self) -> u16 {
        self.steps
    }

    /// Whether the last step is a whole residual.
    #[must_use]
    pub const fn denoise(&self) -> bool {
        self.denoise
    }

    /// Steps of a whole walk over `levels` levels, each one evaluation of the score.
    #[must_use]
    pub const fn evaluations(&self, levels: u16) -> u32 {
        // Below 2^32: (2^16 - 1)^2 + 1.
        levels as u32 * self.steps as u32 + self.denoise as u32
    }
}

/// A part of the sample that is known.
#[derive(Debug, Clone, Copy)]
pub struct Inpainting<'m> {
    /// Known elements, `I4F12`; what is unknown is not looked at.
    pub known: &'m [i16],
    /// Which elements are known.
    pub mask: &'m [bool],
}

/// Where a walk stands after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// The level that the step was taken at.
    pub level: u16,
    /// Steps taken at this level; one more than the schedule's for the last, denoising one.
    pub step: u16,
    /// Steps taken in all.
    pub done: u32,
}

/// Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1) in integers, one bounded step a call.
///
/// The step of the paper, `x += a_i / 2 · s(x, sigma_i) + sqrt(a_i) z` with `a_i = epsilon sigma_i^2 / sigma_L^2`,
/// is in terms of the residual `r = sigma_i^2 s` and of `gamma = epsilon / sigma_L^2` the same at every level:
///
/// ```text
/// x += gamma / 2 · r(x, sigma_i) + sigma_i sqrt(gamma) z,    z standard normal
/// ```
///
/// With [`Schedule::consistent`] the last term is `sqrt(sigma_j^2 - (1 - gamma / 2)^2 sigma_i^2) z` instead, with
/// sigma_j that of the next step's level, and nothing where the root is of a negative number.
///
/// A [`Score`] of one level makes it plain Langevin dynamics. Each term is rounded once, to half a unit of 2^-20;
/// the state saturates at ±2048.
///
/// **Inpainting.** Before each step the known elements are overwritten with their data plus noise of the level's
/// standard deviation, drawn anew; at the end with their data.
///
/// <!-- figures: m4.walk_digit:M -->
/// **Work** of a step: one evaluation of the score, then for every element two 32x32-bit products and one random
/// word; with inpainting one more of each for every known element. A digit of 8x8 pixels by a network of 163,840
/// multiply-accumulates, 81 evaluations, takes 17.8 million instructions on a Cortex-M4 (QEMU, `cargo xtask bench`).
///
/// **Memory**: two states, `8 d` bytes, beside the score's own. Random words are drawn in the order of elements,
/// known ones first.
///
/// ```
/// use autodidact::rng::Generator;
/// use autodidact::score::{AnnealedLangevin, ONE, Schedule, Score};
/// use autodidact::ShapeError;
///
/// /// A standard normal density smoothed with noise of 4, 2 and 1: D(x) = x / (1 + sigma^2).
/// struct Normal;
/// impl Score for Normal {
///     fn dimensions(&self) -> usize { 2 }
///     fn levels(&self) -> u16 { 3 }
///     fn sigma(&self, level: u16) -> u32 { (4 << 20) >> level }
///     fn residual_into(&mut self, level: u16, x: &[i32], r: &mut [i32]) -> Result<(), ShapeError> {
///         let variance = 16 >> (2 * level);
///         for (r, x) in r.iter_mut().zip(x) {
///             *r = x / (1 + variance) - x;
///         }
///         Ok(())
///     }
/// }
/// let mut rng = Generator::from_seed(1);
/// let (mut state, mut residual) = ([0; 2], [0; 2]);
/// let schedule = Schedule::new(1 << 29, 20, false).unwrap();
/// let mut walk = AnnealedLangevin::new(Normal, schedule, &mut state, &mut residual)?;
/// walk.scatter(&mut rng);
/// while let Some(progress) = walk.step(&mut rng)? {
///     assert!(progress.level < 3);
///     let _watched = walk.state();
/// }
/// assert!(walk.state().iter().all(|x| x.abs() < 10 * ONE));
/// # Ok::<(), ShapeError>(())
/// ```
#[derive(Debug)]
pub struct AnnealedLangevin<'m, S> {
    score: S,
    schedule: Schedule,
    state: &'m mut [i32],
    residual: &'m mut [i32],
    inpainting: Option<Inpainting<'m>>,
    /// `sqrt(gamma)`, `U2F30`.
    root: u32,
    done: u32,
}

impl<'m, S: Score> AnnealedLangevin<'m, S> {
    /// A walk from what `state` holds; see [`scatter`](Self::scatter).
    ///
    /// # Errors
    /// [`ShapeError`] when `state` or `residual` is not as long as the score has dimensions.
    pub fn new(
        score: S,
        schedule: Schedule,
        state: &'m mut [i32],
        residual: &'m mut [i32],
    ) -> Result<Self, ShapeError> {
        ShapeError::exact(Operand::Input, score.dimensions(), state.len())?;
        ShapeError::exact(Operand::Workspace, score.dimensions(), residual.len())?;
        Ok(Self {
            root: sqrt(u64::from(schedule.gamma) << 30),
            score,
            schedule,
            state,
            residual,
            inpainting: None,
            done: 0,
        })
    }

    /// The walk with a known part.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice of `inpainting` is not as long as the state.
    pub fn inpainting(mut self, inpainting: Inpainting<'m>) -> Result<Self, ShapeError> {
        ShapeError::exact(Operand::Input, self.state.len(), inpainting.known.len())?;
        ShapeError::exact(Operand::Input, self.state.len(), inpainting.mask.len())?;
        self.inpainting = Some(inpainting);
        Ok(self)
    }

    /// Starts anew from noise of the largest standard deviation around 0.
    pub fn scatter<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        let sigma = self.score.sigma(0);
        for x in self.state.iter_mut() {
            *x = noise(rng, sigma);
        }
        self.done = 0;
    }

    /// Starts anew from the state as it is: another sample of the same walk's memory.
    pub fn restart(&mut self) {
        self.done = 0;
    }

    /// Takes one step; `None` when the walk is at its end.
    ///
    /// # Errors
    /// Those of the score.
    pub fn step<R: Rng + ?Sized>(&mut self, rng: &mut R) -> Result<Option<Progress>, ShapeError> {
        let levels = self.score.levels();
        let steps = u32::from(self.schedule.steps);
        let walk = u32::from(levels) * steps;
        if self.done < walk {
            let level = self.done.checked_div(steps).unwrap_or(0) as u16;
            self.walk(level, rng)?;
            self.done += 1;
            let step = (self.done - u32::from(level) * steps) as u16;
            let progress = Progress {
                level,
                step,
                done: self.done,
            };
            if self.done == walk && !self.schedule.denoise {
                self.fix();
            }
            return Ok(Some(progress));
        }
        if self.done == walk && self.schedule.denoise {
            let level = levels.saturating_sub(1);
            self.score.residual_into(level, self.state, self.residual)?;
            for (x, r) in self.state.iter_mut().zip(self.residual.iter()) {
                *x = x.saturating_add(*r);
            }
            self.fix();
            self.done += 1;
            return Ok(Some(Progress {
                level,
                step: self.schedule.steps.saturating_add(1),
                done: self.done,
            }));
        }
        Ok(None)
    }

    fn walk<R: Rng + ?Sized>(&mut self, level: u16, rng: &mut R) -> Result<(), ShapeError> {
        let sigma = self.score.sigma(level);
        if let Some(Inpainting { known, mask }) = self.inpainting {
            for ((x, known), fixed) in self.state.iter_mut().zip(known).zip(mask) {
                if *fixed {
                    *x = from_feature(*known).saturating_add(noise(rng, sigma));
                }
            }
        }
        self.score.residual_into(level, self.state, self.residual)?;
        let amplitude = self.amplitude(sigma);
        for (x, r) in self.state.iter_mut().zip(self.residual.iter()) {
            // F20 times F30, below 2^62; a half of it in F20.
            let product = i64::from(*r) * i64::from(self.schedule.gamma);
            let drift = saturating_i32(rounding_shift_right(product, 31));
            *x = x
                .saturating_add(drift)
                .saturating_add(noise(rng, amplitude));
        }
        Ok(())
    }

    /// Standard deviation of the fresh noise of the step that is next, at a level of `sigma`: `U12F20`.
    fn amplitude(&self, sigma: u32) -> u32 {
        if !self.schedule.consistent {
            // Below 2^31 · 2^31 / 2^30.
            return ((u64::from(sigma) * u64::from(self.root)) >> 30) as u32;
        }
        let last = self.score.levels().saturating_sub(1);
        let after = (self.done + 1).checked_div(u32::from(self.schedule.steps));
        let after = after.map_or(last, |level| level.min(last.into()) as u16);
        let wanted = u64::from(self.score.sigma(after));
        // gamma is below 2^31: the share of the noise that is left, 1 - gamma / 2, lies in U1F31.
        let left = (u64::from(sigma) * u64::from((1 << 31) - self.schedule.gamma)) >> 31;
        // Both below 2^31.
        sqrt((wanted * wanted).saturating_sub(left * left))
    }

    /// Known elements as they are.
    fn fix(&mut self) {
        if let Some(Inpainting { known, mask }) = self.inpainting {
            for ((x, known), fixed) in self.state.iter_mut().zip(known).zip(mask) {
                if *fixed {
                    *x = from_feature(*known);
                }
            }
        }
    }

    /// The state, `I12F20`.
    #[must_use]
    pub const fn state(&self) -> &[i32] {
        self.state
    }

    /// The state, to be set by the caller.
    #[must_use]
    pub const fn state_mut(&mut self) -> &mut [i32] {
        self.state
    }

    /// The state as features, `I4F12`, saturating: what the scaler turns into counts.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not as long as the state.
    pub fn features_into(&self, features: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.state.len(), features.len())?;
        for (y, x) in features.iter_mut().zip(self.state.iter()) {
            *y = feature(*x);
        }
        Ok(())
    }

    /// The score that is walked by.
    #[must_use]
    pub const fn score(&self) -> &S {
        &self.score
    }

    /// How the walk goes.
    #[must_use]
    pub const fn schedule(&self) -> Schedule {
        self.schedule
    }
}

const _: () = assert!(FRAC_BITS == 20, "the shifts above say so");
