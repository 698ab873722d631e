//! Any bytes: a typed error, or a model that runs. `cargo +nightly fuzz run load` in this folder;
//! `tests/golden` is a good corpus to start from.
#![no_main]

use autodidact::model::{Body, Model};
use libfuzzer_sys::fuzz_target;

/// Where the header keeps length and checksum.
const LENGTH: usize = 8;
const CHECKSUM: usize = 12;

/// CRC-32 (IEEE 802.3) of everything but its own field, so that the fuzzer gets past it.
fn checksum(bytes: &[u8]) -> u32 {
    let covered = bytes.iter().enumerate().filter(|(at, _)| !(CHECKSUM..CHECKSUM + 4).contains(at));
    !covered.fold(!0u32, |crc, (_, byte)| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fuzz_target!(|data: &[u8]| {
    // Exactly as long as the input, so that a read behind the end is a read behind the allocation.
    let mut words = vec![0u64; data.len() / 8];
    let length = words.len() * 8;
    let mut bytes = data[..length].to_vec();
    if length >= 32 {
        bytes[LENGTH..LENGTH + 4].copy_from_slice(&(length as u32).to_le_bytes());
        let crc = checksum(&bytes);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&crc.to_le_bytes());
    }
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().unwrap());
    }
    // SAFETY: a `u64` slice is valid memory of eight times as many bytes.
    let bytes = unsafe { core::slice::from_raw_parts(words.as_ptr().cast::<u8>(), length) };
    let Ok(model) = Model::load(bytes) else { return };
    let width = model.scaler().len();
    let mut features = vec![0; width];
    model.scaler().scale_into(&vec![i16::MIN; width], &mut features).unwrap();
    for part in model.parts() {
        match &part.body {
            Body::KMeans(kmeans) => {
                kmeans.nearest(&features).unwrap();
            }
            Body::Pca(pca) => {
                let mut scores = vec![0; pca.k()];
                pca.project_into(&features, &mut scores).unwrap();
                pca.residual(&features, &scores).unwrap();
            }
            Body::Network(network, _) => {
                let mut workspace = vec![0; network.workspace_bytes()];
                let mut output = vec![0; network.outputs()];
                network.run(&mut workspace, &features, &mut output).unwrap();
            }
            _ => {}
        }
    }
});
