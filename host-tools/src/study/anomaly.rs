//! Two temperature series with labelled failures, through the device's integers from end to end.
//!
//! The series are those of the Numenta Anomaly Benchmark (A. Lavin and S. Ahmad, *Evaluating real-time
//! anomaly detection algorithms*, ICMLA 2015) with its labelled windows. A point becomes a count of 0.01
//! degree; [`Window`] makes features of the last 16 counts and their 15 differences; one container holds
//! the scaler and four scorers; a [`Detector`] turns scores into alarms, asked for one false alarm in
//! [`PERIOD`] points. Everything is learned on the first 15 % of the very series, labels unseen, and the
//! same settings serve both series.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use autodidact::anomaly::{Detector, DetectorConfig, Event, Score, Window};
use autodidact::kernels::Order;
use autodidact::model::Model;
use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::data_file;
use crate::data::{Scaling, Table};
use crate::quantize::{self, AlignedBytes, QuantisedModel, QuantisedPart};
use crate::replay::{PartResult, run_part};
use crate::train::{
    device::TrainingDevice,
    gmm::{self, GmmOptions},
    kmeans::{self, KMeansOptions},
    model::CovarianceKind,
    pca::{self, PcaOptions},
};

/// One false alarm is asked for in this many points.
pub const PERIOD: u32 = 1000;

/// Points before this share of the series are learned from and not judged.
pub const LEARNED: f64 = 0.15;

/// Values of the recent past that are features.
const LAGS: usize = 16;

/// Those and their differences.
const WIDTH: usize = Window::<LAGS>::WITH_DIFFERENCES;

/// Counts in one degree: what a sensor of 0.01 degree gives.
const COUNTS_PER_DEGREE: f64 = 100.0;

/// Share of the variance that the principal components explain.
const EXPLAINED: f64 = 0.95;

/// Added to variances, as `autodidact fit gmm` does by default.
const FLOOR: f64 = 1e-3;

/// The series: file name and title.
pub const SERIES: [(&str, &str); 2] = [
    ("machine_temperature_system_failure.csv", "machine"),
    ("ambient_temperature_system_failure.csv", "office"),
];

/// A series in counts, with its labels.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is called here.
    pub title: &'static str,
    /// When, one text a point.
    pub times: Vec<String>,
    /// Hundredths of a degree Fahrenheit.
    pub counts: Vec<i16>,
    /// Points of the labelled windows, rising.
    pub windows: Vec<Range<usize>>,
}

impl Series {
    /// The first point that is judged.
    #[must_use]
    pub fn mark(&self) -> usize {
        share(self.counts.len(), LEARNED)
    }

    /// Windows that end after the mark; of one that the mark cuts, what lies after it.
    #[must_use]
    pub fn judged(&self) -> Vec<Range<usize>> {
        let mark = self.mark();
        let judged = self.windows.iter().filter(|window| window.end > mark);
        judged
            .map(|window| window.start.max(mark)..window.end)
            .collect()
    }
}

fn share(points: usize, share: f64) -> usize {
    (points as f64 * share) as usize
}

/// Reads both series from a folder with `nab/`.
///
/// # Errors
///
/// A file is missing or is not what the benchmark publishes.
pub fn read(folder: &Path) -> Result<Vec<Series>> {
    let labels = data_file(
        folder,
        "nab/windows.json",
        "the labelled windows of the Numenta Anomaly Benchmark (labels/combined_windows.json of its repository)",
    )?;
    let wrong = || format!("{} holds no labelled windows", labels.display());
    let text = std::fs::read(&labels).with_context(wrong)?;
    let labels: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_slice(&text).with_context(wrong)?;
    SERIES
        .into_iter()
        .map(|(name, title)| {
            let path = data_file(
                folder,
                &format!("nab/{name}.gz"),
                "a series of the Numenta Anomaly Benchmark (data/realKnownCause of its repository), gzipped",
            )?;
            let windows = labels.iter().find(|(key, _)| key.ends_with(name));
            let (_, windows) =
                windows.with_context(|| format!("nab/windows.json has no windows of {name}"))?;
            read_series(&path, title, windows)
                .with_context(|| format!("{} cannot be used", path.display()))
        })
        .collect()
}

fn read_series(path: &Path, title: &'static str, windows: &[[String; 2]]) -> Result<Series> {
    let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(File::open(path)?));
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record?;
        let (Some(time), Some(value)) = (record.get(0), record.get(1)) else {
            anyhow::bail!("a row has no time and value");
        };
        let value: f64 = value.parse().with_context(|| format!("at {time}"))?;
        times.push(time.to_owned());
        // A float cast saturates.
        counts.push((value * COUNTS_PER_DEGREE).round() as i16);
    }
    ensure!(counts.len() >= 1000, "it has fewer than 1,000 points");
    // Times of one format: their texts are in the order of time, up to the seconds. The machine's clock was
    // once set back by an hour, away from any window.
    let seconds = |text: &str| text.get(..19).unwrap_or(text).to_owned();
    let windows = windows
        .iter()
        .map(|[from, to]| {
            let inside = seconds(from)..=seconds(to);
            let labelled = |time: &String| inside.contains(time);
            let start = times
                .iter()
                .position(labelled)
                .context("a window is empty")?;
            let last = times.iter().rposition(labelled).unwrap_or(start);
            Ok(start..last + 1)
        })
        .collect::<Result<_>>()?;
    Ok(Series {
        title,
        times,
        counts,
        windows,
    })
}

/// What gives the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Scorer {
    /// Negative log-likelihood under one Gaussian with a diagonal covariance.
    Gaussian,
    /// The same under a mixture of four.
    Mixture,
    /// Squared distance to the nearest of eight centroids.
    KMeans,
    /// Squared distance to the principal components that explain 95 % of the variance.
    Pca,
}

impl Scorer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gaussian, Self::Mixture, Self::KMeans, Self::Pca];

    /// Name of its part in the container.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gmm-1",
            Self::Mixture => "gmm-4",
            Self::KMeans => "kmeans-8",
            Self::Pca => "pca-residual",
        }
    }

    fn train(self, features: &Table, device: &TrainingDevice) -> Result<QuantisedPart> {
        match self {
            Self::Gaussian | Self::Mixture => {
                let options = GmmOptions {
                    k: if self == Self::Gaussian { 1 } else { 4 },
                    covariance: CovarianceKind::Diagonal,
                    floor: FLOOR,
                    ..GmmOptions::default()
                };
                let model = gmm::fit(&options.check()?, features, device, &mut |_| {})?;
                Ok(QuantisedPart::Gmm {
                    input: None,
                    mixture: quantize::gmm(&model)?,
                })
            }
            Self::KMeans => {
                let options = KMeansOptions {
                    k: 8,
                    ..KMeansOptions::default()
                };
                let model = kmeans::fit(&options.check()?, features, device, &mut |_| {})?;
                quantize::kmeans(&model)
            }
            Self::Pca => {
                // Differences of lags add no dimension.
                let fit =
                    |components| pca::fit(&PcaOptions { components }.check()?, features, device);
                let mut explained = 0.0;
                let ratios = fit(LAGS)?.explained_ratio();
                let fewer = ratios.iter().take_while(|ratio| {
                    explained += **ratio;
                    explained < EXPLAINED
                });
                quantize::pca(&fit((fewer.count() + 1).min(LAGS))?)
            }
        }
    }
}

fn to_score(result: &PartResult) -> Result<Score> {
    Ok(match result {
        PartResult::Mixture { log_likelihood, .. } => {
            Score::from(0i32.saturating_sub(*log_likelihood))
        }
        PartResult::KMeans { distance, .. } => Score::from(*distance),
        PartResult::Pca { residual, .. } => Score::from(*residual),
        PartResult::Network(_) | PartResult::Nothing => anyhow::bail!("a network gives no score"),
    })
}

/// Which points fit the scorer, which calibrate the detector, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// What it is called.
    pub name: &'static str,
    /// The scorer is fitted on points before this share of the series.
    pub fitted: f64,
    /// The detector is calibrated on points from this share on, up to [`LEARNED`].
    pub calibrated: f64,
    /// Every score up to [`LEARNED`] is warm-up, not just the first 512: each is learned as it is.
    pub all_warm_up: bool,
    /// The calibration is frozen at [`LEARNED`]; otherwise after 10,000 scores.
    pub frozen: bool,
}

/// The plans, the documented one first.
pub const PLANS: [Plan; 4] = [
    Plan {
        name: "15 % for both, frozen",
        fitted: LEARNED,
        calibrated: 0.0,
        all_warm_up: false,
        frozen: true,
    },
    Plan {
        name: "same, all of it warm-up",
        fitted: LEARNED,
        calibrated: 0.0,
        all_warm_up: true,
        frozen: true,
    },
    Plan {
        name: "10 % + 5 %, frozen",
        fitted: 0.10,
        calibrated: 0.10,
        all_warm_up: false,
        frozen: true,
    },
    Plan {
        name: "15 % for both, goes on learning",
        fitted: LEARNED,
        calibrated: 0.0,
        all_warm_up: false,
        frozen: false,
    },
];

/// The features of every point that has [`LAGS`] values up to it, in counts.
fn windows(counts: &[i16]) -> Result<Vec<[i16; WIDTH]>> {
    let mut window = Window::<LAGS>::NEW;
    let mut rows = Vec::new();
    for &count in counts {
        window.push(count);
        if window.is_full() {
            let mut row = [0; WIDTH];
            window.features_into(&mut row)?;
            rows.push(row);
        }
    }
    Ok(rows)
}

/// One container with every scorer, fitted to the rows.
fn container(rows: &[[i16; WIDTH]], device: &TrainingDevice) -> Result<AlignedBytes> {
    let values = rows.iter().flatten().map(|&count| f32::from(count));
    let table = Table::new(
        "the first part of the series",
        Table::numbered_columns(WIDTH),
        values.collect(),
    )?;
    let scaling = Scaling::Standard {
        ignore_constant: false,
    };
    let standardiser = scaling.fit(&table)?;
    let features = standardiser.transform(&table)?;
    let mut model = QuantisedModel::new(&standardiser, table.columns())?;
    for scorer in Scorer::ALL {
        let part = scorer.train(&features, device)?;
        model.parts.push((scorer.name().into(), part));
    }
    model.encode(Order::RowMajor)
}

/// A point with its score and the threshold that it met.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Its score.
    pub score: Score,
    /// The threshold before it.
    pub threshold: Score,
    /// An alarm started.
    pub started: bool,
    /// Drift is signalled.
    pub drift: bool,
}

/// One series under one plan with one scorer.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What gives the score.
    pub scorer: Scorer,
    /// How it was learned.
    pub plan: Plan,
    /// Scores of the points before those that are judged, as far as they have one.
    pub learned: Vec<Score>,
    /// The points from [`Series::mark`] on.
    pub judged: Vec<Judged>,
}

/// Learns and judges one series under one plan, every scorer in turn.
///
/// # Errors
///
/// A fit fails; the series is too short for the plan.
pub fn run(series: &Series, plan: Plan, device: &TrainingDevice) -> Result<Vec<Trace>> {
    let points = series.counts.len();
    // Row r is the window that ends with point r + LAGS - 1.
    let row = |point: usize| (point + 1).saturating_sub(LAGS);
    let rows = windows(&series.counts)?;
    let fitted = row(share(points, plan.fitted));
    let calibrated = row(share(points, plan.calibrated));
    let mark = row(series.mark());

    let bytes = container(rows.get(..fitted).context("too few points")?, device)?;
    let model = Model::load(&bytes)?;
    let mut features = [0; WIDTH];
    let mut scores: Vec<Vec<Score>> = vec![Vec::new(); Scorer::ALL.len()];
    for counts in &rows {
        model.scaler().scale_into(counts, &mut features)?;
        for (part, scores) in model.parts().zip(&mut scores) {
            scores.push(to_score(&run_part(&part, &features)?)?);
        }
    }
    Scorer::ALL
        .into_iter()
        .zip(scores)
        .map(|(scorer, scores)| {
            let (learned, judged) = scores.split_at(mark);
            let calibration = (mark - calibrated) as u32;
            let mut config = DetectorConfig::one_in(PERIOD);
            if plan.all_warm_up || calibration < config.warm_up {
                config.warm_up = calibration;
            }
            let mut detector =
                Detector::new(config).context("too few points to calibrate a detector")?;
            for score in learned.iter().skip(calibrated) {
                detector.update(*score);
            }
            detector.acknowledge_drift();
            if plan.frozen {
                detector.freeze();
            }
            let judged = judged
                .iter()
                .map(|&score| {
                    let threshold = detector.threshold();
                    let decision = detector.update(score);
                    Judged {
                        score,
                        threshold,
                        started: decision.event == Some(Event::Started),
                        drift: decision.drift.is_some(),
                    }
                })
                .collect();
            Ok(Trace {
                scorer,
                plan,
                learned: learned.to_vec(),
                judged,
            })
        })
        .collect()
}

/// What one scorer has reached on one series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Title of the series.
    pub series: &'static str,
    /// Name of the plan.
    pub plan: &'static str,
    /// Name of the scorer.
    pub scorer: &'static str,
    /// Area under the ROC curve over judged points; those in windows are positive.
    pub auc: f64,
    /// Judged windows.
    pub windows: usize,
    /// Those in which an alarm started.
    pub detected: usize,
    /// Those with a score above the threshold that, set in hindsight, one point in [`PERIOD`] outside of
    /// windows exceeds.
    pub detected_in_hindsight: usize,
    /// Judged points outside of windows.
    pub outside: usize,
    /// Share of these above their threshold.
    pub above: f64,
    /// Alarms that started at one of these.
    pub alarms: usize,
    /// Judged points until drift was first signalled.
    pub first_drift: Option<usize>,
}

impl Figures {
    fn of(series: &Series, trace: &Trace) -> Self {
        let mark = series.mark();
        let windows = series.judged();
        let inside = |at: usize| windows.iter().any(|window| window.contains(&(at + mark)));
        let (mut positive, mut negative) = (Vec::new(), Vec::new());
        let (mut above, mut alarms) = (0, 0);
        for (at, point) in trace.judged.iter().enumerate() {
            if inside(at) {
                positive.push(point.score);
            } else {
                negative.push(point.score);
                above += usize::from(point.score > point.threshold);
                alarms += usize::from(point.started);
            }
        }
        let count = |holds: &dyn Fn(&Judged) -> bool| {
            let of = |window: &&Range<usize>| {
                let points = trace.judged.iter().skip(window.start - mark);
                points.take(window.len()).any(holds)
            };
            windows.iter().filter(of).count()
        };
        negative.sort_unstable();
        let exceed = negative.len() / PERIOD as usize;
        let level = negative[negative.len() - 1 - exceed];
        Self {
            series: series.title,
            plan: trace.plan.name,
            scorer: trace.scorer.name(),
            auc: area_under_curve(&positive, &negative),
            windows: windows.len(),
            detected: count(&|point| point.started),
            detected_in_hindsight: count(&|point| point.score > level),
            outside: negative.len(),
            above: above as f64 / negative.len() as f64,
            alarms,
            first_drift: trace.judged.iter().position(|point| point.drift),
        }
    }

    /// Titles of the columns that [`Figures`] prints.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:<8} {:<32} {:<13} {:>6}  {:>8}  {:>12}  {:>14}  {:>14}  {:>11}",
            "series",
            "learned on",
            "score",
            "AUC",
            "windows",
            "in hindsight",
            "points above",
            "alarms outside",
            "first drift"
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |found: usize| format!("{found} of {}", self.windows);
        let drift = self.first_drift.map(|at| at.to_string());
        write!(
            f,
            "{:<8} {:<32} {:<13} {:>6.3}  {:>8}  {:>12}  {:>12.2} %  {:>14}  {:>11}",
            self.series,
            self.plan,
            self.scorer,
            self.auc,
            of(self.detected),
            of(self.detected_in_hindsight),
            100.0 * self.above,
            self.alarms,
            drift.as_deref().unwrap_or("none"),
        )
    }
}

/// Probability that a positive score is above a negative one, equal ones counted half; `negative` is sorted.
fn area_under_curve(positive: &[Score], negative: &[Score]) -> f64 {
    let sum: usize = positive
        .iter()
        .map(|score| {
            negative.partition_point(|other| other < score)
                + negative.partition_point(|other| other <= score)
        })
        .sum();
    sum as f64 / (2 * positive.len() * negative.len()) as f64
}

/// The figures of every plan and scorer on every series.
///
/// # Errors
///
/// As [`run`].
pub fn figures(series: &[Series], device: &TrainingDevice) -> Result<Vec<Figures>> {
    let mut found = Vec::new();
    for series in series {
        for plan in PLANS {
            let traces = run(series, plan, device)?;
            found.extend(traces.iter().map(|trace| Figures::of(series, trace)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_under_curve_is_that_of_all_pairs() {
        let scores =
            |values: &[u32]| -> Vec<Score> { values.iter().map(|v| (*v).into()).collect() };
        let area = |p: &[u32], n: &[u32]| area_under_curve(&scores(p), &scores(n));
        assert_eq!(area(&[5, 6], &[1, 2, 3]), 1.0);
        assert_eq!(area(&[1], &[1, 1]), 0.5);
        // Pairs: 3 > 1, 3 = 3, 0 < 1, 0 < 3.
        assert_eq!(area(&[3, 0], &[1, 3]), 1.5 / 4.0);
    }

    #[test]
    fn windows_that_end_before_the_mark_do_not_count_and_others_are_cut() {
        let series = Series {
            title: "made",
            times: Vec::new(),
            counts: vec![0; 1000],
            windows: vec![10..20, 140..160, 500..510],
        };
        assert_eq!(series.judged(), [150..160, 500..510]);
    }

    /// A noisy daily cycle with a jump of two degrees.
    fn made() -> Series {
        let mut state = 1u32;
        let counts = (0..8000_i32).map(|t| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let cycle = (f64::from(t) * std::f64::consts::TAU / 200.0).sin() * 300.0;
            let noise = (f64::from(state >> 16) / 65_536.0 - 0.5) * 40.0;
            let jump = if (5000..5040).contains(&t) {
                200.0
            } else {
                0.0
            };
            (7000.0 + cycle + noise + jump) as i16
        });
        Series {
            title: "made",
            times: Vec::new(),
            counts: counts.collect(),
            windows: vec![10..20, 5000..5056],
        }
    }

    #[test]
    fn a_jump_in_a_stationary_series_is_found_at_the_rate_asked_for() {
        let series = made();
        for plan in PLANS {
            let traces = run(&series, plan, &TrainingDevice::cpu()).unwrap();
            for trace in &traces {
                let figures = Figures::of(&series, trace);
                assert_eq!(figures.detected, 1, "{figures}");
                // Neighbouring scores share 15 of 16 values, so that alarms come in runs.
                assert!(figures.above < 0.01, "{figures}");
            }
        }
    }

    #[test]
    fn windows_hold_both_of_their_ends_though_the_clock_was_set_back() {
        let minutes = (0..1000).map(|at| if at < 900 { at } else { at - 60 });
        let mut text = String::from("timestamp,value\n");
        for at in minutes {
            text += &format!(
                "2014-01-01 {:02}:{:02}:00,{}.256\n",
                at / 60,
                at % 60,
                at % 7
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv.gz");
        let mut encoder = flate2::write::GzEncoder::new(
            File::create(&path).unwrap(),
            flate2::Compression::default(),
        );
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let window = ["2014-01-01 01:00:00.000000", "2014-01-01 01:10:00.000000"];
        let series = read_series(&path, "made", &[window.map(Into::into)]).unwrap();
        let [only] = &series.windows[..] else {
            panic!("{:?}", series.windows);
        };
        assert_eq!((only.start, only.end), (60, 71));
        assert_eq!(series.counts[..3], [26, 126, 226]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = read(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(
            message.starts_with("there is no file /nowhere/nab/windows.json: it should be"),
            "{message}"
        );
    }
}
