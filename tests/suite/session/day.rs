//! A hundred steps of one session, as somebody takes them who works in it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use expectrl::Expect;

use super::{Terminal, folder};

/// What is done at the prompt, and what is seen then.
enum Step {
    /// An entry, and part of what is answered.
    Enter(&'static str, &'static str),
    /// What is typed, and what Tab makes of it; the line is then forgotten.
    Tab(&'static str, &'static str),
    /// What is typed, and the grey text after it; the line is then forgotten.
    Hint(&'static str, &'static str),
}

use Step::{Enter, Hint, Tab};

const STEPS: &[Step] = &[
    // results
    Enter("1 + 1", "2"),
    Enter("_ * 10", "20"),
    Enter("_1 + _2", "22"),
    Enter("_ - __", "2"),
    Enter("[_, __, ___]", "[2, 22, 20]"),
    Enter("let half = |x| x / 2.0", ""),
    Enter("half.call(_1)", "1"),
    Enter("_99", "unknown variable `_99`"),
    Enter("\"still here\"", "\"still here\""),
    // values
    Enter(
        "#{ b: 2, a: \"x\", list: [1, 2] }",
        "#{ a: \"x\", b: 2, list: [1, 2] }",
    ),
    Enter("(0..1000).to_array()", "… 977 more …, 997, 998, 999]"),
    Enter("(0..60).map(|n| 1000 + n)", "    1000, 1001,"),
    Enter(
        "(0..60).map(|n| [n, \"text of line \" + n])",
        "more lines: `:page` shows them all",
    ),
    Enter(":page", "\"text of line 59\""),
    Enter("[#{ k: 32, loss: 0.25 }, #{ k: 64, loss: 0.125 }]", " 64   0.125"),
    Enter("let x = torch::arange(6).reshape([2, 3]).float()", ""),
    Enter("x", "tensor([[0., 1., 2.],"),
    Enter("torch::zeros([100, 100])", "shape=[100, 100]"),
    Enter(
        "let c = SAEConfig(#{ d_model: 4, hook_point_in: \"a\", hook_point_out: \"a\", expansion_factor: 2 })",
        "",
    ),
    Enter("c", "    d_model: 4,"),
    Enter("plot::bars(#{ relu: 1.0, topk: 0.5 })", "relu ██████████"),
    Enter("plot::lines([1.0, 4.0, 9.0], #{ title: \"squares\" })", "squares"),
    Enter("plot::histogram(x, #{ bins: 2 })", "2.5000 – 5.0000"),
    Enter("plot::image(torch::eye(4))", "▀"),
    // what is meant as in Python
    Enter("x // 2", "nothing is divided"),
    Enter("fn twice(a) { 2 * a }", ""),
    Enter("[1, 2].map(twice)", "written `|x| twice(x)`"),
    Enter("x[\"a\"]", "no index of a Tensor"),
    // commands
    Enter(":type x", "Tensor [2, 3] float32 on cpu"),
    Enter(":type 1.5", "float"),
    Enter(":type [1]", "array"),
    Enter(":who", "tensor([[0., 1., 2.], …"),
    Enter(":who tensor", "x      Tensor"),
    Enter(":vars nothing", "nothing of that name or type"),
    Enter(":device", "2, 40.0 KB"),
    Enter(":time sleep(0.01)", "took 1"),
    Enter(":bench x.sum()", "each (median of"),
    Enter(":bench wrong(", "error"),
    Enter(":bnech x", "did you mean `:bench`?"),
    Enter(":type", "`:type` needs an argument"),
    Enter(":device x", "`:device` takes no argument"),
    Enter(":help", ":bench EXPR"),
    Enter(":help x", "x: Tensor"),
    Enter("x?", "Properties"),
    Enter("x??", "Properties"),
    Enter("?c", "d_model: int (required)"),
    Enter(":help x.mean", "Tensor.mean("),
    Enter(":help \"text\"", ".split()"),
    Enter(":help torch::zeros", "torch::zeros(size"),
    Enter("import \"std/plots\" as drawing", ""),
    Enter(":help drawing::line", "A chart of lines"),
    Enter(":help patching::heads", "patching::heads(model"),
    Enter("drawing::line([1.0, 2.0], #{ title: \"rising\" })", "⠤"),
    Enter("range(0, 7, 3)", "range of [0, 3, 6]"),
    Enter(":help halff", "unknown name `halff`"),
    Enter(":help std/args", "args::parse("),
    // functions
    Enter(
        "/// Adds two numbers.\rfn add(first, second) { first + second }",
        "",
    ),
    Enter(":help add", "Adds two numbers."),
    Enter("add(_1, 3)", "5"),
    Enter("const SCALE = 3", ""),
    Enter("fn scaled(n) { n * SCALE }", ""),
    Enter("scaled(5)", "15"),
    Enter("let local = 1; fn lost() { local }", "functions see"),
    Enter("local", "unknown variable"),
    Enter("fn twice(n) {\r  n * 2\r}", ""),
    Enter("twice(21)", "42"),
    Enter("import \"tools\" as tools", ""),
    Enter("let counter = tools::counter()", ""),
    Enter("counter.add(2)", "5"),
    Enter("counter.add(2)", "9"),
    // the language
    Enter("`${3.14159:.2f} and ${12345:,}`", "\"3.14 and 12,345\""),
    Enter("\"{} of {:.1f}\".format(1, 2.0)", "\"1 of 2.0\""),
    Enter("\"a,b\".split(\",\").join(\"-\")", "\"a-b\""),
    Enter("\" x \".strip()", "\"x\""),
    Enter("for _ in 0..2 { print(\"again\"); }", "again"),
    Enter("list_dir(\".\")", "\"tools.rhai\""),
    Enter("glob(\"*.rhai\")", "[\"tools.rhai\"]"),
    Enter("exists(\"nothing\")", "false"),
    Enter("now().year > 2000", "true"),
    Enter("today().len()", "10"),
    Enter(
        "let caught = (); try { x.matmul(x) } catch (e) { caught = e; }",
        "",
    ),
    Enter("caught.place", "\"repl:"),
    Enter("caught.message", "[2, 3] and [2, 3]"),
    Enter("let n = #{ a: 1 }; n.b", "b"),
    Enter("n.a", "1"),
    // while typing
    Tab("SCA", "SCALE"),
    Tab("twi", "twice("),
    Tab("x.numel", "x.numel("),
    Tab("n[\"", "n[\"a\""),
    Tab("tools::coun", "tools::counter("),
    Tab("read_text(\"tool", "tools.rhai"),
    Tab("SAEConfig(#{ act_fn: \"top", "topk\""),
    Tab("SAEConfig(#{ expansion_f", "expansion_factor: "),
    Tab(":ben", ":bench "),
    Tab(":help twi", "twice("),
    Hint("add(", "first, second)"),
    Hint("add(1, ", "second)"),
    Hint("torch::linspace(", "start"),
    Hint("let cou", "nter = tools::counter()"),
    // a model
    Enter(
        "let lm = TransformerLensLanguageModel(LanguageModelConfig(#{ model_name: \"tiny-pythia\", model_from_pretrained_path: \"pythia\" }))",
        "",
    ),
    Tab(
        "lm.run_with_cache(\"a\", [\"blocks.1.hook_resid_po",
        "blocks.1.hook_resid_post\"",
    ),
    Tab(
        "SAEConfig(#{ hook_point_in: \"blocks.0.hook_mlp_o",
        "blocks.0.hook_mlp_out\"",
    ),
    // entries in an editor and in files
    Enter(":edit", "nothing was changed"),
    Enter("let edited = 1 // EDIT", ""),
    Enter(":edit", "let edited = 42"),
    Enter("edited", "42"),
    Enter(":save day.rhai", "entries to day.rhai"),
    Enter("exists(\"day.rhai\")", "true"),
    Enter(":reset", "forgot everything"),
    Enter("half", "unknown variable `half`"),
    Enter(":load tools.rhai", ""),
    Enter("counter().add(1)", "3"),
];

/// What the terminal is told when an entry was taken, and when the next one is waited for.
const ENTERED: &str = "\u{1b}[?2004l";
const WAITS: &str = "\u{1b}[?2004h";
/// A step takes some milliseconds; a busy machine some more.
const PATIENCE: Duration = Duration::from_secs(5);

/// An editor that puts 42 into what says `EDIT`.
const EDITOR: &str = "#!/bin/sh\nsed -i 's|= 1 // EDIT|= 42|' \"$1\"\n";

const TOOLS: &str =
    "fn helper(k) { k * 2 }\nfn counter() { #{ n: 1, add: |k| { this.n += helper(k); this.n } } }\n";

fn prepare(place: &Path) {
    std::fs::write(place.join("tools.rhai"), TOOLS).expect("writable");
    let editor = place.join("editor");
    std::fs::write(&editor, EDITOR).expect("writable");
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-pythia");
    symlink(model, place.join("pythia")).expect("a link");
}

impl Terminal {
    /// Takes a step; what did not come, if something did not.
    fn take(&mut self, step: &Step) -> Option<String> {
        let (typed, key, seen) = match step {
            Enter(entry, answer) => (entry, "\r", answer),
            Tab(typed, completed) => (typed, "\t", completed),
            Hint(typed, grey) => (typed, "", grey),
        };
        self.send(typed);
        self.send(key);
        let is_entry = matches!(step, Enter(..));
        let came = (!is_entry || self.0.expect(ENTERED).is_ok()) && self.0.expect(*seen).is_ok();
        if !came {
            let mut rest = [0; 4096];
            let length = self.0.try_read(&mut rest).unwrap_or(0);
            let there = String::from_utf8_lossy(&rest[..length]).into_owned();
            self.send("\u{3}");
            let _ = self.0.expect(WAITS);
            return Some(format!(
                "{seen:?} did not come after {typed:?}; there was {there:?}"
            ));
        }
        if !is_entry {
            self.send("\u{3}");
        }
        let next = self.0.expect(WAITS);
        next.err()
            .map(|error| format!("no prompt after {typed:?}: {error}"))
    }
}

#[test]
fn a_day_in_the_session() {
    let place = folder();
    prepare(place.path());
    let editor = place.path().join("editor").display().to_string();
    let mut terminal = Terminal::open_in(
        place.path(),
        &[],
        &[("PAGER", "cat"), ("EDITOR", &editor), ("VISUAL", "")],
    );
    assert!(STEPS.len() >= 100, "{}", STEPS.len());
    terminal.0.set_expect_timeout(Some(PATIENCE));
    let missed: Vec<String> = STEPS.iter().filter_map(|step| terminal.take(step)).collect();
    assert!(
        missed.is_empty(),
        "{} of {} steps:\n{}",
        missed.len(),
        STEPS.len(),
        missed.join("\n")
    );
    // A call that is stopped, and keys pressed again and again: the session and what it holds stay.
    terminal.send("let held = 7; print(\"be\" + \"gun\"); loop {}\r");
    terminal.expect("begun");
    for _ in 0..7 {
        terminal.send("\u{3}");
    }
    terminal.expect("interrupted");
    terminal.expect("> ");
    terminal.enter("held", "7");
    terminal.send(":quit\r");
    terminal.ends_with(0);
}
