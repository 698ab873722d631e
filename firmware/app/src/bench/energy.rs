//! Restricted Boltzmann machines: Gibbs steps at several activities, free energy, a step of learning.

use core::hint::black_box;

use autodidact::kernels::{bit_words, row_stride};
use autodidact::num::Multiplier;
use autodidact::rbm::learn::{self, Options, Rate};
use autodidact::rbm::{Gibbs, Rbm, States, Tensors, Units};
use autodidact::rng::Generator;

use super::{measure, refused, repeats};
use crate::Counter;

const MAX_VISIBLE: usize = 784;
const MAX_HIDDEN: usize = 128;
const CHAIN_WORDS: usize = Gibbs::words(Units::Bernoulli, MAX_VISIBLE, MAX_HIDDEN);
const LEARNER_WORDS: usize = learn::storage_words(64, 32, Units::Bernoulli, 0);

/// Logits of 1/8, 1/4, 1/2 and 3/4, 24 fractional bits.
const ACTIVITIES: [i32; 4] = [-32_647_078, -18_431_557, 0, 18_431_557];

/// A shape, whether both orders of the weights are stored, and the names of its rows by activity; `""` for none.
type Case = (usize, usize, bool, [&'static str; 4]);

const CASES: [Case; 3] = [
    (
        64,
        64,
        true,
        [
            "gibbs_64x64_eighth",
            "gibbs_64x64_quarter",
            "gibbs_64x64_half",
            "gibbs_64x64_three_quarters",
        ],
    ),
    (64, 64, false, ["", "", "gibbs_64x64_one_order_half", ""]),
    (
        MAX_VISIBLE,
        MAX_HIDDEN,
        true,
        [
            "gibbs_784x128_eighth",
            "gibbs_784x128_quarter",
            "gibbs_784x128_half",
            "gibbs_784x128_three_quarters",
        ],
    ),
];

/// Measures every machine on weights from `weights`; instructions are counted per weight, for a whole step.
pub(super) fn run(counter: &impl Counter, weights: &mut [i8]) {
    for case in CASES {
        refused("gibbs", measure_gibbs(counter, case, weights));
    }
    refused("free_energy_64x32", measure_free_energy(counter, weights));
    refused("cd1_step_64x32", measure_learner(counter));
}

/// The scale at which weights hardly move a logit: the biases set the activity.
const SCALE: Option<Multiplier> = Multiplier::new(1 << 30, 42);

/// Both orders of random weights at the front of `memory`.
fn split(memory: &mut [i8], visible: usize, hidden: usize) -> Option<(&[i8], &[i8])> {
    let (weights, rest) = memory.split_at_mut_checked(hidden * row_stride(visible))?;
    let transposed = rest.get_mut(..visible * row_stride(hidden))?;
    for (i, row) in weights.chunks_exact(row_stride(visible)).enumerate() {
        for (w, mirrored) in row
            .iter()
            .zip(transposed.chunks_exact_mut(row_stride(hidden)))
        {
            *mirrored.get_mut(i)? = *w;
        }
    }
    Some((weights, transposed))
}

fn measure_gibbs(
    counter: &impl Counter,
    (visible, hidden, both, names): Case,
    memory: &mut [i8],
) -> Option<()> {
    let (weights, transposed) = split(memory, visible, hidden)?;
    let macs = u32::try_from(visible * hidden).ok()?;
    for (name, bias) in names.into_iter().zip(ACTIVITIES) {
        if name.is_empty() {
            continue;
        }
        let biases = [bias; MAX_VISIBLE];
        let tensors = Tensors {
            weights,
            transposed: if both { transposed } else { &[] },
            visible_biases: biases.get(..visible)?,
            hidden_biases: biases.get(..hidden)?,
        };
        let rbm = Rbm::new(Units::Bernoulli, SCALE?, tensors).ok()?;
        let mut words = [0; CHAIN_WORDS];
        let words = words.get_mut(..Gibbs::words(Units::Bernoulli, visible, hidden))?;
        let mut chain = Gibbs::new(rbm, words).ok()?;
        let mut rng = Generator::from_seed(1);
        for _ in 0..4 {
            chain.step(&mut rng);
        }
        measure(counter, name, macs, repeats(macs), || {
            black_box(&mut chain).step(black_box(&mut rng));
        });
    }
    Some(())
}

fn measure_free_energy(counter: &impl Counter, memory: &mut [i8]) -> Option<()> {
    const MACS: u32 = 64 * 32;
    let (weights, transposed) = split(memory, 64, 32)?;
    let tensors = Tensors {
        weights,
        transposed,
        visible_biases: &[0; 64],
        hidden_biases: &[0; 32],
    };
    let rbm = Rbm::new(Units::Bernoulli, SCALE?, tensors).ok()?;
    let mut workspace = [0; 64];
    let bits = [0x5555_5555; bit_words(64)];
    measure(counter, "free_energy_64x32", MACS, repeats(MACS), || {
        let _ = black_box(
            black_box(&rbm).free_energy(States::Binary(black_box(&bits)), &mut workspace),
        );
    });
    Some(())
}

/// The mean over a batch, whose last step moves the weights.
fn measure_learner(counter: &impl Counter) -> Option<()> {
    const MACS: u32 = 64 * 32;
    let mut memory = [0; LEARNER_WORDS];
    let options = Options {
        rate: Rate::constant(655),
        ..Options::DEFAULT
    };
    let mut learner = learn::ContrastiveDivergence::new(&mut memory, 64, 32, options).ok()?;
    let mut rng = Generator::from_seed(1);
    learner.start(409, &mut rng);
    let mut state = 1_u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state ^ state >> 16
    };
    measure(counter, "cd1_step_64x32", MACS, repeats(MACS), || {
        let sample = [word(), word()];
        let _ = black_box(learner.step(States::Binary(black_box(&sample)), &mut rng));
    });
    Some(())
}
