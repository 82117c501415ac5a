//! What an observer heard while something worked.

use std::sync::{Arc, Mutex};

use saescript::error::Result;
use saescript::event::{Control, Event, Observer, RunContext};

/// The warnings of what works with `context`, as they come.
pub fn warnings(context: &RunContext) -> Arc<Mutex<Vec<String>>> {
    struct Listener(Arc<Mutex<Vec<String>>>);
    impl Observer for Listener {
        fn on(&mut self, event: &Event) -> Result<Control> {
            if let Event::Warning(text) = event {
                self.0.lock().expect("a lock").push(text.clone());
            }
            Ok(Control::Continue)
        }
    }
    let heard = Arc::default();
    context.events.add(Box::new(Listener(Arc::clone(&heard))));
    heard
}
