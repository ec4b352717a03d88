//! Lets the program find MKL's threads where MKL was found.

fn main() {
    println!("cargo::rerun-if-env-changed=MKLROOT");
    if let (Some(_), Ok(root)) = (std::env::var_os("CARGO_FEATURE_MKL"), std::env::var("MKLROOT")) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{root}/lib");
    }
}
