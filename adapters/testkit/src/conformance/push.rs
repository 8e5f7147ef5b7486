//! A push intake is a pure function of its body.

use passerelle_contract::{IntakeError, PushIntake};

use super::{Harness, MAX_PAGE_ROWS, Outcome, ensure};

pub(super) async fn a_push_intake_is_pure_and_knows_its_token(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    let adapter = bench.connect(harness).await?;
    let Some(intake) = adapter.push_intake() else { return Ok(()) };
    let sample = bench.push.as_ref().ok_or("the harness gives no sample to push")?;
    knows_its_token(intake, &sample.token)?;
    let (first, second) = (intake.read(&sample.body), intake.read(&sample.body));
    let (Ok(first), Ok(second)) = (first, second) else { return Err("the good body is refused".to_owned()) };
    ensure(first.rows == second.rows && !first.rows.is_empty(), || "two readings of one body differ".to_owned())?;
    ensure(first.rows.len() <= MAX_PAGE_ROWS, || format!("{} rows in one page", first.rows.len()))?;
    ensure(first.end.is_some(), || "a body is a whole pass: its page carries the End".to_owned())?;
    ensure(sample.body.len() <= intake.max_body_bytes(), || "the good body is above the limit".to_owned())?;
    for garbage in [&b""[..], b"\xff\xfe", b"<html>", b"[1", b"null", b"3", &sample.body[..sample.body.len() / 2]] {
        let refused = matches!(intake.read(garbage), Err(IntakeError::Invalid(serde_json::Value::Object(_))));
        ensure(refused, || format!("not refused with an object: {}", String::from_utf8_lossy(garbage)))?;
    }
    Ok(())
}

fn knows_its_token(intake: &dyn PushIntake, token: &str) -> Outcome {
    ensure(intake.accepts_token(token), || "its own token is refused".to_owned())?;
    for wrong in [
        String::new(),
        format!("{token}x"),
        token[..token.len().saturating_sub(1)].to_owned(),
        token.to_uppercase() + "Z",
    ] {
        ensure(!intake.accepts_token(&wrong), || "a wrong token is accepted".to_owned())?;
    }
    Ok(())
}
