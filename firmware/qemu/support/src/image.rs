//! The images themselves, for any machine.

use autodidact::ShapeError;
use autodidact::kernels::Implementation;
use autodidact::model::{Model, reads};
use autodidact_app::generate::{self, GenerateError};
use autodidact_app::learn::{LearnError, Settings};
use autodidact_app::{Buffers, Link as _, Memory, OutOfMemory, ReplayError, Sizes};
use autodidact_app::{bench as workloads, selftest as comparison};

use crate::fault::fault;
use crate::{Files, InstructionCounter, ModelWindow, exit_failure, exit_success, stack};
use static_cell::ConstStaticCell;

/// What distinguishes one machine from another.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Instructions in 32 ticks of SysTick: 32 seconds' worth at one instruction a nanosecond, divided by the
    /// clock's frequency. RISC-V machines count instructions themselves and have 0 here.
    pub instructions_per_32_ticks: u32,
    /// Where the emulator places the model.
    pub model: ModelWindow,
}

/// Memory of the replay image, for any model within reason.
pub type ReplayMemory = Memory<4096, 1024, 65_536>;

/// Memory of the replay image on a part with 16 KiB of RAM.
pub type SmallReplayMemory = Memory<128, 32, 2048>;

/// Memory of the learning image, 1 MiB: resident rows and learner are cut from it. The generating image has as much.
pub type LearnMemory = [i64; 1 << 17];

/// Runs the model that the emulator placed in the model window on the rows of `samples.bin`.
pub fn replay<const WIDTH: usize, const SCORES: usize, const WORKSPACE: usize>(
    machine: &Machine,
    memory: &'static ConstStaticCell<Memory<WIDTH, SCORES, WORKSPACE>>,
) -> ! {
    stack::paint();
    let model = model_bytes(machine);
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    run_model::<{ reads::EVERYTHING }>(machine, model, memory.buffers())
}

/// The model that the emulator placed in the model window.
fn model_bytes(machine: &Machine) -> &'static [u8] {
    let Ok(bytes) = Files::model_bytes() else {
        defmt::error!("the run folder has no model.adm");
        exit_failure()
    };
    let Some(model) = machine.model.first(bytes) else {
        defmt::error!(
            "the model has {=usize} bytes, the window {=usize}",
            bytes,
            machine.model.len()
        );
        exit_failure()
    };
    model
}

/// Learns from the rows of `samples.bin` what `settings.bin` says, with the scaler and the components of the model
/// that the emulator placed in the model window.
pub fn learn(machine: &Machine, memory: &'static ConstStaticCell<LearnMemory>) -> ! {
    stack::paint();
    let model = load::<{ reads::EVERYTHING }>(model_bytes(machine));
    let settings = settings(Settings::from_bytes);
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    let mut files = open_files(machine);
    match autodidact_app::learn::learn(&model, &settings, &mut files, memory) {
        Ok(()) => {
            defmt::println!("stack {=usize}", stack::high_water_bytes());
            exit_success()
        }
        Err(LearnError::Memory(OutOfMemory { needed, left })) => {
            defmt::error!(
                "the learner needs {=usize} bytes more at once and {=usize} are left; keep fewer rows in memory or ask \
                 for a smaller k",
                needed,
                left
            );
            exit_failure()
        }
        Err(error) => {
            defmt::error!("{}", error);
            exit_failure()
        }
    }
}

/// Draws, fills in or restores what `settings.bin` says by a part of the model that the emulator placed in the model
/// window.
pub fn generate(machine: &Machine, memory: &'static ConstStaticCell<LearnMemory>) -> ! {
    stack::paint();
    let model = model_bytes(machine);
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    run_generator::<{ reads::EVERYTHING }>(machine, model, memory)
}

/// Draws what `settings.bin` says from a model that the image brings along. To be called first in `main`.
pub fn draw<const READS: u32, const WORDS: usize>(
    machine: &Machine,
    model: &[u8],
    memory: &'static ConstStaticCell<[i64; WORDS]>,
) -> ! {
    stack::paint();
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    run_generator::<READS>(machine, model, memory)
}

fn run_generator<const READS: u32>(machine: &Machine, model: &[u8], memory: &mut [i64]) -> ! {
    let model = load::<READS>(model);
    let settings = settings(generate::Settings::from_bytes);
    let mut files = open_files(machine);
    match generate::generate(&model, &settings, &mut files, memory) {
        Ok(()) => {
            defmt::println!("stack {=usize}", stack::high_water_bytes());
            exit_success()
        }
        Err(GenerateError::Memory(OutOfMemory { needed, left })) => {
            defmt::error!(
                "the part needs {=usize} bytes more at once and {=usize} are left; fit a smaller one",
                needed,
                left
            );
            exit_failure()
        }
        Err(error) => {
            defmt::error!("{}", error);
            exit_failure()
        }
    }
}

/// The settings that the host has left in the run folder.
fn settings<T, const BYTES: usize>(read: impl FnOnce(&[u8; BYTES]) -> Option<T>) -> T {
    let settings = match Files::settings() {
        Ok(record) => read(&record),
        Err(error) => {
            defmt::error!("{}", error);
            exit_failure()
        }
    };
    let Some(settings) = settings else {
        defmt::error!("the settings are of another version, or damaged");
        exit_failure()
    };
    settings
}

fn load<const READS: u32>(bytes: &[u8]) -> Model<'_, READS> {
    match Model::load_only(bytes) {
        Ok(model) => model,
        Err(error) => {
            defmt::error!("the model does not load: {}", error);
            exit_failure()
        }
    }
}

fn open_files(machine: &Machine) -> Files {
    let counter = InstructionCounter::start(machine.instructions_per_32_ticks);
    match Files::open(counter) {
        Ok(files) => files,
        Err(error) => {
            defmt::error!("{}", error);
            exit_failure()
        }
    }
}

/// Runs a model that the image brings along on the rows of `samples.bin`. To be called first in `main`.
pub fn demo<const READS: u32, const WIDTH: usize, const SCORES: usize, const WORKSPACE: usize>(
    machine: &Machine,
    model: &[u8],
    memory: &'static ConstStaticCell<Memory<WIDTH, SCORES, WORKSPACE>>,
) -> ! {
    stack::paint();
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    run_model::<READS>(machine, model, memory.buffers())
}

fn run_model<const READS: u32>(machine: &Machine, model: &[u8], buffers: Buffers<'_>) -> ! {
    let model = load::<READS>(model);
    let mut files = open_files(machine);
    let needed = Sizes::of(&model).memory_bytes();
    let given = buffers.sizes().memory_bytes();
    match autodidact_app::replay(&model, &mut files, buffers) {
        Ok(rows) => {
            defmt::println!("rows {=u32}", rows);
            defmt::println!("buffers {=usize} {=usize}", needed, given);
            defmt::println!("stack {=usize}", stack::high_water_bytes());
            exit_success()
        }
        Err(ReplayError::Buffers(ShapeError { needed, given, .. })) => {
            defmt::error!(
                "the model needs a buffer of {=usize} elements, this image has {=usize}; fit a smaller one, or choose a \
                 core with more memory",
                needed,
                given
            );
            exit_failure()
        }
        Err(error) => {
            defmt::error!("{}", error);
            exit_failure()
        }
    }
}

/// Measures the kernels.
pub fn bench(machine: &Machine, memory: &'static ConstStaticCell<workloads::Memory>) -> ! {
    stack::paint();
    let counter = InstructionCounter::start(machine.instructions_per_32_ticks);
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    workloads::run(&counter, memory);
    exit_success()
}

/// Compares the kernels with their definition and logs which they are and the number of cases.
pub fn selftest<
    const WEIGHTS: usize,
    const VALUES: usize,
    const FACTORS: usize,
    const SUMS: usize,
>(
    _: &Machine,
    memory: &'static ConstStaticCell<comparison::Memory<WEIGHTS, VALUES, FACTORS, SUMS>>,
) -> ! {
    stack::paint();
    let Some(memory) = memory.try_take() else {
        exit_failure()
    };
    defmt::println!("kernels {=str}", Implementation::CHOSEN.name());
    match comparison::run(memory.buffers()) {
        Ok(cases) => {
            defmt::println!("selftest {=u32} cases", cases);
            defmt::println!("stack {=usize}", stack::high_water_bytes());
            exit_success()
        }
        Err(mismatch) => {
            defmt::error!("a kernel differs from its definition: {}", mismatch);
            exit_failure()
        }
    }
}

/// Ends badly on purpose, in the way that the first count of `samples.bin` says: 0 panics, 1 faults, anything else
/// hangs. It shows that the host notices.
pub fn crash(machine: &Machine) -> ! {
    let counter = InstructionCounter::start(machine.instructions_per_32_ticks);
    let mut way = [0];
    if let Ok(mut files) = Files::open(counter) {
        let _ = files.read_row(&mut way);
    }
    match way {
        [0] => panic!("on purpose"),
        [1] => fault(),
        _ => {}
    }
    defmt::println!("hanging");
    loop {
        core::hint::spin_loop();
    }
}
