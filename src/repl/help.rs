//! Documentation of names, for `:help` in a session and for `saescript doc`.

use anstyle::Style;

use crate::error::{Error, Result};
use crate::script::docs::{Catalog, Entry, Kind};

const BOLD: Style = Style::new().bold();

/// What there is: modules, classes, objects and functions, a line each.
pub fn overview(catalog: &Catalog) -> String {
    let own = |entry: &&Entry| !entry.standard && entry.owner.is_none();
    let is_config = |entry: &Entry| {
        catalog
            .members(&entry.name)
            .iter()
            .any(|member| member.kind == Kind::Field)
    };
    let of = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<&Entry> {
        catalog
            .entries()
            .iter()
            .filter(own)
            .filter(|entry| wanted(entry))
            .collect()
    };
    let sections = [
        ("Modules", of(&|entry| entry.kind == Kind::Module)),
        (
            "Configurations",
            of(&|entry| entry.kind == Kind::Type && is_config(entry)),
        ),
        (
            "Objects",
            of(&|entry| entry.kind == Kind::Type && !is_config(entry)),
        ),
        ("Functions", of(&|entry| entry.kind == Kind::Function)),
        ("Constants", of(&|entry| entry.kind == Kind::Constant)),
    ];
    let written = sections.iter().filter(|(_, entries)| !entries.is_empty());
    let written: Vec<String> = written.map(|(title, entries)| section(title, entries)).collect();
    format!(
        "{}\n\nhelp with one of them: its name, e.g. Tensor, Tensor.mean or torch::zeros",
        written.join("\n\n")
    )
}

/// How to use `name`: a bare name, `module::name` or `Type.name`.
///
/// # Errors
/// There is no such name; with the nearest ones.
pub fn topic(catalog: &Catalog, name: &str) -> Result<String> {
    let name = name.trim().trim_end_matches("()").trim_end_matches("::");
    let found = catalog.find(name);
    if found.is_empty() {
        return similar(catalog, name);
    }
    let mut parts = vec![entries(&found)];
    if found.iter().any(|entry| entry.kind == Kind::Module) {
        parts.push(section("Contents", &catalog.module(name)));
    }
    let members = if found.iter().any(|entry| is_type(entry)) {
        catalog.members(name)
    } else {
        Vec::new()
    };
    let of = |kind: Kind| -> Vec<&Entry> {
        members
            .iter()
            .filter(|entry| entry.kind == kind)
            .copied()
            .collect()
    };
    parts.push(fields(&of(Kind::Field)));
    parts.push(section("Properties", &of(Kind::Property)));
    parts.push(section("Methods", &of(Kind::Method)));
    parts.retain(|part| !part.is_empty());
    Ok(parts.join("\n\n"))
}

fn is_type(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Type | Kind::Constructor)
}

/// Names that contain `name`, or an error with the nearest one.
fn similar(catalog: &Catalog, name: &str) -> Result<String> {
    let lower = name.to_lowercase();
    let containing = |entry: &&Entry| name.len() > 1 && entry.path().to_lowercase().contains(&lower);
    let found: Vec<&Entry> = catalog.entries().iter().filter(containing).collect();
    if !found.is_empty() {
        return Ok(section(
            &format!("nothing is called `{name}`; names that contain it"),
            &found,
        ));
    }
    let names: Vec<String> = catalog.entries().iter().map(Entry::path).collect();
    Err(Error::unknown("name", name, &names))
}

/// Signatures and docs; a text that several share is shown once.
fn entries(found: &[&Entry]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut shown: Vec<&str> = Vec::new();
    for entry in found {
        let owner = match (entry.kind, &entry.owner) {
            (Kind::Method | Kind::Property | Kind::Field, Some(owner)) => format!("{owner}."),
            _ => String::new(),
        };
        let mut lines: Vec<String> = entry
            .signatures
            .iter()
            .map(|signature| format!("{BOLD}{owner}{signature}{BOLD:#}"))
            .collect();
        if lines.is_empty() && found.len() == 1 {
            lines.push(format!("{BOLD}{}{BOLD:#}", entry.path()));
        }
        if !entry.docs.is_empty() && !shown.contains(&entry.docs.as_str()) {
            shown.push(&entry.docs);
            lines.push(indented(&entry.docs, "  "));
        }
        if !lines.is_empty() {
            parts.push(lines.join("\n"));
        }
    }
    parts.join("\n\n")
}

/// A title, and a line for each entry: how it is written and the first sentence about it.
fn section(title: &str, entries: &[&Entry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let written: Vec<String> = entries.iter().map(|entry| brief(entry)).collect();
    let width = written.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let lines = entries.iter().zip(&written).map(|(entry, text)| {
        let line = format!("  {text:<width$}  {}", first_sentence(&entry.docs));
        line.trim_end().to_string()
    });
    format!("{BOLD}{title}{BOLD:#}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// As it is written where it is used, without parameters.
fn brief(entry: &Entry) -> String {
    match entry.kind {
        Kind::Method => format!(".{}()", entry.name),
        Kind::Property | Kind::Field => format!(".{}", entry.name),
        Kind::Function => format!("{}()", entry.path()),
        Kind::Module => format!("{}::", entry.name),
        Kind::Type | Kind::Constructor | Kind::Constant => entry.path(),
    }
}

/// Fields with their whole documentation: this is where people look up what a setting means.
fn fields(entries: &[&Entry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let lines = entries.iter().map(|entry| {
        let signature = entry
            .signatures
            .first()
            .map_or(entry.name.as_str(), String::as_str);
        match entry.docs.is_empty() {
            true => format!("  {signature}"),
            false => format!("  {signature}\n{}", indented(&entry.docs, "      ")),
        }
    });
    format!("{BOLD}Fields{BOLD:#}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Up to the first full stop or empty line, on one line.
fn first_sentence(docs: &str) -> String {
    let paragraph = docs.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let ends = paragraph.match_indices(". ").map(|(at, _)| &paragraph[..=at]);
    let mut sentences = ends.filter(|text| !text.ends_with("e.g.") && !text.ends_with("i.e."));
    sentences.next().unwrap_or(&paragraph).to_string()
}

fn indented(text: &str, by: &str) -> String {
    let lines = text.lines().map(|line| {
        if line.is_empty() {
            String::new()
        } else {
            format!("{by}{line}")
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Host;

    fn catalog() -> Catalog {
        Host::builder()
            .build()
            .and_then(|host| host.catalog())
            .expect("a catalog")
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_overview_names_what_people_look_for() {
        let text = plain(&overview(&catalog()));
        for name in ["torch::", "SAEConfig", "Tensor", "print_table()", "ARGS"] {
            assert!(text.contains(name), "{name} in\n{text}");
        }
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }

    #[test]
    fn a_configuration_shows_type_default_and_meaning_of_its_fields() {
        let text = plain(&topic(&catalog(), "SAEConfig").expect("it is there"));
        assert!(text.contains("  d_model: int (required)\n      "), "{text}");
        assert!(text.contains("  act_fn: "), "{text}");
        assert!(text.contains(" = \"relu\""), "{text}");
    }

    #[test]
    fn methods_are_found_by_their_type_and_alone() {
        let catalog = catalog();
        let by_type = plain(&topic(&catalog, "Tensor.mean").expect("it is there"));
        assert!(by_type.starts_with("Tensor.mean("), "{by_type}");
        let alone = plain(&topic(&catalog, "mean").expect("it is there"));
        assert!(alone.contains("Tensor.mean("), "{alone}");
    }

    #[test]
    fn parts_of_names_list_names_and_typos_the_nearest() {
        let catalog = catalog();
        let text = plain(&topic(&catalog, "zero").expect("some names contain it"));
        assert!(text.contains("torch::zeros()"), "{text}");
        let error = topic(&catalog, "print_tabel").expect_err("no such name");
        assert_eq!(error.hints()[0], "did you mean `print_table`?");
    }

    #[test]
    fn sentences_end_where_they_end() {
        assert_eq!(
            first_sentence("Some, e.g. this one. And more."),
            "Some, e.g. this one."
        );
        assert_eq!(first_sentence("Over\nlines\n\nnext"), "Over lines");
    }
}
