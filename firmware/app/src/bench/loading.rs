//! What loading costs, for each byte of a container: all checks and proofs, and none.

use core::hint::black_box;
use core::num::NonZeroU32;

use autodidact::include_model;
use autodidact::model::Model;

use super::{measure, refused};
use crate::Counter;

const REPEATS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Small containers of every kind of part, which the tests keep.
pub(super) fn run(counter: &impl Counter) {
    let containers: [(_, _, &'static [u8]); 5] = [
        (
            "load_classical",
            "load_trusted_classical",
            include_model!("../../../../tests/golden/v1-classical.adm"),
        ),
        (
            "load_energy",
            "load_trusted_energy",
            include_model!("../../../../tests/golden/v1-energy.adm"),
        ),
        (
            "load_graphs",
            "load_trusted_graphs",
            include_model!("../../../../tests/golden/v1-graphs.adm"),
        ),
        (
            "load_networks",
            "load_trusted_networks",
            include_model!("../../../../tests/golden/v1-quads.adm"),
        ),
        (
            "load_stacks",
            "load_trusted_stacks",
            include_model!("../../../../tests/golden/v1-stacks.adm"),
        ),
    ];
    for (checked, trusted, bytes) in containers {
        let done = u32::try_from(bytes.len()).ok().and_then(|length| {
            Model::load(bytes).ok()?;
            measure(counter, checked, length, REPEATS, || {
                let _ = black_box(Model::load(black_box(bytes)));
            });
            measure(counter, trusted, length, REPEATS, || {
                let _ = black_box(Model::load_trusted(black_box(bytes)));
            });
            Some(())
        });
        refused(checked, done);
    }
}
