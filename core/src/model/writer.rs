//! From parameters to a container's bytes, into memory of the caller.

use super::graph::GraphSpec;
use super::layout::{
    Header, LayerRecord, MAGIC, MachineRecord, NAME_BYTES, NO_CODE, PartEntry, TENSOR_ALIGN,
    TensorEntry, VERSION, checksum,
};
use super::parts::frac_bits;
use super::{Kind, LoadError, Model, Task, TensorElement};
use crate::backprop::Stack;
use crate::gmm::{Covariance, Gmm, factor_shape};
use crate::kernels::{Channel, Order, pack, row_stride};
use crate::kmeans::Metric;
use crate::latent_class::{LatentClass, cells};
use crate::net::Element;
use crate::num::Multiplier;
use crate::pca::{center_offset, inverse_deviation};
use crate::rbm::Units;
use crate::scaler::ScalerFeature;
use crate::score::Level;
use zerocopy::IntoBytes;

/// What a container is to hold.
#[derive(Debug, Clone, Copy)]
pub struct ModelSpec<'a> {
    /// The lines of the scaler.
    pub scaler: &'a [ScalerFeature],
    /// Smallest and largest count that the scaler gives back.
    pub counts_range: (i16, i16),
    /// The models, in directory order.
    pub parts: &'a [PartSpec<'a>],
    /// Provenance, lines of `key: value`.
    pub text: &'a str,
}

/// A named model to write.
#[derive(Debug, Clone, Copy)]
pub struct PartSpec<'a> {
    /// 1 to 16 printable ASCII characters.
    pub name: &'a str,
    /// The earlier PCA whose whitened scores it reads; `None` for the features themselves.
    pub input: Option<&'a str>,
    /// Its parameters.
    pub body: PartBody<'a>,
}

/// Parameters of a model to write.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PartBody<'a> {
    /// Centroids, row-major, in the format of the metric.
    KMeans {
        /// How distances are measured.
        metric: Metric,
        /// `k · d` elements; d is the number of values that the part is given.
        centroids: &'a [i16],
    },
    /// Mean and components.
    Pca {
        /// `I4F12`, d elements.
        mean: &'a [i16],
        /// `I1F15`, row-major, `k · d` elements.
        components: &'a [i16],
        /// `U40F24`: the variance along each component, then that of all features together; empty
        /// where they are not known.
        variances: &'a [u64],
    },
    /// A dense network.
    Network(NetworkSpec<'a>),
    /// A Gaussian mixture.
    Gmm(Gmm<'a>),
    /// Latent classes.
    LatentClass(LatentClass<'a>),
    /// A restricted Boltzmann machine.
    Rbm(RbmSpec<'a>),
    /// A deep belief net: its machines, bottom first.
    Dbn(&'a [RbmSpec<'a>]),
    /// A graph and what it was trained for.
    Graph(GraphSpec<'a>, Task),
    /// A graph and its noise levels, from the largest standard deviation to the smallest.
    Score(GraphSpec<'a>, &'a [Level]),
    /// Dense layers that a device can go on learning from, and what they were trained for.
    Stack(Stack<'a>, Task),
}

/// A restricted Boltzmann machine to write.
///
/// From trained `W`, `b` and `c`: weights are `W / s` rounded to `-127..=127`, biases `4096 b / s` and
/// `4096 c / s` rounded, for any `s` below 1/4; the largest magnitude of `W` over 127 clips nothing.
#[derive(Debug, Clone, Copy)]
pub struct RbmSpec<'a> {
    /// What the visible units are.
    pub units: Units,
    /// `s`.
    pub scale: Multiplier,
    /// `W`, row-major, `hidden · visible`: a row for each hidden unit.
    pub weights: &'a [i8],
    /// `b`, one for each visible unit.
    pub visible_biases: &'a [i32],
    /// `c`, one for each hidden unit.
    pub hidden_biases: &'a [i32],
    /// Whether the weights are to be stored transposed as well: as much memory again, and sampling hidden units
    /// takes half the instructions.
    pub transposed: bool,
}

/// A network to write.
#[derive(Debug, Clone, Copy)]
pub struct NetworkSpec<'a> {
    /// What it was trained for.
    pub task: Task,
    /// Layers of the encoder, if it has a code.
    pub code_layer: Option<u16>,
    /// The layers, first to last.
    pub layers: &'a [LayerSpec<'a>],
}

/// A layer to write.
#[derive(Debug, Clone, Copy)]
pub struct LayerSpec<'a> {
    /// Row-major, outputs x inputs.
    pub weights: &'a [i8],
    /// Number of inputs.
    pub inputs: usize,
    /// One record an output.
    pub channels: &'a [Channel],
    /// The order to store the weights in.
    pub order: Order,
    /// Function applied to the sums.
    pub activation: crate::net::Activation,
    /// Type of the inputs.
    pub input: Element,
    /// Type of the outputs.
    pub output: Element,
    /// Output value of real zero.
    pub zero_point: i16,
    /// Smallest output value.
    pub min: i16,
    /// Largest output value.
    pub max: i16,
    /// Real value of one unit of the output, for reports.
    pub output_scale: f32,
}

/// Why a container was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WriteError {
    /// The output slice is not as long as [`ModelSpec::encoded_len`].
    Length {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// Lengths of a part do not fit, there are too many parts, or the file passes 4 GiB.
    Shape,
    /// A name is longer than 16 bytes.
    Name,
    /// A part reads the scores of one that is not there or is no PCA.
    Input,
    /// What would be written does not load: a proof fails or a value is out of range.
    Invalid(LoadError),
}

impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { needed, given } => write!(f, "{needed} bytes needed, {given} given"),
            Self::Shape => write!(
                f,
                "dimensions of a part do not fit each other or the format"
            ),
            Self::Name => write!(f, "a part's name is longer than {NAME_BYTES} bytes"),
            Self::Input => write!(
                f,
                "a part reads the scores of one that is no PCA of this model"
            ),
            Self::Invalid(error) => write!(f, "the model is not valid: {error}"),
        }
    }
}

impl core::error::Error for WriteError {}

/// What a tensor is filled with.
enum Fill<'a> {
    Bytes(&'a [u8]),
    CentroidOffsets {
        metric: Metric,
        rows: &'a [i16],
    },
    InverseDeviations(&'a [u64]),
    Offsets {
        mean: &'a [i16],
        components: &'a [i16],
    },
    Records(&'a [LayerSpec<'a>]),
    GraphRecords(GraphSpec<'a>),
    GraphWeights(GraphSpec<'a>),
    GraphChannels(GraphSpec<'a>),
    GraphAdditions(GraphSpec<'a>),
    Weights {
        row_major: &'a [i8],
    },
    Machine(RbmSpec<'a>),
    Machines(&'a [RbmSpec<'a>]),
    /// Rows of weights, padded.
    Rows(&'a [i8]),
    /// Columns of weights, `hidden` each, padded.
    Columns(&'a [i8]),
}

/// A tensor to write.
struct TensorSpec<'a> {
    element: TensorElement,
    order: Order,
    frac_bits: u8,
    rows: usize,
    cols: usize,
    fill: Fill<'a>,
}

impl<'a> TensorSpec<'a> {
    fn new(
        element: TensorElement,
        frac_bits: u8,
        [rows, cols]: [usize; 2],
        fill: Fill<'a>,
    ) -> Self {
        Self {
            element,
            order: Order::RowMajor,
            frac_bits,
            rows,
            cols,
            fill,
        }
    }

    fn bytes(&self) -> Option<usize> {
        self.order
            .stored_bytes(self.rows, self.cols)?
            .checked_mul(self.element.bytes())
    }

    fn write(&self, out: &mut [u8]) -> Result<(), WriteError> {
        match &self.fill {
            Fill::Bytes(bytes) if bytes.len() == out.len() => out.copy_from_slice(bytes),
            Fill::Bytes(_) => return Err(WriteError::Shape),
            Fill::CentroidOffsets { metric, rows } => {
                for (cell, row) in out
                    .chunks_exact_mut(8)
                    .zip(rows.chunks_exact(self.cols_of(rows.len())))
                {
                    cell.copy_from_slice(&metric.offset(row).to_le_bytes());
                }
            }
            Fill::InverseDeviations(variances) => {
                for (cell, variance) in out.chunks_exact_mut(8).zip(variances.iter()) {
                    cell.copy_from_slice(&inverse_deviation(*variance).to_le_bytes());
                }
            }
            Fill::Offsets { mean, components } => {
                for (cell, row) in out
                    .chunks_exact_mut(8)
                    .zip(components.chunks_exact(mean.len().max(1)))
                {
                    cell.copy_from_slice(&center_offset(row, mean).to_le_bytes());
                }
            }
            Fill::Records(layers) => {
                for (cell, layer) in out
                    .chunks_exact_mut(size_of::<LayerRecord>())
                    .zip(layers.iter())
                {
                    cell.copy_from_slice(layer.record().as_bytes());
                }
            }
            Fill::Machine(spec) => write_machines(core::slice::from_ref(spec), out)?,
            Fill::Machines(specs) => write_machines(specs, out)?,
            Fill::Rows(weights) => {
                let columns = self.cols_of(weights.len());
                let rows = out.chunks_exact_mut(self.cols.max(1));
                for (cell, row) in rows.zip(weights.chunks_exact(columns)) {
                    cell.get_mut(..columns)
                        .ok_or(WriteError::Shape)?
                        .copy_from_slice(row.as_bytes());
                }
            }
            Fill::Columns(weights) => {
                // This tensor's rows are the weights' columns.
                let rows = out.chunks_exact_mut(self.cols.max(1));
                for (column, cell) in rows.enumerate() {
                    let weights = weights.iter().skip(column).step_by(self.rows.max(1));
                    for (to, w) in cell.iter_mut().zip(weights) {
                        *to = w.cast_unsigned();
                    }
                }
            }
            Fill::GraphRecords(graph) => {
                let layout = graph.layout()?;
                put(out, 0, layout.records().as_bytes())?;
            }
            Fill::GraphWeights(graph) => graph.write_weights(out)?,
            Fill::GraphChannels(graph) => graph.write_channels(out)?,
            Fill::GraphAdditions(graph) => graph.write_additions(out)?,
            Fill::Weights { row_major } => {
                let packed =
                    zerocopy::FromBytes::mut_from_bytes(out).map_err(|_| WriteError::Shape)?;
                pack(row_major, self.rows, self.cols, self.order, packed)
                    .map_err(|_| WriteError::Shape)?;
            }
        }
        Ok(())
    }

    /// Row length of the matrix whose norms this tensor holds.
    fn cols_of(&self, elements: usize) -> usize {
        elements.checked_div(self.rows).unwrap_or(1).max(1)
    }
}

/// The records of machines.
fn write_machines(specs: &[RbmSpec<'_>], out: &mut [u8]) -> Result<(), WriteError> {
    for (cell, spec) in out.chunks_exact_mut(size_of::<MachineRecord>()).zip(specs) {
        cell.copy_from_slice(spec.record()?.as_bytes());
    }
    Ok(())
}

impl<'a> RbmSpec<'a> {
    fn record(&self) -> Result<MachineRecord, WriteError> {
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        Ok(MachineRecord {
            visible: word(self.visible_biases.len())?,
            hidden: word(self.hidden_biases.len())?,
            multiplier: self.scale.multiplier,
            shift: u8::try_from(self.scale.shift).map_err(|_| WriteError::Shape)?,
            units: match self.units {
                Units::Bernoulli => 0,
                Units::Gaussian => 1,
            },
            orders: 1 + u8::from(self.transposed),
            reserved: 0,
        })
    }

    /// The tensors of a machine, without its record.
    fn tensors(&self, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
        let (visible, hidden) = (self.visible_biases.len(), self.hidden_biases.len());
        if self.weights.len() != visible.saturating_mul(hidden) {
            return Err(WriteError::Shape);
        }
        let shape = [hidden, row_stride(visible)];
        let fill = Fill::Rows(self.weights);
        visit(TensorSpec::new(TensorElement::I8, 0, shape, fill))?;
        if self.transposed {
            let shape = [visible, row_stride(hidden)];
            let fill = Fill::Columns(self.weights);
            visit(TensorSpec::new(TensorElement::I8, 0, shape, fill))?;
        }
        for biases in [self.visible_biases, self.hidden_biases] {
            let fill = Fill::Bytes(biases.as_bytes());
            let shape = [biases.len(), 1];
            visit(TensorSpec::new(TensorElement::I32, 12, shape, fill))?;
        }
        Ok(())
    }
}

impl LayerSpec<'_> {
    fn record(&self) -> LayerRecord {
        let element = |e: Element| match e {
            Element::I8 => 0,
            Element::I16 => 1,
        };
        LayerRecord {
            activation: self.activation.tag(),
            input: element(self.input),
            output: element(self.output),
            reserved: 0,
            zero_point: self.zero_point,
            min: self.min,
            max: self.max,
            reserved_2: 0,
            output_scale: self.output_scale,
        }
    }
}

type Visit<'v, 'a> = &'v mut dyn FnMut(TensorSpec<'a>) -> Result<(), WriteError>;

impl<'a> PartBody<'a> {
    fn kind(&self) -> Kind {
        match self {
            Self::KMeans { .. } => Kind::KMeans,
            Self::Pca { .. } => Kind::Pca,
            Self::Network(_) => Kind::Network,
            Self::Gmm(_) => Kind::Gmm,
            Self::LatentClass(_) => Kind::LatentClass,
            Self::Rbm(_) => Kind::Rbm,
            Self::Dbn(_) => Kind::Dbn,
            Self::Graph(..) => Kind::Graph,
            Self::Score(..) => Kind::Score,
            Self::Stack(..) => Kind::Stack,
        }
    }

    fn params(&self, width: usize) -> Result<[u32; 4], WriteError> {
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        let rows = |len: usize| word(len.checked_div(width).unwrap_or(0));
        Ok(match self {
            Self::KMeans { metric, centroids } => {
                let tag = match metric {
                    Metric::SquaredEuclidean => 0,
                    Metric::Manhattan => 1,
                    Metric::Cosine => 2,
                };
                [rows(centroids.len())?, word(width)?, tag, 0]
            }
            Self::Pca { components, .. } => [rows(components.len())?, word(width)?, 0, 0],
            Self::Network(net) => [
                word(net.layers.len())?,
                net.code_layer.map_or(NO_CODE, u32::from),
                0,
                0,
            ],
            Self::Gmm(gmm) => {
                let tag = match gmm.covariance() {
                    Covariance::Diagonal => 0,
                    Covariance::Tied => 1,
                    Covariance::Full => 2,
                };
                [word(gmm.k())?, word(gmm.dimensions())?, tag, 0]
            }
            Self::LatentClass(classes) => [
                word(classes.classes())?,
                word(classes.columns().len())?,
                word(cells(classes.columns()))?,
                word(classes.lines().len())?,
            ],
            Self::Rbm(_) => [1, 0, 0, 0],
            Self::Dbn(machines) => [word(machines.len())?, 0, 0, 0],
            Self::Graph(graph, _) | Self::Score(graph, _) => graph.params()?,
            Self::Stack(stack, _) => [
                word(stack.widths().len())?,
                stack.hidden().tag().into(),
                0,
                0,
            ],
        })
    }

    /// Calls `visit` for every tensor, in file order.
    fn tensors(&self, width: usize, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
        match *self {
            Self::KMeans { metric, centroids } => {
                let k = centroids.len().checked_div(width).unwrap_or(0);
                let fill = Fill::Bytes(centroids.as_bytes());
                let bits = frac_bits(metric.centroid_bits());
                visit(TensorSpec::new(TensorElement::I16, bits, [k, width], fill))?;
                let rows = centroids;
                let fill = Fill::CentroidOffsets { metric, rows };
                let bits = frac_bits(metric.offset_bits());
                visit(TensorSpec::new(TensorElement::I64, bits, [k, 1], fill))
            }
            Self::Pca {
                mean,
                components,
                variances,
            } => {
                let k = components.len().checked_div(width).unwrap_or(0);
                let fill = Fill::Bytes(mean.as_bytes());
                visit(TensorSpec::new(TensorElement::I16, 12, [1, width], fill))?;
                let fill = Fill::Bytes(components.as_bytes());
                visit(TensorSpec::new(TensorElement::I16, 15, [k, width], fill))?;
                let fill = Fill::Offsets { mean, components };
                visit(TensorSpec::new(TensorElement::I64, 27, [k, 1], fill))?;
                if variances.is_empty() {
                    return Ok(());
                }
                let rows = variances.len();
                let fill = Fill::Bytes(variances.as_bytes());
                visit(TensorSpec::new(TensorElement::U64, 24, [rows, 1], fill))?;
                let fill = Fill::InverseDeviations(variances);
                visit(TensorSpec::new(TensorElement::U64, 32, [k, 1], fill))
            }
            Self::Rbm(spec) => {
                let fill = Fill::Machine(spec);
                visit(TensorSpec::new(TensorElement::Machine, 0, [1, 1], fill))?;
                spec.tensors(visit)
            }
            Self::Dbn(specs) => {
                let fill = Fill::Machines(specs);
                let shape = [specs.len(), 1];
                visit(TensorSpec::new(TensorElement::Machine, 0, shape, fill))?;
                for spec in specs {
                    spec.tensors(visit)?;
                }
                Ok(())
            }
            Self::Gmm(gmm) => Self::gmm_tensors(&gmm, visit),
            Self::LatentClass(classes) => Self::latent_class_tensors(&classes, visit),
            Self::Graph(graph, _) => Self::graph_tensors(graph, &[], visit),
            Self::Score(graph, levels) => Self::graph_tensors(graph, levels, visit),
            Self::Stack(stack, _) => {
                let mut column = |element, frac_bits, rows, bytes| {
                    let fill = Fill::Bytes(bytes);
                    visit(TensorSpec::new(element, frac_bits, [rows, 1], fill))
                };
                let (widths, weights, biases) = (stack.widths(), stack.weights(), stack.biases());
                column(TensorElement::U16, 0, widths.len(), widths.as_bytes())?;
                column(TensorElement::I16, 13, weights.len(), weights.as_bytes())?;
                column(TensorElement::I32, 25, biases.len(), biases.as_bytes())
            }
            Self::Network(net) => {
                let fill = Fill::Records(net.layers);
                visit(TensorSpec::new(
                    TensorElement::Layer,
                    0,
                    [net.layers.len(), 1],
                    fill,
                ))?;
                for layer in net.layers {
                    let rows = layer.channels.len();
                    visit(TensorSpec {
                        element: TensorElement::I8,
                        order: layer.order,
                        frac_bits: 0,
                        rows,
                        cols: layer.inputs,
                        fill: Fill::Weights {
                            row_major: layer.weights,
                        },
                    })?;
                    let fill = Fill::Bytes(layer.channels.as_bytes());
                    visit(TensorSpec::new(TensorElement::Channel, 0, [rows, 1], fill))?;
                }
                Ok(())
            }
        }
    }

    fn gmm_tensors(gmm: &Gmm<'a>, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
        let (covariance, k, d) = (gmm.covariance(), gmm.k(), gmm.dimensions());
        let [factors, len, rows] = factor_shape(covariance, k, d);
        let tensors = gmm.tensors();
        let mut bytes = |element, frac_bits, shape, bytes| {
            visit(TensorSpec::new(
                element,
                frac_bits,
                shape,
                Fill::Bytes(bytes),
            ))
        };
        bytes(TensorElement::I32, 30, [k, 1], tensors.weights.as_bytes())?;
        bytes(TensorElement::I16, 12, [k, d], tensors.means.as_bytes())?;
        bytes(
            TensorElement::I16,
            0,
            [factors, len],
            tensors.factors.as_bytes(),
        )?;
        bytes(TensorElement::U8, 0, [factors, rows], tensors.shifts)?;
        bytes(TensorElement::I32, 16, [k, 1], tensors.constants.as_bytes())?;
        if covariance == Covariance::Diagonal {
            return Ok(());
        }
        bytes(TensorElement::I64, 0, [k, rows], tensors.offsets.as_bytes())
    }

    fn latent_class_tensors(
        classes: &LatentClass<'a>,
        visit: Visit<'_, 'a>,
    ) -> Result<(), WriteError> {
        let (k, columns) = (classes.classes(), classes.columns());
        let (cells, gaussians) = (cells(columns), classes.lines().len());
        let mut bytes = |element, frac_bits, shape, bytes| {
            visit(TensorSpec::new(
                element,
                frac_bits,
                shape,
                Fill::Bytes(bytes),
            ))
        };
        let shape = [columns.len(), 1];
        bytes(TensorElement::Column, 0, shape, columns.as_bytes())?;
        bytes(TensorElement::U16, 12, [k, 1], classes.weights().as_bytes())?;
        if cells > 0 {
            let surprisals = classes.surprisals().as_bytes();
            bytes(TensorElement::U16, 12, [cells, k], surprisals)?;
        }
        if gaussians > 0 {
            let lines = classes.lines().as_bytes();
            bytes(TensorElement::ScalerFeature, 0, [gaussians, 1], lines)?;
            let gaussian = classes.gaussians().as_bytes();
            bytes(TensorElement::Gaussian, 0, [gaussians, k], gaussian)?;
        }
        Ok(())
    }

    /// Operations, pools of weights and channels, the levels of a score, and additions if there are any.
    fn graph_tensors(
        graph: GraphSpec<'a>,
        levels: &'a [Level],
        visit: Visit<'_, 'a>,
    ) -> Result<(), WriteError> {
        let layout = graph.layout()?;
        let mut column = |element, rows, fill| visit(TensorSpec::new(element, 0, [rows, 1], fill));
        let ops = graph.ops.len();
        column(TensorElement::Operation, ops, Fill::GraphRecords(graph))?;
        column(TensorElement::I8, layout.weights, Fill::GraphWeights(graph))?;
        let fill = Fill::GraphChannels(graph);
        column(TensorElement::Channel, layout.channels, fill)?;
        if !levels.is_empty() {
            let fill = Fill::Bytes(levels.as_bytes());
            column(TensorElement::Level, levels.len(), fill)?;
        }
        if layout.additions > 0 {
            let fill = Fill::GraphAdditions(graph);
            column(TensorElement::Addition, layout.additions, fill)?;
        }
        Ok(())
    }

    fn workspace_bytes(&self) -> usize {
        match self {
            Self::Graph(graph, _) => graph.workspace_bytes(1),
            Self::Score(graph, levels) => {
                graph.workspace_bytes(u16::try_from(levels.len()).unwrap_or(u16::MAX))
            }
            Self::Stack(stack, _) => stack.workspace_bytes(),
            Self::Network(net) => {
                let widest = |rows: &[LayerSpec<'_>]| {
                    rows.iter().map(|l| l.channels.len()).max().unwrap_or(0)
                };
                let inner = net
                    .layers
                    .split_last()
                    .map_or(0, |(_, inner)| widest(inner));
                let inputs = net.layers.iter().map(|l| l.inputs).max().unwrap_or(0);
                crate::net::workspace_bytes(inner, inputs)
            }
            _ => 0,
        }
    }
}

impl<'a> ModelSpec<'a> {
    /// Calls `visit` for every tensor of the container, in file order.
    fn tensors(&self, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
        let width = self.scaler.len();
        let fill = Fill::Bytes(self.scaler.as_bytes());
        visit(TensorSpec::new(
            TensorElement::ScalerFeature,
            0,
            [width, 1],
            fill,
        ))?;
        for part in self.parts {
            part.body.tensors(self.width_of(part)?, visit)?;
        }
        Ok(())
    }

    /// Index in the directory of what a part reads.
    fn source(&self, part: &PartSpec<'a>) -> Result<usize, WriteError> {
        let Some(input) = part.input else {
            return Ok(0);
        };
        let found = self.parts.iter().position(|other| other.name == input);
        // The scaler is number 0.
        found
            .map(|at| at.saturating_add(1))
            .ok_or(WriteError::Input)
    }

    /// Values that a part is given.
    fn width_of(&self, part: &PartSpec<'a>) -> Result<usize, WriteError> {
        let width = self.scaler.len();
        let Some(at) = self.source(part)?.checked_sub(1) else {
            return Ok(width);
        };
        match self.parts.get(at).map(|source| source.body) {
            Some(PartBody::Pca {
                mean, components, ..
            }) => Ok(components.len().checked_div(mean.len()).unwrap_or(0)),
            _ => Err(WriteError::Input),
        }
    }

    fn count(&self, part: &PartSpec<'a>) -> Result<usize, WriteError> {
        let mut count = 0usize;
        part.body.tensors(self.width_of(part)?, &mut |_| {
            count = count.saturating_add(1);
            Ok(())
        })?;
        Ok(count)
    }

    /// Start of the first tensor, start of the text, end of the file.
    fn layout(&self) -> Result<[usize; 3], WriteError> {
        let mut tensors = 0usize;
        self.tensors(&mut |_| {
            tensors = tensors.saturating_add(1);
            Ok(())
        })?;
        let entries = self
            .parts
            .len()
            .saturating_add(1)
            .saturating_mul(size_of::<PartEntry>());
        let directory = tensors
            .saturating_mul(size_of::<TensorEntry>())
            .saturating_add(entries)
            .saturating_add(size_of::<Header>());
        let mut end = directory;
        self.tensors(&mut |tensor| {
            let bytes = tensor.bytes().ok_or(WriteError::Shape)?;
            end = end
                .checked_next_multiple_of(TENSOR_ALIGN)
                .and_then(|start| start.checked_add(bytes))
                .ok_or(WriteError::Shape)?;
            Ok(())
        })?;
        let total = end.checked_add(self.text.len()).ok_or(WriteError::Shape)?;
        if u32::try_from(total).is_err() || tensors > usize::from(u16::MAX) {
            return Err(WriteError::Shape);
        }
        Ok([directory, end, total])
    }

    /// Bytes of the container.
    ///
    /// # Errors
    /// [`WriteError::Shape`] when lengths do not fit each other or the format.
    pub fn encoded_len(&self) -> Result<usize, WriteError> {
        let [_, _, total] = self.layout()?;
        Ok(total)
    }

    /// Writes the container into `out` (exactly [`encoded_len`](Self::encoded_len) bytes, eight-byte
    /// aligned) and loads it once, so that nothing is written that does not load.
    ///
    /// # Errors
    /// [`WriteError`]; `out` holds no valid container then.
    pub fn encode_into<'o>(&self, out: &'o mut [u8]) -> Result<Model<'o>, WriteError> {
        let [directory, text_offset, total] = self.layout()?;
        if out.len() != total {
            return Err(WriteError::Length {
                needed: total,
                given: out.len(),
            });
        }
        out.fill(0);
        self.write_parts(out)?;
        self.write_tensors(out, directory)?;
        put(out, text_offset, self.text.as_bytes())?;
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        let half = |n: usize| u16::try_from(n).map_err(|_| WriteError::Shape);
        let parts = self.parts.len().saturating_add(1);
        let entries = parts.saturating_mul(size_of::<PartEntry>());
        let tensors = directory.saturating_sub(entries.saturating_add(size_of::<Header>()))
            / size_of::<TensorEntry>();
        let mut header = Header {
            magic: MAGIC,
            version: VERSION,
            parts: half(parts)?,
            length: word(total)?,
            crc: 0,
            tensors: half(tensors)?,
            reserved: 0,
            text_offset: word(text_offset)?,
            text_length: word(self.text.len())?,
            reserved_2: 0,
        };
        put(out, 0, header.as_bytes())?;
        header.crc = checksum(out);
        put(out, 0, header.as_bytes())?;
        Model::load(out).map_err(WriteError::Invalid)
    }

    fn write_parts(&self, out: &mut [u8]) -> Result<(), WriteError> {
        let half = |n: usize| u16::try_from(n).map_err(|_| WriteError::Shape);
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        let width = self.scaler.len();
        let (min, max) = self.counts_range;
        let mut entry = PartEntry {
            name: name_bytes("scaler")?,
            kind: Kind::Scaler as u16,
            task: 0,
            first_tensor: 0,
            tensors: 1,
            params: [
                word(width)?,
                i32::from(min).cast_unsigned(),
                i32::from(max).cast_unsigned(),
                0,
            ],
            workspace_bytes: 0,
            source: 0,
        };
        let mut offset = size_of::<Header>();
        put(out, offset, entry.as_bytes())?;
        for part in self.parts {
            offset = offset.saturating_add(size_of::<PartEntry>());
            entry = PartEntry {
                name: name_bytes(part.name)?,
                kind: part.body.kind() as u16,
                task: match &part.body {
                    PartBody::Network(net) => net.task as u16,
                    PartBody::Graph(_, task) | PartBody::Stack(_, task) => *task as u16,
                    _ => 0,
                },
                first_tensor: entry.first_tensor.saturating_add(entry.tensors),
                tensors: half(self.count(part)?)?,
                params: part.body.params(self.width_of(part)?)?,
                workspace_bytes: word(part.body.workspace_bytes())?,
                source: word(self.source(part)?)?,
            };
            put(out, offset, entry.as_bytes())?;
        }
        Ok(())
    }

    fn write_tensors(&self, out: &mut [u8], directory: usize) -> Result<(), WriteError> {
        let mut entry_offset = self
            .parts
            .len()
            .saturating_add(1)
            .saturating_mul(size_of::<PartEntry>())
            .saturating_add(size_of::<Header>());
        let mut end = directory;
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        self.tensors(&mut |tensor| {
            let length = tensor.bytes().ok_or(WriteError::Shape)?;
            let start = end
                .checked_next_multiple_of(TENSOR_ALIGN)
                .ok_or(WriteError::Shape)?;
            end = start.saturating_add(length);
            tensor.write(out.get_mut(start..end).ok_or(WriteError::Shape)?)?;
            let entry = TensorEntry {
                element: tensor.element as u8,
                order: tensor.order as u8,
                frac_bits: tensor.frac_bits,
                reserved: 0,
                rows: word(tensor.rows)?,
                cols: word(tensor.cols)?,
                offset: word(start)?,
                length: word(length)?,
            };
            put(out, entry_offset, entry.as_bytes())?;
            entry_offset = entry_offset.saturating_add(size_of::<TensorEntry>());
            Ok(())
        })
    }
}

/// Copies `bytes` to `offset`.
fn put(out: &mut [u8], offset: usize, bytes: &[u8]) -> Result<(), WriteError> {
    let end = offset.checked_add(bytes.len()).ok_or(WriteError::Shape)?;
    out.get_mut(offset..end)
        .ok_or(WriteError::Shape)?
        .copy_from_slice(bytes);
    Ok(())
}

fn name_bytes(name: &str) -> Result<[u8; NAME_BYTES], WriteError> {
    let mut bytes = [0; NAME_BYTES];
    bytes
        .get_mut(..name.len())
        .ok_or(WriteError::Name)?
        .copy_from_slice(name.as_bytes());
    Ok(bytes)
}
