//! Expressions as people write them who come from PyTorch: where the language allows it they run, and where it does not
//! the error says how the same is written here.

use saescript::Host;

const GIVEN: &str = "let x = torch::tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]]); let w = torch::ones(3, 2);
    let p = torch::ones(2, #{ requires_grad: true });\n";

/// What runs, and what comes out.
const RUN: &[(&str, &str)] = &[
    ("(x @ w).tolist()", "[[2.0, 2.0], [3.0, 3.0]]"),
    ("(x @ w * 2 - 1).sum().item()", "16.0"),
    ("x[\"0, 1\"].item()", "-2.0"),
    ("x[\":, 0\"].tolist()", "[1.0, 4.0]"),
    ("x[\"..., -1\"].tolist()", "[3.0, -6.0]"),
    ("x[\"..., ::2\"].tolist()", "[[1.0, 3.0], [4.0, -6.0]]"),
    ("x[\"1:, :2\"].tolist()", "[[4.0, 5.0]]"),
    ("x[\":, None\"].shape", "[2, 1, 3]"),
    ("x[\":, 1:\"] = 0; x.sum().item()", "5.0"),
    ("x[\"0\"] = [7, 8, 9]; x[0].tolist()", "[7.0, 8.0, 9.0]"),
    ("x[x < 0] = 0.0; x.sum().item()", "13.0"),
    ("x[[1, 0]].tolist()", "[[4.0, 5.0, -6.0], [1.0, -2.0, 3.0]]"),
    ("x.at([[0, 1], [2, 0]]).tolist()", "[3.0, 4.0]"),
    ("x.at([\":\", [2, 0]]).tolist()", "[[3.0, 1.0], [-6.0, 4.0]]"),
    ("x.at([\"...\", 0]).tolist()", "[1.0, 4.0]"),
    (
        "x.set_at([[0, 1], [0, 2]], 0.0).tolist()",
        "[[0.0, -2.0, 3.0], [4.0, 5.0, 0.0]]",
    ),
    ("x[(x > 0) & (x < 4)].tolist()", "[1.0, 3.0]"),
    ("x[!(x > 0)].tolist()", "[-2.0, -6.0]"),
    ("x.sum(#{ dim: 1, keepdim: true }).tolist()", "[[2.0], [3.0]]"),
    ("x.max(1).values.tolist()", "[3.0, 5.0]"),
    ("x.topk(1, #{ dim: 0 }).indices.tolist()", "[[1, 1, 0]]"),
    ("torch::einsum(\"ij,jk->ik\", x, w).shape", "[2, 2]"),
    ("torch::nn::functional::mse_loss(x, x + 1).item()", "1.0"),
    ("torch::linalg::norm(x, #{ dim: 1 }).shape", "[2]"),
    ("torch::cat([x, x], #{ dim: -1 }).shape", "[2, 6]"),
    ("x.masked_fill(x < 0, -torch::inf).amin().item()", "-inf"),
    ("x.mT.shape", "[3, 2]"),
    (
        "x.clone().clamp_(0, 1).tolist()",
        "[[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]",
    ),
    ("torch::where(x > 0, x, 0).sum().item()", "13.0"),
    ("x.unsqueeze(0).expand(4, -1, -1).shape", "[4, 2, 3]"),
    (
        "torch::arange(6).reshape(2, 3).roll(1, #{ dims: 1 }).tolist()",
        "[[2, 0, 1], [5, 3, 4]]",
    ),
    ("(p * p).sum().backward(); p.grad.tolist()", "[2.0, 2.0]"),
    (
        "(p * p).sum().backward(); p.grad.mul_(0.5); p.grad.tolist()",
        "[1.0, 1.0]",
    ),
    (
        "(p * p).sum().backward(); p.grad = (); p.grad.tolist()",
        "[0.0, 0.0]",
    ),
    ("torch::no_grad(|| (p * 2).requires_grad)", "false"),
    ("p.requires_grad = false; p.requires_grad", "false"),
    ("torch::where(x > 3)[1].tolist()", "[0, 1]"),
    (
        "torch::nn::functional::pad(x, [0, 1], #{ value: 9 })[0].tolist()",
        "[1.0, -2.0, 3.0, 9.0]",
    ),
    ("torch::gcd(torch::tensor([12]), torch::tensor([18])).item()", "6"),
    ("torch::lcm(torch::tensor([4]), torch::tensor([6])).item()", "12"),
    ("torch::concat([x, x], #{ dim: 1 }).shape", "[2, 6]"),
    ("x.clip(-1, 1).sum().item()", "2.0"),
    ("x.greater(0).sum().item()", "4"),
    ("torch::multiply(x, 2).sum().item()", "10.0"),
    ("torch::zeros(2, #{ dtype: torch::long }).dtype", "torch::int64"),
    ("x.dtype == torch::float", "true"),
    ("w.diagflat().shape", "[6, 6]"),
    ("[3, 1, 2].max() + [3, 1, 2].sum()", "9"),
    ("[\"bb\", \"a\"].order(|text| text.len())", "[\"a\", \"bb\"]"),
];

/// What the language has no form for, and a part of the advice.
const ADVISED: &[(&str, &str)] = &[
    ("x[:, 0]", "[\":, 0\"]"),
    ("x[0, 1]", "[\"0, 1\"]"),
    ("x[..., ::2]", "[\"..., ::2\"]"),
    ("x[1:]", "[\"1:\"]"),
    ("x[:, None]", "[\":, None\"]"),
    ("x[None]", "x[\"None\"]"),
    ("x[\"::-1\"]", "flip"),
    ("x[|x| x]", "as in Python"),
    ("let (values, indices) = x.max(1);", "r.values"),
    ("let [values, indices] = x.max(1);", "r.values"),
    ("values, indices = x.max(1)", "r.values"),
    ("x.max(1)[0]", ".values"),
    ("x.sum(dim=1)", "#{ dim: … }"),
    ("x.sum(dim: 1)", "#{ dim: … }"),
    ("(x > 0) and (x < 1)", "a & b"),
    ("not x", "!a"),
    ("~(x > 0)", "!mask"),
    ("0 < x < 1", "(x > 0) & (x < 1)"),
    ("torch.zeros(2, 3)", "torch::zeros"),
    ("torch.nn.functional.relu(x)", "torch::nn::functional::relu"),
    ("F.relu(x)", "torch::nn::functional"),
    ("F::relu(x)", "torch::nn::functional"),
    ("np.load(\"x.npy\")", "torch::load"),
    ("nn.Linear(2, 3)", "std/nn"),
    ("x.masked_fill(x < 0, -inf)", "torch::inf"),
    ("with torch.no_grad(): x", "torch::no_grad(|| "),
    ("x.einsum(\"ij->i\")", "torch::einsum"),
    ("x.argmx(1)", "argmax"),
    ("torch::linalg::svdd(x)", "torch::linalg::svd"),
    ("torch::cat((x, x), 0)", "[1, 2]"),
    ("x @ x", "[2, 3]"),
    ("x + torch::ones(5)", "[5]"),
    ("if x > 0 { 1 } else { 2 }", ".all()"),
    ("x.topk(9)", "[2, 3] of float32"),
    ("x.float_(1)", "float"),
    ("p.grad = 1", "set to `()`"),
    ("torch::ones(2, 3, 4).T", "x.mT"),
    ("x.type(torch::float16)", "x.to(torch::float16)"),
    ("x.is_cuda", "x.device"),
    ("x.data", "x.detach()"),
    ("x.index_put_([0], x)", "x.set_at("),
    ("x.unsqueeze_(0)", "x = x.squeeze()"),
    ("x.isnan().any().item()", "true or false already"),
    ("x[\"a\"]", "x[\":, 0\"]"),
    ("torch::from_numpy([1])", "torch::tensor"),
    ("torch::fft::fft(x)", "no complex numbers"),
    ("torch::nn::functional::conv1d(x, w)", "x.unfold"),
    ("math.sqrt(2)", "sqrt(x)"),
    ("random.seed(0)", "torch::manual_seed"),
    ("einops.rearrange(x, \"a b -> b a\")", "x.permute"),
];

#[test]
fn what_the_language_allows_runs_as_in_pytorch() {
    assert!(RUN.len() + ADVISED.len() >= 60);
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let mut wrong = Vec::new();
    for (expression, expected) in RUN {
        match host.eval("line", &format!("{GIVEN}{expression}")) {
            Ok(value) if value.to_string() == *expected => (),
            Ok(value) => wrong.push(format!("{expression}: {value} instead of {expected}")),
            Err(error) => wrong.push(format!("{expression}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_it_does_not_allow_is_told_how_to_write() {
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let mut wrong = Vec::new();
    for (expression, advice) in ADVISED {
        match host.eval("line", &format!("{GIVEN}{expression}")) {
            Ok(value) => wrong.push(format!("{expression}: runs, and gives {value}")),
            Err(error) if error.to_string().contains(advice) => (),
            Err(error) => wrong.push(format!("{expression}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
