//! Telling a venue's software of bookings: the gateway stores a message first and delivers it after.
//!
//! The gateway decides what is told, in which order and how often; a sink carries one message and says what became of it.
//! Invariant: carrying the same message twice does no harm, since its id stays the same.

use std::time::Duration;

use crate::{AdapterError, BoxFuture};

/// What a venue's software is told, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeTerms {
    /// Are messages sent to it? Otherwise it fetches them.
    pub is_sent_to: bool,
    /// Is it told of each booking and cancellation? Otherwise only of what could not be told while its answer was waited for
    /// ([`crate::CancelOutcome::ToBeTold`], [`crate::Semantics::told_of_lost_sales`]).
    pub hears_everything: bool,
    /// May it know the first name of who booked?
    pub first_name: bool,
    /// May it know the last name of who booked?
    pub last_name: bool,
    /// Waiting times after the first failed attempt, the second, and so on; after the last a message is dead. At most 20.
    pub retry_after: Vec<Duration>,
}

/// One message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `msg_` and a ULID: the same in every attempt.
    pub id: &'a str,
    /// JSON, at most 20 KiB: the same bytes in every attempt.
    pub body: &'a [u8],
    /// Did an operator ask for it to be sent again?
    pub is_replay: bool,
}

/// What became of one attempt.
#[derive(Debug)]
pub enum Delivery {
    /// The software has it. HTTP status.
    Delivered(u16),
    /// The software has not, or its answer was lost; it is tried again.
    Failed {
        /// HTTP status, when there was an answer.
        status: Option<u16>,
        /// Why. `retry_after` is what the software asked for.
        error: AdapterError,
        /// Will it fail until a person changes something (moved, forbidden, unknown address)?
        wants_person: bool,
    },
    /// The software said that it does not want messages any more (410).
    Gone,
}

/// Carries messages to a venue's software, and knows who speaks for it.
pub trait NoticeSink: Send + Sync {
    /// What is told, and how. Constant.
    fn terms(&self) -> &NoticeTerms;

    /// One attempt; ends within 15 s. Never called when nothing is sent ([`NoticeTerms::is_sent_to`]).
    fn deliver<'a>(&'a self, message: Message<'a>) -> BoxFuture<'a, Delivery>;

    /// May who presents this token speak for the venue's software (fetch messages, state shows, redeem countermarks)? Compared in
    /// constant time.
    fn accepts_token(&self, presented: &str) -> bool;
}

/// Tickets that the gateway issues for a connection whose vendor has no box office.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issue {
    /// Only barcodes that the venue imported: one for each seat.
    Imported,
    /// Imported ones where a stock has any; else barcodes of the gateway's own, as long as the stated places last.
    Counted,
}
