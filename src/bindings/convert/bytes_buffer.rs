//! A Python `bytes` under construction. The receiver puts a message straight into it, so that the message is
//! not copied again on its way to the listener.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::protocol::buffer::{MessageBuffer, OutOfMemory};
use crate::simd::mask;

/// A `bytes` object that is not shared yet. The first `len` of its `capacity` bytes are filled.
///
/// It is only made, grown and dropped by threads that hold the GIL, because it lives in a `Receiver` inside a
/// pyclass.
pub struct BytesBuffer {
    /// Null only after a failed growth, with length and capacity 0.
    object: *mut ffi::PyObject,
    len: usize,
    capacity: usize,
}

// SAFETY: it is reached through a GilCell, hence only by the thread that holds the GIL.
unsafe impl Send for BytesBuffer {}

#[cfg(unix)]
unsafe extern "C" {
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> std::ffi::c_int;
}

impl BytesBuffer {
    fn data(&self) -> *mut u8 {
        if self.object.is_null() {
            return NonNull::dangling().as_ptr();
        }
        // SAFETY: `object` is a live, exact bytes object; its data follow its head.
        unsafe { ffi::PyBytes_AsString(self.object).cast() }
    }

    /// The part that is not filled yet, at most `limit` bytes of it.
    pub fn spare(&mut self, limit: usize) -> &mut [MaybeUninit<u8>] {
        let room = (self.capacity - self.len).min(limit);
        // SAFETY: bytes len..capacity belong to this object, which is not shared yet.
        unsafe { slice::from_raw_parts_mut(self.data().add(self.len).cast(), room) }
    }

    /// Counts `n` bytes of the spare part as filled.
    ///
    /// # Safety
    /// The first `n` bytes of `spare` must have been written, and `n` must be at most its length.
    pub unsafe fn advance(&mut self, n: usize) {
        debug_assert!(self.len + n <= self.capacity);
        self.len += n;
    }

    #[cfg(unix)]
    fn resize(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
        if self.object.is_null() {
            *self = Self::with_capacity(capacity)?;
            return Ok(());
        }
        // SAFETY: this is the only reference to an exact bytes object. On failure CPython frees it, leaves a
        // null pointer in its place and sets a MemoryError; our own error value reports it instead.
        unsafe {
            if _PyBytes_Resize(&raw mut self.object, capacity as ffi::Py_ssize_t) == 0 {
                self.capacity = capacity;
                return Ok(());
            }
            ffi::PyErr_Clear();
        }
        (self.len, self.capacity) = (0, 0);
        Err(OutOfMemory)
    }

    #[cfg(not(unix))]
    fn resize(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
        let mut grown = Self::with_capacity(capacity)?;
        let kept = self.len.min(capacity);
        MessageBuffer::extend(&mut grown, &self.as_slice()[..kept])?;
        *self = grown;
        Ok(())
    }

    /// Turns it into memory that a thread without the GIL may fill. Returns `None` after a failed growth.
    pub fn into_room(self, py: Python<'_>) -> Option<Room> {
        if self.object.is_null() {
            return None;
        }
        let (data, len, capacity) = (self.data(), self.len, self.capacity);
        // SAFETY: this is an owned reference to a bytes object. It is passed on, and `self` is not dropped.
        let object = unsafe { Bound::from_owned_ptr(py, self.object) }.unbind();
        std::mem::forget(self);
        Some(Room { object, data, len, capacity })
    }

    /// Returns the finished `bytes`.
    pub fn into_bytes(mut self, py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
        if self.len == 0 {
            return Ok(PyBytes::new(py, b""));
        }
        if self.len != self.capacity {
            self.resize(self.len)
                .map_err(|_| pyo3::exceptions::PyMemoryError::new_err("no memory for a message"))?;
        }
        let object = self.object;
        std::mem::forget(self);
        // SAFETY: this is an owned reference to a bytes object, which is passed on.
        unsafe { Ok(Bound::from_owned_ptr(py, object).cast_into_unchecked()) }
    }
}

/// The memory of a [`BytesBuffer`], which a thread without the GIL fills. It does not grow.
pub struct Room {
    object: Py<PyAny>,
    data: *mut u8,
    len: usize,
    capacity: usize,
}

// SAFETY: the memory belongs to an object that is not shared yet and that the reference keeps alive. If a
// thread without the GIL drops the reference, pyo3 defers that.
unsafe impl Send for Room {}

impl Room {
    /// Number of bytes that are filled.
    pub const fn filled(&self) -> usize {
        self.len
    }

    /// Turns it back into a buffer that can grow. The caller must hold the GIL, and so must the thread that
    /// drops the buffer; see the type.
    pub fn into_buffer(self) -> BytesBuffer {
        let Self { object, len, capacity, .. } = self;
        BytesBuffer { object: object.into_ptr(), len, capacity }
    }
}

impl MessageBuffer for Room {
    fn with_capacity(_: usize) -> Result<Self, OutOfMemory> {
        Err(OutOfMemory)
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        if self.capacity - self.len >= additional { Ok(()) } else { Err(OutOfMemory) }
    }

    fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        self.reserve(additional)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are filled, and stay where they are while `object` lives.
        unsafe { slice::from_raw_parts(self.data, self.len) }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above; there is no other reference to the object yet.
        unsafe { slice::from_raw_parts_mut(self.data, self.len) }
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.reserve(bytes.len())?;
        // SAFETY: there is room for them; the source is another allocation.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.data.add(self.len), bytes.len());
        }
        self.len += bytes.len();
        Ok(())
    }

    fn extend_unmasked(
        &mut self,
        bytes: &[u8],
        key: [u8; 4],
        phase: usize,
    ) -> Result<(), OutOfMemory> {
        let start = self.len;
        self.extend(bytes)?;
        mask::mask_in_place(&mut self.as_mut_slice()[start..], key, phase);
        Ok(())
    }
}

impl Drop for BytesBuffer {
    fn drop(&mut self) {
        // SAFETY: the GIL is held (see the type); this is the only reference.
        unsafe { ffi::Py_XDECREF(self.object) }
    }
}

impl MessageBuffer for BytesBuffer {
    fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        // CPython shares the empty `bytes` and those of one byte, but not a `bytes` of at least one byte that
        // is made without content.
        let capacity = capacity.max(1);
        // SAFETY: the GIL is held (see the type). A null source leaves the bytes uninitialised.
        let object = unsafe {
            ffi::PyBytes_FromStringAndSize(std::ptr::null(), capacity as ffi::Py_ssize_t)
        };
        if object.is_null() {
            // SAFETY: as above; our own error value reports the MemoryError.
            unsafe { ffi::PyErr_Clear() };
            return Err(OutOfMemory);
        }
        Ok(Self { object, len: 0, capacity })
    }

    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        if self.capacity - self.len >= additional {
            return Ok(());
        }
        let wanted = self.len.checked_add(additional).ok_or(OutOfMemory)?;
        self.resize(wanted.max(self.capacity.saturating_mul(2)))
    }

    fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        if self.capacity - self.len >= additional {
            return Ok(());
        }
        self.resize(self.len.checked_add(additional).ok_or(OutOfMemory)?)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are filled.
        unsafe { slice::from_raw_parts(self.data(), self.len) }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the first `len` bytes are filled, and there is no other reference to the object yet.
        unsafe { slice::from_raw_parts_mut(self.data(), self.len) }
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.reserve(bytes.len())?;
        // SAFETY: `reserve` made room; the source is another allocation.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.data().add(self.len), bytes.len());
            self.advance(bytes.len());
        }
        Ok(())
    }

    fn extend_unmasked(
        &mut self,
        bytes: &[u8],
        key: [u8; 4],
        phase: usize,
    ) -> Result<(), OutOfMemory> {
        self.reserve(bytes.len())?;
        mask::mask_copy(self.spare(bytes.len()), bytes, key, phase);
        // SAFETY: `mask_copy` wrote that many bytes.
        unsafe { self.advance(bytes.len()) };
        Ok(())
    }
}
