//! `autodidact inpaint`: unknown columns filled in by a score network, with the device's own sampler.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use autodidact::model::{Body, Model};
use autodidact_tools::artifact;
use autodidact_tools::data::columns_named;
use autodidact_tools::evaluate::Units;
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::sampler::{NO_SCORE_NETWORK, in_data_units};
use autodidact_tools::talk::Output;
use clap::Args;

use super::sample::{MOST_NUMBERS, Walk, names};
use super::shared::{Data, Drawer, Drawing, Rows, draw_seed};

#[derive(Debug, Args)]
pub(crate) struct Inpaint {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// The columns to fill in, by name or number from 1, ranges too: `33-64`. What the file says there is
    /// not looked at.
    #[arg(long, value_name = "COLUMNS")]
    unknown: String,

    /// Which rows.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    rows: Rows,

    /// Most rows.
    #[arg(short = 'n', long, alias = "limit", value_name = "ROWS")]
    count: Option<usize>,

    /// Samples of a row that are averaged: one looks like the data, the mean of several is nearer to the truth.
    #[arg(long, default_value_t = 1)]
    draws: usize,

    /// Fixes the samples; drawn, and said on standard error, when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    walk: Walk,

    #[command(flatten)]
    drawing: Drawing,

    #[command(flatten)]
    drawer: Drawer,
}

/// Makes sure that so many draws of so many numbers find room.
fn check_numbers(numbers: usize, draws: usize) -> Result<()> {
    let most = (MOST_NUMBERS / numbers.max(1)).max(1);
    ensure!(
        draws <= most,
        "--draws is {draws}; give at most {most} for so many rows, or fewer rows by -n"
    );
    Ok(())
}

impl Inpaint {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        ensure!(self.draws > 0, "--draws is 0; give at least 1");
        self.drawing.check(&[&self.model, self.data.path()])?;
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let part = Request::find(&model, |body| matches!(body, Body::Score(_)));
        let (part, _) = part.context(NO_SCORE_NETWORK)?;
        let schedule = self.walk.schedule(&model)?;
        let names = names(&model);
        let known: Vec<bool> = columns_named(&self.unknown, &names)?
            .into_iter()
            .map(|unknown| !unknown)
            .collect();
        ensure!(
            known.contains(&true),
            "every column is unknown, so there is nothing to go by; `autodidact sample` draws whole rows"
        );
        let (_, _, counts) = self.data.counts(&model, self.rows)?;
        let units = Units::of(&model)?;
        let width = names.len();
        let rows = (counts.len() / width).min(self.count.unwrap_or(usize::MAX));
        self.drawing.check_count(rows)?;
        check_numbers(rows.saturating_mul(width), self.draws)?;
        let request = Request {
            part,
            seed: draw_seed(self.seed),
            work: Work::FillIn {
                schedule,
                known,
                counts: counts[..rows * width].to_vec(),
                draws: self.draws,
            },
        };
        let (samples, drawn) = self.drawer.draw(&bytes, &model, &request)?;
        let filled: Vec<Vec<f64>> = samples
            .chunks_exact(self.draws * width)
            .map(|draws| {
                let mut mean = vec![0.0; width];
                for sample in draws.chunks_exact(width) {
                    for (mean, x) in mean.iter_mut().zip(in_data_units(&units, sample)) {
                        *mean += x / self.draws as f64;
                    }
                }
                mean
            })
            .collect();
        self.drawing.print(out, &names, &units, &filled)?;
        drawn.say();
        Ok(())
    }
}
