//! The northbound client of events against a server that answers what pass Culture should not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use futures_util::stream;
use passerelle::passculture::{
    Accessibility, CategoryFields, Client, DateBody, DatePatch, EventBody, EventPublication, MAX_DATES_LISTED,
    RetryPolicy, SendError, Settings,
};
use passerelle::store;
use passerelle_contract::Quantity;
use secrecy::SecretString;
use serde_json::{Value, json};

const STARTS: i64 = 1_900_000_000_000;

/// An answer by the request's query and body; `None` breaks the connection in the middle.
type Answer = Box<dyn Fn(&str, &Value) -> Option<(u16, String)> + Send>;

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// Answers in order; the last answer is given for ever.
async fn serve(State(script): State<Script>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let given = {
        let mut answers = script.answers.lock().unwrap();
        let given = answers.front().unwrap()(&query, &body);
        if answers.len() > 1 {
            answers.pop_front();
        }
        given
    };
    script.seen.lock().unwrap().push((format!("{} {}", parts.method, parts.uri.path()), body));
    match given {
        Some((status, text)) => Response::builder().status(status).body(Body::from(text)).unwrap(),
        None => {
            let parts = [Ok(Bytes::from_static(b"{\"id\":")), Err(std::io::Error::other("cut"))];
            Response::builder().status(500).body(Body::from_stream(stream::iter(parts))).unwrap()
        }
    }
}

async fn against(answers: Vec<Answer>) -> (Client, Script) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let script = Script { answers: Arc::new(Mutex::new(answers.into())), ..Script::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(serve).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let settings = Settings {
        base_url: base.parse().unwrap(),
        api_key: SecretString::from("test_key"),
        account: "default".into(),
        requests_per_minute: 60_000,
    };
    let budget = store::open("sqlite::memory:").await.unwrap();
    let clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
    let quick = RetryPolicy {
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(5),
        ..RetryPolicy::WORK
    };
    (Client::new(settings, Arc::new(budget), clock).unwrap().with_policy(quick), script)
}

fn always(status: u16, text: &'static str) -> Answer {
    Box::new(move |_, _| Some((status, text.to_owned())))
}

fn event() -> EventBody {
    EventBody {
        venue_id: 535,
        id_at_provider: "key".into(),
        name: "Le Phare".into(),
        category: CategoryFields { category: "SEANCE_CINE".into(), ..CategoryFields::default() },
        accessibility: Accessibility::default(),
        has_ticket: false,
        duo: true,
        description: None,
        duration_minutes: None,
        booking_contact: None,
        booking_email: None,
        collection_details: None,
        publication: EventPublication::Now,
        bookable_from: None,
        price_categories: Vec::new(),
    }
}

fn dates(count: usize) -> Vec<DateBody> {
    let date = |number| DateBody {
        id_at_provider: format!("show:{number}"),
        starts_at: STARTS,
        bookable_until: STARTS,
        price_category_id: 1,
        quantity: Quantity::Exactly(1),
    };
    (0..count).map(date).collect()
}

fn date_json(id: i64, key: &Value) -> Value {
    json!({"id": id, "idAtProvider": key, "beginningDatetime": "2030-03-17T17:46:40Z", "bookingLimitDatetime": null,
           "priceCategory": null, "quantity": 1, "bookedQuantity": 0})
}

#[tokio::test]
async fn an_event_that_was_made_and_cannot_be_read_is_a_lost_answer() {
    for (text, code) in [("<html>", "WebPage"), ("{}", "UnreadableAnswer"), ("", "UnreadableAnswer")] {
        let (client, script) = against(vec![always(200, text)]).await;
        let error = client.create_event(&event()).await.unwrap_err();
        assert!(matches!(&error, SendError::AnswerLost(error) if error.code == code), "{text}: {error:?}");
        assert_eq!(script.count(), 1);
    }
}

#[tokio::test]
async fn a_change_that_was_cut_off_and_then_refused_may_have_been_made() {
    let patch = DatePatch { quantity: Some(Quantity::Exactly(1)), ..DatePatch::default() };
    let refusal = r#"{"quantity":["no"]}"#;
    for first in [Box::new(|_: &str, _: &Value| None) as Answer, always(500, "{}")] {
        let (client, script) = against(vec![first, always(400, refusal)]).await;
        let error = client.change_date(1, 2, &patch).await.unwrap_err();
        assert!(matches!(error, SendError::AnswerLost(_)), "{error:?}");
        assert_eq!(script.count(), 2);
    }
    let (client, _) = against(vec![always(400, refusal)]).await;
    let error = client.change_date(1, 2, &patch).await.unwrap_err();
    assert!(matches!(error, SendError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn dates_are_matched_by_key_and_one_that_is_missing_from_the_answer_is_lost() {
    // Backwards, and without the second.
    let answer: Answer = Box::new(|_, body| {
        let sent = body["dates"].as_array().unwrap().iter().enumerate().rev();
        let rows: Vec<Value> = sent
            .filter(|(place, _)| *place != 1)
            .map(|(place, date)| date_json(100 + i64::try_from(place).unwrap(), &date["idAtProvider"]))
            .collect();
        Some((200, json!({"dates": rows}).to_string()))
    });
    let (client, script) = against(vec![answer]).await;
    let added = client.add_dates(1, &dates(4)).await;
    let made: Vec<_> = added.accepted.iter().map(|(index, date)| (*index, date.id)).collect();
    assert_eq!(made, [(0, 100), (2, 102), (3, 103)]);
    assert_eq!((added.lost, added.unsent), (vec![1], vec![]));
    assert!(matches!(added.stopped, Some(SendError::AnswerLost(_))));
    assert_eq!(script.count(), 1);
}

#[tokio::test]
async fn a_call_that_names_one_date_at_a_time_is_repeated_ten_times_at_most() {
    let (client, script) = against(vec![always(400, r#"{"dates.0.quantity":["no"]}"#)]).await;
    let added = client.add_dates(1, &dates(30)).await;
    assert_eq!(script.count(), 10);
    let refused: Vec<_> = added.refused.iter().map(|item| item.index).collect();
    assert_eq!(refused, (0..10).collect::<Vec<_>>());
    assert_eq!(added.unsent, (10..30).collect::<Vec<_>>());
    assert!(matches!(added.stopped, Some(SendError::Refused { .. })));

    // The last one refused, no empty list follows.
    let (client, script) = against(vec![always(400, r#"{"dates.0.quantity":["no"]}"#)]).await;
    let added = client.add_dates(1, &dates(3)).await;
    assert!(added.stopped.is_none() && added.unsent.is_empty(), "{added:?}");
    assert_eq!((added.refused.len(), script.count()), (3, 3));

    // A refusal that names no date stops it.
    let (client, script) = against(vec![always(400, r#"{"dates.77.quantity":["no"]}"#)]).await;
    let added = client.add_dates(1, &dates(3)).await;
    assert_eq!((added.unsent.len(), script.count()), (3, 1));
}

#[tokio::test]
async fn lists_end() {
    // Pages without end.
    let endless: Answer = Box::new(|query, _| {
        let first = query.split('&').find_map(|pair| pair.strip_prefix("firstIndex=")).unwrap();
        let first: i64 = first.parse().unwrap();
        let rows: Vec<Value> = (first..first + 50).map(|id| date_json(id, &Value::Null)).collect();
        Some((200, json!({"dates": rows}).to_string()))
    });
    let (client, script) = against(vec![endless]).await;
    assert_eq!(client.dates(1).await.unwrap_err().code, "ListTooLong");
    assert_eq!(script.count(), MAX_DATES_LISTED / 50 + 1);

    // The same page for ever.
    let same: Answer = Box::new(|_, _| {
        let rows: Vec<Value> = (1..51).map(|id| date_json(id, &Value::Null)).collect();
        Some((200, json!({"dates": rows}).to_string()))
    });
    let (client, script) = against(vec![same]).await;
    assert_eq!(client.dates(1).await.unwrap_err().code, "ListStuck");
    assert_eq!(script.count(), 2);
}
