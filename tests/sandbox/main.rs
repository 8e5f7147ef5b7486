//! The sandbox pass Culture, driven over HTTP as a provider and as a beneficiary would.
//!
//! Each file is a table of requests and answers for one area. Upserts are applied before they are answered
//! unless a test is about their delay.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod api;
mod bookings;
mod dates;
mod events;
mod faults;
mod generations;
mod message;
mod products;
mod queue;
mod support;
mod ticketing;
mod upsert;
