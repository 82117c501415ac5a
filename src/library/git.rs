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

/// Returns whether the repository at `url` has the tag `tag`.
///
/// # Errors
/// There is no program `git`; the repository cannot be reached.
pub fn has_tag(url: &str, tag: &str) -> Result<bool> {
    let name = format!("refs/tags/{tag}");
    let listed = git(
        &std::env::temp_dir(),
        ["ls-remote", "--tags", "--", url, &name],
        url,
    )?;
    Ok(!listed.is_empty())
}

/// Makes `contents` all that the branch which the repository at `url` shows first has (`main` where it has none), in one
/// commit with this message, gives it the tag `tag`, and sends both together or neither. Returns the commit.
///
/// # Errors
/// There is no program `git`, or it does not know who its user is; the repository cannot be reached or refuses.
pub fn publish(url: &str, contents: &Contents, message: &str, tag: &str) -> Result<String> {
    let folder = tempfile::Builder::new()
        .prefix("saescript-git-")
        .tempdir()
        .map_err(|error| Error::io("create", std::env::temp_dir(), error))?;
    let root = folder.path();
    git(root, ["init", "--quiet", "--template="], url)?;
    let heads = ["ls-remote", "--symref", "--", url, "HEAD", "refs/heads/main"];
    let listed = git(root, heads, url)?;
    let (branch, parent) = shown_first(&String::from_utf8_lossy(&listed));
    if parent.is_some() {
        git(
            root,
            ["fetch", "--quiet", "--no-tags", "--depth=1", "--", url, &branch],
            url,
        )?;
    }
    let info = root.join(".git/info");
    fs::create_dir_all(&info).map_err(|error| Error::io("create", &info, error))?;
    let attributes = info.join("attributes");
    fs::write(&attributes, ATTRIBUTES).map_err(|error| Error::io("write", &attributes, error))?;
    contents.write(root)?;
    let plain = ["-c", "core.autocrlf=false", "-c", "core.fileMode=false"];
    git(
        root,
        plain.into_iter().chain(["add", "--all", "--force", "."]),
        url,
    )?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_string();
    let tree = text(git(root, ["write-tree"], url)?);
    let mut commit = vec!["commit-tree", &tree, "-m", message];
    if let Some(parent) = &parent {
        commit.extend(["-p", parent]);
    }
    let commit = text(git(root, commit, url)?);
    let (branch, tag) = (
        format!("{commit}:refs/heads/{branch}"),
        format!("{commit}:refs/tags/{tag}"),
    );
    git(
        root,
        [
            "push",
            "--quiet",
            "--atomic",
            "--no-verify",
            "--",
            url,
            &branch,
            &tag,
        ],
        url,
    )?;
    Ok(commit)
}

/// Reads what `git ls-remote --symref URL HEAD refs/heads/main` says: the branch that is shown first, and its commit if it
/// has one. Where none is shown, it is `main`.
fn shown_first(listed: &str) -> (String, Option<String>) {
    let mut branch = "main".to_string();
    let mut commits = Vec::new();
    for line in listed.lines() {
        match (line.strip_prefix("ref: refs/heads/"), line.split_once('\t')) {
            (Some(rest), _) => branch = rest.split_whitespace().next().unwrap_or("main").to_string(),
            (None, Some((commit, name))) => commits.push((name.to_string(), commit.to_string())),
            (None, None) => (),
        }
    }
    let of = |wanted: &str| commits.iter().find(|(name, _)| name == wanted);
    let found = of("HEAD").or_else(|| of("refs/heads/main").filter(|_| branch == "main"));
    (branch, found.map(|(_, commit)| commit.clone()))
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
    Err(Error::run(format!("git cannot work with `{url}`: {first}"))
        .hint("see whether the address is right, and `git ls-remote` works with it"))
}
