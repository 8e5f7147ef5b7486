//! Two gateways on one store sell through a box office that allows an account one session.

use std::sync::Arc;

use futures_util::future::join_all;
use passerelle::booking::Desk;
use passerelle::gateway::StoredSessions;
use passerelle::passculture::messages::{BookingAnswer, BookingRequest};
use passerelle::store::{Owner, Store};
use passerelle_boost::simulator::{BoostSimulator, PASSWORD, SimShow, USERNAME};
use passerelle_contract::Context;
use passerelle_testkit::simulator::Simulator as _;
use serde_json::json;
use tokio::time::Instant;

use super::faults::Real;
use super::support::{Place, on_both_engines};
use super::theatre::Listing;
use super::{STOCK, programme, request};

const BOOKINGS: usize = 60;

on_both_engines! {
    two_gateways_share_the_one_session_of_an_account,
}

async fn two_gateways_share_the_one_session_of_an_account(place: Place) {
    let simulator = BoostSimulator::start().await.unwrap();
    let open = BoostSimulator::orders().open;
    let show = simulator.show(open.show_key.parse().unwrap()).unwrap();
    simulator.put_show(SimShow { seats: 500, ..show });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let settings =
        json!({ "base_url": simulator.base_url(), "username": USERNAME, "password": { "file": "password" } });
    let listing = Listing::start().await;
    let mut desks = Vec::new();
    for node in ["one", "two"] {
        let store: Arc<dyn Store> = place.open().await;
        if desks.is_empty() {
            programme(&store, &[(STOCK, open.clone())]).await;
        }
        let context = Context {
            allow_private_addresses: true,
            base_dir: folder.path().to_owned(),
            sessions: Some(StoredSessions::keeper(Arc::clone(&store), passerelle::clock::now)),
            ..Context::default()
        };
        let adapter = (passerelle_boost::DESCRIPTOR.connect)(&settings, context).unwrap();
        let house = Arc::new(Real { adapter, client: listing.client(&store) });
        desks.push(Desk::new(store, house, Owner::current(node), passerelle::clock::now));
    }
    let bookings = (0..BOOKINGS).map(|number| {
        let desk = desks[number % desks.len()].clone();
        let mut wish = BookingRequest { price: open.price, ..request(i64::try_from(number).unwrap(), 1) };
        wish.holder.email = format!("{number}@example.com");
        async move { desk.book("default", wish, Instant::now()).await }
    });
    let answers = join_all(bookings).await;
    let sold = answers.iter().filter(|answer| matches!(answer, BookingAnswer::Sold { .. })).count();
    assert_eq!((sold, simulator.seats_sold()), (BOOKINGS, u32::try_from(BOOKINGS).unwrap()));
    let sign_ins = simulator.log().all().iter().filter(|call| call.path.ends_with("/login")).count();
    assert_eq!(sign_ins, 1, "whoever signs in signs the other out");
}
