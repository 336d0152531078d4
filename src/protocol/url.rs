//! The address of a WebSocket server, read as browsers and Node read it: by the URL standard
//! (<https://url.spec.whatwg.org>), which the crate `url` implements.

use std::fmt;

use ::url::{ParseError, Url};

/// A parsed address, as far as a client needs it.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    /// The whole URL, normalised.
    pub href: String,
    /// As it stands in the URL, percent-encoded.
    pub username: String,
    /// As it stands in the URL, percent-encoded.
    pub password: String,
    /// In ASCII and in lower case; an IPv6 address in brackets.
    pub host: String,
    /// The port to connect to, even if the scheme implies it.
    pub port: u16,
    /// Path and query: the request target.
    pub target: String,
}

/// Why a text is not the address of a WebSocket server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is not a valid URL.
    Url(ParseError),
    /// Its scheme is none of `ws`, `wss`, `http` and `https`.
    Scheme,
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::Url(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The crate's message would call even a name in ASCII an invalid international one.
            Self::Url(ParseError::IdnaError) => out.write_str("invalid domain name"),
            Self::Url(error) => error.fmt(out),
            Self::Scheme => out.write_str("unsupported scheme"),
        }
    }
}

/// Returns what follows three or more slashes at the start of `text`.
///
/// To the standard, a relative URL like `///host/path` names a host ("special authority ignore slashes
/// state"); the crate finds an empty one in it.
fn after_many_slashes(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(|start| start <= ' ');
    let rest = text.trim_start_matches(['/', '\\', '\t', '\n', '\r']);
    let slashes = text.len() - rest.len();
    let skipped = text[..slashes].matches(['\t', '\n', '\r']).count();
    (slashes - skipped > 2).then_some(rest)
}

/// Parses `text`; `base` is the URL that a relative one is relative to.
pub fn parse(text: &str, base: Option<&str>) -> Result<Address, Error> {
    let base = base.map(Url::parse).transpose()?;
    let url = match (&base, after_many_slashes(text)) {
        (Some(base), Some(rest)) => base.join(&format!("//{rest}"))?,
        _ => Url::options().base_url(base.as_ref()).parse(text)?,
    };
    if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
        return Err(Error::Scheme);
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(ParseError::EmptyHost.into());
    };
    let target = match url.query() {
        None | Some("") => url.path().to_owned(),
        Some(query) => format!("{}?{query}", url.path()),
    };
    Ok(Address {
        username: url.username().to_owned(),
        password: url.password().unwrap_or_default().to_owned(),
        host: host.to_owned(),
        port,
        target,
        href: url.into(),
    })
}
