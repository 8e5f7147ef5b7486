//! Facts → offers: what pass Culture lets a venue sell, and at what terms.
//!
//! Pure: no clock, no network, no store, and no vendor. Everything here is a table or a function of its arguments, so
//! that a verdict can be explained years later from the fact alone.
//!
//! Invariant: what [`products::judge`] keeps, pass Culture's bulk upsert accepts. One bad item there refuses the whole
//! call of 500, so a doubt is a rejection here.

pub mod identifiers;
pub mod places;
pub mod products;
pub mod reasons;
