//! Header, text, directories, the scaler.

use super::*;

#[test]
fn header() {
    let valid = worked();
    valid.bytes("`41 44 4D 1A`", |b| b[0] = b'a', LoadError::Magic);
    valid.bytes(
        "| 4 | 2 | version | 1 |",
        |b| b[4] = 2,
        LoadError::Version {
            found: 2,
            supported: 1,
        },
    );
    let says = "| 6 | 2 | parts | 1 to 64, the scaler included |";
    valid.bytes(says, |b| b[6] = 0, LoadError::Scaler);
    valid.bytes(says, |b| b[6] = 65, LoadError::Header);
    valid.bytes(
        "| 8 | 4 | length | of the whole file |",
        |b| b[8] += 1,
        LoadError::Length {
            declared: 296,
            given: 295,
        },
    );
    let says = "| 16 | 2 | tensors | at most 2112 |";
    valid.bytes(
        says,
        |b| b[16..18].copy_from_slice(&2113u16.to_le_bytes()),
        LoadError::Header,
    );
    valid.bytes(
        "| 18 | 2 | reserved | 0 |",
        |b| b[18] = 1,
        LoadError::Header,
    );
    valid.bytes(
        "| 28 | 4 | reserved | 0 |",
        |b| b[28] = 1,
        LoadError::Header,
    );
    let says =
        "| 12 | 4 | checksum | CRC-32 (IEEE 802.3, ISO-HDLC) of bytes 0..12 and 16..length |";
    assert_documented(says);
    let mut bytes = valid.0.bytes();
    bytes[12] ^= 1;
    assert!(matches!(
        Model::load(&bytes),
        Err(LoadError::Checksum { .. })
    ));
}

#[test]
fn text() {
    let says = "| 20 | 4 | text offset | the end of the last tensor |";
    for valid in [worked(), {
        let mut raw = worked().0;
        raw.text.clear();
        Valid(raw)
    }] {
        let bytes = valid.0.bytes();
        assert!(Model::load(&bytes).is_ok());
        let right = u32::from_le_bytes(bytes[20..24].try_into().unwrap());
        for offset in (0..bytes.len() as u32 + 2).chain([u32::MAX]) {
            if offset != right {
                let change = |b: &mut [u8]| b[20..24].copy_from_slice(&offset.to_le_bytes());
                valid.bytes(says, change, LoadError::Text);
            }
        }
    }
    let says = "| 24 | 4 | text length | UTF-8, to the end of the file |";
    for length in [0, 6, 8, u32::MAX] {
        let change = |b: &mut [u8]| b[24..28].copy_from_slice(&length.to_le_bytes());
        worked().bytes(says, change, LoadError::Text);
    }
    worked().broken(says, |raw| raw.text[0] = 0xff, LoadError::Text);
}

#[test]
fn part_directory() {
    let valid = worked();
    let says =
        "1 to 16 printable ASCII characters without spaces, padded with zeros, unique in the file";
    for name in [
        *b"\0lusters\0\0\0\0\0\0\0\0",
        *b"clus ers\0\0\0\0\0\0\0\0",
        *b"clus\x7fers\0\0\0\0\0\0\0\0",
        *b"clusters\0\0\0x\0\0\0\0",
        *b"scaler\0\0\0\0\0\0\0\0\0\0",
        *b"clust\xc3\xa4rs\0\0\0\0\0\0\0",
    ] {
        valid.part("clusters", says, |part| part.name = name, Defect::Name);
    }
    let says = "1 scaler, 2 k-means, 3 PCA, 4 network, 5 Gaussian mixture, 6 latent classes, 7 restricted \
                Boltzmann machine, 8 deep belief net, 16 graph, 17 score network, 18 stack";
    for kind in [0, 9, 15, 19, 0x102] {
        valid.part(
            "clusters",
            says,
            |part| part.kind = kind,
            Defect::Kind { found: kind },
        );
    }
    let says = "of a network or a stack: 1 autoencoder, 2 denoiser; of a graph also 3 generator, 4 discriminator; \
                otherwise 0";
    valid.part(
        "scaler",
        says,
        |part| part.task = 1,
        Defect::Task { found: 1 },
    );
    valid.part(
        "clusters",
        says,
        |part| part.task = 1,
        Defect::Task { found: 1 },
    );
    for task in [0, 3, 4, 5] {
        networks().part(
            "denoiser",
            says,
            |part| part.task = task,
            Defect::Task { found: task },
        );
        let stacks = Valid::of(&small::encode(&small::stacks(), Order::RowMajor));
        stacks.part(
            "denoiser",
            says,
            |part| part.task = task,
            Defect::Task { found: task },
        );
    }
    let graphs = Valid::of(&graphs::container(Order::RowMajor));
    for task in [0, 5] {
        graphs.part(
            "denoiser",
            says,
            |part| part.task = task,
            Defect::Task { found: task },
        );
    }
    graphs.part(
        "score",
        says,
        |part| part.task = 2,
        Defect::Task { found: 2 },
    );
    let says = "parts own consecutive tensors, in order, without gaps";
    let first = 32 + 48 + 20;
    valid.bytes(
        says,
        |b| b[first] = 0,
        of_part(1, Defect::Tensor { index: 0 }),
    );
    valid.bytes(
        says,
        |b| b[first] = 2,
        of_part(1, Defect::Tensor { index: 0 }),
    );
    valid.bytes(
        says,
        |b| b[first + 2] = 3,
        of_part(1, Defect::Tensor { index: 3 }),
    );
    valid.bytes(
        says,
        |b| b[first + 2] = 1,
        of_part(1, Defect::Tensor { index: 1 }),
    );
    let says = "| 40 | 4 | workspace | bytes a run needs; must equal what the reader derives |";
    valid.part(
        "clusters",
        says,
        |part| part.workspace = 1,
        Defect::Workspace { needed: 0 },
    );
    for step in [-1, 1] {
        let networks = networks();
        let needed = networks.0.parts[3].workspace;
        let change = |part: &mut RawPart| part.workspace = needed.wrapping_add_signed(step);
        networks.part(
            "denoiser",
            says,
            change,
            Defect::Workspace {
                needed: needed as usize,
            },
        );
    }
    let says = "The first part is the scaler, and only the first; its workspace and source are 0.";
    valid.broken(says, |raw| raw.parts.swap(0, 1), LoadError::Scaler);
    valid.broken(says, |raw| raw.parts[1].kind = 1, LoadError::Scaler);
    valid.part(
        "scaler",
        says,
        |part| part.workspace = 4,
        Defect::Workspace { needed: 0 },
    );
    valid.part(
        "scaler",
        says,
        |part| part.source = 1,
        Defect::Source { found: 1 },
    );
}

#[test]
fn sources() {
    let valid = classical();
    let says = "A part that reads features takes as many as the scaler gives.";
    valid.part("whitened", says, |part| part.source = 0, Defect::Shape);
    valid.broken(
        says,
        |raw| {
            let line = raw.parts[0].tensors[0].bytes[..32].to_vec();
            raw.parts[0].tensors[0].bytes.extend(line);
            raw.parts[0].tensors[0].rows = 5;
            raw.parts[0].params[0] = 5;
        },
        of_part(1, Defect::Shape),
    );
    let says = "A part that reads part n takes as many values as that has components";
    valid.part("full", says, |part| part.source = 3, Defect::Shape);
    let says = "it must be a PCA with variances that reads features itself, and come earlier in the directory.";
    for source in [1, 2, 7, 8, 64, u32::MAX] {
        valid.part(
            "whitened",
            says,
            |part| part.source = source,
            Defect::Source { found: source },
        );
    }
    let bare = |raw: &mut Raw| {
        raw.part("components").tensors.truncate(3);
    };
    valid.broken(says, bare, of_part(7, Defect::Source { found: 3 }));
    // Two components of the two whitened scores of two components.
    let chain = |raw: &mut Raw| {
        let mut second = raw.part("components").clone();
        (second.name[0], second.source, second.params[1]) = (b'C', 3, 2);
        let one = 32_767i16.to_le_bytes();
        let zero = [0; 2];
        let [mean, rows, offsets, ..] = &mut second.tensors[..] else {
            unreachable!()
        };
        (mean.cols, mean.bytes) = (2, vec![0; 4]);
        (rows.cols, rows.bytes) = (2, [one, zero, zero, one].concat());
        offsets.bytes.fill(0);
        raw.parts.insert(4, second);
        let reader = raw.part("whitened");
        reader.source = 4;
    };
    valid.broken(says, chain, of_part(8, Defect::Source { found: 4 }));
}

#[test]
fn tensor_directory() {
    let valid = worked();
    // The entry of the centroids.
    let at = 32 + 2 * 48 + 20;
    let says = "| 0 | 1 | element | 1 `i8`, 2 `i16`, 3 `i64`, 4 scaler record, 5 layer record, 6 channel record, 7 \
                `i32`, 8 `u8`, 9 `u16`, 10 `u64`, 11 column record, 12 Gaussian record, 13 machine record, 32 \
                operation record, 33 addition record, 34 level record |";
    for element in [0, 14, 31, 35, 255] {
        valid.bytes(says, |b| b[at] = element, misplaced(1));
    }
    // Of the same size, for another role.
    valid.bytes(says, |b| b[at] = 9, of_part(1, Defect::Tensor { index: 0 }));
    let says = "0 row-major, 1 quads, 2 octets; other than 0 for `i8` weights only";
    for order in [1, 2, 3, 255] {
        valid.bytes(says, |b| b[at + 1] = order, misplaced(1));
    }
    let says = "| 2 | 1 | fractional bits | fixed by the tensor's role |";
    valid.bytes(
        says,
        |b| b[at + 2] = 11,
        of_part(1, Defect::Tensor { index: 0 }),
    );
    valid.bytes("| 3 | 1 | reserved | 0 |", |b| b[at + 3] = 1, misplaced(1));
    valid.bytes(
        "| 4 | 4 | rows | at least 1 |",
        |b| b[at + 4] = 0,
        misplaced(1),
    );
    valid.bytes(
        "| 8 | 4 | columns | at least 1 |",
        |b| b[at + 8] = 0,
        misplaced(1),
    );
    let says = "| 12 | 4 | offset | a multiple of 16, not before the end of the tensor before |";
    valid.bytes(says, |b| b[at + 12] += 8, misplaced(1));
    valid.bytes(says, |b| b[at + 12] -= 16, misplaced(1));
    valid.bytes(says, |b| b[at + 15] = 0x80, misplaced(1));
    let says = "| 16 | 4 | length | what element, order and shape need |";
    valid.bytes(says, |b| b[at + 16] += 1, misplaced(1));
    valid.bytes(says, |b| b[at + 16] -= 1, misplaced(1));
    // Orders that pad need as much as they store.
    let quads = Valid::of(&small::encode(&small::every_kind(3, 1), Order::Quads));
    let weights =
        |raw: &mut Raw, bytes: usize| raw.part("denoiser").tensors[1].bytes.resize(bytes, 0);
    for bytes in [13 * 3, 15 * 4, 16 * 4 + 1] {
        let at = quads.0.parts[..3]
            .iter()
            .map(|part| part.tensors.len())
            .sum::<usize>()
            + 1;
        quads.broken(says, |raw| weights(raw, bytes), misplaced(at as u16));
    }
}

#[test]
fn scalers() {
    let valid = worked();
    let says = "the smallest not above the largest";
    valid.part("scaler", says, param(1, 101), Defect::Shape);
    let says = "(`i16` range, sign-extended";
    valid.part("scaler", says, param(1, 0xff9c), Defect::Shape);
    valid.part("scaler", says, param(2, 40_000), Defect::Shape);
    valid.part(
        "scaler",
        "Parameters: features d, smallest count, largest count",
        param(0, 3),
        Defect::Shape,
    );
    valid.part(
        "scaler",
        "largest count (`i16` range, sign-extended, the smallest not above the largest), 0.",
        param(3, 1),
        Defect::Shape,
    );
    for way in [0, 16] {
        let field = |says: &str, at: usize, bytes: &[u8]| {
            assert_documented("| 16 | 16 | the same three for the way back | |");
            valid.part(
                "scaler",
                says,
                put(0, 32 + way + at, bytes),
                Defect::Scale { index: 1 },
            );
        };
        let most = (1i64 << 61) + 1;
        let says = "| 0 | 8 | bias | magnitude at most 2^61, rounding term included |";
        field(says, 0, &most.to_le_bytes());
        field(says, 0, &(-most).to_le_bytes());
        field(says, 0, &i64::MIN.to_le_bytes());
        field(
            "| 8 | 4 | multiplier | not negative |",
            8,
            &(-1i32).to_le_bytes(),
        );
        field("| 12 | 4 | shift | at most 62 |", 12, &63u32.to_le_bytes());
        field(
            "| 12 | 4 | shift | at most 62 |",
            12,
            &u32::MAX.to_le_bytes(),
        );
    }
}
