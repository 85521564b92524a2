// How the page stands: one snapshot, sent whenever it differs from the last. What it means is
// decided by the driver, in a table with tests (snapshot.rs); here facts are only read.

// Visible words that no module tells of (fact sheet §1.1, §2.5).
// Any blank will do: pages like to write some of them so that a line does not break there.
const UNSUPPORTED = /WhatsApp\s+works\s+with\s+Google\s+Chrome/i;
const PASSKEY = /Continue\s+on\s+WhatsApp\s+Web/i;
const CHECKPOINT = '[data-testid*="passkey" i], [id*="passkey" i], [class*="passkey-checkpoint" i]';

let lastSnapshot = null;
let percent = null;
let unpairedSince = null;
let withoutRefSince = null;
let passkeyAsked = false;
let missingSince = null;
let withoutModeSince = null;

// Modules come progressively (§0.1): a stream model that is not there yet may come a moment later
// and say SYNCING, and acting then has disconnected sessions (§2.2). Absent for this long, it is
// not part of the page.
const MODE_ABSENT_MS = 1500;

const unpaired = (state) => state === "UNPAIRED" || state === "UNPAIRED_IDLE";

function socketState() {
  const state = field(optional("socket"), "state");
  return typeof state === "string" ? state : null;
}

let seen = { at: 0, text: "" };

/** What a person sees, as far as it is text. It costs a layout: read at most twice a second. */
function visibleText() {
  const now = native.now();
  if (now - seen.at > 500) seen = { at: now, text: document.body?.innerText ?? "" };
  return seen.text;
}

/**
 * The passkey gate, by what happens and not by what is registered: the page asks the browser for a
 * passkey, or shows the screen for it, while it stays unlinked (fact sheet §2.5).
 */
function passkeyMarker(state) {
  if (!unpaired(state)) return null;
  if (passkeyAsked) return "asked";
  // Give a screen that only flashes by its time.
  if (native.now() - unpairedSince < 2000) return null;
  const shown = document.querySelector(CHECKPOINT);
  if (shown?.checkVisibility?.()) return "checkpoint";
  if (PASSKEY.test(visibleText())) return "text";
  const spent = withoutRefSince !== null && native.now() - withoutRefSince > 10000;
  return spent && qrShown && load("WAWebPasskeyCheckpoint.react") ? "component" : null;
}

function watchPasskeyCalls() {
  const credentials = navigator.credentials;
  if (!credentials || typeof credentials.get !== "function") return;
  const original = credentials.get;
  credentials.get = function get(options, ...rest) {
    guarded("passkey", () => {
      // A conditional request only offers what is there; it does not stop the login.
      if (options?.publicKey && options.mediation !== "conditional") {
        passkeyAsked = true;
        publish();
      }
    });
    return original.call(credentials, options, ...rest);
  };
}

function snapshot() {
  const state = socketState();
  const start = { url: location.href, required: typeof window.require === "function", state };
  // Not up yet: nothing else of the page is touched (§0.1).
  if (state === null) return { ...start, unsupported: UNSUPPORTED.test(visibleText()) };
  const stream = optional("stream");
  const socket = optional("socket");
  const conn = optional("conn");
  const me = meWids();
  const synced = field(socket, "hasSynced");
  const ref = Boolean(field(conn, "ref"));
  const now = native.now();
  if (unpaired(state)) unpairedSince ??= now;
  else {
    unpairedSince = null;
    passkeyAsked = false;
  }
  if (unpaired(state) && !ref) withoutRefSince ??= now;
  else withoutRefSince = null;
  const lacking = missingParts();
  if (state === "CONNECTED" && synced && (lacking.length > 0 || !hooked("messages"))) missingSince ??= now;
  else missingSince = null;
  const mode = textOrNull(field(stream, "mode"));
  if (state === "CONNECTED" && mode === null) withoutModeSince ??= now;
  else withoutModeSince = null;
  return {
    ...start,
    version: version(),
    socketStream: textOrNull(field(socket, "stream")),
    mode,
    modeAbsent: withoutModeSince !== null && now - withoutModeSince > MODE_ABSENT_MS,
    displayInfo: textOrNull(field(stream, "displayInfo") ?? field(stream, "info")),
    hasSynced: typeof synced === "boolean" ? synced : null,
    phone: widText(me.phone),
    lid: widText(me.lid),
    name: textOrNull(field(conn, "pushname")),
    percent,
    ref,
    passkey: passkeyMarker(state),
    receiving: hooked("messages"),
    missing: lacking,
    settled: missingForGood(),
  };
}

function textOrNull(value) {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Reads the page, tells the driver if anything changed, and does what follows from it. */
function publish() {
  const now = guarded("snapshot", snapshot);
  if (!now) return;
  const text = write(now);
  if (text !== lastSnapshot) {
    lastSnapshot = text;
    emit("snapshot", now);
  }
  guarded("login", () => tendLogin(now));
}

function readProgress() {
  const value = Number(attempt("progress"));
  if (Number.isFinite(value)) percent = Math.max(0, Math.min(100, Math.round(value)));
  publish();
}

/**
 * The driver asks only when the page was ready by its last word; a document that has just begun
 * may be meant instead. Acting before the sync is through has disconnected sessions (§2.2).
 */
function mustBeReady() {
  if (socketState() !== "CONNECTED" || field(optional("socket"), "hasSynced") === false) {
    throw wrongMoment("the page is not ready");
  }
  const mode = field(optional("stream"), "mode");
  if (mode === "SYNCING") throw wrongMoment("the page is syncing");
  if (missingParts().length > 0 && !missingForGood()) {
    throw wrongMoment("the page is still loading its parts");
  }
}

function missingForGood() {
  return missingSince !== null && native.now() - missingSince > 10000;
}

commands.evidence = async () => {
  const missed = guarded("hearing", missedMessages) ?? 0;
  if (missed > 0) note("messages.missed", (Number(facts["messages.missed"]) || 0) + missed);
  return { snapshot: snapshot(), missed, facts };
};

/**
 * Has the page connect anew, or at least look at its connection (fact sheet §2.1). Not where another
 * browser has the session: that would take it back.
 */
commands.reconnect = async (_args, ticket) => {
  const socket = needed("socket");
  const state = socketState();
  if (state === null || unpaired(state)) throw wrongMoment("no phone is linked");
  if (state === "CONFLICT") throw wrongMoment("another browser has taken the session over");
  const name = ["reconnect", "poke"].find((each) => typeof field(socket, each) === "function");
  if (!name) throw missing("WAWebSocketModel.Socket.reconnect");
  ticket.step("the page to begin connecting");
  // Only a fault that shows at once is ours to tell: off line it may never settle.
  await Promise.race([Promise.resolve(socket[name]()), sleep(500)]);
  return null;
};

/** Unlinks this device. That it worked is told by the page's events, its address, or its state. */
commands.logout = async (_args, ticket) => {
  const socket = needed("socket");
  if (unpaired(socketState())) throw wrongMoment("no phone is linked");
  if (typeof socket.logout !== "function") throw missing("WAWebSocketModel.Socket.logout");
  ticket.step("the page to begin the logout");
  // Only a fault that shows at once is ours to tell; the page may be gone before it settles.
  await Promise.race([Promise.resolve(socket.logout()), sleep(500)]);
  return null;
};
