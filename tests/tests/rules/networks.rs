//! Dense networks and stacks that learn.

use super::*;

#[test]
fn dense_networks() {
    let valid = networks();
    let (dae, ae) = ("denoiser", "autoencoder");
    let says = "Parameters: layers (1 to 16), layers of the encoder or `FFFF FFFF`, 0, 0.";
    for (index, value) in [(0, 0), (0, 4), (0, 6), (1, 1 << 16), (2, 1), (3, 1)] {
        valid.part(dae, says, param(index, value), Defect::Shape);
    }
    let deep = small::random_network(&[4; 18], autodidact::model::Task::Denoiser, 1);
    let mut model = small::every_kind(4, 1);
    model.parts[2].1 = autodidact_tools::quantize::QuantisedPart::Network(deep);
    let error = format!("{:#}", model.encode(Order::RowMajor).unwrap_err());
    assert!(error.contains("17 layers are too many"), "{error}");
    let says = "an autoencoder has an encoder, of fewer layers than the whole";
    valid.part(ae, says, param(1, u32::MAX), Defect::Shape);
    for code in [0, 5, 6] {
        valid.part(ae, says, param(1, code), layer(code as u16));
    }
    let says = "The network gives as many features as it takes";
    let narrower = |part: &mut RawPart| {
        let last = part.tensors.len() - 2;
        let cols = part.tensors[last].cols as usize;
        (part.tensors[last].rows, part.tensors[last + 1].rows) = (3, 3);
        part.tensors[last].bytes.truncate(3 * cols);
        part.tensors[last + 1].bytes.truncate(36);
    };
    valid.part(dae, says, narrower, Defect::Shape);
    let says = "The last layer is a clamp with zero point 0: features in I4F12.";
    valid.part(dae, says, put(0, 64, &[2]), layer(4));
    valid.part(dae, says, put(0, 64 + 4, &[1]), layer(4));
    // Layers 0 to 4 are a clamp, a sigmoid and a wide tanh, a clamp, features.
    let record = |at: usize| 16 * at;
    let says = "| 0 | 1 | activation | 0 clamp (identity, ReLU), 1 sigmoid, 2 tanh |";
    for tag in [3, 4, 255] {
        valid.part(dae, says, put(0, record(0), &[tag]), layer(0));
    }
    let says = "0 `i8`, 1 `i16`; the first layer's is 1, every other the output before";
    for (at, tag) in [(0, 0), (1, 1), (3, 0), (2, 2)] {
        valid.part(dae, says, put(0, record(at) + 1, &[tag]), layer(at as u16));
    }
    let says = "0 `i8`, 1 `i16`; 1 for the last layer and for the code";
    valid.part(dae, says, put(0, record(0) + 2, &[2]), layer(0));
    valid.part(dae, says, put(0, record(4) + 2, &[0]), layer(4));
    valid.part(ae, says, param(1, 2), layer(2));
    let says = "| 3 | 1 | reserved | 0 |";
    valid.part(dae, says, put(0, record(1) + 3, &[1]), layer(1));
    let says = "| 4 | 2 | zero point | within the output's type; 0 with sigmoid and tanh |";
    valid.part(
        dae,
        says,
        put(0, record(0) + 4, &200i16.to_le_bytes()),
        layer(0),
    );
    valid.part(dae, says, put(0, record(1) + 4, &[1]), layer(1));
    let says = "| 6 | 2 | smallest output | within the type; its bound with sigmoid and tanh |";
    valid.part(
        dae,
        says,
        put(0, record(0) + 6, &(-129i16).to_le_bytes()),
        layer(0),
    );
    valid.part(
        dae,
        says,
        put(0, record(1) + 6, &(-127i16).to_le_bytes()),
        layer(1),
    );
    let says = "| 8 | 2 | largest output | likewise, not below the smallest |";
    valid.part(
        dae,
        says,
        put(0, record(0) + 8, &128i16.to_le_bytes()),
        layer(0),
    );
    valid.part(
        dae,
        says,
        put(0, record(0) + 8, &(-6i16).to_le_bytes()),
        layer(0),
    );
    valid.part(
        dae,
        says,
        put(0, record(2) + 8, &0i16.to_le_bytes()),
        layer(2),
    );
    valid.part(
        dae,
        "| 10 | 2 | reserved | 0 |",
        put(0, record(1) + 10, &[1]),
        layer(1),
    );
    let says =
        "`f32`, positive: real value of one output unit, for reports, no result depends on it";
    for unit in [0.0f32, -1.0, f32::NAN, f32::INFINITY] {
        valid.part(
            dae,
            says,
            put(0, record(1) + 12, &unit.to_le_bytes()),
            layer(1),
        );
    }
    channel_records(&valid, dae, 4);
    let says = "`|bias| + X · sum |w|` and its requantised value are below 2^31";
    let most = i32::MAX.to_le_bytes();
    valid.part(
        dae,
        says,
        put(2, 12, &most),
        Defect::AccumulatorOverflow { layer: 0, row: 1 },
    );
    // Scale 1/2 of a sum near the limit passes, scale 2 does not.
    let change = |part: &mut RawPart| {
        part.tensors[2].put(0, &(1i32 << 30).to_le_bytes());
        part.tensors[2].put(4, &(1i32 << 30).to_le_bytes());
        part.tensors[2].put(8, &29u32.to_le_bytes());
    };
    valid.part(
        dae,
        says,
        change,
        Defect::AccumulatorOverflow { layer: 0, row: 0 },
    );
    let says = "32768 for the first layer and for the first of the decoder";
    assert_documented(says);
}

#[test]
fn stacks() {
    let valid = Valid::of(&small::encode(&small::stacks(), Order::RowMajor));
    let name = "denoiser";
    let says = "Parameters: widths n (2 to 17); function of the hidden units: 0 ReLU, 1 sigmoid, 2 tanh, 3 ELU; 0, 0.";
    for (index, value) in [(0, 3), (0, 5), (1, 4), (1, 256), (2, 1), (3, 1)] {
        valid.part(name, says, param(index, value), Defect::Shape);
    }
    let widths = |count: usize| {
        move |part: &mut RawPart| {
            (part.params[0], part.tensors[0].rows) = (count as u32, count as u32);
            part.tensors[0].bytes = 6u16.to_le_bytes().repeat(count);
        }
    };
    valid.part(name, says, widths(1), Defect::Shape);
    valid.part(name, says, widths(18), Defect::TooManyLayers { found: 17 });
    let says = "each at least 1, the last that of the first";
    valid.part(name, says, put(0, 2, &[0]), Defect::Shape);
    valid.part(name, says, put(0, 6, &[7]), Defect::Shape);
    let says =
        "W is the sum of the products of neighbouring widths, B that of all widths but the first.";
    for index in [1, 2] {
        let cut = |part: &mut RawPart| {
            let tensor = &mut part.tensors[index];
            tensor.rows -= 1;
            tensor
                .bytes
                .truncate(tensor.rows as usize * [2, 4][index - 1]);
        };
        valid.part(name, says, cut, Defect::Shape);
    }
}
