//! Whether a page shows what is printed, but for what differs from run to run.

/// Compares lines. `…` in a shown line stands for any text, a line of `…` alone for any lines; blanks at the ends and how
/// many stand between words do not count, and a number with a point may be off by a twentieth, as processors round
/// differently.
pub fn same(shown: &[&str], said: &[&str]) -> bool {
    match (shown.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((&"…", after)), _) => (0..=said.len()).any(|skipped| same(after, &said[skipped..])),
        (Some((line, shown)), Some((other, said))) => same_line(line, other) && same(shown, said),
        _ => false,
    }
}

fn same_line(shown: &str, said: &str) -> bool {
    let shown: Vec<&str> = shown.split_whitespace().collect();
    let said: Vec<&str> = said.split_whitespace().collect();
    same_words(&shown, &said)
}

fn same_words(shown: &[&str], said: &[&str]) -> bool {
    match (shown.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((&"…", after)), _) => (0..=said.len()).any(|skipped| same_words(after, &said[skipped..])),
        (Some((word, shown)), Some((other, said))) => same_word(word, other) && same_words(shown, said),
        _ => false,
    }
}

fn same_word(shown: &str, said: &str) -> bool {
    if let Some((begin, end)) = shown.split_once('…') {
        return said.strip_prefix(begin).is_some_and(|said| said.ends_with(end));
    }
    let number = |word: &str| {
        let word = word.trim_matches(|letter: char| !letter.is_ascii_digit() && letter != '-');
        word.contains('.').then(|| word.parse::<f64>().ok()).flatten()
    };
    match (number(shown), number(said)) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.05 * a.abs().max(b.abs()),
        _ => shown == said,
    }
}

#[test]
fn what_differs_is_told_from_what_may_differ() {
    for (shown, said) in [
        ("loss  0.512", "loss 0.511"),
        ("took … s", "took 3 s"),
        ("in …ms", "in 3ms"),
        ("a\n…\nz", "a\nb\nc\nz"),
        ("…\nz", "z"),
    ] {
        assert!(holds(shown, said), "{shown:?} {said:?}");
    }
    for (shown, said) in [
        ("loss 0.512", "loss 0.6"),
        ("3 latents", "4 latents"),
        ("a\n…\nz", "a\nb"),
        ("a", "a\nb"),
        ("a b", "a"),
    ] {
        assert!(!holds(shown, said), "{shown:?} {said:?}");
    }
}

#[cfg(test)]
fn holds(shown: &str, said: &str) -> bool {
    let shown: Vec<&str> = shown.lines().collect();
    let said: Vec<&str> = said.lines().collect();
    same(&shown, &said)
}
