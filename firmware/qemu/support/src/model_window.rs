//! The window through which a model is read in place.

#![allow(unsafe_code, reason = "memory that the emulator fills")]

use core::ptr::with_exposed_provenance;
use core::slice::from_raw_parts;

/// Memory of the machine that the linker script leaves alone, and that the emulator fills before the first
/// instruction.
#[derive(Debug, Clone, Copy)]
pub struct ModelWindow {
    base: usize,
    bytes: usize,
}

impl ModelWindow {
    /// The `bytes` bytes from the address `base` on.
    ///
    /// # Safety
    ///
    /// All of them are readable memory of the machine that the image runs on, lie outside the regions that its linker
    /// script hands out, and nobody writes to them while the image runs.
    pub const unsafe fn new(base: usize, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// Length of the window in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no window is empty")]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// The first `bytes` bytes of the window, or `None` if there are not so many.
    pub fn first(&self, bytes: usize) -> Option<&'static [u8]> {
        if bytes > self.bytes {
            return None;
        }
        // SAFETY: these are bytes of the window, and `new` was promised that they can be read and do not change.
        Some(unsafe { from_raw_parts(with_exposed_provenance(self.base), bytes) })
    }
}
