//! Questions in the form `targets | conditions`, answered by the device's integer inference.
//!
//! ```text
//! interest                          marginal
//! interest | site=pubmed            conditional on a set holding a member, or a column being at a level
//! interest, gender | site!=pubmed, age=30
//! age | gender=f                    mean and standard deviation of a number
//! x3 | x1=0.5, x2=1                 columns without names of their own, counted from 1
//! ```
//!
//! A condition `a=b` is first the Bernoulli column named `a=b`, set to 1, and otherwise column `a` at the
//! value `b`; `a!=b` sets that Bernoulli column to 0, negates column `a`, or takes the other one of two
//! levels. A Bernoulli column's name alone is a condition as well. Names and levels cannot hold `,` or `|`.

use anyhow::{Context, Result, bail, ensure};
use autodidact::latent_class::{LatentClass, MISSING};

use crate::data::{Column, Kind, truth};
use crate::quantize::latent_class::Coding;

/// Most combinations of levels that a joint answer lists.
const MOST_COMBINATIONS: usize = 4096;

/// A question whose names are resolved: indices of columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Columns that are asked for, at least one.
    pub targets: Vec<usize>,
    /// Columns that are known, with the level's index, 0 or 1, or the number.
    pub given: Vec<(usize, f64)>,
}

impl Query {
    /// Reads a question about the given columns.
    ///
    /// # Errors
    ///
    /// One sentence: a name or level that does not exist (those that do are listed), a value that is no
    /// number, a column that is named twice, or nothing asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use autodidact_tools::data::{Column, Kind};
    /// use autodidact_tools::query::Query;
    ///
    /// let column = |name: &str, kind| Column { name: name.into(), kind };
    /// let columns = [column("age", Kind::Gaussian), column("site=pubmed", Kind::Bernoulli)];
    /// let query = Query::parse("age | site=pubmed", &columns).unwrap();
    /// assert_eq!((query.targets, query.given), (vec![0], vec![(1, 1.0)]));
    /// ```
    pub fn parse(text: &str, columns: &[Column]) -> Result<Self> {
        let (targets, given) = text.split_once('|').unwrap_or((text, ""));
        let targets: Vec<usize> = items(targets)
            .map(|name| target(name, columns))
            .collect::<Result<_>>()?;
        ensure!(
            !targets.is_empty(),
            "`{text}` asks for nothing; name a column before the `|`"
        );
        let given = Self::conditions(given, columns)?.given;
        let mut seen = vec![false; columns.len()];
        for &at in targets.iter().chain(given.iter().map(|(at, _)| at)) {
            ensure!(
                !std::mem::replace(&mut seen[at], true),
                "`{text}` names column `{}` twice; keep one",
                columns[at].name
            );
        }
        Ok(Self { targets, given })
    }

    /// Reads what stands behind the `|` alone: conditions without anything asked for.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn conditions(text: &str, columns: &[Column]) -> Result<Self> {
        let given = items(text)
            .map(|item| condition(item, columns))
            .collect::<Result<_>>()?;
        Ok(Self {
            targets: Vec::new(),
            given,
        })
    }
}

/// The parts of a list, without those that are empty.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn find(name: &str, columns: &[Column]) -> Option<usize> {
    columns
        .iter()
        .position(|column| column.name == name)
        .or_else(|| {
            let number: usize = name.strip_prefix('x')?.parse().ok()?;
            (1..=columns.len()).contains(&number).then(|| number - 1)
        })
}

fn no_column(name: &str, columns: &[Column]) -> anyhow::Error {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    anyhow::anyhow!("no column `{name}`; columns are {}", names.join(", "))
}

fn target(name: &str, columns: &[Column]) -> Result<usize> {
    if let Some(at) = find(name, columns) {
        return Ok(at);
    }
    if let Some((column, _)) = name
        .split_once('=')
        .filter(|(column, _)| find(column, columns).is_some())
    {
        bail!("`{name}` is a value, not a column; ask for `{column}`, or put it behind a `|`");
    }
    Err(no_column(name, columns))
}

fn condition(item: &str, columns: &[Column]) -> Result<(usize, f64)> {
    let Some((name, value, negated)) = item
        .split_once("!=")
        .map(|(name, value)| (name, value, true))
        .or_else(|| {
            item.split_once('=')
                .map(|(name, value)| (name, value, false))
        })
    else {
        let at = find(item, columns).ok_or_else(|| no_column(item, columns))?;
        ensure!(
            columns[at].kind == Kind::Bernoulli,
            "`{item}` is no condition; write `{item}=` and a value"
        );
        return Ok((at, 1.0));
    };
    let (name, value) = (name.trim(), value.trim());
    let member = format!("{name}={value}");
    if let Some(at) = columns.iter().position(|column| column.name == member) {
        return Ok((at, f64::from(u8::from(!negated))));
    }
    let Some(at) = find(name, columns) else {
        let prefix = format!("{name}=");
        let members: Vec<&str> = columns
            .iter()
            .filter_map(|column| column.name.strip_prefix(&prefix))
            .collect();
        ensure!(
            members.is_empty(),
            "`{name}` has no member `{value}`; members are {}",
            members.join(", ")
        );
        return Err(no_column(name, columns));
    };
    let value = match &columns[at].kind {
        Kind::Categorical(levels) => {
            let level = levels
                .iter()
                .position(|level| level == value)
                .with_context(|| {
                    format!(
                        "column `{name}` has no level `{value}`; levels are {}",
                        levels.join(", ")
                    )
                })?;
            ensure!(
                !negated || levels.len() == 2,
                "`{item}` leaves {} levels of column `{name}` open; name the one that is known",
                levels.len() - 1
            );
            let level = if negated { 1 - level } else { level };
            level as f64
        }
        Kind::Bernoulli => {
            let value = truth(value).with_context(|| {
                format!("column `{name}` is true or false, not `{value}`; write `{name}=1` or `{name}=0`")
            })?;
            if negated { 1.0 - value } else { value }
        }
        Kind::Gaussian => {
            ensure!(
                !negated,
                "`{item}` is no condition on a number; write `{name}=` and a number"
            );
            value
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .with_context(|| {
                    format!(
                        "column `{name}` holds numbers, not `{value}`; write `{name}=` and a number"
                    )
                })?
        }
    };
    Ok((at, value))
}

/// What is known about one column that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Probability of every level, by name; `0` and `1` for a Bernoulli column.
    Levels {
        /// Index of the column.
        column: usize,
        /// Levels and their probabilities, in the column's order.
        probabilities: Vec<(String, f64)>,
    },
    /// A number, in units of the data.
    Number {
        /// Index of the column.
        column: usize,
        /// Conditional mean.
        mean: f64,
        /// Conditional standard deviation.
        std: f64,
    },
}

/// The sample that a question's conditions make.
#[must_use]
pub fn given_sample(coding: &Coding, query: &Query) -> Vec<i16> {
    let mut sample = vec![MISSING; coding.columns().len()];
    for &(column, value) in &query.given {
        sample[column] = coding.encode(column, value);
    }
    sample
}

/// Answers for each target by itself, given the conditions.
///
/// # Errors
///
/// A model of another number of columns.
pub fn answer(model: &LatentClass<'_>, coding: &Coding, query: &Query) -> Result<Vec<Answer>> {
    let sample = given_sample(coding, query);
    query
        .targets
        .iter()
        .map(|&column| answer_one(model, coding, &sample, column))
        .collect()
}

fn answer_one(
    model: &LatentClass<'_>,
    coding: &Coding,
    sample: &[i16],
    column: usize,
) -> Result<Answer> {
    let mut posterior = vec![0; model.classes()];
    if let Some(moments) = model.moments(sample, column, &mut posterior)? {
        let scale = coding.scale(column);
        return Ok(Answer::Number {
            column,
            mean: f64::from(moments.mean) / 4096.0 * scale.std + scale.mean,
            std: (f64::from(moments.variance) / 16_777_216.0).sqrt() * scale.std,
        });
    }
    let levels = model
        .columns()
        .get(column)
        .map_or(0, |column| column.levels());
    let mut shares = vec![0; levels];
    model.level_probabilities_into(sample, column, &mut posterior, &mut shares)?;
    let probabilities = (0..)
        .zip(shares)
        .map(|(level, share)| (coding.decode(column, level), f64::from(share) / 65_536.0))
        .collect();
    Ok(Answer::Levels {
        column,
        probabilities,
    })
}

/// One combination of levels of several columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// Names of the levels, in the targets' order.
    pub levels: Vec<String>,
    /// Its probability.
    pub probability: f64,
}

/// Probability of every combination of the targets' levels, given the conditions: by the chain rule,
/// `p(a, b | c) = p(a | c) p(b | a, c)`.
///
/// `None` when a target is a number, or there are more than 4096 combinations.
///
/// # Errors
///
/// A model of another number of columns.
pub fn joint(
    model: &LatentClass<'_>,
    coding: &Coding,
    query: &Query,
) -> Result<Option<Vec<Combination>>> {
    let levels = |column: &usize| {
        model
            .columns()
            .get(*column)
            .map_or(0, |column| column.levels())
    };
    let combinations = query
        .targets
        .iter()
        .map(levels)
        .try_fold(1usize, |product, levels| product.checked_mul(levels));
    if !combinations.is_some_and(|number| (1..=MOST_COMBINATIONS).contains(&number)) {
        return Ok(None);
    }
    let mut table = vec![(given_sample(coding, query), Vec::new(), 1.0)];
    for &column in &query.targets {
        let mut longer = Vec::new();
        for (sample, names, probability) in table {
            let Answer::Levels { probabilities, .. } = answer_one(model, coding, &sample, column)?
            else {
                return Ok(None);
            };
            for (level, (name, conditional)) in (0..).zip(probabilities) {
                let mut sample = sample.clone();
                sample[column] = level;
                let names = names.iter().cloned().chain([name]).collect();
                longer.push((sample, names, probability * conditional));
            }
        }
        table = longer;
    }
    let combination = |(_, levels, probability)| Combination {
        levels,
        probability,
    };
    Ok(Some(table.into_iter().map(combination).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
        };
        let levels =
            |names: &[&str]| Kind::Categorical(names.iter().map(|&name| name.into()).collect());
        vec![
            column("interest", levels(&["music", "science", "sport"])),
            column("gender", levels(&["f", "m"])),
            column("age", Kind::Gaussian),
            column("member", Kind::Bernoulli),
            column("site=pubmed", Kind::Bernoulli),
        ]
    }

    #[test]
    fn names_levels_members_and_numbers_are_resolved() {
        let columns = columns();
        for (text, targets, given) in [
            ("interest", vec![0], vec![]),
            ("interest|site=pubmed", vec![0], vec![(4, 1.0)]),
            (
                " interest , gender | site != pubmed, age = 30 ",
                vec![0, 1],
                vec![(4, 0.0), (2, 30.0)],
            ),
            ("age | gender=f", vec![2], vec![(1, 0.0)]),
            ("age | gender!=f", vec![2], vec![(1, 1.0)]),
            ("site=pubmed | interest=sport", vec![4], vec![(0, 2.0)]),
            (
                "age | member=yes, site=pubmed",
                vec![2],
                vec![(3, 1.0), (4, 1.0)],
            ),
            ("age | member, x5=0", vec![2], vec![(3, 1.0), (4, 0.0)]),
            ("x3 | x1=music", vec![2], vec![(0, 0.0)]),
        ] {
            let query = Query::parse(text, &columns).unwrap();
            assert_eq!(query, Query { targets, given }, "{text}");
        }
    }

    #[test]
    fn every_bad_question_is_one_clear_sentence() {
        let columns = columns();
        for (text, expected) in [
            (
                "interest | sit=pubmed",
                "no column `sit`; columns are interest, gender, age, member, site=pubmed",
            ),
            (
                "intrest",
                "no column `intrest`; columns are interest, gender, age, member, site=pubmed",
            ),
            (
                "interest | site=arxiv",
                "`site` has no member `arxiv`; members are pubmed",
            ),
            (
                "interest | gender=x",
                "column `gender` has no level `x`; levels are f, m",
            ),
            (
                "age | interest!=sport",
                "`interest!=sport` leaves 2 levels of column `interest` open; name the one that is known",
            ),
            (
                "interest | age=old",
                "column `age` holds numbers, not `old`; write `age=` and a number",
            ),
            (
                "interest | age!=3",
                "`age!=3` is no condition on a number; write `age=` and a number",
            ),
            (
                "interest | age",
                "`age` is no condition; write `age=` and a value",
            ),
            (
                "interest | member=maybe",
                "column `member` is true or false, not `maybe`; write `member=1` or `member=0`",
            ),
            (
                "interest | interest=sport",
                "`interest | interest=sport` names column `interest` twice; keep one",
            ),
            (
                "interest=sport",
                "`interest=sport` is a value, not a column; ask for `interest`, or put it behind a `|`",
            ),
            (
                " | age=3",
                "` | age=3` asks for nothing; name a column before the `|`",
            ),
        ] {
            assert_eq!(
                Query::parse(text, &columns).unwrap_err().to_string(),
                expected,
                "{text}"
            );
        }
    }
}
