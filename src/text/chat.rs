//! Conversations as texts: the chat templates of Hugging Face's tokenizers.
//!
//! A template is Jinja, run as transformers runs it: blocks leave no lines of their own, strings have Python's methods,
//! `tojson` writes as Python's `json.dumps` does, and `raise_exception` and `strftime_now` are there.

use std::path::Path;
use std::time::SystemTime;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value as Jinja};
use minijinja::{Environment, ErrorKind, Template};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::special::Settings;
use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::{clock, files, guard};

/// The file with the template, beside `tokenizer_config.json`, which is where older models have it.
const TEMPLATE_FILE: &str = "chat_template.jinja";

/// How many steps a template may take: a conversation of a thousand messages takes some ten thousand.
const MOST_STEPS: u64 = 20_000_000;

/// How a conversation becomes a text.
#[derive(Clone, Debug, Default)]
pub struct ChatOptions {
    /// End with the beginning of an answer.
    pub add_generation_prompt: bool,
    /// Leave the last message open, so that the model goes on with it.
    pub continue_final_message: bool,
    /// Another template, or the name of one of several that the model has.
    pub chat_template: Option<String>,
    /// Tools that the model may call, as the template wants them.
    pub tools: Option<Value>,
    /// More variables of the template, an object.
    pub variables: Option<Value>,
}

impl Tokenizer {
    /// Returns the template by which conversations become texts: the one called `name`, or `default`; `None` where the
    /// files have none.
    ///
    /// # Errors
    /// A file that cannot be read, or several templates of which none has that name.
    pub fn chat_template(&self, name: Option<&str>) -> Result<Option<String>> {
        let path = self.folder().join(TEMPLATE_FILE);
        if name.is_none() && path.is_file() {
            return read_template(&path).map(Some);
        }
        let settings = Settings::read(self.folder())?;
        let Some(listed) = settings.own("chat_template") else {
            return Ok(None);
        };
        let wanted = name.unwrap_or("default");
        let Some(list) = listed.as_array() else {
            let is_wanted = wanted == "default";
            return Ok(listed.as_str().filter(|_| is_wanted).map(str::to_string));
        };
        let named = |entry: &&Value| entry["name"] == wanted;
        let found = list
            .iter()
            .find(named)
            .and_then(|entry| entry["template"].as_str());
        found.map(|text| Some(text.to_string())).ok_or_else(|| {
            let names: Vec<&str> = list.iter().filter_map(|entry| entry["name"].as_str()).collect();
            Error::unknown("chat template", wanted, &names)
        })
    }

    /// Returns the text of a conversation, special tokens written out as the template has them: a list of messages, each
    /// an object with a `role` and what the template reads of it, which is `content` as a rule.
    ///
    /// # Errors
    /// The model has no template, messages that are none, a template that is broken, and what a template itself refuses
    /// by `raise_exception`.
    pub fn apply_chat_template(&self, messages: &Value, options: &ChatOptions) -> Result<String> {
        check(messages)?;
        let template = self.template_for(options)?;
        let variables = self.variables(messages, options)?;
        let rendered = guard::caught("the chat template", || rendered(&template, &variables))?;
        if options.continue_final_message {
            left_open(rendered, messages)
        } else {
            Ok(rendered)
        }
    }

    /// Returns the ids of a text as it is written: special tokens that stand in it are themselves, and nothing is put
    /// around it.
    ///
    /// # Errors
    /// Somebody asked to stop.
    pub fn encode_as_is(&self, text: &str) -> Result<Vec<i64>> {
        Ok(self
            .pieces(text, None)?
            .into_iter()
            .map(|(id, _)| i64::from(id))
            .collect())
    }

    fn template_for(&self, options: &ChatOptions) -> Result<String> {
        let given = options.chat_template.as_deref();
        if let Some(text) = given.filter(|text| text.contains('{')) {
            return Ok(text.to_string());
        }
        self.chat_template(given)?.ok_or_else(|| {
            let error = match given {
                Some(name) => format!("the tokenizer in `{}` has no chat template `{name}`", self.folder().display()),
                None => format!(
                    "the tokenizer in `{}` has no chat template: it belongs to a model that was not trained on conversations",
                    self.folder().display()
                ),
            };
            Error::input(error).hint("give one: `#{ chat_template: \"{% for message in messages %}…\" }`")
        })
    }

    /// Everything that the template can read.
    fn variables(&self, messages: &Value, options: &ChatOptions) -> Result<Value> {
        let mut all = serde_json::Map::new();
        let settings = Settings::read(self.folder())?;
        for name in ["unk_token", "sep_token", "cls_token", "mask_token"] {
            if let Some(text) = settings.said(name).and_then(super::special::token_text) {
                all.insert(name.into(), text.into());
            }
        }
        let special = [
            ("bos_token", self.bos_token_id()),
            ("eos_token", self.eos_token_id()),
            ("pad_token", self.pad_token_id()),
        ];
        for (name, id) in special {
            if let Some(id) = id {
                all.insert(name.into(), self.decode(&[id])?.into());
            }
        }
        all.insert("messages".into(), messages.clone());
        all.insert(
            "add_generation_prompt".into(),
            options.add_generation_prompt.into(),
        );
        all.insert("tools".into(), options.tools.clone().unwrap_or_default());
        all.insert("documents".into(), Value::Null);
        match &options.variables {
            None => {}
            Some(Value::Object(more)) => all.extend(more.clone()),
            Some(_) => return Err(Error::input("expected a map from names to values").under("variables")),
        }
        Ok(Value::Object(all))
    }
}

fn read_template(path: &Path) -> Result<String> {
    let bytes = files::read(path, files::SETTINGS_MOST).map_err(|error| Error::io("read", path, error))?;
    String::from_utf8(bytes).map_err(|_| Error::input(format!("`{}` is not UTF-8 text", path.display())))
}

/// Refuses what is no conversation.
fn check(messages: &Value) -> Result<()> {
    let list = messages
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or_else(|| {
            Error::input(
                "a conversation is an array of messages, such as `[#{ role: \"user\", content: \"Hello\" }]`",
            )
        })?;
    for (index, message) in list.iter().enumerate() {
        if !message["role"].is_string() {
            let error = Error::input("a message is a map with its `role` and its `content`");
            return Err(error.under(format!("[{index}]")));
        }
    }
    Ok(())
}

/// The text that `template` makes of its variables.
fn rendered(template: &str, variables: &Value) -> Result<String> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.map_err(|error| refusal(&error))?);
    environment.set_fuel(Some(MOST_STEPS));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_function("strftime_now", |format: &str| written(format, SystemTime::now()));
    environment.add_function(
        "raise_exception",
        |message: &str| -> Result<(), minijinja::Error> {
            Err(minijinja::Error::new(
                ErrorKind::InvalidOperation,
                format!("{RAISED}{message}"),
            ))
        },
    );
    let source = without_marks(template);
    let template = environment.template_from_named_str(TEMPLATE_FILE, &source);
    let render = |template: Template<'_, '_>| template.render(Serde(variables));
    template.and_then(render).map_err(|error| refusal(&error))
}

/// What begins the message of an error that a template raised itself. No error of the library begins so.
const RAISED: &str = "\u{1}";

/// A template's failure in words.
fn refusal(error: &minijinja::Error) -> Error {
    let detail = error.detail().unwrap_or_default();
    if let Some(message) = detail.strip_prefix(RAISED) {
        return Error::input(format!("the chat template refuses the conversation: {message}"));
    }
    let line = error
        .line()
        .map_or(String::new(), |line| format!(" in line {line}"));
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too many steps".to_string(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    };
    Error::input(format!("the chat template fails{line}: {what}")).hint(
        "a template reads what its model was trained with: `content` is a text unless it says otherwise",
    )
}

/// The template without the marks around what an assistant says, which are for training on it.
fn without_marks(template: &str) -> String {
    let mut text = template.to_string();
    for (mark, stand_in) in [("generation", "if true"), ("endgeneration", "endif")] {
        for (open, close) in [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}")] {
            let marked = format!("{open} {mark} {close}");
            text = text.replace(&marked, &format!("{open} {stand_in} {close}"));
        }
    }
    text
}

/// The text up to the end of what the last message says.
fn left_open(rendered: String, messages: &Value) -> Result<String> {
    let last = messages.as_array().and_then(|list| list.last());
    let content = last
        .and_then(|message| message["content"].as_str())
        .map(str::trim);
    let end = content.and_then(|content| Some(rendered.rfind(content)? + content.len()));
    match end {
        Some(end) => Ok(rendered[..end].to_string()),
        None => Err(Error::input(
            "the last message cannot be left open: the template does not write what it says as it is",
        )),
    }
}

/// JSON as Python's `json.dumps` writes it: a blank after `,` and `:`, or with `indent` one thing a line.
fn to_json(value: &Jinja, options: Kwargs) -> Result<Jinja, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Python's other arguments say how what it writes is escaped, which is as here.
    let _: (Option<bool>, Option<Jinja>) = (options.get("ensure_ascii")?, options.get("separators")?);
    let mut bytes = Vec::new();
    let done = match indent {
        Some(indent) => {
            let blanks = " ".repeat(indent.min(16));
            value.serialize(&mut Serializer::with_formatter(
                &mut bytes,
                PrettyFormatter::with_indent(blanks.as_bytes()),
            ))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut bytes, Spaced)),
    };
    let text = done.map(|()| String::from_utf8_lossy(&bytes).into_owned());
    text.map(Jinja::from_safe_string)
        .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// JSON on one line, with Python's blanks.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// A point in time as `strftime` writes it, in UTC, with the fields that templates use.
fn written(format: &str, time: SystemTime) -> Result<String, minijinja::Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let stamp = clock::timestamp(time);
    let month = stamp[5..7]
        .parse::<usize>()
        .ok()
        .and_then(|month| MONTHS.get(month - 1))
        .copied();
    let month = month.unwrap_or_default();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        let field = after.chars().next().unwrap_or('%');
        text += match field {
            'Y' => &stamp[..4],
            'm' => &stamp[5..7],
            'd' => &stamp[8..10],
            'H' => &stamp[11..13],
            'M' => &stamp[14..16],
            'S' => &stamp[17..19],
            'B' => month,
            'b' => &month[..3.min(month.len())],
            '%' => "%",
            other => {
                let detail = format!("strftime_now knows no field %{other}");
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, detail));
            }
        };
        rest = &after[field.len_utf8().min(after.len())..];
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_strftime_writes_them() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 59);
        assert_eq!(
            written("%d %b %Y, %B %H:%M:%S 100%%", time).expect("known"),
            "01 Mar 1970, March 00:00:00 100%"
        );
        assert!(written("%q", time).is_err());
    }

    #[test]
    fn a_template_without_end_is_stopped() {
        let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{{ b }}{% endfor %}{% endfor %}";
        let error = rendered(endless, &Value::Null).expect_err("too long");
        assert!(error.to_string().contains("too many steps"), "{error}");
    }
}
