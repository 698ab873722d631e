//! The units of a container's data, and the noise that its denoiser is judged with.

use anyhow::{Context, Result, ensure};
use autodidact::model::Model;
use autodidact::scaler::Affine;

use crate::data::{Standardiser, Table, ending};
use crate::quantize::FEATURE_UNIT;
use crate::train::corruption::Corruption;
use crate::train::random::judging;

/// The seed of the noise that denoisers are judged with, the same for every model.
pub const NOISE_SEED: u64 = 2006;

/// What a denoiser was trained to undo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Gaussian, its standard deviation in data units, the same in every column.
    Data(f64),
    /// Gaussian, its standard deviation in standardised features.
    Features(f64),
    /// Elements become their column's mean with this probability.
    Masking(f64),
    /// Elements become the smallest or the largest value of the data with this probability.
    SaltAndPepper(f64),
}

impl Noise {
    /// Reads a container's provenance.
    pub(super) fn of(model: &Model<'_>) -> Option<Self> {
        let read = |key| model.text_value(key).and_then(|value| value.parse().ok());
        read("noise_data")
            .map(Self::Data)
            .or_else(|| read("noise_features").map(Self::Features))
            .or_else(|| read("masking").map(Self::Masking))
            .or_else(|| read("salt_and_pepper").map(Self::SaltAndPepper))
    }

    /// What it does to features.
    ///
    /// # Errors
    ///
    /// Salt and pepper over columns that have no range in common; a level that is none.
    pub fn in_features(self, standardiser: &Standardiser) -> Result<Corruption> {
        let zeros = || vec![0.0; standardiser.width()];
        let extreme = |value: f32| {
            let columns = standardiser.mean.iter().zip(&standardiser.std);
            columns.map(move |(mean, std)| ((f64::from(value) - mean) / std) as f32)
        };
        let corruption = match self {
            Self::Features(sigma) => Corruption::Gaussian {
                sigma: vec![sigma as f32; standardiser.width()],
            },
            Self::Data(sigma) => Corruption::Gaussian {
                sigma: standardiser.noise_in_features(sigma),
            },
            Self::Masking(probability) => Corruption::Masking {
                probability: probability as f32,
                values: zeros(),
            },
            Self::SaltAndPepper(probability) => {
                ensure!(
                    standardiser
                        .std
                        .iter()
                        .all(|std| *std == standardiser.std[0]),
                    "salt and pepper need columns of one range: add --scale uniform"
                );
                Corruption::SaltAndPepper {
                    probability: probability as f32,
                    low: extreme(standardiser.minimum).collect(),
                    high: extreme(standardiser.maximum).collect(),
                }
            }
        };
        corruption.check()?;
        Ok(corruption)
    }

    /// The line of provenance that [`Units::of`] reads back.
    #[must_use]
    pub fn provenance(self) -> (&'static str, f64) {
        match self {
            Self::Features(sigma) => ("noise_features", sigma),
            Self::Data(sigma) => ("noise_data", sigma),
            Self::Masking(probability) => ("masking", probability),
            Self::SaltAndPepper(probability) => ("salt_and_pepper", probability),
        }
    }

    /// What it does to data units.
    fn in_data(self, units: &Units) -> Corruption {
        let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let extreme = |count: i16| {
            let columns = units.lsb.iter();
            columns
                .map(|lsb| (f64::from(count) * lsb) as f32)
                .collect::<Vec<_>>()
        };
        match self {
            Self::Data(sigma) => Corruption::Gaussian {
                sigma: vec![sigma as f32; units.std.len()],
            },
            Self::Features(sigma) => Corruption::Gaussian {
                sigma: units.std.iter().map(|std| (sigma * std) as f32).collect(),
            },
            Self::Masking(probability) => Corruption::Masking {
                probability: probability as f32,
                values: narrow(&units.mean),
            },
            Self::SaltAndPepper(probability) => Corruption::SaltAndPepper {
                probability: probability as f32,
                low: extreme(units.counts_range.0),
                high: extreme(units.counts_range.1),
            },
        }
    }
}

/// The units of a container's data, read back from its scaler and provenance.
#[derive(Clone, Debug)]
pub struct Units {
    /// Data units of one count, in each column.
    pub lsb: Vec<f64>,
    /// Constant of each column that is subtracted before anything else, on the device by the firmware; 0 where
    /// nothing is.
    pub offset: Vec<f64>,
    /// Mean of each column, data units.
    pub mean: Vec<f64>,
    /// Standard deviation of each column, data units.
    pub std: Vec<f64>,
    /// Smallest and largest count that the device gives back.
    pub counts_range: (i16, i16),
    /// From where to where the readings of each column went in training; empty where the model does not say.
    pub ranges: Vec<(f64, f64)>,
    /// Noise that the model's denoiser was trained for.
    pub noise: Option<Noise>,
}

impl Units {
    /// From the smallest to the largest value that the device gives back in the first column, data units: 1 or 255
    /// for images of shades.
    #[must_use]
    pub fn peak(&self) -> f64 {
        let (min, max) = self.counts_range;
        (f64::from(max) - f64::from(min)) * self.lsb[0]
    }

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
        let offset = model.text_value("offset").map_or_else(
            || Some(vec![0.0; width]),
            |text| {
                text.split(',')
                    .map(|value| value.trim().parse().ok())
                    .collect()
            },
        );
        let offset = offset
            .filter(|offset: &Vec<f64>| offset.len() == width && offset.iter().all(|c| c.is_finite()))
            .context("the model's provenance has an invalid line `offset`; export it again with this tool")?;
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
            offset,
            mean,
            std,
            counts_range: model.scaler().counts_range(),
            ranges: ranges(model, width),
            noise: Noise::of(model),
        })
    }

    /// The rows of a table that have features beyond eight deviations, in a sentence; none if there are none.
    #[must_use]
    pub fn ending_remark(&self, table: &Table) -> Option<String> {
        self.standardiser().ending_remark(table, "")
    }

    /// What makes features of readings less their offset.
    fn standardiser(&self) -> Standardiser {
        Standardiser {
            mean: self.mean.clone(),
            std: self.std.clone(),
            lsb: self.lsb.clone(),
            own_counts: vec![true; self.lsb.len()],
            minimum: f32::MIN,
            maximum: f32::MAX,
        }
    }

    /// What the driver does with a reading before the device sees it, in one line; none where a count is a reading.
    #[must_use]
    pub fn driver(&self, names: &[String]) -> Option<String> {
        const SHOWN: usize = 4;
        let plain = |at: usize| self.lsb[at] == 1.0 && self.offset[at] == 0.0;
        let width = self.lsb.len();
        if (0..width).all(plain) {
            return None;
        }
        let term = |at: usize, name: &str| {
            let value = match self.offset[at] {
                0.0 => name.to_owned(),
                offset => format!("({name} - {offset})"),
            };
            match self.lsb[at] {
                1.0 => value,
                lsb if lsb.log2().fract() == 0.0 && lsb < 1.0 => {
                    format!("{value} x 2^{}", -lsb.log2())
                }
                lsb if lsb.log2().fract() == 0.0 && lsb > 1024.0 => {
                    format!("{value} / 2^{}", lsb.log2())
                }
                lsb => format!("{value} / {lsb}"),
            }
        };
        let alike = |at: usize| self.lsb[at] == self.lsb[0] && self.offset[at] == self.offset[0];
        let terms = if (0..width).all(alike) {
            format!("{} in every column", term(0, "value"))
        } else {
            let changed: Vec<usize> = (0..width).filter(|&at| !plain(at)).collect();
            let shown = changed.iter().take(SHOWN);
            let shown: Vec<String> = shown
                .map(|&at| term(at, names.get(at).map_or("value", String::as_str)))
                .collect();
            let more = match changed.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let others = if changed.len() < width {
                "; the others as they are"
            } else {
                ""
            };
            format!("{}{more}{others}", shown.join(", "))
        };
        Some(format!(
            "the driver passes counts, rounded to whole numbers: {terms}"
        ))
    }

    /// The common standard deviation, if there is one: then distances have a data unit.
    #[must_use]
    pub fn common_std(&self) -> Option<f64> {
        let first = *self.std.first()?;
        let same = |values: &[f64]| values.iter().all(|v| (v / values[0] - 1.0).abs() < 1e-6);
        (same(&self.std) && same(&self.lsb)).then_some(first)
    }

    /// Features of a row in data units, less the offset; beyond eight deviations they end, as on the device.
    #[must_use]
    pub fn features(&self, row: &[f32]) -> Vec<f64> {
        let columns = row.iter().zip(&self.mean).zip(&self.std);
        columns
            .map(|((&x, mean), std)| ending((f64::from(x) - mean) / std))
            .collect()
    }

    /// Data units of a row of features, the offset added again, as a person reads them.
    #[must_use]
    pub fn readings(&self, features: &[f64]) -> Vec<f64> {
        let data = self.data(features);
        data.iter().zip(&self.offset).map(|(x, c)| x + c).collect()
    }

    /// A drawn row of readings, each between the smallest and the largest that its column was seen to have, where the
    /// model says so.
    #[must_use]
    pub fn within_ranges(&self, mut readings: Vec<f64>) -> Vec<f64> {
        for (x, (low, high)) in readings.iter_mut().zip(&self.ranges) {
            *x = x.clamp(*low, *high);
        }
        readings
    }

    /// In which steps readings move: one unit of a feature, in each column.
    #[must_use]
    pub fn steps(&self) -> Vec<f64> {
        self.std.iter().map(|std| std / FEATURE_UNIT).collect()
    }

    /// Data units of a row of features less the offset, clipped as the device clips counts.
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
            Some(noise) => noise.in_data(self).damage(table, &mut judging(NOISE_SEED)),
            None => table.with_values(table.values().to_vec()),
        }
    }
}

/// The line `range` of a container's text, `low..high` for each column.
fn ranges(model: &Model<'_>, width: usize) -> Vec<(f64, f64)> {
    let range = |text: &str| {
        let (low, high) = text.split_once("..")?;
        let (low, high): (f64, f64) = (low.parse().ok()?, high.parse().ok()?);
        (low <= high).then_some((low, high))
    };
    model
        .text_value("range")
        .and_then(|text| text.split(',').map(range).collect())
        .filter(|ranges: &Vec<_>| ranges.len() == width)
        .unwrap_or_default()
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
            message.starts_with("column `column 1` varies by")
                && message.contains("--offset 'column 1=101325.4'"),
            "{message}"
        );
    }

    #[test]
    fn a_denoiser_is_judged_with_what_it_was_trained_to_undo() {
        let data = table(&[0.0, 0.25, 1.0, 0.5, 0.5, 0.75, 0.25, 0.5].repeat(500));
        let standardiser = Scaling::Uniform.fit(&data).unwrap();
        for noise in [
            Noise::Data(0.5),
            Noise::Features(2.0),
            Noise::Masking(0.4),
            Noise::SaltAndPepper(0.4),
        ] {
            let mut model = QuantisedModel::new(&standardiser, data.columns()).unwrap();
            let (key, value) = noise.provenance();
            model.note(key, value);
            let bytes = model.encode(Order::RowMajor).unwrap();
            let units = Units::of(&Model::load(&bytes).unwrap()).unwrap();
            assert_eq!(units.noise, Some(noise));
            // The same random numbers damage features and data alike.
            let judged = standardiser
                .transform(&units.noisy(&data).unwrap())
                .unwrap();
            let features = standardiser.transform(&data).unwrap();
            let trained = noise.in_features(&standardiser).unwrap();
            let trained = trained.damage(&features, &mut judging(NOISE_SEED)).unwrap();
            assert_ne!(trained.values(), features.values());
            for (a, b) in judged.values().iter().zip(trained.values()) {
                // A unit of the data's counts is 2^-14.
                assert!((a - b).abs() < 1e-3, "{noise:?}: {a} {b}");
            }
        }
        assert!(Noise::Masking(1.5).in_features(&standardiser).is_err());
        let scaling = Scaling::Standard {
            ignore_constant: false,
        };
        let columns = scaling.fit(&data).unwrap();
        let message = Noise::SaltAndPepper(0.1).in_features(&columns).unwrap_err();
        assert!(message.to_string().contains("--scale uniform"));
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
