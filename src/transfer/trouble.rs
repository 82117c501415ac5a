//! What can go wrong with one request.

use std::time::Duration;

use ureq::http::HeaderMap;

use crate::error::Error;

/// Why one attempt came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// The server answered with an error.
    Refused(Refusal),
    /// There was no answer, or it broke off.
    Broken(String),
    /// Whoever answered is not the kind of server that was asked.
    Foreign,
    /// What arrived is not what was announced.
    Corrupt(String),
    /// It is decided on this machine: disk full, interrupted, a redirect that is not followed.
    Local(Error),
}

/// An answer that is an error.
#[derive(Debug, Default)]
pub struct Refusal {
    /// The status, e.g. 404.
    pub status: u16,
    /// Its headers.
    pub headers: Box<HeaderMap>,
    /// The beginning of its text.
    pub body: String,
}

impl Refusal {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long to wait, if the server says so: `Retry-After: 5`, or a hub's `RateLimit: "resolvers";r=0;t=143`.
    pub fn wait(&self) -> Option<Duration> {
        let seconds = self.header("retry-after").or_else(|| {
            let parts = self.header("ratelimit")?.split(';');
            parts.filter_map(|part| part.trim().strip_prefix("t=")).next()
        });
        seconds?.trim().parse().ok().map(Duration::from_secs)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Local(error)
    }
}

impl Trouble {
    /// Could the same request succeed a little later?
    pub fn may_pass(&self) -> bool {
        match self {
            Trouble::Refused(refusal) => matches!(refusal.status, 408 | 429 | 500 | 502 | 503 | 504),
            Trouble::Broken(_) | Trouble::Corrupt(_) => true,
            Trouble::Foreign | Trouble::Local(_) => false,
        }
    }

    /// Does it say nothing about the file, so that a copy in the cache may be used instead?
    pub fn is_outage(&self) -> bool {
        match self {
            Trouble::Foreign => true,
            Trouble::Corrupt(_) => false,
            trouble => trouble.may_pass(),
        }
    }

    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Trouble::Refused(refusal) => refusal.wait(),
            _ => None,
        }
    }
}
