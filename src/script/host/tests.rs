//! What a host promises: results, places of errors, sessions.

use super::*;

fn host() -> Host {
    Host::builder()
        .output(|_| ())
        .library(Vec::new())
        .build()
        .expect("a host")
}

fn failure(text: &str) -> Error {
    host().eval("test.rhai", text).expect_err("the script is wrong")
}

fn place(error: &Error) -> &str {
    let place = error.place().expect("a place");
    &place.text[place.span.clone()]
}

#[test]
fn tensors_compute() {
    let text = "let a = torch::tensor([[1.0, 2.0], [3.0, 4.0]]); ((a + 1) * a).sum().item()";
    let value = host().eval("test.rhai", text).expect("the script is right");
    assert_eq!(value.as_float(), Ok(40.0));
}

#[test]
fn misspelt_names_are_found_before_anything_runs() {
    let error = failure("let stream = 1;\nprint(steam);");
    assert_eq!(error.message(), "unknown variable `steam`");
    assert_eq!(error.hints(), ["did you mean `stream`?"]);
    assert_eq!(place(&error), "steam");
}

#[test]
fn wrong_arguments_list_the_signatures() {
    let error = failure("let t = torch::zeros(2);\nt.reshape(\"x\")");
    assert_eq!(
        error.headline(),
        "`shape`: expected ints or array, but was given string (in the call of `reshape`)"
    );
    assert_eq!(
        error.hints(),
        ["it can be called as `reshape(shape: int...|array) -> Tensor`"]
    );
    assert_eq!(place(&error), "reshape");
}

#[test]
fn shapes_that_do_not_fit_are_errors_at_the_operator() {
    let error = failure("let a = torch::zeros([2, 3]);\na + torch::zeros([4])");
    assert_eq!(error.message(), "`+` cannot combine shapes [2, 3] and [4]");
    assert_eq!(place(&error), "+");
}

#[test]
fn callers_are_listed_innermost_first() {
    let error = failure("fn inner(x) { x.nothing() }\nfn outer(x) { inner(x) }\nouter(torch::zeros(1));");
    assert_eq!(error.message(), "Tensor has no method `nothing`");
    let names: Vec<&str> = error
        .callers()
        .iter()
        .map(|caller| caller.function.as_str())
        .collect();
    assert_eq!(names, ["inner", "outer"]);
    assert_eq!(error.callers()[1].place.line_column(), (3, 1));
}

#[test]
fn a_stop_interrupts_endless_loops() {
    let mut host = host();
    host.state().context().stop.set();
    let error = host.eval("test.rhai", "loop {}").expect_err("interrupted");
    assert_eq!(error.fault(), crate::error::Fault::Interrupted);
}

#[test]
fn sessions_keep_what_was_defined() {
    let mut host = host();
    let mut session = host.interactive();
    session
        .enter("let x = 2; fn double(n) { n * 2 }")
        .expect("an entry");
    session.enter("x = no_such").expect_err("an unknown variable");
    let Outcome::Finished(value) = session.enter("double(x)").expect("an entry") else {
        panic!("it did not exit");
    };
    assert_eq!(value.as_int(), Ok(4));
    assert!(session.is_incomplete("if x > 1 {"));
    assert_eq!(session.type_of("x").as_deref(), Some("int"));
}

#[test]
fn an_error_inside_eval_points_into_its_text() {
    let error = failure("let x = [1];\neval(\"let y = 2;\\nx[y]\")");
    assert_eq!(place(&error), "y");
    assert!(
        error.place().is_some_and(|place| place.text.starts_with("let y")),
        "{error:?}"
    );
    assert_eq!(error.callers().len(), 1);
    let error = failure("let steam = 1;\neval(\"stream + 1\")");
    assert_eq!(error.message(), "unknown variable `stream`");
    assert_eq!(place(&error), "stream");
}

#[test]
fn a_text_that_evaluates_itself_ends() {
    let error = failure("let text = \"eval(text)\"; eval(text)");
    assert_eq!(error.message(), "functions call each other too deeply");
    let error = failure("fn f(n) { eval(\"f(\" + (n + 1) + \")\") } f(0)");
    assert_eq!(error.message(), "functions call each other too deeply");
}

#[test]
fn the_symbols_that_stand_for_switch_are_no_part_of_the_language() {
    for text in [
        "$ 1",
        "@ 1 { 1 => 2 }",
        "@$ 1 { 1 => 2 }",
        "switch $ 1 { 1 => 2 }",
    ] {
        failure(text);
    }
    let text = "/* switch */ let switches = `switch ${switch 1.0 { 1 => \"switch\" }}`; // switch\nswitches";
    let value = host().eval("test.rhai", text).expect("the script is right");
    assert_eq!(value.to_string(), "switch switch");
}

#[test]
fn large_whole_numbers_are_not_read_as_floats() {
    let error = failure("let x = 1;\nx + 9223372036854775808");
    assert!(
        error.message().contains("9223372036854775808 is no int"),
        "{error}"
    );
    assert_eq!(place(&error), "9223372036854775808");
}
