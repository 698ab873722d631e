//! Counting instructions: with `-icount shift=0` the guest's clock advances one nanosecond an instruction.

#![allow(unsafe_code, reason = "processor registers")]

use autodidact_app::Counter;

/// The machine's instruction counter, running since it was made.
#[derive(Debug, Clone, Copy)]
pub struct InstructionCounter {
    #[cfg(target_arch = "arm")]
    per_32_ticks: u32,
}

#[cfg(target_arch = "arm")]
mod systick {
    use core::sync::atomic::{AtomicU32, Ordering};

    /// SysTick counts 24 bits down; this counts how often it has started anew.
    static WRAPS: AtomicU32 = AtomicU32::new(0);
    const RELOAD: u32 = 0x00ff_ffff;

    #[cortex_m_rt::exception]
    fn SysTick() {
        WRAPS.store(
            WRAPS.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    pub(super) fn start() {
        use cortex_m::peripheral::{Peripherals, syst::SystClkSource};
        // SAFETY: SysTick is used in this module only, and its handler touches nothing but `WRAPS`.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(RELOAD);
        systick.clear_current();
        systick.enable_interrupt();
        systick.enable_counter();
    }

    /// Ticks since [`start`].
    pub(super) fn ticks() -> u64 {
        loop {
            let wraps = WRAPS.load(Ordering::Relaxed);
            let down = cortex_m::peripheral::SYST::get_current();
            if wraps == WRAPS.load(Ordering::Relaxed) {
                // Zero is the last value of a round, and the value before the first.
                let up = (RELOAD + 1).wrapping_sub(down) & RELOAD;
                return u64::from(wraps) * u64::from(RELOAD + 1) + u64::from(up);
            }
        }
    }
}

impl InstructionCounter {
    /// Starts counting. `per_32_ticks` is the number of instructions in 32 ticks of SysTick; RISC-V counts
    /// instructions itself and needs none.
    pub fn start(per_32_ticks: u32) -> Self {
        #[cfg(target_arch = "arm")]
        {
            systick::start();
            Self { per_32_ticks }
        }
        #[cfg(target_arch = "riscv32")]
        {
            let _ = per_32_ticks;
            Self {}
        }
    }
}

impl Counter for InstructionCounter {
    /// To the granularity of one tick: 40 instructions at 25 MHz.
    #[cfg(target_arch = "arm")]
    fn instructions(&self) -> u64 {
        systick::ticks().wrapping_mul(u64::from(self.per_32_ticks)) >> 5
    }

    /// To the instruction: `minstret`.
    #[cfg(target_arch = "riscv32")]
    fn instructions(&self) -> u64 {
        riscv::register::minstret::read64()
    }
}
