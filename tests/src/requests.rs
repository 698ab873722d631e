//! What the tests ask of the small containers beside this file.

use anyhow::Result;
use autodidact::latent_class::MISSING;
use autodidact::model::Model;
use autodidact::restore::{Noise, Settings};
use autodidact::score::{ONE, Schedule};
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::replay;
use autodidact_tools::restoration::{Damage, Descents};

use crate::small::random_counts;

/// Parts of [`graphs::container`](crate::graphs::container).
const GENERATOR: usize = 2;
const SCORE: usize = 4;

const PIXELS: usize = 16;

/// Four steps a level.
fn schedule(denoise: bool) -> Schedule {
    Schedule::new(3 << 28, 4, denoise).expect("a walk")
}

fn request(part: usize, work: Work) -> Request {
    let seed = 2026 + (7 << 40);
    Request { part, seed, work }
}

/// The first two thirds of a row.
fn known() -> Vec<bool> {
    (0..PIXELS).map(|at| at % 3 < 2).collect()
}

/// Five rows, restored in 20 steps.
fn descents(damage: Damage, noise: Noise, level: u16, sigma: u32) -> Work {
    let settings = Settings {
        steps: 20,
        ..Settings::new(level, sigma)
    };
    Work::Descents(Descents {
        observed: random_counts(5, PIXELS, 12),
        damage,
        noise,
        settings,
        sigma,
    })
}

fn blur() -> Damage {
    Damage::gaussian(1.0, [4, 4]).expect("a blur")
}

/// Walks, with and without something known, runs of the generator, descents with every damage.
#[must_use]
pub fn of_graphs() -> Vec<Request> {
    let known_noise = Noise::Known(ONE.unsigned_abs() / 8);
    let sigma = ONE.unsigned_abs();
    let works = [
        Work::Walks {
            schedule: schedule(true),
            samples: 5,
        },
        Work::Walks {
            schedule: schedule(false),
            samples: 2,
        },
        Work::FillIn {
            schedule: schedule(true),
            known: known(),
            counts: random_counts(3, PIXELS, 11),
            draws: 2,
        },
        descents(Damage::None, known_noise, 2, sigma / 4),
        descents(Damage::Unknown(known()), Noise::Known(0), 1, sigma),
        descents(blur(), known_noise, 1, sigma),
        descents(blur(), Noise::Blind, 2, sigma / 4),
    ];
    let mut requests = works.map(|work| request(SCORE, work)).to_vec();
    requests.push(request(GENERATOR, Work::Runs { samples: 6 }));
    let consistent = Work::Walks {
        schedule: schedule(true).consistent(),
        samples: 3,
    };
    requests.push(request(SCORE, consistent));
    requests
}

/// Descents by the denoiser of [`graphs::container`](crate::graphs::container), the first of its parts.
#[must_use]
pub fn of_graph_denoiser() -> Vec<Request> {
    let sigma = ONE.unsigned_abs() / 4;
    [
        descents(Damage::None, Noise::Known(sigma), 0, sigma),
        descents(blur(), Noise::Blind, 0, sigma),
    ]
    .map(|work| request(0, work))
    .to_vec()
}

/// Chains of the three parts of [`small::energy`](crate::small::energy).
#[must_use]
pub fn of_energy() -> Vec<Request> {
    let chain = |part| {
        let (steps, samples) = (3, 6);
        request(part, Work::Chain { steps, samples })
    };
    (0..3).map(chain).collect()
}

/// Samples of the mixtures and classes of [`small::classical`](crate::small::classical), one mixture behind components.
#[must_use]
pub fn of_classical() -> Vec<Request> {
    let samples = 8;
    let mixtures = (3..7).map(|part| request(part, Work::Mixture { samples }));
    let given = [[MISSING; 4], [1, MISSING, MISSING, 300]];
    let classes = given.map(|given| {
        let given = given.to_vec();
        request(7, Work::Classes { given, samples })
    });
    mixtures.chain(classes).collect()
}

/// Descents by the dense denoiser of [`small::every_kind`](crate::small::every_kind) over 16 features.
#[must_use]
pub fn of_denoiser() -> Vec<Request> {
    let sigma = ONE.unsigned_abs() / 3;
    let known_noise = Noise::Known(sigma / 2);
    [
        descents(blur(), known_noise, 0, sigma),
        descents(Damage::Unknown(known()), Noise::Known(0), 0, sigma),
    ]
    .map(|work| request(2, work))
    .to_vec()
}

/// What the golden container of graphs gives: every part over 20 rows, then every request.
///
/// # Errors
///
/// The model is another one.
pub fn results_of_graphs(model: &Model<'_>) -> Result<Vec<u8>> {
    let counts = random_counts(20, model.scaler().len(), 10);
    let mut results = replay::replay(model, &counts)?;
    for request in of_graphs() {
        let rows = request.on_host(model)?;
        results.extend(rows.iter().flat_map(|x| x.to_le_bytes()));
    }
    Ok(results)
}
