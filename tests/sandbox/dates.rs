//! Dates of events: all or nothing, what is left against what is total, what each route refuses.

use passerelle::sandbox::{Sandbox, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

fn listed(key: &str, message: &str) -> Value {
    json!({ key: [message] })
}

async fn add(sandbox: &Sandbox, event: u64, dates: Value) -> (u16, Value) {
    call(sandbox, Method::POST, &format!("{EVENTS_PATH}/{event}/dates"), Some(json!({ "dates": dates }))).await
}

#[tokio::test]
async fn dates_are_read_as_they_were_made_in_their_order() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let first = with(date(category, json!(10)), json!({"idAtProvider": "s1", "unknown": 1}));
    let second = with(date(category, json!("unlimited")), json!({"priceCategoryId": category.to_string()}));
    let zero = date(category, json!(0));
    let (status, made) = add(&sandbox, event, json!([first, second, zero])).await;
    assert_eq!(status, 200, "{made}");
    let price_category = json!({"id": category, "label": "Plein tarif", "price": 1500, "idAtProvider": "plein"});
    let row = |index: usize, quantity: Value, id: Value| {
        json!({"id": made["dates"][index]["id"], "beginningDatetime": BEGINNING, "bookingLimitDatetime": BEGINNING,
               "priceCategory": price_category, "quantity": quantity, "bookedQuantity": 0, "idAtProvider": id})
    };
    let expected = json!({"dates": [row(0, json!(10), json!("s1")), row(1, json!("unlimited"), Value::Null),
                                    row(2, json!(0), Value::Null)]});
    assert_eq!(made, expected);
    let path = format!("{EVENTS_PATH}/{event}/dates");
    assert_eq!(get(&sandbox, &path).await, (200, expected.clone()));
    assert_eq!(get(&sandbox, &format!("{path}?idsAtProvider=s1,s2")).await.1["dates"], json!([expected["dates"][0]]));
    let next = made["dates"][1]["id"].as_u64().unwrap();
    assert_eq!(
        get(&sandbox, &format!("{path}?firstIndex={next}&limit=1")).await.1["dates"],
        json!([expected["dates"][1]])
    );
    for (query, key, message) in [
        ("limit=51", "limit", "ensure this value is less than or equal to 50"),
        ("firstIndex=0", "firstIndex", "ensure this value is greater than or equal to 1"),
        (&format!("idsAtProvider={}", vec!["x"; 101].join(",")), "idsAtProvider", "Too many ids"),
    ] {
        assert_eq!(get(&sandbox, &format!("{path}?{query}")).await, (400, listed(key, message)));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn one_bad_date_refuses_the_whole_call_and_names_its_index() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let (_, foreign) = make_event(&sandbox, json!({})).await;
    let taken = with(date(category, json!(1)), json!({"idAtProvider": "pris"}));
    add_date(&sandbox, event, taken.clone()).await;
    let integer =
        json!({"dates.1.quantity": ["value is not a valid integer", "unexpected value; permitted: 'unlimited'"]});
    let cases: Vec<(Value, Value)> = vec![
        (json!({"quantity": "-"}), listed("dates.1.quantity", "field required")),
        (json!({"quantity": null}), listed("dates.1.quantity", "none is not an allowed value")),
        (json!({"quantity": -1}), listed("dates.1.quantity", "Value must be positive")),
        (json!({"quantity": 1_000_001}), listed("dates.1.quantity", "Value must be less than 1000000")),
        (json!({"quantity": "10"}), integer.clone()),
        (json!({"quantity": 10.0}), integer),
        (json!({"priceCategoryId": "-"}), listed("dates.1.priceCategoryId", "field required")),
        (
            json!({"priceCategoryId": foreign}),
            listed("dates.1.priceCategoryId", "The price category could not be found"),
        ),
        (
            json!({"beginningDatetime": "2020-01-01T00:00:00Z"}),
            listed("dates.1.beginningDatetime", "The datetime must be in the future."),
        ),
        (
            json!({"beginningDatetime": "2031-05-01T18:30:00"}),
            listed("dates.1.beginningDatetime", "The datetime must be timezone-aware."),
        ),
        (json!({"bookingLimitDatetime": "-"}), listed("dates.1.bookingLimitDatetime", "field required")),
        (
            json!({"bookingLimitDatetime": "2031-05-01T18:31:00Z"}),
            listed(
                "dates.1.bookingLimitDatetime",
                "The bookingLimitDatetime must be before the beginning of the event",
            ),
        ),
        (
            json!({"idAtProvider": "pris"}),
            listed("dates.1.idAtProvider", "`pris` is already taken by another offer stock"),
        ),
        (
            json!({"idAtProvider": "double"}),
            listed("dates.1.idAtProvider", "`double` is already taken by another offer stock"),
        ),
        (
            json!({"idAtProvider": "i".repeat(71)}),
            listed("dates.1.idAtProvider", "ensure this value has at most 70 characters"),
        ),
    ];
    for (changes, answer) in cases {
        let good = with(date(category, json!(1)), json!({"idAtProvider": "double"}));
        let bad = with(date(category, json!(1)), changes.clone());
        assert_eq!(add(&sandbox, event, json!([good, bad])).await, (400, answer), "{changes}");
    }
    let (_, kept) = get(&sandbox, &format!("{EVENTS_PATH}/{event}/dates")).await;
    assert_eq!(kept["dates"].as_array().map(Vec::len), Some(1), "nothing of a refused call is kept");
    for (body, answer) in [
        (json!({}), listed("dates", "field required")),
        (json!({"dates": 1}), listed("dates", "value is not a valid list")),
        (json!({"dates": [], "x": 1}), listed("x", "extra fields not permitted")),
    ] {
        let path = format!("{EVENTS_PATH}/{event}/dates");
        assert_eq!(call(&sandbox, Method::POST, &path, Some(body)).await, (400, answer));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_event_has_at_most_2500_dates() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let dates = |count: usize| json!(vec![date(category, json!(1)); count]);
    let per_call = listed("dates", "ensure this value has at most 2500 items");
    assert_eq!(add(&sandbox, event, dates(2501)).await, (400, per_call));
    assert_eq!(add(&sandbox, event, dates(2500)).await.0, 200);
    let total = listed("dates", "The maximum number of stock entries allowed per offer is 2500");
    assert_eq!(add(&sandbox, event, dates(1)).await, (400, total));
    sandbox.stop().await;
}

#[tokio::test]
async fn an_edition_of_a_date_changes_what_it_names() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let (_, foreign) = make_event(&sandbox, json!({})).await;
    add_date(&sandbox, event, with(date(category, json!(1)), json!({"idAtProvider": "pris"}))).await;
    let id = add_date(&sandbox, event, date(category, json!(10))).await;
    let path = format!("{EVENTS_PATH}/{event}/dates/{id}");
    let cases: Vec<(Value, u16, Value)> = vec![
        (json!({}), 200, json!({"quantity": 10})),
        (json!({"quantity": 4}), 200, json!({"quantity": 4})),
        (json!({"quantity": "unlimited"}), 200, json!({"quantity": "unlimited"})),
        (json!({"quantity": 0}), 200, json!({"quantity": 0})),
        (json!({"quantity": null}), 200, json!({"quantity": "unlimited"})),
        (json!({"quantity": -1}), 400, listed("quantity", "Value must be positive")),
        (json!({"beginningDatetime": null}), 400, listed("beginningDatetime", "Ce paramètre est obligatoire")),
        (json!({"bookingLimitDatetime": null}), 400, listed("bookingLimitDatetime", "Ce paramètre est obligatoire")),
        (
            json!({"beginningDatetime": "2020-05-01T00:00:00Z"}),
            400,
            listed("beginningDatetime", "The datetime must be in the future."),
        ),
        (
            json!({"beginningDatetime": "2031-04-01T00:00:00Z"}),
            400,
            listed("bookingLimitDatetime", "The bookingLimitDatetime must be before the beginning of the event"),
        ),
        (
            json!({"beginningDatetime": "2031-04-01T00:00:00Z", "bookingLimitDatetime": "2031-04-01T00:00:00Z"}),
            200,
            json!({"beginningDatetime": "2031-04-01T00:00:00Z", "bookingLimitDatetime": "2031-04-01T00:00:00Z"}),
        ),
        (json!({"priceCategoryId": foreign}), 404, listed("priceCategoryId", "The price category could not be found")),
        (json!({"priceCategoryId": 0}), 400, listed("priceCategoryId", "ensure this value is greater than 0")),
        (
            json!({"idAtProvider": "pris"}),
            400,
            listed("idAtProvider", "`pris` is already taken by another offer stock"),
        ),
        (json!({"idAtProvider": "neuf"}), 200, json!({"idAtProvider": "neuf"})),
        (json!({"price": 1}), 400, listed("price", "extra fields not permitted")),
    ];
    for (change, status, answer) in cases {
        let (got, body) = call(&sandbox, Method::PATCH, &path, Some(change.clone())).await;
        assert_eq!(got, status, "{change} gave {body}");
        if status == 200 {
            for (key, value) in answer.as_object().unwrap() {
                assert_eq!(body[key], *value, "{change}");
            }
        } else {
            assert_eq!(body, answer, "{change}");
        }
    }
    let unknown = call(&sandbox, Method::PATCH, &format!("{EVENTS_PATH}/{event}/dates/999999"), Some(json!({}))).await;
    assert_eq!(unknown, (404, listed("stock_id", "No stock could be found")));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_past_date_is_frozen_and_two_days_later_not_even_deletable() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let at = |hours: i64| {
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        json!({"beginningDatetime": soon.to_string(), "bookingLimitDatetime": soon.to_string()})
    };
    let first = add_date(&sandbox, event, with(date(category, json!(1)), at(1))).await;
    let second = add_date(&sandbox, event, with(date(category, json!(1)), at(1))).await;
    let path = |id: u64| format!("{EVENTS_PATH}/{event}/dates/{id}");
    let shift = |hours: i64| Settings { clock_offset_seconds: hours * 3600, ..sandbox.settings() };
    sandbox.set_settings(shift(2));
    let edit = call(&sandbox, Method::PATCH, &path(first), Some(json!({"quantity": 5}))).await;
    assert_eq!(edit, (400, listed("global", "Les évènements passés ne sont pas modifiables")));
    assert_eq!(call(&sandbox, Method::DELETE, &path(first), None).await, (204, Value::Null));
    assert_eq!(call(&sandbox, Method::DELETE, &path(first), None).await.0, 404);
    sandbox.set_settings(shift(50));
    let late = call(&sandbox, Method::DELETE, &path(second), None).await;
    let message = "L'évènement s'est terminé il y a plus de deux jours, la suppression est impossible.";
    assert_eq!(late, (400, listed("global", message)));
    sandbox.stop().await;
}

#[tokio::test]
async fn another_providers_dates_and_prices_cannot_be_changed() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let id = add_date(&sandbox, event, date(category, json!(1))).await;
    let refused = (400, listed("global", "Les offres importées ne sont pas modifiables"));
    for (method, path, body) in [
        (Method::PATCH, format!("{EVENTS_PATH}/{event}/dates/{id}"), json!({"quantity": 5})),
        (Method::PATCH, format!("{EVENTS_PATH}/{event}/price_categories/{category}"), json!({"price": 5})),
        (Method::POST, format!("{EVENTS_PATH}/{event}/dates"), json!({"dates": [date(category, json!(1))]})),
    ] {
        assert_eq!(call_as(&sandbox, OTHER_KEY, method, &path, Some(body)).await, refused, "{path}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_events_status_follows_its_dates() {
    let sandbox = start().await;
    let (event, category) = make_event(&sandbox, json!({})).await;
    let path = format!("{EVENTS_PATH}/{event}");
    let status = || async { get(&sandbox, &path).await.1["status"].clone() };
    let full = add_date(&sandbox, event, date(category, json!(0))).await;
    assert_eq!(status().await, "SOLD_OUT");
    let open = add_date(&sandbox, event, date(category, json!(1))).await;
    assert_eq!(status().await, "ACTIVE");
    for id in [full, open] {
        assert_eq!(call(&sandbox, Method::DELETE, &format!("{path}/dates/{id}"), None).await.0, 204);
    }
    assert_eq!(status().await, "SOLD_OUT", "nothing live is sold out, not expired");
    add_date(&sandbox, event, date(category, json!(1))).await;
    sandbox.set_settings(Settings { clock_offset_seconds: 6 * 366 * 86_400, ..sandbox.settings() });
    assert_eq!(status().await, "EXPIRED");
    sandbox.stop().await;
}
