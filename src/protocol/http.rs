//! HTTP/1.1 heads of the opening handshake (RFC 6455 section 4, RFC 7230 section 3).
//!
//! As a head arrives, it is searched for its end; once it is complete, it is parsed.

use std::fmt;

/// Header fields in the order of the wire; the values are decoded as Latin-1.
pub type Headers = Vec<(String, String)>;

/// The limits on a head.
pub struct Limits {
    /// Header fields; more are answered with 431.
    pub max_headers: usize,
}

/// A head that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadError {
    /// The HTTP status that a server answers with.
    pub status: u16,
    /// What is wrong with it.
    pub message: String,
}

impl HeadError {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HeadError {}

/// A request line and its header fields.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, as written.
    pub method: String,
    /// The request target, as written.
    pub target: String,
    /// The x of HTTP/1.x: 0 or 1.
    pub minor_version: u8,
    /// All header fields.
    pub headers: Headers,
}

/// A status line and its header fields.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The x of HTTP/1.x: 0 or 1.
    pub minor_version: u8,
    /// The status code.
    pub status: u16,
    /// The reason phrase, which may be empty.
    pub reason: String,
    /// All header fields.
    pub headers: Headers,
}

/// Where the head in `bytes` ends, after its CR LF CR LF. `from` is the length that was already searched in vain, so
/// that each byte is searched once even if the head arrives byte by byte.
#[must_use]
pub fn find_head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(3).min(bytes.len());
    memchr::memmem::find(&bytes[start..], b"\r\n\r\n").map(|at| start + at + 4)
}

/// Returns room for the fields of a head. It has fewer fields than lines, however many the limit allows.
fn room<'a>(head: &[u8], limits: &Limits) -> Vec<httparse::Header<'a>> {
    let lines = memchr::memchr_iter(b'\n', head).count();
    vec![httparse::EMPTY_HEADER; limits.max_headers.min(lines)]
}

/// Parses a whole request head.
///
/// # Errors
/// 400 if it is not an HTTP/1.x head, 431 if it has more than `limits.max_headers` fields.
pub fn parse_request(head: &[u8], limits: &Limits) -> Result<RequestHead, HeadError> {
    refuse_bare_line_ends(head)?;
    let mut fields = room(head, limits);
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(head).map_err(|error| explain(error, limits))?;
    if status.is_partial() {
        return Err(HeadError::new(400, "Incomplete request head"));
    }
    // A URI is written in ASCII (RFC 3986 section 2), but the parser accepts UTF-8 too.
    if !request.path.unwrap_or_default().is_ascii() {
        return Err(HeadError::new(400, "Invalid HTTP head: the request target is not ASCII"));
    }
    Ok(RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        minor_version: request.version.unwrap_or_default(),
        headers: owned(request.headers),
    })
}

/// Parses a whole response head.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_response(head: &[u8], limits: &Limits) -> Result<ResponseHead, HeadError> {
    refuse_bare_line_ends(head)?;
    let mut fields = room(head, limits);
    let mut response = httparse::Response::new(&mut fields);
    let status = response.parse(head).map_err(|error| explain(error, limits))?;
    if status.is_partial() {
        return Err(HeadError::new(400, "Incomplete response head"));
    }
    Ok(ResponseHead {
        minor_version: response.version.unwrap_or_default(),
        status: response.code.unwrap_or_default(),
        reason: response.reason.unwrap_or_default().to_owned(),
        headers: owned(response.headers),
    })
}

/// Refuses a bare LF. RFC 7230 section 3.5 lets a recipient take it for a line end, but two parsers that differ in
/// this see different requests in the same bytes.
fn refuse_bare_line_ends(head: &[u8]) -> Result<(), HeadError> {
    for at in memchr::memchr_iter(b'\n', head) {
        if at == 0 || head[at - 1] != b'\r' {
            return Err(HeadError::new(400, "A line of the head ends without CR"));
        }
    }
    Ok(())
}

fn explain(error: httparse::Error, limits: &Limits) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => {
            HeadError::new(431, format!("More than {} header fields", limits.max_headers))
        }
        other => HeadError::new(400, format!("Invalid HTTP head: {other}")),
    }
}

fn owned(fields: &[httparse::Header<'_>]) -> Headers {
    fields.iter().map(|field| (field.name.to_owned(), latin1(field.value))).collect()
}

/// Decodes every byte as the character of that number: header values may hold any byte above 0x7f.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Whether `text` is a token (RFC 7230 section 3.2.6).
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Whether `byte` may stand in a token.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'z' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_headers: 4 };

    fn status_of(head: &[u8]) -> u16 {
        parse_request(head, &LIMITS).map_or_else(|error| error.status, |_| 200)
    }

    #[test]
    fn a_request_is_taken_apart() {
        let head = b"GET /chat?x=1 HTTP/1.1\r\nHost: a\r\nX-Odd: \xe9 b \r\n\r\n";
        let parsed = parse_request(head, &LIMITS).unwrap();
        assert_eq!((parsed.method.as_str(), parsed.target.as_str()), ("GET", "/chat?x=1"));
        assert_eq!(parsed.minor_version, 1);
        assert_eq!(parsed.headers[1], ("X-Odd".to_owned(), "\u{e9} b".to_owned()));
    }

    #[test]
    fn a_response_is_taken_apart() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        let parsed = parse_response(head, &LIMITS).unwrap();
        assert_eq!((parsed.status, parsed.reason.as_str()), (101, "Switching Protocols"));
        assert!(parse_response(b"HTTP/1.1 abc\r\n\r\n", &LIMITS).is_err());
    }

    #[test]
    fn hostile_heads_are_refused() {
        for (head, status) in [
            (&b"GET / HTTP/1.1\r\nA: 1\r\n B: folded\r\n\r\n"[..], 400),
            (b"GET / HTTP/1.1\r\nA : 1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nnocolon\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nA: x\0y\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nA: 1\r\n\r\n", 400),
            (b"GET / HTTP/2.0\r\n\r\n", 400),
            (b"GET /", 400),
            ("GET /\u{e9} HTTP/1.1\r\n\r\n".as_bytes(), 400),
            (b"GET /\xe9 HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\n\r\n", 200),
        ] {
            assert_eq!(status_of(head), status, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_flood_of_header_fields_is_431() {
        let head = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(20_000));
        let refused = parse_request(head.as_bytes(), &Limits { max_headers: 128 }).unwrap_err();
        assert_eq!(
            (refused.status, refused.message.as_str()),
            (431, "More than 128 header fields")
        );
        let head = format!("HTTP/1.1 101 x\r\n{}\r\n", "a: b\r\n".repeat(20_000));
        assert_eq!(parse_response(head.as_bytes(), &LIMITS).unwrap_err().status, 431);
        let none = Limits { max_headers: 0 };
        assert_eq!(
            parse_request(b"GET / HTTP/1.1\r\na: b\r\n\r\n", &none).unwrap_err().status,
            431
        );
    }

    #[test]
    fn a_limit_beyond_all_memory_costs_nothing() {
        let all = Limits { max_headers: usize::MAX };
        let head = parse_request(b"GET / HTTP/1.1\r\na: b\r\nc: d\r\n\r\n", &all).unwrap();
        assert_eq!(head.headers.len(), 2);
        let head = parse_response(b"HTTP/1.1 200 OK\r\na: b\r\n\r\n", &all).unwrap();
        assert_eq!(head.headers.len(), 1);
    }

    /// 1 MiB arrives byte by byte: a search from the start each time would read 512 GiB.
    #[test]
    fn a_head_that_comes_byte_by_byte_is_searched_once() {
        let head = vec![b'\r'; 1 << 20];
        assert_eq!((1..head.len()).find_map(|len| find_head_end(&head[..len], len - 1)), None);
    }

    #[test]
    fn the_end_is_found_wherever_the_pieces_are_cut() {
        let head = b"GET / HTTP/1.1\r\n\r\nrest";
        for cut in 0..head.len() {
            let early = find_head_end(&head[..cut], 0);
            assert_eq!(early, (cut >= 18).then_some(18));
            assert_eq!(early.or_else(|| find_head_end(head, cut)), Some(18), "cut at {cut}");
        }
    }

    #[test]
    fn tokens_have_the_characters_of_rfc_7230() {
        let allowed = "!#$%&'*+-.^_`|~0123456789abcXYZ";
        assert!(is_token(allowed));
        for byte in 0..=255_u8 {
            let listed = allowed.bytes().any(|one| one == byte) || byte.is_ascii_alphanumeric();
            assert_eq!(is_token_byte(byte), listed, "byte {byte}");
        }
        assert!(!is_token(""));
    }
}
