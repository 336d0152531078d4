//! The opening handshake of RFC 6455 section 4, reduced to what an echo needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::Result;

/// The GUID of RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The key of the example in section 1.3: the generator needs no secrecy.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
#[must_use]
pub fn accept_value(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

/// The length of the head at the start of `bytes`, including its empty line; `None` while incomplete.
#[must_use]
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of header `name` in `head`, without surrounding space.
#[must_use]
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The answer to an upgrade request; `None` if it has no key.
#[must_use]
pub fn server_answer(head: &str) -> Option<String> {
    let key = header(head, "Sec-WebSocket-Key")?;
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_value(key.as_bytes())
    ))
}

/// The upgrade request. With `deflate` it offers permessage-deflate as browsers do: with both context takeovers,
/// and with the client's window left to the server.
#[must_use]
pub fn client_request(port: u16, deflate: bool) -> String {
    let extension = if deflate {
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    } else {
        ""
    };
    format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n"
    )
}

/// Checks the server's answer. `deflate` is the window, as a power of two, of the compressed messages to be sent,
/// or `None` if permessage-deflate was not offered.
///
/// # Errors
/// What is wrong with it: no 101, a wrong `Sec-WebSocket-Accept`, an extension that was not offered, or, if one
/// was offered, none or one that allows only a smaller window.
pub fn check_answer(head: &str, deflate: Option<u8>) -> Result<()> {
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(format!("the server answered {status:?}").into());
    }
    let accept = header(head, "Sec-WebSocket-Accept").unwrap_or_default();
    if accept != accept_value(KEY.as_bytes()) {
        return Err(format!("wrong Sec-WebSocket-Accept {accept:?}").into());
    }
    let extension = header(head, "Sec-WebSocket-Extensions").unwrap_or_default();
    let wrong = || Err(format!("Sec-WebSocket-Extensions: {extension:?}").into());
    let Some(window) = deflate else {
        return if extension.is_empty() { Ok(()) } else { wrong() };
    };
    if !extension.starts_with("permessage-deflate") {
        return wrong();
    }
    let limit = extension.split(';').filter_map(|parameter| parameter.split_once('=')).find_map(
        |(name, value)| (name.trim() == "client_max_window_bits").then_some(value.trim()),
    );
    match limit.map(|value| value.trim_matches('"').parse::<u8>()) {
        None => Ok(()),
        Some(Ok(bits)) if bits >= window => Ok(()),
        Some(_) => wrong(),
    }
}
