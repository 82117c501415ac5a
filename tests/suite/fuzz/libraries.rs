//! Libraries of strangers: manifests, locks and archives.

use std::fs;

use saescript::library::{LOCK, MANIFEST, Manifest, Project, tree, unpack};

use super::{Target, Verdict, ensure, magnitude};

const TABLES: &[&str] = &[
    "[package]\n",
    "name = \"a\"\n",
    "version = \"0.1.0\"\n",
    "18446744073709551616.0.0",
    "library = \"../lib.rhai\"\n",
    "saescript = \"99.0.0\"\n",
    "[dependencies]\n",
    "b = { path = \"../b\" }\n",
    "b = { git = \"ext::sh\", rev = \"--x\" }\n",
    "b = { hub = \"org/b\", version = \"^1\" }\n",
    "[permissions]\n",
    "read = true\n",
    "net = [\"s3://bucket\"]\n",
    "[permissions.libraries.b]\n",
    "form = 1\n",
    "[[library]]\n",
    "source = \"path+../b\"\n",
    "contents = \"sha256:",
    "commit = \"abc\"\n",
    "dependencies = [\"b 0.1.0\"]\n",
    "\"\\u0000\"",
    "{ a = [",
    "<<<<<<< HEAD\n",
];

pub const MANIFESTS: Target = Target {
    name: "manifest",
    run: manifest,
    words: TABLES,
};

/// What is taken for a manifest has a plain name, and one source for each library.
fn manifest(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ok("no text".into());
    };
    let manifest = match Manifest::of_text(MANIFEST, text) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(error.message().to_string()),
    };
    let name = &manifest.package.name;
    let is_plain = name
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter));
    ensure(is_plain, || format!("`{name}` is taken for a name"))?;
    for dependency in manifest
        .dependencies
        .values()
        .chain(manifest.dev_dependencies.values())
    {
        dependency.source().map_err(|error| error.to_string())?;
    }
    Ok(format!(
        "ok, {} libraries",
        magnitude(manifest.dependencies.len())
    ))
}

pub const LOCKS: Target = Target {
    name: "lock",
    run: lock,
    words: TABLES,
};

/// What is taken for a lock is the same when it was written and read again, and names no folder but its own.
fn lock(input: &[u8]) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\na = { path = \"../a\" }\n";
    fs::write(folder.path().join(MANIFEST), whole).expect("written");
    fs::write(folder.path().join(LOCK), input).expect("written");
    let project = match Project::open(folder.path()) {
        Ok(project) => project,
        Err(error) => return Ok(error.message().replace(&folder.path().display().to_string(), "")),
    };
    let Some(lock) = &project.lock else {
        return Err("the lock is not seen".into());
    };
    for locked in &lock.libraries {
        ensure(!locked.name.contains(['/', '.']), || {
            format!("`{}` is taken for a name", locked.name)
        })?;
    }
    let shown = tree(&project).map_or_else(|error| error.message().to_string(), |lines| lines.concat());
    lock.write(folder.path()).map_err(|error| error.to_string())?;
    let again = Project::open(folder.path()).map_err(|error| error.to_string())?;
    ensure(
        again.lock.as_ref().map(|lock| &lock.libraries) == Some(&lock.libraries),
        || "it is another when it was written and read".into(),
    )?;
    Ok(format!(
        "ok, {} libraries, {}",
        magnitude(lock.libraries.len()),
        shown.len().min(1)
    ))
}

pub const ARCHIVES: Target = Target {
    name: "archive",
    run: archive,
    words: &[
        "ustar  \0",
        "././@LongLink",
        "../",
        "/etc/passwd",
        "a/../b",
        "0000000000\0",
        "\u{fffd}",
    ],
};

/// What is taken for an archive holds files only that lie in the library's folder.
fn archive(input: &[u8]) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a-0.1.0.tar.zst");
    // The parser of tar is what is meant: frames of others would hide it.
    let packed = zstd::encode_all(input, 1).expect("encoded");
    fs::write(&path, packed).expect("written");
    let contents = match unpack(&path) {
        Ok(contents) => contents,
        Err(error) => return Ok(error.headline().replace(&path.display().to_string(), "")),
    };
    for (name, _) in contents.files() {
        let is_inside = name.split('/').all(|part| !["", ".", ".."].contains(&part));
        ensure(is_inside, || format!("{name:?} is taken for a file of a library"))?;
    }
    Ok(format!("ok, {} files", magnitude(contents.files().count())))
}
