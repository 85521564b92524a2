//! A session's proxy: what Chrome is told at its start, and what the proxy is told when it asks who
//! comes (fact sheet §1.1).
//!
//! Chrome takes no user name and password on its command line, where every user of the machine could
//! read them. So it asks for them over the page channel. Only the loading of documents is watched
//! for that: once a proxy has let one pass, Chrome gives the same answer for everything else by
//! itself, and nothing else has to wait for us.

use std::collections::HashMap;

use headless_chrome::protocol::cdp::Fetch::{
    AuthChallengeResponse, AuthChallengeResponseResponse, AuthChallengeSource, ContinueRequest,
    ContinueWithAuth, Enable, RequestPattern,
};
use headless_chrome::protocol::cdp::Network::ResourceType;
use serde::Deserialize;

use crate::proxy::{Credentials, Proxy};

/// How many requests under way are remembered; of one page there are few.
const MOST_REMEMBERED: usize = 256;

/// What is said of a proxy that did not take the credentials.
pub(super) const REFUSED: &str = "the proxy refused the user name or password";

/// Adds what sends everything of a session through its proxy. The page's address stays last.
pub(super) fn go_through(arguments: &mut Vec<String>, proxy: &Proxy) {
    let page = arguments.pop();
    arguments.push(format!("--proxy-server={}", proxy.server()));
    // Else Chrome goes to this machine's own addresses directly.
    arguments.push("--proxy-bypass-list=<-loopback>".to_owned());
    arguments.extend(page);
}

/// Has the browser ask us when a proxy wants to know who comes.
pub(super) fn watch() -> Enable {
    let documents = RequestPattern {
        url_pattern: Some("*".to_owned()),
        resource_Type: Some(ResourceType::Document),
        request_stage: None,
    };
    Enable {
        patterns: Some(vec![documents]),
        handle_auth_requests: Some(true),
    }
}

/// Lets a document be loaded.
pub(super) fn let_pass(params: &str) -> Option<ContinueRequest> {
    Some(ContinueRequest {
        request_id: request_id(params)?,
        url: None,
        method: None,
        post_data: None,
        headers: None,
        intercept_response: None,
    })
}

/// Tells proxies who comes.
#[derive(Debug, Default)]
pub(super) struct Doorman {
    credentials: Option<Credentials>,
    /// How often each request was asked about.
    asked: HashMap<String, u32>,
}

impl Doorman {
    pub(super) fn new(proxy: Option<&Proxy>) -> Self {
        Self {
            credentials: proxy.and_then(Proxy::credentials).cloned(),
            asked: HashMap::new(),
        }
    }

    /// Whether there is anything to tell.
    pub(super) fn is_needed(&self) -> bool {
        self.credentials.is_some()
    }

    /// The answer to a question, and whether the credentials were refused. A site that asks is none
    /// of ours to answer.
    pub(super) fn answer(&mut self, params: &str) -> Option<(ContinueWithAuth, bool)> {
        let request_id = request_id(params)?;
        let from_proxy = source(params) == Some(AuthChallengeSource::Proxy);
        if self.asked.len() >= MOST_REMEMBERED {
            self.asked.clear();
        }
        let times = self.asked.entry(request_id.clone()).or_default();
        *times += 1;
        // A second question says that the first answer was wrong.
        let first = *times == 1;
        let (response, known) = match &self.credentials {
            Some(known) if from_proxy && first => (
                AuthChallengeResponseResponse::ProvideCredentials,
                Some(known),
            ),
            Some(_) if from_proxy => (AuthChallengeResponseResponse::CancelAuth, None),
            _ => (AuthChallengeResponseResponse::Default, None),
        };
        let refused = response == AuthChallengeResponseResponse::CancelAuth;
        let answer = ContinueWithAuth {
            request_id,
            auth_challenge_response: AuthChallengeResponse {
                response,
                username: known.map(|known| known.user.clone()),
                password: known.map(|known| known.password.clone()),
            },
        };
        Some((answer, refused))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    request_id: String,
    auth_challenge: Option<Challenge>,
}

#[derive(Deserialize)]
struct Challenge {
    source: Option<AuthChallengeSource>,
}

fn request_id(params: &str) -> Option<String> {
    let asked: Asked = serde_json::from_str(params).ok()?;
    Some(asked.request_id)
}

fn source(params: &str) -> Option<AuthChallengeSource> {
    let asked: Asked = serde_json::from_str(params).ok()?;
    asked.auth_challenge?.source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_with_a_proxy_goes_nowhere_else() {
        let proxy: Proxy = "http://ana:secret@p.example.com:3128"
            .parse()
            .expect("a proxy");
        let mut arguments = vec!["--lang=pt".to_owned(), "about:blank".to_owned()];
        go_through(&mut arguments, &proxy);
        let expected = [
            "--lang=pt",
            "--proxy-server=http://p.example.com:3128",
            "--proxy-bypass-list=<-loopback>",
            "about:blank",
        ];
        assert_eq!(
            arguments, expected,
            "and no password where others can read it"
        );
    }

    #[test]
    fn a_proxy_is_told_once_and_nobody_else() {
        use AuthChallengeResponseResponse::{CancelAuth, Default, ProvideCredentials};
        let proxy: Proxy = "http://ana:secret@p.example.com".parse().expect("a proxy");
        let mut doorman = Doorman::new(Some(&proxy));
        assert!(doorman.is_needed());
        let asks = |id: &str, source: &str| {
            format!(
                r#"{{"requestId":"{id}","authChallenge":{{"source":"{source}","origin":"x","scheme":"basic","realm":"r"}}}}"#
            )
        };
        for (question, response, refused) in [
            (asks("1", "Proxy"), ProvideCredentials, false),
            (asks("2", "Proxy"), ProvideCredentials, false),
            (asks("1", "Proxy"), CancelAuth, true),
            (asks("3", "Server"), Default, false),
        ] {
            let (answer, was_refused) = doorman.answer(&question).expect("an answer");
            let told = answer.auth_challenge_response;
            let knows = response == ProvideCredentials;
            assert_eq!(told.response, response, "{question}");
            assert_eq!(told.password.is_some(), knows, "{question}");
            assert_eq!(was_refused, refused, "{question}");
        }
        assert!(doorman.answer("{}").is_none());
        let open: Proxy = "http://p.example.com".parse().expect("a proxy");
        assert!(!Doorman::new(Some(&open)).is_needed());
        assert!(!Doorman::new(None).is_needed());
    }
}
