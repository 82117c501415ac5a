//! `eval(text)`: a text is run where it stands. It sees the variables, functions and constants that are visible there and
//! may assign to them; what it defines itself ends with it; its value is that of its last expression. In a closure those
//! are the variables that the closure itself names.
//!
//! The engine's own `eval` parses its text without the variables, which are then unknown.

use rhai::{
    AST, Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, Module, ParseError, ParseErrorType,
    Position, StmtBlock,
};

use super::diagnostic;
use super::failure::RhaiResultOf;
use super::guard;
use super::permissions;
use super::reading::{self, EVAL};
use super::source::is_closure;
use super::state::State;
use crate::error::{Error, a};
use crate::guard::attempt;

/// Puts this `eval` in the place of the engine's.
pub fn install(engine: &mut Engine) {
    let registered = engine.register_custom_syntax([EVAL, "(", "$expr$", ")"], false, evaluate);
    debug_assert!(registered.is_ok(), "it is a name");
}

fn evaluate(context: &mut EvalContext, inputs: &[Expression]) -> RhaiResultOf<Dynamic> {
    let place = inputs[0].position();
    let given = context.eval_expression_tree(&inputs[0])?;
    let kind = context.engine().map_type_name(given.type_name()).to_string();
    let text = given.into_immutable_string().map_err(|_| {
        let error = Error::input(format!("`eval` takes a text, but was given {}", a(&kind)));
        EvalAltResult::ErrorRuntime(Dynamic::from(error), place)
    })?;
    // A text can evaluate itself, which no function call would count.
    if context.call_level() >= context.engine().max_call_levels() {
        return Err(EvalAltResult::ErrorStackOverflow(place).into());
    }
    let state = state_of(context);
    let compiled = attempt(|| {
        reading::compile(
            context.engine(),
            &state,
            context.scope(),
            (&text, reading::Role::Module),
        )
    });
    let ast = compiled
        .unwrap_or_else(|panic| Err(guard::unparsable(&panic)))
        .map_err(|problem| unreadable(context, &text, &problem, place))?;
    let of_library = context
        .source()
        .is_some_and(|name| state.policy_of_library(name).is_some());
    if of_library && permissions::names_a_native_function(&ast).is_some() {
        let error =
            Error::input("a library cannot make pointers to functions by their names, as `Fn(…)` does")
                .hint("write a closure instead: `|x| name(x)`");
        return Err(EvalAltResult::ErrorRuntime(Dynamic::from(error), place).into());
    }
    state.sources().add_closures(None, &text, &ast);
    match run(context, &ast) {
        Err(failure) => match *failure {
            EvalAltResult::Return(value, _) => Ok(value),
            failure => Err(located(context, &text, failure, place)),
        },
        value => value,
    }
}

fn run(context: &mut EvalContext, ast: &AST) -> RhaiResultOf<Dynamic> {
    let statements = StmtBlock::new(ast.statements().to_vec(), Position::NONE, Position::NONE);
    let whole = Expr::Stmt(Box::new(statements));
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    let value = context
        .new_frame()
        .with_namespace(ast.shared_lib().clone())
        .with_new_caching_layer()
        .up_call_level()
        .rewind_scope(true)
        .eval_expression_tree_raw(&Expression::from(&whole), true);
    keep_closures(context, ast);
    value
}

/// A closure may leave the text as its value or in a variable, so it can be called for as long as the function runs in
/// which `eval` stands. Closures of the same text are the same.
fn keep_closures(context: &mut EvalContext, ast: &AST) {
    let closures = ast.clone_functions_only_filtered(|_, _, _, name, _| is_closure(name));
    let is_known = |module: &Module| {
        let mut all = closures.iter_functions();
        all.all(|closure| module.get_script_fn(closure.name, closure.params.len()).is_some())
    };
    if closures.has_functions() && !context.iter_namespaces().any(is_known) {
        let library = closures.shared_lib().clone();
        context.global_runtime_state_mut().lib.push(library);
    }
}

/// Why `text` cannot be parsed, as an error that a script can catch.
fn unreadable(
    context: &EvalContext,
    text: &str,
    problem: &ParseError,
    place: Position,
) -> Box<EvalAltResult> {
    let is_imported = |name: &str| context.iter_imports().any(|(known, _)| known == name);
    let state = state_of(context);
    let name = name_of_text(context, place);
    state.sources().insert(name.as_str(), text);
    let mut error = diagnostic::explain_parse(problem, &name, context.engine(), state.sources());
    if let ParseErrorType::ModuleUndefined(name) = problem.err_type()
        && is_imported(name)
    {
        error = error.hint("`eval` does not see imports: import it within the text as well");
    }
    EvalAltResult::ErrorRuntime(Dynamic::from(error), place).into()
}

fn state_of(context: &EvalContext) -> State {
    context.tag().clone().try_cast::<State>().unwrap_or_default()
}

/// The failure of `text`, with its place there. The text is known from now on under the name of its caller's line.
fn located(context: &EvalContext, text: &str, failure: EvalAltResult, place: Position) -> Box<EvalAltResult> {
    let state = state_of(context);
    let name = name_of_text(context, place);
    // A text that fails within itself, evaluated again: the innermost is the one to show.
    if !failure.is_catchable() || mentions(&failure, &name) {
        return failure.into();
    }
    state.sources().insert(name.as_str(), text);
    EvalAltResult::ErrorInFunctionCall("eval".into(), name, failure.into(), place).into()
}

/// Under which name errors show the text that `eval` at `place` was given.
fn name_of_text(context: &EvalContext, place: Position) -> String {
    let caller = context.source().unwrap_or("script");
    format!("eval in {caller}, line {}", place.line().unwrap_or(0))
}

/// Did `failure` come through the text called `name`?
fn mentions(failure: &EvalAltResult, name: &str) -> bool {
    match failure {
        EvalAltResult::ErrorInFunctionCall(_, of, inner, _) => of == name || mentions(inner, name),
        _ => false,
    }
}
