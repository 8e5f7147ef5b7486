//! Where pass Culture sends its messages: three addresses for each account, below `server.public_url`.
//!
//! A cancellation names barcodes and nothing else, and two cinemas of an account may have given the same barcode. Where that can
//! be, each venue gets addresses of its own, which name its connection; pass Culture prefers them to the account's.

use std::collections::BTreeMap;

use passerelle_contract::BarcodeScope;
use url::Url;

use super::Gateway;
use crate::config::DEFAULT_ACCOUNT;
use crate::passculture::MessageUrls;
use crate::passculture::messages::Kind;
use crate::store::{ConnectionRecord, StoreError};

/// The part of an address's query that names a connection.
pub const CONNECTION_IN_ADDRESS: &str = "connection";

/// What registering an account's addresses did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// pass Culture had others.
    Changed,
    /// pass Culture had these.
    Unchanged,
    /// The account has no `hmac_key`: nothing was registered.
    NoKey,
}

/// Whose addresses were registered, and what that did.
#[derive(Debug)]
pub struct Registration {
    /// The account.
    pub account: String,
    /// The connection, for the addresses of one venue.
    pub connection: Option<String>,
    /// What it did, or why it did not.
    pub result: Result<Registered, String>,
}

impl Gateway {
    /// Registers the addresses of every account with pass Culture, and those of venues that need their own. What fails does not
    /// stop the others.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn register_message_urls(&self, public_url: &Url) -> Result<Vec<Registration>, StoreError> {
        let mut all = Vec::new();
        for (name, account) in &self.accounts {
            let of = |connection: Option<&str>, result| Registration {
                account: name.clone(),
                connection: connection.map(str::to_owned),
                result,
            };
            if account.hmac_keys.is_empty() {
                all.push(of(None, Ok(Registered::NoKey)));
                continue;
            }
            all.push(of(None, self.register(name, None, &message_urls(public_url, name, None)).await));
            for (connection, venue) in self.cinemas_with_numbers_of_their_own(name).await? {
                let urls = message_urls(public_url, name, Some(&connection));
                let result = match venue {
                    Ok(venue) => self.register(name, Some(venue), &urls).await,
                    Err(why) => Err(why),
                };
                all.push(of(Some(&connection), result));
            }
        }
        Ok(all)
    }

    async fn register(&self, account: &str, venue: Option<i64>, urls: &MessageUrls) -> Result<Registered, String> {
        let client = self.client(account).map_err(|error| error.to_string())?;
        let set = client.set_message_urls(venue, urls).await.map_err(|error| error.error().to_string())?;
        Ok(if set.changed { Registered::Changed } else { Registered::Unchanged })
    }

    /// The account's connections, with their venues, whose barcodes another one's may equal. None when there is only one.
    async fn cinemas_with_numbers_of_their_own(
        &self,
        account: &str,
    ) -> Result<Vec<(String, Result<i64, String>)>, StoreError> {
        let mut cinemas: Vec<ConnectionRecord> = self.store.connections().await?;
        cinemas.retain(|connection| connection.account == account && self.numbers_its_own_tickets(connection));
        if cinemas.len() < 2 {
            return Ok(Vec::new());
        }
        let linked = match self.client(account) {
            Ok(client) => client.venues().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let of_siret = linked.map(|venues| {
            let pairs = venues.into_iter().filter_map(|venue| Some((venue.siret?, venue.id)));
            pairs.collect::<BTreeMap<String, i64>>()
        });
        let venue = |connection: &ConnectionRecord| match (connection.venue, &connection.siret) {
            (Some(venue), _) => Ok(venue),
            (None, siret) => {
                let siret = siret.as_deref().unwrap_or_default();
                let venue = of_siret.as_ref().map_err(Clone::clone)?.get(siret).copied();
                venue.ok_or_else(|| format!("no venue with SIRET {siret} is linked to the account"))
            }
        };
        Ok(cinemas.iter().map(|connection| (connection.id.clone(), venue(connection))).collect())
    }

    fn numbers_its_own_tickets(&self, connection: &ConnectionRecord) -> bool {
        let scope = |adapter: &dyn passerelle_contract::Adapter| {
            adapter.box_office().map(|office| office.semantics().barcodes_unique)
        };
        self.adapter(connection).is_ok_and(|adapter| scope(adapter.as_ref()) == Some(BarcodeScope::Connection))
    }
}

/// The addresses of one account, or of one of its connections; those of the default account do not name it.
fn message_urls(public_url: &Url, account: &str, connection: Option<&str>) -> MessageUrls {
    let root = public_url.as_str().trim_end_matches('/');
    // Ids of connections are plain characters.
    let query = connection.map(|id| format!("?{CONNECTION_IN_ADDRESS}={id}")).unwrap_or_default();
    let of = |kind: Kind| {
        Some(if account == DEFAULT_ACCOUNT {
            format!("{root}/passculture/{}{query}", kind.name())
        } else {
            format!("{root}/passculture/{account}/{}{query}", kind.name())
        })
    };
    MessageUrls { booking: of(Kind::Booking), cancel: of(Kind::Cancellation), notification: of(Kind::Notification) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_and_each_connection_has_its_own_addresses() {
        let root = Url::parse("https://passerelle.example/sous/").unwrap();
        let urls = message_urls(&root, DEFAULT_ACCOUNT, None);
        assert_eq!(urls.booking.as_deref(), Some("https://passerelle.example/sous/passculture/booking"));
        let urls = message_urls(&root, "autre", None);
        assert_eq!(urls.cancel.as_deref(), Some("https://passerelle.example/sous/passculture/autre/cancellation"));
        let urls = message_urls(&root, DEFAULT_ACCOUNT, Some("sud-0087"));
        let expected = "https://passerelle.example/sous/passculture/cancellation?connection=sud-0087";
        assert_eq!(urls.cancel.as_deref(), Some(expected));
    }
}
