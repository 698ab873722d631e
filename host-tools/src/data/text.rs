//! Tables in text: what the first lines say about the rest, and the rest row by row.

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, Chain, Cursor, Read};

use anyhow::{Result, bail, ensure};

use super::cells::{
    Evidence, Words, evidence, is_time, listed, named_number, number, resembles_number, shown,
    truth,
};
use super::dialect::{Sample, Shape, delimiter, has_row_names, mark};
use super::header::{First, Names, judge};
use super::matching::{Matched, matched};
use super::narrow::{Narrow, argument};
use super::plan::{Plan, Sort, plans, present};
use super::reading::{Decimal, Delimiter, ReadOptions};
use super::records::{Record, Records};
use super::remarks;
use super::table::Table;
use crate::number::counted;

/// What is known of a text before its first row is read.
pub(super) struct Layout {
    pub(super) delimiter: Delimiter,
    /// The names of all columns.
    pub(super) names: Vec<String>,
    pub(super) has_names: bool,
    /// What the first column is, if it has no name and is a number or a name of the row.
    pub(super) index: Option<&'static str>,
    /// How the columns are read, by the rows of the sample.
    pub(super) plans: Vec<Plan>,
    /// What became of the first line.
    pub(super) header: String,
    /// What a reader should know of the text.
    pub(super) remarks: Vec<String>,
    /// Rows of the sample.
    pub(super) rows: Vec<Record>,
    /// Empty fields behind the last column that lines may end in.
    trailing: usize,
    /// Records before the first row: names and units.
    skip: usize,
}

impl Layout {
    /// The columns to read, see [`matched`].
    pub(super) fn matched(&self, source: &str, options: &ReadOptions) -> Result<Matched> {
        matched(source, &self.names, self.has_names, self.index, options)
    }

    fn of(source: &str, sample: &Sample, options: &ReadOptions, words: &Words) -> Result<Self> {
        let delimiter = delimiter(sample, options);
        let mut rows = sample.records(delimiter, options);
        ensure!(
            !rows.is_empty() || !sample.whole,
            "{source} is empty; give a file with data in it"
        );
        let row_names = options.header != Some(false) && has_row_names(&rows, delimiter);
        if row_names {
            rows[0] = std::mem::take(&mut rows[0]).behind_empty();
        }
        let shape = Shape::of(&rows);
        if let (Some(most), Some(first)) = (shape.of_others(), rows.first()) {
            bail!(
                "{source}, line {}: {} where most other lines have {most}; name every column, or remove the line if it is none of the table",
                first.line,
                fields(first.len())
            );
        }
        let Shape {
            mut width,
            mut trailing,
            ..
        } = shape;
        if options
            .columns
            .as_ref()
            .is_some_and(|c| c.len() == width + trailing)
        {
            (width, trailing) = (width + trailing, 0);
        }
        let mut remarks = Vec::new();
        if trailing > 0 {
            remarks.push("lines end in a delimiter; the empty field behind it is left out".into());
        }
        let plans_of = |rows: &[Record]| {
            let columns = (0..width).map(|at| present(rows, at, words));
            plans(columns, delimiter, options)
        };
        let judged = match rows.split_first() {
            None => First::Row,
            Some(_) if row_names => First::Names,
            Some((first, below)) => match &options.columns {
                Some(columns) if are_mostly(first, columns) => First::Names,
                _ => judge(first, below, &plans_of(below), words),
            },
        };
        let note = note_of_names(sample, delimiter, width, words);
        let note = note.filter(|_| options.header != Some(false) && judged == First::Row);
        let first = match options.header {
            Some(true) => First::Names,
            Some(false) => First::Row,
            None => judged,
        };
        let mut skip = usize::from(first != First::Row && note.is_none() && !rows.is_empty());
        let line = note.clone().or_else(|| (skip > 0).then(|| rows.remove(0)));
        remarks.extend(notes_remark(sample, note.as_ref()));
        if line.is_some()
            && let Some(units) = rows.first().filter(|_| rows.len() > 1)
            && are_units(units, &rows[1..], &plans_of(&rows[1..]), words)
        {
            remarks.push(format!(
                "line {} has no number in any column and is left out, as units: {}",
                units.line,
                listed(&units.iter().collect::<Vec<_>>())
            ));
            skip += 1;
            rows.remove(0);
        }
        let numbered = Table::numbered_columns(width);
        let counts = line.as_ref().is_some_and(|line| line.get(0) == Some(""))
            && width > 1
            && remarks::counts_up(&rows, 0).is_some_and(|start| start <= 1.0);
        let index = match (row_names, counts) {
            (true, _) => Some(
                "the first line has one name fewer than the others have fields, so that the first column holds names of the rows",
            ),
            (false, true) => Some("the first column has no name and counts the rows"),
            (false, false) => None,
        };
        let names = line.as_ref().map(|line| Names::of(line, width));
        let header = match (&line, &names) {
            (Some(line), Some(names)) => {
                let which = if line.line == 1 {
                    "first line".to_owned()
                } else {
                    format!("line {}", line.line)
                };
                let doubt = if first == First::LikelyNames {
                    " (--no-header reads it as data)"
                } else {
                    ""
                };
                format!("{which} taken as names: {}{doubt}", listed(&names.names))
            }
            _ => "no names: the first line is data".to_owned(),
        };
        let names = match names {
            Some(names) => {
                remarks.extend(names.remarks);
                names.names
            }
            None => numbered,
        };
        let plans = plans_of(&rows);
        remarks.extend(assumed_remark(&rows, &plans, delimiter, options, words));
        Ok(Self {
            delimiter,
            has_names: line.is_some(),
            plans,
            names,
            index,
            header,
            remarks,
            rows,
            trailing,
            skip,
        })
    }
}

impl Layout {
    /// A decimal comma, if the numbers of some column have one for certain.
    pub(super) fn decimal(&self) -> Decimal {
        let is_comma = |plan: &Plan| plan.certain && plan.decimal == Decimal::Comma;
        if self.plans.iter().any(is_comma) {
            Decimal::Comma
        } else {
            Decimal::Point
        }
    }
}

/// The remark on a decimal character that a model says and the text does not, if some cell would be another number
/// without.
fn assumed_remark(
    rows: &[Record],
    found: &[Plan],
    delimiter: Delimiter,
    options: &ReadOptions,
    words: &Words,
) -> Option<String> {
    options.usual_decimal?;
    let unaided = ReadOptions {
        usual_decimal: None,
        ..options.clone()
    };
    let columns = (0..found.len()).map(|at| present(rows, at, words));
    let unaided = plans(columns, delimiter, &unaided);
    let differs = |at: &usize, cell: &&str| {
        !unaided[*at].certain
            && found[*at].certain
            && cell.contains(['.', ','])
            && found[*at].number(cell).is_some()
    };
    let cell = (0..found.len()).find_map(|at| {
        let mut cells = present(rows, at, words);
        cells.find(|cell| differs(&at, cell)).map(|cell| (at, cell))
    });
    let (at, cell) = cell?;
    Some(format!(
        "no number tells the decimal character; it is that of the model's data, so that `{}` is {}; --decimal says otherwise",
        shown(cell),
        found[at].number(cell)?
    ))
}

/// Whether a line behind the names has words where all columns have numbers; beside these, a column of names or
/// times may hold nothing there, or a word for units.
fn are_units(line: &Record, below: &[Record], plans: &[Plan], words: &Words) -> bool {
    let is_number = |plan: &Plan| plan.sort == Sort::Numbers;
    let fits = |(at, plan): (usize, &Plan)| {
        let cell = line.get(at).unwrap_or_default();
        if is_number(plan) {
            present(below, at, words).next().is_some() && plan.number(cell).is_none()
        } else {
            let name = cell
                .trim_matches(|c: char| !c.is_alphabetic())
                .to_lowercase();
            name.is_empty() || ["unit", "units", "einheit", "einheiten"].contains(&name.as_str())
        }
    };
    let mut numbers = plans.iter().enumerate().filter(|(_, plan)| is_number(plan));
    numbers.any(|(at, _)| line.get(at).is_some_and(|cell| !words.are_missing(cell)))
        && plans.iter().enumerate().all(fits)
}

fn fields(count: usize) -> String {
    counted(count, "field")
}

/// Whether a line consists mostly of a model's names.
fn are_mostly(line: &Record, columns: &[String]) -> bool {
    let names: HashSet<&str> = columns.iter().map(String::as_str).collect();
    let known = line.iter().filter(|cell| names.contains(cell));
    known.count() * 2 > line.len().min(columns.len())
}

/// The last line before the table, if it begins with `#` and names as many columns as the table has.
fn note_of_names(
    sample: &Sample,
    delimiter: Delimiter,
    width: usize,
    words: &Words,
) -> Option<Record> {
    let (line, text) = sample.notes.last()?;
    let mark = mark(text)?;
    let unmarked = text.trim_start_matches(mark);
    let named = [unmarked, text].into_iter().find_map(|text| {
        let mut record = Record::default();
        let mut records = Records::new(text.as_bytes(), delimiter, None, *line);
        let found = records.next_into("", &mut record).unwrap_or(false);
        let first = record.get(0).unwrap_or_default().to_owned();
        (found && record.len() == width && !first.is_empty()).then_some(record)
    })?;
    let is_name = |cell: &str| number(cell, Decimal::Point).is_none() && !words.are_missing(cell);
    // A sentence is one field too.
    let one_word = width > 1 || !unmarked.trim().contains(char::is_whitespace);
    (one_word && named.iter().any(is_name)).then_some(named)
}

fn notes_remark(sample: &Sample, names: Option<&Record>) -> Option<String> {
    let skipped = sample.notes.len() - usize::from(names.is_some());
    let (first, last) = (sample.notes.first()?.0, sample.notes[..skipped].last()?.0);
    let mark = mark(&sample.notes[0].1)?;
    Some(if first == last {
        format!("line {first} begins with `{mark}` and is left out")
    } else {
        format!("{skipped} of the lines {first} to {last} begin with `{mark}` and are left out")
    })
}

/// Rows of text behind the names.
pub(super) struct Text<R> {
    pub(super) source: String,
    pub(super) layout: Layout,
    pub(super) words: Words,
    records: Records<Chain<Cursor<Vec<u8>>, R>>,
    /// Records that were read to see whether anything follows lines of empty fields.
    ahead: VecDeque<Record>,
    /// Lines of empty fields behind the last row.
    pub(super) empty_lines: usize,
}

impl<R: BufRead> Text<R> {
    /// Reads as far as the sample goes.
    pub(super) fn open(source: &str, mut reader: R, options: &ReadOptions) -> Result<Self> {
        let words = Words::of(options);
        let sample = Sample::take(source, &mut reader, options, &words)?;
        let layout = Layout::of(source, &sample, options, &words)?;
        let mut records = Records::new(
            Cursor::new(sample.bytes).chain(reader),
            layout.delimiter,
            options.comment.as_deref(),
            sample.line,
        );
        for _ in 0..layout.skip {
            records.next_into(source, &mut Record::default())?;
        }
        Ok(Self {
            source: source.to_owned(),
            layout,
            words,
            records,
            ahead: VecDeque::new(),
            empty_lines: 0,
        })
    }

    /// The next row into `record`, which has a field for each column; `false` behind the last. Lines of nothing but
    /// delimiters behind that are no rows.
    pub(super) fn next_into(&mut self, record: &mut Record) -> Result<bool> {
        if let Some(next) = self.ahead.pop_front() {
            *record = next;
        } else if !self.records.next_into(&self.source, record)? {
            return Ok(false);
        } else if record.is_empty() && record.len() > 1 {
            self.look_ahead()?;
            if self.ahead.back().is_none_or(Record::is_empty) {
                self.empty_lines = self.ahead.len() + 1;
                self.ahead.clear();
                return Ok(false);
            }
        }
        let width = self.layout.names.len();
        let extra = record.len().checked_sub(width);
        if extra.is_none_or(|extra| extra > self.layout.trailing.min(record.empty_at_end())) {
            bail!(self.ragged(record));
        }
        Ok(true)
    }

    /// Reads on as far as a record that is not empty.
    fn look_ahead(&mut self) -> Result<()> {
        let mut next = Record::default();
        while self.records.next_into(&self.source, &mut next)? {
            let is_row = !next.is_empty();
            self.ahead.push_back(std::mem::take(&mut next));
            if is_row {
                break;
            }
        }
        Ok(())
    }

    /// The remark on bytes that are no text.
    pub(super) fn stray_remark(&self) -> Option<String> {
        self.records
            .stray()
            .map(|stray| format!("{stray} are left out"))
    }

    /// The remark on lines of empty fields behind the last row.
    pub(super) fn empty_lines_remark(&self) -> Option<String> {
        (self.empty_lines > 0).then(|| {
            format!(
                "lines of empty fields at the end are left out: {}",
                self.empty_lines
            )
        })
    }

    fn ragged(&self, record: &Record) -> String {
        let width = self.layout.names.len();
        let advice = if let Some(mark) = record.get(0).and_then(mark) {
            &format!("if it is a comment, give --comment '{mark}'")
        } else if record.len() == 2 * width && self.layout.delimiter == Delimiter::Byte(b',') {
            "if its numbers have a decimal comma, put them in quotes or `;` between them"
        } else {
            "repair or remove the line"
        };
        format!(
            "{}, line {}: {} where the first line has {width}; {advice}",
            self.source,
            record.line,
            fields(record.len()),
        )
    }

    /// What was understood, for a summary: delimiter and decimal character.
    pub(super) fn dialect(&self) -> String {
        let mut text = self.layout.delimiter.shown();
        if self.layout.decimal() == Decimal::Comma {
            text.push_str(", decimal comma");
        }
        text
    }
}

/// Columns of numbers from text, read row by row.
pub(super) struct NumberRows<R> {
    text: Text<R>,
    matched: Matched,
    narrow: Narrow,
    record: Record,
}

impl<R: BufRead> NumberRows<R> {
    pub(super) fn open(source: &str, reader: R, options: &ReadOptions) -> Result<Self> {
        let text = Text::open(source, reader, options)?;
        let matched = text.layout.matched(source, options)?;
        let narrow = Narrow::new(source, &matched.names, &options.offset)?;
        Ok(Self {
            text,
            matched,
            narrow,
            record: Record::default(),
        })
    }

    /// The decimal character that was found.
    pub(super) fn decimal(&self) -> Decimal {
        self.text.layout.decimal()
    }

    /// The names of the columns that are read.
    pub(super) fn columns(&self) -> &[String] {
        &self.matched.names
    }

    /// Says what was understood: of `rows` rows, or of a file whose rows are still to come.
    pub(super) fn tell(&self, rows: Option<usize>, say: &mut dyn FnMut(&str)) {
        let Text {
            source,
            layout,
            words,
            ..
        } = &self.text;
        let width = self.columns().len();
        let columns = if width == 1 { "column" } else { "columns" };
        let rows = match rows {
            Some(1) => "1 row of ".to_owned(),
            Some(rows) => format!("{rows} rows of "),
            None => "in blocks of rows, ".to_owned(),
        };
        say(&format!(
            "read {source}: {rows}{width} {columns}, {}; {}",
            self.text.dialect(),
            layout.header
        ));
        let kept = &self.matched.kept;
        let plans = remarks::of_plans(layout, kept, words);
        let values = remarks::of_values(layout, kept, words, false);
        let empty = self.text.empty_lines_remark();
        let stray = self.text.stray_remark();
        let remarks = layout
            .remarks
            .iter()
            .chain(&self.matched.remarks)
            .chain(&empty)
            .chain(&stray);
        for remark in remarks.chain(&plans).chain(&values) {
            say(&format!("{source}: {remark}"));
        }
    }

    /// The values of at most `limit` further rows; empty behind the last.
    pub(super) fn next_rows(&mut self, limit: usize) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        for _ in 0..limit {
            if !self.text.next_into(&mut self.record)? {
                break;
            }
            for (at, &column) in self.matched.kept.iter().enumerate() {
                let cell = self.record.get(column).unwrap_or_default();
                let value = self
                    .number(cell, column)
                    .map(|value| self.narrow.value(at, value));
                match value.filter(|value| value.is_finite()) {
                    Some(value) => values.push(value),
                    None => bail!(
                        "{}, line {}, column `{}`: {}",
                        self.text.source,
                        self.record.line,
                        shown(&self.text.layout.names[column]),
                        self.problem(cell, column)
                    ),
                }
            }
        }
        self.narrow.check()?;
        Ok(values)
    }

    /// The number in a cell that holds one.
    fn number(&self, cell: &str, column: usize) -> Option<f64> {
        let plan = &self.text.layout.plans[column];
        let value = match plan.sort {
            Sort::Truth => truth(cell),
            _ => plan.number(cell),
        };
        value.filter(|value| !self.text.words.are_number(*value) && !plan.is_ambiguous(cell))
    }

    /// What is wrong with a cell that gives no number, and what to do.
    fn problem(&self, cell: &str, column: usize) -> String {
        let problem = self.problem_of(cell, column);
        // Nothing would be left.
        let shorter = problem.split_once(", or leave ").map(|(rest, _)| rest);
        let (what, advice) = match shorter.and_then(|rest| rest.rsplit_once("; ")) {
            Some(parts) if self.matched.kept.len() == 1 => parts,
            _ => return problem,
        };
        format!("{what}; {}", advice.replace(", ", " or "))
    }

    fn problem_of(&self, cell: &str, column: usize) -> String {
        let layout = &self.text.layout;
        let plan = &layout.plans[column];
        let leave_out = format!("--label-column {}", argument(&layout.names, column));
        let name = shown(cell);
        let number = plan.number(cell);
        if cell.is_empty() {
            return "the field is empty; fill in a number or remove the row".into();
        }
        if self.text.words.are_missing(cell)
            || number.is_some_and(|n| self.text.words.are_number(n))
        {
            return format!(
                "`{name}` is a missing value; fill in a number, remove the row, or leave the column out with {leave_out}"
            );
        }
        if plan.is_ambiguous(cell) {
            return format!(
                "`{name}` may have a decimal comma or a comma between thousands; say which with --decimal , or --decimal ."
            );
        }
        if let Sort::Units(a, b) = &plan.sort {
            return format!(
                "`{name}`: the column has units that differ, such as {} and {}; bring it to one, or leave it out with {leave_out}",
                shown(a),
                shown(b)
            );
        }
        if let Some(unit) = &plan.unit {
            return format!(
                "`{name}` is no number with the unit {} as the others are; correct it, or leave the column out with {leave_out}",
                shown(unit)
            );
        }
        let is_point = plan.decimal == Decimal::Point && cell.parse::<f64>().is_ok();
        if number.is_some() || is_point && cell.contains(|c: char| c.is_ascii_digit()) {
            return format!(
                "`{name}` is too large for a 32-bit float, which ends at 3.4e38; give the column in a larger unit, or leave it out with {leave_out}"
            );
        }
        if is_point {
            return format!("`{name}` is not a finite number; fill in the value or remove the row");
        }
        if is_time(cell) && plan.sort == Sort::Times {
            return format!(
                "`{name}` is a date or a time, not a number; leave the column out with {leave_out}"
            );
        }
        if evidence(cell) != Evidence::Text && plan.certain {
            return format!(
                "`{name}` is not a number, as the others have a decimal {}; correct it, or say which with --decimal",
                match plan.decimal {
                    Decimal::Point => "point",
                    Decimal::Comma => "comma",
                }
            );
        }
        if cell.contains('\0') {
            return "the field holds NUL bytes, as where a logger lost power; remove the line"
                .into();
        }
        if let Some(mark) = mark(cell) {
            return format!(
                "`{name}` is not a number; correct it, or give --comment '{mark}' if such lines are comments"
            );
        }
        if let Some((name, value)) = named_number(cell) {
            return format!(
                "`{name}:{value}` is a name and a number; write the names once, in the first line, and numbers alone below"
            );
        }
        if resembles_number(cell) {
            return format!(
                "`{name}` is no number in a form that is read, such as 21.5 or -2.15e1; write one number a cell, or leave the column out with {leave_out}"
            );
        }
        if layout.delimiter == Delimiter::None && cell.contains([' ', ',', ';', '|', '\t']) {
            return format!(
                "`{name}` is not a number; nothing stands between fields equally often in all lines: repair them, or say what does with --delimiter"
            );
        }
        let remove = if plan.sort == Sort::Numbers {
            ", remove the line"
        } else {
            ""
        };
        format!(
            "`{name}` is not a number; correct it{remove}, or leave the column out with {leave_out}"
        )
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
