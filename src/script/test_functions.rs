//! The functions `test_*` of a script, run one after the other.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::{AST, ASTNode, Dynamic, EvalAltResult, Expr, FnPtr, Map};

use super::closure::evaluating;
use super::coverage::{Statement, statements};
use super::failure::RhaiResultOf;
use super::host::{Host, read_script};
use super::modules::standard_text;
use crate::error::{Error, Result};

/// With what the names of test functions begin.
pub const TEST_PREFIX: &str = "test_";

/// The only key of what a test throws to be skipped; its value is the reason.
const SKIPPED: &str = "skipped";

/// What became of one test function of a script.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// The function's name.
    pub name: String,
    /// Why it failed, if it did.
    pub failure: Option<Error>,
    /// Why it ended itself without a result, if it did.
    pub skipped: Option<String>,
    /// How long it ran.
    pub took: Duration,
}

/// What is told while the tests of a script run.
#[derive(Clone, Debug)]
pub enum TestEvent {
    /// The function of that name begins.
    Began(String),
    /// A function came to its end.
    Ended(TestOutcome),
}

impl Host {
    /// Runs the functions `test_*` of the script at `path`, each after the script's own statements, in order of
    /// their names.
    ///
    /// # Errors
    /// The script itself cannot be read or parsed. A test that fails is part of the result.
    pub fn test_file(&mut self, path: impl AsRef<Path>) -> Result<Vec<TestOutcome>> {
        let mut outcomes = Vec::new();
        self.test_each(
            path,
            |_| true,
            |event| match event {
                TestEvent::Ended(outcome) => outcomes.push(outcome),
                TestEvent::Began(_) => (),
            },
        )?;
        Ok(outcomes)
    }

    /// Runs, as [`test_file`](Self::test_file) does, those functions whose names are `wanted`, and tells `observe` of
    /// each when it begins and ends.
    ///
    /// # Errors
    /// As of [`test_file`](Self::test_file).
    pub fn test_each(
        &mut self,
        path: impl AsRef<Path>,
        wanted: impl Fn(&str) -> bool,
        mut observe: impl FnMut(TestEvent),
    ) -> Result<()> {
        let path = path.as_ref();
        let text = read_script(path)?;
        let name = path.display().to_string();
        self.set_constants(&[], Some(path));
        self.know_constants();
        let ast = Rc::new(self.compile(&name, text)?);
        self.state().coverage().note(&name, &ast);
        let mut tests: Vec<String> = ast
            .iter_functions()
            .filter(|function| function.name.starts_with(TEST_PREFIX) && function.params.is_empty())
            .map(|function| function.name.to_string())
            .filter(|test| wanted(test))
            .collect();
        tests.sort();
        for test in tests {
            observe(TestEvent::Began(test.clone()));
            observe(TestEvent::Ended(self.test(&ast, test, &name)));
        }
        Ok(())
    }

    /// Returns the statements of the script at `path` that are no tests, in no order, without running it.
    ///
    /// # Errors
    /// The script cannot be read or parsed.
    pub fn statements_of(&mut self, path: impl AsRef<Path>) -> Result<Vec<Statement>> {
        let path = path.as_ref();
        let text = read_script(path)?;
        self.set_constants(&[], Some(path));
        let mut ast = self.compile(&path.display().to_string(), text)?;
        if without_tests(&mut ast) {
            return Ok(Vec::new());
        }
        Ok(statements(&ast))
    }

    fn test(&self, ast: &AST, test: String, file: &str) -> TestOutcome {
        self.state().begin();
        let mut scope = self.own_scope();
        let began = Instant::now();
        let result: RhaiResultOf<Dynamic> = evaluating(self.engine(), || {
            self.engine().call_fn::<Dynamic>(&mut scope, ast, &test, ())
        });
        let took = began.elapsed();
        let skipped = result.as_ref().err().and_then(|failure| reason(failure));
        let failure = match (self.state().exit_asked(), result) {
            (Some(code), _) => Some(
                Error::input(format!(
                    "the test called `exit({code})`, and so never came to its end"
                ))
                .hint("end a test with `return`, or by what it throws"),
            ),
            (None, Err(failure)) if skipped.is_none() => Some(
                // An assertion fails where it is made, not where it is defined.
                self.explain(&failure, file)
                    .seen_from_outside(|file| standard_text(file).is_some()),
            ),
            _ => None,
        };
        TestOutcome {
            name: test,
            failure,
            skipped,
            took,
        }
    }
}

/// Takes the test functions out, with their closures; true if the script has no others, and so is nothing but tests.
fn without_tests(ast: &mut AST) -> bool {
    let named = |ast: &AST| -> HashSet<String> {
        let functions = ast.iter_functions();
        functions.map(|function| function.name.to_string()).collect()
    };
    let mut of_tests: HashSet<String> = named(ast)
        .into_iter()
        .filter(|name| name.starts_with(TEST_PREFIX))
        .collect();
    let has_tests = !of_tests.is_empty();
    // A closure of a test is a function of its own, and so is one within it.
    loop {
        let mut tests = ast.clone_functions_only();
        tests.retain_functions(|_, _, name, _| of_tests.contains(name));
        let closures = closures_in(&tests);
        let before = of_tests.len();
        of_tests.extend(closures);
        if of_tests.len() == before {
            break;
        }
    }
    ast.retain_functions(|_, _, name, _| !of_tests.contains(name));
    has_tests && !ast.has_functions()
}

/// The engine's names of the closures that functions of `ast` make.
fn closures_in(ast: &AST) -> Vec<String> {
    let mut names = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = path.last()
            && let Some(pointer) = value.read_lock::<FnPtr>()
        {
            names.push(pointer.fn_name().to_string());
        }
        true
    });
    names
}

/// Why a test wants to be skipped, if that is what it threw.
fn reason(failure: &EvalAltResult) -> Option<String> {
    match failure {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => reason(inner),
        EvalAltResult::ErrorRuntime(value, _) => {
            let map = value.read_lock::<Map>()?;
            let reason = map.get(SKIPPED).filter(|_| map.len() == 1)?;
            Some(reason.to_string())
        }
        _ => None,
    }
}
