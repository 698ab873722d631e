//! A container taken apart, so that one field can be changed and everything around it stays right.

use autodidact_tools::quantize::AlignedBytes;

use crate::mutate::repair_header;

const HEADER: usize = 32;
const PART: usize = 48;
const TENSOR: usize = 20;

/// A container's parts, the scaler first, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// In directory order.
    pub parts: Vec<RawPart>,
    /// UTF-8, if it is to load.
    pub text: Vec<u8>,
}

/// An entry of the part directory and the tensors that it owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPart {
    /// Padded with zeros.
    pub name: [u8; 16],
    /// Tag of its kind.
    pub kind: u16,
    /// Tag of its task.
    pub task: u16,
    /// By kind.
    pub params: [u32; 4],
    /// Bytes of a run.
    pub workspace: u32,
    /// What it reads.
    pub source: u32,
    /// Its tensors.
    pub tensors: Vec<RawTensor>,
}

/// An entry of the tensor directory and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTensor {
    /// Tag of the element.
    pub element: u8,
    /// Tag of the order.
    pub order: u8,
    /// Fractional bits.
    pub frac_bits: u8,
    /// 0.
    pub reserved: u8,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
    /// As stored.
    pub bytes: Vec<u8>,
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Raw {
    /// Takes a valid container apart.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let count = usize::from(half(bytes, 6));
        let tensor = |index: usize| {
            let entry = &bytes[HEADER + PART * count + TENSOR * index..][..TENSOR];
            let (offset, length) = (word(entry, 12) as usize, word(entry, 16) as usize);
            RawTensor {
                element: entry[0],
                order: entry[1],
                frac_bits: entry[2],
                reserved: entry[3],
                rows: word(entry, 4),
                cols: word(entry, 8),
                bytes: bytes[offset..][..length].to_vec(),
            }
        };
        let part = |index: usize| {
            let entry = &bytes[HEADER + PART * index..][..PART];
            let first = usize::from(half(entry, 20));
            RawPart {
                name: entry[..16].try_into().expect("16 bytes"),
                kind: half(entry, 16),
                task: half(entry, 18),
                params: [24, 28, 32, 36].map(|at| word(entry, at)),
                workspace: word(entry, 40),
                source: word(entry, 44),
                tensors: (first..first + usize::from(half(entry, 22)))
                    .map(tensor)
                    .collect(),
            }
        };
        let (text, length) = (word(bytes, 20) as usize, word(bytes, 24) as usize);
        Self {
            parts: (0..count).map(part).collect(),
            text: bytes[text..][..length].to_vec(),
        }
    }

    /// The part of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn part(&mut self, name: &str) -> &mut RawPart {
        let found = self.parts.iter_mut().find(|part| {
            let end = part.name.iter().position(|b| *b == 0).unwrap_or(16);
            &part.name[..end] == name.as_bytes()
        });
        found.expect("a part of this name")
    }

    /// Puts the container together, with lengths, offsets and checksum as they must be.
    ///
    /// # Panics
    /// When there are more parts, tensors or bytes than a field holds.
    #[must_use]
    pub fn bytes(&self) -> AlignedBytes {
        let tensors = || self.parts.iter().flat_map(|part| &part.tensors);
        let count = tensors().count();
        let mut end = HEADER + PART * self.parts.len() + TENSOR * count;
        let mut offsets = Vec::new();
        for tensor in tensors() {
            offsets.push(end.next_multiple_of(16));
            end = end.next_multiple_of(16) + tensor.bytes.len();
        }
        let mut bytes = AlignedBytes::zeroed(end + self.text.len());
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let short = |n: usize| u16::try_from(n).expect("a field").to_le_bytes();
        let long = |n: usize| u32::try_from(n).expect("a field").to_le_bytes();
        put(0, b"ADM\x1a");
        put(4, &short(1));
        put(6, &short(self.parts.len()));
        put(16, &short(count));
        put(20, &long(end));
        put(24, &long(self.text.len()));
        put(end, &self.text);
        let (mut at, mut first) = (HEADER, 0);
        for part in &self.parts {
            put(at, &part.name);
            put(at + 16, &part.kind.to_le_bytes());
            put(at + 18, &part.task.to_le_bytes());
            put(at + 20, &short(first));
            put(at + 22, &short(part.tensors.len()));
            for (word, param) in part.params.iter().enumerate() {
                put(at + 24 + 4 * word, &param.to_le_bytes());
            }
            put(at + 40, &part.workspace.to_le_bytes());
            put(at + 44, &part.source.to_le_bytes());
            first += part.tensors.len();
            at += PART;
        }
        for (tensor, offset) in tensors().zip(&offsets) {
            let tags = [
                tensor.element,
                tensor.order,
                tensor.frac_bits,
                tensor.reserved,
            ];
            put(at, &tags);
            put(at + 4, &tensor.rows.to_le_bytes());
            put(at + 8, &tensor.cols.to_le_bytes());
            put(at + 12, &long(*offset));
            put(at + 16, &long(tensor.bytes.len()));
            put(*offset, &tensor.bytes);
            at += TENSOR;
        }
        repair_header(&mut bytes);
        bytes
    }
}

impl RawTensor {
    /// Writes a field of `field.len()` bytes.
    ///
    /// # Panics
    /// When it lies outside.
    pub fn put(&mut self, at: usize, field: &[u8]) {
        self.bytes[at..at + field.len()].copy_from_slice(field);
    }
}
