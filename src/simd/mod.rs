//! Masking (RFC 6455 section 5.3) and UTF-8 validation (section 8.1): a plain reference for each, and the fast paths.
//! This is the only CPU-specific code of the crate.

pub mod mask;
pub mod prefetch;
pub mod utf8;

use utf8::{InvalidUtf8, Utf8};

/// Bytes that are unmasked and then validated before the next ones are touched. They are few enough to stay in the
/// first-level cache (32 KiB or more everywhere) for the second pass.
const BLOCK: usize = 8 * 1024;

/// Unmasks `buf` in place and feeds the plain text to `utf8`.
///
/// `phase` is how many bytes of the frame's payload came before `buf`. Runs of ASCII are recognised
/// while unmasking and cost no second pass.
///
/// # Errors
/// [`InvalidUtf8`] as soon as no valid text can begin with what came so far. The blocks after the offending one stay
/// masked.
pub fn unmask_validate(
    buf: &mut [u8],
    mask: [u8; 4],
    phase: usize,
    utf8: &mut Utf8,
) -> Result<(), InvalidUtf8> {
    // A power of two: the phase within the mask is the same for every block.
    for block in buf.chunks_mut(BLOCK) {
        let ascii = mask::mask_in_place_is_ascii(block, mask, phase);
        if !(ascii && utf8.is_at_boundary()) {
            utf8.feed(block)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
