//! Files read through memory maps, which other programs may cut short meanwhile.
//!
//! A page of a map whose file no longer reaches so far cannot be read: the system sends SIGBUS, which would end the
//! process. Here such a page reads as zeros instead, and the map remembers that it was cut, so that whoever copied from
//! it can refuse what they got.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use memmap2::{Advice, Mmap};

/// A file mapped for reading.
#[derive(Debug)]
pub struct Mapped {
    map: Mmap,
    place: &'static Place,
}

/// Where a map lies. Places are made for good and used again: the signal handler may look at them at any time.
#[derive(Debug)]
struct Place {
    /// The first byte's address; 0 while the place is free.
    start: AtomicUsize,
    length: AtomicUsize,
    was_cut: AtomicBool,
    next: AtomicPtr<Place>,
}

/// All places, the newest first.
static PLACES: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// Places that are free.
static FREE: Mutex<Vec<&'static Place>> = Mutex::new(Vec::new());

impl Mapped {
    /// Maps the whole of `file`.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn new(file: &File) -> io::Result<Self> {
        watch()?;
        // SAFETY: what is read may change when another process writes to the file, which every reader of files lives
        // with; if the file is cut short, the handler sees to it that the pages stay readable.
        let map = unsafe { Mmap::map(file) }?;
        let place = take_place();
        place.was_cut.store(false, Ordering::Relaxed);
        place.length.store(map.len(), Ordering::Relaxed);
        place.start.store(map.as_ptr() as usize, Ordering::Release);
        Ok(Self { map, place })
    }

    /// Returns whether the file was found too short while it was read. What was read then holds zeros that are not the
    /// file's.
    pub fn was_cut(&self) -> bool {
        self.place.was_cut.load(Ordering::Acquire)
    }

    /// Has the system bring the whole file into memory and map it, instead of page by page as it is read. Where the
    /// system cannot, nothing is lost but time.
    pub fn bring_in(&self) {
        #[cfg(target_os = "linux")]
        let _ = self.map.advise(Advice::PopulateRead);
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.place.start.store(0, Ordering::Release);
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.place);
    }
}

fn take_place() -> &'static Place {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(place) = free {
        return place;
    }
    let place: &'static Place = Box::leak(Box::new(Place {
        start: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        was_cut: AtomicBool::new(false),
        next: AtomicPtr::new(ptr::null_mut()),
    }));
    let mut first = PLACES.load(Ordering::Acquire);
    loop {
        place.next.store(first, Ordering::Relaxed);
        let ours = ptr::from_ref(place).cast_mut();
        match PLACES.compare_exchange_weak(first, ours, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return place,
            Err(other) => first = other,
        }
    }
}

/// What SIGBUS did before, once the handler is there.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once.
fn watch() -> io::Result<()> {
    static WATCHING: Mutex<bool> = Mutex::new(false);
    let mut watching = WATCHING.lock().unwrap_or_else(PoisonError::into_inner);
    if *watching {
        return Ok(());
    }
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
    // SAFETY: plain data, for which zeros are a valid value; the handler does nothing but what handlers may.
    let installed = unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, ptr::null(), &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        let _ = BEFORE.set(before);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut())
    };
    match installed {
        0 => {
            *watching = true;
            Ok(())
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts zeros where a map's file is gone; any other bus error goes its usual way.
extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system hands over a valid description of the signal, and for SIGBUS it has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if fill_with_zeros(address) {
        return;
    }
    // The faulting access is tried again after the return, and meets what was there before.
    let before = BEFORE.get().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `before` is what the system gave, or null, which changes nothing.
    unsafe {
        if before.is_null() {
            libc::signal(signal, libc::SIG_DFL);
        } else {
            libc::sigaction(signal, before, ptr::null_mut());
        }
    }
}

/// Is `address` in a map? Then from its page to the map's end there are zeros from now on.
fn fill_with_zeros(address: usize) -> bool {
    let page = rustix::param::page_size();
    let mut place = PLACES.load(Ordering::Acquire);
    // SAFETY: places are never freed.
    while let Some(known) = unsafe { place.as_ref() } {
        let start = known.start.load(Ordering::Acquire);
        let end = start + known.length.load(Ordering::Relaxed);
        if start != 0 && (start..end).contains(&address) {
            known.was_cut.store(true, Ordering::Release);
            let from = address / page * page;
            let length = end.div_ceil(page) * page - from;
            let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: the range lies inside a map of ours, which stays mapped until its owner unmaps all of it.
            let mapped = unsafe { libc::mmap(from as *mut _, length, libc::PROT_READ, flags, -1, 0) };
            return mapped != libc::MAP_FAILED;
        }
        place = known.next.load(Ordering::Acquire);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_short_reads_as_zeros_and_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), vec![7u8; 100_000]).expect("written");
        let map = Mapped::new(file.as_file()).expect("mapped");
        assert_eq!((map[0], map[99_999], map.was_cut()), (7, 7, false));
        file.as_file().set_len(1000).expect("cut");
        assert_eq!(map[99_999], 0);
        assert!(map.was_cut());
        drop(map);
        std::fs::write(file.path(), vec![8u8; 100_000]).expect("written");
        let again = Mapped::new(file.as_file()).expect("mapped");
        assert_eq!((again[99_999], again.was_cut()), (8, false));
    }
}
