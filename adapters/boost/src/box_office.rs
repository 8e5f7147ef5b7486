//! Selling and freeing seats.
//!
//! A sale reads the show, prepares (the server holds the seats) and confirms (it sells them). The price that counts is the one
//! that preparing gives: lists and details may lack surcharges. A confirmation is sent once; it is sent again only after a 401 in
//! the server's own words, which it gives before it does anything. Of a refused confirmation only the sentences that are known are
//! believed: any other no may come from something on the way, after the server has sold.
//!
//! The vendor can neither look a sale up nor name one by a reference of ours: what became of a lost confirmation is for a
//! person, with all that helps to find it. A sale has one barcode for all its seats, and is cancelled whole.

use std::time::{Duration, SystemTime};

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Suspicion, Ticket,
};
use passerelle_kit::http::{Answer, Verb};
use passerelle_kit::lenient;
use passerelle_kit::sales::{each_once, too_few};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Boost, For, Said, Sentence, Stake, Trouble, malformed, message, read, refused, sentence};
use crate::facts::{self, Price};
use crate::wire;

/// The code of the payment at every sale, whatever the code of its price.
const PAYMENT: &str = "PCU";
/// How a cancelled sale is paid back; servers take it in small letters.
const REFUND: &str = "pcu";
/// A confirmation needs so much; with less left it is not begun.
const CONFIRM_NEEDS: Duration = Duration::from_millis(2_000);
/// The answer to a confirmation is waited for so much longer than the caller has.
const LATE_ANSWER: Duration = Duration::from_secs(15);
/// When a lost sale is looked for: the seats of the show hint at what became of it.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(60), Duration::from_secs(600)];
/// Whatever stands before the number of a sale in its barcode.
const SALE_PREFIX: &str = "sale-";

/// What is kept of a confirmation about to be sent.
#[derive(Debug, Serialize, Deserialize)]
struct Trace {
    /// The number that preparing gave.
    preparation: String,
    /// Places left before.
    left: u32,
    /// When, in seconds since 1970.
    at: i64,
}

/// What is kept of a ticket.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// `sale-204518`
    sale: String,
    /// The vendor's reference of the ticket, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// A show as far as selling needs it.
struct Live {
    begun: bool,
    left: u32,
    price: Option<Price>,
}

/// How a step of a sale ends it.
enum End {
    Refused(Refusal),
    Nothing(AdapterError),
    Unknown(AdapterError),
    Sold(Sale),
}

impl From<AdapterError> for End {
    fn from(error: AdapterError) -> Self {
        Self::Nothing(error)
    }
}

impl BoxOffice for Boost {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: false,
            told_of_lost_sales: false,
            cancels: CancelUnit::Sale,
            barcodes_unique: BarcodeScope::Connection,
            sale_needs: CONFIRM_NEEDS,
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move {
            match self.sell(order, journal, deadline).await {
                Ok(sale) | Err(End::Sold(sale)) => self.whole(order, sale).await,
                Err(End::Refused(refusal)) => BookOutcome::Refused(refusal),
                Err(End::Nothing(error)) => BookOutcome::NotAttempted(error),
                Err(End::Unknown(error)) => BookOutcome::Unknown(Suspicion { error, tickets: Vec::new() }),
            }
        })
    }

    fn find<'a>(
        &'a self,
        order: &'a Order,
        trace: &'a str,
        _look: Look,
        deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move {
            match self.live(order, deadline).await {
                Ok(live) => FindOutcome::Unclear(self.hint(order, trace, live.map(|live| live.left))),
                Err(error) => FindOutcome::NotAsked(error),
            }
        })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move {
            each_once(tickets.iter().map(sale_code), |code| async move { self.cancel_sale(&code, deadline).await })
                .await
        })
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            let live = self.live(order, deadline).await?;
            let left = live.filter(|live| live.price.is_some() && !live.begun).map_or(0, |live| live.left);
            Ok(Quantity::Exactly(left))
        })
    }
}

impl Boost {
    /// The show as it is now; `None` when the server does not have it.
    async fn live(&self, order: &Order, deadline: Deadline) -> Result<Option<Live>, AdapterError> {
        const OPERATION: &str = "read the showtime";
        if order.show_key.is_empty() || !order.show_key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let url = self.at(&format!("api/showtimes/{}", order.show_key));
        let answer = self.get(OPERATION, url, For::Booking(deadline)).await?;
        if answer.status == 400 && message(&answer).is_some_and(|message| sentence(400, &message) == Sentence::NoShow) {
            return Ok(None);
        }
        let one: wire::One<'_> = read(&answer, OPERATION)?;
        let show: wire::Show<'_> = serde_json::from_str(one.data.get()).map_err(|_| malformed(&answer, OPERATION))?;
        if show.id.0.map(|id| id.to_string()).as_deref() != Some(order.show_key.as_str()) {
            return Err(malformed(&answer, OPERATION));
        }
        Ok(Some(Live {
            begun: facts::has_begun(&show, SystemTime::now()),
            left: facts::remaining(&show),
            price: facts::price(show.showtime_pricing.as_deref().unwrap_or_default()),
        }))
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<Sale, End> {
        let Some(live) = self.live(order, deadline).await? else { return Err(End::Refused(Refusal::ShowGone)) };
        if live.begun {
            return Err(End::Refused(Refusal::SalesClosed));
        }
        if let Some(refusal) = too_few(Quantity::Exactly(live.left), order.quantity) {
            return Err(End::Refused(refusal));
        }
        let Some(price) = live.price else { return Err(End::Refused(Refusal::NoTariff)) };
        let preparation = self.prepare(order, &price, live.left, deadline).await?;
        if deadline.left() < CONFIRM_NEEDS {
            let why =
                "too little time is left to confirm the sale; nothing was sold and the seats are held for a while";
            return Err(End::Nothing(AdapterError::new(Class::Transient, "NoTimeToSell", "confirm the sale", why)));
        }
        let trace = Trace { preparation, left: live.left, at: jiff::Timestamp::now().as_second() };
        self.confirm(order, &price, &trace, journal, deadline).await
    }

    /// Holds the seats; gives the number to confirm.
    async fn prepare(&self, order: &Order, price: &Price, left: u32, deadline: Deadline) -> Result<String, End> {
        const OPERATION: &str = "prepare the sale";
        let body = basket(price, order.quantity, None);
        let answer = self
            .act(
                OPERATION,
                Verb::Post,
                self.at("api/sale/complete"),
                &body,
                (deadline, Duration::ZERO, Stake::None),
                async || Ok(()),
            )
            .await
            .map_err(|trouble| match trouble {
                // Preparing sells nothing, so a doubt about it is none about a sale.
                Trouble::Nothing(error) | Trouble::Doubt(error) => End::Nothing(error),
                Trouble::Said(said) => said_no(said, order.quantity),
            })?;
        let one: wire::One<'_> = read(&answer, OPERATION)?;
        let text = one.data.get();
        if !text.trim_start().starts_with('[') {
            // A server from before May 2024 sells in one step and answers with the sale.
            let sale = sale_of(order, &answer, left).map_err(End::Unknown)?;
            return Err(End::Sold(sale));
        }
        let prepared: Vec<wire::Prepared> = serde_json::from_str(text).map_err(|_| malformed(&answer, OPERATION))?;
        let [prepared] = prepared.as_slice() else {
            let why = format!("{} preparations for one price; nothing is confirmed", prepared.len());
            return Err(End::Nothing(AdapterError::new(Class::VendorFault, "OddPreparation", OPERATION, why)));
        };
        let show = prepared.id_showtime.0.map(|id| id.to_string());
        let seats = prepared.nb_place_selected.0 == Some(i64::from(order.quantity));
        let Some(id) = prepared.id.0.filter(|_| show.as_deref() == Some(order.show_key.as_str()) && seats) else {
            let why = "the preparation is of another show or of other seats; nothing is confirmed";
            return Err(End::Nothing(AdapterError::new(Class::VendorFault, "OddPreparation", OPERATION, why)));
        };
        if prepared.place_price.0 != Some(order.price) {
            let now = prepared.place_price.0.map_or_else(|| "none".to_owned(), |price| price.to_string());
            let why = format!(
                "the seat costs {now} now and the beneficiary was told {}; nothing is sold, the next pass tells the new price",
                order.price
            );
            return Err(End::Nothing(AdapterError::new(Class::Data, "PriceChanged", OPERATION, why)));
        }
        Ok(id.to_string())
    }

    /// Sells what was prepared.
    async fn confirm(
        &self,
        order: &Order,
        price: &Price,
        trace: &Trace,
        journal: &dyn Journal,
        deadline: Deadline,
    ) -> Result<Sale, End> {
        const OPERATION: &str = "confirm the sale";
        let written = serde_json::to_string(trace).unwrap_or_else(|_| "{}".to_owned());
        journal.about_to_sell(&written).await?;
        let body = basket(price, order.quantity, Some(&trace.preparation));
        let url = self.at("api/sale/complete");
        let again = async || journal.about_to_sell(&written).await;
        let answer = self
            .act(OPERATION, Verb::Post, url, &body, (deadline, LATE_ANSWER, Stake::Seats), again)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Nothing(error) => End::Nothing(error),
                Trouble::Doubt(error) => End::Unknown(error),
                Trouble::Said(said) if is_known_no(&said) => said_no(said, order.quantity),
                Trouble::Said(said) => End::Unknown(said.error),
            })?;
        sale_of(order, &answer, trace.left).map_err(End::Unknown)
    }

    /// A sale of as many seats as were ordered; one of another size is taken back.
    async fn whole(&self, order: &Order, sale: Sale) -> BookOutcome {
        if sale.tickets.len() == order.quantity as usize {
            return BookOutcome::Booked(sale);
        }
        let why = format!("{} tickets for {} seats", sale.tickets.len(), order.quantity);
        let error = AdapterError::new(Class::VendorFault, "WrongNumberOfTickets", "confirm the sale", why);
        let outcomes = self.cancel(&sale.tickets, Deadline::after(self.settings().timeout)).await;
        let void =
            |outcome: &CancelOutcome| matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled);
        if !outcomes.is_empty() && outcomes.iter().all(void) {
            BookOutcome::NotAttempted(error)
        } else {
            BookOutcome::Unknown(Suspicion { error, tickets: sale.tickets })
        }
    }

    /// What a person needs to find a sale that may have happened.
    fn hint(&self, order: &Order, trace: &str, left: Option<u32>) -> String {
        let station = &self.settings().station_name;
        let Ok(trace) = serde_json::from_str::<Trace>(trace) else {
            return format!("look for a sale of {} seat(s) by station “{station}”", order.quantity);
        };
        let at = jiff::Timestamp::from_second(trace.at).map_or_else(|_| String::new(), |at| at.to_string());
        let now = left.map_or_else(|| "the show is gone".to_owned(), |left| format!("{left} places are left now"));
        format!(
            "look for a sale of type PAX of {} seat(s) by station “{station}” at about {at} (preparation {}); {} places were \
             left before, {now}",
            order.quantity, trace.preparation, trace.left
        )
    }

    async fn cancel_sale(&self, code: &str, deadline: Deadline) -> CancelOutcome {
        const OPERATION: &str = "cancel the sale";
        let body = json!({ "sales": [{ "code": code, "refundType": REFUND }] });
        let url = self.at("api/sale/orderCancel");
        let patience = (deadline, Duration::ZERO, Stake::Seats);
        match self.act(OPERATION, Verb::Put, url, &body, patience, async || Ok(())).await {
            Ok(answer) => cancelled(&answer, OPERATION),
            Err(Trouble::Nothing(error)) => CancelOutcome::NotAttempted(error),
            Err(Trouble::Doubt(error)) => CancelOutcome::Unknown(error),
            Err(Trouble::Said(said)) => match sentence(said.status, &said.message) {
                Sentence::NoSale => CancelOutcome::NotFound,
                Sentence::AlreadyCancelled => CancelOutcome::AlreadyCancelled,
                _ => CancelOutcome::Refused(said.message),
            },
        }
    }
}

/// A sale is named by its code; barcodes stored before July 2023 lack the word before the number.
fn sale_code(ticket: &Ticket) -> String {
    let kept: Option<Kept> = serde_json::from_str(&ticket.vendor).ok();
    let code = kept.map_or_else(|| ticket.barcode.clone(), |kept| kept.sale);
    if code.bytes().all(|byte| byte.is_ascii_digit()) { format!("{SALE_PREFIX}{code}") } else { code }
}

fn basket(price: &Price, quantity: u32, preparation: Option<&str>) -> serde_json::Value {
    json!({
        "codePayment": PAYMENT,
        "basketItems": [{ "idShowtimePricing": price.id, "quantity": quantity }],
        "idsBeforeSale": preparation,
    })
}

/// A sentence that this server says instead of selling, with its status.
fn is_known_no(said: &Said) -> bool {
    said.status == 400 && matches!(sentence(said.status, &said.message), Sentence::TooFew { .. } | Sentence::NoShow)
}

/// A refusal in words, before anything was sold.
fn said_no(said: Said, quantity: u32) -> End {
    match sentence(said.status, &said.message) {
        Sentence::TooFew { remaining } => match too_few(Quantity::Exactly(remaining), quantity) {
            Some(refusal) => End::Refused(refusal),
            // Enough, and yet too few: places are held by others right now.
            None => End::Nothing(said.error),
        },
        Sentence::NoShow => End::Refused(Refusal::ShowGone),
        _ => End::Nothing(said.error),
    }
}

/// The sale in an answer. One that cannot be read is a doubt.
fn sale_of(order: &Order, answer: &Answer, left: u32) -> Result<Sale, AdapterError> {
    const OPERATION: &str = "confirm the sale";
    let one: wire::One<'_> = read(answer, OPERATION)?;
    let sale: wire::Sale<'_> = serde_json::from_str(one.data.get()).map_err(|_| malformed(answer, OPERATION))?;
    let number = sale.id.0.filter(|id| *id > 0).map(|id| format!("{SALE_PREFIX}{id}"));
    let code = sale.code.trimmed().map(str::to_owned).or(number).ok_or_else(|| malformed(answer, OPERATION))?;
    let kept = |ticket: &wire::Ticket<'_>| Kept {
        sale: code.clone(),
        reference: ticket.ticket_reference.trimmed().map(|text| text.chars().take(60).collect()),
    };
    let tickets = sale
        .tickets
        .iter()
        .map(|ticket| Ticket {
            barcode: code.clone(),
            seat: ticket
                .seat
                .as_ref()
                .and_then(|seat| seat.code.trimmed())
                .map(|seat| seat.chars().take(100).collect()),
            vendor: serde_json::to_string(&kept(ticket)).unwrap_or_else(|_| "{}".to_owned()),
        })
        .collect();
    Ok(Sale { tickets, remaining: Quantity::Exactly(left.saturating_sub(order.quantity)) })
}

/// A success. Servers were seen to answer with nothing at all, or with a plain `OK`.
fn cancelled(answer: &Answer, operation: &str) -> CancelOutcome {
    let text = lenient::text(&answer.body).unwrap_or("?").trim();
    let plain = answer.content_type().is_some_and(|kind| kind.starts_with("text/plain"));
    if (answer.status == 204 && text.is_empty()) || (plain && text.eq_ignore_ascii_case("OK")) {
        return CancelOutcome::Cancelled;
    }
    let one: Result<wire::One<'_>, AdapterError> = read(answer, operation);
    let sale = one.ok().and_then(|one| serde_json::from_str::<wire::Sale<'_>>(one.data.get()).ok());
    match sale {
        Some(wire::Sale { cancelled: Some(true), .. }) => CancelOutcome::Cancelled,
        Some(wire::Sale { cancelled: Some(false), .. }) => CancelOutcome::Unknown(refused(answer, operation)),
        Some(wire::Sale { cancelled: None, code, .. }) if code.trimmed().is_some() => CancelOutcome::Cancelled,
        _ => CancelOutcome::Unknown(malformed(answer, operation)),
    }
}
