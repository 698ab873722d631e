//! Components of few rows and many columns, by way of the products of the rows with each other.
//!
//! With the centred rows `X` (n, d), `X X^T` is n by n and has the eigenvalues of `X^T X` other than zero:
//! where `X X^T u = l u`, the component is `X^T u / sqrt(l)` (M. Turk and A. Pentland, *Eigenfaces for
//! recognition*, Journal of Cognitive Neuroscience 3, 1991).

use anyhow::{Result, anyhow};
use faer::{Accum, Mat, MatRef, Par, Side, linalg::matmul::matmul};

use super::{Directions, is_empty};

/// The `k` directions of largest variance of the rows in `values`, centred by `mean`; there are at least two rows.
pub(super) fn directions(values: &[f32], mean: &[f64], k: usize) -> Result<Directions> {
    let d = mean.len();
    let rows = values.len() / d;
    let centred: Vec<f64> = values
        .chunks_exact(d)
        .flat_map(|row| row.iter().zip(mean))
        .map(|(&value, mean)| f64::from(value) - mean)
        .collect();
    let centred = MatRef::from_row_major_slice(&centred, rows, d);
    let mut products = Mat::zeros(rows, rows);
    // One thread: the same sums in the same order on any number of cores.
    matmul(
        products.as_mut(),
        Accum::Replace,
        centred,
        centred.transpose(),
        1.0 / (rows - 1) as f64,
        Par::Seq,
    );
    let total_variance = (0..rows).map(|at| products[(at, at)]).sum();
    let eigen = products.self_adjoint_eigen(Side::Lower).map_err(|error| {
        anyhow!("the eigenvalues of the rows' products were not found: {error:?}")
    })?;
    let mut directions: Vec<(f64, Vec<f64>)> = Vec::with_capacity(k);
    for at in (0..rows).rev().take(k) {
        let variance = eigen.S()[at];
        let mut direction = vec![0.0; d];
        if !is_empty(variance, total_variance) {
            for (weight, row) in eigen.U().col(at).iter().zip(centred.row_iter()) {
                for (sum, x) in direction.iter_mut().zip(row.iter()) {
                    *sum += weight * x;
                }
            }
        }
        // An eigenvector of the products loses digits as the square root of its eigenvalue: what it lost is taken
        // from the directions before it.
        if !orthonormalise(&mut direction, &directions) {
            direction = any_other(&directions, d);
        }
        directions.push((variance, direction));
    }
    Ok(Directions {
        total_variance,
        of_largest_variance: directions,
    })
}

/// Makes `direction` orthogonal to those before it and of length one; false where nothing is left of it.
fn orthonormalise(direction: &mut [f64], before: &[(f64, Vec<f64>)]) -> bool {
    // Twice is enough (L. Giraud, J. Langou and M. Rozloznik, 2005).
    for _ in 0..2 {
        if !normalise(direction) {
            return false;
        }
        for (_, other) in before {
            let along = dot(direction, other);
            for (x, y) in direction.iter_mut().zip(other) {
                *x -= along * y;
            }
        }
    }
    // What is left of a unit vector.
    dot(direction, direction) > 0.25 && normalise(direction)
}

fn normalise(direction: &mut [f64]) -> bool {
    let length = dot(direction, direction).sqrt();
    direction.iter_mut().for_each(|x| *x /= length);
    length > 0.0
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A direction orthogonal to all others, where no variance is left: of the axis that they cover least.
fn any_other(before: &[(f64, Vec<f64>)], d: usize) -> Vec<f64> {
    let covered = |axis: usize| {
        before
            .iter()
            .map(|(_, other)| other[axis].powi(2))
            .sum::<f64>()
    };
    let least = (0..d).min_by(|&a, &b| covered(a).total_cmp(&covered(b)));
    let mut direction = vec![0.0; d];
    if let Some(axis) = least {
        direction[axis] = 1.0;
    }
    orthonormalise(&mut direction, before);
    direction
}
