//! UTF-8 validation of text as it arrives (RFC 6455 section 8.1, RFC 3629).
//!
//! A message may be cut anywhere, even within a character, of which at most three bytes are kept. Text that can no
//! longer become valid fails at once, not when the message ends.

use std::fmt;

/// The bytes are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8 sequence")
    }
}

impl std::error::Error for InvalidUtf8 {}

/// A validator of text that arrives in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Utf8 {
    /// The bytes of an incomplete character.
    pending: [u8; 3],
    pending_len: u8,
}

impl Utf8 {
    /// A validator at the start of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: [0; 3], pending_len: 0 }
    }

    /// Whether all characters so far are complete.
    #[inline]
    #[must_use]
    pub const fn is_at_boundary(&self) -> bool {
        self.pending_len == 0
    }

    /// Validates the next piece of the text.
    ///
    /// # Errors
    /// [`InvalidUtf8`] if no text can begin with what came so far. Call [`Utf8::reset`] before using the validator
    /// again.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = if self.is_at_boundary() { bytes } else { self.complete(bytes)? };
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => Ok(()),
            // The error has no length if the piece ends within a character, which may still become valid.
            Err(error) if error.error_len().is_none() => {
                self.keep(&rest[error.valid_up_to()..]);
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }

    /// Ends the text and makes the validator ready for another.
    ///
    /// # Errors
    /// [`InvalidUtf8`] if the text ends within a character.
    #[inline]
    pub const fn finish(&mut self) -> Result<(), InvalidUtf8> {
        let complete = self.is_at_boundary();
        self.reset();
        if complete { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Forgets what came so far.
    #[inline]
    pub const fn reset(&mut self) {
        self.pending_len = 0;
    }

    /// Completes the pending character from the front of `bytes`, and returns the bytes after it; none if it is still
    /// incomplete.
    #[cold]
    fn complete<'bytes>(&mut self, bytes: &'bytes [u8]) -> Result<&'bytes [u8], InvalidUtf8> {
        let had = usize::from(self.pending_len);
        let missing = sequence_len(self.pending[0]).saturating_sub(had).min(bytes.len());
        let mut scratch = [0; 4];
        scratch[..had].copy_from_slice(&self.pending[..had]);
        let (head, rest) = bytes.split_at(missing);
        scratch[had..had + missing].copy_from_slice(head);
        match std::str::from_utf8(&scratch[..had + missing]) {
            Ok(_) => self.pending_len = 0,
            Err(error) if error.error_len().is_none() => self.keep(&scratch[..had + missing]),
            Err(_) => return Err(InvalidUtf8),
        }
        Ok(rest)
    }

    /// Keeps an unfinished character, which in UTF-8 has at most three bytes.
    fn keep(&mut self, unfinished: &[u8]) {
        let len = unfinished.len().min(self.pending.len());
        self.pending[..len].copy_from_slice(&unfinished[..len]);
        // At most three.
        self.pending_len = len as u8;
    }
}

/// The length in bytes of the character that begins with `first`, which is not ASCII (RFC 3629 section 3).
const fn sequence_len(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    }
}

/// Whether `bytes`, a whole text, is UTF-8.
#[inline]
#[must_use]
pub fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Whether `bytes` are all ASCII, so that the text needs no decoding.
#[inline]
#[must_use]
pub fn is_ascii(bytes: &[u8]) -> bool {
    bytes.is_ascii()
}
