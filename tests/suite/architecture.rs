//! docs/architecture.md and docs/dictionaries.md against the code: what they name is there, what is there they name.

use std::path::{Path, PathBuf};

use saescript::config::{Config, Document, Value, from_value};
use saescript::dictionary::{SAEConfig, VARIANTS};
use saescript::train::TrainerConfig;

const ARCHITECTURE: &str = "docs/architecture.md";
const DICTIONARIES: &str = "docs/dictionaries.md";

/// Folders whose paths are looked for.
const FOLDERS: [&str; 6] = ["src/", "tests/", "docs/", "stdlib/", "examples/", "scripts/"];

/// What can be added: the heading, the file with the table, and how the table begins there.
const HOW_TOS: &[(&str, &str, &str)] = &[
    (
        "Add a model family",
        "src/model/families/mod.rs",
        "static FAMILIES:",
    ),
    (
        "Add a variant",
        "src/dictionary/variants/table.rs",
        "static VARIANTS:",
    ),
    (
        "Add an activation without a parameter",
        "src/dictionary/activation.rs",
        "enum ActFn",
    ),
    (
        "Add an activation with a parameter",
        "src/dictionary/activation.rs",
        "fn layout(",
    ),
    (
        "Add a loss term or a penalty",
        "src/dictionary/loss/compute.rs",
        "static TERMS:",
    ),
    (
        "Add an optimiser",
        "src/train/optim/table.rs",
        "enum OptimizerClass",
    ),
    ("Add a logger", "src/runner/loggers/mod.rs", "static KINDS:"),
    ("Add a script object", "src/script/api/mod.rs", "SaescriptPackage"),
    (
        "Add a page of the viewer",
        "src/serve/front/pages/table.js",
        "const PAGES",
    ),
    (
        "Add a configuration class",
        "src/script/class.rs",
        "static CLASSES:",
    ),
];

/// How the tables of src/ say that they can be added to.
const OPEN_TABLES: [&str; 3] = ["A new one is", "A new term is", "To add one,"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a page that stand in no fence, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// What stands in backquotes in a line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The part of a page under the heading, up to the next one of any level.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let start = text.find(&format!("\n### {heading}\n"))?;
    let after = &text[start + 1..];
    let body = after.split_once('\n').map_or("", |(_, body)| body);
    let end = ["\n# ", "\n## ", "\n### "]
        .into_iter()
        .filter_map(|next| body.find(next))
        .min();
    Some(&body[..end.unwrap_or(body.len())])
}

/// Every Rust file below src/, as a path from the root.
fn sources() -> Vec<String> {
    let mut folders: Vec<PathBuf> = vec![root().join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root()).expect("a file of the repository");
                files.push(inside.display().to_string());
            }
        }
    }
    files.sort();
    files
}

/// The values that a schema allows: those of its `const` and `enum`, also behind references.
fn collect(whole: &Value, part: &Value, found: &mut Vec<String>) {
    if let Value::Array(parts) = part {
        parts.iter().for_each(|part| collect(whole, part, found));
    }
    let fields = part.as_object().into_iter().flatten();
    for (key, inner) in fields {
        match (key.as_str(), inner) {
            ("const", Value::String(name)) => found.push(name.clone()),
            ("enum", Value::Array(names)) => {
                found.extend(names.iter().filter_map(Value::as_str).map(str::to_string));
            }
            ("$ref", Value::String(path)) => {
                let target = whole.pointer(path.trim_start_matches('#'));
                collect(whole, target.expect("what is referred to"), found);
            }
            ("anyOf" | "oneOf" | "allOf", parts) => collect(whole, parts, found),
            _ => (),
        }
    }
}

/// The values that a class allows under `key`.
fn choices<C: Config>(key: &str) -> Vec<String> {
    let schema = schemars::schema_for!(C).to_value();
    let mut found = Vec::new();
    collect(&schema, &schema["properties"][key], &mut found);
    found
}

/// The `toml` fences of a page, with the numbers of their first lines.
fn toml_examples(text: &str) -> Vec<(usize, String)> {
    let mut examples: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if inside && line == "```" {
            inside = false;
        } else if line == "```toml" {
            inside = true;
            examples.push((index + 1, String::new()));
        } else if let (true, Some((_, example))) = (inside, examples.last_mut()) {
            example.push_str(line);
            example.push('\n');
        }
    }
    examples
}

/// The table of that name as a configuration.
fn table<C: Config>(document: &Value, name: &str) -> saescript::Result<C> {
    from_value(document[name].clone()).map_err(|error| error.under(name))
}

/// What is wrong with the dictionary and the trainer of a configuration file.
fn try_settings(path: &Path) -> saescript::Result<()> {
    let document = Document::read(path)?;
    let sae: SAEConfig = table(document.value(), "sae")?;
    let trainer: TrainerConfig = table(document.value(), "trainer")?;
    trainer.check_dictionary(&sae)
}

#[test]
fn every_path_exists() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for page in [ARCHITECTURE, DICTIONARIES] {
        let text = read(page);
        for (number, line) in prose(&text) {
            if line.matches('`').count() % 2 != 0 {
                wrong.push(format!("{page}:{number}: a backquote is not closed in its line"));
            }
            let paths = quoted(line);
            let paths = paths
                .into_iter()
                .filter(|text| FOLDERS.iter().any(|folder| text.starts_with(*folder)));
            for path in paths {
                seen += 1;
                if !root().join(path).exists() {
                    wrong.push(format!("{page}:{number}: there is no `{path}`"));
                }
            }
        }
    }
    assert!(seen > 80, "only {seen} paths were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_that_tells_exists() {
    let text = read(ARCHITECTURE);
    let mut seen = 0;
    for (number, line) in prose(&text) {
        if !line.starts_with("- told by ") {
            continue;
        }
        seen += 1;
        let [test, file] = quoted(line)[..] else {
            panic!("{ARCHITECTURE}:{number}: a line names one test and its file");
        };
        let there = read(file).contains(&format!("fn {test}("));
        assert!(there, "{ARCHITECTURE}:{number}: there is no `{test}` in `{file}`");
    }
    assert!(seen > 20, "only {seen} tests were found");
}

#[test]
fn every_table_has_its_how_to() {
    let text = read(ARCHITECTURE);
    for (heading, file, beginning) in HOW_TOS {
        let section = section(&text, heading);
        let section = section.unwrap_or_else(|| panic!("{ARCHITECTURE} has no `### {heading}`"));
        assert!(
            section.contains(&format!("`{file}`")),
            "{heading}: {file} is not named"
        );
        assert!(section.contains("\n- told by `"), "{heading}: no test is named");
        assert!(read(file).contains(beginning), "{file} has no `{beginning}`");
    }
    let mut open = 0;
    for file in sources() {
        let code = read(&file);
        if !OPEN_TABLES.iter().any(|said| code.contains(said)) {
            continue;
        }
        open += 1;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut told = HOW_TOS
            .iter()
            .filter_map(|(heading, _, _)| section(&text, heading));
        let named = |section: &str| {
            section.contains(&format!("`{file}`")) || section.contains(&format!("`{folder}/"))
        };
        assert!(told.any(named), "no how-to of {ARCHITECTURE} names {file}");
    }
    assert!(open >= 5, "only {open} tables say how they are added to");
}

#[test]
fn every_name_of_a_setting_is_described() {
    let text = read(DICTIONARIES);
    let names: Vec<&str> = prose(&text)
        .into_iter()
        .flat_map(|(_, line)| quoted(line))
        .collect();
    let variants: Vec<String> = VARIANTS.iter().map(|row| row.name.to_string()).collect();
    let optimisers = choices::<TrainerConfig>("optimizer_class");
    let penalties = choices::<TrainerConfig>("sparsity_loss_type");
    let activations = choices::<SAEConfig>("act_fn");
    for (what, all, least) in [
        ("sae_type", &variants, 4),
        ("optimizer_class", &optimisers, 6),
        ("sparsity_loss_type", &penalties, 3),
        ("act_fn", &activations, 5),
    ] {
        assert!(all.len() >= least, "{what}: {all:?}");
        for name in all {
            assert!(
                names.contains(&name.as_str()),
                "{DICTIONARIES}: {what} `{name}` is missing"
            );
        }
    }
    for row in VARIANTS {
        let schema = (row.schema)();
        let keys = schema["properties"].as_object().into_iter().flatten();
        for (key, _) in keys {
            assert!(
                names.contains(&key.as_str()),
                "{DICTIONARIES}: `{key}` is missing"
            );
        }
    }
}

#[test]
fn every_configuration_of_the_page_is_valid() {
    let text = read(DICTIONARIES);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("example.toml");
    let examples = toml_examples(&text);
    for row in VARIANTS {
        let key = format!("sae_type = \"{}\"", row.name);
        let shown = examples.iter().any(|(_, example)| example.contains(&key));
        assert!(shown, "{DICTIONARIES} has no configuration with {key}");
    }
    for (number, example) in examples {
        std::fs::write(&path, &example).expect("writable");
        if let Err(error) = try_settings(&path) {
            panic!("{DICTIONARIES}:{number}: {error}");
        }
    }
}

#[test]
fn sections_fences_and_names_are_found() {
    let page = "# a\n\n### One\nfirst `x`\n```\n`y\n```\n### Two\nlast\n";
    assert_eq!(section(page, "One"), Some("first `x`\n```\n`y\n```"));
    assert_eq!(section(page, "Two"), Some("last\n"));
    assert_eq!(section(page, "Three"), None);
    let lines: Vec<&str> = prose(page).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["# a", "", "### One", "first `x`", "### Two", "last"]);
    assert_eq!(quoted("a `b` c `d/e`"), ["b", "d/e"]);
    assert_eq!(
        toml_examples("```toml\nx = 1\n```\ntext\n```rhai\ny\n```\n"),
        [(1, "x = 1\n".to_string())]
    );
}
