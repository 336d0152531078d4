//! Shared by the floor and the load generator: frame headers, masking, and the opening handshake. wsrs itself uses
//! nothing of this, so a fault of wsrs cannot be hidden by the same fault in the tool that measures it.

pub mod frame;
pub mod handshake;

/// The result of a tool: a value, or a message for stderr.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Refuses to measure with a debug build, whose figures would be worthless.
///
/// # Errors
/// When the crate was built without optimisations; the message names the remedy.
pub fn refuse_debug_build() -> Result<()> {
    if cfg!(debug_assertions) {
        return Err("this is a debug build: build it with `cargo build --release`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
