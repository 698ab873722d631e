//! Arrays of every type, order and version read back; damaged ones are one sentence.

use std::{fs, io::Write, path::PathBuf};

use flate2::{Compression, write::GzEncoder};
use ndarray::{Array2, ArrayD, ShapeBuilder, arr2};
use ndarray_npy::{WritableElement, WriteNpyExt};
use proptest::prelude::*;

use super::*;
use crate::data::{Chunks, ReadOptions, for_each_chunk, open, open_chunks};

/// Types by NumPy's names, with their layout.
const TYPES: [(&str, super::super::element::Kind); 12] = {
    use super::super::element::Kind::*;
    [
        ("b1", Bool),
        ("u1", U8),
        ("u2", U16),
        ("u4", U32),
        ("u8", U64),
        ("i1", I8),
        ("i2", I16),
        ("i4", I32),
        ("i8", I64),
        ("f2", F16),
        ("f4", F32),
        ("f8", F64),
    ]
};

/// A file that is removed in the end.
struct Made(PathBuf);

impl Made {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let folder = std::env::temp_dir().join(format!("autodidact-binary-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    /// Whole, or in blocks; without the folder where it fails.
    fn read(&self, block: Option<usize>) -> std::result::Result<(usize, Vec<f32>), String> {
        let options = ReadOptions::default();
        let read = || -> Result<(usize, Vec<f32>)> {
            let Some(block) = block else {
                let table = open(&self.0, &options)?;
                return Ok((table.width(), table.values().to_vec()));
            };
            let mut chunks = open_chunks(&self.0, &options, block)?;
            let mut values = Vec::new();
            for _ in 0..2 {
                values.clear();
                for_each_chunk(&mut chunks, |chunk| {
                    values.extend_from_slice(chunk.values());
                    Ok(())
                })?;
            }
            Ok((chunks.columns().len(), values))
        };
        let folder = format!("{}/", self.0.parent().unwrap().display());
        read().map_err(|error| error.to_string().replace(&folder, ""))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn npy(version: u8, descriptor: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header =
        format!("{{'descr': {descriptor}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A small whole number as a type stores it.
fn stored(name: &str, big_endian: bool, value: u8) -> Vec<u8> {
    let value = i16::from(value);
    let mut bytes = match name {
        "b1" | "u1" | "i1" => vec![value as u8],
        "f2" => half::f16::from_f32(value.into()).to_le_bytes().to_vec(),
        "f4" => f32::from(value).to_le_bytes().to_vec(),
        "f8" => f64::from(value).to_le_bytes().to_vec(),
        _ => {
            let bytes = i64::from(value).to_le_bytes();
            bytes[..name[1..].parse().unwrap()].to_vec()
        }
    };
    if big_endian {
        bytes.reverse();
    }
    bytes
}

/// An array in a file, and its rows.
#[derive(Clone, Debug)]
struct Written {
    bytes: Vec<u8>,
    values: Vec<f32>,
    width: usize,
    by_columns: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let sizes = (4..9_usize, 1..5_usize);
    let form = (0..TYPES.len(), any::<bool>(), any::<bool>(), 1..=3_u8);
    (sizes, form, prop::collection::vec(0..100_u8, 32)).prop_map(
        |((rows, width), (kind, big_endian, fortran, version), numbers)| {
            let name = TYPES[kind].0;
            let number = |at: usize| {
                if name == "b1" {
                    numbers[at] % 2
                } else {
                    numbers[at]
                }
            };
            let order = (0..rows * width).map(|at| match fortran {
                false => at,
                true => at % rows * width + at / rows,
            });
            let data: Vec<u8> = order
                .flat_map(|at| stored(name, big_endian, number(at)))
                .collect();
            let order = if big_endian { '>' } else { '<' };
            let shape = format!("({rows}, {width})");
            Written {
                bytes: npy(version, &format!("'{order}{name}'"), fortran, &shape, &data),
                values: (0..rows * width).map(|at| number(at).into()).collect(),
                width,
                by_columns: fortran && width > 1,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn arrays_read_back_whole_packed_and_in_blocks(array in written(), block in 1..10_usize) {
        let expected = Ok((array.width, array.values.clone()));
        let plain = Made::new("back.npy", &array.bytes);
        prop_assert_eq!(plain.read(None), expected.clone());
        prop_assert_eq!(plain.read(Some(block)), expected.clone());
        let packed = Made::new("back.npy.gz", &gzip(&array.bytes));
        prop_assert_eq!(packed.read(None), expected.clone());
        if array.by_columns {
            prop_assert!(packed.read(Some(block)).unwrap_err().contains("column by column and packed"));
        } else {
            prop_assert_eq!(packed.read(Some(block)), expected);
        }
    }

    #[test]
    fn damage_gives_a_table_or_a_sentence_and_the_same_in_blocks(
        array in written(),
        changed in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = array.bytes;
        for (at, byte) in changed {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        let made = Made::new("damaged.npy", &bytes);
        let whole = made.read(None);
        prop_assert_eq!(&made.read(Some(3)), &whole);
        if let Err(message) = whole {
            prop_assert!(!message.contains('\n') && message.chars().count() < 300, "{message}");
        }
    }
}

fn by_ndarray<T: WritableElement>(array: &Array2<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_another_writer_wrote_is_read() {
    let array = arr2(&[[1_i8, 2], [3, 4]]);
    for bytes in [
        by_ndarray(&array),
        by_ndarray(&array.mapv(|value| value as u8)),
        by_ndarray(&array.mapv(i16::from)),
        by_ndarray(&array.mapv(|value| value as u16)),
        by_ndarray(&array.mapv(i32::from)),
        by_ndarray(&array.mapv(|value| value as u32)),
        by_ndarray(&array.mapv(i64::from)),
        by_ndarray(&array.mapv(|value| value as u64)),
        by_ndarray(&array.mapv(f32::from)),
        by_ndarray(&array.mapv(f64::from)),
    ] {
        let table = read_bytes("x.npy", Format::Npy, &bytes).unwrap();
        assert_eq!(table.width(), 2);
        assert_eq!(table.values(), [1.0, 2.0, 3.0, 4.0]);
    }
    let flags = by_ndarray(&arr2(&[[true, false]]));
    let table = read_bytes("x.npy", Format::Npy, &flags).unwrap();
    assert_eq!(table.values(), [1.0, 0.0]);
    let fortran = Array2::from_shape_vec((2, 3).f(), vec![1_f32, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let table = read_bytes("x.npy", Format::Npy, &by_ndarray(&fortran.unwrap())).unwrap();
    assert_eq!(table.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn arrays_of_any_shape_are_turned_into_logical_order() {
    let cube = ArrayD::from_shape_fn(vec![2, 3, 4], |at| {
        (at[0] * 100 + at[1] * 10 + at[2]) as f64
    });
    let mut fortran = ArrayD::zeros(vec![2, 3, 4].f());
    fortran.assign(&cube);
    let mut bytes = Vec::new();
    fortran.write_npy(&mut bytes).unwrap();
    let read = npy::array("x.npy", &bytes).unwrap();
    assert_eq!(read.shape, [2, 3, 4]);
    assert_eq!(read.values, cube.iter().copied().collect::<Vec<_>>());
}

#[test]
fn one_dimension_is_one_column_and_shapes_may_name_their_type() {
    for shape in ["(4,)", "(4L,)", "(np.int64(4),)", "(4, 1)"] {
        let bytes = npy(1, "'|u1'", true, shape, &[1, 2, 3, 4]);
        let table = read_bytes("x.npy", Format::Npy, &bytes).unwrap();
        assert_eq!(
            (table.width(), table.values()),
            (1, &[1.0, 2.0, 3.0, 4.0][..])
        );
    }
}

#[test]
fn what_is_no_table_of_numbers_is_said_in_words() {
    let message = |descriptor: &str, shape: &str, data: &[u8]| {
        let bytes = npy(1, descriptor, false, shape, data);
        let made = Made::new("w.npy", &bytes);
        let whole = made.read(None).unwrap_err();
        assert_eq!(made.read(Some(2)).unwrap_err(), whole);
        whole
    };
    for (descriptor, expected) in [
        (
            "[('t', '<u4'), ('x', '<i2')]",
            "records (rows of named fields); save numpy.lib.recfunctions.structured_to_unstructured(a).astype(numpy.float32)",
        ),
        (
            "'|O'",
            "Python objects (pickled); save a.astype(numpy.float32)",
        ),
        (
            "'<c16'",
            "complex numbers; save numpy.abs(a), or numpy.hstack([a.real, a.imag])",
        ),
        (
            "'<f16'",
            "floating point of more than 64 bits; save a.astype(numpy.float64)",
        ),
        (
            "'<U5'",
            "text; save a.astype(numpy.float32) if it is text of numbers",
        ),
        (
            "'<M8[s]'",
            "dates; save a.astype(numpy.int64) less the first date",
        ),
        ("'<m8[ms]'", "spans of time; save a.astype(numpy.int64)"),
        (
            "'|V3'",
            "raw bytes; save it as numbers, such as a.view(numpy.uint8)",
        ),
        (
            "'<q9'",
            "values of the type `q9`, which NumPy does not have; save a.astype(numpy.float32)",
        ),
    ] {
        assert_eq!(
            message(descriptor, "(4,)", &[0; 99]),
            format!("w.npy holds {expected}")
        );
    }
    for (shape, expected) in [
        (
            "()",
            "w.npy is a single number; give an array of rows and columns",
        ),
        (
            "(1, 2, 2)",
            "w.npy has 3 dimensions (1 by 2 by 2); save it as rows and columns, a.reshape(len(a), -1)",
        ),
        (
            "(4, 0)",
            "w.npy has no columns (it is 4 by 0); give a file with data in it",
        ),
        (
            "(0, 4)",
            "w.npy has no rows (it is 0 by 4); give a file with data in it",
        ),
        (
            "(-4, 1)",
            "w.npy announces a dimension of -4, which is no size; save it with numpy.save",
        ),
        (
            "(4.0, 1)",
            "w.npy announces a dimension of 4.0, which is no size; save it with numpy.save",
        ),
        (
            "(4, 2)",
            "w.npy announces 4 by 2 values of 8 bits, but 4 bytes follow; save or fetch it again",
        ),
        (
            "(3, 1)",
            "w.npy has 1 bytes behind its 3 by 1 values; save it again as one plain array",
        ),
        (
            "(9999999999, 9999999999)",
            "w.npy announces 9999999999 by 9999999999 values of 8 bits, but 4 bytes follow; save or fetch it again",
        ),
    ] {
        assert_eq!(message("'|u1'", shape, &[0; 4]), expected);
    }
}

#[test]
fn packed_files_that_announce_too_much_are_a_sentence() {
    for shape in [
        "(5, 1)",
        "(4, 4611686018427387904)",
        "(1, 4000000000)",
        "(4000000000, 4000000000)",
    ] {
        let bytes = npy(2, "'<f4'", false, shape, &[0; 16]);
        let made = Made::new("p.npy.gz", &gzip(&bytes));
        for block in [None, Some(1_000_000_000)] {
            let message = made.read(block).unwrap_err();
            assert!(message.contains(" announces "), "{message}");
        }
    }
    let trailing = npy(2, "'<f4'", false, "(3, 1)", &[0; 16]);
    let made = Made::new("t.npy.gz", &gzip(&trailing));
    for block in [None, Some(2)] {
        let message = made.read(block).unwrap_err();
        assert_eq!(
            message,
            "t.npy.gz has 4 bytes behind its 3 by 1 values; save it again as one plain array"
        );
    }
    let mut broken = gzip(&npy(1, "'|u1'", false, "(40, 1)", &[7; 40]));
    broken.truncate(broken.len() - 6);
    let made = Made::new("b.npy.gz", &broken);
    for block in [None, Some(2)] {
        let message = made.read(block).unwrap_err();
        assert_eq!(
            message,
            "b.npy.gz is no valid gzip file; unpack it yourself or fetch it again"
        );
    }
}

#[test]
fn names_are_those_of_all_twelve_types() {
    for (name, kind) in TYPES {
        let bytes = npy(
            1,
            &format!("'<{name}'"),
            false,
            "(1,)",
            &[0; 8][..super::super::element::Element {
                kind,
                little_endian: true,
            }
            .bytes()],
        );
        assert!(read_bytes("x.npy", Format::Npy, &bytes).is_ok(), "{name}");
    }
}

#[test]
fn numbers_beyond_f32_are_named_where_they_stand() {
    let mut numbers = [1.0_f64; 12];
    numbers[7] = -1e39;
    let data: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    for (fortran, at) in [
        (false, "row 4, column `column 2`"),
        (true, "row 2, column `column 2`"),
    ] {
        let made = Made::new("far.npy", &npy(1, "'<f8'", fortran, "(6, 2)", &data));
        for block in [None, Some(1), Some(3)] {
            assert_eq!(
                made.read(block).unwrap_err(),
                format!(
                    "far.npy, {at}: -1e39 is beyond what 32-bit floats hold; divide the column before saving, or leave it out"
                )
            );
        }
    }
}

#[test]
fn empty_and_wrongly_packed_files_are_told_apart() {
    for (name, bytes, expected) in [
        (
            "e.npy",
            &b""[..],
            "e.npy is empty; give a file with data in it",
        ),
        (
            "t.npy.gz",
            b"1,2\n",
            "t.npy.gz is not packed by gzip but holds text; take .gz off its name",
        ),
        (
            "s.npy",
            b"\x93NUMPY\x01\x00\x10",
            "s.npy is no valid NPY file; save it with numpy.save",
        ),
    ] {
        let made = Made::new(name, bytes);
        for block in [None, Some(3)] {
            assert_eq!(made.read(block).unwrap_err(), expected);
        }
    }
}
