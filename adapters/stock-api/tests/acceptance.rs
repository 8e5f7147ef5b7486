//! The protocol's acceptance scenarios, against the simulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint's exception covers test functions only"
)]

use std::sync::Arc;

use futures_util::StreamExt as _;
use passerelle_contract::{
    Adapter, AdapterError, Class, Completeness, Context, Cursor, End, Pull, Quantity, Row, StockLine,
};
use passerelle_stock_api::DESCRIPTOR;
use passerelle_stock_api::simulator::{Mutation, Profile, ShopConfig, StockSimulator};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

const SIRET: &str = "12345678900011";

struct Shop {
    simulator: StockSimulator,
    adapter: Arc<dyn Adapter>,
}

#[derive(Debug)]
struct Pass {
    lines: Vec<StockLine>,
    bad: Vec<&'static str>,
    end: End,
}

fn config(profile: Profile) -> ShopConfig {
    ShopConfig { profile, references: 500, slow_milliseconds: (0, 3), ..ShopConfig::new("editor", SIRET) }
}

async fn shop(config: ShopConfig, over: Value) -> Shop {
    let simulator = StockSimulator::start(vec![config]).await.unwrap();
    let mut settings = json!({"api_url": simulator.api_url("editor"), "siret": SIRET, "price_unit": "euro",
        "limit": 100, "timeout_seconds": 2});
    settings.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    let context = Context { allow_private_addresses: true, ..Context::default() };
    let adapter = (DESCRIPTOR.connect)(&settings, context).unwrap();
    Shop { simulator, adapter }
}

impl Shop {
    async fn pull(&self, from: Option<Cursor>) -> Result<Pass, AdapterError> {
        let mut pass = self.adapter.stock().unwrap().pull(Pull { from, ..Pull::default() });
        let (mut lines, mut bad) = (Vec::new(), Vec::new());
        while let Some(page) = pass.next().await {
            let page = page?;
            for row in page.rows {
                match row {
                    Row::Good(line) => lines.push(line),
                    Row::Poison(error) => bad.push(error.problem.code),
                }
            }
            if let Some(end) = page.end {
                assert!(pass.next().await.is_none(), "nothing comes after the End");
                return Ok(Pass { lines, bad, end });
            }
        }
        panic!("a pass without End and without error");
    }

    async fn error(&self) -> AdapterError {
        self.pull(None).await.unwrap_err()
    }

    fn change(&self, change: Value) {
        let change: Mutation = serde_json::from_value(change).unwrap();
        assert!(self.simulator.mutate("editor", SIRET, &change));
    }
}

async fn eans(profile: Profile, over: Value) -> Vec<u64> {
    let pass = shop(config(profile), over).await.pull(None).await.unwrap();
    assert_eq!(pass.bad, Vec::<&str>::new(), "{profile:?}");
    pass.lines.iter().map(|line| line.ean.as_u64()).collect()
}

#[tokio::test]
async fn a_first_pass_is_full_and_the_next_brings_only_changes() {
    let shop = shop(config(Profile::Plain), json!({})).await;
    let full = shop.pull(None).await.unwrap();
    assert_eq!(full.end.completeness, Completeness::Snapshot);
    let known = shop.simulator.entries("editor", SIRET);
    assert_eq!(full.lines.len(), known.len());
    for (line, entry) in full.lines.iter().zip(&known) {
        assert_eq!((line.ean.as_u64(), line.price.unwrap_or_default().0), (entry.ean, entry.cents));
        assert_eq!(line.quantity, Quantity::Exactly(u32::try_from(entry.available).unwrap()), "sent unchanged");
    }
    let queries: Vec<String> = shop.simulator.log().all().into_iter().map(|one| one.query).collect();
    assert_eq!(queries.len(), 7, "501 entries in pages of 100, and one request that closes: {queries:?}");
    assert!(queries.iter().all(|query| !query.contains("modifiedSince")), "{queries:?}");

    shop.simulator.log().clear();
    let (gone, sold) = (known[3].ean, known[7].ean);
    shop.change(json!({"set": {gone.to_string(): {"available": 0}, sold.to_string(): {"available": 41}}}));
    let delta = shop.pull(full.end.cursor).await.unwrap();
    assert_eq!(delta.end.completeness, Completeness::Delta);
    let seen: Vec<(u64, Quantity)> = delta.lines.iter().map(|line| (line.ean.as_u64(), line.quantity)).collect();
    assert_eq!(seen, [(gone, Quantity::Exactly(0)), (sold, Quantity::Exactly(41))]);
    let query = shop.simulator.log().all()[0].query.clone();
    let since = query.split("modifiedSince=").nth(1).unwrap().split('&').next().unwrap();
    assert!(since.ends_with('Z') && since.contains("%3A") && !since.contains('.'), "{query}");
}

#[tokio::test]
async fn invalid_json_on_a_later_page_fails_the_pass_and_moves_no_date() {
    let shop = shop(config(Profile::Plain), json!({})).await;
    let mut pass = shop.adapter.stock().unwrap().pull(Pull::default());
    for _ in 0..2 {
        assert!(pass.next().await.unwrap().unwrap().end.is_none());
    }
    shop.simulator.faults().next("", 1, Fault::Body(r#"{"stocks": [{"ref": "9782999999107", "price": .95}]}"#.into()));
    let error = pass.next().await.unwrap().unwrap_err();
    assert_eq!((error.code, error.class), ("MalformedBody", Class::VendorFault));
    assert!(pass.next().await.is_none());
    drop(pass);
    assert!(shop.pull(None).await.is_ok(), "the next pass applies it all again");
}

#[tokio::test]
async fn a_page_without_one_usable_entry_is_a_failure_and_not_an_end() {
    let error = shop(config(Profile::AllBadPage), json!({})).await.error().await;
    assert_eq!(error.code, "MalformedPage");
}

#[tokio::test]
async fn a_server_that_ignores_after_is_noticed_within_two_pages() {
    let looping = shop(config(Profile::IgnoresAfter), json!({})).await;
    assert_eq!(looping.error().await.code, "PaginationStalled");
    assert_eq!(looping.simulator.log().len(), 2);
    let told = shop(config(Profile::IgnoresAfter), json!({"after": "single_page", "limit": 1000})).await;
    assert_eq!(told.pull(None).await.unwrap().lines.len(), told.simulator.entries("editor", SIRET).len());
    assert_eq!(told.simulator.log().len(), 1);
}

#[tokio::test]
async fn cents_taken_for_euros_stop_the_first_pass_before_a_row_leaves() {
    let wrong = shop(config(Profile::Titelive), json!({})).await;
    let mut pass = wrong.adapter.stock().unwrap().pull(Pull::default());
    let error = pass.next().await.unwrap().unwrap_err();
    assert_eq!((error.code, error.class), ("ImplausiblePriceUnit", Class::Settings));
    let right = shop(config(Profile::Titelive), json!({"price_unit": "cent", "in_stock_first": true})).await;
    let lines = right.pull(None).await.unwrap().lines;
    assert!(lines.iter().all(|line| line.quantity != Quantity::Exactly(0)) && lines.len() > 400, "{}", lines.len());
    let euros_for_cents = shop(config(Profile::Plain), json!({"price_unit": "cent"})).await;
    assert_eq!(euros_for_cents.error().await.code, "ImplausiblePriceUnit");
}

#[tokio::test]
async fn an_unknown_shop_is_refused_plainly_and_not_tried_again() {
    let shop = shop(config(Profile::Plain), json!({"siret": "99999999900099"})).await;
    let error = shop.error().await;
    assert_eq!((error.code, error.class), ("UnknownShop", Class::Settings));
    assert!(error.to_string().contains("siret"), "{error}");
    assert_eq!(shop.simulator.log().len(), 1);
}

#[tokio::test]
async fn a_refused_date_restarts_the_pass_in_full_once() {
    let shop = shop(config(Profile::Plain), json!({})).await;
    let cursor = shop.pull(None).await.unwrap().end.cursor;
    shop.simulator.faults().next("", 1, Fault::Status(400));
    let pass = shop.pull(cursor.clone()).await.unwrap();
    assert_eq!(pass.end.completeness, Completeness::Snapshot);
    assert!(pass.end.warnings.iter().any(|warning| warning.contains("restarted")), "{:?}", pass.end.warnings);
    shop.simulator.faults().next("", 2, Fault::Status(400));
    assert_eq!(shop.pull(cursor).await.unwrap_err().code, "BadRequest");
}

#[tokio::test]
async fn every_way_of_writing_the_same_list_gives_the_same_references() {
    let plain = eans(Profile::Plain, json!({})).await;
    for profile in [
        Profile::NoTotal,
        Profile::FnacEmpty,
        Profile::NoDelta,
        Profile::StringNumbers,
        Profile::IntRefs,
        Profile::HyphenRefs,
        Profile::Isbn10Refs,
        Profile::Negative,
    ] {
        assert!(eans(profile, json!({})).await == plain, "{profile:?}");
    }
    assert!(eans(Profile::Praxiel2020, json!({"leading_dot_numbers": true})).await == plain);
    let mut with_token = config(Profile::Fnac2020);
    with_token.token = Some("744563534".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "744563534\n").unwrap();
    let over = json!({"case_insensitive_keys": true, "basic_raw_token": {"file": token}});
    let pass = shop(with_token.clone(), over).await.pull(None).await.unwrap();
    assert!(pass.lines.iter().map(|line| line.ean.as_u64()).eq(plain));
    let refused = shop(with_token, json!({"case_insensitive_keys": true})).await.error().await;
    assert_eq!((refused.code, refused.class), ("BadCredentials", Class::Auth));
}

#[tokio::test]
async fn strict_reading_refuses_what_a_leniency_would_take() {
    assert_eq!(shop(config(Profile::Fnac2020), json!({})).await.error().await.code, "MalformedBody");
    assert_eq!(shop(config(Profile::Praxiel2020), json!({})).await.error().await.code, "MalformedBody");
    assert_eq!(shop(config(Profile::Html200), json!({})).await.error().await.code, "MalformedBody");
    assert_eq!(shop(config(Profile::Truncated), json!({})).await.error().await.code, "MalformedBody");
}

#[tokio::test]
async fn bad_entries_stay_behind_and_the_others_go_on() {
    for (profile, code) in [(Profile::NullPrice, "MissingPrice"), (Profile::MissingRef, "BadLength")] {
        let pass = shop(config(profile), json!({})).await.pull(None).await.unwrap();
        assert!(pass.lines.len() > 400 && pass.bad.len() > 50, "{profile:?}: {}", pass.bad.len());
        assert!(pass.bad.iter().all(|found| *found == code), "{profile:?}: {:?}", pass.bad);
    }
    let twice = shop(config(Profile::DupRef), json!({})).await.pull(None).await.unwrap();
    assert!(twice.lines.len() > 540, "both rows reach the gateway, which keeps the last: {}", twice.lines.len());
}

#[tokio::test]
async fn an_unstable_order_ends_one_way_or_the_other() {
    let shop = shop(config(Profile::UnstableOrder), json!({"max_pages": 50})).await;
    let ended = shop.pull(None).await;
    let code = ended.as_ref().err().map(|error| error.code);
    assert!(matches!(code, None | Some("PaginationStalled" | "TooManyPages")), "{ended:?}");
}

#[tokio::test]
async fn a_margin_covers_servers_that_compare_with_paris_time() {
    for (margin, expected) in [(0, 0), (7500, 1)] {
        let shop = shop(config(Profile::ParisTime), json!({"modified_since_margin_seconds": margin})).await;
        let cursor = shop.pull(None).await.unwrap().end.cursor;
        shop.change(json!({"set": {"9782999999107": {"available": 2}}}));
        assert_eq!(shop.pull(cursor).await.unwrap().lines.len(), expected, "margin {margin}");
    }
}

#[tokio::test]
async fn limits_on_pages_and_entries_end_a_pass() {
    for over in [json!({"max_pages": 2}), json!({"max_entries": 150})] {
        assert_eq!(shop(config(Profile::Plain), over).await.error().await.code, "TooManyPages");
    }
}

#[tokio::test]
async fn a_source_without_deltas_has_no_cursor() {
    let shop = shop(config(Profile::Plain), json!({"modified_since": false})).await;
    let end = shop.pull(Some(Cursor("2026-01-01T00:00:00Z".into()))).await.unwrap().end;
    assert_eq!((end.completeness, end.cursor), (Completeness::Snapshot, None));
}

#[tokio::test]
async fn the_first_draft_of_the_protocol_is_one_bare_list() {
    let body = r#"[{"ref": "978-2-9999991-0-7", "quantity": 27, "price": 9.5}]"#;
    let old = shop(config(Profile::Plain), json!({"generation_1": true})).await;
    old.simulator.faults().always(Fault::Body(body.into()));
    let pass = old.pull(None).await.unwrap();
    assert_eq!(pass.lines[0].quantity, Quantity::Exactly(27));
    assert_eq!(old.simulator.log().len(), 1);
}

#[tokio::test]
async fn a_failing_server_is_asked_again_within_the_pass() {
    let shop = shop(config(Profile::Plain), json!({})).await;
    shop.simulator.faults().next("", 2, Fault::Status(503));
    assert!(shop.pull(None).await.is_ok());
}
