//! Sends a file: as a picture, a film, sound or a document, as its content says.
//!
//! ```text
//! cargo run -p zapnode-examples --example send_media -- 5511912345678 photo.jpg "Olá!"
//! ```

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use zapnode_core::PhoneNumber;
use zapnode_core::media::About;
use zapnode_core::message::{Content, Media, MediaKind};
use zapnode_examples::Stage;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let to = arguments.next().unwrap_or("5511912345678".to_owned());
    let path = arguments.next().unwrap_or("Cargo.toml".to_owned());
    let caption = arguments.next();
    let to = PhoneNumber::new(&to)?;

    let stage = Stage::set("example").await?;
    let store = stage.session.media();
    let name = Path::new(&path).file_name();
    let about = About {
        name: name.map(|name| name.to_string_lossy().into_owned()),
        ..About::default()
    };
    // A copy in the data folder: what waits to be sent must not change any more.
    let file = store.add_file(Path::new(&path), about).await?;
    let kind = match file.mime.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    };
    let file = store.prepare(kind, file).await?;
    println!("{path} is {} of {} bytes.", file.mime, file.size);
    let media = Media {
        caption: caption.filter(|_| kind.takes_caption()),
        ..Media::new(kind, file)
    };
    let sent = stage
        .session
        .send(to, Content::Media(media), Duration::from_secs(30))
        .await?;
    println!("Sent as {} ({:?}).", sent.id, sent.ack);
    stage.strike().await;
    Ok(())
}
