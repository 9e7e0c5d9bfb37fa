//! Whatever bytes come as a mail: read or refused, never a panic, and the same each time.
#![no_main]

use deletion_desk::mail::{Bounds, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let bounds = Bounds::default();
    if let Ok(mail) = parse(raw, &bounds) {
        assert!(mail.body.own.len() + mail.body.quoted.len() <= 4 * bounds.text_bytes_max);
        assert!(!mail.subject.contains(['\r', '\n']));
    }
});
