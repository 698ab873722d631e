//! Learning latent classes on the device: EM in integers, in rounds over resident rows or along a stream.

use super::{
    Column, Gaussian, LatentClass, MAX_CLASSES, MAX_COLUMNS, MISSING, cells, gaussian_columns,
    nats, to_score,
};
use crate::em::ExpectationMaximization;
use crate::num::{exp2, log2, rounding_shift_right, saturating_i16};
use crate::rng::below;
use crate::scaler::ScalerFeature;
use crate::slices::copy;
use crate::work::{DIVISION, WIDE};
use crate::{Defect, Operand, Setting, ShapeError};
use rand_core::Rng;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most rows of one round: sums of responsibilities stay below 2^32.
pub const MAX_ROWS: u32 = 65_535;

/// How a learner smooths, and how it forgets along a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Pseudo-count `alpha` added to every class and to every level within every class, rows in `U16F16`;
    /// below 2^24. The default is 1 (Laplace).
    pub smoothing: u32,
    /// Smallest variance of a standardised column within a class, `U8F24`. The default is 2^-10, a standard
    /// deviation of 1/32 of the column's.
    pub variance_floor: u32,
    /// Rows of a stream between two M steps, at least 1. The default is 16.
    pub block: u16,
    /// Exponent `kappa` of the step size, `U0F16`. The default is 0.7.
    pub kappa: u16,
    /// Most rows that a stream's statistics remember; with `block` at most [`MAX_ROWS`]. The default is
    /// 2^15.
    pub memory: u16,
}

impl Options {
    /// The defaults named at the fields.
    pub const DEFAULT: Self = Self {
        smoothing: 1 << 16,
        variance_floor: 1 << 14,
        block: 16,
        kappa: 45_875,
        memory: 1 << 15,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Sums of one Gaussian column within one class, over the rows in which it is observed.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Sums {
    /// `sum r x^2`, 40 fractional bits: at most `MAX_ROWS` · 2^16 · 2^30 < 2^62.
    squares: i64,
    /// `sum r x`, 28 fractional bits: below 2^47.
    sum: i64,
    /// `sum r`, `U16F16`.
    mass: u32,
    reserved: u32,
}

/// Words of 64 bits that a learner of `k` classes works in.
///
/// A cell (a level within a class) takes 6 bytes, a Gaussian column within a class 40, a class 10 more.
#[must_use]
pub const fn storage_words(k: usize, columns: &[Column]) -> usize {
    let each = 6usize
        .saturating_mul(cells(columns))
        .saturating_add(40usize.saturating_mul(gaussian_columns(columns)))
        .saturating_add(10);
    each.saturating_mul(k).div_ceil(8)
}

/// Memory of a learner; `WORDS` comes from [`storage_words`].
///
/// ```
/// use autodidact::latent_class::{Column, Options, Storage, storage_words};
/// const COLUMNS: [Column; 2] = [Column::categorical(3), Column::BERNOULLI];
/// let mut storage = Storage::<{ storage_words(4, &COLUMNS) }>::NEW;
/// let learner = storage.learner(&COLUMNS, &[], 4, Options::DEFAULT)?;
/// assert_eq!(learner.model().classes(), 4);
/// # Ok::<(), autodidact::Defect>(())
/// ```
#[derive(Debug, Clone)]
pub struct Storage<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Storage<WORDS> {
    /// Memory that no learner has used yet.
    pub const NEW: Self = Self([0; WORDS]);

    /// A learner that starts from nothing, as [`Learner::new`].
    ///
    /// # Errors
    /// As [`Learner::new`].
    pub fn learner<'m>(
        &'m mut self,
        columns: &'m [Column],
        lines: &'m [ScalerFeature],
        k: usize,
        options: Options,
    ) -> Result<Learner<'m>, Defect> {
        Learner::new(columns, lines, k, &mut self.0, options)
    }
}

/// Learns a [`LatentClass`] model by EM (Dempster, Laird and Rubin 1977).
///
/// *Rounds.* [`start_random`](Self::start_random) or [`start_from_classes`](Self::start_from_classes),
/// then [`em::fit`](crate::em::fit), which alternates E and M steps over resident rows. A round is
/// divisible: [`clear`](Self::clear), [`accumulate`](Self::accumulate) row by row, [`maximise`](Self::maximise).
///
/// *Streams.* [`step`](Self::step) row by row: stepwise EM (Cappé and Moulines 2009; Liang and Klein
/// 2009) with an M step every [`block`](Options::block) rows.
///
/// # What never falls
///
/// The penalised log-likelihood of the observed values
/// `sum_n ln p(x_n) + alpha (sum_j ln phi_j + sum_c sum_l sum_j ln p_c(l | j))`, subject to every variance
/// being at least the floor: Dirichlet priors with parameter `1 + alpha` on the classes and on the levels.
/// A column's statistics come only from the rows in which it is observed. In exact arithmetic a round
/// never lowers it; in integers by at most
///
/// ```text
/// rows (2.6e-4 (C + 1) + 1.3e-5 k) + alpha 2.6e-4 cells    nats,
/// ```
///
/// C columns, k classes, cells: levels within classes, and classes. A probability below 2^-16 is kept there; where a
/// class has u such levels of a column (or there are u such classes), `1.6e-5 u` more for each row and for each alpha
/// of the column's (or the classes') cells. There are none with as many rows as `alpha (2^16 - levels)`. A variance `v`
/// below 2^-14 costs `8e-9 / v` more a row of its column; after a start from a model with variances below the floor
/// ([`from_model`](Self::from_model)) the round that raises them may cost more; and what a value costs is counted to 512 bits only: a
/// round that moves a class over more than 26 of its deviations has no bound. (`latent_class::tests::bound`)
///
/// The value that [`expectation`](ExpectationMaximization::expectation) returns is that objective to 6e-5 nats a row
/// where all columns are discrete.
///
/// # Work
///
/// A row: `2 k` additions a discrete column, 3 k multiplications a Gaussian one, and k powers of two. An M
/// step: a logarithm a cell, and two 64-bit divisions for each Gaussian column of each class. Forgetting
/// along a stream adds a multiplication a cell to an M step. [`Learner::step_operations`] has it as a number.
///
/// ```
/// use autodidact::em::{fit, gain_below};
/// use autodidact::latent_class::{Column, Learner, Options, Storage, storage_words};
/// use autodidact::rng::Generator;
/// const COLUMNS: [Column; 3] = [Column::BERNOULLI; 3];
/// let rows = [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0];
/// let mut storage = Storage::<{ storage_words(2, &COLUMNS) }>::NEW;
/// let mut learner = storage.learner(&COLUMNS, &[], 2, Options::DEFAULT)?;
/// learner.start_random(&rows, &mut Generator::from_seed(1))?;
/// fit(&mut learner, &rows, 50, gain_below(6))?;
/// let mut posterior = [0; 2];
/// let zeros = learner.model().most_probable(&[0, 0, 0], &mut posterior)?.class;
/// let ones = learner.model().most_probable(&[1, 1, 1], &mut posterior)?.class;
/// assert_ne!(zeros, ones);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Learner<'m> {
    columns: &'m [Column],
    lines: &'m [ScalerFeature],
    options: Options,
    weights: &'m mut [u16],
    surprisals: &'m mut [u16],
    gaussians: &'m mut [Gaussian],
    /// `sum r` of each class, `U16F16`.
    class_mass: &'m mut [u32],
    /// `sum r` of each level of each discrete column within each class, `U16F16`.
    level_mass: &'m mut [u32],
    sums: &'m mut [Sums],
    posterior: &'m mut [u32],
    /// Rows in the statistics: no mass exceeds this times 2^16.
    rows: u32,
    /// Rows of a stream since the last M step.
    pending: u16,
    /// M steps of a stream.
    blocks: u32,
}

impl<'m> Learner<'m> {
    /// A learner with k classes that are all alike: uniform levels, standard normal columns (of the floor's variance
    /// where that is more than 1).
    ///
    /// Classes that are alike stay so: start it with [`start_random`](Self::start_random), or a stream with
    /// [`step_with_class`](Self::step_with_class). `lines` has the scaling of each Gaussian column;
    /// `memory` is at least [`storage_words`] long.
    ///
    /// # Errors
    /// [`Defect::Shape`] when there are too many or no classes or columns, or not a line for each Gaussian column,
    /// [`Defect::Memory`] when the memory is too short, [`Defect::Setting`] when an option is out of its range,
    /// [`Defect::Column`] when a column is not valid, [`Defect::Scale`] when a line is out of range.
    pub fn new(
        columns: &'m [Column],
        lines: &'m [ScalerFeature],
        k: usize,
        memory: &'m mut [u64],
        options: Options,
    ) -> Result<Self, Defect> {
        let sizes_fit =
            (1..=MAX_CLASSES).contains(&k) && (1..=MAX_COLUMNS).contains(&columns.len());
        if !sizes_fit {
            return Err(Defect::Shape);
        }
        let block = u32::from(options.block);
        let most = MAX_ROWS.saturating_sub(block);
        Defect::ranges(&[
            (Setting::Smoothing, options.smoothing, 0, (1 << 24) - 1),
            (Setting::Block, block, 1, MAX_ROWS),
            (Setting::Memory, options.memory.into(), 0, most),
        ])?;
        let (needed, given) = (storage_words(k, columns), memory.len());
        Defect::memory(needed, given.min(needed))?;
        for (index, line) in (0..).zip(lines) {
            if !(line.to_feature.is_valid() && line.to_counts.is_valid()) {
                return Err(Defect::Scale { index });
            }
        }
        let cells = cells(columns) * k;
        let gaussians = gaussian_columns(columns) * k;
        // Falling alignment, so that no space is lost between them.
        let mut bytes = memory.as_mut_bytes();
        let mut learner = Self {
            columns,
            lines,
            options,
            sums: take(&mut bytes, gaussians)?,
            gaussians: take(&mut bytes, gaussians)?,
            class_mass: take(&mut bytes, k)?,
            posterior: take(&mut bytes, k)?,
            level_mass: take(&mut bytes, cells)?,
            weights: take(&mut bytes, k)?,
            surprisals: take(&mut bytes, cells)?,
            rows: 0,
            pending: 0,
            blocks: 0,
        };
        LatentClass::from_trusted(
            columns,
            learner.weights,
            learner.surprisals,
            lines,
            learner.gaussians,
        )?;
        learner.clear();
        // A class that never has a row of a column keeps its variance: that obeys the floor as well.
        let variance = Gaussian::STANDARD.variance.max(options.variance_floor);
        learner.gaussians.fill(Gaussian::new(0, variance));
        learner.weights.fill(surprisal(1, k as u64));
        let mut surprisals = &mut *learner.surprisals;
        for column in columns.iter().filter(|column| !column.is_gaussian()) {
            let levels = column.levels();
            next(&mut surprisals, levels * k).fill(surprisal(1, levels as u64));
        }
        Ok(learner)
    }

    /// A learner that goes on from a model, as if it had been learnt from `rows` rows (at most
    /// [`Options::memory`]).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_model(
        model: &LatentClass<'m>,
        memory: &'m mut [u64],
        options: Options,
        rows: u16,
    ) -> Result<Self, Defect> {
        let mut learner = Self::new(model.columns, model.lines, model.classes(), memory, options)?;
        copy(model.weights, learner.weights);
        copy(model.surprisals, learner.surprisals);
        copy(model.gaussians, learner.gaussians);
        let rows = u32::from(rows.min(options.memory));
        learner.rows = rows;
        // The stream is then as far on as this many rows would have taken it.
        learner.blocks = rows / u32::from(options.block.max(1));
        for (mass, weight) in learner.class_mass.iter_mut().zip(model.weights) {
            // A probability is at most 2^16, rows are below 2^16.
            *mass = rows * exp2(to_score(*weight));
        }
        let k = model.classes().max(1);
        for (masses, table) in learner
            .level_mass
            .chunks_exact_mut(k)
            .zip(model.surprisals.chunks_exact(k))
        {
            for ((mass, s), class) in masses.iter_mut().zip(table).zip(&*learner.class_mass) {
                *mass = ((u64::from(*class) * u64::from(exp2(to_score(*s)))) >> 16) as u32;
            }
        }
        for (sums, classes) in learner
            .sums
            .chunks_exact_mut(k)
            .zip(model.gaussians.chunks_exact(k))
        {
            for ((sums, class), mass) in sums.iter_mut().zip(classes).zip(&*learner.class_mass) {
                let (mass, mean) = (i64::from(*mass), i64::from(class.mean));
                sums.mass = mass as u32;
                sums.sum = mass * mean;
                // No feature's square exceeds 2^30.
                sums.squares = mass * (i64::from(class.variance) + mean * mean).min(1 << 30);
            }
        }
        Ok(learner)
    }

    /// The model as learnt so far.
    #[must_use]
    pub fn model(&self) -> LatentClass<'_> {
        LatentClass {
            columns: self.columns,
            weights: self.weights,
            surprisals: self.surprisals,
            lines: self.lines,
            gaussians: self.gaussians,
        }
    }

    /// Forgets all statistics, not the model.
    pub fn clear(&mut self) {
        self.class_mass.fill(0);
        self.level_mass.fill(0);
        self.sums.fill(Sums {
            squares: 0,
            sum: 0,
            mass: 0,
            reserved: 0,
        });
        self.rows = 0;
        self.pending = 0;
        self.blocks = 0;
    }

    /// E step of one row: adds it to the statistics by its responsibilities, and returns its
    /// log-likelihood, nats in `I16F16`.
    ///
    /// When [`MAX_ROWS`] rows are in the statistics, they are halved first.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not one value a column.
    pub fn accumulate(&mut self, row: &[i16]) -> Result<i32, ShapeError> {
        Ok(nats(self.accumulate_bits(row)?))
    }

    fn accumulate_bits(&mut self, row: &[i16]) -> Result<i32, ShapeError> {
        ShapeError::exact(Operand::Input, self.columns.len(), row.len())?;
        let model = LatentClass {
            columns: self.columns,
            weights: self.weights,
            surprisals: self.surprisals,
            lines: self.lines,
            gaussians: self.gaussians,
        };
        let log = model.responsibilities(None, row, self.posterior);
        self.add(row);
        Ok(log.bits)
    }

    /// Adds a row to the statistics of one class alone.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not one value a column or there is no such class.
    pub fn accumulate_in_class(&mut self, row: &[i16], class: usize) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.columns.len(), row.len())?;
        let classes = self.posterior.len();
        ShapeError::at_least(Operand::Components, class.saturating_add(1), classes)?;
        self.posterior.fill(0);
        if let Some(responsibility) = self.posterior.get_mut(class) {
            *responsibility = 1 << 16;
        }
        self.add(row);
        Ok(())
    }

    /// Adds a row by the responsibilities in `posterior`.
    fn add(&mut self, row: &[i16]) {
        if self.rows >= MAX_ROWS {
            self.scale_by(1 << 15);
        }
        // Every mass is at most rows · 2^16, and so stays below 2^32.
        self.rows += 1;
        let k = self.posterior.len().max(1);
        for (mass, r) in self.class_mass.iter_mut().zip(&*self.posterior) {
            *mass += r;
        }
        let mut masses = &mut *self.level_mass;
        let mut gaussians = self.lines.iter().zip(self.sums.chunks_exact_mut(k));
        for (column, &value) in self.columns.iter().zip(row) {
            if column.is_gaussian() {
                let Some((line, sums)) = gaussians.next() else {
                    return;
                };
                if value == MISSING {
                    continue;
                }
                let x = i64::from(line.to_feature.apply(value));
                for (sums, r) in sums.iter_mut().zip(&*self.posterior) {
                    sums.mass += r;
                    sums.sum += i64::from(*r) * x;
                    sums.squares += i64::from(*r) * x * x;
                }
            } else {
                let table = next(&mut masses, column.levels() * k);
                let level = usize::try_from(value).ok();
                if let Some(row) = level.and_then(|level| table.chunks_exact_mut(k).nth(level)) {
                    for (mass, r) in row.iter_mut().zip(&*self.posterior) {
                        *mass += r;
                    }
                }
            }
        }
    }

    /// M step: the parameters that the statistics ask for.
    ///
    /// What no row speaks about keeps its parameters: a Gaussian column never observed within a class,
    /// and without smoothing also the levels of such a column.
    pub fn maximise(&mut self) {
        let alpha = u64::from(self.options.smoothing);
        let k = self.class_mass.len().max(1);
        distribution(self.class_mass, self.weights, 0, 1, alpha);
        let mut masses = &*self.level_mass;
        let mut surprisals = &mut *self.surprisals;
        for column in self.columns.iter().filter(|column| !column.is_gaussian()) {
            let len = column.levels() * k;
            let (mass, rest) = masses.split_at_checked(len).unwrap_or_default();
            masses = rest;
            let table = next(&mut surprisals, len);
            for class in 0..k {
                distribution(mass, table, class, k, alpha);
            }
        }
        let floor = i64::from(self.options.variance_floor);
        for (gaussian, sums) in self.gaussians.iter_mut().zip(&*self.sums) {
            if sums.mass == 0 {
                continue;
            }
            let mass = i64::from(sums.mass);
            // |sum| < 2^47, to 28 fractional bits; a mass that shrank to a few units may give any mean.
            let mean = ((sums.sum << 16) / mass).clamp(-1 << 31, 1 << 31);
            // 56 fractional bits to 24: off by less than one unit.
            let variance = sums.squares / mass - ((mean * mean) >> 32);
            let variance = variance.max(floor).min(i64::from(u32::MAX)) as u32;
            let mean = saturating_i16(rounding_shift_right(mean, 16) as i32);
            *gaussian = Gaussian::new(mean, variance);
        }
    }

    /// The most that a [`step`](Self::step) takes, in [operations](crate::work): a row, an M step and the
    /// forgetting after it, for k classes.
    #[must_use]
    pub const fn step_operations(k: usize, columns: &[Column]) -> u64 {
        let (k, all) = (k as u64, columns.len() as u64);
        let (cells, gaussian) = (
            k * cells(columns) as u64,
            k * gaussian_columns(columns) as u64,
        );
        // Likelihood and sums of each column, then the responsibilities.
        let row = k * all * 4 + gaussian * 8 * WIDE + all * DIVISION + 3 * (k + 1) * DIVISION;
        let maximise = (cells + 2 * k) * 3 * DIVISION + gaussian * 8 * DIVISION;
        row + maximise + (cells + k) * WIDE + gaussian * 8 * WIDE + 4 * DIVISION
    }

    /// One row of a stream; returns its log-likelihood before it was learnt from, nats in `I16F16`.
    ///
    /// Every [`block`](Options::block) rows there is an M step, and then the statistics are scaled down to
    /// `W = block (1 - eta) / eta` rows with `eta = (b + 2)^-kappa` after b blocks, or to
    /// [`memory`](Options::memory) rows: the next block then has weight `eta`.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not one value a column.
    pub fn step(&mut self, row: &[i16]) -> Result<i32, ShapeError> {
        let log_likelihood = self.accumulate(row)?;
        self.end_of_row();
        Ok(log_likelihood)
    }

    /// One row of a stream whose class is given; random classes for the first rows start a stream.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not one value a column or there is no such class.
    pub fn step_with_class(&mut self, row: &[i16], class: usize) -> Result<(), ShapeError> {
        self.accumulate_in_class(row, class)?;
        self.end_of_row();
        Ok(())
    }

    fn end_of_row(&mut self) {
        self.pending += 1;
        if self.pending < self.options.block {
            return;
        }
        self.pending = 0;
        self.maximise();
        self.blocks = self.blocks.saturating_add(1);
        // log2 of the integer, as num::log2 reads U16F16: at most 2^21.
        let log = i64::from(log2(self.blocks.saturating_add(2))) + (16 << 16);
        let exponent = -((log * i64::from(self.options.kappa)) >> 16);
        let eta = u64::from(exp2(exponent as i32).clamp(1, 1 << 16));
        let wanted = u64::from(self.options.block) * ((1 << 16) - eta) / eta;
        let wanted = wanted.min(u64::from(self.options.memory));
        // wanted < 2^16 rows, the masses are in 2^-16 of a row.
        let mass: u64 = self.class_mass.iter().map(|mass| u64::from(*mass)).sum();
        let factor = (wanted << 32) / mass.max(1);
        if factor < 1 << 16 {
            self.scale_by(factor as u32);
        }
    }

    /// Multiplies all statistics by `factor / 2^16`, below 1, rounding down.
    fn scale_by(&mut self, factor: u32) {
        let scale = |mass: &mut u32| {
            *mass = ((u64::from(*mass) * u64::from(factor)) >> 16) as u32;
        };
        self.class_mass.iter_mut().for_each(scale);
        self.level_mass.iter_mut().for_each(scale);
        for sums in self.sums.iter_mut() {
            scale(&mut sums.mass);
            // In two halves, so that the product fits; exact all the same.
            for sum in [&mut sums.sum, &mut sums.squares] {
                let (high, low) = (*sum >> 16, *sum & 0xffff);
                *sum = high * i64::from(factor) + ((low * i64::from(factor)) >> 16);
            }
        }
        // Rounded up: still no mass exceeds rows · 2^16.
        self.rows = ((u64::from(self.rows) * u64::from(factor)).div_ceil(1 << 16)) as u32;
    }

    /// Starts from random responsibilities: every row goes to one class drawn uniformly (one word a row).
    ///
    /// # Errors
    /// [`ShapeError`] when `rows` is no whole number of rows, or more than [`MAX_ROWS`].
    pub fn start_random<R: Rng + ?Sized>(
        &mut self,
        rows: &[i16],
        rng: &mut R,
    ) -> Result<(), ShapeError> {
        self.check_rows(rows)?;
        self.clear();
        // At most 256.
        let k = self.class_mass.len() as u32;
        for row in rows.chunks_exact(self.columns.len().max(1)) {
            self.accumulate_in_class(row, below(rng, k) as usize)?;
        }
        self.maximise();
        Ok(())
    }

    /// Starts from a class for each row.
    ///
    /// # Errors
    /// [`ShapeError`] when `rows` is no whole number of rows, or more than [`MAX_ROWS`], `classes` has
    /// another number, or one of them does not exist; nothing has changed then.
    pub fn start_from_classes(&mut self, rows: &[i16], classes: &[u16]) -> Result<(), ShapeError> {
        self.check_rows(rows)?;
        ShapeError::exact(
            Operand::Input,
            rows.len() / self.columns.len().max(1),
            classes.len(),
        )?;
        let last = classes.iter().copied().max().map_or(0, usize::from);
        ShapeError::at_least(Operand::Components, last + 1, self.class_mass.len())?;
        self.clear();
        for (row, class) in rows.chunks_exact(self.columns.len().max(1)).zip(classes) {
            self.accumulate_in_class(row, usize::from(*class))?;
        }
        self.maximise();
        Ok(())
    }

    fn check_rows(&self, rows: &[i16]) -> Result<(), ShapeError> {
        let d = self.columns.len().max(1);
        let whole = (rows.len() / d).min(MAX_ROWS as usize) * d;
        ShapeError::exact(Operand::Input, whole, rows.len())
    }

    /// The penalty's part of the objective in bits, `I47F16`: `alpha` times the parameters' logarithms.
    fn log_prior(&self) -> i64 {
        let sum: u64 = self
            .weights
            .iter()
            .chain(&*self.surprisals)
            .map(|s| u64::from(*s))
            .sum();
        // At most 2^26 cells of 2^16 with 12 fractional bits, alpha below 2^24 with 16.
        -(((i128::from(sum) * i128::from(self.options.smoothing)) >> 12) as i64)
    }
}

/// Rows are resident and row-major. The value returned is the objective that never falls: the
/// log-likelihood with its penalty, nats in `I47F16`.
impl ExpectationMaximization for Learner<'_> {
    type Data = [i16];
    type LogLikelihood = i64;
    type Error = ShapeError;

    fn expectation(&mut self, rows: &[i16]) -> Result<i64, ShapeError> {
        self.check_rows(rows)?;
        self.clear();
        let mut bits = self.log_prior();
        for row in rows.chunks_exact(self.columns.len().max(1)) {
            bits += i64::from(self.accumulate_bits(row)?);
        }
        /// `ln 2 · 2^31`, rounded.
        const LN_2_Q31: i128 = 1_488_522_236;
        Ok(((i128::from(bits) * LN_2_Q31 + (1 << 30)) >> 31) as i64)
    }

    fn maximization(&mut self) -> Result<(), ShapeError> {
        self.maximise();
        Ok(())
    }
}

// Why a round costs no more than documented at `Learner`. For any responsibilities r and any positive parameters,
// normalised or not, ln sum_j a'_j >= sum_j r_j ln(a'_j / r_j), and for the ones before there is equality but for the
// divergence of the r used from the exact ones: it is below 1.3e-5 k nats a row, as a share is off by
// 8e-6 and 5e-5 of itself (the largest by k times that). What is left is the M step, a sum over distributions of
// sum_l (m_l + alpha) ln(p'_l / p_l). With q = (m + alpha) / T, stored as q_l e^(d_l) with |d_l| <= 1.27e-4 (half a unit
// of 2^-12 bits and two logarithms) or raised to 2^-16, each is at least T (KL(q | p / S) - ln S - 1.27e-4), where S is
// what the stored p sum to: at most e^1.27e-4 and 2^-16 for every level raised. A Gaussian costs 4.2e-5 nats
// a density before and after, 8e-6 for its mantissa each, and 2^-27 / v for a mean of 12 fractional bits.

/// Every `stride`-th from `first`: surprisals of masses with `alpha` added; unchanged when all are 0.
fn distribution(masses: &[u32], surprisals: &mut [u16], first: usize, stride: usize, alpha: u64) {
    let masses = masses.iter().skip(first).step_by(stride.max(1));
    // At most 2^8 terms below 2^33.
    let total: u64 = masses.clone().map(|mass| u64::from(*mass) + alpha).sum();
    if total > 0 {
        for (target, mass) in surprisals
            .iter_mut()
            .skip(first)
            .step_by(stride.max(1))
            .zip(masses)
        {
            *target = surprisal(u64::from(*mass) + alpha, total);
        }
    }
}

/// `log2(whole / part)` in `U4F12`, saturating; off by at most 1.9e-4.
fn surprisal(part: u64, whole: u64) -> u16 {
    let bits = wide_log2(whole).saturating_sub(wide_log2(part));
    u16::try_from(bits.max(0).saturating_add(8) >> 4).unwrap_or(u16::MAX)
}

/// `log2(x / 2^16)` with 16 fractional bits; `i32::MIN` for 0.
fn wide_log2(x: u64) -> i32 {
    let drop = 32u32.saturating_sub(x.leading_zeros());
    // 32 bits are left, twice as many as the logarithm reads. At most 32 more than 16.
    log2((x >> drop) as u32) + ((drop as i32) << 16)
}

/// The first `len` of `rest`, which keeps the others; nothing when there are not as many.
fn next<'s, T>(rest: &mut &'s mut [T], len: usize) -> &'s mut [T] {
    let (head, behind) = core::mem::take(rest)
        .split_at_mut_checked(len)
        .unwrap_or_default();
    *rest = behind;
    head
}

/// The first `count` values of `bytes`, which keeps the others.
fn take<'m, T: FromBytes + IntoBytes>(
    bytes: &mut &'m mut [u8],
    count: usize,
) -> Result<&'m mut [T], Defect> {
    let (head, rest) = core::mem::take(bytes)
        .split_at_mut_checked(count * size_of::<T>())
        .ok_or(Defect::Shape)?;
    *bytes = rest;
    <[T]>::mut_from_bytes(head).map_err(|_| Defect::Shape)
}
