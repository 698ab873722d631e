//! `autodidact fit latent-class`: tables of mixed columns.

use std::path::PathBuf;

use anyhow::Result;
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact::scaler::{Affine, ScalerFeature};
use autodidact_tools::artifact::shown;
use autodidact_tools::data::{
    Decimal, Kind, MixedOptions, MixedTable, ReadOptions, Standardiser, Table, Wild,
    open_mixed_for, open_mixed_with, schema_lines,
};
use autodidact_tools::quantize::latent_class::{
    Coding, QuantisationLoss, Scale, quantisation_loss, quantise,
};
use autodidact_tools::quantize::{QuantisedModel, QuantisedPart};
use autodidact_tools::say;
use autodidact_tools::train::latent_class::{
    self, LatentClassFit as LatentClassFitted, LatentClassOptions,
};
use clap::Args;
use serde_json::json;

use super::compare;
use super::held_out::{self, Holding};
use super::prepare::Training;
use super::reading::Reading;
use super::shared::{draw_seed, open_output};
use autodidact_tools::evaluate::Units;
use autodidact_tools::number::number;

#[derive(Debug, Args)]
pub(super) struct LatentClassFit {
    /// A file of text, `a;b` in a cell is a set; an empty cell, `?`, `NA`, `NaN`, `null` and the like are missing values.
    #[arg(value_name = "DATA")]
    data: PathBuf,

    /// The container to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Number of classes.
    #[arg(short)]
    k: usize,

    /// A column of categories, whatever it looks like; may be given again.
    #[arg(long, value_name = "COLUMN")]
    categorical: Vec<String>,

    /// A column of yes or no; may be given again.
    #[arg(long, value_name = "COLUMN")]
    bernoulli: Vec<String>,

    /// A column of numbers; may be given again.
    #[arg(long, value_name = "COLUMN")]
    gaussian: Vec<String>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    holding: Holding,

    /// Independent starts; the best is kept.
    #[arg(long, default_value_t = 10)]
    restarts: usize,

    /// Fixes everything random; drawn, and said on standard error, when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    /// Name of the part in the container.
    #[arg(long, default_value = "classes")]
    name: String,

    /// Print one JSON object with the figures.
    #[arg(long)]
    json: bool,
}

impl LatentClassFit {
    pub(super) fn run(self) -> Result<()> {
        let mut inputs = vec![&*self.data];
        inputs.extend(self.holding.file());
        let output = open_output(&self.output, &inputs, self.json)?;
        let table = open_mixed_with(
            &self.data,
            &MixedOptions {
                reading: self.reading.options(),
                categorical: self.categorical,
                bernoulli: self.bernoulli,
                gaussian: self.gaussian,
            },
            &mut |line| say!("{line}"),
        )?;
        let seed = draw_seed(self.seed);
        let names: Vec<String> = table.columns().iter().map(|c| c.name.clone()).collect();
        let rule = self
            .holding
            .of(table.source(), table.rows(), &names, table.values())?;
        let (training, mut held_out) = table.split(&rule)?;
        if let Some(path) = self.holding.file() {
            self.holding.check_file(&self.data)?;
            let is_comma = table.decimal() == Decimal::Comma;
            let reading = ReadOptions {
                usual_decimal: is_comma.then_some(Decimal::Comma),
                ..self.reading.options()
            };
            held_out = open_mixed_for(path, &reading, table.columns(), &mut |line| say!("{line}"))?;
        }
        let options = LatentClassOptions {
            classes: self.k,
            restarts: self.restarts,
            seed,
            ..LatentClassOptions::default()
        };
        let bar = super::fit::bar("restart");
        bar.set_length(self.restarts as u64);
        let (model, fit) = latent_class::fit(&training, options, |done, _| {
            bar.set_position(done as u64);
        })?;
        bar.finish_and_clear();
        say!(
            "trained: {:.4} nats a row, BIC {:.1}, {} free parameters, {} rounds",
            fit.log_likelihood,
            fit.bic,
            fit.parameters,
            fit.rounds
        );
        let without_row = model.without_row(&training);
        if without_row > 0 {
            say!(
                "{without_row} of {} classes explain no training row best, as copies of others do; ask for fewer",
                self.k
            );
        }
        let quantised = quantise(&model)?;
        let loss = quantisation_loss(&model, &quantised, &held_out)?;
        let coding = Coding::of(&model);
        let mut container = QuantisedModel {
            scaler: vec![IDENTITY; table.columns().len()],
            counts_range: (i16::MIN, i16::MAX),
            parts: vec![(self.name.clone(), QuantisedPart::LatentClass(quantised))],
            text: Vec::new(),
        };
        let lsb: Vec<String> = coding.lsb().iter().map(|lsb| format!("{lsb:e}")).collect();
        container.note("lsb", lsb.join(","));
        if coding.offset().iter().any(|offset| *offset != 0.0) {
            let offsets: Vec<String> = coding.offset().iter().map(ToString::to_string).collect();
            container.note("offset", offsets.join(","));
        }
        for (key, value) in schema_lines(table.columns()) {
            container.note(&key, value);
        }
        if table.decimal() == Decimal::Comma {
            container.note("decimal", table.decimal());
        }
        container.note("rows", training.rows());
        container.note("held_out", &rule);
        container.note("seed", seed);
        container.note("algorithm", format!("latent classes, {} classes", self.k));
        container.note("tool", concat!("autodidact ", env!("CARGO_PKG_VERSION")));
        let bytes = container.encode(Order::RowMajor)?;
        output.finish(&bytes)?;
        say!("columns as they were read:");
        for column in table.columns() {
            let kind = match &column.kind {
                Kind::Categorical(levels) if levels.len() > SHOWN_LEVELS => format!(
                    "one of {} and {} more",
                    levels[..SHOWN_LEVELS].join(", "),
                    levels.len() - SHOWN_LEVELS
                ),
                Kind::Categorical(levels) => format!("one of {}", levels.join(", ")),
                Kind::Bernoulli => "yes or no".into(),
                Kind::Gaussian => "a number".into(),
            };
            say!("    {:<20} {kind}", column.name);
        }
        say!(
            "{}: {} nats a row in f64, {} on the device, the same class for {} %",
            held_out::in_words(&rule, training.rows(), held_out.rows()),
            number(loss.exact),
            number(loss.integer),
            number(100.0 * loss.same_class)
        );
        for remark in remarks(&coding, &training, &held_out, &fit, &loss)? {
            say!("{remark}");
        }
        let units = Units::of(&Model::load(&bytes)?)?;
        if let Some(line) = units.driver(&names) {
            say!("{line}");
        }
        say!("{}: {} bytes", shown(&self.output), bytes.len());
        if !self.json {
            return Ok(());
        }
        let key = format!("{}.nats_per_row_data", self.name);
        let training = Training {
            output: &self.output,
            bytes: bytes.len(),
            seed,
            rows: training.rows(),
            judged: held_out.rows(),
            rule: &rule,
        };
        training.print(json!({
            "nats_per_training_row_data": fit.log_likelihood,
            "bic": fit.bic,
            "parameters": fit.parameters,
            "rounds": fit.rounds,
            "classes_without_row": without_row,
            "host": { key.clone(): loss.exact },
            "device": { key: loss.integer },
            "same_class": loss.same_class,
        }))
    }
}

/// What a person should know of the numbers among the columns, and of figures that are far apart.
fn remarks(
    coding: &Coding,
    training: &MixedTable,
    held_out: &MixedTable,
    fit: &LatentClassFitted,
    loss: &QuantisationLoss,
) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    let mut ending = 0;
    if let Some((scale, rows)) = numbers(coding, training)? {
        remarks.extend(Wild::of(&scale, &rows).remarks(rows.columns(), false));
    }
    if let Some((scale, rows)) = numbers(coding, held_out)? {
        ending = scale.ending_rows(&rows).0;
        remarks.extend(scale.ending_remark(&rows, "judged"));
    }
    if compare::is_overfitted(fit.log_likelihood, loss.exact, held_out.rows()) {
        remarks.push(format!(
            "the classes fare far worse on rows that they were not trained on: {} nats a row against {}; there are too few rows for so many classes, or the rows held out are unlike the others",
            number(loss.exact),
            number(fit.log_likelihood)
        ));
    }
    if compare::are_apart(loss.exact, loss.integer) {
        let reason = if ending > 0 {
            format!(
                "{ending} of the judged rows {} numbers that end at 8 deviations",
                if ending == 1 { "has" } else { "have" }
            )
        } else {
            "probabilities below 2^-16 end there on the device".to_owned()
        };
        remarks.push(format!("host and device differ: {reason}"));
    }
    Ok(remarks)
}

/// The columns of numbers with what makes features of them; the mean stands for a missing value. None where there are
/// none.
fn numbers(coding: &Coding, table: &MixedTable) -> Result<Option<(Standardiser, Table)>> {
    let columns = table.columns().iter().enumerate();
    let numbers = columns.filter(|(_, column)| column.kind == Kind::Gaussian);
    let places: Vec<usize> = numbers.map(|(at, _)| at).collect();
    if places.is_empty() {
        return Ok(None);
    }
    let of = |value: fn(&Scale) -> f64| -> Vec<f64> {
        places.iter().map(|&at| value(&coding.scale(at))).collect()
    };
    let scale = Standardiser {
        mean: of(|scale| scale.mean - scale.offset),
        std: of(|scale| scale.std),
        lsb: of(|scale| scale.lsb),
        own_counts: vec![true; places.len()],
        minimum: f32::MIN,
        maximum: f32::MAX,
    };
    let values = table.iter_rows().flat_map(|row| {
        places.iter().map(|&at| {
            let Scale { mean, offset, .. } = coding.scale(at);
            let value = if row[at].is_nan() { mean } else { row[at] };
            (value - offset) as f32
        })
    });
    let names = places.iter().map(|&at| table.columns()[at].name.clone());
    let rows = Table::new(table.source(), names.collect(), values.collect())?;
    Ok(Some((scale, rows)))
}

/// Levels of a column that are shown.
const SHOWN_LEVELS: usize = 12;

/// Latent classes read counts themselves.
const IDENTITY: ScalerFeature = {
    let line = Affine {
        bias: 0,
        multiplier: 1,
        shift: 0,
    };
    ScalerFeature {
        to_feature: line,
        to_counts: line,
    }
};
