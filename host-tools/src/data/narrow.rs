//! From 64-bit numbers, less a constant a column, to the 32-bit floats of a [`Table`](super::Table).

use anyhow::{Context, Result, ensure};

use super::cells::shown;
use super::selection::column_at;
use super::table::{describe_columns, number_of};

/// From here on an f32 does not hold every whole number.
const WHOLE: f64 = 16_777_216.0;

/// Steps of a column that are worth telling apart: a device's 16-bit counts.
const STEPS: f64 = 65_536.0;

/// Subtracts constants and rounds, row after row or column after column.
#[derive(Clone, Debug)]
pub(super) struct Narrow {
    source: String,
    columns: Vec<String>,
    seen: Vec<Seen>,
}

/// What is known of a column's numbers so far.
#[derive(Clone, Debug)]
struct Seen {
    /// What is subtracted.
    offset: f64,
    low: f64,
    high: f64,
    last: f64,
    count: usize,
    /// Every number is larger than the one before.
    rises: bool,
    /// A whole number was rounded to another one.
    rounded: bool,
    /// Some number is not whole.
    fractions: bool,
}

impl Narrow {
    /// For rows of the given columns; `offsets` are by name or by number among them, counted from 1.
    pub(super) fn new(source: &str, columns: &[String], offsets: &[(String, f64)]) -> Result<Self> {
        let mut seen = vec![
            Seen {
                offset: 0.0,
                low: f64::INFINITY,
                high: f64::NEG_INFINITY,
                last: f64::NEG_INFINITY,
                count: 0,
                rises: true,
                rounded: false,
                fractions: false,
            };
            columns.len()
        ];
        for (name, offset) in offsets {
            let at = column_at(name, columns).with_context(|| {
                format!(
                    "{source} has no column `{}` to subtract from; it has {}",
                    shown(name),
                    describe_columns(columns)
                )
            })?;
            seen[at].offset = *offset;
        }
        Ok(Self {
            source: source.to_owned(),
            columns: columns.to_vec(),
            seen,
        })
    }

    /// The next value of a column as an f32, infinite where an f32 does not hold it.
    pub(super) fn value(&mut self, column: usize, value: f64) -> f32 {
        let seen = &mut self.seen[column];
        let value = value - seen.offset;
        let rounded = value as f32;
        seen.low = seen.low.min(value);
        seen.high = seen.high.max(value);
        seen.rises &= value > seen.last;
        seen.last = value;
        seen.count += 1;
        seen.fractions |= value.fract() != 0.0;
        seen.rounded |= value.abs() > WHOLE && value.fract() == 0.0 && f64::from(rounded) != value;
        rounded
    }

    /// Checks the values so far: to be called behind a block of rows.
    ///
    /// # Errors
    ///
    /// Whole numbers of a column were rounded, and by so much that its readings become one another.
    pub(super) fn check(&self) -> Result<()> {
        for (at, seen) in self
            .seen
            .iter()
            .enumerate()
            .filter(|(_, seen)| seen.rounded)
        {
            let step = step_at(seen.low.abs().max(seen.high.abs()));
            ensure!(seen.high - seen.low >= STEPS * step, self.explain(at, step));
        }
        Ok(())
    }

    fn explain(&self, at: usize, step: f64) -> String {
        let seen = &self.seen[at];
        let Seen {
            low, high, offset, ..
        } = *seen;
        let argument = argument(&self.columns, at);
        let looks = match since_1970(low + offset, high + offset) {
            Some(unit) => format!(", and it looks like a time ({unit} since 1970)"),
            None if seen.rises && seen.count >= 3 => {
                ", and it rises from row to row as a time or a number of the row does".to_owned()
            }
            None => String::new(),
        };
        let subtract = if high - low <= WHOLE {
            format!(
                ", or subtract a constant with --offset {argument}={}",
                low + offset
            )
        } else {
            String::new()
        };
        let whole = if seen.fractions { "" } else { "whole " };
        let less = if offset == 0.0 {
            String::new()
        } else {
            format!(", less the {offset} of --offset,")
        };
        format!(
            "{}, column `{}`: its {whole}numbers{less} go beyond 2^24, where 32-bit floats are {step} apart, and vary by {}{looks}; leave the column out with --label-column {argument}{subtract}",
            self.source,
            shown(&self.columns[at]),
            high - low,
        )
    }
}

/// The distance from one f32 to the next at a magnitude of at least 1.
fn step_at(magnitude: f64) -> f64 {
    ((magnitude.log2().floor()) - 23.0).exp2()
}

/// The unit of which the numbers are times since 1970, if they all lie between 1990 and 2100.
pub(super) fn since_1970(low: f64, high: f64) -> Option<&'static str> {
    const FIRST: f64 = 6.3e8;
    const LAST: f64 = 4.1e9;
    [
        ("seconds", 1.0),
        ("milliseconds", 1e3),
        ("microseconds", 1e6),
        ("nanoseconds", 1e9),
    ]
    .into_iter()
    .find(|(_, factor)| low >= FIRST * factor && high <= LAST * factor)
    .map(|(unit, _)| unit)
}

/// A column as an argument of a flag: its number where it has no name, in quotes where a shell needs them.
pub(super) fn argument(columns: &[String], at: usize) -> String {
    let name = &columns[at];
    if let Some(number) = number_of(name) {
        return number.to_string();
    }
    let plain = |c: char| c.is_alphanumeric() || "_-.:%".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        name.clone()
    } else {
        format!("'{}'", shown(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["t".into(), "x".into()]
    }

    fn message(times: [f64; 3], offsets: &[(String, f64)]) -> String {
        let mut narrow = match Narrow::new("x.csv", &names(), offsets) {
            Ok(narrow) => narrow,
            Err(error) => return error.to_string(),
        };
        let values = times.map(|time| narrow.value(0, time));
        match narrow.check() {
            Ok(()) => format!("{values:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn times_that_are_rounded_away_are_named_with_what_helps() {
        let seconds = [1.7e9, 1.7e9 + 1.0, 1.7e9 + 2.0];
        assert_eq!(
            message(seconds, &[]),
            "x.csv, column `t`: its whole numbers go beyond 2^24, where 32-bit floats are 128 apart, and vary by 2, and it looks like a time (seconds since 1970); leave the column out with --label-column t, or subtract a constant with --offset t=1700000000"
        );
        assert_eq!(message(seconds, &[("t".into(), 1.7e9)]), "[0.0, 1.0, 2.0]");
        assert_eq!(
            message(seconds, &[("1".into(), 1.7e9)]),
            message(seconds, &[("t".into(), 1.7e9), ("2".into(), 1.0)])
        );
        let nanoseconds = seconds.map(|time| time * 1e9);
        assert!(message(nanoseconds, &[]).contains("nanoseconds since 1970"));
        assert!(!message(nanoseconds, &[]).contains("--offset"));
        let offset = [("t".into(), -1e8)];
        assert!(
            message([1.0, 2.0, 3.0], &offset)
                .contains("its whole numbers, less the -100000000 of --offset, go"),
            "{}",
            message([1.0, 2.0, 3.0], &offset)
        );
        assert!(message([1.7e9 + 1.0, 1.7e9 + 1.5, 1.7e9 + 3.0], &[]).contains("its numbers go"));
        let numbers = [16_777_217.0, 16_777_218.0, 16_777_219.0];
        assert!(message(numbers, &[]).contains("rises from row to row"));
        assert_eq!(
            message(seconds, &[("y".into(), 1.0)]),
            "x.csv has no column `y` to subtract from; it has `t`, `x`"
        );
    }

    #[test]
    fn whole_numbers_of_a_wide_range_may_be_rounded() {
        let message = message([3.0, 1e9 + 1.0, 5e8], &[]);
        assert_eq!(message, "[3.0, 1000000000.0, 500000000.0]");
    }
}
