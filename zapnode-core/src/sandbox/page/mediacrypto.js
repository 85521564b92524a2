// WhatsApp's media encryption: HKDF-SHA256 of the media key gives iv, cipher key and MAC key;
// AES-256-CBC, then the first 10 bytes of HMAC-SHA256 over iv and ciphertext. Its Rust half is
// ../media.rs.
if (!window.__sandboxRefused)
  __d('SandboxMediaCrypto', (_require, exports) => {
    const infos = {
      image: 'Image', sticker: 'Image', video: 'Video', gif: 'Video', ptv: 'Video', audio: 'Audio', ptt: 'Audio', document: 'Document',
    };
    const MAC = 10;

    const bytesOf = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const base64 = (bytes) => {
      let text = '';
      for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
      return btoa(text);
    };
    const sha256 = async (bytes) => base64(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

    async function keysOf(mediaKey, type) {
      const info = infos[type];
      if (!info) throw new Error(`no media keys for ${type}`);
      const secret = await crypto.subtle.importKey('raw', bytesOf(mediaKey), 'HKDF', false, ['deriveBits']);
      const salt = new Uint8Array(32);
      const how = { name: 'HKDF', hash: 'SHA-256', salt, info: new TextEncoder().encode(`WhatsApp ${info} Keys`) };
      const bits = new Uint8Array(await crypto.subtle.deriveBits(how, secret, 112 * 8));
      return {
        iv: bits.subarray(0, 16),
        cipher: await crypto.subtle.importKey('raw', bits.subarray(16, 48), 'AES-CBC', false, ['encrypt', 'decrypt']),
        mac: await crypto.subtle.importKey('raw', bits.subarray(48, 80), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']),
      };
    }

    async function macOf({ iv, mac }, ciphertext) {
      const signed = new Uint8Array(iv.length + ciphertext.length);
      signed.set(iv);
      signed.set(ciphertext, iv.length);
      return new Uint8Array(await crypto.subtle.sign('HMAC', mac, signed)).subarray(0, MAC);
    }

    exports.encrypt = async (bytes, mediaKey, type) => {
      const keys = await keysOf(mediaKey, type);
      const ciphertext = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-CBC', iv: keys.iv }, keys.cipher, bytes));
      const whole = new Uint8Array(ciphertext.length + MAC);
      whole.set(ciphertext);
      whole.set(await macOf(keys, ciphertext), ciphertext.length);
      return { whole, encFilehash: await sha256(whole) };
    };

    exports.decrypt = async (whole, mediaKey, type) => {
      const keys = await keysOf(mediaKey, type);
      const ciphertext = whole.subarray(0, -MAC);
      const mac = await macOf(keys, ciphertext);
      if (!mac.every((byte, at) => byte === whole[ciphertext.length + at])) throw new Error('media MAC mismatch');
      return crypto.subtle.decrypt({ name: 'AES-CBC', iv: keys.iv }, keys.cipher, ciphertext);
    };

    Object.assign(exports, { base64, bytesOf, sha256 });
  }, { stage: 'sandbox' });
