//! Interior mutability under the GIL.
//!
//! One rule is kept with it: no Python code runs while a [`GilCell`] is borrowed. So a closure given
//! to [`GilCell::with`] neither calls Python nor drops an object that might have a finaliser: it
//! hands such things out, and the caller drops them after. (`bytes` and `str` have none.)

use std::cell::RefCell;

use pyo3::prelude::*;

#[cfg(Py_GIL_DISABLED)]
compile_error!("wsrs does not support free-threaded CPython yet: its objects rely on the GIL");

/// A value that is reached with the GIL only.
pub struct GilCell<T>(RefCell<T>);

// SAFETY: every access takes a `Python<'_>` token, which proves that this thread holds the GIL, or
// happens in `tp_traverse`, which runs with it; free-threaded builds are refused above. The borrow
// flag of the RefCell is therefore never raced for. T: Send, because any thread may hold the GIL.
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

    /// Where the value lies, for those who only want to know that.
    pub fn address(&self) -> *const T {
        self.0.as_ptr()
    }

    /// For `tp_traverse`, where no token is to be had: None while the value is borrowed.
    pub fn for_traverse<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.try_borrow().ok().map(|value| look(&value))
    }
}
