// Making a file ready to be sent: its kind, thumbnail, length (fact sheet §4.5).
if (!window.__sandboxRefused) {
  __d('SandboxPictures', (require, exports) => {
    const { base64 } = require('SandboxMediaCrypto');
    const THUMB = 100;

    exports.draw = async (source, width, height, mimetype, quality) => {
      const canvas = new OffscreenCanvas(width, height);
      canvas.getContext('2d').drawImage(source, 0, 0, width, height);
      return canvas.convertToBlob({ type: mimetype, quality });
    };
    exports.fit = (width, height, most) => {
      const scale = Math.min(1, most / Math.max(width, height));
      return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    };
    // A small JPEG as base64: what a message has for a body while its file is not here.
    exports.thumbnail = async (source, width, height) => {
      const blob = await exports.draw(source, ...exports.fit(width, height, THUMB), 'image/jpeg', 0.5);
      return base64(new Uint8Array(await blob.arrayBuffer()));
    };

    // Waits for an element to have its first picture or its length.
    exports.loaded = (element, url, event) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('the media could not be read in time')), 15_000);
        element.addEventListener(event, () => (clearTimeout(late), resolve(element)), { once: true });
        element.addEventListener('error', () => (clearTimeout(late), reject(new Error(element.error?.message || 'the media cannot be decoded'))), { once: true });
        element.preload = 'auto';
        element.muted = true;
        element.src = url;
      });
  }, { stage: 'sandbox' });

  __d('WAWebImageUtils', (require, exports) => {
    exports.toWebpSticker = async (file) => {
      const picture = await createImageBitmap(file);
      const canvas = new OffscreenCanvas(512, 512);
      const [width, height] = require('SandboxPictures').fit(picture.width, picture.height, 512);
      canvas.getContext('2d').drawImage(picture, (512 - width) / 2, (512 - height) / 2, width, height);
      return canvas.convertToBlob({ type: 'image/webp' });
    };
  });

  __d('WAWebPrepRawMedia', (require, exports) => {
    const { MediaData } = require('SandboxMedia');
    const { sha256 } = require('SandboxMediaCrypto');
    const { config } = require('SandboxLoader');
    const pictures = require('SandboxPictures');
    const OpaqueData = require('WAWebMediaOpaqueData');

    function typeOf(mimetype, { asSticker, isPtt, asDocument }) {
      if (asSticker) return 'sticker';
      if (asDocument) return 'document';
      const kind = mimetype.split('/')[0];
      if (kind === 'image' || kind === 'video') return kind;
      if (kind === 'audio') return isPtt ? 'ptt' : 'audio';
      return 'document';
    }

    async function image(blob, { maxDimension = 1600 }) {
      const picture = await createImageBitmap(blob);
      const { width, height } = picture;
      const preview = await pictures.thumbnail(picture, width, height);
      // Larger ones are made smaller, and what comes of it is no OpaqueData yet.
      if (Math.max(width, height) <= maxDimension) return { preview };
      const smaller = await pictures.draw(picture, ...pictures.fit(width, height, maxDimension), 'image/jpeg', 0.9);
      return { preview, mimetype: 'image/jpeg', mediaBlob: smaller };
    }

    async function video(opaque) {
      const element = await pictures.loaded(document.createElement('video'), opaque.url(), 'loadeddata');
      const preview = await pictures.thumbnail(element, element.videoWidth, element.videoHeight);
      return { preview, duration: Math.round(element.duration) };
    }

    async function audio(opaque, { precomputedFields }) {
      if (precomputedFields?.duration !== undefined) return { ...precomputedFields };
      const element = await pictures.loaded(document.createElement('audio'), opaque.url(), 'loadedmetadata');
      return { duration: Math.round(element.duration) };
    }

    async function prepare(opaque, params) {
      const blob = opaque.forceToBlob();
      const type = typeOf(blob.type, params);
      const more =
        type === 'image' ? await image(blob, params)
        : type === 'sticker' ? { mimetype: 'image/webp', mediaBlob: await require('WAWebImageUtils').toWebpSticker(blob) }
        : type === 'video' ? await video(opaque)
        : type === 'audio' || type === 'ptt' ? await audio(opaque, params)
        : {};
      const data = new MediaData({
        type,
        mimetype: blob.type || 'application/octet-stream',
        filename: type === 'document' ? blob.name : undefined,
        isGif: type === 'video' && Boolean(params.asGif),
        mediaBlob: opaque,
        mediaStage: 'RESOLVED',
        ...more,
      });
      const sent = data.mediaBlob instanceof OpaqueData ? data.mediaBlob.forceToBlob() : data.mediaBlob;
      data.attributes.size = sent.size;
      data.attributes.filehash = await sha256(await sent.arrayBuffer());
      return data;
    }

    exports.prepRawMedia = (opaque, params = {}) => {
      if (!(opaque instanceof OpaqueData)) throw new TypeError('prepRawMedia: no OpaqueData');
      const prepared = prepare(opaque, params);
      prepared.catch(() => {});
      const send = async (chat, options) => require('SandboxMediaSend').send(chat, await prepared, options ?? {});
      return {
        waitForPrep: () => prepared,
        // Fact sheet §8.1: one object, or by position; told apart by the function's length.
        sendToChat:
          config.faults.prepSend === 'positional'
            ? (chat, options) => send(chat, options)
            : (given) => {
                if (!given?.chat) throw new TypeError("Cannot read properties of undefined (reading 'chat')");
                return send(given.chat, given.options);
              },
      };
    };
  });

  // What the page's own send button does with a prepared file.
  __d('SandboxMediaSend', (require, exports) => {
    exports.send = async (chat, data, { caption, isViewOnce } = {}) => {
      const OpaqueData = require('WAWebMediaOpaqueData');
      const { MsgKey } = require('SandboxIds');
      const me = require('WAWebUserPrefsMeUser');
      const object = require('WAWebMediaStorage').getOrCreateMediaObject(data.filehash);
      if (!(data.mediaBlob instanceof OpaqueData)) {
        data.mediaBlob = await OpaqueData.createFromData(data.mediaBlob, data.mediaBlob.type);
      }
      object.consolidate(data.toJSON());
      const mediaType = require('WAWebMmsMediaTypes').msgToMediaType(data);
      const { mediaEntry } = await require('WAWebMediaMmsV4Upload').uploadMedia({ mimetype: data.mimetype, mediaObject: object, mediaType });
      if (!mediaEntry) throw new Error('sendToChat: not uploaded');
      const { directPath, mediaKey, mediaKeyTimestamp, encFilehash } = mediaEntry;
      const from = chat.id.isLid() || (chat.id.isGroup() && chat.groupMetadata?.isLidAddressingMode) ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
      const participant = chat.id.isGroup() ? from : undefined;
      const message = {
        id: new MsgKey({ from, to: chat.id, id: await MsgKey.newId(), participant, selfDir: 'out' }),
        ack: 0, from, to: chat.id, local: true, self: 'out', t: Math.floor(Date.now() / 1000), isNewMsg: true,
        ...data.toJSON(), directPath, mediaKey, mediaKeyTimestamp, encFilehash, body: data.preview, caption, isViewOnce,
      };
      const [, result] = require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, message);
      return result;
    };
  }, { stage: 'sandbox' });
}
