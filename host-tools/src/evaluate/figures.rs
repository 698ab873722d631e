//! The figures of each kind of part.

use anyhow::{Context, Result, bail, ensure};
use autodidact::gmm::Gmm;
use autodidact::kmeans::{KMeans, Metric};
use autodidact::latent_class::LatentClass;
use autodidact::model::{Body, Input, Part, Task};
use serde::Serialize;

use super::{Outcome, Units};
use crate::data::Table;
use crate::oracle;
use crate::quantize::FEATURE_UNIT;

/// One figure of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Short key, as in JSON.
    pub key: &'static str,
    /// What it is, for a table.
    pub label: &'static str,
    /// Its value.
    pub value: f64,
}

/// The figures of one part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// Name of the part.
    pub name: String,
    /// Kind of the part.
    pub kind: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// What has no row in a mixture of several: the figures that count them among the rows judged, and the same among
/// the rows trained on.
const WITHOUT_ROW: [(&str, &str); 2] = [
    ("empty_clusters", "clusters without a training row"),
    ("unused_components", "components without a training row"),
];

impl PartReport {
    /// Clusters or components without a row: `count` of them among the rows trained on, in place of those among
    /// the rows judged, which are fewer.
    pub fn count_training_rows(&mut self, count: usize) {
        for (key, label) in WITHOUT_ROW {
            let mut figures = self.figures.iter_mut();
            if let Some(figure) = figures.find(|figure| figure.key == key) {
                figure.label = label;
                figure.value = count as f64;
            }
        }
    }

    /// Leaves out how many clusters or components have no row among those judged.
    pub fn leave_out_empty(&mut self) {
        let counts = |figure: &Figure| WITHOUT_ROW.iter().any(|(key, _)| *key == figure.key);
        self.figures.retain(|figure| !counts(figure));
    }

    /// A figure by its key.
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.key == key)
            .map(|figure| figure.value)
    }
}

/// Figures of one part, from its outcomes over the rows of `table` (data units, without noise).
///
/// # Errors
///
/// There is not one outcome a row, or one is of another kind.
pub fn figures(
    Part { name, input, body }: &Part<'_>,
    units: &Units,
    table: &Table,
    outcomes: &[Outcome],
) -> Result<PartReport> {
    // What these are worth takes samples, not rows: they have no results.
    let sampled = match body {
        Body::Score(_) => Some("score"),
        Body::Graph(_, Task::Generator) => Some("generator"),
        _ => None,
    };
    if let Some(kind) = sampled {
        return Ok(PartReport {
            name: (*name).into(),
            kind: kind.into(),
            figures: Vec::new(),
        });
    }
    ensure!(
        outcomes.len() == table.rows(),
        "{} rows, but {} results",
        table.rows(),
        outcomes.len()
    );
    let rows = table.rows() as f64;
    let (kind, figures) = match body {
        Body::KMeans(kmeans) => ("k-means", kmeans_figures(kmeans, units, rows, outcomes)?),
        Body::Pca(pca) => {
            let mean: Vec<f64> = pca
                .mean()
                .iter()
                .map(|&m| f64::from(m) / FEATURE_UNIT)
                .collect();
            ("pca", pca_figures(&mean, units, table, outcomes)?)
        }
        Body::Network(_, task) | Body::Stack(_, task) => {
            let kind = match task {
                Task::Denoiser => "denoiser",
                _ => "autoencoder",
            };
            (kind, network_figures(units, table, outcomes)?)
        }
        Body::Graph(_, Task::Denoiser) => ("denoiser", network_figures(units, table, outcomes)?),
        Body::Graph(_, Task::Autoencoder) => {
            ("autoencoder", network_figures(units, table, outcomes)?)
        }
        Body::Graph(..) => ("graph", Vec::new()),
        Body::Gmm(gmm) => ("gmm", gmm_figures(gmm, input, units, outcomes)?),
        Body::Rbm(_) => ("rbm", energy_figures(NATS, outcomes)?),
        Body::Dbn(_) => ("dbn", energy_figures(BOUND, outcomes)?),
        Body::LatentClass(_) => bail!("part `{name}` reads a table of mixed columns"),
        _ => bail!("part `{name}` is of a kind that this tool cannot judge"),
    };
    Ok(PartReport {
        name: (*name).into(),
        kind: kind.into(),
        figures,
    })
}

fn kmeans_figures(
    kmeans: &KMeans<'_>,
    units: &Units,
    rows: f64,
    outcomes: &[Outcome],
) -> Result<Vec<Figure>> {
    let mut sizes = vec![0usize; kmeans.k()];
    let mut inertia = 0.0;
    for outcome in outcomes {
        let Outcome::KMeans { index, distance } = outcome else {
            bail!("a result is not one of k-means");
        };
        *sizes
            .get_mut(*index)
            .context("a cluster index is out of range")? += 1;
        inertia += distance;
    }
    let mut figures = vec![Figure {
        key: "inertia_per_row",
        label: "inertia per row (features)",
        value: inertia / rows,
    }];
    let squared = kmeans.metric() == Metric::SquaredEuclidean;
    if let (Some(std), true) = (units.common_std(), squared) {
        figures.push(Figure {
            key: "inertia_per_row_data",
            label: "inertia per row (data units)",
            value: inertia / rows * std * std,
        });
    }
    figures.push(Figure {
        key: "empty_clusters",
        label: "clusters without a row",
        value: sizes.iter().filter(|size| **size == 0).count() as f64,
    });
    Ok(figures)
}

fn pca_figures(
    mean: &[f64],
    units: &Units,
    table: &Table,
    outcomes: &[Outcome],
) -> Result<Vec<Figure>> {
    let total: f64 = table
        .iter_rows()
        .flat_map(|row| {
            let features = units.features(row);
            features
                .into_iter()
                .zip(mean)
                .map(|(x, m)| (x - m).powi(2))
                .collect::<Vec<_>>()
        })
        .sum();
    let mut residual = 0.0;
    for outcome in outcomes {
        let Outcome::Pca { residual: row } = outcome else {
            bail!("a result is not one of PCA");
        };
        residual += row;
    }
    Ok(vec![
        Figure {
            key: "captured_variance",
            label: "share of variance captured",
            value: 1.0 - residual / total,
        },
        Figure {
            key: "residual_per_row",
            label: "residual per row (features)",
            value: residual / table.rows() as f64,
        },
    ])
}

/// Figures of latent classes from their outcomes: nats per row, densities per unit of the data where a column
/// of numbers is observed.
///
/// # Errors
///
/// A result is not one of latent classes.
pub fn latent_class_figures(
    classes: &LatentClass<'_>,
    outcomes: &[Outcome],
) -> Result<Vec<Figure>> {
    let (nats, unused) = mixture_summary(classes.classes(), outcomes)?;
    Ok(vec![
        Figure {
            key: "nats_per_row",
            label: "log-likelihood per row (nats)",
            value: nats,
        },
        Figure {
            key: "unused_classes",
            label: "classes without a row",
            value: unused,
        },
    ])
}

/// Mean log-likelihood, and how many of k components explain no row best.
fn mixture_summary(k: usize, outcomes: &[Outcome]) -> Result<(f64, f64)> {
    let mut used = vec![false; k];
    let mut nats = 0.0;
    for outcome in outcomes {
        let Outcome::Mixture {
            log_likelihood,
            most_probable,
        } = outcome
        else {
            bail!("a result is not one of a mixture");
        };
        nats += log_likelihood;
        *used
            .get_mut(*most_probable)
            .context("a component's index is out of range")? = true;
    }
    let unused = used.iter().filter(|used| !**used).count();
    Ok((nats / outcomes.len() as f64, unused as f64))
}

/// Log-likelihood per row in what the mixture reads, and as a density of the data (of the scores before
/// whitening, where it reads those): a change of variables adds the logarithm of its determinant.
fn gmm_figures(
    gmm: &Gmm<'_>,
    input: &Input<'_>,
    units: &Units,
    outcomes: &[Outcome],
) -> Result<Vec<Figure>> {
    let (nats, unused) = mixture_summary(gmm.k(), outcomes)?;
    let mut figures = vec![Figure {
        key: "nats_per_row",
        label: "log-likelihood per row (nats)",
        value: nats,
    }];
    let stretch = match input {
        Input::Features => Some(units.std.iter().map(|std| std.ln()).sum::<f64>()),
        Input::Whitened(whitening) => units.common_std().map(|std| {
            let unit = Metric::SquaredEuclidean.distance_bits() as i32;
            let variances = whitening.spectrum().variances().iter();
            variances
                .filter(|v| **v > 0)
                .map(|v| std.ln() + 0.5 * (*v as f64 / 2f64.powi(unit)).ln())
                .sum()
        }),
        _ => None,
    };
    if let Some(stretch) = stretch {
        figures.push(Figure {
            key: "nats_per_row_data",
            label: "the same, per unit of the data",
            value: nats - stretch,
        });
    }
    figures.push(Figure {
        key: "unused_components",
        label: "components without a row",
        value: unused,
    });
    Ok(figures)
}

const NATS: &str = "log-likelihood per row (nats)";
const BOUND: &str = "lower bound per row (nats)";

/// Mean log-likelihood, with the standard error of an estimated partition function.
fn energy_figures(label: &'static str, outcomes: &[Outcome]) -> Result<Vec<Figure>> {
    let mut nats = 0.0;
    let mut error = 0.0;
    for outcome in outcomes {
        let Outcome::Energy {
            log_likelihood,
            standard_error,
        } = outcome
        else {
            bail!("a result is not one of a Boltzmann machine");
        };
        nats += log_likelihood;
        // The partition function is the same for all rows.
        error = *standard_error;
    }
    let mut figures = vec![Figure {
        key: "nats_per_row",
        label,
        value: nats / outcomes.len() as f64,
    }];
    if error > 0.0 {
        figures.push(Figure {
            key: "nats_standard_error",
            label: "its standard error (annealing)",
            value: error,
        });
    }
    Ok(figures)
}

fn network_figures(units: &Units, table: &Table, outcomes: &[Outcome]) -> Result<Vec<Figure>> {
    let mut squared_features = 0.0;
    let mut reference = Vec::new();
    let mut restored = Vec::new();
    for (row, outcome) in table.iter_rows().zip(outcomes) {
        let Outcome::Network(output) = outcome else {
            bail!("a result is not one of a network");
        };
        let clean = units.features(row);
        squared_features += clean
            .iter()
            .zip(output)
            .map(|(x, y)| (x - y).powi(2))
            .sum::<f64>();
        reference.extend(row.iter().map(|&x| f64::from(x)));
        restored.extend(units.data(output));
    }
    let mut figures = vec![Figure {
        key: "squared_error_per_row",
        label: "squared error per row (features)",
        value: squared_features / table.rows() as f64,
    }];
    // Columns of different units have no common peak.
    if let Some(std) = units.common_std() {
        figures.push(Figure {
            key: "squared_error_per_row_data",
            label: "squared error per row (data units)",
            value: squared_features / table.rows() as f64 * std * std,
        });
        let (min, max) = units.counts_range;
        let peak = (f64::from(max) - f64::from(min)) * units.lsb[0];
        figures.insert(
            0,
            Figure {
                key: "psnr_db",
                label: "PSNR (dB)",
                value: oracle::psnr_db(&reference, &restored, peak),
            },
        );
    }
    Ok(figures)
}
