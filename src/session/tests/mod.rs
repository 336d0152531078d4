//! Tests of a session's decisions: each part by tables and short scenarios, and the whole on a [`host`] without
//! Python.

mod backlog;
mod compress_queue;
mod counters;
mod delivery;
mod end;
mod feeding;
mod hold;
mod host;
mod inbox;
mod listeners;
mod outbox;
mod sending;
mod stopping;
mod threads;
mod time_slice;

use crate::{protocol, session};
use host::{Message, Seen, TestHost};
use session::Form;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A text message as a listener receives it.
fn heard(text: &str) -> Seen {
    Seen::Heard(1, bytes(text), false)
}

fn bytes(text: &str) -> Message {
    Message { form: Form::Bytes, parts: vec![text.into()] }
}

/// Text messages, each in a frame of its own.
fn texts(all: &[&str]) -> Vec<u8> {
    all.iter().flat_map(|text| host::frame(TEXT, text.as_bytes())).collect()
}

/// Sets listener 1.
fn listen(host: &TestHost) {
    assert_eq!(session::delivery::set_listener(host, Some(1)), None);
}
