//! What people who come from Python, NumPy or JavaScript look for, and how it is written here.

use super::member::Member;

/// Names that mean one thing elsewhere, and what it is called here, the first that the object has.
const SYNONYMS: &[(&[&str], &[&str])] = &[
    (&["size", "length", "shape", "__len__"], &["len"]),
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
    (&["sorted", "sort_values", "argsort"], &["order"]),
    (&["reversed"], &["reverse"]),
    (&["any"], &["some"]),
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
        &["entries", "iter", "iteritems"],
        "go through it with `for key in m.keys() { m[key] }`",
    ),
    (
        &["map"],
        &[
            "stack_activation",
            "accumulated_resid",
            "decompose_resid",
            "stack_head_results",
            "logit_attrs",
            "apply_ln_to_stack",
        ],
        "what is done with a cache is in `std/lens`: `import \"std/lens\" as lens;`, then `lens::accumulated_residual(model, \
         prompt)`, `lens::components`, `lens::attribution`",
    ),
    (
        &["array"],
        &["enumerate", "items", "entries", "iter"],
        "go through it with `for (x, i) in a { … }`",
    ),
    (
        &["array"],
        &[
            "std", "var", "argmax", "argmin", "dot", "reshape", "dtype", "device", "to", "numpy", "cpu",
            "cuda", "item", "float", "ndim", "T", "abs", "norm", "shape",
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
    (
        &["Tensor"],
        &["type", "astype", "type_as"],
        "write `x.to(torch::float16)`, or `x.float()`, `x.long()`",
    ),
    (&["Tensor"], &["is_cuda"], "write `x.device != \"cpu\"`"),
    (&["Tensor"], &["data"], "write `x.detach()`"),
    (
        &["Tensor"],
        &["index_put_", "index_put"],
        "write `x.set_at([rows, columns], values)`",
    ),
    (
        &["Tensor"],
        &["apply_", "map", "map_"],
        "functions work on all elements at once: `x.exp() + 1`; one by one it is `x.tolist().map(|v| v + 1)`",
    ),
    (
        &["Tensor"],
        &["squeeze_", "unsqueeze_", "transpose_", "t_", "resize_"],
        "shapes do not change in place: write `x = x.squeeze()`",
    ),
    (
        &["Tensor"],
        &["retain_grad", "register_hook", "is_leaf"],
        "gradients of any tensor on the way: `torch::autograd::grad(loss, [x])`",
    ),
    (
        &["LanguageModel"],
        &["hook_dict", "named_modules"],
        "`model.hook_points()` lists hook points with their shapes",
    ),
    (
        &["LanguageModel"],
        &["parameters", "named_parameters", "state_dict"],
        "`model.weight_names()` lists them, `model.weight(\"blocks.0.ln1.w\")` is one; `model.W_E`, `model.blocks[0].attn.W_Q` as in TransformerLens",
    ),
    (&["LanguageModel"], &["n_params"], "write `model.cfg.n_params`"),
    (
        &["LanguageModel"],
        &["QK", "OV", "W_QK", "W_OV"],
        "write `model.W_Q[layer][head] @ model.W_K[layer][head].T`, `model.W_V[layer][head] @ model.W_O[layer][head]`",
    ),
    (
        &["LanguageModel"],
        &["add_hook", "hooks", "reset_hooks", "add_perma_hook"],
        "hooks belong to one call: `model.run_with_hooks(input, hooks)`, `model.generate(text, #{ hooks: hooks })`",
    ),
    (
        &["LanguageModel"],
        &["eval", "train", "requires_grad_", "to", "cuda", "cpu"],
        "its weights stay as they are, on the `device` of its configuration",
    ),
    (
        &["array"],
        &["keys"],
        "an array's places are `0..a.len()`; with its values `for (x, i) in a { … }`",
    ),
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
    (
        &["bool"],
        &["item", "any", "all", "bool"],
        "it is true or false already",
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
    (
        &["sorted"],
        "`a.order()` is a sorted copy, `a.sort()` sorts an array where it is",
    ),
    (
        &["std", "var"],
        "arithmetic on many numbers is done by tensors: `torch::tensor(a).std()`",
    ),
    (
        &["assert"],
        "write `if !condition { throw \"…\"; }`, or `testing::equal(a, b)` of `std/testing`",
    ),
    (
        &["bool"],
        "write the comparison: `x != 0`, `a.len() > 0`, `x != ()`",
    ),
    (&["any"], "write `a.some(|x| x > 0)`"),
    (&["reversed"], "`a.reverse()` turns an array around where it is"),
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
    (
        &["torch::from_numpy", "torch::as_tensor"],
        "write `torch::tensor(numbers)`; NumPy's files are read by `torch::load(\"x.npy\")`",
    ),
    (
        &[
            "torch::fft::fft",
            "torch::fft::rfft",
            "torch::fft::ifft",
            "torch::view_as_complex",
            "torch::complex",
            "torch::linalg::eig",
            "torch::linalg::eigvals",
        ],
        "tensors have no complex numbers here, so there are no Fourier transforms; of symmetric matrices there is \
         `torch::linalg::eigh`",
    ),
    (
        &[
            "torch::nn::functional::conv1d",
            "torch::nn::functional::conv2d",
            "torch::nn::functional::avg_pool1d",
            "torch::nn::functional::max_pool1d",
            "torch::nn::functional::avg_pool2d",
            "torch::nn::functional::max_pool2d",
        ],
        "there are no convolutions and pools; `x.unfold(dim, size, step)` gives windows: `x.unfold(-1, 2, 2).amax(-1)`, \
         `x.unfold(-1, 3, 1) @ weights`",
    ),
    (
        &["torch::pca_lowrank", "torch::svd_lowrank"],
        "write `torch::linalg::svd(x - x.mean(0), false)`",
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
    (
        &["math"],
        "functions are there by their names: `sqrt(x)`, `exp(x)`, `ln(x)`, `x.floor()`, `PI()`",
    ),
    (
        &["json"],
        "write `m.to_json()`, `parse_json(text)`; files: `write_text(path, m.to_json())`",
    ),
    (
        &["time", "datetime"],
        "write `time()` for seconds, `now()` for a point in time",
    ),
    (
        &["os", "Path", "pathlib", "glob"],
        "write `exists(path)`, `list_dir(folder)`, `glob(\"runs/*/metrics.jsonl\")`, `read_text(path)`",
    ),
    (
        &["random"],
        "chance is torch's: `torch::manual_seed(0)`, `torch::rand(3)`, `torch::randint(0, 10, [3])`, `torch::randperm(5)`",
    ),
    (
        &["re"],
        "texts have `split`, `contains`, `index_of`, `replace`; regular expressions are not part of the language",
    ),
    (
        &["einops"],
        "write `x.reshape(…)`, `x.permute(…)`, `torch::einsum(\"b i j -> b j\", x)`",
    ),
    (
        &["tqdm"],
        "a stream and a training show how far they are by themselves; `for x in xs` is enough",
    ),
    (&["PI", "pi"], "write `PI()`"),
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
