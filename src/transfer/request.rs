//! Single requests: redirects, the headers that matter, and answers that are errors.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;
use url::Url;

use super::body::{self, Call, Method, Reply};
use super::progress::Progress;
use super::redirect::{self, Leave, PublicOnly};
use super::trouble::{Refusal, Trouble};
use crate::error::Error;

/// Redirects followed before it counts as a circle.
const MOST_REDIRECTS: usize = 8;

/// The longest answer that is read as text: a hub's list of a million files has less.
const LONGEST_TEXT: u64 = 256 << 20;

/// So much of an answer that is an error is read.
const LONGEST_EXCUSE: u64 = 16 << 10;

/// Talks to servers. Clones share their connections.
#[derive(Clone)]
pub struct Web {
    agent: Agent,
    /// Connects to no private address.
    public: Agent,
    silence: Duration,
}

/// One request.
pub struct Request<'a> {
    /// What is asked.
    pub method: Method,
    /// The whole address.
    pub address: &'a str,
    /// Headers for whoever answers.
    pub headers: &'a [(&'a str, String)],
    /// What is sent, by POST whatever the method.
    pub body: Option<&'a [u8]>,
    /// A server (scheme and host) and the `authorization` that is for it alone.
    pub authorization: Option<(&'a str, String)>,
    /// Where redirects may lead; those on the same server are always followed.
    pub leave: Leave,
}

impl Web {
    /// Builds a client; `silence` is how long a server may say nothing before a request counts as lost.
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
        Web {
            agent: config.clone().into(),
            public: Agent::with_parts(config, DefaultConnector::default(), PublicOnly::default()),
            silence,
        }
    }

    /// Sends one request and follows redirects. A redirect that is not followed is an answer like others, if
    /// [`Leave::Never`] says so.
    ///
    /// # Errors
    /// No answer, or one with the status of an error; a redirect to where none may lead; work that shall end.
    pub fn send<'p>(&self, request: &Request<'_>, progress: &'p Progress) -> Result<Reply<'p>, Trouble> {
        let asked = parsed(request.address)?;
        let mut address = asked.clone();
        for _ in 0..MOST_REDIRECTS {
            let reply = self.call(request, &asked, &address, progress)?;
            if !reply.status().is_redirection() {
                return match reply.status().as_u16() {
                    200..=299 => Ok(reply),
                    _ => Err(Trouble::Refused(refusal(reply))),
                };
            }
            let Some(target) = header(&reply, "location") else {
                return match request.leave {
                    Leave::Never => Ok(reply),
                    Leave::Known(_) => Err(Trouble::Broken("a redirect leads nowhere".into())),
                };
            };
            match redirect::next(&asked, &address, &target, request.leave)? {
                Some(next) => address = next,
                None => return Ok(reply),
            }
        }
        Err(Trouble::Broken(format!("more than {MOST_REDIRECTS} redirects")))
    }

    /// Asks at `address`, to which `asked` led.
    fn call<'p>(
        &self,
        request: &Request<'_>,
        asked: &Url,
        address: &Url,
        progress: &'p Progress,
    ) -> Result<Reply<'p>, Trouble> {
        let given = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()));
        let mut headers: Vec<(String, String)> = given.collect();
        if let Some((server, value)) = &request.authorization
            && parsed(server)?.origin() == address.origin()
        {
            headers.push(("authorization".into(), value.clone()));
        }
        // Whoever was asked first was the user's own choice, wherever it is.
        let elsewhere = (asked.host() != address.host()).then(|| (asked.clone(), self.public.clone()));
        let call = Call {
            agent: self.agent.clone(),
            elsewhere,
            method: request.method,
            address: address.to_string(),
            headers,
            body: request.body.map(<[u8]>::to_vec),
            patience: self.silence * 3,
        };
        body::start(call, progress)
    }
}

fn parsed(address: &str) -> Result<Url, Trouble> {
    Url::parse(address)
        .map_err(|error| Trouble::Local(Error::input(format!("`{address}` is no address: {error}"))))
}

/// Returns the text of an answer.
///
/// # Errors
/// It breaks off, is longer than any text that is asked for, or is no text.
pub fn text(reply: Reply<'_>) -> Result<String, Trouble> {
    let bytes = bytes(reply, LONGEST_TEXT)?;
    String::from_utf8(bytes).map_err(|_| Trouble::Broken("the answer is not UTF-8 text".into()))
}

/// Returns the bytes of an answer, at most `most` of them.
///
/// # Errors
/// It breaks off, or is longer.
pub fn bytes(reply: Reply<'_>, most: u64) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let body = reply.into_body();
    body.take(most + 1).read_to_end(&mut bytes).map_err(body::cut)?;
    if bytes.len() as u64 > most {
        Err(Trouble::Local(Error::run(format!(
            "the server's answer is longer than {} MB, which no such file is",
            most >> 20
        ))))
    } else {
        Ok(bytes)
    }
}

/// Returns an answer that is taken for an error.
pub fn refusal(reply: Reply<'_>) -> Refusal {
    let (head, body) = reply.into_parts();
    let mut excuse = Vec::new();
    // What it says beside the status is welcome, not needed.
    let _ = body.take(LONGEST_EXCUSE).read_to_end(&mut excuse);
    Refusal {
        status: head.status.as_u16(),
        headers: Box::new(head.headers),
        body: String::from_utf8_lossy(&excuse).into_owned(),
    }
}

/// Returns the text of a header.
pub fn header(reply: &Reply<'_>, name: &str) -> Option<String> {
    Some(reply.headers().get(name)?.to_str().ok()?.to_string())
}

/// Returns a path with everything that has a meaning of its own in addresses written as `%XX`; slashes stay.
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
    fn names_with_blanks_and_signs_are_escaped() {
        assert_eq!(escaped("data/a b#1%.txt"), "data/a%20b%231%25.txt");
    }
}
