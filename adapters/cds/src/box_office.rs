//! Selling and freeing seats.
//!
//! A sale reads the show and its seat map as they are now, chooses seats, and sells them with one call. That call is sent once
//! more, with other seats, only after it was rejected and the map shows a seat of it free: a sale is whole, so that it was not
//! made. No word of the vendor's that refuses a sale is published, and something on the way can answer with a status after the
//! vendor has sold, so that no status alone is believed. There is no way to look a sale up: for numbered seats the map tells
//! afterwards that nothing was sold (the seats are still free); anything else is for a person.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use passerelle_contract::{
    AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Class, Deadline,
    FindOutcome, Journal, Look, Order, Quantity, Refusal, Sale, Semantics, Starts, Ticket,
};
use passerelle_kit::http::{Answer, NotAnswered, Verb};
use passerelle_kit::lenient;
use passerelle_kit::sales::{NotSold, price_changed, too_few};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Cds, For};
use crate::facts;
use crate::in_hand::{Held, Taken};
use crate::seats::{self, Cell, Map};
use crate::statics::{Static, Voucher};
use crate::wire::{self, Mapped};

/// The call that sells needs so much; with less left it is not begun.
const SALE_NEEDS: Duration = Duration::from_millis(2_000);
/// Its answer is waited for so much longer than the caller has.
const LATE_ANSWER: Duration = Duration::from_secs(15);
/// When a lost sale is looked for: the vendor may write for a while.
const FIND_AFTER: &[Duration] = &[Duration::from_secs(30), Duration::from_secs(300)];
/// Times that seats are chosen for one sale: other seats once, when the first were taken meanwhile.
const CHOICES: usize = 2;
/// What is written on every ticket; without it the cinema's own reports are wrong.
const VOUCHER: &str = "PSCULTURE";

/// What is kept of a sale about to be sent.
#[derive(Debug, Serialize, Deserialize)]
struct Trace {
    /// The seats asked for; empty when seats are free to take.
    cells: Vec<Cell>,
    /// What is printed on them.
    labels: Vec<String>,
    /// When, in seconds since 1970.
    at: i64,
}

/// What is kept of a ticket.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The vendor's number of the sale, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction: Option<i64>,
    /// Its invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invoice: Option<String>,
    /// The vendor's number of the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<i64>,
}

/// A show as it is now.
struct Live {
    gone: bool,
    begun: bool,
    left: u32,
    voucher: Option<Voucher>,
    mapped: Mapped,
    screen: Option<i64>,
}

/// A seat that was chosen.
#[derive(Clone, Debug)]
struct Seat {
    cell: Cell,
    label: String,
}

impl BoxOffice for Cds {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: false,
            told_of_lost_sales: false,
            cancels: CancelUnit::Ticket,
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
        look: Look,
        deadline: Deadline,
    ) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move {
            let Ok(trace) = serde_json::from_str::<Trace>(trace) else {
                return FindOutcome::Unclear(format!("look for {} ticket(s) paid with a voucher", order.quantity));
            };
            if trace.cells.is_empty() {
                return FindOutcome::Unclear(hint(order, &trace, "seats are not numbered, so that nothing tells"));
            }
            let map = match self.seat_map(order, deadline).await {
                Ok(map) => map,
                Err(error) => return FindOutcome::NotAsked(error),
            };
            let free = seats::free(&map, &HashSet::new());
            let untouched = trace.cells.iter().all(|cell| free.contains(cell));
            match (untouched, look) {
                (true, Look::Last) => FindOutcome::NotSold,
                (true, Look::Early) => FindOutcome::Unclear(hint(order, &trace, "the seats are still free")),
                (false, _) => {
                    FindOutcome::Unclear(hint(order, &trace, "the seats are taken, by this sale or by another"))
                }
            }
        })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move { self.void(tickets, deadline).await })
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            let statics = self.known_statics(For::Booking(deadline)).await?;
            let live = self.live(order, &statics, deadline).await?;
            let open = live.filter(|live| !live.gone && !live.begun && live.voucher.is_some());
            Ok(Quantity::Exactly(open.map_or(0, |live| live.left)))
        })
    }
}

impl Cds {
    /// The show as it is now; `None` when the vendor does not have it. There is no other way than to read all shows.
    async fn live(&self, order: &Order, statics: &Static, deadline: Deadline) -> Result<Option<Live>, AdapterError> {
        let answer = self.get("read the show", "shows", For::Booking(deadline)).await?;
        let records: Vec<&RawValue> = self.read(&answer)?;
        let ours = |raw: &&&RawValue| {
            serde_json::from_str::<wire::ShowId>(raw.get())
                .is_ok_and(|show| show.id.0.map(|id| id.to_string()).as_deref() == Some(order.show_key.as_str()))
        };
        let Some(raw) = records.iter().rev().find(ours) else { return Ok(None) };
        let show: wire::Show<'_> = serde_json::from_str(raw.get()).map_err(|_| self.malformed(&answer))?;
        let begins = match facts::starts(&show) {
            Some(Starts::At(at)) => at,
            // A wall clock of an unknown place: what the gateway knows of it counts.
            Some(Starts::Local(_)) | None => order.starts_at,
        };
        let elsewhere = show.cinemaid.trimmed().is_some_and(|cinema| cinema != self.settings().cinema_id);
        Ok(Some(Live {
            gone: show.canceled.0 || show.deleted.0 || elsewhere,
            begun: begins <= SystemTime::now(),
            left: statics.remaining(&show),
            voucher: statics.voucher(&show).cloned(),
            mapped: show.mapped(),
            screen: show.screenid.0,
        }))
    }

    async fn seat_map(&self, order: &Order, deadline: Deadline) -> Result<Map, AdapterError> {
        if order.show_key.is_empty() || !order.show_key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AdapterError::new(Class::Data, "OddShow", "read the seat map", "the show has no number"));
        }
        let path = format!("shows/{}/seatmap", order.show_key);
        let answer = self.get("read the seat map", &path, For::Booking(deadline)).await?;
        let value: Value = self.read(&answer)?;
        seats::read(&value).ok_or_else(|| self.malformed(&answer))
    }

    async fn sell(&self, order: &Order, journal: &dyn Journal, deadline: Deadline) -> Result<Sale, NotSold> {
        let statics = self.known_statics(For::Booking(deadline)).await?;
        let mut rejected = None;
        for _ in 0..CHOICES {
            let Some(live) = self.live(order, &statics, deadline).await? else {
                return Err(NotSold::Refused(Refusal::ShowGone));
            };
            let voucher = sellable(&live, order)?;
            let (chosen, _in_hand) = self.choose(order, &live, &statics, deadline).await?;
            if deadline.left() < SALE_NEEDS {
                let why = "too little time is left to sell; nothing was sold";
                return Err(NotSold::Nothing(AdapterError::new(Class::Transient, "NoTimeToSell", "sell", why)));
            }
            let trace = Trace {
                cells: chosen.iter().map(|seat| seat.cell).collect(),
                labels: chosen.iter().map(|seat| seat.label.clone()).collect(),
                at: jiff::Timestamp::now().as_second(),
            };
            let written = serde_json::to_string(&trace).unwrap_or_else(|_| "{}".to_owned());
            journal.about_to_sell(&written).await?;
            match self.create(order, &voucher, &statics, &chosen, live.left, deadline).await? {
                Created::Sold(sale) => {
                    self.in_hand.sold(&order.show_key, chosen.iter().map(|seat| seat.cell));
                    return Ok(sale);
                }
                Created::Rejected(error) => rejected = Some(error),
            }
        }
        Err(NotSold::Nothing(rejected.unwrap_or_else(|| {
            AdapterError::new(Class::VendorFault, "Rejected", "sell", "the vendor rejects the sale")
        })))
    }

    /// Seats for a numbered show; none for any other. Until the second is dropped nobody else here chooses them.
    async fn choose(
        &self,
        order: &Order,
        live: &Live,
        statics: &Static,
        deadline: Deadline,
    ) -> Result<(Vec<Seat>, Held<'_>), NotSold> {
        if live.mapped == Mapped::No {
            return Ok((Vec::new(), self.in_hand.nothing()));
        }
        let map = self.seat_map(order, deadline).await?;
        if live.mapped == Mapped::Unsaid && map.iter().flatten().all(|cell| *cell == 0) {
            return Ok((Vec::new(), self.in_hand.nothing()));
        }
        let Some((counting, table)) = statics.counting(live.screen) else {
            let why = "the room of the show is not among the screens, so that no seat can be named";
            return Err(NotSold::Nothing(AdapterError::new(Class::Settings, "UnknownScreen", "choose seats", why)));
        };
        // A seat without a name is never sold; the room's table may have holes where the map has seats.
        let mut nameless: HashSet<Cell> = HashSet::new();
        nameless.extend(
            seats::free(&map, &HashSet::new())
                .into_iter()
                .filter(|cell| seats::label(&map, *cell, counting, table).is_none()),
        );
        let taken =
            self.in_hand.take(&order.show_key, &nameless, |unusable| seats::choose(&map, order.quantity, unusable));
        let (cells, held) = match taken {
            Taken::Seats(cells, held) => (cells, held),
            Taken::OthersFirst => {
                let why = "the last seats are being sold to others right now; nothing was sold";
                return Err(NotSold::Nothing(AdapterError::new(Class::Transient, "SeatsInHand", "choose seats", why)));
            }
            Taken::Nothing => return Err(none_left(&map, &nameless)),
        };
        let seats = cells
            .into_iter()
            .filter_map(|cell| Some(Seat { cell, label: seats::label(&map, cell, counting, table)? }))
            .collect();
        Ok((seats, held))
    }

    /// The call that sells.
    async fn create(
        &self,
        order: &Order,
        voucher: &Voucher,
        statics: &Static,
        chosen: &[Seat],
        left: u32,
        deadline: Deadline,
    ) -> Result<Created, NotSold> {
        const OPERATION: &str = "sell";
        let body = transaction(&self.settings().cinema_id, order, voucher, statics.payment, chosen);
        let within = deadline.left() + LATE_ANSWER;
        let answer = match self.act(OPERATION, Verb::Post, "transaction/create", &body, within).await {
            Ok(answer) => answer,
            Err(NotAnswered::NotSent(error)) => return Err(NotSold::Nothing(error)),
            Err(NotAnswered::Unknown(error)) => return Err(NotSold::unknown(error)),
        };
        match answer.status {
            200..=299 => self.sale_of(order, &answer, left, deadline).await.map(Created::Sold),
            // Looked at and rejected, as it seems: usually a seat that was taken meanwhile.
            400 | 409 | 422 if self.is_not_made(order, chosen, deadline).await => {
                Ok(Created::Rejected(answer.refused()))
            }
            _ => Err(NotSold::unknown(answer.refused())),
        }
    }

    /// Was a sale of these seats surely not made: the map shows one of them free, or another sale of ours has one? A doubt is a no.
    async fn is_not_made(&self, order: &Order, chosen: &[Seat], deadline: Deadline) -> bool {
        if chosen.is_empty() {
            return false;
        }
        // Sold to somebody else by ourselves, while this sale looked at an older map.
        if chosen.iter().any(|seat| self.in_hand.was_sold(&order.show_key, seat.cell)) {
            return true;
        }
        let Ok(map) = self.seat_map(order, deadline).await else { return false };
        let free = seats::free(&map, &HashSet::new());
        chosen.iter().any(|seat| free.contains(&seat.cell))
    }

    /// The sale in an answer. One that cannot be read is a doubt; one of the wrong size is put right or taken back.
    async fn sale_of(&self, order: &Order, answer: &Answer, left: u32, deadline: Deadline) -> Result<Sale, NotSold> {
        let transaction: wire::Transaction<'_> = self.read(answer).map_err(NotSold::unknown)?;
        let kept = |ticket: &wire::Ticket<'_>| Kept {
            transaction: transaction.id.0,
            invoice: transaction.invoiceid.trimmed().map(|text| text.chars().take(60).collect()),
            ticket: ticket.id.0,
        };
        let mut tickets: Vec<Ticket> = transaction
            .tickets
            .iter()
            .filter_map(|ticket| {
                Some(Ticket {
                    barcode: ticket.barcode.trimmed()?.to_owned(),
                    seat: ticket.seatnumber.trimmed().map(|seat| seat.chars().take(100).collect()),
                    vendor: serde_json::to_string(&kept(ticket)).unwrap_or_else(|_| "{}".to_owned()),
                })
            })
            .collect();
        let whole = tickets.len() == transaction.tickets.len();
        let ordered = order.quantity as usize;
        if whole && tickets.len() == ordered {
            return Ok(Sale { tickets, remaining: Quantity::Exactly(left.saturating_sub(order.quantity)) });
        }
        let why = format!("{} ticket(s) with a barcode for {ordered} seat(s)", tickets.len());
        let error = AdapterError::new(Class::VendorFault, "WrongNumberOfTickets", "sell", why);
        let extra =
            if whole && tickets.len() > ordered { tickets.split_off(ordered) } else { std::mem::take(&mut tickets) };
        let soon = Deadline(deadline.0 + Duration::from_secs(5));
        let void =
            |outcome: &CancelOutcome| matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::AlreadyCancelled);
        let voided = !extra.is_empty() && self.void(&extra, soon).await.iter().all(void);
        match (voided, tickets.is_empty()) {
            (true, false) => Ok(Sale { tickets, remaining: Quantity::Exactly(left.saturating_sub(order.quantity)) }),
            (true, true) if whole => Err(NotSold::Nothing(error)),
            _ => {
                tickets.extend(extra);
                Err(NotSold::suspected(error, tickets))
            }
        }
    }

    /// Voids tickets with one call. The vendor answers 200 whatever becomes of them, and names those that it did not void.
    async fn void(&self, tickets: &[Ticket], deadline: Deadline) -> Vec<CancelOutcome> {
        const OPERATION: &str = "cancel";
        let all = |outcome: &dyn Fn() -> CancelOutcome| tickets.iter().map(|_| outcome()).collect::<Vec<_>>();
        // Barcodes go back as numbers: a zero in front would be lost, and void another ticket.
        let numbers: Vec<Option<u64>> = tickets.iter().map(|ticket| number_of(&ticket.barcode)).collect();
        if numbers.contains(&None) {
            let why = "the vendor takes barcodes back as whole numbers only, and this one cannot be written as one";
            return all(&|| CancelOutcome::Refused(why.to_owned()));
        }
        let payment = match self.known_statics(For::Booking(deadline)).await {
            Ok(statics) => statics.payment,
            Err(error) => return all(&|| CancelOutcome::NotAttempted(error.again())),
        };
        let body = json!({ "paiementtypeid": payment, "barcodes": numbers });
        match self.act(OPERATION, Verb::Put, "transaction/cancel", &body, deadline.left()).await {
            Ok(answer) if (200..300).contains(&answer.status) => self.voided(tickets, &answer),
            Ok(answer) => all(&|| CancelOutcome::Unknown(answer.refused())),
            Err(NotAnswered::NotSent(error)) => all(&|| CancelOutcome::NotAttempted(error.again())),
            Err(NotAnswered::Unknown(error)) => all(&|| CancelOutcome::Unknown(error.again())),
        }
    }

    fn voided(&self, tickets: &[Ticket], answer: &Answer) -> Vec<CancelOutcome> {
        let text = lenient::text(&answer.body).map(str::trim);
        let failed = match text {
            Some("" | "null" | "[]") => serde_json::Map::new(),
            Some(text) => match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(failed)) => failed,
                _ => return tickets.iter().map(|_| CancelOutcome::Unknown(self.malformed(answer))).collect(),
            },
            None => return tickets.iter().map(|_| CancelOutcome::Unknown(self.malformed(answer))).collect(),
        };
        tickets
            .iter()
            .map(|ticket| match failed.get(ticket.barcode.trim()).map(|code| code.as_str().unwrap_or("?")) {
                None => CancelOutcome::Cancelled,
                Some("TICKET_ALREADY_CANCELED") => CancelOutcome::AlreadyCancelled,
                Some("BARCODE_NOT_FOUND") => CancelOutcome::NotFound,
                Some(code) => CancelOutcome::Refused(reason(code)),
            })
            .collect()
    }
}

/// Why no seats can be chosen.
fn none_left(map: &Map, nameless: &HashSet<Cell>) -> NotSold {
    let free = seats::free(map, nameless).len();
    if free == 0 && !nameless.is_empty() {
        let why = "no free seat of the room has a printed name; check the room's table of labels at the vendor";
        return NotSold::Nothing(AdapterError::new(Class::Settings, "NamelessSeats", "choose seats", why));
    }
    NotSold::Refused(match u32::try_from(free) {
        Ok(remaining @ 1..) => Refusal::NotEnough { remaining },
        _ => Refusal::SoldOut,
    })
}

/// What became of the call that sells.
enum Created {
    Sold(Sale),
    /// Not sold.
    Rejected(AdapterError),
}

/// The tariff at which a show is sold, if it is sold at all.
fn sellable(live: &Live, order: &Order) -> Result<Voucher, NotSold> {
    if live.gone {
        return Err(NotSold::Refused(Refusal::ShowGone));
    }
    if live.begun {
        return Err(NotSold::Refused(Refusal::SalesClosed));
    }
    if let Some(refusal) = too_few(Quantity::Exactly(live.left), order.quantity) {
        return Err(NotSold::Refused(refusal));
    }
    let voucher = live.voucher.clone().ok_or(NotSold::Refused(Refusal::NoTariff))?;
    if voucher.price == order.price {
        return Ok(voucher);
    }
    Err(NotSold::Nothing(price_changed("sell", order, voucher.price)))
}

fn transaction(cinema: &str, order: &Order, voucher: &Voucher, payment: i64, chosen: &[Seat]) -> Value {
    // UTC without saying so, with six digits of a second: what the vendor has been sent for years.
    let now = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    let ids = (1..=i64::from(order.quantity)).map(|number| -number);
    let tickets: Vec<Value> = ids
        .clone()
        .enumerate()
        .map(|(at, id)| {
            let seat = chosen.get(at);
            json!({
                "id": id, "cinemaid": cinema, "operationdate": now, "canceled": false,
                "seatrow": seat.map(|seat| seat.cell.0), "seatcol": seat.map(|seat| seat.cell.1),
                "seatnumber": seat.map(|seat| &seat.label),
                "tariffid": { "id": voucher.tariff }, "vouchertype": VOUCHER,
                "showid": { "id": order.show_key.parse::<i64>().unwrap_or(0) }, "disabledperson": false,
            })
        })
        .collect();
    let price = euros(voucher.price.0);
    let payments: Vec<Value> = ids
        .map(|id| {
            json!({
                "id": id, "amount": price, "paiementtypeid": { "id": payment }, "vouchertypeid": { "id": voucher.id },
            })
        })
        .collect();
    json!({
        "cinemaid": cinema, "transactiondate": now, "canceled": false,
        "ticketsaleCollection": tickets, "paiementCollection": payments,
    })
}

/// Cents as a JSON number of euros.
fn euros(cents: u32) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap_or(Value::Null)
}

/// A barcode as the number that the vendor takes back.
fn number_of(barcode: &str) -> Option<u64> {
    let digits = barcode.trim();
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Why a ticket is kept.
fn reason(code: &str) -> String {
    match code {
        "AFTER_END_OF_SHOW" => "the show is over".to_owned(),
        "AFTER_END_OF_DAY" => "the trading day is over".to_owned(),
        "DAY_CLOSED" => "the cinema has closed its books for the day".to_owned(),
        other => other.chars().take(100).collect(),
    }
}

fn hint(order: &Order, trace: &Trace, what: &str) -> String {
    let at = jiff::Timestamp::from_second(trace.at).map_or_else(|_| String::new(), |at| at.to_string());
    let seats = if trace.labels.is_empty() { String::new() } else { format!(" for seats {}", trace.labels.join(", ")) };
    format!("look for {} ticket(s){seats} paid with a voucher at about {at}; {what}", order.quantity)
}
