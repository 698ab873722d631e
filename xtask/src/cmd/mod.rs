//! One file a command.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod figures;
pub(crate) mod lint;
pub(crate) mod package;
pub(crate) mod ram;
pub(crate) mod setup;
pub(crate) mod study;
pub(crate) mod test;
