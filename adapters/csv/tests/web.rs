//! Files behind a web address.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::pull;
use futures_util::StreamExt as _;
use passerelle_contract::{Class, Completeness, Context, Cursor, Pull};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const STOCK: &str = "EAN13;Titre;PV TTC;Stock\n9782999999107;a;18,90;3\n";

/// Answers every request with these bytes and gives the address.
async fn serve(answer: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _read = stream.read(&mut request).await;
            let _sent = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/stock.csv?key=kanari-7731")
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"v1\"\r\nLast-Modified: Thu, 05 Mar 2026 04:15:00 GMT\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn at_home() -> Context {
    Context { allow_private_addresses: true, ..Context::default() }
}

#[tokio::test]
async fn a_file_behind_an_address_is_read_each_time_unless_something_is_known_of_it() {
    let url = serve(answer("200 OK", STOCK)).await;
    for _ in 0..2 {
        let pulled = pull(&json!({ "url": url, "file": { "max_age": "1h" } }), at_home()).await.unwrap();
        assert_eq!(pulled.lines, ["2 good 9782999999107 1890 3", "end Snapshot"]);
        assert!(pulled.warnings[0].contains("StaleFile"), "{:?}", pulled.warnings);
    }
}

#[tokio::test]
async fn refusals_web_pages_and_cut_bodies_are_classed_and_show_no_key() {
    let cut = answer("200 OK", STOCK).replace("Content-Length: ", "Content-Length: 9");
    for (reply, class) in [
        (answer("404 Not Found", "x"), None),
        (answer("401 Unauthorized", "x"), Some(Class::Auth)),
        (answer("503 Service Unavailable", "x"), Some(Class::Transient)),
        (answer("200 OK", "<html>maintenance</html>"), Some(Class::Data)),
        (cut, Some(Class::Transient)),
    ] {
        let url = serve(reply.clone()).await;
        let error = pull(&json!({ "url": url }), at_home()).await.err().unwrap();
        assert!(class.is_none_or(|class| class == error.class), "{reply} {error}");
        assert!(!error.to_string().contains("kanari"), "{error}");
    }
}

#[tokio::test]
async fn the_gateways_own_network_is_out_of_reach_unless_allowed() {
    let closed = json!({ "url": "http://10.0.0.1/stock.csv" });
    assert!((passerelle_csv::DESCRIPTOR.connect)(&closed, Context::default()).is_err());
}

/// Serves one content with a tag, and 304 to who has it already.
async fn serve_tagged(body: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
            let reply = if request.contains("if-none-match: \"v1\"") {
                "HTTP/1.1 304 Not Modified\r\netag: \"v1\"\r\nconnection: close\r\n\r\n".to_owned()
            } else {
                let length = body.len();
                format!(
                    "HTTP/1.1 200 OK\r\netag: \"v1\"\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                )
            };
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/stock.csv")
}

#[tokio::test]
async fn an_unchanged_file_does_not_travel_again() {
    let url = serve_tagged(STOCK).await;
    let adapter = (passerelle_csv::DESCRIPTOR.connect)(&json!({ "url": url }), at_home()).unwrap();
    let last_page = async |from: Option<Cursor>| {
        let mut pages = adapter.stock().unwrap().pull(Pull { from, ..Pull::default() });
        let mut rows = 0;
        loop {
            let page = pages.next().await.unwrap().unwrap();
            rows += page.rows.len();
            if let Some(end) = page.end {
                return (rows, end);
            }
        }
    };
    let (rows, end) = last_page(None).await;
    assert!(rows > 0 && end.completeness == Completeness::Snapshot, "{end:?}");
    let (rows, again) = last_page(end.cursor.clone()).await;
    assert_eq!((rows, again.completeness, again.cursor), (0, Completeness::Unchanged, end.cursor));
    // A server that states no time: the content is as old as our knowledge of it.
    assert!(end.fingerprint.is_some() && again.fingerprint == end.fingerprint);
    assert!(end.observed_at.is_some() && again.observed_at.is_some());
}
