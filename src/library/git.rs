//! Libraries in git repositories, by the program `git`: its settings, proxies and credentials are the user's.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::archive;
use super::contents::Contents;
use crate::error::{Error, Result};

/// Attributes of the repository that would change what is taken from it are of no effect.
const ATTRIBUTES: &str = "* -export-subst -export-ignore -text -filter -ident\n";

/// Returns the contents of the repository at `url`, at `rev` (`None`: the branch that it shows first), and the commit
/// that this is. No file is checked out, and nothing of the repository runs.
///
/// # Errors
/// There is no program `git`; the repository cannot be reached, or has no such revision; what a library cannot hold.
pub fn fetch(url: &str, rev: Option<&str>) -> Result<(Contents, String)> {
    let folder = tempfile::Builder::new()
        .prefix("saescript-git-")
        .tempdir()
        .map_err(|error| Error::io("create", std::env::temp_dir(), error))?;
    let repository = folder.path();
    git(repository, ["init", "--quiet", "--bare", "--template="], url)?;
    let attributes = repository.join("info/attributes");
    fs::create_dir_all(repository.join("info")).map_err(|error| Error::io("create", repository, error))?;
    fs::write(&attributes, ATTRIBUTES).map_err(|error| Error::io("write", &attributes, error))?;
    let wanted = rev.unwrap_or("HEAD");
    let one = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", url, wanted];
    let found = match git(repository, one, url) {
        Ok(_) => "FETCH_HEAD",
        // Many servers give a commit away only with the branch that it is on.
        Err(_) => {
            let all = [
                "fetch",
                "--quiet",
                "--",
                url,
                "+refs/heads/*:refs/heads/*",
                "+refs/tags/*:refs/tags/*",
            ];
            git(repository, all, url)?;
            wanted
        }
    };
    let commit = git(
        repository,
        [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{found}^{{commit}}"),
        ],
        url,
    )
    .map_err(|_| {
        Error::input(format!("the repository `{url}` has no revision `{wanted}`"))
            .hint("name a branch, a tag or a whole commit after `#`")
    })?;
    let commit = String::from_utf8_lossy(&commit).trim().to_string();
    let tar = git(repository, ["archive", "--format=tar", &commit], url)?;
    let contents = archive::unpack_tar(&tar).map_err(|error| error.context(format!("in `{url}`")))?;
    Ok((contents, commit))
}

/// Runs `git` in the repository; what it wrote to standard output.
fn git<S: AsRef<OsStr>>(
    repository: &Path,
    arguments: impl IntoIterator<Item = S>,
    url: &str,
) -> Result<Vec<u8>> {
    let output = Command::new("git")
        // An address that is a command would run it.
        .args(["-c", "protocol.ext.allow=never"])
        .arg("-C")
        .arg(repository)
        .args(arguments)
        // A question would wait for an answer that nobody sees.
        .env("GIT_TERMINAL_PROMPT", "0")
        // The folders of the user's own repositories are not meant.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Error::run(format!("cannot run the program `git`: {error}"))
                .hint("libraries from git repositories need it; install git, or add the library's folder or archive")
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty());
    let first = first
        .unwrap_or("it does not say why")
        .trim_start_matches("fatal: ");
    Err(Error::run(format!("git cannot fetch from `{url}`: {first}"))
        .hint("see whether the address is right, and `git ls-remote` works with it"))
}
