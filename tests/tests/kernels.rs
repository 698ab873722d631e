//! Every core's kernels against their definition, on the core itself: thousands of random and
//! adversarial cases, all weight orders, extreme values, every tail, unaligned starts.

use autodidact_tools::emulator::{self, Core, Image};

fn selftest(core: Core) {
    let elf = emulator::build(core, Image::SelfTest).unwrap();
    let (log, _) = emulator::run_image(core, &elf, &[], emulator::RUN_TIMEOUT).unwrap();
    println!("{core}: {:?}", log.lines);
    let cases = log.lines.iter().find_map(|line| {
        let mut words = line.strip_prefix("selftest ")?.split_whitespace();
        words.next()?.parse::<u32>().ok()
    });
    assert!(cases.is_some_and(|cases| cases > 5000), "{:?}", log.lines);
}

#[test]
fn the_m4_s_kernels_are_their_definition() {
    selftest(Core::M4);
}

#[test]
fn the_m0plus_s_kernels_are_their_definition() {
    selftest(Core::M0Plus);
}

#[test]
fn the_m55_s_kernels_are_their_definition() {
    selftest(Core::M55);
}

#[test]
fn the_rv32_s_kernels_are_their_definition() {
    selftest(Core::Rv32);
}
