//! `autodidact demo`: the bundled digits, from training to an emulated Cortex-M4 and back.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use autodidact::model::{Model, Task};
use autodidact_tools::data::Table;
use autodidact_tools::emulator::{self, Core, ImageSize};
use autodidact_tools::evaluate::{self, FloatPart, Outcome, PartReport, Units};
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::picture::{self, Picture};
use autodidact_tools::quantize::QuantisedModel;
use autodidact_tools::say;
use autodidact_tools::showcase::{self, PublishedFigures, Showcase};
use autodidact_tools::talk::Output;
use autodidact_tools::train::device::{self, DeviceChoice, TrainingDevice};
use autodidact_tools::verdict::Verdict;
use autodidact_tools::{artifact, replay, sampler};
use clap::Args;
use serde_json::{Map, Value};

use super::fit::{self, advance};
use super::shared::{fast_order, grouped, report_table};

/// How many digits are shown.
const SHOWN: usize = 6;

/// How many digits are drawn out of noise, and how many of them in a line.
const GENERATED: usize = 16;
const LINE: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder for the model, the picture and the summary.
    #[arg(long, default_value = "target/demo", value_name = "FOLDER")]
    output: PathBuf,

    /// Where to train.
    #[arg(long, value_enum, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
}

impl Demo {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let core = Core::M4;
        emulator::ready(core)?;
        fs::create_dir_all(&self.output)
            .with_context(|| format!("the folder {} cannot be made", self.output.display()))?;
        let device = device::open(self.device)?;

        say!("training on {device}: k-means, PCA and a denoiser on 1348 handwritten digits");
        let bar = fit::bar("epoch");
        let showcase = showcase::train(&device, &mut |progress| advance(&bar, progress))?;
        bar.finish_and_clear();
        let bytes = showcase.quantised.encode(fast_order(core))?;
        let file = self.output.join("digits.adm");
        artifact::write(&file, &bytes)?;
        let model = Model::load(&bytes)?;

        say!("building Cortex-M4 firmware around {}", file.display());
        let elf = self.output.join("digits-m4.elf");
        emulator::build_demo(core, &file, &elf)?;

        say!(
            "running it in QEMU over {} digits it has never seen",
            showcase.held_out.rows()
        );
        let device_run = DeviceRun::new(&model, &showcase.held_out, core, &elf)?;
        let reports = device_run.reports(&model, &showcase)?;
        draw(out, &self.output.join("digits.png"), &showcase, &device_run)?;

        say!("fitting PCA and k-means on all 1797 rows, as the published figures are");
        let all_rows = AllRows::run(&device, core)?;

        say!("training a score network on the digits, to draw new ones with");
        let bar = fit::bar("step");
        let score = showcase::train_score(&showcase, &device, &mut |progress| {
            advance(&bar, progress);
        })?;
        bar.finish_and_clear();
        let generated = Generated::run(&score, core, &self.output)?;

        let size = emulator::measure_image(&elf)?;
        let ram_peak = size.ram_static_bytes + device_run.stack_bytes;
        writeln!(out)?;
        let reports_of = [("f32", &*reports.float), ("M4", &*reports.device)];
        writeln!(out, "{}", report_table(&reports_of))?;
        writeln!(out)?;
        writeln!(
            out,
            "on all 1797 rows, pixels 0..16{:>36} {:>12}",
            "f32", "M4"
        )?;
        for (_, label, float, device) in all_rows.lines() {
            writeln!(out, "{label:<53} {float:>12.3} {device:>12.3}")?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "cluster agreement        {:>9.2} %",
            100.0 * reports.cluster_agreement
        )?;
        writeln!(
            out,
            "flash, code              {:>9} bytes",
            grouped(size.flash_code_bytes)
        )?;
        writeln!(
            out,
            "flash, model             {:>9} bytes",
            grouped(size.flash_model_bytes)
        )?;
        writeln!(
            out,
            "RAM, peak with stack     {:>9} bytes",
            grouped(ram_peak)
        )?;
        for (name, instructions) in &device_run.instructions {
            writeln!(
                out,
                "instructions, {name:<10} {:>9}",
                grouped(*instructions)
            )?;
        }
        writeln!(
            out,
            "a digit out of noise     {:>9} instructions, {} of RAM; {} of flash with its network",
            grouped(generated.instructions),
            grouped(generated.ram_peak),
            grouped(generated.size.flash_code_bytes + generated.size.flash_model_bytes)
        )?;
        let identical = device_run.identical && all_rows.identical && generated.identical;
        writeln!(
            out,
            "host and device          {}",
            if identical {
                "the same bytes"
            } else {
                "DIFFER"
            }
        )?;

        let mut summary = Map::new();
        let mut put = |key: &str, value: Value| {
            summary.insert(key.into(), value);
        };
        for (suffix, reports) in [("f32", &reports.float), ("device", &reports.device)] {
            let figure = |part: usize, key: &str| -> Result<Value> {
                let report = reports.get(part).context("a part is missing")?;
                Ok(report.figure(key).context("a figure is missing")?.into())
            };
            put(
                &format!("kmeans_inertia_held_out_{suffix}"),
                figure(0, "inertia_per_row")?,
            );
            put(
                &format!("pca_captured_held_out_{suffix}"),
                figure(1, "captured_variance")?,
            );
            put(
                &format!("pca_residual_held_out_{suffix}"),
                figure(1, "residual_per_row")?,
            );
            put(&format!("denoise_psnr_db_{suffix}"), figure(2, "psnr_db")?);
        }
        put("cluster_agreement", reports.cluster_agreement.into());
        for (key, _, float, device) in all_rows.lines() {
            put(&format!("{key}_f32"), float.into());
            put(&format!("{key}_device"), device.into());
        }
        generated.put_into(&mut put);
        put("host_device_identical", identical.into());
        put("flash_code_bytes", size.flash_code_bytes.into());
        put("flash_model_bytes", size.flash_model_bytes.into());
        put("ram_peak_bytes", ram_peak.into());
        for (name, instructions) in &device_run.instructions {
            let verb = match name.as_str() {
                "clusters" => "nearest",
                "components" => "project_reconstruct",
                "denoiser" => "denoise",
                other => other,
            };
            put(&format!("instructions_{verb}"), (*instructions).into());
        }
        let text = serde_json::to_string_pretty(&summary)?;
        artifact::write(&self.output.join("summary.json"), text.as_bytes())?;
        generated.show(out)?;
        writeln!(
            out,
            "{} holds summary.json, digits.adm, digits.png and digits-m4.elf, and of the drawn digits generated.adm,\n\
             generated.png and generated-m4.elf",
            self.output.display()
        )?;
        if !identical {
            bail!(Verdict::BitsDiffer(
                "host and device gave different bytes: this is a defect of autodidact, please report it".into()
            ));
        }
        Ok(())
    }
}

/// Both runs of the image: the rows as they are, and with noise.
struct DeviceRun {
    outcomes: Vec<Vec<Outcome>>,
    identical: bool,
    instructions: Vec<(String, u64)>,
    stack_bytes: u64,
}

impl DeviceRun {
    fn new(model: &Model<'_>, table: &Table, core: Core, elf: &Path) -> Result<Self> {
        let log = std::cell::RefCell::new((true, Vec::new(), 0));
        let run = |counts: &[i16]| {
            let samples: Vec<u8> = counts.iter().flat_map(|c| c.to_le_bytes()).collect();
            let (said, results) = emulator::run_image(
                core,
                elf,
                &[("samples.bin", &samples)],
                emulator::RUN_TIMEOUT,
            )?;
            let mut log = log.borrow_mut();
            log.0 &= results == replay::replay(model, counts)?;
            log.1 = said
                .parts
                .iter()
                .map(|cost| (cost.name.clone(), cost.instructions_per_row()))
                .collect();
            log.2 = log.2.max(said.stack_bytes);
            Ok(results)
        };
        let outcomes = evaluate::outcomes(model, table, &run)?;
        let (identical, instructions, stack_bytes) = log.into_inner();
        Ok(Self {
            outcomes,
            identical,
            instructions,
            stack_bytes,
        })
    }

    fn reports(&self, model: &Model<'_>, showcase: &Showcase) -> Result<Reports> {
        let units = Units::of(model)?;
        let table = &showcase.held_out;
        let floats = [
            FloatPart::KMeans(&showcase.kmeans),
            FloatPart::Pca(&showcase.pca),
            FloatPart::Network(&showcase.denoiser, Task::Denoiser),
        ];
        let mut reports = Reports {
            float: Vec::new(),
            device: Vec::new(),
            cluster_agreement: f64::NAN,
        };
        for ((part, float), device) in model.parts().zip(floats).zip(&self.outcomes) {
            let float = evaluate::float_outcomes(float, &units, table)?;
            if let Some(agreement) = agreement(&float, device) {
                reports.cluster_agreement = agreement;
            }
            let judge = |outcomes| evaluate::figures(&part, &units, table, outcomes);
            reports.float.push(judge(&float)?);
            reports.device.push(judge(device)?);
        }
        Ok(reports)
    }
}

struct Reports {
    float: Vec<PartReport>,
    device: Vec<PartReport>,
    cluster_agreement: f64,
}

/// Share of rows that both assign to the same cluster; `None` for other kinds of part.
fn agreement(float: &[Outcome], device: &[Outcome]) -> Option<f64> {
    let same: Option<Vec<bool>> = float
        .iter()
        .zip(device)
        .map(|pair| match pair {
            (Outcome::KMeans { index: a, .. }, Outcome::KMeans { index: b, .. }) => Some(a == b),
            _ => None,
        })
        .collect();
    let same = same?;
    Some(same.iter().filter(|same| **same).count() as f64 / same.len() as f64)
}

/// Digits as they were, with noise, and restored by the device: on the terminal and as a PNG.
fn draw(out: &mut Output, path: &Path, showcase: &Showcase, run: &DeviceRun) -> Result<()> {
    let units = Units::of(&Model::load(
        &showcase.quantised.encode(fast_order(Core::M4))?,
    )?)?;
    let noisy = units.noisy(&showcase.held_out)?;
    let picture = |shades: Vec<f64>| Picture { width: 8, shades };
    let of_row = |row: &[f32]| picture(row.iter().map(|&x| f64::from(x)).collect());
    let denoised = run.outcomes.last().context("the model has no denoiser")?;
    let restored = denoised.iter().map(|outcome| match outcome {
        Outcome::Network(features) => picture(units.data(features)),
        _ => picture(vec![0.0; 64]),
    });
    // Spread over the held-out rows, so that different digits are seen.
    let step = showcase.held_out.rows() / SHOWN;
    let clean: Vec<_> = showcase
        .held_out
        .iter_rows()
        .step_by(step)
        .take(SHOWN)
        .map(of_row)
        .collect();
    let noisy: Vec<_> = noisy
        .iter_rows()
        .step_by(step)
        .take(SHOWN)
        .map(of_row)
        .collect();
    let restored: Vec<_> = restored.step_by(step).take(SHOWN).collect();
    writeln!(out, "\nnoisy, and as the microcontroller restored them")?;
    for (noisy, restored) in noisy.chunks(2).zip(restored.chunks(2)) {
        let pairs: Vec<Picture> = noisy
            .iter()
            .zip(restored)
            .flat_map(|(n, r)| [n.clone(), r.clone()])
            .collect();
        for line in picture::side_by_side(&pairs) {
            writeln!(out, "  {line}")?;
        }
        writeln!(out)?;
    }
    picture::write_grid(path, &[clean, noisy, restored], 12)
}

/// Digits that the core drew out of noise.
struct Generated {
    identical: bool,
    instructions: u64,
    size: ImageSize,
    ram_peak: u64,
    lines: Vec<Vec<Picture>>,
}

impl Generated {
    /// Builds an image around the score network, has it draw, and keeps what it drew as a PNG.
    fn run(score: &QuantisedModel, core: Core, folder: &Path) -> Result<Self> {
        let bytes = score.encode(fast_order(core))?;
        let file = folder.join("generated.adm");
        artifact::write(&file, &bytes)?;
        say!("building Cortex-M4 firmware around {}", file.display());
        let elf = folder.join("generated-m4.elf");
        emulator::build_draw(core, &file, &elf)?;
        say!("drawing {GENERATED} digits in QEMU, out of noise");
        let model = Model::load(&bytes)?;
        let request = Request {
            part: 0,
            seed: showcase::SEED,
            work: Work::Walks {
                schedule: sampler::schedule(&model)?,
                samples: GENERATED,
            },
        };
        let run = emulator::draw(core, &elf, &request)?;
        let units = Units::of(&model)?;
        let pictures = run.rows.chunks_exact(64).map(|row| Picture {
            width: 8,
            shades: sampler::in_data_units(&units, row),
        });
        let pictures: Vec<Picture> = pictures.collect();
        let lines: Vec<Vec<Picture>> = pictures.chunks(LINE).map(<[_]>::to_vec).collect();
        picture::write_grid(&folder.join("generated.png"), &lines, 12)?;
        let size = emulator::measure_image(&elf)?;
        Ok(Self {
            identical: run.rows == request.on_host(&model)?,
            instructions: run.samples.instructions_per_row(),
            ram_peak: size.ram_static_bytes + run.stack_bytes,
            size,
            lines,
        })
    }

    fn put_into(&self, put: &mut dyn FnMut(&str, Value)) {
        let ImageSize {
            flash_code_bytes,
            flash_model_bytes,
            ..
        } = self.size;
        put("generated_identical", self.identical.into());
        put("instructions_per_generated_digit", self.instructions.into());
        put("generate_flash_code_bytes", flash_code_bytes.into());
        put("generate_flash_model_bytes", flash_model_bytes.into());
        put("generate_ram_peak_bytes", self.ram_peak.into());
    }

    fn show(&self, out: &mut Output) -> Result<()> {
        writeln!(out, "\nout of noise, as the microcontroller drew them")?;
        for line in &self.lines {
            for text in picture::side_by_side(line) {
                writeln!(out, "  {text}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Figures that are published for all rows, of the f32 model and of the emulated core.
struct AllRows {
    float: PublishedFigures,
    device: PublishedFigures,
    identical: bool,
}

impl AllRows {
    fn run(device: &TrainingDevice, core: Core) -> Result<Self> {
        let published = showcase::published(device)?;
        let bytes = published.quantised.encode(fast_order(core))?;
        let model = Model::load(&bytes)?;
        let units = Units::of(&model)?;
        let counts = units.counts(&published.rows)?;
        let results = emulator::replay(core, &bytes, &counts)?.results;
        Ok(Self {
            float: published.float_figures(&units),
            device: published.device_figures(&model, &units, &results)?,
            identical: results == replay::replay(&model, &counts)?,
        })
    }

    /// Key and label of each figure, with its value in f32 and on the device.
    fn lines(&self) -> Vec<(String, String, f64, f64)> {
        let mut lines = Vec::new();
        for (at, k) in showcase::PUBLISHED_COMPONENTS.into_iter().enumerate() {
            lines.push((
                format!("pca_variance_percent_{k}"),
                format!("variance captured by {k} components (%)"),
                self.float.captured_percent[at],
                self.device.captured_percent[at],
            ));
        }
        lines.push((
            "kmeans_inertia_per_row".into(),
            "inertia per row, k-means, best of 20 restarts".into(),
            self.float.inertia_per_row,
            self.device.inertia_per_row,
        ));
        lines
    }
}
