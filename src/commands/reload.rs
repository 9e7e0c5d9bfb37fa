//! SIGHUP: rules and templates are read again. When the new ones are wrong, the old ones stay.

use std::fs;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::setup::Setup;
use crate::classify::rules::RuleSet;
use crate::compose::Templates;
use crate::config::Config;
use crate::systemd::Systemd;
use crate::wake::Wake;
use crate::web::PageTemplates;

/// Waits for SIGHUP, from the start on: before that it would end the process.
#[derive(Debug)]
pub struct Reload {
    hang_up: Signal,
    setup: Setup,
    /// `bot.toml` as it was at the start.
    settings: Vec<u8>,
}

impl Reload {
    /// Takes the setup that the desk was started with.
    ///
    /// # Errors
    /// When the system gives no signals, or `bot.toml` has gone.
    pub fn new(setup: &Setup) -> Result<Reload> {
        Ok(Reload {
            hang_up: signal(SignalKind::hangup())?,
            setup: setup.clone(),
            settings: fs::read(&setup.config.file)?,
        })
    }

    /// Serves one signal after the other, until the bot has stopped.
    pub(super) async fn serve(
        mut self,
        pages: PageTemplates,
        wakes: mpsc::Sender<Wake>,
        systemd: Systemd,
    ) {
        while self.hang_up.recv().await.is_some() {
            systemd.reloading();
            let setup = self.setup.clone();
            // The patterns are compiled and tried, which takes a while.
            let read = tokio::task::spawn_blocking(move || read_again(&setup)).await;
            match read.context("The reading broke off").flatten() {
                Ok((rules, templates)) => {
                    pages.replace(templates.clone());
                    let fresh = Wake::Reloaded(Arc::new(rules), Arc::new(templates));
                    if wakes.send(fresh).await.is_err() {
                        return;
                    }
                }
                Err(why) => {
                    error!(why = %format!("{why:#}"), "the old rules and templates stay in use; mend this and send SIGHUP again");
                }
            }
            self.look_at_settings();
            systemd.ready();
        }
    }

    /// Says what is not taken up.
    fn look_at_settings(&self) {
        let file = &self.setup.config.file;
        match Config::read(file) {
            Err(why) => {
                error!(why = %format!("{why:#}"), "with this the desk would not start again; the settings of its start stay in use");
            }
            Ok(_) if fs::read(file).is_ok_and(|now| now != self.settings) => {
                warn!(file = %file.display(), "it has changed since the start; restart the desk to take that up");
            }
            Ok(_) => info!("the settings are those of the start"),
        }
    }
}

/// Everything that can be replaced while the desk works. The list of accounts is read again by
/// itself; here it is only tried.
fn read_again(setup: &Setup) -> Result<(RuleSet, Templates)> {
    let (rules, templates) = (setup.rules()?, setup.templates()?);
    setup.settings()?;
    Ok((rules, templates))
}
