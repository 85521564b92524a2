//! A customer on a phone and an agent in Chatwoot, with all of ZapNode between them. What the bridge
//! does in every single case is in the tests `chatwoot`; this is that it does it with a real page.

use anyhow::{Context, Result, ensure};
use zapnode_tests::chatwoot::{
    ACCOUNT, AgentWrites, Chatwoot, HOOK_SECRET, Message, MessageType, TOKEN, World,
};
use zapnode_tests::{ANA, BRUNO, Daemon, PATIENCE, Scene};

struct Office<'a> {
    scene: &'a Scene,
    chatwoot: &'a Chatwoot,
    inbox: i64,
}

impl Office<'_> {
    /// A daemon that is set up by its environment alone.
    async fn daemon(&self) -> Result<Daemon> {
        let (account, inbox) = (ACCOUNT.to_string(), self.inbox.to_string());
        let env = [
            ("SESSION_NAME", "shop"),
            ("CHATWOOT_URL", self.chatwoot.url()),
            ("CHATWOOT_ACCOUNT_ID", account.as_str()),
            ("CHATWOOT_API_TOKEN", TOKEN),
            ("CHATWOOT_INBOX_ID", inbox.as_str()),
            ("CHATWOOT_SIGNING_SECRET", HOOK_SECRET),
        ];
        let daemon = self.scene.daemon_with(&env).await?;
        let client = daemon.client();
        let bridge = client.get("/chatwoot/shop").await?.expect(200)?;
        let path = bridge["bridge"]["webhookPath"].as_str();
        let hook = format!("{}{}", client.base(), path.context("a path")?);
        self.chatwoot.point_inbox(self.inbox, &hook)?;
        Ok(daemon)
    }

    async fn shown(&self, text: &str) -> Result<Message> {
        let find = |world: &World| world.messages.iter().find(|m| m.content == text).cloned();
        self.chatwoot.wait_for(PATIENCE, find).await
    }

    /// An agent writes, and Chatwoot has told it.
    async fn answers(&self, conversation: i64, writes: AgentWrites) -> Result<i64> {
        let id = self.chatwoot.agent_writes(conversation, writes)?;
        let told = |world: &World| {
            let mut all = world.deliveries.iter();
            all.any(|(call, _)| call.message == Some(id)).then_some(())
        };
        self.chatwoot.wait_for(PATIENCE, told).await?;
        Ok(id)
    }

    async fn has_status(&self, id: i64, status: &str) -> Result<()> {
        let there = |world: &World| {
            let mut all = world.messages.iter();
            all.any(|m| m.id == id && m.status == status).then_some(())
        };
        self.chatwoot.wait_for(PATIENCE, there).await
    }
}

#[tokio::test]
async fn a_customer_and_an_agent_talk_through_kills() -> Result<()> {
    let scene = Scene::new().await?;
    let chatwoot = Chatwoot::start().await?;
    let inbox = chatwoot.make_inbox("");
    let office = Office {
        scene: &scene,
        chatwoot: &chatwoot,
        inbox,
    };
    let mut daemon = office.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    // Chrome writes a fresh login late; before a kill it is closed once.
    daemon.stop().await?;
    daemon = office.daemon().await?;
    daemon.client().until_ready("shop").await?;
    let (ana, bruno) = (scene.phone(ANA)?, scene.phone(BRUNO)?);

    let question = bruno.send(ana.number(), "Olá *loja*").await?;
    let shown = office.shown("Olá **loja**").await?;
    assert_eq!(
        shown.source_id.as_deref(),
        Some(format!("WAID:{question}").as_str())
    );
    let answer = AgentWrites {
        content: "**Bom dia**, diga".to_owned(),
        in_reply_to: Some(shown.id),
        ..AgentWrites::default()
    };
    let answer = office.answers(shown.conversation, answer).await?;
    scene.arrives(BRUNO, "*Bom dia*, diga").await?;
    office.has_status(answer, "delivered").await?;
    bruno.read(ana.number()).await;
    office.has_status(answer, "read").await?;

    // Typed on the shop's own phone: the agents see it, and the customer has it once.
    ana.send(bruno.number(), "do telefone").await?;
    let own = office.shown("do telefone").await?;
    assert_eq!(own.message_type, MessageType::Outgoing);

    // Killed right after Chatwoot was told that its agent's answer is taken.
    let taken = office
        .answers(shown.conversation, AgentWrites::text("já vai"))
        .await?;
    daemon.kill().await?;
    zapnode_tests::chrome::none_left(scene.folder(), PATIENCE).await?;
    for text in ["um", "dois", "três"] {
        bruno.send(ana.number(), text).await?;
    }
    let missed = office
        .answers(shown.conversation, AgentWrites::text("perdida"))
        .await?;
    office.has_status(missed, "failed").await?;

    daemon = office.daemon().await?;
    daemon.client().until_ready("shop").await?;
    scene.arrives(BRUNO, "já vai").await?;
    office.has_status(taken, "delivered").await?;
    office.shown("três").await?;
    office
        .answers(shown.conversation, AgentWrites::text("de novo"))
        .await?;
    scene.arrives(BRUNO, "de novo").await?;

    bruno.edit(&question, "Olá loja!").await?;
    office.shown("✏️ Edited: Olá loja!").await?;
    bruno.react(&question, "👍").await?;
    office.shown("Reacted: 👍").await?;
    bruno.revoke(&question).await?;
    office
        .shown("🚫 This message was deleted on WhatsApp.")
        .await?;
    daemon.stop().await?;

    let incoming = |m: &&Message| m.message_type == MessageType::Incoming;
    let customer = |world: &World| {
        let all = world.messages_with(&format!("+{BRUNO}")).into_iter();
        all.filter(|m| incoming(m))
            .map(|m| m.content.clone())
            .collect::<Vec<_>>()
    };
    let wanted = [
        "Olá **loja**",
        "um",
        "dois",
        "três",
        "✏️ Edited: Olá loja!",
        "Reacted: 👍",
        "🚫 This message was deleted on WhatsApp.",
    ];
    assert_eq!(chatwoot.look(customer), wanted);
    let texts: Vec<_> = bruno
        .messages()
        .into_iter()
        .filter(|m| !m.from_me)
        .map(|m| m.text)
        .collect();
    ensure!(
        texts == ["*Bom dia*, diga", "do telefone", "já vai", "de novo"],
        "on the customer's phone: {texts:?}"
    );
    Ok(())
}
