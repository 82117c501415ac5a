//! What lies where: a data set's card, globs and splits, a hub's list of files, a web server's page.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use saescript::event::RunContext;
use saescript::hub::{HubSettings, RepoKind, Repository};
use saescript::store::RemoteFolder;
use saescript::text::{DataFiles, Dataset, DatasetConfig};
use saescript::transfer::Progress;

use super::{Target, Verdict, ensure, magnitude};
use crate::web::{Reply, serve};

/// The files of the data set that cards and globs choose from, each with three records.
const NAMES: &[&str] = &[
    "train.jsonl",
    "en/part-0.jsonl",
    "en/part-1.jsonl",
    "de/test.jsonl",
    "[odd] *.jsonl",
];

fn data_set() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in NAMES {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n").expect("written");
    }
    folder
}

/// Loads what `config` chooses of the data set in `folder`: files of it, each once, with three records.
fn chosen(folder: &Path, config: DatasetConfig) -> Verdict {
    let config = DatasetConfig {
        dataset_name_or_path: folder.to_string_lossy().into_owned(),
        ..config
    };
    let dataset = match Dataset::load(&config, &RunContext::default()) {
        Ok(dataset) => dataset,
        Err(error) => return Ok(error.message().to_string()),
    };
    let mut files = dataset.files();
    for file in &files {
        let inside = file.strip_prefix(folder).ok().and_then(Path::to_str);
        ensure(inside.is_some_and(|name| NAMES.contains(&name)), || {
            format!("{} is chosen", file.display())
        })?;
    }
    let count = files.len();
    files.dedup();
    ensure(files.len() == count, || {
        format!("a file is chosen twice: {files:?}")
    })?;
    let length = dataset.len().map_err(|error| error.to_string())?;
    ensure(length <= 3 * NAMES.len() as u64, || format!("{length} records"))?;
    let read = dataset.maps(0).filter(Result::is_ok).count();
    ensure(read as u64 == length, || format!("{read} of {length} records"))?;
    Ok(format!(
        "ok, {} files, {} records",
        magnitude(count),
        magnitude(read)
    ))
}

pub const CARD: Target = Target {
    name: "card",
    run: card,
    words: &[
        "---\n",
        "\n---",
        "configs:\n",
        "- config_name: en\n",
        "  default: true\n",
        "  data_files:\n",
        "  - split: train\n",
        "    path: ",
        "en/part-*",
        "  data_dir: de\n",
        "[\"a\", \"b\"]",
        "**",
        "../",
        "&a ",
        "*a",
        "<<: *a",
        "!!binary ",
        "{",
        "}",
        ": ",
    ],
};

/// A README chooses among the files of its data set.
fn card(input: &[u8]) -> Verdict {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(data_set).path();
    std::fs::write(folder.join("README.md"), input).expect("written");
    chosen(folder, DatasetConfig::default())
}

pub const CHOICE: Target = Target {
    name: "choice",
    run: choice,
    words: &[
        "train",
        "test",
        "[",
        "]",
        ":",
        "%",
        "-1",
        "+",
        "\n",
        "*",
        "**",
        "?",
        "[!a]",
        "[a-z]",
        "../",
        "./",
        "en/",
        "{a,b}",
        "\\",
        "9223372036854775807",
    ],
};

/// A split in the first line and a glob in the second choose among the files.
fn choice(input: &[u8]) -> Verdict {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let text = String::from_utf8_lossy(input);
    let (split, glob) = text.split_once('\n').unwrap_or((&text, ""));
    let config = DatasetConfig {
        split: split.into(),
        data_files: (!glob.is_empty()).then(|| DataFiles::One(glob.into())),
        ..DatasetConfig::default()
    };
    chosen(FOLDER.get_or_init(data_set).path(), config)
}

pub const HUB_LIST: Target = Target {
    name: "hub_list",
    run: hub_list,
    words: &[
        "[",
        "]",
        "\"",
        ",",
        "\"train.jsonl\"",
        "../",
        "/etc/hostname",
        "\\u0000",
        "{\"a\": 1}",
        "null",
        "\\ud800",
        "//",
        "C:\\\\",
        ".",
    ],
};

/// The list that is kept of a repository is given as it is, or it is done without.
fn hub_list(input: &[u8]) -> Verdict {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("models--org--name");
    for name in [
        "refs/main",
        &format!(".files/{commit}.json"),
        &format!("snapshots/{commit}/there.json"),
    ] {
        let path = repository.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(
            path,
            if name.starts_with("refs") {
                commit.as_bytes()
            } else {
                input
            },
        )
        .expect("written");
    }
    let settings = HubSettings {
        cache_dir: Some(folder.path().into()),
        offline: true,
        ..HubSettings::default()
    };
    let repository = Repository::open("org/name", RepoKind::Model, None, &settings).expect("a good name");
    let names = match repository.list(&RunContext::default()) {
        Ok(names) => names,
        Err(error) => return Ok(error.message().to_string()),
    };
    let listed = serde_json::from_slice::<Vec<String>>(input);
    let expected = listed.unwrap_or_else(|_| vec!["there.json".into()]);
    ensure(names == expected, || format!("{names:?} instead of {expected:?}"))?;
    let context = RunContext::default();
    for name in names.iter().take(8) {
        let found = repository.file_if(name, &context).ok().flatten();
        let outside =
            found.filter(|path| !path.starts_with(folder.path()) || name.split('/').any(|part| part == ".."));
        ensure(outside.is_none(), || {
            format!("{outside:?} is a file of the repository")
        })?;
    }
    Ok(format!("ok, {} names", magnitude(names.len())))
}

pub const LINKS: Target = Target {
    name: "links",
    run: links,
    words: &[
        "<a href=\"",
        "\">",
        "/",
        "./",
        "../",
        "blocks.0.hook/",
        "%2F",
        "?C=N",
        "<html>",
        "href=\"",
        "\"",
        "'",
        "&amp;",
    ],
};

/// The folders that a page has links to are names of folders, and nothing else.
fn links(input: &[u8]) -> Verdict {
    static SERVER: OnceLock<String> = OnceLock::new();
    static PAGE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let page = || PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let address = SERVER.get_or_init(|| {
        serve("page", move |_| {
            let mut reply = Reply::new(200, "Content-Type: text/html\r\n");
            reply.body.clone_from(&page());
            reply
        })
    });
    *page() = input.to_vec();
    let folder = RemoteFolder::open(&format!("{address}/x")).expect("an address");
    let names = match folder.linked_folders(&Progress::default()) {
        Ok(names) => names,
        Err(error) => return Ok(error.message().to_string()),
    };
    for name in &names {
        let plain = !name.is_empty() && !name.contains(['/', '"', '?']) && !name.starts_with('.');
        ensure(plain, || format!("{name:?} is a folder"))?;
    }
    Ok(format!("ok, {} folders", magnitude(names.len())))
}
