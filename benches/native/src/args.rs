//! Command-line options: `--name value` pairs and bare `--flag`s.

use std::collections::HashMap;
use std::str::FromStr;

use crate::Result;

/// The options as given; each is taken once, and what nobody took is an error.
pub struct Args {
    given: HashMap<String, Option<String>>,
}

impl Args {
    /// Reads `--name value` and `--flag` from `words` (the program's name already removed).
    ///
    /// # Errors
    /// Names a word that belongs to no option.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut given = HashMap::new();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                return Err(format!("unexpected argument {word:?}").into());
            };
            let value = words.next_if(|next| !next.starts_with("--"));
            given.insert(name.to_owned(), value);
        }
        Ok(Self { given })
    }

    /// Takes option `name`, or `default` where it was not given.
    ///
    /// # Errors
    /// Names the option and the value that cannot be read as `T`.
    pub fn value<T: FromStr>(&mut self, name: &str, default: T) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// Takes option `name`, or `None` where it was not given.
    ///
    /// # Errors
    /// Names the option and the value that cannot be read as `T`.
    pub fn optional<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        match self.given.remove(name) {
            None => Ok(None),
            Some(None) => Err(format!("--{name} needs a value").into()),
            Some(Some(text)) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(format!("--{name}: bad value {text:?}").into()),
            },
        }
    }

    /// Takes flag `name`: whether it was given.
    ///
    /// # Errors
    /// Names a value that follows the flag.
    pub fn flag(&mut self, name: &str) -> Result<bool> {
        match self.given.remove(name) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(text)) => Err(format!("--{name} takes no value, got {text:?}").into()),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Names an option that nobody took.
    pub fn finish(self) -> Result<()> {
        match self.given.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("unknown option --{name}").into()),
        }
    }
}
