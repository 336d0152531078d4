//! Long work in threads without the GIL.

pub mod jobs;
pub mod thread_pool;
