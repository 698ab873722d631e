//! What a person should know of rows before they become features.

use super::moments::{KeptRows, Moments};
use super::scale::LARGEST_FEATURE;
use super::{Standardiser, Table};
use crate::number::reading;

/// A single reading that makes up more than this share of a column's variance stretches it; half of it does where the
/// reading lies beyond all features.
const STRETCHING: f64 = 0.5;

/// Of fewer rows than this a single reading naturally makes up much of the variance.
const LEAST_ROWS: f64 = 16.0;

/// Bits of converters whose largest or smallest reading is noticed.
const CONVERTERS: std::ops::RangeInclusive<u32> = 10..=16;

/// A reading that so large a share of the rows has, and at least three of them, is the end of a converter.
const AT_THE_END: f64 = 0.01;

/// The smallest feature that the device rounds to one above 0.
const ABOVE_ZERO: f64 = 0.5 / 4096.0;

/// Columns named in a remark before it says how many more there are.
const NAMED: usize = 3;

/// The wild readings among rows that come block by block: what no feature holds, what stretches a deviation, what a
/// converter cut.
pub struct Wild<'s> {
    scale: &'s Standardiser,
    moments: Option<Moments>,
    kept: KeptRows,
    /// The smallest and the largest reading of each column, and in how many rows.
    ends: Vec<[(f32, usize); 2]>,
    /// Rows with a feature that ends, and how many in each column.
    ending: (usize, Vec<usize>),
}

impl<'s> Wild<'s> {
    /// Among rows of which `scale` makes features.
    #[must_use]
    pub fn new(scale: &'s Standardiser) -> Self {
        let width = scale.width();
        Self {
            scale,
            moments: None,
            kept: KeptRows::new(width),
            ends: vec![[(f32::INFINITY, 0), (f32::NEG_INFINITY, 0)]; width],
            ending: (0, vec![0; width]),
        }
    }

    /// Among all of these rows.
    #[must_use]
    pub fn of(scale: &'s Standardiser, table: &Table) -> Self {
        let mut wild = Self::new(scale);
        wild.add(table);
        wild
    }

    /// Takes further rows in.
    pub fn add(&mut self, table: &Table) {
        let moments = Moments::of(table);
        match &mut self.moments {
            Some(all) => all.merge(&moments),
            None => self.moments = Some(moments),
        }
        self.kept.add(table);
        for row in table.iter_rows() {
            for ([low, high], &x) in self.ends.iter_mut().zip(row) {
                if x <= low.0 {
                    *low = (x, if x < low.0 { 1 } else { low.1 + 1 });
                }
                if x >= high.0 {
                    *high = (x, if x > high.0 { 1 } else { high.1 + 1 });
                }
            }
        }
        let (rows, columns) = self.scale.ending_rows(table);
        self.ending.0 += rows;
        for (all, count) in self.ending.1.iter_mut().zip(columns) {
            *all += count;
        }
    }

    fn rows(&self) -> usize {
        self.moments.as_ref().map_or(0, |moments| moments.rows)
    }

    /// All that is to be said of training rows, a sentence each. `robust` tells whether there is a robust scale to
    /// advise.
    #[must_use]
    pub fn remarks(&self, columns: &[String], robust: bool) -> Vec<String> {
        let mut remarks = self.cut(columns);
        remarks.extend(self.stretched(columns, robust));
        let (rows, counts) = &self.ending;
        remarks.extend(ending_sentence(
            *rows,
            self.rows(),
            counts,
            columns,
            "training",
        ));
        remarks
    }

    /// The columns whose deviation comes from a single reading, a sentence each.
    fn stretched(&self, columns: &[String], robust: bool) -> Vec<String> {
        let Some(moments) = &self.moments else {
            return Vec::new();
        };
        let rows = moments.rows as f64;
        let stretched: Vec<(usize, f64, f64)> = moments
            .columns
            .iter()
            .enumerate()
            .filter_map(|(at, column)| {
                let range = column.range;
                let far = [range.minimum, range.maximum]
                    .map(|x| (f64::from(x), (f64::from(x) - column.mean).powi(2)));
                let (value, square) = if far[0].1 > far[1].1 { far[0] } else { far[1] };
                let share = square / column.squares;
                // A column that was scaled by something else is not stretched.
                let own = (column.squares / rows).sqrt();
                let is_own = (self.scale.std[at] / own - 1.0).abs() < 1e-6;
                let beyond = square.sqrt() > LARGEST_FEATURE * own;
                let least = if beyond { STRETCHING / 2.0 } else { STRETCHING };
                (share > least && is_own && rows >= LEAST_ROWS).then_some((at, value, share))
            })
            .collect();
        let more = stretched.len().saturating_sub(NAMED);
        let named = stretched.iter().take(NAMED);
        let mut remarks: Vec<String> = named
            .map(|&(at, value, share)| {
                let name = &columns[at];
                let quartiles = self.kept.quartiles_of(at);
                let advice = if robust && quartiles.spread().is_some() {
                    "if it is a glitch, remove its row or give --scale robust".to_owned()
                } else {
                    format!("if it is a glitch, remove its row; --label-column '{name}' leaves the column out")
                };
                format!(
                    "column `{name}`: one reading of {} makes up {:.0} % of the variance, and stretches a deviation to {} where half of the rows lie from {} to {}; {advice}",
                    reading(value),
                    100.0 * share,
                    reading(self.scale.std[at]),
                    reading(quartiles.first),
                    reading(quartiles.third)
                )
            })
            .collect();
        if more > 0 {
            remarks.push(format!(
                "{more} more columns have a variance that comes from one reading"
            ));
        }
        remarks
    }

    /// The columns of which rows read the largest or smallest number of a converter, a sentence each: what lies beyond
    /// is cut there.
    fn cut(&self, columns: &[String]) -> Vec<String> {
        let Some(moments) = &self.moments else {
            return Vec::new();
        };
        let all = moments.rows;
        let mut remarks = Vec::new();
        for (at, [low, high]) in self.ends.iter().enumerate() {
            if !moments.columns[at].range.integers {
                continue;
            }
            let ends = [*high, *low].map(|(end, rows)| {
                let mut converters = CONVERTERS.rev();
                (end, rows, converters.find(|&bits| is_end(end, bits)))
            });
            let of_converter = ends.iter().find_map(|(_, _, bits)| *bits);
            for (end, rows, bits) in ends {
                // Nothing is the other end of an unsigned converter.
                let other = (end == 0.0).then_some(of_converter).flatten();
                let often = rows >= 3 && rows as f64 >= AT_THE_END * all as f64;
                if let (Some(bits), true) = (bits.or(other), often) {
                    remarks.push(format!(
                        "column `{}`: {rows} of {all} training rows read {end}, the end of a {bits}-bit converter; what lay beyond was cut",
                        columns[at]
                    ));
                }
            }
        }
        let more = remarks.len().saturating_sub(NAMED);
        remarks.truncate(NAMED);
        if more > 0 {
            remarks.push(format!("{more} more columns read the end of a converter"));
        }
        remarks
    }
}

impl Standardiser {
    /// How many rows have a feature that ends, and in which columns how many.
    #[must_use]
    pub fn ending_rows(&self, table: &Table) -> (usize, Vec<usize>) {
        let mut columns = vec![0; self.width()];
        let mut rows = 0;
        for row in table.iter_rows() {
            let mut ends = false;
            for (at, &x) in row.iter().enumerate() {
                if ((f64::from(x) - self.mean[at]) / self.std[at]).abs() > LARGEST_FEATURE {
                    columns[at] += 1;
                    ends = true;
                }
            }
            rows += usize::from(ends);
        }
        (rows, columns)
    }

    /// The rows whose features end at eight deviations, in one sentence, and the columns that they are in; none if
    /// there is no such row. `which` rows they are, such as `training`.
    #[must_use]
    pub fn ending_remark(&self, table: &Table, which: &str) -> Option<String> {
        let (rows, counts) = self.ending_rows(table);
        ending_sentence(rows, table.rows(), &counts, table.columns(), which)
    }

    /// The columns that vary and yet have no feature above 0 in any row: none reaches the threshold of a
    /// [`Scaling::Threshold`](super::Scaling::Threshold). And how many vary.
    #[must_use]
    pub fn never_above(features: &Table) -> (Vec<usize>, usize) {
        let mut above = vec![false; features.width()];
        let mut varies = vec![false; features.width()];
        let first = features.row(0).unwrap_or_default();
        for row in features.iter_rows() {
            for (at, &x) in row.iter().enumerate() {
                above[at] |= f64::from(x) >= ABOVE_ZERO;
                varies[at] |= x != first[at];
            }
        }
        let never = (0..features.width()).filter(|&at| varies[at] && !above[at]);
        (never.collect(), varies.iter().filter(|v| **v).count())
    }
}

/// That `rows` of `all` rows have features that end, and in which columns how many; nothing if there are none.
fn ending_sentence(
    rows: usize,
    all: usize,
    counts: &[usize],
    columns: &[String],
    which: &str,
) -> Option<String> {
    let counted = counts.iter().zip(columns).filter(|(count, _)| **count > 0);
    let places: Vec<String> = counted
        .map(|(count, name)| format!("`{name}` ({count})"))
        .collect();
    let which = if which.is_empty() {
        String::new()
    } else {
        format!("{which} ")
    };
    (rows > 0).then(|| {
        format!(
            "{rows} of {all} {which}row{} beyond 8 deviations, where features end on the device and here: column {}",
            match (all, rows) {
                (1, _) => " lies",
                (_, 1) => "s lies",
                _ => "s lie",
            },
            listed(&places)
        )
    })
}

/// Whether a reading is the largest or smallest of a converter of so many bits, unsigned or signed.
fn is_end(reading: f32, bits: u32) -> bool {
    let full = f64::from(1_u32 << bits);
    let reading = f64::from(reading);
    reading == full - 1.0 || reading == full / 2.0 - 1.0 && bits == 16 || reading == -full / 2.0
}

/// The first few of some names, and how many more.
#[must_use]
pub fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Scaling;

    #[test]
    fn readings_at_the_end_of_a_converter_are_counted() {
        let cut_remarks = |table: Table| {
            let scale = Scaling::Uniform.fit(&table).unwrap();
            Wild::of(&scale, &table).cut(table.columns())
        };
        let values = |end: f32| -> Table {
            let toward = end.signum();
            let values = (0..100).map(|at| {
                if at % 10 == 0 {
                    end
                } else {
                    toward * at as f32
                }
            });
            Table::new("made", vec!["a".into()], values.collect()).unwrap()
        };
        assert_eq!(
            cut_remarks(values(4095.0)),
            [
                "column `a`: 10 of 100 training rows read 4095, the end of a 12-bit converter; what lay beyond was cut"
            ]
        );
        assert!(cut_remarks(values(-2048.0))[0].contains("12-bit"));
        assert!(cut_remarks(values(32_767.0))[0].contains("16-bit"));
        assert_eq!(cut_remarks(values(4000.0)), [""; 0]);
        assert_eq!(cut_remarks(values(255.0)), [""; 0]);
        let both = (0..100)
            .map(|at| [0.0, 4095.0, at as f32][at % 3])
            .collect();
        let both = cut_remarks(Table::new("made", vec!["a".into()], both).unwrap());
        assert!(both.len() == 2 && both[1].contains("read 0, the end of a 12-bit"));
    }

    fn with_glitch(scaling: Scaling) -> (Standardiser, Table) {
        let mut values: Vec<f32> = (0..200).map(|at| 500.0 + (at % 25) as f32).collect();
        values[77] = 65_535.0;
        let table = Table::new("made", vec!["a".into()], values).unwrap();
        (scaling.fit(&table).unwrap(), table)
    }

    #[test]
    fn a_glitch_is_named_with_what_it_does() {
        let standard = Scaling::Standard {
            ignore_constant: false,
        };
        let (fitted, table) = with_glitch(standard);
        assert_eq!(
            fitted.ending_remark(&table, "training").unwrap(),
            "1 of 200 training rows lies beyond 8 deviations, where features end on the device and here: column `a` (1)"
        );
        let remarks = Wild::of(&fitted, &table).stretched(table.columns(), true);
        assert_eq!(
            remarks,
            [
                "column `a`: one reading of 65535 makes up 99 % of the variance, and stretches a deviation to 4586.31 where half of the rows lie from 506 to 518; if it is a glitch, remove its row or give --scale robust"
            ]
        );
        let robust = Scaling::Robust {
            ignore_constant: false,
        };
        let (fitted, table) = with_glitch(robust);
        assert_eq!(
            Wild::of(&fitted, &table).stretched(table.columns(), true),
            [""; 0]
        );
        // The same block by block.
        let mut blocks = Wild::new(&fitted);
        for block in table.values().chunks(7) {
            blocks.add(&Table::new("made", vec!["a".into()], block.to_vec()).unwrap());
        }
        assert_eq!(
            blocks.remarks(table.columns(), true),
            Wild::of(&fitted, &table).remarks(table.columns(), true)
        );
        assert_eq!(fitted.ending_rows(&table), (1, vec![1]));
    }
}
