//! The container's bytes: as FORMAT.md says, and as every released version wrote them.

use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact_tests::{graphs, mutate, requests, small};
use autodidact_tools::quantize::AlignedBytes;
use autodidact_tools::replay;

/// The bytes of the hex dump in FORMAT.md.
fn documented() -> Vec<u8> {
    let text = include_str!("../../core/src/model/FORMAT.md");
    let dump = text
        .split("```hex")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    dump.expect("FORMAT.md has a hex dump")
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, bytes)| {
            let bytes = bytes.split("  ").next().unwrap_or_default();
            bytes
                .split_whitespace()
                .map(|b| u8::from_str_radix(b, 16).expect("hex"))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_worked_dump_is_what_the_writer_writes() {
    let bytes = small::encode(&small::worked_example(), Order::RowMajor);
    let dump: Vec<String> = bytes
        .chunks(16)
        .enumerate()
        .map(|(line, chunk)| {
            let hex: Vec<String> = chunk.iter().map(|b| format!("{b:02x}")).collect();
            format!("{:04x}: {}", 16 * line, hex.join(" "))
        })
        .collect();
    assert!(
        documented() == *bytes,
        "the dump in FORMAT.md should be\n{}",
        dump.join("\n")
    );
}

#[test]
fn the_checksum_is_crc_32_of_ieee_802_3() {
    let bytes = small::encode(&small::worked_example(), Order::RowMajor);
    let stored = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    assert_eq!(stored, mutate::checksum(&bytes));
}

#[test]
fn a_container_of_version_1_loads_and_gives_the_bits_it_gave() {
    let golden: [(&[u8], &[u8]); 3] = [
        (
            include_bytes!("../golden/v1-row-major.adm"),
            include_bytes!("../golden/v1.results"),
        ),
        (
            include_bytes!("../golden/v1-quads.adm"),
            include_bytes!("../golden/v1.results"),
        ),
        (
            include_bytes!("../golden/v1-octets.adm"),
            include_bytes!("../golden/v1.results"),
        ),
    ];
    for (container, results) in golden {
        let bytes = AlignedBytes::copy_of(container);
        let model = Model::load(&bytes).unwrap();
        let counts = small::random_counts(20, model.scaler().len(), 7);
        assert_eq!(replay::replay(&model, &counts).unwrap(), results);
    }
}

#[test]
fn a_container_of_classical_models_loads_and_gives_the_bits_it_gave() {
    let bytes = AlignedBytes::copy_of(include_bytes!("../golden/v1-classical.adm"));
    let counts = small::random_counts(20, 4, 8);
    let results = replay::replay(&Model::load(&bytes).unwrap(), &counts).unwrap();
    assert!(results == include_bytes!("../golden/v1-classical.results"));
    assert!(*small::encode(&small::classical(), Order::RowMajor) == *bytes);
}

#[test]
fn a_container_of_energy_models_loads_and_gives_the_bits_it_gave() {
    let bytes = AlignedBytes::copy_of(include_bytes!("../golden/v1-energy.adm"));
    let model = Model::load(&bytes).unwrap();
    let counts = small::random_counts(20, model.scaler().len(), 9);
    let results = replay::replay(&model, &counts).unwrap();
    assert!(results == include_bytes!("../golden/v1-energy.results"));
    assert!(*small::energy() == *bytes);
}

#[test]
fn a_container_of_graphs_and_a_score_network_loads_and_gives_the_bits_it_gave() {
    let bytes = AlignedBytes::copy_of(include_bytes!("../golden/v1-graphs.adm"));
    let results = requests::results_of_graphs(&Model::load(&bytes).unwrap()).unwrap();
    assert!(results == include_bytes!("../golden/v1-graphs.results"));
    assert!(*graphs::container(Order::RowMajor) == *bytes);
    // Samples, fillings and restorations included, whatever order the weights are in.
    for order in [Order::Quads, Order::Octets] {
        let bytes = graphs::container(order);
        let others = requests::results_of_graphs(&Model::load(&bytes).unwrap()).unwrap();
        assert!(others == results, "{order:?}");
    }
}

#[test]
fn a_container_of_learnt_stacks_loads_and_gives_the_bits_it_gave() {
    let bytes = AlignedBytes::copy_of(include_bytes!("../golden/v1-stacks.adm"));
    let model = Model::load(&bytes).unwrap();
    let counts = small::random_counts(20, model.scaler().len(), 10);
    let results = replay::replay(&model, &counts).unwrap();
    assert!(results == include_bytes!("../golden/v1-stacks.results"));
    assert!(*small::encode(&small::stacks(), Order::RowMajor) == *bytes);
}

/// After a deliberate change of the format: `cargo run --release -p autodidact-tests --example
/// make_golden` writes the files anew.
#[test]
fn the_golden_containers_are_what_the_writer_writes_today() {
    let model = small::every_kind(7, 2026);
    for (order, golden) in [
        (
            Order::RowMajor,
            &include_bytes!("../golden/v1-row-major.adm")[..],
        ),
        (Order::Quads, include_bytes!("../golden/v1-quads.adm")),
        (Order::Octets, include_bytes!("../golden/v1-octets.adm")),
    ] {
        assert!(*small::encode(&model, order) == *golden, "{order:?}");
    }
}

#[test]
fn every_order_gives_the_same_results() {
    for width in 1..24 {
        let model = small::every_kind(width, 100 + width as u64);
        let counts = small::random_counts(10, width, width as u64);
        let results = [Order::RowMajor, Order::Quads, Order::Octets].map(|order| {
            let bytes = small::encode(&model, order);
            replay::replay(&Model::load(&bytes).unwrap(), &counts).unwrap()
        });
        assert!(
            results[0] == results[1] && results[0] == results[2],
            "width {width}"
        );
    }
}
