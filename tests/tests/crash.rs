//! What the host says of a device that does not come to its end.

use std::time::Duration;

use autodidact_tools::emulator::{Core, Image, RUN_TIMEOUT, build, replay, run_image};

/// What the host says when the device ends in this way.
fn crash(core: Core, way: i16, limit: Duration) -> String {
    let elf = build(core, Image::Crash).unwrap();
    let samples = way.to_le_bytes();
    let end = run_image(core, &elf, &[("samples.bin", &samples)], limit);
    end.unwrap_err().to_string()
}

#[test]
fn a_panic_on_the_device_is_an_error_on_the_host() {
    for core in Core::ALL {
        let message = crash(core, 0, RUN_TIMEOUT);
        assert!(
            message.contains("status 101") && message.contains("image.rs"),
            "{message}"
        );
    }
}

#[test]
fn a_fault_on_the_device_is_an_error_on_the_host() {
    for core in Core::ALL {
        let message = crash(core, 1, RUN_TIMEOUT);
        assert!(
            message.contains("status 102") && message.contains("pc 0x"),
            "{message}"
        );
    }
}

#[test]
fn a_device_that_hangs_is_stopped() {
    let message = crash(Core::Rv32, 2, Duration::from_secs(3));
    assert!(message.contains("did not end within 3s"), "{message}");
}

#[test]
fn a_damaged_model_is_refused_by_the_device() {
    let message = replay(Core::Rv32, &[7; 64], &[]).unwrap_err().to_string();
    assert!(
        message.contains("the model does not load: Magic"),
        "{message}"
    );
}
