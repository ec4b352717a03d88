#![no_main]

// The reader of Parquet catches panics of the crate that knows the format; libFuzzer's hook would end
// the program at each. What is not caught ends it still.
libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| {
    gradus_fuzz::bodies::try_parquet(bytes);
});
