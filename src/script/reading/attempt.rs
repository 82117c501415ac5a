//! `try`: what `catch (e)` gets is the error that is shown where nobody catches it, with its place and its advice. What a
//! script throws itself, it gets back as it was thrown.
//!
//! The engine makes maps of its own failures there, in words of its own.

use rhai::{Dynamic, Engine, EvalAltResult, EvalContext, Expression};

use super::marks::BODY;
use crate::error::Error;
use crate::script::diagnostic;
use crate::script::failure::RhaiResultOf;
use crate::script::state::State;

pub(super) fn install(engine: &mut Engine) {
    let registered = engine.register_custom_syntax([BODY, "$block$"], false, attempt);
    debug_assert!(registered.is_ok(), "a reserved symbol");
}

fn attempt(context: &mut EvalContext, inputs: &[Expression]) -> RhaiResultOf<Dynamic> {
    let value = context.eval_expression_tree(&inputs[0]);
    value.map_err(|failure| as_shown(context, failure))
}

fn as_shown(context: &EvalContext, failure: Box<EvalAltResult>) -> Box<EvalAltResult> {
    let inner = failure.unwrap_inner();
    if failure.is_pseudo_error() || inner.is_pseudo_error() || !inner.is_catchable() {
        return failure;
    }
    if let EvalAltResult::ErrorRuntime(thrown, _) = inner
        && !thrown.is::<Error>()
    {
        return failure;
    }
    let state = context.tag().clone().try_cast::<State>().unwrap_or_default();
    let source = context.source().unwrap_or("script");
    let error = diagnostic::explain(&failure, source, context.engine(), state.sources());
    EvalAltResult::ErrorRuntime(Dynamic::from(error), failure.position()).into()
}
