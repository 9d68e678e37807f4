//! Tests through the wire.
