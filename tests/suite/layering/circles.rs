//! Files of src/ do not import each other in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Import, Module, Names, read_all};
use super::sources::sources;

/// Every module of a crate, by its path from the root.
struct Crate(BTreeMap<Names, Module>);

/// The files that each file imports from, with the paths that say so.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<String, BTreeSet<String>>>;

/// What a path leads to.
#[derive(Clone, PartialEq, Debug)]
enum Place {
    /// A module, by its path.
    Module(Names),
    /// Something that this file defines.
    Item(String),
}

/// How many re-exports a name may pass through, for those that lead back to themselves.
const DEEP: usize = 16;

impl Crate {
    /// What `path` means in the module `from`; none for what other crates define. `inner`: there is more of the path, so
    /// that a module is meant where one and a function share a name.
    fn resolve(&self, from: &Names, path: &[String], inner: bool, deep: usize) -> Option<Place> {
        if deep == 0 {
            return None;
        }
        let mut place = None;
        for (at, name) in path.iter().enumerate() {
            let inner = inner || at + 1 < path.len();
            let here = match &place {
                None => from,
                Some(Place::Module(module)) => module,
                Some(Place::Item(_)) => return place, // the rest is inside of the item
            };
            place = match name.as_str() {
                "crate" => Some(Place::Module(Names::new())),
                "self" => Some(Place::Module(here.clone())),
                "super" => Some(Place::Module(here[..here.len().checked_sub(1)?].to_vec())),
                _ => Some(self.look_up(here, name, inner, deep)?),
            };
        }
        place
    }

    fn look_up(&self, module: &Names, name: &str, inner: bool, deep: usize) -> Option<Place> {
        let known = self.0.get(module)?;
        let child = known.children.contains(name).then(|| {
            let path = module.iter().map(String::as_str).chain([name]);
            Place::Module(path.map(str::to_string).collect())
        });
        let item = || {
            known
                .items
                .contains(name)
                .then(|| Place::Item(known.file.clone()))
        };
        let through = |import: &Import| match import.name.as_str() {
            "*" => match self.resolve(module, &import.path, true, deep - 1)? {
                Place::Module(all) if all != *module => self.look_up(&all, name, inner, deep - 1),
                _ => None,
            },
            own if own == name => self.resolve(module, &import.path, inner, deep - 1),
            _ => None,
        };
        let imported = || known.imports.iter().find_map(through);
        if inner {
            child.or_else(item).or_else(imported)
        } else {
            item().or_else(imported).or(child)
        }
    }

    /// Is the module, or one around it, for tests only?
    fn is_for_tests(&self, module: &Names) -> bool {
        let within = |at: usize| {
            let around = self.0.get(&module[..at]);
            around.is_some_and(|around| around.tests.contains(&module[at]))
        };
        (0..module.len()).any(within)
    }

    /// Which file imports from which; a re-export counts only where the file uses the name itself.
    fn imports(&self) -> Imports<'_> {
        let mut found = Imports::new();
        for (path, module) in self.0.iter().filter(|(path, _)| !self.is_for_tests(path)) {
            let own = module
                .imports
                .iter()
                .filter(|import| !import.handed_on && import.name != "*");
            for names in own.map(|import| &import.path).chain(&module.paths) {
                if let Some(Place::Item(file)) = self.resolve(path, names, false, DEEP)
                    && file != module.file
                {
                    let there = found.entry(&module.file).or_default().entry(file).or_default();
                    there.insert(names.join("::"));
                }
            }
        }
        found
    }

    /// The circles in which files import each other, each as text: the shortest through a file that is in none before.
    fn circles(&self) -> Vec<String> {
        let imports = self.imports();
        let mut done = BTreeSet::new();
        let mut circles = Vec::new();
        for start in imports.keys() {
            let Some(circle) = around(start, &imports) else {
                continue;
            };
            if circle.iter().any(|file| done.contains(file)) {
                continue; // told already
            }
            let step = |(from, to): (&String, &String)| {
                let names = &imports[from.as_str()][to];
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("    {from} imports {} of {to}", names.join(", "))
            };
            let steps = circle.iter().zip(circle.iter().cycle().skip(1)).map(step);
            circles.push(steps.collect::<Vec<_>>().join("\n"));
            done.extend(circle);
        }
        circles
    }
}

/// The shortest way from a file back to itself.
fn around(start: &str, imports: &Imports<'_>) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_string()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().map(String::as_str).unwrap_or_default();
            for next in imports.get(last).into_iter().flat_map(BTreeMap::keys) {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push([way.as_slice(), std::slice::from_ref(next)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

fn crate_of(files: &[(&str, &str)]) -> Crate {
    Crate(read_all(files.iter().copied()))
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let sources = sources("src");
    let library: Vec<(&str, &str)> = sources
        .iter()
        .filter(|(file, _)| file != "src/main.rs")
        .map(|(file, text)| (file.trim_start_matches("src/"), text.as_str()))
        .collect();
    let all = crate_of(&library);
    let imports: usize = all.imports().values().map(BTreeMap::len).sum();
    assert!(imports > 1000, "only {imports} imports were found");
    let circles = all.circles();
    assert!(
        circles.is_empty(),
        "{} circles:\n{}",
        circles.len(),
        circles.join("\n\n")
    );
}

/// Folders within a folder of src/, and which of the others each may import from.
const WALLS: &[(&str, &[&str])] = &[
    ("activations/live/", &["activations/cache/read/"]),
    ("activations/cache/read/", &[]),
    ("activations/cache/write/", &[]),
];

#[test]
fn walls_inside_a_folder_hold() {
    let sources = sources("src");
    let files: Vec<(&str, &str)> = sources
        .iter()
        .map(|(file, text)| (file.trim_start_matches("src/"), text.as_str()))
        .collect();
    let all = crate_of(&files);
    let room = |file: &str| WALLS.iter().find(|(room, _)| file.starts_with(room));
    let mut seen = 0;
    for (from, imported) in all.imports() {
        let Some((own, allowed)) = room(from) else {
            continue;
        };
        for to in imported.keys() {
            let Some((other, _)) = room(to) else { continue };
            seen += 1;
            assert!(
                own == other || allowed.contains(other),
                "{from} imports from {to}"
            );
        }
    }
    assert!(seen > 30, "only {seen} imports were found");
}

#[test]
fn names_are_followed_to_the_file_that_defines_them() {
    let all = crate_of(&[
        ("lib.rs", "pub mod a; pub use a::Thing as Renamed;"),
        (
            "a/mod.rs",
            "mod thing; mod other; pub use thing::*; pub use other::{other, Kind};",
        ),
        ("a/thing.rs", "pub struct Thing; pub(super) const SIZE: u8 = 1;"),
        (
            "a/other.rs",
            "pub fn other() {} pub enum Kind { One } mod inside { pub struct Deep; }",
        ),
    ]);
    let place = |from: &str, path: &str| {
        let names = |text: &str| text.split("::").map(str::to_string).collect::<Names>();
        match all.resolve(&names(from), &names(path), false, DEEP) {
            Some(Place::Item(file)) => file,
            Some(Place::Module(path)) => format!("module {}", path.join("::")),
            None => "elsewhere".into(),
        }
    };
    for (from, path, expected) in [
        ("a::other", "super::Thing", "a/thing.rs"),
        ("a::other", "crate::Renamed::new", "a/thing.rs"),
        ("a::thing", "super::other", "a/other.rs"),
        ("a::thing", "super::other::other", "a/other.rs"),
        ("a::thing", "crate::a::Kind::One", "a/other.rs"),
        ("a::other::inside", "super::super::SIZE", "a/thing.rs"),
        ("a::other", "inside::Deep", "a/other.rs"),
        ("a", "self::thing", "module a::thing"),
        ("a::other", "std::fs::File", "elsewhere"),
        ("a::other", "crate::a::missing", "elsewhere"),
    ] {
        assert_eq!(place(from, path), expected, "{path} in {from}");
    }
}

#[test]
fn declaring_and_handing_on_makes_no_circle() {
    let all = crate_of(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "use super::B; pub struct C(B);"),
    ]);
    assert_eq!(all.circles(), Vec::<String>::new());
}

#[test]
fn an_item_of_a_folder_and_its_child_make_a_circle() {
    let with = |folder: &str, child: &str| {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", folder),
            ("a/b.rs", child),
            ("a/c.rs", "pub struct C;"),
        ];
        crate_of(&files).circles().join("\n")
    };
    let uses = "mod b; mod c; pub struct Own; fn f() { b::run() }";
    for child in [
        "use super::Own; pub fn run() {}",
        "pub fn run() { crate::a::Own; }",
        "pub fn run() { assert!(x, super::Own) }",
        "pub fn run() { use super::Own; }",
        "use crate::a; pub fn run(_: a::Own) {}",
    ] {
        let circle = with(uses, child);
        assert!(circle.contains("a/b.rs imports"), "{child}: {circle}");
        assert!(circle.contains("of a/mod.rs"), "{child}: {circle}");
    }
    assert_eq!(with(uses, "pub fn run() {}"), "");
    assert_eq!(
        with(
            uses,
            "#[cfg(test)] mod tests { use super::super::Own; } pub fn run() {}"
        ),
        ""
    );
    assert_eq!(with(uses, "pub(in crate::a) fn run() {}"), "");
    let hands_on = "mod b; mod c; pub use b::run; pub struct Own;";
    assert_eq!(with(hands_on, "use super::Own; pub fn run() {}"), "");
    let hands_on_and_uses = "mod b; mod c; pub use b::run; pub struct Own; fn f() { run() }";
    assert_ne!(with(hands_on_and_uses, "use super::Own; pub fn run() {}"), "");
}

#[test]
fn circles_of_several_files_are_found() {
    let all = crate_of(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::{d::D, a::A}; pub struct C;"),
        ("d.rs", "pub struct D;"),
    ]);
    let expected = "    a.rs imports crate::b::B of b.rs\n    b.rs imports crate::c::C of c.rs\n    \
                    c.rs imports crate::a::A of a.rs";
    assert_eq!(all.circles(), [expected]);
}
