//! Draws samples, fills in rows and restores them, and hands them on.
//!
//! What to do is in a record of [`Settings`], and the part of the model that it names does it:
//!
//! | task | part | how | rows of the link |
//! |---|---|---|---|
//! | samples | score network | annealed Langevin walks | none |
//! | samples | generator | one run over normal noise each | none |
//! | samples | Gaussian mixture | a component, then a sample of it | none |
//! | samples | latent classes | a class, then what is not known within it | what is known, in counts |
//! | samples | Boltzmann machine | states of a Gibbs chain | none |
//! | samples | deep belief net | a Gibbs chain in the highest machine, means one pass down from there | none |
//! | filling in | score network | annealed Langevin walks | what is known, then counts |
//! | restoring | score network, denoiser | descent with the mean-shift prior | what was seen if not all was, then features (`I4F12`) |
//!
//! What is filled in or restored has a row of its own before the others: a number other than 0 for every element that is
//! known or was seen.
//!
//! Results: every sample as `I4F12` features, little-endian, without gaps; of binary units their states or
//! probabilities, of a mixture behind principal components whitened scores, of latent classes counts. The same seed
//! gives the same samples as on the host.
//!
//! The log has these lines:
//!
//! - `part <name> <kind> <samples> <instructions>`: the calls into the model alone, the generator's noise included,
//!   without the link;
//! - `evaluations <count> <instructions>`: runs of the network, or Gibbs steps, and what they took of it; of mixtures and
//!   classes the samples once more;
//! - `buffers <needed> <given>`: memory in bytes.

mod chain;
mod mixture;
mod network;
mod restoration;
mod settings;
mod walk;

use autodidact::model::reads::{self, has};
use autodidact::model::{Body, Model, Task as Purpose};
use autodidact::rng::Generator;
use autodidact::score::Score;
use autodidact::{Defect, ShapeError};
use zerocopy::{IntoBytes as _, TryFromBytes as _};

pub use settings::{SETTINGS_BYTES, Settings, Task};

use crate::arena::{Arena, OutOfMemory};
use crate::{Counter, Link};

/// Why drawing ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
#[non_exhaustive]
pub enum GenerateError<E> {
    /// Rows could not be read or results not be written.
    Link(E),
    /// What the part needs does not fit the image's memory.
    Memory(OutOfMemory),
    /// The part takes no such memory.
    Defect(Defect),
    /// A row does not fit the part.
    Shape(ShapeError),
    /// The model has no such part, or none that this image can draw from in this way.
    Part,
    /// The settings are no walk, no descent or no blur.
    Settings,
}

impl<E> From<OutOfMemory> for GenerateError<E> {
    fn from(error: OutOfMemory) -> Self {
        Self::Memory(error)
    }
}

impl<E> From<Defect> for GenerateError<E> {
    fn from(error: Defect) -> Self {
        Self::Defect(error)
    }
}

impl<E> From<ShapeError> for GenerateError<E> {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// Does what the settings say, in `memory`.
///
/// # Errors
///
/// [`GenerateError`].
pub fn generate<L: Link, const READS: u32>(
    model: &Model<'_, READS>,
    settings: &Settings,
    link: &mut L,
    memory: &mut [i64],
) -> Result<(), GenerateError<L::Error>> {
    let part = model
        .parts()
        .nth(settings.part)
        .ok_or(GenerateError::Part)?;
    let given = size_of_val(memory);
    let mut job = Job {
        settings,
        link,
        arena: Arena::new(memory),
        rng: Generator::from_seed(settings.seed),
        samples: Cost::default(),
        evaluations: Cost::default(),
    };
    let kind = match (settings.task, part.body) {
        (Task::Sample, Body::Score(network)) if has(READS, reads::SCORE) => {
            walk::sample(&mut job, network)?;
            "score"
        }
        (Task::FillIn, Body::Score(network)) if has(READS, reads::SCORE) => {
            walk::fill_in(&mut job, model.scaler(), network)?;
            "score"
        }
        (Task::Restore, Body::Score(network)) if has(READS, reads::SCORE) => {
            restoration::by_score_network(&mut job, network)?;
            "score"
        }
        (Task::Restore, Body::Network(network, Purpose::Denoiser))
            if has(READS, reads::NETWORK) =>
        {
            restoration::by_denoiser(&mut job, &network)?;
            "network"
        }
        (Task::Restore, Body::Graph(graph, Purpose::Denoiser)) if has(READS, reads::GRAPH) => {
            restoration::by_denoiser(&mut job, &graph)?;
            "graph"
        }
        (Task::Sample, Body::Graph(graph, Purpose::Generator)) if has(READS, reads::GRAPH) => {
            network::sample(&mut job, &graph)?;
            "graph"
        }
        (Task::Sample, Body::Gmm(gmm)) if has(READS, reads::GMM) => {
            mixture::of_gaussians(&mut job, &gmm)?;
            "gmm"
        }
        (Task::Sample, Body::LatentClass(classes)) if has(READS, reads::LATENT_CLASS) => {
            mixture::of_classes(&mut job, &classes)?;
            "latent-class"
        }
        (Task::Sample, Body::Rbm(rbm)) if has(READS, reads::RBM) => {
            chain::of_machine(&mut job, rbm)?;
            "rbm"
        }
        (Task::Sample, Body::Dbn(dbn)) if has(READS, reads::DBN) => {
            chain::of_net(&mut job, &dbn)?;
            "dbn"
        }
        _ => return Err(GenerateError::Part),
    };
    let Cost {
        count,
        instructions,
    } = job.samples;
    defmt::println!(
        "part {=str} {=str} {=u32} {=u64}",
        part.name,
        kind,
        count,
        instructions
    );
    let Cost {
        count,
        instructions,
    } = job.evaluations;
    defmt::println!("evaluations {=u32} {=u64}", count, instructions);
    defmt::println!("buffers {=usize} {=usize}", job.arena.taken(), given);
    Ok(())
}

/// What every way of drawing needs.
struct Job<'j, 'm, L> {
    settings: &'j Settings,
    link: &'j mut L,
    arena: Arena<'m>,
    rng: Generator,
    samples: Cost,
    evaluations: Cost,
}

impl<'m, L: Link> Job<'_, 'm, L> {
    /// Counts a sample that was begun at `begin`, and hands it on.
    fn finish(&mut self, begin: u64, sample: &[i16]) -> Result<(), GenerateError<L::Error>> {
        self.samples.add(self.link, begin);
        self.link
            .write(sample.as_bytes())
            .map_err(GenerateError::Link)
    }

    /// The next row of the link; false at the end.
    fn read(&mut self, row: &mut [i16]) -> Result<bool, GenerateError<L::Error>> {
        self.link.read_row(row).map_err(GenerateError::Link)
    }

    /// What is known of `len` elements, as the link's first row says where the settings announce one; nothing
    /// otherwise.
    fn mask(&mut self, len: usize) -> Result<&'m [bool], GenerateError<L::Error>> {
        if !self.settings.has_mask() {
            return Ok(&[]);
        }
        let row = self.arena.take::<i16>(len)?;
        let mask = self.arena.take::<u8>(len)?;
        self.read(row)?;
        for (known, number) in mask.iter_mut().zip(row) {
            *known = u8::from(*number != 0);
        }
        // All of them are 0 or 1.
        Ok(<[bool]>::try_ref_from_bytes(mask).unwrap_or_default())
    }
}

/// How often something was done, and what it took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    count: u32,
    instructions: u64,
}

impl Cost {
    /// Counts what was begun at `begin` and has just ended.
    fn add(&mut self, counter: &impl Counter, begin: u64) {
        let taken = counter.instructions().wrapping_sub(begin);
        self.instructions = self.instructions.wrapping_add(taken);
        self.count = self.count.wrapping_add(1);
    }
}

/// A score whose evaluations are counted.
struct Metered<'c, S, C> {
    score: S,
    counter: &'c C,
    cost: &'c mut Cost,
}

impl<S: Score, C: Counter> Score for Metered<'_, S, C> {
    fn dimensions(&self) -> usize {
        self.score.dimensions()
    }

    fn levels(&self) -> u16 {
        self.score.levels()
    }

    fn sigma(&self, level: u16) -> u32 {
        self.score.sigma(level)
    }

    fn residual_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError> {
        let begin = self.counter.instructions();
        self.score.residual_into(level, state, residual)?;
        self.cost.add(self.counter, begin);
        Ok(())
    }
}
