//! The northbound client of events against the sandbox: what is made is what is there, once, and what was not made is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use passerelle::passculture::{
    Accessibility, BookingStatus, CategoryFields, Client, Contact, DateBody, DatePatch, Event, EventBody, EventPatch,
    EventPublication, MAX_DATES_SENT, MessageUrls, Millis, OfferStatus, PriceCategory, PriceCategoryBody,
    PriceCategoryPatch, RetryPolicy, SendError, Settings,
};
use passerelle::sandbox::{Bookable, Fault, FaultBody, FaultEffect, Sandbox, Seed};
use passerelle::store;
use passerelle_contract::{Cents, Class, Quantity};
use secrecy::SecretString;

const SEED: &str = r#"{
    "accounts": [{"name": "default", "api_key": "sandbox_key", "hmac_key": "cle_fictive"}],
    "venues": [{"id": 535, "siret": "85331845900049", "name": "Cinéma du Port", "postal_code": "75011"},
               {"id": 536, "siret": "85331845900056", "name": "Théâtre du Port", "postal_code": "75011"}],
    "beneficiaries": [{"email": "personne.fictive@example.org"}]
}"#;
const EVENTS: &str = "/public/offers/v1/events";
const PERSON: &str = "personne.fictive@example.org";
const DAY: Millis = 86_400_000;

async fn start() -> (Sandbox, Client) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let seed: Seed = serde_json::from_str(SEED).unwrap();
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), seed).await.unwrap();
    let settings = Settings {
        base_url: sandbox.base_url().parse().unwrap(),
        api_key: SecretString::from("sandbox_key"),
        account: "default".into(),
        requests_per_minute: 60_000,
    };
    let budget = store::open("sqlite::memory:").await.unwrap();
    let clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
    let client = Client::new(settings, Arc::new(budget), clock).unwrap();
    let quick = RetryPolicy {
        first_delay: Duration::from_millis(5),
        longest_delay: Duration::from_millis(20),
        longest_attempt: Duration::from_secs(5),
        unsaid_stop: Duration::from_millis(50),
        ..RetryPolicy::WORK
    };
    (sandbox, client.with_policy(quick))
}

/// A day ahead, at a whole second.
fn tomorrow() -> Millis {
    (jiff::Timestamp::now().as_second() + 86_400) * 1_000
}

fn price(label: &str, cents: u32) -> PriceCategoryBody {
    PriceCategoryBody { label: label.into(), price: Cents(cents), id_at_provider: None }
}

fn film(key: &str) -> EventBody {
    EventBody {
        venue_id: 535,
        id_at_provider: key.into(),
        name: "Le Phare".into(),
        category: CategoryFields {
            category: "SEANCE_CINE".into(),
            visa: Some("150123".into()),
            stage_director: Some("Une Cinéaste".into()),
            ..CategoryFields::default()
        },
        accessibility: Accessibility { motor: true, ..Accessibility::default() },
        has_ticket: false,
        duo: true,
        description: Some("Un film d'essai.".into()),
        duration_minutes: Some(98),
        booking_contact: None,
        booking_email: None,
        collection_details: None,
        publication: EventPublication::Now,
        bookable_from: None,
        price_categories: vec![price("PASS", 600), price("PASS · 3D", 800)],
    }
}

fn date(key: &str, category: i64, seats: u32) -> DateBody {
    let starts_at = tomorrow();
    DateBody {
        id_at_provider: key.into(),
        starts_at,
        bookable_until: starts_at - 60_000,
        price_category_id: category,
        quantity: Quantity::Exactly(seats),
    }
}

fn category(event: &Event, label: &str, cents: u32) -> i64 {
    PriceCategory::among(&event.price_categories, label, Cents(cents)).unwrap().id
}

fn code(error: &SendError) -> &'static str {
    error.error().code
}

/// Names of the fields of a refusal; panics for anything else.
fn refused(error: &SendError) -> Vec<&str> {
    let SendError::Refused { fields, .. } = error else { panic!("{error:?}") };
    fields.iter().map(|field| field.key.as_str()).collect()
}

fn urls(base: &str) -> MessageUrls {
    MessageUrls {
        booking: Some(format!("{base}/booking")),
        cancel: Some(format!("{base}/cancellation")),
        notification: Some(format!("{base}/notification")),
    }
}

#[tokio::test]
async fn an_event_is_made_found_by_its_key_and_changed() {
    let (_sandbox, client) = start().await;
    let made = client.create_event(&film("boost:film:412")).await.unwrap();
    assert_eq!((made.status.clone(), made.has_ticket, made.venue_id), (OfferStatus::Draft, Some(false), Some(535)));
    assert_eq!((made.duo, made.duration_minutes), (true, Some(98)));
    assert_eq!(made.category, film("x").category);
    assert_ne!(category(&made, "PASS", 600), category(&made, "PASS · 3D", 800));

    let keys = ["boost:film:412".to_owned(), "boost:film:none".to_owned()];
    assert_eq!(client.find_events(535, &keys).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(client.find_events(536, &keys).await.unwrap(), []);
    assert_eq!(client.find_events(535, &[]).await.unwrap(), []);
    assert_eq!(client.find_events(999, &keys).await.unwrap_err().code, "VenueNotLinked");
    assert_eq!(client.event(made.id).await.unwrap(), made);
    assert_eq!(client.event(made.id + 1_000).await.unwrap_err().code, "NoSuchOffer");

    let before = client.requests();
    assert_eq!(client.change_event(made.id, &EventPatch::default()).await.unwrap(), made);
    assert_eq!(client.requests() - before, 1);
    let patch = EventPatch {
        name: Some("Le Phare, version longue".into()),
        description: Some(None),
        duo: Some(false),
        category: Some(CategoryFields {
            category: "SEANCE_CINE".into(),
            visa: Some("150124".into()),
            ..CategoryFields::default()
        }),
        publication: Some(EventPublication::Hidden),
        ..EventPatch::default()
    };
    let changed = client.change_event(made.id, &patch).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.description.as_ref()), ("Le Phare, version longue", None));
    assert_eq!((changed.duo, changed.duration_minutes, changed.published_at), (false, Some(98), None));
    assert_eq!(changed.category.visa.as_deref(), Some("150124"));
    assert_eq!(changed.category.stage_director.as_deref(), Some("Une Cinéaste"));
}

#[tokio::test]
async fn many_events_are_found_by_their_keys_page_by_page() {
    let (_sandbox, client) = start().await;
    let keys: Vec<String> = (0..103).map(|number| format!("boost:film:{number}")).collect();
    for key in &keys {
        client.create_event(&film(key)).await.unwrap();
    }
    let before = client.requests();
    let found = client.find_events(535, &keys).await.unwrap();
    let read: BTreeSet<&str> = found.iter().filter_map(|event| event.id_at_provider.as_deref()).collect();
    assert_eq!((found.len(), read.len()), (103, 103));
    // A hundred keys are two full pages and the empty one that says so, three keys are one.
    assert_eq!(client.requests() - before, 4);
}

#[tokio::test]
async fn a_refused_event_says_why_and_how_to_mend_it() {
    let (_sandbox, client) = start().await;
    client.create_event(&film("taken")).await.unwrap();
    let error = client.create_event(&film("taken")).await.unwrap_err();
    assert_eq!((code(&error), refused(&error)), ("KeyTaken", vec!["idAtProvider"]));

    let error = client.create_event(&EventBody { has_ticket: true, ..film("ticket") }).await.unwrap_err();
    assert_eq!((code(&error), refused(&error)), ("NoTicketing", vec!["global"]));
    assert!(error.error().remedy.contains("public_url") && error.error().remedy.contains("apply"));
    assert_eq!(error.error().class, Class::Settings);

    let concert =
        CategoryFields { category: "CONCERT".into(), music_type: Some("ROCK".into()), ..CategoryFields::default() };
    let concert = EventBody { category: concert, ..film("concert") };
    let error = client.create_event(&concert).await.unwrap_err();
    assert_eq!((code(&error), error.error().class), ("NoBookingContact", Class::Settings));
    let contact = Some(Contact::new("contact@example.com"));
    let made = client.create_event(&EventBody { booking_contact: contact.clone(), ..concert }).await.unwrap();
    assert_eq!(made.booking_contact, contact);

    let error = client.create_event(&EventBody { name: "x".repeat(91), ..film("long") }).await.unwrap_err();
    assert_eq!((code(&error), refused(&error)), ("Refused", vec!["name"]));
    let error = client.create_event(&EventBody { venue_id: 999, ..film("away") }).await.unwrap_err();
    assert_eq!(code(&error), "VenueNotLinked");
    assert_eq!(client.find_events(535, &["long".into(), "ticket".into()]).await.unwrap(), []);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_not_repeated_and_is_found_by_its_key() {
    let (sandbox, client) = start().await;
    for (number, effect) in [FaultEffect::CutAfterEffect, FaultEffect::TimeoutAfterEffect].into_iter().enumerate() {
        let quick =
            client.with_policy(RetryPolicy { longest_attempt: Duration::from_millis(300), ..RetryPolicy::WORK });
        let key = format!("lost:{number}");
        assert!(sandbox.inject(Fault::next(1, EVENTS, effect.clone())));
        let error = quick.create_event(&film(&key)).await.unwrap_err();
        assert!(matches!(error, SendError::AnswerLost(_)), "{effect:?}: {error:?}");
        assert_eq!(client.find_events(535, &[key]).await.unwrap().len(), 1, "{effect:?}");
    }
    // Whether a server that breaks down had done the work nobody knows: one attempt, and the caller looks.
    sandbox.clear_faults();
    assert!(sandbox.inject(Fault::next(1, EVENTS, FaultEffect::ServerError)));
    let before = client.requests();
    let error = client.create_event(&film("broken")).await.unwrap_err();
    assert!(matches!(error, SendError::AnswerLost(_)), "{error:?}");
    assert_eq!(client.requests() - before, 1);
    // A 429 did nothing.
    let slow = FaultEffect::Status { status: 429, retry_after: None, body: FaultBody::Html };
    assert!(sandbox.inject(Fault::next(1, EVENTS, slow)));
    client.create_event(&film("slow")).await.unwrap();
}

#[tokio::test]
async fn nothing_is_lost_when_nobody_listens_or_the_key_is_wrong() {
    let (sandbox, client) = start().await;
    let answer = FaultEffect::Status { status: 401, retry_after: None, body: FaultBody::Json };
    assert!(sandbox.inject(Fault::next(1, EVENTS, answer)));
    let error = client.create_event(&film("a")).await.unwrap_err();
    assert!(matches!(&error, SendError::Failed(error) if error.class == Class::Auth), "{error:?}");
    sandbox.stop().await;
    let error = client.create_event(&film("a")).await.unwrap_err();
    assert!(matches!(&error, SendError::Failed(error) if error.code == "Unreachable"), "{error:?}");
    let patch = EventPatch { duo: Some(false), ..EventPatch::default() };
    let error = client.change_event(1, &patch).await.unwrap_err();
    assert!(matches!(&error, SendError::Failed(error) if error.code == "Unreachable"), "{error:?}");
}

#[tokio::test]
async fn price_categories_are_matched_by_label_and_price() {
    let (_sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    let added = client.add_price_categories(event.id, &[price("PASS · VO", 650)]).await.unwrap();
    assert_eq!(added.len(), 1);
    let all = client.price_categories(event.id).await.unwrap();
    assert_eq!(PriceCategory::among(&all, "PASS · VO", Cents(650)), added.first());
    assert_eq!(client.add_price_categories(event.id, &[]).await.unwrap(), []);

    let error = client.add_price_categories(event.id, &[price("PASS · VO", 650)]).await.unwrap_err();
    assert_eq!(refused(&error), ["priceCategories"]);
    let keyed = |label: &str| PriceCategoryBody { id_at_provider: Some("k".into()), ..price(label, 1) };
    client.add_price_categories(event.id, &[keyed("A")]).await.unwrap();
    assert_eq!(code(&client.add_price_categories(event.id, &[keyed("B")]).await.unwrap_err()), "KeyTaken");
    let many: Vec<_> = (0..51).map(|number| price(&format!("n{number}"), number)).collect();
    assert_eq!(code(&client.add_price_categories(event.id, &many).await.unwrap_err()), "TooManyPriceCategories");

    let patch = PriceCategoryPatch { price: Some(Cents(700)), ..PriceCategoryPatch::default() };
    let first = category(&event, "PASS", 600);
    assert_eq!(client.change_price_category(event.id, first, &patch).await.unwrap().price, Cents(700));
    // It is now the last of the list; by label and price it is still found.
    let all = client.price_categories(event.id).await.unwrap();
    assert_eq!(PriceCategory::among(&all, "PASS", Cents(700)).unwrap().id, first);
    let error = client.change_price_category(event.id, first + 1_000, &patch).await.unwrap_err();
    assert_eq!(code(&error), "NoSuchPriceCategory");
    assert_eq!(client.price_categories(event.id + 1_000).await.unwrap_err().code, "NoSuchOffer");
}

#[tokio::test]
async fn hundreds_of_dates_go_in_several_calls_and_come_back_whole() {
    let (sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    let pass = category(&event, "PASS", 600);
    let dates: Vec<DateBody> = (0..450).map(|number| date(&format!("show:{number}"), pass, 12)).collect();
    let before = client.requests();
    let added = client.add_dates(event.id, &dates).await;
    assert!(added.stopped.is_none() && added.refused.is_empty(), "{added:?}");
    assert_eq!((added.accepted.len(), client.requests() - before), (450, 3));
    for (index, made) in &added.accepted {
        assert_eq!(made.id_at_provider.as_deref(), Some(dates[*index].id_at_provider.as_str()));
        assert_eq!(
            (made.starts_at, made.bookable_until),
            (dates[*index].starts_at, Some(dates[*index].bookable_until))
        );
    }
    assert_eq!(client.event(event.id).await.unwrap().status, OfferStatus::Active);

    let mut all = client.dates(event.id).await.unwrap();
    let mut made: Vec<_> = added.accepted.into_iter().map(|(_, date)| date).collect();
    all.sort_by_key(|date| date.id);
    made.sort_by_key(|date| date.id);
    assert_eq!(all, made);
    let asked: Vec<String> = (0..120).map(|number| format!("show:{}", number * 4)).collect();
    let found = client.find_dates(event.id, &asked).await.unwrap();
    assert_eq!(found.len(), 113);
    assert!(found.iter().all(|date| asked.contains(date.id_at_provider.as_ref().unwrap())));

    // An empty list would answer 200 and do nothing: it is not sent.
    sandbox.forget_requests();
    assert!(client.add_dates(event.id, &[]).await.stopped.is_none());
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn refused_dates_are_told_by_their_place_and_the_others_are_made() {
    let (_sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    let pass = category(&event, "PASS", 600);
    let taken = client.add_dates(event.id, &[date("show:taken", pass, 1)]).await;
    assert_eq!(taken.accepted.len(), 1);

    let mut dates: Vec<DateBody> = (0..MAX_DATES_SENT + 20).map(|n| date(&format!("show:{n}"), pass, 5)).collect();
    dates[3].quantity = Quantity::Exactly(1_000_001);
    dates[7].id_at_provider = "show:taken".into();
    dates[11].price_category_id = 999_999;
    dates[13].bookable_until = dates[13].starts_at + 1;
    dates[17].starts_at = tomorrow() - 2 * DAY;
    dates[19].id_at_provider = "show:18".into();
    dates[MAX_DATES_SENT + 5].id_at_provider = "x".repeat(71);
    let bad = BTreeSet::from([3, 7, 11, 13, 17, 19, MAX_DATES_SENT + 5]);

    let added = client.add_dates(event.id, &dates).await;
    assert!(added.stopped.is_none() && added.lost.is_empty() && added.unsent.is_empty(), "{added:?}");
    assert_eq!(added.refused.iter().map(|item| item.index).collect::<BTreeSet<_>>(), bad);
    let reason = |index| added.refused.iter().find(|item| item.index == index).map(|item| item.field.as_str());
    assert_eq!(reason(3), Some("quantity"));
    assert_eq!(reason(7), Some("idAtProvider"));
    assert_eq!(reason(11), Some("priceCategoryId"));
    assert_eq!(reason(13), Some("bookingLimitDatetime"));
    assert_eq!(reason(17), Some("beginningDatetime"));
    let accepted: BTreeSet<usize> = added.accepted.iter().map(|(index, _)| *index).collect();
    assert_eq!(accepted, (0..dates.len()).filter(|index| !bad.contains(index)).collect());
    assert_eq!(client.dates(event.id).await.unwrap().len(), accepted.len() + 1);
}

#[tokio::test]
async fn what_was_not_sent_and_what_may_be_there_are_told_apart() {
    let (sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    let pass = category(&event, "PASS", 600);
    let dates: Vec<DateBody> = (0..500).map(|number| date(&format!("show:{number}"), pass, 12)).collect();
    let path = format!("{EVENTS}/{}/dates", event.id);

    // The first call is well, the answer to the second is cut off.
    let first = client.add_dates(event.id, &dates[..MAX_DATES_SENT]).await;
    assert_eq!(first.accepted.len(), MAX_DATES_SENT);
    assert!(sandbox.inject(Fault::next(1, &path, FaultEffect::CutAfterEffect)));
    let second = client.add_dates(event.id, &dates[MAX_DATES_SENT..]).await;
    assert!(matches!(second.stopped, Some(SendError::AnswerLost(_))), "{second:?}");
    assert_eq!(second.lost, (0..MAX_DATES_SENT).collect::<Vec<_>>());
    assert_eq!(second.unsent, (MAX_DATES_SENT..300).collect::<Vec<_>>());
    assert!(second.accepted.is_empty());
    let keys: Vec<String> = dates[200..400].iter().map(|date| date.id_at_provider.clone()).collect();
    assert_eq!(client.find_dates(event.id, &keys).await.unwrap().len(), 200);

    // Blindly sent again, all are refused by name: nothing is there twice.
    let again = client.add_dates(event.id, &dates[200..400]).await;
    assert_eq!((again.refused.len(), again.accepted.len()), (200, 0));
    assert_eq!(client.dates(event.id).await.unwrap().len(), 400);

    let gone = client.add_dates(event.id + 1_000, &dates[..1]).await;
    assert_eq!(gone.unsent, [0]);
    assert_eq!(gone.stopped.as_ref().map(code), Some("NoSuchOffer"));

    // 2 500 dates are the most.
    let more: Vec<DateBody> = (500..2_601).map(|number| date(&format!("show:{number}"), pass, 1)).collect();
    let added = client.add_dates(event.id, &more).await;
    assert_eq!(added.stopped.as_ref().map(code), Some("TooManyDates"), "{:?}", added.stopped);
    assert_eq!((added.accepted.len(), added.unsent.len()), (2_000, 101));
}

#[tokio::test]
async fn a_date_is_changed_by_what_is_set_and_sent_places_are_those_left() {
    let (sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    let (pass, other) = (category(&event, "PASS", 600), category(&event, "PASS · 3D", 800));
    let added = client.add_dates(event.id, &[date("s", pass, 10)]).await;
    let stock = added.accepted[0].1.id;
    let booked = sandbox.book(PERSON, Bookable::Stock(stock.try_into().unwrap()), 2).unwrap();

    let left = |quantity| DatePatch { quantity: Some(quantity), ..DatePatch::default() };
    let changed = client.change_date(event.id, stock, &left(Quantity::Exactly(5))).await.unwrap().unwrap();
    assert_eq!((changed.total, changed.booked, changed.remaining()), (Quantity::Exactly(7), 2, Quantity::Exactly(5)));
    let changed = client.change_date(event.id, stock, &left(Quantity::Unlimited)).await.unwrap().unwrap();
    assert_eq!(changed.remaining(), Quantity::Unlimited);
    let changed = client.change_date(event.id, stock, &left(Quantity::Exactly(0))).await.unwrap().unwrap();
    assert_eq!(changed.remaining(), Quantity::Exactly(0));

    let starts_at = tomorrow() + DAY;
    let patch = DatePatch {
        starts_at: Some(starts_at),
        bookable_until: Some(starts_at),
        price_category_id: Some(other),
        ..DatePatch::default()
    };
    let moved = client.change_date(event.id, stock, &patch).await.unwrap().unwrap();
    assert_eq!((moved.starts_at, moved.price_category.unwrap().id), (starts_at, other));
    let before = client.requests();
    assert_eq!(client.change_date(event.id, stock, &DatePatch::default()).await.unwrap(), None);
    assert_eq!(client.requests(), before);

    // A wrong price category is a 404 too, and the date is there.
    let patch = DatePatch { price_category_id: Some(999_999), ..DatePatch::default() };
    let error = client.change_date(event.id, stock, &patch).await.unwrap_err();
    assert_eq!((code(&error), refused(&error)), ("NoSuchPriceCategory", vec!["priceCategoryId"]));
    let error = client.change_date(event.id, stock + 1_000, &left(Quantity::Exactly(1))).await.unwrap_err();
    assert_eq!(code(&error), "NoSuchDate");
    let error = client.change_date(event.id + 1_000, stock, &left(Quantity::Exactly(1))).await.unwrap_err();
    assert_eq!(code(&error), "NoSuchOffer");

    // A change may be repeated, also when the answer was lost.
    assert!(sandbox.inject(Fault::next(1, EVENTS, FaultEffect::CutAfterEffect)));
    let changed = client.change_date(event.id, stock, &left(Quantity::Exactly(3))).await.unwrap().unwrap();
    assert_eq!(changed.remaining(), Quantity::Exactly(3));

    let listed = client.bookings(event.id, Some(stock)).await.unwrap();
    assert_eq!((listed.len(), listed[0].quantity, listed[0].status), (1, 2, BookingStatus::Confirmed));
    assert_eq!((listed[0].email.expose(), u64::try_from(listed[0].id).unwrap()), (PERSON, booked.id));
    assert!(!format!("{listed:?}").contains(PERSON));
    let now = jiff::Timestamp::now().as_microsecond();
    assert!((now - 60_000_000..=now).contains(&listed[0].created_at_micros), "{listed:?}");
    assert_eq!(client.bookings(event.id, Some(stock + 1)).await.unwrap(), []);
    assert_eq!(client.bookings(event.id + 1_000, None).await.unwrap_err().code, "NoSuchOffer");
}

#[tokio::test]
async fn a_deleted_date_is_deleted_however_often_and_an_event_out_of_sight_is_not() {
    let (sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    let pass = category(&event, "PASS", 600);
    let added = client.add_dates(event.id, &[date("s", pass, 10), date("t", pass, 10)]).await;
    let stock = added.accepted[0].1.id;
    sandbox.book(PERSON, Bookable::Stock(stock.try_into().unwrap()), 1).unwrap();
    client.delete_date(event.id, stock).await.unwrap();
    client.delete_date(event.id, stock).await.unwrap();
    assert!(sandbox.inject(Fault::next(1, EVENTS, FaultEffect::CutAfterEffect)));
    client.delete_date(event.id, added.accepted[1].1.id).await.unwrap();
    assert_eq!(client.dates(event.id).await.unwrap(), []);
    let listed = client.bookings(event.id, None).await.unwrap();
    assert_eq!(listed[0].status, BookingStatus::Cancelled);

    assert!(sandbox.unlink_venue(535));
    let error = client.delete_date(event.id, stock).await.unwrap_err();
    assert_eq!(code(&error), "NoSuchOffer");
    assert_eq!(client.bookings(event.id, None).await.unwrap_err().code, "NoSuchOffer");
}

#[tokio::test]
async fn a_rejected_event_is_frozen() {
    let (sandbox, client) = start().await;
    sandbox.set_settings(passerelle::sandbox::Settings {
        review: passerelle::sandbox::Review::Rejected,
        ..sandbox.settings()
    });
    let event = client.create_event(&film("f")).await.unwrap();
    let added = client.add_dates(event.id, &[date("s", category(&event, "PASS", 600), 1)]).await;
    let stock = added.accepted[0].1.id;
    assert_eq!(client.event(event.id).await.unwrap().status, OfferStatus::Rejected);
    let patch = EventPatch { duo: Some(false), ..EventPatch::default() };
    assert_eq!(code(&client.change_event(event.id, &patch).await.unwrap_err()), "OfferFrozen");
    let patch = DatePatch { quantity: Some(Quantity::Exactly(0)), ..DatePatch::default() };
    assert_eq!(code(&client.change_date(event.id, stock, &patch).await.unwrap_err()), "OfferFrozen");
}

/// The beginning of a PNG of that size, which is all that the sandbox reads.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes
}

#[tokio::test]
async fn a_picture_is_put_replaced_and_refused() {
    let (_sandbox, client) = start().await;
    let event = client.create_event(&film("f")).await.unwrap();
    assert_eq!(event.picture_url, None);
    client.put_picture(event.id, &png(400, 600), Some("© Une Affiche")).await.unwrap();
    let first = client.event(event.id).await.unwrap().picture_url.unwrap();
    client.put_picture(event.id, &png(1000, 1500), None).await.unwrap();
    assert_ne!(client.event(event.id).await.unwrap().picture_url.unwrap(), first);

    let error = client.put_picture(event.id, &png(600, 600), None).await.unwrap_err();
    assert_eq!((code(&error), refused(&error)), ("PictureRefused", vec!["file"]));
    let before = client.requests();
    for picture in [b"GIF89a...".to_vec(), Vec::new(), [png(400, 600), vec![0; 10_000_000]].concat()] {
        let error = client.put_picture(event.id, &picture, None).await.unwrap_err();
        assert_eq!((code(&error), refused(&error)), ("PictureRefused", vec!["file"]));
    }
    assert_eq!(client.requests(), before);
    let error = client.put_picture(event.id + 1_000, &png(400, 600), None).await.unwrap_err();
    assert_eq!(code(&error), "NoSuchOffer");
}

#[tokio::test]
async fn message_urls_are_set_once_for_the_account_or_for_a_venue() {
    let (_sandbox, client) = start().await;
    let wanted = urls("https://passerelle.example/passculture");
    let set = client.set_message_urls(None, &wanted).await.unwrap();
    assert_eq!((set.before, set.changed), (MessageUrls::default(), true));
    assert_eq!(client.message_urls(None).await.unwrap(), wanted);
    let before = client.requests();
    let set = client.set_message_urls(None, &wanted).await.unwrap();
    assert_eq!((set.before, set.changed, client.requests() - before), (wanted.clone(), false, 1));

    let own = urls("https://autre.example/passculture");
    assert_eq!(client.message_urls(Some(535)).await.unwrap(), MessageUrls::default());
    assert!(client.set_message_urls(Some(535), &own).await.unwrap().changed);
    assert_eq!(client.message_urls(Some(535)).await.unwrap(), own);
    assert_eq!(client.message_urls(Some(536)).await.unwrap(), MessageUrls::default());
    assert_eq!(code(&client.set_message_urls(Some(999), &own).await.unwrap_err()), "VenueNotLinked");
    let half = MessageUrls { cancel: None, ..own };
    assert_eq!(code(&client.set_message_urls(None, &half).await.unwrap_err()), "BadMessageUrls");
}

#[tokio::test]
async fn booking_urls_stay_while_tickets_were_sold_for_a_date_to_come() {
    let (sandbox, client) = start().await;
    let (base, asked) = ticketing().await;
    let wanted = urls(&base);
    client.set_message_urls(None, &wanted).await.unwrap();
    let event = client.create_event(&EventBody { has_ticket: true, ..film("f") }).await.unwrap();
    let added = client.add_dates(event.id, &[date("s", category(&event, "PASS", 600), 10)]).await;
    let stock = added.accepted[0].1.id;
    sandbox.book_and_wait(PERSON, Bookable::Stock(stock.try_into().unwrap()), 1).await.unwrap();
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);

    let error = client.set_message_urls(None, &MessageUrls::default()).await.unwrap_err();
    assert_eq!((code(&error), refused(&error)), ("TicketingUrlsHeld", vec!["ticketing_urls"]));
    assert_eq!(client.message_urls(None).await.unwrap(), wanted);
    // Elsewhere is allowed, only nowhere is not.
    assert!(client.set_message_urls(None, &urls("https://passerelle.example")).await.unwrap().changed);
}

/// A ticketing that sells one seat and has nine left.
async fn ticketing() -> (String, Arc<std::sync::atomic::AtomicU32>) {
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let seen = asked.clone();
    let answer = move || {
        seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async { r#"{"tickets":[{"barcode":"B1","seat":null}],"remainingQuantity":9}"# }
    };
    let app = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, asked)
}
