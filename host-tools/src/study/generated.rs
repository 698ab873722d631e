//! What the measures of [`generated`](crate::generated) say of images that are known: the scale that figures of
//! generators are read on.

use std::path::Path;

use anyhow::{Result, ensure};
use rand_chacha::rand_core::Rng as _;

use super::data_file;
use crate::data::{self, DIGIT_MAX, ReadOptions, Split, Table, digit_labels, digits, split_labels};
use crate::generated::{GenerativeReport, Judge};
use crate::oracle::jacobi_eigen;
use crate::train::classifier::{self, ClassifierOptions};
use crate::train::device::TrainingDevice;
use crate::train::gmm::{self, GmmOptions};
use crate::train::model::{CovarianceKind, GmmModel};
use crate::train::random::{generator, normal};

/// Images with labels, every fourth held out.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// Shades 0..=1.
    pub images: Split,
    /// Labels of the training rows.
    pub training: Vec<u8>,
    /// Labels of the held-out rows.
    pub held_out: Vec<u8>,
}

impl Labelled {
    /// The bundled digits.
    ///
    /// # Errors
    ///
    /// None with the data this crate is built with.
    pub fn digits() -> Result<Self> {
        let (training, held_out) = split_labels(&digit_labels()?);
        Ok(Self {
            images: digits()?.scaled(1.0 / DIGIT_MAX)?.split_held_out()?,
            training,
            held_out,
        })
    }

    /// MNIST: the first 10,000 training images, and the test images; from the folder with `mnist/` in it.
    ///
    /// # Errors
    ///
    /// A file that is missing or damaged.
    pub fn mnist(folder: &Path) -> Result<Self> {
        let read = |name: &str, what: &str| {
            let path = data_file(folder, &format!("mnist/{name}.gz"), what)?;
            data::open(&path, &ReadOptions::default())
        };
        let images = |name| read(name, "images of MNIST, gzipped IDX")?.scaled(1.0 / 255.0);
        let labels = |name| {
            let table = read(name, "labels of MNIST, gzipped IDX")?;
            Ok::<Vec<u8>, anyhow::Error>(table.values().iter().map(|&x| x as u8).collect())
        };
        Ok(Self {
            images: Split {
                training: images("train10k-images-idx3-ubyte")?,
                held_out: images("t10k-images-idx3-ubyte")?,
            },
            training: labels("train10k-labels-idx1-ubyte")?,
            held_out: labels("t10k-labels-idx1-ubyte")?,
        })
    }

    /// A judge of images like these, and its accuracy on held-out ones.
    ///
    /// # Errors
    ///
    /// Training fails.
    pub fn judge(
        &self,
        options: ClassifierOptions,
        device: &TrainingDevice,
    ) -> Result<(Judge, f64)> {
        let classifier = classifier::fit(
            &options.check()?,
            &self.images.training,
            &self.training,
            device,
            &mut |_| {},
        )?;
        let accuracy = classifier.accuracy(&self.images.held_out, &self.held_out);
        let judge = Judge::new(classifier, &self.images.training, &self.images.held_out)?;
        Ok((judge, accuracy))
    }
}

/// The judge of the digits, which is the same for all studies, and its accuracy on held-out digits.
///
/// # Errors
///
/// Training fails.
pub fn digit_judge(device: &TrainingDevice) -> Result<(Judge, f64)> {
    Labelled::digits()?.judge(ClassifierOptions::default(), device)
}

/// The judge of MNIST, which is the same for all studies, and its accuracy on the test images.
///
/// # Errors
///
/// A file that is missing or damaged; training fails.
pub fn mnist_judge(folder: &Path, device: &TrainingDevice) -> Result<(Judge, f64)> {
    let options = ClassifierOptions {
        hidden: vec![256, 64],
        epochs: 12,
        ..ClassifierOptions::default()
    };
    Labelled::mnist(folder)?.judge(options, device)
}

/// The first test images of MNIST, `rows` of them.
///
/// # Errors
///
/// A file that is missing or damaged.
pub fn test_images(folder: &Path, rows: usize) -> Result<Table> {
    let test = Labelled::mnist(folder)?.images.held_out;
    let values = test.iter_rows().take(rows).flatten().copied();
    Table::new(
        "MNIST's test images",
        test.columns().to_vec(),
        values.collect(),
    )
}

/// Rows drawn from a mixture, clipped to shades 0..=1.
///
/// # Errors
///
/// A mixture without components.
pub fn sample_mixture(model: &GmmModel, rows: usize, seed: u64) -> Result<Table> {
    ensure!(model.k > 0, "the mixture has no components");
    let d = model.d;
    // Roots of the covariances: eigenvectors, each as long as its standard deviation.
    let roots: Vec<Vec<Vec<f64>>> = (0..model.k)
        .map(|at| {
            let eigen = jacobi_eigen(&model.covariance(at), d);
            let lengths = eigen.values.iter().map(|v| v.max(0.0).sqrt());
            let scaled =
                |(vector, length): (&Vec<f64>, f64)| vector.iter().map(|u| u * length).collect();
            eigen.vectors.iter().zip(lengths).map(scaled).collect()
        })
        .collect();
    let mut draws = generator(seed, 0);
    let mut values = Vec::with_capacity(rows * d);
    for _ in 0..rows {
        let mut chance = f64::from(draws.next_u32()) / 2f64.powi(32);
        let component = model.weights.iter().position(|weight| {
            chance -= weight;
            chance < 0.0
        });
        let component = component.unwrap_or(model.k - 1);
        let mut row = model.means[component * d..][..d].to_vec();
        for direction in &roots[component] {
            let z = f64::from(normal(&mut draws));
            for (x, u) in row.iter_mut().zip(direction) {
                *x += z * u;
            }
        }
        values.extend(row.iter().map(|x| x.clamp(0.0, 1.0) as f32));
    }
    Table::new("samples of a mixture", Table::numbered_columns(d), values)
}

/// The scale: reports of digits held out, of samples of a mixture with ten full covariances, and of training rows, each
/// with its name.
///
/// # Errors
///
/// A fit fails.
pub fn baselines(
    judge: &Judge,
    quick: bool,
    device: &TrainingDevice,
) -> Result<Vec<(&'static str, GenerativeReport)>> {
    let digits = Labelled::digits()?.images;
    let options = GmmOptions {
        k: 10,
        covariance: CovarianceKind::Full,
        floor: 1e-3,
        restarts: if quick { 1 } else { 5 },
        ..GmmOptions::default()
    };
    let mixture = gmm::fit(&options.check()?, &digits.training, device, &mut |_| {})?;
    let like_held_out = digits.held_out.rows();
    Ok(vec![
        ("digits held out", judge.report(&digits.held_out)?),
        (
            "mixture, full covariances",
            judge.report(&sample_mixture(&mixture, like_held_out, 1)?)?,
        ),
        (
            "mixture, full covariances",
            judge.report(&sample_mixture(&mixture, 2000, 2)?)?,
        ),
        ("training rows, a memory", judge.report(&digits.training)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Moments;
    use crate::train::model::Covariances;

    #[test]
    fn samples_have_the_moments_of_their_mixture() {
        let model = GmmModel {
            weights: vec![0.25, 0.75],
            means: vec![0.3, 0.6, 0.5, 0.4],
            covariances: Covariances::Full(vec![4e-3, 1e-3, 1e-3, 2e-3, 1e-3, -5e-4, -5e-4, 3e-3]),
            k: 2,
            d: 2,
            log_likelihood: 0.0,
            rounds: 0,
        };
        let table = sample_mixture(&model, 20_000, 3).unwrap();
        let rows: Vec<Vec<f64>> = table
            .iter_rows()
            .map(|row| row.iter().map(|&x| f64::from(x)).collect())
            .collect();
        let found = Moments::of(&rows).unwrap();
        let exact = crate::oracle::Mixture::from(&model);
        for (found, exact) in found.mean.iter().zip(exact.mean()) {
            assert!((found - exact).abs() < 4e-3);
        }
        for (found, exact) in found.covariance.iter().zip(exact.covariance()) {
            assert!((found - exact).abs() < 6e-4, "{found} {exact}");
        }
    }

    #[test]
    fn real_digits_are_nearer_than_those_of_a_mixture() {
        let device = TrainingDevice::cpu();
        let options = ClassifierOptions {
            epochs: 20,
            ..ClassifierOptions::default()
        };
        let (judge, accuracy) = Labelled::digits().unwrap().judge(options, &device).unwrap();
        assert!(accuracy > 0.94, "{accuracy}");
        let found = baselines(&judge, true, &device).unwrap();
        let [(_, real), (_, few), (_, many), (_, memory)] = &found[..] else {
            panic!("four baselines");
        };
        assert!(real.frechet < few.frechet && memory.frechet < 1e-6);
        assert!(real.confident_share > many.confident_share);
        assert!(real.nearest_copies < 0.01 && memory.nearest_copies > 0.99);
        assert!(memory.nearest_ratio == 0.0 && many.nearest_ratio > 0.8);
    }
}
