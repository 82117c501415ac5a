//! What a source file declares, imports and names, as syn reads it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// `a::b::C`, cut at its colons.
pub type Names = Vec<String>;

/// One module: a file, or a `mod name { … }` inside one.
#[derive(Default)]
pub struct Module {
    /// The file that holds it.
    pub file: String,
    /// What it defines itself.
    pub items: BTreeSet<String>,
    /// The modules that it declares.
    pub children: BTreeSet<String>,
    /// Those of them that are for tests.
    pub tests: BTreeSet<String>,
    /// Its `use` lines, one entry for each name.
    pub imports: Vec<Import>,
    /// Every other path in its code.
    pub paths: BTreeSet<Names>,
}

/// A name that `use` brings in.
pub struct Import {
    /// Under which name, `*` for all.
    pub name: String,
    /// The path of what it stands for.
    pub path: Names,
    /// Whether others see it too, as with `pub use`.
    pub handed_on: bool,
}

/// Adds the modules of a file to `modules`, by their paths from the crate's root.
///
/// `path` is that of the file's own module.
fn read(file: &str, path: Names, text: &str, modules: &mut BTreeMap<Names, Module>) {
    let tree = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut reader = Reader { file, path, modules };
    reader.module();
    reader.visit_file(&tree);
}

struct Reader<'a> {
    file: &'a str,
    path: Names,
    modules: &'a mut BTreeMap<Names, Module>,
}

impl Module {
    /// Every path in its code and its `use` lines.
    pub fn named(&self) -> impl Iterator<Item = &Names> {
        self.imports.iter().map(|import| &import.path).chain(&self.paths)
    }
}

/// The modules of the files of src/, each with its path below that folder.
pub fn read_all<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<Names, Module> {
    let mut modules = BTreeMap::new();
    for (file, text) in files {
        let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let path = stem.split('/').filter(|part| *part != "lib").map(str::to_string);
        read(file, path.collect(), text, &mut modules);
    }
    modules
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        let module = self.modules.entry(self.path.clone()).or_default();
        module.file = self.file.to_string();
        module
    }

    fn imports(&mut self, tree: &syn::UseTree, before: &Names, handed_on: bool) {
        let (name, last) = match tree {
            syn::UseTree::Path(part) => {
                let path = [before.as_slice(), &[part.ident.to_string()]].concat();
                return self.imports(&part.tree, &path, handed_on);
            }
            syn::UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|part| self.imports(part, before, handed_on));
            }
            syn::UseTree::Glob(_) => ("*".to_string(), None),
            syn::UseTree::Name(part) => (part.ident.to_string(), Some(part.ident.to_string())),
            syn::UseTree::Rename(part) => (part.rename.to_string(), Some(part.ident.to_string())),
        };
        let path: Names = before
            .iter()
            .cloned()
            .chain(last.filter(|last| last != "self"))
            .collect();
        let name = if name == "self" {
            path.last().cloned().unwrap_or_default()
        } else {
            name
        };
        self.module().imports.push(Import {
            name,
            path,
            handed_on,
        });
    }

    /// The paths in what a macro is given: words with colons between them.
    fn paths_in(&mut self, tokens: TokenStream) {
        let mut path = Names::new();
        let mut before = String::new();
        for token in tokens {
            let text = match &token {
                TokenTree::Punct(mark) => mark.as_char().to_string(),
                TokenTree::Ident(word) => word.to_string(),
                TokenTree::Group(_) | TokenTree::Literal(_) => String::new(),
            };
            match token {
                TokenTree::Ident(_) if before == ":" && !path.is_empty() => path.push(text.clone()),
                TokenTree::Punct(_) if text == ":" => (),
                _ => {
                    self.named(std::mem::take(&mut path));
                    if matches!(token, TokenTree::Ident(_)) && before != "." {
                        path.push(text.clone());
                    }
                }
            }
            if let TokenTree::Group(group) = token {
                self.paths_in(group.stream());
            }
            before = text;
        }
        self.named(path);
    }

    fn named(&mut self, path: Names) {
        if !path.is_empty() {
            self.module().paths.insert(path);
        }
    }
}

/// Whether an item stands behind `#[cfg(test)]`.
fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// The name that an item defines.
fn defined(item: &syn::Item) -> Option<&syn::Ident> {
    match item {
        syn::Item::Const(item) => Some(&item.ident),
        syn::Item::Enum(item) => Some(&item.ident),
        syn::Item::Fn(item) => Some(&item.sig.ident),
        syn::Item::Macro(item) => item.ident.as_ref(),
        syn::Item::Static(item) => Some(&item.ident),
        syn::Item::Struct(item) => Some(&item.ident),
        syn::Item::Trait(item) => Some(&item.ident),
        syn::Item::Type(item) => Some(&item.ident),
        syn::Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_file(&mut self, file: &'ast syn::File) {
        for item in &file.items {
            self.visit_item(item);
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let Some(name) = defined(item) {
            self.module().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        self.module().children.insert(name.clone());
        if for_tests(&item.attrs) {
            self.module().tests.insert(name.clone());
        }
        if let Some((_, items)) = &item.content {
            self.path.push(name);
            self.module();
            items.iter().for_each(|item| self.visit_item(item));
            self.path.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let handed_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.imports(&item.tree, &Names::new(), handed_on);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.paths_in(called.tokens.clone());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {} // `pub(in crate::a)` imports nothing

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
