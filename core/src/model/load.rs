//! From bytes to a model: header, directory, tensors, then every part; or, of bytes that were checked before, only what
//! the views need.

use super::layout::{
    BASE_ALIGN, Header, MAGIC, MAX_PARTS, MAX_TENSORS, PartEntry, TENSOR_ALIGN, TensorEntry,
    VERSION, checksum,
};
use super::parts::Tensors;
use super::reads::{self, has};
use super::{Body, Input, Kind, LoadError, Model, TensorElement, TensorInfo};
use super::{name_of, slice, tensor_bytes};
use crate::Defect;
use crate::kernels::Order;
use crate::scaler::{Scaler, ScalerFeature};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Cuts `count` records off the front of `bytes`.
fn directory<T: FromBytes + Immutable + KnownLayout>(
    bytes: &[u8],
    offset: usize,
    count: u16,
) -> Result<(&[T], usize), LoadError> {
    let end = usize::from(count)
        .checked_mul(size_of::<T>())
        .and_then(|length| length.checked_add(offset))
        .ok_or(LoadError::Header)?;
    let slice = bytes.get(offset..end).ok_or(LoadError::TooShort {
        needed: end,
        given: bytes.len(),
    })?;
    Ok((
        <[T]>::ref_from_bytes(slice).map_err(|_| LoadError::Header)?,
        end,
    ))
}

impl<'a> Model<'a> {
    /// Checks a container and returns a view of it.
    ///
    /// Work: one pass over the bytes for the checksum and at most three over the tensors for the proofs,
    /// whatever the bytes are: a damaged container that points twice at the same weights is refused. See
    /// [`load_trusted`](Self::load_trusted) for where that is too much.
    ///
    /// # Errors
    /// [`LoadError`] says which check failed; there is no input for which this panics or reads
    /// outside of `bytes`.
    pub fn load(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Self::load_only(bytes)
    }

    /// A view of a container that [`load`](Self::load) has accepted before, byte for byte: no checksum, no
    /// proofs.
    ///
    /// For flash that was verified once, when it was written or at the first start: what comes afterwards is the
    /// same as after [`load`](Self::load). Work: header, scaler and text, whatever else is in there.
    ///
    /// The bytes had better be those. If they are not, nothing outside of them is read, but their parts may not be
    /// found ([`PartError::Invalid`](super::PartError::Invalid)), what comes out means nothing, and in a build with
    /// overflow checks a sum that nobody has proved may panic.
    ///
    /// ```no_run
    /// use autodidact::model::Model;
    /// # let (bytes, verified): (&[u8], bool) = (&[], true);
    /// let model = if verified { Model::load_trusted(bytes)? } else { Model::load(bytes)? };
    /// # Ok::<(), autodidact::model::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// [`LoadError`] when header, directory, scaler or text are not those of a container.
    pub fn load_trusted(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Self::load_only_trusted(bytes)
    }
}

impl<'a, const READS: u32> Model<'a, READS> {
    /// As [`load`](Model::load), for containers that hold nothing but what `READS` names: code for anything
    /// else is left out of the program, some 20 KiB on a Cortex-M4 in all.
    ///
    /// ```no_run
    /// use autodidact::model::{Model, reads};
    ///
    /// const READS: u32 = reads::KMEANS | reads::PCA;
    /// # let bytes: &[u8] = &[];
    /// let model = Model::<READS>::load_only(bytes)?;
    /// # Ok::<(), autodidact::model::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Model::load); a part that `READS` does not name is one of an unknown kind.
    pub fn load_only(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let header = Self::header_of(bytes)?;
        let computed = checksum(bytes);
        if computed != header.crc {
            return Err(LoadError::Checksum {
                stored: header.crc,
                computed,
            });
        }
        let model = Self::read_directory(bytes, header)?;
        model.check_tensors(header)?;
        model.check_parts()?;
        Ok(model)
    }

    /// As [`load_trusted`](Model::load_trusted), of what `READS` names.
    ///
    /// # Errors
    /// As [`load_trusted`](Model::load_trusted).
    pub fn load_only_trusted(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Self::read_directory(bytes, Self::header_of(bytes)?)
    }

    /// The header of bytes that begin and end as a container does.
    fn header_of(bytes: &'a [u8]) -> Result<&'a Header, LoadError> {
        if !bytes.as_ptr().addr().is_multiple_of(BASE_ALIGN) {
            return Err(LoadError::Misaligned { needed: BASE_ALIGN });
        }
        let short = LoadError::TooShort {
            needed: size_of::<Header>(),
            given: bytes.len(),
        };
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| short)?;
        if header.magic != MAGIC {
            return Err(LoadError::Magic);
        }
        if header.version != VERSION {
            return Err(LoadError::Version {
                found: header.version,
                supported: VERSION,
            });
        }
        if usize::try_from(header.length).ok() != Some(bytes.len()) {
            return Err(LoadError::Length {
                declared: header.length,
                given: bytes.len(),
            });
        }
        Ok(header)
    }

    /// Directory, text and scaler; what the directory says is not yet checked.
    fn read_directory(bytes: &'a [u8], header: &Header) -> Result<Self, LoadError> {
        if header.reserved != 0
            || header.reserved_2 != 0
            || header.parts > MAX_PARTS
            || header.tensors > MAX_TENSORS
        {
            return Err(LoadError::Header);
        }
        let (parts, end) = directory::<PartEntry>(bytes, size_of::<Header>(), header.parts)?;
        let (tensors, _) = directory::<TensorEntry>(bytes, end, header.tensors)?;
        let text = slice(bytes, header.text_offset, header.text_length);
        if usize::try_from(header.text_length).ok() != Some(text.len()) {
            return Err(LoadError::Text);
        }
        let text = core::str::from_utf8(text).map_err(|_| LoadError::Text)?;
        let first = parts.first().ok_or(LoadError::Scaler)?;
        if first.kind != Kind::Scaler as u16 {
            return Err(LoadError::Scaler);
        }
        let scaler = Self::scaler_of(bytes, first, tensors)
            .map_err(|defect| LoadError::Part { part: 0, defect })?;
        Ok(Self {
            bytes,
            parts,
            tensors,
            text,
            scaler,
        })
    }

    fn scaler_of(
        bytes: &'a [u8],
        entry: &PartEntry,
        tensors: &'a [TensorEntry],
    ) -> Result<Scaler<'a>, Defect> {
        let entries = tensors.get(..1).unwrap_or(&[]);
        let [width, min, max, zero] = entry.params;
        if entry.task != 0 {
            return Err(Defect::Task { found: entry.task });
        }
        if entry.tensors != 1 || zero != 0 {
            return Err(Defect::Shape);
        }
        let features: &[ScalerFeature] =
            Tensors { bytes, entries }.get(0, TensorElement::ScalerFeature, 0, [width, 1])?;
        let range = |value: u32| i16::try_from(value.cast_signed()).map_err(|_| Defect::Shape);
        Scaler::new(features, range(min)?, range(max)?)
    }

    /// Tensors lie behind the directory, one after the other, aligned and within the file; the
    /// text lies behind them.
    fn check_tensors(&self, header: &Header) -> Result<(), LoadError> {
        // Behind the directory, which was read: no overflow.
        let mut end = size_of::<Header>() + size_of_val(self.parts) + size_of_val(self.tensors);
        for (tensor, entry) in (0u16..).zip(self.tensors) {
            let error = LoadError::Tensor { tensor };
            let info = TensorInfo::of(entry).ok_or(error)?;
            let [rows, cols] = info.shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            let needed = info
                .order
                .stored_bytes(rows, cols)
                .and_then(|n| n.checked_mul(info.element.bytes()))
                .ok_or(error)?;
            let offset = usize::try_from(entry.offset).map_err(|_| error)?;
            let bytes = tensor_bytes(self.bytes, entry);
            if offset < end
                || !offset.is_multiple_of(TENSOR_ALIGN)
                || bytes.is_empty()
                || bytes.len() != needed
                || usize::try_from(entry.length).ok() != Some(needed)
                || entry.reserved != 0
                || (info.order != Order::RowMajor && info.element != TensorElement::I8)
            {
                return Err(error);
            }
            end = offset.saturating_add(needed);
        }
        // The text is what remains: nothing overlaps, nothing follows it.
        let text = end.checked_add(self.text.len());
        if usize::try_from(header.text_offset).ok() == Some(end) && text == Some(self.bytes.len()) {
            Ok(())
        } else {
            Err(LoadError::Text)
        }
    }

    /// Every part owns the next tensors of the directory and is a valid model.
    fn check_parts(&self) -> Result<(), LoadError> {
        let mut next = 0u16;
        for (part, entry) in (0u16..).zip(self.parts) {
            let fail = |defect| LoadError::Part { part, defect };
            if entry.first_tensor != next {
                return Err(fail(Defect::Tensor { index: 0 }));
            }
            next = next.checked_add(entry.tensors).ok_or(fail(Defect::Shape))?;
            if usize::from(next) > self.tensors.len() {
                return Err(fail(Defect::Tensor {
                    index: entry.tensors,
                }));
            }
            let name = name_of(entry).ok_or(fail(Defect::Name))?;
            let earlier = self.parts.get(..usize::from(part)).unwrap_or(&[]);
            if earlier.iter().any(|other| name_of(other) == Some(name)) {
                return Err(fail(Defect::Name));
            }
            if part == 0 {
                if entry.workspace_bytes != 0 {
                    return Err(fail(Defect::Workspace { needed: 0 }));
                }
                if entry.source != 0 {
                    return Err(fail(Defect::Source {
                        found: entry.source,
                    }));
                }
                continue;
            }
            if entry.kind == Kind::Scaler as u16 {
                return Err(LoadError::Scaler);
            }
            let body = self.body(entry, true).map_err(fail)?;
            // What a part reads comes before it: no circle is possible.
            if usize::try_from(entry.source).map_or(true, |source| source >= usize::from(part)) {
                return Err(fail(Defect::Source {
                    found: entry.source,
                }));
            }
            let given = match self.input_of(entry).map_err(fail)? {
                Input::Features => self.scaler.len(),
                Input::Whitened(whitening) => whitening.k(),
            };
            // The conditions are for the linker: it cannot know that `body` gives nothing that is not read.
            let workspace = match &body {
                Body::Network(network, _) if has(READS, reads::NETWORK) => {
                    network.workspace_bytes()
                }
                Body::Graph(graph, _) if has(READS, reads::GRAPH) => graph.workspace_bytes(),
                Body::Score(score) if has(READS, reads::SCORE) => score.workspace_bytes(),
                Body::Stack(stack, _) if has(READS, reads::STACK) => stack.workspace_bytes(),
                _ => 0,
            };
            if usize::try_from(entry.workspace_bytes).ok() != Some(workspace) {
                return Err(fail(Defect::Workspace { needed: workspace }));
            }
            if body.inputs() != given {
                return Err(fail(Defect::Shape));
            }
        }
        if usize::from(next) == self.tensors.len() {
            Ok(())
        } else {
            Err(LoadError::Tensor { tensor: next })
        }
    }
}
