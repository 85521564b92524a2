//! Files of a session's messages: had from where they are.

use super::SessionHandle;
use crate::driver::DriverError;
use crate::error::Error;
use crate::media::{About, MediaError, MediaState, StoredMedia};
use crate::message::MediaFile;
use crate::outbox::Message;

/// Whether the account's phone is troubled for a file that WhatsApp's servers have no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskPhone {
    /// It is asked to upload it again.
    Yes,
    /// It is left alone.
    No,
}

impl SessionHandle {
    /// What is known of a message's file; `None` where it has none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn media_of(&self, message: &Message) -> Result<Option<StoredMedia>, Error> {
        if let Some(media) = message.content.as_ref().and_then(|c| c.media()) {
            let here = self.shared.media.has(&media.file.sha256).await;
            return Ok(Some(StoredMedia {
                id: message.id,
                message: Some(message.id),
                state: if here {
                    MediaState::Available
                } else {
                    MediaState::Remote
                },
                sha256: Some(media.file.sha256.clone()),
                mime: Some(media.file.mime.clone()),
                name: media.file.name.clone(),
                size: Some(media.file.size),
                created_at: message.created_at,
            }));
        }
        Ok(self.shared.store.media(message.id).await?)
    }

    /// As [`media_of`](Self::media_of), for many messages at once.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn media_of_each(
        &self,
        messages: &[Message],
    ) -> Result<Vec<Option<StoredMedia>>, Error> {
        let came = messages
            .iter()
            .filter(|m| m.content.is_none())
            .map(|m| m.id);
        let mut stored = self.shared.store.media_of(came.collect()).await?;
        let mut all = Vec::with_capacity(messages.len());
        for message in messages {
            all.push(match &message.content {
                None => stored.remove(&message.id),
                Some(_) => self.media_of(message).await?,
            });
        }
        Ok(all)
    }

    /// The file of a message, loaded from WhatsApp if it is not here.
    ///
    /// # Errors
    /// [`Error::Media`] with [`MediaError::NotFound`] for a message without a file and
    /// [`MediaError::TooLarge`]; [`DriverError::MediaExpired`] where WhatsApp has it no more, and
    /// where the phone was asked, that has not either; [`Error::NotReady`] while the session is not
    /// up; else by situation.
    pub async fn load_media(&self, message: &Message, ask: AskPhone) -> Result<MediaFile, Error> {
        let known = self.media_of(message).await?;
        let mut known = known.ok_or(MediaError::NotFound)?;
        let media = &self.shared.media;
        if known.sha256.is_some() {
            match media.file(&known).await {
                Err(MediaError::NotFound) => {}
                here => return Ok(here?),
            }
        }
        let largest = media.options().limits.largest();
        if known.size.is_some_and(|size| size > largest) {
            return Err(Error::Media(MediaError::TooLarge {
                what: "a file",
                limit: largest,
                size: known.size,
            }));
        }
        let key = message.message_id.as_ref().ok_or(MediaError::NotFound)?;
        let connection = self.connection().await?;
        let scratch = media.scratch().await?;
        let mut got = connection.download(key, scratch.path()).await;
        if let (Err(DriverError::MediaExpired { .. }), AskPhone::Yes) = (&got, ask) {
            got = match connection.request_media(key).await {
                Ok(()) => connection.download(key, scratch.path()).await,
                Err(error) => Err(error),
            };
        }
        let is_stored = message.content.is_none();
        if let Err(DriverError::MediaExpired { .. }) = &got
            && is_stored
        {
            known.state = MediaState::Expired;
            self.shared.store.update_media(known.clone()).await?;
        }
        let got = got?;
        let about = About {
            name: got.file_name.or(known.name.take()),
            mime: got.mime_type.or(known.mime.take()),
            kind: None,
        };
        let file = media.add_file(scratch.path(), about).await?;
        if is_stored {
            known.state = MediaState::Available;
            known.sha256 = Some(file.sha256.clone());
            known.mime = Some(file.mime.clone());
            known.name.clone_from(&file.name);
            known.size = Some(file.size);
            self.shared.store.update_media(known).await?;
        }
        Ok(file)
    }
}
