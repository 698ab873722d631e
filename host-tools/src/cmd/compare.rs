//! What figures beside each other say that a person should not overlook.

use autodidact_tools::data::{Standardiser, Table};
use autodidact_tools::evaluate::PartReport;
use autodidact_tools::number::number;

/// A squared error on rows held out this many times that on rows trained on is far worse.
const FAR_WORSE: f64 = 3.0;

/// A log-likelihood this many nats below is far worse ...
const FAR_BELOW: f64 = 1.0;

/// ... of many rows; the mean of a few is off by itself, by as much again with sixteen of them.
const FEW: f64 = 16.0;

/// A share of the variance this much smaller is far worse.
const LOST_SHARE: f64 = 0.3;

/// Figures of the host and of the device may differ by this share ...
const SHARE: f64 = 0.05;

/// ... or by this much, where the figure is a sum over features, each of them.
const STEP: f64 = 1e-4;

/// A count of more than this share of a deviation is coarse.
const COARSE: f64 = 1.0 / 32.0;

/// Nats by which a device's log-likelihood may differ.
const NATS: f64 = 0.1;

/// A mean log-likelihood at which the device's format has ended for nearly every row.
const LEAST_NATS: f64 = -32_000.0;

/// Decibels by which a device's peak signal-to-noise ratio may differ.
const DECIBELS: f64 = 0.5;

fn is_nats(key: &str) -> bool {
    matches!(key, "nats_per_row")
}

fn is_squared(key: &str) -> bool {
    matches!(
        key,
        "inertia_per_row" | "residual_per_row" | "squared_error_per_row"
    )
}

/// Parts that fare far worse on held-out rows than on rows that they were trained on, a sentence each.
pub(super) fn overfitted(
    training: &[PartReport],
    held_out: &[PartReport],
    rows: usize,
) -> Vec<String> {
    let mut remarks = Vec::new();
    for (seen, unseen) in training.iter().zip(held_out) {
        for figure in &unseen.figures {
            let Some(seen) = seen.figure(figure.key) else {
                continue;
            };
            let worse =
                (is_squared(figure.key) && figure.value > FAR_WORSE * seen && figure.value > STEP)
                    || (is_nats(figure.key) && is_overfitted(seen, figure.value, rows));
            let lost = figure.key == "captured_variance" && figure.value < seen - LOST_SHARE;
            if worse || lost {
                remarks.push(format!(
                    "`{}` fares far worse on rows that it was not trained on: {} {} against {}; there are too few rows for so large a model, or the rows held out are unlike the others",
                    unseen.name,
                    figure.label,
                    number(figure.value),
                    number(seen)
                ));
            }
        }
    }
    remarks
}

/// Nats of a row that fare far worse on so many held-out rows than on rows that they were trained on.
pub(super) fn is_overfitted(seen: f64, unseen: f64, rows: usize) -> bool {
    let off = 1.0 + (FEW / rows as f64).sqrt();
    unseen < seen - off * FAR_BELOW.max(SHARE * seen.abs())
}

/// Nats of a row that the device's integers change by more than rounding does.
pub(super) fn are_apart(host: f64, device: f64) -> bool {
    (host - device).abs() > nats_apart(host)
}

fn nats_apart(host: f64) -> f64 {
    NATS.max(SHARE * host.abs())
}

/// Figures that the device's integers change by more than rounding does, a sentence each with the likely reason.
pub(super) fn apart(
    host: &[PartReport],
    device: &[PartReport],
    standardiser: &Standardiser,
    judged: &Table,
    trained: bool,
) -> Vec<String> {
    let mut remarks = Vec::new();
    for (host, device) in host.iter().zip(device) {
        for figure in &device.figures {
            let Some(exact) = host.figure(figure.key) else {
                continue;
            };
            let difference = (figure.value - exact).abs();
            let limit = match figure.key {
                key if is_squared(key) => {
                    (SHARE * exact.abs()).max(STEP * standardiser.width() as f64)
                }
                key if is_nats(key) => nats_apart(exact),
                "psnr_db" => DECIBELS,
                _ => continue,
            };
            if difference > limit {
                remarks.push(format!(
                    "`{}`: host and device differ by {} in {}: {}",
                    device.name,
                    number(difference),
                    figure.label,
                    if is_nats(figure.key) && figure.value <= LEAST_NATS {
                        "the device's log-likelihood of a row ends at -32768".to_owned()
                    } else {
                        reason(device, standardiser, judged, trained)
                    }
                ));
            }
        }
    }
    remarks
}

fn reason(
    device: &PartReport,
    standardiser: &Standardiser,
    judged: &Table,
    trained: bool,
) -> String {
    let (ending, _) = standardiser.ending_rows(judged);
    if ending > 0 {
        return format!(
            "{ending} of the {} rows have features that end at 8 deviations",
            judged.rows()
        );
    }
    // One count in a deviation: readings are rounded to it before they become features.
    let coarse = standardiser.lsb.iter().zip(&standardiser.std);
    let mut coarse = coarse
        .zip(judged.columns())
        .filter(|((lsb, std), _)| **lsb > COARSE * **std);
    if let Some(((lsb, std), name)) = coarse.next() {
        return format!(
            "one count of `{name}`, {}, is {:.0} % of a deviation, and readings are rounded to it",
            number(*lsb),
            100.0 * lsb / std
        );
    }
    match device.kind.as_str() {
        "gmm" if trained => "a covariance is nearly singular, so that one 4096th of a deviation, the unit of a feature, counts; a larger --floor or --covariance diagonal helps".into(),
        "gmm" => "a covariance is nearly singular, so that one 4096th of a deviation, the unit of a feature, counts; fit it with a larger reg_covar".into(),
        _ => "the parameters lose too much in their 8 or 16 bits".into(),
    }
}

#[cfg(test)]
mod tests {
    use autodidact_tools::data::Scaling;
    use autodidact_tools::evaluate::Figure;

    use super::*;

    fn report(key: &'static str, value: f64) -> [PartReport; 1] {
        [PartReport {
            name: "part".into(),
            kind: "gmm".into(),
            figures: vec![Figure {
                key,
                label: "figure",
                value,
            }],
        }]
    }

    #[test]
    fn what_fares_far_worse_on_new_rows_is_said() {
        let remarks =
            |key, seen, unseen| overfitted(&report(key, seen), &report(key, unseen), 1600).len();
        assert_eq!(remarks("inertia_per_row", 1.0, 2.9), 0);
        assert_eq!(remarks("inertia_per_row", 1.0, 3.1), 1);
        assert_eq!(remarks("nats_per_row", -20.0, -21.0), 0);
        assert_eq!(remarks("nats_per_row", -20.0, -21.2), 1);
        assert!(!is_overfitted(-20.0, -21.2, 16) && is_overfitted(-20.0, -22.1, 16));
        assert_eq!(remarks("empty_clusters", 0.0, 3.0), 0);
    }

    #[test]
    fn host_and_device_apart_are_said_with_a_reason() {
        let values: Vec<f32> = (0..100).map(|at| (at % 7) as f32 * 100.0).collect();
        let calm = Table::new("made", vec!["a".into()], values).unwrap();
        let scaling = Scaling::Standard {
            ignore_constant: false,
        };
        let fitted = scaling.fit(&calm).unwrap();
        let remarks = |host, device, rows: &Table| {
            let (host, device) = (report("nats_per_row", host), report("nats_per_row", device));
            apart(&host, &device, &fitted, rows, true)
        };
        assert_eq!(remarks(-1.0, -1.05, &calm), [""; 0]);
        assert!(remarks(-1.0, -1.2, &calm)[0].contains("nearly singular"));
        let wild = Table::new("made", vec!["a".into()], vec![50_000.0]).unwrap();
        assert!(remarks(-1.0, -1.2, &wild)[0].contains("1 of the 1 rows"));
        assert!(remarks(-1e6, -32_768.0, &wild)[0].contains("ends at -32768"));
    }
}
