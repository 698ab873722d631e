//! How far a quantile sketch is off, and how far the alarms that follow from it.
//!
//! [`rank_errors`] feeds streams of many kinds to [`QuantileSketch`] and compares 1,001 quantiles with
//! those of the sorted stream. [`alarm_rates`] calibrates a [`Detector`] on independent scores of a known
//! distribution, again and again, and computes the probability that a further score exceeds its threshold.

use std::f64::consts::SQRT_2;
use std::fmt;

use anyhow::{Context, Result};
use autodidact::anomaly::{Detector, DetectorConfig, QuantileSketch, Score};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use serde::Serialize;

use crate::train::random::generator;

/// Lengths of streams that are measured.
pub const LENGTHS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Quantiles that are asked for, less one.
const STEPS: u32 = 1000;

/// A kind of stream: its name and its value at a place of so many.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// What it is called.
    pub name: &'static str,
    value: fn(&mut ChaCha8Rng, u32, u32) -> u32,
}

fn normal(generator: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(generator)
}

fn exponential(generator: &mut ChaCha8Rng) -> f64 {
    Exp1.sample(generator)
}

/// Uniform in (0, 1).
fn uniform(generator: &mut ChaCha8Rng) -> f64 {
    (f64::from(generator.next_u32()) + 0.5) / 4_294_967_296.0
}

/// The streams. Float casts saturate.
pub const STREAMS: [Stream; 14] = [
    Stream {
        name: "uniform",
        value: |g, _, _| g.next_u32(),
    },
    Stream {
        name: "exponential",
        value: |g, _, _| (1e6 * exponential(g)) as u32,
    },
    Stream {
        name: "lognormal, sigma 2",
        value: |g, _, _| (1e3 * (2.0 * normal(g)).exp()) as u32,
    },
    Stream {
        name: "Cauchy, absolute",
        value: |g, _, _| (1e4 * (normal(g) / normal(g)).abs()) as u32,
    },
    Stream {
        name: "sorted",
        value: |_, i, _| i * 1000,
    },
    Stream {
        name: "reversed",
        value: |_, i, n| (n - i) * 1000,
    },
    Stream {
        name: "zig-zag, closing in",
        value: |_, i, n| {
            if i % 2 == 0 {
                i * 500
            } else {
                (2 * n - i) * 500
            }
        },
    },
    Stream {
        name: "zig-zag, spreading out",
        value: |_, i, n| {
            if i % 2 == 0 {
                (n + i) * 500
            } else {
                (n - i) * 500
            }
        },
    },
    Stream {
        name: "20 values",
        value: |g, _, _| g.next_u32() % 20,
    },
    Stream {
        name: "ties, Zipf",
        value: |g, _, _| (1.0 / uniform(g)).min(1e6) as u32,
    },
    Stream {
        name: "change in the middle",
        value: |g, i, n| {
            let x = normal(g);
            (if i < n / 2 {
                1e8 + 1e6 * x
            } else {
                1.05e8 + 3e6 * x
            }) as u32
        },
    },
    Stream {
        name: "slow drift",
        value: |g, i, _| (1e8 + 1e6 * normal(g) + 20.0 * f64::from(i)) as u32,
    },
    Stream {
        name: "blocks of 1,000",
        value: |g, i, _| ((i / 1000).wrapping_mul(2_654_435_761) >> 10) + (g.next_u32() >> 22),
    },
    Stream {
        name: "four closing fronts",
        value: |_, i, n| match i % 4 {
            0 => i / 4 * 500,
            1 => (2 * n - i / 4) * 500,
            2 => (n + n / 2 + i / 8) * 500,
            _ => (n + n / 2 - i / 8) * 500,
        },
    },
];

/// Largest error of any quantile of one stream, at one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankError {
    /// Name of the stream.
    pub stream: &'static str,
    /// Its length.
    pub scores: u32,
    /// How many of all scores the quantile is off, as a fraction.
    pub error: f64,
    /// The bound that the sketch gives for itself, as a fraction.
    pub bound: f64,
}

impl RankError {
    /// Above half a per cent.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.error > 0.005
    }
}

impl fmt::Display for RankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_large() { "*" } else { " " };
        write!(
            f,
            "{:.2}{mark} ({:.1})",
            100.0 * self.error,
            100.0 * self.bound
        )
    }
}

/// One stream of one length.
#[must_use]
pub fn rank_error(stream: Stream, scores: u32, seed: u64) -> RankError {
    let mut generator = generator(seed, 0);
    let mut sketch = QuantileSketch::NEW;
    let mut sorted: Vec<Score> = (0..scores)
        .map(|at| {
            let score = Score::from((stream.value)(&mut generator, at, scores));
            sketch.insert(score);
            score
        })
        .collect();
    sorted.sort_unstable();
    let mut worst = 0;
    for step in 0..=STEPS {
        let fraction = u64::from(u32::MAX) * u64::from(step) / u64::from(STEPS);
        let target = ((fraction * u64::from(scores)).div_ceil(1 << 32)).max(1);
        let found = sketch.quantile(fraction as u32).unwrap_or_default();
        let below = sorted.partition_point(|score| *score < found) as u64;
        let at_most = sorted.partition_point(|score| *score <= found) as u64;
        // Ranks below + 1 to at_most are those of the value; one between two values has none of its own.
        let error = below
            .saturating_sub(target)
            .max(target.saturating_sub(at_most));
        worst = worst.max(error);
    }
    RankError {
        stream: stream.name,
        scores,
        error: worst as f64 / f64::from(scores),
        bound: f64::from(sketch.rank_error()) / f64::from(scores),
    }
}

/// Every stream at every length, the lengths of a stream together.
#[must_use]
pub fn rank_errors(seed: u64) -> Vec<RankError> {
    let lengths = |stream| LENGTHS.map(|scores| rank_error(stream, scores, seed));
    STREAMS.into_iter().flat_map(lengths).collect()
}

/// Independent scores of a known distribution.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    draw: fn(&mut ChaCha8Rng) -> f64,
    /// Probability of more than this.
    exceeds: fn(f64) -> f64,
}

/// Tails from light to heavy.
pub const KNOWN: [Known; 3] = [
    Known {
        name: "exponential",
        draw: exponential,
        exceeds: |x| (-x).exp(),
    },
    Known {
        name: "normal, squared",
        draw: |g| normal(g).powi(2),
        exceeds: |x| complementary_error_function((x / 2.0).sqrt()),
    },
    Known {
        name: "lognormal",
        draw: |g| normal(g).exp(),
        exceeds: |x| 0.5 * complementary_error_function(x.ln() / SQRT_2),
    },
];

/// `erfc` with a relative error below 1.2e-7 (W. Press et al., *Numerical recipes*, section 6.2).
fn complementary_error_function(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let exponent = COEFFICIENTS.iter().fold(0.0, |sum, c| sum * t + c) - x * x;
    let upper = t * exponent.exp();
    if x >= 0.0 { upper } else { 2.0 - upper }
}

/// Scores of a calibration, and how many calibrations are averaged.
pub const CALIBRATIONS: [(u32, u32); 4] = [(600, 300), (2_000, 200), (10_000, 60), (100_000, 8)];

/// Periods that are asked for.
pub const PERIODS: [u32; 2] = [1_000, 10_000];

/// Rate of false alarms over that asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlarmRate {
    /// Name of the distribution.
    pub scores: &'static str,
    /// One alarm in so many was asked for.
    pub period: u32,
    /// Scores of a calibration.
    pub calibration: u32,
    /// Calibrations.
    pub calibrations: u32,
    /// Mean over the calibrations.
    pub mean: f64,
    /// A tenth of the calibrations is below.
    pub low: f64,
    /// A tenth of the calibrations is above.
    pub high: f64,
}

impl fmt::Display for AlarmRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}..{:.2})", self.mean, self.low, self.high)
    }
}

/// Calibrates detectors and measures what they let through.
///
/// # Errors
///
/// The detector refuses the period.
pub fn alarm_rate(
    known: Known,
    period: u32,
    calibration: u32,
    calibrations: u32,
    seed: u64,
) -> Result<AlarmRate> {
    const UNIT: f64 = 16_777_216.0;
    let mut generator = generator(seed, u64::from(calibration));
    let mut ratios = Vec::new();
    for _ in 0..calibrations {
        let mut detector = Detector::new(DetectorConfig {
            calibration,
            ..DetectorConfig::one_in(period)
        })
        .context("no detector has this period")?;
        for _ in 0..calibration {
            let score = (known.draw)(&mut generator) * UNIT;
            detector.update(Score::from(score as u64));
        }
        let threshold = detector.threshold().to_u64() as f64 / UNIT;
        ratios.push((known.exceeds)(threshold) * f64::from(period));
    }
    ratios.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let at = (part * ratios.len() as f64) as usize;
        ratios.get(at).copied().unwrap_or(f64::NAN)
    };
    Ok(AlarmRate {
        scores: known.name,
        period,
        calibration,
        calibrations,
        mean: ratios.iter().sum::<f64>() / ratios.len() as f64,
        low: at(0.1),
        high: at(0.9),
    })
}

/// Every distribution, period and length of calibration, the lengths together.
///
/// # Errors
///
/// None with the periods here.
pub fn alarm_rates(seed: u64) -> Result<Vec<AlarmRate>> {
    let mut found = Vec::new();
    for known in KNOWN {
        for period in PERIODS {
            for (calibration, calibrations) in CALIBRATIONS {
                found.push(alarm_rate(known, period, calibration, calibrations, seed)?);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_passes_its_bound() {
        for stream in STREAMS {
            for scores in [1_000, 20_000] {
                let found = rank_error(stream, scores, 3);
                // The target of a fraction is rounded up to a whole score.
                let rounding = 1.0 / f64::from(scores);
                assert!(found.error <= found.bound + rounding, "{found:?}");
            }
        }
    }

    #[test]
    fn erfc_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 7.1.
        for (x, expected) in [(0.0, 1.0), (0.5, 0.479_500_122), (2.0, 0.004_677_735)] {
            let found = complementary_error_function(x);
            assert!((found / expected - 1.0).abs() < 3e-7, "{x}: {found}");
            assert!((complementary_error_function(-x) - (2.0 - expected)).abs() < 3e-7);
        }
    }

    #[test]
    fn exponential_scores_alarm_at_the_rate_asked_for() {
        let found = alarm_rate(KNOWN[0], 1000, 2000, 150, 0).unwrap();
        assert!((0.7..1.35).contains(&found.mean), "{found}");
    }
}
