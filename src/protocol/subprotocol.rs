//! `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4), parsed in one pass.

use std::collections::HashSet;

use super::extension::SyntaxError;
use super::http::is_token_byte;

/// A header value that is not a list of subprotocols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubprotocolError {
    /// It does not follow the grammar.
    Syntax(SyntaxError),
    /// It names this subprotocol twice: the names must all be unique (section 4.1, item 10).
    Repeated(String),
}

impl std::fmt::Display for SubprotocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::Repeated(name) => write!(f, "The \"{name}\" subprotocol is duplicated"),
        }
    }
}

impl std::error::Error for SubprotocolError {}

/// The subprotocols that a header value lists, in that order.
///
/// # Errors
/// [`SubprotocolError`] for an empty, invalid or repeated name.
pub fn parse(value: &str) -> Result<Vec<String>, SubprotocolError> {
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    let mut at = 0;
    for item in value.split(',') {
        let name = item.trim_matches([' ', '\t']);
        let lead = item.len() - item.trim_start_matches([' ', '\t']).len();
        if name.is_empty() {
            let place = at + item.len();
            return Err(SubprotocolError::Syntax(if place == value.len() {
                SyntaxError::UnexpectedEnd
            } else {
                SyntaxError::UnexpectedCharacter(place)
            }));
        }
        if let Some(bad) = name.bytes().position(|byte| !is_token_byte(byte)) {
            return Err(SubprotocolError::Syntax(SyntaxError::UnexpectedCharacter(
                at + lead + bad,
            )));
        }
        if !seen.insert(name) {
            return Err(SubprotocolError::Repeated(name.to_owned()));
        }
        names.push(name.to_owned());
        at += item.len() + 1;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_order() {
        assert_eq!(parse("chat").unwrap(), ["chat"]);
        assert_eq!(parse("b , a,\tc ").unwrap(), ["b", "a", "c"]);
    }

    #[test]
    fn bad_lists_are_refused() {
        use SubprotocolError::{Repeated, Syntax};
        use SyntaxError::{UnexpectedCharacter as At, UnexpectedEnd as End};
        for (text, error) in [
            ("", Syntax(End)),
            ("a,", Syntax(End)),
            (",a", Syntax(At(0))),
            ("a,,b", Syntax(At(2))),
            ("a b", Syntax(At(1))),
            ("a, b;c", Syntax(At(4))),
            ("a,b,a", Repeated("a".to_owned())),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn long_lists_are_read_once() {
        let names: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
        assert_eq!(parse(&names.join(", ")).unwrap(), names);
        assert!(parse(&",".repeat(64 * 1024)).is_err());
    }
}
