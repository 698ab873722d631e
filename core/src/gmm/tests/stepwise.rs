//! Learning from a stream.

use super::*;

#[test]
fn stepwise_em_finds_the_mixture_of_a_stream_and_follows_it() {
    let mut rng = Generator::from_seed(6);
    for covariance in KINDS {
        let (k, d) = (3, 3);
        let oracle = Oracle::random(&mut rng, covariance, k, d, (0.3, 0.8), 0.5);
        let mut start = oracle.clone();
        start
            .means
            .iter_mut()
            .flatten()
            .for_each(|m| *m += uniform(&mut rng) - 0.5);
        start
            .covariances
            .iter_mut()
            .flatten()
            .for_each(|c| *c *= 2.0);
        let mut first = std::vec![0; Parameters::words(covariance, k, d)];
        let start = start.quantise(&mut first, covariance);
        let mut memory = std::vec![0; StepwiseEm::words(covariance, k, d)];
        let rate = Rate::new(45_875, 0).unwrap(); // 0.7
        let mut em =
            StepwiseEm::from_model(&mut memory, &start.model().unwrap(), 50, rate, 1 << 42)
                .unwrap();
        for _ in 0..6000 {
            em.step(&oracle.sample(&mut rng)).unwrap();
        }
        let model = em.model().unwrap();
        assert!(Gmm::new(covariance, d, model.tensors()).is_ok());
        let (mut ours, mut exact) = (0.0, 0.0);
        for _ in 0..2000 {
            let x = oracle.sample(&mut rng);
            ours += f64::from(model.log_likelihood(&x).unwrap()) / 65_536.0 / 2000.0;
            exact += oracle.log_likelihood(&features(&x)) / 2000.0;
        }
        std::println!("stepwise {covariance:?}: {ours} {exact}");
        assert!(ours > exact - 0.05, "{covariance:?} {ours} {exact}");
    }
}

#[test]
fn statistics_of_a_model_give_it_back() {
    let mut rng = Generator::from_seed(7);
    for covariance in KINDS {
        let oracle = Oracle::random(&mut rng, covariance, 3, 4, (0.1, 1.0), 0.6);
        let mut first = std::vec![0; Parameters::words(covariance, 3, 4)];
        let start = oracle.quantise(&mut first, covariance);
        let model = start.model().unwrap();
        let mut memory = std::vec![0; StepwiseEm::words(covariance, 3, 4)];
        // A million rows ago: one row changes nothing that can be seen.
        let rate = Rate::new(1 << 16, 0).unwrap();
        let mut em = StepwiseEm::from_model(&mut memory, &model, 1 << 24, rate, 1 << 40).unwrap();
        for _ in 0..4 {
            em.step(&oracle.sample(&mut rng)).unwrap();
        }
        for _ in 0..200 {
            let x = oracle.sample(&mut rng);
            let difference =
                em.model().unwrap().log_likelihood(&x).unwrap() - model.log_likelihood(&x).unwrap();
            assert!(difference.abs() < 400, "{covariance:?} {difference}");
        }
    }
}

#[test]
fn the_rate_is_a_power_of_the_row_number() {
    let rate = Rate::new(39_322, 655).unwrap(); // 0.6, 1/100
    for t in [0, 1, 10, 100, 1000, 100_000, u32::MAX] {
        let exact = (f64::from(t) + 2.0).powf(-0.6).max(655.0 / 65_536.0) * 65_536.0;
        assert!(
            (f64::from(rate.at(t)) - exact).abs() < 2.0 + exact * 1e-4,
            "{t}"
        );
    }
    assert_eq!(Rate::new(1 << 16, 0).unwrap().at(0), 1 << 15);
    let outside = Defect::Setting {
        setting: crate::Setting::Exponent,
        least: 0,
        most: 1 << 16,
    };
    assert_eq!(Rate::new((1 << 16) + 1, 0), Err(outside));
}

#[test]
fn parameters_take_those_of_their_own_kind_and_shape_only() {
    let make = |covariance, k, memory: &mut std::vec::Vec<i64>| {
        memory.resize(Parameters::words(covariance, k, 3), 0);
    };
    for (own, other) in KINDS
        .into_iter()
        .flat_map(|own| KINDS.map(|other| (own, other)))
    {
        let (mut memory, mut others) = (std::vec![], std::vec![]);
        make(own, 2, &mut memory);
        make(other, 2, &mut others);
        let mut parameters = Parameters::new(&mut memory, own, 2, 3).unwrap();
        let from = Parameters::new(&mut others, other, 2, 3).unwrap();
        let taken = parameters.copy_from(&from.model().unwrap());
        let differs = Defect::Differs(crate::Difference::Covariance);
        let expected = if own == other { Ok(()) } else { Err(differs) };
        assert_eq!(taken, expected);
        make(own, 1, &mut others);
        let from = Parameters::new(&mut others, own, 1, 3).unwrap();
        let taken = parameters.copy_from(&from.model().unwrap());
        assert_eq!(taken, Err(Defect::Shape));
    }
}
