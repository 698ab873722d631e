//! `autodidact query`: distributions of some columns given others, by the device's own inference.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use autodidact::gmm::{Conditional, Gmm, parameters::COVARIANCE_ONE};
use autodidact::model::{Body, Input, Model, Part};
use autodidact_tools::artifact;
use autodidact_tools::data::{Column, Kind, names_of_line, parse_schema};
use autodidact_tools::evaluate::Units;
use autodidact_tools::quantize::FEATURE_UNIT;
use autodidact_tools::quantize::latent_class::Coding;
use autodidact_tools::query::{self, Answer};
use autodidact_tools::talk::Output;
use clap::Args;
use serde_json::{Map, Value, json};

use super::shared::print_json;

use autodidact_tools::number::{reading, reading_in_steps};

/// `interest | site=pubmed` asks for a category given a site; `age | interest=sport, gender=f` for a number;
/// `interest` alone for its distribution over everybody; `x3 | x1=0.5` for the third column of a table
/// without names.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The container.
    model: PathBuf,

    /// Columns asked for, and behind a `|` what is known.
    question: String,

    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

impl Query {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let part = queryable(&model)?;
        let answers = match &part.body {
            Body::LatentClass(classes) => {
                let coding = coding(&model, classes.lines())?;
                let question = query::Query::parse(&self.question, coding.columns())?;
                let answers = query::answer(classes, &coding, &question)?;
                let joint = joint(classes, &coding, &question)?;
                if self.json {
                    return print_json(out, &to_json(&answers, coding.columns(), joint.as_deref()));
                }
                print(out, &answers, coding.columns())?;
                if let Some(joint) = joint {
                    writeln!(out, "together")?;
                    for combination in joint {
                        let levels = combination.levels.join(", ");
                        writeln!(out, "    {levels:<30} {:>8.4}", combination.probability)?;
                    }
                }
                return Ok(());
            }
            Body::Gmm(gmm) => {
                if !matches!(part.input, Input::Features) {
                    bail!(
                        "part `{}` reads the scores of principal components, which have no columns to ask for; fit the mixture without --components",
                        part.name
                    );
                }
                let columns = columns(&model, gmm.dimensions());
                let question = query::Query::parse(&self.question, &columns)?;
                (ask_mixture(gmm, &Units::of(&model)?, &question)?, columns)
            }
            _ => bail!("part `{}` cannot be asked", part.name),
        };
        if self.json {
            return print_json(out, &to_json(&answers.0, &answers.1, None));
        }
        print(out, &answers.0, &answers.1)
    }
}

fn joint(
    classes: &autodidact::latent_class::LatentClass<'_>,
    coding: &Coding,
    question: &query::Query,
) -> Result<Option<Vec<query::Combination>>> {
    if question.targets.len() < 2 {
        return Ok(None);
    }
    query::joint(classes, coding, question)
}

/// The first part that has a joint distribution.
pub(super) fn queryable<'a>(model: &Model<'a>) -> Result<Part<'a>> {
    model
        .parts()
        .find(|part| matches!(part.body, Body::Gmm(_) | Body::LatentClass(_)))
        .context("the model has no Gaussian mixture and no latent classes, which alone have a distribution to ask; fit one with `autodidact fit gmm` or `fit latent-class`")
}

/// Names and units of a latent-class model's columns.
pub(super) fn coding(
    model: &Model<'_>,
    lines: &[autodidact::scaler::ScalerFeature],
) -> Result<Coding> {
    let units = Units::of(model)?;
    Coding::from_lines(
        parse_schema(model.text())?,
        &units.lsb,
        &units.offset,
        lines,
    )
}

/// Names of numeric columns, as far as the model's text has them.
pub(super) fn columns(model: &Model<'_>, width: usize) -> Vec<Column> {
    let names = names_of_line(model.text_value("columns"), width);
    let names = names.unwrap_or_else(|| (1..=width).map(|at| format!("x{at}")).collect());
    names
        .into_iter()
        .map(|name| Column {
            name,
            kind: Kind::Gaussian,
        })
        .collect()
}

fn ask_mixture(gmm: &Gmm<'_>, units: &Units, question: &query::Query) -> Result<Vec<Answer>> {
    let (k, d) = (gmm.k(), gmm.dimensions());
    let (mut features, mut observed) = (vec![0; d], vec![false; d]);
    for &(column, value) in &question.given {
        let feature = (value - units.offset[column] - units.mean[column]) / units.std[column];
        // A float cast saturates.
        features[column] = (feature * FEATURE_UNIT).round_ties_even() as i16;
        observed[column] = true;
    }
    let mut workspace = vec![0; Gmm::condition_words(gmm.covariance(), k, d)];
    let (mut responsibilities, mut mean, mut variances) = (vec![0; k], vec![0; d], vec![0; d]);
    gmm.condition_into(
        &features,
        &observed,
        &mut workspace,
        Conditional {
            responsibilities: &mut responsibilities,
            mean: &mut mean,
            variances: &mut variances,
        },
    )?;
    let answer = |&column: &usize| {
        ensure!(
            variances[column] < i64::MAX,
            "column {column}: the variance of the answer is 128 or more in features, which the device's format does not hold; give more of the other columns"
        );
        Ok(Answer::Number {
            column,
            mean: f64::from(mean[column]) / FEATURE_UNIT * units.std[column]
                + units.mean[column]
                + units.offset[column],
            std: (variances[column] as f64 / COVARIANCE_ONE as f64).sqrt() * units.std[column],
        })
    };
    question.targets.iter().map(answer).collect()
}

/// Answers by column; combinations of levels where several columns with levels were asked for.
fn to_json(answers: &[Answer], columns: &[Column], joint: Option<&[query::Combination]>) -> Value {
    let name = |column: usize| columns.get(column).map(|column| column.name.as_str());
    let answers = answers.iter().map(|answer| match answer {
        Answer::Levels {
            column,
            probabilities,
        } => {
            let levels = probabilities.iter();
            let levels = levels.map(|(level, p)| (level.clone(), Value::from(*p)));
            json!({ "column": name(*column), "probabilities": levels.collect::<Map<_, _>>() })
        }
        Answer::Number { column, mean, std } => {
            json!({ "column": name(*column), "mean": mean, "std": std })
        }
    });
    let joint = joint.map(|joint| {
        let combinations = joint.iter().map(|combination| {
            json!({ "levels": combination.levels, "probability": combination.probability })
        });
        combinations.collect::<Vec<_>>()
    });
    json!({ "answers": answers.collect::<Vec<_>>(), "together": joint })
}

fn print(out: &mut Output, answers: &[Answer], columns: &[Column]) -> Result<()> {
    let name = |column: usize| {
        columns
            .get(column)
            .map_or("", |column| column.name.as_str())
    };
    for answer in answers {
        match answer {
            Answer::Levels {
                column,
                probabilities,
            } => {
                writeln!(out, "{}", name(*column))?;
                for (level, probability) in probabilities {
                    let bar = "#".repeat((probability * 40.0).round() as usize);
                    writeln!(out, "    {level:<16} {probability:>7.4} {bar}")?;
                }
            }
            Answer::Number { column, mean, std } => {
                writeln!(
                    out,
                    "{:<20} {} +- {}",
                    name(*column),
                    reading_in_steps(*mean, std / 1000.0),
                    reading(*std)
                )?;
            }
        }
    }
    Ok(())
}
