//! Core passes and returns nothing whose size is 3, 5, 6 or 7 bytes: on 64-bit hosts such a value crosses a call as
//! an integer of as many bits, and LLVM 22 makes some of those wrongly. `core/src/lib.rs` says more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{cargo, step};

/// What such integers look like in the compiler's intermediate language.
const ODD: [&str; 4] = ["i24", "i40", "i48", "i56"];

pub(crate) fn run() -> Result<()> {
    let target = super::folder()?.join("calls");
    let listings = target.join("debug/deps");
    for listing in listings_of_core(&listings).unwrap_or_default() {
        fs::remove_file(listing)?;
    }
    let build = ["rustc", "--package", "autodidact", "--lib", "--"];
    let emit = ["--emit=llvm-ir", "-Ccodegen-units=1"];
    let mut build = step::cargo_in(&cargo::root(), &target, build.into_iter().chain(emit));
    // Nothing is inlined: every call in the source is one in the listing.
    build.env("RUSTFLAGS", "-Copt-level=0 -Cno-prepopulate-passes");
    step::run("values that cross a call", &mut build, |_| {
        let listing = listings_of_core(&listings)?.pop();
        let listing = listing.context("the compiler left no listing")?;
        summary(&fs::read_to_string(listing)?)
    })
}

fn listings_of_core(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let listings = entries.filter(|path| {
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("autodidact-") && name.ends_with(".ll")
        };
        path.as_ref().map_or(true, named)
    });
    listings.collect()
}

/// How many functions there are, if none of them and no call in them has an odd size.
fn summary(listing: &str) -> Result<String> {
    let functions = listing.lines().filter(|line| line.starts_with("define "));
    let count = functions.count();
    let odd = listing.lines().filter(|line| {
        (line.starts_with("define ") || line.contains(" call ") || line.contains(" invoke "))
            && line.split(['(', ',', ' ']).any(|word| ODD.contains(&word))
    });
    let odd: Vec<_> = odd.collect();
    if count == 0 || !odd.is_empty() {
        bail!(
            "{count} functions, {} values of 3, 5, 6 or 7 bytes:\n{}",
            odd.len(),
            odd.join("\n")
        );
    }
    Ok(format!("{count} functions, no value of 3, 5, 6 or 7 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_six_bytes_is_found_where_it_is_passed_and_where_it_is_returned() {
        let plain = "define void @f(i64 %0, ptr %1) {\n  %2 = call i16 @g(i32 48)\n";
        assert_eq!(
            summary(plain).unwrap(),
            "1 functions, no value of 3, 5, 6 or 7 bytes"
        );
        for odd in [
            "define i48 @f(ptr %0) {\n",
            "define void @f(i64 %0, i48 %1) {\n",
            "define void @f() {\n  call void @g(ptr sret([24 x i8]) %0, i48 %2), !dbg !1\n",
            "define void @f() {\n  %1 = call i24 @g(ptr %0)\n",
        ] {
            assert!(summary(odd).is_err(), "{odd}");
        }
        assert!(summary("").is_err());
    }
}
