//! Sufficient statistics of a mixture: `sum r`, `sum r x`, `sum r x x^T` for every component.
//!
//! With responsibilities in `U16F16` and features in `I4F12` the sums are exact integers: nothing is
//! rounded between a row and the M step. The M step divides in 128 bits and rounds once.

use super::parameters::{Carver, Parameters};
use super::{Covariance, MAX_COMPONENTS, MAX_DIMENSIONS, ONE};
use crate::Defect;
use crate::linalg::{Reciprocal, triangle_len};
use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::slices;

/// Most rows that may be summed: `r x x` is below 2^46 in magnitude, and 2^16 rows stay below 2^62.
pub const MAX_ROWS: usize = 1 << 16;

/// Further fractional bits of averages (`blend`): `r x x` is then below 2^61.
const AVERAGE_BITS: u32 = 15;

/// Sums, or running averages, over rows.
#[derive(Debug)]
pub(crate) struct Statistics<'m> {
    covariance: Covariance,
    /// `sum r`, k.
    masses: &'m mut [i64],
    /// `sum r x`, k · d.
    sums: &'m mut [i64],
    /// `sum r x^2`, k · d; `sum r x x^T`, k triangles, or one for all components.
    squares: &'m mut [i64],
}

const fn squares_len(covariance: Covariance, dimensions: usize) -> usize {
    match covariance {
        Covariance::Diagonal => dimensions,
        Covariance::Tied | Covariance::Full => triangle_len(dimensions),
    }
}

const fn squares_of(covariance: Covariance, k: usize) -> usize {
    match covariance {
        Covariance::Tied => 1,
        Covariance::Diagonal | Covariance::Full => k,
    }
}

impl<'m> Statistics<'m> {
    pub(crate) const fn words(covariance: Covariance, k: usize, dimensions: usize) -> usize {
        k + k * dimensions + squares_of(covariance, k) * squares_len(covariance, dimensions)
    }

    /// Zeroed statistics in memory of [`words`](Self::words) words.
    pub(crate) fn new(
        memory: &'m mut [i64],
        covariance: Covariance,
        k: usize,
        dimensions: usize,
    ) -> Result<Self, Defect> {
        if !(1..=MAX_COMPONENTS).contains(&k) || !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(Defect::Shape);
        }
        Defect::memory(Self::words(covariance, k, dimensions), memory.len())?;
        memory.fill(0);
        let mut carver = Carver(memory);
        let masses = carver.words(k).ok_or(Defect::Shape)?;
        let sums = carver.words(k * dimensions).ok_or(Defect::Shape)?;
        Ok(Self {
            covariance,
            masses,
            sums,
            squares: carver.0,
        })
    }

    pub(crate) fn clear(&mut self) {
        self.masses.fill(0);
        self.sums.fill(0);
        self.squares.fill(0);
    }

    pub(crate) fn mass(&self, index: usize) -> u64 {
        self.masses
            .get(index)
            .copied()
            .unwrap_or(0)
            .max(0)
            .unsigned_abs()
    }

    /// Adds a row with its responsibilities; at most [`MAX_ROWS`] since [`clear`](Self::clear).
    ///
    /// Components without responsibility cost nothing.
    pub(crate) fn add(&mut self, features: &[i16], responsibilities: &[u32]) {
        let d = features.len().max(1);
        let len = squares_len(self.covariance, d).max(1);
        let own = self.masses.iter_mut().zip(self.sums.chunks_exact_mut(d));
        for ((mass, sums), r) in own.zip(responsibilities) {
            if *r == 0 {
                continue;
            }
            *mass += i64::from(*r);
            for (sum, x) in sums.iter_mut().zip(features) {
                *sum += i64::from(*r) * i64::from(*x);
            }
        }
        match self.covariance {
            Covariance::Diagonal | Covariance::Full => {
                for (squares, r) in self.squares.chunks_exact_mut(len).zip(responsibilities) {
                    if *r != 0 {
                        let products = products(self.covariance, features);
                        for (square, product) in squares.iter_mut().zip(products) {
                            *square += i64::from(*r) * i64::from(product);
                        }
                    }
                }
            }
            // The responsibilities of a row sum to one.
            Covariance::Tied => {
                for (square, product) in self
                    .squares
                    .iter_mut()
                    .zip(products(self.covariance, features))
                {
                    *square += i64::from(ONE) * i64::from(product);
                }
            }
        }
    }

    /// Moves the averages towards a row's contribution: `s += rate (s_row - s)`, `rate` in `U0F16`.
    ///
    /// Rounded down to 2^-31 of a row, which is without effect beside the features' own resolution.
    pub(crate) fn blend(&mut self, features: &[i16], responsibilities: &[u32], rate: u32) {
        let d = features.len().max(1);
        let len = squares_len(self.covariance, d).max(1);
        let own = self.masses.iter_mut().zip(self.sums.chunks_exact_mut(d));
        for ((mass, sums), r) in own.zip(responsibilities) {
            move_towards(mass, i64::from(*r), rate);
            for (sum, x) in sums.iter_mut().zip(features) {
                move_towards(sum, i64::from(*r) * i64::from(*x), rate);
            }
        }
        let all = [ONE];
        let responsibilities = match self.covariance {
            Covariance::Diagonal | Covariance::Full => responsibilities,
            Covariance::Tied => &all,
        };
        for (squares, r) in self.squares.chunks_exact_mut(len).zip(responsibilities) {
            for (square, product) in squares.iter_mut().zip(products(self.covariance, features)) {
                move_towards(square, i64::from(*r) * i64::from(product), rate);
            }
        }
    }

    /// The averages that a component would have in expectation under its own parameters.
    ///
    /// `weight` in `I2F30`, `element` the covariance in `I8F56`; for tied covariances the contribution is
    /// added to the common triangle.
    pub(crate) fn expect(
        &mut self,
        index: usize,
        weight: i32,
        mean: &[i16],
        element: impl Fn(usize, usize) -> i64,
    ) {
        let d = mean.len().max(1);
        let len = squares_len(self.covariance, d).max(1);
        // A mass of one is 2^31.
        let mass = i64::from(weight) << 1;
        if let Some(slot) = self.masses.get_mut(index) {
            *slot = mass;
        }
        if let Some(sums) = self.sums.chunks_exact_mut(d).nth(index) {
            for (sum, m) in sums.iter_mut().zip(mean) {
                *sum = mass * i64::from(*m);
            }
        }
        let own = match self.covariance {
            Covariance::Diagonal | Covariance::Full => index,
            Covariance::Tied => 0,
        };
        let Some(squares) = self.squares.chunks_exact_mut(len).nth(own) else {
            return;
        };
        let mut slots = squares.iter_mut();
        for (row, a) in mean.iter().enumerate() {
            let first = match self.covariance {
                Covariance::Diagonal => row,
                _ => 0,
            };
            for (column, b) in mean.iter().enumerate().take(row + 1).skip(first) {
                // Second moment in F24: the covariance rounded to it costs nothing beside the floor.
                let covariance = rounding_shift_right(element(row, column), 24);
                let product =
                    i128::from(covariance) + (i128::from(i32::from(*a) * i32::from(*b)) << 8);
                // `covariance` has 32 fractional bits, averages 24 + 31: 2^31 · 2^38 >> 8 = 2^61.
                let limit = 1i128 << 38;
                let value = (i128::from(mass) * product.clamp(-limit, limit)) >> 8;
                if let Some(slot) = slots.next() {
                    *slot += value as i64;
                }
            }
        }
    }

    /// M step of one component: mean, and covariance unless it is shared.
    ///
    /// The mean is rounded to `I4F12`, and the covariance taken about the rounded mean: the pair that
    /// maximises the bound among means of that format. A component with a mass of at most `least` is left as
    /// it is. Returns whether there was enough mass.
    pub(crate) fn maximise(
        &self,
        parameters: &mut Parameters<'_>,
        index: usize,
        least: u64,
        floor: i64,
    ) -> bool {
        let mass = self.mass(index);
        if mass <= least {
            return false;
        }
        let d = parameters.dimensions().max(1);
        let Some(sums) = self.sums.chunks_exact(d).nth(index) else {
            return false;
        };
        let reciprocal = Reciprocal::of(mass);
        if let Some(mean) = parameters.mean_mut(index) {
            for (m, sum) in mean.iter_mut().zip(sums) {
                let doubled = reciprocal.scale(*sum, 1);
                *m = saturating_i16(saturating_i32(rounding_shift_right(doubled, 1)));
            }
        }
        if self.covariance == Covariance::Tied {
            parameters.derive(index);
            return true;
        }
        let len = squares_len(self.covariance, d).max(1);
        let squares = self.squares.chunks_exact(len).nth(index).unwrap_or(&[]);
        // On the stack, because the parameters are written while it is read.
        let mut copy = [0; MAX_DIMENSIONS];
        let mean = copy.get_mut(..d).unwrap_or_default();
        slices::copy(parameters.mean(index), mean);
        let mean = &*mean;
        let diagonal = self.covariance == Covariance::Diagonal;
        parameters.write_covariance(index, floor, |row, column| {
            let at = if diagonal {
                row
            } else {
                triangle_len(row) + column
            };
            let square = squares.get(at).copied().unwrap_or(0);
            about(
                i128::from(square),
                self.centring(index, mean, row, column),
                reciprocal,
            )
        });
        true
    }

    /// M step of the covariance that all components share.
    pub(crate) fn maximise_shared(&self, parameters: &mut Parameters<'_>, floor: i64) {
        let d = parameters.dimensions().max(1);
        let k = parameters.k();
        let total: u64 = (0..k).map(|index| self.mass(index)).sum();
        if self.covariance != Covariance::Tied || total == 0 {
            return;
        }
        let reciprocal = Reciprocal::of(total);
        for row in 0..d {
            for column in 0..=row {
                let at = triangle_len(row) + column;
                let square = self.squares.get(at).copied().unwrap_or(0);
                let mut centring = 0i128;
                for index in 0..k {
                    centring += self.centring(index, parameters.mean(index), row, column);
                }
                let value = about(i128::from(square), centring, reciprocal);
                if let Some(slot) = parameters.shared().get_mut(at) {
                    *slot = value;
                }
            }
        }
        parameters.set_shared_covariance(floor);
    }

    /// `sum r (x - q)(x - q)^T - sum r x x^T` of one component and one pair of features.
    fn centring(&self, index: usize, mean: &[i16], row: usize, column: usize) -> i128 {
        let d = mean.len();
        let sum =
            |feature: usize| i128::from(self.sums.get(index * d + feature).copied().unwrap_or(0));
        let q = |feature: usize| i128::from(mean.get(feature).copied().unwrap_or(0));
        let mass = i128::from(self.masses.get(index).copied().unwrap_or(0));
        mass * q(row) * q(column) - sum(row) * q(column) - q(row) * sum(column)
    }
}

/// Products of pairs of features in the order of the statistics; at most 2^30.
fn products(covariance: Covariance, features: &[i16]) -> impl Iterator<Item = i32> {
    let diagonal = covariance == Covariance::Diagonal;
    features.iter().enumerate().flat_map(move |(row, a)| {
        let first = if diagonal { row } else { 0 };
        features
            .iter()
            .take(row + 1)
            .skip(first)
            .map(move |b| i32::from(*a) * i32::from(*b))
    })
}

/// `average += rate (value · 2^15 - average)`.
#[inline]
fn move_towards(average: &mut i64, value: i64, rate: u32) {
    // Values are below 2^46, so averages below 2^61 and differences below 2^62; rate is at most 2^16.
    let difference = (value << AVERAGE_BITS) - *average;
    let rate = i64::from(rate);
    *average += (difference >> 16) * rate + (((difference & 0xffff) * rate) >> 16);
}

/// `(square + centring) / mass` as a covariance in `I8F56`.
fn about(square: i128, centring: i128, reciprocal: Reciprocal) -> i64 {
    // Features as squares have 24 fractional bits, 32 fewer than a covariance. At most 2^64 in magnitude.
    let scatter = (square + centring) >> 3;
    reciprocal.scale(scatter as i64, 35)
}
