//! From a rate of false alarms to an alarm.

use super::drift::{Drift, DriftConfig, RankCusum, spread};
use super::sketch::EXACT_TOP;
use super::{QuantileSketch, Score};
use crate::num::{exp2, log2};
use crate::work::DIVISION;
use crate::{Defect, Setting};

/// Fewest scores before the first decision.
const LEAST_WARM_UP: u32 = 64;
/// Scores above the threshold are learned as if at most one in this many times the period were higher.
const RARER: u32 = 16;
/// Largest period of false alarms.
const LONGEST_PERIOD: u32 = 1 << 19;

/// What is asked of a [`Detector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DetectorConfig {
    /// One score in this many exceeds the threshold while nothing is wrong: `2..=2^19`.
    pub period: u32,
    /// Scores before the first decision, at least 64.
    pub warm_up: u32,
    /// Scores to learn before the calibration is frozen, at least `warm_up`; [`NEVER`](Self::NEVER) learns for ever.
    pub calibration: u32,
    /// Consecutive scores above the threshold that start an alarm, at least 1.
    pub on: u8,
    /// Consecutive scores at or below the release level that end it, at least 1.
    pub off: u8,
    /// One score in this many exceeds the release level: `2..=period`.
    pub release_period: u32,
    /// When to signal drift.
    pub drift: DriftConfig,
}

impl DetectorConfig {
    /// A calibration that never ends by itself, however many scores come.
    pub const NEVER: u32 = u32::MAX;

    /// One false alarm in `period` scores; a warm-up of 512; calibrated on ten periods, at least 4,096
    /// scores; an alarm starts with one score and ends with one at or below the level that one in 20
    /// exceeds.
    #[must_use]
    pub const fn one_in(period: u32) -> Self {
        let ten = period.saturating_mul(10);
        Self {
            period,
            warm_up: 512,
            calibration: if ten < 4_096 { 4_096 } else { ten },
            on: 1,
            off: 1,
            release_period: if period < 20 { period } else { 20 },
            drift: DriftConfig::DEFAULT,
        }
    }
}

/// Start or end of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// This score started an alarm.
    Started,
    /// This score ended it.
    Ended,
}

/// What a [`Detector`] says about one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
// Eight bytes, not six: see the note on odd sizes at the top of the crate.
#[repr(align(4))]
pub struct Decision {
    /// An alarm is on.
    pub alarm: bool,
    /// It went on or off with this score.
    pub event: Option<Event>,
    /// Fraction of calibrated scores below this one, equal ones counted half: `U0F16`, saturating.
    pub rank: u16,
    /// The distribution of scores has moved. Stays until it moves back or the signal is
    /// [acknowledged](Detector::acknowledge_drift).
    pub drift: Option<Drift>,
}

/// What the detector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Phase {
    /// Learning; nothing alarms.
    WarmUp,
    /// Deciding and learning.
    Learning,
    /// Deciding with a frozen calibration.
    Frozen,
}

/// Turns scores into alarms at a rate of false alarms that the user asks for.
///
/// # The threshold
///
/// A score alarms when it is *greater* than the threshold. Let `n` be the weight of learned scores and
/// `r` the period.
///
/// - `n + 1 >= r`: the `k`-th largest learned score, `k = floor((n + 1) / r)`. If scores are exchangeable
///   (independent, for instance) a new one exceeds it with probability at most `k / (n + 1) <= 1 / r`,
///   averaged over calibrations, for any distribution. `k` up to 24 is exact.
/// - `n + 1 < r`: the sample does not reach that far. The tail above the `m`-th largest score is taken to
///   be exponential, `m = min(24, n / 16)`: with `b` the mean distance from it of the `m - 1` scores above,
///   the threshold is `X_m + b (m - 1) ((m r / (n + 1))^(1 / (m - 1)) - 1)`. For exponential tails a new
///   score exceeds it with probability `1 / r` exactly (the predictive distribution of an exponential
///   with unknown scale); a heavier tail alarms more often, a lighter one less.
///
/// Rate over rate asked, means over simulated calibrations of `n` independent scores (8 at 100,000, 60 at
/// 10,000, 200 and 300 below; a single calibration of few scores is off by a factor of two or more):
///
/// | scores | asked | n = 600 | 2,000 | 10,000 | 100,000 |
/// |---|---|---|---|---|---|
/// | exponential | 1 / 1,000 | 1.05 | 0.93 | 0.96 | 1.02 |
/// | exponential | 1 / 10,000 | 1.01 | 1.15 | 0.93 | 0.82 |
/// | normal, squared | 1 / 1,000 | 1.17 | 0.84 | 0.91 | 1.01 |
/// | normal, squared | 1 / 10,000 | 1.43 | 1.08 | 0.97 | 0.89 |
/// | lognormal | 1 / 1,000 | 1.75 | 0.82 | 0.94 | 0.99 |
/// | lognormal | 1 / 10,000 | 4.84 | 2.60 | 1.28 | 0.82 |
///
/// # What is learned
///
/// During warm-up every score. After that, and until frozen, every score at or below the threshold; of
/// those above only the ones up to the start of an alarm, and these as at most the larger of the largest
/// score so far and the level that the exponential tail gives to one score in `16 r`. So ranks below stay
/// right, an alarm of any length counts as `on` scores, and no anomaly can raise the threshold to its own
/// height in one step. Nothing is learned while an alarm is on or after [`freeze`](Self::freeze).
///
/// # Alarms
///
/// An alarm starts with the last of `on` consecutive scores above the threshold. It ends with the last of
/// `off` consecutive scores at or below the release level, a lower quantile by the same rule. The rate
/// asked for is that of scores above the threshold outside alarms; with independent scores and `on > 1`
/// alarms are rarer.
///
/// # Drift
///
/// From the first decision on, the rank of every score goes through [`RankCusum`], alarms included.
///
/// # Work
///
/// <!-- figures: m4.detector_update m4.detector_update_frozen -->
/// One update is at most one [`QuantileSketch::insert`], one rank and two quantiles, each a pass over 144
/// entries: 8,815 instructions on an M4 while learning with a full table, 1,070 when frozen.
///
/// ```
/// use autodidact::anomaly::{Detector, DetectorConfig, Event, Score};
/// let mut detector = Detector::new(DetectorConfig::one_in(1000))?;
/// let mut state = 1u32;
/// for _ in 0..5000 {
///     state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
///     detector.update(Score::from(state >> 8)); // ordinary scores, below 2^24
/// }
/// let decision = detector.update(Score::from(1u64 << 40));
/// assert_eq!((decision.alarm, decision.event), (true, Some(Event::Started)));
/// assert_eq!(decision.rank, u16::MAX);
/// # Ok::<(), autodidact::Defect>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detector {
    sketch: QuantileSketch,
    config: DetectorConfig,
    cusum: RankCusum,
    threshold: Score,
    release: Score,
    /// Updates, wrapping: spreads ties.
    updates: u32,
    frozen: bool,
    /// Learns past the configured length of the calibration.
    thawed: bool,
    alarm: bool,
    /// Consecutive scores that speak for a change of `alarm`.
    run: u8,
}

impl Detector {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// [`Defect::Setting`] with the first field of the configuration that is outside its range.
    pub const fn new(config: DetectorConfig) -> Result<Self, Defect> {
        const MOST: u32 = u8::MAX as u32;
        let (on, off) = (config.on as u32, config.off as u32);
        let (warm_up, period) = (config.warm_up, config.period);
        let checked = Defect::ranges(&[
            (Setting::Period, period, 2, LONGEST_PERIOD),
            (Setting::WarmUp, warm_up, LEAST_WARM_UP, u32::MAX),
            (Setting::Calibration, config.calibration, warm_up, u32::MAX),
            (Setting::On, on, 1, MOST),
            (Setting::Off, off, 1, MOST),
            (Setting::ReleasePeriod, config.release_period, 2, period),
        ]);
        match checked {
            Ok(()) => Ok(Self::fresh(config)),
            Err(defect) => Err(defect),
        }
    }

    /// A detector of a checked configuration that has seen nothing.
    const fn fresh(config: DetectorConfig) -> Self {
        Self {
            sketch: QuantileSketch::NEW,
            config,
            cusum: RankCusum::new(config.drift),
            threshold: Score::MAX,
            release: Score::MAX,
            updates: 0,
            frozen: false,
            thawed: false,
            alarm: false,
            run: 0,
        }
    }

    /// What the detector is doing.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        if self.sketch.count() < self.config.warm_up {
            Phase::WarmUp
        } else if self.frozen {
            Phase::Frozen
        } else {
            Phase::Learning
        }
    }

    /// A score above this alarms; [`Score::MAX`], which nothing exceeds, during warm-up.
    #[must_use]
    pub const fn threshold(&self) -> Score {
        self.threshold
    }

    /// Scores at or below this end an alarm.
    #[must_use]
    pub const fn release(&self) -> Score {
        self.release
    }

    /// The calibration.
    #[must_use]
    pub const fn sketch(&self) -> &QuantileSketch {
        &self.sketch
    }

    /// Stops learning after warm-up; during warm-up it takes effect at its end.
    pub const fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Learns again, past the configured length of the calibration, until it is [frozen](Self::freeze) or
    /// [restarted](Self::restart).
    pub const fn thaw(&mut self) {
        self.frozen = false;
        self.thawed = true;
    }

    /// Starts the drift sums anew.
    pub const fn acknowledge_drift(&mut self) {
        self.cusum.reset();
    }

    /// Forgets everything but the configuration: as a new detector.
    pub const fn restart(&mut self) {
        *self = Self::fresh(self.config);
    }

    /// The most that an [`update`](Self::update) takes, in [operations](crate::work): a rank, an insertion
    /// and two thresholds.
    pub const UPDATE_OPERATIONS: u64 = 2 * QuantileSketch::INSERT_OPERATIONS + 12 * DIVISION;

    /// Decides about the next score, and learns it where the rules say so.
    pub fn update(&mut self, score: Score) -> Decision {
        self.updates = self.updates.wrapping_add(1);
        let rank = self.sketch.rank(score);
        let weight = self.sketch.weight();
        let fraction = |twice: u64| -> u16 {
            // Twice a weight of at most 2^20, shifted by 15: below 2^37.
            let fraction = (twice << 15)
                .checked_div(u64::from(weight))
                .unwrap_or(1 << 15);
            u16::try_from(fraction).unwrap_or(u16::MAX)
        };
        let (below, at_most) = (u64::from(rank.below), u64::from(rank.at_most));
        let middle = fraction(below + at_most);
        if self.phase() == Phase::WarmUp {
            self.learn(score);
            return Decision {
                alarm: false,
                event: None,
                rank: middle,
                drift: None,
            };
        }

        // Anywhere among its equals, evenly.
        let equals = at_most.saturating_sub(below);
        let among = below + ((equals * u64::from(spread(self.updates))) >> 16);
        let drift = self.cusum.update(fraction(2 * among));

        let exceeds = score > self.threshold;
        let speaks_for_change = if self.alarm {
            score <= self.release
        } else {
            exceeds
        };
        self.run = if speaks_for_change {
            self.run.saturating_add(1)
        } else {
            0
        };
        let needed = if self.alarm {
            self.config.off
        } else {
            self.config.on
        };
        let was_on = self.alarm;
        let event = if self.run >= needed {
            self.run = 0;
            self.alarm = !was_on;
            Some(if was_on { Event::Ended } else { Event::Started })
        } else {
            None
        };
        if !was_on && !self.frozen {
            self.learn(if exceeds {
                score.min(self.most())
            } else {
                score
            });
        }
        Decision {
            alarm: self.alarm,
            event,
            rank: middle,
            drift,
        }
    }

    fn learn(&mut self, score: Score) {
        self.sketch.insert(score);
        if self.sketch.count() < self.config.warm_up {
            return;
        }
        self.threshold = self.level(self.config.period);
        // With few scores the release level may be extrapolated too; it never passes the threshold.
        self.release = self.level(self.config.release_period).min(self.threshold);
        // The count stops at the value that stands for never.
        let ends = !self.thawed && self.config.calibration != DetectorConfig::NEVER;
        if ends && self.sketch.count() >= self.config.calibration {
            self.frozen = true;
        }
    }

    /// The highest level at which a score above the threshold is learned.
    fn most(&self) -> Score {
        let more = self.sketch.weight().wrapping_add(1);
        let rarer = self.config.period.saturating_mul(RARER);
        let largest = self.sketch.kth_largest(1);
        self.extrapolate(rarer, more)
            .max(largest)
            .unwrap_or(Score::MAX)
    }

    /// The level that one score in `period` exceeds.
    fn level(&self, period: u32) -> Score {
        // At most 2^20 + 1.
        let more = self.sketch.weight().wrapping_add(1);
        let k = more.checked_div(period).unwrap_or(0);
        let found = match k {
            0 => self.extrapolate(period, more),
            k => self.sketch.kth_largest(k),
        };
        found.unwrap_or(Score::MAX)
    }

    /// The exponential tail above the m-th largest score.
    fn extrapolate(&self, period: u32, more: u32) -> Option<Score> {
        let m = (more / 16).clamp(2, EXACT_TOP as u32);
        let (base, excess) = self.sketch.excess_of_top(m)?;
        // m · r / (n + 1) in U16F16: m r < 24 · 16 · 2^19 < 2^28, and n + 1 > 64.
        let ratio = ((u64::from(m) * u64::from(period)) << 16).checked_div(u64::from(more))?;
        let ratio = u32::try_from(ratio).unwrap_or(u32::MAX);
        let degrees = m.saturating_sub(1).max(1);
        let root = exp2(log2(ratio).max(0).checked_div(degrees.cast_signed())?);
        // b (m - 1) (root - 1): the sum of the excesses times (root - 1), U16F16.
        let beyond = (u128::from(excess) * u128::from(root.saturating_sub(1 << 16))) >> 16;
        let beyond = u64::try_from(beyond).unwrap_or(u64::MAX);
        Some(Score::from_u64(base.to_u64().saturating_add(beyond)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Generator;
    use proptest::prelude::*;
    use rand_core::Rng;

    fn exponential(generator: &mut Generator) -> f64 {
        -((f64::from(generator.next_u32()) + 0.5) / 4_294_967_296.0).ln()
    }

    fn score(x: f64) -> Score {
        Score::from((x * 16_777_216.0) as u64)
    }

    /// Mean probability that a new exponential score exceeds the threshold, over the rate asked for.
    fn achieved(period: u32, n: u32, calibrations: u32) -> f64 {
        let mut generator = Generator::from_seed(u64::from(n));
        let mut sum = 0.0;
        for _ in 0..calibrations {
            let mut config = DetectorConfig::one_in(period);
            config.calibration = n;
            let mut detector = Detector::new(config).unwrap();
            for _ in 0..n {
                detector.update(score(exponential(&mut generator)));
            }
            sum += (-(detector.threshold().to_u64() as f64) / 16_777_216.0).exp();
        }
        sum / f64::from(calibrations) * f64::from(period)
    }

    #[test]
    fn false_alarms_come_at_the_rate_asked_for() {
        // Extrapolated, at the change of rule, and from the sample; standard errors about 6 to 10 %.
        for (period, n, calibrations) in [
            (10_000, 2_000, 150),
            (1_000, 2_000, 150),
            (1_000, 20_000, 20),
        ] {
            let ratio = achieved(period, n, calibrations);
            assert!(
                (0.7..1.35).contains(&ratio),
                "1 in {period} after {n}: {ratio}"
            );
        }
    }

    fn calibrated(period: u32, change: impl Fn(&mut DetectorConfig)) -> (Detector, Generator) {
        let mut config = DetectorConfig::one_in(period);
        change(&mut config);
        let mut detector = Detector::new(config).unwrap();
        let mut generator = Generator::from_seed(11);
        for i in 0..config.warm_up {
            assert_eq!(detector.phase(), Phase::WarmUp, "{i}");
            assert_eq!(detector.threshold(), Score::MAX);
            // Even a monster does not alarm during warm-up; it is kept out here.
            let decision = detector.update(score(exponential(&mut generator)));
            assert!(!decision.alarm && decision.drift.is_none());
        }
        (detector, generator)
    }

    #[test]
    fn an_anomaly_does_not_calibrate_itself_away() {
        let (mut detector, _) = calibrated(1000, |_| ());
        let threshold = detector.threshold();
        for i in 0..100_000 {
            let decision = detector.update(score(1000.0));
            assert!(decision.alarm);
            assert_eq!(decision.event, (i == 0).then_some(Event::Started));
        }
        assert_eq!(
            detector.sketch().count(),
            513,
            "one score of the alarm is learned"
        );
        assert!(detector.threshold() < score(4.0 * threshold.to_u64() as f64 / 16_777_216.0));
        let decision = detector.update(score(0.5));
        assert_eq!(
            (decision.alarm, decision.event),
            (false, Some(Event::Ended))
        );
    }

    #[test]
    fn alarms_start_and_end_after_the_configured_runs() {
        let (mut detector, _) = calibrated(1000, |c| {
            c.on = 3;
            c.off = 2;
        });
        detector.freeze();
        let (high, low) = (score(100.0), score(0.1));
        let between = Score::from_bits(detector.release().to_bits() + 1);
        assert!(between <= detector.threshold());
        let (started, ended) = (Some(Event::Started), Some(Event::Ended));
        for (step, (x, alarm, event)) in [
            (high, false, None),
            (high, false, None),
            (low, false, None), // the run is broken
            (high, false, None),
            (high, false, None),
            (high, true, started),
            (low, true, None),
            (between, true, None), // above the release level: the run is broken
            (low, true, None),
            (low, false, ended),
        ]
        .into_iter()
        .enumerate()
        {
            let decision = detector.update(x);
            assert_eq!((decision.alarm, decision.event), (alarm, event), "{step}");
        }
    }

    #[test]
    fn frozen_learns_nothing_and_thawed_learns() {
        let (mut detector, mut generator) = calibrated(1000, |_| ());
        detector.freeze();
        assert_eq!(detector.phase(), Phase::Frozen);
        let before = detector.clone();
        for _ in 0..1000 {
            detector.update(score(exponential(&mut generator)));
        }
        assert_eq!(detector.sketch(), before.sketch());
        assert_eq!(detector.threshold(), before.threshold());
        detector.thaw();
        for _ in 0..1000 {
            detector.update(score(exponential(&mut generator)));
        }
        assert!(detector.sketch().count() > 1400);
    }

    #[test]
    fn a_restarted_detector_is_a_new_one_whatever_was_done_to_it() {
        let mut config = DetectorConfig::one_in(100);
        config.calibration = 1000;
        let new = Detector::new(config).unwrap();
        type Deed = fn(&mut Detector);
        let deeds: [Deed; 5] = [
            |_| (),
            Detector::freeze,
            Detector::thaw,
            |detector| {
                detector.freeze();
                detector.thaw();
            },
            |detector| {
                detector.update(score(1e4));
            },
        ];
        for deed in deeds {
            let mut detector = new.clone();
            let mut generator = Generator::from_seed(3);
            for _ in 0..1500 {
                detector.update(score(exponential(&mut generator)));
            }
            deed(&mut detector);
            detector.restart();
            assert_eq!(detector, new);
            // And decides, and freezes, as a new one does.
            let mut other = new.clone();
            for _ in 0..1500 {
                let x = score(exponential(&mut generator));
                assert_eq!(detector.update(x), other.update(x));
            }
            assert_eq!(detector.phase(), Phase::Frozen);
        }
    }

    #[test]
    fn a_calibration_ends_where_it_is_told_to_and_never_when_told_never() {
        for (calibration, phase) in [
            (DetectorConfig::NEVER, Phase::Learning),
            (DetectorConfig::NEVER - 1, Phase::Frozen),
        ] {
            let (mut detector, _) = calibrated(1000, |c| c.calibration = calibration);
            // As after 2^32 scores less four: the count stops at 2^32 - 1.
            detector.sketch = detector.sketch.counting_from(u32::MAX - 4);
            for step in 0..10 {
                let early = step < 3;
                let expected = if early { Phase::Learning } else { phase };
                assert_eq!(detector.phase(), expected, "{calibration} {step}");
                detector.update(score(0.5));
            }
        }
    }

    #[test]
    fn drift_is_silent_on_ties_and_sees_a_stuck_sensor() {
        let (mut detector, mut generator) = calibrated(1000, |c| c.warm_up = 1000);
        detector.restart();
        for i in 0..20_000u32 {
            let decision = detector.update(Score::from(generator.next_u32() % 5));
            assert_eq!(decision.drift, None, "{i}");
        }
        detector.restart();
        for _ in 0..5_000 {
            detector.update(score(exponential(&mut generator)));
        }
        let delay = (1..100).find(|_| detector.update(score(0.7)).drift == Some(Drift::Narrower));
        assert!(delay.is_some_and(|d| d < 40), "{delay:?}");
    }

    #[test]
    fn a_configuration_out_of_range_is_refused() {
        let good = DetectorConfig::one_in(1000);
        assert!(Detector::new(good).is_ok());
        let change = |change: fn(&mut DetectorConfig)| {
            let mut config = good;
            change(&mut config);
            Detector::new(config).map(|_| ())
        };
        let outside = |setting, least, most| {
            Err(Defect::Setting {
                setting,
                least,
                most,
            })
        };
        let period = outside(Setting::Period, 2, 1 << 19);
        assert_eq!(change(|c| c.period = 1), period);
        assert_eq!(change(|c| c.period = u32::MAX), period);
        let warm_up = outside(Setting::WarmUp, 64, u32::MAX);
        assert_eq!(change(|c| c.warm_up = 63), warm_up);
        let calibration = outside(Setting::Calibration, 512, u32::MAX);
        assert_eq!(change(|c| c.calibration = 100), calibration);
        assert_eq!(change(|c| c.on = 0), outside(Setting::On, 1, 255));
        assert_eq!(change(|c| c.off = 0), outside(Setting::Off, 1, 255));
        let release = outside(Setting::ReleasePeriod, 2, 1000);
        assert_eq!(change(|c| c.release_period = 1001), release);
        assert_eq!(change(|c| c.release_period = 1), release);
        let said = std::format!("{}", warm_up.unwrap_err());
        assert_eq!(said, "warm_up must be in 64..=4294967295");
        for period in [2, 3, 100, 1 << 19] {
            assert!(
                Detector::new(DetectorConfig::one_in(period)).is_ok(),
                "{period}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_scores_are_taken(
            scores in proptest::collection::vec((any::<u64>(), 0u32..64), 64..800), period in 2u32..1 << 19,
        ) {
            let mut config = DetectorConfig::one_in(period);
            config.warm_up = 64;
            let mut detector = Detector::new(config).unwrap();
            for (score, shift) in scores {
                detector.update(Score::from(score >> shift));
                prop_assert!(detector.release() <= detector.threshold());
            }
        }
    }
}
