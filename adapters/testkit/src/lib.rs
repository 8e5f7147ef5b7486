//! What proves an adapter: the conformance suite, the frame of every simulator, and the fixture loader.
//!
//! [`simulator`] puts a fake vendor on loopback with a request log and faults that can be scripted. [`mod@conformance`] puts any
//! adapter through the same questions, picked by its facets. [`fixtures`] finds recorded exchanges and says why each
//! exists. [`sessions`] keeps sessions in memory.
//!
//! Invariant: knows the contract and no vendor.

pub mod conformance;
pub mod fixtures;
pub mod sessions;
pub mod simulator;
