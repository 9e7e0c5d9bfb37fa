//! The closed list of what can make the bot act. Whoever asks gets an answer only after what
//! follows is on disk.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::bot::intake::Unhandled;
use crate::bot::page::{PageAct, PageAnswer};
use crate::classify::rules::RuleSet;
use crate::compose::Templates;
use crate::mailbox::{Fetched, Folder, Seen};
use crate::store::attempts::End;
use crate::submission::Parcel;
use crate::trouble::Failure;

/// Something that happened outside.
#[derive(Debug)]
pub enum Wake {
    /// A folder lists these keys. Answer: those that are not handled yet.
    Listed(Folder, Vec<String>, oneshot::Sender<Unhandled>),
    /// These are their sizes and dates. Answer: what to fetch, in batches.
    Described(Folder, Vec<Seen>, oneshot::Sender<Vec<Vec<Seen>>>),
    /// A batch came. Answer: it is handled.
    Fetched(Folder, Vec<Fetched>, oneshot::Sender<()>),
    /// A poll went well to its end.
    Polled,
    /// A poll failed.
    PollFailed(Failure),
    /// The mail server could not be reached, with no letter in hand.
    LineFailed(Failure),
    /// It can be reached again.
    LineWorks,
    /// Somebody pressed a button on the page. Answer: what to show.
    Pressed(PageAct, oneshot::Sender<PageAnswer>),
    /// A worker has a line free. Answer: letters to submit; none when the bot stops.
    Ready(oneshot::Sender<Vec<Parcel>>),
    /// An attempt ended.
    Ended(i64, End),
    /// A second has passed.
    Second,
    /// The page could not read the database.
    StorageFailed(anyhow::Error),
    /// Rules and templates were read again and are good.
    Reloaded(Arc<RuleSet>, Arc<Templates>),
    /// Finish the letters in hand and stop.
    Stop,
}
