//! Reports of deliveries, by the standard and by what servers make of it.
#![no_main]

use deletion_desk::mail::{Bounds, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let report = b"From: MAILER-DAEMON@example.org\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\n";
    let plain = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@example.org\r\n\
        Subject: Undelivered Mail\r\n\r\n";
    for head in [&report[..], &plain[..]] {
        if let Ok(mail) = parse(&[head, data].concat(), &Bounds::default())
            && let Some(report) = &mail.report
        {
            assert!(report.recipients.len() <= 1_000);
            let _ = (report.failed(), format!("{report:?}"));
        }
    }
});
