//! An HTTP client that believes nobody: the address is judged after DNS and connected to as it was
//! judged, redirects stay on their host, every wait has an end, and an answer is read only so far.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, LOCATION};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::Url;

use super::connect::{ConnectFailed, Connector, host_of, port_of, private, resolve};
use super::error::NetError;
use super::guard::Policy;

/// The most redirects that are followed, all on the same host.
pub(super) const REDIRECTS: usize = 3;
/// The longest URL.
const LONGEST_URL: usize = 2048;
/// How long an idle connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(20);

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For DNS, and for each connection that is tried.
    pub connect: Duration,
    /// From the beginning to the head of the answer.
    pub answer: Duration,
    /// From the beginning to the end of the answer.
    pub total: Duration,
    /// How many bytes of the answer's body are read. The rest is not waited for.
    pub body: usize,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(15),
            total: Duration::from_secs(20),
            body: 64 * 1024,
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// What was read of its body.
    pub body: Bytes,
    /// Whether the body ended where `body` ends. Not so if it was too long or too slow, or was cut.
    pub complete: bool,
}

/// Reads a URL that somebody else chose.
///
/// # Errors
/// [`NetError::InvalidUrl`] with words for whoever wrote it.
pub fn check_url(text: &str) -> Result<Url, NetError> {
    let refuse = |why| Err(NetError::InvalidUrl(why));
    if text.len() > LONGEST_URL {
        return refuse("a url has at most 2048 characters");
    }
    let Ok(mut url) = Url::parse(text.trim()) else {
        return refuse("url must be an address such as https://example.com/hook");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("url must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            "a url must not carry a user name or password, since it is shown and logged; put them \
             into headers, as {\"Authorization\": \"Basic …\"}",
        );
    }
    if url.port() == Some(0) {
        return refuse("a url must not name port 0");
    }
    url.set_fragment(None);
    Ok(url)
}

type Inner = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    public_only: Inner,
    any: Inner,
    timeouts: Timeouts,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client with these bounds. Certificates are believed that Mozilla's list believes, and
    /// `more_roots` (DER), as of a company's own authority.
    pub fn new(timeouts: Timeouts, more_roots: &[Vec<u8>]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let (_, refused) =
            roots.add_parsable_certificates(more_roots.iter().cloned().map(CertificateDer::from));
        if refused > 0 {
            tracing::warn!(refused, "certificates of authorities could not be read");
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            // ring knows both versions that rustls asks for.
            .unwrap_or_else(|_| ClientConfig::builder())
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = |policy| {
            let connector = hyper_rustls::HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(Connector {
                    policy,
                    within: timeouts.connect,
                });
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(8)
                // A head as large as we would send ourselves is large enough.
                .http1_max_buf_size(64 * 1024)
                .build(connector)
        };
        Self {
            public_only: client(Policy::PublicOnly),
            any: client(Policy::Any),
            timeouts,
        }
    }

    /// Asks, and reads the answer within the bounds. Redirects on the same host are followed with
    /// the same method and body.
    ///
    /// # Errors
    /// Why there was no answer. An answer that says no is none.
    pub async fn send(
        &self,
        policy: Policy,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Received, NetError> {
        let began = Instant::now();
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let answer = self
                .once(policy, &method, &url, &headers, &body, began)
                .await?;
            if !is_redirect(answer.status()) {
                return Ok(self.read(answer, began).await);
            }
            let Some(target) = answer.headers().get(LOCATION) else {
                return Ok(self.read(answer, began).await);
            };
            url = follow(&url, target.as_bytes())?;
        }
        Err(NetError::TooManyRedirects)
    }

    async fn once(
        &self,
        policy: Policy,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &Bytes,
        began: Instant,
    ) -> Result<Response<Incoming>, NetError> {
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|_| NetError::InvalidUrl("this url cannot be called"))?;
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        let client = match policy {
            Policy::PublicOnly => &self.public_only,
            Policy::Any => &self.any,
        };
        let end = began + self.timeouts.answer;
        match timeout_at(end, client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(named(error, url)),
            Err(_) => Err(NetError::Timeout {
                after: self.timeouts.answer,
            }),
        }
    }

    async fn read(&self, answer: Response<Incoming>, began: Instant) -> Received {
        let (head, mut body) = answer.into_parts();
        let mut kept = Vec::new();
        let mut complete = false;
        let reading = async {
            loop {
                match body.frame().await {
                    None => {
                        complete = true;
                        return;
                    }
                    Some(Err(_)) => return,
                    Some(Ok(frame)) => {
                        let Ok(data) = frame.into_data() else {
                            continue;
                        };
                        let room = self.timeouts.body - kept.len();
                        kept.extend_from_slice(&data[..data.len().min(room)]);
                        if data.len() > room {
                            return;
                        }
                    }
                }
            }
        };
        // The head is an answer already; a body that does not end makes it none the less one.
        let _ = timeout_at(began + self.timeouts.total, reading).await;
        Received {
            status: head.status,
            headers: head.headers,
            body: kept.into(),
            complete,
        }
    }
}

/// Looks a URL's host up and says whether it may be called now. For a clear answer early; what
/// counts is what [`HttpClient::send`] finds each time.
///
/// # Errors
/// [`NetError::PrivateAddress`] when any of its addresses is refused. A name that cannot be
/// resolved (yet) is not refused here.
pub async fn check_target(policy: Policy, url: &Url, within: Duration) -> Result<(), NetError> {
    if policy == Policy::Any {
        return Ok(());
    }
    let host = host_of(url);
    let addresses = match resolve(&host, port_of(url), within).await {
        Ok(addresses) => addresses,
        Err(_) => return Ok(()),
    };
    match addresses.iter().find(|a| !policy.allows(a.ip())) {
        Some(refused) => Err(private(&host, refused.ip())),
        None => Ok(()),
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 307 | 308)
}

/// Where a redirect leads, if it may be followed.
fn follow(from: &Url, location: &[u8]) -> Result<Url, NetError> {
    let elsewhere = |to: &str| NetError::RedirectElsewhere { to: to.to_owned() };
    let text = std::str::from_utf8(location).map_err(|_| elsewhere("an unreadable address"))?;
    let to = from
        .join(text)
        .map_err(|_| elsewhere("an unreadable address"))?;
    let to = check_url(to.as_str()).map_err(|_| elsewhere("an address that cannot be called"))?;
    let upgrade = from.scheme() == "http"
        && to.scheme() == "https"
        && to.port().is_none()
        && from.port().is_none();
    let same_origin =
        from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    if from.host() != to.host() || !(same_origin || upgrade) {
        return Err(elsewhere(&to.origin().ascii_serialization()));
    }
    Ok(to)
}

/// Finds our own error in what the client made of it.
fn named(error: hyper_util::client::legacy::Error, url: &Url) -> NetError {
    let connecting = error.is_connect();
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if let Some(ours) = inner.downcast_ref::<ConnectFailed>() {
            if let Some(ours) = ours.take() {
                return ours;
            }
            break;
        }
        source = inner.source();
    }
    if connecting {
        return NetError::Tls {
            host: host_of(url),
            source: Box::new(error),
        };
    }
    NetError::Closed {
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::AddressKind;
    use super::*;

    #[test]
    fn urls_that_may_be_named() {
        let table = [
            (
                "https://example.com/hook?x=1#part",
                Ok("https://example.com/hook?x=1"),
            ),
            ("HTTP://Example.COM", Ok("http://example.com/")),
            // Forms in which attackers write 127.0.0.1 are read as what they are.
            ("http://0x7f.1/", Ok("http://127.0.0.1/")),
            ("http://2130706433/", Ok("http://127.0.0.1/")),
            (
                "http://[::ffff:7f00:1]:8080/",
                Ok("http://[::ffff:7f00:1]:8080/"),
            ),
            ("ftp://example.com/", Err("http:// or https://")),
            ("file:///etc/passwd", Err("http:// or https://")),
            ("javascript:alert(1)", Err("http:// or https://")),
            ("example.com/hook", Err("must be an address")),
            ("", Err("must be an address")),
            ("http://", Err("must be an address")),
            (
                "https://ana:secret@example.com/",
                Err("user name or password"),
            ),
            ("https://ana@example.com/", Err("user name or password")),
            ("http://example.com:0/", Err("port 0")),
        ];
        for (text, expected) in table {
            match (check_url(text), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected, "{text}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{text}: {error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn redirects_stay_where_they_were() {
        let table = [
            ("http://a.example/x", "/y", Some("http://a.example/y")),
            (
                "http://a.example/x",
                "https://a.example/x",
                Some("https://a.example/x"),
            ),
            (
                "http://a.example:8080/x",
                "http://a.example:8080/y",
                Some("http://a.example:8080/y"),
            ),
            ("http://a.example/x", "http://b.example/x", None),
            ("http://a.example/x", "http://a.example:22/x", None),
            ("http://a.example:8080/x", "https://a.example/x", None),
            ("https://a.example/x", "http://a.example/x", None),
            ("http://a.example/x", "//169.254.169.254/latest", None),
            ("http://a.example/x", "file:///etc/passwd", None),
            ("http://a.example/x", "http://u:p@a.example/x", None),
        ];
        for (from, location, expected) in table {
            let from = Url::parse(from).expect("a url");
            let found = follow(&from, location.as_bytes());
            assert_eq!(found.as_ref().ok().map(Url::as_str), expected, "{location}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_after_its_lookup() {
        let client = HttpClient::new(Timeouts::default(), &[]);
        for text in [
            "http://127.0.0.1:9/",
            "http://localhost:9/",
            "http://[::1]:9/",
        ] {
            let url = check_url(text).expect("a url");
            let early = check_target(Policy::PublicOnly, &url, Duration::from_secs(5)).await;
            assert!(
                matches!(early, Err(NetError::PrivateAddress { .. })),
                "{text}: {early:?}"
            );
            let sent = client.send(
                Policy::PublicOnly,
                Method::POST,
                &url,
                HeaderMap::new(),
                Bytes::new(),
            );
            match sent.await {
                Err(NetError::PrivateAddress {
                    kind: AddressKind::Loopback,
                    ..
                }) => {}
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    /// With the crates that the sandbox makes its own certificate with.
    #[cfg(feature = "sandbox")]
    #[tokio::test]
    async fn a_certificate_is_believed_only_from_an_authority_that_is() {
        use hyper_util::rt::TokioIo;
        use tokio::net::TcpListener;
        use tokio_rustls::TlsAcceptor;
        use tokio_rustls::rustls::ServerConfig;
        use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let root = made.cert.der().to_vec();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let service = hyper::service::service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(
                        "hello",
                    ))))
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let ask = |roots: &[Vec<u8>], host: &str| {
            let client = HttpClient::new(Timeouts::default(), roots);
            let url = check_url(&format!("https://{host}:{port}/")).expect("a url");
            async move {
                let (headers, body) = (HeaderMap::new(), Bytes::new());
                client
                    .send(Policy::Any, Method::POST, &url, headers, body)
                    .await
            }
        };
        let received = ask(std::slice::from_ref(&root), "localhost")
            .await
            .expect("an answer");
        assert_eq!((&*received.body, received.complete), (&b"hello"[..], true));
        for (roots, host) in [(vec![], "localhost"), (vec![root], "127.0.0.1")] {
            match ask(&roots, host).await {
                Err(error @ NetError::Tls { .. }) => assert_eq!(error.code(), "tls_failed"),
                other => panic!("{host}: {other:?}"),
            }
        }
    }
}
