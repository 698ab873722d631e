//! Damage done on purpose: what a denoising autoencoder learns to undo.
//!
//! P. Vincent et al., *Stacked denoising autoencoders*, JMLR 11, 2010, section 3.3.

use anyhow::{Result, ensure};
use rand_chacha::ChaCha8Rng;

use super::random::{normal, uniform};
use crate::data::Table;
use crate::number::reading;

/// What is done to the elements of a row, each for itself; one value a column, in the unit of the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Corruption {
    /// Nothing.
    #[default]
    None,
    /// `x + sigma z` with a standard normal z.
    Gaussian {
        /// Standard deviation in each column.
        sigma: Vec<f32>,
    },
    /// Some elements are replaced.
    Masking {
        /// Probability of an element.
        probability: f32,
        /// What it becomes.
        values: Vec<f32>,
    },
    /// Some elements become their column's smallest or largest value, one as likely as the other.
    SaltAndPepper {
        /// Probability of an element.
        probability: f32,
        /// Smallest values.
        low: Vec<f32>,
        /// Largest values.
        high: Vec<f32>,
    },
}

/// A corruption and how strong it is, whatever the rows: [`of`](Self::of) fits it to some.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CorruptionKind {
    /// None.
    #[default]
    None,
    /// Normal noise of this many standard deviations of a column.
    Gaussian(f64),
    /// Elements become 0 with this probability.
    Masking(f64),
    /// Elements become their column's smallest or largest value with this probability.
    SaltAndPepper(f64),
}

impl CorruptionKind {
    /// The corruption for rows like those of `rows`.
    #[must_use]
    pub fn of(self, rows: &Table) -> Corruption {
        let columns = || (0..rows.width()).map(|at| rows.iter_rows().map(move |row| row[at]));
        match self {
            Self::None => Corruption::None,
            Self::Gaussian(level) => Corruption::Gaussian {
                sigma: columns()
                    .map(|column| (level * deviation(column)) as f32)
                    .collect(),
            },
            Self::Masking(probability) => Corruption::Masking {
                probability: probability as f32,
                values: vec![0.0; rows.width()],
            },
            Self::SaltAndPepper(probability) => Corruption::SaltAndPepper {
                probability: probability as f32,
                low: columns()
                    .map(|column| column.fold(f32::INFINITY, f32::min))
                    .collect(),
                high: columns()
                    .map(|column| column.fold(f32::NEG_INFINITY, f32::max))
                    .collect(),
            },
        }
    }

    /// # Errors
    ///
    /// Noise that is negative or not finite; a probability outside 0 to 1.
    pub fn check(self) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Gaussian(level) => check_levels(&[level as f32]),
            Self::Masking(probability) | Self::SaltAndPepper(probability) => {
                check_probability(probability as f32)
            }
        }
    }
}

/// Standard deviation.
fn deviation(column: impl Iterator<Item = f32> + Clone) -> f64 {
    let count = column.clone().count() as f64;
    let mean = column.clone().map(f64::from).sum::<f64>() / count;
    let squares: f64 = column.map(|x| (f64::from(x) - mean).powi(2)).sum();
    (squares / count).sqrt()
}

/// Most noise, in standard deviations of the data: features end at 8.
const MOST_SIGMA: f32 = 100.0;

fn check_levels(sigma: &[f32]) -> Result<()> {
    let wrong = sigma
        .iter()
        .find(|&sigma| !(0.0..=MOST_SIGMA).contains(sigma));
    ensure!(
        wrong.is_none(),
        "the noise level is {}; give a number from 0 to {MOST_SIGMA} standard deviations",
        reading(wrong.copied().unwrap_or_default().into())
    );
    Ok(())
}

fn check_probability(probability: f32) -> Result<()> {
    ensure!(
        (0.0..=1.0).contains(&probability),
        "the probability of a corruption is {probability}; give a number from 0 to 1"
    );
    Ok(())
}

impl Corruption {
    /// Checks what can be checked without rows.
    ///
    /// # Errors
    ///
    /// Noise that is negative or not finite; a probability outside 0 to 1.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Gaussian { sigma } => check_levels(sigma),
            Self::Masking { probability, .. } | Self::SaltAndPepper { probability, .. } => {
                check_probability(*probability)
            }
        }
    }

    /// Checks that there is a value for each column of `rows`.
    ///
    /// # Errors
    ///
    /// There is not.
    pub fn check_width(&self, rows: &Table) -> Result<()> {
        let given: &[&Vec<f32>] = match self {
            Self::None => &[],
            Self::Gaussian { sigma } => &[sigma],
            Self::Masking { values, .. } => &[values],
            Self::SaltAndPepper { low, high, .. } => &[low, high],
        };
        for values in given {
            ensure!(
                values.len() == rows.width(),
                "{} has {} columns but {} noise levels were given; give one per column",
                rows.source(),
                rows.width(),
                values.len()
            );
        }
        Ok(())
    }

    /// What is left of features of variance 1, as a factor: the slope of the best linear guess from an element to
    /// itself.
    #[cfg(feature = "train")]
    pub(super) fn signal(&self) -> f32 {
        match self {
            Self::None => 1.0,
            Self::Gaussian { sigma } => {
                let mean = sigma.iter().map(|s| s * s).sum::<f32>() / sigma.len().max(1) as f32;
                1.0 / (1.0 + mean)
            }
            Self::Masking { probability, .. } | Self::SaltAndPepper { probability, .. } => {
                1.0 - probability
            }
        }
    }

    /// A damaged copy of whole rows that lie behind one another.
    #[must_use]
    pub fn apply(&self, clean: &[f32], generator: &mut ChaCha8Rng) -> Vec<f32> {
        match self {
            Self::None => clean.to_vec(),
            Self::Gaussian { sigma } => clean
                .iter()
                .zip(sigma.iter().cycle())
                .map(|(x, sigma)| x + sigma * normal(generator))
                .collect(),
            Self::Masking {
                probability,
                values,
            } => clean
                .iter()
                .zip(values.iter().cycle())
                .map(|(&x, &value)| {
                    if uniform(generator) < *probability {
                        value
                    } else {
                        x
                    }
                })
                .collect(),
            Self::SaltAndPepper {
                probability,
                low,
                high,
            } => clean
                .iter()
                .zip(low.iter().zip(high).cycle())
                .map(|(&x, (&low, &high))| {
                    // One number tells both whether and which.
                    let drawn = uniform(generator);
                    if drawn < 0.5 * probability {
                        low
                    } else if drawn < *probability {
                        high
                    } else {
                        x
                    }
                })
                .collect(),
        }
    }

    /// A damaged copy of a table.
    ///
    /// # Errors
    ///
    /// Not a value for each column.
    pub fn damage(&self, table: &Table, generator: &mut ChaCha8Rng) -> Result<Table> {
        self.check_width(table)?;
        table.with_values(self.apply(table.values(), generator))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::generator;

    /// Two columns: 1 and 2, or 3 and 6.
    fn rows() -> Table {
        let values = [1.0, 2.0, 3.0, 6.0].repeat(5_000);
        Table::new("made", Table::numbered_columns(2), values).unwrap()
    }

    fn damaged(kind: CorruptionKind) -> Vec<[f32; 2]> {
        let rows = rows();
        let table = kind.of(&rows).damage(&rows, &mut generator(3, 0)).unwrap();
        table.iter_rows().map(|row| [row[0], row[1]]).collect()
    }

    /// Share of all elements for which `is` holds, given the clean element and its column.
    fn share(rows: &[[f32; 2]], is: impl Fn(f32, usize) -> bool) -> f64 {
        let hits = rows.iter().flat_map(|row| [is(row[0], 0), is(row[1], 1)]);
        hits.filter(|&hit| hit).count() as f64 / (2 * rows.len()) as f64
    }

    #[test]
    fn masking_sets_the_asked_share_to_zero_and_leaves_the_rest() {
        let found = damaged(CorruptionKind::Masking(0.3));
        // Standard error over 20,000 elements: 0.0032.
        assert!((share(&found, |x, _| x == 0.0) - 0.3).abs() < 0.015);
        let clean = [[1.0, 3.0, 0.0], [2.0, 6.0, 0.0]];
        assert_eq!(share(&found, |x, at| clean[at].contains(&x)), 1.0);
    }

    #[test]
    fn salt_and_pepper_are_the_columns_extremes_one_as_often_as_the_other() {
        let rows = rows();
        let corruption = CorruptionKind::SaltAndPepper(1.0).of(&rows);
        assert_eq!(
            corruption,
            Corruption::SaltAndPepper {
                probability: 1.0,
                low: vec![1.0, 2.0],
                high: vec![3.0, 6.0],
            }
        );
        let found = damaged(CorruptionKind::SaltAndPepper(1.0));
        assert!((share(&found, |x, at| x == [1.0, 2.0][at]) - 0.5).abs() < 0.015);
        assert!((share(&found, |x, at| x == [3.0, 6.0][at]) - 0.5).abs() < 0.015);
        // Half of the elements are one of the extremes already: a quarter of a fifth changes to each.
        let found = damaged(CorruptionKind::SaltAndPepper(0.2));
        let changed = found
            .iter()
            .zip(rows.iter_rows())
            .flat_map(|(a, b)| [a[0] != b[0], a[1] != b[1]])
            .filter(|&changed| changed)
            .count();
        assert!((changed as f64 / 20_000.0 - 0.1).abs() < 0.01);
    }

    #[test]
    fn gaussian_noise_is_measured_in_the_columns_own_deviations() {
        let rows = rows();
        let Corruption::Gaussian { sigma } = CorruptionKind::Gaussian(0.5).of(&rows) else {
            panic!("noise");
        };
        // Columns of deviation 1 and 2.
        assert!((sigma[0] - 0.5).abs() < 1e-6 && (sigma[1] - 1.0).abs() < 1e-6);
        let found = damaged(CorruptionKind::Gaussian(0.5));
        for (at, sigma) in sigma.iter().enumerate() {
            let errors = found.iter().zip(rows.iter_rows());
            let squares: f64 = errors.map(|(a, b)| f64::from(a[at] - b[at]).powi(2)).sum();
            let found = (squares / rows.rows() as f64).sqrt();
            assert!((found / f64::from(*sigma) - 1.0).abs() < 0.03, "{found}");
        }
    }

    #[test]
    fn what_makes_no_corruption_is_one_clear_sentence() {
        let message = |kind: CorruptionKind| kind.check().unwrap_err().to_string();
        assert_eq!(
            message(CorruptionKind::Masking(1.5)),
            "the probability of a corruption is 1.5; give a number from 0 to 1"
        );
        assert_eq!(
            message(CorruptionKind::Gaussian(f64::NAN)),
            "the noise level is NaN; give a number from 0 to 100 standard deviations"
        );
        let narrow = Corruption::Gaussian { sigma: vec![1.0] };
        assert_eq!(
            narrow.check_width(&rows()).unwrap_err().to_string(),
            "made has 2 columns but 1 noise levels were given; give one per column"
        );
    }
}
