//! Random bytes from the system: masks and keys (RFC 6455 section 10.3).

/// Bytes that one system call draws.
const POOL: usize = 4096;

/// A pool of masks, which one system call at a time fills.
pub struct MaskPool {
    bytes: Vec<u8>,
    used: usize,
}

impl MaskPool {
    /// An empty pool, which is filled when the first mask is needed.
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

    /// Empties the pool: after a fork, parent and child must not share masks.
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
/// If the system has none (which happens on none of our kernels after boot), the process aborts rather than continue
/// with keys that can be guessed.
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
        // These are 2,049 of 2^32 keys: a repetition has a chance of 1 in 2,000.
        assert!(seen.len() > 2 * POOL / 4 - 2, "{} different masks", seen.len());
        let next: Vec<u8> = pool.bytes[pool.used..pool.used + 4].to_vec();
        pool.discard();
        assert_ne!(pool.next_mask().to_vec(), next);
    }
}
