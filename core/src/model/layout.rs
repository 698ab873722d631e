//! The container's fixed records, byte for byte as FORMAT.md has them.

use crate::kernels::Channel;
use crate::latent_class::{Column, Gaussian};
use crate::net::{Addition, OpRecord};
use crate::scaler::ScalerFeature;
use crate::score::Level;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First four bytes of every container.
pub(crate) const MAGIC: [u8; 4] = *b"ADM\x1a";

/// The only format version so far.
pub(crate) const VERSION: u16 = 1;

/// A container starts at a multiple of this in memory.
pub(crate) const BASE_ALIGN: usize = 8;

/// A tensor starts at a multiple of this in the file.
pub(crate) const TENSOR_ALIGN: usize = 16;

/// Most parts of a container, the scaler included.
pub(crate) const MAX_PARTS: u16 = 64;

/// Most tensors of a container: as many as its parts can own.
pub(crate) const MAX_TENSORS: u16 = MAX_PARTS * (1 + 2 * crate::net::MAX_LAYERS as u16);

/// Byte length of a part's name, padded with zeros.
pub(crate) const NAME_BYTES: usize = 16;

/// `code_layer` of a network without a code.
pub(crate) const NO_CODE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u16,
    pub(crate) parts: u16,
    pub(crate) length: u32,
    pub(crate) crc: u32,
    pub(crate) tensors: u16,
    pub(crate) reserved: u16,
    pub(crate) text_offset: u32,
    pub(crate) text_length: u32,
    pub(crate) reserved_2: u32,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct PartEntry {
    pub(crate) name: [u8; NAME_BYTES],
    pub(crate) kind: u16,
    pub(crate) task: u16,
    pub(crate) first_tensor: u16,
    pub(crate) tensors: u16,
    /// Shape and parameters; their meaning depends on the kind.
    pub(crate) params: [u32; 4],
    pub(crate) workspace_bytes: u32,
    /// Index of the part whose results this one reads: 0 for the scaler, or a PCA before it.
    pub(crate) source: u32,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct TensorEntry {
    pub(crate) element: u8,
    pub(crate) order: u8,
    pub(crate) frac_bits: u8,
    pub(crate) reserved: u8,
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct LayerRecord {
    pub(crate) activation: u8,
    pub(crate) input: u8,
    pub(crate) output: u8,
    pub(crate) reserved: u8,
    pub(crate) zero_point: i16,
    pub(crate) min: i16,
    pub(crate) max: i16,
    pub(crate) reserved_2: u16,
    /// Real value of one unit of the output, for reports only.
    pub(crate) output_scale: f32,
}

/// A restricted Boltzmann machine of a part.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct MachineRecord {
    pub(crate) visible: u32,
    pub(crate) hidden: u32,
    /// Scale of the weights.
    pub(crate) multiplier: i32,
    pub(crate) shift: u8,
    pub(crate) units: u8,
    /// Orders in which the weights are stored, 1 or 2.
    pub(crate) orders: u8,
    pub(crate) reserved: u8,
}

/// What kind of model a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u16)]
#[non_exhaustive]
pub enum Kind {
    /// Counts to features and back.
    Scaler = 1,
    /// k-means.
    KMeans = 2,
    /// Principal components.
    Pca = 3,
    /// A dense network.
    Network = 4,
    /// A Gaussian mixture.
    Gmm = 5,
    /// Latent classes over columns of mixed kinds.
    LatentClass = 6,
    /// A restricted Boltzmann machine.
    Rbm = 7,
    /// A stack of them.
    Dbn = 8,
    /// A network of dense and convolutional layers with skip connections.
    Graph = 16,
    /// Such a network with noise levels: a score.
    Score = 17,
    /// Dense layers that a device goes on learning from.
    Stack = 18,
}

impl Kind {
    pub(crate) const fn from_tag(tag: u16) -> Option<Self> {
        match tag {
            1 => Some(Self::Scaler),
            2 => Some(Self::KMeans),
            3 => Some(Self::Pca),
            4 => Some(Self::Network),
            5 => Some(Self::Gmm),
            6 => Some(Self::LatentClass),
            7 => Some(Self::Rbm),
            8 => Some(Self::Dbn),
            16 => Some(Self::Graph),
            17 => Some(Self::Score),
            18 => Some(Self::Stack),
            _ => None,
        }
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Scaler => "scaler",
            Self::KMeans => "k-means",
            Self::Pca => "PCA",
            Self::Network => "network",
            Self::Gmm => "Gaussian mixture",
            Self::LatentClass => "latent-class model",
            Self::Rbm => "restricted Boltzmann machine",
            Self::Dbn => "deep belief net",
            Self::Graph => "graph",
            Self::Score => "score network",
            Self::Stack => "stack of dense layers",
        })
    }
}

/// What a network was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u16)]
#[non_exhaustive]
pub enum Task {
    /// To give its input back through a code.
    Autoencoder = 1,
    /// To give the clean sample for a noisy one.
    Denoiser = 2,
    /// To make samples of noise; [`Kind::Graph`] only.
    Generator = 3,
    /// To tell samples from those of a generator; [`Kind::Graph`] only.
    Discriminator = 4,
}

impl Task {
    pub(crate) const fn from_tag(tag: u16) -> Option<Self> {
        match tag {
            1 => Some(Self::Autoencoder),
            2 => Some(Self::Denoiser),
            3 => Some(Self::Generator),
            4 => Some(Self::Discriminator),
            _ => None,
        }
    }
}

impl core::fmt::Display for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Autoencoder => "an autoencoder",
            Self::Denoiser => "a denoiser",
            Self::Generator => "a generator",
            Self::Discriminator => "a discriminator",
        })
    }
}

/// Element type of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum TensorElement {
    /// 8-bit weights.
    I8 = 1,
    /// 16-bit fixed-point numbers.
    I16 = 2,
    /// 64-bit fixed-point numbers.
    I64 = 3,
    /// Records of a scaler.
    ScalerFeature = 4,
    /// Records of a layer.
    Layer = 5,
    /// Output parameters of a layer, one record a row.
    Channel = 6,
    /// 32-bit fixed-point numbers.
    I32 = 7,
    /// Small numbers: shifts.
    U8 = 8,
    /// Unsigned 16-bit fixed-point numbers.
    U16 = 9,
    /// Unsigned 64-bit fixed-point numbers.
    U64 = 10,
    /// Records of a latent-class model's columns.
    Column = 11,
    /// Records of a Gaussian column within a class.
    Gaussian = 12,
    /// Records of restricted Boltzmann machines.
    Machine = 13,
    /// Operations of a graph.
    Operation = 32,
    /// Parameters of a graph's sums.
    Addition = 33,
    /// Noise levels of a score network.
    Level = 34,
}

impl TensorElement {
    pub(crate) const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::I8),
            2 => Some(Self::I16),
            3 => Some(Self::I64),
            4 => Some(Self::ScalerFeature),
            5 => Some(Self::Layer),
            6 => Some(Self::Channel),
            7 => Some(Self::I32),
            8 => Some(Self::U8),
            9 => Some(Self::U16),
            10 => Some(Self::U64),
            11 => Some(Self::Column),
            12 => Some(Self::Gaussian),
            13 => Some(Self::Machine),
            32 => Some(Self::Operation),
            33 => Some(Self::Addition),
            34 => Some(Self::Level),
            _ => None,
        }
    }

    /// Bytes of one element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 => 4,
            Self::I64 | Self::U64 => 8,
            Self::ScalerFeature => size_of::<ScalerFeature>(),
            Self::Layer => size_of::<LayerRecord>(),
            Self::Channel => size_of::<Channel>(),
            Self::Column => size_of::<Column>(),
            Self::Gaussian => size_of::<Gaussian>(),
            Self::Machine => size_of::<MachineRecord>(),
            Self::Operation => size_of::<OpRecord>(),
            Self::Addition => size_of::<Addition>(),
            Self::Level => size_of::<Level>(),
        }
    }
}

// FORMAT.md and every file ever written depend on these sizes.
const _: () = assert!(size_of::<Header>() == 32);
const _: () = assert!(size_of::<PartEntry>() == 48);
const _: () = assert!(size_of::<TensorEntry>() == 20);
const _: () = assert!(size_of::<LayerRecord>() == 16);
const _: () = assert!(size_of::<ScalerFeature>() == 32);
const _: () = assert!(size_of::<Channel>() == 12);
const _: () = assert!(size_of::<Column>() == 4);
const _: () = assert!(size_of::<Gaussian>() == 16);
const _: () = assert!(size_of::<MachineRecord>() == 16);
const _: () = assert!(size_of::<OpRecord>() == 44);
const _: () = assert!(size_of::<Addition>() == 24);
const _: () = assert!(size_of::<Level>() == 16);

/// The container's checksum over everything but the checksum itself.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let field = core::mem::offset_of!(Header, crc);
    let mut digest = CRC.digest();
    digest.update(bytes.get(..field).unwrap_or(&[]));
    digest.update(bytes.get(field + 4..).unwrap_or(&[]));
    digest.finalize()
}
