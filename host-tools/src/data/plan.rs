//! How the cells of a column are read as numbers: decimal character, unit, and what they are if not numbers.

use std::collections::HashMap;

use super::cells::{Evidence, Words, evidence, is_clear_unit, is_time, number, split_unit, truth};
use super::reading::{Decimal, Delimiter, ReadOptions};
use super::records::Record;

/// How the cells of a column are to be read as numbers, and what they are if not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) decimal: Decimal,
    /// Whether some number tells the decimal character.
    pub(super) certain: bool,
    /// The unit behind (or currency before) every number.
    pub(super) unit: Option<String>,
    pub(super) sort: Sort,
}

/// What the cells of a column mostly are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Numbers,
    /// Yes and no, true and false.
    Truth,
    /// Numbers with different units, two of which these are.
    Units(String, String),
    /// Dates or times.
    Times,
    Text,
}

/// What the numbers of a column say about their decimal character.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    point: usize,
    comma: usize,
    ambiguous: usize,
    numbers: usize,
    others: usize,
}

impl Votes {
    fn of<'t>(cells: impl Iterator<Item = &'t str>) -> Self {
        let mut votes = Self::default();
        for cell in cells {
            let found = match evidence(cell) {
                Evidence::Text => split_unit(cell).map_or(Evidence::Text, |(n, _)| evidence(n)),
                found => found,
            };
            match found {
                Evidence::Point => votes.point += 1,
                Evidence::Comma => votes.comma += 1,
                Evidence::Ambiguous => votes.ambiguous += 1,
                Evidence::Neither => votes.numbers += 1,
                Evidence::Text => votes.others += 1,
            }
        }
        votes
    }

    fn numbers(&self) -> usize {
        self.point + self.comma + self.ambiguous + self.numbers
    }

    /// The decimal character, if the column is one of numbers that tell it.
    fn decided(&self) -> Option<Decimal> {
        let counts = self.numbers() > self.others && self.point + self.comma > 0;
        counts.then_some(if self.comma > self.point {
            Decimal::Comma
        } else {
            Decimal::Point
        })
    }
}

/// The cells of one column that are no missing values.
pub(super) fn present<'t>(
    rows: &'t [Record],
    column: usize,
    words: &'t Words,
) -> impl Iterator<Item = &'t str> + Clone {
    rows.iter()
        .filter_map(move |row| row.get(column))
        .filter(|cell| !words.are_missing(cell))
}

/// A plan for each column: the decimal character is the same in all of them, unless columns tell otherwise.
pub(super) fn plans<'t, I>(
    columns: impl Iterator<Item = I>,
    delimiter: Delimiter,
    options: &ReadOptions,
) -> Vec<Plan>
where
    I: Iterator<Item = &'t str> + Clone,
{
    let columns: Vec<I> = columns.collect();
    let decimal = options.decimal;
    let votes: Vec<Votes> = columns
        .iter()
        .map(|cells| Votes::of(cells.clone()))
        .collect();
    let any = |wanted| votes.iter().any(|votes| votes.decided() == Some(wanted));
    let common = match (decimal, any(Decimal::Point), any(Decimal::Comma)) {
        (Some(decimal), ..) => Some(decimal),
        (None, true, false) => Some(Decimal::Point),
        (None, false, true) => Some(Decimal::Comma),
        // A comma within a field stood in quotes there, which numbers with a decimal comma rarely do.
        _ if delimiter == Delimiter::Byte(b',') => Some(Decimal::Point),
        (None, false, false) => options.usual_decimal,
        _ => None,
    };
    let one = |(cells, votes): (&I, &Votes)| {
        let decided = decimal.or_else(|| votes.decided()).or(common);
        let decimal = decided.unwrap_or(Decimal::Point);
        let (unit, sort) = sort(cells.clone(), decimal);
        Plan {
            decimal,
            certain: decided.is_some(),
            unit,
            sort,
        }
    };
    columns.iter().zip(&votes).map(one).collect()
}

/// What a column's cells mostly are, and their unit.
fn sort<'t>(
    cells: impl Iterator<Item = &'t str> + Clone,
    decimal: Decimal,
) -> (Option<String>, Sort) {
    let (mut all, mut numbers, mut truths, mut times, mut clear) = (0_usize, 0, 0, 0, 0);
    let mut units: HashMap<&str, usize> = HashMap::new();
    for cell in cells {
        all += 1;
        truths += usize::from(truth(cell).is_some());
        if number(cell, decimal).is_some() {
            numbers += 1;
        } else if let Some((value, unit)) = split_unit(cell)
            && number(value, decimal).is_some()
        {
            clear += usize::from(is_clear_unit(cell));
            *units.entry(unit).or_default() += 1;
        } else {
            times += usize::from(is_time(cell));
        }
    }
    let with_unit: usize = units.values().sum();
    if truths == all && numbers < all {
        return (None, Sort::Truth);
    }
    if with_unit * 2 > all {
        let mut names: Vec<(&str, usize)> = units.into_iter().collect();
        names.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
        match names[..] {
            [(unit, _)] => return (Some(unit.to_owned()), Sort::Numbers),
            [(a, _), (b, _), ..] if clear * 2 > all => {
                return (None, Sort::Units(a.to_owned(), b.to_owned()));
            }
            _ => return (None, Sort::Text),
        }
    }
    let sort = if numbers * 2 > all || all == 0 {
        Sort::Numbers
    } else if times * 2 > all {
        Sort::Times
    } else {
        Sort::Text
    };
    (None, sort)
}

impl Plan {
    /// The number in a cell, without the column's unit.
    pub(super) fn number(&self, cell: &str) -> Option<f64> {
        match &self.unit {
            None => number(cell, self.decimal),
            Some(unit) => split_unit(cell)
                .filter(|(_, found)| found == unit)
                .and_then(|(value, _)| number(value, self.decimal)),
        }
    }

    /// Whether a cell is a number with a comma that may be a decimal comma as well as one between thousands.
    pub(super) fn is_ambiguous(&self, cell: &str) -> bool {
        !self.certain && matches!(evidence(cell), Evidence::Ambiguous | Evidence::Comma)
    }
}
