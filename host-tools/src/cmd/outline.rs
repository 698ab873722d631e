//! What a container holds, as JSON.

use autodidact::kmeans::Metric;
use autodidact::model::{Body, Input, Model, Part, Task, TensorInfo};
use autodidact::rbm::{Gibbs, Rbm, Units};
use serde_json::{Map, Value, json};

/// Everything that `inspect` tells of a container of `bytes` bytes, but what was proved of its layers.
pub(super) fn outline(model: &Model<'_>, bytes: usize) -> Value {
    let (least, most) = model.scaler().counts_range();
    json!({
        "bytes": bytes,
        "features": model.scaler().len(),
        "counts": [least, most],
        "scaler_bytes": flash(model, "scaler"),
        "parts": model.parts().map(|part| part_of(model, &part)).collect::<Vec<_>>(),
        "provenance": provenance(model.text()),
    })
}

/// Bytes of a part's tensors.
pub(super) fn flash(model: &Model<'_>, part: &str) -> u32 {
    model.tensors(part).map(|tensor| tensor.length).sum()
}

fn part_of(model: &Model<'_>, part: &Part<'_>) -> Value {
    let (kind, workspace, mut more) = kind(&part.body);
    if let Input::Whitened(_) = part.input {
        more["input"] = "whitened scores".into();
    }
    let mut object = Map::new();
    object.insert("name".into(), part.name.into());
    object.insert("kind".into(), kind.into());
    object.insert("bytes".into(), flash(model, part.name).into());
    object.insert("workspace_bytes".into(), workspace.into());
    if let Value::Object(more) = more {
        object.extend(more);
    }
    let tensors: Vec<Value> = model.tensors(part.name).map(|t| tensor(&t)).collect();
    object.insert("tensors".into(), tensors.into());
    object.into()
}

/// The word for a part, the bytes that it runs in, and what else there is to say.
fn kind(body: &Body<'_>) -> (&'static str, usize, Value) {
    match body {
        Body::KMeans(kmeans) => (
            "kmeans",
            0,
            json!({
                "k": kmeans.k(),
                "dimensions": kmeans.dimensions(),
                "metric": metric(kmeans.metric()),
            }),
        ),
        Body::Pca(pca) => {
            let explained = pca
                .spectrum()
                .map(|spectrum| f64::from(spectrum.explained_ratio(pca.k())) / 65_536.0);
            (
                "pca",
                0,
                json!({ "k": pca.k(), "dimensions": pca.dimensions(), "explained_variance": explained }),
            )
        }
        Body::Gmm(gmm) => (
            "gmm",
            0,
            json!({
                "k": gmm.k(),
                "dimensions": gmm.dimensions(),
                "covariance": format!("{:?}", gmm.covariance()).to_lowercase(),
            }),
        ),
        Body::LatentClass(classes) => (
            "latent-class",
            0,
            json!({ "k": classes.classes(), "columns": classes.columns().len() }),
        ),
        Body::Rbm(rbm) => {
            let words = Gibbs::words(rbm.units(), rbm.visible(), rbm.hidden());
            ("rbm", 4 * words, machine(rbm))
        }
        Body::Dbn(dbn) => {
            let machines: Vec<Value> = dbn.layers().iter().map(machine).collect();
            (
                "dbn",
                4 * dbn.workspace_len(),
                json!({ "machines": machines }),
            )
        }
        Body::Network(network, task) => (
            "network",
            network.workspace_bytes(),
            json!({ "task": task_word(*task), "multiply_accumulates": network.macs() }),
        ),
        Body::Graph(graph, task) => (
            "graph",
            graph.workspace_bytes(),
            json!({ "task": task_word(*task), "multiply_accumulates": graph.macs() }),
        ),
        Body::Score(score) => (
            "score",
            score.workspace_bytes(),
            json!({
                "levels": score.levels().len(),
                "multiply_accumulates": score.graph().macs(),
                "sample_bytes": 2 * score.features_len() + 8 * score.dimensions(),
            }),
        ),
        Body::Stack(stack, task) => (
            "stack",
            stack.workspace_bytes(),
            json!({
                "task": task_word(*task),
                "widths": stack.widths(),
                "activation": format!("{:?}", stack.hidden()).to_lowercase(),
                "weights": stack.weights().len(),
            }),
        ),
        _ => ("unknown", 0, json!({})),
    }
}

/// The word that `fit` has for a metric.
pub(super) fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::SquaredEuclidean => "euclidean",
        Metric::Manhattan => "manhattan",
        Metric::Cosine => "cosine",
    }
}

fn task_word(task: Task) -> String {
    format!("{task:?}").to_lowercase()
}

fn machine(rbm: &Rbm<'_>) -> Value {
    json!({
        "visible": rbm.visible(),
        "hidden": rbm.hidden(),
        "units": match rbm.units() {
            Units::Bernoulli => "bernoulli",
            Units::Gaussian => "gaussian",
        },
        "unit": rbm.scale().to_f64(),
    })
}

fn tensor(tensor: &TensorInfo) -> Value {
    json!({
        "shape": tensor.shape,
        "offset": tensor.offset,
        "bytes": tensor.length,
        "element": format!("{:?}", tensor.element).to_lowercase(),
        "fractional_bits": tensor.frac_bits,
    })
}

/// Lines of `key: value` as an object; other lines are values without a word.
fn provenance(text: &str) -> Map<String, Value> {
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}
