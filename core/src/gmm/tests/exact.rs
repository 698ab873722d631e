//! A component as it is stored, in f64: what its factor says exactly, by orthogonalisation.
#![expect(
    clippy::needless_range_loop,
    reason = "rows and columns as in the formulas"
)]

use crate::gmm::{Covariance, Gmm, factor_index};
use std::vec;
use std::vec::Vec;

/// `P` and the mean of one component, the weight beside them.
pub(super) struct Factor {
    pub(super) d: usize,
    /// Columns of `P`.
    columns: Vec<Vec<f64>>,
    pub(super) mean: Vec<f64>,
    log_weight: f64,
}

/// Of one component: what is observed, and the others given that.
pub(super) struct Answer {
    /// `ln w p(x_b)`.
    pub(super) log: f64,
    /// Twice the exponent's magnitude.
    pub(super) distance: f64,
    /// By feature; of observed ones nothing.
    pub(super) means: Vec<f64>,
    pub(super) variances: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Factor {
    pub(super) fn of(model: &Gmm<'_>, index: usize) -> Self {
        let d = model.dimensions();
        let component = model.component(index).unwrap();
        let mut columns = vec![vec![0.0; d]; d];
        for row in 0..d {
            for (column, elements) in columns.iter_mut().enumerate().take(row + 1) {
                let at = match model.covariance() {
                    Covariance::Diagonal if column == row => row,
                    Covariance::Diagonal => continue,
                    _ => factor_index(row, column),
                };
                elements[row] =
                    f64::from(component.factor[at]) / 2f64.powi(i32::from(component.shifts[row]));
            }
        }
        Self {
            d,
            columns,
            mean: component
                .mean
                .iter()
                .map(|m| f64::from(*m) / 4096.0)
                .collect(),
            log_weight: (f64::from(model.tensors().weights[index]) / 2f64.powi(30)).ln(),
        }
    }

    /// `P^-1`, rows of the lower triangle.
    fn inverse(&self) -> Vec<Vec<f64>> {
        let mut w = vec![vec![0.0; self.d]; self.d];
        for column in 0..self.d {
            for row in column..self.d {
                let known: f64 = (column..row)
                    .map(|i| self.columns[i][row] * w[i][column])
                    .sum();
                w[row][column] =
                    (f64::from(u8::from(row == column)) - known) / self.columns[row][row];
            }
        }
        w
    }

    pub(super) fn variances(&self) -> Vec<f64> {
        self.inverse().iter().map(|row| dot(row, row)).collect()
    }

    /// Columns of what is hidden first, then of what is observed, made orthogonal one after the other (Gram and
    /// Schmidt, twice each): `P (x - mu)` in that basis has the conditional distribution in its first
    /// coordinates and the marginal one in the others.
    pub(super) fn answer(&self, x: &[f64], observed: &[bool]) -> Answer {
        let hidden: Vec<usize> = (0..self.d).filter(|i| !observed[*i]).collect();
        let order: Vec<usize> = hidden
            .iter()
            .copied()
            .chain((0..self.d).filter(|i| observed[*i]))
            .collect();
        let u = hidden.len();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        // Upper triangle, by columns.
        let mut r = vec![vec![0.0; self.d]; self.d];
        for (at, feature) in order.iter().enumerate() {
            let mut rest = self.columns[*feature].clone();
            for _ in 0..2 {
                for (row, q) in basis.iter().enumerate() {
                    let along = dot(q, &rest);
                    r[at][row] += along;
                    rest.iter_mut().zip(q).for_each(|(x, q)| *x -= along * q);
                }
            }
            let length = dot(&rest, &rest).sqrt();
            r[at][at] = length;
            basis.push(rest.iter().map(|x| x / length).collect());
        }
        let gap = |at: usize| x[order[at]] - self.mean[order[at]];
        let y = |row: usize| -> f64 { (row.max(u)..self.d).map(|at| r[at][row] * gap(at)).sum() };
        let distance: f64 = (u..self.d).map(|row| y(row).powi(2)).sum();
        let height: f64 = (u..self.d).map(|at| r[at][at].ln()).sum();
        let m = (self.d - u) as f64;
        let (mut means, mut variances) = (vec![0.0; self.d], vec![0.0; self.d]);
        // Backwards: a row knows those after it.
        let mut z = vec![0.0; u];
        let mut w = vec![vec![0.0; u]; u];
        for row in (0..u).rev() {
            let after: f64 = (row + 1..u).map(|at| r[at][row] * z[at]).sum();
            z[row] = -(y(row) + after) / r[row][row];
            for column in row..u {
                let known: f64 = (row + 1..=column)
                    .map(|at| r[at][row] * w[at][column])
                    .sum();
                w[row][column] = (f64::from(u8::from(row == column)) - known) / r[row][row];
            }
            means[order[row]] = self.mean[order[row]] + z[row];
            variances[order[row]] = dot(&w[row], &w[row]);
        }
        Answer {
            log: self.log_weight + height - 0.5 * (distance + m * std::f64::consts::TAU.ln()),
            distance,
            means,
            variances,
        }
    }
}
