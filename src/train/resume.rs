//! How a run begins or goes on: from nothing, from the checkpoint that its configuration names, or where the last call
//! ended. What decides its numbers is compared first.

use std::path::PathBuf;

use super::checkpoint::read_state;
use super::options::FitOptions;
use super::provenance::{BEGAN_WITH, compare_with_checkpoint};
use super::run::Run;
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::fingerprint::{Comparison, Fingerprint, Names};

impl Run {
    /// Loads the checkpoint that the configuration names, unless the training has begun already. What a checkpoint was
    /// made with is compared first with this run, whose batches are `stream`. Returns the comparison, if there was one.
    ///
    /// # Errors
    /// All steps are done; differences that are not allowed; a checkpoint that is missing, broken, or of another
    /// dictionary.
    pub(super) fn resume(
        &mut self,
        sae: &mut SparseAutoEncoder,
        stream: &Fingerprint,
        options: &FitOptions<'_>,
    ) -> Result<Option<Comparison>> {
        if self.trainer.is_finished() {
            return Err(Error::input("this trainer has done all its steps")
                .hint("make a new Trainer for another training"));
        }
        self.note_what_decides(stream, options);
        if !options.allow_change.is_empty() {
            self.allow_change(options.allow_change.clone());
        }
        let named = self.trainer.cfg.from_pretrained_path.clone().map(PathBuf::from);
        let named = named.filter(|_| !self.trainer.has_begun());
        let path = named.clone().or_else(|| self.resume_from.clone());
        if let Some(path) = path.as_deref().filter(|_| options.began_with.is_empty()) {
            let was = Fingerprint::read(path)?.unwrap_or_default();
            // How it began is past, and this run does not say it itself.
            self.decided_by.merge(was.part(&BEGAN_WITH));
        }
        let is = self.fingerprint(&sae.cfg)?;
        let Some(path) = path else {
            let nothing = Fingerprint::default();
            self.allowed.check_names(&is, &nothing, &Names::default())?;
            return Ok(None);
        };
        // What is no checkpoint at all is told before what it differs in.
        read_state(&path)?;
        let comparison = compare_with_checkpoint(&path, &is, &self.allowed)?;
        if named.is_some() {
            self.continue_from(sae, &path)?;
        }
        Ok(Some(comparison))
    }

    /// Notes what decides the numbers besides dictionary and trainer; how the run began stays known.
    fn note_what_decides(&mut self, stream: &Fingerprint, options: &FitOptions<'_>) {
        let began_with = self.decided_by.part(&BEGAN_WITH);
        self.decided_by = stream.clone();
        self.decided_by.merge(began_with);
        self.decided_by.merge(options.began_with.clone());
        for (name, given) in [
            ("activation", options.custom.activation.is_some()),
            ("penalty", options.custom.penalty.is_some()),
            ("loss", options.custom.loss.is_some()),
        ] {
            if given {
                self.decided_by
                    .set_unverified(format!("fit.{name}"), "a function of the script's own");
            }
        }
    }
}
