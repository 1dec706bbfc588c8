//! One connection of the load driver: keeps a number of requests in flight and counts the answers.
use crate::frames::{Template, FIRST_OPAQUE};
use bytes::{Buf, BytesMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
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

/// Keeps `window` sends in flight until told to stop; the variable number goes round below `numbers`. A send that is refused with
/// SYSTEM_BUSY is sent again and not counted.
pub async fn sends(
    address: &str,
    template: Template,
    window: usize,
    numbers: u64,
    shared: Arc<Shared>,
) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let (mut opaque, mut number) = (FIRST_OPAQUE, 0);
    let (mut input, mut output) = (BytesMut::with_capacity(256 << 10), Vec::new());
    let mut to_send = window;
    while !shared.stop.load(Ordering::Relaxed) {
        output.clear();
        for _ in 0..to_send {
            template.put(&mut output, opaque, number);
            number = if number + 1 >= numbers { 0 } else { number + 1 };
            opaque = if opaque > FIRST_OPAQUE + 1_000_000_000 { FIRST_OPAQUE } else { opaque + 1 };
        }
        write(&mut stream, &output, address).await?;
        let mut done = 0;
        to_send = 0;
        while to_send == 0 {
            read(&mut stream, &mut input, address).await?;
            while let Some(frame) = take_frame(&mut input) {
                done += u64::from(check(&frame, address)?);
                to_send += 1;
            }
        }
        shared.done.fetch_add(done, Ordering::Relaxed);
    }
    Ok(())
}

/// Pulls 32 messages at a time from offset 0 to `end`, round and round, until told to stop.
pub async fn pulls(address: &str, template: Template, end: u64, shared: Arc<Shared>) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let (mut offset, mut input, mut output) = (0, BytesMut::with_capacity(256 << 10), Vec::new());
    while !shared.stop.load(Ordering::Relaxed) {
        output.clear();
        template.put(&mut output, FIRST_OPAQUE, offset);
        write(&mut stream, &output, address).await?;
        let frame = next_frame(&mut stream, &mut input, address).await?;
        check(&frame, address)?;
        let count = records(body_of(&frame)).count() as u64;
        shared.done.fetch_add(count, Ordering::Relaxed);
        offset = if offset + count >= end || count == 0 { 0 } else { offset + count };
    }
    Ok(())
}

/// One request for each number below `numbers`, and all their answers, which must be successes.
pub async fn each(address: &str, template: &Template, numbers: u64) -> Result<(), String> {
    /// Requests in flight.
    const WINDOW: u64 = 64;
    let mut stream = connect(address).await?;
    let (mut input, mut output) = (BytesMut::new(), Vec::new());
    let mut sent = 0;
    for answered in 0..numbers {
        output.clear();
        while sent < numbers && sent < answered + WINDOW {
            template.put(&mut output, FIRST_OPAQUE + sent as i32, sent);
            sent += 1;
        }
        write(&mut stream, &output, address).await?;
        let frame = next_frame(&mut stream, &mut input, address).await?;
        check(&frame, address)?;
    }
    Ok(())
}

/// A connection.
pub async fn connect(address: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| format!("cannot connect to {address}: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Writes everything.
pub async fn write(stream: &mut TcpStream, output: &[u8], address: &str) -> Result<(), String> {
    stream.write_all(output).await.map_err(|e| format!("{address}: {e}"))
}

/// Reads until a frame is complete.
pub async fn next_frame(stream: &mut TcpStream, input: &mut BytesMut, address: &str) -> Result<BytesMut, String> {
    loop {
        if let Some(frame) = take_frame(input) {
            return Ok(frame);
        }
        read(stream, input, address).await?;
    }
}

async fn read(stream: &mut TcpStream, input: &mut BytesMut, address: &str) -> Result<(), String> {
    match stream.read_buf(input).await {
        Ok(0) => Err(format!("{address} closed the connection")),
        Ok(_) => Ok(()),
        Err(e) => Err(format!("{address}: {e}")),
    }
}

/// The next complete frame without its length word.
pub fn take_frame(input: &mut BytesMut) -> Option<BytesMut> {
    let length = input.get(..4)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if input.len() < 4 + length {
        return None;
    }
    input.advance(4);
    Some(input.split_to(length))
}

/// True for success, false for SYSTEM_BUSY; any other answer ends the run.
pub fn check(frame: &[u8], address: &str) -> Result<bool, String> {
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

/// The body of a frame.
pub fn body_of(frame: &[u8]) -> &[u8] {
    let header = u32::from_be_bytes([0, frame[1], frame[2], frame[3]]) as usize;
    &frame[4 + header..]
}

/// The records in the body of a pull answer.
pub fn records(mut body: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let word = body.first_chunk::<4>()?;
        let size = u32::from_be_bytes(*word) as usize;
        let (record, rest) = body.split_at_checked(size).filter(|_| size > 0)?;
        body = rest;
        Some(record)
    })
}
