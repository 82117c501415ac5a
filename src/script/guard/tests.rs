use rhai::plugin::*;
use rhai::{Dynamic, Engine};

use super::{protect, standard_library};
use crate::error::Error;

#[export_module(manifest)]
mod panicking {
    /// Fails by a defect.
    pub fn defect(text: &str) -> i64 {
        panic!("there is no {text}")
    }

    /// Fails by a defect, as a property.
    #[rhai_fn(get = "broken")]
    pub fn broken(_text: &str) -> i64 {
        panic!("it is broken")
    }
}

fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(standard_library().into());
    let mut module = exported_module!(panicking);
    protect(&mut module, &panicking::RHAI_MANIFEST);
    engine.register_global_module(module.into());
    engine
}

#[test]
fn panics_are_errors_that_scripts_catch() {
    let caught = r#"let n = 0; try { defect("x") } catch { n += 1; } try { "".broken } catch { n += 1; } n"#;
    assert_eq!(engine().eval::<i64>(caught).expect("caught"), 2);
    let failure = engine()
        .eval::<i64>("1 +\n  defect(\"answer\")")
        .expect_err("it panics");
    assert_eq!(failure.position().line(), Some(2));
    let EvalAltResult::ErrorRuntime(value, _) = *failure else {
        panic!("an error of ours: {failure}");
    };
    let error = value.cast::<Error>();
    assert_eq!(
        error.message(),
        "`defect` failed by a defect of this program: there is no answer"
    );
}

#[test]
fn the_library_works_behind_the_guard_as_before() {
    let guarded = engine();
    for script in [
        "let a = [3, 1, 2]; a.push(4); a.sort(); a.pad(6, 0); a.to_string()",
        "let a = [1, 2, 3, 4]; a.filter(|x| x % 2 == 0).map(|x| x * 10).reduce(|sum, x| sum + x, 0)",
        "let s = \"a,b,c\"; s.replace(\",\", \"--\"); s.split(\"--\").to_string() + s.pad(3, \"x\")",
        "const A = [1]; try { A.push(2); } catch { } A.len()",
        "let m = #{ a: 1 }; m.mixin(#{ b: 2 }); m.keys().len() + parse_json(\"[1, 2]\").len()",
        "let b = blob(4, 7); b += blob(2); b.len() + b.to_array()[0]",
        "let s = \"ab\"; s += \"cd\"; s += 'e'; (s + \"f\").to_upper() + s.sub_string(1, 2)",
        "let n = 0; for i in range(0, 10, 3) { n += i; } n + [1, 2].index_of(|x| x == 2)",
    ] {
        let plain = Engine::new()
            .eval::<Dynamic>(script)
            .map(|value| value.to_string());
        let ours = guarded.eval::<Dynamic>(script).map(|value| value.to_string());
        assert_eq!(ours.expect(script), plain.expect(script), "{script}");
    }
}

#[test]
fn what_multiplies_its_arguments_is_refused_in_time() {
    let engine = engine();
    for script in [
        "let a = []; a.pad(1_000_000_000_000_000, 0)",
        "let s = \"\"; s.pad(1_000_000_000_000_000, \"xy\")",
        "let b = blob(); b.pad(1_000_000_000_000_000, 0)",
        "blob(1_000_000_000_000_000)",
    ] {
        let refused =
            format!("let refused = 0; try {{ {script}; }} catch (error) {{ refused = error; }} refused");
        let error = engine.eval::<Dynamic>(&refused).expect(script);
        let error = error
            .try_cast::<Error>()
            .unwrap_or_else(|| panic!("{script}: not refused"));
        assert!(error.message().starts_with("out of memory"), "{error}");
    }
}
