//! Names the kernels that the target can run: `autodidact_kernels = "armv6m" | "armv7em" | "helium"`.
//!
//! There is no stable `cfg` for the DSP extension or for Helium, so both are taken from the target's
//! name and `-C target-cpu`/`-C target-feature`.

use std::env;

#[path = "build/choice.rs"]
mod choice;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/choice.rs");
    println!(
        r#"cargo::rustc-check-cfg=cfg(autodidact_kernels, values(none(), "armv6m", "armv7em", "helium"))"#
    );
    println!("cargo::rustc-check-cfg=cfg(autodidact_armv8m)");
    let [target, features, flags] = [
        "TARGET",
        "CARGO_CFG_TARGET_FEATURE",
        "CARGO_ENCODED_RUSTFLAGS",
    ]
    .map(|name| env::var(name).unwrap_or_default());
    if target.starts_with("thumbv8m") {
        println!("cargo::rustc-cfg=autodidact_armv8m");
    }
    if let Some(kernels) = choice::kernels(&target, &features, &flags) {
        println!("cargo::rustc-cfg=autodidact_kernels");
        println!("cargo::rustc-cfg=autodidact_kernels=\"{kernels}\"");
    }
}
