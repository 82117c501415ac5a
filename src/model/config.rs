//! A decoder's architecture in neutral terms: what every family's `config.json` is mapped to.

use super::rotary::{self, Rope};
use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor};

/// Everything the decoder has to know about an architecture. Sizes are counts of numbers, not bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Width of the residual stream.
    pub d_model: i64,
    /// Number of blocks.
    pub n_layers: usize,
    /// Number of query heads.
    pub n_heads: i64,
    /// Number of key and value heads; fewer than `n_heads` with grouped queries.
    pub n_kv_heads: i64,
    /// Width of one head.
    pub d_head: i64,
    /// Width of the MLP's hidden layer.
    pub d_mlp: i64,
    /// Number of token embeddings.
    pub d_vocab: i64,
    /// Longest context, in tokens.
    pub n_ctx: i64,
    /// The kind of normalisation.
    pub norm: Norm,
    /// Where in a block it stands.
    pub placement: Placement,
    /// How attention and MLP are added to the residual stream.
    pub residual: Residual,
    /// How tokens know where they are.
    pub position: Position,
    /// How heads attend.
    pub attention: Attention,
    /// What each block's attention can see; one entry a layer.
    pub spans: Vec<Span>,
    /// The MLP.
    pub mlp: Mlp,
    /// Embeddings are multiplied by this.
    pub embedding_scale: Option<f64>,
    /// Logits are squashed to ±this by `cap · tanh(logits / cap)`.
    pub logit_soft_cap: Option<f64>,
    /// The unembedding shares the embedding's table.
    pub tied_embeddings: bool,
}

/// The kind of normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// LayerNorm (Ba et al. 2016, arXiv:1607.06450): mean and variance, weight and bias.
    Layer {
        /// Added to the variance.
        eps: f64,
    },
    /// RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467): root mean square, weight only.
    Rms {
        /// Added to the mean square.
        eps: f64,
        /// The weight is stored as its difference from 1.
        unit_offset: bool,
    },
}

/// Where a block normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Before attention and before the MLP (`ln1`, `ln2`).
    Before,
    /// Before and after (`ln1`, `ln1_post`, `ln2`, `ln2_post`).
    BeforeAndAfter,
    /// Only after: attention and MLP read the bare residual stream (`ln1`, `ln2`).
    After,
}

/// How attention and MLP are added to the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// Attention first; the MLP sees its result.
    Sequential,
    /// Both read the block's input.
    Parallel,
}

/// How tokens know where they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// A learned vector for each place, added to the embedding.
    Learned,
    /// Rotary embedding (Su et al. 2021, arXiv:2104.09864) of the first `dims` numbers of each head.
    Rotary {
        /// How many numbers of a head are rotated.
        dims: i64,
        /// Frequencies of blocks with a [`Span::Full`].
        full: Rope,
        /// Frequencies of blocks with a [`Span::Window`].
        window: Rope,
    },
}

impl Position {
    /// Returns the same rotation on only a part of each head, in 0..=1.
    pub(super) fn on_part(self, part: f64) -> Self {
        match self {
            Position::Learned => Position::Learned,
            Position::Rotary { dims, full, window } => Position::Rotary {
                dims: (dims as f64 * part) as i64,
                full,
                window,
            },
        }
    }
}

/// How heads attend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Scores are multiplied by this, usually 1/√d_head.
    pub scale: f64,
    /// Scores of block n, from 0, are divided by n + 1 besides.
    pub scale_by_layer: bool,
    /// Scores are squashed to ±this.
    pub soft_cap: Option<f64>,
    /// Normalisation of queries and keys.
    pub qk_norm: QkNorm,
    /// Queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// The output has a bias.
    pub out_bias: bool,
}

impl Attention {
    /// Returns the same with biases everywhere, or nowhere.
    pub(super) fn with_biases(self, bias: bool) -> Self {
        Attention {
            qkv_bias: bias,
            out_bias: bias,
            ..self
        }
    }

    /// Returns how the heads of block `layer` attend.
    pub(super) fn in_block(self, layer: usize) -> Self {
        let divisor = if self.scale_by_layer {
            layer as f64 + 1.0
        } else {
            1.0
        };
        Attention {
            scale: self.scale / divisor,
            ..self
        }
    }
}

/// Normalisation of queries and keys before they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// None.
    Off,
    /// Each head by itself.
    PerHead,
    /// All heads of a token together.
    Whole,
}

/// What a block's attention can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Every earlier token.
    Full,
    /// The token itself and this many minus one before it.
    Window(i64),
}

/// The MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mlp {
    /// `act(x W_in) W_out`, or with a gate: `(act(x W_gate) · x W_in) W_out`.
    pub gated: bool,
    /// The non-linearity.
    pub activation: Activation,
    /// Its linear maps have biases.
    pub bias: bool,
}

/// The non-linearity of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// GELU with the exact error function (Hendrycks & Gimpel 2016, arXiv:1606.08415).
    Gelu,
    /// GELU's tanh approximation.
    GeluTanh,
    /// `x · sigmoid(x)`.
    Silu,
    /// `max(0, x)`.
    Relu,
}

impl Activation {
    /// Returns the non-linearity by the names that configuration files use.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_accurate" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "silu" | "swish" => Activation::Silu,
            "relu" => Activation::Relu,
            _ => {
                let known = [
                    "gelu",
                    "gelu_new",
                    "gelu_fast",
                    "gelu_pytorch_tanh",
                    "silu",
                    "relu",
                ];
                return Err(Error::unknown("activation function", name, &known));
            }
        })
    }

    /// Returns the name that TransformerLens has for it.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu_new",
            Activation::Silu => "silu",
            Activation::Relu => "relu",
        }
    }

    /// Applied to each number.
    pub(super) fn apply(self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Activation::Gelu => x.f_gelu("none"),
            Activation::GeluTanh => x.f_gelu("tanh"),
            Activation::Silu => x.f_silu(),
            Activation::Relu => x.f_relu(),
        }
    }

    /// Applied to each number of `x` in its place.
    pub(super) fn apply_to(self, x: &mut Tensor) -> Result<Tensor, TchError> {
        match self {
            Activation::Gelu => x.f_gelu_("none"),
            Activation::GeluTanh => x.f_gelu_("tanh"),
            Activation::Silu => x.f_silu_(),
            Activation::Relu => x.f_relu_(),
        }
    }
}

impl DecoderConfig {
    /// Rows of the product that makes queries, keys and values at once.
    pub(super) fn qkv_rows(&self) -> i64 {
        (self.n_heads + 2 * self.n_kv_heads) * self.d_head
    }

    /// Returns whether blocks rotate queries and keys.
    pub(super) fn is_rotary(&self) -> bool {
        matches!(self.position, Position::Rotary { .. })
    }

    /// Returns the number of weights, the tied table counted once.
    pub fn n_parameters(&self) -> i64 {
        let embed = self.d_model * self.d_vocab;
        let tables = if self.tied_embeddings { embed } else { 2 * embed };
        let positions = match self.position {
            Position::Learned => self.n_ctx * self.d_model,
            Position::Rotary { .. } => 0,
        };
        let attention = (self.qkv_rows() + self.n_heads * self.d_head) * self.d_model;
        let mlp = self.d_model * self.d_mlp * if self.mlp.gated { 3 } else { 2 };
        tables + positions + self.n_layers as i64 * (attention + mlp)
    }

    /// Returns how many numbers a forward pass holds for each token at its height: the residual stream, what is added to
    /// it and what is read of it, and what a block makes between, queries, keys, values and their result or the MLP's
    /// hidden layer.
    pub fn numbers_of_a_token(&self) -> i64 {
        let attention = self.qkv_rows() + self.n_heads * self.d_head;
        let hidden = self.d_mlp * if self.mlp.gated { 3 } else { 1 };
        3 * self.d_model + attention.max(hidden)
    }

    /// Refuses sizes that cannot belong together, in the words of `config.json`.
    pub(super) fn validate(&self) -> Result<()> {
        let sizes = [
            ("the hidden size", self.d_model),
            ("the number of layers", self.n_layers as i64),
            ("the number of attention heads", self.n_heads),
            ("the number of key-value heads", self.n_kv_heads),
            ("the head size", self.d_head),
            ("the MLP size", self.d_mlp),
            ("the vocabulary size", self.d_vocab),
            ("the context length", self.n_ctx),
        ];
        if let Some((what, size)) = sizes.iter().find(|(_, size)| *size <= 0) {
            return Err(Error::input(format!("{what} is {size}, but it must be positive")));
        }
        if self.n_heads % self.n_kv_heads != 0 {
            return Err(Error::input(format!(
                "{} attention heads cannot share {} key-value heads evenly",
                self.n_heads, self.n_kv_heads
            )));
        }
        if let Position::Rotary { dims, full, window } = &self.position {
            let pairs = rotary::pairs(*dims);
            if *dims < 0 || 2 * pairs > self.d_head {
                return Err(Error::input(format!(
                    "{dims} of {} numbers of a head cannot be rotated in pairs",
                    self.d_head
                )));
            }
            full.validate(pairs)?;
            window.validate(pairs)?;
        }
        Ok(())
    }
}

/// Returns the number format in which norms, softmax and rotations of `kind` are computed.
pub(super) fn precise(kind: Kind) -> Kind {
    match kind {
        Kind::Half | Kind::BFloat16 => Kind::Float,
        other => other,
    }
}
