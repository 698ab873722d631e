//! What the cells of a column are: levels, yes or no, numbers, sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Result, anyhow, ensure};

use super::{Column, Kind};
use crate::data::cells::{Words, is_time, named_number, number, resembles_number, shown, truth};
use crate::data::narrow::argument;
use crate::data::plan::{Plan, Sort};
use crate::data::reading::Decimal;

/// Separates the members of a set in one cell.
const SET_SEPARATOR: char = ';';

/// A cell that is a set without members, in a column of sets.
const EMPTY_SET: &str = "none";

/// Most levels of a categorical column.
const MAX_LEVELS: usize = autodidact::latent_class::MAX_LEVELS as usize;

/// One cell, with its line.
pub(super) struct Field {
    pub(super) line: u64,
    pub(super) text: String,
}

/// A column as it stands in the file.
pub(super) struct Raw<'t> {
    pub(super) source: &'t str,
    /// The names of all columns, and which of them this is.
    pub(super) names: &'t [String],
    pub(super) at: usize,
    pub(super) fields: Vec<Field>,
    pub(super) words: &'t Words,
    pub(super) plan: Plan,
}

/// What has been read of a column: one column, or one for each member of a set.
pub(super) type Read = Vec<(Column, Vec<f64>)>;

/// The members that a cell names.
fn members(text: &str) -> impl Iterator<Item = &str> {
    text.split(SET_SEPARATOR)
        .map(str::trim)
        .filter(|member| !member.is_empty() && *member != EMPTY_SET)
}

impl Raw<'_> {
    pub(super) fn name(&self) -> &str {
        &self.names[self.at]
    }

    /// The column as an argument of a flag.
    pub(super) fn argument(&self) -> String {
        argument(self.names, self.at)
    }

    pub(super) fn is_missing(&self, text: &str) -> bool {
        self.words.are_missing(text)
            || self
                .plan
                .number(text)
                .is_some_and(|value| self.words.are_number(value))
    }

    /// Cells that are no missing values.
    pub(super) fn present(&self) -> impl Iterator<Item = &str> + Clone {
        let texts = self.fields.iter().map(|field| field.text.as_str());
        texts.filter(|text| !self.is_missing(text))
    }

    /// Every field by `value`, missing values apart, or a message on the first that has none.
    fn parse(
        &self,
        problem: impl Fn(&str) -> String,
        value: impl Fn(&str) -> Option<f64>,
    ) -> Result<Vec<f64>> {
        let parse = |field: &Field| {
            let text = field.text.as_str();
            if self.is_missing(text) {
                return Ok(f64::NAN);
            }
            value(text).ok_or_else(|| self.error(field, &problem(text)))
        };
        self.fields.iter().map(parse).collect()
    }

    /// A message on one field.
    pub(super) fn error(&self, field: &Field, problem: &str) -> anyhow::Error {
        anyhow!(
            "{}, line {}, column `{}`: `{}` {problem}",
            self.source,
            field.line,
            shown(self.name()),
            shown(&field.text)
        )
    }

    fn one(&self, kind: Kind, values: Vec<f64>) -> Read {
        let column = Column {
            name: self.name().to_owned(),
            kind,
        };
        vec![(column, values)]
    }

    /// What the cells look like.
    pub(super) fn inferred(&self) -> Result<Read> {
        let (source, name) = (self.source, shown(self.name()));
        let argument = self.argument();
        ensure!(
            self.present().next().is_some(),
            "{source}, column `{name}` has no value in any row; leave it out with --label-column {argument}, or declare its kind"
        );
        if self.present().all(|text| truth(text).is_some()) {
            return self.as_bernoulli();
        }
        if let Sort::Units(a, b) = &self.plan.sort {
            anyhow::bail!(
                "{source}, column `{name}` has numbers with units that differ, such as {} and {}; bring them to one, or read it as levels with --categorical {argument}",
                shown(a),
                shown(b)
            );
        }
        // Mostly numbers: others are rather slips than levels.
        if self.plan.sort == Sort::Numbers {
            return self.as_gaussian();
        }
        if self.is_set() {
            return Ok(self.as_set());
        }
        self.as_categorical()
    }

    pub(super) fn as_categorical(&self) -> Result<Read> {
        let distinct: BTreeSet<&str> = self.present().collect();
        let mut levels: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        let value = |level: &String| number(level, Decimal::Point);
        if levels.iter().all(|level| value(level).is_some()) {
            levels.sort_by(|a, b| {
                let order = value(a).partial_cmp(&value(b));
                order.unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        let (source, name, argument) = (self.source, shown(self.name()), self.argument());
        ensure!(
            !levels.is_empty(),
            "{source}, column `{name}` has no value in any row; leave it out with --label-column {argument}"
        );
        ensure!(
            levels.len() <= MAX_LEVELS,
            "{source}, column `{name}` has {} levels, and a categorical column takes at most {MAX_LEVELS}; leave it out with --label-column {argument}, or merge rare levels",
            levels.len()
        );
        let places: HashMap<&str, f64> = levels
            .iter()
            .enumerate()
            .map(|(at, level)| (level.as_str(), at as f64))
            .collect();
        let values = self.parse(
            |_| "is no level".to_owned(),
            |text| places.get(text).copied(),
        )?;
        Ok(self.one(Kind::Categorical(levels), values))
    }

    pub(super) fn as_bernoulli(&self) -> Result<Read> {
        let problem = |_: &str| {
            format!(
                "is neither 0 nor 1, true nor false, yes nor no; correct it, or read the column as levels with --categorical {}",
                self.argument()
            )
        };
        Ok(self.one(Kind::Bernoulli, self.parse(problem, truth)?))
    }

    pub(super) fn as_gaussian(&self) -> Result<Read> {
        let values = self.parse(|text| self.no_number(text), |text| self.number(text))?;
        Ok(self.one(Kind::Gaussian, values))
    }

    /// The number in a cell.
    pub(super) fn number(&self, text: &str) -> Option<f64> {
        let fits = |value: &f64| (*value as f32).is_finite() && !self.plan.is_ambiguous(text);
        self.plan.number(text).filter(fits)
    }

    /// Why a cell is no number, and what to do.
    fn no_number(&self, text: &str) -> String {
        let argument = self.argument();
        if self.plan.is_ambiguous(text) {
            return "may have a decimal comma or a comma between thousands; say which with --decimal , or --decimal .".to_owned();
        }
        if self.plan.number(text).is_some() {
            return format!(
                "is too large for a 32-bit float, which ends at 3.4e38; give the column in a larger unit, or leave it out with --label-column {argument}"
            );
        }
        if let Some(unit) = &self.plan.unit {
            return format!(
                "is no number with the unit {} as the others are; correct it, or read the column as levels with --categorical {argument}",
                shown(unit)
            );
        }
        format!(
            "is no finite number; correct it, add --missing '{}' if it stands for no value, or read the column as levels with --categorical {argument}",
            shown(text)
        )
    }

    /// Whether cells are lists: most members of those that hold a separator occur in others beside them.
    fn is_set(&self) -> bool {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut listed: BTreeSet<&str> = BTreeSet::new();
        // A sentence that is written several times is no list.
        for text in self.present().collect::<BTreeSet<_>>() {
            let several = text.contains(SET_SEPARATOR);
            for member in members(text).collect::<BTreeSet<_>>() {
                *counts.entry(member).or_default() += 1;
                if several {
                    listed.insert(member);
                }
            }
        }
        let repeated = listed.iter().filter(|member| counts[*member] > 1).count();
        !listed.is_empty() && repeated * 2 > listed.len()
    }

    /// Whether a cell of a column of sets is missing.
    pub(super) fn is_missing_set(&self, text: &str) -> bool {
        !text.eq_ignore_ascii_case(EMPTY_SET) && self.words.are_missing(text)
    }

    /// One Bernoulli column a member.
    fn as_set(&self) -> Read {
        let all: BTreeSet<&str> = self.present().flat_map(members).collect();
        let column = |member: &&str| {
            let column = Column {
                name: format!("{}={member}", self.name()),
                kind: Kind::Bernoulli,
            };
            (column, self.membership(member))
        };
        all.iter().map(column).collect()
    }

    /// Whether each cell names the member.
    pub(super) fn membership(&self, member: &str) -> Vec<f64> {
        let value = |field: &Field| {
            if self.is_missing_set(&field.text) {
                f64::NAN
            } else {
                let is_named = members(&field.text).any(|other| other == member);
                f64::from(u8::from(is_named))
            }
        };
        self.fields.iter().map(value).collect()
    }

    /// Members of the cells beyond those that are known, one of them and their number.
    pub(super) fn unknown_members(&self, known: &[&str]) -> Vec<String> {
        let cells = self.fields.iter().filter(|f| !self.is_missing_set(&f.text));
        let all = cells.flat_map(|field| members(&field.text));
        let unknown = all.filter(|member| !known.contains(member));
        unknown.map(str::to_owned).collect()
    }

    /// What is to be said of the column, read as `kind`.
    pub(super) fn remark(&self, kind: &Kind) -> Option<String> {
        const FEW: usize = 10;
        let Kind::Categorical(levels) = kind else {
            return None;
        };
        let present = self.present().count();
        let unread = self
            .present()
            .filter(|text| resembles_number(text) || named_number(text).is_some());
        if unread.clone().count() * 10 >= present * 9
            && let Some(cell) = unread.clone().next()
        {
            let remedy = if named_number(cell).is_some() {
                "write the names once, in the first line, and numbers alone below"
            } else {
                "write one number a cell, such as 21.5"
            };
            return Some(format!(
                "column `{}` is read as levels, although it looks like numbers in a form that is not read, such as `{}`; {remedy}",
                shown(self.name()),
                shown(cell)
            ));
        }
        if levels.len() <= FEW || levels.len() * 2 <= present {
            return None;
        }
        let what = if self.present().filter(|text| is_time(text)).count() * 2 > present {
            "dates or times"
        } else {
            "levels"
        };
        Some(format!(
            "column `{}` has {} {what} in {present} rows: it names rows, not kinds of them, and new rows will have others; leave it out with --label-column {}",
            shown(self.name()),
            levels.len(),
            self.argument()
        ))
    }

    /// What is to be said where a word for a missing value is so frequent among levels that it may be one of them.
    pub(super) fn frequent_word(&self, kind: &Kind) -> Option<String> {
        /// One row of so many.
        const OFTEN: usize = 5;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for text in self.fields.iter().map(|field| field.text.as_str()) {
            if !text.is_empty() && self.is_missing(text) {
                *counts.entry(text).or_default() += 1;
            }
        }
        let (word, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let rows = self.fields.len();
        let often = count >= 2 && count * OFTEN >= rows;
        (matches!(kind, Kind::Categorical(_)) && often).then(|| {
            format!(
                "column `{}`: `{}` stands in {count} of {rows} rows and is read as missing; --present '{}' makes it a level",
                shown(self.name()),
                shown(word),
                shown(word)
            )
        })
    }

    /// Whether a column of numbers has so few different ones, all of them whole, that they may be levels.
    pub(super) fn may_be_levels(&self) -> bool {
        const MOST: usize = 10;
        let mut distinct: BTreeMap<i64, usize> = BTreeMap::new();
        for value in self.present().filter_map(|text| self.number(text)) {
            if value.fract() != 0.0 || value.abs() > 1e9 || distinct.len() > MOST {
                return false;
            }
            *distinct.entry(value as i64).or_default() += 1;
        }
        let rows: usize = distinct.values().sum();
        (3..=MOST).contains(&distinct.len()) && rows >= 3 * distinct.len()
    }
}
