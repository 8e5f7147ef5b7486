//! A pass over showtimes: films, options, what rarely changes, and all shows at once.
//!
//! The vendor has no pages and no deltas. A show that is missing counts as gone after two passes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use passerelle_contract::{
    AdapterError, Completeness, DataError, DataProblem, End, Expectations, Page, PageStream, Position, Pull, Row,
    Screening, Severity, Source,
};
use passerelle_kit::http::RetryBudget;
use passerelle_kit::pass::{pages, whole};
use serde_json::value::RawValue;

use crate::client::{Cds, For};
use crate::facts::{self, Catalogue, Says};
use crate::wire;

/// Showtimes of one cinema.
pub(crate) struct Shows {
    cds: Arc<Cds>,
}

impl Shows {
    pub(crate) const fn new(cds: Arc<Cds>) -> Self {
        Self { cds }
    }

    /// Everything, in pages.
    async fn read(&self) -> Result<Vec<Page<Screening>>, AdapterError> {
        let cds = &self.cds;
        let budget = RetryBudget::default();
        let who = For::Pass(&budget);
        let films = self.films(who).await?;
        let options = self.options(who).await?;
        let statics = cds.read_statics(who).await?;
        let answer = cds.get("list shows", "shows", who).await?;
        let records: Vec<&RawValue> = cds.read(&answer)?;
        let catalogue = Catalogue {
            films,
            options,
            statics: &statics,
            cinema_id: &cds.settings().cinema_id,
            until: SystemTime::now() + cds.settings().horizon,
        };
        // Of a show that stands there twice the last counts.
        let mut rows: Vec<(Option<i64>, Row<Screening>)> = Vec::with_capacity(records.len());
        let mut places: HashMap<i64, usize> = HashMap::new();
        for (raw, entry) in records.iter().zip(1..) {
            let at = Position::Entry { page: 1, entry };
            let (id, row) = match serde_json::from_str::<wire::Show<'_>>(raw.get()) {
                Ok(show) => (show.id.0, facts::row(&show, &catalogue, at)),
                Err(_) => (None, Some(odd_record(at))),
            };
            let Some(row) = row else { continue };
            match id.and_then(|id| places.get(&id).copied()).and_then(|place| rows.get_mut(place)) {
                Some(before) => before.1 = row,
                None => {
                    if let Some(id) = id {
                        places.insert(id, rows.len());
                    }
                    rows.push((id, row));
                }
            }
        }
        let empty = records.is_empty();
        let warnings =
            if empty { vec!["the vendor lists no shows at all; nothing is withdrawn".to_owned()] } else { Vec::new() };
        // An empty list is normal now and then, and says nothing.
        let completeness = if empty { Completeness::Partial } else { Completeness::Snapshot };
        let end = End { completeness, cursor: None, observed_at: None, fingerprint: None, warnings };
        Ok(pages(rows.into_iter().map(|(_, row)| row), end))
    }

    async fn films(&self, who: For<'_>) -> Result<HashMap<i64, Arc<passerelle_contract::Film>>, AdapterError> {
        let answer = self.cds.get("list films", "media", who).await?;
        let records: Vec<&RawValue> = self.cds.read(&answer)?;
        let home = &self.cds.settings().home;
        Ok(records
            .iter()
            .filter_map(|raw| serde_json::from_str::<wire::Media<'_>>(raw.get()).ok())
            .filter_map(|media| facts::film(&media, home))
            .map(|(id, film)| (id, Arc::new(film)))
            .collect())
    }

    async fn options(&self, who: For<'_>) -> Result<HashMap<i64, Says>, AdapterError> {
        let answer = self.cds.get("list media options", "mediaoptions", who).await?;
        let records: Vec<&RawValue> = self.cds.read(&answer)?;
        Ok(records
            .iter()
            .filter_map(|raw| serde_json::from_str::<wire::MediaOption<'_>>(raw.get()).ok())
            .filter_map(|option| Some((option.id.0?, facts::option(&option))))
            .collect())
    }
}

impl Source<Screening> for Shows {
    fn pull(&self, _ask: Pull) -> PageStream<'_, Screening> {
        whole(self.read())
    }

    fn expectations(&self) -> Expectations {
        // Shows were seen to be missing from one list and to be back in the next.
        Expectations { gone_after: 2, ..Expectations::default() }
    }
}

fn odd_record(at: Position) -> Row<Screening> {
    Row::Poison(Box::new(DataError {
        at,
        key: None,
        problem: DataProblem { code: "UnreadableShow", severity: Severity::Unreadable },
        message: "this record is no show".to_owned(),
        message_fr: "cet enregistrement n'est pas une séance".to_owned(),
        legible: Box::default(),
    }))
}
