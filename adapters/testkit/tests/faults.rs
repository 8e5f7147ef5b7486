//! A fault after the effect really leaves the effect behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use passerelle_testkit::simulator::{Fault, Server, Simulator as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A vendor that counts its sales, slowly.
async fn vendor(sold: &Arc<AtomicU32>) -> Server {
    let sold = sold.clone();
    let sell = move || async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        sold.fetch_add(1, Ordering::SeqCst);
        "sold"
    };
    Server::start(Router::new().route("/sale", post(sell))).await.unwrap()
}

async fn send(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let request = b"POST /sale HTTP/1.1\r\nhost: vendor.example\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    socket
}

async fn until_sold(sold: &AtomicU32, count: u32) {
    let waiting = async {
        while sold.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("the vendor did not act");
}

#[tokio::test]
async fn the_vendor_acts_although_the_answer_is_another_one() {
    let sold = Arc::new(AtomicU32::new(0));
    let server = vendor(&sold).await;
    for (fault, sold_afterwards) in [
        (Fault::Status(500), 0),
        (Fault::AfterEffect(Box::new(Fault::Status(500))), 1),
        (Fault::AfterEffect(Box::new(Fault::AfterEffect(Box::new(Fault::Status(500))))), 2),
    ] {
        server.faults().at_call(0, fault);
        let mut answer = String::new();
        send(&server).await.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        assert_eq!(sold.load(Ordering::SeqCst), sold_afterwards);
    }
}

#[tokio::test]
async fn the_vendor_acts_although_the_caller_hangs_up() {
    let sold = Arc::new(AtomicU32::new(0));
    let server = vendor(&sold).await;
    server.faults().at_call(0, Fault::AfterEffect(Box::new(Fault::Hang)));
    let socket = send(&server).await;
    // Once it is logged it has arrived.
    let arrived = async {
        while server.log().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), arrived).await.unwrap();
    drop(socket);
    until_sold(&sold, 1).await;
}

#[tokio::test]
async fn a_late_answer_is_the_true_one() {
    let sold = Arc::new(AtomicU32::new(0));
    let server = vendor(&sold).await;
    server.faults().at_call(0, Fault::AfterEffect(Box::new(Fault::Delay(Duration::from_millis(300)))));
    let mut socket = send(&server).await;
    until_sold(&sold, 1).await;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("sold"), "{answer}");
}
