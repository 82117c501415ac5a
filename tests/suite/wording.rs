//! Everything that is documented can be used as documented, and what refuses it speaks the words of scripts: every
//! function, method, property and constant of the catalog is used wrongly in several ways.

use saescript::Host;
use saescript::error::Error;
use saescript::script::docs::{Entry, Kind};

/// Names of the engine's and of this program's insides.
const INSIDE: [&str; 23] = [
    "i64",
    "f64",
    "i32",
    "f32",
    "u8",
    "usize",
    "ImmutableString",
    "FLOAT",
    "INT",
    "Dynamic",
    "FnPtr",
    "rhai",
    "alloc::",
    "core::",
    "std::",
    "Handle",
    "EvalAltResult",
    "&str",
    "&mut",
    "Rc<",
    "RefCell",
    "anon$",
    "Function not found",
];

/// An object of each kind, by the name of its kind.
const OBJECTS: &[(&str, &str)] = &[
    ("int", "7"),
    ("float", "7.5"),
    ("bool", "true"),
    ("char", "'c'"),
    ("string", "\"text\""),
    ("array", "[1, 2]"),
    ("map", "#{ a: 1 }"),
    ("blob", "blob(3)"),
    ("range", "(1..3)"),
    ("timestamp", "timestamp()"),
    ("Fn", "|x| x"),
    ("dtype", "torch::float32"),
    ("Tensor", "torch::ones([2, 3])"),
    ("SAEConfig", "sae_config()"),
    ("TrainerConfig", "trainer_config()"),
    ("InitializerConfig", "InitializerConfig()"),
    ("BufferShuffleConfig", "BufferShuffleConfig()"),
    ("GenerationConfig", "GenerationConfig()"),
    ("WandbConfig", "WandbConfig(#{ wandb_project: \"p\" })"),
    (
        "DatasetConfig",
        "DatasetConfig(#{ dataset_name_or_path: \"corpus\" })",
    ),
    ("SparseAutoEncoder", "SparseAutoEncoder(sae_config())"),
    ("LatentChange", "ablate(SparseAutoEncoder(sae_config()), 1)"),
    ("Trainer", "Trainer(trainer_config())"),
    ("Initializer", "Initializer(InitializerConfig())"),
    ("ActivationStream", "ActivationStream([])"),
    (
        "FeatureAnalyzer",
        "FeatureAnalyzer(FeatureAnalyzerConfig(#{ total_analyzing_tokens: 10 }))",
    ),
    (
        "FeatureAnalyzerConfig",
        "FeatureAnalyzerConfig(#{ total_analyzing_tokens: 10 })",
    ),
    ("DirectLogitAttributorConfig", "DirectLogitAttributorConfig()"),
];

const MAKERS: &str = r#"
fn sae_config() { SAEConfig(#{ hook_point_in: "h", hook_point_out: "h", d_model: 4, d_sae: 8 }) }
fn trainer_config() { TrainerConfig(#{ lr: 1e-3, total_training_tokens: 10, exp_result_path: "nowhere" }) }
"#;

/// Arguments that next to nothing takes.
const ODD: [&str; 4] = ["", "|x| x", "#{ zzz: 1 }", "1.5, 'x', (), |x| x, [#{}]"];

/// Ends the script, waits, or prints: of no use here.
const LEFT_OUT: [&str; 6] = ["exit", "sleep", "print", "debug", "print_table", "eval"];

struct Probe {
    host: Host,
    failures: usize,
    wrong: Vec<String>,
}

impl Probe {
    /// The error of `text`, which is looked at for words that do not belong there, caught and uncaught.
    fn fails(&mut self, text: &str) -> Option<Error> {
        let error = self.host.eval("probe", &format!("{MAKERS}{text}")).err()?;
        self.failures += 1;
        let said = error.to_string();
        for word in INSIDE.iter().filter(|word| said.contains(**word)) {
            self.wrong.push(format!("`{text}` speaks of `{word}`: {said}"));
        }
        for clumsy in [
            " a a",
            " a e",
            " a i",
            " a o",
            " 1 arguments",
            "()()",
            " an t",
            " an m",
        ] {
            if said.contains(clumsy) {
                self.wrong.push(format!("`{text}` says `{clumsy}`: {said}"));
            }
        }
        Some(error)
    }

    fn require_known(&mut self, text: &str, unknown: &str) {
        let error = self.fails(text);
        if let Some(error) = error.filter(|error| error.message().contains(unknown)) {
            self.wrong
                .push(format!("`{text}`, as documented, fails: {error}"));
        }
    }

    fn parse(&mut self, text: &str) {
        // Nothing is run: the function is not called.
        if let Err(error) = self.host.eval("probe", &format!("fn never(x) {{ {text} }}")) {
            self.wrong.push(format!("`{text}` cannot be written: {error}"));
        }
    }
}

fn probe_entry(probe: &mut Probe, entry: &Entry) {
    let (name, path) = (&entry.name, entry.path());
    match entry.kind {
        Kind::Function | Kind::Constructor => {
            probe.parse(&format!("{path}(x)"));
            for arguments in ODD {
                let is_module_alone = matches!(arguments, "" | "|x| x") && entry.standard;
                if !LEFT_OUT.contains(&name.as_str()) && !is_module_alone {
                    probe.require_known(&format!("{path}({arguments})"), "unknown function");
                }
            }
        }
        Kind::Constant => probe.require_known(&path, "unknown"),
        Kind::Method | Kind::Property | Kind::Field => {
            let parentheses = if entry.kind == Kind::Method { "()" } else { "" };
            probe.parse(&format!("x.{name}{parentheses}"));
            let object = OBJECTS
                .iter()
                .find(|(kind, _)| Some(*kind) == entry.owner.as_deref());
            let Some((_, object)) = object else { return };
            if entry.kind == Kind::Method {
                for arguments in ODD {
                    probe.require_known(&format!("let it = {object}; it.{name}({arguments})"), "no method");
                }
            } else {
                probe.require_known(&format!("let it = {object}; it.{name}"), "no property");
            }
        }
        Kind::Module | Kind::Type => (),
    }
}

#[test]
fn what_is_documented_can_be_used_and_what_refuses_it_speaks_of_scripts_only() {
    let host = Host::builder().output(|_| ()).build().expect("a host");
    let catalog = host.catalog().expect("a catalog");
    let mut probe = Probe {
        host,
        failures: 0,
        wrong: Vec::new(),
    };
    for entry in catalog.entries() {
        probe_entry(&mut probe, entry);
    }
    for (kind, object) in OBJECTS {
        for wrong in [
            "it.no_such_thing",
            "it.no_such_thing()",
            "it.no_such_thing = 1",
            "it[()]",
            "it[|x| x]",
            "it - |x| x",
            "-it",
            "it()",
            "if it { }",
            "for x in it { x.no_such_thing }",
            "no_such_function(it)",
            "SAEConfig(it)",
            "SAEConfig(#{ d_model: it })",
            "torch::tensor(it, it)",
            "throw it",
        ] {
            probe.fails(&format!("let it = {object}; {wrong}"));
        }
        let known = catalog
            .entries()
            .iter()
            .any(|entry| entry.owner.as_deref() == Some(*kind));
        assert!(
            known || ["bool"].contains(kind),
            "{kind} is no kind of the catalog"
        );
    }
    assert!(probe.failures > 2000, "only {} calls failed", probe.failures);
    probe.wrong.truncate(60);
    assert!(probe.wrong.is_empty(), "{}", probe.wrong.join("\n"));
}

const WORDS: &str = "var match case default new use with is module package public protected super static shared thread \
    spawn go await async sync yield goto exit void null nil in if else for while loop let const fn as \
    import export return throw try catch switch do until break continue global private this";

/// Words that the language keeps, as names where nothing but a name can stand.
#[test]
fn words_of_the_language_are_names_after_a_dot_and_before_a_colon() {
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    for word in WORDS.split_whitespace() {
        let text = format!(
            "let m = #{{ {word}: 1, b: #{{ {word}: 2 }} }}; m.{word} += 5; m.{word} + m.b.{word} + m?.{word}"
        );
        let value = host
            .eval("probe", &text)
            .unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(value.as_int(), Ok(14), "{word}");
    }
    let variance = host
        .eval("probe", "torch::tensor([1.0, 2.0, 3.0]).var().item()")
        .expect("a variance");
    assert_eq!(variance.as_float(), Ok(1.0));
    // Elsewhere they are refused as before, and a map that is called stays one.
    for text in [
        "let var = 1;",
        "var(1)",
        "let m = #{ call: |x| x }; m.call(1); match",
    ] {
        assert!(host.eval("probe", text).is_err(), "{text}");
    }
}

/// What a script sees of an error that it catches is what it would have been shown.
#[test]
fn caught_errors_say_what_uncaught_ones_say() {
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    for failing in [
        "[1, 2][7]",
        "\"a\" - 1",
        "let m = #{}; m.x",
        "1 / 0",
        "9223372036854775807 + 1",
        "no_such(1)",
        "(1).foo()",
        "\"abc\".foo",
        "\"abc\"[10]",
        "let n = 3.5; for i in n { }",
        "let f = |a, b| a; f.call(1)",
        "let x = 3; x.call()",
        "[1].map(1)",
        "[1].map(|x| x.foo)",
        "[2, 1].sort(|a, b, c| a)",
        "parse_int(\"x\")",
        "parse_json(\"{\")",
        "let m = #{}; m[1]",
        "let a = [1]; a[\"x\"]",
        "torch::ones([2]) + torch::ones([3])",
        "TrainerConfig(#{ lrr: 1 })",
        "fn inner(x) { x.foo } fn outer(x) { inner(x) } outer(1)",
        "eval(\"1 + foo\")",
        "let a = [1]; a.for_each(|| a.push(1))",
        "import \"no/such/module\" as m;",
    ] {
        let uncaught = host.eval("probe", failing).expect_err(failing);
        let (definitions, failing) = match failing.rfind("} ") {
            Some(end) if failing.starts_with("fn") => failing.split_at(end + 1),
            _ => ("", failing),
        };
        let text = format!(
            "{definitions}let seen = (); try {{ {failing} }} catch (e) {{ seen = #{{ message: e.message, text: e.to_string(), \
             hints: e.hints, line: e.line, kind: e.kind }}; }} seen"
        );
        let seen = host
            .eval("probe", &text)
            .unwrap_or_else(|error| panic!("{failing}: {error}"));
        let seen = saescript::script::to_value(&seen).expect("plain data");
        assert_eq!(seen["message"], uncaught.headline(), "{failing}");
        assert_eq!(seen["text"], uncaught.to_string(), "{failing}");
        assert_eq!(seen["kind"], "input", "{failing}");
        assert_eq!(seen["line"], 1, "{failing}");
    }
}

/// What a script throws itself, it catches as it was; and `catch` is no place where anything else changes.
#[test]
fn try_means_what_it_meant() {
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    for (text, wanted) in [
        ("let r = 0; try { throw 5 } catch (e) { r = e } r", 5),
        ("let r = 0; try { throw #{ a: 7 } } catch (e) { r = e.a } r", 7),
        (
            "let r = 0; try { try { throw 1 } catch (e) { throw e + 1 } } catch (e) { r = e } r",
            2,
        ),
        ("fn f() { try { return 3 } catch { return 4 } } f()", 3),
        ("fn f() { try { 1 / 0 } catch { return 4 } } f()", 4),
        (
            "let n = 0; for i in 0..10 { try { if i == 3 { break } n += 1 } catch { } } n",
            3,
        ),
        (
            "let n = 0; for i in 0..4 { try { if i == 3 { continue } n += 1 } catch { } n += 10 } n",
            33,
        ),
        ("let x = 1; try { let x = 2; x += 1 } catch { } x", 1),
        ("let x = 1; try { x = 2; 1 / 0 } catch { x += 5 } x", 7),
        (
            "let f = || { try { [1][3] } catch (e) { return 8 } }; f.call()",
            8,
        ),
        ("let n = 0; try {} catch {} try { 1 / 0 } catch { n = 9 } n", 9),
        (
            "// try { in a comment } catch\nlet s = \"try { catch\"; s.len()",
            11,
        ),
        (
            "let n = 0; try { switch 3 { 3 => { try { 1 / 0 } catch { n = 6 } } _ => () } } catch { } n",
            6,
        ),
        (
            "let o = #{ n: 1, f: |x| { try { this.n / x } catch { -1 } } }; let r = 0; try { r = o.f(0) } catch { r = -2 } r",
            0,
        ),
        (
            "let e = 0; try { [1].map(|x| { throw x + 40 }) } catch (t) { e = t } e",
            41,
        ),
    ] {
        let value = host.eval("probe", text);
        match value {
            Ok(value) if wanted != 0 => assert_eq!(value.as_int(), Ok(wanted), "{text}"),
            Ok(_) => (),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}
