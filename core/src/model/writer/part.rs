//! What each kind of part adds to a container: its parameters in the directory, and its tensors in file order.

use zerocopy::IntoBytes;

use super::{Fill, TensorSpec, Visit, WriteError};
use crate::backprop::Stack;
use crate::gmm::{Covariance, Gmm, factor_shape};
use crate::kernels::{Channel, Order, row_stride};
use crate::kmeans::Metric;
use crate::latent_class::{LatentClass, cells};
use crate::model::graph::GraphSpec;
use crate::model::layout::{LayerRecord, MachineRecord, NO_CODE};
use crate::model::parts::frac_bits;
use crate::model::{Kind, Task, TensorElement};
use crate::net::Element;
use crate::num::Multiplier;
use crate::rbm::Units;
use crate::score::Level;

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

impl<'a> RbmSpec<'a> {
    pub(super) fn record(&self) -> Result<MachineRecord, WriteError> {
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        Ok(MachineRecord {
            visible: word(self.visible_biases.len())?,
            hidden: word(self.hidden_biases.len())?,
            multiplier: self.scale.multiplier(),
            shift: u8::try_from(self.scale.shift()).map_err(|_| WriteError::Shape)?,
            units: match self.units {
                Units::Bernoulli => 0,
                Units::Gaussian => 1,
            },
            orders: 1 + u8::from(self.transposed),
            reserved: 0,
        })
    }

    /// The tensors of a machine, without its record.
    pub(super) fn tensors(&self, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
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
    pub(super) fn record(&self) -> LayerRecord {
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

impl<'a> PartBody<'a> {
    pub(super) fn kind(&self) -> Kind {
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

    pub(super) fn params(&self, width: usize) -> Result<[u32; 4], WriteError> {
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
    pub(super) fn tensors(&self, width: usize, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
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

    pub(super) fn workspace_bytes(&self) -> usize {
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
