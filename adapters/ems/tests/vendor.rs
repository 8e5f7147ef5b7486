//! What is peculiar to this vendor's exports and sales, against its simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use desk::{Desk, LEAK};
use futures_util::StreamExt as _;
use passerelle_contract::{
    Adapter, BookOutcome, Completeness, Cursor, End, Order, Probe, ProbeKind, Pull, Quantity, Refusal, Row, Screening,
};
use passerelle_ems::simulator::{EmsSimulator, OTHER_SITE, Quirks, SimFilm, SimShow};
use passerelle_testkit::simulator::{Fault, Simulator as _};
use serde_json::{Value, json};

const OPEN: i64 = 615_400_027_711;

/// A whole pass: its rows and its end.
async fn pull(adapter: &dyn Adapter, from: Option<&Cursor>) -> (Vec<Row<Screening>>, End) {
    let mut pass = adapter.screenings().unwrap().pull(Pull { from: from.cloned(), known: Vec::new() });
    let (mut rows, mut end) = (Vec::new(), None);
    while let Some(page) = pass.next().await {
        let page = page.unwrap();
        rows.extend(page.rows);
        end = page.end;
    }
    (rows, end.unwrap())
}

/// The shows that a pass states, with their places.
fn places(rows: &[Row<Screening>]) -> Vec<(String, Quantity)> {
    let good = |row: &Row<Screening>| match row {
        Row::Good(screening) => Some((screening.showtime.key.clone(), screening.showtime.places[0].remaining)),
        Row::Poison(_) => None,
    };
    rows.iter().filter_map(good).collect()
}

fn place_of(rows: &[Row<Screening>], show: i64) -> Option<Quantity> {
    places(rows).into_iter().find(|(key, _)| *key == show.to_string()).map(|(_, places)| places)
}

/// Versions that the schedule was asked with.
fn versions(simulator: &EmsSimulator) -> Vec<u64> {
    let calls = simulator.log().all();
    let asked = calls.iter().filter(|call| call.path.ends_with("/schedule"));
    asked.map(|call| call.query.strip_prefix("version=").unwrap().parse().unwrap()).collect()
}

fn calls(simulator: &EmsSimulator, part: &str) -> usize {
    simulator.log().all().iter().filter(|call| call.path.contains(part)).count()
}

fn kept(cursor: &Cursor) -> (u64, u64) {
    let value: Value = serde_json::from_str(&cursor.0).unwrap();
    (value["version"].as_u64().unwrap(), value["full_at"].as_u64().unwrap())
}

#[tokio::test]
async fn a_pass_reads_everything_once_and_then_what_changed() {
    let (simulator, adapter) = common::cinema().await;
    let (all, first) = pull(adapter.as_ref(), None).await;
    assert_eq!((all.len(), first.completeness), (7, Completeness::Snapshot));
    let cursor = first.cursor.unwrap();
    let (version, full_at) = kept(&cursor);
    let (none, second) = pull(adapter.as_ref(), Some(&cursor)).await;
    assert_eq!((none.len(), second.completeness), (0, Completeness::Delta));
    // Another price under the same number.
    simulator.put_show(SimShow { cents: 800, changed_at: 0, ..simulator.show(OPEN).unwrap() });
    let (changed, third) = pull(adapter.as_ref(), second.cursor.as_ref()).await;
    assert_eq!((places(&changed).len(), third.completeness), (1, Completeness::Delta));
    let (again, still_full_at) = kept(third.cursor.as_ref().unwrap());
    assert!(again >= version && still_full_at == full_at, "{again} {version}");
    assert_eq!(versions(&simulator), [0, version - 300, kept(&second.cursor.unwrap()).0 - 300]);
}

#[tokio::test]
async fn once_a_day_everything_is_read_and_shows_what_was_taken_away() {
    let (simulator, adapter) = common::cinema().await;
    let (_, end) = pull(adapter.as_ref(), None).await;
    let (version, full_at) = kept(&end.cursor.unwrap());
    simulator.remove_show(615_400_027_801);
    let old = Cursor(json!({ "version": version, "full_at": full_at - 24 * 3_600 }).to_string());
    let (rows, end) = pull(adapter.as_ref(), Some(&old)).await;
    assert_eq!((end.completeness, place_of(&rows, 615_400_027_801)), (Completeness::Snapshot, None));
    assert!(kept(end.cursor.as_ref().unwrap()).1 >= full_at);
    assert_eq!(versions(&simulator), [0, 0]);
    assert_eq!(adapter.screenings().unwrap().expectations().gone_after, 2);
}

#[tokio::test]
async fn a_full_answer_without_the_site_withdraws_nothing_and_is_asked_for_again() {
    let (simulator, adapter) = common::cinema().await;
    simulator.set_quirks(Quirks { hides_site: true, ..Quirks::default() });
    let (rows, end) = pull(adapter.as_ref(), None).await;
    assert_eq!((rows.len(), end.completeness), (0, Completeness::Partial));
    assert!(end.warnings[0].contains("site_id"), "{:?}", end.warnings);
    pull(adapter.as_ref(), end.cursor.as_ref()).await;
    assert_eq!(versions(&simulator), [0, 0]);
    // A site of which nothing at all is told is no site without shows.
    let empty = r#"{"sites":[{"id":"6154","events":[]}],"version":1}"#;
    simulator.faults().next("schedule", 1, Fault::Body(empty.to_owned()));
    assert_eq!(pull(adapter.as_ref(), None).await.1.completeness, Completeness::Partial);
}

#[tokio::test]
async fn a_clock_that_runs_away_or_back_moves_no_cursor() {
    let (simulator, adapter) = common::cinema().await;
    let (_, end) = pull(adapter.as_ref(), None).await;
    let cursor = end.cursor.unwrap();
    for (version, what) in [(4_102_444_800_u64, "ahead"), (7, "back")] {
        simulator.faults().next("schedule", 1, Fault::Body(format!(r#"{{"sites":[],"version":{version}}}"#)));
        let (_, end) = pull(adapter.as_ref(), Some(&cursor)).await;
        let (then, now) = (kept(&cursor).0, kept(&end.cursor.unwrap()).0);
        assert!((then..then + 60).contains(&now), "{version}: {now}");
        assert!(end.warnings.len() == 1 && end.warnings[0].contains(what), "{:?}", end.warnings);
    }
}

#[tokio::test]
async fn what_is_sold_out_is_asked_once_for_each_film() {
    let (simulator, adapter) = common::cinema().await;
    let lonely = SimFilm { id: "FULL1".into(), ..SimFilm::default() };
    let show = simulator.show(OPEN).unwrap();
    simulator.put_show(SimShow { id: "615400019001".into(), film: lonely, seats: 0, ..show.clone() });
    // A film with no show to come is not asked for.
    let over = SimFilm { id: "OVER1".into(), ..SimFilm::default() };
    let starts_at = show.starts_at - 4 * 24 * 3_600;
    simulator.put_show(SimShow { id: "615400019002".into(), film: over, starts_at, ..show });
    let (rows, end) = pull(adapter.as_ref(), None).await;
    assert_eq!(end.completeness, Completeness::Snapshot);
    assert_eq!(place_of(&rows, OPEN), Some(Quantity::Unlimited));
    // Full, of a film with no show left at all, and begun.
    for none in [615_400_027_714, 615_400_019_001, 615_400_027_716, 615_400_019_002] {
        assert_eq!(place_of(&rows, none), Some(Quantity::Exactly(0)), "{none}");
    }
    assert_eq!(calls(&simulator, "SEANCE"), 4);
}

#[tokio::test]
async fn a_vendor_that_does_not_say_what_is_on_sale_is_asked_no_more() {
    let (simulator, adapter) = common::cinema().await;
    for fault in [Fault::Status(500), Fault::Body(r#"{"statut":0,"code_erreur":199}"#.to_owned())] {
        let before = calls(&simulator, "SEANCE");
        simulator.faults().next("SEANCE", 9, fault);
        let (rows, end) = pull(adapter.as_ref(), None).await;
        simulator.faults().clear();
        assert_eq!(calls(&simulator, "SEANCE"), before + 1);
        assert_eq!((end.completeness, end.warnings.len()), (Completeness::Partial, 1));
        assert_eq!(place_of(&rows, 615_400_027_714), Some(Quantity::Unlimited), "nobody knows");
        // The day's full reading was made: what changed is enough until tomorrow.
        assert_eq!(pull(adapter.as_ref(), end.cursor.as_ref()).await.1.completeness, Completeness::Delta);
    }
}

#[tokio::test]
async fn a_vendor_that_cannot_be_asked_may_be_left_unasked() {
    let (simulator, adapter) = common::cinema_with(&[("ask_on_sale", json!(false))]).await;
    let (rows, end) = pull(adapter.as_ref(), None).await;
    assert_eq!(end.completeness, Completeness::Snapshot);
    assert_eq!(place_of(&rows, 615_400_027_714), Some(Quantity::Unlimited));
    let desk = Desk::new(simulator, adapter);
    assert_eq!(desk.sold(OPEN, 2).await.len(), 2);
    let full = desk.book(&Desk::order(615_400_027_714, 1)).await.0;
    assert!(matches!(full, BookOutcome::Refused(Refusal::SoldOut)), "{full:?}");
    assert_eq!(calls(&desk.simulator, "SEANCE"), 0);
}

#[tokio::test]
async fn a_site_with_zeros_in_front_is_sold_in_the_spelling_that_works() {
    let simulator = EmsSimulator::start().await.unwrap();
    let adapter = common::connect(&simulator, &[("site_id", json!(OTHER_SITE))]);
    let (rows, _) = pull(adapter.as_ref(), None).await;
    assert_eq!(places(&rows), [("004200005150".to_owned(), Quantity::Unlimited)]);
    let desk = Desk::new(simulator, adapter);
    let order = |quantity| Order {
        show_key: "004200005150".into(),
        price: passerelle_contract::Cents(700),
        ..Desk::order(OPEN, quantity)
    };
    let ids = |desk: &Desk| -> Vec<String> {
        let read =
            |body: &String| serde_json::from_str::<Value>(body).unwrap()["id_seance"].as_str().unwrap().to_owned();
        desk.simulator.bodies("VENTE").iter().map(read).collect()
    };
    let (outcome, journal) = desk.book(&order(1)).await;
    assert!(matches!(outcome, BookOutcome::Booked(_)), "{outcome:?}");
    assert_eq!((journal.len(), ids(&desk)), (1, vec!["004200005150".to_owned()]));

    desk.simulator.set_quirks(Quirks { bare_ids_only: true, ..Quirks::default() });
    let (outcome, journal) = desk.book(&order(1)).await;
    assert!(matches!(outcome, BookOutcome::Booked(_)), "{outcome:?}");
    assert_eq!((journal.len(), ids(&desk)[1..].join(" ")), (2, "004200005150 4200005150".to_owned()));
    // It is remembered.
    let (outcome, journal) = desk.book(&order(2)).await;
    assert!(matches!(outcome, BookOutcome::Booked(_)), "{outcome:?}");
    assert_eq!((journal.len(), ids(&desk)[3..].join(" ")), (1, "4200005150".to_owned()));
    assert_eq!(desk.simulator.seats_sold(), 4);
}

#[tokio::test]
async fn a_show_that_a_sale_does_not_find_is_gone() {
    let (simulator, adapter) = common::cinema().await;
    let desk = Desk::new(simulator, adapter);
    let listed = r#"{"statut":1,"seances":["615400027899"]}"#;
    desk.simulator.faults().next("SEANCE", 1, Fault::Body(listed.to_owned()));
    let (outcome, journal) = desk.book(&Desk::order(615_400_027_899, 1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::ShowGone)), "{outcome:?}");
    assert_eq!(journal.len(), 1, "no zero in front, no other spelling");
}

#[tokio::test]
async fn a_refusal_of_an_unknown_code_sells_nothing_and_names_nobody() {
    let (simulator, adapter) = common::cinema().await;
    let desk = Desk::new(simulator, adapter);
    for (text, told) in [("Tarif inconnu", "Tarif inconnu"), (&format!("Client {LEAK} inconnu"), "no text")] {
        let body = json!({ "statut": 0, "code_erreur": 199, "message_erreur": text }).to_string();
        desk.simulator.faults().next("VENTE", 1, Fault::Body(body));
        match desk.book(&Desk::order(OPEN, 1)).await.0 {
            BookOutcome::NotAttempted(error) => {
                assert_eq!(error.code, "RefusedByVendor");
                assert!(error.context.contains("199") && error.context.contains(told), "{error}");
                assert!(!error.context.contains(LEAK), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    let another = Order { price: passerelle_contract::Cents(684), ..Desk::order(OPEN, 1) };
    let (outcome, _) = desk.book(&another).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "RefusedByVendor"), "{outcome:?}");
    assert_eq!(desk.simulator.seats_sold(), 0);
}

#[tokio::test]
async fn nobody_is_asked_for_a_show_that_has_begun_or_without_a_person() {
    let (simulator, adapter) = common::cinema().await;
    let desk = Desk::new(simulator, adapter);
    let (outcome, _) = desk.book(&Order { holder: None, ..Desk::order(OPEN, 1) }).await;
    assert!(matches!(&outcome, BookOutcome::NotAttempted(error) if error.code == "NoHolder"), "{outcome:?}");
    let (outcome, _) = desk.book(&EmsSimulator::orders().started).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SalesClosed)), "{outcome:?}");
    assert!(desk.simulator.log().is_empty());
}

#[tokio::test]
async fn a_sale_asks_nothing_first_and_is_refused_cleanly() {
    let (simulator, adapter) = common::cinema().await;
    let desk = Desk::new(simulator, adapter);
    let (outcome, journal) = desk.book(&Desk::order(615_400_027_714, 1)).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::SoldOut)), "{outcome:?}");
    let (outcome, _) = desk.book(&Order { film_key: "GONE1".into(), ..Desk::order(615_400_027_899, 1) }).await;
    assert!(matches!(outcome, BookOutcome::Refused(Refusal::ShowGone)), "{outcome:?}");
    assert_eq!((journal.len(), calls(&desk.simulator, "VENTE"), calls(&desk.simulator, "SEANCE")), (1, 2, 0));
}

#[tokio::test]
async fn a_sale_is_written_as_the_known_client_writes_it() {
    let (simulator, adapter) = common::cinema().await;
    let desk = Desk::new(simulator, adapter);
    let order = Order { reference: passerelle_contract::Reference("M3X5QDABCDEFGHJK".into()), ..Desk::order(OPEN, 2) };
    let (outcome, journal) = desk.book(&order).await;
    let BookOutcome::Booked(sale) = outcome else { panic!("{outcome:?}") };
    assert_eq!(sale.remaining, Quantity::Unlimited);
    assert!(journal[0].contains("\"num_cmde\":\"M3X5QD\""), "{journal:?}");
    let body = desk.simulator.bodies("VENTE").remove(0);
    let (before, after) = body.split_once("\"num_pass_culture\": \"").unwrap();
    assert_eq!(
        before,
        format!(
            "{{\"num_cine\": \"6154\", \"id_seance\": \"615400027711\", \"qte_place\": 2, \"pass_culture_price\": 6.85, \
             \"total_price\": 13.7, \"email\": \"{LEAK}\", "
        )
    );
    assert_eq!(&after[9..], "\", \"num_cmde\": \"M3X5QD\"}");
    let seats: Vec<_> = sale.tickets.iter().map(|ticket| ticket.seat.as_deref()).collect();
    assert_eq!(seats, [Some("C1"), Some("C2")]);
    assert_eq!(sale.tickets[0].barcode, "000000208301");
    let vendor: Value = serde_json::from_str(&sale.tickets[0].vendor).unwrap();
    assert_eq!(
        vendor,
        json!({ "num_cine": "6154", "num_caisse": "255", "num_trans": 912, "num_ope": 208_301, "num_cmde": "M3X5QD" })
    );
    // Free seats have no name, and an empty one is none.
    assert_eq!(desk.sold(615_400_027_712, 1).await[0].seat, None);
}

#[tokio::test]
async fn no_signature_shows_in_what_went_wrong() {
    let (simulator, adapter) = common::cinema().await;
    let desk = Desk::new(simulator, adapter);
    for fault in [Fault::Status(500), Fault::Status(403), Fault::Hang, Fault::CutMidBody, Fault::Html] {
        desk.simulator.faults().next("VENTE", 1, fault);
        let (BookOutcome::NotAttempted(error) | BookOutcome::Unknown(passerelle_contract::Suspicion { error, .. })) =
            desk.book(&Desk::order(OPEN, 1)).await.0
        else {
            panic!("sold")
        };
        let shown = format!("{error} {error:?}");
        let run = shown.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
        assert!(run < Some(64), "{shown}");
    }
}

async fn ask(adapter: &dyn Adapter, kind: ProbeKind) -> Result<String, (&'static str, String)> {
    let probe: Probe<'_> = adapter.probes().into_iter().find(|probe| probe.kind == kind).unwrap();
    (probe.ask)().await.map(|evidence| evidence.saw).map_err(|error| (error.code, error.context))
}

#[tokio::test]
async fn probes_tell_a_wrong_site_a_wrong_password_and_a_wrong_key() {
    let simulator = EmsSimulator::start().await.unwrap();
    let wrong = common::secrets().join("wrong");
    std::fs::write(&wrong, "zanzibar-0815").unwrap();
    let wrong = json!({ "file": wrong });

    let elsewhere = common::connect(&simulator, &[("site_id", json!("154"))]);
    let (code, why) = ask(elsewhere.as_ref(), ProbeKind::ReadOne).await.unwrap_err();
    assert!(code == "UnknownSite" && why.contains("6154, 0042"), "{why}");
    let unsaid = common::connect(&simulator, &[("site_id", json!("154")), ("sites_url", Value::Null)]);
    assert!(ask(unsaid.as_ref(), ProbeKind::ReadOne).await.is_ok());
    let right = common::connect(&simulator, &[]);
    assert!(ask(right.as_ref(), ProbeKind::ReadOne).await.unwrap().contains("Cinéma du Sémaphore"));

    for setting in ["password", "secret"] {
        let adapter = common::connect(&simulator, &[(setting, wrong.clone())]);
        let (code, why) = ask(adapter.as_ref(), ProbeKind::SignIn).await.unwrap_err();
        assert!(["BadCredentials", "Forbidden"].contains(&code), "{setting}: {code}");
        assert!(!why.contains("zanzibar"), "{why}");
    }
    let stranger = common::connect(&simulator, &[("source", json!("AUTRE"))]);
    assert_eq!(ask(stranger.as_ref(), ProbeKind::SignIn).await.unwrap_err().0, "Forbidden");
}

#[tokio::test]
async fn an_account_tells_its_sites() {
    let simulator = EmsSimulator::start().await.unwrap();
    let mut settings = common::settings(&simulator);
    settings.as_object_mut().unwrap().remove("site_id");
    let list = passerelle_ems::DESCRIPTOR.list_sites.unwrap();
    let sites = list(settings.clone(), common::context()).await.unwrap();
    let told: Vec<_> = sites.iter().map(|site| (site.id.as_str(), site.name.as_str(), site.siret.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("6154", "Cinéma du Sémaphore, Saint-Orlan", Some("11112222333344")),
            ("0042", "Le Colibri, Saint-Orlan", None)
        ]
    );
    settings.as_object_mut().unwrap().remove("sites_url");
    let error = list(settings, common::context()).await.unwrap_err();
    assert!(error.to_string().contains("sites_url"), "{error}");
}

/// Reads a pass, whatever becomes of it.
async fn read_through(adapter: &dyn Adapter) -> bool {
    let mut pass = adapter.screenings().unwrap().pull(Pull::default());
    while let Some(page) = pass.next().await {
        if page.is_err() {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn one_reading_of_the_export_serves_all_sites_and_nobody_is_given_it_twice() {
    let simulator = EmsSimulator::start().await.unwrap();
    let both = || (common::connect(&simulator, &[]), common::connect(&simulator, &[("site_id", json!(OTHER_SITE))]));
    let exports = || simulator.log().all().iter().filter(|call| call.path.ends_with("schedule")).count();
    let (here, there) = both();
    assert!(read_through(here.as_ref()).await && read_through(there.as_ref()).await);
    assert_eq!(exports(), 1, "the other site takes it over");
    assert!(read_through(here.as_ref()).await);
    assert_eq!(exports(), 2, "who asks again hears what is new");
    drop((here, there));

    // Two at once, of an account that nobody else uses any more: the second waits for the first.
    let (here, there) = both();
    let fine = tokio::join!(read_through(here.as_ref()), read_through(there.as_ref()));
    assert_eq!((fine, exports()), ((true, true), 3));
    drop((here, there));

    // What is not whole is not passed on.
    let (here, there) = both();
    simulator.faults().next("schedule", 1, Fault::Body("{\"sites\":".into()));
    assert!(!read_through(here.as_ref()).await && read_through(there.as_ref()).await);
    assert_eq!(exports(), 5);
}
