//! What `fit` and `import` share: data read and scaled before, a model judged and written after.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::data::{FileChunks, Scaling, Standardiser, Table, TrainingChunks};
use autodidact_tools::emulator::Core;
use autodidact_tools::evaluate::{self, FloatPart, PartReport, Units};
use autodidact_tools::quantize::QuantisedModel;
use autodidact_tools::replay;
use autodidact_tools::say;
use autodidact_tools::train::device::{self, DeviceChoice, TrainingDevice};
use clap::{Args, ValueEnum};

use super::shared::{Data, draw_seed, fast_order, report_table};

#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) data: Data,

    /// The container to write.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,

    /// How columns are scaled: each by its own spread, or all by one (columns of one unit, such as
    /// pixels).
    #[arg(long, value_enum, default_value_t = ScaleChoice::Standard)]
    pub(super) scale: ScaleChoice,

    /// Keep columns that never change, without scaling them up.
    #[arg(long)]
    ignore_constant: bool,

    /// Fixes everything random; drawn and printed when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    /// Where to train.
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,

    /// Lay the weights out for this core; every core reads every layout.
    #[arg(long, value_enum, default_value_t = Core::M4)]
    core: Core,

    /// Name of the part in the container.
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ScaleChoice {
    Standard,
    Uniform,
}

/// Most held-out rows that a model from chunks is judged on.
const MOST_JUDGED: usize = 65_536;

/// Training data, prepared.
pub(super) struct Prepared<F = Table> {
    pub(super) training_rows: usize,
    pub(super) held_out: Table,
    /// Standardised training rows; chunks in data units where the file is not loaded whole.
    pub(super) features: F,
    pub(super) standardiser: Standardiser,
    pub(super) seed: u64,
    pub(super) device: TrainingDevice,
    pub(super) order: Order,
    pub(super) model: QuantisedModel,
    /// Clusters or components that no training row falls to, where they were counted.
    pub(super) without_row: Option<usize>,
}

impl<F> Prepared<F> {
    /// Checks, before the work, that what is trained may read as many features on the device.
    pub(super) fn check_width(&self, what: &str, most: usize) -> Result<()> {
        let (source, width) = (self.held_out.source(), self.held_out.width());
        ensure!(
            width <= most,
            "{source} has {width} columns, and {what} reads at most {most} on the device; leave columns out, or average neighbouring ones"
        );
        Ok(())
    }
}

impl Common {
    /// The container to write, which must be none of the files that it is made from.
    pub(super) fn open_output(&self) -> Result<Unfinished> {
        self.open_output_beside(&[])
    }

    /// As [`open_output`](Self::open_output), where there are `others` to read than the data.
    pub(super) fn open_output_beside(&self, others: &[&Path]) -> Result<Unfinished> {
        let inputs: Vec<&Path> = others.iter().copied().chain([self.data.path()]).collect();
        Unfinished::of(&self.output, &inputs)
    }

    /// Reads the data, scales it and opens the training device.
    pub(super) fn prepare(&self) -> Result<Prepared> {
        self.prepare_scaled(self.scaling())
    }

    /// As [`prepare`](Self::prepare) with a scaling of the family's own.
    pub(super) fn prepare_scaled(&self, scaling: Scaling) -> Result<Prepared> {
        self.check_name()?;
        let split = self.data.read()?.split_held_out()?;
        let standardiser = scaling.fit(&split.training)?;
        let features = standardiser.transform(&split.training)?;
        self.prepared(
            split.training.rows(),
            split.held_out,
            scaling,
            standardiser,
            features,
        )
    }

    fn check_name(&self) -> Result<()> {
        if let Some(name) = &self.name {
            ensure!(
                (1..=16).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_graphic())
                    && name != "scaler",
                "--name {name:?}: a part's name has 1 to 16 ASCII characters, no spaces, and is not `scaler`"
            );
        }
        Ok(())
    }

    /// As [`prepare`](Self::prepare), the file read `block_rows` rows at a time; of the held-out rows the
    /// first ones are kept.
    pub(super) fn prepare_chunks(
        &self,
        block_rows: usize,
    ) -> Result<Prepared<TrainingChunks<FileChunks>>> {
        self.check_name()?;
        let mut chunks = TrainingChunks::of(self.data.chunks(block_rows)?);
        let scaling = self.scaling();
        let standardiser = scaling.fit_chunks(&mut chunks)?;
        // That went through the whole file.
        let rows = chunks.rows_given();
        let held_out = chunks.held_out(MOST_JUDGED)?;
        self.prepared(rows, held_out, scaling, standardiser, chunks)
    }

    pub(super) fn scaling(&self) -> Scaling {
        match self.scale {
            ScaleChoice::Standard => Scaling::Standard {
                ignore_constant: self.ignore_constant,
            },
            ScaleChoice::Uniform => Scaling::Uniform,
        }
    }

    fn prepared<F>(
        &self,
        training_rows: usize,
        held_out: Table,
        scaling: Scaling,
        standardiser: Standardiser,
        features: F,
    ) -> Result<Prepared<F>> {
        let seed = draw_seed(self.seed);
        let device = device::open(self.device)?;
        let mut model = QuantisedModel::new(&standardiser, held_out.columns())?;
        model.note("data", self.data.name());
        model.note("rows", training_rows);
        model.note("held_out", "row index mod 4 = 3");
        model.note(
            "scale",
            match scaling {
                Scaling::Standard { .. } => "standard",
                Scaling::Uniform => "uniform",
                Scaling::Threshold { .. } => "threshold",
            },
        );
        model.note("seed", seed);
        model.note("tool", concat!("autodidact ", env!("CARGO_PKG_VERSION")));
        Ok(Prepared {
            training_rows,
            held_out,
            features,
            standardiser,
            seed,
            device,
            order: fast_order(self.core),
            model,
            without_row: None,
        })
    }

    /// The part's name: the user's, or `default`.
    pub(super) fn name(&self, default: &str) -> String {
        self.name.clone().unwrap_or_else(|| default.into())
    }

    /// Quantises, compares with the host's models (one a part, in their order) on held-out rows, writes the
    /// file, which was opened before training so that a folder that cannot be written to shows at once.
    pub(super) fn finish<F>(
        &self,
        prepared: &Prepared<F>,
        output: Unfinished,
        floats: &[FloatPart<'_>],
    ) -> Result<()> {
        self.finish_beside(prepared, output, floats, &[])
    }

    /// As [`finish`](Self::finish), with a column for each of `beside`: another way to do what the first part does.
    pub(super) fn finish_beside<F>(
        &self,
        prepared: &Prepared<F>,
        output: Unfinished,
        floats: &[FloatPart<'_>],
        beside: &[(&str, FloatPart<'_>)],
    ) -> Result<()> {
        let bytes = prepared.model.encode(prepared.order)?;
        let model = Model::load(&bytes)?;
        let table = &prepared.held_out;
        let device = evaluate::evaluate(&model, table, &|counts| replay::replay(&model, counts))?;
        let units = Units::of(&model)?;
        let judge = |floats: &[FloatPart<'_>]| -> Result<Vec<PartReport>> {
            let judged = model.parts().zip(floats).map(|(part, float)| {
                let outcomes = evaluate::float_outcomes(*float, &units, table)?;
                evaluate::figures(&part, &units, table, &outcomes)
            });
            judged.collect()
        };
        let mut float = judge(floats)?;
        let mut device = device;
        if let Some(count) = prepared.without_row {
            float
                .iter_mut()
                .for_each(|report| report.count_training_rows(count));
            device.iter_mut().for_each(PartReport::leave_out_empty);
        }
        let others = beside
            .iter()
            .map(|(title, part)| Ok((*title, judge(&[*part])?)))
            .collect::<Result<Vec<_>>>()?;
        output.finish(&bytes)?;
        say!(
            "trained on {} rows, judged on {} others",
            prepared.training_rows,
            table.rows()
        );
        let mut columns = vec![("host", float.as_slice()), ("device", device.as_slice())];
        columns.extend(
            others
                .iter()
                .map(|(title, reports)| (*title, reports.as_slice())),
        );
        say!("{}", report_table(&columns));
        say!("{}: {} bytes", self.output.display(), bytes.len());
        Ok(())
    }
}
