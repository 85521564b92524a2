//! Errors of the API, in one place: which situation is which status, code and hint.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use zapnode_core::backup::BackupError;
use zapnode_core::bulk::InvalidRecipient;
use zapnode_core::driver::DriverError;
use zapnode_core::media::MediaError;
use zapnode_core::net::NetError;
use zapnode_core::outbox::FailureCode;
use zapnode_core::session::{Reason, SessionState};
use zapnode_core::store::StoreError;
use zapnode_core::{Error, SessionId, Standing};

use crate::model::{InvalidModel, ReasonModel, StandingModel, shown};

/// An answer that says no.
///
/// As a response it is only a status with this value attached: the outermost layer writes the body,
/// because only it knows the request's id.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    text: String,
    hint: Option<&'static str>,
    retry_after: Option<u32>,
    /// Boxed, because it is rare and large.
    not_ready: Option<Box<NotReady>>,
    /// Boxed for the same reason.
    details: Option<Box<Details>>,
}

/// What an answer to something that is made of several parts says of each.
#[derive(Clone, Debug)]
enum Details {
    Sessions(Vec<Standing>),
    Recipients(Vec<InvalidRecipient>),
}

/// What an answer to a session that is not ready says besides.
#[derive(Clone, Debug)]
struct NotReady {
    session: SessionId,
    status: &'static str,
    reason: Option<Reason>,
}

/// The body of an error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    success: bool,
    error: &'a str,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonModel<'a>>,
    /// How each of several sessions stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<StandingModel<'a>>>,
    /// What is wrong with which recipient: the first 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<Vec<InvalidModel>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid_count: Option<usize>,
}

impl ApiError {
    /// For a path that leads nowhere.
    pub(crate) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such route")
            .hint("GET / names the routes there are.")
    }

    /// An error with a text for people and a stable code for programs.
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        // Somebody who may come back is told when.
        let retry_after = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some(5),
            _ => None,
        };
        Self {
            status,
            code,
            text: text.into(),
            hint: None,
            retry_after,
            not_ready: None,
            details: None,
        }
    }

    /// 400 for a body, a query or a header that makes no sense.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", text)
    }

    /// 500, whose cause is for the log only.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong inside ZapNode",
        )
        .hint("The log has more under this requestId.")
    }

    /// 503 for something asked of a session that is in no state for it.
    pub fn not_ready(session: SessionId, state: &SessionState, reason: Option<Reason>) -> Self {
        let text = format!("Session {session} is not ready");
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "session_not_ready", text);
        // A state that ends by itself is worth another look soon; one that waits for a person not.
        error.retry_after = Some(match state {
            SessionState::Starting | SessionState::Syncing { .. } => 5,
            SessionState::Ready | SessionState::Recovering { .. } => 5,
            SessionState::Hibernating => 5,
            _ => 30,
        });
        error.hint = Some(match (&reason, state) {
            (_, SessionState::AwaitingLogin { .. }) => {
                "Scan the QR of GET /sessions/{id}/qr with the phone: Settings, Linked devices."
            }
            (Some(reason), _) => reason.code.hint(),
            (None, SessionState::Stopped) => "Start it: POST /sessions/{id}/start.",
            (None, SessionState::LoggedOut | SessionState::Failed) => {
                "Start it for a new QR: POST /sessions/{id}/start."
            }
            (None, _) => "Wait until GET /sessions/{id}/status says ready.",
        });
        error.not_ready = Some(Box::new(NotReady {
            session,
            status: state.as_str(),
            reason,
        }));
        error
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn with(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The status it answers with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The body, for the request of this id.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let not_ready = self.not_ready.as_deref();
        let invalid = match self.details.as_deref() {
            Some(Details::Recipients(all)) => Some(all),
            _ => None,
        };
        let body = ErrorBody {
            success: false,
            error: &self.text,
            code: self.code,
            request_id,
            hint: self.hint,
            session_id: not_ready.map(|n| &n.session),
            status: not_ready.map(|n| n.status),
            reason: not_ready.and_then(|n| n.reason.as_ref().map(ReasonModel::from)),
            sessions: match self.details.as_deref() {
                Some(Details::Sessions(all)) => Some(all.iter().map(StandingModel::from).collect()),
                _ => None,
            },
            invalid: invalid.map(|all| shown(all)),
            invalid_count: invalid.map(Vec::len),
        };
        // Only texts are in it, so it cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::SessionNotFound { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "session_not_found",
                "Session not found",
            )
            .hint("GET /sessions lists the sessions there are."),
            Error::SessionExists { .. } => Self::new(StatusCode::CONFLICT, "session_exists", text)
                .hint("Delete it first, or create it with the options it has."),
            Error::SessionLimitReached { .. } => {
                Self::new(StatusCode::CONFLICT, "session_limit_reached", text)
                    .hint("Delete a session, or raise ZAPNODE_MAX_SESSIONS.")
            }
            Error::NotReady { id, state, reason } => Self::not_ready(id, &state, reason),
            Error::SendFailed { failure, .. }
                if failure.code == FailureCode::NotSupportedByPage =>
            {
                // It names the part of the page that is missing.
                Self {
                    text: failure.detail,
                    ..failure.code.into()
                }
            }
            Error::SendFailed { failure, .. } => failure.code.into(),
            Error::IdempotencyMismatch => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_mismatch",
                text,
            )
            .hint(
                "Use a new Idempotency-Key for each message, and the same one only to repeat it.",
            ),
            Error::MessageNotFound => Self::new(StatusCode::NOT_FOUND, "message_not_found", text),
            Error::ChatNotFound => Self::new(StatusCode::NOT_FOUND, "chat_not_found", text)
                .hint("GET /sessions/{id}/chats lists the chats there are."),
            Error::ContactNotFound => Self::new(StatusCode::NOT_FOUND, "contact_not_found", text),
            Error::CallNotFound => Self::new(StatusCode::NOT_FOUND, "call_not_found", text)
                .hint("It may be over. For one from before the page was loaded anew, name `from`."),
            Error::InvalidProfile(_) => Self::invalid(text),
            Error::NotCancellable { .. } | Error::NotTakenBack { .. } => {
                Self::new(StatusCode::CONFLICT, "message_not_cancellable", text)
            }
            Error::NotSentYet { .. } => {
                Self::new(StatusCode::CONFLICT, "message_not_sent", text).hint(
                    "DELETE /messages/{id} takes it out of the queue; then send what you want instead.",
                )
            }
            Error::InvalidMessage(text) => Self::invalid(text),
            Error::InvalidGroup(_) | Error::InvalidChannel(_) | Error::InvalidStatus(_) => {
                Self::invalid(text)
            }
            Error::InvalidTemplate(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_template", text)
                    .hint("A field reads {{name}}, or {{name|friend}} with a default.")
            }
            Error::InvalidRecipients(all) => {
                let error = Self::new(StatusCode::BAD_REQUEST, "invalid_recipients", text).hint(
                    "Nothing was accepted. Correct them; skipInvalid: true leaves out those that \
                     are no numbers.",
                );
                error.with(Details::Recipients(all))
            }
            Error::BulkNotFound => Self::new(StatusCode::NOT_FOUND, "bulk_not_found", text)
                .hint("GET /bulk lists the jobs there are."),
            Error::OptOutNotFound => Self::new(StatusCode::NOT_FOUND, "opt_out_not_found", text),
            Error::PoolNotFound { .. } => Self::new(StatusCode::NOT_FOUND, "pool_not_found", text)
                .hint("GET /pools lists the pools there are."),
            Error::NoneReady { sessions } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let error = Self::new(status, "session_not_ready", text)
                    .hint("GET /sessions says what each of them needs.");
                error.with(Details::Sessions(sessions))
            }
            Error::WaitTimeout { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", text),
            Error::Driver(error) => error.into(),
            Error::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", text)
            }
            Error::Store(error) => error.into(),
            Error::Media(error) => error.into(),
            Error::Backup(error) => error.into(),
            Error::Folder { source, path } => storage(&source, &path.display()),
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "internal error");
                Self::internal()
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let internal = |code, text| Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, text);
        // The store logs its own trouble, once.
        let answer = match &error {
            StoreError::Full(_) => storage_full(),
            StoreError::Damaged(_) => internal("storage_damaged", "the database is damaged"),
            StoreError::Io(_) => {
                internal("storage_failed", "the database cannot be written or read")
            }
            other => {
                tracing::error!(error = other as &dyn std::error::Error, "internal error");
                Self::internal()
            }
        };
        match error.hint() {
            Some(hint) => answer.hint(hint),
            None => answer,
        }
    }
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        let text = error.to_string();
        let unprocessable = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text.clone());
        match error {
            MediaError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", text)
                    .hint("Send it smaller; larger files can be sent as a document, up to ZAPNODE_MEDIA_MAX_MB.")
            }
            MediaError::Empty | MediaError::NotBase64 | MediaError::Broken { .. } => {
                Self::invalid(text)
            }
            MediaError::Slow { .. } => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", text)
            }
            MediaError::WrongKind { .. } => unprocessable("wrong_media_type")
                .hint("Send it as type document, which takes any file."),
            MediaError::NeedsFfmpeg { .. } => unprocessable("ffmpeg_missing").hint(
                "Install ffmpeg on the machine of ZapNode (or set ZAPNODE_FFMPEG), or send it in the format WhatsApp wants.",
            ),
            MediaError::Unconvertible { .. } => unprocessable("media_not_convertible")
                .hint("Check that the file opens elsewhere, or convert it yourself."),
            MediaError::ConversionTimeout { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", text)
                    .hint("Send a shorter one, or convert it yourself.")
            }
            MediaError::Fetch(NetError::PrivateAddress { .. } | NetError::InvalidUrl(_)) => {
                Self::invalid(text).hint(
                    "Name a public address; ZAPNODE_ALLOW_PRIVATE_ADDRESSES=true allows private ones.",
                )
            }
            MediaError::Fetch(_) | MediaError::FetchRefused { .. } => {
                unprocessable("media_not_fetched")
                    .hint("Check that the address gives the file to anybody, or upload the file.")
            }
            MediaError::NotFound => Self::new(StatusCode::NOT_FOUND, "media_not_found", text),
            MediaError::Io { source, path } => storage(&source, &path.display()),
            MediaError::Store(error) => error.into(),
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "internal error");
                Self::internal()
            }
        }
    }
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        if error.is_no_room() {
            return storage_full().hint("A backup needs room for itself and for a copy of the database in the data folder until it is sent.");
        }
        match error {
            BackupError::Running => Self::new(
                StatusCode::CONFLICT,
                "backup_running",
                "another backup is being made",
            )
            .hint("Ask again when it has ended."),
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "a backup failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "backup_failed",
                    "the backup could not be made",
                )
                .hint("The log has more under this requestId.")
            }
        }
    }
}

impl From<FailureCode> for ApiError {
    fn from(code: FailureCode) -> Self {
        let failed = |status, text| Self::new(status, code.as_str(), text);
        match code {
            FailureCode::NumberNotOnWhatsApp => not_on_whatsapp(),
            FailureCode::NotSupportedByPage => failed(
                StatusCode::NOT_IMPLEMENTED,
                "WhatsApp's page lacks what this message needs",
            )
            .hint("WhatsApp Web has changed; see GET /sessions/{id}/diagnostics."),
            FailureCode::MediaUnusable => failed(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the file cannot be sent",
            )
            .hint("GET /messages/{id} says what is wrong with it; as a document any file goes."),
            FailureCode::LoggedOut | FailureCode::SessionRemoved => failed(
                StatusCode::CONFLICT,
                "the session ended before the message was sent",
            ),
            FailureCode::Restored => failed(
                StatusCode::CONFLICT,
                "it was not sent when the backup was made; whether it was sent later cannot be known",
            )
            .hint("Look on the phone; if it is not there, send it again under a new Idempotency-Key."),
            FailureCode::RateLocked | FailureCode::ReachoutLocked => failed(
                StatusCode::TOO_MANY_REQUESTS,
                "WhatsApp limits what this account may send",
            )
            .hint("Wait, send less, and write to people who wrote to you; see pace."),
            FailureCode::AccountRestricted => failed(
                StatusCode::FORBIDDEN,
                "WhatsApp has restricted this account",
            )
            .hint("Open WhatsApp on the phone; it says for how long."),
            FailureCode::ContactBlocked => failed(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this account has blocked that contact",
            )
            .hint("Unblock them in WhatsApp on the phone."),
            FailureCode::Unconfirmed => failed(
                StatusCode::GATEWAY_TIMEOUT,
                "WhatsApp's server did not confirm the message",
            )
            .hint("It may still arrive: GET /messages/{id} tells. Do not send it anew before."),
            _ => Self::new(
                StatusCode::BAD_GATEWAY,
                "message_failed",
                "WhatsApp did not take the message",
            ),
        }
    }
}

impl From<DriverError> for ApiError {
    fn from(error: DriverError) -> Self {
        let text = error.to_string();
        let bad_gateway = |code| Self::new(StatusCode::BAD_GATEWAY, code, text.clone());
        match error {
            DriverError::BrowserNotAllowed { .. } => Self::new(
                StatusCode::FORBIDDEN,
                "chrome_path_not_allowed",
                "this chromePath is not allowed",
            )
            .hint("Add the path to ZAPNODE_CHROME_ALLOW, or leave chromePath away."),
            DriverError::NoDisplay => Self::new(StatusCode::BAD_REQUEST, "no_display", text)
                .hint("Use headless: true, or start ZapNode where a display exists."),
            DriverError::BrowserNotFound { .. } => bad_gateway("browser_not_found")
                .hint("Install Chromium or Google Chrome, or set CHROME_PATH to the one you have."),
            DriverError::ProfileInUse { .. } => {
                Self::new(StatusCode::CONFLICT, "profile_in_use", text)
                    .hint("End the other program that uses this profile.")
            }
            DriverError::LaunchFailed { .. } => bad_gateway("launch_failed"),
            DriverError::PageUnreachable { .. } => bad_gateway("page_unreachable"),
            DriverError::MissingParts { .. } | DriverError::Unsupported { .. } => {
                Self::new(StatusCode::NOT_IMPLEMENTED, "not_supported_by_page", text)
                    .hint("WhatsApp Web has changed; see GET /sessions/{id}/diagnostics.")
            }
            DriverError::MessageUnknown { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "message_not_found",
                "WhatsApp's page does not know this message",
            )
            .hint("It may be deleted there, or older than what the phone has given to the page."),
            DriverError::GroupUnknown { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "group_not_found",
                "this account has no such group",
            )
            .hint("GET /sessions/{id}/groups lists the groups it is in."),
            DriverError::ChannelUnknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, "channel_not_found", text)
                    .hint("GET /sessions/{id}/channels lists those it follows.")
            }
            DriverError::LabelUnknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, "label_not_found", text)
                    .hint("GET /sessions/{id}/labels lists the labels there are.")
            }
            DriverError::InviteUnknown => {
                Self::new(StatusCode::NOT_FOUND, "invite_not_found", text)
                    .hint("Ask for a new link; the old one may have been revoked.")
            }
            DriverError::NotAllowed { why, .. } => {
                Self::new(StatusCode::CONFLICT, "not_allowed", why)
            }
            DriverError::WrongMoment { .. } => {
                Self::new(StatusCode::CONFLICT, "wrong_moment", text)
            }
            DriverError::Interrupted { .. } => bad_gateway("driver_failed")
                .hint("It may have been done all the same; look before you ask again."),
            DriverError::LaunchTimeout { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", text)
            }
            DriverError::TimedOut { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", text)
                .hint("It may have been done all the same; look before you ask again."),
            DriverError::NotOnWhatsApp { .. } => not_on_whatsapp(),
            DriverError::ContactBlocked { .. } => FailureCode::ContactBlocked.into(),
            DriverError::ServerRefused { .. } => bad_gateway("driver_failed")
                .hint("WhatsApp's server said no; the text has its words."),
            DriverError::NoMedia { .. } => Self::new(StatusCode::NOT_FOUND, "no_media", text),
            DriverError::MediaExpired { asked, .. } => {
                let gone = Self::new(StatusCode::GONE, "media_expired", text);
                match asked {
                    false => {
                        gone.hint("POST /messages/{id}/media asks the phone to upload it again.")
                    }
                    true => gone,
                }
            }
            DriverError::MediaUnusable { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "media_unusable", text)
            }
            DriverError::UploadFailed { .. } => bad_gateway("upload_failed"),
            DriverError::FileNotWritten { source, path } => storage(&source, &path.display()),
            DriverError::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "session_not_ready", text)
            }
            DriverError::Storage { source, path } => storage(&source, &path.display()),
            _ => bad_gateway("driver_failed"),
        }
    }
}

/// The number is not repeated: who asked knows it, and answers end up in logs.
fn not_on_whatsapp() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "number_not_on_whatsapp",
        "this number is not on WhatsApp",
    )
    .hint("Numbers are international: country code first, as 244929782402.")
}

fn storage(error: &std::io::Error, path: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, %path, "files could not be handled");
    match error.kind() {
        std::io::ErrorKind::StorageFull => storage_full(),
        _ => ApiError::internal(),
    }
}

fn storage_full() -> ApiError {
    ApiError::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "storage_full",
        "there is no space left on the disk",
    )
    .hint("Make room on the disk of the data folder; then ask again.")
}
