//! Weight orders.

use super::*;

#[test]
fn packing_keeps_every_weight_and_pads_with_zero() {
    let mut random = Random(3);
    for order in ORDERS {
        for (rows, cols) in (1..=17).flat_map(|rows| (1..=13).map(move |cols| (rows, cols))) {
            let weights = narrow(&random.values(rows * cols, 0, -128, 127));
            let words = packed(&weights, rows, cols, order);
            let matrix = matrix(&words, rows, cols, order);
            let mut seen = vec![false; matrix.data().len()];
            for (index, weight) in weights.iter().enumerate() {
                let (row, col) = (index / cols, index % cols);
                assert_eq!(matrix.get(row, col), *weight, "{order:?} {rows}x{cols}");
                let position = order.position(row, col, cols);
                assert!(
                    !seen[position],
                    "{order:?} {rows}x{cols}: two weights in one place"
                );
                seen[position] = true;
            }
            for (row, weights) in weights.chunks(cols).enumerate() {
                let magnitude: u64 = weights.iter().map(|w| u64::from(w.unsigned_abs())).sum();
                assert_eq!(
                    matrix.row_magnitude(row),
                    magnitude,
                    "{order:?} {rows}x{cols}"
                );
            }
            assert_eq!(matrix.row_magnitude(rows), 0);
            assert_eq!(matrix.get(rows, 0), 0);
            assert_eq!(matrix.get(0, cols), 0);
            for (position, byte) in matrix
                .data()
                .iter()
                .enumerate()
                .filter(|(at, _)| !seen[*at])
            {
                assert_eq!(
                    byte ^ order.offset(position % 2),
                    0,
                    "{order:?} {rows}x{cols} padding"
                );
            }
        }
    }
}

#[test]
fn matrices_refuse_what_does_not_fit() {
    let words = [0u32; 4];
    let bytes = <[i8]>::ref_from_bytes(words.as_bytes()).unwrap();
    let error = |bytes, rows, cols, order| Matrix::new(bytes, rows, cols, order).unwrap_err();
    assert_eq!(error(bytes, 0, 4, Order::RowMajor), MatrixError::Shape);
    assert_eq!(
        error(bytes, usize::MAX, usize::MAX, Order::Quads),
        MatrixError::Shape
    );
    assert_eq!(
        error(bytes, 3, 5, Order::Quads),
        MatrixError::Length {
            needed: 32,
            given: 16
        }
    );
    assert_eq!(
        error(&bytes[1..], 3, 5, Order::RowMajor),
        MatrixError::Alignment
    );
    let mut target = [5i8; 16];
    assert!(pack(&[1; 9], 2, 5, Order::Quads, &mut target).is_err());
    assert!(pack(&[1; 10], 2, 5, Order::Quads, &mut target).is_err());
    assert_eq!(target, [5i8; 16]);
}
