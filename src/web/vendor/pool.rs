//! Lists of barcodes that a venue's software sends.
//!
//! Invariant: the good ones are kept whatever the others are, and each that is not kept is told with its place and why.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::call::{Call, Told, begin};
use super::shows::checked_key;
use crate::allotment::barcodes::{List, Unusable, usable};
use crate::store::allotments::{Import, MAX_IMPORT, MAX_POOL};
use crate::web::Web;
use crate::web::answer::problem;

/// Barcodes of one call.
const MOST_BARCODES: usize = 50_000;
/// Largest body: 50 000 barcodes of 100 characters, and as much again.
const LIST_BODY: usize = 10 * 1024 * 1024;

/// `rest` is a stock's id, which may hold slashes, and `/barcodes`.
pub(super) async fn import(State(web): State<Arc<Web>>, Path(rest): Path<String>, request: Request) -> Response {
    let Some(stock) = rest.strip_suffix("/barcodes").map(str::to_owned) else {
        return problem(StatusCode::NOT_FOUND, "NotFound", "there is nothing at this address");
    };
    match begin(web, request, LIST_BODY).await {
        Ok(call) => call.end(take_in(&call, stock).await).await,
        Err(told) => told.into_response(),
    }
}

/// A barcode as written, or why it is none, with its place from 1 on.
type Written = (usize, Result<String, (String, Unusable)>);

async fn take_in(call: &Call, stock: String) -> Result<Told, Told> {
    checked_key("a stock", &stock)?;
    if call.adapter.issues().is_none() {
        let why = "the venue's own software makes the tickets of this connection; barcodes are not imported";
        return Err(Told::refused(StatusCode::CONFLICT, "NoPool", why));
    }
    if call.adapter.states_shows() && call.store().stated_stock(&call.connection.id, &stock).await?.is_none() {
        return Err(Told::missing("NoSuchStock", format!("stock {stock} was never stated; PUT it first")));
    }
    let written = read(call, &stock)?;
    if written.len() > MOST_BARCODES {
        let why = format!("{} barcodes at once; at most {MOST_BARCODES}, send them in several calls", written.len());
        return Err(Told::refused(StatusCode::PAYLOAD_TOO_LARGE, "TooMany", why));
    }
    let received = written.len();
    let mut refused: Vec<(usize, Value)> = Vec::new();
    let mut seen: HashSet<String> = HashSet::with_capacity(received);
    let mut good: Vec<(usize, String)> = Vec::with_capacity(received);
    for (position, one) in written {
        match one {
            Ok(barcode) if seen.contains(&barcode) => {
                refused.push((position, refusal(position, &barcode, "duplicate_in_list", "the list has it twice")));
            }
            Ok(barcode) => {
                seen.insert(barcode.clone());
                good.push((position, barcode));
            }
            Err((text, why)) => refused.push((position, refusal(position, &text, why.code(), &why.to_string()))),
        }
    }
    let mut imported = 0_usize;
    for batch in good.chunks(MAX_IMPORT) {
        let rows: Vec<(String, String)> = batch.iter().map(|(_, barcode)| (stock.clone(), barcode.clone())).collect();
        let outcomes = call.store().import_barcodes(&call.connection.id, &rows).await?;
        for ((position, barcode), outcome) in batch.iter().zip(outcomes) {
            let (code, why) = match outcome {
                Import::Imported => {
                    imported += 1;
                    continue;
                }
                Import::AlreadyImported => ("already_imported", "it was imported before".to_owned()),
                Import::AlreadyIssued => ("already_issued", "a booking has it, or had it".to_owned()),
                Import::PoolFull => ("pool_full", format!("the stock has {MAX_POOL} barcodes already")),
            };
            refused.push((*position, refusal(*position, barcode, code, &why)));
        }
    }
    refused.sort_by_key(|(position, _)| *position);
    if imported > 0 {
        call.make_due().await?;
    }
    let free = call.store().pool(&call.connection.id, Some(&stock)).await?.first().map_or(0, |count| count.free);
    let refused: Vec<Value> = refused.into_iter().map(|(_, told)| told).collect();
    Ok(Told::ok(
        json!({ "stock_id": stock, "received": received, "imported": imported, "free": free, "refused": refused }),
    ))
}

fn refusal(position: usize, barcode: &str, code: &str, message: &str) -> Value {
    // What is unusable may be of any length.
    let shown: String = barcode.chars().take(120).collect();
    json!({ "position": position, "barcode": shown, "code": code, "message": message })
}

fn read(call: &Call, stock: &str) -> Result<Vec<Written>, Told> {
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "text/csv" | "text/plain" => read_lines(&String::from_utf8_lossy(&call.body), stock),
        "" | "application/json" => read_json(&call.json()?),
        _ => {
            let why = "send application/json or text/csv";
            Err(Told::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "WrongContentType", why))
        }
    }
}

fn read_json(body: &Value) -> Result<Vec<Written>, Told> {
    let list = body.as_array().or_else(|| body.get("barcodes").and_then(Value::as_array));
    let Some(list) = list else {
        let why = "write a list of barcodes, or an object with the list `barcodes`";
        return Err(Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why));
    };
    let one = |(position, value): (usize, &Value)| {
        // A number has lost its leading zeros by now.
        let told = match value.as_str() {
            Some(text) => usable(text).map(str::to_owned).map_err(|why| (text.to_owned(), why)),
            None => Err((value.to_string(), Unusable::Unprintable)),
        };
        (position, told)
    };
    Ok((1..).zip(list).map(one).collect())
}

fn read_lines(text: &str, stock: &str) -> Result<Vec<Written>, Told> {
    let mut list = List::new(Some(stock.to_owned()));
    let mut written = Vec::new();
    for (position, line) in (1..).zip(text.lines()) {
        let told = list.line(line);
        if let Err(why) = &told
            && list.is_refused()
        {
            return Err(Told::refused(StatusCode::UNPROCESSABLE_ENTITY, "NoBarcodeColumn", why.to_string()));
        }
        match told {
            Ok(Some((_, barcode))) => written.push((position, Ok(barcode))),
            Ok(None) => {}
            Err(why) => written.push((position, Err((line.trim().to_owned(), why)))),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(written: Vec<Written>) -> Vec<(usize, String)> {
        let word = |one: Result<String, (String, Unusable)>| one.unwrap_or_else(|(_, why)| why.code().to_owned());
        written.into_iter().map(|(position, one)| (position, word(one))).collect()
    }

    #[test]
    fn both_forms_of_a_list_keep_their_places() {
        let json = read_json(&json!({ "barcodes": ["A", "", 12, " B "] })).unwrap();
        let expected = [(1, "A"), (2, "empty"), (3, "unprintable"), (4, "B")].map(|(at, word)| (at, word.to_owned()));
        assert_eq!(told(json), expected);
        assert!(read_json(&json!({})).is_err());
        let lines = read_lines("code_barre;nom\nA;x\n\n;y\nB;z\n", "s").unwrap();
        assert_eq!(told(lines), [(2, "A"), (4, "empty"), (5, "B")].map(|(at, word)| (at, word.to_owned())));
        assert_eq!(read_lines("nom;place\nx;1", "s").unwrap_err().body["code"], "NoBarcodeColumn");
    }
}
