//! Which kernels a target runs, by its name and by the flags that the compiler is given.
//!
//! The build script decides by this, and the crate's tests include it too.

/// The value of `cfg(autodidact_kernels)`, or `None` for the portable kernels.
///
/// `features` is what cargo's `CARGO_CFG_TARGET_FEATURE` says; stable compilers leave the DSP extension and Helium out
/// of it. `flags` is `CARGO_ENCODED_RUSTFLAGS`: what `RUSTFLAGS`, `build.rustflags` or the `rustflags` of a `[target]`
/// hand to the compiler, one argument after each `\x1f`.
pub(crate) fn kernels(target: &str, features: &str, flags: &str) -> Option<&'static str> {
    // The last mention of a feature or core wins, as it does for the compiler.
    let mut cpu = "";
    let (mut dsp, mut mve) = (None, None);
    for feature in features.split(',') {
        match feature {
            "dsp" => dsp = Some(true),
            "mve" | "mve.fp" => mve = Some(true),
            _ => {}
        }
    }
    let mut previous = "";
    for flag in flags.split('\x1f') {
        let option = match previous {
            "-C" | "--codegen" => flag,
            _ => flag
                .strip_prefix("-C")
                .or_else(|| flag.strip_prefix("--codegen="))
                .unwrap_or(""),
        };
        previous = flag;
        if let Some(name) = option.strip_prefix("target-cpu=") {
            cpu = name;
        }
        let list = option.strip_prefix("target-feature=").unwrap_or("");
        for feature in list.split(',') {
            match feature {
                "+dsp" => dsp = Some(true),
                "-dsp" => dsp = Some(false),
                "+mve" | "+mve.fp" => mve = Some(true),
                "-mve" => mve = Some(false),
                _ => {}
            }
        }
    }
    if target.starts_with("thumbv6m") {
        Some("armv6m")
    } else if target.starts_with("thumbv7em") && dsp != Some(false) {
        Some("armv7em")
    } else if target.starts_with("thumbv8m.main") {
        if mve.unwrap_or(matches!(cpu, "cortex-m52" | "cortex-m55" | "cortex-m85")) {
            Some("helium")
        } else if dsp.unwrap_or(matches!(
            cpu,
            "cortex-m33" | "cortex-m35p" | "cortex-m52" | "cortex-m55" | "cortex-m85"
        )) {
            Some("armv7em")
        } else {
            None
        }
    } else {
        None
    }
}
