//! Any bytes as configurations: read and compared with themselves, held to the oracle of the tests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = amiferry_hostile::check_config(bytes) {
        panic!("{what}");
    }
});
