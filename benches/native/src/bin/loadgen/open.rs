//! Opening connections, a group at a time, so that no server's backlog overflows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use wsrs_bench::Result;
use wsrs_bench::handshake::{check_answer, client_request, head_len};

use crate::messages::WINDOW_BITS;

/// Connections whose handshakes are under way together; asyncio's default backlog is 100.
const GROUP: usize = 50;
/// How long one read or write of a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer head that is read.
const MAX_HEAD: usize = 16 * 1024;

/// Opens `count` WebSockets to 127.0.0.1 and returns them non-blocking.
///
/// # Errors
/// Says which step of which connection failed.
pub fn open(port: u16, count: usize, deflate: bool) -> Result<Vec<TcpStream>> {
    let request = client_request(port, deflate);
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let from = sockets.len();
        for _ in from..count.min(from + GROUP) {
            let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .map_err(|e| format!("connection {}: {e}", sockets.len()))?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.write_all(request.as_bytes())?;
            sockets.push(socket);
        }
        for (index, socket) in sockets.iter_mut().enumerate().skip(from) {
            read_answer(socket, deflate).map_err(|e| format!("handshake {index}: {e}"))?;
            socket.set_nonblocking(true)?;
        }
    }
    Ok(sockets)
}

fn read_answer(socket: &mut TcpStream, deflate: bool) -> Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let got = socket.read(&mut buffer)?;
        if got == 0 {
            return Err("the server ended the connection".into());
        }
        head.extend_from_slice(&buffer[..got]);
        match head_len(&head) {
            Some(len) if len == head.len() => break,
            Some(_) => return Err("bytes after the server's answer, before any message".into()),
            None if head.len() > MAX_HEAD => return Err("the server's answer has no end".into()),
            None => {}
        }
    }
    check_answer(std::str::from_utf8(&head)?, deflate.then_some(WINDOW_BITS))
}
