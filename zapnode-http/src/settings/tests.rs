//! The table of settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn around() -> Surroundings {
    Surroundings {
        user_data_dir: Some(PathBuf::from("/home/ana/.local/share/zapnode")),
        ..Surroundings::default()
    }
}

fn merged(
    flags: &Flags,
    environment: Pairs<'_>,
    dotenv: Pairs<'_>,
) -> Result<Settings, SettingError> {
    let variables = |pairs: Pairs<'_>| pairs.iter().copied().collect::<Variables>();
    Settings::merge(
        flags,
        &variables(environment),
        &variables(dotenv),
        &around(),
    )
}

pub(super) fn from_environment(pairs: Pairs<'_>) -> Result<Settings, SettingError> {
    merged(&Flags::default(), pairs, &[])
}

pub(super) fn shown(settings: &Settings, name: &str) -> (String, Source) {
    let found = settings.shown().iter().find(|s| s.spec.name == name);
    let found = found.expect("a setting that is shown");
    (found.value.clone(), found.source)
}

#[test]
fn the_defaults_are_the_guides() {
    let s = from_environment(&[]).expect("defaults");
    assert_eq!((s.port, s.host.as_str()), (3000, "127.0.0.1"));
    assert_eq!(s.session_name.as_str(), "zapnode-session");
    assert!(s.start_default_session && s.headless && s.auto_cleanup_on_logout && s.webhook_enabled);
    assert!(!s.sandbox && s.api_key.is_none() && s.max_sessions.is_none());
    assert_eq!(s.web_url, "https://web.whatsapp.com/");
    assert_eq!(s.send_wait, Duration::from_secs(10));
    assert_eq!(s.data_dir, Path::new("/home/ana/.local/share/zapnode"));
    assert_eq!(
        s.auth_dir,
        Path::new("/home/ana/.local/share/zapnode/.wwebjs_auth")
    );
    assert_eq!(s.sandbox_port, 3900);
    // Groups are heard, unlike in the original.
    assert!(!s.ignore.groups && s.ignore.status && s.ignore.newsletters);
    assert_eq!(s.events_kept.age, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(s.events_kept.count, 1_000_000);
    assert!(s.is_local());
    assert!(s.shown().iter().all(|s| s.source == Source::Default));
    assert_eq!(s.retention_days, 0, "messages are kept");
    assert_eq!(s.pace, Pace::OFF);
    assert_eq!(s.idempotency_keys_kept, Duration::from_secs(24 * 3600));
    assert_eq!(s.shown().len(), 54, "every setting is shown once");
}

#[test]
fn flags_win_over_environment_over_dotenv_over_defaults() {
    let flag = Flags::default().with(names::PORT, Some("1"));
    let cases: [(&Flags, Pairs<'_>, Pairs<'_>, u16, Source); 5] = [
        (&flag, &[("PORT", "2")], &[("PORT", "3")], 1, Source::Flag),
        (
            &Flags::default(),
            &[("PORT", "2")],
            &[("PORT", "3")],
            2,
            Source::Environment,
        ),
        (&Flags::default(), &[], &[("PORT", "3")], 3, Source::DotEnv),
        (
            &Flags::default(),
            &[("PORT", " ")],
            &[("PORT", "3")],
            3,
            Source::DotEnv,
        ),
        (
            &Flags::default(),
            &[],
            &[("PORT", "")],
            3000,
            Source::Default,
        ),
    ];
    for (flags, environment, dotenv, port, source) in cases {
        let settings = merged(flags, environment, dotenv).expect("good values");
        assert_eq!(settings.port, port);
        assert_eq!(shown(&settings, "PORT"), (port.to_string(), source));
    }
}

#[test]
fn booleans_in_all_their_forms() {
    for (text, expected) in [
        ("true", true),
        ("TRUE", true),
        ("1", true),
        ("yes", true),
        ("On", true),
        ("false", false),
        ("False", false),
        ("0", false),
        ("NO", false),
        ("off", false),
    ] {
        for name in [
            "HEADLESS",
            "START_DEFAULT_SESSION",
            "AUTO_CLEANUP_ON_LOGOUT",
            "WEBHOOK_ENABLED",
        ] {
            let s = from_environment(&[(name, text)]).expect(text);
            let value = match name {
                "HEADLESS" => s.headless,
                "START_DEFAULT_SESSION" => s.start_default_session,
                "AUTO_CLEANUP_ON_LOGOUT" => s.auto_cleanup_on_logout,
                _ => s.webhook_enabled,
            };
            assert_eq!(value, expected, "{name}={text}");
        }
    }
}

#[test]
fn bad_values_are_named_with_what_is_allowed() {
    for (name, value, allowed) in [
        ("PORT", "abc", "1 to 65535"),
        ("PORT", "65536", "1 to 65535"),
        ("PORT", "-1", "1 to 65535"),
        ("HEADLESS", "maybe", "true, false"),
        ("SESSION_NAME", "a/b", "1 to 64 letters"),
        ("ZAPNODE_HOST", "0.0.0.0", "ZAPNODE_API_KEY"),
        ("ZAPNODE_HOST", "192.168.1.4", "ZAPNODE_API_KEY"),
        ("ZAPNODE_HOST", "my.host", "ZAPNODE_API_KEY"),
        ("ZAPNODE_HOST", "http://x", "without a port"),
        ("ZAPNODE_WEB_URL", "ftp://x", "http:// or https://"),
        ("ZAPNODE_WEB_URL", "web.whatsapp.com", "http:// or https://"),
        ("ZAPNODE_MAX_SESSIONS", "0", "1 to 100000"),
        ("ZAPNODE_SEND_WAIT", "1h", "10, 10s or 500ms"),
        ("ZAPNODE_SEND_WAIT", "301", "0 to 300"),
        ("ZAPNODE_HIBERNATE_AFTER", "5", "10 seconds to 30 days"),
        ("ZAPNODE_HIBERNATE_WAKE_EVERY", "1w", "30m"),
        ("ZAPNODE_MEMORY_SOFT_MB", "10", "100 to 1000000"),
        ("ZAPNODE_MEMORY_HARD_MB", "2g", "100 to 1000000"),
        ("ZAPNODE_PACE", "slow", "off or gentle"),
        ("ZAPNODE_IDEMPOTENCY_HOURS", "0", "1 to 8760"),
        ("ZAPNODE_IDEMPOTENCY_HOURS", "1d", "1 to 8760"),
        ("ZAPNODE_LOG", "a=b=c", "a level"),
        ("ZAPNODE_LOG_FORMAT", "xml", "text or json"),
        ("ZAPNODE_CHROME_ARGS", "--a='b", "every quote closed"),
        ("ZAPNODE_SANDBOX", "2", "true, false"),
    ] {
        let error = from_environment(&[(name, value)]).expect_err(name);
        assert_eq!((error.name.as_str(), error.value.as_str()), (name, value));
        assert!(error.allowed.contains(allowed), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(name) && text.contains("environment"),
            "{text}"
        );
    }
}

#[test]
fn an_error_names_the_flag_when_the_flag_was_wrong() {
    let flags = Flags::default().with(names::PORT, Some("x"));
    let error = merged(&flags, &[("PORT", "5")], &[]).expect_err("a bad flag");
    assert_eq!(error.name, "--port");
}

#[test]
fn secrets_are_masked_everywhere() {
    let settings = from_environment(&[("ZAPNODE_API_KEY", "sesame-open")]).expect("a key");
    assert_eq!(settings.api_key.as_deref(), Some("sesame-open"));
    assert_eq!(shown(&settings, "ZAPNODE_API_KEY").0, "********");
    let error = from_environment(&[("ZAPNODE_API_KEY", "sesame open")]).expect_err("a blank");
    assert!(!error.to_string().contains("sesame"), "{error}");
}

#[test]
fn a_public_address_needs_a_key_and_a_local_one_does_not() {
    for host in [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "[::1]",
        "localhost",
        "LOCALHOST",
    ] {
        assert!(
            from_environment(&[("ZAPNODE_HOST", host)]).is_ok(),
            "{host}"
        );
    }
    let open = from_environment(&[
        ("ZAPNODE_HOST", "0.0.0.0"),
        ("ZAPNODE_API_KEY", "sesame-open"),
    ]);
    assert!(!open.expect("with a key").is_local());
}

#[test]
fn a_pace_is_a_word_and_keys_are_kept_for_hours() {
    let pairs = [
        ("ZAPNODE_PACE", "Gentle"),
        ("ZAPNODE_IDEMPOTENCY_HOURS", "72"),
    ];
    let s = from_environment(&pairs).expect("settings");
    let options = s.manager_options();
    assert_eq!(options.pace, Pace::GENTLE);
    let three_days = Duration::from_secs(72 * 3600);
    assert_eq!(options.idempotency_keys_kept, three_days);
}

#[test]
fn durations_are_seconds_unless_they_say() {
    for (text, expected) in [("0", 0), ("4", 4000), ("10s", 10_000), ("500ms", 500)] {
        let s = from_environment(&[("ZAPNODE_SEND_WAIT", text)]).expect(text);
        assert_eq!(s.send_wait, Duration::from_millis(expected));
    }
}

#[test]
fn chrome_arguments_are_split_as_a_shell_does() {
    for (text, expected) in [
        ("--a --b=c", vec!["--a", "--b=c"]),
        (
            r#"--ua="a b" --x='c "d"'"#,
            vec!["--ua=a b", r#"--x=c "d""#],
        ),
        (r"a\ b '' c", vec!["a b", "", "c"]),
    ] {
        let s = from_environment(&[("ZAPNODE_CHROME_ARGS", text)]).expect(text);
        assert_eq!(s.chrome_args, expected);
    }
    let s = from_environment(&[("ZAPNODE_CHROME_ALLOW", "/a/chrome:/b/chrome")]).expect("a list");
    assert_eq!(
        s.chrome_allow,
        [Path::new("/a/chrome"), Path::new("/b/chrome")]
    );
}

#[test]
fn logins_stay_where_the_original_has_them_but_never_in_the_sandbox() {
    let around = Surroundings {
        legacy_auth_dir: Some(PathBuf::from("/srv/bot/.wwebjs_auth")),
        ..around()
    };
    let none = Variables::default();
    let merge = |flags: Flags| Settings::merge(&flags, &none, &none, &around).expect("good");
    assert_eq!(
        merge(Flags::default()).auth_dir,
        Path::new("/srv/bot/.wwebjs_auth")
    );
    let sandbox = merge(Flags::default().with(names::SANDBOX, Some("true")));
    assert_eq!(
        sandbox.data_dir,
        Path::new("/home/ana/.local/share/zapnode-sandbox")
    );
    assert!(sandbox.auth_dir.starts_with(&sandbox.data_dir));
    assert!(sandbox.sandbox_state_file().ends_with("sandbox/state.json"));
    let given = Flags::default().with(names::AUTH_DIR, Some("/x"));
    assert_eq!(merge(given).auth_dir, Path::new("/x"));
}

#[test]
fn the_sandbox_opens_its_own_page_only() {
    let flags = Flags::default()
        .with(names::SANDBOX, Some("true"))
        .with(names::WEB_URL, Some("https://web.whatsapp.com/"));
    assert_eq!(
        merged(&flags, &[], &[]).expect_err("both").name,
        "--web-url"
    );
}

#[test]
fn options_of_the_core_follow() {
    let around = Surroundings {
        has_display: true,
        is_root: true,
        ..around()
    };
    let s = from_environment(&[
        ("AUTO_CLEANUP_ON_LOGOUT", "false"),
        ("ZAPNODE_MAX_SESSIONS", "3"),
        ("CHROME_PATH", "/usr/bin/chromium"),
        ("HEADLESS", "no"),
        ("ZAPNODE_DATA_DIR", "/data"),
    ])
    .expect("good");
    let manager = s.manager_options();
    assert_eq!(
        (manager.cleanup_after_logout, manager.max_sessions),
        (None, Some(3))
    );
    assert_eq!(manager.auth_dir, Path::new("/data/.wwebjs_auth"));
    let chrome = s.chrome_options(&around);
    assert!(!chrome.headless && chrome.has_display && chrome.no_sandbox);
    assert_eq!(
        chrome.executable.as_deref(),
        Some(Path::new("/usr/bin/chromium"))
    );
}

#[test]
fn dotenv_files_of_the_original_are_read() {
    let file = "\u{feff}# a comment\n\
        PORT=3001\n\
        export HEADLESS = false # really\n\
        CHROME_PATH=C:\\\\Program Files\\\\Google\\\\chrome.exe\n\
        ZAPNODE_CHROME_ARGS=\"--a=b --c='d e'\" # two\n\
        GROQ_SYSTEM_PROMPT=Você é um assistente, prestativo.\n\
        no line of ours\n\
        PORT=3002\r\n";
    let read = dotenv::parse(file);
    for (name, value) in [
        ("PORT", "3002"),
        ("HEADLESS", "false"),
        ("CHROME_PATH", "C:\\\\Program Files\\\\Google\\\\chrome.exe"),
        ("ZAPNODE_CHROME_ARGS", "--a=b --c='d e'"),
    ] {
        assert_eq!(read.get(name), Some(value), "{name}");
    }
    let none = Variables::default();
    let settings = Settings::merge(&Flags::default(), &none, &read, &around()).expect("good");
    assert_eq!((settings.port, settings.headless), (3002, false));
}

#[test]
fn stop_words_are_the_usual_ones_or_others_or_none() {
    let of = |pairs: Pairs<'_>| from_environment(pairs).expect("a setting");
    let name = "ZAPNODE_STOP_WORDS";
    assert!(of(&[]).stop_words.are_in("sair"));
    let chosen = of(&[(name, "Chega, não mais")]);
    assert!(chosen.stop_words.are_in("NAO MAIS!") && !chosen.stop_words.are_in("sair"));
    for empty in ["", "  "] {
        let none = of(&[(name, empty)]);
        assert!(!none.stop_words.are_in("sair"));
        assert_eq!(shown(&none, name), (String::new(), Source::Environment));
    }
    let none = merged(&Flags::default(), &[], &[(name, "")]).expect("a setting");
    assert_eq!(shown(&none, name).1, Source::DotEnv);
    let long = "x".repeat(65);
    assert!(from_environment(&[(name, &long)]).is_err());
}

#[test]
fn a_webhook_by_our_names_and_by_waha_s() {
    let ours = from_environment(&[
        ("ZAPNODE_WEBHOOK_URL", "http://chatwoot:3000/hook"),
        ("ZAPNODE_WEBHOOK_EVENTS", "message, session.status"),
        ("ZAPNODE_WEBHOOK_SECRET", "my-secret-key"),
        ("WHATSAPP_HOOK_URL", "http://not-this-one/"),
    ])
    .expect("good");
    let options = ours.manager_options().webhooks;
    let hook = options.configured.expect("configured");
    assert_eq!(hook.url, "http://chatwoot:3000/hook");
    assert_eq!(hook.events, ["message", "session.status"]);
    assert_eq!(hook.secret.as_deref(), Some("my-secret-key"));
    assert!(!options.allow_private);
    assert_eq!(
        shown(&ours, "ZAPNODE_WEBHOOK_SECRET").0,
        "********",
        "a secret is not shown"
    );

    let theirs = from_environment(&[
        ("WHATSAPP_HOOK_URL", "https://example.com/hook"),
        ("WHATSAPP_HOOK_EVENTS", "message"),
        ("WHATSAPP_HOOK_HMAC_KEY", "their-secret-key"),
        ("ZAPNODE_ALLOW_PRIVATE_ADDRESSES", "true"),
    ])
    .expect("good");
    let options = theirs.manager_options().webhooks;
    assert!(options.allow_private);
    let hook = options.configured.expect("configured");
    assert_eq!(hook.url, "https://example.com/hook");
    assert_eq!(hook.secret.as_deref(), Some("their-secret-key"));

    let none = from_environment(&[]).expect("good");
    assert!(none.manager_options().webhooks.configured.is_none());
    for (name, value) in [
        ("ZAPNODE_WEBHOOK_URL", "chatwoot"),
        ("WHATSAPP_HOOK_URL", "https://user:password@example.com/"),
        ("ZAPNODE_WEBHOOK_EVENTS", "mesage"),
        ("ZAPNODE_WEBHOOK_SECRET", "short"),
    ] {
        let error = from_environment(&[(name, value)]).expect_err(name);
        assert!(error.name.contains(name), "{error}");
    }
}

#[test]
fn files_have_limits_a_time_and_a_rule() {
    let of = |pairs: Pairs<'_>| {
        from_environment(pairs)
            .expect("good")
            .manager_options()
            .media
    };
    let usual = of(&[]);
    assert_eq!(usual.limits.document, 100 << 20);
    assert_eq!(usual.kept, Some(Duration::from_secs(30 * 24 * 3600)));
    assert!(usual.download.kinds.is_empty() && !usual.allow_private);
    assert_eq!(usual.ffmpeg, None, "none was found around");

    let chosen = of(&[
        ("ZAPNODE_MEDIA_MAX_MB", "2048"),
        ("ZAPNODE_MEDIA_DAYS", "0"),
        ("ZAPNODE_MEDIA_DOWNLOAD", "image, voice"),
        ("ZAPNODE_MEDIA_DOWNLOAD_MAX_MB", "2"),
        ("ZAPNODE_FFMPEG", "/opt/ffmpeg"),
        ("ZAPNODE_ALLOW_PRIVATE_ADDRESSES", "true"),
    ]);
    assert_eq!((chosen.limits.document, chosen.kept), (2048 << 20, None));
    assert_eq!(chosen.download.kinds, ["image", "ptt"]);
    assert_eq!(chosen.download.up_to, Some(2 << 20));
    assert_eq!(chosen.ffmpeg.as_deref(), Some(Path::new("/opt/ffmpeg")));
    assert!(chosen.allow_private);
    let all = of(&[("ZAPNODE_MEDIA_DOWNLOAD", "all")]).download.kinds;
    assert_eq!(
        all,
        ["image", "video", "audio", "ptt", "document", "sticker"]
    );

    let found = Surroundings {
        ffmpeg: Some(PathBuf::from("/usr/bin/ffmpeg")),
        ..around()
    };
    let none = Variables::default();
    let merge = |environment: &Variables| {
        let merged = Settings::merge(&Flags::default(), environment, &none, &found);
        merged.expect("good").media.ffmpeg
    };
    assert_eq!(merge(&none).as_deref(), Some(Path::new("/usr/bin/ffmpeg")));
    assert_eq!(merge(&dotenv::parse("ZAPNODE_FFMPEG=off")), None);

    let region = from_environment(&[("ZAPNODE_REGION", "ao")])
        .expect("good")
        .region;
    assert_eq!(
        region.map(|region| region.to_string()).as_deref(),
        Some("AO")
    );
    for (name, value) in [
        ("ZAPNODE_MEDIA_MAX_MB", "0"),
        ("ZAPNODE_MEDIA_MAX_MB", "4096"),
        ("ZAPNODE_MEDIA_DAYS", "-1"),
        ("ZAPNODE_MEDIA_DOWNLOAD", "pictures"),
        ("ZAPNODE_REGION", "Angola"),
    ] {
        let error = from_environment(&[(name, value)]).expect_err(name);
        assert!(error.name.contains(name), "{error}");
    }
}

#[test]
fn calls_ring_unless_the_environment_says_otherwise() {
    let usual = from_environment(&[]).expect("settings").manager_options();
    assert!(!usual.reject_calls.on && usual.reject_calls.text.is_none());
    let pairs = [
        ("ZAPNODE_REJECT_CALLS", "true"),
        ("ZAPNODE_REJECT_CALLS_TEXT", " Escreva, por favor. "),
    ];
    let chosen = from_environment(&pairs)
        .expect("settings")
        .manager_options();
    assert!(chosen.reject_calls.on);
    let text = chosen.reject_calls.text.as_deref();
    assert_eq!(text, Some("Escreva, por favor."));
    let long = "x".repeat(4097);
    let refused = from_environment(&[("ZAPNODE_REJECT_CALLS_TEXT", &long)]);
    assert!(refused.is_err());
}
