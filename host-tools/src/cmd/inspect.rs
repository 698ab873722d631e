//! `autodidact inspect`: what a container holds, what it costs, what was proved about it.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use autodidact::model::{Body, Input, Model, TensorElement, TensorInfo};
use autodidact::net::{Element, Graph, Layer, Network, OpKind};
use autodidact::rbm::{Gibbs, Rbm, Units};
use autodidact_tools::data::parse_schema;
use autodidact_tools::talk::Output;
use autodidact_tools::{artifact, evaluate};
use clap::Args;

use super::outline::{flash, metric, outline};
use super::sample::names;
use super::shared::print_json;

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The container.
    model: PathBuf,

    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        if self.json {
            let mut object = outline(&model, bytes.len());
            let names = column_names(&model)?;
            object["driver"] = driver(&model, &names).into();
            object["columns"] = names.into();
            return print_json(out, &object);
        }
        let (min, max) = model.scaler().counts_range();
        writeln!(
            out,
            "{}: {} bytes of flash, checksum valid",
            self.model.display(),
            bytes.len()
        )?;
        writeln!(
            out,
            "scaler          {} features, I4F12; counts {min}..={max}; {} bytes",
            model.scaler().len(),
            flash(&model, "scaler")
        )?;
        for part in model.parts() {
            let bytes = flash(&model, part.name);
            match &part.body {
                Body::KMeans(kmeans) => writeln!(
                    out,
                    "{:<15} k-means, {} centroids of {}, {} distance; {bytes} bytes, no workspace",
                    part.name,
                    kmeans.k(),
                    kmeans.dimensions(),
                    metric(kmeans.metric())
                )?,
                Body::Pca(pca) => writeln!(
                    out,
                    "{:<15} PCA, {} components of {}{}; {bytes} bytes, no workspace",
                    part.name,
                    pca.k(),
                    pca.dimensions(),
                    pca.spectrum().map_or(String::new(), |spectrum| {
                        let share = f64::from(spectrum.explained_ratio(pca.k())) / 65_536.0;
                        format!(", {:.2} % of the variance", 100.0 * share)
                    })
                )?,
                Body::Gmm(gmm) => writeln!(
                    out,
                    "{:<15} Gaussian mixture, {} components of {}{}, {} covariances; {bytes} bytes, no workspace",
                    part.name,
                    gmm.k(),
                    gmm.dimensions(),
                    match part.input {
                        Input::Whitened(_) => " whitened scores",
                        _ => "",
                    },
                    format!("{:?}", gmm.covariance()).to_lowercase()
                )?,
                Body::LatentClass(classes) => writeln!(
                    out,
                    "{:<15} latent classes, {} classes over {} columns; {bytes} bytes, no workspace",
                    part.name,
                    classes.classes(),
                    classes.columns().len()
                )?,
                Body::Rbm(rbm) => writeln!(
                    out,
                    "{:<15} Boltzmann machine, {}; {bytes} bytes, {} bytes of workspace",
                    part.name,
                    layers(rbm),
                    4 * Gibbs::words(rbm.units(), rbm.visible(), rbm.hidden())
                )?,
                Body::Dbn(dbn) => {
                    writeln!(
                        out,
                        "{:<15} deep belief net, {} machines; {bytes} bytes, {} bytes of workspace",
                        part.name,
                        dbn.layers().len(),
                        4 * dbn.workspace_len()
                    )?;
                    for (at, rbm) in dbn.layers().iter().enumerate() {
                        writeln!(out, "  machine {at}: {}", layers(rbm))?;
                    }
                }
                Body::Network(network, task) => {
                    writeln!(
                        out,
                        "{:<15} {}, {} multiply-accumulates; {bytes} bytes, {} bytes of workspace",
                        part.name,
                        format!("{task:?}").to_lowercase(),
                        network.macs(),
                        network.workspace_bytes()
                    )?;
                    print_layers(out, network, &model, part.name)?;
                }
                Body::Graph(graph, task) => {
                    writeln!(
                        out,
                        "{:<15} graph, {}, {} multiply-accumulates; {bytes} bytes, {} bytes of workspace",
                        part.name,
                        format!("{task:?}").to_lowercase(),
                        graph.macs(),
                        graph.workspace_bytes()
                    )?;
                    print_ops(out, graph)?;
                }
                Body::Score(score) => {
                    writeln!(
                        out,
                        "{:<15} score network, {} noise levels, {} multiply-accumulates; {bytes} bytes, {} bytes of workspace and {} a sample",
                        part.name,
                        score.levels().len(),
                        score.graph().macs(),
                        score.workspace_bytes(),
                        // The walk's state and residual, the network's input and output.
                        2 * score.features_len() + 8 * score.dimensions()
                    )?;
                    print_ops(out, score.graph())?;
                }
                Body::Stack(stack, task) => {
                    let widths: Vec<String> =
                        stack.widths().iter().map(ToString::to_string).collect();
                    writeln!(
                        out,
                        "{:<15} stack {}, {}, {} weights of 16 bits; {bytes} bytes, {} bytes of workspace",
                        part.name,
                        widths.join("-"),
                        format!("{task:?}, {:?}", stack.hidden()).to_lowercase(),
                        stack.weights().len(),
                        stack.workspace_bytes()
                    )?;
                }
                _ => writeln!(
                    out,
                    "{:<15} of a kind that this tool does not know",
                    part.name
                )?,
            }
            for tensor in model.tensors(part.name) {
                writeln!(out, "    {}", describe(&tensor))?;
            }
        }
        print_columns(out, &model)?;
        let text = model.text().len();
        writeln!(
            out,
            "provenance      {text} bytes of text, {:.0} % of the file",
            100.0 * text as f64 / bytes.len() as f64
        )?;
        for line in model.text().lines() {
            match line.char_indices().nth(90) {
                Some((end, _)) => writeln!(out, "    {}…", &line[..end])?,
                None => writeln!(out, "    {line}")?,
            }
        }
        Ok(())
    }
}

/// The columns that a row holds, and what the driver makes of a reading.
fn print_columns(out: &mut Output, model: &Model<'_>) -> Result<()> {
    const SHOWN: usize = 8;
    let names = column_names(model)?;
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = names[..names.len().min(SHOWN)].join(", ");
    writeln!(out, "columns         {}: {shown}{more}", names.len())?;
    if let Some(line) = driver(model, &names) {
        writeln!(out, "counts          {line}")?;
    }
    Ok(())
}

fn column_names(model: &Model<'_>) -> Result<Vec<String>> {
    let classes = parse_schema(model.text())?;
    Ok(if classes.is_empty() {
        names(model)
    } else {
        classes.into_iter().map(|column| column.name).collect()
    })
}

/// What the driver makes of a reading; models that other tools wrote may not say what a count is worth.
fn driver(model: &Model<'_>, names: &[String]) -> Option<String> {
    evaluate::Units::of(model).ok()?.driver(names)
}

fn describe(tensor: &TensorInfo) -> String {
    let [rows, cols] = tensor.shape;
    let format = match tensor.element {
        TensorElement::I16 => format!("i16, {} fractional bits", tensor.frac_bits),
        TensorElement::I64 => format!("i64, {} fractional bits", tensor.frac_bits),
        TensorElement::I8 => format!("i8 weights, {:?}", tensor.order),
        TensorElement::I32 => format!("i32, {} fractional bits", tensor.frac_bits),
        TensorElement::U16 => format!("u16, {} fractional bits", tensor.frac_bits),
        TensorElement::U64 => format!("u64, {} fractional bits", tensor.frac_bits),
        TensorElement::U8 => "shifts".into(),
        TensorElement::Channel => "bias, multiplier, shift".into(),
        TensorElement::Layer => "layer records".into(),
        _ => "records".into(),
    };
    format!(
        "{:>6} x {:<5} at {:>8}, {:>8} bytes: {format}",
        rows, cols, tensor.offset, tensor.length
    )
}

fn print_layers(
    out: &mut Output,
    network: &Network<'_>,
    model: &Model<'_>,
    name: &str,
) -> Result<()> {
    let layers = network.layers_with_inputs().enumerate();
    for ((at, (layer, largest_input)), scale) in layers.zip(model.layer_scales(name)) {
        let bound = (0..layer.weights.rows())
            .map(|row| layer.accumulator_bound(row, largest_input))
            .max()
            .unwrap_or(0)
            .max(1);
        writeln!(
            out,
            "  layer {at}: {} -> {}, {} -> {}, {}, unit {scale:.3e}; sums proved below 2^{:.2} (limit 2^31)",
            layer.weights.cols(),
            layer.weights.rows(),
            element(layer.input),
            element(layer.output),
            clamp(layer),
            (bound as f64).log2()
        )?;
    }
    Ok(())
}

/// The layers of a machine.
fn layers(rbm: &Rbm<'_>) -> String {
    format!(
        "{} {} and {} hidden units, unit {:.3e}",
        rbm.visible(),
        match rbm.units() {
            Units::Bernoulli => "Bernoulli",
            Units::Gaussian => "Gaussian",
        },
        rbm.hidden(),
        rbm.scale().to_f64()
    )
}

fn print_ops(out: &mut Output, graph: &Graph<'_>) -> Result<()> {
    for (at, op) in graph.ops().iter().enumerate() {
        let [height, width, channels] = op.shape;
        let kind = match op.kind() {
            Some(OpKind::Dense) => "dense",
            Some(OpKind::Conv3x3) => "conv 3x3",
            Some(OpKind::Add) => "sum",
            Some(OpKind::AveragePool) => "average pooling",
            Some(OpKind::Upsample) => "upsampling",
            _ => "unknown",
        };
        let mut values = format!("{}", op.inputs[0]);
        if op.operands() == 2 {
            values += &format!(" and {}", op.inputs[1]);
        }
        writeln!(
            out,
            "  value {}: {kind} of {values} -> {height}x{width}x{channels} {}, {}{}, unit {:.3e}",
            at + 1,
            element(op.element()),
            match op.activation() {
                autodidact::net::Activation::Clamp if op.min == op.zero_point => "relu".into(),
                autodidact::net::Activation::Clamp => "identity".into(),
                other => format!("{other:?}").to_lowercase(),
            },
            if op.conditioned == 1 {
                ", by level"
            } else {
                ""
            },
            op.unit
        )?;
    }
    Ok(())
}

fn element(element: Element) -> &'static str {
    match element {
        Element::I8 => "i8",
        Element::I16 => "i16",
    }
}

/// What a layer's activation is to a person.
fn clamp(layer: &Layer<'_>) -> String {
    match layer.activation {
        autodidact::net::Activation::Clamp if layer.min == layer.zero_point => "relu".into(),
        autodidact::net::Activation::Clamp => "identity".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}
