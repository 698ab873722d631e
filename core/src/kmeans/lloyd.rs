//! Lloyd's algorithm on rows in RAM: assign, update, until no centroid moves.

use super::direction::{self, BITS, Length, Normaliser, WEIGHT_BITS};
use super::{KMeans, Memory, Metric, Usage};
use crate::kernels::{self, dot};
use crate::num::saturating_i16;
use crate::work::{DIVISION, WIDE};
use crate::{Defect, ShapeError};

/// What one round of [`Lloyd`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Round {
    /// Sum of all rows' distances to their nearest centroids, in the metric's format, before the
    /// centroids moved. Never above that of the round before.
    pub potential: u64,
    /// Rows that changed sides; all of them in a first round.
    pub reassigned: u32,
    /// Centroids that moved to a better place among their rows.
    pub moved: u32,
    /// Centroids without rows that moved onto a row.
    pub reseeded: u32,
}

impl Round {
    /// Whether the centroids are fixed points: another round would give the same.
    #[must_use]
    pub const fn converged(&self) -> bool {
        self.moved == 0 && self.reseeded == 0
    }
}

/// What [`Lloyd::fit`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fit {
    /// Rounds that were run.
    pub rounds: u32,
    /// Whether the last round [converged](Round::converged).
    pub converged: bool,
    /// The last round's [potential](Round::potential): that of the centroids, if it converged.
    pub potential: u64,
}

/// Batch learner over n rows in RAM (Lloyd 1982), for every [`Metric`].
///
/// A round assigns every row to its nearest centroid and then moves each centroid to where the sum of
/// its rows' distances is least:
///
/// | metric | centroid | |
/// |---|---|---|
/// | squared Euclidean | mean, rounded to the nearest `I4F12` | the least among `I4F12` numbers: a parabola in each coordinate |
/// | Manhattan | median, the lower of two | exact |
/// | cosine | direction of the sum of the rows' directions (Dhillon and Modha 2001) | rounded to `I1F15` |
///
/// **The potential never rises**, to the last bit. A coordinate that is a best one already stays; a
/// direction moves only if the exact sum of its rows' cosines grows in spite of the rounding. (Rows
/// enter that sum as `x · w`, `w = floor(2^40 / |x|)`, an integer factor, so that the sum over rows and
/// its product with a centroid are the same exact integer in either order.) Hence it converges, too.
///
/// **Quality.** On the bundled digits (1797 rows, 64 features of one scale, k = 10, 20 k-means++ seeds) the
/// sum of squares ends within 10^-8 of Lloyd's algorithm in f64 from the same seeds.
///
/// **Centroids without rows** move, in the order of their indices, onto the row that lies furthest
/// from its own centroid (the first of equals), as long as that lowers the potential.
///
/// **Time slices.** [`step`](Self::step) takes one row, the last of a pass all centroids as well:
/// [`step_operations`](Self::step_operations). A round has n steps for the assignment and one for the update; for
/// Manhattan up to 17 n of d operations more (the median is found bit by bit, by counting);
/// and n for every centroid without rows.
///
/// **Memory.** [`Memory`], and 2 bytes for each row.
///
/// ```
/// use autodidact::kmeans::{Metric, Storage};
/// let rows = [0, 0, 0, 40, 40, 0, 900, 900, 1000, 1000]; // five rows of two features
/// let mut storage = Storage::<2, 2>::NEW;
/// let mut assignments = [0; 5];
/// let mut lloyd = storage.lloyd(Metric::Manhattan, &rows, &mut assignments)?;
/// lloyd.seed_random(&mut autodidact::rng::Generator::from_seed(5));
/// let fit = lloyd.fit(100);
/// assert!(fit.converged);
/// assert_eq!(fit.potential, 40 + 40 + 200);
/// assert_eq!(lloyd.assignments().iter().filter(|a| **a == lloyd.assignments()[0]).count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lloyd<'m> {
    pub(super) metric: Metric,
    pub(super) dimensions: usize,
    pub(super) rows: &'m [i16],
    pub(super) memory: Memory<'m, i64>,
    pub(super) assignments: &'m mut [u16],
    phase: Phase,
    /// The next row of the pass.
    at: usize,
    /// Sum of [`contribution`](Lloyd::contribution)s: below 2^96.
    potential: i128,
    reassigned: u32,
    moved: u32,
    reseeded: u32,
}

/// What is done with the rows of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Assign,
    /// Manhattan: count the rows below and above each coordinate.
    Check,
    /// Manhattan: find one bit of the medians.
    Median {
        bit: u32,
    },
    /// Search the row for an empty cluster.
    Furthest {
        cluster: u16,
        row: usize,
        contribution: i64,
    },
}

/// What no centroid has as its index.
const UNASSIGNED: u16 = u16::MAX;
/// Marks a coordinate that is a median already.
const SETTLED: i64 = i64::MIN;

/// The number of dimensions, when the lengths fit.
fn check(rows: &[i16], memory: &Memory<'_, i64>, assignments: &[u16]) -> Result<usize, Defect> {
    let dimensions = memory.dimensions()?;
    let fits = !rows.is_empty()
        && u32::try_from(rows.len()).is_ok()
        && assignments.len() <= 1 << 20
        && assignments.len().checked_mul(dimensions) == Some(rows.len());
    if fits {
        Ok(dimensions)
    } else {
        Err(Defect::Shape)
    }
}

impl<'m> Lloyd<'m> {
    /// A learner of the rows (row-major, `n · d`, `I4F12`) that goes on from the centroids in `memory`.
    ///
    /// Centroids for the cosine are normalised unless they are unit vectors, and one of zeros becomes the
    /// first axis. `assignments`
    /// holds one entry a row.
    ///
    /// # Errors
    /// [`Defect::Shape`] when lengths do not fit, there are no rows, 65535 centroids or more, more than
    /// 2^16 dimensions, more than 2^20 rows, or 2^32 elements or more.
    pub fn new(
        metric: Metric,
        rows: &'m [i16],
        memory: Memory<'m, i64>,
        assignments: &'m mut [u16],
    ) -> Result<Self, Defect> {
        let dimensions = check(rows, &memory, assignments)?;
        let centroids = memory.centroids.chunks_exact_mut(dimensions.max(1));
        for (offset, centroid) in memory.offsets.iter_mut().zip(centroids) {
            if metric == Metric::Cosine && !direction::is_unit(centroid) {
                match normaliser(centroid) {
                    Some(by) => centroid
                        .iter_mut()
                        .for_each(|c| *c = by.coordinate((*c).into())),
                    None => super::seeding::first_axis(centroid),
                }
            }
            *offset = metric.offset(centroid);
        }
        let mut lloyd = Self {
            metric,
            dimensions,
            rows,
            memory,
            assignments,
            phase: Phase::Assign,
            at: 0,
            potential: 0,
            reassigned: 0,
            moved: 0,
            reseeded: 0,
        };
        lloyd.restart();
        Ok(lloyd)
    }

    /// A learner of the rows that goes on from the centroids of a model, by the model's metric.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Defect::Shape`] when the model has other numbers of clusters or of features than
    /// `memory`.
    pub fn from_model(
        model: &KMeans<'_>,
        rows: &'m [i16],
        memory: Memory<'m, i64>,
        assignments: &'m mut [u16],
    ) -> Result<Self, Defect> {
        check(rows, &memory, assignments)?;
        let mut memory = memory;
        memory.load(model, 0)?;
        Self::new(model.metric(), rows, memory, assignments)
    }

    /// The centroids as they are, in the middle of a round too.
    #[must_use]
    pub fn model(&self) -> KMeans<'_> {
        self.memory.model(self.metric, self.dimensions)
    }

    /// The centroid of each row, as of the last round. `u16::MAX` before the first.
    #[must_use]
    pub fn assignments(&self) -> &[u16] {
        self.assignments
    }

    /// How many rows each centroid had in the last round.
    #[must_use]
    pub fn usage(&self) -> &[Usage] {
        self.memory.usage
    }

    /// Rounds until nothing moves, `limit` at most.
    pub fn fit(&mut self, limit: u32) -> Fit {
        let mut fit = Fit {
            rounds: 0,
            converged: false,
            potential: u64::MAX,
        };
        while fit.rounds < limit && !fit.converged {
            let round = self.round();
            fit = Fit {
                rounds: fit.rounds + 1,
                converged: round.converged(),
                potential: round.potential,
            };
        }
        fit
    }

    /// What is left of a round.
    pub fn round(&mut self) -> Round {
        loop {
            if let Some(round) = self.step() {
                return round;
            }
        }
    }

    /// The most that a [`step`](Self::step) takes, in [operations](crate::work).
    ///
    /// A row takes `(k + 2) d` at most, and clearing the sums before the first `2 k d`. The last step of a
    /// pass moves the centroids besides: a division for each of the `k d` coordinates (squared Euclidean), a
    /// bit of a median (Manhattan), or for the cosine two products of 128 bits and a normalised one.
    #[must_use]
    pub const fn step_operations(metric: Metric, k: usize, d: usize) -> u64 {
        let (k, d) = (k as u64, d as u64);
        let coordinate = match metric {
            Metric::SquaredEuclidean => DIVISION + WIDE,
            Metric::Manhattan => 2 * WIDE,
            Metric::Cosine => 2 * DIVISION,
        };
        (k + 2) * d * 2 + k * d * coordinate + (k + 3) * DIVISION
    }

    /// One row, or all centroids at the end of a pass; what the round did when it is its last step.
    pub fn step(&mut self) -> Option<Round> {
        let row = self.at;
        self.at += 1;
        match &mut self.phase {
            Phase::Assign => {
                if row == 0 {
                    self.memory.accumulators.fill(0);
                    self.memory
                        .usage
                        .iter_mut()
                        .for_each(|usage| usage.count = 0);
                }
                self.assign_row(row);
            }
            Phase::Check => self.count_sides(row),
            Phase::Median { bit } => {
                let bit = *bit;
                self.count_below(row, bit);
            }
            Phase::Furthest { .. } => self.look_at(row),
        }
        if self.at < self.assignments.len() {
            return None;
        }
        self.at = 0;
        self.end_of_pass()
    }

    pub(super) fn k(&self) -> usize {
        self.memory.usage.len()
    }

    /// Forgets what a round has come to so far.
    pub(super) fn restart(&mut self) {
        self.assignments.fill(UNASSIGNED);
        self.begin();
    }

    fn begin(&mut self) {
        self.phase = Phase::Assign;
        self.at = 0;
        self.potential = 0;
        self.reassigned = 0;
        self.moved = 0;
        self.reseeded = 0;
    }

    pub(super) fn row(&self, row: usize) -> &'m [i16] {
        let start = row.saturating_mul(self.dimensions);
        let rows = self.rows.get(start..).unwrap_or(&[]);
        rows.get(..self.dimensions).unwrap_or(&[])
    }

    pub(super) fn assignment(&self, row: usize) -> u16 {
        self.assignments.get(row).copied().unwrap_or(UNASSIGNED)
    }

    pub(super) fn assign(&mut self, row: usize, cluster: u16) {
        if let Some(assignment) = self.assignments.get_mut(row) {
            *assignment = cluster;
        }
    }

    /// What a row adds to the potential in a cluster: its distance; `2^55 · (1 - cos)` for the cosine.
    pub(super) fn contribution(&self, row: usize, cluster: u16) -> i64 {
        let start = usize::from(cluster).saturating_mul(self.dimensions);
        let centroids = self.memory.centroids.get(start..).unwrap_or(&[]);
        let centroid = centroids.get(..self.dimensions).unwrap_or(&[]);
        contribution(self.metric, self.row(row), centroid)
    }

    fn assign_row(&mut self, row: usize) {
        let (d, x) = (self.dimensions, self.row(row));
        let memory = &mut self.memory;
        // Lengths were checked once: no search is refused.
        let nearest = if self.metric == Metric::Manhattan {
            kernels::nearest_l1(memory.centroids, memory.offsets, x)
        } else {
            kernels::nearest_l2(memory.centroids, memory.offsets, x)
        };
        let index = nearest.map_or(0, |nearest| nearest.index) as usize;
        if let Some(usage) = memory.usage.get_mut(index) {
            usage.count += 1;
        }
        let weight = match self.metric {
            Metric::SquaredEuclidean => 1,
            Metric::Manhattan => 0,
            Metric::Cosine => weight(x),
        };
        if weight != 0 {
            let sums = memory.accumulators.get_mut(index * d..).unwrap_or_default();
            for (sum, x) in sums.iter_mut().zip(x) {
                // At most 2^15, or 2^40 times a coordinate no longer than the row; 2^20 rows.
                *sum = sum.wrapping_add(weight.wrapping_mul(i64::from(*x)));
            }
        }
        self.potential += i128::from(self.contribution(row, index as u16));
        self.reassigned += u32::from(self.assignment(row) != index as u16);
        self.assign(row, index as u16);
    }

    /// Moves on to the next pass, or to the next round.
    fn end_of_pass(&mut self) -> Option<Round> {
        match self.phase {
            Phase::Assign => match self.metric {
                Metric::Manhattan => {
                    self.phase = Phase::Check;
                    return None;
                }
                Metric::SquaredEuclidean => self.moved = self.move_to_means(),
                Metric::Cosine => self.moved = self.move_to_directions(),
            },
            Phase::Check => {
                if self.settle() {
                    self.phase = Phase::Median { bit: 15 };
                    return None;
                }
            }
            Phase::Median { bit } => {
                self.decide(bit);
                if let Some(bit) = bit.checked_sub(1) {
                    self.phase = Phase::Median { bit };
                    return None;
                }
                self.moved = self.move_to_medians();
            }
            Phase::Furthest {
                cluster,
                row,
                contribution,
            } => {
                if !self.reseed(cluster, row, contribution) {
                    // Every row lies on its centroid: there is nothing to gain.
                    return Some(self.finish());
                }
            }
        }
        let from = match self.phase {
            Phase::Furthest { cluster, .. } => usize::from(cluster) + 1,
            _ => 0,
        };
        let mut usages = self.memory.usage.iter().enumerate().skip(from);
        let Some((empty, _)) = usages.find(|(_, usage)| usage.count == 0) else {
            return Some(self.finish());
        };
        self.phase = Phase::Furthest {
            cluster: empty as u16,
            row: 0,
            contribution: i64::MIN,
        };
        None
    }

    fn finish(&mut self) -> Round {
        let potential = self.potential.max(0);
        let round = Round {
            // Distances of fewer than 2^32 elements, each below 2^32; or 2^31 for each row.
            potential: match self.metric {
                Metric::SquaredEuclidean | Metric::Manhattan => potential as u64,
                Metric::Cosine => {
                    (potential >> (WEIGHT_BITS + BITS - direction::COSINE_BITS)) as u64
                }
            },
            reassigned: self.reassigned,
            moved: self.moved,
            reseeded: self.reseeded,
        };
        self.begin();
        round
    }

    /// Calls `update` with each centroid that has rows, its accumulators and its number of rows, and
    /// derives the offsets of those that it moved; their number.
    fn update(&mut self, update: impl Fn(&mut [i16], &[i64], i64) -> bool) -> u32 {
        let (metric, d, memory) = (self.metric, self.dimensions.max(1), &mut self.memory);
        let centroids = memory.centroids.chunks_exact_mut(d);
        let sums = memory.accumulators.chunks_exact(d);
        let rest = memory.offsets.iter_mut().zip(memory.usage.iter());
        let mut moved = 0;
        for ((centroid, sums), (offset, usage)) in centroids.zip(sums).zip(rest) {
            if usage.count > 0 && update(centroid, sums, i64::from(usage.count)) {
                *offset = metric.offset(centroid);
                moved += 1;
            }
        }
        moved
    }

    fn move_to_means(&mut self) -> u32 {
        self.update(|centroid, sums, count| {
            let mut moved = false;
            for (c, sum) in centroid.iter_mut().zip(sums) {
                // Sums stay below 2^35, count below 2^21. One of two equally near integers stays.
                if 2 * (sum - count * i64::from(*c)).abs() > count {
                    // The mean lies among i16 numbers, so that it is one.
                    *c = (2 * sum + count).div_euclid(2 * count) as i16;
                    moved = true;
                }
            }
            moved
        })
    }

    fn move_to_directions(&mut self) -> u32 {
        self.update(|centroid, sums, _| {
            // Opposite rows may cancel: no direction is better than another then.
            let Some(by) = Normaliser::new(sums.iter().copied()) else {
                return false;
            };
            let gain = |(c, sum): (&i16, &i64)| {
                i128::from(*sum) * i128::from(i32::from(by.coordinate(*sum)) - i32::from(*c))
            };
            // 2^16 products of 60 and 17 bits.
            let better = centroid.iter().zip(sums).map(gain).sum::<i128>() > 0;
            if better {
                for (c, sum) in centroid.iter_mut().zip(sums) {
                    *c = by.coordinate(*sum);
                }
            }
            better
        })
    }

    /// Adds a row to the counts of its cluster: 1 where it is below the centroid, 2^32 where above.
    fn count_sides(&mut self, row: usize) {
        self.with_own(row, |sums, centroid, x| {
            for ((sum, c), x) in sums.iter_mut().zip(centroid).zip(x) {
                *sum += i64::from(x < c) + (i64::from(x > c) << 32);
            }
        });
    }

    /// Marks the coordinates that are medians; the others begin with no bits. Whether there are any.
    fn settle(&mut self) -> bool {
        let d = self.dimensions.max(1);
        let mut open = false;
        let sums = self.memory.accumulators.chunks_exact_mut(d);
        for (sums, usage) in sums.zip(self.memory.usage.iter()) {
            let count = i64::from(usage.count);
            for sum in sums {
                let (below, above) = (*sum & 0xffff_ffff, *sum >> 32);
                let settled = 2 * below <= count && 2 * above <= count;
                *sum = if settled { SETTLED } else { 0 };
                open |= !settled;
            }
        }
        open
    }

    /// Counts a row where it is not above the greatest number that has the median's bits so far and a
    /// zero next. A sum holds the count below 2^32, the bits above.
    fn count_below(&mut self, row: usize, bit: u32) {
        self.with_own(row, |sums, _, x| {
            for (sum, x) in sums.iter_mut().zip(x) {
                let most = (*sum >> 32) | ((1 << bit) - 1);
                *sum += i64::from(i64::from(biased(*x)) <= most);
            }
        });
    }

    /// Appends a bit to every median: 0 where half of the rows lie at or below the number tried.
    fn decide(&mut self, bit: u32) {
        let d = self.dimensions.max(1);
        let sums = self.memory.accumulators.chunks_exact_mut(d);
        for (sums, usage) in sums.zip(self.memory.usage.iter()) {
            for sum in sums.iter_mut().filter(|sum| **sum >= 0) {
                let (bits, below) = (*sum >> 32, *sum & 0xffff_ffff);
                let one = 2 * below < i64::from(usage.count);
                *sum = (bits | (i64::from(one) << bit)) << 32;
            }
        }
    }

    fn move_to_medians(&mut self) -> u32 {
        self.update(|centroid, sums, _| {
            let mut moved = false;
            for (c, sum) in centroid.iter_mut().zip(sums).filter(|(_, sum)| **sum >= 0) {
                *c = saturating_i16((sum >> 32) as i32 - (1 << 15));
                moved = true;
            }
            moved
        })
    }

    /// Calls `count` with the accumulators and the centroid of a row's cluster, and the row.
    fn with_own(&mut self, row: usize, count: impl Fn(&mut [i64], &[i16], &[i16])) {
        let (d, x, own) = (self.dimensions, self.row(row), self.assignment(row));
        let start = usize::from(own) * d;
        if let Some(sums) = self.memory.accumulators.get_mut(start..start + d)
            && let Some(centroid) = self.memory.centroids.get(start..start + d)
        {
            count(sums, centroid, x);
        }
    }

    fn look_at(&mut self, at: usize) {
        let now = self.contribution(at, self.assignment(at));
        if let Phase::Furthest {
            row, contribution, ..
        } = &mut self.phase
            && now > *contribution
        {
            (*row, *contribution) = (at, now);
        }
    }

    /// Moves an empty cluster onto the furthest row, if that row gains by it.
    fn reseed(&mut self, cluster: u16, row: usize, furthest: i64) -> bool {
        let x = self.row(row);
        // What the row would add: nothing, but for the rounding of a direction.
        let left = match self.metric {
            Metric::SquaredEuclidean | Metric::Manhattan => 0,
            Metric::Cosine => match normaliser(x) {
                Some(by) => {
                    let products = x
                        .iter()
                        .map(|x| i64::from(*x) * i64::from(by.coordinate((*x).into())));
                    cosine_contribution(weight(x), products.sum())
                }
                None => i64::MAX,
            },
        };
        if left >= furthest {
            return false;
        }
        self.memory
            .place(self.metric, self.dimensions, cluster.into(), x);
        self.assign(row, cluster);
        self.reseeded += 1;
        true
    }
}

fn normaliser(vector: &[i16]) -> Option<Normaliser> {
    Normaliser::new(vector.iter().map(|x| i64::from(*x)))
}

/// `floor(2^40 / |x|)`; 0 for a row of zeros.
fn weight(x: &[i16]) -> i64 {
    let square = dot(x, x).unwrap_or(0).cast_unsigned();
    Length::new(square).map_or(0, Length::reciprocal)
}

/// `2^55 - w · product`: below 2^57, as `w · |product| <= 2^40 · |c|`.
fn cosine_contribution(weight: i64, product: i64) -> i64 {
    (1i64 << (WEIGHT_BITS + BITS)).wrapping_sub(weight.wrapping_mul(product))
}

fn contribution(metric: Metric, x: &[i16], centroid: &[i16]) -> i64 {
    // Equal lengths; 2^16 dimensions, so that distances stay below 2^48.
    let distance = |distance: Result<u64, ShapeError>| distance.unwrap_or(0).cast_signed();
    match metric {
        Metric::SquaredEuclidean => distance(kernels::squared_distance(x, centroid)),
        Metric::Manhattan => distance(kernels::manhattan_distance(x, centroid)),
        Metric::Cosine => cosine_contribution(weight(x), dot(x, centroid).unwrap_or(0)),
    }
}

/// A number's place among the 2^16: 0 for the least.
fn biased(x: i16) -> u16 {
    x.cast_unsigned() ^ (1 << 15)
}
