//! Messages to venues' software through the whole gateway: the real server, a sandbox pass Culture, and a receiver that verifies
//! with the published library of Standard Webhooks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod feed;
mod products;
mod receiver;
#[path = "../shop/mod.rs"]
mod shop;
mod shows;
mod stage;
mod trouble;

const SQLITE: &str = "sqlite:passerelle.db";
