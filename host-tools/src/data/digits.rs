//! The bundled handwritten digits: 1797 images of 8 x 8 pixels (see `data/README.md` for their origin).

use anyhow::Result;

use super::{
    Table,
    binary::read_bytes,
    open::{Format, unpack},
};

const IMAGES: &[u8] = include_bytes!("../../data/digits-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/digits-labels-idx1-ubyte.gz");

/// The largest pixel value of the digits: they run from 0 to 16.
pub const DIGIT_MAX: f32 = 16.0;

/// The digits as they are: 1797 rows of 64 pixels, 0..=16. Divide by [`DIGIT_MAX`] (with
/// [`Table::scaled`]) for images in [0, 1].
///
/// # Errors
///
/// None with the data this crate is built with.
pub fn digits() -> Result<Table> {
    let table = read_bytes("the bundled digits", Format::Idx, &unpack(IMAGES)?)?;
    let columns = (0..table.width())
        .map(|pixel| format!("r{}c{}", pixel / 8, pixel % 8))
        .collect();
    Table::new(table.source(), columns, table.values().to_vec())
}

/// The digit that each row of [`digits`] shows; for reports only.
///
/// # Errors
///
/// None with the data this crate is built with.
pub fn digit_labels() -> Result<Vec<u8>> {
    let table = read_bytes(
        "the labels of the bundled digits",
        Format::Idx,
        &unpack(LABELS)?,
    )?;
    Ok(table.values().iter().map(|&label| label as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_scikit_learn() {
        let table = digits().unwrap();
        assert_eq!((table.rows(), table.width()), (1797, 64));
        assert_eq!(table.range(), (0.0, DIGIT_MAX));
        // load_digits().data.sum() and the class counts of its documentation.
        let sum: f64 = table.values().iter().map(|&value| f64::from(value)).sum();
        assert_eq!(sum, 561_718.0);
        let mut counts = [0; 10];
        for label in digit_labels().unwrap() {
            counts[usize::from(label)] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn every_fourth_digit_is_held_out() {
        let split = digits().unwrap().split_held_out().unwrap();
        assert_eq!((split.training.rows(), split.held_out.rows()), (1348, 449));
    }
}
