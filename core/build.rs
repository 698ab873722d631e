//! Names the kernels that the target can run: `autodidact_kernels = "armv6m" | "armv7em" | "helium"`.
//!
//! There is no stable `cfg` for the DSP extension or for Helium, so both are taken from the target's
//! name and `-C target-cpu`/`-C target-feature`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        r#"cargo::rustc-check-cfg=cfg(autodidact_kernels, values(none(), "armv6m", "armv7em", "helium"))"#
    );
    println!("cargo::rustc-check-cfg=cfg(autodidact_armv8m)");
    if env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv8m")) {
        println!("cargo::rustc-cfg=autodidact_armv8m");
    }
    if let Some(kernels) = kernels() {
        println!("cargo::rustc-cfg=autodidact_kernels");
        println!("cargo::rustc-cfg=autodidact_kernels=\"{kernels}\"");
    }
}

fn kernels() -> Option<&'static str> {
    let target = env::var("TARGET").ok()?;
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    // The last mention of a feature or core wins, as it does for the compiler.
    let mut cpu = String::new();
    let (mut dsp, mut mve) = (None, None);
    let mut previous = "";
    for flag in flags.split('\x1f') {
        let option = if previous == "-C" {
            flag
        } else {
            flag.strip_prefix("-C").unwrap_or("")
        };
        previous = flag;
        if let Some(name) = option.strip_prefix("target-cpu=") {
            cpu = name.to_owned();
        }
        for feature in option
            .strip_prefix("target-feature=")
            .unwrap_or("")
            .split(',')
        {
            match feature {
                "+dsp" => dsp = Some(true),
                "-dsp" => dsp = Some(false),
                "+mve" | "+mve.fp" => mve = Some(true),
                "-mve" => mve = Some(false),
                _ => {}
            }
        }
    }
    let cpu = cpu.as_str();
    if target.starts_with("thumbv6m") {
        Some("armv6m")
    } else if target.starts_with("thumbv7em") && dsp != Some(false) {
        Some("armv7em")
    } else if target.starts_with("thumbv8m.main") {
        if mve.unwrap_or(matches!(cpu, "cortex-m52" | "cortex-m55" | "cortex-m85")) {
            Some("helium")
        } else if dsp.unwrap_or(matches!(cpu, "cortex-m33" | "cortex-m35p")) {
            Some("armv7em")
        } else {
            None
        }
    } else {
        None
    }
}
