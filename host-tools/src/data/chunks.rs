//! Data larger than memory: tables that come block by block.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};

use super::{
    Decimal, HeldOut, ReadOptions, Standardiser, Table,
    binary::BinaryRows,
    open::{Format, text_reader},
    text::NumberRows,
};

/// Rows that come in blocks, as often as they are asked for.
///
/// Whoever trains from chunks holds one block at a time, and goes through all of them once or several
/// times ([`Chunks::rewind`]).
pub trait Chunks {
    /// Where the rows come from, for messages.
    fn source(&self) -> &str;

    /// The names of the columns.
    fn columns(&self) -> &[String];

    /// Starts again at the first row.
    ///
    /// # Errors
    ///
    /// The source cannot be read any more.
    fn rewind(&mut self) -> Result<()>;

    /// The next block of rows, none behind the last.
    ///
    /// # Errors
    ///
    /// As [`open`](super::open).
    fn next_chunk(&mut self) -> Result<Option<Table>>;
}

/// Goes once through all chunks, from the first; returns the number of rows.
///
/// # Errors
///
/// What reading or `each` reports; no rows at all.
pub fn for_each_chunk(
    chunks: &mut dyn Chunks,
    mut each: impl FnMut(&Table) -> Result<()>,
) -> Result<usize> {
    chunks.rewind()?;
    let mut rows = 0;
    while let Some(chunk) = chunks.next_chunk()? {
        rows += chunk.rows();
        each(&chunk)?;
    }
    ensure!(
        rows > 0,
        "{} has no rows; give a file with data in it",
        chunks.source()
    );
    Ok(rows)
}

/// The training rows of chunks: all but those that are held out.
#[derive(Debug)]
pub struct TrainingChunks<C> {
    chunks: C,
    held_out: HeldOut,
    /// Index of the first row of the next block.
    at: usize,
    /// Training rows before it.
    given: usize,
}

impl<C: Chunks> TrainingChunks<C> {
    /// Leaves the held-out rows of `chunks` out.
    pub const fn of(chunks: C, held_out: HeldOut) -> Self {
        Self {
            chunks,
            held_out,
            at: 0,
            given: 0,
        }
    }

    /// Training rows in the blocks read since the last rewind.
    pub const fn rows_given(&self) -> usize {
        self.given
    }

    /// The first `most` rows that are held out, as a table; the first of all where none is. Goes through the chunks
    /// as far as it needs to.
    ///
    /// # Errors
    ///
    /// Nothing is held out of so few rows; the chunks cannot be read.
    pub fn held_out(&mut self, most: usize) -> Result<Table> {
        self.rewind()?;
        let width = self.columns().len();
        let wanted = !matches!(self.held_out, HeldOut::None | HeldOut::File(_));
        let mut values = Vec::new();
        while values.len() < most * width {
            let Some(block) = self.next_where(wanted)? else {
                break;
            };
            values.extend(block.unwrap_or_default());
        }
        let rows = self.at;
        values.truncate(most * width);
        self.rewind()?;
        if values.is_empty() {
            self.held_out.check(rows, self.source())?;
        }
        Table::new(self.source(), self.columns().to_vec(), values)
    }

    /// Values of the held-out or of the other rows of the next block, `None` inside where it has none.
    fn next_where(&mut self, held_out: bool) -> Result<Option<Option<Vec<f32>>>> {
        let Some(block) = self.chunks.next_chunk()? else {
            return Ok(None);
        };
        let first = self.at;
        self.at += block.rows();
        let mut values = Vec::new();
        for (row, value) in block.iter_rows().enumerate() {
            let is_held_out = self.held_out.holds(first + row);
            self.given += usize::from(!is_held_out);
            if is_held_out == held_out {
                values.extend_from_slice(value);
            }
        }
        Ok(Some((!values.is_empty()).then_some(values)))
    }
}

impl<C: Chunks> Chunks for TrainingChunks<C> {
    fn source(&self) -> &str {
        self.chunks.source()
    }

    fn columns(&self) -> &[String] {
        self.chunks.columns()
    }

    fn rewind(&mut self) -> Result<()> {
        self.at = 0;
        self.given = 0;
        self.chunks.rewind()
    }

    fn next_chunk(&mut self) -> Result<Option<Table>> {
        while let Some(block) = self.next_where(false)? {
            if let Some(values) = block {
                let table = Table::new(self.source(), self.columns().to_vec(), values)?;
                return Ok(Some(table));
            }
        }
        Ok(None)
    }
}

/// A file read in blocks; see [`open_chunks`].
pub struct FileChunks {
    path: PathBuf,
    options: ReadOptions,
    block_rows: usize,
    source: String,
    columns: Vec<String>,
    rows: Rows,
    rows_read: usize,
}

enum Rows {
    Text(Box<NumberRows<Box<dyn BufRead>>>),
    Binary(Format, Box<BinaryRows>),
}

/// Opens a file of any format that [`open`](super::open) reads, to be read `block_rows` rows at a time.
///
/// One block is all that is held in memory. Packed files are unpacked on the way, afresh in every pass.
///
/// # Errors
///
/// As [`open`](super::open); `block_rows` is 0; a packed NPY file that is stored column by column (Fortran
/// order), whose rows do not lie together.
///
/// # Examples
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// use autodidact_tools::data::{Chunks, ReadOptions, open_chunks};
///
/// let path = std::env::temp_dir().join(format!("long-{}.csv", std::process::id()));
/// std::fs::write(&path, "1,2\n3,4\n5,6\n")?;
/// let mut chunks = open_chunks(&path, &ReadOptions::default(), 2)?;
/// assert_eq!(chunks.next_chunk()?.map(|chunk| chunk.rows()), Some(2));
/// assert_eq!(chunks.next_chunk()?.map(|chunk| chunk.rows()), Some(1));
/// assert!(chunks.next_chunk()?.is_none());
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
pub fn open_chunks(path: &Path, options: &ReadOptions, block_rows: usize) -> Result<FileChunks> {
    open_chunks_with(path, options, block_rows, &mut |_| {})
}

/// As [`open_chunks`], and says what was understood, as [`open_with`](super::open_with) does.
///
/// # Errors
///
/// As [`open_chunks`].
pub fn open_chunks_with(
    path: &Path,
    options: &ReadOptions,
    block_rows: usize,
    say: &mut dyn FnMut(&str),
) -> Result<FileChunks> {
    ensure!(
        block_rows > 0,
        "the number of rows in a block is 0; give at least 1"
    );
    let source = path.display().to_string();
    let rows = Rows::open(path, &source, options)?;
    let columns = match &rows {
        Rows::Text(rows) => {
            rows.tell(None, say);
            rows.columns().to_vec()
        }
        Rows::Binary(_, rows) => {
            rows.tell(&source, say);
            rows.columns().to_vec()
        }
    };
    Ok(FileChunks {
        path: path.to_owned(),
        options: options.clone(),
        block_rows,
        source,
        columns,
        rows,
        rows_read: 0,
    })
}

impl FileChunks {
    /// The decimal character of a file of text; a point for any other.
    #[must_use]
    pub fn decimal(&self) -> Decimal {
        match &self.rows {
            Rows::Text(rows) => rows.decimal(),
            Rows::Binary(..) => Decimal::Point,
        }
    }
}

impl Rows {
    fn open(path: &Path, source: &str, options: &ReadOptions) -> Result<Self> {
        let format = Format::of(path)?;
        Ok(if format == Format::Csv {
            let reader = text_reader(path, source)?;
            Self::Text(Box::new(NumberRows::open(source, reader, options)?))
        } else {
            Self::Binary(
                format,
                Box::new(BinaryRows::open(path, source, format, options)?),
            )
        })
    }
}

impl Chunks for FileChunks {
    fn source(&self) -> &str {
        &self.source
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn rewind(&mut self) -> Result<()> {
        if self.rows_read > 0 {
            match &mut self.rows {
                Rows::Text(_) => {
                    self.rows = Rows::open(&self.path, &self.source, &self.options)?;
                }
                Rows::Binary(format, rows) => rows.rewind(&self.path, &self.source, *format)?,
            }
            self.rows_read = 0;
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Table>> {
        let source = &self.source;
        let values = match &mut self.rows {
            Rows::Text(rows) => rows.next_rows(self.block_rows)?,
            Rows::Binary(_, rows) => rows.next_rows(source, self.block_rows)?,
        };
        if values.is_empty() {
            return Ok(None);
        }
        let chunk = Table::part(source.clone(), self.columns.clone(), values, self.rows_read)?;
        self.rows_read += chunk.rows();
        Ok(Some(chunk))
    }
}

/// A table in memory, handed out in blocks.
#[derive(Clone, Debug)]
pub struct TableChunks<'t> {
    table: &'t Table,
    block_rows: usize,
    rows_read: usize,
}

impl Table {
    /// The rows in blocks of `block_rows` (at least 1).
    #[must_use]
    pub fn chunks(&self, block_rows: usize) -> TableChunks<'_> {
        TableChunks {
            table: self,
            block_rows: block_rows.max(1),
            rows_read: 0,
        }
    }
}

impl Chunks for TableChunks<'_> {
    fn source(&self) -> &str {
        self.table.source()
    }

    fn columns(&self) -> &[String] {
        self.table.columns()
    }

    fn rewind(&mut self) -> Result<()> {
        self.rows_read = 0;
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Table>> {
        let width = self.table.width();
        let rest = &self.table.values()[self.rows_read * width..];
        let values = &rest[..rest.len().min(self.block_rows.saturating_mul(width))];
        if values.is_empty() {
            return Ok(None);
        }
        self.rows_read += values.len() / width;
        let columns = self.table.columns().to_vec();
        Table::new(self.table.source(), columns, values.to_vec()).map(Some)
    }
}

/// Chunks in data units, turned into features on the way.
pub struct ScaledChunks<'c> {
    chunks: &'c mut dyn Chunks,
    standardiser: &'c Standardiser,
}

impl Standardiser {
    /// The features of chunks in data units.
    ///
    /// # Errors
    ///
    /// Chunks of another width.
    pub fn transform_chunks<'c>(&'c self, chunks: &'c mut dyn Chunks) -> Result<ScaledChunks<'c>> {
        ensure!(
            chunks.columns().len() == self.width(),
            "{} has {} columns where the model was trained on {}; give the same columns in the same order",
            chunks.source(),
            chunks.columns().len(),
            self.width()
        );
        Ok(ScaledChunks {
            chunks,
            standardiser: self,
        })
    }
}

impl Chunks for ScaledChunks<'_> {
    fn source(&self) -> &str {
        self.chunks.source()
    }

    fn columns(&self) -> &[String] {
        self.chunks.columns()
    }

    fn rewind(&mut self) -> Result<()> {
        self.chunks.rewind()
    }

    fn next_chunk(&mut self) -> Result<Option<Table>> {
        let chunk = self.chunks.next_chunk()?;
        chunk
            .map(|chunk| self.standardiser.transform(&chunk))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};
    use ndarray::Array2;
    use ndarray_npy::WriteNpyExt;

    use super::*;
    use crate::data::{Scaling, open};

    struct Made(PathBuf);

    impl Made {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let folder =
                std::env::temp_dir().join(format!("autodidact-chunks-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Made {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn collect(chunks: &mut dyn Chunks) -> (Vec<usize>, Vec<f32>) {
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for_each_chunk(chunks, |chunk| {
            rows.push(chunk.rows());
            values.extend_from_slice(chunk.values());
            Ok(())
        })
        .unwrap();
        (rows, values)
    }

    /// 7 rows of 3 columns in every format.
    fn files() -> Vec<Made> {
        let array = Array2::from_shape_fn((7, 3), |(row, column)| (row * 10 + column) as f64 - 5.0);
        let mut npy = Vec::new();
        array.write_npy(&mut npy).unwrap();
        let mut npy_i16 = Vec::new();
        array.mapv(|x| x as i16).write_npy(&mut npy_i16).unwrap();
        let mut idx = vec![0, 0, 0x0b, 2, 0, 0, 0, 7, 0, 0, 0, 3];
        idx.extend(array.iter().flat_map(|&x| (x as i16).to_be_bytes()));
        let mut csv = "# made\na,b,c\n".to_owned();
        for row in array.rows() {
            csv.push_str(&format!("{},{},{}\n", row[0], row[1], row[2]));
        }
        vec![
            Made::new("a.npy", &npy),
            Made::new("b.npy", &npy_i16),
            Made::new("c.idx", &idx),
            Made::new("d.csv", csv.as_bytes()),
            Made::new("e.csv.gz", &gzip(csv.as_bytes())),
            Made::new("f.npy.gz", &gzip(&npy)),
        ]
    }

    #[test]
    fn training_chunks_and_held_out_rows_are_those_of_the_whole_table() {
        let values: Vec<f32> = (0..46).map(|at| at as f32).collect();
        let table = Table::new("made.csv", Table::numbered_columns(2), values).unwrap();
        let split = table.split_held_out().unwrap();
        for block in [1, 3, 4, 100] {
            let mut chunks = TrainingChunks::of(table.chunks(block), HeldOut::EVERY_FOURTH);
            let mut seen = Vec::new();
            let rows = for_each_chunk(&mut chunks, |chunk| {
                seen.extend_from_slice(chunk.values());
                Ok(())
            });
            assert_eq!(rows.unwrap(), split.training.rows());
            assert_eq!(seen, split.training.values());
            assert_eq!(chunks.rows_given(), split.training.rows());
            assert_eq!(
                chunks.held_out(100).unwrap().values(),
                split.held_out.values()
            );
            assert_eq!(chunks.held_out(2).unwrap().rows(), 2);
        }
    }

    #[test]
    fn blocks_together_are_the_whole_file_in_every_pass() {
        for options in [Vec::new(), vec!["2".to_owned()]] {
            let options = ReadOptions {
                leave_out: options,
                ..ReadOptions::default()
            };
            for made in files() {
                let whole = open(&made.0, &options).unwrap();
                for block in [1, 3, 7, 100] {
                    let mut chunks = open_chunks(&made.0, &options, block).unwrap();
                    assert_eq!(chunks.columns(), whole.columns());
                    for _ in 0..2 {
                        let (rows, values) = collect(&mut chunks);
                        assert_eq!(values, whole.values(), "{}", whole.source());
                        assert!(rows[..rows.len() - 1].iter().all(|&rows| rows == block));
                        assert_eq!(collect(&mut whole.chunks(block)), (rows, values));
                    }
                }
            }
        }
    }

    #[test]
    fn scaling_from_chunks_is_the_scaling_of_the_table() {
        let values = (0..500)
            .map(|n| 1e6 + ((n * 7919) % 1013) as f32 * if n % 2 == 0 { 1.0 } else { 0.01 })
            .collect();
        let table = Table::new("made", Table::numbered_columns(2), values).unwrap();
        for scaling in [
            Scaling::Uniform,
            Scaling::Standard {
                ignore_constant: false,
            },
        ] {
            let whole = scaling.fit(&table).unwrap();
            let parts = scaling.fit_chunks(&mut table.chunks(33)).unwrap();
            for (a, b) in whole.mean.iter().zip(&parts.mean) {
                assert!((a / b - 1.0).abs() < 1e-14);
            }
            for (a, b) in whole.std.iter().zip(&parts.std) {
                assert!((a / b - 1.0).abs() < 1e-12);
            }
            assert_eq!(whole.lsb, parts.lsb);
            assert_eq!(
                (whole.minimum, whole.maximum),
                (parts.minimum, parts.maximum)
            );
            let mut chunks = table.chunks(33);
            let mut scaled = whole.transform_chunks(&mut chunks).unwrap();
            assert_eq!(
                collect(&mut scaled).1,
                whole.transform(&table).unwrap().values()
            );
        }
    }

    #[test]
    fn damage_is_named_by_its_row_in_the_file() {
        let message = |name: &str, bytes: &[u8]| {
            let made = Made::new(name, bytes);
            let mut chunks = match open_chunks(&made.0, &ReadOptions::default(), 2) {
                Ok(chunks) => chunks,
                Err(error) => return error.to_string().rsplit('/').next().unwrap().to_owned(),
            };
            let error = for_each_chunk(&mut chunks, |_| Ok(())).unwrap_err();
            error.to_string().rsplit('/').next().unwrap().to_owned()
        };
        let mut values = Array2::<f32>::zeros((5, 2));
        values[(4, 1)] = f32::NAN;
        let mut bytes = Vec::new();
        values.write_npy(&mut bytes).unwrap();
        assert_eq!(
            message("g.npy", &bytes),
            "g.npy, row 5, column `column 2`: NaN is not a finite number; fill in the value or remove the row"
        );
        assert_eq!(
            message("h.npy", &bytes[..bytes.len() - 1]),
            "h.npy announces 5 by 2 values of 32 bits, but 39 bytes follow; save or fetch it again"
        );
        assert_eq!(
            message("i.csv", b"1,2\n3,4\n5,6\n7\n"),
            "i.csv, line 4: 1 field where the first line has 2; repair or remove the line"
        );
        assert_eq!(
            message("j.csv", b"a,b\n"),
            "j.csv has no rows; give a file with data in it"
        );
        assert_eq!(
            message("l.npy", b"not an array"),
            "l.npy holds text, whatever its name says; name it .csv"
        );
    }
}
