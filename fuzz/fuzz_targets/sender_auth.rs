//! Only the field of our own border may say that a sender is authenticated.
#![no_main]

use deletion_desk::mail::EmailAddress;
use deletion_desk::mail::headers::Headers;
use deletion_desk::mail::sender_auth::sender_auth;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &str| {
    let field = [("Authentication-Results".to_owned(), value.to_owned())];
    let auth = sender_auth(&Headers::new(field), Some("mx.example.org"));
    let author = EmailAddress::parse("jane@example.net").expect("an address");
    if auth.aligned_pass_for(&author) {
        let folded = value.to_ascii_lowercase();
        assert!(folded.contains("mx.example.org") && folded.contains("dmarc"), "{value:?}");
        assert!(folded.contains("pass") && folded.contains("example.net"), "{value:?}");
    }
    let _ = auth.summary();
});
