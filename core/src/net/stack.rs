//! Stacks of dense layers: the networks of the container's first kind.
//!
//! | activation | output |
//! |---|---|
//! | identity, ReLU | requantised accumulator, clamped; a ReLU clamps at the zero point |
//! | sigmoid | `sigmoid(z)` for `z` in `I4F12`; `i8`: `256 p - 128`, `i16`: `I1F15` |
//! | tanh | `tanh(z)` for `z` in `I4F12`; `i8`: `I1F7`, `i16`: `I1F15` |

use super::memory::{ALIGN, align, prefix, prefix_mut};
use super::prove::fits;
use super::{Activation, Element, MAX_LAYERS, MAX_WIDTH};
use crate::kernels::{Channel, Channels, Matrix, OutputStage, dense, dense_scratch_len};
use crate::num::saturating_i8;
use crate::{Defect, Operand, ShapeError};
use heapless::Vec;
use zerocopy::FromBytes;

/// One dense layer.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Weights: `rows` outputs, `cols` inputs.
    pub weights: Matrix<'a>,
    /// Bias and scale of each output.
    pub channels: &'a [Channel],
    /// Function applied to the sums.
    pub activation: Activation,
    /// Type of the inputs.
    pub input: Element,
    /// Type of the outputs.
    pub output: Element,
    /// Output value of real zero (before sigmoid and tanh: of the sum, always 0).
    pub zero_point: i16,
    /// Smallest output value; the element's own minimum with sigmoid and tanh.
    pub min: i16,
    /// Largest output value.
    pub max: i16,
}

impl Layer<'_> {
    /// Checks everything but the sums: tags, clamps, scales. `index` goes into the error.
    fn check(&self, index: u16) -> Result<(), Defect> {
        let defect = Err(Defect::Layer { layer: index });
        if self.weights.rows() > MAX_WIDTH || self.weights.cols() > MAX_WIDTH {
            return Err(Defect::Shape);
        }
        if self.channels.len() != self.weights.rows() {
            return Err(Defect::Shape);
        }
        let (least, most) = (self.output.min(), self.output.max());
        if self.min > self.max || self.min < least || self.max > most {
            return defect;
        }
        match self.activation {
            Activation::Clamp if self.zero_point < least || self.zero_point > most => defect,
            Activation::Elu | Activation::Silu => defect,
            Activation::Sigmoid | Activation::Tanh
                if self.zero_point != 0 || self.min != least || self.max != most =>
            {
                defect
            }
            _ => Ok(()),
        }
    }

    /// Proves for every row that no input overflows the accumulator or the requantised value.
    fn prove(&self, index: u16, largest_input: u32) -> Result<(), Defect> {
        for (row, channel) in (0u32..).zip(self.channels) {
            if channel.scale().is_none() {
                return Err(Defect::Scale { index: row });
            }
            let bound = self.accumulator_bound(row as usize, largest_input);
            if !fits(bound, channel) {
                return Err(Defect::AccumulatorOverflow { layer: index, row });
            }
        }
        Ok(())
    }

    /// Largest magnitude of a row's accumulator: `|bias| + sum |w| · max |x|`.
    #[must_use]
    pub fn accumulator_bound(&self, row: usize, largest_input: u32) -> u64 {
        let bias = self.channels.get(row).map_or(0, |c| c.bias.unsigned_abs());
        let weights = self.weights.row_magnitude(row);
        u64::from(bias) + weights * u64::from(largest_input)
    }

    /// Largest magnitude that this layer hands to the next.
    #[must_use]
    pub fn largest_output(&self) -> u32 {
        u32::from(self.min.unsigned_abs().max(self.max.unsigned_abs()))
    }
}

/// A stack of dense layers, checked at construction.
#[derive(Debug, Clone)]
pub struct Network<'a> {
    layers: Vec<Layer<'a>, MAX_LAYERS>,
    code_layer: Option<u16>,
}

/// Magnitude of the largest feature: -32768.
const LARGEST_FEATURE: u32 = 1 << 15;

impl<'a> Network<'a> {
    /// A network of `layers`; `code_layer` counts the layers of the encoder, if there is one.
    ///
    /// # Errors
    /// [`Defect`] when layers do not follow from one another, there are none or too many, or the
    /// range of an accumulator cannot be proved.
    pub fn new(
        layers: impl IntoIterator<Item = Layer<'a>>,
        code_layer: Option<u16>,
    ) -> Result<Self, Defect> {
        let network = Self::from_trusted(layers, code_layer)?;
        for (index, (layer, largest_input)) in (0u16..).zip(network.layers_with_inputs()) {
            layer.prove(index, largest_input)?;
        }
        Ok(network)
    }

    /// As [`new`](Self::new), without the range proofs.
    pub(crate) fn from_trusted(
        layers: impl IntoIterator<Item = Layer<'a>>,
        code_layer: Option<u16>,
    ) -> Result<Self, Defect> {
        let mut stack: Vec<Layer<'a>, MAX_LAYERS> = Vec::new();
        let mut input = Element::I16;
        for (index, layer) in (0u16..).zip(layers) {
            layer.check(index)?;
            let fits = stack
                .last()
                .is_none_or(|l| l.weights.rows() == layer.weights.cols());
            if !fits || layer.input != input {
                return Err(Defect::Layer { layer: index });
            }
            input = layer.output;
            stack.push(layer).map_err(|_| Defect::TooManyLayers {
                found: u32::from(index) + 1,
            })?;
        }
        let Some(last) = stack.last() else {
            return Err(Defect::Shape);
        };
        // What leaves the network is I4F12: sigmoid and tanh have another format.
        if last.output != Element::I16
            || last.activation != Activation::Clamp
            || last.zero_point != 0
        {
            return Err(Defect::Layer {
                layer: stack.len().saturating_sub(1) as u16,
            });
        }
        if let Some(code) = code_layer {
            // The code is handed out as i16 and lies strictly inside the stack.
            let encoder_end = usize::from(code).checked_sub(1).and_then(|i| stack.get(i));
            let inside = usize::from(code) < stack.len();
            if !inside || encoder_end.is_none_or(|l| l.output != Element::I16) {
                return Err(Defect::Layer { layer: code });
            }
        }
        Ok(Self {
            layers: stack,
            code_layer,
        })
    }

    /// Each layer with the largest magnitude of an input that it can meet: any feature for the first
    /// layer, any code for the first of the decoder, what the layer before can give for all others.
    pub fn layers_with_inputs(&self) -> impl Iterator<Item = (&Layer<'a>, u32)> {
        let decoder = self.code_layer.map(usize::from);
        let mut before = LARGEST_FEATURE;
        self.layers.iter().enumerate().map(move |(index, layer)| {
            let largest = if decoder == Some(index) {
                LARGEST_FEATURE
            } else {
                before
            };
            before = layer.largest_output();
            (layer, largest)
        })
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> &[Layer<'a>] {
        &self.layers
    }

    /// Layers of the encoder, if this network has a code.
    #[must_use]
    pub const fn code_layer(&self) -> Option<u16> {
        self.code_layer
    }

    /// Number of input features.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |l| l.weights.cols())
    }

    /// Number of output features.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |l| l.weights.rows())
    }

    /// Elements of the code, if this network has one.
    #[must_use]
    pub fn code_len(&self) -> Option<usize> {
        let code = usize::from(self.code_layer?);
        self.layers
            .get(code.checked_sub(1)?)
            .map(|l| l.weights.rows())
    }

    /// Multiply-accumulates of one run.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.layers
            .iter()
            .map(|l| l.weights.rows().saturating_mul(l.weights.cols()))
            .sum()
    }

    /// Bytes of workspace for [`run`](Self::run), [`encode`](Self::encode) and
    /// [`decode`](Self::decode), including what aligning it to four bytes may cost.
    #[must_use]
    pub fn workspace_bytes(&self) -> usize {
        Plan::of(&self.layers).bytes()
    }

    /// Runs all layers: features in, features out, both `I4F12`.
    ///
    /// What `workspace` held is lost; its content does not influence the result.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length or the workspace is shorter than
    /// [`workspace_bytes`](Self::workspace_bytes).
    pub fn run(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.run_layers(&self.layers, workspace, features, output)
    }

    /// Runs the encoder: features (`I4F12`) to the code (`i16`, the scale of its layer).
    ///
    /// # Errors
    /// [`ShapeError`] as for [`run`](Self::run); a network without a code needs an output of
    /// length 0 and is never satisfied.
    pub fn encode(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        code: &mut [i16],
    ) -> Result<(), ShapeError> {
        let layers = self.layers.get(..self.encoder_len()).unwrap_or(&[]);
        self.run_layers(layers, workspace, features, code)
    }

    /// Runs the decoder: code to features.
    ///
    /// # Errors
    /// [`ShapeError`] as for [`encode`](Self::encode).
    pub fn decode(
        &self,
        workspace: &mut [u8],
        code: &[i16],
        features: &mut [i16],
    ) -> Result<(), ShapeError> {
        let layers = match self.code_layer {
            Some(_) => self.layers.get(self.encoder_len()..).unwrap_or(&[]),
            None => &[],
        };
        self.run_layers(layers, workspace, code, features)
    }

    fn encoder_len(&self) -> usize {
        self.code_layer.map_or(0, usize::from)
    }

    fn run_layers(
        &self,
        layers: &[Layer<'_>],
        workspace: &mut [u8],
        input: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        let (Some(first), Some((last, inner))) = (layers.first(), layers.split_last()) else {
            return Err(ShapeError {
                operand: Operand::Output,
                needed: 0,
                given: output.len(),
            });
        };
        ShapeError::exact(Operand::Input, first.weights.cols(), input.len())?;
        ShapeError::exact(Operand::Output, last.weights.rows(), output.len())?;
        let plan = Plan::of(&self.layers);
        ShapeError::at_least(Operand::Workspace, plan.bytes(), workspace.len())?;
        let short = ShapeError {
            operand: Operand::Workspace,
            needed: plan.bytes(),
            given: workspace.len(),
        };
        let (mut from, mut to, scratch) = plan.split(workspace).ok_or(short)?;
        for (index, layer) in inner.iter().enumerate() {
            let source = if index == 0 {
                Source::I16(input)
            } else {
                Source::of(layer, from)
            };
            run_inner(layer, &source, scratch, to)?;
            core::mem::swap(&mut from, &mut to);
        }
        let source = if inner.is_empty() {
            Source::I16(input)
        } else {
            Source::of(last, from)
        };
        run_to_i16(last, &source, scratch, output)
    }
}

/// A layer's input, where it lies.
enum Source<'b> {
    I8(&'b [i8]),
    I16(&'b [i16]),
}

impl<'b> Source<'b> {
    /// The input of `layer` out of the buffer that the layer before wrote.
    fn of(layer: &Layer<'_>, buffer: &'b [u8]) -> Self {
        let len = layer.weights.cols();
        match layer.input {
            Element::I8 => Self::I8(prefix(buffer, len)),
            Element::I16 => Self::I16(prefix(buffer, len)),
        }
    }
}

/// Runs a layer into a workspace buffer.
fn run_inner(
    layer: &Layer<'_>,
    source: &Source<'_>,
    scratch: &mut [i16],
    buffer: &mut [u8],
) -> Result<(), ShapeError> {
    let rows = layer.weights.rows();
    match (layer.output, layer.activation) {
        (Element::I16, _) => run_to_i16(layer, source, scratch, prefix_mut(buffer, rows)),
        (Element::I8, Activation::Clamp) => {
            let stage = OutputStage {
                zero_point: saturating_i8(i32::from(layer.zero_point)),
                min: saturating_i8(i32::from(layer.min)),
                max: saturating_i8(i32::from(layer.max)),
            };
            let channels = Channels::proved(layer.channels);
            let output = prefix_mut(buffer, rows);
            match source {
                Source::I8(x) => dense(&layer.weights, channels, &stage, x, scratch, output),
                Source::I16(x) => dense(&layer.weights, channels, &stage, x, scratch, output),
            }
        }
        (Element::I8, activation) => {
            // Sums as I4F12 first, then narrowed in place: byte i is written after element i >= i/2.
            sums_to_i16(layer, source, scratch, prefix_mut(buffer, rows))?;
            for index in 0..rows {
                let [low, high] = [2 * index, 2 * index + 1];
                if let (Some(low), Some(high)) = (buffer.get(low), buffer.get(high)) {
                    let sum = i16::from_le_bytes([*low, *high]);
                    let value = activation.narrow(activation.saturate(sum), 0);
                    if let Some(byte) = buffer.get_mut(index) {
                        *byte = saturating_i8(value).cast_unsigned();
                    }
                }
            }
            Ok(())
        }
    }
}

/// Runs a layer with 16-bit outputs.
fn run_to_i16(
    layer: &Layer<'_>,
    source: &Source<'_>,
    scratch: &mut [i16],
    output: &mut [i16],
) -> Result<(), ShapeError> {
    sums_to_i16(layer, source, scratch, output)?;
    if layer.activation != Activation::Clamp {
        for value in output {
            *value = layer.activation.saturate(*value);
        }
    }
    Ok(())
}

/// Requantised sums in 16 bits; before sigmoid and tanh their format is `I4F12`.
fn sums_to_i16(
    layer: &Layer<'_>,
    source: &Source<'_>,
    scratch: &mut [i16],
    output: &mut [i16],
) -> Result<(), ShapeError> {
    let stage = match layer.activation {
        Activation::Clamp => OutputStage {
            zero_point: layer.zero_point,
            min: layer.min,
            max: layer.max,
        },
        _ => OutputStage {
            zero_point: 0,
            min: i16::MIN,
            max: i16::MAX,
        },
    };
    let channels = Channels::proved(layer.channels);
    match source {
        Source::I8(x) => dense(&layer.weights, channels, &stage, x, scratch, output),
        Source::I16(x) => dense(&layer.weights, channels, &stage, x, scratch, output),
    }
}

/// How a workspace is cut: two buffers for activations, one for widened inputs.
struct Plan {
    buffer: usize,
    scratch: usize,
}

impl Plan {
    fn of(layers: &[Layer<'_>]) -> Self {
        // Inner outputs only: the last layer writes into the caller's slice. Two bytes an element
        // whatever its type, because sigmoid and tanh pass through 16 bits.
        let inner = layers.split_last().map_or(&[][..], |(_, inner)| inner);
        let widest = inner.iter().map(|l| l.weights.rows()).max().unwrap_or(0);
        let inputs = layers.iter().map(|l| l.weights.cols()).max().unwrap_or(0);
        Self::new(widest, inputs)
    }

    const fn new(widest: usize, inputs: usize) -> Self {
        Self {
            buffer: (2 * widest).next_multiple_of(ALIGN),
            scratch: (2 * dense_scratch_len(inputs)).next_multiple_of(ALIGN),
        }
    }

    const fn bytes(&self) -> usize {
        2 * self.buffer + self.scratch + ALIGN - 1
    }

    /// Both buffers and the scratch, or `None` when the workspace is too short.
    fn split<'w>(
        &self,
        workspace: &'w mut [u8],
    ) -> Option<(&'w mut [u8], &'w mut [u8], &'w mut [i16])> {
        let aligned = align(workspace)?;
        let (first, rest) = aligned.split_at_mut_checked(self.buffer)?;
        let (second, rest) = rest.split_at_mut_checked(self.buffer)?;
        let (scratch, _) = <[i16]>::mut_from_prefix_with_elems(rest, self.scratch / 2).ok()?;
        Some((first, second, scratch))
    }
}

/// Workspace of a network whose widest inner layer has `widest` outputs and whose widest layer
/// reads `inputs`; larger widths than [`MAX_WIDTH`] count as that.
#[must_use]
pub const fn workspace_bytes(widest: usize, inputs: usize) -> usize {
    let widest = if widest > MAX_WIDTH {
        MAX_WIDTH
    } else {
        widest
    };
    let inputs = if inputs > MAX_WIDTH {
        MAX_WIDTH
    } else {
        inputs
    };
    Plan::new(widest, inputs).bytes()
}

/// A network trained to give its input back through a code.
#[derive(Debug, Clone)]
pub struct Autoencoder<'a>(Network<'a>);

impl<'a> Autoencoder<'a> {
    /// `network` as an autoencoder, or `None` when it has no code or changes the width.
    #[must_use]
    pub fn new(network: Network<'a>) -> Option<Self> {
        (network.code_layer.is_some() && network.inputs() == network.outputs())
            .then_some(Self(network))
    }

    /// The network underneath: `encode`, `decode`, `run`.
    #[must_use]
    pub const fn network(&self) -> &Network<'a> {
        &self.0
    }

    /// Reconstruction of `features`, both `I4F12`.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn reconstruct(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.0.run(workspace, features, output)
    }

    /// Squared reconstruction error `|x - x^|^2` in `U40F24`: an anomaly score.
    ///
    /// `output` receives the reconstruction.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn reconstruction_error(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<u64, ShapeError> {
        self.0.run(workspace, features, output)?;
        crate::kernels::squared_distance(features, output)
    }
}

/// A network trained to give the clean sample for a noisy one.
///
/// Its residual `A(x) - x` estimates `sigma^2` times the score of the smoothed density (Alain and
/// Bengio 2014).
#[derive(Debug, Clone)]
pub struct Denoiser<'a>(Network<'a>);

impl<'a> Denoiser<'a> {
    /// `network` as a denoiser, or `None` when it changes the width.
    #[must_use]
    pub fn new(network: Network<'a>) -> Option<Self> {
        (network.inputs() == network.outputs()).then_some(Self(network))
    }

    /// The network underneath.
    #[must_use]
    pub const fn network(&self) -> &Network<'a> {
        &self.0
    }

    /// The clean estimate of `noisy`, both `I4F12`.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn denoise(
        &self,
        workspace: &mut [u8],
        noisy: &[i16],
        clean: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.0.run(workspace, noisy, clean)
    }
}
