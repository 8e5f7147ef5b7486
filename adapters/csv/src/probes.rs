//! Health questions about the file, asked with the code that reads it.

use futures_util::StreamExt as _;
use passerelle_contract::{AdapterError, Class, Evidence, Probe, ProbeKind, Pull, Row, Source as _};

use crate::scan::{ABOUT_LINES, ABOUT_QUOTES};
use crate::source::StockFile;

/// Reach, sign in (where there is a sign-in), read one.
pub(crate) fn of(stock: &StockFile) -> Vec<Probe<'_>> {
    let reach = |kind, remedy| Probe { kind, ask: Box::new(move || Box::pin(reach(stock))), remedy };
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

async fn reach(stock: &StockFile) -> Result<Evidence, AdapterError> {
    Ok(Evidence { saw: stock.origin.reach(&stock.plan.pick).await?, concern: None })
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
    let warning = concerns.into_iter().next();
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
