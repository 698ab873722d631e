//! The container: one file that holds a scaler and named models, read in place.
//!
//! [`Model::load`] takes any bytes and returns a typed error or a model. It checks lengths,
//! checksum, version, alignment, shapes, scales, and proves for every row of every layer that no
//! input can overflow its accumulator. Nothing is copied and nothing is allocated; what comes
//! after a successful load is not checked again and cannot fail but for a slice of the wrong length
//! or a name that is not there. The bytes are specified in `FORMAT.md` beside this file.
//!
//! # What loading costs
//!
//! | call | work |
//! |---|---|
//! | [`Model::load`] | in proportion to the container's bytes, whatever they are |
//! | [`Model::load_trusted`] | header, scaler and text: nothing that grows with parts or their tensors |
//! | [`Model::kmeans`] and the others | names of at most 64 parts, records of at most 16 layers; no tensor is read |
//!
//! <!-- figures: m4.load_stacks:op m4.load_classical:op -->
//! Counted on a Cortex-M4 by `cargo xtask bench`, for small containers of every kind of part: [`Model::load`] takes 11
//! to 24 instructions a byte, [`Model::load_trusted`] fewer than 900 in all.
//!
//! ```no_run
//! use autodidact::model::Model;
//!
//! // On a device: static MODEL: &[u8] = autodidact::include_model!("digits.adm");
//! # let bytes: &[u8] = &[];
//! let model = Model::load(bytes)?;
//! let denoiser = model.denoiser("denoiser")?;
//! let mut workspace = [0u8; 2048]; // denoiser.network().workspace_bytes()
//! # let (noisy, mut clean) = ([0i16; 64], [0i16; 64]);
//! denoiser.denoise(&mut workspace, &noisy, &mut clean)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod graph;
mod layout;
mod load;
mod parts;
pub mod reads;
mod writer;

pub use error::{LoadError, PartError};
pub use graph::{GraphSpec, OpSpec};
pub use layout::{Kind, Task, TensorElement};
pub use writer::{LayerSpec, ModelSpec, NetworkSpec, PartBody, PartSpec, RbmSpec, WriteError};

use crate::backprop::Stack;
use crate::dbn::Dbn;
use crate::gmm::Gmm;
use crate::kernels::Order;
use crate::kmeans::KMeans;
use crate::latent_class::LatentClass;
use crate::net::{Autoencoder, Denoiser, Graph, Network};
use crate::pca::{Pca, Whitening};
use crate::rbm::Rbm;
use crate::scaler::Scaler;
use crate::score::ScoreNetwork;
use crate::{Defect, ShapeError};
use layout::{LayerRecord, NAME_BYTES, PartEntry, TensorEntry};
use parts::Tensors;
use reads::has;
use zerocopy::FromBytes;

/// Bytes aligned for [`Model::load`], for [`include_model!`](crate::include_model).
#[doc(hidden)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// Includes a container file as a `&'static [u8]` that is aligned for
/// [`Model::load`](crate::model::Model::load).
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        static MODEL: &$crate::model::Aligned<[u8]> =
            &$crate::model::Aligned(*include_bytes!($path));
        &MODEL.0
    }};
}

/// A checked container, of which the program reads what the set `READS` names: everything, unless
/// [`load_only`](Self::load_only) was asked for less.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a, const READS: u32 = { reads::EVERYTHING }> {
    bytes: &'a [u8],
    parts: &'a [PartEntry],
    tensors: &'a [TensorEntry],
    text: &'a str,
    scaler: Scaler<'a>,
}

/// One part of a container, whatever its kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap to box a network's layers on"
)]
pub enum Body<'a> {
    /// k-means.
    KMeans(KMeans<'a>),
    /// Principal components.
    Pca(Pca<'a>),
    /// A dense network and what it was trained for.
    Network(Network<'a>, Task),
    /// A Gaussian mixture.
    Gmm(Gmm<'a>),
    /// Latent classes.
    LatentClass(LatentClass<'a>),
    /// A restricted Boltzmann machine. One of Bernoulli units reads a feature above 0 as 1.
    Rbm(Rbm<'a>),
    /// A deep belief net; its lowest machine likewise.
    Dbn(Dbn<'a>),
    /// A graph and what it was trained for.
    Graph(Graph<'a>, Task),
    /// A score network.
    Score(ScoreNetwork<'a>),
    /// Dense layers that a device can go on learning from, and what they were trained for.
    Stack(Stack<'a>, Task),
}

impl Body<'_> {
    /// Values that the part is given; of a generator, those that it gives.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::KMeans(kmeans) => kmeans.dimensions(),
            Self::Pca(pca) => pca.dimensions(),
            Self::Network(network, _) => network.inputs(),
            Self::Gmm(gmm) => gmm.dimensions(),
            Self::LatentClass(classes) => classes.columns().len(),
            Self::Rbm(rbm) => rbm.visible(),
            Self::Dbn(dbn) => dbn.visible(),
            // A generator is given noise of its own.
            Self::Graph(graph, Task::Generator) => graph.outputs(),
            Self::Graph(graph, _) => graph.inputs(),
            Self::Score(score) => score.dimensions(),
            Self::Stack(stack, _) => stack.inputs(),
        }
    }
}

/// What a part is given.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The scaler's features.
    Features,
    /// The whitened scores of these components, an earlier part of the container.
    Whitened(Whitening<'a>),
}

impl Input<'_> {
    /// Scores to hold between features and what the part is given: 0 where it is given the features.
    #[must_use]
    pub const fn scores(&self) -> usize {
        match self {
            Self::Features => 0,
            Self::Whitened(whitening) => whitening.k(),
        }
    }

    /// What the part is given for these features: the features themselves, or `whitened`, filled.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` does not fit the components, or `scores` and `whitened` are not
    /// [`scores`](Self::scores) long; nothing is written then. Where the part is given the features, it is given
    /// any, and the others are not looked at.
    pub fn prepare<'v>(
        &self,
        features: &'v [i16],
        scores: &mut [i32],
        whitened: &'v mut [i16],
    ) -> Result<&'v [i16], ShapeError> {
        match self {
            Self::Features => Ok(features),
            Self::Whitened(whitening) => {
                whitening.whiten_into(features, scores, whitened)?;
                Ok(whitened)
            }
        }
    }
}

/// Name, kind and contents of a part.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Name, printable ASCII.
    pub name: &'a str,
    /// What the part is given.
    pub input: Input<'a>,
    /// Contents.
    pub body: Body<'a>,
}

/// Place and format of a stored tensor, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type.
    pub element: TensorElement,
    /// Order of a weight matrix; row-major for everything else.
    pub order: Order,
    /// Fractional bits of a fixed-point element.
    pub frac_bits: u8,
    /// Rows and columns.
    pub shape: [u32; 2],
    /// First byte in the file.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// The bytes of a tensor; empty when the entry points outside, which `load` excludes.
fn tensor_bytes<'a>(bytes: &'a [u8], entry: &TensorEntry) -> &'a [u8] {
    slice(bytes, entry.offset, entry.length)
}

/// `length` bytes from `offset`, none where they are not all there.
fn slice(bytes: &[u8], offset: u32, length: u32) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    start
        .checked_add(length)
        .and_then(|end| bytes.get(start..end))
        .unwrap_or(&[])
}

impl<'a, const READS: u32> Model<'a, READS> {
    /// What a part reads: the scaler's features or the whitened scores of a PCA.
    fn input_of(&self, entry: &PartEntry) -> Result<Input<'a>, Defect> {
        if entry.source == 0 {
            return Ok(Input::Features);
        }
        let defect = Defect::Source {
            found: entry.source,
        };
        if !has(READS, reads::PCA_SPECTRUM) {
            return Err(defect);
        }
        let source = usize::try_from(entry.source).map_err(|_| defect)?;
        let source = self.parts.get(source).ok_or(defect)?;
        // One step only: `Input` holds the components between features and the part, not a chain of them.
        if source.source != 0 {
            return Err(defect);
        }
        match self.body(source, false)? {
            Body::Pca(pca) => pca.whitening().map(Input::Whitened).ok_or(defect),
            _ => Err(defect),
        }
    }

    /// A part's contents; with `prove`, derived values and ranges are checked as well.
    fn body(&self, entry: &PartEntry, prove: bool) -> Result<Body<'a>, Defect> {
        let first = usize::from(entry.first_tensor);
        let entries = first
            .checked_add(usize::from(entry.tensors))
            .and_then(|end| self.tensors.get(first..end))
            .unwrap_or(&[]);
        let tensors = Tensors {
            bytes: self.bytes,
            entries,
        };
        tensors.body::<READS>(entry, prove)
    }

    /// Counts to features and back.
    #[must_use]
    pub const fn scaler(&self) -> &Scaler<'a> {
        &self.scaler
    }

    /// Provenance: lines of `key: value`.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The value of a line of [`text`](Self::text).
    #[must_use]
    pub fn text_value(&self, key: &str) -> Option<&'a str> {
        self.text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            (name == key).then_some(value)
        })
    }

    /// The container's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The models, in directory order, without the scaler.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + '_ {
        self.parts.iter().skip(1).filter_map(|entry| {
            Some(Part {
                name: name_of(entry)?,
                input: self.input_of(entry).ok()?,
                body: self.body(entry, false).ok()?,
            })
        })
    }

    /// Stored tensors of a part by name (the scaler's name is `scaler`), for reports.
    pub fn tensors(&self, name: &str) -> impl Iterator<Item = TensorInfo> + 'a {
        let range = self.entry(name).map_or(0..0, |entry| {
            let first = usize::from(entry.first_tensor);
            first..first.saturating_add(usize::from(entry.tensors))
        });
        self.tensors
            .get(range)
            .unwrap_or(&[])
            .iter()
            .filter_map(TensorInfo::of)
    }

    /// Real value of one output unit of each layer of a network, for reports.
    pub fn layer_scales(&self, name: &str) -> impl Iterator<Item = f32> + 'a {
        let entry = self
            .entry(name)
            .filter(|entry| entry.kind == Kind::Network as u16)
            .and_then(|entry| self.tensors.get(usize::from(entry.first_tensor)));
        let bytes = entry.map_or(&[][..], |entry| tensor_bytes(self.bytes, entry));
        <[LayerRecord]>::ref_from_bytes(bytes)
            .unwrap_or(&[])
            .iter()
            .map(|r| r.output_scale)
    }

    fn entry(&self, name: &str) -> Option<&'a PartEntry> {
        self.parts.iter().find(|entry| name_of(entry) == Some(name))
    }

    fn find(&self, name: &str, needed: Kind) -> Result<Body<'a>, PartError> {
        let entry = self.entry(name).ok_or(PartError::NotFound)?;
        let found = Kind::from_tag(entry.kind).ok_or(PartError::NotFound)?;
        if found != needed {
            return Err(PartError::Kind { needed, found });
        }
        // Impossible after `load`.
        self.body(entry, false).map_err(PartError::Invalid)
    }

    /// What the part `name` is given.
    ///
    /// # Errors
    /// [`PartError::NotFound`] when there is no such part.
    pub fn input(&self, name: &str) -> Result<Input<'a>, PartError> {
        // The scaler is no part.
        let entry = self
            .entry(name)
            .filter(|entry| entry.kind != Kind::Scaler as u16);
        self.input_of(entry.ok_or(PartError::NotFound)?)
            .map_err(PartError::Invalid)
    }

    /// The k-means model `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn kmeans(&self, name: &str) -> Result<KMeans<'a>, PartError> {
        match self.find(name, Kind::KMeans)? {
            Body::KMeans(kmeans) => Ok(kmeans),
            _ => Err(PartError::NotFound),
        }
    }

    /// The principal components `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn pca(&self, name: &str) -> Result<Pca<'a>, PartError> {
        match self.find(name, Kind::Pca)? {
            Body::Pca(pca) => Ok(pca),
            _ => Err(PartError::NotFound),
        }
    }

    /// The Gaussian mixture `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn gmm(&self, name: &str) -> Result<Gmm<'a>, PartError> {
        match self.find(name, Kind::Gmm)? {
            Body::Gmm(gmm) => Ok(gmm),
            _ => Err(PartError::NotFound),
        }
    }

    /// The latent-class model `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn latent_class(&self, name: &str) -> Result<LatentClass<'a>, PartError> {
        match self.find(name, Kind::LatentClass)? {
            Body::LatentClass(classes) => Ok(classes),
            _ => Err(PartError::NotFound),
        }
    }

    /// The restricted Boltzmann machine `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn rbm(&self, name: &str) -> Result<Rbm<'a>, PartError> {
        match self.find(name, Kind::Rbm)? {
            Body::Rbm(rbm) => Ok(rbm),
            _ => Err(PartError::NotFound),
        }
    }

    /// The graph `name`, and what it was trained for.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn graph(&self, name: &str) -> Result<(Graph<'a>, Task), PartError> {
        match self.find(name, Kind::Graph)? {
            Body::Graph(graph, task) => Ok((graph, task)),
            _ => Err(PartError::NotFound),
        }
    }

    /// The deep belief net `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn dbn(&self, name: &str) -> Result<Dbn<'a>, PartError> {
        match self.find(name, Kind::Dbn)? {
            Body::Dbn(dbn) => Ok(dbn),
            _ => Err(PartError::NotFound),
        }
    }

    /// The score network `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn score(&self, name: &str) -> Result<ScoreNetwork<'a>, PartError> {
        match self.find(name, Kind::Score)? {
            Body::Score(score) => Ok(score),
            _ => Err(PartError::NotFound),
        }
    }

    /// The stack `name`, and what it was trained for.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn stack(&self, name: &str) -> Result<(Stack<'a>, Task), PartError> {
        match self.find(name, Kind::Stack)? {
            Body::Stack(stack, task) => Ok((stack, task)),
            _ => Err(PartError::NotFound),
        }
    }

    /// The network `name`, whatever it was trained for.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part or it is of another kind.
    pub fn network_part(&self, name: &str) -> Result<(Network<'a>, Task), PartError> {
        match self.find(name, Kind::Network)? {
            Body::Network(network, task) => Ok((network, task)),
            _ => Err(PartError::NotFound),
        }
    }

    /// The autoencoder `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part, it is of another kind or for another task.
    pub fn autoencoder(&self, name: &str) -> Result<Autoencoder<'a>, PartError> {
        let (network, found) = self.network_part(name)?;
        let needed = Task::Autoencoder;
        if found != needed {
            return Err(PartError::Task { needed, found });
        }
        Autoencoder::new(network).ok_or(PartError::NotFound)
    }

    /// The denoiser `name`.
    ///
    /// # Errors
    /// [`PartError`] when there is no such part, it is of another kind or for another task.
    pub fn denoiser(&self, name: &str) -> Result<Denoiser<'a>, PartError> {
        let (network, found) = self.network_part(name)?;
        let needed = Task::Denoiser;
        if found != needed {
            return Err(PartError::Task { needed, found });
        }
        Denoiser::new(network).ok_or(PartError::NotFound)
    }
}

impl TensorInfo {
    fn of(entry: &TensorEntry) -> Option<Self> {
        Some(Self {
            element: TensorElement::from_tag(entry.element)?,
            order: Order::from_tag(entry.order)?,
            frac_bits: entry.frac_bits,
            shape: [entry.rows, entry.cols],
            offset: entry.offset,
            length: entry.length,
        })
    }
}

/// A part's name without its padding, or `None` when it is not valid.
fn name_of(entry: &PartEntry) -> Option<&str> {
    let len = entry
        .name
        .iter()
        .position(|b| *b == 0)
        .unwrap_or(NAME_BYTES);
    let (name, padding) = entry.name.split_at_checked(len)?;
    let printable = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let padded = padding.iter().all(|b| *b == 0);
    if printable && padded {
        core::str::from_utf8(name).ok()
    } else {
        None
    }
}
