//! From a part's tensors to the view that runs: one function a kind.

use super::layout::{LayerRecord, MachineRecord, NO_CODE, PartEntry, TensorEntry};
use super::reads::{self, has};
use super::{Body, Kind, Task, TensorElement, tensor_bytes};
use crate::Defect;
use crate::backprop::{Hidden, Stack};
use crate::dbn::{Dbn, MAX_LAYERS};
use crate::gmm::{self, Covariance, Gmm};
use crate::kernels::{Channel, Matrix, Order, row_stride};
use crate::kmeans::{KMeans, Metric};
use crate::latent_class::{Column, Gaussian, LatentClass};
use crate::net::{self, Activation, Element, Layer, Network};
use crate::num::Multiplier;
use crate::pca::{Pca, Spectrum};
use crate::rbm::{self, Rbm, Units};
use crate::scaler::ScalerFeature;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The tensors of one part and the bytes behind them.
#[derive(Clone, Copy)]
pub(super) struct Tensors<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) entries: &'a [TensorEntry],
}

impl<'a> Tensors<'a> {
    /// Tensor `index` as elements of type `T`, of exactly `rows · cols`.
    pub(super) fn get<T: FromBytes + Immutable + KnownLayout>(
        &self,
        index: u16,
        element: TensorElement,
        frac_bits: u8,
        shape: [u32; 2],
    ) -> Result<&'a [T], Defect> {
        let bytes = self.stored(index, element, frac_bits, shape)?;
        <[T]>::ref_from_bytes(bytes).map_err(|_| Defect::Tensor { index })
    }

    /// The bytes of tensor `index`: the part of [`get`](Self::get) that is in an image once, whatever `T` is.
    #[inline(never)]
    fn stored(
        &self,
        index: u16,
        element: TensorElement,
        frac_bits: u8,
        [rows, cols]: [u32; 2],
    ) -> Result<&'a [u8], Defect> {
        let defect = Defect::Tensor { index };
        let entry = self.entries.get(usize::from(index)).ok_or(defect)?;
        if entry.element != element as u8 || entry.frac_bits != frac_bits || entry.order != 0 {
            return Err(defect);
        }
        if entry.rows != rows || entry.cols != cols {
            return Err(Defect::Shape);
        }
        Ok(tensor_bytes(self.bytes, entry))
    }

    /// Tensor `index` as a column of records of any length.
    pub(super) fn column<T: FromBytes + Immutable + KnownLayout>(
        &self,
        index: u16,
        element: TensorElement,
    ) -> Result<&'a [T], Defect> {
        self.vector(index, element, 0)
    }

    /// Tensor `index` as a column of numbers of any length.
    fn vector<T: FromBytes + Immutable + KnownLayout>(
        &self,
        index: u16,
        element: TensorElement,
        frac_bits: u8,
    ) -> Result<&'a [T], Defect> {
        let entry = self.entries.get(usize::from(index));
        let rows = entry.ok_or(Defect::Tensor { index })?.rows;
        self.get(index, element, frac_bits, [rows, 1])
    }

    /// Tensor `index` as a weight matrix.
    fn matrix(&self, index: u16) -> Result<Matrix<'a>, Defect> {
        let defect = Defect::Tensor { index };
        let entry = self.entries.get(usize::from(index)).ok_or(defect)?;
        if entry.element != TensorElement::I8 as u8 || entry.frac_bits != 0 {
            return Err(defect);
        }
        let order = Order::from_tag(entry.order).ok_or(defect)?;
        let data = <[i8]>::ref_from_bytes(tensor_bytes(self.bytes, entry)).map_err(|_| defect)?;
        let [rows, cols] = [entry.rows, entry.cols].map(|n| usize::try_from(n).unwrap_or(0));
        Matrix::new(data, rows, cols, order).map_err(|_| defect)
    }

    /// Exactly `count` tensors, no more.
    pub(super) fn expect(&self, count: usize) -> Result<(), Defect> {
        if self.entries.len() == count {
            Ok(())
        } else {
            let index = self.entries.len().min(count);
            Err(Defect::Tensor {
                index: u16::try_from(index).unwrap_or(u16::MAX),
            })
        }
    }

    /// The part that `entry` describes; with `prove`, derived values and ranges are checked as well.
    ///
    /// What is not in `READS` is unknown; what would read it is not even linked.
    pub(super) fn body<const READS: u32>(
        &self,
        entry: &PartEntry,
        prove: bool,
    ) -> Result<Body<'a>, Defect> {
        let unknown = Defect::Kind { found: entry.kind };
        let kind = Kind::from_tag(entry.kind).ok_or(unknown)?;
        if !matches!(kind, Kind::Network | Kind::Graph | Kind::Stack) && entry.task != 0 {
            return Err(Defect::Task { found: entry.task });
        }
        match kind {
            Kind::KMeans if has(READS, reads::KMEANS) => {
                self.kmeans::<READS>(entry, prove).map(Body::KMeans)
            }
            Kind::Pca if has(READS, reads::PCA) => self.pca::<READS>(entry, prove).map(Body::Pca),
            Kind::Network if has(READS, reads::NETWORK) => self.task(entry, prove),
            Kind::Gmm if has(READS, reads::GMM) => self.gmm(entry, prove).map(Body::Gmm),
            Kind::LatentClass if has(READS, reads::LATENT_CLASS) => {
                self.latent_class(entry, prove).map(Body::LatentClass)
            }
            Kind::Rbm if has(READS, reads::RBM) => self.rbm(entry, prove).map(Body::Rbm),
            Kind::Dbn if has(READS, reads::DBN) => self.dbn(entry, prove).map(Body::Dbn),
            Kind::Graph if has(READS, reads::GRAPH) => {
                let (graph, task) = self.graph(entry, prove)?;
                Ok(Body::Graph(graph, task))
            }
            Kind::Score if has(READS, reads::SCORE) => self.score(entry, prove).map(Body::Score),
            Kind::Stack if has(READS, reads::STACK) => self.stack(entry),
            _ => Err(unknown),
        }
    }

    fn kmeans<const READS: u32>(
        &self,
        entry: &PartEntry,
        prove: bool,
    ) -> Result<KMeans<'a>, Defect> {
        self.expect(2)?;
        let [k, d, metric, zero] = entry.params;
        let metric = match (metric, zero) {
            (0, 0) => Metric::SquaredEuclidean,
            (1, 0) if has(READS, reads::KMEANS_METRICS) => Metric::Manhattan,
            (2, 0) if has(READS, reads::KMEANS_METRICS) => Metric::Cosine,
            _ => return Err(Defect::Shape),
        };
        let bits = frac_bits(metric.centroid_bits());
        let centroids = self.get(0, TensorElement::I16, bits, [k, d])?;
        let bits = frac_bits(metric.offset_bits());
        let offsets = self.get(1, TensorElement::I64, bits, [k, 1])?;
        let d = usize::try_from(d).map_err(|_| Defect::Shape)?;
        let new = if prove {
            KMeans::with_metric
        } else {
            KMeans::trusted_with_metric
        };
        new(metric, centroids, offsets, d)
    }

    /// Three tensors; two more when the variances are known.
    fn pca<const READS: u32>(&self, entry: &PartEntry, prove: bool) -> Result<Pca<'a>, Defect> {
        let [k, d, zero, zero_2] = entry.params;
        let mean = self.get(0, TensorElement::I16, 12, [1, d])?;
        let components = self.get(1, TensorElement::I16, 15, [k, d])?;
        let offsets = self.get(2, TensorElement::I64, 27, [k, 1])?;
        if zero != 0 || zero_2 != 0 {
            return Err(Defect::Shape);
        }
        let new = if prove { Pca::new } else { Pca::from_trusted };
        let pca = new(mean, components, offsets)?;
        if self.entries.len() == 3 {
            return Ok(pca);
        }
        self.expect(5)?;
        if !has(READS, reads::PCA_SPECTRUM) {
            // Nobody asks for the variances.
            return Ok(pca);
        }
        let total = k.checked_add(1).ok_or(Defect::Shape)?;
        let variances: &[u64] = self.get(3, TensorElement::U64, 24, [total, 1])?;
        let inverses = self.get(4, TensorElement::U64, 32, [k, 1])?;
        let (total, variances) = variances.split_last().ok_or(Defect::Shape)?;
        let new = if prove {
            Spectrum::new
        } else {
            Spectrum::from_trusted
        };
        pca.with_spectrum(new(variances, inverses, *total)?)
    }

    /// Weights, means, factors, shifts, constants, and offsets unless the covariances are diagonal.
    fn gmm(&self, entry: &PartEntry, prove: bool) -> Result<Gmm<'a>, Defect> {
        let [k, d, covariance, zero] = entry.params;
        let covariance = match (covariance, zero) {
            (0, 0) => Covariance::Diagonal,
            (1, 0) => Covariance::Tied,
            (2, 0) => Covariance::Full,
            _ => return Err(Defect::Shape),
        };
        let dimensions = usize::try_from(d).map_err(|_| Defect::Shape)?;
        let components = usize::try_from(k).map_err(|_| Defect::Shape)?;
        if components > gmm::MAX_COMPONENTS || dimensions > gmm::MAX_DIMENSIONS {
            return Err(Defect::Shape);
        }
        let [factors, len, rows] = gmm::factor_shape(covariance, components, dimensions)
            .map(|n| u32::try_from(n).unwrap_or(0));
        let offsets: &[i64] = if covariance == Covariance::Diagonal {
            self.expect(5)?;
            &[]
        } else {
            self.expect(6)?;
            self.get(5, TensorElement::I64, 0, [k, rows])?
        };
        let tensors = gmm::Tensors {
            weights: self.get(0, TensorElement::I32, 30, [k, 1])?,
            means: self.get(1, TensorElement::I16, 12, [k, d])?,
            factors: self.get(2, TensorElement::I16, 0, [factors, len])?,
            shifts: self.get(3, TensorElement::U8, 0, [factors, rows])?,
            constants: self.get(4, TensorElement::I32, 16, [k, 1])?,
            offsets,
        };
        let new = if prove { Gmm::new } else { Gmm::from_trusted };
        new(covariance, dimensions, tensors)
    }

    /// Columns and weights; surprisals if a column is discrete; lines and Gaussians if one is not.
    fn latent_class(&self, entry: &PartEntry, prove: bool) -> Result<LatentClass<'a>, Defect> {
        let [k, columns, cells, gaussians] = entry.params;
        let columns: &[Column] = self.get(0, TensorElement::Column, 0, [columns, 1])?;
        let weights = self.get(1, TensorElement::U16, 12, [k, 1])?;
        let mut next = 2;
        let surprisals: &[u16] = if cells == 0 {
            &[]
        } else {
            next = 3;
            self.get(2, TensorElement::U16, 12, [cells, k])?
        };
        let (lines, gaussians): (&[ScalerFeature], &[Gaussian]) = if gaussians == 0 {
            (&[], &[])
        } else {
            let lines = self.get(next, TensorElement::ScalerFeature, 0, [gaussians, 1])?;
            next = next.saturating_add(2);
            let index = next.saturating_sub(1);
            (
                lines,
                self.get(index, TensorElement::Gaussian, 0, [gaussians, k])?,
            )
        };
        self.expect(usize::from(next))?;
        let new = if prove {
            LatentClass::new
        } else {
            LatentClass::from_trusted
        };
        new(columns, weights, surprisals, lines, gaussians)
    }

    /// The records of a part of machines, as many as it says.
    fn machines(&self, entry: &PartEntry) -> Result<&'a [MachineRecord], Defect> {
        let [count, zero, zero_2, zero_3] = entry.params;
        if zero != 0 || zero_2 != 0 || zero_3 != 0 {
            return Err(Defect::Shape);
        }
        self.get(0, TensorElement::Machine, 0, [count, 1])
    }

    /// One record; weights, the same transposed if they are stored, biases of both sides.
    fn rbm(&self, entry: &PartEntry, prove: bool) -> Result<Rbm<'a>, Defect> {
        let [record] = self.machines(entry)? else {
            return Err(Defect::Shape);
        };
        let mut next = 1;
        let rbm = self.machine(record, &mut next, prove)?;
        self.expect(usize::from(next))?;
        Ok(rbm)
    }

    /// Records, then the tensors of each machine as in a part of one.
    fn dbn(&self, entry: &PartEntry, prove: bool) -> Result<Dbn<'a>, Defect> {
        let records = self.machines(entry)?;
        if records.len() > MAX_LAYERS {
            return Err(Defect::TooManyLayers {
                found: u32::try_from(records.len()).unwrap_or(u32::MAX),
            });
        }
        let (mut next, mut defect) = (1, None);
        let machines = records.iter().map_while(|record| {
            self.machine(record, &mut next, prove)
                .map_err(|found| defect = Some(found))
                .ok()
        });
        let dbn = Dbn::new(machines);
        // A broken machine ends the stack early: its own defect says more than what follows from it.
        if let Some(defect) = defect {
            return Err(defect);
        }
        self.expect(usize::from(next))?;
        dbn
    }

    /// The machine whose first tensor is `next`, which moves on.
    fn machine(
        &self,
        record: &MachineRecord,
        next: &mut u16,
        prove: bool,
    ) -> Result<Rbm<'a>, Defect> {
        let units = match record.units {
            0 => Units::Bernoulli,
            1 => Units::Gaussian,
            _ => return Err(Defect::Shape),
        };
        let scale = Multiplier::new(record.multiplier, u32::from(record.shift))
            .ok_or(Defect::Scale { index: 0 })?;
        let [visible, hidden] =
            [record.visible, record.hidden].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if visible > rbm::MAX_UNITS
            || hidden > rbm::MAX_UNITS
            || record.reserved != 0
            || !(1..=2).contains(&record.orders)
        {
            return Err(Defect::Shape);
        }
        // At most MAX_UNITS.
        let stride = |units| u32::try_from(row_stride(units)).map_err(|_| Defect::Shape);
        let mut take = || {
            let index = *next;
            *next = next.saturating_add(1);
            index
        };
        let weights = self.get(
            take(),
            TensorElement::I8,
            0,
            [record.hidden, stride(visible)?],
        )?;
        let transposed = if record.orders == 2 {
            let shape = [record.visible, stride(hidden)?];
            self.get(take(), TensorElement::I8, 0, shape)?
        } else {
            &[]
        };
        let tensors = rbm::Tensors {
            weights,
            transposed,
            visible_biases: self.get(take(), TensorElement::I32, 12, [record.visible, 1])?,
            hidden_biases: self.get(take(), TensorElement::I32, 12, [record.hidden, 1])?,
        };
        let new = if prove { Rbm::new } else { Rbm::from_trusted };
        new(units, scale, tensors)
    }

    /// Widths, weights and biases. No range is to be proved: sums are exact in 64 bits, whatever the parameters.
    fn stack(&self, entry: &PartEntry) -> Result<Body<'a>, Defect> {
        let [count, hidden, zero, zero_2] = entry.params;
        let task = match Task::from_tag(entry.task) {
            Some(task @ (Task::Autoencoder | Task::Denoiser)) => task,
            _ => return Err(Defect::Task { found: entry.task }),
        };
        let hidden = u8::try_from(hidden).ok().and_then(Hidden::from_tag);
        let (Some(hidden), 0, 0) = (hidden, zero, zero_2) else {
            return Err(Defect::Shape);
        };
        let widths: &[u16] = self.get(0, TensorElement::U16, 0, [count, 1])?;
        let layers = widths.len().saturating_sub(1);
        if layers > net::MAX_LAYERS {
            return Err(Defect::TooManyLayers {
                found: u32::try_from(layers).unwrap_or(u32::MAX),
            });
        }
        if widths.first() != widths.last() {
            return Err(Defect::Shape);
        }
        self.expect(3)?;
        let weights = self.vector(1, TensorElement::I16, 13)?;
        let biases = self.vector(2, TensorElement::I32, 25)?;
        Ok(Body::Stack(
            Stack::new(widths, hidden, weights, biases)?,
            task,
        ))
    }

    /// A network and what it was trained for.
    fn task(&self, entry: &PartEntry, prove: bool) -> Result<Body<'a>, Defect> {
        let [layers, code, zero, zero_2] = entry.params;
        let task = match Task::from_tag(entry.task) {
            Some(task @ (Task::Autoencoder | Task::Denoiser)) => task,
            _ => return Err(Defect::Task { found: entry.task }),
        };
        if zero != 0 || zero_2 != 0 {
            return Err(Defect::Shape);
        }
        let code = match code {
            NO_CODE => None,
            code => Some(u16::try_from(code).map_err(|_| Defect::Shape)?),
        };
        let network = self.network(layers, code, prove)?;
        let coded = task != Task::Autoencoder || network.code_layer().is_some();
        if coded && network.inputs() == network.outputs() {
            Ok(Body::Network(network, task))
        } else {
            Err(Defect::Shape)
        }
    }

    /// One tensor of layer records, then weights and channels of each layer.
    fn network(&self, layers: u32, code: Option<u16>, prove: bool) -> Result<Network<'a>, Defect> {
        let records: &[LayerRecord] = self.get(0, TensorElement::Layer, 0, [layers, 1])?;
        self.expect(records.len().saturating_mul(2).saturating_add(1))?;
        let mut defect = None;
        let mut index = 0u16;
        let stack = records.iter().map_while(|record| {
            let layer = index;
            index = index.saturating_add(1);
            match self.layer(record, layer) {
                Ok(layer) => Some(layer),
                Err(found) => {
                    defect = Some(found);
                    None
                }
            }
        });
        let new = if prove {
            Network::new(stack, code)
        } else {
            Network::from_trusted(stack, code)
        };
        // A broken layer ends the stack early: its own defect says more than what follows from it.
        match defect {
            Some(defect) => Err(defect),
            None => new,
        }
    }

    fn layer(&self, record: &LayerRecord, index: u16) -> Result<Layer<'a>, Defect> {
        let defect = Defect::Layer { layer: index };
        let element = |tag: u8| match tag {
            0 => Ok(Element::I8),
            1 => Ok(Element::I16),
            _ => Err(defect),
        };
        let activation = match record.activation {
            0 => Activation::Clamp,
            1 => Activation::Sigmoid,
            2 => Activation::Tanh,
            _ => return Err(defect),
        };
        if record.reserved != 0
            || record.reserved_2 != 0
            || !(record.output_scale.is_finite() && record.output_scale > 0.0)
        {
            return Err(defect);
        }
        let first = index
            .checked_mul(2)
            .and_then(|i| i.checked_add(1))
            .ok_or(defect)?;
        let weights = self.matrix(first)?;
        let rows = u32::try_from(weights.rows()).map_err(|_| Defect::Shape)?;
        let channels: &[Channel] = self.get(
            first.saturating_add(1),
            TensorElement::Channel,
            0,
            [rows, 1],
        )?;
        Ok(Layer {
            weights,
            channels,
            activation,
            input: element(record.input)?,
            output: element(record.output)?,
            zero_point: record.zero_point,
            min: record.min,
            max: record.max,
        })
    }
}

/// Fractional bits as a directory has them; no format has 256 of them.
pub(super) fn frac_bits(bits: u32) -> u8 {
    u8::try_from(bits).unwrap_or(u8::MAX)
}
