//! Any bytes: a typed error, or a model that runs. `cargo xtask check fuzz` builds and runs it.
#![no_main]

use autodidact::backprop::{Corruption, Learner, Memory, Stack, memory_len};
use autodidact::gmm::{Conditional, Gmm};
use autodidact::model::{Body, Model};
use autodidact::rbm::{Gibbs, MeanField, Rbm, States};
use autodidact::rng::Generator;
use autodidact::score::{AnnealedLangevin, Schedule};
use libfuzzer_sys::fuzz_target;

/// Where the header keeps the length of the file, its checksum, and place and length of the text at its end.
const LENGTH: usize = 8;
const CHECKSUM: usize = 12;
const TEXT_OFFSET: usize = 20;
const TEXT_LENGTH: usize = 24;
const HEADER_BYTES: usize = 32;

/// CRC-32 (IEEE 802.3) of everything but its own field, so that the fuzzer gets past it.
fn checksum(bytes: &[u8]) -> u32 {
    let covered = bytes
        .iter()
        .enumerate()
        .filter(|(at, _)| !(CHECKSUM..CHECKSUM + 4).contains(at));
    !covered.fold(!0u32, |crc, (_, byte)| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Makes length, text and checksum those of these bytes.
fn repair(bytes: &mut [u8]) {
    let Ok(length) = u32::try_from(bytes.len()) else {
        return;
    };
    bytes[LENGTH..LENGTH + 4].copy_from_slice(&length.to_le_bytes());
    let text = u32::from_le_bytes(bytes[TEXT_OFFSET..TEXT_OFFSET + 4].try_into().unwrap());
    if let Some(text) = length.checked_sub(text) {
        bytes[TEXT_LENGTH..TEXT_LENGTH + 4].copy_from_slice(&text.to_le_bytes());
    }
    let crc = checksum(bytes);
    bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&crc.to_le_bytes());
}

/// A chain, mean-field inference and energies of a machine.
fn exercise_machine(rbm: &Rbm<'_>, features: &[i16]) {
    let (units, visible, hidden) = (rbm.units(), rbm.visible(), rbm.hidden());
    let mut workspace = vec![0; rbm.workspace_len()];
    rbm.free_energy(States::Real(features), &mut workspace)
        .unwrap();
    let mut memory = vec![0; Gibbs::words(units, visible, hidden)];
    let mut chain = Gibbs::new(*rbm, &mut memory).unwrap();
    chain.set_visible(States::Real(features)).unwrap();
    chain
        .clamp(&vec![0x5555_5555; visible.div_ceil(32)])
        .unwrap();
    let mut rng = Generator::from_seed(1);
    chain.step(&mut rng);
    chain.step(&mut rng);
    rbm.energy(chain.visible(), chain.hidden_bits(), &mut workspace)
        .unwrap();
    chain.visible_means_into(&mut vec![0; visible]).unwrap();
    let mut memory = vec![0; MeanField::words(visible, hidden)];
    let mut field = MeanField::new(*rbm, &mut memory).unwrap();
    field.step();
    field.step();
}

/// Outputs of a stack, and a step of a learner that goes on from it.
fn exercise_stack(stack: &Stack<'_>, features: &[i16]) {
    let mut values = vec![0; stack.values_len()];
    let output = stack.run(features, &mut values).unwrap();
    assert_eq!(output.len(), stack.outputs());
    let [weights, biases, values, errors] = memory_len(stack.widths()).unwrap();
    let memory = Memory {
        weights: &mut vec![0; weights],
        biases: &mut vec![0; biases],
        values: &mut vec![0; values],
        errors: &mut vec![0; errors],
    };
    let mut learner = Learner::new(stack.widths(), stack.hidden(), memory).unwrap();
    learner.start_from_model(stack).unwrap();
    let damage = Corruption::Gaussian { deviation: 4096 };
    learner
        .step(features, &damage, u16::MAX, &mut Generator::from_seed(1))
        .unwrap();
}

fuzz_target!(|data: &[u8]| {
    // An allocation of exactly as many bytes, so that a read behind the end is one that the sanitiser sees.
    let mut bytes = data.to_vec();
    if bytes.len() >= HEADER_BYTES {
        assert!(
            bytes.as_ptr().addr().is_multiple_of(8),
            "the system's allocator aligns to 16"
        );
        repair(&mut bytes);
    }
    let Ok(model) = Model::load(&bytes) else {
        return;
    };
    let width = model.scaler().len();
    let mut features = vec![0; width];
    model
        .scaler()
        .scale_into(&vec![i16::MIN; width], &mut features)
        .unwrap();
    let mut back = vec![0; width];
    model.scaler().unscale_into(&features, &mut back).unwrap();
    for part in model.parts() {
        let count = part.input.scores();
        let (mut scores, mut whitened) = (vec![0; count], vec![0; count]);
        let input = part.input.prepare(&features, &mut scores, &mut whitened);
        let features = input.unwrap();
        let mut back = vec![0; features.len()];
        match &part.body {
            Body::KMeans(kmeans) => {
                let nearest = kmeans.nearest(features).unwrap();
                assert!((nearest.index as usize) < kmeans.k());
                kmeans
                    .distances_into(features, &mut vec![0; kmeans.k()])
                    .unwrap();
            }
            Body::Pca(pca) => {
                let mut scores = vec![0; pca.k()];
                pca.project_into(features, &mut scores).unwrap();
                pca.reconstruct_into(&scores, &mut back).unwrap();
                pca.residual(features, &scores).unwrap();
            }
            Body::Network(network, _) => {
                let mut workspace = vec![0; network.workspace_bytes()];
                let mut output = vec![0; network.outputs()];
                network.run(&mut workspace, features, &mut output).unwrap();
            }
            Body::Gmm(gmm) => {
                let (k, d) = (gmm.k(), gmm.dimensions());
                let mut responsibilities = vec![0; k];
                gmm.responsibilities_into(features, &mut responsibilities)
                    .unwrap();
                assert_eq!(responsibilities.iter().sum::<u32>(), autodidact::gmm::ONE);
                gmm.sample_into(&mut Generator::from_seed(1), &mut back)
                    .unwrap();
                let observed: Vec<bool> = (0..d).map(|at| at % 2 == 0).collect();
                let mut workspace = vec![0; Gmm::condition_words(gmm.covariance(), k, d)];
                let (mut mean, mut variances) = (vec![0; d], vec![0; d]);
                let out = Conditional {
                    responsibilities: &mut responsibilities,
                    mean: &mut mean,
                    variances: &mut variances,
                };
                gmm.condition_into(features, &observed, &mut workspace, out)
                    .unwrap();
            }
            Body::LatentClass(classes) => {
                let mut posterior = vec![0; classes.classes()];
                classes.posterior_into(features, &mut posterior).unwrap();
                assert_eq!(posterior.iter().sum::<u32>(), 1 << 16);
                classes
                    .impute_into(features, &mut posterior, &mut back)
                    .unwrap();
            }
            Body::Rbm(rbm) => exercise_machine(rbm, features),
            Body::Dbn(dbn) => {
                let mut workspace = vec![0; dbn.workspace_len()];
                let mut code = vec![0; dbn.hidden()];
                dbn.up_into(States::Real(features), &mut workspace, &mut code)
                    .unwrap();
                let mut rng = Generator::from_seed(1);
                let mut bits = vec![0; dbn.hidden().div_ceil(32)];
                dbn.sample_up_into(States::Real(features), &mut rng, &mut workspace, &mut bits)
                    .unwrap();
                dbn.down_into(&bits, &mut rng, &mut workspace, &mut back)
                    .unwrap();
                for rbm in dbn.layers() {
                    exercise_machine(rbm, &vec![4096; rbm.visible()]);
                }
            }
            Body::Graph(graph, _) => {
                let mut workspace = vec![0; graph.workspace_bytes()];
                let mut output = vec![0; graph.outputs()];
                let input = vec![i16::MIN; graph.inputs()];
                graph.run(0, &mut workspace, &input, &mut output).unwrap();
                if let Some(len) = graph.code_len() {
                    let mut code = vec![0; len];
                    graph.encode(&mut workspace, &input, &mut code).unwrap();
                    graph.decode(&mut workspace, &code, &mut output).unwrap();
                }
            }
            Body::Score(network) => {
                let d = network.dimensions();
                let mut workspace = vec![0; network.workspace_bytes()];
                let mut memory = vec![0; network.features_len()];
                let score = network.with_memory(&mut workspace, &mut memory).unwrap();
                let (mut state, mut residual) = (vec![0; d], vec![0; d]);
                let schedule = Schedule::new(1 << 30, 1, true).unwrap();
                let walk = AnnealedLangevin::new(score, schedule, &mut state, &mut residual);
                let (mut walk, mut rng) = (walk.unwrap(), Generator::from_seed(1));
                walk.scatter(&mut rng);
                while walk.step(&mut rng).unwrap().is_some_and(|at| at.done < 20) {}
            }
            Body::Stack(stack, _) => exercise_stack(stack, features),
            _ => {}
        }
    }
});
