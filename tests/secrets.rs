//! Canaries: a secret that is planted in settings must not come out anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use shop::{Shop, VENUE};

const CANARY: &str = "kanari-7f3a9c";

/// Everything a command says at the loudest, and everything it leaves in its folder.
fn everything(shop: &Shop, arguments: &[&str]) -> String {
    let mut all = vec!["--log", "trace"];
    all.extend(arguments);
    let output = shop
        .command(&all)
        .env("TEST_KEY", format!("{CANARY}-key"))
        .env("TEST_ADMIN", format!("{CANARY}-admin"))
        .env("TEST_HMAC", format!("{CANARY}-hmac"))
        .env("TEST_TOKEN", format!("{CANARY}-token"))
        .env("TEST_PASSWORD", format!("{CANARY}-password"))
        .env("TEST_PUSH", format!("{CANARY}-push"))
        .output()
        .unwrap();
    let mut told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for file in std::fs::read_dir(shop.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            told.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    told
}

#[test]
fn secrets_come_out_nowhere() {
    let shop = Shop::new(1);
    let mut text = std::fs::read_to_string(shop.path("passerelle.toml")).unwrap();
    text = text.replace("requests_per_minute", "hmac_key = { env = \"TEST_HMAC\" }\nrequests_per_minute");
    let text = text.split("[[connection]]").next().unwrap().to_owned()
        + &format!(
            "[[connection]]\nid = \"raw\"\nadapter = \"stock-api\"\nvenue = {VENUE}\n[connection.settings]\n\
             api_url = \"http://127.0.0.1:9/stocks\"\nsiret = \"1\"\nprice_unit = \"euro\"\nbasic_raw_token = {{ env = \"TEST_TOKEN\" }}\n\
             [[connection]]\nid = \"basic\"\nadapter = \"stock-api\"\nvenue = {}\n[connection.settings]\n\
             api_url = \"http://127.0.0.1:9/stocks\"\nsiret = \"1\"\nprice_unit = \"euro\"\nbasic = {{ user = \"shop\", password = {{ env = \"TEST_PASSWORD\" }} }}\n\
             [[connection]]\nid = \"push\"\nadapter = \"stock-push\"\nvenue = 999\n[connection.settings]\ntoken = {{ env = \"TEST_PUSH\" }}\n",
            VENUE + 1
        );
    std::fs::write(shop.path("passerelle.toml"), text).unwrap();
    for arguments in [
        vec!["apply"],
        vec!["sync", "raw"],
        vec!["--format", "json", "plan", "basic"],
        vec!["push", "push"],
        vec!["check"],
        vec!["--format", "json", "connections", "show", "basic"],
        vec!["explain", "9782070286256"],
    ] {
        let told = everything(&shop, &arguments);
        assert!(told.len() > 200, "{arguments:?} said something");
        let place = told.find(CANARY);
        assert!(place.is_none(), "{arguments:?}: …{}…", &told[place.unwrap().saturating_sub(200)..place.unwrap() + 40]);
    }
}

#[test]
fn a_secret_written_in_clear_is_refused_and_not_repeated() {
    let shop = Shop::new(1);
    let text = std::fs::read_to_string(shop.path("passerelle.toml")).unwrap();
    std::fs::write(shop.path("passerelle.toml"), text.replace("{ env = \"TEST_KEY\" }", &format!("\"{CANARY}\"")))
        .unwrap();
    let refused = shop.run(&["check"]);
    assert_eq!(refused.code, 78, "{refused:#?}");
    assert!(!refused.stdout.contains(CANARY) && !refused.stderr.contains(CANARY), "{refused:#?}");
    assert!(refused.stderr.contains("env"), "it says how to write it: {}", refused.stderr);
}
