//! How deep the stack went: free RAM is painted at the start, and what is still painted was never used.

#![allow(
    unsafe_code,
    reason = "reads and writes the RAM below the stack pointer"
)]

use core::hint::black_box;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

const PAINT: u32 = 0xa5a5_5a5a;
/// Left unpainted below the painter's own frame.
const MARGIN_BYTES: usize = 256;
const WORD_BYTES: usize = size_of::<u32>();

/// Addresses that the runtime's linker script knows. Nobody reads what lies there through these names.
mod linker {
    unsafe extern "C" {
        /// Lowest address of the stack.
        #[cfg(target_arch = "arm")]
        #[link_name = "_stack_end"]
        pub(super) safe static LOWEST: [u32; 0];
        /// First address after the statics, where the stack ends because nothing is allocated from a heap.
        #[cfg(target_arch = "riscv32")]
        #[link_name = "__sheap"]
        pub(super) safe static LOWEST: [u32; 0];
        /// Address above the stack.
        #[link_name = "_stack_start"]
        pub(super) safe static ABOVE: [u32; 0];
    }
}

/// The lowest address of the stack and the one above it, both multiples of four by the linker script.
fn bounds() -> (usize, usize) {
    let lowest = (&raw const linker::LOWEST).expose_provenance();
    let above = (&raw const linker::ABOVE).expose_provenance();
    (lowest, above)
}

/// Paints the unused part of the stack. To be called first in `main`.
#[inline(never)]
pub(crate) fn paint() {
    let here = black_box(0_u32);
    let top = (&raw const here).addr().saturating_sub(MARGIN_BYTES);
    let (lowest, _) = bounds();
    for address in (lowest..top).step_by(WORD_BYTES) {
        // SAFETY: the address is that of a word between the end of the stack and its live part, RAM that nothing
        // uses: there is one stack, and no heap. What an interrupt pushes there meanwhile is popped before the next
        // word is painted.
        unsafe { with_exposed_provenance_mut::<u32>(address).write_volatile(PAINT) };
    }
}

/// Greatest depth of the stack since [`paint`], in bytes.
pub(crate) fn high_water_bytes() -> usize {
    let (lowest, above) = bounds();
    let deepest = (lowest..above).step_by(WORD_BYTES).find(|address| {
        // SAFETY: a word of the stack's memory; a volatile read of what other frames wrote is harmless.
        unsafe { with_exposed_provenance::<u32>(*address).read_volatile() != PAINT }
    });
    above.saturating_sub(deepest.unwrap_or(above))
}
