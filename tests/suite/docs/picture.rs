//! The README's picture of a terminal: what the tour shows and its test compares, as an SVG picture for light and dark
//! pages.

use std::fmt::Write;

use super::page::{Block, blocks};
use super::root;

const PICTURE: &str = "docs/terminal.svg";

/// Longer lines are cut.
const COLUMNS: usize = 100;
const LINE: f64 = 18.0;
const LETTER: f64 = 7.83;

const STYLE: &str = ".ground{fill:#f6f8fa;stroke:#d1d9e0}.said{fill:#1f2328}.typed{fill:#0550ae;font-weight:600}\
@media (prefers-color-scheme:dark){.ground{fill:#151b23;stroke:#3d444d}.said{fill:#d1d7e0}.typed{fill:#79c0ff}}";

/// What stands in the fences with the mark `picture`.
fn shown(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks(page) {
        if let Block::Fence(fence) = block
            && fence.is("picture")
        {
            lines.extend(fence.text.lines().map(str::to_owned));
        }
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.to_owned(),
    }
}

/// Text of a picture; blanks that are kept beside one another.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(' ', "\u{a0}")
}

fn drawn(lines: &[String]) -> String {
    let width = LETTER * (COLUMNS + 6) as f64;
    let height = LINE * (lines.len() + 2) as f64;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         aria-label=\"A training and a latent on the terminal\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"13\">\n",
        width - 1.0,
        height - 1.0
    );
    for (index, line) in lines.iter().enumerate() {
        let class = if line.starts_with("$ ") { "typed" } else { "said" };
        let y = LINE * (index + 2) as f64 - 4.0;
        let text = escaped(&cut(line));
        let _ = writeln!(
            picture,
            "<text class=\"{class}\" x=\"{LINE}\" y=\"{y}\">{text}</text>"
        );
    }
    picture + "</g>\n</svg>\n"
}

#[test]
fn the_picture_of_a_terminal_is_what_the_tour_shows() {
    let tour = std::fs::read_to_string(root().join("docs/guide/tour.md")).expect("the tour");
    let lines = shown(&tour);
    assert!(lines.len() > 10, "{lines:?}");
    let picture = drawn(&lines);
    let path = root().join(PICTURE);
    if std::env::var_os("SAESCRIPT_BLESS").is_some() {
        std::fs::write(&path, &picture).expect("writable");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == picture,
        "{PICTURE} is of another tour: SAESCRIPT_BLESS=1 draws it anew"
    );
}

#[test]
fn long_lines_are_cut_and_signs_of_markup_written_out() {
    let lines = ["$ a < b".to_owned(), "x".repeat(200)];
    let picture = drawn(&lines);
    assert!(
        picture.contains("class=\"typed\" x=\"18\" y=\"32\">$\u{a0}a\u{a0}&lt;\u{a0}b<"),
        "{picture}"
    );
    assert!(
        picture.contains(&format!(">{}\u{a0}…<", "x".repeat(COLUMNS))),
        "{picture}"
    );
}
