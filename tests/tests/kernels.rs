//! Every core's kernels, those that it should have, against their definition, on the core itself: thousands of random and
//! adversarial cases, all weight orders, extreme values, every tail, unaligned starts.

use autodidact::kernels::Implementation;
use autodidact_tools::emulator::{self, Core, Image};

fn selftest(core: Core, kernels: Implementation) {
    let elf = emulator::build(core, Image::SelfTest).unwrap();
    let (log, _) = emulator::run_image(core, &elf, &[], emulator::RUN_TIMEOUT).unwrap();
    println!("{core}: {:?}", log.lines);
    let said = |what: &str| log.lines.iter().find_map(|line| line.strip_prefix(what));
    assert_eq!(said("kernels "), Some(kernels.name()), "{core}");
    let cases =
        said("selftest ").and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok());
    assert!(cases.is_some_and(|cases| cases > 5000), "{:?}", log.lines);
}

#[test]
fn the_m4_s_kernels_are_their_definition() {
    selftest(Core::M4, Implementation::Armv7em);
}

#[test]
fn the_m33_s_kernels_are_their_definition() {
    selftest(Core::M33, Implementation::Armv7em);
}

#[test]
fn the_m0plus_s_kernels_are_their_definition() {
    selftest(Core::M0Plus, Implementation::Armv6m);
}

#[test]
fn the_m0_s_kernels_are_their_definition() {
    selftest(Core::M0, Implementation::Armv6m);
}

#[test]
fn the_m55_s_kernels_are_their_definition() {
    selftest(Core::M55, Implementation::Helium);
}

#[test]
fn the_rv32_s_kernels_are_their_definition() {
    selftest(Core::Rv32, Implementation::Portable);
}
