//! The table of routes.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post, put};

use crate::app::App;
use crate::error::ApiError;
use crate::layers;

mod acts;
mod bulk;
mod channels;
mod chats;
mod chatwoot;
mod contacts;
mod content;
mod database;
mod events;
mod groups;
mod health;
mod labels;
mod media;
mod messages;
mod optouts;
mod pools;
mod sessions;
mod stories;
mod webhook;
mod webhooks;

/// Every path with what may be done there.
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    use sessions::{change, control, create, diagnose, login, read};
    vec![
        ("/", get(health::welcome)),
        ("/health", get(health::health)),
        ("/livez", get(health::live)),
        ("/readyz", get(health::ready)),
        ("/backup", post(database::backup)),
        ("/database/cleanup", post(database::cleanup)),
        ("/sessions", get(read::list).post(create::create)),
        (
            "/sessions/{id}",
            get(read::one).patch(change::change).delete(control::delete),
        ),
        ("/sessions/{id}/status", get(read::status)),
        ("/sessions/{id}/start", post(control::start)),
        ("/sessions/{id}/stop", post(control::stop)),
        ("/sessions/{id}/restart", post(control::restart)),
        ("/sessions/{id}/logout", post(control::log_out)),
        ("/sessions/{id}/qr", get(login::qr)),
        ("/sessions/{id}/pairing-code", post(login::pairing_code)),
        ("/sessions/{id}/screenshot", get(diagnose::screenshot)),
        ("/sessions/{id}/diagnostics", get(diagnose::diagnostics)),
        ("/sessions/{id}/history", get(diagnose::history)),
        ("/sessions/{id}/failure", get(diagnose::failure)),
        (
            "/sessions/{id}/failure/screenshot",
            get(diagnose::failure_screenshot),
        ),
        ("/sessions/{id}/send", post(messages::send)),
        (
            "/sessions/{id}/messages",
            get(messages::history).post(content::send),
        ),
        ("/sessions/{id}/media", post(media::upload)),
        ("/media/{id}", get(media::file)),
        (
            "/messages/{id}/media",
            get(media::of_message).post(media::ask_phone),
        ),
        ("/sessions/{id}/messages/bulk", post(bulk::create)),
        ("/sessions/{id}/queue", get(messages::queue)),
        ("/sessions/{id}/chats", get(chats::list)),
        ("/sessions/{id}/chats/overview", get(chats::overview)),
        (
            "/sessions/{id}/chats/{chat}",
            get(chats::one).patch(chats::change).delete(chats::delete),
        ),
        (
            "/sessions/{id}/chats/{chat}/messages",
            get(chats::messages).delete(chats::clear),
        ),
        ("/sessions/{id}/search", get(chats::search)),
        ("/sessions/{id}/contacts", get(contacts::list)),
        ("/sessions/{id}/contacts/{contact}", get(contacts::one)),
        (
            "/sessions/{id}/contacts/{contact}/about",
            get(contacts::about),
        ),
        (
            "/sessions/{id}/contacts/{contact}/picture",
            get(contacts::picture),
        ),
        (
            "/sessions/{id}/contacts/{contact}/business",
            get(contacts::business),
        ),
        (
            "/sessions/{id}/contacts/{contact}/block",
            put(contacts::block).delete(contacts::unblock),
        ),
        ("/sessions/{id}/blocked", get(contacts::blocked)),
        (
            "/sessions/{id}/check-numbers",
            post(contacts::check_numbers),
        ),
        ("/sessions/{id}/lids", get(contacts::lids)),
        ("/sessions/{id}/lids/{contact}", get(contacts::lid)),
        (
            "/sessions/{id}/profile",
            get(contacts::profile).patch(contacts::change_profile),
        ),
        (
            "/sessions/{id}/profile/picture",
            put(contacts::set_picture).delete(contacts::delete_picture),
        ),
        (
            "/sessions/{id}/calls/{call}/reject",
            post(contacts::reject_call),
        ),
        (
            "/messages/{id}",
            get(messages::one)
                .put(acts::edit)
                .patch(acts::edit)
                .delete(acts::delete),
        ),
        (
            "/messages/{id}/reaction",
            put(acts::react).delete(acts::unreact),
        ),
        ("/messages/{id}/star", put(acts::star).delete(acts::unstar)),
        ("/messages/{id}/pin", put(acts::pin).delete(acts::unpin)),
        ("/messages/{id}/vote", put(acts::vote)),
        ("/messages/{id}/answer", put(acts::answer)),
        ("/sessions/{id}/chats/{chat}/seen", post(acts::seen)),
        ("/sessions/{id}/chats/{chat}/unread", post(acts::unread)),
        ("/sessions/{id}/chats/{chat}/typing", post(acts::typing)),
        (
            "/sessions/{id}/chats/{chat}/recording",
            post(acts::recording),
        ),
        ("/sessions/{id}/chats/{chat}/paused", post(acts::paused)),
        ("/sessions/{id}/presence", put(acts::presence)),
        ("/send", post(pools::send)),
        ("/bulk", get(bulk::list)),
        ("/bulk/{id}", get(bulk::one)),
        ("/bulk/{id}/messages", get(bulk::messages)),
        ("/bulk/{id}/pause", post(bulk::pause)),
        ("/bulk/{id}/resume", post(bulk::resume)),
        ("/bulk/{id}/cancel", post(bulk::cancel)),
        ("/optouts", get(optouts::list)),
        (
            "/optouts/{number}",
            put(optouts::put).delete(optouts::delete),
        ),
        ("/pools", get(pools::list)),
        (
            "/pools/{name}",
            get(pools::one).put(pools::put).delete(pools::delete),
        ),
        ("/webhooks", get(webhooks::list).post(webhooks::create)),
        (
            "/webhooks/{id}",
            get(webhooks::one)
                .patch(webhooks::change)
                .delete(webhooks::delete),
        ),
        ("/webhooks/{id}/secret", get(webhooks::secret)),
        (
            "/webhooks/{id}/rotate-secret",
            post(webhooks::rotate_secret),
        ),
        ("/webhooks/{id}/test", post(webhooks::test)),
        ("/webhooks/{id}/replay", post(webhooks::replay)),
        ("/webhooks/{id}/deliveries", get(webhooks::deliveries)),
        (
            "/webhooks/{id}/deliveries/{delivery}/retry",
            post(webhooks::retry),
        ),
        ("/events", get(events::all)),
        ("/sessions/{id}/events", get(events::of_session)),
        ("/ws", get(events::web_socket)),
        (
            "/chatwoot/{id}",
            get(chatwoot::one)
                .put(chatwoot::set)
                .delete(chatwoot::remove),
        ),
        ("/chatwoot/{id}/check", post(chatwoot::check)),
        ("/chatwoot/{id}/webhook/{secret}", post(chatwoot::webhook)),
        ("/webhook", post(webhook::chatwoot).get(webhook::path)),
        ("/webhook/{secret}", post(webhook::with_secret)),
        ("/webhook/test", post(webhook::test)),
        // Where the original really served them: it mounted its router twice.
        ("/webhook/webhook", post(webhook::chatwoot)),
        ("/webhook/webhook/test", post(webhook::test)),
    ]
}

/// The routes with what happens to every request.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    let all = table()
        .into_iter()
        .chain(groups::table())
        .chain(channels::table())
        .chain(labels::table())
        .chain(stories::table());
    for (path, methods) in all {
        if path != "/" {
            // The original's framework did not mind a slash at the end.
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), layers::guard))
        .layer(from_fn_with_state(app.clone(), layers::observe))
        .with_state(app)
}

async fn not_found() -> ApiError {
    ApiError::no_such_route()
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this route does not know this method",
    )
    .hint("The Allow header names those it knows.")
}
