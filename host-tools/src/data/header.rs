//! Whether the first line of a text holds the names of its columns, and what these are.

use super::cells::{Words, number, shown};
use super::plan::{Plan, present};
use super::reading::Decimal;
use super::records::Record;

/// What the first line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Names, beyond doubt.
    Names,
    /// Names by the look of the other lines.
    LikelyNames,
    /// A row like the others.
    Row,
}

/// The rule that [`open`](super::open) states: decides by the cells of the first line and of those below, for
/// which the plans are.
pub(super) fn judge(first: &Record, rows: &[Record], plans: &[Plan], words: &Words) -> First {
    let width = first.len().min(plans.len());
    let cells: Vec<Cell<'_>> = (0..width)
        .map(|at| Cell::of(first.get(at).unwrap_or_default(), &plans[at], words))
        .collect();
    let below: Vec<Below> = (0..width)
        .map(|at| Below::of(rows, at, &plans[at], words))
        .collect();
    let columns = || cells.iter().zip(&below);
    if columns().any(|(cell, below)| matches!(cell, Cell::Text(_)) && below.are_numbers) {
        return First::Names;
    }
    let texts_are_new = (0..width).all(|at| match cells[at] {
        Cell::Text(text) => present(rows, at, words).all(|cell| cell != text),
        _ => true,
    });
    let texts = columns().filter(|(cell, _)| matches!(cell, Cell::Text(_)));
    let numbers: Vec<(f64, &Below)> = columns()
        .filter_map(|(cell, below)| match cell {
            Cell::Number(value) => Some((*value, below)),
            _ => None,
        })
        .collect();
    if numbers.is_empty() {
        let no_numbers = below.iter().all(|below| !below.are_numbers);
        return if texts.count() > 0 && no_numbers && texts_are_new {
            First::LikelyNames
        } else {
            First::Row
        };
    }
    let missing = cells.iter().any(|cell| matches!(cell, Cell::Missing));
    if texts_are_new && !missing && (count_up(&numbers, rows) || stand_apart(&numbers, rows.len()))
    {
        First::LikelyNames
    } else {
        First::Row
    }
}

enum Cell<'t> {
    Missing,
    Number(f64),
    Text(&'t str),
}

impl<'t> Cell<'t> {
    fn of(cell: &'t str, plan: &Plan, words: &Words) -> Self {
        match plan.number(cell).or_else(|| number(cell, Decimal::Point)) {
            _ if words.are_missing(cell) => Self::Missing,
            Some(value) => Self::Number(value),
            None => Self::Text(cell),
        }
    }
}

/// A column below the first line.
struct Below {
    /// More than half of what is not missing is a number.
    are_numbers: bool,
    /// More than half of the numbers have a fraction.
    have_fractions: bool,
    low: f64,
    high: f64,
}

impl Below {
    fn of(rows: &[Record], at: usize, plan: &Plan, words: &Words) -> Self {
        let (mut all, mut numbers, mut fractions) = (0_usize, 0_usize, 0_usize);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for cell in present(rows, at, words) {
            all += 1;
            if let Some(value) = plan.number(cell) {
                numbers += 1;
                fractions += usize::from(value.fract() != 0.0);
                (low, high) = (low.min(value), high.max(value));
            }
        }
        Self {
            are_numbers: numbers * 2 > all,
            have_fractions: fractions * 2 > numbers,
            low,
            high,
        }
    }
}

/// Whether numbers are 0, 1, 2, ... or 1, 2, 3, ... and stand for no row: two of them only over columns of
/// fractions, three only where the next line does not go on counting and no line is the same.
fn count_up(numbers: &[(f64, &Below)], rows: &[Record]) -> bool {
    let values: Vec<f64> = numbers.iter().map(|(value, _)| *value).collect();
    let Some(&start) = values.first() else {
        return false;
    };
    let counts = values.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
    if values.len() < 2 || !counts || !(start == 0.0 || start == 1.0) || rows.is_empty() {
        return false;
    }
    if numbers.iter().all(|(_, below)| below.have_fractions) {
        return true;
    }
    let of_row = |row: &Record| -> Vec<f64> {
        row.iter()
            .filter_map(|cell| number(cell, Decimal::Point))
            .collect()
    };
    let goes_on = rows
        .first()
        .is_some_and(|row| of_row(row).first() == Some(&(start + values.len() as f64)));
    values.len() >= 3 && !goes_on && rows.iter().all(|row| of_row(row) != values)
}

/// Whether numbers rise from column to column and each is farther from the values of its column than these
/// are from one another, as the wavelengths above spectra.
fn stand_apart(numbers: &[(f64, &Below)], rows: usize) -> bool {
    const LEAST_ROWS: usize = 4;
    numbers.len() >= 2
        && rows >= LEAST_ROWS
        && numbers.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && numbers.iter().all(|&(value, below)| {
            let distance = (below.low - value).max(value - below.high);
            below.are_numbers && distance > below.high - below.low && distance > 0.0
        })
}

/// The names of the columns, and what is to be said about them.
pub(super) struct Names {
    pub(super) names: Vec<String>,
    pub(super) remarks: Vec<String>,
}

impl Names {
    /// Names from a line: line breaks within become blanks, a column without one is called by its number, and of
    /// two that are called alike the second is told apart.
    pub(super) fn of(line: &Record, width: usize) -> Self {
        let mut names: Vec<String> = Vec::with_capacity(width);
        let mut remarks = Vec::new();
        let mut seen = std::collections::HashMap::new();
        for at in 0..width {
            let cell = line.get(at).unwrap_or_default();
            let mut name: String = cell.split_whitespace().collect::<Vec<_>>().join(" ");
            if at == 0 {
                // As numpy.savetxt marks the line.
                let unmarked = name.trim_start_matches('#').trim_start();
                if !unmarked.is_empty() && unmarked.len() < name.len() {
                    name = unmarked.to_owned();
                }
            }
            if name.is_empty() {
                name = format!("column {}", at + 1);
            }
            if let Some(&first) = seen.get(&name) {
                let mut count = 2;
                while seen.contains_key(&format!("{name}.{count}")) {
                    count += 1;
                }
                remarks.push(format!(
                    "columns {} and {} are both called `{}`; the second is `{}.{count}` here",
                    first + 1,
                    at + 1,
                    shown(&name),
                    shown(&name)
                ));
                name = format!("{name}.{count}");
            }
            seen.insert(name.clone(), at);
            names.push(name);
        }
        const SHOWN: usize = 3;
        let more = remarks.len().saturating_sub(SHOWN);
        if more > 0 {
            remarks.truncate(SHOWN);
            remarks.push(format!("{more} more columns are called like another one"));
        }
        Self { names, remarks }
    }
}
