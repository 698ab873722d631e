//! The two steps, over rows in f64.

use anyhow::{Context, Result};
use autodidact::em::ExpectationMaximization;
use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};

use super::GmmOptions;
use crate::train::model::{
    CovarianceKind, Covariances, GmmModel,
    gmm::{LN_TAU, cholesky, forward_substitution, log_sum_exp},
};

/// Rows handled at once: enough to keep a matrix product busy, few enough for the cache.
const BLOCK_ROWS: usize = 512;

/// A component with fewer rows has lost them all.
const LEAST_ROWS: f64 = 1e-3;

/// A mixture on its way.
pub(super) struct Em {
    kind: CovarianceKind,
    floor: f64,
    k: usize,
    d: usize,
    weights: Vec<f64>,
    means: Vec<f64>,
    /// One matrix, or row of variances, for each component; tied covariances have one in all.
    covariances: Vec<f64>,
    precisions: Vec<Precision>,
    statistics: Statistics,
    /// Rows by which a lost component starts again: as many as there are components, of lowest density.
    strangers: Vec<Vec<f64>>,
    /// Covariance of all rows, in the shape of one component's.
    overall: Vec<f64>,
}

/// What turns a difference from a component's mean into its log-density.
struct Precision {
    /// `-(d ln(2 pi) + ln |Sigma|) / 2`.
    constant: f64,
    /// `L^-1` for `L L^T = Sigma`, column after column of its transpose; for a diagonal its inverse roots.
    whitening: Vec<f64>,
}

/// Responsibilities summed over rows, with moments about the current means.
struct Statistics {
    counts: Vec<f64>,
    /// `sum r (x - mu)`, a row a component.
    sums: Vec<f64>,
    /// `sum r (x - mu)(x - mu)^T`, or its diagonal; summed over the components if tied.
    squares: Vec<Mat<f64>>,
}

impl Statistics {
    fn new(kind: CovarianceKind, k: usize, d: usize) -> Self {
        let matrix = match kind {
            CovarianceKind::Diagonal => Mat::zeros(1, d),
            CovarianceKind::Tied | CovarianceKind::Full => Mat::zeros(d, d),
        };
        let matrices = if kind == CovarianceKind::Tied { 1 } else { k };
        Self {
            counts: vec![0.0; k],
            sums: vec![0.0; k * d],
            squares: vec![matrix; matrices],
        }
    }
}

impl Em {
    /// Components where k-means left its centroids.
    pub(super) fn new(options: &GmmOptions, rows: &[f64], centroids: &[f64]) -> Result<Self> {
        let (k, kind) = (options.k, options.covariance);
        let d = centroids.len() / k;
        let mut em = Self {
            kind,
            floor: options.floor,
            k,
            d,
            weights: vec![1.0 / k as f64; k],
            means: centroids.to_vec(),
            covariances: Vec::new(),
            precisions: Vec::new(),
            statistics: Statistics::new(kind, k, d),
            strangers: Vec::new(),
            overall: Vec::new(),
        };
        em.overall = em.overall_covariance(rows);
        em.covariances = match kind {
            CovarianceKind::Tied => em.overall.clone(),
            _ => em.overall.repeat(k),
        };
        let mut costs = Vec::with_capacity(rows.len() / d);
        for block in rows.chunks(BLOCK_ROWS * d) {
            let mut responsibilities = vec![0.0; block.len() / d * k];
            for (row, responsibilities) in block
                .chunks_exact(d)
                .zip(responsibilities.chunks_exact_mut(k))
            {
                let cost = |mean: &[f64]| -> f64 {
                    row.iter().zip(mean).map(|(x, m)| (x - m) * (x - m)).sum()
                };
                let nearest = em
                    .means
                    .chunks_exact(d)
                    .map(cost)
                    .enumerate()
                    .min_by(|a, b| a.1.total_cmp(&b.1));
                if let Some((nearest, cost)) = nearest {
                    responsibilities[nearest] = 1.0;
                    costs.push(-cost);
                }
            }
            em.gather(block, &responsibilities);
        }
        em.find_strangers(rows, &costs);
        em.maximization()?;
        Ok(em)
    }

    /// The parameters as a model, still without its likelihood.
    pub(super) fn into_model(self) -> GmmModel {
        GmmModel {
            weights: self.weights,
            means: self.means,
            covariances: match self.kind {
                CovarianceKind::Diagonal => Covariances::Diagonal(self.covariances),
                CovarianceKind::Tied => Covariances::Tied(self.covariances),
                CovarianceKind::Full => Covariances::Full(self.covariances),
            },
            k: self.k,
            d: self.d,
            log_likelihood: f64::NAN,
            rounds: 0,
        }
    }

    /// Values of one covariance.
    fn size(&self) -> usize {
        match self.kind {
            CovarianceKind::Diagonal => self.d,
            CovarianceKind::Tied | CovarianceKind::Full => self.d * self.d,
        }
    }

    /// The rows are centred, so that this is their mean product.
    fn overall_covariance(&self, rows: &[f64]) -> Vec<f64> {
        let mut all = Self {
            k: 1,
            means: vec![0.0; self.d],
            statistics: Statistics::new(self.kind, 1, self.d),
            weights: Vec::new(),
            covariances: Vec::new(),
            precisions: Vec::new(),
            strangers: Vec::new(),
            overall: Vec::new(),
            ..*self
        };
        for block in rows.chunks(BLOCK_ROWS * self.d) {
            all.gather(block, &vec![1.0; block.len() / self.d]);
        }
        let scale = self.d as f64 / rows.len() as f64;
        let mut covariance = flat(&all.statistics.squares[0]);
        covariance.iter_mut().for_each(|value| *value *= scale);
        self.add_floor(&mut covariance);
        covariance
    }

    fn add_floor(&self, covariance: &mut [f64]) {
        let stride = match self.kind {
            CovarianceKind::Diagonal => 1,
            CovarianceKind::Tied | CovarianceKind::Full => self.d + 1,
        };
        covariance
            .iter_mut()
            .step_by(stride)
            .for_each(|variance| *variance += self.floor);
    }

    /// `x - mu` for a block and one component.
    fn differences(&self, block: &[f64], component: usize) -> Vec<f64> {
        let mean = &self.means[component * self.d..][..self.d];
        block
            .chunks_exact(self.d)
            .flat_map(|row| row.iter().zip(mean))
            .map(|(x, mean)| x - mean)
            .collect()
    }

    /// Adds a block to the statistics; `responsibilities` has one row of `k` values for each of its rows.
    fn gather(&mut self, block: &[f64], responsibilities: &[f64]) {
        let (k, d) = (self.k, self.d);
        let rows = block.len() / d;
        for component in 0..k {
            let differences = self.differences(block, component);
            let shares: Vec<f64> = responsibilities[component..]
                .iter()
                .copied()
                .step_by(k)
                .collect();
            let weighted: Vec<f64> = differences
                .chunks_exact(d)
                .zip(&shares)
                .flat_map(|(row, share)| row.iter().map(move |x| x * share))
                .collect();
            let statistics = &mut self.statistics;
            statistics.counts[component] += shares.iter().sum::<f64>();
            let sums = &mut statistics.sums[component * d..][..d];
            for row in weighted.chunks_exact(d) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
            match self.kind {
                CovarianceKind::Diagonal => {
                    let squares = &mut statistics.squares[component];
                    for (row, weighted) in differences.chunks_exact(d).zip(weighted.chunks_exact(d))
                    {
                        for (at, (x, weighted)) in row.iter().zip(weighted).enumerate() {
                            squares[(0, at)] += x * weighted;
                        }
                    }
                }
                CovarianceKind::Tied | CovarianceKind::Full => {
                    let at = if self.kind == CovarianceKind::Tied {
                        0
                    } else {
                        component
                    };
                    matmul(
                        statistics.squares[at].as_mut(),
                        Accum::Add,
                        MatRef::from_row_major_slice(&weighted, rows, d).transpose(),
                        MatRef::from_row_major_slice(&differences, rows, d),
                        1.0,
                        Par::Seq,
                    );
                }
            }
        }
    }

    /// `ln w_k + ln N(x; mu_k, Sigma_k)`: a row of `k` values for each row of the block.
    fn log_densities(&self, block: &[f64]) -> Vec<f64> {
        let (k, d) = (self.k, self.d);
        let rows = block.len() / d;
        let mut result = vec![0.0; rows * k];
        let mut whitened = Mat::zeros(rows, d);
        for component in 0..k {
            let differences = self.differences(block, component);
            let at = if self.kind == CovarianceKind::Tied {
                0
            } else {
                component
            };
            let precision = &self.precisions[at];
            let constant = self.weights[component].ln() + precision.constant;
            let into = result[component..].iter_mut().step_by(k);
            if self.kind == CovarianceKind::Diagonal {
                for (value, row) in into.zip(differences.chunks_exact(d)) {
                    let distance: f64 = row
                        .iter()
                        .zip(&precision.whitening)
                        .map(|(x, root)| (x * root) * (x * root))
                        .sum();
                    *value = constant - 0.5 * distance;
                }
            } else {
                matmul(
                    whitened.as_mut(),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&differences, rows, d),
                    // Columns of the inverse as rows: its transpose.
                    MatRef::from_row_major_slice(&precision.whitening, d, d),
                    1.0,
                    Par::Seq,
                );
                for (row, value) in into.enumerate() {
                    let distance: f64 = (0..d).map(|at| whitened[(row, at)].powi(2)).sum();
                    *value = constant - 0.5 * distance;
                }
            }
        }
        result
    }

    fn find_strangers(&mut self, rows: &[f64], log_densities: &[f64]) {
        let mut order: Vec<usize> = (0..log_densities.len()).collect();
        let count = self.k.min(order.len());
        order.select_nth_unstable_by(count - 1, |&a, &b| {
            log_densities[a]
                .total_cmp(&log_densities[b])
                .then(a.cmp(&b))
        });
        order.truncate(count);
        order.sort_by(|&a, &b| {
            log_densities[a]
                .total_cmp(&log_densities[b])
                .then(a.cmp(&b))
        });
        self.strangers = order
            .iter()
            .map(|&row| rows[row * self.d..][..self.d].to_vec())
            .collect();
    }

    fn refactor(&mut self) -> Result<()> {
        let d = self.d;
        self.precisions = self
            .covariances
            .chunks_exact(self.size())
            .enumerate()
            .map(|(component, covariance)| {
                let singular = || {
                    format!(
                        "the covariance of component {} became singular; give a larger variance floor or ask for fewer components",
                        component + 1
                    )
                };
                Ok(if self.kind == CovarianceKind::Diagonal {
                    let positive = covariance.iter().all(|variance| *variance > 0.0);
                    positive.then_some(()).with_context(singular)?;
                    let log_determinant: f64 = covariance.iter().map(|v| v.ln()).sum();
                    Precision {
                        constant: -0.5 * (d as f64 * LN_TAU + log_determinant),
                        whitening: covariance.iter().map(|v| v.sqrt().recip()).collect(),
                    }
                } else {
                    let lower = cholesky(covariance, d).with_context(singular)?;
                    let log_determinant: f64 =
                        lower.iter().step_by(d + 1).map(|l| 2.0 * l.ln()).sum();
                    let whitening = (0..d)
                        .flat_map(|at| {
                            let unit: Vec<f64> =
                                (0..d).map(|i| f64::from(u8::from(i == at))).collect();
                            forward_substitution(&lower, &unit)
                        })
                        .collect();
                    Precision {
                        constant: -0.5 * (d as f64 * LN_TAU + log_determinant),
                        whitening,
                    }
                })
            })
            .collect::<Result<_>>()?;
        Ok(())
    }
}

fn flat(matrix: &Mat<f64>) -> Vec<f64> {
    (0..matrix.nrows())
        .flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)]))
        .collect()
}

impl ExpectationMaximization for Em {
    type Data = [f64];
    type LogLikelihood = f64;
    type Error = anyhow::Error;

    fn expectation(&mut self, rows: &[f64]) -> Result<f64> {
        self.statistics = Statistics::new(self.kind, self.k, self.d);
        let mut all = Vec::with_capacity(rows.len() / self.d);
        for block in rows.chunks(BLOCK_ROWS * self.d) {
            let mut values = self.log_densities(block);
            for row in values.chunks_exact_mut(self.k) {
                let total = log_sum_exp(row);
                all.push(total);
                row.iter_mut()
                    .for_each(|value| *value = (*value - total).exp());
            }
            self.gather(block, &values);
        }
        self.find_strangers(rows, &all);
        Ok(all.iter().sum())
    }

    fn maximization(&mut self) -> Result<()> {
        let (d, size) = (self.d, self.size());
        let rows: f64 = self.statistics.counts.iter().sum();
        let mut pooled = flat(&self.statistics.squares[0]);
        let mut strangers = std::mem::take(&mut self.strangers).into_iter();
        for component in 0..self.k {
            let count = self.statistics.counts[component];
            let mean = &mut self.means[component * d..][..d];
            if count < LEAST_ROWS {
                if let Some(stranger) = strangers.next() {
                    mean.copy_from_slice(&stranger);
                }
                self.weights[component] = 1.0 / rows;
                if self.kind != CovarianceKind::Tied {
                    self.covariances[component * size..][..size].copy_from_slice(&self.overall);
                }
                continue;
            }
            let shift: Vec<f64> = self.statistics.sums[component * d..][..d]
                .iter()
                .map(|sum| sum / count)
                .collect();
            for (mean, shift) in mean.iter_mut().zip(&shift) {
                *mean += shift;
            }
            self.weights[component] = count / rows;
            if self.kind == CovarianceKind::Tied {
                // Moments about the old mean become moments about the new one.
                for (at, value) in pooled.iter_mut().enumerate() {
                    *value -= count * shift[at / d] * shift[at % d];
                }
                continue;
            }
            let squares = flat(&self.statistics.squares[component]);
            let mut covariance: Vec<f64> = squares
                .iter()
                .enumerate()
                .map(|(at, square)| {
                    let moved = if self.kind == CovarianceKind::Diagonal {
                        shift[at] * shift[at]
                    } else {
                        shift[at / d] * shift[at % d]
                    };
                    square / count - moved
                })
                .collect();
            self.add_floor(&mut covariance);
            self.covariances[component * size..][..size].copy_from_slice(&covariance);
        }
        if self.kind == CovarianceKind::Tied {
            pooled.iter_mut().for_each(|value| *value /= rows);
            self.add_floor(&mut pooled);
            self.covariances = pooled;
        }
        if self.kind != CovarianceKind::Diagonal {
            for matrix in self.covariances.chunks_exact_mut(size) {
                make_symmetric(matrix, d);
            }
        }
        let total: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|weight| *weight /= total);
        self.refactor()
    }
}

/// Rounding may leave the two halves of a matrix a bit apart.
fn make_symmetric(matrix: &mut [f64], d: usize) {
    for i in 0..d {
        for j in 0..i {
            let mean = (matrix[i * d + j] + matrix[j * d + i]) / 2.0;
            matrix[i * d + j] = mean;
            matrix[j * d + i] = mean;
        }
    }
}
