//! A DEFLATE decoder by another author (miniz_oxide), with which ours must agree.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// The last block had BFINAL, and nothing followed it.
    pub(super) ended: bool,
}

/// Decodes `input`, whose matches may refer to `history`, into at most `room` bytes. Returns `None` if it is not a
/// DEFLATE stream. After a block with BFINAL another stream begins, which may refer to everything before it.
pub(super) fn decode(input: &[u8], history: &[u8], room: usize) -> Option<Decoded> {
    let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut bytes = history.to_vec();
    // There is room for one more byte: with a full buffer the decoder always says that there may be more output.
    bytes.resize(history.len() + room + 1, 0);
    let (mut read, mut written, mut ended) = (0, history.len(), false);
    while read < input.len() {
        let mut decoder = DecompressorOxide::new();
        let (status, taken, made) =
            decompress(&mut decoder, &input[read..], &mut bytes, written, flags);
        (read, written) = (read + taken, written + made);
        ended = match status {
            TINFLStatus::Done => true,
            TINFLStatus::NeedsMoreInput => false,
            TINFLStatus::HasMoreOutput => panic!("more than {room} bytes"),
            _ => return None,
        };
    }
    bytes.truncate(written);
    bytes.drain(..history.len());
    Some(Decoded { bytes, ended })
}

/// Decodes one stream with a ring of `window` bytes, a power of two. Returns `None` if a match reaches beyond it.
pub(super) fn decode_within(window: usize, input: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = DecompressorOxide::new();
    let (mut ring, mut at, mut read) = (vec![0; window], 0, 0);
    let mut bytes = Vec::new();
    loop {
        let input = &input[read..];
        let (status, taken, made) =
            decompress(&mut decoder, input, &mut ring, at, TINFL_FLAG_HAS_MORE_INPUT);
        bytes.extend_from_slice(&ring[at..at + made]);
        (read, at) = (read + taken, (at + made) % window);
        match status {
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::Done | TINFLStatus::NeedsMoreInput => return Some(bytes),
            _ => return None,
        }
    }
}

/// The example of RFC 7692 section 7.2.3.1, with the 4 bytes, and the match of 7.2.3.2.
#[test]
fn it_reads_the_examples_of_the_rfc() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff];
    let decoded = || Some(Decoded { bytes: b"Hello".to_vec(), ended: false });
    assert_eq!(decode(&hello, b"", 5), decoded());
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff];
    assert_eq!(decode(&again, b"Hello", 5), decoded());
    assert_eq!(decode(&again, b"Hel", 5), None, "a match from before the history");
}
