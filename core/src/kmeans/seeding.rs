//! Where the first centroids are put.

use super::direction::{BITS, COSINE_BITS, WEIGHT_BITS};
use super::{Lloyd, Metric, Usage};
use crate::num::sqrt;
use crate::slices::copy;
use rand_core::Rng;

/// A uniform integer in `0..bound`: `floor(word · bound / 2^64)`. A `bound` of 0 gives 0.
///
/// Every value has its probability to 2^-64.
pub(super) fn below<R: Rng + ?Sized>(rng: &mut R, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
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
    /// Work: three distances for each row and centroid, `3 · n · k · d`. Scratch: the assignments.
    ///
    /// Returns the number of different centroids. It is less than k where there are fewer different
    /// rows; the rest repeat the first and stay empty.
    pub fn seed_plus_plus<R: Rng + ?Sized>(&mut self, rng: &mut R) -> usize {
        let Some(first) = self.any_row(rng) else {
            return self.repeat_first(0);
        };
        self.put(0, first);
        self.assignments.fill(0);
        for cluster in 1..self.k() {
            let newest = cluster as u16 - 1;
            let mut total = 0u64;
            for row in 0..self.assignments.len() {
                let own = self.assignment(row);
                let mut weight = self.seeding_weight(row, own);
                if own != newest {
                    let other = self.seeding_weight(row, newest);
                    if other < weight {
                        weight = other;
                        self.assign(row, newest);
                    }
                }
                // At most 2^32 for each of fewer than 2^32 elements, or 2^31 for each row.
                total = total.wrapping_add(weight);
            }
            if total == 0 {
                return self.repeat_first(cluster);
            }
            let mut left = below(rng, total);
            let mut drawn = 0;
            for row in 0..self.assignments.len() {
                let weight = self.seeding_weight(row, self.assignment(row));
                if left < weight {
                    drawn = row;
                    break;
                }
                left -= weight;
            }
            self.put(cluster, drawn);
        }
        self.restart();
        self.k()
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

    /// A row that can be a centroid, each with the same probability.
    fn any_row<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<usize> {
        let place = below(rng, self.usable_rows() as u64) as usize;
        (0..self.assignments.len())
            .filter(|row| self.is_usable(*row))
            .nth(place)
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
