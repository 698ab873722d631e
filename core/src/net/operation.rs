//! What one operation of a [`Graph`](super::Graph) is, as the container stores it.

use super::{Activation, Element, MAX_ELEMENTS};
use crate::kernels::{Conv3x3, Order, Padding};
use crate::num::{rounding_shift_right, saturating_i32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum OpKind {
    /// Dense layer over all elements of its input.
    Dense = 0,
    /// 3x3 convolution.
    Conv3x3 = 1,
    /// Sum of two values, brought to a common scale.
    Add = 2,
    /// Mean of 2x2 pixels, halves rounded up; a last odd row or column is left out.
    AveragePool = 3,
    /// Every pixel four times.
    Upsample = 4,
}

impl OpKind {
    /// The kind with this tag in a container.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Dense),
            1 => Some(Self::Conv3x3),
            2 => Some(Self::Add),
            3 => Some(Self::AveragePool),
            4 => Some(Self::Upsample),
            _ => None,
        }
    }

    /// Whether it has weights.
    #[must_use]
    pub const fn has_weights(self) -> bool {
        matches!(self, Self::Dense | Self::Conv3x3)
    }
}

/// One operation; the fields are those of FORMAT.md.
///
/// Operation i makes value i + 1; value 0 is the network's input. What an operation has no use for is 0.
#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OpRecord {
    /// [`OpKind`].
    pub kind: u8,
    /// [`Activation`].
    pub activation: u8,
    /// Output: 0 `i8`, 1 `i16`.
    pub element: u8,
    /// [`Order`] of the weights.
    pub order: u8,
    /// Stride of a convolution: 1 or 2.
    pub stride: u8,
    /// Padding of a convolution: 0 same, 1 valid.
    pub padding: u8,
    /// 1 when there is a set of channel records for every noise level.
    pub conditioned: u8,
    /// 0.
    pub reserved: u8,
    /// Values read.
    pub inputs: [u16; 2],
    /// Output height, width and channels.
    pub shape: [u16; 3],
    /// Output value of real zero.
    pub zero_point: i16,
    /// Smallest output.
    pub min: i16,
    /// Largest output.
    pub max: i16,
    /// `i8` outputs of ELU and SiLU: their scale, as units of 2^-12 over it times 2^20.
    pub narrow: u16,
    /// `i16` outputs of ELU and SiLU: fractional bits that they and the sums have fewer than 12, at most
    /// [`MAX_COARSE`](Self::MAX_COARSE).
    pub coarse: u16,
    /// Byte of the weights' tensor where those of this operation start, a multiple of 16.
    pub weights: u32,
    /// Index of the first channel record, or of the addition.
    pub parameters: u32,
    /// Byte of the arena where the output lies, a multiple of 4; 0 for the last value.
    pub place: u32,
    /// Real value of one output unit, for reports.
    pub unit: f32,
}

/// Parameters of a sum: `y = clamp((a · left + b · right + bias) >> shift)`.
///
/// `bias` holds the rounding term, the zero points of both operands and that of the output, so that a sum
/// is rounded once. No product or sum leaves 64 bits: `2 · 2^15 · 2^31 + 2^61 < 2^62`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Addition {
    /// At most 2^61 in magnitude.
    pub bias: i64,
    /// Factor of the first operand.
    pub left: i32,
    /// Factor of the second operand.
    pub right: i32,
    /// Right shift, at most 62.
    pub shift: u32,
    /// 0.
    pub reserved: u32,
}

impl Addition {
    const MAX_BIAS: i64 = 1 << 61;

    /// `a · left + b · right + offset` in output units, halves rounded up, for factors below 2^15.
    ///
    /// Host-side convenience. `offset` is the output's zero point less `left` and `right` times those of the
    /// operands. Both factors have at least 15 significant bits when they are within 2^15 of one another.
    #[must_use]
    pub fn from_f64(left: f64, right: f64, offset: f64) -> Option<Self> {
        let magnitude = |v: f64| if v < 0.0 { -v } else { v };
        if !(magnitude(left) < 32_768.0 && magnitude(right) < 32_768.0 && magnitude(offset) < 1e8) {
            return None;
        }
        let largest = if magnitude(left) > magnitude(right) {
            magnitude(left)
        } else {
            magnitude(right)
        };
        let (mut shift, mut factor) = (1u32, 2.0f64);
        while shift < 40
            && largest * factor * 2.0 < 2_147_483_647.0
            && magnitude(offset) * factor < 5e17
        {
            factor *= 2.0;
            shift += 1;
        }
        let nearest = |v: f64| {
            if v < 0.0 {
                (v - 0.5) as i64
            } else {
                (v + 0.5) as i64
            }
        };
        let addition = Self {
            bias: nearest(offset * factor) + nearest(factor / 2.0),
            left: i32::try_from(nearest(left * factor)).ok()?,
            right: i32::try_from(nearest(right * factor)).ok()?,
            shift,
            reserved: 0,
        };
        addition.is_valid().then_some(addition)
    }

    pub(super) const fn is_valid(&self) -> bool {
        self.shift <= 62
            && self.reserved == 0
            && self.bias >= -Self::MAX_BIAS
            && self.bias <= Self::MAX_BIAS
    }

    /// The sum of two elements, saturated to 32 bits.
    #[inline]
    pub(super) fn apply(&self, a: i32, b: i32) -> i32 {
        let left = i64::from(a) * i64::from(self.left);
        let right = i64::from(b) * i64::from(self.right);
        let sum = left.wrapping_add(right).wrapping_add(self.bias);
        saturating_i32(sum >> (self.shift & 63))
    }
}

/// A shape as lengths; `map` would take it by value.
pub(super) const fn sides(&[height, width, channels]: &[u16; 3]) -> [usize; 3] {
    [height as usize, width as usize, channels as usize]
}

/// One value of a graph: what an operation reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) shape: [usize; 3],
    pub(super) element: Element,
    /// What stands for real zero: what lies outside an image.
    pub(super) zero: i16,
    pub(super) min: i16,
    pub(super) max: i16,
    pub(super) place: usize,
}

impl Value {
    /// Features from outside: any `i16`.
    pub(super) const fn features(shape: [usize; 3]) -> Self {
        Self {
            shape,
            element: Element::I16,
            zero: 0,
            min: i16::MIN,
            max: i16::MAX,
            place: 0,
        }
    }

    /// Elements, or `None` when it is empty or has more than [`MAX_ELEMENTS`].
    pub(super) fn checked_len(&self) -> Option<usize> {
        let [height, width, channels] = self.shape;
        let len = height.checked_mul(width)?.checked_mul(channels)?;
        (len > 0 && len <= MAX_ELEMENTS).then_some(len)
    }

    /// Elements; 0 where [`checked_len`](Self::checked_len) refuses.
    pub(super) fn len(&self) -> usize {
        self.checked_len().unwrap_or(0)
    }

    /// Bytes in the arena. At most 2^19: no overflow.
    pub(super) fn bytes(&self) -> usize {
        (self.len() * self.element.bytes()).next_multiple_of(super::memory::ALIGN)
    }

    /// Largest magnitude of an element, or of what lies outside the image.
    pub(super) fn largest(&self) -> u32 {
        let most = self.min.unsigned_abs().max(self.max.unsigned_abs());
        u32::from(most.max(self.zero.unsigned_abs()))
    }
}

impl OpRecord {
    /// Most fractional bits that the outputs of a function may have fewer than `I4F12`: `I8F8`.
    pub const MAX_COARSE: u16 = 4;

    /// An operation that reads `input` and makes `i16` values of `shape` in `I4F12`, without a function: what
    /// the others are made of by changing fields.
    #[must_use]
    pub const fn wide(kind: OpKind, input: u16, shape: &[u16; 3]) -> Self {
        Self {
            kind: kind as u8,
            activation: 0,
            element: 1,
            order: 0,
            stride: if matches!(kind, OpKind::Conv3x3) {
                1
            } else {
                0
            },
            padding: 0,
            conditioned: 0,
            reserved: 0,
            inputs: [input, 0],
            shape: *shape,
            zero_point: 0,
            min: i16::MIN,
            max: i16::MAX,
            narrow: 0,
            coarse: 0,
            weights: 0,
            parameters: 0,
            place: 0,
            unit: 1.0 / 4096.0,
        }
    }

    /// What the tag says, if it is known.
    #[must_use]
    pub const fn kind(&self) -> Option<OpKind> {
        OpKind::from_tag(self.kind)
    }

    /// Values that it reads: one, or two for a sum.
    #[must_use]
    pub const fn operands(&self) -> usize {
        if self.kind == OpKind::Add as u8 { 2 } else { 1 }
    }

    /// Type of the outputs.
    #[must_use]
    pub const fn element(&self) -> Element {
        if self.element == 0 {
            Element::I8
        } else {
            Element::I16
        }
    }

    /// The function of the sums; identity where the tag is unknown, which loading excludes.
    #[must_use]
    pub const fn activation(&self) -> Activation {
        match Activation::from_tag(self.activation) {
            Some(activation) => activation,
            None => Activation::Clamp,
        }
    }

    /// Order of the weights; row-major where the tag is unknown, which loading excludes.
    #[must_use]
    pub const fn order(&self) -> Order {
        match Order::from_tag(self.order) {
            Some(order) => order,
            None => Order::RowMajor,
        }
    }

    /// The value that it makes.
    pub(super) fn value(&self) -> Value {
        let activation = self.activation();
        Value {
            shape: sides(&self.shape),
            element: self.element(),
            zero: match (self.element(), activation) {
                // An 8-bit sigmoid is moved by a half.
                (Element::I8, Activation::Sigmoid) => i16::from(i8::MIN),
                _ => self.zero_point,
            },
            min: self.min,
            max: self.max,
            place: usize::try_from(self.place).unwrap_or(usize::MAX),
        }
    }

    /// Outputs of one row block: the rows of the weight matrix. At most [`MAX_ELEMENTS`]; 0 for a dense layer of more.
    // Asked a few times an operation: images have it once.
    #[inline(never)]
    pub(crate) fn rows(&self) -> usize {
        match self.kind() {
            Some(OpKind::Dense) => self.value().len(),
            _ => usize::from(self.shape[2]),
        }
    }

    /// Geometry of a convolution of this input.
    pub(super) fn geometry(&self, input: &Value) -> Option<Conv3x3> {
        let padding = match self.padding {
            0 => Padding::Same,
            1 => Padding::Valid,
            _ => return None,
        };
        let [height, width, channels] = input.shape;
        Conv3x3::new(height, width, channels, usize::from(self.stride), padding)
    }

    /// Inputs of one output: the columns of the weight matrix, 0 without weights.
    pub(super) fn cols(&self, input: &Value) -> usize {
        match self.kind() {
            Some(OpKind::Dense) => input.len(),
            Some(OpKind::Conv3x3) => 9 * input.shape.last().copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether the clamp's result is narrowed after a function, which needs the sums in 16 bits first.
    pub(super) fn narrows(&self) -> bool {
        self.element() == Element::I8 && self.activation() != Activation::Clamp
    }

    /// A 16-bit output of the function, as the output stores it.
    #[inline]
    pub(super) fn narrow(&self, value: i16) -> i32 {
        let value = self.activation().narrow(value, self.narrow);
        (value + i32::from(self.zero_point))
            .min(self.max.into())
            .max(self.min.into())
    }
}

/// `floor(sum / 4 + 1/2)`.
#[inline]
pub(super) fn mean_of_four(sum: i32) -> i32 {
    rounding_shift_right(i64::from(sum), 2) as i32
}
