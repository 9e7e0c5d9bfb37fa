//! One genuine request in the middle of many other mails: when is it asked?
//!
//! ```text
//! cargo bench --bench flood -- [--mails 100000]
//! ```
//!
//! Beside it, in the same run: the time until all of the others are handled.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

mod world;

use std::time::Instant;

use world::sink::Sink;
use world::{DESK, Desk, MailServers, PATIENCE, mails, option};

fn main() {
    let count = option("--mails", 100_000);
    let servers = MailServers::start(&[DESK]);
    let sink = Sink::start();
    let mut desk = Desk::new(&servers, &sink);
    desk.starts();
    desk.until_log_says("first look at this inbox");
    desk.stops();
    for n in 0..count {
        if n == count / 2 {
            servers.drop_into(DESK, mails::mail(0, DESK));
        }
        servers.drop_into(DESK, mails::chatter(n, DESK));
    }
    desk.starts();
    let accepted = sink.wait(PATIENCE, |accepted| !accepted.is_empty());
    let asked = accepted.first().expect("the genuine request is asked").at - desk.began();
    desk.until_handled(count + 1);
    let all = Instant::now() - desk.began();
    let memory = desk.peak_memory();
    desk.stops();
    assert_eq!(sink.count(), 1, "nobody else gets a mail");
    println!(
        "{count} other mails: the genuine request was asked after {:.0} s, all were handled after {:.0} s, \
         {memory:.0} MiB at most",
        asked.as_secs_f64(),
        all.as_secs_f64()
    );
}
