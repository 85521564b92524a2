// Small functions that run inside the page, written against the fact sheet's minimum path.

export async function qr() {
  const { Socket } = window.require('WAWebSocketModel');
  const { Conn } = window.require('WAWebConnModel');
  if (Socket.state !== 'UNPAIRED' || !Conn.ref) return null;
  const { encodeB64 } = window.require('WABase64');
  const noise = await window.require('WAWebUserPrefsInfoStore').waNoiseInfo.get();
  const registration = await window.require('WAWebSignalStoreApi').waSignalStore.getRegistrationInfo();
  return [
    Conn.ref,
    encodeB64(noise.staticKeyPair.pubKey),
    encodeB64(registration.identityKeyPair.pubKey),
    await window.require('WAWebUserPrefsMultiDevice').getADVSecretKey(),
    window.require('WAWebCompanionRegClientUtils').DEVICE_PLATFORM,
  ].join();
}

export async function noise() {
  const { staticKeyPair } = await window.require('WAWebUserPrefsInfoStore').waNoiseInfo.get();
  return window.require('WABase64').encodeB64(staticKeyPair.pubKey);
}

export function ready() {
  return window.require('WAWebSocketModel').Socket.hasSynced && window.require('WAWebStreamModel').Stream.mode === 'MAIN';
}

export function listen() {
  const { Msg } = window.require('WAWebCollections');
  window.heard = { acks: [], added: [] };
  Msg.on('change:ack', (msg, ack) => window.heard.acks.push([msg.id.toString(), ack]));
  Msg.on('add', (msg) => window.heard.added.push({ body: msg.body, type: msg.type, isNewMsg: msg.isNewMsg }));
}

export async function send(number, body, address) {
  const wid = window.require('WAWebWidFactory').createWid(`${number}@c.us`);
  const found = await window.require('WAWebQueryExistsJob').queryWidExists(wid);
  const { Chat } = window.require('WAWebCollections');
  const result = await window.require('WAWebFindChatAction').findOrCreateLatestChat(found.wid, 'createChat');
  const chat = Chat.get(result.chat.id);
  const me = window.require('WAWebUserPrefsMeUser');
  const from = chat.id.isLid() && address !== 'pn' ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
  const Key = window.require('WAWebMsgKey');
  const id = new Key({ from, to: chat.id, id: await Key.newId(), selfDir: 'out' });
  const t = Math.floor(Date.now() / 1000);
  const message = { id, ack: 0, body, from, to: chat.id, local: true, self: 'out', t, isNewMsg: true, type: 'chat' };
  const [added, settled] = await window.require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, message);
  await added;
  window.settled = settled;
  return id.toString();
}

// Sends, and says after `ms` what the second promise and the ack have come to.
export async function sendAndWatch(number, body, ms) {
  const wid = window.require('WAWebWidFactory').createWid(`${number}@c.us`);
  await window.require('WAWebQueryExistsJob').queryWidExists(wid);
  const { Chat, Msg } = window.require('WAWebCollections');
  const { chat } = await window.require('WAWebFindChatAction').findOrCreateLatestChat(wid);
  const from = window.require('WAWebUserPrefsMeUser').getMaybeMePnUser();
  const Key = window.require('WAWebMsgKey');
  const id = new Key({ from, to: chat.id, id: await Key.newId() });
  const message = { id, ack: 0, body, from, to: chat.id, t: 1, isNewMsg: true, type: 'chat' };
  const [added, settled] = await window.require('WAWebSendMsgChatAction').addAndSendMsgToChat(Chat.get(chat.id), message);
  await added;
  let result = null;
  settled.then((value) => (result = value.messageSendResult));
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { result, acked: Msg.get(id).ack >= 1 };
}

// A small picture, as the page prepares a file.
export async function prepared() {
  const canvas = new OffscreenCanvas(40, 30);
  canvas.getContext('2d').fillRect(0, 0, 20, 20);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  const file = new File([blob], 'picture.png', { type: 'image/png' });
  const opaque = await window.require('WAWebMediaOpaqueData').createFromData(file, file.type);
  return window.require('WAWebPrepRawMedia').prepRawMedia(opaque, {});
}

// Sends it both ways that builds have: what becomes of each.
export async function sendPrepared(number) {
  const wid = window.require('WAWebWidFactory').createWid(`${number}@c.us`);
  await window.require('WAWebQueryExistsJob').queryWidExists(wid);
  const { Chat } = window.require('WAWebCollections');
  const result = await window.require('WAWebFindChatAction').findOrCreateLatestChat(wid);
  const chat = Chat.get(result.chat.id);
  const prep = await prepared();
  const length = prep.sendToChat.length;
  const outcome = (promise) => promise.then(({ messageSendResult }) => messageSendResult, () => 'refused');
  const one = await outcome(Promise.resolve().then(() => prep.sendToChat({ chat, options: { caption: 'one' } })));
  const two = await outcome(Promise.resolve().then(() => prep.sendToChat(chat, { caption: 'two' })));
  return [length, one, two];
}

// Uploads it: the entry's path, or what went wrong.
export async function upload() {
  const data = await (await prepared()).waitForPrep();
  const mediaObject = window.require('WAWebMediaStorage').getOrCreateMediaObject(data.filehash);
  mediaObject.consolidate(data.toJSON());
  const mediaType = window.require('WAWebMmsMediaTypes').msgToMediaType({ type: data.type });
  try {
    const { mediaEntry } = await window.require('WAWebMediaMmsV4Upload').uploadMedia({ mimetype: data.mimetype, mediaObject, mediaType });
    return mediaEntry ? mediaEntry.directPath : 'no entry';
  } catch (error) {
    return error.message;
  }
}

// The last message that came, its file asked for: the stage it comes to, and whether the bytes are there.
export async function fetchLast(how) {
  const msg = window.require('WAWebCollections').Msg.filter((one) => !one.id.fromMe).at(-1);
  const before = msg.mediaData.mediaStage;
  await msg.downloadMedia(how);
  return [before, msg.mediaData.mediaStage, msg.mediaObject.mediaBlob?.size() ?? null];
}

// Both shapes of sendSeen: what becomes of each.
export async function seen(number) {
  const { Chat } = window.require('WAWebCollections');
  const chat = Chat.get(`${number}@c.us`);
  const { sendSeen } = window.require('WAWebUpdateUnreadChatAction');
  const outcome = (promise) => promise.then(() => 'ok', () => 'refused');
  return [await outcome(sendSeen({ chat, threadId: undefined })), await outcome(sendSeen(chat, false))];
}

export async function many(number, count) {
  const { Chat } = window.require('WAWebCollections');
  const chat = Chat.get(`${number}@c.us`);
  const from = window.require('WAWebUserPrefsMeUser').getMaybeMePnUser();
  const Key = window.require('WAWebMsgKey');
  const began = performance.now();
  const results = [];
  for (let n = 0; n < count; n++) {
    const id = new Key({ from, to: chat.id, id: await Key.newId() });
    const message = { id, ack: 0, body: `many ${n}`, from, to: chat.id, t: 1, isNewMsg: true, type: 'chat' };
    results.push(window.require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, message)[1]);
  }
  await Promise.all(results);
  return performance.now() - began;
}

// One of these functions together with another that it calls, as one to run in the page.
export function using(helper, main) {
  return new Function('...args', `${helper}\nreturn (${main})(...args);`);
}
