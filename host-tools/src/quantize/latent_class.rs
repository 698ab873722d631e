//! Latent classes in integers, and values between data and device.

use anyhow::{Context, Result, bail, ensure};
use autodidact::latent_class::{Column as DeviceColumn, Gaussian, LatentClass, MISSING};
use autodidact::scaler::{Affine, ScalerFeature};

use super::FEATURE_UNIT;
use crate::data::{Column, Kind, MixedTable};
use crate::number::reading_in_steps;
use crate::train::latent_class::{Distribution, LatentClassModel};

/// One bit of surprisal: `U4F12`.
const SURPRISAL_UNIT: f64 = 4096.0;

/// One unit of a variance: `U8F24`.
const VARIANCE_UNIT: f64 = 16_777_216.0;

/// A model in the device's integers, as [`LatentClass::new`] takes them.
#[derive(Clone, Debug)]
pub struct QuantisedLatentClass {
    /// Kinds of columns.
    pub columns: Vec<DeviceColumn>,
    /// `-log2 phi_j`, `U4F12`.
    pub weights: Vec<u16>,
    /// `-log2 p(level | j)`, `U4F12`, a row of k a level.
    pub surprisals: Vec<u16>,
    /// Counts to feature and back, one a Gaussian column.
    pub lines: Vec<ScalerFeature>,
    /// k for each Gaussian column.
    pub gaussians: Vec<Gaussian>,
}

impl QuantisedLatentClass {
    /// The device's own view.
    ///
    /// # Errors
    ///
    /// The arrays are no model; those of [`quantise`] always are.
    pub fn view(&self) -> Result<LatentClass<'_>> {
        LatentClass::new(
            &self.columns,
            &self.weights,
            &self.surprisals,
            &self.lines,
            &self.gaussians,
        )
        .context("the quantised latent classes are no valid model")
    }
}

/// The device's integers for a model.
///
/// # Errors
///
/// A numeric column whose spread is so small beside its magnitude that 16-bit counts cannot tell its values
/// apart.
pub fn quantise(model: &LatentClassModel) -> Result<QuantisedLatentClass> {
    let k = model.classes();
    let mut quantised = QuantisedLatentClass {
        columns: Vec::new(),
        weights: model.weights.iter().map(|&p| surprisal(p)).collect(),
        surprisals: Vec::new(),
        lines: Vec::new(),
        gaussians: Vec::new(),
    };
    for (column, distribution) in model.columns.iter().zip(&model.distributions) {
        quantised.columns.push(device_column(column)?);
        match distribution {
            Distribution::Levels(classes) => {
                let levels = classes.first().map_or(0, Vec::len);
                let cells =
                    (0..levels).flat_map(|level| classes.iter().map(move |class| class[level]));
                quantised.surprisals.extend(cells.map(surprisal));
            }
            Distribution::Gaussian {
                mean,
                std,
                lsb,
                offset,
                classes,
            } => {
                let (mean, std, lsb) = (*mean, *std, *lsb);
                // What the device counts is less the offset.
                let middle = mean - offset;
                let to_feature =
                    Affine::from_f64(lsb / std * FEATURE_UNIT, -middle / std * FEATURE_UNIT);
                let to_counts = Affine::from_f64(std / FEATURE_UNIT / lsb, middle / lsb);
                let (Some(to_feature), Some(to_counts)) = (to_feature, to_counts) else {
                    bail!(
                        "column `{}` varies by {std:.3e} around {mean:.3e}: too little for 16-bit counts of {lsb:.3e}; leave the column out with --label-column '{}'",
                        column.name,
                        column.name
                    );
                };
                quantised.lines.push(ScalerFeature {
                    to_feature,
                    to_counts,
                });
                quantised
                    .gaussians
                    .extend(classes.iter().map(|(mu, variance)| {
                        // Float casts saturate.
                        let mu = ((mu - mean) / std * FEATURE_UNIT).round_ties_even() as i16;
                        let variance =
                            (variance / (std * std) * VARIANCE_UNIT).round_ties_even() as u32;
                        Gaussian::new(mu, variance)
                    }));
            }
        }
    }
    ensure!(
        quantised.weights.len() == k && quantised.view().is_ok(),
        "the quantised latent classes are no valid model; ask for fewer classes or columns"
    );
    Ok(quantised)
}

/// A column's kind as the device knows it.
///
/// # Errors
///
/// A categorical column with no level or more than the device takes.
pub fn device_column(column: &Column) -> Result<DeviceColumn> {
    let device = match &column.kind {
        Kind::Categorical(levels) => {
            DeviceColumn::categorical(u16::try_from(levels.len()).unwrap_or(u16::MAX))
        }
        Kind::Bernoulli => DeviceColumn::BERNOULLI,
        Kind::Gaussian => DeviceColumn::GAUSSIAN,
    };
    ensure!(
        device.kind().is_some(),
        "column `{}` has a number of levels that no device model takes; give 1 to {}",
        column.name,
        autodidact::latent_class::MAX_LEVELS
    );
    Ok(device)
}

fn surprisal(probability: f64) -> u16 {
    // Float casts saturate: probabilities below 2^-16 become 2^-16.
    (-probability.log2() * SURPRISAL_UNIT).round_ties_even() as u16
}

/// From values of a table to a sample of the device and back.
#[derive(Clone, Debug, PartialEq)]
pub struct Coding {
    columns: Vec<Column>,
    scales: Vec<Scale>,
}

/// The unit of one column; 1 and 0 for one that is not numeric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Value of one count.
    pub lsb: f64,
    /// Value at count 0.
    pub offset: f64,
    /// Value at feature 0.
    pub mean: f64,
    /// Value of one unit of the feature.
    pub std: f64,
}

const NO_SCALE: Scale = Scale {
    lsb: 1.0,
    offset: 0.0,
    mean: 0.0,
    std: 1.0,
};

impl Coding {
    /// The coding of a trained model.
    #[must_use]
    pub fn of(model: &LatentClassModel) -> Self {
        let scale = |distribution: &Distribution| match *distribution {
            Distribution::Levels(_) => NO_SCALE,
            Distribution::Gaussian {
                mean,
                std,
                lsb,
                offset,
                ..
            } => Scale {
                lsb,
                offset,
                mean,
                std,
            },
        };
        Self {
            columns: model.columns.clone(),
            scales: model.distributions.iter().map(scale).collect(),
        }
    }

    /// The coding of a model from a container: its columns ([`parse_schema`](crate::data::parse_schema)),
    /// the value of a count and of count 0 in every column, and the lines of the part.
    ///
    /// # Errors
    ///
    /// Numbers of columns, values and lines that do not fit one another.
    pub fn from_lines(
        columns: Vec<Column>,
        lsb: &[f64],
        offset: &[f64],
        lines: &[ScalerFeature],
    ) -> Result<Self> {
        let numeric = columns
            .iter()
            .filter(|column| column.kind == Kind::Gaussian)
            .count();
        ensure!(
            lsb.len() == columns.len() && offset.len() == columns.len() && lines.len() == numeric,
            "the model names {} columns and {} units, {numeric} numeric columns and {} lines; write it again",
            columns.len(),
            lsb.len(),
            lines.len()
        );
        let mut lines = lines.iter();
        let scales = columns
            .iter()
            .zip(lsb.iter().zip(offset))
            .map(|(column, (&lsb, &offset))| match column.kind {
                Kind::Gaussian => lines.next().map_or(NO_SCALE, |line| {
                    let counts = &line.to_counts;
                    let factor = (f64::from(counts.shift)).exp2();
                    let half = if counts.shift == 0 { 0.0 } else { 0.5 };
                    Scale {
                        lsb,
                        offset,
                        mean: (counts.bias as f64 / factor - half) * lsb + offset,
                        std: f64::from(counts.multiplier) / factor * FEATURE_UNIT * lsb,
                    }
                }),
                _ => NO_SCALE,
            })
            .collect();
        Ok(Self { columns, scales })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The unit of a column.
    #[must_use]
    pub fn scale(&self, column: usize) -> Scale {
        self.scales.get(column).copied().unwrap_or(NO_SCALE)
    }

    /// The value of a count in every column, for the container's text.
    #[must_use]
    pub fn lsb(&self) -> Vec<f64> {
        self.scales.iter().map(|scale| scale.lsb).collect()
    }

    /// The value of count 0 in every column, for the container's text.
    #[must_use]
    pub fn offset(&self) -> Vec<f64> {
        self.scales.iter().map(|scale| scale.offset).collect()
    }

    /// A value as the device's sample has it; NaN is [`MISSING`], other numbers saturate.
    #[must_use]
    pub fn encode(&self, column: usize, value: f64) -> i16 {
        if value.is_nan() {
            MISSING
        } else {
            let Scale { lsb, offset, .. } = self.scale(column);
            // A float cast saturates.
            (((value - offset) / lsb).round_ties_even() as i16).max(-i16::MAX)
        }
    }

    /// A row as the device's sample.
    #[must_use]
    pub fn encode_row(&self, row: &[f64]) -> Vec<i16> {
        row.iter()
            .enumerate()
            .map(|(column, &value)| self.encode(column, value))
            .collect()
    }

    /// A value of a sample as text: the level's name, 0 or 1, or the number; empty when missing.
    #[must_use]
    pub fn decode(&self, column: usize, value: i16) -> String {
        match self.columns.get(column).map(|column| &column.kind) {
            _ if value == MISSING => String::new(),
            Some(Kind::Categorical(levels)) => usize::try_from(value)
                .ok()
                .and_then(|level| levels.get(level).cloned())
                .unwrap_or_default(),
            _ => {
                let Scale { lsb, offset, .. } = self.scale(column);
                reading_in_steps(f64::from(value) * lsb + offset, lsb)
            }
        }
    }
}

/// What quantising a model changed, over the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantisationLoss {
    /// Mean log-likelihood in f64, nats, densities per unit of the data.
    pub exact: f64,
    /// Mean log-likelihood by the device's integers, in the same unit.
    pub integer: f64,
    /// Largest difference in one row.
    pub largest: f64,
    /// Share of the rows whose most probable class is the same.
    pub same_class: f64,
}

/// Compares a model with its integers, both on every row of a table.
///
/// # Errors
///
/// The integers are no model of as many columns.
pub fn quantisation_loss(
    model: &LatentClassModel,
    quantised: &QuantisedLatentClass,
    table: &MixedTable,
) -> Result<QuantisationLoss> {
    let view = quantised.view()?;
    let coding = Coding::of(model);
    let mut scratch = vec![0; model.classes()];
    let (mut exact, mut integer, mut largest, mut same) = (0.0, 0.0, 0.0_f64, 0usize);
    for row in table.iter_rows() {
        let (posterior, ll) = model.posterior(row);
        let best = view.most_probable(&coding.encode_row(row), &mut scratch)?;
        // Densities per unit of the feature become those per unit of the data.
        let units: f64 = row
            .iter()
            .zip(&coding.scales)
            .filter(|(value, _)| !value.is_nan())
            .map(|(_, scale)| scale.std.ln())
            .sum();
        let device = f64::from(best.log_likelihood) / 65_536.0 - units;
        exact += ll;
        integer += device;
        largest = largest.max((ll - device).abs());
        let class = posterior
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        same += usize::from(class.is_some_and(|(class, _)| class == best.class));
    }
    let rows = table.rows() as f64;
    Ok(QuantisationLoss {
        exact: exact / rows,
        integer: integer / rows,
        largest,
        same_class: same as f64 / rows,
    })
}
