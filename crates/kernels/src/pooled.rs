//! Values in memory of the pool: to make one asks the system for nothing once others like it are gone.

use crate::memory::Class;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, addr_eq};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// A value that several hold, as in an [`Arc`](std::sync::Arc) without weak references.
///
/// ```
/// use gradus_kernels::memory::Pooled;
///
/// let mut first = Pooled::new(5);
/// let second = first.clone();
/// assert_eq!(*second, 5);
/// assert!(Pooled::get_mut(&mut first).is_none());
/// drop(second);
/// assert_eq!(Pooled::into_inner(first), Some(5));
/// ```
pub struct Pooled<T> {
    held: NonNull<Held<T>>,
    owns: PhantomData<Held<T>>,
}

struct Held<T> {
    holders: AtomicUsize,
    value: T,
}

// SAFETY: as for an Arc, whoever holds the value may read it, and the last one drops it.
unsafe impl<T: Send + Sync> Send for Pooled<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Pooled<T> {}

impl<T> Pooled<T> {
    /// The size of the memory, which starts at a multiple of [`ALIGN`](crate::memory::ALIGN).
    const CLASS: Class = {
        assert!(align_of::<Held<T>>() <= crate::memory::ALIGN);
        Class::of(size_of::<Held<T>>()).expect("a value is not absurdly large")
    };

    /// A value with one holder.
    ///
    /// # Panics
    /// If the system has no more memory.
    #[inline]
    pub fn new(value: T) -> Self {
        Self::made(|| value)
    }

    /// What a function makes. A large value is then made where it stays.
    ///
    /// # Panics
    /// As [`Pooled::new`].
    #[inline]
    pub fn made(make: impl FnOnce() -> T) -> Self {
        let memory = Self::CLASS.take().expect("the system has memory for one more value");
        let held = memory.cast::<Held<T>>();
        // SAFETY: the memory is large enough and aligned, and nobody else's.
        unsafe { held.write(Held { holders: AtomicUsize::new(1), value: make() }) };
        Self { held, owns: PhantomData }
    }

    fn held(&self) -> &Held<T> {
        // SAFETY: the memory stays as long as there is a holder, and this is one.
        unsafe { self.held.as_ref() }
    }

    /// How many hold the value now; others may change that at any time.
    pub fn holders(this: &Self) -> usize {
        this.held().holders.load(Ordering::Acquire)
    }

    /// True if both hold the same value, not an equal one.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.held == other.held
    }

    /// The value, to be changed, if nobody else holds it.
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        match Self::holders(this) {
            // SAFETY: the only holder is borrowed mutably, so nobody can look or become another.
            1 => Some(unsafe { &mut this.held.as_mut().value }),
            _ => None,
        }
    }

    /// The value, if nobody else holds it.
    pub fn into_inner(this: Self) -> Option<T> {
        let held = std::mem::ManuallyDrop::new(this).held;
        // SAFETY: this holder leaves; if it is the last, the value is moved out and the memory, which
        // is of the class, not used any more.
        unsafe {
            leave(held).then(|| {
                let Held { value, .. } = held.read();
                Self::CLASS.give_back(held.cast());
                value
            })
        }
    }
}

/// Takes a holder off; true if it was the last.
///
/// # Safety
/// The caller must be a holder and not look at the value afterwards, unless it was the last one.
unsafe fn leave<T>(held: NonNull<Held<T>>) -> bool {
    // SAFETY: the caller is a holder.
    let holders = unsafe { &held.as_ref().holders };
    // Of one holder there cannot become more, and to look is cheaper than to write.
    if holders.load(Ordering::Acquire) == 1 {
        return true;
    }
    let last = holders.fetch_sub(1, Ordering::Release) == 1;
    if last {
        // What the others did to the value comes before what happens to it now.
        fence(Ordering::Acquire);
    }
    last
}

impl<T> Clone for Pooled<T> {
    #[inline]
    fn clone(&self) -> Self {
        let before = self.held().holders.fetch_add(1, Ordering::Relaxed);
        // Only holders that are forgotten can be so many.
        assert!(before < usize::MAX / 2);
        Self { held: self.held, owns: PhantomData }
    }
}

impl<T> Drop for Pooled<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this holder leaves; the last one drops the value, and gives back its memory, which
        // is of the class.
        unsafe {
            if leave(self.held) {
                self.held.drop_in_place();
                Self::CLASS.give_back(self.held.cast());
            }
        }
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.held().value
    }
}

impl<T: fmt::Debug> fmt::Debug for Pooled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value of any type that can be seen as a `T`, as in a [`Box`]: of some type with a trait, say.
///
/// ```
/// use gradus_kernels::memory::PooledBox;
/// use std::fmt::Display;
///
/// let number = PooledBox::<dyn Display>::new(5, |number| number);
/// assert_eq!(number.to_string(), "5");
/// ```
pub struct PooledBox<T: ?Sized> {
    value: NonNull<T>,
    /// The memory in which the value lies, unless it takes none.
    memory: Option<(Class, NonNull<u8>)>,
    owns: PhantomData<T>,
}

// SAFETY: the box owns its value.
unsafe impl<T: ?Sized + Send> Send for PooledBox<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for PooledBox<T> {}

impl<T: ?Sized> PooledBox<T> {
    /// A value, and how to see it.
    ///
    /// # Panics
    /// If the system has no more memory, or what is seen is only a part of the value.
    pub fn new<V>(value: V, see: impl FnOnce(&mut V) -> &mut T) -> Self {
        const { assert!(align_of::<V>() <= crate::memory::ALIGN) };
        let memory = take(const { class(size_of::<V>()) });
        let place = memory.map_or(NonNull::dangling(), |(_, start)| start.cast::<V>());
        // SAFETY: the memory is large enough and aligned, and nobody else's.
        let seen = unsafe {
            place.write(value);
            see(&mut *place.as_ptr())
        };
        assert!(addr_eq(place.as_ptr(), seen) && size_of_val(seen) == size_of::<V>());
        Self { value: seen.into(), memory, owns: PhantomData }
    }
}

impl<T: Copy> PooledBox<[T]> {
    /// A copy of some values.
    ///
    /// # Panics
    /// If the system has no more memory.
    pub fn copied(values: &[T]) -> Self {
        const { assert!(align_of::<T>() <= crate::memory::ALIGN) };
        let memory = take(class(size_of_val(values)));
        let place = memory.map_or(NonNull::dangling(), |(_, start)| start.cast::<T>());
        // SAFETY: the memory is large enough and aligned, and nobody else's.
        unsafe { place.as_ptr().copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        let value = NonNull::slice_from_raw_parts(place, values.len());
        Self { value, memory, owns: PhantomData }
    }
}

/// The class of values that take so many bytes; none for nothing.
const fn class(size: usize) -> Option<Class> {
    match size {
        0 => None,
        _ => Some(Class::of(size).expect("a value is not absurdly large")),
    }
}

/// Memory of a class, and which that is.
fn take(class: Option<Class>) -> Option<(Class, NonNull<u8>)> {
    class.map(|class| (class, class.take().expect("the system has memory for one more value")))
}

impl<T: ?Sized> Drop for PooledBox<T> {
    fn drop(&mut self) {
        // SAFETY: the box owns the value, which is dropped here only, and then its memory, which is
        // of the class.
        unsafe {
            self.value.drop_in_place();
            if let Some((class, start)) = self.memory {
                class.give_back(start);
            }
        }
    }
}

impl<T: ?Sized> Deref for PooledBox<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value is there as long as the box.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for PooledBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the box is borrowed mutably.
        unsafe { self.value.as_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Counts how often it is dropped.
    struct Counts<'a>(&'a Mutex<usize>);

    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn the_last_holder_drops_the_value_once() {
        let drops = Mutex::new(0);
        let first = Pooled::new((Counts(&drops), [7u8; 100]));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let holder = first.clone();
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        assert_eq!(holder.clone().1, [7; 100]);
                    }
                });
            }
        });
        assert_eq!((Pooled::holders(&first), *drops.lock().unwrap()), (1, 0));
        let second = first.clone();
        assert!(Pooled::ptr_eq(&first, &second));
        assert!(Pooled::into_inner(first).is_none());
        assert_eq!(*drops.lock().unwrap(), 0);
        let inner = Pooled::into_inner(second);
        assert_eq!((inner.is_some(), *drops.lock().unwrap()), (true, 0));
        drop(inner);
        assert_eq!(*drops.lock().unwrap(), 1);
        drop(Pooled::new(Counts(&drops)));
        assert_eq!(*drops.lock().unwrap(), 2);
    }

    #[test]
    fn a_value_takes_the_place_of_one_that_is_gone() {
        let first = Pooled::new([1u64; 31]);
        let place = std::ptr::from_ref(&*first);
        drop(first);
        assert_eq!(std::ptr::from_ref(&*Pooled::made(|| [2u64; 31])), place);
    }

    #[test]
    fn a_box_drops_what_is_in_it() {
        trait Number {
            fn number(&mut self) -> usize;
        }
        impl Number for Counts<'_> {
            fn number(&mut self) -> usize {
                *self.0.lock().unwrap()
            }
        }
        impl Number for () {
            fn number(&mut self) -> usize {
                5
            }
        }
        let drops = Mutex::new(0);
        let mut boxed = PooledBox::<dyn Number>::new(Counts(&drops), |counts| counts);
        assert_eq!(boxed.number(), 0);
        drop(boxed);
        assert_eq!(*drops.lock().unwrap(), 1);
        assert_eq!(PooledBox::copied(&[1, 2, 3])[..], [1, 2, 3]);
        assert_eq!(PooledBox::<[u8]>::copied(&[]).len(), 0);
        let mut nothing = PooledBox::<dyn Number>::new((), |nothing| nothing);
        assert_eq!(nothing.number(), 5);
    }
}
