use super::*;
use crate::driver::Refusal;
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

fn shaken(machine: &Machine) -> Option<(Trouble, Option<Step>)> {
    match machine.phase {
        Phase::Shaken { trouble, step } => Some((trouble, step)),
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
        // The page alone, then reconnect, then reload: each has its time.
        (
            on(shaken, &[Input::DeadlinePassed, Input::DeadlinePassed]),
            ReasonCode::Offline,
            false,
        ),
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
    let pause = ladder::relaunch_pause(1, 0.5);
    assert_eq!(effects, [Effect::Deadline(Some(pause))]);
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
    let story = machine.reason.as_ref().map(|r| r.detail.clone());
    assert_eq!(story.as_deref(), Some("gone; tried in vain: relaunch 9×"));

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
    assert_eq!(shaken(&machine), Some((Trouble::Reloaded, None)));
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
    assert_eq!(
        shaken(&machine),
        Some((Trouble::Silent, Some(Step::Reload)))
    );
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

#[test]
fn a_lost_link_is_mended_step_by_step() {
    let d = deadlines();
    let now = Instant::now();
    let (mut machine, effects) = after(true, &on(ready(), &[Input::Link(LinkState::Offline)]));
    assert_eq!(effects, [Effect::Deadline(Some(d.offline / 4))]);
    let table = [
        (
            vec![Effect::Reconnect, Effect::Deadline(Some(d.offline / 4 * 3))],
            Some(Step::Reconnect),
        ),
        (
            vec![Effect::Reload, Effect::Deadline(Some(d.page))],
            Some(Step::Reload),
        ),
    ];
    for (effects, step) in table {
        assert_eq!(machine.step(Input::DeadlinePassed, now, 0.5), effects);
        assert_eq!(shaken(&machine), Some((Trouble::Unlinked, step)));
        assert_eq!(machine.current_step(), step);
        assert_eq!(code(&machine), Some(ReasonCode::Offline));
        // That it is still off line is no news.
        assert_eq!(machine.step(Input::Link(LinkState::Offline), now, 0.5), []);
    }
    // The reload's own word gives it its time, and is no further trouble.
    machine.step(Input::Reloaded, now, 0.5);
    assert_eq!(
        shaken(&machine),
        Some((Trouble::Unlinked, Some(Step::Reload)))
    );
    machine.step(Input::DeadlinePassed, now, 0.5);
    assert!(matches!(closing(&machine), Some(Next::Retry { .. })));
    assert_eq!(machine.current_step(), Some(Step::Relaunch));
    assert_eq!(
        machine.tried.to_string(),
        "reconnect 1×, reload 1×, relaunch 1×"
    );
}

#[test]
fn what_did_not_last_is_not_tried_again() {
    let now = Instant::now();
    let reconnected = on(
        ready(),
        &[
            Input::Link(LinkState::Offline),
            Input::DeadlinePassed,
            Input::Link(LinkState::Ready(me())),
        ],
    );
    let (mut machine, _) = after(true, &reconnected);
    machine.step(Input::Link(LinkState::Offline), now, 0.5);
    let effects = machine.step(Input::DeadlinePassed, now, 0.5);
    assert_eq!(effects[0], Effect::Reload);
    // After a healthy while it begins with the gentlest again.
    let (mut machine, _) = after(true, &reconnected);
    let later = now + 2 * STEADY;
    machine.step(Input::Link(LinkState::Offline), later, 0.5);
    let effects = machine.step(Input::DeadlinePassed, later, 0.5);
    assert_eq!(effects[0], Effect::Reconnect);
}

#[test]
fn a_deaf_page_is_reloaded_and_one_that_stays_so_replaced() {
    let (mut machine, effects) = after(true, &on(ready(), &[Input::Deaf]));
    assert_eq!(effects[0], Effect::Reload);
    assert_eq!(code(&machine), Some(ReasonCode::PageDeaf));
    let now = Instant::now();
    machine.step(Input::Reloaded, now, 0.5);
    machine.step(Input::Link(LinkState::Ready(me())), now, 0.5);
    machine.step(Input::Deaf, now, 0.5);
    assert!(matches!(closing(&machine), Some(Next::Retry { .. })));
}

#[test]
fn too_much_memory_is_a_reload_or_a_relaunch_and_no_failure() {
    let heavy = |relaunch| Input::TooHeavy {
        reason: why(ReasonCode::MemoryLimit),
        relaunch,
    };
    let (machine, effects) = after(true, &on(ready(), &[heavy(false)]));
    assert_eq!(effects[0], Effect::Reload);
    assert_eq!(machine.attempt, 0);
    let (machine, _) = after(true, &on(ready(), &[heavy(true)]));
    let pause = Duration::ZERO;
    assert_eq!(closing(&machine), Some(Next::Retry { pause }));
    let (machine, effects) = after(true, &on(ready(), &[heavy(true), Input::Closed]));
    assert_eq!((machine.phase, machine.attempt), (Phase::Opening, 0));
    assert!(effects.contains(&Effect::Open));
    // Nobody's login is thrown away for memory.
    let (machine, effects) = after(false, &on(awaiting(), &[heavy(true)]));
    assert_eq!((machine.phase, effects), (Phase::AwaitingLogin, vec![]));
}

#[test]
fn a_page_that_never_comes_to_rest_is_given_up() {
    // Loading itself anew for ever.
    let mut path = loading();
    path.extend(std::iter::repeat_n(Input::Reloaded, 9));
    let (machine, _) = after(true, &path);
    assert!(matches!(closing(&machine), Some(Next::Retry { .. })));
    assert_eq!(code(&machine), Some(ReasonCode::PageReloaded));
    // Going back and forth while it syncs.
    let percent = |p| Input::Link(LinkState::Syncing { percent: Some(p) });
    let (mut machine, effects) = after(true, &on(loading(), &[percent(40)]));
    assert_eq!(effects, [Effect::Deadline(Some(deadlines().sync))]);
    let now = Instant::now();
    for (p, more) in [(30, false), (40, false), (41, true), (0, false), (42, true)] {
        let effects = machine.step(percent(p), now, 0.5);
        assert_eq!(!effects.is_empty(), more, "{p}");
        assert_eq!(machine.phase, Phase::Syncing { percent: Some(p) });
    }
}

#[test]
fn held_closed_and_let_go() {
    let hold = || Input::Hold(why(ReasonCode::Backup));
    let closed = on(ready(), &[hold(), Input::Closed]);
    let (machine, _) = after(true, &closed);
    assert_eq!(machine.phase, Phase::Hibernating { open_again: true });
    assert_eq!(code(&machine), Some(ReasonCode::Backup));
    assert!(machine.wanted && machine.linked && machine.is_at_rest());
    // Nothing opens it meanwhile.
    for input in [
        Input::Start,
        Input::Restart,
        Input::Wake(why(ReasonCode::Woken)),
    ] {
        let (machine, effects) = after(true, &on(closed.clone(), &[input]));
        assert!(machine.is_at_rest() && effects.is_empty());
    }
    let (machine, effects) = after(true, &on(closed.clone(), &[Input::Release]));
    assert_eq!(machine.phase, Phase::Opening);
    assert!(effects.contains(&Effect::Open));

    // At whatever moment: closed first, opened again afterwards.
    let waiting = on(ready(), &[Input::Lost("gone".to_owned()), Input::Closed]);
    for path in [
        on(waiting, &[hold()]),
        on(ready(), &[Input::Restart, hold(), Input::Closed]),
        on(
            OPENING.to_vec(),
            &[
                hold(),
                Input::OpenFailed {
                    reason: why(ReasonCode::DriverFailed),
                    again: true,
                },
            ],
        ),
    ] {
        let (machine, _) = after(true, &path);
        assert_eq!(machine.phase, Phase::Hibernating { open_again: true });
        let (machine, _) = after(true, &on(path, &[Input::Release]));
        assert_eq!(machine.phase, Phase::Opening);
    }
    // What rested goes on resting, unless somebody started it meanwhile.
    let (machine, _) = after(true, &[hold(), Input::Release]);
    assert_eq!(machine.phase, Phase::Stopped);
    let (machine, _) = after(true, &[hold(), Input::Start]);
    assert_eq!(machine.phase, Phase::Hibernating { open_again: true });
    let (machine, _) = after(true, &[hold(), Input::Start, Input::Release]);
    assert_eq!(machine.phase, Phase::Opening);
    // Let go before it was closed.
    let early = on(ready(), &[hold(), Input::Release, Input::Closed]);
    let (machine, _) = after(true, &early);
    assert_eq!(machine.phase, Phase::Opening);
    // Stopped meanwhile.
    let (machine, _) = after(true, &on(closed, &[Input::Stop, Input::Release]));
    assert_eq!(machine.phase, Phase::Stopped);
}

#[test]
fn asleep_and_woken() {
    let idle = || Input::Sleep(why(ReasonCode::Idle));
    let wake = || Input::Wake(why(ReasonCode::Woken));
    let asleep = on(ready(), &[idle(), Input::Closed]);
    let (machine, _) = after(true, &asleep);
    assert_eq!(machine.phase, Phase::Hibernating { open_again: false });
    assert!(machine.wanted && machine.linked);
    for input in [wake(), Input::Start, Input::Restart] {
        let (machine, effects) = after(true, &on(asleep.clone(), &[input]));
        assert_eq!(machine.phase, Phase::Opening);
        assert_eq!(code(&machine), Some(ReasonCode::Woken));
        assert!(effects.contains(&Effect::Open));
    }
    // Woken while it is still closing.
    let (machine, _) = after(true, &on(ready(), &[idle(), wake(), Input::Closed]));
    assert_eq!(machine.phase, Phase::Opening);
    // A backup of what sleeps does not wake it.
    let hold = Input::Hold(why(ReasonCode::Backup));
    let (machine, _) = after(true, &on(asleep.clone(), &[hold, Input::Release]));
    assert_eq!(machine.phase, Phase::Hibernating { open_again: false });
    // Only what is ready may sleep.
    for path in [loading(), awaiting(), on(ready(), &[Input::Reloaded])] {
        let before = after(true, &path).0.phase;
        let (machine, effects) = after(true, &on(path, &[idle()]));
        assert_eq!((machine.phase, effects), (before, vec![]));
    }
}

#[test]
fn logging_out_of_what_sleeps_brings_it_up_to_tell_the_phone() {
    let asleep = on(
        ready(),
        &[Input::Sleep(why(ReasonCode::Idle)), Input::Closed],
    );
    let path = on(asleep.clone(), &[Input::LogOut]);
    let (machine, _) = after(true, &path);
    assert_eq!(machine.phase, Phase::Opening);
    assert!(machine.is_ending() && !machine.wanted);
    let up = [Input::Opened, Input::Link(LinkState::Ready(me()))];
    let (machine, effects) = after(true, &on(path.clone(), &up));
    assert_eq!(effects, [Effect::Deadline(None), Effect::LogOut]);
    assert!(machine.is_ending());
    // It cannot be brought up: then without the phone's knowledge, and it says so.
    for last in [Input::DeadlinePassed, Input::Lost("gone".to_owned())] {
        let (machine, _) = after(
            true,
            &on(path.clone(), &[Input::Opened, last, Input::Closed]),
        );
        assert_eq!(machine.phase, Phase::LoggedOut { remotely: false });
        assert!(!machine.is_ending());
        assert!(
            machine
                .reason
                .is_some_and(|r| r.detail.contains("on the phone too"))
        );
    }
    // Held meanwhile: later.
    let hold = Input::Hold(why(ReasonCode::Backup));
    let (machine, _) = after(true, &on(asleep, &[hold, Input::LogOut]));
    assert!(machine.is_at_rest() && machine.is_ending());
}

#[test]
fn no_state_is_silent_about_why() {
    let lost = Input::Lost("gone".to_owned());
    let hold = Input::Hold(why(ReasonCode::Backup));
    for path in [
        OPENING.to_vec(),
        loading(),
        awaiting(),
        on(awaiting(), &[Input::Link(LinkState::Pairing)]),
        on(ready(), &[Input::Reloaded]),
        on(ready(), &[Input::Link(LinkState::Offline)]),
        on(ready(), std::slice::from_ref(&lost)),
        on(ready(), &[lost, Input::Closed]),
        on(ready(), &[Input::Restart]),
        on(ready(), &[Input::Restart, Input::Closed]),
        on(ready(), &[hold, Input::Closed]),
        on(ready(), &[Input::Stop, Input::Start]),
        on(ready(), &[Input::Stop, Input::Closed, Input::Start]),
    ] {
        let (machine, _) = after(true, &path);
        assert!(machine.why().is_some(), "{:?}", machine.phase);
    }
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
        Just(Input::Deaf),
        any::<bool>().prop_map(|relaunch| Input::TooHeavy {
            reason: why(ReasonCode::MemoryLimit),
            relaunch
        }),
        Just(Input::Hold(why(ReasonCode::Backup))),
        Just(Input::Release),
        Just(Input::Sleep(why(ReasonCode::Idle))),
        Just(Input::Wake(why(ReasonCode::Woken))),
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
        let mut held = false;
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
                Input::Hold(_) if held => continue,
                Input::Release if !held => continue,
                Input::Hold(_) | Input::Release => held = !held,
                Input::Link(_) | Input::Reloaded | Input::LoggedOut(_) | Input::LogOutFailed
                | Input::NoEvidence { .. } | Input::Lost(_) | Input::Deaf
                | Input::TooHeavy { .. } if browser != Browser::Open => continue,
                _ => {}
            }
            for effect in machine.step(input, Instant::now(), 0.5) {
                match effect {
                    Effect::Open => {
                        prop_assert!(!held, "opened while it is held closed");
                        prop_assert_eq!(&browser, &Browser::None);
                        browser = Browser::Opening;
                    }
                    Effect::Close => {
                        prop_assert_eq!(&browser, &Browser::Open);
                        browser = Browser::Closing;
                    }
                    Effect::Forget => prop_assert_eq!(&browser, &Browser::None),
                    Effect::Reload | Effect::Reconnect | Effect::LogOut => prop_assert_eq!(&browser, &Browser::Open),
                    Effect::Deadline(within) => deadline = within.is_some(),
                }
            }
            let quiet = matches!(machine.phase, Phase::Ready { .. } | Phase::Stopped);
            prop_assert!(quiet || machine.why().is_some(), "silent in {:?}", machine.phase);
            match machine.phase {
                Phase::Stopped | Phase::LoggedOut { .. } | Phase::Failed => {
                    prop_assert_eq!(&browser, &Browser::None);
                    prop_assert!(!machine.is_ending(), "nobody is answered");
                }
                Phase::Hibernating { open_again } => {
                    prop_assert_eq!(&browser, &Browser::None);
                    prop_assert!(held || !open_again, "nothing will open it");
                    prop_assert!(held || !machine.is_ending(), "nobody is answered");
                }
                Phase::Loading | Phase::AwaitingLogin | Phase::Syncing { .. } | Phase::Shaken { .. } => {
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
