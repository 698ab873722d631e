//! From data units to standardised features, and to the integer counts a sensor would give.

use anyhow::{Context, Result, bail, ensure};

use super::moments::{ColumnMoments, KeptRows, Moments, Quartiles, Range};
use super::{Chunks, Table, for_each_chunk};
use crate::number::reading;

/// The largest count that fitted data which is rescaled may reach: half of what an `i16` holds, so that new data may
/// be twice as large before it saturates.
const LARGEST_COUNT: f64 = 16_384.0;

/// The largest reading that is its own count.
const LARGEST_READING: f64 = 32_767.0;

/// Counts that a standard deviation has to span, unless counts are the values themselves.
pub(crate) const LEAST_SPREAD: f64 = 4.0;

/// Features end here on the device, in deviations: `I4F12`.
pub const LARGEST_FEATURE: f64 = 8.0;

/// One unit of a feature.
const FEATURE_STEP: f64 = 1.0 / 4096.0;

/// How the spread of each column is brought to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Every column by its own standard deviation: for columns of different units.
    Standard {
        /// Accept columns that never change, and give them the spread that [`Scaling::Uniform`] would.
        ignore_constant: bool,
    },
    /// Every column by its own interquartile range around its median: a few wild readings change nothing. The range
    /// is divided by 1.349, which makes it the standard deviation of a normal column; a column of which half the
    /// rows agree keeps mean and standard deviation.
    Robust {
        /// As of [`Scaling::Standard`].
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

/// The affine map between data units and features: `feature_j = (value_j - mean_j) / std_j`, which ends at -8 and 8
/// as on the device.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardiser {
    /// What becomes feature 0 in each column, in data units: its mean, or its median.
    pub mean: Vec<f64>,
    /// What each column is divided by, in data units; positive.
    pub std: Vec<f64>,
    /// What one count of the device's `i16` sample is worth in each column, in data units: 1 if the values
    /// are integers that an `i16` holds, otherwise the smallest power of two by which the largest magnitude is
    /// at most 2^14 counts. Values beyond eight deviations do not count: features end there. Under
    /// [`Scaling::Uniform`] one for all columns.
    pub lsb: Vec<f64>,
    /// Whether a count is a reading itself, so that however small the spread nothing is lost.
    pub own_counts: Vec<bool>,
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
        let quartiles = self.is_robust().then(|| {
            let mut kept = KeptRows::new(table.width());
            kept.add(table);
            kept.quartiles()
        });
        let moments = Moments::of(table);
        self.standardise(&moments, quartiles, table.source(), table.columns())
    }

    const fn is_robust(self) -> bool {
        matches!(self, Self::Robust { .. })
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
        let mut kept = KeptRows::new(chunks.columns().len());
        for_each_chunk(chunks, |chunk| {
            let moments = Moments::of(chunk);
            if self.is_robust() {
                kept.add(chunk);
            }
            match &mut all {
                Some(all) => all.merge(&moments),
                None => all = Some(moments),
            }
            Ok(())
        })?;
        let all = all.with_context(|| format!("{} has no rows", chunks.source()))?;
        let quartiles = self.is_robust().then(|| kept.quartiles());
        self.standardise(&all, quartiles, chunks.source(), chunks.columns())
    }

    fn standardise(
        self,
        moments: &Moments,
        quartiles: Option<Vec<Quartiles>>,
        source: &str,
        columns: &[String],
    ) -> Result<Standardiser> {
        ensure!(
            moments.rows >= 2,
            "{source} has too few rows to train on to measure a spread ({}); give at least 2",
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
                    "the values of {source} go from {} to {} and none is on the other side of {}; give a --threshold between",
                    reading(low),
                    reading(high),
                    reading(at)
                );
                let std = (high - low) / 2.0;
                mean.fill(at - FEATURE_STEP * std);
                vec![std; columns.len()]
            }
            Self::Uniform => vec![common.sqrt(); columns.len()],
            Self::Standard { ignore_constant } | Self::Robust { ignore_constant } => {
                let constant = moments.columns.iter().position(ColumnMoments::is_constant);
                if let (Some(at), false) = (constant, ignore_constant) {
                    let column = &columns[at];
                    bail!(
                        "{source}, column `{column}` has the same value in every training row; leave it out with --label-column '{column}', keep it without scaling it up with --ignore-constant, or give columns of one unit --scale uniform"
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
        let mut std = std;
        for (at, quartiles) in quartiles.iter().flatten().enumerate() {
            if let Some(spread) = quartiles.spread() {
                (mean[at], std[at]) = (quartiles.median, spread);
            }
        }
        // Beyond eight deviations features have ended, whatever the count.
        let clipped: Vec<Range> = moments
            .columns
            .iter()
            .zip(mean.iter().zip(&std))
            .map(|(column, (mean, std))| Range {
                minimum: column
                    .range
                    .minimum
                    .max((mean - LARGEST_FEATURE * std) as f32),
                maximum: column
                    .range
                    .maximum
                    .min((mean + LARGEST_FEATURE * std) as f32),
                integers: column.range.integers,
            })
            .collect();
        let lsb = match self {
            Self::Uniform | Self::Threshold { .. } => {
                let all = clipped
                    .iter()
                    .fold(Range::EMPTY, |all, range| all.joined(*range));
                vec![lsb(all); columns.len()]
            }
            Self::Standard { .. } | Self::Robust { .. } => {
                clipped.iter().map(|range| lsb(*range)).collect()
            }
        };
        Ok(Standardiser {
            mean,
            std,
            own_counts: lsb.iter().map(|lsb| *lsb == 1.0).collect(),
            lsb,
            minimum: range.minimum,
            maximum: range.maximum,
        })
    }
}

/// What one count is worth; see [`Standardiser::lsb`].
fn lsb(range: Range) -> f64 {
    let largest = f64::from(range.minimum.abs().max(range.maximum.abs()));
    if largest <= LARGEST_READING && range.integers {
        return 1.0;
    }
    (largest / LARGEST_COUNT).log2().ceil().exp2()
}

/// A feature as the device holds it: from -8 to one unit below 8.
#[must_use]
pub fn ending(feature: f64) -> f64 {
    feature.clamp(-LARGEST_FEATURE, LARGEST_FEATURE - FEATURE_STEP)
}

impl Standardiser {
    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Features of a table in data units; beyond eight deviations they end, as on the device.
    ///
    /// # Errors
    ///
    /// A table of another width.
    pub fn transform(&self, table: &Table) -> Result<Table> {
        self.map(table, |value, mean, std| ending((value - mean) / std))
    }

    /// Counts of the sensor's own: `lsb` data units each in the column of that index.
    ///
    /// # Errors
    ///
    /// An `i16` does not hold the readings, or they do not move by a count.
    pub fn count_by(&mut self, column: usize, name: &str, lsb: f64) -> Result<()> {
        let (mean, std) = (self.mean[column], self.std[column]);
        let reach = mean.abs() + std;
        ensure!(
            lsb <= std,
            "column `{name}`: one count of {} is more than a deviation, which is {}; check --lsb",
            reading(lsb),
            reading(std)
        );
        ensure!(
            reach / lsb <= LARGEST_READING,
            "column `{name}`: values of {} are {} counts of {}, and 16 bits hold {LARGEST_READING}; check --lsb, or subtract a constant with --offset",
            reading(reach),
            reading(reach / lsb),
            reading(lsb)
        );
        (self.lsb[column], self.own_counts[column]) = (lsb, true);
        Ok(())
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
            ([-3.0, 32_767.0], 1.0),
            ([0.0, 32_768.0], 2.0),
            ([0.5, 16_384.0], 1.0),
            ([0.5, 16_385.0], 2.0),
            ([0.0, 1.0 / 3.0], 1.0 / 32_768.0),
            ([0.5, 1.0], 1.0 / 16_384.0),
            ([0.5, -1.5], 1.0 / 8_192.0),
        ] {
            assert_eq!(
                lsb(Moments::of(&table(1, &values)).columns[0].range),
                expected,
                "{values:?}"
            );
        }
        // Columns of different units each have their own.
        let data = table(2, &[101_325.0, 20.5, 99_000.0, 21.25]);
        assert_eq!(STANDARD.fit(&data).unwrap().lsb, [8.0, 1.0 / 512.0]);
        assert_eq!(Scaling::Uniform.fit(&data).unwrap().lsb, [8.0, 8.0]);
    }

    #[test]
    fn a_wild_reading_moves_no_robust_scale_and_costs_no_resolution() {
        let calm: Vec<f32> = (0..100).map(|at| 500.0 + (at % 25) as f32).collect();
        let mut wild = calm.clone();
        wild[40] = 65_535.0;
        let robust = Scaling::Robust {
            ignore_constant: false,
        };
        let [calm, wild] = [calm, wild].map(|values| robust.fit(&table(1, &values)).unwrap());
        assert!((calm.mean[0] - wild.mean[0]).abs() <= 0.5);
        assert!((calm.std[0] / wild.std[0] - 1.0).abs() < 0.05);
        assert_eq!((calm.lsb[0], wild.lsb[0]), (1.0, 1.0));
        // 12.5 / 1.349 of a normal column would be its deviation.
        let features = wild.transform(&table(1, &[512.0, 65_535.0])).unwrap();
        assert!(features.values()[1] == 8.0 - 1.0 / 4096.0);
        // Half of the rows agree: no interquartile range to go by.
        let stuck = table(1, &[0.0, 0.0, 0.0, 0.0, 0.0, 6.0]);
        assert_eq!(
            robust.fit(&stuck).unwrap().std,
            STANDARD.fit(&stuck).unwrap().std
        );
    }

    #[test]
    fn a_sensors_own_count_is_kept() {
        let mut fitted = STANDARD.fit(&table(1, &[0.98, 1.02, 1.0])).unwrap();
        fitted.count_by(0, "z", 0.001).unwrap();
        assert_eq!((fitted.lsb[0], fitted.own_counts[0]), (0.001, true));
        let message = fitted.count_by(0, "z", 1e-5).unwrap_err().to_string();
        assert_eq!(
            message,
            "column `z`: values of 1.01633 are 101633 counts of 0.00001, and 16 bits hold 32767; check --lsb, or subtract a constant with --offset"
        );
    }

    #[test]
    fn what_cannot_be_scaled_is_one_clear_sentence() {
        let constant = table(2, &[1.0, 5.0, 2.0, 5.0]);
        assert_eq!(
            STANDARD.fit(&constant).unwrap_err().to_string(),
            "made.csv, column `column 2` has the same value in every training row; leave it out with --label-column 'column 2', keep it without scaling it up with --ignore-constant, or give columns of one unit --scale uniform"
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
            "made.csv has too few rows to train on to measure a spread (1); give at least 2"
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
