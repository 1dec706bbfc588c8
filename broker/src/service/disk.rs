//! How full the disk is. Platform-dependent; `None` where the system does not tell.
use std::path::Path;

/// Bytes of the file system of `path`: in all, and available.
#[cfg(unix)]
pub fn space(path: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some((stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize))
}

/// Bytes of the file system of `path`: in all, and available.
#[cfg(not(unix))]
pub fn space(_path: &Path) -> Option<(u64, u64)> {
    None
}
