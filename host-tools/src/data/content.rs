//! What a file is by its first bytes, for files whose names say something else.

use std::{io::BufRead, path::Path};

use anyhow::{Result, anyhow, bail};

use super::open::Format;

/// Bytes that text is told by.
const LOOKED_AT: usize = 512;

/// Checks that a file starts as its name promises; `start` is its first bytes, unpacked.
///
/// # Errors
///
/// It is something else that is known: what, and what to do.
pub(super) fn check(source: &str, format: Format, start: &[u8]) -> Result<()> {
    let Some((found, what, remedy)) = known(start) else {
        return Ok(());
    };
    if found == Some(format) {
        return Ok(());
    }
    if found.is_some() && Format::of(Path::new(source)).ok() == found {
        bail!(
            "{source} holds {what}, and a table of mixed columns is read from text; save it as CSV, numpy.savetxt(\"data.csv\", a, delimiter=\",\")"
        );
    }
    bail!("{source} holds {what}, whatever its name says; {remedy}")
}

/// Checks that a file whose name says so is packed.
///
/// # Errors
///
/// It starts otherwise; it cannot be read.
pub(super) fn check_packed(source: &str, reader: &mut dyn BufRead) -> Result<()> {
    let start = reader
        .fill_buf()
        .map_err(|error| anyhow!("{source} cannot be read: {error}"))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(());
    }
    let what = known(start).map_or("something else", |(_, what, _)| what);
    bail!("{source} is not packed by gzip but holds {what}; take .gz off its name")
}

/// Format if it is one that is read, what it is, what to do.
fn known(start: &[u8]) -> Option<(Option<Format>, &'static str, &'static str)> {
    Some(match *start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            (Some(Format::Npy), "a NumPy array", "name it .npy")
        }
        [0, 0, 0x08..=0x0e, 1..=255, ..] => (Some(Format::Idx), "IDX", "name it .idx"),
        [0x1f, 0x8b, ..] => (None, "what gzip packed", "put .gz behind its name"),
        [b'P', b'K', 3, 4, ..] => (
            None,
            "a zip archive (.npz and .xlsx are such)",
            "save one array with numpy.save, or the sheet as CSV",
        ),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => (None, "a workbook", "save the sheet as CSV"),
        [0x89, b'H', b'D', b'F', ..] => (None, "HDF5", "save its array with numpy.save"),
        [b'P', b'A', b'R', b'1', ..] => (None, "Parquet", "save its table as CSV"),
        [0x80, 2..=5, ..] => (None, "a Python pickle", "save its array with numpy.save"),
        _ if is_text(start) => (Some(Format::Csv), "text", "name it .csv"),
        _ => return None,
    })
}

/// Printable characters of ASCII or its extensions; encodings of two bytes a character start with a mark.
fn is_text(start: &[u8]) -> bool {
    let start = &start[..start.len().min(LOOKED_AT)];
    let printable = |byte: &u8| *byte >= b' ' && *byte != 0x7f || b"\t\n\r".contains(byte);
    !start.is_empty()
        && (start.starts_with(b"\xff\xfe")
            || start.starts_with(b"\xfe\xff")
            || start.iter().all(printable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_told_by_the_content() {
        let message = |format, start: &[u8]| match check("x", format, start) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let (npy, idx, text) = (
            b"\x93NUMPY\x01\x00",
            [0, 0, 8, 2, 0, 0],
            b"celsius,percent\n21.5,40",
        );
        assert_eq!(message(Format::Npy, npy), "");
        assert_eq!(message(Format::Idx, &idx), "");
        assert_eq!(message(Format::Csv, text), "");
        assert_eq!(message(Format::Csv, "grün,f\u{e9}\n".as_bytes()), "");
        assert_eq!(message(Format::Csv, b""), "");
        assert_eq!(
            message(Format::Csv, npy),
            "x holds a NumPy array, whatever its name says; name it .npy"
        );
        assert_eq!(
            message(Format::Npy, text),
            "x holds text, whatever its name says; name it .csv"
        );
        assert_eq!(
            message(Format::Npy, &idx),
            "x holds IDX, whatever its name says; name it .idx"
        );
        assert_eq!(
            message(Format::Csv, b"PK\x03\x04\x14"),
            "x holds a zip archive (.npz and .xlsx are such), whatever its name says; save one array with numpy.save, or the sheet as CSV"
        );
        assert_eq!(
            message(Format::Idx, &[0x1f, 0x8b, 8]),
            "x holds what gzip packed, whatever its name says; put .gz behind its name"
        );
    }
}
