//! The data of a message that must outlive the call that passed it in, and be readable without the GIL.

#![allow(unsafe_code)]

use pyo3::prelude::*;

use crate::bindings::convert::payload::Payload;

enum Kept {
    /// An immutable object (bytes, str), and the address of its bytes.
    Object {
        object: Py<PyAny>,
        data: *const u8,
        len: usize,
    },
    Copy(Vec<u8>),
}

/// Bytes that never change. A thread without the GIL may read and drop them.
pub struct OwnedPayload(Kept);

// SAFETY: the pointer is only read. It points into an object that is immutable and that the reference keeps
// alive. If a thread without the GIL drops the reference, pyo3 defers that.
unsafe impl Send for OwnedPayload {}

impl OwnedPayload {
    /// Keeps an immutable object. Copies the data of any other object, whose owner may change it.
    pub fn of(payload: &Payload<'_>) -> Self {
        let data = payload.as_slice();
        let object = match payload {
            Payload::Bytes(bytes) => bytes.clone().into_any().unbind(),
            Payload::Text(text) => text.clone().into_any().unbind(),
            Payload::Empty | Payload::View(_) => return Self::copy(data),
        };
        Self(Kept::Object { object, data: data.as_ptr(), len: data.len() })
    }

    pub fn copy(data: &[u8]) -> Self {
        Self(Kept::Copy(data.to_vec()))
    }

    /// The object if it is a `bytes`.
    pub fn bytes<'py>(&self, py: Python<'py>) -> Option<Payload<'py>> {
        match &self.0 {
            Kept::Object { object, .. } => object
                .bind(py)
                .cast::<pyo3::types::PyBytes>()
                .ok()
                .map(|one| Payload::Bytes(one.clone())),
            Kept::Copy(_) => None,
        }
    }
}

impl AsRef<[u8]> for OwnedPayload {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            // SAFETY: the object lives as long as `self`. While it does, the bytes of a `bytes` and the UTF-8
            // form of a `str` neither move nor change.
            Kept::Object { data, len, .. } => unsafe { std::slice::from_raw_parts(*data, *len) },
            Kept::Copy(data) => data,
        }
    }
}
