//! Principal components by the eigenvectors of the covariance.
//!
//! Mean and covariance are accumulated in one pass over blocks of rows, each centred by its own mean, and
//! merged pairwise (T. Chan, G. Golub and R. LeVeque, *Algorithms for computing the sample variance*, The
//! American Statistician 37, 1983), so that neither a large mean nor many rows cost accuracy; faer finds
//! the eigenvectors, always on the CPU.
//!
//! The products, `rows · columns²` of them, are what takes time. The CPU multiplies in f64; a GPU, which
//! may have no f64, in f32, a block at a time: centred rows keep the error of a block near 1e-6 of its
//! variance, and blocks are summed in f64.

use anyhow::{Result, anyhow, ensure};
use faer::{Accum, Mat, MatRef, Par, Scale, Side, linalg::matmul::matmul};

use super::device::TrainingDevice;
use super::model::{PcaModel, fix_sign};
use super::tensors::{download, upload};
use crate::data::{Chunks, Table, for_each_chunk};

/// Rows multiplied at once when all of them are in memory.
const BLOCK_ROWS: usize = 4096;

/// What to fit; [`PcaOptions::check`] makes it a [`PcaConfig`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcaOptions {
    /// Number of components to keep.
    pub components: usize,
}

/// Checked options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcaConfig(PcaOptions);

impl PcaOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// No component.
    pub fn check(self) -> Result<PcaConfig> {
        ensure!(
            self.components > 0,
            "the number of components is 0; give at least 1"
        );
        Ok(PcaConfig(self))
    }
}

impl PcaConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &PcaOptions {
        &self.0
    }
}

/// Fits the components of largest variance.
///
/// The sign of a component is arbitrary; it is chosen such that the loading of largest magnitude is
/// positive. Columns are taken as they are: to give each the same weight, scale them to unit variance
/// before ([`Scaling::Standard`](crate::data::Scaling::Standard), `--scale standard` on the command line).
///
/// # Errors
///
/// More components than columns, or not fewer than rows; rows that are all equal.
pub fn fit(config: &PcaConfig, data: &Table, device: &TrainingDevice) -> Result<PcaModel> {
    fit_chunks(config, &mut data.chunks(BLOCK_ROWS), device)
}

/// Fits the components of rows that come in blocks, in one pass; only one block is held in memory.
///
/// # Errors
///
/// As [`fit`]; the chunks cannot be read.
pub fn fit_chunks(
    config: &PcaConfig,
    chunks: &mut dyn Chunks,
    device: &TrainingDevice,
) -> Result<PcaModel> {
    let k = config.options().components;
    let d = chunks.columns().len();
    let source = chunks.source().to_owned();
    ensure!(
        k <= d,
        "{source} has {d} columns, too few for {k} components; ask for at most {d}",
    );
    let mut scatter = Scatter::new(d);
    let rows = for_each_chunk(chunks, |chunk| scatter.add(chunk, device))?;
    ensure!(
        k < rows,
        "{source} has {rows} rows, too few for {k} components; give more rows or ask for at most {}",
        rows - 1
    );
    let covariance = scatter.products * Scale(1.0 / (rows - 1) as f64);
    let total_variance: f64 = (0..d).map(|at| covariance[(at, at)]).sum();
    ensure!(
        total_variance > 0.0,
        "{source} never changes in any column; give data that varies",
    );
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| anyhow!("the eigenvalues of the covariance were not found: {error:?}"))?;
    // faer sorts by rising eigenvalue.
    let by_falling_variance = (0..d).rev().take(k);
    let mut components = Vec::with_capacity(k * d);
    let mut explained_variance = Vec::with_capacity(k);
    for at in by_falling_variance {
        let mut direction: Vec<f64> = eigen.U().col(at).iter().copied().collect();
        fix_sign(&mut direction);
        components.extend(direction.iter().map(|&value| value as f32));
        // Rounding may push the eigenvalue of an empty direction below 0.
        explained_variance.push(eigen.S()[at].max(0.0));
    }
    Ok(PcaModel {
        mean: scatter.mean.iter().map(|&mean| mean as f32).collect(),
        components,
        explained_variance,
        total_variance,
        k,
        d,
    })
}

/// Mean and scatter matrix (sum of outer products of centred rows) of the rows so far, in f64.
struct Scatter {
    rows: f64,
    mean: Vec<f64>,
    products: Mat<f64>,
}

impl Scatter {
    fn new(d: usize) -> Self {
        Self {
            rows: 0.0,
            mean: vec![0.0; d],
            products: Mat::zeros(d, d),
        }
    }

    /// Adds the rows of a chunk, centred by their own mean; then the scatter between the two means,
    /// `delta delta^T m n / (m + n)`, with `delta` their difference (Chan, Golub and LeVeque's pairwise
    /// update, for a matrix).
    fn add(&mut self, chunk: &Table, device: &TrainingDevice) -> Result<()> {
        let d = self.mean.len();
        let mean = super::means(chunk);
        let centred = chunk
            .iter_rows()
            .flat_map(|row| row.iter().zip(&mean))
            .map(|(&value, mean)| f64::from(value) - mean);
        if device.is_cpu() {
            let centred: Vec<f64> = centred.collect();
            let centred = MatRef::from_row_major_slice(&centred, chunk.rows(), d);
            // One thread: the same sums in the same order on any number of cores.
            matmul(
                self.products.as_mut(),
                Accum::Add,
                centred.transpose(),
                centred,
                1.0,
                Par::Seq,
            );
        } else {
            let centred = centred.map(|value| value as f32).collect();
            let centred = upload(centred, d, &device.device);
            let products = download(centred.clone().transpose().matmul(centred))?;
            for (i, row) in products.chunks_exact(d).enumerate() {
                for (j, product) in row.iter().enumerate() {
                    self.products[(i, j)] += f64::from(*product);
                }
            }
        }
        let (m, n) = (self.rows, chunk.rows() as f64);
        let delta: Vec<f64> = mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        for (i, di) in delta.iter().enumerate() {
            for (j, dj) in delta.iter().enumerate() {
                self.products[(i, j)] += di * dj * (m * n / (m + n));
            }
        }
        for (mean, delta) in self.mean.iter_mut().zip(&delta) {
            *mean += delta * (n / (m + n));
        }
        self.rows += n;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::digits,
        oracle,
        train::random::{generator, normal},
    };

    fn fit_on_cpu(components: usize, data: &Table) -> Result<PcaModel> {
        fit(
            &PcaOptions { components }.check()?,
            data,
            &TrainingDevice::cpu(),
        )
    }

    /// Five columns of rank three plus a little noise, with large means.
    fn correlated() -> Table {
        let mut generator = generator(5, 0);
        let values = (0..400)
            .flat_map(|_| {
                let [a, b, c]: [f32; 3] = std::array::from_fn(|_| normal(&mut generator));
                let noise: [f32; 5] =
                    std::array::from_fn(|at| 0.1 * (at + 1) as f32 * normal(&mut generator));
                let clean = [3.0 * a + 900.0, 2.0 * b, a - b, c + 50.0, 0.5 * c + a];
                std::array::from_fn::<f32, 5, _>(|at| clean[at] + noise[at])
            })
            .collect();
        Table::new("made.csv", Table::numbered_columns(5), values).unwrap()
    }

    #[test]
    fn components_are_the_eigenvectors_that_jacobi_finds() {
        let data = correlated();
        let model = fit_on_cpu(5, &data).unwrap();
        let columns: Vec<Vec<f64>> = (0..5)
            .map(|at| data.iter_rows().map(|row| row[at].into()).collect())
            .collect();
        let eigen = oracle::jacobi_eigen(&oracle::covariance(&columns), 5);
        let total: f64 = eigen.values.iter().sum();
        for (at, (value, vector)) in eigen.values.iter().zip(&eigen.vectors).enumerate() {
            assert!((model.explained_variance[at] - value).abs() < 1e-12 * total);
            let component = &model.components[at * 5..][..5];
            let dot: f64 = component
                .iter()
                .zip(vector)
                .map(|(a, b)| f64::from(*a) * b)
                .sum();
            // Components are rounded to f32.
            assert!((dot.abs() - 1.0).abs() < 2e-7, "component {at}: {dot}");
        }
        assert!((model.total_variance / total - 1.0).abs() < 1e-12);
    }

    #[test]
    fn blocks_of_any_size_give_the_components_of_the_whole() {
        let data = correlated();
        let config = PcaOptions { components: 5 }.check().unwrap();
        let cpu = TrainingDevice::cpu();
        let whole = fit(&config, &data, &cpu).unwrap();
        for block in [1, 7, 399, 400] {
            let parts = fit_chunks(&config, &mut data.chunks(block), &cpu).unwrap();
            for (a, b) in parts
                .explained_variance
                .iter()
                .zip(&whole.explained_variance)
            {
                assert!(
                    (a - b).abs() < 1e-12 * whole.total_variance,
                    "{block}: {a} {b}"
                );
            }
            for (a, b) in parts.components.iter().zip(&whole.components) {
                assert!((a - b).abs() < 1e-6);
            }
            for (a, b) in parts.mean.iter().zip(&whole.mean) {
                assert!((a - b).abs() <= 1e-6 * a.abs());
            }
        }
    }

    #[test]
    fn a_mean_a_million_times_the_spread_costs_no_digits() {
        let data = correlated();
        let shifted = data.values().iter().map(|x| (x * 64.0).round() / 64.0);
        let near = data.with_values(shifted.clone().collect()).unwrap();
        // Multiples of 1/64 below 2^17 are exact in f32.
        let far = data
            .with_values(shifted.map(|x| x + 100_000.0).collect())
            .unwrap();
        let config = PcaOptions { components: 5 }.check().unwrap();
        let cpu = TrainingDevice::cpu();
        let (near, far) = (
            fit_chunks(&config, &mut near.chunks(50), &cpu).unwrap(),
            fit_chunks(&config, &mut far.chunks(50), &cpu).unwrap(),
        );
        for (a, b) in near.explained_variance.iter().zip(&far.explained_variance) {
            assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        }
    }

    #[test]
    fn components_are_orthonormal_with_their_largest_loading_positive() {
        let model = fit_on_cpu(16, &digits().unwrap()).unwrap();
        let component = |at: usize| &model.components[at * 64..][..64];
        for i in 0..16 {
            for j in 0..=i {
                let dot: f64 = component(i)
                    .iter()
                    .zip(component(j))
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-6);
            }
            let largest = component(i)
                .iter()
                .max_by(|a, b| a.abs().total_cmp(&b.abs()));
            assert!(*largest.unwrap() > 0.0);
        }
    }

    #[test]
    fn digits_give_the_published_variance() {
        let ratio = fit_on_cpu(32, &digits().unwrap())
            .unwrap()
            .explained_ratio();
        for (components, percent) in [(2, 28.5), (8, 67.4), (16, 84.9), (32, 96.6)] {
            let sum: f64 = ratio[..components].iter().sum();
            // Published to one decimal.
            assert!(
                (100.0 * sum - percent).abs() <= 0.05 + 1e-3,
                "{components}: {sum}"
            );
        }
    }

    #[test]
    fn the_result_repeats_to_the_last_bit() {
        let data = digits().unwrap();
        assert_eq!(fit_on_cpu(8, &data).unwrap(), fit_on_cpu(8, &data).unwrap());
    }

    #[test]
    fn impossible_requests_are_one_clear_sentence() {
        let columns = Table::numbered_columns(3);
        let data = Table::new("made.csv", columns, vec![1.0; 6]).unwrap();
        let message = |components| fit_on_cpu(components, &data).unwrap_err().to_string();
        assert_eq!(message(0), "the number of components is 0; give at least 1");
        assert_eq!(
            message(4),
            "made.csv has 3 columns, too few for 4 components; ask for at most 3"
        );
        assert_eq!(
            message(2),
            "made.csv has 2 rows, too few for 2 components; give more rows or ask for at most 1"
        );
        assert_eq!(
            message(1),
            "made.csv never changes in any column; give data that varies"
        );
    }
}
