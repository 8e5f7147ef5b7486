//! Selling and freeing seats.
//!
//! A sale reads the film's shows as they are now and sells with one call, which is sent once. The vendor is told when to give up,
//! two seconds before the caller does, so that it takes a late sale back by itself. There is no way to look a sale up: what
//! became of a lost one is for a person. A sale has one barcode for all its seats and is cancelled whole.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Cents, Class, Deadline,
    FindOutcome, Holder, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Ticket, WallClock,
};
use passerelle_kit::http::{Answer, NotAnswered};
use passerelle_kit::sales::{NotSold, each_once, price_changed, too_few};
use serde::{Deserialize, Serialize};

use crate::answer::Content;
use crate::client::{Cgr, For, Said, Wrong, content, malformed};
use crate::facts;
use crate::request::Operation;
use crate::sentences::Sentence;
use crate::settings::LATE_ANSWER;
use crate::wire;

/// The call that sells needs so much; with less left it is not begun.
const SALE_NEEDS: Duration = Duration::from_secs(3);
/// The vendor gives a sale up so much before we stop waiting: with equal times it sold what nobody heard of.
const VENDOR_GIVES_UP_BEFORE: u64 = 2;
/// The least time that can be told, in seconds.
const LEAST_TOLD: u64 = 1;
/// The vendor knows a sale by so many first characters of our reference; longer names were never tried.
const TOKEN_CHARS: usize = 6;
/// When a lost sale is told to a person: the vendor has taken it back by then, if it does.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(60)];
/// The code of a cancellation that was done before. In no other answer does a code mean anything.
const ALREADY_CANCELLED: i64 = 1;
/// Longest barcode and longest name of a seat, in characters.
const MAX_TICKET_CHARS: usize = 100;
/// Until when beneficiaries may cancel: so long before the beginning, and so long after they booked at most.
const CANCEL_WINDOW: SignedDuration = SignedDuration::from_hours(48);
/// When a clock in the westernmost cinema shows a time, so much has passed since it was that time in UTC.
const WESTERNMOST: SignedDuration = SignedDuration::from_hours(10);

/// What is kept of a sale about to be sent.
#[derive(Debug, Serialize, Deserialize)]
struct Trace {
    /// How the vendor knows it.
    token: String,
    /// Places left before.
    left: u32,
    /// When, in seconds since 1970.
    at: i64,
}

/// What is kept of a ticket.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// What a cancellation names.
    qr_code: String,
    /// For the vendor's support.
    token: String,
}

/// A show as it is now.
enum Live {
    OnSale {
        left: u32,
        price: Cents,
        begun: bool,
    },
    /// The film is not listed at all: its shows are full or gone, and the vendor does not tell which.
    NothingOfTheFilm,
    Gone,
}

impl BoxOffice for Cgr {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: false,
            told_of_lost_sales: false,
            cancels: CancelUnit::Sale,
            barcodes_unique: BarcodeScope::Connection,
            sale_needs: SALE_NEEDS,
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move { NotSold::outcome(self.sell(order, journal, deadline).await) })
    }

    fn find<'a>(
        &'a self,
        order: &'a Order,
        trace: &'a str,
        _look: Look,
        _deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move { FindOutcome::Unclear(hint(order, trace)) })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move {
            each_once(tickets.iter().map(qr_code), |code| async move { self.void(&code, deadline).await }).await
        })
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            Ok(Quantity::Exactly(match self.live(order, deadline).await? {
                Live::OnSale { left, begun: false, .. } => left,
                Live::OnSale { .. } | Live::NothingOfTheFilm | Live::Gone => 0,
            }))
        })
    }
}

impl Cgr {
    /// The show as it is now.
    async fn live(&self, order: &Order, deadline: Deadline) -> Result<Live, AdapterError> {
        let json = self.listing(facts::asked_as(&order.film_key), For::Booking(deadline)).await?;
        let (listing, _) = self.films(&json)?;
        let odd = |why: &str| malformed("read the show", why);
        let films = listing.films.ok_or_else(|| odd("the vendor lists no films, not even none"))?;
        if films.is_empty() {
            return Ok(Live::NothingOfTheFilm);
        }
        for raw in films {
            let film = serde_json::from_str::<wire::Film<'_>>(raw.get()).ok();
            let shows = film.as_ref().and_then(wire::Film::shows);
            // Where the show may hide nobody can say that it is gone.
            let shows = shows.ok_or_else(|| odd("a film of the listing has no list of shows"))?;
            let ours = shows.iter().find(|show| facts::key_of(show).as_deref() == Some(order.show_key.as_str()));
            if let Some(show) = ours {
                return on_sale(show.get(), order)
                    .ok_or_else(|| odd("the show's price, places or time cannot be read"));
            }
        }
        Ok(Live::Gone)
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<Sale, NotSold> {
        let (left, price) = match self.live(order, deadline).await? {
            // Shows that have begun are not listed: they are no less there for that.
            Live::Gone | Live::NothingOfTheFilm if order.starts_at <= SystemTime::now() => {
                return Err(NotSold::Refused(Refusal::SalesClosed));
            }
            Live::Gone => return Err(NotSold::Refused(Refusal::ShowGone)),
            // The weaker of the two things that it may mean: a show that is gone disappears with the passes.
            Live::NothingOfTheFilm => return Err(NotSold::Refused(Refusal::SoldOut)),
            Live::OnSale { begun: true, .. } => return Err(NotSold::Refused(Refusal::SalesClosed)),
            Live::OnSale { left, price, .. } => (left, price),
        };
        if let Some(refusal) = too_few(Quantity::Exactly(left), order.quantity) {
            return Err(NotSold::Refused(refusal));
        }
        if price != order.price {
            return Err(NotSold::Nothing(price_changed("sell", order, price)));
        }
        let Some(number) = self.number() else {
            let why = "the vendor never told the cinema's number, without which nothing can be sold; ask it";
            return Err(NotSold::Nothing(AdapterError::new(Class::VendorFault, "NoCinemaNumber", "sell", why)));
        };
        if deadline.left() < SALE_NEEDS {
            let why = "too little time is left to sell; nothing was sold";
            return Err(NotSold::Nothing(AdapterError::new(Class::Transient, "NoTimeToSell", "sell", why)));
        }
        let trace = Trace { token: token(order), left, at: Timestamp::now().as_second() };
        journal.about_to_sell(&serde_json::to_string(&trace).unwrap_or_else(|_| "{}".to_owned())).await?;
        self.send(order, number, &trace, deadline).await
    }

    /// The call that sells.
    async fn send(&self, order: &Order, number: i64, trace: &Trace, deadline: Deadline) -> Result<Sale, NotSold> {
        let wait = deadline.left().min(self.settings().timeout);
        let told = wait.as_secs().saturating_sub(VENDOR_GIVES_UP_BEFORE).max(LEAST_TOLD).to_string();
        let nobody = Holder::default();
        let holder = order.holder.as_ref().unwrap_or(&nobody);
        let person = [holder.last_name.as_str(), &holder.first_name, &holder.email];
        let [last_name, first_name, email] = person;
        let parameters = [
            ("pIDSeances", order.show_key.as_str()),
            ("pNumCinema", &number.to_string()),
            ("pPUTTC", &euros(order.price)),
            ("pNBPlaces", &order.quantity.to_string()),
            ("pNom", last_name),
            ("pPrenom", first_name),
            ("pEmail", email),
            ("pToken", &trace.token),
            ("pDateLimiteAnnul", &cancel_until(SystemTime::now(), order.starts_at)),
            ("pTimeoutReservation", &told),
        ];
        let answer = match self.act(Operation::Book, &parameters, wait + LATE_ANSWER).await {
            Ok(answer) => answer,
            Err(NotAnswered::NotSent(error)) => return Err(NotSold::Nothing(error)),
            Err(NotAnswered::Unknown(error)) => return Err(NotSold::unknown(error)),
        };
        match self.read(&answer, Operation::Book, &person) {
            Ok(json) => match tickets(&json, order) {
                Some(tickets) => {
                    Ok(Sale { tickets, remaining: Quantity::Exactly(trace.left.saturating_sub(order.quantity)) })
                }
                None => {
                    let error =
                        malformed("sell", "the vendor says that it sold, and gives no barcode of 1 to 100 characters");
                    Err(NotSold::unknown(error))
                }
            },
            Err(Wrong::Said(said)) => Err(said_no(*said, order)),
            // A status without the vendor's envelope may come from something on the way, after the vendor has sold.
            Err(Wrong::Odd(error)) => Err(NotSold::suspected(error, seen(&answer, order))),
        }
    }

    async fn void(&self, code: &str, deadline: Deadline) -> CancelOutcome {
        let answer = match self.act(Operation::Cancel, &[("pQrCode", code)], deadline.left()).await {
            Ok(answer) => answer,
            Err(NotAnswered::NotSent(error)) => return CancelOutcome::NotAttempted(error),
            Err(NotAnswered::Unknown(error)) => return CancelOutcome::Unknown(error),
        };
        match self.read(&answer, Operation::Cancel, &[]) {
            Ok(_) => CancelOutcome::Cancelled,
            Err(Wrong::Said(said)) if said.code == ALREADY_CANCELLED => CancelOutcome::AlreadyCancelled,
            Err(Wrong::Said(said)) => match said.sentence {
                // "Not recognised" is said of unknown, used and old ones alike: a person looks.
                Sentence::NotCancellable => CancelOutcome::Refused(said.words),
                Sentence::Account => CancelOutcome::NotAttempted(said.error),
                _ => CancelOutcome::Unknown(said.error),
            },
            Err(Wrong::Odd(error)) => CancelOutcome::Unknown(error),
        }
    }
}

/// An answer that is whole, with a code other than 0. What the table does not know is a plain no too, which sold nothing: an
/// assumption of whoever talks to this vendor. Unless a barcode stands beside it.
fn said_no(said: Said, order: &Order) -> NotSold {
    if let Some(tickets) = tickets(&said.json, order) {
        return NotSold::suspected(said.error, tickets);
    }
    match said.sentence {
        Sentence::ShowGone => NotSold::Refused(Refusal::ShowGone),
        Sentence::TooFew { remaining } => match too_few(Quantity::Exactly(remaining), order.quantity) {
            Some(refusal) => NotSold::Refused(refusal),
            // Enough, and yet too few: others hold places right now.
            None => NotSold::Nothing(said.error),
        },
        Sentence::Account | Sentence::NotCancellable | Sentence::Other => NotSold::Nothing(said.error),
    }
}

/// Tickets that an answer names although it is no success.
fn seen(answer: &Answer, order: &Order) -> Vec<Ticket> {
    match content(answer, Operation::Book) {
        Ok(Content::Result(json)) => tickets(&json, order).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// A show of a listing. Oversold it has no places.
fn on_sale(show: &str, order: &Order) -> Option<Live> {
    let show: wire::Show<'_> = serde_json::from_str(show).ok()?;
    let oversold = show.nb_places_restantes.0.is_some_and(|left| left < 0);
    let now = SystemTime::now();
    Some(Live::OnSale {
        left: if oversold { 0 } else { facts::remaining(&show)? },
        price: facts::price(&show)?,
        // A wall clock of an unknown place: what the gateway knows of the place counts.
        begun: order.starts_at <= now || is_over_everywhere(facts::starts(&show)?, now),
    })
}

/// Has this time passed in the westernmost cinema too?
fn is_over_everywhere(clock: WallClock, now: SystemTime) -> bool {
    let date =
        jiff::civil::DateTime::new(clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second, 0);
    let at = date.ok().and_then(|date| date.checked_add(WESTERNMOST).ok());
    at.is_some_and(|at| at <= utc(now))
}

/// A moment as clocks in Greenwich show it.
fn utc(at: SystemTime) -> jiff::civil::DateTime {
    TimeZone::UTC.to_datetime(Timestamp::try_from(at).unwrap_or_default())
}

/// Until when the beneficiary may cancel, as the vendor wants it: UTC, without saying so, in whole seconds.
fn cancel_until(now: SystemTime, starts: SystemTime) -> String {
    let (now, starts) = (utc(now), utc(starts));
    let before = starts.saturating_sub(CANCEL_WINDOW);
    let until = before.min(now.saturating_add(CANCEL_WINDOW)).max(now);
    until.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn euros(price: Cents) -> String {
    format!("{}.{:02}", price.0 / 100, price.0 % 100)
}

/// How the vendor knows the sale.
fn token(order: &Order) -> String {
    order.reference.0.chars().take(TOKEN_CHARS).collect()
}

/// One ticket for each seat, all with the one barcode; `None` without a barcode that can be one.
fn tickets(json: &str, order: &Order) -> Option<Vec<Ticket>> {
    let sold: wire::Sold<'_> = serde_json::from_str(json).ok()?;
    let qr_code = sold.qr_code.trimmed().filter(|code| code.chars().count() <= MAX_TICKET_CHARS)?.to_owned();
    let kept = Kept { qr_code: qr_code.clone(), token: token(order) };
    let vendor = serde_json::to_string(&kept).unwrap_or_else(|_| "{}".to_owned());
    let seats = seats(sold.placement.trimmed().unwrap_or_default(), order.quantity as usize);
    Some(seats.into_iter().map(|seat| Ticket { barcode: qr_code.clone(), seat, vendor: vendor.clone() }).collect())
}

/// `F7,F8` → the seats. One name for two seats names neither; of more names than seats the first count.
fn seats(placement: &str, quantity: usize) -> Vec<Option<String>> {
    let names: Vec<&str> = placement.split(',').map(str::trim).collect();
    let named = if names.len() < quantity { &[][..] } else { &names };
    let name = |name: &&str| name.chars().take(MAX_TICKET_CHARS).collect::<String>();
    (0..quantity).map(|at| named.get(at).filter(|name| !name.is_empty()).map(name)).collect()
}

/// What a cancellation of this ticket names.
fn qr_code(ticket: &Ticket) -> String {
    serde_json::from_str::<Kept>(&ticket.vendor).map_or_else(|_| ticket.barcode.clone(), |kept| kept.qr_code)
}

/// What a person needs to find a sale that may have happened.
fn hint(order: &Order, trace: &str) -> String {
    let what = format!("{} seat(s) of “{}” (show {})", order.quantity, order.title, order.show_key);
    let Ok(trace) = serde_json::from_str::<Trace>(trace) else {
        return format!("this vendor cannot look a sale up; look for {what}, token {}", token(order));
    };
    let at = Timestamp::from_second(trace.at).map_or_else(|_| "?".to_owned(), |at| at.to_string());
    format!(
        "this vendor cannot look a sale up; look for {what}, token {}, sold at about {at}; {} places were left before",
        trace.token, trace.left
    )
}

#[cfg(test)]
#[path = "box_office_tests.rs"]
mod tests;
