//! Clusters, components, mixtures, latent classes.

use super::*;

#[test]
fn clusters() {
    let valid = worked();
    let says = "| 0 | squared Euclidean | 12 | sum of squares | 24 |";
    valid.part("clusters", says, param(2, 3), Defect::Shape);
    valid.part(
        "clusters",
        "Parameters: k, d, metric, 0.",
        param(3, 1),
        Defect::Shape,
    );
    valid.part(
        "clusters",
        "Parameters: k, d, metric, 0.",
        param(0, 3),
        Defect::Shape,
    );
    let says = "offsets, `i64`, k x 1, which must follow from the centroids";
    valid.part(
        "clusters",
        says,
        put(1, 8, &[1]),
        Defect::Derived { index: 1 },
    );
    let valid = classical();
    valid.part(
        "median",
        says,
        put(1, 0, &[1]),
        Defect::Derived { index: 0 },
    );
    valid.part(
        "direction",
        says,
        put(1, 8, &[1]),
        Defect::Derived { index: 1 },
    );
    valid.part(
        "direction",
        "| 2 | cosine | 15; squared length within 1/16 of 1 | 0 | 0 |",
        put(0, 8, &20_000i16.to_le_bytes()),
        Defect::Scale { index: 1 },
    );
    let says = "| 1 | Manhattan | 12 | sum | 12 |";
    valid.part(
        "median",
        says,
        tensor(1, |t| t.frac_bits = 24),
        Defect::Tensor { index: 1 },
    );
}

#[test]
fn components() {
    let valid = classical();
    let name = "components";
    valid.part(
        name,
        "Parameters: k, d, 0, 0; k at most d, d at most 65536.",
        param(2, 1),
        Defect::Shape,
    );
    valid.part(
        name,
        "Parameters: k, d, 0, 0; k at most d, d at most 65536.",
        param(3, 1),
        Defect::Shape,
    );
    let says = "k at most d, d at most 65536";
    assert_documented(says);
    let wide = vec![0i16; 65_537];
    assert_eq!(
        autodidact::pca::Pca::new(&wide, &wide, &[0]).map(|_| ()),
        Err(Defect::Shape)
    );
    assert_eq!(
        autodidact::pca::Pca::new(&[0], &[0, 0], &[0, 0]).map(|_| ()),
        Err(Defect::Shape)
    );
    let says = "no row longer than 2";
    let long = [32_767i16; 4].map(i16::to_le_bytes).concat();
    // A row of length 2 is accepted; rows of four cannot be longer. Five can.
    let mean = [0i16; 5];
    assert_documented(says);
    let offsets = [0];
    assert!(autodidact::pca::Pca::new(&mean, &[32_767; 5], &offsets).is_err());
    let offset: i64 = -[100i64, -200, 300, 0]
        .iter()
        .map(|m| m * 32_767)
        .sum::<i64>();
    let mut raw = valid.0.clone();
    raw.part(name).tensors[1].put(0, &long);
    raw.part(name).tensors[2].put(0, &offset.to_le_bytes());
    assert!(Model::load(&raw.bytes()).is_ok());
    let says = "each must be minus the dot product of its row and the mean";
    valid.part(name, says, put(2, 0, &[7]), Defect::Derived { index: 0 });
    let says = "not less than the sum of those before it";
    valid.part(
        name,
        says,
        put(3, 16, &(1u64 << 24).to_le_bytes()),
        Defect::Scale { index: 2 },
    );
    let says = "each must be floor(sqrt(2^88 / v)) for the variance v as stored, 0 for 0";
    valid.part(name, says, put(4, 0, &[1]), Defect::Derived { index: 0 });
    let says = "With variances there are two more.";
    valid.part(
        name,
        says,
        |part| part.tensors.truncate(4),
        Defect::Tensor { index: 4 },
    );
}

#[test]
fn mixtures() {
    let valid = classical();
    let (diagonal, tied, full) = ("diagonal", "tied", "full");
    let says = "Parameters: k (1 to 64), d (1 to 64), covariance (0 diagonal, 1 tied, 2 full), 0.";
    for (index, value) in [
        (0, 0),
        (0, 3),
        (0, 65),
        (1, 0),
        (1, 3),
        (1, 65),
        (2, 3),
        (3, 1),
    ] {
        valid.part(diagonal, says, param(index, value), Defect::Shape);
    }
    valid.part(tied, says, param(2, 2), Defect::Shape);
    let says = "| 0 weights | `i32` | 30 | k x 1 | each at least 1, sum 2^30 |";
    valid.part(diagonal, says, put(0, 0, &[1]), Defect::Weights);
    let all_and_none = |part: &mut RawPart| {
        part.tensors[0].put(0, &(1i32 << 30).to_le_bytes());
        part.tensors[0].put(4, &0i32.to_le_bytes());
    };
    valid.part(diagonal, says, all_and_none, Defect::Weights);
    let says = "| 3 shifts | `u8` | 0 | g x f | at most 31; a row of P is p / 2^shift |";
    valid.part(diagonal, says, put(3, 2, &[32]), Defect::Scale { index: 2 });
    valid.part(full, says, put(3, 5, &[255]), Defect::Scale { index: 5 });
    let says = "as the reader computes it from 0, 2 and 3";
    valid.part(
        diagonal,
        says,
        put(4, 4, &[1]),
        Defect::Derived { index: 1 },
    );
    let says = "not for diagonal covariances: -p · mean + floor(2^shift / 2)";
    valid.part(tied, says, put(5, 8, &[1]), Defect::Derived { index: 0 });
    valid.part(
        full,
        says,
        put(5, 8 * 7, &[1]),
        Defect::Derived { index: 1 },
    );
    valid.part(
        full,
        says,
        |part| part.tensors.truncate(5),
        Defect::Tensor { index: 5 },
    );
    let says = "A diagonal factor has one mantissa a feature, positive and at most 2^14.";
    for mantissa in [0i16, -1, (1 << 14) + 1] {
        valid.part(
            diagonal,
            says,
            put(2, 2, &mantissa.to_le_bytes()),
            Defect::Scale { index: 1 },
        );
    }
    let says = "places that no element has are 0. The diagonal is positive, and the magnitudes of a row sum to at \
                most 2^(12 + shift).";
    // Row 0, columns 0 and 1: the diagonal, and a place that no element has.
    valid.part(full, says, put(2, 2, &[1]), Defect::Scale { index: 0 });
    valid.part(full, says, put(2, 0, &[0, 0]), Defect::Scale { index: 0 });
    valid.part(full, says, put(3, 1, &[0]), Defect::Scale { index: 1 });
}

#[test]
fn latent_classes() {
    let valid = classical();
    let name = "classes";
    let says =
        "Parameters: classes k (1 to 256), columns c (1 to 1024), cells, Gaussian columns g.";
    for (index, value) in [
        (0, 0),
        (0, 3),
        (0, 257),
        (1, 0),
        (1, 5),
        (2, 3),
        (2, 5),
        (3, 3),
    ] {
        valid.part(name, says, param(index, value), Defect::Shape);
    }
    for (at, tag, levels) in [
        (0, 3u16, 2u16),
        (0, 0, 0),
        (0, 0, 257),
        (1, 1, 3),
        (2, 2, 1),
        (2, 0xffff, 0),
    ] {
        let says = if tag > 2 {
            "| 0 | 2 | kind | 0 categorical, 1 Bernoulli, 2 Gaussian |"
        } else {
            "| 2 | 2 | levels | 1 to 256, 2, 0 |"
        };
        let record = [tag.to_le_bytes(), levels.to_le_bytes()].concat();
        valid.part(
            name,
            says,
            put(0, 4 * at, &record),
            Defect::Column { index: at as u32 },
        );
    }
    let says = "-log2 of each class's probability, which sum to 1 within 2^-6";
    valid.part(
        name,
        says,
        put(1, 0, &3900u16.to_le_bytes()),
        Defect::Weights,
    );
    let says = "within a column and class they sum to 1 within 2^-6. Absent without cells";
    valid.part(
        name,
        says,
        put(2, 8, &3900u16.to_le_bytes()),
        Defect::Column { index: 1 },
    );
    valid.part(
        name,
        says,
        |part| part.params[2] = 0,
        Defect::Tensor { index: 2 },
    );
    let says = "count to feature and back. Absent without Gaussian columns";
    valid.part(
        name,
        says,
        put(3, 8, &(-1i32).to_le_bytes()),
        Defect::Scale { index: 0 },
    );
    let says = "| 8 | 4 | variance | `u32`, 24 fractional bits, at least 2^8 |";
    valid.part(
        name,
        says,
        put(4, 8, &255u32.to_le_bytes()),
        Defect::Derived { index: 0 },
    );
    let says = "Mantissa, shift and constant must be what the reader computes from the variance.";
    for field in [2, 4, 12] {
        let was = valid.0.parts[8].tensors[4].bytes[16 + field];
        valid.part(
            name,
            says,
            put(4, 16 + field, &[was ^ 1]),
            Defect::Derived { index: 1 },
        );
    }
}
