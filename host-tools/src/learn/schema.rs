//! Columns of latent classes, and their parameters.

use anyhow::{Context, Result};
use autodidact::latent_class::{self, Column, Gaussian, LatentClass, Options, storage_words};
use autodidact::scaler::ScalerFeature;

use crate::data::Table;
use crate::oracle::{Distribution, LatentClassFit};

/// Most levels of a column of whole numbers that counts as categorical.
const MOST_LEVELS: f32 = 32.0;

/// What the columns of a table are: whole numbers from 0 to 31 are levels, two of them a Bernoulli column;
/// everything else is Gaussian.
pub(super) fn columns(table: &Table) -> Vec<Column> {
    (0..table.width())
        .map(|at| {
            let values = || table.iter_rows().map(|row| row[at]);
            let level = |x: f32| x.fract() == 0.0 && (0.0..MOST_LEVELS).contains(&x);
            if !values().all(level) {
                return Column::GAUSSIAN;
            }
            match values().fold(0.0, f32::max) as u16 {
                1 => Column::BERNOULLI,
                most => Column::categorical(most + 1),
            }
        })
        .collect()
}

/// Columns, with the scaling of the Gaussian ones.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) columns: Vec<Column>,
    pub(super) lines: Vec<ScalerFeature>,
}

impl Schema {
    pub(super) fn new(columns: Vec<Column>, scaler: &[ScalerFeature]) -> Self {
        let lines = scaler.iter().zip(&columns);
        Self {
            lines: lines
                .filter(|(_, column)| column.is_gaussian())
                .map(|(line, _)| *line)
                .collect(),
            columns,
        }
    }

    /// Classes that are all alike, for a container that is to bring the columns.
    pub(super) fn blank(&self) -> Result<OwnedClasses> {
        let mut words = vec![0; storage_words(1, &self.columns)];
        let learner = latent_class::Learner::new(
            &self.columns,
            &self.lines,
            1,
            &mut words,
            Options::DEFAULT,
        )?;
        let model = learner.model();
        Ok(OwnedClasses {
            columns: self.columns.clone(),
            lines: self.lines.clone(),
            weights: model.weights().to_vec(),
            surprisals: model.surprisals().to_vec(),
            gaussians: model.gaussians().to_vec(),
        })
    }
}

/// The tensors of latent classes, as [`LatentClass::new`] takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedClasses {
    pub(super) columns: Vec<Column>,
    pub(super) lines: Vec<ScalerFeature>,
    pub(super) weights: Vec<u16>,
    pub(super) surprisals: Vec<u16>,
    pub(super) gaussians: Vec<Gaussian>,
}

impl OwnedClasses {
    /// The model, checked as a container's is.
    ///
    /// # Errors
    ///
    /// A tensor does not follow from the others.
    pub fn view(&self) -> Result<LatentClass<'_>> {
        LatentClass::new(
            &self.columns,
            &self.weights,
            &self.surprisals,
            &self.lines,
            &self.gaussians,
        )
        .context("the learnt classes are not valid")
    }

    /// The parameters as real numbers.
    pub(super) fn real(&self) -> LatentClassFit {
        let k = self.weights.len();
        let probability = |surprisal: &u16| (-f64::from(*surprisal) / 4096.0).exp2();
        let mut surprisals = self.surprisals.chunks_exact(k);
        let mut gaussians = self.gaussians.chunks_exact(k);
        let columns = self.columns.iter().map(|column| {
            if column.is_gaussian() {
                let classes = gaussians.next().unwrap_or(&[]).iter();
                let real = |g: &Gaussian| {
                    [
                        f64::from(g.mean) / 4096.0,
                        f64::from(g.variance) / 2f64.powi(24),
                    ]
                };
                return Distribution::Gaussian(classes.map(real).collect());
            }
            let table: Vec<&[u16]> = surprisals.by_ref().take(column.levels()).collect();
            let classes =
                (0..k).map(|class| table.iter().map(|row| probability(&row[class])).collect());
            Distribution::Levels(classes.collect())
        });
        LatentClassFit {
            columns: columns.collect(),
            weights: self.weights.iter().map(probability).collect(),
        }
    }
}
