//! Passerelle: the gateway between cultural venues' own systems and pass Culture.
//!
//! Being written.

pub mod passculture;
pub mod rules;
pub mod sandbox;
pub mod store;
