//! What `fit` and `import` share: data read and scaled before, a model judged and written after.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact_tools::artifact::{Unfinished, same_file_or_name, shown};
use autodidact_tools::data::{
    Chunks as _, Decimal, FileChunks, HeldOut, HoldOut, LARGEST_FEATURE, ROWS_FOR_ORDER, Scaling,
    Standardiser, Table, TrainingChunks, Wild, for_each_chunk,
};
use autodidact_tools::emulator::Core;
use autodidact_tools::evaluate::{self, FloatPart, PartReport, Units};
use autodidact_tools::number::{reading, reading_in_steps};
use autodidact_tools::quantize::{FEATURE_UNIT, QuantisedModel};
use autodidact_tools::replay;
use autodidact_tools::say;
use autodidact_tools::talk::Output;
use autodidact_tools::train::device::{self, DeviceChoice, TrainingDevice};
use autodidact_tools::train::import::Scaler;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::compare;
use super::held_out::{self, Holding};
use super::of_column::{OfColumn, column_named, offset};
use super::shared::{Data, draw_seed, fast_order, open_output, print_json, report_table, to_json};

#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) data: Data,

    /// The container to write.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,

    /// How columns are scaled: each by its own standard deviation, each by its own quartiles (which a few wild
    /// readings do not move), or all by one deviation (columns of one unit, such as pixels).
    #[arg(long, value_enum, default_value_t = ScaleChoice::Standard)]
    pub(super) scale: ScaleChoice,

    /// Keep columns that never change, without scaling them up.
    #[arg(long)]
    ignore_constant: bool,

    /// What one count of the sensor is worth in the unit of the file: of all columns, or of one; may be given again.
    /// The driver then passes its readings as they are.
    #[arg(long, value_name = "[COLUMN=]VALUE")]
    lsb: Vec<OfColumn>,

    /// A constant to subtract from a column, by name or by number from 1, which the firmware subtracts as well: for
    /// readings that vary little around a large value. May be given again.
    #[arg(long, value_name = "COLUMN=VALUE", allow_hyphen_values = true, value_parser = offset)]
    offset: Vec<(String, f64)>,

    #[command(flatten)]
    holding: Holding,

    /// Fixes everything random; drawn, and said on standard error, when it is not given.
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

    /// Print one JSON object with the figures of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ScaleChoice {
    Standard,
    Robust,
    Uniform,
}

/// Checks the level of a noise, in a unit of which a standard deviation of the data has `std`: one that features do not
/// show teaches nothing, and features end at eight deviations.
pub(super) fn check_noise(flag: &str, level: f64, std: f64) -> Result<()> {
    let (least, most) = (std / FEATURE_UNIT, LARGEST_FEATURE * std);
    ensure!(
        (least..=most).contains(&level),
        "{flag} is {}; give a number from {}, the unit of a feature, to {}, where features end",
        reading(level),
        reading(least),
        reading(most)
    );
    Ok(())
}

/// Most held-out rows that a model from chunks is judged on.
const MOST_JUDGED: usize = 65_536;

/// Training data, prepared.
pub(super) struct Prepared<F = Table> {
    pub(super) training_rows: usize,
    /// As many training rows as are judged, in data units; none where the file is not loaded whole.
    seen: Option<Table>,
    /// The rows that the report is about.
    pub(super) held_out: Table,
    pub(super) rule: HeldOut,
    /// The constant subtracted from each column.
    offsets: Vec<f64>,
    /// Standardised training rows; chunks in data units where the file is not loaded whole.
    pub(super) features: F,
    pub(super) standardiser: Standardiser,
    pub(super) seed: u64,
    pub(super) device: TrainingDevice,
    pub(super) order: Order,
    pub(super) model: QuantisedModel,
    /// Clusters or components that no training row falls to, where they were counted.
    pub(super) without_row: Option<usize>,
    /// What else training has to tell in JSON.
    pub(super) figures: Map<String, Value>,
}

impl<F> Prepared<F> {
    /// Checks, before the work, that a level in data units means the same in every column, and is no noise of none; gives
    /// it in standard deviations of the data.
    pub(super) fn sigma_data(&self, sigma: f64) -> Result<f64> {
        let std = self.standardiser.std[0];
        ensure!(
            self.standardiser.std.iter().all(|other| *other == std),
            "--sigma-data needs columns of one unit: add --scale uniform, or give --sigma in standard deviations"
        );
        check_noise("--sigma-data", sigma, std)?;
        Ok(sigma / std)
    }

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

/// Rows before they are prepared.
struct Rows<F> {
    training_rows: usize,
    seen: Option<Table>,
    held_out: Table,
    rule: HeldOut,
    decimal: Decimal,
    features: F,
}

impl Prepared {
    /// Notes from where to where each column goes, for parts that rows are drawn from. Of many columns it would be more
    /// text than model.
    pub(super) fn note_ranges(&mut self) -> Result<()> {
        const MOST: usize = 256;
        let data = self.standardiser.inverse(&self.features)?;
        let width = data.width();
        if width > MOST {
            return Ok(());
        }
        let offsets = self.offsets.iter().zip(&self.standardiser.lsb);
        let ranges: Vec<String> = offsets
            .enumerate()
            .map(|(at, (offset, lsb))| {
                let column = data.values().iter().skip(at).step_by(width);
                let (low, high) = column.fold((f64::INFINITY, f64::NEG_INFINITY), |range, &x| {
                    (range.0.min(x.into()), range.1.max(x.into()))
                });
                // Features are rounded; readings are whole counts.
                let [low, high] =
                    [low, high].map(|x| reading_in_steps((x / lsb).round() * lsb + offset, *lsb));
                format!("{low}..{high}")
            })
            .collect();
        self.model.note("range", ranges.join(","));
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
        let judged = self.holding.file();
        let own = [self.data.path()].into_iter().chain(judged);
        let inputs: Vec<&Path> = others.iter().copied().chain(own).collect();
        open_output(&self.output, &inputs, self.json)
    }

    /// As [`open_output`](Self::open_output), of a training run that keeps a checkpoint, if so: which has to be a file of
    /// its own.
    pub(super) fn open_output_and(&self, checkpoint: Option<&Path>) -> Result<Unfinished> {
        let output = self.open_output()?;
        let Some(checkpoint) = checkpoint else {
            return Ok(output);
        };
        let inputs = [self.data.path()].into_iter().chain(self.holding.file());
        for (others, other) in inputs
            .map(|path| ("the input", path))
            .chain([("the output", &*self.output)])
        {
            ensure!(
                !same_file_or_name(checkpoint, other),
                "the checkpoint {} is {others} {}, which it would replace: give the checkpoint another name",
                checkpoint.display(),
                other.display()
            );
        }
        let kept = Unfinished::beside(checkpoint)?;
        ensure!(
            !kept.is_standard_output(),
            "--checkpoint {} is standard output, from which nothing can go on: give it a file",
            checkpoint.display()
        );
        Ok(output)
    }

    /// Reads the data, scales it and opens the training device.
    pub(super) fn prepare(&self) -> Result<Prepared> {
        self.prepare_scaled(self.scaling())
    }

    /// As [`prepare`](Self::prepare) with a scaling of the family's own.
    pub(super) fn prepare_scaled(&self, scaling: Scaling) -> Result<Prepared> {
        self.check_name()?;
        let table = self.data.read_less(self.offset.clone())?;
        let offsets = self.offsets(table.columns())?;
        let holding = &self.holding;
        holding.check_file(self.data.path())?;
        let rule = holding.of(
            table.source(),
            table.rows(),
            table.columns(),
            table.values(),
        )?;
        let mut split = table.split(&rule)?;
        if let Some(HoldOut::File(path)) = &holding.hold_out {
            split.held_out =
                self.data
                    .read_beside(path, table.columns(), &offsets, table.decimal())?;
        }
        let standardiser = scaling.fit(&split.training)?;
        let standardiser = self.counting(standardiser, table.columns())?;
        let training = &split.training;
        let mut remarks = Wild::of(&standardiser, training).remarks(table.columns(), true);
        if rule != HeldOut::None {
            remarks.extend(standardiser.ending_remark(&split.held_out, "held-out"));
        }
        let rows = Rows {
            training_rows: training.rows(),
            seen: Some(training.first(split.held_out.rows())),
            features: standardiser.transform(training)?,
            held_out: split.held_out,
            rule,
            decimal: table.decimal(),
        };
        let prepared = self.prepared(rows, name(scaling), standardiser, true)?;
        for remark in remarks {
            say!("{remark}");
        }
        Ok(prepared)
    }

    /// Counts of the sensor's own, where they were given.
    fn counting(&self, mut standardiser: Standardiser, columns: &[String]) -> Result<Standardiser> {
        let mut counted = vec![false; columns.len()];
        for lsb in &self.lsb {
            ensure!(
                lsb.value.is_normal() && lsb.value > 0.0,
                "--lsb is {}; give what one count is worth, a number above 0",
                lsb.value
            );
            let chosen = lsb.chosen(columns)?;
            for (at, name) in columns.iter().enumerate().filter(|(at, _)| chosen[*at]) {
                ensure!(
                    !counted[at],
                    "--lsb gives column `{name}` two counts; give it once"
                );
                counted[at] = true;
                standardiser.count_by(at, name, lsb.value)?;
            }
        }
        Ok(standardiser)
    }

    /// The constant that is subtracted from each column.
    fn offsets(&self, columns: &[String]) -> Result<Vec<f64>> {
        let mut offsets = vec![0.0; columns.len()];
        let mut given = vec![false; columns.len()];
        for (name, value) in &self.offset {
            let at = column_named(name, columns)?;
            ensure!(
                !given[at],
                "--offset gives column `{name}` two constants; give it once"
            );
            (offsets[at], given[at]) = (*value, true);
        }
        Ok(offsets)
    }

    /// As [`prepare`](Self::prepare) for a model that is not trained here: all rows are judged, and a `scaler` of its
    /// own takes the place of the scaling.
    pub(super) fn prepare_imported(
        &self,
        scaling: Scaling,
        scaler: Option<&Scaler>,
    ) -> Result<Prepared> {
        self.check_name()?;
        ensure!(
            self.holding.hold_out.is_none() && self.offset.is_empty(),
            "a model that is imported was trained elsewhere on the readings as they are, and is judged on all rows: leave --hold-out and --offset out"
        );
        let table = self.data.read()?;
        let standardiser = scaling.fit(&table)?;
        let (standardiser, scale) = match scaler {
            Some(scaler) => (scaler.replace(standardiser)?, "archive"),
            None => (standardiser, name(scaling)),
        };
        let standardiser = self.counting(standardiser, table.columns())?;
        if let Some(remark) = standardiser.ending_remark(&table, "judged") {
            say!("{remark}");
        }
        let rows = Rows {
            training_rows: table.rows(),
            seen: None,
            features: standardiser.transform(&table)?,
            decimal: table.decimal(),
            held_out: table,
            rule: HeldOut::None,
        };
        let mut prepared = self.prepared(rows, scale, standardiser, false)?;
        prepared.training_rows = 0;
        Ok(prepared)
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
        self.holding.check_file(self.data.path())?;
        let mut chunks = self.data.chunks(block_rows, self.offset.clone())?;
        let decimal = chunks.decimal();
        let rule = self.rule_of_chunks(&mut chunks)?;
        let mut chunks = TrainingChunks::of(chunks, rule.clone());
        let scaling = self.scaling();
        let standardiser = scaling.fit_chunks(&mut chunks)?;
        let standardiser = self.counting(standardiser, chunks.columns())?;
        // That went through the whole file.
        let training_rows = chunks.rows_given();
        let held_out = match &self.holding.hold_out {
            Some(HoldOut::File(path)) => {
                let columns = chunks.columns();
                self.data
                    .read_beside(path, columns, &self.offsets(columns)?, decimal)?
            }
            _ => chunks.held_out(MOST_JUDGED)?,
        };
        let columns = chunks.columns().to_vec();
        let mut wild = Wild::new(&standardiser);
        let mut seen = None;
        for_each_chunk(&mut chunks, |chunk| {
            wild.add(chunk);
            seen.get_or_insert_with(|| chunk.first(held_out.rows()));
            Ok(())
        })?;
        chunks.rewind()?;
        let mut remarks = wild.remarks(&columns, true);
        if rule != HeldOut::None {
            remarks.extend(standardiser.ending_remark(&held_out, "held-out"));
        }
        if held_out.rows() == MOST_JUDGED {
            remarks.push(format!(
                "of the rows held out the first {MOST_JUDGED} are judged"
            ));
        }
        let rows = Rows {
            training_rows,
            seen,
            held_out,
            rule,
            decimal,
            features: chunks,
        };
        let prepared = self.prepared(rows, name(scaling), standardiser, true)?;
        for remark in remarks {
            say!("{remark}");
        }
        Ok(prepared)
    }

    /// Which rows of chunks are held out; goes through them once, to count them.
    fn rule_of_chunks(&self, chunks: &mut FileChunks) -> Result<HeldOut> {
        let columns = chunks.columns().to_vec();
        let mut first: Vec<f32> = Vec::new();
        let rows = for_each_chunk(chunks, |chunk| {
            if first.len() < ROWS_FOR_ORDER * columns.len() {
                first.extend_from_slice(chunk.values());
            }
            Ok(())
        })?;
        chunks.rewind()?;
        self.holding.of(chunks.source(), rows, &columns, &first)
    }

    pub(super) fn scaling(&self) -> Scaling {
        let ignore_constant = self.ignore_constant;
        match self.scale {
            ScaleChoice::Standard => Scaling::Standard { ignore_constant },
            ScaleChoice::Robust => Scaling::Robust { ignore_constant },
            ScaleChoice::Uniform => Scaling::Uniform,
        }
    }

    fn prepared<F>(
        &self,
        rows: Rows<F>,
        scale: &str,
        standardiser: Standardiser,
        seeded: bool,
    ) -> Result<Prepared<F>> {
        // What was trained elsewhere needs no seed.
        let seed = seeded.then(|| draw_seed(self.seed));
        let device = device::open(self.device)?;
        if !device.is_cpu() {
            say!("training on {device}");
        }
        let mut model = QuantisedModel::new(&standardiser, rows.held_out.columns())?;
        let offsets = self.offsets(rows.held_out.columns())?;
        if offsets.iter().any(|offset| *offset != 0.0) {
            let listed: Vec<String> = offsets.iter().map(ToString::to_string).collect();
            model.note("offset", listed.join(","));
        }
        if rows.decimal == Decimal::Comma {
            model.note("decimal", rows.decimal);
        }
        model.note("data", self.data.name());
        model.note("rows", rows.training_rows);
        model.note("held_out", &rows.rule);
        model.note("scale", scale);
        if let Some(seed) = seed {
            model.note("seed", seed);
        }
        model.note("tool", concat!("autodidact ", env!("CARGO_PKG_VERSION")));
        Ok(Prepared {
            training_rows: rows.training_rows,
            seen: rows.seen,
            held_out: rows.held_out,
            rule: rows.rule,
            offsets,
            features: rows.features,
            standardiser,
            seed: seed.unwrap_or_default(),
            device,
            order: fast_order(self.core),
            model,
            without_row: None,
            figures: Map::new(),
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
        let judge = |floats: &[FloatPart<'_>], table: &Table| -> Result<Vec<PartReport>> {
            let judged = model.parts().zip(floats).map(|(part, float)| {
                let outcomes = evaluate::float_outcomes(*float, &units, table)?;
                evaluate::figures(&part, &units, table, &outcomes)
            });
            judged.collect()
        };
        let mut float = judge(floats, table)?;
        let mut device = device;
        if let Some(count) = prepared.without_row {
            float
                .iter_mut()
                .for_each(|report| report.count_training_rows(count));
            device.iter_mut().for_each(PartReport::leave_out_empty);
        }
        let others = beside
            .iter()
            .map(|(title, part)| Ok((*title, judge(&[*part], table)?)))
            .collect::<Result<Vec<_>>>()?;
        let trained = prepared.training_rows > 0;
        let mut remarks = compare::apart(&float, &device, &prepared.standardiser, table, trained);
        if let (Some(seen), false) = (&prepared.seen, prepared.rule == HeldOut::None) {
            remarks.extend(compare::overfitted(
                &judge(floats, seen)?,
                &float,
                table.rows(),
            ));
        }
        output.finish(&bytes)?;
        say!(
            "{}",
            held_out::in_words(&prepared.rule, prepared.training_rows, table.rows())
        );
        let mut columns = vec![("host", float.as_slice()), ("device", device.as_slice())];
        columns.extend(
            others
                .iter()
                .map(|(title, reports)| (*title, reports.as_slice())),
        );
        // Parts that rows are drawn from have no figures here.
        if device.iter().any(|report| !report.figures.is_empty()) {
            say!("{}", report_table(&columns));
        }
        for remark in remarks {
            say!("{remark}");
        }
        if let Some(line) = units.driver(prepared.held_out.columns()) {
            say!("{line}");
        }
        say!("{}: {} bytes", shown(&self.output), bytes.len());
        let beside = others.iter();
        let beside = beside.map(|(title, reports)| ((*title).to_owned(), to_json(reports).into()));
        let mut figures = json!({
            "host": to_json(&float),
            "device": to_json(&device),
            "beside": beside.collect::<Map<_, _>>(),
        });
        for (key, value) in &prepared.figures {
            figures[key] = value.clone();
        }
        self.print_json(prepared, bytes.len(), figures)
    }

    /// Prints `figures` of a model that has been written in `bytes` bytes, with what is known of its training, if JSON
    /// is asked for.
    pub(super) fn print_json<F>(
        &self,
        prepared: &Prepared<F>,
        bytes: usize,
        figures: Value,
    ) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let training = Training {
            output: &self.output,
            bytes,
            seed: prepared.seed,
            rows: prepared.training_rows,
            judged: prepared.held_out.rows(),
            rule: &prepared.rule,
        };
        training.print(figures)
    }
}

/// What `fit --json` tells of any training.
pub(super) struct Training<'a> {
    pub(super) output: &'a Path,
    pub(super) bytes: usize,
    pub(super) seed: u64,
    pub(super) rows: usize,
    pub(super) judged: usize,
    pub(super) rule: &'a HeldOut,
}

impl Training<'_> {
    /// Prints it together with `figures`.
    pub(super) fn print(&self, mut figures: Value) -> Result<()> {
        figures["output"] = self.output.display().to_string().into();
        figures["bytes"] = self.bytes.into();
        figures["seed"] = self.seed.into();
        figures["training_rows"] = self.rows.into();
        figures["judged_rows"] = self.judged.into();
        figures["held_out"] = self.rule.to_string().into();
        let mut out = Output::standard();
        print_json(&mut out, &figures)?;
        Ok(out.flush()?)
    }
}

/// As a container's text names it.
const fn name(scaling: Scaling) -> &'static str {
    match scaling {
        Scaling::Standard { .. } => "standard",
        Scaling::Robust { .. } => "robust",
        Scaling::Uniform => "uniform",
        Scaling::Threshold { .. } => "threshold",
    }
}
