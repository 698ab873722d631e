//! Tables of fixed-size numbers, NPY and IDX: whole, or in blocks of rows.
//!
//! What a header announces is compared with the bytes that there are before anything of that size is made:
//! with the file's length where it is a plain file, and otherwise by reading it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::bufread::MultiGzDecoder;

use super::{
    ReadOptions, Table, content,
    element::Element,
    idx,
    matching::{Matched, matched},
    narrow::Narrow,
    npy,
    open::{Format, explain_open, is_gzip_name},
};

/// Most columns of a table: more are a table that lies on its side.
const MOST_COLUMNS: usize = 1 << 20;

/// Bytes decoded at once.
const BLOCK: usize = 1 << 16;

/// How a table of numbers lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) element: Element,
    pub(super) rows: usize,
    pub(super) width: usize,
    /// Column after column (Fortran order), not row after row.
    pub(super) by_columns: bool,
    /// Bytes before the first value.
    pub(super) start: u64,
}

impl Layout {
    fn read(source: &str, format: Format, reader: &mut dyn BufRead) -> Result<Self> {
        let start = reader
            .fill_buf()
            .map_err(|error| explain_read(source, &error))?;
        ensure!(
            !start.is_empty(),
            "{source} is empty; give a file with data in it"
        );
        content::check(source, format, start)?;
        match format {
            Format::Idx => idx::header(source, reader),
            _ => npy::header(source, reader)?.layout(source),
        }
    }

    /// Bytes of all values; `None` where that is more than any file has.
    fn bytes(&self) -> Option<u64> {
        let count = (self.rows as u64).checked_mul(self.width as u64)?;
        count.checked_mul(self.element.bytes() as u64)
    }

    /// Checks the sizes, against the bytes behind the header where their number is known.
    fn check(&self, source: &str, found: Option<u64>) -> Result<()> {
        let Self { rows, width, .. } = self;
        ensure!(
            *rows > 0,
            "{source} has no rows (it is {rows} by {width}); give a file with data in it"
        );
        ensure!(
            *width > 0,
            "{source} has no columns (it is {rows} by {width}); give a file with data in it"
        );
        let announced = self.bytes();
        if let Some(found) = found
            && announced != Some(found)
        {
            return Err(self.other_length(source, found));
        }
        ensure!(
            announced.is_some_and(|bytes| usize::try_from(bytes).is_ok()),
            "{source} announces {rows} by {width} values, more than any file holds; save or fetch it again"
        );
        Ok(())
    }

    /// Checks the width of values that are there.
    fn check_width(&self, source: &str) -> Result<()> {
        let Self { rows, width, .. } = self;
        ensure!(
            *width <= MOST_COLUMNS,
            "{source} has {width} columns and {rows} rows; if it lies on its side, save a.T"
        );
        Ok(())
    }

    fn other_length(&self, source: &str, found: u64) -> Error {
        let Self { rows, width, .. } = self;
        let bits = 8 * self.element.bytes();
        match self.bytes() {
            Some(bytes) if found > bytes => anyhow!(
                "{source} has {} bytes behind its {rows} by {width} values; save it again as one plain array",
                found - bytes
            ),
            _ => anyhow!(
                "{source} announces {rows} by {width} values of {bits} bits, but {found} bytes follow; save or fetch it again"
            ),
        }
    }
}

/// The columns that are read, and how their numbers become f32.
struct Selection {
    matched: Matched,
    narrow: Narrow,
    /// For each column of the file its place among those.
    places: Vec<Option<usize>>,
    /// The first number that an f32 does not hold: its row and column, and itself.
    beyond: Option<(usize, usize, f64)>,
}

impl Selection {
    fn of(source: &str, width: usize, options: &ReadOptions) -> Result<Self> {
        let names = Table::numbered_columns(width);
        let matched = matched(source, &names, false, None, options)?;
        let mut places = vec![None; width];
        for (place, &at) in matched.kept.iter().enumerate() {
            places[at] = Some(place);
        }
        Ok(Self {
            narrow: Narrow::new(source, &matched.names, &options.offset)?,
            matched,
            places,
            beyond: None,
        })
    }

    /// A value of the file's column, and of a row counted from 0, as an f32.
    fn value(&mut self, row: usize, column: usize, value: f64) -> f32 {
        let Some(place) = self.places[column] else {
            return 0.0;
        };
        let narrow = self.narrow.value(place, value);
        if value.is_finite() && !narrow.is_finite() {
            self.beyond.get_or_insert((row, place, value));
        }
        narrow
    }

    /// Rows of the columns that are read.
    fn of_rows(&self, values: Vec<f32>, source: &str) -> Result<Vec<f32>> {
        if let Some((row, place, value)) = self.beyond {
            bail!(
                "{source}, row {}, column `{}`: {value:e} is beyond what 32-bit floats hold; divide the column before saving, or leave it out",
                row + 1,
                self.matched.names[place]
            );
        }
        self.narrow.check()?;
        let width = self.places.len();
        let kept = &self.matched.kept;
        if kept.iter().copied().eq(0..width) {
            return Ok(values);
        }
        let rows = values.chunks_exact(width);
        Ok(rows
            .flat_map(|row| kept.iter().map(|&at| row[at]))
            .collect())
    }
}

/// Where the bytes come from.
enum Input {
    /// A plain file, of which any place can be read, and its length.
    File(BufReader<File>, u64),
    /// Bytes that come once, in order.
    Stream(Box<dyn BufRead>),
}

impl Input {
    fn open(path: &Path, source: &str) -> Result<Self> {
        let file = File::open(path).map_err(|error| explain_open(source, &error))?;
        let about = file
            .metadata()
            .map_err(|error| explain_open(source, &error))?;
        ensure!(!about.is_dir(), "{source} is a folder; give a file in it");
        let mut reader = BufReader::new(file);
        Ok(if is_gzip_name(path) {
            content::check_packed(source, &mut reader)?;
            Self::Stream(Box::new(BufReader::new(MultiGzDecoder::new(reader))))
        } else if about.is_file() {
            Self::File(reader, about.len())
        } else {
            Self::Stream(Box::new(reader))
        })
    }

    fn reader(&mut self) -> &mut dyn BufRead {
        match self {
            Self::File(reader, _) => reader,
            Self::Stream(reader) => reader,
        }
    }
}

/// Reads a whole file.
pub(super) fn read(
    path: &Path,
    format: Format,
    options: &ReadOptions,
    say: &mut dyn FnMut(&str),
) -> Result<Table> {
    let source = path.display().to_string();
    let mut input = Input::open(path, &source)?;
    let length = match &mut input {
        Input::File(_, length) => Some(*length),
        // Unpacked once to count: nothing is kept of what announces another size than it has.
        Input::Stream(reader) if is_gzip_name(path) => {
            let length = io::copy(reader, &mut io::sink());
            input = Input::open(path, &source)?;
            Some(length.map_err(|error| explain_read(&source, &error))?)
        }
        Input::Stream(_) => None,
    };
    let table = read_from(&source, format, input.reader(), length, options)?;
    let columns = table.0.width();
    say(&summary(&source, Some(table.0.rows()), columns));
    for remark in &table.1 {
        say(&format!("{source}: {remark}"));
    }
    Ok(table.0)
}

/// What was read, on one line.
fn summary(source: &str, rows: Option<usize>, columns: usize) -> String {
    let column = if columns == 1 { "column" } else { "columns" };
    match rows {
        Some(1) => format!("read {source}: 1 row of {columns} {column}"),
        Some(rows) => format!("read {source}: {rows} rows of {columns} {column}"),
        None => format!("read {source}: in blocks of rows, {columns} {column}"),
    }
}

/// Reads a whole table from bytes in memory.
pub(super) fn read_bytes(source: &str, format: Format, mut bytes: &[u8]) -> Result<Table> {
    let length = Some(bytes.len() as u64);
    let (table, _) = read_from(source, format, &mut bytes, length, &ReadOptions::default())?;
    Ok(table)
}

fn read_from(
    source: &str,
    format: Format,
    reader: &mut dyn BufRead,
    length: Option<u64>,
    options: &ReadOptions,
) -> Result<(Table, Vec<String>)> {
    let layout = Layout::read(source, format, reader)?;
    layout.check(source, length.map(|length| length - layout.start))?;
    if let Err(too_wide) = layout.check_width(source) {
        // Unless it is the file that is too short.
        let found =
            io::copy(reader, &mut io::sink()).map_err(|error| explain_read(source, &error))?;
        let is_whole = layout.bytes() == Some(found);
        return Err(if is_whole {
            too_wide
        } else {
            layout.other_length(source, found)
        });
    }
    let mut selection = Selection::of(source, layout.width, options)?;
    let (rows, width) = (layout.rows, layout.width);
    let mut values = Vec::new();
    let count = rows * width;
    let mut convert = |at: usize, value: f64| {
        let (row, column) = if layout.by_columns {
            (at % rows, at / rows)
        } else {
            (at / width, at % width)
        };
        selection.value(row, column, value)
    };
    let found = append(reader, layout.element, count, &mut values, &mut convert)
        .map_err(|error| explain_read(source, &error))?;
    if found < count * layout.element.bytes() {
        return Err(layout.other_length(source, found as u64));
    }
    let behind = io::copy(reader, &mut io::sink()).map_err(|error| explain_read(source, &error))?;
    if behind > 0 {
        return Err(layout.other_length(source, found as u64 + behind));
    }
    if layout.by_columns {
        values = rows_of_columns(&values, layout.rows);
    }
    let values = selection.of_rows(values, source)?;
    let Matched { names, remarks, .. } = selection.matched;
    Ok((Table::new(source, names, values)?, remarks))
}

/// Values that lie column after column, row after row.
fn rows_of_columns(values: &[f32], rows: usize) -> Vec<f32> {
    (0..rows)
        .flat_map(|row| values[row..].iter().step_by(rows).copied())
        .collect()
}

/// Appends up to `count` numbers, each converted by its place among them, and returns how many bytes there were of
/// them. Memory grows with what comes, not with what was announced.
fn append(
    reader: &mut dyn Read,
    element: Element,
    count: usize,
    values: &mut Vec<f32>,
    convert: &mut dyn FnMut(usize, f64) -> f32,
) -> io::Result<usize> {
    let before = values.len();
    let wanted = count * element.bytes();
    let mut bytes = vec![0; wanted.min(BLOCK)];
    let mut numbers = Vec::with_capacity(bytes.len() / element.bytes());
    let mut found = 0;
    while found < wanted {
        let block = &mut bytes[..(wanted - found).min(BLOCK)];
        let read = fill(reader, block)?;
        found += read;
        numbers.clear();
        element.decode(&block[..read], &mut numbers);
        values
            .try_reserve(numbers.len())
            .map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
        for &number in &numbers {
            values.push(convert(values.len() - before, number));
        }
        if read < block.len() {
            break;
        }
    }
    Ok(found)
}

/// Reads until `bytes` are full or the end is reached, and returns how many there were.
pub(super) fn fill(reader: &mut dyn Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match reader.read(&mut bytes[at..]) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

fn explain_read(source: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::OutOfMemory => {
            anyhow!("{source} does not fit in memory; fit models that read it in blocks (--chunk)")
        }
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            anyhow!("{source} is no valid gzip file; unpack it yourself or fetch it again")
        }
        _ => anyhow!("{source} cannot be read: {error}"),
    }
}

/// `4 by 3 by 2`, cut where there are many.
pub(super) fn sizes_text(sizes: &[usize]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = sizes.iter().take(SHOWN).map(usize::to_string).collect();
    let more = if sizes.len() > SHOWN { " by ..." } else { "" };
    shown.join(" by ") + more
}

/// Rows of a binary file, in blocks.
pub(super) struct BinaryRows {
    input: Input,
    layout: Layout,
    selection: Selection,
    /// Rows read.
    at: usize,
}

impl BinaryRows {
    /// Opens a file whose sizes are right; a packed one is unpacked for that, and nothing of it kept.
    pub(super) fn open(
        path: &Path,
        source: &str,
        format: Format,
        options: &ReadOptions,
    ) -> Result<Self> {
        let mut input = Input::open(path, source)?;
        let layout = Layout::read(source, format, input.reader())?;
        let found = match &mut input {
            Input::File(_, length) => *length - layout.start,
            Input::Stream(reader) => {
                ensure!(
                    !layout.by_columns || layout.width == 1,
                    "{source} is stored column by column and packed, so that its rows cannot be read in blocks; unpack it"
                );
                io::copy(reader, &mut io::sink()).map_err(|error| explain_read(source, &error))?
            }
        };
        layout.check(source, Some(found))?;
        layout.check_width(source)?;
        let mut rows = Self {
            input,
            selection: Selection::of(source, layout.width, options)?,
            layout,
            at: 0,
        };
        rows.rewind(path, source, format)?;
        Ok(rows)
    }

    /// The names of the columns that are read.
    pub(super) fn columns(&self) -> &[String] {
        &self.selection.matched.names
    }

    /// Says what was understood.
    pub(super) fn tell(&self, source: &str, say: &mut dyn FnMut(&str)) {
        say(&summary(source, None, self.columns().len()));
        for remark in &self.selection.matched.remarks {
            say(&format!("{source}: {remark}"));
        }
    }

    /// Starts again at the first row.
    pub(super) fn rewind(&mut self, path: &Path, source: &str, format: Format) -> Result<()> {
        self.at = 0;
        if let Input::Stream(_) = self.input {
            self.input = Input::open(path, source)?;
            let layout = Layout::read(source, format, self.input.reader())?;
            ensure!(
                layout == self.layout,
                "{source} changed while it was read; fit again"
            );
        } else {
            self.seek(0)
                .with_context(|| format!("{source} cannot be read"))?;
        }
        Ok(())
    }

    fn seek(&mut self, value: usize) -> io::Result<()> {
        if let Input::File(reader, _) = &mut self.input {
            let bytes = (value * self.layout.element.bytes()) as u64;
            reader.seek(SeekFrom::Start(self.layout.start + bytes))?;
        }
        Ok(())
    }

    /// At most `limit` further rows; empty behind the last.
    pub(super) fn next_rows(&mut self, source: &str, limit: usize) -> Result<Vec<f32>> {
        let Layout {
            rows,
            width,
            by_columns,
            element,
            ..
        } = self.layout;
        let first = self.at;
        let take = limit.min(rows - first);
        let mut values = Vec::new();
        let mut found = 0;
        let explain = |error: io::Error| explain_read(source, &error);
        if by_columns && width > 1 {
            for column in 0..width {
                self.seek(column * rows + first).map_err(explain)?;
                let selection = &mut self.selection;
                let mut convert = |at: usize, value| selection.value(first + at, column, value);
                found += append(
                    self.input.reader(),
                    element,
                    take,
                    &mut values,
                    &mut convert,
                )
                .map_err(explain)?;
            }
        } else {
            let selection = &mut self.selection;
            let mut convert =
                |at: usize, value| selection.value(first + at / width, at % width, value);
            let reader = self.input.reader();
            found = append(reader, element, take * width, &mut values, &mut convert)
                .map_err(explain)?;
        }
        if found < take * width * element.bytes() {
            bail!("{source} changed while it was read; fit again");
        }
        self.at += take;
        if by_columns && width > 1 {
            values = rows_of_columns(&values, take);
        }
        self.selection.of_rows(values, source)
    }
}

#[cfg(test)]
mod tests;
