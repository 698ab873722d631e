//! What several verbs have in common: the data argument, the choice of rows, tables on the terminal.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use autodidact::kernels::Order;
use autodidact::model::{Body, Model};
use autodidact_tools::artifact::{Unfinished, shown};
#[cfg(feature = "train")]
use autodidact_tools::data::FileChunks;
use autodidact_tools::data::{self, Decimal, HeldOut, ReadOptions, Table, names_of_line};
use autodidact_tools::emulator::{self, Core, GenerateRun, Image};
use autodidact_tools::evaluate::{PartReport, Units};
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::picture::{Picture, side_by_side, write_grid};
use autodidact_tools::quantize::latent_class::Coding;
use autodidact_tools::say;
use autodidact_tools::talk::Output;
use autodidact_tools::verdict::ensure_same;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::reading::Reading;
use autodidact_tools::number::{number, reading_in_steps};

/// Where rows come from.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// A CSV, NPY or IDX file (each may end in .gz), or the word `digits` for the bundled digits.
    #[arg(value_name = "DATA")]
    path: PathBuf,

    #[command(flatten)]
    reading: Reading,
}

impl Data {
    /// The file, for comparison with others.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every row and every column that is not left out.
    pub(crate) fn read(&self) -> Result<Table> {
        self.open(&self.path, self.reading.options())
    }

    fn open(&self, path: &Path, options: ReadOptions) -> Result<Table> {
        if path == Path::new("digits") && !path.exists() {
            // Pixels 0..=16 as shades 0..=1.
            return data::digits()?.scaled(1.0 / data::DIGIT_MAX);
        }
        data::open_with(path, &options, &mut |line| say!("{line}"))
    }

    /// As [`read`](Self::read), less constants of columns.
    #[cfg(feature = "train")]
    pub(crate) fn read_less(&self, offset: Vec<(String, f64)>) -> Result<Table> {
        let options = ReadOptions {
            offset,
            ..self.reading.options()
        };
        self.open(&self.path, options)
    }

    /// The file in blocks, without loading it whole, less constants of columns.
    #[cfg(feature = "train")]
    pub(crate) fn chunks(
        &self,
        block_rows: usize,
        offset: Vec<(String, f64)>,
    ) -> Result<FileChunks> {
        let options = ReadOptions {
            offset,
            ..self.reading.options()
        };
        data::open_chunks_with(&self.path, &options, block_rows, &mut |line| say!("{line}"))
    }

    /// The rows of another file, in these columns, less these constants and with this decimal character where it tells
    /// none.
    #[cfg(feature = "train")]
    pub(crate) fn read_beside(
        &self,
        path: &Path,
        columns: &[String],
        offsets: &[f64],
        decimal: Decimal,
    ) -> Result<Table> {
        let options = ReadOptions {
            columns: Some(columns.to_vec()),
            usual_decimal: (decimal == Decimal::Comma).then_some(decimal),
            ..self.reading.options()
        };
        self.open(path, options.less(offsets))
    }

    /// The rows meant, in the columns of the model.
    pub(crate) fn table(&self, model: &Model<'_>, rows: Rows) -> Result<Table> {
        let width = model.scaler().len();
        let names = names_of_line(model.text_value("columns"), width)
            .unwrap_or_else(|| Table::numbered_columns(width));
        let options = ReadOptions {
            columns: Some(names),
            usual_decimal: usual_decimal(model),
            ..self.reading.options()
        };
        let units = Units::of(model)?;
        let table = self.open(&self.path, options.less(&units.offset))?;
        let table = rows.of(model, table)?;
        if let Some(remark) = units.ending_remark(&table) {
            say!("{remark}");
        }
        Ok(table)
    }

    /// Counts of the rows meant, as the model takes them, with the number of rows and where they are from.
    pub(crate) fn counts(
        &self,
        model: &Model<'_>,
        rows: Rows,
    ) -> Result<(usize, String, Vec<i16>)> {
        let classes = model.parts().find_map(|part| match part.body {
            Body::LatentClass(classes) => Some(classes),
            _ => None,
        });
        let Some(classes) = classes else {
            let table = self.table(model, rows)?;
            let counts = Units::of(model)?.counts(&table)?;
            return Ok((table.rows(), table.source().into(), counts));
        };
        let columns = data::parse_schema(model.text())?;
        let units = Units::of(model)?;
        let coding = Coding::from_lines(columns, &units.lsb, &units.offset, classes.lines())?;
        let options = ReadOptions {
            usual_decimal: usual_decimal(model),
            ..self.reading.options()
        };
        let say = &mut |line: &str| say!("{line}");
        let table = data::open_mixed_for(&self.path, &options, coding.columns(), say)?;
        let table = match rows {
            Rows::HeldOut => {
                table
                    .split(&held_out(model, table.source(), table.rows())?)?
                    .1
            }
            Rows::Training => {
                table
                    .split(&held_out(model, table.source(), table.rows())?)?
                    .0
            }
            Rows::All => table,
        };
        let counts = table
            .iter_rows()
            .flat_map(|row| coding.encode_row(row))
            .collect();
        Ok((table.rows(), table.source().into(), counts))
    }

    #[cfg(feature = "train")]
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// The decimal character of the text that a model was trained on, where its container says so.
fn usual_decimal(model: &Model<'_>) -> Option<Decimal> {
    model.text_value("decimal")?.parse().ok()
}

/// Takes one of `values` alone, and lists them in the help.
pub(crate) fn one_of<T>(values: impl IntoIterator<Item = T>) -> impl TypedValueParser<Value = T>
where
    T: ValueEnum + Clone + Send + Sync + 'static,
{
    let names = values
        .into_iter()
        .filter_map(|value| value.to_possible_value());
    PossibleValuesParser::new(names).try_map(|name| T::from_str(&name, false))
}

/// Where rows are drawn.
#[derive(Debug, Args)]
pub(crate) struct Drawer {
    /// Draw on this emulated core as well. It has to give the host's bytes; what it took is said at the end.
    #[arg(long, value_parser = one_of(Image::Generate.cores()))]
    core: Option<Core>,
}

impl Drawer {
    /// The rows that are asked for, and what the core says that drew them too.
    pub(crate) fn draw(
        &self,
        bytes: &[u8],
        model: &Model<'_>,
        request: &Request,
    ) -> Result<(Vec<i16>, Drawn)> {
        if let Some(core) = self.core {
            emulator::ready(core)?;
        }
        let rows = request.on_host(model)?;
        let Some(core) = self.core else {
            return Ok((rows, Drawn(None)));
        };
        let run = emulator::generate(core, bytes, request)?;
        ensure_same(
            core.name(),
            "value",
            &rows,
            &run.rows,
            "the model and the seed",
        )?;
        let part = model.parts().nth(request.part);
        let on_core = OnCore {
            core,
            run,
            steps: match request.work {
                Work::Chain { .. } => Some("Gibbs steps"),
                Work::Mixture { .. } | Work::Classes { .. } => None,
                _ => Some("evaluations"),
            },
            slow: part.is_some_and(|part| is_slow(core, &part.body)),
        };
        Ok((rows, Drawn(Some(on_core))))
    }
}

/// Whether a graph's weights lie in an order that the core is not fast at.
fn is_slow(core: Core, body: &Body<'_>) -> bool {
    let graph = match body {
        Body::Graph(graph, _) => graph,
        Body::Score(network) => network.graph(),
        _ => return false,
    };
    let layers = (0..graph.ops().len()).filter_map(|op| graph.weights(op));
    let mut orders = layers.map(|weights| weights.order());
    orders.any(|order| order != fast_order(core))
}

/// What a core that drew has to say.
struct OnCore {
    core: Core,
    run: GenerateRun,
    /// What it evaluated for a sample, if that is anything but the sample itself.
    steps: Option<&'static str>,
    /// Whether another order of the weights would have been faster.
    slow: bool,
}

/// What drawing took of a core, if one drew.
#[must_use]
pub(crate) struct Drawn(Option<OnCore>);

impl Drawn {
    /// Says it.
    pub(crate) fn say(&self) {
        let Some(OnCore {
            core,
            run,
            steps,
            slow,
        }) = &self.0
        else {
            return;
        };
        say!(
            "{:<12} {} rows, {} instructions each",
            core.name(),
            grouped(run.samples.rows),
            grouped(run.samples.instructions_per_row())
        );
        if let Some(steps) = steps {
            say!(
                "{steps:<12} {} in all, {} instructions each",
                grouped(run.evaluations),
                grouped(run.instructions_per_evaluation())
            );
        }
        say!(
            "{:<12} {} bytes, and {} of stack",
            "memory",
            grouped(run.memory_bytes),
            grouped(run.stack_bytes)
        );
        say!(
            "host and {core} gave the same {} bytes",
            grouped(2 * run.rows.len() as u64)
        );
        if *slow {
            say!(
                "the weights lie in another core's order, which takes longer; `autodidact fit … --core {core}` lays them out for this one"
            );
        }
    }
}

/// The file that a verb writes, made from the files `inputs`; it must not go to standard output together with JSON.
pub(crate) fn open_output(path: &Path, inputs: &[&Path], json: bool) -> Result<Unfinished> {
    let output = Unfinished::of(path, inputs)?;
    ensure!(
        !(json && output.is_standard_output()),
        "--json and -o {} both go to standard output: give -o a file",
        path.display()
    );
    Ok(output)
}

/// Prints an object as JSON.
pub(crate) fn print_json(out: &mut Output, object: &impl serde::Serialize) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(object)?)?;
    Ok(())
}

/// How rows go to the terminal.
#[derive(Debug, Args)]
pub(crate) struct Drawing {
    /// Draw rows as pictures, so many columns wide and values of 0 to 1 from light to dark, in place of CSV.
    #[arg(long, value_name = "PIXELS")]
    width: Option<usize>,

    /// Write the pictures to this PNG file instead.
    #[arg(long, value_name = "FILE", requires = "width")]
    png: Option<PathBuf>,
}

/// Most rows that are drawn as pictures.
const MOST_PICTURES: usize = 10_000;

/// Pictures in a row.
const PICTURES: usize = 8;

impl Drawing {
    pub(crate) fn is_given(&self) -> bool {
        self.width.is_some()
    }

    /// Makes sure that not more rows are drawn as pictures than anybody looks at.
    pub(crate) fn check_count(&self, rows: usize) -> Result<()> {
        ensure!(
            self.width.is_none() || rows <= MOST_PICTURES,
            "{rows} rows are too many for pictures; give -n at most {MOST_PICTURES}, or leave --width out"
        );
        Ok(())
    }

    /// Whether the picture, if there is to be one, can be written, and is none of the `inputs`.
    pub(crate) fn check(&self, inputs: &[&Path]) -> Result<()> {
        let output = self.png.as_deref().map(|png| Unfinished::of(png, inputs));
        output.transpose().map(drop)
    }

    /// Prints rows in the units of the data as CSV, or as pictures.
    pub(crate) fn print(
        &self,
        out: &mut Output,
        names: &[String],
        units: &Units,
        rows: &[Vec<f64>],
    ) -> Result<()> {
        let Some(width) = self.width else {
            writeln!(out, "{}", csv_line(names))?;
            let steps = units.steps();
            for row in rows {
                let cells = row.iter().zip(&steps);
                let cells: Vec<String> =
                    cells.map(|(&x, &step)| reading_in_steps(x, step)).collect();
                writeln!(out, "{}", csv_line(&cells))?;
            }
            return Ok(());
        };
        ensure!(
            width > 0 && names.len().is_multiple_of(width),
            "{} columns make no pictures {width} wide; give a --width that divides them",
            names.len()
        );
        let pictures = rows.iter().map(|row| Picture {
            width,
            shades: row.clone(),
        });
        let pictures: Vec<Picture> = pictures.collect();
        let lines: Vec<Vec<Picture>> = pictures.chunks(PICTURES).map(<[_]>::to_vec).collect();
        if let Some(path) = &self.png {
            write_grid(path, &lines, 4)?;
            say!("{}: {} pictures", shown(path), rows.len());
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

/// Cells as a line of CSV, in quotes where they have to be.
pub(crate) fn csv_line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells = cells.iter().map(|cell| {
        let cell = cell.as_ref();
        match cell.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.to_owned(),
        }
    });
    cells.collect::<Vec<_>>().join(",")
}

/// Which rows of a file are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rows {
    /// Those that the model's training held out of the file that it was trained on.
    HeldOut,
    /// The others of that file.
    Training,
    /// Every row.
    All,
}

impl Rows {
    fn of(self, model: &Model<'_>, table: Table) -> Result<Table> {
        Ok(match self {
            Self::HeldOut => {
                table
                    .split(&held_out(model, table.source(), table.rows())?)?
                    .held_out
            }
            Self::Training => {
                table
                    .split(&held_out(model, table.source(), table.rows())?)?
                    .training
            }
            Self::All => table,
        })
    }
}

/// The rows that a model's training held out of a table of so many, as its text says.
fn held_out(model: &Model<'_>, source: &str, rows: usize) -> Result<HeldOut> {
    let Some(text) = model.text_value("held_out") else {
        bail!("the model does not say which rows its training held out; give --rows all");
    };
    let rule: HeldOut = text.parse()?;
    let data = model.text_value("data").unwrap_or("its data");
    match &rule {
        HeldOut::None => bail!("nothing was held out when the model was trained; give --rows all"),
        HeldOut::File(name) => bail!(
            "the model was trained on all rows of {data} and judged on {name}; give that file with --rows all"
        ),
        _ => {}
    }
    let trained = model.text_value("rows").and_then(|rows| rows.parse().ok());
    let training = (0..rows).filter(|row| !rule.holds(*row)).count();
    ensure!(
        trained.is_none_or(|trained: usize| trained == training),
        "{source} is not what the model was trained on: that was {} rows of {data}, and these rows would be {training}; give that file, or --rows all",
        trained.unwrap_or_default()
    );
    Ok(rule)
}

/// Rows and columns of images of `pixels`, if their width was given.
#[cfg(feature = "train")]
pub(crate) fn image_shape(width: Option<usize>, pixels: usize) -> Result<Option<[usize; 2]>> {
    let Some(width) = width else {
        return Ok(None);
    };
    ensure!(
        width > 0 && pixels.is_multiple_of(width),
        "{pixels} columns make no images {width} wide; give a --width that divides them"
    );
    Ok(Some([pixels / width, width]))
}

/// The seed that was asked for, or one from the clock, which is said so that the run can be repeated.
pub(crate) fn draw_seed(asked: Option<u64>) -> u64 {
    asked.unwrap_or_else(|| {
        let seed = u64::from(std::process::id())
            ^ std::time::UNIX_EPOCH
                .elapsed()
                .map_or(0, |t| t.as_nanos() as u64 & 0xffff_ffff);
        say!("seed {seed} (repeat this run with --seed {seed})");
        seed
    })
}

/// The order of weights that a core reads fastest.
pub(crate) fn fast_order(core: Core) -> Order {
    match core {
        Core::M4 | Core::M33 => Order::Quads,
        Core::M0Plus | Core::M0 => Order::Octets,
        Core::M55 | Core::Rv32 => Order::RowMajor,
    }
}

/// Reports as a table, columns side by side: one column of values per `(title, reports)`.
pub(crate) fn report_table(columns: &[(&str, &[PartReport])]) -> String {
    let cells = |texts: &mut dyn Iterator<Item = String>| -> String {
        texts.map(|text| format!(" {text:>12}")).collect()
    };
    let titles = cells(&mut columns.iter().map(|(title, _)| (*title).to_owned()));
    let mut lines = vec![format!(
        "{:<14} {:<12} {:<36}{titles}",
        "part", "kind", "figure"
    )];
    let first = columns.first().map_or(&[][..], |(_, reports)| reports);
    for (at, report) in first.iter().enumerate() {
        for figure in &report.figures {
            let values = cells(&mut columns.iter().map(|(_, reports)| {
                let value = reports.get(at).and_then(|report| report.figure(figure.key));
                value.map_or_else(|| "-".into(), number)
            }));
            lines.push(format!(
                "{:<14} {:<12} {:<36}{values}",
                report.name, report.kind, figure.label
            ));
        }
    }
    lines.join("\n")
}

/// `12345678` as `12 345 678`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Reports as one flat JSON object: `"part.figure": value`.
pub(crate) fn to_json(reports: &[PartReport]) -> serde_json::Map<String, serde_json::Value> {
    reports
        .iter()
        .flat_map(|report| {
            report.figures.iter().map(move |figure| {
                (
                    format!("{}.{}", report.name, figure.key),
                    figure.value.into(),
                )
            })
        })
        .collect()
}
