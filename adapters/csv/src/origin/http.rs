//! A file behind a web address, fetched into a temporary file.
//!
//! The server is told which content we have read last (`If-None-Match`), so that an unchanged file does not travel.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use passerelle_contract::{AdapterError, Context, Cursor, SettingProblem, SettingsError};
use passerelle_kit::http::{Client, Config, Get};
use passerelle_kit::secret::Secret;
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::{Found, MAX_DOWNLOAD_BYTES, MAX_FETCH_TIME, Opened, Sight, mode_of};
use crate::identity;
use crate::plan::Pick;
use crate::scan::{About, read_error};
use crate::settings::{Access, NamedMode};

/// How much of the answer a health question reads.
const PROBE_BYTES: u64 = 4096;

/// One address.
pub(crate) struct Http {
    client: Client,
    url: Url,
}

impl Http {
    pub(crate) fn new(url: &Url, access: &Access, context: &Context) -> Result<Self, SettingsError> {
        let authorization = match (&access.user, &access.password) {
            (Some(user), Some(password)) => {
                let password = password
                    .resolve(&context.base_dir)
                    .map_err(|problem| SettingsError { problems: vec![problem.at("access.password")] })?;
                let pair = format!("{user}:{}", password.expose());
                Some(Secret::new(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))))
            }
            _ => None,
        };
        let mut base = url.clone();
        base.set_path("/");
        base.set_query(None);
        let config = Config {
            // Without credentials nothing secret travels; export links of old tills have no TLS.
            allow_plain_http: authorization.is_none(),
            authorization,
            max_body_bytes: MAX_DOWNLOAD_BYTES,
            total_timeout: MAX_FETCH_TIME,
            request_timeout: Duration::from_secs(60),
            concurrency: super::AT_ONCE,
            ..Config::new(base, context)
        };
        let client = Client::new(config).map_err(|error| SettingsError {
            problems: vec![SettingProblem { path: "url".into(), message: error.context }],
        })?;
        Ok(Self { client, url: url.clone() })
    }

    pub(crate) fn host(&self) -> String {
        self.client.host()
    }

    pub(crate) const fn signs_in(&self) -> bool {
        self.client.config().authorization.is_some()
    }

    pub(crate) async fn fetch(&self, pick: &Pick, from: Option<&Cursor>) -> Result<Found, AdapterError> {
        let operation = format!("fetch {}", self.shown());
        let get = Get::new("fetch the stock file", self.url.clone());
        let known = from.filter(|_| mode_of(pick, &self.name()) == NamedMode::Full);
        let tag = known.and_then(identity::tag_of);
        let get = match tag {
            Some(tag) => get.unless_still(tag),
            None => get,
        };
        let mut download = self.client.open(&get).await?;
        if let (304, Some(_), Some(known)) = (download.status(), tag, known) {
            return Ok(Found::Same(known.clone()));
        }
        if download.status() != 200 {
            drop(download);
            // Asked again with a small limit: the body of a refusal may be endless too.
            return Err(self.client.get(&self.probing()).await?.refused());
        }
        let modified = download.header("last-modified").and_then(http_date);
        let tag = download.header("etag").map(str::to_owned);
        let fail = |error| read_error(error, &operation);
        let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(fail)?);
        while let Some(piece) = download.chunk().await? {
            file.write_all(&piece).await.map_err(fail)?;
        }
        file.flush().await.map_err(fail)?;
        tokio::io::AsyncSeekExt::rewind(&mut file).await.map_err(fail)?;
        let now = SystemTime::now();
        let name = self.name();
        let about = About {
            mode: mode_of(pick, &name),
            warnings: Vec::new(),
            name,
            operation,
            modified,
            cursor: None,
            tag,
            now,
            unchanged: None,
        };
        Ok(Found::File(Box::new(Opened { file: file.into_std().await, about, newer: Vec::new(), reading: None })))
    }

    pub(crate) async fn reach(&self) -> Result<Sight, AdapterError> {
        let answer = self.client.get(&self.probing()).await?;
        if answer.status != 200 {
            return Err(answer.refused());
        }
        let modified = answer.header("last-modified").and_then(http_date);
        Ok(Sight { saw: answer.saw(), newest: modified.map(|modified| (self.name(), modified)) })
    }

    fn probing(&self) -> Get {
        Get::new("ask for the stock file", self.url.clone()).probing(PROBE_BYTES)
    }

    fn name(&self) -> String {
        self.url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned()
    }

    /// Without its query, which may carry a key.
    fn shown(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}

fn http_date(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(jiff::fmt::rfc2822::parse(text).ok()?.timestamp()).ok()
}
