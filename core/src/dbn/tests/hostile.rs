//! Nets of the largest weights and biases that load, extreme states, generators that are stuck.

use super::*;
use crate::kernels::row_stride;
use crate::rbm::learn::{ContrastiveDivergence, Options, Rate, storage_words};
use proptest::prelude::*;
use rand_core::Rng;

/// Parameters at the ends: weights of any size, biases up to what keeps every sum in 32 bits.
struct Extreme {
    visible: usize,
    hidden: usize,
    scale: Multiplier,
    weights: Vec<i8>,
    visible_biases: Vec<i32>,
    hidden_biases: Vec<i32>,
}

impl Extreme {
    fn new(rng: &mut Generator, visible: usize, hidden: usize, units: Units) -> Self {
        let stride = row_stride(visible);
        // What pads a row is not looked at.
        let mut weights = vec![-128; hidden * stride];
        for row in weights.chunks_mut(stride) {
            for w in &mut row[..visible] {
                *w = [-128, 127, 0, rng.next_u32() as i8][(rng.next_u32() % 4) as usize];
            }
        }
        let magnitude = |w: &i8| i64::from(w.unsigned_abs());
        let most = |units| {
            if units == Units::Gaussian {
                1 << 15
            } else {
                4096
            }
        };
        let mut bias = |sum: i64| {
            let room = ((1 << 31) - 1 - sum) as i32;
            [room, -room, 0, (rng.next_u32() % 4096).cast_signed() - 2048]
                [(rng.next_u32() % 4) as usize]
        };
        let rows: Vec<i64> = weights
            .chunks(stride)
            .map(|row| row[..visible].iter().map(magnitude).sum::<i64>() * most(units))
            .collect();
        let column = |j: usize| {
            weights
                .chunks(stride)
                .map(|row| magnitude(&row[j]))
                .sum::<i64>()
        };
        let columns: Vec<i64> = (0..visible)
            .map(|j| column(j) * most(Units::Bernoulli))
            .collect();
        let hidden_biases = rows.into_iter().map(&mut bias).collect();
        let visible_biases = columns.into_iter().map(&mut bias).collect();
        let scale = [0.2499, 1.0 / 32.0, 1e-6][(rng.next_u32() % 3) as usize];
        Self {
            visible,
            hidden,
            scale: Multiplier::from_f64(scale).unwrap(),
            weights,
            visible_biases,
            hidden_biases,
        }
    }

    fn view(&self, units: Units) -> Rbm<'_> {
        let tensors = Tensors {
            weights: &self.weights,
            transposed: &[],
            visible_biases: &self.visible_biases,
            hidden_biases: &self.hidden_biases,
        };
        Rbm::new(units, self.scale, tensors).unwrap()
    }

    /// `p(h | v)` in f64, of a logit that saturates.
    fn means(&self, visible: &[i16], units: Units) -> Vec<f64> {
        let stride = row_stride(self.visible);
        let rows = self.weights.chunks(stride).zip(&self.hidden_biases);
        rows.map(|(row, bias)| {
            let products = row.iter().zip(visible).map(|(w, x)| {
                let x = if units == Units::Bernoulli {
                    (*x).clamp(0, 4096)
                } else {
                    *x
                };
                i128::from(*w) * i128::from(x)
            });
            let sum = i128::from(*bias) + products.sum::<i128>();
            let logit = (sum as f64 * self.scale.to_f64() / 4096.0).clamp(-8.0, 8.0);
            1.0 / (1.0 + (-logit).exp())
        })
        .collect()
    }
}

/// A generator that always gives the same word.
struct Stuck(u32);

impl rand_core::TryRng for Stuck {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from(self.0) << 32 | u64::from(self.0))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

/// Whether no bit behind the units' is set.
fn padded(bits: &[u32], units: usize) -> bool {
    (units..32 * bits.len()).all(|index| !crate::kernels::is_set(bits, index))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_net_that_loads_recognises_as_in_f64_and_dreams_within_its_format(
        seed: u64, widths in proptest::collection::vec(1usize..=40, 2..=5), gaussian: bool
    ) {
        let mut rng = Generator::from_seed(seed);
        let bottom = if gaussian { Units::Gaussian } else { Units::Bernoulli };
        let units = |layer: usize| if layer == 0 { bottom } else { Units::Bernoulli };
        let machines: Vec<Extreme> = widths
            .windows(2)
            .enumerate()
            .map(|(layer, pair)| Extreme::new(&mut rng, pair[0], pair[1], units(layer)))
            .collect();
        let views: Vec<Rbm<'_>> =
            machines.iter().enumerate().map(|(layer, machine)| machine.view(units(layer))).collect();
        let net = Dbn::new(views.iter().copied()).unwrap();
        let x: Vec<i16> = (0..widths[0])
            .map(|_| [i16::MIN, i16::MAX, 0, 4096, rng.next_u32() as i16][(rng.next_u32() % 5) as usize])
            .collect();
        // What the workspace held has no influence.
        let mut workspace = vec![rng.next_u32().cast_signed(); net.workspace_len()];
        let mut below = x.clone();
        for (layer, machine) in machines.iter().enumerate() {
            let part = Dbn::new(views[..=layer].iter().copied()).unwrap();
            let mut code = vec![-1; machine.hidden];
            part.up_into(States::Real(&x), &mut workspace, &mut code).unwrap();
            for (mean, exact) in code.iter().zip(machine.means(&below, units(layer))) {
                // The logit's half a unit costs an eighth of one; the sigmoid 2.5e-5; the result half a unit.
                prop_assert!((f64::from(*mean) - exact * 4096.0).abs() <= 0.75, "{} {}", mean, exact);
            }
            let mut given = vec![-1; machine.visible];
            part.up_to_top_into(States::Real(&x), &mut workspace, &mut given).unwrap();
            prop_assert_eq!(&given, &below);
            below = code;
        }
        let top = net.hidden();
        let mut bits = vec![u32::MAX; bit_words(top)];
        net.sample_up_into(States::Real(&x), &mut rng, &mut workspace, &mut bits).unwrap();
        prop_assert!(padded(&bits, top));
        let mut picture = vec![-1; net.visible()];
        net.down_into(&bits, &mut rng, &mut workspace, &mut picture).unwrap();
        prop_assert!(gaussian || picture.iter().all(|x| (0..=4096).contains(x)));
        // The least word draws a 1 with any probability, the largest none.
        for (word, all) in [(0, true), (u32::MAX, false)] {
            net.sample_up_into(States::Real(&x), &mut Stuck(word), &mut workspace, &mut bits).unwrap();
            prop_assert!(padded(&bits, top));
            prop_assert!((0..top).all(|index| crate::kernels::is_set(&bits, index) == all));
            net.down_into(&bits, &mut Stuck(word), &mut workspace, &mut picture).unwrap();
        }
    }

    #[test]
    fn a_net_stays_one_while_its_top_learns_from_any_state(
        seed: u64, inner in 1usize..=20, top in 1usize..=20, weight_bits in 3u32..=12,
        momentum in prop::sample::select(vec![0u16, u16::MAX]), weight_decay in prop::sample::select(vec![0u16, u16::MAX]),
        chains in 0u16..=2
    ) {
        let mut rng = Generator::from_seed(seed);
        let machines = [
            Extreme::new(&mut rng, 9, inner, Units::Gaussian),
            Extreme::new(&mut rng, inner, top, Units::Bernoulli),
        ];
        let [lower, upper] = [machines[0].view(Units::Gaussian), machines[1].view(Units::Bernoulli)];
        let net = Dbn::new([lower, upper]).unwrap();
        // The largest rate at these weights, up to a tenth, and the largest decay at this rate.
        let rate = Options::most_rate(weight_bits, 2).min(6554);
        let weight_decay = weight_decay.min(((1u32 << 30) / u32::from(rate)).saturating_sub(16).min(65_535) as u16);
        let options = Options {
            weight_bits, momentum, weight_decay, chains, batch: 2, rate: Rate::constant(rate), ..Options::DEFAULT
        };
        let mut memory = vec![0; storage_words(inner, top, Units::Bernoulli, chains)];
        let mut learner = ContrastiveDivergence::from_model(&mut memory, net.top(), options).unwrap();
        let mut workspace = vec![0; net.workspace_len()];
        let mut seen = vec![0; inner];
        for _ in 0..10 {
            let x: Vec<i16> = (0..9).map(|_| rng.next_u32() as i16).collect();
            net.up_to_top_into(States::Real(&x), &mut workspace, &mut seen).unwrap();
            learner.step(States::Real(&seen), &mut rng).unwrap();
            let learnt = learner.model();
            let checked = Rbm::new(learnt.units(), learnt.scale(), learnt.tensors());
            prop_assert!(checked.is_ok(), "{:?}", checked.err());
            let net = Dbn::new([lower, learnt]).unwrap();
            let mut code = vec![-1; top];
            net.up_into(States::Real(&x), &mut workspace, &mut code).unwrap();
            prop_assert!(code.iter().all(|mean| (0..=4096).contains(mean)));
        }
    }
}
