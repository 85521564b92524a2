// Channels, which the page calls newsletters (fact sheet §4.6, §6.2).

const noChannel = (id) => new BridgeError("noChannel", id);

/** What the page has of a channel, from its chat and its metadata. */
function readChannel(chat) {
  const metadata = field(chat, "newsletterMetadata");
  return {
    id: widText(field(chat, "id")),
    name: textOrNull(field(metadata, "name")) ?? textOrNull(field(chat, "formattedTitle")) ?? textOrNull(field(chat, "name")) ?? "",
    description: textOrNull(field(metadata, "description")),
    invite: textOrNull(field(metadata, "inviteCode")),
    role: textOrNull(field(metadata, "membershipType")),
    followers: countOf(field(metadata, "size")),
    at: countOf(field(metadata, "creationTime")),
  };
}

commands.channels = async () => {
  mustBeReady();
  return listOf(needed("newsletters")).map(readChannel).filter(({ id }) => id);
};

/** Metadata as the server answers: builds nest the fields under long names (§6.2). */
function readChannelAnswer(answer) {
  const at = (name, inner) => field(field(answer, name), inner);
  return {
    id: widText(field(answer, "idJid")),
    name: textOrNull(at("newsletterNameMetadataMixin", "nameElementValue")) ?? "",
    description: textOrNull(
      field(at("newsletterDescriptionMetadataMixin", "descriptionQueryDescriptionResponseMixin"), "elementValue"),
    ),
    invite: textOrNull(at("newsletterInviteLinkMetadataMixin", "inviteCode")),
    followers: countOf(at("newsletterSubscribersMetadataMixin", "subscribersCount")),
    at: countOf(at("newsletterCreationTimeMetadataMixin", "creationTimeValue")),
    role: null,
  };
}

commands.channelByInvite = async ({ code }, ticket) => {
  mustBeReady();
  const role = attempt("newsletterRole", code);
  const answer = await askInvite(ticket, "WhatsApp to tell of the channel", () => invoke("queryNewsletter", code, role));
  const found = readChannelAnswer(answer);
  if (!found.id) throw new BridgeError("noInvite", "no such channel");
  const known = await newsletterChat(found.id, ticket).catch(() => null);
  return { ...found, role: textOrNull(field(field(known, "newsletterMetadata"), "membershipType")) ?? textOrNull(role) };
};

/** The channel's chat; one that is not followed has to be loaded as a preview first (§4.2). */
async function newsletterChat(id, ticket) {
  const all = needed("newsletters");
  const known = all.get(id) ?? all.get(widFor(id));
  if (known) return known;
  try {
    await ticket.wait("the channel's preview", invoke("loadNewsletterPreview", id));
    const found = await ticket.wait("the channel", all.find(widFor(id)));
    if (found) return found;
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    note("channel.preview", words(error));
  }
  throw noChannel(id);
}

commands.createChannel = async ({ name, description }, ticket) => {
  mustBeReady();
  needed("createNewsletter");
  if (attempt("mayCreateNewsletter") === false) {
    throw new BridgeError("notAllowed", "WhatsApp does not let this account make channels");
  }
  ticket.step("WhatsApp to make the channel");
  const made = await ticket.wait(
    "WhatsApp to make the channel",
    invoke("createNewsletter", { name, description: description ?? null, picture: null }),
  );
  const channel = readChannelAnswer(made);
  if (!channel.id) throw refused("WhatsApp gave the new channel no id");
  return { ...channel, name: channel.name || name, description: channel.description ?? description ?? null, role: "owner" };
};

commands.followChannel = async ({ id, on }, ticket) => {
  mustBeReady();
  const part = on ? "followNewsletter" : "unfollowNewsletter";
  needed(part);
  const chat = await newsletterChat(id, ticket);
  if (field(field(chat, "newsletterMetadata"), "membershipType") === "owner") {
    throw new BridgeError("notAllowed", "the channel is this account's own");
  }
  const what = on ? "WhatsApp to follow the channel" : "WhatsApp to leave the channel";
  ticket.step(what);
  await ticket.wait(what, invoke(part, chat, { eventSurface: 3, deleteLocalModels: !on }));
  return null;
};

const MAY_POST = ["owner", "admin"];

commands.postToChannel = async ({ id, text, wireId }, ticket) => {
  mustBeReady();
  for (const part of ["newsletterRecord", "keepNewsletterRecords", "sendNewsletterMessage"]) needed(part);
  const chat = await newsletterChat(id, ticket);
  const role = field(field(chat, "newsletterMetadata"), "membershipType");
  if (role && !MAY_POST.includes(role)) throw new BridgeError("notAllowed", "only its admins post to a channel");
  const me = meWids();
  const from = me.lid ?? me.phone;
  const MsgKey = needed("MsgKey");
  const key = new MsgKey({ from, to: chat.id, id: wireId, selfDir: "out" });
  const fields = {
    id: key, ack: 0, body: text, from, to: chat.id, local: true, self: "out",
    t: Math.floor(native.now() / 1000), isNewMsg: true, type: "chat",
  };
  const { modelClass } = needed("messages");
  if (typeof modelClass !== "function") throw missing("WAWebCollections.Msg.modelClass");
  const message = new modelClass(fields);
  ownSends.add(wireId);
  ticket.step("WhatsApp to take the post");
  await ticket.wait("the page to keep the post", invoke("keepNewsletterRecords", [invoke("newsletterRecord", message)]));
  chat.msgs.add(message);
  const answer = await ticket.wait(
    "WhatsApp to take the post",
    invoke("sendNewsletterMessage", { msg: message, type: "text", newsletterJid: chat.id.toJid() }),
  );
  if (!field(answer, "success")) throw new BridgeError("server", "WhatsApp did not take the post", { status: null });
  await within(3000, guarded("channel", () => {
    message.updateAck?.(1, true);
    return attempt("updateNewsletterRecord", message);
  }));
  return keyText(key);
};
