//! `autodidact restore`: rows damaged and restored again, with the device's own loop.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use autodidact::model::{Body, Model, Task};
use autodidact::score::{Level, ONE};
use autodidact_tools::artifact::{self, Unfinished, shown};
use autodidact_tools::data::{Table, columns_named};
use autodidact_tools::evaluate::{Noise, Units};
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::picture::{Picture, side_by_side, write_grid};
use autodidact_tools::restoration::{
    Damage, DescentOptions, Descents, Problem, Scale, device_level,
};
use autodidact_tools::say;
use autodidact_tools::talk::Output;
use clap::Args;

use super::sample::names;
use super::shared::{Data, Drawer, Rows, draw_seed};
use autodidact_tools::number::reading;

/// Most noise on what is seen, in standard deviations of the data: features end there.
const MOST_NOISE: f64 = 8.0;

/// Most noise on the prior's input, in standard deviations of its level.
const MOST_JITTER: f64 = 10.0;

const NO_PRIOR: &str = "the model has no denoiser and no score network; train one with `autodidact fit dae` or `autodidact fit ncsn`";

/// Whether a part can be the prior of a restoration.
fn is_prior(body: &Body<'_>) -> bool {
    matches!(
        body,
        Body::Network(_, Task::Denoiser) | Body::Graph(_, Task::Denoiser) | Body::Score(_)
    )
}

/// Pictures that are drawn.
const PICTURES: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The container, with a denoiser or a score network over columns of one unit.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// Blur images by a Gaussian of this many pixels (5x5; beyond the edge lies 0); goes with --width.
    #[arg(
        long,
        value_name = "SD",
        requires = "width",
        conflicts_with = "unknown"
    )]
    blur: Option<f64>,

    /// Hide these columns, by name or number from 1, ranges too: `33-64`.
    #[arg(long, value_name = "COLUMNS")]
    unknown: Option<String>,

    /// Standard deviation of the noise on what is seen, in data units.
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    noise: f64,

    /// Pixels a row of images: draws the first rows as they were, damaged and restored.
    #[arg(long, value_name = "PIXELS")]
    width: Option<usize>,

    /// Write the pictures to this PNG file instead.
    #[arg(long, value_name = "FILE", requires = "width")]
    png: Option<PathBuf>,

    /// Which rows.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    rows: Rows,

    /// Most rows.
    #[arg(short = 'n', long, alias = "limit", value_name = "ROWS")]
    count: Option<usize>,

    /// Noise level of the prior in data units, for score networks; the nearest level is taken. A tenth of the range of
    /// the data, four tenths where columns are unknown.
    #[arg(long, alias = "sigma", value_name = "SIGMA")]
    sigma_data: Option<f64>,

    /// Steps of the descent.
    #[arg(long, default_value_t = 300)]
    steps: u16,

    /// Noise on the prior's input in each step, in standard deviations of its level: 1 for blurs, 0 where columns are
    /// unknown.
    #[arg(long)]
    jitter: Option<f64>,

    /// Do not tell the restoration how strong the noise is.
    #[arg(long)]
    blind: bool,

    /// Fixes the noise; drawn, and said on standard error, when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    drawer: Drawer,
}

impl Restore {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        if let Some(png) = &self.png {
            Unfinished::of(png, &[&self.model, self.data.path()])?;
        }
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        self.check(&model)?;
        let units = Units::of(&model)?;
        let scale = Scale::of_units(&units)?;
        let most = MOST_NOISE * scale.std;
        ensure!(
            (0.0..=most).contains(&self.noise),
            "--noise is {}; give a number from 0 to {}, which is {MOST_NOISE} standard deviations of the data",
            reading(self.noise),
            reading(most)
        );
        let clean = self.clean(&model)?;
        let problem = Problem {
            damage: self.damage(&model)?,
            noise: self.noise,
            scale,
        };
        let seed = draw_seed(self.seed);
        let damaged = problem.damage(&clean, seed)?;
        let hidden = matches!(problem.damage, Damage::Unknown(_));
        let options = DescentOptions {
            steps: self.steps,
            jitter: self.jitter.unwrap_or(if hidden { 0.0 } else { 1.0 }),
            blind: self.blind,
            seed,
            ..DescentOptions::default()
        };
        let request = self.request(&model, &units, &problem, &damaged, &options)?;
        let (restored, drawn) = self.drawer.draw(&bytes, &model, &request)?;
        let restored = problem.restored(&damaged, &restored)?;
        writeln!(out, "{} rows of {}", clean.rows(), clean.source())?;
        writeln!(
            out,
            "{:<10} {:>10} {:>20}",
            "", "PSNR (dB)", "mean squared error"
        )?;
        for (name, table) in [("damaged", &damaged), ("restored", &restored)] {
            let quality = problem.quality(&clean, table);
            writeln!(
                out,
                "{name:<10} {:>10.2} {:>20}",
                quality.psnr,
                reading(quality.error)
            )?;
        }
        if hidden {
            writeln!(
                out,
                "The error is that of the unknown columns; damaged, they have their means."
            )?;
        }
        self.draw(out, &[&clean, &damaged, &restored])?;
        drawn.say();
        Ok(())
    }

    /// Checks that the model can restore rows, and what can be checked without the data.
    fn check(&self, model: &Model<'_>) -> Result<()> {
        let prior = model
            .parts()
            .find(|part| is_prior(&part.body))
            .context(NO_PRIOR)?;
        if let Some(sigma) = self.sigma_data {
            ensure!(
                matches!(prior.body, Body::Score(_)),
                "--sigma-data works for score networks; part `{}` is a denoiser, whose noise level is that of its training: leave it out",
                prior.name
            );
            ensure!(
                sigma.is_finite() && sigma > 0.0,
                "--sigma-data is {}; give a number above 0",
                reading(sigma)
            );
        }
        ensure!(self.steps > 0, "--steps is 0; give at least 1");
        ensure!(self.count != Some(0), "-n is 0; give at least 1");
        if let Some(jitter) = self.jitter {
            ensure!(
                (0.0..=MOST_JITTER).contains(&jitter),
                "--jitter is {}; give a number from 0 to {MOST_JITTER}",
                reading(jitter)
            );
        }
        Ok(())
    }

    fn clean(&self, model: &Model<'_>) -> Result<Table> {
        let table = self.data.table(model, self.rows)?;
        Ok(table.first(self.count.unwrap_or(usize::MAX)))
    }

    fn damage(&self, model: &Model<'_>) -> Result<Damage> {
        let columns = model.scaler().len();
        if let Some(unknown) = &self.unknown {
            let unknown = columns_named(unknown, &names(model))?;
            return Ok(Damage::Unknown(unknown.into_iter().map(|x| !x).collect()));
        }
        match (self.blur, self.width) {
            (Some(sd), Some(width)) => {
                ensure!(
                    width > 0 && columns.is_multiple_of(width),
                    "{columns} columns make no images {width} wide; give a --width that divides them"
                );
                Damage::gaussian(sd, [columns / width, width])
            }
            _ => {
                ensure!(
                    self.noise > 0.0,
                    "nothing is damaged: give --blur, --unknown or --noise"
                );
                Ok(Damage::None)
            }
        }
    }

    /// Restorations by the first denoiser or score network of the container.
    fn request(
        &self,
        model: &Model<'_>,
        units: &Units,
        problem: &Problem,
        damaged: &Table,
        options: &DescentOptions,
    ) -> Result<Request> {
        let request = |part, prior| -> Result<Request> {
            Ok(Request {
                part,
                seed: options.seed,
                work: Work::Descents(Descents::new(problem, prior, damaged, options)?),
            })
        };
        for (index, part) in model.parts().enumerate() {
            match part.body {
                Body::Network(_, Task::Denoiser) | Body::Graph(_, Task::Denoiser) => {
                    let level = self.level(part.name, units, problem)?;
                    return request(index, (0, device_level(level)?));
                }
                Body::Score(network) => {
                    let (low, high) = problem.scale.range;
                    let share = match problem.damage {
                        Damage::Unknown(_) => 0.4,
                        _ => 0.1,
                    };
                    let wanted = self.sigma_data.unwrap_or(share * (high - low));
                    let sigma =
                        |level: &Level| f64::from(level.sigma) / f64::from(ONE) * problem.scale.std;
                    let distance = |level: &Level| (sigma(level) / wanted).ln().abs();
                    let levels = (0..).zip(network.levels());
                    let nearest = levels.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
                    let (index_of_level, level) = nearest.context("the network has no level")?;
                    say!(
                        "part `{}`, level {index_of_level} of noise {:.3}",
                        part.name,
                        sigma(level)
                    );
                    return request(index, (index_of_level, level.sigma));
                }
                _ => {}
            }
        }
        bail!(NO_PRIOR)
    }

    /// The noise that part `name` was trained for, in features.
    fn level(&self, name: &str, units: &Units, problem: &Problem) -> Result<f64> {
        let level = match units.noise {
            Some(Noise::Data(sigma)) => sigma / problem.scale.std,
            Some(Noise::Features(sigma)) => sigma,
            Some(Noise::Masking(_) | Noise::SaltAndPepper(_)) => bail!(
                "part `{name}` was trained to undo another corruption than Gaussian noise, which a restoration needs; \
                 train one with --corruption gaussian"
            ),
            None => bail!(
                "the model's provenance does not say what noise part `{name}` was trained for"
            ),
        };
        say!(
            "part `{name}`, noise level {:.3}",
            level * problem.scale.std
        );
        Ok(level)
    }

    /// Rows of pictures, one a table.
    fn draw(&self, out: &mut Output, tables: &[&Table]) -> Result<()> {
        let Some(width) = self.width else {
            return Ok(());
        };
        let lines = tables.iter().map(|table| {
            let pictures = table.iter_rows().take(PICTURES).map(|row| Picture {
                width,
                shades: row.iter().map(|&x| x.into()).collect(),
            });
            pictures.collect::<Vec<_>>()
        });
        let lines: Vec<Vec<Picture>> = lines.collect();
        if let Some(path) = &self.png {
            write_grid(path, &lines, 4)?;
            say!("{}: as they were, damaged, restored", shown(path));
            return Ok(());
        }
        for line in lines {
            for text in side_by_side(&line) {
                writeln!(out, "{text}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
