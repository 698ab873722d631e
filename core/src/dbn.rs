//! Deep belief nets: a stack of restricted Boltzmann machines (Hinton, Osindero and Teh 2006).
//!
//! The hidden units of one machine are the visible units of the next. Recognition is one pass upward,
//! `h_l = p(h | h_(l-1))`; generation runs Gibbs steps in the top machine, an undirected model, and then passes
//! down once through the layers below, which are directed: `p(h_(l-1) | h_l)`.
//!
//! The top machine can go on learning on the device: [`Dbn::up_to_top_into`] gives what it sees of a sample, which
//! is what [`ContrastiveDivergence::step`](crate::rbm::learn::ContrastiveDivergence::step) takes.
//!
//! Formats and accuracy are those of [`rbm`](crate::rbm).

use crate::kernels::bit_words;
use crate::rbm::{Rbm, States, Units};
use crate::{Defect, Operand, ShapeError};
use heapless::Vec;
use rand_core::Rng;
use zerocopy::{FromBytes, IntoBytes};

#[cfg(test)]
mod tests;

/// Most machines of a stack.
pub const MAX_LAYERS: usize = 8;

/// A stack of machines, bottom first.
///
/// ```
/// use autodidact::dbn::Dbn;
/// # use autodidact::num::Multiplier;
/// # use autodidact::rbm::{Tensors, Units};
/// use autodidact::rbm::{Gibbs, Rbm, States};
/// use autodidact::rng::Generator;
/// # let (weights, biases) = ([9i8; 48], [0; 3]);
/// # let tensors = Tensors {
/// #     weights: &weights, transposed: &[], visible_biases: &biases, hidden_biases: &biases,
/// # };
/// # let scale = Multiplier::from_f64(1.0 / 16.0).unwrap();
/// # let (bottom, top) = [Rbm::new(Units::Bernoulli, scale, tensors)?; 2].into();
/// let dbn = Dbn::new([bottom, top])?;
/// let mut workspace = vec![0; dbn.workspace_len()];
/// let mut code = [0; 3];
/// dbn.up_into(States::Binary(&[0b101]), &mut workspace, &mut code)?;
/// // A dream: steps in the top machine, then down.
/// let mut memory = [0; Gibbs::words(Units::Bernoulli, 3, 3)];
/// let mut chain = Gibbs::new(*dbn.top(), &mut memory)?;
/// let mut rng = Generator::from_seed(1);
/// for _ in 0..100 {
///     chain.step(&mut rng);
/// }
/// let mut picture = [0; 3];
/// dbn.down_into(chain.hidden_bits(), &mut rng, &mut workspace, &mut picture)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dbn<'a> {
    layers: Vec<Rbm<'a>, MAX_LAYERS>,
    top: Rbm<'a>,
}

/// The parts of a workspace.
struct Workspace<'w> {
    sums: &'w mut [i32],
    /// A layer's states each: means, or bits.
    states: [&'w mut [i32]; 2],
}

impl<'a> Dbn<'a> {
    /// A stack of machines that are valid each, bottom first.
    ///
    /// # Errors
    /// [`Defect::Shape`] when there is none, [`Defect::TooManyLayers`] when there are more than
    /// [`MAX_LAYERS`], [`Defect::Layer`] when a machine has another number of visible units than the one below has
    /// hidden ones, or Gaussian units and is not the lowest.
    pub fn new(layers: impl IntoIterator<Item = Rbm<'a>>) -> Result<Self, Defect> {
        let mut stack: Vec<Rbm<'a>, MAX_LAYERS> = Vec::new();
        let mut below: Option<Rbm<'a>> = None;
        for (layer, rbm) in (0u16..).zip(layers) {
            let fits = below.is_none_or(|below| {
                below.hidden() == rbm.visible() && rbm.units() == Units::Bernoulli
            });
            if !fits {
                return Err(Defect::Layer { layer });
            }
            stack.push(rbm).map_err(|_| Defect::TooManyLayers {
                found: u32::from(layer) + 1,
            })?;
            below = Some(rbm);
        }
        Ok(Self {
            layers: stack,
            top: below.ok_or(Defect::Shape)?,
        })
    }

    /// The machines, bottom first.
    #[must_use]
    pub fn layers(&self) -> &[Rbm<'a>] {
        &self.layers
    }

    /// The highest machine.
    #[must_use]
    pub const fn top(&self) -> &Rbm<'a> {
        &self.top
    }

    /// Visible units of the lowest machine.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.bottom().visible()
    }

    /// Hidden units of the highest machine.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.top.hidden()
    }

    /// The lowest machine.
    #[must_use]
    pub fn bottom(&self) -> &Rbm<'a> {
        self.layers.first().unwrap_or(&self.top)
    }

    /// Words of workspace that a pass takes: the widest layer, made a multiple of 16, twice.
    #[must_use]
    pub fn workspace_len(&self) -> usize {
        // States take half a word, two layers of them as much as the sums.
        2 * self.widest()
    }

    fn widest(&self) -> usize {
        let lengths = self.layers.iter().map(Rbm::workspace_len);
        lengths.max().unwrap_or(0)
    }

    fn cut<'w>(&self, workspace: &'w mut [i32]) -> Result<Workspace<'w>, ShapeError> {
        let widest = self.widest();
        let error = ShapeError {
            operand: Operand::Workspace,
            needed: 2 * widest,
            given: workspace.len(),
        };
        let (sums, rest) = workspace.split_at_mut_checked(widest).ok_or(error)?;
        let (first, rest) = rest.split_at_mut_checked(widest / 2).ok_or(error)?;
        let second = rest.get_mut(..widest / 2).ok_or(error)?;
        Ok(Workspace {
            sums,
            states: [first, second],
        })
    }

    /// Means of the highest hidden units given a sample: mean-field recognition, the code of the sample.
    ///
    /// Work: one multiply-accumulate a weight, or additions of active rows where the sample is binary; a
    /// sigmoid for each hidden unit.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice does not fit; the workspace must be at least
    /// [`workspace_len`](Self::workspace_len) long.
    pub fn up_into(
        &self,
        visible: States<'_>,
        workspace: &mut [i32],
        out: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.up(self.layers.len(), visible, workspace, out)
    }

    /// Means of the top machine's visible units given a sample: what that machine learns from.
    ///
    /// Of a stack of one machine these are the sample itself, as real states.
    ///
    /// # Errors
    /// As [`up_into`](Self::up_into).
    pub fn up_to_top_into(
        &self,
        visible: States<'_>,
        workspace: &mut [i32],
        out: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.up(self.layers.len().saturating_sub(1), visible, workspace, out)
    }

    fn up(
        &self,
        layers: usize,
        visible: States<'_>,
        workspace: &mut [i32],
        out: &mut [i16],
    ) -> Result<(), ShapeError> {
        let Workspace {
            sums,
            states: [from, into],
        } = self.cut(workspace)?;
        let (mut from, mut into) = (halves(from), halves(into));
        let layers = self.layers.get(..layers).unwrap_or(&[]);
        let Some((last, inner)) = layers.split_last() else {
            return real_into(visible, self.visible(), out);
        };
        let mut units = None;
        for rbm in inner {
            let given = match units {
                None => visible,
                Some(units) => States::Real(from.get(..units).unwrap_or_default()),
            };
            let means = into.get_mut(..rbm.hidden()).unwrap_or_default();
            rbm.hidden_means_into(given, sums, means)?;
            units = Some(rbm.hidden());
            core::mem::swap(&mut from, &mut into);
        }
        let given = match units {
            None => visible,
            Some(units) => States::Real(from.get(..units).unwrap_or_default()),
        };
        last.hidden_means_into(given, sums, out)
    }

    /// Draws every layer given the one below; the highest hidden units as bits.
    ///
    /// # Errors
    /// As [`up_into`](Self::up_into).
    pub fn sample_up_into<R: Rng + ?Sized>(
        &self,
        visible: States<'_>,
        rng: &mut R,
        workspace: &mut [i32],
        out: &mut [u32],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, bit_words(self.hidden()), out.len())?;
        let Workspace {
            sums,
            states: [from, into],
        } = self.cut(workspace)?;
        let (mut from, mut into) = (words(from), words(into));
        let mut units = None;
        for rbm in &self.layers {
            let given = match units {
                None => visible,
                Some(units) => States::Binary(from.get(..bit_words(units)).unwrap_or_default()),
            };
            rbm.sample_hidden_into(given, rng, sums, into)?;
            units = Some(rbm.hidden());
            core::mem::swap(&mut from, &mut into);
        }
        crate::slices::copy(from, out);
        Ok(())
    }

    /// One pass down from the top machine's hidden units: the layers between are drawn, of the lowest visible units
    /// come probabilities or means (`I4F12`).
    ///
    /// # Errors
    /// [`ShapeError`] when a slice does not fit; the workspace must be at least
    /// [`workspace_len`](Self::workspace_len) long.
    pub fn down_into<R: Rng + ?Sized>(
        &self,
        top_hidden: &[u32],
        rng: &mut R,
        workspace: &mut [i32],
        out: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, bit_words(self.hidden()), top_hidden.len())?;
        let Workspace {
            sums,
            states: [from, into],
        } = self.cut(workspace)?;
        let (mut from, mut into) = (words(from), words(into));
        crate::slices::copy(top_hidden, from);
        let Some((bottom, above)) = self.layers.split_first() else {
            return Ok(());
        };
        for rbm in above.iter().rev() {
            let given = from.get(..bit_words(rbm.hidden())).unwrap_or_default();
            rbm.sample_visible_bits_into(given, rng, sums, into)?;
            core::mem::swap(&mut from, &mut into);
        }
        let given = from.get(..bit_words(bottom.hidden())).unwrap_or_default();
        bottom.visible_means_into(States::Binary(given), sums, out)
    }
}

/// Words as 16-bit states.
fn halves(words: &mut [i32]) -> &mut [i16] {
    // Elements of half the size and alignment: the cast does not fail.
    <[i16]>::mut_from_bytes(words.as_mut_bytes()).unwrap_or_default()
}

/// Words as bits.
fn words(words: &mut [i32]) -> &mut [u32] {
    // Elements of the same size and alignment: the cast does not fail.
    <[u32]>::mut_from_bytes(words.as_mut_bytes()).unwrap_or_default()
}

/// States as real ones.
fn real_into(states: States<'_>, units: usize, out: &mut [i16]) -> Result<(), ShapeError> {
    ShapeError::exact(Operand::Output, units, out.len())?;
    match states {
        States::Real(values) => {
            ShapeError::exact(Operand::Input, units, values.len())?;
            crate::slices::copy(values, out);
        }
        States::Binary(bits) => {
            ShapeError::exact(Operand::Input, bit_words(units), bits.len())?;
            for (index, x) in out.iter_mut().enumerate() {
                *x = i16::from(crate::kernels::is_set(bits, index)) * crate::rbm::ONE;
            }
        }
    }
    Ok(())
}
