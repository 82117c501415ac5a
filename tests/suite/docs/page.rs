//! Markdown pages: their fences and the tables that show calls.

/// A part of a page that can be tried, in the order of the page.
#[derive(Debug, PartialEq)]
pub enum Block {
    /// Between two lines of backquotes.
    Fence(Fence),
    /// A row of a table whose second column is headed `here`.
    Row(Row),
}

/// A fence: its language and marks, the line of its first line of text, its text.
#[derive(Debug, PartialEq)]
pub struct Fence {
    pub language: String,
    pub marks: Vec<String>,
    pub line: usize,
    pub text: String,
}

/// A row: its line, the calls in its second column, and what its third column says that the last one gives.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub line: usize,
    pub calls: Vec<String>,
    pub gives: Option<String>,
}

impl Fence {
    /// Whether the mark stands behind the language.
    pub fn is(&self, mark: &str) -> bool {
        self.marks.iter().any(|known| known == mark)
    }

    /// The file that the first line names in a comment of nothing else, as `// own.rhai` or `# own.toml`.
    pub fn file(&self) -> Option<&str> {
        let first = self.text.lines().next()?;
        let name = first.strip_prefix("// ").or_else(|| first.strip_prefix("# "))?;
        let is_name = !name.contains(' ') && name.rsplit_once('.').is_some_and(|(_, end)| !end.is_empty());
        is_name.then_some(name)
    }
}

/// Returns the blocks of a page. Lines are counted from 1.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Fence> = None;
    let mut headings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        match (open.take(), line.trim_start().strip_prefix("```")) {
            (Some(fence), Some(_)) => blocks.push(Block::Fence(fence)),
            (Some(mut fence), None) => {
                fence.text += line;
                fence.text.push('\n');
                open = Some(fence);
            }
            (None, Some(info)) => open = Some(begun(info, index + 2)),
            (None, None) => {
                let cells = cells(line);
                if headings.is_empty() || cells.is_empty() {
                    headings = cells;
                } else {
                    blocks.extend(row(&headings, &cells, index + 1).map(Block::Row));
                }
            }
        }
    }
    blocks
}

fn begun(info: &str, line: usize) -> Fence {
    let mut words = info.split([' ', ',']).map(str::to_owned);
    Fence {
        language: words.next().unwrap_or_default(),
        marks: words.collect(),
        line,
        text: String::new(),
    }
}

/// The cells of a line of a table; none for other lines.
fn cells(line: &str) -> Vec<String> {
    let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
        return Vec::new();
    };
    let inner = inner.replace("\\|", "\u{0}");
    inner
        .split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

fn row(headings: &[String], cells: &[String], line: usize) -> Option<Row> {
    if headings.get(1).map(String::as_str) != Some("here") {
        return None;
    }
    let calls = spans(cells.get(1)?);
    let gives = match headings.get(2).map(String::as_str) {
        Some("gives") => cells.get(2).and_then(|cell| spans(cell).into_iter().next()),
        _ => None,
    };
    (!calls.is_empty()).then_some(Row { line, calls, gives })
}

/// What stands between backquotes, of which there are one or two on each side.
fn spans(cell: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = cell;
    while let Some(begin) = rest.find('`') {
        let quotes = if rest[begin..].starts_with("``") {
            "``"
        } else {
            "`"
        };
        let after = &rest[begin + quotes.len()..];
        let Some(end) = after.find(quotes) else {
            break;
        };
        found.push(after[..end].trim().to_owned());
        rest = &after[end + quotes.len()..];
    }
    found
}

#[test]
fn fences_are_found_with_their_lines_marks_and_files() {
    let page = "text\n```rhai\nprint(1);\n```\n```toml\n# own.toml\nx = 1\n```\n```rhai no_run\n// a word or two.\n```\n";
    let fences: Vec<Fence> = blocks(page)
        .into_iter()
        .filter_map(|block| match block {
            Block::Fence(fence) => Some(fence),
            Block::Row(_) => None,
        })
        .collect();
    let lines: Vec<usize> = fences.iter().map(|fence| fence.line).collect();
    assert_eq!(lines, [3, 6, 10]);
    let files: Vec<Option<&str>> = fences.iter().map(Fence::file).collect();
    assert_eq!(files, [None, Some("own.toml"), None]);
    assert!(fences[2].is("no_run") && !fences[0].is("no_run"));
}

#[test]
fn rows_are_found_under_their_heading_alone() {
    let page = "| PyTorch | here | gives |\n|---|---|---|\n| `x` | ``f(`a`, \\|y\\| y)``, then `z` | `3` |\n\n| a | b |\n|---|---|\n| 1 | `2` |\n";
    let expected = Row {
        line: 3,
        calls: vec!["f(`a`, |y| y)".into(), "z".into()],
        gives: Some("3".into()),
    };
    assert_eq!(blocks(page), [Block::Row(expected)]);
}
