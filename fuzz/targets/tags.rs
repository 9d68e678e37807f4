//! Any bytes as tags and short texts: read as the source's and as a stranger's, held to the oracle of the tests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = amiferry_hostile::check_tags(bytes) {
        panic!("{what}");
    }
});
