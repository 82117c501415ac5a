//! A server with the files of caches: as a plain web server, and as an object store that checks signatures.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};

use crate::web::{Fault, Reply, Request, hex, serve};

/// Bucket, region and keys of the object store.
pub const BUCKET: &str = "lab";
pub const REGION: &str = "eu-test-1";
pub const KEY: &str = "AKIDTEST";
pub const SECRET: &str = "s3cr3t/with+signs";

/// How the server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A web server that sends parts of files.
    Web,
    /// One that knows neither parts nor ETags.
    Simple,
    /// An object store for those with the keys.
    Store,
    /// An object store for everyone.
    PublicStore,
}

struct State {
    kind: Kind,
    /// By path, or by key in an object store.
    files: BTreeMap<String, Vec<u8>>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    answers: BTreeMap<String, VecDeque<(u16, String)>>,
    requests: Vec<Request>,
}

/// The server. It ends with the test's process.
#[derive(Clone)]
pub struct Files {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Files {
    pub fn start(kind: Kind) -> Files {
        let state = Arc::new(Mutex::new(State {
            kind,
            files: BTreeMap::new(),
            faults: BTreeMap::new(),
            answers: BTreeMap::new(),
            requests: Vec::new(),
        }));
        let answering = state.clone();
        let address = serve("files", move |request| {
            let mut state = answering.lock().expect("no thread panicked");
            state.requests.push(request.clone());
            state.answer(request)
        });
        Files { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked")
    }

    /// Puts every file below `folder` under `name/`.
    pub fn upload(&self, folder: &Path, name: &str) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let last = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                self.upload(&path, &format!("{name}/{last}"))
            } else {
                self.put(&format!("{name}/{last}"), std::fs::read(&path).expect("readable"))
            }
        }
    }

    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        self.state().files.insert(path.to_string(), bytes);
    }

    pub fn remove(&self, path: &str) {
        self.state().files.remove(path).expect("was there");
    }

    /// Changes the bytes of a file.
    pub fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.state().files.get_mut(path).expect("was there"));
    }

    /// Something goes wrong the next time the body of the file is sent; several are taken in turn.
    pub fn break_next(&self, path: &str, fault: Fault) {
        let mut state = self.state();
        state.faults.entry(path.to_string()).or_default().push_back(fault);
    }

    /// The next request for the file gets this status and these further headers (each with `\r\n` at its end).
    pub fn answer_next(&self, path: &str, status: u16, headers: &str) {
        let mut state = self.state();
        let answers = state.answers.entry(path.to_string()).or_default();
        answers.push_back((status, headers.to_string()));
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = path.trim_start_matches('/').replace("%20", " ");
        let key = match self.kind {
            Kind::Web | Kind::Simple => path,
            Kind::Store | Kind::PublicStore => {
                if let Some(refused) = self.refused(request, query) {
                    return refused;
                }
                let Some((BUCKET, key)) = path.split_once('/') else {
                    return said(404, "NoSuchBucket");
                };
                if key.is_empty() {
                    return self.listing(query);
                }
                key.to_string()
            }
        };
        if let Some((status, headers)) = self.answers.get_mut(&key).and_then(VecDeque::pop_front) {
            return Reply::new(status, headers);
        }
        let Some(bytes) = self.files.get(&key) else {
            return match self.kind {
                Kind::Store | Kind::PublicStore => said(404, "NoSuchKey"),
                Kind::Web if key.ends_with('/') || key.is_empty() => self.page(&key),
                Kind::Web | Kind::Simple => Reply::new(404, ""),
            };
        };
        let mut reply = match self.kind {
            Kind::Simple => {
                let mut reply = Reply::new(200, "");
                reply.body = bytes.clone();
                reply
            }
            _ => {
                let etag = format!("\"{}\"", &hex(&Sha256::digest(bytes))[..32]);
                Reply::part(request, bytes, Some(&etag), format!("ETag: {etag}\r\n"))
            }
        };
        if request.method == "GET" {
            reply.fault = self.faults.get_mut(&key).and_then(VecDeque::pop_front);
        }
        reply
    }

    /// A page with a link to each folder, as web servers make them.
    fn page(&self, folder: &str) -> Reply {
        let below = self
            .files
            .keys()
            .filter_map(|key| key.strip_prefix(folder)?.split_once('/'));
        let names: BTreeSet<&str> = below.map(|(name, _)| name).collect();
        let links: Vec<String> = names
            .iter()
            .map(|name| format!("<a href=\"{name}/\">{name}/</a>"))
            .collect();
        let mut reply = Reply::new(200, "Content-Type: text/html\r\n");
        reply.body = format!("<html><a href=\"../\">../</a>{}</html>", links.join("\n")).into_bytes();
        reply
    }

    /// ListObjectsV2, at most three names a page.
    fn listing(&self, query: &str) -> Reply {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.replace("%2F", "/").replace("%20", " "))
        };
        assert_eq!(value("list-type").as_deref(), Some("2"));
        let prefix = value("prefix").unwrap_or_default();
        let after = value("continuation-token").unwrap_or_default();
        let names: BTreeSet<String> = self
            .files
            .keys()
            .filter_map(|key| {
                let rest = key.strip_prefix(&prefix)?;
                Some(match rest.split_once('/') {
                    Some((folder, _)) => format!("{prefix}{folder}/"),
                    None => key.clone(),
                })
            })
            .filter(|name| *name > after)
            .collect();
        let page: Vec<&String> = names.iter().take(3).collect();
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        );
        for name in &page {
            match self.files.get(*name) {
                Some(bytes) => write!(
                    text,
                    "<Contents><Key>{name}</Key><ETag>\"x\"</ETag><Size>{}</Size></Contents>",
                    bytes.len()
                ),
                None => write!(text, "<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            }
            .expect("a string");
        }
        let more = names.len() > page.len();
        write!(text, "<IsTruncated>{more}</IsTruncated>").expect("a string");
        if let Some(last) = page.last().filter(|_| more) {
            write!(text, "<NextContinuationToken>{last}</NextContinuationToken>").expect("a string");
        }
        text.push_str("</ListBucketResult>");
        let mut reply = Reply::new(200, "Content-Type: application/xml\r\n");
        reply.body = text.into_bytes();
        reply
    }

    /// What a request without a good signature gets.
    fn refused(&self, request: &Request, query: &str) -> Option<Reply> {
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let value = |name: &str| {
            pairs
                .iter()
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        };
        let Some(signature) = value("X-Amz-Signature") else {
            return (self.kind == Kind::Store).then(|| said(403, "AccessDenied"));
        };
        let date = value("X-Amz-Date").unwrap_or_default();
        let scope = format!("{}/{REGION}/s3/aws4_request", &date[..8]);
        let credential = format!("{KEY}/{scope}").replace('/', "%2F");
        if value("X-Amz-Credential") != Some(&credential) {
            return Some(said(403, "InvalidAccessKeyId"));
        }
        let canonical_query: Vec<&str> = pairs
            .iter()
            .copied()
            .filter(|pair| !pair.starts_with("X-Amz-Signature="))
            .collect();
        let path = request.path.split('?').next().unwrap_or_default();
        let canonical = format!(
            "{}\n{path}\n{}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD",
            request.method,
            canonical_query.join("&"),
            request.headers["host"]
        );
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hex(&Sha256::digest(canonical))
        );
        let mut key = hmac(format!("AWS4{SECRET}").as_bytes(), &date[..8]);
        for part in [REGION, "s3", "aws4_request", &to_sign] {
            key = hmac(&key, part);
        }
        (hex(&key) != signature).then(|| said(403, "SignatureDoesNotMatch"))
    }
}

/// An object store's own way to say no.
fn said(status: u16, code: &str) -> Reply {
    let mut reply = Reply::new(status, "Content-Type: application/xml\r\n");
    reply.body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>").into_bytes();
    reply
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key))
    } else {
        block[..key.len()].copy_from_slice(key)
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::digest([&padded(0x36)[..], text.as_bytes()].concat());
    Sha256::digest([&padded(0x5c)[..], &inner[..]].concat()).to_vec()
}

#[test]
fn hmacs_agree_with_the_standard() {
    // RFC 4231, test case 2.
    assert_eq!(
        hex(&hmac(b"Jefe", "what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}
