//! Writes `tests/golden`: `cargo run --release -p autodidact-tests --example make_golden`.

use std::path::Path;

use anyhow::Result;
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact_tests::{graphs, requests, small};
use autodidact_tools::replay;

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::fs::create_dir_all(&folder)?;
    let model = small::every_kind(7, 2026);
    for (order, name) in [
        (Order::RowMajor, "row-major"),
        (Order::Quads, "quads"),
        (Order::Octets, "octets"),
    ] {
        let bytes = small::encode(&model, order);
        std::fs::write(folder.join(format!("v1-{name}.adm")), &*bytes)?;
        let counts = small::random_counts(20, 7, 7);
        let results = replay::replay(&Model::load(&bytes)?, &counts)?;
        std::fs::write(folder.join("v1.results"), results)?;
    }
    let bytes = small::encode(&small::classical(), Order::RowMajor);
    std::fs::write(folder.join("v1-classical.adm"), &*bytes)?;
    let counts = small::random_counts(20, 4, 8);
    let results = replay::replay(&Model::load(&bytes)?, &counts)?;
    std::fs::write(folder.join("v1-classical.results"), results)?;
    let bytes = small::energy();
    std::fs::write(folder.join("v1-energy.adm"), &*bytes)?;
    let model = Model::load(&bytes)?;
    let counts = small::random_counts(20, model.scaler().len(), 9);
    let results = replay::replay(&model, &counts)?;
    std::fs::write(folder.join("v1-energy.results"), results)?;
    let bytes = graphs::container(Order::RowMajor);
    std::fs::write(folder.join("v1-graphs.adm"), &*bytes)?;
    let results = requests::results_of_graphs(&Model::load(&bytes)?)?;
    std::fs::write(folder.join("v1-graphs.results"), results)?;
    let bytes = small::encode(&small::stacks(), Order::RowMajor);
    std::fs::write(folder.join("v1-stacks.adm"), &*bytes)?;
    let counts = small::random_counts(20, 6, 10);
    let results = replay::replay(&Model::load(&bytes)?, &counts)?;
    std::fs::write(folder.join("v1-stacks.results"), results)?;
    Ok(())
}
