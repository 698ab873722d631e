//! A stack of dense layers with 16-bit weights: what a learner changes and anybody may run.

use crate::kernels::dot;
use crate::num::{elu, rounding_shift_right, saturating_i16, saturating_i32, sigmoid, tanh};
use crate::{Defect, Operand, ShapeError};

/// Function of the hidden units; the last layer has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Hidden {
    /// `max(z, 0)`.
    Relu,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Exponential linear unit.
    Elu,
}

impl Hidden {
    /// What stands for it in a container.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Relu => 0,
            Self::Sigmoid => 1,
            Self::Tanh => 2,
            Self::Elu => 3,
        }
    }

    pub(crate) const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Relu),
            1 => Some(Self::Sigmoid),
            2 => Some(Self::Tanh),
            3 => Some(Self::Elu),
            _ => None,
        }
    }

    /// `f(z)`, both `I4F12`.
    #[inline]
    pub(super) fn apply(self, z: i16) -> i16 {
        match self {
            Self::Relu => z.max(0),
            Self::Sigmoid => ((u32::from(sigmoid(z)) + 8) >> 4) as i16,
            Self::Tanh => ((i32::from(tanh(z)) + 4) >> 3) as i16,
            Self::Elu => elu(z),
        }
    }

    /// `f'(z)` from `y = f(z)`, `I4F12`, 0 to 1.
    #[inline]
    pub(super) fn slope(self, y: i16) -> i32 {
        const ONE: i32 = 1 << 12;
        let y = i32::from(y);
        match self {
            Self::Relu => ONE * i32::from(y > 0),
            Self::Sigmoid => (y * (ONE - y) + ONE / 2) >> 12,
            Self::Tanh => ONE - ((y * y + ONE / 2) >> 12),
            Self::Elu => ONE + y.min(0),
        }
    }
}

/// Dense layers over borrowed parameters: `y = W_n f(... f(W_1 x + b_1) ...) + b_n`.
///
/// Weights are `I3F13`, one layer after the other, each row-major with a row an output; biases `I7F25`. Sums are
/// exact in 64 bits and rounded once, to `I4F12`.
#[derive(Debug, Clone, Copy)]
pub struct Stack<'a> {
    pub(super) widths: &'a [u16],
    pub(super) hidden: Hidden,
    pub(super) weights: &'a [i16],
    pub(super) biases: &'a [i32],
}

/// Inputs and outputs of each layer.
pub(super) fn layers(
    widths: &[u16],
) -> impl DoubleEndedIterator<Item = [usize; 2]> + ExactSizeIterator + '_ {
    widths
        .array_windows()
        .map(|pair: &[u16; 2]| pair.map(usize::from))
}

/// Weights and biases that layers of these widths have.
pub(super) fn parameters(widths: &[u16]) -> Option<[usize; 2]> {
    let mut sums = [0usize; 2];
    if widths.len() < 2 || widths.contains(&0) {
        return None;
    }
    for [inputs, outputs] in layers(widths) {
        let [weights, biases] = sums;
        sums = [
            inputs.checked_mul(outputs)?.checked_add(weights)?,
            biases.checked_add(outputs)?,
        ];
    }
    Some(sums)
}

impl<'a> Stack<'a> {
    /// A stack; `widths` are those of the input, of every hidden layer and of the output.
    ///
    /// # Errors
    /// [`Defect::Shape`] when a width is 0, there are fewer than two, or a slice does not fit them.
    pub fn new(
        widths: &'a [u16],
        hidden: Hidden,
        weights: &'a [i16],
        biases: &'a [i32],
    ) -> Result<Self, Defect> {
        if parameters(widths) != Some([weights.len(), biases.len()]) {
            return Err(Defect::Shape);
        }
        Ok(Self {
            widths,
            hidden,
            weights,
            biases,
        })
    }

    /// Widths of the input, of every hidden layer and of the output.
    #[must_use]
    pub const fn widths(&self) -> &'a [u16] {
        self.widths
    }

    /// Weights, `I3F13`.
    #[must_use]
    pub const fn weights(&self) -> &'a [i16] {
        self.weights
    }

    /// Biases, `I7F25`.
    #[must_use]
    pub const fn biases(&self) -> &'a [i32] {
        self.biases
    }

    /// Function of the hidden units.
    #[must_use]
    pub const fn hidden(&self) -> Hidden {
        self.hidden
    }

    /// Features that it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.widths.first().copied().map_or(0, usize::from)
    }

    /// Features that it gives.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.widths.last().copied().map_or(0, usize::from)
    }

    /// Elements of the memory that [`run`](Self::run) needs: the values of all layers, input included.
    #[must_use]
    pub fn values_len(&self) -> usize {
        values_len(self.widths)
    }

    /// Bytes of that memory.
    #[must_use]
    pub fn workspace_bytes(&self) -> usize {
        self.values_len().saturating_mul(size_of::<i16>())
    }

    /// Runs all layers, features in, features out, both `I4F12`; returns the output, at the end of `values`.
    ///
    /// One multiply-accumulate a weight.
    ///
    /// # Errors
    /// [`ShapeError`] when `input` is not as long as the first width or `values` not
    /// [`values_len`](Self::values_len).
    pub fn run<'v>(&self, input: &[i16], values: &'v mut [i16]) -> Result<&'v [i16], ShapeError> {
        ShapeError::exact(Operand::Input, self.inputs(), input.len())?;
        ShapeError::exact(Operand::Workspace, self.values_len(), values.len())?;
        crate::slices::copy(input, values);
        self.forward(values);
        let start = values.len().saturating_sub(self.outputs());
        Ok(values.get(start..).unwrap_or(&[]))
    }

    /// Fills in the values of every layer behind the first.
    pub(super) fn forward(&self, values: &mut [i16]) {
        let (mut weights, mut biases, mut values) = (self.weights, self.biases, values);
        let last = self.widths.len().saturating_sub(2);
        for (layer, [inputs, outputs]) in layers(self.widths).enumerate() {
            let (own, rest) = weights
                .split_at_checked(inputs * outputs)
                .unwrap_or_default();
            let (bias, rest_biases) = biases.split_at_checked(outputs).unwrap_or_default();
            let (x, behind) = values.split_at_mut_checked(inputs).unwrap_or_default();
            let rows = own.chunks_exact(inputs.max(1)).zip(bias);
            for (y, (row, bias)) in behind.iter_mut().take(outputs).zip(rows) {
                // At most 2^16 products of 2^30, with 25 fractional bits. Both slices have one length.
                let sum = dot(row, x).unwrap_or(0) + i64::from(*bias);
                let z = saturating_i16(saturating_i32(rounding_shift_right(sum, 13)));
                *y = if layer == last {
                    z
                } else {
                    self.hidden.apply(z)
                };
            }
            (weights, biases, values) = (rest, rest_biases, behind);
        }
    }
}

/// Values of all layers, input included.
pub(super) fn values_len(widths: &[u16]) -> usize {
    widths.iter().map(|w| usize::from(*w)).sum()
}
