//! The files of the pages, as they stand in `front/`.

use std::borrow::Cow;

use include_dir::{Dir, include_dir};

static FRONT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/serve/front");

/// Names a folder from which debug builds take the files instead, so that pages can be written without building anew.
#[cfg(debug_assertions)]
const ELSEWHERE: &str = "SAESCRIPT_FRONT";

/// The line of the page that loads the first script; before it the page names all scripts.
const START: &str = "<script type=\"module\" src=\"main.js\"></script>";

/// Returns the page as a server gives it: it names all scripts at once, which the browser else learns of one import after
/// the other.
pub(super) fn page() -> Option<(Cow<'static, [u8]>, &'static str)> {
    let (bytes, kind) = file("")?;
    let scripts = paths().filter(|path| path.ends_with(".js") && !STANDALONE.contains(path));
    let links: String = scripts
        .map(|path| format!("<link rel=\"modulepreload\" href=\"{path}\">\n"))
        .collect();
    let text = String::from_utf8_lossy(&bytes).replace(START, &format!("{links}{START}"));
    Some((text.into_bytes().into(), kind))
}

/// Scripts of pages that stand alone.
const STANDALONE: [&str; 2] = ["embedded.js", "standalone.js"];

/// Returns a file of the pages and its type; `None` if there is none of that path.
pub(super) fn file(path: &str) -> Option<(Cow<'static, [u8]>, &'static str)> {
    let path = if path.is_empty() { "index.html" } else { path };
    let file = FRONT.get_file(path)?;
    let kind = match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    #[cfg(debug_assertions)]
    if let Some(folder) = std::env::var_os(ELSEWHERE) {
        let bytes = std::fs::read(std::path::Path::new(&folder).join(file.path())).ok()?;
        return Some((bytes.into(), kind));
    }
    Some((file.contents().into(), kind))
}

/// Returns the paths of all files.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let inner = FRONT.dirs().flat_map(Dir::files);
    FRONT.files().chain(inner).filter_map(|file| file.path().to_str())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pages_are_small_and_name_no_other_address() {
        assert!(paths().count() > 15);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for name in paths() {
            let (bytes, _) = file(name).unwrap_or_else(|| panic!("{name} has no type"));
            let text = std::str::from_utf8(&bytes).expect("text");
            packed.write_all(&bytes).expect("memory");
            assert!(text.lines().count() < 400, "{name} is too long");
            let forbidden = [
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ];
            for forbidden in forbidden {
                assert!(!text.contains(forbidden), "{name} has `{forbidden}`");
            }
        }
        let bytes = packed.finish().expect("memory").len();
        assert!(bytes < 150_000, "{bytes} bytes packed");
    }

    #[test]
    fn the_page_names_each_script_that_it_loads() {
        let (bytes, _) = page().expect("a page");
        let text = std::str::from_utf8(&bytes).expect("text");
        assert_eq!(text.matches(START).count(), 1);
        for path in paths().filter(|path| path.ends_with(".js")) {
            let named = text.contains(&format!("href=\"{path}\""));
            assert_eq!(named, !STANDALONE.contains(&path), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_given() {
        for path in [
            "../front.rs",
            "/etc/passwd",
            "pages",
            "pages/",
            "main.js/",
            "",
            "index.html",
        ] {
            assert_eq!(file(path).is_some(), ["", "index.html"].contains(&path), "{path}");
        }
    }
}
