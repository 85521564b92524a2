// Logging in: the QR's text and the pairing code (fact sheet §2.3, §2.4).

const FIRST_QR_MS = 60000;
const LATER_QR_MS = 20000;
/** How long after the document's start the QR waits for its last part. */
const PLATFORM_MS = 6000;
const CODE_RENEWAL_MS = 180000;
const CODE_VALID_MS = 195000;

let lastQr = null;
let qrShown = false;
let composing = false;
let qrRetry = null;
let idleSince = null;
let idleAttempts = 0;
/** The pairing code's phone and when it was last asked for; `null` while the QR is in use. */
let pairing = null;

/** Does what the state asks for; called on every change and every tick. */
function tendLogin({ state }) {
  if (!unpaired(state)) {
    idleSince = null;
    idleAttempts = 0;
    if (state === "CONNECTED") {
      pairing = null;
      lastQr = null;
    }
    return;
  }
  forgetHeard();
  if (pairing) {
    if (native.now() - pairing.at > CODE_RENEWAL_MS) guarded("code", () => renewCode());
    return;
  }
  if (state === "UNPAIRED_IDLE") refreshIdleQr();
  else {
    idleSince = null;
    idleAttempts = 0;
    guarded("qr", () => showQr());
  }
}

/** The refs are used up: asks for new ones, through either module, again every five seconds. */
function refreshIdleQr() {
  const now = native.now();
  if (idleSince !== null && now - idleSince < 5000) return;
  idleSince = now;
  lastQr = null;
  const ways = [...found("refreshQr")];
  if (ways.length === 0) {
    note("qr.refresh", "no module can refresh the QR");
    return;
  }
  const { value, owner, where } = ways[idleAttempts % ways.length];
  idleAttempts += 1;
  note("qr.refresh", where);
  guarded("qr.refresh", () => value.call(owner));
}

/** Composes the QR of the page's current ref and tells it, unless it was told already. */
async function showQr() {
  const ref = currentRef();
  if (composing || typeof ref !== "string" || ref === "") return;
  const whole = optional("platform") !== undefined;
  if (lastQr?.ref === ref && (lastQr.whole || !whole)) return;
  // The platform's module may come after the others (§0.1), and without it the text has four parts,
  // which not everybody takes. The watch asks again.
  if (!whole && native.now() - STARTED < PLATFORM_MS) return;
  composing = true;
  try {
    const text = await within(10000, composeQr(ref));
    const conn = optional("conn");
    if (text && !pairing && currentRef() === ref && socketState() === "UNPAIRED") {
      const validMs = qrLifetime(field(conn, "refTTL"));
      if (lastQr?.text !== text) emit("qr", { text, validMs });
      lastQr = { ref, text, whole };
      qrShown = true;
    }
  } finally {
    composing = false;
  }
  // Failed, or the ref changed meanwhile: the page need not say so again.
  if (!qrRetry && lastQr?.ref !== currentRef()) {
    qrRetry = later(1000, "qr", () => {
      qrRetry = null;
      publish();
    });
  }
}

function currentRef() {
  return field(optional("conn"), "ref");
}

async function composeQr(ref) {
  try {
    const noise = await needed("noiseInfo").get();
    const registration = await needed("signalStore").getRegistrationInfo();
    // Made anew by the page at times, so it is read anew for every QR.
    const secret = await invoke("advSecret");
    const parts = [ref, base64(keyOf(noise.staticKeyPair)), base64(keyOf(registration.identityKeyPair)), secret];
    const platform = optional("platform");
    if (platform !== undefined) parts.push(String(platform));
    if (typeof secret !== "string" || secret === "") throw new Error("no ADV secret yet");
    delete facts["fault.qr"];
    return parts.join(",");
  } catch (error) {
    note("fault.qr", words(error));
    return undefined;
  }
}

const keyOf = (pair) => pair.pubKey ?? pair.publicKey;

function base64(bytes) {
  if (typeof bytes === "string") return bytes;
  if (look("encodeBase64")) return invoke("encodeBase64", bytes);
  return btoa(String.fromCharCode(...new Uint8Array(bytes.buffer ?? bytes)));
}

/** As the page says (in seconds, or in milliseconds), else as seen in practice (§2.3). */
function qrLifetime(ttl) {
  const value = Number(ttl);
  if (Number.isFinite(value) && value > 0) {
    return Math.max(5000, Math.min(180000, value < 1000 ? value * 1000 : value));
  }
  return qrShown ? LATER_QR_MS : FIRST_QR_MS;
}

/** Waits until the page knows whether a login is needed; refuses when it is not. */
async function untilLoginNeeded(ticket) {
  for (;;) {
    const state = socketState();
    if (unpaired(state)) return;
    if (state === "CONNECTED" || state === "PAIRING") throw wrongMoment("a phone is linked already");
    await ticket.wait("the page to say whether a login is needed", sleep(100));
  }
}

async function askForCode(phone, wait) {
  if (look("setPairingType")) await wait("the pairing type", invoke("setPairingType", "ALT_DEVICE_LINKING"));
  if (look("initializePairing")) await wait("the pairing to begin", invoke("initializePairing"));
  const answer = await wait("the pairing code", invoke("startPairing", phone, true));
  const raw = typeof answer === "string" ? answer : (answer?.code ?? answer?.pairingCode);
  const code = String(raw ?? "").replace(/[\s-]/g, "");
  if (code === "") throw refused("the page gave no pairing code");
  return code;
}

async function renewCode() {
  const asked = pairing;
  asked.at = native.now();
  const code = await askForCode(asked.phone, (_what, promise) => promise);
  // Cancelled, or asked for another phone, while it was on its way.
  if (pairing === asked && unpaired(socketState())) tellCode(code, asked.phone);
}

function tellCode(code, phone) {
  emit("code", { code, phone, validMs: CODE_VALID_MS });
}

commands.requestPairingCode = async ({ phone }, ticket) => {
  await untilLoginNeeded(ticket);
  // Its module may come a little after the socket.
  for (let looks = 0; looks < 50 && !look("startPairing"); looks += 1) {
    await ticket.wait("the pairing code's module", sleep(100));
  }
  needed("startPairing");
  const before = pairing;
  const mine = { phone, at: native.now() };
  pairing = mine;
  try {
    const code = await askForCode(phone, (what, promise) => ticket.wait(what, promise));
    tellCode(code, phone);
    return { code };
  } catch (error) {
    if (pairing === mine) pairing = before;
    throw error;
  }
};

commands.showQr = async (_args, ticket) => {
  await untilLoginNeeded(ticket);
  const wasPairing = pairing !== null;
  pairing = null;
  lastQr = null;
  if (wasPairing) {
    // In this order (§2.4). Either may be gone from a build; the other then does.
    for (const part of ["refreshQr", "initializeQr"]) {
      const way = look(part);
      if (!way) continue;
      ticket.step(way.where);
      try {
        await within(5000, way.value.call(way.owner));
      } catch (error) {
        note(`fault.${part}`, words(error));
      }
    }
  }
  publish();
  return null;
};

/** The page's own word that a pairing code has run out (§2.4). */
function watchPairingEvents() {
  const module = load("WAWebLinkDeviceEvents");
  const emitter = module && [module, ...Object.values(module)].find((one) => typeof one?.on === "function");
  if (!emitter) return false;
  for (const event of ["refresh_alt_linking_code", "force_manual_refresh"]) {
    listen(emitter, `link_device_events:${event}`, "code", () => {
      // Not for the code that was asked for this moment.
      if (pairing && native.now() - pairing.at > 10000) renewCode();
    });
  }
  listen(emitter, "link_device_events:error_alt_linking", "code", (error) =>
    note("pairing.error", words(error)),
  );
  return true;
}
