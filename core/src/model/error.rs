//! Why bytes are no container, and why a container has no such part.

use super::{Kind, Task};
use crate::Defect;

/// Why bytes are not a valid container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes do not start at a multiple of `needed`; see [`include_model!`](crate::include_model).
    Misaligned {
        /// Alignment needed.
        needed: usize,
    },
    /// Fewer bytes than the header or the directory takes.
    TooShort {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The first four bytes are not those of a container.
    Magic,
    /// Written in a version of the format that this release does not read.
    Version {
        /// Version found.
        found: u16,
        /// Newest version that this release reads.
        supported: u16,
    },
    /// The header's length is not the number of bytes given.
    Length {
        /// Length in the header.
        declared: u32,
        /// Bytes given.
        given: usize,
    },
    /// The checksum does not match: the bytes were damaged.
    Checksum {
        /// Checksum in the header.
        stored: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
    /// A reserved field of the header is not zero, or a count is too large.
    Header,
    /// The text is not UTF-8 from the end of the last tensor to the end of the file.
    Text,
    /// A tensor's place, type, format or length is wrong.
    Tensor {
        /// Index in the directory.
        tensor: u16,
    },
    /// The first part is not a scaler, or a later one is.
    Scaler,
    /// A part is not a valid model.
    Part {
        /// Index in the directory.
        part: u16,
        /// What is wrong with it.
        defect: Defect,
    },
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Misaligned { needed } => {
                write!(
                    f,
                    "the container does not start at a multiple of {needed} bytes"
                )
            }
            Self::TooShort { needed, given } => {
                write!(
                    f,
                    "{given} bytes are too few for a container: at least {needed} are needed"
                )
            }
            Self::Magic => write!(f, "no autodidact container: it does not start with ADM"),
            Self::Version { found, supported } => write!(
                f,
                "this release reads container format {supported}, not {found}: update autodidact or \
                 export the model again"
            ),
            Self::Length { declared, given } => write!(
                f,
                "the container says it has {declared} bytes, but {given} are there: the file was \
                 cut or padded"
            ),
            Self::Checksum { stored, computed } => write!(
                f,
                "checksum {computed:08x} instead of {stored:08x}: the container was damaged"
            ),
            Self::Header => write!(f, "a header field is out of range"),
            Self::Text => write!(
                f,
                "the text is not UTF-8 from the last tensor to the end of the file"
            ),
            Self::Tensor { tensor } => {
                write!(
                    f,
                    "tensor {tensor} of the directory is misplaced or of an unknown type"
                )
            }
            Self::Scaler => write!(f, "a container has one scaler, as its first part"),
            Self::Part { part, defect } => write!(f, "part {part}: {defect}"),
        }
    }
}

impl core::error::Error for LoadError {}

/// Why a loaded container has no such part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PartError {
    /// No part has this name.
    NotFound,
    /// The part is a model of another kind.
    Kind {
        /// Kind asked for.
        needed: Kind,
        /// Kind found.
        found: Kind,
    },
    /// The network was trained for something else.
    Task {
        /// Task asked for.
        needed: Task,
        /// Task found.
        found: Task,
    },
    /// The part is no valid model: possible only after [`Model::load_trusted`](super::Model::load_trusted), of bytes
    /// that [`Model::load`](super::Model::load) would have refused.
    Invalid(Defect),
}

impl core::fmt::Display for PartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotFound => write!(f, "the container has no part of this name"),
            Self::Kind { needed, found } => write!(f, "the part is a {found}, not a {needed}"),
            Self::Task { needed, found } => {
                write!(f, "the network was trained as {found}, not as {needed}")
            }
            Self::Invalid(defect) => write!(f, "the part is damaged: {defect}"),
        }
    }
}

impl core::error::Error for PartError {}
