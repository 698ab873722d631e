//! What a model is worth on rows it has never seen: the measures proper to each kind of part.
//!
//! The same code judges the f32 model and the device's integers, in standardised features where
//! distances live and in data units where a person reads them.

use anyhow::{Context, Result, bail, ensure};
use autodidact::gmm::Gmm;
use autodidact::kmeans::{KMeans, Metric};
use autodidact::latent_class::LatentClass;
use autodidact::model::{Body, Input, Model, Part, Task};
use autodidact::scaler::Affine;
use serde::Serialize;

use crate::data::{Standardiser, Table};
use crate::oracle;
use crate::quantize::FEATURE_UNIT;
use crate::replay::{self, PartResult};
use crate::train::model::{self, DenseStack, GmmDensity, KMeansModel, PcaModel};
use crate::train::random::add_noise;

/// The seed of the noise that denoisers are judged with, the same for every model.
pub const NOISE_SEED: u64 = 2006;

/// Noise that a denoiser was trained for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Standard deviation in data units, the same in every column.
    Data(f64),
    /// Standard deviation in standardised features.
    Features(f64),
}

impl Noise {
    /// Reads a container's provenance.
    fn of(model: &Model<'_>) -> Option<Self> {
        let read = |key| model.text_value(key).and_then(|value| value.parse().ok());
        read("noise_data")
            .map(Self::Data)
            .or_else(|| read("noise_features").map(Self::Features))
    }

    /// Standard deviation in each feature.
    #[must_use]
    pub fn in_features(self, standardiser: &Standardiser) -> Vec<f32> {
        match self {
            Self::Features(sigma) => vec![sigma as f32; standardiser.width()],
            Self::Data(sigma) => standardiser.noise_in_features(sigma),
        }
    }

    /// The line of provenance that [`Units::of`] reads back.
    #[must_use]
    pub fn provenance(self) -> (&'static str, f64) {
        match self {
            Self::Features(sigma) => ("noise_features", sigma),
            Self::Data(sigma) => ("noise_data", sigma),
        }
    }

    /// Standard deviation of each column in data units.
    fn per_column(self, std: &[f64]) -> Vec<f32> {
        match self {
            Self::Data(sigma) => vec![sigma as f32; std.len()],
            Self::Features(sigma) => std.iter().map(|std| (sigma * std) as f32).collect(),
        }
    }
}

/// One nat: `I16F16`.
const LIKELIHOOD_UNIT: f64 = 65_536.0;

fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(
        0,
        |best, at| {
            if values[at] > values[best] { at } else { best }
        },
    )
}

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

impl PartReport {
    /// A figure by its key.
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.key == key)
            .map(|figure| figure.value)
    }
}

/// What a part gave for one row, in standardised features.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nearest centroid.
    KMeans {
        /// Its index.
        index: usize,
        /// Distance in the metric, in units of the features.
        distance: f64,
    },
    /// What the components leave over.
    Pca {
        /// Squared length of the residual.
        residual: f64,
    },
    /// Outputs of a network.
    Network(Vec<f64>),
    /// A part that is not run over rows.
    Nothing,
    /// Log-likelihood of a mixture, and the component or class that explains the row best.
    Mixture {
        /// Nats, a density in the values that the part reads.
        log_likelihood: f64,
        /// Its index.
        most_probable: usize,
    },
}

/// An f32 model, one part of a container before quantisation.
#[derive(Clone, Copy, Debug)]
pub enum FloatPart<'a> {
    /// k-means in features.
    KMeans(&'a KMeansModel),
    /// Components in features.
    Pca(&'a PcaModel),
    /// A network over features.
    Network(&'a DenseStack, Task),
    /// A Gaussian mixture over features, or over whitened scores.
    Gmm {
        /// Its density.
        density: &'a GmmDensity<'a>,
        /// The components whose whitened scores it reads.
        whitening: Option<&'a PcaModel>,
    },
}

/// The oracle's name for the metric of a k-means model.
fn metric(model: &KMeansModel) -> oracle::Metric {
    match model.metric {
        model::Metric::L2 => oracle::Metric::SquaredEuclidean,
        model::Metric::L1 => oracle::Metric::Manhattan,
        model::Metric::Cosine => oracle::Metric::Cosine,
    }
}

/// Scores of a row of features, each divided by its standard deviation.
#[must_use]
pub fn whitened(pca: &PcaModel, features: &[f64]) -> Vec<f64> {
    let scores = oracle::Projection::from(pca).project(features);
    let variances = scores.iter().zip(&pca.explained_variance);
    // A component without variance has nothing to divide by.
    let divided = |(y, v): (&f64, &f64)| if *v > 0.0 { y / v.sqrt() } else { 0.0 };
    variances.map(divided).collect()
}

impl FloatPart<'_> {
    /// Runs one row of features in f64.
    #[must_use]
    pub fn run(&self, features: &[f64]) -> Outcome {
        match self {
            Self::KMeans(model) => {
                let centroids: Vec<f64> = model.centroids.iter().map(|&c| f64::from(c)).collect();
                let (index, distance) = oracle::nearest_by(metric(model), &centroids, features);
                Outcome::KMeans { index, distance }
            }
            Self::Pca(model) => Outcome::Pca {
                residual: oracle::Projection::from(*model).residual(features),
            },
            Self::Network(stack, _) => Outcome::Network(oracle::forward(stack, features)),
            Self::Gmm { density, whitening } => {
                let row =
                    whitening.map_or_else(|| features.to_vec(), |pca| whitened(pca, features));
                let responsibilities = density.responsibilities(&row);
                Outcome::Mixture {
                    log_likelihood: density.log_density(&row),
                    most_probable: first_largest(&responsibilities),
                }
            }
        }
    }
}

impl Outcome {
    /// What a device's result for a part means.
    #[must_use]
    pub fn of(body: &Body<'_>, result: &PartResult) -> Self {
        let fixed = |value: u64, bits: u32| value as f64 / 2f64.powi(bits as i32);
        match result {
            PartResult::KMeans { index, distance } => {
                let metric = match body {
                    Body::KMeans(kmeans) => kmeans.metric(),
                    _ => Metric::SquaredEuclidean,
                };
                Self::KMeans {
                    index: *index as usize,
                    distance: fixed(*distance, metric.distance_bits()),
                }
            }
            PartResult::Pca { residual, .. } => Self::Pca {
                residual: fixed(*residual, Metric::SquaredEuclidean.distance_bits()),
            },
            PartResult::Mixture {
                log_likelihood,
                responsibilities,
            } => Self::Mixture {
                log_likelihood: f64::from(*log_likelihood) / LIKELIHOOD_UNIT,
                most_probable: first_largest(responsibilities),
            },
            PartResult::Nothing => Self::Nothing,
            PartResult::Network(output) => Self::Network(
                output
                    .iter()
                    .map(|&x| f64::from(x) / FEATURE_UNIT)
                    .collect(),
            ),
        }
    }
}

/// The units of a container's data, read back from its scaler and provenance.
#[derive(Clone, Debug)]
pub struct Units {
    /// Data units of one count, in each column.
    pub lsb: Vec<f64>,
    /// Mean of each column, data units.
    pub mean: Vec<f64>,
    /// Standard deviation of each column, data units.
    pub std: Vec<f64>,
    /// Smallest and largest count that the device gives back.
    pub counts_range: (i16, i16),
    /// Noise that the model's denoiser was trained for.
    pub noise: Option<Noise>,
}

impl Units {
    /// Units of a loaded container.
    ///
    /// # Errors
    ///
    /// The provenance does not say what a count is worth.
    pub fn of(model: &Model<'_>) -> Result<Self> {
        let width = model.scaler().len();
        let lsb = model
            .text_value("lsb")
            .and_then(|text| text.split(',').map(|lsb| lsb.trim().parse().ok()).collect())
            .map(|lsb: Vec<f64>| if lsb.len() == 1 { vec![lsb[0]; width] } else { lsb })
            .filter(|lsb| lsb.len() == width && lsb.iter().all(|l| l.is_finite() && *l > 0.0))
            .context("the model's provenance has no valid line `lsb`, so its counts have no unit; export it again with this tool")?;
        let line = |affine: &Affine| {
            let unit = 2f64.powi(affine.shift as i32);
            let half = if affine.shift == 0 { 0.0 } else { 0.5 };
            (
                f64::from(affine.multiplier) / unit,
                affine.bias as f64 / unit - half,
            )
        };
        let (std, mean) = model
            .scaler()
            .features()
            .iter()
            .zip(&lsb)
            .map(|(feature, lsb)| {
                let (slope, offset) = line(&feature.to_counts);
                (slope * FEATURE_UNIT * lsb, offset * lsb)
            })
            .unzip();
        Ok(Self {
            lsb,
            mean,
            std,
            counts_range: model.scaler().counts_range(),
            noise: Noise::of(model),
        })
    }

    /// The common standard deviation, if there is one: then distances have a data unit.
    #[must_use]
    pub fn common_std(&self) -> Option<f64> {
        let first = *self.std.first()?;
        let same = |values: &[f64]| values.iter().all(|v| (v / values[0] - 1.0).abs() < 1e-6);
        (same(&self.std) && same(&self.lsb)).then_some(first)
    }

    /// Features of a row in data units.
    #[must_use]
    pub fn features(&self, row: &[f32]) -> Vec<f64> {
        let columns = row.iter().zip(&self.mean).zip(&self.std);
        columns
            .map(|((&x, mean), std)| (f64::from(x) - mean) / std)
            .collect()
    }

    /// Data units of a row of features, clipped as the device clips counts.
    #[must_use]
    pub fn data(&self, features: &[f64]) -> Vec<f64> {
        let (min, max) = self.counts_range;
        let columns = features
            .iter()
            .zip(&self.mean)
            .zip(&self.std)
            .zip(&self.lsb);
        columns
            .map(|(((x, mean), std), lsb)| {
                (x * std + mean).clamp(f64::from(min) * lsb, f64::from(max) * lsb)
            })
            .collect()
    }

    /// Counts of a table in data units: rounded to nearest, saturated.
    ///
    /// # Errors
    ///
    /// The table has another width than the model.
    pub fn counts(&self, table: &Table) -> Result<Vec<i16>> {
        ensure!(
            table.width() == self.mean.len(),
            "{} has {} columns, but the model takes {}: give the columns that it was trained on, in the same order (see `autodidact inspect`)",
            table.source(),
            table.width(),
            self.mean.len()
        );
        // A float cast saturates.
        let count = |(value, lsb): (&f32, &f64)| (f64::from(*value) / lsb).round_ties_even() as i16;
        Ok(table
            .values()
            .iter()
            .zip(self.lsb.iter().cycle())
            .map(count)
            .collect())
    }

    /// The rows as a denoiser is judged with them: with its noise, from the fixed seed. The rows
    /// themselves if the model has no denoiser.
    ///
    /// # Errors
    ///
    /// The table has another width than the model.
    pub fn noisy(&self, table: &Table) -> Result<Table> {
        match self.noise {
            Some(noise) => add_noise(table, &noise.per_column(&self.std), NOISE_SEED),
            None => table.with_values(table.values().to_vec()),
        }
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
        Body::Network(_, task) => {
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
        // What these are worth takes samples, not rows.
        Body::Graph(..) => ("graph", Vec::new()),
        Body::Score(_) => ("score", Vec::new()),
        Body::Gmm(gmm) => ("gmm", gmm_figures(gmm, input, units, outcomes)?),
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
        Input::Whitened(pca) => units
            .common_std()
            .zip(pca.spectrum())
            .map(|(std, spectrum)| {
                let unit = Metric::SquaredEuclidean.distance_bits() as i32;
                let variances = spectrum.variances().iter();
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
    if units.common_std().is_some() {
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

/// Judges every part of a container on the rows of `table`, with results from `run`: the device's
/// kernels on the host, or an emulated core. A denoiser is given noisy rows, everything else the
/// rows as they are.
///
/// # Errors
///
/// The table does not fit the model, or `run` fails.
pub fn evaluate(
    model: &Model<'_>,
    table: &Table,
    run: &dyn Fn(&[i16]) -> Result<Vec<u8>>,
) -> Result<Vec<PartReport>> {
    let outcomes = outcomes(model, table, run)?;
    let units = Units::of(model)?;
    model
        .parts()
        .zip(&outcomes)
        .map(|(part, outcomes)| figures(&part, &units, table, outcomes))
        .collect()
}

/// What every part gives for every row: one list a part.
///
/// # Errors
///
/// As [`evaluate`].
pub fn outcomes(
    model: &Model<'_>,
    table: &Table,
    run: &dyn Fn(&[i16]) -> Result<Vec<u8>>,
) -> Result<Vec<Vec<Outcome>>> {
    let units = Units::of(model)?;
    let denoises = |body: &Body<'_>| {
        matches!(
            body,
            Body::Network(_, Task::Denoiser) | Body::Graph(_, Task::Denoiser)
        )
    };
    let parts: Vec<_> = model.parts().collect();
    let results = |wanted: bool, table: &Table| {
        if parts.iter().any(|part| denoises(&part.body) == wanted) {
            replay::decode(model, &run(&units.counts(table)?)?)
        } else {
            Ok(Vec::new())
        }
    };
    let clean = results(false, table)?;
    let noisy = results(true, &units.noisy(table)?)?;
    Ok(parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let rows = if denoises(&part.body) { &noisy } else { &clean };
            let of = |row: &Vec<PartResult>| Outcome::of(&part.body, &row[at]);
            rows.iter().map(of).collect()
        })
        .collect())
}

/// What an f32 part gives for every row, under the same noise as the device's part.
///
/// # Errors
///
/// The table does not fit the model.
pub fn float_outcomes(part: FloatPart<'_>, units: &Units, table: &Table) -> Result<Vec<Outcome>> {
    let noisy = matches!(part, FloatPart::Network(_, Task::Denoiser));
    let input = if noisy {
        units.noisy(table)?
    } else {
        table.with_values(table.values().to_vec())?
    };
    Ok(input
        .iter_rows()
        .map(|row| part.run(&units.features(row)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Scaling;
    use crate::quantize::QuantisedModel;
    use autodidact::kernels::Order;

    fn table(values: &[f32]) -> Table {
        Table::new("made.csv", Table::numbered_columns(2), values.to_vec()).unwrap()
    }

    /// Mean, standard deviation and counts of a container with nothing but a scaler.
    fn units(scaling: Scaling, table: &Table) -> (Units, Standardiser) {
        let standardiser = scaling.fit(table).unwrap();
        let model = QuantisedModel::new(&standardiser, table.columns()).unwrap();
        let bytes = model.encode(Order::RowMajor).unwrap();
        (
            Units::of(&Model::load(&bytes).unwrap()).unwrap(),
            standardiser,
        )
    }

    #[test]
    fn columns_of_different_units_keep_their_resolution() {
        let weather = table(&[
            101_325.0, 20.5, 99_000.0, 21.25, 100_200.0, 19.75, 98_700.0, 20.0,
        ]);
        let scaling = Scaling::Standard {
            ignore_constant: false,
        };
        let (units, standardiser) = units(scaling, &weather);
        assert_eq!(units.common_std(), None);
        let counts = units.counts(&weather).unwrap();
        for (at, (count, value)) in counts.iter().zip(weather.values()).enumerate() {
            let (lsb, std) = (units.lsb[at % 2], standardiser.std[at % 2]);
            let error = (f64::from(*count) * lsb - f64::from(*value)).abs();
            assert!(error <= lsb / 2.0 && lsb < std / 50.0, "{value}: {error}");
        }
        for (read_back, fitted) in units.std.iter().zip(&standardiser.std) {
            assert!((read_back / fitted - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_column_that_counts_cannot_resolve_is_named() {
        let flat = table(&[
            101_325.0, 1.5, 101_325.5, 2.5, 101_326.0, 3.5, 101_325.25, 4.5,
        ]);
        let standardiser = Scaling::Standard {
            ignore_constant: false,
        }
        .fit(&flat)
        .unwrap();
        let message = QuantisedModel::new(&standardiser, flat.columns())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("column `column 1` varies by"),
            "{message}"
        );
    }

    #[test]
    fn a_provenance_without_a_valid_unit_is_refused() {
        let data = table(&[1.0, 2.0, 3.0, 5.0, 2.0, 2.0, 4.0, 1.0]);
        let standardiser = Scaling::Uniform.fit(&data).unwrap();
        for lsb in ["nan", "-1", "inf", "0", "1,2,3", "x"] {
            let mut model = QuantisedModel::new(&standardiser, data.columns()).unwrap();
            model.text[0].1 = lsb.into();
            let bytes = model.encode(Order::RowMajor).unwrap();
            assert!(Units::of(&Model::load(&bytes).unwrap()).is_err(), "{lsb}");
        }
    }
}
