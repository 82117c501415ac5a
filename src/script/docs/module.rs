//! What a script module documents, read from its text.

use rhai::{AST, ASTFlags, FnAccess, Stmt};

use super::entry::{Entry, Kind};
use super::text::strip_comment;
use crate::script::source::is_closure;

/// Returns the entries of the module that is imported as `name`: the module, its functions, its constants.
/// The first says which `others` there are in its library.
pub(super) fn entries_of(name: &str, ast: &AST, others: &[String]) -> Vec<Entry> {
    let entry = |own: String, kind: Kind, signatures: Vec<String>, docs: String| Entry {
        owner: (kind != Kind::Module).then(|| name.to_string()),
        name: own,
        kind,
        signatures,
        docs,
        standard: false,
    };
    let mut docs = strip_comment(&[ast.doc().to_string()]);
    if !others.is_empty() {
        docs += &format!("\n\nFurther modules: `{}`.", others.join("`, `"));
    }
    let mut entries = vec![entry(name.into(), Kind::Module, vec![format!("{name}::…")], docs)];
    for function in ast.iter_functions() {
        if function.access == FnAccess::Public && !is_closure(function.name) {
            let comments: Vec<String> = function.comments.iter().map(ToString::to_string).collect();
            let signature = format!("{name}::{}({})", function.name, function.params.join(", "));
            let own = function.name.to_string();
            entries.push(entry(
                own,
                Kind::Function,
                vec![signature],
                strip_comment(&comments),
            ));
        }
    }
    for statement in ast.statements() {
        if let Stmt::Var(variable, flags, _) = statement
            && flags.contains(ASTFlags::EXPORTED)
        {
            let own = variable.0.name.to_string();
            entries.push(entry(own, Kind::Constant, Vec::new(), String::new()));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}
