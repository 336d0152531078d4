//! What PyO3 does not offer: interior mutability that costs nothing under the GIL, direct access to
//! `__slots__`, calls in a context, and a check for subinterpreters.

pub mod context;
pub mod gil_cell;
pub mod interpreters;
pub mod slots;
