//! Contents of a library as one file: a tar in order of paths, compressed by zstd.
//!
//! The bytes depend on the contents alone: every entry has the same time, owner and permissions, and zstd, unlike most
//! deflate programs, writes the same on every processor.

use std::io::{self, Read, Write};
use std::path::Path;

use tar::{Archive, Builder, EntryType, Header};

use super::contents::{Contents, link_refused};
use super::manifest::About;
use super::naming::ARCHIVE;
use crate::error::{Error, Result, byte_size};
use crate::files;

/// How hard zstd tries; another level gives other bytes.
const LEVEL: i32 = 19;

/// The most bytes that an archive may have, packed or unpacked: more than contents and what tar puts around them.
const MOST: u64 = 96 << 20;

/// Returns the name of a library's archive: `probes-0.1.0.tar.zst`.
pub fn name_of(about: &About) -> String {
    format!("{}-{}{ARCHIVE}", about.name, about.version)
}

/// Returns `contents` as an archive, whose files lie in a folder `NAME-VERSION`.
///
/// # Errors
/// A path that is too long for the format.
pub fn pack(about: &About, contents: &Contents) -> Result<Vec<u8>> {
    let folder = format!("{}-{}", about.name, about.version);
    let packed = || -> io::Result<Vec<u8>> {
        let mut builder = Builder::new(zstd::Encoder::new(Vec::new(), LEVEL)?);
        for (name, bytes) in contents.files() {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, format!("{folder}/{name}"), bytes)?;
        }
        let mut bytes = builder.into_inner()?.finish()?;
        bytes.flush()?;
        Ok(bytes)
    };
    packed().map_err(|error| Error::run(format!("cannot pack `{}`: {error}", about.name)))
}

/// Returns the contents of the archive at `path`.
///
/// # Errors
/// It cannot be read, is no archive, holds links or names that a library cannot have, or is too large.
pub fn unpack(path: &Path) -> Result<Contents> {
    let bytes = files::read(path, MOST).map_err(|error| Error::io("read", path, error))?;
    let damaged = |error: io::Error| {
        Error::input(format!(
            "`{}` is no archive of a library: {error}",
            path.display()
        ))
        .hint("`saescript pack` writes such archives")
    };
    let decoder = zstd::Decoder::new(bytes.as_slice()).map_err(damaged)?;
    read_tar(decoder, true).map_err(|failure| match failure {
        Failure::Tar(error) => damaged(error),
        Failure::Contents(error) => error.context(format!("in `{}`", path.display())),
    })
}

/// Returns the contents of a tar whose names have no folder before them, as git writes it.
///
/// # Errors
/// As of [`unpack`].
pub fn unpack_tar(bytes: &[u8]) -> Result<Contents> {
    read_tar(bytes, false).map_err(|failure| match failure {
        Failure::Tar(error) => Error::run(format!("git wrote an archive that cannot be read: {error}")),
        Failure::Contents(error) => error,
    })
}

enum Failure {
    Tar(io::Error),
    Contents(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Tar(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Contents(error)
    }
}

/// Reads a tar; `in_folder`: each name begins with a folder that is left out.
fn read_tar(bytes: impl Read, in_folder: bool) -> std::result::Result<Contents, Failure> {
    let mut contents = Contents::default();
    let mut folder = None;
    let mut archive = Archive::new(bytes.take(MOST));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| Error::input("an archive of a library has names in UTF-8 only"))?;
        match entry.header().entry_type() {
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            EntryType::Regular => (),
            EntryType::Symlink | EntryType::Link => return Err(link_refused(&name).into()),
            _ => {
                return Err(Error::input(format!("`{name}` is neither a file nor a folder")).into());
            }
        }
        let inside = if in_folder {
            without_folder(&name, &mut folder)?
        } else {
            name.as_str()
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        contents.insert(inside, bytes)?;
    }
    let mut rest = archive.into_inner();
    let is_more = read_rest(&mut rest)?;
    if rest.limit() == 0 {
        let most = byte_size(MOST);
        return Err(Error::input(format!("it has more than {most} when it is unpacked")).into());
    }
    if is_more {
        return Err(Error::input("there is something after the end of the archive").into());
    }
    Ok(contents)
}

/// Returns the path `name` without the folder that all names of an archive begin with.
///
/// # Errors
/// There is no folder, or another than before.
fn without_folder<'a>(name: &'a str, folder: &mut Option<String>) -> Result<&'a str> {
    let refused = || {
        Error::input(format!("{name:?} does not lie in the folder of its library"))
            .hint("in an archive, all files lie in one folder `NAME-VERSION`")
    };
    let (first, inside) = name.split_once('/').ok_or_else(refused)?;
    let is_known = folder.get_or_insert_with(|| first.to_string()) == first;
    if is_known && !["", ".", ".."].contains(&first) {
        Ok(inside)
    } else {
        Err(refused())
    }
}

/// Reads to the end; is there anything but zeros, with which a tar may be filled up?
fn read_rest(rest: &mut impl Read) -> io::Result<bool> {
    let mut part = [0; 8192];
    let mut is_more = false;
    loop {
        match rest.read(&mut part)? {
            0 => return Ok(is_more),
            count => is_more |= part[..count].iter().any(|byte| *byte != 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;
    use crate::library::manifest::Manifest;

    fn about() -> About {
        let text = "[package]\nname = \"a\"\nversion = \"0.1.0\"\n";
        Manifest::of_text("saescript.toml", text).expect("valid").package
    }

    fn contents() -> Contents {
        let mut contents = Contents::default();
        for (name, text) in [
            ("saescript.toml", "x"),
            ("src/b.rhai", "fn f() {}"),
            ("lib.rhai", ""),
        ] {
            contents.insert(name, text.as_bytes().to_vec()).expect(name);
        }
        contents
            .insert(&format!("src/{}.rhai", "long".repeat(60)), b"1".to_vec())
            .expect("long");
        contents
    }

    #[test]
    fn what_was_packed_comes_out_again_in_the_same_bytes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name_of(&about()));
        let bytes = pack(&about(), &contents()).expect("packed");
        assert_eq!(bytes, pack(&about(), &contents()).expect("packed again"));
        atomic::write(&path, &bytes).expect("written");
        let unpacked = unpack(&path).expect("unpacked");
        assert_eq!(unpacked, contents());
        assert_eq!(unpacked.hash(), contents().hash());
    }

    #[test]
    fn hostile_archives_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.tar.zst");
        let refusal = |name: &str, kind: EntryType| {
            let mut builder = Builder::new(zstd::Encoder::new(Vec::new(), 1).expect("an encoder"));
            let mut header = Header::new_gnu();
            header.as_gnu_mut().expect("of that form").name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_cksum();
            builder.append(&header, &[][..]).expect("added");
            let bytes = builder
                .into_inner()
                .and_then(zstd::Encoder::finish)
                .expect("written");
            atomic::write(&path, bytes).expect("written");
            unpack(&path).expect_err(name).to_string()
        };
        for name in ["/etc/passwd", "../x", "./x"] {
            let said = refusal(name, EntryType::Regular);
            assert!(said.contains("does not lie in the folder"), "{said}");
        }
        for name in ["a/../../x", "a//etc/passwd", "a/b\\c"] {
            let said = refusal(name, EntryType::Regular);
            assert!(said.contains("cannot be the name of a file"), "{said}");
        }
        assert!(refusal("x", EntryType::Regular).contains("does not lie in the folder"));
        assert!(refusal("a/x", EntryType::Symlink).contains("is a link"));
        assert!(refusal("a/x", EntryType::Link).contains("is a link"));
        assert!(refusal("a/x", EntryType::Char).contains("neither a file nor a folder"));
        let packed = pack(&about(), &contents()).expect("packed");
        for (more, said) in [
            (b"more".to_vec(), "is no archive"),
            (packed.clone(), "after the end"),
            (zstd::encode_all(&[0; 100][..], 1).expect("encoded"), ""),
            (
                zstd::encode_all(io::repeat(0).take(MOST), 1).expect("encoded"),
                "more than",
            ),
        ] {
            atomic::write(&path, [packed.clone(), more].concat()).expect("written");
            match unpack(&path) {
                Ok(unpacked) => assert!(said.is_empty() && unpacked == contents()),
                Err(error) => assert!(!said.is_empty() && error.to_string().contains(said), "{error}"),
            }
        }
        atomic::write(&path, "no archive").expect("written");
        assert!(
            unpack(&path)
                .expect_err("none")
                .to_string()
                .contains("is no archive")
        );
    }
}
