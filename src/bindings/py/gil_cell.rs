//! Interior mutability under the GIL.
//!
//! It has one rule: no Python code runs while a [`GilCell`] is borrowed. A closure passed to
//! [`GilCell::with`] must therefore neither call Python nor drop an object that might have a finaliser. It
//! returns such objects instead, and the caller drops them once the borrow is over. (`bytes` and `str` have
//! no finaliser.)

use std::cell::RefCell;

use pyo3::prelude::*;

#[cfg(Py_GIL_DISABLED)]
compile_error!("wsrs does not support free-threaded CPython yet: its objects rely on the GIL");

/// A value that can only be accessed with the GIL held.
pub struct GilCell<T>(RefCell<T>);

// SAFETY: every access takes a `Python<'_>` token, which proves that this thread holds the GIL, or happens in
// `tp_traverse`, which runs with it; free-threaded builds are refused above. So no two threads race for the
// borrow flag of the RefCell. `T: Send` is required because any thread may hold the GIL.
#[allow(unsafe_code)]
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Runs `act` on the value. See the rule at the top of this file.
    #[inline]
    pub fn with<R>(&self, _py: Python<'_>, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.0.borrow_mut())
    }

    /// The address of the value, for prefetching: nothing is read through it.
    pub fn address(&self) -> *const T {
        self.0.as_ptr()
    }

    /// Runs `look` on the value within `tp_traverse`, where there is no `Python` token. Returns None while
    /// the value is borrowed.
    pub fn for_traverse<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.try_borrow().ok().map(|value| look(&value))
    }
}
