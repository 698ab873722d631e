//! The rows of the link, as a learner reads them.

use autodidact::model::{Input, Model};

use super::{Arena, LearnError};
use crate::Link;

/// What is done to a row of counts before it is learnt from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Preparation<'a> {
    /// Nothing.
    Counts,
    /// Scaled to features, and perhaps projected.
    Input(Input<'a>),
}

/// Reads and prepares rows.
#[derive(Debug)]
pub(super) struct Source<'a, 'm> {
    model: &'a Model<'a>,
    preparation: Preparation<'a>,
    counts: &'m mut [i16],
    features: &'m mut [i16],
    scores: &'m mut [i32],
    whitened: &'m mut [i16],
}

impl<'a, 'm> Source<'a, 'm> {
    pub(super) fn new<E>(
        model: &'a Model<'a>,
        preparation: Preparation<'a>,
        arena: &mut Arena<'m>,
    ) -> Result<Self, LearnError<E>> {
        let width = model.scaler().len();
        let scores = match preparation {
            Preparation::Counts => 0,
            Preparation::Input(input) => input.scores(),
        };
        Ok(Self {
            model,
            preparation,
            counts: arena.take(width)?,
            features: arena.take(width)?,
            scores: arena.take(scores)?,
            whitened: arena.take(scores)?,
        })
    }

    /// Values of a row as the learner reads it.
    pub(super) const fn width(&self) -> usize {
        match self.preparation {
            Preparation::Input(Input::Whitened(_)) => self.whitened.len(),
            _ => self.features.len(),
        }
    }

    /// The next row; none at the end of the data.
    pub(super) fn next<L: Link>(
        &mut self,
        link: &mut L,
    ) -> Result<Option<&[i16]>, LearnError<L::Error>> {
        if !link.read_row(self.counts).map_err(LearnError::Link)? {
            return Ok(None);
        }
        match self.preparation {
            Preparation::Counts => Ok(Some(self.counts)),
            Preparation::Input(input) => {
                self.model.scaler().scale_into(self.counts, self.features)?;
                Ok(Some(input.prepare(
                    self.features,
                    self.scores,
                    self.whitened,
                )?))
            }
        }
    }
}
