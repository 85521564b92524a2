// The account's own profile, and turning calls away (fact sheet §5.5, §6).

commands.ownProfile = async (_args, ticket) => {
  mustBeReady();
  const me = meWids();
  const [phone, lid] = [widText(me.phone), widText(me.lid)];
  const wid = me.phone ?? me.lid;
  if (!wid) throw wrongMoment("the page does not know its own account yet");
  // One of them missing must not hide the rest.
  const part = async (what, promise) => (await ticket.wait(what, within(5000, promise))) ?? null;
  const about = look("getAbout") ? await part("the about text", invoke("getAbout", { token: "", wid })) : null;
  return {
    phone,
    lid,
    name: textOrNull(field(optional("conn"), "pushname")),
    about: textOrNull(field(about, "status")),
    picture: await part("the picture", pictureOf(phone ?? lid, ticket)),
  };
};

const changesOfProfile = {
  about: ({ text }) => invoke("setAbout", text),
  name: ({ text }) => {
    const conn = needed("conn");
    if (typeof field(conn, "canSetMyPushname") === "function" && !conn.canSetMyPushname()) {
      throw refused("the name of this account cannot be changed here; change it on the phone");
    }
    return invoke("setName", text);
  },
  picture: async ({ mime, data }, ticket) => {
    const wid = ownWid();
    const thumb = await ticket.wait("the page's own picture", needed("pictures").find(wid));
    if (typeof field(thumb, "canSet") === "function" && !thumb.canSet()) {
      throw refused("the picture of this account cannot be changed here; change it on the phone");
    }
    const [small, full] = await ticket.wait("the picture to be made small", squares(mime, data, [96, 640]));
    return accepted(invoke("setPicture", wid, small, full));
  },
  noPicture: async (_args, ticket) => {
    const wid = ownWid();
    const thumb = await ticket.wait("the page's own picture", needed("pictures").find(wid));
    // Where there is none, there is nothing to do.
    if (typeof field(thumb, "canDelete") === "function" && !thumb.canDelete()) return null;
    return accepted(invoke("deletePicture", wid));
  },
};

function ownWid() {
  const me = meWids();
  const wid = me.phone ?? me.lid;
  if (!wid) throw wrongMoment("the page does not know its own account yet");
  return wid;
}

async function accepted(promise) {
  const answer = await promise;
  const status = numberOf(field(answer, "status"));
  if (status !== 200) throw refused(`WhatsApp did not take the picture (${status ?? "no answer"})`);
}

/** Squares out of the middle, as JPEG data URLs, one for each edge length. */
async function squares(mime, data, edges) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  let image;
  try {
    image = await createImageBitmap(new Blob([bytes], { type: mime }));
  } catch {
    throw refused("the picture cannot be read");
  }
  const edge = Math.min(image.width, image.height);
  const [x, y] = [(image.width - edge) / 2, (image.height - edge) / 2];
  const made = edges.map((size) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d");
    // JPEG has no transparency: what is clear would be black.
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, size, size);
    context.drawImage(image, x, y, edge, edge, 0, 0, size, size);
    return canvas.toDataURL("image/jpeg", 0.85);
  });
  image.close();
  return made;
}

commands.changeProfile = async (change, ticket) => {
  mustBeReady();
  await ticket.wait("WhatsApp to change the profile", changesOfProfile[change.what](change, ticket));
  return null;
};

// --- calls -------------------------------------------------------------------------------------

/** The page's own way ends the call that is active; any other is turned away by its stanza. */
commands.rejectCall = async ({ id, from }, ticket) => {
  mustBeReady();
  const known = ringing.get(id);
  const peer = known?.peer ?? from;
  if (!peer) return false;
  if (known && known === lastRinging) {
    const stack = await ticket.wait("the page's calls", within(3000, attempt("voipStack")));
    if (typeof field(stack, "rejectCall") === "function") {
      await ticket.wait("the page to turn the call away", stack.rejectCall());
      forgetCall(id);
      return true;
    }
  }
  const wap = needed("wap");
  const callId = invoke("stanzaId");
  const me = meWids();
  const own = widText(isLid(peer) ? (me.lid ?? me.phone) : (me.phone ?? me.lid));
  const reject = wap("reject", { "call-id": id, "call-creator": peer, count: "0" });
  const stanza = wap("call", { id: callId, from: own, to: peer }, [reject]);
  await ticket.wait("the call to be turned away", invoke("castStanza", stanza));
  forgetCall(id);
  return true;
};
