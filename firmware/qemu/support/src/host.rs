//! Files and console of the host, by raw semihosting calls.
//!
//! The `semihosting` crate's own `fs` and `io` assert that no file handle is -1, and that assertion puts the panic
//! machinery into every image. Its system calls do not.

#![allow(
    unsafe_code,
    reason = "semihosting calls read and write memory by address"
)]

use core::ffi::CStr;

use semihosting::sys::arm_compat::OpenMode;
use semihosting::sys::arm_compat::syscall::{
    OperationNumber, ParamRegR, ParamRegW, syscall, syscall_readonly,
};

/// The host refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostError;

/// An open file of the host. It stays open until the run ends, when the host closes it.
#[derive(Debug)]
pub(crate) struct HostFile(i32);

impl HostFile {
    fn open_as(path: &CStr, mode: OpenMode) -> Result<Self, HostError> {
        let block = [
            ParamRegR::c_str(path),
            ParamRegR::usize(mode as usize),
            ParamRegR::c_str_len(path),
        ];
        // SAFETY: SYS_OPEN reads the block and the path, which outlive the call.
        let reply =
            unsafe { syscall_readonly(OperationNumber::SYS_OPEN, ParamRegR::block(&block)) };
        reply.raw_fd().map(Self).ok_or(HostError)
    }

    /// Opens a file for reading.
    pub(crate) fn open(path: &CStr) -> Result<Self, HostError> {
        Self::open_as(path, OpenMode::RDONLY_BINARY)
    }

    /// Opens a file for writing, empty.
    pub(crate) fn create(path: &CStr) -> Result<Self, HostError> {
        Self::open_as(path, OpenMode::WRONLY_TRUNC_BINARY)
    }

    /// The console: what the host shows as the emulator's standard output.
    pub(crate) fn console() -> Result<Self, HostError> {
        Self::open_as(c":tt", OpenMode::WRONLY_TRUNC)
    }

    /// Length of the file in bytes.
    pub(crate) fn len(&self) -> Result<usize, HostError> {
        let block = [ParamRegR::raw_fd(self.0)];
        // SAFETY: SYS_FLEN reads the block, which outlives the call.
        let reply =
            unsafe { syscall_readonly(OperationNumber::SYS_FLEN, ParamRegR::block(&block)) };
        let length = reply.usize();
        if length == usize::MAX {
            Err(HostError)
        } else {
            Ok(length)
        }
    }

    /// Fills `bytes` as far as the file reaches and tells how far that is.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Result<usize, HostError> {
        let wanted = bytes.len();
        let mut block = [
            ParamRegW::raw_fd(self.0),
            ParamRegW::buf(bytes),
            ParamRegW::usize(wanted),
        ];
        // SAFETY: SYS_READ writes at most `wanted` bytes into `bytes`, which outlives the call.
        let reply = unsafe { syscall(OperationNumber::SYS_READ, ParamRegW::block(&mut block)) };
        // The reply is the number of bytes that were not read.
        wanted.checked_sub(reply.usize()).ok_or(HostError)
    }

    /// Goes back to the beginning of the file.
    pub(crate) fn rewind(&mut self) -> Result<(), HostError> {
        let block = [ParamRegR::raw_fd(self.0), ParamRegR::usize(0)];
        // SAFETY: SYS_SEEK reads the block, which outlives the call.
        let reply =
            unsafe { syscall_readonly(OperationNumber::SYS_SEEK, ParamRegR::block(&block)) };
        if reply.usize() == 0 {
            Ok(())
        } else {
            Err(HostError)
        }
    }

    /// Writes all of `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        let block = [
            ParamRegR::raw_fd(self.0),
            ParamRegR::buf(bytes),
            ParamRegR::usize(bytes.len()),
        ];
        // SAFETY: SYS_WRITE reads the block and `bytes`, which outlive the call.
        let reply =
            unsafe { syscall_readonly(OperationNumber::SYS_WRITE, ParamRegR::block(&block)) };
        // The reply is the number of bytes that were not written.
        if reply.usize() == 0 {
            Ok(())
        } else {
            Err(HostError)
        }
    }
}
