//! Passerelle: the gateway between the systems that cultural venues already use and pass Culture.
//!
//! # The house
//!
//! Dependencies point down; a test reads the `use` lines to prove it.
//!
//! | Room | What it is for |
//! |---|---|
//! | [`cli`] | one file per command; says things to people |
//! | [`web`] | routes: signed messages, pushed stocks, admin API, liveness, metrics |
//! | [`gateway`] | what every command works with, opened once; the schedule of a server |
//! | [`catalogue`] | the river from vendors to pass Culture: read → plan → guard → push → verify |
//! | [`booking`] | the river from pass Culture to vendors: message → intent → vendor → answer → settle |
//! | [`allotment`] | tickets for vendors without a box office: what they state, what they import, what is issued |
//! | [`notices`] | bookings of products: notified once, compared with pass Culture's listing, told to venues' software |
//! | [`delivery`] | messages to venues' software, sent until they are delivered or dead |
//! | [`countermarks`] | a bookseller redeems a countermark: look → decide → intent → pass Culture → outcome |
//! | [`health`] | probes, verdicts, since when |
//! | [`rules`] | facts → offers: pure |
//! | [`store`] | the only place with SQL |
//! | [`passculture`] | the northbound client, its budget, its wire types |
//! | [`sandbox`] | a faithful fake pass Culture, for the demo, for integrators and for tests |
//! | [`config`], [`registry`], [`telemetry`], [`clock`], [`codes`] | settings, the list of adapters, logs and metrics, the time, what each code means |
//!
//! Vendors live in `adapters/`, each in a package of its own, behind the traits of `passerelle-contract`.
//!
//! # One EAN, from the shop to pass Culture
//!
//! 1. [`gateway::schedule`] finds the shop's connection due and takes its lease; `passerelle sync` does the same by hand.
//! 2. The adapter's `Source::pull` streams pages of `StockLine`; what cannot be read comes as `Row::Poison` with its line.
//! 3. [`rules::products::judge`] keeps the line or tells why not; [`catalogue::gather`] sorts what is kept by EAN, on disk if it
//!    must.
//! 4. [`catalogue::plan::decide`] compares it with the ledger's entry ([`store::ledger::Entry`]); [`catalogue::guard::judge`] holds
//!    the whole plan when it is too big to trust.
//! 5. The entry's `desired` moves; then the lane of the venue sends it in a batch of at most 500, having asked whether pass
//!    Culture takes it and having written that it is in flight.
//! 6. It is read back, and `acknowledged` says `Verified`; or it was dropped in silence, and `refused` says why.
//!
//! A showtime goes the same way through the rows of events instead of the ledger: [`rules::screenings::judge`] makes an event and a
//! date of it, and the catalogue's `events` merges them with [`store::events`] and pushes what differs.
//!
//! Nothing remembers *changes*: at any moment the difference between `desired` and `acknowledged` is the work that is left.
//!
//! # One booking, from pass Culture to the seat
//!
//! 1. [`web`] reads the body, and [`passculture::messages::read`] believes it when its signature fits a key of the account.
//! 2. [`booking::Desk::book`] finds the date behind the stock, and the attempt's fingerprint in the store: the same attempt is sold
//!    once and hears the same. The intent, with a reference of ours, is durable before anything else.
//! 3. The adapter's `BoxOffice::book` sells; right before its first call that may sell it writes its trace through the journal,
//!    which refuses when pass Culture was told no meanwhile.
//! 4. [`booking::machine::after`] says what follows from the outcome; row, tickets, places left and history are one transaction.
//! 5. The answer leaves by the deadline. Whoever is first at the row decides: what was told as failed is never kept.
//! 6. [`booking::Desk::settle`] comes back to everything that has something left to do: a lost sale is looked for, a late one is
//!    freed, a sold one is found in pass Culture's own listing two minutes later, or its seats are freed.

//!
//! # What a venue's software is told
//!
//! 1. A seat: [`booking`] decides, with the move of a booking's row, what is told of it; the store writes both in one transaction.
//!    A book: pass Culture notifies once; [`notices`] stores it, many in one transaction, and compares offers with recent
//!    activity with pass Culture's listing, since of some things it never notifies.
//! 2. [`delivery`] claims what is due, endpoint by endpoint, and hands each message to the adapter's `NoticeSink`, which signs
//!    and carries it; what was not taken is due again later, and given up after days.
//! 3. Software that is not called fetches the same documents at `/vendor/v1/events-feed` ([`web`]).
//!
//! Vendors that cannot sell for us state their shows at `/vendor/v1` or set barcodes aside; [`allotment`] puts a source and a box
//! office around their adapter, so that both rivers see a vendor like any other.

pub mod allotment;
pub mod booking;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod codes;
pub mod config;
pub mod countermarks;
pub mod delivery;
pub mod gateway;
pub mod health;
pub mod notices;
pub mod passculture;
pub mod registry;
pub mod rules;
pub mod sandbox;
pub mod store;
pub mod telemetry;
pub mod web;
