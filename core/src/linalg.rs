//! Small symmetric matrices in 64-bit fixed point: triangular factorisation, inverses, reciprocals.
//!
//! A symmetric or lower-triangular matrix is its lower triangle, row by row. Covariances are `I8F56`,
//! unit-triangular factors `I24F40`; products are taken in 128 bits and every result is rounded down once.
//! What would leave 64 bits saturates: that takes a matrix that is no covariance.

/// Fractional bits of a triangular factor.
pub(crate) const FACTOR_BITS: u32 = 40;
/// One, as an element of a triangular factor.
pub(crate) const FACTOR_ONE: i64 = 1 << FACTOR_BITS;

/// Elements of the lower triangle of `n` rows.
pub(crate) const fn triangle_len(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Saturates to `i64`.
#[inline]
pub(crate) const fn saturating_i64(value: i128) -> i64 {
    if value > i64::MAX as i128 {
        i64::MAX
    } else if value < i64::MIN as i128 {
        i64::MIN
    } else {
        value as i64
    }
}

/// Division by one number many times: one division here, a multiplication each time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reciprocal {
    /// `2^126 / (divisor << zeros)`, in `(2^62, 2^63]`.
    significand: u64,
    zeros: u32,
}

impl Reciprocal {
    /// Of `divisor`; 0 counts as 1.
    pub(crate) fn of(divisor: u64) -> Self {
        let divisor = divisor.max(1);
        let zeros = divisor.leading_zeros();
        let significand = (1u128 << 126)
            .checked_div(u128::from(divisor << zeros))
            .unwrap_or(0) as u64;
        Self { significand, zeros }
    }

    /// `value · 2^bits / divisor`, to 62 significant bits, rounded down, saturating. `bits <= 60`.
    #[inline]
    pub(crate) fn scale(self, value: i64, bits: u32) -> i64 {
        // |value| <= 2^63 and the significand <= 2^63; the shift is in 3..=126.
        let product = i128::from(value) * i128::from(self.significand);
        saturating_i64(product >> (126 - self.zeros - bits))
    }
}

/// Row `row` of a triangle, and the rows before it.
#[inline]
fn row_mut(triangle: &mut [i64], row: usize) -> Option<(&[i64], &mut [i64])> {
    let (before, rest) = triangle.split_at_mut_checked(triangle_len(row))?;
    Some((before, rest.get_mut(..=row)?))
}

/// Row `row` of a triangle.
#[inline]
pub(crate) fn row(triangle: &[i64], row: usize) -> &[i64] {
    let start = triangle_len(row);
    triangle.get(start..start + row + 1).unwrap_or(&[])
}

/// Eliminates the first `pivots.len()` rows of `A = L D L^T` in place.
///
/// Below the diagonal of the eliminated columns `L` (`I24F40`) is left, on it the pivot as it was found;
/// everything behind them becomes the Schur complement (`I8F56`). A pivot under `floor` counts as `floor`:
/// what is factorised is the matrix with that much more on its diagonal (a modified Cholesky
/// factorisation, Gill and Murray 1974). The pivots used go to `pivots`.
///
/// Work: `n^3 / 6` multiplications of 64 bits for all rows, one 128-bit division a row.
pub(crate) fn factorise(triangle: &mut [i64], n: usize, pivots: &mut [i64], floor: i64) {
    for (column, pivot) in pivots.iter_mut().enumerate() {
        let found = row(triangle, column).last().copied().unwrap_or(0);
        *pivot = found.max(floor).max(1);
        let reciprocal = Reciprocal::of(pivot.unsigned_abs());
        // From the last row up: a row needs those above it as they were before this pivot.
        for below in (column + 1..n).rev() {
            let Some((above, own)) = row_mut(triangle, below) else {
                return;
            };
            let entry = own.get(column).copied().unwrap_or(0);
            if entry == 0 {
                continue;
            }
            let factor = reciprocal.scale(entry, FACTOR_BITS);
            for (other, element) in own.iter_mut().enumerate().skip(column + 1) {
                let beside = if other == below {
                    entry
                } else {
                    row(above, other).get(column).copied().unwrap_or(0)
                };
                let product = (i128::from(factor) * i128::from(beside)) >> FACTOR_BITS;
                *element = element.saturating_sub(saturating_i64(product));
            }
            if let Some(entry) = own.get_mut(column) {
                *entry = factor;
            }
        }
    }
}

/// Inverts a unit lower triangle (`I24F40`) in place; the diagonal is set to one.
pub(crate) fn invert_unit(triangle: &mut [i64], n: usize) {
    for index in 0..n {
        let Some((above, own)) = row_mut(triangle, index) else {
            return;
        };
        for column in 0..index {
            let mut sum = i128::from(own.get(column).copied().unwrap_or(0)) << FACTOR_BITS;
            for (other, factor) in own.iter().enumerate().take(index).skip(column + 1) {
                let inverse = row(above, other).get(column).copied().unwrap_or(0);
                sum = sum.saturating_add(i128::from(*factor) * i128::from(inverse));
            }
            if let Some(element) = own.get_mut(column) {
                *element = saturating_i64(-(sum >> FACTOR_BITS));
            }
        }
        if let Some(diagonal) = own.last_mut() {
            *diagonal = FACTOR_ONE;
        }
    }
}

/// `1 / sqrt(x)` of a positive `I8F56` number as `significand / 2^exponent`.
///
/// The significand is in `[2^31, 2^32]`, its relative error below 2^-30.
pub(crate) fn inverse_sqrt(x: i64) -> (u64, u32) {
    let x = x.max(1).unsigned_abs();
    // An even shift that leaves 31 or 32 significant bits of root.
    let zeros = x.leading_zeros() & !1;
    let root = (x << zeros).isqrt().max(1);
    // sqrt(x) = root / 2^(28 + zeros / 2).
    let significand = (1u64 << 63).checked_div(root).unwrap_or(0);
    (significand, 35 - zeros / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const UNIT: f64 = (1u64 << 56) as f64;
    const FACTOR: f64 = FACTOR_ONE as f64;

    /// `A = B B^T / n + 0.01 I`, entries from -2 to 2.
    fn positive_definite(entries: &[f64], n: usize) -> Vec<f64> {
        let mut a = std::vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                for c in 0..n {
                    a[i * n + j] += entries[i * n + c] * entries[j * n + c] / n as f64;
                }
            }
            a[i * n + i] += 0.01;
        }
        a
    }

    fn triangle(a: &[f64], n: usize) -> Vec<i64> {
        (0..n)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .map(|(i, j)| (a[i * n + j] * UNIT) as i64)
            .collect()
    }

    proptest! {
        #[test]
        fn the_factors_give_back_the_matrix_and_the_inverse(
            n in 1usize..=12, entries in proptest::collection::vec(-2.0f64..2.0, 144)
        ) {
            let a = positive_definite(&entries, n);
            let mut l = triangle(&a, n);
            let mut d = std::vec![0; n];
            factorise(&mut l, n, &mut d, 1);
            let entry = |t: &[i64], i: usize, j: usize| match i.cmp(&j) {
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 1.0,
                std::cmp::Ordering::Greater => t[triangle_len(i) + j] as f64 / FACTOR,
            };
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n)
                        .map(|c| entry(&l, i, c) * d[c] as f64 / UNIT * entry(&l, j, c))
                        .sum();
                    prop_assert!((product - a[i * n + j]).abs() < 1e-9, "{i} {j}");
                }
            }
            let mut inverse = l.clone();
            invert_unit(&mut inverse, n);
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n).map(|c| entry(&l, i, c) * entry(&inverse, c, j)).sum();
                    prop_assert!((product - f64::from(u8::from(i == j))).abs() < 1e-7, "{i} {j}");
                }
            }
        }

        #[test]
        fn a_reciprocal_divides(value: i64, divisor in 1u64..=u64::MAX, bits in 0u32..=60) {
            let quotient = Reciprocal::of(divisor).scale(value, bits);
            let exact = value as f64 * 2f64.powi(bits as i32) / divisor as f64;
            let clamped = exact.clamp(i64::MIN as f64, i64::MAX as f64);
            prop_assert!((quotient as f64 - clamped).abs() <= 1.0 + exact.abs() * 1e-15);
        }

        #[test]
        fn an_inverse_root_is_within_its_bound(x in 1i64..=i64::MAX, zeros in 0u32..62) {
            let x = (x >> zeros).max(1);
            let (significand, exponent) = inverse_sqrt(x);
            prop_assert!((1 << 31..=1 << 32).contains(&significand));
            let product = significand as f64 / 2f64.powi(exponent as i32) * (x as f64 / UNIT).sqrt();
            prop_assert!((product - 1.0).abs() < 2f64.powi(-30), "{product}");
        }
    }

    #[test]
    fn a_singular_matrix_gets_the_floor_as_its_pivot() {
        let one = 1i64 << 56;
        let floor = 1 << 46;
        let mut a = [one, one, one, 0, 0, 0]; // two equal features and a constant one
        let mut d = [0; 3];
        factorise(&mut a, 3, &mut d, floor);
        assert_eq!(d, [one, floor, floor]);
    }

    #[test]
    fn no_matrix_of_any_kind_overflows() {
        for entry in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut a = [entry; 10];
            let mut d = [0; 4];
            factorise(&mut a, 4, &mut d, 1);
            invert_unit(&mut a, 4);
            assert!(d.iter().all(|d| *d > 0));
        }
    }
}
