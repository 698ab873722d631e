//! Energies within their documented bounds, biases beyond any feature included.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_free_energy_is_within_its_bound(
        visible in 1usize..40, hidden in 1usize..20, seed: u64, gaussian: bool, deviation in 0.02f64..1.0, factor in 0u32..6
    ) {
        let units = if gaussian { Units::Gaussian } else { Units::Bernoulli };
        let mut machine = Machine::random(units, visible, hidden, deviation, seed);
        let mut rng = Generator::from_seed(seed);
        // Standard deviations of 1/2 to 512.
        for bias in &mut machine.visible_biases {
            *bias = bias.saturating_mul(4i32.pow(factor)).clamp(-(1 << 29), 1 << 29);
        }
        let (rbm, exact) = (machine.rbm(), machine.exact());
        let real: Vec<i16> = (0..visible)
            .map(|_| match units {
                Units::Gaussian => rng.next_u32() as i16,
                Units::Bernoulli => (below(&mut rng, 4097)) as i16,
            })
            .collect();
        let v: Vec<f64> = real.iter().map(|x| f64::from(*x) / 4096.0).collect();
        let mut workspace = vec![i32::MAX; rbm.workspace_len()];
        let free = rbm.free_energy(States::Real(&real), &mut workspace).unwrap();
        let expected = exact.free_energy(units, &v);
        let mut bound = 1.5e-4 * hidden as f64 + 7e-5;
        if gaussian {
            let apart = v.iter().zip(&exact.b).map(|(v, b)| (v - b).abs());
            bound += apart.map(|apart| 2f64.powi(-13) * (apart + 2f64.powi(-13))).sum::<f64>();
        }
        // Saturating.
        let shown = expected.clamp(-32_768.0, 32_768.0 - 2f64.powi(-16));
        let error = (f64::from(free) / 65_536.0 - shown).abs();
        prop_assert!(error <= bound, "{} {} {}", free, expected, bound);
        let h = random_bits(&mut rng, hidden);
        let energy = rbm.energy(States::Real(&real), &h, &mut workspace).unwrap();
        let active = exact.hidden_logits(&v).into_iter().enumerate();
        let active: f64 = active.filter(|(i, _)| is_set(&h, *i)).map(|(_, x)| x).sum();
        let expected = exact.visible_energy(units, &v) - active;
        let shown = expected.clamp(-32_768.0, 32_768.0 - 2f64.powi(-16));
        let error = (f64::from(energy) / 65_536.0 - shown).abs();
        prop_assert!(error <= bound, "{} {} {}", energy, expected, bound);
    }
}

#[test]
fn large_parts_of_an_energy_may_cancel() {
    // |v - b|^2 / 2 of 2 (8 + 500)^2 / 2 = 258,064 nats, more than the format holds; two hidden units take most of it.
    let s = Multiplier::from_f64(1.0 / 8.0).unwrap();
    let bias = |nats: f64| (nats * 8.0 * 4096.0) as i32;
    let mut weights = vec![0; 2 * row_stride(2)];
    weights[0] = 1;
    let tensors = Tensors {
        weights: &weights,
        transposed: &[],
        visible_biases: &[bias(500.0); 2],
        hidden_biases: &[bias(60_000.0); 2],
    };
    let rbm = Rbm::new(Units::Gaussian, s, tensors).unwrap();
    let mut workspace = vec![0; rbm.workspace_len()];
    let visible = States::Real(&[i16::MIN; 2]);
    let given = 508.0 * 508.0 - 2.0 * 60_000.0 + 1.0;
    let near = |found: i32, exact: f64| {
        let exact = exact.clamp(-32_768.0, 32_768.0);
        assert!(
            (f64::from(found) / 65_536.0 - exact).abs() < 0.2,
            "{found} {exact}"
        );
    };
    near(rbm.free_energy(visible, &mut workspace).unwrap(), given);
    near(rbm.energy(visible, &[0b11], &mut workspace).unwrap(), given);
}
