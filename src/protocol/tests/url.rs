//! Addresses of servers. `tests/net/urls.json` is the long table; here are the rules of our own.

use crate::protocol::url::{Address, parse};

fn read(text: &str, base: Option<&str>) -> Result<Address, String> {
    parse(text, base).map_err(|error| error.to_string())
}

fn href(text: &str, base: &str) -> Result<String, String> {
    read(text, Some(base)).map(|address| address.href)
}

#[test]
fn all_parts_of_an_address() {
    let address = read("HTTPS://u:p%40@FAß.de:0444/a/../b?c'#d", None).unwrap();
    assert_eq!(
        address,
        Address {
            href: "https://u:p%40@xn--fa-hia.de:444/b?c%27#d".to_owned(),
            username: "u".to_owned(),
            password: "p%40".to_owned(),
            host: "xn--fa-hia.de".to_owned(),
            port: 444,
            target: "/b?c%27".to_owned(),
        }
    );
}

#[test]
fn a_port_is_always_known_and_an_empty_query_is_not_asked_for() {
    for (text, port) in [("ws://h?", 80), ("http://h", 80), ("wss://h?#", 443), ("https://h", 443)]
    {
        let address = read(text, None).unwrap();
        assert_eq!((address.port, address.target.as_str()), (port, "/"), "{text}");
    }
}

#[test]
fn refused_addresses_say_why() {
    for (text, why) in [
        ("h", "relative URL without a base"),
        ("ftp://h/", "unsupported scheme"),
        ("foo:bar", "unsupported scheme"),
        ("ws:///", "empty host"),
        ("ws://a b/", "invalid domain name"),
        ("ws://xn--99999999/", "invalid domain name"),
        ("ws://1.2.3.256/", "invalid IPv4 address"),
        ("ws://[::x]/", "invalid IPv6 address"),
        ("ws://h:65536/", "invalid port number"),
    ] {
        assert_eq!(read(text, None), Err(why.to_owned()), "{text}");
    }
    assert_eq!(href("d", "nothing"), Err("relative URL without a base".to_owned()));
}

#[test]
fn relative_references_are_resolved() {
    for (text, joined) in [
        ("../d", "ws://a/d"),
        ("?e", "ws://a/b/c?e"),
        ("//h/x", "ws://h/x"),
        ("///h/x", "ws://h/x"),
        (" /\t\\\n//h\\x", "ws://h/x"),
        ("wss:////h", "wss://h/"),
        ("/\t/h", "ws://h/"),
    ] {
        assert_eq!(href(text, "ws://a/b/c"), Ok(joined.to_owned()), "{text:?}");
    }
    assert_eq!(href("///", "ws://a/b/c"), Err("empty host".to_owned()));
}
