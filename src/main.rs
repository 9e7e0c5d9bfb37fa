//! The command line; one line per command.

use std::io::IsTerminal as _;
use std::panic;
use std::process::{self, ExitCode};

use clap::Parser;
use deletion_desk::commands::{self, Command, CommandLine};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let quiet = !matches!(line.command, Command::Run);
    if quiet {
        end_with_the_reader()
    } else {
        tell_no_mail()
    }
    start_log(if quiet { "warn" } else { "info" });
    // One crypto provider for all; a second installation cannot happen here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(why) => {
                eprintln!("deletion-desk: Cannot start: {why}");
                return ExitCode::FAILURE;
            }
        };
    let config = line.config.clone();
    let ended = runtime.block_on(dispatch(line));
    // A name service that does not answer must not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(why) => {
            eprintln!("deletion-desk: {:#}", commands::explained(why, &config));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(line: CommandLine) -> anyhow::Result<ExitCode> {
    let config = line.config.as_path();
    match line.command {
        Command::Demo(args) => commands::demo::demo(args).await,
        Command::Run => commands::run::run(config).await,
        Command::Login => commands::login::login(config).await,
        Command::Check(args) => commands::check::check(config, args).await,
        Command::Explain(args) => commands::explain::explain(config, &args),
        Command::Evaluate(args) => commands::evaluate::evaluate(config, &args).await,
        Command::Cases(command) => commands::cases::cases(config, command).await,
        Command::Letters(command) => commands::letters::letters(config, command).await,
        Command::Messages(command) => commands::messages::messages(config, command).await,
        Command::Digest(args) => commands::digest::digest(config, &args).await,
        Command::Backup(args) => commands::backup::backup(config, &args).await,
        Command::Stats(args) => commands::stats::stats(config, &args).await,
        Command::Staff(command) => commands::staff::staff(config, command).await,
        Command::Journal(command) => commands::journal::journal(config, command).await,
    }
}

/// What a panic says may be out of the mail that was being read: a slice in the wrong place
/// quotes all of a text.
fn tell_no_mail() {
    panic::set_hook(Box::new(|what| {
        let place = what.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "something broke off; please tell the makers where");
    }));
}

/// Where the reader of what is printed left (`cases list | head`), the rest is not wanted.
/// `println!` panics then, which is a noise that no other command makes.
fn end_with_the_reader() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        let said = what.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            process::exit(0);
        }
        others(what);
    }));
}

/// Logs go to stderr. What the mail crates say below `info` holds passwords and whole mails,
/// so nobody can turn that on.
fn start_log(default: &str) {
    let wanted = std::env::var("DELETION_DESK_LOG").unwrap_or_else(|_| default.to_owned());
    let capped = format!(
        "{wanted},async_imap=info,imap_proto=info,lettre=info,rustls=warn,sqlx=warn,mail_parser=info"
    );
    let filter = EnvFilter::try_new(&capped).unwrap_or_else(|_| EnvFilter::new(default));
    let colored = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_ansi(colored)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
