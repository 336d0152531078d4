//! Random bytes from the system: masks and keys (RFC 6455 section 10.3).

/// Bytes drawn at once.
const POOL: usize = 4096;

/// Masks drawn from a pool that is filled by one call of the system at a time.
pub struct MaskPool {
    bytes: Vec<u8>,
    used: usize,
}

impl MaskPool {
    /// An empty pool: it is filled when the first mask is asked for.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), used: 0 }
    }

    /// The next four bytes.
    ///
    /// "The masking key needs to be unpredictable" (RFC 6455 section 5.3).
    #[inline]
    pub fn next_mask(&mut self) -> [u8; 4] {
        let mask = self.bytes.get(self.used..).and_then(|rest| rest.first_chunk::<4>().copied());
        match mask {
            Some(mask) => {
                self.used += 4;
                mask
            }
            None => self.refill(),
        }
    }

    fn refill(&mut self) -> [u8; 4] {
        self.bytes.resize(POOL, 0);
        fill(&mut self.bytes);
        self.used = 4;
        self.bytes.first_chunk::<4>().copied().unwrap_or_default()
    }

    /// Forgets what was drawn: after a fork, parent and child must not share masks.
    pub fn discard(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }
}

impl Default for MaskPool {
    fn default() -> Self {
        Self::new()
    }
}

/// Fills `bytes` from the system's entropy.
///
/// Where the system has none to give (no kernel we run on does that after boot), the process ends
/// rather than go on with keys that can be guessed.
pub fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_differ_across_refills_and_after_discard() {
        let mut pool = MaskPool::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2 * POOL / 4 + 1 {
            seen.insert(pool.next_mask());
        }
        // 2,049 of 2^32: a repetition has a chance of 1 in 2,000, a constant one of none.
        assert!(seen.len() > 2 * POOL / 4 - 2, "{} different masks", seen.len());
        let next: Vec<u8> = pool.bytes[pool.used..pool.used + 4].to_vec();
        pool.discard();
        assert_ne!(pool.next_mask().to_vec(), next);
    }
}
