//! Presses the button on the page as a browser would, over a real connection.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Confirms behind a link of this machine.
pub(super) async fn confirm(link: &str) -> Result<()> {
    let rest = link.strip_prefix("http://").context("The demo's links begin with http://")?;
    let (host, path) = rest.split_once('/').context("A link has a path")?;
    let form = "act=confirm&role=own-account&asked=yes";
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.lines().next() {
        Some(status) if status.contains(" 303 ") => Ok(()),
        status => bail!("The page answered {}", status.unwrap_or("nothing")),
    }
}
