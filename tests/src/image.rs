//! What is asked of images.

use std::path::Path;

use autodidact_tools::emulator;

/// Asks that an image holds none of Rust's panic machinery: nothing that it links can panic, then.
///
/// # Panics
///
/// It does, or it cannot be read.
#[track_caller]
pub fn assert_no_panic_path(elf: &Path) {
    let panics = emulator::panic_symbols(elf).unwrap();
    assert!(
        panics.is_empty(),
        "{} holds panic code: {panics:?}",
        elf.display()
    );
}
