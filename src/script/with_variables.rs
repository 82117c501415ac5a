//! Texts that a program evaluates, with variables of its own.

use rhai::{Dynamic, Scope};

use super::host::{Host, Outcome};
use crate::error::Result;

impl Host {
    /// Evaluates `text`, which errors call `name`, in a scope of its own.
    ///
    /// # Errors
    /// As [`run_file`](Self::run_file).
    pub fn eval(&mut self, name: &str, text: &str) -> Result<Dynamic> {
        self.eval_with_scope(name, text, &mut Scope::new())
    }

    /// Evaluates `text`, which errors call `name`, with the variables and constants of `scope`, and leaves in it what
    /// the script made of them and what it defined, also where it fails. Functions of the script see none of them: they
    /// are given what they need.
    ///
    /// # Errors
    /// As [`run_file`](Self::run_file).
    pub fn eval_with_scope(&mut self, name: &str, text: &str, scope: &mut Scope<'static>) -> Result<Dynamic> {
        if self.scope.is_empty() {
            self.set_constants(&[], None);
        }
        let own = self.scope.len();
        let mut whole = self.scope.clone();
        extend(&mut whole, scope, 0);
        let outcome = self.run_text(name, text.to_string(), &mut whole);
        scope.clear();
        extend(scope, &whole, own);
        match outcome? {
            Outcome::Finished(value) => Ok(value),
            Outcome::Exited(code) => Ok(i64::from(code).into()),
        }
    }
}

/// Adds the variables and constants of `more`, but for the first ones, in their order.
fn extend(scope: &mut Scope<'static>, more: &Scope<'static>, but: usize) {
    // The engine tells them from the last to the first.
    let last_to_first: Vec<_> = more.iter_raw().take(more.len() - but).collect();
    for (name, is_constant, value) in last_to_first.into_iter().rev() {
        if is_constant {
            scope.push_constant_dynamic(name, value.clone());
        } else {
            scope.push_dynamic(name, value.clone());
        }
    }
}
