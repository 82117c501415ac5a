//! What could stand at the cursor.

use std::path::Path;

use rustyline::completion::Pair;

use super::commands::{self, Argument, COMMANDS};
use super::highlight::KEYWORDS;
use super::receiver::{catalog_name, is_dot, is_open, type_of_last};
use crate::report::visible;
use crate::script::docs::{Catalog, Entry, Kind as Name};
use crate::script::source::lexer::{Kind, Lexer, Token};
use crate::script::{Host, Interactive};

/// Candidates, and the byte of the line from which on each replaces what is there.
pub(super) type Candidates = (usize, Vec<Pair>);

/// Completes `line`, which ends at the cursor.
pub(super) fn complete(line: &str, interactive: &Interactive, catalog: &Catalog) -> Candidates {
    let Some(command) = line.trim_start().strip_prefix(':') else {
        return Completion {
            line,
            interactive,
            catalog,
        }
        .expression();
    };
    let start = line.len() - command.len();
    let Some((word, rest)) = command.split_once(' ') else {
        let names = COMMANDS.iter().map(|command| format!("{} ", command.name));
        return (start, keep(names, command));
    };
    let at = line.len() - rest.trim_start().len();
    match commands::find(word).map(|command| command.argument) {
        Some(Argument::File) => (at, files(&line[at..], "")),
        Some(Argument::Expression) => Completion {
            line,
            interactive,
            catalog,
        }
        .expression(),
        Some(Argument::Topic) => (at, topics(&line[at..], catalog)),
        Some(Argument::None) | None => (line.len(), Vec::new()),
    }
}

struct Completion<'a> {
    line: &'a str,
    interactive: &'a Interactive<'a>,
    catalog: &'a Catalog,
}

impl Completion<'_> {
    fn expression(&self) -> Candidates {
        let tokens: Vec<Token> = Lexer::new(self.line, 0).collect();
        if let Some(quote) = open_string(self.line, &tokens) {
            return self.in_string(quote, &tokens);
        }
        let start = self.word_start(&tokens);
        let prefix = &self.line[start..];
        let before: Vec<Token> = tokens
            .into_iter()
            .filter(|token| token.span.end <= start)
            .collect();
        let candidates = match before.last() {
            Some(dot) if is_dot(self.line, dot) => self.members(&self.line[..dot.span.start], prefix),
            Some(token) if token.kind == Kind::PathSeparator => self.in_module(&before, prefix),
            Some(_) => match self.configuration(&before) {
                Some((class, used)) => self.fields(class, &used, prefix),
                None => self.names(prefix),
            },
            None => self.names(prefix),
        };
        (start, candidates)
    }

    /// Where the name at the cursor begins; the cursor itself if there is none.
    fn word_start(&self, tokens: &[Token]) -> usize {
        match tokens.last() {
            Some(token) if token.kind == Kind::Name && token.span.end == self.line.len() => token.span.start,
            _ => self.line.len(),
        }
    }

    /// Methods, properties and fields; the keys of a map.
    fn members(&self, receiver: &str, prefix: &str) -> Vec<Pair> {
        let known = type_of_last(receiver, self.interactive, self.catalog);
        let keys = self.keys_of(receiver.trim_end());
        let entries: Vec<&Entry> = match &known {
            Some(kind) => self.catalog.members(kind),
            None if prefix.is_empty() => Vec::new(),
            // Nobody knows what it is: whatever saescript's own objects have.
            None => self
                .catalog
                .entries()
                .iter()
                .filter(|entry| {
                    !entry.standard && matches!(entry.kind, Name::Method | Name::Property | Name::Field)
                })
                .collect(),
        };
        keep(keys.into_iter().chain(entries.into_iter().map(call)), prefix)
    }

    /// The keys of a variable that is a map.
    fn keys_of(&self, receiver: &str) -> Vec<String> {
        let name = receiver
            .rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next();
        let variables = self.interactive.variables();
        let value = variables
            .iter()
            .find(|(known, _, _)| Some(known.as_str()) == name)
            .map(|(_, _, value)| value);
        let map = value.and_then(|value| value.read_lock::<rhai::Map>());
        map.map(|map| map.keys().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    fn in_module(&self, before: &[Token], prefix: &str) -> Vec<Pair> {
        let word = |token: &Token| &self.line[token.span.clone()];
        // `torch::cuda::`: a module in another.
        let mut parts = Vec::new();
        for pair in before.rchunks_exact(2) {
            match pair {
                [name, separator] if name.kind == Kind::Name && separator.kind == Kind::PathSeparator => {
                    parts.insert(0, word(name));
                }
                _ => break,
            }
        }
        let module = &parts.join("::");
        let provided = self.catalog.module(module).into_iter().map(call);
        keep(
            provided.chain(self.interactive.import_members(module).into_iter().map(opened)),
            prefix,
        )
    }

    /// `SAEConfig(#{ a: 1, ` → the class, and the keys that are written already; `None` unless a key is due here.
    fn configuration(&self, before: &[Token]) -> Option<(&str, Vec<&str>)> {
        let word = |token: &Token| &self.line[token.span.clone()];
        let open = innermost_open(before)?;
        let due = matches!(before.last()?.kind, Kind::OpenMap | Kind::Comma);
        let [.., class, round] = &before[..open] else {
            return None;
        };
        if before[open].kind != Kind::OpenMap || round.kind != Kind::OpenRound || !due {
            return None;
        }
        let keys = before[open..]
            .windows(2)
            .filter(|pair| pair[1].kind == Kind::Colon)
            .map(|pair| word(&pair[0]));
        Some((word(class), keys.collect()))
    }

    fn fields(&self, class: &str, used: &[&str], prefix: &str) -> Vec<Pair> {
        let members = self.catalog.members(class);
        let fields = members
            .iter()
            .filter(|entry| entry.kind == Name::Field && !used.contains(&entry.name.as_str()));
        keep(fields.map(|entry| format!("{}: ", entry.name)), prefix)
    }

    /// Variables, functions, classes, modules and words of the language.
    fn names(&self, prefix: &str) -> Vec<Pair> {
        if prefix.is_empty() {
            return indentation(self.line);
        }
        let variables = self.interactive.variables().into_iter().map(|(name, _, _)| name);
        let own = self.interactive.functions().into_iter().map(opened);
        let modules = self.interactive.import_names().map(|name| format!("{name}::"));
        let provided = self
            .catalog
            .entries()
            .iter()
            .filter(|entry| entry.owner.is_none())
            .map(call);
        let words = KEYWORDS.iter().map(|word| word.to_string());
        keep(
            variables.chain(own).chain(modules).chain(provided).chain(words),
            prefix,
        )
    }

    /// Inside a string that begins at byte `quote`: modules after `import`, allowed values of a field, else files.
    fn in_string(&self, quote: usize, tokens: &[Token]) -> Candidates {
        let start = quote + 1;
        let prefix = &self.line[start..];
        let before = &tokens[..tokens.len() - 1];
        let word = |token: &Token| &self.line[token.span.clone()];
        if before.last().map(word) == Some("import") {
            let modules = Host::standard_modules().into_iter();
            let mut candidates = keep(modules, prefix);
            candidates.extend(files(prefix, ".rhai"));
            return (start, candidates);
        }
        let values = self.allowed_values(before);
        if values.is_empty() {
            (start, files(prefix, ""))
        } else {
            (start, keep(values.into_iter(), prefix))
        }
    }

    /// `SAEConfig(#{ act_fn: ` → what the field may be, from its signature.
    fn allowed_values(&self, before: &[Token]) -> Vec<String> {
        let [.., key, colon] = before else {
            return Vec::new();
        };
        if colon.kind != Kind::Colon {
            return Vec::new();
        }
        let until = before.len() - 2;
        let Some((class, _)) = self.configuration(&before[..until]) else {
            return Vec::new();
        };
        let name = &self.line[key.span.clone()];
        let members = self.catalog.members(class);
        let field = members
            .iter()
            .find(|entry| entry.kind == Name::Field && entry.name == name);
        let signature = field
            .and_then(|entry| entry.signatures.first())
            .map_or("", String::as_str);
        let kind = signature.split(" = ").next().unwrap_or_default();
        kind.split('"')
            .skip(1)
            .step_by(2)
            .map(|value| format!("{value}\""))
            .collect()
    }
}

/// Returns the index of the last opening bracket that is not closed.
pub(super) fn innermost_open(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().rev() {
        match token.kind {
            Kind::Close => depth += 1,
            kind if is_open(kind) && depth == 0 => return Some(at),
            kind if is_open(kind) => depth -= 1,
            _ => (),
        }
    }
    None
}

/// Where the string begins in which the cursor stands.
fn open_string(line: &str, tokens: &[Token]) -> Option<usize> {
    let last = tokens
        .last()
        .filter(|token| token.kind == Kind::Text && token.span.end == line.len())?;
    // One more letter belongs to the same token exactly if the string is not closed.
    let longer = format!("{line}x");
    let same = Lexer::new(&longer, last.span.start).next()?;
    (same.span.end == longer.len()).then_some(last.span.start)
}

/// How an entry is completed: functions up to their bracket, modules up to their separator.
fn call(entry: &Entry) -> String {
    match entry.kind {
        Name::Function | Name::Method | Name::Constructor => format!("{}(", entry.name),
        Name::Module => format!("{}::", entry.name),
        Name::Type | Name::Property | Name::Field | Name::Constant => entry.name.clone(),
    }
}

/// `f(a, b)` up to its bracket; a name without brackets as it is.
fn opened(signature: String) -> String {
    match signature.split_once('(') {
        Some((name, _)) => format!("{name}("),
        None => signature,
    }
}

/// Names for `:help`.
fn topics(prefix: &str, catalog: &Catalog) -> Vec<Pair> {
    keep(
        catalog
            .entries()
            .iter()
            .filter(|entry| prefix.contains(['.', ':']) || entry.owner.is_none())
            .map(Entry::path),
        prefix,
    )
}

/// Those that begin with `prefix`, each once, in order.
fn keep(names: impl Iterator<Item = String>, prefix: &str) -> Vec<Pair> {
    let mut fitting: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    fitting.sort();
    fitting.dedup();
    // A class is a type and a function: the function says more.
    let functions: Vec<String> = fitting
        .iter()
        .filter_map(|name| name.strip_suffix('(').map(str::to_string))
        .collect();
    fitting.retain(|name| !functions.contains(name));
    fitting
        .into_iter()
        .map(|name| Pair {
            display: name.trim_end_matches([' ', '"']).to_string(),
            replacement: name,
        })
        .collect()
}

/// Tab where nothing stands yet in a later line of an entry indents it.
fn indentation(line: &str) -> Vec<Pair> {
    let in_blank_line = line
        .rsplit_once('\n')
        .is_some_and(|(_, last)| last.trim().is_empty());
    if in_blank_line {
        vec![Pair {
            display: String::new(),
            replacement: "    ".into(),
        }]
    } else {
        Vec::new()
    }
}

/// Files and folders that begin with `prefix`; only files that end with `extension`, which is left out.
fn files(prefix: &str, extension: &str) -> Vec<Pair> {
    let (folder, beginning) = match prefix.rfind('/') {
        Some(slash) => prefix.split_at(slash + 1),
        None => ("", prefix),
    };
    let home = std::env::home_dir().unwrap_or_default();
    let place = match folder.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if folder.is_empty() => Path::new(".").to_path_buf(),
        None => Path::new(folder).to_path_buf(),
    };
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_folder = entry.path().is_dir();
        let hidden = name.starts_with('.') && !beginning.starts_with('.');
        match (is_folder, name.strip_suffix(extension)) {
            // What a terminal would obey cannot be offered on one.
            _ if hidden || visible(&name) != name => None,
            (true, _) => Some(format!("{folder}{name}/")),
            (false, Some(stem)) => Some(format!("{folder}{stem}")),
            (false, None) => None,
        }
    });
    keep(names, prefix)
}

/// Returns the name of the function in whose brackets the cursor stands, right after the opening one.
pub(super) fn just_called(line: &str) -> Option<String> {
    let before = line.strip_suffix('(')?;
    let start = before
        .rfind(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter))
        .map_or(0, |at| at + 1);
    let name = &before[start..];
    (!name.is_empty()).then(|| name.to_string())
}

/// Returns the type of what stands before the dot of the method just called.
pub(super) fn receiver_type(line: &str, interactive: &Interactive, catalog: &Catalog) -> Option<String> {
    let name = just_called(line)?;
    let before = line[..line.len() - 1]
        .strip_suffix(&name)?
        .trim_end()
        .strip_suffix('.')?;
    type_of_last(before, interactive, catalog).map(|kind| catalog_name(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Tab offers after each line, in a session with a few definitions.
    struct Table {
        host: Host,
    }

    impl Table {
        fn new() -> Self {
            let host = Host::builder().library(Vec::new()).build().expect("a host");
            Table { host }
        }

        fn offers(&mut self, line: &str) -> Vec<String> {
            let catalog = self.host.catalog().expect("a catalog");
            let mut session = self.host.interactive();
            let definitions =
                "let weights = torch::zeros([2]); let options = #{ alpha: 1 }; fn weigh(x) { x }";
            session.enter(definitions).expect("definitions");
            session
                .enter("import \"std/tables\" as tables")
                .expect("an import");
            let (start, candidates) = complete(line, &session, &catalog);
            let kept = &line[..start];
            candidates
                .into_iter()
                .map(|pair| format!("{kept}{}", pair.replacement))
                .collect()
        }

        fn offers_all(&mut self, line: &str, wanted: &[&str]) {
            let offers = self.offers(line);
            for name in wanted {
                assert!(
                    offers.iter().any(|offer| offer == name),
                    "{name} after {line:?}: {offers:?}"
                );
            }
        }

        fn offers_only(&mut self, line: &str, wanted: &[&str]) {
            assert_eq!(self.offers(line), wanted, "after {line:?}");
        }
    }

    #[test]
    fn names_of_the_session_and_of_saescript() {
        let mut table = Table::new();
        table.offers_only("1 + weig", &["1 + weigh(", "1 + weights"]);
        table.offers_all("let x = SAE", &["let x = SAEConfig("]);
        table.offers_only("tor", &["torch::"]);
        table.offers_only("whil", &["while"]);
        table.offers_only("", &[]);
        table.offers_only("fn f() {\n", &["fn f() {\n    "]);
    }

    #[test]
    fn what_is_in_modules() {
        let mut table = Table::new();
        table.offers_only("torch::zer", &["torch::zeros(", "torch::zeros_like("]);
        table.offers_all("return torch::cu", &["return torch::cuda::"]);
        table.offers_all("torch::cuda::is", &["torch::cuda::is_available("]);
        table.offers_only("tabl", &["tables::"]);
        assert!(!table.offers("tables::").is_empty());
        table.offers_only("nosuch::", &[]);
    }

    #[test]
    fn members_by_the_type_of_the_receiver() {
        let mut table = Table::new();
        table.offers_all("weights.me", &["weights.mean("]);
        table.offers_all("torch::zeros([2, 3]).me", &["torch::zeros([2, 3]).mean("]);
        table.offers_all("f(weights.abs()[0].me", &["f(weights.abs()[0].mean("]);
        table.offers_all("options.", &["options.alpha", "options.keys("]);
        assert!(
            !table
                .offers("weights.")
                .iter()
                .any(|offer| offer.ends_with("d_model"))
        );
        table.offers_all("unknown.me", &["unknown.mean("]);
        table.offers_only("unknown.", &[]);
    }

    #[test]
    fn keys_of_configurations_that_are_not_written_yet() {
        let mut table = Table::new();
        table.offers_only("SAEConfig(#{ d_mod", &["SAEConfig(#{ d_model: "]);
        table.offers_only("SAEConfig(#{ d_model: 2, d_mod", &[]);
        table.offers_all(
            "SAEConfig(#{\n    d_model: 2,\n",
            &["SAEConfig(#{\n    d_model: 2,\nact_fn: "],
        );
        table.offers_only(
            "SAEConfig(#{ d_model: weig",
            &["SAEConfig(#{ d_model: weigh(", "SAEConfig(#{ d_model: weights"],
        );
    }

    #[test]
    fn strings_are_values_modules_or_files() {
        let mut table = Table::new();
        table.offers_only("SAEConfig(#{ act_fn: \"rel", &["SAEConfig(#{ act_fn: \"relu\""]);
        table.offers_only("import \"std/tab", &["import \"std/tables"]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("some file.txt"), "").expect("writable");
        std::fs::create_dir(folder.path().join("some folder")).expect("writable");
        let beginning = format!("f(\"{}/some", folder.path().display());
        table.offers_only(
            &beginning,
            &[&format!("{beginning} file.txt"), &format!("{beginning} folder/")],
        );
        table.offers_only(
            &format!(":load {}/some f", folder.path().display()),
            &[
                &format!(":load {}/some file.txt", folder.path().display()),
                &format!(":load {}/some folder/", folder.path().display()),
            ],
        );
    }

    #[test]
    fn commands_and_what_follows_them() {
        let mut table = Table::new();
        table.offers_only(":he", &[":help "]);
        table.offers_only(
            ":help torch::zer",
            &[":help torch::zeros", ":help torch::zeros_like"],
        );
        table.offers_only(
            ":type weights.me",
            &[":type weights.mean(", ":type weights.median("],
        );
        table.offers_only(":quit ", &[]);
    }

    #[test]
    fn a_call_that_was_just_opened() {
        assert_eq!(just_called("1 + torch::zeros(").as_deref(), Some("torch::zeros"));
        assert_eq!(just_called("x.mean(").as_deref(), Some("mean"));
        assert_eq!(just_called("("), None);
        assert_eq!(just_called("f(1"), None);
    }
}
