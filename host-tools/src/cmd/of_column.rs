//! Arguments that give a number for a column.

use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use autodidact_tools::data::{column_at, listed};
use autodidact_tools::number::reading;

/// A number for a column, or for every column.
#[derive(Debug, Clone)]
pub(super) struct OfColumn {
    column: Option<String>,
    pub(super) value: f64,
}

impl FromStr for OfColumn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (column, value) = match text.rsplit_once('=') {
            Some((column, value)) => (Some(column.to_owned()), value),
            None => (None, text),
        };
        let value = value.trim().parse::<f64>().ok();
        let value = value.filter(|value| value.is_finite());
        let value = value.context("give a number, or a column and a number such as temp=0.01")?;
        Ok(Self { column, value })
    }
}

impl OfColumn {
    /// The columns meant, a flag each.
    pub(super) fn chosen(&self, columns: &[String]) -> Result<Vec<bool>> {
        Ok(match &self.column {
            Some(name) => {
                let chosen = column_named(name, columns)?;
                (0..columns.len()).map(|at| at == chosen).collect()
            }
            None => vec![true; columns.len()],
        })
    }
}

/// The column of this name or number, counted from 1.
pub(super) fn column_named(name: &str, columns: &[String]) -> Result<usize> {
    column_at(name, columns).with_context(|| {
        format!(
            "there is no column `{name}`; it is one of {}",
            listed(columns)
        )
    })
}

/// The largest constant to subtract: whole numbers beyond are no longer told apart.
const MOST_OFFSET: f64 = 9e15;

/// A column and the constant to subtract from it.
pub(super) fn offset(text: &str) -> Result<(String, f64)> {
    let OfColumn { column, value } = text.parse()?;
    let column = column.context("give a column and a number, such as pressure=101325")?;
    ensure!(
        value.abs() <= MOST_OFFSET,
        "nothing would be left of readings; give a number of at most {} either way",
        reading(MOST_OFFSET)
    );
    Ok((column, value))
}
