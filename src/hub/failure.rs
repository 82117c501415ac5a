//! What went wrong between here and the hub, in words.

use super::cache::is_name;
use super::request::Client;
use crate::error::Error;
use crate::transfer::{Refusal, Trouble};

/// What was asked for.
pub(super) struct Subject<'a> {
    /// `organisation/name`.
    pub id: &'a str,
    /// The repository's address for people.
    pub page: String,
    pub revision: &'a str,
    /// A file of it, or its list of files.
    pub file: Option<&'a str>,
    pub client: &'a Client,
}

const KEPT: &str = "what was downloaded is kept and continued";

/// The header that tells why: `RepoNotFound`, `EntryNotFound`, `RevisionNotFound`, `GatedRepo`.
const CODE: &str = "x-error-code";

/// Returns whether the repository and the revision exist, but not the file.
pub(super) fn means_no_file(refusal: &Refusal) -> bool {
    refusal.status == 404 && !matches!(refusal.header(CODE), Some("RepoNotFound" | "RevisionNotFound"))
}

/// Returns the commit in which a missing file is missing.
pub(super) fn commit_of(refusal: &Refusal) -> Option<String> {
    let commit = refusal.header("x-repo-commit")?;
    is_name(commit).then(|| commit.to_string())
}

impl Subject<'_> {
    /// Puts the trouble into words.
    pub(super) fn explain(&self, trouble: Trouble) -> Error {
        let id = self.id;
        let what = match self.file {
            Some(file) => format!("`{file}` of `{id}`"),
            None => format!("the list of files of `{id}`"),
        };
        match trouble {
            Trouble::Local(error) => error,
            Trouble::Refused(refusal) => self.refused(&refusal, &what),
            Trouble::Broken(why) => Error::run(format!(
                "cannot download {what} from {}: {why}",
                self.client.endpoint
            ))
            .hint(format!(
                "check the network; {KEPT}. HF_HUB_OFFLINE=1 uses the cache only"
            )),
            Trouble::Foreign => Error::run(format!(
                "cannot download {what}: {} does not answer like a hub",
                self.client.endpoint
            ))
            .hint("check HF_ENDPOINT; a proxy or a log-in page of the network may have answered instead"),
            Trouble::Corrupt(why) => Error::run(format!("{what} arrives damaged from {}: {why}", self.client.endpoint))
                .hint("nothing of it was used; try again later, and if a proxy or a mirror (HF_ENDPOINT) stands in between, try without"),
        }
    }

    fn refused(&self, refusal: &Refusal, what: &str) -> Error {
        let id = self.id;
        let message = refusal.header("x-error-message").unwrap_or_default();
        match (refusal.status, refusal.header(CODE)) {
            (401 | 403, Some("GatedRepo")) => self.gated(),
            (401, _) if message.contains("Invalid credentials") => self.bad_token(),
            (404, Some("RevisionNotFound")) => {
                Error::input(format!("`{id}` has no revision `{}` on the hub", self.revision))
                    .hint(format!("its branches, tags and commits: {}/commits", self.page))
            }
            (401, _) | (404, Some("RepoNotFound")) => self.no_repository(),
            (403, _) => Error::input(format!("the hub refuses {what}{}", quoted(message))).hint(match &self
                .client
                .token
            {
                Some(token) => format!("the token from {} may not read it; {TOKENS}", token.source),
                None => TOKEN.to_string(),
            }),
            (404, _) => Error::input(format!("the repository has no such file: {what}"))
                .hint(format!("its files: {}/tree/{}", self.page, self.revision)),
            (429, _) => Error::run(format!("the hub asks to wait: too many requests for {what}")).hint(
                match (&self.client.token, refusal.wait()) {
                    (_, Some(wait)) => format!("it said for how long: {} s; {KEPT}", wait.as_secs()),
                    (Some(_), None) => format!("try again in a few minutes; {KEPT}"),
                    (None, None) => {
                        format!("try again in a few minutes; {KEPT}. With HF_TOKEN the limit is higher")
                    }
                },
            ),
            (status, _) => Error::run(format!("the hub answered {status} for {what}{}", quoted(message)))
                .hint(format!("try again later; {KEPT}")),
        }
    }

    fn gated(&self) -> Error {
        let error = Error::input(format!(
            "`{}` is gated: its owners grant access to accounts",
            self.id
        ));
        let page = &self.page;
        match &self.client.token {
            None => error
                .hint(format!("log in and ask for access at {page}"))
                .hint(TOKEN),
            Some(token) => error.hint(format!(
                "the account of the token from {} has no access yet: ask for it at {page}, and for a fine-grained \
                 token allow \"read access to public gated repositories\"",
                token.source
            )),
        }
    }

    fn bad_token(&self) -> Error {
        let source = self
            .client
            .token
            .as_ref()
            .map_or("HF_TOKEN", |token| &token.source);
        Error::input(format!("the hub does not accept the token from {source}"))
            .hint(format!("it may be expired or cut short; {TOKENS}"))
    }

    fn no_repository(&self) -> Error {
        let error = Error::input(format!(
            "`{}` is not on the hub {}, or it is private",
            self.id, self.client.endpoint
        ))
        .hint("check the spelling; ids look like `EleutherAI/pythia-160m`");
        match &self.client.token {
            None => error.hint(format!("if it is private: {TOKEN}")),
            Some(token) => error.hint(format!(
                "if it is private, the token from {} must belong to an account that sees it",
                token.source
            )),
        }
    }
}

const TOKENS: &str = "tokens are made at https://huggingface.co/settings/tokens";
const TOKEN: &str = "set HF_TOKEN to a token with read access (https://huggingface.co/settings/tokens), or run `hf auth login`";

fn quoted(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": \"{message}\"")
    }
}
