//! The engine against a scripted kernel (`fake`), and against the real one (`live`).

mod accepting;
mod fake;
mod live;
mod live_writing;
mod queue;
mod readiness;
mod reading;
mod writing;
