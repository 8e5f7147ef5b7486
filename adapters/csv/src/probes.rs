//! Health questions about the file, asked with the code that reads it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use passerelle_contract::{AdapterError, Class, Cursor, Evidence, Probe, ProbeKind, Pull, Row, Source as _};

use crate::origin::{History, Memory, stale_warning};
use crate::scan::{ABOUT_LINES, ABOUT_QUOTES};
use crate::settings::Mode;
use crate::source::StockFile;

/// Reach, sign in (where there is a sign-in), read one.
pub(crate) fn of(stock: &StockFile, from: Option<Cursor>) -> Vec<Probe<'_>> {
    let reach = |kind, remedy| {
        let from = from.clone();
        Probe { kind, ask: Box::new(move || Box::pin(reach(stock, kind, from.clone()))), remedy }
    };
    let mut probes = vec![reach(
        ProbeKind::Reach,
        "check path or url in the connection's settings, and that the place can be reached",
    )];
    if stock.origin.signs_in() {
        probes.push(reach(ProbeKind::SignIn, "check access.user and access.password in the connection's settings"));
    }
    probes.push(Probe {
        kind: ProbeKind::ReadOne,
        ask: Box::new(move || Box::pin(read_one(stock))),
        remedy: "run `passerelle plan` on this connection and correct the columns it names",
    });
    probes
}

/// Is the place there, and do exports still come?
async fn reach(stock: &StockFile, kind: ProbeKind, from: Option<Cursor>) -> Result<Evidence, AdapterError> {
    let pick = &stock.plan.pick;
    let sight = stock.origin.reach(pick).await?;
    if kind != ProbeKind::Reach {
        return Ok(Evidence { saw: sight.saw, concern: None });
    }
    let (history, now) = (History::of(from.as_ref()), SystemTime::now());
    // A place that states no times: the last content that was new.
    let newest = sight.newest.or_else(|| Some(("the last one".to_owned(), history.newest()?)));
    let stale = newest.and_then(|(name, written)| stale_warning(pick, &name, Some(written), &history, now));
    let mut saw = sight.saw;
    let mut concern = stale.map(|stale| (stale, "have the shop's software export its stock again".to_owned()));
    if pick.mode != Mode::Full {
        let full_at = Memory::read(from.as_ref()).full_at.map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at));
        let age = full_at.and_then(|at| now.duration_since(at).ok());
        match (pick.full_every, age) {
            (None, None) => saw.push_str("; no full pass is known, and none is asked for (file.full_every)"),
            (None, Some(age)) => {
                let _infallible = write!(
                    saw,
                    "; everything was last read {} h ago, and no periodic full pass is asked for (file.full_every)",
                    age.as_secs() / 3600
                );
            }
            (Some(every), Some(age)) if age > every + every / 2 => {
                let what = format!(
                    "everything was last read {} h ago, and file.full_every asks for it every {} h",
                    age.as_secs() / 3600,
                    every.as_secs() / 3600
                );
                concern.get_or_insert((
                    what,
                    "run `passerelle sync` on this connection and look at what it says".to_owned(),
                ));
            }
            (Some(_), _) => {}
        }
    }
    Ok(Evidence { saw, concern })
}

/// Reads the first page, as a pass would, and drops the rest.
async fn read_one(stock: &StockFile) -> Result<Evidence, AdapterError> {
    let mut pages = stock.pull(Pull::default());
    let page = match pages.next().await {
        Some(page) => page?,
        None => return Err(AdapterError::new(Class::Data, "Unreadable", "read one row", "the file gave nothing")),
    };
    let good = page.rows.iter().filter(|row| matches!(row, Row::Good(_))).count();
    let warnings = page.end.map(|end| end.warnings).unwrap_or_default();
    // How a file is written is worth telling, and nobody's concern.
    let is_told = |warning: &String| warning.starts_with(ABOUT_QUOTES) || warning.starts_with(ABOUT_LINES);
    let (told, concerns): (Vec<String>, Vec<String>) = warnings.into_iter().partition(is_told);
    let told: String = told.iter().map(|one| format!("; {one}")).collect();
    let saw = format!("{good} of the first {} rows could be read{told}", page.rows.len());
    // Staleness is told by the first probe, which knows how often exports come.
    let warning = concerns.into_iter().find(|one| !one.contains("(StaleFile;"));
    let concern = match (page.rows.len(), good) {
        (0, _) => {
            Some(("the file holds no row".to_owned(), "have the shop's software export its stock again".to_owned()))
        }
        (rows, good) if good * 2 < rows => {
            Some(("most rows cannot be read".to_owned(), "look at `passerelle quarantine list`".to_owned()))
        }
        _ => warning.map(|warning| (warning, "look at the shop's export".to_owned())),
    };
    Ok(Evidence { saw, concern })
}
