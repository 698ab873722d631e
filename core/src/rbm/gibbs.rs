//! Block Gibbs sampling: all hidden units given the visible ones, then all visible units given the hidden ones.

use super::{Rbm, States, Units, workspace_len};
use crate::kernels::bit_words;
use crate::num::saturating_i16;
use crate::rng::normal;
use crate::{Defect, Operand, ShapeError};
use rand_core::Rng;
use zerocopy::{FromBytes, IntoBytes};

/// Words that the states of the visible units take.
pub(super) const fn state_words(units: Units, visible: usize) -> usize {
    match units {
        Units::Bernoulli => bit_words(visible),
        Units::Gaussian => visible.div_ceil(2),
    }
}

/// A Markov chain `v, h, v, h, …` whose states come to follow the model's distribution.
///
/// Visible units can be clamped: the others are then completed, given those. Work can be spread over time:
/// every [`step`](Self::step) is bounded.
///
/// # Cost
///
/// A step on a Cortex-M4 with both orders of the weights stored, sampling included, instructions counted in
/// QEMU and divided by the number of weights; a weight is used twice in a step, once in each direction:
///
/// <!-- figures: m4.gibbs_64x64_{eighth,quarter,half,three_quarters}:op
///      m4.gibbs_784x128_{eighth,quarter,half,three_quarters}:op -->
/// | units active | 1/8 | 1/4 | 1/2 | 3/4 |
/// |---|---|---|---|---|
/// | 64 x 64 | 0.80 | 0.99 | 1.36 | 1.75 |
/// | 784 x 128 | 0.34 | 0.51 | 0.87 | 1.21 |
///
/// <!-- figures: m4.gibbs_64x64_one_order_half:op -->
/// Without the transposed weights a step of 64 x 64 takes 2.3 at half. Where the scale is below
/// 2^-14, at which a weight of 127 moves a logit by less than 0.01, no draw can be looked up and each takes several
/// times as long.
///
/// ```
/// # use autodidact::num::Multiplier;
/// # use autodidact::rbm::{Tensors, Units};
/// use autodidact::rbm::{Gibbs, Rbm, States};
/// use autodidact::rng::Generator;
/// # let weights = [127i8; 16];
/// # let tensors = Tensors {
/// #     weights: &weights, transposed: &[], visible_biases: &[-262_144; 3], hidden_biases: &[-262_144],
/// # };
/// # let scale = Multiplier::from_f64(1.0 / 8.0).unwrap();
/// let rbm = Rbm::new(Units::Bernoulli, scale, tensors)?;
/// let mut memory = [0; Gibbs::words(Units::Bernoulli, 3, 1)];
/// let mut chain = Gibbs::new(rbm, &mut memory)?;
/// chain.set_visible(States::Binary(&[0b001]))?;
/// chain.clamp(&[0b001])?; // unit 0 is known, 1 and 2 are not
/// let mut rng = Generator::from_seed(1);
/// for _ in 0..100 {
///     chain.step(&mut rng);
/// }
/// assert_eq!(chain.visible_bits(), &[0b111]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Gibbs<'a, 'm> {
    rbm: Rbm<'a>,
    visible: &'m mut [u32],
    hidden: &'m mut [u32],
    clamped: &'m mut [u32],
    workspace: &'m mut [i32],
}

impl<'a, 'm> Gibbs<'a, 'm> {
    /// Words of memory for a machine of these layers.
    #[must_use]
    pub const fn words(units: Units, visible: usize, hidden: usize) -> usize {
        state_words(units, visible)
            .saturating_add(bit_words(visible))
            .saturating_add(bit_words(hidden))
            .saturating_add(workspace_len(visible, hidden))
    }

    /// A chain in `memory` of [`words`](Self::words) words; every unit is 0 and none is clamped.
    ///
    /// # Errors
    /// [`Defect::Memory`] when the memory has another length.
    pub fn new(rbm: Rbm<'a>, memory: &'m mut [u32]) -> Result<Self, Defect> {
        let (units, visible, hidden) = (rbm.units(), rbm.visible(), rbm.hidden());
        Defect::memory(Self::words(units, visible, hidden), memory.len())?;
        memory.fill(0);
        let cut = |memory: &'m mut [u32], at| memory.split_at_mut_checked(at).ok_or(Defect::Shape);
        let (visible_states, memory) = cut(memory, state_words(units, visible))?;
        let (hidden_states, memory) = cut(memory, bit_words(hidden))?;
        let (clamped, workspace) = cut(memory, bit_words(visible))?;
        Ok(Self {
            rbm,
            visible: visible_states,
            hidden: hidden_states,
            clamped,
            workspace: <[i32]>::mut_from_bytes(workspace.as_mut_bytes())
                .map_err(|_| Defect::Shape)?,
        })
    }

    /// The machine.
    #[must_use]
    pub const fn rbm(&self) -> &Rbm<'a> {
        &self.rbm
    }

    /// Sets the visible units. Of a machine of Bernoulli units, real states above 0 are 1.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not a state for each unit, or the units are Gaussian and the states are
    /// bits ([`Operand::RealStates`]).
    pub fn set_visible(&mut self, states: States<'_>) -> Result<(), ShapeError> {
        let visible = self.rbm.visible();
        match (states, self.rbm.units()) {
            (States::Binary(bits), Units::Bernoulli) => {
                ShapeError::exact(Operand::Input, self.visible.len(), bits.len())?;
                crate::slices::copy(bits, self.visible);
                Ok(())
            }
            (States::Real(values), Units::Bernoulli) => {
                self.rbm.binarise_into(values, self.visible)
            }
            (States::Real(values), Units::Gaussian) => {
                ShapeError::exact(Operand::Input, visible, values.len())?;
                crate::slices::copy(values, features_mut(self.visible));
                Ok(())
            }
            (States::Binary(_), Units::Gaussian) => {
                ShapeError::exact(Operand::RealStates, visible, 0)
            }
        }
    }

    /// Units whose bits are set keep their state.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not a bit for each visible unit.
    pub fn clamp(&mut self, units: &[u32]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.clamped.len(), units.len())?;
        crate::slices::copy(units, self.clamped);
        Ok(())
    }

    /// Draws the hidden units given the visible ones, then the visible ones given these.
    ///
    /// Work: `V H` additions in each direction where every unit is active, fewer in proportion where not
    /// ([`add_rows`](crate::kernels::add_rows), with transposed weights), a draw for each unit. Words of the
    /// generator: one for every four units and one in 256 more, at most one for each; one for each Gaussian unit.
    pub fn step<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        self.step_hidden(rng);
        self.step_visible(rng);
    }

    /// The first half of a [`step`](Self::step).
    pub fn step_hidden<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        let visible = states(self.rbm.units(), self.rbm.visible(), self.visible);
        // The lengths are those of the constructor.
        if let Ok(sums) = self.rbm.hidden_sums(visible, self.workspace) {
            self.rbm.sample(sums, rng, |index, bits| {
                if let Some(word) = self.hidden.get_mut(index) {
                    *word = bits;
                }
            });
        }
    }

    /// The second half of a [`step`](Self::step): the visible units that are not clamped.
    pub fn step_visible<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        let Ok(sums) = self
            .rbm
            .visible_sums(States::Binary(self.hidden), self.workspace)
        else {
            return;
        };
        match self.rbm.units() {
            Units::Bernoulli => self.rbm.sample(sums, rng, |index, bits| {
                if let (Some(word), Some(held)) =
                    (self.visible.get_mut(index), self.clamped.get(index))
                {
                    *word = *word & held | bits & !held;
                }
            }),
            Units::Gaussian => {
                for (index, (x, sum)) in features_mut(self.visible).iter_mut().zip(sums).enumerate()
                {
                    let drawn = i32::from(self.rbm.requantise(*sum)) + i32::from(normal(rng));
                    if !crate::kernels::is_set(self.clamped, index) {
                        *x = saturating_i16(drawn);
                    }
                }
            }
        }
    }

    /// The visible units as they are.
    #[must_use]
    pub fn visible(&self) -> States<'_> {
        states(self.rbm.units(), self.rbm.visible(), self.visible)
    }

    /// The visible units as bits; none for Gaussian units.
    #[must_use]
    pub fn visible_bits(&self) -> &[u32] {
        match self.visible() {
            States::Binary(bits) => bits,
            States::Real(_) => &[],
        }
    }

    /// The hidden units as they were drawn last.
    #[must_use]
    pub const fn hidden_bits(&self) -> &[u32] {
        self.hidden
    }

    /// Sets the hidden units.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not a bit for each.
    pub fn set_hidden(&mut self, bits: &[u32]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.hidden.len(), bits.len())?;
        crate::slices::copy(bits, self.hidden);
        Ok(())
    }

    /// Probabilities or means of the visible units given the hidden ones: a smoother picture than their draw.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not an element for each visible unit.
    pub fn visible_means_into(&mut self, out: &mut [i16]) -> Result<(), ShapeError> {
        self.rbm
            .visible_means_into(States::Binary(self.hidden), self.workspace, out)
    }
}

/// The words of a chain as what they stand for.
pub(super) fn states(units: Units, visible: usize, words: &[u32]) -> States<'_> {
    match units {
        Units::Bernoulli => States::Binary(words),
        Units::Gaussian => {
            let features = <[i16]>::ref_from_bytes(words.as_bytes()).unwrap_or_default();
            States::Real(features.get(..visible).unwrap_or(features))
        }
    }
}

/// The words of a chain of Gaussian units.
pub(super) fn features_mut(words: &mut [u32]) -> &mut [i16] {
    // Elements of half the size and alignment: the cast does not fail.
    <[i16]>::mut_from_bytes(words.as_mut_bytes()).unwrap_or_default()
}
