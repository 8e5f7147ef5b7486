//! Products made one by one, and pictures.

use passerelle::sandbox::{Bookable, Review, Sandbox, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

const PATH: &str = "/public/offers/v1/products";
const DVD: &str = "3700551782871";

fn listed(key: &str, message: &str) -> Value {
    json!({ key: [message] })
}

fn product() -> Value {
    json!({
        "name": "Un film", "location": {"type": "physical", "venueId": 535}, "accessibility": event()["accessibility"],
        "categoryRelatedFields": {"category": "SUPPORT_PHYSIQUE_FILM", "ean": DVD},
        "stock": {"price": 1200, "quantity": 3},
    })
}

async fn make(sandbox: &Sandbox, changes: Value) -> (u16, Value) {
    call(sandbox, Method::POST, PATH, Some(with(product(), changes))).await
}

#[tokio::test]
async fn a_product_is_read_as_it_was_made() {
    let sandbox = start().await;
    let (status, made) = make(&sandbox, json!({"idAtProvider": "dvd-1", "publicationDatetime": null})).await;
    assert_eq!(status, 200, "{made}");
    let expected = json!({
        "id": made["id"], "name": "Un film", "description": null, "status": "INACTIVE",
        "accessibility": event()["accessibility"], "bookingContact": null, "bookingEmail": null,
        "categoryRelatedFields": {"category": "SUPPORT_PHYSIQUE_FILM", "ean": DVD}, "enableDoubleBookings": false,
        "externalTicketOfficeUrl": null, "image": null, "itemCollectionDetails": null,
        "location": {"type": "physical", "venueId": 535}, "idAtProvider": "dvd-1", "publicationDatetime": null,
        "bookingAllowedDatetime": null,
        "stock": {"price": 1200, "quantity": 3, "bookedQuantity": 0, "bookingLimitDatetime": null},
    });
    assert_eq!(made, expected);
    assert_eq!(get(&sandbox, &format!("{PATH}/{}", made["id"])).await, (200, expected.clone()));
    assert_eq!(get(&sandbox, &format!("{PATH}?idsAtProvider=x,dvd-1")).await, (200, json!({ "products": [expected] })));
    sandbox.stop().await;
}

#[tokio::test]
async fn what_the_backend_refuses_of_a_product_is_refused_with_its_key() {
    let sandbox = start().await;
    assert_eq!(make(&sandbox, json!({"idAtProvider": "pris"})).await.0, 200);
    let other = json!({"category": "CARTE_MUSEE"});
    let unlimited = "unexpected value; permitted: 'unlimited'";
    let cases: Vec<(Value, u16, Value)> = vec![
        (
            json!({}),
            400,
            listed("ean", "Une offre avec cet EAN existe déjà. Vous pouvez la retrouver dans l'onglet Offres."),
        ),
        (
            json!({"categoryRelatedFields": {"category": "SUPPORT_PHYSIQUE_FILM", "ean": "12"}}),
            400,
            listed("ean", "L'EAN doit être composé de 13 chiffres"),
        ),
        (
            json!({"categoryRelatedFields": other, "stock": {"price": 1, "quantity": 0}}),
            400,
            json!({"stock.quantity": ["ensure this value is greater than 0", unlimited]}),
        ),
        (
            json!({"categoryRelatedFields": other, "stock": {"price": 1, "quantity": "3"}}),
            400,
            json!({"stock.quantity": ["value is not a valid integer", unlimited]}),
        ),
        (
            json!({"categoryRelatedFields": other, "stock": {"quantity": 1}}),
            400,
            listed("stock.price", "field required"),
        ),
        (json!({"categoryRelatedFields": other, "stock": {"price": 1, "couleur": 1}}), 200, Value::Null),
        (json!({"categoryRelatedFields": other, "stock": null}), 200, Value::Null),
        (
            json!({"categoryRelatedFields": other, "idAtProvider": "pris"}),
            400,
            listed("idAtProvider", "`pris` is already taken by another venue offer"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "VOD"}}),
            400,
            listed("url", "Une offre de catégorie \"Vidéo à la demande\" doit contenir un champ `url`"),
        ),
        (json!({"categoryRelatedFields": other, "enableDoubleBookings": true}), 200, Value::Null),
        (
            json!({"categoryRelatedFields": {"category": "CARTE_JEUNES"}, "enableDoubleBookings": true}),
            400,
            listed("enableDoubleBookings", "the category chosen does not allow double bookings"),
        ),
        (
            json!({"categoryRelatedFields": other,
                "stock": {"price": 1, "bookingLimitDatetime": "2030-01-01T00:00:00Z"},
                "bookingAllowedDatetime": "2031-01-01T00:00:00Z"}),
            400,
            listed("__root__", "`stock.bookingLimitDatetime` must be after `bookingAllowedDatetime`"),
        ),
        (json!({"location": {"type": "physical", "venueId": 700}}), 404, json!({"global": "Venue cannot be found"})),
        (
            json!({"hasTicket": false, "categoryRelatedFields": other}),
            400,
            listed("hasTicket", "extra fields not permitted"),
        ),
    ];
    for (changes, status, answer) in cases {
        let (got, body) = make(&sandbox, changes.clone()).await;
        assert_eq!(got, status, "{changes} gave {body}");
        if !answer.is_null() {
            assert_eq!(body, answer, "{changes}");
        }
    }
    let (status, body) =
        make(&sandbox, json!({"categoryRelatedFields": {"category": "LIVRE_PAPIER", "ean": BOOK}})).await;
    assert_eq!(status, 400);
    assert_eq!(body["categoryRelatedFields.category"].as_array().map(Vec::len), Some(27));
    sandbox.stop().await;
}

#[tokio::test]
async fn moderation_speaks_of_products_at_once() {
    let sandbox = start_with(Settings { review: Review::Pending, ..Settings::default() }).await;
    assert_eq!(make(&sandbox, json!({})).await.1["status"], "PENDING");
    sandbox.stop().await;
}

#[tokio::test]
async fn an_edition_of_a_product_changes_its_stock_or_takes_it_away() {
    let sandbox = start().await;
    let id = make(&sandbox, json!({})).await.1["id"].as_u64().unwrap();
    let booking = sandbox.book(READER, Bookable::Offer(id), 1).unwrap();
    let patch = |changes: Value| {
        let sandbox = &sandbox;
        async move { call(sandbox, Method::PATCH, PATH, Some(with(json!({ "offerId": id }), changes))).await }
    };
    let stock = |price: u32, quantity: Value, booked: u32| json!({"price": price, "quantity": quantity, "bookedQuantity": booked, "bookingLimitDatetime": null});
    let cases: Vec<(Value, u16, Value)> = vec![
        (json!({"name": "Autre"}), 200, stock(1200, json!(3), 1)),
        (json!({"stock": {"quantity": 5}}), 200, stock(1200, json!(6), 1)),
        (json!({"stock": {"quantity": 0}}), 200, stock(1200, json!(1), 1)),
        (json!({"stock": {"quantity": "unlimited", "price": 900}}), 200, stock(900, json!("unlimited"), 1)),
        (json!({"stock": {"couleur": 1}}), 400, listed("stock.couleur", "extra fields not permitted")),
        (
            json!({"stock": {"price": 30_001}}),
            400,
            listed("stock.price", "ensure this value is less than or equal to 30000"),
        ),
        (json!({"offerId": "-"}), 400, listed("offerId", "field required")),
        (json!({"offerId": 999_999}), 404, listed("offerId", "The product offer could not be found")),
        (
            json!({"categoryRelatedFields": {"category": "VOD"}}),
            400,
            listed("categoryRelatedFields.category", "The category cannot be changed"),
        ),
        (json!({"stock": null}), 200, Value::Null),
        (json!({"stock": {"quantity": 2}}), 400, listed("stock.price", "Required")),
        (json!({"stock": {"quantity": 2, "price": 700}}), 200, stock(700, json!(2), 0)),
    ];
    for (changes, status, answer) in cases {
        let (got, body) = patch(changes.clone()).await;
        assert_eq!(got, status, "{changes} gave {body}");
        let shown = if status == 200 { &body["stock"] } else { &body };
        assert_eq!(*shown, answer, "{changes}");
    }
    assert_eq!(sandbox.booking(booking.id).unwrap().status, "CANCELLED");
    let book = put_on_sale(&sandbox, BOOK, 799, 1).await;
    let (status, body) = patch(json!({"offerId": book})).await;
    assert_eq!(status, 400);
    let message = body["product.subcategory"][0].as_str().unwrap();
    assert!(
        message.starts_with("Only ABO_BIBLIOTHEQUE, ") && message.ends_with(" products can be edited"),
        "{message}"
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn an_online_product_takes_no_location_in_an_edition() {
    let sandbox = start().await;
    let location = json!({"type": "digital", "venueId": 535, "url": "https://example.com/{token}"});
    let (status, made) =
        make(&sandbox, json!({"categoryRelatedFields": {"category": "VOD"}, "location": location})).await;
    assert_eq!((status, &made["location"]), (200, &location));
    let change = json!({"offerId": made["id"], "location": location});
    let answer = call(&sandbox, Method::PATCH, PATH, Some(change)).await;
    assert_eq!(answer, (400, listed("offererAddress", "Une offre numérique ne peut pas avoir d'adresse")));
    let (status, kept) = call(&sandbox, Method::PATCH, PATH, Some(json!({"offerId": made["id"], "name": "VOD"}))).await;
    assert_eq!((status, &kept["location"]), (200, &location));
    sandbox.stop().await;
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes
}

/// Standard base64, by hand: the tests need no crate for it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            out.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[tokio::test]
async fn pictures_are_checked_by_size_and_ratio_on_both_routes() {
    let sandbox = start().await;
    let (id, _) = make_event(&sandbox, json!({})).await;
    let small = "The image is too small. It must be above 400x600 pixels.";
    let large = "The image is too large. It must be below 800x1200 pixels.";
    let ratio = "Bad image ratio: expected 0.66, found 1.0";
    let invalid = "The file is not a valid image.";
    // A picture, and what each route has against it.
    let cases: [(Vec<u8>, Option<&str>, Option<&str>); 6] = [
        (png(400, 600), None, None),
        (png(300, 450), Some(small), Some(small)),
        (png(1000, 1500), Some(large), None),
        (png(600, 600), Some(ratio), Some(ratio)),
        (
            b"GIF89a".to_vec(),
            Some("The image format is not accepted. It must be in ('png', 'jpg', 'jpeg', 'mpo', 'webp')."),
            Some("The image format is not accepted. It must be in ('png', 'jpg', 'jpeg', 'mpo', 'webp')."),
        ),
        (b"texte".to_vec(), Some(invalid), Some(invalid)),
    ];
    for (bytes, in_json, in_form) in cases {
        let change = json!({"image": {"file": base64(&bytes), "credit": "Moi"}});
        let (status, body) = call(&sandbox, Method::PATCH, &format!("{EVENTS_PATH}/{id}"), Some(change)).await;
        match in_json {
            None => assert_eq!((status, &body["image"]["credit"]), (200, &json!("Moi"))),
            Some(message) => assert_eq!((status, body), (400, json!({ "imageFile": message }))),
        }
        let answer = upload(&sandbox, KEY, id, Some(&bytes)).await;
        match in_form {
            None => assert_eq!(answer, (204, Value::Null)),
            Some(message) => assert_eq!(answer, (400, json!({ "file": message }))),
        }
    }
    let (_, shown) = get(&sandbox, &format!("{EVENTS_PATH}/{id}")).await;
    assert!(shown["image"]["url"].is_string(), "{shown}");
    let missing = listed("file", "A file must be provided in the request");
    assert_eq!(upload(&sandbox, KEY, id, None).await, (400, missing));
    assert_eq!(upload(&sandbox, "wrong", id, None).await.0, 401);
    let unknown = listed("offerId", "The offer could not be found");
    assert_eq!(upload(&sandbox, KEY, 999_999, Some(&png(400, 600))).await, (404, unknown));
    sandbox.stop().await;
}

async fn upload(sandbox: &Sandbox, key: &str, id: u64, bytes: Option<&[u8]>) -> (u16, Value) {
    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"credit\"\r\n\r\nElle\r\n".to_vec();
    if let Some(bytes) = bytes {
        body.extend(b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n");
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let path = format!("{}/public/offers/v1/{id}/image", sandbox.base_url());
    let request = http().post(path).bearer_auth(key).header("content-type", "multipart/form-data; boundary=b");
    read(request.body(body)).await
}
