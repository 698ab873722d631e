//! Ending the emulation, with a status that the host sees.

use semihosting::process::exit;

/// Ends the run: everything went well.
pub fn exit_success() -> ! {
    exit(0)
}

/// Ends the run: it failed, and the log says why.
pub fn exit_failure() -> ! {
    exit(1)
}

/// Ends the run after a panic.
pub(crate) fn exit_panic() -> ! {
    exit(101)
}

/// Ends the run after a fault of the processor.
pub(crate) fn exit_fault() -> ! {
    exit(102)
}
