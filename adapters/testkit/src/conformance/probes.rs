//! Probes tell health from illness, and nobody can tell that they asked.

use passerelle_contract::{Probe, ProbeKind};

use super::facet::{Facet, read_good_pass};
use super::{Harness, Outcome, ensure};
use crate::simulator::{Fault, Logged};

pub(super) async fn probes_are_healthy_and_leave_no_trace(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    if Facet::of(adapter.as_ref()).next().is_some() {
        let kinds: Vec<ProbeKind> = adapter.probes().iter().map(|probe| probe.kind).collect();
        let enough = kinds.contains(&ProbeKind::Reach) && kinds.contains(&ProbeKind::ReadOne);
        ensure(enough, || format!("a source has at least reach and read-one, this one {kinds:?}"))?;
    }
    for probe in adapter.probes() {
        let name = probe.kind.name();
        let evidence =
            ask(harness, &probe).await?.map_err(|error| format!("{name} against a healthy vendor: {error}"))?;
        ensure(!evidence.saw.is_empty() && evidence.concern.is_none(), || format!("{name}: {evidence:?}"))?;
        ensure(!probe.remedy.is_empty(), || format!("{name} has no remedy"))?;
    }
    if let Some(simulator) = &bench.simulator {
        let reads = |one: &Logged| matches!(one.method.as_str(), "GET" | "HEAD") || harness.signs_in(one);
        let changing = simulator.log().all().into_iter().find(|one| !reads(one));
        ensure(changing.is_none(), || format!("a probe sent {changing:?}"))?;
    }
    // Real work goes on as if nobody had asked.
    for facet in Facet::of(adapter.as_ref()) {
        read_good_pass(harness, adapter.as_ref(), facet).await?;
    }
    Ok(())
}

pub(super) async fn probes_fail_with_a_code_when_the_vendor_is_broken(harness: &dyn Harness) -> Outcome {
    if harness.no_network_because().is_some() {
        return Ok(());
    }
    let broken: [(Fault, &[ProbeKind]); 4] = [
        (Fault::Status(503), &[ProbeKind::Reach, ProbeKind::SignIn, ProbeKind::ReadOne]),
        (Fault::Hang, &[ProbeKind::Reach, ProbeKind::SignIn, ProbeKind::ReadOne]),
        (Fault::Status(401), &[ProbeKind::SignIn, ProbeKind::ReadOne]),
        (Fault::Html, &[ProbeKind::ReadOne]),
    ];
    for (fault, failing) in broken {
        let bench = harness.bench().await;
        let adapter = bench.connect(harness).await?;
        let Some(simulator) = &bench.simulator else { return Ok(()) };
        simulator.faults().always(fault.clone());
        for probe in adapter.probes() {
            let name = probe.kind.name();
            let failed = ask(harness, &probe).await?.is_err();
            ensure(failed || !failing.contains(&probe.kind), || format!("{name} is healthy in spite of {fault:?}"))?;
        }
    }
    Ok(())
}

async fn ask(
    harness: &dyn Harness,
    probe: &Probe<'_>,
) -> Result<Result<passerelle_contract::Evidence, passerelle_contract::AdapterError>, String> {
    tokio::time::timeout(harness.patience(), (probe.ask)())
        .await
        .map_err(|_| format!("the probe {} did not end within {:?}", probe.kind.name(), harness.patience()))
}
