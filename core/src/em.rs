//! Expectation maximisation: one loop for every latent-variable model, on the host and on the device.
//!
//! EM climbs the likelihood by coordinate ascent on a lower bound of it (Dempster, Laird and Rubin 1977;
//! Neal and Hinton 1998): the E step makes the bound touch the likelihood at the current parameters, the
//! M step maximises the bound. What the two steps are is the model's affair; when to stop is the caller's.
//!
//! ```
//! use autodidact::em::{ExpectationMaximization, fit, gain_below};
//!
//! /// Genetic linkage, the first example of Dempster, Laird and Rubin: counts with probabilities
//! /// (1/2 + p/4, (1-p)/4, (1-p)/4, p/4), where the first cell hides two.
//! struct Linkage { p: f64, hidden: f64, others: [f64; 3] }
//!
//! impl ExpectationMaximization for Linkage {
//!     type Data = [f64; 4];
//!     type LogLikelihood = f64;
//!     type Error = core::convert::Infallible;
//!
//!     fn expectation(&mut self, [a, b, c, d]: &[f64; 4]) -> Result<f64, Self::Error> {
//!         self.hidden = a * self.p / (2.0 + self.p);
//!         self.others = [*b, *c, *d];
//!         Ok(a * (2.0 + self.p).ln() + (b + c) * (1.0 - self.p).ln() + d * self.p.ln())
//!     }
//!
//!     fn maximization(&mut self) -> Result<(), Self::Error> {
//!         let [b, c, d] = self.others;
//!         self.p = (self.hidden + d) / (self.hidden + b + c + d);
//!         Ok(())
//!     }
//! }
//!
//! let mut model = Linkage { p: 0.5, hidden: 0.0, others: [0.0; 3] };
//! let fitted = fit(&mut model, &[125.0, 18.0, 20.0, 34.0], 100, gain_below(1e-9))?;
//! assert!(fitted.converged);
//! assert!((model.p - 0.6268).abs() < 1e-4); // as published
//! # Ok::<(), core::convert::Infallible>(())
//! ```

use core::ops::Sub;

/// A model that EM can fit: its E step and its M step.
pub trait ExpectationMaximization {
    /// What the model is fitted to: `[i16]`, resident rows, on the device; a table on the host.
    type Data: ?Sized;
    /// Log-likelihood summed over the data: `i64` in `I47F16` nats on the device, `f64` on the host.
    type LogLikelihood: Copy + PartialOrd;
    /// Why a step can fail, a shape that does not fit for instance.
    type Error;

    /// E step: sufficient statistics of `data` under the current parameters, whose log-likelihood it
    /// returns. Leaves the parameters alone.
    ///
    /// # Errors
    /// Whatever the model says; the driver passes it on.
    fn expectation(&mut self, data: &Self::Data) -> Result<Self::LogLikelihood, Self::Error>;

    /// M step: new parameters from the statistics of the last E step.
    ///
    /// # Errors
    /// Whatever the model says; the driver passes it on.
    fn maximization(&mut self) -> Result<(), Self::Error>;
}

/// What an E step found, as it is shown to the stopping rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round<L> {
    /// Number of M steps that the parameters have had.
    pub index: u32,
    /// Log-likelihood one round before; none at first.
    pub previous: Option<L>,
    /// Log-likelihood of the current parameters.
    pub log_likelihood: L,
}

/// How a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fit<L> {
    /// Number of M steps done.
    pub rounds: u32,
    /// Log-likelihood of the parameters as they are left.
    pub log_likelihood: L,
    /// Whether the stopping rule ended the fit, not the limit on rounds.
    pub converged: bool,
}

/// Alternates E and M steps until `stop` says so, or `rounds` M steps are done.
///
/// `stop` sees every round, so that it can report progress as well. The last step is always an E step:
/// the reported log-likelihood is that of the parameters left behind.
///
/// # Errors
/// The first error of a step.
pub fn fit<M: ExpectationMaximization + ?Sized>(
    model: &mut M,
    data: &M::Data,
    rounds: u32,
    mut stop: impl FnMut(Round<M::LogLikelihood>) -> bool,
) -> Result<Fit<M::LogLikelihood>, M::Error> {
    let mut previous = None;
    let mut index = 0;
    loop {
        let log_likelihood = model.expectation(data)?;
        let converged = stop(Round {
            index,
            previous,
            log_likelihood,
        });
        if converged || index >= rounds {
            return Ok(Fit {
                rounds: index,
                log_likelihood,
                converged,
            });
        }
        model.maximization()?;
        previous = Some(log_likelihood);
        // Below `rounds`, so it cannot overflow.
        index += 1;
    }
}

/// Stopping rule: the log-likelihood rose by less than `least` in one round.
///
/// `least` is for all rows together: for a gain per row, multiply it by their number.
pub fn gain_below<L>(least: L) -> impl FnMut(Round<L>) -> bool
where
    L: Copy + PartialOrd + Sub<Output = L>,
{
    move |round| {
        round
            .previous
            .is_some_and(|previous| round.log_likelihood - previous < least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Gains 8, 4, 2, 1, 0, ... and fails in one M step if asked to.
    struct Halving {
        value: i64,
        gain: i64,
        fail_at: Option<i64>,
    }

    impl ExpectationMaximization for Halving {
        type Data = ();
        type LogLikelihood = i64;
        type Error = &'static str;

        fn expectation(&mut self, (): &()) -> Result<i64, Self::Error> {
            Ok(self.value)
        }

        fn maximization(&mut self) -> Result<(), Self::Error> {
            if self.fail_at == Some(self.gain) {
                return Err("no maximum");
            }
            self.value += self.gain;
            self.gain /= 2;
            Ok(())
        }
    }

    const START: Halving = Halving {
        value: -100,
        gain: 8,
        fail_at: None,
    };

    #[test]
    fn stops_at_the_first_small_gain_and_reports_the_parameters_left() {
        let mut seen = Vec::new();
        let mut model = START;
        let mut small = gain_below(3);
        let fitted = fit(&mut model, &(), 50, |round| {
            seen.push(round.log_likelihood);
            small(round)
        });
        assert_eq!(
            fitted,
            Ok(Fit {
                rounds: 3,
                log_likelihood: -86,
                converged: true
            })
        );
        assert_eq!(seen, [-100, -92, -88, -86]);
        assert_eq!(model.value, -86);
    }

    #[test]
    fn the_limit_on_rounds_counts_m_steps() {
        for (rounds, value) in [(0, -100), (1, -92), (2, -88)] {
            let mut model = START;
            let fitted = fit(&mut model, &(), rounds, |_| false).unwrap();
            assert_eq!((fitted.rounds, fitted.converged), (rounds, false));
            assert_eq!((fitted.log_likelihood, model.value), (value, value));
        }
    }

    #[test]
    fn an_error_of_a_step_ends_the_fit() {
        let mut model = Halving {
            fail_at: Some(2),
            ..START
        };
        assert_eq!(fit(&mut model, &(), 50, |_| false), Err("no maximum"));
    }
}
