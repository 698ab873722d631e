//! Graphs and score networks.

use super::*;

#[test]
fn graph_structure() {
    let valid = Valid::of(&graphs::container(Order::RowMajor));
    let name = "denoiser";
    let says = "Parameters: operations (1 to 64); input height in the low half of the word and input width in the \
                high half; input channels; operations of the encoder or `FFFF FFFF`.";
    for (index, value) in [
        (0, 0),
        (0, 5),
        (1, 0),
        (1, 4 << 16),
        (2, 0),
        (2, 1 << 16),
        (3, 1 << 16),
    ] {
        valid.part(name, says, param(index, value), Defect::Shape);
    }
    let sixty_five = |part: &mut RawPart| {
        part.params[0] = 65;
        part.tensors[0].rows = 65;
        part.tensors[0].bytes.resize(65 * 44, 0);
    };
    valid.part(name, says, sixty_five, Defect::TooManyLayers { found: 65 });
    let says = "An autoencoder gives as many features as it takes and has an encoder, whose value is `i16` and beyond \
                which no earlier value is read; no other graph has an encoder.";
    valid.part("autoencoder", says, param(3, u32::MAX), Defect::Shape);
    valid.part("autoencoder", says, param(3, 0), layer(0));
    valid.part("autoencoder", says, param(3, 2), layer(2));
    valid.part("discriminator", says, param(3, 1), layer(1)); // its value 1 is 8 bits wide
    valid.part("discriminator", says, |part| part.task = 1, Defect::Shape);
    valid.part("autoencoder", says, |part| part.task = 2, Defect::Shape);
    let says = "A denoiser gives as many as it takes";
    valid.part("discriminator", says, |part| part.task = 2, Defect::Shape);
    let says = "a generator gives as many as the part's source has, whatever it takes.";
    valid.part("discriminator", says, |part| part.task = 3, Defect::Shape);
    let says = "No tensor holds more than its operations take.";
    let more = |index: usize, bytes: usize| {
        move |part: &mut RawPart| {
            let tensor = &mut part.tensors[index];
            tensor.bytes.resize(tensor.bytes.len() + bytes, 0);
            tensor.rows += if index == 1 { bytes as u32 } else { 1 };
        }
    };
    valid.part(name, says, more(1, 16), Defect::Tensor { index: 1 });
    valid.part(name, says, more(1, 1), Defect::Tensor { index: 1 });
    valid.part(name, says, more(2, 12), Defect::Tensor { index: 2 });
    valid.part(name, says, more(3, 24), Defect::Tensor { index: 3 });
    let says = "absent without an addition";
    let extra = |part: &mut RawPart| {
        let unused = RawTensor {
            element: 33,
            order: 0,
            frac_bits: 0,
            reserved: 0,
            rows: 1,
            cols: 1,
            bytes: vec![0; 24],
        };
        part.tensors.push(unused);
    };
    valid.part("autoencoder", says, extra, Defect::Tensor { index: 3 });
    let says = "byte of tensor 1: the next multiple of 16 behind the operation before";
    // Operations 0, 2 and 5 of the denoiser have weights; sharing them is as wrong as leaving some out.
    for at in [0u32, 8, 16, 48, 144, u32::MAX] {
        valid.part(name, says, put(0, 2 * 44 + 28, &at.to_le_bytes()), layer(2));
    }
    let says = "first channel record, or the addition: the next behind the operation before";
    for at in [0u32, 2, 4, u32::MAX] {
        valid.part(name, says, put(0, 2 * 44 + 32, &at.to_le_bytes()), layer(2));
    }
    valid.part(name, says, put(0, 4 * 44 + 32, &[1]), layer(4));
}

#[test]
fn graph_operations() {
    let valid = Valid::of(&graphs::container(Order::RowMajor));
    let name = "denoiser";
    // A convolution to 8 bits, a pooling, a convolution with SiLU, an upsampling, a sum, a convolution.
    let field = |says: &str, op: u16, at: usize, bytes: &[u8]| {
        valid.part(
            name,
            says,
            put(0, 44 * usize::from(op) + at, bytes),
            layer(op),
        );
    };
    let says =
        "0 dense, 1 convolution 3x3, 2 addition, 3 average pooling 2x2, 4 nearest upsampling by 2";
    field(says, 0, 0, &[5]);
    field(says, 5, 0, &[255]);
    let says = "0 clamp, 1 sigmoid, 2 tanh, 3 ELU, 4 SiLU; 0 without weights";
    field(says, 0, 1, &[5]);
    field(says, 1, 1, &[2]);
    field("| 2 | 1 | output | 0 `i8`, 1 `i16` |", 0, 2, &[2]);
    field("| 3 | 1 | order | of the weights |", 0, 3, &[3]);
    field("Fields without a use are 0.", 1, 3, &[1]);
    let says = "| 4 | 1 | stride | of a convolution: 1 or 2 |";
    field(says, 0, 4, &[0]);
    field(says, 0, 4, &[3]);
    field("Fields without a use are 0.", 1, 4, &[1]);
    let says = "of a convolution: 0 same (TensorFlow's), 1 valid";
    field(says, 0, 5, &[2]);
    field("Fields without a use are 0.", 3, 5, &[1]);
    let says = "1: a set of channel records for each level";
    field(says, 0, 6, &[2]);
    field("Fields without a use are 0.", 4, 6, &[1]);
    field("| 7 | 1 | reserved | 0 |", 2, 7, &[1]);
    let says = "Operation i makes value i + 1 out of values before it";
    field(says, 1, 8, &[2]);
    field(says, 1, 8, &[255, 255]);
    field("| 10 | 2 | second input | of an addition |", 4, 10, &[5]);
    field("Fields without a use are 0.", 1, 10, &[1]);
    let says =
        "A weight matrix has as many rows as a dense layer has outputs or a convolution channels";
    field(says, 5, 16, &[2]);
    let says = "Pooling is `floor((a + b + c + d + 2) / 4)`; a last odd row or column is left out.";
    field(says, 1, 12, &[3]);
    field("4 nearest upsampling by 2", 3, 14, &[5]);
    field("second input | of an addition", 4, 16, &[2]);
    let says = "within the output's type; 0 with sigmoid and tanh, and with any function to `i16`";
    field(says, 0, 18, &128i16.to_le_bytes());
    let says = "| 20 | 2 | smallest output | within the type |";
    field(says, 2, 20, &(-129i16).to_le_bytes());
    let says = "| 22 | 2 | largest output | likewise, not below the smallest |";
    field(says, 2, 22, &128i16.to_le_bytes());
    field(says, 2, 22, &(-129i16).to_le_bytes());
    let says = "Pooling and upsampling keep type, zero point and clamp of their input.";
    for (at, value) in [(2, [1, 0]), (18, [1, 0]), (20, [1, 0]), (22, [126, 0])] {
        field(says, 1, at, &value[..if at == 2 { 1 } else { 2 }]);
    }
    let says =
        "ELU and SiLU to `i8`: 2^-12 over the output's unit, times 2^20, at least 1; otherwise 0";
    field(says, 2, 24, &[0, 0]);
    field(says, 0, 24, &[1]);
    let says = "ELU and SiLU to `i16`: 0 to 4, 0 in the last operation; otherwise 0";
    field(says, 2, 26, &[1]);
    field(says, 5, 26, &[1]);
    let says = "byte of the arena, a multiple of 4; 0 for the last operation";
    field(says, 0, 36, &[2]);
    field(says, 5, 36, &[4]);
    let says = "`f32`, positive: real value of one output unit, for reports |";
    for unit in [0.0f32, -1.0, f32::NAN, f32::INFINITY] {
        field(says, 3, 40, &unit.to_le_bytes());
    }
    let says = "An operation writes over no value that it or a later operation reads";
    let place = |op: usize| valid.0.parts[1].tensors[0].bytes[44 * op + 36..][..4].to_vec();
    field(says, 1, 36, &place(0));
    let says = "none lies behind what all of them would take side by side";
    field(says, 1, 36, &[0, 0, 1]);
    let says = "every value but the last is read";
    field(says, 5, 8, &[3]);
    let says = "and the last value is the output, `i16` features in I4F12";
    field(says, 5, 1, &[1]);
    field(says, 5, 18, &[1]);
    // The code of the autoencoder is an ELU of 16 bits.
    let says = "0 with sigmoid and tanh, and with any function to `i16`";
    valid.part("autoencoder", says, put(0, 18, &[1]), layer(0));
    let says = "0 to 4, 0 in the last operation";
    valid.part("autoencoder", says, put(0, 26, &[5]), layer(0));
    let says = "beyond which no earlier value is read";
    let around = |part: &mut RawPart| {
        // The decoder reads the features beside the code: it has as many inputs.
        part.tensors[0].put(44 + 8, &[0]);
        part.tensors[1].rows = 48 + 256;
        part.tensors[1].bytes.resize(48 + 256, 0);
    };
    valid.part("autoencoder", says, around, layer(1));
    channel_records(&valid, name, 2);
}

#[test]
fn graph_sums_and_proofs() {
    let valid = Valid::of(&graphs::container(Order::RowMajor));
    let name = "denoiser";
    let addition = |says: &str, at: usize, bytes: &[u8]| {
        valid.part(name, says, put(3, at, bytes), layer(4));
    };
    let says = "`i64`, magnitude at most 2^61, rounding term and zero points included";
    addition(says, 0, &((1i64 << 61) + 1).to_le_bytes());
    addition(says, 0, &i64::MIN.to_le_bytes());
    addition("| 16 | 4 | shift | at most 62 |", 16, &63u32.to_le_bytes());
    addition("| 20 | 4 | reserved | 0 |", 20, &[1]);
    let says = "For every row and level as for a network, with X the largest magnitude that the value that is read can \
                hold";
    let most = i32::MAX.to_le_bytes();
    valid.part(
        name,
        says,
        put(2, 12, &most),
        Defect::AccumulatorOverflow { layer: 0, row: 1 },
    );
    let row = 1 + 2 * 2; // of the third set of the score network's first layer
    valid.part(
        "score",
        says,
        put(2, 12 * row, &most),
        Defect::AccumulatorOverflow { layer: 0, row: 1 },
    );
    let says = "32768 for value 0 and for a code";
    // Three weights of at most 128 read the code, whose own clamp is 0 here.
    let narrow_code = |part: &mut RawPart| {
        part.tensors[0].put(20, &[0; 4]);
        part.tensors[2].put(3 * 12, &(i32::MAX - 1000).to_le_bytes());
    };
    valid.part(
        "autoencoder",
        says,
        narrow_code,
        Defect::AccumulatorOverflow { layer: 1, row: 0 },
    );
}

#[test]
fn score_networks() {
    let valid = Valid::of(&graphs::container(Order::RowMajor));
    let level = |says: &str, level: usize, at: usize, bytes: [u8; 4]| {
        let index = level as u32;
        valid.part(
            "score",
            says,
            put(3, 16 * level + at, &bytes),
            Defect::Scale { index },
        );
    };
    let says = "Tensor 3: levels x 1 level records, the standard deviations falling";
    level(says, 1, 0, (4u32 << 20).to_le_bytes());
    for (says, at) in [
        (
            "of the noise, in feature units, `u32`, 20 fractional bits, 1 to 2^31 - 1",
            0,
        ),
        (
            "| 4 | 4 | c_in | `u32`, 30 fractional bits, 1 to 2^31 - 1 |",
            4,
        ),
        (
            "| 12 | 4 | c_out | `u32`, 20 fractional bits, 1 to 2^31 - 1 |",
            12,
        ),
    ] {
        level(says, 0, at, 0u32.to_le_bytes());
        level(says, 0, at, (1u32 << 31).to_le_bytes());
    }
    let says = "| 8 | 4 | c_skip - 1 | `i32`, 30 fractional bits, within ±1 |";
    for skip in [(1i32 << 30) + 1, -(1 << 30) - 1, i32::MIN] {
        level(says, 2, 8, skip.to_le_bytes());
    }
    let says = "those of a graph that gives as many features as it takes and has no encoder";
    valid.part("score", says, param(3, 1), Defect::Shape);
    let fewer = |part: &mut RawPart| {
        part.tensors[3].rows = 2;
        part.tensors[3].bytes.truncate(32);
    };
    // The first layer has a set of records for each level: now one is left over.
    valid.part(
        "score",
        "1: a set of channel records for each level",
        fewer,
        layer(1),
    );
}
