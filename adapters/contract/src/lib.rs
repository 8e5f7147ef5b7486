//! What an adapter is.
//!
//! A vendor's package turns that vendor's bytes into *facts* and says nothing about pass Culture; the gateway turns facts
//! into offers and knows nothing of vendors. This crate is the line between the two: value types that cannot be wrong
//! ([`Ean`], [`Cents`], [`Quantity`]), the facts themselves ([`StockLine`], [`Screening`]), the traits an adapter
//! implements ([`Adapter`], [`Source`], [`PushIntake`], [`BoxOffice`]), what can become of a sale ([`BookOutcome`]), how a venue's software is told
//! ([`NoticeSink`]), and the errors both sides agree on ([`AdapterError`], [`Class`]).
//!
//! Invariant: no I/O, no clock but what is left of a [`Deadline`], no async runtime, no SQL. Futures and streams are only named here, never run.

mod adapter;
mod box_office;
mod error;
mod fact;
mod notice;
mod probe;
mod screening;
mod session;
mod source;
mod unspoken;
mod value;

pub use adapter::{
    Adapter, BoxFuture, Connect, Context, Descriptor, EventKind, Limits, ListSites, Sector, SettingProblem,
    SettingsError, Site, SitesError,
};
pub use box_office::{
    BarcodeScope, BookOutcome, BoxOffice, CancelOutcome, CancelUnit, Deadline, FindOutcome, Holder, Journal, Look,
    Order, Reference, Refusal, Sale, Semantics, Suspicion, Ticket,
};
pub use error::{AdapterError, Class};
pub use fact::{DataError, DataProblem, Legible, Note, NoteKind, Position, Row, Severity, StockLine};
pub use notice::{Delivery, Issue, Message, NoticeSink, NoticeTerms};
pub use probe::{Evidence, Probe, ProbeAsk, ProbeKind};
pub use screening::{Film, Format, Places, Poster, Screening, Showtime, Starts, Tariff, WallClock};
pub use session::{SessionKeeper, SessionLock};
pub use source::{
    Completeness, Cursor, Duplicates, End, Expectations, IntakeError, Page, PageStream, Pull, PushIntake, PushMode,
    Source,
};
pub use unspoken::Unspoken;
pub use value::{Cents, Ean, EanError, Quantity, Terms};
