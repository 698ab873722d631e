//! Delimited text as records: quotes, blanks and line ends, with the line numbers of an editor.

use std::io::{self, BufRead};

use anyhow::{Result, anyhow, bail};

use super::reading::Delimiter;

/// The fields of one record, which may go over several lines where quotes hold line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The line on which it starts, counted from 1.
    pub(super) line: u64,
    text: String,
    /// Where each field ends in the text.
    ends: Vec<usize>,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        (0..self.len()).map(|at| self.get(at).unwrap_or_default())
    }

    /// The same fields behind an empty one.
    pub(super) fn behind_empty(mut self) -> Self {
        self.ends.insert(0, 0);
        self
    }

    /// Whether every field is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Empty fields at the end.
    pub(super) fn empty_at_end(&self) -> usize {
        self.iter()
            .rev()
            .take_while(|field| field.is_empty())
            .count()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Blanks before the first field of a line.
    LineStart,
    /// Blanks before a field.
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quotation mark in a quoted field: the end, or half of a doubled one.
    Quote,
    Comment,
}

/// What DOS put at the end of a text (Ctrl-Z).
const END_OF_FILE: u8 = 0x1a;

/// Reads records one by one. Fields are trimmed; lines without any character but blanks are passed over.
pub(super) struct Records<R> {
    reader: R,
    delimiter: Delimiter,
    comment: Option<Vec<u8>>,
    /// The number of the line that comes next.
    line: u64,
    /// A carriage return has just ended a line: a line feed belongs to it.
    after_return: bool,
    /// A byte that stood before a line and is no text.
    stray: Option<u8>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: BufRead> Records<R> {
    /// Reads from the start of a line, the first of which has the number `line`.
    pub(super) fn new(reader: R, delimiter: Delimiter, comment: Option<&str>, line: u64) -> Self {
        Self {
            reader,
            delimiter,
            comment: comment.map(|prefix| prefix.as_bytes().to_vec()),
            line,
            after_return: false,
            stray: None,
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// What stood before a line and is no text, or in place of the last one.
    pub(super) fn stray(&self) -> Option<&'static str> {
        Some(match self.stray? {
            END_OF_FILE => "marks of the end (Ctrl-Z) at the start of lines",
            _ => "NUL bytes at the start of lines, as where a logger lost power,",
        })
    }

    /// The next record into `record`; `false` behind the last.
    pub(super) fn next_into(&mut self, source: &str, record: &mut Record) -> Result<bool> {
        let mut state = State::LineStart;
        let mut opened = 0;
        // Blanks behind a quotation mark that may close a field.
        let mut blanks = 0;
        record.line = self.line;
        self.bytes.clear();
        self.ends.clear();
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(explain_read(source, &error)),
            };
            if buffer.is_empty() {
                if state == State::Quoted {
                    bail!(
                        "{source}, line {opened}: the quotation mark that opens here is never closed; close it, or remove it"
                    );
                }
                let any = state != State::LineStart && state != State::Comment;
                return Ok(any && self.finish(source, state, record)?);
            }
            let mut used = 0;
            let mut ended = false;
            for &byte in buffer {
                used += 1;
                if byte == b'\n' && std::mem::take(&mut self.after_return) {
                    if state == State::Quoted {
                        self.bytes.push(byte);
                    }
                    continue;
                }
                let line_end = byte == b'\n' || byte == b'\r';
                self.after_return = byte == b'\r';
                self.line += u64::from(line_end);
                if state == State::Quoted {
                    if byte == b'"' {
                        state = State::Quote;
                        blanks = 0;
                    } else {
                        self.bytes.push(byte);
                    }
                    continue;
                }
                if line_end {
                    if matches!(state, State::LineStart | State::Comment) {
                        state = State::LineStart;
                        self.bytes.clear();
                        record.line = self.line;
                        continue;
                    }
                    ended = true;
                    break;
                }
                state = match state {
                    State::Comment => State::Comment,
                    State::Quote if byte == b'"' && blanks == 0 => {
                        self.bytes.push(byte);
                        State::Quoted
                    }
                    _ if self.delimiter == Delimiter::Byte(byte) => {
                        trim(&mut self.bytes, self.ends.last(), state, self.delimiter);
                        self.ends.push(self.bytes.len());
                        State::FieldStart
                    }
                    State::LineStart if byte == 0 || byte == END_OF_FILE => {
                        self.stray = self.stray.max(Some(byte));
                        state
                    }
                    State::LineStart | State::FieldStart if is_blank(byte) => state,
                    State::LineStart | State::FieldStart if byte == b'"' => {
                        opened = self.line;
                        State::Quoted
                    }
                    _ if self.delimiter == Delimiter::Blanks && is_blank(byte) => {
                        trim(&mut self.bytes, self.ends.last(), state, self.delimiter);
                        self.ends.push(self.bytes.len());
                        State::FieldStart
                    }
                    State::Quote if is_blank(byte) => {
                        blanks += 1;
                        State::Quote
                    }
                    // As spreadsheets keep digits as they are: `="0042"`.
                    State::Plain
                        if byte == b'"' && field(&self.bytes, self.ends.last()) == b"=" =>
                    {
                        self.bytes.pop();
                        opened = self.line;
                        State::Quoted
                    }
                    State::Quote if byte == b'"' => {
                        // Another quoted text: what separates them is not the delimiter.
                        self.bytes.push(b'"');
                        self.bytes.resize(self.bytes.len() + blanks, b' ');
                        self.bytes.push(b'"');
                        State::Quoted
                    }
                    State::Quote => {
                        // The quotes were a part of the text.
                        self.bytes
                            .insert(self.ends.last().copied().unwrap_or(0), b'"');
                        self.bytes.push(b'"');
                        self.bytes.resize(self.bytes.len() + blanks, b' ');
                        self.bytes.push(byte);
                        State::Plain
                    }
                    _ => {
                        self.bytes.push(byte);
                        State::Plain
                    }
                };
                if state == State::Plain
                    && self.ends.is_empty()
                    && self.comment.as_deref() == Some(self.bytes.as_slice())
                {
                    state = State::Comment;
                }
            }
            self.reader.consume(used);
            if ended && self.finish(source, state, record)? {
                return Ok(true);
            }
            if ended {
                state = State::LineStart;
                record.line = self.line;
            }
        }
    }

    /// Closes the last field and hands the record over, unless nothing is in it.
    fn finish(&mut self, source: &str, state: State, record: &mut Record) -> Result<bool> {
        trim(&mut self.bytes, self.ends.last(), state, self.delimiter);
        // Blanks at the end of a line separate nothing.
        if !(self.delimiter == Delimiter::Blanks && state == State::FieldStart) {
            self.ends.push(self.bytes.len());
        }
        if self.ends.is_empty() {
            return Ok(false);
        }
        let bytes = std::mem::take(&mut self.bytes);
        record.text = String::from_utf8(bytes).map_err(|_| not_utf8(source, record.line))?;
        std::mem::swap(&mut record.ends, &mut self.ends);
        Ok(true)
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Takes blanks of any script off a field without quotes, and between blanks a comma or semicolon off its end.
fn trim(bytes: &mut Vec<u8>, start: Option<&usize>, state: State, delimiter: Delimiter) {
    if state != State::Plain {
        return;
    }
    let start = start.copied().unwrap_or(0);
    while bytes.len() > start && bytes.last().is_some_and(|&byte| is_blank(byte)) {
        bytes.pop();
    }
    let field = &bytes[start..];
    if delimiter == Delimiter::Blanks && field.len() > 1 && b",;".contains(&field[field.len() - 1])
    {
        bytes.pop();
    }
    let field = &bytes[start..];
    let beyond = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii());
    if (beyond(field.first()) || beyond(field.last()))
        && let Ok(text) = std::str::from_utf8(field)
    {
        let blank = |c: char| c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}';
        let ends = text.trim_end_matches(blank).len();
        let begins = ends - text[..ends].trim_start_matches(blank).len();
        bytes.truncate(start + ends);
        bytes.drain(start..start + begins);
    }
}

/// The field that is being read, behind the end of the one before.
fn field<'b>(bytes: &'b [u8], start: Option<&usize>) -> &'b [u8] {
    &bytes[start.copied().unwrap_or(0)..]
}

pub(super) fn not_utf8(source: &str, line: u64) -> anyhow::Error {
    anyhow!("{source}, line {line}: the text is not UTF-8; save the file as UTF-8")
}

/// What is wrong with a file that opened and then does not read, and what to do.
pub(super) fn explain_read(source: &str, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        // What the decoder of gzip says; a plain file does not fail so.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            anyhow!("{source} is no valid gzip file; unpack it yourself or fetch it again")
        }
        _ => anyhow!("{source} cannot be read: {error}"),
    }
}
