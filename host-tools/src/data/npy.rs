//! NumPy's array file, through `ndarray-npy`.

use anyhow::{Error, Result, anyhow, bail};
use ndarray::{ArrayD, Axis};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};

use super::Table;

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
