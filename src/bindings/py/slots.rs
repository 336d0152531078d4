//! Direct access to an object's `__slots__`. Looking them up by attribute name would take a third of the time
//! of a `send`.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The offset at which the instances of a class and of its subclasses store one of its `__slots__`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    offset: usize,
}

impl Slot {
    /// Finds the slot `name` of `class`. Returns None if that attribute is something else: a class may have
    /// replaced it.
    pub fn of(class: &Bound<'_, PyType>, name: &str) -> PyResult<Option<Self>> {
        let descriptor = class.getattr(name)?;
        let kind = descriptor.get_type();
        if !std::ptr::eq(kind.as_type_ptr(), &raw const ffi::PyMemberDescr_Type) {
            return Ok(None);
        }
        // SAFETY: an instance of exactly `PyMemberDescr_Type` has this layout, and its definition lives as
        // long as the class that `class` refers to. (It is a PyMemberDef in each version of CPython.)
        let member = unsafe {
            let descriptor = descriptor.as_ptr().cast::<ffi::PyMemberDescrObject>();
            *(*descriptor).d_member.cast::<ffi::PyMemberDef>()
        };
        let offset = usize::try_from(member.offset).ok();
        Ok(offset.filter(|_| member.type_code == ffi::Py_T_OBJECT_EX).map(|offset| Self { offset }))
    }

    /// The object to which this slot of `object` refers, or null if the slot is unset.
    ///
    /// # Safety
    ///
    /// `object` must be alive and an instance of the class that was passed to [`Slot::of`]. The result is
    /// borrowed from `object` and is only valid until Python code runs.
    #[inline]
    pub unsafe fn get(self, object: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: every instance of the class has an aligned pointer at this offset.
        unsafe { *object.byte_add(self.offset).cast::<*mut ffi::PyObject>() }
    }
}
