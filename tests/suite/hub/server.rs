//! A hub of our own on this machine: repositories, redirects to a second server, and faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub use crate::web::{Fault, Request};
use crate::web::{Reply, hex, serve};

/// A file of a repository.
#[derive(Clone)]
pub struct Blob {
    bytes: Vec<u8>,
    etag: String,
    /// Kept on the second server, as large files are.
    large: bool,
}

/// A repository with its history; the last commit is `main`.
#[derive(Clone, Default)]
pub struct Repo {
    commits: Vec<(String, BTreeMap<String, Blob>)>,
    tags: BTreeMap<String, String>,
    gated: bool,
}

#[derive(Default)]
struct State {
    repos: BTreeMap<String, Repo>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    /// Statuses, with further headers, that the next requests to the hub get, whatever they ask for.
    answers: VecDeque<(u16, String)>,
    requests: Vec<Request>,
    token: Option<String>,
}

/// The hub. It ends with the test's process.
#[derive(Clone)]
pub struct Hub {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Hub {
    /// Starts both servers.
    pub fn start() -> Hub {
        let state = Arc::new(Mutex::new(State::default()));
        let noted = |state: &Mutex<State>, request: &Request| {
            let requests = &mut state.lock().expect("no thread panicked").requests;
            requests.push(request.clone());
        };
        let large = state.clone();
        let cdn = serve("cdn", move |request| {
            noted(&large, request);
            large.lock().expect("no thread panicked").contents(request)
        });
        let pages = state.clone();
        let address = serve("hub", move |request| {
            noted(&pages, request);
            pages.lock().expect("no thread panicked").page(request, &cdn)
        });
        Hub { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked")
    }

    /// A new commit of the repository `path` (`models/ORG/NAME` or `datasets/ORG/NAME`); large files are those over
    /// 10 000 bytes. Gives the commit's name.
    pub fn commit(&self, path: &str, files: &[(&str, &[u8])]) -> String {
        let blobs: BTreeMap<String, Blob> = files
            .iter()
            .map(|(name, bytes)| (name.to_string(), blob(bytes)))
            .collect();
        let mut state = self.state();
        let repo = state.repos.entry(path.to_string()).or_default();
        let commit = hex(&Sha1::digest(format!("{path} {}", repo.commits.len())));
        repo.commits.push((commit.clone(), blobs));
        commit
    }

    /// A commit with every file of a folder.
    pub fn commit_folder(&self, path: &str, folder: &Path, below: &str) -> String {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let files: Vec<(String, Vec<u8>)> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|file| file.is_file())
            .map(|file| {
                let name = file.file_name().expect("a name").to_string_lossy().into_owned();
                (format!("{below}{name}"), std::fs::read(&file).expect("readable"))
            })
            .collect();
        let borrowed: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        self.commit(path, &borrowed)
    }

    /// From now on the repository is only for those with the token.
    pub fn gate(&self, path: &str, token: &str) {
        let mut state = self.state();
        state.token = Some(token.to_string());
        state.repos.get_mut(path).expect("a repository").gated = true;
    }

    /// Something goes wrong the next time the body of `file` is sent; several are taken in turn.
    pub fn break_next(&self, file: &str, fault: Fault) {
        self.state()
            .faults
            .entry(file.to_string())
            .or_default()
            .push_back(fault);
    }

    /// The next request gets this status and these further headers (each with `\r\n` at its end).
    pub fn answer_next(&self, status: u16, headers: &str) {
        self.state().answers.push_back((status, headers.to_string()));
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }
}

/// The ETag that the hub gives to these bytes.
pub fn etag(bytes: &[u8]) -> String {
    blob(bytes).etag
}

fn blob(bytes: &[u8]) -> Blob {
    let large = bytes.len() > 10_000;
    let etag = if large {
        hex(&Sha256::digest(bytes))
    } else {
        let mut hasher = Sha1::new();
        hasher.update(format!("blob {}\0", bytes.len()));
        hasher.update(bytes);
        hex(&hasher.finalize())
    };
    Blob {
        bytes: bytes.to_vec(),
        etag,
        large,
    }
}

impl State {
    /// What the hub says.
    fn page(&mut self, request: &Request, cdn: &str) -> Reply {
        if let Some((status, headers)) = self.answers.pop_front() {
            return Reply::new(status, headers);
        }
        let path = request.path.trim_start_matches('/');
        if request.method == "POST" {
            return self.posted(request, path);
        }
        if let Some(rest) = path.strip_prefix("api/") {
            return self.listing(request, rest);
        }
        let Some((repo, rest)) = path.split_once("/resolve/") else {
            return Reply::new(404, "");
        };
        let Some((revision, file)) = rest.split_once('/') else {
            return Reply::new(404, "");
        };
        let repo = if repo.starts_with("datasets/") {
            repo.to_string()
        } else {
            format!("models/{repo}")
        };
        let (commit, files) = match self.allowed(&repo, revision, request) {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let file = file.split('?').next().unwrap_or(file).replace("%20", " ");
        let Some(blob) = files.get(&file) else {
            let mut reply = refused(404, "EntryNotFound", "Entry not found");
            write!(reply.headers, "X-Repo-Commit: {commit}\r\n").expect("a string");
            return reply;
        };
        let about = format!("X-Repo-Commit: {commit}\r\n");
        if blob.large {
            let length = blob.bytes.len();
            let etag = &blob.etag;
            return Reply::new(
                302,
                format!(
                    "{about}X-Linked-Etag: \"{etag}\"\r\nX-Linked-Size: {length}\r\nETag: \"some-other\"\r\n\
                     Location: {cdn}/{repo}/{commit}/{}\r\n",
                    file.replace(' ', "%20")
                ),
            );
        }
        // Small files come from the hub itself, by way of another of its pages.
        if !request.path.ends_with("?cached=1") && file.ends_with(".json") {
            let target = format!("/{path}?cached=1");
            return Reply::new(307, format!("{about}Location: {target}\r\n"));
        }
        let file = file.clone();
        let blob = blob.clone();
        self.body(request, &file, &blob, about)
    }

    /// The files of a repository that this request may see.
    fn allowed(
        &self,
        repo: &str,
        revision: &str,
        request: &Request,
    ) -> Result<(String, BTreeMap<String, Blob>), Reply> {
        let token = request
            .headers
            .get("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        if token == Some("hf_broken") {
            return Err(refused(
                401,
                "RepoNotFound",
                "Invalid credentials in Authorization header",
            ));
        }
        let Some(found) = self.repos.get(repo) else {
            return Err(match token {
                Some(_) => refused(404, "RepoNotFound", "Repository not found"),
                None => refused(401, "RepoNotFound", "Invalid username or password."),
            });
        };
        if found.gated && token != self.token.as_deref() {
            let status = if token.is_some() { 403 } else { 401 };
            return Err(refused(status, "GatedRepo", "Access to this model is restricted"));
        }
        let commit = match revision {
            "main" => found.commits.last(),
            other => {
                let name = found.tags.get(other).map_or(other, String::as_str);
                found.commits.iter().find(|(commit, _)| commit == name)
            }
        };
        commit
            .cloned()
            .ok_or_else(|| refused(404, "RevisionNotFound", "Invalid rev id"))
    }

    /// A repository made, a commit, or a tag.
    fn posted(&mut self, request: &Request, path: &str) -> Reply {
        if request.headers.get("authorization") != Some(&"Bearer hf_writer".to_string()) {
            return Reply::new(403, "");
        }
        let text = String::from_utf8(request.body.clone()).expect("UTF-8");
        let mut lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let first: serde_json::Value = lines.next().expect("a line");
        if path == "api/repos/create" {
            let id = format!(
                "models/{}/{}",
                text_of(&first["organization"]),
                text_of(&first["name"])
            );
            let is_new = !self.repos.contains_key(&id);
            self.repos.entry(id).or_default();
            return Reply::new(if is_new { 200 } else { 409 }, "");
        }
        let path = path.strip_prefix("api/").unwrap_or_default();
        if let Some(id) = path.strip_suffix("/tag/main") {
            let repo = self.repos.get_mut(id).expect("a repository");
            let commit = repo.commits.last().expect("a commit").0.clone();
            repo.tags.insert(text_of(&first["tag"]), commit);
            return Reply::new(200, "");
        }
        let id = path.strip_suffix("/commit/main").expect("a commit");
        let repo = self.repos.get_mut(id).expect("a repository");
        let mut files = repo
            .commits
            .last()
            .map(|(_, files)| files.clone())
            .unwrap_or_default();
        for part in lines {
            let path = text_of(&part["value"]["path"]);
            match part["key"].as_str() {
                Some("deletedFile") => drop(files.remove(&path)),
                Some("file") => {
                    let bytes = STANDARD
                        .decode(text_of(&part["value"]["content"]))
                        .expect("base64");
                    files.insert(path, blob(&bytes));
                }
                other => panic!("{other:?} is no part of a commit"),
            }
        }
        let name = hex(&Sha1::digest(format!("{id} {}", repo.commits.len())));
        repo.commits.push((name, files));
        Reply::new(200, "")
    }

    fn listing(&mut self, request: &Request, rest: &str) -> Reply {
        let Some((repo, revision)) = rest.split_once("/revision/") else {
            return Reply::new(404, "");
        };
        match self.allowed(repo, revision, request) {
            Err(reply) => reply,
            Ok((commit, files)) => {
                let siblings: Vec<_> = files
                    .keys()
                    .map(|name| serde_json::json!({ "rfilename": name }))
                    .collect();
                let mut reply = Reply::new(200, "Content-Type: application/json\r\n");
                let text = serde_json::json!({ "id": "x", "sha": commit, "siblings": siblings });
                reply.body = text.to_string().into_bytes();
                reply
            }
        }
    }

    /// What the second server sends.
    fn contents(&mut self, request: &Request) -> Reply {
        let mut parts = request.path.trim_start_matches('/').splitn(5, '/');
        let mut next = || parts.next().unwrap_or_default().to_string();
        let repo = [next(), next(), next()].join("/");
        let (commit, file) = (next(), next().replace("%20", " "));
        let found = self.repos.get(&repo).and_then(|repo| {
            let (_, files) = repo.commits.iter().find(|(name, _)| *name == commit)?;
            files.get(&file).cloned()
        });
        match found {
            None => Reply::new(404, ""),
            Some(blob) => self.body(request, &file, &blob, String::new()),
        }
    }

    /// The bytes of a file, or those that are left of them.
    fn body(&mut self, request: &Request, file: &str, blob: &Blob, about: String) -> Reply {
        let etag = if blob.large { "of-the-cdn" } else { &blob.etag };
        let headers = format!("{about}ETag: \"{etag}\"\r\n");
        let mut reply = Reply::part(request, &blob.bytes, Some(&format!("\"{etag}\"")), headers);
        if request.method == "GET" {
            reply.fault = self.faults.get_mut(file).and_then(VecDeque::pop_front);
        }
        reply
    }
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().expect("a text").to_string()
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    Reply::new(
        status,
        format!("X-Error-Code: {code}\r\nX-Error-Message: {message}\r\n"),
    )
}
