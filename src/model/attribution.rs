//! What directions of a model's activations add to its logits, on the direct path: through the final norm and the
//! unembedding, with no layer between.

use super::config::Norm;
use super::hooks::{Halt, Hooks};
use super::language_model::LanguageModel;
use super::sites::Site;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, no_grad, product};

/// How the final norm is passed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogitMode {
    /// As a linear map: centred where the norm centres, and times its weight. Additive over directions and comparable
    /// between them; divided by the norm's scale at a token it is the effect there.
    #[default]
    Linear,
    /// As if the direction were the whole residual stream, with the norm's scale and bias and the unembedding's: its
    /// length does not matter then, and what the biases add is the same for all.
    Reference,
}

impl LanguageModel {
    /// Returns directions of the residual stream, `(n, d_model)` in float32, for directions `(n, width)` of the
    /// activations at `hook`: the same ones where these are added to the stream, and what they write into it for those
    /// of an MLP's hidden layer (`mlp.hook_post`) and of heads before their output (`attn.hook_z`).
    ///
    /// # Errors
    /// No such hook point, or one that does not write into the residual stream; another width.
    pub fn to_residual(&self, directions: &Tensor, hook: &str) -> Result<Tensor> {
        self.check_hook_point(hook)?;
        let directions = directions.f_to_device(self.device())?.f_to_kind(Kind::Float)?;
        let decoder = self.decoder()?;
        let layer = hook
            .strip_prefix("blocks.")
            .and_then(|rest| rest.split('.').next());
        let block = layer.and_then(|layer| decoder.blocks.get(layer.parse::<usize>().ok()?));
        let name = hook.rsplit('.').next().unwrap_or(hook);
        let writes = match (name, block) {
            ("hook_post", Some(block)) => Some(&block.mlp.write.weight),
            ("hook_z", Some(block)) => Some(&block.attention.out.weight),
            ("hook_embed" | "hook_pos_embed" | "hook_attn_out" | "hook_mlp_out", _) => None,
            (name, _) if name.starts_with("hook_resid_") => None,
            _ => {
                return Err(Error::input(format!(
                    "what is written at `{hook}` does not go into the residual stream, so it has no direct effect on the logits"
                ))
                .hint("direct logit attribution is for hook_resid_…, hook_mlp_out, hook_attn_out, mlp.hook_post and attn.hook_z"));
            }
        };
        let (width, given) = (
            writes.map_or(decoder.config.d_model, |weight| weight.size()[1]),
            directions.size().last().copied().unwrap_or(0),
        );
        if width != given {
            return Err(Error::input(format!(
                "activations at `{hook}` are {width} wide in this model, but the dictionary writes {given}"
            )));
        }
        match writes {
            Some(weight) => Ok(product::matmul(
                &directions,
                &weight.f_to_kind(Kind::Float)?.f_tr()?,
            )?),
            None => Ok(directions),
        }
    }

    /// Returns what directions `(n, d_model)` of the residual stream add to the logits, `(n, d_vocab)` in float32, less
    /// the mean over the vocabulary. A soft cap of the logits is left out.
    ///
    /// # Errors
    /// Another width; too little memory.
    pub fn direct_logits(&self, directions: &Tensor, mode: LogitMode) -> Result<Tensor> {
        let decoder = self.decoder()?;
        let float = |tensor: &Tensor| tensor.f_to_kind(Kind::Float);
        no_grad(|| {
            let r = float(&directions.f_to_device(self.device())?)?;
            let norm = &decoder.ln_final;
            let mut x = match (mode, norm.norm) {
                (LogitMode::Reference, _) => {
                    let at = (Site::FinalScale, Site::FinalNormalized);
                    match norm.apply(&r, &mut Hooks::default(), at) {
                        Ok(normalised) => normalised,
                        Err(Halt::Failed(error)) => return Err(error),
                        Err(Halt::Done) => r,
                    }
                }
                (LogitMode::Linear, Norm::Layer { .. }) => {
                    let mean = r.f_mean_dim([-1i64].as_slice(), true, None::<Kind>)?;
                    r.f_sub(&mean)?.f_mul(&float(&norm.weight)?)?
                }
                (LogitMode::Linear, Norm::Rms { .. }) => r.f_mul(&float(&norm.weight)?)?,
            };
            x = product::matmul(&x, &float(&decoder.unembed.weight)?.f_tr()?)?;
            if let Some(bias) = decoder
                .unembed
                .bias
                .as_ref()
                .filter(|_| mode == LogitMode::Reference)
            {
                x = x.f_add(&float(bias)?)?;
            }
            let mean = x.f_mean_dim([-1i64].as_slice(), true, None::<Kind>)?;
            Ok(x.f_sub(&mean)?)
        })
    }
}
