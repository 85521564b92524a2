//! A session's own way to WhatsApp.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

/// A proxy through which everything of one session goes. Written as
/// `http://user:password@proxy.example.com:8080`.
///
/// It is stored with its password, as the session's login is; whoever can read the data folder can
/// use both. Neither `Debug` nor [`shown`](Self::shown) has the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// How it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Socks4,
    Socks5,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
        }
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks4 | Self::Socks5 => 1080,
        }
    }
}

/// What a proxy asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.user)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.shown())
    }
}

/// A text that names no proxy. What was given is not repeated: it may have a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidProxy {
    /// It is no address.
    #[error(
        "a proxy reads http://user:password@host:port; http, https, socks4 or socks5, user and \
         password only with http and https"
    )]
    Address,
    /// It has credentials that the browser could not give.
    #[error(
        "Chrome gives no user and password to a SOCKS proxy; use one that knows you by address, or an http proxy"
    )]
    SocksCredentials,
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidProxy::Address)?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks4" => Scheme::Socks4,
            "socks5" => Scheme::Socks5,
            _ => return Err(InvalidProxy::Address),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidProxy::Address)?.to_owned();
        // It becomes part of a browser's argument, where these would end the address or the list.
        if host.contains([',', ';', '=', ' ', '"']) {
            return Err(InvalidProxy::Address);
        }
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        if !bare || url.fragment().is_some() || url.port() == Some(0) {
            return Err(InvalidProxy::Address);
        }
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| InvalidProxy::Address)
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) => return Err(InvalidProxy::Address),
            (user, password) => Some(Credentials {
                user: decoded(user)?,
                password: decoded(password.unwrap_or_default())?,
            }),
        };
        if credentials.is_some() && matches!(scheme, Scheme::Socks4 | Scheme::Socks5) {
            return Err(InvalidProxy::SocksCredentials);
        }
        Ok(Self {
            port: url.port().unwrap_or_else(|| scheme.usual_port()),
            scheme,
            host,
            credentials,
        })
    }
}

impl TryFrom<String> for Proxy {
    type Error = InvalidProxy;

    fn try_from(text: String) -> Result<Self, InvalidProxy> {
        text.parse()
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode as encode};
        let Proxy {
            scheme, host, port, ..
        } = &proxy;
        let who = proxy.credentials.as_ref().map(|known| {
            let user = encode(&known.user, NON_ALPHANUMERIC);
            let password = encode(&known.password, NON_ALPHANUMERIC);
            format!("{user}:{password}@")
        });
        let who = who.unwrap_or_default();
        format!("{}://{who}{host}:{port}", scheme.as_str())
    }
}

impl Proxy {
    /// Its address alone, as `http://proxy.example.com:8080`.
    pub fn server(&self) -> String {
        format!("{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }

    /// What it asks for, if anything.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The same for people: without the password.
    pub fn shown(&self) -> String {
        match &self.credentials {
            None => self.server(),
            Some(Credentials { user, .. }) => {
                let (scheme, host, port) = (self.scheme.as_str(), &self.host, self.port);
                format!("{scheme}://{user}@{host}:{port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_written_back_and_shown_without_the_password() {
        for (text, server, shown) in [
            (
                "http://p.example.com:8080",
                "http://p.example.com:8080",
                "http://p.example.com:8080",
            ),
            (
                "https://p.example.com",
                "https://p.example.com:443",
                "https://p.example.com:443",
            ),
            (
                "http://p.example.com/",
                "http://p.example.com:80",
                "http://p.example.com:80",
            ),
            (
                "socks5://10.0.0.1",
                "socks5://10.0.0.1:1080",
                "socks5://10.0.0.1:1080",
            ),
            (
                " http://ana:p%40ss%3Aw@[::1]:3128 ",
                "http://[::1]:3128",
                "http://ana@[::1]:3128",
            ),
        ] {
            let proxy: Proxy = text.parse().expect("a proxy");
            assert_eq!(proxy.server(), server, "{text}");
            assert_eq!(proxy.shown(), shown, "{text}");
            let json = serde_json::to_string(&proxy).expect("json");
            let back: Proxy = serde_json::from_str(&json).expect("a proxy");
            assert_eq!(back, proxy, "{text}");
            assert!(!format!("{proxy:?}").contains("p@ss"), "{proxy:?}");
        }
        let proxy: Proxy = "http://ana:p%40ss%3Aw@h:1".parse().expect("a proxy");
        let known = proxy.credentials().expect("credentials");
        assert_eq!(
            (known.user.as_str(), known.password.as_str()),
            ("ana", "p@ss:w")
        );
        assert!(!format!("{known:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for text in [
            "",
            "p.example.com:8080",
            "ftp://p.example.com",
            "http://",
            "http://p.example.com:0",
            "http://p.example.com/path",
            "http://p.example.com?x=1",
            "http://:secret@p.example.com",
            "http://a;b",
            "javascript:alert(1)",
        ] {
            let read: Result<Proxy, _> = text.parse();
            assert_eq!(read.err(), Some(InvalidProxy::Address), "{text}");
        }
        let socks: Result<Proxy, _> = "socks5://a:b@h".parse();
        assert_eq!(socks.err(), Some(InvalidProxy::SocksCredentials));
    }
}
