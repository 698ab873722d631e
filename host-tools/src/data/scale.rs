//! From data units to standardised features, and to the integer counts a sensor would give.

use anyhow::{Context, Result, bail, ensure};

use super::{Chunks, Table, for_each_chunk};

/// The largest count that the fitted data may reach: half of what an `i16` holds, so that new data may
/// be twice as large before it saturates.
const LARGEST_COUNT: f64 = 16_384.0;

/// How the spread of each column is brought to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Every column by its own standard deviation: for columns of different units.
    Standard {
        /// Accept columns that never change, and give them the spread that [`Scaling::Uniform`] would.
        ignore_constant: bool,
    },
    /// All columns by one common standard deviation, the root of the mean variance: distances keep their
    /// proportions. For columns of one unit, such as pixels.
    Uniform,
    /// One line for all columns, above 0 from a value on: for models of binary units.
    Threshold {
        /// The value, in data units; the middle of the fitted data where it is not given.
        at: Option<f64>,
    },
}

/// By how much of the spread a threshold lies above the value that becomes feature 0: one unit of `I4F12`.
const ABOVE_ZERO: f64 = 1.0 / 4096.0;

/// The affine map between data units and features: `feature_j = (value_j - mean_j) / std_j`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardiser {
    /// Mean of each column, in data units.
    pub mean: Vec<f64>,
    /// What each column is divided by, in data units; positive.
    pub std: Vec<f64>,
    /// What one count of the device's `i16` sample is worth in each column, in data units: 1 if the values
    /// are integers of at most 2^14, otherwise the smallest power of two by which the largest magnitude is
    /// at most 2^14 counts. Under [`Scaling::Uniform`] one for all columns.
    pub lsb: Vec<f64>,
    /// Smallest value of the fitted data.
    pub minimum: f32,
    /// Largest value of the fitted data.
    pub maximum: f32,
}

impl Scaling {
    /// Fits mean and spread to the rows of a table, in f64; the variance is that of the population
    /// (divided by the number of rows).
    ///
    /// # Errors
    ///
    /// Fewer than two rows; a constant column under [`Scaling::Standard`] unless ignored; data that does
    /// not vary at all.
    pub fn fit(self, table: &Table) -> Result<Standardiser> {
        self.standardise(&Moments::of(table), table.source(), table.columns())
    }

    /// Fits mean and spread in one pass over chunks; the moments of the chunks are merged pairwise
    /// (T. Chan, G. Golub and R. LeVeque, *Algorithms for computing the sample variance*, The American
    /// Statistician 37, 1983).
    ///
    /// # Errors
    ///
    /// As [`Scaling::fit`]; the chunks cannot be read.
    pub fn fit_chunks(self, chunks: &mut dyn Chunks) -> Result<Standardiser> {
        let mut all: Option<Moments> = None;
        for_each_chunk(chunks, |chunk| {
            let moments = Moments::of(chunk);
            match &mut all {
                Some(all) => all.merge(&moments),
                None => all = Some(moments),
            }
            Ok(())
        })?;
        let all = all.with_context(|| format!("{} has no rows", chunks.source()))?;
        self.standardise(&all, chunks.source(), chunks.columns())
    }

    fn standardise(
        self,
        moments: &Moments,
        source: &str,
        columns: &[String],
    ) -> Result<Standardiser> {
        ensure!(
            moments.rows >= 2,
            "{source} has too few rows to measure a spread ({}); give at least 2",
            moments.rows
        );
        let of_columns = |value: fn(&ColumnMoments, f64) -> f64| -> Vec<f64> {
            let rows = moments.rows as f64;
            moments.columns.iter().map(|m| value(m, rows)).collect()
        };
        let variance = of_columns(|column, rows| column.squares / rows);
        let common = variance.iter().sum::<f64>() / columns.len() as f64;
        ensure!(
            moments.columns.iter().any(|column| !column.is_constant()) && common > 0.0,
            "{source} never changes in any column; give data that varies"
        );
        let range = moments
            .columns
            .iter()
            .fold(Range::EMPTY, |range, column| range.joined(column.range));
        let mut mean = of_columns(|column, _| column.mean);
        let std = match self {
            Self::Threshold { at } => {
                let (low, high) = (f64::from(range.minimum), f64::from(range.maximum));
                let at = at.unwrap_or((low + high) / 2.0);
                ensure!(
                    low < at && at <= high,
                    "the values of {source} go from {low} to {high} and none is on the other side of {at}; give a --threshold between"
                );
                let std = (high - low) / 2.0;
                mean.fill(at - ABOVE_ZERO * std);
                vec![std; columns.len()]
            }
            Self::Uniform => vec![common.sqrt(); columns.len()],
            Self::Standard { ignore_constant } => {
                let constant = moments.columns.iter().position(ColumnMoments::is_constant);
                if let (Some(at), false) = (constant, ignore_constant) {
                    bail!(
                        "{source}, column `{}` has the same value in every row; train with --scale uniform, or with --ignore-constant to keep it without scaling it up",
                        columns[at]
                    );
                }
                variance
                    .iter()
                    .zip(&moments.columns)
                    .map(|(variance, column)| {
                        let variance = if column.is_constant() {
                            common
                        } else {
                            *variance
                        };
                        variance.sqrt()
                    })
                    .collect()
            }
        };
        Ok(Standardiser {
            mean,
            std,
            lsb: match self {
                Self::Uniform | Self::Threshold { .. } => vec![range.lsb(); columns.len()],
                Self::Standard { .. } => of_columns(|column, _| column.range.lsb()),
            },
            minimum: range.minimum,
            maximum: range.maximum,
        })
    }
}

impl Standardiser {
    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Features of a table in data units.
    ///
    /// # Errors
    ///
    /// A table of another width.
    pub fn transform(&self, table: &Table) -> Result<Table> {
        self.map(table, |value, mean, std| (value - mean) / std)
    }

    /// Data units of a table of features.
    ///
    /// # Errors
    ///
    /// A table of another width.
    pub fn inverse(&self, table: &Table) -> Result<Table> {
        self.map(table, |feature, mean, std| feature * std + mean)
    }

    /// What noise of standard deviation `sigma` in data units is in each feature.
    #[must_use]
    pub fn noise_in_features(&self, sigma: f64) -> Vec<f32> {
        self.std.iter().map(|std| (sigma / std) as f32).collect()
    }

    fn map(&self, table: &Table, value: impl Fn(f64, f64, f64) -> f64) -> Result<Table> {
        self.check_width(table)?;
        let values = table
            .iter_rows()
            .flat_map(|row| row.iter().zip(&self.mean).zip(&self.std))
            .map(|((&x, &mean), &std)| value(f64::from(x), mean, std) as f32)
            .collect();
        table.with_values(values)
    }

    fn check_width(&self, table: &Table) -> Result<()> {
        ensure!(
            table.width() == self.width(),
            "{} has {} columns where the model was trained on {}; give the same columns in the same order",
            table.source(),
            table.width(),
            self.width()
        );
        Ok(())
    }
}

/// What is known of some rows, column by column.
struct Moments {
    rows: usize,
    columns: Vec<ColumnMoments>,
}

struct ColumnMoments {
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    range: Range,
}

impl Moments {
    /// Two passes, so that a large mean does not eat the variance.
    fn of(table: &Table) -> Self {
        let rows = table.rows() as f64;
        let column = |at: usize| {
            let values = || table.iter_rows().map(move |row| row[at]);
            let mean = values().map(f64::from).sum::<f64>() / rows;
            ColumnMoments {
                mean,
                squares: values().map(|x| (f64::from(x) - mean).powi(2)).sum(),
                range: values().collect(),
            }
        };
        Self {
            rows: table.rows(),
            columns: (0..table.width()).map(column).collect(),
        }
    }

    /// Chan, Golub and LeVeque's equations 2.1: with `delta` the difference of the means, the sum of
    /// squares grows by `delta^2 m n / (m + n)`.
    fn merge(&mut self, other: &Self) {
        let (m, n) = (self.rows as f64, other.rows as f64);
        self.rows += other.rows;
        for (a, b) in self.columns.iter_mut().zip(&other.columns) {
            let delta = b.mean - a.mean;
            a.mean += delta * n / (m + n);
            a.squares += b.squares + delta * delta * m * n / (m + n);
            a.range = a.range.joined(b.range);
        }
    }
}

impl ColumnMoments {
    fn is_constant(&self) -> bool {
        self.range.minimum == self.range.maximum
    }
}

#[derive(Clone, Copy)]
struct Range {
    minimum: f32,
    maximum: f32,
    /// Every value is an integer.
    integers: bool,
}

impl Range {
    const EMPTY: Self = Self {
        minimum: f32::INFINITY,
        maximum: f32::NEG_INFINITY,
        integers: true,
    };

    fn joined(self, other: Self) -> Self {
        Self {
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
            integers: self.integers && other.integers,
        }
    }

    /// What one count is worth; see [`Standardiser::lsb`].
    fn lsb(self) -> f64 {
        let largest = f64::from(self.minimum.abs().max(self.maximum.abs()));
        if largest <= LARGEST_COUNT && self.integers {
            return 1.0;
        }
        (largest / LARGEST_COUNT).log2().ceil().exp2()
    }
}

impl FromIterator<f32> for Range {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        values.into_iter().fold(Self::EMPTY, |range, value| {
            range.joined(Self {
                minimum: value,
                maximum: value,
                integers: value.fract() == 0.0,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: usize, values: &[f32]) -> Table {
        let columns = Table::numbered_columns(width);
        Table::new("made.csv", columns, values.to_vec()).unwrap()
    }

    const STANDARD: Scaling = Scaling::Standard {
        ignore_constant: false,
    };

    #[test]
    fn features_have_mean_zero_and_spread_one() {
        let data = table(2, &[1.0, 10.0, 2.0, 30.0, 3.0, 20.0, 6.0, -40.0]);
        let features = STANDARD.fit(&data).unwrap().transform(&data).unwrap();
        for at in 0..2 {
            let column: Vec<f64> = features.iter_rows().map(|row| row[at].into()).collect();
            let mean = column.iter().sum::<f64>() / 4.0;
            let variance = column.iter().map(|x| x * x).sum::<f64>() / 4.0;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_large_offset_does_not_hide_the_spread() {
        let data = table(1, &[16_000_000.0, 16_000_001.0, 16_000_002.0, 16_000_003.0]);
        let fitted = STANDARD.fit(&data).unwrap();
        assert!((fitted.std[0] - 1.25_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn uniform_scaling_keeps_proportions_and_constant_columns() {
        let data = table(3, &[0.0, 0.0, 7.0, 2.0, 6.0, 7.0]);
        let fitted = Scaling::Uniform.fit(&data).unwrap();
        // Variances 1, 9 and 0.
        assert_eq!(fitted.std, vec![(10.0_f64 / 3.0).sqrt(); 3]);
    }

    #[test]
    fn the_inverse_returns_the_data() {
        let data = table(2, &[1.0, 10.0, 2.0, 30.0, 3.5, 20.0]);
        let fitted = STANDARD.fit(&data).unwrap();
        let back = fitted.inverse(&fitted.transform(&data).unwrap()).unwrap();
        for (a, b) in back.values().iter().zip(data.values()) {
            assert!((a - b).abs() < 1e-5);
        }
    }

    #[test]
    fn one_count_is_a_power_of_two_that_leaves_headroom() {
        for (values, expected) in [
            ([0.0, 16.0], 1.0),
            ([-3.0, 16_384.0], 1.0),
            ([0.0, 16_385.0], 2.0),
            ([0.0, 1.0 / 3.0], 1.0 / 32_768.0),
            ([0.5, 1.0], 1.0 / 16_384.0),
            ([0.5, -1.5], 1.0 / 8_192.0),
        ] {
            assert_eq!(Range::from_iter(values).lsb(), expected, "{values:?}");
        }
        // Columns of different units each have their own.
        let data = table(2, &[101_325.0, 20.5, 99_000.0, 21.25]);
        assert_eq!(STANDARD.fit(&data).unwrap().lsb, [8.0, 1.0 / 512.0]);
        assert_eq!(Scaling::Uniform.fit(&data).unwrap().lsb, [8.0, 8.0]);
    }

    #[test]
    fn what_cannot_be_scaled_is_one_clear_sentence() {
        let constant = table(2, &[1.0, 5.0, 2.0, 5.0]);
        assert_eq!(
            STANDARD.fit(&constant).unwrap_err().to_string(),
            "made.csv, column `column 2` has the same value in every row; train with --scale uniform, or with --ignore-constant to keep it without scaling it up"
        );
        let ignored = Scaling::Standard {
            ignore_constant: true,
        };
        assert_eq!(ignored.fit(&constant).unwrap().std, [0.5, 0.125_f64.sqrt()]);
        assert_eq!(
            STANDARD
                .fit(&table(2, &[1.0, 5.0]))
                .unwrap_err()
                .to_string(),
            "made.csv has too few rows to measure a spread (1); give at least 2"
        );
        assert_eq!(
            Scaling::Uniform
                .fit(&table(1, &[5.0, 5.0]))
                .unwrap_err()
                .to_string(),
            "made.csv never changes in any column; give data that varies"
        );
        let fitted = STANDARD.fit(&table(1, &[1.0, 2.0])).unwrap();
        assert_eq!(
            fitted.transform(&constant).unwrap_err().to_string(),
            "made.csv has 2 columns where the model was trained on 1; give the same columns in the same order"
        );
    }
}
