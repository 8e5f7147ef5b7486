//! Events and their price categories: made, read, listed, changed, refused.

use passerelle::sandbox::{Review, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

fn listed(key: &str, message: &str) -> Value {
    json!({ key: [message] })
}

#[tokio::test]
async fn an_event_is_read_as_it_was_made() {
    let sandbox = start().await;
    let minute = (jiff::Timestamp::now().as_second() / 60 + 200 * 24 * 60) * 60;
    let at = |second| jiff::Timestamp::from_second(second).unwrap().to_string();
    let changes = json!({
        "idAtProvider": "spectacle-1", "eventDuration": 90, "description": "Une description", "enableDoubleBookings": false,
        "bookingEmail": "salle@example.com", "publicationDatetime": at(minute + 42),
        "videoUrl": "https://www.youtube.com/watch?v=abcdefghijk",
        "externalTicketOfficeUrl": "https://example.com/billets", "itemCollectionDetails": "Au guichet",
        "categoryRelatedFields": {"category": "CONCERT", "musicType": "REGGAE-RAGGA", "unknown": 1},
        "bookingContact": "contact@example.com",
    });
    let (status, made) = call(&sandbox, Method::POST, EVENTS_PATH, Some(with(event(), changes))).await;
    assert_eq!(status, 200, "{made}");
    let expected = json!({
        "id": made["id"], "name": "Un concert d'essai", "description": "Une description", "status": "DRAFT",
        "accessibility": event()["accessibility"], "bookingContact": "contact@example.com",
        "bookingEmail": "salle@example.com",
        "categoryRelatedFields": {"category": "CONCERT", "author": null, "musicType": "REGGAE-ROOTS", "performer": null},
        "enableDoubleBookings": false, "externalTicketOfficeUrl": "https://example.com/billets", "image": null,
        "itemCollectionDetails": "Au guichet", "location": {"type": "physical", "venueId": 535},
        "idAtProvider": "spectacle-1", "publicationDatetime": at(minute), "bookingAllowedDatetime": null,
        "eventDuration": 90, "hasTicket": false, "videoUrl": "https://www.youtube.com/watch?v=abcdefghijk",
        "priceCategories": [{"id": made["priceCategories"][0]["id"], "label": "Plein tarif", "price": 1500,
                             "idAtProvider": "plein"}],
    });
    assert_eq!(made, expected);
    assert_eq!(get(&sandbox, &format!("{EVENTS_PATH}/{}", made["id"])).await, (200, expected.clone()));
    assert_eq!(get(&sandbox, EVENTS_PATH).await, (200, json!({ "events": [expected] })));
    let (_, product) = get(&sandbox, &format!("/public/offers/v1/products/{}", made["id"])).await;
    assert_eq!(product, listed("product_id", "The product offer could not be found"));
    sandbox.stop().await;
}

#[tokio::test]
async fn what_the_backend_refuses_of_an_event_is_refused_with_its_key() {
    let sandbox = start().await;
    make_event(&sandbox, json!({"idAtProvider": "pris"})).await;
    let contact = "Une offre qui a un ticket retirable doit avoir l'email du contact de réservation";
    let concert = json!({"category": "CONCERT", "musicType": "ROCK"});
    let online = json!({"type": "digital", "venueId": 535, "url": "https://example.com/salon"});
    let cases: Vec<(Value, u16, Value)> = vec![
        (json!({"name": "-"}), 400, listed("name", "field required")),
        (json!({"name": null}), 400, listed("name", "none is not an allowed value")),
        (json!({"name": "n".repeat(91)}), 400, listed("name", "ensure this value has at most 90 characters")),
        (json!({"name": ""}), 200, Value::Null),
        (json!({"name": "9782070286256"}), 400, listed("name", "Le titre d'une offre ne peut contenir l'EAN")),
        (json!({"couleur": 1}), 400, listed("couleur", "extra fields not permitted")),
        (
            json!({"description": "d".repeat(10_001)}),
            400,
            listed("description", "ensure this value has at most 10000 characters"),
        ),
        (json!({"location": "-"}), 400, listed("location", "field required")),
        (json!({"location": {"venueId": 535}}), 400, listed("location", "Discriminator 'type' is missing in value")),
        (json!({"location": {"type": "physical"}}), 400, listed("location.PhysicalLocation.venueId", "field required")),
        (json!({"location": {"type": "physical", "venueId": 700}}), 404, json!({"global": "Venue cannot be found"})),
        (
            json!({"location": {"type": "address", "venueId": 535, "addressId": 7}}),
            404,
            listed("location.AddressLocation.addressId", "There is no address with id 7"),
        ),
        (
            json!({"location": online}),
            400,
            listed("url", "Une offre de sous-catégorie \"Conférence\" ne peut contenir un champ `url`"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "RENCONTRE_EN_LIGNE"}, "enableDoubleBookings": false}),
            400,
            listed("url", "Une offre de catégorie \"Rencontre en ligne\" doit contenir un champ `url`"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "RENCONTRE_EN_LIGNE"}, "location": online}),
            400,
            listed("enableDoubleBookings", "the category chosen does not allow double bookings"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "RENCONTRE_EN_LIGNE"}, "location": online,
                "enableDoubleBookings": false}),
            200,
            Value::Null,
        ),
        (json!({"categoryRelatedFields": "-"}), 400, listed("categoryRelatedFields", "field required")),
        (
            json!({"categoryRelatedFields": {}}),
            400,
            listed("categoryRelatedFields", "Discriminator 'subcategory_id' is missing in value"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "CONCERT"}, "bookingContact": "a@example.com"}),
            400,
            listed("categoryRelatedFields.CONCERT_create.musicType", "field required"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "CONCERT", "musicType": "BRUIT"}}),
            400,
            listed("categoryRelatedFields.CONCERT_create.musicType", "value is not a valid enumeration member"),
        ),
        (json!({"categoryRelatedFields": concert}), 400, listed("offer", contact)),
        (json!({"accessibility": "-"}), 400, listed("accessibility", "field required")),
        (
            json!({"accessibility": {"audioDisabilityCompliant": true, "mentalDisabilityCompliant": true,
                                  "motorDisabilityCompliant": true, "visualDisabilityCompliant": null}}),
            400,
            listed("accessibility.visualDisabilityCompliant", "none is not an allowed value"),
        ),
        (json!({"hasTicket": "-"}), 400, listed("hasTicket", "field required")),
        (json!({"hasTicket": "peut-être"}), 400, listed("hasTicket", "value could not be parsed to a boolean")),
        (
            json!({"hasTicket": true}),
            400,
            json!({"global": "You cannot create an event with `has_ticket=true` because you dont have a ticketing service \
                           enabled (neither at provider level nor at venue level)."}),
        ),
        (json!({"bookingEmail": "personne"}), 400, listed("bookingEmail", "value is not a valid email address")),
        (
            json!({"idAtProvider": "i".repeat(71)}),
            400,
            listed("idAtProvider", "ensure this value has at most 70 characters"),
        ),
        (
            json!({"idAtProvider": "pris"}),
            400,
            listed("idAtProvider", "`pris` is already taken by another venue offer"),
        ),
        (json!({"idAtProvider": "pris", "location": {"type": "physical", "venueId": 536}}), 200, Value::Null),
        (json!({"eventDuration": -1}), 200, Value::Null),
        (json!({"eventDuration": "long"}), 400, listed("eventDuration", "value is not a valid integer")),
        (
            json!({"publicationDatetime": "2020-01-01T00:00:00Z"}),
            400,
            listed("publicationDatetime", "The datetime must be in the future."),
        ),
        (
            json!({"publicationDatetime": "2031-01-01T00:00:00"}),
            400,
            listed("publicationDatetime", "The datetime must be timezone-aware."),
        ),
        (
            json!({"publicationDatetime": "NOW"}),
            400,
            json!({"publicationDatetime": ["invalid datetime format", "unexpected value; permitted: 'now'"]}),
        ),
        (
            json!({"publicationDatetime": "2099-01-01T00:00:00Z"}),
            400,
            listed("publication_date", "Impossible sélectionner une date de publication plus de 2 ans en avance"),
        ),
        (
            json!({"bookingAllowedDatetime": "2020-01-01T00:00:00Z"}),
            400,
            listed("bookingAllowedDatetime", "The datetime must be in the future."),
        ),
        (json!({"image": {"file": "pas une image"}}), 400, json!({"imageFile": "The file is not a valid image."})),
        (json!({"image": {}}), 400, listed("image.file", "field required")),
        (
            json!({"priceCategories": [{"label": "", "price": 1}]}),
            400,
            listed("priceCategories.0.label", "ensure this value has at least 1 characters"),
        ),
        (
            json!({"priceCategories": [{"label": "A", "price": "1"}]}),
            400,
            listed("priceCategories.0.price", "value is not a valid integer"),
        ),
        (
            json!({"priceCategories": [{"label": "A", "price": 30_001}]}),
            400,
            listed("priceCategories.0.price", "ensure this value is less than or equal to 30000"),
        ),
        (
            json!({"priceCategories": [{"label": "A", "price": 1}, {"label": "A", "price": 1}]}),
            400,
            listed("priceCategories", "Price categories must be unique"),
        ),
        (
            json!({"videoUrl": "https://www.youtube.com/shorts/abcdefghijk"}),
            400,
            listed(
                "videoUrl",
                "Your video must be from the Youtube plateform, it should be public and should not be a \
                             short nor a user's profile",
            ),
        ),
    ];
    for (changes, status, answer) in cases {
        let (got, body) = call(&sandbox, Method::POST, EVENTS_PATH, Some(with(event(), changes.clone()))).await;
        assert_eq!(got, status, "{changes} gave {body}");
        if !answer.is_null() {
            assert_eq!(body, answer, "{changes}");
        }
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_unknown_event_is_404_under_its_own_key() {
    let sandbox = start().await;
    let (id, _) = make_event(&sandbox, json!({})).await;
    let gone = |message: &str| (404, listed("event_id", message));
    let price_categories = Some(json!({"priceCategories": []}));
    for id in [999_999, id] {
        let path = format!("{EVENTS_PATH}/{id}");
        if id < 999_999 {
            sandbox.unlink_venue(535);
        }
        assert_eq!(get(&sandbox, &path).await, gone("The event offer could not be found"));
        let edit = call(&sandbox, Method::PATCH, &path, Some(json!({}))).await;
        assert_eq!(edit, gone("The event offer could not be found"));
        for under in ["price_categories", "dates"] {
            assert_eq!(get(&sandbox, &format!("{path}/{under}")).await, gone("The event could not be found"));
        }
        let add = call(&sandbox, Method::POST, &format!("{path}/price_categories"), price_categories.clone()).await;
        assert_eq!(add, gone("The event could not be found"));
        let add = call(&sandbox, Method::POST, &format!("{path}/dates"), Some(json!({"dates": []}))).await;
        assert_eq!(add, gone("The event could not be found"));
        let delete = call(&sandbox, Method::DELETE, &format!("{path}/dates/1"), None).await;
        assert_eq!(delete, gone("The event could not be found"));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_edition_changes_what_it_names_and_nothing_else() {
    let sandbox = start().await;
    make_event(&sandbox, json!({"idAtProvider": "pris"})).await;
    let (id, _) = make_event(&sandbox, json!({"idAtProvider": "mien", "eventDuration": 60})).await;
    let path = format!("{EVENTS_PATH}/{id}");
    let (_, before) = get(&sandbox, &path).await;
    assert_eq!(call(&sandbox, Method::PATCH, &path, Some(json!({}))).await, (200, before.clone()));
    let cases: Vec<(Value, u16, Value)> = vec![
        (json!({"name": "Un autre nom"}), 200, json!({"name": "Un autre nom"})),
        (json!({"name": ""}), 400, listed("name", "ensure this value has at least 1 characters")),
        (json!({"name": null}), 400, listed("name", "cannot be null")),
        (json!({"name": "n".repeat(141)}), 400, listed("name", "ensure this value has at most 140 characters")),
        (json!({"hasTicket": false}), 400, listed("hasTicket", "extra fields not permitted")),
        (
            json!({"externalTicketOfficeUrl": null}),
            400,
            listed("externalTicketOfficeUrl", "extra fields not permitted"),
        ),
        (
            json!({"accessibility": {"visualDisabilityCompliant": true}}),
            200,
            json!({"accessibility": {"audioDisabilityCompliant": true, "mentalDisabilityCompliant": false,
                                  "motorDisabilityCompliant": true, "visualDisabilityCompliant": true}}),
        ),
        (json!({"eventDuration": null}), 200, json!({"eventDuration": null})),
        (
            json!({"idAtProvider": "pris"}),
            400,
            listed("idAtProvider", "`pris` is already taken by another venue offer"),
        ),
        (json!({"idAtProvider": "mien"}), 200, json!({"idAtProvider": "mien"})),
        (json!({"idAtProvider": null}), 200, json!({"idAtProvider": null})),
        (
            json!({"categoryRelatedFields": {"category": "CONCERT"}}),
            400,
            listed("categoryRelatedFields.category", "The category cannot be changed"),
        ),
        (
            json!({"categoryRelatedFields": {"category": "CONFERENCE", "speaker": null}}),
            200,
            json!({"categoryRelatedFields": {"category": "CONFERENCE", "speaker": null}}),
        ),
        (json!({"enableDoubleBookings": false}), 200, json!({"enableDoubleBookings": false})),
        (json!({"publicationDatetime": null}), 200, json!({"publicationDatetime": null})),
        (json!({"isActive": true}), 200, json!({})),
        (json!({"location": {"type": "physical", "venueId": 700}}), 404, json!({"global": "Venue cannot be found"})),
        (
            json!({"location": {"type": "physical", "venueId": 536}}),
            200,
            json!({"location": {"type": "physical", "venueId": 536}}),
        ),
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
    let (_, again) = make_event(&sandbox, json!({"idAtProvider": "mien"})).await;
    assert!(again > 0, "an id that was given up can be taken");
    sandbox.stop().await;
}

#[tokio::test]
async fn an_online_event_must_repeat_its_location_in_every_edition() {
    let sandbox = start().await;
    let location = json!({"type": "digital", "venueId": 535, "url": "https://example.com/salon"});
    let (id, _) = make_event(
        &sandbox,
        json!({"categoryRelatedFields": {"category": "RENCONTRE_EN_LIGNE"}, "location": location,
               "enableDoubleBookings": false}),
    )
    .await;
    let path = format!("{EVENTS_PATH}/{id}");
    let without = call(&sandbox, Method::PATCH, &path, Some(json!({"name": "Nom"}))).await;
    let message = "Une offre de catégorie \"Rencontre en ligne\" doit contenir un champ `url`";
    assert_eq!(without, (400, listed("url", message)));
    let change = json!({"name": "Nom", "location": location});
    let (status, body) = call(&sandbox, Method::PATCH, &path, Some(change)).await;
    assert_eq!((status, &body["location"]), (200, &location));
    sandbox.stop().await;
}

#[tokio::test]
async fn price_categories_are_unique_when_made_and_move_to_the_end_when_changed() {
    let sandbox = start().await;
    let (id, first) = make_event(&sandbox, json!({})).await;
    let path = format!("{EVENTS_PATH}/{id}/price_categories");
    let post = |rows: Value| {
        let (sandbox, path) = (&sandbox, path.clone());
        async move { call(sandbox, Method::POST, &path, Some(json!({ "priceCategories": rows }))).await }
    };
    let (status, made) = post(
        json!([{"label": "Réduit", "price": 900, "idAtProvider": "reduit", "extra": 1}, {"label": "Bébé", "price": 0}]),
    )
    .await;
    assert_eq!(status, 200, "{made}");
    let second = made["priceCategories"][0]["id"].as_u64().unwrap();
    let many =
        |count: usize| json!((0..count).map(|n| json!({"label": format!("T{n}"), "price": n})).collect::<Vec<_>>());
    for (rows, key, message) in [
        (
            json!([{"label": "Plein tarif", "price": 1500}]),
            "priceCategories",
            "The price category Plein tarif already exists",
        ),
        (
            json!([{"label": "X", "price": 1, "idAtProvider": "plein"}]),
            "idAtProvider",
            "`plein` is already taken by another offer price category",
        ),
        (
            json!([{"label": "X", "price": 1, "idAtProvider": "x"}, {"label": "Y", "price": 1, "idAtProvider": "x"}]),
            "priceCategories",
            "Price category `idAtProvider` must be unique. Duplicated value : x",
        ),
        (
            json!([{"label": "l".repeat(51), "price": 1}]),
            "priceCategories.0.label",
            "ensure this value has at most 50 characters",
        ),
        (many(51), "priceCategories", "ensure this value has at most 50 items"),
        (many(48), "priceCategories", "An offer cannot have more than 50 price categories"),
    ] {
        assert_eq!(post(rows.clone()).await, (400, listed(key, message)), "{rows}");
    }
    let one = |id: u64| format!("{path}/{id}");
    let cases: Vec<(u64, Value, u16, Value)> = vec![
        (
            second,
            json!({"price": 1500, "label": "Plein tarif"}),
            200,
            json!({"id": second, "label": "Plein tarif", "price": 1500, "idAtProvider": "reduit"}),
        ),
        (
            first,
            json!({"idAtProvider": "reduit"}),
            400,
            listed("idAtProvider", "`reduit` is already taken by another offer price category"),
        ),
        (
            first,
            json!({"price": 1600}),
            200,
            json!({"id": first, "label": "Plein tarif", "price": 1600, "idAtProvider": "plein"}),
        ),
        (first, json!({"price": -1}), 400, listed("price", "ensure this value is greater than or equal to 0")),
        (first, json!({"name": "x"}), 400, listed("name", "extra fields not permitted")),
        (999_999, json!({"price": 1}), 404, listed("price_category_id", "No price category could be found")),
    ];
    for (id, change, status, answer) in cases {
        let got = call(&sandbox, Method::PATCH, &one(id), Some(change.clone())).await;
        assert_eq!(got, (status, answer), "{change}");
    }
    let ids = |body: &Value| -> Vec<u64> {
        body["priceCategories"].as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect()
    };
    let listing = get(&sandbox, &path).await.1;
    assert_eq!(ids(&listing)[1..], [second, first], "the changed ones are last");
    assert_eq!(ids(&get(&sandbox, &format!("{path}?idsAtProvider=plein,x&limit=1&firstIndex=9")).await.1), [first]);
    let too_many = vec!["a"; 101].join(",");
    let answer = get(&sandbox, &format!("{path}?idsAtProvider={too_many}")).await;
    assert_eq!(answer, (400, listed("idsAtProvider", "Too many ids")));
    sandbox.stop().await;
}

#[tokio::test]
async fn events_are_listed_by_venue_id_and_page() {
    let sandbox = start().await;
    let (a, _) = make_event(&sandbox, json!({"idAtProvider": "a"})).await;
    let (b, _) =
        make_event(&sandbox, json!({"idAtProvider": "b", "location": {"type": "physical", "venueId": 536}})).await;
    put_on_sale(&sandbox, BOOK, 100, 1).await;
    let many = vec!["b"; 101].join(",");
    for (query, expected) in [
        (String::new(), vec![a, b]),
        ("?venueId=536".into(), vec![b]),
        ("?limit=1".into(), vec![a]),
        (format!("?firstIndex={}", a + 1), vec![b]),
        ("?idsAtProvider=a,zz".into(), vec![a]),
        (format!("?idsAtProvider={many}"), vec![b]),
    ] {
        let (status, body) = get(&sandbox, &format!("{EVENTS_PATH}{query}")).await;
        let ids: Vec<u64> = body["events"].as_array().unwrap().iter().map(|e| e["id"].as_u64().unwrap()).collect();
        assert_eq!((status, ids), (200, expected), "{query}");
    }
    assert_eq!(
        get(&sandbox, &format!("{EVENTS_PATH}?venueId=700")).await,
        (404, json!({"global": "Venue cannot be found"}))
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn the_first_dates_end_the_draft_as_moderation_says() {
    for (review, status) in [(Review::Approved, "ACTIVE"), (Review::Pending, "PENDING"), (Review::Rejected, "REJECTED")]
    {
        let sandbox = start_with(Settings { review, ..Settings::default() }).await;
        let (id, category) = make_event(&sandbox, json!({})).await;
        let path = format!("{EVENTS_PATH}/{id}");
        let shown = || async { get(&sandbox, &path).await.1["status"].clone() };
        assert_eq!(shown().await, "DRAFT");
        let none = call(&sandbox, Method::POST, &format!("{path}/dates"), Some(json!({"dates": []}))).await;
        assert_eq!(none, (200, json!({"dates": []})));
        assert_eq!(shown().await, "DRAFT", "no date, no review");
        add_date(&sandbox, id, date(category, json!(3))).await;
        assert_eq!(shown().await, status);
        let edit = call(&sandbox, Method::PATCH, &path, Some(json!({"name": "Nom"}))).await;
        if review == Review::Rejected {
            assert_eq!(edit, (400, listed("global", "Les offres refusées ne sont pas modifiables")));
        } else {
            assert_eq!(edit.0, 200);
        }
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn lists_of_categories_and_genres_are_served() {
    let sandbox = start().await;
    let list = |path: &'static str| {
        let sandbox = &sandbox;
        async move { get(sandbox, &format!("/public/offers/v1/{path}")).await }
    };
    let (status, events) = list("events/categories").await;
    let rows = events.as_array().unwrap();
    assert_eq!((status, rows.len()), (200, 26));
    let concert = json!({"id": "CONCERT", "conditionalFields": {
        "author": false, "musicSubType": false, "musicType": true, "gtl_id": false, "performer": false}});
    assert!(rows.contains(&concert), "{events}");
    let (_, products) = list("products/categories").await;
    let film = json!({"id": "SUPPORT_PHYSIQUE_FILM", "conditionalFields": {"ean": true}, "locationType": "PHYSICAL"});
    assert!(products.as_array().unwrap().contains(&film), "{products}");
    assert_eq!(products.as_array().map(Vec::len), Some(28));
    for (path, count) in [("music_types/all", 19), ("music_types/event", 15), ("show_types", 85)] {
        let (status, body) = list(path).await;
        assert_eq!((status, body.as_array().map(Vec::len)), (200, Some(count)), "{path}");
    }
    assert_eq!(list("music_types/event").await.1[0], json!({"id": "MUSIQUE_CLASSIQUE", "label": "Musique Classique"}));
    sandbox.stop().await;
}

#[tokio::test]
async fn prices_in_new_caledonia_have_their_own_ceiling() {
    let mut seed = seed();
    seed.venues[1].postal_code = Some("98800".to_owned());
    let settings = Settings { upsert_delay_ms: 0, ..Settings::default() };
    let sandbox =
        passerelle::sandbox::Sandbox::start_with("127.0.0.1:0".parse().unwrap(), seed, settings).await.unwrap();
    let made = |price: u32| {
        let location = json!({"type": "physical", "venueId": 536});
        let body = with(event(), json!({"location": location, "priceCategories": [{"label": "A", "price": price}]}));
        let sandbox = &sandbox;
        async move { call(sandbox, Method::POST, EVENTS_PATH, Some(body)).await }
    };
    assert_eq!(made(20_000).await.0, 200);
    let message = "Le prix d’une offre ne peut excéder 23865 francs Pacifique.";
    assert_eq!(made(20_001).await, (400, listed("price23865", message)));
    let item = |ean: &str, price: u32| json!({"ean": ean, "stock": {"price": price, "quantity": 1}});
    assert_eq!(upsert(&sandbox, 536, json!([item(BOOK, 20_001), item(NOVEL, 20_000)])).await.0, 204);
    assert!(sandbox.offer_by_ean(536, BOOK).is_none() && sandbox.offer_by_ean(536, NOVEL).is_some());
    sandbox.stop().await;
}
