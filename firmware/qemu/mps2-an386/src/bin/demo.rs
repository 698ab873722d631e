//! The demonstration: a model in flash, buffers of exactly the size it needs, within the budget of a real part.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "the model's section is named")]

use autodidact_app::Memory;
use autodidact_mps2_an386::MACHINE;
use autodidact_qemu::ConstStaticCell;

/// `MODEL_BYTES`, `WIDTH`, `SCORES`, `WORKSPACE` and `READS` of the model that this image is built around.
mod model {
    #![allow(dead_code, reason = "the other images read the rest")]
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

#[repr(C, align(16))]
struct Aligned([u8; model::MODEL_BYTES]);

#[unsafe(link_section = ".model")]
static MODEL: Aligned = Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.adm")));

static MEMORY: ConstStaticCell<Memory<{ model::WIDTH }, { model::SCORES }, { model::WORKSPACE }>> =
    ConstStaticCell::new(Memory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::demo::<
        { model::READS },
        { model::WIDTH },
        { model::SCORES },
        { model::WORKSPACE },
    >(&MACHINE, &MODEL.0, &MEMORY)
}
