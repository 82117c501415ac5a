//! `eval(text)`: a text is run where it stands. It sees the variables, functions and constants that are visible there and
//! may assign to them; what it defines itself ends with it; its value is that of its last expression.
//!
//! The engine's own `eval` parses its text without the variables, which are then unknown.

use rhai::{
    Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, ParseErrorType, Position, StmtBlock,
};

use super::failure::{RhaiResultOf, raise};
use super::numbers;
use super::state::State;
use crate::error::Error;

/// Puts this `eval` in the place of the engine's.
pub fn install(engine: &mut Engine) {
    let registered = engine.register_custom_syntax(["eval", "(", "$expr$", ")"], false, evaluate);
    debug_assert!(registered.is_ok(), "`eval` is a reserved word");
}

fn evaluate(context: &mut EvalContext, inputs: &[Expression]) -> RhaiResultOf<Dynamic> {
    let place = inputs[0].position();
    let given = context.eval_expression_tree(&inputs[0])?;
    let kind = context.engine().map_type_name(given.type_name()).to_string();
    let text = given.into_immutable_string().map_err(|_| {
        let mut error = raise(Error::input(format!("`eval` takes a text, but was given a {kind}")));
        error.set_position(place);
        error
    })?;
    match run(context, &text) {
        Err(failure) => match *failure {
            EvalAltResult::Return(value, _) => Ok(value),
            failure => Err(located(context, &text, failure, place)),
        },
        value => value,
    }
}

fn run(context: &mut EvalContext, text: &str) -> RhaiResultOf<Dynamic> {
    let engine = context.engine();
    // A text can evaluate itself, which no function call would count.
    if context.call_level() >= engine.max_call_levels() {
        return Err(EvalAltResult::ErrorStackOverflow(Position::NONE).into());
    }
    let state = state_of(context);
    let ast = numbers::compile(engine, &state, context.scope(), text).map_err(|problem| {
        match problem.err_type() {
            ParseErrorType::ModuleUndefined(name) if is_imported(context, name) => raise_at(
                Error::input(format!("`eval` does not see the import `{name}`"))
                    .hint("import it within the text as well"),
                problem.position(),
            ),
            _ => problem.into(),
        }
    })?;
    let statements = StmtBlock::new(ast.statements().to_vec(), Position::NONE, Position::NONE);
    let whole = Expr::Stmt(Box::new(statements));
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    context
        .new_frame()
        .with_namespace(ast.shared_lib().clone())
        .with_new_caching_layer()
        .up_call_level()
        .rewind_scope(true)
        .eval_expression_tree_raw(&Expression::from(&whole), true)
}

fn is_imported(context: &EvalContext, name: &str) -> bool {
    context.iter_imports().any(|(known, _)| known == name)
}

fn raise_at(error: Error, position: Position) -> Box<EvalAltResult> {
    let mut raised = raise(error);
    raised.set_position(position);
    raised
}

fn state_of(context: &EvalContext) -> State {
    context.tag().clone().try_cast::<State>().unwrap_or_default()
}

/// The failure of `text`, with its place there. The text is known from now on under the name of its caller's line.
fn located(context: &EvalContext, text: &str, failure: EvalAltResult, place: Position) -> Box<EvalAltResult> {
    let state = state_of(context);
    let caller = context.source().unwrap_or("script");
    let name = format!("eval in {caller}, line {}", place.line().unwrap_or(0));
    // A text that fails within itself, evaluated again: the innermost is the one to show.
    if !failure.is_catchable() || mentions(&failure, &name) {
        return failure.into();
    }
    state.sources().insert(name.as_str(), text);
    EvalAltResult::ErrorInFunctionCall("eval".into(), name, failure.into(), place).into()
}

/// Did `failure` come through the text called `name`?
fn mentions(failure: &EvalAltResult, name: &str) -> bool {
    match failure {
        EvalAltResult::ErrorInFunctionCall(_, of, inner, _) => of == name || mentions(inner, name),
        _ => false,
    }
}
