//! Rows that no textbook has: equal ones, constant features, rank one, extremes, outliers; floors at their ends.

use super::*;
use crate::awkward;

const FLOORS: [i64; 8] = [
    0,
    1,
    LEAST_FLOOR,
    COVARIANCE_ONE >> 8,
    COVARIANCE_ONE,
    i64::MAX,
    -1,
    i64::MIN,
];

fn is_valid(model: &Gmm<'_>) -> bool {
    Gmm::new(model.covariance(), model.dimensions(), model.tensors()).is_ok()
}

/// Whatever a mixture is asked, at a random place.
fn answers_hold(model: &Gmm<'_>, rng: &mut Generator) -> Result<(), TestCaseError> {
    let (k, d) = (model.k(), model.dimensions());
    let style = rng.next_u32() % awkward::STYLES;
    let x: Vec<i16> = (0..d).map(|_| awkward::value(rng, style)).collect();
    let observed: Vec<bool> = (0..d).map(|_| rng.next_u32() >> 31 == 1).collect();
    let mut shares = std::vec![0; k];
    let log = model.responsibilities_into(&x, &mut shares).unwrap();
    prop_assert_eq!(shares.iter().sum::<u32>(), ONE);
    prop_assert_eq!(log, model.log_likelihood(&x).unwrap());
    condition::check(model, &x, &observed)?;
    condition::check(model, &x, &std::vec![true; d])?;
    let mut drawn = std::vec![0; d];
    for _ in 0..3 {
        prop_assert!((model.sample_into(rng, &mut drawn).unwrap() as usize) < k);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn awkward_rows_are_fitted_without_a_fall_or_an_invalid_model(
        seed: u64, d in 1usize..=5, k in 1usize..=4, n in 1usize..=20, floor in 0usize..8, on_rows: bool
    ) {
        let mut rng = Generator::from_seed(seed);
        let rows = awkward::rows(&mut rng, n, d);
        let style = rng.next_u32() % awkward::STYLES;
        let centroids: Vec<i16> = (0..k * d)
            .map(|i| if on_rows { rows[i % rows.len()] } else { awkward::value(&mut rng, style) })
            .collect();
        for covariance in KINDS {
            let mut memory = std::vec![0; BatchEm::words(covariance, k, d)];
            let mut em = BatchEm::new(&mut memory, covariance, k, d, FLOORS[floor]).unwrap();
            em.start_from_centroids(&rows, &centroids).unwrap();
            let mut before = em.expectation(&rows).unwrap();
            for _ in 0..12 {
                em.maximization().unwrap();
                prop_assert!(is_valid(&em.model().unwrap()));
                let now = em.expectation(&rows).unwrap();
                let gain = (now - before) as f64 / 65_536.0 / n as f64;
                // With correlations a raised pivot may cost: `the_log_likelihood_never_falls` tells those apart.
                prop_assert!(covariance != Covariance::Diagonal || gain > -tolerance(d), "{}", gain);
                before = now;
            }
            answers_hold(&em.model().unwrap(), &mut rng)?;
        }
    }

    #[test]
    fn awkward_streams_leave_a_valid_model_after_every_row(
        seed: u64, d in 1usize..=5, k in 1usize..=4, n in 1usize..=20, floors in [0usize..8, 0usize..8],
        exponent in 0usize..5, least in 0usize..4, seen in 0usize..4
    ) {
        let mut rng = Generator::from_seed(seed);
        let (first, rows) = (awkward::rows(&mut rng, n, d), awkward::rows(&mut rng, n, d));
        let rate = Rate::new([0, 1 << 15, 40_000, 45_875, 1 << 16][exponent], [0, 1, 655, u16::MAX][least]).unwrap();
        for covariance in KINDS {
            let mut memory = std::vec![0; BatchEm::words(covariance, k, d)];
            let mut em = BatchEm::new(&mut memory, covariance, k, d, FLOORS[floors[0]]).unwrap();
            let centroids: Vec<i16> = (0..k * d).map(|i| first[i % first.len()]).collect();
            em.start_from_centroids(&first, &centroids).unwrap();
            let start = em.model().unwrap();
            let mut memory = std::vec![0; StepwiseEm::words(covariance, k, d)];
            let seen = [0, 1, 100, u32::MAX][seen];
            let mut em = match StepwiseEm::from_model(&mut memory, &start, seen, rate, FLOORS[floors[1]]) {
                Ok(em) => em,
                Err(Defect::Variance { component, feature }) => {
                    let variances = exact::Factor::of(&start, usize::from(component)).variances();
                    prop_assert!(variances[usize::from(feature)] > 127.99, "{:?}", variances);
                    continue;
                }
                Err(defect) => return Err(TestCaseError::fail(std::format!("{defect}"))),
            };
            for row in rows.chunks(d).cycle().take(3 * n) {
                em.step(row).unwrap();
                prop_assert!(is_valid(&em.model().unwrap()));
            }
            answers_hold(&em.model().unwrap(), &mut rng)?;
        }
    }
}

#[test]
fn a_component_that_never_gets_rows_obeys_a_high_floor_too() {
    // All rows at one place, all components there: the first takes them, the others keep what they have.
    for covariance in KINDS {
        let (k, d) = (4, 5);
        let mut memory = std::vec![0; BatchEm::words(covariance, k, d)];
        let mut em = BatchEm::new(&mut memory, covariance, k, d, i64::MAX).unwrap();
        let rows = [7; 20];
        em.start_from_centroids(&rows, &[7; 20]).unwrap();
        let mut before = em.expectation(&rows).unwrap();
        for _ in 0..5 {
            em.maximization().unwrap();
            let now = em.expectation(&rows).unwrap();
            assert!(now >= before - 4, "{covariance:?}: {before} then {now}");
            before = now;
        }
        let model = em.model().unwrap();
        for j in 0..k {
            for variance in exact::Factor::of(&model, j).variances() {
                assert!((variance - 32.0).abs() < 0.01, "{covariance:?}: {variance}");
            }
        }
    }
}
