//! What PyO3 leaves to us: a borrow that costs nothing under the GIL, and `__slots__` read where they are.

pub mod gil_cell;
pub mod slots;
