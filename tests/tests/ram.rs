//! RAM of the learners, from the image's symbols, and that each of them takes a row on the core.

use autodidact::{gmm, kmeans, latent_class, pca};
use autodidact_tools::emulator::{self, Core, Image, RamRow};

fn find<'r>(rows: &'r [RamRow], learner: &str, shape: &str) -> &'r RamRow {
    let found = |row: &&RamRow| row.learner == learner && row.shape == shape;
    rows.iter()
        .find(found)
        .unwrap_or_else(|| panic!("no row for {learner}, {shape}"))
}

#[test]
fn the_m4_s_learners_occupy_what_their_docs_say() {
    let rows = emulator::ram(Core::M4).unwrap();
    for learner in ["k-means, sequential", "k-means, Lloyd"] {
        let row = find(&rows, learner, "8 x 16");
        assert_eq!(row.memory_bytes, size_of::<kmeans::Storage<8, 16>>() as u64);
        assert!(row.total_bytes() <= 2048, "{row:?}");
    }
    for (k, d, shape) in [(4, 16, "4 x 16"), (16, 64, "16 x 64")] {
        let row = find(&rows, "incremental PCA", shape);
        assert_eq!(row.memory_bytes, pca::storage_bytes(k, d) as u64);
    }
    for (covariance, learner) in [
        (gmm::Covariance::Diagonal, "mixture, batch, diagonal"),
        (gmm::Covariance::Tied, "mixture, batch, tied"),
        (gmm::Covariance::Full, "mixture, batch, full"),
    ] {
        let words = gmm::batch::BatchEm::words(covariance, 4, 8);
        let row = find(&rows, learner, "4 x 8");
        assert_eq!(row.memory_bytes, 8 * words as u64);
    }
    use latent_class::Column;
    let mut users = [Column::BERNOULLI; 7];
    users[0] = Column::categorical(3);
    users[1] = Column::categorical(2);
    users[2] = Column::GAUSSIAN;
    let row = find(&rows, "latent classes", "3, users.csv");
    assert_eq!(
        row.memory_bytes,
        8 * latent_class::storage_words(3, &users) as u64
    );
    // Training 64 visible and 32 hidden units.
    assert!(find(&rows, "Boltzmann machine", "64 x 32").total_bytes() <= 12 * 1024);
    assert!(find(&rows, "quantile sketch alone", "any model").total_bytes() <= 1024);
}

#[test]
fn every_learner_takes_a_row_on_the_m4() {
    let elf = emulator::build(Core::M4, Image::Learners).unwrap();
    let (log, _) = emulator::run_image(Core::M4, &elf, &[], emulator::RUN_TIMEOUT).unwrap();
    let learners = emulator::ram(Core::M4).unwrap().len();
    assert!(
        log.lines.contains(&format!("learners {learners}")),
        "{:?}",
        log.lines
    );
}
