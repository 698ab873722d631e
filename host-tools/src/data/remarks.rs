//! What a reader of a table should know before trusting a model of it.

use super::cells::{Evidence, Words, evidence, in_parentheses, listed, number, shown};
use super::narrow::{argument, since_1970};
use super::plan::{Sort, present};
use super::reading::{Decimal, Delimiter};
use super::records::Record;
use super::text::Layout;
use crate::number::reading;

/// Least rows for a column to be called one that counts them.
const LEAST_COUNTED: usize = 3;

/// The first number of a column that counts up by one from row to row.
pub(super) fn counts_up(rows: &[Record], column: usize) -> Option<f64> {
    let value = |row: &Record| number(row.get(column)?, Decimal::Point);
    let first = value(rows.first()?)?;
    let counts = rows
        .iter()
        .enumerate()
        .all(|(at, row)| value(row) == Some(first + at as f64));
    (rows.len() >= LEAST_COUNTED && counts).then_some(first)
}

/// The constant by which a column's numbers rise from row to row, but for rounding.
fn rises_by(values: &[f64]) -> Option<f64> {
    const LEAST: usize = 5;
    let [first, .., last] = *values else {
        return None;
    };
    let step = (last - first) / (values.len() - 1) as f64;
    let near = |(at, value): (usize, &f64)| {
        (value - (at as f64).mul_add(step, first)).abs() <= 1e-3 * step
    };
    let rises = values.len() >= LEAST && step > 0.0;
    (rises && values.iter().enumerate().all(near)).then_some(step)
}

/// Whether numbers are days such as 20240301, later ones below.
fn are_days(values: &[f64]) -> bool {
    let is_day = |value: &f64| {
        let (day, month, year) = (
            value % 100.0,
            (value / 100.0).floor() % 100.0,
            (value / 1e4).floor(),
        );
        value.fract() == 0.0
            && (1.0..=31.0).contains(&day)
            && (1.0..=12.0).contains(&month)
            && (1900.0..=2100.0).contains(&year)
    };
    values.len() >= LEAST_COUNTED && values.is_sorted() && values.iter().all(is_day)
}

/// What was left off or turned into numbers.
pub(super) fn of_plans(layout: &Layout, kept: &[usize], words: &Words) -> Vec<String> {
    let mut remarks = Vec::new();
    let name = |at: usize| shown(&layout.names[at]);
    let mut truths = Vec::new();
    for &at in kept {
        let plan = &layout.plans[at];
        let cells = || present(&layout.rows, at, words);
        if let Some(unit) = &plan.unit {
            remarks.push(format!(
                "column `{}`: the unit {} is left off",
                name(at),
                shown(unit)
            ));
        }
        if plan.sort == Sort::Truth {
            truths.push(name(at));
        }
        let thousands = plan.decimal == Decimal::Point
            && plan.certain
            && !cells().any(|cell| evidence(cell) == Evidence::Point);
        let ambiguous = cells().find(|cell| evidence(cell) == Evidence::Ambiguous);
        if let Some(cell) = ambiguous.filter(|_| thousands) {
            let read = number(cell, Decimal::Point).unwrap_or_default();
            remarks.push(format!(
                "column `{}`: `{}` is read as {read}; --decimal , reads it as a fraction",
                name(at),
                shown(cell)
            ));
        }
        let in_groups = (layout.delimiter != Delimiter::Byte(b',') && plan.unit.is_none())
            .then(|| points_may_group(cells()))
            .flatten();
        if let Some(cell) = in_groups.filter(|_| plan.decimal == Decimal::Point)
            && let Some(read) = number(cell, Decimal::Comma)
        {
            remarks.push(format!(
                "column `{}`: `{}` is read as a fraction; --decimal , reads it as {read}",
                name(at),
                shown(cell)
            ));
        }
        if let Some(cell) = cells().find(|cell| in_parentheses(cell).is_some())
            && let Some(read) = plan.number(cell)
        {
            remarks.push(format!(
                "column `{}`: `{}` is read as {read}, as accountants write it",
                name(at),
                shown(cell)
            ));
        }
        if cells().any(|cell| cell.starts_with("0x") || cell.starts_with("0X")) {
            remarks.push(format!(
                "column `{}`: digits behind `0x` are read as whole numbers",
                name(at)
            ));
        }
    }
    let mut remarks = cut(remarks);
    if !truths.is_empty() {
        remarks.push(format!(
            "true or yes is read as 1, false or no as 0: {}",
            listed(&truths)
        ));
    }
    remarks
}

/// A cell whose point may as well separate thousands: every point of the column stands before three digits, and
/// whole numbers without one have at most three.
fn points_may_group<'t>(cells: impl Iterator<Item = &'t str> + Clone) -> Option<&'t str> {
    let is_short = |cell: &str| {
        let digits = cell.trim_start_matches(['-', '+', '\u{2212}', '\u{2013}']);
        (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_grouped = |cell: &str| {
        cell.contains('.') && !cell.contains(',') && number(cell, Decimal::Comma).is_some()
    };
    let all = cells.clone().all(|cell| is_short(cell) || is_grouped(cell));
    let some_are_short = cells.clone().any(is_short);
    let found = cells.clone().find(|cell| is_grouped(cell));
    found.filter(|_| all && some_are_short)
}

/// Columns of numbers that are hardly readings: numbers of the row, times, numbers that stand for missing values.
pub(super) fn of_values(
    layout: &Layout,
    kept: &[usize],
    words: &Words,
    takes_missing: bool,
) -> Vec<String> {
    let mut remarks = Vec::new();
    for &at in kept {
        let name = shown(&layout.names[at]);
        let argument = argument(&layout.names, at);
        let values: Vec<f64> = present(&layout.rows, at, words)
            .filter_map(|cell| layout.plans[at].number(cell))
            .filter(|value| !words.are_number(*value))
            .collect();
        if values.is_empty() {
            continue;
        }
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if counts_up(&layout.rows, at).is_some() {
            remarks.push(format!(
                "column `{name}` counts up by one from row to row; if that is no reading, leave it out with --label-column {argument}"
            ));
        } else if let Some(unit) = since_1970(low, high).filter(|_| values.is_sorted()) {
            remarks.push(format!(
                "column `{name}` looks like a time ({unit} since 1970); if that is no reading, leave it out with --label-column {argument}"
            ));
        } else if are_days(&values) {
            remarks.push(format!(
                "column `{name}` looks like dates (year, month and day in digits); if that is no reading, leave it out with --label-column {argument}"
            ));
        } else if let Some(step) = rises_by(&values) {
            remarks.push(format!(
                "column `{name}` rises by {} from row to row; if that is no reading, leave it out with --label-column {argument}",
                reading(step)
            ));
        } else if is_called_index(&name) && are_different(&values) {
            remarks.push(format!(
                "column `{name}` has another whole number in each row; if that is no reading, leave it out with --label-column {argument}"
            ));
        } else if let Some((value, count)) = stand_in(&values) {
            let remedy = if takes_missing {
                "give --missing"
            } else {
                "remove these rows, which are named with --missing"
            };
            remarks.push(format!(
                "column `{name}`: {value} stands in {count} rows, far from all other values; if it means that there is none, {remedy}={value}"
            ));
        }
    }
    cut(remarks)
}

/// Whether a column has a name that numbers of the row usually have.
fn is_called_index(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "id",
        "idx",
        "index",
        "row",
        "no",
        "nr",
        "#",
        "unnamed: 0",
        "serial",
    ]
    .contains(&name.as_str())
}

fn are_different(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.len() >= LEAST_COUNTED
        && sorted.iter().all(|value| value.fract() == 0.0)
        && sorted.windows(2).all(|pair| pair[0] < pair[1])
}

/// The first remarks, and how many more there are.
fn cut(mut remarks: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 6;
    if remarks.len() > SHOWN + 1 {
        let more = remarks.len() - SHOWN;
        remarks.truncate(SHOWN);
        remarks.push(format!("the like holds of {more} more columns"));
    }
    remarks
}

/// A value of several rows that lies far outside of all others, as one that stands for none does.
fn stand_in(values: &[f64]) -> Option<(f64, usize)> {
    const LEAST_OTHERS: usize = 8;
    /// Times the range of the others.
    const FAR: f64 = 2.0;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let judge = |value: f64| {
        let others: Vec<f64> = sorted
            .iter()
            .copied()
            .filter(|other| *other != value)
            .collect();
        let count = sorted.len() - others.len();
        let (low, high) = (*others.first()?, *others.last()?);
        let distance = (low - value).max(value - high);
        let distinct = others
            .iter()
            .filter(|other| **other != low)
            .any(|other| *other != high);
        let far = distance > FAR * (high - low) && high > low && distinct;
        (count >= 2 && count * 2 < sorted.len() && others.len() >= LEAST_OTHERS && far)
            .then_some((value, count))
    };
    [*sorted.first()?, *sorted.last()?]
        .into_iter()
        .find_map(judge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_step_and_dates_in_digits_are_found() {
        let tenths: Vec<f64> = (0..20).map(|at| f64::from(at) / 10.0).collect();
        assert_eq!(rises_by(&tenths).map(reading).as_deref(), Some("0.1"));
        assert!(
            rises_by(&[
                45_352.0,
                45_352.000_694,
                45_352.001_389,
                45_352.002_083,
                45_352.002_778
            ])
            .is_some()
        );
        assert_eq!(
            rises_by(&[1000.0, 2000.0, 3000.0, 4000.0, 5000.0]),
            Some(1000.0)
        );
        assert_eq!(rises_by(&[1000.0, 2000.0, 3000.0]), None);
        assert_eq!(rises_by(&[1.0, 2.0, 3.0, 4.0, 5.1]), None);
        assert_eq!(rises_by(&[2.0; 8]), None);
        assert!(are_days(&[20_240_229.0, 20_240_301.0, 20_240_302.0]));
        assert!(!are_days(&[20_240_301.0, 20_240_229.0, 20_240_302.0]));
        assert!(!are_days(&[20_241_301.0, 20_241_302.0, 20_241_303.0]));
    }

    #[test]
    fn a_value_far_outside_in_several_rows_stands_for_none() {
        let mut values: Vec<f64> = (0..20).map(|at| 19.0 + 0.2 * f64::from(at)).collect();
        assert_eq!(stand_in(&values), None);
        values.push(-999.9);
        assert_eq!(stand_in(&values), None, "one reading may be an outlier");
        values.push(-999.9);
        assert_eq!(stand_in(&values), Some((-999.9, 2)));
        let bits: Vec<f64> = (0..30).map(|at| f64::from(u8::from(at % 9 == 0))).collect();
        assert_eq!(stand_in(&bits), None);
    }
}
