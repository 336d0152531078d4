//! The negotiation of permessage-deflate (RFC 7692 section 7.1), with the decisions of ws.

use std::fmt;

use super::deflate::{DeflateParams, InflateParams, Strategy};
use super::extension::Param;
use super::frame::Role;

/// The largest window, which also holds if none is agreed (section 7.1.2).
const MAX_BITS: u8 = 15;

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// ws's `serverMaxWindowBits` and `clientMaxWindowBits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// `true`: any value may be agreed.
    Any,
    /// `false`: the parameter is not used.
    Refused,
    /// Exactly this value, 8 to 15.
    Value(u8),
}

impl Bits {
    fn value(self) -> Option<u8> {
        match self {
            Self::Value(bits) => Some(bits),
            Self::Any | Self::Refused => None,
        }
    }
}

/// ws's `perMessageDeflate` options. `None` leaves the decision to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether the server forgets its history after each message.
    pub server_no_context_takeover: Option<bool>,
    /// Whether the client forgets its history after each message.
    pub client_no_context_takeover: Option<bool>,
    /// The server's window.
    pub server_max_window_bits: Option<Bits>,
    /// The client's window.
    pub client_max_window_bits: Option<Bits>,
    /// Messages of fewer bytes are not compressed if our own history is not kept.
    pub threshold: usize,
    /// zlib's level, -1 to 9.
    pub level: i32,
    /// zlib's memLevel, 1 to 9.
    pub mem_level: u8,
    /// zlib's strategy.
    pub strategy: Strategy,
    /// How many (de)compressions may run off the loop at once.
    pub concurrency_limit: usize,
}

/// Why an offer or an answer cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NegotiationError {
    /// A parameter that RFC 7692 does not define.
    Unknown(String),
    /// A parameter given twice.
    Repeated(String),
    /// A parameter with a value that it cannot have.
    Invalid(String, String),
    /// The server can accept none of the offers.
    NoneAcceptable,
    /// The server's answer has a parameter that the client did not allow.
    Unexpected(&'static str),
    /// The same, or with a value beyond what the client offered.
    UnexpectedOrInvalid(&'static str),
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "Unknown parameter \"{name}\""),
            Self::Repeated(name) => write!(f, "Parameter \"{name}\" must have only a single value"),
            Self::Invalid(name, value) => {
                write!(f, "Invalid value for parameter \"{name}\": {value}")
            }
            Self::NoneAcceptable => f.write_str("None of the extension offers can be accepted"),
            Self::Unexpected(name) => write!(f, "Unexpected parameter \"{name}\""),
            Self::UnexpectedOrInvalid(name) => {
                write!(f, "Unexpected or invalid parameter \"{name}\"")
            }
        }
    }
}

impl std::error::Error for NegotiationError {}

/// What was agreed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<Bits>,
}

impl Params {
    /// The names and values; the value is `None` for a parameter without one.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, Option<u8>)> {
        let mut all = Vec::new();
        if self.server_no_context_takeover {
            all.push((SERVER_NO_TAKEOVER, None));
        }
        if self.client_no_context_takeover {
            all.push((CLIENT_NO_TAKEOVER, None));
        }
        if let Some(bits) = self.server_max_window_bits {
            all.push((SERVER_BITS, Some(bits)));
        }
        match self.client_max_window_bits {
            Some(Bits::Value(bits)) => all.push((CLIENT_BITS, Some(bits))),
            Some(Bits::Any) => all.push((CLIENT_BITS, None)),
            Some(Bits::Refused) | None => {}
        }
        all
    }

    /// The header value: `permessage-deflate` and the parameters.
    #[must_use]
    pub fn answer(&self) -> String {
        let mut value = String::from("permessage-deflate");
        for (name, bits) in self.entries() {
            value.push_str("; ");
            value.push_str(name);
            if let Some(bits) = bits {
                value.push('=');
                value.push_str(&bits.to_string());
            }
        }
        value
    }

    fn of(&self, side: Role) -> (u8, bool) {
        let client_bits = match self.client_max_window_bits {
            Some(Bits::Value(bits)) => bits,
            _ => MAX_BITS,
        };
        match side {
            Role::Server => {
                (self.server_max_window_bits.unwrap_or(MAX_BITS), self.server_no_context_takeover)
            }
            Role::Client => (client_bits, self.client_no_context_takeover),
        }
    }

    /// The parameters with which `role` reads what its peer compresses.
    #[must_use]
    pub fn inflate_params(&self, role: Role) -> InflateParams {
        let peer = if role == Role::Server { Role::Client } else { Role::Server };
        let (window_bits, no_context_takeover) = self.of(peer);
        InflateParams { window_bits, no_context_takeover }
    }

    /// The parameters with which `role` compresses.
    #[must_use]
    pub fn deflate_params(&self, role: Role, config: &Config) -> DeflateParams {
        let (window_bits, no_context_takeover) = self.of(role);
        DeflateParams {
            window_bits,
            no_context_takeover,
            level: config.level,
            mem_level: config.mem_level,
            strategy: config.strategy,
            threshold: config.threshold,
        }
    }
}

/// The header value with which a client offers the extension.
#[must_use]
pub fn offer(config: &Config) -> String {
    Params {
        server_no_context_takeover: config.server_no_context_takeover == Some(true),
        client_no_context_takeover: config.client_no_context_takeover == Some(true),
        server_max_window_bits: config.server_max_window_bits.and_then(Bits::value),
        client_max_window_bits: config.client_max_window_bits.or(Some(Bits::Any)),
    }
    .answer()
}

/// Checks the parameters that the peer wrote, one by one.
///
/// "A server MUST decline an extension negotiation offer" with an unknown, repeated or invalid
/// parameter (section 7.1); ws answers such a request with 400.
fn normalize(params: &[(String, Param)], role: Role) -> Result<Params, NegotiationError> {
    let mut normal = Params::default();
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in params {
        if seen.contains(&name.as_str()) {
            return Err(NegotiationError::Repeated(name.clone()));
        }
        let invalid = || {
            let shown = match value {
                Param::Flag => "true",
                Param::Value(text) => text,
            };
            NegotiationError::Invalid(name.clone(), shown.to_owned())
        };
        match (name.as_str(), value) {
            (SERVER_NO_TAKEOVER, Param::Flag) => normal.server_no_context_takeover = true,
            (CLIENT_NO_TAKEOVER, Param::Flag) => normal.client_no_context_takeover = true,
            (SERVER_BITS, Param::Value(text)) => {
                normal.server_max_window_bits = Some(window(text).ok_or_else(invalid)?);
            }
            (CLIENT_BITS, Param::Value(text)) => {
                let bits = window(text).ok_or_else(invalid)?;
                normal.client_max_window_bits = Some(Bits::Value(bits));
            }
            // Only an offer may contain this parameter without a value (section 7.1.2.2).
            (CLIENT_BITS, Param::Flag) if role == Role::Server => {
                normal.client_max_window_bits = Some(Bits::Any);
            }
            (SERVER_NO_TAKEOVER | CLIENT_NO_TAKEOVER | SERVER_BITS | CLIENT_BITS, _) => {
                return Err(invalid());
            }
            _ => return Err(NegotiationError::Unknown(name.clone())),
        }
        seen.push(name);
    }
    Ok(normal)
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (section 7.1.2.1).
fn window(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|bits| digits && (8..=MAX_BITS).contains(bits))
}

fn is_acceptable(config: &Config, offer: &Params) -> bool {
    let takeover =
        config.server_no_context_takeover == Some(false) && offer.server_no_context_takeover;
    let server_bits = match (config.server_max_window_bits, offer.server_max_window_bits) {
        (Some(Bits::Value(ours)), Some(theirs)) => ours > theirs,
        (Some(Bits::Refused), Some(_)) => true,
        _ => false,
    };
    let client_bits = matches!(config.client_max_window_bits, Some(Bits::Value(_)))
        && offer.client_max_window_bits.is_none();
    !(takeover || server_bits || client_bits)
}

/// Accepts, as the server, the first acceptable offer, and adds the server's own wishes.
///
/// # Errors
/// [`NegotiationError`] if an offer is malformed or none is acceptable.
pub fn accept_as_server(
    config: &Config,
    offers: &[Vec<(String, Param)>],
) -> Result<Params, NegotiationError> {
    let offers: Result<Vec<_>, _> =
        offers.iter().map(|offer| normalize(offer, Role::Server)).collect();
    let mut accepted = offers?
        .into_iter()
        .find(|offer| is_acceptable(config, offer))
        .ok_or(NegotiationError::NoneAcceptable)?;
    accepted.server_no_context_takeover |= config.server_no_context_takeover == Some(true);
    accepted.client_no_context_takeover |= config.client_no_context_takeover == Some(true);
    accepted.server_max_window_bits =
        config.server_max_window_bits.and_then(Bits::value).or(accepted.server_max_window_bits);
    accepted.client_max_window_bits =
        match (config.client_max_window_bits, accepted.client_max_window_bits) {
            // "the value MUST be equal or smaller" than the client's hint (section 7.1.2.2).
            (Some(Bits::Value(ours)), Some(Bits::Value(theirs))) => {
                Some(Bits::Value(ours.min(theirs)))
            }
            (Some(Bits::Value(ours)), _) => Some(Bits::Value(ours)),
            (Some(Bits::Refused), _) | (_, Some(Bits::Any)) => None,
            (_, theirs) => theirs,
        };
    Ok(accepted)
}

/// As the client: checks the server's answer, which must be one.
///
/// # Errors
/// [`NegotiationError`] where the answer is malformed or beyond the offer.
pub fn accept_as_client(
    config: &Config,
    answers: &[Vec<(String, Param)>],
) -> Result<Params, NegotiationError> {
    let [answer] = answers else { return Err(NegotiationError::NoneAcceptable) };
    let mut params = normalize(answer, Role::Client)?;
    if config.client_no_context_takeover == Some(false) && params.client_no_context_takeover {
        return Err(NegotiationError::Unexpected(CLIENT_NO_TAKEOVER));
    }
    match (config.client_max_window_bits, params.client_max_window_bits) {
        (Some(Bits::Value(ours)), None) => {
            params.client_max_window_bits = Some(Bits::Value(ours));
        }
        (Some(Bits::Refused), Some(_)) => {
            return Err(NegotiationError::UnexpectedOrInvalid(CLIENT_BITS));
        }
        (Some(Bits::Value(ours)), Some(Bits::Value(theirs))) if theirs > ours => {
            return Err(NegotiationError::UnexpectedOrInvalid(CLIENT_BITS));
        }
        _ => {}
    }
    // A server agrees to the window that it was offered "with the same or smaller value as the offer" (section
    // 7.1.2.1). As in ws, an answer that ignores our wishes is accepted, because we can read any window.
    if let (Some(Bits::Value(ours)), Some(theirs)) =
        (config.server_max_window_bits, params.server_max_window_bits)
        && theirs > ours
    {
        return Err(NegotiationError::UnexpectedOrInvalid(SERVER_BITS));
    }
    Ok(params)
}
