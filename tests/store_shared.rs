//! Quarantine, inbox, verdicts, budgets and probes: the same on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::time::Duration;

use passerelle::store::queue::{CallId, MOST_CALLS};
use passerelle::store::servers::{FORGOTTEN_AFTER, ServerRow};
use passerelle::store::{
    AvailabilityRow, ConnectionState, Lease, Owner, ProbeRecord, QuarantineRow, StoreError, Traffic, VenueQueue,
};
use passerelle_contract::Ean;
use support::{NOW, Place, connection, leased, on_both_engines};

on_both_engines!(
    quarantined_rows_come_back_whole_and_in_order,
    quarantine_is_replaced_from_an_ordinal_on,
    quarantine_is_paged_across_connections,
    quarantined_rows_are_found_by_key_and_by_ean,
    dropping_the_quarantine_forgets_its_digest_and_the_cursor,
    verdicts_on_eans_run_out_and_newer_ones_stay,
    processes_share_one_budget,
    what_is_refused_takes_no_permit,
    what_a_wrong_clock_said_of_eans_and_probes_gives_way,
    a_budget_that_a_wrong_clock_left_in_the_future_stops_nobody,
    nobody_sends_while_the_budget_is_blocked,
    a_key_stores_a_body_once_for_a_day,
    only_so_many_bodies_wait,
    bodies_come_oldest_first_and_go_once_read,
    a_verdict_keeps_its_since_and_a_change_is_remembered,
    the_newest_thousand_changes_are_kept,
    the_store_answers_a_ping,
    servers_are_listed_until_they_end_or_are_silent_for_a_day,
    what_was_seen_of_a_queue_belongs_to_a_venue_of_an_account,
);

fn ean(number: u64) -> Ean {
    (0..10).find_map(|check| Ean::from_u64(number * 10 + check).ok()).unwrap()
}

fn row(connection: &str, ordinal: u64) -> QuarantineRow {
    QuarantineRow {
        connection: connection.to_owned(),
        ordinal,
        line: Some(ordinal + 2),
        entry: None,
        key: Some(format!("key-{ordinal}")),
        ean: None,
        code: "BadLine".to_owned(),
        message: "a line".to_owned(),
        message_fr: "une ligne".to_owned(),
        is_note: false,
        cells: None,
        protects: None,
    }
}

async fn quarantined_rows_come_back_whole_and_in_order(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let full = QuarantineRow {
        line: None,
        entry: Some((u32::MAX, 7)),
        key: Some("978-2-07-028625-6 é".to_owned()),
        ean: Some(ean(978_207_028_625)),
        is_note: true,
        cells: Some("1 | 2".to_owned()),
        protects: Some(" 9782070286256 97820* ".to_owned()),
        ..row("shop", 0)
    };
    let bare = QuarantineRow { line: Some(1 << 40), key: None, ..row("shop", 1) };
    let rude =
        QuarantineRow { key: Some(format!("\0{}", "é".repeat(2_000))), message: "\0".to_owned(), ..row("shop", 2) };
    store.write_quarantine(&lease, 0, &[full.clone(), bare.clone(), rude]).await.unwrap();
    let found = store.quarantine(Some("shop"), None, 10).await.unwrap();
    assert_eq!(found[..2], [full, bare]);
    assert_eq!(found[2].message, "\u{fffd}");
    let key = found[2].key.as_deref().unwrap();
    assert!(key.starts_with("\u{fffd}éé") && key.len() < 600, "cut, and without NUL: {key}");

    let stray = store.write_quarantine(&lease, 5, &[row("shop", 4)]).await;
    assert!(matches!(stray, Err(StoreError::Invalid(_))), "{stray:?}");
    let foreign = store.write_quarantine(&lease, 0, &[row("other", 4)]).await;
    assert!(matches!(foreign, Err(StoreError::Invalid(_))), "{foreign:?}");
}

async fn quarantine_is_replaced_from_an_ordinal_on(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let rows: Vec<QuarantineRow> = (0..2_500).map(|ordinal| row("shop", ordinal)).collect();
    store.write_quarantine(&lease, 0, &rows).await.unwrap();
    store.write_quarantine(&lease, 2_500, &[row("shop", 2_500)]).await.unwrap();
    assert_eq!(store.quarantine(None, None, 10_000).await.unwrap().len(), 2_501);
    store.write_quarantine(&lease, 2, &[row("shop", 3)]).await.unwrap();
    let left: Vec<u64> =
        store.quarantine(None, None, 10_000).await.unwrap().into_iter().map(|found| found.ordinal).collect();
    assert_eq!(left, [0, 1, 3]);
    store.write_quarantine(&lease, 0, &[]).await.unwrap();
    assert_eq!(store.quarantine(None, None, 10).await.unwrap(), []);
}

async fn quarantine_is_paged_across_connections(place: Place) {
    let store = place.open().await;
    for (id, rows) in [("b", 3), ("a", 2), ("C", 2)] {
        let lease = leased(&*store, id).await;
        let rows: Vec<QuarantineRow> = (0..rows).map(|ordinal| row(id, ordinal)).collect();
        store.write_quarantine(&lease, 0, &rows).await.unwrap();
    }
    for only in [None, Some("b")] {
        let mut seen = Vec::new();
        let mut from = None;
        loop {
            let page = store.quarantine(only, from, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            from = Some((last.connection.clone(), last.ordinal + 1));
            seen.extend(page.into_iter().map(|found| format!("{}{}", found.connection, found.ordinal)));
        }
        let all = ["C0", "C1", "a0", "a1", "b0", "b1", "b2"];
        assert_eq!(seen, if only.is_some() { &all[4..] } else { &all });
    }
}

async fn quarantined_rows_are_found_by_key_and_by_ean(place: Place) {
    let store = place.open().await;
    let (shop, other) = (leased(&*store, "shop").await, leased(&*store, "other").await);
    let book = ean(978_207_028_625);
    let by_ean = QuarantineRow { ean: Some(book), ..row("shop", 0) };
    let by_key = QuarantineRow { key: Some(book.to_string()), ..row("other", 7) };
    store.write_quarantine(&shop, 0, &[by_ean.clone(), row("shop", 1)]).await.unwrap();
    store.write_quarantine(&other, 0, std::slice::from_ref(&by_key)).await.unwrap();
    let found = store.quarantine_by_key(&book.to_string(), Some(book), 10).await.unwrap();
    assert_eq!(found, [by_key.clone(), by_ean]);
    assert_eq!(store.quarantine_by_key(&book.to_string(), None, 10).await.unwrap(), [by_key]);
    assert_eq!(store.quarantine_by_key("nothing", None, 10).await.unwrap(), []);
}

async fn dropping_the_quarantine_forgets_its_digest_and_the_cursor(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    store.write_quarantine(&lease, 0, &[row("shop", 0), row("shop", 1)]).await.unwrap();
    let state =
        ConnectionState { quarantine_digest: Some(7), cursor: Some("c".to_owned()), ..ConnectionState::default() };
    store.save_state(&lease, &state).await.unwrap();
    assert_eq!(store.drop_quarantine("shop").await.unwrap(), 2);
    assert_eq!(store.drop_quarantine("shop").await.unwrap(), 0);
    assert_eq!(store.state("shop").await.unwrap(), ConnectionState { quarantine_digest: None, cursor: None, ..state });
}

async fn verdicts_on_eans_run_out_and_newer_ones_stay(place: Place) {
    let store = place.open().await;
    let verdict = |number, verdict, checked_at| AvailabilityRow { ean: ean(number), verdict, checked_at };
    let many: Vec<AvailabilityRow> = (10..2_300).map(|number| verdict(number, 3, NOW)).collect();
    store.save_availability("default", &many).await.unwrap();
    // The same EAN twice in one call: the newer one counts.
    store
        .save_availability("default", &[verdict(1, 2, NOW + 5), verdict(1, 1, NOW), verdict(2, 255, NOW)])
        .await
        .unwrap();
    store.save_availability("default", &[verdict(1, 9, NOW + 4)]).await.unwrap();
    store.save_availability("other", &[verdict(1, 7, NOW)]).await.unwrap();
    let known = async |not_before| store.availability("default", &[ean(2), ean(1), ean(3)], not_before).await.unwrap();
    assert_eq!(known(NOW).await, [verdict(1, 2, NOW + 5), verdict(2, 255, NOW)]);
    assert_eq!(known(NOW + 1).await, [verdict(1, 2, NOW + 5)]);
    let all: Vec<Ean> = many.iter().map(|row| row.ean).collect();
    assert_eq!(store.availability("default", &all, 0).await.unwrap(), many);
    assert_eq!(store.availability("default", &[], 0).await.unwrap(), []);
}

async fn processes_share_one_budget(place: Place) {
    let handles = [place.open().await, place.open().await];
    let taking: Vec<_> = (0..40)
        .map(|asker| {
            let store = std::sync::Arc::clone(&handles[asker % 2]);
            tokio::spawn(async move {
                store.take_budget("default", Traffic::Bookings, 1, 60, 24, NOW).await.unwrap().is_zero()
            })
        })
        .collect();
    let mut taken = 0;
    for one in taking {
        taken += usize::from(one.await.unwrap());
    }
    // Two of 24 stay for each of the other three kinds.
    assert_eq!(taken, 18);
    assert_eq!(handles[0].budget_left("default", 60, 24, NOW).await.unwrap(), (Duration::ZERO, 6));
    for traffic in [Traffic::Countermarks, Traffic::Passes, Traffic::Probes] {
        let wait = handles[1].take_budget("default", traffic, 1, 60, 24, NOW).await.unwrap();
        assert!(wait.is_zero(), "{traffic:?} finds its share");
    }
    assert_eq!(
        handles[0].budget_left("default", 60, 24, NOW + 5_000).await.unwrap().1,
        8,
        "one comes back each second"
    );
    assert_eq!(handles[0].budget_left("other", 60, 5, NOW).await.unwrap(), (Duration::ZERO, 5));
}

async fn what_is_refused_takes_no_permit(place: Place) {
    let store = place.open().await;
    let take = async |now| store.take_budget("default", Traffic::Countermarks, 1, 180, 10, now).await.unwrap();
    let mut taken = 0;
    for number in 0..2_000 {
        taken += u32::from(take(NOW + number * 5).await.is_zero());
    }
    assert!((28..=40).contains(&taken), "{taken} in ten seconds at 180 a minute");
    assert!(take(NOW + 10_000).await < Duration::from_secs(1), "and the next goes a moment later");
}

async fn a_budget_that_a_wrong_clock_left_in_the_future_stops_nobody(place: Place) {
    let store = place.open().await;
    let tomorrow = NOW + 24 * 3_600_000;
    for _ in 0..50 {
        store.take_budget("default", Traffic::Passes, 1, 180, 10, tomorrow).await.unwrap();
    }
    store.block_budget("default", tomorrow).await.unwrap();
    let ahead = store.ahead_of_account("default", NOW).await.unwrap();
    assert_eq!(ahead.len(), 2, "{ahead:?}");
    assert!(ahead.iter().all(|one| one.latest >= tomorrow), "{ahead:?}");
    assert!(store.ahead_of_account("default", tomorrow).await.unwrap().is_empty());
    let wait = store.take_budget("default", Traffic::Passes, 1, 180, 10, NOW).await.unwrap();
    assert!(wait < Duration::from_secs(1), "{wait:?}");
    assert!(store.take_budget("default", Traffic::Passes, 1, 180, 10, NOW + 1_000).await.unwrap().is_zero());
    store.block_budget("default", NOW + 60_000).await.unwrap();
    let wait = store.take_budget("default", Traffic::Passes, 1, 180, 10, NOW + 2_000).await.unwrap();
    assert_eq!(wait, Duration::from_secs(58), "a block that is meant holds");
}

async fn what_a_wrong_clock_said_of_eans_and_probes_gives_way(place: Place) {
    const DAY: i64 = 24 * 3_600_000;
    let store = place.open().await;
    let verdict = |verdict, checked_at| AvailabilityRow { ean: ean(1), verdict, checked_at };
    store.save_availability("default", &[verdict(1, NOW + DAY)]).await.unwrap();
    store.save_availability("default", &[verdict(2, NOW)]).await.unwrap();
    assert_eq!(store.availability("default", &[ean(1)], 0).await.unwrap(), [verdict(2, NOW)]);
    store.record_probe(&probe("healthy", NOW + DAY)).await.unwrap();
    assert_eq!(store.record_probe(&probe("healthy", NOW)).await.unwrap().since, NOW);
}

async fn nobody_sends_while_the_budget_is_blocked(place: Place) {
    let store = place.open().await;
    store.block_budget("default", NOW + 8_000).await.unwrap();
    store.block_budget("default", NOW + 3_000).await.unwrap();
    assert_eq!(store.budget_left("default", 60, 2, NOW).await.unwrap(), (Duration::from_secs(8), 0));
    for traffic in Traffic::ALL {
        let wait = store.take_budget("default", traffic, 1, 60, 2, NOW).await.unwrap();
        assert_eq!(wait, Duration::from_secs(8), "{traffic:?}");
    }
    assert!(store.take_budget("default", Traffic::Probes, 1, 60, 2, NOW + 8_000).await.unwrap().is_zero());
}

async fn a_key_stores_a_body_once_for_a_day(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    store.apply_connection(&connection("other"), NOW).await.unwrap();
    let post =
        async |id: &str, key, now| store.store_inbound(id, true, b"[1]", Some(key), now, 10).await.unwrap().unwrap();
    let first = post("shop", "k", NOW).await;
    assert_eq!(post("shop", "k", NOW + 1).await, first);
    assert_ne!(post("other", "k", NOW + 1).await, first, "keys are the connection's own");
    assert_eq!(store.inbound("shop", 9).await.unwrap().len(), 1);
    store.drop_inbound(&lease, first).await.unwrap();
    let day = 24 * 60 * 60 * 1_000;
    assert_eq!(post("shop", "k", NOW + day).await, first, "known after the body is gone");
    assert_eq!(store.inbound("shop", 9).await.unwrap(), []);
    assert!(post("shop", "k", NOW + day + 1).await > first);
    let long = "k".repeat(600);
    let answer = store.store_inbound("shop", true, b"[1]", Some(&long), NOW, 10).await;
    assert!(matches!(answer, Err(StoreError::Invalid(_))), "{answer:?}");
}

async fn only_so_many_bodies_wait(place: Place) {
    let handles = [place.open().await, place.open().await];
    handles[0].apply_connection(&connection("shop"), NOW).await.unwrap();
    let posting: Vec<_> = (0..10)
        .map(|poster| {
            let store = std::sync::Arc::clone(&handles[poster % 2]);
            tokio::spawn(async move { store.store_inbound("shop", false, b"[]", None, NOW, 4).await.unwrap() })
        })
        .collect();
    let mut stored = 0;
    for answer in posting {
        stored += usize::from(answer.await.unwrap().is_some());
    }
    assert_eq!(stored, 4);
    assert_eq!(handles[0].inbound("shop", 99).await.unwrap().len(), 4);
}

async fn bodies_come_oldest_first_and_go_once_read(place: Place) {
    let store = place.open().await;
    let (lease, other) = (leased(&*store, "shop").await, leased(&*store, "other").await);
    let body: Vec<u8> = (0..=255).collect();
    let mut ids = Vec::new();
    for number in 0..3 {
        let id = store.store_inbound("shop", number == 1, &body, None, NOW + number, 10).await.unwrap();
        ids.push(id.unwrap());
    }
    assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
    let waiting = store.inbound("shop", 2).await.unwrap();
    assert_eq!(waiting.iter().map(|found| found.id).collect::<Vec<_>>(), ids[..2]);
    assert_eq!((waiting[1].snapshot, waiting[1].received_at, &waiting[1].body), (true, NOW + 1, &body));
    store.drop_inbound(&other, i64::MAX).await.unwrap();
    store.drop_inbound(&lease, ids[1]).await.unwrap();
    let left = store.inbound("shop", 9).await.unwrap();
    assert_eq!(left.iter().map(|found| found.id).collect::<Vec<_>>(), ids[2..]);
}

fn probe(verdict: &str, at: i64) -> ProbeRecord {
    ProbeRecord {
        subject: "shop".to_owned(),
        probe: "reach".to_owned(),
        verdict: verdict.to_owned(),
        since: at,
        checked_at: at,
        latency_ms: 3,
        evidence: format!("seen at {at}"),
        remedy: "look at the server".to_owned(),
    }
}

async fn a_verdict_keeps_its_since_and_a_change_is_remembered(place: Place) {
    let store = place.open().await;
    let first = store.record_probe(&probe("healthy", 10)).await.unwrap();
    assert_eq!(first, probe("healthy", 10));
    let second = store.record_probe(&probe("healthy", 20)).await.unwrap();
    assert_eq!(second, ProbeRecord { since: 10, ..probe("healthy", 20) });
    assert_eq!(store.record_probe(&probe("failing", 30)).await.unwrap().since, 30);
    let sign_in = ProbeRecord { probe: "sign-in".to_owned(), ..probe("unknown", 31) };
    store.record_probe(&sign_in).await.unwrap();
    assert_eq!(store.probes(Some("shop")).await.unwrap(), [probe("failing", 30), sign_in.clone()]);
    assert_eq!(store.probes(Some("other")).await.unwrap(), []);
    let history = store.probe_history("shop", 10).await.unwrap();
    assert_eq!(history, [sign_in, probe("failing", 30), probe("healthy", 10)]);
}

async fn the_newest_thousand_changes_are_kept(place: Place) {
    let store = place.open().await;
    for at in 0..1_003 {
        store.record_probe(&probe(if at % 2 == 0 { "healthy" } else { "failing" }, at)).await.unwrap();
    }
    let history = store.probe_history("shop", 5_000).await.unwrap();
    assert_eq!(history.len(), 1_000);
    assert_eq!((history[0].since, history[999].since), (1_002, 3));
}

async fn the_store_answers_a_ping(place: Place) {
    let store = place.open().await;
    store.ping().await.unwrap();
    store.ping().await.unwrap();
    assert!(!store.place().contains("://"), "{}", store.place());
}

async fn servers_are_listed_until_they_end_or_are_silent_for_a_day(place: Place) {
    let store = place.open().await;
    let server = |since| ServerRow {
        owner: Owner::current("serve"),
        address: "127.0.0.1:8080".to_owned(),
        since,
        beat_at: since,
    };
    let (first, mut second, third) = (server(NOW), server(NOW + 1), server(NOW + 2));
    for one in [&second, &first, &third] {
        store.beat(one).await.unwrap();
    }
    assert_eq!(store.servers().await.unwrap(), [first.clone(), second.clone(), third.clone()]);
    store.forget_server(&third.owner.id).await.unwrap();
    second.beat_at = NOW + FORGOTTEN_AFTER;
    store.beat(&second).await.unwrap();
    assert_eq!(store.servers().await.unwrap(), [first.clone(), second.clone()]);
    second.beat_at += 1;
    store.beat(&second).await.unwrap();
    assert_eq!(place.open().await.servers().await.unwrap(), [second]);
}

async fn what_was_seen_of_a_queue_belongs_to_a_venue_of_an_account(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    assert_eq!(store.venue_queue("default", 535).await.unwrap(), None);
    let mut queue = VenueQueue::default();
    let first = queue.sending(1, NOW);
    let second = queue.sending(500, NOW);
    assert!(first < second, "two calls of one moment have two numbers");
    assert_eq!((first.time(), CallId::at(NOW)), (NOW, first));
    queue.showed(first, NOW + 250);
    queue.saw(Ean::MIN, &[12, 11]);
    store.save_venue_queue(&lease, "default", 535, &queue).await.unwrap();
    assert_eq!(store.venue_queue("default", 535).await.unwrap(), Some(queue.clone()));
    assert_eq!((queue.primed, queue.newest_shown, queue.latency_ms), (true, first, 250));
    assert_eq!(store.venue_queue("default", 536).await.unwrap(), None);
    assert_eq!(store.venue_queue("other", 535).await.unwrap(), None);
    queue.saw(Ean::MIN, &[12]);
    assert_eq!(queue.twins, []);
    // A clock that ran ahead does not make what follows look old.
    queue.forget_after(first);
    assert_eq!((queue.last_sent, queue.calls.len()), (first, 1));
    for _ in 0..2 * MOST_CALLS {
        queue.sending(1, NOW);
    }
    assert_eq!(queue.calls.len(), MOST_CALLS);
    // An older lease writes nothing.
    let fenced = Lease { fence: lease.fence - 1, ..lease };
    assert!(matches!(store.save_venue_queue(&fenced, "default", 535, &queue).await, Err(StoreError::Fenced { .. })));
}
