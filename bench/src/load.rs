//! One connection of the load driver: keeps a number of requests in flight and counts the answers.
use crate::frames::{Template, FIRST_OPAQUE};
use bytes::{Buf, BytesMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What all connections of a run share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Answered requests (sends) or received messages (pulls). Written by every connection, read by the runner.
    pub done: AtomicU64,
    /// Set by the runner when time is up.
    pub stop: AtomicBool,
}

/// What one connection saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Latencies in nanoseconds, only with one request in flight.
    pub latencies: Vec<u64>,
    /// Requests refused with SYSTEM_BUSY: sent again, not counted as done.
    pub refused: u64,
}

/// Keeps `window` sends in flight until told to stop.
pub async fn sends(address: &str, template: Template, window: usize, shared: Arc<Shared>) -> Result<Seen, String> {
    let mut stream = connect(address).await?;
    let mut seen = Seen::default();
    let (mut opaque, mut input, mut output) = (FIRST_OPAQUE, BytesMut::with_capacity(256 << 10), Vec::new());
    let mut to_send = window;
    while !shared.stop.load(Ordering::Relaxed) {
        output.clear();
        for _ in 0..to_send {
            template.put(&mut output, opaque, 0);
            opaque = if opaque > FIRST_OPAQUE + 1_000_000_000 { FIRST_OPAQUE } else { opaque + 1 };
        }
        let started = Instant::now();
        stream.write_all(&output).await.map_err(|e| format!("{address}: {e}"))?;
        let mut done = 0;
        to_send = 0;
        while to_send == 0 {
            read(&mut stream, &mut input, address).await?;
            while let Some(frame) = take_frame(&mut input) {
                done += u64::from(check(&frame, address)?);
                to_send += 1;
            }
        }
        seen.refused += to_send as u64 - done;
        if window == 1 {
            seen.latencies.push(started.elapsed().as_nanos() as u64);
        }
        shared.done.fetch_add(done, Ordering::Relaxed);
    }
    Ok(seen)
}

/// Pulls 32 messages at a time from offset 0 to `end`, round and round, until told to stop.
pub async fn pulls(address: &str, template: Template, end: u64, shared: Arc<Shared>) -> Result<Seen, String> {
    let mut stream = connect(address).await?;
    let (mut offset, mut input, mut output) = (0, BytesMut::with_capacity(256 << 10), Vec::new());
    while !shared.stop.load(Ordering::Relaxed) {
        output.clear();
        template.put(&mut output, FIRST_OPAQUE, offset);
        stream.write_all(&output).await.map_err(|e| format!("{address}: {e}"))?;
        let frame = loop {
            if let Some(frame) = take_frame(&mut input) {
                break frame;
            }
            read(&mut stream, &mut input, address).await?;
        };
        check(&frame, address)?;
        let count = records(&frame);
        shared.done.fetch_add(count, Ordering::Relaxed);
        offset = if offset + count >= end || count == 0 { 0 } else { offset + count };
    }
    Ok(Seen::default())
}

/// One request and its whole answer frame.
pub async fn one(address: &str, template: &Template) -> Result<BytesMut, String> {
    let mut stream = connect(address).await?;
    let (mut input, mut output) = (BytesMut::new(), Vec::new());
    template.put(&mut output, FIRST_OPAQUE, 0);
    stream.write_all(&output).await.map_err(|e| format!("{address}: {e}"))?;
    loop {
        if let Some(frame) = take_frame(&mut input) {
            check(&frame, address)?;
            return Ok(frame);
        }
        read(&mut stream, &mut input, address).await?;
    }
}

async fn connect(address: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| format!("cannot connect to {address}: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(stream)
}

async fn read(stream: &mut TcpStream, input: &mut BytesMut, address: &str) -> Result<(), String> {
    match stream.read_buf(input).await {
        Ok(0) => Err(format!("{address} closed the connection")),
        Ok(_) => Ok(()),
        Err(e) => Err(format!("{address}: {e}")),
    }
}

/// The next complete frame without its length word.
fn take_frame(input: &mut BytesMut) -> Option<BytesMut> {
    let length = input.get(..4)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if input.len() < 4 + length {
        return None;
    }
    input.advance(4);
    Some(input.split_to(length))
}

/// True for success, false for SYSTEM_BUSY; any other answer ends the run.
fn check(frame: &[u8], address: &str) -> Result<bool, String> {
    let header = &frame[4..];
    // Text and two bytes stand for code 0 and code 2; nothing is built for an answer.
    let (success, busy): (&[u8], &[u8]) =
        if frame[0] == 0 { (b"{\"code\":0,", b"{\"code\":2,") } else { (&[0, 0], &[0, 2]) };
    if header.starts_with(success) {
        return Ok(true);
    }
    if header.starts_with(busy) {
        return Ok(false);
    }
    Err(format!("{address} answered {}", String::from_utf8_lossy(&header[..header.len().min(300)])))
}

/// Number of records in the body of a pull answer.
fn records(frame: &[u8]) -> u64 {
    let header = u32::from_be_bytes([0, frame[1], frame[2], frame[3]]) as usize;
    let (mut body, mut count) = (&frame[4 + header..], 0);
    while body.len() >= 4 {
        let size = u32::from_be_bytes([body[0], body[1], body[2], body[3]]) as usize;
        if size == 0 || size > body.len() {
            break;
        }
        body = &body[size..];
        count += 1;
    }
    count
}
