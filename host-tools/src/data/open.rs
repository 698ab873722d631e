//! From a path to a table: format by file name, gzip unpacked on the way.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use anyhow::{Error, Result, anyhow, bail, ensure};
use flate2::{bufread, read::MultiGzDecoder};

use super::{ReadOptions, Table, binary, content, npz, text::NumberRows};

/// Reads a table from a file. The name decides the format:
///
/// | name ends in | format |
/// |---|---|
/// | `.csv`, `.tsv`, `.txt`, `.data` | text in UTF-8, one row a line, see below |
/// | `.npy` | one- or two-dimensional array of numbers (`f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1`); either byte order, either memory order |
/// | `.idx`, `-ubyte` (as in MNIST) | IDX of any type; everything after the first dimension becomes columns |
///
/// Each may be gzipped, with `.gz` behind the name.
///
/// # Text
///
/// What the options leave open follows from the first 256 KiB:
///
/// - Fields are separated by what gives all lines equally many: tabs, `;`, `|`, commas or runs of blanks. They may
///   stand in quotes. Blank lines are passed over, lines that begin with `#`, `%` or `//` only before the table, and an
///   empty field behind a delimiter at the end of all lines is none.
/// - Numbers have a decimal point or, where one of them shows it, a decimal comma; thousands may be separated, a unit
///   that all numbers of a column have is left off, `0x` stands before hexadecimal digits, and where a column has
///   nothing but true and false or yes and no these are 1 and 0.
/// - The first line holds names if a cell of it is text above numbers. So it does if its numbers are
///   0, 1, 2, … or 1, 2, 3, … as a frame without names has (two of them only above fractions, more only where no
///   line is the same and the next does not go on counting) or rise from column to column, each farther from its
///   column than the values there from one another; and if there are no numbers at all and none of its words occurs
///   again in its column. A line of missing values holds no names.
/// - A first column without a name that counts 0, 1, 2, … or 1, 2, 3, … is left out. So is one of names or rising
///   numbers of the rows where the first line has one name fewer than the others have fields, as R writes tables.
/// - [`MISSING_WORDS`](super::MISSING_WORDS) stand for missing values, which a table of numbers does not take.
///
/// # Errors
///
/// One sentence that names the file, and the line or row and column where there is one: the file cannot
/// be read, has another format, is empty, is ragged, or holds what is not a finite number.
///
/// # Examples
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// use autodidact_tools::data::{ReadOptions, open};
///
/// let path = std::env::temp_dir().join(format!("readings-{}.csv", std::process::id()));
/// std::fs::write(&path, "celsius,percent\n21.5,40\n22.0,38\n")?;
/// let table = open(&path, &ReadOptions::default())?;
/// assert_eq!((table.rows(), table.width()), (2, 2));
/// assert_eq!(table.columns(), ["celsius", "percent"]);
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
pub fn open(path: &Path, options: &ReadOptions) -> Result<Table> {
    open_with(path, options, &mut |_| {})
}

/// As [`open`], and says what was understood: a line on rows, columns and names, and one for each remark.
///
/// # Errors
///
/// As [`open`].
pub fn open_with(path: &Path, options: &ReadOptions, say: &mut dyn FnMut(&str)) -> Result<Table> {
    let format = Format::of(path)?;
    if format != Format::Csv {
        return binary::read(path, format, options, say);
    }
    let source = path.display().to_string();
    let mut rows = NumberRows::open(&source, text_reader(path, &source)?, options)?;
    let values = rows.next_rows(usize::MAX)?;
    let table = Table::new(source, rows.columns().to_vec(), values)?.with_decimal(rows.decimal());
    rows.tell(Some(table.rows()), say);
    Ok(table)
}

/// The content of a text file, unpacked on the way.
pub(super) fn text_reader(path: &Path, source: &str) -> Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path).map_err(|error| explain_open(source, &error))?);
    Ok(if is_gzip_name(path) {
        content::check_packed(source, &mut file)?;
        Box::new(BufReader::new(bufread::MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// What is wrong with a file that does not open, and what to do.
pub(super) fn explain_open(source: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => anyhow!("{source} does not exist; check the path"),
        _ => anyhow!("{source} cannot be read: {error}"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Npy,
    Idx,
}

impl Format {
    pub(super) fn of(path: &Path) -> Result<Self> {
        ensure!(
            !path.is_dir(),
            "{} is a folder; give a file in it",
            path.display()
        );
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let ends_in = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends_in(&[".csv", ".tsv", ".txt", ".data"]) {
            Ok(Self::Csv)
        } else if ends_in(&[".npy"]) {
            Ok(Self::Npy)
        } else if ends_in(&[".idx", "-ubyte", ".ubyte"]) {
            Ok(Self::Idx)
        } else if ends_in(&[".npz"]) {
            Err(npz::no_table(path))
        } else if path.exists() && !path.is_file() {
            bail!(
                "{} is no file, and its name does not tell a format; save what it gives under a name that ends in .csv, .npy or .idx",
                path.display()
            )
        } else {
            bail!(
                "{} is of no known format; name it .csv, .npy or .idx after what it holds (each also with .gz)",
                path.display()
            )
        }
    }
}

pub(super) fn is_gzip_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// The content of a gzip file.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn message(name: &str, bytes: Option<&[u8]>) -> String {
        let folder = std::env::temp_dir().join(format!("autodidact-open-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let result = open(&path, &ReadOptions::default());
        let _ = fs::remove_file(&path);
        match result {
            Ok(table) => format!("{:?}", table.values()),
            Err(error) => error
                .to_string()
                .replace(&format!("{}/", folder.display()), ""),
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        assert_eq!(
            message("none.csv", None),
            "none.csv does not exist; check the path"
        );
    }

    #[test]
    fn an_unknown_extension_lists_the_known_ones() {
        assert_eq!(
            message("data.xlsx", Some(b"1,2")),
            "data.xlsx is of no known format; name it .csv, .npy or .idx after what it holds (each also with .gz)"
        );
    }

    #[test]
    fn gzip_is_unpacked_and_its_damage_reported() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"1,2\n3,4\n").unwrap();
        let mut packed = encoder.finish().unwrap();
        assert_eq!(message("a.csv.gz", Some(&packed)), "[1.0, 2.0, 3.0, 4.0]");
        packed.truncate(packed.len() - 6);
        assert_eq!(
            message("b.csv.gz", Some(&packed)),
            "b.csv.gz is no valid gzip file; unpack it yourself or fetch it again"
        );
    }

    #[test]
    fn mnist_names_are_idx() {
        let bytes = [0, 0, 8, 1, 0, 0, 0, 2, 7, 9];
        assert_eq!(message("labels-idx1-ubyte", Some(&bytes)), "[7.0, 9.0]");
    }
}
