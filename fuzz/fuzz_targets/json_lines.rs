#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    gradus_fuzz::bodies::try_json_lines(bytes);
});
