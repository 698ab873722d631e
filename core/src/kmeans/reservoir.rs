//! A uniform sample of a stream.

use crate::slices::copy;
use crate::work::DIVISION;
use crate::{Defect, Operand, ShapeError};
use rand_core::Rng;

/// A buffer of rows in which every row of a stream has the same chance to be.
///
/// Algorithm R (Vitter 1985): the first m rows fill the buffer; row t takes the place of a random one
/// with probability `m / t`. Probabilities are exact to 2^-64.
///
/// ```
/// use autodidact::kmeans::Reservoir;
/// use autodidact::rng::Generator;
/// let mut rng = Generator::from_seed(3);
/// let mut buffer = [0; 4 * 2]; // four rows of two features
/// let mut reservoir = Reservoir::new(&mut buffer, 2)?;
/// for t in 0..1000 {
///     reservoir.step(&[t, -t], &mut rng)?;
/// }
/// assert_eq!(reservoir.seen(), 1000);
/// assert!(reservoir.rows().chunks(2).all(|row| row[0] == -row[1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reservoir<'m> {
    buffer: &'m mut [i16],
    dimensions: usize,
    seen: u64,
}

impl<'m> Reservoir<'m> {
    /// An empty reservoir of `buffer.len() / dimensions` rows.
    ///
    /// # Errors
    /// [`Defect::Shape`] when the buffer holds no row or a part of one.
    pub fn new(buffer: &'m mut [i16], dimensions: usize) -> Result<Self, Defect> {
        if buffer.is_empty() || buffer.len().checked_rem(dimensions) != Some(0) {
            return Err(Defect::Shape);
        }
        Ok(Self {
            buffer,
            dimensions,
            seen: 0,
        })
    }

    /// The most that a [`step`](Self::step) takes, in [operations](crate::work), whatever the capacity.
    #[must_use]
    pub const fn step_operations(d: usize) -> u64 {
        d as u64 + 3 * DIVISION
    }

    /// Takes or leaves one row of the stream. Work: `d`; two random words once the buffer is full.
    ///
    /// # Errors
    /// [`ShapeError`] when the row is not `d` long.
    pub fn step<R: Rng + ?Sized>(&mut self, row: &[i16], rng: &mut R) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, row.len())?;
        let filled = self.filled();
        self.seen = self.seen.saturating_add(1);
        let place = if filled < self.capacity() {
            filled
        } else {
            usize::try_from(super::seeding::below(rng, self.seen)).unwrap_or(usize::MAX)
        };
        let mut places = self.buffer.chunks_exact_mut(self.dimensions.max(1));
        if let Some(place) = places.nth(place) {
            copy(row, place);
        }
        Ok(())
    }

    /// The rows held, row-major.
    #[must_use]
    pub fn rows(&self) -> &[i16] {
        let len = self.filled().saturating_mul(self.dimensions);
        self.buffer.get(..len).unwrap_or(&[])
    }

    /// How many rows the stream has had.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    fn capacity(&self) -> usize {
        self.buffer.len().checked_div(self.dimensions).unwrap_or(0)
    }

    fn filled(&self) -> usize {
        usize::try_from(self.seen).map_or(self.capacity(), |seen| seen.min(self.capacity()))
    }
}
