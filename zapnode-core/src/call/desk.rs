//! Turns calls away where somebody wants that.

use std::sync::Weak;
use std::time::Duration;

use super::RejectCalls;
use crate::message::{Call, Recipient};
use crate::outbox::NewMessage;
use crate::session::SessionHandle;
use crate::session::handle::Shared;

/// A call that rings longer than this is not worth an answer any more.
const RINGS_AT_MOST: Duration = Duration::from_secs(60);

/// What is to be done about a call, and what its caller is told.
fn answer(rule: &RejectCalls, call: &Call) -> Option<Option<NewMessage>> {
    if !rule.on {
        return None;
    }
    let text = rule.text.as_ref().filter(|_| !call.is_group);
    let caller = call.from.phone.as_ref().unwrap_or(&call.from.id);
    Some(text.map(|text| NewMessage {
        // Whatever happens in between, one call is answered once.
        idempotency_key: Some(format!("call-{}", call.id)),
        ..NewMessage::text(recipient(caller), text)
    }))
}

/// A number is asked for anew; another name is a chat.
fn recipient(caller: &crate::id::ChatId) -> Recipient {
    match caller.phone() {
        Some(phone) => Recipient::Phone(phone),
        None => Recipient::Chat(caller.clone()),
    }
}

/// Looks after a call beside whatever else the session does.
pub(crate) fn watch(session: Weak<Shared>, call: &Call) {
    let Some(shared) = session.upgrade() else {
        return;
    };
    let chosen = shared.info.borrow().options.reject_calls.clone();
    let rule = chosen.unwrap_or_else(|| shared.reject_calls.clone());
    let Some(text) = answer(&rule, call) else {
        return;
    };
    let (id, from) = (call.id.clone(), call.from.id.clone());
    tokio::spawn(async move {
        let session = SessionHandle { shared };
        let rejecting = session.reject_call(&id, Some(&from));
        let rejected = tokio::time::timeout(RINGS_AT_MOST, rejecting).await;
        match rejected {
            Ok(Ok(())) => tracing::info!(session = %session.id(), "a call was turned away"),
            Ok(Err(error)) => {
                tracing::warn!(session = %session.id(), %error, "a call could not be turned away");
            }
            Err(_) => {
                tracing::warn!(session = %session.id(), "a call could not be turned away in time");
            }
        }
        // Also where it still rings: the text says why nobody answers.
        if let Some(text) = text
            && let Err(error) = session.submit(text).await
        {
            tracing::warn!(session = %session.id(), %error, "a caller could not be written to");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChatId;
    use crate::message::Person;

    fn call(from: &str, phone: Option<&str>, is_group: bool) -> Call {
        let chat = |text: &str| ChatId::new(text).expect("a chat");
        Call {
            id: "c1".to_owned(),
            from: Person {
                phone: phone.map(chat),
                ..Person::new(chat(from))
            },
            is_video: false,
            is_group,
            participants: vec![],
            at: time::OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn calls_ring_unless_somebody_wants_otherwise() {
        let rule = |on, text: Option<&str>| RejectCalls {
            on,
            text: text.map(str::to_owned),
        };
        let told = |rule: RejectCalls, call: Call| {
            let told = answer(&rule, &call)?;
            Some(told.map(|m| {
                (
                    m.to.to_string(),
                    m.content.words().unwrap_or_default(),
                    m.idempotency_key,
                )
            }))
        };
        let ana = "244929782402@c.us";
        let text = |to: &str| {
            Some(Some((
                to.to_owned(),
                "write".to_owned(),
                Some("call-c1".to_owned()),
            )))
        };
        assert_eq!(
            told(rule(false, Some("write")), call(ana, None, false)),
            None
        );
        assert_eq!(told(rule(true, None), call(ana, None, false)), Some(None));
        let both = rule(true, Some("write"));
        let number = text("244929782402");
        assert_eq!(told(both.clone(), call(ana, Some(ana), false)), number);
        assert_eq!(told(both.clone(), call("77@lid", Some(ana), false)), number);
        assert_eq!(
            told(both.clone(), call("77@lid", None, false)),
            text("77@lid")
        );
        // A group is not written to.
        assert_eq!(told(both, call("77@lid", Some(ana), true)), Some(None));
    }
}
