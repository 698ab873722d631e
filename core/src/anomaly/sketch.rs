//! Quantiles of a stream in a kilobyte.
//!
//! Boundaries between scores, each with the number of scores up to it: the summary of Greenwald and
//! Khanna (2001, "Space-efficient online computation of quantile summaries") kept to a fixed number of
//! entries as in Luo, Wang, Yi and Cormode (2016, "Quantiles over data streams"), with two changes. A
//! new boundary takes its rank by linear interpolation instead of the middle of what is possible, and the
//! upper tail is kept finer than the rest, because a threshold lives there.
//!
//! Every score becomes a boundary. When the table is full, the boundary whose removal leaves the least
//! uncertainty goes. Not up for removal are the smallest score, the [`EXACT_TOP`] largest, and the
//! neighbours of the newcomer. In the tail above the 1/16 largest scores a unit of uncertainty counts
//! twice as much for every halving of the tail.

use super::Score;
use crate::work::{DIVISION, WIDE};

/// Entries of the table.
const CAPACITY: usize = 144;
/// The largest scores that are kept one by one.
pub const EXACT_TOP: usize = 24;
/// Total weight at which all weights are halved.
pub const WEIGHT_LIMIT: u32 = 1 << 20;
/// Tails smaller than this power of two of all scores are kept finer.
const TAIL_BITS: u32 = 4;

/// A quantile sketch of a stream of scores, 1,020 bytes with all of its state.
///
/// # What is guaranteed
///
/// - The [`EXACT_TOP`] largest scores are exact, whatever the stream, until weights are first halved.
/// - [`rank_error`](Self::rank_error) and [`Rank::error`] are valid bounds at any time, for any stream
///   (tested). They assume the worst inside each interval.
/// - It does not promise 0.5 % for every stream. With several fronts that close in on gaps at once the error
///   reaches 20 %, and the bound says so. [`KllSketch`](super::KllSketch) promises it, in six kilobytes.
///
/// # What was measured
///
/// Largest error of any of 1,001 quantiles, in per cent of all scores, at 1,000, 10,000, 100,000 and
/// 1,000,000 scores (in brackets the bound that the sketch reported, in per cent):
///
/// | stream | 1,000 | 10,000 | 100,000 | 1,000,000 |
/// |---|---|---|---|---|
/// | uniform, exponential, lognormal, Cauchy | 0.5 (2.7) | 0.24 (4.3) | 0.23 (4.4) | 0.30 (14) |
/// | sorted, reversed, closing in, spreading out | 0.1 (1.4) | 0.01 (1.4) | 0.23 (1.6) | 0.23 (1.6) |
/// | saw teeth, bit reversal | 0.2 (2.1) | 0.26 (5.3) | 0.25 (5.2) | 0.25 (5.3) |
/// | 20 values; one value | 0 (0) | 0 (0) | 0 (0) | 0 (0) |
/// | many ties, Zipf | 0 (0) | 0.26 (0.34) | 0.53 (0.55) | 0.57 (1.0) |
/// | another distribution from the middle on | 0.5 (2.4) | 0.80 (3.0) | 0.85 (13) | 0.89 (31) |
/// | slowly moving | 0.4 (2.5) | 0.62 (2.9) | 0.76 (5.4) | 0.52 (16) |
/// | blocks of 1,000 alike, in random places | 0.4 (2.8) | 1.40 (23) | 1.30 (8.2) | 0.28 (9.4) |
///
/// Tails of 25 scores to 1/32 of all: at most 12 % of the tail's size off on stationary streams.
/// Greenwald and Khanna's rule in the same kilobyte left 0.7 to 1.2 % on the stationary streams, and 7 to
/// 48 % on one that closes in from both ends; a KLL sketch of that size 1.6 %; merged centroids
/// (t-digest with a uniform scale) 0.3 to 0.6 % there, 1.4 % on ties and on the closing stream, with no
/// bound at all.
///
/// # Forgetting
///
/// At a total weight of 2^20 all weights are halved, so that a score counts half as much as one that
/// comes 2^19 scores later. Ranks are then ranks among weights.
///
/// Work of an [`insert`](Self::insert): one pass over 144 entries and one shift of part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantileSketch {
    /// Boundaries, rising.
    keys: [u32; CAPACITY],
    /// Estimated weight after the boundary before, up to this one, itself included.
    weights: [u16; CAPACITY],
    /// Bound of the error of the cumulative weight, as a rounded-up small float.
    errors: [u8; CAPACITY],
    weight: u32,
    count: u32,
    len: u16,
}

const _: () = assert!(size_of::<QuantileSketch>() <= 1024);

/// Where a score stands among the scores of a sketch, in units of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rank {
    /// Estimated weight of the scores below.
    pub below: u32,
    /// Estimated weight of the scores below or equal.
    pub at_most: u32,
    /// Neither estimate is further than this from the truth.
    pub error: u32,
}

/// An error bound in 8 bits: exact below 32, then four bits beside the leading one, rounded up.
const fn encode_error(error: u32) -> u8 {
    if error < 32 {
        return error as u8;
    }
    let shift = 27 - error.leading_zeros();
    // In 16..=32: a carry to 32 is the next exponent's 16.
    let significand = ((error - 1) >> shift) + 1;
    let code = (shift << 4) + significand;
    if code > 255 { 255 } else { code as u8 }
}

/// The bound; 255 stands for "unknown", which no weight exceeds.
const fn decode_error(code: u8) -> u32 {
    let code = code as u32;
    if code < 32 {
        code
    } else if code == 255 {
        WEIGHT_LIMIT
    } else {
        (16 + (code & 15)) << ((code >> 4) - 1)
    }
}

/// `scale · part / whole`, rounded down, for `part <= whole` and a scale of 16 bits.
const fn share(scale: u32, part: u32, whole: u32) -> u32 {
    let shift = 16u32.saturating_sub(whole.leading_zeros());
    // Both have at most 16 bits now: no product overflows, and the quotient stays at most `scale`.
    match (scale * (part >> shift)).checked_div(whole >> shift) {
        Some(share) => share,
        None => 0,
    }
}

/// The key `into / weight` of the way from `low` to `high`, rounded down.
const fn between(low: u32, high: u32, into: u32, weight: u32) -> Score {
    if into >= weight {
        return Score::from_bits(high);
    }
    // into < weight, so that the weight is not zero and the step below the width.
    match ((high.wrapping_sub(low)) as u64 * into as u64).checked_div(weight as u64) {
        Some(step) => Score::from_bits(low.wrapping_add(step as u32)),
        None => Score::from_bits(high),
    }
}

/// One entry, decoded, with the weight up to it.
#[derive(Clone, Copy)]
struct Boundary {
    key: u32,
    weight: u32,
    /// Estimated weight up to and including this boundary.
    cumulative: u32,
    error: u32,
}

impl Boundary {
    /// Before the first entry: nothing is below.
    const NONE: Self = Self {
        key: 0,
        weight: 0,
        cumulative: 0,
        error: 0,
    };
}

/// Moves `slots` one place away from the last, dropping the first, and puts `value` last.
fn shift_down<T>(slots: Option<&mut [T]>, mut value: T) {
    for slot in slots.unwrap_or_default().iter_mut().rev() {
        core::mem::swap(slot, &mut value);
    }
}

/// Moves `slots` one place up, dropping the last, and puts `value` first.
fn shift_up<T>(slots: Option<&mut [T]>, mut value: T) {
    for slot in slots.unwrap_or_default() {
        core::mem::swap(slot, &mut value);
    }
}

impl Default for QuantileSketch {
    fn default() -> Self {
        Self::NEW
    }
}

impl QuantileSketch {
    /// An empty sketch.
    pub const NEW: Self = Self {
        keys: [0; CAPACITY],
        weights: [0; CAPACITY],
        errors: [0; CAPACITY],
        weight: 0,
        count: 0,
        len: 0,
    };

    /// Scores inserted, saturating.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The same sketch as if it had counted so many scores.
    #[cfg(test)]
    pub(super) fn counting_from(&self, count: u32) -> Self {
        let mut sketch = self.clone();
        sketch.count = count;
        sketch
    }

    /// Total weight: the count until weights are first halved.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    fn boundaries(&self) -> impl Iterator<Item = Boundary> {
        let mut cumulative = 0u32;
        let entries = self.keys.iter().zip(&self.weights).zip(&self.errors);
        entries
            .take(usize::from(self.len))
            .map(move |((&key, &weight), &error)| {
                let weight = u32::from(weight);
                // The total stays at most WEIGHT_LIMIT.
                cumulative = cumulative.wrapping_add(weight);
                Boundary {
                    key,
                    weight,
                    cumulative,
                    error: decode_error(error),
                }
            })
    }

    /// The most that an [`insert`](Self::insert) takes, in [operations](crate::work), halving included.
    pub const INSERT_OPERATIONS: u64 = 8 * CAPACITY as u64 * WIDE + 2 * DIVISION;

    /// Adds one score.
    ///
    /// ```
    /// use autodidact::anomaly::{QuantileSketch, Score};
    /// let mut sketch = QuantileSketch::NEW;
    /// for score in 1..=1000u32 {
    ///     sketch.insert(Score::from(score));
    /// }
    /// let median = sketch.quantile(1 << 31).unwrap().to_u64();
    /// assert!((495..=505).contains(&median));
    /// assert_eq!(sketch.kth_largest(3), Some(Score::from(998u32)));
    /// ```
    pub fn insert(&mut self, score: Score) {
        if self.weight >= WEIGHT_LIMIT {
            self.halve();
        }
        let key = score.to_bits();
        self.count = self.count.saturating_add(1);
        self.weight = self.weight.wrapping_add(1);

        let len = usize::from(self.len).min(CAPACITY);
        let (mut before, mut after) = (Boundary::NONE, None);
        let mut twice = false;
        let mut at = 0usize;
        for boundary in self.boundaries() {
            if boundary.key > key {
                after = Some(boundary);
                break;
            }
            twice = boundary.key == key && before.key == key && at > 0;
            before = boundary;
            at += 1;
        }
        // Between two boundaries of the same score nothing else can lie: counting is exact.
        if twice
            && let Some(weight) = at.checked_sub(1).and_then(|i| self.weights.get_mut(i))
            && *weight < u16::MAX
        {
            *weight += 1;
            return;
        }

        // Estimated weight between the boundary before and the newcomer, and the error of its rank.
        let (left, error) = match after {
            // The largest so far, or behind an equal one: its rank is one more.
            None => (0, before.error),
            _ if at > 0 && before.key == key => (0, before.error),
            // The smallest so far; the one before has a weight of one, because it is never removed.
            Some(_) if at == 0 => (0, 0),
            Some(next) => {
                // The boundary itself stays to the right; weights have 16 bits.
                let inside = next.weight.saturating_sub(1);
                let width = next.key.wrapping_sub(before.key);
                let left = share(inside, key.wrapping_sub(before.key), width);
                // True rank: at least one more than the least of `before`, at most one less than the
                // most of `next` after it has moved up by one.
                let up = inside.wrapping_sub(left).wrapping_add(next.error);
                (left, up.max(left.wrapping_add(before.error)))
            }
        };
        let code = encode_error(error);
        if left > 0
            && let Some(weight) = self.weights.get_mut(at)
        {
            // left < next.weight, which fits 16 bits.
            *weight = weight.wrapping_sub(left as u16);
        }
        let weight = left.wrapping_add(1) as u16;

        if len < CAPACITY {
            shift_up(self.keys.get_mut(at..=len), key);
            shift_up(self.weights.get_mut(at..=len), weight);
            shift_up(self.errors.get_mut(at..=len), code);
            self.len = self.len.wrapping_add(1);
            return;
        }
        let Some(out) = self.cheapest(at) else { return };
        if let Some([gone, heir]) = self
            .weights
            .get_mut(out..)
            .and_then(|w| w.first_chunk_mut())
        {
            // `cheapest` has seen to it that the sum fits 16 bits.
            *heir = heir.wrapping_add(*gone);
        }
        if out < at {
            shift_down(self.keys.get_mut(out..at), key);
            shift_down(self.weights.get_mut(out..at), weight);
            shift_down(self.errors.get_mut(out..at), code);
        } else {
            shift_up(self.keys.get_mut(at..=out), key);
            shift_up(self.weights.get_mut(at..=out), weight);
            shift_up(self.errors.get_mut(at..=out), code);
        }
    }

    /// The boundary of a full table whose removal costs least, when a newcomer goes before entry `at`.
    ///
    /// There always is one: at most 2^21 / 2^16 = 32 pairs of neighbours are too heavy to be joined.
    fn cheapest(&self, at: usize) -> Option<usize> {
        let mut best = None;
        let mut least = u32::MAX;
        // Weight above the boundary in hand, from the top down.
        let mut above = 0u32;
        let magnitude = self.weight.leading_zeros();
        let triples = self
            .keys
            .windows(3)
            .zip(self.weights.windows(3))
            .zip(self.errors.windows(3))
            .enumerate()
            .rev();
        for (first, ((keys, weights), errors)) in triples {
            let (&[low, _, high], &[_, here, next], &[error_low, error, error_high]) =
                (keys, weights, errors)
            else {
                continue;
            };
            let index = first + 1;
            let joined = u32::from(here) + u32::from(next);
            above = above.wrapping_add(u32::from(next));
            // The heir must not be one of the largest, nor the candidate a neighbour of the newcomer.
            if index + 1 >= CAPACITY - EXACT_TOP
                || index == at
                || index + 1 == at
                || joined > u32::from(u16::MAX)
            {
                continue;
            }
            // Weight that would lie between two boundaries, and certainty that would go with this one: at
            // most 2^17 + 2^20, shifted by at most 10.
            let octaves = above.leading_zeros().saturating_sub(magnitude);
            let shift = octaves.saturating_sub(TAIL_BITS).min(10);
            let cost = if low == high {
                0
            } else if joined << shift >= least {
                continue;
            } else {
                let around = decode_error(error_low).max(decode_error(error_high));
                (joined + around.saturating_sub(decode_error(error))) << shift
            };
            if cost < least {
                least = cost;
                best = Some(index);
            }
        }
        best
    }

    /// Halves every weight. Cumulative weights are rounded down, so that none is off by more than one.
    fn halve(&mut self) {
        let (mut cumulative, mut halved) = (0u32, 0u32);
        for (weight, error) in self.weights.iter_mut().zip(&mut self.errors) {
            cumulative = cumulative.wrapping_add(u32::from(*weight));
            let now = cumulative / 2;
            // At most half of a 16-bit weight, rounded up.
            *weight = now.wrapping_sub(halved) as u16;
            halved = now;
            *error = match *error {
                255 => 255,
                code => encode_error(decode_error(code) / 2 + 1),
            };
        }
        self.weight /= 2;
    }

    /// The score at `fraction` (`U0F32`) of all scores from below, interpolated between boundaries.
    ///
    /// `None` while the sketch is empty.
    #[must_use]
    pub fn quantile(&self, fraction: u32) -> Option<Score> {
        // ceil(fraction · n), at least 1.
        let target =
            ((u64::from(fraction) * u64::from(self.weight) + u64::from(u32::MAX)) >> 32) as u32;
        self.at_rank(target.max(1))
    }

    /// The `k`-th largest score; exact for `k` up to [`EXACT_TOP`] until weights are first halved.
    ///
    /// `None` for `k` of 0 or above the total weight.
    #[must_use]
    pub fn kth_largest(&self, k: u32) -> Option<Score> {
        if k == 0 {
            return None;
        }
        // From the top down, because a threshold is near it.
        let entries = self.keys.iter().zip(&self.weights);
        let mut entries = entries.take(usize::from(self.len)).rev();
        let mut above = 0u32;
        while let Some((&key, &weight)) = entries.next() {
            let weight = u32::from(weight);
            let up_to = above.wrapping_add(weight);
            if up_to >= k {
                // Ranks within the interval count from its lower end.
                let into = up_to.wrapping_sub(k).wrapping_add(1);
                return Some(match entries.next() {
                    Some((&low, _)) => between(low, key, into, weight),
                    None => Score::from_bits(key),
                });
            }
            above = up_to;
        }
        None
    }

    /// The score of rank `target`, from 1.
    fn at_rank(&self, target: u32) -> Option<Score> {
        let mut before = Boundary::NONE;
        for (index, boundary) in self.boundaries().enumerate() {
            if boundary.cumulative >= target {
                // The first entry has no lower end to interpolate from.
                if index == 0 || boundary.cumulative == target {
                    return Some(Score::from_bits(boundary.key));
                }
                let into = target.wrapping_sub(before.cumulative);
                return Some(between(before.key, boundary.key, into, boundary.weight));
            }
            before = boundary;
        }
        None
    }

    /// How many scores lie below `score`, and how many below or at it.
    #[must_use]
    pub fn rank(&self, score: Score) -> Rank {
        let key = score.to_bits();
        // The last boundary below, the first and the last at the score, and the first above.
        let mut below = Boundary::NONE;
        let (mut first, mut last, mut above) = (None, None, None);
        for boundary in self.boundaries() {
            if boundary.key < key {
                below = boundary;
            } else if boundary.key == key {
                first = first.or(Some(boundary));
                last = Some(boundary);
            } else {
                above = Some(boundary);
                break;
            }
        }
        // Up to an equal boundary all but that one score are taken to lie below it.
        let up_to = |next: Boundary| next.cumulative.saturating_sub(1);
        let interpolated = match above {
            None => below.cumulative,
            Some(next) if below.cumulative == 0 => up_to(next).min(next.weight.saturating_sub(1)),
            Some(next) => {
                let inside = next.weight.saturating_sub(1);
                let width = next.key.wrapping_sub(below.key);
                below.cumulative + share(inside, key.wrapping_sub(below.key), width)
            }
        };
        let estimate_below = first.map_or(interpolated, up_to);
        let estimate_at_most = last.map_or(interpolated, |b| b.cumulative);
        let least_below = below.cumulative.saturating_sub(below.error);
        let most_below = first
            .or(above)
            .map_or(self.weight, |b| up_to(b).saturating_add(b.error));
        let least_at_most = last.map_or(least_below, |b| b.cumulative.saturating_sub(b.error));
        let most_at_most = above.map_or(self.weight, |b| up_to(b).saturating_add(b.error));
        let error = estimate_below
            .saturating_sub(least_below)
            .max(most_below.saturating_sub(estimate_below))
            .max(estimate_at_most.saturating_sub(least_at_most))
            .max(most_at_most.saturating_sub(estimate_at_most))
            .min(self.weight);
        Rank {
            below: estimate_below,
            at_most: estimate_at_most,
            error,
        }
    }

    /// A bound of the error of every [`quantile`](Self::quantile), in units of weight: the worst case
    /// inside every interval.
    #[must_use]
    pub fn rank_error(&self) -> u32 {
        let mut worst = 0;
        let mut before = Boundary::NONE;
        for (index, boundary) in self.boundaries().enumerate() {
            if index == 0 || boundary.key != before.key {
                let error = boundary.weight.saturating_sub(1) + boundary.error.max(before.error);
                worst = worst.max(error);
            }
            before = boundary;
        }
        worst.min(self.weight)
    }

    /// Scores above the `k`-th largest, summed as distances from it: for the tail's mean.
    pub(super) fn excess_of_top(&self, k: u32) -> Option<(Score, u64)> {
        let base = self.kth_largest(k)?;
        let from = self.weight.wrapping_sub(k);
        let mut sum = 0u64;
        for boundary in self.boundaries().skip_while(|b| b.cumulative <= from) {
            let excess = Score::from_bits(boundary.key)
                .to_u64()
                .saturating_sub(base.to_u64());
            sum = sum.saturating_add(excess.saturating_mul(u64::from(boundary.weight)));
        }
        Some((base, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Generator;
    use proptest::prelude::*;
    use rand_core::Rng;
    use std::boxed::Box;
    use std::vec::Vec;

    /// Uniform in (0, 1).
    fn uniform(generator: &mut Generator) -> f64 {
        (f64::from(generator.next_u32()) + 0.5) / 4_294_967_296.0
    }

    fn normal(generator: &mut Generator) -> f64 {
        (-2.0 * uniform(generator).ln()).sqrt()
            * (core::f64::consts::TAU * uniform(generator)).cos()
    }

    /// Numbers of scores below and below or equal, by sorting.
    fn exact(sorted: &[Score], score: Score) -> (f64, f64) {
        let below = sorted.partition_point(|s| *s < score);
        let at_most = sorted.partition_point(|s| *s <= score);
        (below as f64, at_most as f64)
    }

    /// The largest error of any quantile or rank as a fraction; panics where a bound does not hold.
    fn largest_error(sketch: &QuantileSketch, scores: &[Score]) -> f64 {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable();
        let n = sorted.len();
        let mut worst = 0f64;
        for step in 0..=1000u32 {
            let fraction = (f64::from(step) / 1000.0 * f64::from(u32::MAX)) as u32;
            let target = (f64::from(fraction) * n as f64 / 4_294_967_296.0)
                .ceil()
                .max(1.0);
            let (below, at_most) = exact(&sorted, sketch.quantile(fraction).unwrap());
            let error = (below - target).max(target - at_most).max(0.0);
            assert!(error <= f64::from(sketch.rank_error()), "{step}: {error}");
            worst = worst.max(error);

            let score = sorted[step as usize * (n - 1) / 1000];
            let (below, at_most) = exact(&sorted, score);
            let rank = sketch.rank(score);
            let error = (f64::from(rank.below) - below)
                .abs()
                .max((f64::from(rank.at_most) - at_most).abs());
            assert!(error <= f64::from(rank.error), "{step}: {error} {rank:?}");
            worst = worst.max(error);
        }
        for k in 1..=EXACT_TOP.min(n) {
            assert_eq!(sketch.kth_largest(k as u32), Some(sorted[n - k]), "{k}");
        }
        worst / n as f64
    }

    type Stream = Box<dyn Fn(&mut Generator, u32) -> u32>;

    fn check(name: &str, n: u32, tolerance: f64, stream: Stream) {
        let mut generator = Generator::from_seed(7);
        let mut sketch = QuantileSketch::NEW;
        let mut scores = Vec::new();
        for i in 0..n {
            let score = Score::from(stream(&mut generator, i));
            sketch.insert(score);
            scores.push(score);
            if [100, 1000, 10_000, n].contains(&(i + 1)) {
                let error = largest_error(&sketch, &scores);
                // Six ranks of the first thousand are more than half a per cent.
                let tolerance = tolerance.max(12.0 / f64::from(i + 1));
                assert!(error <= tolerance, "{name}, {} scores: {error}", i + 1);
            }
        }
        assert_eq!((sketch.count(), sketch.weight()), (n, n));
    }

    #[test]
    fn rank_error_is_half_a_per_cent_on_stationary_and_ordered_streams() {
        const N: u32 = 30_000;
        check("uniform", 400_000, 0.005, Box::new(|g, _| g.next_u32()));
        check("sorted", N, 0.001, Box::new(|_, i| i * 1000));
        check("reversed", N, 0.001, Box::new(|_, i| (N - i) * 1000));
        check("one value", 100_000, 0.0, Box::new(|_, _| 42));
        check("ties", N, 0.001, Box::new(|g, _| g.next_u32() % 20));
        check(
            "closing in",
            N,
            0.001,
            Box::new(|_, i| if i % 2 == 0 { i } else { 2 * N - i } * 500),
        );
        check(
            "spreading out",
            N,
            0.001,
            Box::new(|_, i| if i % 2 == 0 { N + i } else { N - i } * 500),
        );
        check(
            "lognormal",
            N,
            0.005,
            Box::new(|g, _| ((2.0 * normal(g)).exp() * 1000.0) as u32),
        );
        check(
            "Cauchy",
            N,
            0.005,
            Box::new(|g, _| (1e4 * (normal(g) / normal(g)).abs()).min(4e9) as u32),
        );
    }

    #[test]
    fn a_change_in_the_middle_costs_at_most_one_and_a_half_per_cent() {
        check(
            "drift",
            50_000,
            0.015,
            Box::new(|g, i| match i {
                0..25_000 => 1e8 + 1e6 * normal(g),
                _ => 1.05e8 + 3e6 * normal(g),
            } as u32),
        );
    }

    #[test]
    fn a_stream_beyond_a_kilobyte_raises_the_bound() {
        // Four fronts that close in on two gaps: the error is large, and never above the bound.
        let n = 20_000u32;
        let fronts = move |i: u32| match i % 4 {
            0 => i / 4 * 500,
            1 => (2 * n - i / 4) * 500,
            2 => (n + n / 2 + i / 8) * 500,
            _ => (n + n / 2 - i / 8) * 500,
        };
        check("four fronts", n, 1.0, Box::new(move |_, i| fronts(i)));
    }

    #[test]
    fn halving_keeps_the_quantiles_and_forgets_the_past() {
        let mut sketch = QuantileSketch::NEW;
        for i in 0..WEIGHT_LIMIT {
            sketch.insert(Score::from(i % 4096));
        }
        assert_eq!(sketch.weight(), WEIGHT_LIMIT);
        sketch.insert(Score::from(1u32));
        assert_eq!(sketch.weight(), WEIGHT_LIMIT / 2 + 1);
        assert_eq!(sketch.count(), WEIGHT_LIMIT + 1);
        let median = sketch.quantile(1 << 31).unwrap().to_u64();
        assert!((2007..=2089).contains(&median), "{median}");
        for i in 0..WEIGHT_LIMIT {
            sketch.insert(Score::from(10_000 + i % 4096));
        }
        let median = sketch.quantile(1 << 31).unwrap().to_u64();
        assert!(median > 10_000, "{median}");
    }

    #[test]
    fn an_empty_sketch_has_no_quantile() {
        let sketch = QuantileSketch::NEW;
        assert_eq!(sketch.quantile(1 << 31), None);
        assert_eq!(sketch.kth_largest(1), None);
        assert_eq!(sketch.rank_error(), 0);
        let rank = sketch.rank(Score::MAX);
        assert_eq!((rank.below, rank.at_most, rank.error), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn bounds_hold_for_any_stream(
            values in proptest::collection::vec(0u32..3000, 1..1500), high: u32,
        ) {
            let mut sketch = QuantileSketch::NEW;
            let scores: Vec<Score> = values
                .iter()
                .enumerate()
                .map(|(i, v)| Score::from(if i % 7 == 0 { high ^ v } else { *v }))
                .collect();
            for score in &scores {
                sketch.insert(*score);
            }
            largest_error(&sketch, &scores);
        }
    }

    #[test]
    fn encoded_errors_are_bounds() {
        for error in 0..=WEIGHT_LIMIT {
            let decoded = decode_error(encode_error(error));
            assert!(decoded >= error, "{error}: {decoded}");
            assert!(
                error >= 480_000 || decoded <= error + error / 16,
                "{error}: {decoded}"
            );
        }
    }
}
