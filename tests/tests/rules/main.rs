//! FORMAT.md and the loader agree: for every rule that the document states, a container that breaks it and nothing
//! else, and what refuses it.

mod classical;
mod container;
mod energy;
mod graph;
mod networks;

use autodidact::Defect;
use autodidact::kernels::Order;
use autodidact::model::{LoadError, Model};
use autodidact_tests::raw::{Raw, RawPart, RawTensor};
use autodidact_tests::{graphs, mutate, small};

const FORMAT: &str = include_str!("../../../core/src/model/FORMAT.md");

/// A document's words, without how they are broken into lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_documented(says: &str) {
    assert!(
        words(FORMAT).contains(&words(says)),
        "FORMAT.md does not say: {says}"
    );
}

/// A container whose bytes are valid, to be broken at one place at a time.
struct Valid(Raw);

impl Valid {
    fn of(bytes: &[u8]) -> Self {
        let raw = Raw::of(bytes);
        assert!(*raw.bytes() == *bytes, "put together as it was");
        Self(raw)
    }

    /// With the container changed, what FORMAT.md `says` does not hold and `expected` comes of it.
    #[track_caller]
    fn broken(&self, says: &str, change: impl FnOnce(&mut Raw), expected: LoadError) {
        assert_documented(says);
        let mut raw = self.0.clone();
        change(&mut raw);
        assert!(raw != self.0, "{says}: nothing was changed");
        let bytes = raw.bytes();
        assert_eq!(Model::load(&bytes).map(|_| ()), Err(expected), "{says}");
    }

    /// The same of part `name`.
    #[track_caller]
    fn part(&self, name: &str, says: &str, change: impl FnOnce(&mut RawPart), defect: Defect) {
        let at = self.0.parts.iter().position(|part| {
            part.name.starts_with(name.as_bytes()) && part.name.get(name.len()) == Some(&0)
        });
        let part = u16::try_from(at.expect("a part of this name")).unwrap();
        let expected = LoadError::Part { part, defect };
        self.broken(
            says,
            |raw| change(&mut raw.parts[usize::from(part)]),
            expected,
        );
    }

    /// The same of the bytes themselves, with the checksum put right.
    #[track_caller]
    fn bytes(&self, says: &str, change: impl FnOnce(&mut [u8]), expected: LoadError) {
        assert_documented(says);
        let mut bytes = self.0.bytes();
        change(&mut bytes);
        assert!(*bytes != *self.0.bytes(), "{says}: nothing was changed");
        let crc = mutate::checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Model::load(&bytes).map(|_| ()), Err(expected), "{says}");
    }
}

/// Changes one tensor of a part.
fn tensor(index: usize, change: impl FnOnce(&mut RawTensor)) -> impl FnOnce(&mut RawPart) {
    move |part| change(&mut part.tensors[index])
}

/// Writes into one tensor of a part.
fn put(index: usize, at: usize, field: &[u8]) -> impl FnOnce(&mut RawPart) + '_ {
    move |part| part.tensors[index].put(at, field)
}

fn param(index: usize, value: u32) -> impl FnOnce(&mut RawPart) {
    move |part| part.params[index] = value
}

fn layer(layer: u16) -> Defect {
    Defect::Layer { layer }
}

fn misplaced(tensor: u16) -> LoadError {
    LoadError::Tensor { tensor }
}

fn of_part(part: u16, defect: Defect) -> LoadError {
    LoadError::Part { part, defect }
}

fn worked() -> Valid {
    Valid::of(&small::encode(&small::worked_example(), Order::RowMajor))
}

fn classical() -> Valid {
    Valid::of(&small::encode(&small::classical(), Order::RowMajor))
}

fn networks() -> Valid {
    Valid::of(&small::encode(&small::every_kind(4, 1), Order::RowMajor))
}

/// The rules of channel records, tried on the third of tensor `at`.
fn channel_records(valid: &Valid, name: &str, at: usize) {
    let refused = |says: &str, field: usize, bytes: &[u8]| {
        valid.part(
            name,
            says,
            put(at, 24 + field, bytes),
            Defect::Scale { index: 2 },
        );
    };
    let says = "| 4 | 4 | multiplier | 2^30 to 2^31 - 1 |";
    refused(says, 4, &((1i32 << 30) - 1).to_le_bytes());
    refused(says, 4, &i32::MIN.to_le_bytes());
    let says = "| 8 | 4 | shift | 1 to 62 |";
    for shift in [0u32, 63, u32::MAX] {
        refused(says, 8, &shift.to_le_bytes());
    }
}
