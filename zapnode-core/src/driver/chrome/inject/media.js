// Files: into the page and to a chat (fact sheet §4.5), and out of a message (§5.7). Their bytes never
// go through a command as a whole.

// --- the way in --------------------------------------------------------------------------------

/** File inputs that DevTools puts a file into, by token. They are in no document. */
const inputs = new Map();
/** A caller that is gone takes nothing from its input any more. */
const INPUT_MS = 60000;

function fileInput(token) {
  const input = native.createElement("input");
  input.type = "file";
  inputs.set(token, input);
  later(INPUT_MS, "file", () => inputs.delete(token));
  return input;
}

/** The file that was put in under a token, under its own name and type. */
async function takeFile(token, { mimeType, fileName }, ticket) {
  const given = inputs.get(token)?.files?.[0];
  inputs.delete(token);
  if (!given) throw new BridgeError("file", "it did not get into the page");
  const file = new File([given], fileName ?? "file", { type: mimeType });
  try {
    await ticket.wait("the browser to read the file", file.slice(0, 1).arrayBuffer());
  } catch (error) {
    throw error instanceof BridgeError ? error : new BridgeError("file", `the browser cannot read it: ${words(error)}`);
  }
  return file;
}

// --- sending -----------------------------------------------------------------------------------

/** Our words for kinds, and the page's (§5.4). */
const MEDIA_TYPES = { image: "image", video: "video", gif: "video", audio: "audio", voice: "ptt", document: "document", sticker: "sticker" };

commands.sendMedia = async ({ token, medium, ...wanted }, ticket) => {
  const file = await takeFile(token, medium, ticket);
  return sendOnce(wanted, ticket, async () => {
    mustFit(file, medium);
    const fields = medium.kind === "sticker" ? await uploadedSticker(file, ticket) : await uploaded(file, medium, ticket);
    const { caption, viewOnce, mentions } = medium;
    if (caption) Object.assign(fields, { caption, isCaptionByUser: true });
    if (viewOnce) fields.isViewOnce = true;
    if (mentions.length > 0) fields.mentionedJidList = mentions.map(widFor);
    return fields;
  });
};

/** What the page names as its limit, where it does; `origin` is not known, and other callers pass none. */
function mustFit(file, { kind }) {
  const type = attempt("mediaType", { type: MEDIA_TYPES[kind], isGif: kind === "gif", isNewsletter: false });
  const limit = Number(attempt("uploadLimit", type));
  if (limit > 0 && file.size > limit) {
    throw new BridgeError("file", `it has ${file.size} bytes, and WhatsApp takes at most ${limit} of this kind`);
  }
}

/** Anything a page's function throws is said to be of this kind, except what is ours. */
async function asKind(kind, work) {
  try {
    return await work();
  } catch (error) {
    throw error instanceof BridgeError ? error : new BridgeError(kind, words(error));
  }
}

/** Steps 2 to 9: has the page make the file ready and upload it; gives the message's fields. */
async function uploaded(file, { kind, mimeType, fileName, hd, duration, waveform }, ticket) {
  for (const part of ["OpaqueData", "prepareMedia", "mediaObject", "mediaType", "uploadMedia"]) needed(part);
  const OpaqueData = needed("OpaqueData");
  const wave = waveform ? Uint8Array.from(waveform) : undefined;
  const params = { asSticker: false, asGif: kind === "gif", isPtt: kind === "voice", asDocument: kind === "document" };
  if (hd && kind === "image") params.maxDimension = 2560;
  if (duration !== null) params.precomputedFields = { duration, waveform: wave };
  // Made for this message alone: nobody else has it, so it may be changed.
  const data = await asKind("file", async () => {
    const opaque = await ticket.wait("the page to take the file", OpaqueData.createFromData(file, mimeType));
    return ticket.wait("the page to make the file ready", invoke("prepareMedia", opaque, params).waitForPrep());
  });
  if (!data?.filehash) throw new BridgeError("file", "the page could not make it ready");
  if (data.type !== MEDIA_TYPES[kind]) throw new BridgeError("file", `the page takes it for ${data.type}, not ${MEDIA_TYPES[kind]}`);
  const object = invoke("mediaObject", data.filehash);
  const mediaType = invoke("mediaType", { type: data.type, isGif: data.isGif, isNewsletter: false });
  if (kind === "voice") data.waveform = wave ?? field(field(object, "contentInfo"), "waveform") ?? (await waveformOf(file, ticket));

  const entry = await asKind("upload", async () => {
    if (!(data.mediaBlob instanceof OpaqueData)) {
      data.mediaBlob = await ticket.wait("the page to take the file", OpaqueData.createFromData(data.mediaBlob, data.mediaBlob.type));
    }
    data.renderableUrl = data.mediaBlob.url();
    object.consolidate(data.toJSON());
    data.mediaBlob.autorelease();
    guarded("media.cache", () => {
      if (!attempt("usesMediaCache", attempt("castMediaType", object.type))) return;
      optional("mediaCache")?.put(data.filehash, data.mediaBlob.formData());
    });
    const answer = await ticket.wait("the upload of the file", invoke("uploadMedia", { mimetype: data.mimetype, mediaObject: object, mediaType }));
    return answer?.mediaEntry;
  });
  if (!entry?.directPath) throw new BridgeError("upload", "the page made no entry of it");
  data.set({
    clientUrl: entry.mmsUrl,
    deprecatedMms3Url: entry.deprecatedMms3Url,
    directPath: entry.directPath,
    mediaKey: entry.mediaKey,
    mediaKeyTimestamp: entry.mediaKeyTimestamp,
    filehash: data.filehash,
    encFilehash: entry.encFilehash,
    uploadhash: entry.uploadHash,
    size: object.size,
    streamingSidecar: entry.sidecar,
    firstFrameSidecar: entry.firstFrameSidecar,
  });
  const fields = { ...data, ...data.toJSON(), body: data.preview };
  if (kind === "document") fields.filename = fileName ?? "file";
  return fields;
}

/** Stickers have a way of their own. */
async function uploadedSticker(file, ticket) {
  for (const part of ["uploadSticker", "stickerUploadQpl"]) needed(part);
  const blob = file.type === "image/webp" ? file : await asKind("file", async () => {
    if (!file.type.startsWith("image/")) throw new BridgeError("file", "stickers are made of pictures");
    return ticket.wait("the page to make a sticker of it", invoke("toSticker", file));
  });
  const bytes = await ticket.wait("the browser to read the file", blob.arrayBuffer());
  const filehash = base64Of(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  // 24 bytes are 32 characters.
  const mediaKey = base64Of(crypto.getRandomValues(new Uint8Array(24)));
  const given = await asKind("upload", () =>
    ticket.wait("the upload of the file", invoke("uploadSticker", {
      blob,
      type: "sticker",
      signal: new AbortController().signal,
      mediaKey,
      uploadQpl: invoke("stickerUploadQpl", { entryPoint: "MediaUpload" }),
    })),
  );
  if (!given?.directPath) throw new BridgeError("upload", "the page made no entry of it");
  return {
    mediaKey,
    ...given,
    clientUrl: given.url,
    deprecatedMms3Url: given.url,
    uploadhash: given.encFilehash,
    size: blob.size,
    type: "sticker",
    mimetype: "image/webp",
    filehash,
    body: undefined,
  };
}

const WAVE_POINTS = 64;
const WAVE_MS = 10000;

/** How loud it is over its length, as 64 values of 0 to 100 (§4.5); none when it cannot be told. */
async function waveformOf(file, ticket) {
  ticket.step("the voice note's waveform");
  const sound = await within(WAVE_MS, (async () => new OfflineAudioContext(1, 1, 16000).decodeAudioData(await file.arrayBuffer()))());
  if (!sound) return undefined;
  const samples = sound.getChannelData(0);
  const step = Math.max(1, Math.floor(samples.length / WAVE_POINTS));
  const loud = Array.from({ length: WAVE_POINTS }, (_none, place) => {
    let sum = 0;
    for (let at = place * step; at < (place + 1) * step && at < samples.length; at += 1) sum += Math.abs(samples[at]);
    return sum / step;
  });
  const most = Math.max(...loud);
  return Uint8Array.from(loud, (one) => (most > 0 ? Math.floor((one / most) * 100) : 0));
}

/** Base64 of bytes, in steps that fit a call's arguments. */
function base64Of(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

// --- the way out -------------------------------------------------------------------------------

/** Files that are being read, by token. */
const openFiles = new Map();
let filesOpened = 0;
/** One that nobody reads any more is let go of. */
const OPEN_MS = 120000;

/** The message with a file, for a command that works with it. */
async function messageWithFile(wanted, ticket) {
  mustBeReady();
  const message = await findMessage(wanted, ticket);
  if (!message) throw new BridgeError("unknown", wanted.key);
  if (!field(message, "directPath")) throw new BridgeError("noMedia", wanted.key);
  return message;
}

const stageOf = (message) => textOrNull(field(field(message, "mediaData"), "mediaStage")) ?? "";

commands.openMedia = async (wanted, ticket) => {
  const message = await messageWithFile(wanted, ticket);
  if (stageOf(message) === "REUPLOADING") throw wrongMoment("the phone is uploading this file again");
  const bytes = new Uint8Array(await download(message, wanted.key, ticket));
  filesOpened += 1;
  const token = filesOpened;
  openFiles.set(token, { bytes, usedAt: native.now() });
  letGo(token);
  return { token, size: bytes.length, ...readMedia((name) => field(message, name)) };
};

function letGo(token) {
  later(OPEN_MS, "file", () => {
    const open = openFiles.get(token);
    if (!open) return;
    if (native.now() - open.usedAt >= OPEN_MS) openFiles.delete(token);
    else letGo(token);
  });
}

commands.readMedia = async ({ token, offset, length }) => {
  const open = openFiles.get(token);
  if (!open) throw refused("the page has let go of the file");
  open.usedAt = native.now();
  return base64Of(open.bytes.subarray(offset, offset + length));
};

commands.closeMedia = async ({ token }) => {
  openFiles.delete(token);
  return null;
};

/** Required since 2025-12 (§5.7); it measures for the page, and there is nothing to measure. */
const noMeasure = { addAnnotations: () => noMeasure, addPoint: () => noMeasure };

async function download(message, key, ticket) {
  const read = (name) => field(message, name);
  const hit = look("downloads");
  if (!hit) {
    const kept = await cached(message);
    if (kept) return kept;
    throw missing(placeOf("downloads"));
  }
  try {
    const given = hit.value.downloadAndMaybeDecrypt({
      directPath: read("directPath"),
      encFilehash: read("encFilehash"),
      filehash: read("filehash"),
      mediaKey: read("mediaKey"),
      mediaKeyTimestamp: read("mediaKeyTimestamp"),
      type: attempt("typeOfMedia", message) ?? read("type"),
      signal: new AbortController().signal,
      downloadQpl: noMeasure,
    });
    return await ticket.wait("the download of the file", given);
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    if (Number(field(error, "status")) !== 404) throw refused(words(error));
    const kept = await cached(message);
    if (kept) return kept;
    throw new BridgeError("expired", key, { asked: false });
  }
}

/** The file where the page has it at hand (§5.7, step 5). */
async function cached(message) {
  const blob =
    guarded("media.cache", () => optional("mediaCache")?.get(field(message, "filehash"))) ??
    guarded("media.cache", () => field(field(message, "mediaObject"), "mediaBlob")?.forceToBlob());
  return blob instanceof Blob ? within(10000, blob.arrayBuffer()) : undefined;
}

/** Has the phone upload a file again. The page's promise may never settle (§9). */
commands.askForMedia = async (wanted, ticket) => {
  const message = await messageWithFile(wanted, ticket);
  if (typeof field(message, "downloadMedia") !== "function") throw missing("message.downloadMedia");
  if (stageOf(message) === "REUPLOADING") throw wrongMoment("the phone is uploading this file again");
  const how = { downloadEvenIfExpensive: true, rmrReason: 1, isUserInitiated: true };
  await asKind("refused", () => ticket.wait("the phone to upload the file again", message.downloadMedia(how)));
  if (stageOf(message).includes("ERROR")) throw new BridgeError("expired", wanted.key, { asked: true });
  return null;
};
