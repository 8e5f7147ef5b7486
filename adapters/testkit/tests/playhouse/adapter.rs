//! A right adapter for the playhouse, and the wrong ones: each flaw is a mistake that somebody could make.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream;
use passerelle_contract::{
    Adapter, AdapterError, BarcodeScope, BookOutcome, BoxFuture, BoxOffice, CancelOutcome, CancelUnit, Cents, Class,
    Completeness, Context, Deadline, Descriptor, End, Evidence, Film, FindOutcome, Journal, Limits, Look, Order, Page,
    PageStream, Places, Position, Probe, ProbeKind, Pull, Quantity, Refusal, Row, Sale, Screening, Sector, Semantics,
    SettingsError, Showtime, Source, Starts, Suspicion, Tariff, Ticket,
};
use passerelle_kit::http::{Act, Answer, Client, Config, Get, NotAnswered, Verb};
use passerelle_kit::secret::SecretRef;
use serde::Deserialize as _;
use serde_json::{Value, json};
use url::Url;

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    Resends,
    SaysSoldOutOnGarbage,
    ForgetsTheJournal,
    WritesTheJournalAfterwards,
    SellsWithoutTheJournal,
    CancelsHalf,
    TakesAnyAnswerForCancelled,
    SellsAtAnyPrice,
    FindsByCounting,
    FindsNothingInTrouble,
    ReadsTroubleAsSoldOut,
    CallsALostSaleNotAttempted,
    TellsTheStoreWhoBooked,
    RepeatsTheToken,
    SwallowsAMissingCollection,
    StatesUnknownAsZero,
    PromisesWholeSales,
    PrintsOneSeatForAll,
    LooksForEver,
}

pub(crate) const FLAWS: &[Flaw] = &[
    Flaw::None,
    Flaw::Resends,
    Flaw::SaysSoldOutOnGarbage,
    Flaw::ForgetsTheJournal,
    Flaw::WritesTheJournalAfterwards,
    Flaw::SellsWithoutTheJournal,
    Flaw::CancelsHalf,
    Flaw::TakesAnyAnswerForCancelled,
    Flaw::SellsAtAnyPrice,
    Flaw::FindsByCounting,
    Flaw::FindsNothingInTrouble,
    Flaw::ReadsTroubleAsSoldOut,
    Flaw::CallsALostSaleNotAttempted,
    Flaw::TellsTheStoreWhoBooked,
    Flaw::RepeatsTheToken,
    Flaw::SwallowsAMissingCollection,
    Flaw::StatesUnknownAsZero,
    Flaw::PromisesWholeSales,
    Flaw::PrintsOneSeatForAll,
    Flaw::LooksForEver,
];

pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    id: "playhouse",
    title: "Playhouse",
    sector: Sector::Cinema,
    summary: "Proves the suite.",
    settings_schema: || json!({ "properties": { "url": {}, "token": {}, "flaw": {} } }),
    limits: Limits { concurrent_requests: 4, shortest_interval_seconds: 0 },
    site_setting: None,
    list_sites: None,
    connect,
};

const FIND_AFTER: &[Duration] = &[Duration::from_secs(1)];

const TIMEOUT: Duration = Duration::from_secs(1);

struct Wired {
    http: Client,
    base: Url,
    flaw: Flaw,
}

fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    for (name, _) in settings.as_object().into_iter().flatten() {
        if !["url", "token", "flaw"].contains(&name.as_str()) {
            return Err(SettingsError::one(name, "there is no such setting"));
        }
    }
    let base = settings["url"].as_str().and_then(|text| Url::parse(text).ok());
    let base = base.ok_or_else(|| SettingsError::one("url", "write the playhouse's address"))?;
    let named = |flaw: &&Flaw| settings["flaw"] == format!("{flaw:?}");
    let flaw = FLAWS.iter().find(named).copied().unwrap_or(Flaw::None);
    let mut config = Config::new(base.clone(), &context);
    config.concurrency = 4;
    if let Some(place) = settings.get("token") {
        // serde's own text repeats what was written.
        let place = SecretRef::deserialize(place).map_err(|_| SettingsError::one("token", "write { file = … }"))?;
        let token =
            place.resolve(&context.base_dir).map_err(|problem| SettingsError::one("token", problem.to_string()))?;
        config.authorization = Some(token);
    }
    config.request_timeout = TIMEOUT;
    config.total_timeout = 2 * TIMEOUT;
    let http = Client::new(config).map_err(|error| SettingsError::one("url", error.to_string()))?;
    Ok(Arc::new(Wired { http, base, flaw }))
}

impl Adapter for Wired {
    fn screenings(&self) -> Option<&dyn Source<Screening>> {
        Some(self)
    }

    fn box_office(&self) -> Option<&dyn BoxOffice> {
        Some(self)
    }

    fn probes(&self) -> Vec<Probe<'_>> {
        [ProbeKind::Reach, ProbeKind::ReadOne]
            .into_iter()
            .map(|kind| Probe {
                kind,
                remedy: "call the playhouse",
                ask: Box::new(|| {
                    Box::pin(async {
                        let get = Get::new("read the films", self.at("films")).probing(1000);
                        json_of(&self.http.get(&get).await?)?;
                        Ok(Evidence { saw: "films".to_owned(), concern: None })
                    })
                }),
            })
            .collect()
    }
}

impl Source<Screening> for Wired {
    fn pull(&self, _ask: Pull) -> PageStream<'_, Screening> {
        Box::pin(stream::once(self.page()))
    }
}

/// A 2xx answer's JSON.
fn json_of(answer: &Answer) -> Result<Value, AdapterError> {
    if answer.status >= 300 {
        return Err(answer.refused());
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        AdapterError::new(Class::VendorFault, "MalformedBody", "read an answer", "no JSON").caused_by(error)
    })
}

impl Wired {
    fn at(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    async fn page(&self) -> Result<Page<Screening>, AdapterError> {
        let films = json_of(&self.http.get(&Get::new("list films", self.at("films"))).await?)?;
        let shows = self.http.get(&Get::new("list shows", self.at("shows"))).await.and_then(|answer| json_of(&answer));
        let shows = match shows {
            Err(_) if self.flaw == Flaw::SwallowsAMissingCollection => json!([]),
            other => other?,
        };
        let film = Arc::new(Film {
            key: "7".to_owned(),
            title: films[0]["title"].as_str().unwrap_or("?").to_owned(),
            duration_minutes: (self.flaw == Flaw::StatesUnknownAsZero).then_some(0),
            ..Film::default()
        });
        let rows = shows.as_array().into_iter().flatten().zip(1..).map(|(show, entry)| {
            let key = show["show"].as_str().unwrap_or("?").to_owned();
            let tariff = Tariff { key: "pass".to_owned(), label: String::new(), price: Cents(number(&show["cents"])) };
            let places = vec![Places { key: key.clone(), tariff, remaining: Quantity::Exactly(number(&show["left"])) }];
            let starts = Starts::At(SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000));
            let showtime = Showtime { key, starts, formats: Vec::new(), places };
            Row::Good(Screening { film: film.clone(), showtime, at: Position::Entry { page: 1, entry } })
        });
        let end = End {
            completeness: Completeness::Snapshot,
            cursor: None,
            observed_at: None,
            fingerprint: None,
            warnings: Vec::new(),
        };
        Ok(Page { rows: rows.collect(), notes: Vec::new(), skipped: 0, end: Some(end) })
    }

    /// The show as it is now; `None` when it is gone.
    async fn show(&self, order: &Order, deadline: Deadline) -> Result<Option<Value>, AdapterError> {
        let url = self.at(&format!("shows/{}", order.show_key));
        let answer = self.http.get(&Get::new("read the show", url).booking(deadline.left())).await?;
        let is_table = serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body["gone"].is_string());
        if answer.status == 404 && is_table { Ok(None) } else { json_of(&answer).map(Some) }
    }

    async fn send(&self, order: &Order, deadline: Deadline) -> Result<Answer, NotAnswered> {
        let sale = json!({ "show": order.show_key, "seats": order.quantity, "reference": order.reference.0 });
        let within = deadline.left() + Duration::from_secs(20);
        self.http.act(&Act::new("sell", Verb::Post, self.at("sales"), within).with_json(&sale)).await
    }

    async fn sell(
        &self,
        order: &Order,
        journal: &dyn Journal,
        deadline: Deadline,
    ) -> Result<BookOutcome, AdapterError> {
        let Some(show) = self.show(order, deadline).await? else { return Ok(BookOutcome::Refused(Refusal::ShowGone)) };
        if show["begun"] == true {
            return Ok(BookOutcome::Refused(Refusal::SalesClosed));
        }
        if number(&show["cents"]) != order.price.0 && self.flaw != Flaw::SellsAtAnyPrice {
            return Err(AdapterError::new(Class::Data, "PriceChanged", "sell", "the price is another one now"));
        }
        let left = number(&show["left"]);
        if let Some(refusal) = too_few(left, order.quantity) {
            return Ok(BookOutcome::Refused(refusal));
        }
        let who = order.holder.as_ref().filter(|_| self.flaw == Flaw::TellsTheStoreWhoBooked);
        let trace = json!({ "left": left, "who": who.map(|holder| &holder.email) }).to_string();
        match self.flaw {
            Flaw::ForgetsTheJournal | Flaw::WritesTheJournalAfterwards => {}
            Flaw::SellsWithoutTheJournal => drop(journal.about_to_sell(&trace).await),
            _ => journal.about_to_sell(&trace).await?,
        }
        let mut sent = self.send(order, deadline).await;
        if self.flaw == Flaw::Resends && matches!(sent, Err(NotAnswered::Unknown(_))) {
            sent = self.send(order, deadline).await;
        }
        if self.flaw == Flaw::WritesTheJournalAfterwards {
            journal.about_to_sell(&trace).await?;
        }
        let answer = match sent {
            Ok(answer) => answer,
            Err(NotAnswered::NotSent(error)) => return Err(error),
            Err(NotAnswered::Unknown(error)) if self.flaw == Flaw::CallsALostSaleNotAttempted => return Err(error),
            Err(NotAnswered::Unknown(error)) => return Ok(self.unknown(error)),
        };
        Ok(self.sold(order, &answer))
    }

    fn unknown(&self, error: AdapterError) -> BookOutcome {
        let token = self.http.config().authorization.as_ref().filter(|_| self.flaw == Flaw::RepeatsTheToken);
        let context = token.map_or_else(|| error.context.clone(), |token| token.expose().to_owned());
        BookOutcome::Unknown(Suspicion { error: AdapterError { context, ..error }, tickets: Vec::new() })
    }

    fn sold(&self, order: &Order, answer: &Answer) -> BookOutcome {
        let body = serde_json::from_slice::<Value>(&answer.body);
        match (answer.status, body) {
            (201, Ok(sale)) if barcodes(&sale).len() == order.quantity as usize => {
                let mut tickets = barcodes(&sale);
                if self.flaw == Flaw::PrintsOneSeatForAll {
                    tickets.iter_mut().for_each(|ticket| ticket.seat = Some("A1".to_owned()));
                }
                BookOutcome::Booked(Sale { tickets, remaining: Quantity::Exactly(number(&sale["left"])) })
            }
            (409, Ok(short)) if short["left"].is_u64() => match too_few(number(&short["left"]), order.quantity) {
                Some(refusal) => BookOutcome::Refused(refusal),
                None => self.unknown(answer.refused()),
            },
            (_, Err(_)) if self.flaw == Flaw::SaysSoldOutOnGarbage => BookOutcome::Refused(Refusal::SoldOut),
            _ => self.unknown(answer.refused()),
        }
    }

    async fn find_by_counting(&self, order: &Order, trace: &str, deadline: Deadline) -> Option<FindOutcome> {
        let before = serde_json::from_str::<Value>(trace).ok()?["left"].as_u64()?;
        let now = self.show(order, deadline).await.ok()??["left"].as_u64()?;
        (now >= before).then_some(FindOutcome::NotSold)
    }
}

fn too_few(left: u32, wanted: u32) -> Option<Refusal> {
    match left {
        0 => Some(Refusal::SoldOut),
        remaining if remaining < wanted => Some(Refusal::NotEnough { remaining }),
        _ => None,
    }
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn barcodes(answer: &Value) -> Vec<Ticket> {
    let codes = answer["barcodes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    codes.map(|code| Ticket { barcode: code.to_owned(), seat: None, vendor: "{}".to_owned() }).collect()
}

impl BoxOffice for Wired {
    fn semantics(&self) -> Semantics {
        Semantics {
            find_after: FIND_AFTER,
            finds_lost_sales: true,
            told_of_lost_sales: false,
            cancels: if self.flaw == Flaw::PromisesWholeSales { CancelUnit::Sale } else { CancelUnit::Ticket },
            barcodes_unique: BarcodeScope::Connection,
            sale_needs: Duration::from_millis(500),
        }
    }

    fn book<'a>(
        &'a self,
        order: &'a Order,
        journal: &'a dyn Journal,
        deadline: Deadline,
    ) -> BoxFuture<'a, BookOutcome> {
        Box::pin(async move { self.sell(order, journal, deadline).await.unwrap_or_else(BookOutcome::NotAttempted) })
    }

    fn find<'a>(&'a self, order: &'a Order, trace: &'a str, _: Look, deadline: Deadline) -> BoxFuture<'a, FindOutcome> {
        Box::pin(async move {
            if self.flaw == Flaw::LooksForEver {
                std::future::pending::<()>().await;
            }
            if self.flaw == Flaw::FindsByCounting
                && let Some(found) = self.find_by_counting(order, trace, deadline).await
            {
                return found;
            }
            let get =
                Get::new("look for the sale", self.at(&format!("sales/{}", order.reference))).booking(deadline.left());
            match self.http.get(&get).await.and_then(|answer| json_of(&answer)) {
                Err(_) if self.flaw == Flaw::FindsNothingInTrouble => FindOutcome::NotSold,
                Err(error) => FindOutcome::NotAsked(error),
                Ok(found) if barcodes(&found).is_empty() => FindOutcome::NotSold,
                Ok(found) => FindOutcome::Sold(barcodes(&found)),
            }
        })
    }

    fn cancel<'a>(&'a self, tickets: &'a [Ticket], deadline: Deadline) -> BoxFuture<'a, Vec<CancelOutcome>> {
        Box::pin(async move {
            let half = if self.flaw == Flaw::CancelsHalf { tickets.len().min(1) } else { tickets.len() };
            let codes: Vec<_> = tickets.iter().take(half).map(|ticket| &ticket.barcode).collect();
            let act = Act::new("void", Verb::Put, self.at("void"), deadline.left()).with_json(&json!(codes));
            let answer = self.http.act(&act).await;
            let body = match answer {
                Ok(_) if self.flaw == Flaw::TakesAnyAnswerForCancelled => json!({}),
                Ok(answer) => match json_of(&answer) {
                    Ok(body) => body,
                    Err(_) => return tickets.iter().map(|_| CancelOutcome::Unknown(answer.refused())).collect(),
                },
                Err(failed) => {
                    let text = failed.into_error().to_string();
                    let again = || AdapterError::new(Class::Transient, "VendorDown", "void", text.clone());
                    return tickets.iter().map(|_| CancelOutcome::Unknown(again())).collect();
                }
            };
            let outcome = |ticket: &Ticket| match body[&ticket.barcode].as_str() {
                Some("unknown") => CancelOutcome::NotFound,
                Some("already") => CancelOutcome::AlreadyCancelled,
                _ => CancelOutcome::Cancelled,
            };
            tickets.iter().map(outcome).collect()
        })
    }

    fn remaining<'a>(&'a self, order: &'a Order, deadline: Deadline) -> BoxFuture<'a, Result<Quantity, AdapterError>> {
        Box::pin(async move {
            match self.show(order, deadline).await {
                Err(_) if self.flaw == Flaw::ReadsTroubleAsSoldOut => Ok(Quantity::Exactly(0)),
                other => Ok(Quantity::Exactly(other?.map_or(0, |show| number(&show["left"])))),
            }
        })
    }
}
