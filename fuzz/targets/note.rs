//! Any bytes as notes of a source: read and decided about, held to the oracle of the tests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = amiferry_hostile::check_note(bytes) {
        panic!("{what}");
    }
});
