//! Has the distribution of scores moved since it was calibrated?
//!
//! The rank of a score among calibrated scores, as a fraction, is uniform as long as nothing has
//! changed, whatever the scores are distributed like (probability integral transform; ties are spread
//! evenly by a hash). Four one-sided cumulative sums (Page 1954, "Continuous inspection schemes") watch
//! for a mean other than 1/2:
//!
//! ```text
//! u in [0, 1)        rank: scores became higher or lower
//! v = |2u - 1|       distance from the median: scores became wider or narrower (a stuck sensor)
//! S <- max(0, S + (x - 1/2) - slack),  S <- max(0, S - (x - 1/2) - slack),  x = u, v;  drift: S > limit
//! ```

/// One half in `U0F16`.
const HALF: i32 = 1 << 15;

/// Which way the scores went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Drift {
    /// Scores are higher than they were.
    Higher,
    /// Scores are lower than they were.
    Lower,
    /// Scores lie further from their old median on both sides.
    Wider,
    /// Scores lie closer to their old median: a stuck sensor, for one.
    Narrower,
}

/// When to call a change a drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DriftConfig {
    /// Shift of the mean rank that is tolerated, `U0F16`: half of the smallest one to be found soon.
    pub slack: u16,
    /// Sum of shifts beyond the slack at which drift is signalled, `I16F16`.
    pub limit: i32,
}

impl DriftConfig {
    /// A slack of 0.1 and a limit of 5.5.
    ///
    /// For independent scores a false alarm comes once in about a million scores (Siegmund's
    /// approximation, `(exp(2 k b) - 2 k b - 1) / (2 k^2)` for each of the four sums, `k = slack · sqrt(12)`,
    /// `b = limit · sqrt(12) + 1.166`; simulated: 2.4 million, and 48,600 at a limit of 4). The delay is `limit / (shift - slack)`: a stuck sensor takes 14
    /// to 37 scores, scores that all exceed the old maximum 14. Correlated scores alarm earlier.
    pub const DEFAULT: Self = Self {
        slack: 6_554,
        limit: 360_448,
    };
}

/// Four cumulative sums: 16 bytes and the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankCusum {
    config: DriftConfig,
    /// Higher, lower, wider, narrower: `I16F16`, in `0..=2 · limit`.
    sums: [i32; 4],
}

impl RankCusum {
    /// Sums of zero. A limit below 0 or above 2^29 is taken as the nearer of these.
    #[must_use]
    pub const fn new(config: DriftConfig) -> Self {
        let limit = if config.limit < 0 {
            0
        } else if config.limit > 1 << 29 {
            1 << 29
        } else {
            config.limit
        };
        Self {
            config: DriftConfig { limit, ..config },
            sums: [0; 4],
        }
    }

    /// Takes the rank of the next score as a fraction, `U0F16`.
    ///
    /// Sums stop at twice the limit, so that the signal goes away soon after its cause does.
    ///
    /// ```
    /// use autodidact::anomaly::{Drift, DriftConfig, RankCusum};
    /// let mut cusum = RankCusum::new(DriftConfig::DEFAULT);
    /// for _ in 0..13 {
    ///     assert_eq!(cusum.update(u16::MAX), None);
    /// }
    /// assert_eq!(cusum.update(u16::MAX), Some(Drift::Higher));
    /// ```
    pub fn update(&mut self, rank: u16) -> Option<Drift> {
        // All of these are below 2^17, the sums at most 2^30: nothing overflows.
        let shift = i32::from(rank) - HALF;
        let spread = 2 * shift.abs() - HALF;
        let slack = i32::from(self.config.slack);
        let most = 2 * self.config.limit;
        for (sum, step) in self.sums.iter_mut().zip([shift, -shift, spread, -spread]) {
            *sum = (*sum + step - slack).min(most).max(0);
        }
        self.state()
    }

    /// The drift that the largest sum above the limit stands for.
    #[must_use]
    pub fn state(&self) -> Option<Drift> {
        let kinds = [Drift::Higher, Drift::Lower, Drift::Wider, Drift::Narrower];
        let mut found = None;
        let mut most = self.config.limit;
        for (sum, kind) in self.sums.iter().zip(kinds) {
            if *sum > most {
                most = *sum;
                found = Some(kind);
            }
        }
        found
    }

    /// Starts the sums anew.
    pub const fn reset(&mut self) {
        self.sums = [0; 4];
    }
}

/// A fraction between two ranks that is spread evenly over calls: a 32-bit finaliser (Appleby's
/// MurmurHash3) of a counter, `U0F16`.
pub(super) const fn spread(counter: u32) -> u32 {
    let mut x = counter.wrapping_add(0x9e37_79b9);
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    (x ^ (x >> 16)) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Generator;
    use rand_core::Rng;

    /// Mean number of independent uniform ranks up to a signal.
    fn run_length(config: DriftConfig, mut rank: impl FnMut() -> u16, signals: u32) -> f64 {
        let mut cusum = RankCusum::new(config);
        let (mut updates, mut found) = (0u32, 0);
        while found < signals {
            updates += 1;
            if cusum.update(rank()).is_some() {
                found += 1;
                cusum.reset();
            }
        }
        f64::from(updates) / f64::from(signals)
    }

    #[test]
    fn false_alarms_are_as_rare_as_siegmund_says() {
        let mut generator = Generator::from_seed(3);
        let limit = 3.0f64;
        let config = DriftConfig {
            slack: 6_554,
            limit: (limit * 65_536.0) as i32,
        };
        let k = 0.1 * 12f64.sqrt();
        let b = limit * 12f64.sqrt() + 1.166;
        let expected = ((2.0 * k * b).exp() - 2.0 * k * b - 1.0) / (2.0 * k * k) / 4.0;
        let length = run_length(config, || (generator.next_u32() >> 16) as u16, 400);
        // Sums of uniforms have lighter tails than the normal ones of the approximation.
        assert!(
            length > 0.9 * expected && length < 2.5 * expected,
            "{length} for {expected}"
        );
    }

    #[test]
    fn each_kind_of_change_is_named() {
        let mut generator = Generator::from_seed(4);
        let mut word = || generator.next_u32();
        let mut after = |change: &dyn Fn(u32) -> u32| {
            let mut cusum = RankCusum::new(DriftConfig::DEFAULT);
            for _ in 0..2000 {
                assert_eq!(cusum.update((word() >> 16) as u16), None);
            }
            (1..200)
                .find_map(|n| Some((cusum.update(change(word() >> 16) as u16)?, n)))
                .unwrap()
        };
        let (drift, delay) = after(&|u| 65_535 - (65_535 - u) / 3);
        assert!(drift == Drift::Higher && delay < 60, "{drift:?} {delay}");
        let (drift, delay) = after(&|u| u / 3);
        assert!(drift == Drift::Lower && delay < 60, "{drift:?} {delay}");
        let (drift, delay) = after(&|u| if u % 2 == 0 { u / 8 } else { 65_535 - u / 8 });
        assert!(drift == Drift::Wider && delay < 60, "{drift:?} {delay}");
        let (drift, delay) = after(&|_| 36_000);
        assert!(drift == Drift::Narrower && delay < 60, "{drift:?} {delay}");
    }

    #[test]
    fn any_configuration_is_total_and_the_signal_goes_away() {
        for limit in [i32::MIN, -1, 0, 1, i32::MAX] {
            for slack in [0, u16::MAX] {
                let mut cusum = RankCusum::new(DriftConfig { slack, limit });
                for rank in [0, u16::MAX, 1 << 15] {
                    for _ in 0..100 {
                        cusum.update(rank);
                    }
                }
            }
        }
        let mut cusum = RankCusum::new(DriftConfig::DEFAULT);
        for _ in 0..100_000 {
            cusum.update(u16::MAX);
        }
        assert_eq!(cusum.state(), Some(Drift::Higher));
        // 5.5 / 0.1 scores of the old kind.
        for i in 0..60u16 {
            cusum.update(if i % 2 == 0 { 0x4000 } else { 0xc000 });
        }
        assert_eq!(cusum.state(), None);
    }
}
