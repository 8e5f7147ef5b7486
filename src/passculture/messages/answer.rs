//! The answers that pass Culture understands.
//!
//! Invariant: an answer that it takes as success always has `remainingQuantity`; it is null, which makes the stock unlimited,
//! only where the vendor's places are without limit; and no answer holds a vendor's name, a person or a secret, since it is shown to the beneficiary.

use passerelle_contract::Quantity;
use serde_json::json;

/// Status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
}

impl Reply {
    fn of(status: u16, body: &serde_json::Value) -> Self {
        Self { status, body: body.to_string() }
    }
}

/// A ticket as pass Culture takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldTicket {
    /// 1–100 characters.
    pub barcode: String,
    /// At most 100 characters.
    pub seat: Option<String>,
}

/// What is said to a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookingAnswer {
    /// Sold.
    Sold {
        /// As many as were asked for.
        tickets: Vec<SoldTicket>,
        /// Places left.
        remaining: Quantity,
    },
    /// None left. Also what is said when the show or the sale is over: there is no other word, and it stops further tries.
    SoldOut,
    /// Fewer than asked for.
    NotEnough {
        /// Places left.
        remaining: u32,
    },
    /// Not now. Changes nothing at pass Culture.
    Failed,
}

impl BookingAnswer {
    /// For counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sold { .. } => "sold",
            Self::SoldOut => "sold_out",
            Self::NotEnough { .. } => "not_enough",
            Self::Failed => "failed",
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Sold { tickets, remaining } => {
                let tickets: Vec<_> =
                    tickets.iter().map(|ticket| json!({ "barcode": ticket.barcode, "seat": ticket.seat })).collect();
                Reply::of(200, &json!({ "tickets": tickets, "remainingQuantity": remaining.number() }))
            }
            Self::SoldOut => Reply::of(409, &json!({ "error": "sold_out", "remainingQuantity": 0 })),
            Self::NotEnough { remaining } => {
                Reply::of(409, &json!({ "error": "not_enough_seats", "remainingQuantity": remaining }))
            }
            Self::Failed => Reply::of(503, &json!({ "message": "Try again later" })),
        }
    }
}

/// What is said to a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancellationAnswer {
    /// The tickets are void, now or before. `already_cancelled` is never said: with it the booking stays confirmed.
    Cancelled {
        /// Places left.
        remaining: Quantity,
    },
    /// No ticket has this barcode.
    Unknown,
    /// The venue refuses for good.
    Refused,
    /// Not now.
    Failed,
}

impl CancellationAnswer {
    /// For counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancelled { .. } => "cancelled",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn reply(self) -> Reply {
        match self {
            Self::Cancelled { remaining } => Reply::of(200, &json!({ "remainingQuantity": remaining.number() })),
            Self::Unknown => Reply::of(404, &json!({ "message": "Unknown barcode" })),
            Self::Refused => Reply::of(403, &json!({ "message": "This ticket cannot be cancelled any more" })),
            Self::Failed => Reply::of(503, &json!({ "message": "Try again later" })),
        }
    }
}
