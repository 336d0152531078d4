//! What the floor and the load generator share: frame headers, masking, the opening handshake. Nothing
//! here is used by wsrs itself, so a fault of wsrs cannot hide in the tool that measures it.

pub mod frame;
pub mod handshake;

/// What a tool ends with: a value, or a message for stderr.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Refuses to measure with a debug build: its figures would be worthless.
///
/// # Errors
/// Names the remedy when the crate was built without optimisations.
pub fn refuse_debug_build() -> Result<()> {
    if cfg!(debug_assertions) {
        return Err("this is a debug build: build it with `cargo build --release`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
