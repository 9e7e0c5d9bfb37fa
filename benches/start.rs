//! How soon the desk is ready, and how soon the digest is there, with a past of many cases and
//! beside it with none.
//!
//! ```text
//! cargo bench --bench start -- [--closed-cases 200000] [--runs 5]
//! ```
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

mod world;

use std::time::{Duration, Instant};

use world::sink::Sink;
use world::{DESK, Desk, MailServers, median, option};

fn main() {
    let (closed, runs) = (option("--closed-cases", 200_000), option("--runs", 5));
    let servers = MailServers::start(&[DESK]);
    let sink = Sink::start();
    for cases in [0, closed] {
        let mut desk = Desk::new(&servers, &sink);
        desk.starts();
        desk.until_log_says("first look at this inbox");
        desk.stops();
        if cases > 0 {
            desk.has_closed(cases);
        }
        let (mut ready, mut digest) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            desk.starts();
            desk.until_log_says("started");
            ready.push(desk.began().elapsed());
            desk.stops();
            let began = Instant::now();
            let printed = desk.command(&["digest", "--print"]).output().unwrap();
            digest.push(began.elapsed());
            assert!(printed.status.success(), "{printed:?}");
        }
        println!(
            "{cases} closed cases: ready {:.0} ms after its start, the digest takes {:.0} ms (medians of {runs})",
            in_ms(ready),
            in_ms(digest)
        );
    }
}

fn in_ms(times: Vec<Duration>) -> f64 {
    median(times.into_iter().map(|time| time.as_secs_f64() * 1_000.0).collect())
}
