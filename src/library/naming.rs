//! Names of libraries, and of the files in them.

use crate::error::{Error, Result};

/// The name of the manifest in its folder.
pub const MANIFEST: &str = "saescript.toml";

/// The name of the lock in its folder.
pub const LOCK: &str = "saescript.lock";

/// The folder of a project that holds copies of all libraries that it uses.
pub const VENDOR: &str = "vendor";

/// How the names of archives end.
pub const ARCHIVE: &str = ".tar.zst";

/// The most characters that the name of a library may have.
const LONGEST_NAME: usize = 64;

/// The most bytes that the path of a file in a library may have: below what any system allows, with a folder before it.
const LONGEST_PATH: usize = 1024;

/// The most bytes that a part of such a path may have, on any system.
const LONGEST_PART: usize = 255;

/// The most characters of a wrong name that a message shows.
const MOST_SHOWN: usize = 100;

/// Refuses what is no name of a library: lower-case letters, digits, `_` and `-`, with a letter first.
///
/// # Errors
/// Another name, or `std`, which is the library that comes with the program.
pub fn check_name(name: &str) -> Result<()> {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter);
    if name == "std" {
        return Err(Error::input("a library cannot be called `std`")
            .hint("`std/…` are the modules that come with saescript; choose another name"));
    }
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= LONGEST_NAME
        && name.chars().all(allowed);
    if is_name {
        Ok(())
    } else {
        Err(Error::input(format!("`{name:.MOST_SHOWN$}` is no name of a library")).hint(format!(
            "a name has at most {LONGEST_NAME} characters: lower-case letters, digits, `_` and `-`, with a letter first"
        )))
    }
}

/// Refuses what is no name of a file in a library: a relative path with `/`, without `..`, control characters and
/// backslashes.
///
/// # Errors
/// Another path.
pub fn check_file(name: &str) -> Result<()> {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let odd = |letter: char| letter.is_control() || letter == '\\';
    let is_short = name.len() <= LONGEST_PATH && name.split('/').all(|part| part.len() <= LONGEST_PART);
    if name.split('/').all(is_part) && !name.contains(odd) && is_short {
        Ok(())
    } else {
        let shown: String = name.chars().take(MOST_SHOWN).collect();
        Err(
            Error::input(format!("{shown:?} cannot be the name of a file in a library")).hint(
                format!("a path in a library is relative, has `/` between its parts, and no `..`, backslash or control character; it \
                 has at most {LONGEST_PATH} bytes, and each part {LONGEST_PART}"),
            ),
        )
    }
}

/// Returns whether a file of a library's folder belongs to what is published of it: not hidden ones, the lock of its own
/// development, copies of other libraries, and archives made of it.
pub fn belongs(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.'));
    let own_archive = !name.contains('/') && name.ends_with(ARCHIVE);
    !hidden && !name.starts_with(&format!("{VENDOR}/")) && name != LOCK && !own_archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["probes", "sae-tools", "a1_b"] {
            check_name(name).expect(name);
        }
        for name in [
            "",
            "std",
            "Probes",
            "1st",
            "a/b",
            "..",
            "a.b",
            "ä",
            &"a".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn files_stay_in_their_library() {
        for name in ["lib.rhai", "src/a b.rhai", "src/ü.rhai"] {
            check_file(name).expect(name);
        }
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a\\b",
            "a\nb",
            "a\0",
            &"a".repeat(256),
            &"a/".repeat(600),
        ] {
            assert!(check_file(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_only_its_author_needs_is_left_out() {
        for name in [
            "lib.rhai",
            "src/vendor/a.rhai",
            "saescript.toml",
            "data/x.tar.zst",
        ] {
            assert!(belongs(name), "{name}");
        }
        for name in [
            ".git/config",
            "src/.a.swp",
            "vendor/a/lib.rhai",
            "saescript.lock",
            "a-0.1.0.tar.zst",
        ] {
            assert!(!belongs(name), "{name}");
        }
    }
}
