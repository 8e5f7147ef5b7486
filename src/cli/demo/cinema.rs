//! The demonstration's cinema: its programme goes online, a beneficiary books, the seat is real, and is freed again.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{API_KEY, HMAC_KEY, Stage};
use crate::booking::Desk;
use crate::cli::{CliContext, CliError, apply, bookings, sync};
use crate::gateway;
use crate::registry::{DEMO_CINEMA, SIMULATORS, Simulated};
use crate::sandbox::{Bookable, Sandbox};
use crate::web;

pub(super) const VENUE: i64 = 536;
pub(super) const BENEFICIARY: &str = "beneficiaire@example.org";
const CINEMA: &str = "cinema-du-port";
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The box office and the gateway's server, running until [`Running::stop`].
pub(super) struct Running {
    _vendor: Simulated,
    desk: Desk,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Running {
    /// Finishes what is under way.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let _ = self.served.await;
        self.desk.finish().await;
    }
}

/// Plays the cinema's scenes.
pub(super) async fn play(stage: &Stage, sandbox: &Sandbox) -> Result<Running, CliError> {
    let failed = |why: std::io::Error| CliError::Failed(format!("the demonstration cannot be set up: {why}"));
    let (_, start) = SIMULATORS
        .iter()
        .find(|(id, _)| *id == DEMO_CINEMA)
        .ok_or_else(|| CliError::Failed(format!("`{DEMO_CINEMA}` has no simulator")))?;
    let vendor = start(LOOPBACK).await.map_err(failed)?;
    let (listener, _) = web::listen(LOOPBACK, &[]).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    stage.scene("A cinema connects its box office with one [[connection]]. The gateway tells pass Culture where to send bookings. (passerelle apply)");
    write(stage, sandbox, &vendor, address).map_err(failed)?;
    let context = || CliContext { config: stage.config.clone(), output: stage.output };
    done(apply::Apply::all().run(&context()).await?)?;

    let (_, gateway) = context().open("demo").await?;
    let gateway = Arc::new(gateway);
    let desk = gateway::desk(&gateway);
    let stop = CancellationToken::new();
    let web = web::Web::new(Arc::clone(&gateway), desk.clone(), None).until(stop.clone());
    let served = tokio::spawn(web::serve(listener, web));

    stage.scene("One sync: its films and showtimes are on sale, with prices and places. (passerelle sync)");
    done(sync::Sync::of(vec![CINEMA.to_owned()]).run(&context()).await?)?;
    let running = Running { _vendor: vendor, desk, stop, served };
    match book_and_cancel(stage, sandbox, &context).await {
        Ok(()) => Ok(running),
        Err(error) => {
            running.stop().await;
            Err(error)
        }
    }
}

async fn book_and_cancel(stage: &Stage, sandbox: &Sandbox, context: &impl Fn() -> CliContext) -> Result<(), CliError> {
    let dates = || {
        sandbox
            .offers()
            .into_iter()
            .filter(|offer| i64::from(offer.venue_id) == VENUE)
            .flat_map(|offer| offer.dates)
            .filter(|date| date.remaining.is_some_and(|left| left >= 2))
    };
    let Some(date) = dates().min_by_key(|date| date.beginning.clone()) else {
        return Err(CliError::Failed("no show is on sale".to_owned()));
    };
    let places = || dates().find(|one| one.stock_id == date.stock_id).and_then(|date| date.remaining).unwrap_or(0);
    let before = places();
    stage.scene("A beneficiary books two seats. pass Culture asks the gateway, the gateway asks the box office, the seats are real.");
    let booked = sandbox
        .book_and_wait(BENEFICIARY, Bookable::Stock(date.stock_id), 2)
        .await
        .map_err(|why| CliError::Failed(why.to_string()))?;
    for ticket in &booked.tickets {
        stage.output.say(format!("  ticket {}  seat {}", ticket.barcode, ticket.seat.as_deref().unwrap_or("free")));
    }
    stage.output.say(format!("  places left: {before} before, {} now", places()));
    stage.scene("What happened, from message to seat. (passerelle bookings show)");
    let barcode = booked.tickets.first().map(|ticket| ticket.barcode.clone()).unwrap_or_default();
    done(bookings::Bookings::show(&barcode).run(&context()).await?)?;
    stage.scene("The beneficiary cancels; the seats are free again.");
    sandbox.cancel_and_wait(booked.id).await.map_err(|why| CliError::Failed(why.to_string()))?;
    done(bookings::Bookings::list().run(&context()).await?)?;
    stage.output.say(format!("\npass Culture shows {} places again.", places()));
    Ok(())
}

fn done(code: u8) -> Result<(), CliError> {
    if code > 1 { Err(CliError::Failed(format!("the demonstration ended with exit code {code}"))) } else { Ok(()) }
}

/// The configuration with the cinema in it, and its secrets.
fn write(stage: &Stage, sandbox: &Sandbox, vendor: &Simulated, address: SocketAddr) -> std::io::Result<()> {
    let folder = stage.config.parent().unwrap_or(std::path::Path::new("."));
    std::fs::write(folder.join("hmac-key"), HMAC_KEY)?;
    std::fs::write(folder.join("api-key"), API_KEY)?;
    let mut settings = String::new();
    for (key, value) in vendor.settings.as_object().into_iter().flatten() {
        if let Value::String(text) = value {
            settings.push_str(&format!("{key} = \"{text}\"\n"));
        }
    }
    if let Some((key, secret)) = vendor.secret {
        std::fs::write(folder.join("vendor-secret"), secret)?;
        settings.push_str(&format!("{key} = {{ file = \"vendor-secret\" }}\n"));
    }
    let shop = super::configuration(&sandbox.base_url());
    let head = format!("[server]\nlisten = \"{address}\"\npublic_url = \"http://{address}\"\n\n");
    let shop =
        shop.replacen("[passculture]\n", &format!("{head}[passculture]\nhmac_key = {{ file = \"hmac-key\" }}\n"), 1);
    let cinema = format!(
        "\n[[connection]]\nid = \"{CINEMA}\"\nadapter = \"{DEMO_CINEMA}\"\nvenue = {VENUE}\n[connection.settings]\n{settings}"
    );
    std::fs::write(&stage.config, shop + &cinema)
}
