//! What is taken for an address is one that can be written into an envelope as it is.
#![no_main]

use deletion_desk::mail::EmailAddress;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(address) = EmailAddress::parse(text) else { return };
    let whole = address.as_str();
    assert!(whole.len() <= 254 && whole.matches('@').count() == 1, "{whole:?}");
    assert!(!whole.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;\"".contains(c)));
    assert_eq!(EmailAddress::parse(whole).as_ref(), Ok(&address), "it reads itself again");
    assert!(address.same_mailbox(&address));
});
