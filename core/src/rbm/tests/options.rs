//! Options of learners: their ranges, and that they do what they say within them.

use super::*;

/// The error of an option out of its range.
fn outside(setting: crate::Setting, least: u32, most: u32) -> Defect {
    Defect::Setting {
        setting,
        least,
        most,
    }
}

#[test]
fn a_rate_moves_parameters_by_itself_or_is_refused() {
    let mut memory = vec![0; storage_words(1, 1, Units::Bernoulli, 0)];
    let (mut allowed, mut refused) = (0, 0);
    for weight_bits in 3..=12u32 {
        for (batch, rate) in [1u16, 2, 4]
            .into_iter()
            .flat_map(|batch| [512u16, 3_277, 8_192, 16_384, 65_535].map(|rate| (batch, rate)))
        {
            let options = Options {
                weight_bits,
                batch,
                rate: Rate::constant(rate),
                momentum: 0,
                ..Options::DEFAULT
            };
            let real = f64::from(rate) / 65_536.0;
            let limit = f64::from(batch) * 2f64.powi(5 - weight_bits.cast_signed());
            let make = |memory| ContrastiveDivergence::new(memory, 1, 1, options).map(|_| ());
            if real >= limit {
                // The largest rate below the limit.
                let most = (limit * 65_536.0).ceil() as u32 - 1;
                let error = outside(crate::Setting::Rate, 0, most);
                assert_eq!(make(&mut memory), Err(error));
                refused += 1;
                continue;
            }
            // From zero the bias moves by rate / batch for every sample whose reconstruction is 0, the weight by
            // half of that, and neither for the others.
            let (mut bias, mut weight) = (0, 0);
            for seed in 0..100 {
                let mut learner = ContrastiveDivergence::new(&mut memory, 1, 1, options).unwrap();
                let mut rng = Generator::from_seed(seed);
                for _ in 0..batch {
                    learner.step(States::Binary(&[1]), &mut rng).unwrap();
                }
                bias = bias.max(learner.model().tensors().visible_biases[0]);
                weight = weight.max(learner.model().tensors().weights[0]);
            }
            let scale = 2f64.powi(weight_bits.cast_signed());
            let moved = f64::from(bias) / scale / 4096.0;
            let case = (weight_bits, batch, rate);
            // Each sample's step is rounded to the unit of a bias.
            let bound = 0.501 * f64::from(batch) / scale / 4096.0;
            assert!((moved - real).abs() <= bound, "{case:?} {moved}");
            if real / 2.0 * scale < 32.0 {
                assert!(
                    (f64::from(weight) - real / 2.0 * scale).abs() <= 0.6,
                    "{case:?}"
                );
            }
            allowed += 1;
        }
    }
    assert!(allowed > 60 && refused > 30, "{allowed} {refused}");
}

#[test]
fn decay_takes_its_share_of_a_weight_or_is_refused() {
    let mut weights = [0; 16];
    weights[0] = 120;
    let tensors = Tensors {
        weights: &weights,
        transposed: &[],
        // So low that the unit is never 1: nothing but the decay moves the weight.
        visible_biases: &[-(1 << 23)],
        hidden_biases: &[0],
    };
    let model = Rbm::new(
        Units::Bernoulli,
        Multiplier::from_f64(0.125).unwrap(),
        tensors,
    )
    .unwrap();
    let mut memory = vec![0; storage_words(1, 1, Units::Bernoulli, 0)];
    for (rate, decay) in [(32_768u16, 32_767u16), (32_768, 8_192), (65_535, 16_000)] {
        let options = Options {
            weight_bits: 3,
            batch: 1,
            rate: Rate::constant(rate),
            momentum: 0,
            weight_decay: decay,
            rounding: Rounding::Nearest,
            ..Options::DEFAULT
        };
        let mut learner = ContrastiveDivergence::from_model(&mut memory, &model, options).unwrap();
        let mut rng = Generator::from_seed(1);
        // What a batch decides, the next one does.
        for _ in 0..2 {
            learner.step(States::Binary(&[0]), &mut rng).unwrap();
        }
        let share = f64::from(rate) * f64::from(decay) / 65_536f64.powi(2);
        let left = f64::from(learner.model().tensors().weights[0]);
        assert!(
            (left - 120.0 * (1.0 - share)).abs() <= 0.6,
            "{rate} {decay}: {left}"
        );
        let more = Options {
            weight_decay: u16::MAX,
            ..options
        };
        let most = (f64::from(65_535u32 << 14) / f64::from(rate)).floor() as u32;
        let error = ContrastiveDivergence::new(&mut memory, 1, 1, more).map(|_| ());
        let expected = outside(crate::Setting::WeightDecay, 0, most);
        assert_eq!(error.unwrap_err(), expected);
    }
}

#[test]
fn options_out_of_range_and_other_units_are_named() {
    let mut memory = vec![0; storage_words(2, 1, Units::Bernoulli, 0)];
    let mut error = |change: fn(&mut Options)| {
        let mut options = Options::DEFAULT;
        change(&mut options);
        let made = ContrastiveDivergence::new(&mut memory, 2, 1, options);
        made.map(|_| ()).unwrap_err()
    };
    use crate::Setting;
    let bits = outside(Setting::WeightBits, 3, 12);
    assert_eq!(error(|o| o.weight_bits = 2), bits);
    assert_eq!(error(|o| o.weight_bits = u32::MAX), bits);
    assert_eq!(error(|o| o.steps = 0), outside(Setting::Steps, 1, 65_535));
    assert_eq!(error(|o| o.batch = 0), outside(Setting::Batch, 1, 65_535));
    let needed = storage_words(2, 1, Units::Bernoulli, 1) as u32;
    assert_eq!(error(|o| o.chains = 1), Defect::Memory { needed });
    let machine = Machine::random(Units::Bernoulli, 2, 1, 0.5, 4);
    let options = Options {
        units: Units::Gaussian,
        ..Options::DEFAULT
    };
    let error = ContrastiveDivergence::from_model(&mut memory, &machine.rbm(), options);
    let units = Defect::Differs(crate::Difference::Units);
    assert_eq!(error.map(|_| ()).unwrap_err(), units);
}
