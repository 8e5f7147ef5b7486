//! Health questions: does somebody answer, are both credentials taken, does the site exist?

use passerelle_contract::{AdapterError, Class, Evidence, Probe, ProbeKind};
use passerelle_kit::http::Lane;
use passerelle_kit::lenient;

use crate::client::{Ems, For, malformed, now};
use crate::facts::programme;

/// A film that no site has: the question is read, signed and refused, and changes nothing.
const NO_FILM: &str = "00000";
/// Sites named when the one of the settings is not among them.
const NAMED_SITES: usize = 20;

/// The probes of one site.
pub(crate) fn probes(ems: &Ems) -> Vec<Probe<'_>> {
    let asks: [(ProbeKind, &'static str); 3] = [
        (ProbeKind::Reach, "check schedule_url and booking_url, and that the vendor's servers answer"),
        (ProbeKind::SignIn, "check user and password, then source and secret, with the vendor"),
        (ProbeKind::ReadOne, "check site_id; if it is right, tell the vendor that its exports give no data"),
    ];
    asks.into_iter()
        .map(|(kind, remedy)| Probe { kind, remedy, ask: Box::new(move || Box::pin(probe(ems, kind))) })
        .collect()
}

async fn probe(ems: &Ems, kind: ProbeKind) -> Result<Evidence, AdapterError> {
    match kind {
        ProbeKind::Reach => Ok(Evidence { saw: ems.reach().await?, concern: None }),
        ProbeKind::SignIn => sign_in(ems).await,
        ProbeKind::ReadOne => read_one(ems).await,
    }
}

async fn sign_in(ems: &Ems) -> Result<Evidence, AdapterError> {
    let saw = ems.schedule(now(), For::Probe).await?.saw();
    let concern = match ems.on_sale(NO_FILM, Lane::Probe, ems.settings().timeout).await {
        Ok(_) => None,
        Err(error) if error.class == Class::Auth => return Err(error),
        // The vendor may answer strangely to a strange film: that says nothing of source and secret.
        Err(error) => Some((
            format!("a signed question was answered strangely: {error}"),
            "book a seat to be sure of source and secret".to_owned(),
        )),
    };
    Ok(Evidence { saw, concern })
}

async fn read_one(ems: &Ems) -> Result<Evidence, AdapterError> {
    let site_id = &ems.settings().site_id;
    // Since now, so that the answer is small.
    let answer = ems.schedule(now(), For::Probe).await?;
    lenient::text(&answer.body)
        .and_then(|body| programme(body, site_id))
        .ok_or_else(|| malformed(&answer, "read the schedule"))?;
    let saw = answer.saw();
    let Some(known) = ems.read_sites(For::Probe).await? else { return Ok(Evidence { saw, concern: None }) };
    match known.iter().find(|site| site.id == *site_id) {
        Some(site) => {
            Ok(Evidence { saw: format!("{saw}; the account has the site {site_id}, {}", site.name), concern: None })
        }
        None => {
            let named: Vec<&str> = known.iter().take(NAMED_SITES).map(|site| site.id.as_str()).collect();
            let why =
                format!("the account has no site {site_id}; among its {} sites: {}", known.len(), named.join(", "));
            Err(AdapterError::new(Class::Settings, "UnknownSite", "look for the site", why))
        }
    }
}
