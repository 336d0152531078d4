//! `Sec-WebSocket-Extensions` and `-Protocol`: a parsed value can be written and parsed again, a client may accept
//! anything that the server agrees to, and both sides compress alike.
//!
//! Input: four bytes for the server's configuration, then the header's value.

use std::collections::HashSet;

use _core::protocol::Role;
use _core::protocol::deflate::Strategy;
use _core::protocol::extension::{Param, format, parse};
use _core::protocol::http::is_token;
use _core::protocol::per_message_deflate::{
    Bits, Config, accept_as_client, accept_as_server, offer,
};
use _core::protocol::subprotocol;

use super::Bytes;

fn wish(byte: u8) -> Option<bool> {
    [None, Some(false), Some(true)][usize::from(byte) % 3]
}

fn wish_bits(byte: u8) -> Option<Bits> {
    match byte % 24 {
        0 => Some(Bits::Any),
        1 => Some(Bits::Refused),
        value @ 8..=15 => Some(Bits::Value(value)),
        _ => None,
    }
}

fn config(input: &mut Bytes<'_>) -> Config {
    let (first, second) = (input.byte(), input.byte());
    let (server, client) = (input.byte(), input.byte());
    Config {
        server_no_context_takeover: wish(first),
        client_no_context_takeover: wish(second),
        server_max_window_bits: wish_bits(server),
        client_max_window_bits: wish_bits(client),
        threshold: 0,
        level: -1,
        mem_level: 8,
        strategy: Strategy::Default,
        concurrency_limit: 10,
    }
}

fn deflate_offers(value: &str) -> Option<Vec<Vec<(String, Param)>>> {
    let all = parse(value).ok()?;
    let offers = all.into_iter().filter(|(name, _)| name == "permessage-deflate");
    Some(offers.map(|(_, params)| params).collect())
}

/// Checks that the peer of `role` reads what `role` compresses with the agreed parameters.
fn check_agreement(server: &Config, value: &str) {
    let Some(offers) = deflate_offers(value) else { return };
    let Ok(agreed) = accept_as_server(server, &offers) else { return };
    let answer = agreed.answer();
    let answers = deflate_offers(&answer).expect("an answer that can be parsed");
    let open = Config {
        server_no_context_takeover: None,
        client_no_context_takeover: None,
        server_max_window_bits: None,
        client_max_window_bits: None,
        ..server.clone()
    };
    let client = accept_as_client(&open, &answers).expect("an answer that a client accepts");
    for role in [Role::Server, Role::Client] {
        let peer = if role == Role::Server { Role::Client } else { Role::Server };
        let (writes, reads) = (agreed.deflate_params(role, server), client.inflate_params(peer));
        assert!((8..=15).contains(&writes.window_bits));
        assert!(writes.window_bits <= reads.window_bits, "a window that the peer does not keep");
        assert_eq!(writes.no_context_takeover, reads.no_context_takeover);
    }
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let config = config(&mut input);
    let value = String::from_utf8_lossy(input.0);
    if let Ok(parsed) = parse(&value) {
        for (name, params) in &parsed {
            assert!(is_token(name) && params.iter().all(|(name, _)| is_token(name)));
            let values = params.iter().filter_map(|(_, param)| match param {
                Param::Value(value) => Some(value),
                Param::Flag => None,
            });
            assert!(values.into_iter().all(|value| is_token(value)), "RFC 6455 section 9.1");
        }
        assert_eq!(parse(&format(&parsed)), Ok(parsed), "written anew");
    }
    check_agreement(&config, &value);
    // The offer of a client with this configuration can be parsed as one.
    let own = offer(&config);
    let offers = deflate_offers(&own).expect("an offer that can be parsed");
    let open = Config {
        server_no_context_takeover: None,
        client_no_context_takeover: None,
        server_max_window_bits: None,
        client_max_window_bits: None,
        ..config
    };
    assert!(accept_as_server(&open, &offers).is_ok(), "{own}");
    if let Ok(names) = subprotocol::parse(&value) {
        assert!(!names.is_empty() && names.iter().all(|name| is_token(name)));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "repeated");
        assert_eq!(subprotocol::parse(&names.join(", ")), Ok(names));
    }
}
