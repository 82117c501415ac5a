//! Single requests to the hub: the token, redirects, and the headers that matter.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use super::cache::is_name;
use super::retry::{Refusal, Trouble};
use super::settings::{self, HubSettings, Token};

/// Redirects followed before it counts as a circle.
const MOST_REDIRECTS: usize = 8;

/// The longest answer that is read as text.
const LONGEST_TEXT: u64 = 512 << 20;

/// Talks to one hub. Clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    pub(super) endpoint: String,
    pub(super) token: Option<Token>,
}

/// What the hub says about a file before it is fetched.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// The commit that the asked-for revision stands for.
    pub commit: String,
    /// Names the contents.
    pub etag: String,
    /// Bytes.
    pub size: Option<u64>,
    /// The contents come from another server, whose own ETag is another one.
    pub elsewhere: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token stays out of logs.
        write!(formatter, "Client({})", self.endpoint)
    }
}

impl Client {
    /// A client for the hub that the settings name.
    pub(super) fn new(settings: &HubSettings) -> Self {
        let silence = settings::silence();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(silence))
            .timeout_recv_response(Some(silence * 3))
            .timeout_per_read(Some(silence))
            // A compressed answer would have another length than the file.
            .accept_encoding("identity")
            .user_agent(concat!("saescript/", env!("CARGO_PKG_VERSION")))
            .build();
        Client {
            agent: config.into(),
            endpoint: settings.endpoint(),
            token: settings.token(),
        }
    }

    /// Asks about the file at `address`.
    pub(super) fn metadata(&self, address: &str) -> Result<Metadata, Trouble> {
        let reply = self.send(Method::Head, address, &[], false)?;
        let elsewhere = reply.status().is_redirection();
        let size = match elsewhere {
            true => header(&reply, "x-linked-size"),
            false => header(&reply, "x-linked-size").or_else(|| header(&reply, "content-length")),
        };
        let etag = header(&reply, "x-linked-etag").or_else(|| header(&reply, "etag"));
        let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_string());
        let commit = header(&reply, "x-repo-commit");
        match (
            commit.filter(|name| is_name(name)),
            etag.filter(|name| is_name(name)),
        ) {
            (Some(commit), Some(etag)) => Ok(Metadata {
                commit,
                etag,
                size: size.and_then(|text| text.parse().ok()),
                elsewhere,
            }),
            _ => Err(Trouble::NoHub),
        }
    }

    /// The contents at `address`, from wherever the hub sends us.
    pub(super) fn get(&self, address: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Trouble> {
        self.send(Method::Get, address, headers, true)
    }

    /// The text at `address`.
    pub(super) fn text(&self, address: &str) -> Result<String, Trouble> {
        let reply = self.get(address, &[])?;
        let mut text = String::new();
        let body = reply.into_body().into_reader();
        match body.take(LONGEST_TEXT).read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(Trouble::Broken(error.to_string())),
        }
    }

    /// Sends one request and follows redirects; to another server only if `leave`. The token goes to the hub alone.
    fn send(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, String)],
        leave: bool,
    ) -> Result<Response<Body>, Trouble> {
        let mut address = address.to_string();
        for _ in 0..MOST_REDIRECTS {
            let at_home = origin(&address) == origin(&self.endpoint);
            let mut request = match method {
                Method::Get => self.agent.get(&address),
                Method::Head => self.agent.head(&address),
            };
            if let Some(token) = self.token.as_ref().filter(|_| at_home) {
                request = request.header("authorization", format!("Bearer {}", token.secret));
            }
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            let reply = request.call().map_err(|error| broken(&error))?;
            if !reply.status().is_redirection() {
                return match reply.status().as_u16() {
                    200..=299 => Ok(reply),
                    status => Err(Trouble::Refused(refusal(status, &reply))),
                };
            }
            let Some(target) = header(&reply, "location") else {
                return Err(Trouble::Broken("a redirect leads nowhere".into()));
            };
            let next = resolve(&address, &target);
            if !leave && origin(&next) != origin(&address) {
                return Ok(reply);
            }
            address = next;
        }
        Err(Trouble::Broken(format!("more than {MOST_REDIRECTS} redirects")))
    }
}

fn broken(error: &ureq::Error) -> Trouble {
    Trouble::Broken(match error {
        ureq::Error::HostNotFound => "the host is not known; is the network up?".into(),
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    })
}

fn refusal(status: u16, reply: &Response<Body>) -> Refusal {
    // `Retry-After: 5`, or the hub's own `RateLimit: "resolvers";r=0;t=143`.
    let seconds = header(reply, "retry-after").or_else(|| {
        let limit = header(reply, "ratelimit")?;
        let parts = limit.split(';');
        parts
            .filter_map(|part| part.trim().strip_prefix("t=").map(str::to_string))
            .next()
    });
    Refusal {
        status,
        code: header(reply, "x-error-code"),
        message: header(reply, "x-error-message"),
        wait: seconds
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs),
        commit: header(reply, "x-repo-commit").filter(|name| is_name(name)),
    }
}

/// The text of a header.
pub(super) fn header(reply: &Response<Body>, name: &str) -> Option<String> {
    Some(reply.headers().get(name)?.to_str().ok()?.to_string())
}

/// Scheme and host of an address, which tell one server from another.
fn origin(address: &str) -> &str {
    let after_scheme = address.find("://").map_or(0, |at| at + 3);
    let end = address[after_scheme..].find(['/', '?', '#']);
    &address[..end.map_or(address.len(), |end| after_scheme + end)]
}

/// What `target` means on the page `address`.
fn resolve(address: &str, target: &str) -> String {
    if target.contains("://") {
        target.to_string()
    } else if target.starts_with("//") {
        let scheme = address.split("//").next().unwrap_or("https:");
        format!("{scheme}{target}")
    } else if target.starts_with('/') {
        format!("{}{target}", origin(address))
    } else {
        let page = address.split(['?', '#']).next().unwrap_or(address);
        let folder = page.rsplit_once('/').map_or(page, |(folder, _)| folder);
        format!("{folder}/{target}")
    }
}

/// A path with everything that has a meaning of its own in addresses written as `%XX`; slashes stay.
pub(super) fn escaped(path: &str) -> String {
    let mut address = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                address.push(char::from(byte));
            }
            other => address.push_str(&format!("%{other:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_read_as_browsers_read_them() {
        let page = "https://hub.co:8080/a/b?x=1";
        for (target, meant) in [
            ("http://cdn.net/z", "http://cdn.net/z"),
            ("//cdn.net/z", "https://cdn.net/z"),
            ("/z", "https://hub.co:8080/z"),
            ("z", "https://hub.co:8080/a/z"),
        ] {
            assert_eq!(resolve(page, target), meant);
        }
        assert_eq!(origin("https://hub.co/a"), origin("https://hub.co"));
        assert_ne!(origin("https://hub.co/a"), origin("http://hub.co/a"));
        assert_ne!(origin("https://hub.co.evil.net/a"), origin("https://hub.co/a"));
    }

    #[test]
    fn names_with_blanks_and_signs_are_escaped() {
        assert_eq!(escaped("data/a b#1%.txt"), "data/a%20b%231%25.txt");
    }
}
