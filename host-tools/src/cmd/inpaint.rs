//! `autodidact inpaint`: unknown columns filled in by a score network, with the device's own sampler.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use autodidact::model::Model;
use autodidact::rng::Generator;
use autodidact::score::Inpainting;
use autodidact_tools::artifact;
use autodidact_tools::data::columns_named;
use autodidact_tools::evaluate::Units;
use autodidact_tools::sampler::in_data_units;
use clap::Args;

use super::sample::{Walk, names};
use super::shared::{Data, Drawing, Rows, draw_seed};

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
    #[arg(long, value_enum, default_value_t = Rows::HeldOut)]
    rows: Rows,

    /// Most rows.
    #[arg(short = 'n', long)]
    limit: Option<usize>,

    /// Samples of a row that are averaged: one looks like the data, the mean of several is nearer to the truth.
    #[arg(long, default_value_t = 1)]
    draws: usize,

    /// Fixes the samples; drawn and printed when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    walk: Walk,

    #[command(flatten)]
    drawing: Drawing,
}

impl Inpaint {
    pub(crate) fn run(self) -> Result<()> {
        ensure!(self.draws > 0, "--draws is 0; give at least 1");
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let mut sampler = self.walk.sampler(&model)?;
        let names = names(&model);
        let mask: Vec<bool> = columns_named(&self.unknown, &names)?
            .into_iter()
            .map(|unknown| !unknown)
            .collect();
        ensure!(
            mask.contains(&true),
            "every column is unknown, so there is nothing to go by; `autodidact sample` draws whole rows"
        );
        let (_, _, counts) = self.data.counts(&model, self.rows)?;
        let units = Units::of(&model)?;
        let mut rng = Generator::from_seed(draw_seed(self.seed));
        let mut features = vec![0; names.len()];
        let mut filled = Vec::new();
        let rows = counts.chunks_exact(names.len());
        for counts in rows.take(self.limit.unwrap_or(usize::MAX)) {
            model.scaler().scale_into(counts, &mut features)?;
            let known = Inpainting {
                known: &features,
                mask: &mask,
            };
            let mut mean = vec![0.0; names.len()];
            for _ in 0..self.draws {
                let sample = sampler.sample(&mut rng, Some(known), &mut |_, _| {})?;
                for (mean, x) in mean.iter_mut().zip(in_data_units(&units, &sample)) {
                    *mean += x / self.draws as f64;
                }
            }
            filled.push(mean);
        }
        self.drawing.print(&names, &filled)
    }
}
