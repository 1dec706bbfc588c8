//! The border to C: the only place where pointers are followed.
//!
//! [`Caller`] stands for one call from C. It exists only inside [`entry`] and [`answer`], which only exported functions use,
//! and its methods rely on what the header asks of callers: a pointer that is not NULL points to what its type says, for as
//! long as the call takes, and what is written to or destroyed is nobody else's meanwhile. References it gives out live no
//! longer than the call.
use crate::error::fmq_error;
use ferromq_bridge::{Class, Failure};
use std::any::Any;
use std::ffi::{c_char, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// One call from C.
pub struct Caller(());

/// Runs a function that can fail.
pub fn entry(body: impl FnOnce(&Caller) -> Result<(), Failure>) -> *mut fmq_error {
    let result = catch_unwind(AssertUnwindSafe(|| body(&Caller(())))).unwrap_or_else(|panic| Err(internal(&*panic)));
    match result {
        Ok(()) => std::ptr::null_mut(),
        Err(failure) => give(fmq_error::new(failure)),
    }
}

/// Runs a function that cannot fail; should it panic all the same, the answer is `otherwise`.
pub fn answer<T>(otherwise: T, body: impl FnOnce(&Caller) -> T) -> T {
    catch_unwind(AssertUnwindSafe(|| body(&Caller(())))).unwrap_or(otherwise)
}

fn internal(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
    Failure::new(Class::Internal, format!("a mistake in ferromq, please report it: {text}"))
}

/// Hands an object to C.
pub fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

fn null(what: &str) -> Failure {
    Failure::new(Class::Validation, format!("{what} is NULL"))
}

/// Where a result goes; not NULL.
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the result.
    pub fn set(self, value: T) {
        // SAFETY: made by `Caller::out` from a pointer that the caller gave for this.
        unsafe { self.0.write(value) };
    }
}

impl Caller {
    /// What a pointer that may be NULL points to.
    pub fn maybe<T>(&self, pointer: *const T) -> Option<&T> {
        // SAFETY: the contract of the header, see the module.
        unsafe { pointer.as_ref() }
    }

    /// What a pointer points to.
    pub fn shared<T>(&self, pointer: *const T, what: &str) -> Result<&T, Failure> {
        self.maybe(pointer).ok_or_else(|| null(what))
    }

    /// An object that is changed.
    #[allow(clippy::mut_from_ref, reason = "the pointer is where it comes from, and the header asks for one thread")]
    pub fn unique<T>(&self, pointer: *mut T, what: &str) -> Result<&mut T, Failure> {
        // SAFETY: the contract of the header, see the module.
        unsafe { pointer.as_mut() }.ok_or_else(|| null(what))
    }

    /// Text that may be NULL.
    pub fn maybe_text(&self, pointer: *const c_char, what: &str) -> Result<Option<&str>, Failure> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: the contract of the header: text ends with a zero byte.
        let text = unsafe { CStr::from_ptr(pointer) };
        let text = text.to_str().map_err(|_| Failure::new(Class::Validation, format!("{what} is not UTF-8")))?;
        Ok(Some(text))
    }

    /// Text.
    pub fn text(&self, pointer: *const c_char, what: &str) -> Result<&str, Failure> {
        self.maybe_text(pointer, what)?.ok_or_else(|| null(what))
    }

    /// `count` values that lie side by side; none may be NULL.
    pub fn slice<T>(&self, pointer: *const T, count: usize, what: &str) -> Result<&[T], Failure> {
        check_count::<T>(pointer, count, what)?;
        if count == 0 {
            return Ok(&[]);
        }
        // SAFETY: the contract of the header; NULL and impossible counts were refused.
        Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
    }

    /// Room for `count` values, all of which are set to `empty` first.
    #[allow(clippy::mut_from_ref, reason = "the pointer is where it comes from, and the header gives it to the call")]
    pub fn room<T: Copy>(&self, pointer: *mut T, count: usize, empty: T, what: &str) -> Result<&mut [T], Failure> {
        check_count::<T>(pointer, count, what)?;
        if count == 0 {
            return Ok(&mut []);
        }
        for at in 0..count {
            // SAFETY: the contract of the header: there is room for `count`.
            unsafe { pointer.add(at).write(empty) };
        }
        // SAFETY: the same, and all of it is written now.
        Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
    }

    /// The given values, to be changed in place.
    #[allow(clippy::mut_from_ref, reason = "the pointer is where it comes from, and the header gives it to the call")]
    pub fn slice_mut<T>(&self, pointer: *mut T, count: usize, what: &str) -> Result<&mut [T], Failure> {
        check_count::<T>(pointer, count, what)?;
        if count == 0 {
            return Ok(&mut []);
        }
        // SAFETY: the contract of the header; NULL and impossible counts were refused.
        Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
    }

    /// Where a result goes.
    pub fn out<T>(&self, pointer: *mut T, what: &str) -> Result<Out<T>, Failure> {
        self.maybe_out(pointer).ok_or_else(|| null(what))
    }

    /// Where a result goes that the caller may not want.
    pub fn maybe_out<T>(&self, pointer: *mut T) -> Option<Out<T>> {
        (!pointer.is_null()).then_some(Out(pointer))
    }

    /// Takes an object back from C; nothing for NULL.
    pub fn take_back<T>(&self, pointer: *mut T) -> Option<Box<T>> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: the contract of the header: it came from `give` and is given back once.
        Some(unsafe { Box::from_raw(pointer) })
    }
}

fn check_count<T>(pointer: *const T, count: usize, what: &str) -> Result<(), Failure> {
    if count > 0 && pointer.is_null() {
        return Err(null(what));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::new(Class::Validation, format!("{count} is no possible length of {what}")));
    }
    Ok(())
}
