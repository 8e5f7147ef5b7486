//! A disk that fails on demand under a running server: a library of ours is loaded before the C library and makes writes to
//! SQLite's files fail. No mount and no rights are needed; a C compiler is, as for the build.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// How a disk fails, by errno(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// No space left.
    Full,
    /// A read-only file system.
    ReadOnly,
    /// An error of the device.
    Device,
}

impl DiskFault {
    pub const ALL: [Self; 3] = [Self::Full, Self::ReadOnly, Self::Device];

    const fn errno(self) -> u8 {
        match self {
            Self::Full => 28,
            Self::ReadOnly => 30,
            Self::Device => 5,
        }
    }
}

/// The disk of one server.
pub struct Disk {
    library: PathBuf,
    control: PathBuf,
}

impl Disk {
    /// Compiles the library into a folder.
    pub fn new(folder: &Path) -> Self {
        let library = folder.join("fault.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disk/fault.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
        assert!(compiled.unwrap().success());
        Self { library, control: folder.join("disk-fault") }
    }

    /// The command's process has this disk.
    pub fn under(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("PASSERELLE_DISK_FAULT", &self.control);
    }

    pub fn fail(&self, fault: DiskFault) {
        std::fs::write(&self.control, fault.errno().to_string()).unwrap();
    }

    pub fn mend(&self) {
        std::fs::remove_file(&self.control).unwrap();
    }
}
