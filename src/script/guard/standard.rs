//! The language's own library, guarded.
//!
//! Its module tells everything about its functions but does not hand them out. An engine that has called a function
//! remembers it, though, and lets others read what it remembers: so each is called once, on nothing to speak of.

use std::any::TypeId;

use rhai::packages::{Package, StandardPackage};
use rhai::plugin::RhaiFunc;
use rhai::{
    Array, Blob, Caches, Dynamic, Engine, EvalContext, FnPtr, FuncMetadata, ImmutableString, Map, Module,
    Scope,
};

use super::{functions_of, joining, register, waiting};
use crate::guard;

/// Returns the language's own library, with `sleep`, `+` and `+=` of this program.
pub fn standard_library() -> Module {
    let plain = StandardPackage::new().as_shared_module();
    let mut engine = Engine::new_raw();
    engine.register_global_module(plain.clone());
    let mut library = (*plain).clone();
    for metadata in functions_of(&plain) {
        if let Some(function) = find(&engine, &metadata) {
            register(&mut library, &metadata, function);
        }
    }
    joining::register(&mut library);
    waiting::register(&mut library);
    library
}

/// The function, unless it works on things that only the engine makes, such as its iterators.
fn find(engine: &Engine, metadata: &FuncMetadata) -> Option<RhaiFunc> {
    let samples: Option<Vec<Dynamic>> = metadata.param_types.iter().map(sample).collect();
    let mut samples = samples?;
    let mut arguments: Vec<&mut Dynamic> = samples.iter_mut().collect();
    let mut caches = Caches::new();
    // A function is remembered at its second call; this makes the first one count as such.
    let seen = &mut caches.fn_resolution_cache_mut().bloom_filter;
    for hash in 0..512 {
        seen.mark(hash);
    }
    let mut global = engine.new_global_runtime_state();
    let mut scope = Scope::new();
    let mut context = EvalContext::new(engine, &mut global, &mut caches, &mut scope, None);
    // What comes of it does not matter.
    let _ = guard::attempt(|| {
        context
            .call_native_fn_raw(&metadata.name, true, &mut arguments)
            .is_ok()
    });
    let remembered = &mut caches.fn_resolution_cache_mut().dict;
    remembered
        .drain()
        .find_map(|(_, entry)| entry)
        .map(|entry| entry.func)
}

/// What stands for any value: no function is made for it.
#[derive(Clone)]
struct Anything;

/// A value of the type, the smallest there is.
fn sample(kind: &TypeId) -> Option<Dynamic> {
    let samples = [
        Dynamic::from(Anything),
        Dynamic::UNIT,
        Dynamic::FALSE,
        Dynamic::from('a'),
        Dynamic::from(0_i64),
        Dynamic::from(0.0_f64),
        Dynamic::from(ImmutableString::new()),
        Dynamic::from(Array::new()),
        Dynamic::from(Map::new()),
        Dynamic::from_blob(Blob::new()),
        Dynamic::from(FnPtr::new("anything").ok()?),
        Dynamic::from(rhai::Instant::now()),
        Dynamic::from(0_i64..0),
        Dynamic::from(0_i64..=0),
        Dynamic::from(0_i8),
        Dynamic::from(0_u8),
        Dynamic::from(0_i16),
        Dynamic::from(0_u16),
        Dynamic::from(0_i32),
        Dynamic::from(0_u32),
        Dynamic::from(0_u64),
        Dynamic::from(0_i128),
        Dynamic::from(0_u128),
        Dynamic::from(0_f32),
    ];
    if *kind == TypeId::of::<Dynamic>() {
        samples.into_iter().next()
    } else {
        samples.into_iter().find(|value| value.type_id() == *kind)
    }
}
