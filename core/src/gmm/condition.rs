//! Marginal and conditional distributions: `p(x_b)` and `p(x_a | x_b)` for any observed part `b`.
//!
//! A component is stored as the triangular factor of its precision, `|P (x - mu)|^2` in the exponent. With the
//! observed features as its first columns such a factor has both answers in it: in
//!
//! ```text
//! P = | P_bb       |    e = x_b - mu_b
//!     | P_ab  P_aa |
//! ```
//!
//! `|P_bb e|^2` and `|P_bb|` are the exponent and the height of the marginal density, `mu_a - P_aa^-1 P_ab e` is the
//! conditional mean and `P_aa^-1 P_aa^-T` the conditional covariance. So the columns are brought into that order, one
//! exchange of neighbours at a time; each exchange leaves one element above the diagonal, which a plane rotation of the
//! two rows takes away (Givens 1958). Rotations change no length: nothing is squared, no covariance is formed, and
//! rounding acts as if the stored factor were another one, by less than 2^-30 in norm.

use super::covariance::variance_of;
use super::parameters::Carver;
use super::turn::{TURN_BITS, Turned};
use super::{
    Covariance, Gmm, HALF_LOG2_TAU, MAX_COMPONENTS, MAX_DIMENSIONS, factors_of, log_term,
    log_weight, nats, posterior,
};
use crate::linalg::{FACTOR_BITS, saturating_i64, triangle_len};
use crate::num::{log2, rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Operand, ShapeError};

/// From a feature (`I4F12`) to the format of deviations in here (`F40`).
const WIDEN: u32 = FACTOR_BITS - 12;

/// Fractional bits of `y = P_bb e`.
const Y_BITS: u32 = 34;

/// Fractional bits of a variance as it is given out.
const VARIANCE_BITS: u32 = 56;

/// Largest conditional mean of a component, 2^22 in `F40`: squares of differences stay below 2^126.
const LARGEST: i128 = 1 << 62;

/// Where [`Gmm::condition_into`] writes.
#[derive(Debug)]
pub struct Conditional<'o> {
    /// Probability of each component given the observed features (`U16F16`, sum exactly one), k.
    pub responsibilities: &'o mut [u32],
    /// Conditional mean (`I4F12`, saturating), d; an observed feature is itself.
    pub mean: &'o mut [i16],
    /// Conditional variance (`I8F56`), d; an observed feature has none. `i64::MAX` stands for 128 and more.
    pub variances: &'o mut [i64],
}

/// What is asked about.
struct Sample<'s> {
    features: &'s [i16],
    observed: &'s [bool],
}

/// What each component answers: its logarithm, its means, and its (or the shared) variances.
struct Parts<'w> {
    terms: &'w mut [i64],
    means: &'w mut [i64],
    variances: &'w mut [i64],
}

/// The features in the order of a turned factor's columns: observed ones first.
struct Order {
    order: [u8; MAX_DIMENSIONS],
    observed: usize,
    dimensions: usize,
}

impl Order {
    fn new(observed: &[bool]) -> Self {
        let mut order = [0; MAX_DIMENSIONS];
        let first = (0u8..).zip(observed).filter(|(_, o)| **o);
        let then = (0u8..).zip(observed).filter(|(_, o)| !**o);
        for (slot, (feature, _)) in order.iter_mut().zip(first.chain(then)) {
            *slot = feature;
        }
        Self {
            order,
            observed: observed.iter().filter(|o| **o).count(),
            dimensions: observed.len(),
        }
    }

    fn features(&self) -> impl Iterator<Item = usize> {
        self.order
            .iter()
            .take(self.dimensions)
            .map(|f| usize::from(*f))
    }
}

impl Gmm<'_> {
    /// Words of workspace for [`condition_into`](Self::condition_into).
    #[must_use]
    pub const fn condition_words(covariance: Covariance, k: usize, dimensions: usize) -> usize {
        let turned = match covariance {
            Covariance::Diagonal => 0,
            Covariance::Tied | Covariance::Full => triangle_len(dimensions) + dimensions,
        };
        k + k * dimensions + factors_of(covariance, k) * dimensions + turned
    }

    /// `p(x_a | x_b)` of the mixture, `b` the features whose `observed` is set; returns `ln p(x_b)`
    /// (`I16F16`, saturating).
    ///
    /// What `features` holds elsewhere is not read. With nothing observed the result is the mixture's own
    /// mean and variances, and 0; with all of them, it is [`log_likelihood`](Self::log_likelihood).
    ///
    /// # Accuracy
    ///
    /// With m features observed, the logarithm is off by at most `2.1e-5 (m + 4) + 8e-6 k` nats and, for the components
    /// that matter, by `2^-29 S (m + q)` more: `S^2` is the sum of a component's variances, `q` the exponent
    /// of its density at the sample. That holds for every model that loads and for every sample, however
    /// steep the covariances; `S` is below 91 as long as the variances have a format ([`covariance_into`](Self::covariance_into)).
    /// A component's conditional mean is off by at most `2^-22 S (1 + v / 2^8)`, `v` the length of the deviation from
    /// its mean (conditional one included), its conditional variance by 2^-18 of itself and 2^-34. Means beyond
    /// `I4F12` and variances from 128 saturate. (`gmm::tests::condition`)
    ///
    /// # Work
    ///
    /// For each factor (one with tied covariances) and each pair of an observed feature and one before it that is not, a
    /// rotation: two 128-bit divisions and at most `4 d` multiplications of 64 bits; all together at most
    /// `d^3 / 2` of them, none where the observed features are the first. For each component `d^2 / 2`
    /// multiplications; for the variances of u features that are not observed, `u^3 / 6` and `u^2 / 2` 128-bit divisions.
    /// With diagonal covariances: `k d`.
    ///
    /// ```
    /// use autodidact::gmm::{Conditional, Covariance, Gmm, parameters::{COVARIANCE_ONE, Parameters}};
    /// let mut memory = [0; Parameters::words(Covariance::Full, 1, 2)];
    /// let mut parameters = Parameters::new(&mut memory, Covariance::Full, 1, 2)?;
    /// parameters.set_covariance(0, 0, |row, column| {
    ///     if row == column { COVARIANCE_ONE } else { COVARIANCE_ONE / 2 }
    /// })?;
    /// let (mut responsibilities, mut mean, mut variances) = ([0], [0; 2], [0; 2]);
    /// let mut workspace = [0; Gmm::condition_words(Covariance::Full, 1, 2)];
    /// parameters.model()?.condition_into(&[4096, 0], &[true, false], &mut workspace, Conditional {
    ///     responsibilities: &mut responsibilities,
    ///     mean: &mut mean,
    ///     variances: &mut variances,
    /// })?;
    /// assert_eq!(mean, [4096, 2048]); // half of what was seen
    /// assert!((variances[1] as f64 / COVARIANCE_ONE as f64 - 0.75).abs() < 1e-3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length.
    pub fn condition_into(
        &self,
        features: &[i16],
        observed: &[bool],
        workspace: &mut [i64],
        out: Conditional<'_>,
    ) -> Result<i32, ShapeError> {
        let (k, d) = (self.k(), self.dimensions());
        let factors = factors_of(self.covariance(), k);
        ShapeError::exact(Operand::Input, d, features.len())?;
        ShapeError::exact(Operand::Input, d, observed.len())?;
        ShapeError::exact(Operand::Output, k, out.responsibilities.len())?;
        ShapeError::exact(Operand::Output, d, out.mean.len())?;
        ShapeError::exact(Operand::Output, d, out.variances.len())?;
        let needed = Self::condition_words(self.covariance(), k, d);
        ShapeError::exact(Operand::Workspace, needed, workspace.len())?;
        let mut carver = Carver(workspace);
        let (Some(terms), Some(means), Some(variances)) = (
            carver.words(k),
            carver.words(k * d),
            carver.words(factors * d),
        ) else {
            return Ok(i32::MIN);
        };
        let sample = Sample { features, observed };
        let parts = Parts {
            terms: &mut *terms,
            means: &mut *means,
            variances: &mut *variances,
        };
        if self.covariance() == Covariance::Diagonal {
            self.condition_diagonal(&sample, parts);
        } else {
            self.condition_factors(&sample, carver.0, parts);
        }
        let best = terms.iter().copied().max().unwrap_or(0);
        let mut bits = [0; MAX_COMPONENTS];
        for (bits, term) in bits.iter_mut().zip(terms.iter()) {
            *bits = term.cast_unsigned();
        }
        let log = posterior(&bits, best, out.responsibilities);
        for (feature, (mean, variance)) in out.mean.iter_mut().zip(out.variances).enumerate() {
            (*mean, *variance) = match (observed.get(feature), features.get(feature)) {
                (Some(true), Some(x)) => (*x, 0),
                _ => mixed(out.responsibilities, means, variances, d, feature),
            };
        }
        Ok(nats(log))
    }

    /// Conditional means (F40) and `log2 w p(x_b)` of every component, conditional variances (F40, saturating) of
    /// every factor.
    fn condition_factors(&self, sample: &Sample<'_>, scratch: &mut [i64], out: Parts<'_>) {
        let n = self.dimensions();
        let order = Order::new(sample.observed);
        let at = triangle_len(n).min(scratch.len());
        let (triangle, deviations) = scratch.split_at_mut(at);
        let each = match self.covariance() {
            Covariance::Tied => self.k(),
            Covariance::Diagonal | Covariance::Full => 1,
        };
        let (mut terms, mut means) = (out.terms.iter_mut(), out.means.chunks_exact_mut(n.max(1)));
        for (factor, variances) in out.variances.chunks_exact_mut(n.max(1)).enumerate() {
            let Some(first) = self.component(factor * each) else {
                return;
            };
            let mut turned = Turned::read(&first, n, triangle);
            turned.bring_forward(sample.observed);
            for index in factor * each..(factor + 1) * each {
                if let (Some(term), Some(means)) = (terms.next(), means.next()) {
                    let centre = self.mean(index).unwrap_or(&[]);
                    let log = log_weight(self.weight(index));
                    *term = condition(&turned, &order, sample, centre, log, deviations, means);
                }
            }
            conditional_variances(&turned, &order, deviations, variances);
        }
    }

    /// As [`condition_factors`](Self::condition_factors) without correlations.
    fn condition_diagonal(&self, sample: &Sample<'_>, out: Parts<'_>) {
        let n = self.dimensions().max(1);
        let parts = out
            .means
            .chunks_exact_mut(n)
            .zip(out.variances.chunks_exact_mut(n));
        for (index, (term, (means, variances))) in out.terms.iter_mut().zip(parts).enumerate() {
            let Some(component) = self.component(index) else {
                return;
            };
            let mut density = Density::new(log_weight(self.weight(index)));
            let factor = component.factor.iter().zip(component.shifts);
            let parts = component
                .mean
                .iter()
                .zip(factor)
                .zip(means.iter_mut().zip(variances));
            for ((x, seen), ((centre, (mantissa, shift)), (mean, variance))) in
                sample.features.iter().zip(sample.observed).zip(parts)
            {
                *mean = i64::from(*centre) << WIDEN;
                *variance = variance_of(*mantissa, *shift, FACTOR_BITS);
                if *seen {
                    let precision = i64::from(*mantissa) << (TURN_BITS - u32::from(shift & 31));
                    let deviation = (i64::from(*x) - i64::from(*centre)) << WIDEN;
                    density.add(i128::from(precision) * i128::from(deviation), precision);
                }
            }
            *term = density.log2();
        }
    }

    fn weight(&self, index: usize) -> i32 {
        self.tensors().weights.get(index).copied().unwrap_or(1)
    }
}

/// One component: writes its conditional means (F40), returns `log2 w p(x_b)` (F16).
fn condition(
    turned: &Turned<'_>,
    order: &Order,
    sample: &Sample<'_>,
    centre: &[i16],
    log_weight: i64,
    deviations: &mut [i64],
    means: &mut [i64],
) -> i64 {
    let mut density = Density::new(log_weight);
    for (position, feature) in order.features().enumerate() {
        let row = turned.row(position);
        // The deviations of observed features are below 2^44, of others at most 2^62; 2^61 bounds the length of the row
        // and 2^65 theirs, so that no sum passes 2^126.
        let sum = row
            .iter()
            .zip(deviations.iter())
            .take(position)
            .fold(0i128, |sum, (p, e)| {
                sum.saturating_add(i128::from(*p) * i128::from(*e))
            });
        let middle = i64::from(centre.get(feature).copied().unwrap_or(0)) << WIDEN;
        let diagonal = turned.diagonal(position);
        let deviation = if position < order.observed {
            let x = i64::from(sample.features.get(feature).copied().unwrap_or(0)) << WIDEN;
            let deviation = x - middle;
            let own = i128::from(diagonal) * i128::from(deviation);
            density.add(sum.saturating_add(own), diagonal);
            deviation
        } else {
            let explained = sum.checked_div(i128::from(diagonal)).unwrap_or(0);
            (-explained).clamp(-LARGEST, LARGEST) as i64
        };
        if let Some(slot) = deviations.get_mut(position) {
            *slot = deviation;
        }
        if let Some(mean) = means.get_mut(feature) {
            *mean = middle.saturating_add(deviation);
        }
    }
    density.log2()
}

/// Squared lengths of the rows of `P_aa^-1` (F40, saturating), column by column; 0 for observed features.
fn conditional_variances(
    turned: &Turned<'_>,
    order: &Order,
    column: &mut [i64],
    variances: &mut [i64],
) {
    variances.fill(0);
    for first in order.observed..order.dimensions {
        for (position, feature) in order.features().enumerate().skip(first) {
            let numerator = if position == first {
                1i128 << (FACTOR_BITS + TURN_BITS)
            } else {
                // An element that saturates belongs to a variance that does: they are 2^23 and 2^46 at most.
                let row = turned.row(position).iter().zip(column.iter());
                -row.take(position)
                    .skip(first)
                    .fold(0i128, |sum, (p, w)| {
                        sum.saturating_add(i128::from(*p) * i128::from(*w))
                    })
                    .max(-i128::MAX)
            };
            let diagonal = i128::from(turned.diagonal(position));
            let element = saturating_i64(numerator.checked_div(diagonal).unwrap_or(0));
            if let Some(slot) = column.get_mut(position) {
                *slot = element;
            }
            if let Some(variance) = variances.get_mut(feature) {
                let square = i128::from(element) * i128::from(element);
                let square = saturating_i64(square >> FACTOR_BITS);
                *variance = variance.saturating_add(square);
            }
        }
    }
}

/// Mean (`I4F12`) and variance (`I8F56`) of a feature over the components, both saturating.
fn mixed(
    responsibilities: &[u32],
    means: &[i64],
    variances: &[i64],
    dimensions: usize,
    feature: usize,
) -> (i16, i64) {
    let all = || {
        let each = responsibilities.iter().map(|r| i128::from(*r));
        each.zip(means.iter().skip(feature).step_by(dimensions.max(1)))
    };
    // Responsibilities sum to 2^16, means are below 2^63.
    let mean = all().map(|(r, mean)| r * i128::from(*mean)).sum::<i128>() >> 16;
    // The last is that of all components where they share one.
    let mut of_each = variances.iter().skip(feature).step_by(dimensions.max(1));
    // 2^23 where it saturates, 128 with the least responsibility that there is.
    let mut variance = 0;
    let sum: i128 = all()
        .map(|(r, own)| {
            variance = of_each.next().copied().unwrap_or(variance);
            let apart = i128::from(*own) - mean;
            // Differences are below 2^63.1, so that squares in F56 are below 2^103.
            let spread = (apart * apart) >> (2 * FACTOR_BITS - VARIANCE_BITS);
            r * ((i128::from(variance) << (VARIANCE_BITS - FACTOR_BITS)) + spread)
        })
        .sum();
    let rounded = rounding_shift_right(saturating_i64(mean), WIDEN);
    (
        saturating_i16(saturating_i32(rounded)),
        saturating_i64(sum >> 16),
    )
}

/// A normal density as it is multiplied together, in logarithms.
struct Density {
    /// `log2` of weight and height, F16.
    log: i64,
    features: i64,
    /// The exponent, F68.
    distance: u128,
}

impl Density {
    const fn new(log_weight: i64) -> Self {
        Self {
            log: log_weight,
            features: 0,
            distance: 0,
        }
    }

    /// A further row: `y` with its elements' and the deviations' fractional bits, `diagonal` in F46.
    fn add(&mut self, y: i128, diagonal: i64) {
        // Any |y| is below 2^19 in value: at most what the whole factor gives with the other features at their means.
        let limit = 1i128 << (Y_BITS + 20);
        let y = (y >> (TURN_BITS + FACTOR_BITS - Y_BITS)).clamp(-limit, limit);
        self.distance = self.distance.saturating_add((y * y).unsigned_abs());
        // log2 from the leading 32 bits as U16F16.
        let diagonal = diagonal.max(1).unsigned_abs();
        let zeros = diagonal.leading_zeros();
        let leading = ((diagonal << zeros) >> 32) as u32;
        let exponent = 16 + 32 - i64::from(zeros) - i64::from(TURN_BITS);
        self.log += i64::from(log2(leading)) + (exponent << 16);
        self.features += 1;
    }

    /// `log2` of the density, F16.
    fn log2(self) -> i64 {
        let normaliser = (HALF_LOG2_TAU * self.features + (1 << 15)) >> 16;
        // The exponent of a model that loads is below 2^38: from F68 to F24 that is 2^62.
        let distance = (self.distance >> (2 * Y_BITS - 24)).min((1 << 62) - 1) as u64;
        log_term(saturating_i32(self.log - normaliser), distance)
    }
}
