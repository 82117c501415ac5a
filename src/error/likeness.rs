//! Names that are like another.

/// Returns the candidate that `given` was probably meant to be, if one is near enough.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        // Of a name of one or two letters something has to remain.
        .filter(|(distance, name)| {
            *distance <= ((name.len().min(given.len()) + 1) / 3).max(1) && *distance < given.len()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Lists at most twelve names for a message, the ones most like `given` first when there are more.
pub(super) fn shortlist<S: AsRef<str>>(given: &str, names: &[S]) -> String {
    const MOST: usize = 12;
    let quote = |name: &str| format!("`{name}`");
    if names.len() <= MOST {
        return names
            .iter()
            .map(|name| quote(name.as_ref()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let mut by_likeness: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    by_likeness.sort_by_key(|name| strsim::damerau_levenshtein(given, name));
    let shown: Vec<String> = by_likeness[..MOST].iter().map(|name| quote(name)).collect();
    format!("{}, … ({} in all)", shown.join(", "), names.len())
}
