use super::*;
use proptest::prelude::*;

fn deadlines() -> Deadlines {
    Deadlines::default()
}

fn me() -> Identity {
    Identity {
        phone: None,
        lid: None,
        name: Some("Ana".to_owned()),
    }
}

fn why(code: ReasonCode) -> Reason {
    Reason::new(code, "because")
}

/// A machine that lived through `inputs`, and the effects of the last one.
fn after(linked: bool, inputs: &[Input]) -> (Machine, Vec<Effect>) {
    let mut machine = Machine::new(deadlines(), linked, true);
    let mut effects = vec![];
    let now = Instant::now();
    for input in inputs {
        effects = machine.step(input.clone(), now, 0.5);
    }
    (machine, effects)
}

const OPENING: &[Input] = &[Input::Start];

fn on(mut path: Vec<Input>, more: &[Input]) -> Vec<Input> {
    path.extend_from_slice(more);
    path
}

fn loading() -> Vec<Input> {
    on(OPENING.to_vec(), &[Input::Opened])
}

fn awaiting() -> Vec<Input> {
    on(loading(), &[Input::Link(LinkState::NeedsLogin)])
}

fn ready() -> Vec<Input> {
    on(loading(), &[Input::Link(LinkState::Ready(me()))])
}

fn code(machine: &Machine) -> Option<ReasonCode> {
    machine.reason.as_ref().map(|r| r.code)
}

fn closing(machine: &Machine) -> Option<Next> {
    match machine.phase {
        Phase::Closing { next, .. } => Some(next),
        _ => None,
    }
}

#[test]
fn the_way_to_ready() {
    let d = deadlines();
    let now = Instant::now();
    let mut machine = Machine::new(d, false, true);
    // What happens, where it leads, what is to be done.
    let table: Vec<(Input, Phase, Vec<Effect>)> = vec![
        (
            Input::Start,
            Phase::Opening,
            vec![Effect::Deadline(None), Effect::Open],
        ),
        (Input::Start, Phase::Opening, vec![]),
        (
            Input::Opened,
            Phase::Loading,
            vec![Effect::Deadline(Some(d.page))],
        ),
        (Input::Link(LinkState::Connecting), Phase::Loading, vec![]),
        (
            Input::Link(LinkState::NeedsLogin),
            Phase::AwaitingLogin,
            vec![Effect::Deadline(Some(d.login))],
        ),
        (
            Input::Link(LinkState::NeedsLogin),
            Phase::AwaitingLogin,
            vec![],
        ),
        (
            Input::Link(LinkState::Pairing),
            Phase::Syncing { percent: None },
            vec![Effect::Deadline(Some(d.sync))],
        ),
        (
            Input::Link(LinkState::Syncing { percent: Some(40) }),
            Phase::Syncing { percent: Some(40) },
            vec![Effect::Deadline(Some(d.sync))],
        ),
        // No progress gives no more time.
        (
            Input::Link(LinkState::Syncing { percent: Some(40) }),
            Phase::Syncing { percent: Some(40) },
            vec![],
        ),
        (
            Input::Link(LinkState::Ready(me())),
            Phase::Ready { since: now },
            vec![Effect::Deadline(None)],
        ),
        // Ready is told again after every reconnect; it is not news.
        (
            Input::Link(LinkState::Ready(me())),
            Phase::Ready { since: now },
            vec![],
        ),
    ];
    for (input, phase, effects) in table {
        let did = machine.step(input.clone(), now, 0.5);
        assert_eq!(machine.phase, phase, "{input:?}");
        assert_eq!(did, effects, "{input:?}");
    }
    assert!(machine.linked && machine.wanted && machine.reason.is_none());
    assert_eq!(machine.me, Some(me()));
}

#[test]
fn each_phase_that_runs_out_has_its_own_reason() {
    let syncing = on(awaiting(), &[Input::Link(LinkState::Pairing)]);
    let shaken = on(ready(), &[Input::Link(LinkState::Offline)]);
    for (path, reason, fatal) in [
        (loading(), ReasonCode::PageUnreachable, false),
        (awaiting(), ReasonCode::LoginTimeout, true),
        (syncing, ReasonCode::SyncTimeout, false),
        (shaken, ReasonCode::Offline, false),
    ] {
        let (machine, effects) = after(false, &on(path, &[Input::DeadlinePassed]));
        assert_eq!(code(&machine), Some(reason));
        assert_eq!(effects, [Effect::Deadline(None), Effect::Close]);
        match closing(&machine) {
            Some(Next::Failed) => assert!(fatal, "{reason:?}"),
            Some(Next::Retry { .. }) => assert!(!fatal, "{reason:?}"),
            other => panic!("{reason:?} leads to {other:?}"),
        }
    }
}

#[test]
fn a_login_nobody_made_is_not_waited_for_again_at_the_next_start() {
    let (machine, _) = after(
        false,
        &on(awaiting(), &[Input::DeadlinePassed, Input::Closed]),
    );
    assert_eq!(machine.phase, Phase::Failed);
    assert!(!machine.wanted);
}

#[test]
fn what_cannot_be_mended_is_not_tried_again() {
    let failure = |again| Input::OpenFailed {
        reason: why(ReasonCode::BrowserNotFound),
        again,
    };
    let (machine, _) = after(false, &[Input::Start, failure(false)]);
    assert_eq!(machine.phase, Phase::Failed);
    let (machine, effects) = after(false, &[Input::Start, failure(true)]);
    assert_eq!(machine.phase, Phase::Waiting);
    assert_eq!(effects, [Effect::Deadline(Some(pause(1, 0.5)))]);
    for refusal in [
        Refusal::UnsupportedBrowser,
        Refusal::OutdatedBuild,
        Refusal::TermsOfService,
        Refusal::BlockedNetwork,
        Refusal::PasskeyRequired,
        Refusal::MissingParts,
    ] {
        let input = Input::Link(LinkState::Refused(refusal));
        let (machine, _) = after(false, &on(loading(), &[input]));
        assert_eq!(closing(&machine), Some(Next::Failed), "{refusal:?}");
    }
}

#[test]
fn attempts_are_bounded_and_forgiven_after_a_healthy_while() {
    let mut machine = Machine::new(deadlines(), true, true);
    let mut now = Instant::now();
    machine.step(Input::Start, now, 0.5);
    let mut opened = 1;
    while machine.phase != Phase::Failed {
        machine.step(Input::Opened, now, 0.5);
        machine.step(Input::Link(LinkState::Ready(me())), now, 0.5);
        machine.step(Input::Lost("gone".to_owned()), now, 0.5);
        machine.step(Input::Closed, now, 0.5);
        if machine.phase == Phase::Waiting {
            machine.step(Input::DeadlinePassed, now, 0.5);
            opened += 1;
        }
        assert!(opened <= MAX_ATTEMPTS, "no end of it");
    }
    assert_eq!(opened, MAX_ATTEMPTS);
    assert_eq!(code(&machine), Some(ReasonCode::BrowserCrashed));

    // The same, ready for long enough in between: the count begins anew; and ready for a shorter
    // while each time, it does not add up.
    for ready_for in [STEADY, Duration::from_secs(7)] {
        machine.step(Input::Start, now, 0.5);
        for _ in 0..3 * MAX_ATTEMPTS {
            machine.step(Input::Opened, now, 0.5);
            machine.step(Input::Link(LinkState::Ready(me())), now, 0.5);
            now += ready_for;
            machine.step(Input::Lost("gone".to_owned()), now, 0.5);
            machine.step(Input::Closed, now, 0.5);
            assert_eq!(machine.phase, Phase::Waiting);
            machine.step(Input::DeadlinePassed, now, 0.5);
        }
    }
}

#[test]
fn being_ready_makes_up_for_attempts() {
    let seconds = Duration::from_secs;
    for (attempt, ready_for, left) in [
        (0, seconds(0), 0),
        (5, seconds(0), 5),
        (5, seconds(5), 5),
        (5, seconds(6), 4),
        (5, seconds(20), 2),
        (2, seconds(59), 0),
        (500, seconds(60), 0),
    ] {
        assert_eq!(
            forgiven(attempt, ready_for),
            left,
            "{attempt}, {ready_for:?}"
        );
    }
}

#[test]
fn a_reload_after_ready_is_a_recovery_and_not_a_new_login() {
    let (machine, effects) = after(true, &on(ready(), &[Input::Reloaded]));
    assert_eq!(machine.phase, Phase::Shaken);
    assert_eq!(code(&machine), Some(ReasonCode::PageReloaded));
    assert_eq!(effects, [Effect::Deadline(Some(deadlines().page))]);
    let back = on(
        ready(),
        &[Input::Reloaded, Input::Link(LinkState::Ready(me()))],
    );
    let (machine, _) = after(true, &back);
    assert!(matches!(machine.phase, Phase::Ready { .. }));
    assert_eq!(machine.reason, None);
    // While a person is about to scan it is only a new page.
    let (machine, _) = after(false, &on(awaiting(), &[Input::Reloaded]));
    assert_eq!(machine.phase, Phase::Loading);
}

#[test]
fn a_removed_device_loses_its_login_and_rests() {
    let removed = Input::LoggedOut(LogoutReason::Remote(Some("user_initiated".to_owned())));
    for path in [
        on(ready(), std::slice::from_ref(&removed)),
        on(ready(), &[Input::Link(LinkState::NeedsLogin)]),
    ] {
        let (machine, effects) = after(true, &path);
        assert_eq!(closing(&machine), Some(Next::LoggedOut { remotely: true }));
        assert_eq!(effects, [Effect::Deadline(None), Effect::Close]);
        assert!(!machine.linked && !machine.wanted);
        let (machine, effects) = after(true, &on(path, &[Input::Closed]));
        assert_eq!(machine.phase, Phase::LoggedOut { remotely: true });
        assert_eq!(effects, [Effect::Forget, Effect::Deadline(None)]);
    }
}

#[test]
fn logging_out_waits_for_the_word_of_whatsapp_where_there_can_be_one() {
    let (machine, effects) = after(true, &on(ready(), &[Input::LogOut]));
    assert_eq!(effects, [Effect::LogOut]);
    assert!(machine.is_ending());
    for word in [
        Input::LoggedOut(LogoutReason::Asked),
        // The page may tell it as if the phone had done it: we know better.
        Input::LoggedOut(LogoutReason::Remote(None)),
        Input::LogOutFailed,
        Input::Lost("gone".to_owned()),
    ] {
        let (machine, _) = after(true, &on(ready(), &[Input::LogOut, word.clone()]));
        assert_eq!(
            closing(&machine),
            Some(Next::LoggedOut { remotely: false }),
            "{word:?}"
        );
    }
    // Nothing is linked: nobody needs to be asked.
    for path in [vec![], awaiting(), OPENING.to_vec()] {
        let (machine, effects) = after(false, &on(path, &[Input::LogOut]));
        assert!(!effects.contains(&Effect::LogOut));
        assert!(!machine.linked);
    }
}

#[test]
fn stopping_and_starting_at_any_moment() {
    // Stopped while it opens: closed as soon as there is something to close.
    let stopped = on(OPENING.to_vec(), &[Input::Stop]);
    let (machine, effects) = after(true, &stopped);
    assert_eq!(closing(&machine), Some(Next::Stopped));
    assert_eq!(effects, [Effect::Deadline(None)]);
    let (_, effects) = after(true, &on(stopped.clone(), &[Input::Opened]));
    assert_eq!(effects, [Effect::Close]);
    let failed = Input::OpenFailed {
        reason: why(ReasonCode::LaunchFailed),
        again: true,
    };
    let (machine, _) = after(true, &on(stopped, &[failed]));
    assert_eq!(machine.phase, Phase::Stopped);
    assert_eq!(code(&machine), Some(ReasonCode::Requested));

    // Started while it closes: opened when it is closed.
    let (machine, effects) = after(
        true,
        &on(ready(), &[Input::Stop, Input::Start, Input::Closed]),
    );
    assert_eq!(machine.phase, Phase::Opening);
    assert_eq!(effects, [Effect::Deadline(None), Effect::Open]);
    assert!(machine.wanted);

    // Stopped while it waits for its next attempt.
    let lost = Input::Lost("gone".to_owned());
    let (machine, _) = after(true, &on(ready(), &[lost, Input::Closed, Input::Stop]));
    assert_eq!(machine.phase, Phase::Stopped);
    assert!(!machine.wanted);

    // Stopping twice, or what rests already, does nothing.
    for path in [
        vec![Input::Stop],
        on(ready(), &[Input::Stop, Input::Closed, Input::Stop]),
    ] {
        let (machine, effects) = after(true, &path);
        assert_eq!(machine.phase, Phase::Stopped);
        assert_eq!(effects, []);
    }

    // A restart closes first.
    let (machine, effects) = after(true, &on(ready(), &[Input::Restart]));
    assert_eq!(closing(&machine), Some(Next::Restart));
    assert_eq!(effects, [Effect::Deadline(None), Effect::Close]);
}

#[test]
fn a_page_that_does_not_answer_is_reloaded_and_then_its_browser_replaced() {
    let misses = |n| Input::NoEvidence { misses: n };
    let (machine, effects) = after(true, &on(ready(), &[misses(2)]));
    assert!(matches!(machine.phase, Phase::Ready { .. }));
    assert_eq!(effects, []);
    let (machine, effects) = after(true, &on(ready(), &[misses(3)]));
    assert_eq!(machine.phase, Phase::Shaken);
    assert_eq!(code(&machine), Some(ReasonCode::PageStalled));
    assert_eq!(
        effects,
        [Effect::Reload, Effect::Deadline(Some(deadlines().page))]
    );
    let (machine, _) = after(true, &on(ready(), &[misses(3), misses(5)]));
    assert!(matches!(closing(&machine), Some(Next::Retry { .. })));
}

#[test]
fn pauses_double_up_to_a_minute_and_spread() {
    let seconds = |attempt| pause(attempt, 0.5).as_secs_f64();
    assert_eq!(
        [1, 2, 3, 6, 7, 40].map(seconds),
        [1.0, 2.0, 4.0, 32.0, 60.0, 60.0]
    );
    assert_eq!(pause(1, 0.0).as_millis(), 800);
    assert_eq!(pause(1, 1.0).as_millis(), 1200);
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Start),
        Just(Input::Stop),
        Just(Input::Restart),
        Just(Input::LogOut),
        Just(Input::Opened),
        any::<bool>().prop_map(|again| Input::OpenFailed {
            reason: why(ReasonCode::LaunchFailed),
            again
        }),
        Just(Input::Link(LinkState::Connecting)),
        Just(Input::Link(LinkState::NeedsLogin)),
        Just(Input::Link(LinkState::Pairing)),
        Just(Input::Link(LinkState::Syncing { percent: Some(99) })),
        Just(Input::Link(LinkState::Ready(me()))),
        Just(Input::Link(LinkState::Offline)),
        Just(Input::Link(LinkState::Conflict)),
        Just(Input::Reloaded),
        Just(Input::LoggedOut(LogoutReason::Asked)),
        Just(Input::LoggedOut(LogoutReason::Remote(None))),
        Just(Input::LogOutFailed),
        Just(Input::Lost("gone".to_owned())),
        Just(Input::Closed),
        Just(Input::DeadlinePassed),
        (1..7u32).prop_map(|misses| Input::NoEvidence { misses }),
    ]
}

proptest! {
    /// Whatever comes in whatever order: one browser at a time, each opened one is closed before
    /// the next, and a session that is meant to move has something that will move it.
    #[test]
    fn no_order_of_events_breaks_it(inputs in proptest::collection::vec(any_input(), 0..60)) {
        #[derive(Debug, PartialEq)]
        enum Browser { None, Opening, Open, Closing }
        let mut machine = Machine::new(deadlines(), false, true);
        let mut browser = Browser::None;
        let mut deadline = false;
        for input in inputs {
            // The actor only reports what it was asked to do.
            match &input {
                Input::Opened if browser != Browser::Opening => continue,
                Input::Opened => browser = Browser::Open,
                Input::OpenFailed { .. } if browser != Browser::Opening => continue,
                Input::OpenFailed { .. } => browser = Browser::None,
                Input::Closed if browser != Browser::Closing => continue,
                Input::Closed => browser = Browser::None,
                Input::DeadlinePassed if !deadline => continue,
                Input::DeadlinePassed => deadline = false,
                Input::Link(_) | Input::Reloaded | Input::LoggedOut(_) | Input::LogOutFailed
                | Input::NoEvidence { .. } | Input::Lost(_) if browser != Browser::Open => continue,
                _ => {}
            }
            for effect in machine.step(input, Instant::now(), 0.5) {
                match effect {
                    Effect::Open => {
                        prop_assert_eq!(&browser, &Browser::None);
                        browser = Browser::Opening;
                    }
                    Effect::Close => {
                        prop_assert_eq!(&browser, &Browser::Open);
                        browser = Browser::Closing;
                    }
                    Effect::Forget => prop_assert_eq!(&browser, &Browser::None),
                    Effect::Reload | Effect::LogOut => prop_assert_eq!(&browser, &Browser::Open),
                    Effect::Deadline(within) => deadline = within.is_some(),
                }
            }
            match machine.phase {
                Phase::Stopped | Phase::LoggedOut { .. } | Phase::Failed => {
                    prop_assert_eq!(&browser, &Browser::None);
                }
                Phase::Loading | Phase::AwaitingLogin | Phase::Syncing { .. } | Phase::Shaken => {
                    prop_assert_eq!(&browser, &Browser::Open);
                    prop_assert!(deadline || machine.is_ending(), "waits for ever in {:?}", machine.phase);
                }
                Phase::Waiting => prop_assert!(deadline),
                Phase::Opening => prop_assert_eq!(&browser, &Browser::Opening),
                Phase::Ready { .. } => prop_assert_eq!(&browser, &Browser::Open),
                Phase::Closing { .. } => {
                    prop_assert!(browser != Browser::None, "nothing will end this close");
                }
            }
        }
    }
}
