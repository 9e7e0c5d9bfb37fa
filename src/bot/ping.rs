//! The dead man's switch: somebody elsewhere is called after each good poll, and raises the
//! alarm when the calls stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use url::Url;

use crate::https::Https;

/// A call is given up after this time.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// No two calls are closer together.
const PING_EVERY_MIN: Duration = Duration::from_secs(60);

/// Calls `url` whenever `polled` says that a poll went well. A call that fails is logged once,
/// without the address, which is a secret; nothing waits for it.
pub async fn after_polls(https: Https, url: Url, polled: Arc<Notify>) {
    let mut failing = false;
    loop {
        polled.notified().await;
        let next = Instant::now() + PING_EVERY_MIN;
        let why = match https.get(&url, PING_TIMEOUT).await {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) => Some(format!("status {}", answer.status)),
            Err(why) => Some(format!("{why:#}")),
        };
        match &why {
            Some(why) if !failing => {
                warn!(%why, "watch.ping_url does not answer; it is called on after each poll");
            }
            None if failing => info!("watch.ping_url answers again"),
            _ => {}
        }
        failing = why.is_some();
        sleep_until(next).await;
    }
}
