//! Single requests: redirects, the headers that matter, and answers that are errors.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;

use super::retry::{Refusal, Trouble};

/// Redirects followed before it counts as a circle.
const MOST_REDIRECTS: usize = 8;

/// The longest answer that is read as text.
const LONGEST_TEXT: u64 = 512 << 20;

/// So much of an answer that is an error is read.
const LONGEST_EXCUSE: u64 = 16 << 10;

/// An answer: its status and headers, and its body to be read.
pub type Reply = ureq::http::Response<ureq::Body>;

/// Talks to servers. Clones share their connections.
#[derive(Clone)]
pub struct Web(Agent);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// For the contents.
    Get,
    /// For the headers alone.
    Head,
}

/// One request.
pub struct Request<'a> {
    /// What is asked.
    pub method: Method,
    /// The whole address.
    pub address: &'a str,
    /// Headers for whoever answers.
    pub headers: &'a [(&'a str, String)],
    /// A server (scheme and host) and the `authorization` that is for it alone.
    pub authorization: Option<(&'a str, String)>,
    /// Whether redirects to other servers are followed; those on the same server always are.
    pub leave: bool,
}

impl Web {
    /// `silence` is how long a server may say nothing before a request counts as lost.
    pub fn new(silence: Duration) -> Self {
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
        Web(config.into())
    }

    /// Sends one request and follows redirects. A redirect that is not followed is an answer like others.
    ///
    /// # Errors
    /// No answer, or one with the status of an error.
    pub fn send(&self, request: &Request<'_>) -> Result<Reply, Trouble> {
        let mut address = request.address.to_string();
        for _ in 0..MOST_REDIRECTS {
            let mut sent = match request.method {
                Method::Get => self.0.get(&address),
                Method::Head => self.0.head(&address),
            };
            if let Some((server, value)) = &request.authorization
                && origin(&address) == origin(server)
            {
                sent = sent.header("authorization", value);
            }
            for (name, value) in request.headers {
                sent = sent.header(*name, value);
            }
            let reply = sent.call().map_err(|error| broken(&error))?;
            if !reply.status().is_redirection() {
                return match reply.status().as_u16() {
                    200..=299 => Ok(reply),
                    _ => Err(Trouble::Refused(refusal(reply))),
                };
            }
            let Some(target) = header(&reply, "location") else {
                return match request.leave {
                    true => Err(Trouble::Broken("a redirect leads nowhere".into())),
                    false => Ok(reply),
                };
            };
            let next = resolve(&address, &target);
            if !request.leave && origin(&next) != origin(&address) {
                return Ok(reply);
            }
            address = next;
        }
        Err(Trouble::Broken(format!("more than {MOST_REDIRECTS} redirects")))
    }
}

/// The text of an answer.
///
/// # Errors
/// It breaks off.
pub fn text(reply: Reply) -> Result<String, Trouble> {
    let mut text = String::new();
    let body = reply.into_body().into_reader();
    match body.take(LONGEST_TEXT).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Trouble::Broken(error.to_string())),
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

/// An answer that is taken for an error.
pub fn refusal(reply: Reply) -> Refusal {
    let (head, body) = reply.into_parts();
    let mut excuse = Vec::new();
    // What it says beside the status is welcome, not needed.
    let _ = body.into_reader().take(LONGEST_EXCUSE).read_to_end(&mut excuse);
    Refusal {
        status: head.status.as_u16(),
        headers: Box::new(head.headers),
        body: String::from_utf8_lossy(&excuse).into_owned(),
    }
}

/// The text of a header.
pub fn header(reply: &Reply, name: &str) -> Option<String> {
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
pub fn escaped(path: &str) -> String {
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
