//! The switches that stop, cut and reload, on a stand-in for the page.

use super::*;

const ANA: &str = "244929782402";
const BRUNO: &str = "5511912345678";
const ID: &str = "3EB0000000000000000001";

async fn linked(faults: Faults) -> (Sandbox, Page, Value) {
    let sandbox = Sandbox::start(SandboxOptions::default())
        .await
        .expect("a sandbox");
    let (page, login) = Page::linked(&sandbox, &sandbox.phone(&number(ANA))).await;
    sandbox.set_faults(faults);
    (sandbox, page, login)
}

fn held_at(hold: Hold) -> Faults {
    Faults {
        hold,
        ..Faults::default()
    }
}

async fn send(page: &mut Page) {
    let (from, to) = (format!("{ANA}@c.us"), format!("{BRUNO}@c.us"));
    page.send(ID, &from, &to, "oi").await;
}

#[tokio::test]
async fn sandbox_holds_a_question_until_it_is_let_go() {
    let (sandbox, mut page, _) = linked(held_at(Hold::Asked)).await;
    page.tell(json!({"t": "exists", "req": 1, "wid": format!("{BRUNO}@c.us")}))
        .await;
    sandbox.wait_until_held(SOON).await.expect("held");
    // The page's other words are heard meanwhile.
    page.tell(json!({"t": "hold", "req": 2, "at": "kept"}))
        .await;
    assert_eq!(page.hear("hold").await["req"], 2);
    sandbox.set_faults(Faults::default());
    assert_eq!(page.hear("exists").await["req"], 1);
}

#[tokio::test]
async fn sandbox_holds_back_the_ack_of_what_it_delivered() {
    let (sandbox, mut page, login) = linked(held_at(Hold::Acked)).await;
    send(&mut page).await;
    sandbox.wait_until_held(SOON).await.expect("held");
    let bruno = sandbox.phone(&number(BRUNO));
    assert_eq!(bruno.messages().len(), 1, "it is delivered");
    let (_, state) = ask(&sandbox, "GET", "state", "").await;
    assert_eq!(state["held"], 1);
    // A reload gets through, and the page that comes back is told.
    let (status, answer) = post(&sandbox, &format!("phones/{ANA}/reload"), json!({})).await;
    assert_eq!((status, &answer["pages"]), (200, &json!(1)));
    page.hear("reload").await;
    let mut page = Page::back(&sandbox, &login).await;
    assert_eq!(page.hear("stored").await["id"], ID);
}

#[tokio::test]
async fn sandbox_tells_what_it_held_back_when_it_is_let_go() {
    let (sandbox, mut page, _) = linked(held_at(Hold::Acked)).await;
    send(&mut page).await;
    sandbox.wait_until_held(SOON).await.expect("held");
    sandbox.set_faults(Faults::default());
    assert_eq!(page.hear("stored").await["ack"], 1);
}

#[tokio::test]
async fn sandbox_cuts_and_refuses_sockets() {
    let (sandbox, mut page, login) = linked(Faults {
        servers: Servers::Cut,
        send_result: SendResult::Lost,
        ..Faults::default()
    })
    .await;
    let end = async { while page.socket.next().await.is_some_and(|frame| frame.is_ok()) {} };
    tokio::time::timeout(SOON, end).await.expect("cut");
    let url = format!("ws://127.0.0.1:{}/ws/chat", port(&sandbox));
    assert!(
        tokio_tungstenite::connect_async(url.as_str())
            .await
            .is_err()
    );
    sandbox.set_faults(Faults {
        send_result: SendResult::Lost,
        ..Faults::default()
    });
    // Back again it hears of the switches before anything else.
    let mut page = Page::open(&sandbox).await;
    page.tell(login).await;
    assert_eq!(page.hear("faults").await["faults"]["sendResult"], "lost");
    page.hear("loggedIn").await;
}

#[tokio::test]
async fn sandbox_answers_nothing_while_it_is_silent() {
    let (sandbox, _, login) = linked(Faults {
        servers: Servers::Silent,
        ..Faults::default()
    })
    .await;
    let opening = Page::open(&sandbox);
    tokio::pin!(opening);
    // The control interface is not one of WhatsApp's servers; once it answered, the socket waits.
    let (status, _) = tokio::select! {
        _ = &mut opening => panic!("it answered"),
        answer = ask(&sandbox, "GET", "faults", "") => answer,
    };
    assert_eq!(status, 200);
    sandbox.set_faults(Faults::default());
    let mut page = opening.await;
    page.tell(login).await;
    page.hear("loggedIn").await;
}
