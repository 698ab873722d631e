//! Principal components by the eigenvectors of the covariance, or, of fewer rows than columns, of the rows'
//! products with each other, which are fewer and have the same directions (`gram`).
//!
//! Mean and covariance are accumulated in one pass over blocks of rows, each centred by its own mean, and
//! merged pairwise (T. Chan, G. Golub and R. LeVeque, *Algorithms for computing the sample variance*, The
//! American Statistician 37, 1983), so that neither a large mean nor many rows cost accuracy; faer finds
//! the eigenvectors, always on the CPU.
//!
//! The products, `rows · columns²` of them, are what takes time. The CPU multiplies in f64; a GPU, which
//! may have no f64, in f32, a block at a time: centred rows keep the error of a block near 1e-6 of its
//! variance, and blocks are summed in f64.

mod gram;
mod scatter;

use anyhow::{Result, ensure};

use self::scatter::Scatter;
use super::device::TrainingDevice;
use super::model::{PcaModel, fix_sign};
use crate::data::{Chunks, Table, for_each_chunk};

/// Rows multiplied at once when all of them are in memory.
const BLOCK_ROWS: usize = 4096;

/// Most columns whose covariance is made, which takes 2 GB then.
const MOST_COLUMNS: usize = 1 << 14;

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
/// More components than columns, or not fewer than rows; rows that are all equal; more than 16384 columns and as
/// many rows.
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
    let mut sums = Sums::new(d);
    let rows = for_each_chunk(chunks, |chunk| sums.add(chunk, device))?;
    let most = d.min(rows - 1);
    ensure!(
        k <= most,
        "{source}: {rows} rows to train on, of {d} columns, have no more than {most} components; {}",
        if most == 0 {
            "give at least 2 rows".to_owned()
        } else {
            format!("ask for at most {most}")
        }
    );
    let (mean, directions) = sums.directions(k)?;
    let total_variance = directions.total_variance;
    ensure!(
        total_variance > 0.0,
        "{source} never changes in any column; give data that varies",
    );
    let mut components = Vec::with_capacity(k * d);
    let mut explained_variance = Vec::with_capacity(k);
    for (variance, mut direction) in directions.of_largest_variance {
        fix_sign(&mut direction);
        components.extend(direction.iter().map(|&value| value as f32));
        let empty = is_empty(variance, total_variance);
        explained_variance.push(if empty { 0.0 } else { variance });
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

/// Directions by falling variance, each of length one and orthogonal to the others.
struct Directions {
    total_variance: f64,
    of_largest_variance: Vec<(f64, Vec<f64>)>,
}

/// Whether a variance is nothing but rounding of the total.
fn is_empty(variance: f64, total: f64) -> bool {
    variance <= 1e-14 * total
}

/// What the components are found from: rows while there are fewer of them than columns, then their covariance.
enum Sums {
    Rows { values: Vec<f32>, d: usize },
    Scatter(Scatter),
}

impl Sums {
    const fn new(d: usize) -> Self {
        Self::Rows {
            values: Vec::new(),
            d,
        }
    }

    fn add(&mut self, chunk: &Table, device: &TrainingDevice) -> Result<()> {
        match self {
            Self::Scatter(scatter) => scatter.add(chunk, device),
            Self::Rows { values, d } if values.len() + chunk.values().len() < *d * *d => {
                values.extend_from_slice(chunk.values());
                Ok(())
            }
            Self::Rows { values, d } => {
                ensure!(
                    *d <= MOST_COLUMNS,
                    "{} has {d} columns and no fewer rows: the components of more than {MOST_COLUMNS} columns take too much memory; give fewer rows than columns, or leave columns out",
                    chunk.source()
                );
                let mut scatter = Scatter::new(*d);
                if !values.is_empty() {
                    let columns = chunk.columns().to_vec();
                    let before = Table::new(chunk.source(), columns, std::mem::take(values))?;
                    scatter.add(&before, device)?;
                }
                scatter.add(chunk, device)?;
                *self = Self::Scatter(scatter);
                Ok(())
            }
        }
    }

    /// The mean, and the `k` directions of largest variance.
    fn directions(self, k: usize) -> Result<(Vec<f64>, Directions)> {
        match self {
            Self::Rows { values, d } => {
                let mean = super::means_of_rows(&values, d);
                let directions = gram::directions(&values, &mean, k)?;
                Ok((mean, directions))
            }
            Self::Scatter(scatter) => Ok((scatter.mean.clone(), scatter.directions(k)?)),
        }
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

    /// Components by the covariance, however few the rows.
    fn by_covariance(data: &Table, k: usize) -> Directions {
        let mut scatter = Scatter::new(data.width());
        scatter.add(data, &TrainingDevice::cpu()).unwrap();
        scatter.directions(k).unwrap()
    }

    #[test]
    fn few_rows_have_the_components_of_their_covariance() {
        let mut generator = generator(7, 0);
        for (rows, d) in [(3, 4), (9, 70), (30, 31), (40, 200)] {
            let spread: Vec<f32> = (0..d).map(|at| 1.0 + (at % 7) as f32).collect();
            let values = (0..rows * d)
                .map(|at| 1e3 + spread[at % d] * normal(&mut generator))
                .collect();
            let data = Table::new("made", Table::numbered_columns(d), values).unwrap();
            let k = rows - 1;
            let model = fit_on_cpu(k, &data).unwrap();
            let expected = by_covariance(&data, k);
            assert!((model.total_variance / expected.total_variance - 1.0).abs() < 1e-12);
            let found = model.components.chunks_exact(d);
            for (at, (component, (variance, mut direction))) in
                found.zip(expected.of_largest_variance).enumerate()
            {
                fix_sign(&mut direction);
                assert!((model.explained_variance[at] / variance - 1.0).abs() < 1e-9);
                for (a, b) in component.iter().zip(direction) {
                    assert!(
                        (f64::from(*a) - b).abs() < 1e-5,
                        "{rows} x {d}, {at}: {a} {b}"
                    );
                }
            }
        }
    }

    #[test]
    fn directions_without_variance_are_orthonormal_too() {
        // Twelve rows of three kinds among twenty columns: two directions vary, nine do not.
        let values: Vec<f32> = (0..12 * 20)
            .map(|at| ((at / 20 % 3) * (at % 20 + 1) % 7) as f32)
            .collect();
        let data = Table::new("made", Table::numbered_columns(20), values.clone()).unwrap();
        let wide =
            gram::directions(&values, &super::super::means_of_rows(&values, 20), 11).unwrap();
        for directions in [wide, by_covariance(&data, 11)] {
            let found = directions.of_largest_variance;
            for (i, (_, a)) in found.iter().enumerate() {
                for (j, (_, b)) in found.iter().enumerate() {
                    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!(
                        (dot - f64::from(u8::from(i == j))).abs() < 1e-14,
                        "{i} {j}: {dot}"
                    );
                }
            }
        }
        let model = fit_on_cpu(11, &data).unwrap();
        assert!(model.explained_variance[..2].iter().all(|v| *v > 0.1));
        assert_eq!(model.explained_variance[2..], [0.0; 9]);
    }

    #[test]
    fn rows_in_blocks_change_routes_when_they_are_as_many_as_columns() {
        let data = correlated();
        for rows in [3, 4, 5, 6, 9] {
            let few = data.first(rows);
            let config = PcaOptions { components: 2 }.check().unwrap();
            let cpu = TrainingDevice::cpu();
            let whole = fit(&config, &few, &cpu).unwrap();
            let parts = fit_chunks(&config, &mut few.chunks(2), &cpu).unwrap();
            for (a, b) in parts.components.iter().zip(&whole.components) {
                assert!((a - b).abs() < 1e-5, "{rows}: {a} {b}");
            }
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
        for components in [2, 4] {
            assert_eq!(
                message(components),
                "made.csv: 2 rows to train on, of 3 columns, have no more than 1 components; ask for at most 1"
            );
        }
        assert_eq!(
            message(1),
            "made.csv never changes in any column; give data that varies"
        );
    }
}
