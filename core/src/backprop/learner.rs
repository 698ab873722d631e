//! Stochastic gradient descent in integers.

use super::stack::{layers, parameters, values_len};
use super::{Corruption, Hidden, Stack};
use crate::num::{rounding_shift_right, saturating_i16, saturating_i32, sqrt};
use crate::rng::below;
use crate::work::{DIVISION, WIDE};
use crate::{Defect, Difference, Operand, ShapeError};
use rand_core::Rng;

/// How a step of a weight is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rounding {
    /// At random, up with the probability of what is cut off. One random word a weight.
    Stochastic,
    /// To nearest: small steps are lost.
    Nearest,
}

/// What a learner borrows.
#[derive(Debug)]
pub struct Memory<'m> {
    /// Weights of all layers, `I3F13`.
    pub weights: &'m mut [i16],
    /// Biases of all layers, `I7F25`.
    pub biases: &'m mut [i32],
    /// Values of all layers, input included.
    pub values: &'m mut [i16],
    /// Error signals of all layers but the input.
    pub errors: &'m mut [i32],
}

/// Elements of each slice of a [`Memory`], in its order; `None` for widths that are no stack.
#[must_use]
pub fn memory_len(widths: &[u16]) -> Option<[usize; 4]> {
    let [weights, biases] = parameters(widths)?;
    Some([weights, biases, values_len(widths), biases])
}

/// A stack of dense layers that learns.
///
/// One [`step`](Self::step) is one of stochastic gradient descent on `|A(x~) - x|^2 / 2`, x~ the damaged sample:
///
/// ```text
/// e_n = A(x~) - x,   e_l = f'(z_l) (W_{l+1}^T e_{l+1}),   W_l -= rate e_l y_{l-1}^T,   b_l -= rate e_l
/// ```
///
/// **Work** of a step with W weights in layers that learn and V in all: V + 2 W multiply-accumulates, of which 2 W in 64
/// bits, and, rounded at random, W random words: [`step_operations`](Self::step_operations). **Memory**: 2 bytes a
/// weight, 8 a unit and 2 a value.
///
/// What is learnt can be stored: [`Stack`] is a part of a [container](crate::model), from which
/// [`start_from_model`](Self::start_from_model) goes on, wherever it was trained.
///
/// ```
/// use autodidact::backprop::{Corruption, Hidden, Learner, Memory};
/// use autodidact::rng::Generator;
/// let widths = [2, 1, 2];
/// let (mut weights, mut biases) = ([0; 4], [0; 3]);
/// let (mut values, mut errors) = ([0; 5], [0; 3]);
/// let memory = Memory {
///     weights: &mut weights,
///     biases: &mut biases,
///     values: &mut values,
///     errors: &mut errors,
/// };
/// let mut rng = Generator::from_seed(1);
/// let mut learner = Learner::new(&widths, Hidden::Elu, memory)?;
/// learner.initialise(&mut rng);
/// for t in 0..2000 {
///     let x = (t * 5 % 8192 - 4096) as i16;
///     learner.step(&[x, x], &Corruption::None, 2000, &mut rng)?;
/// }
/// let mut values = [0; 5];
/// let back = learner.model().run(&[2048, 2048], &mut values)?;
/// assert!(back.iter().all(|y| (y - 2048).abs() < 400));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Learner<'m> {
    widths: &'m [u16],
    hidden: Hidden,
    memory: Memory<'m>,
    first: usize,
    rounding: Rounding,
}

impl<'m> Learner<'m> {
    /// A learner that goes on from the weights and biases in `memory`.
    ///
    /// # Errors
    /// [`Defect::Shape`] when a width is 0 or there are fewer than two, [`Defect::Memory`] when a slice is not as long
    /// as [`memory_len`] says.
    pub fn new(widths: &'m [u16], hidden: Hidden, memory: Memory<'m>) -> Result<Self, Defect> {
        let found = [
            memory.weights.len(),
            memory.biases.len(),
            memory.values.len(),
            memory.errors.len(),
        ];
        let needed = memory_len(widths).ok_or(Defect::Shape)?;
        for (needed, given) in needed.into_iter().zip(found) {
            Defect::memory(needed, given)?;
        }
        Ok(Self {
            widths,
            hidden,
            memory,
            first: 0,
            rounding: Rounding::Stochastic,
        })
    }

    /// Lets layers before `first` as they are: the last alone learns with the number of layers less one.
    ///
    /// # Errors
    /// [`ShapeError`] when there is no such layer: nothing would learn.
    pub fn learn_from(mut self, first: usize) -> Result<Self, ShapeError> {
        let layers = self.widths.len().saturating_sub(1);
        ShapeError::at_least(Operand::Layers, first.saturating_add(1), layers)?;
        self.first = first;
        Ok(self)
    }

    /// Rounds steps in another way than at random.
    #[must_use]
    pub const fn rounding(mut self, rounding: Rounding) -> Self {
        self.rounding = rounding;
        self
    }

    /// Biases 0 and weights uniform within `±sqrt(6 / (inputs + outputs))` (Glorot and Bengio 2010).
    pub fn initialise<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        self.memory.biases.fill(0);
        let mut weights: &mut [i16] = self.memory.weights;
        for [inputs, outputs] in layers(self.widths) {
            let (own, rest) = core::mem::take(&mut weights)
                .split_at_mut_checked(inputs * outputs)
                .unwrap_or_default();
            // 13 fractional bits, at most sqrt 3 in 2^13.
            let ratio = (6u64 << 26).checked_div((inputs + outputs) as u64);
            let bound = sqrt(ratio.unwrap_or(0));
            for weight in own {
                *weight = (below(rng, 2 * bound + 1).cast_signed() - bound.cast_signed()) as i16;
            }
            weights = rest;
        }
    }

    /// Goes on from the weights and biases of another stack of the same widths and function.
    ///
    /// # Errors
    /// [`ShapeError`] as [`Defect::Length`] when it has another number of layers or other widths,
    /// [`Defect::Differs`] when its hidden units have another function; nothing has changed then.
    pub fn start_from_model(&mut self, model: &Stack<'_>) -> Result<(), Defect> {
        let layers = |widths: &[u16]| widths.len().saturating_sub(1);
        let same =
            |operand, own, other| ShapeError::exact(operand, own, other).map_err(Defect::Length);
        same(Operand::Layers, layers(self.widths), layers(model.widths))?;
        for (own, other) in self.widths.iter().zip(model.widths) {
            same(Operand::Weights, usize::from(*own), usize::from(*other))?;
        }
        if self.hidden != model.hidden {
            return Err(Defect::Differs(Difference::Hidden));
        }
        crate::slices::copy(model.weights, self.memory.weights);
        crate::slices::copy(model.biases, self.memory.biases);
        Ok(())
    }

    /// The most that a [`step`](Self::step) takes where all layers learn, in [operations](crate::work).
    #[must_use]
    pub const fn step_operations(widths: &[u16], rounding: Rounding) -> u64 {
        let word = match rounding {
            Rounding::Stochastic => DIVISION,
            Rounding::Nearest => 0,
        };
        let (mut operations, mut rest) = (2 * DIVISION, widths);
        while let [inputs, behind @ ..] = rest {
            // A word of damage for an input, a function, an error and its slope for a unit.
            let inputs = *inputs as u64;
            operations += inputs * (2 * DIVISION + WIDE);
            if let [outputs, ..] = behind {
                operations += inputs * *outputs as u64 * (1 + 2 * WIDE + word);
            }
            rest = behind;
        }
        operations
    }

    /// Learns from one sample (`I4F12`), damaged first; returns the squared error `|A(x~) - x|^2` before the step,
    /// `U40F24`. `rate` is `U0F16`.
    ///
    /// # Errors
    /// [`ShapeError`] when `sample` is not as long as the first width, or the last width is another.
    pub fn step<R: Rng + ?Sized>(
        &mut self,
        sample: &[i16],
        corruption: &Corruption,
        rate: u16,
        rng: &mut R,
    ) -> Result<u64, ShapeError> {
        let inputs = self.widths.first().copied().map_or(0, usize::from);
        let outputs = self.widths.last().copied().map_or(0, usize::from);
        ShapeError::exact(Operand::Input, inputs, sample.len())?;
        ShapeError::exact(Operand::Output, outputs, sample.len())?;
        let input = self.memory.values.get_mut(..inputs).unwrap_or_default();
        corruption.apply_into(sample, rng, input)?;
        let stack = Stack {
            widths: self.widths,
            hidden: self.hidden,
            weights: self.memory.weights,
            biases: self.memory.biases,
        };
        stack.forward(self.memory.values);
        let squared = self.output_errors(sample);
        self.hidden_errors();
        self.descend(rate, rng);
        Ok(squared)
    }

    /// Error signals of the last layer; the sum of their squares.
    fn output_errors(&mut self, target: &[i16]) -> u64 {
        let outputs = self.memory.values.iter().rev();
        let errors = self.memory.errors.iter_mut().rev();
        let mut squared = 0u64;
        for ((e, y), x) in errors.zip(outputs).zip(target.iter().rev()) {
            let difference = i32::from(*y) - i32::from(*x);
            let magnitude = u64::from(difference.unsigned_abs());
            // 2^16 squares of at most 2^32.
            squared += magnitude * magnitude;
            *e = difference << 8;
        }
        squared
    }

    /// Error signals of the layers before, as far as they are needed.
    fn hidden_errors(&mut self) {
        let mut weights: &[i16] = self.memory.weights;
        let mut values: &[i16] = self.memory.values;
        let mut errors: &mut [i32] = self.memory.errors;
        let count = self.widths.len().saturating_sub(1);
        for (layer, [inputs, outputs]) in layers(self.widths).enumerate().rev() {
            let keep = weights.len().saturating_sub(inputs * outputs);
            let (rest, own) = weights.split_at_checked(keep).unwrap_or_default();
            let keep = values.len().saturating_sub(outputs);
            let (before, _) = values.split_at_checked(keep).unwrap_or_default();
            let keep = errors.len().saturating_sub(outputs);
            let (lower, upper) = core::mem::take(&mut errors)
                .split_at_mut_checked(keep)
                .unwrap_or_default();
            debug_assert!(layer < count);
            if layer == 0 || layer <= self.first {
                return;
            }
            let start = lower.len().saturating_sub(inputs);
            let own_values = before.get(before.len().saturating_sub(inputs)..);
            let units = lower.iter_mut().skip(start).zip(own_values.unwrap_or(&[]));
            for (unit, (e, y)) in units.enumerate() {
                let column = own.iter().skip(unit).step_by(inputs.max(1));
                // At most 2^16 products of 2^15 and 2^31, with 33 fractional bits.
                let pull = |(w, e): (&i16, &i32)| i64::from(*w) * i64::from(*e);
                let sum: i64 = column.zip(upper.iter()).map(pull).sum();
                let back = saturating_i32(rounding_shift_right(sum, 13));
                let slope = i64::from(self.hidden.slope(*y));
                *e = saturating_i32(rounding_shift_right(i64::from(back) * slope, 12));
            }
            (weights, values, errors) = (rest, before, lower);
        }
    }

    /// One step against the gradient.
    fn descend<R: Rng + ?Sized>(&mut self, rate: u16, rng: &mut R) {
        /// From 20, 12 and 16 fractional bits to the 13 of a weight.
        const SHIFT: u32 = 35;
        let mut weights: &mut [i16] = self.memory.weights;
        let mut biases: &mut [i32] = self.memory.biases;
        let mut values: &[i16] = self.memory.values;
        let mut errors: &[i32] = self.memory.errors;
        for (layer, [inputs, outputs]) in layers(self.widths).enumerate() {
            let (own, rest) = core::mem::take(&mut weights)
                .split_at_mut_checked(inputs * outputs)
                .unwrap_or_default();
            let (bias, rest_biases) = core::mem::take(&mut biases)
                .split_at_mut_checked(outputs)
                .unwrap_or_default();
            let (x, behind) = values.split_at_checked(inputs).unwrap_or_default();
            let (e, rest_errors) = errors.split_at_checked(outputs).unwrap_or_default();
            if layer >= self.first {
                let rows = own.chunks_exact_mut(inputs.max(1)).zip(bias).zip(e);
                for ((row, bias), e) in rows {
                    // Below 2^31 · 2^16; with an input below 2^62.
                    let signal = i64::from(*e) * i64::from(rate);
                    for (w, x) in row.iter_mut().zip(x) {
                        let cut = match self.rounding {
                            Rounding::Stochastic => i64::from(rng.next_u32()) << (SHIFT - 32),
                            Rounding::Nearest => 1 << (SHIFT - 1),
                        };
                        let step = (cut - signal * i64::from(*x)) >> SHIFT;
                        *w = saturating_i16(i32::from(*w).saturating_add(saturating_i32(step)));
                    }
                    // From 36 fractional bits to 25.
                    let step = saturating_i32(rounding_shift_right(signal, 11));
                    *bias = bias.saturating_sub(step);
                }
            }
            (weights, biases, values, errors) = (rest, rest_biases, behind, rest_errors);
        }
    }

    /// The stack as it is now.
    #[must_use]
    pub const fn model(&self) -> Stack<'_> {
        Stack {
            widths: self.widths,
            hidden: self.hidden,
            weights: self.memory.weights,
            biases: self.memory.biases,
        }
    }
}
