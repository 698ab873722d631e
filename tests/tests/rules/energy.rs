//! Boltzmann machines and belief nets.

use super::*;

#[test]
fn machines() {
    let valid = Valid::of(&small::energy());
    let says = "Parameters: machines n, 0, 0, 0; n is 1 for kind 7 and 1 to 8 for kind 8.";
    for (index, value) in [(0, 0), (0, 2), (1, 1), (2, 1), (3, 1)] {
        valid.part("binary", says, param(index, value), Defect::Shape);
    }
    let twice = |part: &mut RawPart| {
        part.params[0] = 2;
        part.tensors[0].rows = 2;
        part.tensors[0].bytes.extend_from_within(..);
    };
    valid.part("binary", says, twice, Defect::Shape);
    let nine = |part: &mut RawPart| {
        part.params[0] = 9;
        part.tensors[0].rows = 9;
        part.tensors[0].bytes = part.tensors[0].bytes[..16].repeat(9);
    };
    valid.part("stack", says, nine, Defect::TooManyLayers { found: 9 });
    let says = "1 to 4096; of every machine but the first, the hidden units of the one before";
    for units in [0u32, 20, 4097, u32::MAX] {
        valid.part("real", says, put(0, 0, &units.to_le_bytes()), Defect::Shape);
    }
    let swapped = |part: &mut RawPart| {
        // 18 x 5 after 21 x 18 becomes 5 x 18: both matrices are there, but they do not follow.
        part.tensors[0].put(16, &[5, 0, 0, 0, 18]);
        part.tensors.swap(4, 5);
        part.tensors.swap(6, 7);
        (
            part.tensors[4].bytes,
            part.tensors[4].rows,
            part.tensors[4].cols,
        ) = (vec![0; 18 * 16], 18, 16);
        (
            part.tensors[5].bytes,
            part.tensors[5].rows,
            part.tensors[5].cols,
        ) = (vec![0; 5 * 32], 5, 32);
    };
    valid.part("stack", says, swapped, layer(1));
    valid.part(
        "real",
        "| 4 | 4 | hidden units H | 1 to 4096 |",
        put(0, 4, &[0]),
        Defect::Shape,
    );
    let says = "| 8 | 4 | multiplier | 2^30 to 2^31 - 1 |";
    valid.part(
        "real",
        says,
        put(0, 8, &((1i32 << 30) - 1).to_le_bytes()),
        Defect::Scale { index: 0 },
    );
    let says = "33 to 62; the scale s is multiplier / 2^shift";
    for shift in [0, 32, 63, 255] {
        valid.part(
            "real",
            says,
            put(0, 12, &[shift]),
            Defect::Scale { index: 0 },
        );
    }
    let says = "0 Bernoulli, 1 Gaussian (of the first machine only)";
    valid.part("real", says, put(0, 13, &[2]), Defect::Shape);
    valid.part("stack", says, put(0, 16 + 13, &[1]), layer(1));
    let says = "2 if the transposed weights are stored, otherwise 1";
    valid.part("real", says, put(0, 14, &[0]), Defect::Shape);
    valid.part("real", says, put(0, 14, &[3]), Defect::Shape);
    valid.part("real", says, put(0, 14, &[2]), Defect::Tensor { index: 2 });
    valid.part(
        "real",
        "| 15 | 1 | reserved | 0 |",
        put(0, 15, &[1]),
        Defect::Shape,
    );
    let says = "`w[i][j]` at row j, column i. Only with 2 orders";
    let was = valid.0.parts[1].tensors[2].bytes[3 * 32 + 4];
    valid.part(
        "binary",
        says,
        put(2, 3 * 32 + 4, &[was ^ 1]),
        Defect::Derived { index: 3 },
    );
    let says =
        "`|c| + X · sum |w|` is below 2^31; for every visible unit, `|b| + 2^12 · sum |w|` is.";
    let most = i32::MAX.to_le_bytes();
    valid.part(
        "real",
        says,
        put(3, 8, &most),
        Defect::AccumulatorOverflow { layer: 0, row: 2 },
    );
    valid.part(
        "real",
        says,
        put(2, 4, &most),
        Defect::AccumulatorOverflow { layer: 1, row: 1 },
    );
}
