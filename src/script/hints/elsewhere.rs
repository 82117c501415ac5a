//! What people who come from Python, NumPy or JavaScript look for, and how it is written here.

use super::member::Member;

/// Names that mean one thing elsewhere, and what it is called here, the first that the object has.
const SYNONYMS: &[(&[&str], &[&str])] = &[
    (&["size", "length", "count", "shape", "__len__"], &["len"]),
    (&["add", "append", "push_back", "appendleft"], &["push"]),
    (&["extend", "concat"], &["append"]),
    (
        &["slice", "substr", "substring", "subarray"],
        &["extract", "sub_string"],
    ),
    (
        &[
            "includes",
            "has",
            "has_key",
            "contains_key",
            "containsKey",
            "hasOwnProperty",
            "__contains__",
        ],
        &["contains"],
    ),
    (
        &["upper", "toUpperCase", "uppercase", "to_uppercase"],
        &["to_upper"],
    ),
    (
        &["lower", "toLowerCase", "lowercase", "to_lowercase"],
        &["to_lower"],
    ),
    (&["startswith", "startsWith"], &["starts_with"]),
    (&["endswith", "endsWith"], &["ends_with"]),
    (&["find", "search", "index", "indexOf"], &["index_of"]),
    (&["update", "merge", "assign"], &["mixin"]),
    (&["sorted", "sort_values"], &["sort"]),
    (&["reversed"], &["reverse"]),
    (&["unique"], &["dedup"]),
    (&["forEach"], &["for_each"]),
    (&["fold", "inject"], &["reduce"]),
    (&["del", "delete", "erase"], &["remove"]),
    (&["str", "toString", "__str__"], &["to_string"]),
    (&["int", "astype"], &["to_int"]),
];

/// What an object of a type has no method for, and what does it.
const IDIOMS: &[(&[&str], &[&str], &str)] = &[
    (
        &["map"],
        &["items", "entries", "iter", "iteritems"],
        "go through it with `for key in m.keys() { m[key] }`",
    ),
    (
        &["array"],
        &["enumerate", "items", "entries", "iter"],
        "go through it with `for (x, i) in a { … }`",
    ),
    (
        &["array"],
        &[
            "sum", "mean", "std", "var", "max", "min", "argmax", "argmin", "dot", "reshape", "dtype",
            "device", "to", "numpy", "cpu", "cuda", "item", "float", "ndim", "T", "abs", "norm", "shape",
        ],
        "an array is a list of values; arithmetic is done by tensors: `torch::tensor(a)`",
    ),
    (
        &["array"],
        &["pop_front"],
        "`a.shift()` takes the first element, `a.pop()` the last",
    ),
    (
        &["map"],
        &["pop"],
        "`m.remove(\"key\")` takes an entry out and returns its value",
    ),
    (&["Tensor"], &["einsum"], "write `torch::einsum(\"ij->i\", x)`"),
    (
        &["Tensor"],
        &["numpy"],
        "`x.to_array()` gives the numbers as arrays",
    ),
    (&["Tensor"], &["cuda"], "`x.to(\"cuda\")` copies it to the GPU"),
    (&["Tensor"], &["detach_"], "write `x.detach()`"),
    (&["array"], &["copy", "clone"], "`let b = a;` is a copy already"),
    (&["map"], &["copy", "clone"], "`let b = m;` is a copy already"),
    (
        &["int", "float"],
        &["append", "push", "len"],
        "it is one number, not an array",
    ),
    (
        &["int", "float"],
        &["item", "detach", "cpu", "numpy"],
        "it is a number already",
    ),
];

/// Functions of Python's, and how the same is written here.
const FUNCTIONS: &[(&[&str], &str)] = &[
    (
        &["str", "repr"],
        "write `x.to_string()`, or `${x}` in a text between backquotes",
    ),
    (
        &["int"],
        "write `x.to_int()` for a number, `parse_int(text)` for a text",
    ),
    (
        &["float"],
        "write `x.to_float()` for a number, `parse_float(text)` for a text",
    ),
    (&["list", "tuple", "Array"], "an array is written `[1, 2]`"),
    (&["dict", "Map", "Object"], "a map is written `#{ key: 1 }`"),
    (&["enumerate"], "write `for (x, i) in a { … }`"),
    (
        &["isinstance", "type", "typeof"],
        "write `type_of(x) == \"array\"`",
    ),
    (&["sorted"], "`a.sort()` sorts an array where it is"),
    (
        &["sum", "mean", "std"],
        "arithmetic on many numbers is done by tensors: `torch::tensor(a).sum()`",
    ),
    (
        &["tensor", "Tensor"],
        "tensors are made with `torch::tensor([1.0, 2.0])`",
    ),
    (
        &["printf", "println", "echo", "puts", "log_info"],
        "write `print(x)`",
    ),
    (
        &["open", "fopen"],
        "`read_text(path)` reads a text, `write_text(path, text)` writes one; data sets and tensors are read by `load_dataset`, `torch::load`",
    ),
    (
        &["require", "include", "load_module"],
        "write `import \"file\" as name;`",
    ),
    (&["quit"], "write `exit(0)`"),
    (
        &["train_crosscoder"],
        "`train_sae(settings)` trains every kind of dictionary",
    ),
    (
        &["zip", "map", "filter"],
        "arrays have methods: `a.map(|x| x * 2)`, `a.filter(|x| x > 0)`; pairs are made with `for (x, i) in a { b[i] }`",
    ),
];

/// Returns how the method or property `name` of an object of type `kind`, which has `members`, is written here.
pub(super) fn member(kind: &str, name: &str, members: &[Member]) -> Option<String> {
    let idiom = IDIOMS
        .iter()
        .find(|(of, names, _)| of.contains(&kind) && names.contains(&name))
        .map(|(_, _, advice)| advice.to_string());
    let synonym = || {
        let (_, here) = SYNONYMS.iter().find(|(names, _)| names.contains(&name))?;
        let known = here
            .iter()
            .find(|known| members.iter().any(|member| member.name == **known))?;
        Some(format!("write `{known}(…)`").replace("len(…)", "len()"))
    };
    match idiom {
        // An array has a length, whatever else its shape is.
        Some(advice) if name != "shape" => Some(advice),
        advice => synonym().or(advice),
    }
}

/// Names under which Python knows modules, and numbers of theirs.
const MODULES: &[(&[&str], &str)] = &[
    (
        &["F"],
        "write `torch::nn::functional::…`; activations are methods too: `x.relu()`",
    ),
    (
        &["nn"],
        "functions are in `torch::nn::functional`, layers in `std/nn`: `import \"std/nn\" as nn;`",
    ),
    (&["linalg"], "write `torch::linalg::…`"),
    (&["functional"], "write `torch::nn::functional::…`"),
    (
        &["np", "numpy"],
        "what NumPy does tensors do: `torch::…`; its files are read by `torch::load(\"x.npy\")`",
    ),
    (&["inf"], "write `torch::inf`"),
    (&["nan"], "write `torch::nan`"),
];

/// Returns how what is in the module `name` of Python's is written here.
pub(super) fn module(name: &str) -> Option<&'static str> {
    let found = MODULES.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, advice)| *advice)
}

/// Returns how the function `name` of Python's is written here.
pub(super) fn function(name: &str) -> Option<&'static str> {
    let found = FUNCTIONS.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, advice)| *advice)
}
