//! Which names the server answers to, and to whose pages.
//!
//! A page from elsewhere can have its own name lead to this machine and then ask in its own name, so that names other than
//! this server's are refused; what a page of another origin sends is refused as well.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// The names of a server.
#[derive(Clone, Debug)]
pub(super) struct AllowedHosts {
    /// The name it was told to listen on, and that which its links have.
    names: Vec<String>,
}

impl AllowedHosts {
    /// Returns the hosts of a server with these names.
    pub(super) fn new(names: &[&str]) -> Self {
        let bare = |name: &&str| name.trim_matches(['[', ']']).to_ascii_lowercase();
        AllowedHosts {
            names: names.iter().map(bare).collect(),
        }
    }

    /// Returns why a request is refused; `None` if it may come in.
    pub(super) fn refusal(&self, headers: &HeaderMap) -> Option<&'static str> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
            return Some("the request names no host, or more than one");
        };
        if !self.is_own(host) {
            return Some("the request is for another host: open the address that the terminal shows");
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let own = format!("http://{host}");
        let foreign = origins.any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
        foreign.then_some("the request comes from a page of another origin")
    }

    /// Numbers are no names that somebody could have lead here. Ports may differ, where a tunnel lies in between.
    fn is_own(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        let name = name.to_ascii_lowercase();
        name == "localhost" || self.names.contains(&name) || name.parse::<IpAddr>().is_ok()
    }
}

fn without_port(host: &str) -> Option<&str> {
    let is_port =
        |port: &str| !port.is_empty() && port.len() <= 5 && port.bytes().all(|digit| digit.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let (name, port) = rest.split_once(']')?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name);
    }
    match host.split_once(':') {
        None => Some(host),
        Some((name, port)) => is_port(port).then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: axum::http::HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn only_own_names_and_own_pages_come_in() {
        let doors = AllowedHosts::new(&["0.0.0.0", "desk.example"]);
        let open = |pairs: &[(&str, &str)]| doors.refusal(&headers(pairs)).is_none();
        for host in [
            "127.0.0.1:80",
            "localhost:1",
            "LOCALHOST",
            "[::1]:8080",
            "10.0.0.7:99",
            "desk.example:1",
        ] {
            assert!(open(&[("host", host)]), "{host}");
            assert!(
                open(&[("host", host), ("origin", &format!("http://{host}"))]),
                "{host}"
            );
            for origin in [
                "null",
                "http://evil.example",
                &format!("https://{host}"),
                &format!("http://{host}1"),
            ] {
                assert!(
                    !open(&[("host", host), ("origin", origin)]),
                    "{host} from {origin}"
                );
            }
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "",
            "localhost:",
            "[::1",
            "a@localhost",
            "localhost:80:80",
        ] {
            assert!(!open(&[("host", host)]), "{host}");
        }
        assert!(!open(&[]));
        assert!(!open(&[("host", "localhost"), ("host", "evil.example")]));
    }
}
