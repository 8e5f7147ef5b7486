//! The catalogue river of showtimes: a scripted cinema, the real store, and the sandbox.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod films;
mod kinds;
mod listings;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use passerelle::catalogue::pass::Options;
use passerelle::passculture::MessageUrls;
use passerelle::sandbox::{Bookable, Fault, FaultEffect};
use passerelle::store::bookings::{Move, TicketRow, TicketState};
use passerelle_contract::{Completeness, Film, Poster, Quantity, Screening, Starts};
use stage::{EVENTS, PERSON, Stage, film, show};
use support::on_sqlite;

#[test]
fn films_and_showtimes_appear_and_a_second_pass_sends_nothing() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let (one, two) = (film("412"), film("413"));
        stage.state([show(&one, "1", 30, 600, 12), show(&one, "2", 54, 750, 0), show(&two, "3", 30, 600, 5)]);
        let summary = stage.sync().await;
        assert_eq!((summary.read, summary.kept, summary.create, summary.pushed, summary.rejected), (3, 3, 3, 3, 0));
        let offers = stage.offers();
        assert_eq!(offers.len(), 2);
        assert!(offers.iter().all(|offer| offer.id_at_provider.as_deref().unwrap().starts_with("boost:film:")));
        let places: Vec<_> = stage.dates().into_iter().map(|(_, price, left)| (price, left)).collect();
        assert_eq!(places, [(600, Some(5)), (600, Some(12)), (750, Some(0))]);
        let again = stage.sync().await;
        assert_eq!((again.unchanged, again.requests), (3, 0), "{again:?}");
        assert_eq!(*stage.cinema.known.lock().unwrap(), ["1", "3", "2"], "what is known is told to the source");
    });
}

#[test]
fn what_changes_is_changed_and_keeps_its_identity() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let one = film("412");
        stage.state([show(&one, "1", 30, 600, 12), show(&one, "2", 54, 600, 7)]);
        stage.sync().await;
        let before: Vec<u64> = stage.offers()[0].dates.iter().map(|date| date.stock_id).collect();
        // Moved, dearer, fewer; and the film has another title.
        let renamed = Film { title: "Le Phare, version longue".into(), ..one };
        stage.state([show(&renamed, "1", 33, 600, 12), show(&renamed, "2", 54, 700, 3)]);
        let summary = stage.sync().await;
        assert_eq!((summary.create, summary.change, summary.withdraw), (0, 2, 0));
        let offer = &stage.offers()[0];
        assert_eq!(offer.dates.iter().map(|date| date.stock_id).collect::<Vec<_>>(), before);
        let places: Vec<_> = stage.dates().into_iter().map(|(_, price, left)| (price, left)).collect();
        assert_eq!(places, [(600, Some(12)), (700, Some(3))]);
        assert_eq!(stage.sync().await.requests, 0);
    });
}

#[test]
fn a_vanished_show_is_deleted_and_one_with_tickets_is_closed() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let one = film("412");
        let shows = [show(&one, "1", 30, 600, 12), show(&one, "2", 54, 600, 7), show(&one, "3", 78, 600, 9)];
        stage.state(shows.clone());
        stage.sync().await;
        let stock = async |key: &str| {
            let dates = stage.store.dates("cinema").await.unwrap();
            dates.into_iter().find(|row| row.key == format!("boost:show:{key}")).and_then(|row| row.stock_id)
        };
        let second = stock("2").await.unwrap();
        let sold = stage.sell(second).await;
        stage.state([shows[2].clone()]);
        *stage.cinema.completeness.lock().unwrap() = Completeness::Partial;
        assert_eq!(stage.sync().await.withdraw, 0, "a partial pass takes nothing away");
        *stage.cinema.completeness.lock().unwrap() = Completeness::Snapshot;
        let summary = stage.sync().await;
        assert_eq!((summary.withdraw, summary.held), (2, 0));
        let places: Vec<_> = stage.dates().into_iter().map(|(_, _, left)| left).collect();
        assert_eq!(places, [Some(0), Some(9)], "the one with a ticket is closed, the other is gone");
        assert_eq!(stock("1").await, None);
        assert_eq!(stage.sync().await.requests, 0);
        // Its ticket was voided: now it may go.
        let ticket = TicketRow {
            barcode: format!("B{second}"),
            place: 0,
            booking: sold.reference.clone(),
            seat: None,
            vendor: "{}".into(),
            state: TicketState::Void,
        };
        stage
            .store
            .move_booking(Move { row: &sold, tickets: &[ticket], events: &[], places: None, messages: &[] })
            .await
            .unwrap();
        stage.sync().await;
        assert_eq!(stage.dates().len(), 1);
        assert_eq!(stock("2").await, None);
    });
}

#[test]
fn a_date_that_pass_culture_counts_bookings_of_is_closed_even_if_we_know_none() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, false).await;
        let one = film("412");
        let shows = [show(&one, "1", 30, 600, 12), show(&one, "2", 54, 600, 7)];
        stage.state(shows.clone());
        stage.sync().await;
        let stock = stage.offers()[0].dates.iter().min_by_key(|date| date.beginning.clone()).unwrap().stock_id;
        stage.sandbox.book(PERSON, Bookable::Stock(stock), 1).unwrap();
        stage.state([shows[1].clone()]);
        assert_eq!(stage.sync().await.withdraw, 0, "a listing is gone after two agreeing snapshots");
        assert_eq!(stage.sync().await.withdraw, 1);
        let dates = &stage.offers()[0].dates;
        assert_eq!(dates.iter().find(|date| date.stock_id == stock).unwrap().remaining, Some(0));
    });
}

#[test]
fn a_date_deleted_at_pass_culture_is_made_under_another_key_once_and_then_left_alone_and_told() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, false).await;
        let one = film("412");
        let state = |left| stage.state([show(&one, "1", 120, 600, left), show(&one, "2", 144, 600, 7)]);
        state(12);
        stage.sync().await;
        // Somebody deletes it there: it was booked, so that its row and its key stay.
        let book_and_delete = async || {
            let offer = stage.offers()[0].clone();
            let first = offer.dates.iter().min_by_key(|date| date.beginning.clone()).unwrap().stock_id;
            let booked = stage.sandbox.book(PERSON, Bookable::Stock(first), 1).unwrap();
            let event = i64::try_from(offer.offer_id).unwrap();
            stage.client.delete_date(event, i64::try_from(first).unwrap()).await.unwrap();
            assert_eq!(stage.sandbox.booking(booked.id).unwrap().status, "CANCELLED");
        };
        book_and_delete().await;
        state(11);
        let report = stage.sync_with(Options::default()).await;
        assert_eq!(report.summary.rejected, 0, "{report:?}");
        let dates = stage.offers()[0].dates.len();
        assert_eq!(dates, 2, "it is on sale again");
        // It is known under its own key: what changes is changed, and nothing is made twice.
        state(10);
        stage.sync().await;
        let left: Vec<_> = stage.offers()[0].dates.iter().map(|date| date.remaining).collect();
        assert!(left.contains(&Some(10)) && left.len() == 2, "{left:?}");

        book_and_delete().await;
        state(9);
        let report = stage.sync_with(Options::default()).await;
        assert_eq!(report.summary.rejected, 1, "{report:?}");
        assert!(report.notices.iter().any(|notice| notice.contains("DateDeleted")), "{report:?}");
        let posts = || {
            let requests = stage.sandbox.requests();
            requests.iter().filter(|request| request.method == "POST" && request.path.ends_with("/dates")).count()
        };
        let before = posts();
        stage.sync().await;
        assert_eq!(posts(), before, "it is not tried for ever");
    });
}

#[test]
fn a_snapshot_that_lost_most_shows_is_held_until_it_agrees_or_is_released() {
    on_sqlite(async |place| {
        let mut stage = Stage::new(&place, true).await;
        let one = film("412");
        let shows: Vec<Screening> = (0..12).map(|n| show(&one, &n.to_string(), 30 + n, 600, 5)).collect();
        stage.state(shows.clone());
        stage.sync().await;
        stage.state(shows[..3].to_vec());
        let held = stage.sync().await;
        assert_eq!((held.held, stage.dates().len()), (9, 12));
        assert_eq!(stage.sync().await.held, 9, "asked again at once, a vendor says the same for the same reason");
        stage.connection.guard.agree_after_seconds = 0;
        let agreed = stage.sync().await;
        assert_eq!((agreed.held, stage.dates().len()), (0, 3));
        // Nothing at all is never agreed upon.
        stage.state([]);
        for _ in 0..3 {
            assert!(stage.sync().await.held > 0);
        }
        let report = stage.sync_with(Options { release: true, ..Options::default() }).await;
        assert_eq!((report.summary.held, stage.dates().len()), (0, 0));
    });
}

#[test]
fn a_row_that_cannot_be_read_takes_nothing_away() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let one = film("412");
        stage.state([show(&one, "1", 30, 600, 12), show(&one, "2", 54, 600, 7)]);
        stage.sync().await;
        let mut unreadable = show(&one, "2", 54, 600, 7);
        unreadable.showtime.starts = Starts::Local(passerelle_contract::WallClock {
            year: 2026,
            month: 2,
            day: 30,
            hour: 0,
            minute: 0,
            second: 0,
        });
        stage.state([show(&one, "1", 30, 600, 12), unreadable]);
        let summary = stage.sync().await;
        assert_eq!((summary.read, summary.kept, summary.quarantined, summary.withdraw), (2, 1, 1, 0));
        assert_eq!(stage.dates().len(), 2);
    });
}

#[test]
fn lost_answers_make_nothing_twice() {
    on_sqlite(async |place| {
        for effect in [FaultEffect::CutAfterEffect, FaultEffect::Cut, FaultEffect::ServerError] {
            for path in [EVENTS.to_owned(), format!("{EVENTS}/")] {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("store.db").display());
                let stage = Stage::new(&support::Place { url }, true).await;
                let one = film("412");
                stage.state([show(&one, "1", 30, 600, 12), show(&one, "2", 54, 700, 7)]);
                let fault = Fault { method: Some("POST".to_owned()), ..Fault::next(2, &path, effect.clone()) };
                assert!(stage.sandbox.inject(fault));
                for _ in 0..3 {
                    let client = stage.client.counting_anew();
                    let _ = stage.run(&client).sync(&stage.lease, Options::default()).await;
                }
                assert_eq!(stage.offers().len(), 1, "{effect:?} at {path}");
                let places: Vec<_> = stage.dates().into_iter().map(|(_, price, left)| (price, left)).collect();
                assert_eq!(places, [(600, Some(12)), (700, Some(7))], "{effect:?} at {path}");
                assert_eq!(stage.sync().await.requests, 0, "{effect:?} at {path}");
            }
        }
        drop(place);
    });
}

#[test]
fn what_a_booking_moved_during_a_pass_stays() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let one = film("412");
        stage.state([show(&one, "1", 30, 600, 12)]);
        stage.sync().await;
        // A booking that ends after the next pass began to read, as it seems: its places are newer than what the source says.
        let later = passerelle::clock::now() + 60_000;
        stage
            .store
            .touch_date("cinema", "boost:film:412", "boost:show:1", Quantity::Exactly(9), true, later)
            .await
            .unwrap();
        stage.sync().await;
        let row = stage.store.dates("cinema").await.unwrap().remove(0);
        assert_eq!((row.desired_quantity, row.acknowledged_quantity), (Some(9), Some(9)));
    });
}

#[test]
fn without_message_urls_the_pass_fails_with_what_to_do_and_nothing_is_refused_for_ever() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        stage.client.set_message_urls(None, &MessageUrls::default()).await.unwrap();
        stage.state([show(&film("412"), "1", 30, 600, 12)]);
        let failure = stage.run(&stage.client).sync(&stage.lease, Options::default()).await.unwrap_err();
        assert_eq!(failure.error.code(), "NoTicketing", "{failure:?}");
        let urls = MessageUrls {
            booking: Some("http://127.0.0.1:9/b".into()),
            cancel: Some("http://127.0.0.1:9/c".into()),
            notification: None,
        };
        stage.client.set_message_urls(None, &urls).await.unwrap();
        assert_eq!(stage.sync().await.pushed, 1);
    });
}

#[test]
fn a_plan_tells_and_changes_nothing() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        stage.state([show(&film("412"), "1", 30, 600, 12)]);
        let report = stage.run(&stage.client).reader.plan().await.unwrap();
        assert_eq!((report.summary.create, report.summary.pushed), (1, 0));
        assert!(stage.store.dates("cinema").await.unwrap().is_empty() && stage.offers().is_empty());
    });
}

#[test]
fn an_offer_deleted_at_pass_culture_is_made_again() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let one = film("412");
        stage.state([show(&one, "1", 30, 600, 12)]);
        stage.sync().await;
        stage.sandbox.reset();
        let urls = MessageUrls {
            booking: Some("http://127.0.0.1:9/b".into()),
            cancel: Some("http://127.0.0.1:9/c".into()),
            notification: None,
        };
        stage.client.set_message_urls(None, &urls).await.unwrap();
        stage.state([show(&one, "1", 30, 600, 11)]);
        stage.sync().await;
        assert_eq!(stage.dates().into_iter().map(|(_, _, left)| left).collect::<Vec<_>>(), [Some(11)]);
    });
}

#[test]
fn posters_are_framed_and_put_once() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, true).await;
        let mut picture = Vec::new();
        image::DynamicImage::ImageRgb8(image::RgbImage::new(700, 900))
            .write_to(&mut std::io::Cursor::new(&mut picture), image::ImageFormat::Png)
            .unwrap();
        let router = axum::Router::new()
            .route("/poster.png", axum::routing::get(move || async move { picture.clone() }))
            .route("/page.png", axum::routing::get(|| async { "<html>" }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let home = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let poster = |path: &str, at_home: bool| {
            Some(Poster { url: format!("{home}{path}"), at_home: at_home.then(|| home.clone()) })
        };
        let films = [
            Film { poster: poster("/poster.png", true), ..film("1") },
            Film { poster: poster("/page.png", true), ..film("2") },
            Film { poster: poster("/poster.png", false), ..film("3") },
        ];
        stage.state(films.iter().map(|film| show(film, &film.key, 30, 600, 5)));
        let report = stage.sync_with(Options::default()).await;
        assert_eq!(report.summary.pushed, 3);
        let notices = report.notices.join("\n");
        assert!(notices.contains("NoPicture") && notices.contains("PrivatePoster"), "{notices}");
        let rows = stage.store.events("cinema").await.unwrap();
        let pictures: Vec<bool> =
            rows.iter().map(|row| row.picture.as_deref().is_some_and(|text| !text.contains("useless"))).collect();
        assert_eq!(pictures, [true, false, false]);
        let event = stage.client.event(rows[0].offer_id.unwrap()).await.unwrap();
        assert!(event.picture_url.is_some());
        assert_eq!(stage.sync().await.requests, 0);
    });
}

/// A wall clock reading of a show, on both nights on which clocks are moved in France.
fn on_wall_clock(key: &str, film: &Film, (month, day, hour, minute): (i8, i8, i8, i8)) -> Screening {
    let clock = passerelle_contract::WallClock { year: 2027, month, day, hour, minute, second: 0 };
    let mut screening = show(film, key, 30, 600, 5);
    screening.showtime.starts = Starts::Local(clock);
    screening
}

#[test]
fn wall_clocks_are_read_in_the_venues_own_zone_on_both_nights_that_move_them() {
    // (wall clock, in Paris, in Réunion); at 02:30 of the spring night no clock in Paris stands, and that of the autumn night
    // comes twice: the first one counts.
    let cases = [
        ((3, 27, 20, 30), "2027-03-27T19:30:00Z", "2027-03-27T16:30:00Z"),
        ((3, 28, 2, 30), "2027-03-28T01:30:00Z", "2027-03-27T22:30:00Z"),
        ((3, 28, 20, 30), "2027-03-28T18:30:00Z", "2027-03-28T16:30:00Z"),
        ((10, 31, 2, 30), "2027-10-31T00:30:00Z", "2027-10-30T22:30:00Z"),
        ((10, 31, 20, 30), "2027-10-31T19:30:00Z", "2027-10-31T16:30:00Z"),
    ];
    for (postal_code, pick) in [("75011", 0), ("97400", 1)] {
        on_sqlite(async move |place| {
            let stage = Stage::at(&place, true, postal_code).await;
            let one = film("412");
            stage.state(cases.iter().zip(1..).map(|((clock, ..), key)| on_wall_clock(&format!("{key}"), &one, *clock)));
            stage.sync().await;
            let dates = stage.store.dates("cinema").await.unwrap();
            for ((clock, paris, reunion), key) in cases.iter().zip(1..) {
                let expected = [*paris, *reunion][pick];
                let row = dates.iter().find(|row| row.key == format!("boost:show:{key}")).unwrap();
                let stock = u64::try_from(row.stock_id.unwrap()).unwrap();
                let shown =
                    stage.offers()[0].dates.iter().find(|date| date.stock_id == stock).unwrap().beginning.clone();
                let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
                assert_eq!(at(&shown), at(expected), "{clock:?} at {postal_code}");
            }
            assert_eq!(stage.sync().await.requests, 0);
        });
    }
}
