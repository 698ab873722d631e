//! IDX, the format of MNIST: two zero bytes, a type, the rank, big-endian sizes, big-endian values.

use anyhow::{Context, Result, bail, ensure};

use super::Table;

/// Reads an IDX file: the first dimension counts rows, all others are flattened into columns.
pub(super) fn read(source: &str, bytes: &[u8]) -> Result<Table> {
    let (&[zero_0, zero_1, kind, rank], rest) = bytes
        .split_first_chunk()
        .with_context(|| format!("{source} is too short for an IDX file; fetch it again"))?;
    ensure!(
        zero_0 == 0 && zero_1 == 0 && rank > 0,
        "{source} does not start as an IDX file does; name it after the format it really has"
    );
    let (sizes, data) = rest
        .split_at_checked(usize::from(rank) * 4)
        .with_context(|| format!("{source} ends within its IDX header; fetch it again"))?;
    let sizes: Vec<usize> = sizes
        .as_chunks()
        .0
        .iter()
        .map(|&size| u32::from_be_bytes(size) as usize)
        .collect();
    let width = sizes[1..]
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size));
    let count = width.and_then(|width| width.checked_mul(sizes[0]));
    let (Some(width), Some(count)) = (width, count) else {
        bail!("{source} announces {sizes:?} values, more than fit in memory; fetch it again");
    };
    let (values, element_bytes): (Vec<f32>, usize) = match kind {
        0x08 => (data.iter().map(|&byte| f32::from(byte)).collect(), 1),
        0x09 => (decode(data, |[byte]| f32::from(byte as i8)), 1),
        0x0b => (decode(data, |b| f32::from(i16::from_be_bytes(b))), 2),
        0x0c => (decode(data, |b| i32::from_be_bytes(b) as f32), 4),
        0x0d => (decode(data, f32::from_be_bytes), 4),
        0x0e => (decode(data, |b| f64::from_be_bytes(b) as f32), 8),
        _ => bail!(
            "{source} has the IDX type {kind:#04x}, which does not exist; name it after the format it really has"
        ),
    };
    ensure!(
        Some(data.len()) == count.checked_mul(element_bytes),
        "{source} announces {count} values of {element_bytes} bytes but holds {} bytes of them; fetch it again",
        data.len()
    );
    Table::new(source, Table::numbered_columns(width), values)
}

fn decode<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks()
        .0
        .iter()
        .map(|&bytes| value(bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
                "x.idx does not start as an IDX file does; name it after the format it really has",
            ),
            (
                vec![0, 0, 8, 3, 0, 0],
                "x.idx ends within its IDX header; fetch it again",
            ),
            (
                file(8, &[u32::MAX, u32::MAX, u32::MAX], &[]),
                "x.idx announces [4294967295, 4294967295, 4294967295] values, more than fit in memory; fetch it again",
            ),
            (
                file(7, &[1], &[1]),
                "x.idx has the IDX type 0x07, which does not exist; name it after the format it really has",
            ),
            (
                file(8, &[3, 2], &[1, 2, 3]),
                "x.idx announces 6 values of 1 bytes but holds 3 bytes of them; fetch it again",
            ),
            (
                file(8, &[0, 2], &[]),
                "x.idx has no rows; give a file with data in it",
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read("x.idx", &bytes).unwrap_err().to_string(), expected);
        }
    }
}
