//! NumPy's array file, through `ndarray-npy`.

use std::io::Read;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use ndarray::{ArrayD, Axis};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};
use py_literal::Value;

use super::{
    Table,
    element::{Element, Kind},
};

/// Reads a one- or two-dimensional array; one dimension becomes a single column.
pub(super) fn read(source: &str, bytes: &[u8]) -> Result<Table> {
    let attempts: [fn(&[u8]) -> Loaded; 7] = [
        |bytes| load(bytes, |value: f32| value),
        |bytes| load(bytes, |value: f64| value as f32),
        |bytes| load(bytes, |value: u8| f32::from(value)),
        |bytes| load(bytes, |value: i8| f32::from(value)),
        |bytes| load(bytes, |value: i16| f32::from(value)),
        |bytes| load(bytes, |value: i32| value as f32),
        |bytes| load(bytes, |value: i64| value as f32),
    ];
    let array = attempts
        .iter()
        .find_map(|attempt| match attempt(bytes) {
            Err(ReadNpyError::WrongDescriptor(_)) => None,
            other => Some(other),
        })
        .unwrap_or_else(|| attempts[0](bytes))
        .map_err(|error| explain(source, &error))?;
    let width = match *array.shape() {
        [_] => 1,
        [_, width] => width,
        _ => bail!(
            "{source} has {} dimensions; reshape it to rows and columns before saving",
            array.ndim()
        ),
    };
    if array.is_empty() {
        bail!("{source} has no rows; give a file with data in it");
    }
    // Iterating in logical order turns Fortran order into rows.
    let values = array
        .axis_iter(Axis(0))
        .flat_map(|row| row.iter().copied().collect::<Vec<f32>>())
        .collect();
    Table::new(source, Table::numbered_columns(width), values)
}

/// Reads an array of f64 or f32, of any number of dimensions.
pub(super) fn floats(source: &str, bytes: &[u8]) -> Result<ArrayD<f64>> {
    match ArrayD::<f64>::read_npy(bytes) {
        Err(ReadNpyError::WrongDescriptor(descriptor)) => match ArrayD::<f32>::read_npy(bytes) {
            Ok(array) => Ok(array.mapv(f64::from)),
            Err(_) => bail!("{source} holds values of type {descriptor}; save it as f64 or f32"),
        },
        other => other.map_err(|error| explain(source, &error)),
    }
}

/// What an NPY file says of its array.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// NumPy's name of the element type, such as `<f8` or `<U4`.
    pub(super) descriptor: String,
    /// The first dimension varies fastest.
    pub(super) fortran_order: bool,
    /// Sizes of the dimensions.
    pub(super) shape: Vec<usize>,
}

/// Reads the header and leaves the reader at the first element (NumPy enhancement proposal 1, versions 1
/// to 3).
pub(super) fn header(source: &str, reader: &mut dyn Read) -> Result<Header> {
    const LONGEST_HEADER: u32 = 1 << 20;
    let no_npy = || format!("{source} is no valid NPY file; save it with numpy.save");
    let mut start = [0; 8];
    reader.read_exact(&mut start).with_context(no_npy)?;
    let [magic @ .., major, _minor] = start;
    ensure!(&magic == b"\x93NUMPY", no_npy());
    let length = if major == 1 {
        let mut length = [0; 2];
        reader.read_exact(&mut length).with_context(no_npy)?;
        u32::from(u16::from_le_bytes(length))
    } else {
        let mut length = [0; 4];
        reader.read_exact(&mut length).with_context(no_npy)?;
        u32::from_le_bytes(length)
    };
    ensure!(length <= LONGEST_HEADER, no_npy());
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text).with_context(no_npy)?;
    let text = String::from_utf8(text).with_context(no_npy)?;
    let literal: Value = text.trim().parse().ok().with_context(no_npy)?;
    let entries = literal.as_dict().with_context(no_npy)?;
    let entry = |key: &str| {
        entries
            .iter()
            .find(|(name, _)| name.as_string().is_some_and(|name| name == key))
            .map(|(_, value)| value)
    };
    let shape = entry("shape")
        .and_then(Value::as_tuple)
        .and_then(|sizes| {
            sizes
                .iter()
                .map(|size| usize::try_from(size.as_integer()?).ok())
                .collect::<Option<Vec<usize>>>()
        })
        .with_context(no_npy)?;
    Ok(Header {
        descriptor: entry("descr")
            .and_then(Value::as_string)
            .with_context(no_npy)?
            .clone(),
        fortran_order: entry("fortran_order")
            .and_then(Value::as_boolean)
            .with_context(no_npy)?,
        shape,
    })
}

impl Header {
    /// How the elements are stored and how many rows of how many columns they are, for an array that can
    /// be read in blocks of rows.
    pub(super) fn rows(&self, source: &str) -> Result<(Element, usize, usize)> {
        let kind = match self.descriptor.trim_start_matches(['<', '>', '|', '=']) {
            "u1" => Kind::U8,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            _ => bail!(
                "{source} holds values of type '{}'; save it as f32, f64, u8, i8, i16, i32 or i64",
                self.descriptor
            ),
        };
        let (rows, width) = match *self.shape {
            [rows] => (rows, 1),
            [rows, width] => (rows, width),
            _ => bail!(
                "{source} has {} dimensions; reshape it to rows and columns before saving",
                self.shape.len()
            ),
        };
        ensure!(
            !self.fortran_order || width == 1 || rows == 1,
            "{source} is stored column by column and cannot be read in blocks of rows; save numpy.ascontiguousarray of it"
        );
        let little_endian = !self.descriptor.starts_with('>');
        Ok((
            Element {
                kind,
                little_endian,
            },
            rows,
            width,
        ))
    }
}

type Loaded = Result<ArrayD<f32>, ReadNpyError>;

fn load<T: ReadableElement + Copy>(bytes: &[u8], value: fn(T) -> f32) -> Loaded {
    Ok(ArrayD::<T>::read_npy(bytes)?.mapv(value))
}

fn explain(source: &str, error: &ReadNpyError) -> Error {
    match error {
        ReadNpyError::WrongDescriptor(descriptor) => anyhow!(
            "{source} holds values of type {descriptor}; save it as f32, f64, u8, i8, i16, i32 or i64"
        ),
        ReadNpyError::MissingData => {
            anyhow!("{source} ends before the array that it announces; save or fetch it again")
        }
        ReadNpyError::ExtraBytes(count) => {
            anyhow!("{source} has {count} bytes behind its array; save it again as one plain array")
        }
        other => anyhow!("{source} is no valid NPY file ({other}); save it with numpy.save"),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, ShapeBuilder, arr2};
    use ndarray_npy::WriteNpyExt;

    use super::*;

    fn written<T: ndarray_npy::WritableElement>(array: &Array2<T>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_element_type_is_read() {
        let expected = [1.0, 2.0, 3.0, 4.0];
        let array = arr2(&[[1_i8, 2], [3, 4]]);
        for bytes in [
            written(&array),
            written(&array.mapv(|value| value as u8)),
            written(&array.mapv(i16::from)),
            written(&array.mapv(i32::from)),
            written(&array.mapv(i64::from)),
            written(&array.mapv(f32::from)),
            written(&array.mapv(f64::from)),
        ] {
            let table = read("x.npy", &bytes).unwrap();
            assert_eq!((table.rows(), table.width()), (2, 2));
            assert_eq!(table.values(), expected);
        }
    }

    #[test]
    fn memory_order_does_not_change_the_rows() {
        let fortran = Array2::from_shape_vec((2, 3).f(), vec![1_f32, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let table = read("x.npy", &written(&fortran.unwrap())).unwrap();
        assert_eq!(table.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(table.width(), 3);
    }

    #[test]
    fn one_dimension_is_one_column() {
        let mut bytes = Vec::new();
        Array1::from(vec![5_i16, 6]).write_npy(&mut bytes).unwrap();
        assert_eq!(read("x.npy", &bytes).unwrap().width(), 1);
    }

    #[test]
    fn bad_files_are_one_clear_sentence() {
        let message = |bytes: &[u8]| read("x.npy", bytes).unwrap_err().to_string();
        let good = written(&arr2(&[[1_f32, 2.0]]));
        assert_eq!(
            message(&good[..good.len() - 1]),
            "x.npy ends before the array that it announces; save or fetch it again"
        );
        assert!(message(b"a,b").starts_with("x.npy is no valid NPY file ("));
        assert_eq!(
            message(&written(&arr2(&[[true, false]]))),
            "x.npy holds values of type '|b1'; save it as f32, f64, u8, i8, i16, i32 or i64"
        );
        assert_eq!(
            message(&written(&Array2::<f32>::zeros((0, 4)))),
            "x.npy has no rows; give a file with data in it"
        );
        assert_eq!(
            message(&written(&arr2(&[[1.0, f64::NAN]]))),
            "x.npy, row 1, column `column 2`: NaN is not a finite number; fill in the value or remove the row"
        );
        let mut cube = Vec::new();
        ArrayD::<f32>::zeros(vec![1, 2, 3])
            .write_npy(&mut cube)
            .unwrap();
        assert_eq!(
            message(&cube),
            "x.npy has 3 dimensions; reshape it to rows and columns before saving"
        );
    }
}
