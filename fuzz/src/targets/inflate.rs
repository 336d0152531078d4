//! DEFLATE: our implementation against the C zlib, whole messages against cut ones, and a pool that keeps nothing
//! against one that keeps states; and messages that we compress ourselves inflate to the same.
//!
//! Input: flags (bit 0: no context takeover; bit 1: the messages are to be compressed first), a byte that decides
//! the cuts, the limit in units of 256 bytes, then messages: a length (2 bytes) and as many bytes.

use _core::protocol::deflate::{Codec, CodecLimits, DeflateParams, Deflater};
use _core::protocol::deflate::{InflateParams, Inflater};
use _core::protocol::error::ProtocolError;
use flate2::{Decompress, FlushDecompress, Status};

use super::{Bytes, pieces};

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
const WINDOW: usize = 32 * 1024;

/// zlib's result for one message: its output up to `limit` + 1 bytes, and whether that is all of it.
struct Zlib {
    state: Decompress,
    window: Vec<u8>,
    no_takeover: bool,
    ended: bool,
}

enum Verdict {
    Good(Vec<u8>),
    TooLong,
    Bad,
}

impl Zlib {
    fn new(no_takeover: bool) -> Self {
        let state = Decompress::new(false);
        Self { state, window: Vec::new(), no_takeover, ended: false }
    }

    /// A stream that begins after the end of another one and has its window (RFC 7692 section 7.2.3.4).
    fn begin_stream(&mut self, output: &[u8]) {
        self.state.reset(false);
        let all = [&self.window, output].concat();
        let window = &all[all.len().saturating_sub(WINDOW)..];
        if !window.is_empty() {
            self.state
                .set_dictionary(window)
                .expect("a raw stream takes a dictionary at its start");
        }
        self.ended = false;
    }

    fn message(&mut self, payload: &[u8], limit: usize) -> Verdict {
        let mut output = Vec::new();
        if payload.is_empty() {
            return Verdict::Good(output);
        }
        if self.no_takeover {
            self.window.clear();
            self.begin_stream(&[]);
        }
        for (input, tail) in [(payload, false), (&TAIL[..], true)] {
            if tail && self.ended {
                break;
            }
            if let Err(verdict) = self.feed(input, limit, &mut output) {
                return verdict;
            }
        }
        self.window.extend_from_slice(&output);
        let surplus = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..surplus);
        Verdict::Good(output)
    }

    /// True if the message that zlib has just taken ended within a block.
    fn is_inside(&mut self) -> bool {
        let mut output = Vec::new();
        self.feed(&[0], usize::MAX, &mut output).is_err() || !output.is_empty()
    }

    fn feed(&mut self, mut input: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Verdict> {
        let mut chunk = vec![0; 4096];
        loop {
            if self.ended && !input.is_empty() {
                self.begin_stream(out);
            }
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, &mut chunk, FlushDecompress::Sync);
            let produced = (self.state.total_out() - written) as usize;
            input = &input[(self.state.total_in() - read) as usize..];
            out.extend_from_slice(&chunk[..produced]);
            if out.len() > limit {
                return Err(Verdict::TooLong);
            }
            match status {
                Err(_) => return Err(Verdict::Bad),
                Ok(Status::StreamEnd) => self.ended = true,
                Ok(_) if produced < chunk.len() && input.is_empty() => return Ok(()),
                Ok(Status::BufError) if produced == 0 => return Ok(()),
                Ok(_) => {}
            }
            if self.ended && input.is_empty() {
                return Ok(());
            }
        }
    }
}

fn codec(kept: usize) -> Codec {
    Codec::new(CodecLimits { max_compressors: kept, max_decompressors: kept, max_tables: kept })
}

/// One of our connections.
struct Ours(Inflater, Codec);

impl Ours {
    fn new(params: InflateParams, kept: usize) -> Self {
        Self(Inflater::new(params), codec(kept))
    }

    fn message(&mut self, pieces: &[&[u8]], limit: usize) -> Result<Vec<u8>, ProtocolError> {
        let mut output = Vec::new();
        let Ours(inflater, codec) = self;
        for piece in pieces {
            inflater.inflate(codec, piece, false, Some(limit as u64), &mut output)?;
            assert!(output.len() <= limit);
        }
        inflater.inflate(codec, &[], true, Some(limit as u64), &mut output)?;
        assert!(inflater.memory() <= 2 * WINDOW, "a window at most");
        Ok(output)
    }
}

fn without_words(result: Result<Vec<u8>, ProtocolError>) -> Result<Vec<u8>, ProtocolError> {
    result.map_err(|error| match error {
        ProtocolError::InvalidDeflate { .. } => ProtocolError::InvalidDeflate { reason: "" },
        other => other,
    })
}

/// Compares with zlib, which does not say if a message ended within a block, an error in ours. The test therefore
/// adds a byte after the tail: if the message ended properly, it starts a stored block.
fn compare(ours: &Result<Vec<u8>, ProtocolError>, said: Verdict, zlib: &mut Zlib) {
    match (ours, said) {
        (Ok(ours), Verdict::Good(zlib)) => assert_eq!(*ours, zlib, "another output"),
        (Err(ProtocolError::UnsupportedMessageLength), Verdict::TooLong)
        | (Err(ProtocolError::InvalidDeflate { .. }), Verdict::Bad)
        | (
            Err(ProtocolError::InvalidDeflate { reason: "unexpected end of file" }),
            Verdict::Good(_),
        ) => {}
        (Err(_), Verdict::Good(_)) if zlib.is_inside() => {}
        (ours, Verdict::Good(_)) => panic!("zlib takes it, ours says {ours:?}"),
        (ours, Verdict::TooLong) => panic!("zlib has too much, ours says {ours:?}"),
        (ours, Verdict::Bad) => panic!("zlib refuses it, ours says {ours:?}"),
    }
}

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let (flags, cut) = (input.byte(), input.byte());
    let limit = (usize::from(input.byte()) + 1) * 256;
    let no_context_takeover = flags & 1 != 0;
    let params = InflateParams { window_bits: 15, no_context_takeover };
    let deflate = DeflateParams { no_context_takeover, threshold: 0, ..DeflateParams::default() };
    let (mut deflater, mut their_codec) = (Deflater::new(deflate), codec(1));
    let mut zlib = Zlib::new(no_context_takeover);
    let mut sides = [Ours::new(params, 2), Ours::new(params, 2), Ours::new(params, 0)];
    while !input.is_empty() {
        let count = usize::from(input.word());
        let plain = input.take(count);
        let mut payload = plain.to_vec();
        if flags & 2 != 0 {
            payload.clear();
            let made = deflater.deflate(&mut their_codec, plain, true, &mut payload);
            assert_eq!(made, Ok(()));
        }
        let cut_up = pieces(&payload, cut);
        let whole = sides[0].message(&[&payload], limit);
        let said = zlib.message(&payload, limit);
        compare(&whole, said, &mut zlib);
        if flags & 2 != 0 && plain.len() <= limit {
            assert_eq!(whole.as_deref(), Ok(plain), "it does not come back");
        }
        let whole = without_words(whole);
        assert_eq!(without_words(sides[1].message(&cut_up, limit)), whole, "cut");
        assert_eq!(without_words(sides[2].message(&cut_up, limit)), whole, "without a pool");
        if whole.is_err() {
            return;
        }
    }
}
