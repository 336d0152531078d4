//! `Sec-WebSocket-Extensions` (RFC 6455 section 9.1), parsed in one pass.

use std::fmt;

use super::http::{is_token, is_token_byte};

/// A parameter of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Param {
    /// A name alone.
    Flag,
    /// A name with a value, without the quotes and backslashes.
    Value(String),
}

/// The name and parameters of one extension, in the order of the header and with repeated names.
pub type Extension = (String, Vec<(String, Param)>);

/// A header value that does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyntaxError {
    /// The character at this index is not allowed there.
    UnexpectedCharacter(usize),
    /// The value ends too early.
    UnexpectedEnd,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedCharacter(at) => write!(f, "Unexpected character at index {at}"),
            Self::UnexpectedEnd => f.write_str("Unexpected end of input"),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// Parses a header value: extensions separated by commas, parameters by semicolons.
///
/// # Errors
/// [`SyntaxError`] at the first character that the grammar does not allow.
pub fn parse(value: &str) -> Result<Vec<Extension>, SyntaxError> {
    let mut parser = Parser { bytes: value.as_bytes(), at: 0 };
    let mut all = Vec::new();
    loop {
        parser.skip_spaces();
        let name = parser.token()?;
        let mut params = Vec::new();
        while parser.take(b';') {
            params.push(parser.parameter()?);
        }
        all.push((name, params));
        if parser.is_at_end() {
            return Ok(all);
        }
        if !parser.take(b',') {
            return Err(SyntaxError::UnexpectedCharacter(parser.at));
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_spaces();
        self.peek().is_none()
    }

    /// Takes a separator and the spaces before it, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_spaces();
        self.take_here(byte)
    }

    fn take_here(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self) -> SyntaxError {
        self.peek()
            .map_or(SyntaxError::UnexpectedEnd, |_| SyntaxError::UnexpectedCharacter(self.at))
    }

    fn token(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(is_token_byte) {
            self.at += 1;
        }
        if start == self.at {
            return Err(self.unexpected());
        }
        Ok(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned())
    }

    fn parameter(&mut self) -> Result<(String, Param), SyntaxError> {
        self.skip_spaces();
        let name = self.token()?;
        // "token [ "=" (token / quoted-string) ]" (section 9.1): no space is allowed on either side of the "=".
        if !self.take_here(b'=') {
            return Ok((name, Param::Flag));
        }
        let value = if self.take_here(b'"') { self.quoted()? } else { self.token()? };
        Ok((name, Param::Value(value)))
    }

    /// "the value after quoted-string unescaping MUST conform to the 'token' ABNF" (section 9.1).
    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        let mut value = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return Err(SyntaxError::UnexpectedEnd) };
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => match self.peek() {
                    Some(escaped) if is_token_byte(escaped) => {
                        value.push(escaped);
                        self.at += 1;
                    }
                    _ => return Err(self.unexpected()),
                },
                byte if is_token_byte(byte) => value.push(byte),
                _ => return Err(SyntaxError::UnexpectedCharacter(self.at - 1)),
            }
        }
        if value.is_empty() {
            return Err(SyntaxError::UnexpectedCharacter(start));
        }
        Ok(String::from_utf8_lossy(&value).into_owned())
    }
}

/// Writes a header value. Values that are no tokens are quoted.
#[must_use]
pub fn format(extensions: &[Extension]) -> String {
    let mut parts = Vec::new();
    for (name, params) in extensions {
        let mut part = name.clone();
        for (key, param) in params {
            part.push_str("; ");
            part.push_str(key);
            match param {
                Param::Flag => {}
                Param::Value(value) if is_token(value) => {
                    part.push('=');
                    part.push_str(value);
                }
                Param::Value(value) => {
                    part.push_str("=\"");
                    part.push_str(&value.replace('\\', "\\\\").replace('"', "\\\""));
                    part.push('"');
                }
            }
        }
        parts.push(part);
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Param {
        Param::Value(text.to_owned())
    }

    #[test]
    fn offers_keep_their_order_and_their_repetitions() {
        let parsed = parse("foo;bar=1; bar=\"2\"; baz , foo\t;q=\"a\\b\"").unwrap();
        assert_eq!(
            parsed,
            vec![
                (
                    "foo".to_owned(),
                    vec![
                        ("bar".to_owned(), value("1")),
                        ("bar".to_owned(), value("2")),
                        ("baz".to_owned(), Param::Flag),
                    ]
                ),
                ("foo".to_owned(), vec![("q".to_owned(), value("ab"))]),
            ]
        );
        assert_eq!(format(&parsed), "foo; bar=1; bar=2; baz, foo; q=ab");
    }

    #[test]
    fn the_grammar_refuses_bad_values_at_their_index() {
        use SyntaxError::{UnexpectedCharacter as At, UnexpectedEnd as End};
        for (text, error) in [
            ("", End),
            ("  ", End),
            ("foo,", End),
            (",foo", At(0)),
            ("foo;", End),
            ("foo;;bar", At(4)),
            ("foo bar", At(4)),
            ("foo;bar=", End),
            ("foo;bar =1", At(8)),
            ("foo;bar= 1", At(8)),
            ("foo;bar= \"1\"", At(8)),
            ("foo;bar=\"1", End),
            ("foo;bar=1;;", At(10)),
            ("foo;bar=\"", End),
            ("foo;bar=\"\"", At(9)),
            ("foo;bar=\"a b\"", At(10)),
            ("foo;bar=\"a\\", End),
            ("foo;bar=\"a\"b", At(11)),
            ("f\u{f6}o", At(1)),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn long_hostile_values_are_read_only_once() {
        for text in ["\\", ",", ";", " ", "a;", "a=\"\\"] {
            let long = format!("x{}", text.repeat(64 * 1024 / text.len()));
            assert!(parse(&long).is_err() || text == " ", "{text:?}");
        }
        let many = vec!["x"; 100_000].join(",");
        assert_eq!(parse(&many).unwrap().len(), 100_000);
    }
}
