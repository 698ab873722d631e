//! How deep the stack went: free RAM is painted at the start, and what is still painted was never used.

#![allow(
    unsafe_code,
    reason = "reads and writes the RAM below the stack pointer"
)]

use core::hint::black_box;

const PAINT: u32 = 0xa5a5_5a5a;
/// Left unpainted below the painter's own frame.
const MARGIN_BYTES: usize = 256;

unsafe extern "C" {
    // First address after the statics, and the stack's upper end; both from the runtime's linker script.
    static mut __sheap: u32;
    static mut _stack_start: u32;
}

/// Bounds of the memory that the stack can grow into: lowest address, highest address.
fn bounds() -> (*mut u32, *mut u32) {
    (&raw mut __sheap, &raw mut _stack_start)
}

/// Paints the unused part of the stack. To be called first in `main`.
#[inline(never)]
pub(crate) fn paint() {
    let here = black_box(0_u32);
    let top = (&raw const here).addr().saturating_sub(MARGIN_BYTES);
    let (mut at, _) = bounds();
    while at.addr() < top {
        // SAFETY: `at` lies between the end of the statics and the live part of the stack: RAM that nothing
        // uses, aligned as the linker script aligns `__sheap`.
        unsafe {
            at.write_volatile(PAINT);
            at = at.add(1);
        }
    }
}

/// Greatest depth of the stack since [`paint`], in bytes.
pub(crate) fn high_water_bytes() -> usize {
    let (mut at, end) = bounds();
    // SAFETY: stays within the stack's memory; reading what other frames wrote is harmless.
    while at < end && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    end.addr().saturating_sub(at.addr())
}
