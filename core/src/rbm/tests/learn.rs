//! Learning.

use super::*;

#[test]
fn extreme_options_and_samples_leave_a_model_that_is_valid() {
    let mut rng = Generator::from_seed(3);
    for case in 0..60u32 {
        let gaussian = case % 2 == 1;
        let units = if gaussian {
            Units::Gaussian
        } else {
            Units::Bernoulli
        };
        let (visible, hidden, chains) = (
            1 + case as usize % 37,
            1 + case as usize % 5,
            case as u16 % 3,
        );
        let (weight_bits, batch) = (3 + case % 10, [1, 7, u16::MAX][case as usize % 3]);
        let rate = Options::most_rate(weight_bits, batch);
        let decay = (1u32 << 30) / u32::from(rate);
        let options = Options {
            units,
            weight_bits,
            steps: 1 + case as u16 % 2,
            chains,
            batch,
            rate: Rate::constant(rate),
            momentum: u16::MAX,
            weight_decay: if case % 4 == 0 {
                decay.saturating_sub(16).min(0xffff) as u16
            } else {
                0
            },
            rounding: if case % 5 == 0 {
                Rounding::Nearest
            } else {
                Rounding::Stochastic
            },
        };
        let mut memory = vec![0; storage_words(visible, hidden, units, chains)];
        let mut learner =
            ContrastiveDivergence::new(&mut memory, visible, hidden, options).unwrap();
        learner.start(u16::MAX, &mut rng);
        learner
            .set_visible_biases(&vec![i16::MIN; visible])
            .unwrap();
        let real = vec![if case % 3 == 0 { i16::MIN } else { i16::MAX }; visible];
        let bits = vec![u32::MAX; bit_words(visible)];
        for _ in 0..50 {
            if !gaussian {
                learner.step(States::Binary(&bits), &mut rng).unwrap();
            }
            learner.step(States::Real(&real), &mut rng).unwrap();
            let model = learner.model();
            Rbm::new(units, model.scale(), model.tensors()).unwrap();
        }
    }
}

#[test]
fn a_gaussian_learner_finds_two_clusters() {
    let options = Options {
        units: Units::Gaussian,
        rate: Rate::linear(655, 4_000),
        batch: 8,
        ..Options::DEFAULT
    };
    let mut memory = vec![0; storage_words(4, 2, Units::Gaussian, 0)];
    let mut learner = ContrastiveDivergence::new(&mut memory, 4, 2, options).unwrap();
    let mut rng = Generator::from_seed(8);
    learner.start(409, &mut rng);
    let sample = |rng: &mut Generator| -> [i16; 4] {
        let sign = if rng.next_u32() & 1 == 0 { 1 } else { -1 };
        [1, -1, 1, 1].map(|side| side * sign * 6000 + normal(rng) / 2)
    };
    for _ in 0..32_000 {
        let features = sample(&mut rng);
        learner.step(States::Real(&features), &mut rng).unwrap();
    }
    let mut workspace = [0; 16];
    let model = learner.model();
    let mut free = |x: &[i16]| {
        f64::from(model.free_energy(States::Real(x), &mut workspace).unwrap()) / 65_536.0
    };
    let inside = free(&[6000, -6000, 6000, 6000]).max(free(&[-6000, 6000, -6000, -6000]));
    let outside = free(&[6000, 6000, -6000, 6000]).min(free(&[0; 4]));
    assert!(inside < outside - 0.5, "{inside} {outside}");
}

#[test]
fn stochastic_rounding_keeps_increments_below_the_unit() {
    // One visible unit that is always 1 and one hidden: with a rate of 2^-16 every step of the velocity is
    // below its unit.
    let learnt = |rounding| {
        let options = Options {
            weight_bits: 3,
            batch: 1,
            momentum: 0,
            rate: Rate::constant(2),
            rounding,
            ..Options::DEFAULT
        };
        let mut memory = vec![0; storage_words(2, 1, Units::Bernoulli, 0)];
        let mut learner = ContrastiveDivergence::new(&mut memory, 2, 1, options).unwrap();
        learner.set_visible_biases(&[-8000, -8000]).unwrap();
        let mut rng = Generator::from_seed(1);
        for _ in 0..400_000 {
            learner.step(States::Binary(&[0b11]), &mut rng).unwrap();
        }
        i32::from(learner.model().tensors().weights[0])
    };
    assert_eq!(learnt(Rounding::Nearest), 0);
    assert!(learnt(Rounding::Stochastic) > 4);
}

#[test]
fn what_a_learner_cannot_be_made_of_is_named() {
    let default = Options::DEFAULT;
    let words = storage_words(4, 2, Units::Bernoulli, 0);
    let mut memory = vec![0; words];
    let mut new = |words: usize, visible, options| {
        ContrastiveDivergence::new(&mut memory[..words], visible, 2, options)
            .map(|_| ())
            .unwrap_err()
    };
    let short = Defect::Memory {
        needed: words as u32,
    };
    assert_eq!(new(words - 1, 4, default), short);
    assert_eq!(new(words, 0, default), Defect::Shape);
    let machine = Machine::random(Units::Gaussian, 4, 2, 0.5, 1);
    let mut few = vec![0; 3];
    let needed = Gibbs::words(Units::Gaussian, 4, 2) as u32;
    let chain = Gibbs::new(machine.rbm(), &mut few).map(|_| ());
    assert_eq!(chain.unwrap_err(), Defect::Memory { needed });
    let needed = MeanField::words(4, 2) as u32;
    let field = MeanField::new(machine.rbm(), &mut few).map(|_| ());
    assert_eq!(field.unwrap_err(), Defect::Memory { needed });
}

#[test]
fn gaussian_units_are_given_no_bits_whatever_their_number() {
    // As many words of bits as there are units.
    let options = Options {
        units: Units::Gaussian,
        ..Options::DEFAULT
    };
    let mut memory = vec![0; storage_words(1, 1, Units::Gaussian, 0)];
    let mut learner = ContrastiveDivergence::new(&mut memory, 1, 1, options).unwrap();
    let refused = learner
        .step(States::Binary(&[1]), &mut Generator::from_seed(1))
        .unwrap_err();
    assert_eq!((refused.operand, refused.needed), (Operand::RealStates, 1));
    assert_eq!(learner.batches(), 0);
    let machine = Machine::random(Units::Gaussian, 1, 1, 0.5, 1);
    let mut memory = vec![0; Gibbs::words(Units::Gaussian, 1, 1)];
    let mut chain = Gibbs::new(machine.rbm(), &mut memory).unwrap();
    let refused = chain.set_visible(States::Binary(&[1])).unwrap_err();
    assert_eq!(refused.operand, Operand::RealStates);
}
