//! Connections, what is known of them, and leases: the same on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::time::Duration;

use passerelle::store::{
    Applied, ConnectionState, Evidence, Export, HeldPlan, HeldValue, LEASE, LastRead, LeaseAnswer, Owner,
    PartialPasses, PassRecord, ProbeRecord, Released, Store, StoreError,
};
use support::{NOW, Place, connection, due, leased, on_both_engines, take};

on_both_engines!(
    a_connection_is_created_once_then_unchanged,
    applying_says_what_changed_and_leaves_the_pause_alone,
    a_changed_connection_starts_over_and_a_changed_venue_is_looked_up_again,
    a_pass_run_with_old_settings_cannot_bring_its_cursor_back,
    state_is_kept_whole,
    connections_are_due_longest_first_unless_paused_or_leased,
    what_a_wrong_clock_left_in_the_future_is_due_now,
    a_body_that_waits_makes_its_connection_due,
    a_lease_excludes_everybody_until_it_runs_out,
    a_dead_owner_is_replaced_at_once,
    every_write_under_an_older_lease_is_refused,
    a_released_lease_is_free_and_grants_nothing,
    of_many_who_ask_at_once_exactly_one_gets_the_lease,
    removing_a_connection_removes_everything_of_it,
    a_connection_under_lease_is_not_removed_by_others,
    the_newest_hundred_passes_are_kept,
    a_held_plan_is_kept_until_it_is_cleared,
    held_values_are_kept_with_their_connection,
    a_call_that_is_dropped_half_way_leaves_a_working_store,
);

async fn a_connection_is_created_once_then_unchanged(place: Place) {
    let store = place.open().await;
    let shop = connection("shop");
    assert_eq!(store.connection("shop").await.unwrap(), None);
    assert_eq!(store.apply_connection(&shop, NOW).await.unwrap(), Applied::Created);
    assert_eq!(store.apply_connection(&shop, NOW).await.unwrap(), Applied::Unchanged);
    store.apply_connection(&connection("Shop"), NOW).await.unwrap();
    store.apply_connection(&connection("a-shop"), NOW).await.unwrap();
    assert_eq!(store.connection("shop").await.unwrap(), Some(shop));
    let ids: Vec<String> = store.connections().await.unwrap().into_iter().map(|found| found.id).collect();
    assert_eq!(ids, ["Shop", "a-shop", "shop"], "by bytes on both engines");
}

async fn applying_says_what_changed_and_leaves_the_pause_alone(place: Place) {
    let store = place.open().await;
    let mut shop = connection("shop");
    store.apply_connection(&shop, NOW).await.unwrap();
    assert!(store.set_paused("shop", true, NOW).await.unwrap());
    assert!(!store.set_paused("nobody", true, NOW).await.unwrap());
    shop.every_seconds = 60;
    shop.siret = Some("12345678900011".to_owned());
    shop.settings = serde_json::json!({ "columns": { "ean": "EAN" }, "url": "https://shop.example/stock.csv" });
    let changed = ["siret", "every", "settings.columns.ean", "settings.path", "settings.url"];
    assert_eq!(
        store.apply_connection(&shop, NOW).await.unwrap(),
        Applied::Changed(changed.iter().map(|field| (*field).to_owned()).collect())
    );
    shop.paused = true;
    assert_eq!(store.connection("shop").await.unwrap(), Some(shop));
}

async fn a_changed_connection_starts_over_and_a_changed_venue_is_looked_up_again(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let known = ConnectionState {
        venue_id: Some(535),
        postal_code: Some("97400".to_owned()),
        cursor: Some("after-7".to_owned()),
        due_at: NOW + 900_000,
        ..ConnectionState::default()
    };
    store.save_state(&lease, &known).await.unwrap();

    let mut shop = connection("shop");
    shop.every_seconds = 60;
    store.apply_connection(&shop, NOW).await.unwrap();
    assert_eq!(store.state("shop").await.unwrap(), ConnectionState { due_at: NOW + 60_000, ..known.clone() });

    shop.settings = serde_json::json!({ "path": "other.csv" });
    store.apply_connection(&shop, NOW).await.unwrap();
    assert_eq!(store.state("shop").await.unwrap(), ConnectionState { due_at: NOW, cursor: None, ..known });

    shop.venue = Some(536);
    store.apply_connection(&shop, NOW).await.unwrap();
    assert_eq!(store.state("shop").await.unwrap(), ConnectionState { due_at: NOW, ..ConnectionState::default() });
}

async fn a_pass_run_with_old_settings_cannot_bring_its_cursor_back(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let mut shop = connection("shop");
    shop.venue = Some(9);
    store.apply_connection(&shop, NOW + 5).await.unwrap();
    let ended = ConnectionState {
        venue_id: Some(535),
        cursor: Some("after-7".to_owned()),
        last_success_at: Some(NOW + 9),
        due_at: NOW + 900_000,
        ..ConnectionState::default()
    };
    store.save_state(&lease, &ended).await.unwrap();
    let kept = store.state("shop").await.unwrap();
    assert_eq!((kept.venue_id, kept.cursor, kept.due_at), (None, None, NOW));
    assert_eq!(kept.last_success_at, Some(NOW + 9));

    store.release_lease(&lease).await.unwrap();
    let LeaseAnswer::Granted(lease) = take(&*store, "shop", "sync").await else { panic!("the lease is free") };
    store.save_state(&lease, &ended).await.unwrap();
    assert_eq!(store.state("shop").await.unwrap(), ended);
}

async fn state_is_kept_whole(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    assert_eq!(store.state("nobody").await.unwrap(), ConnectionState::default());
    let state = ConnectionState {
        venue_id: Some(1),
        postal_code: Some("98800".to_owned()),
        venue_checked_at: Some(2),
        cursor: Some("é\n".to_owned()),
        last_success_at: Some(3),
        last_snapshot_at: Some(4),
        due_at: 5,
        failures: u32::MAX,
        last_error: Some("nul \u{fffd}".to_owned()),
        refusals_checked_on: Some(20_000),
        last_read: Some(LastRead { read: 4, kept: 3, quarantined: 1, skipped: 0, notes: 1, items: 2 }),
        quarantine_digest: Some(u64::MAX),
        partial_passes: Some(PartialPasses { count: 3, since: 6, cause: "too many bad rows".to_owned() }),
        released: Some(Released {
            at: 7,
            by_agreement: true,
            reasons: vec!["SuspiciousShrink".to_owned()],
            leaving: 60,
        }),
    };
    let with_nul = ConnectionState { last_error: Some("nul \0".to_owned()), ..state.clone() };
    store.save_state(&lease, &with_nul).await.unwrap();
    assert_eq!(store.state("shop").await.unwrap(), state);
}

async fn connections_are_due_longest_first_unless_paused_or_leased(place: Place) {
    let store = place.open().await;
    for (id, last_success_at, due_at) in
        [("late", Some(10), NOW), ("later", Some(20), NOW - 5), ("never", None, NOW), ("not-yet", Some(1), NOW + 1)]
    {
        let lease = leased(&*store, id).await;
        let state = ConnectionState { last_success_at, due_at, ..ConnectionState::default() };
        store.save_state(&lease, &state).await.unwrap();
        store.release_lease(&lease).await.unwrap();
    }
    leased(&*store, "busy").await;
    store.apply_connection(&connection("asleep"), NOW).await.unwrap();
    store.set_paused("asleep", true, NOW).await.unwrap();
    assert_eq!(due(&*store, NOW, 9).await, ["later", "late", "never"]);
    assert_eq!(due(&*store, NOW, 2).await, ["later", "late"]);
    let first = store.due_connections(NOW, 1).await.unwrap().remove(0);
    assert_eq!((first.due_at, first.account.as_str(), first.failures), (NOW - 5, "default", 0));
    for (id, is_due) in [("late", true), ("not-yet", false), ("asleep", false), ("busy", true), ("nobody", false)] {
        assert_eq!(store.is_due(id, NOW).await.unwrap(), is_due, "{id}");
    }
    store.set_paused("asleep", false, NOW).await.unwrap();
    assert_eq!(due(&*store, NOW + 1, 9).await, ["later", "asleep", "late", "never", "not-yet"]);
}

async fn what_a_wrong_clock_left_in_the_future_is_due_now(place: Place) {
    let store = place.open().await;
    const DAY: i64 = 24 * 3_600_000;
    // Somebody whose clock is a day ahead: one pass ended, another is under way (its process may live, elsewhere).
    for id in ["ended", "held"] {
        store.apply_connection(&connection(id), NOW).await.unwrap();
    }
    let ahead =
        async |id| store.acquire_lease(id, &Owner::current("sync"), NOW + DAY, LEASE, &|_| false).await.unwrap();
    let LeaseAnswer::Granted(lease) = ahead("ended").await else { panic!("the lease is free") };
    let state = ConnectionState { due_at: NOW + DAY + 900_000, ..ConnectionState::default() };
    store.save_state(&lease, &state).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    let LeaseAnswer::Granted(stale) = ahead("held").await else { panic!("the lease is free") };
    assert_eq!(due(&*store, NOW, 9).await, ["ended", "held"]);
    assert!(store.is_due("ended", NOW).await.unwrap());
    for (id, what) in [("ended", "the next pass"), ("held", "the end of its lease")] {
        let told = store.ahead_of_connection(id, NOW).await.unwrap();
        assert_eq!(told.iter().map(|one| one.what).collect::<Vec<_>>(), [what]);
        assert!(store.ahead_of_connection(id, NOW + DAY).await.unwrap().is_empty());
    }
    let LeaseAnswer::Granted(_) = take(&*store, "held", "serve").await else { panic!("no lease lasts that long") };
    assert!(matches!(store.renew_lease(&stale, NOW + DAY, LEASE).await, Err(StoreError::Fenced { .. })));
    // Clocks differ a little: that is no reason.
    let LeaseAnswer::Granted(lease) = take(&*store, "ended", "serve").await else { panic!("the lease is free") };
    let state = ConnectionState { due_at: NOW + 30_000 + 900_000, ..ConnectionState::default() };
    store.save_state(&lease, &state).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    assert!(due(&*store, NOW, 9).await.is_empty(), "half a minute ahead of its period");
}

async fn a_body_that_waits_makes_its_connection_due(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    store.store_inbound("shop", false, b"[]", None, NOW, 10).await.unwrap();
    // The pass that was under way ends and names its next date; the body still waits.
    store.save_state(&lease, &ConnectionState { due_at: NOW + 1_000, ..ConnectionState::default() }).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    assert_eq!(due(&*store, NOW, 9).await, ["shop"]);
}

async fn a_lease_excludes_everybody_until_it_runs_out(place: Place) {
    let store = place.open().await;
    assert_eq!(take(&*store, "nobody", "sync").await, LeaseAnswer::NoSuchConnection);
    store.apply_connection(&connection("shop"), NOW).await.unwrap();
    let (first, second) = (Owner::current("sync"), Owner::current("serve"));
    let ttl = Duration::from_secs(30);
    let ask = async |owner: &Owner, now| store.acquire_lease("shop", owner, now, ttl, &|_| false).await.unwrap();
    let LeaseAnswer::Granted(lease) = ask(&first, NOW).await else { panic!("the lease is free") };
    let held = |until| LeaseAnswer::Held { by: first.clone(), until };
    assert_eq!(ask(&second, NOW).await, held(NOW + 30_000));
    assert_eq!(ask(&first, NOW).await, held(NOW + 30_000), "two tasks of one process exclude one another too");
    store.renew_lease(&lease, NOW + 20_000, ttl).await.unwrap();
    assert_eq!(ask(&second, NOW + 49_999).await, held(NOW + 50_000));
    let LeaseAnswer::Granted(taken) = ask(&second, NOW + 50_000).await else { panic!("it has run out") };
    assert!(taken.fence > lease.fence);
    assert!(matches!(store.renew_lease(&lease, NOW + 50_000, ttl).await, Err(StoreError::Fenced { .. })));
}

async fn a_dead_owner_is_replaced_at_once(place: Place) {
    let store = place.open().await;
    let old = leased(&*store, "shop").await;
    let is_dead = |owner: &Owner| owner.id == old.owner.id;
    let answer =
        store.acquire_lease("shop", &Owner::current("sync"), NOW, Duration::from_secs(30), &is_dead).await.unwrap();
    let LeaseAnswer::Granted(lease) = answer else { panic!("{answer:?}") };
    assert!(lease.fence > old.fence);
    assert!(matches!(store.save_state(&old, &ConnectionState::default()).await, Err(StoreError::Fenced { .. })));
    store.release_lease(&old).await.unwrap();
    store.renew_lease(&lease, NOW, Duration::from_secs(30)).await.unwrap();
}

/// Each writing method that names a lease.
async fn refused_by_every_method(store: &dyn Store, lease: &passerelle::store::Lease) {
    let fenced =
        |answer: Result<(), StoreError>| assert!(matches!(answer, Err(StoreError::Fenced { .. })), "{answer:?}");
    fenced(store.save_state(lease, &ConnectionState::default()).await);
    fenced(store.save_ledger(lease, &[], &[]).await);
    fenced(store.set_held(lease, None).await);
    fenced(store.write_quarantine(lease, 0, &[]).await);
    fenced(store.drop_inbound(lease, i64::MAX).await);
    fenced(store.renew_lease(lease, NOW, Duration::from_secs(1)).await);
    fenced(store.remove_connection(lease).await.map(|_| ()));
}

async fn every_write_under_an_older_lease_is_refused(place: Place) {
    let store = place.open().await;
    let old = leased(&*store, "shop").await;
    store.release_lease(&old).await.unwrap();
    let LeaseAnswer::Granted(_) = take(&*store, "shop", "sync").await else { panic!("the lease is free") };
    refused_by_every_method(&*store, &old).await;
}

async fn a_released_lease_is_free_and_grants_nothing(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    store.release_lease(&lease).await.unwrap();
    refused_by_every_method(&*store, &lease).await;
    store.release_lease(&lease).await.unwrap();
    assert!(matches!(take(&*store, "shop", "sync").await, LeaseAnswer::Granted(_)));
}

async fn of_many_who_ask_at_once_exactly_one_gets_the_lease(place: Place) {
    let handles = [place.open().await, place.open().await, place.open().await];
    handles[0].apply_connection(&connection("shop"), NOW).await.unwrap();
    for round in 0..5 {
        let asking: Vec<_> = (0..12)
            .map(|asker| {
                let store = std::sync::Arc::clone(&handles[asker % 3]);
                tokio::spawn(async move { take(&*store, "shop", "sync").await })
            })
            .collect();
        let mut granted = Vec::new();
        for answer in asking {
            match answer.await.unwrap() {
                LeaseAnswer::Granted(lease) => granted.push(lease),
                LeaseAnswer::Held { .. } => {}
                LeaseAnswer::NoSuchConnection => panic!("the connection is there"),
            }
        }
        assert_eq!(granted.len(), 1, "round {round}");
        handles[1].release_lease(&granted[0]).await.unwrap();
    }
}

async fn removing_a_connection_removes_everything_of_it(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    store.store_inbound("shop", true, b"[]", Some("key"), NOW, 10).await.unwrap();
    store.record_pass(&pass("shop", 1)).await.unwrap();
    store.record_probe(&probe("shop")).await.unwrap();
    store.record_probe(&probe("passculture:default")).await.unwrap();
    assert!(store.remove_connection(&lease).await.unwrap());
    assert!(!store.remove_connection(&lease).await.unwrap());
    assert_eq!(store.connections().await.unwrap(), []);
    assert_eq!(store.passes("shop", 9).await.unwrap(), []);
    assert_eq!(store.inbound("shop", 9).await.unwrap(), []);
    assert_eq!(store.probe_history("shop", 9).await.unwrap(), []);
    let subjects: Vec<String> = store.probes(None).await.unwrap().into_iter().map(|found| found.subject).collect();
    assert_eq!(subjects, ["passculture:default"]);
    for answer in [
        store.record_pass(&pass("shop", 1)).await,
        store.store_inbound("shop", true, b"[]", None, NOW, 10).await.map(|_| ()),
    ] {
        assert!(matches!(answer, Err(StoreError::UnknownConnection { .. })), "{answer:?}");
    }
    assert!(matches!(store.set_held(&lease, None).await, Err(StoreError::Fenced { .. })));
}

async fn a_connection_under_lease_is_not_removed_by_others(place: Place) {
    let store = place.open().await;
    let mut lease = leased(&*store, "shop").await;
    lease.owner = Owner::current("connections remove");
    assert!(matches!(store.remove_connection(&lease).await, Err(StoreError::Fenced { .. })));
    assert_eq!(store.connections().await.unwrap().len(), 1);
}

fn pass(connection: &str, started_at: i64) -> PassRecord {
    PassRecord {
        connection: connection.to_owned(),
        started_at,
        ended_at: started_at + 1,
        outcome: "done".to_owned(),
        summary: serde_json::json!({ "event": "summary", "read": started_at }),
    }
}

fn probe(subject: &str) -> ProbeRecord {
    ProbeRecord {
        subject: subject.to_owned(),
        probe: "reach".to_owned(),
        verdict: "healthy".to_owned(),
        since: NOW,
        checked_at: NOW,
        latency_ms: 12,
        evidence: "200 in 12 ms".to_owned(),
        remedy: String::new(),
    }
}

async fn the_newest_hundred_passes_are_kept(place: Place) {
    let store = place.open().await;
    store.apply_connection(&connection("shop"), NOW).await.unwrap();
    for number in 0..105 {
        store.record_pass(&pass("shop", number)).await.unwrap();
    }
    let kept = store.passes("shop", 1_000).await.unwrap();
    assert_eq!(kept.len(), 100);
    assert_eq!(kept[0], pass("shop", 104));
    assert_eq!(kept[99], pass("shop", 5));
    assert_eq!(store.passes("shop", 2).await.unwrap(), [pass("shop", 104), pass("shop", 103)]);
}

async fn held_values_are_kept_with_their_connection(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let value = HeldValue {
        ean: "9782070286256".parse().unwrap(),
        code: "PriceJump".to_owned(),
        price: 25_000,
        quantity: None,
        since: NOW,
        export: Export::default(),
        said: 2,
        accepted: false,
    };
    assert_eq!(store.held_values("shop").await.unwrap(), []);
    store.save_held_values(&lease, std::slice::from_ref(&value)).await.unwrap();
    assert_eq!(store.held_values("shop").await.unwrap(), [value]);
    assert_eq!(store.held_values("other").await.unwrap(), []);
    store.save_held_values(&lease, &[]).await.unwrap();
    assert_eq!(store.held_values("shop").await.unwrap(), []);
}

async fn a_held_plan_is_kept_until_it_is_cleared(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    assert_eq!(store.held("shop").await.unwrap(), None);
    let mut plan = HeldPlan {
        since: NOW,
        digest: u64::MAX - 1,
        reasons: vec!["EmptySnapshot".to_owned(), "MassWithdrawal".to_owned()],
        message: "the list is empty".to_owned(),
        message_fr: "la liste est vide".to_owned(),
        inbound: Some(7),
        agreeing: 1,
        evidence: Some(Evidence {
            export: Export { fingerprint: Some("a1".to_owned()), written_at: Some(NOW), looked_at: NOW },
            leaving: vec![1, u32::MAX],
            count: 2,
        }),
    };
    store.set_held(&lease, Some(&plan)).await.unwrap();
    assert_eq!(store.held("shop").await.unwrap(), Some(plan.clone()));
    plan.agreeing = 2;
    store.set_held(&lease, Some(&plan)).await.unwrap();
    assert_eq!(store.held("shop").await.unwrap(), Some(plan));
    store.set_held(&lease, None).await.unwrap();
    assert_eq!(store.held("shop").await.unwrap(), None);
}

async fn a_call_that_is_dropped_half_way_leaves_a_working_store(place: Place) {
    let store = place.open().await;
    let lease = leased(&*store, "shop").await;
    let mut dropped = 0;
    for round in 1..300_u32 {
        let state =
            ConnectionState { failures: round, quarantine_digest: Some(round.into()), ..ConnectionState::default() };
        // Dropped after so many looks at it, wherever it then is.
        let mut call = store.save_state(&lease, &state);
        let mut answered = false;
        for _ in 0..round {
            answered = futures_util::poll!(&mut call).is_ready();
            if answered {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        dropped += u32::from(!answered);
        let kept = store.state("shop").await.unwrap();
        assert_eq!(kept.quarantine_digest.unwrap_or(0), u64::from(kept.failures), "all of it or nothing");
    }
    assert!(dropped > 0, "some calls are cut short");
    store.save_state(&lease, &ConnectionState::default()).await.unwrap();
    place.open().await.ping().await.unwrap();
}
