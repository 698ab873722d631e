//! Annealed Langevin walks of a score network.

use autodidact::scaler::Scaler;
use autodidact::score::{AnnealedLangevin, Inpainting, NetworkScore, Schedule, ScoreNetwork};

use super::{GenerateError, Job, Metered};
use crate::Link;

/// A score network with what its walks take.
struct Walker<'a, 'm> {
    score: NetworkScore<'a, 'm>,
    schedule: Schedule,
    state: &'m mut [i32],
    residual: &'m mut [i32],
    sample: &'m mut [i16],
}

impl<'a, 'm> Walker<'a, 'm> {
    fn new<L: Link>(
        job: &mut Job<'_, 'm, L>,
        network: ScoreNetwork<'a>,
    ) -> Result<Self, GenerateError<L::Error>> {
        let d = network.dimensions();
        let workspace = job.arena.take(network.workspace_bytes())?;
        let features = job.arena.take(network.features_len())?;
        Ok(Self {
            score: network.with_memory(workspace, features)?,
            schedule: job.settings.schedule().ok_or(GenerateError::Settings)?,
            state: job.arena.take(d)?,
            residual: job.arena.take(d)?,
            sample: job.arena.take(d)?,
        })
    }

    /// One sample, handed on.
    fn walk<L: Link>(
        &mut self,
        job: &mut Job<'_, '_, L>,
        known: Option<Inpainting<'_>>,
    ) -> Result<(), GenerateError<L::Error>> {
        let begin = job.link.instructions();
        let score = Metered {
            score: &mut self.score,
            counter: &*job.link,
            cost: &mut job.evaluations,
        };
        let mut walk = AnnealedLangevin::new(score, self.schedule, self.state, self.residual)?;
        if let Some(known) = known {
            walk = walk.inpainting(known)?;
        }
        walk.scatter(&mut job.rng);
        while walk.step(&mut job.rng)?.is_some() {}
        walk.features_into(self.sample)?;
        job.finish(begin, self.sample)
    }
}

/// As many samples as the settings say.
pub(super) fn sample<L: Link>(
    job: &mut Job<'_, '_, L>,
    network: ScoreNetwork<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let mut walker = Walker::new(job, network)?;
    for _ in 0..job.settings.samples {
        walker.walk(job, None)?;
    }
    Ok(())
}

/// As many samples of every row as the settings say.
pub(super) fn fill_in<L: Link>(
    job: &mut Job<'_, '_, L>,
    scaler: &Scaler<'_>,
    network: ScoreNetwork<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let d = network.dimensions();
    let mut walker = Walker::new(job, network)?;
    let mask = job.mask(d)?;
    let counts = job.arena.take(d)?;
    let known = job.arena.take(d)?;
    while job.read(counts)? {
        scaler.scale_into(counts, known)?;
        for _ in 0..job.settings.samples {
            walker.walk(job, Some(Inpainting { known, mask }))?;
        }
    }
    Ok(())
}
