//! Words around names and numbers: "an array", "1 argument".

use std::fmt;

/// Puts the article before `noun`: `a tensor`, `an array`. Plurals, lists and values stay as they are.
pub fn a(noun: &str) -> String {
    let lower = noun.to_lowercase();
    let spoken_with_vowel = lower.starts_with(['a', 'e', 'i', 'o']) && !lower.starts_with("one")
        // "a unit", "an unknown key"
        || lower.starts_with("un") && !lower.starts_with("uni")
        || lower.starts_with("sae");
    if !lower.starts_with(|first: char| first.is_alphabetic()) {
        noun.to_string()
    } else if spoken_with_vowel {
        format!("an {noun}")
    } else {
        format!("a {noun}")
    }
}

/// Writes so many of a thing: `1 argument`, `2 arguments`, `no arguments`; of `entry`, `entries`.
pub fn counted(count: impl fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    match count.as_str() {
        "0" => format!("no {}", plural(noun)),
        "1" => format!("1 {noun}"),
        _ => format!("{count} {}", plural(noun)),
    }
}

fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with("ch") => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// Joins alternatives: `a`, `b` or `c`.
pub fn either<S: AsRef<str>>(options: &[S]) -> String {
    match options {
        [] => String::new(),
        [only] => only.as_ref().to_string(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}

/// A number of bytes in decimal units, as disks and downloads are measured: `812 B`, `1.5 KB`, `7.6 GB`.
pub fn byte_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_have_their_article_and_number() {
        let said = ["array", "int", "map", "Tensor", "SAEConfig", "unit", "()", "1"].map(a);
        assert_eq!(
            said,
            [
                "an array",
                "an int",
                "a map",
                "a Tensor",
                "an SAEConfig",
                "a unit",
                "()",
                "1"
            ]
        );
        let said = [0, 1, 2].map(|count| counted(count, "entry"));
        assert_eq!(said, ["no entries", "1 entry", "2 entries"]);
        assert_eq!(counted(2_u64, "batch"), "2 batches");
        assert_eq!(either(&["0", "1", "2"]), "0, 1 or 2");
    }

    #[test]
    fn sizes_change_unit_before_four_digits() {
        assert_eq!(byte_size(812), "812 B");
        assert_eq!(byte_size(1_500), "1.5 KB");
        assert_eq!(byte_size(999_949), "999.9 KB");
        assert_eq!(byte_size(999_950), "1.0 MB");
        assert_eq!(byte_size(7_600_000_000), "7.6 GB");
        assert_eq!(byte_size(u64::MAX), "18.4 EB");
    }
}
