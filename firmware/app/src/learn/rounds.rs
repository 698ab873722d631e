//! Rounds of expectation maximisation over resident rows, a row or a component at a time.

use autodidact::ShapeError;
use autodidact::gmm::batch::BatchEm;
use autodidact::latent_class;

use super::{Context, LearnError, Meter};
use crate::Link;

/// A learner whose rounds are divisible.
pub(super) trait Rounds {
    /// Forgets the rows of the round before.
    fn clear(&mut self);
    /// E step of one row; its log-likelihood.
    fn accumulate(&mut self, row: &[i16]) -> Result<i32, ShapeError>;
    /// A part of the M step; whether it was the last.
    fn maximise_step(&mut self) -> bool;
}

impl Rounds for BatchEm<'_> {
    fn clear(&mut self) {
        BatchEm::clear(self);
    }

    fn accumulate(&mut self, row: &[i16]) -> Result<i32, ShapeError> {
        BatchEm::accumulate(self, row)
    }

    fn maximise_step(&mut self) -> bool {
        self.update_step()
    }
}

impl Rounds for latent_class::Learner<'_> {
    fn clear(&mut self) {
        latent_class::Learner::clear(self);
    }

    fn accumulate(&mut self, row: &[i16]) -> Result<i32, ShapeError> {
        latent_class::Learner::accumulate(self, row)
    }

    fn maximise_step(&mut self) -> bool {
        self.maximise();
        true
    }
}

/// One round over resident rows; the log-likelihood before it.
pub(super) fn round<L: Link>(
    context: &Context<'_, '_, '_, L>,
    learner: &mut impl Rounds,
    rows: &[i16],
    meter: &mut Meter,
) -> Result<i64, LearnError<L::Error>> {
    let d = context.source.width().max(1);
    let mut total = 0_i64;
    let mut count = 0_u32;
    learner.clear();
    for row in rows.chunks_exact(d) {
        total = total.wrapping_add(meter.time(context.link, || learner.accumulate(row))?.into());
        count = count.wrapping_add(1);
    }
    while !meter.time(context.link, || learner.maximise_step()) {}
    meter.rows = count;
    Ok(total)
}
