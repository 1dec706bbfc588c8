//! What needs the operating system: wake-up descriptors and the hook that runs in the child of a fork.
//!
//! Linux has eventfd; other Unix systems use a pipe; Windows has no descriptor that its event loops could wait for, so there
//! [`Descriptor::new`] finds none and only threads and callbacks are woken.

#[cfg(all(test, unix, not(loom)))]
pub(crate) use unix::readable;
#[cfg(unix)]
pub use unix::{on_fork_in_child, Descriptor};

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    /// A pair of ends (the same one twice for eventfd) of which one becomes readable.
    #[derive(Debug)]
    pub struct Descriptor {
        read: OwnedFd,
        /// `None`: `read` is an eventfd.
        write: Option<OwnedFd>,
    }

    impl Descriptor {
        /// A new one, non-blocking and closed on exec.
        #[cfg(target_os = "linux")]
        pub fn new() -> io::Result<Option<Self>> {
            // SAFETY: the call takes no pointers; a descriptor it returns belongs to nobody else.
            let read = unsafe {
                let number = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
                if number < 0 {
                    return Err(io::Error::last_os_error());
                }
                OwnedFd::from_raw_fd(number)
            };
            Ok(Some(Self { read, write: None }))
        }

        /// A new one, non-blocking and closed on exec.
        #[cfg(not(target_os = "linux"))]
        pub fn new() -> io::Result<Option<Self>> {
            let mut ends = [0; 2];
            // SAFETY: `ends` has room for the two descriptors, which belong to nobody else afterwards.
            let (read, write) = unsafe {
                if libc::pipe(ends.as_mut_ptr()) < 0 {
                    return Err(io::Error::last_os_error());
                }
                (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
            };
            for end in ends {
                // SAFETY: both are open descriptors of ours.
                let set = unsafe {
                    libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK) >= 0
                        && libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) >= 0
                };
                if !set {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(Some(Self { read, write: Some(write) }))
        }

        /// The number to wait for.
        pub fn number(&self) -> i32 {
            self.read.as_raw_fd()
        }

        /// Makes it readable. A full pipe or counter is readable already.
        pub fn signal(&self) {
            let end = self.write.as_ref().unwrap_or(&self.read);
            let one = 1u64.to_ne_bytes();
            // SAFETY: the buffer is eight readable bytes and the descriptor is ours.
            unsafe { libc::write(end.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }

        /// Makes it unreadable.
        pub fn clear(&self) {
            let mut buffer = [0u8; 64];
            loop {
                // SAFETY: the buffer is 64 writable bytes and the descriptor is ours.
                let read = unsafe { libc::read(self.read.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
                // An eventfd is empty after one read, and a pipe when a read does not fill the buffer.
                if self.write.is_none() || read < buffer.len() as isize {
                    return;
                }
            }
        }
    }

    /// Has `call` run in the child of every later fork of this process. It may only do what a signal handler may.
    pub fn on_fork_in_child(call: extern "C" fn()) -> io::Result<()> {
        // SAFETY: the function lives as long as the process.
        match unsafe { libc::pthread_atfork(None, None, Some(call)) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// True while a read would find something.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn readable(number: i32) -> bool {
        let mut asked = libc::pollfd { fd: number, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry, and no waiting.
        unsafe { libc::poll(&mut asked, 1, 0) == 1 }
    }
}

#[cfg(not(unix))]
pub use other::{on_fork_in_child, Descriptor};

#[cfg(not(unix))]
mod other {
    use std::convert::Infallible;
    use std::io;

    /// There is none on this system.
    #[derive(Debug)]
    pub struct Descriptor(Infallible);

    impl Descriptor {
        /// None.
        pub fn new() -> io::Result<Option<Self>> {
            Ok(None)
        }

        /// Never called.
        pub fn number(&self) -> i32 {
            match self.0 {}
        }

        /// Never called.
        pub fn signal(&self) {
            match self.0 {}
        }

        /// Never called.
        pub fn clear(&self) {
            match self.0 {}
        }
    }

    /// There are no forks.
    pub fn on_fork_in_child(_call: extern "C" fn()) -> io::Result<()> {
        Ok(())
    }
}
