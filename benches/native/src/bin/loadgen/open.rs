//! Opens connections, a group at a time, so that no server's backlog overflows.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use wsrs_bench::Result;
use wsrs_bench::handshake::{check_answer, client_request, head_len};

use crate::channel::Channel;
use crate::messages::WINDOW_BITS;
use crate::options::Options;
use crate::tls::Trust;

/// How many handshakes go on at once; asyncio's default backlog is 100.
const GROUP: usize = 50;
/// How long one read or write of a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer head that is read.
const MAX_HEAD: usize = 16 * 1024;

/// Opens `count` WebSockets to 127.0.0.1 and returns them non-blocking.
///
/// # Errors
/// Which step of which connection failed.
pub fn open(options: &Options, count: usize) -> Result<Vec<Channel>> {
    let request = client_request(options.port, options.deflate);
    let trust = options.tls.as_deref().map(Trust::new).transpose()?;
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let from = sockets.len();
        for _ in from..count.min(from + GROUP) {
            let failed = |e| format!("connection {}: {e}", sockets.len());
            let socket = connected(options, sockets.len()).map_err(failed)?;
            let mut channel = Channel::new(socket, trust.as_ref())?;
            channel.write_all(request.as_bytes()).map_err(failed)?;
            sockets.push(channel);
        }
        for (index, channel) in sockets.iter_mut().enumerate().skip(from) {
            read_answer(channel, options.deflate).map_err(|e| format!("handshake {index}: {e}"))?;
            channel.socket().set_nonblocking(true)?;
        }
    }
    Ok(sockets)
}

/// Opens TCP connection number `index`, from the next of the source addresses. It blocks, but not for long.
pub fn connected(options: &Options, index: usize) -> std::io::Result<TcpStream> {
    let socket = if options.sources == 0 {
        TcpStream::connect((Ipv4Addr::LOCALHOST, options.port))?
    } else {
        let source = 2 + (index % usize::from(options.sources)) as u8;
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, source), 0))?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, options.port))?;
        TcpStream::from(socket)
    };
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn read_answer(socket: &mut Channel, deflate: bool) -> Result<()> {
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
