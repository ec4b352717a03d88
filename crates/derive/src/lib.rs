//! `#[derive(Module)]`: a struct of layers becomes a module.

#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, Index, Result, parse_macro_input};

/// Makes a struct a module that consists of its fields.
///
/// The fields are visited in the order of their declaration, each under its name (in a tuple struct
/// under its number). What that means depends on the field's type: a `Param` is trained, a `Buffer`
/// is saved, modules recurse, also in `Option`, `Vec` and arrays, and plain values such as numbers
/// are left alone. A type that is none of these does not compile, unless the field is marked
/// `#[module(skip)]`.
///
/// The names make the keys of saved models: `#[module(rename = "0")]` gives a field another one.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "a module is a struct"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unnamed(fields) => fields.unnamed.iter().collect(),
        Fields::Unit => vec![],
    };
    let mut visits = vec![];
    for (index, field) in fields.into_iter().enumerate() {
        visits.extend(visit(index, field)?);
    }
    let nn = nn_path();
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics #nn::Module for #name #type_generics #where_clause {
            fn visit(
                &self,
                path: &mut #nn::Path,
                visitor: &mut dyn #nn::Visitor,
            ) {
                #(#visits)*
            }
        }
    })
}

/// The packages that `gradus` is made of: they cannot depend on it.
const PARTS: &[&str] = &["gradus-nn", "gradus-models", "gradus-train", "gradus-cli"];

/// Where the trait is: in `gradus-nn` for the parts of `gradus`, in `gradus` for all others.
fn nn_path() -> TokenStream {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    if PARTS.contains(&package.as_str()) { quote!(::gradus_nn) } else { quote!(::gradus::nn) }
}

/// The visit of one field; none if it is skipped.
fn visit(index: usize, field: &Field) -> Result<Option<TokenStream>> {
    let mut name = match &field.ident {
        Some(name) => name.to_string().trim_start_matches("r#").to_string(),
        None => index.to_string(),
    };
    let mut skipped = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                skipped = true;
                Ok(())
            } else if meta.path.is_ident("rename") {
                name = meta.value()?.parse::<syn::LitStr>()?.value();
                Ok(())
            } else {
                Err(meta.error("a field is marked `skip` or `rename = \"…\"`"))
            }
        })?;
    }
    if skipped {
        return Ok(None);
    }
    let nn = nn_path();
    let member = match &field.ident {
        Some(name) => quote!(#name),
        None => {
            let index = Index::from(index);
            quote!(#index)
        }
    };
    Ok(Some(quote! {
        path.enter(#name);
        #nn::Module::visit(&self.#member, path, visitor);
        path.leave();
    }))
}
