//! Gibbs chains of a container's Boltzmann machines and belief nets, by the device's own sampler.

use anyhow::{Result, ensure};
use autodidact::dbn::Dbn;
use autodidact::rbm::{Gibbs, MeanField, ONE, Rbm, States, Units};
use autodidact::rng::Generator;

use crate::quantize::FEATURE_UNIT;

/// Steps of a chain before its first row.
pub const WARM_UP: usize = 1000;

/// How unknown units are inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inference {
    /// The mean of this many Gibbs steps, after as many that are thrown away.
    Gibbs(usize),
    /// Mean-field iteration, at most this many rounds.
    MeanField(usize),
}

/// Rows drawn from a machine's chain, `steps` Gibbs steps apart, in `I4F12`: states of binary units, features of
/// Gaussian ones.
///
/// # Errors
///
/// None with a loaded machine.
pub fn sample_rbm(
    rbm: &Rbm<'_>,
    rows: usize,
    steps: usize,
    rng: &mut Generator,
) -> Result<Vec<i16>> {
    let mut memory = vec![0; Gibbs::words(rbm.units(), rbm.visible(), rbm.hidden())];
    let mut chain = Gibbs::new(*rbm, &mut memory)?;
    for _ in 0..WARM_UP {
        chain.step(rng);
    }
    let mut drawn = Vec::with_capacity(rows * rbm.visible());
    for _ in 0..rows {
        for _ in 0..steps {
            chain.step(rng);
        }
        match chain.visible() {
            States::Binary(bits) => drawn.extend(
                (0..rbm.visible()).map(|unit| (bits[unit / 32] >> (unit % 32) & 1) as i16 * ONE),
            ),
            States::Real(features) => drawn.extend(features),
        }
    }
    Ok(drawn)
}

/// Rows drawn from a belief net: a chain in its highest machine, each row one pass down from there. The
/// means of the lowest visible units, which are smoother than their states, in `I4F12`.
///
/// # Errors
///
/// None with a loaded net.
pub fn sample_dbn(
    dbn: &Dbn<'_>,
    rows: usize,
    steps: usize,
    rng: &mut Generator,
) -> Result<Vec<i16>> {
    let top = *dbn.top();
    let mut memory = vec![0; Gibbs::words(top.units(), top.visible(), top.hidden())];
    let mut chain = Gibbs::new(top, &mut memory)?;
    for _ in 0..WARM_UP {
        chain.step(rng);
    }
    let mut workspace = vec![0; dbn.workspace_len()];
    let mut drawn = vec![0; rows * dbn.visible()];
    for means in drawn.chunks_exact_mut(dbn.visible()) {
        for _ in 0..steps {
            chain.step(rng);
        }
        dbn.down_into(chain.hidden_bits(), rng, &mut workspace, means)?;
    }
    Ok(drawn)
}

/// A row with the units of `unknown` inferred from the others: probabilities of binary units, means of
/// Gaussian ones, in features. Known binary units come back as 0 and 1.
///
/// # Errors
///
/// Not one feature and one flag for each visible unit; no step.
pub fn complete(
    rbm: &Rbm<'_>,
    features: &[i16],
    unknown: &[bool],
    how: Inference,
    rng: &mut Generator,
) -> Result<Vec<f64>> {
    ensure!(
        unknown.len() == rbm.visible(),
        "{} flags for {} units",
        unknown.len(),
        rbm.visible()
    );
    let mut known = vec![0u32; unknown.len().div_ceil(32)];
    for (unit, _) in unknown.iter().enumerate().filter(|(_, unknown)| !**unknown) {
        known[unit / 32] |= 1 << (unit % 32);
    }
    // What is not known is at the middle of what it may be, not at what the row says.
    let start: Vec<i16> = features
        .iter()
        .zip(unknown)
        .map(|(&x, unknown)| match (rbm.units(), unknown) {
            (Units::Gaussian, true) => 0,
            (Units::Gaussian, false) => x,
            (Units::Bernoulli, true) => ONE / 2,
            (Units::Bernoulli, false) => i16::from(x > 0) * ONE,
        })
        .collect();
    let mut completed = real(&start);
    let means = match how {
        Inference::Gibbs(steps) => {
            ensure!(steps > 0, "no Gibbs step is no inference; give at least 1");
            let mut memory = vec![0; Gibbs::words(rbm.units(), rbm.visible(), rbm.hidden())];
            let mut chain = Gibbs::new(*rbm, &mut memory)?;
            chain.set_visible(States::Real(&start))?;
            chain.clamp(&known)?;
            let (mut means, mut sums) = (vec![0i16; rbm.visible()], vec![0i64; rbm.visible()]);
            for step in 0..2 * steps {
                chain.step(rng);
                if step >= steps {
                    chain.visible_means_into(&mut means)?;
                    sums.iter_mut()
                        .zip(&means)
                        .for_each(|(sum, &mean)| *sum += i64::from(mean));
                }
            }
            let scale = FEATURE_UNIT * steps as f64;
            sums.iter().map(|&sum| sum as f64 / scale).collect()
        }
        Inference::MeanField(rounds) => {
            let mut memory = vec![0; MeanField::words(rbm.visible(), rbm.hidden())];
            let mut inference = MeanField::new(*rbm, &mut memory)?;
            inference.clamp(&start, &known)?;
            for _ in 0..rounds {
                // A change of one unit is rounding.
                if inference.step() <= 1 {
                    break;
                }
            }
            real(inference.visible())
        }
    };
    let columns = completed.iter_mut().zip(means).zip(unknown);
    for ((value, mean), _) in columns.filter(|(_, unknown)| **unknown) {
        *value = mean;
    }
    Ok(completed)
}

/// Values in `I4F12` as real numbers.
#[must_use]
pub fn real(values: &[i16]) -> Vec<f64> {
    let values = values.iter();
    values.map(|&x| f64::from(x) / FEATURE_UNIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize;
    use crate::train::model::{RbmParameters, VisibleUnits};
    use autodidact::kernels::Order;
    use autodidact::model::Model;
    use autodidact::scaler::{Affine, ScalerFeature};

    /// A machine whose one hidden unit ties its four visible units together.
    fn tied(units: VisibleUnits, test: impl FnOnce(&Rbm<'_>)) {
        let parameters = RbmParameters {
            visible: 4,
            hidden: 1,
            weights: vec![4.0; 4],
            visible_bias: vec![-2.0; 4],
            hidden_bias: vec![-8.0],
            units,
        };
        let line = Affine::from_f64(1.0, 0.0).unwrap();
        let scaler = ScalerFeature {
            to_feature: line,
            to_counts: line,
        };
        let part = quantize::QuantisedPart::Rbm(quantize::rbm(&parameters).unwrap());
        let model = quantize::QuantisedModel {
            scaler: vec![scaler; 4],
            counts_range: (-1, 1),
            parts: vec![("machine".into(), part)],
            text: Vec::new(),
        };
        let bytes = model.encode(Order::RowMajor).unwrap();
        test(&Model::load(&bytes).unwrap().rbm("machine").unwrap());
    }

    #[test]
    fn what_is_unknown_follows_what_is_known() {
        tied(VisibleUnits::Bernoulli, |rbm| {
            let mut rng = Generator::from_seed(1);
            let unknown = [false, false, true, true];
            for how in [Inference::Gibbs(2000), Inference::MeanField(100)] {
                let ones = complete(rbm, &[1, 1, -1, -1], &unknown, how, &mut rng).unwrap();
                assert_eq!(ones[..2], [1.0, 1.0]);
                assert!(ones[2..].iter().all(|p| *p > 0.7), "{how:?}: {ones:?}");
                let zeros = complete(rbm, &[0, -1, 9, 9], &unknown, how, &mut rng).unwrap();
                assert_eq!(zeros[..2], [0.0, 0.0]);
                assert!(zeros[2..].iter().all(|p| *p < 0.3), "{how:?}: {zeros:?}");
            }
        });
    }

    #[test]
    fn drawn_units_agree_more_often_than_chance() {
        tied(VisibleUnits::Bernoulli, |rbm| {
            let rows = sample_rbm(rbm, 500, 5, &mut Generator::from_seed(2)).unwrap();
            let alike = rows.chunks(4).filter(|row| row[0] == row[1]).count();
            assert!(alike > 350, "{alike} of 500");
            assert!(rows.iter().all(|x| *x == 0 || *x == ONE));
        });
    }
}
