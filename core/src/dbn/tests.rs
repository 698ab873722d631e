//! Passes against the machines' own calls, one by one.

use super::*;
use crate::num::Multiplier;
use crate::rbm::{Gibbs, Tensors};
use crate::rng::{Generator, below};
use std::vec;
use std::vec::Vec;

mod hostile;

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

/// A container's bytes, aligned.
#[repr(align(16))]
struct Bytes([u8; 8192]);

#[test]
fn a_container_gives_back_what_was_written_or_refuses_it() {
    use crate::model::{
        Body, LoadError, Model, ModelSpec, PartBody, PartSpec, RbmSpec, WriteError,
    };
    use crate::scaler::{Affine, ScalerFeature};
    let identity = Affine {
        bias: 0,
        multiplier: 1,
        shift: 0,
    };
    let scaler = [ScalerFeature {
        to_feature: identity,
        to_counts: identity,
    }; 5];
    let weights: Vec<i8> = (0..15).map(|at| (at * 16 - 120) as i8).collect();
    let (five, three) = ([1000, -2000, 3000, 0, 5], [-4096, 0, 77_777]);
    let lower = RbmSpec {
        units: Units::Gaussian,
        scale: Multiplier::from_f64(0.03).unwrap(),
        weights: &weights,
        visible_biases: &five,
        hidden_biases: &three,
        transposed: true,
    };
    let upper = RbmSpec {
        units: Units::Bernoulli,
        weights: &weights,
        visible_biases: &three,
        hidden_biases: &five,
        transposed: false,
        ..lower
    };
    let stack = [lower, upper];
    fn part<'a>(name: &'a str, body: PartBody<'a>) -> PartSpec<'a> {
        PartSpec {
            name,
            input: None,
            body,
        }
    }
    let encode = |lower: RbmSpec<'_>, stack: &[RbmSpec<'_>]| {
        let parts = [
            part("machine", PartBody::Rbm(lower)),
            part("stack", PartBody::Dbn(stack)),
        ];
        let spec = ModelSpec {
            scaler: &scaler,
            counts_range: (-100, 100),
            parts: &parts,
            text: "seed: 1",
        };
        let mut bytes = std::boxed::Box::new(Bytes([0; 8192]));
        let len = spec.encoded_len().unwrap();
        spec.encode_into(&mut bytes.0[..len]).map(|_| ())?;
        Ok::<_, WriteError>((bytes, len))
    };
    let (bytes, len) = encode(lower, &stack).unwrap();
    let model = Model::load(&bytes.0[..len]).unwrap();
    let machine = model.rbm("machine").unwrap();
    assert_eq!((machine.visible(), machine.hidden()), (5, 3));
    assert_eq!(
        (machine.units(), machine.scale()),
        (Units::Gaussian, lower.scale)
    );
    assert_eq!(machine.tensors().visible_biases, five);
    for (row, expected) in machine.tensors().weights.chunks(16).zip(weights.chunks(5)) {
        assert_eq!((&row[..5], &row[5..]), (expected, &[0; 11][..]));
    }
    assert_eq!(machine.tensors().transposed[16 + 2], weights[2 * 5 + 1]);
    let dbn = model.dbn("stack").unwrap();
    assert_eq!((dbn.layers().len(), dbn.visible(), dbn.hidden()), (2, 5, 5));
    assert!(dbn.top().tensors().transposed.is_empty());
    assert_eq!(dbn.top().tensors().weights[16..19], weights[3..6]);
    assert!(model.parts().all(|part| match part.body {
        Body::Rbm(_) => part.body.inputs() == 5,
        Body::Dbn(_) => part.body.inputs() == 5,
        _ => false,
    }));
    let only = Model::<{ crate::model::reads::RBM }>::load_only(&bytes.0[..len]).unwrap_err();
    let unknown = Defect::Kind { found: 8 };
    assert_eq!(
        only,
        LoadError::Part {
            part: 2,
            defect: unknown
        }
    );

    let refused = |lower, stack: &[RbmSpec<'_>]| encode(lower, stack).map(|_| ()).unwrap_err();
    let invalid = |part, defect| WriteError::Invalid(LoadError::Part { part, defect });
    let biases = [i32::MAX; 3];
    let overflowing = RbmSpec {
        hidden_biases: &biases,
        ..lower
    };
    let overflow = Defect::AccumulatorOverflow { layer: 0, row: 0 };
    assert_eq!(refused(overflowing, &stack), invalid(1, overflow));
    assert_eq!(
        refused(lower, &[lower, lower]),
        invalid(2, Defect::Layer { layer: 1 })
    );
    assert_eq!(
        refused(lower, &[stack[0]; 9]),
        invalid(2, Defect::TooManyLayers { found: 9 })
    );
    let coarse = RbmSpec {
        scale: Multiplier::from_f64(0.3).unwrap(),
        ..lower
    };
    assert_eq!(
        refused(coarse, &stack),
        invalid(1, Defect::Scale { index: 0 })
    );
    let narrow = RbmSpec {
        visible_biases: &three,
        hidden_biases: &five,
        ..lower
    };
    assert_eq!(refused(narrow, &stack), invalid(1, Defect::Shape));
}
