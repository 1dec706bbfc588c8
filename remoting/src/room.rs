//! Room for answers that are still being made: taken before the bytes of an answer exist, given back when it was sent.
//!
//! It bounds what is made for one peer at a time, on however many threads. What is made already and waits to be written is counted by the
//! output ([`Connection::has_room`]); the two together bound what a peer that never reads can make us keep.
//!
//! Locks: the semaphore's own. Who waits is served in the order of asking, so that an answer that needs all of the room gets it.
use crate::connection::Connection;
use crate::Limits;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Room is counted in units of this many bytes: permits of a semaphore are asked for as 32-bit numbers.
const UNIT_BYTES: usize = 1024;

/// More than any connection has, and no more than a semaphore of the smallest machines takes.
const UNITS_MAX: usize = u32::MAX as usize >> 3;

/// Room in the output of a connection, given back when this is dropped.
#[derive(Debug)]
pub struct Room {
    connection: Arc<Connection>,
    units: u32,
}

/// All the room of a connection.
pub(crate) fn room_of(limits: &Limits) -> Semaphore {
    Semaphore::new(units(limits, usize::MAX) as usize)
}

/// Units for this many bytes, at most all there are.
fn units(limits: &Limits, bytes: usize) -> u32 {
    bytes.min(limits.outgoing_bytes_pause).div_ceil(UNIT_BYTES).clamp(1, UNITS_MAX) as u32
}

impl Connection {
    /// Waits until the answers that are being made for this peer leave room for one of `bytes` more; together they may come to
    /// [`Limits::outgoing_bytes_pause`]. An answer that needs all of that, or whose length nobody knows (`usize::MAX`), is made alone.
    /// `None` when the connection ended.
    pub async fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let units = units(&self.limits, bytes);
        self.room.acquire_many(units).await.ok()?.forget();
        Some(Room { connection: Arc::clone(self), units })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.connection.room.add_permits(self.units as usize);
    }
}
