//! What the operator can do on the host, beside a running desk: every command as it is typed.

use std::fs;

use serde_json::Value;

use crate::harness::{JANE, OFFICER};
use crate::wire::{LiveDesk, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_worked_on_and_proved_by_typed_commands() {
    let desk = LiveDesk::over_folders().await;
    let opened =
        desk.command(&["cases", "open", JANE, "--received-on", "2026-01-31", "--by", "Ada"]);
    assert!(opened.contains("the address is asked to confirm"), "{opened}");
    let reference = desk.the_case()["reference"].as_str().unwrap().to_owned();
    let reference = reference.as_str();
    assert_eq!(desk.the_case()["law_due_on"], "2026-02-28");
    let how = "called back on the number of the contract";
    desk.command(&[
        "cases",
        "verify",
        reference,
        "--how",
        how,
        "--role",
        "workspace",
        "--by",
        "Ada",
    ]);
    assert_eq!(desk.state(), "in-progress");
    let act = |words: &str| desk.tries(&["cases", "act", reference, words, "--by", "Ada"]);
    assert!(act("hold: media: litigation until 2036-01-31").0);
    let (done, said) = act("done");
    assert!(!done && said.contains("neither deleted nor kept on a ground: media"), "{said}");
    let (done, said) = act("sing");
    assert!(!done && said.contains("“sing” is no command"), "{said}");
    let shown = desk.command(&["cases", "show", reference]);
    for part in [how, "[ ] media", "media, until 2036-01-31", "Ada put media on hold"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    desk.command(&[
        "cases",
        "complete",
        reference,
        "--outcome",
        "partly",
        "--kept",
        "media: litigation",
        "--by",
        "Ada",
    ]);
    assert_eq!(desk.the_case()["resolution"], "completed");

    let file = desk.file("case.json");
    let file = file.to_str().unwrap();
    desk.command(&["cases", "export", reference, "--to", file]);
    let proved = desk.command(&["journal", "verify", "--file", file]);
    assert!(proved.contains("the case is closed (completed)"), "{proved}");
    fs::write(file, fs::read_to_string(file).unwrap().replace("Ada completed", "Eve completed"))
        .unwrap();
    assert!(!desk.tries(&["journal", "verify", "--file", file]).0);

    let again =
        desk.command(&["cases", "restored", "--since", "2026-01-01", JANE, "eve@example.net"]);
    assert!(again.contains(&format!("{JANE}: delete again ({reference}")), "{again}");
    assert!(!again.contains("eve@example.net:"), "{again}");
    let stats: Value = serde_json::from_str(&desk.command(&["stats", "--json"])).unwrap();
    assert_eq!(stats["by_outcome"]["partly"], 1);
    assert_eq!(stats["late"], 1, "the law's day had passed");
    assert!(desk.command(&["stats"]).contains("workspace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_a_person_are_made_void_on_the_host() {
    let desk = LiveDesk::over_folders().await;
    fs::write(desk.file("in/new/1.jane"), request(JANE).replace('\n', "\r\n")).unwrap();
    let verification = desk.letter_about("Please confirm your data deletion request").await;
    desk.presses(&verification.link(), "act=confirm&asked=yes&role=own-account").await;
    let reference = desk.the_case()["reference"].as_str().unwrap().to_owned();
    let news = desk.letter_about(&format!("{reference}: confirmed, please delete")).await;
    let page = desk.opens(&news.staff_link()).await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("Identity card"), "{page}");
    let (known, said) = desk.tries(&["staff", "revoke", "eve@example.net"]);
    assert!(!known && said.contains("is no member of staff"), "{said}");
    desk.command(&["staff", "revoke", OFFICER]);
    assert!(desk.command(&["staff", "list"]).contains("are void"));
    assert!(desk.opens(&news.staff_link()).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reader_leaves_ends_in_silence() {
    let desk = LiveDesk::over_folders().await;
    desk.command(&["cases", "open", JANE, "--received-on", "2026-01-31", "--by", "Ada"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = desk.program(&["cases", "list"]).stdout(writer).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success());
}
