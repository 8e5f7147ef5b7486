//! Order of the checks, provider, venues, availability, reading, lists, addresses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

const PROVIDER: &str = "/public/providers/v1/provider";

/// Method, path, authorization, content type, body, status, answer; a null answer stands for "a list under `global`".
type Case = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, &'static str, u16, Value);

#[tokio::test]
async fn what_is_refused_before_the_key_is_refused_before_the_key() {
    let sandbox = start().await;
    let json_type = Some("application/json");
    let no_key = json!({"auth": "API key required"});
    let wrong_method = json!({"global": ["La méthode que vous utilisez n'existe pas sur notre serveur"]});
    let cases: Vec<Case> = vec![
        ("GET", "/public/offers/v1/nothing", None, None, "", 404, json!({})),
        ("GET", "/public/offers/v1/products/x1", None, None, "", 404, json!({})),
        ("DELETE", EAN_PATH, None, None, "", 405, wrong_method.clone()),
        ("POST", PROVIDER, None, json_type, "{}", 405, wrong_method),
        ("POST", EAN_PATH, None, Some("text/plain"), "{}", 400, Value::Null),
        ("POST", EAN_PATH, None, None, "{}", 400, Value::Null),
        ("POST", EAN_PATH, None, json_type, "", 400, Value::Null),
        ("POST", EAN_PATH, None, json_type, "{\"a\":", 400, Value::Null),
        ("PATCH", PROVIDER, None, json_type, "nope", 400, Value::Null),
        ("POST", EAN_PATH, None, json_type, "{}", 401, no_key.clone()),
        ("GET", PROVIDER, None, None, "", 401, no_key.clone()),
        ("GET", PROVIDER, Some("bearer key-of-alpha"), None, "", 401, no_key.clone()),
        ("GET", PROVIDER, Some("Bearer unknown"), None, "", 401, no_key.clone()),
        ("GET", PROVIDER, Some("key-of-alpha"), None, "", 401, no_key),
        (
            "GET",
            PROVIDER,
            Some("Bearer key-of-alpha"),
            None,
            "",
            200,
            json!({
                "id": 1, "name": "alpha", "logoUrl": null,
                "notificationUrl": null, "bookingUrl": null, "cancelUrl": null,
            }),
        ),
    ];
    for (method, path, authorization, content_type, body, status, answer) in cases {
        let method: Method = method.parse().unwrap();
        let mut request = http().request(method.clone(), sandbox.base_url() + path).body(body.to_owned());
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if let Some(value) = content_type {
            request = request.header("content-type", value);
        }
        let (got, got_body) = read(request).await;
        let shown = format!("{method} {path} {authorization:?} {content_type:?} {body:?} gave {got} {got_body}");
        assert_eq!(got, status, "{shown}");
        if answer.is_null() {
            assert!(got_body["global"][0].is_string(), "{shown}");
        } else {
            assert_eq!(got_body, answer, "{shown}");
        }
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_body_that_is_false_reads_as_an_empty_object() {
    let sandbox = start().await;
    let missing = json!({"products": ["field required"], "location": ["field required"]});
    for body in [json!([]), json!(null), json!({})] {
        let answer = call(&sandbox, Method::POST, EAN_PATH, Some(body.clone())).await;
        assert_eq!(answer, (400, missing.clone()), "{body}");
    }
    let (status, body) = call(&sandbox, Method::POST, EAN_PATH, Some(json!([1]))).await;
    assert_eq!((status, body), (400, json!({"__root__": ["ProductsOfferByEanCreation expected dict not list"]})));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_deactivated_provider_is_403() {
    let sandbox = start().await;
    let control = sandbox.base_url() + "/_sandbox/accounts/alpha";
    assert_eq!(read(http().post(control).json(&json!({"active": false}))).await.0, 204);
    assert_eq!(get(&sandbox, PROVIDER).await, (403, json!({"auth": ["Inactive provider"]})));
    sandbox.stop().await;
}

#[tokio::test]
async fn messaging_urls_are_checked_and_kept_at_provider_level() {
    let sandbox = start().await;
    let both = json!({"ticketing_urls": ["Your `booking_url` and `cancel_url` must be either both set or both unset"]});
    let relative = json!(["Input should be a valid URL, relative URL without a base"]);
    let cases = [
        (json!({"notificationUrl": "test"}), 400, json!({"notificationUrl": relative})),
        (json!({"bookingUrl": "test"}), 400, json!({"bookingUrl": relative})),
        (json!({"notificationUrl": 5}), 400, json!({"notificationUrl": ["URL input should be a string or URL"]})),
        (
            json!({"cancelUrl": "ftp://x.example"}),
            400,
            json!({"cancelUrl": ["URL scheme should be 'http' or 'https'"]}),
        ),
        (json!({"cancelrl": "https://x.example"}), 400, json!({"cancelrl": ["Extra inputs are not permitted"]})),
        (json!({"bookingUrl": "https://x.example/b"}), 400, both.clone()),
        (json!({"cancelUrl": "https://x.example/c"}), 400, both.clone()),
        (
            json!({"notificationUrl": "https://X.example/n?a=1"}),
            200,
            json!({
                "id": 1, "name": "alpha", "logoUrl": null, "notificationUrl": "https://X.example/n?a=1",
                "bookingUrl": null, "cancelUrl": null,
            }),
        ),
        (
            json!({"bookingUrl": "https://x.example/b", "cancelUrl": "https://x.example/c"}),
            200,
            json!({
                "id": 1, "name": "alpha", "logoUrl": null, "notificationUrl": "https://X.example/n?a=1",
                "bookingUrl": "https://x.example/b", "cancelUrl": "https://x.example/c",
            }),
        ),
        (json!({"cancelUrl": null}), 400, both),
        (
            json!({}),
            200,
            json!({
                "id": 1, "name": "alpha", "logoUrl": null, "notificationUrl": "https://X.example/n?a=1",
                "bookingUrl": "https://x.example/b", "cancelUrl": "https://x.example/c",
            }),
        ),
        (
            json!({"notificationUrl": format!("https://x.example/{}", "n".repeat(250))}),
            500,
            json!({
                "global": ["Il semble que nous ayons des problèmes techniques :( On répare ça au plus vite."]
            }),
        ),
        (
            json!({"notificationUrl": null, "bookingUrl": null, "cancelUrl": null}),
            200,
            json!({
                "id": 1, "name": "alpha", "logoUrl": null, "notificationUrl": null, "bookingUrl": null, "cancelUrl": null,
            }),
        ),
    ];
    for (body, status, answer) in cases {
        let got = call(&sandbox, Method::PATCH, PROVIDER, Some(body.clone())).await;
        assert_eq!(got, (status, answer), "{body}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn messaging_urls_of_a_venue_need_a_link() {
    let sandbox = start().await;
    let path = |id: u32| format!("/public/providers/v1/venues/{id}");
    let url = json!({"notificationUrl": "https://x.example/n"});
    let missing = (404, json!({"global": "This venue cannot be found"}));
    for id in [700, 9999] {
        assert_eq!(call(&sandbox, Method::PATCH, &path(id), Some(url.clone())).await, missing, "{id}");
    }
    let (status, body) =
        call(&sandbox, Method::PATCH, &path(535), Some(json!({"cancelUrl": "https://x.example"}))).await;
    assert_eq!(status, 400);
    assert!(body["ticketing_urls"][0].is_string(), "{body}");
    assert_eq!(call(&sandbox, Method::PATCH, &path(535), Some(url)).await, (204, Value::Null));
    let (_, venue) = get(&sandbox, "/public/offers/v1/venues/85331845900049").await;
    assert_eq!(venue["notificationUrl"], "https://x.example/n");
    assert_eq!(get(&sandbox, PROVIDER).await.1["notificationUrl"], Value::Null);
    sandbox.stop().await;
}

fn venue_535() -> Value {
    json!({
        "id": 535, "siret": "85331845900049", "siretComment": null, "createdDatetime": "2022-02-22T22:22:22Z",
        "location": {"type": "physical", "address": "2 rue de l'Essai", "city": "Saint-Denis", "postalCode": "97400"},
        "legalName": "Librairie d'essai", "publicName": "Librairie d'essai", "activityDomain": "BOOKSTORE",
        "accessibility": {"audioDisabilityCompliant": false, "mentalDisabilityCompliant": false,
                          "motorDisabilityCompliant": false, "visualDisabilityCompliant": false},
        "notificationUrl": null, "bookingUrl": null, "cancelUrl": null,
    })
}

#[tokio::test]
async fn venues_are_grouped_by_offerer_and_only_linked_ones_show() {
    let sandbox = start().await;
    let path = "/public/offers/v1/offerer_venues";
    let (status, body) = get(&sandbox, &format!("{path}?siren=853318459")).await;
    assert_eq!(status, 200);
    assert_eq!(
        body[0]["offerer"],
        json!({
            "id": 1, "createdDatetime": "2022-02-22T22:22:22Z", "name": "Librairie d'essai", "siren": "853318459",
            "allowedOnAdage": false,
        })
    );
    assert_eq!(body[0]["venues"][0], venue_535());
    assert_eq!(body[0]["venues"][1]["id"], 536);
    assert_eq!(body.as_array().map(Vec::len), Some(1));
    let ids = |body: &Value| -> Vec<u64> {
        let groups = body.as_array().unwrap();
        groups.iter().flat_map(|g| g["venues"].as_array().unwrap()).map(|v| v["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(&get(&sandbox, path).await.1), [535, 536, 800]);
    assert_eq!(ids(&call_as(&sandbox, OTHER_KEY, Method::GET, path, None).await.1), [535, 536, 700, 800]);
    assert_eq!(get(&sandbox, &format!("{path}?siren=111111111")).await, (200, json!([])));
    assert_eq!(get(&sandbox, &format!("{path}?unknown=1")).await.0, 200);
    let wrong = json!({"siren": ["string does not match regex \"^(\\d{9}|NC\\d{7})$\""]});
    for siren in ["12345678", "NC123456", "abcdefghi", ""] {
        assert_eq!(get(&sandbox, &format!("{path}?siren={siren}")).await, (400, wrong.clone()), "{siren}");
    }
    assert!(sandbox.unlink_venue(535));
    assert_eq!(ids(&get(&sandbox, path).await.1), [536, 800]);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_venue_is_found_by_siret() {
    let sandbox = start().await;
    let path = |siret: &str| format!("/public/offers/v1/venues/{siret}");
    assert_eq!(get(&sandbox, &path("85331845900049")).await, (200, venue_535()));
    let missing = (404, json!({"global": "Venue cannot be found"}));
    for siret in ["90000000100017", "11111111111111", "NC1234567001XX"] {
        assert_eq!(get(&sandbox, &path(siret)).await, missing, "{siret}");
    }
    let wrong = (400, json!({"siret": ["string does not match regex \"^(\\d{14}|NC\\d{10}XX)$\""]}));
    for siret in ["8533184590004", "853318459000490", "NC123XX"] {
        assert_eq!(get(&sandbox, &path(siret)).await, wrong, "{siret}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn availability_sorts_eans_by_reason() {
    let sandbox = start().await;
    let path = |eans: &str| format!("{EAN_PATH}/check_availability?eans={eans}");
    let all = [BOOK, BOOK, VINYL, BANNED, FRAUD, FILM, UNRELEASED, UNKNOWN, "1234567890123"].join(",");
    assert_eq!(
        get(&sandbox, &path(&all)).await,
        (
            200,
            json!({
                "available": [VINYL, BOOK],
                "rejected": {
                    "notFound": ["1234567890123", UNKNOWN],
                    "subcategoryNotAllowed": [FILM],
                    "notCompliantWithCgu": [UNRELEASED, BANNED, FRAUD],
                },
            })
        )
    );
    let hundred = vec![BOOK; 100].join(",");
    assert_eq!(get(&sandbox, &path(&hundred)).await.0, 200);
    let cases = [
        (String::new(), "EAN list must not be empty"),
        (vec![BOOK; 101].join(","), "Too many EANs"),
        (format!("{BOOK},coucou"), "EAN must be an integer"),
        (format!("{BOOK},{NOVEL}%20"), "EAN must be an integer"),
        (format!("{BOOK},"), "EAN must be an integer"),
        (format!("{BOOK},11111"), "Only 13 characters EAN are accepted"),
    ];
    for (eans, message) in cases {
        assert_eq!(get(&sandbox, &path(&eans)).await, (400, json!({"eans": [message]})), "{eans}");
    }
    let missing = get(&sandbox, &format!("{EAN_PATH}/check_availability")).await;
    assert_eq!(missing, (400, json!({"eans": ["field required"]})));
    sandbox.stop().await;
}

#[tokio::test]
async fn offers_are_read_by_ean_by_id_and_by_page_in_one_shape() {
    let sandbox = start().await;
    let item = |ean: &str| {
        json!({
            "ean": ean, "stock": {"price": 799, "quantity": 3}, "publicationDatetime": "2031-01-01T00:00:00.5+01:00",
        })
    };
    upsert(&sandbox, 535, json!([item(BOOK)])).await;
    upsert(&sandbox, 535, json!([item(VINYL)])).await;
    let id = sandbox.offer_by_ean(535, BOOK).unwrap().offer_id;
    let book = json!({
        "id": id, "name": "Un livre", "description": null, "status": "SCHEDULED",
        "accessibility": {"audioDisabilityCompliant": false, "mentalDisabilityCompliant": false,
                          "motorDisabilityCompliant": false, "visualDisabilityCompliant": false},
        "bookingContact": null, "bookingEmail": null,
        "categoryRelatedFields": {"category": "LIVRE_PAPIER", "ean": BOOK, "author": null},
        "enableDoubleBookings": false, "externalTicketOfficeUrl": null, "image": null,
        "itemCollectionDetails": null, "location": {"type": "physical", "venueId": 535}, "idAtProvider": null,
        "publicationDatetime": "2030-12-31T23:00:00.500000Z", "bookingAllowedDatetime": null,
        "stock": {"price": 799, "quantity": 3, "bookedQuantity": 0, "bookingLimitDatetime": null},
    });
    let by_ean = get(&sandbox, &format!("{EAN_PATH}?eans={BOOK},{UNKNOWN},{NOVEL}&venueId=535&more=1")).await;
    assert_eq!(by_ean, (200, json!({"products": [book]})));
    assert_eq!(get(&sandbox, &format!("/public/offers/v1/products/{id}")).await, (200, book.clone()));
    let (_, both) = get(&sandbox, &format!("{EAN_PATH}?eans={BOOK},{VINYL}&venueId=535")).await;
    assert_eq!(
        both["products"][0]["categoryRelatedFields"],
        json!({
            "category": "SUPPORT_PHYSIQUE_MUSIQUE_VINYLE", "ean": VINYL, "author": null, "musicType": null,
            "performer": null,
        }),
        "newest first"
    );
    assert_eq!(both["products"][1], book);
    let (_, page) = get(&sandbox, "/public/offers/v1/products?venueId=535&limit=1").await;
    assert_eq!(page, json!({"products": [book]}));
    let (_, next) = get(&sandbox, &format!("/public/offers/v1/products?firstIndex={}", id + 1)).await;
    assert_eq!(next["products"][0]["name"], "Un vinyle");
    assert_eq!(next["products"].as_array().map(Vec::len), Some(1));
    assert_eq!(get(&sandbox, "/public/offers/v1/products?idsAtProvider=a,b").await, (200, json!({"products": []})));
    assert_eq!(get(&sandbox, "/public/offers/v1/products?venueId=536").await, (200, json!({"products": []})));
    sandbox.stop().await;
}

#[tokio::test]
async fn reading_refuses_what_the_backend_refuses() {
    let sandbox = start().await;
    let cases = [
        (format!("{EAN_PATH}?eans={BOOK}"), 400, json!({"venueId": ["field required"]})),
        (format!("{EAN_PATH}?eans=&venueId=535"), 400, json!({"eans": ["EAN must be an integer"]})),
        (format!("{EAN_PATH}?venueId=535"), 400, json!({"eans": ["field required"]})),
        (
            format!("{EAN_PATH}?eans=1,2&venueId=x"),
            400,
            json!({
                "eans": ["Only 13 characters EAN are accepted"], "venueId": ["value is not a valid integer"],
            }),
        ),
        (format!("{EAN_PATH}?eans={BOOK}&venueId=700"), 404, json!({"venue_id": ["The venue could not be found"]})),
        ("/public/offers/v1/products/99".into(), 404, json!({"product_id": ["The product offer could not be found"]})),
        ("/public/offers/v1/products?venueId=700".into(), 404, json!({"global": "Venue cannot be found"})),
        ("/public/offers/v1/products?limit=0".into(), 400, json!({"limit": ["ensure this value is greater than 0"]})),
        (
            "/public/offers/v1/products?limit=51".into(),
            400,
            json!({"limit": ["ensure this value is less than or equal to 50"]}),
        ),
        (
            "/public/offers/v1/products?firstIndex=0".into(),
            400,
            json!({"firstIndex": ["ensure this value is greater than or equal to 1"]}),
        ),
        ("/public/offers/v1/products?limit=x".into(), 400, json!({"limit": ["value is not a valid integer"]})),
    ];
    for (path, status, answer) in cases {
        assert_eq!(get(&sandbox, &path).await, (status, answer), "{path}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_address_is_made_once_and_can_be_used_by_an_upsert() {
    let sandbox = start().await;
    let path = "/public/offers/v1/addresses";
    let body = json!({"street": "182 Rue de l'Essai", "city": "Paris", "postalCode": "75001",
                      "latitude": 48.86696, "longitude": 2.31014});
    let made = json!({"id": 1, "latitude": 48.86696, "longitude": 2.31014, "banId": null, "city": "Paris",
                      "postalCode": "75001", "street": "182 Rue de l'Essai"});
    for _ in 0..2 {
        assert_eq!(call(&sandbox, Method::POST, path, Some(body.clone())).await, (200, made.clone()));
    }
    assert_eq!(get(&sandbox, &format!("{path}/1")).await, (200, made.clone()));
    let found =
        get(&sandbox, &format!("{path}/search?street=182%20rue%20de%20l'essai&city=PARIS&postalCode=75001")).await;
    assert_eq!(found, (200, json!({"addresses": [made]})));
    let unknown = json!({"address": "We could not find any address for the given `id`"});
    assert_eq!(get(&sandbox, &format!("{path}/2")).await, (404, unknown));
    let (status, errors) = call(&sandbox, Method::POST, path, Some(json!({"postalCode": "99000", "x": 1}))).await;
    assert_eq!(status, 400);
    assert_eq!(errors["street"], json!(["Field required"]));
    assert_eq!(errors["x"], json!(["Extra inputs are not permitted"]));
    assert!(errors["postalCode"].is_array());
    let upsert = json!({
        "location": {"type": "address", "venueId": 535, "addressId": 1, "addressLabel": "Au marché"},
        "products": [{"ean": BOOK, "stock": {"price": 1, "quantity": 1}}],
    });
    assert_eq!(call(&sandbox, Method::POST, EAN_PATH, Some(upsert)).await.0, 204);
    let (_, read) = get(&sandbox, &format!("{EAN_PATH}?eans={BOOK}&venueId=535")).await;
    assert_eq!(
        read["products"][0]["location"],
        json!({"type": "address", "venueId": 535, "addressId": 1, "addressLabel": "Au marché"})
    );
    sandbox.stop().await;
}
