//! The questions about pass Culture itself: key valid, venues linked, clocks agree, budget left.

use std::time::{Duration, Instant};

use super::{Answer, SLOW, Verdict, clock, remember};
use crate::gateway::{Gateway, OpenError, Strayed};
use crate::passculture::{Client, MessageUrls, NorthError, Provider, RetryPolicy, Traffic};
use crate::store::{ConnectionRecord, ProbeRecord, StoreError};

/// pass Culture refuses dates that are past: a clock that is off by more breaks events and hides when things happened.
const MOST_SKEW: Duration = Duration::from_secs(60);
/// Connections whose venue is looked for in one check.
const MOST_VENUES_CHECKED: usize = 10_000;
/// A request that must wait longer than this finds the budget used up.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Asks about one account and the venues of its connections.
///
/// # Errors
/// When the store does not answer.
pub async fn check_account(
    gateway: &Gateway,
    account: &str,
    connections: &[ConnectionRecord],
) -> Result<Vec<ProbeRecord>, StoreError> {
    let subject = format!("passculture:{account}");
    let client = match gateway.client(account) {
        Ok(client) => client.with_policy(RetryPolicy::PROBE).for_traffic(Traffic::Probes),
        Err(error) => {
            let evidence = match error {
                OpenError::Configuration(problems) => {
                    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                }
                other => other.to_string(),
            };
            let answer = Answer {
                probe: "key",
                verdict: Verdict::Failing,
                latency: Duration::ZERO,
                evidence,
                remedy: "set the key where [passculture] says it is".to_owned(),
            };
            return remember(gateway, &subject, vec![answer]).await;
        }
    };
    let mut answers = vec![budget(gateway, &client).await?];
    answers.extend(clock::of_account(gateway, account, &subject).await?);
    let (key, provider) = key(&client).await;
    answers.push(key);
    if let Some(provider) = provider {
        answers.push(skew(&client));
        answers.push(venues(gateway, &client, &provider, connections).await?);
    }
    remember(gateway, &subject, answers).await
}

async fn key(client: &Client) -> (Answer, Option<Provider>) {
    let began = Instant::now();
    match client.provider().await {
        Ok(provider) => {
            let saw = format!("the key belongs to provider `{}`", provider.name);
            (timed("key", began.elapsed(), saw), Some(provider))
        }
        Err(error) => (failing("key", began.elapsed(), &error), None),
    }
}

/// Are the venues linked, and do their messages come here?
async fn venues(
    gateway: &Gateway,
    client: &Client,
    provider: &Provider,
    connections: &[ConnectionRecord],
) -> Result<Answer, StoreError> {
    let began = Instant::now();
    let linked = match client.venues().await {
        Ok(linked) => linked,
        Err(error) => return Ok(failing("venues", began.elapsed(), &error)),
    };
    let latency = began.elapsed();
    let of_account = MessageUrls {
        booking: provider.booking_url.clone(),
        cancel: provider.cancel_url.clone(),
        notification: provider.notification_url.clone(),
    };
    let missing: Vec<&str> = connections
        .iter()
        .take(MOST_VENUES_CHECKED)
        .filter(|connection| {
            !linked.iter().any(|venue| {
                connection.venue == Some(venue.id) || (connection.siret.is_some() && connection.siret == venue.siret)
            })
        })
        .map(|connection| connection.id.as_str())
        .collect();
    if missing.is_empty() {
        let saw = format!("{} venues are linked to this key, those of all connections among them", linked.len());
        let strayed = gateway.strayed_messages(client.account(), &of_account, &linked).await?;
        return Ok(messages_of(&strayed, latency, &saw).unwrap_or_else(|| timed("venues", latency, saw)));
    }
    Ok(Answer {
        probe: "venues",
        verdict: Verdict::Failing,
        latency,
        evidence: format!("not linked to this key: the venues of {}", missing.join(", ")),
        remedy: "the cultural partner links its venue to this provider in the pass Culture pro portal".to_owned(),
    })
}

/// What is to be said of messages that pass Culture sends elsewhere.
fn messages_of(strayed: &Strayed, latency: Duration, saw: &str) -> Option<Answer> {
    let whose = match (strayed.account, strayed.connections.as_slice()) {
        (false, []) => return None,
        (true, []) => "the account".to_owned(),
        (false, venues) => format!("the venues of {}", venues.join(", ")),
        (true, venues) => format!("the account and the venues of {}", venues.join(", ")),
    };
    Some(Answer {
        probe: "venues",
        verdict: Verdict::Degraded,
        latency,
        evidence: format!("{saw}; pass Culture has other message addresses for {whose}: bookings do not come here"),
        remedy: "`passerelle serve` registers them again within a quarter of an hour, `passerelle apply` at once"
            .to_owned(),
    })
}

fn skew(client: &Client) -> Answer {
    let Some(skew) = client.clock_skew_ms().map(|skew| Duration::from_millis(skew.unsigned_abs())) else {
        return Answer::healthy("clock", Duration::ZERO, "pass Culture sent no date to compare with".to_owned());
    };
    let evidence = format!("this machine's clock differs from pass Culture's by {} s", skew.as_secs());
    if skew <= MOST_SKEW {
        return Answer::healthy("clock", Duration::ZERO, evidence);
    }
    let remedy = "set this machine's clock (an NTP client does)".to_owned();
    Answer { probe: "clock", verdict: Verdict::Degraded, latency: Duration::ZERO, evidence, remedy }
}

async fn budget(gateway: &Gateway, client: &Client) -> Result<Answer, StoreError> {
    let (per_minute, burst) = client.rate_and_burst();
    let (wait, now) = gateway.store.budget_left(client.account(), per_minute, burst, (gateway.now)()).await?;
    if wait <= LONGEST_WAIT {
        return Ok(Answer::healthy(
            "budget",
            Duration::ZERO,
            format!("{now} requests could go at once, {per_minute} a minute"),
        ));
    }
    Ok(Answer {
        probe: "budget",
        verdict: Verdict::Degraded,
        latency: Duration::ZERO,
        evidence: format!("the next request must wait {} s", wait.as_secs()),
        remedy: "wait; if it stays so, spread the connections over more time (`every`) or over a second key".to_owned(),
    })
}

fn timed(probe: &'static str, latency: Duration, evidence: String) -> Answer {
    if latency <= SLOW {
        return Answer::healthy(probe, latency, evidence);
    }
    let evidence = format!("{evidence}; it took {} ms, more than {} ms", latency.as_millis(), SLOW.as_millis());
    Answer {
        probe,
        verdict: Verdict::Degraded,
        latency,
        evidence,
        remedy: "pass Culture is slow; look at its status page".to_owned(),
    }
}

fn failing(probe: &'static str, latency: Duration, error: &NorthError) -> Answer {
    Answer { probe, verdict: Verdict::Failing, latency, evidence: error.to_string(), remedy: error.remedy.to_owned() }
}
