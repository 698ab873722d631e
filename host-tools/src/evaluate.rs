//! What a model is worth on rows it has never seen: the measures proper to each kind of part.
//!
//! The same code judges the f32 model and the device's integers, in standardised features where
//! distances live and in data units where a person reads them.

use anyhow::{Context, Result, bail, ensure};
use autodidact::model::{Body, Model, Task};
use autodidact::scaler::Affine;
use serde::Serialize;

use crate::data::{Standardiser, Table};
use crate::oracle;
use crate::quantize::FEATURE_UNIT;
use crate::replay::{self, PartResult};
use crate::train::model::{DenseStack, KMeansModel, PcaModel};
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
        /// Squared distance.
        distance_sq: f64,
    },
    /// What the components leave over.
    Pca {
        /// Squared length of the residual.
        residual: f64,
    },
    /// Outputs of a network.
    Network(Vec<f64>),
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
}

impl FloatPart<'_> {
    /// Runs one row of features in f64.
    #[must_use]
    pub fn run(&self, features: &[f64]) -> Outcome {
        match self {
            Self::KMeans(model) => {
                let centroids: Vec<f64> = model.centroids.iter().map(|&c| f64::from(c)).collect();
                let nearest = oracle::nearest(&centroids, features);
                Outcome::KMeans {
                    index: nearest.index,
                    distance_sq: nearest.squared_distance,
                }
            }
            Self::Pca(model) => Outcome::Pca {
                residual: oracle::Projection::from(*model).residual(features),
            },
            Self::Network(stack, _) => Outcome::Network(oracle::forward(stack, features)),
        }
    }
}

impl From<&PartResult> for Outcome {
    fn from(result: &PartResult) -> Self {
        let squared = |value: u64| value as f64 / (FEATURE_UNIT * FEATURE_UNIT);
        match result {
            PartResult::KMeans { index, distance_sq } => Self::KMeans {
                index: *index as usize,
                distance_sq: squared(*distance_sq),
            },
            PartResult::Pca { residual, .. } => Self::Pca {
                residual: squared(*residual),
            },
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
    name: &str,
    body: &Body<'_>,
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
        Body::KMeans(kmeans) => (
            "k-means",
            kmeans_figures(kmeans.k(), units, rows, outcomes)?,
        ),
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
        _ => bail!("part `{name}` is of a kind that this tool cannot judge"),
    };
    Ok(PartReport {
        name: name.into(),
        kind: kind.into(),
        figures,
    })
}

fn kmeans_figures(k: usize, units: &Units, rows: f64, outcomes: &[Outcome]) -> Result<Vec<Figure>> {
    let mut sizes = vec![0usize; k];
    let mut inertia = 0.0;
    for outcome in outcomes {
        let Outcome::KMeans { index, distance_sq } = outcome else {
            bail!("a result is not one of k-means");
        };
        *sizes
            .get_mut(*index)
            .context("a cluster index is out of range")? += 1;
        inertia += distance_sq;
    }
    let mut figures = vec![Figure {
        key: "inertia_per_row",
        label: "inertia per row (features)",
        value: inertia / rows,
    }];
    if let Some(std) = units.common_std() {
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
        .map(|(part, outcomes)| figures(part.name, &part.body, &units, table, outcomes))
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
    let denoises = |body: &Body<'_>| matches!(body, Body::Network(_, Task::Denoiser));
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
            rows.iter().map(|row| Outcome::from(&row[at])).collect()
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
