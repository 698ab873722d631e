//! Which kernels the build script chooses.

#[path = "../../../build/choice.rs"]
mod choice;

use super::Implementation;

/// The flags as cargo hands them to a build script.
fn chosen(target: &str, flags: &[&str]) -> Option<&'static str> {
    choice::kernels(target, "", &flags.join("\x1f"))
}

#[test]
fn a_target_s_name_is_enough_where_the_architecture_settles_it() {
    assert_eq!(chosen("thumbv6m-none-eabi", &[]), Some("armv6m"));
    assert_eq!(chosen("thumbv7em-none-eabi", &[]), Some("armv7em"));
    assert_eq!(chosen("thumbv7em-none-eabihf", &[]), Some("armv7em"));
    for target in [
        "thumbv7m-none-eabi",
        "thumbv8m.base-none-eabi",
        "riscv32imac-unknown-none-elf",
        "x86_64-unknown-linux-gnu",
    ] {
        assert_eq!(chosen(target, &[]), None, "{target}");
    }
    // The kernels of the machine that runs this test.
    assert_eq!(Implementation::CHOSEN.name(), "portable");
}

#[test]
fn armv8_m_mainline_is_portable_until_a_core_or_an_extension_is_named() {
    for target in ["thumbv8m.main-none-eabi", "thumbv8m.main-none-eabihf"] {
        for (flags, kernels) in [
            (&[][..], None),
            (&["-C", "opt-level=3"], None),
            (&["-C", "target-cpu=cortex-m33"], Some("armv7em")),
            (&["-Ctarget-cpu=cortex-m33"], Some("armv7em")),
            (&["--codegen", "target-cpu=cortex-m33"], Some("armv7em")),
            (&["--codegen=target-cpu=cortex-m35p"], Some("armv7em")),
            (&["-Ctarget-feature=+dsp"], Some("armv7em")),
            (&["-C", "target-feature=+fpregs,+dsp"], Some("armv7em")),
            (&["-Ctarget-cpu=cortex-m55"], Some("helium")),
            (&["-Ctarget-cpu=cortex-m85"], Some("helium")),
            // An M55 without Helium has the DSP extension all the same.
            (
                &["-Ctarget-cpu=cortex-m55", "-Ctarget-feature=-mve"],
                Some("armv7em"),
            ),
            (&["-Ctarget-cpu=cortex-m33", "-Ctarget-feature=-dsp"], None),
        ] {
            assert_eq!(chosen(target, flags), kernels, "{target} {flags:?}");
        }
    }
}

#[test]
fn the_last_flag_wins() {
    let flags = ["-Ctarget-cpu=cortex-m55", "-Ctarget-cpu=cortex-m33"];
    assert_eq!(chosen("thumbv8m.main-none-eabi", &flags), Some("armv7em"));
    let flags = ["-Ctarget-feature=+dsp", "-Ctarget-feature=-dsp"];
    assert_eq!(chosen("thumbv8m.main-none-eabi", &flags), None);
    assert_eq!(chosen("thumbv7em-none-eabi", &flags), None);
}

#[test]
fn what_the_compiler_reports_counts_where_it_reports_it() {
    let main = |features| choice::kernels("thumbv8m.main-none-eabihf", features, "");
    assert_eq!(main("dsp,fpregs,mclass"), Some("armv7em"));
    assert_eq!(main("dsp,mve"), Some("helium"));
    assert_eq!(main("fpregs,mclass"), None);
}
