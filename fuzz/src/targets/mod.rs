//! The fuzz targets. A target takes any bytes, and panics if an invariant does not hold.

#[cfg(unix)]
mod engine;
mod extensions;
mod frames;
mod heads;
mod inflate;
mod masking;
mod session;

/// One fuzz target.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// The most bytes of memory that an input of this length may cost, including the test's own copies.
    pub memory: fn(usize) -> usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

pub const TARGETS: &[Target] = &[
    // The target itself asserts how much a receiver may hold; this bound is for all results side by side.
    Target { name: "frames", run: frames::run, memory: |_| 64 * MIB },
    Target { name: "masking", run: masking::run, memory: |len| 64 * KIB + 48 * len },
    Target { name: "inflate", run: inflate::run, memory: |_| 8 * MIB },
    Target { name: "heads", run: heads::run, memory: |len| 96 * KIB + 64 * len },
    Target { name: "extensions", run: extensions::run, memory: |len| 64 * KIB + 256 * len },
    Target { name: "session", run: session::run, memory: |_| 64 * MIB },
    #[cfg(unix)]
    Target { name: "engine", run: engine::run, memory: |_| 64 * MIB },
];

/// An input that is read from its front; after its end come zeros.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next `count` bytes, or all that are left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (front, back) = self.0.split_at(count.min(self.0.len()));
        self.0 = back;
        front
    }
}

/// `bytes` in pieces, cut where `seed` decides.
pub fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut random = fastrand::Rng::with_seed(u64::from(seed));
    let most = [1, 2, 5, 17, 100, 1000][usize::from(seed) % 6];
    let (mut all, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(random.usize(1..=most).min(rest.len()));
        all.push(piece);
        rest = behind;
    }
    all
}
