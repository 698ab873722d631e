//! The memory that learners borrow.

use super::{KMeans, Lloyd, Metric, Online};
use crate::slices::copy;
use crate::{Defect, Difference};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How much a centroid is used.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct Usage {
    /// Rows that the centroid stands for: those of the last round of [`Lloyd`], those that [`Online`]
    /// has seen (up to its window).
    pub count: u32,
    /// Steps of [`Online`] since the centroid was last nearest.
    pub idle: u32,
}

/// The arrays of a learner of k centroids in d dimensions.
///
/// k is the number of usages, d what the number of centroid coordinates makes of it. [`Lloyd`] sums in
/// `i64`, [`Online`] in `i32`. [`Storage`] is such memory for a k and a d known to the compiler.
#[derive(Debug)]
pub struct Memory<'m, A> {
    /// Centroids, row-major, `k · d`.
    pub centroids: &'m mut [i16],
    /// [Offsets](Metric::offset) of the centroids, `k`.
    pub offsets: &'m mut [i64],
    /// What the learner sums in, `k · d`.
    pub accumulators: &'m mut [A],
    /// One for each centroid, `k`.
    pub usage: &'m mut [Usage],
}

impl<A> Memory<'_, A> {
    /// Puts the centroids of a model here, each with the weight of `count` rows; whose metric it is, the caller
    /// sees to.
    pub(super) fn load(&mut self, model: &KMeans<'_>, count: u32) -> Result<(), Defect> {
        if self.usage.len() != model.k() || self.dimensions()? != model.dimensions() {
            return Err(Defect::Shape);
        }
        copy(model.centroids(), self.centroids);
        self.usage.fill(Usage { count, idle: 0 });
        Ok(())
    }

    /// The number of dimensions, when the lengths fit.
    pub(super) fn dimensions(&self) -> Result<usize, Defect> {
        let k = self.usage.len();
        let d = self.centroids.len().checked_div(k).ok_or(Defect::Shape)?;
        // Up to 2^16 dimensions, so that every sum below has its headroom.
        let fits = (1..=1 << 16).contains(&d)
            && k < usize::from(u16::MAX)
            && k.checked_mul(d) == Some(self.centroids.len())
            && self.accumulators.len() == self.centroids.len()
            && self.offsets.len() == k;
        if fits { Ok(d) } else { Err(Defect::Shape) }
    }

    /// Copies a row onto a centroid and derives its offset; what is out of range does nothing.
    pub(super) fn place(&mut self, metric: Metric, d: usize, cluster: usize, row: &[i16]) {
        let centroids = self.centroids.chunks_exact_mut(d.max(1));
        let mut targets = centroids.zip(self.offsets.iter_mut());
        if let Some((centroid, offset)) = targets.nth(cluster) {
            if metric == Metric::Cosine {
                super::direction::normalise(row.iter().map(|x| i64::from(*x)), centroid);
            } else {
                copy(row, centroid);
            }
            *offset = metric.offset(centroid);
        }
    }

    /// The view of the centroids.
    pub(super) fn model(&self, metric: Metric, dimensions: usize) -> KMeans<'_> {
        KMeans {
            metric,
            centroids: self.centroids,
            offsets: self.offsets,
            dimensions,
        }
    }
}

/// Memory for learners of `K` centroids in `D` dimensions: `10 · K · D + 16 · K + 8` bytes, 1416 for eight
/// centroids of sixteen features.
///
/// The centroids stay when one learner gives way to another, so that [`Lloyd`] on a few rows can
/// start what [`Online`] goes on with. What was learnt by the cosine are directions, in another format than
/// features: no learner by another metric goes on from them.
///
/// ```
/// use autodidact::kmeans::{Metric, Storage};
/// use autodidact::rng::Generator;
///
/// static ROWS: [i16; 8] = [0, 10, 20, 30, 4000, 4010, 4020, 4030]; // eight rows of one feature
/// let mut storage = Storage::<2, 1>::NEW;
/// let mut assignments = [0; 8];
/// let mut lloyd = storage.lloyd(Metric::SquaredEuclidean, &ROWS, &mut assignments)?;
/// lloyd.seed_plus_plus(&mut Generator::from_seed(1));
/// assert!(lloyd.fit(20).converged);
///
/// let mut online = storage.online()?.with_window(100);
/// online.step(&[4100])?;
/// let mut centroids = [online.model().centroid(0).unwrap()[0], online.model().centroid(1).unwrap()[0]];
/// centroids.sort();
/// assert_eq!(centroids, [15, 4032]); // 4015 + (4100 - 4015) / 5
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// In this order the centroids lie on a word boundary, where the kernels are fastest.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Storage<const K: usize, const D: usize> {
    accumulators: [[i64; D]; K],
    offsets: [i64; K],
    usage: [Usage; K],
    centroids: [[i16; D]; K],
    /// What the centroids are compared by, which gives them their format.
    metric: Metric,
}

impl<const K: usize, const D: usize> Storage<K, D> {
    /// All zero.
    pub const NEW: Self = Self {
        accumulators: [[0; D]; K],
        offsets: [0; K],
        usage: [Usage { count: 0, idle: 0 }; K],
        centroids: [[0; D]; K],
        metric: Metric::SquaredEuclidean,
    };

    /// The arrays as [`Lloyd`] borrows them, and the metric of the centroids.
    fn batch_memory(&mut self) -> (Memory<'_, i64>, &mut Metric) {
        let memory = Memory {
            centroids: self.centroids.as_flattened_mut(),
            offsets: &mut self.offsets,
            accumulators: self.accumulators.as_flattened_mut(),
            usage: &mut self.usage,
        };
        (memory, &mut self.metric)
    }

    /// The arrays as [`Online`] borrows them, and the metric of the centroids: half of the accumulators' bytes stay
    /// unused.
    fn online_memory(&mut self) -> (Memory<'_, i32>, &mut Metric) {
        let bytes = self.accumulators.as_flattened_mut().as_mut_bytes();
        // Words of half the size, of which there are twice as many: the cast does not fail.
        let words = <[i32]>::mut_from_bytes(bytes).unwrap_or_default();
        let memory = Memory {
            accumulators: words.get_mut(..K * D).unwrap_or_default(),
            centroids: self.centroids.as_flattened_mut(),
            offsets: &mut self.offsets,
            usage: &mut self.usage,
        };
        (memory, &mut self.metric)
    }

    /// A batch learner that goes on from the centroids that are here: [`Lloyd::new`].
    ///
    /// # Errors
    /// [`Defect::Shape`] when `rows` is no multiple of `D` or `assignments` not as long as there are
    /// rows; [`Defect::Differs`] when the centroids are directions and `metric` is not the cosine.
    pub fn lloyd<'m>(
        &'m mut self,
        metric: Metric,
        rows: &'m [i16],
        assignments: &'m mut [u16],
    ) -> Result<Lloyd<'m>, Defect> {
        let (memory, stored) = self.batch_memory();
        check_format(*stored, metric)?;
        let lloyd = Lloyd::new(metric, rows, memory, assignments)?;
        *stored = metric;
        Ok(lloyd)
    }

    /// A batch learner that goes on from the centroids of a model, by its metric: [`Lloyd::from_model`].
    ///
    /// # Errors
    /// As [`Lloyd::from_model`].
    pub fn lloyd_from_model<'m>(
        &'m mut self,
        model: &KMeans<'_>,
        rows: &'m [i16],
        assignments: &'m mut [u16],
    ) -> Result<Lloyd<'m>, Defect> {
        let (memory, stored) = self.batch_memory();
        let lloyd = Lloyd::from_model(model, rows, memory, assignments)?;
        *stored = model.metric();
        Ok(lloyd)
    }

    /// A sequential learner that goes on from the centroids that are here: [`Online::new`].
    ///
    /// # Errors
    /// [`Defect::Shape`] when `K` or `D` is 0 or too large; [`Defect::Differs`] when the centroids are directions.
    pub fn online(&mut self) -> Result<Online<'_>, Defect> {
        let (memory, stored) = self.online_memory();
        check_format(*stored, Metric::SquaredEuclidean)?;
        let online = Online::new(memory)?;
        *stored = Metric::SquaredEuclidean;
        Ok(online)
    }

    /// A sequential learner that goes on from the centroids of a model: [`Online::from_model`].
    ///
    /// # Errors
    /// As [`Online::from_model`].
    pub fn online_from_model(
        &mut self,
        model: &KMeans<'_>,
        count: u32,
    ) -> Result<Online<'_>, Defect> {
        let (memory, stored) = self.online_memory();
        let online = Online::from_model(memory, model, count)?;
        *stored = Metric::SquaredEuclidean;
        Ok(online)
    }
}

/// `Ok` unless directions were to be taken for features.
fn check_format(stored: Metric, metric: Metric) -> Result<(), Defect> {
    if stored == Metric::Cosine && metric != Metric::Cosine {
        return Err(Defect::Differs(Difference::Metric));
    }
    Ok(())
}

const _: () = assert!(size_of::<Storage<8, 16>>() + size_of::<Online<'_>>() <= 2048);
const _: () = assert!(size_of::<Storage<8, 16>>() + size_of::<Lloyd<'_>>() <= 2048);
