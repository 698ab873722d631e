//! Draws the pictures of docs/: what k-means, principal components, mixtures and Boltzmann machines learn from the
//! bundled digits, and what denoisers know of densities.
//!
//! `cargo run --release --package autodidact-tools --example pictures` writes into docs/, or into the folder that is
//! given. Whatever is drawn comes from a container through the device's own arithmetic, but for the pictures of
//! Boltzmann machines and codes in docs/pictures/.

mod energy;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use autodidact::gmm::Gmm;
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact::pca::Pca;
use autodidact::rng::Generator;
use autodidact_tools::data::{Scaling, Standardiser, Table};
use autodidact_tools::evaluate::{Units, whitened};
use autodidact_tools::picture::{Picture, write_grid};
use autodidact_tools::quantize::{self, AlignedBytes, FEATURE_UNIT, QuantisedModel, QuantisedPart};
use autodidact_tools::showcase;
use autodidact_tools::study::score_identity::{self, Field, REACH as SPIRAL_REACH};
use autodidact_tools::study::{restoration, two_modes};
use autodidact_tools::train::device::TrainingDevice;
use autodidact_tools::train::gmm::{self, GmmOptions};
use autodidact_tools::train::kmeans::{self, KMeansOptions};
use autodidact_tools::train::model::{CovarianceKind, PcaModel};
use autodidact_tools::train::pca::{self, PcaOptions};

/// Fixes everything random.
const SEED: u64 = 1;
/// Columns and rows of a digit.
const SIDE: usize = 8;
/// Whitened scores from the centre of the picture of a density to its border.
const REACH: f64 = 2.5;
/// Pixels of that picture, and of the sheet of digits beside it.
const SHEET: usize = 160;

/// The digits of the training rows, as shades and as features.
struct Digits {
    shades: Table,
    features: Table,
    standardiser: Standardiser,
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")),
        PathBuf::from,
    );
    let shades = showcase::digits()?.split_held_out()?.training;
    let standardiser = Scaling::Uniform.fit(&shades)?;
    let digits = Digits {
        features: standardiser.transform(&shades)?,
        shades,
        standardiser,
    };
    centroids(&digits, &folder.join("kmeans.png"))?;
    components(&digits, &folder.join("pca.png"))?;
    mixture(&digits, &folder.join("gmm.png"))?;
    spiral(&folder.join("spiral.png"))?;
    modes(&folder.join("two-modes.png"))?;
    restored(&folder.join("restoration.png"))?;
    energy::draw(&folder)
}

impl Digits {
    /// A container of `parts` that reads the digits.
    fn container(&self, parts: Vec<(String, QuantisedPart)>) -> Result<AlignedBytes> {
        let mut model = QuantisedModel::new(&self.standardiser, self.shades.columns())?;
        model.parts = parts;
        model.encode(Order::RowMajor)
    }

    /// Features of every row (`I4F12`) as the device scales them.
    fn scaled(&self, model: &Model<'_>) -> Result<Vec<i16>> {
        let counts = Units::of(model)?.counts(&self.shades)?;
        let mut features = vec![0; counts.len()];
        let width = self.shades.width();
        for (row, counts) in features
            .chunks_exact_mut(width)
            .zip(counts.chunks_exact(width))
        {
            model.scaler().scale_into(counts, row)?;
        }
        Ok(features)
    }
}

/// A digit from features (`I4F12`).
fn digit(units: &Units, features: &[i16]) -> Picture {
    let features: Vec<f64> = features
        .iter()
        .map(|&x| f64::from(x) / FEATURE_UNIT)
        .collect();
    Picture {
        width: SIDE,
        shades: units.data(&features),
    }
}

/// The ten centroids.
fn centroids(digits: &Digits, file: &Path) -> Result<()> {
    let options = KMeansOptions {
        k: 10,
        seed: SEED,
        ..KMeansOptions::default()
    };
    let fitted = kmeans::fit(
        &options.check()?,
        &digits.features,
        &TrainingDevice::cpu(),
        &mut |_| {},
    )?;
    let bytes = digits.container(vec![("clusters".into(), quantize::kmeans(&fitted)?)])?;
    let model = Model::load(&bytes)?;
    let units = Units::of(&model)?;
    let clusters = model.kmeans("clusters")?;
    let row = clusters
        .centroids()
        .chunks_exact(clusters.dimensions())
        .map(|centroid| digit(&units, centroid))
        .collect();
    write_grid(file, &[row], 6)
}

/// The first eight components; two digits, each beside its reconstructions from 2, 8 and 16 components.
fn components(digits: &Digits, file: &Path) -> Result<()> {
    let fit = |components| {
        pca::fit(
            &PcaOptions { components }.check()?,
            &digits.features,
            &TrainingDevice::cpu(),
        )
    };
    let bytes = digits.container(vec![
        ("two".into(), quantize::pca(&fit(2)?)?),
        ("eight".into(), quantize::pca(&fit(8)?)?),
        ("sixteen".into(), quantize::pca(&fit(16)?)?),
    ])?;
    let model = Model::load(&bytes)?;
    let units = Units::of(&model)?;
    let eight = model.pca("eight")?;
    let directions = (0..eight.k())
        .filter_map(|index| eight.component(index))
        .map(direction);
    let rows = digits.scaled(&model)?;
    let mut pictures = Vec::new();
    for row in rows.chunks_exact(SIDE * SIDE).skip(3).take(2) {
        pictures.push(digit(&units, row));
        for part in ["two", "eight", "sixteen"] {
            pictures.push(digit(&units, &reconstruction(&model.pca(part)?, row)?));
        }
    }
    write_grid(file, &[directions.collect(), pictures], 6)
}

/// A component: 0 is grey, the entry of largest magnitude white or black.
fn direction(component: &[i16]) -> Picture {
    let largest = component.iter().map(|u| u.unsigned_abs()).max();
    let scale = 0.5 / f64::from(largest.unwrap_or(0).max(1));
    Picture {
        width: SIDE,
        shades: component
            .iter()
            .map(|&u| 0.5 + f64::from(u) * scale)
            .collect(),
    }
}

fn reconstruction(pca: &Pca<'_>, features: &[i16]) -> Result<Vec<i16>> {
    let mut scores = vec![0; pca.k()];
    pca.project_into(features, &mut scores)?;
    let mut restored = vec![0; features.len()];
    pca.reconstruct_into(&scores, &mut restored)?;
    Ok(restored)
}

/// The density of a mixture over two whitened scores with the rows on top; digits drawn from one over sixteen.
fn mixture(digits: &Digits, file: &Path) -> Result<()> {
    let bytes = behind_components(digits, 2, CovarianceKind::Full)?;
    let model = Model::load(&bytes)?;
    let (pca, plane) = (model.pca("components")?, model.gmm("mixture")?);
    let mut density = density(&plane)?;
    for row in digits.scaled(&model)?.chunks_exact(SIDE * SIDE) {
        let (mut scores, mut point) = ([0; 2], [0; 2]);
        pca.project_into(row, &mut scores)?;
        let spectrum = pca.spectrum().context("the components have no variances")?;
        spectrum.whiten_into(&scores, &mut point)?;
        let [x, y] = point.map(pixel);
        if x < SHEET && y < SHEET {
            density.shades[(SHEET - 1 - y) * SHEET + x] = 0.0;
        }
    }
    let bytes = behind_components(digits, 16, CovarianceKind::Diagonal)?;
    let model = Model::load(&bytes)?;
    write_grid(file, &[vec![density, sheet(&model)?]], 2)
}

/// A container with `components` principal components and a mixture of ten Gaussians over the whitened scores.
fn behind_components(
    digits: &Digits,
    components: usize,
    covariance: CovarianceKind,
) -> Result<AlignedBytes> {
    let pca = pca::fit(
        &PcaOptions { components }.check()?,
        &digits.features,
        &TrainingDevice::cpu(),
    )?;
    let options = GmmOptions {
        k: 10,
        covariance,
        floor: 1e-3,
        seed: SEED,
        ..GmmOptions::default()
    };
    let fitted = gmm::fit(
        &options.check()?,
        &whitened_scores(&pca, &digits.features)?,
        &TrainingDevice::cpu(),
        &mut |_| {},
    )?;
    let mixture = QuantisedPart::Gmm {
        input: Some("components".into()),
        mixture: quantize::gmm(&fitted)?,
    };
    digits.container(vec![
        ("components".into(), quantize::pca(&pca)?),
        ("mixture".into(), mixture),
    ])
}

fn whitened_scores(pca: &PcaModel, features: &Table) -> Result<Table> {
    let scores = features.iter_rows().flat_map(|row| {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        whitened(pca, &row)
    });
    Table::new(
        features.source(),
        Table::numbered_columns(pca.k),
        scores.map(|y| y as f32).collect(),
    )
}

/// A feature's pixel from the left or the bottom; beyond the sheet when it is outside.
fn pixel(feature: i16) -> usize {
    let place = (f64::from(feature) / FEATURE_UNIT + REACH) / (2.0 * REACH) * SHEET as f64;
    if place < 0.0 { SHEET } else { place as usize }
}

/// A density over two features: white is none, the darkest grey the most.
fn density(mixture: &Gmm<'_>) -> Result<Picture> {
    let feature = |pixel: usize| {
        let place = (pixel as f64 + 0.5) / SHEET as f64 * 2.0 * REACH - REACH;
        (place * FEATURE_UNIT) as i16
    };
    let mut densities = Vec::with_capacity(SHEET * SHEET);
    for y in (0..SHEET).rev() {
        for x in 0..SHEET {
            let nats = mixture.log_likelihood(&[feature(x), feature(y)])?;
            densities.push((f64::from(nats) / 65_536.0).exp());
        }
    }
    let most = densities.iter().copied().fold(0.0, f64::max);
    Ok(Picture {
        width: SHEET,
        shades: densities.iter().map(|p| 1.0 - 0.6 * p / most).collect(),
    })
}

/// Sixteen digits drawn from the mixture behind the components, each pixel four wide.
fn sheet(model: &Model<'_>) -> Result<Picture> {
    const CELL: usize = SHEET / 4;
    const ZOOM: usize = 4;
    const MARGIN: usize = (CELL - SIDE * ZOOM) / 2;
    let units = Units::of(model)?;
    let (pca, mixture) = (model.pca("components")?, model.gmm("mixture")?);
    let spectrum = pca.spectrum().context("the components have no variances")?;
    let mut rng = Generator::from_seed(SEED);
    // The grey between pictures.
    let mut shades = vec![96.0 / 255.0; SHEET * SHEET];
    for place in 0..16 {
        let mut drawn = vec![0; mixture.dimensions()];
        mixture.sample_into(&mut rng, &mut drawn)?;
        // Scores (I20F12) from whitened ones (I4F12): times the standard deviation; variances are U40F24.
        let scores: Vec<i32> = drawn
            .iter()
            .zip(spectrum.variances())
            .map(|(&z, &v)| (f64::from(z) * (v as f64).sqrt() / FEATURE_UNIT).round() as i32)
            .collect();
        let mut features = vec![0; pca.dimensions()];
        pca.reconstruct_into(&scores, &mut features)?;
        let picture = digit(&units, &features);
        let (left, top) = (place % 4 * CELL + MARGIN, place / 4 * CELL + MARGIN);
        for y in 0..SIDE * ZOOM {
            for x in 0..SIDE * ZOOM {
                shades[(top + y) * SHEET + left + x] = picture.shades[y / ZOOM * SIDE + x / ZOOM];
            }
        }
    }
    Ok(Picture {
        width: SHEET,
        shades,
    })
}

/// Segments of a field from one side of its sheet to the other.
const SEGMENTS: usize = 22;

/// The residuals of the spiral: exact, and as the device's integers have learnt them by denoising score matching.
fn spiral(file: &Path) -> Result<()> {
    let density = score_identity::exact()?;
    let trained = score_identity::run(true, &TrainingDevice::cpu())?;
    let denoiser = trained.get(1).context("no network was trained")?;
    let field = Field::on(&density, SEGMENTS);
    let learnt = denoiser
        .role
        .device_field(&denoiser.quantised.network()?, &field.points)?;
    let sheets = [&field.residuals, &learnt].map(|residuals| {
        let mut sheet = vec![1.0; SHEET * SHEET];
        for point in &density.points {
            dot(
                &mut sheet,
                [point[0], point[1]].map(|x| x / SPIRAL_REACH),
                0.8,
            );
        }
        for (point, residual) in field.points.iter().zip(residuals) {
            const STEPS: usize = 12;
            for step in 0..=STEPS {
                let share = step as f64 / STEPS as f64;
                let at = [0, 1].map(|i| (point[i] + share * residual[i]) / SPIRAL_REACH);
                // Dark where it leads to.
                dot(&mut sheet, at, 0.6 * (1.0 - share));
            }
        }
        Picture {
            width: SHEET,
            shades: sheet,
        }
    });
    write_grid(file, &[sheets.to_vec()], 2)
}

/// Darkens the pixel at a place within ±1 of the centre of a sheet.
fn dot(sheet: &mut [f64], place: [f64; 2], shade: f64) {
    let [x, y] = place.map(|x| (x + 1.0) * 0.5 * SHEET as f64);
    if (0.0..SHEET as f64).contains(&x) && (0.0..SHEET as f64).contains(&y) {
        let at = (SHEET - 1 - y as usize) * SHEET + x as usize;
        sheet[at] = sheet[at].min(shade);
    }
}

/// Where chains between two modes end: plain and annealed by the exact score, annealed by the device's integers.
fn modes(file: &Path) -> Result<()> {
    let network = two_modes::train(true, &TrainingDevice::cpu())?;
    let walks = [
        two_modes::plain(SEED),
        two_modes::annealed(SEED),
        network.device_annealed(SEED)?,
    ];
    let sheets = walks.map(|walk| {
        let mut sheet = vec![1.0; SHEET * SHEET];
        for point in walk.points {
            dot(&mut sheet, point.map(|x| x / 10.0), 0.0);
        }
        Picture {
            width: SHEET,
            shades: sheet,
        }
    });
    write_grid(file, &[sheets.to_vec()], 2)
}

/// Held-out digits, damaged and restored by the device's loop: a blur with noise, and a missing half.
fn restored(file: &Path) -> Result<()> {
    const DIGITS: usize = 10;
    let mut lines = Vec::new();
    for posed in &restoration::PROBLEMS[1..3] {
        let bench = restoration::bench(posed, None, false, &TrainingDevice::cpu())?;
        let restored = bench.by_device(posed, false)?;
        for table in [&bench.clean, &bench.damaged, &restored] {
            let pictures = table.iter_rows().take(DIGITS).map(|row| Picture {
                width: SIDE,
                shades: row.iter().map(|&x| f64::from(x)).collect(),
            });
            lines.push(pictures.collect());
        }
    }
    write_grid(file, &lines, 4)
}
