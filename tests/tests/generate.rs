//! Samples, rows filled in and rows restored: the same bytes on every core as on the host.

use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact_tests::image::assert_no_panic_path;
use autodidact_tests::{graphs, requests, small};
use autodidact_tools::emulator::{self, Core, GenerateRun, Image};
use autodidact_tools::generate::Request;
use autodidact_tools::quantize::AlignedBytes;
use autodidact_tools::replay;
use autodidact_tools::verdict::Verdict;

/// Has `core` do what the host does, and asks that it is the same.
fn same_bits(core: Core, container: &[u8], request: &Request) -> GenerateRun {
    let bytes = AlignedBytes::copy_of(container);
    let host = request.on_host(&Model::load(&bytes).unwrap()).unwrap();
    let run = emulator::generate(core, &bytes, request).unwrap();
    assert!(
        !host.is_empty() && run.rows == host,
        "{core} differs from the host: {request:?}"
    );
    assert!(
        host.iter().any(|x| *x != host[0]),
        "something is drawn: {request:?}"
    );
    assert!(run.evaluation_instructions > 0);
    assert!(run.samples.instructions > 0 && run.stack_bytes > 0 && run.memory_bytes > 0);
    run
}

/// For the only part of [`graphs::score_alone`].
fn request_of_score_alone() -> Request {
    Request {
        part: 0,
        ..requests::of_graphs().swap_remove(0)
    }
}

fn every_request(core: Core, order: Order) {
    for (container, requests) in [
        (graphs::container(order), requests::of_graphs()),
        (graphs::container(order), requests::of_graph_denoiser()),
        (graphs::score_alone(order), vec![request_of_score_alone()]),
        (small::energy(), requests::of_energy()),
        (
            small::encode(&small::classical(), order),
            requests::of_classical(),
        ),
        (
            small::encode(&small::every_kind(16, 3), order),
            requests::of_denoiser(),
        ),
    ] {
        for request in requests {
            same_bits(core, &container, &request);
        }
    }
    // Convolutions with a skip connection, pooling and upsampling; a code; strides.
    replays(core, &graphs::container(order));
}

#[test]
fn the_m4_draws_what_the_host_draws() {
    every_request(Core::M4, Order::Quads);
}

#[test]
fn the_m33_draws_what_the_host_draws() {
    every_request(Core::M33, Order::Quads);
}

#[test]
fn the_m0plus_draws_what_the_host_draws() {
    every_request(Core::M0Plus, Order::Octets);
}

#[test]
fn the_m55_draws_what_the_host_draws() {
    every_request(Core::M55, Order::RowMajor);
}

#[test]
fn the_rv32_draws_what_the_host_draws() {
    every_request(Core::Rv32, Order::RowMajor);
}

#[test]
fn every_step_of_a_walk_is_counted_and_part_of_its_sample() {
    let requests = requests::of_graphs();
    let run = same_bits(Core::M4, &graphs::container(Order::Quads), &requests[0]);
    // Three levels of four steps and the last one, five samples.
    assert_eq!(run.samples.rows, 5);
    assert_eq!(run.evaluations, 5 * (3 * 4 + 1));
    assert!(run.samples.instructions > run.evaluation_instructions);
}

#[test]
fn a_core_without_memory_for_it_names_those_that_draw() {
    let request = requests::of_graphs().swap_remove(0);
    let container = graphs::container(Order::Octets);
    let message = emulator::generate(Core::M0, &container, &request)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "m0 has too little memory for the image `generate`; choose one of m4, m33, m0plus, m55, rv32"
    );
}

/// Rows through every part of a container: the same bytes on `core` and on the host.
fn replays(core: Core, container: &[u8]) {
    let bytes = AlignedBytes::copy_of(container);
    let model = Model::load(&bytes).unwrap();
    let counts = small::random_counts(30, model.scaler().len(), 5);
    let host = replay::replay(&model, &counts).unwrap();
    let device = emulator::replay(core, &bytes, &counts).unwrap();
    println!("{core}: {} bytes of stack", device.log.stack_bytes);
    assert!(
        !host.is_empty() && device.results == host,
        "{core} differs from the host"
    );
}

#[test]
fn every_kind_of_part_runs_within_the_m0_s_16_kib() {
    let order = Order::Octets;
    replays(Core::M0, &small::encode(&small::classical(), order));
    replays(Core::M0, &small::encode(&small::every_kind(16, 3), order));
    replays(Core::M0, &small::encode(&small::stacks(), order));
    replays(Core::M0, &small::energy());
    replays(Core::M0, &graphs::container(order));
}

#[test]
fn a_model_too_wide_for_the_m0_is_refused_by_the_device() {
    let container = small::encode(&small::every_kind(200, 3), Order::Octets);
    let error = emulator::replay(Core::M0, &container, &[0; 200]).unwrap_err();
    assert_eq!(Verdict::behind(&error).map(Verdict::exit_code), Some(3));
    let message = error.to_string();
    assert!(
        message.contains("needs a buffer of 200 elements, this image has 128"),
        "{message}"
    );
}

#[test]
fn a_part_that_cannot_do_it_is_refused_by_the_device() {
    let bytes = graphs::container(Order::Quads);
    let mut request = requests::of_graphs().swap_remove(0);
    request.part = 0;
    let message = emulator::generate(Core::M4, &bytes, &request)
        .unwrap_err()
        .to_string();
    assert!(message.contains("Part"), "{message}");
    let host = request.on_host(&Model::load(&bytes).unwrap());
    let message = host.unwrap_err().to_string();
    assert!(message.contains("part `denoiser`"), "{message}");
}

#[test]
fn images_that_draw_have_no_panic_path() {
    for core in Image::Generate.cores() {
        assert_no_panic_path(&emulator::build(core, Image::Generate).unwrap());
    }
}

#[test]
fn an_image_around_a_score_network_has_room_for_its_walk_and_no_panic_path() {
    let folder = tempfile::tempdir().unwrap();
    let (model, elf) = (
        folder.path().join("score.adm"),
        folder.path().join("score.elf"),
    );
    let bytes = graphs::score_alone(Order::Quads);
    std::fs::write(&model, &*bytes).unwrap();
    emulator::build_draw(Core::M4, &model, &elf).unwrap();
    assert_no_panic_path(&elf);
    let request = request_of_score_alone();
    let run = emulator::draw(Core::M4, &elf, &request).unwrap();
    let model = Model::load(&bytes).unwrap();
    assert_eq!(run.rows, request.on_host(&model).unwrap());
    let size = emulator::measure_image(&elf).unwrap();
    println!("code {} bytes", size.flash_code_bytes);
    // With every kind of operation and the proofs of their ranges.
    assert!(size.flash_code_bytes <= 48 << 10, "{size:?}");
    assert!(
        size.ram_static_bytes + run.stack_bytes <= 8 << 10,
        "{run:?}"
    );
}
