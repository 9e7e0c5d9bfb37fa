//! demo
use std::process::ExitCode;
/// x
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    #[arg(long)]
    once: bool,
}
/// x
pub async fn demo(_a: DemoArgs) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
