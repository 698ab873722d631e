//! Tables whose columns are of mixed kinds, with missing values.

mod kinds;
mod read;
mod schema;

use anyhow::{Result, ensure};

use super::{Decimal, HeldOut};

#[cfg(test)]
pub(super) use read::read as read_mixed;
pub use read::{MixedOptions, open_mixed, open_mixed_for, open_mixed_with};
pub use schema::{parse_schema, schema_lines};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of these levels.
    Categorical(Vec<String>),
    /// True or false.
    Bernoulli,
    /// A number.
    Gaussian,
}

/// A column's name and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; that of a set's member is `set=member`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// Rows of values of mixed kinds.
///
/// A value is the index of a level, 0 or 1, or a finite number; NaN where it is missing. There is at least
/// one row and one column.
#[derive(Clone, Debug, PartialEq)]
pub struct MixedTable {
    columns: Vec<Column>,
    values: Vec<f64>,
    source: String,
    decimal: Decimal,
}

impl MixedTable {
    /// A table of the given columns; `values` lie row after row, NaN where one is missing.
    ///
    /// # Errors
    ///
    /// No column, no row, a last row that is cut short, or a value that its column cannot hold.
    pub fn new(source: impl Into<String>, columns: Vec<Column>, values: Vec<f64>) -> Result<Self> {
        let source = source.into();
        let width = columns.len();
        ensure!(
            width > 0,
            "{source} has no column; give a file with at least one"
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
        for (at, value) in values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_nan())
        {
            let column = &columns[at % width];
            let fits = match &column.kind {
                Kind::Categorical(levels) => {
                    value.fract() == 0.0 && (0.0..levels.len() as f64).contains(value)
                }
                Kind::Bernoulli => *value == 0.0 || *value == 1.0,
                Kind::Gaussian => value.is_finite(),
            };
            ensure!(
                fits,
                "{source}, row {}, column `{}`: {value} is not a value of this column",
                at / width + 1,
                column.name
            );
        }
        Ok(Self {
            columns,
            values,
            source,
            decimal: Decimal::Point,
        })
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Where the data came from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The decimal character of the text that it was read from; a point for any other source.
    #[must_use]
    pub const fn decimal(&self) -> Decimal {
        self.decimal
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.width()
    }

    /// All values, row after row; NaN where one is missing.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The rows in order; NaN where a value is missing.
    pub fn iter_rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.width())
    }

    /// Training rows and held-out rows; both keep all levels. Where nothing of the table is held out, its rows are
    /// both.
    ///
    /// # Errors
    ///
    /// Nothing would be held out, or nothing left.
    pub fn split(&self, held_out: &HeldOut) -> Result<(Self, Self)> {
        held_out.check(self.rows(), &self.source)?;
        let (training, rest) = held_out.split(&self.values, self.width());
        let part = |values| Self {
            columns: self.columns.clone(),
            values,
            source: self.source.clone(),
            decimal: self.decimal,
        };
        let judged = if rest.is_empty() {
            self.clone()
        } else {
            part(rest)
        };
        Ok((part(training), judged))
    }
}
