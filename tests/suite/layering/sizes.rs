//! Files stay under 400 lines and functions under 60.

use proc_macro2::Span;
use syn::visit::{self, Visit};

use super::sources::sources;

/// Lines of a file must be fewer.
const FILE: usize = 400;

/// Lines of a function, from its signature to its closing bracket, must be fewer.
const FUNCTION: usize = 60;

/// The functions of a file: name, first line, number of lines.
#[derive(Default)]
struct Functions(Vec<(String, usize, usize)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let start = line(signature.fn_token.span);
        let end = line(body.brace_token.span.close());
        self.0.push((signature.ident.to_string(), start, end + 1 - start));
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let mut functions = Functions::default();
    functions.visit_file(&syn::parse_file(text).expect("a source file"));
    functions.0
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for (file, text) in ["src", "tests/suite"].into_iter().flat_map(sources) {
        let lines = text.lines().count();
        if lines >= FILE {
            wrong.push(format!("{file} has {lines} lines"));
        }
        for (name, start, lines) in functions(&text) {
            if lines >= FUNCTION {
                wrong.push(format!("{file}:{start}: `{name}` has {lines} lines"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_are_measured_from_signature_to_bracket() {
    let text = "/// Says it.\n#[inline]\npub fn a(\n    b: u8,\n) -> u8 {\n    b\n}\n\nimpl A {\n    fn c() {}\n}\n\
                trait D {\n    fn e();\n    fn f() {\n    }\n}\n";
    let found = functions(text);
    let found: Vec<_> = found
        .iter()
        .map(|(name, start, lines)| (name.as_str(), *start, *lines))
        .collect();
    assert_eq!(found, [("a", 3, 5), ("c", 10, 1), ("f", 14, 2)]);
}
