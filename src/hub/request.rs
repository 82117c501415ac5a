//! Single requests to the hub: the token, redirects, and the headers that matter.

use std::fmt;

use super::cache::is_name;
use super::settings::{self, HubSettings, Token};
use crate::transfer::{self, Leave, Method, Progress, Reply, Request, Trouble, Web, header};

/// Domains of the servers from which Hugging Face's hub has large files sent. A hub of another name may send there too.
const ELSEWHERE: &[&str] = &["huggingface.co", "hf.co"];

/// Talks to one hub. Clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    web: Web,
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

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token stays out of logs.
        write!(formatter, "Client({})", self.endpoint)
    }
}

impl Client {
    /// Returns a client for the hub that the settings name.
    pub(super) fn new(settings: &HubSettings) -> Self {
        Client {
            web: Web::new(settings::silence()),
            endpoint: settings.endpoint(),
            token: settings.token(),
        }
    }

    /// Asks about the file at `address`.
    pub(super) fn metadata(&self, address: &str, progress: &Progress) -> Result<Metadata, Trouble> {
        let reply = self.send(Method::Head, address, &[], Leave::Never, progress)?;
        let elsewhere = reply.status().is_redirection();
        let size = if elsewhere {
            header(&reply, "x-linked-size")
        } else {
            header(&reply, "x-linked-size").or_else(|| header(&reply, "content-length"))
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
            _ => Err(Trouble::Foreign),
        }
    }

    /// Returns the contents at `address`, from wherever the hub sends us.
    pub(super) fn get<'p>(
        &self,
        address: &str,
        headers: &[(&str, String)],
        progress: &'p Progress,
    ) -> Result<Reply<'p>, Trouble> {
        self.send(Method::Get, address, headers, Leave::Known(ELSEWHERE), progress)
    }

    /// Returns the text at `address`.
    pub(super) fn text(&self, address: &str, progress: &Progress) -> Result<String, Trouble> {
        transfer::text(self.get(address, &[], progress)?)
    }

    /// Sends one request and follows redirects; to another server as `leave` says. The token goes to the hub alone.
    fn send<'p>(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, String)],
        leave: Leave,
        progress: &'p Progress,
    ) -> Result<Reply<'p>, Trouble> {
        let request = Request {
            method,
            address,
            headers,
            body: None,
            authorization: self.authorization(),
            leave,
        };
        self.web.send(&request, progress)
    }

    /// Sends `body` to `address`, and returns the text of the answer. It is never redirected.
    pub(super) fn post(
        &self,
        address: &str,
        kind: &str,
        body: &[u8],
        progress: &Progress,
    ) -> Result<String, Trouble> {
        let request = Request {
            method: Method::Get,
            address,
            headers: &[("content-type", kind.to_string())],
            body: Some(body),
            authorization: self.authorization(),
            leave: Leave::Never,
        };
        transfer::text(self.web.send(&request, progress)?)
    }

    /// Returns the token, for the hub alone.
    fn authorization(&self) -> Option<(&str, String)> {
        let token = self.token.as_ref()?;
        Some((self.endpoint.as_str(), format!("Bearer {}", token.secret)))
    }
}
