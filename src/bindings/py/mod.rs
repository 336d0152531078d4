//! What PyO3 does not offer: interior mutability that costs nothing under the GIL, direct access to
//! `__slots__`, and a check for subinterpreters.

pub mod gil_cell;
pub mod interpreters;
pub mod slots;
