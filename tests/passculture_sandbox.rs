//! The northbound client against the sandbox: what is sent is what is there afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use passerelle::passculture::{
    AfterLostAnswer, Availability, Client, EanOffer, OfferStatus, RetryPolicy, Settings, UpsertError, UpsertOptions,
};
use passerelle::sandbox::{Bookable, Fault, FaultEffect, Sandbox, Seed};
use passerelle::store;
use passerelle_contract::{Cents, Ean, Quantity};
use secrecy::SecretString;

const SEED: &str = r#"{
    "accounts": [{"name": "default", "api_key": "sandbox_key"}],
    "venues": [{"id": 535, "siret": "85331845900049", "name": "Librairie du Port", "postal_code": "98800"},
               {"id": 536, "name": "En ligne"}],
    "products": [{"ean": "9782070286256"}, {"ean": "9782330133306"},
                 {"ean": "0602435931975", "category": "SUPPORT_PHYSIQUE_FILM"},
                 {"ean": "9782070658398", "status": "PROVIDER_INCOMPATIBLE"}],
    "beneficiaries": [{"email": "personne.fictive@example.org"}]
}"#;
const UPSERT: &str = "/public/offers/v1/products/ean";

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
    (sandbox, client.with_policy(RetryPolicy { longest_attempt: Duration::from_secs(2), ..RetryPolicy::WORK }))
}

fn ean(text: &str) -> Ean {
    text.parse().unwrap()
}

fn book(copies: u32) -> EanOffer {
    EanOffer { ean: ean("9782070286256"), price: Cents(799), quantity: Quantity::Exactly(copies) }
}

#[tokio::test]
async fn the_account_and_its_venues_are_read() {
    let (_sandbox, client) = start().await;
    assert_eq!(client.provider().await.unwrap().name, "default");
    let venue = client.venue_by_siret("85331845900049").await.unwrap();
    assert_eq!(
        (venue.id, venue.name.as_str(), venue.postal_code.as_deref()),
        (535, "Librairie du Port", Some("98800"))
    );
    assert!(!venue.is_digital);
    assert_eq!(client.venue_by_id(535).await.unwrap(), venue);
    assert!(client.venue_by_id(536).await.unwrap().is_digital);
    assert_eq!(client.venue_by_siret("73282932000074").await.unwrap_err().code, "VenueNotLinked");
}

#[tokio::test]
async fn each_reason_of_a_refusal_is_told_apart() {
    let (_sandbox, client) = start().await;
    let asked = ["9782070286256", "9790231802351", "0602435931975", "9782070658398"].map(ean);
    let mut answer = client.check_availability(&asked).await.unwrap();
    answer.sort_by_key(|(_, verdict)| verdict.code());
    assert_eq!(
        answer,
        [
            (asked[0], Availability::Available),
            (asked[1], Availability::NotFound),
            (asked[2], Availability::SubcategoryNotAllowed),
            (asked[3], Availability::NotCompliant),
        ]
    );
}

#[tokio::test]
async fn what_remains_is_what_was_sent_even_after_a_booking() {
    let (sandbox, client) = start().await;
    client.upsert_eans(535, &[book(3)], UpsertOptions::default()).await.unwrap();
    sandbox.settled().await;
    let offer = client.read_eans(535, &[book(0).ean]).await.unwrap().remove(0);
    assert_eq!(offer.status, OfferStatus::Active);
    sandbox.book("personne.fictive@example.org", Bookable::Offer(offer.offer_id.try_into().unwrap()), 1).unwrap();

    client.upsert_eans(535, &[book(2)], UpsertOptions::default()).await.unwrap();
    sandbox.settled().await;
    let stock = client.read_eans(535, &[book(0).ean]).await.unwrap().remove(0).stock.unwrap();
    assert_eq!((stock.price, stock.total, stock.booked), (Cents(799), Quantity::Exactly(3), 1));
    assert_eq!(stock.remaining(), Quantity::Exactly(2));

    let unlimited = EanOffer { quantity: Quantity::Unlimited, ..book(0) };
    client.upsert_eans(535, &[unlimited], UpsertOptions::default()).await.unwrap();
    sandbox.settled().await;
    let stock = client.read_eans(535, &[book(0).ean]).await.unwrap().remove(0).stock.unwrap();
    assert_eq!(stock.remaining(), Quantity::Unlimited);
}

#[tokio::test]
async fn a_lost_answer_to_a_first_upsert_makes_one_offer_not_two() {
    let (sandbox, client) = start().await;
    for effect in [FaultEffect::CutAfterEffect, FaultEffect::TimeoutAfterEffect] {
        sandbox.reset();
        assert!(sandbox.inject(Fault::next(1, UPSERT, effect.clone())));
        let error = client.upsert_eans(535, &[book(3)], UpsertOptions::default()).await.unwrap_err();
        assert!(matches!(error, UpsertError::AnswerLost(_)), "{effect:?}: {error:?}");
        sandbox.settled().await;
        let offers = client.read_eans(535, &[book(0).ean]).await.unwrap();
        assert_eq!(offers.len(), 1, "{effect:?}: {offers:?}");
    }
}

#[tokio::test]
async fn an_upsert_survives_a_server_error_and_a_cut_when_it_may_be_repeated() {
    let (sandbox, client) = start().await;
    let options = UpsertOptions { after_lost_answer: AfterLostAnswer::Resend, ..UpsertOptions::default() };
    for effect in [FaultEffect::ServerError, FaultEffect::Cut] {
        let pass = client.counting_anew();
        assert!(sandbox.inject(Fault::next(1, UPSERT, effect.clone())));
        pass.upsert_eans(535, &[book(1)], options).await.unwrap();
        assert_eq!(pass.requests(), 2, "{effect:?}");
    }
}

#[tokio::test]
async fn an_item_beyond_the_bounds_is_named_and_the_rest_can_be_sent() {
    let (sandbox, client) = start().await;
    let other = EanOffer { ean: ean("9782330133306"), price: Cents(30_001), quantity: Quantity::Exactly(1) };
    let error = client.upsert_eans(535, &[book(1), other], UpsertOptions::default()).await.unwrap_err();
    let UpsertError::Refused { items, .. } = &error else { panic!("{error:?}") };
    assert_eq!(items.iter().map(|item| (item.index, item.field.as_str())).collect::<Vec<_>>(), [(1, "stock.price")]);
    client.upsert_eans(535, &[book(1)], UpsertOptions::default()).await.unwrap();
    sandbox.settled().await;
    assert_eq!(client.read_eans(535, &[book(0).ean, other.ean]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_venue_that_was_unlinked_or_is_virtual_is_refused_with_its_reason() {
    let (sandbox, client) = start().await;
    let error = client.upsert_eans(536, &[book(1)], UpsertOptions::default()).await.unwrap_err();
    assert_eq!(error.error().code, "Refused");
    assert!(sandbox.unlink_venue(535));
    let error = client.upsert_eans(535, &[book(1)], UpsertOptions::default()).await.unwrap_err();
    assert_eq!(error.error().code, "VenueNotLinked");
    assert_eq!(client.read_eans(535, &[book(1).ean]).await.unwrap_err().code, "VenueNotLinked");
}
