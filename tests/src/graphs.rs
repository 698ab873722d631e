//! Small graphs of every kind of operation, and a score network, made without training.

use autodidact::kernels::{Channel, Order};
use autodidact::model::{GraphSpec, ModelSpec, OpSpec, PartBody, PartSpec, Task};
use autodidact::net::{Activation, Addition, OpKind, OpRecord};
use autodidact::rng::{Generator, below};
use autodidact::score::Level;
use autodidact_tools::quantize::AlignedBytes;

use crate::small::scaler;

/// A layer that reads 8-bit or 16-bit values and its random parameters.
struct Layer {
    record: OpRecord,
    weights: Vec<i8>,
    channels: Vec<Channel>,
}

impl Layer {
    fn new(record: OpRecord, cols: usize, sets: usize, shift: u32, rng: &mut Generator) -> Self {
        let rows = match record.kind() {
            Some(OpKind::Dense) => record.shape.map(usize::from).iter().product(),
            _ => usize::from(record.shape[2]),
        };
        Self {
            weights: (0..rows * cols).map(|_| below(rng, 255) as i8).collect(),
            channels: (0..rows * sets)
                .map(|_| Channel {
                    bias: below(rng, 2_000).cast_signed() - 1_000,
                    multiplier: (1 << 30) | below(rng, 1 << 30).cast_signed(),
                    shift,
                })
                .collect(),
            record,
        }
    }

    fn spec(&self) -> OpSpec<'_> {
        OpSpec {
            record: self.record,
            weights: &self.weights,
            channels: &self.channels,
            addition: None,
        }
    }
}

/// An operation without weights.
fn plain(record: OpRecord, addition: Option<Addition>) -> OpSpec<'static> {
    OpSpec {
        record,
        weights: &[],
        channels: &[],
        addition,
    }
}

/// 8-bit outputs of a function, or of a clamp at zero.
fn narrow(mut record: OpRecord, activation: Activation) -> OpRecord {
    record.activation = activation.tag();
    record.element = 0;
    (record.min, record.max) = (-128, 127);
    match activation {
        Activation::Clamp => record.min = 0,
        Activation::Elu | Activation::Silu => record.narrow = 8192,
        _ => {}
    }
    record
}

/// A container over 4x4 pixels: a denoiser with a skip connection, an autoencoder, a generator of two numbers, a
/// discriminator and a score network of three levels.
///
/// # Panics
/// Never: the parameters are valid.
#[must_use]
pub fn container(order: Order) -> AlignedBytes {
    let mut rng = Generator::from_seed(16);
    let rng = &mut rng;
    let base = |kind, input, shape| record(order, kind, input, shape);
    let first = narrow(base(OpKind::Conv3x3, 0, [4, 4, 3]), Activation::Clamp);
    let first = Layer::new(first, 9, 1, 45, rng);
    let mut pooled = base(OpKind::AveragePool, 1, [2, 2, 3]);
    (pooled.element, pooled.min, pooled.max) = (0, 0, 127);
    let second = narrow(base(OpKind::Conv3x3, 2, [2, 2, 3]), Activation::Silu);
    let second = Layer::new(second, 27, 1, 38, rng);
    let mut raised = base(OpKind::Upsample, 3, [4, 4, 3]);
    (raised.element, raised.min, raised.max) = (0, -128, 127);
    let mut sum = base(OpKind::Add, 1, [4, 4, 3]);
    sum.inputs[1] = 4;
    let addition = Addition::from_f64(16.0, -8.5, 0.0).expect("representable");
    let last = Layer::new(base(OpKind::Conv3x3, 5, [4, 4, 1]), 27, 1, 41, rng);
    let denoiser = [
        first.spec(),
        plain(pooled, None),
        second.spec(),
        plain(raised, None),
        plain(sum, Some(addition)),
        last.spec(),
    ];

    let mut code = base(OpKind::Dense, 0, [1, 1, 3]);
    code.activation = Activation::Elu.tag();
    let code = Layer::new(code, 16, 1, 42, rng);
    let decoder = Layer::new(base(OpKind::Dense, 1, [4, 4, 1]), 3, 1, 40, rng);
    let autoencoder = [code.spec(), decoder.spec()];

    let hidden = narrow(base(OpKind::Dense, 0, [2, 2, 2]), Activation::Elu);
    let hidden = Layer::new(hidden, 2, 1, 40, rng);
    let mut raised = base(OpKind::Upsample, 1, [4, 4, 2]);
    (raised.element, raised.min, raised.max) = (0, -128, 127);
    let image = Layer::new(base(OpKind::Conv3x3, 2, [4, 4, 1]), 18, 1, 36, rng);
    let generator = [hidden.spec(), plain(raised, None), image.spec()];

    let mut strided = narrow(base(OpKind::Conv3x3, 0, [2, 2, 3]), Activation::Tanh);
    strided.stride = 2;
    let strided = Layer::new(strided, 9, 1, 42, rng);
    let logit = Layer::new(base(OpKind::Dense, 1, [1, 1, 1]), 12, 1, 36, rng);
    let discriminator = [strided.spec(), logit.spec()];

    let (inner, outer) = score_layers(order, rng);
    let score = [inner.spec(), outer.spec()];
    let levels = levels();

    let graph = |input, code_op, ops| GraphSpec {
        input,
        code_op,
        ops,
    };
    let image = [4, 4, 1];
    let graphs = [
        ("denoiser", graph(image, None, &denoiser), Task::Denoiser),
        (
            "autoencoder",
            graph(image, Some(1), &autoencoder),
            Task::Autoencoder,
        ),
        (
            "generator",
            graph([1, 1, 2], None, &generator),
            Task::Generator,
        ),
        (
            "discriminator",
            graph(image, None, &discriminator),
            Task::Discriminator,
        ),
    ];
    let part = |name, body| PartSpec {
        name,
        input: None,
        body,
    };
    let mut parts: Vec<PartSpec<'_>> = graphs
        .into_iter()
        .map(|(name, graph, task)| part(name, PartBody::Graph(graph, task)))
        .collect();
    parts.push(part(
        "score",
        PartBody::Score(graph(image, None, &score), &levels),
    ));
    encode(&parts)
}

/// A container of nothing but a score network like that of [`container`], its inner values in a coarser format.
///
/// # Panics
/// Never: the parameters are valid.
#[must_use]
pub fn score_alone(order: Order) -> AlignedBytes {
    let (mut inner, outer) = score_layers(order, &mut Generator::from_seed(17));
    inner.record.coarse = 2;
    let graph = GraphSpec {
        input: [4, 4, 1],
        code_op: None,
        ops: &[inner.spec(), outer.spec()],
    };
    encode(&[PartSpec {
        name: "score",
        input: None,
        body: PartBody::Score(graph, &levels()),
    }])
}

fn record(order: Order, kind: OpKind, input: u16, shape: [u16; 3]) -> OpRecord {
    let mut record = OpRecord::wide(kind, input, &shape);
    if kind.has_weights() {
        record.order = order as u8;
    }
    record
}

/// A score network of three levels over 4x4 pixels.
fn score_layers(order: Order, rng: &mut Generator) -> (Layer, Layer) {
    let mut inner = record(order, OpKind::Conv3x3, 0, [4, 4, 2]);
    (inner.activation, inner.conditioned) = (Activation::Silu.tag(), 1);
    let inner = Layer::new(inner, 9, 3, 42, rng);
    let outer = record(order, OpKind::Conv3x3, 1, [4, 4, 1]);
    (inner, Layer::new(outer, 18, 1, 42, rng))
}

fn levels() -> [Level; 3] {
    [4.0f64, 1.0, 0.25].map(|sigma| {
        let root = (sigma * sigma + 1.0).sqrt();
        Level::preconditioned(sigma, 1.0, root).expect("representable")
    })
}

fn encode(parts: &[PartSpec<'_>]) -> AlignedBytes {
    let lines = scaler(16);
    let spec = ModelSpec {
        scaler: &lines,
        counts_range: (-2000, 2000),
        parts,
        text: "lsb: 1\n",
    };
    let mut bytes = AlignedBytes::zeroed(spec.encoded_len().expect("the model is valid"));
    spec.encode_into(&mut bytes).expect("the model is valid");
    bytes
}
