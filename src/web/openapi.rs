//! The description of the HTTP API. A test holds it against the router.

use serde_json::{Value, json};

/// The OpenAPI 3.1 document served at `/api/v1/openapi.json`.
#[must_use]
pub fn document() -> Value {
    let mut document = written();
    super::vendor::describe(&mut document);
    if let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) {
        let more = super::feed::described().into_iter().chain(super::endpoints::described(of_operator));
        paths.extend(more.map(|(path, route)| (path.to_owned(), route)));
        paths.values_mut().filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()).for_each(anywhere);
    }
    document
}

/// Answers that every operation can give, where it does not describe them itself.
fn anywhere(operation: &mut Value) {
    let has = |key: &str| operation.get(key).is_some();
    let has_body = has("requestBody");
    let mut all = vec![
        ("408", "the request did not arrive, or could not be answered, within its time"),
        ("500", "a fault of the gateway: report it with the log"),
    ];
    if has_body || has("parameters") {
        all.push(("400", "the address, its query, a header or the body cannot be read"));
    }
    if has_body {
        all.push(("413", "the body is too large"));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, what) in all {
        responses.entry(status).or_insert_with(|| json!({ "description": what }));
    }
}

/// Answers of a route that wants the operator's token, with `more`.
fn of_operator(more: Value) -> Value {
    let mut all = json!({
        "401": { "description": "no or wrong token" },
        "403": { "description": "no admin token is configured" },
        "503": { "description": "the store does not answer" }
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

fn written() -> Value {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let venue = json!({
        "name": "venue", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "pass Culture venue id, or the connection's id"
    });
    let operator = json!([{ "operator": [] }]);
    let with = of_operator;
    let stocks = |summary: &str| {
        json!({
            "summary": summary,
            "security": [{ "connection": [] }],
            "parameters": [venue, { "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 200 } }],
            "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Stocks" } } } },
            "responses": {
                "204": { "description": "stored; applied soon after" },
                "400": { "description": "path → messages; nothing was stored" },
                "401": { "description": "no or wrong token" },
                "404": { "description": "not the venue of this token" },
                "413": { "description": "more than 10 000 entries or 5 MiB" },
                "503": { "description": "try again after Retry-After" }
            }
        })
    };
    let action = |summary: &str, done: Value| json!({ "post": { "summary": summary, "security": operator, "parameters": [id], "responses": with(done) } });
    let missing = json!({ "description": "no such connection" });
    let venue_paths = json!({ "post": stocks("Set the stock of the references named"), "put": stocks("Replace the whole stock, behind the guard") });
    let signed = |summary: &str, mut responses: Value| {
        if let Some(responses) = responses.as_object_mut() {
            responses.insert(
                "404".to_owned(),
                json!({ "description": "no such account, or a barcode that was never given" }),
            );
            responses.insert("413".to_owned(), json!({ "description": "more than a message can have" }));
        }
        json!({ "post": {
            "summary": summary,
            "parameters": [{ "name": "PassCulture-Signature", "in": "header", "required": true, "schema": { "type": "string" } }],
            "requestBody": { "required": true, "content": { "application/json": { "schema": { "type": "string" } } } },
            "responses": responses
        } })
    };
    let booking = signed(
        "pass Culture asks for seats",
        json!({
        "200": { "description": "sold: tickets and remainingQuantity" }, "400": { "description": "no message of this kind" },
        "401": { "description": "the signature does not fit" }, "409": { "description": "sold_out or not_enough_seats" },
        "503": { "description": "not sold: the venue's system is down or slow" } }),
    );
    let cancellation = signed(
        "pass Culture asks to void tickets",
        json!({
        "200": { "description": "void: remainingQuantity" }, "400": { "description": "no message of this kind" },
        "401": { "description": "the signature does not fit" }, "404": { "description": "a barcode that was never given" },
        "403": { "description": "the venue keeps the ticket for good" }, "503": { "description": "not now" } }),
    );
    let notification = signed(
        "pass Culture tells of a booking",
        json!({
        "204": { "description": "stored" }, "400": { "description": "no message of this kind" },
        "401": { "description": "the signature does not fit" }, "503": { "description": "the store does not answer" } }),
    );
    let account = json!({ "name": "account", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "NAME of [passculture.accounts.NAME]" });
    let of_account = |path: &Value| {
        let mut path = path.clone();
        if let Some(parameters) = path.pointer_mut("/post/parameters").and_then(Value::as_array_mut) {
            parameters.push(account.clone());
        }
        path
    };
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Passerelle", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "MIT OR Apache-2.0" },
            "description": "An address that is not described is answered 404, another method 405. Every route may answer 404 to an id, and 400 BadQuery to a query, that nothing of ours could be (a control character, absurd length), 414 AddressTooLong, \
                408 when a request took too long, and, where a signature or a token is wanted, 429 TooManyRefusals to those beyond a flood's limit without a valid one." },
        "paths": {
            "/livez": { "get": { "summary": "The process runs", "responses": { "200": { "description": "it does" }, "503": { "description": "StoreFailed: the store took no write for 30 s; the process is about to end" } } } },
            "/hints/{connection}": { "post": {
                "summary": "A vendor says, unsigned, that something changed: a pass comes sooner, once a minute at most; the body is not read",
                "parameters": [{ "name": "connection", "in": "path", "required": true, "schema": { "type": "string" } }],
                "responses": { "202": { "description": "a pass is due, or one is to come" }, "404": { "description": "no such connection at work" },
                    "503": { "description": "the store does not answer" } } } },
            "/readyz": { "get": { "summary": "The store answers", "responses": {
                "200": { "description": "ready" }, "503": { "description": "not ready" } } } },
            "/metrics": { "get": { "summary": "Prometheus metrics", "responses": {
                "200": { "description": "text format 0.0.4" }, "503": { "description": "no metrics are collected" } } } },
            "/api/v1/openapi.json": { "get": { "summary": "This document", "responses": { "200": { "description": "OpenAPI 3.1" } } } },
            "/api/v1/stocks/{venue}": venue_paths,
            "/v2/venue/{venue}/stocks": venue_paths,
            "/passculture/{account}/booking": of_account(&booking),
            "/passculture/{account}/cancellation": of_account(&cancellation),
            "/passculture/{account}/notification": of_account(&notification),
            "/passculture/booking": booking,
            "/passculture/cancellation": cancellation,
            "/passculture/notification": notification,
            "/api/v1/tokens/{token}": super::tokens::described("get", "See whether a countermark can be validated"),
            "/api/v1/tokens/{token}/use": super::tokens::described("post", "Validate a countermark"),
            "/api/v1/tokens/{token}/keep": super::tokens::described("post", "Take a validation back"),
            "/api/v1/tokens/{token}/cancel": super::tokens::described("post", "Cancel the booking of a countermark"),
            "/api/v1/health": { "get": {
                "summary": "Verdicts of all probes; with ask=true they are asked now",
                "security": operator,
                "parameters": [{ "name": "ask", "in": "query", "schema": { "type": "boolean", "default": false } }],
                "responses": with(json!({ "200": { "description": "nothing fails" }, "503": { "description": "something fails, or the store does not answer" } }))
            } },
            "/api/v1/connections": { "get": {
                "summary": "All connections", "security": operator,
                "responses": with(json!({ "200": { "description": "a list" } })) } },
            "/api/v1/connections/{id}": { "get": {
                "summary": "One connection and its last passes", "security": operator, "parameters": [id],
                "responses": with(json!({ "200": { "description": "the connection" }, "404": missing })) } },
            "/api/v1/connections/{id}/pause": action("Stop its schedule", json!({ "204": { "description": "paused" }, "404": missing })),
            "/api/v1/connections/{id}/resume": action("Let it go on", json!({ "204": { "description": "resumed" }, "404": missing })),
            "/api/v1/connections/{id}/sync": action("Make a pass due now", json!({ "202": { "description": "due" }, "404": missing }))
        },
        "components": {
            "securitySchemes": {
                "operator": { "type": "http", "scheme": "bearer", "description": "[server] admin_token" },
                "software": { "type": "http", "scheme": "bearer", "description": "the `api_token` of a connection whose software is told of bookings" },
                "connection": { "type": "http", "scheme": "bearer", "description": "the `token` of a stock-push connection" }
            },
            "schemas": {
                "Countermark": super::tokens::schema(),
                "Stocks": { "type": "object", "required": ["stocks"], "properties": { "stocks": { "type": "array", "maxItems": 10000, "items": {
                    "type": "object", "required": ["ref", "available", "price"], "properties": {
                        "ref": { "type": "string", "description": "EAN-13 of the bar code" },
                        "available": { "type": "integer", "minimum": 0, "description": "copies still for sale" },
                        "price": { "type": "number", "exclusiveMinimum": 0, "description": "unit price incl. VAT, in euros" } } } } } }
            }
        }
    })
}
