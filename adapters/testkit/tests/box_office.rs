//! The suite itself: a right box office passes, and each wrong one is caught by the check that names its fault.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod playhouse {
    pub(crate) mod adapter;
    pub(crate) mod vendor;
}

use futures_util::{StreamExt as _, stream};
use passerelle_contract::{BoxFuture, Context, Descriptor};
use passerelle_testkit::conformance::{Bench, BoxOfficeBench, CANARY, CHECKS, Harness};
use passerelle_testkit::simulator::Simulator as _;
use playhouse::adapter::{DESCRIPTOR, FLAWS, Flaw};
use playhouse::vendor::Playhouse;
use serde_json::{Value, json};

struct Made(Flaw);

impl Made {
    fn on_the_bench(&self, playhouse: Playhouse) -> Bench {
        let url = format!("http://{}/", playhouse.address());
        let settings = json!({ "url": url, "flaw": format!("{:?}", self.0) });
        let context = Context { allow_private_addresses: true, ..Context::default() };
        Bench { settings, context, simulator: Some(Box::new(playhouse)), push: None, keep: None }
    }
}

impl Harness for Made {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn bench(&self) -> BoxFuture<'_, Bench> {
        Box::pin(async { self.on_the_bench(Playhouse::start().await) })
    }

    fn box_office(&self) -> BoxFuture<'_, Option<BoxOfficeBench>> {
        Box::pin(async {
            let playhouse = Playhouse::start().await;
            let truth = playhouse.truth();
            Some(BoxOfficeBench { bench: self.on_the_bench(playhouse), orders: Playhouse::orders(), truth })
        })
    }

    fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
        vec![(json!({ "url": "no address" }), "url")]
    }

    fn secret_setting(&self) -> Option<(&'static str, Value)> {
        Some(("token", json!({ "token": CANARY })))
    }
}

mod right {
    passerelle_testkit::conformance!(super::Made(super::Flaw::None));
}

/// Which check catches which flaw, and what it says of it.
const CAUGHT: &[(Flaw, &str, &str)] = &[
    (Flaw::Resends, "a_sale_that_may_have_arrived_is_not_sent_again", "was sent 2 times"),
    (Flaw::SaysSoldOutOnGarbage, "a_failed_call_never_makes_a_booking_untrue", "a doubt became SoldOut"),
    (Flaw::CallsALostSaleNotAttempted, "a_failed_call_never_makes_a_booking_untrue", "2 seats are sold in spite of"),
    (Flaw::ForgetsTheJournal, "the_journal_is_written_right_before_the_sale", "without a writing of the journal"),
    (Flaw::WritesTheJournalAfterwards, "the_journal_is_written_right_before_the_sale", "after the journal was written"),
    (Flaw::SellsWithoutTheJournal, "nothing_is_sold_when_the_journal_fails", "sold without a journal"),
    (Flaw::CancelsHalf, "a_cancellation_frees_the_seats_and_may_be_repeated", "1 seats are still sold"),
    (Flaw::TakesAnyAnswerForCancelled, "a_failed_cancellation_is_never_taken_for_done", "seats are still sold"),
    (Flaw::TakesAnyAnswerForCancelled, "an_unknown_ticket_frees_nothing", "was never sold"),
    (Flaw::SellsAtAnyPrice, "every_refusal_is_named_and_sells_nothing", "another price: 1 seats sold"),
    (Flaw::FindsByCounting, "a_lost_sale_is_never_called_unsold", "NotSold; in truth 2 seats are sold"),
    (Flaw::FindsNothingInTrouble, "a_lost_sale_is_never_called_unsold", "NotSold; in truth 2 seats are sold"),
    (Flaw::ReadsTroubleAsSoldOut, "remaining_is_the_truth", "is read as Ok(Exactly(0)) places"),
    (Flaw::TellsTheStoreWhoBooked, "no_person_and_no_secret_shows_in_outcomes", "zq.zebra@example.com"),
    (Flaw::RepeatsTheToken, "no_person_and_no_secret_shows_in_outcomes", CANARY),
    (Flaw::SwallowsAMissingCollection, "a_pass_that_breaks_off_is_never_complete", "the pass ends with"),
    (Flaw::StatesUnknownAsZero, "screenings_are_keyed_named_and_priced", "an unknown duration is `None`"),
    (Flaw::PromisesWholeSales, "one_of_two_is_cancelled_as_promised", "1 seats are still sold, not 0"),
    (Flaw::PrintsOneSeatForAll, "a_crowd_buys_each_place_once", "the seat Some(\"A1\") was sold twice"),
    (Flaw::LooksForEver, "a_lost_sale_is_never_called_unsold", "find did not end within"),
];

/// Flaws looked for at once.
const AT_ONCE: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_flaw_is_caught_by_the_check_that_names_it() {
    for flaw in FLAWS.iter().filter(|flaw| **flaw != Flaw::None) {
        assert!(CAUGHT.iter().any(|(caught, ..)| caught == flaw), "nothing catches {flaw:?}");
    }
    let verdicts = CAUGHT.iter().map(|(flaw, name, word)| async move {
        let (_, check) = CHECKS.iter().find(|(known, _)| known == name).unwrap();
        let why = check(&Made(*flaw)).await.expect_err(&format!("{name} lets {flaw:?} pass"));
        assert!(why.contains(word), "{name} catches {flaw:?} for another reason: {why}");
    });
    stream::iter(verdicts).buffer_unordered(AT_ONCE).collect::<()>().await;
}

#[tokio::test]
async fn a_seller_without_a_box_office_on_the_bench_is_not_passed_over() {
    struct Silent;
    impl Harness for Silent {
        fn descriptor(&self) -> Descriptor {
            DESCRIPTOR
        }

        fn bench(&self) -> BoxFuture<'_, Bench> {
            Made(Flaw::None).bench_of_its_own()
        }

        fn wrong_settings(&self) -> Vec<(Value, &'static str)> {
            Vec::new()
        }
    }
    let (_, check) = CHECKS.iter().find(|(name, _)| *name == "remaining_is_the_truth").unwrap();
    assert!(check(&Silent).await.is_err());
}

impl Made {
    fn bench_of_its_own<'a>(self) -> BoxFuture<'a, Bench> {
        Box::pin(async move { self.on_the_bench(Playhouse::start().await) })
    }
}
