//! Graphs and what is drawn with them: networks as `fit ncsn` makes them, a digit out of noise, a digit restored.
//!
//! Weights are random and shared by all layers: what a run costs does not depend on them.

use core::hint::black_box;
use core::num::NonZeroU32;

use autodidact::kernels::{Channel, Matrix};
use autodidact::net::{
    Activation, Addition, Element, Graph, GraphTensors, Layer, Network, OpKind, OpRecord, place,
};
use autodidact::restore::{Blur, Degradation, MeanShift, Noise, Observation, Settings};
use autodidact::rng::Generator;
use autodidact::score::{AnnealedLangevin, DenoiserScore, Level, Schedule, ScoreNetwork};

use super::{ORDER, measure, refused, repeats};
use crate::Counter;

/// What the workloads borrow.
pub(super) struct Operands<'m> {
    pub(super) weights: &'m [i8],
    pub(super) channels: &'m [Channel],
    pub(super) input: &'m [i16],
    pub(super) workspace: &'m mut [u8],
    pub(super) output: &'m mut [i16],
}

/// Pixels of a digit.
const PIXELS: usize = 64;
/// Pixels of an image of MNIST, a side of it.
const SIDE: u16 = 28;
const IMAGE: usize = 784;
/// Most operations of a graph.
const OPS: usize = 24;

/// Measures every graph, walk and descent.
pub(super) fn run(counter: &impl Counter, mut operands: Operands<'_>) {
    let operands = &mut operands;
    let name = "graph_dense_64_256x3_64";
    refused(name, measure_graph(counter, name, &dense(), operands));
    for (name, channels) in [
        ("graph_conv3x3_i16_8x8x16_16", 16),
        ("graph_conv3x3_i16_8x8x32_32", 32),
    ] {
        let shape = [8, 8, channels];
        let mut program = Program::new(shape, Element::I16);
        let done = program
            .push(OpRecord::wide(OpKind::Conv3x3, 0, &shape))
            .and_then(|_| measure_graph(counter, name, &program, operands));
        refused(name, done);
    }
    for (name, side, inner) in [
        ("graph_conv16_8x8", 8, Element::I16),
        ("graph_conv16_8x8_i8", 8, Element::I8),
        ("graph_conv16_28x28", 28, Element::I16),
        ("graph_conv16_28x28_i8", 28, Element::I8),
    ] {
        let done = conv(side, 16, inner)
            .and_then(|program| measure_graph(counter, name, &program, operands));
        refused(name, done);
    }
    // Noise levels and steps at each as `fit ncsn digits` and `study mnist-scores` take them.
    let done = measure_walk::<16, PIXELS>(counter, "walk_digit", &dense(), 5, operands);
    refused("walk_digit", done);
    let done = u_net(SIDE, [8, 32, 64]).and_then(|program| {
        measure_graph(counter, "graph_mnist", &program, operands)?;
        measure_walk::<20, IMAGE>(counter, "walk_mnist", &program, 1, operands)
    });
    refused("walk_mnist", done);
    refused("restore_digit", measure_restoration(counter, operands));
}

/// Operations under construction.
struct Program {
    input: [u16; 3],
    ops: [OpRecord; OPS],
    count: u16,
    /// Type of the inner values.
    inner: Element,
}

impl Program {
    const fn new(input: [u16; 3], inner: Element) -> Self {
        Self {
            input,
            ops: [OpRecord::wide(OpKind::Dense, 0, &[0; 3]); OPS],
            count: 0,
            inner,
        }
    }

    /// Adds an operation and gives its value.
    fn push(&mut self, mut op: OpRecord) -> Option<u16> {
        if op.kind().is_some_and(OpKind::has_weights) {
            op.order = ORDER as u8;
        }
        if op.kind() == Some(OpKind::Conv3x3) && self.shape(op.inputs[0])?[0] > op.shape[0] {
            op.stride = 2;
        }
        *self.ops.get_mut(usize::from(self.count))? = op;
        self.count += 1;
        Some(self.count)
    }

    /// Shape of a value.
    fn shape(&self, value: u16) -> Option<[u16; 3]> {
        let Some(op) = value.checked_sub(1) else {
            return Some(self.input);
        };
        Some(self.ops.get(usize::from(op))?.shape)
    }

    /// An operation that makes an inner value.
    fn inner(&self, kind: OpKind, inputs: [u16; 2], shape: [u16; 3]) -> OpRecord {
        let mut op = OpRecord::wide(kind, 0, &shape);
        op.inputs = inputs;
        if self.inner == Element::I8 {
            (op.element, op.min, op.max) = (0, -128, 127);
        }
        op
    }

    /// A hidden layer with SiLU behind it.
    fn layer(&mut self, kind: OpKind, input: u16, shape: [u16; 3]) -> Option<u16> {
        let mut op = self.inner(kind, [input, 0], shape);
        op.activation = Activation::Silu.tag();
        if self.inner == Element::I8 {
            op.narrow = 8192;
        }
        self.push(op)
    }

    fn plain(&mut self, kind: OpKind, inputs: [u16; 2], shape: [u16; 3]) -> Option<u16> {
        self.push(self.inner(kind, inputs, shape))
    }

    /// The graph, its values placed.
    fn graph<'g>(
        &'g self,
        ops: &'g mut [OpRecord; OPS],
        operands: &Operands<'g>,
        additions: &'g [Addition],
        levels: usize,
    ) -> Option<Graph<'g>> {
        *ops = self.ops;
        let ops = ops.get_mut(..usize::from(self.count))?;
        place(ops);
        let tensors = GraphTensors {
            ops,
            weights: operands.weights,
            channels: operands.channels,
            additions,
        };
        Graph::new(tensors, &self.input, u16::try_from(levels).ok()?, None).ok()
    }
}

/// The dense network of `fit ncsn digits`.
fn dense() -> Program {
    const HIDDEN: [u16; 3] = [1, 1, 256];
    let mut program = Program::new([1, 1, PIXELS as u16], Element::I16);
    let made = program
        .layer(OpKind::Dense, 0, HIDDEN)
        .and_then(|first| {
            let second = program.layer(OpKind::Dense, first, HIDDEN)?;
            let second = program.plain(OpKind::Add, [first, second], HIDDEN)?;
            let third = program.layer(OpKind::Dense, second, HIDDEN)?;
            program.plain(OpKind::Add, [second, third], HIDDEN)
        })
        .and_then(|sum| program.push(OpRecord::wide(OpKind::Dense, sum, &program.input)));
    refused("graph_dense", made.map(|_| ()));
    program
}

/// The convolutional network of `fit ncsn --channels` with three sizes.
fn u_net(side: u16, [full, half, quarter]: [u16; 3]) -> Option<Program> {
    use OpKind::{Add, Conv3x3, Upsample};
    let shape = |times: u16, channels| [side / times, side / times, channels];
    let [full, half, quarter] = [shape(1, full), shape(2, half), shape(4, quarter)];
    let mut program = Program::new([side, side, 1], Element::I16);
    let adds = |program: &mut Program, value, shape| {
        let made = program.layer(Conv3x3, value, shape)?;
        program.plain(Add, [value, made], shape)
    };
    let first = program.layer(Conv3x3, 0, full)?;
    let down = program.layer(Conv3x3, first, half)?;
    let second = adds(&mut program, down, half)?;
    let mut value = program.layer(Conv3x3, second, quarter)?;
    for _ in 0..4 {
        value = adds(&mut program, value, quarter)?;
    }
    for (skipped, from, to) in [(second, quarter, half), (first, half, full)] {
        let fewer = program.push(OpRecord::wide(Conv3x3, value, &[from[0], from[1], to[2]]))?;
        let raised = program.plain(Upsample, [fewer, 0], to)?;
        let joined = program.plain(Add, [skipped, raised], to)?;
        value = adds(&mut program, joined, to)?;
    }
    program.push(OpRecord::wide(Conv3x3, value, &program.input))?;
    Some(program)
}

/// A smaller one whose sizes are halved by averages.
fn conv(side: u16, channels: u16, inner: Element) -> Option<Program> {
    use OpKind::{Add, AveragePool, Conv3x3, Upsample};
    let (large, half) = ([side, side, channels], [side / 2, side / 2]);
    let pooled = [half[0], half[1], channels];
    let small = [half[0], half[1], 2 * channels];
    let mut program = Program::new([side, side, 1], inner);
    let first = program.layer(Conv3x3, 0, large)?;
    let second = program.layer(Conv3x3, first, large)?;
    let value = program.plain(AveragePool, [second, 0], pooled)?;
    let down = program.layer(Conv3x3, value, small)?;
    let value = program.layer(Conv3x3, down, small)?;
    let value = program.plain(Add, [down, value], small)?;
    let value = program.layer(Conv3x3, value, pooled)?;
    let value = program.plain(Upsample, [value, 0], large)?;
    let value = program.plain(Add, [second, value], large)?;
    let value = program.layer(Conv3x3, value, large)?;
    program.push(OpRecord::wide(Conv3x3, value, &program.input))?;
    Some(program)
}

/// Half of each operand.
const MEAN: [Addition; 1] = [Addition {
    bias: 1 << 29,
    left: 1 << 29,
    right: 1 << 29,
    shift: 30,
    reserved: 0,
}];

fn measure_graph(
    counter: &impl Counter,
    name: &'static str,
    program: &Program,
    operands: &mut Operands<'_>,
) -> Option<()> {
    let mut ops = program.ops;
    let graph = program.graph(&mut ops, operands, &MEAN, 1)?;
    let input = operands.input.get(..graph.inputs())?;
    let output = operands.output.get_mut(..graph.outputs())?;
    let workspace = operands.workspace.get_mut(..graph.workspace_bytes())?;
    graph.run(0, workspace, input, output).ok()?;
    let macs = u32::try_from(graph.macs()).ok()?;
    measure(counter, name, macs, repeats(macs), || {
        let _ = black_box(graph.run(0, black_box(&mut *workspace), black_box(input), output));
    });
    Some(())
}

/// One image out of noise, whole.
fn measure_walk<const LEVELS: usize, const PIXELS: usize>(
    counter: &impl Counter,
    name: &'static str,
    program: &Program,
    steps: u16,
    operands: &mut Operands<'_>,
) -> Option<()> {
    let mut ops = program.ops;
    let graph = program.graph(&mut ops, operands, &MEAN, LEVELS)?;
    // Noise from 18 standard deviations on, halved at every level; 0 is no level.
    let mut levels = [Level {
        sigma: 18 << 20,
        input: 1 << 29,
        skip: -(1 << 29),
        output: 1 << 20,
    }; LEVELS];
    for (level, index) in levels.iter_mut().zip(0..) {
        level.sigma = (level.sigma >> index).max(1);
    }
    let network = ScoreNetwork::new(graph, &levels).ok()?;
    let schedule = Schedule::new(1 << 29, steps, true).ok()?.consistent();
    let evaluations = schedule.evaluations(u16::try_from(LEVELS).ok()?);
    let macs = u32::try_from(network.graph().macs()).ok()? * evaluations;
    let (mut state, mut residual) = ([0; PIXELS], [0; PIXELS]);
    let score = network
        .with_memory(operands.workspace, operands.output)
        .ok()?;
    let mut walk = AnnealedLangevin::new(score, schedule, &mut state, &mut residual).ok()?;
    let mut rng = Generator::from_seed(1);
    measure(counter, name, macs, ONCE, || {
        walk.scatter(&mut rng);
        while let Ok(Some(_)) = walk.step(&mut rng) {}
        black_box(walk.state());
    });
    Some(())
}

/// A whole run is long enough.
const ONCE: NonZeroU32 = NonZeroU32::MIN;

/// One blurred digit restored by the network of `fit dae digits`, whole.
fn measure_restoration(counter: &impl Counter, operands: &mut Operands<'_>) -> Option<()> {
    const WIDTHS: [usize; 4] = [PIXELS, 128, 128, PIXELS];
    let layer = |index: usize| -> Option<Layer<'_>> {
        let [cols, rows] = *WIDTHS.get(index..)?.first_chunk()?;
        let stored = operands.weights.get(..ORDER.stored_bytes(rows, cols)?)?;
        let element = |border: bool| if border { Element::I16 } else { Element::I8 };
        let last = index == 2;
        Some(Layer {
            weights: Matrix::new(stored, rows, cols, ORDER).ok()?,
            channels: operands.channels.get(..rows)?,
            activation: Activation::Clamp,
            input: element(index == 0),
            output: element(last),
            zero_point: 0,
            min: if last { i16::MIN } else { 0 },
            max: if last { i16::MAX } else { 127 },
        })
    };
    let network = Network::new((0..3).map_while(layer), None).ok()?;
    let sigma = 1 << 19;
    let settings = Settings::new(0, sigma);
    let macs = u32::try_from(network.macs()).ok()? * u32::from(settings.steps);
    // Weights of a Gaussian; what they are changes nothing.
    let blur = Blur::new([8, 8, 1], [1311; 25], 0)?;
    let mut memory = [0; 4 * PIXELS];
    let mut rng = Generator::from_seed(1);
    measure(counter, "restore_digit", macs, ONCE, || {
        let score = DenoiserScore::new(&network, sigma, operands.workspace, operands.output).ok();
        let observation = Observation {
            features: operands.input.get(..PIXELS).unwrap_or_default(),
            degradation: Degradation::Blur(blur),
            noise: Noise::Known(1 << 18),
        };
        let descent =
            score.and_then(|score| MeanShift::new(score, observation, settings, &mut memory).ok());
        if let Some(mut descent) = descent {
            while let Ok(Some(_)) = descent.step(&mut rng) {}
            black_box(descent.state());
        }
    });
    Some(())
}
