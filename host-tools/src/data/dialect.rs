//! The dialect of a text, decided from its start: what stands before the table, and what between fields.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read};

use anyhow::{Result, ensure};

use super::cells::{Evidence, Words, evidence, number, split_unit};
use super::content;
use super::open::Format;
use super::reading::{Decimal, Delimiter, ReadOptions};
use super::records::{Record, Records, explain_read, not_utf8};

/// How much of a text is looked at, at least, before its first row is read.
const SAMPLE_BYTES: usize = 256 << 10;

/// Lines that the sample should have, for tables whose lines are long.
const SAMPLE_LINES: usize = 24;

/// Most that is read for the sake of these.
const LONGEST_SAMPLE: usize = 64 << 20;

/// The start of a text, from the first line of its table on.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// The number of the line at which `bytes` begin.
    pub(super) line: u64,
    /// Whether nothing follows.
    pub(super) whole: bool,
    /// Lines before the table that begin with a [`mark`], with their numbers.
    pub(super) notes: Vec<(u64, String)>,
    /// What a line `sep=;` says.
    pub(super) announced: Option<Delimiter>,
}

impl Sample {
    /// Reads the start of a text and takes off what stands before the table.
    pub(super) fn take(
        source: &str,
        reader: &mut dyn BufRead,
        options: &ReadOptions,
        words: &Words,
    ) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut whole = false;
        while !whole && bytes.len() < LONGEST_SAMPLE {
            let before = bytes.len();
            let mut part = (&mut *reader).take(SAMPLE_BYTES as u64);
            part.read_to_end(&mut bytes)
                .map_err(|error| explain_read(source, &error))?;
            whole = bytes.len() - before < SAMPLE_BYTES;
            let ends = bytes.iter().filter(|&&b| b == b'\n' || b == b'\r').count();
            if ends >= SAMPLE_LINES {
                break;
            }
        }
        content::check(source, Format::Csv, &bytes)?;
        refuse_utf16(source, &bytes)?;
        if bytes.starts_with("\u{feff}".as_bytes()) {
            bytes.drain(..3);
        }
        check_utf8(source, &bytes, whole)?;
        let mut sample = Self {
            bytes,
            line: 1,
            whole,
            notes: Vec::new(),
            announced: None,
        };
        sample.skip_to_table(options, words);
        ensure!(
            !is_markdown(&sample.bytes),
            "{source} is a table of Markdown; take the line of dashes out, and the `|` off both ends of every line"
        );
        Ok(sample)
    }

    /// Skips blank lines, a line `sep=;` and lines that begin with a mark, unless that is a word for a missing value.
    fn skip_to_table(&mut self, options: &ReadOptions, words: &Words) {
        let mut at = 0;
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            let length = rest.iter().position(|&b| b == b'\n' || b == b'\r');
            let length = length.unwrap_or(rest.len());
            let line = String::from_utf8_lossy(&rest[..length]);
            let text = line.trim();
            if let Some(delimiter) = announced(text).filter(|_| self.announced.is_none()) {
                self.announced = Some(delimiter);
            } else if options.comment.is_none() && mark(text).is_some() {
                let cell = text
                    .split([',', ';', '\t', '|'])
                    .next()
                    .unwrap_or(text)
                    .trim();
                if cell.len() > 1 && words.are_missing(cell) {
                    break;
                }
                self.notes.push((self.line, text.to_owned()));
            } else if !text.is_empty() {
                break;
            }
            at += length + usize::from(length < rest.len());
            at += usize::from(rest[length..].starts_with(b"\r\n"));
            self.line += u64::from(length < rest.len());
        }
        self.bytes.drain(..at);
    }

    /// The records of the sample; one that is cut short is left out, and what follows an error.
    pub(super) fn records(&self, delimiter: Delimiter, options: &ReadOptions) -> Vec<Record> {
        let bytes = self.bytes.as_slice();
        let mut records = Records::new(bytes, delimiter, options.comment.as_deref(), self.line);
        let mut found = Vec::new();
        let mut record = Record::default();
        while records.next_into("", &mut record).unwrap_or(false) {
            found.push(record.clone());
        }
        if !self.whole && found.len() > 1 {
            found.pop();
        }
        found
    }
}

/// What a line before the table begins with if it is a comment: `#`, `%` or `//`.
pub(super) fn mark(line: &str) -> Option<&'static str> {
    ["#", "%", "//"]
        .into_iter()
        .find(|mark| line.starts_with(mark))
}

/// What a first line such as `sep=;` says, as spreadsheets write it.
fn announced(line: &str) -> Option<Delimiter> {
    let line = line.trim_matches('"');
    let value = line
        .get(4..)
        .filter(|_| line[..4].eq_ignore_ascii_case("sep="))?;
    match value {
        "" => Some(Delimiter::Byte(b'\t')),
        _ => value.parse().ok(),
    }
}

/// Whether the second line is one of dashes between bars, as below the names of a table in Markdown.
fn is_markdown(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let is_bars = |line: &[u8]| line.trim_ascii().starts_with(b"|");
    lines.next().is_some_and(is_bars)
        && lines.next().is_some_and(|line| {
            let dashes = |byte: &u8| b"|-: \t\r".contains(byte);
            is_bars(line) && line.contains(&b'-') && line.iter().all(dashes)
        })
}

fn refuse_utf16(source: &str, bytes: &[u8]) -> Result<()> {
    let start = &bytes[..bytes.len().min(4096)];
    let utf16 = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    // Without a mark: one byte of most characters is zero, always the same of the two.
    let zeros = |parity: usize| {
        start
            .iter()
            .skip(parity)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let most = even.max(odd);
    ensure!(
        !utf16 && (most * 4 < start.len().max(1) || most < 4 * even.min(odd)),
        "{source} is no UTF-8: it looks like UTF-16; save it as CSV in UTF-8"
    );
    Ok(())
}

fn check_utf8(source: &str, bytes: &[u8], whole: bool) -> Result<()> {
    let Err(error) = std::str::from_utf8(bytes) else {
        return Ok(());
    };
    // A character may be cut in two at the end.
    if error.error_len().is_none() && !whole {
        return Ok(());
    }
    Err(not_utf8(source, line_of(bytes, error.valid_up_to())))
}

/// The number of the line in which a byte stands.
fn line_of(bytes: &[u8], at: usize) -> u64 {
    let lines = (0..at).filter(|&at| match bytes[at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    lines.count() as u64 + 1
}

/// How the sample falls into fields by one delimiter.
struct Tally {
    delimiter: Delimiter,
    records: Vec<Record>,
    shape: Shape,
}

/// The numbers of fields in the lines of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The number of fields that most lines behind the first have.
    most: usize,
    /// Lines behind the first that have another.
    misfits: usize,
    rows: usize,
    /// Fields of the first line.
    header: usize,
    /// Columns, as the first line has them.
    pub(super) width: usize,
    /// Empty fields at the end of every line behind those.
    pub(super) trailing: usize,
}

impl Shape {
    pub(super) fn of(records: &[Record]) -> Self {
        let (first, rows) = match records {
            [] => (0, records),
            [first] => (first.len(), records),
            [first, rows @ ..] => (first.len(), rows),
        };
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for row in rows {
            *counts.entry(row.len()).or_default() += 1;
        }
        let most = counts
            .iter()
            .max_by_key(|&(&fields, &rows)| (rows, fields == first, fields))
            .map_or(0, |(&fields, _)| fields);
        let full = rows.iter().filter(|row| row.len() == most);
        let empty = full.map(Record::empty_at_end).min().unwrap_or(0);
        let own = records.first().map_or(0, Record::empty_at_end);
        let (width, trailing) = match most.checked_sub(first) {
            Some(0) if own.min(empty) < most => (most - own.min(empty), own.min(empty)),
            Some(more @ 1..) if more <= empty && first > own.min(empty - more) => {
                let own = own.min(empty - more);
                (first - own, more + own)
            }
            _ => (first, 0),
        };
        Self {
            most,
            misfits: rows.iter().filter(|row| row.len() != most).count(),
            rows: rows.len(),
            header: first,
            width,
            trailing,
        }
    }

    /// Whether lines and header have as many fields as one another, but for a few.
    fn is_consistent(&self) -> bool {
        self.most >= 2
            && self.header_fits()
            && (self.misfits * 10 <= self.rows || self.misfits == 1 && self.rows >= 3)
    }

    /// Whether the first line has one field fewer than nearly all others.
    fn lacks_one(&self) -> bool {
        !self.header_fits() && self.header + 1 == self.most && self.misfits * 10 <= self.rows
    }

    fn header_fits(&self) -> bool {
        self.width + self.trailing == self.most
    }

    /// The number of fields of the other lines, if most of them have another than the first.
    pub(super) fn of_others(&self) -> Option<usize> {
        let agree = self.rows - self.misfits;
        (!self.header_fits() && agree >= 3 && agree * 2 > self.rows).then_some(self.most)
    }
}

/// What separates the fields: what gives lines and header the same number of fields.
pub(super) fn delimiter(sample: &Sample, options: &ReadOptions) -> Delimiter {
    if let Some(delimiter) = options.delimiter.or(sample.announced) {
        return delimiter;
    }
    let tally = |delimiter| {
        let records = sample.records(delimiter, options);
        let shape = Shape::of(&records);
        Tally {
            delimiter,
            records,
            shape,
        }
    };
    let marks = [b'\t', b';', b'|', b','].map(|byte| tally(Delimiter::Byte(byte)));
    let blanks = tally(Delimiter::Blanks);
    let [tabs, semicolons, bars, commas] = &marks;
    let decimal_comma = options.decimal == Some(Decimal::Comma) && !commas.has_quoted_comma();
    let comma_wins = !decimal_comma && commas.shape.is_consistent();
    if tabs.shape.is_consistent() {
        return tabs.delimiter;
    }
    for mark in [semicolons, bars] {
        if mark.shape.is_consistent() && !(comma_wins && mark.has_commas_between_words()) {
            return mark.delimiter;
        }
    }
    let in_blanks = blanks.shape.is_consistent();
    if comma_wins && !(in_blanks && commas.tears_numbers()) {
        let one = options.decimal.is_none() && commas.is_one_column();
        return if one {
            Delimiter::None
        } else {
            commas.delimiter
        };
    }
    if in_blanks {
        return Delimiter::Blanks;
    }
    let mut all = marks.iter().chain([&blanks]);
    if let Some(tally) = all.find(|tally| has_row_names(&tally.records, tally.delimiter)) {
        return tally.delimiter;
    }
    // Nothing fits throughout: most of it, so that the line that does not fit is named.
    let usable = |tally: &&Tally| {
        tally.shape.most >= 2 && !(decimal_comma && tally.delimiter == Delimiter::Byte(b','))
    };
    let closest = marks
        .iter()
        .filter(usable)
        .filter(|tally| tally.shape.header_fits() || !tally.is_decimal_column())
        .min_by_key(|tally| (!tally.shape.header_fits(), tally.shape.misfits));
    closest.map_or(Delimiter::None, |tally| tally.delimiter)
}

impl Tally {
    fn rows(&self) -> &[Record] {
        let skipped = usize::from(self.records.len() > 1);
        &self.records[skipped..]
    }

    fn cells(&self) -> impl Iterator<Item = &str> {
        self.rows().iter().flat_map(Record::iter)
    }

    /// Whether a cell holds a comma: it stood in quotes.
    fn has_quoted_comma(&self) -> bool {
        self.records
            .iter()
            .flat_map(Record::iter)
            .any(|cell| cell.contains(','))
    }

    /// Whether most commas within cells separate words rather than digits or parts of a sentence.
    fn has_commas_between_words(&self) -> bool {
        let (mut between_words, mut others) = (0, 0);
        for cell in self.cells().filter(|cell| cell.contains(',')) {
            let (number, _) = split_unit(cell).unwrap_or((cell, ""));
            if cell.contains(", ") || evidence(number) != Evidence::Text {
                others += 1;
            } else {
                between_words += 1;
            }
        }
        between_words > others
    }

    /// Whether many rows have cells of several numbers, as a table has that blanks separate and whose numbers
    /// have a decimal comma.
    fn tears_numbers(&self) -> bool {
        let is_torn = |cell: &str| {
            cell.contains([' ', '\t'])
                && number(cell, Decimal::Point).is_none()
                && cell
                    .split_ascii_whitespace()
                    .all(|part| number(part, Decimal::Point).is_some())
        };
        let torn = self.rows().iter().filter(|row| row.iter().any(is_torn));
        torn.count() * 4 >= self.rows().len().max(1)
    }

    /// Whether two fields a line are one column with a decimal comma after all: the second has as many digits in
    /// every line, and zeros in front.
    fn is_one_column(&self) -> bool {
        let decimals = |row: &Record| row.get(1).map_or(0, str::len);
        let first = self.records.first().map_or(0, decimals);
        self.shape.most == 2
            && first >= 2
            && self.shape.misfits == 0
            && self.is_decimal_column()
            && self.records.iter().all(|row| decimals(row) == first)
            && self.cells_of(1).any(|cell| cell.starts_with('0'))
            && self.records.first().is_some_and(is_digits)
    }

    /// Whether rows are two fields of digits, or a single one.
    fn is_decimal_column(&self) -> bool {
        self.rows()
            .iter()
            .all(|row| (1..=2).contains(&row.len()) && is_digits(row))
    }

    fn cells_of(&self, column: usize) -> impl Iterator<Item = &str> {
        self.records.iter().filter_map(move |row| row.get(column))
    }
}

/// Whether the first line has names for all columns but the first, which holds names or numbers of the rows, as R
/// writes a table.
pub(super) fn has_row_names(records: &[Record], delimiter: Delimiter) -> bool {
    let Some((first, rows)) = records.split_first() else {
        return false;
    };
    let is_name = |cell: &str| !cell.is_empty() && evidence(cell) == Evidence::Text;
    if !Shape::of(records).lacks_one() || !first.iter().all(is_name) {
        return false;
    }
    let labels: Vec<&str> = rows.iter().filter_map(|row| row.get(0)).collect();
    let numbers: Vec<f64> = labels
        .iter()
        .filter_map(|label| number(label, Decimal::Point))
        .collect();
    if numbers.is_empty() {
        let distinct: HashSet<&str> = labels.iter().copied().collect();
        return distinct.len() == labels.len() && labels.iter().all(|label| !label.is_empty());
    }
    // One name above `20,5` is that of a column with a decimal comma.
    let one_column = delimiter == Delimiter::Byte(b',') && first.len() == 1;
    !one_column
        && numbers.len() == labels.len()
        && numbers.iter().all(|value| value.fract() == 0.0)
        && numbers.windows(2).all(|pair| pair[0] < pair[1])
}

/// Whether every field is digits; the first may have a sign.
fn is_digits(row: &Record) -> bool {
    row.iter().enumerate().all(|(at, cell)| {
        let cell = if at == 0 {
            cell.trim_start_matches(['-', '+', '\u{2212}'])
        } else {
            cell
        };
        !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit())
    })
}
