//! Documentation of names, for `:help` in a session and for `saescript doc`.

use anstyle::Style;

use crate::error::{Error, Result};
use crate::report::format::wrap;
use crate::script::Host;
use crate::script::docs::{Catalog, Entry, Kind};

const BOLD: Style = Style::new().bold();

/// Returns what there is: modules, classes, objects and functions, a line each where `width` columns suffice.
pub fn overview(catalog: &Catalog, width: usize) -> String {
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
            of(&|entry| entry.kind == Kind::Constructor && is_config(entry)),
        ),
        (
            "Objects",
            of(&|entry| entry.kind == Kind::Type && !is_config(entry) && !entry.docs.is_empty()),
        ),
        ("Functions", of(&|entry| entry.kind == Kind::Function)),
        ("Constants", of(&|entry| entry.kind == Kind::Constant)),
    ];
    let written = sections.iter().filter(|(_, entries)| !entries.is_empty());
    let written: Vec<String> = written
        .map(|(title, entries)| section(title, entries, width))
        .collect();
    format!(
        "{}\n\nhelp with one of them: its name, e.g. Tensor, Tensor.mean or torch::zeros",
        written.join("\n\n")
    )
}

/// Returns how to use `name`: a bare name, `module::name` or `Type.name`.
///
/// # Errors
/// There is no such name; with the nearest ones.
pub fn topic(catalog: &Catalog, name: &str, width: usize) -> Result<String> {
    let name = name.trim().trim_end_matches("()").trim_end_matches("::");
    let found = catalog.find(name);
    if found.is_empty() && catalog.members(name).is_empty() {
        return similar(catalog, name, width);
    }
    let mut parts = vec![entries(&found, width)];
    if let Some(module) = found.iter().find(|entry| entry.kind == Kind::Module) {
        parts.push(section("Contents", &catalog.module(&module.path()), width));
    }
    let members = if found.is_empty() || found.iter().any(|entry| is_type(entry)) {
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
    parts.push(fields(&of(Kind::Field), width));
    parts.push(section("Properties", &of(Kind::Property), width));
    parts.push(section("Methods", &of(Kind::Method), width));
    parts.retain(|part| !part.is_empty());
    Ok(parts.join("\n\n"))
}

/// Returns what is told of `name`: of what every script knows, or else of a module that a script in the working folder
/// can import, `probes`, `probes/linear` or `probes::share`.
///
/// # Errors
/// There is no such name, with the nearest ones; the library is not the one that was locked.
pub fn topic_or_module(host: &Host, catalog: &Catalog, name: &str, width: usize) -> Result<String> {
    let (path, rest) = match name.split_once("::") {
        Some((path, rest)) => (path, Some(rest)),
        None => (name, None),
    };
    let first = path.split('/').next().unwrap_or(path);
    let is_library = path.contains('/') || host.libraries().iter().any(|library| library == first);
    if !is_library && !catalog.find(name).is_empty() {
        return topic(catalog, name, width);
    }
    match host.module_docs(path) {
        Ok(docs) => {
            let alias = path.rsplit('/').next().unwrap_or(path);
            let own = rest.map_or_else(|| alias.to_string(), |rest| format!("{alias}::{rest}"));
            topic(&docs, &own, width)
        }
        Err(error) if is_library => Err(error),
        // `patching` for `std/patching`.
        Err(_) if host.importable().contains(&format!("std/{path}")) => {
            topic_or_module(host, catalog, &format!("std/{name}"), width)
        }
        Err(_) => topic(catalog, name, width),
    }
}

fn is_type(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Type | Kind::Constructor)
}

/// Names that contain `name`, or an error with the nearest one.
fn similar(catalog: &Catalog, name: &str, width: usize) -> Result<String> {
    let lower = name.to_lowercase();
    let containing = |entry: &&Entry| name.len() > 1 && entry.path().to_lowercase().contains(&lower);
    let found: Vec<&Entry> = catalog.entries().iter().filter(containing).collect();
    // Of what many types have, one is enough.
    let mut seen = Vec::new();
    let found: Vec<&Entry> = found
        .into_iter()
        .filter(|entry| {
            let brief = brief(entry);
            let is_new = !seen.contains(&brief);
            seen.push(brief);
            is_new
        })
        .collect();
    if !found.is_empty() {
        return Ok(section(
            &format!("nothing is called `{name}`; names that contain it"),
            &found,
            width,
        ));
    }
    let names: Vec<String> = catalog.entries().iter().map(Entry::path).collect();
    Err(Error::unknown("name", name, &names))
}

/// Signatures and docs; a text that several share is shown once.
fn entries(found: &[&Entry], width: usize) -> String {
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
            lines.push(indented(&entry.docs, 2, width));
        }
        if !lines.is_empty() {
            parts.push(lines.join("\n"));
        }
    }
    parts.join("\n\n")
}

/// A title, and a line for each entry: how it is written and the first sentence about it.
fn section(title: &str, entries: &[&Entry], width: usize) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let written: Vec<String> = entries.iter().map(|entry| brief(entry)).collect();
    let longest = written.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let rest = width.saturating_sub(longest + 4);
    let lines = entries.iter().zip(&written).map(|(entry, text)| {
        let about = wrap(&first_sentence(&entry.docs), rest).join(&format!("\n{:longest$}    ", ""));
        format!("  {text:<longest$}  {about}").trim_end().to_string()
    });
    format!("{BOLD}{title}{BOLD:#}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// As it is written where it is used, without parameters.
fn brief(entry: &Entry) -> String {
    match entry.kind {
        Kind::Method => format!(".{}()", entry.name),
        Kind::Property | Kind::Field => format!(".{}", entry.name),
        Kind::Function => format!("{}()", entry.path()),
        Kind::Module => format!("{}::", entry.path()),
        Kind::Type | Kind::Constructor | Kind::Constant => entry.path(),
    }
}

/// Fields with their whole documentation: this is where people look up what a setting means.
fn fields(entries: &[&Entry], width: usize) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let lines = entries.iter().map(|entry| {
        let signature = entry
            .signatures
            .first()
            .map_or(entry.name.as_str(), String::as_str);
        if entry.docs.is_empty() {
            format!("  {signature}")
        } else {
            format!("  {signature}\n{}", indented(&entry.docs, 6, width))
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

/// `text` to the right by `by` columns, its paragraphs filled up to `width`. Lists, tables and code stay as they are.
fn indented(text: &str, by: usize, width: usize) -> String {
    let margin = " ".repeat(by);
    let mut lines: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    let mut code = false;
    for line in text.lines().chain([""]) {
        let fence = line.starts_with("```");
        let as_it_is = code || fence || line.is_empty() || line.starts_with(['-', '|', ' ', '*']);
        if as_it_is {
            lines.extend(wrap(&std::mem::take(&mut paragraph), width.saturating_sub(by)));
            lines.push(line.to_string());
        } else {
            paragraph += if paragraph.is_empty() { "" } else { " " };
            paragraph += line;
        }
        code ^= fence;
    }
    let lines = lines
        .iter()
        .map(|line| format!("{margin}{line}").trim_end().to_string());
    lines.collect::<Vec<_>>().join("\n").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text = plain(&overview(&catalog(), 120));
        for name in ["torch::", "SAEConfig", "Tensor", "print_table()", "ARGS"] {
            assert!(text.contains(name), "{name} in\n{text}");
        }
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }

    #[test]
    fn a_configuration_shows_type_default_and_meaning_of_its_fields() {
        let text = plain(&topic(&catalog(), "SAEConfig", 120).expect("it is there"));
        assert!(text.contains("  d_model: int (required)\n      "), "{text}");
        assert!(text.contains("  act_fn: "), "{text}");
        assert!(text.contains(" = \"relu\""), "{text}");
    }

    #[test]
    fn the_names_of_a_kind_show_its_fields_and_no_others() {
        let catalog = catalog();
        let text = plain(&topic(&catalog, "CrosscoderConfig", 120).expect("it is there"));
        assert!(text.starts_with("CrosscoderConfig() -> SAEConfig"), "{text}");
        assert!(text.contains("sae_type` \"crosscoder\""), "{text}");
        assert!(text.contains("  hook_points: "), "{text}");
        assert!(text.contains("  act_fn: "), "{text}");
        for other in ["hook_point_in", "sae_type:", "gated_aux_frozen"] {
            assert!(!text.contains(other), "{other} in\n{text}");
        }
        let text = plain(&topic(&catalog, "TrainCrosscoderSettings", 120).expect("it is there"));
        assert!(text.contains("  trainer: TrainerConfig (required)"), "{text}");
        assert!(plain(&overview(&catalog, 120)).contains("  CrosscoderConfig"));
    }

    #[test]
    fn methods_are_found_by_their_type_and_alone() {
        let catalog = catalog();
        let by_type = plain(&topic(&catalog, "Tensor.mean", 120).expect("it is there"));
        assert!(by_type.starts_with("Tensor.mean("), "{by_type}");
        let alone = plain(&topic(&catalog, "mean", 120).expect("it is there"));
        assert!(alone.contains("Tensor.mean("), "{alone}");
    }

    #[test]
    fn parts_of_names_list_names_and_typos_the_nearest() {
        let catalog = catalog();
        let text = plain(&topic(&catalog, "zero", 120).expect("some names contain it"));
        assert!(text.contains("torch::zeros()"), "{text}");
        let error = topic(&catalog, "print_tabel", 120).expect_err("no such name");
        assert_eq!(error.hints()[0], "did you mean `print_table`?");
    }

    #[test]
    fn types_of_the_language_list_what_can_be_done_with_them() {
        let text = plain(&topic(&catalog(), "string", 120).expect("it has methods"));
        assert!(text.starts_with("Properties"), "{text}");
        assert!(text.contains("  .split()") && !text.contains("Tensor"), "{text}");
        let text = plain(&topic(&catalog(), "to_stri", 120).expect("some names contain it"));
        assert_eq!(text.matches("  .to_string()").count(), 1, "{text}");
    }

    #[test]
    fn a_module_of_ours_is_found_by_its_last_name() {
        let host = Host::builder().build().expect("a host");
        let catalog = host.catalog().expect("a catalog");
        let told = |name: &str| plain(&topic_or_module(&host, &catalog, name, 120).expect("it is there"));
        assert!(told("patching").contains("patching::residual()"));
        assert!(told("patching::residual").starts_with("patching::residual(model"));
    }

    #[test]
    fn text_is_filled_up_to_the_width_but_for_code() {
        let text = "one two three\nfour five\n\n```rhai\nlet a_long_line = 1;\n```";
        let wanted = "  one two\n  three four\n  five\n\n  ```rhai\n  let a_long_line = 1;\n  ```";
        assert_eq!(indented(text, 2, 13), wanted);
        for width in [60, 80, 200] {
            let text = plain(&overview(&catalog(), width));
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(
                longest.is_some_and(|longest| longest <= width.max(76)),
                "{longest:?} in\n{text}"
            );
        }
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
