//! Sequential k-means: centroids that follow a stream.

use super::{KMeans, Memory, Metric, Usage};
use crate::kernels::Nearest;
use crate::num::{reciprocal, rounding_shift_right};
use crate::work::DIVISION;
use crate::{Defect, Difference, ShapeError};
use core::num::NonZeroU16;

/// Fractional bits of an accumulator beyond those of a centroid.
const EXTRA_BITS: u32 = 15;

/// Sequential learner (MacQueen 1967) for the squared Euclidean distance.
///
/// Each row moves its nearest centroid a part of the way:
///
/// `c <- c + (x - c) / n`, `n = min(rows of c so far, window)`
///
/// Without a window (65535, the most) a centroid is the mean of the rows that it has won. With one, old
/// rows are forgotten at a rate of `1 / window` for each new one, and centroids follow a drift.
///
/// **Formats.** Centroids are kept in `I5F27` and shown in `I4F12`, rounded to the nearest. A step's
/// `(x - c) / n` is rounded once, so that it vanishes only below `n · 2^-28`: no centroid comes to
/// rest further than 2^-12 from where it belongs, with any window.
///
/// **Dead centroids.** With a [patience](Self::with_patience) of p, a centroid that was nearest in none
/// of the last p steps moves onto the next row that lies further from its nearest centroid than twice
/// the mean of that distance (a mean over some 64 rows). Without, it stays where it is. A centroid
/// whose count is 0 goes to the first row that it wins.
///
/// **Quality.** From k-means++ seeds, five passes over the bundled digits (1797 rows in random order, 64
/// features of one scale, k = 10, 20 seeds) end at 1.029 times the sum of squares of Lloyd's algorithm in
/// f64 from the same seeds, at 1.020 times with a window of 200 (means; single seeds 0.97 to 1.09, as
/// the two end in different local minima). From the best of ten starts on 256 resident rows
/// ([`Lloyd::seed_best_of`](super::Lloyd::seed_best_of)) no seed of 20 ends above 1.024.
///
/// **Work** of a step: `k · d` multiply-accumulates for the search and `4 · d` operations for one centroid (a
/// multiplication to move it, another for its norm), one division, and k counters with a patience:
/// [`step_operations`](Online::step_operations).
///
/// **Memory.** [`Memory`]: `6 · k · d + 16 · k` bytes.
///
/// ```
/// use autodidact::kmeans::{Memory, Online, Usage};
/// let mut centroids = [0, 4096]; // two centroids of one feature, at 0 and at 1
/// let (mut offsets, mut accumulators) = ([0; 2], [0; 2]);
/// let mut usage = [Usage { count: 1, idle: 0 }; 2];
/// let mut online = Online::new(Memory {
///     centroids: &mut centroids,
///     offsets: &mut offsets,
///     accumulators: &mut accumulators,
///     usage: &mut usage,
/// })?;
/// let nearest = online.step(&[3096])?;
/// assert_eq!((nearest.index, nearest.distance), (1, 1000 * 1000));
/// assert_eq!(online.model().centroid(1), Some(&[3596][..])); // the mean of 4096 and 3096
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Online<'m> {
    memory: Memory<'m, i32>,
    dimensions: usize,
    window: u16,
    patience: u32,
    /// Running mean of the distance, `U40F24` with 6 more bits.
    mean: u64,
}

impl<'m> Online<'m> {
    /// A learner that goes on from the centroids in `memory`, with the weights in their usage.
    ///
    /// # Errors
    /// [`Defect::Shape`] when lengths do not fit, there is no centroid or 65535 and more, or more
    /// than 2^16 dimensions.
    pub fn new(memory: Memory<'m, i32>) -> Result<Self, Defect> {
        let dimensions = memory.dimensions()?;
        for (fine, c) in memory.accumulators.iter_mut().zip(memory.centroids.iter()) {
            *fine = i32::from(*c) << EXTRA_BITS;
        }
        let centroids = memory.centroids.chunks_exact(dimensions.max(1));
        for (offset, centroid) in memory.offsets.iter_mut().zip(centroids) {
            *offset = Metric::SquaredEuclidean.offset(centroid);
        }
        Ok(Self {
            memory,
            dimensions,
            window: u16::MAX,
            patience: u32::MAX,
            mean: 0,
        })
    }

    /// A learner that goes on from the centroids of a model, each with the weight of `count` rows.
    ///
    /// ```
    /// use autodidact::kmeans::{KMeans, Storage};
    /// let kmeans = KMeans::new(&[0, 4096], &[0, 4096 * 4096], 1)?;
    /// let mut storage = Storage::<2, 1>::NEW;
    /// let mut online = storage.online_from_model(&kmeans, 3)?;
    /// online.step(&[0])?;
    /// online.step(&[4500])?;
    /// assert_eq!(online.model().centroids(), [0, 4197]); // a quarter of the way
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Defect::Shape`] when the model has other numbers of clusters or of features;
    /// [`Defect::Differs`] when its metric is not the squared Euclidean distance.
    pub fn from_model(
        memory: Memory<'m, i32>,
        model: &KMeans<'_>,
        count: u32,
    ) -> Result<Self, Defect> {
        if model.metric() != Metric::SquaredEuclidean {
            return Err(Defect::Differs(Difference::Metric));
        }
        let mut memory = memory;
        memory.load(model, count)?;
        Self::new(memory)
    }

    /// Forgets: a centroid weighs `window` rows at most (0 is taken for 1).
    #[must_use]
    pub fn with_window(mut self, window: u16) -> Self {
        self.window = window.max(1);
        self
    }

    /// Moves centroids that were nearest in none of the last `patience` steps (0 is taken for 1).
    #[must_use]
    pub fn with_patience(mut self, patience: u32) -> Self {
        self.patience = patience.max(1);
        self
    }

    /// The centroids as they are.
    #[must_use]
    pub fn model(&self) -> KMeans<'_> {
        self.memory.model(Metric::SquaredEuclidean, self.dimensions)
    }

    /// How much each centroid is used.
    #[must_use]
    pub fn usage(&self) -> &[Usage] {
        self.memory.usage
    }

    /// The most that a [`step`](Self::step) takes, in [operations](crate::work).
    #[must_use]
    pub const fn step_operations(k: usize, d: usize) -> u64 {
        let (k, d) = (k as u64, d as u64);
        k * d + 4 * d + 4 * k + 2 * DIVISION
    }

    /// Learns from one row; its nearest centroid and distance before it moved.
    ///
    /// When a dead centroid moved onto the row, that centroid is the row's, at the distance at which
    /// the nearest was.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not `d` long.
    pub fn step(&mut self, row: &[i16]) -> Result<Nearest, ShapeError> {
        let mut nearest = self.model().nearest(row)?;
        let far = self.is_far(nearest.distance);
        if self.patience != u32::MAX
            && let Some(dead) = self.count_idle(nearest.index as usize)
            && far
        {
            nearest.index = dead as u32;
            if let Some(usage) = self.memory.usage.get_mut(dead) {
                *usage = Usage::default();
            }
        }
        self.draw(nearest.index as usize, row);
        Ok(nearest)
    }

    /// Takes a distance into the mean; whether it was more than twice that.
    fn is_far(&mut self, distance: u64) -> bool {
        // Distances stay below 2^48.
        let far = distance << 5 > self.mean;
        self.mean = self.mean - (self.mean >> 6) + distance;
        far
    }

    /// Counts the steps in which a centroid is not the nearest; the first that is out of patience.
    fn count_idle(&mut self, nearest: usize) -> Option<usize> {
        let patience = self.patience;
        let mut dead = None;
        for (index, usage) in self.memory.usage.iter_mut().enumerate() {
            usage.idle = if index == nearest {
                0
            } else {
                usage.idle.saturating_add(1)
            };
            if usage.idle >= patience && dead.is_none() {
                dead = Some(index);
            }
        }
        dead
    }

    /// Moves one centroid towards a row.
    fn draw(&mut self, index: usize, row: &[i16]) {
        let (d, memory) = (self.dimensions, &mut self.memory);
        let (Some(usage), Some(offset)) =
            (memory.usage.get_mut(index), memory.offsets.get_mut(index))
        else {
            return;
        };
        usage.count = usage.count.saturating_add(1).min(self.window.into());
        // The window is a u16, and a count of at least 1 is left.
        let rate = reciprocal(NonZeroU16::new(usage.count as u16).unwrap_or(NonZeroU16::MIN));
        let start = index * d;
        let fine = memory.accumulators.get_mut(start..).unwrap_or_default();
        let centroid = memory.centroids.get_mut(start..).unwrap_or_default();
        let mut square = 0i64;
        for ((fine, c), x) in fine.iter_mut().zip(centroid).zip(row) {
            // Both lie within ±2^30, so that the difference fits; a part of it leads no further than x.
            let way = (i32::from(*x) << EXTRA_BITS).wrapping_sub(*fine);
            *fine = fine.wrapping_add(rate.apply(way));
            // Never above (2^15 - 1) · 2^15, hence never rounded up to 2^15.
            *c = rounding_shift_right(i64::from(*fine), EXTRA_BITS) as i16;
            square += i64::from(i32::from(*c) * i32::from(*c));
        }
        *offset = square;
    }
}
