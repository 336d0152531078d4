//! Two things that PyO3 does not offer: interior mutability that costs nothing under the GIL, and direct
//! access to `__slots__`.

pub mod gil_cell;
pub mod slots;
