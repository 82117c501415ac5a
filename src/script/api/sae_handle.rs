//! The handle by which scripts hold a dictionary, and who may change it while it is trained.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::script::closure::KeptClosure;

/// A dictionary that scripts hold; copies of the handle mean the same one.
#[derive(Clone)]
pub struct SparseAutoEncoderHandle(Rc<Held>);

struct Held {
    dictionary: RefCell<SparseAutoEncoder>,
    /// A training works on the parameters: whoever changed norms or scale beside it would be at odds with them.
    in_training: Cell<bool>,
    /// The activation function of `act_fn` "custom".
    activation: RefCell<Option<KeptClosure>>,
}

/// Keeps a dictionary from being changed by others than the training that works on it.
pub struct Hold(SparseAutoEncoderHandle);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.in_training.set(false);
    }
}

impl SparseAutoEncoderHandle {
    /// Returns a handle on `sae`.
    pub fn new(sae: SparseAutoEncoder) -> Self {
        SparseAutoEncoderHandle(Rc::new(Held {
            dictionary: RefCell::new(sae),
            in_training: Cell::new(false),
            activation: RefCell::default(),
        }))
    }

    /// Returns the activation function that the script gave.
    pub fn activation(&self) -> Option<KeptClosure> {
        self.0.activation.borrow().clone()
    }

    /// Has the dictionary use the script's own activation function.
    pub fn keep_activation(&self, closure: KeptClosure) {
        self.0.activation.replace(Some(closure));
    }

    /// Returns whether both mean the same dictionary.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the dictionary, to read.
    ///
    /// # Errors
    /// The running call is changing it.
    pub fn get(&self) -> Result<Ref<'_, SparseAutoEncoder>> {
        self.0.dictionary.try_borrow().map_err(|_| busy())
    }

    /// Returns the dictionary, to change.
    ///
    /// # Errors
    /// The running call uses it, or trains it.
    pub fn get_mut(&self) -> Result<RefMut<'_, SparseAutoEncoder>> {
        if self.0.in_training.get() {
            Err(busy())
        } else {
            self.0.dictionary.try_borrow_mut().map_err(|_| busy())
        }
    }

    /// Lets nobody change the dictionary while a training works on its parameters.
    ///
    /// # Errors
    /// Another training does.
    pub fn hold(&self) -> Result<Hold> {
        if self.0.in_training.replace(true) {
            Err(busy())
        } else {
            Ok(Hold(self.clone()))
        }
    }

    /// Shows a held dictionary as its training has it now.
    ///
    /// # Errors
    /// The running call uses it.
    pub fn show(&self, trained: SparseAutoEncoder) -> Result<()> {
        *self.0.dictionary.try_borrow_mut().map_err(|_| busy())? = trained;
        Ok(())
    }
}

fn busy() -> Error {
    Error::input("the dictionary is in use by the call that is running")
        .hint("a callback may look at the dictionary that is trained, but not change or train it")
}
