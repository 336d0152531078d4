//! The epoll loop: accept, and hand each ready socket to its connection.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, listen, sockopt};

use crate::connection::{Connection, Scratch, Wants};

/// The token of the listening socket; the others are descriptors.
const LISTENER: u64 = u64::MAX;
/// Events taken in one wait.
const BATCH: usize = 512;
/// Connections that may wait to be accepted; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 4096;

/// Serves on 127.0.0.1 until the process is killed.
///
/// # Errors
/// Errors of the kernel for the listening socket or epoll.
pub fn serve(port: u16) -> wsrs_bench::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    println!("listening {}", listener.local_addr()?.port());

    let mut server = Server { epoll, listener, connections: Vec::new(), scratch: Scratch::new() };
    let mut events = Vec::with_capacity(BATCH);
    loop {
        events.clear();
        match epoll::wait(&server.epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => server.accept()?,
                index => server.ready(index as usize)?,
            }
        }
    }
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    /// Indexed by descriptor.
    connections: Vec<Option<Connection>>,
    scratch: Scratch,
}

impl Server {
    fn accept(&mut self) -> wsrs_bench::Result<()> {
        loop {
            let socket =
                match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                    Ok(socket) => socket,
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(Errno::INTR | Errno::CONNABORTED) => continue,
                    Err(error) => return Err(error.into()),
                };
            sockopt::set_tcp_nodelay(&socket, true)?;
            let index = socket.as_raw_fd() as usize;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
            if self.connections.len() <= index {
                self.connections.resize_with(index + 1, || None);
            }
            self.connections[index] = Some(Connection::new(socket));
        }
    }

    fn ready(&mut self, index: usize) -> wsrs_bench::Result<()> {
        let Some(connection) = self.connections[index].as_mut() else {
            return Ok(());
        };
        let before = connection.wants();
        if connection.ready(&mut self.scratch).is_err() {
            self.connections[index] = None;
            return Ok(());
        }
        let wants = connection.wants();
        if wants != before {
            let flags = match wants {
                Wants::Read => epoll::EventFlags::IN,
                Wants::Write => epoll::EventFlags::OUT,
            };
            let data = epoll::EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, connection.socket(), data, flags)?;
        }
        Ok(())
    }
}
