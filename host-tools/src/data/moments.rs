//! What is known of the columns of some rows: mean, spread, range, quantiles.

use super::Table;

/// Of this many values quartiles are exact; of more, every second row counts, or every fourth, and so on.
const MOST_KEPT: usize = 1 << 22;

/// A normal distribution's quartiles lie so many standard deviations apart.
const QUARTILES_APART: f64 = 1.348_979_500_392_163_6;

/// What is known of some rows, column by column.
pub(super) struct Moments {
    pub(super) rows: usize,
    pub(super) columns: Vec<ColumnMoments>,
}

#[derive(Clone)]
pub(super) struct ColumnMoments {
    pub(super) mean: f64,
    /// Sum of squared deviations from the mean.
    pub(super) squares: f64,
    pub(super) range: Range,
}

impl Moments {
    /// Two passes, so that a large mean does not eat the variance.
    pub(super) fn of(table: &Table) -> Self {
        let rows = table.rows() as f64;
        let mut columns = vec![
            ColumnMoments {
                mean: 0.0,
                squares: 0.0,
                range: Range::EMPTY,
            };
            table.width()
        ];
        for row in table.iter_rows() {
            for (column, &x) in columns.iter_mut().zip(row) {
                column.mean += f64::from(x);
                column.range = column.range.joined(Range::of(x));
            }
        }
        for column in &mut columns {
            column.mean /= rows;
        }
        for row in table.iter_rows() {
            for (column, &x) in columns.iter_mut().zip(row) {
                column.squares += (f64::from(x) - column.mean).powi(2);
            }
        }
        Self {
            rows: table.rows(),
            columns,
        }
    }

    /// Chan, Golub and LeVeque's equations 2.1: with `delta` the difference of the means, the sum of
    /// squares grows by `delta^2 m n / (m + n)`.
    pub(super) fn merge(&mut self, other: &Self) {
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
    pub(super) fn is_constant(&self) -> bool {
        self.range.minimum == self.range.maximum
    }
}

#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) minimum: f32,
    pub(super) maximum: f32,
    /// Every value is an integer.
    pub(super) integers: bool,
}

impl Range {
    pub(super) const EMPTY: Self = Self {
        minimum: f32::INFINITY,
        maximum: f32::NEG_INFINITY,
        integers: true,
    };

    fn of(value: f32) -> Self {
        Self {
            minimum: value,
            maximum: value,
            integers: value.fract() == 0.0,
        }
    }

    pub(super) fn joined(self, other: Self) -> Self {
        Self {
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
            integers: self.integers && other.integers,
        }
    }
}

/// Median and quartiles of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quartiles {
    pub(super) first: f64,
    pub(super) median: f64,
    pub(super) third: f64,
}

impl Quartiles {
    /// The standard deviation of a normal distribution with these quartiles; none where half of the rows agree.
    pub(super) fn spread(&self) -> Option<f64> {
        let spread = (self.third - self.first) / QUARTILES_APART;
        (spread > 0.0).then_some(spread)
    }

    fn of(values: &mut [f32]) -> Self {
        values.sort_unstable_by(f32::total_cmp);
        // Between the two nearest values, as NumPy does.
        let at = |share: f64| {
            let place = share * (values.len() - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let (low, high) = (f64::from(values[below]), f64::from(values[above]));
            low + (high - low) * (place - below as f64)
        };
        Self {
            first: at(0.25),
            median: at(0.5),
            third: at(0.75),
        }
    }
}

/// Rows kept for quartiles: all of them, or of many the first of every so many; the same however they are cut into
/// blocks.
pub(super) struct KeptRows {
    values: Vec<f32>,
    width: usize,
    stride: usize,
    at: usize,
}

impl KeptRows {
    pub(super) const fn new(width: usize) -> Self {
        Self {
            values: Vec::new(),
            width,
            stride: 1,
            at: 0,
        }
    }

    pub(super) fn add(&mut self, table: &Table) {
        for row in table.iter_rows() {
            if self.at.is_multiple_of(self.stride) {
                if self.values.len() + self.width > MOST_KEPT && self.values.len() > self.width {
                    self.halve();
                }
                if self.at.is_multiple_of(self.stride) {
                    self.values.extend_from_slice(row);
                }
            }
            self.at += 1;
        }
    }

    fn halve(&mut self) {
        self.stride *= 2;
        let rows = self.values.chunks_exact(self.width).step_by(2);
        self.values = rows.flatten().copied().collect();
    }

    /// Of each column.
    pub(super) fn quartiles(&self) -> Vec<Quartiles> {
        (0..self.width).map(|at| self.quartiles_of(at)).collect()
    }

    /// Of one column.
    pub(super) fn quartiles_of(&self, at: usize) -> Quartiles {
        let values = self.values.iter().skip(at).step_by(self.width);
        Quartiles::of(&mut values.copied().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: Vec<f32>) -> Table {
        Table::new("made", Table::numbered_columns(1), values).unwrap()
    }

    #[test]
    fn quartiles_lie_between_values_as_in_numpy() {
        let mut kept = KeptRows::new(1);
        kept.add(&table(vec![4.0, 1.0, 3.0, 2.0]));
        let expected = Quartiles {
            first: 1.75,
            median: 2.5,
            third: 3.25,
        };
        assert_eq!(kept.quartiles(), [expected]);
    }

    #[test]
    fn many_rows_are_thinned_the_same_way_in_blocks() {
        let values: Vec<f32> = (0..MOST_KEPT + 1000).map(|at| (at % 1013) as f32).collect();
        let (mut whole, mut blocks) = (KeptRows::new(1), KeptRows::new(1));
        whole.add(&table(values.clone()));
        for block in values.chunks(300_001) {
            blocks.add(&table(block.to_vec()));
        }
        assert!(whole.values.len() <= MOST_KEPT && whole.values == blocks.values);
        assert!((whole.quartiles()[0].median - 506.0).abs() < 2.0);
    }
}
