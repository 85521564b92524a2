// Ids become text at once (fact sheet §0.3): what goes out is a copy, and a copy has lost the
// getters and methods that an id of the page lives by.

const KEY = /^(true|false)_[^_]+@[^_]+_.+/;
const WID = /^[^@\s]+@[^@\s]+$/;

/** The text of a chat's or person's id, without the device in it, or `null`. */
function widText(wid) {
  if (wid === undefined || wid === null) return null;
  let text = null;
  for (const read of [
    () => (typeof wid === "string" ? wid : null),
    () => wid._serialized,
    () => wid.toString(),
    () => wid.$1,
    () => `${wid.user}@${wid.server}`,
  ]) {
    try {
      const value = read();
      if (typeof value === "string" && WID.test(value)) {
        text = value;
        break;
      }
    } catch {
      // The next one may do.
    }
  }
  return text && text.replace(/:\d+@/, "@").replace(/@s\.whatsapp\.net$/, "@c.us");
}

/** The text of a message's key, or `null`. `_serialized` is gone in new builds (§0.3, `$1`). */
function keyText(key) {
  if (key === undefined || key === null) return null;
  for (const read of [
    () => (typeof key === "string" ? key : null),
    () => key.toString(),
    () => key._serialized,
    () => key.$1,
    () => {
      const parts = [Boolean(key.fromMe), widText(key.remote), key.id];
      const participant = widText(key.participant);
      return (participant ? [...parts, participant] : parts).join("_");
    },
  ]) {
    try {
      const value = read();
      if (typeof value === "string" && KEY.test(value)) return value;
    } catch {
      // The next one may do.
    }
  }
  return null;
}

/** The short id inside a key, the same on every device. */
function wireIdOf(key) {
  try {
    if (typeof key?.id === "string") return key.id;
  } catch {
    // Its text has it too.
  }
  return keyText(key)?.split("_")[2] ?? null;
}

function fromMe(message) {
  const id = field(message, "id");
  const own = field(id, "fromMe");
  return typeof own === "boolean" ? own : Boolean(keyText(id)?.startsWith("true_"));
}

const serverOf = (text) => text?.split("@")[1] ?? "";
const isPhone = (text) => serverOf(text) === "c.us";
const isLid = (text) => serverOf(text) === "lid";
const isPerson = (text) => isPhone(text) || isLid(text);

/** The page's own object for an id. */
function widFor(text) {
  return invoke("createWid", text);
}

/** Both names of a person where the page knows them (fact sheet §0.4): `{phone, lid}`. */
async function identities(wid) {
  const text = widText(wid);
  const known = { phone: isPhone(text) ? text : null, lid: isLid(text) ? text : null };
  if (!isPerson(text)) return known;
  const other = isPhone(text) ? "lid" : "phone";
  let object = wid;
  try {
    // The page's functions want its own objects, and what it gave may be a record of one.
    if (typeof wid === "string" || String(wid) !== text) object = widFor(text);
  } catch {
    return known;
  }
  for (const part of [other === "lid" ? "lidOf" : "phoneOf", "alternate"]) {
    let answer = attempt(part, object);
    if (typeof answer?.then === "function") answer = await within(1000, answer);
    answer = widText(answer);
    if (other === "lid" ? isLid(answer) : isPhone(answer)) {
      known[other] = answer;
      break;
    }
  }
  return known;
}

/** The page's objects for this account: `{phone, lid}`, each may be absent. */
function meWids() {
  const phone = attempt("mePhone");
  const lid = attempt("meLid");
  const conn = optional("conn");
  const account = { phone: null, lid: null };
  for (const wid of [phone, lid, field(conn, "wid"), field(conn, "me")]) {
    const text = widText(wid);
    if (isPhone(text)) account.phone ??= wid;
    if (isLid(text)) account.lid ??= wid;
  }
  return account;
}
