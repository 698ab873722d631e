//! Which rows are held out: trained on by nobody, judged on in reports.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Error, Result, anyhow, ensure};

/// Neighbouring rows correlated by this or more follow one another, as readings in time do.
const FOLLOWS: f64 = 0.5;

/// Deviations below this share of a column's mean are rounding of f32.
const ROUNDING: f64 = 1e-6;

/// So few rows say nothing of their order.
const LEAST_ORDERED: usize = 64;

/// Of rows that follow one another so many runs are made, every fourth of which is held out.
const RUNS: usize = 32;

/// Most rows that are looked at to see whether they follow one another.
pub const ROWS_FOR_ORDER: usize = 65_536;

/// What a person asks to be held out: `25%`, `100`, `last 25%`, `last 100`, `none`, or a file.
#[derive(Clone, Debug, PartialEq)]
pub enum HoldOut {
    /// A share of the rows, spread over all of them.
    Spread(Amount),
    /// The last rows: what comes after, for rows in the order of time.
    Last(Amount),
    /// No row: the report is about the rows that were trained on.
    None,
    /// The rows of another file; all of this one are trained on.
    File(PathBuf),
}

/// A share of some rows, or a number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Thousandths, 1 to 999.
    Share(u64),
    /// Rows, at least 1.
    Rows(usize),
}

/// Which rows of a table are held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldOut {
    /// `part` of every `of` rows, the last of them; counted in runs of `run` rows.
    Spread {
        /// Rows held out of each group.
        part: u64,
        /// Rows of a group.
        of: u64,
        /// Rows that stay together.
        run: usize,
    },
    /// The last rows of a table of so many.
    Last {
        /// How many.
        rows: usize,
        /// Of how many.
        of: usize,
    },
    /// None.
    None,
    /// All rows of a file of this name, and none of the table.
    File(String),
}

impl FromStr for HoldOut {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::None);
        }
        if let Some(amount) = text.strip_prefix("last").and_then(Amount::read) {
            return amount.map(Self::Last);
        }
        if let Some(amount) = Amount::read(text) {
            return amount.map(Self::Spread);
        }
        let first = text.chars().next();
        let is_word =
            !text.contains(['.', '/', '\\']) || text.parse::<f64>().is_ok() || text.ends_with('%');
        ensure!(
            !is_word && first != Some('-') || std::path::Path::new(text).exists(),
            "`{text}` is none of 25%, 100, `last 25%`, `last 100`, none, and no file"
        );
        Ok(Self::File(text.into()))
    }
}

impl Amount {
    /// `25%` or `100`; `None` where it is neither, an error where it is one of none or all rows.
    fn read(text: &str) -> Option<Result<Self>> {
        let text = text.trim_start_matches([' ', ':', '=']).trim();
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim(), true),
            None => (text, false),
        };
        let none = || {
            anyhow!(
                "{text} of the rows cannot be held out; give 0.1% to 99.9%, a number of rows, or `none`"
            )
        };
        if percent {
            // A float cast saturates.
            let thousandths = (number.parse::<f64>().ok()? * 10.0).round() as u64;
            return Some(match thousandths {
                1..=999 => Ok(Self::Share(thousandths)),
                _ => Err(none()),
            });
        }
        Some(match number.parse::<usize>().ok()? {
            0 => Err(none()),
            rows => Ok(Self::Rows(rows)),
        })
    }
}

impl HeldOut {
    /// Every fourth row: index modulo 4 = 3.
    pub const EVERY_FOURTH: Self = Self::Spread {
        part: 1,
        of: 4,
        run: 1,
    };

    /// Every fourth run of rows that follow one another, of `rows` in all.
    #[must_use]
    pub fn runs(rows: usize) -> Self {
        Self::Spread {
            part: 1,
            of: 4,
            run: (rows / RUNS).max(1),
        }
    }

    /// What was asked for, of a table of `rows` rows.
    ///
    /// # Errors
    ///
    /// Nothing would be left to train on, or nothing held out.
    pub fn of(asked: &HoldOut, rows: usize, source: &str) -> Result<Self> {
        let held_out = match asked {
            HoldOut::None => return Ok(Self::None),
            HoldOut::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                return Ok(Self::File(name.to_string_lossy().into_owned()));
            }
            HoldOut::Spread(Amount::Share(thousandths)) => {
                let common = gcd(*thousandths, 1000);
                Self::Spread {
                    part: thousandths / common,
                    of: 1000 / common,
                    run: 1,
                }
            }
            HoldOut::Spread(Amount::Rows(part)) => Self::Spread {
                part: *part as u64,
                of: rows as u64,
                run: 1,
            },
            HoldOut::Last(amount) => Self::Last {
                rows: match amount {
                    Amount::Share(thousandths) => (rows as u64 * thousandths / 1000) as usize,
                    Amount::Rows(rows) => *rows,
                },
                of: rows,
            },
        };
        held_out.check(rows, source)?;
        Ok(held_out)
    }

    /// Makes sure that of `rows` rows some are held out and some are not.
    ///
    /// # Errors
    ///
    /// Not so: the sentence says how many rows there are.
    pub fn check(&self, rows: usize, source: &str) -> Result<()> {
        match self {
            Self::None | Self::File(_) => Ok(()),
            Self::Spread { part: 1, of: 4, .. } => {
                ensure!(
                    rows >= 4,
                    "{source} has {rows} row{}, but every fourth row is held out for the report; give at least 4 rows, or --hold-out none",
                    if rows == 1 { "" } else { "s" }
                );
                Ok(())
            }
            _ => {
                let held_out = (0..rows).filter(|row| self.holds(*row)).count();
                ensure!(
                    held_out > 0 && held_out < rows,
                    "{source} has {rows} row{}, of which {held_out} would be held out: some have to be, and some have to be left; give another --hold-out, such as 25%",
                    if rows == 1 { "" } else { "s" }
                );
                Ok(())
            }
        }
    }

    /// Whether the row of this index is held out.
    #[must_use]
    pub fn holds(&self, row: usize) -> bool {
        match self {
            Self::Spread { part, of, run } => {
                let at = (row / (*run).max(1)) as u64;
                (at + 1) * part / of > at * part / of
            }
            Self::Last { rows, of } => row >= of.saturating_sub(*rows),
            Self::None | Self::File(_) => false,
        }
    }

    /// In words, as a person reads it behind the number of rows.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Spread {
                part: 1,
                of: 4,
                run: 1,
            } => "every fourth row".into(),
            Self::Spread {
                part: 1,
                of: 4,
                run,
            } => format!("every fourth run of {run} rows"),
            Self::Spread { part, of, .. } => format!("{part} of every {of}"),
            Self::Last { .. } => "the last ones".into(),
            Self::None => "the same ones".into(),
            Self::File(name) => format!("all of {name}"),
        }
    }

    /// Values of rows of `width` that are not held out, and of those that are.
    pub(super) fn split<T: Copy>(&self, values: &[T], width: usize) -> (Vec<T>, Vec<T>) {
        let (mut training, mut held_out) = (Vec::new(), Vec::new());
        for (at, row) in values.chunks_exact(width).enumerate() {
            if self.holds(at) {
                held_out.extend_from_slice(row);
            } else {
                training.extend_from_slice(row);
            }
        }
        (training, held_out)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// As a container's line `held_out` has it, and as [`FromStr`] reads it back.
impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread { part, of, run: 1 } => write!(f, "{part} of {of} rows"),
            Self::Spread { part, of, run } => write!(f, "{part} of {of} runs of {run} rows"),
            Self::Last { rows, of } => write!(f, "last {rows} of {of} rows"),
            Self::None => f.write_str("none"),
            Self::File(name) => write!(f, "file {name}"),
        }
    }
}

impl FromStr for HeldOut {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |word: &str| {
            word.parse::<u64>()
                .ok()
                .filter(|&number| number > 0)
                .ok_or_else(|| anyhow!("`{text}` names no rows that were held out"))
        };
        Ok(match *words {
            ["none"] => Self::None,
            ["file", ..] => Self::File(text["file ".len()..].into()),
            ["row", "index", "mod", "4", "=", "3"] => Self::EVERY_FOURTH,
            [part, "of", of, "rows"] => Self::Spread {
                part: number(part)?,
                of: number(of)?,
                run: 1,
            },
            [part, "of", of, "runs", "of", run, "rows"] => Self::Spread {
                part: number(part)?,
                of: number(of)?,
                run: number(run)? as usize,
            },
            ["last", rows, "of", of, "rows"] => Self::Last {
                rows: number(rows)? as usize,
                of: number(of)? as usize,
            },
            _ => return Err(anyhow!("`{text}` names no rows that were held out")),
        })
    }
}

/// A column whose rows follow one another: neighbours are correlated by 0.5 or more, as readings in time are. Its
/// index, and the correlation. A missing value, NaN, counts as the mean.
#[must_use]
pub fn follows<T: Copy + Into<f64>>(values: &[T], width: usize) -> Option<(usize, f64)> {
    correlated(values, width, 1)
}

/// A column in which a row is like the fourth before it although neighbours are not alike, as where two states
/// alternate: every fourth row is always of the same kind.
#[must_use]
pub fn alternates<T: Copy + Into<f64>>(values: &[T], width: usize) -> Option<(usize, f64)> {
    match follows(values, width) {
        Some(_) => None,
        None => correlated(values, width, 4),
    }
}

/// The column whose rows are correlated most with those `lag` rows before, if by 0.5 or more: the sum over the first
/// [`ROWS_FOR_ORDER`] rows of `(x_i - mean) (x_{i + lag} - mean)`, divided by that of the squares.
fn correlated<T: Copy + Into<f64>>(values: &[T], width: usize, lag: usize) -> Option<(usize, f64)> {
    let rows = (values.len() / width).min(ROWS_FOR_ORDER);
    if rows < LEAST_ORDERED {
        return None;
    }
    let values = &values[..rows * width];
    let (mut sum, mut present) = (vec![0.0; width], vec![0.0; width]);
    for row in values.chunks_exact(width) {
        for (at, &x) in row.iter().enumerate() {
            let x: f64 = x.into();
            if !x.is_nan() {
                sum[at] += x;
                present[at] += 1.0;
            }
        }
    }
    let (mut squares, mut products) = (vec![0.0; width], vec![0.0; width]);
    // Deviations of the last `lag` rows.
    let mut before = vec![0.0; lag * width];
    for (index, row) in values.chunks_exact(width).enumerate() {
        let before = &mut before[index % lag * width..][..width];
        for (at, &x) in row.iter().enumerate() {
            let x: f64 = x.into();
            let deviation = if x.is_nan() {
                0.0
            } else {
                x - sum[at] / present[at]
            };
            squares[at] += deviation * deviation;
            products[at] += deviation * before[at];
            before[at] = deviation;
        }
    }
    let columns = products.iter().zip(&squares).zip(sum.iter().zip(&present));
    let correlations = columns.map(|((product, square), (sum, present))| {
        // A column that never changes has nothing but rounding left.
        let rounding = present * (ROUNDING * sum / present).powi(2);
        if *square > rounding {
            product / square
        } else {
            0.0
        }
    });
    correlations
        .enumerate()
        .filter(|(_, r)| *r >= FOLLOWS)
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(asked: &str, rows: usize) -> Vec<usize> {
        let rule = HeldOut::of(&asked.parse().unwrap(), rows, "x.csv").unwrap();
        assert_eq!(rule.to_string().parse::<HeldOut>().unwrap(), rule);
        (0..rows).filter(|row| rule.holds(*row)).collect()
    }

    #[test]
    fn what_is_asked_for_is_held_out() {
        assert_eq!(held_out("25%", 12), [3, 7, 11]);
        assert_eq!(held_out("40%", 10), [2, 4, 7, 9]);
        assert_eq!(held_out("3", 10), [3, 6, 9]);
        assert_eq!(held_out("33.3%", 10), [3, 6, 9]);
        assert_eq!(held_out("last 25%", 10), [8, 9]);
        assert_eq!(held_out("last 3", 10), [7, 8, 9]);
        assert_eq!(held_out("none", 10), [0; 0]);
        assert_eq!(held_out("judge.csv", 10), [0; 0]);
        let runs: Vec<usize> = (0..320)
            .filter(|&at| HeldOut::runs(320).holds(at))
            .collect();
        assert_eq!(runs.len(), 80);
        assert_eq!(runs[..10], [30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);
    }

    #[test]
    fn a_split_that_leaves_nothing_is_one_clear_sentence() {
        let message = |asked: &str, rows| {
            let asked = match asked.parse() {
                Ok(asked) => asked,
                Err(error) => return Error::to_string(&error),
            };
            HeldOut::of(&asked, rows, "x.csv").unwrap_err().to_string()
        };
        assert_eq!(
            message("25%", 3),
            "x.csv has 3 rows, but every fourth row is held out for the report; give at least 4 rows, or --hold-out none"
        );
        assert_eq!(
            message("last 5", 5),
            "x.csv has 5 rows, of which 5 would be held out: some have to be, and some have to be left; give another --hold-out, such as 25%"
        );
        assert_eq!(
            message("0%", 5),
            "0% of the rows cannot be held out; give 0.1% to 99.9%, a number of rows, or `none`"
        );
        for word in ["-5", "last", "first 10", "2.5", "1e1", ""] {
            let message = message(word, 5);
            assert!(message.ends_with("and no file"), "{word}: {message}");
        }
    }

    #[test]
    fn rows_in_time_follow_one_another_and_shuffled_ones_do_not() {
        let walk = |order: &dyn Fn(usize) -> usize| -> Vec<f32> {
            let value = |at: usize| (order(at) as f32 / 40.0).sin();
            let rows = (0..400).map(|at| [value(at), ((at * 7919) % 101) as f32]);
            rows.flatten().collect()
        };
        let (column, r) = follows(&walk(&|at| at), 2).unwrap();
        assert!(column == 0 && r > 0.95, "{column} {r}");
        assert_eq!(follows(&walk(&|at| (at * 7919) % 400), 2), None);
        assert_eq!(alternates(&walk(&|at| at), 2), None);
        let turns: Vec<f32> = (0..100).map(|at| (at % 2) as f32).collect();
        assert_eq!(follows(&turns, 1), None);
        assert!(alternates(&turns, 1).unwrap().1 > 0.9);
        assert_eq!(follows(&walk(&|at| at)[..40], 2), None);
    }
}
