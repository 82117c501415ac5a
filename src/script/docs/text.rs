//! Doc comments as text.

/// Returns the text of doc comments without their markers.
pub(in crate::script) fn strip_comment(comments: &[String]) -> String {
    let lines = comments.iter().flat_map(|comment| comment.lines());
    let bare = lines.map(|line| {
        let line = line.trim_end();
        let line = line.trim_start_matches('/').trim_start_matches('!');
        line.strip_prefix(' ').unwrap_or(line)
    });
    bare.collect::<Vec<_>>().join("\n").trim().to_string()
}
