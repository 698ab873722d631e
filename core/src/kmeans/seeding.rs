//! Where the first centroids are put.

use super::direction::{BITS, COSINE_BITS, WEIGHT_BITS};
use super::{Lloyd, Metric, Usage};
use crate::num::sqrt;
use crate::slices::copy;
use crate::work::DIVISION;
use crate::{Operand, ShapeError};
use rand_core::Rng;

/// A uniform integer in `0..bound`: `floor(word · bound / 2^64)`. A `bound` of 0 gives 0.
///
/// Every value has its probability to 2^-64.
pub(super) fn below<R: Rng + ?Sized>(rng: &mut R, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// A k-means++ seeding under way: [`Lloyd::seed_step`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlusPlus {
    stage: Stage,
    /// The centroid that is looked for.
    cluster: usize,
    /// The next row of the pass.
    row: usize,
}

/// What is done with the rows of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Count those that can be a centroid.
    Count { usable: u64 },
    /// Pass over so many of them for the first centroid.
    First { left: u64 },
    /// Add up their distances from the nearest centroid.
    Weigh { total: u64 },
    /// Walk as far as was drawn for the next centroid.
    Draw { left: u64 },
}

impl PlusPlus {
    /// A seeding that has not begun.
    pub const NEW: Self = Self {
        stage: Stage::Count { usable: 0 },
        cluster: 0,
        row: 0,
    };

    /// Begins a pass.
    const fn pass(&mut self, stage: Stage) {
        self.stage = stage;
        self.row = 0;
    }
}

impl Default for PlusPlus {
    fn default() -> Self {
        Self::NEW
    }
}

impl Lloyd<'_> {
    /// k-means++ (Arthur and Vassilvitskii 2007): each next centroid is put on a row drawn with
    /// probability proportional to its distance from those before, the first on any row.
    ///
    /// The distance is the metric's own: squared for k-means (their `D^2` weighting), plain for
    /// Manhattan, `1 - cos` for the cosine, where rows of zeros are passed over and what lies within the
    /// rounding of a direction, `(sqrt(d) + 2) · 2^-16`, counts as 0. One draw a centroid, no greedy trials;
    /// the sums are exact, so that a seed gives the same rows everywhere.
    ///
    /// Work: three distances for each row and centroid, `3 · n · k · d`; [`seed_step`](Self::seed_step) takes it row by
    /// row. Scratch: the assignments.
    ///
    /// Returns the number of different centroids. It is less than k where there are fewer different
    /// rows; the rest repeat the first and stay empty.
    pub fn seed_plus_plus<R: Rng + ?Sized>(&mut self, rng: &mut R) -> usize {
        let mut seeding = PlusPlus::NEW;
        loop {
            if let Some(different) = self.seed_step(&mut seeding, rng) {
                return different;
            }
        }
    }

    /// The most that a [`seed_step`](Self::seed_step) takes, in [operations](crate::work), beside clearing `n`
    /// assignments in the step that puts the first centroid and in the last.
    #[must_use]
    pub const fn seed_step_operations(metric: Metric, k: usize, d: usize) -> u64 {
        let d = d as u64;
        // A centroid put in place.
        let coordinate = match metric {
            Metric::SquaredEuclidean | Metric::Manhattan => 0,
            Metric::Cosine => 2 * DIVISION,
        };
        // Two distances; or the first centroid repeated.
        8 * d + 2 * k as u64 * d + d * coordinate + 8 * DIVISION
    }

    /// One row of [`seed_plus_plus`](Self::seed_plus_plus), with the same draws and the same result; what that
    /// returns in the last of at most `2 n k + n` steps. Nothing else may be done with the learner in between.
    ///
    /// ```
    /// use autodidact::kmeans::{Metric, PlusPlus, Storage};
    /// use autodidact::rng::Generator;
    /// let rows = [0, 10, 20, 4000, 4010, 4020]; // six rows of one feature
    /// let (mut storage, mut assignments) = (Storage::<2, 1>::NEW, [0; 6]);
    /// let mut lloyd = storage.lloyd(Metric::SquaredEuclidean, &rows, &mut assignments)?;
    /// let (mut seeding, mut rng) = (PlusPlus::NEW, Generator::from_seed(1));
    /// let different = loop {
    ///     // Other work goes here.
    ///     if let Some(different) = lloyd.seed_step(&mut seeding, &mut rng) {
    ///         break different;
    ///     }
    /// };
    /// assert_eq!(different, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seed_step<R: Rng + ?Sized>(
        &mut self,
        seeding: &mut PlusPlus,
        rng: &mut R,
    ) -> Option<usize> {
        let row = seeding.row;
        seeding.row += 1;
        let last = seeding.row >= self.assignments.len();
        match &mut seeding.stage {
            Stage::Count { usable } => {
                *usable += u64::from(self.is_usable(row));
                if last {
                    let usable = *usable;
                    let left = below(rng, usable);
                    if usable == 0 {
                        return Some(self.repeat_first(0));
                    }
                    seeding.pass(Stage::First { left });
                }
            }
            Stage::First { left } => {
                if self.is_usable(row) {
                    if *left == 0 {
                        self.assignments.fill(0);
                        return self.place_seed(seeding, row);
                    }
                    *left -= 1;
                }
            }
            Stage::Weigh { total } => {
                let (own, newest) = (self.assignment(row), seeding.cluster as u16 - 1);
                let mut weight = self.seeding_weight(row, own);
                if own != newest {
                    let other = self.seeding_weight(row, newest);
                    if other < weight {
                        weight = other;
                        self.assign(row, newest);
                    }
                }
                // At most 2^32 for each of fewer than 2^32 elements, or 2^31 for each row.
                *total = total.wrapping_add(weight);
                if last {
                    let total = *total;
                    if total == 0 {
                        return Some(self.repeat_first(seeding.cluster));
                    }
                    let left = below(rng, total);
                    seeding.pass(Stage::Draw { left });
                }
            }
            Stage::Draw { left } => {
                let weight = self.seeding_weight(row, self.assignment(row));
                // Less than the total is drawn: the last row is reached at the latest.
                if *left < weight || last {
                    return self.place_seed(seeding, row);
                }
                *left -= weight;
            }
        }
        None
    }

    /// Puts the next centroid on a row; the number of centroids when it is the last.
    fn place_seed(&mut self, seeding: &mut PlusPlus, row: usize) -> Option<usize> {
        self.put(seeding.cluster, row);
        seeding.cluster += 1;
        if seeding.cluster < self.k() {
            seeding.pass(Stage::Weigh { total: 0 });
            return None;
        }
        self.restart();
        Some(self.k())
    }

    /// Goes on from other centroids, such as the best of several starts.
    ///
    /// # Errors
    /// [`ShapeError`] when there are not `k · d` coordinates.
    pub fn start_from(&mut self, centroids: &[i16]) -> Result<(), ShapeError> {
        let (metric, d) = (self.metric, self.dimensions.max(1));
        ShapeError::exact(
            Operand::Weights,
            self.memory.centroids.len(),
            centroids.len(),
        )?;
        for (cluster, centroid) in centroids.chunks_exact(d).enumerate() {
            self.memory.place(metric, d, cluster, centroid);
        }
        self.restart();
        Ok(())
    }

    /// The best of several starts: k-means++ and `rounds` rounds, `starts` times; goes on from the centroids
    /// whose last round had the least potential, which are in `best` as well.
    ///
    /// A start decides which local minimum a learner ends in. Along a stream, where rows cannot be gone over
    /// again, a good one is worth its price: the rows are resident only until then.
    ///
    /// Work: that of [`seed_plus_plus`](Self::seed_plus_plus) and [`fit`](Self::fit), `starts` times.
    ///
    /// # Errors
    /// [`ShapeError`] when `best` has not `k · d` coordinates.
    pub fn seed_best_of<R: Rng + ?Sized>(
        &mut self,
        starts: u32,
        rounds: u32,
        best: &mut [i16],
        rng: &mut R,
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.memory.centroids.len(), best.len())?;
        let mut least = None;
        for _ in 0..starts.max(1) {
            self.seed_plus_plus(rng);
            let potential = self.fit(rounds).potential;
            if least.is_none_or(|least| potential < least) {
                least = Some(potential);
                copy(self.memory.centroids, best);
            }
        }
        self.start_from(best)
    }

    /// Rows drawn uniformly, none twice (Knuth's algorithm S), except rows of zeros for the cosine.
    ///
    /// Work: one draw for each row until there are enough.
    ///
    /// Returns the number of rows drawn. It is less than k where there are fewer rows; the rest
    /// repeat the first and stay empty.
    pub fn seed_random<R: Rng + ?Sized>(&mut self, rng: &mut R) -> usize {
        let mut left = self.usable_rows();
        let wanted = left.min(self.k());
        let mut taken = 0;
        for row in 0..self.assignments.len() {
            if taken == wanted {
                break;
            }
            if !self.is_usable(row) {
                continue;
            }
            if below(rng, left as u64) < (wanted - taken) as u64 {
                self.put(taken, row);
                taken += 1;
            }
            left -= 1;
        }
        if taken < self.k() {
            return self.repeat_first(taken);
        }
        self.restart();
        taken
    }

    /// Copies the first centroid onto all from `from` on; the first axis where there is none.
    fn repeat_first(&mut self, from: usize) -> usize {
        let d = self.dimensions.max(1);
        if from == 0 {
            let (metric, memory) = (self.metric, &mut self.memory);
            for centroid in memory.centroids.chunks_exact_mut(d) {
                first_axis(centroid);
            }
            for (offset, centroid) in memory
                .offsets
                .iter_mut()
                .zip(memory.centroids.chunks_exact(d))
            {
                *offset = metric.offset(centroid);
            }
        } else if let Some((first, rest)) = self.memory.centroids.split_at_mut_checked(d) {
            for centroid in rest.chunks_exact_mut(d).skip(from - 1) {
                copy(first, centroid);
            }
            if let Some((first, rest)) = self.memory.offsets.split_first_mut() {
                rest.iter_mut()
                    .skip(from - 1)
                    .for_each(|offset| *offset = *first);
            }
        }
        self.restart();
        from
    }

    fn put(&mut self, cluster: usize, row: usize) {
        let rows = self.rows;
        if let Some(row) = rows.chunks_exact(self.dimensions.max(1)).nth(row) {
            self.memory
                .place(self.metric, self.dimensions, cluster, row);
        }
        if let Some(usage) = self.memory.usage.get_mut(cluster) {
            *usage = Usage { count: 1, idle: 0 };
        }
    }

    fn usable_rows(&self) -> usize {
        (0..self.assignments.len())
            .filter(|row| self.is_usable(*row))
            .count()
    }

    /// Rows of zeros have no direction.
    fn is_usable(&self, row: usize) -> bool {
        self.metric != Metric::Cosine || self.row(row).iter().any(|x| *x != 0)
    }

    fn seeding_weight(&self, row: usize, cluster: u16) -> u64 {
        if !self.is_usable(row) {
            return 0;
        }
        let contribution = self.contribution(row, cluster).max(0).cast_unsigned();
        match self.metric {
            Metric::SquaredEuclidean | Metric::Manhattan => contribution,
            // A row on a centroid is off by the rounding of its d coordinates, up to 2^-16 each, and
            // 2^-15 for a 1.
            Metric::Cosine => {
                let weight = contribution >> (WEIGHT_BITS + BITS - COSINE_BITS);
                let rounding =
                    (u64::from(sqrt(self.dimensions as u64)) + 2) << (COSINE_BITS - BITS - 1);
                if weight <= rounding { 0 } else { weight }
            }
        }
    }
}

/// The unit vector of the first axis in `I1F15`.
pub(super) fn first_axis(centroid: &mut [i16]) {
    centroid.fill(0);
    if let Some(first) = centroid.first_mut() {
        *first = i16::MAX;
    }
}
