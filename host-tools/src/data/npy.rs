//! NumPy's array file (NumPy enhancement proposal 1, versions 1 to 3).

use std::io::Read;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{
    binary::{Layout, fill, sizes_text},
    element::{Element, Kind},
    literal::{Token, entries, whole_numbers},
};

/// Numbers of any shape, in logical order: the last dimension varies fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// As many values as the sizes multiply to.
    pub values: Vec<f64>,
}

/// Reads an array of numbers of any shape, type and order.
pub(super) fn array(source: &str, bytes: &[u8]) -> Result<Array> {
    let mut rest = bytes;
    let header = header(source, &mut rest)?;
    let element = header.element(source)?;
    let announced = header
        .count()
        .and_then(|count| count.checked_mul(element.bytes()));
    ensure!(
        announced == Some(rest.len()),
        "{source} announces {} values of {} bytes but holds {} bytes of them; save it again",
        sizes_text(&header.shape),
        element.bytes(),
        rest.len()
    );
    let mut values = Vec::new();
    element.decode(rest, &mut values);
    if header.fortran_order {
        values = last_fastest(&values, &header.shape);
    }
    Ok(Array {
        shape: header.shape,
        values,
    })
}

/// Values whose first dimension varies fastest, turned into those whose last one does.
fn last_fastest(values: &[f64], shape: &[usize]) -> Vec<f64> {
    let mut index = vec![0; shape.len()];
    let mut turned = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at = shape
            .iter()
            .zip(&index)
            .rev()
            .fold(0, |at, (size, index)| at * size + index);
        turned.push(values[at]);
        for (index, size) in index.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    turned
}

/// What an NPY file says of its array.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// NumPy's name of the element type, such as `<f8` or `<U4`; `None` where it is a list of fields.
    pub(super) descriptor: Option<String>,
    /// The first dimension varies fastest.
    pub(super) fortran_order: bool,
    /// Sizes of the dimensions.
    pub(super) shape: Vec<usize>,
    /// Where the first element lies in the file.
    pub(super) start: u64,
}

/// Reads the header and leaves the reader at the first element.
pub(super) fn header(source: &str, reader: &mut dyn Read) -> Result<Header> {
    const LONGEST_HEADER: usize = 1 << 20;
    let no_npy = || format!("{source} is no valid NPY file; save it with numpy.save");
    let mut start = [0; 8];
    reader
        .read_exact(&mut start)
        .map_err(|_| anyhow!(no_npy()))?;
    let [magic @ .., major, _minor] = start;
    ensure!(&magic == b"\x93NUMPY", no_npy());
    ensure!(
        (1..=3).contains(&major),
        "{source} is of version {major} of NPY, and this tool reads 1 to 3; save it with numpy.save"
    );
    let (length, prefix) = if major == 1 {
        let mut length = [0; 2];
        reader
            .read_exact(&mut length)
            .map_err(|_| anyhow!(no_npy()))?;
        (u16::from_le_bytes(length) as usize, 10)
    } else {
        let mut length = [0; 4];
        reader
            .read_exact(&mut length)
            .map_err(|_| anyhow!(no_npy()))?;
        (u32::from_le_bytes(length) as usize, 12)
    };
    let too_long = || {
        format!(
            "{source} ends within its header, or announces one of {length} bytes; save it with numpy.save"
        )
    };
    ensure!(length <= LONGEST_HEADER, too_long());
    let mut text = vec![0; length];
    let found = fill(reader, &mut text).map_err(|_| anyhow!(no_npy()))?;
    ensure!(found == length, too_long());
    // Latin 1 in versions 1 and 2; only names of fields, which are not read, hold more than ASCII.
    let text = String::from_utf8_lossy(&text);
    let entries = entries(&text).with_context(no_npy)?;
    let entry = |key: &str| {
        let found = entries.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| &value[..])
    };
    let descriptor = match entry("descr").with_context(no_npy)? {
        [Token::Text(descriptor)] => Some(descriptor.clone()),
        _ => None,
    };
    let fortran_order = match entry("fortran_order") {
        Some([Token::Word(word)]) if word == "True" => true,
        Some([Token::Word(word)]) if word == "False" => false,
        _ => bail!(no_npy()),
    };
    let sizes = entry("shape")
        .and_then(whole_numbers)
        .with_context(no_npy)?;
    Ok(Header {
        descriptor,
        fortran_order,
        shape: sizes
            .into_iter()
            .map(|size| shape_size(source, size))
            .collect::<Result<_>>()?,
        start: prefix + length as u64,
    })
}

fn shape_size(source: &str, size: Result<i128, String>) -> Result<usize> {
    const SHOWN: usize = 40;
    let written = match size {
        Ok(size) => match usize::try_from(size) {
            Ok(size) => return Ok(size),
            Err(_) => size.to_string(),
        },
        Err(written) => written.chars().take(SHOWN).collect(),
    };
    bail!("{source} announces a dimension of {written}, which is no size; save it with numpy.save")
}

impl Header {
    /// How many elements there are, where that is a number at all.
    pub(super) fn count(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1_usize, |product, &size| product.checked_mul(size))
    }

    /// How the rows lie in the file, for an array of rows and columns; one dimension is one column.
    pub(super) fn layout(&self, source: &str) -> Result<Layout> {
        let element = self.element(source)?;
        let (rows, width) = match *self.shape {
            [] => bail!("{source} is a single number; give an array of rows and columns"),
            [rows] => (rows, 1),
            [rows, width] => (rows, width),
            _ => bail!(
                "{source} has {} dimensions ({}); save it as rows and columns, a.reshape(len(a), -1)",
                self.shape.len(),
                sizes_text(&self.shape)
            ),
        };
        Ok(Layout {
            element,
            rows,
            width,
            by_columns: self.fortran_order,
            start: self.start,
        })
    }

    /// The type of the elements.
    ///
    /// # Errors
    ///
    /// What is no number, in words, with how to make numbers of it.
    fn element(&self, source: &str) -> Result<Element> {
        let Some(descriptor) = &self.descriptor else {
            bail!(
                "{source} holds records (rows of named fields); save numpy.lib.recfunctions.structured_to_unstructured(a).astype(numpy.float32)"
            );
        };
        let (order, name) = match descriptor.strip_prefix(['<', '>', '|', '=']) {
            Some(name) => (&descriptor[..1], name),
            None => ("<", &descriptor[..]),
        };
        let kind = match name {
            "b1" => Kind::Bool,
            "u1" => Kind::U8,
            "u2" => Kind::U16,
            "u4" => Kind::U32,
            "u8" => Kind::U64,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            _ => return Err(no_number(source, name)),
        };
        Ok(Element {
            kind,
            little_endian: order != ">",
        })
    }
}

/// What elements are that are no numbers of a known size, and how to make numbers of them.
fn no_number(source: &str, name: &str) -> anyhow::Error {
    const SHOWN: usize = 20;
    let (what, remedy) = match name.chars().next() {
        Some('O') => ("Python objects (pickled)", "save a.astype(numpy.float32)"),
        Some('c') => (
            "complex numbers",
            "save numpy.abs(a), or numpy.hstack([a.real, a.imag])",
        ),
        Some('f') => (
            "floating point of more than 64 bits",
            "save a.astype(numpy.float64)",
        ),
        Some('S' | 'U' | 'a') => (
            "text",
            "save a.astype(numpy.float32) if it is text of numbers",
        ),
        Some('M') => ("dates", "save a.astype(numpy.int64) less the first date"),
        Some('m') => ("spans of time", "save a.astype(numpy.int64)"),
        Some('V') => (
            "raw bytes",
            "save it as numbers, such as a.view(numpy.uint8)",
        ),
        _ => {
            let name: String = name.chars().take(SHOWN).collect();
            return anyhow!(
                "{source} holds values of the type `{name}`, which NumPy does not have; save a.astype(numpy.float32)"
            );
        }
    };
    anyhow!("{source} holds {what}; {remedy}")
}
