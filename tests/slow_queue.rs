//! A pass Culture whose queue is late, stalls or loses tasks: nothing is concluded from what does not show yet, nothing is sent
//! twice, and everything is on sale in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use passerelle::sandbox::{Bookable, FaultBody, FaultEffect, ProductStatus, SeedProduct, Settings};
use passerelle::store::ledger::{self, Acknowledged, Entry, Sent, Terms, Update};
use passerelle::store::queue::{CallId, VenueQueue};
use passerelle::store::{self, AvailabilityRow, LeaseAnswer, Owner};
use passerelle_contract::{Cents, Quantity};
use serde_json::{Value, json};
use shop::{API_KEY, CONNECTION, Ran, Shop, VENUE, ean};

const UPSERT: &str = "POST /public/offers/v1/products/ean";

/// EANs sent in upserts so far, and calls.
fn sent(shop: &Shop) -> (u64, u64) {
    shop.sandbox.route_counts().get(UPSERT).map_or((0, 0), |route| (route.items, route.requests))
}

fn settings(shop: &Shop, change: impl FnOnce(Settings) -> Settings) {
    shop.sandbox.set_settings(change(shop.sandbox.settings()));
}

/// What the account sends again is waited for so long.
fn resend_after(shop: &Shop, time: &str) {
    let path = shop.path("passerelle.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace("requests_per_minute", &format!("resend_after = \"{time}\"\nrequests_per_minute")),
    )
    .unwrap();
}

/// Offers of the shop's venue per EAN.
fn offers(shop: &Shop) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for offer in shop.sandbox.offers().into_iter().filter(|offer| i64::from(offer.venue_id) == VENUE) {
        *count.entry(offer.ean.unwrap()).or_default() += 1;
    }
    count
}

/// Upserts straight to pass Culture, past the gateway.
fn upsert(shop: &Shop, venue: i64, rows: impl IntoIterator<Item = (u64, u32, u32)>) {
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(number, cents, copies)| json!({"ean": ean(number), "stock": {"price": cents, "quantity": copies}}))
        .collect();
    for products in rows.chunks(500) {
        let body = json!({"location": {"type": "physical", "venueId": venue}, "products": products});
        let url = format!("{}/public/offers/v1/products/ean", shop.sandbox.base_url());
        let answer = shop.block_on(async {
            reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap()
                .post(url)
                .bearer_auth(API_KEY)
                .json(&body)
                .send()
                .await
        });
        assert_eq!(answer.unwrap().status(), 204);
    }
}

/// Passes until this holds.
fn passes_until(shop: &Shop, most: u32, what: &str, holds: impl Fn(&Ran) -> bool) -> Ran {
    for _ in 0..most {
        let ran = shop.run(&["sync", CONNECTION]);
        if holds(&ran) {
            return ran;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    panic!("not within {most} passes: {what}");
}

#[test]
fn a_thousand_titles_are_on_sale_within_three_passes_behind_another_shops_three_thousand() {
    let shop = Shop::new(4_000);
    settings(&shop, |before| Settings { ean_workers: 8, upsert_delay_ms: 20_000, location_race: true, ..before });
    upsert(&shop, VENUE + 1, (1_000..4_000).map(|number| (number, 1_000, 1)));
    let rows = |number: u64| (number, 1_000 + u32::try_from(number).unwrap(), 1 + u32::try_from(number % 7).unwrap());
    shop.write_rows((0..1_000).map(rows));
    shop.sandbox.forget_requests();
    let mut last = None;
    for _ in 0..3 {
        let began = Instant::now();
        let pass = shop.run(&["sync", CONNECTION]);
        assert_eq!((pass.code, pass.numbers(&["rejected"])), (0, vec![0]), "{pass:#?}");
        assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
        last = Some(pass);
    }
    assert_eq!(last.unwrap().numbers(&["unverified"]), [0]);
    assert_eq!(sent(&shop).0, 1_000, "each title was sent once");
    let offers: Vec<_> = shop.sandbox.offers().into_iter().filter(|offer| i64::from(offer.venue_id) == VENUE).collect();
    assert_eq!(offers.len(), 1_000, "no twins");
    for number in 0..1_000 {
        let (_, cents, copies) = rows(number);
        let offer = offers.iter().find(|offer| offer.ean.as_deref() == Some(&ean(number))).unwrap();
        assert_eq!((offer.price_cents, offer.remaining), (Some(cents), Some(copies)), "{number}");
    }
}

#[test]
fn a_stalled_queue_gets_nothing_twice_and_no_pass_waits_long() {
    let shop = Shop::new(100);
    shop.write_rows((0..10).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["pushed", "unverified"]), [10, 0]);
    shop.sandbox.stall_queue(Duration::from_secs(600));
    shop.write_rows((0..100).map(|number| (number, 1_100, 2)));
    let began = Instant::now();
    let first = shop.run(&["sync", CONNECTION]);
    assert_eq!(
        (first.code, first.numbers(&["pushed", "rejected", "unverified"])),
        (0, vec![100, 0, 100]),
        "{first:#?}"
    );
    assert!(began.elapsed() < Duration::from_secs(19), "{:?}", began.elapsed());
    let before = sent(&shop);
    let again = shop.run(&["sync", CONNECTION]);
    assert_eq!(again.numbers(&["pushed", "rejected", "unverified"]), [0, 0, 100], "{again:#?}");
    assert_eq!(sent(&shop), before, "an unchanged pass sends nothing");
    // The shop sells one title out meanwhile: that waits for its turn, and goes as soon as the queue moves.
    shop.write_rows((0..100).map(|number| (number, 1_100, if number == 3 { 0 } else { 2 })));
    shop.sandbox.stall_queue(Duration::ZERO);
    let moved = shop.run(&["sync", CONNECTION]);
    assert_eq!(moved.numbers(&["pushed", "rejected", "unverified"]), [1, 0, 0], "{moved:#?}");
    assert_eq!(shop.online()[&ean(3)], (1_100, Some(0)));
    assert_eq!((sent(&shop).0, shop.sandbox.offers().len()), (before.0 + 1, 100), "no twins");
}

#[test]
fn a_new_venue_on_a_stalled_queue_is_sent_one_title() {
    let shop = Shop::new(50);
    shop.sandbox.stall_queue(Duration::from_secs(600));
    shop.write_rows((0..50).map(|number| (number, 1_000, 2)));
    for _ in 0..2 {
        let pass = shop.run(&["sync", CONNECTION]);
        assert_eq!((pass.code, pass.numbers(&["rejected", "unverified"])), (0, vec![0, 1]), "{pass:#?}");
        assert_eq!(sent(&shop), (1, 1));
    }
    shop.sandbox.stall_queue(Duration::ZERO);
    let rest = shop.run(&["sync", CONNECTION]);
    assert_eq!(rest.numbers(&["pushed", "unverified"]), [49, 0], "{rest:#?}");
    assert_eq!((sent(&shop), offers(&shop).len()), ((50, 2), 50));
}

#[test]
fn lost_tasks_are_sent_again_after_the_wait_and_make_no_twins() {
    let shop = Shop::new(200);
    resend_after(&shop, "3s");
    shop.write_rows([(0, 1_000, 2)]);
    assert_eq!(shop.sync(&["unverified"]), [0]);
    shop.sandbox.lose_next_chunks(2);
    shop.write_rows((0..200).map(|number| (number, 1_000, 2)));
    let first = shop.run(&["sync", CONNECTION]);
    let lost = first.numbers(&["unverified"])[0];
    assert!(first.code == 0 && first.numbers(&["rejected"]) == [0] && (24..=70).contains(&lost), "{first:#?}");
    let last = passes_until(&shop, 12, "everything is on sale", |ran| ran.numbers(&["unverified"]) == [0]);
    assert_eq!(last.numbers(&["rejected"]), [0]);
    assert!(shop.online().len() == 200 && offers(&shop).values().all(|count| *count == 1));
    assert_eq!(sent(&shop).0, 200 + lost, "what was lost was sent once more");
}

#[test]
fn a_lost_first_title_does_not_stop_a_shop() {
    let shop = Shop::new(20);
    resend_after(&shop, "2s");
    shop.sandbox.lose_next_chunks(1);
    shop.write_rows((0..20).map(|number| (number, 1_000, 2)));
    passes_until(&shop, 8, "everything is on sale", |ran| {
        ran.numbers(&["unverified"]) == [0] && shop.online().len() == 20
    });
    assert!(offers(&shop).values().all(|count| *count == 1));
}

#[test]
fn a_title_that_is_dropped_is_a_refusal_in_the_end_and_costs_two_tries() {
    let shop = Shop::new(20);
    resend_after(&shop, "1s");
    shop.sandbox.drop_eans([ean(7).as_str()]);
    shop.write_rows((0..20).map(|number| (number, 1_000, 2)));
    let first = shop.run(&["sync", CONNECTION]);
    assert_eq!(first.numbers(&["rejected", "unverified"]), [0, 1], "{first:#?}");
    // Something is sold every day: a later call shows.
    for copies in 3..9 {
        shop.write_rows((0..20).map(|number| (number, 1_000, if number == 1 { copies } else { 2 })));
        if shop.run(&["sync", CONNECTION]).numbers(&["rejected"]) == [1] {
            break;
        }
    }
    let explained = shop.run(&["explain", &ean(7)]);
    assert_eq!(explained.lines[0]["refused"], "DroppedSilently", "{explained:#?}");
    let tries = shop.sandbox.route_counts()[UPSERT].items;
    assert!(shop.online().len() == 19 && tries < 40, "{tries}");
}

#[test]
fn what_is_missing_is_asked_about_on_the_next_passes_and_not_tomorrow() {
    let shop = Shop::new(20);
    shop.write_rows((0..10).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["unverified"]), [0]);
    // The verdict of two hours ago says that the title is taken; it has been banned since.
    let rows: Vec<AvailabilityRow> = (10..20)
        .map(|number| AvailabilityRow {
            ean: ean(number).parse().unwrap(),
            verdict: 0,
            checked_at: passerelle::clock::now() - 2 * 3_600_000,
        })
        .collect();
    shop.block_on(async {
        let store = store::open(&format!("sqlite:{}", shop.path("passerelle.db").display())).await.unwrap();
        store.save_availability("default", &rows).await.unwrap();
    });
    let ban = SeedProduct {
        ean: ean(15),
        name: None,
        category: "LIVRE_PAPIER".into(),
        status: ProductStatus::ProviderIncompatible,
    };
    shop.sandbox.set_products(&[ban]).unwrap();
    shop.write_rows((0..20).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["pushed", "rejected", "unverified"]), [10, 1, 0]);
    assert_eq!(shop.run(&["explain", &ean(15)]).lines[0]["refused"], "NotCompliant");
}

#[test]
fn twins_make_a_connection_degraded_and_both_are_named() {
    let shop = Shop::new(3);
    settings(&shop, |before| Settings { upsert_delay_ms: 300, ..before });
    for _ in 0..2 {
        upsert(&shop, VENUE, [(1, 900, 4)]);
    }
    shop.block_on(shop.sandbox.settled());
    let ids: Vec<u64> = shop.sandbox.offers().iter().map(|offer| offer.offer_id).collect();
    assert_eq!(ids.len(), 2);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["pushed", "unverified"]), [3, 0]);
    let check = shop.run(&["check", CONNECTION]);
    let told = check.lines.iter().find(|line| line["probe"] == "unverified").unwrap();
    assert_eq!((check.code, &told["verdict"]), (1, &json!("degraded")), "{check:#?}");
    let evidence = told["evidence"].as_str().unwrap();
    assert!(evidence.contains(&format!("{}: close offer {}, keep {}", ean(1), ids[0], ids[1])), "{evidence}");
    let explained = shop.run(&["explain", &ean(1)]);
    assert_eq!(explained.lines[0]["offers"], json!({"keep": ids[1], "close": [ids[0]]}), "{explained:#?}");
}

#[test]
fn what_is_unverified_for_an_hour_makes_a_connection_degraded() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["unverified"]), [0]);
    let verdict = || {
        let check = shop.run(&["check", CONNECTION]);
        let told = check.lines.iter().find(|line| line["probe"] == "unverified").unwrap().clone();
        (check.code, told["verdict"].as_str().unwrap().to_owned())
    };
    for (minutes, code, expected) in [(50, 0, "healthy"), (70, 1, "degraded")] {
        shop.block_on(unverified_since(&shop, minutes));
        assert_eq!(verdict(), (code, expected.to_owned()), "{minutes} minutes");
    }
}

/// Writes down that a title was sent so long ago.
async fn unverified_since(shop: &Shop, minutes: i64) {
    let store = store::open(&format!("sqlite:{}", shop.path("passerelle.db").display())).await.unwrap();
    let now = passerelle::clock::now();
    let answer =
        store.acquire_lease(CONNECTION, &Owner::current("test"), now, Duration::from_secs(30), &|_| false).await;
    let LeaseAnswer::Granted(lease) = answer.unwrap() else { panic!("the lease is free") };
    let terms = Terms { price: Cents(1_000), quantity: Quantity::Exactly(2) };
    let call = CallId::at(now - minutes * 60_000);
    let entry = Entry {
        ean: ean(1).parse().unwrap(),
        desired: Some(terms),
        acknowledged: Acknowledged::Accepted(Sent::first(terms, call)),
        refused: None,
    };
    ledger::apply(store.as_ref(), &lease, &[Update { ean: entry.ean, entry: Some(entry) }]).await.unwrap();
    let queue = VenueQueue { primed: true, last_sent: call, last_answered: true, ..VenueQueue::default() };
    store.save_venue_queue(&lease, "default", VENUE, &queue).await.unwrap();
    store.release_lease(&lease).await.unwrap();
}

#[test]
fn a_summary_after_a_kill_counts_the_file_of_that_pass() {
    let shop = Shop::new(8);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    assert_eq!(shop.sync(&["read", "unverified"]), [3, 0]);
    shop.write_rows((0..8).map(|number| (number, 1_000, 2)));
    shop.sandbox.forget_requests();
    shop.break_upserts(1, FaultEffect::Hang);
    let mut child = shop.command(&["sync", CONNECTION]).spawn().unwrap();
    let began = Instant::now();
    while !shop.sandbox.requests().iter().any(|seen| seen.method == "POST") {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let next = shop.run(&["sync", CONNECTION]);
    assert_eq!(next.numbers(&["read", "kept", "quarantined", "unchanged"]), [8, 8, 0, 8], "{next:#?}");
}

#[test]
fn a_first_call_that_was_refused_whole_leaves_nothing_to_wait_for() {
    let shop = Shop::new(3);
    shop.write_rows((0..3).map(|number| (number, 1_000, 2)));
    shop.break_upserts(1, FaultEffect::Status { status: 403, retry_after: None, body: FaultBody::Json });
    let failed = shop.run(&["sync", CONNECTION]);
    assert_eq!(failed.code, 2, "{failed:#?}");
    assert_eq!(failed.numbers(&["pushed", "unverified"]), [0, 0], "{failed:#?}");
    assert_eq!(shop.run(&["push", CONNECTION]).numbers(&["pushed", "unverified"]), [3, 0]);
}

#[test]
fn a_copy_booked_before_the_first_look_is_no_difference() {
    let shop = Shop::new(2);
    shop.write_rows([(0, 1_000, 3)]);
    assert_eq!(shop.sync(&["unverified"]), [0]);
    let offer = shop.sandbox.offers()[0].offer_id;
    shop.sandbox.book("a@example.org", Bookable::Offer(offer), 1).unwrap();
    shop.write_rows([(0, 1_200, 3), (1, 1_000, 1)]);
    assert_eq!(shop.sync(&["pushed", "unverified"]), [2, 0]);
    assert_eq!(shop.online()[&ean(0)], (1_200, Some(3)));
}
