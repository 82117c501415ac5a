//! Tables of results, for `print_table` and summaries.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};

use super::visible::visible;

/// A table: headers, then rows of text. Columns in which everything is a number are aligned to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns a table with these headers and no rows; no headers at all leave the header line out.
    pub fn new<S: Into<String>>(headers: impl IntoIterator<Item = S>) -> Self {
        Table {
            headers: cells(headers),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Rows may be shorter than others; what is missing stays empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        self.rows.push(self::cells(cells));
        self
    }

    /// Returns the table as lines without a final line break, at most `width` columns wide where given: long cells are
    /// broken into several lines.
    pub fn render(&self, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE);
        if let Some(width) = width {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        if !self.headers.is_empty() {
            table.set_header(&self.headers);
        }
        for row in &self.rows {
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            if self.is_numeric(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self
            .rows
            .iter()
            .filter_map(|row| row.get(column))
            .filter(|cell| !cell.is_empty())
            .peekable();
        cells.peek().is_some() && cells.all(|cell| is_number(cell))
    }
}

/// Whatever a cell holds, a table is only looked at.
fn cells<S: Into<String>>(cells: impl IntoIterator<Item = S>) -> Vec<String> {
    let texts = cells.into_iter().map(Into::into);
    texts.map(|text| visible(&text).into_owned()).collect()
}

/// A number, perhaps with separators, a sign, a percent sign or a dash for "none".
fn is_number(cell: &str) -> bool {
    let bare = cell.trim().trim_end_matches('%').replace([',', '_'], "");
    bare == "-" || bare.parse::<f64>().is_ok()
}

/// A rule under the header and nothing else: tables are read, and pasted into notes.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let mut table = Table::new(["metric", "value"]);
        table
            .row(["explained variance", "0.7331"])
            .row(["L0", "16"])
            .row(["time", ""]);
        let lines: Vec<String> = table.render(None).lines().map(str::to_string).collect();
        assert_eq!(
            lines,
            [
                " metric                value",
                "─────────────────────────────",
                " explained variance   0.7331",
                " L0                       16",
                " time",
            ]
        );
    }

    #[test]
    fn long_cells_are_broken_to_the_width() {
        let mut table = Table::new(["name", "what it is"]);
        table.row(["lr", "how far each step of the optimiser goes"]);
        let text = table.render(Some(30));
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(text.lines().count() > 3, "{text}");
    }
}
