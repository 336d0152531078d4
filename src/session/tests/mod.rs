//! What a session decides, in tables.
