//! Seeded random numbers of the host: ChaCha8, so that a seed means the same everywhere and for good.

use anyhow::{Result, ensure};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rand_distr::{Distribution, StandardNormal};

use crate::data::Table;

/// A generator for one purpose: equal seeds and streams give equal numbers, different streams of one seed
/// are independent.
#[must_use]
pub fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

/// One number of the standard normal distribution.
pub fn normal(generator: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(generator)
}

/// One number of `[0, 1)`: the 24 bits that an f32 holds exactly.
pub fn uniform(generator: &mut ChaCha8Rng) -> f32 {
    unit_interval(generator.next_u32())
}

/// `count` numbers of `[0, 1)`, as so many calls of [`uniform`] give them, but faster.
pub fn uniforms(generator: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    let mut bytes = vec![0; 4 * count];
    generator.fill_bytes(&mut bytes);
    let words = bytes.as_chunks().0.iter();
    words
        .map(|&word| unit_interval(u32::from_le_bytes(word)))
        .collect()
}

fn unit_interval(word: u32) -> f32 {
    (word >> 8) as f32 / 16_777_216.0
}

/// The stream of [`judging`]; the trainers' own streams are below it.
const NOISE_STREAM: u64 = 1000;

/// The generator of the damage that held-out rows are judged with: no training ever draws from its stream.
#[must_use]
pub fn judging(seed: u64) -> ChaCha8Rng {
    generator(seed, NOISE_STREAM)
}

/// The table with Gaussian noise added, of one standard deviation per column.
///
/// This is the noise that held-out rows are judged with ([`judging`]): the same seed gives the same noisy rows on
/// every machine.
///
/// # Errors
///
/// Another number of standard deviations than columns, or one that is negative or not finite.
pub fn add_noise(table: &Table, std: &[f32], seed: u64) -> Result<Table> {
    ensure!(
        std.len() == table.width(),
        "{} has {} columns but {} noise levels were given; give one per column",
        table.source(),
        table.width(),
        std.len()
    );
    ensure!(
        std.iter().all(|std| std.is_finite() && *std >= 0.0),
        "the noise level must be a number of at least 0"
    );
    let mut generator = judging(seed);
    let values = table
        .iter_rows()
        .flat_map(|row| row.iter().zip(std))
        .map(|(value, std)| value + std * normal(&mut generator))
        .collect();
    table.with_values(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_stream_fix_the_numbers() {
        let draw = |seed, stream| {
            let mut generator = generator(seed, stream);
            std::array::from_fn::<f32, 4, _>(|_| normal(&mut generator))
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn uniform_numbers_come_one_by_one_as_they_come_together() {
        let (mut one, mut many) = (generator(5, 0), generator(5, 0));
        let together = uniforms(&mut many, 1001);
        assert!(together.iter().all(|u| (0.0..1.0).contains(u)));
        assert!(together.iter().all(|&u| u == uniform(&mut one)));
        // Standard error of the mean: 0.009.
        let mean = together.iter().sum::<f32>() / 1001.0;
        assert!((mean - 0.5).abs() < 0.04, "{mean}");
    }

    #[test]
    fn noise_has_the_spread_that_was_asked_for() {
        let columns = Table::numbered_columns(2);
        let clean = Table::new("made", columns, vec![1.0; 40_000]).unwrap();
        let noisy = add_noise(&clean, &[0.0, 0.5], 7).unwrap();
        assert!(noisy.iter_rows().all(|row| row[0] == 1.0));
        let errors = noisy.iter_rows().map(|row| f64::from(row[1]) - 1.0);
        let (sum, squares) = errors.fold((0.0, 0.0), |(s, q), e| (s + e, q + e * e));
        // Standard errors of mean and variance over 20,000 draws: 0.0035 and 0.0025.
        assert!((sum / 20_000.0).abs() < 0.015);
        assert!((squares / 20_000.0 - 0.25).abs() < 0.01);
        assert!(add_noise(&clean, &[1.0], 7).is_err());
        assert!(add_noise(&clean, &[1.0, -1.0], 7).is_err());
    }
}
