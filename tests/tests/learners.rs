//! Learning on the device: every learner gives the host's bits on every core, and on the digits it comes as
//! close to f64 as it should.

use autodidact::model::Model;
use autodidact_tests::image::assert_no_panic_path;
use autodidact_tools::data::{self, Table};
use autodidact_tools::emulator::{self, Core, Image, LearnRun};
use autodidact_tools::learn::{self, Comparison, Config, Problem};
use autodidact_tools::replay;
use autodidact_tools::train::random;

/// Every learner, in few passes over few rows.
const SMALL: [&str; 16] = [
    "learner = 'kmeans'\nk = 4\npasses = 9\nrows = 'all'",
    "learner = 'kmeans'\nk = 3\npasses = 9\nseed = 7\nseeding = 'random'\nresident = 20",
    "learner = 'kmeans-online'\nk = 4\npasses = 2\nresident = 16\nstart-rounds = 2\nwindow = 50\npatience = 20",
    "learner = 'pca'\nk = 3\npasses = 2\nwindow = 40",
    "learner = 'gmm'\nk = 3\npasses = 4\nscale = 'standard'",
    "learner = 'gmm'\nk = 2\npasses = 30\ncovariance = 'tied'\ntolerance = 0.001",
    "learner = 'gmm'\nk = 2\npasses = 4\ncovariance = 'full'\ncomponents = 4",
    "learner = 'gmm-stepwise'\nk = 3\npasses = 2\nresident = 24\nleast-rate = 0.01\ncomponents = 5",
    "learner = 'gmm-stepwise'\nk = 2\npasses = 2\ncovariance = 'full'\nresident = 24\nem-rounds = 2",
    "learner = 'latent-class'\nk = 3\npasses = 6",
    "learner = 'latent-class-stepwise'\nk = 2\npasses = 2\nresident = 30\nmemory = 100",
    "learner = 'rbm'\nk = 5\npasses = 3\nbatch = 8\nsteps = 2",
    "learner = 'rbm'\nk = 3\npasses = 2\nbatch = 4\nunits = 'gaussian'\nchains = 3\nweight-decay = 0.01\nschedule = 'constant'\nlearning-rate = 0.01",
    "learner = 'autoencoder'\nhidden = [5, 2, 5]\npasses = 2\nactivation = 'sigmoid'",
    "learner = 'denoiser'\nhidden = [6]\npasses = 2\nactivation = 'elu'\ncorruption = 'masking'\nschedule = 'constant'",
    "learner = 'denoiser'\nhidden = [3]\npasses = 2\nactivation = 'relu'\ncorruption = 'salt-and-pepper'\nscale = 'standard'",
];

/// Eighty rows around four places, seven columns with something in common, and one of levels.
fn small() -> Table {
    let mut generator = random::generator(11, 0);
    let values = (0..80)
        .flat_map(|row| {
            let place = (row % 4) as f32;
            let [a, b]: [f32; 2] = std::array::from_fn(|_| random::normal(&mut generator));
            let noise: [f32; 7] = std::array::from_fn(|_| random::normal(&mut generator));
            std::array::from_fn::<f32, 8, _>(|at| {
                let way = if at % 2 == 0 { a } else { b };
                match noise.get(at) {
                    Some(noise) => 8.0 * place + 3.0 * way + noise * (1 + at) as f32,
                    // A column of levels.
                    None => (place + 2.0 * a).round().clamp(0.0, 5.0),
                }
            })
        })
        .collect();
    Table::new("made.csv", Table::numbered_columns(8), values).unwrap()
}

/// Learns on `core`, and asks that the host learns the same.
fn same_bits(core: Core, config: &str, table: &Table) -> (Problem, LearnRun) {
    let config = Config::parse(config, "test").unwrap();
    let problem = Problem::new(&config, table).unwrap();
    let model = Model::load(&problem.container).unwrap();
    let host = learn::learn(&model, &problem.settings, &problem.counts).unwrap();
    let device =
        emulator::learn(core, &problem.container, &problem.settings, &problem.counts).unwrap();
    assert!(
        !host.is_empty() && device.results == host,
        "{core} differs from the host: {config:?}"
    );
    (problem, device)
}

fn every_learner(core: Core) {
    let table = small();
    for config in SMALL {
        let (problem, run) = same_bits(core, config, &table);
        let states = learn::decode(&problem, &run.results).unwrap();
        assert_eq!(states.len(), run.passes.len() + 1);
        assert_ne!(states.first(), states.last(), "something was learnt");
        assert!(run.learner_bytes > 0 && run.stack_bytes > 0);
        assert!(
            run.passes
                .iter()
                .all(|pass| pass.longest <= pass.instructions && pass.longest > 0)
        );
        // What was learnt makes a container that loads.
        let learnt = states.last().map(|state| &state.learnt);
        Model::load(&problem.encode(learnt).unwrap()).unwrap();
    }
}

#[test]
fn every_learner_gives_the_host_s_bits_on_the_m4() {
    every_learner(Core::M4);
}

#[test]
fn every_learner_gives_the_host_s_bits_on_the_m33() {
    every_learner(Core::M33);
}

#[test]
fn every_learner_gives_the_host_s_bits_on_the_m0plus() {
    every_learner(Core::M0Plus);
}

#[test]
fn every_learner_gives_the_host_s_bits_on_the_m55() {
    every_learner(Core::M55);
}

#[test]
fn every_learner_gives_the_host_s_bits_on_the_rv32() {
    every_learner(Core::Rv32);
}

#[test]
fn images_with_every_learner_and_every_part_have_no_panic_path() {
    for image in [Image::Learn, Image::Replay] {
        for core in image.cores() {
            assert_no_panic_path(&emulator::build(core, image).unwrap());
        }
    }
    // What is looked for is there to be found: this one panics on request.
    let crash = emulator::build(Core::M4, Image::Crash).unwrap();
    assert!(!emulator::panic_symbols(&crash).unwrap().is_empty());
}

/// What the example `name` learns from the digits on the M4.
fn digits(name: &str) -> Vec<Comparison> {
    learnt_from_digits(name, &example(name))
}

fn example(name: &str) -> String {
    let file = format!(
        "{}/../examples/learn/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(file).unwrap()
}

fn learnt_from_digits(name: &str, config: &str) -> Vec<Comparison> {
    let table = data::digits()
        .unwrap()
        .scaled(1.0 / data::DIGIT_MAX)
        .unwrap();
    let (problem, run) = same_bits(Core::M4, config, &table);
    let states = learn::decode(&problem, &run.results).unwrap();
    let comparisons = learn::judge(&problem, &states).unwrap();
    for comparison in &comparisons {
        println!(
            "{name}: {} {:.4} against {:.4}; {} bytes, longest step {}",
            comparison.label,
            comparison.last(),
            comparison.reference,
            run.learner_bytes,
            run.passes.iter().map(|pass| pass.longest).max().unwrap()
        );
    }
    comparisons
}

#[test]
fn a_boltzmann_machine_learnt_on_the_core_explains_rows_it_never_saw() {
    let [_, held_out] = &digits("rbm")[..] else {
        panic!("two figures");
    };
    // f32 on the host reaches -18.29 +- 0.11, independent pixels -25.25.
    assert!(held_out.last() >= -18.9, "{}", held_out.last());
    assert!(held_out.reference >= -18.9, "{}", held_out.reference);
}

#[test]
fn layers_learnt_on_the_core_restore_rows_as_f64_does() {
    for name in ["autoencoder", "denoiser"] {
        let [learnt, held_out] = &digits(name)[..] else {
            panic!("two figures");
        };
        for figure in [learnt, held_out] {
            let off = figure.difference(figure.last());
            assert!(off.abs() <= 3.0, "{name}: {off}");
        }
    }
}

#[test]
fn learning_goes_on_from_what_another_core_has_learnt() {
    let table = small();
    let config = "learner = 'denoiser'\nhidden = [6]\npasses = 2\nactivation = 'elu'";
    let (first, run) = same_bits(Core::M4, config, &table);
    let states = learn::decode(&first, &run.results).unwrap();
    let learnt = states.last().map(|state| &state.learnt);
    let stored = first.encode(learnt).unwrap();
    // What is stored runs, on the core as on the host.
    let host = replay::replay(&Model::load(&stored).unwrap(), &first.held_out_counts).unwrap();
    let device = emulator::replay(Core::M4, &stored, &first.held_out_counts).unwrap();
    assert!(!host.is_empty() && device.results == host);
    let config = Config::parse(config, "test").unwrap();
    let mut next = Problem::new(&config, &table).unwrap();
    next.start_from(&Model::load(&stored).unwrap()).unwrap();
    let model = Model::load(&next.container).unwrap();
    let host = learn::learn(&model, &next.settings, &next.counts).unwrap();
    let device =
        emulator::learn(Core::Rv32, &next.container, &next.settings, &next.counts).unwrap();
    assert!(device.results == host);
    let resumed = learn::decode(&next, &host).unwrap();
    assert_eq!(resumed.first().map(|state| &state.learnt), learnt);
    assert_ne!(resumed.last().map(|state| &state.learnt), learnt);
    // What was scaled in another way, or has other layers, is refused.
    let refused = |config: &str| {
        let config = Config::parse(config, "test").unwrap();
        let mut problem = Problem::new(&config, &table).unwrap();
        let error = problem.start_from(&Model::load(&stored).unwrap());
        error.unwrap_err().to_string()
    };
    let base = "learner = 'denoiser'\npasses = 2\nactivation = 'elu'\n";
    assert!(refused(&format!("{base}hidden = [6]\nscale = 'standard'")).contains("--scale"));
    assert!(refused(&format!("{base}hidden = [5]")).contains("widths"));
    assert!(refused("learner = 'pca'\nk = 2\npasses = 1").contains("only autoencoders"));
}

#[test]
fn lloyd_comes_within_half_a_per_cent_of_f64() {
    let [inertia] = &digits("kmeans")[..] else {
        panic!("one figure");
    };
    assert!(inertia.difference(inertia.last()).abs() <= 0.5);
}

#[test]
fn k_means_along_the_stream_comes_within_three_per_cent_after_five_passes() {
    // From the best of ten starts. From a single one a seed of ten is off by 6 %: where f64 leaves a poor place
    // after many rounds, five passes do not.
    let example = example("kmeans-online");
    let off: Vec<f64> = (1..=5)
        .map(|seed| {
            let config = example.replace("seed = 2", &format!("seed = {seed}"));
            let [inertia] = &learnt_from_digits("kmeans-online", &config)[..] else {
                panic!("one figure");
            };
            assert_eq!(inertia.device.len(), 6);
            inertia.difference(inertia.last())
        })
        .collect();
    assert!(off.iter().all(|off| *off <= 3.0), "{off:?}");
}

#[test]
fn learnt_components_capture_what_exact_ones_do() {
    let [all, two, orthonormality] = &digits("pca")[..] else {
        panic!("three figures");
    };
    // Published for all rows: 84.9 and 28.5 %.
    assert!((all.last() - 84.9).abs() <= 0.5, "{}", all.last());
    assert!((two.last() - 28.5).abs() <= 0.5, "{}", two.last());
    assert!((all.reference - 84.94).abs() < 0.01 && (two.reference - 28.51).abs() < 0.01);
    assert!(orthonormality.last() <= 0.002);
}

#[test]
fn mixtures_come_close_to_f64_from_the_same_start() {
    for (name, tolerance) in [("gmm-diagonal", 0.15), ("gmm-full", 0.3)] {
        let comparisons = digits(name);
        assert_eq!(comparisons.len(), 2);
        for comparison in comparisons {
            let off = comparison.difference(comparison.last());
            assert!(off.abs() <= tolerance, "{name}: {off}");
        }
    }
}

#[test]
fn a_mixture_along_the_stream_comes_close_to_converged_em_in_five_passes() {
    for comparison in digits("gmm-stepwise") {
        let off = comparison.difference(comparison.last());
        assert!(off >= -0.3, "{off}");
    }
}

/// Shades 0 to 16 as levels: 64 categorical columns.
fn levels(config: &str) -> Vec<Comparison> {
    let (problem, run) = same_bits(Core::M4, config, &data::digits().unwrap());
    let states = learn::decode(&problem, &run.results).unwrap();
    let comparisons = learn::judge(&problem, &states).unwrap();
    for comparison in &comparisons {
        println!(
            "latent classes: {} {:.4} against {:.4}; {} bytes, longest step {}",
            comparison.label,
            comparison.last(),
            comparison.reference,
            run.learner_bytes,
            run.passes.iter().map(|pass| pass.longest).max().unwrap()
        );
    }
    comparisons
}

#[test]
fn latent_classes_come_close_to_f64_from_the_same_start() {
    // Random classes are nearly alike, so that rounding may send EM another way: a row has some 95 nats.
    let comparisons = levels("learner = 'latent-class'\nk = 10\npasses = 100\nseed = 3");
    assert_eq!(comparisons.len(), 2);
    for comparison in comparisons {
        let off = comparison.difference(comparison.last());
        assert!(off.abs() <= 0.5, "{off}");
    }
}

#[test]
fn latent_classes_along_the_stream_come_close_to_converged_em_in_five_passes() {
    for comparison in levels(&example("latent-class-stepwise")) {
        let off = comparison.difference(comparison.last());
        assert!(off >= -1.0, "{off}");
    }
}
