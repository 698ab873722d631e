//! Draws from a score network in flash, in memory of exactly the size it needs, within the budget of a real part.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "the model's section is named")]

use autodidact_mps2_an386::MACHINE;
use autodidact_qemu::ConstStaticCell;

/// `MODEL_BYTES`, `WALK_WORDS` and `READS` of the model that this image is built around.
mod model {
    #![allow(dead_code, reason = "the other images read the rest")]
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

#[repr(C, align(16))]
struct Aligned([u8; model::MODEL_BYTES]);

#[unsafe(link_section = ".model")]
static MODEL: Aligned = Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.adm")));

static MEMORY: ConstStaticCell<[i64; model::WALK_WORDS]> =
    ConstStaticCell::new([0; model::WALK_WORDS]);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::draw::<{ model::READS }, { model::WALK_WORDS }>(&MACHINE, &MODEL.0, &MEMORY)
}
