//! Learns from the rows that come in, pass after pass, and hands on what is learnt.
//!
//! What to learn is in a record of [`Settings`]. A batch learner first takes the rows into memory, a
//! uniform sample of them where there are more than the settings allow; a learner along the stream starts
//! from such a sample and then reads the rows again in every pass.
//!
//! Results: the state that the learner starts from, then its state after every pass. A state is its
//! objective (`i64`) and its parameters, little-endian, without gaps:
//!
//! | learner | objective of the pass | parameters |
//! |---|---|---|
//! | k-means | sum of the distances to the nearest centroid before it moved (`U40F24`) | centroids `i16`, k · d; rows of each `u32`, k |
//! | PCA | 0 | mean `i16`, d; components `i16`, k · d; variances `u64`, k; total variance `u64` |
//! | mixture | sum of the rows' log-likelihoods before they were learnt from (`I47F16` nats) | weights `i32`, means `i16`, factors `i16`, shifts `u8`, offsets `i64`, constants `i32`, as in [`Tensors`](autodidact::gmm::Tensors) |
//! | latent classes | the same | weights `u16`, surprisals `u16`, [`Gaussian`](autodidact::latent_class::Gaussian)s of 16 bytes |
//! | Boltzmann machine | 0 | weights `i8`, hidden · visible; biases `i32` of the visible, then of the hidden units |
//! | dense layers | sum of the squared errors before the rows were learnt from (`U40F24`) | weights `i16`, biases `i32`, as in [`Stack`](autodidact::backprop::Stack) |
//!
//! The objective of the start is 0. The log has these lines:
//!
//! - `start <rows> <instructions> <longest step>`: taking rows into memory and finding the start;
//! - `pass <number> <rows> <instructions> <longest step>`: the calls into the learner alone, neither
//!   the link nor scaling nor projecting; a step is one call, for one row or between rounds;
//! - `learner <bytes>`, `resident <bytes>`, `starting <bytes>`: memory of the learner itself, of rows kept in
//!   memory while it learns, and what only the start needs.

mod backprop;
mod kmeans;
mod latent_class;
mod mixture;
mod pca;
mod rbm;
mod rounds;
mod settings;
mod source;

use autodidact::kmeans::Reservoir;
use autodidact::model::{Input, Model};
use autodidact::rng::Generator;
use autodidact::{Defect, ShapeError};

pub use settings::{Learner, SETTINGS_BYTES, Seeding, Settings};
use source::{Preparation, Source};

use crate::arena::{Arena, OutOfMemory};
use crate::{Counter, Link};

/// Why learning ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
#[non_exhaustive]
pub enum LearnError<E> {
    /// Samples could not be read or results not be written.
    Link(E),
    /// The learner does not fit the image's memory.
    Memory(OutOfMemory),
    /// The learner takes no such size.
    Defect(Defect),
    /// A row does not fit the learner.
    Shape(ShapeError),
    /// The model has no part that the settings ask for.
    Part,
    /// There are no rows, or there is nothing to do with them.
    Nothing,
}

impl<E> From<OutOfMemory> for LearnError<E> {
    fn from(error: OutOfMemory) -> Self {
        Self::Memory(error)
    }
}

impl<E> From<Defect> for LearnError<E> {
    fn from(error: Defect) -> Self {
        Self::Defect(error)
    }
}

impl<E> From<ShapeError> for LearnError<E> {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// What a learner occupies, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Footprint {
    learner: usize,
    resident: usize,
    starting: usize,
}

/// Learns from all rows of `link` as the settings say, in `memory`.
///
/// # Errors
///
/// [`LearnError`].
pub fn learn<L: Link>(
    model: &Model<'_>,
    settings: &Settings,
    link: &mut L,
    memory: &mut [i64],
) -> Result<(), LearnError<L::Error>> {
    let mut arena = Arena::new(memory);
    let preparation = match settings.learner {
        Learner::LatentClass | Learner::StepwiseLatentClass => Preparation::Counts,
        _ if settings.whitened => {
            let components = model.pca("components").map_err(|_| LearnError::Part)?;
            let whitening = components.whitening().ok_or(LearnError::Part)?;
            Preparation::Input(Input::Whitened(whitening))
        }
        _ => Preparation::Input(Input::Features),
    };
    let source = Source::new(model, preparation, &mut arena)?;
    let context = &mut Context {
        settings,
        link,
        source,
        rng: Generator::from_seed(settings.seed),
    };
    let arena = arena.rest();
    let footprint = match settings.learner {
        Learner::Lloyd => kmeans::lloyd(context, arena),
        Learner::OnlineKMeans => kmeans::online(context, arena),
        Learner::Pca => pca::incremental(context, arena),
        Learner::BatchEm => mixture::batch(context, arena),
        Learner::StepwiseEm => mixture::stepwise(context, arena),
        Learner::LatentClass => latent_class::batch(context, model, arena),
        Learner::StepwiseLatentClass => latent_class::stepwise(context, model, arena),
        Learner::Rbm => rbm::stream(context, arena),
        Learner::Layers => backprop::stream(context, model, arena),
    }?;
    defmt::println!("learner {=usize}", footprint.learner);
    defmt::println!("resident {=usize}", footprint.resident);
    defmt::println!("starting {=usize}", footprint.starting);
    Ok(())
}

/// What every learner needs beside its memory.
struct Context<'c, 'a, 'm, L> {
    settings: &'c Settings,
    link: &'c mut L,
    source: Source<'a, 'm>,
    rng: Generator,
}

impl<L: Link> Context<'_, '_, '_, L> {
    /// Gives every row of the link to `step`, whose results are added up, and goes back to the first.
    fn pass(
        &mut self,
        meter: &mut Meter,
        mut step: impl FnMut(&[i16], &mut Generator) -> Result<i64, ShapeError>,
    ) -> Result<i64, LearnError<L::Error>> {
        let mut total = 0_i64;
        let mut rows = 0_u32;
        while let Some(row) = self.source.next(self.link)? {
            let rng = &mut self.rng;
            total = total.wrapping_add(meter.time(self.link, || step(row, rng))?);
            rows = rows.wrapping_add(1);
        }
        if rows == 0 {
            return Err(LearnError::Nothing);
        }
        meter.rows = rows;
        self.link.rewind().map_err(LearnError::Link)?;
        Ok(total)
    }

    /// Takes rows into memory.
    fn collect<'k>(
        &mut self,
        arena: &mut Arena<'k>,
        meter: &mut Meter,
    ) -> Result<&'k [i16], LearnError<L::Error>> {
        let d = self.source.width();
        let buffer = arena.take::<i16>(self.settings.resident.saturating_mul(d))?;
        let mut reservoir = Reservoir::new(buffer, d)?;
        self.pass(meter, |row, rng| reservoir.step(row, rng).map(|()| 0))?;
        let len = reservoir.rows().len();
        buffer.get(..len).ok_or(LearnError::Nothing)
    }

    /// Hands on a state.
    fn write(&mut self, objective: i64, tensors: &[&[u8]]) -> Result<(), LearnError<L::Error>> {
        self.write_bytes(&objective.to_le_bytes())?;
        tensors
            .iter()
            .try_for_each(|tensor| self.write_bytes(tensor))
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), LearnError<L::Error>> {
        self.link.write(bytes).map_err(LearnError::Link)
    }
}

/// Adds up what steps cost.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    rows: u32,
    instructions: u64,
    longest: u64,
}

impl Meter {
    fn time<T>(&mut self, counter: &impl Counter, step: impl FnOnce() -> T) -> T {
        let begin = counter.instructions();
        let result = step();
        let cost = counter.instructions().wrapping_sub(begin);
        self.instructions = self.instructions.wrapping_add(cost);
        self.longest = self.longest.max(cost);
        result
    }

    fn log_start(&self) {
        defmt::println!(
            "start {=u32} {=u64} {=u64}",
            self.rows,
            self.instructions,
            self.longest
        );
    }

    fn log_pass(&self, number: u32) {
        defmt::println!(
            "pass {=u32} {=u32} {=u64} {=u64}",
            number,
            self.rows,
            self.instructions,
            self.longest
        );
    }
}
