//! The booking river: pass Culture → vendor → pass Culture.
//!
//! [`machine`] says what may happen to a booking and what follows. What acts on it (reading the signed message, calling the
//! box office under one deadline, settling what was left open) is not written yet.
//!
//! Invariant: this room decides what becomes of a seat, and nothing else does.

pub mod machine;
