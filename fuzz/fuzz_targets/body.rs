//! Own and quoted words, out of text and out of HTML: nothing is made up, nothing hangs.
#![no_main]

use deletion_desk::mail::{Bounds, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for kind in ["plain", "html"] {
        let head = format!(
            "From: a@example.org\r\nIn-Reply-To: <x@example.org>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/{kind}; charset=utf-8\r\n\r\n"
        );
        let raw = [head.as_bytes(), text].concat();
        if let Ok(mail) = parse(&raw, &Bounds::default()) {
            assert!(mail.body.own.len() <= 8 * raw.len() + 64, "{kind}");
        }
    }
});
