//! A made-up store, until the times of the viewer are measured here.
//!
//!     scripts/make-store FILE [--latents 65536]

mod support;

#[path = "../tests/suite/viewer/made_store.rs"]
mod made_store;
#[path = "../tests/suite/viewer/made_texts.rs"]
mod made_texts;

use std::path::Path;

use saescript::Result;

use made_store::Size;
use support::Options;

fn main() -> Result<()> {
    let options = Options::read(&[("make", ""), ("latents", "65536")])?;
    let latents = options.number("latents")? as u32;
    let size = if latents == Size::LARGE.latents {
        Size::LARGE
    } else {
        Size {
            latents,
            ..Size::SMALL
        }
    };
    made_store::make(Path::new(options.text("make")), size)?;
    Ok(())
}
