//! Fingerprints: attempts and wishes are told apart without keeping who made them.
//!
//! SHA-256 over length-prefixed fields. E-mail addresses are compared in lower case.

use sha2::{Digest, Sha256};

use super::{Action, BookingRequest};

/// What makes two arrivals one attempt: account, stock, person, creation date and quantity.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The pass Culture account.
    pub account: &'a str,
    /// Its stock.
    pub stock_id: i64,
    /// The person's address.
    pub email: &'a str,
    /// Microseconds since 1970 (UTC).
    pub created_at_micros: i64,
    /// Seats.
    pub quantity: u32,
}

impl Attempt<'_> {
    /// Hexadecimal, 64 digits. The same for a message and for the booking in pass Culture's listing.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = begin("attempt", self.account, self.stock_id, self.email);
        hash.update(self.created_at_micros.to_be_bytes());
        hash.update(self.quantity.to_be_bytes());
        hex::encode(hash.finalize())
    }
}

impl BookingRequest {
    /// The attempt that this message is about.
    #[must_use]
    pub fn attempt<'a>(&'a self, account: &'a str) -> Attempt<'a> {
        Attempt {
            account,
            stock_id: self.stock_id,
            email: &self.holder.email,
            created_at_micros: self.created_at_micros,
            quantity: self.quantity,
        }
    }
}

/// What one person wants, whenever asked: account, stock, person and quantity.
#[must_use]
pub fn fingerprint_of_wish(account: &str, request: &BookingRequest) -> String {
    let mut hash = begin("wish", account, request.stock_id, &request.holder.email);
    hash.update(request.quantity.to_be_bytes());
    hex::encode(hash.finalize())
}

/// What makes two notifications one.
#[must_use]
pub fn fingerprint_of_notice(account: &str, request: &BookingRequest, action: Action) -> String {
    let mut hash = begin("notice", account, request.stock_id, &request.holder.email);
    hash.update(request.created_at_micros.to_be_bytes());
    hash.update(action.name());
    hex::encode(hash.finalize())
}

fn begin(purpose: &str, account: &str, stock_id: i64, email: &str) -> Sha256 {
    let mut hash = Sha256::new();
    for text in [purpose, account, &email.to_lowercase()] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(stock_id.to_be_bytes());
    hash
}
