//! Samples of Boltzmann machines and belief nets, by Gibbs chains.

use autodidact::dbn::Dbn;
use autodidact::rbm::{Gibbs, ONE, Rbm, States};

use super::{GenerateError, Job};
use crate::Link;

/// States of one chain's visible units, some steps apart.
pub(super) fn of_machine<L: Link>(
    job: &mut Job<'_, '_, L>,
    rbm: Rbm<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let sample = job.arena.take::<i16>(rbm.visible())?;
    let mut chain = chain(job, rbm)?;
    for _ in 0..job.settings.samples {
        let begin = job.link.instructions();
        advance(job, &mut chain, job.settings.steps);
        match chain.visible() {
            States::Binary(bits) => {
                for (unit, state) in sample.iter_mut().enumerate() {
                    let word = bits.get(unit / 32).copied().unwrap_or(0);
                    *state = if (word >> (unit % 32)) & 1 == 1 {
                        ONE
                    } else {
                        0
                    };
                }
            }
            States::Real(features) => {
                for (state, feature) in sample.iter_mut().zip(features) {
                    *state = *feature;
                }
            }
        }
        job.finish(begin, sample)?;
    }
    Ok(())
}

/// Means of a net's lowest visible units, some steps of its highest machine's chain apart.
pub(super) fn of_net<L: Link>(
    job: &mut Job<'_, '_, L>,
    dbn: &Dbn<'_>,
) -> Result<(), GenerateError<L::Error>> {
    let workspace = job.arena.take(dbn.workspace_len())?;
    let sample = job.arena.take::<i16>(dbn.visible())?;
    let mut chain = chain(job, *dbn.top())?;
    for _ in 0..job.settings.samples {
        let begin = job.link.instructions();
        advance(job, &mut chain, job.settings.steps);
        dbn.down_into(chain.hidden_bits(), &mut job.rng, workspace, sample)?;
        job.finish(begin, sample)?;
    }
    Ok(())
}

/// A chain that has been warmed up.
fn chain<'a, 'm, L: Link>(
    job: &mut Job<'_, 'm, L>,
    rbm: Rbm<'a>,
) -> Result<Gibbs<'a, 'm>, GenerateError<L::Error>> {
    let words = Gibbs::words(rbm.units(), rbm.visible(), rbm.hidden());
    let mut chain = Gibbs::new(rbm, job.arena.take(words)?)?;
    advance(job, &mut chain, job.settings.start);
    Ok(chain)
}

fn advance<L: Link>(job: &mut Job<'_, '_, L>, chain: &mut Gibbs<'_, '_>, steps: u32) {
    for _ in 0..steps {
        let begin = job.link.instructions();
        chain.step(&mut job.rng);
        job.evaluations.add(job.link, begin);
    }
}
