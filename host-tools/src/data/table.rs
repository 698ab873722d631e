//! A matrix of numbers with the names of its columns and the place it came from.

use anyhow::{Context, Result, bail, ensure};

use super::HeldOut;
use super::cells::shown;
use super::reading::Decimal;
use super::selection::column_at;

/// Rows of finite `f32`, all of one width, with named columns.
///
/// A table has at least one row and one column, and no value is NaN or infinite; whoever holds one need
/// not check again.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    values: Vec<f32>,
    columns: Vec<String>,
    source: String,
    decimal: Decimal,
}

/// The two parts of a table: what may be trained on, and what may not.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Rows that training and calibration may use.
    pub training: Table,
    /// Rows that were held out: used for reports only.
    pub held_out: Table,
}

impl Table {
    /// A table of the given columns; `values` lie row after row, `source` names their origin in messages.
    ///
    /// # Errors
    ///
    /// No column, no row, a last row that is cut short, or a value that is not finite (named by row and
    /// column, both counted from 1).
    pub fn new(source: impl Into<String>, columns: Vec<String>, values: Vec<f32>) -> Result<Self> {
        Self::part(source.into(), columns, values, 0)
    }

    /// Like [`Table::new`] for rows that stand behind `rows_before` others in their source.
    pub(super) fn part(
        source: String,
        columns: Vec<String>,
        values: Vec<f32>,
        rows_before: usize,
    ) -> Result<Self> {
        let width = columns.len();
        ensure!(
            width > 0,
            "{source} has no column of numbers; give a file with at least one"
        );
        ensure!(
            !values.is_empty(),
            "{source} has no rows; give a file with data in it"
        );
        ensure!(
            values.len().is_multiple_of(width),
            "{source} holds {} values, which do not fill rows of {width}; check how it was written",
            values.len()
        );
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            bail!(
                "{source}, row {}, column `{}`: {} is not a finite number; fill in the value or remove the row",
                rows_before + at / width + 1,
                columns[at % width],
                values[at]
            );
        }
        Ok(Self {
            values,
            columns,
            source,
            decimal: Decimal::Point,
        })
    }

    /// Names for the columns of data that brings none: `column 1`, `column 2`, ...
    #[must_use]
    pub fn numbered_columns(width: usize) -> Vec<String> {
        (1..=width).map(|n| format!("column {n}")).collect()
    }

    /// Number of rows, at least 1.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.width()
    }

    /// Number of columns, at least 1.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The values of one row, or `None` past the last.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.values.chunks_exact(self.width()).nth(index)
    }

    /// The rows in order.
    pub fn iter_rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width())
    }

    /// All values, row after row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the columns have names of their own, rather than numbers as in `column 1`.
    #[must_use]
    pub fn has_names(&self) -> bool {
        are_named(&self.columns)
    }

    /// Where the data came from: a path, or the name of a bundled set.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The decimal character of the text that it was read from; a point for any other source.
    #[must_use]
    pub const fn decimal(&self) -> Decimal {
        self.decimal
    }

    /// The same table, of a text with this decimal character.
    #[must_use]
    pub(super) const fn with_decimal(mut self, decimal: Decimal) -> Self {
        self.decimal = decimal;
        self
    }

    /// The smallest and the largest value of the whole table.
    #[must_use]
    pub fn range(&self) -> (f32, f32) {
        self.values
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
                (low.min(value), high.max(value))
            })
    }

    /// Separates every fourth row (index modulo 4 = 3) from the others.
    ///
    /// # Errors
    ///
    /// Fewer than four rows, so that nothing would be held out.
    pub fn split_held_out(&self) -> Result<Split> {
        self.split(&HeldOut::EVERY_FOURTH)
    }

    /// Separates the held-out rows from the training rows. Where nothing of the table is held out, its rows are
    /// both.
    ///
    /// # Errors
    ///
    /// Nothing would be held out, or nothing left.
    pub fn split(&self, held_out: &HeldOut) -> Result<Split> {
        held_out.check(self.rows(), &self.source)?;
        let (training, rest) = held_out.split(&self.values, self.width());
        let part = |values| Self {
            values,
            columns: self.columns.clone(),
            source: self.source.clone(),
            decimal: self.decimal,
        };
        Ok(Split {
            held_out: if rest.is_empty() {
                self.clone()
            } else {
                part(rest)
            },
            training: part(training),
        })
    }

    /// The first rows, all if there are no more than `rows`; at least one.
    #[must_use]
    pub fn first(&self, rows: usize) -> Self {
        let rows = rows.clamp(1, self.rows());
        Self {
            values: self.values[..rows * self.width()].to_vec(),
            columns: self.columns.clone(),
            source: self.source.clone(),
            decimal: self.decimal,
        }
    }

    /// The same table with every value multiplied by `factor`, e.g. 1/16 for the digits.
    ///
    /// # Errors
    ///
    /// A product that is not finite.
    pub fn scaled(&self, factor: f32) -> Result<Self> {
        let values = self.values.iter().map(|value| value * factor).collect();
        Self::new(self.source.clone(), self.columns.clone(), values)
    }

    /// The same rows and columns with other values, e.g. after noise was added.
    ///
    /// # Errors
    ///
    /// As [`Table::new`]; another number of values than this table has.
    pub fn with_values(&self, values: Vec<f32>) -> Result<Self> {
        ensure!(
            values.len() == self.values.len(),
            "{}: {} values were given for a table of {}",
            self.source,
            values.len(),
            self.values.len()
        );
        Self::new(self.source.clone(), self.columns.clone(), values)
    }

    /// The table without the named columns (labels, time stamps). A name may also be a column's number,
    /// counted from 1, when no column is called so.
    ///
    /// # Errors
    ///
    /// A name that is no column of the table; nothing left.
    pub fn without_columns(&self, names: &[String]) -> Result<Self> {
        let dropped = find_columns(&self.source, &self.columns, names, "to leave out")?;
        let keep = |at: &usize| !dropped.contains(at);
        let columns: Vec<String> = (0..self.width())
            .filter(keep)
            .map(|at| self.columns[at].clone())
            .collect();
        let values = self
            .iter_rows()
            .flat_map(|row| (0..row.len()).filter(keep).map(|at| row[at]))
            .collect();
        Self::new(self.source.clone(), columns, values)
    }
}

/// Labels of training rows and of held-out rows, split as [`Table::split_held_out`] splits the rows.
#[must_use]
pub fn split_labels(labels: &[u8]) -> (Vec<u8>, Vec<u8>) {
    HeldOut::EVERY_FOURTH.split(labels, 1)
}

/// The number in a name such as `column 3`, which a column without a name has.
pub(super) fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix("column ")?.parse().ok()
}

/// Whether any of the columns has a name of its own.
pub(super) fn are_named(columns: &[String]) -> bool {
    columns.iter().any(|name| number_of(name).is_none())
}

/// The positions of the named columns; a name may be a number counted from 1. `purpose` completes the message
/// for one that is not there: to leave out, ...
pub(super) fn find_columns(
    source: &str,
    columns: &[String],
    names: &[String],
    purpose: &str,
) -> Result<Vec<usize>> {
    names
        .iter()
        .map(|name| {
            column_at(name, columns).with_context(|| {
                format!(
                    "{source} has no column `{}` {purpose}; it has {}",
                    shown(name),
                    describe_columns(columns)
                )
            })
        })
        .collect()
}

/// `a`, `b`, `c` and 61 more.
pub(super) fn describe_columns(columns: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = columns
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{}`", shown(name)))
        .collect::<Vec<_>>()
        .join(", ");
    if columns.len() > SHOWN {
        text.push_str(&format!(" and {} more", columns.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(rows: usize, width: usize) -> Table {
        let values = (0..rows * width).map(|n| n as f32).collect();
        Table::new("made.csv", Table::numbered_columns(width), values).unwrap()
    }

    #[test]
    fn every_fourth_row_is_held_out_and_the_order_kept() {
        let split = counted(9, 2).split_held_out().unwrap();
        let first = |table: &Table| table.iter_rows().map(|row| row[0]).collect::<Vec<_>>();
        assert_eq!(first(&split.held_out), [6.0, 14.0]);
        assert_eq!(
            first(&split.training),
            [0.0, 2.0, 4.0, 8.0, 10.0, 12.0, 16.0]
        );
    }

    #[test]
    fn too_few_rows_to_split_is_one_clear_sentence() {
        let message = counted(3, 2).split_held_out().unwrap_err().to_string();
        assert_eq!(
            message,
            "made.csv has 3 rows, but every fourth row is held out for the report; give at least 4 rows, or --hold-out none"
        );
    }

    #[test]
    fn columns_are_dropped_by_name_or_number() {
        let by_name = counted(2, 3).without_columns(&["column 2".into()]).unwrap();
        let by_number = counted(2, 3).without_columns(&["2".into()]).unwrap();
        assert_eq!(by_name.values(), [0.0, 2.0, 3.0, 5.0]);
        assert_eq!(by_name, by_number);
        let unknown = counted(2, 3).without_columns(&["kind".into()]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "made.csv has no column `kind` to leave out; it has `column 1`, `column 2`, `column 3`"
        );
    }

    #[test]
    fn what_is_not_finite_is_named_by_row_and_column() {
        let columns = vec!["a".to_owned(), "b".to_owned()];
        let message = Table::new("x.npy", columns, vec![0.0, 1.0, 2.0, f32::NAN])
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "x.npy, row 2, column `b`: NaN is not a finite number; fill in the value or remove the row"
        );
    }
}
