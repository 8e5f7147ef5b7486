//! Where pass Culture sends its messages: three addresses for each account, below `server.public_url`.

use url::Url;

use super::Gateway;
use crate::config::DEFAULT_ACCOUNT;
use crate::passculture::MessageUrls;
use crate::passculture::messages::Kind;

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

impl Gateway {
    /// Registers the addresses of every account with pass Culture. An account that fails does not stop another.
    pub async fn register_message_urls(&self, public_url: &Url) -> Vec<(String, Result<Registered, String>)> {
        let mut all = Vec::with_capacity(self.accounts.len());
        for (name, account) in &self.accounts {
            let registered = if account.hmac_keys.is_empty() {
                Ok(Registered::NoKey)
            } else {
                self.register(name, public_url).await
            };
            all.push((name.clone(), registered));
        }
        all
    }

    async fn register(&self, account: &str, public_url: &Url) -> Result<Registered, String> {
        let client = self.client(account).map_err(|error| error.to_string())?;
        let set = client
            .set_message_urls(None, &message_urls(public_url, account))
            .await
            .map_err(|error| error.error().to_string())?;
        Ok(if set.changed { Registered::Changed } else { Registered::Unchanged })
    }
}

/// The addresses of one account; those of the default account do not name it.
fn message_urls(public_url: &Url, account: &str) -> MessageUrls {
    let root = public_url.as_str().trim_end_matches('/');
    let of = |kind: Kind| {
        Some(if account == DEFAULT_ACCOUNT {
            format!("{root}/passculture/{}", kind.name())
        } else {
            format!("{root}/passculture/{account}/{}", kind.name())
        })
    };
    MessageUrls { booking: of(Kind::Booking), cancel: of(Kind::Cancellation), notification: of(Kind::Notification) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_addresses() {
        let root = Url::parse("https://passerelle.example/sous/").unwrap();
        let urls = message_urls(&root, DEFAULT_ACCOUNT);
        assert_eq!(urls.booking.as_deref(), Some("https://passerelle.example/sous/passculture/booking"));
        let urls = message_urls(&root, "autre");
        assert_eq!(urls.cancel.as_deref(), Some("https://passerelle.example/sous/passculture/autre/cancellation"));
    }
}
