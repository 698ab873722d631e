//! Hands the linker the memory map of this machine: the part's own for the demonstrations, a wide one for images
//! that no part has to hold. For a demonstration it also measures the model that `AUTODIDACT_MODEL` names.

use std::error::Error;
#[cfg(feature = "demo")]
use std::path::Path;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    let maps = [
        ("part", "memory.x", &["demo", "draw"][..]),
        (
            "wide",
            "memory-wide.x",
            &[
                "replay", "learn", "generate", "learners", "bench", "selftest", "crash",
            ],
        ),
    ];
    for (name, map, images) in maps {
        // The linker looks for `memory.x` in the folder that it is told for the image.
        let folder = out.join(name);
        fs::create_dir_all(&folder)?;
        fs::copy(map, folder.join("memory.x"))?;
        println!("cargo:rerun-if-changed={map}");
        for image in images {
            println!("cargo:rustc-link-arg-bin={image}=-L{}", folder.display());
        }
    }
    // No names for interrupts: the vector table has default handlers only.
    fs::write(out.join("device.x"), "")?;
    println!("cargo:rustc-link-search={}", out.display());
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    #[cfg(feature = "demo")]
    measure_model(&out)?;
    Ok(())
}

/// Copies the model to where the image includes it from, and writes down what it needs.
#[cfg(feature = "demo")]
fn measure_model(out: &Path) -> Result<(), Box<dyn Error>> {
    use autodidact::kmeans::Metric;
    use autodidact::model::{Body, Input, Model, reads};
    use zerocopy::IntoBytes as _;

    println!("cargo:rerun-if-env-changed=AUTODIDACT_MODEL");
    let name = env::var("AUTODIDACT_MODEL").map_err(
        |_| "set AUTODIDACT_MODEL to the container that the demonstration is built around",
    )?;
    println!("cargo:rerun-if-changed={name}");
    let bytes = fs::read(&name).map_err(|error| format!("{name} cannot be read: {error}"))?;
    // A container is read in place and has to be aligned for it.
    let mut words = vec![0_u64; bytes.len().div_ceil(8)];
    let aligned = &mut words.as_mut_bytes()[..bytes.len()];
    aligned.copy_from_slice(&bytes);
    let model = Model::load(aligned).map_err(|error| format!("{name} is not a model: {error}"))?;

    let (mut scores, mut workspace, mut walk) = (0, 0, 0);
    let mut read = 0;
    for part in model.parts() {
        read |= match part.body {
            Body::KMeans(kmeans) if kmeans.metric() != Metric::SquaredEuclidean => {
                reads::KMEANS | reads::KMEANS_METRICS
            }
            Body::KMeans(_) => reads::KMEANS,
            Body::Pca(_) => reads::PCA,
            Body::Network(..) => reads::NETWORK,
            Body::Gmm(_) => reads::GMM,
            Body::LatentClass(_) => reads::LATENT_CLASS,
            Body::Graph(..) => reads::GRAPH,
            Body::Score(_) => reads::SCORE,
            Body::Stack(..) => reads::STACK,
            _ => return Err("the model has a part of an unknown kind".into()),
        };
        if let Input::Whitened(_) = part.input {
            read |= reads::PCA_SPECTRUM;
        }
        match part.body {
            Body::Pca(pca) => scores = scores.max(pca.k()),
            Body::Gmm(gmm) => scores = scores.max(gmm.k()),
            Body::LatentClass(classes) => scores = scores.max(classes.classes()),
            Body::Network(network, _) => workspace = workspace.max(network.workspace_bytes()),
            Body::Graph(graph, _) => workspace = workspace.max(graph.workspace_bytes()),
            Body::Score(network) => walk = walk.max(walk_words(&network)),
            Body::Stack(stack, _) => workspace = workspace.max(stack.workspace_bytes()),
            _ => {}
        }
    }
    let constants = [
        ("MODEL_BYTES", bytes.len()),
        ("WIDTH", model.scaler().len()),
        ("SCORES", scores),
        ("WORKSPACE", workspace),
        ("WALK_WORDS", walk),
    ];
    let lines =
        constants.map(|(name, value)| format!("pub(crate) const {name}: usize = {value};\n"));
    let read = format!("pub(crate) const READS: u32 = {read};\n");
    fs::write(out.join("model.rs"), lines.concat() + &read)?;
    fs::write(out.join("model.adm"), &bytes)?;
    Ok(())
}

/// Words of 64 bits of what a walk takes, each piece cut off by itself: workspace, features, two states, the sample.
#[cfg(feature = "demo")]
fn walk_words(network: &autodidact::score::ScoreNetwork<'_>) -> usize {
    let d = network.dimensions();
    let state = d * size_of::<i32>();
    let pieces = [
        network.workspace_bytes(),
        network.features_len() * size_of::<i16>(),
        state,
        state,
        d * size_of::<i16>(),
    ];
    pieces.map(|bytes| bytes.div_ceil(8)).iter().sum()
}
