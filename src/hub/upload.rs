//! Commits to a repository of the hub: files of a few MB, as `huggingface_hub` sends them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::names::check_id;
use super::request::Client;
use super::settings::HubSettings;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::transfer::{Progress, Refusal, Trouble};

/// Larger files would have to go another way.
const LARGEST_FILE: usize = 10 << 20;

/// A commit to be made.
#[derive(Debug)]
pub struct Upload<'a> {
    /// `ORG/REPO`, a repository of models, which is made where it is missing.
    pub id: &'a str,
    /// The first line of the commit's message.
    pub summary: String,
    /// All that the repository shall have, by path.
    pub files: Vec<(&'a str, &'a [u8])>,
    /// Paths that it has and shall not have any more.
    pub removed: Vec<String>,
    /// A name for the commit.
    pub tag: String,
}

impl Upload<'_> {
    /// Makes the commit on `main` and gives it its tag.
    ///
    /// # Errors
    /// There is no token or it does not allow that; the hub cannot be reached; a file is too large.
    pub fn send(&self, settings: &HubSettings, context: &RunContext) -> Result<()> {
        check_id(self.id)?;
        if settings.is_offline() {
            return Err(
                Error::input(format!("cannot publish `{}` while offline", self.id))
                    .hint("unset HF_HUB_OFFLINE"),
            );
        }
        let client = Client::new(settings);
        if client.token.is_none() {
            return Err(Error::input(format!("publishing `{}` needs a token", self.id))
                .hint("make one that may write at the hub, and set HF_TOKEN"));
        }
        let progress = Progress::default();
        context
            .events
            .note(format!("sending `{}` to {}", self.id, client.endpoint))?;
        self.make_repository(&client, &progress)?;
        let address = format!("{}/api/models/{}/commit/main", client.endpoint, self.id);
        self.post(
            &client,
            &address,
            "application/x-ndjson",
            self.lines()?.as_bytes(),
            &progress,
        )?;
        let address = format!("{}/api/models/{}/tag/main", client.endpoint, self.id);
        let tag = json!({ "tag": self.tag }).to_string();
        self.post(&client, &address, "application/json", tag.as_bytes(), &progress)
    }

    /// Makes the repository; one that is there already will do.
    fn make_repository(&self, client: &Client, progress: &Progress) -> Result<()> {
        let (organisation, name) = match self.id.split_once('/') {
            Some((organisation, name)) => (json!(organisation), name),
            None => (Value::Null, self.id),
        };
        let wanted = json!({ "type": "model", "name": name, "organization": organisation });
        let address = format!("{}/api/repos/create", client.endpoint);
        match client.post(
            &address,
            "application/json",
            wanted.to_string().as_bytes(),
            progress,
        ) {
            Err(Trouble::Refused(refusal)) if refusal.status == 409 => Ok(()),
            Err(trouble) => Err(self.explain(client, trouble)),
            Ok(_) => Ok(()),
        }
    }

    fn post(
        &self,
        client: &Client,
        address: &str,
        kind: &str,
        body: &[u8],
        progress: &Progress,
    ) -> Result<()> {
        match client.post(address, kind, body, progress) {
            Ok(_) => Ok(()),
            Err(trouble) => Err(self.explain(client, trouble)),
        }
    }

    /// Returns the commit as the hub reads it, a line for each of its parts.
    fn lines(&self) -> Result<String> {
        let mut lines = vec![json!({"key": "header", "value": {"summary": self.summary, "description": ""}})];
        for path in &self.removed {
            lines.push(json!({"key": "deletedFile", "value": {"path": path}}));
        }
        for (path, bytes) in &self.files {
            if bytes.len() > LARGEST_FILE {
                return Err(Error::input(format!(
                    "`{path}` has {} MB; a file of a published library has at most {}",
                    bytes.len() >> 20,
                    LARGEST_FILE >> 20
                ))
                .hint("leave it out, or have the library fetch it when it is needed"));
            }
            let value = json!({"path": path, "encoding": "base64", "content": STANDARD.encode(bytes)});
            lines.push(json!({"key": "file", "value": value}));
        }
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }

    fn explain(&self, client: &Client, trouble: Trouble) -> Error {
        let (id, endpoint) = (self.id, &client.endpoint);
        let refused = |refusal: &Refusal| match refusal.status {
            401 | 403 => Error::input(format!("{endpoint} does not let this token write to `{id}`"))
                .hint("make a token that may write to that repository, and set HF_TOKEN"),
            status => Error::run(format!("{endpoint} refuses to take `{id}`: status {status}")),
        };
        match trouble {
            Trouble::Local(error) => error,
            Trouble::Refused(refusal) => refused(&refusal),
            Trouble::Broken(why) | Trouble::Corrupt(why) => {
                Error::run(format!("cannot publish `{id}` at {endpoint}: {why}"))
                    .hint("nothing is published by halves: try again")
            }
            Trouble::Foreign => Error::run(format!("{endpoint} does not answer like a hub")),
        }
    }
}
