//! A folder on a web server or in an object store.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::bucket::Place;
use super::failure::{self, is_missing};
use super::fetch;
use super::listing::Listing;
use super::place::Where;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::transfer::{
    self, Leave, Method, Patience, Progress, Reply, Request, Sink, Trouble, Web, escaped, header, patiently,
    refusal,
};

/// How long a server may say nothing before a request counts as lost.
const SILENCE: Duration = Duration::from_secs(20);

/// Domains of Hugging Face's servers.
const HUB: &[&str] = &["huggingface.co", "hf.co"];

/// The longest file that is read whole into memory: an index of a million chunks has less.
const LONGEST_SMALL: u64 = 256 << 20;

/// The longest page that is searched for links.
const LONGEST_PAGE: u64 = 16 << 20;

/// A folder elsewhere, by its location. Clones share their connections.
#[derive(Clone)]
pub struct RemoteFolder {
    web: Web,
    place: Where,
    /// The location without what is secret about it, and without a slash at its end.
    shown: String,
}

/// Is `text` a location elsewhere rather than a path?
pub fn is_remote(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

impl fmt::Display for RemoteFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl RemoteFolder {
    /// Returns the folder at `location`, e.g. `https://host/path` or `s3://bucket/path`. Nothing is asked yet.
    ///
    /// # Errors
    /// A location of another kind; keys or an endpoint of an object store that are none.
    pub fn open(location: &str) -> Result<Self> {
        let (scheme, rest) = location.split_once("://").unwrap_or(("", location));
        let (place, shown) = match scheme {
            "s3" => (
                Where::Bucket(Box::new(Place::find(rest, Settings::find()?)?)),
                location.to_string(),
            ),
            "http" | "https" => {
                let (base, query) = match location.split_once('?') {
                    Some((base, query)) => (base, Some(query.to_string())),
                    None => (location, None),
                };
                if rest
                    .split('/')
                    .next()
                    .is_none_or(|host| host.is_empty() || host.contains('@'))
                {
                    return Err(Error::input(
                        "an address has the form https://host/path, without names and passwords",
                    ));
                }
                let base = base.trim_end_matches('/').to_string();
                (
                    Where::Server {
                        base: base.clone(),
                        query,
                    },
                    base,
                )
            }
            _ => {
                return Err(
                    Error::input(format!("`{location}` cannot be read: `{scheme}` is not known")).hint(
                        "expected a folder, https://host/path or s3://bucket/path; most other object stores speak \
                         S3 too: set AWS_ENDPOINT_URL to their address",
                    ),
                );
            }
        };
        Ok(RemoteFolder {
            web: Web::new(SILENCE),
            place,
            shown: shown.trim_end_matches('/').to_string(),
        })
    }

    /// Returns the folder `name` in this one.
    pub fn below(&self, name: &str) -> Self {
        let place = match &self.place {
            Where::Bucket(place) => Where::Bucket(Box::new(place.below(name))),
            Where::Server { base, query } => Where::Server {
                base: format!("{base}/{}", escaped(name)),
                query: query.clone(),
            },
        };
        RemoteFolder {
            web: self.web.clone(),
            place,
            shown: format!("{}/{name}", self.shown),
        }
    }

    /// Returns what messages call the file `name` in this folder.
    pub fn name_of(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}/{name}", self.shown))
    }

    /// Returns what lies in it; `None` for a web server, which cannot tell.
    ///
    /// # Errors
    /// The store refuses, or cannot be reached.
    pub fn list(&self, progress: &Progress) -> Result<Option<Listing>> {
        let Where::Bucket(place) = &self.place else {
            return Ok(None);
        };
        let listed = place.list(|address| {
            patiently(Patience::new(), progress, || {
                transfer::text(self.send(Method::Get, address, &[], progress)?)
            })
        });
        listed
            .map(Some)
            .map_err(|trouble| failure::explain(&self.place, &self.shown, trouble))
    }

    /// Returns the folders in it that a web server's own page about it has links to, if it makes such pages.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn linked_folders(&self, progress: &Progress) -> Result<Vec<String>> {
        let page = self.ask(Method::Get, "", &[], progress, |reply| {
            let is_page = header(&reply, "content-type").is_some_and(|kind| kind.starts_with("text/html"));
            let page = if is_page {
                transfer::bytes(reply, LONGEST_PAGE)?
            } else {
                Vec::new()
            };
            Ok(String::from_utf8_lossy(&page).into_owned())
        })?;
        let page = page.unwrap_or_default();
        let links = page
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let plain =
            |name: &&str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '%', '?']);
        let names = links.filter_map(|link| link.trim_start_matches("./").strip_suffix('/'));
        Ok(names.filter(plain).map(str::to_string).collect())
    }

    /// Returns whether there is a file `name`.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub fn has(&self, name: &str, progress: &Progress) -> Result<bool> {
        let asked = self.ask(Method::Head, name, &[], progress, |_| Ok(()))?;
        Ok(asked.is_some())
    }

    /// Returns the contents of a small file; `None` if there is none.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub fn read(&self, name: &str, progress: &Progress) -> Result<Option<Vec<u8>>> {
        self.ask(Method::Get, name, &[], progress, |reply| {
            transfer::bytes(reply, LONGEST_SMALL)
        })
    }

    /// Returns the first `count` bytes of a file, or all it has; `None` if there is none.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub fn beginning(&self, name: &str, count: u64, progress: &Progress) -> Result<Option<Vec<u8>>> {
        let range = [("range", format!("bytes=0-{}", count.saturating_sub(1)))];
        self.ask(Method::Get, name, &range, progress, |reply| {
            let mut bytes = Vec::new();
            // A server that knows no parts sends all of it.
            let body = reply.into_body();
            body.take(count).read_to_end(&mut bytes).map_err(transfer::cut)?;
            Ok(bytes)
        })
    }

    /// Fetches a file of any size into `sink`; false if there is none.
    ///
    /// # Errors
    /// The server refuses or cannot be reached; the sink's errors.
    pub fn fetch(&self, name: &str, sink: &mut impl Sink, progress: &Progress) -> Result<bool> {
        let get = |headers: &[(&str, String)]| {
            self.send(Method::Get, &self.address(Method::Get, name), headers, progress)
        };
        match fetch::fetch(sink, get, progress) {
            Ok(()) => Ok(true),
            Err(Trouble::Refused(refusal)) if is_missing(&refusal) => Ok(false),
            Err(trouble) => Err(self.explain(name, trouble)),
        }
    }

    /// Asks about one file and reads the answer, again if that is worth it; `None` if there is no such file.
    fn ask<T>(
        &self,
        method: Method,
        name: &str,
        headers: &[(&str, String)],
        progress: &Progress,
        read: impl Fn(Reply<'_>) -> Result<T, Trouble>,
    ) -> Result<Option<T>> {
        let asked = patiently(Patience::new(), progress, || {
            read(self.send(method, &self.address(method, name), headers, progress)?)
        });
        match asked {
            Ok(answer) => Ok(Some(answer)),
            Err(Trouble::Refused(refusal)) if is_missing(&refusal) => Ok(None),
            Err(trouble) => Err(self.explain(name, trouble)),
        }
    }

    fn explain(&self, name: &str, trouble: Trouble) -> Error {
        let file = format!("{}/{name}", self.shown);
        failure::explain(&self.place, file.trim_end_matches('/'), trouble)
    }

    fn address(&self, method: Method, name: &str) -> String {
        match &self.place {
            Where::Bucket(place) => place.address(method, name),
            Where::Server { base, query } => {
                let query = query.iter().map(|query| format!("?{query}"));
                format!("{base}/{}{}", escaped(name), query.collect::<String>())
            }
        }
    }

    fn send<'p>(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, String)],
        progress: &'p Progress,
    ) -> Result<Reply<'p>, Trouble> {
        let request = Request {
            body: None,
            method,
            address,
            headers,
            authorization: None,
            leave: match &self.place {
                // A signature holds for one server.
                Where::Bucket(_) => Leave::Never,
                Where::Server { base, .. } if is_on_hub(base) => Leave::Known(HUB),
                Where::Server { .. } => Leave::Known(&[]),
            },
        };
        let reply = self.web.send(&request, progress)?;
        if reply.status().is_redirection() {
            Err(Trouble::Refused(refusal(reply)))
        } else {
            Ok(reply)
        }
    }
}

/// Is the address one of Hugging Face's, which sends on to other servers of its own?
fn is_on_hub(address: &str) -> bool {
    let host = Url::parse(address).ok();
    let host = host.as_ref().and_then(Url::host_str);
    host.is_some_and(|host| HUB.contains(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_told_from_paths() {
        assert!(is_remote("s3://bucket/x") && is_remote("https://host/x") && is_remote("gs://bucket/x"));
        assert!(
            !is_remote("folder/s3://x") && !is_remote("/a/b") && !is_remote("c:/x") && !is_remote("://x")
        );
        let error = RemoteFolder::open("gs://bucket/x").err().expect("refused");
        assert!(error.to_string().contains("AWS_ENDPOINT_URL"), "{error}");
        for wrong in ["http://", "https:///x", "http://me:secret@host/x"] {
            let error = RemoteFolder::open(wrong).err().expect("refused");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn keys_in_an_address_go_with_every_request_and_into_no_message() {
        let folder = RemoteFolder::open("https://host/a/?key=secret").expect("an address");
        let below = folder.below("blocks.0 x");
        assert_eq!(
            below.address(Method::Get, "index.jsonl"),
            "https://host/a/blocks.0%20x/index.jsonl?key=secret"
        );
        assert_eq!(below.to_string(), "https://host/a/blocks.0 x");
    }
}
