//! A place in an object store: signed addresses, and the list of what lies there.

use std::collections::BTreeMap;
use std::time::Duration;

use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, S3Action, UrlStyle};
use url::Url;

use super::listing::Listing;
use super::settings::{Keys, Settings};
use crate::error::{Error, Result};
use crate::transfer::{Method, Trouble};

/// How long a signed address is good for. Each attempt signs its own.
const SIGNED_FOR: Duration = Duration::from_secs(3600);

/// Names in one folder, of files and folders together, that are taken from a store.
const MOST_NAMES: usize = 2_000_000;

/// Pages of a list in a row that bring nothing new. A store may send some, e.g. of what was deleted.
const MOST_EMPTY_PAGES: u32 = 100;

/// Objects whose keys begin with a prefix.
#[derive(Clone)]
pub(super) struct Place {
    bucket: Bucket,
    pub keys: Option<Keys>,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl Place {
    /// Returns the place that `rest`, the location without its scheme, stands for.
    ///
    /// # Errors
    /// No bucket, or an endpoint that is no address.
    pub(super) fn find(rest: &str, settings: Settings) -> Result<Self> {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        if name.is_empty() || prefix.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(Error::input(format!(
                "`s3://{rest}` names no place in an object store; expected s3://bucket/path"
            )));
        }
        let Settings {
            keys,
            region,
            endpoint,
        } = settings;
        let style = if endpoint.is_some() || name.contains('.') {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let endpoint = endpoint.unwrap_or_else(|| {
            let country = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://s3.{region}.amazonaws.com{country}")
        });
        let wrong = |what: String| {
            Error::input(format!("`{endpoint}` is no address of an object store: {what}"))
                .hint("check AWS_ENDPOINT_URL and AWS_REGION; an address begins with http:// or https://")
        };
        let url = Url::parse(&endpoint).map_err(|error| wrong(error.to_string()))?;
        let bucket =
            Bucket::new(url, style, name.to_string(), region).map_err(|error| wrong(error.to_string()))?;
        Ok(Place {
            bucket,
            keys,
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
        })
    }

    /// Returns the place `name` below this one.
    pub(super) fn below(&self, name: &str) -> Self {
        Place {
            prefix: format!("{}{name}/", self.prefix),
            ..self.clone()
        }
    }

    /// Returns a signed address of the object `file` here.
    pub(super) fn address(&self, method: Method, file: &str) -> String {
        let key = format!("{}{file}", self.prefix);
        let credentials = self.keys.as_ref().map(|keys| &keys.credentials);
        let url = match method {
            Method::Get => self.bucket.get_object(credentials, &key).sign(SIGNED_FOR),
            Method::Head => self.bucket.head_object(credentials, &key).sign(SIGNED_FOR),
        };
        url.into()
    }

    /// Returns what lies here, one page of it after another; `ask` gets the text at an address.
    pub(super) fn list(
        &self,
        mut ask: impl FnMut(&str) -> Result<String, Trouble>,
    ) -> Result<Listing, Trouble> {
        let (mut files, mut folders) = (BTreeMap::new(), Vec::new());
        let mut token: Option<String> = None;
        let mut without_news = 0;
        while files.len() + folders.len() <= MOST_NAMES {
            let before = files.len() + folders.len();
            let credentials = self.keys.as_ref().map(|keys| &keys.credentials);
            let mut action = self.bucket.list_objects_v2(credentials);
            action.with_prefix(self.prefix.as_str());
            action.with_delimiter("/");
            if let Some(token) = &token {
                action.with_continuation_token(token.as_str());
            }
            let text = ask(action.sign(SIGNED_FOR).as_str())?;
            let page = ListObjectsV2::parse_response(&text).map_err(|_| Trouble::Foreign)?;
            let bare = |key: &str| key.strip_prefix(&self.prefix).map(str::to_string);
            for object in page.contents {
                if let Some(name) = bare(&object.key).filter(|name| !name.is_empty()) {
                    files.insert(name, object.size);
                }
            }
            let below = page.common_prefixes.iter();
            folders.extend(below.filter_map(|below| bare(below.prefix.trim_end_matches('/'))));
            match page.next_continuation_token {
                // A store that gives the same token again would be asked for ever.
                Some(next) if token.as_ref() == Some(&next) => return Err(Trouble::Foreign),
                Some(next) => token = Some(next),
                None => return Ok(Listing { files, folders }),
            }
            // So would one that always has another page, and nothing on it.
            without_news = if files.len() + folders.len() > before {
                0
            } else {
                without_news + 1
            };
            if without_news > MOST_EMPTY_PAGES {
                return Err(Trouble::Foreign);
            }
        }
        Err(Trouble::Local(Error::run(format!(
            "the object store lists more than {MOST_NAMES} names in one folder, which no cache has"
        ))))
    }
}
