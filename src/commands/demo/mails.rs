//! Made-up mails of different kinds.

/// A mail, and what it is in a few words.
pub(super) struct DemoMail {
    pub(super) what: &'static str,
    pub(super) raw: &'static str,
}

pub(super) const MAILS: &[DemoMail] = &[
    DemoMail {
        what: "Jane writes with the subject of the policy",
        raw: "From: Jane Doe <jane@example.org>
To: hello@flexus.example
Subject: Data Deletion Request
Message-ID: <1@mail.example.org>

Hello, please see the subject. Jane
",
    },
    DemoMail {
        what: "Omar asks in his own words",
        raw: "From: Omar <omar@example.net>
To: hello@flexus.example
Subject: my account
Message-ID: <2@mail.example.net>

Hi team, I no longer use Flexus. Could you please delete my account and everything you have about me?
",
    },
    DemoMail {
        what: "the website's form, filled in by Mei",
        raw: "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example
From: Flexus website <forms@flexus.example>
To: hello@flexus.example
Subject: New Data Deletion Request Form submission
Message-ID: <3@web.flexus.example>

Email Address: mei@example.com
",
    },
    DemoMail {
        what: "a newsletter",
        raw: "From: Daily News <news@example.net>
To: hello@flexus.example
Subject: Delete your data today: ten tips
List-Unsubscribe: <mailto:leave@example.net>
Message-ID: <4@example.net>

Tip one: ask for deletion of your data.
",
    },
    DemoMail {
        what: "a robot that is out of office",
        raw: "From: Bob <bob@example.org>
To: hello@flexus.example
Subject: Automatic reply: Data Deletion Request
Auto-Submitted: auto-replied
Message-ID: <5@mail.example.org>

Yes, I got your mail. I am away until Monday.
",
    },
    DemoMail {
        what: "a question that may be a request",
        raw: "From: Ana <ana@example.org>
To: hello@flexus.example
Subject: account
Message-ID: <6@mail.example.org>

Hello, how do I delete my account?
",
    },
    DemoMail {
        what: "something else entirely",
        raw: "From: Sam <sam@example.com>
To: hello@flexus.example
Subject: Invoice 2231
Message-ID: <7@mail.example.com>

Please find our invoice for June attached.
",
    },
];
