// Groups: read them, found them, change them and who is in them (fact sheet §6.1). What they tell by
// themselves is in receive.js.

const noGroup = (id) => new BridgeError("noGroup", id);
const onlyAdmins = () => new BridgeError("notAllowed", "only admins of the group may do that");

/** Refusals of the server that say that this account may not, and that there is no such group. */
const FORBIDDEN = [401, 403];
const GONE = [404, 410];

/** Asks the server something about a group; its usual refusals get their names. */
async function askGroup(id, ticket, what, ask) {
  ticket.step(what);
  try {
    return await ticket.wait(what, ask());
  } catch (error) {
    const status = refusalOf(error)?.status;
    if (FORBIDDEN.includes(status)) throw onlyAdmins();
    if (GONE.includes(status)) throw noGroup(id);
    throw error;
  }
}

async function groupChat(id, ticket) {
  mustBeReady();
  const known = chatInPage(id);
  if (known) return known;
  const found = await ticket.wait("the group's chat", findKnownChat(widFor(id)).catch(() => null));
  const chat = chatInPage(id) ?? field(found, "chat") ?? found;
  if (!chat) throw noGroup(id);
  return chat;
}

/** What the page has of a group: with its chat, or in a collection of its own (§8.1). */
function groupMetadata(id) {
  const chat = chatInPage(id);
  const own = field(chat, "groupMetadata");
  if (own) return own;
  const collection = optional("groupMetadata");
  return guarded("group", () => collection?.get(widFor(id)) ?? collection?.get(id)) ?? null;
}

/** The same, brought up to date from the server. */
async function freshGroup(id, ticket) {
  const chat = await groupChat(id, ticket);
  const ask = async () => {
    if (look("queryGroup")) return invoke("queryGroup", { id });
    const collection = needed("groupMetadata");
    if (typeof collection.update !== "function") throw missing(placeOf("queryGroup"));
    return collection.update(widFor(id));
  };
  try {
    await ticket.wait("WhatsApp to tell of the group", ask());
  } catch (error) {
    // Those outside are told nothing of a group.
    if ([...FORBIDDEN, ...GONE].includes(refusalOf(error)?.status)) throw noGroup(id);
    throw error;
  }
  const metadata = groupMetadata(id);
  if (!metadata) throw noGroup(id);
  return { chat, metadata };
}

const participantsOf = (metadata) => listOf(field(metadata, "participants"));
const isSelf = (text) => {
  const me = meWids();
  return Boolean(text) && [widText(me.phone), widText(me.lid)].includes(text);
};

/** This account's entry among the participants. */
function ownEntry(metadata) {
  return participantsOf(metadata).find((one) => isSelf(widText(field(one, "id"))));
}

const isAdminEntry = (one) => field(one, "isAdmin") === true || field(one, "isSuperAdmin") === true;

function mustBeAdmin(metadata) {
  if (!isAdminEntry(ownEntry(metadata))) throw onlyAdmins();
}

const subjectOf = (chat, metadata) =>
  textOrNull(field(metadata, "subject")) ?? textOrNull(field(chat, "formattedTitle")) ?? textOrNull(field(chat, "name")) ?? "";

/** A community's parent has no messages of its own (§4.2). */
function isCommunity(metadata) {
  return field(metadata, "isParentGroup") === true || field(metadata, "groupType") === "COMMUNITY";
}

function mustNotBeCommunity(id) {
  if (serverOf(id) === "g.us" && isCommunity(groupMetadata(id))) {
    throw refused("a community cannot be written to, only its groups");
  }
}

/** Whether the group names its members by number; where that is not known, it does by LID (§4.3). */
function groupsByPhone(id) {
  return serverOf(id) === "g.us" && field(groupMetadata(id), "isLidAddressingMode") === false;
}

commands.groups = async () => {
  mustBeReady();
  const chats = listOf(needed("chats")).filter((chat) => serverOf(widText(field(chat, "id"))) === "g.us");
  return chats.map((chat) => {
    const id = widText(chat.id);
    const metadata = groupMetadata(id);
    const participants = participantsOf(metadata);
    const known = participants.length > 0;
    return {
      id,
      subject: subjectOf(chat, metadata),
      isCommunity: isCommunity(metadata),
      memberCount: known ? participants.length : null,
      isAdmin: known ? isAdminEntry(ownEntry(metadata)) : null,
      at: countOf(field(chat, "t")),
    };
  });
};

commands.group = async ({ id }, ticket) => {
  const { chat, metadata } = await freshGroup(id, ticket);
  const entries = participantsOf(metadata);
  const members = await ticket.wait("the members' names", people(entries.map((one) => field(one, "id"))));
  const addMode = field(metadata, "memberAddMode");
  return {
    id,
    subject: subjectOf(chat, metadata),
    description: textOrNull(field(metadata, "desc")),
    isCommunity: isCommunity(metadata),
    owner: await person(field(metadata, "owner")),
    at: countOf(field(metadata, "creation")),
    isAdmin: isAdminEntry(ownEntry(metadata)),
    byLid: field(metadata, "isLidAddressingMode") !== false,
    onlyAdminsWrite: field(metadata, "announce") === true,
    onlyAdminsEdit: field(metadata, "restrict") === true,
    onlyAdminsAdd: addMode === "admin_add" || addMode === 0,
    disappearing: countOf(field(metadata, "ephemeralDuration")),
    members: members.map((member) => {
      const entry = entries.find((one) => widText(field(one, "id")) === member.id);
      return { ...member, isAdmin: field(entry, "isAdmin") === true, isOwner: field(entry, "isSuperAdmin") === true };
    }),
  };
};

// --- people ------------------------------------------------------------------------------------

/** How many people are asked for at once. */
const ASKED_AT_ONCE = 8;

/** Both names of a person; WhatsApp is asked where one is not known. `null`: not on WhatsApp. */
async function knownPerson(id, ticket) {
  const known = await identities(id);
  if (known.phone && known.lid) return known;
  const wid = await queryContact(id, ticket);
  if (!wid) return null;
  const found = await identities(wid);
  return { phone: found.phone ?? known.phone, lid: found.lid ?? known.lid };
}

async function knownPeople(ids, ticket) {
  const found = [];
  for (let from = 0; from < ids.length; from += ASKED_AT_ONCE) {
    const some = ids.slice(from, from + ASKED_AT_ONCE);
    found.push(...(await Promise.all(some.map((id) => knownPerson(id, ticket)))));
  }
  return found;
}

/** The wire's form of a person's id, the number where it is known (as the page's own calls have it). */
const jidOf = ({ phone, lid }) => invoke("userJid", widFor(phone ?? lid));

/** The first field of this name anywhere in an answer: builds nest them under long names. */
function fieldWithin(value, name, depth = 8) {
  if (!value || typeof value !== "object" || depth === 0) return undefined;
  const own = field(value, name);
  if (own !== undefined && own !== null && typeof own !== "object") return own;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    const found = fieldWithin(inner, name, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What an answer of the server's says of one person: their number, or why the whole was refused. */
function personCode(id, answer) {
  const value = field(answer, "value");
  if (/Success$/.test(String(field(answer, "name")))) return countOf(fieldWithin(value, "error")) ?? 200;
  const code = countOf(fieldWithin(value, "code")) ?? 400;
  if (FORBIDDEN.includes(code)) throw onlyAdmins();
  if (GONE.includes(code)) throw noGroup(id);
  return code;
}

/** A card for somebody who can only be invited, and whether it was sent to them. */
async function inviteCard({ id, subject, known, code, expires, send }, ticket) {
  if (!code) return null;
  const card = { code: String(code), expires: countOf(expires), sent: false };
  if (!send) return card;
  needed("sendInviteCard");
  const chat = await chatFor(known.lid && !known.phone ? known.lid : known.phone, ticket);
  ticket.step("the invite card to be sent");
  const sent = await ticket.wait(
    "the invite card to be sent",
    invoke("sendInviteCard", chat, id, subject, card.code, String(card.expires ?? ""), "", undefined),
  );
  return { ...card, sent: field(sent, "messageSendResult") === "OK" };
}

async function addOne({ id, chat, metadata, who, known, invite }, ticket) {
  if (!known) return { id: who, code: 404 };
  const there = participantsOf(metadata).some((one) => [known.phone, known.lid].includes(widText(field(one, "id"))));
  if (there) return { id: who, code: 409 };
  const iqTo = invoke("groupJid", widFor(id));
  const participantArgs = [{ participantJid: jidOf(known) }];
  const answer = await askGroup(id, ticket, "WhatsApp to add somebody", () =>
    invoke("addParticipants", { participantArgs, iqTo }),
  );
  const code = personCode(id, answer);
  if (code !== 403) return { id: who, code };
  const value = field(answer, "value");
  const card = await inviteCard({
    id, known, send: invite, subject: subjectOf(chat, metadata),
    code: fieldWithin(value, "addRequestCode"), expires: fieldWithin(value, "addRequestExpiration"),
  }, ticket);
  return { id: who, code, invite: card };
}

const CHANGES = {
  remove: { part: "removeParticipants", done: (entry) => !entry, already: () => false },
  promote: { part: "promoteParticipants", done: isAdminEntry, already: isAdminEntry },
  demote: { part: "demoteParticipants", done: (entry) => !isAdminEntry(entry), already: (entry) => !isAdminEntry(entry) },
};

function entryOf(metadata, known) {
  const names = [known?.lid, known?.phone].filter(Boolean);
  return participantsOf(metadata).find((one) => names.includes(widText(field(one, "id"))));
}

commands.changeMembers = async ({ id, change, people: ids, invite }, ticket) => {
  const { chat, metadata } = await freshGroup(id, ticket);
  if (!ownEntry(metadata)) throw noGroup(id);
  if (change === "add") {
    needed("addParticipants");
    const known = await knownPeople(ids, ticket);
    const results = [];
    for (const [place, who] of ids.entries()) {
      results.push(await addOne({ id, chat, metadata, who, known: known[place], invite }, ticket));
    }
    return results;
  }
  const { part, done, already } = CHANGES[change];
  needed(part);
  mustBeAdmin(metadata);
  const known = await knownPeople(ids, ticket);
  const entries = known.map((one) => entryOf(metadata, one));
  const wanted = entries.filter((entry) => entry && !already(entry));
  if (wanted.length > 0) {
    const what = `WhatsApp to ${change} members`;
    await askGroup(id, ticket, what, () => invoke(part, chat, wanted));
  }
  // The call gives no result for each: what came of it is seen in the group.
  const after = wanted.length > 0 ? (await freshGroup(id, ticket)).metadata : metadata;
  return ids.map((who, place) => {
    if (!entries[place]) return { id: who, code: 404 };
    if (!wanted.includes(entries[place])) return { id: who, code: 409 };
    return { id: who, code: done(entryOf(after, known[place])) ? 200 : 400 };
  });
};

// --- founding and changing ---------------------------------------------------------------------

commands.createGroup = async ({ subject, people: ids, settings, approval, community }, ticket) => {
  mustBeReady();
  needed("createGroup");
  const known = await knownPeople(ids, ticket);
  const members = known.filter((one) => one?.phone).map(({ phone }) => ({ phoneNumber: widFor(phone) }));
  const options = {
    title: subject,
    ephemeralDuration: settings.disappearing ?? 0,
    restrict: settings.onlyAdminsEdit,
    announce: settings.onlyAdminsWrite,
    memberAddMode: settings.onlyAdminsAdd,
    membershipApprovalMode: approval,
    parentGroupId: community ? widFor(community) : undefined,
    addressingModeOverride: "lid",
  };
  ticket.step("WhatsApp to found the group");
  const made = await ticket.wait("WhatsApp to found the group", invoke("createGroup", options, members));
  const id = widText(field(made, "wid"));
  if (!id) throw refused("WhatsApp gave the new group no id");
  const told = listOf(field(made, "participants"));
  const results = [];
  for (const [place, who] of ids.entries()) {
    const one = known[place];
    if (!one?.phone) {
      // Founding wants numbers; who is known by their LID alone is added afterwards.
      results.push(one ? await addLate(id, who, one, ticket) : { id: who, code: 404 });
      continue;
    }
    const mine = told.find((entry) => [one.phone, one.lid].includes(widText(field(entry, "wid"))));
    const code = countOf(field(mine, "error")) ?? (mine ? 200 : 400);
    const card = code === 403 && field(mine, "invite_code")
      ? { code: String(field(mine, "invite_code")), expires: countOf(field(mine, "invite_code_exp")), sent: false }
      : null;
    results.push({ id: who, code, invite: card });
  }
  // The group exists by now: what goes wrong with its settings is told, and no reason to found another.
  const settled = await settle(id, settings, ticket).then(() => true, (error) => {
    note("group.settings", words(error));
    return false;
  });
  return { id, subject: textOrNull(field(made, "subject")) ?? subject, members: results, settled };
};

async function addLate(id, who, known, ticket) {
  try {
    const { chat, metadata } = await freshGroup(id, ticket);
    return await addOne({ id, chat, metadata, who, known, invite: false }, ticket);
  } catch (error) {
    note("group.add", words(error));
    return { id: who, code: 400 };
  }
}

/** What the new group's settings did not become by its founding is set afterwards. */
async function settle(id, settings, ticket) {
  const is = await commands.group({ id }, ticket);
  for (const [name, property, on] of [
    ["onlyAdminsWrite", "announcement", 1],
    ["onlyAdminsEdit", "restrict", 1],
    ["onlyAdminsAdd", "member_add_mode", 0],
  ]) {
    if (is[name] !== settings[name]) await setProperty(id, property, settings[name] ? on : 1 - on, ticket);
  }
}

async function setProperty(id, property, value, ticket) {
  needed("setGroupProperty");
  const chat = await groupChat(id, ticket);
  await askGroup(id, ticket, "WhatsApp to change the group's settings", () =>
    invoke("setGroupProperty", chat, property, value),
  );
}

commands.editGroup = async ({ id, subject, description, property, value, picture }, ticket) => {
  const { metadata } = await freshGroup(id, ticket);
  if (!ownEntry(metadata)) throw noGroup(id);
  if (property || field(metadata, "restrict") === true) mustBeAdmin(metadata);
  const what = "WhatsApp to change the group";
  if (typeof subject === "string") {
    await askGroup(id, ticket, what, () => invoke("setGroupSubject", widFor(id), subject));
  } else if (typeof description === "string") {
    const before = field(metadata, "descId");
    const next = await ticket.wait("an id for the description", needed("MsgKey").newId());
    await askGroup(id, ticket, what, () => invoke("setGroupDescription", widFor(id), description, next, before));
  } else if (property) {
    await setProperty(id, property, value, ticket);
  } else {
    await askGroup(id, ticket, what, () => changeGroupPicture(id, picture, ticket));
  }
  return null;
};

// --- ways in and out ---------------------------------------------------------------------------

commands.groupInvite = async ({ id, anew }, ticket) => {
  const { metadata } = await freshGroup(id, ticket);
  if (!ownEntry(metadata)) throw noGroup(id);
  const answer = await askGroup(id, ticket, "WhatsApp to give the invite", () => {
    if (anew) return invoke("resetInvite", widFor(id));
    const hit = look("inviteCode");
    if (!hit) throw missing(placeOf("inviteCode"));
    // The newer call takes the id as text, the older one the page's object (§8.1).
    return hit.value.call(hit.owner, hit.where.startsWith("WAWebMex") ? id : widFor(id));
  });
  const code = textOrNull(answer) ?? textOrNull(field(answer, "code"));
  if (!code) throw refused("WhatsApp gave no invite");
  return code;
};

/** Asks something about an invite; an invite that is none gets its name. */
async function askInvite(ticket, what, ask) {
  try {
    return await ticket.wait(what, ask());
  } catch (error) {
    const status = refusalOf(error)?.status;
    if (status === 404 || status === 406 || status === 410) throw new BridgeError("noInvite", "no such invite");
    throw error;
  }
}

async function invitedTo(code, ticket) {
  const info = await askInvite(ticket, "WhatsApp to tell of the invite", () => invoke("queryInvite", code));
  const id = widText(field(info, "id")) ?? widText(field(info, "gid"));
  if (!id) throw new BridgeError("noInvite", "no such invite");
  return { id, info };
}

commands.inviteInfo = async ({ code }, ticket) => {
  mustBeReady();
  const { id, info } = await invitedTo(code, ticket);
  return {
    id,
    subject: textOrNull(field(info, "subject")),
    description: textOrNull(field(info, "desc")),
    owner: await person(field(info, "owner")),
    at: countOf(field(info, "creation")),
    memberCount: countOf(field(info, "size")) ?? (listOf(field(info, "participants")).length || null),
  };
};

commands.joinGroup = async ({ code }, ticket) => {
  mustBeReady();
  needed("joinByInvite");
  try {
    ticket.step("WhatsApp to take this account in");
    const joined = await askInvite(ticket, "WhatsApp to take this account in", () => invoke("joinByInvite", code));
    const id = widText(field(joined, "gid")) ?? (await invitedTo(code, ticket)).id;
    return { id, pending: Boolean(field(joined, "membershipApprovalMode")) };
  } catch (error) {
    // Where an admin has to agree, the page calls that an answer it did not expect (§6.1).
    const id = widText(field(error, "gid"));
    if (field(error, "name") === "UnexpectedJoinGroupViaInviteResponse" && id) {
      return { id, pending: Boolean(field(error, "membershipApprovalMode")) };
    }
    if (refusalOf(error)?.status === 409) return { id: (await invitedTo(code, ticket)).id, pending: false };
    throw error;
  }
};

async function pendingRequests(id, ticket) {
  const { metadata } = await freshGroup(id, ticket);
  mustBeAdmin(metadata);
  return listOf(
    await askGroup(id, ticket, "WhatsApp to list who asks to be let in", () => invoke("joinRequests", widFor(id))),
  );
}

commands.joinRequests = async ({ id }, ticket) => {
  const list = await pendingRequests(id, ticket);
  const found = await people(list.map((one) => field(one, "id")));
  return found.map((who) => {
    const entry = list.find((one) => widText(field(one, "id")) === who.id);
    return { ...who, at: countOf(field(entry, "t")) };
  });
};

commands.answerJoinRequests = async ({ id, approve, people: ids }, ticket) => {
  needed("answerJoinRequest");
  const pending = (await pendingRequests(id, ticket)).map((one) => widText(field(one, "id"))).filter(Boolean);
  const iqTo = invoke("groupJid", widFor(id));
  const results = [];
  for (const who of ids) {
    const known = await identities(who);
    const wid = pending.find((one) => one === who || one === known.phone || one === known.lid);
    if (!wid) {
      results.push({ id: who, code: 404 });
      continue;
    }
    const args = { participantArgs: [{ participantJid: invoke("userJid", widFor(wid)) }] };
    const answer = await askGroup(id, ticket, "WhatsApp to answer who asks to be let in", () =>
      invoke("answerJoinRequest", approve ? { iqTo, approveArgs: args } : { iqTo, rejectArgs: args }),
    );
    results.push({ id: who, code: personCode(id, answer) });
  }
  return results;
};

commands.leaveGroup = async ({ id }, ticket) => {
  const { chat, metadata } = await freshGroup(id, ticket);
  if (!ownEntry(metadata)) throw noGroup(id);
  await askGroup(id, ticket, "WhatsApp to let this account go", () => invoke("exitGroup", chat));
  return null;
};
