//! Mean-field inference: probabilities in place of draws, until they no longer change.

use super::{ONE, Rbm, States, Units, workspace_len};
use crate::kernels::{bit_words, is_set};
use crate::{Defect, Operand, ShapeError};
use zerocopy::{FromBytes, IntoBytes};

/// Means of all units, each given those of the other side: a fixed point of `h = sigmoid(c + W v)`,
/// `v = sigmoid(b + W^T h)` (Welling and Hinton 2002), with any set of visible units held.
///
/// No random numbers, and a bounded [`step`](Self::step) that tells how far it went.
#[derive(Debug)]
pub struct MeanField<'a, 'm> {
    rbm: Rbm<'a>,
    visible: &'m mut [i16],
    hidden: &'m mut [i16],
    clamped: &'m mut [u32],
    workspace: &'m mut [i32],
}

impl<'a, 'm> MeanField<'a, 'm> {
    /// Words of memory for a machine of these layers.
    #[must_use]
    pub const fn words(visible: usize, hidden: usize) -> usize {
        visible
            .div_ceil(2)
            .saturating_add(hidden.div_ceil(2))
            .saturating_add(bit_words(visible))
            .saturating_add(workspace_len(visible, hidden))
    }

    /// Inference in `memory` of [`words`](Self::words) words; Bernoulli units start at one half, Gaussian
    /// ones at 0, and none is held.
    ///
    /// # Errors
    /// [`Defect::Memory`] when the memory has another length.
    pub fn new(rbm: Rbm<'a>, memory: &'m mut [u32]) -> Result<Self, Defect> {
        let (visible, hidden) = (rbm.visible(), rbm.hidden());
        Defect::memory(Self::words(visible, hidden), memory.len())?;
        memory.fill(0);
        let cut = |memory: &'m mut [u32], at| memory.split_at_mut_checked(at).ok_or(Defect::Shape);
        let (visible_means, memory) = cut(memory, visible.div_ceil(2))?;
        let (hidden_means, memory) = cut(memory, hidden.div_ceil(2))?;
        let (clamped, workspace) = cut(memory, bit_words(visible))?;
        let halves = |words: &'m mut [u32], len: usize| {
            <[i16]>::mut_from_bytes(words.as_mut_bytes())
                .ok()
                .and_then(|halves| halves.get_mut(..len))
                .ok_or(Defect::Shape)
        };
        let means = Self {
            rbm,
            visible: halves(visible_means, visible)?,
            hidden: halves(hidden_means, hidden)?,
            clamped,
            workspace: <[i32]>::mut_from_bytes(workspace.as_mut_bytes())
                .map_err(|_| Defect::Shape)?,
        };
        if rbm.units() == Units::Bernoulli {
            means.visible.fill(ONE / 2);
        }
        Ok(means)
    }

    /// Holds the visible units whose bits are set at their `states` (`I4F12`); the others start there.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not a state and a bit for each visible unit.
    pub fn clamp(&mut self, states: &[i16], units: &[u32]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.visible.len(), states.len())?;
        ShapeError::exact(Operand::Input, self.clamped.len(), units.len())?;
        crate::slices::copy(states, self.visible);
        crate::slices::copy(units, self.clamped);
        Ok(())
    }

    /// One round of means; returns by how much a visible unit changed at most (`I4F12`).
    ///
    /// Work: `2 V H` multiply-accumulates and a sigmoid for each unit.
    pub fn step(&mut self) -> u16 {
        let visible = States::Real(self.visible);
        let rbm = self.rbm;
        // The lengths are those of the constructor.
        let _ = rbm.hidden_means_into(visible, self.workspace, self.hidden);
        let Ok(sums) = rbm.visible_sums(States::Real(self.hidden), self.workspace) else {
            return 0;
        };
        let mut most = 0;
        for (index, (mean, sum)) in self.visible.iter_mut().zip(sums).enumerate() {
            if is_set(self.clamped, index) {
                continue;
            }
            let next = match rbm.units() {
                Units::Bernoulli => rbm.probability(*sum),
                Units::Gaussian => rbm.requantise(*sum),
            };
            most = most.max(next.abs_diff(*mean));
            *mean = next;
        }
        most
    }

    /// Means of the visible units.
    #[must_use]
    pub const fn visible(&self) -> &[i16] {
        self.visible
    }

    /// Means of the hidden units, those of the visible ones before the last round.
    #[must_use]
    pub const fn hidden(&self) -> &[i16] {
        self.hidden
    }
}
