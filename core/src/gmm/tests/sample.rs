//! Ancestral sampling.

use super::*;

#[test]
fn samples_have_the_moments_of_the_mixture() {
    const N: usize = 200_000;
    let mut rng = Generator::from_seed(8);
    for covariance in KINDS {
        let (k, d) = (3, 3);
        let oracle = Oracle::random(&mut rng, covariance, k, d, (0.2, 0.9), 0.7);
        let mut memory = std::vec![0; Parameters::words(covariance, k, d)];
        let parameters = oracle.quantise(&mut memory, covariance);
        let model = parameters.model().unwrap();
        let mut counts = std::vec![0f64; k];
        let mut sums = std::vec![std::vec![0f64; d]; k];
        let mut squares = std::vec![std::vec![0f64; d * d]; k];
        let mut x = [0; 3];
        for _ in 0..N {
            let j = model.sample_into(&mut rng, &mut x).unwrap() as usize;
            counts[j] += 1.0;
            for (a, xa) in features(&x).iter().enumerate() {
                let deviation = xa - oracle.means[j][a];
                sums[j][a] += deviation;
                for (b, xb) in features(&x).iter().enumerate() {
                    squares[j][a * d + b] += deviation * (xb - oracle.means[j][b]);
                }
            }
        }
        for j in 0..k {
            let w = oracle.weights[j];
            assert!((counts[j] / N as f64 - w).abs() < 4.0 * (w / N as f64).sqrt());
            let n = counts[j];
            for a in 0..d {
                let variance = oracle.covariances[j][a * d + a];
                // Four standard errors, and half a unit for the mean as stored.
                assert!((sums[j][a] / n).abs() < 4.0 * (variance / n).sqrt() + 1.3e-4);
                for b in 0..d {
                    let bound = 2.0 * (variance * oracle.covariances[j][b * d + b]).sqrt();
                    let error = squares[j][a * d + b] / n - oracle.covariances[j][a * d + b];
                    assert!(error.abs() < bound * (4.0 / n.sqrt() + 1e-3), "{error}");
                }
            }
        }
    }
}
