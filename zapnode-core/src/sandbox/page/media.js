// Media: what the page holds of a file, its way up to the media servers and down again (fact sheet
// §4.5, §5.7).
if (!window.__sandboxRefused) {
  // A file that the page can show and send, and let go of.
  __d('WAWebMediaOpaqueData', (_require, _exports, module) => {
    class OpaqueData {
      #blob;
      #url = null;
      constructor(blob) {
        this.#blob = blob;
      }
      static async createFromData(data, mimetype) {
        await null;
        if (!(data instanceof Blob)) throw new TypeError('OpaqueData.createFromData: not a blob');
        if (typeof mimetype !== 'string') throw new TypeError('OpaqueData.createFromData: no mimetype');
        return new OpaqueData(data.type === mimetype ? data : data.slice(0, data.size, mimetype));
      }
      size() {
        return this.#blob.size;
      }
      type() {
        return this.#blob.type;
      }
      url() {
        this.#url ??= URL.createObjectURL(this.#blob);
        return this.#url;
      }
      formData() {
        return this.#blob;
      }
      forceToBlob() {
        return this.#blob;
      }
      autorelease() {
        // Whoever shows it has the address until then.
        const url = this.#url;
        if (url) setTimeout(() => URL.revokeObjectURL(url), 60_000);
      }
    }
    module.exports = OpaqueData;
  }, { plain: true });

  __d('WAWebMmsMediaTypes', (_require, exports) => {
    exports.msgToMediaType = ({ type, isGif, isNewsletter }) => {
      const word = type === 'video' && isGif ? 'gif' : type;
      return isNewsletter ? `newsletter-${word}` : word;
    };
    exports.getMsgMediaType = (msg) => exports.msgToMediaType({ type: msg.type, isGif: msg.isGif });
    exports.castToV4 = (type) => type;
  });

  __d('WAWebMediaDataUtils', (_require, exports) => {
    exports.shouldUseMediaCache = (type) => ['image', 'sticker', 'ptt', 'audio'].includes(type);
  });

  __d('WAWebMediaInMemoryBlobCache', (_require, exports) => {
    const kept = new Map();
    exports.InMemoryMediaBlobCache = {
      put: (filehash, blob) => {
        if (!(blob instanceof Blob)) throw new TypeError('InMemoryMediaBlobCache.put: not a blob');
        kept.set(filehash, blob);
        if (kept.size > 20) kept.delete(kept.keys().next().value);
      },
      get: (filehash) => kept.get(filehash),
    };
  });

  // One object for each file, however many messages have it.
  __d('WAWebMediaStorage', (require, exports) => {
    const { Model } = require('SandboxModels');
    class MediaObject extends Model {
      static fields = ['filehash', 'type', 'size', 'mimetype', 'mediaBlob', 'duration'];
      contentInfo = {};
      consolidate(values) {
        this.set(values);
      }
    }
    const objects = new Map();
    exports.getOrCreateMediaObject = (filehash) => {
      if (!objects.has(filehash)) objects.set(filehash, new MediaObject({ filehash }));
      return objects.get(filehash);
    };
  });

  __d('SandboxMedia', (require, exports) => {
    const { Model } = require('SandboxModels');
    const { base64, bytesOf } = require('SandboxMediaCrypto');
    const { getOrCreateMediaObject } = require('WAWebMediaStorage');

    class MediaData extends Model {
      static fields = [
        'type', 'mimetype', 'filehash', 'preview', 'size', 'duration', 'isGif', 'filename', 'mediaBlob', 'mediaStage', 'renderableUrl', 'waveform',
      ];
      toJSON() {
        return { ...this.attributes };
      }
    }
    exports.MediaData = MediaData;

    const TYPES = new Set(['image', 'video', 'audio', 'ptt', 'document', 'sticker']);
    exports.isMedia = (type) => TYPES.has(type);

    // What of a medium goes over the wire and into the storage, next to its thumbnail.
    const FIELDS = [
      'caption', 'isCaptionByUser', 'mimetype', 'filename', 'size', 'duration', 'isGif', 'isViewOnce', 'directPath', 'clientUrl',
      'mediaKey', 'mediaKeyTimestamp', 'filehash', 'encFilehash', 'waveform',
    ];
    exports.fieldsOf = (model) => {
      if (!model.directPath) return {};
      const fields = {};
      for (const name of FIELDS) {
        const value = model[name];
        if (value === undefined || value === null) continue;
        fields[name] = value instanceof Uint8Array ? base64(value) : value;
      }
      if (model.type === 'sticker') fields.mimetype ??= 'image/webp';
      return fields;
    };
    exports.revive = (fields) => (typeof fields?.waveform === 'string' ? { ...fields, waveform: bytesOf(fields.waveform) } : fields);

    // What the page knows of a message's file: whether it has the bytes is in its stage.
    const known = new WeakMap();
    exports.dataOf = (msg) => {
      if (!msg.directPath) return undefined;
      let data = known.get(msg);
      if (!data) {
        const here = Boolean(getOrCreateMediaObject(msg.filehash).mediaBlob);
        const { type, mimetype, filehash, size, duration, isGif, filename } = msg;
        data = new MediaData({ type, mimetype, filehash, size, duration, isGif, filename, mediaStage: here ? 'RESOLVED' : 'INIT' });
        known.set(msg, data);
      }
      return data;
    };
    exports.objectOf = (msg) => (msg.directPath ? getOrCreateMediaObject(msg.filehash) : undefined);

    const quietQpl = { addAnnotations: () => quietQpl, addPoint: () => quietQpl };

    // Fetches the file; where it is gone, and somebody insists, the account's phone is asked to
    // upload it again. That may take for ever (fact sheet §9).
    exports.download = async (msg, { rmrReason } = {}) => {
      const data = exports.dataOf(msg);
      if (!data) throw new Error('downloadMedia: no media');
      const fetch = () =>
        require('WAWebDownloadManager').downloadManager.downloadAndMaybeDecrypt({
          directPath: msg.directPath,
          encFilehash: msg.encFilehash,
          filehash: msg.filehash,
          mediaKey: msg.mediaKey,
          mediaKeyTimestamp: msg.mediaKeyTimestamp,
          type: msg.type,
          signal: new AbortController().signal,
          downloadQpl: quietQpl,
        });
      data.set({ mediaStage: 'FETCHING' });
      let bytes;
      try {
        bytes = await fetch();
      } catch (error) {
        if (error.status !== 404 || !rmrReason) {
          data.set({ mediaStage: error.status === 404 ? 'ERROR_MISSING' : 'ERROR_NETWORK' });
          return;
        }
        data.set({ mediaStage: 'REUPLOADING' });
        const answer = await require('SandboxWire').ask({ t: 'reupload', id: msg.id.id, fromMe: msg.id.fromMe });
        if (!answer.directPath) {
          data.set({ mediaStage: 'ERROR_MISSING' });
          return;
        }
        msg.set({ directPath: answer.directPath });
        require('SandboxMessages').keep(msg);
        data.set({ mediaStage: 'FETCHING' });
        bytes = await fetch();
      }
      const blob = new Blob([bytes], { type: msg.mimetype });
      const OpaqueData = require('WAWebMediaOpaqueData');
      getOrCreateMediaObject(msg.filehash).consolidate({ type: msg.type, mimetype: msg.mimetype, size: blob.size, mediaBlob: await OpaqueData.createFromData(blob, blob.type) });
      data.set({ mediaStage: 'RESOLVED' });
    };
  }, { stage: 'sandbox' });

  // The way to the media servers.
  __d('SandboxMediaServers', (require, exports) => {
    const media = require('SandboxMediaCrypto');
    const { config } = require('SandboxLoader');

    // Gives null where this build makes no entry of a failed upload.
    exports.upload = async ({ blob, type, mediaKey, signal }) => {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const { whole, encFilehash } = await media.encrypt(bytes, mediaKey, type);
      const token = encFilehash.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
      const response = await fetch(`/mms/${type}/${token}`, { method: 'POST', body: whole, signal });
      if (!response.ok) {
        if (config.faults.uploads === 'noEntry') return null;
        const error = new Error(`upload failed: ${response.status}`);
        error.status = response.status;
        throw error;
      }
      const { url, directPath } = await response.json();
      return { url, directPath, mediaKey, mediaKeyTimestamp: Math.floor(Date.now() / 1000), encFilehash };
    };
  }, { stage: 'sandbox' });

  __d('WAWebMediaMmsV4Upload', (require, exports) => {
    const { base64 } = require('SandboxMediaCrypto');
    exports.uploadMedia = async ({ mimetype, mediaObject, mediaType }) => {
      if (!mimetype) throw new Error('uploadMedia: no mimetype');
      const blob = mediaObject?.mediaBlob?.forceToBlob();
      if (!blob) throw new Error('uploadMedia: the media object has no blob');
      const mediaKey = base64(crypto.getRandomValues(new Uint8Array(32)));
      const sent = await require('SandboxMediaServers').upload({ blob, type: mediaType, mediaKey });
      if (!sent) return { mediaEntry: null };
      const { url, directPath, mediaKeyTimestamp, encFilehash } = sent;
      return {
        mediaEntry: { mmsUrl: url, deprecatedMms3Url: url, directPath, mediaKey, mediaKeyTimestamp, encFilehash, uploadHash: encFilehash },
      };
    };
    exports.uploadUnencryptedMedia = async () => {
      throw new Error('the sandbox has no channels');
    };
  });

  __d('WAWebStartMediaUploadQpl', (_require, exports) => {
    const qpl = { addAnnotations: () => qpl, addPoint: () => qpl };
    exports.startMediaUploadQpl = ({ entryPoint }) => {
      if (!entryPoint) throw new Error('startMediaUploadQpl: no entry point');
      return qpl;
    };
  });

  // The way of stickers.
  __d('WAWebUploadManager', (require, exports) => {
    exports.encryptAndUpload = async ({ blob, type, signal, mediaKey, uploadQpl }) => {
      if (!(blob instanceof Blob)) throw new Error('encryptAndUpload: no blob');
      uploadQpl.addPoint('upload');
      if (mediaKey?.length !== 32) throw new Error('encryptAndUpload: no media key');
      const sent = await require('SandboxMediaServers').upload({ blob, type, mediaKey, signal });
      if (!sent) throw new Error('encryptAndUpload: no entry');
      return sent;
    };
  });

  __d('WAWebDownloadManager', (require, exports) => {
    const media = require('SandboxMediaCrypto');
    exports.downloadManager = {
      downloadAndMaybeDecrypt: async ({ directPath, encFilehash, filehash, mediaKey, type, signal, downloadQpl }) => {
        // Required since 2025-12 (fact sheet §5.7).
        downloadQpl.addAnnotations({}).addPoint('download');
        if (!directPath || !mediaKey) throw new Error('downloadAndMaybeDecrypt: no media');
        const response = await fetch(directPath, { signal });
        if (!response.ok) {
          const error = new Error(`MediaDownload failed: ${response.status}`);
          error.status = response.status;
          throw error;
        }
        const whole = new Uint8Array(await response.arrayBuffer());
        if ((await media.sha256(whole)) !== encFilehash) throw new Error('encFilehash mismatch');
        const bytes = await media.decrypt(whole, mediaKey, type);
        if ((await media.sha256(bytes)) !== filehash) throw new Error('filehash mismatch');
        return bytes;
      },
    };
  });

  __d('WAWebMediaGatingUtils', (require, exports) => {
    const MB = 1 << 20;
    const limits = { image: 16 * MB, sticker: 1 * MB, video: 64 * MB, gif: 64 * MB, audio: 64 * MB, ptt: 64 * MB, document: 2048 * MB };
    exports.getUploadLimit = (type, _origin) => {
      const { uploadLimit } = require('SandboxLoader').config.faults;
      return uploadLimit || (limits[type] ?? limits.document);
    };
  });

  __d('WAMediaCalculateFilehash', (require, exports) => {
    exports.getRandomFilehash = async () => require('SandboxMediaCrypto').base64(crypto.getRandomValues(new Uint8Array(32)));
  });
}
