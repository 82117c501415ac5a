//! Where redirects may lead: to the same host and those below it, and to a few that are known to belong to it; never
//! from https to http, and never from the world into a private network.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::{Host, Url};

use super::trouble::Trouble;
use crate::error::Error;

/// The variable that names further hosts to which redirects may lead.
const HOSTS: &str = "SAESCRIPT_REDIRECT_HOSTS";

/// Whether redirects to other servers are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// They are answers like others.
    Never,
    /// To the same host and those below it, to these domains and all below them, and to those that
    /// `SAESCRIPT_REDIRECT_HOSTS` names, with commas between them.
    Known(&'static [&'static str]),
}

/// Returns the address that a redirect from `page` to `target` means, when `asked` was asked at first; `None` if the
/// redirect is an answer.
///
/// # Errors
/// No address, or one that no redirect may lead to.
pub(super) fn next(asked: &Url, page: &Url, target: &str, leave: Leave) -> Result<Option<Url>, Trouble> {
    let next = page
        .join(target)
        .map_err(|error| Trouble::Broken(format!("a redirect leads nowhere: {error}")))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(refused(page, &next, "it is no web address"));
    }
    if next.origin() == page.origin() {
        return Ok(Some(next));
    }
    let Leave::Known(domains) = leave else {
        return Ok(None);
    };
    if page.scheme() == "https" && next.scheme() == "http" {
        return Err(refused(
            page,
            &next,
            "what is sent there could be read on the way",
        ));
    }
    if next.host() != asked.host() && !is_known(asked, &next, domains) {
        return Err(refused(page, &next, "it is another host"));
    }
    Ok(Some(next))
}

fn is_known(asked: &Url, next: &Url, domains: &[&str]) -> bool {
    let (Some(Host::Domain(asked)), Some(Host::Domain(next))) = (asked.host(), next.host()) else {
        return false;
    };
    let more = std::env::var(HOSTS).unwrap_or_default();
    let more = more.split(',').map(str::trim).filter(|host| !host.is_empty());
    let below = |domain: &str| {
        let before = next.strip_suffix(&domain.to_lowercase());
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    below(asked) || domains.iter().copied().chain(more).any(below)
}

fn refused(page: &Url, next: &Url, why: &str) -> Trouble {
    let server = |url: &Url| url.origin().ascii_serialization();
    Trouble::Local(
        Error::run(format!(
            "`{}` sends us on to `{}`, which is not followed: {why}",
            server(page),
            server(next)
        ))
        .hint(format!(
            "name the right address itself; further hosts to which redirects may lead are named in {HOSTS}"
        )),
    )
}

/// Returns whether the address lies in a private network, as far as names can be looked up.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private_address(address.into()),
        Some(Host::Ipv6(address)) => is_private_address(address.into()),
        Some(Host::Domain(name)) => {
            let found = (name, url.port_or_known_default().unwrap_or(80)).to_socket_addrs();
            found.is_ok_and(|mut found| found.any(|address| is_private_address(address.ip())))
        }
        None => false,
    }
}

/// Addresses of this machine, of local networks and of the link, with what a cloud's machines are told about themselves
/// (169.254.169.254), by the registries of special addresses (RFC 6890).
fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    address.octets()[0] == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || shared
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    // An IPv4 address in IPv6's clothes: mapped, or behind a translator (64:ff9b::/96).
    let parts = address.segments();
    let translated = parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let inner = if translated {
        Some(Ipv4Addr::from((u32::from(parts[6]) << 16) | u32::from(parts[7])))
    } else {
        address.to_ipv4_mapped()
    };
    inner.is_some_and(is_private_v4)
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast()
}

/// Looks names up, and finds no private addresses. Where a proxy connects, its own address is the user's choice, and
/// what it reaches is its own concern.
#[derive(Default)]
pub(super) struct PublicOnly(DefaultResolver);

impl fmt::Debug for PublicOnly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PublicOnly")
    }
}

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let private = |address: &&SocketAddr| is_private_address(address.ip());
        match found.iter().find(private) {
            Some(address) if config.proxy().is_none() => Err(ureq::Error::Io(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "a redirect leads to `{}` at {}, which is not followed: it is a private address",
                    uri.host().unwrap_or_default(),
                    address.ip()
                ),
            ))),
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    fn led(page: &str, target: &str, leave: Leave) -> Result<Option<String>, String> {
        match next(&url(page), &url(page), target, leave) {
            Ok(next) => Ok(next.map(String::from)),
            Err(Trouble::Local(error)) => Err(error.to_string()),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn redirects_are_read_as_browsers_read_them() {
        let page = "https://hub.co:8080/a/b?x=1";
        for (target, meant) in [
            ("//cdn.hub.co/z", "https://cdn.hub.co/z"),
            ("/z", "https://hub.co:8080/z"),
            ("z", "https://hub.co:8080/a/z"),
            ("https://hub.co/z", "https://hub.co/z"),
            (
                "https://cdn-lfs.hf.co/z?sig=1%2F",
                "https://cdn-lfs.hf.co/z?sig=1%2F",
            ),
        ] {
            assert_eq!(
                led(page, target, Leave::Known(&["hf.co"])),
                Ok(Some(meant.into()))
            );
        }
        assert_eq!(
            led(page, "https://cdn-lfs.hf.co/z", Leave::Never),
            Ok(None),
            "an answer"
        );
    }

    #[test]
    fn no_redirect_leads_to_strangers_or_back_to_http() {
        let page = "https://hub.co/a";
        for target in [
            "https://evil.net/z",
            "https://hub.co.evil.net/z",
            "https://evilhub.co/z",
            "https://nothf.co/z",
            "https://hub.co@evil.net/z",
            "https:\\\\evil.net/z",
            "http://hub.co/z",
            "http://cdn.hub.co/z",
            "file:///etc/passwd",
            "https://169.254.169.254/latest",
            "https://[::1]/z",
        ] {
            let error = led(page, target, Leave::Known(&["hf.co"])).expect_err(target);
            assert!(error.contains("not followed"), "{error}");
        }
        // On a machine of one's own, other ports are one's own too.
        let own = led(
            "http://127.0.0.1:8099/a",
            "http://127.0.0.1:9000/b",
            Leave::Known(&[]),
        );
        assert_eq!(own, Ok(Some("http://127.0.0.1:9000/b".into())));
    }

    #[test]
    fn private_addresses_are_known() {
        for private in [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "::",
        ] {
            assert!(
                is_private_address(private.parse().expect("an address")),
                "{private}"
            );
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(
                !is_private_address(public.parse().expect("an address")),
                "{public}"
            );
        }
        assert!(is_private(&url("http://127.0.0.1:80/")) && !is_private(&url("http://8.8.8.8/")));
    }

    #[test]
    fn names_of_private_addresses_are_not_found() {
        use ureq::unversioned::transport::time::Duration;
        let resolve = |address: &str, config: &Config| {
            let timeout = NextTimeout {
                after: Duration::NotHappening,
                reason: ureq::Timeout::Global,
                ..NextTimeout::default()
            };
            PublicOnly::default().resolve(&address.parse().expect("an address"), config, timeout)
        };
        let direct = ureq::Agent::config_builder().proxy(None).build();
        for address in ["http://localhost/", "http://127.0.0.1/", "http://10.0.0.1:81/"] {
            let error = resolve(address, &direct).expect_err("private");
            assert!(error.to_string().contains("private address"), "{error}");
        }
        assert!(resolve("http://8.8.8.8/", &direct).is_ok());
    }
}
