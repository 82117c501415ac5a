//! Values as a session shows them: within the width of the terminal, nested ones indented, lists of equal maps as tables,
//! long lists by their ends.

use rhai::{AST, Array, Dynamic, Engine, FnPtr, Map, Scope, is_valid_identifier};

use crate::report::{Table, format};

/// Longer lists are shown by their first and last items.
const MOST_ITEMS: usize = 200;
const FIRST: usize = 20;
const LAST: usize = 3;
/// Maps in a list are a table from so many on.
const ROWS: usize = 2;
/// Values nested deeper are written on one line.
const DEEPEST: usize = 12;
const STEP: usize = 4;

/// Writes values through the engine's own `to_string` and `to_debug`.
pub(super) struct Pretty<'engine> {
    engine: &'engine Engine,
    functions: AST,
    width: usize,
}

impl<'engine> Pretty<'engine> {
    /// Returns a writer of texts that are up to `width` columns wide where that is possible.
    pub(super) fn new(engine: &'engine Engine, width: usize) -> Self {
        let text = "fn __show(x) { if type_of(x) == \"string\" { x.to_debug() } else { x.to_string() } }
            fn __inner(x) { x.to_debug() }
            fn __drawn(x) { x.text() }
            fn __items(x, most) { let items = []; for item in x { if items.len() > most { break; } items.push(item); } items }";
        let functions = engine.compile(text).unwrap_or_else(|_| AST::empty());
        Pretty {
            engine,
            functions,
            width,
        }
    }

    /// Returns the text of `value`, of several lines if need be.
    pub(super) fn show(&self, value: &Dynamic) -> String {
        if let Some(drawn) = self.drawn(value) {
            drawn
        } else if value.is_array() || value.is_map() {
            self.nested(value, 0, 0)
        } else if self.engine.map_type_name(value.type_name()) == "range" {
            self.range(value)
        } else {
            self.call("__show", value)
        }
    }

    /// A chart of `std/plots`, drawn in letters.
    fn drawn(&self, value: &Dynamic) -> Option<String> {
        let map = value.read_lock::<Map>()?;
        let is_chart = ["text", "svg"]
            .iter()
            .all(|name| map.get(*name).is_some_and(Dynamic::is_fnptr));
        drop(map);
        let call =
            self.engine
                .call_fn::<String>(&mut Scope::new(), &self.functions, "__drawn", (value.clone(),));
        is_chart.then_some(call.ok()?)
    }

    /// A range by its numbers or letters, as far as it is no two ends.
    fn range(&self, value: &Dynamic) -> String {
        let shown = self.call("__show", value);
        if shown != "range" {
            return shown;
        }
        let most = MOST_ITEMS as i64;
        let items = self.engine.call_fn::<Array>(
            &mut Scope::new(),
            &self.functions,
            "__items",
            (value.clone(), most),
        );
        match items {
            Ok(items) if items.len() as i64 <= most => {
                format!("range of {}", self.nested(&items.into(), 0, 9))
            }
            _ => shown,
        }
    }

    fn call(&self, function: &str, value: &Dynamic) -> String {
        let printed =
            self.engine
                .call_fn::<Dynamic>(&mut Scope::new(), &self.functions, function, (value.clone(),));
        printed.map_or_else(|_| value.to_string(), |text| text.to_string())
    }

    /// `value` within others; its lines after the first begin at column `indent`, the first at `used`.
    fn nested(&self, value: &Dynamic, indent: usize, used: usize) -> String {
        let depth = indent / STEP;
        if let Some(items) = value.read_lock::<Array>().filter(|_| depth < DEEPEST) {
            self.array(&items, indent, used)
        } else if let Some(entries) = value.read_lock::<Map>().filter(|_| depth < DEEPEST) {
            self.map(&entries, indent, used)
        } else if value
            .read_lock::<FnPtr>()
            .is_some_and(|function| function.is_anonymous())
        {
            "a closure".into()
        } else {
            self.call("__inner", value)
                .replace('\n', &format!("\n{:indent$}", ""))
        }
    }

    fn array(&self, items: &Array, indent: usize, used: usize) -> String {
        if let Some(table) = self.table(items).filter(|_| indent == 0) {
            return table;
        }
        let inner = indent + STEP;
        let is_long = items.len() > MOST_ITEMS;
        let shown = items.iter().take(if is_long { FIRST } else { items.len() });
        let mut texts: Vec<String> = shown.map(|item| self.nested(item, inner, inner)).collect();
        if is_long {
            let left_out = (items.len() - FIRST - LAST) as u64;
            texts.push(format!("… {} …", format::amount(left_out, None, "more")));
            let last = &items[items.len() - LAST..];
            texts.extend(last.iter().map(|item| self.nested(item, inner, inner)));
        }
        if fits(&texts, 2, self.width.saturating_sub(used)) {
            return format!("[{}]", texts.join(", "));
        }
        let flat = items
            .iter()
            .take(MOST_ITEMS)
            .all(|item| !item.is_array() && !item.is_map());
        let lines = if flat && texts.iter().all(|text| !text.contains('\n')) {
            filled(&texts, self.width.saturating_sub(inner))
        } else {
            texts.into_iter().map(|text| text + ",").collect()
        };
        bracketed("[", &lines, "]", indent)
    }

    fn map(&self, entries: &Map, indent: usize, used: usize) -> String {
        let inner = indent + STEP;
        let lines: Vec<String> = entries
            .iter()
            .map(|(key, value)| {
                let key = if is_valid_identifier(key) {
                    key.to_string()
                } else {
                    format!("{key:?}")
                };
                let column = inner + key.chars().count() + 2;
                format!("{key}: {}", self.nested(value, inner, column))
            })
            .collect();
        if lines.is_empty() {
            return "#{}".into();
        }
        if fits(&lines, 5, self.width.saturating_sub(used)) {
            return format!("#{{ {} }}", lines.join(", "));
        }
        let lines: Vec<String> = lines.into_iter().map(|line| line + ",").collect();
        bracketed("#{", &lines, "}", indent)
    }

    /// Maps that all have the same keys and hold nothing nested.
    fn table(&self, items: &Array) -> Option<String> {
        let maps: Vec<_> = items
            .iter()
            .map(|item| item.read_lock::<Map>())
            .collect::<Option<_>>()?;
        let first = maps
            .first()
            .filter(|_| (ROWS..=MOST_ITEMS).contains(&maps.len()))?;
        let is_row = |map: &Map| {
            map.keys().eq(first.keys()) && map.values().all(|value| !value.is_array() && !value.is_map())
        };
        if first.is_empty() || !maps.iter().all(|map| is_row(map)) {
            return None;
        }
        let mut table = Table::new(first.keys().map(ToString::to_string));
        for map in &maps {
            table.row(map.values().map(|value| self.call("__inner", value)));
        }
        let text = table.render(None);
        let is_narrow = text.lines().all(|line| line.chars().count() <= self.width);
        is_narrow.then_some(text)
    }
}

/// Do the parts fit on one line, with `around` columns of brackets?
fn fits(parts: &[String], around: usize, width: usize) -> bool {
    let wide: usize = parts.iter().map(|part| part.chars().count() + 2).sum();
    wide + around <= width + 2 && parts.iter().all(|part| !part.contains('\n'))
}

/// Fills lines of up to `width` columns with the parts, a comma after each.
fn filled(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let wide = part.chars().count() + 2;
        match lines.last_mut() {
            Some(line) if line.chars().count() + wide <= width => *line += &format!(" {part},"),
            _ => lines.push(format!("{part},")),
        }
    }
    lines
}

fn bracketed(open: &str, lines: &[String], close: &str, indent: usize) -> String {
    let inner = indent + STEP;
    let lines: String = lines
        .iter()
        .map(|line| format!("{:inner$}{line}\n", ""))
        .collect();
    format!("{open}\n{lines}{:indent$}{close}", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Host;

    #[test]
    fn values_are_laid_out_within_the_width() {
        let mut host = Host::builder().output(|_| ()).build().expect("a host");
        let mut shown = |text: &str| {
            let value = host.eval("a test", text).expect("a value");
            Pretty::new(host.engine(), 30).show(&value)
        };
        for (text, wanted) in [
            ("[1, 2, 3]", "[1, 2, 3]"),
            ("#{}", "#{}"),
            ("#{ f: |x| x }", "#{ f: a closure }"),
            ("range(0, 7, 3)", "range of [0, 3, 6]"),
            ("0..3", "0..3"),
            ("#{ b: \"x\", a: [] }", "#{ a: [], b: \"x\" }"),
            (
                "(0..12).map(|n| 100 + n)",
                "[\n    100, 101, 102, 103, 104,\n    105, 106, 107, 108, 109,\n    110, 111,\n]",
            ),
            (
                "#{ name: \"a longer text\", \"two words\": #{ lr: 0.1, steps: [1, 2] } }",
                "#{\n    name: \"a longer text\",\n    \"two words\": #{\n        lr: 0.1,\n        steps: [1, 2],\n    },\n}",
            ),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
        let long = shown("(0..1000).to_array()");
        assert!(
            long.contains("… 977 more …") && long.ends_with("999,\n]"),
            "{long}"
        );
        let table = shown("[#{ k: 1, loss: 0.5 }, #{ k: 2, loss: 0.25 }]");
        assert!(table.lines().count() >= 3 && table.contains("loss"), "{table}");
    }
}
