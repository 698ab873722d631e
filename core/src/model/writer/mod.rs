//! From parameters to a container's bytes, into memory of the caller.

mod part;
mod tensor;

pub use part::{LayerSpec, NetworkSpec, PartBody, RbmSpec};
use tensor::{Fill, TensorSpec, Visit};
use zerocopy::IntoBytes;

use super::layout::{
    Header, MAGIC, NAME_BYTES, PartEntry, TENSOR_ALIGN, TensorEntry, VERSION, checksum,
};
use super::{Kind, LoadError, Model, TensorElement};
use crate::scaler::ScalerFeature;

/// What a container is to hold.
#[derive(Debug, Clone, Copy)]
pub struct ModelSpec<'a> {
    /// The lines of the scaler.
    pub scaler: &'a [ScalerFeature],
    /// Smallest and largest count that the scaler gives back.
    pub counts_range: (i16, i16),
    /// The models, in directory order.
    pub parts: &'a [PartSpec<'a>],
    /// Provenance, lines of `key: value`.
    pub text: &'a str,
}

/// A named model to write.
#[derive(Debug, Clone, Copy)]
pub struct PartSpec<'a> {
    /// 1 to 16 printable ASCII characters.
    pub name: &'a str,
    /// The earlier PCA whose whitened scores it reads; `None` for the features themselves.
    pub input: Option<&'a str>,
    /// Its parameters.
    pub body: PartBody<'a>,
}

/// Why a container was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WriteError {
    /// The output slice is not as long as [`ModelSpec::encoded_len`].
    Length {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// Lengths of a part do not fit, there are too many parts, or the file passes 4 GiB.
    Shape,
    /// A name is longer than 16 bytes.
    Name,
    /// A part reads the scores of one that is not there or is no PCA.
    Input,
    /// What would be written does not load: a proof fails or a value is out of range.
    Invalid(LoadError),
}

impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { needed, given } => write!(f, "{needed} bytes needed, {given} given"),
            Self::Shape => write!(
                f,
                "dimensions of a part do not fit each other or the format"
            ),
            Self::Name => write!(f, "a part's name is longer than {NAME_BYTES} bytes"),
            Self::Input => write!(
                f,
                "a part reads the scores of one that is no PCA of this model"
            ),
            Self::Invalid(error) => write!(f, "the model is not valid: {error}"),
        }
    }
}

impl core::error::Error for WriteError {}

impl<'a> ModelSpec<'a> {
    /// Calls `visit` for every tensor of the container, in file order.
    fn tensors(&self, visit: Visit<'_, 'a>) -> Result<(), WriteError> {
        let width = self.scaler.len();
        let fill = Fill::Bytes(self.scaler.as_bytes());
        visit(TensorSpec::new(
            TensorElement::ScalerFeature,
            0,
            [width, 1],
            fill,
        ))?;
        for part in self.parts {
            part.body.tensors(self.width_of(part)?, visit)?;
        }
        Ok(())
    }

    /// Index in the directory of what a part reads.
    fn source(&self, part: &PartSpec<'a>) -> Result<usize, WriteError> {
        let Some(input) = part.input else {
            return Ok(0);
        };
        let found = self.parts.iter().position(|other| other.name == input);
        // The scaler is number 0.
        found
            .map(|at| at.saturating_add(1))
            .ok_or(WriteError::Input)
    }

    /// Values that a part is given.
    fn width_of(&self, part: &PartSpec<'a>) -> Result<usize, WriteError> {
        let width = self.scaler.len();
        let Some(at) = self.source(part)?.checked_sub(1) else {
            return Ok(width);
        };
        match self.parts.get(at).map(|source| source.body) {
            Some(PartBody::Pca {
                mean, components, ..
            }) => Ok(components.len().checked_div(mean.len()).unwrap_or(0)),
            _ => Err(WriteError::Input),
        }
    }

    fn count(&self, part: &PartSpec<'a>) -> Result<usize, WriteError> {
        let mut count = 0usize;
        part.body.tensors(self.width_of(part)?, &mut |_| {
            count = count.saturating_add(1);
            Ok(())
        })?;
        Ok(count)
    }

    /// Start of the first tensor, start of the text, end of the file.
    fn layout(&self) -> Result<[usize; 3], WriteError> {
        let mut tensors = 0usize;
        self.tensors(&mut |_| {
            tensors = tensors.saturating_add(1);
            Ok(())
        })?;
        let entries = self
            .parts
            .len()
            .saturating_add(1)
            .saturating_mul(size_of::<PartEntry>());
        let directory = tensors
            .saturating_mul(size_of::<TensorEntry>())
            .saturating_add(entries)
            .saturating_add(size_of::<Header>());
        let mut end = directory;
        self.tensors(&mut |tensor| {
            let bytes = tensor.bytes().ok_or(WriteError::Shape)?;
            end = end
                .checked_next_multiple_of(TENSOR_ALIGN)
                .and_then(|start| start.checked_add(bytes))
                .ok_or(WriteError::Shape)?;
            Ok(())
        })?;
        let total = end.checked_add(self.text.len()).ok_or(WriteError::Shape)?;
        if u32::try_from(total).is_err() || tensors > usize::from(u16::MAX) {
            return Err(WriteError::Shape);
        }
        Ok([directory, end, total])
    }

    /// Bytes of the container.
    ///
    /// # Errors
    /// [`WriteError::Shape`] when lengths do not fit each other or the format.
    pub fn encoded_len(&self) -> Result<usize, WriteError> {
        let [_, _, total] = self.layout()?;
        Ok(total)
    }

    /// Writes the container into `out` (exactly [`encoded_len`](Self::encoded_len) bytes, eight-byte
    /// aligned) and loads it once, so that nothing is written that does not load.
    ///
    /// # Errors
    /// [`WriteError`]; `out` holds no valid container then.
    pub fn encode_into<'o>(&self, out: &'o mut [u8]) -> Result<Model<'o>, WriteError> {
        let [directory, text_offset, total] = self.layout()?;
        if out.len() != total {
            return Err(WriteError::Length {
                needed: total,
                given: out.len(),
            });
        }
        out.fill(0);
        self.write_parts(out)?;
        self.write_tensors(out, directory)?;
        put(out, text_offset, self.text.as_bytes())?;
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        let half = |n: usize| u16::try_from(n).map_err(|_| WriteError::Shape);
        let parts = self.parts.len().saturating_add(1);
        let entries = parts.saturating_mul(size_of::<PartEntry>());
        let tensors = directory.saturating_sub(entries.saturating_add(size_of::<Header>()))
            / size_of::<TensorEntry>();
        let mut header = Header {
            magic: MAGIC,
            version: VERSION,
            parts: half(parts)?,
            length: word(total)?,
            crc: 0,
            tensors: half(tensors)?,
            reserved: 0,
            text_offset: word(text_offset)?,
            text_length: word(self.text.len())?,
            reserved_2: 0,
        };
        put(out, 0, header.as_bytes())?;
        header.crc = checksum(out);
        put(out, 0, header.as_bytes())?;
        Model::load(out).map_err(WriteError::Invalid)
    }

    fn write_parts(&self, out: &mut [u8]) -> Result<(), WriteError> {
        let half = |n: usize| u16::try_from(n).map_err(|_| WriteError::Shape);
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        let width = self.scaler.len();
        let (min, max) = self.counts_range;
        let mut entry = PartEntry {
            name: name_bytes("scaler")?,
            kind: Kind::Scaler as u16,
            task: 0,
            first_tensor: 0,
            tensors: 1,
            params: [
                word(width)?,
                i32::from(min).cast_unsigned(),
                i32::from(max).cast_unsigned(),
                0,
            ],
            workspace_bytes: 0,
            source: 0,
        };
        let mut offset = size_of::<Header>();
        put(out, offset, entry.as_bytes())?;
        for part in self.parts {
            offset = offset.saturating_add(size_of::<PartEntry>());
            entry = PartEntry {
                name: name_bytes(part.name)?,
                kind: part.body.kind() as u16,
                task: match &part.body {
                    PartBody::Network(net) => net.task as u16,
                    PartBody::Graph(_, task) | PartBody::Stack(_, task) => *task as u16,
                    _ => 0,
                },
                first_tensor: entry.first_tensor.saturating_add(entry.tensors),
                tensors: half(self.count(part)?)?,
                params: part.body.params(self.width_of(part)?)?,
                workspace_bytes: word(part.body.workspace_bytes())?,
                source: word(self.source(part)?)?,
            };
            put(out, offset, entry.as_bytes())?;
        }
        Ok(())
    }

    fn write_tensors(&self, out: &mut [u8], directory: usize) -> Result<(), WriteError> {
        let mut entry_offset = self
            .parts
            .len()
            .saturating_add(1)
            .saturating_mul(size_of::<PartEntry>())
            .saturating_add(size_of::<Header>());
        let mut end = directory;
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        self.tensors(&mut |tensor| {
            let length = tensor.bytes().ok_or(WriteError::Shape)?;
            let start = end
                .checked_next_multiple_of(TENSOR_ALIGN)
                .ok_or(WriteError::Shape)?;
            end = start.saturating_add(length);
            tensor.write(out.get_mut(start..end).ok_or(WriteError::Shape)?)?;
            let entry = TensorEntry {
                element: tensor.element as u8,
                order: tensor.order as u8,
                frac_bits: tensor.frac_bits,
                reserved: 0,
                rows: word(tensor.rows)?,
                cols: word(tensor.cols)?,
                offset: word(start)?,
                length: word(length)?,
            };
            put(out, entry_offset, entry.as_bytes())?;
            entry_offset = entry_offset.saturating_add(size_of::<TensorEntry>());
            Ok(())
        })
    }
}

/// Copies `bytes` to `offset`.
fn put(out: &mut [u8], offset: usize, bytes: &[u8]) -> Result<(), WriteError> {
    let end = offset.checked_add(bytes.len()).ok_or(WriteError::Shape)?;
    out.get_mut(offset..end)
        .ok_or(WriteError::Shape)?
        .copy_from_slice(bytes);
    Ok(())
}

fn name_bytes(name: &str) -> Result<[u8; NAME_BYTES], WriteError> {
    let mut bytes = [0; NAME_BYTES];
    bytes
        .get_mut(..name.len())
        .ok_or(WriteError::Name)?
        .copy_from_slice(name.as_bytes());
    Ok(bytes)
}
