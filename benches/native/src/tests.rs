//! Tests of the shared parts, by tables of bytes.

#![allow(clippy::unwrap_used)]

use crate::frame::{FIN, Header, TEXT, client_frame, mask_in_place, mask_into, write_header};
use crate::handshake::{
    accept_value, check_answer, client_request, head_len, header, server_answer,
};

#[test]
fn a_header_is_read_back_as_it_was_written() {
    for payload in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, 1 << 20] {
        let mut bytes = [0; 14];
        let len = write_header(&mut bytes, FIN | TEXT, payload, 0);
        for cut in 0..len {
            assert_eq!(Header::parse(&bytes[..cut]), None, "{payload} cut at {cut}");
        }
        let header = Header::parse(&bytes[..len]).unwrap();
        assert_eq!(
            (header.first, header.mask, header.len, header.payload),
            (0x81, None, len, payload)
        );
    }
}

#[test]
fn the_masked_hello_of_rfc_6455_section_5_7() {
    let frame = client_frame(FIN | TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
    assert_eq!(frame, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    let header = Header::parse(&frame).unwrap();
    assert_eq!((header.opcode(), header.len, header.payload), (TEXT, 6, 5));
    let mut payload = frame[6..].to_vec();
    mask_in_place(&mut payload, header.mask.unwrap());
    assert_eq!(payload, b"Hello");
}

#[test]
fn masking_is_the_plain_formula_at_every_length() {
    let mask = [1, 2, 4, 8];
    for len in 0..70_u8 {
        let plain: Vec<u8> = (0..len).collect();
        let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]).collect();
        let mut masked = vec![0; plain.len()];
        mask_into(&mut masked, &plain, mask);
        assert_eq!(masked, expected);
    }
}

#[test]
fn the_handshake_of_rfc_6455_section_1_3() {
    assert_eq!(accept_value(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let request = client_request(80, false);
    assert_eq!(head_len(request.as_bytes()), Some(request.len()));
    let answer = server_answer(&request).unwrap();
    assert!(check_answer(&answer, None).is_ok());
    assert!(check_answer(&answer, Some(12)).is_err(), "deflate was asked for and not agreed");
    assert!(check_answer("HTTP/1.1 400 Bad Request\r\n\r\n", None).is_err());
    assert_eq!(header(&answer, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(server_answer("GET / HTTP/1.1\r\n\r\n"), None);
}

#[test]
fn the_window_that_the_server_allows_must_suffice() {
    let plain = server_answer(&client_request(80, true)).unwrap();
    let with = |parameters: &str| {
        let line = format!("\r\nSec-WebSocket-Extensions: permessage-deflate{parameters}\r\n\r\n");
        plain.replace("\r\n\r\n", &line)
    };
    assert!(check_answer(&with(""), Some(12)).is_ok());
    assert!(
        check_answer(&with("; server_max_window_bits=9; client_max_window_bits=12"), Some(12))
            .is_ok()
    );
    assert!(check_answer(&with("; client_max_window_bits=11"), Some(12)).is_err());
    assert!(check_answer(&with(""), None).is_err(), "not offered");
}
