//! What is told of a value that the session holds: what it is, and what can be done with it.

use anstyle::Style;

use super::help;
use super::receiver::{catalog_name, type_of_last};
use crate::script::Interactive;
use crate::script::docs::Catalog;

const BOLD: Style = Style::new().bold();

/// Returns what is told of `text`: a variable, a function of the session, `variable.member`, `call().member` or a value
/// that is written out. `None` where it is nothing of the session's, and the documentation is to be asked.
pub(super) fn about(
    text: &str,
    interactive: &Interactive,
    catalog: &Catalog,
    width: usize,
) -> Option<String> {
    let functions = interactive.described_functions(text.trim_end_matches("()"));
    if !functions.is_empty() {
        let described = functions.into_iter().map(|(signature, docs)| {
            let docs: String = docs.lines().map(|line| format!("\n  {line}")).collect();
            format!("{BOLD}{signature}{BOLD:#}{docs}")
        });
        return Some(described.collect::<Vec<_>>().join("\n\n"));
    }
    if let Some((name, kind, value)) = interactive
        .variables()
        .into_iter()
        .find(|(name, _, _)| name == text)
    {
        let shown = interactive.show(&value, width);
        let mut lines = shown.lines();
        let first: String = lines
            .next()
            .unwrap_or_default()
            .chars()
            .take(width.saturating_sub(2))
            .collect();
        let more = if lines.next().is_some() { "\n  …" } else { "" };
        let head = format!("{BOLD}{name}: {}{BOLD:#}\n  {first}{more}", catalog_name(&kind));
        return Some(with_type(head, &catalog_name(&kind), catalog, width));
    }
    // A name of the documentation is what the documentation says.
    if !catalog.find(text).is_empty() {
        return None;
    }
    if let Some((receiver, member)) = text.rsplit_once('.')
        && let Some(kind) = type_of_last(receiver, interactive, catalog)
        && member
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_')
    {
        let path = format!("{kind}.{member}");
        return (!catalog.find(&path).is_empty())
            .then(|| help::topic(catalog, &path, width).ok())
            .flatten();
    }
    let kind = type_of_last(text, interactive, catalog)?;
    Some(with_type(
        format!("{BOLD}{text}: {kind}{BOLD:#}"),
        &kind,
        catalog,
        width,
    ))
}

/// `head`, then what there is to know of the type.
fn with_type(head: String, kind: &str, catalog: &Catalog, width: usize) -> String {
    let is_known = !catalog.members(kind).is_empty() || !catalog.find(kind).is_empty();
    match is_known.then(|| help::topic(catalog, kind, width)) {
        Some(Ok(told)) => format!("{head}\n\n{told}"),
        _ => head,
    }
}
