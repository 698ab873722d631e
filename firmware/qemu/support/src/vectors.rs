//! The interrupt vectors: none of the machines' interrupts is used.
//!
//! The runtime's own table has 240 of them, a kilobyte of flash. This one has the 32 that every emulated board has.

#![allow(
    unsafe_code,
    reason = "the linker finds the table by its name and section"
)]

unsafe extern "C" {
    fn DefaultHandler();
}

#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 32] = [DefaultHandler; 32];
