//! The store as a whole, over the API: backups, old messages, health.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::io::Read;

use serde_json::{Value, json};
use support::{Api, BRUNO, id};
use zapnode_core::SessionState;

/// The files in an archive.
fn files(archive: &[u8]) -> Vec<String> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let entries = tar.entries().unwrap();
    let names = entries.map(|entry| {
        let mut entry = entry.unwrap();
        // To the end, so that it is whole.
        entry.read_to_end(&mut Vec::new()).unwrap();
        entry.path().unwrap().display().to_string()
    });
    names.collect()
}

fn write_profile(api: &Api, session: &str) {
    let auth = &api.app.manager().options().auth_dir;
    let profile = auth.join(id(session).profile_folder());
    std::fs::create_dir_all(&profile).unwrap();
    std::fs::write(profile.join("Local State"), "{}").unwrap();
}

#[tokio::test]
async fn a_backup_is_one_file_with_what_was_asked_for() {
    let api = Api::new().await;
    api.ready("a").await;
    api.ready("b").await;
    write_profile(&api, "a");
    write_profile(&api, "b");
    let everybody = ["profiles/a/Local State", "profiles/b/Local State"];
    for (body, profiles) in [
        ("", &everybody[..]),
        ("{}", &everybody[..]),
        (r#"{"profiles": true}"#, &everybody[..]),
        (r#"{"sessions": ["b"]}"#, &everybody[1..]),
        (r#"{"profiles": false}"#, &[]),
    ] {
        let answer = match body {
            "" => api.send(axum::http::Method::POST, "/backup", &[], "").await,
            body => api.raw("/backup", body).await,
        };
        assert_eq!(answer.status.as_u16(), 200, "{body}");
        assert_eq!(answer.headers["content-type"], "application/gzip");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(
            answer.headers["content-length"],
            answer.body.len().to_string()
        );
        let name = answer.headers["content-disposition"].to_str().unwrap();
        assert!(
            name.starts_with("attachment; filename=\"zapnode-20"),
            "{name}"
        );
        let files = files(&answer.body);
        assert_eq!(files.first().unwrap(), "manifest.json");
        assert_eq!(files.last().unwrap(), "checksums.json");
        let found: BTreeSet<_> = files
            .iter()
            .filter(|f| f.starts_with("profiles/"))
            .collect();
        let expected: Vec<String> = profiles.iter().map(|p| (*p).to_owned()).collect();
        assert_eq!(found, expected.iter().collect(), "{body}");
        assert!(files.contains(&"zapnode.db".to_owned()));
    }
    for session in ["a", "b"] {
        let info = api
            .until(session, |info| info.state == SessionState::Ready)
            .await;
        assert!(info.linked);
    }
    // Nothing is left of them.
    let folder = api.app.manager().folder().path().to_owned();
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("backup")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_backup_of_what_is_not_there_is_refused_and_changes_nothing() {
    let api = Api::new().await;
    for (body, status, code) in [
        (r#"{"sessions": ["nope"]}"#, 404, "session_not_found"),
        (r#"{"sessions": ["no such id"]}"#, 400, "invalid_session_id"),
        (r#"{"sessions": []}"#, 400, "invalid_request"),
        (r#"{"sessions": "a"}"#, 400, "invalid_request"),
        (r#"{"sessions": [1]}"#, 400, "invalid_request"),
        (r#"{"profiles": "no"}"#, 400, "invalid_request"),
        (
            r#"{"profiles": false, "sessions": ["a"]}"#,
            400,
            "invalid_request",
        ),
        ("[]", 400, "invalid_request"),
    ] {
        let answer = api.raw("/backup", body).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn old_messages_go_when_they_are_asked_to() {
    let api = Api::new().await;
    api.ready("a").await;
    let body = json!({"phoneNumber": BRUNO, "message": "de hoje"});
    let sent = api.post("/sessions/a/send", body).await.expect(200);
    let answer = api
        .send(axum::http::Method::POST, "/database/cleanup", &[], "")
        .await
        .expect(200);
    assert_eq!(answer["success"], true);
    assert_eq!(answer["daysToKeep"], 30);
    assert_eq!(answer["deletedMessages"], 0);
    let answer = api
        .post("/database/cleanup", json!({"daysToKeep": 1}))
        .await;
    assert_eq!(answer.expect(200)["deletedMessages"], 0);
    api.get(&format!("/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .expect(200);
    for wrong in [json!(0), json!(-1), json!("30"), json!(1.5), json!(40_000)] {
        let answer = api
            .post("/database/cleanup", json!({"daysToKeep": wrong}))
            .await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn readiness_tells_the_sessions_by_state_to_those_with_the_key() {
    let key = |options: &mut zapnode_http::AppOptions| {
        options.api_key = Some(zapnode_http::Secret::new("a-long-enough-secret"));
    };
    let api = Api::with(key, |_| {}).await;
    let get = |path: &'static str, headers: Vec<(&'static str, &'static str)>| {
        let api = &api;
        async move {
            let answer = api.send(axum::http::Method::GET, path, &headers, "").await;
            answer.expect(200)
        }
    };
    assert_eq!(get("/readyz", vec![]).await, json!({"status": "ok"}));
    assert_eq!(get("/livez", vec![]).await, json!({"status": "ok"}));
    let with = vec![("x-api-key", "a-long-enough-secret")];
    let id = id("a");
    let options = zapnode_core::SessionOptions::default();
    api.app.manager().create(id, options).await.unwrap();
    api.until_qr("a").await;
    let ready: Value = get("/readyz", with).await;
    assert_eq!(
        ready,
        json!({"status": "ok", "store": "ok", "sessions": {"awaiting_login": 1}})
    );
}
