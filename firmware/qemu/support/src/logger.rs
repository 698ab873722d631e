//! The `defmt` logger: frames go to the semihosting console, one call a frame.
//!
//! `defmt-semihosting` calls the host for every byte and panics when a frame is begun inside another, which puts
//! the panic machinery into every image. This logger collects a frame before it calls, and drops a frame that
//! begins inside another (only a fault handler can do that here: there are no other interrupts that log).

#![allow(
    unsafe_code,
    reason = "defmt's logger is a set of free functions that share one static"
)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use defmt::Encoder;

use crate::host::HostFile;

/// Longer frames go out in pieces.
const BUFFER_BYTES: usize = 128;

struct Frame {
    encoder: Encoder,
    output: Output,
}

/// What the encoder has emitted and the host has not seen.
struct Output {
    bytes: [u8; BUFFER_BYTES],
    used: usize,
    console: Option<HostFile>,
}

impl Output {
    /// Keeps what the encoder emits. The encoder calls this in many places, for a byte each.
    #[inline(never)]
    fn push(&mut self, emitted: &[u8]) {
        for &byte in emitted {
            if self.used >= BUFFER_BYTES {
                self.flush();
            }
            if let Some(place) = self.bytes.get_mut(self.used) {
                *place = byte;
                self.used += 1;
            }
        }
    }

    #[inline(never)]
    fn flush(&mut self) {
        let collected = self.bytes.get(..self.used).unwrap_or_default();
        if let Some(console) = &mut self.console {
            // A log that cannot be written must not stop the device.
            let _ = console.write(collected);
        }
        self.used = 0;
    }
}

impl Frame {
    #[inline(never)]
    fn start(&mut self) {
        let Self { encoder, output } = self;
        if output.console.is_none() {
            output.console = HostFile::console().ok();
        }
        encoder.start_frame(|emitted| output.push(emitted));
    }

    #[inline(never)]
    fn end(&mut self) {
        let Self { encoder, output } = self;
        encoder.end_frame(|emitted| output.push(emitted));
        output.flush();
    }
}

struct Shared(UnsafeCell<Frame>);

// SAFETY: `BUSY` admits one user at a time. A load and a store of it are enough: on one core what interrupts them is
// an interrupt's handler, which has released the frame by the time it returns, or a fault's, which never returns.
unsafe impl Sync for Shared {}

static FRAME: Shared = Shared(UnsafeCell::new(Frame {
    encoder: Encoder::new(),
    output: Output {
        bytes: [0; BUFFER_BYTES],
        used: 0,
        console: None,
    },
}));

/// A frame is being written.
static BUSY: AtomicBool = AtomicBool::new(false);
/// The frame being written began inside another and is dropped.
static DROPPING: AtomicBool = AtomicBool::new(false);

#[defmt::global_logger]
struct Logger;

// SAFETY: a frame is exclusive: a second `acquire` before `release` marks the inner frame as dropped, and its
// bytes go nowhere.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        if BUSY.load(Ordering::Relaxed) {
            DROPPING.store(true, Ordering::Relaxed);
            return;
        }
        BUSY.store(true, Ordering::Relaxed);
        // SAFETY: `BUSY` was free, so no other reference is alive.
        unsafe { &mut *FRAME.0.get() }.start();
    }

    unsafe fn flush() {}

    unsafe fn release() {
        if DROPPING.load(Ordering::Relaxed) {
            DROPPING.store(false, Ordering::Relaxed);
            return;
        }
        // SAFETY: between `acquire` and `release` the frame belongs to the caller.
        unsafe { &mut *FRAME.0.get() }.end();
        BUSY.store(false, Ordering::Relaxed);
    }

    unsafe fn write(bytes: &[u8]) {
        if DROPPING.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: between `acquire` and `release` the frame belongs to the caller.
        let Frame { encoder, output } = unsafe { &mut *FRAME.0.get() };
        encoder.write(bytes, |emitted| output.push(emitted));
    }
}

/// Called by a fault handler that never returns: whatever frame was begun is given up, so that its own gets out.
pub(crate) fn reset_after_fault() {
    if BUSY.load(Ordering::Relaxed) {
        // SAFETY: the interrupted writer is never resumed.
        unsafe { &mut *FRAME.0.get() }.end();
        BUSY.store(false, Ordering::Relaxed);
        DROPPING.store(false, Ordering::Relaxed);
    }
}

defmt::timestamp!("");
