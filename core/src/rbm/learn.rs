//! Learning on the device: contrastive divergence, and the same with persistent chains.
//!
//! The gradient of the log-likelihood is `<h v>_data - <h v>_model` (Hinton 2002, equation 5). CD-k puts the
//! `k`-th reconstruction of the sample in place of the model's average, PCD (Tieleman 2008) a chain that goes
//! on from step to step. Hidden units enter by their probabilities, visible ones by their state, so that an
//! inactive visible unit costs nothing.
//!
//! | quantity | format, with `f` = [`Options::weight_bits`] | range |
//! |---|---|---|
//! | weight of the model, what chains run on | `i8`, `f` fractional bits | ±127 |
//! | master of a weight, from which it is rounded | `i16`, `f + 8` | ±127.5 weights, saturating |
//! | velocity of a weight | `i16`, `f + 10` | ±32 weights, saturating |
//! | bias and its velocity | `i32`, `f + 12` | ±2^23, saturating; so that no sum can overflow |
//!
//! With momentum `m`, rate `r`, decay `l` and a batch of `n` samples:
//! `u ← m u - r l w + (r / n) sum (p(h|v) v - p(h|v') v')`, `w ← w + u`. A sample adds to `u` at once, so that a
//! batch needs no memory of its own.
//!
//! # Rounding
//!
//! What a sample or a batch adds is small beside the unit of what it is added to: rounded to nearest, most of it
//! would be lost. [`Rounding::Stochastic`] rounds up with the probability of what is cut off, which keeps the
//! mean. Binarised digits, 64 x 16, CD-1, 200 epochs, exact log-likelihood of held-out rows in nats under the
//! `i8` weights (f32: -18.29):
//!
//! | rate, batch, momentum | stochastic | to the nearest |
//! |---|---|---|
//! | 0.05 falling to 0, 32, 0.9 | -18.36 | -18.43 |
//! | 0.01 falling to 0, 32, 0.9 | -18.63 | -19.01 |
//! | 0.005 falling to 0, 1, none | -18.48 | -19.36 |

use super::gibbs::{features_mut, state_words, states};
use super::{MAX_UNITS, ONE, Rbm, States, Tensors, Units, workspace_len};
use crate::kernels::{STATE_BITS, bit_words, row_stride};
use crate::num::{Multiplier, saturating_i16};
use crate::rng::normal;
use crate::{Defect, Difference, Operand, Setting, ShapeError};
use rand_core::Rng;
use zerocopy::{FromBytes, IntoBytes};

/// Bits that a master has below those of its weight.
const MASTER_BITS: u32 = 8;
/// Bits that a velocity has below those of a master.
const VELOCITY_BITS: u32 = 2;
/// Largest master: the one that still rounds to 127.
const MASTER_MOST: i16 = (127 << MASTER_BITS) + (1 << (MASTER_BITS - 1)) - 1;
/// Largest magnitude of a bias.
const BIAS_MOST: i32 = 1 << 23;

/// How the learning rate changes from batch to batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    initial: u16,
    batches: u32,
}

impl Rate {
    /// Always `rate` (`U0F16`).
    #[must_use]
    pub const fn constant(rate: u16) -> Self {
        Self {
            initial: rate,
            batches: 0,
        }
    }

    /// From `initial` (`U0F16`) in a straight line to 0 after so many batches; 0 counts as 1.
    #[must_use]
    pub const fn linear(initial: u16, batches: u32) -> Self {
        Self {
            initial,
            batches: if batches == 0 { 1 } else { batches },
        }
    }

    /// The rate of batch `t`, from 0 on.
    #[must_use]
    pub fn at(self, t: u32) -> u16 {
        let left = u64::from(self.batches.saturating_sub(t));
        let rate = (u64::from(self.initial) * left).checked_div(u64::from(self.batches));
        // At most the initial rate.
        rate.map_or(self.initial, |rate| rate as u16)
    }
}

/// What becomes of the bits that a format does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Up or down by chance, so that the mean is kept.
    Stochastic,
    /// To the nearest.
    Nearest,
}

/// How a learner learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What the visible units are.
    pub units: Units,
    /// Fractional bits of the weights, `3..=12`: weights reach to `127 / 2^weight_bits`.
    pub weight_bits: u32,
    /// Gibbs steps a sample, at least 1: the `k` of CD-k.
    pub steps: u16,
    /// Persistent chains, which take turns; 0 for CD.
    pub chains: u16,
    /// Samples of a batch, at least 1.
    pub batch: u16,
    /// Learning rate, at most [`most_rate`](Self::most_rate).
    pub rate: Rate,
    /// Momentum (`U0F16`).
    pub momentum: u16,
    /// Weight decay (`U0F16`), at most a quarter divided by the rate; biases do not decay.
    pub weight_decay: u16,
    /// How increments are rounded.
    pub rounding: Rounding,
}

impl Options {
    /// CD-1 for Bernoulli units: weights to ±4, batches of 32, rate 0.05, momentum 0.9, no decay.
    pub const DEFAULT: Self = Self {
        units: Units::Bernoulli,
        weight_bits: 5,
        steps: 1,
        chains: 0,
        batch: 32,
        rate: Rate::constant(3_277),
        momentum: 58_982,
        weight_decay: 0,
        rounding: Rounding::Stochastic,
    };

    /// Largest learning rate (`U0F16`) at these weight bits and this batch: what one sample adds to a velocity fits
    /// its format, `rate / batch < 2^(5 - weight_bits)`. Every rate up to 5 bits; one of 1/128 at 12 bits and a batch
    /// of 1, where weights reach to 1/32.
    #[must_use]
    pub const fn most_rate(weight_bits: u32, batch: u16) -> u16 {
        // In the increment's format a velocity ends at 2^31, one of a batch at so many times that.
        let most = ((batch as u64) << 31).saturating_sub(1);
        let bits = if weight_bits < 32 { weight_bits } else { 32 };
        let most = most >> (bits + MASTER_BITS + VELOCITY_BITS);
        if most < u16::MAX as u64 {
            most as u16
        } else {
            u16::MAX
        }
    }

    /// `Ok` when every option is in its range.
    fn check(&self) -> Result<(), Defect> {
        const MOST: u32 = u16::MAX as u32;
        Defect::ranges(&[
            (Setting::WeightBits, self.weight_bits, 3, 12),
            (Setting::Steps, self.steps.into(), 1, MOST),
            (Setting::Batch, self.batch.into(), 1, MOST),
        ])?;
        let rate = u32::from(self.rate.initial);
        let most = Self::most_rate(self.weight_bits, self.batch);
        Defect::ranges(&[(Setting::Rate, rate, 0, most.into())])?;
        // 4 r l in F32, which is to stay below one.
        let most = (MOST << (16 - VELOCITY_BITS)).checked_div(rate);
        let most = most.unwrap_or(MOST).min(MOST);
        let decay = u32::from(self.weight_decay);
        Defect::ranges(&[(Setting::WeightDecay, decay, 0, most)])
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Words of 32 bits that a learner works in.
#[must_use]
pub const fn storage_words(visible: usize, hidden: usize, units: Units, chains: u16) -> usize {
    let weights = hidden.saturating_mul(row_stride(visible)) / 4;
    let halves = hidden.saturating_mul(visible).div_ceil(2);
    let biases = visible.saturating_add(hidden);
    let states = state_words(units, visible).saturating_mul((chains as usize).saturating_add(1));
    weights
        .saturating_add(halves.saturating_mul(2))
        .saturating_add(biases.saturating_mul(2))
        .saturating_add(states)
        .saturating_add(bit_words(hidden))
        .saturating_add(hidden.div_ceil(2))
        .saturating_add(workspace_len(visible, hidden))
}

/// Bytes of [`storage_words`].
#[must_use]
pub const fn storage_bytes(visible: usize, hidden: usize, units: Units, chains: u16) -> usize {
    storage_words(visible, hidden, units, chains).saturating_mul(4)
}

// What training 64 visible and 32 hidden units on a device may take, with 32 persistent chains.
const _: () = assert!(storage_bytes(64, 32, Units::Bernoulli, 32) <= 12 * 1024);

/// Memory of a learner; `WORDS` comes from [`storage_words`].
///
/// ```
/// use autodidact::rbm::{Units, learn};
/// let mut storage = learn::Storage::<{ learn::storage_words(64, 32, Units::Bernoulli, 0) }>::NEW;
/// let learner = storage.learner(64, 32, learn::Options::DEFAULT)?;
/// assert_eq!(learner.model().hidden(), 32);
/// # Ok::<(), autodidact::Defect>(())
/// ```
#[derive(Debug, Clone)]
pub struct Storage<const WORDS: usize>([u32; WORDS]);

impl<const WORDS: usize> Storage<WORDS> {
    /// Memory that no learner has used yet.
    pub const NEW: Self = Self([0; WORDS]);

    /// A learner of zeros, as [`ContrastiveDivergence::new`].
    ///
    /// # Errors
    /// As [`ContrastiveDivergence::new`].
    pub fn learner(
        &mut self,
        visible: usize,
        hidden: usize,
        options: Options,
    ) -> Result<ContrastiveDivergence<'_>, Defect> {
        ContrastiveDivergence::new(&mut self.0, visible, hidden, options)
    }

    /// A learner that goes on from a model, as [`ContrastiveDivergence::from_model`].
    ///
    /// # Errors
    /// As [`ContrastiveDivergence::new`].
    pub fn learner_from_model(
        &mut self,
        model: &Rbm<'_>,
        options: Options,
    ) -> Result<ContrastiveDivergence<'_>, Defect> {
        ContrastiveDivergence::from_model(&mut self.0, model, options)
    }
}

/// CD-k, or PCD-k with persistent chains.
///
/// ```
/// use autodidact::rbm::{States, Units, learn};
/// use autodidact::rng::Generator;
/// // Two units that are always the same.
/// let mut storage = learn::Storage::<{ learn::storage_words(2, 1, Units::Bernoulli, 0) }>::NEW;
/// let options = learn::Options { batch: 4, rate: learn::Rate::constant(6_554), ..learn::Options::DEFAULT };
/// let mut learner = storage.learner(2, 1, options)?;
/// let mut rng = Generator::from_seed(1);
/// learner.start(409, &mut rng); // deviation 0.1
/// for _ in 0..2000 {
///     learner.step(States::Binary(&[0b00]), &mut rng)?;
///     learner.step(States::Binary(&[0b11]), &mut rng)?;
/// }
/// let mut workspace = [0; 16];
/// let equal = learner.model().free_energy(States::Binary(&[0b11]), &mut workspace)?;
/// let unequal = learner.model().free_energy(States::Binary(&[0b01]), &mut workspace)?;
/// assert!(equal < unequal - (1 << 16));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ContrastiveDivergence<'m> {
    options: Options,
    weights: &'m mut [i8],
    masters: &'m mut [i16],
    velocity: &'m mut [i16],
    visible_biases: &'m mut [i32],
    hidden_biases: &'m mut [i32],
    visible_velocity: &'m mut [i32],
    hidden_velocity: &'m mut [i32],
    /// The chain of a CD step, then the persistent ones.
    chains: &'m mut [u32],
    hidden: &'m mut [u32],
    means: &'m mut [i16],
    workspace: &'m mut [i32],
    batches: u32,
    in_batch: u16,
    turn: u16,
    /// What a state of 1 and a probability of 1 add to a velocity, 16 more fractional bits.
    increment: u32,
}

impl<'m> ContrastiveDivergence<'m> {
    /// A learner in `memory` of [`storage_words`] words; every weight, bias and chain is 0.
    ///
    /// With all weights equal the hidden units stay equal: call [`start`](Self::start).
    ///
    /// # Errors
    /// [`Defect::Shape`] when a layer is empty or too large: layers have at most [`MAX_UNITS`] units, and 500 if they
    /// are visible and Gaussian. [`Defect::Setting`] when an option is out of its range, [`Defect::Memory`] when the
    /// memory has another length.
    pub fn new(
        memory: &'m mut [u32],
        visible: usize,
        hidden: usize,
        options: Options,
    ) -> Result<Self, Defect> {
        // 500 · 127 · 2^15 + 2^23 and 4096 · 127 · 2^12 + 2^23 are below 2^31.
        let most_visible = match options.units {
            Units::Bernoulli => MAX_UNITS,
            Units::Gaussian => 500,
        };
        if !(1..=most_visible).contains(&visible) || !(1..=MAX_UNITS).contains(&hidden) {
            return Err(Defect::Shape);
        }
        options.check()?;
        let needed = storage_words(visible, hidden, options.units, options.chains);
        Defect::memory(needed, memory.len())?;
        memory.fill(0);
        let mut rest = memory;
        let mut cut = |words: usize| {
            let (front, behind) = core::mem::take(&mut rest)
                .split_at_mut_checked(words)
                .ok_or(Defect::Shape)?;
            rest = behind;
            Ok(front)
        };
        let elements = hidden * visible;
        let state = state_words(options.units, visible);
        let mut learner = Self {
            options,
            weights: cast(cut(hidden * row_stride(visible) / 4)?, usize::MAX)?,
            masters: cast(cut(elements.div_ceil(2))?, elements)?,
            velocity: cast(cut(elements.div_ceil(2))?, elements)?,
            visible_biases: cast(cut(visible)?, visible)?,
            hidden_biases: cast(cut(hidden)?, hidden)?,
            visible_velocity: cast(cut(visible)?, visible)?,
            hidden_velocity: cast(cut(hidden)?, hidden)?,
            chains: cut(state * (usize::from(options.chains) + 1))?,
            hidden: cut(bit_words(hidden))?,
            means: cast(cut(hidden.div_ceil(2))?, hidden)?,
            workspace: cast(cut(workspace_len(visible, hidden))?, usize::MAX)?,
            batches: 0,
            in_batch: 0,
            turn: 0,
            increment: 0,
        };
        learner.set_increment();
        Ok(learner)
    }

    /// A learner that goes on from a model, its weights rounded to `weight_bits`; weights and biases beyond the
    /// learner's ranges saturate.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Defect::Differs`] as well when the model's visible units are of another kind.
    pub fn from_model(
        memory: &'m mut [u32],
        model: &Rbm<'_>,
        options: Options,
    ) -> Result<Self, Defect> {
        if model.units() != options.units {
            return Err(Defect::Differs(Difference::Units));
        }
        let learner = Self::new(memory, model.visible(), model.hidden(), options)?;
        let (multiplier, shift) = (model.scale().multiplier(), model.scale().shift());
        // value · s · 2^bits; values have at most 31 bits beside the sign and bits are at most 20 of at least 33.
        let scaled = |value: i32, bits: u32| {
            let product = i64::from(value) * i64::from(multiplier);
            crate::num::rounding_shift_right(product, shift.saturating_sub(bits))
        };
        let bits = options.weight_bits;
        let most = i64::from(MASTER_MOST);
        for (row, masters) in model
            .rows()
            .zip(learner.masters.chunks_exact_mut(model.visible().max(1)))
        {
            for (master, w) in masters.iter_mut().zip(row) {
                *master = scaled(i32::from(*w), bits + MASTER_BITS).clamp(-most, most) as i16;
            }
        }
        let most = i64::from(BIAS_MOST);
        let tensors = model.tensors();
        for (to, from) in learner
            .visible_biases
            .iter_mut()
            .zip(tensors.visible_biases)
        {
            *to = scaled(*from, bits).clamp(-most, most) as i32;
        }
        for (to, from) in learner.hidden_biases.iter_mut().zip(tensors.hidden_biases) {
            *to = scaled(*from, bits).clamp(-most, most) as i32;
        }
        let mut learner = learner;
        learner.round_weights();
        Ok(learner)
    }

    /// Draws the weights from a normal distribution of standard deviation `deviation` (`U4F12`).
    pub fn start<R: Rng + ?Sized>(&mut self, deviation: u16, rng: &mut R) {
        // 24 fractional bits to f + 8 of at most 20.
        let shift = 16u32.saturating_sub(self.options.weight_bits);
        for master in self.masters.iter_mut() {
            // 2^15 · 2^16 in magnitude at most.
            let drawn = i64::from(normal(rng)) * i64::from(deviation);
            let most = i64::from(MASTER_MOST);
            *master = crate::num::rounding_shift_right(drawn, shift).clamp(-most, most) as i16;
        }
        self.round_weights();
    }

    /// Sets the visible biases: logits, or means of Gaussian units (`I4F12`), saturating at
    /// `±2^(11 - weight_bits)`.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not one for each visible unit.
    pub fn set_visible_biases(&mut self, biases: &[i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.visible_biases.len(), biases.len())?;
        for (to, from) in self.visible_biases.iter_mut().zip(biases) {
            // 16 bits and 12 more.
            let bias = i32::from(*from) << self.options.weight_bits.min(12);
            *to = bias.clamp(-BIAS_MOST, BIAS_MOST);
        }
        Ok(())
    }

    /// Learns from one sample: bits, or real states (probabilities, features of Gaussian units).
    ///
    /// Work, with `V` visible and `H` hidden units and `k` = [`Options::steps`]: `(k + 2) V H` additions of
    /// sums, `2 V H` of velocities, fewer in proportion where visible units are inactive; `(k + 1) (V + H)`
    /// draws. The last sample of a batch: `3 V H` multiplications and `V H / 2` random words besides.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not a state for each visible unit, or Gaussian units are given bits
    /// ([`Operand::RealStates`]).
    pub fn step<R: Rng + ?Sized>(
        &mut self,
        sample: States<'_>,
        rng: &mut R,
    ) -> Result<(), ShapeError> {
        let visible = self.visible_biases.len();
        match sample {
            States::Binary(_) if self.options.units == Units::Gaussian => {
                return ShapeError::exact(Operand::RealStates, visible, 0);
            }
            States::Binary(bits) => {
                ShapeError::exact(Operand::Input, bit_words(visible), bits.len())?;
            }
            States::Real(values) => ShapeError::exact(Operand::Input, visible, values.len())?,
        }
        let units = self.options.units;
        let words = state_words(units, visible);
        self.infer(sample, rng)?;
        self.add(sample, true, rng);
        // Taken out, so that the chain and the rest are borrowed one by one; put back below.
        let chains = core::mem::take(&mut self.chains);
        let persistent = self.options.chains > 0;
        let slot = if persistent {
            usize::from(self.turn) + 1
        } else {
            0
        };
        let chain = chains
            .chunks_exact_mut(words.max(1))
            .nth(slot)
            .unwrap_or_default();
        let walked = self.walk(chain, persistent, rng);
        self.add(states(units, visible, chain), false, rng);
        self.chains = chains;
        walked?;
        if persistent {
            self.turn = (self.turn + 1)
                .checked_rem(self.options.chains)
                .unwrap_or(0);
        }
        self.in_batch += 1;
        if self.in_batch >= self.options.batch {
            self.in_batch = 0;
            self.update(rng);
        }
        Ok(())
    }

    /// Probabilities of the hidden units given the visible ones, and a draw.
    fn infer<R: Rng + ?Sized>(
        &mut self,
        visible: States<'_>,
        rng: &mut R,
    ) -> Result<(), ShapeError> {
        let rbm = view(
            &self.options,
            self.weights,
            self.visible_biases,
            self.hidden_biases,
        );
        let sums = rbm.hidden_sums(visible, self.workspace)?;
        for (mean, sum) in self.means.iter_mut().zip(&*sums) {
            *mean = rbm.probability(*sum);
        }
        rbm.sample(sums, rng, |index, bits| {
            if let Some(word) = self.hidden.get_mut(index) {
                *word = bits;
            }
        });
        Ok(())
    }

    /// `k` Gibbs steps: from the hidden units as they were drawn, or from the chain's visible ones. Leaves the
    /// chain's visible units, and the probabilities of the hidden ones given these.
    fn walk<R: Rng + ?Sized>(
        &mut self,
        chain: &mut [u32],
        persistent: bool,
        rng: &mut R,
    ) -> Result<(), ShapeError> {
        let (units, visible) = (self.options.units, self.visible_biases.len());
        if persistent {
            self.infer(states(units, visible, chain), rng)?;
        }
        for _ in 0..self.options.steps {
            let rbm = view(
                &self.options,
                self.weights,
                self.visible_biases,
                self.hidden_biases,
            );
            let sums = rbm.visible_sums(States::Binary(self.hidden), self.workspace)?;
            match units {
                Units::Bernoulli => rbm.sample(sums, rng, |index, bits| {
                    if let Some(word) = chain.get_mut(index) {
                        *word = bits;
                    }
                }),
                Units::Gaussian => {
                    for (x, sum) in features_mut(chain).iter_mut().zip(sums) {
                        let mean = i32::from(rbm.requantise(*sum));
                        *x = saturating_i16(mean + i32::from(normal(rng)));
                    }
                }
            }
            self.infer(states(units, visible, chain), rng)?;
        }
        Ok(())
    }

    /// Adds `p(h|v) v` to the velocities, or takes it away.
    fn add<R: Rng + ?Sized>(&mut self, visible: States<'_>, positive: bool, rng: &mut R) {
        let sign = if positive { 1 } else { -1 };
        let increment = u64::from(self.increment);
        for (velocity, mean) in self.hidden_velocity.iter_mut().zip(&*self.means) {
            // 12 bits of the probability, 16 of the increment, 2 fewer than a bias has: at most 2^17.
            let step = (u64::from(mean.unsigned_abs()) * increment + (1 << 25)) >> 26;
            *velocity = velocity.saturating_add(sign * step as i32);
        }
        // A state of 1 in units of a bias; at most 2^17.
        let whole = ((increment + (1 << 13)) >> 14) as i32;
        for_each_active(visible, self.visible_velocity, |velocity, state| {
            // Below 2^17 · 2^15 only for Gaussian units.
            let step = (i64::from(whole) * i64::from(state)) >> STATE_BITS;
            *velocity = velocity.saturating_add(sign * step as i32);
        });
        let rows = self
            .velocity
            .chunks_exact_mut(self.visible_biases.len().max(1));
        for (row, mean) in rows.zip(&*self.means) {
            let dither = match self.options.rounding {
                Rounding::Stochastic => rng.next_u32() >> 16,
                Rounding::Nearest => 1 << 15,
            };
            let step = (u64::from(mean.unsigned_abs()) * increment) >> STATE_BITS;
            // The increment is below 2^31: at most 2^15.
            let step = ((step + u64::from(dither)) >> 16).min(32_767) as i32 * sign;
            if step == 0 {
                continue;
            }
            if matches!(visible, States::Binary(_)) {
                for_each_active(visible, row, |velocity, _| {
                    *velocity = saturating_i16(i32::from(*velocity) + step);
                });
            } else {
                for_each_active(visible, row, |velocity, state| {
                    let step = (step * i32::from(state) + (1 << (STATE_BITS - 1))) >> STATE_BITS;
                    // At most 2^18 and 2^15.
                    *velocity = saturating_i16(i32::from(*velocity) + step);
                });
            }
        }
    }

    /// The end of a batch: masters move by their velocities, which then shrink.
    fn update<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        let momentum = i32::from(self.options.momentum);
        let mut random = Random {
            rounding: self.options.rounding,
            word: 0,
            left: false,
        };
        // What a master loses of itself, in units of a velocity: 4 r l, below 1 by the constructor.
        let rate = u64::from(self.options.rate.at(self.batches));
        let decay = (rate * u64::from(self.options.weight_decay)) << VELOCITY_BITS;
        let decay = ((decay + u64::from(random.draw(rng))) >> 16) as i32;
        let nearest = self.options.rounding == Rounding::Nearest;
        for (master, velocity) in self.masters.iter_mut().zip(&mut *self.velocity) {
            let dither = random.draw(rng);
            // The upper two bits for the master, all with the lower ones first for the velocity.
            let up = i32::from(*velocity) + (dither >> 14) as i32;
            let moved = i32::from(*master) + (up >> VELOCITY_BITS);
            *master = moved.clamp(-i32::from(MASTER_MOST), i32::from(MASTER_MOST)) as i16;
            let dither = if nearest {
                1 << 15
            } else {
                (dither << 2 & 0xffff) | (dither >> 14)
            } as i32;
            // 2^15 (2^16 - 1) + 2^16 is below 2^31, and so is what a master loses.
            let kept = (i32::from(*velocity) * momentum + dither) >> 16;
            let lost = (i32::from(*master) * decay + dither) >> 16;
            *velocity = saturating_i16(kept - lost);
        }
        let biases = self
            .visible_biases
            .iter_mut()
            .zip(&mut *self.visible_velocity);
        let hidden = self
            .hidden_biases
            .iter_mut()
            .zip(&mut *self.hidden_velocity);
        for (bias, velocity) in biases.chain(hidden) {
            *bias = bias.saturating_add(*velocity).clamp(-BIAS_MOST, BIAS_MOST);
            let kept = i64::from(*velocity) * i64::from(momentum) + (1 << 15);
            *velocity = (kept >> 16) as i32;
        }
        self.batches = self.batches.saturating_add(1);
        self.set_increment();
        self.round_weights();
    }

    /// The increment of the batch that begins.
    fn set_increment(&mut self) {
        let rate = u64::from(self.options.rate.at(self.batches));
        // The rate has 16 fractional bits already; at most 16 + 12 + 10 bits.
        let bits = self.options.weight_bits + MASTER_BITS + VELOCITY_BITS;
        let increment = (rate << bits).checked_div(u64::from(self.options.batch));
        // Below 2^31, because the first rate is not above the most that the constructor allows.
        self.increment = increment.unwrap_or(0) as u32;
    }

    /// The weights from their masters.
    fn round_weights(&mut self) {
        let visible = self.visible_biases.len();
        let rows = self.weights.chunks_exact_mut(row_stride(visible).max(1));
        for (weights, masters) in rows.zip(self.masters.chunks_exact(visible.max(1))) {
            for (w, master) in weights.iter_mut().zip(masters) {
                // Masters reach to 127.5 weights less one unit.
                *w = ((i32::from(*master) + (1 << (MASTER_BITS - 1))) >> MASTER_BITS) as i8;
            }
        }
    }

    /// Batches learnt from.
    #[must_use]
    pub const fn batches(&self) -> u32 {
        self.batches
    }

    /// What it was told.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The machine as it is now.
    #[must_use]
    pub fn model(&self) -> Rbm<'_> {
        view(
            &self.options,
            self.weights,
            self.visible_biases,
            self.hidden_biases,
        )
    }
}

/// Sixteen random bits at a time, two from each word; or one half.
struct Random {
    rounding: Rounding,
    word: u32,
    left: bool,
}

impl Random {
    #[inline]
    fn draw<R: Rng + ?Sized>(&mut self, rng: &mut R) -> u32 {
        if self.rounding == Rounding::Nearest {
            return 1 << 15;
        }
        if self.left {
            self.left = false;
            self.word >> 16
        } else {
            self.left = true;
            self.word = rng.next_u32();
            self.word & 0xffff
        }
    }
}

/// The machine of these parameters, whose ranges the learner keeps.
fn view<'s>(
    options: &Options,
    weights: &'s [i8],
    visible_biases: &'s [i32],
    hidden_biases: &'s [i32],
) -> Rbm<'s> {
    Rbm {
        units: options.units,
        scale: Multiplier::reciprocal_of_power(options.weight_bits),
        tensors: Tensors {
            weights,
            transposed: &[],
            visible_biases,
            hidden_biases,
        },
    }
}

/// Calls `visit` for the items of active units, with their states.
#[inline]
fn for_each_active<T>(states: States<'_>, items: &mut [T], mut visit: impl FnMut(&mut T, i16)) {
    match states {
        States::Binary(bits) => {
            for (items, word) in items.chunks_mut(32).zip(bits) {
                let mut rest = *word;
                while rest != 0 {
                    if let Some(item) = items.get_mut(rest.trailing_zeros() as usize) {
                        visit(item, ONE);
                    }
                    rest &= rest - 1;
                }
            }
        }
        States::Real(values) => {
            for (item, value) in items.iter_mut().zip(values) {
                if *value != 0 {
                    visit(item, *value);
                }
            }
        }
    }
}

/// The first `len` elements of other type in `words`.
fn cast<T: FromBytes + IntoBytes>(words: &mut [u32], len: usize) -> Result<&mut [T], Defect> {
    let elements = <[T]>::mut_from_bytes(words.as_mut_bytes()).map_err(|_| Defect::Shape)?;
    let len = len.min(elements.len());
    elements.get_mut(..len).ok_or(Defect::Shape)
}
