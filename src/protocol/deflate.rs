//! The DEFLATE half of permessage-deflate (RFC 7692 section 7.2): compressors, decompressors and the
//! pool they live in.
//!
//! Rules of this folder:
//! - an idle connection owns no zlib state: [`Deflater`] and [`Inflater`] are small handles. The states (about
//!   370 KiB to compress, 44 KiB to decompress) live in a [`Codec`], one per event loop. It keeps a bounded
//!   number of them and evicts the least recently used first;
//! - a peer never notices an eviction: a compressor may forget its history at any flush ("LZ77 sliding
//!   window … retained" is an option of the sender, RFC 7692 section 7.2.1), and a decompressor is
//!   restored from the last bytes of output, at most one window, which its [`Inflater`] keeps;
//! - a short message needs neither: `short_deflate` makes it, and `short_inflate` reads it if it is made so, both
//!   from what the connection keeps anyway;
//! - memory follows what has arrived, and no input reaches a panic.
//!
//! `states.rs` makes every call into zlib-rs. CONTRIBUTING says why it does not go through flate2.

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
