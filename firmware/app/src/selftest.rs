//! Compares the core's kernels with their definition, bit for bit, on the core itself.
//!
//! Shapes, tails, starting places and weight orders are drawn at random; weights and inputs are random
//! or all of one extreme; scales are small and large.

use autodidact::kernels::{
    Activation, Channel, Channels, Conv3x3, Matrix, Order, OutputStage, Padding, Shifts,
    add_columns, add_rows, bit_words, conv3x3, dense, dot, factor_len, factor_rows, for_each_taps,
    mahalanobis, manhattan_distance, nearest_l1, nearest_l2, pack, reference, row_stride,
    squared_distance,
};
use autodidact::num::Multiplier;
use autodidact::rbm::{Gibbs, Rbm, States, Tensors, Units};
use autodidact::rng::Generator;

const ORDERS: [Order; 3] = [Order::RowMajor, Order::Quads, Order::Octets];
const DENSE_CASES: u32 = 600;
const CONV_CASES: u32 = 150;
const DISTANCE_CASES: u32 = 300;
const ROWS_CASES: u32 = 300;
const CHAINS: usize = 3;

const MAX_ROWS: usize = 21;
/// Rows and columns of stored weights are padded to multiples of eight at most.
const MAX_STORED_ROWS: usize = 24;
const MAX_PADDING: usize = 4;
/// Pixels of an image, and of what comes out of a convolution.
const MAX_PIXELS: usize = 7 * 7;
const MAX_DEPTH: usize = 20;
const MAX_CENTROIDS: usize = 12;
const MAX_CENTROID_COLS: usize = 80;
const MAX_COMPONENTS: usize = 3;
const MAX_FACTOR_ROWS: usize = 64;
const MAX_BIT_ROWS: usize = 70;
const MAX_BIT_COLS: usize = 70;
/// Rows from which on a wide case begins.
const WIDE_ROWS: usize = 250;
/// Elements of an input that a case skips at most.
const MAX_START: usize = 3;

/// A case in which a kernel and its definition differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub struct Mismatch {
    /// The kernel.
    pub kernel: &'static str,
    /// Number of the case, from 0.
    pub case: u32,
    /// Rows: outputs, output channels, centroids.
    pub rows: usize,
    /// Columns: inputs, elements of a window, dimensions.
    pub cols: usize,
}

/// Storage for [`Buffers`]: `WEIGHTS` elements of a layer, `VALUES` of its input or output, `FACTORS` of covariances,
/// `SUMS` of rows that are added up.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Memory<
    const WEIGHTS: usize,
    const VALUES: usize,
    const FACTORS: usize,
    const SUMS: usize,
> {
    packed: [i8; WEIGHTS],
    row_major: [i8; WEIGHTS],
    narrow: [i8; VALUES],
    wide: [i16; VALUES],
    centroids: [i16; VALUES],
    factors: [i16; FACTORS],
    scratch: [i16; VALUES],
    narrow_outputs: [[i8; VALUES]; 2],
    wide_outputs: [[i16; 32]; 2],
    channels: [Channel; 32],
    sums: [[i32; SUMS]; 2],
}

/// Memory for shapes as large as models have them, 60 KB.
pub type LargeMemory =
    Memory<{ 24 * 704 }, 1024, { MAX_COMPONENTS * factor_len(MAX_FACTOR_ROWS) + 1 }, 520>;

/// Memory for shapes that a part with 16 KiB of RAM has room for, 10 KB.
pub type SmallMemory = Memory<{ 24 * 96 }, 352, { MAX_COMPONENTS * factor_len(16) + 1 }, 70>;

impl<const WEIGHTS: usize, const VALUES: usize, const FACTORS: usize, const SUMS: usize>
    Memory<WEIGHTS, VALUES, FACTORS, SUMS>
{
    /// Zeroed memory.
    pub const NEW: Self = Self {
        packed: [0; WEIGHTS],
        row_major: [0; WEIGHTS],
        narrow: [0; VALUES],
        wide: [0; VALUES],
        centroids: [0; VALUES],
        factors: [0; FACTORS],
        scratch: [0; VALUES],
        narrow_outputs: [[0; VALUES]; 2],
        wide_outputs: [[0; 32]; 2],
        channels: [Channel {
            bias: 0,
            multiplier: 0,
            shift: 0,
        }; 32],
        sums: [[0; SUMS]; 2],
    };

    /// All of this memory.
    pub const fn buffers(&mut self) -> Buffers<'_> {
        let [narrow_output, narrow_expected] = &mut self.narrow_outputs;
        let [sums, expected_sums] = &mut self.sums;
        Buffers {
            packed: &mut self.packed,
            row_major: &mut self.row_major,
            narrow: &mut self.narrow,
            wide: &mut self.wide,
            centroids: &mut self.centroids,
            factors: &mut self.factors,
            scratch: &mut self.scratch,
            narrow_outputs: [narrow_output, narrow_expected],
            wide_outputs: &mut self.wide_outputs,
            channels: &mut self.channels,
            sums: [sums, expected_sums],
        }
    }
}

/// Borrowed memory of the comparison, whatever its size: shapes are drawn to fit.
#[derive(Debug)]
pub struct Buffers<'b> {
    packed: &'b mut [i8],
    row_major: &'b mut [i8],
    narrow: &'b mut [i8],
    wide: &'b mut [i16],
    centroids: &'b mut [i16],
    factors: &'b mut [i16],
    scratch: &'b mut [i16],
    narrow_outputs: [&'b mut [i8]; 2],
    wide_outputs: &'b mut [[i16; 32]; 2],
    channels: &'b mut [Channel; 32],
    sums: [&'b mut [i32]; 2],
}

/// The largest shapes that fit.
struct Limits {
    cols: usize,
    depth: usize,
    centroid_cols: usize,
    factor_rows: usize,
    weights: usize,
    bit_rows: usize,
}

impl Limits {
    fn of(buffers: &Buffers<'_>) -> Self {
        let values = buffers.wide.len();
        // Less the one by which a case may start late.
        let weights = buffers.row_major.len().saturating_sub(1);
        let factors = |rows: &usize| MAX_COMPONENTS * factor_len(*rows) < buffers.factors.len();
        Self {
            cols: (buffers.row_major.len() / MAX_STORED_ROWS).saturating_sub(MAX_PADDING),
            depth: MAX_DEPTH.min(values.saturating_sub(MAX_START) / MAX_PIXELS),
            centroid_cols: MAX_CENTROID_COLS.min(values.saturating_sub(1) / MAX_CENTROIDS),
            factor_rows: (1..=MAX_FACTOR_ROWS).rev().find(factors).unwrap_or(1),
            weights,
            bit_rows: buffers.sums[0].len().min(weights / row_stride(1)),
        }
    }
}

struct Random(u32);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number from 1 to `most`.
    fn up_to(&mut self, most: usize) -> usize {
        1 + (self.word() as usize).checked_rem(most).unwrap_or(0)
    }

    /// Random values, or in two of five calls all the least or the greatest.
    fn fill<T: Copy>(&mut self, values: &mut [T], least: T, most: T, from: impl Fn(u32) -> T) {
        match self.word() % 5 {
            0 => values.fill(least),
            1 => values.fill(most),
            _ => values
                .iter_mut()
                .for_each(|value| *value = from(self.word() >> 9)),
        }
    }

    fn channels(&mut self, channels: &mut [Channel]) {
        for channel in channels {
            // One scale in sixteen is 1/4 or more. Sums may then leave every bound, and saturate.
            let small = self.word().is_multiple_of(16);
            *channel = Channel {
                bias: self.word().cast_signed() >> (8 + self.word() % 16),
                multiplier: (self.word() >> 2).cast_signed() | (1 << 30),
                shift: if small {
                    25 + self.word() % 8
                } else {
                    33 + self.word() % 12
                },
            };
        }
    }
}

/// Compares every kernel; the number of cases, or the first that differs.
///
/// # Errors
/// The first case in which a kernel gives another result than its definition, or refuses its operands.
pub fn run(mut memory: Buffers<'_>) -> Result<u32, Mismatch> {
    let memory = &mut memory;
    let limits = Limits::of(memory);
    let mut random = Random(0x2545_f491);
    let mut cases = 0;
    for case in 0..DENSE_CASES {
        let (rows, cols) = (
            random.up_to(MAX_ROWS),
            random.up_to(if case < 300 {
                70.min(limits.cols)
            } else {
                limits.cols
            }),
        );
        let same = dense_case(memory, &mut random, rows, cols);
        if same != Some(true) {
            return Err(Mismatch {
                kernel: "dense",
                case,
                rows,
                cols,
            });
        }
        cases += 4 * ORDERS.len() as u32;
    }
    for case in 0..CONV_CASES {
        let (rows, depth) = (random.up_to(limits.depth), random.up_to(limits.depth));
        let same = conv_case(memory, &mut random, rows, depth);
        if same != Some(true) {
            return Err(Mismatch {
                kernel: "conv3x3",
                case,
                rows,
                cols: 9 * depth,
            });
        }
        cases += 2 * ORDERS.len() as u32;
    }
    for case in 0..DISTANCE_CASES {
        let (rows, cols) = (
            random.up_to(MAX_CENTROIDS),
            random.up_to(limits.centroid_cols),
        );
        let same = distance_case(memory, &mut random, rows, cols);
        if same != Some(true) {
            return Err(Mismatch {
                kernel: "distance",
                case,
                rows,
                cols,
            });
        }
        cases += 5;
    }
    for case in 0..DISTANCE_CASES {
        let (rows, cols) = (
            random.up_to(MAX_COMPONENTS),
            random.up_to(limits.factor_rows),
        );
        let same = mahalanobis_case(memory, &mut random, rows, cols);
        if same != Some(true) {
            return Err(Mismatch {
                kernel: "mahalanobis",
                case,
                rows,
                cols,
            });
        }
        cases += 2;
    }
    for case in 0..ROWS_CASES {
        // Every lane overflows without the pause after 256 rows.
        let wide = case % 8 == 0 && limits.bit_rows > WIDE_ROWS;
        let (rows, cols) = if wide {
            (
                WIDE_ROWS + random.up_to(limits.bit_rows - WIDE_ROWS),
                random.up_to(32),
            )
        } else {
            (
                random.up_to(MAX_BIT_ROWS.min(limits.bit_rows)),
                random.up_to(MAX_BIT_COLS),
            )
        };
        // No more columns than there are weights for.
        let elements = limits.weights.checked_div(rows).unwrap_or(0);
        let cols = cols.min(elements / row_stride(1) * row_stride(1));
        if rows_case(memory, &mut random, rows, cols) != Some(true) {
            return Err(Mismatch {
                kernel: "add_rows",
                case,
                rows,
                cols,
            });
        }
        cases += 2;
    }
    for case in 0..CHAINS {
        if chain_case(memory, case) != Some(true) {
            return Err(Mismatch {
                kernel: "gibbs",
                case: case as u32,
                rows: CHAIN_HIDDEN,
                cols: CHAIN_VISIBLE,
            });
        }
        cases += 1;
    }
    Ok(cases)
}

/// One layer in every order and with every kind of input and output.
fn dense_case(
    memory: &mut Buffers<'_>,
    random: &mut Random,
    rows: usize,
    cols: usize,
) -> Option<bool> {
    let Buffers {
        packed,
        row_major,
        narrow,
        wide,
        scratch,
        narrow_outputs: [narrow_output, narrow_expected],
        wide_outputs: [wide_output, wide_expected],
        channels,
        ..
    } = memory;
    let row_major = row_major.get_mut(..rows * cols)?;
    random.fill(row_major, -128, 127, |word| word as i8);
    let start = random.up_to(MAX_START + 1) - 1;
    let narrow = narrow.get_mut(start..)?.get_mut(..cols)?;
    random.fill(narrow, -128, 127, |word| word as i8);
    let wide = wide.get_mut(start..)?.get_mut(..cols)?;
    random.fill(wide, i16::MIN, i16::MAX, |word| word as i16);
    let channels = channels.get_mut(..rows)?;
    random.channels(channels);
    let scratch = scratch.get_mut(random.up_to(2) - 1..)?;
    let to_narrow = OutputStage {
        zero_point: random.word() as i8,
        min: -100,
        max: 127,
    };
    let to_wide = OutputStage {
        zero_point: 0,
        min: i16::MIN,
        max: 30_000,
    };
    let mut same = true;
    for order in ORDERS {
        let packed = packed.get_mut(..order.stored_bytes(rows, cols)?)?;
        pack(row_major, rows, cols, order, packed).ok()?;
        let weights = Matrix::new(packed, rows, cols, order).ok()?;
        let layer = (&weights, &*channels);
        let (output, expected) = (&mut **narrow_output, &mut **narrow_expected);
        same &= same_layer(layer, &to_narrow, narrow, scratch, output, expected)?;
        same &= same_layer(layer, &to_narrow, wide, scratch, output, expected)?;
        let (output, expected) = (&mut wide_output[..], &mut wide_expected[..]);
        same &= same_layer(layer, &to_wide, narrow, scratch, output, expected)?;
        same &= same_layer(layer, &to_wide, wide, scratch, output, expected)?;
    }
    Some(same)
}

fn same_layer<I: Activation, O: Activation + PartialEq>(
    (weights, channels): (&Matrix<'_>, &[Channel]),
    stage: &OutputStage<O>,
    input: &[I],
    scratch: &mut [i16],
    output: &mut [O],
    expected: &mut [O],
) -> Option<bool> {
    // What lies behind the outputs must stay as it is.
    output.fill(stage.max);
    expected.fill(stage.max);
    let rows = weights.rows();
    reference::dense(weights, channels, stage, input, expected.get_mut(..rows)?);
    dense(
        weights,
        Channels::new(channels).ok()?,
        stage,
        input,
        scratch,
        output.get_mut(..rows)?,
    )
    .ok()?;
    Some(output == expected)
}

fn conv_case(
    memory: &mut Buffers<'_>,
    random: &mut Random,
    rows: usize,
    depth: usize,
) -> Option<bool> {
    let Buffers {
        packed,
        row_major,
        narrow,
        scratch,
        narrow_outputs: [output, expected],
        channels,
        ..
    } = memory;
    let padding = if random.word() & 1 == 0 {
        Padding::Same
    } else {
        Padding::Valid
    };
    let (height, width) = (2 + random.up_to(5), 2 + random.up_to(5));
    let geometry = Conv3x3::new(height, width, depth, random.up_to(2), padding)?;
    let cols = geometry.window_len();
    let row_major = row_major.get_mut(..rows * cols)?;
    random.fill(row_major, -128, 127, |word| word as i8);
    let start = random.up_to(MAX_START + 1) - 1;
    let input = narrow.get_mut(start..)?.get_mut(..geometry.input_len())?;
    random.fill(input, -128, 127, |word| word as i8);
    let channels = channels.get_mut(..rows)?;
    random.channels(channels);
    let stage = OutputStage {
        zero_point: 5,
        min: -128,
        max: 127,
    };
    let zero_point = random.word() as i8;
    let [out_height, out_width] = geometry.output_size();
    let outputs = out_height * out_width * rows;
    let mut same = true;
    for order in ORDERS {
        let packed = packed.get_mut(..order.stored_bytes(rows, cols)?)?;
        pack(row_major, rows, cols, order, packed).ok()?;
        let weights = Matrix::new(packed, rows, cols, order).ok()?;
        output.fill(9);
        expected.fill(9);
        let target = expected.get_mut(..outputs)?;
        reference::conv3x3(
            &geometry, &weights, channels, &stage, zero_point, input, target,
        );
        let target = output.get_mut(..outputs)?;
        let proved = Channels::new(channels).ok()?;
        conv3x3(
            &geometry, &weights, proved, &stage, zero_point, input, scratch, target,
        )
        .ok()?;
        same &= output == expected;
        // Window by window; a channel or an output too few writes nothing.
        output.fill(9);
        let target = output.get_mut(..outputs)?;
        let few_channels = Channels::new(channels.get(1..)?).ok()?;
        for_each_taps(
            &geometry,
            rows,
            zero_point,
            input,
            scratch,
            target,
            &mut |taps, cell| {
                let few = cell.get_mut(1..).unwrap_or_default();
                same &= taps.dense(&weights, proved, &stage, few).is_err()
                    && taps.dense(&weights, few_channels, &stage, cell).is_err()
                    && cell.iter().all(|y| *y == 9);
                taps.dense(&weights, proved, &stage, cell)
            },
        )
        .ok()?;
        same &= output == expected;
    }
    Some(same)
}

fn distance_case(
    memory: &mut Buffers<'_>,
    random: &mut Random,
    rows: usize,
    cols: usize,
) -> Option<bool> {
    let Buffers {
        wide, centroids, ..
    } = memory;
    let start = random.up_to(2) - 1;
    let centroids = centroids.get_mut(start..)?.get_mut(..rows * cols)?;
    random.fill(centroids, i16::MIN, i16::MAX, |word| word as i16);
    let start = random.up_to(2) - 1;
    let sample = wide.get_mut(start..)?.get_mut(..cols)?;
    random.fill(sample, i16::MIN, i16::MAX, |word| word as i16);
    let mut norms = [0; MAX_CENTROIDS];
    let norms = norms.get_mut(..rows)?;
    let mut sums = [0; MAX_CENTROIDS];
    let sums = sums.get_mut(..rows)?;
    let offsets = norms.iter_mut().zip(sums.iter_mut());
    for ((norm, sum), centroid) in offsets.zip(centroids.chunks_exact(cols)) {
        *norm = reference::dot(centroid, centroid);
        *sum = centroid.iter().map(|c| i64::from(*c)).sum();
    }
    let first = centroids.get(..cols)?;
    let same = nearest_l2(centroids, norms, sample).ok()?
        == reference::nearest_l2(centroids, sample)
        && nearest_l1(centroids, sums, sample).ok()? == reference::nearest_l1(centroids, sample)
        && manhattan_distance(first, sample).ok()? == reference::manhattan_distance(first, sample)
        && dot(first, sample).ok()? == reference::dot(first, sample)
        && squared_distance(first, sample).ok()? == reference::squared_distance(first, sample);
    Some(same)
}

/// A factor for each component, and one for all.
fn mahalanobis_case(
    memory: &mut Buffers<'_>,
    random: &mut Random,
    components: usize,
    cols: usize,
) -> Option<bool> {
    let Buffers { wide, factors, .. } = memory;
    let (len, rows) = (factor_len(cols).max(1), factor_rows(cols).max(1));
    let start = random.up_to(2) - 1;
    let factors = factors.get_mut(start..)?.get_mut(..components * len)?;
    random.fill(factors, i16::MIN, i16::MAX, |word| word as i16);
    let start = random.up_to(2) - 1;
    let sample = wide.get_mut(start..)?.get_mut(..cols)?;
    random.fill(sample, i16::MIN, i16::MAX, |word| word as i16);
    let mut offsets = [0_i64; MAX_COMPONENTS * MAX_FACTOR_ROWS];
    let offsets = offsets.get_mut(..components * rows)?;
    for offset in &mut *offsets {
        *offset = i64::from(random.word().cast_signed()) << (random.word() % 21);
    }
    let mut shifts = [0; MAX_COMPONENTS * MAX_FACTOR_ROWS];
    let shifts = shifts.get_mut(..components * rows)?;
    for shift in &mut *shifts {
        *shift = (random.word() >> 27) as u8;
    }
    let mut distances = [0; MAX_COMPONENTS];
    let distances = distances.get_mut(..components)?;
    let mut same = true;
    for shared in [false, true] {
        let (factors, shifts) = if shared {
            (factors.get(..len)?, shifts.get(..rows)?)
        } else {
            (&*factors, &*shifts)
        };
        let proved = Shifts::new(shifts).ok()?;
        mahalanobis(factors, offsets, proved, sample, distances).ok()?;
        for (index, distance) in distances.iter().enumerate() {
            let at = if shared { 0 } else { index };
            let expected = reference::mahalanobis(
                factors.chunks_exact(len).nth(at)?,
                offsets.chunks_exact(rows).nth(index)?,
                shifts.chunks_exact(rows).nth(at)?,
                sample,
            );
            same &= *distance == expected;
        }
    }
    Some(same)
}

/// Rows and columns of weights added up where bits are set.
fn rows_case(
    memory: &mut Buffers<'_>,
    random: &mut Random,
    rows: usize,
    cols: usize,
) -> Option<bool> {
    let stride = row_stride(cols);
    // Any start: kernels that read words must not mind.
    let start = if random.word().is_multiple_of(4) {
        1
    } else {
        0
    };
    let weights = memory
        .row_major
        .get_mut(start..)?
        .get_mut(..rows * stride)?;
    random.fill(weights, -128, 127, |word| word as i8);
    let mut active = [0_u32; 17];
    let active = active.get_mut(..bit_words(rows))?;
    random.fill(active, 0, u32::MAX, |word| word.rotate_left(9) ^ word);
    let mut start = [0_i32; 80];
    let start = start.get_mut(..cols)?;
    random.fill(start, i32::MIN, i32::MAX, u32::cast_signed);
    let mut sums = [0_i32; 80];
    let sums = sums.get_mut(..stride)?;
    let mut expected = [0_i32; 80];
    let expected = expected.get_mut(..stride)?;
    add_rows(weights, active, start, sums).ok()?;
    reference::add_rows(weights, active, start, expected);
    let mut same = sums.get(..cols)? == expected.get(..cols)?;
    let mut active = [0_u32; 3];
    let active = active.get_mut(..bit_words(cols))?;
    random.fill(active, 0, u32::MAX, |word| word.rotate_left(9) ^ word);
    let [sums, expected] = &mut memory.sums;
    let (sums, expected) = (sums.get_mut(..rows)?, expected.get_mut(..rows)?);
    sums.fill(0);
    expected.fill(0);
    add_columns(weights, cols, active, sums).ok()?;
    reference::add_columns(weights, cols, active, expected);
    same &= sums == expected;
    Some(same)
}

const CHAIN_VISIBLE: usize = 40;
const CHAIN_HIDDEN: usize = 24;
/// What ten thousand steps give on the host (`rbm::tests` of the core crate pins the same numbers).
const CHAIN_HASHES: [u32; CHAINS] = [2_958_136_208, 2_958_136_208, 1_318_286_973];

/// Ten thousand steps of a chain: both orders of the weights, one, Gaussian units.
fn chain_case(memory: &mut Buffers<'_>, case: usize) -> Option<bool> {
    let units = if case == 2 {
        Units::Gaussian
    } else {
        Units::Bernoulli
    };
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    let (stride, transposed_stride) = (row_stride(CHAIN_VISIBLE), row_stride(CHAIN_HIDDEN));
    let weights = memory.row_major.get_mut(..CHAIN_HIDDEN * stride)?;
    let transposed = memory.packed.get_mut(..CHAIN_VISIBLE * transposed_stride)?;
    for (i, row) in weights.chunks_exact_mut(stride).enumerate() {
        let mirrored = transposed.chunks_exact_mut(transposed_stride);
        for (w, mirrored) in row.iter_mut().zip(mirrored) {
            *w = (next() as u8).cast_signed();
            *mirrored.get_mut(i)? = *w;
        }
    }
    let mut visible_biases = [0; CHAIN_VISIBLE];
    let mut hidden_biases = [0; CHAIN_HIDDEN];
    for bias in visible_biases.iter_mut().chain(&mut hidden_biases) {
        *bias = (next().cast_signed() - 128) << 12;
    }
    let tensors = Tensors {
        weights,
        transposed: if case == 0 { transposed } else { &[] },
        visible_biases: &visible_biases,
        hidden_biases: &hidden_biases,
    };
    // 1 / 128
    let rbm = Rbm::new(units, Multiplier::new(1 << 30, 37)?, tensors).ok()?;
    let mut words = [0; Gibbs::words(Units::Gaussian, CHAIN_VISIBLE, CHAIN_HIDDEN)];
    let words = words.get_mut(..Gibbs::words(units, CHAIN_VISIBLE, CHAIN_HIDDEN))?;
    let mut chain = Gibbs::new(rbm, words).ok()?;
    let mut rng = Generator::from_seed(10_000);
    let mut hash = 0x811c_9dc5_u32;
    for _ in 0..10_000 {
        chain.step(&mut rng);
        let mut mix = |word: u32| hash = (hash ^ word).wrapping_mul(0x0100_0193);
        chain.hidden_bits().iter().copied().for_each(&mut mix);
        match chain.visible() {
            States::Binary(bits) => bits.iter().copied().for_each(mix),
            States::Real(values) => values.iter().for_each(|x| mix(*x as u32)),
        }
    }
    Some(CHAIN_HASHES.get(case) == Some(&hash))
}
