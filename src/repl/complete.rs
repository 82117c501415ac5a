//! What could stand at the cursor.

use rustyline::completion::Pair;

use super::candidates::{call, files, indentation, keep, opened, topics};
use super::commands::{self, Argument, COMMANDS};
use super::highlight::KEYWORDS;
use super::receiver::{is_dot, is_open, type_of_last};
use crate::script::Interactive;
use crate::script::docs::{Catalog, Entry, Kind as Name};
use crate::script::source::lexer::{Kind, Lexer, Token};

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
        Some(Argument::File | Argument::AnyFile) => (at, files(&line[at..], "")),
        Some(Argument::Expression | Argument::AnyExpression | Argument::Part) => Completion {
            line,
            interactive,
            catalog,
        }
        .expression(),
        Some(Argument::Topic) => {
            let own = Completion {
                line,
                interactive,
                catalog,
            };
            let (start, mut found) = own.expression();
            let documented = topics(&line[at..], catalog);
            if start == at {
                found.retain(|own| {
                    !documented
                        .iter()
                        .any(|known| own.replacement.starts_with(&known.replacement))
                });
            }
            if documented.is_empty() {
                return (start, found);
            }
            (
                at,
                documented
                    .into_iter()
                    .chain(found.into_iter().filter(|_| start == at))
                    .collect(),
            )
        }
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
            let modules = self.interactive.host().importable().into_iter();
            let mut candidates = keep(modules, prefix);
            candidates.extend(files(prefix, ".rhai"));
            return (start, candidates);
        }
        let closed = |names: Vec<String>| names.into_iter().map(|name| format!("{name}\""));
        if let [.., receiver, open] = before
            && open.kind == Kind::OpenSquare
            && receiver.kind == Kind::Name
        {
            let keys = self.keys_of(word(receiver));
            if !keys.is_empty() {
                return (start, keep(closed(keys), prefix));
            }
        }
        let values = self.allowed_values(before);
        if !values.is_empty() {
            return (start, keep(values.into_iter(), prefix));
        }
        let mut candidates = keep(closed(self.interactive.hook_points()), prefix);
        if self.is_about_hooks(before) {
            return (start, candidates);
        }
        if prefix.is_empty() {
            candidates.clear();
        }
        candidates.extend(files(prefix, ""));
        (start, candidates)
    }

    /// Does the string stand for a hook point: in a field or in a call that has hooks in its name, or of `run_with_cache`?
    fn is_about_hooks(&self, before: &[Token]) -> bool {
        let names = before
            .iter()
            .rev()
            .take_while(|token| token.kind != Kind::Symbol || self.line[token.span.clone()] == *".");
        let mut words = names
            .filter(|token| token.kind == Kind::Name)
            .map(|token| &self.line[token.span.clone()]);
        words.any(|word| word.contains("hook") || word == "run_with_cache")
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

#[cfg(test)]
mod tests;
