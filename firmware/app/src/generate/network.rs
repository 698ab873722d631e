//! Samples of a generator.

use autodidact::net::Graph;
use autodidact::rng::normal;

use super::{GenerateError, Job};
use crate::Link;

/// As many samples as the settings say, each of fresh normal numbers.
pub(super) fn sample<L: Link>(
    job: &mut Job<'_, '_, L>,
    generator: &Graph<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let workspace = job.arena.take(generator.workspace_bytes())?;
    let latent = job.arena.take::<i16>(generator.inputs())?;
    let sample = job.arena.take(generator.outputs())?;
    for _ in 0..job.settings.samples {
        let begin = job.link.instructions();
        for number in latent.iter_mut() {
            *number = normal(&mut job.rng);
        }
        let run = job.link.instructions();
        generator.run(0, workspace, latent, sample)?;
        job.evaluations.add(job.link, run);
        job.finish(begin, sample)?;
    }
    Ok(())
}
