//! A session under random calls by its program, its loop, its threads and its transport, while a peer sends a known
//! stream. The driver, which obeys `switch_reading` and `room_to_read`, is that of the session's own tests.
//!
//! Whatever the order of the calls, the following holds:
//!
//! - *Nothing is delivered while delivery is held*: before the start, during a pause, while a thread inflates (except
//!   messages before the inflated one), and, without synchronous events, more than one event per tick.
//! - *Nothing is lost, and everything is in order*: each message of the peer reaches the listener, or the task, or both if
//!   the program iterates and listens; or it is dropped while messages are discarded. A listener and a task get messages
//!   in the order of the stream, each once and unchanged. When a ping, a pong, a close frame or a fault is reported,
//!   exactly the messages before it have been received.
//! - *Nothing comes after the end*: End, Lost, and a close frame or a fault are reported at most once, and End and Lost
//!   only when all that was fed before them is delivered. After a close frame, a fault, an abort or Lost nothing is
//!   received. Messages that the inbox has kept may still go to a listener; after Lost, only to one that was set since.
//! - *Bounds are kept*: the inbox is below its bound, except for its last message and one that is kept for a task. The
//!   bytes that were fed and not delivered are bounded. No more automatic pongs are queued than the limit allows.
//! - *Each ping is answered at most once*, and exactly once if nothing limits that.
//! - *Each callback is called exactly once*, in the order of sending.
//! - *Delivery is never entered twice*.
//!
//! Input: four bytes of settings, then operations of a byte each, followed by the bytes that they need.

#[path = "../../../src/session/tests/host/mod.rs"]
#[allow(dead_code)]
mod host;

mod model;
mod peer;

use std::cell::RefCell;
use std::rc::Rc;

use _core::protocol::deflate::{DeflateParams, InflateParams};
use _core::protocol::sender::SendOptions;
use _core::session::{Ending, Form, Limits, Settings, delivery};
use _core::{protocol, session};

use super::Bytes;
use host::{LIMITS, SETTINGS, Seen, Sent, TestHost};
use model::Model;
use session::Host as _;

/// The number of bytes of an input that are used.
const MOST: usize = 2048;
/// The most bytes of a read.
const READ: usize = 64 * 1024;
const SIZES: [usize; 8] = [1, 2, 7, 30, 200, 5000, READ, READ];

/// The rest of the input, and the model with which the session is compared.
struct Script {
    input: RefCell<Vec<u8>>,
    model: RefCell<Model>,
}

impl Script {
    /// Takes the next byte; 0 after the end.
    fn byte(&self) -> u8 {
        self.input.borrow_mut().pop().unwrap_or(0)
    }

    fn is_over(&self) -> bool {
        self.input.borrow().is_empty()
    }

    fn model<R>(&self, act: impl FnOnce(&mut Model) -> R) -> R {
        act(&mut self.model.borrow_mut())
    }
}

/// The program: each call is checked by the model, and then the program may act up to three times.
fn called(script: &Script, host: &TestHost, seen: &Seen) {
    script.model(|model| model.see(host, seen));
    for _ in 0..script.byte() % 4 {
        if host.depth() < 4 {
            act_as_program(script, host, script.byte());
        }
    }
    script.model(|model| model.leave(seen));
}

fn act_as_program(script: &Script, host: &TestHost, operation: u8) {
    match operation % 16 {
        0 => {
            script.model(|model| model.pause(true));
            delivery::pause(host);
        }
        1..=3 => {
            script.model(|model| model.pause(false));
            delivery::resume(host);
        }
        4 | 5 => {
            let listener = script.model(|model| model.set_listener(host, true));
            let _ = delivery::set_listener(host, listener);
        }
        6 => {
            let listener = script.model(|model| model.set_listener(host, false));
            let _ = delivery::set_listener(host, listener);
        }
        7 | 8 => {
            if !host.with(|session| session.is_owed()) || host.is_woken() {
                script.model(Model::claim);
                host.recv();
                script.model(|model| model.read_log(host));
            }
        }
        9 => host.cancel_recv(),
        10 => {
            let discard = script.byte() % 2 == 1;
            script.model(|model| model.discarded |= discard);
            delivery::set_discard(host, discard);
        }
        11 => {
            let forms = [Form::Bytes, Form::ByteArray, Form::Fragments];
            host.with(|session| session.set_form(forms[usize::from(script.byte() % 3)]));
        }
        12 => send(script, host),
        13 => drop(host.write_within_call(SIZES[usize::from(script.byte() % 8)])),
        14 => end_or_ping(script, host),
        _ if script.byte().is_multiple_of(4) => {
            script.model(|model| model.extra += 200);
            feed(script, host, 200);
        }
        _ => start(script, host),
    }
}

fn end_or_ping(script: &Script, host: &TestHost) {
    match script.byte() % 8 {
        0 => {
            script.model(|model| model.abort(host));
            host.abort();
        }
        1 => {
            script.model(|model| model.ended = true);
            let half = script.byte().is_multiple_of(2);
            host.end(if half { Ending::Half } else { Ending::Whole });
        }
        2 => {
            script.model(|model| model.ended = true);
            host.wire.borrow_mut().dies_at = Some(0);
        }
        _ => drop(host.ping(b"ping")),
    }
}

fn start(script: &Script, host: &TestHost) {
    if let Some(head) = script.model(Model::start) {
        delivery::start(host, &head);
    }
}

fn send(script: &Script, host: &TestHost) {
    let how = script.byte();
    let size = [1, 10, 300, session::LONG + 1][usize::from(how % 4)];
    let options = SendOptions { binary: true, compress: how & 4 == 0, fin: how & 8 == 0 };
    let callback = (how & 16 == 0).then(|| script.model(Model::next_callback));
    let sent = host.send(&vec![b's'; size], options, callback);
    if let (Some(callback), Sent::Queued | Sent::Behind) = (callback, sent) {
        script.model(|model| model.sent(callback));
    }
}

/// An action of the loop, the transport, a thread or the peer.
fn act_as_loop(script: &Script, host: &TestHost, operation: u8) {
    match operation % 16 {
        0..=5 => script.model(|model| model.peer.send(script.byte(), script.byte())),
        6..=9 => feed(script, host, SIZES[usize::from(script.byte() % 8)]),
        10 | 11 => tick(script, host),
        12 => {
            host.write(SIZES[usize::from(script.byte() % 8)]);
        }
        13 => host.end_inflating(),
        14 => host.end_compressing(),
        _ => match script.byte() % 8 {
            0 => eof(script, host),
            1 => lose(script, host),
            _ => tick(script, host),
        },
    }
}

fn tick(script: &Script, host: &TestHost) {
    for soon in host.ticks() {
        script.model(|model| model.tick(soon));
        host.run_soon();
    }
    host.tell_written();
}

/// A read by the transport: into a message if that is possible, otherwise into a buffer.
fn feed(script: &Script, host: &TestHost, most: usize) {
    let room = host.with(|session| session.room_to_read()).min(most);
    let bytes = script.model(|model| model.next_bytes(host, most));
    if bytes.is_empty() {
        return;
    }
    let direct = host.read_directly(&bytes, 1 + most / 2);
    let bytes = if direct.is_some() { &[] } else { &bytes[..room.min(bytes.len())] };
    script.model(|model| model.fed(direct.unwrap_or(bytes.len())));
    host.feed(bytes);
}

fn eof(script: &Script, host: &TestHost) {
    if script.model(Model::eof) {
        host.receive_eof();
    }
}

fn lose(script: &Script, host: &TestHost) {
    if script.model(Model::lose) {
        host.lose();
    }
}

/// Carries everything to its end, after which nothing may be left.
fn finish(script: &Script, host: &TestHost) {
    start(script, host);
    loop {
        script.model(|model| model.pause(false));
        delivery::resume(host);
        let before = script.model(|model| model.progress(host));
        feed(script, host, READ);
        host.end_inflating();
        host.end_compressing();
        host.write(usize::MAX);
        tick(script, host);
        host.cancel_recv();
        while host.recv().is_some() {}
        host.cancel_recv();
        script.model(|model| {
            model.claim();
            model.check(host);
        });
        let busy = !host.ticks().is_empty() || host.is_inflating() || host.is_compressing();
        if !busy && before == script.model(|model| model.progress(host)) {
            break;
        }
    }
    script.model(|model| model.check_all_received(host));
    eof(script, host);
    lose(script, host);
    while !host.ticks().is_empty() {
        tick(script, host);
    }
    script.model(|model| model.check_end(host));
}

fn settings(bytes: [u8; 4]) -> (Settings, Limits) {
    let [flags, limits, _, _] = bytes;
    let settings = Settings {
        auto_pong: flags & 1 == 0,
        allow_synchronous_events: flags & 2 == 0,
        skip_utf8_validation: flags & 4 != 0,
        refuse_above_mark: flags & 8 != 0,
        max_pending_auto_pongs: [0, 0, 1, 3][usize::from(limits % 4)],
        read_ahead: [0, 1, 50, READ][usize::from(limits / 4 % 4)],
        high_water_mark: [0, 400, READ, READ][usize::from(limits / 16 % 4)],
        ..SETTINGS
    };
    (settings, LIMITS)
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(&input[..input.len().min(MOST)]);
    let bytes = [input.byte(), input.byte(), input.byte(), input.byte()];
    let (settings, limits) = settings(bytes);
    let deflates = bytes[2] & 1 == 0;
    let inflate = InflateParams { window_bits: 15, no_context_takeover: false };
    let host =
        TestHost::new(settings, limits, deflates.then(|| (inflate, DeflateParams::default())));
    host.has_threads.set(bytes[2] & 2 == 0);
    let wants = (bytes[2] & 4 == 0, bytes[2] & 8 == 0);
    host.with(|session| {
        session.set_wants_ping(wants.0);
        session.set_wants_pong(wants.1);
    });
    let model = Model::new(settings, deflates, wants, bytes[3]);
    let script = Rc::new(Script {
        input: RefCell::new(input.0.iter().rev().copied().collect()),
        model: RefCell::new(model),
    });
    let program = Rc::clone(&script);
    host.set_program(move |host, seen| called(&program, host, seen));
    while !script.is_over() {
        let operation = script.byte();
        if operation < 96 {
            act_as_program(&script, &host, operation);
        } else {
            act_as_loop(&script, &host, operation);
        }
        script.model(|model| model.check(&host));
    }
    finish(&script, &host);
}
