//! The rules of the opening handshake: its keys, and which requests are upgrades (RFC 6455 section 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// "concatenate this with the Globally Unique Identifier" (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The supported versions: 13, of RFC 6455, and 8, which differs only in the name of a header.
const VERSIONS: &str = "13, 8";

/// A valid request for a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The `Sec-WebSocket-Key`.
    pub key: String,
    /// The `Sec-WebSocket-Version`: 13 or 8.
    pub version: u8,
}

/// The answer to a request that is not valid.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The reason, in ws's words.
    pub message: &'static str,
    /// Header fields of the answer.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Refusal {
    const fn new(status: u16, message: &'static str) -> Self {
        Self { status, message, headers: Vec::new() }
    }
}

/// The `Sec-WebSocket-Accept` for a key (section 4.2.2, item 5).
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

/// A `Sec-WebSocket-Key` of 16 random bytes (section 4.1, item 7).
#[must_use]
pub fn new_key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

/// Whether a key is "a base64-encoded value that, when decoded, is 16 bytes in length" (4.2.1).
#[must_use]
pub fn is_valid_key(key: &str) -> bool {
    let symbol = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix("==").is_some_and(|body| body.len() == 22 && body.bytes().all(symbol))
}

fn values<'a>(headers: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// The only value of a header; `None` if it is missing or repeated.
fn single<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = values(headers, name);
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

/// Checks a request in the order of ws's `handleUpgrade`.
///
/// # Errors
/// [`Refusal`] with 405 for a method other than GET, otherwise with 400.
pub fn check_upgrade(method: &str, headers: &[(String, String)]) -> Result<Upgrade, Refusal> {
    if method != "GET" {
        return Err(Refusal::new(405, "Invalid HTTP method"));
    }
    // "An |Upgrade| header field containing the value 'websocket', treated as an ASCII
    // case-insensitive value" (section 4.2.1, item 3).
    if !single(headers, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err(Refusal::new(400, "Invalid Upgrade header"));
    }
    let key = single(headers, "sec-websocket-key").filter(|key| is_valid_key(key));
    let Some(key) = key else {
        return Err(Refusal::new(400, "Missing or invalid Sec-WebSocket-Key header"));
    };
    let version = match single(headers, "sec-websocket-version") {
        Some("13") => 13,
        Some("8") => 8,
        _ => {
            let message = "Missing or invalid Sec-WebSocket-Version header";
            let headers = vec![("Sec-WebSocket-Version", VERSIONS)];
            return Err(Refusal { headers, ..Refusal::new(400, message) });
        }
    };
    // The bytes after the head are frames. A proxy that saw a body there would disagree with us about them.
    let body =
        values(headers, "content-length").any(|value| value.trim_matches([' ', '\t']) != "0");
    if body || values(headers, "transfer-encoding").next().is_some() {
        return Err(Refusal::new(400, "An upgrade request must not have a body"));
    }
    Ok(Upgrade { key: key.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let mut headers = vec![
            ("Host", "example.com"),
            ("upgrade", "WebSocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
        ];
        for (name, value) in changes {
            headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
            headers.extend(value.map(|value| (*name, value)));
        }
        headers.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(accept_key(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_valid_key(&new_key([0xff; 16])));
    }

    #[test]
    fn good_requests_pass() {
        for version in ["13", "8"] {
            let headers = request(&[("Sec-WebSocket-Version", Some(version))]);
            let upgrade = check_upgrade("GET", &headers).unwrap();
            assert_eq!(
                (upgrade.key.as_str(), upgrade.version.to_string().as_str()),
                (KEY, version)
            );
        }
    }

    #[test]
    fn bad_requests_are_refused_with_the_status_that_ws_sends() {
        let refused = |method: &str, name: &str, value: Option<&str>| {
            let refusal = check_upgrade(method, &request(&[(name, value)])).unwrap_err();
            (refusal.status, refusal.message)
        };
        assert_eq!(refused("POST", "x", None), (405, "Invalid HTTP method"));
        for value in [None, Some("h2c"), Some("websocket, x")] {
            assert_eq!(refused("GET", "Upgrade", value), (400, "Invalid Upgrade header"));
        }
        for value in
            [None, Some(""), Some("dGhlIHNhbXBsZSBub25jZQ="), Some("!GhlIHNhbXBsZSBub25jZQ==")]
        {
            let expected = (400, "Missing or invalid Sec-WebSocket-Key header");
            assert_eq!(refused("GET", "Sec-WebSocket-Key", value), expected);
        }
        for value in [None, Some("12"), Some("13, 8"), Some("x")] {
            let expected = (400, "Missing or invalid Sec-WebSocket-Version header");
            assert_eq!(refused("GET", "Sec-WebSocket-Version", value), expected);
        }
        let no_body = (400, "An upgrade request must not have a body");
        // Only SP and HTAB count as blanks around a value (RFC 9112 section 5), unlike in Unicode.
        for value in ["5", "\u{a0}0", "0\u{2003}"] {
            assert_eq!(refused("GET", "Content-Length", Some(value)), no_body);
        }
        assert_eq!(refused("GET", "Transfer-Encoding", Some("chunked")), no_body);
        let repeated = [request(&[]), request(&[])].concat();
        assert_eq!(check_upgrade("GET", &repeated).unwrap_err().message, "Invalid Upgrade header");
    }
}
