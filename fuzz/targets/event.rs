//! Any bytes as messages: parsed and pinned, held to the oracle of the tests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = amiferry_hostile::check_event(bytes) {
        panic!("{what}");
    }
});
