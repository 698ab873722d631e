//! Latent classes on the host: EM in f64 with restarts, on the driver that the device uses as well.
//!
//! The model is that of [`autodidact::latent_class`]: `p(x) = sum_j phi_j prod_c p_c(x_c | j)`, missing
//! values marginalised. What never falls from round to round is the log-likelihood of the observed values
//! plus `alpha` times the logarithms of all class and level probabilities, with every variance at least
//! its floor.

use std::convert::Infallible;

use anyhow::{Result, ensure};
use autodidact::em::{self, ExpectationMaximization};
use rand_chacha::rand_core::Rng;

use super::{distinct::DistinctRows, random::generator};
use crate::data::{Column, Kind, LEAST_SPREAD, MixedTable};
use crate::number::round_near;

/// How to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatentClassOptions {
    /// Number of classes, 1 to 256.
    pub classes: usize,
    /// Random starts, of which the best is kept; at least 1.
    pub restarts: usize,
    /// Most rounds of a start.
    pub rounds: u32,
    /// A start ends when a round gains less than this a row, in nats.
    pub tolerance: f64,
    /// Pseudo-count added to every class and to every level within every class.
    pub smoothing: f64,
    /// Smallest variance within a class, as a share of the column's own.
    pub variance_floor: f64,
    /// Seed of the random starts.
    pub seed: u64,
}

impl Default for LatentClassOptions {
    fn default() -> Self {
        Self {
            classes: 4,
            restarts: 10,
            rounds: 500,
            tolerance: 1e-6,
            smoothing: 1.0,
            variance_floor: 1.0 / 1024.0,
            seed: 0,
        }
    }
}

impl LatentClassOptions {
    /// The options, if they make sense.
    ///
    /// # Errors
    ///
    /// The first that does not, in a sentence.
    pub fn check(self) -> Result<Self> {
        let most = autodidact::latent_class::MAX_CLASSES;
        ensure!(
            (1..=most).contains(&self.classes),
            "{} classes were asked for; ask for 1 to {most}",
            self.classes
        );
        ensure!(
            self.restarts > 0,
            "no start was asked for; ask for at least one"
        );
        ensure!(
            self.tolerance.is_finite() && self.tolerance >= 0.0,
            "the tolerance is {}; give a number of at least 0",
            self.tolerance
        );
        ensure!(
            (0.0..256.0).contains(&self.smoothing),
            "the smoothing is {}; give a pseudo-count from 0 to 255",
            self.smoothing
        );
        ensure!(
            (1.0 / 65_536.0..=1.0).contains(&self.variance_floor),
            "the variance floor is {}; give a share from 1/65536 to 1",
            self.variance_floor
        );
        Ok(self)
    }
}

/// The distributions of one column within each class.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// `p(level | j)` of a categorical or Bernoulli column, as `[j][level]`.
    Levels(Vec<Vec<f64>>),
    /// A number, in units of the data.
    Gaussian {
        /// Mean of the training rows.
        mean: f64,
        /// Standard deviation of the training rows; one count for a column that does not vary.
        std: f64,
        /// What one count of the device's sample is worth.
        lsb: f64,
        /// A constant that the firmware subtracts before it counts; 0 unless the column varies too little around a
        /// large value.
        offset: f64,
        /// `(mu_j, sigma_j^2)` of each class.
        classes: Vec<(f64, f64)>,
    },
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentClassModel {
    /// The columns it was trained on.
    pub columns: Vec<Column>,
    /// `phi_j`.
    pub weights: Vec<f64>,
    /// One a column.
    pub distributions: Vec<Distribution>,
}

/// How a fit went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatentClassFit {
    /// Mean log-likelihood of a training row's observed values, nats, densities per unit of the data.
    pub log_likelihood: f64,
    /// Bayesian information criterion of the training rows (Schwarz 1978): `-2 L + p ln n`, lower is better.
    pub bic: f64,
    /// Free parameters.
    pub parameters: usize,
    /// Rounds of the best start.
    pub rounds: u32,
    /// Whether the best start ended by its tolerance.
    pub converged: bool,
}

impl LatentClassModel {
    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.weights.len()
    }

    /// Free parameters: `k - 1` weights, and k times `levels - 1` or 2 a column.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let each: usize = self
            .columns
            .iter()
            .map(|column| match &column.kind {
                Kind::Categorical(levels) => levels.len() - 1,
                Kind::Bernoulli => 1,
                Kind::Gaussian => 2,
            })
            .sum();
        self.classes() - 1 + self.classes() * each
    }

    /// Responsibilities of the classes for a row, and its log-likelihood in nats; NaN is a missing value.
    #[must_use]
    pub fn posterior(&self, row: &[f64]) -> (Vec<f64>, f64) {
        let mut scores: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        let observed = self
            .distributions
            .iter()
            .zip(row)
            .filter(|(_, value)| !value.is_nan());
        for (distribution, &value) in observed {
            for (class, score) in scores.iter_mut().enumerate() {
                *score += distribution.log_density(class, value);
            }
        }
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
        let log_likelihood = largest + sum.ln();
        scores
            .iter_mut()
            .for_each(|score| *score = (*score - log_likelihood).exp());
        (scores, log_likelihood)
    }

    /// Mean log-likelihood of a table's rows, nats.
    #[must_use]
    pub fn mean_log_likelihood(&self, table: &MixedTable) -> f64 {
        table
            .iter_rows()
            .map(|row| self.posterior(row).1)
            .sum::<f64>()
            / table.rows() as f64
    }

    /// How many classes explain none of a table's rows best.
    #[must_use]
    pub fn without_row(&self, table: &MixedTable) -> usize {
        let mut used = vec![false; self.classes()];
        for row in table.iter_rows() {
            let (shares, _) = self.posterior(row);
            let best = (1..shares.len()).fold(
                0,
                |best, at| {
                    if shares[at] > shares[best] { at } else { best }
                },
            );
            used[best] = true;
        }
        used.iter().filter(|used| !**used).count()
    }

    /// Bayesian information criterion of a table's rows.
    #[must_use]
    pub fn bic(&self, table: &MixedTable) -> f64 {
        let rows = table.rows() as f64;
        self.parameters() as f64 * rows.ln() - 2.0 * rows * self.mean_log_likelihood(table)
    }
}

impl Distribution {
    fn log_density(&self, class: usize, value: f64) -> f64 {
        match self {
            Self::Levels(levels) => levels[class][value as usize].ln(),
            Self::Gaussian { classes, .. } => {
                let (mean, variance) = classes[class];
                -0.5 * ((value - mean).powi(2) / variance
                    + (2.0 * std::f64::consts::PI * variance).ln())
            }
        }
    }
}

/// Fits a model: the best of several random starts by the objective that EM climbs.
///
/// Every start draws responsibilities: each row goes to one class, drawn uniformly (stream 1 and up of the
/// seed, one a start). `progress` is told the number of finished starts and the best mean objective so far.
///
/// # Errors
///
/// Options that make no sense; fewer distinct rows than classes.
pub fn fit(
    table: &MixedTable,
    options: LatentClassOptions,
    mut progress: impl FnMut(usize, f64),
) -> Result<(LatentClassModel, LatentClassFit)> {
    let options = options.check()?;
    let mut distinct = DistinctRows::up_to(options.classes);
    for row in table.iter_rows() {
        distinct.add(row.iter().copied());
    }
    distinct.check(table.source(), "distinct ones", "classes")?;
    let rows = table.rows() as f64;
    let mut best: Option<(LatentClassModel, em::Fit<f64>)> = None;
    for start in 0..options.restarts {
        let mut em = Em::start(table, options, start as u64 + 1);
        let stop = em::gain_below(options.tolerance * rows);
        let Ok(fitted) = em::fit(&mut em, table, options.rounds, stop);
        if best
            .as_ref()
            .is_none_or(|(_, best)| fitted.log_likelihood > best.log_likelihood)
        {
            best = Some((em.model, fitted));
        }
        let so_far = best
            .as_ref()
            .map_or(f64::NAN, |(_, best)| best.log_likelihood);
        progress(start + 1, so_far / rows);
    }
    let Some((model, fitted)) = best else {
        anyhow::bail!("no start was asked for; ask for at least one");
    };
    let report = LatentClassFit {
        log_likelihood: model.mean_log_likelihood(table),
        bic: model.bic(table),
        parameters: model.parameters(),
        rounds: fitted.rounds,
        converged: fitted.converged,
    };
    Ok((model, report))
}

/// A model between its steps.
struct Em {
    model: LatentClassModel,
    options: LatentClassOptions,
    /// `sum r` of each class.
    mass: Vec<f64>,
    /// For each column and class: `sum r` a level, or of 1, `d` and `d^2` with `d = (x - mean) / std`.
    sums: Vec<Vec<Vec<f64>>>,
}

impl Em {
    fn start(table: &MixedTable, options: LatentClassOptions, stream: u64) -> Self {
        let k = options.classes;
        let distributions: Vec<Distribution> = table
            .columns()
            .iter()
            .enumerate()
            .map(|(at, column)| match &column.kind {
                Kind::Categorical(levels) => uniform(k, levels.len()),
                Kind::Bernoulli => uniform(k, 2),
                Kind::Gaussian => standardised(k, table.iter_rows().map(|row| row[at])),
            })
            .collect();
        let model = LatentClassModel {
            columns: table.columns().to_vec(),
            weights: vec![1.0 / k as f64; k],
            distributions,
        };
        let mut em = Self {
            model,
            options,
            mass: Vec::new(),
            sums: Vec::new(),
        };
        em.clear();
        let mut generator = generator(options.seed, stream);
        for row in table.iter_rows() {
            let mut responsibilities = vec![0.0; k];
            let class = (u64::from(generator.next_u32()) * k as u64) >> 32;
            responsibilities[class as usize] = 1.0;
            em.add(row, &responsibilities);
        }
        let Ok(()) = em.maximization();
        em
    }

    fn clear(&mut self) {
        let k = self.options.classes;
        self.mass = vec![0.0; k];
        let width = |distribution: &Distribution| match distribution {
            Distribution::Levels(levels) => levels[0].len(),
            Distribution::Gaussian { .. } => 3,
        };
        self.sums = self
            .model
            .distributions
            .iter()
            .map(|one| vec![vec![0.0; width(one)]; k])
            .collect();
    }

    fn add(&mut self, row: &[f64], responsibilities: &[f64]) {
        for (mass, r) in self.mass.iter_mut().zip(responsibilities) {
            *mass += r;
        }
        let columns = self.sums.iter_mut().zip(&self.model.distributions).zip(row);
        for ((sums, distribution), &value) in columns.filter(|(_, value)| !value.is_nan()) {
            for (sums, r) in sums.iter_mut().zip(responsibilities) {
                match distribution {
                    Distribution::Levels(_) => sums[value as usize] += r,
                    Distribution::Gaussian { mean, std, .. } => {
                        let d = (value - mean) / std;
                        sums[0] += r;
                        sums[1] += r * d;
                        sums[2] += r * d * d;
                    }
                }
            }
        }
    }

    fn log_prior(&self) -> f64 {
        if self.options.smoothing == 0.0 {
            return 0.0;
        }
        let levels = self
            .model
            .distributions
            .iter()
            .flat_map(|distribution| match distribution {
                Distribution::Levels(levels) => levels.as_slice(),
                Distribution::Gaussian { .. } => &[],
            });
        let logs = self
            .model
            .weights
            .iter()
            .chain(levels.flatten())
            .map(|p| p.ln());
        self.options.smoothing * logs.sum::<f64>()
    }
}

impl ExpectationMaximization for Em {
    type Data = MixedTable;
    type LogLikelihood = f64;
    type Error = Infallible;

    fn expectation(&mut self, table: &MixedTable) -> Result<f64, Infallible> {
        self.clear();
        let mut objective = self.log_prior();
        for row in table.iter_rows() {
            let (responsibilities, log_likelihood) = self.model.posterior(row);
            objective += log_likelihood;
            self.add(row, &responsibilities);
        }
        Ok(objective)
    }

    fn maximization(&mut self) -> Result<(), Infallible> {
        let alpha = self.options.smoothing;
        normalise(&mut self.model.weights, &self.mass, alpha);
        for (distribution, sums) in self.model.distributions.iter_mut().zip(&self.sums) {
            match distribution {
                Distribution::Levels(levels) => {
                    for (levels, sums) in levels.iter_mut().zip(sums) {
                        normalise(levels, sums, alpha);
                    }
                }
                Distribution::Gaussian {
                    mean, std, classes, ..
                } => {
                    for (class, sums) in classes
                        .iter_mut()
                        .zip(sums)
                        .filter(|(_, sums)| sums[0] > 0.0)
                    {
                        let d = sums[1] / sums[0];
                        let variance = (sums[2] / sums[0] - d * d).max(self.options.variance_floor);
                        *class = (*mean + *std * d, *std * *std * variance);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Relative frequencies with `alpha` added to each mass; unchanged when there is nothing to divide.
fn normalise(probabilities: &mut [f64], masses: &[f64], alpha: f64) {
    let total: f64 = masses.iter().map(|mass| mass + alpha).sum();
    if total > 0.0 {
        for (probability, mass) in probabilities.iter_mut().zip(masses) {
            *probability = (mass + alpha) / total;
        }
    }
}

fn uniform(classes: usize, levels: usize) -> Distribution {
    Distribution::Levels(vec![vec![1.0 / levels as f64; levels]; classes])
}

fn standardised(classes: usize, values: impl Iterator<Item = f64> + Clone) -> Distribution {
    let values = values.filter(|value| !value.is_nan());
    let count = values.clone().count();
    // A column without a value in any training row is standard normal in every class.
    let n = count.max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values
        .clone()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / n;
    let deviation = variance.sqrt();
    let (mut lsb, mut offset) = (count_of(values.clone()), 0.0);
    if lsb != 1.0 && deviation > 0.0 && deviation < LEAST_SPREAD * lsb {
        offset = round_near(mean, deviation);
        lsb = count_of(values.map(|value| value - offset));
    }
    let std = if variance > 0.0 { deviation } else { lsb };
    Distribution::Gaussian {
        mean,
        std,
        lsb,
        offset,
        classes: vec![(mean, std * std); classes],
    }
}

/// 1 for integers that an `i16` holds, otherwise the smallest power of two by which all are at most 2^14.
fn count_of(values: impl Iterator<Item = f64>) -> f64 {
    const LARGEST_COUNT: f64 = 16_384.0;
    const LARGEST_READING: f64 = 32_767.0;
    let (largest, integers) = values.fold((0.0_f64, true), |(largest, integers), value| {
        (largest.max(value.abs()), integers && value.fract() == 0.0)
    });
    if largest <= LARGEST_READING && integers {
        1.0
    } else {
        (largest / LARGEST_COUNT).log2().ceil().exp2()
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution as _, StandardNormal};

    use super::*;
    use crate::data::{HeldOut, MixedOptions, open_mixed};
    use crate::oracle::{LatentClasses, LatentColumn};
    use crate::quantize::latent_class::{Coding, quantisation_loss, quantise};
    use crate::query::{Answer, Query, answer, joint};

    fn columns() -> Vec<Column> {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
        };
        let interests = ["music", "science", "sport"].map(str::to_owned).to_vec();
        vec![
            column("interest", Kind::Categorical(interests)),
            column("age", Kind::Gaussian),
            column("site=arxiv", Kind::Bernoulli),
            column("site=football", Kind::Bernoulli),
            column("site=pubmed", Kind::Bernoulli),
        ]
    }

    fn known() -> LatentClasses {
        let flags = |p: [f64; 3]| LatentColumn::Levels(p.map(|p| vec![1.0 - p, p]).to_vec());
        LatentClasses {
            weights: vec![0.3, 0.45, 0.25],
            columns: vec![
                LatentColumn::Levels(vec![
                    vec![0.1, 0.85, 0.05],
                    vec![0.2, 0.05, 0.75],
                    vec![0.8, 0.1, 0.1],
                ]),
                LatentColumn::Gaussian(vec![(41.0, 81.0), (29.0, 49.0), (23.0, 16.0)]),
                flags([0.7, 0.05, 0.15]),
                flags([0.05, 0.85, 0.15]),
                flags([0.8, 0.05, 0.05]),
            ],
        }
    }

    /// Rows of the known mixture, a tenth of all values missing.
    fn table(rows: usize, seed: u64) -> MixedTable {
        let known = known();
        let mut generator = generator(seed, 0);
        let mut uniform = move || f64::from(generator.next_u32()) / 4_294_967_296.0;
        let mut normals = super::generator(seed, 99);
        let mut pick = |weights: &[f64]| {
            let mut left = uniform();
            weights
                .iter()
                .position(|p| {
                    left -= p;
                    left < 0.0
                })
                .unwrap_or(weights.len() - 1)
        };
        let mut values = Vec::new();
        for _ in 0..rows {
            let class = pick(&known.weights);
            for column in &known.columns {
                let value = match column {
                    LatentColumn::Levels(levels) => pick(&levels[class]) as f64,
                    LatentColumn::Gaussian(classes) => {
                        let (mean, variance) = classes[class];
                        let z: f64 = StandardNormal.sample(&mut normals);
                        mean + variance.sqrt() * z
                    }
                };
                values.push(if pick(&[0.1, 0.9]) == 0 {
                    f64::NAN
                } else {
                    value
                });
            }
        }
        MixedTable::new("made", columns(), values).unwrap()
    }

    /// The fitted parameters in textbook form.
    fn oracle(model: &LatentClassModel) -> LatentClasses {
        LatentClasses {
            weights: model.weights.clone(),
            columns: model
                .distributions
                .iter()
                .map(|distribution| match distribution {
                    Distribution::Levels(levels) => LatentColumn::Levels(levels.clone()),
                    Distribution::Gaussian { classes, .. } => {
                        LatentColumn::Gaussian(classes.clone())
                    }
                })
                .collect(),
        }
    }

    fn levels(answers: &[Answer]) -> Vec<f64> {
        match answers {
            [Answer::Levels { probabilities, .. }] => {
                probabilities.iter().map(|(_, p)| *p).collect()
            }
            _ => panic!("{answers:?}"),
        }
    }

    #[test]
    fn questions_are_answered_as_the_generating_distribution_would() {
        let training = table(12_000, 1);
        let options = LatentClassOptions {
            classes: 3,
            restarts: 2,
            rounds: 200,
            ..Default::default()
        };
        let (model, report) = fit(&training, options, |_, _| ()).unwrap();
        let quantised = quantise(&model).unwrap();
        let (view, coding) = (quantised.view().unwrap(), Coding::of(&model));
        let (known, fitted) = (known(), oracle(&model));
        let nan = f64::NAN;
        for (text, row) in [
            ("interest | site=pubmed", [nan, nan, nan, nan, 1.0]),
            (
                "interest | site!=pubmed, site=football",
                [nan, nan, nan, 1.0, 0.0],
            ),
            ("interest | age=23", [nan, 23.0, nan, nan, nan]),
            ("interest", [nan; 5]),
        ] {
            let query = Query::parse(text, &columns()).unwrap();
            let shares = levels(&answer(&view, &coding, &query).unwrap());
            for (level, share) in shares.iter().enumerate() {
                let exact = known.conditional(&row, 0, level as f64);
                // Four standard errors of a share among 1500 rows: the smallest group that is asked for.
                assert!((share - exact).abs() < 0.05, "{text}: {share} is {exact}");
                let own = fitted.conditional(&row, 0, level as f64);
                assert!(
                    (share - own).abs() < 1.5e-3,
                    "{text}: {share} should be {own}"
                );
            }
        }
        let query = Query::parse("age | interest=science", &columns()).unwrap();
        let [Answer::Number { mean, std, .. }] = answer(&view, &coding, &query).unwrap()[..] else {
            panic!("age is a number");
        };
        let joint_known = known.joint(&[1.0, nan, nan, nan, nan]);
        let ages = [41.0, 29.0, 23.0];
        let exact = joint_known
            .iter()
            .zip(ages)
            .map(|(p, age)| p * age)
            .sum::<f64>()
            / joint_known.iter().sum::<f64>();
        assert!((mean - exact).abs() < 1.0, "{mean} is {exact}");
        assert!((8.0..12.0).contains(&std), "{std}");
        // Three classes are what the criterion asks for, too.
        for classes in [1, 2, 5] {
            let (_, other) = fit(
                &training,
                LatentClassOptions {
                    classes,
                    rounds: 60,
                    ..options
                },
                |_, _| (),
            )
            .unwrap();
            assert!(
                other.bic > report.bic,
                "{classes}: {} {}",
                other.bic,
                report.bic
            );
        }
        let loss = quantisation_loss(&model, &quantised, &table(500, 2)).unwrap();
        assert!(
            (loss.exact - loss.integer).abs() < 1e-3 && loss.largest < 0.02,
            "{loss:?}"
        );
        println!("{loss:?}, {report:?}");
        assert!(loss.same_class > 0.99, "{loss:?}");
        // A container keeps the lines and the values of a count; the rest follows.
        let kept = Coding::from_lines(columns(), &coding.lsb(), &coding.offset(), &quantised.lines)
            .unwrap();
        let (kept, scale) = (kept.scale(1), coding.scale(1));
        assert!((kept.mean - scale.mean).abs() < 1e-6 && (kept.std - scale.std).abs() < 1e-6);
    }

    #[test]
    fn likelihood_is_the_textbook_one_and_the_objective_never_falls() {
        let training = table(400, 3);
        for smoothing in [0.0, 0.5] {
            let options = LatentClassOptions {
                classes: 4,
                smoothing,
                ..Default::default()
            };
            let mut em = Em::start(&training, options, 1);
            let mut previous = f64::NEG_INFINITY;
            for _ in 0..80 {
                let textbook = oracle(&em.model);
                for row in training.iter_rows().take(20) {
                    assert!((em.model.posterior(row).1 - textbook.density(row).ln()).abs() < 1e-9);
                }
                let Ok(objective) = em.expectation(&training);
                assert!(
                    objective >= previous - 1e-9 * objective.abs(),
                    "{previous} {objective}"
                );
                previous = objective;
                let Ok(()) = em.maximization();
            }
        }
    }

    #[test]
    fn awkward_tables_are_fitted_all_the_same() {
        let columns = columns();
        let nan = f64::NAN;
        let rows = [
            [0.0, 7.5, nan, 1.0, 0.0],
            [nan; 5],
            [0.0, 7.5, nan, 1.0, 1.0],
        ]
        .concat();
        let table = MixedTable::new("made", columns.clone(), rows).unwrap();
        for classes in [1, 3] {
            for smoothing in [0.0, 1.0] {
                let options = LatentClassOptions {
                    classes,
                    smoothing,
                    restarts: 2,
                    ..Default::default()
                };
                let (model, report) = fit(&table, options, |_, _| ()).unwrap();
                assert!(report.log_likelihood.is_finite() && report.bic.is_finite());
                let quantised = quantise(&model).unwrap();
                let (view, coding) = (quantised.view().unwrap(), Coding::of(&model));
                let query = Query::parse("age | interest=music", &columns).unwrap();
                let [Answer::Number { mean, .. }] = answer(&view, &coding, &query).unwrap()[..]
                else {
                    panic!("age is a number");
                };
                assert!((mean - 7.5).abs() < 0.01, "{mean}");
            }
        }
        let message = |classes| {
            let options = LatentClassOptions {
                classes,
                ..Default::default()
            };
            fit(&table, options, |_, _| ()).unwrap_err().to_string()
        };
        assert_eq!(message(0), "0 classes were asked for; ask for 1 to 256");
        assert_eq!(
            message(4),
            "made: the 3 rows to train on are 3 distinct ones, too few for 4 classes; ask for at most 3"
        );
    }

    #[test]
    fn the_bundled_users_can_be_asked() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/users.csv");
        let table = open_mixed(&path, &MixedOptions::default()).unwrap();
        let names: Vec<&str> = table
            .columns()
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "interest",
                "gender",
                "age",
                "site=arxiv",
                "site=football",
                "site=pubmed",
                "site=radio"
            ]
        );
        let (training, held_out) = table.split(&HeldOut::EVERY_FOURTH).unwrap();
        let (model, report) = fit(
            &training,
            LatentClassOptions {
                classes: 3,
                ..Default::default()
            },
            |_, _| (),
        )
        .unwrap();
        let (one, _) = fit(
            &training,
            LatentClassOptions {
                classes: 1,
                ..Default::default()
            },
            |_, _| (),
        )
        .unwrap();
        assert!(report.converged);
        let gain = model.mean_log_likelihood(&held_out) - one.mean_log_likelihood(&held_out);
        assert!(gain > 0.3, "{gain}");
        let quantised = quantise(&model).unwrap();
        let (view, coding) = (quantised.view().unwrap(), Coding::of(&model));
        let query = Query::parse("interest | site=pubmed", table.columns()).unwrap();
        let shares = levels(&answer(&view, &coding, &query).unwrap());
        // The generating mixture has 0.75.
        assert!((shares[1] - 0.75).abs() < 0.15, "{shares:?}");
        // The joint distribution has the single ones as its margins.
        let both = Query::parse("interest, gender | site=pubmed", table.columns()).unwrap();
        let joint = joint(&view, &coding, &both).unwrap().unwrap();
        assert_eq!(joint.len(), 6);
        let science = joint
            .iter()
            .filter(|combination| combination.levels[0] == "science");
        let science: f64 = science.map(|combination| combination.probability).sum();
        assert!((science - shares[1]).abs() < 1e-4);
        println!("interest | site=pubmed: {shares:?}; held-out gain over one class {gain:.3} nats");
    }
}
