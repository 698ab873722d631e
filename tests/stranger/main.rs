//! A program of somebody else's: it knows the library only, and is built by the profiles that cargo has by itself.
//! It runs every part of the golden containers over a row and compares with the bytes that are kept beside them.

use autodidact::include_model;
use autodidact::model::{Body, Model, Part};
use autodidact::rbm::{Rbm, States, Units};
use autodidact::rng::{Generator, below};
use autodidact::score::{AnnealedLangevin, Schedule, ScoreNetwork};

/// How many rows the results begin with, each of them every part in turn.
const ROWS: usize = 20;

type Failure = Box<dyn std::error::Error>;

/// A container, its results, and the seed of the counts that these were computed of.
macro_rules! golden {
    ($container:literal, $results:literal, $seed:literal) => {
        (
            $container,
            include_model!(concat!(env!("GOLDEN"), "/", $container)),
            include_bytes!(concat!(env!("GOLDEN"), "/", $results)) as &[u8],
            $seed,
        )
    };
}

fn main() -> Result<(), Failure> {
    let golden = [
        golden!("v1-row-major.adm", "v1.results", 7),
        golden!("v1-quads.adm", "v1.results", 7),
        golden!("v1-octets.adm", "v1.results", 7),
        golden!("v1-classical.adm", "v1-classical.results", 8),
        golden!("v1-energy.adm", "v1-energy.results", 9),
        golden!("v1-graphs.adm", "v1-graphs.results", 10),
        golden!("v1-stacks.adm", "v1-stacks.results", 10),
    ];
    let mut failures = 0;
    for (name, container, results, seed) in golden {
        match compare(container, results, seed) {
            Ok(parts) => println!("{name}: {parts} parts as they were"),
            Err(error) => {
                failures += 1;
                println!("{name}: {error}");
            }
        }
    }
    if failures > 0 {
        return Err(format!("{failures} containers do not give what they gave").into());
    }
    Ok(())
}

/// Runs every part over the first row, and a score network without one; says how many gave what they gave.
fn compare(container: &[u8], results: &[u8], seed: u64) -> Result<usize, Failure> {
    let model = Model::load(container)?;
    let mut features = vec![0; model.scaler().len()];
    model
        .scaler()
        .scale_into(&counts(features.len(), seed), &mut features)?;
    let (mut rest, mut count) = (results, 0);
    for part in model.parts() {
        let bytes = run(&part, &features).map_err(|error| format!("{}: {error}", part.name))?;
        rest = rest
            .strip_prefix(bytes.as_slice())
            .ok_or_else(|| format!("{}: other bytes", part.name))?;
        count += 1;
    }
    let row = results.len() - rest.len();
    for part in model.parts() {
        if let Body::Score(network) = part.body {
            let after_rows = results.get(ROWS * row..).ok_or("too few results")?;
            if !after_rows.starts_with(&walk(network)?) {
                return Err(format!("{}: another walk", part.name).into());
            }
        }
    }
    Ok(count)
}

/// The first row of the counts that the results are of.
fn counts(width: usize, seed: u64) -> Vec<i16> {
    let mut rng = Generator::from_seed(seed);
    (0..width)
        .map(|_| (below(&mut rng, 4400).cast_signed() - 2200) as i16)
        .collect()
}

/// What a part makes of a row, in the layout of the results.
fn run(part: &Part<'_>, features: &[i16]) -> Result<Vec<u8>, Failure> {
    let count = part.input.scores();
    let (mut scores, mut whitened) = (vec![0; count], vec![0; count]);
    let features = part.input.prepare(features, &mut scores, &mut whitened)?;
    let mut bytes = Vec::new();
    match &part.body {
        Body::KMeans(kmeans) => {
            let nearest = kmeans.nearest(features)?;
            bytes.extend(nearest.index.to_le_bytes());
            bytes.extend(nearest.distance.to_le_bytes());
        }
        Body::Pca(pca) => {
            let (mut scores, mut back) = (vec![0; pca.k()], vec![0; features.len()]);
            pca.project_into(features, &mut scores)?;
            pca.reconstruct_into(&scores, &mut back)?;
            bytes.extend(scores.iter().flat_map(|y| y.to_le_bytes()));
            extend(&mut bytes, &back);
            bytes.extend(pca.residual(features, &scores)?.to_le_bytes());
        }
        Body::Network(network, _) => {
            let mut output = vec![0; network.outputs()];
            network.run(
                &mut vec![0; network.workspace_bytes()],
                features,
                &mut output,
            )?;
            extend(&mut bytes, &output);
        }
        Body::Gmm(gmm) => {
            let mut shares = vec![0; gmm.k()];
            let log_likelihood = gmm.responsibilities_into(features, &mut shares)?;
            bytes.extend(log_likelihood.to_le_bytes());
            bytes.extend(shares.iter().flat_map(|r| r.to_le_bytes()));
        }
        Body::LatentClass(classes) => {
            let mut shares = vec![0; classes.classes()];
            let log_likelihood = classes.posterior_into(features, &mut shares)?;
            bytes.extend(log_likelihood.to_le_bytes());
            bytes.extend(shares.iter().flat_map(|r| r.to_le_bytes()));
        }
        Body::Rbm(rbm) => {
            let bits = bits(rbm, features)?;
            let visible = states(rbm, features, &bits);
            let (mut workspace, mut hidden) = (vec![0; rbm.workspace_len()], vec![0; rbm.hidden()]);
            rbm.hidden_means_into(visible, &mut workspace, &mut hidden)?;
            bytes.extend(rbm.free_energy(visible, &mut workspace)?.to_le_bytes());
            extend(&mut bytes, &hidden);
        }
        Body::Dbn(dbn) => {
            let bits = bits(dbn.bottom(), features)?;
            let visible = states(dbn.bottom(), features, &bits);
            let mut hidden = vec![0; dbn.hidden()];
            dbn.up_into(visible, &mut vec![0; dbn.workspace_len()], &mut hidden)?;
            extend(&mut bytes, &hidden);
        }
        Body::Graph(graph, _) if graph.inputs() == features.len() => {
            let mut output = vec![0; graph.outputs()];
            graph.run(
                0,
                &mut vec![0; graph.workspace_bytes()],
                features,
                &mut output,
            )?;
            extend(&mut bytes, &output);
        }
        Body::Stack(stack, _) => {
            extend(
                &mut bytes,
                stack.run(features, &mut vec![0; stack.values_len()])?,
            );
        }
        // Neither reads rows.
        Body::Graph(..) | Body::Score(_) => {}
        _ => return Err("a kind of part that this program does not know".into()),
    }
    Ok(bytes)
}

/// The first sample that the results of a score network begin with.
fn walk(network: ScoreNetwork<'_>) -> Result<Vec<u8>, Failure> {
    let mut workspace = vec![0; network.workspace_bytes()];
    let mut memory = vec![0; network.features_len()];
    let score = network.with_memory(&mut workspace, &mut memory)?;
    let (mut state, mut residual) = (vec![0; network.dimensions()], vec![0; network.dimensions()]);
    let schedule = Schedule::new(3 << 28, 4, true)?;
    let mut walk = AnnealedLangevin::new(score, schedule, &mut state, &mut residual)?;
    let mut rng = Generator::from_seed(2026 + (7 << 40));
    walk.scatter(&mut rng);
    while walk.step(&mut rng)?.is_some() {}
    let mut sample = vec![0; network.dimensions()];
    walk.features_into(&mut sample)?;
    let mut bytes = Vec::new();
    extend(&mut bytes, &sample);
    Ok(bytes)
}

fn extend(bytes: &mut Vec<u8>, values: &[i16]) {
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
}

/// The bits of features that Bernoulli units read.
fn bits(rbm: &Rbm<'_>, features: &[i16]) -> Result<Vec<u32>, Failure> {
    let mut bits = vec![0; features.len().div_ceil(32)];
    rbm.binarise_into(features, &mut bits)?;
    Ok(bits)
}

fn states<'s>(rbm: &Rbm<'_>, features: &'s [i16], bits: &'s [u32]) -> States<'s> {
    match rbm.units() {
        Units::Bernoulli => States::Binary(bits),
        Units::Gaussian => States::Real(features),
    }
}
