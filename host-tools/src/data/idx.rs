//! IDX, the format of MNIST: two zero bytes, a type, the rank, big-endian sizes, big-endian values.

use std::io::Read;

use anyhow::{Result, anyhow, bail, ensure};

use super::{
    binary::{Layout, sizes_text},
    element::{Element, Kind},
};

/// Reads the header: the first dimension counts rows, all others are flattened into columns.
pub(super) fn header(source: &str, reader: &mut dyn Read) -> Result<Layout> {
    let mut start = [0; 4];
    reader
        .read_exact(&mut start)
        .map_err(|_| anyhow!("{source} is too short for an IDX file; fetch it again"))?;
    let [zero_0, zero_1, kind, rank] = start;
    ensure!(
        zero_0 == 0 && zero_1 == 0 && rank > 0,
        "{source} does not start as an IDX file does; name it after the format it really has"
    );
    let mut sizes = vec![0; usize::from(rank) * 4];
    reader
        .read_exact(&mut sizes)
        .map_err(|_| anyhow!("{source} ends within its IDX header; fetch it again"))?;
    let sizes: Vec<usize> = sizes
        .as_chunks()
        .0
        .iter()
        .map(|&size| u32::from_be_bytes(size) as usize)
        .collect();
    let kind = match kind {
        0x08 => Kind::U8,
        0x09 => Kind::I8,
        0x0b => Kind::I16,
        0x0c => Kind::I32,
        0x0d => Kind::F32,
        0x0e => Kind::F64,
        _ => bail!(
            "{source} has the IDX type {kind:#04x}, which does not exist; name it after the format it really has"
        ),
    };
    let width = sizes[1..]
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size));
    let Some(width) = width else {
        bail!(
            "{source} announces {} values, more than any file holds; fetch it again",
            sizes_text(&sizes)
        );
    };
    Ok(Layout {
        element: Element {
            kind,
            little_endian: false,
        },
        rows: sizes[0],
        width,
        by_columns: false,
        start: 4 * (1 + u64::from(rank)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Table, binary::read_bytes, open::Format};

    fn read(source: &str, bytes: &[u8]) -> Result<Table> {
        read_bytes(source, Format::Idx, bytes)
    }

    fn file(kind: u8, sizes: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn every_type_is_read() {
        let cases: [(u8, Vec<u8>); 6] = [
            (0x08, vec![1, 200]),
            (0x09, vec![1, 200]),
            (
                0x0b,
                [1_i16, 200].iter().flat_map(|v| v.to_be_bytes()).collect(),
            ),
            (
                0x0c,
                [1_i32, 200].iter().flat_map(|v| v.to_be_bytes()).collect(),
            ),
            (
                0x0d,
                [1_f32, 200.0]
                    .iter()
                    .flat_map(|v| v.to_be_bytes())
                    .collect(),
            ),
            (
                0x0e,
                [1_f64, 200.0]
                    .iter()
                    .flat_map(|v| v.to_be_bytes())
                    .collect(),
            ),
        ];
        for (kind, data) in cases {
            let table = read("x.idx", &file(kind, &[2, 1], &data)).unwrap();
            let second = if kind == 0x09 { -56.0 } else { 200.0 };
            assert_eq!(table.values(), [1.0, second], "type {kind:#04x}");
        }
    }

    #[test]
    fn images_are_flattened() {
        let table = read("x.idx", &file(8, &[2, 2, 3], &[0; 12])).unwrap();
        assert_eq!((table.rows(), table.width()), (2, 6));
    }

    #[test]
    fn damage_is_one_clear_sentence() {
        let cases: [(Vec<u8>, &str); 7] = [
            (
                vec![0, 0],
                "x.idx is too short for an IDX file; fetch it again",
            ),
            (
                b"a,b\n1,2\n".to_vec(),
                "x.idx holds text, whatever its name says; name it .csv",
            ),
            (
                vec![0, 0, 8, 3, 0, 0],
                "x.idx ends within its IDX header; fetch it again",
            ),
            (
                file(8, &[u32::MAX, u32::MAX, u32::MAX], &[]),
                "x.idx announces 4294967295 by 18446744065119617025 values of 8 bits, but 0 bytes follow; save or fetch it again",
            ),
            (
                file(7, &[1], &[1]),
                "x.idx has the IDX type 0x07, which does not exist; name it after the format it really has",
            ),
            (
                file(8, &[3, 2], &[1, 2, 3]),
                "x.idx announces 3 by 2 values of 8 bits, but 3 bytes follow; save or fetch it again",
            ),
            (
                file(8, &[0, 2], &[]),
                "x.idx has no rows (it is 0 by 2); give a file with data in it",
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read("x.idx", &bytes).unwrap_err().to_string(), expected);
        }
    }
}
