//! Filling the parameters: random draws, fixed norms, the encoder as the decoder's transpose.

use super::parameters::Role;
use super::scale::norm_floor;
use super::{Pass, SparseAutoEncoder};
use crate::error::Result;
use crate::tensor::{Kind, Tensor, no_grad_guard};

impl SparseAutoEncoder {
    /// Draws encoder and decoder uniformly in ±bound from libtorch's global generator (encoder, decoder, then the
    /// gate), and sets biases to 0 and thresholds to `log_threshold`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn draw(&mut self, encoder_bound: f64, decoder_bound: f64, log_threshold: f64) -> Result<()> {
        let _no_grad = no_grad_guard();
        self.cfg.variant.draw(self, encoder_bound, decoder_bound)?;
        for parameter in self.parameters() {
            let mut tensor = parameter.tensor.shallow_clone();
            match parameter.role {
                Role::Weight => {}
                Role::Bias => drop(tensor.f_zero_()?),
                Role::Threshold => drop(tensor.f_fill_(log_threshold)?),
            }
        }
        Ok(())
    }

    /// Draws a parameter uniformly in ±bound, number by number in the order of its shape, however it lies in memory.
    pub(super) fn draw_uniform(&self, name: &str, bound: f64) -> Result<()> {
        self.draw_parameter(name, |mut drawn| Ok(drawn.f_uniform_(-bound, bound)?))
    }

    fn draw_parameter(&self, name: &str, draw: impl FnOnce(Tensor) -> Result<Tensor>) -> Result<()> {
        let mut parameter = self.writable(name)?;
        let options = (parameter.f_kind()?, self.device());
        let drawn = draw(Tensor::f_zeros(parameter.size().as_slice(), options)?)?;
        parameter.f_copy_(&drawn)?;
        Ok(())
    }

    /// Draws directions evenly over the sphere: decoder rows of norm 1 with the encoder as their transpose (Bricken et
    /// al. 2023), a gate's columns of norm 1 too, biases 0, log-thresholds `log_threshold`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn draw_tied_unit_rows(&mut self, log_threshold: f64) -> Result<()> {
        self.draw(1.0, 1.0, log_threshold)?;
        let _no_grad = no_grad_guard();
        let normal = |mut drawn: Tensor| -> Result<Tensor> { Ok(drawn.f_normal_(0.0, 1.0)?) };
        self.draw_parameter("W_D", normal)?;
        self.set_decoder_norm(1.0)?;
        self.set_encoder_to_decoder_transpose(1.0)?;
        if let Ok(mut gate) = self.writable("W_E_glu") {
            self.draw_parameter("W_E_glu", normal)?;
            let norms = gate.f_norm_scalaropt_dim(2.0, [0i64].as_slice(), true)?;
            let _ = gate.f_mul_(&reciprocal(&norms)?)?;
        }
        Ok(())
    }

    /// Sets `W_E = factor · W_Dᵀ`, for every head.
    ///
    /// # Errors
    /// Too little memory.
    pub fn set_encoder_to_decoder_transpose(&mut self, factor: f64) -> Result<()> {
        let _no_grad = no_grad_guard();
        let transpose = self.parameter("W_D")?.f_transpose(-2, -1)?.f_mul_scalar(factor)?;
        self.writable("W_E")?.f_copy_(&transpose)?;
        Ok(())
    }

    /// Scales every decoder row to the norm `norm`; rows that are 0 have no direction and stay 0.
    ///
    /// # Errors
    /// Too little memory.
    pub fn set_decoder_norm(&mut self, norm: f64) -> Result<()> {
        let _no_grad = no_grad_guard();
        let scale = reciprocal(&self.decoder_norm()?)?.f_mul_scalar(norm)?;
        let _ = self.writable("W_D")?.f_mul_(&scale.f_unsqueeze(-1)?)?;
        Ok(())
    }

    /// Scales every encoder column to the norm `norm`; columns that are 0 stay 0.
    ///
    /// # Errors
    /// Too little memory.
    pub fn set_encoder_norm(&mut self, norm: f64) -> Result<()> {
        let _no_grad = no_grad_guard();
        let scale = reciprocal(&self.encoder_norm()?)?.f_mul_scalar(norm)?;
        let _ = self.writable("W_E")?.f_mul_(&scale.f_unsqueeze(-2)?)?;
        Ok(())
    }

    /// Sets `b_E −= mean(h)` over the tokens of normalised `x (…, d_model)`, which all count, so that pre-activations
    /// average 0.
    ///
    /// # Errors
    /// `x` has another shape.
    pub fn centre_hidden_pre(&mut self, x: &Tensor) -> Result<()> {
        let _no_grad = no_grad_guard();
        let x = x.f_to_device(self.device())?.f_to_kind(self.kind())?;
        let hidden_pre = self.cfg.variant.hidden_pre(self, &x, &Pass::default())?;
        let mean = hidden_pre.f_reshape([-1, self.cfg.d_sae()])?.f_mean_dim(
            [0i64].as_slice(),
            false,
            self.kind(),
        )?;
        self.cfg.variant.centre(self, &mean)
    }

    /// Returns the mean norms of encoder columns, decoder rows and decoder bias, and the mean threshold, under the
    /// names of the training metrics; 0-d tensors on the device.
    ///
    /// # Errors
    /// Too little memory.
    pub fn weight_statistics(&self) -> Result<Vec<(&'static str, Tensor)>> {
        let _no_grad = no_grad_guard();
        let mean = |x: Tensor| x.f_mean(None::<Kind>);
        let mut statistics = vec![
            ("metrics/encoder_norm", mean(self.encoder_norm()?)?),
            ("metrics/decoder_norm", mean(self.decoder_norm()?)?),
        ];
        if let Ok(norms) = self.decoder_bias_norm() {
            statistics.push(("metrics/decoder_bias_norm", mean(norms)?));
        }
        statistics.extend(self.cfg.act_fn.statistics(&self.parameters, self.kind())?);
        Ok(statistics)
    }

    /// Returns what the field looks at one latent at a time, by name, each `(d_sae)`: decoder norms, encoder biases and
    /// thresholds, where there are any.
    ///
    /// # Errors
    /// Too little memory.
    pub fn weight_distributions(&self) -> Result<Vec<(&'static str, Tensor)>> {
        let _no_grad = no_grad_guard();
        let mut distributions = vec![
            ("metrics/decoder_norms", self.decoder_norm()?),
            ("metrics/encoder_biases", self.cfg.variant.encoder_bias(self)?),
        ];
        distributions.extend(self.cfg.act_fn.distributions(&self.parameters, self.kind())?);
        Ok(distributions)
    }
}

/// Returns `1/n` of norms, finite also for 0.
fn reciprocal(norms: &Tensor) -> Result<Tensor> {
    Ok(norms.f_clamp_min(norm_floor(norms.f_kind()?))?.f_reciprocal()?)
}
