//! Networks as a list of operations in f32: what the device's [`Graph`](autodidact::net::Graph) computes, before it
//! is quantised.

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::Activation;
use crate::train::random::normal;

/// What an operation does; those of [`OpKind`](autodidact::net::OpKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphKind {
    /// Dense layer over all elements of its input.
    Dense,
    /// 3x3 convolution, padded such that the output has `ceil(size / stride)` rows and columns.
    Conv3x3 {
        /// 1 or 2.
        stride: usize,
    },
    /// Sum of two values.
    Add,
    /// Mean of 2x2 pixels; a last odd row or column is left out.
    AveragePool,
    /// Every pixel four times.
    Upsample,
}

impl GraphKind {
    /// Whether it has weights.
    #[must_use]
    pub const fn has_weights(self) -> bool {
        matches!(self, Self::Dense | Self::Conv3x3 { .. })
    }
}

/// What of a layer depends on the noise level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conditioning {
    /// Nothing.
    #[default]
    None,
    /// The bias.
    Bias,
    /// Bias and gain.
    GainAndBias,
}

/// One operation: `activation(exp(log_gain) * (weights x) + bias)` for layers.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphOp {
    /// What it does.
    pub kind: GraphKind,
    /// The values it reads: 0 is the network's input, i + 1 what operation i makes. The second is 0 but for sums.
    pub inputs: [usize; 2],
    /// Height, width and channels of what it makes; elements lie in that order.
    pub shape: [usize; 3],
    /// Behind a layer; behind a sum nothing or ReLU.
    pub activation: Activation,
    /// Rows of a dense layer are outputs, columns inputs. Of a convolution: a row an output channel, columns the
    /// window's rows, in them its columns, in them the input channels. Empty without weights.
    pub weights: Vec<f32>,
    /// One value a row, or that for every noise level in turn.
    pub bias: Vec<f32>,
    /// Logarithm of a factor of the weighted sum: one a row for every noise level in turn; empty for none.
    pub log_gain: Vec<f32>,
}

impl GraphOp {
    /// Rows of the weight matrix; 0 without weights.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.kind {
            GraphKind::Dense => self.shape.iter().product(),
            GraphKind::Conv3x3 { .. } => self.shape[2],
            _ => 0,
        }
    }

    /// Columns of the weight matrix; 0 without weights.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.weights.len().checked_div(self.rows()).unwrap_or(0)
    }

    /// Elements of what it makes.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether bias or gain depend on the noise level.
    #[must_use]
    pub fn is_conditioned(&self) -> bool {
        self.bias.len() > self.rows() || !self.log_gain.is_empty()
    }

    /// The bias of the rows at a level.
    #[must_use]
    pub fn bias_at(&self, level: usize) -> &[f32] {
        let rows = self.rows();
        if self.bias.len() > rows {
            &self.bias[level * rows..][..rows]
        } else {
            &self.bias
        }
    }

    /// The factor of a row's weighted sum at a level.
    #[must_use]
    pub fn gain_at(&self, level: usize, row: usize) -> f64 {
        let index = level * self.rows() + row;
        let log = self.log_gain.get(index).copied().unwrap_or(0.0);
        f64::from(log).exp()
    }
}

/// A network of operations; the last makes the output.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphNet {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Noise levels, at least 1.
    pub levels: usize,
    /// Operations of the encoder, if it has a code.
    pub code_op: Option<usize>,
    /// At least one operation.
    pub ops: Vec<GraphOp>,
}

impl GraphNet {
    /// A network without operations yet.
    #[must_use]
    pub fn new(input: [usize; 3], levels: usize) -> Self {
        Self {
            input,
            levels,
            code_op: None,
            ops: Vec::new(),
        }
    }

    /// Height, width and channels of a value.
    #[must_use]
    pub fn shape(&self, value: usize) -> [usize; 3] {
        match value.checked_sub(1) {
            None => self.input,
            Some(op) => self.ops[op].shape,
        }
    }

    /// Elements of the input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of the output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.ops.last().map_or(0, GraphOp::outputs)
    }

    /// Multiply-accumulates of one forward pass.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.ops.iter().map(|op| op.outputs() * op.cols()).sum()
    }

    /// Number of weights, biases and gains.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let of = |op: &GraphOp| op.weights.len() + op.bias.len() + op.log_gain.len();
        self.ops.iter().map(of).sum()
    }

    /// Adds a dense layer of value `input`, all parameters zero; the value that it makes.
    pub fn dense(
        &mut self,
        input: usize,
        shape: [usize; 3],
        activation: Activation,
        conditioning: Conditioning,
    ) -> usize {
        let cols = self.shape(input).iter().product();
        self.layer(
            GraphKind::Dense,
            input,
            shape,
            cols,
            activation,
            conditioning,
        )
    }

    /// Adds a 3x3 convolution of value `input`, all parameters zero; the value that it makes.
    pub fn conv3x3(
        &mut self,
        input: usize,
        channels: usize,
        stride: usize,
        activation: Activation,
        conditioning: Conditioning,
    ) -> usize {
        let [height, width, depth] = self.shape(input);
        let shape = [height.div_ceil(stride), width.div_ceil(stride), channels];
        let kind = GraphKind::Conv3x3 { stride };
        self.layer(kind, input, shape, 9 * depth, activation, conditioning)
    }

    /// Adds a sum of two values of one shape; the value that it makes.
    pub fn sum(&mut self, left: usize, right: usize) -> usize {
        let shape = self.shape(left);
        self.plain(GraphKind::Add, [left, right], shape)
    }

    /// Adds average pooling; the value that it makes.
    pub fn average_pool(&mut self, input: usize) -> usize {
        let [height, width, channels] = self.shape(input);
        let shape = [height / 2, width / 2, channels];
        self.plain(GraphKind::AveragePool, [input, 0], shape)
    }

    /// Adds nearest upsampling; the value that it makes.
    pub fn upsample(&mut self, input: usize) -> usize {
        let [height, width, channels] = self.shape(input);
        let shape = [2 * height, 2 * width, channels];
        self.plain(GraphKind::Upsample, [input, 0], shape)
    }

    fn plain(&mut self, kind: GraphKind, inputs: [usize; 2], shape: [usize; 3]) -> usize {
        self.ops.push(GraphOp {
            kind,
            inputs,
            shape,
            activation: Activation::Identity,
            weights: Vec::new(),
            bias: Vec::new(),
            log_gain: Vec::new(),
        });
        self.ops.len()
    }

    fn layer(
        &mut self,
        kind: GraphKind,
        input: usize,
        shape: [usize; 3],
        cols: usize,
        activation: Activation,
        conditioning: Conditioning,
    ) -> usize {
        let rows = match kind {
            GraphKind::Dense => shape.iter().product(),
            _ => shape[2],
        };
        let sets = |wanted: bool| if wanted { self.levels * rows } else { 0 };
        let (biases, gains) = match conditioning {
            Conditioning::None => (rows, 0),
            Conditioning::Bias => (sets(true), 0),
            Conditioning::GainAndBias => (sets(true), sets(true)),
        };
        self.ops.push(GraphOp {
            kind,
            inputs: [input, 0],
            shape,
            activation,
            weights: vec![0.0; rows * cols],
            bias: vec![0.0; biases],
            log_gain: vec![0.0; gains],
        });
        self.ops.len()
    }

    /// Draws weights: normal with variance 2 / inputs ahead of ReLU, ELU and SiLU, 1 / inputs otherwise.
    pub fn initialise(&mut self, generator: &mut ChaCha8Rng) {
        for op in &mut self.ops {
            let gain = match op.activation {
                Activation::Relu | Activation::Elu | Activation::Silu => 2.0,
                _ => 1.0,
            };
            let std = (gain / op.cols().max(1) as f32).sqrt();
            for weight in &mut op.weights {
                *weight = std * normal(generator);
            }
        }
    }

    /// Checks what training and quantisation rely on.
    ///
    /// # Errors
    ///
    /// No operation; one that reads a value not made before it, or of a shape that it cannot read; parameters that
    /// are not as many as the shapes say, or not finite.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.ops.is_empty(), "the network has no operation");
        ensure!(self.levels > 0, "the network has no noise level");
        for (at, op) in self.ops.iter().enumerate() {
            let sum = op.kind == GraphKind::Add;
            ensure!(
                !sum || matches!(op.activation, Activation::Identity | Activation::Relu),
                "operation {at} is a sum that ends in {}; a device's ends in identity or relu",
                op.activation
            );
            let readable = op.inputs[0] <= at && op.inputs[1] <= at;
            ensure!(
                readable,
                "operation {at} reads a value that is not made before it"
            );
            let from = self.shape(op.inputs[0]);
            let fits = match op.kind {
                GraphKind::Dense => {
                    op.weights.len() == op.outputs() * from.iter().product::<usize>()
                }
                GraphKind::Conv3x3 { stride } => {
                    (1..=2).contains(&stride)
                        && op.shape[..2] == [from[0].div_ceil(stride), from[1].div_ceil(stride)]
                        && op.weights.len() == op.shape[2] * 9 * from[2]
                }
                GraphKind::Add => from == op.shape && self.shape(op.inputs[1]) == op.shape,
                GraphKind::AveragePool => op.shape == [from[0] / 2, from[1] / 2, from[2]],
                GraphKind::Upsample => op.shape == [2 * from[0], 2 * from[1], from[2]],
            };
            let rows = op.rows();
            let sets = |n: usize| n == rows || n == rows * self.levels;
            let parameters = sets(op.bias.len())
                && (op.log_gain.is_empty() || op.log_gain.len() == rows * self.levels);
            ensure!(
                fits && parameters && op.outputs() > 0 && (sum || op.inputs[1] == 0),
                "the shapes of operation {at} do not fit"
            );
            let mut all = op.weights.iter().chain(&op.bias).chain(&op.log_gain);
            ensure!(
                all.all(|p| p.is_finite()),
                "a parameter of operation {at} is not a finite number; train again with a lower learning rate"
            );
        }
        Ok(())
    }
}
