//! Principal components by the eigenvectors of the covariance.
//!
//! The rows are centred in f64 on the host; their Gram matrix is a product of tensors on the training
//! device (f32 within a block of rows, f64 over the blocks); faer decomposes it in f64.

use anyhow::{Result, anyhow, ensure};
use faer::{Mat, Side};

use super::{device::TrainingDevice, model::PcaModel, tensors};
use crate::data::Table;

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
/// positive.
///
/// # Errors
///
/// More components than columns, or not fewer than rows; rows that are all equal; the training device
/// fails.
pub fn fit(config: &PcaConfig, data: &Table, device: &TrainingDevice) -> Result<PcaModel> {
    let k = config.options().components;
    let (rows, d) = (data.rows(), data.width());
    ensure!(
        k <= d,
        "{} has {d} columns, too few for {k} components; ask for at most {d}",
        data.source()
    );
    ensure!(
        k < rows,
        "{} has {rows} rows, too few for {k} components; give more rows or ask for at most {}",
        data.source(),
        rows - 1
    );
    let (centred, mean) = super::centre(data);
    let covariance = covariance(&centred, d, rows, device)?;
    let total_variance: f64 = (0..d).map(|at| covariance[(at, at)]).sum();
    ensure!(
        total_variance > 0.0,
        "{} never changes in any column; give data that varies",
        data.source()
    );
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| anyhow!("the eigenvalues of the covariance were not found: {error:?}"))?;
    // faer sorts by rising eigenvalue.
    let by_falling_variance = (0..d).rev().take(k);
    let mut components = Vec::with_capacity(k * d);
    let mut explained_variance = Vec::with_capacity(k);
    for at in by_falling_variance {
        let direction: Vec<f64> = eigen.U().col(at).iter().copied().collect();
        let largest = direction
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(1.0);
        components.extend(
            direction
                .iter()
                .map(|value| (value * largest.signum()) as f32),
        );
        // Rounding may push the eigenvalue of an empty direction below 0.
        explained_variance.push(eigen.S()[at].max(0.0));
    }
    Ok(PcaModel {
        mean: mean.iter().map(|&mean| mean as f32).collect(),
        components,
        explained_variance,
        total_variance,
        k,
        d,
    })
}

/// The Gram matrix of centred rows divided by rows - 1.
fn covariance(centred: &[f32], d: usize, rows: usize, device: &TrainingDevice) -> Result<Mat<f64>> {
    let mut sums = vec![0.0_f64; d * d];
    for block in tensors::upload_blocks(centred, d, &device.device) {
        let gram = tensors::download(block.clone().transpose().matmul(block))?;
        for (sum, value) in sums.iter_mut().zip(gram) {
            *sum += f64::from(value);
        }
    }
    Ok(Mat::from_fn(d, d, |i, j| {
        sums[i * d + j] / (rows - 1) as f64
    }))
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
            // The Gram matrix is summed in f32: its error is relative to the largest variance.
            assert!((model.explained_variance[at] - value).abs() < 1e-6 * total);
            let component = &model.components[at * 5..][..5];
            let dot: f64 = component
                .iter()
                .zip(vector)
                .map(|(a, b)| f64::from(*a) * b)
                .sum();
            assert!((dot.abs() - 1.0).abs() < 1e-5, "component {at}: {dot}");
        }
        assert!((model.total_variance / total - 1.0).abs() < 1e-6);
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
