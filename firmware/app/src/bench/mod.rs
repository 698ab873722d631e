//! Kernel workloads of published size, measured whole: input preparation and requantisation included; graphs, and
//! what is drawn and restored with them; the longest steps of the learners; and what loading a container costs.

use core::hint::black_box;
use core::num::NonZeroU32;

use autodidact::kernels::{
    Activation, Channel, Channels, Conv3x3, Matrix, Order, OutputStage, Padding, conv3x3, dense,
    nearest_l2,
};
use autodidact::net::{Activation as LayerActivation, Element, Layer, MAX_LAYERS, Network};

use crate::Counter;

mod classical;
mod energy;
mod graphs;
mod loading;
mod steps;

/// Runs `work` once to warm up and `repeats` times to measure, and logs
/// `bench <name> <instructions of one run> <macs>`.
///
/// `macs` is the number of multiply-accumulates that one run needs in theory, or what else its cost grows with. Repeating drowns the
/// granularity of the counter.
pub fn measure(
    counter: &impl Counter,
    name: &'static str,
    macs: u32,
    repeats: NonZeroU32,
    mut work: impl FnMut(),
) {
    work();
    let before = counter.instructions();
    for _ in 0..repeats.get() {
        work();
    }
    let spent = counter.instructions().wrapping_sub(before);
    let repeats = u64::from(repeats.get());
    let each = spent
        .wrapping_add(repeats / 2)
        .checked_div(repeats)
        .unwrap_or(0);
    defmt::println!("bench {=str} {=u64} {=u32}", name, each, macs);
}

/// How often a workload of `macs` multiply-accumulates is repeated: about two million in all.
const fn repeats(macs: u32) -> NonZeroU32 {
    match NonZeroU32::new(match 2_000_000_u32.checked_div(macs) {
        Some(repeats) => repeats,
        None => 0,
    }) {
        Some(repeats) => repeats,
        None => NonZeroU32::MIN,
    }
}

/// The weight order that this core's kernels read fastest.
const ORDER: Order = Order::FASTEST;

/// Layer widths of MLPerf Tiny's anomaly-detection autoencoder.
const AUTOENCODER: [usize; 11] = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
/// Its multiply-accumulates, one weight each.
const AUTOENCODER_MACS: usize = 264_192;
/// Its neurons.
const AUTOENCODER_ROWS: usize = 1672;

/// Memory that the workloads share. It lies in RAM, where it costs as many instructions as in flash.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Memory {
    weights: [i8; AUTOENCODER_MACS],
    wide: [i16; 4096],
    narrow: [i8; 4096],
    wide_output: [i16; 2048],
    narrow_output: [i8; 2048],
    scratch: [i16; 2048],
    /// For images of 28x28 pixels with 16 channels of 16 bits.
    workspace: [u8; 131_072],
    channels: [Channel; AUTOENCODER_ROWS],
}

impl Memory {
    /// Zeroed memory, filled by [`run`].
    pub const NEW: Self = Self {
        weights: [0; AUTOENCODER_MACS],
        wide: [0; 4096],
        narrow: [0; 4096],
        wide_output: [0; 2048],
        narrow_output: [0; 2048],
        scratch: [0; 2048],
        workspace: [0; 131_072],
        channels: [Channel {
            bias: 0,
            multiplier: 0,
            shift: 0,
        }; AUTOENCODER_ROWS],
    };

    /// Pseudo-random weights and inputs, and scales that keep most outputs off the clamps.
    fn fill(&mut self) {
        let mut state = 0x9e37_79b9_u32;
        let mut word = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for value in self.weights.iter_mut().chain(&mut self.narrow) {
            *value = word().to_le_bytes()[1].cast_signed();
        }
        for value in &mut self.wide {
            *value = ((word() >> 8) as u16).cast_signed() >> 2;
        }
        for channel in &mut self.channels {
            let bias = (word() >> 20).cast_signed();
            let multiplier = (word() >> 2).cast_signed() | (1 << 30);
            *channel = Channel {
                bias,
                multiplier,
                shift: 41,
            };
        }
    }
}

/// Measures every workload, one log line each.
pub fn run(counter: &impl Counter, memory: &mut Memory) {
    memory.fill();
    let Memory {
        weights,
        wide,
        narrow,
        wide_output,
        narrow_output,
        scratch,
        workspace,
        channels,
    } = memory;
    let i8_layers = [
        ("dense_i8_640x128", 640),
        ("dense_i8_128x128", 128),
        ("dense_i8_64x128", 64),
    ];
    for (name, cols) in i8_layers {
        let done = measure_dense(
            counter,
            name,
            cols,
            weights,
            channels,
            narrow,
            scratch,
            narrow_output,
        );
        refused(name, done);
    }
    let name = "dense_i16_640x128";
    refused(
        name,
        measure_dense(
            counter,
            name,
            640,
            weights,
            channels,
            wide,
            scratch,
            wide_output,
        ),
    );
    for (name, depth) in [("conv3x3_i8_8x8x16_16", 16), ("conv3x3_i8_8x8x32_32", 32)] {
        let done = measure_conv(
            counter,
            name,
            depth,
            weights,
            channels,
            narrow,
            scratch,
            narrow_output,
        );
        refused(name, done);
    }
    refused("nearest_l2_10x64", measure_nearest(counter, wide));
    classical::run(counter, wide);
    energy::run(counter, weights);
    steps::run(counter);
    loading::run(counter);
    let done = measure_autoencoder(counter, weights, channels, wide, workspace, wide_output);
    refused("autoencoder_mlperf_ad", done);
    let operands = graphs::Operands {
        weights,
        channels,
        input: wide,
        workspace,
        output: wide_output,
    };
    graphs::run(counter, operands);
}

/// Says so when the kernels refused a workload's shapes.
fn refused(name: &'static str, done: Option<()>) {
    if done.is_none() {
        defmt::error!("{=str} was refused", name);
    }
}

/// The widest range of an output.
trait Range: Activation {
    const STAGE: OutputStage<Self>;
}

impl Range for i8 {
    const STAGE: OutputStage<Self> = OutputStage {
        zero_point: -3,
        min: Self::MIN,
        max: Self::MAX,
    };
}

impl Range for i16 {
    const STAGE: OutputStage<Self> = OutputStage {
        zero_point: 0,
        min: Self::MIN,
        max: Self::MAX,
    };
}

#[expect(
    clippy::too_many_arguments,
    reason = "a layer's operands, each from memory of its own"
)]
fn measure_dense<T: Range>(
    counter: &impl Counter,
    name: &'static str,
    cols: usize,
    weights: &[i8],
    channels: &[Channel],
    input: &[T],
    scratch: &mut [i16],
    output: &mut [T],
) -> Option<()> {
    const ROWS: usize = 128;
    let macs = u32::try_from(ROWS * cols).ok()?;
    let weights = weights.get(..ORDER.stored_bytes(ROWS, cols)?)?;
    let weights = Matrix::new(weights, ROWS, cols, ORDER).ok()?;
    let channels = Channels::new(channels.get(..ROWS)?).ok()?;
    let input = input.get(..cols)?;
    let output = output.get_mut(..ROWS)?;
    dense(&weights, channels, &T::STAGE, input, scratch, output).ok()?;
    measure(counter, name, macs, repeats(macs), || {
        let _ = black_box(dense(
            black_box(&weights),
            black_box(channels),
            &T::STAGE,
            black_box(input),
            scratch,
            black_box(&mut *output),
        ));
    });
    Some(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "a layer's operands, each from memory of its own"
)]
fn measure_conv(
    counter: &impl Counter,
    name: &'static str,
    depth: usize,
    weights: &[i8],
    channels: &[Channel],
    input: &[i8],
    scratch: &mut [i16],
    output: &mut [i8],
) -> Option<()> {
    const SIDE: usize = 8;
    let geometry = Conv3x3::new(SIDE, SIDE, depth, 1, Padding::Same)?;
    let cols = geometry.window_len();
    let macs = u32::try_from(SIDE * SIDE * cols * depth).ok()?;
    let weights = weights.get(..ORDER.stored_bytes(depth, cols)?)?;
    let weights = Matrix::new(weights, depth, cols, ORDER).ok()?;
    let channels = Channels::new(channels.get(..depth)?).ok()?;
    let input = input.get(..geometry.input_len())?;
    let output = output.get_mut(..SIDE * SIDE * depth)?;
    conv3x3(
        &geometry,
        &weights,
        channels,
        &i8::STAGE,
        -3,
        input,
        scratch,
        output,
    )
    .ok()?;
    measure(counter, name, macs, repeats(macs), || {
        let _ = black_box(conv3x3(
            &geometry,
            black_box(&weights),
            black_box(channels),
            &i8::STAGE,
            -3,
            black_box(input),
            scratch,
            black_box(&mut *output),
        ));
    });
    Some(())
}

/// By itself: within a larger function the search would have fewer registers than where it is used.
#[inline(never)]
fn measure_nearest(counter: &impl Counter, memory: &[i16]) -> Option<()> {
    const K: usize = 10;
    const DIMENSIONS: usize = 64;
    const MACS: u32 = 640;
    let (centroids, rest) = memory.split_at_checked(K * DIMENSIONS)?;
    let sample = rest.get(..DIMENSIONS)?;
    let mut norms = [0_i64; K];
    for (norm, centroid) in norms.iter_mut().zip(centroids.chunks_exact(DIMENSIONS)) {
        *norm = autodidact::kmeans::squared_norm(centroid);
    }
    nearest_l2(centroids, &norms, sample).ok()?;
    measure(counter, "nearest_l2_10x64", MACS, repeats(MACS), || {
        let _ = black_box(nearest_l2(
            black_box(centroids),
            black_box(&norms),
            black_box(sample),
        ));
    });
    Some(())
}

fn measure_autoencoder(
    counter: &impl Counter,
    weights: &[i8],
    channels: &[Channel],
    input: &[i16],
    workspace: &mut [u8],
    output: &mut [i16],
) -> Option<()> {
    let layer = |index: usize| -> Option<Layer<'_>> {
        AUTOENCODER.get(index + 1)?;
        let mut before = AUTOENCODER.get(..=index)?.iter().zip(AUTOENCODER.get(1..)?);
        let mut first_weight = 0;
        let mut first_row = 0;
        let (cols, rows) = loop {
            let (&cols, &rows) = before.next()?;
            if before.len() == 0 {
                break (cols, rows);
            }
            first_weight += ORDER.stored_bytes(rows, cols)?;
            first_row += rows;
        };
        let stored = ORDER.stored_bytes(rows, cols)?;
        let weights = weights.get(first_weight..)?.get(..stored)?;
        let last = index + 2 == AUTOENCODER.len();
        let output = if last { Element::I16 } else { Element::I8 };
        Some(Layer {
            weights: Matrix::new(weights, rows, cols, ORDER).ok()?,
            channels: channels.get(first_row..)?.get(..rows)?,
            activation: LayerActivation::Clamp,
            input: if index == 0 {
                Element::I16
            } else {
                Element::I8
            },
            output,
            zero_point: 0,
            min: if last { i16::MIN } else { 0 },
            max: if last { i16::MAX } else { 127 },
        })
    };
    let network = Network::new((0..MAX_LAYERS).map_while(layer), None).ok()?;
    let macs = u32::try_from(network.macs()).ok()?;
    let input = input.get(..network.inputs())?;
    let output = output.get_mut(..network.outputs())?;
    network.run(workspace, input, output).ok()?;
    measure(
        counter,
        "autoencoder_mlperf_ad",
        macs,
        repeats(macs),
        || {
            let _ = black_box(network.run(black_box(&mut *workspace), black_box(input), output));
        },
    );
    Some(())
}
