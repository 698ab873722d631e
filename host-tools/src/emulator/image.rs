//! Measures an image: flash and RAM by the ELF file's sections, and whether it can panic.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::elf::{SHF_ALLOC, SHT_NOBITS};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind};

/// The section that holds the model.
const MODEL_SECTION: &str = ".model";

/// What an image occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Code, constants and initial values of variables, without the model, in bytes.
    pub flash_code_bytes: u64,
    /// The model, in bytes.
    pub flash_model_bytes: u64,
    /// Variables, without the stack, in bytes.
    pub ram_static_bytes: u64,
}

/// Adds up the sections that the image occupies.
///
/// # Errors
///
/// The file cannot be read or is not an ELF file.
pub fn measure_image(elf: &Path) -> Result<ImageSize> {
    let bytes = read(elf)?;
    let file = parse(elf, &bytes)?;
    let mut size = ImageSize {
        flash_code_bytes: 0,
        flash_model_bytes: 0,
        ram_static_bytes: 0,
    };
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        if sh_flags & u64::from(SHF_ALLOC) == 0 {
            continue;
        }
        let name = section.name()?;
        let uninitialised = section.kind() == SectionKind::UninitializedData
            || section.kind() == SectionKind::Elf(SHT_NOBITS);
        // The stack's section of the RISC-V runtime is as large as what is left of RAM.
        if name == ".stack" || name == ".heap" {
            continue;
        }
        if name == MODEL_SECTION {
            size.flash_model_bytes += section.size();
        } else if !uninitialised {
            size.flash_code_bytes += section.size();
        }
        if uninitialised || name == ".data" {
            size.ram_static_bytes += section.size();
        }
    }
    Ok(size)
}

/// The functions of Rust's panic machinery that the image contains: none in an image that cannot panic.
///
/// # Errors
///
/// The file cannot be read or is not an ELF file.
pub fn panic_symbols(elf: &Path) -> Result<Vec<String>> {
    let bytes = read(elf)?;
    let file = parse(elf, &bytes)?;
    let mut found: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.is_definition())
        .filter_map(|symbol| symbol.name().ok())
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .filter(|name| is_panic_machinery(name))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Names and sizes of the image's variables, in bytes.
///
/// # Errors
///
/// The file cannot be read or is not an ELF file.
pub(super) fn variables(elf: &Path) -> Result<Vec<(String, u64)>> {
    let bytes = read(elf)?;
    let file = parse(elf, &bytes)?;
    let symbols = file
        .symbols()
        .filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Data);
    Ok(symbols
        .filter_map(|symbol| Some((symbol.name().ok()?, symbol.size())))
        .map(|(name, size)| (format!("{:#}", rustc_demangle::demangle(name)), size))
        .collect())
}

fn is_panic_machinery(name: &str) -> bool {
    // Log strings are symbols as well, and may speak of anything.
    if name.starts_with('{') {
        return false;
    }
    let last = name.rsplit("::").next().unwrap_or(name);
    name.contains("core::panicking")
        || last == "rust_begin_unwind"
        || (name.starts_with("core::")
            && (last.contains("panic") || last.ends_with("_fail") || last.ends_with("_failed")))
}

fn read(elf: &Path) -> Result<Vec<u8>> {
    fs::read(elf).with_context(|| format!("the firmware image {} cannot be read", elf.display()))
}

fn parse<'a>(elf: &Path, bytes: &'a [u8]) -> Result<object::File<'a>> {
    object::File::parse(bytes).with_context(|| format!("{} is not an ELF file", elf.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_machinery_is_told_from_the_rest() {
        for name in [
            "core::panicking::panic_fmt",
            "core::panicking::panic_bounds_check",
            "__rustc::rust_begin_unwind",
            "core::option::unwrap_failed",
            "core::result::unwrap_failed",
            "core::slice::index::slice_end_index_len_fail",
            "core::cell::panic_already_borrowed",
        ] {
            assert!(is_panic_machinery(name), "{name}");
        }
        for name in [
            "autodidact::kernels::dense",
            "__defmt_default_panic",
            r#"{"package":"x","data":"core::panicking"}"#,
            "core::slice::memchr::memchr_aligned",
        ] {
            assert!(!is_panic_machinery(name), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_not_an_image_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = measure_image(file.path()).unwrap_err().to_string();
        assert!(
            message.contains(&*file.path().to_string_lossy()),
            "{message}"
        );
    }
}
