//! The loader is total: any bytes give a typed error or a model that cannot fail afterwards.

use autodidact::Defect;
use autodidact::backprop::{Corruption, Learner, Memory, Stack, memory_len};
use autodidact::gmm::{Conditional, Gmm};
use autodidact::kernels::Order;
use autodidact::latent_class::MISSING;
use autodidact::model::{Body, LoadError, Model, PartError};
use autodidact::rbm::{Gibbs, MeanField, Rbm, States};
use autodidact::rng::Generator;
use autodidact::score::{AnnealedLangevin, Schedule};
use autodidact_tests::{graphs, mutate, small};
use autodidact_tools::quantize::AlignedBytes;
use autodidact_tools::replay;

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

/// Runs everything that a loaded model offers, with the shapes it names.
fn exercise(model: &Model<'_>) {
    let width = model.scaler().len();
    let counts = vec![i16::MIN; width];
    let mut features = vec![0; width];
    model.scaler().scale_into(&counts, &mut features).unwrap();
    let mut back = vec![0; width];
    model.scaler().unscale_into(&features, &mut back).unwrap();
    for part in model.parts() {
        let count = part.input.scores();
        let (mut scores, mut whitened) = (vec![0; count], vec![0; count]);
        let features = part
            .input
            .prepare(&features, &mut scores, &mut whitened)
            .unwrap();
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
                if let Some(spectrum) = pca.spectrum() {
                    spectrum.hotelling_t2(&scores).unwrap();
                    assert!(spectrum.explained_ratio(pca.k()) <= 1 << 16);
                }
            }
            Body::Network(network, _) => {
                let mut workspace = vec![0xa5; network.workspace_bytes()];
                let mut output = vec![0; network.outputs()];
                network.run(&mut workspace, features, &mut output).unwrap();
            }
            Body::Gmm(gmm) => {
                let (k, d) = (gmm.k(), gmm.dimensions());
                let mut responsibilities = vec![0; k];
                let nats = gmm.log_likelihood(features).unwrap();
                assert_eq!(
                    gmm.responsibilities_into(features, &mut responsibilities)
                        .unwrap(),
                    nats
                );
                assert_eq!(responsibilities.iter().sum::<u32>(), autodidact::gmm::ONE);
                gmm.sample_into(&mut Generator::from_seed(1), &mut back)
                    .unwrap();
                let mut workspace = vec![0; Gmm::condition_words(gmm.covariance(), k, d)];
                let observed: Vec<bool> = (0..d).map(|at| at % 2 == 0).collect();
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
                let missing = vec![MISSING; features.len()];
                let mut rng = Generator::from_seed(1);
                classes
                    .sample_into(&missing, &mut rng, &mut posterior, &mut back)
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
        assert!(model.tensors(part.name).count() > 0);
    }
    let mut names: Vec<_> = model.parts().map(|part| part.name).collect();
    let parts = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), parts, "names are unique");
}

/// Bytes of header and directory of a container.
fn directory_len(bytes: &[u8]) -> usize {
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    32 + 48 * half(6) + 20 * half(16)
}

#[test]
fn a_million_mutated_containers_load_or_are_refused() {
    const TOTAL: usize = 1_000_000;
    let orders = [Order::RowMajor, Order::Quads, Order::Octets];
    let originals: Vec<AlignedBytes> = (0..6)
        .map(|seed| small::encode(&small::every_kind(3 + seed, seed as u64), orders[seed % 3]))
        .chain([
            small::encode(&small::worked_example(), Order::RowMajor),
            small::encode(&small::classical(), Order::RowMajor),
            small::encode(&small::classical(), Order::RowMajor),
            small::energy(),
            small::energy(),
            graphs::container(Order::Quads),
            graphs::container(Order::Octets),
            graphs::score_alone(Order::Quads),
            small::encode(&small::stacks(), Order::RowMajor),
        ])
        .collect();
    let mut rng = Generator::from_seed(20_261_121);
    let mut loaded = 0;
    let mut refused = std::collections::BTreeMap::<String, usize>::new();
    for round in 0..TOTAL {
        let original = &originals[round % originals.len()];
        let mut bytes = original.clone();
        let length = mutate::mutate(&mut rng, &mut bytes, directory_len(original));
        let mut bytes = AlignedBytes::copy_of(&bytes[..length]);
        if round % 10 != 0 {
            mutate::repair_header(&mut bytes);
        }
        match Model::load(&bytes) {
            Ok(model) => {
                loaded += 1;
                exercise(&model);
            }
            Err(error) => {
                // The kind of error: what stands before the first field.
                let kind = format!("{error:?}");
                let kind = kind.split([' ', '(']).next().unwrap_or_default().to_owned();
                *refused.entry(kind).or_default() += 1;
            }
        }
    }
    println!("{TOTAL} mutations: {loaded} loaded and ran, refused {refused:?}");
    // The test would prove nothing if every mutation died at the same gate.
    assert!(loaded > TOTAL / 1000, "{loaded}");
    for gate in [
        "Checksum", "Header", "Tensor", "Part", "Magic", "Version", "Scaler", "TooShort",
    ] {
        assert!(
            refused.contains_key(gate),
            "no mutation was refused by {gate}: {refused:?}"
        );
    }
}

#[test]
fn random_bytes_are_refused() {
    let mut rng = Generator::from_seed(1);
    for _ in 0..100_000 {
        use rand_core::Rng as _;
        let mut bytes = AlignedBytes::zeroed(autodidact::rng::below(&mut rng, 300) as usize);
        rng.fill_bytes(&mut bytes);
        assert!(Model::load(&bytes).is_err());
    }
}

#[test]
fn every_prefix_and_every_single_bit_flip_is_refused() {
    let bytes = small::encode(&small::worked_example(), Order::RowMajor);
    for length in 0..bytes.len() {
        assert!(
            Model::load(&AlignedBytes::copy_of(&bytes[..length])).is_err(),
            "{length} bytes"
        );
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(Model::load(&flipped).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_container_at_an_odd_address_is_refused() {
    let bytes = small::encode(&small::worked_example(), Order::RowMajor);
    let mut shifted = AlignedBytes::zeroed(bytes.len() + 1);
    shifted[1..].copy_from_slice(&bytes);
    assert_eq!(
        Model::load(&shifted[1..]).unwrap_err(),
        LoadError::Misaligned { needed: 8 }
    );
}

#[test]
fn a_row_whose_accumulator_could_overflow_is_neither_written_nor_loaded() {
    let mut model = small::every_kind(4, 1);
    for (_, part) in &mut model.parts {
        if let autodidact_tools::quantize::QuantisedPart::Network(network) = part {
            network.layers[0].channels[2].bias = i32::MAX - 1000;
        }
    }
    let error = model.encode(Order::RowMajor).unwrap_err();
    assert!(
        format!("{error:#}").contains("layer 0, row 2: some input overflows"),
        "{error:#}"
    );
}

#[test]
fn any_code_may_enter_a_decoder_so_the_proof_covers_all_of_them() {
    use autodidact_tools::quantize::QuantisedPart;
    let mut model = small::every_kind(4, 1);
    for (_, part) in &mut model.parts {
        if let QuantisedPart::Network(network) = part
            && let Some(code) = network.code_layer
        {
            // The encoder gives at most 1, but a caller may hand anything to `decode`.
            network.layers[usize::from(code) - 1].activation = autodidact::net::Activation::Clamp;
            network.layers[usize::from(code) - 1].clamp = (-1, 1);
            let decoder = &mut network.layers[usize::from(code)];
            decoder.weights.fill(127);
            let largest = 32_768 * 127 * i32::try_from(decoder.inputs).unwrap();
            decoder.channels[0].bias = i32::MAX - largest + 1;
        }
    }
    let error = model.encode(Order::RowMajor).unwrap_err();
    assert!(format!("{error:#}").contains("layer 3, row 0"), "{error:#}");
}

#[test]
fn a_network_that_does_not_end_in_features_is_refused() {
    use autodidact_tools::quantize::QuantisedPart;
    for activation in [
        autodidact::net::Activation::Sigmoid,
        autodidact::net::Activation::Tanh,
    ] {
        let mut model = small::every_kind(4, 1);
        for (_, part) in &mut model.parts {
            if let QuantisedPart::Network(network) = part {
                network.layers.last_mut().unwrap().activation = activation;
            }
        }
        let error = model.encode(Order::RowMajor).unwrap_err();
        assert!(format!("{error:#}").contains("layer 4"), "{error:#}");
    }
}

#[test]
fn a_directory_of_more_tensors_than_parts_can_own_is_refused() {
    let mut bytes = small::encode(&small::worked_example(), Order::RowMajor);
    bytes[16..18].copy_from_slice(&u16::MAX.to_le_bytes());
    mutate::repair_header(&mut bytes);
    assert_eq!(Model::load(&bytes).unwrap_err(), LoadError::Header);
}

/// Every small container there is.
fn containers() -> Vec<AlignedBytes> {
    vec![
        small::encode(&small::worked_example(), Order::RowMajor),
        small::encode(&small::classical(), Order::RowMajor),
        small::encode(&small::every_kind(7, 2), Order::Quads),
        small::energy(),
        graphs::container(Order::Octets),
        graphs::score_alone(Order::Quads),
        small::encode(&small::stacks(), Order::RowMajor),
    ]
}

#[test]
fn a_trusted_container_gives_the_results_of_a_checked_one() {
    for bytes in containers() {
        let (checked, trusted) = (
            Model::load(&bytes).unwrap(),
            Model::load_trusted(&bytes).unwrap(),
        );
        exercise(&trusted);
        assert_eq!(format!("{checked:?}"), format!("{trusted:?}"));
        let counts = small::random_counts(5, checked.scaler().len(), 3);
        assert_eq!(
            replay::replay(&checked, &counts).unwrap(),
            replay::replay(&trusted, &counts).unwrap()
        );
        for part in checked.parts() {
            let same = trusted.parts().find(|other| other.name == part.name);
            assert_eq!(format!("{part:?}"), format!("{:?}", same.unwrap()));
            assert_eq!(
                format!("{:?}", checked.input(part.name)),
                format!("{:?}", trusted.input(part.name))
            );
        }
    }
}

#[test]
fn damage_that_nobody_looked_for_is_a_view_or_an_error_never_a_panic() {
    let originals = containers();
    let mut rng = Generator::from_seed(20_261_128);
    let (mut viewed, mut refused, mut damaged) = (0, 0, 0);
    for round in 0..200_000 {
        let original = &originals[round % originals.len()];
        let mut bytes = original.clone();
        let length = mutate::mutate(&mut rng, &mut bytes, directory_len(original));
        let mut bytes = AlignedBytes::copy_of(&bytes[..length]);
        mutate::repair_header(&mut bytes);
        let Ok(model) = Model::load_trusted(&bytes) else {
            refused += 1;
            continue;
        };
        for part in model.parts() {
            viewed += usize::from(part.body.inputs() > 0 && model.tensors(part.name).count() > 0);
        }
        for name in [
            "clusters",
            "components",
            "denoiser",
            "full",
            "stack",
            "score",
        ] {
            damaged += usize::from(matches!(model.graph(name), Err(PartError::Invalid(_))));
            damaged += usize::from(matches!(model.gmm(name), Err(PartError::Invalid(_))));
            damaged += usize::from(matches!(model.input(name), Err(PartError::Invalid(_))));
            let _ = (
                model.kmeans(name),
                model.pca(name),
                model.dbn(name),
                model.score(name),
            );
            let _ = (
                model.denoiser(name),
                model.latent_class(name),
                model.stack(name),
            );
        }
    }
    println!("{viewed} parts viewed, {refused} containers refused, {damaged} parts damaged");
    assert!(viewed > 100_000 && refused > 1000 && damaged > 1000);
}

#[test]
fn operations_of_a_graph_share_no_weights() {
    use autodidact_tests::raw::Raw;
    let mut raw = Raw::of(&graphs::container(Order::RowMajor));
    // The last convolution of the denoiser has the shape of the one before: 27 inputs an output.
    let part = raw.part("denoiser");
    let (first, last) = (2 * 44 + 28, 5 * 44 + 28);
    let weights = part.tensors[0].bytes[first..first + 4].to_vec();
    part.tensors[0].put(last, &weights);
    let refused = Model::load(&raw.bytes()).map(|_| ());
    let defect = Defect::Layer { layer: 5 };
    assert_eq!(refused, Err(LoadError::Part { part: 1, defect }));
}
