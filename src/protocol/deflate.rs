//! The DEFLATE half of permessage-deflate (RFC 7692 section 7.2): compressors, decompressors and the
//! pool they live in.
//!
//! Rules of this folder:
//! - a connection owns no zlib state while it is idle: [`Deflater`] and [`Inflater`] are small handles,
//!   the state (about 370 KiB to compress, 44 KiB to decompress) lives in a [`Codec`], one per event
//!   loop, bounded in number, the least recently used first out;
//! - eviction is never seen by a peer: a compressor may forget its history at any flush ("LZ77 sliding
//!   window … retained" is an option of the sender, RFC 7692 section 7.2.1), and a decompressor is
//!   restored from the last bytes of output that its [`Inflater`] keeps, at most one window;
//! - a short message needs neither: `short_deflate` makes it, and `short_inflate` reads it if it is made so, both
//!   from what the connection keeps anyway;
//! - memory follows what has arrived, and no input reaches a panic.
//!
//! zlib-rs is used directly, as flate2 on top of it has neither memLevel nor strategy; every call into
//! it is in this folder.

mod codec;
mod deflater;
mod history;
mod inflater;
mod lease;
mod params;
mod pool;
mod short_deflate;
mod short_inflate;
mod states;

#[cfg(test)]
mod tests;

pub use codec::{Codec, CodecLimits, CodecUsage};
pub use deflater::Deflater;
pub use inflater::Inflater;
pub use params::{DeflateParams, InflateParams, Strategy};
