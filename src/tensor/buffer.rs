//! Room for tensors that is kept from one use to the next.

use super::{Device, Kind, Tensor};
use crate::error::Result;
use crate::native::pool::beside;

/// What is asked for is more than ever before at times: where there is room already, it grows by this part of itself at least, so that
/// it seldom does.
const GROWTH: i64 = 8;

/// A tensor that serves one use after the other: who takes it again writes over what it was.
#[derive(Debug, Default)]
pub struct Buffer(Option<Tensor>);

impl Buffer {
    /// Returns a tensor of this size with numbers that mean nothing; it lies where the largest one so far did, if that had this
    /// dtype and device and is large enough.
    ///
    /// # Errors
    /// Too little memory.
    pub fn take_sized(&mut self, size: &[i64], options: (Kind, Device)) -> Result<Tensor> {
        let count = size.iter().product();
        let there = match self.0.take().filter(|there| is_of(there, options)) {
            Some(there) if there.numel() as i64 >= count => there,
            smaller => {
                let least = smaller.map_or(0, |there| there.numel() as i64);
                // Before there is more, what was there goes.
                let most = count.max(least + least / GROWTH);
                beside(|| Tensor::f_empty([most], options))?
            }
        };
        let taken = there.f_narrow(0, 0, count)?.f_view(size)?;
        self.0 = Some(there);
        Ok(taken)
    }

    /// Returns a tensor that is as `like` is, with the numbers that were written there last, if that was so too.
    ///
    /// # Errors
    /// Too little memory.
    pub fn take(&mut self, like: &Tensor) -> Result<Tensor> {
        let options = (like.f_kind()?, like.device());
        let is_alike = |there: &Tensor| {
            there.size() == like.size() && there.stride() == like.stride() && is_of(there, options)
        };
        match &self.0 {
            Some(there) if is_alike(there) => Ok(there.shallow_clone()),
            _ => {
                let fresh = beside(|| like.f_empty_like())?;
                self.0 = Some(fresh.shallow_clone());
                Ok(fresh)
            }
        }
    }
}

fn is_of(tensor: &Tensor, options: (Kind, Device)) -> bool {
    (tensor.kind(), tensor.device()) == options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::pool::Pool;

    #[test]
    fn room_is_used_again_for_what_fits_and_for_nothing_else() {
        let mut buffer = Buffer::default();
        let plain = (Kind::Float, Device::Cpu);
        let first = buffer.take_sized(&[4, 3], plain).expect("room");
        let smaller = buffer.take_sized(&[2, 5], plain).expect("room");
        assert_eq!(smaller.size(), [2, 5]);
        assert_eq!(smaller.data_ptr(), first.data_ptr());
        let more = buffer.take_sized(&[32], plain).expect("room");
        let grown = buffer.take_sized(&[33], plain).expect("room");
        let again = buffer.take_sized(&[36, 1], plain).expect("room");
        assert_ne!(grown.data_ptr(), more.data_ptr());
        assert_eq!(grown.data_ptr(), again.data_ptr());
        let other = buffer
            .take_sized(&[2, 5], (Kind::Double, Device::Cpu))
            .expect("room");
        assert_eq!(other.kind(), Kind::Double);
        let like = Tensor::zeros([2, 3], plain).tr();
        let taken = buffer.take(&like).expect("room");
        assert_eq!((taken.size(), taken.stride()), (like.size(), like.stride()));
        assert_eq!(buffer.take(&like).expect("room").data_ptr(), taken.data_ptr());
        let turned = buffer.take(&like.contiguous()).expect("room");
        assert_eq!(turned.stride(), [2, 1]);
    }

    fn numbers(count: i64) -> Tensor {
        Tensor::ones([count], (Kind::Double, Device::Cpu))
    }

    fn sum(tensor: &Tensor) -> f64 {
        f64::try_from(tensor.sum(Kind::Double)).expect("a number")
    }

    fn place(tensor: &Tensor) -> usize {
        tensor.data_ptr().addr()
    }

    #[test]
    fn rounds_work_where_the_one_before_did() {
        let pool = Pool::default();
        // Two that live together and one after them, and what lies in between is taken by others.
        let round = || {
            let (first, second) = (numbers(4000), numbers(4000));
            let places = [place(&first), place(&second)];
            drop(second);
            let third = numbers(4000);
            (places, place(&third), first)
        };
        let (places, again, kept) = pool.round(round);
        assert_eq!(again, places[1]);
        let others: Vec<_> = (0..4).map(|_| numbers(4000)).collect();
        assert!(others.iter().all(|other| place(other) != again), "it is kept");
        drop(kept);
        let (mut second, ..) = pool.round(round);
        second.sort();
        let mut first = places;
        first.sort();
        assert_eq!(first, second);
    }

    #[test]
    fn what_a_round_does_not_need_goes_back() {
        let pool = Pool::default();
        let bytes = |count: usize| count * size_of::<f64>();
        pool.round(|| drop((numbers(4096), numbers(8192))));
        assert_eq!(pool.kept(), bytes(4096 + 8192));
        pool.round(|| drop(numbers(4096)));
        assert_eq!(pool.kept(), bytes(4096 + 8192), "the round before needed it");
        pool.round(|| {
            drop(numbers(4096));
            assert_eq!(pool.kept(), bytes(4096));
        });
        pool.round(|| {
            drop(numbers(1024));
            assert_eq!(
                pool.kept(),
                bytes(1024),
                "what is not there is made where others go"
            );
        });
        crate::native::pool::free_kept();
        assert_eq!(pool.kept(), 0);
        // A little more or less finds a block again, and little ones are not kept.
        pool.round(|| drop((numbers(4000), numbers(100))));
        assert_eq!(pool.kept(), bytes(4096));
    }

    #[test]
    fn tensors_outlive_their_pool() {
        let pool = Pool::default();
        let (pooled, own) = pool.round(|| (numbers(1000), beside(|| numbers(2000))));
        drop(pool);
        let others: Vec<_> = (0..8).map(|_| numbers(1000).fill_(2.0)).collect();
        assert_eq!(sum(&pooled), 1000.0);
        assert_eq!(others.len(), 8);
        let elsewhere = std::thread::spawn(move || sum(&pooled));
        assert_eq!(elsewhere.join().expect("a sum"), 1000.0);
        assert_eq!(sum(&own), 2000.0);
        let nothing = Tensor::zeros([0], (Kind::Float, Device::Cpu));
        assert_eq!(nothing.numel(), 0);
    }
}
