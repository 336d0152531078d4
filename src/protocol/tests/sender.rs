//! The headers that the sender writes, by the rules of ws's `Sender.send`.

use super::super::deflate::DeflateParams;
use super::super::frame::{Opcode, Role};
use super::super::sender::{DataFrame, SendOptions, Sender};
use super::codec;

const WHOLE: SendOptions = SendOptions { binary: false, compress: true, fin: true };
const PART: SendOptions = SendOptions { fin: false, ..WHOLE };

fn frame(opcode: Opcode, fin: bool, rsv1: bool, compress: bool) -> DataFrame {
    DataFrame { fin, rsv1, opcode, compress }
}

#[test]
fn without_permessage_deflate_nothing_is_compressed() {
    let mut sender = Sender::new(Role::Server, None);
    assert_eq!(sender.begin(9999, &WHOLE), frame(Opcode::Text, true, false, false));
    let binary = SendOptions { binary: true, ..WHOLE };
    assert_eq!(sender.begin(0, &binary), frame(Opcode::Binary, true, false, false));
}

#[test]
fn the_first_fragment_decides_for_its_message() {
    let mut sender = Sender::new(Role::Client, Some(DeflateParams::default()));
    assert_eq!(sender.begin(1, &PART), frame(Opcode::Text, false, true, true));
    assert!(sender.is_in_message());
    let other = SendOptions { binary: true, compress: false, ..PART };
    assert_eq!(sender.begin(1, &other), frame(Opcode::Continuation, false, false, true));
    assert_eq!(sender.begin(1, &WHOLE), frame(Opcode::Continuation, true, false, true));
    assert!(!sender.is_in_message());
    assert_eq!(sender.begin(1, &other), frame(Opcode::Binary, false, false, false));
    assert_eq!(sender.begin(1, &WHOLE), frame(Opcode::Continuation, true, false, false));
    assert_eq!(sender.begin(1, &WHOLE), frame(Opcode::Text, true, true, true));
}

#[test]
fn the_threshold_holds_without_our_context_takeover() {
    for (no_context_takeover, len, compressed) in
        [(true, 1023, false), (true, 1024, true), (false, 0, true), (false, 1023, true)]
    {
        let params =
            DeflateParams { no_context_takeover, threshold: 1024, ..DeflateParams::default() };
        let mut sender = Sender::new(Role::Server, Some(params));
        assert_eq!(sender.begin(len, &WHOLE).compress, compressed, "{len}");
    }
    // Only the first fragment is compared with the threshold.
    let params =
        DeflateParams { no_context_takeover: true, threshold: 10, ..DeflateParams::default() };
    let mut sender = Sender::new(Role::Server, Some(params));
    assert!(!sender.begin(9, &PART).compress);
    assert!(!sender.begin(5000, &WHOLE).compress);
    assert!(sender.begin(10, &PART).compress);
    assert!(sender.begin(0, &WHOLE).compress);
}

#[test]
fn with_a_window_that_zlib_cannot_make_messages_go_uncompressed() {
    let params = DeflateParams { window_bits: 8, ..DeflateParams::default() };
    let mut sender = Sender::new(Role::Client, Some(params));
    let frame = sender.begin(5000, &WHOLE);
    assert!(!frame.rsv1 && !frame.compress);
    let mut out = b"before ".to_vec();
    sender.compress(&mut codec(), &frame, b"as it is", &mut out).expect("nothing to do");
    assert_eq!(out, b"before as it is");
}

#[test]
fn a_client_masks() {
    assert!(Sender::new(Role::Client, None).is_masking());
    assert!(!Sender::new(Role::Server, None).is_masking());
    let header = frame(Opcode::Text, true, false, false).header(7, Some([1, 2, 3, 4]));
    assert_eq!((header.length, header.mask), (7, Some([1, 2, 3, 4])));
}
