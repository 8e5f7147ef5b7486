//! Listings without a box office: places in all, chosen by the cinema.

use passerelle::sandbox::Bookable;
use passerelle_contract::{Places, Quantity, Screening};

use super::stage::{PERSON, Stage, film, show};
use super::support::on_sqlite;

fn with_places(mut screening: Screening, places: Quantity) -> Screening {
    let one = screening.showtime.places.remove(0);
    screening.showtime.places = vec![Places { remaining: places, ..one }];
    screening
}

#[test]
fn places_in_all_are_given_once_and_never_refilled() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, false).await;
        *stage.cinema.in_all.lock().unwrap() = true;
        let listed = |places| [with_places(show(&film("412"), "1", 30, 600, 0), places)];
        let left = || stage.dates()[0].2;
        stage.state(listed(Quantity::Exactly(20)));
        stage.sync().await;
        let stock = stage.offers()[0].dates[0].stock_id;
        stage.sandbox.book(PERSON, Bookable::Stock(stock), 2).unwrap();
        let again = stage.sync().await;
        assert_eq!((again.requests, left()), (0, Some(18)), "what is booked stays taken");

        for (in_all, expected) in [(30, 28), (1, 0), (5, 3)] {
            stage.state(listed(Quantity::Exactly(in_all)));
            stage.sync().await;
            assert_eq!(left(), Some(expected), "{in_all} in all, two booked");
            assert_eq!(stage.sync().await.requests, 0, "in step with {in_all}");
        }
        stage.state(listed(Quantity::Unlimited));
        stage.sync().await;
        assert_eq!(left(), None);
        stage.state(listed(Quantity::Exactly(4)));
        stage.sync().await;
        assert_eq!(left(), Some(2));
    });
}

#[test]
fn a_listed_show_that_comes_back_is_open_again() {
    on_sqlite(async |place| {
        let stage = Stage::new(&place, false).await;
        *stage.cinema.in_all.lock().unwrap() = true;
        let (one, two) = (show(&film("412"), "1", 30, 600, 20), show(&film("412"), "2", 54, 600, 20));
        stage.state([one.clone(), two.clone()]);
        stage.sync().await;
        let first = stage.offers()[0].dates.iter().min_by_key(|date| date.beginning.clone()).unwrap().stock_id;
        stage.sandbox.book(PERSON, Bookable::Stock(first), 1).unwrap();
        stage.state([two.clone()]);
        stage.sync().await;
        stage.sync().await;
        assert_eq!(stage.dates()[0].2, Some(0), "booked: closed, not deleted");
        stage.state([one, two]);
        stage.sync().await;
        assert_eq!(stage.dates()[0].2, Some(19));
    });
}
