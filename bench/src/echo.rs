//! The bare echo server: what a Rust process on tokio costs when it only finds the frames, copies bodies into a map and
//! answers with a send response of the usual size. The upper bound that the broker is measured against.
use ferromq_protocol::Codec;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Size of the map; it is written round and round.
const MAP_BYTES: usize = 256 << 20;

/// Serves until standard input closes.
pub fn serve() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut map = memmap2::MmapMut::map_anon(MAP_BYTES)?;
    map.chunks_mut(4096).for_each(|page| page[0] = 1);
    let log = Arc::new(Mutex::new((map, 0usize)));
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    println!("{{\"broker\":\"{}\"}}", listener.local_addr()?);
    std::io::stdout().flush()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(connection(stream, log.clone()));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    std::process::exit(0)
}

async fn connection(mut stream: TcpStream, log: Arc<Mutex<(memmap2::MmapMut, usize)>>) {
    let mut input = bytes::BytesMut::with_capacity(256 << 10);
    let mut output = Vec::with_capacity(256 << 10);
    while matches!(stream.read_buf(&mut input).await, Ok(n) if n > 0) {
        let mut at = 0;
        if let Ok(mut log) = log.lock() {
            while let Some(end) = frame_end(&input, at) {
                answer(&input[at..end], &mut output, &mut log);
                at = end;
            }
        }
        let _ = input.split_to(at);
        if stream.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
    }
}

fn frame_end(input: &[u8], at: usize) -> Option<usize> {
    let length = input.get(at..at + 4)?;
    let end = at + 4 + u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    (input.len() >= end).then_some(end)
}

fn answer(frame: &[u8], output: &mut Vec<u8>, log: &mut (memmap2::MmapMut, usize)) {
    let codec = if frame[4] == 0 { Codec::Json } else { Codec::Binary };
    let header = u32::from_be_bytes([0, frame[5], frame[6], frame[7]]) as usize;
    let body = &frame[8 + header..];
    let (map, position) = log;
    if *position + body.len() > map.len() {
        *position = 0;
    }
    map[*position..][..body.len()].copy_from_slice(body);
    *position += body.len();
    const EXT: [(&str, &str); 6] = [
        ("msgId", "7F00000100002A9F0000000000001000"),
        ("queueId", "0"),
        ("queueOffset", "0000000042"),
        ("transactionId", "7F000001162E2A139A5500000E100000"),
        ("MSG_REGION", "DefaultRegion"),
        ("TRACE_ON", "true"),
    ];
    let start = output.len();
    output.extend_from_slice(&[0; 8]);
    match codec {
        Codec::Json => {
            let text = &frame[8..8 + header];
            let at = text.windows(9).position(|w| w == b"\"opaque\":").map_or(0, |p| p + 9);
            let digits = text[at..].iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
            output.extend_from_slice(b"{\"code\":0,\"extFields\":{");
            for (i, (name, value)) in EXT.iter().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                let _ = write!(output, "{comma}\"{name}\":\"{value}\"");
            }
            output.extend_from_slice(b"},\"flag\":1,\"language\":\"RUST\",\"opaque\":");
            output.extend_from_slice(&text[at..at + digits]);
            output.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":493}");
        }
        Codec::Binary => {
            output.extend_from_slice(&[0, 0, 12, 1, 237]);
            output.extend_from_slice(&frame[13..17]);
            output.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
            let size: usize = EXT.iter().map(|(n, v)| 6 + n.len() + v.len()).sum();
            output.extend_from_slice(&(size as u32).to_be_bytes());
            for (name, value) in EXT {
                output.extend_from_slice(&(name.len() as u16).to_be_bytes());
                output.extend_from_slice(name.as_bytes());
                output.extend_from_slice(&(value.len() as u32).to_be_bytes());
                output.extend_from_slice(value.as_bytes());
            }
        }
    }
    let total = output.len() - start;
    let kind = if codec == Codec::Json { 0 } else { 1u32 << 24 };
    output[start..start + 4].copy_from_slice(&((total - 4) as u32).to_be_bytes());
    output[start + 4..start + 8].copy_from_slice(&(kind | (total - 8) as u32).to_be_bytes());
}
