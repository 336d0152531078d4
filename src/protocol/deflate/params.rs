//! What both sides of a connection know about its compression: what the RFCs fix, what is agreed (RFC 7692
//! section 7.1), and what a sender decides for itself.

/// The rest of an empty stored block, which a sender removes from the end of a message and a receiver appends
/// again (RFC 7692 sections 7.2.1 and 7.2.2).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The largest LZ77 window, in bytes (RFC 1951 section 3.2.5: distances go up to 32768).
pub(super) const MAX_WINDOW: usize = 1 << 15;

/// zlib's number for a level that the library chooses.
pub(super) const DEFAULT_LEVEL: i32 = -1;

/// zlib's `strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// `Z_DEFAULT_STRATEGY`: for any data.
    #[default]
    Default,
    /// `Z_FILTERED`: for small values with a random distribution.
    Filtered,
    /// `Z_HUFFMAN_ONLY`: no matching of strings.
    HuffmanOnly,
    /// `Z_RLE`: matches of distance one only.
    Rle,
    /// `Z_FIXED`: no dynamic Huffman codes.
    Fixed,
}

impl Strategy {
    /// The strategy with zlib's number `number`, 0 to 4.
    #[must_use]
    pub const fn from_zlib(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Default,
            1 => Self::Filtered,
            2 => Self::HuffmanOnly,
            3 => Self::Rle,
            4 => Self::Fixed,
            _ => return None,
        })
    }
}

/// How one side of a connection compresses: what was agreed (RFC 7692 section 7.1), and what it decides alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    /// Base-2 logarithm of the LZ77 window: 8 to 15. With 8 nothing is compressed, because zlib makes raw DEFLATE
    /// streams with 9 or more only.
    pub window_bits: u8,
    /// Forget the history after every message.
    pub no_context_takeover: bool,
    /// zlib's `level`: 0 to 9, or -1 for the default: 1 for messages up to 256 bytes, 2 for longer ones.
    pub level: i32,
    /// zlib's `memLevel`: 1 to 9.
    pub mem_level: u8,
    /// zlib's `strategy`.
    pub strategy: Strategy,
    /// The shortest message to compress, in bytes, if the history is forgotten after every message.
    pub threshold: usize,
}

impl Default for DeflateParams {
    /// ws's defaults, with the default level.
    fn default() -> Self {
        Self {
            window_bits: 15,
            no_context_takeover: false,
            level: DEFAULT_LEVEL,
            mem_level: 8,
            strategy: Strategy::Default,
            threshold: 1024,
        }
    }
}

/// How the peer compresses (RFC 7692 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InflateParams {
    /// Base-2 logarithm of the peer's LZ77 window: 8 to 15.
    pub window_bits: u8,
    /// The peer forgets its history after every message.
    pub no_context_takeover: bool,
}

impl Default for InflateParams {
    /// The parameters that hold if nothing else was agreed.
    fn default() -> Self {
        Self { window_bits: 15, no_context_takeover: false }
    }
}
