//! Samples of Gaussian mixtures and latent classes.

use autodidact::gmm::Gmm;
use autodidact::latent_class::LatentClass;

use super::{GenerateError, Job};
use crate::Link;

/// As many samples as the settings say: features, or whitened scores where the mixture reads those.
pub(super) fn of_gaussians<L: Link>(
    job: &mut Job<'_, '_, L>,
    gmm: &Gmm<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let sample = job.arena.take::<i16>(gmm.dimensions())?;
    for _ in 0..job.settings.samples {
        let begin = job.link.instructions();
        gmm.sample_into(&mut job.rng, sample)?;
        job.evaluations.add(job.link, begin);
        job.finish(begin, sample)?;
    }
    Ok(())
}

/// As many samples as the settings say, in counts, given what the link's first row has.
pub(super) fn of_classes<L: Link>(
    job: &mut Job<'_, '_, L>,
    classes: &LatentClass<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let given = job.arena.take::<i16>(classes.columns().len())?;
    let sample = job.arena.take::<i16>(classes.columns().len())?;
    let posterior = job.arena.take::<u32>(classes.classes())?;
    job.read(given)?;
    for _ in 0..job.settings.samples {
        let begin = job.link.instructions();
        classes.sample_into(given, &mut job.rng, posterior, sample)?;
        job.evaluations.add(job.link, begin);
        job.finish(begin, sample)?;
    }
    Ok(())
}
