//! What k-means++ gains over random seeding.
//!
//! D. Arthur and S. Vassilvitskii, *k-means++: the advantages of careful seeding*, SODA 2007, section 6:
//! Lloyd's algorithm to convergence from either seeding, the mean potential of some runs. The potential of a
//! run is its inertia per row.
//!
//! The gain of 20 runs is itself a random number. On Spambase at k = 10 single seeded runs differ with a
//! standard deviation of 12 % of the random potential, so that the gain of 20 runs has a standard error near
//! 3 points; hence [`Comparison::standard_error`].

use std::fmt;

use anyhow::{Result, ensure};
use rand::Rng;

use crate::{
    data::Table,
    train::{
        device::TrainingDevice,
        kmeans::{self, KMeansOptions, Seeding},
        random::generator,
    },
};

/// So many rounds that every run converges.
const ROUNDS: usize = 10_000;

/// The runs of one seeding.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs {
    /// Inertia per row of every run.
    pub potentials: Vec<f64>,
    /// Rounds of Lloyd's algorithm of every run.
    pub rounds: Vec<usize>,
}

impl Runs {
    /// Mean potential.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.potentials.iter().sum::<f64>() / self.potentials.len() as f64
    }

    /// Lowest potential.
    #[must_use]
    pub fn minimum(&self) -> f64 {
        self.potentials
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min)
    }

    /// Standard deviation between runs (divided by runs - 1).
    #[must_use]
    pub fn standard_deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.potentials.iter().map(|x| (x - mean).powi(2)).sum();
        (squares / (self.potentials.len() as f64 - 1.0)).sqrt()
    }

    /// Mean number of rounds.
    #[must_use]
    pub fn mean_rounds(&self) -> f64 {
        self.rounds.iter().sum::<usize>() as f64 / self.rounds.len() as f64
    }
}

/// Random seeding and k-means++ at one number of clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Number of clusters.
    pub k: usize,
    /// Runs seeded at random.
    pub random: Runs,
    /// Runs seeded by k-means++.
    pub plus_plus: Runs,
}

impl Comparison {
    /// By how many per cent the mean potential falls.
    #[must_use]
    pub fn gain(&self) -> f64 {
        100.0 * (1.0 - self.plus_plus.mean() / self.random.mean())
    }

    /// By how many per cent the lowest potential falls.
    #[must_use]
    pub fn gain_of_minimum(&self) -> f64 {
        100.0 * (1.0 - self.plus_plus.minimum() / self.random.minimum())
    }

    /// Standard error of [`Comparison::gain`] in points, by the spread of the runs (delta method).
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        let relative = |runs: &Runs| (runs.standard_deviation() / runs.mean()).powi(2);
        let ratio = self.plus_plus.mean() / self.random.mean();
        let count = self.random.potentials.len() as f64;
        100.0 * ratio * ((relative(&self.random) + relative(&self.plus_plus)) / count).sqrt()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "k={:<3} random {:.4e} avg {:.4e} min, {:.0} rounds; k-means++ {:.4e} avg {:.4e} min, {:.0} rounds; gain {:.1} % +- {:.1} avg, {:.1} % min",
            self.k,
            self.random.mean(),
            self.random.minimum(),
            self.random.mean_rounds(),
            self.plus_plus.mean(),
            self.plus_plus.minimum(),
            self.plus_plus.mean_rounds(),
            self.gain(),
            self.standard_error(),
            self.gain_of_minimum(),
        )
    }
}

/// Runs k-means `runs` times from either seeding at every number of clusters in `ks`, on the table as it is.
///
/// # Errors
///
/// Fewer than two runs; fewer (distinct) rows than clusters; the training device fails.
pub fn seeding(
    table: &Table,
    ks: &[usize],
    runs: usize,
    seed: u64,
    device: &TrainingDevice,
) -> Result<Vec<Comparison>> {
    ensure!(runs >= 2, "the number of runs is {runs}; give at least 2");
    let mut seeds = generator(seed, 0);
    let mut run_all = |k: usize, seeding: &Seeding| -> Result<Runs> {
        let mut done = Runs {
            potentials: Vec::new(),
            rounds: Vec::new(),
        };
        for _ in 0..runs {
            let options = KMeansOptions {
                k,
                seeding: seeding.clone(),
                restarts: 1,
                rounds: ROUNDS,
                seed: seeds.next_u64(),
                ..KMeansOptions::default()
            };
            let model = kmeans::fit(&options.check()?, table, device, &mut |_| {})?;
            done.potentials.push(model.inertia / table.rows() as f64);
            done.rounds.push(model.rounds);
        }
        Ok(done)
    };
    ks.iter()
        .map(|&k| {
            Ok(Comparison {
                k,
                random: run_all(k, &Seeding::Random)?,
                plus_plus: run_all(k, &Seeding::PlusPlus)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::normal;

    /// 500 rows in one dense blob and 15 far blobs of four rows, as in the paper's NORM-10 but uneven.
    fn uneven() -> Table {
        let mut generator = generator(21, 0);
        let values = (0..560_usize)
            .flat_map(|row| {
                let far = if row < 500 { 0 } else { (row - 500) / 4 + 1 } as f32;
                [far * 500.0 + normal(&mut generator), normal(&mut generator)]
            })
            .collect();
        Table::new("uneven", Table::numbered_columns(2), values).unwrap()
    }

    #[test]
    fn careful_seeding_gains_where_clusters_are_uneven() {
        let found = seeding(&uneven(), &[16], 20, 0, &TrainingDevice::cpu()).unwrap();
        let [comparison] = &found[..] else {
            panic!("{found:?}");
        };
        assert!(comparison.gain() > 90.0, "{comparison}");
        assert!(comparison.plus_plus.minimum() < 3.0, "{comparison}");
    }

    #[test]
    fn figures_are_those_of_their_definitions() {
        let runs = |potentials: &[f64]| Runs {
            potentials: potentials.to_vec(),
            rounds: vec![3; potentials.len()],
        };
        let comparison = Comparison {
            k: 2,
            random: runs(&[9.0, 11.0]),
            plus_plus: runs(&[4.0, 6.0]),
        };
        assert_eq!(comparison.gain(), 50.0);
        assert!((comparison.gain_of_minimum() - 100.0 * 5.0 / 9.0).abs() < 1e-12);
        // Both standard deviations are sqrt(2): 100 * 0.5 * sqrt((0.02 + 0.08) / 2).
        assert!((comparison.standard_error() - 50.0 * 0.05_f64.sqrt()).abs() < 1e-12);
        assert_eq!(comparison.random.mean_rounds(), 3.0);
    }
}
