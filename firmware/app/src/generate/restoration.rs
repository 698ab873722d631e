//! Restorations with the mean-shift prior.

use autodidact::net::Forward;
use autodidact::restore::{MeanShift, Observation};
use autodidact::score::{DenoiserScore, Score, ScoreNetwork};

use super::{GenerateError, Job, Metered};
use crate::Link;

/// Restores every row of the link by a score network.
pub(super) fn by_score_network<L: Link>(
    job: &mut Job<'_, '_, L>,
    network: ScoreNetwork<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let workspace = job.arena.take(network.workspace_bytes())?;
    let features = job.arena.take(network.features_len())?;
    restore(job, network.with_memory(workspace, features)?)
}

/// Restores every row of the link by a denoiser.
pub(super) fn by_denoiser<L: Link>(
    job: &mut Job<'_, '_, L>,
    network: &impl Forward,
) -> Result<(), GenerateError<L::Error>> {
    let workspace = job.arena.take(network.workspace_bytes())?;
    let features = job.arena.take(network.inputs().saturating_mul(2))?;
    let sigma = job.settings.sigma;
    restore(
        job,
        DenoiserScore::new(network, sigma, workspace, features)?,
    )
}

fn restore<L: Link>(
    job: &mut Job<'_, '_, L>,
    mut prior: impl Score,
) -> Result<(), GenerateError<L::Error>> {
    let d = prior.dimensions();
    let mask = job.mask(d)?;
    let degradation = job.settings.degradation(mask);
    let degradation = degradation.ok_or(GenerateError::Settings)?;
    let settings = job.settings.descent().ok_or(GenerateError::Settings)?;
    let memory = job.arena.take(d.saturating_mul(4))?;
    let features = job.arena.take(d)?;
    let restored = job.arena.take(d)?;
    while job.read(features)? {
        let observation = Observation {
            features,
            degradation,
            noise: job.settings.noise(),
        };
        let begin = job.link.instructions();
        let score = Metered {
            score: &mut prior,
            counter: &*job.link,
            cost: &mut job.evaluations,
        };
        let mut descent = MeanShift::new(score, observation, settings, memory)?;
        while descent.step(&mut job.rng)?.is_some() {}
        descent.features_into(restored)?;
        job.finish(begin, restored)?;
    }
    Ok(())
}
