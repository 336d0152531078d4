//! Heads of requests and responses: they are found however they are cut, parsed without any ambiguity, and the same
//! when they are written and parsed again.
//!
//! Input: a byte that decides the cuts and, by its top bit, whether this is a response; then the bytes.

use _core::protocol::handshake::{accept_key, check_upgrade, is_valid_key};
use _core::protocol::http::{
    Headers, Limits, find_head_end, is_token, parse_request, parse_response,
};

use super::{Bytes, pieces};

const LIMITS: Limits = Limits { max_headers: 20 };

fn check_end(bytes: &[u8], cut: u8) -> Option<usize> {
    let plain = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    assert_eq!(find_head_end(bytes, 0), plain, "whole");
    let (mut len, mut found) = (0, None);
    for piece in pieces(bytes, cut) {
        let searched = len;
        len += piece.len();
        found = find_head_end(&bytes[..len], searched);
        if found.is_some() {
            break;
        }
    }
    assert_eq!(found, plain, "cut");
    plain
}

fn check_headers(headers: &Headers) {
    assert!(headers.len() <= LIMITS.max_headers, "too many header fields");
    for (name, value) in headers {
        assert!(is_token(name), "a name that is no token: {name:?}");
        let control =
            value.chars().find(|one| matches!(one, '\0'..='\x08' | '\n'..='\x1f' | '\x7f'));
        assert_eq!(control, None, "in the value of {name}");
        assert!(value.chars().all(|one| u32::from(one) < 256));
    }
}

fn write(first: &str, headers: &Headers) -> Vec<u8> {
    let mut text = format!("{first}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    // It is written in Latin-1, as it was read.
    text.chars().map(|one| u32::from(one) as u8).collect()
}

fn request(head: &[u8]) {
    let Ok(parsed) = parse_request(head, &LIMITS) else { return };
    check_headers(&parsed.headers);
    assert!(is_token(&parsed.method), "a method that is no token: {:?}", parsed.method);
    let bad = parsed.target.chars().any(|one| one <= ' ' || one == '\x7f');
    assert!(!bad && !parsed.target.is_empty(), "a bad target: {:?}", parsed.target);
    if parsed.target.is_ascii() {
        let first = format!("{} {} HTTP/1.{}", parsed.method, parsed.target, parsed.minor_version);
        let again = parse_request(&write(&first, &parsed.headers), &LIMITS);
        assert_eq!(again.as_ref(), Ok(&parsed), "written anew");
    }
    match check_upgrade(&parsed.method, &parsed.headers) {
        Ok(upgrade) => {
            assert!(is_valid_key(&upgrade.key) && matches!(upgrade.version, 8 | 13));
            assert_eq!(parsed.method, "GET");
            assert_eq!(accept_key(&upgrade.key).len(), 28);
            let framing = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
            assert!(!parsed.headers.iter().any(|(name, _)| framing(name)), "a body");
        }
        Err(refusal) => assert!(matches!(refusal.status, 400 | 405)),
    }
}

fn response(head: &[u8]) {
    let Ok(parsed) = parse_response(head, &LIMITS) else { return };
    check_headers(&parsed.headers);
    assert!(parsed.status < 1000);
    assert!(!parsed.reason.chars().any(|one| one < ' ' && one != '\t'), "{:?}", parsed.reason);
    if parsed.reason.is_ascii() {
        let first =
            format!("HTTP/1.{} {:03} {}", parsed.minor_version, parsed.status, parsed.reason);
        let again = parse_response(&write(&first, &parsed.headers), &LIMITS);
        assert_eq!(again.as_ref(), Ok(&parsed), "written anew");
    }
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let flags = input.byte();
    let end = check_end(input.0, flags & 0x7f);
    let head = &input.0[..end.unwrap_or(input.0.len())];
    if flags & 0x80 == 0 { request(head) } else { response(head) }
}
