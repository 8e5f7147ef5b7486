//! Keeps vendors' addresses out of the gateway's own network.
//!
//! Literal addresses are checked before each hop; names are checked where they are resolved, and the connection is made to
//! the very addresses that were checked, so a name that changes its mind (DNS rebinding) gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use passerelle_contract::{AdapterError, Class};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::Config;
use super::error::shown;

/// Is this an address of the public internet? Loopback, private, link-local, shared, reserved, multicast and unspecified
/// addresses are not, nor are IPv6 forms that wrap one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 198 && (b == 18 || b == 19)) // benchmarks
        || (a == 192 && b == 0 && c == 0); // protocol assignments
    !special
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    if let Some(inner) = wrapped_v4(v6) {
        return is_public_v4(inner);
    }
    // Only 2000::/3 is given out as global unicast; documentation lies inside it.
    let [first, second, ..] = v6.segments();
    (first & 0xe000) == 0x2000 && !(first == 0x2001 && second == 0x0db8)
}

/// The IPv4 address that an IPv6 one leads to: mapped, NAT64, 6to4.
fn wrapped_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return Some(mapped);
    }
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// Checks what can be told from the address alone, before a connection.
pub(super) fn check(url: &Url, config: &Config, operation: &str) -> Result<(), AdapterError> {
    let refuse = |code, why: &str| Err(AdapterError::new(Class::Settings, code, operation, why.to_owned()));
    let plain = match url.scheme() {
        "https" => false,
        "http" => true,
        other => return refuse("BadAddress", &format!("`{other}` is not a way to reach a vendor; write https://…")),
    };
    let literal = match url.host() {
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
            Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
        }
        Some(Host::Domain(_)) => None,
        None => return refuse("BadAddress", "the address has no host"),
    };
    let private = literal.is_some_and(|address| !is_public(address));
    if private && !config.allow_private_addresses && !is_own_loopback(url, &config.base) {
        return Err(private_address(url, operation));
    }
    // A name that may resolve to a private address is not known to do so: it needs the word of the settings.
    if plain && !private && !config.allow_plain_http {
        let why = format!(
            "{} is not encrypted; write https:// or, if the vendor has nothing better, set allow_plain_http = true",
            shown(url)
        );
        return refuse("PlainHttp", &why);
    }
    Ok(())
}

/// Settings that name this very machine mean it, so that a vendor's software on the same host needs no further word. That
/// origin alone: a redirect or a resolved name must not lead anywhere else inside.
fn is_own_loopback(url: &Url, base: &Url) -> bool {
    let loopback = match base.host() {
        Some(Host::Ipv4(v4)) => v4.is_loopback(),
        Some(Host::Ipv6(v6)) => v6.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    loopback && url.origin() == base.origin()
}

pub(super) fn private_address(url: &Url, operation: &str) -> AdapterError {
    let context = format!(
        "{} lies in a private or loopback network, which this connection may not reach; set \
         allow_private_addresses = true on the connection if that is meant",
        shown(url)
    );
    AdapterError::new(Class::Settings, "PrivateAddress", operation, context)
}

/// Why a name gave no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameProblem {
    /// The resolver did not know it or did not answer.
    #[error("the name cannot be resolved")]
    Failed(#[source] std::io::Error),
    /// It resolves, but only to addresses that are off limits.
    #[error("the name resolves to a private address")]
    Private,
}

/// The system's resolver without the addresses that are off limits.
pub(super) struct GuardedResolver {
    pub(super) allow_private: bool,
    /// The settings name `localhost` itself.
    pub(super) allow_localhost: bool,
}

impl GuardedResolver {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            allow_private: config.allow_private_addresses,
            allow_localhost: config.base.host_str() == Some("localhost"),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private || (self.allow_localhost && name.as_str() == "localhost");
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(NameProblem::Failed)?;
            let allowed: Vec<SocketAddr> = found.filter(|one| allow_private || is_public(one.ip())).collect();
            if allowed.is_empty() {
                return Err(NameProblem::Private.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_own_network_are_not_public() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
