//! The negotiation of permessage-deflate, by tables of offers and answers.

use crate::protocol::Role;
use crate::protocol::deflate::Strategy;
use crate::protocol::extension::{Param, parse};
use crate::protocol::per_message_deflate::{
    Bits, Config, accept_as_client, accept_as_server, offer,
};

const PLAIN: Config = Config {
    server_no_context_takeover: None,
    client_no_context_takeover: None,
    server_max_window_bits: None,
    client_max_window_bits: None,
    threshold: 1024,
    level: -1,
    mem_level: 8,
    strategy: Strategy::Default,
    concurrency_limit: 10,
};

fn offers(text: &str) -> Vec<Vec<(String, Param)>> {
    parse(text).unwrap().into_iter().map(|(_, params)| params).collect()
}

fn server(config: &Config, text: &str) -> Result<String, String> {
    accept_as_server(config, &offers(text))
        .map(|params| params.answer().replacen("permessage-deflate", "x", 1))
        .map_err(|error| error.to_string())
}

fn client(config: &Config, text: &str) -> Result<String, String> {
    accept_as_client(config, &offers(text))
        .map(|params| params.answer().replacen("permessage-deflate", "x", 1))
        .map_err(|error| error.to_string())
}

#[test]
fn the_server_takes_the_first_offer_that_suits() {
    let bits = Config { server_max_window_bits: Some(Bits::Value(12)), ..PLAIN.clone() };
    let fixed = Config { client_max_window_bits: Some(Bits::Value(10)), ..PLAIN.clone() };
    let refused = Config { client_max_window_bits: Some(Bits::Refused), ..PLAIN.clone() };
    let keep = Config { server_no_context_takeover: Some(false), ..PLAIN.clone() };
    let all = Config {
        server_no_context_takeover: Some(true),
        client_no_context_takeover: Some(true),
        ..PLAIN.clone()
    };
    let unbound = Config { server_max_window_bits: Some(Bits::Refused), ..PLAIN.clone() };
    let none = "None of the extension offers can be accepted";
    for (config, offer, answer) in [
        (&PLAIN, "x", Ok("x")),
        (&PLAIN, "x; client_max_window_bits", Ok("x")),
        (&PLAIN, "x; client_max_window_bits=11", Ok("x; client_max_window_bits=11")),
        (&PLAIN, "x; server_max_window_bits=9", Ok("x; server_max_window_bits=9")),
        (&bits, "x; server_max_window_bits=10", Err(none)),
        (&bits, "x; server_max_window_bits=10, x", Ok("x; server_max_window_bits=12")),
        (&unbound, "x; server_max_window_bits=14", Err(none)),
        (&unbound, "x; server_max_window_bits=14, x", Ok("x")),
        (&bits, "x; server_max_window_bits=14", Ok("x; server_max_window_bits=12")),
        (&fixed, "x", Err(none)),
        (&fixed, "x; client_max_window_bits", Ok("x; client_max_window_bits=10")),
        (&fixed, "x; client_max_window_bits=9", Ok("x; client_max_window_bits=9")),
        (&refused, "x; client_max_window_bits=9", Ok("x")),
        (&keep, "x; server_no_context_takeover", Err(none)),
        (&all, "x", Ok("x; server_no_context_takeover; client_no_context_takeover")),
    ] {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(server(config, offer), answer, "{offer}");
    }
}

#[test]
fn malformed_parameters_are_named() {
    for (offer, message) in [
        ("x; foo", "Unknown parameter \"foo\""),
        (
            "x; server_no_context_takeover; server_no_context_takeover",
            "Parameter \"server_no_context_takeover\" must have only a single value",
        ),
        (
            "x; server_no_context_takeover=1",
            "Invalid value for parameter \"server_no_context_takeover\": 1",
        ),
        (
            "x; server_max_window_bits",
            "Invalid value for parameter \"server_max_window_bits\": true",
        ),
        (
            "x; client_max_window_bits=16",
            "Invalid value for parameter \"client_max_window_bits\": 16",
        ),
        (
            "x; server_max_window_bits=08",
            "Invalid value for parameter \"server_max_window_bits\": 08",
        ),
    ] {
        assert_eq!(server(&PLAIN, offer), Err(message.to_owned()), "{offer}");
    }
    let message = "Invalid value for parameter \"client_max_window_bits\": true";
    assert_eq!(client(&PLAIN, "x; client_max_window_bits"), Err(message.to_owned()));
}

#[test]
fn the_client_takes_no_more_than_it_offered() {
    let fixed = Config { client_max_window_bits: Some(Bits::Value(10)), ..PLAIN.clone() };
    let refused = Config { client_max_window_bits: Some(Bits::Refused), ..PLAIN.clone() };
    let keep = Config { client_no_context_takeover: Some(false), ..PLAIN.clone() };
    let small = Config { server_max_window_bits: Some(Bits::Value(9)), ..PLAIN.clone() };
    let fresh = Config { server_no_context_takeover: Some(true), ..PLAIN.clone() };
    let bad = "Unexpected or invalid parameter \"client_max_window_bits\"";
    for (config, answer, outcome) in [
        (&PLAIN, "x", Ok("x")),
        (&PLAIN, "x; client_max_window_bits=9", Ok("x; client_max_window_bits=9")),
        (&fixed, "x", Ok("x; client_max_window_bits=10")),
        (&fixed, "x; client_max_window_bits=11", Err(bad)),
        (&refused, "x; client_max_window_bits=11", Err(bad)),
        (
            &keep,
            "x; client_no_context_takeover",
            Err("Unexpected parameter \"client_no_context_takeover\""),
        ),
        (&small, "x", Ok("x")),
        (
            &small,
            "x; server_max_window_bits=10",
            Err("Unexpected or invalid parameter \"server_max_window_bits\""),
        ),
        (&fresh, "x", Ok("x")),
        (&small, "x; server_max_window_bits=9", Ok("x; server_max_window_bits=9")),
        (&PLAIN, "x, x", Err("None of the extension offers can be accepted")),
    ] {
        let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(client(config, answer), outcome, "{answer}");
    }
}

#[test]
fn offers_have_the_parameters_of_the_configuration() {
    assert_eq!(offer(&PLAIN), "permessage-deflate; client_max_window_bits");
    let config = Config {
        client_max_window_bits: Some(Bits::Refused),
        server_max_window_bits: Some(Bits::Value(10)),
        server_no_context_takeover: Some(true),
        ..PLAIN
    };
    let value = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";
    assert_eq!(offer(&config), value);
}

#[test]
fn each_side_gets_the_parameters_of_its_own_direction() {
    let params = accept_as_server(
        &PLAIN,
        &offers(
            "x; server_max_window_bits=9; client_max_window_bits=10; client_no_context_takeover",
        ),
    )
    .unwrap();
    let (inflate, deflate) =
        (params.inflate_params(Role::Server), params.deflate_params(Role::Server, &PLAIN));
    assert_eq!((inflate.window_bits, inflate.no_context_takeover), (10, true));
    assert_eq!((deflate.window_bits, deflate.no_context_takeover), (9, false));
    assert_eq!(params.inflate_params(Role::Client).window_bits, 9);
}
