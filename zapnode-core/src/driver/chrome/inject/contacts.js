// People: who they are, their pictures and words, whom the account has blocked (fact sheet §0.4, §6).

/** What the page derives of a contact; the field itself where the getter is not there. */
function derived(part, contact, name) {
  const value = attempt(part, contact);
  return value ?? field(contact, name);
}

function blockedNames() {
  return new Set(listOf(optional("blocklist")).map((one) => widText(field(one, "id"))).filter(Boolean));
}

/** One entry of the page's collection as plain data; the page has some people under both names. */
async function readContact(contact, blocked) {
  const id = widText(field(contact, "id"));
  const known = await identities(field(contact, "id"));
  // Where no mapping is known yet, the contact itself may name its number.
  const phone = known.phone ?? (isPhone(widText(field(contact, "phoneNumber"))) ? widText(contact.phoneNumber) : null);
  const me = meWids();
  const names = [id, phone, known.lid];
  return {
    id,
    phone,
    lid: known.lid,
    name: textOrNull(derived("contactName", contact, "name")),
    shortName: textOrNull(derived("contactShortName", contact, "shortName")),
    pushName: textOrNull(derived("contactPushName", contact, "pushname")),
    verifiedName: textOrNull(derived("contactVerifiedName", contact, "verifiedName")),
    isBusiness: field(contact, "isBusiness") === true || field(contact, "isEnterprise") === true,
    isMyContact: attempt("isMyContact", contact) === true,
    isBlocked: field(contact, "isContactBlocked") === true || names.some((one) => blocked.has(one)),
    isMe: names.some((one) => one && (one === widText(me.phone) || one === widText(me.lid))),
  };
}

/** One person of two entries: what either of them has. */
function joined(one, other) {
  const both = { ...one };
  for (const [name, value] of Object.entries(other)) {
    if (typeof value === "boolean") both[name] ||= value;
    else both[name] ??= value;
  }
  return both;
}

/** By name, those without one last; then by id. */
function contactOrder(one, other) {
  if (one.order !== other.order) return one.order < other.order ? -1 : 1;
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}

function contactPlace(contact) {
  const title = contact.name ?? contact.verifiedName ?? contact.pushName;
  return { contact, id: contact.id, order: title ? `0${title.toLowerCase()}` : "1" };
}

commands.contacts = async ({ words: wanted, mine, after, limit }, ticket) => {
  mustBeReady();
  const blocked = blockedNames();
  const byPerson = new Map();
  for (const contact of listOf(needed("contacts"))) {
    if (!isPerson(widText(field(contact, "id")))) continue;
    const read = await ticket.wait("the page's contacts", readContact(contact, blocked));
    const key = read.lid ?? read.phone ?? read.id;
    const known = byPerson.get(key);
    byPerson.set(key, known ? joined(known, read) : read);
  }
  const fits = (one) =>
    (!mine || one.isMyContact) &&
    [one.name, one.verifiedName, one.pushName, one.phone].some((text) => has(text, wanted));
  const all = [...byPerson.values()].filter(fits).map(contactPlace).sort(contactOrder);
  const rest = after ? all.filter((one) => contactOrder(after, one) < 0) : all;
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    contacts: page.map(({ contact }) => contact),
    next: rest.length > page.length ? { order: last.order, id: last.id } : null,
    total: all.length,
  };
};

/** The page's own objects for a person: `{phone, lid}`. WhatsApp is asked where one is not known. */
async function bothNames(id, ticket) {
  let known = await identities(id);
  if (!known.phone || !known.lid) {
    const found = await queryContact(id, ticket);
    if (!found) return null;
    const more = await identities(id);
    const answer = widText(found);
    known = {
      phone: more.phone ?? (isPhone(answer) ? answer : null),
      lid: more.lid ?? (isLid(answer) ? answer : null),
    };
  }
  return known;
}

commands.contact = async ({ id }, ticket) => {
  mustBeReady();
  if (!isPerson(id)) return null;
  const contacts = needed("contacts");
  const known = await identities(id);
  const inMemory = [id, known.lid, known.phone].map((one) => one && contactInPage(contacts, one)).filter(Boolean);
  if (inMemory.length === 0) {
    const names = await bothNames(id, ticket);
    if (!names) return null;
    const found = await ticket.wait("the contact", contacts.find(widFor(names.lid ?? names.phone ?? id)));
    if (found) inMemory.push(found);
  }
  const blocked = blockedNames();
  const read = await Promise.all(inMemory.map((one) => readContact(one, blocked)));
  return read.length > 0 ? read.reduce(joined) : null;
};

function contactInPage(contacts, text) {
  return guarded("contact", () => contacts.get(widFor(text)) ?? contacts.get(text)) ?? null;
}

/** A person's or group's id as the page knows it best: by number needs WhatsApp to say who it is. */
async function wellKnown(id, ticket) {
  if (!isPhone(id)) return id;
  const known = await identities(id);
  if (known.lid) return id;
  const found = await queryContact(id, ticket);
  if (!found) throw new BridgeError("nobody", id);
  return id;
}

/** A refusal that says "not yours to see", or "there is none": no error, but nothing. */
async function orNothing(promise) {
  try {
    return await promise;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal && (refusal.status === null || [401, 403, 404].includes(refusal.status))) return null;
    throw error;
  }
}

commands.about = async ({ id }, ticket) => {
  mustBeReady();
  const wid = widFor(await wellKnown(id, ticket));
  const answer = await ticket.wait("the about text", orNothing(invoke("getAbout", { token: "", wid })));
  return textOrNull(field(answer, "status"));
};

commands.picture = async ({ id }, ticket) => {
  mustBeReady();
  return pictureOf(await wellKnown(id, ticket), ticket);
};

async function pictureOf(id, ticket) {
  const chat = await knownChat(id);
  if (chat && look("requestPicture")) {
    const answer = await ticket.wait("the picture", orNothing(invoke("requestPicture", chat)));
    return textOrNull(field(answer, "eurl"));
  }
  const thumbs = needed("pictures");
  const thumb = await ticket.wait("the picture", orNothing(thumbs.find(widFor(id))));
  return textOrNull(field(thumb, "imgFull")) ?? textOrNull(field(thumb, "img"));
}

// --- businesses --------------------------------------------------------------------------------

/** Plain data of whatever the page has; ids become text, and what is too deep is left out. */
function plain(value, depth = 0) {
  if (value === null || value === undefined) return null;
  if (["string", "boolean"].includes(typeof value)) return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "object" || depth > 5) return undefined;
  const id = value.server && value.user ? widText(value) : null;
  if (id) return id;
  if (Array.isArray(value)) return value.map((one) => plain(one, depth + 1) ?? null);
  const model = typeof value.serialize === "function" ? value.serialize() : value;
  const copy = {};
  for (const name of Object.keys(model)) {
    const inner = guarded("plain", () => plain(model[name], depth + 1));
    if (inner !== undefined && inner !== null) copy[name] = inner;
  }
  return copy;
}

commands.business = async ({ id }, ticket) => {
  mustBeReady();
  const wid = widFor(await wellKnown(id, ticket));
  const profile = await ticket.wait("the business profile", orNothing(needed("businesses").find(wid)));
  const read = profile ? plain(profile) : null;
  // Of somebody who is no business the page has an empty model at most.
  const says = read && Object.keys(read).some((name) => name !== "id" && name !== "stale");
  return says ? read : null;
};

// --- blocked people ----------------------------------------------------------------------------

commands.blocked = async () => {
  mustBeReady();
  return people(listOf(needed("blocklist")).map((one) => field(one, "id")));
};

commands.setBlocked = async ({ id, blocked }, ticket) => {
  mustBeReady();
  if (!isPerson(id)) throw refused("only a person can be blocked");
  const names = await bothNames(id, ticket);
  if (!names) throw new BridgeError("nobody", id);
  // The block list goes by LID (§6).
  if (!names.lid) throw refused("the LID of this person is not known, and only by it can they be blocked");
  const all = blockedNames();
  if ((all.has(names.lid) || all.has(names.phone)) === blocked) return null;
  const lid = widFor(names.lid);
  const contact = contactInPage(needed("contacts"), names.lid) ?? { id: lid, isContactBlocked: !blocked, phoneNumber: null };
  await ticket.wait(
    blocked ? "WhatsApp to block them" : "WhatsApp to unblock them",
    blocked
      ? invoke("blockContact", { contact, blockEntryPoint: "ChatListBlock" })
      : invoke("unblockContact", contact, "ChatListBlock"),
  );
  return null;
};
