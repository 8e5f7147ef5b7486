//! Good settings of each mode, and what must be refused.

use std::path::PathBuf;

use serde_json::json;

use super::*;

const SECRET_TEXT: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("passerelle-webhook-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [("secret", SECRET_TEXT), ("token", "gvt_0123456789abcdef"), ("odd", "whsec_kanari-7731")] {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::write(path, text).unwrap();
        }
    }
    folder
}

fn read(over: &Value, may_be_private: bool) -> Result<Checked, SettingsError> {
    let mut settings = json!({
        "mode": "notify", "url": "https://billetterie.example/pass", "secret": { "file": "secret" },
    });
    for (name, value) in over.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let context = Context { allow_private_addresses: may_be_private, base_dir: folder(), ..Context::default() };
    check(&settings, &context)
}

fn paths(over: &Value) -> Vec<String> {
    read(over, false).unwrap_err().problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn each_mode_has_its_terms() {
    let notify = read(&json!({}), false).unwrap();
    assert!(notify.terms.is_sent_to && notify.terms.hears_everything && notify.desk.is_none());
    assert!(!notify.terms.first_name && !notify.terms.last_name);
    let seconds: Vec<u64> = notify.terms.retry_after.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);

    let desk = json!({ "mode": "synchronous", "url": null, "booking_url": "https://a.example/book", "cancel_url": "https://b.example/free" });
    let synchronous = read(&desk, false).unwrap();
    assert!(synchronous.terms.is_sent_to && !synchronous.terms.hears_everything);
    assert_eq!(synchronous.messages.unwrap().as_str(), "https://b.example/free");

    let pull = json!({ "mode": "pull", "url": null, "secret": null, "api_token": { "file": "token" } });
    let pull = read(&pull, false).unwrap();
    assert!(!pull.terms.is_sent_to && pull.terms.hears_everything && pull.tokens.len() == 1);
}

#[test]
fn what_a_mode_needs_is_named_all_at_once() {
    assert_eq!(paths(&json!({ "url": null, "secret": null })), ["url", "secret"]);
    let none = json!({ "mode": "synchronous", "secret": null });
    assert_eq!(paths(&none), ["booking_url", "cancel_url", "secret"]);
    assert_eq!(paths(&json!({ "mode": "pull" })), ["api_token"]);
    assert_eq!(
        paths(&json!({ "mode": "pull", "previous_api_token": { "file": "token" } })),
        ["api_token", "api_token"]
    );
}

#[test]
fn no_address_points_inside_unless_the_connection_says_so() {
    for inside in [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://localhost./x",
        "https://a.localhost/x",
        "https://[::1]/x",
        "https://10.1.2.3/x",
        "https://169.254.169.254/x",
        "https://[fd00::1]/x",
        "https://[fe80::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::ffff:1.1.1.1]/x",
        "https://224.0.0.1/x",
        "https://[ff02::1]/x",
        "https://2130706433/x",
        "https://0177.0.0.1/x",
        "https://0x7f.1/x",
    ] {
        assert_eq!(paths(&json!({ "url": inside })), ["url"], "{inside}");
        assert!(read(&json!({ "url": inside }), true).is_ok(), "{inside}");
    }
    for odd in ["http://billetterie.example/x", "https://billetterie.example:8443/x", "https://billetterie.example/#x"]
    {
        assert!(paths(&json!({ "url": odd })).contains(&"url".to_owned()), "{odd}");
    }
    assert!(read(&json!({ "url": "http://127.0.0.1:8080/x" }), true).is_ok());
    assert!(read(&json!({ "url": "ftp://127.0.0.1/x" }), true).is_err());
    let port = json!({ "url": "https://billetterie.example:8443/x", "allowed_ports": [8443] });
    assert!(read(&port, false).is_ok());
    let shown = read(&json!({ "url": "https://u:kanari@billetterie.example/" }), true).unwrap_err();
    assert!(shown.problems[0].path == "url" && !format!("{shown:?}").contains("kanari"));
}

#[test]
fn delays_are_read_as_people_write_them() {
    let delays = |written: Value| read(&json!({ "retry_schedule": written }), false).map(|read| read.terms.retry_after);
    let read_them = delays(json!(["5s", "1m", "2h", "1500ms", 30, "45", 0.5, "168h"])).unwrap();
    let millis: Vec<u128> = read_them.iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [5_000, 60_000, 7_200_000, 1_500, 30_000, 45_000, 500, 604_800_000]);
    assert_eq!(delays(json!([])).unwrap(), Vec::<Duration>::new());
    for odd in [json!("soon"), json!(0), json!(-1), json!("-5s"), json!("169h"), json!(604_801), json!("")] {
        assert_eq!(paths(&json!({ "retry_schedule": ["5s", odd] })), ["retry_schedule[1]"], "{odd}");
    }
    assert_eq!(paths(&json!({ "retry_schedule": vec!["1s"; 21] })), ["retry_schedule"]);
}

#[test]
fn names_need_a_signed_agreement() {
    assert_eq!(paths(&json!({ "personal_data": ["first_name"] })), ["dpa_signed_at"]);
    assert_eq!(paths(&json!({ "personal_data": ["email"] })), ["personal_data[0]"]);
    let odd = json!({ "personal_data": ["last_name"], "dpa_signed_at": "12/03/2026" });
    assert_eq!(paths(&odd), ["dpa_signed_at"]);
    let signed = json!({ "personal_data": ["last_name"], "dpa_signed_at": "2026-03-12" });
    let terms = read(&signed, false).unwrap().terms;
    assert!(terms.last_name && !terms.first_name);
}

#[test]
fn a_secret_of_another_form_is_refused_and_not_repeated() {
    for path in ["secret", "previous_secret"] {
        let problems = read(&json!({ path: { "file": "odd" } }), false).unwrap_err();
        assert_eq!(problems.problems[0].path, path);
        assert!(!format!("{problems:?}").contains("kanari"));
    }
    assert_eq!(paths(&json!({ "api_token": { "file": "no-such" } })), ["api_token"]);
    let both = json!({ "api_token": { "file": "token" }, "previous_api_token": { "file": "secret" } });
    assert_eq!(read(&both, false).unwrap().tokens.len(), 2);
}
