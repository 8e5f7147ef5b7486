//! The routes of `/vendor/v1` in the description of the HTTP API.

use serde_json::{Map, Value, json};

/// Adds them to the OpenAPI document.
pub(in crate::web) fn describe(document: &mut Value) {
    if let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) {
        paths.extend(paths_of_vendors());
    }
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.extend(schemas_of_vendors());
    }
}

fn in_path(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "maxLength": 100 } })
}

/// One operation. `more` are answers besides those that every route has.
fn operation(summary: &str, parameters: &[Value], body: Option<Value>, more: Value) -> Value {
    let mut responses = json!({
        "401": { "description": "no or wrong token" },
        "413": { "description": "the body is too large, or has too many entries" },
        "429": { "description": "more than 10 calls a second; Retry-After" },
        "503": { "description": "try again after Retry-After" }
    });
    if let (Some(all), Value::Object(more)) = (responses.as_object_mut(), more) {
        all.extend(more);
    }
    let mut told = json!({
        "summary": summary, "security": [{ "software": [] }], "parameters": parameters, "responses": responses
    });
    if let (Some(told), Some(body)) = (told.as_object_mut(), body) {
        told.insert("requestBody".to_owned(), body);
    }
    told
}

fn body(schema: &str) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } } })
}

fn paths_of_vendors() -> Map<String, Value> {
    let key = json!({ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 200 } });
    let (event, stock, booking) = (in_path("event"), in_path("stock"), in_path("booking"));
    let text = |description: &str| json!({ "description": description });
    let barcodes = json!({ "required": true, "content": {
        "application/json": { "schema": { "oneOf": [
            { "type": "array", "maxItems": 50000, "items": { "type": "string" } },
            { "type": "object", "properties": { "barcodes": { "type": "array", "maxItems": 50000, "items": { "type": "string" } } } }
        ] } },
        "text/csv": { "schema": { "type": "string", "description": "one a line, or a column `barcode` or `code_barre`" } } } });
    let states = |more: &str| {
        json!({ "200": { "description": "stored or unchanged; published by the next pass, which is due at once" },
            "404": text("never stated"), "409": text(more), "422": text("everything that is wrong with it; or an Idempotency-Key of another call") })
    };
    let mut event_answers = states("the shows of this connection come from elsewhere");
    if let Some(answers) = event_answers.as_object_mut() {
        answers.insert("403".to_owned(), text("the venue is another one's"));
        answers.remove("404");
    }
    let uses = |summary: &str| {
        json!({ "post": operation(summary, &[booking.clone(), key.clone()], Some(body("VendorUse")), json!({
            "200": { "description": "kept; `already` when it was so before; pass Culture is not told" },
            "404": text("no such booking or ticket"), "409": text("the ticket is void (`cancelled`)"), "422": text("unreadable") })) })
    };
    let paths = json!({
        "/vendor/v1/events/{event}": { "put": operation(
            "State an event, whole", &[event.clone(), key.clone()], Some(body("VendorEvent")), event_answers) },
        "/vendor/v1/events/{event}/stocks/{stock}": {
            "put": operation("State a date of an event at one price, whole", &[event.clone(), stock.clone(), key.clone()],
                Some(body("VendorStock")), states("`stale`: a later version is known; or another event's stock")),
            "delete": operation("Take a date off: nothing more is sold, and the bookings concerned are told", &[event, stock.clone()],
                None, json!({ "200": { "description": "gone, with its bookings" }, "404": text("never stated"),
                    "409": text("the shows of this connection come from elsewhere"), "422": text("an id that is none") })) },
        "/vendor/v1/stocks": { "patch": operation("State places left, at most 500 at once", &[], Some(body("VendorPlaces")),
            json!({ "200": { "description": "what became of each" }, "409": text("the shows of this connection come from elsewhere"),
                "422": text("no list") })) },
        "/vendor/v1/stocks/{stock}/barcodes": { "post": operation(
            "Import barcodes, one for each seat; what is not kept is told one by one", &[stock, key.clone()], Some(barcodes), json!({
                "200": { "description": "imported, and refused with position and code" }, "404": text("no such stock"),
                "409": text("the venue's own software makes the tickets"), "415": text("neither JSON nor CSV"), "422": text("no list") })) },
        "/vendor/v1/bookings": { "get": operation("The door list of a stock; no personal data", &[
            json!({ "name": "stock_id", "in": "query", "required": true, "schema": { "type": "string" } }),
            json!({ "name": "after", "in": "query", "schema": { "type": "string" }, "description": "`next` of the page before" }),
            json!({ "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 500, "default": 100 } })
        ], None, json!({ "200": { "description": "bookings with their tickets" }, "400": text("no stock_id") })) },
        "/vendor/v1/bookings/{booking}/use": uses("Tickets were used at the door"),
        "/vendor/v1/bookings/{booking}/unuse": uses("Tickets were not used after all"),
        "/vendor/v1/bookings/{booking}/cancel": { "post": operation(
            "Void a booking's tickets here; the venue cancels it in its pass Culture portal too", &[booking, key], None, json!({
                "200": { "description": "being voided, or `already`; pass Culture is not told" }, "404": text("no such booking"),
                "409": text("not firm, or `already_used`"), "422": text("an Idempotency-Key of another call") })) }
    });
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

fn schemas_of_vendors() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let version = json!({ "type": "integer", "minimum": 0, "description": "rises with each change; a lower one is refused as stale" });
    let remaining =
        json!({ "type": ["integer", "null"], "minimum": 0, "description": "places left; null is unlimited" });
    let cents = json!({ "type": "integer", "minimum": 0, "maximum": 30000 });
    let instant = json!({ "type": "string", "format": "date-time" });
    let schemas = json!({
        "VendorEvent": { "type": "object", "required": ["title", "category"], "properties": {
            "title": text, "description": { "type": "string", "maxLength": 10000 },
            "category": { "type": "string", "description": "pass Culture's, such as CONCERT" },
            "show_type": text, "music_type": text, "booking_contact": { "type": "string", "format": "email", "maxLength": 120 },
            "duration_minutes": { "type": "integer", "minimum": 1, "maximum": 1439 }, "image_url": { "type": "string", "format": "uri" },
            "venue": { "description": "the connection's own: its pass Culture id, SIRET or id; words are left alone", "type": ["string", "integer", "object"] },
            "price_categories": { "type": "array", "maxItems": 50, "items": { "type": ["object", "string"],
                "description": "what stocks may name; a label alone leaves the price to them",
                "properties": { "id": text, "label": text, "price_cents": cents } } } } },
        "VendorStock": { "type": "object", "required": ["starts_at", "remaining"], "properties": {
            "starts_at": instant, "booking_limit_at": instant, "price_cents": cents, "price_label": text,
            "price_category": { "type": "string", "description": "id or label of one of the event's, in place of price_cents" },
            "remaining": remaining, "version": version } },
        "VendorPlaces": { "type": "array", "maxItems": 500, "items": { "type": "object", "required": ["stock_id", "remaining"],
            "properties": { "stock_id": text, "remaining": remaining, "version": version } } },
        "VendorUse": { "type": "object", "properties": {
            "barcodes": { "type": "array", "items": text, "description": "all of the booking's unless written" }, "used_at": instant } }
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
