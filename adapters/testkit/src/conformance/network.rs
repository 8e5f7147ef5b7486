//! A vendor that misbehaves is named for what it is, in bounded time.

use std::error::Error;
use std::time::Duration;

use futures_util::future::join_all;
use passerelle_contract::{AdapterError, Class};
use serde_json::Value;

use super::facet::{Facet, read_pass};
use super::{CanaryFile, Harness, Outcome, ensure, garbage, shows_canary, with_secret};
use crate::simulator::Fault;

pub(super) async fn a_faulty_vendor_gives_a_classed_error_in_time(harness: &dyn Harness) -> Outcome {
    if harness.no_network_because().is_some() {
        return Ok(());
    }
    let faults = [
        (Fault::Status(401), &[Class::Auth][..]),
        (Fault::Status(403), &[Class::Auth]),
        (Fault::StatusWithRetryAfter(429, 3600), &[Class::RateLimited]),
        (Fault::Status(503), &[Class::Transient]),
        (Fault::Html, &[Class::VendorFault]),
        (Fault::Hang, &[Class::Transient]),
        (Fault::CutMidBody, &[Class::Transient, Class::VendorFault]),
        (Fault::Trickle(Duration::from_millis(50)), &[Class::Transient]),
        // Too long or too late, whichever is first: on a slow machine that is the time.
        (Fault::EndlessBody, &[Class::VendorFault, Class::Transient]),
        (Fault::GzipBomb, &[Class::VendorFault]),
        (Fault::Redirect("/round/and/round".to_owned()), &[Class::VendorFault]),
        (garbage(), &[Class::VendorFault]),
    ];
    // All at once, each with its own vendor: the slow ones wait side by side.
    let outcomes = faults.into_iter().map(|(fault, classes)| one_fault(harness, fault, classes));
    join_all(outcomes).await.into_iter().collect()
}

async fn one_fault(harness: &dyn Harness, fault: Fault, classes: &[Class]) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    let Some(simulator) = &bench.simulator else { return Ok(()) };
    simulator.faults().always(fault.clone());
    for facet in Facet::of(adapter.as_ref()) {
        match read_pass(harness, adapter.as_ref(), facet).await.map_err(|why| format!("{fault:?}: {why}"))? {
            Err(error) => ensure(classes.contains(&error.class) && explained(&error), || {
                format!("{fault:?} gives {:?}, not one of {classes:?}: {error}", error.class)
            })?,
            Ok(_) => return Err(format!("{fault:?} passes for a good pass")),
        }
    }
    Ok(())
}

pub(super) async fn a_vendor_that_is_down_is_transient(harness: &dyn Harness) -> Outcome {
    if harness.no_network_because().is_some() {
        return Ok(());
    }
    let mut bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    if bench.simulator.take().is_none() {
        return Ok(());
    }
    for facet in Facet::of(adapter.as_ref()) {
        match read_pass(harness, adapter.as_ref(), facet).await? {
            Err(error) => ensure(error.class == Class::Transient, || format!("{:?}: {error}", error.class))?,
            Ok(_) => return Err("a vendor that is gone was read".to_owned()),
        }
    }
    Ok(())
}

pub(super) async fn a_private_address_is_refused_unless_allowed(harness: &dyn Harness) -> Outcome {
    if harness.no_network_because().is_some() {
        return Ok(());
    }
    let mut bench = harness.bench().await;
    if bench.simulator.is_none() {
        return Ok(());
    }
    bench.context.allow_private_addresses = false;
    // The loopback range has many addresses; the settings name one and the vendor sends us to another.
    let Some(simulator) = &bench.simulator else { return Ok(()) };
    simulator.faults().always(Fault::Redirect("http://127.0.0.2:9/".to_owned()));
    let Ok(adapter) = bench.try_connect(harness, &bench.settings).await? else { return Ok(()) };
    for facet in Facet::of(adapter.as_ref()) {
        match read_pass(harness, adapter.as_ref(), facet).await? {
            // An adapter whose first call is an effect (a sign-in) follows no redirect at all. Whoever follows this one
            // finds nobody there: `Transient`.
            Err(error) => ensure(
                error.class == Class::VendorFault || error.class == Class::Settings && error.code == "PrivateAddress",
                || format!("{error:?}"),
            )?,
            Ok(_) => return Err("a redirect into the own network was followed".to_owned()),
        }
    }
    Ok(())
}

pub(super) async fn no_secret_shows_in_errors_or_evidence(harness: &dyn Harness) -> Outcome {
    let Some((_, over)) = harness.secret_setting() else { return Ok(()) };
    let file = CanaryFile::new()?;
    let faults = [None, Some(Fault::Status(401)), Some(Fault::Status(503)), Some(Fault::Html), Some(Fault::CutMidBody)];
    // A vendor that says whatever it was told.
    let faults = faults.into_iter().chain([200, 400, 401, 404, 500].map(|status| Some(Fault::Echo(status))));
    let place = file.place();
    let outcomes = faults.map(|fault| one_look_for_the_secret(harness, fault, with_secret(&over, &place)));
    join_all(outcomes).await.into_iter().collect()
}

async fn one_look_for_the_secret(harness: &dyn Harness, fault: Option<Fault>, over: Value) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect_with(harness, &bench.settings_with(&over)).await?;
    if let (Some(fault), Some(simulator)) = (fault, &bench.simulator) {
        simulator.faults().always(fault);
    }
    let mut shown = String::new();
    for facet in Facet::of(adapter.as_ref()) {
        if let Err(error) = read_pass(harness, adapter.as_ref(), facet).await? {
            shown += &everything(&error);
        }
    }
    for probe in adapter.probes() {
        match (probe.ask)().await {
            Ok(evidence) => shown += &format!("{evidence:?}"),
            Err(error) => shown += &everything(&error),
        }
    }
    ensure(!shows_canary(&shown), || format!("the secret shows in: {shown}"))
}

fn explained(error: &AdapterError) -> bool {
    !error.code.is_empty() && !error.operation.is_empty() && !error.context.is_empty()
}

/// An error with its chain, printed in both ways.
pub(super) fn everything(error: &AdapterError) -> String {
    let mut shown = format!("{error:?} ");
    let mut at: Option<&dyn Error> = Some(error);
    while let Some(current) = at {
        shown += &format!("{current} ");
        at = current.source();
    }
    shown
}
