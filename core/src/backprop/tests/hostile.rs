//! Learning from states that no learning leads to.

use super::*;
use proptest::prelude::*;

/// One of the ends, something small, or anything.
fn extreme(rng: &mut Generator, least: i32, most: i32) -> i32 {
    match rng.next_u32() % 6 {
        0 => least,
        1 => most,
        2 => 0,
        3 => 1,
        4 => -1,
        _ => least.max((rng.next_u32().cast_signed() >> (rng.next_u32() % 31)).min(most)),
    }
}

fn extreme_half(rng: &mut Generator) -> i16 {
    extreme(rng, i16::MIN.into(), i16::MAX.into()) as i16
}

/// The weighted sum of a unit as it should be rounded, in i128.
fn sum(weights: &[i16], bias: i32, x: &[i16]) -> i16 {
    let products = weights
        .iter()
        .zip(x)
        .map(|(w, x)| i128::from(*w) * i128::from(*x));
    let exact = i128::from(bias) + products.sum::<i128>();
    ((exact + (1 << 12)) >> 13).clamp(-32_768, 32_767) as i16
}

/// `f` in f64.
fn function(hidden: Hidden, z: i16) -> f64 {
    let z = f64::from(z) / 4096.0;
    match hidden {
        Hidden::Relu => z.max(0.0),
        Hidden::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        Hidden::Tanh => z.tanh(),
        Hidden::Elu => {
            if z < 0.0 {
                z.exp_m1()
            } else {
                z
            }
        }
    }
}

/// All layers' values after a pass, against sums in wide integers and functions in f64.
fn pass_is_right(stack: &Stack<'_>, x: &[i16]) -> Result<Vec<i16>, TestCaseError> {
    let mut values = vec![0; stack.values_len()];
    let output = stack.run(x, &mut values).unwrap().to_vec();
    let (mut weights, mut biases, mut at) = (stack.weights(), stack.biases(), 0);
    let count = stack.widths().len() - 1;
    for (layer, pair) in stack.widths().windows(2).enumerate() {
        let [inputs, outputs] = [usize::from(pair[0]), usize::from(pair[1])];
        let (input, behind) = values[at..].split_at(inputs);
        for (unit, row) in weights[..inputs * outputs].chunks(inputs).enumerate() {
            let z = sum(row, biases[unit], input);
            if layer + 1 == count {
                prop_assert_eq!(behind[unit], z);
            } else {
                let exact = function(stack.hidden(), z) * 4096.0;
                prop_assert!(
                    (f64::from(behind[unit]) - exact).abs() <= 2.0,
                    "{} {}",
                    behind[unit],
                    exact
                );
            }
        }
        (weights, biases, at) = (
            &weights[inputs * outputs..],
            &biases[outputs..],
            at + inputs,
        );
    }
    Ok(output)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn a_step_from_any_state_goes_down_the_gradient_or_stays_at_the_end_of_the_format(
        seed: u64, inner in proptest::collection::vec(1u16..=5, 0..=3), ends in 1u16..=5,
        hidden in prop::sample::select(vec![Hidden::Relu, Hidden::Sigmoid, Hidden::Tanh, Hidden::Elu]),
        rounding in prop::sample::select(vec![Rounding::Nearest, Rounding::Stochastic]),
        rate in prop::sample::select(vec![0u16, 1, 300, u16::MAX])
    ) {
        let mut rng = Generator::from_seed(seed);
        let widths: Vec<u16> = [vec![ends], inner, vec![ends]].concat();
        let [weights, biases, values, errors] = memory_len(&widths).unwrap();
        let mut weights: Vec<i16> = (0..weights).map(|_| extreme_half(&mut rng)).collect();
        let mut biases: Vec<i32> = (0..biases).map(|_| extreme(&mut rng, i32::MIN, i32::MAX)).collect();
        let (mut values, mut errors) = (vec![0; values], vec![0; errors]);
        let memory = Memory {
            weights: &mut weights,
            biases: &mut biases,
            values: &mut values,
            errors: &mut errors,
        };
        let layers = widths.len() - 1;
        let first = rng.next_u32() as usize % layers;
        let mut learner = Learner::new(&widths, hidden, memory).unwrap().rounding(rounding).learn_from(first).unwrap();
        let damage = [
            Corruption::None,
            Corruption::Masking { probability: u16::MAX, value: i16::MIN },
            Corruption::Gaussian { deviation: u16::MAX },
            Corruption::SaltAndPepper { probability: u16::MAX, values: [i16::MIN, i16::MAX] },
        ];
        for step in 0..12 {
            let x: Vec<i16> = (0..ends).map(|_| extreme_half(&mut rng)).collect();
            let (old, old_biases) = (learner.model().weights().to_vec(), learner.model().biases().to_vec());
            // The damage of the same words.
            let damage = &damage[step % damage.len()];
            let mut damaged = vec![0; x.len()];
            damage.apply_into(&x, &mut rng.clone(), &mut damaged).unwrap();
            let output = pass_is_right(&learner.model(), &damaged)?;
            let squared = learner.step(&x, damage, rate, &mut rng).unwrap();
            let exact: u64 = output.iter().zip(&x).map(|(y, x)| u64::from(y.abs_diff(*x)).pow(2)).sum();
            prop_assert_eq!(squared, exact);
            let model = learner.model();
            prop_assert!(Stack::new(&widths, hidden, model.weights(), model.biases()).is_ok());
            // What does not learn is left alone, and nothing learns at a rate of 0.
            let frozen = if rate == 0 { layers } else { first };
            let counts = |layers: usize| widths.windows(2).take(layers).fold((0, 0), |(weights, biases), pair| {
                let [inputs, outputs] = [usize::from(pair[0]), usize::from(pair[1])];
                (weights + inputs * outputs, biases + outputs)
            });
            let (kept, kept_biases) = counts(frozen);
            prop_assert_eq!(&model.weights()[..kept], &old[..kept]);
            prop_assert_eq!(&model.biases()[..kept_biases], &old_biases[..kept_biases]);
            // The last layer's step in f64: -rate e y, to one unit of 2^-13, saturating.
            let mut inner = vec![0; model.values_len()];
            let stack = Stack::new(&widths, hidden, &old, &old_biases).unwrap();
            stack.run(&damaged, &mut inner).unwrap();
            let inputs = usize::from(widths[layers - 1]);
            let below = &inner[inner.len() - usize::from(ends) - inputs..][..inputs];
            let (at, at_bias) = counts(layers - 1);
            for (unit, (y, x)) in output.iter().zip(&x).enumerate() {
                let signal = (f64::from(*y) - f64::from(*x)) / 4096.0 * f64::from(rate) / 65_536.0;
                for (input, below) in below.iter().enumerate() {
                    let index = at + unit * inputs + input;
                    let step = signal * f64::from(*below) / 4096.0 * 8192.0;
                    let exact = (f64::from(old[index]) - step).clamp(-32_768.0, 32_767.0);
                    let new = f64::from(model.weights()[index]);
                    prop_assert!((new - exact).abs() <= 1.0, "{} {}", new, exact);
                }
                let exact = f64::from(old_biases[at_bias + unit]) - signal * f64::from(1 << 25);
                let exact = exact.clamp(f64::from(i32::MIN), f64::from(i32::MAX));
                let new = f64::from(model.biases()[at_bias + unit]);
                prop_assert!((new - exact).abs() <= 1.0, "{} {}", new, exact);
            }
        }
    }
}
