//! `zapnode chatwoot check`, for each thing that can be wrong; and a bridge by environment.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zapnode_tests::BRUNO;
use zapnode_tests::chatwoot::{Faults, HOOK_SECRET};
use zapnode_tests::daemon::clean_command;

use crate::stage::Stage;

/// What was found, as the API tells it: what is good, and the one thing that is bad.
async fn checked(stage: &Stage, body: Value) -> Result<(Vec<String>, Option<Value>)> {
    let answer = stage
        .client()
        .post("/chatwoot/shop/check", body)
        .await?
        .expect(200)?;
    let findings = answer["findings"].as_array().context("findings")?;
    let good = findings.iter().filter(|one| one["ok"] == true);
    let good = good.map(|one| one["what"].as_str().unwrap_or_default().to_owned());
    let bad: Vec<_> = findings
        .iter()
        .filter(|one| one["ok"] == false)
        .cloned()
        .collect();
    assert_eq!(answer["ok"] == true, bad.is_empty(), "{answer}");
    assert!(bad.len() <= 1, "{answer}");
    Ok((good.collect(), bad.first().cloned()))
}

#[tokio::test]
async fn each_wrong_thing_is_named_with_what_to_do() -> Result<()> {
    let stage = Stage::new().await?;
    let (good, bad) = checked(&stage, json!({})).await?;
    assert_eq!(
        (good, bad),
        (
            vec![
                "url".into(),
                "token".into(),
                "inbox".into(),
                "webhook".into()
            ],
            None
        )
    );

    let email = stage.chatwoot.make_other_inbox("Channel::Email");
    let elsewhere = stage.chatwoot.make_inbox("http://127.0.0.1:9/hook");
    let silent = stage.chatwoot.make_inbox("");
    let path = stage.bridge().await?["webhookPath"]
        .as_str()
        .context("a path")?
        .to_owned();
    let closed = stage
        .chatwoot
        .make_inbox(&format!("http://127.0.0.1:9{path}"));
    let stranger = stage
        .chatwoot
        .make_inbox(&format!("{}/somewhere{path}", stage.url()));
    for (change, what, detail, hint) in [
        (
            json!({"url": "http://127.0.0.1:9"}),
            "url",
            "not reached",
            "this machine reaches it",
        ),
        (
            json!({"url": stage.url()}),
            "token",
            "no account",
            "accountId",
        ),
        (json!({"apiToken": "wrong"}), "token", "401", "profile page"),
        (
            json!({"accountId": 2}),
            "token",
            "no account 2",
            "address of the account's pages",
        ),
        (json!({"inboxId": 999}), "inbox", "no inbox 999", "inboxId"),
        (
            json!({"inboxId": email}),
            "inbox",
            "Channel::Email",
            "kind API",
        ),
        (
            json!({"inboxId": silent}),
            "webhook",
            "no webhook",
            path.as_str(),
        ),
        (
            json!({"inboxId": elsewhere}),
            "webhook",
            "elsewhere",
            path.as_str(),
        ),
        (
            json!({"inboxId": closed}),
            "webhook",
            "not reached from here",
            "proxy",
        ),
        (
            json!({"inboxId": stranger}),
            "webhook",
            "answers 4",
            "Something else",
        ),
        (
            json!({"signingSecret": "another"}),
            "webhook",
            "does not take the signature",
            "signingSecret",
        ),
    ] {
        let (_, bad) = checked(&stage, stage.settings(change.clone())).await?;
        let bad = bad.with_context(|| format!("{change} is wrong"))?;
        let words = |name: &str| bad[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(words("what"), what, "{change}: {bad}");
        assert!(words("detail").contains(detail), "{change}: {bad}");
        assert!(words("hint").contains(hint), "{change}: {bad}");
    }
    stage.chatwoot.set_faults(Faults {
        down: true,
        ..Faults::default()
    });
    let (_, bad) = checked(&stage, json!({})).await?;
    assert!(
        bad.context("down")?["detail"]
            .as_str()
            .context("words")?
            .contains("502")
    );
    Ok(())
}

#[tokio::test]
async fn the_command_says_it_and_its_exit_code_too() -> Result<()> {
    let stage = Stage::new().await?;
    let run = async |args: &[&str]| {
        let mut command = clean_command("zapnode", stage.data())?;
        command
            .args(["--server", stage.url(), "chatwoot", "--session", "shop"])
            .args(args);
        let output = command.output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        anyhow::Ok((output.status.success(), text))
    };
    let (ok, text) = run(&["check"]).await?;
    assert!(ok && text.contains("ok  webhook"), "{text}");
    let (ok, text) = run(&["check", "--token", "wrong"]).await?;
    assert!(!ok && text.contains("BAD token"), "{text}");
    stage.chatwoot.set_faults(Faults {
        token_revoked: true,
        ..Faults::default()
    });
    stage
        .driver
        .write(&crate::stage::shop(), &crate::stage::phone(BRUNO), "Oi")
        .await;
    stage.bridge_is("wrong_token").await?;
    let (ok, text) = run(&["show"]).await?;
    assert!(
        ok && text.contains("wrong_token") && text.contains("access token"),
        "{text}"
    );
    assert!(!text.contains(HOOK_SECRET), "{text}");
    // The right one again, and it goes on.
    stage.chatwoot.set_faults(Faults::default());
    let (ok, text) = run(&["set", "--set", "signMessages=true"]).await?;
    assert!(ok, "{text}");
    stage.wait_message(|m| m.content == "Oi").await?;
    let (ok, text) = run(&["remove"]).await?;
    assert!(ok, "{text}");
    let (ok, text) = run(&["show"]).await?;
    assert!(!ok && text.contains("no Chatwoot bridge"), "{text}");
    Ok(())
}
