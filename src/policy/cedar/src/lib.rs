//! Cedar behind a small C ABI: `cedar.h` is its contract. Nothing unwinds across it: a panic becomes
//! an answer, and the answer is a refusal.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod compile;
mod decide;
mod facts;
mod limits;
mod reads;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use compile::{Compiled, File, Problem};
use decide::Answer;

/// A panic's message may quote input: it is not printed. The caller sees kPanicked.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// Bytes lent to the caller until `stint_cedar_free_bytes`.
#[repr(C)]
pub struct Bytes {
    data: *mut u8,
    size: usize,
}

impl Bytes {
    fn of(bytes: Vec<u8>) -> Bytes {
        let lent = Box::leak(bytes.into_boxed_slice());
        Bytes { data: lent.as_mut_ptr(), size: lent.len() }
    }
}

/// SAFETY: `data` points to `size` readable bytes, or `size` is 0.
unsafe fn slice<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(data, size) }
}

fn files(bytes: &[u8]) -> Option<Vec<File<'_>>> {
    let mut r = wire::Reader::new(bytes);
    let n = r.u32()?;
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(File { text: r.text()? });
    }
    r.at_end().then_some(all)
}

fn refuse(message: &str) -> Vec<Problem> {
    vec![Problem { file: 0, offset: None, message: message.into() }]
}

/// # Safety
/// As `cedar.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stint_cedar_compile(
    data: *const u8,
    size: usize,
    out: *mut Bytes,
) -> *mut Compiled {
    quiet();
    let bytes = unsafe { slice(data, size) };
    let compiled = catch_unwind(|| match files(bytes) {
        Some(files) => {
            decide::warm();
            compile::compile(&files)
        }
        None => Err(refuse("the files are not UTF-8 text")),
    })
    .unwrap_or_else(|_| Err(refuse("the policy compiler failed on this input")));
    match compiled {
        Ok(compiled) => {
            unsafe { *out = Bytes::of(compile::write_infos(&compiled.infos)) };
            Box::into_raw(Box::new(compiled))
        }
        Err(problems) => {
            unsafe { *out = Bytes::of(compile::write_problems(&problems)) };
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// As `cedar.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stint_cedar_free(compiled: *mut Compiled) {
    if !compiled.is_null() {
        let owned = unsafe { Box::from_raw(compiled) };
        let _ = catch_unwind(AssertUnwindSafe(|| drop(owned)));
    }
}

/// # Safety
/// As `cedar.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stint_cedar_free_bytes(bytes: Bytes) {
    if !bytes.data.is_null() {
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(bytes.data, bytes.size)) });
    }
}

const PERMIT: u8 = 1;
const DENY: u8 = 2;
const POLICY_FAILED: u8 = 3;
const MALFORMED: u8 = 4;
const BAD_VALUE: u8 = 5;
const PANICKED: u8 = 6;

/// # Safety
/// As `cedar.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stint_cedar_evaluate(
    compiled: *const Compiled,
    data: *const u8,
    size: usize,
    check: bool,
    reasons: *mut u32,
    count: *mut usize,
) -> u8 {
    quiet();
    let (compiled, bytes) = unsafe { (&*compiled, slice(data, size)) };
    let schema = check.then(|| &*compile::SCHEMA);
    let answer = catch_unwind(AssertUnwindSafe(|| {
        facts::decode(bytes, schema).map(|facts| decide::evaluate(&compiled.groups, &facts))
    }));
    let (kind, list) = match answer {
        Ok(Ok(Answer::Permit(list))) => (PERMIT, list),
        Ok(Ok(Answer::Deny(list))) => (DENY, list),
        Ok(Ok(Answer::Failed(list))) => (POLICY_FAILED, list),
        Ok(Err(facts::Unreadable::Malformed)) => (MALFORMED, Vec::new()),
        Ok(Err(facts::Unreadable::Value)) => (BAD_VALUE, Vec::new()),
        Err(_) => (PANICKED, Vec::new()),
    };
    // The caller's array has room for every policy of `compiled`.
    let list = &list[..list.len().min(compiled.infos.len())];
    unsafe {
        std::ptr::copy_nonoverlapping(list.as_ptr(), reasons, list.len());
        *count = list.len();
    }
    kind
}

/// The path of a fact, by its bit; empty after the last.
#[unsafe(no_mangle)]
pub extern "C" fn stint_cedar_leaf(bit: usize) -> Text {
    facts::LEAVES.get(bit).map_or(Text::of(""), |l| Text::of(l.path))
}

/// Text that lives as long as the process.
#[repr(C)]
pub struct Text {
    data: *const u8,
    size: usize,
}

impl Text {
    fn of(text: &'static str) -> Text {
        Text { data: text.as_ptr(), size: text.len() }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn stint_cedar_schema() -> Text {
    Text::of(compile::SCHEMA_TEXT)
}
