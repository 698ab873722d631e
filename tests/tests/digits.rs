//! The whole path on the bundled digits: quality that must be reached, the same bits on every core,
//! and what the demonstration's image may occupy. One test binary, so that training happens once.

use std::path::PathBuf;
use std::sync::OnceLock;

use autodidact::kernels::Order;
use autodidact::model::{Model, Task};
use autodidact_tests::image::assert_no_panic_path;
use autodidact_tools::emulator::{self, Core};
use autodidact_tools::evaluate::{self, FloatPart, PartReport, Units};
use autodidact_tools::replay;
use autodidact_tools::showcase::{self, Showcase};
use autodidact_tools::train::device::TrainingDevice;

fn showcase() -> &'static Showcase {
    static SHOWCASE: OnceLock<Showcase> = OnceLock::new();
    SHOWCASE.get_or_init(|| showcase::train(&TrainingDevice::cpu(), &mut |_| {}).unwrap())
}

/// Figures of the f32 model and of the device's kernels, over the held-out rows.
fn reports() -> Vec<(PartReport, PartReport)> {
    let showcase = showcase();
    let bytes = showcase.quantised.encode(Order::RowMajor).unwrap();
    let model = Model::load(&bytes).unwrap();
    let units = Units::of(&model).unwrap();
    let table = &showcase.held_out;
    let device =
        evaluate::evaluate(&model, table, &|counts| replay::replay(&model, counts)).unwrap();
    let floats = [
        FloatPart::KMeans(&showcase.kmeans),
        FloatPart::Pca(&showcase.pca),
        FloatPart::Network(&showcase.denoiser, Task::Denoiser),
    ];
    let float = model.parts().zip(floats).map(|(part, float)| {
        let outcomes = evaluate::float_outcomes(float, &units, table).unwrap();
        evaluate::figures(&part, &units, table, &outcomes).unwrap()
    });
    float.zip(device).collect()
}

fn pair(reports: &[(PartReport, PartReport)], part: usize, key: &str) -> (f64, f64) {
    let (float, device) = &reports[part];
    (float.figure(key).unwrap(), device.figure(key).unwrap())
}

#[test]
fn the_denoiser_reaches_its_quality_and_quantising_it_costs_little() {
    let (float, device) = pair(&reports(), 2, "psnr_db");
    println!("denoising at sigma 0.25: f32 {float:.3} dB, device {device:.3} dB");
    // The best linear filter reaches 17.45 dB, the noisy rows have 12.0.
    assert!(device >= 18.7, "{device}");
    assert!((float - device).abs() <= 0.10, "{float} against {device}");
}

#[test]
fn quantised_components_and_clusters_lose_almost_nothing() {
    let reports = reports();
    let (float, device) = pair(&reports, 1, "captured_variance");
    assert!((float - device).abs() <= 0.0005, "{float} against {device}");
    let (float, device) = pair(&reports, 0, "inertia_per_row");
    assert!(
        (device / float - 1.0).abs() <= 0.001,
        "{float} against {device}"
    );
}

#[test]
fn published_figures_are_reached_on_all_rows() {
    let published = showcase::published(&TrainingDevice::cpu()).unwrap();
    let bytes = published.quantised.encode(Order::RowMajor).unwrap();
    let model = Model::load(&bytes).unwrap();
    let units = Units::of(&model).unwrap();
    let results = replay::replay(&model, &units.counts(&published.rows).unwrap()).unwrap();
    let device = published.device_figures(&model, &units, &results).unwrap();
    let float = published.float_figures(&units);
    println!("f32 {float:?}\ndevice {device:?}");
    // Reference: singular values of the 1797 digits, f64.
    for (captured, percent) in device
        .captured_percent
        .into_iter()
        .zip([28.509, 67.391, 84.940])
    {
        assert!(
            (captured - percent).abs() <= 0.2,
            "{captured} against {percent}"
        );
    }
    assert!((device.inertia_per_row / float.inertia_per_row - 1.0).abs() <= 0.001);
    assert!(float.inertia_per_row <= 650.0, "{}", float.inertia_per_row);
}

/// Every held-out digit with and without noise, in one run, against the host.
fn same_bits(core: Core, order: Order) {
    let showcase = showcase();
    let bytes = showcase.quantised.encode(order).unwrap();
    let model = Model::load(&bytes).unwrap();
    let units = Units::of(&model).unwrap();
    let mut counts = units.counts(&showcase.held_out).unwrap();
    counts.extend(
        units
            .counts(&units.noisy(&showcase.held_out).unwrap())
            .unwrap(),
    );
    let host = replay::replay(&model, &counts).unwrap();
    let device = emulator::replay(core, &bytes, &counts).unwrap();
    assert!(
        !host.is_empty() && device.results == host,
        "{core} differs from the host"
    );
}

#[test]
fn the_m4_gives_the_host_s_bits() {
    same_bits(Core::M4, Order::Quads);
}

#[test]
fn the_m4_gives_the_host_s_bits_from_an_order_it_is_not_fast_at() {
    same_bits(Core::M4, Order::Octets);
}

#[test]
fn the_m33_gives_the_host_s_bits() {
    same_bits(Core::M33, Order::Quads);
}

#[test]
fn the_m0_gives_the_host_s_bits_within_its_16_kib() {
    same_bits(Core::M0, Order::Octets);
}

#[test]
fn the_m0plus_gives_the_host_s_bits() {
    same_bits(Core::M0Plus, Order::Octets);
}

#[test]
fn the_m0plus_gives_the_host_s_bits_from_an_order_it_is_not_fast_at() {
    same_bits(Core::M0Plus, Order::Quads);
}

#[test]
fn the_m55_gives_the_host_s_bits() {
    same_bits(Core::M55, Order::RowMajor);
}

#[test]
fn the_rv32_gives_the_host_s_bits() {
    same_bits(Core::Rv32, Order::RowMajor);
}

/// The demonstration's image around today's model, and the folder that keeps it.
fn image() -> (PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("digits.adm");
    std::fs::write(&file, &*showcase().quantised.encode(Order::Quads).unwrap()).unwrap();
    let elf = folder.path().join("digits.elf");
    emulator::build_demo(Core::M4, &file, &elf).unwrap();
    (elf, folder)
}

#[test]
fn the_demonstration_fits_its_budget_and_has_no_panic_path() {
    let (elf, _folder) = image();
    assert_no_panic_path(&elf);
    let size = emulator::measure_image(&elf).unwrap();
    let showcase = showcase();
    let bytes = showcase.quantised.encode(Order::Quads).unwrap();
    let model = Model::load(&bytes).unwrap();
    let counts = Units::of(&model)
        .unwrap()
        .counts(&showcase.held_out)
        .unwrap();
    let samples: Vec<u8> = counts.iter().flat_map(|c| c.to_le_bytes()).collect();
    let files = [("samples.bin", &samples[..])];
    let (log, results) =
        emulator::run_image(Core::M4, &elf, &files, emulator::RUN_TIMEOUT).unwrap();
    assert!(
        results == replay::replay(&model, &counts).unwrap(),
        "the image differs from the host"
    );
    let ram = size.ram_static_bytes + log.stack_bytes;
    println!("code {} bytes, RAM {ram} bytes", size.flash_code_bytes);
    assert!(log.stack_bytes > 0, "the stack was measured");
    assert!(
        size.flash_code_bytes <= 24 << 10,
        "{} bytes of code",
        size.flash_code_bytes
    );
    assert!(ram <= 16 << 10, "{ram} bytes of RAM");
}
