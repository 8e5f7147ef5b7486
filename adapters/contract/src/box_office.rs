//! Selling and freeing real seats at a vendor.
//!
//! Effects do not return `Result`: the outcome of a sale is one of four things, and the fourth, *unknown*, is a state with
//! a repair. Invariant: an adapter never turns a doubt into "sold out" or into "sold".

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::{AdapterError, BoxFuture, Cents, Quantity};

/// What the gateway may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semantics {
    /// After an unknown sale, when to ask [`BoxOffice::find`], counted from the sale. At least one; asked at each until the
    /// answer is final; after the last one a person is asked.
    pub find_after: &'static [Duration],
    /// Can [`BoxOffice::find`] ever give the tickets of a sale whose answer was lost?
    pub finds_lost_sales: bool,
    /// Is a lost sale taken back without looking for it? The vendor is then told by message ([`crate::NoticeSink`]) to void
    /// whatever it sold under our reference, and [`BoxOffice::find`] is never asked.
    pub told_of_lost_sales: bool,
    /// What one cancellation frees.
    pub cancels: CancelUnit,
    /// Where two of its barcodes are never the same.
    pub barcodes_unique: BarcodeScope,
    /// The least time left with which it makes sense to begin the step that sells.
    pub sale_needs: Duration,
}

/// What one cancellation frees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelUnit {
    /// Each ticket by itself.
    Ticket,
    /// All tickets of a sale together: freeing one of a duo frees both.
    Sale,
}

/// Where two barcodes of a vendor are never the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarcodeScope {
    /// Nowhere in the world.
    Everywhere,
    /// Within one connection (one cinema).
    Connection,
}

/// The end of the time that pass Culture gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// What is left; zero once it is over.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// That long from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }
}

/// Our own name for one sale, made and stored before the call: 16 characters of `A`–`Z` without `I`, `O`, and `2`–`7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(pub String);

/// Characters of a [`Reference::booking_id`] after its head.
const BOOKING_ID_LENGTH: usize = 12;
/// The 30 symbols of names that people read out: no letter that looks like a digit, and none that a vendor would change.
const SYMBOLS: &[u8; 30] = b"ABCDEFGHJKLMNPQRSTUVWXYZ234567";

impl Reference {
    /// A name of so many symbols made of a number, the same for the same number. 24 symbols hold 117 bits.
    #[must_use]
    pub fn symbols(number: u128, count: usize) -> String {
        let digits = std::iter::successors(Some(number), |left| Some(left / 30));
        digits.take(count).map(|left| char::from(SYMBOLS[(left % 30) as usize % SYMBOLS.len()])).collect()
    }

    /// A booking's name for venues' software made of a number: for what has no reference.
    #[must_use]
    pub fn booking_id_of(number: u128) -> String {
        Self(Self::symbols(number, BOOKING_ID_LENGTH)).booking_id()
    }

    /// The booking's name for venues' software: `bk_` and the reference's first 12 characters. 12 of 30 symbols: two bookings of
    /// one connection never have the same.
    #[must_use]
    pub fn booking_id(&self) -> String {
        let head: String = self.0.chars().take(BOOKING_ID_LENGTH).collect();
        format!("bk_{head}")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be sold. Everything but the reference, the quantity and the holder comes from the [`crate::Screening`] that
/// this very adapter stated.
#[derive(Clone, Debug)]
pub struct Order {
    /// Ours.
    pub reference: Reference,
    /// [`crate::Film::key`].
    pub film_key: String,
    /// [`crate::Showtime::key`].
    pub show_key: String,
    /// [`crate::Places::key`].
    pub places_key: String,
    /// [`crate::Tariff::key`] when it was last stated; the tariff may have another key by now.
    pub tariff_key: String,
    /// The film's title, for messages.
    pub title: String,
    /// The beginning as last stated.
    pub starts_at: SystemTime,
    /// Seats: 1 or 2.
    pub quantity: u32,
    /// The unit price that pass Culture announced to the beneficiary. Nothing may be sold at another.
    pub price: Cents,
    /// The person. Absent when a sale is looked for later.
    pub holder: Option<Holder>,
}

/// Who booked. Give a vendor only what it cannot do without.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// `YYYY-MM-DD`.
    pub birth_date: String,
    /// As pass Culture has it, usually E.164.
    pub phone: Option<String>,
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holder(***)")
    }
}

/// Makes what the adapter must remember durable.
pub trait Journal: Send + Sync {
    /// Must be awaited right before the first request that may sell, and again before a second one. `trace` is what
    /// [`BoxOffice::find`] will be given if the outcome stays unknown: JSON of the adapter's own, at most 4 KiB, no personal
    /// data. When it fails nothing may be sold: return [`BookOutcome::NotAttempted`].
    fn about_to_sell<'a>(&'a self, trace: &'a str) -> BoxFuture<'a, Result<(), AdapterError>>;
}

/// One ticket of a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What the scanner at the door reads, exactly; 1–100 characters. The seats of one sale may share one.
    pub barcode: String,
    /// Printed seat, when seats are numbered; at most 100 characters.
    pub seat: Option<String>,
    /// What [`BoxOffice::cancel`] needs and what the venue's support can use: JSON of the adapter's own, at most 2 KiB.
    pub vendor: String,
}

/// A completed sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Exactly as many as were ordered.
    pub tickets: Vec<Ticket>,
    /// Places left for beneficiaries after the sale; unlimited only where the vendor gives no counts at all.
    pub remaining: Quantity,
}

/// What became of a sale.
#[derive(Debug)]
pub enum BookOutcome {
    /// Sold.
    Booked(Sale),
    /// The vendor said no, in a way that its table knows.
    Refused(Refusal),
    /// Provably nothing was sold (and what was sold meanwhile was taken back).
    NotAttempted(AdapterError),
    /// Something may have been sold.
    Unknown(Suspicion),
}

/// Why a vendor does not sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No place left.
    SoldOut,
    /// Fewer places than asked for, but some.
    NotEnough {
        /// How many are left, above zero.
        remaining: u32,
    },
    /// The show is not there any more.
    ShowGone,
    /// The show has no tariff for pass Culture any more.
    NoTariff,
    /// Too late: the show has begun or its sale is closed.
    SalesClosed,
}

/// Why nobody knows whether a sale happened.
#[derive(Debug)]
pub struct Suspicion {
    /// What went wrong.
    pub error: AdapterError,
    /// Tickets that are known to be sold and must be taken back, if any (a sale of the wrong size).
    pub tickets: Vec<Ticket>,
}

/// Which look at a lost sale it is, of those that [`Semantics::find_after`] announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The vendor may still be writing: what is not there is [`FindOutcome::Unclear`] wherever that can be.
    Early,
    /// The last one: what is not there now was not sold, if the vendor can tell at all.
    Last,
}

/// What looking for a lost sale gave.
#[derive(Debug)]
pub enum FindOutcome {
    /// It was sold; here are its tickets.
    Sold(Vec<Ticket>),
    /// It was not sold, for certain.
    NotSold,
    /// Not clear yet, or never will be. The sentence tells a person what to look for: show, minute, seats, station.
    Unclear(String),
    /// The vendor could not be asked.
    NotAsked(AdapterError),
}

/// What became of one ticket's cancellation.
#[derive(Debug)]
pub enum CancelOutcome {
    /// It is void now.
    Cancelled,
    /// It was void before.
    AlreadyCancelled,
    /// The vendor does not know it.
    NotFound,
    /// The vendor refuses for good: scanned, show over, day closed. The sentence says which.
    Refused(String),
    /// Provably nothing happened.
    NotAttempted(AdapterError),
    /// It may be void. Asking again is safe.
    Unknown(AdapterError),
    /// It may be void, and the vendor voids what it is told of by message ([`crate::NoticeSink`]): the gateway sees to it that
    /// it hears, and counts the ticket as void from now on.
    ToBeTold(AdapterError),
}

impl CancelOutcome {
    /// The same outcome, of another ticket of the sale.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Cancelled => Self::Cancelled,
            Self::AlreadyCancelled => Self::AlreadyCancelled,
            Self::NotFound => Self::NotFound,
            Self::Refused(why) => Self::Refused(why.clone()),
            Self::NotAttempted(error) => Self::NotAttempted(error.again()),
            Self::Unknown(error) => Self::Unknown(error.again()),
            Self::ToBeTold(error) => Self::ToBeTold(error.again()),
        }
    }
}

/// Sells seats of the showtimes that this adapter states.
///
/// Called from many tasks at once, beside a running pass and before any pass of this process; nothing that a booking
/// needs may wait for a pass. Every method ends by its deadline plus a second, except that [`BoxOffice::book`] may wait
/// up to 20 s longer for the answer of a sale already sent: a late answer is better than none.
pub trait BoxOffice: Send + Sync {
    /// What may be counted on. Constant.
    fn semantics(&self) -> Semantics;

    /// Sells. Never repeats a request that may have sold.
    fn book<'a>(&'a self, order: &'a Order, journal: &'a dyn Journal, deadline: Deadline)
    -> BoxFuture<'a, BookOutcome>;

    /// Looks for a sale whose outcome is unknown. `trace` is what was last written to the journal. Changes nothing.
    fn find<'a>(
        &'a self,
        order: &'a Order,
        trace: &'a str,
        look: Look,
        deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome>;

    /// Voids tickets of one sale; one outcome per ticket, in order. Safe to repeat.
    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>>;

    /// Places left for beneficiaries at a showtime, now. None when it is gone; unlimited where it is on sale and the vendor
    /// gives no counts.
    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>>;
}
