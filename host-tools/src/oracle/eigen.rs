//! Eigenvalues of small symmetric matrices by Jacobi's rotations.

/// Eigenvalues in falling order and their unit eigenvectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// Falling.
    pub values: Vec<f64>,
    /// `vectors[i]` belongs to `values[i]`.
    pub vectors: Vec<Vec<f64>>,
}

/// The covariance of columns (divided by rows - 1), row after row.
#[must_use]
pub fn covariance(columns: &[Vec<f64>]) -> Vec<f64> {
    let centred: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| {
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            column.iter().map(|x| x - mean).collect()
        })
        .collect();
    let product = |a: &Vec<f64>, b: &Vec<f64>| {
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (a.len() as f64 - 1.0)
    };
    centred
        .iter()
        .flat_map(|a| centred.iter().map(move |b| product(a, b)))
        .collect()
}

/// Decomposes a symmetric matrix of `n` rows: every off-diagonal element is rotated to zero in turn until
/// none is left (G. Golub and C. Van Loan, *Matrix Computations*, section 8.5).
#[must_use]
pub fn jacobi_eigen(matrix: &[f64], n: usize) -> Eigen {
    let mut a = matrix.to_vec();
    let mut v: Vec<f64> = (0..n * n)
        .map(|at| f64::from(u8::from(at / n == at % n)))
        .collect();
    const SWEEPS: usize = 100;
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                rotated |= rotate(&mut a, &mut v, n, p, q);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    Eigen {
        values: order.iter().map(|&i| a[i * n + i]).collect(),
        vectors: order
            .iter()
            .map(|&i| (0..n).map(|row| v[row * n + i]).collect())
            .collect(),
    }
}

/// One rotation in the plane of `p` and `q`; false if the element was negligible already.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) -> bool {
    let off = a[p * n + q];
    let scale = (a[p * n + p].abs() * a[q * n + q].abs()).sqrt();
    if off.abs() <= f64::EPSILON * scale || off == 0.0 {
        return false;
    }
    let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
        let (x, y) = (v[k * n + p], v[k * n + q]);
        v[k * n + p] = c * x - s * y;
        v[k * n + q] = s * x + c * y;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_matrix_has_its_known_eigenvalues() {
        // Eigenvalues of the second-difference matrix: 2 - 2 cos(k pi / (n + 1)).
        let n = 6;
        let matrix: Vec<f64> = (0..n * n)
            .map(|at| match usize::abs_diff(at / n, at % n) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            })
            .collect();
        let eigen = jacobi_eigen(&matrix, n);
        for (at, value) in eigen.values.iter().enumerate() {
            let k = (n - at) as f64;
            let expected = 2.0 - 2.0 * (k * std::f64::consts::PI / (n as f64 + 1.0)).cos();
            assert!((value - expected).abs() < 1e-12);
        }
        for (value, vector) in eigen.values.iter().zip(&eigen.vectors) {
            for (row, x) in matrix.chunks(n).zip(vector) {
                let product: f64 = row.iter().zip(vector).map(|(a, x)| a * x).sum();
                assert!((product - value * x).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn covariance_divides_by_one_less_than_the_rows() {
        let columns = [vec![1.0, 2.0, 6.0], vec![0.0, 0.0, 3.0]];
        assert_eq!(covariance(&columns), [7.0, 4.5, 4.5, 3.0]);
    }
}
