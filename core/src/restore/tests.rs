//! Restorations against the same descent in f64, and against solutions that are known.

use super::*;
use crate::ShapeError;
use crate::rng::{Generator, normal};
use crate::score::{ONE, Score};
use std::vec;
use std::vec::Vec;

const HEIGHT: usize = 6;
const WIDTH: usize = 5;
const LEN: usize = HEIGHT * WIDTH;
const SIGMA: f64 = 0.5;

/// Linear denoiser of a smooth image, in f64: every pixel is pulled to the mean of its neighbours and to 0.
fn denoise(x: &[f64]) -> Vec<f64> {
    (0..LEN)
        .map(|at| {
            let (row, column) = (at / WIDTH, at % WIDTH);
            let mut sum = 0.0;
            let mut count = 0.0;
            for (other, value) in x.iter().enumerate() {
                if (other / WIDTH).abs_diff(row) + (other % WIDTH).abs_diff(column) == 1 {
                    sum += value;
                    count += 1.0;
                }
            }
            0.45 * x[at] + 0.5 * sum / count
        })
        .collect()
}

struct Smooth;

fn to_real(x: &[i32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x) / f64::from(ONE)).collect()
}

impl Score for Smooth {
    fn dimensions(&self) -> usize {
        LEN
    }
    fn levels(&self) -> u16 {
        1
    }
    fn sigma(&self, _: u16) -> u32 {
        (SIGMA * f64::from(ONE)) as u32
    }
    fn residual_into(&mut self, _: u16, x: &[i32], r: &mut [i32]) -> Result<(), ShapeError> {
        let x = to_real(x);
        for ((r, d), x) in r.iter_mut().zip(denoise(&x)).zip(x) {
            *r = ((d - x) * f64::from(ONE)).round() as i32;
        }
        Ok(())
    }
}

/// Gaussian of standard deviation 1, 5x5; not symmetric by a little, so that the transpose matters.
fn kernel() -> [i16; 25] {
    let mut weights = [0.0; 25];
    for (at, weight) in weights.iter_mut().enumerate() {
        let (y, x) = ((at / 5) as f64 - 2.0, (at % 5) as f64 - 2.2);
        *weight = (-(y * y + x * x) / 2.0).exp();
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|w| (w / sum * f64::from(KERNEL_ONE)).round() as i16)
}

const OUTSIDE: f64 = -0.25;

/// K as a matrix and an offset, from the definition.
fn matrix(kind: usize, mask: &[bool]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut k = vec![vec![0.0; LEN]; LEN];
    let mut offset = vec![0.0; LEN];
    for at in 0..LEN {
        match kind {
            0 => k[at][at] = 1.0,
            1 => k[at][at] = f64::from(u8::from(mask[at])),
            _ => {
                for (tap, weight) in kernel().iter().enumerate() {
                    let weight = f64::from(*weight) / f64::from(KERNEL_ONE);
                    let row = (at / WIDTH + tap / 5) as i32 - 2;
                    let column = (at % WIDTH + tap % 5) as i32 - 2;
                    let inside =
                        (0..HEIGHT as i32).contains(&row) && (0..WIDTH as i32).contains(&column);
                    if inside {
                        k[at][row as usize * WIDTH + column as usize] += weight;
                    } else {
                        offset[at] += weight * OUTSIDE;
                    }
                }
            }
        }
    }
    (k, offset)
}

#[test]
fn every_degradation_descends_as_in_f64() {
    let mut rng = Generator::from_seed(1);
    let mask: Vec<bool> = (0..LEN).map(|at| at % 3 != 0).collect();
    let y: Vec<i16> = (0..LEN).map(|_| normal(&mut rng)).collect();
    let blur = Blur::new([HEIGHT, WIDTH, 1], kernel(), (OUTSIDE * 4096.0) as i16).unwrap();
    let kinds = [
        Degradation::Identity,
        Degradation::Mask(&mask),
        Degradation::Blur(blur),
    ];
    for (kind, degradation) in kinds.into_iter().enumerate() {
        for noise in [Noise::Known(ONE.cast_unsigned() / 10), Noise::Blind] {
            let mut settings = Settings::new(0, ONE.cast_unsigned() / 4);
            settings.steps = 60;
            let observation = Observation {
                features: &y,
                degradation,
                noise,
            };
            let mut memory = vec![7; MeanShift::<Smooth>::memory_len(LEN)];
            let mut descent = MeanShift::new(Smooth, observation, settings, &mut memory).unwrap();
            let mut rng = Generator::from_seed(9);
            let mut same = rng.clone();

            let (k, offset) = matrix(kind, &mask);
            let sees = |at: usize| kind != 1 || mask[at];
            let real: Vec<f64> = y.iter().map(|y| f64::from(*y) / 4096.0).collect();
            let mut x: Vec<f64> = (0..LEN)
                .map(|at| if sees(at) { real[at] } else { 0.0 })
                .collect();
            let mut v = vec![0.0; LEN];
            for _ in 0..60 {
                assert!(descent.step(&mut rng).unwrap().is_some());
                let noisy: Vec<f64> = x
                    .iter()
                    .map(|x| x + 0.25 * f64::from(normal(&mut same)) / 4096.0)
                    .collect();
                let clean = denoise(&noisy);
                let error: Vec<f64> = (0..LEN)
                    .map(|at| {
                        let kx: f64 = k[at].iter().zip(&x).map(|(k, x)| k * x).sum();
                        if sees(at) {
                            kx + offset[at] - real[at]
                        } else {
                            0.0
                        }
                    })
                    .collect();
                let seen = (0..LEN).filter(|at| sees(*at)).count() as f64;
                let energy: f64 = match kind {
                    2 => kernel()
                        .iter()
                        .map(|w| (f64::from(*w) / f64::from(KERNEL_ONE)).powi(2))
                        .sum(),
                    _ => 1.0,
                };
                let variance = match noise {
                    Noise::Known(_) => 0.01,
                    Noise::Blind => {
                        error.iter().map(|e| e * e).sum::<f64>() / seen
                            + 2.0 * SIGMA * SIGMA * energy
                    }
                };
                let weight = SIGMA * SIGMA / (SIGMA * SIGMA + variance);
                for at in 0..LEN {
                    let w = if sees(at) { weight } else { 0.0 };
                    let d: f64 = (0..LEN).map(|row| k[row][at] * error[row]).sum();
                    v[at] = 0.9 * v[at] - 0.1 * (w * d + (1.0 - w) * (x[at] - clean[at]));
                }
                for (x, v) in x.iter_mut().zip(&v) {
                    *x += v;
                }
            }
            assert_eq!(descent.step(&mut rng).unwrap(), None);
            for (found, exact) in to_real(descent.state()).into_iter().zip(x) {
                assert!(
                    (found - exact).abs() < 1e-4,
                    "{kind} {noise:?}: {found} {exact}"
                );
            }
        }
    }
}

/// A density that is normal in every element, with variance 1.
struct Normal;

impl Score for Normal {
    fn dimensions(&self) -> usize {
        2
    }
    fn levels(&self) -> u16 {
        1
    }
    fn sigma(&self, _: u16) -> u32 {
        ONE.cast_unsigned() / 2
    }
    fn residual_into(&mut self, _: u16, x: &[i32], r: &mut [i32]) -> Result<(), ShapeError> {
        for (r, x) in r.iter_mut().zip(x) {
            // D(x) = x / (1 + 1/4).
            *r = -x / 5;
        }
        Ok(())
    }
}

#[test]
fn the_descent_ends_where_both_gradients_cancel() {
    let observation = Observation {
        features: &[8192, -4096],
        degradation: Degradation::Identity,
        noise: Noise::Known(ONE.cast_unsigned() / 2),
    };
    let mut settings = Settings::new(0, 0);
    settings.steps = 400;
    let mut memory = [0; 8];
    let mut descent = MeanShift::new(Normal, observation, settings, &mut memory).unwrap();
    while descent
        .step(&mut Generator::from_seed(0))
        .unwrap()
        .is_some()
    {}
    // Equal weights: x - y + x / 5 = 0.
    let mut features = [0; 2];
    descent.features_into(&mut features).unwrap();
    assert_eq!(features, [6827, -3413]);
}

#[test]
fn wrong_lengths_are_refused() {
    let settings = Settings::new(0, 0);
    let observation = |features, degradation| Observation {
        features,
        degradation,
        noise: Noise::Blind,
    };
    let blur = Blur::new([2, 2, 1], [0; 25], 0).unwrap();
    let mut memory = [0; 8];
    let mut fails = |features, degradation, len: usize| {
        MeanShift::new(
            Normal,
            observation(features, degradation),
            settings,
            &mut memory[..len],
        )
        .is_err()
    };
    assert!(!fails(&[0; 2], Degradation::Identity, 8));
    assert!(fails(&[0; 3], Degradation::Identity, 8));
    assert!(fails(&[0; 2], Degradation::Identity, 7));
    assert!(fails(&[0; 2], Degradation::Mask(&[true]), 8));
    assert!(fails(&[0; 2], Degradation::Blur(blur), 8));
    assert!(Blur::new([0, 2, 1], [0; 25], 0).is_none());
}

#[test]
fn settings_out_of_range_are_named() {
    use crate::{Defect, Setting};
    let observation = Observation {
        features: &[0; 2],
        degradation: Degradation::Identity,
        noise: Noise::Blind,
    };
    let mut memory = [0; 8];
    let mut error = |change: fn(&mut Settings)| {
        let mut settings = Settings::new(0, 0);
        change(&mut settings);
        MeanShift::new(Normal, observation, settings, &mut memory).map(|_| ())
    };
    let outside = |setting, most| {
        Err(Defect::Setting {
            setting,
            least: 0,
            most,
        })
    };
    assert_eq!(error(|_| ()), Ok(()));
    assert_eq!(error(|s| s.rate = 1 << 30), Ok(()));
    assert_eq!(error(|s| s.momentum = 1 << 30), Ok(()));
    let rate = outside(Setting::Rate, 1 << 30);
    assert_eq!(error(|s| s.rate = (1 << 30) + 1), rate);
    let momentum = outside(Setting::Momentum, 1 << 30);
    assert_eq!(error(|s| s.momentum = u32::MAX), momentum);
    assert_eq!(error(|s| s.level = 1), outside(Setting::Level, 0));
}

#[test]
fn channels_are_blurred_each_by_itself() {
    const SHAPE: [usize; 2] = [4, 3];
    let mut rng = Generator::from_seed(3);
    let x: Vec<i32> = (0..36).map(|_| i32::from(normal(&mut rng)) << 8).collect();
    let blur = |channels| Blur::new([SHAPE[0], SHAPE[1], channels], kernel(), -1024).unwrap();
    let image = Degradation::Blur(blur(3));
    let grey = Degradation::Blur(blur(1));
    for channel in 0..3 {
        let plane: Vec<i32> = x.iter().skip(channel).step_by(3).copied().collect();
        for at in 0..12 {
            let in_image = 3 * at + channel;
            assert_eq!(image.apply(&x, in_image), grey.apply(&plane, at));
            assert_eq!(image.adjoint(&x, in_image), grey.adjoint(&plane, at));
        }
    }
}
