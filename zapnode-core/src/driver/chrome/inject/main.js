// Puts it together: the listeners, the watch over the page, and the one way in.

/**
 * The listeners, most important first. Each is attached in its own guard, and tried again until it
 * holds: one that throws must not leave the others deaf (fact sheet §5.1). After that they are asked
 * for again at every look, because a page may put another object in an emitter's place.
 */
const hooks = [
  {
    name: "messages",
    feature: "receive",
    needed: true,
    attach: () => {
      const messages = needed("messages");
      if (!listen(messages, "add", "message", messageAdded)) return;
      // What came before we listened; that of history is not new, here as there.
      guarded("messages", () => tellPresent(messages));
    },
  },
  {
    name: "acks",
    feature: "receive",
    needed: true,
    attach: () => listen(needed("messages"), "change:ack", "ack", ackChanged),
  },
  {
    name: "state",
    feature: "state",
    needed: true,
    attach: () => {
      const socket = needed("socket");
      listen(socket, "change:state", "state", lookAnew);
      listen(socket, "change:hasSynced", "state", lookAnew);
    },
  },
  {
    // Of its own: §2.1 knows the field, but no event of it, and a strict emitter may refuse.
    name: "socket stream",
    feature: "state",
    attach: () => listen(needed("socket"), "change:stream", "state", publish),
  },
  {
    name: "stream",
    feature: "state",
    attach: () => {
      const stream = needed("stream");
      for (const field of ["mode", "info", "displayInfo"]) {
        listen(stream, `change:${field}`, "state", lookAnew);
      }
    },
  },
  {
    name: "logout",
    feature: "logout",
    attach: () => {
      const cmd = needed("cmd");
      // The older and the newer name (§8.1); the driver tells a logout once.
      for (const event of ["logout", "logout_from_bridge"]) {
        listen(cmd, event, "logout", (reason) => emit("logout", { reason: reasonText(reason) }));
      }
    },
  },
  {
    name: "qr",
    feature: "qr",
    attach: () => {
      const conn = needed("conn");
      listen(conn, "change:ref", "qr", publish);
      listen(conn, "change:pushname", "state", publish);
    },
  },
  {
    name: "progress",
    feature: "sync",
    attach: () => {
      const cmd = needed("cmd");
      for (const event of ["offline_progress_update_from_bridge", "offline_progress_update"]) {
        listen(cmd, event, "progress", readProgress);
      }
    },
  },
  {
    name: "restrictions",
    feature: "restrictions",
    attach: listenForRestrictions,
  },
  {
    name: "pairing",
    feature: "pairing code",
    attach: () => {
      if (!watchPairingEvents()) throw missing("WAWebLinkDeviceEvents");
    },
  },
  ...missedHooks,
  ...changeHooks,
  ...reactionHooks,
  ...voteHooks,
  ...kindHooks,
  ...waitingHooks,
  ...callHooks,
];
const attached = new Set();

function hooked(name) {
  return attached.has(name);
}

function attachHooks() {
  for (const { name, attach } of hooks) {
    try {
      attach();
      attached.add(name);
      delete facts[`fault.hook.${name}`];
    } catch (error) {
      note(`fault.hook.${name}`, words(error));
    }
  }
}

/** Some listeners are for after the login or the sync, and what came meanwhile follows at once. */
function lookAnew() {
  guarded("hooks", attachHooks);
  publish();
}

function reasonText(reason) {
  if (typeof reason === "string") return reason;
  if (typeof reason === "number") return String(reason);
  const inner = reason?.reason ?? reason?.logoutReason ?? reason?.type;
  return typeof inner === "string" || typeof inner === "number" ? String(inner) : null;
}

/**
 * Looks at the page: often until the listeners hold, then once a second as a net below them. Nothing but the socket is touched until that is there (§0.1, §1.3).
 */
function watch() {
  if (socketState() !== null) guarded("hooks", attachHooks);
  publish();
  const state = socketState();
  const settled = (state === "CONNECTED" || unpaired(state)) && needsAttached();
  native.setTimeout(watch, settled ? 1000 : native.now() - STARTED < 60000 ? 50 : 250);
}

function needsAttached() {
  return hooks.every(({ name, needed: isNeeded }) => !isNeeded || attached.has(name));
}

/** A command under way: knows what it waits for, and stops when its time is over. */
class Ticket {
  constructor() {
    this.waitsFor = "the page";
    this.expired = false;
  }

  /** Goes on to the next step, unless the caller has been told already that time is over. */
  step(what) {
    if (this.expired) throw new BridgeError("timeout", this.waitsFor);
    this.waitsFor = what;
  }

  async wait(what, promise) {
    this.step(what);
    const value = await promise;
    this.step(what);
    return value;
  }
}

/** The way in: a command's name, its arguments as JSON, and until when an answer is of use. */
async function call(name, text, deadline) {
  const ticket = new Ticket();
  try {
    const command = commands[name];
    if (!command) throw missing(`the bridge's command ${name}`);
    // The page was busy for so long that the caller has given up; doing it now would surprise.
    const left = deadline - native.now();
    if (left <= 0) throw new BridgeError("timeout", "the page, which was busy");
    const overdue = sleep(left).then(() => {
      ticket.expired = true;
      throw new BridgeError("timeout", ticket.waitsFor);
    });
    const data = await Promise.race([command(native.parse(text), ticket), overdue]);
    return write({ ok: true, data: data ?? null });
  } catch (error) {
    const refusal = refusalOf(error);
    const kind = error instanceof BridgeError ? error.kind : refusal ? "server" : "refused";
    const more = error instanceof BridgeError ? error.fields : refusal;
    return write({ ok: false, error: { kind, message: words(error), ...more } });
  }
}

Object.defineProperty(window, INSTALLED, { value: Object.freeze({ call, fileInput }) });
emit("hello", { url: location.href });
guarded("passkey", watchPasskeyCalls);
watch();
