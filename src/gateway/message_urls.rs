//! Where pass Culture sends its messages: three addresses for each account, below `server.public_url`.
//!
//! A cancellation names barcodes and nothing else, and two cinemas of an account may have given the same barcode. Where that can
//! be, each venue gets addresses of its own, which name its connection; pass Culture prefers them to the account's.

use passerelle_contract::BarcodeScope;
use url::Url;

use super::Gateway;
use crate::config::DEFAULT_ACCOUNT;
use crate::passculture::messages::Kind;
use crate::passculture::{MessageUrls, Venue};
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
            let cinemas = self.cinemas_with_numbers_of_their_own(name).await?;
            if cinemas.is_empty() {
                continue;
            }
            let linked = match self.client(name) {
                Ok(client) => client.venues().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            for cinema in &cinemas {
                let result = match &linked {
                    Ok(linked) => self.register_venue(public_url, cinema, linked).await,
                    Err(why) => Err(why.clone()),
                };
                all.push(of(Some(&cinema.id), result));
            }
        }
        Ok(all)
    }

    async fn register_venue(
        &self,
        public_url: &Url,
        cinema: &ConnectionRecord,
        linked: &[Venue],
    ) -> Result<Registered, String> {
        let venue = venue_of(cinema, linked).ok_or_else(|| not_linked(cinema))?;
        let urls = message_urls(public_url, &cinema.account, Some(&cinema.id));
        let client = self.client(&cinema.account).map_err(|error| error.to_string())?;
        let set = client.replace_message_urls(Some(venue.id), venue.message_urls.clone(), &urls).await;
        let set = set.map_err(|error| error.error().to_string())?;
        Ok(if set.changed { Registered::Changed } else { Registered::Unchanged })
    }

    /// Connections of an account whose messages pass Culture sends elsewhere than here, by what it showed: those of the account
    /// itself (`provider`), and those of venues that need their own. Nothing where no address is known to be right.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn strayed_messages(
        &self,
        account: &str,
        provider: &MessageUrls,
        linked: &[Venue],
    ) -> Result<Strayed, StoreError> {
        let has_key = self.accounts.get(account).is_some_and(|account| !account.hmac_keys.is_empty());
        let Some(public_url) = self.public_url.as_ref().filter(|_| has_key) else { return Ok(Strayed::default()) };
        let cinemas = self.cinemas_with_numbers_of_their_own(account).await?;
        let strays = |cinema: &&ConnectionRecord| {
            let wanted = message_urls(public_url, account, Some(&cinema.id));
            venue_of(cinema, linked).is_some_and(|venue| venue.message_urls != wanted)
        };
        Ok(Strayed {
            account: *provider != message_urls(public_url, account, None),
            connections: cinemas.iter().filter(strays).map(|cinema| cinema.id.clone()).collect(),
        })
    }

    async fn register(&self, account: &str, venue: Option<i64>, urls: &MessageUrls) -> Result<Registered, String> {
        let client = self.client(account).map_err(|error| error.to_string())?;
        let set = client.set_message_urls(venue, urls).await.map_err(|error| error.error().to_string())?;
        Ok(if set.changed { Registered::Changed } else { Registered::Unchanged })
    }

    /// The account's connections whose barcodes another one's may equal. None when there is only one.
    async fn cinemas_with_numbers_of_their_own(&self, account: &str) -> Result<Vec<ConnectionRecord>, StoreError> {
        let mut cinemas: Vec<ConnectionRecord> = self.store.connections().await?;
        cinemas.retain(|connection| connection.account == account && self.numbers_its_own_tickets(connection));
        if cinemas.len() < 2 {
            cinemas.clear();
        }
        Ok(cinemas)
    }

    fn numbers_its_own_tickets(&self, connection: &ConnectionRecord) -> bool {
        let scope = |adapter: &dyn passerelle_contract::Adapter| {
            adapter.box_office().map(|office| office.semantics().barcodes_unique)
        };
        self.adapter(connection).is_ok_and(|adapter| scope(adapter.as_ref()) == Some(BarcodeScope::Connection))
    }
}

/// Addresses at pass Culture that are not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strayed {
    /// Those of the whole account.
    pub account: bool,
    /// Connections with those of their venue.
    pub connections: Vec<String>,
}

fn venue_of<'v>(connection: &ConnectionRecord, linked: &'v [Venue]) -> Option<&'v Venue> {
    linked.iter().find(|venue| match connection.venue {
        Some(id) => venue.id == id,
        None => connection.siret.is_some() && connection.siret == venue.siret,
    })
}

fn not_linked(connection: &ConnectionRecord) -> String {
    match (connection.venue, &connection.siret) {
        (Some(venue), _) => format!("venue {venue} is not linked to the account"),
        (None, siret) => {
            format!("no venue with SIRET {} is linked to the account", siret.as_deref().unwrap_or_default())
        }
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
