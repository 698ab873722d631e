//! Statics that are handed out once, and the window through which a model is read in place.

#![allow(unsafe_code, reason = "statics and memory that the emulator fills")]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A static value that its one user takes as `&'static mut`.
#[derive(Debug)]
pub struct Slot<T> {
    value: UnsafeCell<T>,
    taken: AtomicBool,
}

// SAFETY: `take` hands the value out once.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// A slot that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            taken: AtomicBool::new(false),
        }
    }

    /// The value, the first time; `None` from then on.
    ///
    /// To be called outside interrupts: a load and a store stand in for the compare-and-swap that the
    /// smallest cores lack.
    #[expect(clippy::mut_from_ref, reason = "`taken` makes the reference unique")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: `taken` was false until now and never becomes false again.
        Some(unsafe { &mut *self.value.get() })
    }
}

/// The first `bytes` bytes of the window in which the emulator placed the model, or `None` if it is longer than
/// the window.
pub fn model_window(base: usize, window_bytes: usize, bytes: usize) -> Option<&'static [u8]> {
    if bytes > window_bytes {
        return None;
    }
    // SAFETY: the window is memory of the machine (its base and size are constants of the machine's package)
    // that the linker script leaves alone; the emulator fills it before the first instruction, and nobody
    // writes to it afterwards.
    Some(unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(base), bytes) })
}
