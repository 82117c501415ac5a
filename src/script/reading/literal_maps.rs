//! `#{ a: 1 }.b`: a key that a map written out lacks is an error, as everywhere else. The optimiser would put `()` there.

use rhai::{AST, ASTNode, Expr};

/// Returns whether a map written out in `ast` is asked for a key that it lacks.
pub(super) fn lacks_a_key(ast: &AST) -> bool {
    let mut found = false;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(expression)) = path.last() {
            found |= is_missing(expression);
        }
        !found
    });
    found
}

fn is_missing(expression: &Expr) -> bool {
    let (Expr::Dot(pair, ..) | Expr::Index(pair, ..)) = expression else {
        return false;
    };
    let Expr::Map(map, ..) = &pair.lhs else {
        return false;
    };
    let key = match &pair.rhs {
        Expr::Property(property, ..) => property.2.as_str(),
        Expr::StringConstant(key, ..) => key.as_str(),
        _ => return false,
    };
    !map.0.iter().any(|(name, _)| name.name.as_str() == key)
}
