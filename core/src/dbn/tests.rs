//! Passes against the machines' own calls, one by one.

use super::*;
use crate::num::Multiplier;
use crate::rbm::{Gibbs, Tensors};
use crate::rng::{Generator, below};
use std::vec;
use std::vec::Vec;

struct Layer {
    weights: Vec<i8>,
    visible_biases: Vec<i32>,
    hidden_biases: Vec<i32>,
}

fn layer(visible: usize, hidden: usize, seed: u64) -> Layer {
    let mut rng = Generator::from_seed(seed);
    let stride = crate::kernels::row_stride(visible);
    let mut draw = |n: usize| -> Vec<i32> {
        (0..n)
            .map(|_| below(&mut rng, 255).cast_signed() - 127)
            .collect()
    };
    Layer {
        weights: draw(hidden * stride).iter().map(|w| *w as i8).collect(),
        visible_biases: draw(visible).iter().map(|b| b << 13).collect(),
        hidden_biases: draw(hidden).iter().map(|b| b << 13).collect(),
    }
}

fn rbm(layer: &Layer, units: Units) -> Rbm<'_> {
    let tensors = Tensors {
        weights: &layer.weights,
        transposed: &[],
        visible_biases: &layer.visible_biases,
        hidden_biases: &layer.hidden_biases,
    };
    Rbm::new(units, Multiplier::from_f64(0.01).unwrap(), tensors).unwrap()
}

#[test]
fn passes_are_those_of_the_machines_one_by_one() {
    let layers = [layer(20, 40, 1), layer(40, 9, 2), layer(9, 33, 3)];
    for (count, units) in [
        (1, Units::Bernoulli),
        (2, Units::Gaussian),
        (3, Units::Bernoulli),
    ] {
        let machines: Vec<Rbm<'_>> = layers[..count]
            .iter()
            .enumerate()
            .map(|(at, layer)| rbm(layer, if at == 0 { units } else { Units::Bernoulli }))
            .collect();
        let dbn = Dbn::new(machines.iter().copied()).unwrap();
        assert_eq!(
            (dbn.visible(), dbn.hidden()),
            (20, machines[count - 1].hidden())
        );
        let sample: Vec<i16> = (0..20)
            .map(|at| if at % 3 == 0 { 4096 } else { 0 })
            .collect();
        let mut workspace = vec![-7; dbn.workspace_len()];
        let mut code = vec![0; dbn.hidden()];
        dbn.up_into(States::Real(&sample), &mut workspace, &mut code)
            .unwrap();
        let mut expected = sample.clone();
        let mut seen_by_top = sample.clone();
        for machine in &machines {
            seen_by_top = expected.clone();
            let mut means = vec![0; machine.hidden()];
            machine
                .hidden_means_into(States::Real(&expected), &mut [0; 48], &mut means)
                .unwrap();
            expected = means;
        }
        assert_eq!(code, expected);
        let mut given = vec![0; dbn.top().visible()];
        dbn.up_to_top_into(States::Real(&sample), &mut workspace, &mut given)
            .unwrap();
        assert_eq!(given, seen_by_top);

        let (mut a, mut b) = (Generator::from_seed(4), Generator::from_seed(4));
        let mut bits = vec![0; bit_words(dbn.hidden())];
        dbn.sample_up_into(States::Real(&sample), &mut a, &mut workspace, &mut bits)
            .unwrap();
        let mut expected: Option<Vec<u32>> = None;
        for machine in &machines {
            let given = expected
                .as_deref()
                .map_or(States::Real(&sample), States::Binary);
            let mut drawn = vec![0; bit_words(machine.hidden())];
            machine
                .sample_hidden_into(given, &mut b, &mut [0; 48], &mut drawn)
                .unwrap();
            expected = Some(drawn);
        }
        assert_eq!(Some(&bits), expected.as_ref());

        let mut picture = vec![0; 20];
        dbn.down_into(&bits, &mut a, &mut workspace, &mut picture)
            .unwrap();
        let mut hidden = bits;
        for machine in machines[1..].iter().rev() {
            let mut drawn = vec![0; bit_words(machine.visible())];
            machine
                .sample_visible_bits_into(&hidden, &mut b, &mut [0; 48], &mut drawn)
                .unwrap();
            hidden = drawn;
        }
        let mut expected = vec![0; 20];
        machines[0]
            .visible_means_into(States::Binary(&hidden), &mut [0; 48], &mut expected)
            .unwrap();
        assert_eq!(picture, expected);
        assert_eq!(a, b);
        assert!(
            dbn.up_into(States::Real(&sample), &mut workspace[1..], &mut code)
                .is_err()
        );
    }
}

#[test]
fn the_top_learns_from_what_comes_up() {
    use crate::rbm::learn::{ContrastiveDivergence, Options, Rate, storage_words};
    let layers = [layer(12, 8, 5), layer(8, 4, 6)];
    let dbn = Dbn::new(layers.iter().map(|layer| rbm(layer, Units::Bernoulli))).unwrap();
    let options = Options {
        rate: Rate::constant(2_000),
        batch: 4,
        ..Options::DEFAULT
    };
    let mut memory = vec![0; storage_words(8, 4, Units::Bernoulli, 0)];
    let mut learner = ContrastiveDivergence::from_model(&mut memory, dbn.top(), options).unwrap();
    let mut rng = Generator::from_seed(1);
    let mut workspace = vec![0; dbn.workspace_len()];
    let mut seen = [0; 8];
    let sample = States::Binary(&[0b1010_0110_0011]);
    dbn.up_to_top_into(sample, &mut workspace, &mut seen)
        .unwrap();
    let energy = |learner: &ContrastiveDivergence<'_>| {
        learner
            .model()
            .free_energy(States::Real(&seen), &mut [0; 16])
            .unwrap()
            - learner
                .model()
                .free_energy(States::Real(&[2048; 8]), &mut [0; 16])
                .unwrap()
    };
    let before = energy(&learner);
    for _ in 0..400 {
        learner.step(States::Real(&seen), &mut rng).unwrap();
    }
    assert!(energy(&learner) < before);
    let learnt = Dbn::new([*dbn.bottom(), learner.model()]).unwrap();
    let mut words = vec![0; Gibbs::words(Units::Bernoulli, 8, 4)];
    let mut chain = Gibbs::new(*learnt.top(), &mut words).unwrap();
    chain.step(&mut rng);
    learnt
        .down_into(chain.hidden_bits(), &mut rng, &mut workspace, &mut [0; 12])
        .unwrap();
}

#[test]
fn machines_that_do_not_fit_are_refused() {
    let layers = [layer(12, 8, 5), layer(9, 4, 6), layer(8, 8, 7)];
    let [a, b, c] = [0, 1, 2].map(|at| rbm(&layers[at], Units::Bernoulli));
    let refused = |layers: &[Rbm<'_>]| Dbn::new(layers.iter().copied()).map(|_| ()).unwrap_err();
    assert_eq!(refused(&[]), Defect::Shape);
    assert_eq!(refused(&[a, b]), Defect::Layer { layer: 1 });
    assert_eq!(
        refused(&[a, rbm(&layers[2], Units::Gaussian)]),
        Defect::Layer { layer: 1 }
    );
    assert_eq!(refused(&[c; 9]), Defect::TooManyLayers { found: 9 });
}
