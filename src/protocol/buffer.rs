//! The storage that a message grows in: a `Vec<u8>` here, a Python `bytes` under construction in the bindings.

use std::fmt;

use super::error::ProtocolError;
use crate::simd::mask;

/// The allocator had no memory for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Out of memory")
    }
}

impl std::error::Error for OutOfMemory {}

impl From<OutOfMemory> for ProtocolError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<std::collections::TryReserveError> for OutOfMemory {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self
    }
}

/// Storage that a message grows in. All sizes are in bytes. A failed call may lose the content, which the receiver
/// drops anyway.
pub trait MessageBuffer: Sized {
    /// An empty buffer that can take `capacity` bytes without growing.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the allocator refuses.
    fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory>;

    /// Makes room for `additional` more bytes, growing by a factor so that appending is linear.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the allocator refuses.
    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory>;

    /// Makes room for exactly `additional` more bytes: the caller sees to it that the buffer grows by a factor.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the allocator refuses.
    fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory>;

    /// Bytes filled.
    fn len(&self) -> usize;

    /// Whether nothing is filled.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that fit without growing, the filled ones included.
    fn capacity(&self) -> usize;

    /// The filled part.
    fn as_slice(&self) -> &[u8];

    /// The filled part.
    fn as_mut_slice(&mut self) -> &mut [u8];

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the allocator refuses.
    fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory>;

    /// Unmasks `bytes` (RFC 6455 section 5.3) and appends them, in one pass. `phase` is how many bytes of the frame's
    /// payload came before them.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the allocator refuses.
    fn extend_unmasked(
        &mut self,
        bytes: &[u8],
        mask: [u8; 4],
        phase: usize,
    ) -> Result<(), OutOfMemory>;
}

impl MessageBuffer for Vec<u8> {
    fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        let mut buffer = Self::new();
        buffer.try_reserve_exact(capacity)?;
        Ok(buffer)
    }

    #[inline]
    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        Ok(self.try_reserve(additional)?)
    }

    #[inline]
    fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        Ok(self.try_reserve_exact(additional)?)
    }

    #[inline]
    fn len(&self) -> usize {
        Self::len(self)
    }

    #[inline]
    fn capacity(&self) -> usize {
        Self::capacity(self)
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [u8] {
        self
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.try_reserve(bytes.len())?;
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn extend_unmasked(
        &mut self,
        bytes: &[u8],
        mask: [u8; 4],
        phase: usize,
    ) -> Result<(), OutOfMemory> {
        self.try_reserve(bytes.len())?;
        mask::extend_masked(self, bytes, mask, phase);
        Ok(())
    }
}
